//! The reference of the demo: the simulated model's training data.

use std::collections::BTreeMap;

use super::traffic::{FEATURES, MODEL, Traffic};
use crate::{
    reference::{ColumnRole, Reference, ReferenceBuilder, ReferenceError, Value},
    result::{PREDICTION, PREDICTION_CLASS},
};

/// Bins of the cut: deciles.
pub(super) const BINS: usize = 10;

/// The reference that the applications of [`Traffic::training`] make.
///
/// # Errors
/// None in practice: there are rows, with usable columns.
pub fn reference(seed: u64) -> Result<Reference, ReferenceError> {
    let mut builder = ReferenceBuilder::new(MODEL, &BTreeMap::new(), BINS);
    for application in Traffic::training(seed) {
        let features = FEATURES.iter().zip(application.features);
        let features = features.map(|(name, value)| (*name, ColumnRole::Feature, value));
        let outputs = [
            (PREDICTION, ColumnRole::Prediction, Value::Number(application.prediction)),
            (PREDICTION_CLASS, ColumnRole::Prediction, Value::Text(application.decision)),
        ];
        builder.push_row_at(application.time, features.chain(outputs));
    }
    Ok(builder.finish(format!("simulated training data, seed {seed}"))?.0)
}
