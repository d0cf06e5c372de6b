//! The statistics of experiments against other packages and plain arithmetic.
//!
//! tests/oracles/experiments.json was computed from raw events by mpmath with 50
//! digits and compared with gbstats, confseq, ssrm-test, spotify-confidence,
//! statsmodels and scipy; `tests/oracles/make_experiments.py` made it. Nothing is a
//! stand-in here.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::fs;

use driftline::experiment::{
    confidence::{ConfidenceSequence, Estimate},
    equal_rates::{EqualRates, Positives},
    quantiles::{Histogram, QuantileStrata, bin},
    rate_ratio::RateRatio,
    spending::SpendingBounds,
    split_test::log_evidence,
    strata::{Difference, Shape, Strata},
    sums::{Step, Sums},
};
use serde::Deserialize;

#[derive(Deserialize)]
struct Oracles {
    confidence_sequence: Vec<SequenceCase>,
    rate_ratio: RateRatioCases,
    split_test: Vec<SplitCase>,
    group_sequential: Vec<SpendingCase>,
    stratified: Vec<StrataCase>,
    clustered: Vec<ClusteredCase>,
    covariates: Vec<CovariateCase>,
    quantiles: Vec<QuantileCase>,
    mcnemar: Vec<PairedCase>,
    power: Vec<PowerCase>,
}

#[derive(Deserialize)]
struct SequenceCase {
    std_error: f64,
    n: f64,
    planned: f64,
    alpha: f64,
    difference: f64,
    rho: f64,
    half_width: f64,
    one_sided_half_width: f64,
    log_e_value: f64,
    log_e_above: Option<f64>,
}

#[derive(Deserialize)]
struct RateRatioCases {
    cases: Vec<RateRatioCase>,
    pairs: Vec<PairsCase>,
}

#[derive(Deserialize)]
struct PairsCase {
    windows: Vec<[u64; 2]>,
    log_e_above: f64,
    log_e_below: f64,
    log_e_value: f64,
}

#[derive(Deserialize)]
struct RateRatioCase {
    windows: Vec<[u64; 4]>,
    alpha: f64,
    design_effect: f64,
    margin: f64,
    log_e_above: f64,
    log_e_below: f64,
    log_e_value: f64,
    log_e_above_margin: f64,
    log_e_below_margin: f64,
    lower: Option<f64>,
    upper: Option<f64>,
}

#[derive(Deserialize)]
struct SplitCase {
    epochs: Vec<Epoch>,
    log_evidence: f64,
}

#[derive(Deserialize)]
struct Epoch {
    counts: Vec<u64>,
    weights: Vec<f64>,
}

#[derive(Deserialize)]
struct SpendingCase {
    times: Vec<f64>,
    alpha: f64,
    bounds: Vec<f64>,
}

/// Raw events of two arms.
#[derive(Deserialize)]
struct Window {
    control: Events,
    challenger: Events,
}

/// Values, and what each has beside it; by channel.
#[derive(Deserialize)]
struct Events {
    m: Vec<f64>,
    d: Option<Vec<f64>>,
    #[serde(default)]
    x: Vec<Vec<f64>>,
    bucket: Option<Vec<u8>>,
}

#[derive(Deserialize)]
struct Expected {
    control: f64,
    challenger: f64,
    difference: f64,
    variance: f64,
    pooled_variance: f64,
    n_effective: f64,
}

#[derive(Deserialize)]
struct StrataCase {
    name: String,
    windows: Vec<Window>,
    #[serde(flatten)]
    expected: Expected,
    /// When small windows are put together; `None`: nothing comes together.
    together: Option<Expected>,
}

#[derive(Deserialize)]
struct ClusteredCase {
    name: String,
    windows: Vec<Window>,
    #[serde(flatten)]
    expected: Expected,
    design_effect: f64,
}

#[derive(Deserialize)]
struct CovariateCase {
    name: String,
    windows: Vec<Window>,
    adjusted_difference: f64,
    adjusted_variance: f64,
    adjusted_pooled_variance: f64,
    variance_explained: f64,
}

