//! What an experiment is, as the core is told about it.

use super::class::Class;
use crate::{
    decode::FieldSource,
    event::EventTime,
    result::{Better, MetricRole},
};

/// Covariates of a metric, at most: more explain little more and cost their square.
pub const MOST_COVARIATES: usize = 8;

/// One experiment: the arms of one model, and by what they are told apart.
#[derive(Debug, Clone, PartialEq)]
pub struct ExperimentSettings {
    /// Its name, unique among all experiments.
    pub id: String,
    /// The model whose events it looks at.
    pub model: String,
    /// Where an event names its arm.
    pub arm: ArmSource,
    /// The arms by the values that name them, the control first; at least two.
    pub arms: Vec<String>,
    /// Where an event names its unit of randomisation.
    pub unit: UnitSource,
    /// Whether arms share the traffic or all see the same requests.
    pub design: Design,
    /// Intended shares of the arms, each from a time on and in order of it; empty:
    /// it is not known, and the sample ratio can't be tested.
    pub splits: Vec<Split>,
    /// How it is decided.
    pub inference: Inference,
    /// How long after a prediction its label may come; label metrics look at
    /// windows of that age and older, of all arms alike.
    pub label_delay_ms: i64,
    /// Predictions that wait for a label or for their counterpart, at most.
    pub most_waiting: usize,
    /// Units whose first arm is remembered, at most.
    pub most_units: usize,
    /// Events before this are none of it.
    pub starts_at: Option<EventTime>,
    /// Events from this on are none of it.
    pub ends_at: Option<EventTime>,
    /// It looks at nothing until it is started from outside.
    pub waits_for_start: bool,
    /// What is compared; at least one, with distinct names.
    pub metrics: Vec<MetricSettings>,
}

/// Where an event names its arm.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ArmSource {
    /// The variant of the envelope.
    Variant,
    /// The model version of the envelope.
    Version,
    /// A place of its own.
    Field(FieldSource),
}

/// Where an event names its unit of randomisation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UnitSource {
    /// Nowhere: every event is given to an arm on its own.
    None,
    /// The unit of the envelope.
    Envelope,
    /// A place of its own.
    Field(FieldSource),
}

/// How arms see traffic.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Design {
    /// Every unit, or every request, is of one arm.
    Split,
    /// Every request is scored by all arms under one id; a shadow's answer waits
    /// for the control's so long, and the other way round.
    Shadow {
        /// How far apart in event time the two may be.
        pair_timeout_ms: i64,
        /// Share of the control's requests that a challenger may leave unanswered, at
        /// most: what it answers may be the easy ones.
        max_unanswered: f64,
    },
}

/// Intended shares from a time on.
#[derive(Debug, Clone, PartialEq)]
pub struct Split {
    /// From when on; `None`: from the beginning.
    pub from: Option<EventTime>,
    /// One weight per arm, in their order, all positive.
    pub weights: Vec<f64>,
}

/// How an experiment is decided.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Inference {
    /// How it may be looked at.
    pub method: Method,
    /// Probability of a false promotion, and of a false rollback, at most.
    pub alpha: f64,
    /// Probability of a false alarm about the sample ratio, at most.
    pub srm_alpha: f64,
    /// With which probability an effect is found that is called detectable.
    pub power: f64,
    /// Events of both arms together around which bounds are the tightest; of the
    /// other methods, at which it ends.
    pub planned_events: u64,
    /// Events of each arm below which nothing is said.
    pub min_events: u64,
    /// What it takes to promote.
    pub promote_when: PromoteWhen,
}

/// How an experiment may be looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// At any time, as often as one likes.
    AlwaysValid,
    /// At every window up to the planned number of events.
    GroupSequential,
    /// Once, at the planned number of events.
    FixedHorizon,
}

/// What it takes to promote.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PromoteWhen {
    /// Every goal is better.
    AllGoals,
    /// One goal is better and none worse.
    AnyGoal,
}

/// One metric.
#[derive(Debug, Clone, PartialEq)]
pub struct MetricSettings {
    /// Its name, unique in the experiment.
    pub name: String,
    /// What it is for.
    pub role: MetricRole,
    /// In which direction it is better.
    pub better: Better,
    /// What is compared.
    pub statistic: Statistic,
    /// What an event contributes.
    pub value: MetricValue,
    /// How much worse a guardrail may be and still pass.
    pub margin: Option<Margin>,
    /// The difference that is worth finding; for how many events are still needed.
    pub minimum_effect: Option<f64>,
    /// What explains a part of the values' scatter without being a consequence of
    /// the arm; [`MOST_COVARIATES`] of them at most. Means only.
    pub covariates: Vec<Covariate>,
    /// Values beyond are taken for these, least and greatest.
    pub caps: (Option<f64>, Option<f64>),
}

