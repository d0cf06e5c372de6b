//! Where everything that a step gave goes.

use std::{sync::Arc, time::Instant};

use super::{Parts, Runner, alerts::log_alert, now};
use crate::{alert::AlertOutputs, pipeline::LearnedReference, sink::Written};

impl Runner {
    /// Sends what a step gave on its way.
    pub(super) fn hand_out(&mut self, started: Instant) {
        let Parts { core, metrics, references, explainers, checkpoints, delivery, status, hooks, .. } =
            &mut self.parts;
        let counters = core.take_counters();
        metrics.add(&counters);
        metrics.observe_step(started.elapsed().as_secs_f64(), !self.outputs.results.is_empty());
        for LearnedReference { reference, columns } in self.outputs.learned.drain(..) {
            tracing::info!(model = reference.model, rows = reference.rows, "the reference is learned");
            for column in columns.iter().filter(|column| !column.note.is_empty()) {
                let (feature, note) = (&column.name, &column.note);
                tracing::warn!(model = reference.model, feature, note, "a column of the learned reference");
            }
            explainers.set_reference(&reference.model, Arc::clone(&reference));
            references.save(reference);
        }
        for sentence in self.outputs.failures.drain(..) {
            tracing::error!(reason = sentence, "a reference could not be learned; learning begins again");
        }
        let written = Written::from(&self.outputs);
        let has_experiments = !self.outputs.experiments.is_empty();
        if written.is_empty() && !has_experiments && self.outputs.alerts.notifications.is_empty() {
            return;
        }
        delivery.submit(&written);
        let AlertOutputs { records, notifications } = &mut self.outputs.alerts;
        records.drain(..).for_each(log_alert);
        delivery.tell(notifications.drain(..));
        if let Some(checkpoints) = checkpoints {
            checkpoints.hurry();
        }
        self.outputs.event_explanations.clear();
        if has_experiments {
            status.set_experiments(core.experiments());
        }
        for experiment in self.outputs.experiments.drain(..) {
            self.verdicts.log(&experiment);
            hooks.experiment(&experiment);
        }
        for explanation in self.outputs.explanations.drain(..) {
            tracing::debug!(
                model = explanation.stream.model, version = explanation.stream.version,
                end = %explanation.end, rows = explanation.rows, "window explained"
            );
            status.keep_explanation(explanation);
        }
        let now = now();
        for result in self.outputs.results.drain(..) {
            tracing::debug!(
                model = result.stream.model, version = result.stream.version, variant = result.stream.variant,
                end = %result.end, events = result.events, "window written"
            );
            metrics.observe_close(result.end, now);
            hooks.window(&result);
            status.keep(result);
        }
    }
}
