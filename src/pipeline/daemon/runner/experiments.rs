//! What the thread does for experiments.

use std::collections::BTreeMap;

use super::Runner;
use crate::{
    experiment::{ExperimentAction, ExperimentChange},
    pipeline::Input,
    result::{Decision, ExperimentResult},
};

impl Runner {
    /// Begins or ends an experiment, as somebody asks for; what is not known before
    /// there are partitions decides what that means, so it waits for them.
    pub(super) fn change_experiment(&mut self, change: ExperimentChange) {
        if !self.is_assigned {
            self.changes.push(change);
            return;
        }
        let action = match &change.action {
            ExperimentAction::Start { .. } => "start",
            ExperimentAction::Stop => "stop",
        };
        tracing::info!(experiment = change.experiment, action, at = %change.at, "an experiment is changed");
        self.step(Input::Experiment(&change));
    }

    /// Reading goes on without a checkpoint: what was counted before is gone, here or,
    /// where the group `has_read`, by another member.
    pub(super) fn warn_of_experiments(&self, has_read: bool) {
        let reason = if self.parts.checkpoints.is_some() {
            "the group's last commit does not go with a checkpoint of this member"
        } else {
            "no state_dir is given"
        };
        let shown = self.parts.status.experiments();
        for result in shown.iter().filter(|result| has_read || result.began.is_some()) {
            let experiment = &result.experiment;
            tracing::warn!(experiment, reason, "this experiment begins anew, with nothing counted");
        }
    }

    /// Partitions were assigned, or taken away: does what waited for the first.
    pub(super) fn go_on_with_experiments(&mut self) {
        if self.is_assigned {
            for change in std::mem::take(&mut self.changes) {
                self.change_experiment(change);
            }
        }
        // At once: whoever asks next must not be told of a core that was empty.
        self.report_experiments();
    }

    /// Shows how experiments stand. Without partitions that is what was said last, so
    /// that something proven outlives a rebalance and Kafka being away; when another
    /// member reads, it is that one's to say.
    pub(super) fn report_experiments(&mut self) {
        let source = self.parts.source.status();
        let is_elsewhere = !self.is_assigned && source.standby && source.error.is_none();
        if is_elsewhere && !self.changes.is_empty() {
            let changes = self.changes.len();
            tracing::warn!(changes, "experiments are not changed here: another member reads now");
            self.changes.clear();
        }
        if self.is_assigned || is_elsewhere {
            self.parts.status.set_experiments(self.parts.core.experiments());
        }
    }
}

/// What the log has of every challenger, by experiment and in the order of its arms:
/// a verdict is worth a line when it changes, not at every look.
#[derive(Debug, Default)]
pub(super) struct LoggedVerdicts(BTreeMap<String, Vec<Decision>>);

impl LoggedVerdicts {
    pub(super) fn log(&mut self, result: &ExperimentResult) {
        let (experiment, end) = (&result.experiment, result.end);
        tracing::debug!(experiment, verdict = result.verdict.as_str(), %end, "experiment looked at");
        let logged = self.0.entry(experiment.clone()).or_default();
        logged.resize(result.challengers.len(), Decision::Hold);
        for (before, challenger) in logged.iter_mut().zip(&result.challengers) {
            let (arm, now) = (&challenger.arm, challenger.verdict);
            if *before == now {
                continue;
            }
            let (verdict, before) = (now.as_str(), std::mem::replace(before, now).as_str());
            let reason = &challenger.reason;
            tracing::info!(experiment, arm, verdict, before, reason, %end, "the verdict on a challenger changed");
        }
    }
}
