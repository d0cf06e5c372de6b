//! The events that a model saw last, for those who ask why about one.
//!
//! Promises: the last so many whole rows, in memory that is taken once; nothing
//! is allocated per event. A restart forgets them.
//!
//! Refuses to remember ids: an event is found by the hash of its id, and of two
//! with equal hashes the later one is.

use crate::{profile::Cell, result::StreamKey};

/// Bytes that the rows of one model may take: 64 MB.
const MOST_CELLS: usize = 1 << 23;
/// Streams that are remembered before those without a row are forgotten.
const MOST_STREAMS: usize = 256;

/// A ring of rows.
#[derive(Debug)]
pub(super) struct Recent {
    columns: usize,
    capacity: usize,
    hashes: Vec<u64>,
    /// The number of each row's stream in `streams`.
    of: Vec<u32>,
    cells: Vec<Cell>,
    streams: Vec<StreamKey>,
    last_stream: usize,
    /// Where the next row goes.
    next: usize,
}

/// A row that was found.
#[derive(Debug, Clone, PartialEq)]
pub struct RecentRow {
    /// Whose event it is.
    pub stream: StreamKey,
    /// The hash of its id.
    pub hash: u64,
    /// A cell per column of the reference.
    pub cells: Vec<Cell>,
}

impl Recent {
    /// Room for the last `wanted` rows, or for as many as memory allows.
    pub(super) fn new(wanted: usize, columns: usize) -> Self {
        let capacity = wanted.min(MOST_CELLS / columns.max(1));
        Self {
            columns,
            capacity,
            hashes: Vec::with_capacity(capacity),
            of: Vec::with_capacity(capacity),
            cells: Vec::with_capacity(capacity * columns),
            streams: Vec::new(),
            last_stream: 0,
            next: 0,
        }
    }

    /// Takes a row in place of the oldest one. Cells that are not there are
    /// absent.
    #[inline]
    pub(super) fn push(&mut self, stream: &StreamKey, hash: u64, cells: &[Cell]) {
        if self.capacity == 0 {
            return;
        }
        let of = self.number_of(stream);
        if self.hashes.len() < self.capacity {
            self.hashes.push(hash);
            self.of.push(of);
            self.cells.resize(self.cells.len() + self.columns, Cell::ABSENT);
        }
        let start = self.next * self.columns;
        if let (Some(slot), Some(own), Some(row)) = (
            self.hashes.get_mut(self.next),
            self.of.get_mut(self.next),
            self.cells.get_mut(start..start + self.columns),
        ) {
            (*slot, *own) = (hash, of);
            let padded = cells.iter().copied().chain(std::iter::repeat(Cell::ABSENT));
            row.iter_mut().zip(padded).for_each(|(slot, cell)| *slot = cell);
        }
        self.next = (self.next + 1) % self.capacity;
    }

    /// Streams come seldom, and events of one come in runs.
    fn number_of(&mut self, stream: &StreamKey) -> u32 {
        if self.streams.get(self.last_stream) != Some(stream) {
            let known = self.streams.iter().position(|known| known == stream);
            self.last_stream = known.unwrap_or_else(|| self.add_stream(stream));
        }
        u32::try_from(self.last_stream).unwrap_or(u32::MAX)
    }

    /// Forgets the streams that no row is of before there are too many.
    fn add_stream(&mut self, stream: &StreamKey) -> usize {
        if self.streams.len() >= MOST_STREAMS {
            let mut kept: Vec<StreamKey> = Vec::new();
            for of in &mut self.of {
                let Some(own) = self.streams.get(*of as usize) else { continue };
                let place = kept.iter().position(|known| known == own).unwrap_or_else(|| {
                    kept.push(own.clone());
                    kept.len() - 1
                });
                *of = u32::try_from(place).unwrap_or(u32::MAX);
            }
            self.streams = kept;
        }
        self.streams.push(stream.clone());
        self.streams.len() - 1
    }

    /// The last row of this hash.
    pub(super) fn find(&self, hash: u64) -> Option<RecentRow> {
        let rows = self.hashes.len();
        // From the newest on: it is the one before `next`.
        let newest_first = (1..=rows).map(|back| (self.next + rows - back) % rows);
        let place = newest_first.into_iter().find(|place| self.hashes.get(*place) == Some(&hash))?;
        let start = place * self.columns;
        Some(RecentRow {
            stream: self.streams.get(*self.of.get(place)? as usize)?.clone(),
            hash,
            cells: self.cells.get(start..start + self.columns)?.to_vec(),
        })
    }

    /// Forgets all rows.
    pub(super) fn clear(&mut self) {
        self.hashes.clear();
        self.of.clear();
        self.cells.clear();
        self.streams.clear();
        (self.last_stream, self.next) = (0, 0);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn key(version: &str) -> StreamKey {
        StreamKey { model: "m".to_owned(), version: version.to_owned(), variant: "none".to_owned() }
    }

    #[test]
    fn the_last_rows_are_found_and_earlier_ones_are_forgotten() {
        let mut recent = Recent::new(3, 2);
        for hash in 0..5_u32 {
            let stream = key(if hash % 2 == 0 { "even" } else { "odd" });
            recent.push(&stream, u64::from(hash), &[Cell::number(f64::from(hash))]);
        }
        assert_eq!(recent.find(1), None);
        for hash in 2..5_u32 {
            let row = recent.find(u64::from(hash)).unwrap();
            assert_eq!(row.stream.version, if hash % 2 == 0 { "even" } else { "odd" });
            assert_eq!(row.cells, [Cell::number(f64::from(hash)), Cell::ABSENT]);
        }
    }

    #[test]
    fn streams_without_a_row_are_forgotten() {
        let mut recent = Recent::new(3, 1);
        for build in 0..10_u64 * MOST_STREAMS as u64 {
            recent.push(&key(&build.to_string()), build, &[Cell::MISSING]);
            assert_eq!(recent.find(build).unwrap().stream.version, build.to_string());
            assert_eq!(
                recent.find(build.saturating_sub(2)).unwrap().stream.version,
                build.saturating_sub(2).to_string()
            );
        }
        assert!(recent.streams.len() <= MOST_STREAMS);
    }

    #[test]
    fn of_two_rows_with_one_hash_the_later_is_found() {
        for capacity in [2, 7] {
            let mut recent = Recent::new(capacity, 1);
            for value in [1.0, 2.0] {
                recent.push(&key("1"), 9, &[Cell::number(value)]);
            }
            assert_eq!(recent.find(9).unwrap().cells, [Cell::number(2.0)]);
        }
    }

    #[test]
    fn no_room_is_no_rows() {
        let mut recent = Recent::new(0, 1);
        recent.push(&key("1"), 1, &[Cell::number(1.0)]);
        assert_eq!(recent.find(1), None);
    }
}
