//! Rows of a CSV file.

use std::{
    cell::Cell,
    collections::BTreeSet,
    io::BufRead,
    path::{Path, PathBuf},
    rc::Rc,
};

use csv::{ByteRecord, ErrorKind, Reader, ReaderBuilder};

use super::{
    FaultReason, FileError, Read, RowFault, TableRow,
    input::{Input, MAX_ROW_BYTES, RowTooLong},
};

/// Name of a first column without one, as pandas writes its index.
const UNNAMED_FIRST: &str = "index";

#[derive(Debug)]
pub(super) struct CsvRows {
    path: PathBuf,
    reader: Reader<Input>,
    record: ByteRecord,
    columns: Vec<String>,
    position: Rc<Cell<u64>>,
    allowance: Rc<Cell<u64>>,
}

impl CsvRows {
    pub(super) fn open(path: &Path) -> Result<Self, FileError> {
        let mut input = Input::open(path)?;
        let (position, allowance) = (input.counter(), input.allowance());
        let start = input.fill_buf().map_err(|source| FileError::Io { path: path.to_owned(), source })?;
        let delimiter = delimiter_of(start);
        allowance.set(MAX_ROW_BYTES);
        // Rows of another length are told apart from rows that can't be read.
        let mut reader = ReaderBuilder::new().delimiter(delimiter).flexible(true).from_reader(input);
        let header = reader.byte_headers().map_err(|error| fatal(path, error))?.clone();
        let columns = column_names(path, &header)?;
        Ok(Self { path: path.to_owned(), reader, record: ByteRecord::new(), columns, position, allowance })
    }

    pub(super) fn columns(&self) -> &[String] {
        &self.columns
    }

    pub(super) fn position(&self) -> u64 {
        self.position.get()
    }

    pub(super) fn read(&mut self, row: &mut TableRow) -> Result<Read, FileError> {
        self.allowance.set(MAX_ROW_BYTES);
        if !self.reader.read_byte_record(&mut self.record).map_err(|error| fatal(&self.path, error))? {
            return Ok(Read::End);
        }
        let line = self.record.position().map_or(0, csv::Position::line);
        row.begin(line);
        if self.record.len() != self.columns.len() {
            let mut what =
                format!("{} fields where the header has {}", self.record.len(), self.columns.len());
            if self.record.as_slice().contains(&b'\n') {
                what.push_str(", over several lines; is a quote not closed?");
            }
            return Ok(self.broken(line, FaultReason::Ragged, what));
        }
        for (field, column) in self.record.iter().zip(&self.columns) {
            let Ok(text) = std::str::from_utf8(field) else {
                let what = format!(
                    "column {column:?} is not valid UTF-8; convert the file, with iconv for instance"
                );
                return Ok(self.broken(line, FaultReason::NotUtf8, what));
            };
            row.push_text_as_value(text);
        }
        Ok(Read::Row)
    }

    fn broken(&self, line: u64, reason: FaultReason, what: String) -> Read {
        Read::Broken(RowFault { path: self.path.clone(), line, reason, what })
    }
}

/// The comma, or what the header has instead of it.
fn delimiter_of(start: &[u8]) -> u8 {
    let header = start.split(|&byte| byte == b'\n').next().unwrap_or_default();
    let count = |delimiter: u8| memchr::memchr_iter(delimiter, header).count();
    if count(b',') > 0 {
        return b',';
    }
    [b'\t', b';', b'|']
        .into_iter()
        .filter(|&other| count(other) > 0)
        .max_by_key(|&other| count(other))
        .unwrap_or(b',')
}

fn column_names(path: &Path, header: &ByteRecord) -> Result<Vec<String>, FileError> {
    let malformed = |what: String| FileError::Malformed { path: path.to_owned(), line: 1, what };
    if header.is_empty() {
        return Err(FileError::Empty { path: path.to_owned() });
    }
    let mut seen = BTreeSet::new();
    let mut columns = Vec::with_capacity(header.len());
    for (index, field) in header.iter().enumerate() {
        let name = std::str::from_utf8(field)
            .map_err(|_| malformed(format!("the name of column {} is not valid UTF-8", index + 1)))?
            .trim();
        let name = if name.is_empty() && index == 0 { UNNAMED_FIRST } else { name };
        if name.is_empty() {
            return Err(malformed(format!(
                "column {} has no name; the first line must be a header",
                index + 1
            )));
        }
        if !seen.insert(name) {
            return Err(malformed(format!("two columns are called {name:?}; rename one of them")));
        }
        columns.push(name.to_owned());
    }
    Ok(columns)
}

fn fatal(path: &Path, error: csv::Error) -> FileError {
    let line = error.position().map_or(0, csv::Position::line);
    let path = path.to_owned();
    match error.into_kind() {
        ErrorKind::Io(source)
            if source.get_ref().is_some_and(<dyn std::error::Error + Send + Sync>::is::<RowTooLong>) =>
        {
            FileError::Malformed { path, line, what: source.to_string() }
        }
        ErrorKind::Io(source) => FileError::Io { path, source },
        other => FileError::Malformed { path, line, what: format!("{other:?}") },
    }
}
