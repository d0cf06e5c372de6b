//! Integer counts of one column on its grid.

use std::ops::Range;

use serde::{Deserialize, Serialize};

use super::{Cell, FrequentNames, Grid, moments::Moments, stored::StoredCounts, tally::Tally};
use crate::result::NamedCount;

/// Cells that are sorted out at once, on the stack.
const BATCH: usize = 256;

/// What a stretch of event time, or a reference, holds of one column.
///
/// A row is counted once: in a bin, as missing, or as invalid (NaN, infinite,
/// of the wrong type). Numeric columns also have exact sums for their moments,
/// categorical ones the names of unseen categories. Counts on one grid can be
/// merged in any order and grouping with equal bits as result (for the names of
/// unseen categories see [`FrequentNames`]); 1,024 bins take about 4.2 KB until
/// a column has more than 2^32 values, and twice that from there.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "StoredCounts", into = "StoredCounts")]
pub struct Counts {
    pub(super) tally: Tally,
    /// The bins of values like those of the reference.
    pub(super) inside: Range<usize>,
    pub(super) missing: u64,
    pub(super) nan: u64,
    pub(super) positive_infinite: u64,
    pub(super) negative_infinite: u64,
    pub(super) wrong_type: u64,
    /// Of numeric columns.
    pub(super) moments: Option<Moments>,
    pub(super) unseen: FrequentNames,
}

/// Why two counts could not be merged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum MergeError {
    /// They were made on different grids.
    #[error("counts on a grid of {0} bins and on a different one of {1} bins can't be merged")]
    GridMismatch(usize, usize),
    /// There are more rows than 64 bits can count.
    #[error("the merged counts would hold more rows than 64 bits can count")]
    TooManyRows,
}

impl Counts {
    /// Nothing counted yet.
    #[must_use]
    pub fn new(grid: &Grid) -> Self {
        let (inside, moments) = match grid {
            Grid::Numeric(grid) => (grid.inside(), Some(Moments::new(grid.scale()))),
            Grid::Categorical(grid) => (0..grid.unseen_code() as usize, None),
        };
        Self {
            tally: Tally::new(grid.bins()),
            inside,
            missing: 0,
            nan: 0,
            positive_infinite: 0,
            negative_infinite: 0,
            wrong_type: 0,
            moments,
            unseen: FrequentNames::default(),
        }
    }

    /// Counts cells of the column on the grid that these counts were made for;
    /// absent ones are passed over.
    pub fn add_cells(&mut self, grid: &Grid, cells: &[Cell]) {
        for batch in cells.chunks(BATCH) {
            match grid {
                Grid::Numeric(grid) => {
                    let mut buffer = [0.0; BATCH];
                    let values = self.sort_out(batch, &mut buffer, |cell| {
                        let value = cell.to_f64();
                        // Adding zero turns -0.0 into 0.0.
                        value.is_finite().then_some(value + 0.0)
                    });
                    self.tally.add(values.iter().map(|&value| grid.bin_of(value)));
                    if let Some(moments) = &mut self.moments {
                        moments.add(values);
                    }
                }
                Grid::Categorical(_) => {
                    let mut buffer = [0_usize; BATCH];
                    let bins = self.tally.len();
                    let codes = self.sort_out(batch, &mut buffer, |cell| {
                        cell.code().map(|code| code as usize).filter(|&code| code < bins)
                    });
                    self.tally.add(codes.iter().copied());
                }
            }
        }
    }

