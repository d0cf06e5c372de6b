//! The checks against scipy, against what they promise about chance, and on
//! what each is for.
//!
//! tests/oracles/checks.json holds what scipy, statsmodels and numpy say;
//! `tests/oracles/make_checks.py` made it. Simulations are seeded; reference and
//! windows are drawn anew, so that the reference's own error is in the rates.
//! Nothing is a stand-in.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
#![allow(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss)]

use std::{collections::BTreeMap, fs, time::Instant};

use driftline::{
    drift::checks::{CheckSettings, column_checks, volume_finding},
    profile::{Cell, Counts, Grid},
    reference::{Column, ColumnRole, ReferenceBuilder, Value},
    result::{Check, Finding, Verdict},
};
use proptest::prelude::*;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, LogNormal, Normal, Poisson, StudentT, Zipf};
use serde::Deserialize;

/// A kind of column in the simulations.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shape {
    Normal,
    /// Poisson with mean 4.
    Integer,
    /// 60 % zeros, the rest log-normal.
    ZeroInflated,
    Skewed,
    /// Student's t with 3 degrees of freedom, around 5.
    HeavyTailed,
    /// 20 categories, Zipf.
    Categories20,
    /// 400 categories, Zipf.
    Categories400,
    /// 5,000 equally frequent names.
    Ids,
}

const SHAPES: [Shape; 8] = [
    Shape::Normal,
    Shape::Integer,
    Shape::ZeroInflated,
    Shape::Skewed,
    Shape::HeavyTailed,
    Shape::Categories20,
    Shape::Categories400,
    Shape::Ids,
];

/// Share of rows that are missing in every simulation.
const MISSING: f64 = 0.01;

impl Shape {
    fn names(self) -> Option<usize> {
        match self {
            Self::Categories20 => Some(20),
            Self::Categories400 => Some(400),
            Self::Ids => Some(5_000),
            _ => None,
        }
    }

    /// A number, or of categories the number of the name.
    fn draw(self, rng: &mut ChaCha8Rng) -> f64 {
        match self {
            Self::Normal => Normal::new(20.0, 5.0).unwrap().sample(rng),
            Self::Integer => Poisson::new(4.0).unwrap().sample(rng),
            Self::ZeroInflated if rng.random_bool(0.6) => 0.0,
            Self::ZeroInflated => LogNormal::new(3.0, 0.8).unwrap().sample(rng),
            Self::Skewed => LogNormal::new(1.0, 1.0).unwrap().sample(rng),
            Self::HeavyTailed => 5.0 + StudentT::new(3.0).unwrap().sample(rng),
            Self::Categories20 => Zipf::new(20.0, 1.1).unwrap().sample(rng),
            Self::Categories400 => Zipf::new(400.0, 1.1).unwrap().sample(rng),
            Self::Ids => f64::from(rng.random_range(1..=5_000)),
        }
    }

    /// Values with some missing (NaN stands for them).
    fn sample(self, rng: &mut ChaCha8Rng, n: usize) -> Vec<f64> {
        (0..n).map(|_| if rng.random_bool(MISSING) { f64::NAN } else { self.draw(rng) }).collect()
    }

    fn column(self, values: &[f64]) -> Column {
        if self.names().is_some() { categorical(&names_of(values)) } else { numeric(values) }
    }

    fn counts(self, column: &Column, values: &[f64]) -> Counts {
        if self.names().is_some() {
            count_names(column, &names_of(values))
        } else {
            count_numbers(column, values)
        }
    }
}

fn names_of(values: &[f64]) -> Vec<Option<String>> {
    values.iter().map(|value| (!value.is_nan()).then(|| format!("c{value}"))).collect()
}

fn build<'a>(values: impl Iterator<Item = Value<'a>>) -> Column {
    let mut builder = ReferenceBuilder::new("model", &BTreeMap::new(), 10);
    for value in values {
        builder.push_row([("x", ColumnRole::Feature, value)]);
    }
    builder.finish("a test".to_owned()).unwrap().0.columns.remove(0)
}

