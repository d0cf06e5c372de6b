//! What metrics of labels estimate.

use driftline::{
    experiment::{Condition, Covariate, Loss, MetricSettings, MetricValue, Statistic},
    result::{Better, ExperimentResult},
};
use rand::RngExt;

use crate::{
    arithmetic::{Window, adjusted, means, ones},
    stand::{SLIDE, Stand, assert_near, at, events, experiment, label, metric, of, prediction},
    traffic,
};

/// Score and label.
type Pair = (f64, f64);

/// Feeds predictions with these scores, and their labels a little later.
fn result_of(
    metrics: Vec<MetricSettings>,
    windows: &[Window<Pair>],
    write: impl Fn(&Pair) -> (String, String),
) -> ExperimentResult {
    let mut stand = Stand::new(experiment(metrics));
    for (at, (control, challenger)) in (0..).zip(windows) {
        let arms = control.iter().map(|pair| ("a", pair)).chain(challenger.iter().map(|pair| ("b", pair)));
        for (index, (arm, pair)) in (0..).zip(arms) {
            let (id, after) = (format!("{at}-{index}"), at * SLIDE + index * 100);
            let (rest, truth) = write(pair);
            stand.feed(&prediction(arm, after, &format!(r#","id":"{id}"{rest}"#)));
            stand.feed(&label(&id, after + 50, &truth));
        }
    }
    let result = stand.end();
    assert_eq!(result.health.unmatched, 0);
    for arm in &result.arms {
        assert_eq!((arm.matured, arm.labelled), (arm.events, arm.events));
    }
    result
}

fn each(windows: &[Window<Pair>], of: impl Fn(f64, f64) -> f64) -> Vec<Window<f64>> {
    let arm = |arm: &Vec<Pair>| arm.iter().map(|(score, label)| of(*score, *label)).collect();
    windows.iter().map(|(a, b)| (arm(a), arm(b))).collect()
}

fn loss(name: &str, loss: Loss) -> MetricSettings {
    let better = if loss == Loss::Correct { Better::Higher } else { Better::Lower };
    MetricSettings { better, ..metric(name, Statistic::Mean, MetricValue::Loss(loss)) }
}

#[track_caller]
fn assert_means(result: &ExperimentResult, name: &str, windows: &[Window<f64>]) {
    let (control, challenger) = means(windows);
    assert_near(of(result, name).control, control, 1e-7);
    assert_near(of(result, name).challenger, challenger, 1e-7);
}

#[test]
fn losses_of_probabilities() {
    let windows = traffic::windows(&traffic::RAMP, |random, _| {
        // Among them those whose logarithm is none.
        let score = [0.0, 1.0, random.random(), random.random()][random.random_range(0..4)];
        (score, f64::from(random.random_range(0..2_u8)))
    });
    let losses = vec![
        loss("brier", Loss::Brier),
        loss("log", Loss::LogLoss),
        loss("correct", Loss::Correct),
        metric("label", Statistic::Mean, MetricValue::Label),
        metric("rate", Statistic::Rate(Condition::IsTrue), MetricValue::Label),
        metric("equal", Statistic::Rate(Condition::Equals("1".into())), MetricValue::Label),
    ];
    let truths = [["0", "false", "\"0\""], ["1", "true", "\"1\""]];
    let result = result_of(losses, &windows, |(score, label)| {
        let truth = truths[*label as usize][(score * 1e6) as usize % 3];
        (format!(r#","prediction":{score}"#), truth.to_owned())
    });
    assert_means(&result, "brier", &each(&windows, |score, label| (score - label).powi(2)));
    let log = |score: f64, label: f64| {
        let given = if label > 0.5 { score } else { 1.0 - score };
        -given.clamp(1e-15, 1.0 - 1e-15).ln()
    };
    assert_means(&result, "log", &each(&windows, log));
    let correct = |score: f64, label: f64| f64::from(u8::from((score >= 0.5) == (label > 0.5)));
    assert_means(&result, "correct", &each(&windows, correct));
    let labels = each(&windows, |_, label| label);
    for name in ["label", "rate", "equal"] {
        assert_means(&result, name, &ones(&labels, |label| label > 0.5));
    }
}

#[test]
fn losses_of_numbers() {
    let windows = traffic::windows(&traffic::RAMP, |random, _| {
        (random.random_range(-50.0..50.0), random.random_range(-50.0..50.0))
    });
    let losses = vec![loss("absolute", Loss::AbsoluteError), loss("squared", Loss::SquaredError)];
    let result = result_of(losses, &windows, |(score, label)| {
        (format!(r#","prediction":{score}"#), label.to_string())
    });
    assert_means(&result, "absolute", &each(&windows, |score, label| (score - label).abs()));
    assert_means(&result, "squared", &each(&windows, |score, label| (score - label).powi(2)));
}

#[test]
fn classes_are_correct_when_they_are_the_label() {
    let classes = ["cat", "dog", "7"];
    let windows = traffic::windows(&traffic::RAMP, |random, _| {
        (f64::from(random.random_range(0..3_u8)), f64::from(random.random_range(0..3_u8)))
    });
    let result = result_of(vec![loss("correct", Loss::Correct)], &windows, |(class, label)| {
        let class = classes[*class as usize];
        let label = [r#""cat""#, r#""dog""#, "7.0"][*label as usize];
        (format!(r#","prediction":0.5,"prediction_class":"{class}""#), label.to_owned())
    });
    let same = |class: f64, label: f64| f64::from(u8::from((class - label).abs() < 0.5));
    assert_means(&result, "correct", &each(&windows, same));
}

#[test]
fn losses_are_adjusted_by_what_was_known_with_the_prediction() {
    let windows = traffic::windows(&traffic::RAMP, |random, arm| {
        let before = random.random_range(0.0..1.0);
        (before, 3.0 * before + arm as f64 + random.random_range(0.0..0.2))
    });
    let metric = MetricSettings {
        covariates: vec![Covariate::Field(at("/before"))],
        ..metric("label", Statistic::Mean, MetricValue::Label)
    };
    let result = result_of(vec![metric], &windows, |(before, label)| {
        (format!(r#","before":{before}"#), label.to_string())
    });
    let turned: Vec<Window<Pair>> = windows
        .iter()
        .map(|(a, b)| {
            let turn = |arm: &Vec<Pair>| arm.iter().map(|(before, label)| (*label, *before)).collect();
            (turn(a), turn(b))
        })
        .collect();
    assert_near(of(&result, "label").estimate, adjusted(&turned), 1e-6);
}

#[test]
fn labels_and_scores_that_a_loss_is_not_about_are_counted() {
    let pairs = [("0.5", "0.5"), ("1.5", "1"), ("-0.1", "0"), (r#""x""#, "1"), ("0.5", r#""yes""#)];
    let losses = vec![
        loss("brier", Loss::Brier),
        loss("log", Loss::LogLoss),
        loss("absolute", Loss::AbsoluteError),
        loss("correct", Loss::Correct),
    ];
    let mut stand = Stand::new(experiment(losses));
    for (index, (score, truth)) in pairs.iter().enumerate() {
        stand.feed(&prediction("a", 0, &format!(r#","id":"{index}","prediction":{score}"#)));
        stand.feed(&label(&index.to_string(), 0, truth));
    }
    let result = stand.end();
    assert_eq!(events(&result), [5, 0]);
    assert_eq!(result.arms[0].labelled, 5);
    // The word "x" is a class, if a wrong one.
    let invalid = |name: &str| of(&result, name).invalid;
    assert_eq!(["brier", "log", "absolute", "correct"].map(invalid), [5, 5, 2, 4]);
}

#[test]
fn errors_too_small_to_be_counted_are_said_to_be() {
    let windows = traffic::windows(&traffic::RAMP, |random, _| {
        let label: f64 = random.random_range(1.0..2.0);
        (label + random.random_range(1e-4..3e-4), label)
    });
    let losses = vec![loss("squared", Loss::SquaredError), loss("absolute", Loss::AbsoluteError)];
    let result = result_of(losses, &windows, |(score, label)| {
        (format!(r#","prediction":{score}"#), label.to_string())
    });
    let squared = of(&result, "squared");
    assert!(squared.clamped > 0, "{squared:?}");
    assert_eq!((squared.clamped, of(&result, "absolute").clamped), (squared.n_control + squared.n, 0));
    let problem = "most values of squared are too large or too small to be summed: scale them";
    assert_eq!(result.health.problems, [problem]);
}
