//! The evidence that adds up over windows, and the promise of its alarms: by an
//! independent implementation, by the laws that evidence obeys, and by seeded
//! simulation of models without and with drift.
//!
//! tests/oracles/sequential.json holds streams and their evidence as
//! `tests/oracles/make_sequential.py` computes it with scipy. Nothing is a
//! stand-in: references of the simulation are built from drawn values. The long
//! simulation is `cargo bench --bench false_alarms`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
#![allow(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss)]
#![allow(clippy::float_cmp, reason = "equal bits are promised and compared as such")]

mod features;

use std::fs;

use driftline::drift::sequential::{Budget, Detector, alarms, log_bar};
use features::{Change, Feature, Kind, counts, normal};
use proptest::prelude::*;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::Deserialize;

const HOUR_MS: i64 = 3_600_000;

/// The bar of twenty series with hourly windows and one alarm in thirty days.
fn hourly_bar() -> f64 {
    log_bar(20, 1.0 / 720.0)
}

#[derive(Deserialize)]
struct Oracles {
    streams: Vec<Stream>,
}

#[derive(Deserialize)]
struct Stream {
    name: String,
    reference: Vec<u64>,
    windows: Vec<Vec<u64>>,
    deff: f64,
    log_bar: f64,
    log_evidence: Vec<f64>,
}

#[test]
fn evidence_is_what_an_independent_implementation_says() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/oracles/sequential.json");
    let oracles: Oracles = serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap();
    let mut held = 0;
    for stream in oracles.streams {
        let mut detector = Detector::new();
        for (index, (window, &expected)) in stream.windows.iter().zip(&stream.log_evidence).enumerate() {
            detector.update(&stream.reference, window, stream.deff, stream.log_bar);
            let found = detector.log_evidence();
            // The greatest likelihood is bounded from above, so evidence is never
            // above the exact one.
            assert!(found <= expected + 1e-9, "{} {index}: {found} above {expected}", stream.name);
            assert!(found >= expected - 0.02, "{} {index}: {found} below {expected}", stream.name);
            held += u32::from(expected > 1.0);
        }
    }
    assert!(held > 60, "only {held} windows with evidence");
}

/// What a simulation of whole models counted.
#[derive(Debug, Default, Clone, Copy)]
struct Tally {
    windows: u32,
    alarmed: u32,
    onsets: u32,
}

impl Tally {
    fn add(&mut self, was: bool, is: bool) {
        self.windows += 1;
        self.alarmed += u32::from(is);
        self.onsets += u32::from(is && !was);
    }

    /// Whether so many are more than a rate explains, at three deviations.
    fn exceeds(count: u32, windows: u32, rate: f64) -> bool {
        let expected = rate * f64::from(windows);
        f64::from(count) > expected + 3.0 * (expected * (1.0 - rate)).sqrt()
    }
}

/// Runs a model of features for some windows; `draw` gives a feature's window.
fn run(
    references: &[Vec<u64>],
    (windows, rate, deff): (u32, f64, f64),
    tally: &mut Tally,
    mut draw: impl FnMut(usize) -> Vec<u64>,
) {
    let bar = log_bar(references.len(), rate);
    let mut detectors = vec![Detector::new(); references.len()];
    let mut was = false;
    for _ in 0..windows {
        let evidence: Vec<f64> = detectors
            .iter_mut()
            .zip(references)
            .enumerate()
            .map(|(index, (detector, reference))| {
                detector.update(reference, &draw(index), deff, bar);
                detector.log_evidence()
            })
            .collect();
        let is = alarms(&evidence, rate).contains(&true);
        tally.add(was, is);
        was = is;
    }
}

fn without_drift(seed: u64, (m, n): (usize, u64), rate: f64, pretended: u64) -> Tally {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let mut tally = Tally::default();
    for _ in 0..3 {
        let model = Feature::model(&mut random, m);
        let shares: Vec<Vec<f64>> = model.iter().map(|feature| feature.shares(Change::None)).collect();
        let references: Vec<Vec<u64>> =
            model.iter().map(|feature| feature.reference.iter().map(|r| r * pretended).collect()).collect();
        run(&references, (200, rate, 1.0), &mut tally, |feature| counts(&mut random, n, &shares[feature]));
    }
    tally
}

#[test]
fn false_alarms_stay_within_the_budget() {
    let rate = 0.05;
    for m in [1_000, 10_000, 100_000] {
        for n in [200, 1_000, 10_000] {
            let tally = without_drift(m as u64 + n, (m, n), rate, 1);
            assert!(!Tally::exceeds(tally.alarmed, tally.windows, rate), "m {m}, n {n}: {tally:?}");
        }
    }
}

