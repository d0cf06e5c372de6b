//! The promises of experiments, held by simulation: how often something is promoted
//! or taken back though there is nothing, when it is looked at 60 times.
//!
//! Whole windows are drawn and go through the totals, the evidence and the verdict,
//! as they do in the daemon. A cell passes when its rate of false decisions is at most
//! the promised one plus what chance gives in so many runs, once in a thousand.
//!
//! `DRIFTLINE_RUNS=10` makes ten times as many runs and prints the rates.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
#![allow(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss)]

#[path = "beside_others.rs"]
mod beside_others;
#[path = "experiment_traps.rs"]
mod traps;

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::{Beta, Binomial, Distribution, LogNormal, StandardNormal};
use statrs::distribution::{Binomial as Exact, DiscreteCDF};

use super::{
    Condition, Covariate, Design, ExperimentSettings, Inference, Margin, Method, MetricSettings, MetricValue,
    Split, Statistic,
    pane::Pane,
    quantiles,
    report::{self, Times},
    split_test,
    sums::Step,
    totals::Totals,
    values::{Channels, Reading},
};
use crate::result::{Better, Decision, ExperimentPhase, MetricRole};

const LOOKS: usize = 60;
const EVENTS: u64 = 400;
const ALPHA: f64 = 0.05;

fn metric(better: Better, statistic: Statistic) -> MetricSettings {
    MetricSettings::new("metric", better, statistic, MetricValue::Prediction)
}

fn rate() -> MetricSettings {
    metric(Better::Higher, Statistic::Rate(Condition::IsTrue))
}

fn mean() -> MetricSettings {
    metric(Better::Lower, Statistic::Mean)
}

fn experiment(metrics: Vec<MetricSettings>) -> ExperimentSettings {
    let settings = ExperimentSettings::new("test", "model", &["a", "b"], metrics);
    ExperimentSettings { inference: Inference { alpha: ALPHA, ..settings.inference }, ..settings }
}

/// What came of many runs.
#[derive(Debug, Clone, Copy)]
struct Rates {
    runs: u64,
    promoted: u64,
    rolled_back: u64,
}

fn times_as_many() -> u64 {
    std::env::var("DRIFTLINE_RUNS").ok().and_then(|text| text.parse().ok()).unwrap_or(1)
}

/// Runs an experiment until it is decided, again and again; `begin` draws what a run
/// has from its beginning, `draw` a window.
fn simulate<S>(
    name: &str,
    settings: &ExperimentSettings,
    runs: u64,
    begin: impl Fn(&mut ChaCha8Rng) -> S,
    draw: impl Fn(&mut ChaCha8Rng, &mut S, usize, &mut Pane),
) -> Rates {
    let runs = runs * times_as_many();
    let mut rates = Rates { runs, promoted: 0, rolled_back: 0 };
    for run in 0..runs {
        let mut random = ChaCha8Rng::seed_from_u64(run);
        let mut state = begin(&mut random);
        let mut totals = Totals::new(settings);
        for look in 0..LOOKS {
            let mut pane = Pane::new(settings);
            draw(&mut random, &mut state, look, &mut pane);
            let start = i64::try_from(look).unwrap();
            totals.take(settings, start, &pane);
            let times = Times { start, end: start + 1, slide: 1_000, phase: ExperimentPhase::Running };
            match report::result(settings, &mut totals, Vec::new(), times).verdict {
                Decision::Hold => continue,
                Decision::Promote => rates.promoted += 1,
                Decision::Rollback => rates.rolled_back += 1,
            }
            break;
        }
    }
    let percent = |count: u64| 100.0 * count as f64 / runs as f64;
    println!(
        "{name}: promoted {:.2} %, rolled back {:.2} % of {runs}",
        percent(rates.promoted),
        percent(rates.rolled_back)
    );
    rates
}

