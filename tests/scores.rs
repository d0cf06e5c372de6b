//! Every drift score against an independent implementation, by hand, and by
//! the laws of its family.
//!
//! tests/oracles/scores.json holds what scipy, and fractions or 50 digits where
//! scipy cancels, say of fixed samples; `tests/oracles/make_scores.py` made it.
//! Nothing is a stand-in here. Random data are seeded.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
#![allow(clippy::float_cmp, reason = "exact results are promised and compared as such")]
#![allow(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss)]

use std::fs;

use driftline::drift::{
    CountPair, CumulativeScores, EXACT_P_VALUE_CELLS, PathScratch, Span, chi_square, cumulative_scores,
    hellinger_distance, jensen_shannon_distance, l_infinity, population_stability_index, total_variation,
};
use driftline::result::Ks;
use proptest::prelude::*;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::Deserialize;

#[derive(Deserialize)]
struct Oracles {
    numeric: Vec<NumericCase>,
    categorical: Vec<HistogramCase>,
}

#[derive(Deserialize)]
struct NumericCase {
    name: String,
    reference: Vec<f64>,
    window: Vec<f64>,
    expected: Option<NumericExpected>,
    cut: CutCase,
}

#[derive(Deserialize)]
struct NumericExpected {
    ks: KsExpected,
    wasserstein: Option<f64>,
}

#[derive(Deserialize)]
struct KsExpected {
    statistic: f64,
    p_value: f64,
}

#[derive(Deserialize)]
struct CutCase {
    reference: Vec<u64>,
    window: Vec<u64>,
    expected: Option<HistogramExpected>,
}

#[derive(Deserialize)]
struct HistogramCase {
    name: String,
    #[serde(flatten)]
    cut: CutCase,
}

#[derive(Deserialize)]
struct HistogramExpected {
    psi: f64,
    jensen_shannon: f64,
    hellinger: f64,
    total_variation: f64,
    l_infinity: f64,
    chi_square: Option<ChiSquareExpected>,
}

#[derive(Deserialize)]
struct ChiSquareExpected {
    statistic: f64,
    degrees_of_freedom: u32,
    p_value: f64,
}

