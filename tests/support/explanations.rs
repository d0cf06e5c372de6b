//! Explanations to write, made up.

use driftline::{
    event::EventTime,
    result::{
        AttributionDrift, EventAttribution, EventExplanation, EventOutput, EventWindow, ExplainMethod,
        FeatureAttribution, FeatureAttributionDrift, FeatureValue, LoggedGap, OutputExplanation, Provenance,
        StreamKey, Verdict, WindowExplanation,
    },
};

const HOUR_MS: i64 = 3_600_000;

fn stream(model: &str) -> StreamKey {
    StreamKey { model: model.to_owned(), version: "v1".to_owned(), variant: "none".to_owned() }
}

fn provenance() -> Provenance {
    Provenance {
        method: ExplainMethod::Permutation,
        model_kind: "kserve_v1".to_owned(),
        model_id: "00c0ffee00c0ffee".to_owned(),
        background_id: "0badcafe0badcafe".to_owned(),
        background_rows: 100,
        evaluations: 164_000,
        surrogate_r2: None,
        surrogate_mae: None,
    }
}

/// A feature that counts for `share` of the output, and counted for half of it.
fn attribution(feature: &str, share: f64, rank: u64) -> FeatureAttribution {
    FeatureAttribution {
        feature: feature.to_owned(),
        mean_abs: 2.0 * share,
        mean: -0.125,
        share: Some(share),
        standard_error: 0.03,
        row_standard_error: Some(0.01),
        noise_floor: 0.008,
        p05: -3.0 * share,
        p50: -0.1,
        p95: 2.5 * share,
        rank,
        drift: Some(FeatureAttributionDrift {
            verdict: Verdict::Drifted,
            reference_mean_abs: 1.0,
            reference_share: Some(0.5),
            ks: 0.375,
            ks_noise: 0.19,
            jensen_shannon: 0.31,
            jensen_shannon_noise: 0.17,
            share_change: Some(share - 0.5),
        }),
    }
}

/// The window of `model` that ends at `end_ms`, with one output and a feature of
/// each name, the most important first.
pub fn explanation(model: &str, end_ms: i64, features: [&str; 2]) -> WindowExplanation {
    let [first, second] = features;
    WindowExplanation {
        stream: stream(model),
        window: "1h".to_owned(),
        start: EventTime(end_ms - HOUR_MS),
        end: EventTime(end_ms),
        events: 1_000,
        provenance: provenance(),
        rows: 200,
        rows_given_up: 50,
        rows_unusable: 6,
        outputs: vec![OutputExplanation {
            output: "default".to_owned(),
            space: "log_odds".to_owned(),
            base_value: -1.5,
            base_value_se: 0.08,
            mean_output: -1.25,
            additivity_residual: 4e-15,
            features: vec![attribution(first, 0.75, 1), attribution(second, 0.25, 2)],
            drift: Some(AttributionDrift {
                verdict: Verdict::Drifted,
                reference_rows: 500,
                ndcg: 0.875,
                ndcg_noise: 0.96,
                ndcg_verdict: Verdict::Shifted,
                total_variation: 0.25,
                total_variation_noise: 0.09,
                total_variation_verdict: Verdict::Drifted,
            }),
            logged: Some(LoggedGap { rows: 194, median: 0.0, p95: 0.02, tolerance: 1e-4, share: 0.0625 }),
        }],
    }
}

/// As [`explanation`], by a surrogate, and without enough rows for a verdict.
pub fn by_a_surrogate(model: &str, end_ms: i64, features: [&str; 2]) -> WindowExplanation {
    let mut explanation = explanation(model, end_ms, features);
    explanation.provenance.method = ExplainMethod::Surrogate;
    explanation.provenance.surrogate_r2 = Some(0.9375);
    explanation.provenance.surrogate_mae = Some(0.02);
    for output in &mut explanation.outputs {
        (output.drift, output.logged) = (None, None);
        for feature in &mut output.features {
            (feature.drift, feature.row_standard_error, feature.noise_floor) = (None, None, 0.0);
        }
    }
    explanation
}

/// An event of an alert in the window of `model` that ends at `end_ms`: the
/// first feature has a number, the second a category, and a third is missing.
pub fn explained_event(model: &str, end_ms: i64, features: [&str; 2]) -> EventExplanation {
    let [first, second] = features;
    let attribution = |feature: &str, value, attribution| EventAttribution {
        feature: feature.to_owned(),
        value,
        attribution,
        standard_error: Some(0.01),
    };
    EventExplanation {
        stream: stream(model),
        event: "00000000deadbeef".to_owned(),
        window: Some(EventWindow {
            window: "1h".to_owned(),
            start: EventTime(end_ms - HOUR_MS),
            end: EventTime(end_ms),
            rank: 1,
        }),
        provenance: Provenance { evaluations: 820, ..provenance() },
        outputs: vec![EventOutput {
            output: "default".to_owned(),
            space: "log_odds".to_owned(),
            base_value: -1.5,
            value: 1.25,
            prediction: 0.777_299_861,
            logged: Some(0.777),
            additivity_residual: 2e-16,
            features: vec![
                attribution(first, Some(FeatureValue::Number(12_500.0)), 2.5),
                attribution(second, Some(FeatureValue::Category("Fax, \"old\"".to_owned())), 0.5),
                attribution("age", None, -0.25),
            ],
        }],
    }
}
