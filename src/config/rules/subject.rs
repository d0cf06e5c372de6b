//! What rules can look at: every measurement with its tags and fields.
//!
//! Nothing is listed here: windows are those of `result::schema`, the daemon
//! those of `alert::vitals`, and its metrics those of docs/metrics.md, which a
//! test holds against a running daemon.

use std::sync::LazyLock;

use crate::{
    alert::{
        Expression, ValueKind,
        vitals::{COMPONENT, COMPONENT_FIELDS, METRIC, MODEL, MODEL_FIELDS, TAG_COMPONENT},
    },
    result::schema::{self, ALL_ROWS, Fields, Row, TAG_MODEL, Tag, Value},
};

/// A measurement or, of the daemon's metrics, one of them.
#[derive(Debug, Clone)]
pub(super) struct Subject {
    /// The measurement's name.
    pub(super) measurement: &'static str,
    /// Its tags; of a metric its labels.
    pub(super) tags: Vec<&'static str>,
    /// Its fields; of a metric the metric alone.
    pub(super) fields: Vec<(&'static str, ValueKind)>,
    /// What drives it.
    pub(super) driver: Driver,
}

/// What makes rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Driver {
    /// Windows that close.
    Windows,
    /// The clock.
    Clock,
    /// The clock, and the row is of a metric of this type.
    Metric(MetricType),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum MetricType {
    Counter,
    Gauge,
    Histogram,
}

/// A metric as docs/metrics.md has it.
struct Metric {
    name: &'static str,
    kind: MetricType,
    labels: Vec<&'static str>,
}

static SUBJECTS: LazyLock<Vec<Subject>> = LazyLock::new(|| {
    // What alerts say is made by rules.
    let of_windows =
        schema::measurements().into_iter().filter(|measurement| measurement.name != schema::ALERT);
    let windows = of_windows.map(|measurement| Subject {
        measurement: measurement.name,
        tags: measurement.tags.to_vec(),
        fields: measurement
            .fields
            .iter()
            .map(|field| (field.name, value_kind(field.name, field.type_name)))
            .collect(),
        driver: Driver::Windows,
    });
    let numbers = |fields: &[(&'static str, &str)]| {
        fields.iter().map(|(name, _)| (*name, ValueKind::Number)).collect::<Vec<_>>()
    };
    let clock =
        |measurement, tag, fields| Subject { measurement, tags: vec![tag], fields, driver: Driver::Clock };
    let vitals = [
        clock(MODEL, TAG_MODEL, numbers(&MODEL_FIELDS)),
        clock(COMPONENT, TAG_COMPONENT, numbers(&COMPONENT_FIELDS)),
    ];
    windows.chain(vitals).collect()
});

static METRICS: LazyLock<Vec<Metric>> = LazyLock::new(|| {
    let rows = include_str!("../../../docs/metrics.md").lines().filter(|line| line.starts_with("| `"));
    rows.filter_map(metric).collect()
});

/// A row of the table: `| name | type | labels | meaning |`.
fn metric(row: &'static str) -> Option<Metric> {
    let mut cells = row.split('|').skip(1).map(str::trim);
    let name = cells.next()?.trim_matches('`');
    let kind = match cells.next()? {
        "counter" => MetricType::Counter,
        "gauge" => MetricType::Gauge,
        "histogram" => MetricType::Histogram,
        _ => return None,
    };
    let labels = cells.next()?.split(',').map(|label| label.trim().trim_matches('`'));
    Some(Metric { name, kind, labels: labels.filter(|label| !label.is_empty()).collect() })
}

fn value_kind(name: &str, type_name: &str) -> ValueKind {
    match type_name {
        "string" if name == "verdict" || name.ends_with("_verdict") => ValueKind::Verdict,
        "string" => ValueKind::Text,
        _ => ValueKind::Number,
    }
}

/// The measurement of this name, but for [`METRIC`].
pub(super) fn measurement(name: &str) -> Option<Subject> {
    SUBJECTS.iter().find(|subject| subject.measurement == name).cloned()
}

/// The names of all measurements, but for [`METRIC`].
pub(super) fn measurements() -> impl Iterator<Item = &'static str> {
    SUBJECTS.iter().map(|subject| subject.measurement)
}

/// A metric of the daemon.
pub(super) fn daemon_metric(name: &str) -> Option<Subject> {
    METRICS.iter().find(|metric| metric.name == name).map(|metric| Subject {
        measurement: METRIC,
        tags: metric.labels.clone(),
        fields: vec![(metric.name, ValueKind::Number)],
        driver: Driver::Metric(metric.kind),
    })
}

/// The names of all metrics of the daemon.
pub(super) fn daemon_metrics() -> impl Iterator<Item = &'static str> {
    METRICS.iter().map(|metric| metric.name)
}

