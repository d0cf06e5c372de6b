//! The rows of files as a stream of events, ready for the core, a topic or a
//! reference.

use std::path::{Path, PathBuf};

use super::{
    FaultReason, Faults, FileError, FileFormat, Lines, Read, Required, RowFault, RowReader, TableRow,
    columns::{ColumnPlaces, Place},
    encode::{Encoder, name_text},
    times::{Spread, Times, time_of},
};
use crate::{
    config::TableMapping,
    decode::{Decoder, EventMapping, FieldSource, Row},
    event::{EventTime, MessageBatch, PartitionId},
};

/// Rows between two reports of progress.
const REPORT_ROWS: u64 = 1_024;
/// Bytes of a batch beyond which no further row is put in.
const BATCH_BYTES: usize = 4 << 20;

/// Stands for every model where only times and ids are wanted.
const ANY_MODEL: &str = "any";

/// How files are made events.
#[derive(Debug, Clone)]
pub struct EventOptions {
    /// The model that rows of tables belong to.
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
    options: EventOptions,
    files: Vec<Plan>,
    faults: Faults,
    notes: Vec<String>,
    table_rows: u64,
    event_rows: u64,
    disorder_ms: i64,
}

/// What the first pass found out about one file.
#[derive(Debug)]
struct Plan {
    path: PathBuf,
    places: ColumnPlaces,
    times: Times,
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
        self.disorder_ms > if self.are_spread() { 0 } else { tolerance_ms }
    }

    /// The second pass: the events, in order of time up to `tolerance_ms`.
    #[must_use]
    pub fn events(&self, tolerance_ms: i64) -> EventReader<'_> {
        EventReader {
            sorted: self.must_sort(tolerance_ms).then(Sorted::default),
            rows: EventRows::new(self),
            offset: 0,
        }
    }
}

/// The first pass over one file.
struct FileScan<'f> {
    files: &'f mut EventFiles,
    path: &'f Path,
    reader: RowReader,
    columns_known: usize,
    places: ColumnPlaces,
    encoder: Encoder,
    times: Times,
    peek: Peek,
    /// Latest time of this file and those before it.
    latest: Option<EventTime>,
}

impl<'f> FileScan<'f> {
    fn new(files: &'f mut EventFiles, path: &'f Path, latest: Option<EventTime>) -> Result<Self, FileError> {
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

    fn run(&mut self, progress: &mut dyn FnMut(u64)) -> Result<(), FileError> {
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
        if self.times.are_spread() {
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

fn open(path: &Path, options: &EventOptions) -> Result<RowReader, FileError> {
    let native = options.events == EventMapping::default();
    RowReader::open(path, options.format, if native { Lines::Recognise } else { Lines::Events })
}

/// Reads the times and ids of lines that are events, as the core will.
#[derive(Debug)]
struct Peek {
    decoder: Decoder,
    row: Row,
    message: MessageBatch,
}

impl Peek {
    fn new(mapping: &EventMapping) -> Self {
        // Any model will do: only the time and the id are wanted.
        let mapping = EventMapping { model: FieldSource::Constant(ANY_MODEL.to_owned()), ..mapping.clone() };
        Self {
            decoder: Decoder::new(&mapping, usize::MAX, [ANY_MODEL.to_owned()]),
            row: Row::default(),
            message: MessageBatch::default(),
        }
    }

    /// The time and id of an event that can be decoded.
    fn look(&mut self, event: &[u8]) -> Option<(EventTime, Option<String>)> {
        self.message.clear();
        self.message.push(PartitionId(0), 0, None, Some(event));
        let message = self.message.get(0)?;
        let envelope = self.decoder.decode(&message, "", &mut self.row).ok()?;
        Some((envelope.time, envelope.id.map(std::borrow::Cow::into_owned)))
    }
}

/// The second pass over files.
#[derive(Debug)]
pub struct EventReader<'f> {
    rows: EventRows<'f>,
    sorted: Option<Sorted>,
    offset: i64,
}

/// All events of files out of order.
#[derive(Debug, Default)]
struct Sorted {
    batch: MessageBatch,
    /// Their times and their places in the batch, in order.
    order: Vec<(EventTime, usize)>,
    loaded: bool,
    next: usize,
}

/// One event on its way into a batch.
struct Event<'e> {
    time: Option<EventTime>,
    key: Option<&'e [u8]>,
    payload: &'e [u8],
}

impl EventReader<'_> {
    /// Appends events to `batch` until it has `max_messages` or so many bytes
    /// that it is worth handing over; `false` when there are no more. The
    /// message keys are the ids.
    ///
    /// # Errors
    /// When a file can't be read any further.
    pub fn fill(&mut self, batch: &mut MessageBatch, max_messages: usize) -> Result<bool, FileError> {
        let offset = &mut self.offset;
        let mut push = |key: Option<&[u8]>, payload: Option<&[u8]>, batch: &mut MessageBatch| {
            batch.push(PartitionId(0), *offset, key, payload);
            *offset += 1;
        };
        if let Some(sorted) = &mut self.sorted {
            sorted.load(&mut self.rows)?;
            while batch.len() < max_messages && batch.byte_len() < BATCH_BYTES {
                let Some(&(_, index)) = sorted.order.get(sorted.next) else { return Ok(false) };
                if let Some(message) = sorted.batch.get(index) {
                    push(message.key, message.value, batch);
                }
                sorted.next += 1;
            }
            return Ok(true);
        }
        while batch.len() < max_messages && batch.byte_len() < BATCH_BYTES {
            if !self.rows.next(&mut |event| push(event.key, Some(event.payload), batch))? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Rows read so far, of [`EventFiles::rows`].
    #[must_use]
    pub fn rows_done(&self) -> u64 {
        self.rows.done
    }
}

impl Sorted {
    fn load(&mut self, rows: &mut EventRows<'_>) -> Result<(), FileError> {
        if self.loaded {
            return Ok(());
        }
        self.loaded = true;
        let (batch, order) = (&mut self.batch, &mut self.order);
        // An event without a time stays behind the one before it.
        let mut last = EventTime(i64::MIN);
        let mut keep = |event: Event<'_>| {
            last = event.time.unwrap_or(last);
            order.push((last, batch.len()));
            batch.push(PartitionId(0), 0, event.key, Some(event.payload));
        };
        while rows.next(&mut keep)? {}
        order.sort();
        Ok(())
    }
}

/// The rows of all files once more, each as its events.
#[derive(Debug)]
struct EventRows<'f> {
    files: &'f EventFiles,
    next_file: usize,
    current: Option<OpenFile<'f>>,
    row: TableRow,
    peek: Peek,
    buffer: Vec<u8>,
    done: u64,
}

#[derive(Debug)]
struct OpenFile<'f> {
    plan: &'f Plan,
    reader: RowReader,
    columns_known: usize,
    encoder: Encoder,
    spread: Spread,
}