#[derive(Deserialize)]
struct QuantileCase {
    windows: Vec<Window>,
    q: f64,
    control: f64,
    challenger: f64,
}

#[derive(Deserialize)]
struct PairedCase {
    both: u64,
    only_control: u64,
    only_challenger: u64,
    neither: u64,
    difference: f64,
    variance: Option<f64>,
}

#[derive(Deserialize)]
struct PowerCase {
    std_error: f64,
    n: f64,
    planned: f64,
    alpha: f64,
    effect: f64,
    two_sided: Power,
    one_sided: Power,
    power: f64,
}

#[derive(Deserialize)]
struct Power {
    detectable: f64,
    n_needed: f64,
}

fn oracles() -> Oracles {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/oracles/experiments.json");
    serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

/// Fails unless the two differ by no more than this share of the larger one.
#[track_caller]
fn assert_close(actual: f64, expected: f64, tolerance: f64, what: &str) {
    let scale = actual.abs().max(expected.abs());
    assert!((actual - expected).abs() <= tolerance * scale, "{what}: {actual} is not {expected}");
}

/// The same of logarithms and differences, which may be next to 0.
#[track_caller]
fn assert_near(actual: f64, expected: f64, tolerance: f64, what: &str) {
    let scale = 1.0 + actual.abs().max(expected.abs());
    assert!((actual - expected).abs() <= tolerance * scale, "{what}: {actual} is not {expected}");
}

#[test]
fn confidence_sequences_are_growthbooks_and_howards() {
    for case in oracles().confidence_sequence {
        let SequenceCase { std_error, n, planned, alpha, difference, .. } = case;
        let what = format!("{std_error} at {n} of {planned}");
        let sequence = ConfidenceSequence::new(alpha, planned);
        let estimate = Estimate { difference, std_error, n };
        assert_close(sequence.rho(), case.rho, 1e-12, &what);
        assert_close(sequence.half_width(std_error, n), case.half_width, 1e-9, &what);
        let one_sided = sequence.one_sided_half_width(std_error, n);
        assert_close(one_sided, case.one_sided_half_width, 1e-9, &what);
        assert_near(sequence.log_e_value(estimate), case.log_e_value, 1e-9, &what);
        let log_e_above = sequence.log_e_above(estimate);
        match case.log_e_above {
            Some(expected) => assert_near(log_e_above, expected, 1e-9, &what),
            None => assert!(log_e_above == f64::NEG_INFINITY, "{what}: {log_e_above}"),
        }
    }
}

fn rate_ratio(windows: &[[u64; 4]], margin: f64) -> RateRatio {
    let mut ratio = RateRatio::new(margin);
    for &[control, challenger, n_control, n_challenger] in windows {
        ratio.add(Positives { control, challenger, n_control, n_challenger });
    }
    ratio
}

#[test]
fn evidence_about_rates_is_the_mean_over_a_grid() {
    for case in oracles().rate_ratio.cases {
        let ratio = rate_ratio(&case.windows, case.margin);
        let deff = case.design_effect;
        let what = format!("{:?}", case.windows);
        let equal = ratio.equal();
        assert_near(equal.log_e_above(deff), case.log_e_above, 1e-9, &what);
        assert_near(equal.log_e_below(deff), case.log_e_below, 1e-9, &what);
        assert_near(equal.log_e_value(deff), case.log_e_value, 1e-9, &what);
        assert_near(ratio.log_e_above_margin(deff), case.log_e_above_margin, 1e-9, &what);
        assert_near(ratio.log_e_below_margin(deff), case.log_e_below_margin, 1e-9, &what);
    }
}

#[test]
fn evidence_of_pairs_is_that_of_a_coin() {
    for case in oracles().rate_ratio.pairs {
        let mut equal = EqualRates::default();
        for [control, challenger] in &case.windows {
            equal.add_pairs(*control, *challenger);
        }
        let what = format!("{:?}", case.windows);
        assert_near(equal.log_e_above(1.0), case.log_e_above, 1e-9, &what);
        assert_near(equal.log_e_below(1.0), case.log_e_below, 1e-9, &what);
        assert_near(equal.log_e_value(1.0), case.log_e_value, 1e-9, &what);
    }
}

#[test]
fn bounds_of_a_ratio_are_where_evidence_ends() {
    for case in oracles().rate_ratio.cases {
        let ratio = rate_ratio(&case.windows, case.margin);
        let (lower, upper) = ratio.bounds(case.alpha, case.design_effect);
        for (bound, expected) in [(lower, case.lower), (upper, case.upper)] {
            let what = format!("{:?}: {bound:?} {expected:?}", case.windows);
            match (bound, expected) {
                (Some(bound), Some(expected)) => assert_close(bound, expected, 1e-6, &what),
                _ => assert!(bound == expected, "{what}"),
            }
        }
    }
}

#[test]
fn split_tests_are_those_of_their_authors() {
    for case in oracles().split_test {
        let events: u64 = case.epochs.iter().flat_map(|epoch| &epoch.counts).sum();
        let log: f64 = case.epochs.iter().map(|epoch| log_evidence(&epoch.counts, &epoch.weights)).sum();
        // Logarithms of gamma functions are as large as the counts, and cancel out.
        #[expect(clippy::cast_precision_loss, reason = "counts far below 2^53")]
        let tolerance = 1e-9 + 1e-14 * events as f64;
        assert_near(log, case.log_evidence, tolerance, &format!("{events} events"));
    }
}

#[test]
fn spending_bounds_cross_as_often_as_they_spend() {
    for case in oracles().group_sequential {
        let mut bounds = SpendingBounds::new(case.alpha);
        for (time, expected) in case.times.iter().zip(&case.bounds) {
            let what = format!("{time} of {:?}", case.times);
            let bound = bounds.look(*time).expect(&what);
            assert_close(bound, *expected, 1e-6, &what);
        }
    }
}

fn sums(events: &Events, unit: Step) -> Sums {
    let channels: Vec<&Vec<f64>> =
        std::iter::once(&events.m).chain(events.d.iter()).chain(events.x.iter()).collect();
    let mut sums = Sums::new(channels.len());
    for index in 0..events.m.len() {
        let values: Vec<i64> = channels.iter().map(|channel| unit.count(channel[index]).unwrap()).collect();
        sums.add(&values, events.bucket.as_ref().map(|bucket| bucket[index]));
    }
    sums
}

/// Nothing seen of what these windows are of, and their sums.
fn strata(windows: &[Window]) -> (Strata, Vec<(Sums, Sums)>, Vec<Step>) {
    let first = &windows[0].control;
    let covariates = windows.iter().map(|window| window.control.x.len()).max().unwrap();
    let shape = if first.d.is_some() { Shape::Ratio } else { Shape::Mean };
    let steps = vec![Step::COARSE; 1 + covariates + usize::from(shape == Shape::Ratio)];
    let pair = |window: &Window| (sums(&window.control, steps[0]), sums(&window.challenger, steps[0]));
    (Strata::new(shape, covariates), windows.iter().map(pair).collect(), steps)
}

/// The difference when every window is one stratum.
fn difference(windows: &[Window]) -> Difference {
    let (mut strata, windows, steps) = strata(windows);
    for (control, challenger) in &windows {
        strata.add(control, challenger, &steps);
    }
    strata.difference().unwrap()
}

fn assert_difference(actual: &Difference, expected: &Expected, design_effect: f64, name: &str) {
    assert_near(actual.control, expected.control, 1e-9, name);
    assert_near(actual.challenger, expected.challenger, 1e-9, name);
    // Means far from 0 have as many digits less in their difference.
    let far = 4.0 * f64::EPSILON * expected.control.abs();
    assert_near(actual.difference, expected.difference, 1e-9 + far, name);
    let variance = expected.variance.max(expected.pooled_variance) * design_effect;
    assert_close(actual.variance, variance, 1e-9, name);
    assert_close(actual.design_effect, design_effect, 1e-9, name);
    assert_close(actual.n, expected.n_effective / design_effect, 1e-9, name);
}

#[test]
fn differences_are_those_of_raw_events_in_their_windows() {
    for case in oracles().stratified {
        assert_difference(&difference(&case.windows), &case.expected, 1.0, &case.name);
    }
}

#[test]
fn small_windows_count_as_one() {
    for case in oracles().stratified {
        let (mut strata, windows, steps) = strata(&case.windows);
        for (control, challenger) in &windows {
            strata.take(control, challenger, &steps);
        }
        match (strata.difference(), &case.together) {
            (Some(difference), Some(expected)) => assert_difference(&difference, expected, 1.0, &case.name),
            (difference, expected) => assert!(difference.is_none() && expected.is_none(), "{}", case.name),
        }
    }
}

#[test]
fn the_scatter_of_units_is_that_of_their_buckets() {
    for case in oracles().clustered {
        let design_effect = case.design_effect.max(1.0);
        assert_difference(&difference(&case.windows), &case.expected, design_effect, &case.name);
    }
}

#[test]
fn covariates_adjust_as_least_squares_does() {
    for case in oracles().covariates {
        let actual = difference(&case.windows);
        let variance = case.adjusted_variance.max(case.adjusted_pooled_variance);
        assert_near(actual.difference, case.adjusted_difference, 1e-9, &case.name);
        assert_close(actual.variance, variance, 1e-9, &case.name);
        assert_near(actual.explained, case.variance_explained, 1e-9, &case.name);
    }
}

#[test]
fn quantiles_are_right_within_a_bin() {
    for case in oracles().quantiles {
        let mut strata = QuantileStrata::default();
        for window in &case.windows {
            let [control, challenger] = [&window.control, &window.challenger].map(|events| {
                let mut histogram = Histogram::default();
                events.m.iter().for_each(|value| histogram.add(bin(*value).unwrap(), None));
                histogram
            });
            strata.take(&control, &challenger);
        }
        let Some(difference) = strata.difference(case.q, 1.0) else {
            panic!("nothing of {}", case.q);
        };
        assert_close(difference.control, case.control, 0.02, "control");
        assert_close(difference.challenger, case.challenger, 0.02, "challenger");
    }
}

#[test]
fn pairs_differ_as_mcnemar_counts() {
    for case in oracles().mcnemar {
        let PairedCase { both, only_control, only_challenger, neither, .. } = case;
        let mut sums = Sums::new(1);
        for (difference, count) in [(0.0, both + neither), (-1.0, only_control), (1.0, only_challenger)] {
            let steps = [Step::FINE.count(difference).unwrap()];
            (0..count).for_each(|_| sums.add(&steps, None));
        }
        let deviations = sums.deviations(None, &[Step::FINE]);
        assert_close(deviations.mean(0), case.difference, 1e-12, "difference");
        if let Some(variance) = case.variance {
            let actual = deviations.product(0, 0) / (deviations.n - 1.0) / deviations.n;
            assert_close(actual, variance, 1e-9, "variance");
        }
    }
}

#[test]
fn an_effect_is_found_when_its_bound_and_the_power_fit_into_it() {
    use statrs::distribution::{ContinuousCDF, Normal};
    for case in oracles().power {
        let z = Normal::standard().inverse_cdf(case.power);
        let sequence = ConfidenceSequence::new(case.alpha, case.planned);
        let two_sided = |std_error: f64, n: f64| sequence.half_width(std_error, n) + z * std_error;
        let one_sided = |std_error: f64, n: f64| sequence.one_sided_half_width(std_error, n) + z * std_error;
        let std_error_at = |n: f64| case.std_error * (case.n / n).sqrt();
        assert_close(two_sided(case.std_error, case.n), case.two_sided.detectable, 1e-9, "detectable");
        assert_close(one_sided(case.std_error, case.n), case.one_sided.detectable, 1e-9, "detectable");
        let n = case.two_sided.n_needed;
        assert_close(two_sided(std_error_at(n), n), case.effect, 1e-9, "needed");
        let n = case.one_sided.n_needed;
        assert_close(one_sided(std_error_at(n), n), case.effect, 1e-9, "needed");
    }
}
