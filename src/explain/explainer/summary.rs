//! From the explained rows of a window to what is said of it.

use std::sync::Arc;

use super::{ExplainedOutput, Explainer, RowExplanation, RowOutput, logged};
use crate::{
    event::EventTime,
    explain::AttributionJudge,
    result::{ExplainMethod, FeatureAttribution, OutputExplanation, StreamKey, WindowExplanation},
};

/// Mean of the absolute value of a standard normal variable, √(2/π).
const MEAN_ABSOLUTE_NORMAL: f64 = 0.797_884_560_802_865_4;

/// What is known of a window beside its explained rows.
#[derive(Debug, Clone, PartialEq)]
pub struct WindowFrame {
    /// Whose window it is.
    pub stream: StreamKey,
    /// The window's length and slide as a tag.
    pub window: String,
    /// Start of the window, inclusive.
    pub start: EventTime,
    /// End of the window, exclusive.
    pub end: EventTime,
    /// Rows counted in the window.
    pub events: u64,
    /// Rows of the sample that the budget did not allow.
    pub rows_given_up: u64,
    /// Rows of the sample that could not be explained.
    pub rows_unusable: u64,
    /// So many sampled rows carry the information of one independent row.
    pub design_effect: f64,
}

/// Sums rows up, window by window, and compares them with the reference's.
///
/// Keeps the noise points of sizes that it met; what it says depends on nothing
/// else that it met before.
#[derive(Debug)]
pub struct Summarizer {
    explainer: Arc<Explainer>,
    /// Per output; `None` without enough rows of the reference.
    judges: Vec<Option<AttributionJudge>>,
}

impl Summarizer {
    /// Without attributions of the reference: windows are not compared.
    #[must_use]
    pub fn new(explainer: Arc<Explainer>) -> Self {
        let judges = explainer.outputs.iter().map(|_| None).collect();
        Self { explainer, judges }
    }

    /// Compares windows from now on with these rows of the reference, in any
    /// order, which [`Explainer::explain_row`] made of
    /// [`Explainer::reference_rows`].
    pub fn set_reference(&mut self, mut rows: Vec<RowExplanation>) {
        sort(&mut rows);
        let effects = self.explainer.settings.effects;
        for (output, judge) in self.judges.iter_mut().enumerate() {
            *judge = AttributionJudge::new(&of_output(&rows, output), effects);
        }
    }

    /// What the rows of a window say, in whatever order they come.
    #[must_use]
    pub fn summarize(&mut self, frame: WindowFrame, mut rows: Vec<RowExplanation>) -> WindowExplanation {
        sort(&mut rows);
        let explainer = &self.explainer;
        // An estimate among exact rows makes the window an estimate.
        let method = if rows.iter().any(|row| row.method == ExplainMethod::Permutation) {
            ExplainMethod::Permutation
        } else {
            rows.first().map_or(explainer.usual_method(), |row| row.method)
        };
        let evaluations = rows.iter().map(|row| row.evaluations).sum();
        let outputs = explainer.outputs.iter().zip(&mut self.judges).enumerate();
        let outputs = outputs.filter_map(|(place, (output, judge))| {
            summarize_output(explainer, (output, place), judge, &rows, frame.design_effect)
        });
        WindowExplanation {
            outputs: outputs.collect(),
            provenance: explainer.provenance(method, evaluations),
            stream: frame.stream,
            window: frame.window,
            start: frame.start,
            end: frame.end,
            events: frame.events,
            rows: rows.len() as u64,
            rows_given_up: frame.rows_given_up,
            rows_unusable: frame.rows_unusable,
        }
    }
}

/// One order of rows whatever the threads were that explained them.
fn sort(rows: &mut [RowExplanation]) {
    let bits = |row: &RowExplanation| {
        let attributions = row.outputs.iter().flat_map(|output| &output.attributions);
        attributions.map(|value| value.to_bits()).collect::<Vec<_>>()
    };
    rows.sort_by(|a, b| a.hash.cmp(&b.hash).then_with(|| bits(a).cmp(&bits(b))));
}

fn of_output(rows: &[RowExplanation], output: usize) -> Vec<&[f64]> {
    let outputs = rows.iter().filter_map(|row| row.outputs.get(output));
    outputs.map(|output| output.attributions.as_slice()).collect()
}

