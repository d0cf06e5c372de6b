//! The measurements: every name that is written to InfluxDB, in one place.
//!
//! Why: points are written from these tables, alert rules name what they look at
//! by them, docs/results.md is held against them and so is every query of the
//! dashboards. A name that is spelt anywhere else is a defect.
//!
//! Promises: the type of a field is the type of its table entry and can't
//! depend on a value. Names and types never change once released; a field
//! that is no longer written keeps its name for itself.

use std::borrow::Cow;

mod alert;
mod drift;
mod experiment;
mod experiment_metric;
mod explanation;
mod judgement;
mod multivariate;
mod rows;
mod window;

use alert::ALERT_FIELDS;
pub use alert::AlertFields;
use drift::{DISTRIBUTION_FIELDS, DRIFT_FIELDS, SEGMENT_FIELDS};
use experiment::{EXPERIMENT_ARM_FIELDS, EXPERIMENT_VERDICT_FIELDS};
use experiment_metric::{EXPERIMENT_COLUMN_FIELDS, EXPERIMENT_FIELDS};
use explanation::{ATTRIBUTION_FIELDS, EVENT_EXPLANATION_FIELDS, EXPLANATION_FIELDS};
use judgement::{COMPARISON_FIELDS, EVIDENCE_FIELDS, QUALITY_FIELDS};
use multivariate::MULTIVARIATE_FIELDS;
pub use rows::{Fields, Row, Tag, Value};
use window::WINDOW_FIELDS;

/// What one window held, and what is said about it as a whole.
pub const WINDOW: &str = "window";
/// The scores, the verdict and the summary of one column in one window.
pub const DRIFT: &str = "drift";
/// One bin of one column's distribution in one window.
pub const DISTRIBUTION: &str = "distribution";
/// What one check says about one column, or about the whole window.
pub const QUALITY: &str = "quality";
/// What one window and those before it say together about one column.
pub const EVIDENCE: &str = "evidence";
/// One column of one window beside a further reference.
pub const COMPARISON: &str = "comparison";
/// One column of one segment in one window.
pub const SEGMENT: &str = "segment";
/// What a sample of rows says about several columns at a time.
pub const MULTIVARIATE: &str = "multivariate";
/// Why one output of a model is what it is, in one window.
pub const EXPLANATION: &str = "explanation";
/// What one feature adds to one output, over the rows of one window.
pub const ATTRIBUTION: &str = "attribution";
/// Why one event of an alert was predicted as it was.
pub const EVENT_EXPLANATION: &str = "event_explanation";
/// What is to be done in an experiment, up to one time.
pub const EXPERIMENT_VERDICT: &str = "experiment_verdict";
/// What was counted of one arm, and what is to be done with it.
pub const EXPERIMENT_ARM: &str = "experiment_arm";
/// One metric of a challenger beside the control.
pub const EXPERIMENT: &str = "experiment";
/// One column of a challenger's predictions beside the control's, in one window.
pub const EXPERIMENT_COLUMN: &str = "experiment_column";
/// What became of an alert with one window.
pub const ALERT: &str = "alert";

/// Tag: the model's name.
pub const TAG_MODEL: &str = "model";
/// Tag: the model's version.
pub const TAG_VERSION: &str = "version";
/// Tag: the variant (arm, role).
pub const TAG_VARIANT: &str = "variant";
/// Tag: the column.
pub const TAG_FEATURE: &str = "feature";
/// Tag: the window's length and slide.
pub const TAG_WINDOW: &str = "window";
/// Tag: the bin's position in the cut, with leading zeros.
pub const TAG_BIN: &str = "bin";
/// Tag: the check.
pub const TAG_CHECK: &str = "check";
/// Tag: the segment as `feature=value`, or [`ALL_ROWS`].
pub const TAG_SEGMENT: &str = "segment";
/// Tag: the further reference as the configuration names it.
pub const TAG_REFERENCE: &str = "reference";
/// Tag: the output of the model, by its name or number.
pub const TAG_OUTPUT: &str = "output";
/// Tag: the place of an event among those of an alert, with a leading zero.
pub const TAG_RANK: &str = "rank";
/// Tag: the experiment.
pub const TAG_EXPERIMENT: &str = "experiment";
/// Tag: the arm of an experiment, by the value that names it.
pub const TAG_ARM: &str = "arm";
/// Tag: the metric of an experiment.
pub const TAG_METRIC: &str = "metric";
/// Tag: the rule of an alert.
pub const TAG_RULE: &str = "rule";
/// Tag: how much an alert matters.
pub const TAG_SEVERITY: &str = "severity";
/// Tag: the hash of an alert's labels.
pub const TAG_ALERT: &str = "alert";
/// Segment of a point that is about all rows, and feature of one that is about
/// the whole window.
pub const ALL_ROWS: &str = "all";

