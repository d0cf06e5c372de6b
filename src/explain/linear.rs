//! Exact interventional Shapley values of linear models.
//!
//! A linear model has no interactions, so an input's value is its coefficient
//! times its distance from the background's mean (Štrumbelj and Kononenko,
//! "Explaining prediction models and individual predictions with feature
//! contributions", 2014). Correlated inputs change nothing in this: a
//! background row replaces each input on its own.
//!
//! Refuses: rows and backgrounds with a missing or infinite value. The model has
//! no answer for them, so there is nothing to attribute; a schema of inputs that
//! fills missing values in gives rows that can be explained.

use super::{Attribution, Background, asking::check_width};
use crate::model::{LinearModel, Model, PredictError, Rows};

/// Explains a row by the model's coefficients.
///
/// # Errors
/// When the row or the background is not of the model's inputs, or has a value
/// for which the model has no answer.
pub fn explain(
    model: &LinearModel,
    background: &Background,
    row: &[f64],
) -> Result<Attribution, PredictError> {
    check_width(model, background, row)?;
    explain_beside(model, &means(model, background)?, row)
}

/// Explains a row beside the `means` of a background.
///
/// # Errors
/// When the row is not of the model's inputs, or has a value for which the model
/// has no answer.
pub(super) fn explain_beside(
    model: &LinearModel,
    means: &[f64],
    row: &[f64],
) -> Result<Attribution, PredictError> {
    check_finite(model, row, "of the row")?;
    let mut attribution = Attribution::default();
    model.predict(Rows::new(row, row.len()), &mut attribution.outputs)?;
    for output in 0..model.info().outputs {
        let terms = model.coefficients(output).iter().zip(row).zip(means);
        attribution.values.extend(terms.map(|((weight, value), mean)| weight * (value - mean)));
    }
    Ok(attribution)
}

/// The mean of each input over a background.
///
/// # Errors
/// When one of its rows has a value for which the model has no answer.
pub(super) fn means(model: &LinearModel, background: &Background) -> Result<Vec<f64>, PredictError> {
    let rows = background.rows();
    let mut sums = vec![0.0; rows.width()];
    for row in rows {
        check_finite(model, row, "of a background row")?;
        for (sum, value) in sums.iter_mut().zip(row) {
            *sum += value;
        }
    }
    #[expect(clippy::cast_precision_loss, reason = "rows in memory are fewer than 2^53")]
    let count = rows.len() as f64;
    Ok(sums.into_iter().map(|sum| sum / count).collect())
}

fn check_finite(model: &LinearModel, row: &[f64], whose: &str) -> Result<(), PredictError> {
    let Some(place) = row.iter().position(|value| !value.is_finite()) else { return Ok(()) };
    let names = &model.info().input_names;
    let name = names.get(place).map(|name| format!(" ({name})")).unwrap_or_default();
    Err(PredictError::Refused(format!(
        "input {place}{name} {whose} is missing or infinite, for which a linear model has no answer; \
         fill missing values in as its training did"
    )))
}
