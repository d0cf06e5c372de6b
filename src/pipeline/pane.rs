//! One slide of event time of one stream.

use serde::{Deserialize, Serialize};

use super::basis::Basis;
use crate::{
    profile::{Cell, Counts, RowSample},
    reference::{Column, Reference},
};

/// Rows that are counted at once.
pub(super) const BATCH_ROWS: usize = 256;
/// More than this no pane can hold: at a million events a second, nine years.
/// So many from a checkpoint can be added to without overflow.
const MOST: u64 = 1 << 48;

/// What one slide of event time holds.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Pane {
    pub(super) counts: Vec<Counts>,
    pub(super) events: u64,
    pub(super) labels: u64,
    pub(super) unknown_features: u64,
    /// By the segment's place in the reference; `None` until a row is in it.
    pub(super) segments: Vec<Option<Part>>,
    /// Whole rows, for what several columns do together.
    pub(super) sample: RowSample,
}

/// The rows of one segment in a pane.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Part {
    pub(super) events: u64,
    pub(super) counts: Vec<Counts>,
}

impl Pane {
    pub(super) fn new(basis: &Basis) -> Self {
        let counts = empty_counts(&basis.reference);
        let segments = vec![None; basis.segments.len()];
        let sample = RowSample::new(basis.sample_rows, basis.reference.columns.len());
        Self { counts, events: 0, labels: 0, unknown_features: 0, segments, sample }
    }

    /// Counts rows, at most [`BATCH_ROWS`] of them, by their `hashes`: `cells`
    /// row by row, as many of each as there are columns.
    pub(super) fn add_rows(&mut self, basis: &Basis, hashes: &[u64], cells: &[Cell]) {
        let columns = basis.reference.columns.len();
        let rows = hashes.len();
        if basis.sample_rows > 0 {
            let offered = hashes.iter().zip(cells.chunks(columns.max(1)));
            offered.for_each(|(hash, cells)| self.sample.offer(*hash, cells));
        }
        let mut buffer = [Cell::ABSENT; BATCH_ROWS];
        for (index, (counts, column)) in self.counts.iter_mut().zip(&basis.reference.columns).enumerate() {
            let of_column = cells.iter().skip(index).step_by(columns);
            buffer.iter_mut().zip(of_column).for_each(|(slot, cell)| *slot = *cell);
            counts.add_cells(&column.grid, buffer.get(..rows).unwrap_or_default());
        }
        self.events += rows as u64;
        if basis.segments.len() > 0 {
            self.add_to_segments(basis, cells);
        }
    }

    fn add_to_segments(&mut self, basis: &Basis, cells: &[Cell]) {
        let reference = &basis.reference;
        let columns = reference.columns.len();
        let mut buffer = [Cell::ABSENT; BATCH_ROWS];
        basis.segments.split(cells, columns, |segment, rows| {
            let Some(part) = self.segments.get_mut(segment) else { return };
            let part = part.get_or_insert_with(|| Part { events: 0, counts: empty_counts(reference) });
            for (index, (counts, column)) in part.counts.iter_mut().zip(&reference.columns).enumerate() {
                for (slot, row) in buffer.iter_mut().zip(rows) {
                    *slot = cells.get(row * columns + index).copied().unwrap_or(Cell::ABSENT);
                }
                counts.add_cells(&column.grid, buffer.get(..rows.len()).unwrap_or_default());
            }
            part.events += rows.len() as u64;
        });
    }

    /// Whether a pane that was read back is of the grids of `basis`, with
    /// numbers that can be added to.
    pub(super) fn fits(&self, basis: &Basis) -> bool {
        self.events.max(self.labels).max(self.unknown_features) <= MOST
            && counts_fit(&self.counts, &basis.reference)
            && self.sample.fits(basis.reference.columns.len())
            && self.sample.capacity() == basis.sample_rows
            && self.segments.len() == basis.segments.len()
            && self.segments.iter().flatten().all(|part| part.fits(&basis.reference))
    }

    pub(super) fn merge(&mut self, other: &Self) {
        merge_counts(&mut self.counts, &other.counts);
        self.events += other.events;
        self.labels += other.labels;
        self.unknown_features += other.unknown_features;
        let merged = self.sample.merge(&other.sample);
        debug_assert!(merged.is_ok(), "panes of one stream have one width");
        for (mine, theirs) in self.segments.iter_mut().zip(&other.segments) {
            match (mine, theirs) {
                (Some(mine), Some(theirs)) => mine.merge(theirs),
                (mine @ None, Some(theirs)) => *mine = Some(theirs.clone()),
                (_, None) => {}
            }
        }
    }

    /// Bytes of the counts.
    pub(super) fn heap_bytes(&self) -> usize {
        let parts = self.segments.iter().flatten().flat_map(|part| &part.counts);
        self.counts.iter().chain(parts).map(Counts::heap_bytes).sum::<usize>() + self.sample.heap_bytes()
    }
}

impl Part {
    fn merge(&mut self, other: &Self) {
        self.events += other.events;
        merge_counts(&mut self.counts, &other.counts);
    }

    fn fits(&self, reference: &Reference) -> bool {
        self.events <= MOST && counts_fit(&self.counts, reference)
    }
}

/// Counts of every column with nothing in them.
pub(super) fn empty_counts(reference: &Reference) -> Vec<Counts> {
    reference.columns.iter().map(|column| Counts::new(&column.grid)).collect()
}

fn counts_fit(counts: &[Counts], reference: &Reference) -> bool {
    let fits = |(counts, column): (&Counts, &Column)| counts.rows() <= MOST && counts.fit(&column.grid);
    counts.len() == reference.columns.len() && counts.iter().zip(&reference.columns).all(fits)
}

fn merge_counts(mine: &mut [Counts], theirs: &[Counts]) {
    for (mine, theirs) in mine.iter_mut().zip(theirs) {
        // Panes of a stream share the grids of one reference.
        let merged = mine.merge(theirs);
        debug_assert!(merged.is_ok(), "panes of one stream have one grid");
    }
}
