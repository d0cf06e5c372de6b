//! Events that nobody should send.

use std::fmt::Write;

use driftline::{
    experiment::{
        Condition, Covariate, Design, ExperimentSettings, Loss, MetricSettings, MetricValue, Statistic,
    },
    result::ExperimentResult,
};
use rand::{RngExt, SeedableRng, seq::IndexedRandom};
use rand_chacha::ChaCha8Rng;

use crate::stand::{MODEL, SLIDE, START, Stand, at, experiment, metric, windows};

const VALUES: [&str; 32] = [
    "0",
    "-0.0",
    "1",
    "0.5",
    "1e308",
    "-1e308",
    "1e-308",
    "5e-324",
    "1e999",
    "-1e999",
    "16777216",
    "16777217",
    "1024.0000001",
    "9007199254740993",
    "123456789012345678901234567890",
    "true",
    "false",
    "null",
    "\"\"",
    "\"NaN\"",
    "\"inf\"",
    "\"-inf\"",
    "\"1e400\"",
    "\" 7 \"",
    "\"a\"",
    "\"\\u0000\"",
    "{}",
    "[]",
    "{\"class\":\"a\"}",
    "{\"class\":{\"class\":1}}",
    "[[[[1]]]]",
    "\"é💥\"",
];

/// Fields that events have at random, hostile values at that.
fn event(random: &mut ChaCha8Rng) -> String {
    let time = START + random.random_range(0..20 * SLIDE);
    let kind = ["prediction", "prediction", "prediction", "label", "feature"].choose(random).unwrap();
    let mut event = format!(r#"{{"kind":"{kind}","model":"{MODEL}","time":{time}"#);
    let field = |random: &mut ChaCha8Rng, event: &mut String, name: &str, values: &[&str], share: f64| {
        if random.random_bool(share) {
            let value = values.choose(random).unwrap();
            write!(event, r#","{name}":{value}"#).unwrap();
        }
    };
    field(random, &mut event, "variant", &[r#""a""#, r#""b""#, r#""c""#, r#""""#, r#""other""#], 0.95);
    let long = format!(r#""{}""#, "x".repeat(200));
    let ids: Vec<String> = (0..40).map(|id| format!(r#""e{id}""#)).collect();
    let mut ids: Vec<&str> = ids.iter().map(String::as_str).collect();
    ids.extend(["0", "-1", "1e99", r#""""#, &long]);
    field(random, &mut event, "id", &ids, 0.9);
    field(
        random,
        &mut event,
        "unit",
        &[r#""""#, "7", "7.0", "-7e30", r#""u""#, r#""v""#, r#""w""#, &long],
        0.4,
    );
    for name in ["prediction", "prediction_class", "label", "value", "per"] {
        field(random, &mut event, name, &VALUES, 0.8);
    }
    if random.random_bool(0.5) {
        write!(event, r#","features":{{"amount":{}}}"#, VALUES.choose(random).unwrap()).unwrap();
    }
    event.push('}');
    event
}

fn every_metric() -> Vec<MetricSettings> {
    let field = || MetricValue::Field(at("/value"));
    let statistics = [
        Statistic::Mean,
        Statistic::Rate(Condition::IsTrue),
        Statistic::Rate(Condition::Above(0.5)),
        Statistic::Rate(Condition::Below(-1e300)),
        Statistic::Rate(Condition::Equals("a".into())),
        Statistic::Rate(Condition::Equals("-0".into())),
        Statistic::Ratio(at("/per")),
        Statistic::Quantile(0.5),
    ];
    let mut metrics: Vec<MetricSettings> = Vec::new();
    for statistic in statistics {
        for value in [field(), MetricValue::Prediction, MetricValue::PredictedClass] {
            metrics.push(metric(&format!("m{}", metrics.len()), statistic.clone(), value));
        }
    }
    for loss in [Loss::Brier, Loss::LogLoss, Loss::AbsoluteError, Loss::SquaredError, Loss::Correct] {
        metrics.push(metric(&format!("m{}", metrics.len()), Statistic::Mean, MetricValue::Loss(loss)));
    }
    metrics.push(metric("label", Statistic::Mean, MetricValue::Label));
    metrics.push(metric("rate", Statistic::Rate(Condition::Equals("a".into())), MetricValue::Label));
    metrics.push(MetricSettings {
        covariates: vec![
            Covariate::Prediction,
            Covariate::Feature("amount".to_owned()),
            Covariate::Field(at("/per")),
        ],
        ..metric("covariates", Statistic::Mean, field())
    });
    metrics
        .push(MetricSettings { caps: (Some(-5.0), Some(1e6)), ..metric("caps", Statistic::Mean, field()) });
    metrics
}

#[test]
fn no_event_makes_it_panic_or_say_what_is_no_number() {
    for seed in crate::determinism::seeds(6) {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let arms = ["a", "b", "none"].map(str::to_owned).to_vec();
        let split = ExperimentSettings {
            arms: arms.clone(),
            label_delay_ms: 2 * SLIDE,
            most_waiting: 20,
            ..experiment(every_metric())
        };
        let shadow = ExperimentSettings {
            id: "shadow".to_owned(),
            design: Design::Shadow { pair_timeout_ms: 10 * SLIDE, max_unanswered: 0.01 },
            ..split.clone()
        };
        let mut stand = Stand::of(vec![split, shadow], windows(), 3);
        for index in 0..3_000 {
            stand.feed_to(index % 3, &event(&mut random));
            if index % 700 == 0 {
                stand.sleep_and_wake();
            }
        }
        stand.end();
        assert!(stand.results.len() > 20);
        // Numbers that have to be there are, in JSON too.
        for result in &stand.results {
            let text = serde_json::to_string(result).unwrap();
            serde_json::from_str::<ExperimentResult>(&text).unwrap();
        }
    }
}

#[test]
fn values_at_the_edge_of_what_can_be_summed_do_not_overflow() {
    let mean = metric("value", Statistic::Mean, MetricValue::Field(at("/value")));
    let mut stand = Stand::new(experiment(vec![mean]));
    for index in 0..4_000 {
        let (arm, sign) = (if index % 2 == 0 { "a" } else { "b" }, if index % 4 < 2 { "" } else { "-" });
        let rest = format!(r#","unit":{index},"value":{sign}16777216"#);
        stand.feed(&crate::stand::prediction(arm, index * 10, &rest));
    }
    let result = stand.end();
    let metric = crate::stand::of(&result, "value");
    assert_eq!((metric.invalid, metric.n), (0, 2_000));
    assert!((metric.std_error.unwrap() / 16_777_216.0 - (2.0 / 2_000.0_f64).sqrt()).abs() < 1e-2);
}