/// The same of windows that have nothing in common.
fn simulate_windows(
    name: &str,
    settings: &ExperimentSettings,
    runs: u64,
    draw: impl Fn(&mut ChaCha8Rng, usize, &mut Pane),
) -> Rates {
    simulate(name, settings, runs, |_| (), |random, (), look, pane| draw(random, look, pane))
}

/// At most so many of `runs` happen with probability `rate`, but once in a thousand.
fn most(runs: u64, rate: f64) -> u64 {
    Exact::new(rate, runs).unwrap().inverse_cdf(0.999)
}

fn assert_false(name: &str, rates: Rates) {
    let most = most(rates.runs, ALPHA);
    assert!(rates.promoted <= most, "{name}: {rates:?}, at most {most} false promotions");
    assert!(rates.rolled_back <= most, "{name}: {rates:?}, at most {most} false rollbacks");
}

fn assert_found(name: &str, rates: Rates, least_share: f64) {
    let share = rates.promoted as f64 / rates.runs as f64;
    assert!(share >= least_share, "{name}: {rates:?}, at least {least_share}");
}

/// Counts an event of an arm.
fn event(pane: &mut Pane, settings: &ExperimentSettings, arm: usize, values: &[i64], bucket: Option<u8>) {
    let arm = &mut pane.arms[arm];
    arm.events += 1;
    arm.expose(settings.splits.first().map(|_| i64::MIN), false);
    for (metric, sums) in settings.metrics.iter().zip(&mut arm.metrics) {
        let mut channels = Channels::new(values[0]);
        values[1..].iter().for_each(|value| channels.push(*value));
        sums.take(metric, Reading::Values(channels), bucket);
    }
}

fn coarse(value: f64) -> i64 {
    Step::COARSE.count(value).unwrap()
}

/// A window of two arms with these rates.
fn rates_window(
    random: &mut ChaCha8Rng,
    settings: &ExperimentSettings,
    pane: &mut Pane,
    share: f64,
    [control, challenger]: [f64; 2],
) {
    let theirs = Binomial::new(EVENTS, share).unwrap().sample(random);
    for (arm, n, rate) in [(0, EVENTS - theirs, control), (1, theirs, challenger)] {
        let positives = Binomial::new(n, rate).unwrap().sample(random);
        for index in 0..n {
            event(pane, settings, arm, &[i64::from(index < positives)], None);
        }
    }
}

fn rates_cell(rate_of: [f64; 2], share: f64, runs: u64) -> Rates {
    let settings = experiment(vec![rate()]);
    let name = format!("rates {rate_of:?}, share {share}");
    simulate_windows(&name, &settings, runs, |random, _, pane| {
        rates_window(random, &settings, pane, share, rate_of);
    })
}

#[test]
fn equal_rates_are_seldom_told_apart() {
    for rate in [0.002, 0.05, 0.3] {
        for share in [0.5, 0.1, 0.01] {
            assert_false(&format!("{rate} {share}"), rates_cell([rate; 2], share, 1_000));
        }
    }
}

#[test]
fn rates_that_differ_are_found() {
    assert_found("5 to 6 %", rates_cell([0.05, 0.06], 0.5, 400), 0.62);
    assert_found("0.2 to 0.6 %, 90/10", rates_cell([0.002, 0.006], 0.1, 400), 0.50);
    assert_found("30 to 33 %", rates_cell([0.3, 0.33], 0.5, 400), 0.92);
}

fn latency_cell(settings: &ExperimentSettings, name: &str, share: f64, factor: f64, runs: u64) -> Rates {
    let law = LogNormal::new(5.0, 1.5).unwrap();
    let is_quantile = matches!(settings.metrics[0].statistic, Statistic::Quantile(_));
    simulate_windows(name, settings, runs, |random, _, pane| {
        for _ in 0..EVENTS {
            let arm = usize::from(random.random::<f64>() < share);
            let value = law.sample(random) * if arm == 1 { factor } else { 1.0 };
            let number = if is_quantile {
                i64::from(quantiles::bin(value).unwrap())
            } else {
                coarse(value.min(1.6e7))
            };
            event(pane, settings, arm, &[number], None);
        }
    })
}

