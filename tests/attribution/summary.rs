//! What the explained rows of a window say together.

use std::sync::Arc;

use driftline::{
    event::EventTime,
    explain::{ExplainSettings, Explainer, RowExplanation, Summarizer, WindowFrame},
    reference::Reference,
    result::{ExplainMethod, LoggedGap, StreamKey, Verdict, WindowExplanation},
};

use crate::world::{cells, explainer, guests, inputs_of, margin, model, reference, sigmoid};

type Guest = (f64, f64, Option<&'static str>, bool);

fn frame() -> WindowFrame {
    WindowFrame {
        stream: StreamKey { model: "guests".into(), version: "1".into(), variant: "none".into() },
        window: "1h".into(),
        start: EventTime(0),
        end: EventTime(3_600_000),
        events: 5_000,
        rows_given_up: 3,
        rows_unusable: 2,
        design_effect: 1.0,
    }
}

fn rows(
    explainer: &Explainer,
    reference: &Reference,
    guests: &[Guest],
    logged: impl Fn(&[f64]) -> f64,
) -> Vec<RowExplanation> {
    let guests = (1_000..).zip(guests);
    guests
        .map(|(hash, guest)| {
            let row = cells(reference, *guest, logged(&inputs_of(*guest)));
            explainer.explain_row(hash, &row).unwrap()
        })
        .collect()
}

fn settings() -> ExplainSettings {
    ExplainSettings { background_rows: 40, reference_rows: 300, ..ExplainSettings::defaults(false) }
}

fn usual(row: &[f64]) -> f64 {
    sigmoid(margin(row))
}

/// A summarizer with the reference's attributions, in reverse.
fn summarizer(reference: &Reference) -> (Arc<Explainer>, Summarizer) {
    let explainer = Arc::new(explainer(model(), reference, settings()));
    let explained =
        explainer.reference_rows().map(|(hash, cells)| explainer.explain_row(hash, cells).unwrap());
    let mut explained: Vec<_> = explained.collect();
    explained.reverse();
    let mut summarizer = Summarizer::new(Arc::clone(&explainer));
    summarizer.set_reference(explained);
    (explainer, summarizer)
}

fn summary(guests: &[Guest], logged: impl Fn(&[f64]) -> f64) -> WindowExplanation {
    let reference = reference(600, usual);
    let (explainer, mut summarizer) = summarizer(&reference);
    summarizer.summarize(frame(), rows(&explainer, &reference, guests, logged))
}

#[test]
fn a_window_like_the_reference_is_stable_and_says_what_it_rests_on() {
    let summary = summary(&guests(200, 5), usual);
    assert_eq!((summary.rows, summary.rows_given_up, summary.rows_unusable), (200, 3, 2));
    assert_eq!(summary.events, 5_000);
    let provenance = &summary.provenance;
    assert_eq!((provenance.method, provenance.background_rows), (ExplainMethod::Enumeration, 40));
    assert!(provenance.evaluations > 200 * 40);
    let output = &summary.outputs[0];
    let drift = output.drift.as_ref().unwrap();
    assert_eq!((drift.verdict, drift.reference_rows), (Verdict::Stable, 300));
    assert!(output.additivity_residual < 1e-9);
    assert!(output.base_value_se > 0.0);
    let shares: f64 = output.features.iter().map(|feature| feature.share.unwrap()).sum();
    assert!((shares - 1.0).abs() < 1e-12);
    for (feature, rank) in output.features.iter().zip(1..) {
        assert_eq!(feature.rank, rank);
        assert!(feature.p05 <= feature.p50 && feature.p50 <= feature.p95);
        assert!(feature.drift.as_ref().unwrap().verdict == Verdict::Stable);
        assert_eq!((feature.row_standard_error, feature.noise_floor), (None, 0.0));
    }
    assert!(output.features.is_sorted_by(|a, b| a.mean_abs >= b.mean_abs));
}

#[test]
fn numbers_of_a_feature_are_those_of_its_rows() {
    let reference = reference(600, usual);
    let (explainer, mut summarizer) = summarizer(&reference);
    let explained = rows(&explainer, &reference, &guests(101, 6), usual);
    let income: Vec<f64> = explained.iter().map(|row| row.outputs[0].attributions[1]).collect();
    let summary = summarizer.summarize(frame(), explained);
    let feature = summary.outputs[0].features.iter().find(|feature| feature.feature == "income").unwrap();
    let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
    let sizes: Vec<f64> = income.iter().map(|value| value.abs()).collect();
    let variance =
        sizes.iter().map(|size| (size - mean(&sizes)).powi(2)).sum::<f64>() / (sizes.len() - 1) as f64;
    let mut sorted = income.clone();
    sorted.sort_unstable_by(f64::total_cmp);
    assert!((feature.mean - mean(&income)).abs() < 1e-12);
    assert!((feature.mean_abs - mean(&sizes)).abs() < 1e-12);
    assert!((feature.standard_error - (variance / 101.0).sqrt()).abs() < 1e-12);
    assert_eq!((feature.p05, feature.p50, feature.p95), (sorted[5], sorted[50], sorted[95]));
}

#[test]
fn estimates_carry_their_noise() {
    let reference = reference(600, usual);
    let settings = ExplainSettings { enumerated_inputs: 1, ..settings() };
    let explainer = Arc::new(explainer(model(), &reference, settings));
    let mut summarizer = Summarizer::new(Arc::clone(&explainer));
    let explained = rows(&explainer, &reference, &guests(60, 6), usual);
    let summary = summarizer.summarize(frame(), explained);
    assert_eq!(summary.provenance.method, ExplainMethod::Permutation);
    for feature in &summary.outputs[0].features {
        let error = feature.row_standard_error.unwrap();
        assert!((feature.noise_floor - error * (2.0 / std::f64::consts::PI).sqrt()).abs() < 1e-12);
    }
    // Without the reference's attributions nothing is said of drift.
    assert_eq!(summary.outputs[0].drift, None);
    assert!(summary.outputs[0].features.iter().all(|feature| feature.drift.is_none()));
}

#[test]
fn a_window_of_other_guests_has_other_reasons() {
    let members: Vec<Guest> = guests(150, 7)
        .into_iter()
        .map(|(age, income, _, _)| (40.0 + (age - 40.0) / 8.0, income, None, true))
        .collect();
    let output = &summary(&members, usual).outputs[0];
    let drift = output.drift.as_ref().unwrap();
    assert_eq!(drift.verdict, Verdict::Drifted);
    assert_eq!(drift.total_variation_verdict, Verdict::Drifted);
    let age = output.features.iter().find(|feature| feature.feature == "age").unwrap();
    let drift = age.drift.as_ref().unwrap();
    assert_eq!(drift.verdict, Verdict::Drifted);
    assert!(drift.share_change.unwrap() < -0.05);
}

#[test]
fn the_order_of_rows_changes_nothing() {
    let reference = reference(600, usual);
    let (explainer, mut summarizer) = summarizer(&reference);
    let mut explained = rows(&explainer, &reference, &guests(80, 8), usual);
    // Two events of one id.
    explained[7].hash = explained[20].hash;
    let once = summarizer.summarize(frame(), explained.clone());
    explained.reverse();
    assert_eq!(summarizer.summarize(frame(), explained), once);
}

#[test]
fn a_window_without_rows_says_only_that() {
    let summary = summary(&[], usual);
    assert_eq!((summary.rows, summary.outputs.len()), (0, 0));
    assert_eq!(summary.provenance.method, ExplainMethod::Enumeration);
}

fn gap(of_reference: fn(&[f64]) -> f64, of_window: fn(&[f64]) -> f64) -> LoggedGap {
    let reference = reference(600, of_reference);
    let (explainer, mut summarizer) = summarizer(&reference);
    let explained = rows(&explainer, &reference, &guests(200, 9), of_window);
    summarizer.summarize(frame(), explained).outputs[0].logged.clone().unwrap()
}

#[test]
fn rounding_of_logged_predictions_is_no_gap() {
    let exact = gap(usual, usual);
    assert_eq!((exact.rows, exact.share), (200, 0.0));
    assert!(exact.p95 < 1e-12);
    let single = |row: &[f64]| f64::from(usual(row) as f32);
    assert_eq!(gap(single, single).share, 0.0);
    let digits = |row: &[f64]| format!("{:.3}", usual(row)).parse::<f64>().unwrap();
    let rounded = gap(digits, digits);
    assert_eq!(rounded.share, 0.0);
    assert!(rounded.p95 > 1e-4 && rounded.tolerance < 1e-3);
    let significant = |row: &[f64]| format!("{:.2e}", usual(row)).parse::<f64>().unwrap();
    assert_eq!(gap(significant, significant).share, 0.0);
}

#[test]
fn another_model_version_is_a_gap() {
    let other = |row: &[f64]| sigmoid(margin(row) + 0.2 * row[1]);
    let gap = gap(usual, other);
    assert!(gap.share > 0.9, "{gap:?}");
    assert!(gap.median > 10.0 * gap.tolerance);
    // A hundredth of the deviation of predictions is one, too.
    let slightly = |row: &[f64]| usual(row) + 0.004;
    assert_eq!(self::gap(usual, slightly).share, 1.0);
}
