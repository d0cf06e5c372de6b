//! What is said about an experiment.
//!
//! An [`ExperimentResult`] is of all windows up to its end, not of one window.
//! Numbers that can't be computed are absent; nothing in here is NaN.

use serde::{Deserialize, Serialize};

use super::{NoisePoints, Scores, Verdict};
use crate::event::EventTime;

/// What is to be done with a challenger.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Decision {
    /// Take it back: a guardrail or a goal is proven worse.
    Rollback,
    /// Go on as it is: nothing is proven, or the data can't be trusted.
    Hold,
    /// Take it into use: what was asked for is proven.
    Promote,
}

impl Decision {
    /// The word in points, JSON and answers to rollout tools.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Rollback => "rollback",
            Self::Hold => "hold",
            Self::Promote => "promote",
        }
    }

    /// -1, 0 or 1, for tools that compare numbers.
    #[must_use]
    pub fn code(self) -> f64 {
        match self {
            Self::Rollback => -1.0,
            Self::Hold => 0.0,
            Self::Promote => 1.0,
        }
    }
}

/// Where an experiment stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ExperimentPhase {
    /// It has not been started.
    Waiting,
    /// Events are counted.
    Running,
    /// It was stopped, or its time is over: what is said stays as it is.
    Ended,
}

impl ExperimentPhase {
    /// The word in points and JSON.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Running => "running",
            Self::Ended => "ended",
        }
    }
}

/// What a metric is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MetricRole {
    /// It is to get better.
    Goal,
    /// It must not get worse.
    Guardrail,
    /// It is shown and decides nothing.
    Plain,
}

impl MetricRole {
    /// The word in points and JSON.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Goal => "goal",
            Self::Guardrail => "guardrail",
            Self::Plain => "plain",
        }
    }
}

/// In which direction a metric is better.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Better {
    /// The more, the better.
    Higher,
    /// The less, the better.
    Lower,
}

impl Better {
    /// 1 where more is better, else -1: what turns a difference into a gain.
    #[must_use]
    pub fn sign(self) -> f64 {
        match self {
            Self::Higher => 1.0,
            Self::Lower => -1.0,
        }
    }
}

impl Better {
    /// The word in points and JSON.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Higher => "higher",
            Self::Lower => "lower",
        }
    }
}

/// What is said about one metric of a challenger beside the control.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MetricVerdict {
    /// Too few values to say anything.
    Insufficient,
    /// Nothing is proven yet.
    Undecided,
    /// Proven not to be worse than the margin allows.
    NotWorse,
    /// Proven better.
    Better,
    /// Proven worse; of a guardrail, by more than the margin allows.
    Worse,
}

impl MetricVerdict {
    /// Every verdict.
    pub const ALL: [Self; 5] =
        [Self::Insufficient, Self::Undecided, Self::NotWorse, Self::Better, Self::Worse];

    /// The word in points and JSON.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Insufficient => "insufficient",
            Self::Undecided => "undecided",
            Self::NotWorse => "not_worse",
            Self::Better => "better",
            Self::Worse => "worse",
        }
    }
}

/// How the bounds of a metric were found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum InferenceMethod {
    /// Asymptotic confidence sequence.
    ConfidenceSequence,
    /// E-process over a grid of rate ratios.
    RateRatio,
    /// Group-sequential bounds by spending.
    GroupSequential,
    /// One look.
    FixedHorizon,
}

impl InferenceMethod {
    /// The word in points and JSON.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ConfidenceSequence => "confidence_sequence",
            Self::RateRatio => "rate_ratio",
            Self::GroupSequential => "group_sequential",
            Self::FixedHorizon => "fixed_horizon",
        }
    }
}

/// What `estimate` and its bounds are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EffectScale {
    /// Challenger less control, in the metric's unit.
    Difference,
    /// Challenger by control, less 1.
    Relative,
}

impl EffectScale {
    /// The word in points and JSON.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Difference => "difference",
            Self::Relative => "relative",
        }
    }
}

