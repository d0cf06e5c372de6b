//! The ruler of one column, made once from the reference.

use serde::{Deserialize, Serialize};

use super::{CategoricalGrid, Cell, NumericGrid};
use crate::result::ColumnKind;

/// The bins of one column. Bins are numbered from 0; what is no usable value
/// (missing, NaN, infinite, of the wrong type) has counters of its own in
/// [`super::Counts`] and no bin.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Grid {
    /// Bins on the number line.
    Numeric(NumericGrid),
    /// Named categories, then `other`, then `unseen`.
    Categorical(CategoricalGrid),
}

impl Grid {
    /// Numeric or categorical.
    #[must_use]
    pub fn kind(&self) -> ColumnKind {
        match self {
            Self::Numeric(_) => ColumnKind::Numeric,
            Self::Categorical(_) => ColumnKind::Categorical,
        }
    }

    /// The bin that [`super::Counts`] count a cell in; `None` for what has none.
    #[must_use]
    pub fn bin_of(&self, cell: Cell) -> Option<usize> {
        match self {
            Self::Numeric(grid) => {
                let value = cell.to_f64();
                value.is_finite().then(|| grid.bin_of(value + 0.0))
            }
            Self::Categorical(grid) => {
                cell.code().map(|code| code as usize).filter(|&code| code < grid.bins())
            }
        }
    }

    /// Number of bins.
    #[must_use]
    pub fn bins(&self) -> usize {
        match self {
            Self::Numeric(grid) => grid.bins(),
            Self::Categorical(grid) => grid.bins(),
        }
    }
}
