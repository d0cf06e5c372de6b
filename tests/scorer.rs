//! What a window's result says of a column, from values to scores: reference
//! builder, grid, counts, cut and scorer together.
//!
//! Against the same oracles as tests/scores.rs where the grid is exact, and
//! against the truth from the values where it is not. Nothing is a stand-in.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
#![allow(clippy::float_cmp, reason = "exact results are promised and compared as such")]
#![allow(clippy::cast_precision_loss)]

use std::{collections::BTreeMap, fs};

use driftline::{
    drift::{ColumnJudge, DriftSettings, Scorer},
    profile::{Cell, Counts, Grid},
    reference::{Column, ColumnRole, ReferenceBuilder, Value},
    result::{FeatureResult, Scores, Verdict},
};
use proptest::prelude::*;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::Value as Json;

fn column<'a>(values: impl IntoIterator<Item = Value<'a>>) -> Column {
    let mut builder = ReferenceBuilder::new("model", &BTreeMap::new(), 10);
    for value in values {
        builder.push_row([("x", ColumnRole::Feature, value)]);
    }
    builder.finish("a test".to_owned()).unwrap().0.columns.remove(0)
}

fn numeric(values: &[f64]) -> Column {
    column(values.iter().map(|&value| Value::Number(value)))
}

fn counts_of(column: &Column, cells: &[Cell]) -> Counts {
    let mut counts = Counts::new(&column.grid);
    counts.add_cells(&column.grid, cells);
    counts
}

fn numbers(column: &Column, values: &[f64]) -> Counts {
    counts_of(column, &values.iter().map(|&value| Cell::number(value)).collect::<Vec<_>>())
}

fn categories(column: &Column, names: &[&str]) -> Counts {
    let Grid::Categorical(grid) = &column.grid else { panic!("a categorical column") };
    let cells: Vec<Cell> = names.iter().map(|name| Cell::category(grid.code_of(name.as_bytes()))).collect();
    counts_of(column, &cells)
}

fn result(column: &Column, counts: &Counts) -> FeatureResult {
    judged(column, counts, 1)
}

fn judged(column: &Column, counts: &Counts, min_events: u64) -> FeatureResult {
    judged_by(&mut Scorer::default(), column, counts, min_events)
}

fn judged_by(scorer: &mut Scorer, column: &Column, counts: &Counts, min_events: u64) -> FeatureResult {
    let mut judge = ColumnJudge::new(column, &column.counts, None);
    judge.judge(scorer, (column, &column.counts), counts, (&DriftSettings::default(), min_events))
}

fn scores(column: &Column, counts: &Counts) -> Scores {
    result(column, counts).scores.expect("scores")
}

fn floats(json: &Json) -> Vec<f64> {
    json.as_array().unwrap().iter().map(|value| value.as_f64().unwrap()).collect()
}

/// Kolmogorov-Smirnov statistic and Wasserstein distance from the values.
fn truth(reference: &[f64], window: &[f64]) -> (f64, f64) {
    let mut points = [reference, window].concat();
    points.sort_by(f64::total_cmp);
    let sorted = |sample: &[f64]| {
        let mut sample = sample.to_vec();
        sample.sort_by(f64::total_cmp);
        sample
    };
    let (reference, window) = (sorted(reference), sorted(window));
    let below =
        |sample: &[f64], x: f64| sample.partition_point(|&value| value <= x) as f64 / sample.len() as f64;
    let difference = |x: f64| (below(&reference, x) - below(&window, x)).abs();
    let largest = points.iter().map(|&x| difference(x)).fold(0.0, f64::max);
    let area = points.windows(2).map(|pair| (pair[1] - pair[0]) * difference(pair[0])).sum();
    (largest, area)
}

/// Half the mean width of the bins that the values of both sides lie in.
fn stated_error(column: &Column, window: &Counts) -> f64 {
    let Grid::Numeric(grid) = &column.grid else { return 0.0 };
    let min = column.counts.min().unwrap().min(window.min().unwrap());
    let max = column.counts.max().unwrap().max(window.max().unwrap());
    let mass =
        |counts: &Counts| counts.bins().map(|count| count as f64 / counts.valid() as f64).collect::<Vec<_>>();
    let (reference, window) = (mass(&column.counts), mass(window));
    (0..grid.bins())
        .filter(|&bin| !grid.is_single_value(bin) && reference[bin] + window[bin] > 0.0)
        .map(|bin| {
            (grid.upper(bin).min(max) - grid.lower(bin).max(min)) * (reference[bin] + window[bin]) / 2.0
        })
        .sum()
}

