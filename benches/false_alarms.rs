//! False alarms and delays, by simulation: the tables of docs/false-alarms.md.
//!
//! `cargo bench --bench false_alarms` takes some minutes on two cores; with
//! `-- quick` a tenth of the windows. Everything is seeded: the same version
//! prints the same tables, but for the cost at the end.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
#![allow(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss)]

#[path = "../tests/sequential/features.rs"]
mod features;

use std::{
    env,
    sync::atomic::{AtomicUsize, Ordering},
    thread,
    time::Instant,
};

use driftline::{
    drift::{
        CountPair, PathScratch, Span, chi_square, cumulative_scores, population_stability_index,
        sequential::{Detector, alarms, log_bar},
    },
    profile::Grid,
};
use features::{Change, Feature, Kind, counts, normal};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use statrs::distribution::{ChiSquared, ContinuousCDF};

/// One alarm in thirty days of hourly windows.
const RATE: f64 = 1.0 / 720.0;
const FEATURES: usize = 20;
/// Windows of one model in the simulation without drift.
const MONTH: u32 = 720;
/// Windows within which drift is to be found.
const LATEST: u32 = 60;
const REFERENCES: [usize; 3] = [1_000, 10_000, 100_000];
const WINDOWS: [u64; 3] = [200, 1_000, 10_000];
const CHANGES: [(&str, Kind, Change); 6] = [
    ("shift of 0.05 σ", Kind::Normal, Change::Shift(0.05)),
    ("shift of 0.1 σ", Kind::Normal, Change::Shift(0.1)),
    ("shift of 0.25 σ", Kind::Normal, Change::Shift(0.25)),
    ("rare category 0.2 % → 0.4 %", Kind::Categorical, Change::RareDoubled),
    ("σ × 1.2", Kind::Normal, Change::Spread(1.2)),
    ("one hump becomes two", Kind::Normal, Change::Split),
];

fn main() {
    let effort = if env::args().any(|argument| argument == "quick") { 10 } else { 1 };
    println!("## No drift\n");
    println!("| m | n | model windows | onsets | alarmed | onsets per 720 | 95 % below |");
    println!("|---|---|---|---|---|---|---|");
    in_parallel(&cells(), |index, (m, n)| without_drift(index as u64, m, n, 70 / effort));
    println!("\n## No drift, other streams\n");
    println!("| stream | model windows | onsets | alarmed | onsets per 720 | 95 % below |");
    println!("|---|---|---|---|---|---|");
    in_parallel(&others(), |index, other| other_stream(index as u64, other, 12 / effort));
    println!("\n## No drift, plain tests: alarmed windows per 720\n");
    println!("| m | n | KS at 5 % | PSI > 0.1 | PSI > 0.2 |\n|---|---|---|---|---|");
    in_parallel(&cells(), |index, (m, n)| plain_tests(index as u64, m, n, 200 / effort as u32));
    for (number, change) in CHANGES.into_iter().enumerate() {
        println!("\n## {}\n", change.0);
        println!("| m | n | evidence | after a week | KS at 5 % | PSI > 0.1 | PSI > 0.2 |");
        println!("|---|---|---|---|---|---|---|");
        in_parallel(&cells(), |index, (m, n)| {
            detection(100 * number as u64 + index as u64, (m, n), change, 50 / effort as u32)
        });
    }
    println!("\n## A mean that creeps by 0.001 σ a window: shift when found\n");
    println!("| m | n | from the first window | after a week |\n|---|---|---|---|");
    in_parallel(&cells(), |index, (m, n)| creeping(index as u64, (m, n), 20 / effort));
    println!("\n## How often the truth is not plausible\n");
    println!("| feature | m | draws | at 1e-3 | at 1e-4 |\n|---|---|---|---|---|");
    let kinds = [Kind::Normal, Kind::Integer, Kind::Categorical];
    let cases = kinds.into_iter().flat_map(|kind| [(kind, 1_000, 20_000), (kind, 10_000, 4_000)]);
    in_parallel(&cases.collect::<Vec<_>>(), |index, (kind, m, draws)| {
        coverage(index as u64, kind, m, draws / effort as u32)
    });
    cost();
}

