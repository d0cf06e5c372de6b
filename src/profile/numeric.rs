//! The bins of a numeric column.

use std::ops::Range;

use serde::{Deserialize, Serialize};

use super::{
    edges::{body_edges, with_tails},
    guide::Guide,
    moments::Scale,
};

/// Edges inside the reference's range. With 1,024 bins the statistic of the
/// Kolmogorov-Smirnov test is known to about a thousandth.
pub const BODY_EDGES: usize = 1024;

/// Bins on the number line.
///
/// Bin `i` holds `lower(i) < x <= upper(i)`. The reference's range is cut at
/// its quantiles; a value with a mass of its own gets a bin that holds nothing
/// else, between the next smaller double and itself. Beyond the range, bins
/// grow by a factor of four on either side, and the outermost are open.
///
/// `-0.0` is `0.0`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(try_from = "StoredGrid", into = "StoredGrid")]
pub struct NumericGrid {
    min: f64,
    max: f64,
    inside: Range<usize>,
    guide: Guide,
    scale: Scale,
}

impl PartialEq for NumericGrid {
    fn eq(&self, other: &Self) -> bool {
        // Everything else follows from these.
        (self.guide.edges(), self.min, self.max) == (other.guide.edges(), other.min, other.max)
    }
}

/// What is stored of a grid.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct StoredGrid {
    edges: Vec<f64>,
    min: f64,
    max: f64,
}

/// Edges that make no grid.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
pub enum EdgesError {
    /// More edges than a grid has.
    #[error("{0} edges are more than a grid has")]
    TooMany(usize),
    /// An edge is not larger than the one before it.
    #[error("edge {0} is not a finite number above the edge before it")]
    NotIncreasing(usize),
    /// The range does not fit the edges.
    #[error("the range {0} to {1} does not lie on the edges")]
    Range(f64, f64),
}

impl NumericGrid {
    /// The grid of a reference with these values, which must be sorted, finite
    /// and free of negative zeros. `None` when there are none.
    #[must_use]
    pub fn from_sorted(values: &[f64]) -> Option<Self> {
        let (&min, &max) = (values.first()?, values.last()?);
        let edges = with_tails(body_edges(values, BODY_EDGES), min, max);
        Some(Self::new(edges, min, max))
    }

    fn new(edges: Vec<f64>, min: f64, max: f64) -> Self {
        let bin_of = |value: f64| edges.partition_point(|&edge| edge < value);
        let inside = bin_of(min)..bin_of(max) + 1;
        let scale = Scale::new(&edges, inside.clone(), min, max);
        let guide = Guide::new(edges, inside.clone());
        Self { min, max, inside, guide, scale }
    }

    /// The bin that holds `value`, which must be finite.
    #[inline]
    #[must_use]
    pub fn bin_of(&self, value: f64) -> usize {
        self.guide.bin_of(value)
    }

    /// Number of bins.
    #[inline]
    #[must_use]
    pub fn bins(&self) -> usize {
        self.guide.edges().len() + 1
    }

    /// Exclusive lower bound of a bin; minus infinity for the first.
    #[must_use]
    pub fn lower(&self, bin: usize) -> f64 {
        bin.checked_sub(1).and_then(|edge| self.guide.edges().get(edge)).copied().unwrap_or(f64::NEG_INFINITY)
    }

    /// Inclusive upper bound of a bin; plus infinity for the last.
    #[must_use]
    pub fn upper(&self, bin: usize) -> f64 {
        self.guide.edges().get(bin).copied().unwrap_or(f64::INFINITY)
    }

    /// Whether a bin can hold one value only, its upper bound.
    #[must_use]
    #[expect(clippy::float_cmp, reason = "neighbouring doubles are meant")]
    pub fn is_single_value(&self, bin: usize) -> bool {
        self.lower(bin).next_up() == self.upper(bin).min(f64::MAX)
    }

    /// The reference's smallest and largest value.
    #[must_use]
    pub fn range(&self) -> (f64, f64) {
        (self.min, self.max)
    }

    /// The bins inside the reference's range.
    #[must_use]
    pub fn inside(&self) -> Range<usize> {
        self.inside.clone()
    }

    /// The units in which moments are summed.
    pub(super) fn scale(&self) -> Scale {
        self.scale
    }
}

impl TryFrom<StoredGrid> for NumericGrid {
    type Error = EdgesError;

    fn try_from(StoredGrid { edges, min, max }: StoredGrid) -> Result<Self, EdgesError> {
        if edges.len() > 2 * BODY_EDGES {
            return Err(EdgesError::TooMany(edges.len()));
        }
        let mut before = f64::NEG_INFINITY;
        for (index, &edge) in edges.iter().enumerate() {
            if !edge.is_finite() || edge <= before {
                return Err(EdgesError::NotIncreasing(index));
            }
            before = edge;
        }
        // An edge at the largest value, and one just below the smallest unless
        // there is no double below it.
        let has = |wanted: f64| {
            !wanted.is_finite() || edges.binary_search_by(|edge| edge.total_cmp(&wanted)).is_ok()
        };
        if !min.is_finite() || !max.is_finite() || min > max || !has(max) || !has(min.next_down()) {
            return Err(EdgesError::Range(min, max));
        }
        Ok(Self::new(edges, min, max))
    }
}

impl From<NumericGrid> for StoredGrid {
    fn from(grid: NumericGrid) -> Self {
        Self { edges: grid.guide.edges().to_vec(), min: grid.min, max: grid.max }
    }
}
