//! Alerts as a part of the core: windows in, changes and notifications out.

use super::{Core, Input, Outputs, outputs::Before};
use crate::alert::{AlertSettings, Alerts, Vitals};

impl Core {
    /// The same core with these rules. Before the first step.
    #[must_use]
    pub fn with_alerts(self, settings: AlertSettings) -> Self {
        Self { alerts: Alerts::new(settings, &self.windows), ..self }
    }

    /// The alerts.
    #[must_use]
    pub fn alerts(&self) -> &Alerts {
        &self.alerts
    }

    /// Shows the rules what a step gave beyond what was there `before`, and what
    /// time it is.
    pub(super) fn raise_alerts(&mut self, input: &Input<'_>, before: &Before, out: &mut Outputs) {
        // Most steps show the rules nothing.
        let looks = out.results.len() > before.results
            || out.explanations.len() > before.explanations
            || matches!(input, Input::Clock(_) | Input::Tick(_) | Input::End);
        if looks {
            self.alerts.wait_for_explanations(self.explanations.first_ends());
        }
        // Of files there is no clock but event time.
        let is_file = matches!(input, Input::Batch { now: None, .. } | Input::End);
        let mut clock = None;
        for result in out.results.iter().skip(before.results) {
            if is_file && let Some(now) = clock.replace(result.end).filter(|now| *now < result.end) {
                self.alerts.tick(now, self.final_until, &mut out.alerts);
            }
            if is_file {
                self.alerts.tell_until(result.end, self.final_until, &mut out.alerts);
            }
            // Windows may have closed while earlier ones were written again in
            // this very step, so what was final before it is.
            self.alerts.window(result, self.final_until, &mut out.alerts);
        }
        for explanation in out.explanations.iter().skip(before.explanations) {
            self.alerts.explanation(explanation, self.final_until, &mut out.alerts);
        }
        for experiment in out.experiments.iter().skip(before.experiments) {
            self.alerts.experiment(experiment, self.final_until, &mut out.alerts);
        }
        self.final_until = self.closed_until;
        if let Input::Clock(now) = input {
            self.alerts.tick(*now, None, &mut out.alerts);
        } else if let Input::Tick(now) = input {
            // A tick has written again whatever there was to.
            self.final_until = self.delivered_until().map(|until| until.0);
            self.alerts.tick(*now, self.final_until, &mut out.alerts);
        } else if let Some(now) = clock.filter(|_| is_file) {
            self.alerts.tick(now, self.final_until, &mut out.alerts);
        }
        if matches!(input, Input::End) {
            self.alerts.finish(self.final_until, &mut out.alerts);
        }
    }

    pub(super) fn look_at_vitals(&mut self, vitals: &Vitals, out: &mut Outputs) {
        let names = self.models.iter().map(|model| model.name().to_owned());
        let models = names.zip(self.heard.iter().copied()).collect();
        self.heard.fill(false);
        self.alerts.vitals(&Vitals { models, ..vitals.clone() }, &mut out.alerts);
    }
}