fn assert_equal_laws(kind: &str, settings: &ExperimentSettings) {
    for share in [0.5, 0.1, 0.01] {
        let name = format!("{kind}, share {share}");
        assert_false(&name, latency_cell(settings, &name, share, 1.0, 500));
    }
}

#[test]
fn equal_latencies_are_seldom_told_apart() {
    let settings = experiment(vec![mean()]);
    assert_equal_laws("log-normal mean", &settings);
    assert_found("20 % less", latency_cell(&settings, "20 % less", 0.5, 0.8, 200), 0.9);
}

#[test]
fn equal_tails_are_seldom_told_apart() {
    let settings = experiment(vec![metric(Better::Lower, Statistic::Quantile(0.95))]);
    assert_equal_laws("95 % quantile", &settings);
    assert_found("25 % less", latency_cell(&settings, "tail 25 % less", 0.5, 0.75, 200), 0.9);
}

/// The challenger's share goes from 1 to 50 % while the base rate rises.
#[test]
fn a_ramp_does_not_make_a_difference() {
    let ramp = |look: usize| {
        let at = look as f64 / (LOOKS - 1) as f64;
        (0.01 + 0.49 * at, 0.05 + 0.03 * at)
    };
    for kind in ["rate", "mean"] {
        let settings = experiment(vec![if kind == "rate" { rate() } else { mean() }]);
        let name = format!("ramp, {kind}");
        let rates = simulate_windows(&name, &settings, 1_000, |random, look, pane| {
            let (share, base) = ramp(look);
            if kind == "rate" {
                rates_window(random, &settings, pane, share, [base; 2]);
                return;
            }
            for _ in 0..EVENTS {
                let arm = usize::from(random.random::<f64>() < share);
                let noise: f64 = StandardNormal.sample(random);
                event(pane, &settings, arm, &[coarse(100.0 * base + noise)], None);
            }
        });
        assert_false(&name, rates);
    }
    let settings = experiment(vec![rate()]);
    let found = simulate_windows("ramp, 40 % more", &settings, 200, |random, look, pane| {
        let (share, base) = ramp(look);
        rates_window(random, &settings, pane, share, [base, 1.4 * base]);
    });
    assert_found("ramp, 40 % more", found, 0.9);
}

/// Ten events a unit, whose values go together with a correlation of 0.3.
#[test]
fn events_of_a_unit_are_not_taken_for_independent() {
    struct Units {
        /// Arm, bucket and what its events have in common.
        list: Vec<(usize, u8, f64)>,
    }
    let units = |random: &mut ChaCha8Rng, common: &dyn Fn(&mut ChaCha8Rng) -> f64| {
        let one = |random: &mut ChaCha8Rng| (random.random_range(0..2), random.random(), common(random));
        Units { list: (0..2_400).map(|_| one(random)).collect() }
    };
    let settings = experiment(vec![mean()]);
    let normal =
        |random: &mut ChaCha8Rng| f64::sqrt(0.3) * Distribution::<f64>::sample(&StandardNormal, random);
    let rates = simulate("ICC 0.3, mean", &settings, 1_000, |random| units(random, &normal), {
        |random, units: &mut Units, _, pane| {
            for _ in 0..EVENTS {
                let (arm, bucket, common) = units.list[random.random_range(0..units.list.len())];
                let own: f64 = StandardNormal.sample(random);
                event(pane, &settings, arm, &[coarse(common + 0.7_f64.sqrt() * own)], Some(bucket));
            }
        }
    });
    assert_false("ICC 0.3, mean", rates);

    // A beta law with this sum of parameters has the correlation.
    let settings = experiment(vec![rate()]);
    let sum = 1.0 / 0.3 - 1.0;
    let law = Beta::new(0.05 * sum, 0.95 * sum).unwrap();
    let share = |random: &mut ChaCha8Rng| law.sample(random);
    let rates = simulate("ICC 0.3, rate", &settings, 1_000, |random| units(random, &share), {
        |random, units: &mut Units, _, pane| {
            for _ in 0..EVENTS {
                let (arm, bucket, common) = units.list[random.random_range(0..units.list.len())];
                let is_positive = random.random::<f64>() < common;
                event(pane, &settings, arm, &[i64::from(is_positive)], Some(bucket));
            }
        }
    });
    assert_false("ICC 0.3, rate", rates);
}