/// The simulation would notice: a reference that is taken for larger than it is
/// breaks the budget at once.
#[test]
fn a_reference_without_error_of_its_own_would_break_the_budget() {
    let rate = 0.05;
    let tally = without_drift(1, (1_000, 1_000), rate, 100);
    assert!(Tally::exceeds(tally.onsets + tally.alarmed, 2 * tally.windows, rate), "{tally:?}");
}

/// Rows that follow each other with a correlation of 0.85, in reference and
/// windows: their mean has the variance of a mean of twelve times fewer.
fn correlated(deff: f64) -> Tally {
    let (rate, rho) = (0.05, 0.85_f64);
    let mut random = ChaCha8Rng::seed_from_u64(6);
    let mut tally = Tally::default();
    for _ in 0..2 {
        let model: Vec<Feature> = (0..20).map(|_| Feature::new(&mut random, Kind::Normal, 5_000)).collect();
        let mut last: Vec<f64> = model.iter().map(|_| normal(&mut random)).collect();
        let mut window = |random: &mut ChaCha8Rng, feature: usize, n: u32| {
            let mut counts = vec![0; model[feature].reference.len()];
            for _ in 0..n {
                last[feature] = rho * last[feature] + (1.0 - rho * rho).sqrt() * normal(random);
                counts[model[feature].cut_bin(last[feature])] += 1;
            }
            counts
        };
        let references: Vec<Vec<u64>> = (0..20).map(|feature| window(&mut random, feature, 5_000)).collect();
        run(&references, (200, rate, deff), &mut tally, |feature| window(&mut random, feature, 250));
    }
    tally
}

#[test]
fn correlated_rows_keep_the_budget_with_their_design_effect_and_only_so() {
    let with = correlated(12.3);
    assert!(!Tally::exceeds(with.alarmed, with.windows, 0.05), "{with:?}");
    let without = correlated(1.0);
    assert!(Tally::exceeds(without.alarmed, without.windows, 0.05), "{without:?}");
}

/// Windows until a series alone gives an alarm, after some without drift.
fn delay(random: &mut ChaCha8Rng, feature: &Feature, n: u64, change: Change, before: u32) -> Option<u32> {
    let (old, new) = (feature.shares(Change::None), feature.shares(change));
    let mut detector = Detector::new();
    for _ in 0..before {
        detector.update(&feature.reference, &counts(random, n, &old), 1.0, hourly_bar());
    }
    (1..=60).find(|_| {
        detector.update(&feature.reference, &counts(random, n, &new), 1.0, hourly_bar());
        detector.log_evidence() >= hourly_bar()
    })
}

/// Found of ten, and the median delay of those.
fn found(seed: u64, kind: Kind, (m, n): (usize, u64), change: Change, before: u32) -> (usize, u32) {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let mut delays: Vec<u32> = (0..10)
        .filter_map(|_| {
            let feature = Feature::new(&mut random, kind, m);
            delay(&mut random, &feature, n, change, before)
        })
        .collect();
    delays.sort_unstable();
    (delays.len(), delays.get(delays.len() / 2).copied().unwrap_or(u32::MAX))
}

#[test]
fn drift_that_the_reference_can_show_is_found_soon() {
    let cases = [
        (Kind::Normal, 10_000, 10_000, Change::Shift(0.1), 8),
        (Kind::Normal, 10_000, 1_000, Change::Shift(0.25), 4),
        (Kind::LogNormal, 10_000, 200, Change::Shift(0.25), 15),
        (Kind::Normal, 10_000, 1_000, Change::Spread(1.2), 6),
        (Kind::Normal, 10_000, 1_000, Change::Split, 6),
        (Kind::Integer, 100_000, 10_000, Change::Shift(0.1), 3),
        (Kind::Categorical, 100_000, 10_000, Change::RareDoubled, 20),
    ];
    for (index, (kind, m, n, change, latest)) in cases.into_iter().enumerate() {
        let (found, delay) = found(index as u64, kind, (m, n), change, 10);
        assert!(found == 10 && delay <= latest, "{kind:?} {m} {n} {change:?}: {found} of 10 after {delay}");
    }
}

