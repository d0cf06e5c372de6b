//! Caps from a reference.
//!
//! A few extreme values make the mean of a heavy-tailed metric so uncertain that
//! nothing can be proven of it. They are capped at a quantile of the reference,
//! which stands still: a cap that followed the stream would differ between
//! windows and arms, and bounds would no longer hold.

use super::ExperimentSettings;
use crate::{
    profile::Grid,
    reference::{Column, Reference},
};

/// A metric whose cap is a quantile of the reference.
#[derive(Debug, Clone, PartialEq)]
pub struct Winsorise {
    /// The experiment.
    pub experiment: String,
    /// The metric in it.
    pub metric: String,
    /// The column of the reference that has the metric's values.
    pub column: String,
    /// The quantile, above one half and below 1.
    pub quantile: f64,
}

/// Why a reference gives no cap.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("experiment {experiment:?}, metric {metric:?}, winsorise: {problem}; {hint}")]
pub struct FreezeError {
    /// The experiment.
    pub experiment: String,
    /// The metric in it.
    pub metric: String,
    /// What is wrong, as a sentence without full stop.
    pub problem: String,
    /// What to do.
    pub hint: String,
}

/// Sets the caps that are quantiles of references; `references` are those of
/// the models by their names, where they are there. A floor that is given is
/// kept; without one, a column with negative values gets the opposite quantile.
///
/// # Errors
/// The first metric whose model has no reference yet, or one that gives no cap.
pub fn freeze_caps(
    experiments: &mut [ExperimentSettings],
    winsorised: &[Winsorise],
    references: &[(&str, Option<&Reference>)],
) -> Result<(), FreezeError> {
    for winsorise in winsorised {
        let found = experiments.iter_mut().find(|experiment| experiment.id == winsorise.experiment);
        // An experiment that was left out needs no caps.
        let Some(experiment) = found else { continue };
        let model = experiment.model.as_str();
        let reference = references.iter().find(|(name, _)| *name == model).and_then(|(_, found)| *found);
        for metric in experiment.metrics.iter_mut().filter(|metric| metric.name == winsorise.metric) {
            metric.caps = winsorise.caps(model, reference, metric.caps.0)?;
        }
    }
    Ok(())
}

impl Winsorise {
    /// The floor and the cap for a metric with this floor, if any.
    ///
    /// # Errors
    /// When there is no reference, or it gives no cap.
    pub fn caps(
        &self,
        model: &str,
        reference: Option<&Reference>,
        floor: Option<f64>,
    ) -> Result<(Option<f64>, Option<f64>), FreezeError> {
        let error = |problem: String, hint: &str| FreezeError {
            experiment: self.experiment.clone(),
            metric: self.metric.clone(),
            problem,
            hint: hint.to_owned(),
        };
        let Some(reference) = reference else {
            let problem = format!("the reference of model {model:?} is still to be learned");
            return Err(error(problem, NEEDS_FILE));
        };
        let Some(column) = reference.columns.iter().find(|column| column.name == self.column) else {
            let problem = format!("the reference of model {model:?} has no column {:?}", self.column);
            let names: Vec<&str> = reference
                .columns
                .iter()
                .filter(|column| matches!(column.grid, Grid::Numeric(_)))
                .map(|column| column.name.as_str())
                .collect();
            let hint = format!("its numeric columns are {}; or give cap", names.join(", "));
            return Err(error(problem, &hint));
        };
        let Some((lower, cap)) = self.quantiles(column) else {
            let problem = format!("{:?} is not numeric in the reference of model {model:?}", self.column);
            return Err(error(problem, "give cap in place of winsorise"));
        };
        let floor = floor.or(lower);
        // Such a column is one value nearly always, and capping leaves nothing else.
        let least = floor.or(column.counts.min()).unwrap_or(f64::NEG_INFINITY);
        if cap <= least {
            let problem = format!("all values would be taken for {least}, as {cap} is the cap");
            return Err(error(problem, "choose a higher quantile, or give cap"));
        }
        Ok((floor, Some(cap)))
    }

    /// The opposite quantile where the column has negative values, and the quantile.
    fn quantiles(&self, column: &Column) -> Option<(Option<f64>, f64)> {
        let [lower, cap] = column.counts.quantiles(&column.grid, [1.0 - self.quantile, self.quantile])?;
        let has_negative = column.counts.min().is_some_and(|least| least < 0.0);
        Some((has_negative.then_some(lower), cap))
    }
}

/// What to do where a reference is learned.
pub(crate) const NEEDS_FILE: &str =
    "give cap in place of winsorise, or a file as reference, which `driftline reference` makes";
