//! The model beside the predictions that were logged.
//!
//! Why: explanations are of the model that was configured. Where it does not
//! give what was logged, the events were predicted by another version, or of
//! other features, and nothing else that is said of them holds.

use super::{
    settings::{ExplainError, ExplainSettings},
    summary::quantile,
};
use crate::{
    profile::{Cell, Grid, RowSample},
    reference::{ColumnRole, Reference},
    result::{LoggedGap, PREDICTION},
};

/// Part of the standard deviation of predictions that no one would call another
/// model: what libraries lose by adding in `f32` is a hundredth of that.
const OF_DEVIATION: f64 = 1e-3;
/// Rounding of sums in `f32`: some hundred additions of half a unit in the 24th
/// bit of the largest prediction.
const OF_LARGEST: f64 = 1e-5;
/// From so many predictions on, the digits that all of them have are all that
/// are logged.
const FEWEST_FOR_DIGITS: usize = 20;

/// Where predictions were logged.
#[derive(Debug)]
pub(super) struct LoggedColumn {
    pub(super) column: usize,
    pub(super) tolerance: f64,
}

impl LoggedColumn {
    /// What was logged with a row.
    pub(super) fn of(&self, cells: &[Cell]) -> Option<f64> {
        cells.get(self.column).map(|cell| cell.to_f64()).filter(|logged| logged.is_finite())
    }
}

/// The column of logged predictions. A number says nothing of several outputs,
/// so there has to be one that is explained.
pub(super) fn logged_column(
    reference: &Reference,
    settings: &ExplainSettings,
    outputs: usize,
    predicted: impl FnOnce() -> Vec<f64>,
) -> Result<Option<LoggedColumn>, ExplainError> {
    let name = &settings.prediction_column;
    let column = reference.columns.iter().position(|column| {
        column.role == ColumnRole::Prediction
            && column.name == *name
            && matches!(column.grid, Grid::Numeric(_))
    });
    let Some(column) = column else {
        let is_default = name == PREDICTION;
        return if is_default { Ok(None) } else { Err(ExplainError::PredictionColumn(name.clone())) };
    };
    if outputs != 1 {
        return Ok(None);
    }
    let sample = reference.sample.iter().flat_map(RowSample::rows);
    let logged: Vec<f64> = sample
        .filter_map(|(_, cells)| cells.get(column))
        .map(|cell| cell.to_f64())
        .filter(|logged| logged.is_finite())
        .collect();
    let tolerance = settings.logged_tolerance.unwrap_or_else(|| {
        let is_enough = logged.len() >= FEWEST_FOR_DIGITS;
        tolerance(&if is_enough { logged } else { predicted() })
    });
    Ok(Some(LoggedColumn { column, tolerance }))
}

/// How far a logged prediction may be from the model's by rounding alone.
///
/// The largest of a thousandth of the predictions' standard deviation, the
/// rounding of `f32`, and half a unit of the last digit that is logged: when no
/// prediction has more than three digits, the largest one is known to half a
/// unit of its third.
fn tolerance(predictions: &[f64]) -> f64 {
    let values = || predictions.iter().copied().filter(|value| value.is_finite());
    let (count, sum) = values().fold((0.0, 0.0), |(count, sum), value| (count + 1.0, sum + value));
    if count < 1.0 {
        return 0.0;
    }
    let mean = sum / count;
    let variance = values().map(|value| (value - mean) * (value - mean)).sum::<f64>() / count;
    let largest = values().fold(0.0, |largest: f64, value| largest.max(value.abs()));
    let digits = values().map(digits).max().unwrap_or(0);
    let unit = if predictions.len() < FEWEST_FOR_DIGITS || largest <= 0.0 {
        0.0
    } else {
        10_f64.powi(exponent(largest) - digits + 1)
    };
    // A value midway between two is rounded by half a unit, and a little more.
    (OF_DEVIATION * variance.sqrt()).max(OF_LARGEST * largest).max(0.5001 * unit)
}

/// Digits of the shortest text that gives the number back.
fn digits(value: f64) -> i32 {
    let text = format!("{value:e}");
    let mantissa = text.split('e').next().unwrap_or_default();
    let digits = mantissa.bytes().filter(u8::is_ascii_digit).count();
    i32::try_from(digits).unwrap_or(i32::MAX)
}

/// Power of ten of the first digit.
fn exponent(value: f64) -> i32 {
    let text = format!("{value:e}");
    text.split('e').nth(1).and_then(|exponent| exponent.parse().ok()).unwrap_or(0)
}

/// Fewer rows say nothing of a share.
const FEWEST_ROWS: usize = 20;

/// The gap over rows of (prediction, logged); `None` with fewer than
/// [`FEWEST_ROWS`].
#[expect(clippy::cast_precision_loss, reason = "rows in memory are few")]
pub(super) fn gap(rows: impl Iterator<Item = (f64, f64)>, tolerance: f64) -> Option<LoggedGap> {
    let mut gaps: Vec<f64> =
        rows.map(|(prediction, logged)| (prediction - logged).abs()).filter(|gap| gap.is_finite()).collect();
    if gaps.len() < FEWEST_ROWS {
        return None;
    }
    gaps.sort_unstable_by(f64::total_cmp);
    let larger = gaps.len() - gaps.partition_point(|gap| *gap <= tolerance);
    Some(LoggedGap {
        rows: gaps.len() as u64,
        median: quantile(&gaps, 0.5)?,
        p95: quantile(&gaps, 0.95)?,
        tolerance,
        share: larger as f64 / gaps.len() as f64,
    })
}
