//! Against what scipy, statsmodels and numpy say.

use std::fs;

use driftline::{
    drift::checks::{CheckSettings, column_checks, volume_finding},
    result::{Check, Verdict},
};
use serde::Deserialize;

use crate::columns::*;

#[derive(Deserialize)]
struct Oracles {
    shares: Vec<ShareCase>,
    volume: Vec<VolumeCase>,
    occupancy: Vec<OccupancyCase>,
}

#[derive(Deserialize)]
struct ShareCase {
    a: u64,
    m: u64,
    n: u64,
    test: String,
    low: Option<f64>,
    high: Option<f64>,
}

#[derive(Deserialize)]
struct VolumeCase {
    counts: Vec<u64>,
    low: Option<f64>,
    high: f64,
    typical: f64,
}

#[derive(Deserialize)]
struct OccupancyCase {
    reference: Vec<u64>,
    n: u64,
    mean: f64,
    standard_deviation: f64,
}

fn oracles() -> Oracles {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/oracles/checks.json");
    serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

fn assert_close(found: f64, expected: f64, tolerance: f64, what: &str) {
    assert!(
        (found - expected).abs() <= tolerance * expected.abs().max(1e-300),
        "{what}: {found} for {expected}"
    );
}

#[test]
fn noise_ranges_of_shares_are_those_of_scipy() {
    for case in oracles().shares {
        let (column, _) = with_missing(case.a, case.m);
        let found = missing_finding(&column, 0, case.n, 1.0);
        let rows = case.n as f64;
        let ends = (found.noise_low.map(|share| share * rows), found.noise_high.map(|share| share * rows));
        let what = format!("{} of {} against {}: {ends:?}", case.a, case.m, case.n);
        // Whole numbers; the score test's two formulas may round apart by one.
        let tolerance = if case.test == "exact" { 1e-6 } else { 1.0 };
        for (found, expected) in [(ends.0, case.low), (ends.1, case.high)] {
            assert_eq!(found.is_some(), expected.is_some(), "{what}");
            let apart = found.unwrap_or_default() - expected.unwrap_or_default();
            assert!(apart.abs() <= tolerance, "{what} instead of {expected:?}");
        }
    }
}

#[test]
fn verdicts_change_exactly_at_the_noise_points() {
    let (column, _) = with_missing(20, 10_000);
    let verdict = |missing| missing_finding(&column, missing, 10_000, 1.0).verdict;
    // The oracle: 4 to 47 are noise.
    assert_eq!(
        [3, 4, 47, 48].map(verdict),
        [Verdict::Drifted, Verdict::Stable, Verdict::Stable, Verdict::Drifted]
    );
    let (few, _) = with_missing(0, 3);
    assert_eq!(missing_finding(&few, 5, 5, 1.0).verdict, Verdict::Insufficient, "no count would be outside");
}

#[test]
fn a_design_effect_divides_both_sizes() {
    let range = |a, m, n, deff| {
        let (column, _) = with_missing(a, m);
        let found = missing_finding(&column, 0, n, deff);
        (found.noise_low.unwrap_or(0.0), found.noise_high.unwrap_or(1.0))
    };
    let independent = range(200, 10_000, 5_000, 1.0);
    let tenfold = range(2_000, 100_000, 50_000, 10.0);
    let plain = range(2_000, 100_000, 50_000, 1.0);
    // Ten rows say as much as one: the range of the tenfold sample is that of
    // the tenth, but for less than one of its rows.
    assert!((tenfold.0 - independent.0).abs() <= 1.0 / 5_000.0, "{tenfold:?} {independent:?}");
    assert!((tenfold.1 - independent.1).abs() <= 1.0 / 5_000.0, "{tenfold:?} {independent:?}");
    assert!(plain.0 > tenfold.0 && plain.1 < tenfold.1);
    // No number above 1 is no design effect.
    assert_eq!(range(200, 10_000, 5_000, f64::NAN), independent);
    assert_eq!(range(200, 10_000, 5_000, 0.1), independent);
}

#[test]
fn volume_ranges_are_those_of_scipy() {
    for case in oracles().volume {
        let found = volume_finding(&case.counts, 7, &CheckSettings::default());
        let what = format!("{:?}: {found:?}", case.counts);
        assert_eq!(found.noise_low.is_some(), case.low.is_some(), "{what}");
        // The steady range of many events is the score test's.
        assert_close(found.noise_low.unwrap_or(1.0), case.low.unwrap_or(1.0), 3e-4, &what);
        assert_close(found.noise_high.unwrap(), case.high, 3e-4, &what);
        assert!((found.reference.unwrap() - case.typical).abs() < 1e-6 * case.typical.max(1.0), "{what}");
    }
}

#[test]
fn expected_numbers_of_values_are_those_of_a_simulation() {
    for case in oracles().occupancy {
        let values: Vec<f64> = (0..)
            .zip(&case.reference)
            .flat_map(|(value, &count)| vec![f64::from(value); count as usize])
            .collect();
        let column = numeric(&values);
        // The number expected depends on the number of rows alone.
        let mut rows = vec![0.0; case.n as usize];
        rows[0] = 1.0;
        let window = count_numbers(&column, &rows);
        let settings = CheckSettings { min_events: 1, ..CheckSettings::default() };
        let found = column_checks((&column, &column.counts), &window, &settings, 1.0);
        let found = of(&found, Check::Cardinality);
        let expected = found.reference.unwrap();
        assert!((expected - case.mean).abs() < 0.02 * case.mean + 0.1, "{expected} instead of {}", case.mean);
        // Half a bin and 3.3 deviations; more where hardly any bin is empty.
        let deviations = (case.mean - 0.5 - found.noise_low.unwrap()) / case.standard_deviation;
        assert!((2.5..6.0).contains(&deviations) || case.standard_deviation < 0.5, "{deviations}");
    }
}
