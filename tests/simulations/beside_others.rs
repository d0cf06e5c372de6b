//! What is found, and what is invented, beside the ways in which others look: on the
//! same windows.
//!
//! - *z at every look*: Welch's test of all events so far, at 5 %, whenever a window
//!   closes, which is what a dashboard invites to.
//! - *GrowthBook*: its sequential test, the same confidence sequence with each arm's
//!   own variance over all events, tuned to 5,000 (`gbstats`, `SequentialTTest`).
//! - *Kayenta*: Mann-Whitney on the windows' values of both arms: the 98 % interval of
//!   the Hodges-Lehmann shift beyond a quarter of the shift itself
//!   (`MannWhitneyClassifier`), judged after every ten windows.
//! - *Driftline*: always valid, and group-sequential with what 60 windows hold as plan.
//!
//! Each row has what is decided in either direction where there is no difference, and
//! in the right direction where there is one. `cargo test --lib beside -- --nocapture`
//! prints the table of docs/experiments.md; `DRIFTLINE_RUNS=10` makes it finer.

use rand_distr::Normal as NormalLaw;
use statrs::distribution::{ContinuousCDF, Normal};

use super::*;
use crate::experiment::confidence::{ConfidenceSequence, Estimate};

/// Count, sum and sum of squares of each arm.
#[derive(Debug, Clone, Copy, Default)]
struct Moments {
    n: f64,
    sum: f64,
    squares: f64,
}

impl Moments {
    fn add(&mut self, value: f64) {
        (self.n, self.sum, self.squares) = (self.n + 1.0, self.sum + value, self.squares + value * value);
    }

    fn merge(&mut self, other: Self) {
        self.n += other.n;
        self.sum += other.sum;
        self.squares += other.squares;
    }

    fn mean(self) -> f64 {
        self.sum / self.n
    }

    /// Variance of the mean.
    fn variance(self) -> f64 {
        (self.squares - self.sum * self.sum / self.n) / (self.n - 1.0) / self.n
    }
}

/// One way to look at windows: 1 up, -1 down, 0 nothing yet.
trait Looks {
    fn look(&mut self, window: [Moments; 2]) -> i8;
}

#[derive(Default)]
struct ZAtEveryLook([Moments; 2]);

#[derive(Default)]
struct GrowthBook([Moments; 2]);

#[derive(Default)]
struct Kayenta([Vec<f64>; 2]);

fn difference(arms: [Moments; 2]) -> Option<(f64, f64)> {
    let std_error = (arms[0].variance() + arms[1].variance()).sqrt();
    (std_error > 0.0 && std_error.is_finite()).then(|| (arms[1].mean() - arms[0].mean(), std_error))
}

fn direction(is_decided: bool, difference: f64) -> i8 {
    if !is_decided {
        0
    } else if difference > 0.0 {
        1
    } else {
        -1
    }
}

impl Looks for ZAtEveryLook {
    fn look(&mut self, window: [Moments; 2]) -> i8 {
        self.0.iter_mut().zip(window).for_each(|(mine, theirs)| mine.merge(theirs));
        difference(self.0).map_or(0, |(gain, std_error)| direction((gain / std_error).abs() > 1.96, gain))
    }
}

impl Looks for GrowthBook {
    fn look(&mut self, window: [Moments; 2]) -> i8 {
        self.0.iter_mut().zip(window).for_each(|(mine, theirs)| mine.merge(theirs));
        let n = self.0[0].n + self.0[1].n;
        let half = |std_error| ConfidenceSequence::new(ALPHA, 5_000.0).half_width(std_error, n);
        difference(self.0).map_or(0, |(gain, std_error)| direction(gain.abs() > half(std_error), gain))
    }
}

impl Looks for Kayenta {
    fn look(&mut self, window: [Moments; 2]) -> i8 {
        for (points, arm) in self.0.iter_mut().zip(window) {
            if arm.n > 0.0 {
                points.push(arm.mean());
            }
        }
        let [control, challenger] = &self.0;
        if control.len() % 10 != 0 || challenger.len() < 10 {
            return 0;
        }
        let mut shifts: Vec<f64> =
            challenger.iter().flat_map(|theirs| control.iter().map(move |mine| theirs - mine)).collect();
        shifts.sort_unstable_by(f64::total_cmp);
        let (a, b) = (control.len() as f64, challenger.len() as f64);
        let z = Normal::standard().inverse_cdf(0.99);
        let rank = (a * b / 2.0 - z * (a * b * (a + b + 1.0) / 12.0).sqrt()).floor().max(0.0) as usize;
        let (lower, upper) = (shifts[rank], shifts[shifts.len() - 1 - rank]);
        let tolerance = 0.25 * shifts[shifts.len() / 2].abs();
        i8::from(lower > tolerance) - i8::from(upper < -tolerance)
    }
}

