//! Rows of cells as vectors of numbers of one size.

use statrs::distribution::{ContinuousCDF, Normal};

use super::matrix::Matrix;
use crate::{
    profile::{Cell, Counts, Grid, NumericGrid, RowSample},
    reference::{Column, ColumnRole, Reference},
};

/// Features that are compared together at most: the time that it takes grows
/// with the square of their number.
pub const MOST_FEATURES: usize = 128;
/// Categories of a feature that have a column of their own at most.
const MOST_CATEGORIES: usize = 8;
/// Columns of values that an encoded row has at most, where there are
/// categorical features that can be cut to fewer categories.
const MOST_COLUMNS: usize = 160;

/// Turns rows into vectors, by what the reference knows of each feature.
///
/// - A number becomes the normal score of its rank in the reference, `Φ⁻¹` of
///   the share of the reference below it (half of its own bin included): about
///   standard normal whatever the feature's own distribution and unit, so that
///   no outlier outweighs all other rows. Resolution is the grid's.
/// - A category becomes 0 or 1 in each of the columns of the most frequent
///   categories, and one column for the rest, unseen ones included.
/// - What is no usable value (missing, NaN, infinite, of the wrong type) becomes
///   what the feature is on average in the reference, and 1 in a column of its
///   own per feature, which is 0 otherwise.
///
/// Columns are not scaled any further: a rare category or indicator has little
/// variance and so little weight in a principal component analysis. Predictions
/// are left out.
#[derive(Debug, Clone)]
pub struct Encoder {
    columns: usize,
    features: Vec<EncodedFeature>,
    width: usize,
}

/// One feature's part of a vector: its values, then the indicator.
#[derive(Debug, Clone)]
struct EncodedFeature {
    name: String,
    /// Its place among the reference's columns.
    column: usize,
    values: Values,
}

#[derive(Debug, Clone)]
enum Values {
    /// The normal score of every bin, and their mean in the reference.
    Numeric { grid: Box<NumericGrid>, scores: Vec<f64>, mean: f64 },
    /// The reference's shares of the named categories and of the rest.
    Categorical { shares: Vec<f64> },
}

impl Encoder {
    /// For the features of `reference`. `None` when there are none, or more
    /// than [`MOST_FEATURES`].
    #[must_use]
    pub fn new(reference: &Reference) -> Option<Self> {
        let features: Vec<_> = reference
            .columns
            .iter()
            .enumerate()
            .filter(|(_, column)| column.role == ColumnRole::Feature)
            .collect();
        if features.is_empty() || features.len() > MOST_FEATURES {
            return None;
        }
        let categories = most_categories(&features);
        let features: Vec<_> = features
            .into_iter()
            .map(|(place, column)| EncodedFeature {
                name: column.name.clone(),
                column: place,
                values: Values::new(&column.grid, &column.counts, categories),
            })
            .collect();
        let width = features.iter().map(EncodedFeature::width).sum();
        Some(Self { columns: reference.columns.len(), features, width })
    }

    /// Numbers in an encoded row.
    #[must_use]
    pub fn width(&self) -> usize {
        self.width
    }

    /// The features' names, in the reference's order.
    pub fn names(&self) -> impl ExactSizeIterator<Item = &str> {
        self.features.iter().map(|feature| feature.name.as_str())
    }

    /// For every number of an encoded row, the feature that it is of, as its
    /// place among [`Self::names`].
    #[must_use]
    pub fn owners(&self) -> Vec<usize> {
        let owned = |(place, feature): (usize, &EncodedFeature)| vec![place; feature.width()];
        self.features.iter().enumerate().flat_map(owned).collect()
    }

    /// One row. `None` when it is only a part of a row: when a feature is
    /// absent from it (which is not the same as missing in it).
    #[must_use]
    pub fn row(&self, cells: &[Cell]) -> Option<Vec<f64>> {
        let mut row = Vec::with_capacity(self.width);
        for feature in &self.features {
            let cell = *cells.get(feature.column)?;
            if cell.is_absent() {
                return None;
            }
            feature.values.encode(cell, &mut row);
        }
        Some(row)
    }