/// A numeric column; NaN stands for a missing value.
fn numeric(values: &[f64]) -> Column {
    build(values.iter().map(|&value| if value.is_nan() { Value::Missing } else { Value::Number(value) }))
}

fn categorical(names: &[Option<String>]) -> Column {
    build(names.iter().map(|name| name.as_deref().map_or(Value::Missing, Value::Text)))
}

fn count_cells(column: &Column, cells: &[Cell]) -> Counts {
    let mut counts = Counts::new(&column.grid);
    counts.add_cells(&column.grid, cells);
    counts
}

fn count_numbers(column: &Column, values: &[f64]) -> Counts {
    let cell = |&value: &f64| if value.is_nan() { Cell::MISSING } else { Cell::number(value) };
    count_cells(column, &values.iter().map(cell).collect::<Vec<_>>())
}

fn count_names(column: &Column, names: &[Option<String>]) -> Counts {
    let Grid::Categorical(grid) = &column.grid else { panic!("a categorical column") };
    let code = |name: &Option<String>| {
        name.as_ref().map_or(Cell::MISSING, |name| Cell::category(grid.code_of(name.as_bytes())))
    };
    let mut counts = count_cells(column, &names.iter().map(code).collect::<Vec<_>>());
    for name in names.iter().flatten().filter(|name| grid.code_of(name.as_bytes()) == grid.unseen_code()) {
        counts.note_unseen(name, 1);
    }
    counts
}

fn checks(column: &Column, window: &Counts) -> Vec<Finding> {
    let findings = column_checks((column, &column.counts), window, &CheckSettings::default(), 1.0);
    for finding in &findings {
        let numbers =
            [finding.value, finding.reference, finding.noise_low, finding.noise_high, finding.effect];
        assert!(numbers.iter().flatten().all(|number| number.is_finite()), "{finding:?}");
        assert_eq!(finding.detail.is_empty(), finding.verdict <= Verdict::Stable, "{finding:?}");
    }
    findings
}

fn of(findings: &[Finding], check: Check) -> &Finding {
    findings.iter().find(|finding| finding.check == check).unwrap()
}

/// How often each check said each verdict.
#[derive(Debug, Default, Clone)]
struct Tally(BTreeMap<Check, [u32; 4]>);

impl Tally {
    fn add(&mut self, findings: &[Finding]) {
        for finding in findings {
            self.0.entry(finding.check).or_default()[finding.verdict.level() as usize] += 1;
        }
    }

    fn merge(&mut self, other: &Self) {
        for (check, counts) in &other.0 {
            let mine = self.0.entry(*check).or_default();
            mine.iter_mut().zip(counts).for_each(|(mine, count)| *mine += count);
        }
    }
}

/// Windows without drift, against references drawn anew.
fn without_drift(shape: Shape, sizes: (usize, usize), references: usize, windows: usize, seed: u64) -> Tally {
    let (m, n) = sizes;
    let mut rng = ChaCha8Rng::seed_from_u64(seed * 100 + shape as u64);
    let mut tally = Tally::default();
    for _ in 0..references {
        let column = shape.column(&shape.sample(&mut rng, m));
        for _ in 0..windows {
            let window = shape.counts(&column, &shape.sample(&mut rng, n));
            tally.add(&checks(&column, &window));
        }
    }
    tally
}

