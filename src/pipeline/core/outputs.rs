//! What a step gives.

use crate::{
    alert::AlertOutputs,
    event::Reject,
    pipeline::learn::LearnedReference,
    result::{EventExplanation, ExperimentResult, WindowExplanation, WindowResult},
};

/// What a step gave. Reused from step to step.
#[derive(Debug, Default)]
pub struct Outputs {
    /// Windows, new and rewritten, in the order in which they are to be written.
    pub results: Vec<WindowResult>,
    /// Refused messages, by their index in the batch.
    pub rejects: Vec<(usize, Reject)>,
    /// References that were learned, to be stored before offsets are committed.
    pub learned: Vec<LearnedReference>,
    /// Sentences about references that could not be learned.
    pub failures: Vec<String>,
    /// Windows that were explained.
    pub explanations: Vec<WindowExplanation>,
    /// Events of alerts that were explained.
    pub event_explanations: Vec<EventExplanation>,
    /// Experiments, looked at anew.
    pub experiments: Vec<ExperimentResult>,
    /// Alerts that changed, and what is to be told.
    pub alerts: AlertOutputs,
}

/// How much was in the outputs before a step.
pub(super) struct Before {
    pub(super) results: usize,
    pub(super) explanations: usize,
    pub(super) experiments: usize,
    pub(super) records: usize,
}

impl Outputs {
    pub(super) fn lengths(&self) -> Before {
        Before {
            results: self.results.len(),
            explanations: self.explanations.len(),
            experiments: self.experiments.len(),
            records: self.alerts.records.len(),
        }
    }

    /// Forgets everything and keeps the memory.
    pub fn clear(&mut self) {
        self.results.clear();
        self.rejects.clear();
        self.learned.clear();
        self.failures.clear();
        self.explanations.clear();
        self.event_explanations.clear();
        self.experiments.clear();
        self.alerts.records.clear();
        self.alerts.notifications.clear();
    }
}