/// Tags of [`DRIFT`].
pub const DRIFT_TAGS: [&str; 5] = [TAG_MODEL, TAG_VERSION, TAG_VARIANT, TAG_FEATURE, TAG_WINDOW];
/// Tags of [`WINDOW`] and of [`MULTIVARIATE`].
pub const WINDOW_TAGS: [&str; 4] = [TAG_MODEL, TAG_VERSION, TAG_VARIANT, TAG_WINDOW];
/// Tags of [`DISTRIBUTION`].
pub const DISTRIBUTION_TAGS: [&str; 6] =
    [TAG_MODEL, TAG_VERSION, TAG_VARIANT, TAG_FEATURE, TAG_WINDOW, TAG_BIN];
/// Tags of [`QUALITY`].
pub const QUALITY_TAGS: [&str; 6] = [TAG_MODEL, TAG_VERSION, TAG_VARIANT, TAG_FEATURE, TAG_WINDOW, TAG_CHECK];
/// Tags of [`EVIDENCE`] and of [`SEGMENT`].
pub const SEGMENT_TAGS: [&str; 6] =
    [TAG_MODEL, TAG_VERSION, TAG_VARIANT, TAG_FEATURE, TAG_WINDOW, TAG_SEGMENT];
/// Tags of [`COMPARISON`].
pub const COMPARISON_TAGS: [&str; 6] =
    [TAG_MODEL, TAG_VERSION, TAG_VARIANT, TAG_FEATURE, TAG_WINDOW, TAG_REFERENCE];
/// Tags of [`EXPLANATION`].
pub const EXPLANATION_TAGS: [&str; 5] = [TAG_MODEL, TAG_VERSION, TAG_VARIANT, TAG_WINDOW, TAG_OUTPUT];
/// Tags of [`ATTRIBUTION`].
pub const ATTRIBUTION_TAGS: [&str; 6] =
    [TAG_MODEL, TAG_VERSION, TAG_VARIANT, TAG_WINDOW, TAG_OUTPUT, TAG_FEATURE];
/// Tags of [`EVENT_EXPLANATION`].
pub const EVENT_EXPLANATION_TAGS: [&str; 6] =
    [TAG_MODEL, TAG_VERSION, TAG_VARIANT, TAG_WINDOW, TAG_OUTPUT, TAG_RANK];
/// Tags of [`EXPERIMENT_VERDICT`]: one series per experiment, so that whoever asks
/// for the last point of an experiment finds one.
pub const EXPERIMENT_VERDICT_TAGS: [&str; 3] = [TAG_MODEL, TAG_EXPERIMENT, TAG_WINDOW];
/// Tags of [`EXPERIMENT_ARM`].
pub const EXPERIMENT_ARM_TAGS: [&str; 4] = [TAG_MODEL, TAG_EXPERIMENT, TAG_ARM, TAG_WINDOW];
/// Tags of [`EXPERIMENT`].
pub const EXPERIMENT_TAGS: [&str; 5] = [TAG_MODEL, TAG_EXPERIMENT, TAG_ARM, TAG_METRIC, TAG_WINDOW];
/// Tags of [`EXPERIMENT_COLUMN`].
pub const EXPERIMENT_COLUMN_TAGS: [&str; 5] = [TAG_MODEL, TAG_EXPERIMENT, TAG_ARM, TAG_FEATURE, TAG_WINDOW];

/// Tags of [`ALERT`]; those that an alert is not about are absent.
pub const ALERT_TAGS: [&str; 9] = [
    TAG_RULE,
    TAG_SEVERITY,
    TAG_ALERT,
    TAG_MODEL,
    TAG_VERSION,
    TAG_VARIANT,
    TAG_FEATURE,
    TAG_SEGMENT,
    TAG_EXPERIMENT,
];

/// How a field is read from `T`; the variant is its type in InfluxDB.
enum Read<T> {
    Float(fn(&T) -> Option<f64>),
    Integer(fn(&T) -> Option<u64>),
    Text(fn(&T) -> Option<Cow<'_, str>>),
}

impl<T> Read<T> {
    fn type_name(&self) -> &'static str {
        match self {
            Self::Float(_) => "float",
            Self::Integer(_) => "integer",
            Self::Text(_) => "string",
        }
    }
}

