//! What is said of attributions that have changed.

use driftline::{
    explain::{AttributionEffects, AttributionJudge, FEWEST_ATTRIBUTIONS, JudgedAttributions},
    result::Verdict,
};
use rand_chacha::ChaCha8Rng;

use crate::world::{normal, random};

type Row = Vec<f64>;

pub(crate) fn rows(count: usize, random: &mut ChaCha8Rng, row: impl Fn(&mut ChaCha8Rng) -> Row) -> Vec<Row> {
    (0..count).map(|_| row(random)).collect()
}

pub(crate) fn slices(rows: &[Row]) -> Vec<&[f64]> {
    rows.iter().map(Vec::as_slice).collect()
}

/// Independent normal attributions of these deviations.
fn scaled<const F: usize>(deviations: [f64; F]) -> impl Fn(&mut ChaCha8Rng) -> Row {
    move |random| deviations.iter().map(|deviation| deviation * normal(random)).collect()
}

fn judged(reference: &[Row], window: &[Row], design_effect: f64) -> JudgedAttributions {
    AttributionJudge::new(&slices(reference), AttributionEffects::default())
        .unwrap()
        .judge(&slices(window), design_effect)
        .unwrap()
}

const USUAL: [f64; 5] = [4.0, 2.0, 1.0, 0.5, 0.0];

#[test]
fn another_ranking_drifts() {
    let random = &mut random(1);
    let reference = rows(500, random, scaled(USUAL));
    let window = rows(300, random, scaled([0.5, 1.0, 2.0, 4.0, 0.0]));
    let JudgedAttributions { drift, features } = judged(&reference, &window, 1.0);
    assert_eq!(drift.ndcg_verdict, Verdict::Drifted);
    assert_eq!(drift.total_variation_verdict, Verdict::Drifted);
    assert_eq!(drift.verdict, Verdict::Drifted);
    assert!(drift.ndcg < drift.ndcg_noise && drift.ndcg < 0.9);
    assert_eq!(drift.reference_rows, 500);
    let verdicts: Vec<_> = features.iter().map(|feature| feature.verdict).collect();
    assert_eq!(verdicts[..4], [Verdict::Drifted; 4]);
    // The one that is never used.
    assert_eq!((verdicts[4], features[4].ks, features[4].jensen_shannon), (Verdict::Stable, 0.0, 0.0));
    assert_eq!(features[4].share_change, Some(0.0));
}

#[test]
fn importance_that_moves_below_the_ranking_is_seen_by_its_share() {
    let random = &mut random(2);
    let reference = rows(1_000, random, scaled(USUAL));
    let window = rows(300, random, scaled([2.3, 2.0, 1.0, 0.5, 0.0]));
    let drift = judged(&reference, &window, 1.0).drift;
    assert_eq!(drift.ndcg_verdict, Verdict::Stable);
    assert_eq!(drift.total_variation_verdict, Verdict::Drifted);
    assert!(drift.total_variation > drift.total_variation_noise);
}

#[test]
fn a_feature_that_turns_its_sign_has_shifted_though_it_weighs_the_same() {
    let random = &mut random(3);
    let skewed = |sign: f64| move |random: &mut ChaCha8Rng| vec![sign * normal(random).abs(), normal(random)];
    let reference = rows(500, random, skewed(1.0));
    let window = rows(200, random, skewed(-1.0));
    let JudgedAttributions { drift, features } = judged(&reference, &window, 1.0);
    assert!(features[0].ks > 0.99 && features[0].jensen_shannon > features[0].jensen_shannon_noise);
    assert_eq!(features[0].verdict, Verdict::Shifted);
    assert_eq!(features[1].verdict, Verdict::Stable);
    assert_eq!(drift.total_variation_verdict, Verdict::Stable);
    assert_eq!(drift.verdict, Verdict::Shifted);
}

#[test]
fn a_feature_that_begins_to_be_used_is_seen() {
    let random = &mut random(4);
    let reference = rows(500, random, scaled(USUAL));
    let window = rows(100, random, scaled([4.0, 2.0, 1.0, 0.5, 3.0]));
    let features = judged(&reference, &window, 1.0).features;
    assert_eq!(features[4].verdict, Verdict::Drifted);
    assert_eq!((features[4].reference_mean_abs, features[4].reference_share), (0.0, Some(0.0)));
}

#[test]
fn rounding_of_exact_attributions_is_no_change() {
    let random = &mut random(5);
    let atoms = |jitter: f64| {
        move |random: &mut ChaCha8Rng| {
            let tiny = jitter * normal(random);
            vec![if normal(random) > 0.0 { 1.0 + tiny } else { tiny }, tiny, normal(random)]
        }
    };
    let reference = rows(300, random, atoms(0.0));
    let window = rows(300, random, atoms(1e-14));
    let features = judged(&reference, &window, 1.0).features;
    assert!(features.iter().all(|feature| feature.verdict == Verdict::Stable), "{features:?}");
    assert_eq!(features[1].ks, 0.0);
}