    /// The whole rows of a sample in order of their hashes, `most` of them at
    /// most. None when the sample is not one of the reference's columns.
    #[must_use]
    pub fn rows(&self, sample: &RowSample, most: usize) -> Matrix {
        let mut matrix = Matrix::new(self.width);
        if sample.fits(self.columns) {
            let rows = sample.rows().filter_map(|(_, cells)| self.row(cells));
            rows.take(most).for_each(|row| matrix.push(row));
        }
        matrix
    }
}

impl EncodedFeature {
    fn width(&self) -> usize {
        match &self.values {
            Values::Numeric { .. } => 2,
            Values::Categorical { shares } => shares.len() + 1,
        }
    }
}

/// The largest number of categories per feature that keeps rows within
/// [`MOST_COLUMNS`].
fn most_categories(features: &[(usize, &Column)]) -> usize {
    let columns_with = |most: usize| -> usize {
        let columns = |column: &Column| match &column.grid {
            Grid::Numeric(_) => 1,
            Grid::Categorical(grid) => grid.named().len().min(most) + 1,
        };
        features.iter().map(|(_, column)| columns(column)).sum()
    };
    (1..=MOST_CATEGORIES).rev().find(|&most| columns_with(most) <= MOST_COLUMNS).unwrap_or(1)
}

#[expect(clippy::cast_precision_loss, reason = "a share may be off by a 2^-53rd")]
impl Values {
    fn new(grid: &Grid, counts: &Counts, categories: usize) -> Self {
        let total = counts.valid() as f64;
        match grid {
            Grid::Numeric(grid) => {
                let (mut scores, mut before, mut sum) = (Vec::with_capacity(grid.bins()), 0.0, 0.0);
                for count in counts.bins() {
                    let count = count as f64;
                    // Half a value at either end keeps the share from 0 and 1.
                    let middle = (before + count / 2.0).clamp(0.5, (total - 0.5).max(0.5));
                    let score = normal_score(middle / total.max(1.0));
                    before += count;
                    sum += score * count;
                    scores.push(score);
                }
                // What lies beyond the range is as extreme as the range's end,
                // not more: a few rows of any window do, and none of the reference.
                let inside = grid.inside();
                let ends =
                    (scores.get(inside.start).copied(), scores.get(inside.end.saturating_sub(1)).copied());
                if let (Some(lowest), Some(highest)) = ends {
                    for score in &mut scores {
                        *score = score.clamp(lowest, highest.max(lowest));
                    }
                }
                Self::Numeric { grid: Box::new(grid.clone()), scores, mean: sum / total.max(1.0) }
            }
            Grid::Categorical(grid) => {
                let named = grid.named().len().min(categories);
                let mut shares: Vec<f64> =
                    counts.bins().take(named).map(|count| count as f64 / total.max(1.0)).collect();
                let rest = 1.0 - shares.iter().sum::<f64>();
                shares.push(rest.max(0.0));
                Self::Categorical { shares }
            }
        }
    }

    /// Appends the feature's values and its indicator.
    fn encode(&self, cell: Cell, row: &mut Vec<f64>) {
        let usable = match self {
            Self::Numeric { grid, scores, mean } => {
                // Adding zero turns -0.0 into 0.0.
                let value = Some(cell.to_f64() + 0.0).filter(|value| value.is_finite());
                let score = value.and_then(|value| scores.get(grid.bin_of(value)));
                row.push(score.copied().unwrap_or(*mean));
                score.is_some()
            }
            Self::Categorical { shares } => {
                let code = cell.code().map(|code| (code as usize).min(shares.len().saturating_sub(1)));
                match code {
                    Some(code) => row.extend((0..shares.len()).map(|column| f64::from(column == code))),
                    None => row.extend(shares),
                }
                code.is_some()
            }
        };
        row.push(f64::from(!usable));
    }
}

/// The standard normal quantile of a share strictly between 0 and 1.
fn normal_score(share: f64) -> f64 {
    Normal::standard().inverse_cdf(share)
}
