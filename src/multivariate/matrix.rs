//! Rows of numbers, and the little linear algebra that they need.

/// Rows of equal width, one after the other.
#[derive(Debug, Clone, PartialEq)]
pub struct Matrix {
    width: usize,
    values: Vec<f64>,
}

impl Matrix {
    /// No rows yet. A width of 0 counts as 1.
    #[must_use]
    pub fn new(width: usize) -> Self {
        Self { width: width.max(1), values: Vec::new() }
    }

    /// Adds a row: as many of `values` as the matrix is wide, zeros for those
    /// that are not there.
    pub fn push(&mut self, values: impl IntoIterator<Item = f64>) {
        let end = self.values.len() + self.width;
        self.values.extend(values.into_iter().take(self.width));
        self.values.resize(end, 0.0);
    }

    /// The rows.
    pub fn rows(&self) -> impl ExactSizeIterator<Item = &[f64]> {
        self.values.chunks_exact(self.width)
    }

    /// The rows whose number, counted from 0, is wanted.
    #[must_use]
    pub(super) fn part(&self, wanted: impl Fn(usize) -> bool) -> Self {
        let mut part = Self::new(self.width);
        let rows = self.rows().enumerate().filter(|(place, _)| wanted(*place));
        rows.for_each(|(_, row)| part.values.extend(row));
        part
    }

    /// These rows, then those of `other`, which must be as wide.
    #[must_use]
    pub(super) fn followed_by(mut self, other: &Self) -> Self {
        self.values.extend(&other.values);
        self
    }

    /// The rows' values, one row after the other.
    #[must_use]
    pub(super) fn values(&self) -> &[f64] {
        &self.values
    }

    /// The values of one column.
    pub fn column(&self, column: usize) -> impl Iterator<Item = f64> {
        self.values.iter().skip(column).step_by(self.width).copied()
    }

    /// Number of rows.
    #[must_use]
    pub fn len(&self) -> usize {
        self.values.len() / self.width
    }

    /// Whether there are no rows.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// Numbers in a row.
    #[must_use]
    pub fn width(&self) -> usize {
        self.width
    }
}

/// The sum of products of two vectors, as far as both reach.
pub(super) fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// A number of rows as a number to calculate with.
#[expect(clippy::cast_precision_loss, reason = "samples have far fewer than 2^53 rows")]
pub(super) fn count(rows: usize) -> f64 {
    rows as f64
}

/// Mean and covariance of rows (divisor n); of the symmetric covariance the
/// lower triangle, row `i` with `i + 1` entries. Zeros without rows.
pub(super) fn mean_and_covariance(rows: &Matrix) -> (Vec<f64>, Vec<Vec<f64>>) {
    let width = rows.width();
    let n = count(rows.len()).max(1.0);
    let mut mean = vec![0.0; width];
    for row in rows.rows() {
        mean.iter_mut().zip(row).for_each(|(mean, value)| *mean += value / n);
    }
    let mut covariance: Vec<Vec<f64>> = (1..=width).map(|entries| vec![0.0; entries]).collect();
    let mut centred = vec![0.0; width];
    for row in rows.rows() {
        centred.iter_mut().zip(row).zip(&mean).for_each(|((slot, value), mean)| *slot = value - mean);
        for (sums, left) in covariance.iter_mut().zip(&centred) {
            let scaled = left / n;
            sums.iter_mut().zip(&centred).for_each(|(sum, right)| *sum += scaled * right);
        }
    }
    (mean, covariance)
}
