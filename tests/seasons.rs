//! What references of each kind say about streams that do not drift: windows
//! above the noise point, with rows that come in runs, with days and weeks, and
//! with a real stream. The table of docs/references.md is printed by
//! `cargo test --test seasons -- --nocapture`.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    reason = "the numbers of a test are small"
)]

use std::{collections::BTreeMap, f64::consts::TAU};

use driftline::{
    drift::{
        CountPair,
        moving::{MovingReference, Past},
        population_stability_index,
    },
    event::{EventTime, parse_rfc3339},
    profile::{Cell, Counts, Grid},
    reference::{
        BuilderSettings, Column, ColumnOverride, ColumnRole, DesignEffect, Reference, ReferenceBuilder, Value,
    },
    result::ColumnKind,
};
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use rand_distr::StandardNormal;
use statrs::distribution::{ChiSquared, ContinuousCDF as _};

const HOUR_MS: i64 = 3_600_000;
const WEEK: i64 = 168;
/// A Monday, 2026-01-05T00:00:00Z, in hours.
const MONDAY: i64 = 490_896;
const MOVING: [MovingReference; 3] = [
    MovingReference::Previous { windows: 1 },
    MovingReference::Rolling { ms: WEEK * HOUR_MS },
    MovingReference::Seasonal { weeks: 4 },
];
const KINDS: [&str; 5] =
    ["fixed, rows taken for independent", "fixed", "previous", "rolling-7d", "seasonal-4w"];

/// Windows, one feature after the other.
type Values = Vec<Vec<f64>>;

/// Windows above the noise point, and windows judged, per kind of reference.
#[derive(Debug, Default, Clone, Copy, PartialEq)]
struct Tally {
    above: usize,
    judged: usize,
}

impl Tally {
    fn take(&mut self, above: Option<bool>) {
        self.judged += usize::from(above.is_some());
        self.above += usize::from(above == Some(true));
    }

    fn share(self) -> f64 {
        self.above as f64 / self.judged.max(1) as f64
    }
}

/// What independent rows exceed once in a thousand windows, with sizes divided
/// by the design effects: `(1/m + 1/n) chi2(B - 1)`.
fn is_above(reference: &[u64], window: &[u64], effects: (f64, f64)) -> Option<bool> {
    let pair = CountPair::new(reference, window)?;
    let bins = pair.bins().filter(|bin| !bin.is_empty()).count();
    let chi2 = ChiSquared::new(bins.checked_sub(1).filter(|&free| free > 0)? as f64).unwrap();
    let (m, n) = (pair.reference_total() as f64 / effects.0, pair.window_total() as f64 / effects.1);
    (pair.window_total() >= 30)
        .then(|| population_stability_index(&pair) > (1.0 / m + 1.0 / n) * chi2.inverse_cdf(0.999))
}

fn effects(effect: Option<DesignEffect>, n: u64) -> (f64, f64) {
    effect.map_or((1.0, 1.0), |effect| (effect.shares, effect.for_rows(n).shares))
}

fn on_cut(column: &Column, values: &[f64]) -> Vec<u64> {
    let cells: Vec<Cell> = values.iter().map(|&value| Cell::number(value)).collect();
    let mut counts = Counts::new(&column.grid);
    counts.add_cells(&column.grid, &cells);
    let mut out = Vec::new();
    column.cut.sum_into(counts.bins(), &mut out);
    out
}

/// Judges windows, given on the cuts of `reference`; those before `from` only
/// make the past.
fn judge(
    reference: &Reference,
    window_ms: i64,
    windows: &[(i64, Vec<Vec<u64>>)],
    from: i64,
) -> [Tally; KINDS.len()] {
    let mut tallies = [Tally::default(); KINDS.len()];
    let mut past = Past::new(window_ms, 0, &MOVING, &reference.columns);
    let calibration = reference.calibration.as_ref();
    let fixed: Vec<Vec<u64>> = reference
        .columns
        .iter()
        .map(|column| {
            let mut out = Vec::new();
            column.cut.sum_into(column.counts.bins(), &mut out);
            out
        })
        .collect();
    for (end, counts) in windows {
        let end = EventTime(*end);
        if end.0 > from {
            for (place, window) in counts.iter().enumerate() {
                let n = window.iter().sum();
                tallies[0].take(is_above(&fixed[place], window, (1.0, 1.0)));
                let effect = calibration.and_then(|calibration| calibration.columns[place].fixed);
                tallies[1].take(is_above(&fixed[place], window, effects(effect, n)));
            }
            for (moving, tally) in MOVING.iter().zip(&mut tallies[2..]) {
                let Some(now) = past.counts(moving, end) else { continue };
                let own = past.design_effects(moving, &now, end);
                for (place, window) in counts.iter().enumerate() {
                    let known =
                        calibration.and_then(|calibration| calibration.columns[place].of_season(now.season));
                    let effect = DesignEffect::of_past(own[place], known);
                    tally.take(is_above(&now.counts[place], window, effects(effect, window.iter().sum())));
                }
            }
        }
        let events = counts[0].iter().sum();
        assert!(past.push(end, events, counts));
    }
    tallies
}

