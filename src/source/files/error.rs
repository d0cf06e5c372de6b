//! What can be wrong with a file, and what can be wrong with one row of it.

use std::path::PathBuf;

/// Why a file can't be read, or not further than this.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// The operating system refused.
    #[error("can't read {}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// Neither the caller nor the name of the file tells its format.
    #[error("{}: the name doesn't tell the format; end it in .csv, .ndjson or .parquet, or pass --format", path.display())]
    UnknownFormat {
        /// The file.
        path: PathBuf,
    },
    /// The file holds no header and no row.
    #[error("{} is empty", path.display())]
    Empty {
        /// The file.
        path: PathBuf,
    },
    /// The file is not what it should be.
    #[error("{}{}: {what}", path.display(), at(*line))]
    Malformed {
        /// The file.
        path: PathBuf,
        /// The line, or 0 when it is about the whole file.
        line: u64,
        /// What is wrong and what to do.
        what: String,
    },
    /// A column that was asked for is not there.
    #[error("{}: there is no column {column:?} for the {role}; the columns are {columns}", path.display())]
    NoColumn {
        /// The file.
        path: PathBuf,
        /// What the column was to be.
        role: &'static str,
        /// Its name.
        column: String,
        /// The names that are there.
        columns: String,
    },
    /// No column was named for the event time, and none has a usual name.
    #[error(
        "{}: which column is the event time? Name it with --time or as time in [models.table]; the columns are {columns}",
        path.display()
    )]
    NoTimeColumn {
        /// The file.
        path: PathBuf,
        /// The names that are there.
        columns: String,
    },
    /// Rows of a table, and no model that they could belong to.
    #[error("{}: which model do the rows belong to? Name it with --model", path.display())]
    NoModel {
        /// The file.
        path: PathBuf,
    },
    /// A broken row, where none is allowed.
    #[error("{0}; without --strict such rows are counted and left out")]
    Strict(RowFault),
}

fn at(line: u64) -> String {
    if line == 0 { String::new() } else { format!(":{line}") }
}

/// Why a row was left out. The set is closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum FaultReason {
    /// The row has more or fewer fields than the header.
    Ragged,
    /// The row is not valid UTF-8.
    NotUtf8,
    /// The line is not a JSON object.
    NotJson,
    /// The line is longer than a row may be.
    TooLong,
    /// The row holds nothing that an event could tell.
    Nothing,
    /// The row has no event time.
    NoTime,
    /// The event time can't be read.
    BadTime,
}

impl FaultReason {
    /// The word used in summaries.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ragged => "ragged",
            Self::NotUtf8 => "not_utf8",
            Self::NotJson => "not_json",
            Self::TooLong => "too_long",
            Self::Nothing => "nothing",
            Self::NoTime => "no_time",
            Self::BadTime => "bad_time",
        }
    }
}

/// A row that was left out.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}:{line}: {what}", path.display())]
pub struct RowFault {
    /// The file.
    pub path: PathBuf,
    /// The line where the row begins; for Parquet the number of the row.
    pub line: u64,
    /// The bounded reason.
    pub reason: FaultReason,
    /// What is wrong with this row.
    pub what: String,
}

/// The rows that were left out: all counted, the first few named.
#[derive(Debug, Clone, Default)]
pub struct Faults {
    counts: std::collections::BTreeMap<FaultReason, u64>,
    first: Vec<RowFault>,
}

/// Broken rows that are named one by one.
const NAMED_FAULTS: usize = 5;

impl Faults {
    /// Counts a row that was left out.
    pub(super) fn note(&mut self, fault: RowFault) {
        *self.counts.entry(fault.reason).or_default() += 1;
        if self.first.len() < NAMED_FAULTS {
            self.first.push(fault);
        }
    }

    /// How many rows were left out.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.counts.values().sum()
    }

    /// How many rows were left out for each reason that occurred.
    pub fn counts(&self) -> impl Iterator<Item = (FaultReason, u64)> + '_ {
        self.counts.iter().map(|(&reason, &count)| (reason, count))
    }

    /// The first few of them.
    #[must_use]
    pub fn first(&self) -> &[RowFault] {
        &self.first
    }
}