impl<'f> EventRows<'f> {
    fn new(files: &'f EventFiles) -> Self {
        Self {
            files,
            next_file: 0,
            current: None,
            row: TableRow::default(),
            peek: Peek::new(&files.options.events),
            buffer: Vec::new(),
            done: 0,
        }
    }

    /// Gives the events of the next row that has some; `false` at the end.
    fn next(&mut self, emit: &mut dyn FnMut(Event<'_>)) -> Result<bool, FileError> {
        loop {
            let Some(file) = &mut self.current else {
                let Some(plan) = self.files.files.get(self.next_file) else { return Ok(false) };
                self.next_file += 1;
                self.current = Some(OpenFile::new(plan, &self.files.options)?);
                continue;
            };
            match file.reader.read(&mut self.row)? {
                Read::End => self.current = None,
                // The first pass has counted it.
                Read::Broken(_) => {}
                Read::Event => {
                    let payload = self.row.event();
                    let (time, id) = self.peek.look(payload).unzip();
                    let id = id.flatten();
                    emit(Event { time, key: id.as_deref().map(str::as_bytes), payload });
                    self.done += 1;
                    return Ok(true);
                }
                Read::Row => {
                    if file.emit_row(&self.row, &mut self.buffer, emit) {
                        self.done += 1;
                        return Ok(true);
                    }
                }
            }
        }
    }
}

impl<'f> OpenFile<'f> {
    fn new(plan: &'f Plan, options: &EventOptions) -> Result<Self, FileError> {
        Ok(Self {
            plan,
            reader: open(&plan.path, options)?,
            columns_known: 0,
            encoder: Encoder::new(&options.model),
            spread: plan.times.spread(),
        })
    }

    /// `false` when the row is left out, which the first pass has counted.
    fn emit_row(&mut self, row: &TableRow, buffer: &mut Vec<u8>, emit: &mut dyn FnMut(Event<'_>)) -> bool {
        let columns = self.reader.columns();
        if columns.len() > self.columns_known {
            self.columns_known = columns.len();
            self.encoder.set_columns(columns, |name| self.plan.places.place(name));
        }
        if !self.encoder.has_event(row) {
            return false;
        }
        let time = if self.plan.places.has_time() {
            let Ok((time, _)) = time_of(self.encoder.value(row, Place::Time)) else { return false };
            Some(self.spread.next(time))
        } else {
            None
        };
        let id = self.encoder.value(row, Place::Id).map(|id| name_text(id).as_bytes());
        for encode in [Encoder::row, Encoder::label] {
            buffer.clear();
            if encode(&self.encoder, row, time, buffer) {
                emit(Event { time, key: id, payload: buffer });
            }
        }
        true
    }
}
