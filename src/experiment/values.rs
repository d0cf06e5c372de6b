//! What an event says to an experiment: its arm, its unit, what it contributes.
//!
//! Promises: values become whole numbers here, by the value and the metric alone.
//! What is of the wrong type, or no number, is [`Reading::Invalid`] and counted; what
//! an event does not carry is no value.

use std::borrow::Cow;

use super::{
    quantiles,
    settings::{
        ArmSource, Condition, Covariate, ExperimentSettings, Loss, MetricSettings, MetricValue, Statistic,
        UnitSource,
    },
    sums::Unit,
};
use crate::{
    decode::{Envelope, FieldSource, LooseValue, field, loose_value, member},
    event::Message,
    profile::row_hash,
    result::UNNAMED,
};

/// Channels of a metric, at most: a value and eight covariates.
pub(super) const MOST_CHANNELS: usize = 9;
/// Probabilities of a logarithmic loss are kept so far away from 0 and 1.
const CLIP: f64 = 1e-15;

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
    /// One number per channel, in the channels' units.
    Values(Channels),
}

/// Numbers of the channels of a metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Channels {
    numbers: [i64; MOST_CHANNELS],
    count: usize,
}

impl Reading {
    /// The first channel of what can be used.
    pub(super) fn first(self) -> Option<i64> {
        match self {
            Self::Values(channels) => Some(channels.first()),
            Self::Absent | Self::Invalid => None,
        }
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
        Self { numbers, count: 1 }
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

/// A label, or a predicted class, as what it is compared by.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize, serde::Deserialize)]
pub(super) struct Outcome {
    /// As a number, where it is one; a truth value is 0 or 1.
    pub(super) number: Option<f64>,
    /// Hash of it as a word.
    pub(super) word: u64,
}

/// The units of a metric's channels.
pub(super) fn units(metric: &MetricSettings) -> Vec<Unit> {
    let second = matches!(metric.statistic, Statistic::Ratio(_)).then_some(Unit::COARSE);
    let covariates = metric.covariates.iter().map(|_| Unit::COARSE);
    std::iter::once(first_unit(metric)).chain(second).chain(covariates).collect()
}

/// The unit of a metric's values, without a list of all: every event asks for it.
pub(super) fn first_unit(metric: &MetricSettings) -> Unit {
    match (&metric.statistic, &metric.value) {
        (Statistic::Quantile(_) | Statistic::Rate(_), _) | (_, MetricValue::Loss(Loss::Correct)) => {
            Unit::WHOLE
        }
        (_, MetricValue::Loss(Loss::Brier | Loss::LogLoss)) => Unit::FINE,
        _ => Unit::COARSE,
    }
}

impl EventView<'_, '_> {
    /// The place of the event's arm among the experiment's.
    pub(super) fn arm(&self, settings: &ExperimentSettings) -> Option<usize> {
        let position = |name: &str| settings.arms.iter().position(|arm| arm == name);
        let named = |name: &str| position(if name.is_empty() { UNNAMED } else { name });
        match &settings.arm {
            ArmSource::Variant => named(&self.envelope.variant),
            ArmSource::Version => named(&self.envelope.version),
            ArmSource::Field(source) => match field(self.message, self.topic, source) {
                Some(LooseValue::Text(text)) => named(&text),
                Some(LooseValue::Number(number)) => position(&number.to_string()),
                Some(LooseValue::Bool(truth)) => position(if truth { "true" } else { "false" }),
                // A field that is not there names no arm, as a variant that is not.
                Some(LooseValue::Missing) | None => position(UNNAMED),
                Some(LooseValue::Nested) => None,
            },
        }
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
            UnitSource::Field(source) => match field(self.message, self.topic, source)? {
                LooseValue::Text(text) if !text.is_empty() => Some(row_hash(text.as_bytes())),
                LooseValue::Number(number) => Some(row_hash(number.to_string().as_bytes())),
                _ => None,
            },
        }
    }

    /// Hash of the event's id.
    pub(super) fn id(&self) -> Option<u64> {
        self.envelope.id.as_deref().map(|id| row_hash(id.as_bytes()))
    }

    /// The label.
    pub(super) fn label(&self) -> Option<Outcome> {
        outcome(&loose_value(self.envelope.label.as_deref()?)?)
    }

    /// The prediction, where it is a number.
    pub(super) fn score(&self) -> Option<f64> {
        let raw = self.envelope.prediction.as_deref()?;
        number(&loose_value(raw)?)
    }

    /// The predicted class.
    pub(super) fn class(&self) -> Option<Outcome> {
        let has_own = self.envelope.prediction_class.is_some();
        let value = self.class_value()?;
        // A number alone is a score.
        let is_class = has_own || self.score().is_none() || matches!(value, LooseValue::Text(_));
        outcome(&value).filter(|_| is_class)
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
                .and_then(|per| Unit::COARSE.count(per))
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

    /// A covariate in its unit.
    pub(super) fn covariate(&self, covariate: &Covariate) -> Option<i64> {
        let value = match covariate {
            Covariate::Prediction => self.score()?,
            Covariate::Feature(name) => {
                let features = self.envelope.features?;
                number(&loose_value(member(features, name)?)?)?
            }
            Covariate::Field(source) => number(&field(self.message, self.topic, source)?)?,
        };
        Unit::COARSE.count(value)
    }
}

/// The first channel of a metric of this value.
fn first_channel(metric: &MetricSettings, value: &LooseValue<'_>) -> Reading {
    if matches!(value, LooseValue::Missing) {
        return Reading::Absent;
    }
    let unit = match &metric.statistic {
        Statistic::Rate(condition) => {
            let meets = meets(condition, value);
            return meets.map_or(Reading::Invalid, |meets| Reading::Values(Channels::new(i64::from(meets))));
        }
        Statistic::Quantile(_) => {
            let bin = number(value).map(|number| capped(metric, number)).and_then(quantiles::bin);
            return bin.map_or(Reading::Invalid, |bin| Reading::Values(Channels::new(i64::from(bin))));
        }
        Statistic::Mean | Statistic::Ratio(_) => first_unit(metric),
    };
    let counted = number(value).and_then(|number| unit.count(capped(metric, number)));
    counted.map_or(Reading::Invalid, |number| Reading::Values(Channels::new(number)))
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
        Condition::Equals(word) => outcome(value)?.word == outcome(&LooseValue::Text(word.into()))?.word,
    })
}

