//! What a closed window says. These types are what every consumer reads: the
//! sink, the API, the terminal, replay's output and, later, alert rules.
//!
//! Promises: a result depends on the events of its window and on the reference
//! only, never on when, where or in how many pieces they were counted. A score
//! that can't be computed is absent (`None`), never zero and never NaN.

mod experiment;
mod explanation;
mod history;
mod judgement;
mod multivariate;
mod overview;
mod quality;
pub mod schema;

use serde::{Deserialize, Serialize};

pub use experiment::{
    ArmCounts, ArmDistribution, Better, ChallengerResult, Decision, Disagreement, EffectScale,
    ExperimentHealth, ExperimentPhase, ExperimentResult, InferenceMethod, MetricResult, MetricRole,
    MetricVerdict,
};
pub use explanation::{
    AttributionDrift, EventAttribution, EventExplanation, EventOutput, EventWindow, ExplainMethod,
    FeatureAttribution, FeatureAttributionDrift, FeatureValue, LoggedGap, OutputExplanation, Provenance,
    WindowExplanation,
};
pub use history::{ComparedFeature, Comparison, Evidence, SegmentName};
pub use judgement::{NoisePoints, ScoreName, Verdict};
pub use multivariate::{DomainResult, FeatureShare, MultivariateResult, ReconstructionResult};
pub use quality::{Check, Finding};

use crate::event::EventTime;

/// Name of the column that holds a model's numeric output.
pub const PREDICTION: &str = "prediction";
/// Name of the column that holds a model's predicted class.
pub const PREDICTION_CLASS: &str = "prediction_class";
/// Tag value for a version or variant that events don't name.
pub const UNNAMED: &str = "none";

/// Whose events a window holds.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct StreamKey {
    /// The model's name in the configuration.
    pub model: String,
    /// The model version that the events name, or [`UNNAMED`].
    pub version: String,
    /// The variant (arm, role) that the events name, or [`UNNAMED`].
    pub variant: String,
}

/// Everything that one window of one stream says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WindowResult {
    /// Whose window it is.
    #[serde(flatten)]
    pub stream: StreamKey,
    /// The window's length and slide as a tag, such as `1h` or `1h/5m`.
    pub window: String,
    /// Start of the window, inclusive.
    pub start: EventTime,
    /// End of the window, exclusive; the timestamp of every point.
    pub end: EventTime,
    /// Rows counted: predictions, and feature events that stand for themselves.
    pub events: u64,
    /// Label events in the window.
    pub labels: u64,
    /// Rows that the reference was built from.
    pub reference_rows: u64,
    /// Values of features that the reference does not know.
    pub unknown_features: u64,
    /// One entry per column of the reference, in its order.
    pub features: Vec<FeatureResult>,
    /// One entry per segment of the reference, in its order.
    pub segments: Vec<SegmentResult>,
    /// What is said about the window as a whole.
    pub quality: Vec<Finding>,
    /// What a sample of its rows says about several columns at a time; `None`
    /// when none is kept.
    pub several: Option<MultivariateResult>,
    /// What this window and those before it say together, per column and
    /// segment.
    pub evidence: Vec<Evidence>,
    /// The window beside further references.
    pub comparisons: Vec<Comparison>,
}

/// What a window says about the rows with one value of a categorical feature.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SegmentResult {
    /// The feature.
    pub feature: String,
    /// Its value.
    pub value: String,
    /// Rows counted.
    pub events: u64,
    /// One entry per column of the reference, in its order.
    pub features: Vec<FeatureResult>,
}

/// A name met in the data and how often, at least.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NamedCount {
    /// The name, cut to a bounded length.
    pub name: String,
    /// A lower bound of its count.
    pub count: u64,
}

/// Whether a column's values are measured or named.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ColumnKind {
    /// Numbers.
    Numeric,
    /// Names: strings, booleans, codes.
    Categorical,
}

