//! The second pass over files: rows become events, in order of time.

use super::{
    EventFiles, EventOptions, FileError, Read, RowReader, TableRow,
    columns::Place,
    encode::{Encoder, name_text},
    events::{Plan, open},
    scan::Peek,
    times::{Spread, time_of},
};
use crate::event::{EventTime, MessageBatch, PartitionId};

/// Bytes of a batch beyond which no further row is put in.
const BATCH_BYTES: usize = 4 << 20;

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

impl<'f> EventReader<'f> {
    pub(super) fn new(files: &'f EventFiles, must_sort: bool) -> Self {
        Self { rows: EventRows::new(files), sorted: must_sort.then(Sorted::default), offset: 0 }
    }

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