/// `cargo test --release --test checks -- --ignored --nocapture measure_false`
/// prints the table of false alarms in docs/checks.md.
#[test]
#[ignore = "takes minutes; prints a table"]
fn measure_false_alarms() {
    let sizes = [
        (1_000, 100, 400, 10),
        (1_000, 1_000, 300, 10),
        (1_000, 10_000, 100, 10),
        (10_000, 100, 60, 100),
        (10_000, 1_000, 60, 50),
        (10_000, 10_000, 60, 20),
        (100_000, 1_000, 20, 100),
        (100_000, 10_000, 20, 30),
        (100_000, 100_000, 10, 15),
        (10_000, 100_000, 15, 12),
    ];
    let only = std::env::var("SHAPE").ok();
    for shape in SHAPES.into_iter().filter(|shape| only.as_ref().is_none_or(|o| format!("{shape:?}") == *o)) {
        for (seed, (m, n, references, windows)) in (1..).zip(sizes) {
            let tally = without_drift(shape, (m, n), references, windows, seed);
            print!("{shape:?} m={m} n={n} of {}:", references * windows);
            for (check, [insufficient, _, shifted, drifted]) in &tally.0 {
                let share = *insufficient as usize * 100 / (references * windows);
                print!(" {} {shifted}/{drifted}", check.as_str());
                if share > 0 {
                    print!("({share}% ?)");
                }
            }
            println!();
        }
    }
}

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

/// A column of one number, so many rows of it, and so many missing.
fn with_missing(missing: u64, rows: u64) -> (Column, Counts) {
    let mut column = numeric(&[1.0, 2.0]);
    let counts = |missing: u64, rows: u64| {
        let mut counts = count_numbers(&numeric(&[1.0, 2.0]), &vec![1.0; (rows - missing) as usize]);
        counts.add_missing(missing);
        counts
    };
    column.counts = counts(missing, rows);
    let window = counts(0, 0);
    (column, window)
}

