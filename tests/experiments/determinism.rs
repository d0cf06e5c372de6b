//! The same events give the same results, whichever partition is read faster, in
//! whatever batches, and however often it is restarted.

use driftline::{
    event::EventTime,
    experiment::{
        ArmSource, Condition, Covariate, Design, ExperimentSettings, Loss, MetricSettings, MetricValue,
        Split, Statistic,
    },
    result::{Better, MetricRole},
    window::WindowSettings,
};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::stand::{
    Letter, MODEL, START, Stand, at, brier, clicked, experiment, label, metric, value, windows,
};

const PARTITIONS: usize = 3;

/// The seeds of a test, or the one that is asked for.
pub(crate) fn seeds(count: u64) -> Vec<u64> {
    match std::env::var("DRIFTLINE_SEED") {
        Ok(seed) => vec![seed.parse().expect("DRIFTLINE_SEED is a number")],
        Err(_) => (0..count).collect(),
    }
}

/// What is configured and what is on the log.
pub(crate) struct Scenario {
    experiments: Vec<ExperimentSettings>,
    windows: WindowSettings,
    log: Vec<Vec<String>>,
}

fn split(slide: i64, label_delay_ms: i64) -> ExperimentSettings {
    let named = |name: &str, metric: MetricSettings| MetricSettings { name: name.to_owned(), ..metric };
    let plain = |metric: MetricSettings| MetricSettings { role: MetricRole::Plain, ..metric };
    let metrics = vec![
        value(),
        plain(MetricSettings { covariates: vec![Covariate::Prediction], ..named("adjusted", value()) }),
        MetricSettings { role: MetricRole::Guardrail, better: Better::Lower, ..clicked() },
        plain(metric("ratio", Statistic::Ratio(at("/per")), MetricValue::Field(at("/value")))),
        plain(metric("median", Statistic::Quantile(0.5), MetricValue::Field(at("/value")))),
        brier(),
        plain(metric("correct", Statistic::Mean, MetricValue::Loss(Loss::Correct))),
        plain(MetricSettings {
            covariates: vec![Covariate::Field(at("/value"))],
            ..metric("label", Statistic::Mean, MetricValue::Label)
        }),
    ];
    let weights = |from: Option<i64>, weights: [f64; 3]| Split {
        from: from.map(|after| EventTime(START + after)),
        weights: weights.to_vec(),
    };
    ExperimentSettings {
        arms: ["a", "b", "c"].map(str::to_owned).to_vec(),
        splits: vec![weights(None, [2.0, 1.0, 1.0]), weights(Some(slide * 5 / 2), [1.0, 1.0, 1.0])],
        label_delay_ms,
        ..experiment(metrics)
    }
}

fn shadow(label_delay_ms: i64, pair_timeout_ms: i64) -> ExperimentSettings {
    let score = metric("score", Statistic::Mean, MetricValue::Prediction);
    let high = metric("high", Statistic::Rate(Condition::Above(0.5)), MetricValue::Prediction);
    ExperimentSettings {
        id: "shadow".to_owned(),
        arm: ArmSource::Version,
        arms: ["v1", "v2", "v3"].map(str::to_owned).to_vec(),
        design: Design::Shadow { pair_timeout_ms, max_unanswered: 0.01 },
        label_delay_ms,
        ..experiment(vec![score, high, brier()])
    }
}

