//! What an event says to an experiment: its arm, its unit, what it contributes.
//!
//! Promises: values become whole numbers here, by the value and the metric alone.
//! What is of the wrong type, or no number, is [`Reading::Invalid`] and counted; what
//! an event does not carry is no value.

use super::{
    arm::ArmIndex,
    class::Class,
    losses::Predicted,
    quantiles,
    settings::{
        ArmSource, Condition, Covariate, ExperimentSettings, Loss, MOST_COVARIATES, MetricSettings,
        MetricValue, Statistic, UnitSource,
    },
    sums::{MOST_COUNT, Step},
};
use crate::{
    decode::{Envelope, FieldSource, LooseValue, field, loose_value, member, name_field},
    event::Message,
    profile::row_hash,
    result::UNNAMED,
};

/// Channels of a metric, at most: a value, and covariates or what it is divided by.
pub(super) const MOST_CHANNELS: usize = 1 + MOST_COVARIATES;

/// One event, as far as an experiment reads it.
#[derive(Debug, Clone, Copy)]
pub struct EventView<'e, 'm> {
    /// What it says about itself.
    pub envelope: &'e Envelope<'m>,
    /// As it came.
    pub message: &'e Message<'m>,
    /// Its topic.
    pub topic: &'e str,
}

/// What an event contributes to a metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reading {
    /// Nothing: it does not carry the field.
    Absent,
    /// Something that can't be used.
    Invalid,
    /// One number per channel, in the channels' steps.
    Values(Channels),
}

/// Numbers of the channels of a metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Channels {
    numbers: [i64; MOST_CHANNELS],
    count: usize,
    /// The value is not 0 and is counted as 0.
    is_lost: bool,
}

impl Reading {
    /// The first channel of what can be used.
    pub(super) fn first(self) -> Option<i64> {
        match self {
            Self::Values(channels) => Some(channels.first()),
            Self::Absent | Self::Invalid => None,
        }
    }

    /// Whether what is counted is not the value, which is too large or too small.
    pub(super) fn is_clamped(self) -> bool {
        let Self::Values(channels) = self else { return false };
        channels.is_lost || channels.as_slice().iter().any(|value| value.abs() >= MOST_COUNT)
    }

    /// The same with covariates, all of which have to be there.
    pub(super) fn with(self, covariates: &[Option<i64>]) -> Self {
        let Self::Values(mut channels) = self else { return self };
        for covariate in covariates {
            let Some(number) = covariate else { return Self::Invalid };
            channels.push(*number);
        }
        Self::Values(channels)
    }
}

impl Channels {
    pub(super) fn new(first: i64) -> Self {
        let mut numbers = [0; MOST_CHANNELS];
        if let Some(number) = numbers.first_mut() {
            *number = first;
        }
        Self { numbers, count: 1, is_lost: false }
    }

    pub(super) fn push(&mut self, number: i64) {
        if let Some(slot) = self.numbers.get_mut(self.count) {
            *slot = number;
            self.count += 1;
        }
    }

    pub(super) fn as_slice(&self) -> &[i64] {
        self.numbers.get(..self.count).unwrap_or_default()
    }

    pub(super) fn first(&self) -> i64 {
        self.numbers.first().copied().unwrap_or(0)
    }
}

/// The steps of a metric's channels.
pub(super) fn steps(metric: &MetricSettings) -> Vec<Step> {
    let second = matches!(metric.statistic, Statistic::Ratio(_)).then_some(Step::COARSE);
    let covariates = metric.covariates.iter().map(|_| Step::COARSE);
    std::iter::once(first_step(metric)).chain(second).chain(covariates).collect()
}

/// The step of a metric's values, without a list of all: every event asks for it.
pub(super) fn first_step(metric: &MetricSettings) -> Step {
    match (&metric.statistic, &metric.value) {
        (Statistic::Quantile(_) | Statistic::Rate(_), _) | (_, MetricValue::Loss(Loss::Correct)) => {
            Step::WHOLE
        }
        (_, MetricValue::Loss(Loss::Brier | Loss::LogLoss)) => Step::FINE,
        _ => Step::COARSE,
    }
}