fn missing_finding(column: &Column, missing: u64, rows: u64, deff: f64) -> Finding {
    let mut window = count_numbers(column, &vec![1.0; (rows - missing) as usize]);
    window.add_missing(missing);
    let settings = CheckSettings { min_events: 1, ..CheckSettings::default() };
    let findings = column_checks((column, &column.counts), &window, &settings, deff);
    of(&findings, Check::Missing).clone()
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

#[test]
fn no_drift_is_called_drift_about_once_in_a_thousand_windows_at_most() {
    let mut all = Tally::default();
    let mut windows = 0;
    for (seed, (m, n, references, each)) in
        (500..).zip([(1_000, 100, 40, 8), (1_000, 1_000, 25, 6), (4_000, 300, 15, 20)])
    {
        for shape in SHAPES {
            all.merge(&without_drift(shape, (m, n), references, each, seed));
            windows += references * each;
        }
    }
    for (check, [_, _, shifted, drifted]) in all.0 {
        let found = f64::from(shifted + drifted);
        // Every column takes part in most checks; twice the deviation of so
        // many windows, doubled since those of one reference are alike.
        let expected = windows as f64 * 0.001;
        let limit = expected + 4.0 * expected.sqrt();
        assert!(found <= limit, "{check:?}: {found} of {windows} windows");
    }
}

/// Sizes of reference and window in the tables of docs/checks.md.
const MEASURED: [(usize, usize); 4] = [(1_000, 100), (1_000, 1_000), (10_000, 1_000), (10_000, 10_000)];

/// What a broken producer makes of a value; the second number says which row.
type Break = fn(f64, usize) -> f64;

/// One thing that goes wrong, and the check that is for it.
struct Fault {
    name: &'static str,
    shape: Shape,
    check: Check,
    breaks: Break,
}

const fn fault(name: &'static str, shape: Shape, check: Check, breaks: Break) -> Fault {
    Fault { name, shape, check, breaks }
}

impl Fault {
    fn apply(&self, value: f64, row: usize) -> f64 {
        if value.is_nan() { value } else { (self.breaks)(value, row) }
    }
}

const FAULTS: [Fault; 24] = [
    fault(
        "missing 1 % -> 4 %",
        Shape::Normal,
        Check::Missing,
        |x, row| if row % 33 == 0 { f64::NAN } else { x },
    ),
    fault(
        "a tenth beyond the range",
        Shape::Skewed,
        Check::Unseen,
        |x, row| if row % 10 == 0 { x + 1e4 } else { x },
    ),
    fault(
        "new category in 3 %",
        Shape::Categories20,
        Check::Unseen,
        |x, row| if row % 33 == 0 { 77.0 } else { x },
    ),
    fault("all ids new", Shape::Ids, Check::Unseen, |x, _| x + 5_000.0),
    fault("c15 vanishes", Shape::Categories20, Check::RareCategory, |x, _| {
        if (x - 15.0).abs() < 0.5 { 1.0 } else { x }
    }),
    fault(
        "c17 threefold",
        Shape::Categories20,
        Check::RareCategory,
        |x, row| if row % 30 == 0 { 17.0 } else { x },
    ),
    fault("constant number", Shape::Normal, Check::Constant, |_, _| 21.5),
    fault("constant category", Shape::Categories20, Check::Constant, |_, _| 1.0),
    fault("constant zero of 60 %", Shape::ZeroInflated, Check::Constant, |_, _| 0.0),
    fault("10 % at one value", Shape::Normal, Check::Stuck, |x, row| if row % 10 == 0 { 21.5 } else { x }),
    fault("10 % at -999", Shape::Normal, Check::Stuck, |x, row| if row % 10 == 0 { -999.0 } else { x }),
    fault("15 % more zeros", Shape::ZeroInflated, Check::Stuck, |x, row| if row % 3 == 0 { 0.0 } else { x }),
    fault("times 1000", Shape::Normal, Check::Unit, |x, _| x * 1e3),
    fault("over 1000", Shape::Skewed, Check::Unit, |x, _| x / 1e3),
    fault("times 60, zeros stay", Shape::ZeroInflated, Check::Unit, |x, _| x * 60.0),
    fault("inches as cm", Shape::Skewed, Check::Unit, |x, _| x * 2.54),
    fault("celsius as fahrenheit", Shape::Normal, Check::Unit, |x, _| x * 1.8 + 32.0),
    fault("celsius as kelvin", Shape::Normal, Check::Unit, |x, _| x + 273.15),
    fault("sign turned", Shape::Skewed, Check::Unit, |x, _| -x),
    fault("logarithm", Shape::Skewed, Check::Unit, |x, _| x.ln_1p()),
    fault("30 % times 1000", Shape::Skewed, Check::Unit, |x, row| if row % 10 < 3 { x * 1e3 } else { x }),
    fault("rounded to whole", Shape::Skewed, Check::Cardinality, |x, _| x.round()),
    fault("rounded to 5", Shape::Normal, Check::Cardinality, |x, _| (x / 5.0).round() * 5.0),
    fault("whole numbers with noise", Shape::Integer, Check::Cardinality, |x, row| x + row as f64 * 1e-6),
];

/// How many of so many windows with a fault the check that is for it calls
/// drifted, and what else is said of them.
fn detected(fault: &Fault, sizes: (usize, usize), windows: usize, seed: u64) -> (usize, Tally, String) {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let (mut found, mut tally, mut detail) = (0, Tally::default(), String::new());
    for _ in 0..windows {
        let column = fault.shape.column(&fault.shape.sample(&mut rng, sizes.0));
        let sample = fault.shape.sample(&mut rng, sizes.1);
        let broken: Vec<f64> =
            sample.iter().enumerate().map(|(row, &value)| fault.apply(value, row)).collect();
        let findings = checks(&column, &fault.shape.counts(&column, &broken));
        let finding = of(&findings, fault.check);
        found += usize::from(finding.verdict == Verdict::Drifted);
        detail = if finding.detail.is_empty() { detail } else { finding.detail.clone() };
        tally.add(&findings);
    }
    (found, tally, detail)
}

#[test]
#[ignore = "takes minutes; prints a table"]
fn measure_detection() {
    for fault in &FAULTS {
        print!("{} ({:?})", fault.name, fault.shape);
        let mut last = (Tally::default(), String::new());
        for (m, n) in MEASURED {
            let (found, tally, detail) = detected(fault, (m, n), 50, 5);
            print!(" | {}", found * 2);
            last = (tally, detail);
        }
        let others: Vec<_> = last
            .0
            .0
            .iter()
            .filter(|(_, counts)| counts[3] > 2)
            .map(|(check, counts)| format!("{} {}", check.as_str(), counts[3] * 2))
            .collect();
        println!(" | {} | {}", last.1, others.join(", "));
    }
}

/// Distributions that move as a whole, as a mixture, or in their spread.
const SHIFTS: [(&str, Shape, Break); 20] = [
    ("half a deviation up", Shape::Normal, |x, _| x + 2.5),
    ("two deviations up", Shape::Normal, |x, _| x + 10.0),
    ("ten deviations up", Shape::Normal, |x, _| x + 50.0),
    ("far away", Shape::Normal, |x, _| x + 5e4),
    ("wider", Shape::Normal, |x, _| 20.0 + (x - 20.0) * 1.4),
    ("three times wider", Shape::Normal, |x, _| 20.0 + (x - 20.0) * 3.0),
    ("narrower", Shape::Normal, |x, _| 20.0 + (x - 20.0) * 0.6),
    ("five times narrower", Shape::Normal, |x, _| 20.0 + (x - 20.0) * 0.2),
    ("two humps", Shape::Normal, |x, row| if row % 3 == 0 { x + 20.0 } else { x }),
    ("a tenth far up", Shape::Normal, |x, row| if row % 10 == 0 { 40.0 + x * 7.7 } else { x }),
    ("one more", Shape::Integer, |x, _| x + 1.0),
    ("some more", Shape::Integer, |x, row| x + if row % 3 == 0 { 1.0 } else { 0.0 }),
    ("two thirds of the zeros gone", Shape::ZeroInflated, |x, row| {
        if x == 0.0 && row % 3 > 0 { (row % 97) as f64 * 0.7 } else { x }
    }),
    ("larger but for zeros", Shape::ZeroInflated, |x, _| x * 1.3),
    ("to the power 1.2", Shape::Skewed, |x, _| x.powf(1.2)),
    ("to the power 0.7", Shape::Skewed, |x, _| x.powf(0.7)),
    ("one up", Shape::Skewed, |x, _| x + 1.0),
    ("a fifth larger", Shape::Skewed, |x, _| x * 1.2),
    ("wider tails", Shape::HeavyTailed, |x, _| 5.0 + (x - 5.0).abs().powf(1.3) * (x - 5.0).signum()),
    ("one up, heavy tails", Shape::HeavyTailed, |x, _| x + 1.0),
];

#[test]
#[ignore = "takes minutes; prints a table"]
fn measure_shifts() {
    for (name, shape, breaks) in SHIFTS {
        print!("{name} ({shape:?})");
        let shift = fault(name, shape, Check::Unit, breaks);
        for (m, n) in MEASURED {
            let (_, tally, detail) = detected(&shift, (m, n), 50, 6);
            let said: Vec<_> = tally
                .0
                .iter()
                .filter(|(_, counts)| counts[3] > 0)
                .map(|(check, counts)| format!("{} {}", check.as_str(), counts[3] * 2))
                .collect();
            print!(" | {} {detail}", said.join(", "));
        }
        println!();
    }
}

#[test]
fn each_check_finds_what_it_is_for() {
    for fault in &FAULTS {
        let (found, _, detail) = detected(fault, (5_000, 2_000), 10, 7);
        assert!(found >= 9, "{}: {found} of 10, {detail}", fault.name);
    }
}

#[test]
fn a_distribution_that_moves_is_neither_stuck_nor_rounded_nor_in_another_unit() {
    for (name, shape, breaks) in SHIFTS {
        let shift = fault(name, shape, Check::Unit, breaks);
        let (_, tally, detail) = detected(&shift, (5_000, 1_500), 6, 8);
        for check in [Check::Stuck, Check::Cardinality, Check::Unit, Check::Constant] {
            assert_eq!(tally.0[&check][3], 0, "{name}: {check:?} {detail}");
        }
    }
}

#[test]
fn the_names_of_units_are_right() {
    let expected = [
        ("times 1000", "values are 1000 times the reference's (such as kg as g, or s as ms)"),
        ("over 1000", "values are the reference's over 1000 (such as g as kg, or ms as s)"),
        ("times 60, zeros stay", "values are 60 times the reference's (such as minutes as seconds)"),
        ("inches as cm", "values are 2.54 times the reference's (such as inches as cm)"),
        ("celsius as fahrenheit", "values are like °C turned into °F"),
        ("celsius as kelvin", "values are like °C turned into K"),
        ("sign turned", "values are the reference's with the sign turned"),
        ("logarithm", "values are like the natural logarithms of 1 + the reference's"),
    ];
    for (name, text) in expected {
        let fault = FAULTS.iter().find(|fault| fault.name == name).unwrap();
        let (_, _, detail) = detected(fault, (5_000, 2_000), 4, 9);
        // Widely spread values leave a second factor open.
        let rest = detail.strip_prefix(text).unwrap_or_else(|| panic!("{name}: {detail}"));
        assert!(rest.is_empty() || rest.starts_with(", or "), "{name}: {detail}");
    }
    let kibi = fault("times 1024", Shape::Normal, Check::Unit, |x, _| x * 1024.0);
    let (found, _, detail) = detected(&kibi, (20_000, 5_000), 4, 9);
    assert!(found == 4 && detail.contains("1024 times"), "{detail}");
    let part = FAULTS.iter().find(|fault| fault.name == "30 % times 1000").unwrap();
    let (_, _, detail) = detected(part, (5_000, 2_000), 4, 9);
    let (start, rest) = detail.split_once(" % of the values are ").expect(&detail);
    assert!(start.starts_with("about 2") || start.starts_with("about 3"), "{detail}");
    assert!(rest.contains("1000 times the reference's"), "{detail}");
    let double = fault("times 1.9", Shape::Normal, Check::Unit, |x, _| x * 1.9);
    let (found, _, detail) = detected(&double, (20_000, 5_000), 4, 9);
    assert!(
        found == 4 && detail.starts_with("values are about 1.9") && detail.ends_with("no known unit"),
        "{detail}"
    );
}

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
    assert_eq!(verdict(&[100; 4], 0), Verdict::Insufficient);
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

/// Event counts around `mean`; `spread` is the standard deviation of the rates'
/// logarithms.
fn volumes(rng: &mut ChaCha8Rng, mean: f64, spread: f64, windows: usize) -> Vec<u64> {
    let rate = |rng: &mut ChaCha8Rng| mean * LogNormal::new(0.0, spread).unwrap().sample(rng);
    (0..windows)
        .map(|_| {
            let rate = rate(rng);
            Poisson::new(rate.max(1e-9)).unwrap().sample(rng) as u64
        })
        .collect()
}

#[test]
fn volume_of_like_windows_is_drift_about_once_in_a_thousand_windows_at_most() {
    let mut rng = ChaCha8Rng::seed_from_u64(12);
    for (mean, spread) in
        [(3.0, 0.0), (3.0, 0.3), (30.0, 0.0), (30.0, 0.3), (5_000.0, 0.0), (5_000.0, 0.1), (5_000.0, 0.5)]
    {
        for past in [5, 8, 24] {
            let windows = 3_000;
            let (mut outside, mut drifted) = (0, 0);
            for _ in 0..windows {
                let counts = volumes(&mut rng, mean, spread, past + 1);
                let found = volume_finding(&counts[1..], counts[0], &CheckSettings::default());
                outside += u32::from(found.verdict > Verdict::Stable);
                drifted += u32::from(found.verdict > Verdict::Shifted);
            }
            println!("{mean} {spread} {past}: {outside} {drifted} of {windows}");
            // 3 expected, and four standard deviations more.
            assert!(
                outside <= 10 && drifted <= 10,
                "mean {mean}, spread {spread}, {past} windows: {outside}, {drifted}"
            );
        }
    }
}

/// The checks of a numeric column, in order.
const NUMERIC_CHECKS: [Check; 8] = [
    Check::Missing,
    Check::Invalid,
    Check::Type,
    Check::Unseen,
    Check::Constant,
    Check::Stuck,
    Check::Unit,
    Check::Cardinality,
];

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, ..ProptestConfig::default() })]

    #[test]
    fn any_counts_give_finite_findings_in_order_and_the_same_in_any_pieces(
        reference in proptest::collection::vec(proptest::option::weighted(0.9, -1e3..1e3_f64), 1..400),
        window in proptest::collection::vec(proptest::option::weighted(0.9, -1e5..1e5_f64), 0..600),
        scale in prop_oneof![Just(1.0), Just(1e-300), Just(1e300), Just(0.0)],
        digits in 0..4_i32,
        cut in 0.0..1.0_f64,
    ) {
        let shape = |value: &Option<f64>| value.map_or(f64::NAN, |x| {
            let step = 10_f64.powi(digits - 2);
            ((x / step).round() * step * scale).clamp(-1e308, 1e308)
        });
        let mut values: Vec<f64> = reference.iter().map(shape).collect();
        values.push(1.0);
        let column = numeric(&values);
        let rows: Vec<f64> = window.iter().map(shape).collect();
        let whole = checks(&column, &count_numbers(&column, &rows));
        let (first, second) = rows.split_at((cut * rows.len() as f64) as usize);
        let mut merged = count_numbers(&column, second);
        merged.merge(&count_numbers(&column, first)).unwrap();
        prop_assert_eq!(&whole, &checks(&column, &merged));
        let order: Vec<_> = whole.iter().map(|finding| finding.check).collect();
        prop_assert_eq!(order, NUMERIC_CHECKS);
        // The reference is like itself.
        for finding in checks(&column, &column.counts) {
            prop_assert!(finding.verdict <= Verdict::Stable, "{:?}", finding);
        }
    }
}