fn cells() -> Vec<(usize, u64)> {
    REFERENCES.into_iter().flat_map(|m| WINDOWS.map(|n| (m, n))).collect()
}

/// Runs the cases on all cores and prints their lines in order.
fn in_parallel<T: Copy + Sync>(cases: &[T], line: impl Fn(usize, T) -> String + Sync) {
    let next = AtomicUsize::new(0);
    let work = || {
        let mut lines = Vec::new();
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            let Some(&case) = cases.get(index) else { return lines };
            lines.push((index, line(index, case)));
        }
    };
    let mut lines: Vec<(usize, String)> = thread::scope(|scope| {
        let cores = thread::available_parallelism().map_or(1, usize::from);
        let threads: Vec<_> = (0..cores).map(|_| scope.spawn(work)).collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    lines.sort();
    for (_, line) in lines {
        println!("{line}");
    }
}

#[derive(Default)]
struct Tally {
    windows: u32,
    onsets: u32,
    alarmed: u32,
    was: bool,
}

impl Tally {
    fn add(&mut self, is: bool) {
        self.windows += 1;
        self.alarmed += u32::from(is);
        self.onsets += u32::from(is && !self.was);
        self.was = is;
    }

    fn cells(&self) -> String {
        let per_month = |count: f64| count * f64::from(MONTH) / f64::from(self.windows);
        // The rate at which so few onsets, or fewer, come once in twenty times.
        let most = ChiSquared::new(2.0 * f64::from(self.onsets) + 2.0).unwrap().inverse_cdf(0.95) / 2.0;
        let (onsets, most) = (per_month(f64::from(self.onsets)), per_month(most));
        format!("{} | {} | {} | {onsets:.3} | {most:.3} |", self.windows, self.onsets, self.alarmed)
    }
}

/// A month of a model; `draw` gives a feature's reference and window.
fn month(tally: &mut Tally, deff: f64, mut draw: impl FnMut(usize) -> (Vec<u64>, Vec<u64>)) {
    let bar = log_bar(FEATURES, RATE);
    let mut detectors = vec![Detector::new(); FEATURES];
    tally.was = false;
    for _ in 0..MONTH {
        let mut evidence = Vec::with_capacity(FEATURES);
        for (feature, detector) in detectors.iter_mut().enumerate() {
            let (reference, window) = draw(feature);
            detector.update(&reference, &window, deff, bar);
            evidence.push(detector.log_evidence());
        }
        tally.add(alarms(&evidence, RATE).contains(&true));
    }
}

fn without_drift(seed: u64, m: usize, n: u64, models: u32) -> String {
    let mut random = ChaCha8Rng::seed_from_u64(1_000 + seed);
    let mut tally = Tally::default();
    for _ in 0..models.max(1) {
        let model = Feature::model(&mut random, m);
        let shares: Vec<Vec<f64>> = model.iter().map(|feature| feature.shares(Change::None)).collect();
        month(&mut tally, 1.0, |feature| {
            (model[feature].reference.clone(), counts(&mut random, n, &shares[feature]))
        });
    }
    format!("| {m} | {n} | {}", tally.cells())
}

#[derive(Clone, Copy)]
enum Other {
    /// Rows that follow each other with a correlation, and the design effect.
    Correlated(f64, f64),
    /// The reference is the sum of so many windows just before.
    Rolling(usize),
}

fn others() -> Vec<(&'static str, Other)> {
    vec![
        ("AR(1) rows, ρ = 0.5, design effect 3", Other::Correlated(0.5, 3.0)),
        ("AR(1) rows, ρ = 0.85, design effect 12.3", Other::Correlated(0.85, 12.3)),
        ("AR(1) rows, ρ = 0.85, taken for independent", Other::Correlated(0.85, 1.0)),
        ("reference: the previous window", Other::Rolling(1)),
        ("reference: the 24 windows before", Other::Rolling(24)),
    ]
}

fn other_stream(seed: u64, (name, other): (&str, Other), models: u32) -> String {
    let mut random = ChaCha8Rng::seed_from_u64(2_000 + seed);
    let mut tally = Tally::default();
    for _ in 0..models.max(1) {
        match other {
            Other::Correlated(rho, deff) => correlated(&mut random, &mut tally, rho, deff),
            Other::Rolling(windows) => rolling(&mut random, &mut tally, windows),
        }
    }
    format!("| {name} | {}", tally.cells())
}

/// Windows of 500 rows against a reference of 10,000, all of one series.
fn correlated(random: &mut ChaCha8Rng, tally: &mut Tally, rho: f64, deff: f64) {
    let model: Vec<Feature> = (0..FEATURES).map(|_| Feature::new(random, Kind::Normal, 10_000)).collect();
    let mut last: Vec<f64> = model.iter().map(|_| normal(random)).collect();
    let mut rows = |feature: usize, n: u32| {
        let mut counts = vec![0; model[feature].reference.len()];
        for _ in 0..n {
            last[feature] = rho * last[feature] + (1.0 - rho * rho).sqrt() * normal(random);
            counts[model[feature].cut_bin(last[feature])] += 1;
        }
        counts
    };
    let references: Vec<Vec<u64>> = (0..FEATURES).map(|feature| rows(feature, 10_000)).collect();
    month(tally, deff, |feature| (references[feature].clone(), rows(feature, 500)));
}

/// Windows of 1,000 rows on grids of an older reference of 10,000.
fn rolling(random: &mut ChaCha8Rng, tally: &mut Tally, windows: usize) {
    let model = Feature::model(random, 10_000);
    let shares: Vec<Vec<f64>> = model.iter().map(|feature| feature.shares(Change::None)).collect();
    let mut before: Vec<Vec<Vec<u64>>> =
        shares.iter().map(|shares| (0..windows).map(|_| counts(random, 1_000, shares)).collect()).collect();
    month(tally, 1.0, |feature| {
        let window = counts(random, 1_000, &shares[feature]);
        let kept = &mut before[feature];
        let reference = (0..window.len()).map(|bin| kept.iter().map(|old| old[bin]).sum()).collect();
        kept.remove(0);
        kept.push(window.clone());
        (reference, window)
    });
}

/// What plain tests say of one window of one feature.
#[derive(Default, Clone, Copy)]
struct Plain {
    test: bool,
    psi_01: bool,
    psi_02: bool,
}

/// Kolmogorov-Smirnov on the grid, or chi-square of categories, at 5 %; PSI on
/// the cut.
fn plain(feature: &Feature, on_grid: &[u64], on_cut: &[u64], scratch: &mut PathScratch) -> Plain {
    let cut = CountPair::new(&feature.reference, on_cut).unwrap();
    let p_value = match &feature.column.grid {
        Grid::Numeric(grid) => {
            let reference: Vec<u64> = feature.column.counts.bins().collect();
            let pair = CountPair::new(&reference, on_grid).unwrap();
            let span = |bin: usize| {
                if grid.is_single_value(bin) {
                    Span::Point(grid.upper(bin))
                } else {
                    Span::Interval { lower: grid.lower(bin), upper: grid.upper(bin) }
                }
            };
            cumulative_scores(&pair, grid.range(), span).ks(&pair, scratch).p_value
        }
        Grid::Categorical(_) => chi_square(&cut).map_or(1.0, |test| test.p_value),
    };
    let psi = population_stability_index(&cut);
    Plain { test: p_value < 0.05, psi_01: psi > 0.1, psi_02: psi > 0.2 }
}

/// Counts of a window on the grid and on the cut.
fn window(random: &mut ChaCha8Rng, feature: &Feature, n: u64, on_grid: &[f64]) -> (Vec<u64>, Vec<u64>) {
    let grid = counts(random, n, on_grid);
    let mut cut = Vec::new();
    feature.column.cut.sum_into(grid.iter().copied(), &mut cut);
    (grid, cut)
}

fn plain_tests(seed: u64, m: usize, n: u64, windows: u32) -> String {
    let mut random = ChaCha8Rng::seed_from_u64(3_000 + seed);
    let mut scratch = PathScratch::default();
    let (mut seen, mut alarmed) = (0_u32, [0_u32; 3]);
    for _ in 0..10 {
        let model = Feature::model(&mut random, m);
        let shares: Vec<Vec<f64>> = model.iter().map(|feature| feature.grid_shares(Change::None)).collect();
        for _ in 0..windows.div_ceil(10) {
            let mut any = Plain::default();
            for (feature, shares) in model.iter().zip(&shares) {
                let (grid, cut) = window(&mut random, feature, n, shares);
                let one = plain(feature, &grid, &cut, &mut scratch);
                any.test |= one.test;
                any.psi_01 |= one.psi_01;
                any.psi_02 |= one.psi_02;
            }
            seen += 1;
            for (sum, is) in alarmed.iter_mut().zip([any.test, any.psi_01, any.psi_02]) {
                *sum += u32::from(is);
            }
        }
    }
    let per_month = |count: u32| f64::from(count) * f64::from(MONTH) / f64::from(seen);
    let [test, psi_01, psi_02] = alarmed.map(per_month);
    format!("| {m} | {n} | {test:.0} | {psi_01:.0} | {psi_02:.0} |")
}

/// Share found within [`LATEST`] windows and the median delay of those.
#[derive(Default)]
struct Delays(Vec<u32>);

impl Delays {
    fn cell(&mut self, of: u32) -> String {
        self.0.sort_unstable();
        let share = 100.0 * self.0.len() as f64 / f64::from(of);
        match self.0.get(self.0.len() / 2) {
            Some(median) => format!("{share:.0} % / {median}"),
            None => "never".to_owned(),
        }
    }

    /// The same with thousandths of a standard deviation.
    fn creep(&mut self, of: u32) -> String {
        self.0.sort_unstable();
        let share = 100.0 * self.0.len() as f64 / f64::from(of);
        match self.0.get(self.0.len() / 2) {
            Some(&median) => format!("{share:.0} % / {:.3} σ", 0.001 * f64::from(median)),
            None => "never".to_owned(),
        }
    }
}

fn detection(
    seed: u64,
    (m, n): (usize, u64),
    (_, kind, change): (&str, Kind, Change),
    rounds: u32,
) -> String {
    let mut random = ChaCha8Rng::seed_from_u64(4_000 + seed);
    let mut scratch = PathScratch::default();
    let bar = log_bar(FEATURES, RATE);
    let mut delays: [Delays; 5] = Default::default();
    for _ in 0..rounds {
        let feature = Feature::new(&mut random, kind, m);
        let (old, new) = (feature.shares(Change::None), feature.grid_shares(change));
        // The change comes at any place between the starts.
        let some = random.random_range(0..64);
        let mut detectors = [Detector::new(), Detector::new()];
        for (detector, least) in detectors.iter_mut().zip([8, 168]) {
            for _ in 0..least + some {
                detector.update(&feature.reference, &counts(&mut random, n, &old), 1.0, bar);
            }
        }
        let mut first = [None; 5];
        for number in 1..=LATEST {
            let (grid, cut) = window(&mut random, &feature, n, &new);
            let plain = plain(&feature, &grid, &cut, &mut scratch);
            for detector in &mut detectors {
                detector.update(&feature.reference, &cut, 1.0, bar);
            }
            let [fresh, long] = detectors.each_ref().map(|detector| detector.log_evidence() >= bar);
            for (first, is) in first.iter_mut().zip([fresh, long, plain.test, plain.psi_01, plain.psi_02]) {
                *first = first.or(is.then_some(number));
            }
        }
        delays.iter_mut().zip(first).for_each(|(delays, first)| delays.0.extend(first));
    }
    let cells: Vec<String> = delays.iter_mut().map(|delays| delays.cell(rounds)).collect();
    format!("| {m} | {n} | {} |", cells.join(" | "))
}

/// Up to a shift of 0.4 standard deviations: the median of the shifts at which
/// the alarm came, in steps of 0.001.
fn creeping(seed: u64, (m, n): (usize, u64), rounds: u32) -> String {
    let mut random = ChaCha8Rng::seed_from_u64(7_000 + seed);
    let bar = log_bar(FEATURES, RATE);
    let mut shifts: [Delays; 2] = Default::default();
    for _ in 0..rounds {
        let feature = Feature::new(&mut random, Kind::Normal, m);
        let still = feature.shares(Change::None);
        let mut detectors = [Detector::new(), Detector::new()];
        for _ in 0..168 {
            detectors[1].update(&feature.reference, &counts(&mut random, n, &still), 1.0, bar);
        }
        let mut first = [None; 2];
        for number in 1..=400 {
            let shares = feature.shares(Change::Shift(0.001 * f64::from(number)));
            let window = counts(&mut random, n, &shares);
            for (detector, first) in detectors.iter_mut().zip(&mut first) {
                detector.update(&feature.reference, &window, 1.0, bar);
                *first = first.or((detector.log_evidence() >= bar).then_some(number));
            }
        }
        shifts.iter_mut().zip(first).for_each(|(shifts, first)| shifts.0.extend(first));
    }
    let cells: Vec<String> = shifts.iter_mut().map(|shifts| shifts.creep(rounds)).collect();
    format!("| {m} | {n} | {} |", cells.join(" | "))
}

fn coverage(seed: u64, kind: Kind, m: usize, draws: u32) -> String {
    let mut random = ChaCha8Rng::seed_from_u64(5_000 + seed);
    let mut missed = [0_u32; 2];
    for _ in 0..draws {
        let feature = Feature::new(&mut random, kind, m);
        let terms =
            feature.reference.iter().zip(feature.shares(Change::None)).filter(|(count, _)| **count > 0);
        let statistic: f64 =
            terms.map(|(&count, p)| 2.0 * count as f64 * (count as f64 / (m as f64 * p)).ln()).sum();
        let chi_square = ChiSquared::new(feature.reference.len() as f64 - 1.0).unwrap();
        let p_value = chi_square.sf(statistic);
        for (missed, level) in missed.iter_mut().zip([1e-3, 1e-4]) {
            *missed += u32::from(p_value < level);
        }
    }
    let [often, rarely] = missed.map(|missed| f64::from(missed) / f64::from(draws));
    format!("| {kind:?} | {m} | {draws} | {often:.1e} | {rarely:.1e} |")
}

/// The time of 25 columns' update, with a history, the least of several rounds.
fn cost() {
    let mut random = ChaCha8Rng::seed_from_u64(6_000);
    let model = Feature::model(&mut random, 10_000);
    println!("\n## Cost of 25 columns and a window\n\n| stream | microseconds |\n|---|---|");
    for (name, change) in [("no drift", Change::None), ("every column drifts", Change::Shift(0.1))] {
        let mut detectors = vec![Detector::new(); 25];
        let mut least = f64::INFINITY;
        for round in 0..400 {
            let change = if round < 200 { Change::None } else { change };
            let drawn: Vec<Vec<u64>> = (0..25)
                .map(|column| counts(&mut random, 1_000, &model[column % FEATURES].shares(change)))
                .collect();
            let began = Instant::now();
            for (column, (detector, window)) in detectors.iter_mut().zip(&drawn).enumerate() {
                let reference = &model[column % FEATURES].reference;
                detector.update(reference, window, 1.0, log_bar(FEATURES, RATE));
            }
            if round >= 250 {
                least = least.min(began.elapsed().as_secs_f64() * 1e6);
            }
        }
        println!("| {name} | {least:.0} |");
    }
}