impl EventView<'_, '_> {
    /// The event's arm, if it is one of the experiment's.
    pub(super) fn arm(&self, settings: &ExperimentSettings) -> Option<ArmIndex> {
        let position = |name: &str| settings.arms.iter().position(|arm| arm == name);
        let named = |name: &str| position(if name.is_empty() { UNNAMED } else { name });
        let place = match &settings.arm {
            ArmSource::Variant => named(&self.envelope.variant),
            ArmSource::Version => named(&self.envelope.version),
            ArmSource::Field(source) => match field(self.message, self.topic, source) {
                Some(LooseValue::Text(text)) => named(&text),
                Some(LooseValue::Number(number)) => {
                    settings.arms.iter().position(|arm| arm.parse() == Ok(number))
                }
                Some(LooseValue::Bool(truth)) => position(if truth { "true" } else { "false" }),
                // A field that is not there names no arm, as a variant that is not.
                Some(LooseValue::Missing) | None => position(UNNAMED),
                Some(LooseValue::Nested) => None,
            },
        };
        place.and_then(ArmIndex::new)
    }

    /// Hash of the event's unit of randomisation.
    pub(super) fn unit(&self, settings: &ExperimentSettings) -> Option<u64> {
        match &settings.unit {
            UnitSource::None => None,
            UnitSource::Envelope => {
                // An empty one would make one unit of all who have none.
                let unit = self.envelope.unit.as_deref().filter(|unit| !unit.is_empty());
                unit.map(|unit| row_hash(unit.as_bytes()))
            }
            UnitSource::Field(source) => {
                // As it is written: two customers of 20 digits can be one number.
                let unit = name_field(self.message, self.topic, source).filter(|unit| !unit.is_empty());
                unit.map(|unit| row_hash(unit.as_bytes()))
            }
        }
    }

    /// Hash of the event's id.
    pub(super) fn id(&self) -> Option<u64> {
        self.envelope.id.as_deref().map(|id| row_hash(id.as_bytes()))
    }

    /// The label.
    pub(super) fn label(&self) -> Option<Class> {
        Class::of(&loose_value(self.envelope.label.as_deref()?)?)
    }

    /// The prediction as a number, where it is one, and the predicted class.
    pub(super) fn prediction(&self) -> Predicted {
        let score = self.score();
        let has_own = self.envelope.prediction_class.is_some();
        // A number alone is a score.
        let is_class =
            |value: &LooseValue<'_>| has_own || score.is_none() || matches!(value, LooseValue::Text(_));
        let class = self.class_value().filter(is_class);
        Predicted { score, class: class.and_then(|value| Class::of(&value)) }
    }

    fn score(&self) -> Option<f64> {
        let raw = self.envelope.prediction.as_deref()?;
        number(&loose_value(raw)?)
    }

