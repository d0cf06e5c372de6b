//! What the thread does for alerts: it shows the rules what the daemon knows of
//! itself, and the world how the alerts stand.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use prometheus::proto::{Metric, MetricFamily, MetricType};

use super::{Runner, now};
use crate::{
    alert::{
        AlertRecord, Labels, RecordState, SUMMARY, SilenceChange, VitalRow, Vitals,
        vitals::{COMPONENT, EVERY_MS, METRIC, TAG_COMPONENT},
    },
    ops::Component,
    pipeline::Input,
};

/// Between two looks at the vitals.
const EVERY: Duration = Duration::from_millis(EVERY_MS as u64);

/// Between two reports of alerts that have not changed.
const REPORT_ALERTS: Duration = Duration::from_secs(5);

/// What is remembered between two looks.
#[derive(Debug, Default)]
pub(super) struct VitalSigns {
    looked_at: Option<Instant>,
    /// Since when each part can't do its work.
    unready: BTreeMap<String, Instant>,
    /// What the last report of alerts was of.
    reported: Option<(u64, Instant)>,
}

/// Writes a change of an alert to the log.
pub(super) fn log_alert(record: AlertRecord) {
    let AlertRecord { at, state, alert } = record;
    let (rule, severity, summary) = (&alert.rule, alert.severity.as_str(), alert.annotation(SUMMARY));
    match state {
        RecordState::Firing => tracing::warn!(rule, severity, %at, summary, "an alert fires"),
        RecordState::Resolved => tracing::info!(rule, severity, %at, summary, "an alert is over"),
        RecordState::Withdrawn => {
            tracing::info!(rule, severity, %at, summary, "what was said of an alert is taken back");
        }
    }
}

impl Runner {
    pub(super) fn silence(&mut self, change: &SilenceChange) {
        match change {
            SilenceChange::Add(silence) => tracing::info!(
                id = silence.id, author = silence.author, until = %silence.until, "a silence begins"
            ),
            SilenceChange::Remove(id) => tracing::info!(id, "a silence ends"),
        }
        self.step(Input::Silence(change));
        if let Some(checkpoints) = &mut self.parts.checkpoints {
            checkpoints.hurry();
        }
        self.report_alerts();
    }

    /// Shows the world how the alerts stand, when that has changed; mute times
    /// and silences change it by themselves.
    pub(super) fn report_alerts(&mut self) {
        let alerts = self.parts.core.alerts();
        let revision = alerts.memory().revision();
        if self
            .vitals
            .reported
            .is_some_and(|(reported, at)| reported == revision && at.elapsed() < REPORT_ALERTS)
        {
            return;
        }
        self.vitals.reported = Some((revision, Instant::now()));
        self.parts.status.set_alerts(alerts.views(), alerts.silences().to_vec());
        let levels = alerts.levels();
        self.parts.delivery.set_own_levels(&levels);
        // With checkpoints, receivers are told of what is in a stored one.
        if self.parts.checkpoints.is_none() {
            self.parts.delivery.set_levels(&levels);
        }
    }

    /// Shows the rules what the daemon knows of itself, every so often.
    pub(super) fn look_at_vitals(&mut self) {
        if self.vitals.looked_at.is_some_and(|looked_at| looked_at.elapsed() < EVERY)
            || self.parts.core.alerts().rules().is_empty()
        {
            return;
        }
        self.vitals.looked_at = Some(Instant::now());
        let mut rows = self.vitals.components(&self.components);
        let looks_at_metrics = self.parts.core.alerts().rules().iter().any(|rule| rule.measurement == METRIC);
        if looks_at_metrics {
            rows.extend(self.parts.registry.gather().iter().flat_map(metric_rows));
        }
        let source = self.parts.source.status();
        // A pause of our own is not the models' silence.
        let is_reading = source.connected && !source.standby && source.assigned > 0 && !self.was_blocked;
        let vitals = Vitals { now: now(), is_reading, models: Vec::new(), rows };
        self.step(Input::Vitals(&vitals));
    }
}

impl VitalSigns {
    fn components(&mut self, components: &[Component]) -> Vec<VitalRow> {
        self.unready.retain(|name, _| components.iter().any(|component| component.name == *name));
        let row = |component: &Component| {
            let name = component.name.to_string();
            // A receiver that is down holds nobody up, but somebody should know.
            let is_ready = component.reason.is_none() && !component.is_hampered;
            let unready = if is_ready {
                self.unready.remove(&name);
                Duration::ZERO
            } else {
                self.unready.entry(name.clone()).or_insert_with(Instant::now).elapsed()
            };
            VitalRow {
                measurement: COMPONENT,
                tags: Labels::from([(TAG_COMPONENT.to_owned(), name)]),
                fields: vec![
                    ("ready".to_owned(), f64::from(u8::from(is_ready))),
                    ("unready_seconds".to_owned(), unready.as_secs_f64()),
                ],
            }
        };
        components.iter().map(row).collect()
    }
}

/// The series of a metric; histograms have none.
fn metric_rows(family: &MetricFamily) -> Vec<VitalRow> {
    let value: fn(&Metric) -> f64 = match family.get_field_type() {
        MetricType::COUNTER => |metric| metric.get_counter().get_value(),
        MetricType::GAUGE => |metric| metric.get_gauge().get_value(),
        _ => return Vec::new(),
    };
    let row = |metric: &Metric| VitalRow {
        measurement: METRIC,
        tags: metric
            .get_label()
            .iter()
            .map(|pair| (pair.name().to_owned(), pair.value().to_owned()))
            .collect(),
        fields: vec![(family.name().to_owned(), value(metric))],
    };
    family.get_metric().iter().map(row).collect()
}
