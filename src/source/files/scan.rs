//! The first pass over a file: what its columns are, which rows can be used,
//! and how its times lie.

use std::path::Path;

use super::{
    EventFiles, FaultReason, FileError, Read, Required, RowFault, RowReader, TableRow,
    columns::{ColumnPlaces, Place},
    encode::Encoder,
    events::{Plan, open},
    times::{Times, time_of},
};
use crate::{
    decode::{Decoder, EventMapping, FieldSource, Row},
    event::{EventTime, MessageBatch, PartitionId},
};

/// Rows between two reports of progress.
const REPORT_ROWS: u64 = 1_024;
/// Stands for every model where only times and ids are wanted.
const ANY_MODEL: &str = "any";

/// The first pass over one file.
pub(super) struct FileScan<'f> {
    files: &'f mut EventFiles,
    path: &'f Path,
    reader: RowReader,
    columns_known: usize,
    places: ColumnPlaces,
    encoder: Encoder,
    times: Times,
    peek: Peek,
    /// Latest time of this file and those before it.
    pub(super) latest: Option<EventTime>,
}

impl<'f> FileScan<'f> {
    pub(super) fn new(
        files: &'f mut EventFiles,
        path: &'f Path,
        latest: Option<EventTime>,
    ) -> Result<Self, FileError> {
        let reader = open(path, &files.options)?;
        let peek = Peek::new(&files.options.events);
        Ok(Self {
            files,
            path,
            reader,
            columns_known: 0,
            places: ColumnPlaces::default(),
            encoder: Encoder::default(),
            times: Times::default(),
            peek,
            latest,
        })
    }

    pub(super) fn run(&mut self, progress: &mut dyn FnMut(u64)) -> Result<(), FileError> {
        let mut row = TableRow::default();
        let (mut rows, mut events) = (0_u64, 0_u64);
        loop {
            match self.reader.read(&mut row)? {
                Read::End => break,
                Read::Broken(fault) => self.fault(fault)?,
                Read::Event => {
                    events += 1;
                    if let Some((time, _)) = self.peek.look(row.event()) {
                        self.observe_order(time);
                    }
                }
                Read::Row => {
                    rows += u64::from(self.scan_row(&row)?);
                }
            }
            if (rows + events).is_multiple_of(REPORT_ROWS) {
                progress(self.reader.position());
            }
        }
        self.finish(rows, events)
    }

    /// `false` when the row is left out.
    fn scan_row(&mut self, row: &TableRow) -> Result<bool, FileError> {
        if self.reader.columns().len() > self.columns_known {
            self.resolve()?;
        }
        if !self.encoder.has_event(row) {
            let what = "the row has no features, no prediction and no label".to_owned();
            let (path, line) = (self.path.to_owned(), row.line());
            self.fault(RowFault { path, line, reason: FaultReason::Nothing, what })?;
            return Ok(false);
        }
        if !self.places.has_time() {
            return Ok(true);
        }
        match time_of(self.encoder.value(row, Place::Time)) {
            Ok((time, local)) => {
                self.times.observe(time);
                self.times.has_local |= local;
                self.observe_order(time);
                Ok(true)
            }
            Err((reason, what)) => {
                self.fault(RowFault { path: self.path.to_owned(), line: row.line(), reason, what })?;
                Ok(false)
            }
        }
    }

    /// Finds the columns' places, for all that are known by now.
    fn resolve(&mut self) -> Result<(), FileError> {
        let columns = self.reader.columns();
        self.columns_known = columns.len();
        let options = &self.files.options;
        if options.model.is_empty() {
            return Err(FileError::NoModel { path: self.path.to_owned() });
        }
        let mut table = options.table.clone();
        // A column that was the time of earlier rows stays it.
        table.time = self.places.time().cloned().or(table.time);
        self.places = ColumnPlaces::resolve(self.path, columns, &table, options.required)?;
        self.encoder.set_columns(columns, |name| self.places.place(name));
        Ok(())
    }

    fn observe_order(&mut self, time: EventTime) {
        let latest = self.latest.map_or(time, |latest| latest.max(time));
        self.latest = Some(latest);
        self.files.disorder_ms = self.files.disorder_ms.max(latest.0 - time.0);
    }

    fn fault(&mut self, fault: RowFault) -> Result<(), FileError> {
        if self.files.options.strict {
            return Err(FileError::Strict(fault));
        }
        self.files.faults.note(fault);
        Ok(())
    }

    fn finish(&mut self, rows: u64, events: u64) -> Result<(), FileError> {
        if self.reader.columns().len() > self.columns_known {
            self.resolve()?;
        }
        let path = self.path.display();
        let notes = &mut self.files.notes;
        notes.append(&mut self.places.notes);
        if self.times.has_local {
            notes.push(format!("{path}: times without an offset are taken as UTC"));
        }
        if self.times.are_spread() && self.files.options.required == Required::Events {
            notes.push(format!(
                "{path}: no row has a time of day; the rows of a day are evenly spread over it"
            ));
        }
        if rows + events == 0 {
            notes.push(format!("{path}: no row can be used"));
        }
        self.files.table_rows += rows;
        self.files.event_rows += events;
        self.files.files.push(Plan {
            path: self.path.to_owned(),
            places: std::mem::take(&mut self.places),
            times: std::mem::take(&mut self.times),
        });
        Ok(())
    }
}

/// Reads the times and ids of lines that are events, as the core will.
#[derive(Debug)]
pub(super) struct Peek {
    decoder: Decoder,
    row: Row,
    message: MessageBatch,
}

impl Peek {
    pub(super) fn new(mapping: &EventMapping) -> Self {
        // Any model will do: only the time and the id are wanted.
        let mapping = EventMapping { model: FieldSource::Constant(ANY_MODEL.to_owned()), ..mapping.clone() };
        Self {
            decoder: Decoder::new(&mapping, usize::MAX, [ANY_MODEL.to_owned()]),
            row: Row::default(),
            message: MessageBatch::default(),
        }
    }

    /// The time and id of an event that can be decoded.
    pub(super) fn look(&mut self, event: &[u8]) -> Option<(EventTime, Option<String>)> {
        self.message.clear();
        self.message.push(PartitionId(0), 0, None, Some(event));
        let message = self.message.get(0)?;
        let envelope = self.decoder.decode(&message, "", &mut self.row).ok()?;
        Some((envelope.time, envelope.id.map(std::borrow::Cow::into_owned)))
    }
}
