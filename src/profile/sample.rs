//! A sample of whole rows, drawn by the hash of the event id.
//!
//! Why: what several columns do together can't be read from counts per column,
//! and explanations need rows to explain. Both want a few hundred rows of a
//! window that are as good as drawn at random, and the same after a replay.
//!
//! Promises: the rows with the smallest hashes, so that a sample depends on the
//! events alone, whatever the order and grouping in which they were offered and
//! merged (bottom-k sampling: Cohen and Kaplan, "Summarizing data using bottom-k
//! sketches", 2007). As long as hashes are as good as random, every event is in
//! it with the same probability.
//!
//! Refuses: rows of different width in one sample. It does not defend against
//! senders who choose ids for their hash; they can only make the sample one of
//! their own events.

use std::cmp::Ordering;

use serde::{Deserialize, Serialize};
use twox_hash::XxHash64;

use super::Cell;

/// Rows that a sample keeps at most.
pub const MOST_SAMPLED_ROWS: usize = 1 << 14;
/// Cells of a row in a sample that is read back: twice the columns of the
/// widest reference.
const WIDEST_ROW: usize = 1 << 13;

/// Cells of a sample at most, so that wide rows take no more memory than many:
/// 8 MB.
const MOST_CELLS: usize = 1 << 20;

/// Rows that a sample of rows of so many columns is to keep, when `wanted` are:
/// as many as have room.
#[must_use]
pub fn rows_with_room(wanted: usize, columns: usize) -> usize {
    wanted.min(MOST_CELLS / columns.max(1))
}

/// The hash of an event id by which rows are sampled: XXH64 with seed 0.
///
/// Samples are stored and merged with those of other processes and versions,
/// so the hash must be fixed for good. XXH64 is a published specification (Yann
/// Collet, "xxHash fast digest algorithm"), passes the usual tests of randomness
/// also on ids that count up, and takes about ten nanoseconds for a UUID.
#[inline]
#[must_use]
pub fn row_hash(id: &[u8]) -> u64 {
    XxHash64::oneshot(0, id)
}

/// The rows with the smallest hashes among all that were offered.
///
/// A row is told by its hash and its cells: one that is offered twice is in the
/// sample once, and rows of equal hash are ordered by their cells. So this is a
/// set, and merging takes the union: in any order and grouping, and also of
/// samples that overlap.
///
/// Takes `8 * columns + 16` bytes for each row that it keeps, and nothing for
/// those that it doesn't.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(try_from = "StoredSample", into = "StoredSample")]
pub struct RowSample {
    capacity: usize,
    columns: usize,
    /// The kept rows in ascending order.
    kept: Vec<Kept>,
    /// The kept rows' cells, in the order in which rows came.
    cells: Vec<Cell>,
    /// Rows of a larger hash are not among the smallest.
    limit: u64,
}

/// A row that is kept.
#[derive(Debug, Clone, Copy)]
struct Kept {
    hash: u64,
    /// Where its cells are, counted in rows.
    slot: usize,
}

/// What is stored of a sample: the rows in ascending order.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct StoredSample {
    capacity: usize,
    columns: usize,
    hashes: Vec<u64>,
    cells: Vec<Cell>,
}

/// Stored rows that make no sample, or samples that don't go together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SampleError {
    /// More rows than the sample, or any sample, keeps.
    #[error("{0} rows are more than a sample of {1} keeps")]
    TooManyRows(usize, usize),
    /// The cells don't make up the rows.
    #[error("{cells} cells do not make up {rows} rows of {columns} columns")]
    Cells {
        /// Cells that are there.
        cells: usize,
        /// Rows that they should make up.
        rows: usize,
        /// Columns of a row.
        columns: usize,
    },
    /// A row is not larger than the one before it.
    #[error("row {0} of the sample is out of order or there twice")]
    Order(usize),
    /// Samples of different width.
    #[error("samples of {0} and of {1} columns can't be merged")]
    Columns(usize, usize),
}

impl RowSample {
    /// An empty sample of at most `capacity` rows, and of no more than
    /// [`MOST_SAMPLED_ROWS`].
    #[must_use]
    pub fn new(capacity: usize, columns: usize) -> Self {
        let capacity = capacity.min(MOST_SAMPLED_ROWS);
        let limit = if capacity == 0 { 0 } else { u64::MAX };
        Self { capacity, columns, kept: Vec::new(), cells: Vec::new(), limit }
    }

    /// Takes a row if its hash is among the smallest. Cells beyond the sample's
    /// columns are left out; those that are not there are absent.
    ///
    /// One comparison for a row that is not taken.
    #[inline]
    pub fn offer(&mut self, hash: u64, cells: &[Cell]) {
        if hash <= self.limit {
            self.insert(hash, cells);
        }
    }