/// Sessions of ten events that begin and end in one window: an arm has few of them there,
/// and their scatter about the arm's own mean is less than that of sessions.
#[test]
fn few_units_in_a_window_are_not_taken_for_many_events() {
    let settings = experiment(vec![mean()]);
    for share in [0.5, 0.05] {
        let name = format!("sessions, share {share}");
        let rates = simulate_windows(&name, &settings, 500, |random, _, pane| {
            for _ in 0..EVENTS / 10 {
                let (arm, bucket) = (usize::from(random.random::<f64>() < share), random.random());
                let common: f64 = StandardNormal.sample(random);
                for _ in 0..10 {
                    let own: f64 = StandardNormal.sample(random);
                    let value = 0.3_f64.sqrt() * common + 0.7_f64.sqrt() * own;
                    event(pane, &settings, arm, &[coarse(value)], Some(bucket));
                }
            }
        });
        assert_false(&name, rates);
    }
}

/// A guardrail whose challenger is worse by just the margin must neither pass nor be
/// taken back, and one without a difference is to pass.
#[test]
fn a_guardrail_at_its_margin_is_on_neither_side() {
    let guardrail = |margin| MetricSettings {
        margin: Some(margin),
        role: MetricRole::Guardrail,
        better: Better::Lower,
        ..rate()
    };
    let settings = experiment(vec![guardrail(Margin::Relative(0.2))]);
    for (name, base) in [("5 %", 0.05), ("0.5 %", 0.005)] {
        let name = format!("relative margin at {name}");
        let rates = simulate_windows(&name, &settings, 1_000, |random, _, pane| {
            rates_window(random, &settings, pane, 0.5, [base, 1.2 * base]);
        });
        assert_false(&name, rates);
    }
    let settings = experiment(vec![guardrail(Margin::Absolute(0.01))]);
    let rates = simulate_windows("absolute margin", &settings, 1_000, |random, _, pane| {
        rates_window(random, &settings, pane, 0.5, [0.05, 0.06]);
    });
    assert_false("absolute margin", rates);
    let passed = simulate_windows("no difference, margin 0.01", &settings, 200, |random, _, pane| {
        rates_window(random, &settings, pane, 0.5, [0.05, 0.05]);
    });
    assert_found("no difference", passed, 0.7);
}

#[test]
fn several_challengers_share_the_error() {
    let settings = ExperimentSettings {
        arms: ["a", "b", "c", "d"].map(str::to_owned).into(),
        ..experiment(vec![rate()])
    };
    let rates = simulate_windows("three challengers", &settings, 1_000, |random, _, pane| {
        for arm in 0..4 {
            let positives = Binomial::new(EVENTS / 4, 0.05).unwrap().sample(random);
            for index in 0..EVENTS / 4 {
                event(pane, &settings, arm, &[i64::from(index < positives)], None);
            }
        }
    });
    assert_false("three challengers", rates);
}

