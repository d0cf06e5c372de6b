//! Shadows: all arms answer the same requests.

use driftline::{
    experiment::{Condition, Design, ExperimentSettings, Loss, MetricSettings, MetricValue, Statistic},
    result::{Better, Decision, ExperimentResult},
};
use rand::{RngExt, SeedableRng, seq::SliceRandom};
use rand_chacha::ChaCha8Rng;

use crate::{
    arithmetic::mean,
    stand::{
        SLIDE, Stand, assert_near, brier, challenger, events, experiment, label, metric, of, prediction,
        windows,
    },
};

const TIMEOUT: i64 = 30_000;

fn shadow(metrics: Vec<MetricSettings>) -> ExperimentSettings {
    ExperimentSettings {
        design: Design::Shadow { pair_timeout_ms: TIMEOUT, max_unanswered: 0.01 },
        label_delay_ms: SLIDE,
        ..experiment(metrics)
    }
}

fn score() -> MetricSettings {
    metric("score", Statistic::Mean, MetricValue::Prediction)
}

fn answer(arm: &str, after: i64, id: &str, score: f64) -> String {
    prediction(arm, after, &format!(r#","id":"{id}","prediction":{score}"#))
}

#[test]
fn answers_are_compared_request_by_request_in_any_order() {
    let mut random = ChaCha8Rng::seed_from_u64(2);
    let rate = metric("high", Statistic::Rate(Condition::Above(0.5)), MetricValue::Prediction);
    let correct = metric("correct", Statistic::Mean, MetricValue::Loss(Loss::Correct));
    let squared = MetricSettings {
        better: Better::Lower,
        ..metric("squared", Statistic::Mean, MetricValue::Loss(Loss::SquaredError))
    };
    let mut stand = Stand::of(vec![shadow(vec![score(), rate, brier(), correct, squared])], windows(), 3);
    let requests: Vec<(f64, f64, f64)> = (0..200)
        .map(|_| {
            let control: f64 = random.random();
            let theirs = (control + random.random_range(-0.2..0.3)).clamp(0.0, 1.0);
            (control, theirs, f64::from(u8::from(random.random_bool(0.3))))
        })
        .collect();
    for (index, (control, theirs, truth)) in requests.iter().enumerate() {
        let (id, after) = (format!("r{index}"), index as i64 * 1_000);
        let mut messages = [
            (0, answer("a", after, &id, *control)),
            (1, answer("b", after + 20_000, &id, *theirs)),
            (2, label(&id, after + 30_000, &truth.to_string())),
        ];
        messages.shuffle(&mut random);
        for (partition, payload) in messages {
            stand.feed_to(partition, &payload);
        }
    }
    let result = stand.end();
    assert_eq!(events(&result), [200, 200]);
    assert_eq!(result.health.unmatched, 0);
    let column =
        |of: &dyn Fn(&(f64, f64, f64)) -> f64| -> f64 { mean(&requests.iter().map(of).collect::<Vec<_>>()) };
    let compare = |name: &str, of_arm: &dyn Fn(f64, f64) -> f64| {
        let metric = of(&result, name);
        let (a, b) = (column(&|r| of_arm(r.0, r.2)), column(&|r| of_arm(r.1, r.2)));
        assert_eq!((metric.n_control, metric.n), (200, 200), "{name}");
        assert_near(metric.control, a, 1e-7);
        assert_near(metric.challenger, b, 1e-7);
        assert_near(metric.estimate, b - a, 1e-7);
        // Of paired differences, not of two arms.
        let differences: Vec<f64> = requests.iter().map(|r| of_arm(r.1, r.2) - of_arm(r.0, r.2)).collect();
        let scatter = differences.iter().map(|one| (one - (b - a)).powi(2)).sum::<f64>();
        assert_near(metric.std_error, (scatter / 199.0 / 200.0).sqrt(), 1e-6);
    };
    compare("score", &|score, _| score);
    compare("high", &|score, _| f64::from(u8::from(score > 0.5)));
    compare("brier", &|score, truth| (score - truth).powi(2));
    compare("squared", &|score, truth| (score - truth).powi(2));
    compare("correct", &|score, truth| f64::from(u8::from((score >= 0.5) == (truth > 0.5))));

    let said = challenger(&result).disagreement.as_ref().unwrap();
    assert_eq!((said.pairs, said.class_share), (200, None));
    let (a, b) = (column(&|r| r.0), column(&|r| r.1));
    assert_near(said.mean_difference, b - a, 1e-7);
    assert_near(said.rms_difference, column(&|r| (r.1 - r.0).powi(2)).sqrt(), 1e-7);
    let product =
        |x: &dyn Fn(&(f64, f64, f64)) -> f64, y: &dyn Fn(&(f64, f64, f64)) -> f64| column(&|r| x(r) * y(r));
    let (da, db) = (|r: &(f64, f64, f64)| r.0 - a, |r: &(f64, f64, f64)| r.1 - b);
    let correlation = product(&da, &db) / (product(&da, &da) * product(&db, &db)).sqrt();
    assert_near(said.correlation, correlation, 1e-6);
}

#[test]
fn classes_disagree_where_they_are_others() {
    let mut stand = Stand::new(shadow(vec![score()]));
    for index in 0..20 {
        for arm in ["a", "b"] {
            let class = if arm == "b" && index % 4 == 0 { "dog" } else { "cat" };
            let rest = format!(r#","id":"r{index}","prediction_class":"{class}""#);
            stand.feed(&prediction(arm, index * 10, &rest));
        }
    }
    let result = stand.end();
    let said = challenger(&result).disagreement.as_ref().unwrap();
    assert_eq!((said.pairs, said.class_share), (20, Some(0.25)));
    assert_eq!((said.mean_difference, said.correlation), (Some(0.0), None), "scores that never change");
}

#[test]
fn answers_further_apart_than_the_timeout_are_no_pair() {
    for (apart, is_pair) in
        [(0, true), (TIMEOUT, true), (TIMEOUT + 1, false), (-TIMEOUT, true), (-TIMEOUT - 1, false)]
    {
        for control_first in [true, false] {
            let mut stand = Stand::of(vec![shadow(vec![score()])], windows(), 2);
            let mut answers =
                vec![(0, answer("a", 2 * SLIDE, "r", 0.5)), (1, answer("b", 2 * SLIDE + apart, "r", 0.7))];
            if !control_first {
                answers.reverse();
            }
            for (partition, payload) in answers {
                stand.feed_to(partition, &payload);
            }
            let result = stand.end();
            let said = challenger(&result).disagreement.as_ref().unwrap();
            assert_eq!((said.pairs, said.unanswered), if is_pair { (1, 0) } else { (0, 1) }, "{apart}");
            assert_eq!(result.health.unmatched, u64::from(!is_pair), "the answer that is left over");
        }
    }
}

#[test]
fn a_window_of_shadows_waits_for_the_timeout() {
    let mut stand = Stand::new(shadow(vec![score()]));
    stand.feed(&answer("a", SLIDE - 1, "r", 0.5));
    stand.feed(&answer("b", SLIDE + 10, "r", 0.5));
    stand.feed(&answer("a", SLIDE + TIMEOUT - 1, "s", 0.5));
    assert_eq!(stand.results.len(), 0);
    stand.feed(&answer("a", SLIDE + TIMEOUT, "t", 0.5));
    assert_eq!(stand.results.len(), 1);
    assert_eq!(
        challenger(&stand.latest()).disagreement.as_ref().unwrap().pairs,
        1,
        "with the control's window"
    );
}

#[test]
fn every_shadow_is_held_against_the_control() {
    let arms = ["a", "b", "c"].map(str::to_owned).to_vec();
    let mut stand = Stand::new(ExperimentSettings { arms, ..shadow(vec![score()]) });
    for index in 0..100 {
        let id = format!("r{index}");
        let order = [["a", "b", "c"], ["c", "a", "b"], ["b", "c", "a"]][index as usize % 3];
        for arm in order {
            // The third one answers every other request only.
            if arm != "c" || index % 2 == 0 {
                let score = match arm {
                    "a" => 0.1 * f64::from(index % 5),
                    "b" => 0.1 * f64::from(index % 5) + 0.25,
                    _ => 0.1 * f64::from(index % 3),
                };
                stand.feed(&answer(arm, i64::from(index) * 100, &id, score));
            }
        }
    }
    let result = stand.end();
    let answered = |index: usize| {
        let said = result.challengers[index].disagreement.as_ref().unwrap();
        (said.pairs, said.unanswered)
    };
    assert_eq!((answered(0), answered(1)), ((100, 0), (50, 50)));
    assert_near(result.challengers[0].metrics[0].estimate, 0.25, 1e-7);
    let expected = mean(
        &(0..50)
            .map(|index| 0.1 * f64::from(2 * index % 3) - 0.1 * f64::from(2 * index % 5))
            .collect::<Vec<_>>(),
    );
    assert_near(result.challengers[1].metrics[0].estimate, expected, 1e-7);
}

#[test]
fn answers_that_come_twice_are_one_answer() {
    let mut stand = Stand::new(shadow(vec![score()]));
    for arm in ["b", "a", "b", "a"] {
        stand.feed(&answer(arm, 0, "r", 0.5));
    }
    let result = stand.end();
    assert_eq!(challenger(&result).disagreement.as_ref().unwrap().pairs, 1);
    assert_eq!(result.health.unmatched, 2);
}

#[test]
fn a_shadow_with_smaller_losses_is_promoted() {
    let mut random = ChaCha8Rng::seed_from_u64(8);
    let mut stand = Stand::new(shadow(vec![brier()]));
    for index in 0..2_000 {
        let (id, after) = (format!("r{index}"), index * 100);
        let chance: f64 = random.random();
        stand.feed(&answer("a", after, &id, 0.5 * chance + 0.25));
        stand.feed(&answer("b", after, &id, chance));
        stand.feed(&label(&id, after, if random.random_bool(chance) { "1" } else { "0" }));
    }
    let result = stand.end();
    assert_eq!((result.verdict, result.arm.as_deref()), (Decision::Promote, Some("b")), "{}", result.reason);
    assert!(result.reason.starts_with("brier: better than the control"), "{}", result.reason);
}

/// A shadow that is better wherever it answers, and leaves one request in `silent` out.
fn selective(max_unanswered: f64, silent: usize) -> ExperimentResult {
    let mut random = ChaCha8Rng::seed_from_u64(8);
    let design = Design::Shadow { pair_timeout_ms: TIMEOUT, max_unanswered };
    let mut stand = Stand::new(ExperimentSettings { design, ..shadow(vec![brier()]) });
    for index in 0..2_000 {
        let (id, after) = (format!("r{index}"), index as i64 * 100);
        let chance: f64 = random.random();
        stand.feed(&answer("a", after, &id, 0.5 * chance + 0.25));
        if index % silent != 0 {
            stand.feed(&answer("b", after, &id, chance));
        }
        stand.feed(&label(&id, after, if random.random_bool(chance) { "1" } else { "0" }));
    }
    stand.end()
}

#[test]
fn a_shadow_that_leaves_out_requests_is_not_promoted_by_the_rest() {
    let result = selective(0.01, 50);
    assert_eq!(challenger(&result).disagreement.as_ref().unwrap().unanswered, 40);
    assert_eq!(result.verdict, Decision::Hold, "{}", result.reason);
    let problem = "b left 2 % of the requests unanswered, and what it answers may be the easy ones: see \
                   max_unanswered";
    assert_eq!(result.health.problems, [problem]);
    for (most, silent) in [(0.02, 50), (0.01, 100), (1.0, 2)] {
        let result = selective(most, silent);
        assert_eq!(result.verdict, Decision::Promote, "{most} {silent}: {}", result.reason);
    }
}

#[test]
fn what_was_asked_before_the_shadow_was_there_is_not_held_against_it() {
    let mut stand = Stand::new(shadow(vec![score()]));
    for index in 0..6_000 {
        let (id, after) = (format!("r{index}"), index * 100);
        stand.feed(&answer("a", after, &id, 0.5));
        if index >= 3_200 {
            stand.feed(&answer("b", after, &id, 0.5));
        }
    }
    let result = stand.end();
    assert_eq!(challenger(&result).disagreement.as_ref().unwrap().unanswered, 3_200);
    assert_eq!(result.health.problems, Vec::<String>::new());
}

#[test]
fn one_shadow_that_fails_does_not_hold_the_other() {
    let arms = ["a", "b", "c"].map(str::to_owned).to_vec();
    let mut random = ChaCha8Rng::seed_from_u64(8);
    let mut stand = Stand::new(ExperimentSettings { arms, ..shadow(vec![brier()]) });
    for index in 0..2_000 {
        let (id, after) = (format!("r{index}"), index * 100);
        let chance: f64 = random.random();
        stand.feed(&answer("a", after, &id, 0.5 * chance + 0.25));
        stand.feed(&answer("b", after, &id, chance));
        // The third one answers in time, and with nothing where it is hard.
        let hard = format!(r#","id":"{id}","prediction":null,"prediction_class":"?""#);
        let theirs =
            if chance < 0.2 { prediction("c", after, &hard) } else { answer("c", after, &id, chance) };
        stand.feed(&theirs);
        stand.feed(&label(&id, after, if random.random_bool(chance) { "1" } else { "0" }));
    }
    let result = stand.end();
    assert_eq!((result.verdict, result.arm.as_deref()), (Decision::Promote, Some("b")), "{}", result.reason);
    let third = &result.challengers[1];
    assert_eq!(third.verdict, Decision::Hold, "{}", third.reason);
    assert!(third.reason.contains("c has no value of brier that can be used for"), "{}", third.reason);
}

#[test]
fn answers_to_requests_that_the_control_left_out_are_counted() {
    let mut stand = Stand::new(shadow(vec![score()]));
    for index in 0..30 {
        let (id, after) = (format!("r{index}"), index * 10_000);
        stand.feed(&answer("b", after, &id, 0.5));
        if index % 3 > 0 {
            stand.feed(&answer("a", after, &id, 0.5));
        }
    }
    let result = stand.end();
    let said = challenger(&result).disagreement.as_ref().unwrap();
    assert_eq!((said.pairs, said.unanswered, result.health.unmatched), (20, 0, 10));
}

#[test]
fn complete_answers_that_make_room_are_not_missed() {
    for (arms, unmatched) in [(&["a", "b"][..], 0), (&["a"], 7)] {
        let mut stand = Stand::new(ExperimentSettings { most_waiting: 3, ..shadow(vec![score()]) });
        for index in 0..10 {
            for arm in arms {
                stand.feed(&answer(arm, index, &format!("r{index}"), 0.5));
            }
        }
        let result = stand.end();
        let said = challenger(&result).disagreement.as_ref().unwrap();
        assert_eq!((said.pairs + said.unanswered, result.health.unmatched), (10, unmatched), "{arms:?}");
    }
}