/// A reference of 1,000 rows can't tell a shift of 0.1 deviations from its own
/// error; a week of windows before it can.
#[test]
fn windows_without_drift_sharpen_a_small_reference() {
    let change = Change::Shift(0.1);
    let (alone, _) = found(21, Kind::Normal, (1_000, 2_000), change, 8);
    let (with_history, delay) = found(22, Kind::Normal, (1_000, 2_000), change, 170);
    assert!(alone <= 4, "{alone} of 10 without a history: more than the reference can know");
    assert!(with_history == 10 && delay <= 6, "{with_history} of 10 after {delay} with a history");
}

#[test]
fn an_alarm_lasts_with_its_drift_and_ends_with_it() {
    let mut random = ChaCha8Rng::seed_from_u64(31);
    for (n, change, most) in
        [(10_000, Change::Shift(0.25), 2), (1_000, Change::Shift(0.25), 4), (500, Change::Shift(0.2), 8)]
    {
        let feature = Feature::new(&mut random, Kind::Normal, 50_000);
        let (old, new) = (feature.shares(Change::None), feature.shares(change));
        let mut detector = Detector::new();
        let mut step = |shares: &[f64]| {
            detector.update(&feature.reference, &counts(&mut random, n, shares), 1.0, hourly_bar());
            detector.log_evidence() >= hourly_bar()
        };
        for _ in 0..30 {
            step(&old);
        }
        let first = (1..=60).find(|_| step(&new)).expect("an alarm");
        // Longer than any start lives.
        let silent = (0..300).filter(|_| !step(&new)).count();
        assert!(
            silent <= 3,
            "n {n}: an alarm after {first} that was silent in {silent} of 300 windows of drift"
        );
        let last = (1..=60).find(|_| !step(&old)).expect("an end");
        assert!(last <= most, "n {n}: the alarm outlived its drift by {last} windows");
        let again = (0..150).filter(|_| step(&old)).count();
        assert_eq!(again, 0, "n {n}: the alarm came back without drift");
    }
}

#[test]
fn evidence_pools_the_rows_since_the_change() {
    let mut random = ChaCha8Rng::seed_from_u64(41);
    let feature = Feature::new(&mut random, Kind::Normal, 100_000);
    let (old, new) = (feature.shares(Change::None), feature.shares(Change::Shift(0.15)));
    let mut detector = Detector::new();
    assert!(detector.pooled().is_none());
    for _ in 0..50 {
        detector.update(&feature.reference, &counts(&mut random, 300, &old), 1.0, hourly_bar());
    }
    let quiet = detector.pooled().unwrap();
    assert!((4..=8).contains(&quiet.windows), "{}", quiet.windows);
    assert_eq!(quiet.counts.iter().sum::<f64>(), 300.0 * quiet.windows as f64);
    for _ in 0..40 {
        detector.update(&feature.reference, &counts(&mut random, 300, &new), 1.0, hourly_bar());
    }
    let pooled = detector.pooled().unwrap();
    assert!((20..=48).contains(&pooled.windows), "{} windows since a change 40 ago", pooled.windows);
    assert_eq!(detector.windows(), 90);
}

#[test]
fn a_moving_reference_gathers_no_history() {
    let mut random = ChaCha8Rng::seed_from_u64(51);
    let shares = [0.1; 10];
    let (mut fixed, mut moving) = (Detector::new(), Detector::new());
    let reference = [1_000; 10];
    for _ in 0..200 {
        let window = counts(&mut random, 500, &shares);
        fixed.update(&reference, &window, 1.0, hourly_bar());
        moving.update(&counts(&mut random, 10_000, &shares), &window, 1.0, hourly_bar());
    }
    let baseline =
        |detector: &Detector| serde_json::to_value(detector).unwrap()["history"]["baseline"].clone();
    assert!(baseline(&fixed).is_object());
    assert!(baseline(&moving).is_null());
}

#[test]
fn windows_without_values_and_impossible_input_change_nothing() {
    let mut detector = Detector::new();
    detector.update(&[50, 50, 20], &[10, 0, 3], 1.0, 9.0);
    let before = detector.clone();
    let impossible: [(&[u64], &[u64]); 5] = [
        (&[50, 50, 20], &[0, 0, 0]),
        (&[0, 0, 0], &[1, 2, 3]),
        (&[50, 50, 20], &[1, 2]),
        (&[], &[]),
        (&[50, 50, 20], &[u64::MAX, 1, 1]),
    ];
    for (reference, window) in impossible {
        detector.update(reference, window, 1.0, 9.0);
        assert_eq!(detector, before);
    }
    detector.update(&[50, 50], &[10, 3], 1.0, 9.0);
    assert_eq!(detector.windows(), 1, "other bins begin anew");
}