#[test]
fn planned_experiments_keep_their_error_and_find_more() {
    for (method, least) in [(Method::GroupSequential, 0.82), (Method::FixedHorizon, 0.84)] {
        let mut settings = experiment(vec![rate()]);
        settings.inference.method = method;
        // What 60 windows of 400 hold.
        settings.inference.planned_events = 23_500;
        let run = |name: String, rate_of: [f64; 2], runs| {
            simulate_windows(&name, &settings, runs, |random, _, pane| {
                rates_window(random, &settings, pane, 0.5, rate_of);
            })
        };
        assert_false("planned", run(format!("{method:?}"), [0.05; 2], 600));
        assert_found("planned, 5 to 6 %", run(format!("{method:?}, 5 to 6 %"), [0.05, 0.06], 200), least);
    }
}

/// Covariates that explain 64 % of the variance.
#[test]
fn covariates_find_more_and_keep_the_error() {
    let metric = MetricSettings { covariates: vec![Covariate::Prediction], ..mean() };
    let settings = experiment(vec![metric]);
    let run = |name: &str, gain: f64, runs| {
        simulate_windows(name, &settings, runs, |random, _, pane| {
            for _ in 0..EVENTS {
                let arm = usize::from(random.random::<bool>());
                let known: f64 = StandardNormal.sample(random);
                let own: f64 = StandardNormal.sample(random);
                let value = 0.8 * known + 0.6 * own - if arm == 1 { gain } else { 0.0 };
                event(pane, &settings, arm, &[coarse(value), coarse(known)], None);
            }
        })
    };
    assert_false("covariate", run("covariate", 0.0, 500));
    assert_found("covariate, 0.03", run("covariate, 0.03", 0.03, 200), 0.75);
}

#[test]
fn pairs_keep_the_error_and_find_more() {
    let settings = ExperimentSettings {
        design: Design::Shadow { pair_timeout_ms: 0, max_unanswered: 0.01 },
        ..experiment(vec![mean()])
    };
    let run = |name: &str, gain: f64, runs| {
        simulate_windows(name, &settings, runs, |random, _, pane| {
            for _ in 0..100 {
                let common: f64 = StandardNormal.sample(random);
                let [mine, theirs] = [0.0, gain].map(|gain| {
                    let own: f64 = StandardNormal.sample(random);
                    coarse(common + 0.3 * own - gain)
                });
                pane.pairs[0].metrics[0].take(Some(mine), Some(theirs), None);
                pane.pairs[0].agreement.pairs += 1;
            }
        })
    };
    assert_false("pairs", run("pairs", 0.0, 1_000));
    assert_found("pairs, 0.03", run("pairs, 0.03", 0.03, 200), 0.9);
}

#[test]
fn a_sound_split_is_seldom_called_uneven() {
    let runs = 4_000 * times_as_many();
    let alarms = |share: f64, runs: u64| {
        let uneven = |run: u64| {
            let mut random = ChaCha8Rng::seed_from_u64(run);
            let law = Binomial::new(100, share).unwrap();
            let mut counts = [0, 0];
            (0..1_000).any(|_| {
                let theirs = law.sample(&mut random);
                counts = [counts[0] + 100 - theirs, counts[1] + theirs];
                split_test::log_evidence(&counts, &[0.9, 0.1]) >= 1_000_f64.ln()
            })
        };
        (0..runs).filter(|run| uneven(*run)).count()
    };
    let alarms_of_none = alarms(0.1, runs);
    println!("uneven splits of none: {alarms_of_none} of {runs}");
    assert!(alarms_of_none as u64 <= most(runs, 0.001), "{alarms_of_none} of {runs}");
    assert!(alarms(0.11, 50) > 45, "one in ten too many is seen within 100,000 events");
}

#[test]
fn an_uneven_split_holds_what_would_be_promoted() {
    let settings = ExperimentSettings {
        splits: vec![Split { from: None, weights: vec![1.0, 1.0] }],
        ..experiment(vec![rate()])
    };
    let rates = simulate_windows("uneven", &settings, 100, |random, _, pane| {
        rates_window(random, &settings, pane, 0.3, [0.05, 0.07]);
    });
    assert!(rates.promoted <= 1 && rates.rolled_back == 0, "{rates:?}");
}