/// A stream of windows without drift: the values of each feature in the window
/// of an hour.
struct Simulated {
    rng: ChaCha8Rng,
    rows: fn(i64) -> usize,
    /// Mean of the values at an hour.
    mean: fn(i64) -> f64,
    /// Correlation of a row with the one before.
    rho: f64,
    state: Vec<f64>,
}

const FEATURES: usize = 6;

impl Simulated {
    fn new(seed: u64, rows: fn(i64) -> usize, mean: fn(i64) -> f64, rho: f64) -> Self {
        Self { rng: ChaCha8Rng::seed_from_u64(seed), rows, mean, rho, state: vec![0.0; FEATURES] }
    }

    fn window(&mut self, hour: i64) -> Values {
        let (n, mean) = ((self.rows)(hour), (self.mean)(hour));
        let noise = (1.0 - self.rho * self.rho).sqrt();
        let Self { rng, rho, state, .. } = self;
        let feature = |state: &mut f64| {
            let next = |_| {
                *state = *rho * *state + noise * rng.sample::<f64, _>(StandardNormal);
                *state + mean
            };
            (0..n).map(next).collect()
        };
        state.iter_mut().map(feature).collect()
    }

    fn reference(&mut self, weeks: i64) -> Reference {
        let settings =
            BuilderSettings { window_ms: Some(HOUR_MS), sample_rows: 0, ..BuilderSettings::default() };
        let mut builder = ReferenceBuilder::new("simulated", &BTreeMap::new(), settings);
        let names: Vec<String> = (0..FEATURES).map(|feature| format!("x{feature}")).collect();
        for hour in MONDAY..MONDAY + weeks * WEEK {
            let values = self.window(hour);
            for row in 0..values[0].len() {
                let cells = names
                    .iter()
                    .zip(&values)
                    .map(|(name, values)| (name.as_str(), ColumnRole::Feature, Value::Number(values[row])));
                builder.push_row_at(EventTime(hour * HOUR_MS + row as i64), cells);
            }
        }
        builder.finish("simulated".into()).unwrap().0
    }

    /// Four weeks of past and `weeks` that are judged.
    fn judge(&mut self, reference: &Reference, weeks: i64) -> [Tally; KINDS.len()] {
        let first = MONDAY + 8 * WEEK;
        let from = first + 4 * WEEK;
        let windows: Vec<(i64, Vec<Vec<u64>>)> = (first..from + weeks * WEEK)
            .map(|hour| {
                let values = self.window(hour);
                let counts =
                    reference.columns.iter().zip(&values).map(|(column, values)| on_cut(column, values));
                ((hour + 1) * HOUR_MS, counts.collect())
            })
            .collect();
        judge(reference, HOUR_MS, &windows, from * HOUR_MS)
    }
}

fn print(name: &str, tallies: &[Tally]) {
    let cells: Vec<String> = tallies
        .iter()
        .map(|tally| format!("{} of {} ({:.2} %)", tally.above, tally.judged, 100.0 * tally.share()))
        .collect();
    println!("| {name} | {} |", cells.join(" | "));
}

fn no_season(_: i64) -> f64 {
    0.0
}

fn daily(hour: i64) -> f64 {
    0.5 * (TAU * hour as f64 / 24.0).sin()
}

fn weekly(hour: i64) -> f64 {
    let weekend = (hour - MONDAY).rem_euclid(WEEK) >= 120;
    daily(hour) + if weekend { 0.7 } else { 0.0 }
}

fn even(_: i64) -> usize {
    200
}

/// Ten times as many rows by day as by night.
fn by_day(hour: i64) -> usize {
    (220.0 + 180.0 * (TAU * hour as f64 / 24.0).sin()) as usize
}