#[test]
fn a_budget_is_a_rate_per_window() {
    let budget = Budget::new(1.0, 30 * 24 * HOUR_MS).unwrap();
    assert_eq!(budget.rate_per_window(HOUR_MS), 1.0 / 720.0);
    assert_eq!(budget.rate_per_window(400 * 24 * HOUR_MS), 1.0);
    assert_eq!(budget.rate_per_window(-5), 0.0);
    for (alarms, per_ms) in [(0.0, 1), (-1.0, 1), (f64::NAN, 1), (f64::INFINITY, 1), (1.0, 0), (1.0, -1)] {
        assert_eq!(Budget::new(alarms, per_ms), None);
    }
    assert!((log_bar(20, 1.0 / 720.0) - 14_400_f64.ln()).abs() < 1e-12);
    assert!(log_bar(0, 0.0).is_finite() && alarms(&[1e300], 0.0) == [true]);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    /// The definition: the greatest `k` such that `k` series have `series / (rate k)`.
    #[test]
    fn alarms_are_those_of_the_e_bh_rule(
        logs in prop::collection::vec(0.0..20.0_f64, 0..40), rate in 1e-4..1.0_f64,
    ) {
        let series = logs.len() as f64;
        let enough = |k: usize| logs.iter().filter(|log| log.exp() >= series / (rate * k as f64)).count() >= k;
        let most = (1..=logs.len()).rev().find(|&k| enough(k)).unwrap_or(0);
        let flags = alarms(&logs, rate);
        prop_assert_eq!(flags.iter().filter(|flag| **flag).count(), most);
        let least_in = logs.iter().zip(&flags).filter(|(_, flag)| **flag).map(|(log, _)| *log);
        let most_out = logs.iter().zip(&flags).filter(|(_, flag)| !**flag).map(|(log, _)| *log);
        prop_assert!(least_in.fold(f64::INFINITY, f64::min) >= most_out.fold(0.0, f64::max));
        // What the average run length rests on.
        if most > 0 {
            prop_assert!(logs.iter().map(|log| log.exp()).sum::<f64>() / series >= 0.999_999 / rate);
        }
    }

    /// Any counts: finite, within the cap, and the same after being stored.
    #[test]
    fn evidence_is_finite_and_restored_to_the_bit(
        reference in prop::collection::vec(0..1_000_000_u64, 1..12), seed in 0..u64::MAX,
        scale in 0..12_u32, deff in prop_oneof![1.0..50.0_f64, Just(f64::NAN), Just(f64::INFINITY), Just(0.0)],
    ) {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let mut straight = Detector::new();
        let mut restored = Detector::new();
        for round in 0..20 {
            let most = 10_u64.pow(scale);
            let window: Vec<u64> = reference.iter().map(|_| random.random_range(0..=most)).collect();
            straight.update(&reference, &window, deff, 9.0);
            restored.update(&reference, &window, deff, 9.0);
            prop_assert!((0.0..15.0).contains(&straight.log_evidence()), "{}", straight.log_evidence());
            if round % 3 == 0 {
                restored = rmp_serde::from_slice(&rmp_serde::to_vec(&restored).unwrap()).unwrap();
            } else if round % 3 == 1 {
                restored = serde_json::from_str(&serde_json::to_string(&restored).unwrap()).unwrap();
            }
            prop_assert_eq!(&straight, &restored);
        }
    }

    /// Bins have no order, and discounting counts is the same as having fewer.
    #[test]
    fn evidence_depends_on_counts_alone(seed in 0..u64::MAX, deff in 2..5_u64) {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let reference: Vec<u64> = (0..8).map(|_| random.random_range(0..2_000)).chain([1]).collect();
        let (mut plain, mut turned, mut scaled) = (Detector::new(), Detector::new(), Detector::new());
        for _ in 0..12 {
            let window: Vec<u64> = (0..9).map(|_| random.random_range(0..60)).collect();
            let turn = |counts: &[u64]| counts.iter().rev().copied().collect::<Vec<_>>();
            let times = |counts: &[u64]| counts.iter().map(|count| count * deff).collect::<Vec<_>>();
            plain.update(&reference, &window, 1.0, 9.0);
            turned.update(&turn(&reference), &turn(&window), 1.0, 9.0);
            scaled.update(&times(&reference), &times(&window), deff as f64, 9.0);
            let evidence = plain.log_evidence();
            prop_assert!((turned.log_evidence() - evidence).abs() < 1e-6);
            prop_assert!((scaled.log_evidence() - evidence).abs() < 1e-6);
        }
    }
}
