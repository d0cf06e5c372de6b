//! What looks like a difference, or like none, and is not: beginnings, rates near 1, tails
//! of few units, and margins where hardly anything differs.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::{Binomial, Distribution, StandardNormal};

use super::{
    super::{
        Condition, Design, ExperimentSettings, Margin, Method, MetricSettings, MetricValue, Statistic,
        pane::Pane,
        quantiles,
        totals::Totals,
        values::{Channels, Reading},
    },
    ALPHA, EVENTS, Rates, assert_false, assert_found, coarse, event, experiment, mean, metric, most,
    rates_cell, rates_window, simulate, simulate_windows,
};
use crate::result::{Better, MetricRole};

fn guardrail(margin: Margin, better: Better) -> MetricSettings {
    let value = MetricValue::Prediction;
    MetricSettings {
        role: MetricRole::Guardrail,
        margin: Some(margin),
        ..MetricSettings::new("errors", better, Statistic::Rate(Condition::IsTrue), value)
    }
}

fn shadow(metrics: Vec<MetricSettings>, method: Method) -> ExperimentSettings {
    let mut settings = experiment(metrics);
    settings.inference.method = method;
    ExperimentSettings { design: Design::Shadow { pair_timeout_ms: 0, max_unanswered: 0.01 }, ..settings }
}

/// A day of the control alone, which drifts, and then half of the traffic for each.
#[test]
fn what_was_before_the_challenger_is_not_compared_with_it() {
    for metrics in [vec![mean()], vec![metric(Better::Lower, Statistic::Quantile(0.9))]] {
        let settings = experiment(metrics);
        let is_quantile = settings.metrics[0].statistic != Statistic::Mean;
        let name = format!("late start, {:?}", settings.metrics[0].statistic);
        let rates = simulate_windows(&name, &settings, 300, |random, look, pane| {
            let base = 100.0 + 10.0 * (look.min(24) as f64) / 24.0;
            for _ in 0..EVENTS {
                let arm = usize::from(look >= 24 && random.random::<bool>());
                let noise: f64 = StandardNormal.sample(random);
                let value = base + 5.0 * noise;
                let number =
                    if is_quantile { i64::from(quantiles::bin(value).unwrap()) } else { coarse(value) };
                event(pane, &settings, arm, &[number], None);
            }
        });
        assert_false(&name, rates);
    }
}

#[test]
fn rates_near_one_are_seldom_told_apart_when_equal_and_found_when_not() {
    for rate in [0.98, 0.999] {
        for share in [0.5, 0.05] {
            assert_false(&format!("{rate} {share}"), rates_cell([rate; 2], share, 500));
        }
    }
    assert_found("96 to 98 %", rates_cell([0.96, 0.98], 0.5, 200), 0.95);
    assert_found("99 to 99.7 %", rates_cell([0.99, 0.997], 0.5, 200), 0.9);
}

/// Six in a hundred units are slow when what they ask for is not at hand.
#[test]
fn a_tail_of_few_units_is_not_taken_for_many_events() {
    let settings = experiment(vec![metric(Better::Lower, Statistic::Quantile(0.95))]);
    for units in [480_usize, 2_400] {
        let name = format!("slow units, {units}");
        let rates = simulate(
            &name,
            &settings,
            200,
            |random| -> Vec<(usize, u8, bool)> {
                let one = |_| (random.random_range(0..2), random.random(), random.random_bool(0.06));
                (0..units).map(one).collect()
            },
            |random, units, _, pane| {
                for _ in 0..EVENTS {
                    let (arm, bucket, is_slow) = units[random.random_range(0..units.len())];
                    let noise: f64 = StandardNormal.sample(random);
                    let is_at_hand = random.random::<bool>();
                    let base = if is_at_hand { 5.0 } else { 100.0 } * if is_slow { 6.0 } else { 1.0 };
                    let value = base * (0.5 * noise).exp();
                    event(pane, &settings, arm, &[quantiles::bin(value).unwrap().into()], Some(bucket));
                }
            },
        );
        assert_false(&name, rates);
    }
}

/// Requests of which only the challenger fails, in as many cases as the margin allows.
#[test]
fn a_shadow_at_its_margin_is_on_neither_side() {
    for (method, margin) in [(Method::AlwaysValid, 0.002), (Method::FixedHorizon, 0.005)] {
        let settings = shadow(vec![guardrail(Margin::Absolute(margin), Better::Lower)], method);
        let name = format!("{method:?}, pairs at a margin of {margin}");
        let run = |name: &str, rate: f64, runs| {
            simulate_windows(name, &settings, runs, |random, _, pane| {
                let failed = Binomial::new(EVENTS, rate).unwrap().sample(random);
                for index in 0..EVENTS {
                    let theirs = i64::from(index < failed);
                    pane.pairs[0].metrics[0].take(Some(0), Some(theirs), None);
                    pane.pairs[0].agreement.pairs += 1;
                }
            })
        };
        assert_false(&name, run(&name, margin, 400));
        assert_found("an identical shadow", run("an identical shadow", 0.0, 2), 1.0);
    }
}

