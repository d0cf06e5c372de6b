//! Alerts as a part of the core: windows in, changes and notifications out.

use super::{Core, Input, Outputs};
use crate::{
    alert::{AlertSettings, Alerts, Vitals},
    event::EventTime,
};

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

    /// Shows the rules what a step gave from the result at `first` on, and what
    /// time it is.
    pub(super) fn raise_alerts(&mut self, input: &Input<'_>, first: usize, out: &mut Outputs) {
        if self.alerts.rules().is_empty() {
            return;
        }
        // Windows may have closed while earlier ones were written again in this
        // very step, so what was final before it is.
        for result in out.results.iter().skip(first) {
            self.alerts.window(result, self.final_until, &mut out.alerts);
        }
        self.final_until = self.closed_until;
        match input {
            Input::Tick(now) => {
                // A tick has written again whatever there was to.
                self.final_until = self.delivered_until().map(|until| until.0);
                self.alerts.tick(*now, self.final_until, &mut out.alerts);
            }
            // Of files there is no clock but event time.
            Input::Batch { now: None, .. } | Input::End => {
                let ends = out.results.iter().skip(first).map(|result| result.end);
                let latest: Option<EventTime> = ends.max().max(self.watermark());
                if let Some(now) = latest.filter(|_| out.results.len() > first) {
                    self.alerts.tick(now, self.final_until, &mut out.alerts);
                }
            }
            _ => {}
        }
    }

    pub(super) fn look_at_vitals(&mut self, vitals: &Vitals, out: &mut Outputs) {
        let names = self.models.iter().map(|model| model.name().to_owned());
        let models = names.zip(self.heard.iter().copied()).collect();
        self.heard.fill(false);
        self.alerts.vitals(&Vitals { models, ..vitals.clone() }, &mut out.alerts);
    }
}