/// `None` without rows.
fn summarize_output(
    explainer: &Explainer,
    (output, place): (&ExplainedOutput, usize),
    judge: &mut Option<AttributionJudge>,
    rows: &[RowExplanation],
    design_effect: f64,
) -> Option<OutputExplanation> {
    let explained: Vec<&RowOutput> = rows.iter().filter_map(|row| row.outputs.get(place)).collect();
    let mean_output = mean(explained.iter().map(|row| row.value))?;
    let mut features: Vec<FeatureAttribution> = explainer
        .inputs
        .features()
        .enumerate()
        .filter_map(|(feature, name)| summarize_feature(name, feature, &explained, design_effect))
        .collect();
    let total: f64 = features.iter().map(|feature| feature.mean_abs).sum();
    for feature in &mut features {
        feature.share = (total > 0.0).then(|| feature.mean_abs / total);
    }
    let judged = judge.as_mut().and_then(|judge| judge.judge(&of_output(rows, place), design_effect));
    let (drift, of_features) = judged.map(|judged| (judged.drift, judged.features)).unzip();
    for (feature, drift) in features.iter_mut().zip(of_features.into_iter().flatten()) {
        feature.drift = Some(drift);
    }
    features.sort_by(|a, b| b.mean_abs.total_cmp(&a.mean_abs));
    for (feature, rank) in features.iter_mut().zip(1..) {
        feature.rank = rank;
    }
    let tolerance = explainer.logged.as_ref().map_or(0.0, |logged| logged.tolerance);
    let pairs = explained.iter().filter_map(|row| Some(row.prediction).zip(row.logged));
    Some(OutputExplanation {
        output: output.name.clone(),
        space: explainer.info().link.raw_space().to_owned(),
        base_value: output.base_value,
        base_value_se: output.base_value_se,
        mean_output,
        additivity_residual: explained.iter().map(|row| row.residual).fold(0.0, f64::max),
        features,
        drift,
        logged: logged::gap(pairs, tolerance),
    })
}

#[expect(clippy::cast_precision_loss, reason = "rows in memory are few")]
fn summarize_feature(
    name: &str,
    feature: usize,
    rows: &[&RowOutput],
    design_effect: f64,
) -> Option<FeatureAttribution> {
    let mut values: Vec<f64> = rows.iter().filter_map(|row| row.attributions.get(feature).copied()).collect();
    let mean_value = mean(values.iter().copied())?;
    let mean_abs = mean(values.iter().map(|value| value.abs()))?;
    let count = values.len() as f64;
    let squares: f64 = values.iter().map(|value| (value.abs() - mean_abs) * (value.abs() - mean_abs)).sum();
    let fewer = if design_effect.is_finite() { design_effect.max(1.0) } else { 1.0 };
    // Exact rows among estimates have an error of 0.
    let is_estimate = rows.iter().any(|row| !row.standard_errors.is_empty());
    let errors = rows.iter().map(|row| row.standard_errors.get(feature).copied().unwrap_or(0.0));
    let row_standard_error = if is_estimate { mean(errors) } else { None };
    values.sort_unstable_by(f64::total_cmp);
    Some(FeatureAttribution {
        feature: name.to_owned(),
        mean_abs,
        mean: mean_value,
        share: None,
        standard_error: (squares / (count - 1.0).max(1.0) / count * fewer).sqrt(),
        row_standard_error,
        noise_floor: MEAN_ABSOLUTE_NORMAL * row_standard_error.unwrap_or(0.0),
        p05: quantile(&values, 0.05)?,
        p50: quantile(&values, 0.5)?,
        p95: quantile(&values, 0.95)?,
        rank: 0,
        drift: None,
    })
}

fn mean(values: impl Iterator<Item = f64>) -> Option<f64> {
    let (sum, count) = values.fold((0.0, 0.0), |(sum, count), value| (sum + value, count + 1.0));
    (count > 0.0).then(|| sum / count)
}

/// A quantile of numbers in ascending order, between neighbours by a straight
/// line (definition 7 of Hyndman and Fan, "Sample quantiles in statistical
/// packages", 1996). `None` of no numbers.
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a place in a list in memory"
)]
pub(super) fn quantile(sorted: &[f64], share: f64) -> Option<f64> {
    let place = share * (sorted.len().checked_sub(1)?) as f64;
    let lower = sorted.get(place.floor() as usize)?;
    let upper = sorted.get(place.ceil() as usize)?;
    Some(lower + (upper - lower) * place.fract())
}