/// Everything that is said about one experiment up to one time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ExperimentResult {
    /// Its name in the configuration.
    pub experiment: String,
    /// The model.
    pub model: String,
    /// Length of the windows that are looked at one after another, such as `5m`.
    pub window: String,
    /// Start of the last window in it.
    pub start: EventTime,
    /// End of the last window in it; the timestamp of every point.
    pub end: EventTime,
    /// Start of the first window in it; `None` while there is none.
    pub began: Option<EventTime>,
    /// Where it stands.
    pub phase: ExperimentPhase,
    /// What is being released, as the last start named it; `None` when no start did.
    #[serde(default)]
    pub release: Option<String>,
    /// What is to be done.
    pub verdict: Decision,
    /// The challenger that is to be promoted or taken back; of several, the best
    /// or the worst.
    pub arm: Option<String>,
    /// Why, in a sentence.
    pub reason: String,
    /// Whether every arm has enough events for anything to be said.
    pub ready: bool,
    /// How much of what promotion asks for is proven, 0 to 100; 0 on rollback.
    pub score: f64,
    /// Whether the data can be trusted.
    pub health: ExperimentHealth,
    /// The arms, the control first.
    pub arms: Vec<ArmCounts>,
    /// Every challenger beside the control, in the order of the arms.
    pub challengers: Vec<ChallengerResult>,
}

impl ExperimentResult {
    /// Whether it is of this release; one without a name is another one each time.
    #[must_use]
    pub fn is_of(&self, release: &str) -> bool {
        !release.is_empty() && self.release.as_deref() == Some(release)
    }

    /// Whether a start for this release begins it anew. For the one that it is of
    /// already, it does not while that runs, since tools tell the same again and again;
    /// nor after it was taken back, since a second try makes nothing unproven. What
    /// ended otherwise has left something open, and a second try may find it.
    #[must_use]
    pub fn is_begun_by(&self, release: &str) -> bool {
        !self.is_of(release) || (self.phase == ExperimentPhase::Ended && self.verdict != Decision::Rollback)
    }
}

/// Whether an experiment's data can be trusted.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ExperimentHealth {
    /// Whether nothing speaks against the data.
    pub ok: bool,
    /// What speaks against it, one sentence each; empty when nothing does.
    pub problems: Vec<String>,
    /// Probability of so uneven arms by chance, at any time so far; `None` when no
    /// split is given.
    pub srm_p_value: Option<f64>,
    /// Whether `srm_p_value` is not below its bound.
    pub srm_ok: bool,
    /// Probability of so unequal shares of labelled predictions by chance, at any
    /// time so far; `None` without label metrics or labels.
    pub label_p_value: Option<f64>,
    /// Units that were seen in several arms; their later events are left out.
    pub units_in_several_arms: u64,
    /// Events left out for that.
    pub events_of_several_arms: u64,
    /// Events of units for which there was no memory, so that it is not known
    /// whether they were in several arms.
    pub events_of_unknown_units: u64,
    /// Events of the model whose arm is none of the experiment's.
    pub events_of_other_arms: u64,
    /// Labels that came too late or never found their prediction, labels and
    /// predictions whose id came twice or is missing, and those that waited and had to
    /// make room.
    pub unmatched: u64,
    /// Predictions of windows that had been looked at already.
    #[serde(default)]
    pub late: u64,
}

/// What was counted of one arm.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ArmCounts {
    /// The value that names it.
    pub arm: String,
    /// Predictions counted.
    pub events: u64,
    /// Units counted; absent when events name none.
    pub units: Option<u64>,
    /// Predictions that are old enough for their label.
    pub matured: u64,
    /// Those of them that have one.
    pub labelled: u64,
    /// Its intended share of the units, or of the events where there are none.
    pub intended_share: Option<f64>,
    /// Its share so far, of the time in which the split was the present one.
    pub share: Option<f64>,
}

