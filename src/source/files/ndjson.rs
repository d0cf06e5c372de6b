//! Rows of a file with one JSON object a line.
//!
//! An object with a `time` and `features`, or with a `time` and a `kind`, is a
//! whole event and passed on as it is. Any other is a row of a table: its
//! members are columns.

use std::{
    borrow::Cow,
    cell::Cell,
    collections::HashMap,
    io::{BufRead, Read as _},
    path::{Path, PathBuf},
    rc::Rc,
};

use super::{
    FaultReason, FileError, FileValue, Lines, Read, RowFault, TableRow,
    input::{Input, MAX_ROW_BYTES},
};
use crate::decode::{LooseValue, loose_value, raw_members};

/// More distinct keys than this are no columns but data.
const MAX_COLUMNS: usize = 10_000;

#[derive(Debug)]
pub(super) struct NdjsonRows {
    path: PathBuf,
    lines: Lines,
    input: Input,
    position: Rc<Cell<u64>>,
    line: u64,
    buffer: Vec<u8>,
    columns: Vec<String>,
    by_name: HashMap<String, usize>,
}

impl NdjsonRows {
    pub(super) fn open(path: &Path, lines: Lines) -> Result<Self, FileError> {
        let mut input = Input::open(path)?;
        let start = input.fill_buf().map_err(|source| FileError::Io { path: path.to_owned(), source })?;
        let text = start.strip_prefix(b"\xef\xbb\xbf").unwrap_or(start);
        if text.trim_ascii_start().starts_with(b"[") {
            let what =
                "this is one JSON array; write one object a line, with `jq -c '.[]'` for instance".to_owned();
            return Err(FileError::Malformed { path: path.to_owned(), line: 1, what });
        }
        if text.is_empty() {
            return Err(FileError::Empty { path: path.to_owned() });
        }
        let skip = start.len() - text.len();
        input.consume(skip);
        Ok(Self {
            path: path.to_owned(),
            lines,
            position: input.counter(),
            input,
            line: 0,
            buffer: Vec::new(),
            columns: Vec::new(),
            by_name: HashMap::new(),
        })
    }

    pub(super) fn columns(&self) -> &[String] {
        &self.columns
    }

    pub(super) fn position(&self) -> u64 {
        self.position.get()
    }

    pub(super) fn read(&mut self, row: &mut TableRow) -> Result<Read, FileError> {
        loop {
            self.buffer.clear();
            self.line += 1;
            if !self.read_line()? {
                return Ok(Read::End);
            }
            if self.buffer.len() as u64 > MAX_ROW_BYTES {
                self.skip_line()?;
                let what = format!("a line of more than {} MiB", MAX_ROW_BYTES >> 20);
                return Ok(self.broken(FaultReason::TooLong, what));
            }
            if !self.buffer.trim_ascii().is_empty() {
                break;
            }
        }
        row.begin(self.line);
        let buffer = std::mem::take(&mut self.buffer);
        let read = self.read_object(&buffer, row);
        self.buffer = buffer;
        read
    }

    /// Reads one line, or the beginning of one that is too long.
    fn read_line(&mut self) -> Result<bool, FileError> {
        let read = (&mut self.input)
            .take(MAX_ROW_BYTES + 1)
            .read_until(b'\n', &mut self.buffer)
            .map_err(|source| FileError::Io { path: self.path.clone(), source })?;
        Ok(read > 0)
    }

    fn skip_line(&mut self) -> Result<(), FileError> {
        while !self.buffer.ends_with(b"\n") {
            self.buffer.clear();
            if !self.read_line()? {
                break;
            }
        }
        Ok(())
    }

    fn read_object(&mut self, line: &[u8], row: &mut TableRow) -> Result<Read, FileError> {
        let Ok(text) = std::str::from_utf8(line) else {
            return Ok(self.broken(FaultReason::NotUtf8, "the line is not valid UTF-8".to_owned()));
        };
        let text = text.trim();
        let Some(members) = raw_members(text.as_bytes()) else {
            return Ok(self.broken(FaultReason::NotJson, "the line is not a JSON object".to_owned()));
        };
        if self.lines == Lines::Events || is_event(&members) {
            row.set_event(text);
            return Ok(Read::Event);
        }
        for (name, raw) in &members {
            let column = self.column(name)?;
            let json = std::str::from_utf8(raw).unwrap_or("null");
            let value = loose_value(raw).unwrap_or(LooseValue::Nested);
            row.put(
                column,
                match &value {
                    LooseValue::Missing => FileValue::Missing,
                    LooseValue::Bool(flag) => FileValue::Bool(*flag),
                    LooseValue::Number(number) => FileValue::Number(*number, json),
                    LooseValue::Text(text) => FileValue::Text(text),
                    LooseValue::Nested => FileValue::Nested(json),
                },
            );
        }
        Ok(Read::Row)
    }

    fn column(&mut self, name: &str) -> Result<usize, FileError> {
        if let Some(&column) = self.by_name.get(name) {
            return Ok(column);
        }
        let column = self.columns.len();
        if column == MAX_COLUMNS {
            let what = format!("more than {MAX_COLUMNS} different keys; are some of them data?");
            return Err(FileError::Malformed { path: self.path.clone(), line: self.line, what });
        }
        self.columns.push(name.to_owned());
        self.by_name.insert(name.to_owned(), column);
        Ok(column)
    }

    fn broken(&self, reason: FaultReason, what: String) -> Read {
        Read::Broken(RowFault { path: self.path.clone(), line: self.line, reason, what })
    }
}

fn is_event(members: &[(Cow<'_, str>, &[u8])]) -> bool {
    let find = |name: &str| members.iter().find(|(key, _)| key == name).map(|(_, raw)| *raw);
    find("time").is_some()
        && (find("features").is_some_and(|raw| raw.starts_with(b"{"))
            || find("kind").is_some_and(|raw| raw.starts_with(b"\"")))
}
