//! Explanations of single events, for people.

use super::{Explainer, RowExplanation, RowOutput};
use crate::{
    profile::Cell,
    result::{EventAttribution, EventExplanation, EventOutput, EventWindow, FeatureValue, StreamKey},
};

impl Explainer {
    /// The explanation of one event: its row as explained, and the row itself.
    #[must_use]
    pub fn event(
        &self,
        stream: StreamKey,
        row: &RowExplanation,
        cells: &[Cell],
        window: Option<EventWindow>,
    ) -> EventExplanation {
        let outputs = self.outputs.iter().zip(&row.outputs).map(|(output, explained)| EventOutput {
            output: output.name.clone(),
            space: self.info().link.raw_space().to_owned(),
            base_value: output.base_value,
            value: explained.value,
            prediction: explained.prediction,
            logged: explained.logged,
            additivity_residual: explained.residual,
            features: self.event_features(explained, cells),
        });
        EventExplanation {
            stream,
            event: format!("{:016x}", row.hash),
            window,
            provenance: self.provenance(row.method, row.evaluations),
            outputs: outputs.collect(),
        }
    }

    fn event_features(&self, output: &RowOutput, cells: &[Cell]) -> Vec<EventAttribution> {
        let values = self.inputs.features().zip(&output.attributions).enumerate();
        let mut features: Vec<_> = values
            .map(|(place, (feature, attribution))| EventAttribution {
                feature: feature.to_owned(),
                value: self.inputs.value(place, cells).and_then(|(cell, name)| match name {
                    Some(name) => Some(FeatureValue::Category(name.to_owned())),
                    None => Some(cell.to_f64()).filter(|number| number.is_finite()).map(FeatureValue::Number),
                }),
                attribution: *attribution,
                standard_error: output.standard_errors.get(place).copied(),
            })
            .collect();
        features.sort_by(|a, b| b.attribution.abs().total_cmp(&a.attribution.abs()));
        features
    }
}