/// One field: a row of the table in docs/results.md and a value of a point.
struct Field<T> {
    name: &'static str,
    unit: &'static str,
    meaning: &'static str,
    read: Read<T>,
}

const fn field<T>(name: &'static str, unit: &'static str, meaning: &'static str, read: Read<T>) -> Field<T> {
    Field { name, unit, meaning, read }
}

/// A field as documentation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FieldDoc {
    /// Its name.
    pub name: &'static str,
    /// `float`, `integer` or `string`.
    pub type_name: &'static str,
    /// Its unit; `share` is a number from 0 to 1.
    pub unit: &'static str,
    /// What it says.
    pub meaning: &'static str,
}

/// A measurement as documentation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MeasurementDoc {
    /// Its name.
    pub name: &'static str,
    /// Its tags.
    pub tags: &'static [&'static str],
    /// Its fields, in the order in which they are written.
    pub fields: Vec<FieldDoc>,
}

/// Everything that is written: the source of docs/results.md.
#[must_use]
pub fn measurements() -> Vec<MeasurementDoc> {
    vec![
        MeasurementDoc { name: WINDOW, tags: &WINDOW_TAGS, fields: docs(WINDOW_FIELDS) },
        MeasurementDoc { name: DRIFT, tags: &DRIFT_TAGS, fields: docs(DRIFT_FIELDS) },
        MeasurementDoc { name: DISTRIBUTION, tags: &DISTRIBUTION_TAGS, fields: docs(DISTRIBUTION_FIELDS) },
        MeasurementDoc { name: QUALITY, tags: &QUALITY_TAGS, fields: docs(QUALITY_FIELDS) },
        MeasurementDoc { name: EVIDENCE, tags: &SEGMENT_TAGS, fields: docs(EVIDENCE_FIELDS) },
        MeasurementDoc { name: COMPARISON, tags: &COMPARISON_TAGS, fields: docs(COMPARISON_FIELDS) },
        MeasurementDoc { name: MULTIVARIATE, tags: &WINDOW_TAGS, fields: docs(MULTIVARIATE_FIELDS) },
        MeasurementDoc { name: SEGMENT, tags: &SEGMENT_TAGS, fields: docs(SEGMENT_FIELDS) },
        MeasurementDoc { name: EXPLANATION, tags: &EXPLANATION_TAGS, fields: docs(EXPLANATION_FIELDS) },
        MeasurementDoc { name: ATTRIBUTION, tags: &ATTRIBUTION_TAGS, fields: docs(ATTRIBUTION_FIELDS) },
        MeasurementDoc {
            name: EVENT_EXPLANATION,
            tags: &EVENT_EXPLANATION_TAGS,
            fields: docs(EVENT_EXPLANATION_FIELDS),
        },
        MeasurementDoc {
            name: EXPERIMENT_VERDICT,
            tags: &EXPERIMENT_VERDICT_TAGS,
            fields: docs(EXPERIMENT_VERDICT_FIELDS),
        },
        MeasurementDoc {
            name: EXPERIMENT_ARM,
            tags: &EXPERIMENT_ARM_TAGS,
            fields: docs(EXPERIMENT_ARM_FIELDS),
        },
        MeasurementDoc { name: EXPERIMENT, tags: &EXPERIMENT_TAGS, fields: docs(EXPERIMENT_FIELDS) },
        MeasurementDoc {
            name: EXPERIMENT_COLUMN,
            tags: &EXPERIMENT_COLUMN_TAGS,
            fields: docs(EXPERIMENT_COLUMN_FIELDS),
        },
        MeasurementDoc { name: ALERT, tags: &ALERT_TAGS, fields: docs(ALERT_FIELDS) },
    ]
}

fn docs<T>(fields: &[Field<T>]) -> Vec<FieldDoc> {
    fields
        .iter()
        .map(|Field { name, unit, meaning, read }| FieldDoc {
            name,
            type_name: read.type_name(),
            unit,
            meaning,
        })
        .collect()
}

/// The two fields of a verdict: the word, and its level for thresholds.
const VERDICT_LEVELS: &str = "`verdict` as a number: 0 insufficient, 1 stable, 2 shifted, 3 drifted";