/// A row with values of this size and this word everywhere, to try an expression on.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sample<'a> {
    subject: &'a Subject,
    number: f64,
    word: &'a str,
}

impl Fields for Sample<'_> {
    fn at(&self, index: usize) -> Option<(&str, Option<Value<'_>>)> {
        let (name, kind) = self.subject.fields.get(index)?;
        let value = match kind {
            // All differ, so that no difference and no quotient of two is special.
            #[expect(clippy::cast_precision_loss, reason = "a handful of fields")]
            ValueKind::Number => Value::Float(self.number * (1.0 + index as f64 / 7.0)),
            ValueKind::Verdict | ValueKind::Text => Value::Text(self.word.into()),
        };
        Some((name, Some(value)))
    }
}

impl Subject {
    /// Why an expression can't hold of any row, tried on large numbers and small
    /// ones, so that conditions before what is wrong hold in one of them.
    pub(super) fn problem(&self, expression: &Expression) -> Option<String> {
        let tags: Vec<Tag<'_>> = self.tags.iter().map(|tag| (*tag, ALL_ROWS)).collect();
        let samples = [(1e6, "drifted"), (1e-6, "drifted"), (1e6, "stable"), (1e-6, "stable")];
        samples.into_iter().find_map(|(number, word)| {
            let fields = Sample { subject: self, number, word };
            expression.problem(&Row { measurement: self.measurement, tags: &tags, fields: &fields })
        })
    }

    /// What kind of values a field has.
    pub(super) fn kind_of(&self, field: &str) -> Option<ValueKind> {
        self.fields.iter().find(|(name, _)| *name == field).map(|(_, kind)| *kind)
    }

    /// The names of its fields.
    pub(super) fn field_names(&self) -> impl Iterator<Item = &'static str> {
        self.fields.iter().map(|(name, _)| *name)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn every_measurement_is_there_with_the_kinds_of_its_fields() {
        let names: Vec<&str> = measurements().collect();
        assert_eq!(names.len(), schema::measurements().len() - 1 + 2);
        assert!(!names.contains(&schema::ALERT));
        let drift = measurement("drift").unwrap();
        assert_eq!(drift.kind_of("psi"), Some(ValueKind::Number));
        assert_eq!(drift.kind_of("verdict"), Some(ValueKind::Verdict));
        assert_eq!(drift.kind_of("verdict_level"), Some(ValueKind::Number));
        assert_eq!(drift.kind_of("kind"), Some(ValueKind::Text));
        assert_eq!(measurement("multivariate").unwrap().kind_of("pca_verdict"), Some(ValueKind::Verdict));
        assert!(measurement(METRIC).is_none());
    }

    #[test]
    fn metrics_are_read_from_their_documentation() {
        assert!(daemon_metrics().count() > 50);
        let points = daemon_metric("driftline_sink_points_total").unwrap();
        assert_eq!(points.driver, Driver::Metric(MetricType::Counter));
        assert_eq!(points.tags, ["outcome"]);
        let lag = daemon_metric("driftline_source_lag_messages").unwrap();
        assert_eq!((lag.driver, lag.tags.len()), (Driver::Metric(MetricType::Gauge), 2));
        let steps = daemon_metric("driftline_step_seconds").unwrap();
        assert_eq!(steps.driver, Driver::Metric(MetricType::Histogram));
    }
}
