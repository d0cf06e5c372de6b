//! What rules can look at: every measurement with its tags and fields.
//!
//! Nothing is listed here: windows are those of `result::schema`, the daemon
//! those of `alert::vitals`, and its metrics those of docs/metrics.md, which a
//! test holds against a running daemon.

use std::sync::LazyLock;

use super::instead;
use crate::{
    alert::{
        Expression, ValueKind,
        vitals::{COMPONENT, COMPONENT_FIELDS, METRIC, MODEL, MODEL_FIELDS, TAG_COMPONENT},
    },
    config::keys::nearest,
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
            .map(|field| (field.name, value_kind(measurement.name, field.name, field.type_name)))
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

/// Measurements whose verdicts are decisions, which have words of their own and no
/// order.
const OF_DECISIONS: [&str; 3] = [schema::EXPERIMENT_VERDICT, schema::EXPERIMENT_ARM, schema::EXPERIMENT];

fn value_kind(measurement: &str, name: &str, type_name: &str) -> ValueKind {
    let is_verdict = name == "verdict" || name.ends_with("_verdict");
    match type_name {
        "string" if is_verdict && !OF_DECISIONS.contains(&measurement) => ValueKind::Verdict,
        "string" => ValueKind::Text,
        _ => ValueKind::Number,
    }
}

/// The measurement of this name, but for [`METRIC`].
fn measurement(name: &str) -> Option<Subject> {
    SUBJECTS.iter().find(|subject| subject.measurement == name).cloned()
}

/// The names of all measurements, but for [`METRIC`].
fn measurements() -> impl Iterator<Item = &'static str> {
    SUBJECTS.iter().map(|subject| subject.measurement)
}

impl Metric {
    fn subject(&self) -> Subject {
        Subject {
            measurement: METRIC,
            tags: self.labels.clone(),
            fields: vec![(self.name, ValueKind::Number)],
            driver: Driver::Metric(self.kind),
        }
    }
}

/// The names of all metrics of the daemon.
fn daemon_metrics() -> impl Iterator<Item = &'static str> {
    METRICS.iter().map(|metric| metric.name)
}

/// Why there is nothing to look at under a name.
pub(super) struct NotThere {
    pub(super) message: String,
    /// What to write in its place.
    pub(super) hint: String,
}

/// The measurement and field that `measurement.field` names.
pub(super) fn looked_at(metric: &str) -> Result<(Subject, &'static str), NotThere> {
    let Some((name, field)) = metric.split_once('.') else {
        return Err(NotThere {
            message: format!("{metric:?} is no measurement and field"),
            hint: "write both, such as \"drift.psi\"; docs/results.md has all of them".to_owned(),
        });
    };
    if name == METRIC {
        return single_value(field);
    }
    let subject = known_measurement(name)?;
    let found = subject.field_names().find(|known| *known == field);
    match found {
        Some(field) => Ok((subject, field)),
        None => Err(NotThere {
            message: format!("{name} has no field {field:?}"),
            hint: instead(field, subject.fields.iter().map(|(name, _)| *name), "none"),
        }),
    }
}

/// The measurement of this name, or the names that there are.
pub(super) fn known_measurement(name: &str) -> Result<Subject, NotThere> {
    measurement(name).ok_or_else(|| {
        let names: Vec<&str> = measurements().chain([METRIC]).collect();
        let message = format!("there is no measurement {name:?}");
        NotThere { message, hint: instead(name, names.iter().copied(), "none") }
    })
}

/// A metric of the daemon that has one value at a time.
fn single_value(name: &str) -> Result<(Subject, &'static str), NotThere> {
    let metric = METRICS.iter().find(|metric| metric.name == name);
    let Some((field, subject)) = metric.map(|metric| (metric.name, metric.subject())) else {
        let names: Vec<&str> = daemon_metrics().collect();
        let hint = match nearest(name, names) {
            Some(meant) => format!("did you mean {meant:?}?"),
            None => "docs/metrics.md has all of them".to_owned(),
        };
        return Err(NotThere { message: format!("Driftline has no metric {name:?}"), hint });
    };
    if subject.driver == Driver::Metric(MetricType::Histogram) {
        let message = format!("{name} is a histogram, which has no single value");
        let hint = "choose a counter or a gauge of docs/metrics.md".to_owned();
        return Err(NotThere { message, hint });
    }
    Ok((subject, field))
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
        for decisions in OF_DECISIONS {
            assert_eq!(measurement(decisions).unwrap().kind_of("verdict"), Some(ValueKind::Text));
        }
        assert_eq!(measurement("experiment_column").unwrap().kind_of("verdict"), Some(ValueKind::Verdict));
        assert_eq!(measurement("experiment_verdict").unwrap().kind_of("code"), Some(ValueKind::Number));
        assert!(measurement(METRIC).is_none());
    }

    #[test]
    fn metrics_are_read_from_their_documentation() {
        assert!(daemon_metrics().count() > 50);
        let metric = |name| METRICS.iter().find(|metric| metric.name == name).unwrap().subject();
        let points = metric("driftline_sink_points_total");
        assert_eq!(points.driver, Driver::Metric(MetricType::Counter));
        assert_eq!(points.tags, ["outcome"]);
        let lag = metric("driftline_source_lag_messages");
        assert_eq!((lag.driver, lag.tags.len()), (Driver::Metric(MetricType::Gauge), 2));
        let steps = metric("driftline_step_seconds");
        assert_eq!(steps.driver, Driver::Metric(MetricType::Histogram));
    }
}
