//! Telling two groups apart by their means and covariances.

use super::matrix::{Matrix, dot, mean_and_covariance};

/// How far each group's covariance is drawn to that of all rows. A few hundred
/// rows know dozens of columns' covariances badly; half of either loses little
/// where the covariances do differ.
const SHRINKAGE: f64 = 0.5;
/// Added to every variance, of columns that are normal scores or shares: makes
/// columns that depend on each other harmless.
const RIDGE: f64 = 0.02;

/// Quadratic discriminant analysis with covariances shrunk to the common one
/// (Friedman, "Regularized discriminant analysis", 1989).
///
/// Sees shifts, changes of variance and above all of correlation, which forests
/// of a few hundred rows don't find.
#[derive(Debug)]
pub(super) struct Discriminant {
    first: Group,
    second: Group,
}

/// A multivariate normal distribution.
#[derive(Debug)]
struct Group {
    mean: Vec<f64>,
    /// Cholesky factor of the covariance: row `i` of the lower triangle.
    factor: Vec<Vec<f64>>,
    log_scale: f64,
}

impl Discriminant {
    /// Learns from rows of two groups.
    pub(super) fn fit(first: &Matrix, second: &Matrix) -> Self {
        let (_, common) = mean_and_covariance(&first.clone().followed_by(second));
        Self { first: Group::fit(first, &common), second: Group::fit(second, &common) }
    }

    /// The larger, the more `row` looks like one of the second group.
    pub(super) fn score(&self, row: &[f64], scratch: &mut Vec<f64>) -> f64 {
        self.second.log_density(row, scratch) - self.first.log_density(row, scratch)
    }
}

impl Group {
    fn fit(rows: &Matrix, common: &[Vec<f64>]) -> Self {
        let (mean, mut covariance) = mean_and_covariance(rows);
        for (own, common) in covariance.iter_mut().zip(common) {
            for (entry, common) in own.iter_mut().zip(common) {
                *entry += SHRINKAGE * (common - *entry);
            }
            if let Some(variance) = own.last_mut() {
                *variance += RIDGE;
            }
        }
        let factor = cholesky(&covariance);
        let log_scale = factor.iter().filter_map(|row| row.last()).map(|pivot| pivot.ln()).sum();
        Self { mean, factor, log_scale }
    }

    /// The logarithm of the density, up to a constant.
    fn log_density(&self, row: &[f64], solved: &mut Vec<f64>) -> f64 {
        solved.clear();
        for ((factors, value), mean) in self.factor.iter().zip(row).zip(&self.mean) {
            // The factors before the pivot go with what is solved already.
            let pivot = factors.last().copied().unwrap_or(1.0);
            solved.push((value - mean - dot(solved, factors)) / pivot);
        }
        -0.5 * dot(solved, solved) - self.log_scale
    }
}

/// The lower triangle of `L` with `L L' = a`, of the lower triangle of a
/// positive definite matrix whose smallest eigenvalue is [`RIDGE`] or more.
fn cholesky(a: &[Vec<f64>]) -> Vec<Vec<f64>> {
    let mut factor: Vec<Vec<f64>> = Vec::with_capacity(a.len());
    for entries in a {
        let mut row: Vec<f64> = Vec::with_capacity(entries.len());
        for (entry, above) in entries.iter().zip(&factor) {
            let pivot = above.last().copied().unwrap_or(1.0);
            row.push((entry - dot(&row, above)) / pivot);
        }
        // Rounding can't take more than a part of the ridge.
        let rest = entries.last().copied().unwrap_or_default() - dot(&row, &row);
        row.push(rest.max(RIDGE / 2.0).sqrt());
        factor.push(row);
    }
    factor
}
