//! Integer counts of one column on its grid.

use serde::{Deserialize, Serialize};

use super::{Cell, FrequentNames, Grid};

/// What a stretch of event time holds of one column.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Default)]
pub struct Counts {
    bins: Vec<u32>,
    missing: u64,
    nan: u64,
    infinite: u64,
    wrong_type: u64,
    #[serde(skip)]
    unseen: UnseenNames,
}

#[derive(Debug, Clone, Default)]
struct UnseenNames(FrequentNames);

impl PartialEq for UnseenNames {
    fn eq(&self, other: &Self) -> bool {
        self.0.most_frequent() == other.0.most_frequent()
    }
}
impl Eq for UnseenNames {}

/// Two counts were made on different grids and can't be added.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("counts of {0} bins and of {1} bins can't be merged")]
pub struct GridMismatch(pub usize, pub usize);

impl Counts {
    /// Nothing counted yet.
    #[must_use]
    pub fn new(grid: &Grid) -> Self {
        Self { bins: vec![0; grid.bins()], ..Self::default() }
    }

    /// Counts cells of the column; absent ones are passed over.
    pub fn add_cells(&mut self, grid: &Grid, cells: &[Cell]) {
        for &cell in cells {
            let bin = match (grid, cell) {
                (_, Cell::ABSENT) => continue,
                (_, Cell::MISSING) => {
                    self.missing += 1;
                    continue;
                }
                (Grid::Numeric(grid), cell) if cell.to_f64().is_finite() => grid.bin_of(cell.to_f64()),
                (Grid::Categorical(_), cell) if cell.code().is_some() => cell.code().unwrap_or(0) as usize,
                _ => {
                    self.wrong_type += 1;
                    continue;
                }
            };
            if let Some(count) = self.bins.get_mut(bin) {
                *count += 1;
            }
        }
    }

    /// Notes the name of an unseen category.
    pub fn note_unseen(&mut self, name: &str, count: u64) {
        self.unseen.0.note(name, count);
    }

    /// Adds `other`.
    ///
    /// # Errors
    /// When the two are on different grids; nothing is added then.
    pub fn merge(&mut self, other: &Self) -> Result<(), GridMismatch> {
        if self.bins.len() != other.bins.len() {
            return Err(GridMismatch(self.bins.len(), other.bins.len()));
        }
        for (mine, theirs) in self.bins.iter_mut().zip(&other.bins) {
            *mine += theirs;
        }
        self.missing += other.missing;
        self.unseen.0.merge(&other.unseen.0);
        Ok(())
    }

    /// Forgets what was counted and keeps the memory.
    pub fn clear(&mut self) {
        self.bins.fill(0);
        self.missing = 0;
        self.unseen.0.clear();
    }

    /// The bins' counts in the grid's order.
    pub fn bins(&self) -> impl Iterator<Item = u64> + '_ {
        self.bins.iter().map(|&count| u64::from(count))
    }

    /// Bytes on the heap.
    #[must_use]
    pub fn heap_bytes(&self) -> usize {
        self.bins.len() * size_of::<u32>()
    }
}