fn oracles() -> Oracles {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/oracles/scores.json");
    serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

fn assert_close(found: f64, expected: f64, tolerance: f64, what: &str) {
    let error = (found - expected).abs();
    assert!(error <= tolerance * expected.abs(), "{what}: {found:e} instead of {expected:e}");
}

/// Samples as counts on a grid with one bin for every distinct value.
struct Exact {
    points: Vec<f64>,
    reference: Vec<u64>,
    window: Vec<u64>,
}

impl Exact {
    fn new(reference: &[f64], window: &[f64]) -> Self {
        let mut points = [reference, window].concat();
        points.sort_by(f64::total_cmp);
        points.dedup();
        let count = |sample: &[f64]| {
            let mut counts = vec![0; points.len()];
            for value in sample {
                counts[points.partition_point(|point| point < value)] += 1;
            }
            counts
        };
        Self { reference: count(reference), window: count(window), points }
    }

    fn scores(&self) -> Option<(CumulativeScores, Ks)> {
        let pair = CountPair::new(&self.reference, &self.window)?;
        let range = (self.points[0], *self.points.last().unwrap());
        let scores = cumulative_scores(&pair, range, |bin| Span::Point(self.points[bin]));
        let ks = scores.ks(&pair, &mut PathScratch::default());
        Some((scores, ks))
    }
}

/// Counts on the bins between `edges`, open at both ends.
fn histogram(edges: &[f64], sample: &[f64]) -> Vec<u64> {
    let mut counts = vec![0; edges.len() + 1];
    for value in sample {
        counts[edges.partition_point(|edge| edge < value)] += 1;
    }
    counts
}

fn interval(edges: &[f64], bin: usize) -> Span {
    let lower = bin.checked_sub(1).map_or(f64::NEG_INFINITY, |edge| edges[edge]);
    Span::Interval { lower, upper: edges.get(bin).copied().unwrap_or(f64::INFINITY) }
}

fn sample_deviation(values: &[f64]) -> f64 {
    // By the largest value as unit, so that tiny numbers have squares.
    let unit = values.iter().fold(0.0, |unit: f64, value| unit.max(value.abs()));
    if unit == 0.0 || values.len() < 2 {
        return 0.0;
    }
    let count = values.len() as f64;
    let first = values[0];
    let mean = values.iter().map(|value| (value - first) / unit).sum::<f64>() / count;
    let squares: f64 = values.iter().map(|value| ((value - first) / unit - mean).powi(2)).sum();
    (squares / (count - 1.0)).sqrt() * unit
}

fn check_histogram(name: &str, case: &CutCase) {
    let pair = CountPair::new(&case.reference, &case.window);
    let (Some(pair), Some(expected)) = (pair, &case.expected) else {
        assert!(pair.is_none() && case.expected.is_none(), "{name}: scores exist on one side only");
        return;
    };
    let exact =
        |found, expected, what: &str| assert_close(found, expected, 1e-12, &format!("{name}: {what}"));
    exact(population_stability_index(&pair), expected.psi, "PSI");
    exact(jensen_shannon_distance(&pair), expected.jensen_shannon, "Jensen-Shannon");
    exact(hellinger_distance(&pair), expected.hellinger, "Hellinger");
    exact(total_variation(&pair), expected.total_variation, "total variation");
    exact(l_infinity(&pair), expected.l_infinity, "L-infinity");
    let (found, expected) = match (chi_square(&pair), &expected.chi_square) {
        (Some(found), Some(expected)) => (found, expected),
        (found, expected) => return assert!(found.is_none() && expected.is_none(), "{name}: chi-square"),
    };
    // scipy's own sum of observed and expected counts rounds at about 1e-12.
    let tolerance = if expected.statistic < 1e-6 { 1e-4 } else { 1e-11 };
    assert_close(found.statistic, expected.statistic, tolerance, &format!("{name}: chi-square"));
    assert_eq!(found.degrees_of_freedom, expected.degrees_of_freedom, "{name}");
    assert_close(found.p_value, expected.p_value, 1e-9, &format!("{name}: p-value of chi-square"));
}

#[test]
fn histogram_scores_of_categories_agree_with_scipy() {
    for case in oracles().categorical {
        check_histogram(&case.name, &case.cut);
    }
}

#[test]
fn histogram_scores_on_deciles_agree_with_scipy() {
    for case in oracles().numeric {
        check_histogram(&case.name, &case.cut);
    }
}

#[test]
fn scores_of_distribution_functions_agree_with_scipy() {
    for NumericCase { name, reference, window, expected, .. } in oracles().numeric {
        let found = Exact::new(&reference, &window).scores();
        let (Some((scores, ks)), Some(expected)) = (found, &expected) else {
            assert!(found.is_none() && expected.is_none(), "{name}: scores exist on one side only");
            continue;
        };
        assert_close(ks.statistic, expected.ks.statistic, 1e-12, &format!("{name}: KS"));
        assert!(ks.error_bound == 0.0, "{name}: the grid is exact");
        assert_close(ks.p_value, expected.ks.p_value, 1e-9, &format!("{name}: p-value of KS"));
        let wasserstein = scores.transport.standardised(sample_deviation(&reference), None);
        assert!(scores.transport.error == 0.0, "{name}: the grid is exact");
        match (wasserstein, expected.wasserstein) {
            (Some(found), Some(expected)) => {
                assert_close(found, expected, 1e-12, &format!("{name}: Wasserstein"));
            }
            (found, expected) => assert_eq!(found, expected, "{name}"),
        }
    }
}

#[test]
fn oracles_cover_both_kinds_of_p_value() {
    let sizes = |case: &NumericCase| (case.reference.len() * case.window.len()) as u64;
    let cases = oracles().numeric;
    assert!(cases.iter().filter(|case| sizes(case) > EXACT_P_VALUE_CELLS).count() >= 5);
    assert!(cases.iter().filter(|case| (1..=EXACT_P_VALUE_CELLS).contains(&sizes(case))).count() >= 5);
}

#[test]
fn psi_computed_by_hand() {
    let psi = |reference: &[u64], window: &[u64]| {
        population_stability_index(&CountPair::new(reference, window).unwrap())
    };
    // (0.5 - 0.6) ln(0.5/0.6) + (0.3 - 0.25) ln(0.3/0.25) + (0.2 - 0.15) ln(0.2/0.15)
    assert_close(psi(&[50, 30, 20], &[120, 50, 30]), 0.041_732_337_141_682_24, 1e-12, "three bins");
    // The window's empty bin counts as one event of 10: (0.2 - 0.1) ln 2 + (0.8 - 1) ln 0.8
    let one_event = 0.1 * 2_f64.ln() - 0.2 * 0.8_f64.ln();
    assert_close(psi(&[80, 20], &[10, 0]), one_event, 1e-12, "an empty bin");
    // One event of 4 would be more than the reference has: the bin says nothing.
    let other_bin = -0.2 * 0.8_f64.ln();
    assert_close(psi(&[80, 20], &[4, 0]), other_bin, 1e-12, "a bin that is empty by chance");
    // New category, one of 1,000: it counts as one reference event of 10,000.
    let new = (0.001 - 0.0001) * 10_f64.ln() + (1.0 - 0.999) * (1.0 / 0.999_f64).ln();
    assert_close(psi(&[10_000, 0], &[999, 1]), new, 1e-12, "a new category");
    assert!(psi(&[1, 2, 0], &[5_000, 10_000, 0]) == 0.0);
}

#[test]
fn one_empty_decile_is_no_alarm_in_a_small_window() {
    for n in 1..=100_u64 {
        // As even as can be over nine of ten deciles.
        let window: Vec<u64> =
            (0..10).map(|bin| if bin == 9 { 0 } else { n / 9 + u64::from(bin < n % 9) }).collect();
        for m in [100, 1_000, 1_000_000] {
            let reference = [m / 10; 10];
            let pair = CountPair::new(&reference, &window).unwrap();
            let psi = population_stability_index(&pair);
            // What the nine others differ by, which is most of it below n = 9.
            let others = CountPair::new(&reference[..9], &window[..9]).unwrap();
            let empty = psi - population_stability_index(&others);
            assert!(empty <= 0.25, "n = {n}, m = {m}: the empty decile adds {empty}");
            assert!(psi <= 0.25 || n < 40, "n = {n}, m = {m}: {psi}");
        }
    }
}

/// The 95 % point of PSI over windows that did not drift.
fn psi_noise(rng: &mut ChaCha8Rng, m: Option<u64>, n: u64, rounds: usize) -> f64 {
    let mut draw = |size: u64| {
        let mut counts = [0_u64; 10];
        for _ in 0..size {
            counts[rng.random_range(0..10)] += 1;
        }
        counts
    };
    let mut found: Vec<f64> = (0..rounds)
        .map(|_| {
            let reference = m.map_or([100_000_000; 10], &mut draw);
            let window = draw(n);
            population_stability_index(&CountPair::new(&reference, &window).unwrap())
        })
        .collect();
    found.sort_by(f64::total_cmp);
    found[rounds * 95 / 100]
}

#[test]
fn psi_of_noise_has_the_published_quantiles() {
    let mut rng = ChaCha8Rng::seed_from_u64(20_180_601);
    // Yurdakul 2018, table 3.2, ten bins, against a known distribution. The
    // simulated quantile has a standard error of 2 %; at n = 100 the limit law
    // itself is a few per cent low, since bins of ten events are skewed.
    for (n, published, tolerance) in
        [(100, 0.169, 0.12), (200, 0.085, 0.08), (400, 0.042, 0.06), (1000, 0.017, 0.06)]
    {
        let found = psi_noise(&mut rng, None, n, 4_000);
        println!("n = {n}: {found:.4}, published {published}");
        assert_close(found, published, tolerance, &format!("n = {n}"));
    }
    // Both samples count: (1/m + 1/n) * 16.919.
    let found = psi_noise(&mut rng, Some(1_000), 1_000, 2_000);
    assert_close(found, 0.0338, 0.08, "m = n = 1,000");
    let found = psi_noise(&mut rng, Some(10_000), 500, 1_000);
    assert_close(found, 0.0355, 0.10, "m = 10,000, n = 500");
}

#[test]
fn one_event_in_a_rare_bin_does_not_blow_anything_up() {
    let pair = CountPair::new(&[1_000_000, 0], &[9_999, 1]).unwrap();
    assert!(population_stability_index(&pair) < 1e-3);
    assert!(hellinger_distance(&pair) < 0.011);
}

#[test]
fn histograms_that_can_not_be_compared_have_no_scores() {
    assert!(CountPair::new(&[1, 2], &[1, 2, 3]).is_none());
    assert!(CountPair::new(&[], &[]).is_none());
    assert!(CountPair::new(&[0, 0], &[1, 0]).is_none());
    assert!(CountPair::new(&[1, 0], &[0, 0]).is_none());
    assert!(CountPair::new(&[u64::MAX, 1], &[1, 1]).is_none());
}

/// Two histograms on the same bins, neither empty.
fn histograms(bins: std::ops::Range<usize>) -> impl Strategy<Value = (Vec<u64>, Vec<u64>)> {
    let count = prop_oneof![3 => 0_u64..3, 5 => 0_u64..200, 1 => 0_u64..2_000_000];
    bins.prop_flat_map(move |bins| {
        let side = prop::collection::vec(count.clone(), bins);
        (side.clone(), side)
    })
    .prop_filter("neither is empty", |(a, b)| a.iter().any(|&n| n > 0) && b.iter().any(|&n| n > 0))
}

type Distance = fn(&CountPair<'_>) -> f64;
const BOUNDED: [(&str, Distance); 4] = [
    ("Jensen-Shannon", jensen_shannon_distance),
    ("Hellinger", hellinger_distance),
    ("total variation", total_variation),
    ("L-infinity", l_infinity),
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn distances_are_symmetric_bounded_and_zero_on_equal_shares((a, b) in histograms(1..30), times in 1_u64..9) {
        let scaled: Vec<u64> = a.iter().map(|count| count * times).collect();
        let (forth, back) = (CountPair::new(&a, &b).unwrap(), CountPair::new(&b, &a).unwrap());
        let same = CountPair::new(&a, &scaled).unwrap();
        for (name, distance) in BOUNDED {
            let found = distance(&forth);
            prop_assert!((0.0..=1.0).contains(&found), "{name} {found}");
            prop_assert!((found - distance(&back)).abs() <= 1e-14, "{name} is symmetric");
            prop_assert!(distance(&same) == 0.0, "{name} of equal shares");
        }
        let psi = population_stability_index(&forth);
        prop_assert!(psi.is_finite() && psi >= 0.0);
        prop_assert!((psi - population_stability_index(&back)).abs() <= 1e-12 * psi);
        prop_assert!(population_stability_index(&same) == 0.0);
        if let Some(test) = chi_square(&same) {
            prop_assert!(test.statistic == 0.0 && test.p_value == 1.0);
        }
    }

    #[test]
    fn distances_keep_their_order((a, b) in histograms(1..30)) {
        let pair = CountPair::new(&a, &b).unwrap();
        let (hellinger, variation) = (hellinger_distance(&pair), total_variation(&pair));
        let shannon = jensen_shannon_distance(&pair);
        let rounding = 1e-12;
        // Le Cam: H^2 <= TV <= H sqrt(2 - H^2).
        prop_assert!(hellinger * hellinger <= variation + rounding);
        prop_assert!(variation <= hellinger * (2.0 - hellinger * hellinger).max(0.0).sqrt() + rounding);
        prop_assert!(l_infinity(&pair) <= variation + rounding);
        // Lin 1991: the divergence in bits is at most the total variation.
        prop_assert!(shannon * shannon <= variation + rounding);
        // Pinsker for both halves: TV^2 / 2 <= JSD in nats.
        prop_assert!(variation * variation / 2.0 <= shannon * shannon * 2_f64.ln() + rounding);
    }

    #[test]
    fn roots_of_divergences_obey_the_triangle_inequality((a, b) in histograms(2..12), c in prop::collection::vec(0_u64..200, 12)) {
        let c: Vec<u64> = c.iter().take(a.len()).map(|count| count + 1).collect();
        for (name, distance) in BOUNDED {
            let [ab, ac, cb] = [(&a, &b), (&a, &c), (&c, &b)].map(|(x, y)| distance(&CountPair::new(x, y).unwrap()));
            prop_assert!(ab <= ac + cb + 1e-12, "{name}: {ab} > {ac} + {cb}");
        }
    }

    #[test]
    fn tests_are_symmetric_with_p_values_in_range((a, b) in histograms(2..40)) {
        let (forth, back) = (CountPair::new(&a, &b).unwrap(), CountPair::new(&b, &a).unwrap());
        if let (Some(one), Some(other)) = (chi_square(&forth), chi_square(&back)) {
            prop_assert!((0.0..=1.0).contains(&one.p_value) && one.statistic >= 0.0);
            prop_assert!((one.statistic - other.statistic).abs() <= 1e-12 * one.statistic);
        }
        let span = |bin: usize| Span::Point(bin as f64);
        let range = (0.0, a.len() as f64);
        let mut scratch = PathScratch::default();
        let one = cumulative_scores(&forth, range, span).ks(&forth, &mut scratch);
        let other = cumulative_scores(&back, range, span).ks(&back, &mut scratch);
        prop_assert!((0.0..=1.0).contains(&one.statistic) && (0.0..=1.0).contains(&one.p_value));
        prop_assert!(one.statistic == other.statistic);
        prop_assert!((one.p_value - other.p_value).abs() <= 1e-12 * one.p_value);
        prop_assert!(one.statistic <= total_variation(&forth) + 1e-12);
    }

    #[test]
    fn equal_samples_have_no_distance(sample in prop::collection::vec(-9_i32..9, 1..60), times in 1_usize..5) {
        let sample: Vec<f64> = sample.into_iter().map(f64::from).collect();
        let (scores, ks) = Exact::new(&sample, &sample.repeat(times)).scores().unwrap();
        prop_assert!(ks.statistic == 0.0 && ks.p_value == 1.0 && ks.error_bound == 0.0);
        prop_assert!(scores.transport.distance == 0.0);
    }

    #[test]
    fn on_any_grid_the_truth_is_within_the_stated_error(
        reference in prop::collection::vec(-50_i32..50, 1..80),
        window in prop::collection::vec(-60_i32..70, 1..80),
        edges in prop::collection::btree_set(-55_i32..60, 0..12),
        has_outlier in any::<bool>(),
    ) {
        let values = |sample: Vec<i32>| sample.into_iter().map(|value| f64::from(value) / 8.0);
        let reference: Vec<f64> = values(reference).collect();
        let window: Vec<f64> = values(window).chain(has_outlier.then_some(1e6)).collect();
        let edges: Vec<f64> = edges.into_iter().map(|edge| f64::from(edge) / 8.0).collect();
        let exact = Exact::new(&reference, &window);
        let (truth, true_ks) = exact.scores().unwrap();

        let counts = (histogram(&edges, &reference), histogram(&edges, &window));
        let pair = CountPair::new(&counts.0, &counts.1).unwrap();
        let range = (exact.points[0], *exact.points.last().unwrap());
        let found = cumulative_scores(&pair, range, |bin| interval(&edges, bin));
        let ks = found.ks(&pair, &mut PathScratch::default());

        prop_assert!(ks.error_bound >= 0.0);
        prop_assert!(ks.statistic <= true_ks.statistic + 1e-15);
        prop_assert!(true_ks.statistic <= ks.statistic + ks.error_bound + 1e-15);
        prop_assert!(ks.statistic + ks.error_bound <= 1.0 + 1e-15);
        let (found, truth) = (found.transport, truth.transport.distance);
        prop_assert!((found.distance - truth).abs() <= found.error + 1e-9 * truth, "{found:?} but {truth}");
        // The difference of the means is a lower bound that can only help.
        let mean = |sample: &[f64]| sample.iter().sum::<f64>() / sample.len() as f64;
        let floored = found.standardised(1.0, Some(mean(&window) - mean(&reference))).unwrap();
        prop_assert!((floored - truth).abs() <= (found.distance - truth).abs() + 1e-9 * truth);
    }

    #[test]
    fn one_far_outlier_moves_scores_by_at_most_its_share(
        reference in prop::collection::vec(1_u64..400, 10),
        window in prop::collection::vec(1_u64..60, 10),
        from in 0_usize..10,
    ) {
        let before = CountPair::new(&reference, &window).unwrap();
        let mut moved = window.clone();
        moved[from] -= 1;
        moved[9] += 1;
        let after = CountPair::new(&reference, &moved).unwrap();
        let n = before.window_total() as f64;
        let ks = |pair: &CountPair<'_>| {
            let scores = cumulative_scores(pair, (0.0, 1e300), |bin| Span::Point(if bin == 9 { 1e300 } else { bin as f64 }));
            scores.ks(pair, &mut PathScratch::default()).statistic
        };
        let slack = 1e-12;
        prop_assert!((ks(&before) - ks(&after)).abs() <= 1.0 / n + slack);
        prop_assert!((total_variation(&before) - total_variation(&after)).abs() <= 1.0 / n + slack);
        prop_assert!((l_infinity(&before) - l_infinity(&after)).abs() <= 1.0 / n + slack);
        // PSI: the derivative by a share q is ln(q/p) + 1 - p/q, and q >= 1/n.
        let psi = (population_stability_index(&before) - population_stability_index(&after)).abs();
        let steepest = |pair: &CountPair<'_>| {
            pair.bins()
                .map(|bin| {
                    let (p, q) = (bin.reference_share(), bin.window_share().max(1.0 / n));
                    (q / p).ln().abs() + (1.0 - p / q).abs()
                })
                .fold(0.0, f64::max)
        };
        let bound = 2.0 / n * steepest(&before).max(steepest(&after));
        prop_assert!(psi <= bound + slack, "{psi} > {bound}");
    }
}

#[test]
fn one_outlier_in_ten_thousand_does_not_hide_or_fake_drift() {
    let mut rng = ChaCha8Rng::seed_from_u64(7);
    let mut normal = || (0..12).map(|_| rng.random::<f64>()).sum::<f64>() - 6.0;
    let reference: Vec<f64> = (0..10_000).map(|_| normal()).collect();
    let shifted: Vec<f64> = (0..10_000).map(|_| normal() + 1.0).collect();
    let mut sorted = reference.clone();
    sorted.sort_by(f64::total_cmp);
    let deciles: Vec<f64> = (1..10).map(|decile| sorted[decile * 1_000]).collect();
    let psi = |window: &[f64]| {
        let counts = (histogram(&deciles, &reference), histogram(&deciles, window));
        population_stability_index(&CountPair::new(&counts.0, &counts.1).unwrap())
    };
    let clean = psi(&shifted);
    let mut dirty = shifted.clone();
    dirty[0] = 1e3;
    assert!(clean > 0.8, "a shift by a standard deviation: {clean}");
    assert!((psi(&dirty) - clean).abs() < 1e-3, "{clean} against {}", psi(&dirty));
}
