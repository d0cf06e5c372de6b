//! What is said of explanations at the end of a replay.

use std::collections::BTreeMap;

use super::*;
use crate::result::{
    AttributionDrift, ExplainMethod, FeatureAttribution, FeatureAttributionDrift, OutputExplanation,
    Provenance, WindowExplanation,
};

/// A feature with this share, and by how much that differs from the reference's.
fn attribution(feature: &str, share: f64, change: Option<f64>) -> FeatureAttribution {
    let drift = FeatureAttributionDrift {
        verdict: Verdict::Stable,
        reference_mean_abs: 1.0,
        reference_share: Some(0.2),
        ks: 0.1,
        ks_noise: 0.2,
        jensen_shannon: 0.1,
        jensen_shannon_noise: 0.2,
        share_change: change,
    };
    FeatureAttribution {
        feature: feature.to_owned(),
        mean_abs: 1.0,
        mean: 0.0,
        share: Some(share),
        standard_error: 0.0,
        row_standard_error: None,
        noise_floor: 0.0,
        p05: 0.0,
        p50: 0.0,
        p95: 0.0,
        rank: 1,
        drift: change.map(|_| drift),
    }
}

fn explained(hour: i64, name: &str, features: Vec<FeatureAttribution>) -> WindowExplanation {
    let WindowResult { stream, window, start, end, events, .. } = window(hour, Vec::new(), &[]);
    let drift = AttributionDrift {
        verdict: Verdict::Drifted,
        reference_rows: 500,
        ndcg: 0.9,
        ndcg_noise: 0.95,
        ndcg_verdict: Verdict::Drifted,
        total_variation: 0.1,
        total_variation_noise: 0.05,
        total_variation_verdict: Verdict::Drifted,
    };
    WindowExplanation {
        stream,
        window,
        start,
        end,
        events,
        provenance: Provenance {
            method: ExplainMethod::Surrogate,
            model_kind: name.to_owned(),
            model_id: String::new(),
            background_id: String::new(),
            background_rows: 100,
            evaluations: 1,
            surrogate_r2: Some(0.8),
            surrogate_mae: None,
        },
        rows: 500,
        rows_given_up: 3,
        rows_unusable: 0,
        outputs: vec![OutputExplanation {
            output: name.to_owned(),
            space: "log_odds".to_owned(),
            base_value: -4.7,
            features,
            drift: Some(drift),
            ..OutputExplanation::default()
        }],
    }
}

fn told(windows: &[WindowExplanation], terminal: Terminal) -> String {
    let mut why = Why::default();
    for window in windows {
        why.add(window);
    }
    why.render(terminal)
}

/// Windows with names that are too long.
pub(super) fn long(name: &str, terminal: Terminal) -> String {
    let windows: Vec<_> =
        (0..3).map(|hour| explained(hour, name, vec![attribution(name, 0.25, Some(0.05))])).collect();
    told(&windows, terminal)
}

/// The cells of a feature's row by their heads; no cell has a blank in it but times.
fn row(text: &str, feature: &str) -> BTreeMap<String, String> {
    let cells = |line: &str| -> Vec<String> {
        line.split("  ").map(|cell| cell.trim().to_owned()).filter(|cell| !cell.is_empty()).collect()
    };
    let line = |start: &str| text.lines().find(|line| line.trim_start().starts_with(start));
    let heads = cells(line("feature ").expect("a head"));
    heads.into_iter().zip(cells(line(feature).expect("a row"))).collect()
}

#[test]
fn what_was_not_compared_was_not_furthest() {
    let window = |hour, share, change| explained(hour, "default", vec![attribution("age", share, change)]);
    let of = |windows: &[WindowExplanation]| {
        let row = row(&told(windows, PIPE), "age");
        [row["furthest"].clone(), row["on"].clone()]
    };
    let furthest = of(&[window(0, 0.5, Some(-0.3)), window(1, 0.25, Some(0.05)), window(2, 0.9, None)]);
    assert_eq!(furthest, ["50.0%", "2026-01-01 01:00"]);
    let none = of(&[window(0, 0.5, None), window(1, 0.25, None)]);
    assert_eq!(none, ["-", "-"]);
}

#[test]
fn a_narrow_terminal_leaves_out_when_it_was_furthest() {
    let windows = [explained(0, "default", vec![attribution("annual_income_before_tax", 0.5, Some(0.3))])];
    let heads = |width| {
        let text = told(&windows, Terminal { width, ..PIPE });
        row(&text, "annual").into_keys().collect::<Vec<_>>()
    };
    assert!(heads(100).contains(&"on".to_owned()));
    assert!(!heads(80).contains(&"on".to_owned()) && heads(80).contains(&"shifted".to_owned()));
}
