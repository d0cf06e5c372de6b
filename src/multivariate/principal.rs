//! Principal components.

use super::matrix::{Matrix, dot, mean_and_covariance};

/// Rotations stop when rows are orthogonal to this share of their lengths.
const ORTHOGONAL: f64 = 1e-13;
/// Quadratic convergence needs about ten sweeps; this many only end the loop.
const MOST_SWEEPS: usize = 60;

/// The directions in which rows vary most (Pearson, "On lines and planes of
/// closest fit to systems of points in space", 1901).
///
/// Columns are taken as they are, neither scaled nor weighted.
#[derive(Debug, Clone, PartialEq)]
pub struct Components {
    mean: Vec<f64>,
    /// Unit vectors, orthogonal to each other.
    directions: Vec<Vec<f64>>,
}

impl Components {
    /// The fewest components that hold `share` of the variance of `rows`.
    #[must_use]
    pub fn fit(rows: &Matrix, share: f64) -> Self {
        let (mean, covariance) = mean_and_covariance(rows);
        let mut pairs = eigenpairs(&covariance);
        pairs.sort_by(|a, b| b.0.total_cmp(&a.0));
        let total: f64 = pairs.iter().map(|(value, _)| value).sum();
        let mut held = 0.0;
        let directions = pairs
            .into_iter()
            .take_while(|(value, _)| {
                let wanted = *value > 0.0 && held < share * total;
                held += value;
                wanted
            })
            .map(|(_, direction)| direction)
            .collect();
        Self { mean, directions }
    }

    /// Number of components.
    #[must_use]
    pub fn len(&self) -> usize {
        self.directions.len()
    }

    /// Whether there is no component: the rows were all equal.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.directions.is_empty()
    }

    /// Writes into `out` what the components leave of `row`: its difference
    /// from the nearest point that they reach.
    pub fn residual(&self, row: &[f64], out: &mut Vec<f64>) {
        out.clear();
        out.extend(row.iter().zip(&self.mean).map(|(value, mean)| value - mean));
        for direction in &self.directions {
            let part = dot(out, direction);
            out.iter_mut().zip(direction).for_each(|(left, step)| *left -= part * step);
        }
    }
}

/// Eigenvalues and unit eigenvectors of a symmetric matrix without negative
/// eigenvalues, given by its lower triangle; none for eigenvalues of zero.
///
/// One-sided Jacobi rotations (Hestenes, "Inversion of matrices by
/// biorthogonalization and related results", 1958): the rows are turned
/// pairwise until all are orthogonal. They then are the eigenvectors, as long as
/// their eigenvalues. Each turn is exact to rounding, so that this ends with a
/// usable answer for any finite matrix, unlike QL iterations, which may fail.
fn eigenpairs(lower: &[Vec<f64>]) -> Vec<(f64, Vec<f64>)> {
    let mut rows: Vec<Vec<f64>> = lower
        .iter()
        .enumerate()
        .map(|(index, row)| {
            let above = lower.iter().skip(index + 1).filter_map(|below| below.get(index));
            row.iter().chain(above).copied().collect()
        })
        .collect();
    let size: f64 = rows.iter().map(|row| dot(row, row)).sum();
    let tiny = size * f64::EPSILON * f64::EPSILON;
    for _ in 0..MOST_SWEEPS {
        let mut turned = false;
        for first in 0..rows.len() {
            for second in first + 1..rows.len() {
                if let Ok([a, b]) = rows.get_disjoint_mut([first, second]) {
                    turned |= turn(a, b, tiny);
                }
            }
        }
        if !turned {
            break;
        }
    }
    rows.into_iter()
        .filter_map(|mut row| {
            let value = dot(&row, &row).sqrt();
            for entry in &mut row {
                *entry /= value;
            }
            (value * value > tiny).then_some((value, row))
        })
        .collect()
}

/// Turns two rows in their plane so that they become orthogonal; `false` if they
/// are already, or one of them is nothing.
fn turn(a: &mut [f64], b: &mut [f64], tiny: f64) -> bool {
    let (aa, bb, ab) = (dot(a, a), dot(b, b), dot(a, b));
    if aa <= tiny || bb <= tiny || ab.abs() <= ORTHOGONAL * (aa * bb).sqrt() {
        return false;
    }
    let zeta = (bb - aa) / (2.0 * ab);
    let tangent = zeta.signum() / (zeta.abs() + zeta.hypot(1.0));
    let cosine = 1.0 / tangent.hypot(1.0);
    let sine = cosine * tangent;
    for (x, y) in a.iter_mut().zip(b) {
        (*x, *y) = (cosine * *x - sine * *y, sine * *x + cosine * *y);
    }
    true
}
