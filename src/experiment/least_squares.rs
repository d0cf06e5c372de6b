//! Small symmetric matrices: slopes of covariates, and the variance that they leave.

/// A covariate that leaves less than this share of its scatter when the others are
/// known says nothing more.
const COLLINEAR: f64 = 1e-9;

/// The quadratic form of `matrix`, never below 0.
pub(super) fn form(matrix: &[f64], vector: &[f64]) -> f64 {
    let rows = matrix.chunks(vector.len().max(1)).zip(vector);
    let sum = |row: &[f64]| row.iter().zip(vector).map(|(a, b)| a * b).sum::<f64>();
    rows.map(|(row, factor)| factor * sum(row)).sum::<f64>().max(0.0)
}

/// Slopes of a least-squares fit with this symmetric matrix of products; 0 for what
/// the others say already.
pub(super) fn solve(mut matrix: Vec<Vec<f64>>, mut right: Vec<f64>) -> Vec<f64> {
    let size = right.len();
    let scale: Vec<f64> = (0..size).map(|i| cell(&matrix, i, i)).collect();
    let mut used = vec![false; size];
    for pivot in 0..size {
        let diagonal = cell(&matrix, pivot, pivot);
        let least = COLLINEAR * scale.get(pivot).copied().unwrap_or(0.0);
        if diagonal <= least || diagonal <= 0.0 {
            continue;
        }
        if let Some(used) = used.get_mut(pivot) {
            *used = true;
        }
        let pivot_row = matrix.get(pivot).cloned().unwrap_or_default();
        let pivot_right = right.get(pivot).copied().unwrap_or(0.0);
        for row in (0..size).filter(|row| *row != pivot) {
            let factor = cell(&matrix, row, pivot) / diagonal;
            if let Some(row) = matrix.get_mut(row) {
                row.iter_mut().zip(&pivot_row).for_each(|(mine, theirs)| *mine -= factor * theirs);
            }
            if let Some(mine) = right.get_mut(row) {
                *mine -= factor * pivot_right;
            }
        }
    }
    let slope = |i: usize| right.get(i).copied().unwrap_or(0.0) / cell(&matrix, i, i);
    (0..size).map(|i| if used.get(i) == Some(&true) { slope(i) } else { 0.0 }).collect()
}

fn cell(matrix: &[Vec<f64>], i: usize, j: usize) -> f64 {
    matrix.get(i).and_then(|row| row.get(j)).copied().unwrap_or(0.0)
}
