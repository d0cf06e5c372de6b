//! How much worse a model predicts without a feature: permutation importance.
//!
//! Why: attributions say what moves the model's answers; with labels at hand, the
//! loss says what they are good for. A feature's values are shuffled over the
//! rows, and the loss rises by what the model owes to it (Breiman, "Random
//! forests", 2001; Fisher, Rudin and Dominici, "All models are wrong, but many
//! are useful", 2019).
//!
//! Promises: columns of one feature are shuffled together, so that no row has
//! two categories at once. Shuffles depend on the seed, the model, the feature's
//! place and the repeat alone, so the same bits come out with calls of any size.
//!
//! Do not read it as what a model without the feature would lose: one that is
//! trained without it may take the same from others, and features that say the
//! same share an importance that none of them shows alone. The standard error is
//! that of the shuffles; that of the rows is not in it.

use rand_chacha::{ChaCha8Rng, rand_core::SeedableRng};

use super::{asking::Asking, permutation::shuffle};
use crate::model::{Model, PredictError, Rows};

/// How wrong a prediction is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Loss {
    /// The squared error of a single output.
    Squared,
    /// The absolute error of a single output.
    Absolute,
    /// Minus the logarithm of the share that was given to the label: of a single
    /// output, which is the share of 1, or of the output with the label's number.
    /// Shares below 2.2e-16 count as that.
    LogLoss,
    /// 1 when another class than the label's has the greatest share: of a single
    /// output, when it is on the other side of a half.
    ZeroOne,
}

/// Rows with what came of them.
#[derive(Debug, Clone, Copy)]
pub struct LabelledRows<'a> {
    /// The rows, by the inputs of the model.
    pub rows: Rows<'a>,
    /// One number per row: the value, or the class counted from 0.
    pub labels: &'a [f64],
}

/// What is measured, and how often.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ImportanceSettings {
    /// How wrong a prediction is.
    pub loss: Loss,
    /// Shuffles per feature; at least one is made.
    pub repeats: u32,
    /// Of the shuffles.
    pub seed: u64,
}

/// The importance of one feature.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FeatureImportance {
    /// By how much the mean loss rises, as the mean over the repeats.
    pub increase: f64,
    /// Its standard error over the repeats; `None` of a single one.
    pub standard_error: Option<f64>,
}

/// The importance of all features.
#[derive(Debug, Clone, PartialEq)]
pub struct Importance {
    /// Mean loss of the rows as they are.
    pub loss: f64,
    /// One entry per group of inputs.
    pub features: Vec<FeatureImportance>,
    /// Rows that the model was asked about.
    pub evaluations: u64,
}

/// The importance of features, each of which is a group of inputs.
///
/// # Errors
/// When the model does not answer, or its outputs are not of the loss.
pub fn permutation_importance(
    model: &dyn Model,
    labelled: LabelledRows<'_>,
    groups: &[Vec<usize>],
    settings: &ImportanceSettings,
) -> Result<Importance, PredictError> {
    check(model, labelled, settings.loss)?;
    let mut measure = Measure { model, labelled, loss: settings.loss, evaluations: 0 };
    let mut order: Vec<usize> = (0..labelled.rows.len()).collect();
    let loss = measure.mean_loss(&order, &[])?;
    let mut features = Vec::with_capacity(groups.len());
    for (number, group) in (0_u32..).zip(groups) {
        let mut increases = Vec::new();
        for repeat in 0..settings.repeats.max(1) {
            order.clear();
            order.extend(0..labelled.rows.len());
            shuffle(&mut order, &mut random(model, settings.seed, number, repeat));
            increases.push(measure.mean_loss(&order, group)? - loss);
        }
        features.push(summed_up(&increases));
    }
    Ok(Importance { loss, features, evaluations: measure.evaluations })
}

fn random(model: &dyn Model, seed: u64, feature: u32, repeat: u32) -> ChaCha8Rng {
    let mut key = [0; 32];
    for (bytes, part) in key.chunks_exact_mut(8).zip([seed, model.info().fingerprint]) {
        bytes.copy_from_slice(&part.to_le_bytes());
    }
    let mut random = ChaCha8Rng::from_seed(key);
    random.set_stream(u64::from(feature) << 32 | u64::from(repeat));
    random
}

