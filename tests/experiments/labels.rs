//! Which predictions have their label, and which labels are lost.

use driftline::{
    experiment::{ExperimentSettings, MetricValue, Statistic},
    result::Decision,
};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::stand::{
    SLIDE, Stand, assert_near, brier, challenger, experiment, label, metric, of, prediction, windows,
};

fn delayed(label_delay_ms: i64) -> ExperimentSettings {
    let labels = metric("label", Statistic::Mean, MetricValue::Label);
    ExperimentSettings { label_delay_ms, ..experiment(vec![labels]) }
}

fn of_id(arm: &str, after: i64, id: &str) -> String {
    prediction(arm, after, &format!(r#","id":"{id}""#))
}

#[test]
fn labels_and_predictions_meet_whichever_is_read_first() {
    for label_first in [false, true] {
        let mut stand = Stand::of(vec![delayed(SLIDE)], windows(), 2);
        for (index, arm) in (0..40).zip(["a", "b"].into_iter().cycle()) {
            let id = format!("e{index}");
            let (request, truth) =
                (of_id(arm, index, &id), label(&id, 500 + index, &(index % 4).to_string()));
            if label_first {
                stand.feed_to(1, &truth);
            }
            stand.feed_to(0, &request);
            if !label_first {
                stand.feed_to(1, &truth);
            }
        }
        let result = stand.end();
        assert_eq!(
            result.arms.iter().map(|arm| (arm.matured, arm.labelled)).collect::<Vec<_>>(),
            [(20, 20); 2]
        );
        // Arms take turns: those of b have odd labels.
        assert_near(of(&result, "label").control, 1.0, 1e-9);
        assert_near(of(&result, "label").challenger, 2.0, 1e-9);
        assert_eq!(result.health.unmatched, 0);
    }
}

#[test]
fn labels_that_come_twice_count_once() {
    let mut stand = Stand::new(delayed(SLIDE));
    stand.feed(&of_id("a", 0, "e"));
    stand.feed(&label("e", 10, "1"));
    stand.feed(&label("e", 10, "1"));
    stand.feed(&label("e", 20, "7"));
    let result = stand.end();
    assert_eq!((result.arms[0].labelled, result.health.unmatched), (1, 2));
}

#[test]
fn predictions_that_come_twice_have_one_label() {
    let mut stand = Stand::new(delayed(SLIDE));
    for _ in 0..2 {
        stand.feed(&of_id("a", 0, "e"));
    }
    stand.feed(&label("e", 10, "1"));
    let result = stand.end();
    let arm = &result.arms[0];
    assert_eq!(
        (arm.events, arm.matured, arm.labelled),
        (2, 1, 1),
        "a producer that sends again is heard twice"
    );
    assert_eq!(result.health.unmatched, 1);
}

#[test]
fn a_label_counts_until_the_delay_after_the_end_of_its_window() {
    // A delay of one and a half windows is waited for in whole windows: two.
    for (after, is_in_time) in [(59_999, true), (3 * SLIDE - 1, true), (3 * SLIDE, false), (9 * SLIDE, false)]
    {
        // Whether other partitions are ahead makes no difference.
        for ahead in [0, 20 * SLIDE] {
            let mut stand = Stand::of(vec![delayed(SLIDE * 3 / 2)], windows(), 2);
            stand.feed(&of_id("a", 5, "e"));
            stand.feed_to(1, &of_id("b", ahead, "other"));
            stand.feed(&label("e", after, "1"));
            let result = stand.end();
            assert_eq!(result.arms[0].labelled, u64::from(is_in_time), "{after}, {ahead}");
            assert_eq!(result.health.unmatched, u64::from(!is_in_time), "{after}, {ahead}");
        }
    }
}

#[test]
fn a_label_may_be_earlier_than_its_prediction_by_as_much() {
    for (after, is_in_time) in [(7 * SLIDE, true), (7 * SLIDE - 1, false)] {
        for label_first in [true, false] {
            let mut stand = Stand::of(vec![delayed(2 * SLIDE)], windows(), 2);
            let messages = [(0, of_id("a", 10 * SLIDE + 5, "e")), (1, label("e", after, "1"))];
            let mut order = [0, 1];
            if label_first {
                order.reverse();
            }
            for index in order {
                stand.feed_to(messages[index].0, &messages[index].1);
            }
            let result = stand.end();
            assert_eq!(result.arms[0].labelled, u64::from(is_in_time), "{after}");
            assert_eq!(result.health.unmatched, u64::from(!is_in_time), "{after}");
        }
    }
}

#[test]
fn labels_after_all_is_over_find_nothing() {
    let mut stand = Stand::new(delayed(0));
    stand.feed(&of_id("a", 0, "e"));
    stand.feed(&of_id("a", 5 * SLIDE, "later"));
    stand.feed(&label("e", 5 * SLIDE, "1"));
    stand.feed(&label("never", 5 * SLIDE, "1"));
    let result = stand.end();
    assert_eq!((result.arms[0].matured, result.arms[0].labelled), (2, 0));
    assert_eq!(result.health.unmatched, 2);
}

#[test]
fn predictions_without_id_and_labels_without_id_or_value_are_counted() {
    let mut stand = Stand::new(delayed(0));
    stand.feed(&prediction("a", 0, ""));
    stand.feed(&of_id("a", 0, "e"));
    stand.feed(&label("e", 0, "null"));
    stand.feed(&label("e", 0, "{}"));
    stand.feed(&label("e", 0, "1").replace(r#""id":"e","#, ""));
    let result = stand.end();
    let arm = &result.arms[0];
    assert_eq!((arm.events, arm.matured, arm.labelled), (2, 1, 0));
    assert_eq!(result.health.unmatched, 4);
}

#[test]
fn metrics_of_labels_look_at_windows_of_the_age_of_the_delay() {
    let mut stand = Stand::new(delayed(2 * SLIDE));
    for window in 0..6 {
        for index in 0..24 {
            let (id, after) = (format!("{window}-{index}"), window * SLIDE + index * 1_000);
            stand.feed(&of_id(if index % 2 == 0 { "a" } else { "b" }, after, &id));
            stand.feed(&label(&id, after + 1, "1"));
        }
    }
    // The last window begins, so that five are over, of which three are old enough.
    let latest = stand.latest();
    let seen: Vec<(i64, u64, u64)> = stand
        .results
        .iter()
        .map(|result| (result.end.0 - crate::stand::START, result.arms[0].events, result.arms[0].matured))
        .collect();
    let expected: Vec<(i64, u64, u64)> = (1..=5)
        .map(|windows| (windows * SLIDE, windows as u64 * 12, windows.saturating_sub(2).max(0) as u64 * 12))
        .collect();
    assert_eq!(seen, expected);
    assert_eq!(of(&latest, "label").n_control, 36);
    let last = stand.end();
    assert_eq!((last.arms[0].events, last.arms[0].matured, of(&last, "label").n), (72, 72, 72));
    assert_eq!(last.end.0 - crate::stand::START, 8 * SLIDE, "two looks more, at labels alone");
}

#[test]
fn arms_that_are_labelled_unequally_are_not_compared() {
    for unequal in [false, true] {
        let mut random = ChaCha8Rng::seed_from_u64(1);
        let mut stand = Stand::new(ExperimentSettings { label_delay_ms: 0, ..experiment(vec![brier()]) });
        for index in 0..3_000 {
            let arm = if index % 2 == 0 { "a" } else { "b" };
            let (id, after) = (format!("e{index}"), index * 200);
            // The challenger is far better.
            let score = if arm == "a" { 0.5 } else { 0.9 + 0.1 * random.random::<f64>() };
            stand.feed(&prediction(arm, after, &format!(r#","id":"{id}","prediction":{score}"#)));
            let rate = if unequal && arm == "b" { 0.6 } else { 0.8 };
            if random.random_bool(rate) {
                stand.feed(&label(&id, after, "1"));
            }
        }
        let result = stand.end();
        let p = result.health.label_p_value.unwrap();
        assert_eq!(p < 0.001, unequal, "{p}");
        assert_eq!(result.health.ok, !unequal);
        if unequal {
            assert_eq!(result.verdict, Decision::Hold);
            assert!(result.reason.contains("get labels more often"), "{}", result.reason);
        }
        assert_eq!(challenger(&result).metrics[0].verdict.as_str(), "better");
    }
}

#[test]
fn what_waits_is_bounded_and_the_oldest_makes_room() {
    let mut stand = Stand::new(ExperimentSettings { most_waiting: 10, ..delayed(10 * SLIDE) });
    for index in 0..100 {
        stand.feed(&of_id("a", index, &format!("e{index}")));
    }
    for index in 0..100 {
        stand.feed(&label(&format!("e{index}"), 200, "1"));
    }
    assert!(stand.stored().len() < 60_000, "{}", stand.stored().len());
    let result = stand.end();
    let arm = &result.arms[0];
    assert_eq!((arm.events, arm.matured), (100, 100));
    assert!(arm.labelled <= 10, "{}", arm.labelled);
    // Whatever was lost is said: predictions without label, and labels without prediction.
    assert_eq!(result.health.unmatched, 200 - 2 * arm.labelled);
}
