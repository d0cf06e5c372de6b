//! The ruler of one column, made once from the reference.

use serde::{Deserialize, Serialize};

use super::{CategoricalGrid, NumericGrid};
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

    /// Number of bins.
    #[must_use]
    pub fn bins(&self) -> usize {
        match self {
            Self::Numeric(grid) => grid.bins(),
            Self::Categorical(grid) => grid.bins(),
        }
    }
}
