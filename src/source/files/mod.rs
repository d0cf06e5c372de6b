//! Files of rows as events: CSV, NDJSON and Parquet.
//!
//! Why: a reference is built from training data, a replay scores yesterday's
//! predictions and a trial publishes a file on a topic. All three read the
//! same rows, so there is one way from a row to an event ([`EventFiles`]), and
//! what it gives are the very bytes that a producer would have sent. A file
//! that is replayed and the same file published and consumed therefore give
//! the same points.
//!
//! Promises: files are streamed and rows are bounded, so memory does not grow
//! with the file (except for a file out of order of time, which is sorted in
//! memory, see [`EventFiles::must_sort`]); a row that can't be read is counted
//! by reason and named by file and line, and the others are still used; every
//! guess about what a column means is told ([`EventFiles::notes`]).
//!
//! Refuses: files of a format that neither the name nor the caller tells, CSV
//! without a header, columns with the same name, JSON arrays over lines.

mod columns;
mod csv;
mod encode;
mod error;
mod events;
mod input;
mod ndjson;
mod parquet;
mod reader;
mod row;
mod scan;
mod times;

use std::path::Path;

pub use columns::Required;
pub use error::{FaultReason, Faults, FileError, RowFault};
pub use events::{EventFiles, EventOptions};
pub use reader::EventReader;
pub use row::{FileValue, Read, TableRow};

/// How the rows of a file are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileFormat {
    /// Comma-separated values with a header; tabs, semicolons and bars are
    /// recognised from the header.
    Csv,
    /// One JSON object a line.
    Ndjson,
    /// Apache Parquet.
    Parquet,
}

impl FileFormat {
    /// The format that the name of a file tells, without a final `.gz`.
    #[must_use]
    pub fn of(path: &Path) -> Option<Self> {
        let name = path.file_name()?.to_str()?.to_ascii_lowercase();
        let name = name.strip_suffix(".gz").unwrap_or(&name);
        match name.rsplit_once('.')?.1 {
            "csv" | "tsv" => Some(Self::Csv),
            "ndjson" | "jsonl" | "json" => Some(Self::Ndjson),
            "parquet" | "pq" => Some(Self::Parquet),
            _ => None,
        }
    }

    /// The format called `word`.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        match word {
            "csv" => Some(Self::Csv),
            "ndjson" => Some(Self::Ndjson),
            "parquet" => Some(Self::Parquet),
            _ => None,
        }
    }
}

/// What the lines of an NDJSON file are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lines {
    /// Events where they look like the native envelope, else rows of a table.
    Recognise,
    /// Events in a shape of their own.
    Events,
}

/// Reads the rows of one file.
#[derive(Debug)]
pub struct RowReader {
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    Csv(csv::CsvRows),
    Ndjson(ndjson::NdjsonRows),
    Parquet(Box<parquet::ParquetRows>),
}

impl RowReader {
    /// Opens a file; its format is `format`, or else what its name tells.
    ///
    /// # Errors
    /// When it can't be opened, its format is not known, or its header or
    /// footer can't be used.
    pub fn open(path: &Path, format: Option<FileFormat>, lines: Lines) -> Result<Self, FileError> {
        let format = format
            .or_else(|| FileFormat::of(path))
            .ok_or_else(|| FileError::UnknownFormat { path: path.to_owned() })?;
        Ok(Self {
            kind: match format {
                FileFormat::Csv => Kind::Csv(csv::CsvRows::open(path)?),
                FileFormat::Ndjson => Kind::Ndjson(ndjson::NdjsonRows::open(path, lines)?),
                FileFormat::Parquet => Kind::Parquet(Box::new(parquet::ParquetRows::open(path)?)),
            },
        })
    }

    /// The columns met so far, by the index that rows use. NDJSON may add
    /// some at its end with every row; the others know all from the start.
    #[must_use]
    pub fn columns(&self) -> &[String] {
        match &self.kind {
            Kind::Csv(rows) => rows.columns(),
            Kind::Ndjson(rows) => rows.columns(),
            Kind::Parquet(rows) => rows.columns(),
        }
    }

    /// Reads the next row into `row`.
    ///
    /// # Errors
    /// When nothing after this place can be read.
    pub fn read(&mut self, row: &mut TableRow) -> Result<Read, FileError> {
        match &mut self.kind {
            Kind::Csv(rows) => rows.read(row),
            Kind::Ndjson(rows) => rows.read(row),
            Kind::Parquet(rows) => rows.read(row),
        }
    }

    /// Bytes of the file that have been read; for Parquet the share of its
    /// rows, as bytes.
    #[must_use]
    pub fn position(&self) -> u64 {
        match &self.kind {
            Kind::Csv(rows) => rows.position(),
            Kind::Ndjson(rows) => rows.position(),
            Kind::Parquet(rows) => rows.position(),
        }
    }
}
