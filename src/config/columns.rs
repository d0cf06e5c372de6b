//! What only references can tell about an experiment: whether they have the
//! columns that its metrics name.
//!
//! Promises: nothing is said of covariates where the reference is still to be
//! learned, since it may have any column.

use super::{
    keys::nearest,
    problem::{Place, Problem},
};
use crate::{experiment::Winsorise, profile::Grid, reference::Reference, result::PREDICTION};

/// A column of a reference that a metric of the configuration names.
#[derive(Debug, Clone, PartialEq)]
pub struct ColumnCheck {
    /// The model whose reference is meant.
    pub model: String,
    pub(super) usage: Usage,
    pub(super) place: Place,
    pub(super) key: String,
}

/// What for.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Usage {
    /// Its quantile is a cap; the metric's own floor, if any, stays.
    Cap(Winsorise, Option<f64>),
    /// It is a covariate.
    Covariate(String),
}

impl ColumnCheck {
    /// What is wrong with it, in view of these models with their references: a
    /// model that is not among them is not looked at.
    #[must_use]
    pub fn problem(&self, references: &[(&str, Option<&Reference>)]) -> Option<Problem> {
        let (_, reference) = references.iter().find(|(model, _)| *model == self.model)?;
        // A file that can't be read is told as that.
        let (message, hint) = self.found(reference.as_ref()?)?;
        let (place, key) = (self.place.clone(), self.key.clone());
        Some(Problem { place, key, message, hint: Some(hint), snippet: None })
    }

    fn found(&self, reference: &Reference) -> Option<(String, String)> {
        let name = match &self.usage {
            Usage::Cap(winsorise, floor) => {
                let error = winsorise.caps(&self.model, Some(reference), *floor).err()?;
                return Some((error.problem, error.hint));
            }
            Usage::Covariate(name) => name,
        };
        let column = reference.columns.iter().find(|column| column.name == *name);
        match column.map(|column| &column.grid) {
            Some(Grid::Numeric(_)) => None,
            Some(Grid::Categorical(_)) => {
                let message = format!("{name:?} is not numeric in the reference of model {:?}", self.model);
                Some((message, "covariates are numeric features, or \"prediction\"".to_owned()))
            }
            None => {
                let numeric = reference
                    .columns
                    .iter()
                    .filter(|column| matches!(column.grid, Grid::Numeric(_)) && column.name != PREDICTION);
                let names: Vec<&str> = numeric.map(|column| column.name.as_str()).collect();
                let hint = match nearest(name, names.iter().copied()) {
                    Some(meant) => format!("did you mean {meant:?}?"),
                    None => format!("its numeric features are {}", names.join(", ")),
                };
                Some((format!("the reference of model {:?} has no column {name:?}", self.model), hint))
            }
        }
    }
}
