//! Single cases: verdicts at the borders, and words.

use driftline::{
    drift::checks::{CheckSettings, volume_finding},
    profile::{Cell, Counts, Grid},
    reference::Column,
    result::{Check, Finding, Verdict},
};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::columns::*;

/// Cells of a column with these names and counts.
fn repeated(column: &Column, parts: &[(&str, u64)]) -> Counts {
    let Grid::Categorical(grid) = &column.grid else { panic!("a categorical column") };
    let mut counts = Counts::new(&column.grid);
    for &(name, count) in parts {
        counts.add_cells(&column.grid, &vec![Cell::category(grid.code_of(name.as_bytes())); count as usize]);
    }
    counts
}

fn named_column(parts: &[(&str, u64)]) -> Column {
    let mut column = categorical(&parts.iter().map(|(name, _)| Some((*name).to_owned())).collect::<Vec<_>>());
    column.counts = repeated(&column, parts);
    column
}

#[test]
fn a_fraud_rate_that_doubles_is_drift() {
    let mut rng = ChaCha8Rng::seed_from_u64(11);
    let rows = 100_000;
    let column = named_column(&[("good", rows - 200), ("fraud", 200)]);
    for _ in 0..40 {
        let fraud = (0..rows).filter(|_| rng.random_bool(0.004)).count() as u64;
        let found = checks(&column, &repeated(&column, &[("good", rows - fraud), ("fraud", fraud)]));
        let found = of(&found, Check::RareCategory);
        assert_eq!(found.verdict, Verdict::Drifted, "{found:?}");
        assert!(found.detail.starts_with("category `fraud`: 0.20 % → 0."), "{}", found.detail);
    }
    let found = checks(&column, &repeated(&column, &[("good", rows - 410), ("fraud", 410)]));
    assert_eq!(of(&found, Check::RareCategory).detail, "category `fraud`: 0.20 % → 0.41 %");
    let gone = checks(&column, &repeated(&column, &[("good", rows)]));
    assert_eq!(of(&gone, Check::RareCategory).detail, "category `fraud`: 0.20 % → 0 %");
    // Half as much again is the minimum: certain, and too little.
    let more = checks(&column, &repeated(&column, &[("good", rows - 280), ("fraud", 280)]));
    assert_eq!(of(&more, Check::RareCategory).verdict, Verdict::Shifted);
}

#[test]
fn a_category_that_matters_is_named_before_one_with_more_evidence() {
    let column = named_column(&[("a", 60_000), ("b", 39_800), ("fraud", 200)]);
    // a: 60 % to 55 %, far more certain than fraud, and of no consequence.
    let found = checks(&column, &repeated(&column, &[("a", 55_000), ("b", 44_600), ("fraud", 400)]));
    let found = of(&found, Check::RareCategory);
    assert_eq!(
        (found.verdict, found.detail.as_str()),
        (Verdict::Drifted, "category `fraud`: 0.20 % → 0.40 %")
    );
    let found = checks(&column, &repeated(&column, &[("a", 55_000), ("b", 44_800), ("fraud", 200)]));
    let found = of(&found, Check::RareCategory);
    assert_eq!((found.verdict, found.detail.as_str()), (Verdict::Shifted, "category `b`: 39.8 % → 44.8 %"));
}

#[test]
fn differences_too_small_to_matter_are_no_drift() {
    let (column, _) = with_missing(100, 1_000_000);
    let found = missing_finding(&column, 500, 1_000_000, 1.0);
    assert_eq!(found.verdict, Verdict::Shifted, "0.01 % to 0.05 %");
    assert_eq!(found.detail, "0.0100 % → 0.0500 % of the rows");
    // 70 % that become 85 % are 1.2 times as many, and half as many valid rows.
    let (column, _) = with_missing(7_000, 10_000);
    assert_eq!(missing_finding(&column, 850, 1_000, 1.0).verdict, Verdict::Drifted);
    assert_eq!(missing_finding(&column, 760, 1_000, 1.0).verdict, Verdict::Shifted);
}