type Case = (&'static str, fn(i64) -> usize, fn(i64) -> f64, f64);

const CASES: [Case; 5] = [
    ("independent rows", even, no_season, 0.0),
    ("runs: AR(1) with rho 0.9", even, no_season, 0.9),
    ("days", by_day, daily, 0.0),
    ("days and weeks", by_day, weekly, 0.0),
    ("runs, days and weeks", by_day, weekly, 0.9),
];

/// Judges two weeks of a case against a reference of so many weeks.
fn shares(case: usize, weeks: i64) -> [f64; KINDS.len()] {
    let (name, rows, mean, rho) = CASES[case];
    let mut stream = Simulated::new(100 + case as u64, rows, mean, rho);
    let reference = stream.reference(weeks);
    let tallies = stream.judge(&reference, 2);
    print(name, &tallies);
    assert!(tallies.iter().all(|tally| tally.judged == 2 * WEEK as usize * FEATURES), "{tallies:?}");
    tallies.map(Tally::share)
}

/// Of 2,016 windows 2 are above the noise point of independent rows, and 4 with
/// the population stability index of 200 rows; 10 or more by chance once in two
/// hundred times.
const RARE: f64 = 10.0 / 2_016.0;

#[test]
fn windows_of_independent_rows_are_as_rarely_above_the_noise_point_with_every_reference() {
    let shares = shares(0, 2);
    assert!(shares.iter().all(|&share| share < RARE), "{shares:?}");
}

#[test]
fn rows_in_runs_raise_alarms_only_without_calibration() {
    let [independent, fixed, previous, rolling, seasonal] = shares(1, 2);
    assert!(independent > 0.4, "{independent}");
    // A window of 200 rows is worth 30, where the index has a heavier tail than
    // its closed form.
    assert!([fixed, previous, rolling, seasonal].iter().all(|&share| share < 2.0 * RARE));
}

#[test]
fn a_seasonal_reference_knows_the_hour_and_the_weekend() {
    let [independent, fixed, previous, rolling, seasonal] = shares(3, 2);
    assert!(independent > 0.4, "{independent}");
    assert!(fixed < 2.0 * RARE && seasonal < RARE, "{fixed} {seasonal}");
    // The edges of the weekend are new to both, every time.
    assert!(previous < 0.02 && rolling < 0.02, "{previous} {rolling}");
}

/// What a calibration costs: a shift that a reference sees in spite of it.
#[test]
fn a_seasonal_reference_still_sees_a_shift_that_season_hides_from_a_fixed_one() {
    let mut stream = Simulated::new(7, by_day, weekly, 0.0);
    let reference = stream.reference(2);
    let first = MONDAY + 8 * WEEK;
    let from = first + 4 * WEEK;
    let windows: Vec<(i64, Vec<Vec<u64>>)> = (first..from + 48)
        .map(|hour| {
            let shift = if hour >= from { 0.8 } else { 0.0 };
            let mut values = stream.window(hour);
            values.iter_mut().flatten().for_each(|value| *value += shift);
            let counts = reference.columns.iter().zip(&values).map(|(column, values)| on_cut(column, values));
            ((hour + 1) * HOUR_MS, counts.collect())
        })
        .collect();
    let [_, fixed, _, _, seasonal] = judge(&reference, HOUR_MS, &windows, from * HOUR_MS).map(Tally::share);
    println!("shift by 0.8: seen in {fixed:.2} of the windows by fixed, in {seasonal:.2} by seasonal");
    assert!(seasonal > 0.8 && seasonal > fixed + 0.5, "{seasonal} {fixed}");
}

#[test]
#[ignore = "takes half a minute: prints the table of docs/references.md"]
fn table() {
    println!("| stream | reference | {} |", KINDS.join(" | "));
    for (seed, (name, rows, mean, rho)) in CASES.into_iter().enumerate() {
        let mut stream = Simulated::new(seed as u64, rows, mean, rho);
        for weeks in [1, 4] {
            let reference = stream.reference(weeks);
            let calibration = reference.calibration.as_ref().unwrap();
            let mean = |of: fn(&DesignEffect) -> f64| {
                let effects = calibration.columns.iter().filter_map(|column| column.fixed);
                effects.map(|effect| of(&effect)).sum::<f64>() / calibration.columns.len() as f64
            };
            println!(
                "design effects: {:.2}, {:.2} at the noise point, {:.2} of distribution functions",
                mean(|effect| effect.mean),
                mean(|effect| effect.shares),
                mean(|effect| effect.cumulative)
            );
            print(&format!("{name} | {weeks} weeks"), &stream.judge(&reference, 8));
        }
    }
}

const DAY_MS: i64 = 24 * HOUR_MS;

/// A booking: day, then columns by name.
type Booking = (i64, Vec<(String, String)>);

/// The real bookings, from beside the repository.
fn bookings(file: &str) -> Option<Vec<Booking>> {
    let path =
        std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data/hotel_booking").join(file);
    let mut reader = csv::Reader::from_path(path).ok()?;
    let names: Vec<String> = reader.headers().unwrap().iter().map(str::to_owned).collect();
    let bookings = reader.records().map(|record| {
        let record = record.unwrap();
        let cells: Vec<(String, String)> =
            names.iter().cloned().zip(record.iter().map(str::to_owned)).collect();
        let date = &cells.iter().find(|(name, _)| name == "timestamp").unwrap().1;
        let time = parse_rfc3339(format!("{date}T00:00:00Z").as_bytes()).unwrap().0;
        let left_out = ["Index", "timestamp", "is_canceled", "y_pred"];
        (time, cells.into_iter().filter(|(name, _)| !left_out.contains(&name.as_str())).collect())
    });
    Some(bookings.collect())
}

fn value(text: &str) -> Value<'_> {
    if text.is_empty() { Value::Missing } else { text.parse().map_or(Value::Text(text), Value::Number) }
}