    /// Out of line, so that what is done for every event stays small.
    #[cold]
    fn insert(&mut self, hash: u64, cells: &[Cell]) {
        let Err(place) = self.kept.binary_search_by(|kept| {
            kept.hash.cmp(&hash).then_with(|| compare(self.cells_of(kept.slot), cells, self.columns))
        }) else {
            return;
        };
        if place >= self.capacity {
            return;
        }
        // The largest row makes room when there is none.
        let evicted = if self.kept.len() >= self.capacity { self.kept.pop() } else { None };
        let slot = evicted.map_or(self.kept.len(), |last| last.slot);
        let start = slot * self.columns;
        if self.cells.len() < start + self.columns {
            self.cells.resize(start + self.columns, Cell::ABSENT);
        }
        let row = self.cells.get_mut(start..start + self.columns).unwrap_or_default();
        row.iter_mut().zip(padded(cells)).for_each(|(mine, cell)| *mine = cell);
        self.kept.insert(place, Kept { hash, slot });
        self.set_limit();
    }

    fn set_limit(&mut self) {
        if self.kept.len() >= self.capacity {
            self.limit = self.kept.last().map_or(0, |last| last.hash);
        }
    }

    /// Takes the union with `other`. Of samples of different size, the result
    /// has the smaller one's.
    ///
    /// # Errors
    /// When rows have different numbers of columns; nothing is taken then.
    pub fn merge(&mut self, other: &Self) -> Result<(), SampleError> {
        if self.columns != other.columns {
            return Err(SampleError::Columns(self.columns, other.columns));
        }
        if other.capacity < self.capacity {
            let mut smaller = Self::new(other.capacity, self.columns);
            self.rows().for_each(|(hash, cells)| smaller.offer(hash, cells));
            *self = smaller;
        }
        other.rows().for_each(|(hash, cells)| self.offer(hash, cells));
        Ok(())
    }

    /// Forgets the rows and keeps the memory.
    pub fn clear(&mut self) {
        self.kept.clear();
        self.cells.clear();
        self.limit = if self.capacity == 0 { 0 } else { u64::MAX };
    }

    /// Number of rows.
    #[must_use]
    pub fn len(&self) -> usize {
        self.kept.len()
    }

    /// Whether there are no rows.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.kept.is_empty()
    }

    /// Rows that are kept at most.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.capacity
    }

    /// Whether rows have as many cells as a reference has columns.
    #[must_use]
    pub fn fits(&self, columns: usize) -> bool {
        self.columns == columns
    }

    /// The rows with their hashes, in ascending order.
    pub fn rows(&self) -> impl ExactSizeIterator<Item = (u64, &[Cell])> {
        self.kept.iter().map(|kept| (kept.hash, self.cells_of(kept.slot)))
    }

    fn cells_of(&self, slot: usize) -> &[Cell] {
        let start = slot * self.columns;
        self.cells.get(start..start + self.columns).unwrap_or_default()
    }

    /// Bytes on the heap.
    #[must_use]
    pub fn heap_bytes(&self) -> usize {
        self.kept.capacity() * size_of::<Kept>() + self.cells.capacity() * size_of::<Cell>()
    }
}

/// `cells`, then absent ones without end.
fn padded(cells: &[Cell]) -> impl Iterator<Item = Cell> + '_ {
    cells.iter().copied().chain(std::iter::repeat(Cell::ABSENT))
}

/// An order of rows that tells all apart: by the bits of their cells.
fn compare(kept: &[Cell], offered: &[Cell], columns: usize) -> Ordering {
    let bits = |cell: Cell| cell.to_f64().to_bits();
    kept.iter().copied().map(bits).cmp(padded(offered).take(columns).map(bits))
}

impl PartialEq for RowSample {
    fn eq(&self, other: &Self) -> bool {
        // Where the cells are does not matter.
        (self.capacity, self.columns) == (other.capacity, other.columns) && self.rows().eq(other.rows())
    }
}

impl From<RowSample> for StoredSample {
    fn from(sample: RowSample) -> Self {
        Self {
            capacity: sample.capacity,
            columns: sample.columns,
            hashes: sample.kept.iter().map(|kept| kept.hash).collect(),
            cells: sample.rows().flat_map(|(_, cells)| cells.iter().copied()).collect(),
        }
    }
}

impl TryFrom<StoredSample> for RowSample {
    type Error = SampleError;

    fn try_from(stored: StoredSample) -> Result<Self, SampleError> {
        let StoredSample { capacity, columns, hashes, cells } = stored;
        let rows = hashes.len();
        if capacity > MOST_SAMPLED_ROWS || rows > capacity {
            return Err(SampleError::TooManyRows(rows.max(capacity), capacity.min(MOST_SAMPLED_ROWS)));
        }
        if columns > WIDEST_ROW || rows.checked_mul(columns) != Some(cells.len()) {
            return Err(SampleError::Cells { cells: cells.len(), rows, columns });
        }
        let kept = hashes.into_iter().enumerate().map(|(slot, hash)| Kept { hash, slot }).collect();
        let mut sample = Self { kept, cells, ..Self::new(capacity, columns) };
        let pairs = sample.rows().zip(sample.rows().skip(1));
        for (place, ((before, left), (hash, right))) in pairs.enumerate() {
            if before.cmp(&hash).then_with(|| compare(left, right, columns)).is_ge() {
                return Err(SampleError::Order(place + 1));
            }
        }
        sample.set_limit();
        Ok(sample)
    }
}