    /// The class as the event gives it, else the prediction.
    fn class_value(&self) -> Option<LooseValue<'_>> {
        if let Some(raw) = self.envelope.prediction_class.as_deref() {
            return loose_value(raw);
        }
        let raw = self.envelope.prediction.as_deref()?;
        match loose_value(raw)? {
            LooseValue::Nested => loose_value(member(raw, "class")?),
            value => Some(value),
        }
    }

    /// What the event contributes to a metric that needs no label.
    pub(super) fn reading(&self, metric: &MetricSettings) -> Reading {
        let value = match &metric.value {
            MetricValue::Prediction => self.score().map(LooseValue::Number),
            MetricValue::PredictedClass => self.class_value(),
            MetricValue::Field(source) => field(self.message, self.topic, source),
            MetricValue::Label | MetricValue::Loss(_) => return Reading::Absent,
        };
        let Some(value) = value else { return Reading::Absent };
        let first = first_channel(metric, &value);
        let second = match &metric.statistic {
            Statistic::Ratio(per) => match self.denominator(per) {
                Reading::Values(per) => Some(per.first()),
                other => return other,
            },
            _ => None,
        };
        self.with_covariates(metric, first, second)
    }

    fn denominator(&self, source: &FieldSource) -> Reading {
        match field(self.message, self.topic, source) {
            None | Some(LooseValue::Missing) => Reading::Absent,
            Some(value) => number(&value)
                .filter(|per| *per >= 0.0)
                .and_then(|per| Step::COARSE.count(per))
                .map_or(Reading::Invalid, |per| Reading::Values(Channels::new(per))),
        }
    }

    fn with_covariates(&self, metric: &MetricSettings, first: Reading, second: Option<i64>) -> Reading {
        let Reading::Values(mut channels) = first else { return first };
        if let Some(second) = second {
            channels.push(second);
        }
        for covariate in &metric.covariates {
            let Some(number) = self.covariate(covariate) else { return Reading::Invalid };
            channels.push(number);
        }
        Reading::Values(channels)
    }

    /// A covariate in its steps.
    pub(super) fn covariate(&self, covariate: &Covariate) -> Option<i64> {
        let value = match covariate {
            Covariate::Prediction => self.score()?,
            Covariate::Feature(name) => {
                let features = self.envelope.features?;
                number(&loose_value(member(features, name)?)?)?
            }
            Covariate::Field(source) => number(&field(self.message, self.topic, source)?)?,
        };
        Step::COARSE.count(value)
    }
}

/// The first channel of a metric of this value.
pub(super) fn first_channel(metric: &MetricSettings, value: &LooseValue<'_>) -> Reading {
    if matches!(value, LooseValue::Missing) {
        return Reading::Absent;
    }
    let step = match &metric.statistic {
        Statistic::Rate(condition) => {
            let meets = meets(condition, value);
            return meets.map_or(Reading::Invalid, |meets| Reading::Values(Channels::new(i64::from(meets))));
        }
        Statistic::Quantile(_) => {
            let bin = number(value).map(|number| capped(metric, number)).and_then(quantiles::bin);
            return bin.map_or(Reading::Invalid, |bin| Reading::Values(Channels::new(i64::from(bin))));
        }
        Statistic::Mean | Statistic::Ratio(_) => first_step(metric),
    };
    let Some(number) = number(value).map(|number| capped(metric, number)) else { return Reading::Invalid };
    let counted = step.count(number);
    // Losses of probabilities are small where they are good.
    let is_lost = step == Step::COARSE && counted == Some(0) && number.abs() > 0.0;
    counted
        .map_or(Reading::Invalid, |counted| Reading::Values(Channels { is_lost, ..Channels::new(counted) }))
}

fn capped(metric: &MetricSettings, number: f64) -> f64 {
    // The lesser of a bound and NaN is the bound.
    if number.is_nan() {
        return number;
    }
    let (least, most) = metric.caps;
    let number = most.map_or(number, |most| number.min(most));
    least.map_or(number, |least| number.max(least))
}

/// Whether a rate counts a value; `None` when the condition can't be about it.
fn meets(condition: &Condition, value: &LooseValue<'_>) -> Option<bool> {
    Some(match condition {
        Condition::IsTrue => match value {
            LooseValue::Bool(truth) => *truth,
            LooseValue::Text(text) if text.eq_ignore_ascii_case("true") => true,
            LooseValue::Text(text) if text.eq_ignore_ascii_case("false") => false,
            other => number(other).filter(|number| !number.is_nan())? != 0.0,
        },
        Condition::Above(bound) => number(value).filter(|number| !number.is_nan())? > *bound,
        Condition::Below(bound) => number(value).filter(|number| !number.is_nan())? < *bound,
        Condition::Equals(class) => Class::of(value)? == *class,
    })
}

/// A number, or text that is one; a truth value is 0 or 1.
pub(super) fn number(value: &LooseValue<'_>) -> Option<f64> {
    match value {
        LooseValue::Number(number) => Some(*number),
        LooseValue::Bool(truth) => Some(f64::from(u8::from(*truth))),
        LooseValue::Text(text) => text.trim().parse().ok(),
        LooseValue::Missing | LooseValue::Nested => None,
    }
}