/// What of the values is compared between arms.
#[derive(Debug, Clone, PartialEq)]
pub enum Statistic {
    /// Their mean.
    Mean,
    /// How often they meet a condition.
    Rate(Condition),
    /// Their sum by the sum of another field of the same event.
    Ratio(FieldSource),
    /// A quantile between 0 and 1.
    Quantile(f64),
}

/// What a rate counts.
#[derive(Debug, Clone, PartialEq)]
pub enum Condition {
    /// `true`, or a number that is not 0.
    IsTrue,
    /// A number above this.
    Above(f64),
    /// A number below this.
    Below(f64),
    /// This word, number or truth value.
    Equals(Class),
}

/// What an event contributes to a metric.
#[derive(Debug, Clone, PartialEq)]
pub enum MetricValue {
    /// The prediction.
    Prediction,
    /// The predicted class, else the prediction where it is a name.
    PredictedClass,
    /// A field of the prediction's event.
    Field(FieldSource),
    /// The label.
    Label,
    /// How wrong the prediction was, by its label.
    Loss(Loss),
}

/// How wrong a prediction is.
#[derive(Debug, Clone, PartialEq)]
pub enum Loss {
    /// Squared difference of the predicted probability and the label, 0 or 1.
    Brier,
    /// Negative logarithm of the probability given to what came; probabilities
    /// are kept 1e-15 away from 0 and 1.
    LogLoss,
    /// Absolute difference.
    AbsoluteError,
    /// Squared difference.
    SquaredError,
    /// 1 where the predicted class is the label, else 0; without a class, a
    /// probability of at least one half is taken for 1.
    Correct,
}

/// How much worse a guardrail may be.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Margin {
    /// In the metric's own unit.
    Absolute(f64),
    /// As a share of the control's value.
    Relative(f64),
}

/// What a metric is adjusted by.
#[derive(Debug, Clone, PartialEq)]
pub enum Covariate {
    /// The prediction.
    Prediction,
    /// A numeric feature.
    Feature(String),
    /// A field of the prediction's event.
    Field(FieldSource),
}

/// As the configuration has it where it says nothing.
impl Default for Inference {
    fn default() -> Self {
        Self {
            method: Method::AlwaysValid,
            alpha: 0.05,
            srm_alpha: 0.001,
            power: 0.8,
            planned_events: 5_000,
            min_events: 100,
            promote_when: PromoteWhen::AllGoals,
        }
    }
}

impl MetricSettings {
    /// A goal with nothing else that is not by default.
    #[must_use]
    pub fn new(name: &str, better: Better, statistic: Statistic, value: MetricValue) -> Self {
        Self {
            name: name.to_owned(),
            role: MetricRole::Goal,
            better,
            statistic,
            value,
            margin: None,
            minimum_effect: None,
            covariates: Vec::new(),
            caps: (None, None),
        }
    }

    /// Whether it needs labels.
    #[must_use]
    pub fn needs_label(&self) -> bool {
        matches!(self.value, MetricValue::Label | MetricValue::Loss(_))
    }

    /// Whether what it sums is one of a few known ranges, so that no unit has to be
    /// chosen.
    #[must_use]
    pub fn is_rate(&self) -> bool {
        matches!(self.statistic, Statistic::Rate(_)) || matches!(self.value, MetricValue::Loss(Loss::Correct))
    }
}

impl ExperimentSettings {
    /// Arms of `model` by the variant, the control first, with nothing else that is not
    /// by default.
    #[must_use]
    pub fn new(id: &str, model: &str, arms: &[&str], metrics: Vec<MetricSettings>) -> Self {
        Self {
            id: id.to_owned(),
            model: model.to_owned(),
            arm: ArmSource::Variant,
            arms: arms.iter().map(|arm| (*arm).to_owned()).collect(),
            unit: UnitSource::Envelope,
            design: Design::Split,
            splits: Vec::new(),
            inference: Inference::default(),
            label_delay_ms: 3_600_000,
            most_waiting: 200_000,
            most_units: 1_000_000,
            starts_at: None,
            ends_at: None,
            waits_for_start: false,
            metrics,
        }
    }

    /// Whether any metric needs labels.
    #[must_use]
    pub fn needs_labels(&self) -> bool {
        self.metrics.iter().any(MetricSettings::needs_label)
    }

    /// The arms beside the control.
    pub fn challengers(&self) -> impl Iterator<Item = (usize, &str)> {
        self.arms.iter().enumerate().skip(1).map(|(index, arm)| (index, arm.as_str()))
    }
}