/// A challenger beside the control.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ChallengerResult {
    /// The value that names it.
    pub arm: String,
    /// What is to be done with it.
    pub verdict: Decision,
    /// Why, in a sentence.
    pub reason: String,
    /// How much of what promotion asks for is proven, 0 to 100.
    pub score: f64,
    /// The metrics in the order of the configuration.
    pub metrics: Vec<MetricResult>,
    /// Its predictions of the last window beside the control's, by column.
    pub distributions: Vec<ArmDistribution>,
    /// How far its answers are from the control's to the same requests; shadows
    /// only.
    pub disagreement: Option<Disagreement>,
}

/// One metric of a challenger beside the control.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MetricResult {
    /// Its name in the configuration.
    pub metric: String,
    /// What it is for.
    pub role: MetricRole,
    /// In which direction it is better.
    pub better: Better,
    /// What is said.
    pub verdict: MetricVerdict,
    /// Why, in a sentence.
    pub reason: String,
    /// How the bounds were found.
    pub method: InferenceMethod,
    /// End of the window with which the verdict was proven.
    pub proven_at: Option<EventTime>,
    /// Values of the control.
    pub n_control: u64,
    /// Values of the challenger; of shadows, pairs.
    pub n: u64,
    /// Values that are not usable: of the wrong type, or no number.
    pub invalid: u64,
    /// Values that are too large to be summed, taken for the most that can be, or too
    /// small to be told from 0.
    #[serde(default)]
    pub clamped: u64,
    /// The control's value, each window weighed as in `estimate`.
    pub control: Option<f64>,
    /// The challenger's value, likewise.
    pub challenger: Option<f64>,
    /// What `estimate`, `lower`, `upper` and `margin` are.
    pub scale: EffectScale,
    /// The effect.
    pub estimate: Option<f64>,
    /// Lower bound of the effect, valid at all times together.
    pub lower: Option<f64>,
    /// Upper bound.
    pub upper: Option<f64>,
    /// Standard error of the difference.
    pub std_error: Option<f64>,
    /// Challenger by control, less 1, for reading.
    pub lift: Option<f64>,
    /// Variance of the estimate by what it would be if all events were
    /// independent.
    pub design_effect: Option<f64>,
    /// Share of the variance that covariates explain.
    pub variance_explained: Option<f64>,
    /// Evidence that it is better: how many times more likely the data became; at
    /// most one in `x` experiments without an effect ever shows `x`.
    pub e_better: Option<f64>,
    /// Evidence that it is worse; of a guardrail, by more than the margin.
    pub e_worse: Option<f64>,
    /// Evidence that it is not worse than the margin.
    pub e_not_worse: Option<f64>,
    /// Evidence of being better, or not worse, from which on that is proven: so much
    /// that all experiments, arms and goals together keep to the allowed error.
    pub e_wanted: f64,
    /// Of the effect being nothing, at any time so far; two-sided.
    pub p_value: Option<f64>,
    /// How much worse it may be, on `scale`.
    pub margin: Option<f64>,
    /// The effect that would be found now with the wanted power, on `scale`.
    pub detectable: Option<f64>,
    /// Further events of all arms until the wanted effect, or else the present
    /// one, would be found; 0 when it is.
    pub events_needed: Option<u64>,
}

/// The predictions of two arms in one window.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ArmDistribution {
    /// The column.
    pub column: String,
    /// What is said of the window alone, by PSI.
    pub verdict: Verdict,
    /// Values of the control.
    pub n_control: u64,
    /// Values of the challenger.
    pub n: u64,
    /// Distances; `None` when there are too few values.
    pub scores: Option<Scores>,
    /// What distances equal arms exceed once in a thousand windows.
    pub noise: Option<NoisePoints>,
}

/// How far a shadow's answers are from the control's.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Disagreement {
    /// Requests that both have answered.
    pub pairs: u64,
    /// Requests that the control alone has answered in time.
    pub unanswered: u64,
    /// Share of the pairs with another class; absent without classes.
    pub class_share: Option<f64>,
    /// Mean difference of the predictions, challenger less control.
    pub mean_difference: Option<f64>,
    /// Root of the mean squared difference.
    pub rms_difference: Option<f64>,
    /// Correlation of the predictions.
    pub correlation: Option<f64>,
}