    /// Moves the usable cells into `buffer` and counts the others.
    #[inline]
    fn sort_out<'a, T: Copy + Default>(
        &mut self,
        cells: &[Cell],
        buffer: &'a mut [T; BATCH],
        usable: impl Fn(Cell) -> Option<T>,
    ) -> &'a [T] {
        // Without a gap there is nothing to move, and many can be done at once.
        let mut all_usable = true;
        for (slot, &cell) in buffer.iter_mut().zip(cells) {
            let value = usable(cell);
            *slot = value.unwrap_or_default();
            all_usable &= value.is_some();
        }
        if all_usable {
            return buffer.get(..cells.len()).unwrap_or_default();
        }
        let mut kept = 0;
        for &cell in cells {
            let value = usable(cell);
            if let Some(slot) = buffer.get_mut(kept) {
                *slot = value.unwrap_or_default();
            }
            kept += usize::from(value.is_some());
        }
        cells.iter().filter(|&&cell| usable(cell).is_none()).for_each(|&cell| self.count_unusable(cell));
        buffer.get(..kept).unwrap_or_default()
    }

    #[cold]
    fn count_unusable(&mut self, cell: Cell) {
        let number = cell.to_f64();
        let counter = match cell {
            Cell::ABSENT => return,
            Cell::MISSING => &mut self.missing,
            _ if cell == Cell::number(f64::NAN) => &mut self.nan,
            _ if number == f64::INFINITY => &mut self.positive_infinite,
            _ if number == f64::NEG_INFINITY => &mut self.negative_infinite,
            _ => &mut self.wrong_type,
        };
        *counter += 1;
    }

    /// Counts rows that have no value in this column.
    pub fn add_missing(&mut self, rows: u64) {
        self.missing += rows;
    }

    /// Notes the name of an unseen category, whose cell is counted by
    /// [`Self::add_cells`].
    pub fn note_unseen(&mut self, name: &str, count: u64) {
        self.unseen.note(name, count);
    }

    /// Adds `other`.
    ///
    /// # Errors
    /// When the two are on different grids, or hold more rows together than can
    /// be counted; nothing is added then.
    pub fn merge(&mut self, other: &Self) -> Result<(), MergeError> {
        if !self.has_layout_of(other) {
            return Err(MergeError::GridMismatch(self.tally.len(), other.tally.len()));
        }
        // No counter exceeds the number of rows.
        self.rows().checked_add(other.rows()).ok_or(MergeError::TooManyRows)?;
        self.tally.merge(&other.tally);
        self.missing += other.missing;
        self.nan += other.nan;
        self.positive_infinite += other.positive_infinite;
        self.negative_infinite += other.negative_infinite;
        self.wrong_type += other.wrong_type;
        if let (Some(mine), Some(theirs)) = (&mut self.moments, &other.moments) {
            mine.merge(theirs);
        }
        self.unseen.merge(&other.unseen);
        Ok(())
    }

    /// Whether these counts were made for `grid`, as far as that can be told.
    #[must_use]
    pub fn fit(&self, grid: &Grid) -> bool {
        self.has_layout_of(&Self::new(grid))
    }

    fn has_layout_of(&self, other: &Self) -> bool {
        let same_scale = match (&self.moments, &other.moments) {
            (Some(mine), Some(theirs)) => mine.scale() == theirs.scale(),
            (mine, theirs) => mine.is_none() && theirs.is_none(),
        };
        self.tally.len() == other.tally.len() && self.inside == other.inside && same_scale
    }

    /// Forgets what was counted and keeps the memory.
    pub fn clear(&mut self) {
        self.tally.clear();
        (self.missing, self.nan, self.wrong_type) = (0, 0, 0);
        (self.positive_infinite, self.negative_infinite) = (0, 0);
        if let Some(moments) = &mut self.moments {
            moments.clear();
        }
        self.unseen.clear();
    }

    /// The bins' counts in the grid's order; their sum is [`Self::valid`].
    pub fn bins(&self) -> impl Iterator<Item = u64> + '_ {
        self.tally.iter()
    }

    /// Replaces the contents of `out` by the bins' counts.
    pub fn copy_bins(&self, out: &mut Vec<u64>) {
        out.clear();
        self.tally.copy_to(out);
    }

    /// Rows counted: valid, missing and invalid ones.
    #[must_use]
    pub fn rows(&self) -> u64 {
        self.valid() + self.missing + self.invalid()
    }

    /// Rows with a usable value.
    #[must_use]
    pub fn valid(&self) -> u64 {
        self.tally.total()
    }

    /// Rows whose value was null or absent.
    #[must_use]
    pub fn missing(&self) -> u64 {
        self.missing
    }

    /// Rows whose value was NaN, infinite or of the wrong type.
    #[must_use]
    pub fn invalid(&self) -> u64 {
        self.nan + self.positive_infinite + self.negative_infinite + self.wrong_type
    }

    /// Rows with NaN.
    #[must_use]
    pub fn nan(&self) -> u64 {
        self.nan
    }

    /// Rows with plus infinity.
    #[must_use]
    pub fn positive_infinite(&self) -> u64 {
        self.positive_infinite
    }

    /// Rows with minus infinity.
    #[must_use]
    pub fn negative_infinite(&self) -> u64 {
        self.negative_infinite
    }

    /// Rows whose value was of a type that the column can't hold.
    #[must_use]
    pub fn wrong_type(&self) -> u64 {
        self.wrong_type
    }

    /// Valid values that the reference never saw: unseen categories, or numbers
    /// outside its range.
    #[must_use]
    pub fn unseen(&self) -> u64 {
        self.valid() - self.tally.sum_of(self.inside.clone())
    }

    /// Names of unseen categories, the most frequent first.
    #[must_use]
    pub fn unseen_names(&self) -> Vec<NamedCount> {
        self.unseen.most_frequent()
    }

    /// Bytes on the heap.
    #[must_use]
    pub fn heap_bytes(&self) -> usize {
        let moments = self.moments.as_ref().map_or(0, Moments::heap_bytes);
        self.tally.heap_bytes() + moments + self.unseen.heap_bytes()
    }
}