#[test]
fn wrong_types_and_numbers_that_are_none_are_told_apart() {
    let column = numeric(&(0..500).map(f64::from).collect::<Vec<_>>());
    let mut cells: Vec<Cell> = (0..500).map(|value| Cell::number(f64::from(value))).collect();
    cells.extend([Cell::WRONG_TYPE; 30]);
    let found = checks(&column, &count_cells(&column, &cells));
    assert_eq!(of(&found, Check::Type).verdict, Verdict::Drifted);
    assert_eq!(of(&found, Check::Invalid).verdict, Verdict::Stable);
    cells.truncate(500);
    cells.extend([f64::NAN, f64::INFINITY, f64::NEG_INFINITY].map(Cell::number).repeat(10));
    let found = checks(&column, &count_cells(&column, &cells));
    assert_eq!(of(&found, Check::Type).verdict, Verdict::Stable);
    assert_eq!(of(&found, Check::Invalid).verdict, Verdict::Drifted);
    assert_eq!(of(&found, Check::Invalid).detail, "0 % → 5.66 % of the rows");
}

#[test]
fn a_reference_of_one_value_is_never_constant_or_stuck() {
    let column = numeric(&[3.5; 200]);
    let same = checks(&column, &count_numbers(&column, &[3.5; 300]));
    assert_eq!(of(&same, Check::Constant).verdict, Verdict::Stable);
    assert!(same.iter().all(|finding| finding.verdict <= Verdict::Stable), "{same:?}");
    // Nearly always the same: a window of it says nothing.
    let mut values = vec![0.0; 2_000];
    values[7] = 1.0;
    let column = numeric(&values);
    let same = checks(&column, &count_numbers(&column, &[0.0; 300]));
    assert_eq!(of(&same, Check::Constant).verdict, Verdict::Insufficient);
}

#[test]
fn a_foreign_grid_and_an_empty_window_are_insufficient_and_keep_the_order() {
    let (one, other) = (numeric(&[1.0, 2.0, 3.0]), numeric(&(0..40).map(f64::from).collect::<Vec<_>>()));
    let order = |findings: &[Finding]| findings.iter().map(|finding| finding.check).collect::<Vec<_>>();
    let usual = order(&checks(&one, &count_numbers(&one, &[1.0; 100])));
    for window in [Counts::new(&one.grid), Counts::new(&other.grid), count_numbers(&one, &[f64::NAN; 9])] {
        let found = checks(&one, &window);
        assert!(found.iter().all(|finding| finding.verdict == Verdict::Insufficient), "{found:?}");
        assert_eq!(order(&found), usual);
    }
    let names = named_column(&[("a", 60), ("b", 40)]);
    let empty = checks(&names, &Counts::new(&names.grid));
    assert_eq!(order(&empty), order(&checks(&names, &repeated(&names, &[("a", 100)]))));
}

#[test]
fn volume_knows_silence_floods_and_a_short_past() {
    let verdict = |past: &[u64], events| volume_finding(past, events, &CheckSettings::default()).verdict;
    assert_eq!(verdict(&[100; 3], 0), Verdict::Insufficient);
    assert_eq!(verdict(&[1000, 900, 1100, 950, 1050], 0), Verdict::Drifted);
    assert_eq!(verdict(&[1000, 900, 1100, 950, 1050], 990), Verdict::Stable);
    assert_eq!(verdict(&[1000, 990, 1010, 995, 1005, 1000, 1001], 700), Verdict::Shifted);
    assert_eq!(verdict(&[1000, 990, 1010, 995, 1005, 1000, 1001], 490), Verdict::Drifted);
    assert_eq!(verdict(&[1000, 990, 1010, 995, 1005, 1000, 1001], 2_010), Verdict::Drifted);
    // However much a busy stream varies, silence is silence; a quiet one may be.
    assert_eq!(verdict(&[10, 3_000, 200, 80, 40], 0), Verdict::Drifted);
    assert_eq!(verdict(&[0, 2, 1, 0, 3, 1], 0), Verdict::Stable);
    let silent = volume_finding(&[1000, 900, 1100, 950, 1050], 0, &CheckSettings::default());
    assert!(silent.detail.starts_with("no events, 99"), "{}", silent.detail);
}
