//! The ruler of one column, made once from the reference.

use ahash::AHashMap;
use serde::{Deserialize, Serialize};

use crate::result::ColumnKind;

/// The bins of one column. Bins are numbered from 0; values that are no usable
/// value (missing, NaN, infinite, of the wrong type) have counters of their own
/// in [`super::Counts`] and no bin.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Grid {
    /// Bins on the number line.
    Numeric(NumericGrid),
    /// Named categories, then `other`, then `unseen`.
    Categorical(CategoricalGrid),
}

/// Bins on the number line: bin `i` holds `edges[i-1] < x <= edges[i]`, the
/// first begins at minus infinity and the last ends at plus infinity.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct NumericGrid {
    edges: Vec<f64>,
}

/// The categories of a column, by code.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CategoricalGrid {
    categories: Vec<String>,
    #[serde(skip)]
    codes: AHashMap<Box<[u8]>, u32>,
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
            Self::Numeric(grid) => grid.edges.len() + 1,
            Self::Categorical(grid) => grid.categories.len() + 2,
        }
    }
}

impl NumericGrid {
    /// The bin that holds `value`, which must be finite.
    #[inline]
    #[must_use]
    pub fn bin_of(&self, value: f64) -> usize {
        self.edges.partition_point(|&edge| edge < value)
    }
}

impl CategoricalGrid {
    /// The code of the category called `name`, or [`Self::unseen_code`].
    #[inline]
    #[must_use]
    pub fn code_of(&self, name: &[u8]) -> u32 {
        self.codes.get(name).copied().unwrap_or(self.unseen_code())
    }

    /// Code of categories that the reference never saw.
    #[must_use]
    pub fn unseen_code(&self) -> u32 {
        u32::try_from(self.categories.len()).unwrap_or(u32::MAX).saturating_add(1)
    }
}

/// How a number reads as a category: the shortest text that gives it back,
/// whole numbers without a fraction.
#[must_use]
pub fn category_text(number: f64) -> String {
    format!("{number}")
}