#[test]
fn dependent_rows_widen_every_noise_point() {
    let random = &mut random(6);
    // Near each other, so that places change by chance.
    let reference = rows(800, random, scaled([2.0, 1.9, 1.0, 0.9, 0.0]));
    let window = rows(300, random, scaled([1.8, 2.0, 1.1, 0.9, 0.0]));
    let (one, four) = (judged(&reference, &window, 1.0), judged(&reference, &window, 4.0));
    assert_eq!(one.drift.total_variation, four.drift.total_variation);
    let ratio = four.drift.total_variation_noise / one.drift.total_variation_noise;
    assert!((1.7..2.3).contains(&ratio), "{ratio}");
    assert!(four.drift.ndcg_noise < one.drift.ndcg_noise);
    for (one, four) in one.features.iter().zip(&four.features).take(4) {
        assert!((four.ks_noise / one.ks_noise - 2.0).abs() < 1e-9);
        assert!((1.7..2.3).contains(&(four.jensen_shannon_noise / one.jensen_shannon_noise)));
    }
    // Less than one, or no number, is one.
    assert_eq!(judged(&reference, &window, 0.2), one);
    assert_eq!(judged(&reference, &window, f64::NAN), one);
}

#[test]
fn few_rows_of_a_window_are_insufficient() {
    let random = &mut random(7);
    let reference = rows(200, random, scaled(USUAL));
    for count in [1, 2, FEWEST_ATTRIBUTIONS - 1] {
        let window = rows(count, random, scaled([0.5, 1.0, 2.0, 4.0, 0.0]));
        let JudgedAttributions { drift, features } = judged(&reference, &window, 1.0);
        assert_eq!(drift.verdict, Verdict::Insufficient);
        assert_eq!((drift.ndcg_verdict, drift.total_variation_verdict), (drift.verdict, drift.verdict));
        assert!(features.iter().all(|feature| feature.verdict == Verdict::Insufficient));
        assert!(drift.ndcg.is_finite() && drift.total_variation_noise <= 1.0 && drift.ndcg_noise >= 0.0);
    }
    let window = rows(FEWEST_ATTRIBUTIONS, random, scaled([0.5, 1.0, 2.0, 4.0, 0.0]));
    assert_eq!(judged(&reference, &window, 1.0).drift.verdict, Verdict::Drifted);
}

#[test]
fn there_is_no_judge_without_rows_that_say_anything() {
    let effects = AttributionEffects::default();
    let random = &mut random(8);
    let good = rows(60, random, scaled(USUAL));
    let is_judge = |rows: &[Row]| AttributionJudge::new(&slices(rows), effects).is_some();
    assert!(is_judge(&good));
    assert!(!is_judge(&[]));
    assert!(!is_judge(&good[..FEWEST_ATTRIBUTIONS - 1]));
    assert!(!is_judge(&vec![vec![0.0; 3]; 60]));
    assert!(!is_judge(&vec![vec![]; 60]));
    let mut broken = good.clone();
    broken[7][1] = f64::NAN;
    assert!(!is_judge(&broken));
    broken[7] = vec![1.0];
    assert!(!is_judge(&broken));
    let mut judge = AttributionJudge::new(&slices(&good), effects).unwrap();
    assert_eq!(judge.judge(&[], 1.0), None);
    assert_eq!(judge.judge(&[&[1.0]], 1.0), None);
    assert_eq!(judge.judge(&[&[f64::INFINITY; 5]], 1.0), None);
    // A model that says the same of all rows of a window.
    let judged = judge.judge(&slices(&vec![vec![0.0; 5]; 80]), 1.0).unwrap();
    assert_eq!(judged.drift.verdict, Verdict::Drifted);
    assert_eq!(judged.features[0].share_change, None);
}

#[test]
fn nothing_depends_on_what_was_judged_before() {
    let random = &mut random(9);
    let reference = rows(300, random, scaled(USUAL));
    let windows: Vec<_> = [60, 300, 61, 150].map(|count| rows(count, random, scaled(USUAL))).into();
    let mut judge = AttributionJudge::new(&slices(&reference), AttributionEffects::default()).unwrap();
    let together: Vec<_> = windows.iter().map(|window| judge.judge(&slices(window), 1.0).unwrap()).collect();
    for (window, together) in windows.iter().zip(together).rev() {
        assert_eq!(judged(&reference, window, 1.0), together);
    }
}

#[test]
fn many_features_are_judged_too() {
    let random = &mut random(10);
    let wide = |random: &mut ChaCha8Rng| (0..300).map(|_| normal(random)).collect();
    let reference = rows(60, random, wide);
    let window = rows(60, random, wide);
    let judged = judged(&reference, &window, 1.0);
    assert_eq!(judged.features.len(), 300);
    assert_eq!(judged.drift.verdict, Verdict::Stable);
}