fn assert_close(found: f64, expected: f64, tolerance: f64, what: &str) {
    assert!(
        (found - expected).abs() <= tolerance * expected.abs(),
        "{what}: {found:e} instead of {expected:e}"
    );
}

#[test]
fn numeric_columns_agree_with_scipy_wherever_their_grid_is_exact() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/oracles/scores.json");
    let oracles: Json = serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap();
    let (mut exact_ks, mut exact_wasserstein) = (0, 0);
    for case in oracles["numeric"].as_array().unwrap() {
        let name = case["name"].as_str().unwrap();
        let (reference, window) = (floats(&case["reference"]), floats(&case["window"]));
        if reference.is_empty() {
            continue;
        }
        let column = numeric(&reference);
        let counts = numbers(&column, &window);
        let found = result(&column, &counts);
        let expected = &case["expected"];
        if expected.is_null() {
            assert!(found.scores.is_none() && found.verdict == Verdict::Insufficient, "{name}");
            continue;
        }
        let scores = found.scores.unwrap();
        let ks = scores.ks.expect(name);
        let statistic = expected["ks"]["statistic"].as_f64().unwrap();
        if ks.error_bound == 0.0 {
            exact_ks += 1;
            assert_close(ks.statistic, statistic, 1e-12, &format!("{name}: KS"));
            let p_value = expected["ks"]["p_value"].as_f64().unwrap();
            assert_close(ks.p_value, p_value, 1e-9, &format!("{name}: p-value"));
        }
        assert!(
            ks.statistic <= statistic + 1e-14 && statistic <= ks.statistic + ks.error_bound + 1e-14,
            "{name}"
        );

        let Some(wasserstein) = expected["wasserstein"].as_f64() else {
            assert!(scores.wasserstein.is_none(), "{name}: the reference is constant");
            continue;
        };
        let error = stated_error(&column, &counts) / column.counts.std_dev().unwrap();
        let tolerance = if error == 0.0 { 1e-12 } else { 1e-9 };
        exact_wasserstein += usize::from(error == 0.0);
        let off = (scores.wasserstein.expect(name) - wasserstein).abs();
        assert!(
            off <= error + tolerance * wasserstein,
            "{name}: {scores:?}, {wasserstein} expected, off by {off:e}"
        );
    }
    assert!(exact_ks >= 20 && exact_wasserstein >= 4, "{exact_ks} and {exact_wasserstein} exact cases");
}

#[test]
fn categorical_columns_agree_with_the_formulas() {
    let reference = ["a"; 50].iter().chain(&["b"; 30]).chain(&["c"; 20]).map(|name| Value::Text(name));
    let column = column(reference);
    let window = [["a"; 6].as_slice(), &["b"; 2], &["z"; 2]].concat();
    let mut counts = categories(&column, &window);
    counts.note_unseen("z", 2);
    let found = result(&column, &counts);
    let scores = found.scores.unwrap();
    assert!(scores.ks.is_none() && scores.wasserstein.is_none() && found.summary.is_none());
    assert_close(scores.total_variation, 0.3, 1e-12, "total variation");
    assert_close(scores.l_infinity, 0.2, 1e-12, "L-infinity");
    // c is missing: one event of 10. z is new: one event of 100.
    let psi = -0.1 * (5.0 / 6.0_f64).ln() + 0.1 * 1.5_f64.ln() + 0.1 * 2_f64.ln() + 0.19 * 20_f64.ln();
    assert_close(scores.psi, psi, 1e-12, "PSI");
    let chi_square = scores.chi_square.unwrap();
    assert_eq!(chi_square.degrees_of_freedom, 3);
    let roots: f64 = [(0.5_f64, 0.6_f64), (0.3, 0.2), (0.2, 0.0), (0.0, 0.2)]
        .iter()
        .map(|(p, q)| (p.sqrt() - q.sqrt()).powi(2))
        .sum();
    assert_close(scores.hellinger, (roots / 2.0).sqrt(), 1e-12, "Hellinger");
    assert_eq!(found.unseen_share, Some(0.2));
    assert_eq!(found.unseen[0].name, "z");
    let shares: f64 = found.bins.iter().map(|bin| bin.window).sum();
    assert_close(shares, 1.0, 1e-12, "the window's shares");
}

