//! Why a model predicted what it did, in one window or for one event.

use serde::{Deserialize, Serialize};

use super::{StreamKey, Verdict};
use crate::event::EventTime;

/// How attributions were computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ExplainMethod {
    /// Interventional Shapley values of trees from tables per leaf: exact.
    ExactTree,
    /// Interventional Shapley values of a linear model: exact.
    ExactLinear,
    /// Every coalition of the inputs that vary: exact.
    Enumeration,
    /// Antithetic permutations, one background row each: an estimate.
    Permutation,
    /// Exact for a surrogate that was fitted to the logged predictions, which
    /// is not the model.
    Surrogate,
}

impl ExplainMethod {
    /// The word in points and JSON.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ExactTree => "exact_tree",
            Self::ExactLinear => "exact_linear",
            Self::Enumeration => "enumeration",
            Self::Permutation => "permutation",
            Self::Surrogate => "surrogate",
        }
    }
}

/// Why the predictions of one window are what they are.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WindowExplanation {
    /// Whose window it is.
    #[serde(flatten)]
    pub stream: StreamKey,
    /// The window's length and slide as a tag.
    pub window: String,
    /// Start of the window, inclusive.
    pub start: EventTime,
    /// End of the window, exclusive; the timestamp of every point.
    pub end: EventTime,
    /// Rows counted in the window.
    pub events: u64,
    /// How it was computed.
    pub provenance: Provenance,
    /// Rows of the window's sample that were explained.
    pub rows: u64,
    /// Rows of the sample that would have been, had the budget allowed.
    pub rows_given_up: u64,
    /// Rows of the sample that are only a part of one, or that the model
    /// could not be asked about.
    pub rows_unusable: u64,
    /// One entry per explained output.
    pub outputs: Vec<OutputExplanation>,
}

/// What every explanation says of itself.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Provenance {
    /// How attributions were computed.
    pub method: ExplainMethod,
    /// The model's kind, for people.
    pub model_kind: String,
    /// Hash of the model as 16 hexadecimal digits.
    pub model_id: String,
    /// Hash of the background rows as 16 hexadecimal digits.
    pub background_id: String,
    /// Background rows.
    pub background_rows: u64,
    /// Model evaluations that it took.
    pub evaluations: u64,
    /// Of a surrogate: share of the variance of logged predictions that it
    /// explains on rows that it was not fitted to.
    pub surrogate_r2: Option<f64>,
    /// Of a surrogate: its mean absolute error on those rows.
    pub surrogate_mae: Option<f64>,
}

/// One output of the model in one window.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct OutputExplanation {
    /// Its name, or its number counted from 0.
    pub output: String,
    /// What attributions add up in: `value`, `log_odds`, `log_shares`, `log`.
    pub space: String,
    /// Mean output over the background: what attributions are added to.
    pub base_value: f64,
    /// Standard error of `base_value` as the mean over such rows.
    pub base_value_se: f64,
    /// Mean output over the explained rows.
    pub mean_output: f64,
    /// The largest |base value + attributions − output| of a row.
    pub additivity_residual: f64,
    /// The features with their attributions, the most important first.
    pub features: Vec<FeatureAttribution>,
    /// The attributions beside the reference's; `None` without enough rows of
    /// the reference.
    pub drift: Option<AttributionDrift>,
    /// The model beside the predictions that were logged; `None` when the
    /// events carry none, and of surrogates.
    pub logged: Option<LoggedGap>,
}

/// What one feature adds to one output, over the rows of a window. All in the
/// unit of the output's space.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FeatureAttribution {
    /// The feature.
    pub feature: String,
    /// Mean |φ|.
    pub mean_abs: f64,
    /// Mean φ.
    pub mean: f64,
    /// `mean_abs` over the sum of all features'; `None` when that is 0.
    pub share: Option<f64>,
    /// Standard error of `mean_abs` as the window's, sampling of rows included.
    pub standard_error: f64,
    /// Mean standard error of a row's φ; `None` where φ is exact.
    pub row_standard_error: Option<f64>,
    /// What `mean_abs` of a feature without any effect would be: 0 where φ is
    /// exact.
    pub noise_floor: f64,
    /// Quantile of φ at 0.05.
    pub p05: f64,
    /// Median of φ.
    pub p50: f64,
    /// Quantile of φ at 0.95.
    pub p95: f64,
    /// Place by `mean_abs`; the largest is 1.
    pub rank: u64,
    /// The feature's φ beside the reference's.
    pub drift: Option<FeatureAttributionDrift>,
}

