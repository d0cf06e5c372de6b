//! The rows of files as a stream of events, ready for the core, a topic or a
//! reference.

use std::path::{Path, PathBuf};

use super::{
    EventReader, Faults, FileError, FileFormat, Lines, Required, RowReader,
    columns::ColumnPlaces,
    scan::FileScan,
    times::{DAY_MS, Times},
};
use crate::{config::TableMapping, decode::EventMapping};

/// How files are made events.
#[derive(Debug, Clone)]
pub struct EventOptions {
    /// The model that rows of tables belong to; empty when there are several
    /// and none was named, which only events can do without.
    pub model: String,
    /// Which columns are what.
    pub table: TableMapping,
    /// Where fields are found in the lines of NDJSON that are events already.
    pub events: EventMapping,
    /// What the files must have.
    pub required: Required,
    /// The format, where their names don't tell.
    pub format: Option<FileFormat>,
    /// Whether one broken row is an error.
    pub strict: bool,
}

/// Files whose rows have been looked over once.
#[derive(Debug)]
pub struct EventFiles {
    pub(super) options: EventOptions,
    pub(super) files: Vec<Plan>,
    pub(super) faults: Faults,
    pub(super) notes: Vec<String>,
    pub(super) table_rows: u64,
    pub(super) event_rows: u64,
    /// How far a row was behind the latest time before it, at most.
    pub(super) disorder_ms: i64,
}

/// What the first pass found out about one file.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) path: PathBuf,
    pub(super) places: ColumnPlaces,
    pub(super) times: Times,
}

impl EventFiles {
    /// Looks over all rows of `paths`, which are one stream in this order;
    /// `progress` is told the bytes read so far.
    ///
    /// # Errors
    /// When a file or its columns can't be used, or `strict` is set and a row
    /// can't.
    pub fn scan(
        paths: &[PathBuf],
        options: EventOptions,
        progress: &mut dyn FnMut(u64),
    ) -> Result<Self, FileError> {
        let mut files = Self {
            options,
            files: Vec::new(),
            faults: Faults::default(),
            notes: Vec::new(),
            table_rows: 0,
            event_rows: 0,
            disorder_ms: 0,
        };
        let mut latest = None;
        let mut bytes_before = 0;
        for path in paths {
            let mut scan = FileScan::new(&mut files, path, latest)?;
            scan.run(&mut |bytes| progress(bytes_before + bytes))?;
            latest = scan.latest;
            bytes_before += std::fs::metadata(path).map_or(0, |metadata| metadata.len());
            progress(bytes_before);
        }
        let has_own_shape = files.options.events != EventMapping::default();
        if has_own_shape && files.table_rows > 0 && files.event_rows > 0 {
            return Err(FileError::Malformed {
                path: paths.first().cloned().unwrap_or_default(),
                line: 0,
                what:
                    "rows of tables and events in the shape of [events] can't be one stream; take them apart"
                        .to_owned(),
            });
        }
        Ok(files)
    }

    /// What was guessed, and what else a person should know about the files.
    #[must_use]
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    /// The rows that are left out.
    #[must_use]
    pub fn faults(&self) -> &Faults {
        &self.faults
    }

    /// Rows that are used.
    #[must_use]
    pub fn rows(&self) -> u64 {
        self.table_rows + self.event_rows
    }

    /// Where the fields of the events are found: rows of tables become native
    /// events; lines that are events stay as they are.
    #[must_use]
    pub fn mapping(&self) -> EventMapping {
        if self.event_rows > 0 { self.options.events.clone() } else { EventMapping::default() }
    }

    /// Whether some rows are events already, whose labels may be events of their
    /// own, anywhere; the label of a row of a table follows it.
    #[must_use]
    pub fn have_events(&self) -> bool {
        self.event_rows > 0
    }

    /// Whether the rows of some file have only dates and are spread over them.
    #[must_use]
    pub fn are_spread(&self) -> bool {
        self.files.iter().any(|file| file.times.are_spread())
    }

    /// Whether every row has an event time.
    #[must_use]
    pub fn have_times(&self) -> bool {
        self.event_rows > 0 || self.files.iter().all(|file| file.places.has_time())
    }

    /// Whether the rows are further out of order of time than `tolerance_ms`
    /// allows, so that they have to be sorted in memory.
    #[must_use]
    pub fn must_sort(&self, tolerance_ms: i64) -> bool {
        // Spreading moves a row by less than a day.
        let moved_ms = if self.are_spread() && self.disorder_ms > 0 { DAY_MS } else { 0 };
        self.disorder_ms.saturating_add(moved_ms) > tolerance_ms
    }

    /// The second pass: the events, in order of time up to `tolerance_ms`.
    #[must_use]
    pub fn events(&self, tolerance_ms: i64) -> EventReader<'_> {
        EventReader::new(self, self.must_sort(tolerance_ms))
    }
}

/// Opens a file as both passes read it.
pub(super) fn open(path: &Path, options: &EventOptions) -> Result<RowReader, FileError> {
    let is_native = options.events == EventMapping::default();
    RowReader::open(path, options.format, if is_native { Lines::Recognise } else { Lines::Events })
}
