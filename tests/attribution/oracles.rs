//! What others say of the same numbers.

use driftline::explain::{AttributionEffects, AttributionJudge, ndcg, share_variation, sorted_ks};
use serde::Deserialize;

#[derive(Deserialize)]
struct Oracle {
    ndcg: Vec<Gain>,
    columns: Vec<Column>,
    shares: Vec<Shares>,
}

#[derive(Deserialize)]
struct Gain {
    relevance: Vec<f64>,
    ranking: Vec<f64>,
    ndcg: f64,
}

#[derive(Deserialize)]
struct Column {
    reference: Vec<f64>,
    window: Vec<f64>,
    ks: f64,
    jensen_shannon: f64,
}

#[derive(Deserialize)]
struct Shares {
    reference: Vec<f64>,
    window: Vec<f64>,
    total_variation: f64,
}

fn oracle() -> Oracle {
    serde_json::from_str(include_str!("../oracles/attribution.json")).unwrap()
}

fn assert_near(ours: f64, theirs: f64) {
    assert!((ours - theirs).abs() <= 1e-12, "{ours} is not {theirs}");
}

#[test]
fn the_gain_of_a_ranking_is_scikit_learns() {
    for Gain { relevance, ranking, ndcg: theirs } in oracle().ndcg {
        assert_near(ndcg(&relevance, &ranking).unwrap(), theirs);
    }
}

#[test]
fn the_published_example_of_clarify_has_its_gain() {
    let ours = ndcg(&[0.70, 0.50, 0.05], &[0.10, 0.20, 0.70]).unwrap();
    assert!((ours - 0.6876).abs() < 1e-4, "{ours}");
}

#[test]
fn nothing_of_worth_has_no_gain() {
    assert_eq!(ndcg(&[0.0, 0.0], &[1.0, 2.0]), None);
    assert_eq!(ndcg(&[], &[]), None);
}

#[test]
fn shares_that_moved_are_half_their_differences() {
    for Shares { reference, window, total_variation } in oracle().shares {
        assert_near(share_variation(&reference, &window), total_variation);
    }
}

#[test]
fn distances_of_a_features_attributions_are_scipys() {
    for Column { reference, window, ks, jensen_shannon } in oracle().columns {
        let sorted = |values: &[f64]| {
            let mut values = values.to_vec();
            values.sort_unstable_by(f64::total_cmp);
            values
        };
        assert_near(sorted_ks(&sorted(&reference), &sorted(&window)), ks);
        let rows = |values: &[f64]| values.iter().map(|value| vec![*value]).collect::<Vec<_>>();
        let (reference, window) = (rows(&reference), rows(&window));
        let slices = |rows: &'static [Vec<f64>]| rows.iter().map(Vec::as_slice).collect::<Vec<_>>();
        let (reference, window) = (slices(reference.leak()), slices(window.leak()));
        let mut judge = AttributionJudge::new(&reference, AttributionEffects::default()).unwrap();
        let judged = judge.judge(&window, 1.0).unwrap();
        assert_near(judged.features[0].ks, ks);
        assert_near(judged.features[0].jensen_shannon, jensen_shannon);
    }
}
