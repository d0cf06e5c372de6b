//! What the thread does for experiments.

use super::Runner;
use crate::{
    experiment::{ExperimentAction, ExperimentChange},
    pipeline::Input,
    result::{Decision, ExperimentResult},
};

impl Runner {
    /// Begins or ends an experiment, as somebody asks for.
    pub(super) fn change_experiment(&mut self, change: &ExperimentChange) {
        let action = match &change.action {
            ExperimentAction::Start { .. } => "start",
            ExperimentAction::Stop => "stop",
        };
        tracing::info!(experiment = change.experiment, action, at = %change.at, "an experiment is changed");
        self.step(Input::Experiment(change));
    }
}

/// What is decided is worth a line; that nothing is decided yet is not.
pub(super) fn log_experiment(result: &ExperimentResult) {
    let (experiment, verdict) = (&result.experiment, result.verdict.as_str());
    if result.verdict == Decision::Hold {
        tracing::debug!(experiment, verdict, end = %result.end, "experiment looked at");
    } else {
        let arm = result.arm.as_deref().unwrap_or("");
        tracing::info!(experiment, verdict, arm, reason = result.reason, end = %result.end, "experiment decided");
    }
}