impl Scenario {
    pub(crate) fn random(random: &mut ChaCha8Rng) -> Self {
        let slide = 10_000 * random.random_range(1..=3_i64);
        let windows = WindowSettings {
            slide_ms: slide,
            size_ms: slide * random.random_range(1..=2),
            lateness_ms: random.random_range(0..15_000),
            grace_ms: if random.random_bool(0.5) { 0 } else { random.random_range(1..9_000) },
            ..windows()
        };
        let (delay, timeout) = (random.random_range(0..3 * slide), random.random_range(1..slide));
        let experiments = vec![split(slide, delay), shadow(delay, timeout)];
        // Where it stands in its partition, the partition, and what it is.
        let mut messages: Vec<(i64, usize, String)> = Vec::new();
        let jitter = |random: &mut ChaCha8Rng, time: i64| {
            let late = windows.lateness_ms;
            time + if late > 0 { random.random_range(0..late) } else { 0 }
        };
        for index in 0..random.random_range(50..400) {
            let after = random.random_range(0..120_000_i64);
            let id = format!("e{index}");
            let score: f64 = random.random();
            let is_shadow = random.random_bool(0.3);
            let answers: Vec<(i64, usize, String)> = if is_shadow {
                ["v1", "v2", "v3"]
                    .iter()
                    .filter_map(|version| {
                        // Some answers are missing, and some come too late.
                        let after = after + random.random_range(0..timeout * 5 / 4);
                        let score = (score + 0.1 * random.random::<f64>()).min(1.0);
                        let rest = format!(r#","version":"{version}","prediction":{score}"#);
                        let partition = random.random_range(0..PARTITIONS);
                        random.random_bool(0.9).then_some((after, partition, rest))
                    })
                    .collect()
            } else {
                let arm = ["a", "b", "c", "other"][random.random_range(0..100_usize).min(94) / 25];
                // A unit is of one partition, where its events have an order. Some cross.
                let unit = random.random_range(0..60_usize);
                let of_arm = if unit < 50 { ["a", "b", "c"][unit % 3] } else { arm };
                let rest = format!(
                    r#","variant":"{of_arm}","unit":"u{unit}","prediction":{score},"value":{},"per":{},"clicked":{}"#,
                    random.random_range(0.0..100.0),
                    random.random_range(0..3),
                    random.random_bool(0.2)
                );
                vec![(after, unit % PARTITIONS, rest)]
            };
            for (after, partition, rest) in answers {
                let time = START + after;
                let payload =
                    format!(r#"{{"kind":"prediction","model":"{MODEL}","id":"{id}","time":{time}{rest}}}"#);
                let place = jitter(random, after);
                messages.push((place, partition, payload.clone()));
                if random.random_bool(0.03) {
                    messages.push((jitter(random, after), partition, payload));
                }
            }
            if random.random_bool(0.8) {
                // Before the prediction, in time, at the edge, and far too late.
                let later = after + random.random_range(-delay - slide * 5 / 2..delay + 3 * slide);
                let later = later.max(0);
                let truth = label(&id, later, if random.random_bool(score) { "1" } else { "0" });
                for _ in 0..=usize::from(random.random_bool(0.05)) {
                    messages.push((jitter(random, later), random.random_range(0..PARTITIONS), truth.clone()));
                }
            }
        }
        messages.sort();
        let mut log = vec![Vec::new(); PARTITIONS];
        for (_, partition, payload) in messages {
            log[partition].push(payload);
        }
        Self { experiments, windows, log }
    }

    pub(crate) fn stand(&self) -> Stand {
        Stand::of(self.experiments.clone(), self.windows.clone(), PARTITIONS)
    }

    pub(crate) fn is_read(&self, stand: &Stand) -> bool {
        (0..PARTITIONS).all(|partition| stand.offset(partition) as usize == self.log[partition].len())
    }

    /// Reads a batch of whatever partitions.
    pub(crate) fn read(&self, stand: &mut Stand, random: &mut ChaCha8Rng, most: usize, favourite: usize) {
        let mut next: Vec<usize> =
            (0..PARTITIONS).map(|partition| stand.offset(partition) as usize).collect();
        let mut batch = Vec::new();
        for _ in 0..random.random_range(1..=most) {
            let partition =
                if random.random_bool(0.7) { favourite } else { random.random_range(0..PARTITIONS) };
            if let Some(payload) = self.log[partition].get(next[partition]) {
                batch.push((partition, payload.as_str(), Letter::default()));
                next[partition] += 1;
            }
        }
        stand.feed_all(&batch);
    }
}

/// Reads everything; the results as text.
fn run(scenario: &Scenario, seed: u64, restarts: bool) -> Vec<String> {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let mut stand = scenario.stand();
    let most = [1, 10, 1_000][random.random_range(0..3)];
    let mut favourite = 0;
    while !scenario.is_read(&stand) {
        if random.random_bool(0.05) {
            favourite = random.random_range(0..PARTITIONS);
        }
        scenario.read(&mut stand, &mut random, most, favourite);
        if restarts && random.random_bool(0.1) {
            stand.sleep_and_wake();
        }
    }
    stand.end();
    let mut looks: Vec<_> = stand.results.iter().map(|one| (one.experiment.clone(), one.end)).collect();
    looks.sort();
    looks.dedup();
    assert_eq!(looks.len(), stand.results.len(), "a look is never taken back");
    let mut texts: Vec<String> =
        stand.results.iter().map(|one| serde_json::to_string(one).unwrap()).collect();
    texts.sort();
    texts
}

/// Shows where they begin to differ.
#[track_caller]
fn assert_same(found: &[String], expected: &[String], about: &str) {
    for (found, expected) in found.iter().zip(expected) {
        if found != expected {
            let at = found.bytes().zip(expected.bytes()).take_while(|(a, b)| a == b).count();
            let near = |text: &str| text[at.saturating_sub(150)..(at + 50).min(text.len())].to_owned();
            panic!("{about}:\n{}\n  found …{}…\n  expected …{}…", &found[..150], near(found), near(expected));
        }
    }
    assert_eq!(found.len(), expected.len(), "{about}");
}

#[test]
fn any_order_of_reading_gives_the_same_results() {
    let mut looks = 0;
    for seed in seeds(25) {
        let scenario = Scenario::random(&mut ChaCha8Rng::seed_from_u64(seed));
        let expected = run(&scenario, seed, false);
        looks += expected.len();
        for order in 1..4 {
            let found = run(&scenario, seed + 1_000 * order, false);
            assert_same(&found, &expected, &format!("seed {seed}, order {order}"));
        }
    }
    assert!(looks > 200 || std::env::var("DRIFTLINE_SEED").is_ok(), "only {looks} looks");
}

#[test]
fn restarts_change_no_result() {
    for seed in seeds(25) {
        let scenario = Scenario::random(&mut ChaCha8Rng::seed_from_u64(seed));
        let expected = run(&scenario, seed, false);
        for order in [0, 1_000] {
            let found = run(&scenario, seed + order, true);
            assert_same(&found, &expected, &format!("seed {seed}, order {order}"));
        }
    }
}