#[test]
fn shares_and_verdicts_say_what_there_was() {
    let column = numeric(&(0..200).map(f64::from).collect::<Vec<_>>());
    let mut cells = vec![Cell::number(5.0); 6];
    cells.extend([Cell::MISSING, Cell::MISSING, Cell::WRONG_TYPE, Cell::number(f64::NAN), Cell::ABSENT]);
    cells.extend([Cell::number(1e9), Cell::number(-3.0), Cell::number(f64::INFINITY)]);
    let counts = counts_of(&column, &cells);
    let found = judged(&column, &counts, 8);
    assert_eq!((found.n, found.valid), (13, 8));
    assert_eq!(found.missing_share, Some(2.0 / 13.0));
    assert_eq!(found.invalid_share, Some(3.0 / 13.0));
    assert_eq!(found.unseen_share, Some(2.0 / 8.0));
    assert_eq!(found.verdict, Verdict::Drifted);
    let summary = found.summary.unwrap();
    assert_eq!((summary.min, summary.max, summary.p50), (-3.0, 1e9, 5.0));

    let insufficient = judged(&column, &counts, 9);
    assert_eq!(insufficient.verdict, Verdict::Insufficient);
    assert!(insufficient.scores.is_none());
    assert_eq!(insufficient.summary, found.summary);
}

#[test]
fn an_empty_window_has_no_shares_no_summary_and_no_scores() {
    let column = numeric(&[1.0, 2.0, 3.0]);
    let found = judged(&column, &Counts::new(&column.grid), 0);
    assert_eq!((found.n, found.valid), (0, 0));
    assert_eq!((found.missing_share, found.invalid_share, found.unseen_share), (None, None, None));
    assert!(found.summary.is_none() && found.scores.is_none());
    assert_eq!(found.verdict, Verdict::Insufficient);
    assert!(found.bins.iter().all(|bin| bin.window == 0.0 && bin.reference > 0.0 || bin.reference == 0.0));

    let all_missing = counts_of(&column, &[Cell::MISSING; 4]);
    let found = judged(&column, &all_missing, 0);
    assert_eq!((found.missing_share, found.unseen_share), (Some(1.0), None));
    assert!(found.scores.is_none());
}

#[test]
fn a_constant_reference_sees_the_change_and_has_no_unit_for_wasserstein() {
    let column = numeric(&[3.5; 40]);
    let same = scores(&column, &numbers(&column, &[3.5; 30]));
    assert!(same.psi == 0.0 && same.ks.unwrap().statistic == 0.0 && same.wasserstein.is_none());
    assert!(same.chi_square.is_none(), "one bin leaves no degree of freedom");
    let moved = scores(&column, &numbers(&column, &[3.5 + 1e-9; 30]));
    assert_eq!(moved.total_variation, 1.0);
    assert_eq!(moved.ks.unwrap().statistic, 1.0);
    assert!(moved.wasserstein.is_none() && moved.psi.is_finite());
}

#[test]
fn counts_of_another_grid_have_no_scores() {
    let (one, other) = (numeric(&[1.0, 2.0, 3.0]), numeric(&(0..40).map(f64::from).collect::<Vec<_>>()));
    assert!(result(&one, &numbers(&other, &[1.0, 2.0])).scores.is_none());
}

#[test]
fn a_reused_scorer_gives_the_same_bits() {
    let mut rng = ChaCha8Rng::seed_from_u64(3);
    let mut scorer = Scorer::default();
    for size in [2_000, 3, 700, 40] {
        let reference: Vec<f64> = (0..size).map(|_| rng.random::<f64>()).collect();
        let window: Vec<f64> = (0..60).map(|_| rng.random::<f64>()).collect();
        let column = numeric(&reference);
        let counts = numbers(&column, &window);
        assert_eq!(judged_by(&mut scorer, &column, &counts, 1), result(&column, &counts));
    }
}