#[expect(clippy::cast_precision_loss, reason = "repeats are few")]
fn summed_up(increases: &[f64]) -> FeatureImportance {
    let count = increases.len() as f64;
    let increase = increases.iter().sum::<f64>() / count;
    let squares: f64 = increases.iter().map(|one| (one - increase).powi(2)).sum();
    let standard_error = (increases.len() > 1).then(|| (squares / (count - 1.0) / count).sqrt());
    FeatureImportance { increase, standard_error }
}

fn check(model: &dyn Model, labelled: LabelledRows<'_>, loss: Loss) -> Result<(), PredictError> {
    let (wanted, outputs) = (model.info().inputs, model.info().outputs);
    if labelled.rows.width() != wanted {
        return Err(PredictError::Width { wanted, given: labelled.rows.width() });
    }
    if labelled.rows.is_empty() || labelled.rows.len() != labelled.labels.len() {
        return Err(PredictError::Refused(format!(
            "{} rows with {} labels have no loss; give a label for each row",
            labelled.rows.len(),
            labelled.labels.len()
        )));
    }
    if matches!(loss, Loss::Squared | Loss::Absolute) && outputs != 1 {
        return Err(PredictError::Refused(format!(
            "it has {outputs} outputs, and squared and absolute errors are of one; use log loss or 0/1"
        )));
    }
    let is_label = |label: &f64| match loss {
        Loss::Squared | Loss::Absolute => label.is_finite(),
        Loss::LogLoss | Loss::ZeroOne => class(*label, outputs).is_some(),
    };
    match labelled.labels.iter().find(|label| !is_label(label)) {
        None => Ok(()),
        Some(label) => Err(PredictError::Refused(format!("the label {label} is none of the model's"))),
    }
}

/// The class that a label says, of a model with so many outputs.
fn class(label: f64, outputs: usize) -> Option<usize> {
    (0..outputs.max(2)).find(|class| {
        #[expect(clippy::cast_precision_loss, reason = "classes are fewer than 2^53")]
        let class = *class as f64;
        (class - label).abs() < 1e-9
    })
}

struct Measure<'a> {
    model: &'a dyn Model,
    labelled: LabelledRows<'a>,
    loss: Loss,
    evaluations: u64,
}

impl Measure<'_> {
    /// The mean loss when the inputs of `group` have the values of the rows in
    /// `order`.
    fn mean_loss(&mut self, order: &[usize], group: &[usize]) -> Result<f64, PredictError> {
        let rows = self.labelled.rows;
        let mut asking = Asking::new(self.model);
        let mut sum = 0.0;
        let link = self.model.info().link;
        let loss = self.loss;
        let mut predictions = Vec::new();
        let mut take = |label: f64, answer: &[f64]| {
            predictions.clear();
            predictions.extend_from_slice(answer);
            link.apply(&mut predictions);
            sum += loss.of(&predictions, label);
        };
        let mut mixture = Vec::with_capacity(rows.width());
        for ((row, label), other) in rows.iter().zip(self.labelled.labels).zip(order) {
            mixture.clear();
            mixture.extend_from_slice(row);
            let start = other * rows.width();
            let other = rows.values().get(start..start + rows.width()).unwrap_or_default();
            for input in group {
                if let (Some(old), Some(new)) = (mixture.get_mut(*input), other.get(*input)) {
                    *old = *new;
                }
            }
            asking.ask(mixture.iter().copied(), *label, &mut take)?;
        }
        asking.finish(&mut take)?;
        self.evaluations += asking.evaluations();
        #[expect(clippy::cast_precision_loss, reason = "rows in memory are fewer than 2^53")]
        let count = rows.len() as f64;
        Ok(sum / count)
    }
}

impl Loss {
    /// The loss of one row's predictions.
    fn of(self, predictions: &[f64], label: f64) -> f64 {
        let first = predictions.first().copied().unwrap_or(f64::NAN);
        let class = class(label, predictions.len()).unwrap_or(0);
        let shares = [1.0 - first, first];
        let shares = if predictions.len() == 1 { shares.as_slice() } else { predictions };
        let share = shares.get(class).copied().unwrap_or(0.0);
        match self {
            Self::Squared => (first - label).powi(2),
            Self::Absolute => (first - label).abs(),
            Self::LogLoss => -share.max(f64::EPSILON).ln(),
            Self::ZeroOne => {
                let is_greatest = |(other, value): (usize, &f64)| {
                    *value < share || other == class || (*value <= share && class < other)
                };
                if shares.iter().enumerate().all(is_greatest) { 0.0 } else { 1.0 }
            }
        }
    }
}