#[test]
fn margins_hold_where_one_arm_is_small_and_rates_are_near_one() {
    let mut settings = experiment(vec![guardrail(Margin::Absolute(0.01), Better::Lower)]);
    settings.inference.method = Method::FixedHorizon;
    // What 60 windows hold, of events in two arms of one size.
    settings.inference.planned_events = 4_400;
    let rates = simulate_windows("5 % share at a margin", &settings, 500, |random, _, pane| {
        rates_window(random, &settings, pane, 0.05, [0.005, 0.015]);
    });
    // One look, whose error is all of alpha.
    assert!(rates.promoted <= most(rates.runs, ALPHA), "{rates:?}");

    let settings = experiment(vec![guardrail(Margin::Relative(0.02), Better::Higher)]);
    let accuracy = |name: &str, challenger: f64, runs| {
        simulate_windows(name, &settings, runs, |random, _, pane| {
            rates_window(random, &settings, pane, 0.5, [0.95, challenger]);
        })
    };
    assert_false("accuracy at its margin", accuracy("accuracy at its margin", 0.931, 500));
    assert_found("equal accuracy", accuracy("equal accuracy", 0.95, 100), 0.9);
}

/// Values of a unit go together in both arms alike, so that pairs do not show it.
#[test]
fn a_relative_margin_of_pairs_is_known_as_well_as_the_control_is() {
    let value = MetricSettings { better: Better::Higher, ..guardrail(Margin::Relative(0.2), Better::Higher) };
    let value = MetricSettings { statistic: Statistic::Mean, ..value };
    let settings = shadow(vec![value], Method::FixedHorizon);
    let rates: Rates = simulate(
        "pairs at a relative margin",
        &settings,
        400,
        |random| -> Vec<(u8, f64)> {
            let one = |_| {
                let common: f64 = StandardNormal.sample(random);
                (random.random(), common)
            };
            (0..480).map(one).collect()
        },
        |random, units, _, pane| {
            for _ in 0..EVENTS {
                let (bucket, common) = units[random.random_range(0..units.len())];
                let [own, noise]: [f64; 2] = std::array::from_fn(|_| StandardNormal.sample(random));
                let control = 1.0 + 0.3_f64.sqrt() * common + 0.7_f64.sqrt() * own;
                let challenger = control - 0.2 + 0.3 * noise;
                let pair = [control, challenger].map(|value| Some(coarse(value)));
                pane.pairs[0].metrics[0].take(pair[0], pair[1], Some(bucket));
                pane.pairs[0].agreement.pairs += 1;
            }
        },
    );
    assert!(rates.promoted <= most(rates.runs, ALPHA), "{rates:?}");
}

/// All values of a unit are the same, and all values lie so near together that one coarse bin
/// holds them.
#[test]
fn values_that_lie_near_together_are_of_units_too() {
    let settings = experiment(vec![metric(Better::Lower, Statistic::Quantile(0.5))]);
    let rates = simulate(
        "near together",
        &settings,
        200,
        |random| -> Vec<(usize, u8, f64)> {
            let one = |_| (random.random_range(0..2), random.random(), random.random_range(101.0..136.0));
            (0..400).map(one).collect()
        },
        |random, units, _, pane| {
            for _ in 0..EVENTS {
                let (arm, bucket, value) = units[random.random_range(0..units.len())];
                event(pane, &settings, arm, &[quantiles::bin(value).unwrap().into()], Some(bucket));
            }
        },
    );
    assert_false("near together", rates);
}

/// Three units in ten never carry the field, in both arms alike.
#[test]
fn units_that_lack_a_field_are_no_reason_to_mistrust_the_data() {
    let settings = experiment(vec![mean()]);
    let is_alarm = |run: u64, more: f64| {
        let mut random = ChaCha8Rng::seed_from_u64(run);
        let one = |random: &mut ChaCha8Rng| {
            let arm = random.random_range(0..2);
            (arm, random.random(), random.random_bool(if arm == 1 { 0.3 + more } else { 0.3 }))
        };
        let units: Vec<(usize, u8, bool)> = (0..1_000).map(|_| one(&mut random)).collect();
        let mut totals = Totals::new(&settings);
        (0..12).any(|look| {
            let mut pane = Pane::new(&settings);
            for _ in 0..1_700 {
                let (arm, bucket, is_lacking) = units[random.random_range(0..units.len())];
                let noise: f64 = StandardNormal.sample(&mut random);
                let reading =
                    if is_lacking { Reading::Absent } else { Reading::Values(Channels::new(coarse(noise))) };
                pane.arms[arm].metrics[0].take(&settings.metrics[0], reading, Some(bucket));
            }
            totals.take(&settings, look, &pane);
            !totals.problems(&settings).of(0).is_empty()
        })
    };
    let alarms = (0..200).filter(|run| is_alarm(*run, 0.0)).count();
    println!("lacking fields alike: {alarms} alarms of 200");
    assert!(alarms as u64 <= most(200, 0.001), "{alarms}");
    let found = (0..20).filter(|run| is_alarm(*run, 0.3)).count();
    assert!(found >= 19, "{found} of 20 in which twice as many lack it");
}