fn reference_of(bookings: &[Booking]) -> Reference {
    let settings = BuilderSettings { window_ms: Some(DAY_MS), ..BuilderSettings::default() };
    let categorical = ColumnOverride { kind: Some(ColumnKind::Categorical), ignore: false };
    let overrides = ["agent", "company"].map(|name| (name.to_owned(), categorical));
    let mut builder = ReferenceBuilder::new("hotel", &overrides.into(), settings);
    for (time, cells) in bookings {
        let cells = cells.iter().map(|(name, text)| (name.as_str(), ColumnRole::Feature, value(text)));
        builder.push_row_at(EventTime(*time), cells);
    }
    builder.finish("hotel".into()).unwrap().0
}

fn cell(column: &Column, text: &str) -> Cell {
    match (&column.grid, value(text)) {
        (_, Value::Missing) => Cell::MISSING,
        (Grid::Numeric(_), Value::Number(number)) => Cell::number(number),
        (Grid::Numeric(_), _) => Cell::WRONG_TYPE,
        (Grid::Categorical(grid), Value::Number(number)) => {
            Cell::category(grid.code_of(driftline::profile::category_text(number).as_bytes()))
        }
        (Grid::Categorical(grid), _) => Cell::category(grid.code_of(text.as_bytes())),
    }
}

/// Counts of every day on the cuts.
fn days(reference: &Reference, bookings: &[Booking]) -> Vec<(i64, Vec<Vec<u64>>)> {
    let mut days: BTreeMap<i64, Vec<&Booking>> = BTreeMap::new();
    for booking in bookings {
        days.entry(booking.0 + DAY_MS).or_default().push(booking);
    }
    let count = |column: &Column, rows: &[&Booking]| {
        let text =
            |booking: &Booking| booking.1.iter().find(|(name, _)| *name == column.name).unwrap().1.clone();
        let cells: Vec<Cell> = rows.iter().map(|booking| cell(column, &text(booking))).collect();
        let mut counts = Counts::new(&column.grid);
        counts.add_cells(&column.grid, &cells);
        let mut out = Vec::new();
        column.cut.sum_into(counts.bins(), &mut out);
        out
    };
    days.into_iter()
        .map(|(end, rows)| (end, reference.columns.iter().map(|column| count(column, &rows)).collect()))
        .collect()
}

#[test]
fn hotel_bookings_by_day() {
    let (Some(first), Some(later)) = (bookings("reference.csv"), bookings("production.csv")) else {
        println!("SKIPPED: ../shared/data/hotel_booking is not there");
        return;
    };
    // The first three months are the reference; the next two are of the same
    // season, the five after them of another.
    let split = EventTime(1_470_009_600_000);
    let (reference, same): (Vec<Booking>, Vec<Booking>) =
        first.into_iter().partition(|(time, _)| *time < split.0);
    let reference = reference_of(&reference);
    println!("| | {} |", KINDS.join(" | "));
    for (column, calibration) in
        reference.columns.iter().zip(&reference.calibration.as_ref().unwrap().columns)
    {
        if let Some(effect) = calibration.fixed {
            println!("{}: {:.1}, {:.1} at the noise point", column.name, effect.mean, effect.shares);
        }
    }
    let judged = |name: &str, bookings: &[Booking]| {
        let tallies = judge(&reference, DAY_MS, &days(&reference, bookings), 0);
        print(name, &tallies);
        tallies.map(Tally::share)
    };
    let same = judged("August and September", &same);
    let later = judged("October to February", &later);
    assert!(same[0] > 0.2 && later[0] > 0.2, "{same:?} {later:?}");
    assert!(same[1..].iter().all(|&share| share < 0.02), "{same:?}");
}