/// Prints what 25 columns cost.
#[test]
#[ignore = "measures time"]
fn measure_cost() {
    let mut rng = ChaCha8Rng::seed_from_u64(13);
    for (m, n) in [(100_000, 1_000), (100_000, 100_000), (10_000, 10_000)] {
        for (what, shapes) in [
            ("normal", vec![Shape::Normal; 25]),
            ("skewed", vec![Shape::Skewed; 25]),
            ("400 categories", vec![Shape::Categories400; 25]),
            ("mixed", SHAPES.into_iter().filter(|shape| *shape != Shape::Ids).cycle().take(25).collect()),
        ] {
            let columns: Vec<_> =
                shapes.iter().map(|shape| shape.column(&shape.sample(&mut rng, m))).collect();
            let windows: Vec<_> = shapes
                .iter()
                .zip(&columns)
                .map(|(shape, column)| shape.counts(column, &shape.sample(&mut rng, n)))
                .collect();
            let settings = CheckSettings::default();
            let mut best = f64::INFINITY;
            for _ in 0..200 {
                let start = Instant::now();
                for (column, window) in columns.iter().zip(&windows) {
                    std::hint::black_box(column_checks((column, &column.counts), window, &settings, 1.0));
                }
                best = best.min(start.elapsed().as_secs_f64());
            }
            println!("25 {what} columns, m={m} n={n}: {:.0} us", best * 1e6);
        }
    }
}
