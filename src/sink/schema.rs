//! The measurements: every name that is written to InfluxDB, in one place.
//!
//! Why: points are written from these tables, docs/results.md is held against
//! them and so is every query of the dashboards. A name that is spelt anywhere
//! else is a defect.
//!
//! Promises: the type of a field is the type of its table entry and can't
//! depend on a value. Names and types never change once released; a field
//! that is no longer written keeps its name for itself.

use std::borrow::Cow;

use crate::result::{BinShare, ColumnKind, FeatureResult, NumericSummary, Scores, WindowResult};

/// The scores and the summary of one column in one window.
pub const DRIFT: &str = "drift";
/// What one window held.
pub const WINDOW: &str = "window";
/// One bin of one column's distribution in one window.
pub const DISTRIBUTION: &str = "distribution";

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

/// Tags of [`DRIFT`].
pub const DRIFT_TAGS: [&str; 5] = [TAG_MODEL, TAG_VERSION, TAG_VARIANT, TAG_FEATURE, TAG_WINDOW];
/// Tags of [`WINDOW`].
pub const WINDOW_TAGS: [&str; 4] = [TAG_MODEL, TAG_VERSION, TAG_VARIANT, TAG_WINDOW];
/// Tags of [`DISTRIBUTION`].
pub const DISTRIBUTION_TAGS: [&str; 6] =
    [TAG_MODEL, TAG_VERSION, TAG_VARIANT, TAG_FEATURE, TAG_WINDOW, TAG_BIN];