/// Whether the why of an output has changed.
///
/// All noise points of an output, those of its features included, are together
/// exceeded about once in a thousand windows like the reference.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AttributionDrift {
    /// The worst of the two scores below and of all features.
    pub verdict: Verdict,
    /// Rows of the reference with attributions.
    pub reference_rows: u64,
    /// Normalised discounted cumulative gain of the window's ranking.
    pub ndcg: f64,
    /// `ndcg` is seldom below this in windows like the reference.
    pub ndcg_noise: f64,
    /// What `ndcg` says.
    pub ndcg_verdict: Verdict,
    /// Total variation of the features' shares.
    pub total_variation: f64,
    /// `total_variation` is seldom above this in windows like the reference.
    pub total_variation_noise: f64,
    /// What `total_variation` says.
    pub total_variation_verdict: Verdict,
}

/// Whether what one feature adds has changed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FeatureAttributionDrift {
    /// The worse of the two scores.
    pub verdict: Verdict,
    /// Mean |φ| of the reference.
    pub reference_mean_abs: f64,
    /// Share of the feature in the reference.
    pub reference_share: Option<f64>,
    /// Kolmogorov-Smirnov distance of φ.
    pub ks: f64,
    /// `ks` is seldom above this in windows like the reference.
    pub ks_noise: f64,
    /// Jensen-Shannon distance of φ on ten quantiles of the reference's.
    pub jensen_shannon: f64,
    /// `jensen_shannon` is seldom above this in windows like the reference.
    pub jensen_shannon_noise: f64,
    /// Change of the feature's share: what the minimum effect is about.
    pub share_change: Option<f64>,
}

/// The model beside the predictions that were logged with the events: they
/// differ when another model made them, or of other features.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LoggedGap {
    /// Rows with a logged prediction.
    pub rows: u64,
    /// Median of |f(x) − logged|, in the unit of the logged prediction.
    pub median: f64,
    /// Quantile of |f(x) − logged| at 0.95.
    pub p95: f64,
    /// A difference up to this is taken for rounding.
    pub tolerance: f64,
    /// Share of the rows whose difference is larger.
    pub share: f64,
}

/// Why one event was predicted as it was.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EventExplanation {
    /// Whose event it is.
    #[serde(flatten)]
    pub stream: StreamKey,
    /// The hash of its id as 16 hexadecimal digits.
    pub event: String,
    /// The window that it was taken from; `None` of one that was asked about.
    pub window: Option<EventWindow>,
    /// How it was computed.
    pub provenance: Provenance,
    /// One entry per explained output.
    pub outputs: Vec<EventOutput>,
}

/// The window of an event that was explained for an alert.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EventWindow {
    /// The window's length and slide as a tag.
    pub window: String,
    /// Start of the window, inclusive.
    pub start: EventTime,
    /// End of the window, exclusive.
    pub end: EventTime,
    /// Its place among the events of the alert; the strangest is 1.
    pub rank: u64,
}

/// One output for one event.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EventOutput {
    /// Its name, or its number counted from 0.
    pub output: String,
    /// What attributions add up in.
    pub space: String,
    /// Mean output over the background.
    pub base_value: f64,
    /// The output for this event.
    pub value: f64,
    /// What the model predicts: `value` through its link.
    pub prediction: f64,
    /// What was logged.
    pub logged: Option<f64>,
    /// |base value + attributions − output|.
    pub additivity_residual: f64,
    /// The features with their attributions, the largest first.
    pub features: Vec<EventAttribution>,
}

/// What one feature adds for one event.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EventAttribution {
    /// The feature.
    pub feature: String,
    /// Its value as it was read; `null` when it is missing.
    pub value: Option<FeatureValue>,
    /// φ.
    pub attribution: f64,
    /// Its standard error; `None` where it is exact.
    pub standard_error: Option<f64>,
}

/// A feature's value.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum FeatureValue {
    /// A number.
    Number(f64),
    /// A category.
    Category(String),
}