/// A number, or text that is one; a truth value is 0 or 1.
fn number(value: &LooseValue<'_>) -> Option<f64> {
    match value {
        LooseValue::Number(number) => Some(*number),
        LooseValue::Bool(truth) => Some(f64::from(u8::from(*truth))),
        LooseValue::Text(text) => text.trim().parse().ok(),
        LooseValue::Missing | LooseValue::Nested => None,
    }
}

fn outcome(value: &LooseValue<'_>) -> Option<Outcome> {
    let number = number(value).filter(|number| number.is_finite());
    let word: Cow<'_, str> = match (number, value) {
        // 1, 1.0, "1" and true are the same class, and so are 0 and -0.
        (Some(number), _) => (number + 0.0).to_string().into(),
        (None, LooseValue::Text(text)) => Cow::Borrowed(text),
        _ => return None,
    };
    Some(Outcome { number, word: row_hash(word.as_bytes()) })
}

/// What a label of 0 or 1 says; nothing of another one.
fn truth_of(label: f64) -> Option<bool> {
    [(0.0, false), (1.0, true)]
        .into_iter()
        .find(|(number, _)| (label + 0.0).total_cmp(number).is_eq())
        .map(|(_, truth)| truth)
}

/// What a prediction and its label contribute to a metric.
pub(super) fn labelled(
    metric: &MetricSettings,
    (score, class): (Option<f64>, Option<Outcome>),
    label: Outcome,
) -> Reading {
    let of = |number: Option<f64>| match number {
        Some(number) => first_channel(metric, &LooseValue::Number(number)),
        None => Reading::Invalid,
    };
    match &metric.value {
        MetricValue::Label => match (&metric.statistic, label.number) {
            (Statistic::Rate(Condition::Equals(word)), _) => {
                let word = outcome(&LooseValue::Text(word.into())).map(|outcome| outcome.word);
                Reading::Values(Channels::new(i64::from(word == Some(label.word))))
            }
            (_, number) => of(number),
        },
        MetricValue::Loss(loss) => {
            let truth = label.number.and_then(truth_of);
            let is_binary = truth.is_some();
            let is_share = score.is_some_and(|score| (0.0..=1.0).contains(&score));
            match loss {
                Loss::Correct => {
                    let by_half = score.filter(|_| is_share && is_binary).map(|score| score >= 0.5);
                    let correct = match (class, by_half) {
                        (Some(class), _) => Some(class.word == label.word),
                        (None, Some(one)) => Some(truth == Some(one)),
                        (None, None) => None,
                    };
                    correct.map_or(Reading::Invalid, |is| Reading::Values(Channels::new(i64::from(is))))
                }
                Loss::Brier | Loss::LogLoss if !(is_binary && is_share) => Reading::Invalid,
                Loss::Brier => of(score.zip(label.number).map(|(score, label)| (score - label).powi(2))),
                Loss::LogLoss => of(score.zip(label.number).map(|(score, label)| {
                    let given = if label > 0.5 { score } else { 1.0 - score };
                    -given.clamp(CLIP, 1.0 - CLIP).ln()
                })),
                Loss::AbsoluteError => {
                    of(score.zip(label.number).map(|(score, label)| (score - label).abs()))
                }
                Loss::SquaredError => {
                    of(score.zip(label.number).map(|(score, label)| (score - label).powi(2)))
                }
            }
        }
        _ => Reading::Absent,
    }
}
