//! How wrong a prediction is, once its label is known.
//!
//! Losses are of a probability between 0 and 1 and a label of 0 or 1 (Brier score,
//! logarithmic loss), of two numbers (absolute and squared error), or of a class and a
//! label (whether it is right). What they can't be of gives no number: a Brier score of a
//! score of 7 would be one, and would mean nothing.

use serde::{Deserialize, Serialize};

use super::{
    class::Class,
    settings::{Condition, Loss, MetricSettings, MetricValue, Statistic},
    values::{Channels, Reading, first_channel},
};
use crate::decode::LooseValue;

/// Probabilities of a logarithmic loss are kept so far away from 0 and 1.
const CLIP: f64 = 1e-15;

/// What an arm has said of a request.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Predicted {
    /// The prediction, where it is a number.
    pub(super) score: Option<f64>,
    pub(super) class: Option<Class>,
}

/// What a prediction and its label contribute to a metric that needs labels.
pub(super) fn labelled(metric: &MetricSettings, predicted: Predicted, label: Class) -> Reading {
    let counted = match (&metric.value, &metric.statistic) {
        (MetricValue::Label, Statistic::Rate(Condition::Equals(class))) => {
            return Reading::Values(Channels::new(i64::from(label == *class)));
        }
        (MetricValue::Label, _) => label.number(),
        (MetricValue::Loss(loss), _) => loss.of(predicted, label),
        _ => return Reading::Absent,
    };
    counted.map_or(Reading::Invalid, |number| first_channel(metric, &LooseValue::Number(number)))
}

impl Loss {
    /// The loss; `None` where it is not defined.
    fn of(&self, predicted: Predicted, label: Class) -> Option<f64> {
        match self {
            Self::Brier => {
                let (probability, is_so) = binary(predicted, label)?;
                Some((probability - f64::from(u8::from(is_so))).powi(2))
            }
            Self::LogLoss => {
                let (probability, is_so) = binary(predicted, label)?;
                let given = if is_so { probability } else { 1.0 - probability };
                Some(-given.clamp(CLIP, 1.0 - CLIP).ln())
            }
            Self::AbsoluteError => Some((predicted.score? - label.number()?).abs()),
            Self::SquaredError => Some((predicted.score? - label.number()?).powi(2)),
            Self::Correct => {
                let is_right = if let Some(class) = predicted.class {
                    class == label
                } else {
                    let (probability, is_so) = binary(predicted, label)?;
                    (probability >= 0.5) == is_so
                };
                Some(f64::from(u8::from(is_right)))
            }
        }
    }
}

/// A probability, and whether what it is of came.
fn binary(predicted: Predicted, label: Class) -> Option<(f64, bool)> {
    let probability = predicted.score.filter(|score| (0.0..=1.0).contains(score))?;
    Some((probability, label.truth()?))
}