/// How a field is read from `T`; the variant is its type in InfluxDB.
pub(super) enum Read<T> {
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
pub(super) struct Field<T> {
    pub(super) name: &'static str,
    unit: &'static str,
    meaning: &'static str,
    pub(super) read: Read<T>,
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
        MeasurementDoc { name: DRIFT, tags: &DRIFT_TAGS, fields: docs(DRIFT_FIELDS) },
        MeasurementDoc { name: WINDOW, tags: &WINDOW_TAGS, fields: docs(WINDOW_FIELDS) },
        MeasurementDoc { name: DISTRIBUTION, tags: &DISTRIBUTION_TAGS, fields: docs(DISTRIBUTION_FIELDS) },
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

fn kind(result: &FeatureResult) -> &'static str {
    match result.kind {
        ColumnKind::Numeric => "numeric",
        ColumnKind::Categorical => "categorical",
    }
}

/// The categories in `unseen` with their counts, as one text.
fn unseen_names(result: &FeatureResult) -> String {
    let names: Vec<String> =
        result.unseen.iter().map(|unseen| format!("{} ({})", unseen.name, unseen.count)).collect();
    names.join(", ")
}

fn score(result: &FeatureResult, read: fn(&Scores) -> Option<f64>) -> Option<f64> {
    result.scores.as_ref().and_then(read)
}

fn summary(result: &FeatureResult, read: fn(&NumericSummary) -> Option<f64>) -> Option<f64> {
    result.summary.as_ref().and_then(read)
}

/// Fields of [`DRIFT`].
pub(super) const DRIFT_FIELDS: &[Field<FeatureResult>] = &[
    field("kind", "word", "`numeric` or `categorical`", Read::Text(|r| Some(kind(r).into()))),
    field(
        "verdict",
        "word",
        "`scored`, or `insufficient`: fewer valid values than `windows.min_events`, and no scores",
        Read::Text(|r| Some(r.verdict.as_str().into())),
    ),
    field("n", "rows", "rows in which the column could have had a value", Read::Integer(|r| Some(r.n))),
    field(
        "valid",
        "rows",
        "rows with a usable value; the scores are about these",
        Read::Integer(|r| Some(r.valid)),
    ),
    field("missing_share", "share", "share of `n` that was null or absent", Read::Float(|r| r.missing_share)),
    field(
        "invalid_share",
        "share",
        "share of `n` that was NaN, infinite or of the wrong type",
        Read::Float(|r| r.invalid_share),
    ),
    field(
        "unseen_share",
        "share",
        "share of `valid` in categories that the reference never saw, or outside its range",
        Read::Float(|r| r.unseen_share),
    ),
    field(
        "unseen_names",
        "text",
        "the most frequent unseen categories, each with a lower bound of its count; empty without any",
        Read::Text(|r| Some(unseen_names(r).into())),
    ),
    field(
        "psi",
        "index",
        "population stability index on the cut, natural logarithm",
        Read::Float(|r| score(r, |s| Some(s.psi))),
    ),
    field(
        "ks",
        "distance",
        "Kolmogorov-Smirnov statistic, numeric only: largest difference of the two distribution functions",
        Read::Float(|r| score(r, |s| s.ks.map(|ks| ks.statistic))),
    ),
    field(
        "ks_error_bound",
        "distance",
        "the true statistic is at most `ks` + `ks_error_bound`; 0 when `ks` is exact",
        Read::Float(|r| score(r, |s| s.ks.map(|ks| ks.error_bound))),
    ),
    field(
        "ks_p_value",
        "probability",
        "two-sided p-value of `ks`",
        Read::Float(|r| score(r, |s| s.ks.map(|ks| ks.p_value))),
    ),
    field(
        "wasserstein",
        "standard deviations",
        "Wasserstein-1 distance in standard deviations of the reference, numeric only",
        Read::Float(|r| score(r, |s| s.wasserstein)),
    ),
    field(
        "jensen_shannon",
        "distance",
        "Jensen-Shannon distance on the cut, base 2, from 0 to 1",
        Read::Float(|r| score(r, |s| Some(s.jensen_shannon))),
    ),
    field(
        "hellinger",
        "distance",
        "Hellinger distance on the cut, from 0 to 1",
        Read::Float(|r| score(r, |s| Some(s.hellinger))),
    ),
    field(
        "total_variation",
        "distance",
        "total variation distance on the cut, from 0 to 1",
        Read::Float(|r| score(r, |s| Some(s.total_variation))),
    ),
    field(
        "l_infinity",
        "distance",
        "largest difference of a single bin's share on the cut",
        Read::Float(|r| score(r, |s| Some(s.l_infinity))),
    ),
    field(
        "chi_square",
        "statistic",
        "two-sample chi-square statistic on the cut",
        Read::Float(|r| score(r, |s| s.chi_square.map(|test| test.statistic))),
    ),
    field(
        "chi_square_degrees_of_freedom",
        "count",
        "non-empty bins less one",
        Read::Integer(|r| Some(r.scores.as_ref()?.chi_square?.degrees_of_freedom.into())),
    ),
    field(
        "chi_square_p_value",
        "probability",
        "upper tail of the chi-square distribution",
        Read::Float(|r| score(r, |s| s.chi_square.map(|test| test.p_value))),
    ),
    field(
        "mean",
        "as the feature",
        "mean of the valid values, numeric only",
        Read::Float(|r| summary(r, |s| Some(s.mean))),
    ),
    field(
        "std_dev",
        "as the feature",
        "sample standard deviation of the valid values, numeric only",
        Read::Float(|r| summary(r, |s| s.std_dev)),
    ),
    field(
        "min",
        "as the feature",
        "smallest valid value, numeric only",
        Read::Float(|r| summary(r, |s| Some(s.min))),
    ),
    field(
        "max",
        "as the feature",
        "largest valid value, numeric only",
        Read::Float(|r| summary(r, |s| Some(s.max))),
    ),
    field(
        "p05",
        "as the feature",
        "quantile at 0.05, numeric only",
        Read::Float(|r| summary(r, |s| Some(s.p05))),
    ),
    field(
        "p25",
        "as the feature",
        "quantile at 0.25, numeric only",
        Read::Float(|r| summary(r, |s| Some(s.p25))),
    ),
    field("p50", "as the feature", "median, numeric only", Read::Float(|r| summary(r, |s| Some(s.p50)))),
    field(
        "p75",
        "as the feature",
        "quantile at 0.75, numeric only",
        Read::Float(|r| summary(r, |s| Some(s.p75))),
    ),
    field(
        "p95",
        "as the feature",
        "quantile at 0.95, numeric only",
        Read::Float(|r| summary(r, |s| Some(s.p95))),
    ),
];

/// Fields of [`WINDOW`].
pub(super) const WINDOW_FIELDS: &[Field<WindowResult>] = &[
    field(
        "start",
        "ms since 1970",
        "start of the window, inclusive",
        Read::Integer(|w| w.start.0.try_into().ok()),
    ),
    field(
        "events",
        "rows",
        "predictions, and feature events that stand for themselves",
        Read::Integer(|w| Some(w.events)),
    ),
    field("labels", "events", "label events", Read::Integer(|w| Some(w.labels))),
    field(
        "reference_rows",
        "rows",
        "rows that the reference was built from",
        Read::Integer(|w| Some(w.reference_rows)),
    ),
    field(
        "unknown_features",
        "values",
        "values of features that the reference does not know",
        Read::Integer(|w| Some(w.unknown_features)),
    ),
];

/// Fields of [`DISTRIBUTION`].
pub(super) const DISTRIBUTION_FIELDS: &[Field<BinShare>] = &[
    field("label", "text", "the interval or the category", Read::Text(|b| Some(b.label.as_str().into()))),
    field(
        "reference_share",
        "share",
        "share of the reference's valid values",
        Read::Float(|b| Some(b.reference)),
    ),
    field(
        "window_share",
        "share",
        "share of the window's valid values; 0 in an empty window",
        Read::Float(|b| Some(b.window)),
    ),
];