/// What a window says about one column.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FeatureResult {
    /// The feature's name, [`PREDICTION`] or [`PREDICTION_CLASS`].
    pub feature: String,
    /// Numeric or categorical.
    pub kind: ColumnKind,
    /// Rows in which the column could have had a value.
    pub n: u64,
    /// Rows with a usable value; the scores are about these.
    pub valid: u64,
    /// Share of `n` that was null or absent. `None` when `n` is 0.
    pub missing_share: Option<f64>,
    /// Share of `n` that was NaN, infinite or of the wrong type.
    pub invalid_share: Option<f64>,
    /// Share of `valid` whose category the reference never saw (categorical),
    /// or that lies outside the reference's range (numeric).
    pub unseen_share: Option<f64>,
    /// What `score` says of this window alone.
    pub verdict: Verdict,
    /// The score that the verdict is about.
    pub score: ScoreName,
    /// What each score exceeds once in a thousand windows like the reference;
    /// `None` when `verdict` is insufficient.
    pub noise: Option<NoisePoints>,
    /// `score` less what noise adds to it.
    pub effect: Option<f64>,
    /// Independent rows that carry as much as the `valid` ones of a stream whose
    /// rows resemble each other.
    pub effective_n: Option<f64>,
    /// Place among the window's columns that are not stable, by effect; the
    /// largest is 1.
    pub rank: Option<u64>,
    /// What the scores do not see.
    pub quality: Vec<Finding>,
    /// Moments and quantiles of the valid values (numeric only).
    pub summary: Option<NumericSummary>,
    /// Distances from the reference; `None` when `verdict` is insufficient.
    pub scores: Option<Scores>,
    /// The distribution on the cut that the histogram scores use.
    pub bins: Vec<BinShare>,
    /// Categories that the reference never saw, the most frequent first.
    pub unseen: Vec<NamedCount>,
}

/// Moments and quantiles of a numeric column.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct NumericSummary {
    /// Arithmetic mean of the valid values.
    pub mean: f64,
    /// Sample standard deviation (divisor n - 1); `None` below two values.
    pub std_dev: Option<f64>,
    /// Smallest valid value.
    pub min: f64,
    /// Largest valid value.
    pub max: f64,
    /// Quantile at 0.05, within one bin of the grid.
    pub p05: f64,
    /// Quantile at 0.25.
    pub p25: f64,
    /// Median.
    pub p50: f64,
    /// Quantile at 0.75.
    pub p75: f64,
    /// Quantile at 0.95.
    pub p95: f64,
}

/// Distances between a window and the reference. See docs/results.md for the
/// formulas; `None` where a score does not apply to the kind of column.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Scores {
    /// Population stability index on the cut, natural logarithm.
    pub psi: f64,
    /// Two-sample Kolmogorov-Smirnov test (numeric only).
    pub ks: Option<Ks>,
    /// Wasserstein-1 distance in standard deviations of the reference
    /// (numeric only; absent when the reference is constant).
    pub wasserstein: Option<f64>,
    /// Jensen-Shannon distance on the cut, base 2, in 0..=1.
    pub jensen_shannon: f64,
    /// Hellinger distance on the cut, in 0..=1.
    pub hellinger: f64,
    /// Total variation distance on the cut, in 0..=1.
    pub total_variation: f64,
    /// Largest difference of a single bin's share on the cut.
    pub l_infinity: f64,
    /// Two-sample chi-square test on the cut; absent with fewer than two
    /// non-empty bins.
    pub chi_square: Option<ChiSquare>,
}

/// Two-sample Kolmogorov-Smirnov test.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Ks {
    /// The largest difference of the two distribution functions at the grid's
    /// edges; exact when `error_bound` is 0.
    pub statistic: f64,
    /// The true statistic is at most `statistic + error_bound`.
    pub error_bound: f64,
    /// Two-sided p-value of `statistic`.
    pub p_value: f64,
}

/// Two-sample chi-square test of homogeneity.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct ChiSquare {
    /// Pearson's statistic over the 2 x B table, without continuity correction.
    pub statistic: f64,
    /// Degrees of freedom: non-empty bins less one.
    pub degrees_of_freedom: u32,
    /// Upper tail of the chi-square distribution.
    pub p_value: f64,
}

/// One bin of the cut.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BinShare {
    /// The interval or the category.
    pub label: String,
    /// Share of the reference's valid values.
    pub reference: f64,
    /// Share of the window's valid values; 0 in an empty window.
    pub window: f64,
}