/// The daemon's own totals, evidence and verdict.
struct Driftline {
    settings: ExperimentSettings,
    totals: Totals,
    look: i64,
}

impl Driftline {
    fn new(settings: &ExperimentSettings) -> Self {
        Self { totals: Totals::new(settings), settings: settings.clone(), look: 0 }
    }

    fn look(&mut self, pane: &Pane) -> i8 {
        self.totals.take(&self.settings, self.look, pane);
        self.look += 1;
        let times =
            Times { start: self.look, end: self.look + 1, slide: 1_000, phase: ExperimentPhase::Running };
        match report::result(&self.settings, &mut self.totals, Vec::new(), times).verdict {
            Decision::Hold => 0,
            Decision::Promote => 1,
            Decision::Rollback => -1,
        }
    }
}

struct Scenario {
    name: &'static str,
    is_rate: bool,
    /// The challenger's share and both laws' parameter, by window from 0 to 1.
    at: fn(f64) -> (f64, [f64; 2]),
    draw: fn(&mut ChaCha8Rng, f64) -> f64,
}

fn bernoulli(random: &mut ChaCha8Rng, rate: f64) -> f64 {
    f64::from(u8::from(random.random::<f64>() < rate))
}

fn log_normal(random: &mut ChaCha8Rng, factor: f64) -> f64 {
    (factor * NormalLaw::new(5.0_f64, 1.5).unwrap().sample(random).exp()).min(1.6e7)
}

const SCENARIOS: [Scenario; 10] = [
    Scenario { name: "rate 5 %, 50/50", is_rate: true, at: |_| (0.5, [0.05, 0.05]), draw: bernoulli },
    Scenario { name: "5 → 6 %, 50/50", is_rate: true, at: |_| (0.5, [0.05, 0.06]), draw: bernoulli },
    Scenario { name: "rate 0.2 %, 90/10", is_rate: true, at: |_| (0.1, [0.002, 0.002]), draw: bernoulli },
    Scenario { name: "0.2 → 0.6 %, 90/10", is_rate: true, at: |_| (0.1, [0.002, 0.006]), draw: bernoulli },
    Scenario { name: "rate 0.2 %, 99/1", is_rate: true, at: |_| (0.01, [0.002, 0.002]), draw: bernoulli },
    Scenario { name: "30 → 33 %, 50/50", is_rate: true, at: |_| (0.5, [0.3, 0.33]), draw: bernoulli },
    Scenario { name: "log-normal, 99/1", is_rate: false, at: |_| (0.01, [1.0, 1.0]), draw: log_normal },
    Scenario {
        name: "log-normal + 20 %, 50/50",
        is_rate: false,
        at: |_| (0.5, [1.0, 1.2]),
        draw: log_normal,
    },
    Scenario {
        name: "ramp 1 → 50 %, base rate 5 → 8 %",
        is_rate: true,
        at: |time| (0.01 + 0.49 * time, [0.05 + 0.03 * time; 2]),
        draw: bernoulli,
    },
    Scenario {
        name: "the same, + 40 %",
        is_rate: true,
        at: |time| (0.01 + 0.49 * time, [0.05 + 0.03 * time, 1.4 * (0.05 + 0.03 * time)]),
        draw: bernoulli,
    },
];

const METHODS: [&str; 5] =
    ["z at every look", "GrowthBook", "Kayenta", "Driftline, always valid", "Driftline, group-sequential"];

