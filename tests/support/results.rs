//! Window results to write, made up.

use driftline::{
    event::EventTime,
    result::{
        BinShare, Check, ChiSquare, ColumnKind, ComparedFeature, Comparison, DomainResult, Evidence,
        FeatureResult, FeatureShare, Finding, Ks, MultivariateResult, NamedCount, NoisePoints,
        NumericSummary, ReconstructionResult, Scores, SegmentResult, StreamKey, Verdict, WindowResult,
    },
};

/// 2026-01-01T00:00:00Z.
pub const NEW_YEAR_MS: i64 = 1_767_225_600_000;
const HOUR_MS: i64 = 3_600_000;

/// A numeric column with every score.
pub fn numeric(feature: &str, psi: f64) -> FeatureResult {
    FeatureResult {
        n: 1_000,
        valid: 990,
        missing_share: Some(0.01),
        invalid_share: Some(0.0),
        unseen_share: Some(0.002),
        verdict: Verdict::Stable,
        summary: Some(NumericSummary {
            mean: 41.5,
            std_dev: Some(12.25),
            min: 18.0,
            max: 97.0,
            p05: 21.0,
            p25: 32.0,
            p50: 40.0,
            p75: 51.0,
            p95: 66.0,
        }),
        scores: Some(Scores {
            psi,
            ks: Some(Ks { statistic: 0.0625, error_bound: 0.0, p_value: 0.125 }),
            wasserstein: Some(0.03),
            jensen_shannon: 0.02,
            hellinger: 0.015,
            total_variation: 0.04,
            l_infinity: 0.01,
            chi_square: Some(ChiSquare { statistic: 11.5, degrees_of_freedom: 9, p_value: 0.25 }),
        }),
        bins: (0..10)
            .map(|bin| BinShare { label: format!("[{bin}0, {}0)", bin + 1), reference: 0.1, window: 0.1 })
            .collect(),
        noise: Some(NoisePoints {
            psi: Some(0.04),
            ks: Some(0.07),
            wasserstein: Some(0.1),
            jensen_shannon: Some(0.05),
            hellinger: Some(0.05),
            total_variation: Some(0.05),
            l_infinity: Some(0.03),
            chi_square: Some(27.9),
        }),
        effect: Some(psi / 2.0),
        effective_n: Some(900.0),
        quality: vec![Finding {
            check: Check::Missing,
            verdict: Verdict::Drifted,
            value: Some(0.01),
            reference: Some(0.001),
            noise_low: Some(0.0),
            noise_high: Some(0.004),
            effect: Some(10.0),
            detail: "missing: 0.1 % → 1.0 %".to_owned(),
        }],
        ..FeatureResult::empty(feature, ColumnKind::Numeric)
    }
}

/// A categorical column with scores and a category that the reference lacks.
pub fn categorical(feature: &str, psi: f64) -> FeatureResult {
    let bin = |label: &str, reference, window| BinShare { label: label.to_owned(), reference, window };
    let mut column = numeric(feature, psi);
    column.kind = ColumnKind::Categorical;
    column.summary = None;
    if let Some(scores) = &mut column.scores {
        (scores.ks, scores.wasserstein) = (None, None);
    }
    if let Some(noise) = &mut column.noise {
        (noise.ks, noise.wasserstein) = (None, None);
    }
    column.bins = vec![bin("Direct", 0.5, 0.375), bin("Online TA", 0.5, 0.5), bin("other", 0.0, 0.125)];
    column.unseen = vec![NamedCount { name: "Fax, \"old\"".to_owned(), count: 12 }];
    column
}

/// A column of which the window has too few values to say anything.
pub fn insufficient(feature: &str) -> FeatureResult {
    let mut column = numeric(feature, 0.0);
    column.n = 0;
    column.valid = 0;
    (column.missing_share, column.invalid_share, column.unseen_share) = (None, None, None);
    column.verdict = Verdict::Insufficient;
    column.summary = None;
    (column.scores, column.noise, column.effect, column.effective_n) = (None, None, None, None);
    column
}

/// The window of `model` that ends `hour` hours into 2026.
pub fn window(model: &str, hour: i64, features: Vec<FeatureResult>) -> WindowResult {
    let end = NEW_YEAR_MS + hour * HOUR_MS;
    let stream = StreamKey { model: model.to_owned(), version: "v1".to_owned(), variant: "none".to_owned() };
    let evidence = features.iter().map(|column| Evidence {
        feature: column.feature.clone(),
        segment: None,
        log10: 4.5,
        threshold: 4.25,
        alarm: true,
        effect: Some(0.25),
        verdict: Verdict::Drifted,
        windows: 12,
    });
    let compared = features.iter().map(|column| ComparedFeature {
        feature: column.feature.clone(),
        verdict: Verdict::Shifted,
        reference_n: 900,
        psi: Some(0.06),
        noise: Some(0.05),
        effect: Some(0.03),
    });
    let carrier = || vec![FeatureShare { feature: "age".to_owned(), share: 0.75 }];
    WindowResult {
        several: Some(MultivariateResult {
            verdict: Verdict::Drifted,
            reference_rows: 2_000,
            window_rows: 256,
            reconstruction: Some(ReconstructionResult {
                verdict: Verdict::Stable,
                reference_error: 0.4,
                window_error: 0.41,
                noise_low: 0.36,
                noise_high: 0.45,
                effect: 1.025,
                features: Vec::new(),
            }),
            domain: Some(DomainResult {
                verdict: Verdict::Drifted,
                auc: 0.625,
                low: 0.59,
                high: 0.66,
                noise_point: 0.56,
                effect: 0.125,
                features: carrier(),
            }),
        }),
        events: 1_000,
        labels: 20,
        reference_rows: 50_000,
        evidence: evidence.collect(),
        comparisons: vec![Comparison {
            reference: "previous".to_owned(),
            detail: String::new(),
            features: compared.collect(),
        }],
        segments: vec![SegmentResult {
            feature: "country".to_owned(),
            value: "DE".to_owned(),
            events: 400,
            features: features.clone(),
        }],
        features,
        ..WindowResult::empty(stream, "1h", EventTime(end - HOUR_MS), EventTime(end))
    }
}

/// A result whose only point is the one of its window, told apart by `hour`.
pub fn bare_window(hour: i64) -> WindowResult {
    WindowResult { several: None, segments: Vec::new(), ..window("credit", hour, Vec::new()) }
}