/// Normal by the sum of twelve uniforms, then bent into a family of shapes.
fn draw(rng: &mut ChaCha8Rng, shape: usize, shift: f64) -> f64 {
    let normal = (0..12).map(|_| rng.random::<f64>()).sum::<f64>() - 6.0 + shift;
    match shape {
        0 => normal,
        1 => (1.5 * normal).exp(),
        2 => (normal * 4.0).round(),
        3 => {
            if normal < 0.5 {
                0.0
            } else {
                normal * normal
            }
        }
        _ => normal / rng.random::<f64>().max(1e-6),
    }
}

#[test]
fn large_references_keep_their_bounds() {
    let mut rng = ChaCha8Rng::seed_from_u64(11);
    for shape in 0..5 {
        let reference: Vec<f64> = (0..30_000).map(|_| draw(&mut rng, shape, 0.0)).collect();
        let column = numeric(&reference);
        for (size, shift) in [(1_000, 0.0), (5_000, 0.1), (5_000, 1.0)] {
            let window: Vec<f64> = (0..size).map(|_| draw(&mut rng, shape, shift)).collect();
            let counts = numbers(&column, &window);
            let found = scores(&column, &counts);
            let (largest, area) = truth(&reference, &window);
            let what = format!("shape {shape}, {size} rows, shift {shift}");
            let ks = found.ks.unwrap();
            assert!(
                ks.statistic <= largest + 1e-12 && largest <= ks.statistic + ks.error_bound + 1e-12,
                "{what}"
            );
            assert!(ks.error_bound <= 0.0012, "{what}: {}", ks.error_bound);
            let unit = column.counts.std_dev().unwrap();
            let off = (found.wasserstein.unwrap() - area / unit).abs();
            let error = stated_error(&column, &counts) / unit;
            assert!(off <= error + 1e-9, "{what}: off by {off}, stated {error}");
        }
    }
}

proptest! {
    #[test]
    fn results_are_finite_and_survive_json(
        reference in prop::collection::vec(prop_oneof![any::<f64>(), -3.0..3.0, (-4_i32..4).prop_map(f64::from)], 1..60),
        window in prop::collection::vec(prop_oneof![any::<f64>(), -3.0..3.0, (-4_i32..4).prop_map(f64::from)], 0..60),
    ) {
        prop_assume!(reference.iter().any(|value| value.is_finite()));
        let column = numeric(&reference);
        let found = result(&column, &numbers(&column, &window));
        let json = serde_json::to_value(&found).unwrap();
        let nulls = |scores: &Json| scores.as_object().unwrap().iter().filter(|(_, value)| value.is_null()).count();
        if let Some(scores) = &found.scores {
            // JSON has no NaN and no infinity: they would be nulls.
            let absent = usize::from(scores.wasserstein.is_none()) + usize::from(scores.chi_square.is_none());
            prop_assert_eq!(nulls(&json["scores"]), absent);
            prop_assert!(scores.psi >= 0.0 && scores.wasserstein.is_none_or(|distance| distance >= 0.0));
        }
        prop_assert_eq!(found.scores.is_some(), window.iter().any(|value| value.is_finite()));
    }

    #[test]
    fn one_row_far_out_changes_little(
        window in prop::collection::vec(0.0..1.0, 50..200),
        outlier in prop_oneof![Just(1e300), Just(-1e12), 5.0..1e6],
    ) {
        let column = numeric(&(0..1_000).map(|i| f64::from(i) / 1_000.0).collect::<Vec<_>>());
        let mut dirty = window.clone();
        dirty[0] = outlier;
        let (clean, dirty) = (scores(&column, &numbers(&column, &window)), scores(&column, &numbers(&column, &dirty)));
        let n = window.len() as f64;
        prop_assert!((clean.ks.unwrap().statistic - dirty.ks.unwrap().statistic).abs() <= 1.0 / n + 1e-12);
        prop_assert!((clean.total_variation - dirty.total_variation).abs() <= 1.0 / n + 1e-12);
        // The slope by a share q is ln(q/p) + 1 - p/q: with p = 0.1 and one event
        // in the decile at most ln(n) + n/10.
        prop_assert!((clean.psi - dirty.psi).abs() <= 2.0 / n * (n.ln() + n / 10.0));
    }
}