/// Per method, how often it decides up and down.
fn decisions(scenario: &Scenario, runs: u64) -> [[u64; 2]; 5] {
    let mut counts = [[0; 2]; 5];
    let metric = if scenario.is_rate { rate() } else { MetricSettings { better: Better::Higher, ..mean() } };
    let always = experiment(vec![metric]);
    let mut planned = always.clone();
    (planned.inference.method, planned.inference.planned_events) = (Method::GroupSequential, 24_000);
    // Unequal arms carry less: the plan is of events in arms of equal size.
    let (share, _) = (scenario.at)(0.5);
    planned.inference.planned_events = (24_000.0 * 4.0 * share * (1.0 - share) * 0.98) as u64;
    for run in 0..runs {
        let mut random = ChaCha8Rng::seed_from_u64(run);
        let mut others: [Box<dyn Looks>; 3] =
            [Box::<ZAtEveryLook>::default(), Box::<GrowthBook>::default(), Box::<Kayenta>::default()];
        let mut own = [Driftline::new(&always), Driftline::new(&planned)];
        let mut decided = [0_i8; 5];
        for look in 0..LOOKS {
            let (share, parameters) = (scenario.at)(look as f64 / (LOOKS - 1) as f64);
            let mut window = [Moments::default(); 2];
            let mut pane = Pane::new(&always);
            for _ in 0..EVENTS {
                let arm = usize::from(random.random::<f64>() < share);
                let value = (scenario.draw)(&mut random, parameters[arm]);
                window[arm].add(value);
                let number = if scenario.is_rate { value as i64 } else { coarse(value) };
                event(&mut pane, &always, arm, &[number], None);
            }
            let theirs = others.iter_mut().map(|other| other.look(window)).collect::<Vec<_>>();
            let ours = own.iter_mut().map(|own| own.look(&pane));
            for (decided, now) in decided.iter_mut().zip(theirs.into_iter().chain(ours)) {
                if *decided == 0 {
                    *decided = now;
                }
            }
        }
        for (count, decided) in counts.iter_mut().zip(decided) {
            count[0] += u64::from(decided > 0);
            count[1] += u64::from(decided < 0);
        }
    }
    counts
}

#[test]
fn beside_other_ways_to_look() {
    let runs = 100 * times_as_many();
    println!("| | {} |\n|---|{}", METHODS.join(" | "), "---|".repeat(METHODS.len()));
    let percent = |count: u64| 100.0 * count as f64 / runs as f64;
    let mut table = Vec::new();
    for scenario in &SCENARIOS {
        let counts = decisions(scenario, runs);
        let (_, parameters) = (scenario.at)(0.5);
        let is_null = parameters[0].total_cmp(&parameters[1]).is_eq();
        let shown = counts.map(|[up, down]| if is_null { up + down } else { up });
        let cells = shown.map(|count| format!("{:.1} %", percent(count))).join(" | ");
        println!("| {}{} | {cells} |", scenario.name, if is_null { ", no difference" } else { "" });
        table.push((scenario.name, is_null, shown));
    }
    for (name, is_null, shown) in &table {
        let [.., always, planned] = shown;
        if *is_null {
            assert!((*always).max(*planned) <= most(runs, ALPHA), "{name}: {shown:?}");
        }
    }
    // What others find counts where they invent no more than they promise.
    let keeps = |method: usize, of: &str| {
        let (_, _, shown) = table.iter().find(|(name, ..)| *name == of).unwrap();
        shown[method] <= most(runs, ALPHA)
    };
    for (name, of) in [
        ("5 → 6 %, 50/50", "rate 5 %, 50/50"),
        ("30 → 33 %, 50/50", "rate 5 %, 50/50"),
        ("0.2 → 0.6 %, 90/10", "rate 0.2 %, 90/10"),
        ("log-normal + 20 %, 50/50", "log-normal, 99/1"),
        ("the same, + 40 %", "ramp 1 → 50 %, base rate 5 → 8 %"),
    ] {
        let (_, _, shown) = table.iter().find(|(known, ..)| *known == name).unwrap();
        let best = (0..3).filter(|method| keeps(*method, of)).map(|method| shown[method]).max().unwrap_or(0);
        // Five points, and what chance gives in so few runs.
        let least = percent(best) - 5.0 - 2.0 * 100.0 * (0.25 / runs as f64).sqrt();
        assert!(percent(shown[3]) >= least, "{name}: {shown:?}, at least {least}");
    }
}

/// A sequence that is right about 40 looks of nothing is right about the table's rows.
#[test]
fn the_stand_ins_say_what_their_originals_say() {
    // gbstats' own test of its sequential intervals: n* = 1,000, relative to the
    // control; in absolute terms the interval is its width times the control's mean.
    let mut growth_book = GrowthBook::default();
    let arm = |n: f64, sum: f64, squares: f64| Moments { n, sum, squares };
    assert_eq!(
        growth_book.look([arm(3_000.0, 1_396.87, 52_377.976_7), arm(3_461.0, 2_422.7, 134_698.29)]),
        0
    );
    let estimate = Estimate { difference: 0.3, std_error: 0.1, n: 1_000.0 };
    assert!(ConfidenceSequence::new(0.05, 5_000.0).log_e_value(estimate) < 20_f64.ln());
    // spinnaker#6278: seven of ten points a hundred times as high still pass.
    let mut kayenta = Kayenta::default();
    let point = |value: f64| arm(1.0, value, value * value);
    let said = (0..10).map(|i| kayenta.look([point(1.0), point(if i < 7 { 100.0 } else { 1.0 })]));
    assert_eq!(said.last(), Some(0));
}
