//! What the configuration says about the judgement of one model.

use super::{moving::MovingReference, noise::MinimumEffects, sequential::Budget};
use crate::result::ScoreName;

/// How a model's windows are judged.
#[derive(Debug, Clone, PartialEq)]
pub struct DriftSettings {
    /// The score that verdicts are about; where a column doesn't have it, the
    /// population stability index.
    pub score: ScoreName,
    /// What is larger than chance is drifted from these effects on.
    pub minimum_effects: MinimumEffects,
    /// False alarms over all columns, segments and streams of the model.
    pub false_alarms: Budget,
    /// Further references.
    pub compare_with: Vec<MovingReference>,
    /// Rows of a window's sample; 0 looks at single columns only.
    pub sample_rows: usize,
}

impl Default for DriftSettings {
    fn default() -> Self {
        Self {
            score: ScoreName::Psi,
            minimum_effects: MinimumEffects::default(),
            false_alarms: Budget::default(),
            compare_with: Vec::new(),
            sample_rows: 256,
        }
    }
}
