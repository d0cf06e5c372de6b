//! When windows are looked at, and what comes too late.

use driftline::{
    event::{EventTime, PartitionId},
    experiment::ExperimentSettings,
    pipeline::Input,
    window::WindowSettings,
};

use crate::stand::{SLIDE, START, Stand, events, experiment, of, prediction, value, windows};

fn ends(stand: &Stand) -> Vec<i64> {
    stand.results.iter().map(|result| (result.end.0 - START) / 1_000).collect()
}

#[test]
fn windows_are_looked_at_once_each_in_order() {
    let mut stand = Stand::new(experiment(vec![value()]));
    for after in [0, 30_000, 70_000, 200_000, 201_000] {
        stand.feed(&prediction("a", after, ""));
    }
    // The third and the fourth are empty, and nothing is said of them.
    assert_eq!(ends(&stand), [60, 120]);
    let result = stand.end();
    assert_eq!(ends(&stand), [60, 120, 240]);
    assert_eq!((events(&result), result.window.as_str()), (vec![5, 0], "1m"));
    assert_eq!((result.start, result.end), (EventTime(START + 180_000), EventTime(START + 240_000)));
    assert_eq!(result.began, Some(EventTime(START)));
}

#[test]
fn what_comes_after_the_look_is_late() {
    let mut stand = Stand::new(experiment(vec![value()]));
    stand.feed(&prediction("a", 0, ""));
    stand.feed(&prediction("a", 61_000, ""));
    stand.feed(&prediction("b", 59_000, ""));
    let result = stand.end();
    assert_eq!((events(&result), result.health.late), (vec![2, 0], 1));
}

#[test]
fn lateness_and_grace_delay_the_look() {
    let windows = WindowSettings { lateness_ms: 10_000, grace_ms: 20_000, ..windows() };
    let mut stand = Stand::of(vec![experiment(vec![value()])], windows, 1);
    for after in [0, 61_000, 89_999] {
        stand.feed(&prediction("a", after, ""));
        stand.feed(&prediction("b", 59_000, ""));
    }
    assert_eq!(ends(&stand), [0; 0]);
    stand.feed(&prediction("a", 90_000, ""));
    assert_eq!(ends(&stand), [60]);
    stand.feed(&prediction("b", 59_000, ""));
    let result = stand.end();
    assert_eq!((events(&result), result.health.late), (vec![4, 3], 1));
}

#[test]
fn the_slowest_partition_holds_the_look_until_it_is_idle() {
    let mut stand = Stand::of(vec![experiment(vec![value()])], windows(), 2);
    stand.feed_to(0, &prediction("a", 200_000, ""));
    assert_eq!(ends(&stand), [0; 0]);
    stand.feed_to(1, &prediction("b", 1_000, ""));
    assert_eq!(ends(&stand), [0; 0]);
    stand.step(Input::CaughtUp(PartitionId(1), true));
    stand.step(Input::Tick(EventTime(START + 1_000_000)));
    assert_eq!(ends(&stand), [60], "the other one is ahead");
    // When all are silent, time passes with the clock.
    stand.step(Input::CaughtUp(PartitionId(0), true));
    stand.step(Input::Tick(EventTime(START + 2_000_000)));
    assert_eq!(ends(&stand), [60, 240]);
}

#[test]
fn windows_that_overlap_are_looked_at_by_their_slide() {
    let windows = WindowSettings { size_ms: 3 * SLIDE, ..windows() };
    let mut stand = Stand::of(vec![experiment(vec![value()])], windows, 1);
    for window in 0..4 {
        for index in 0..20 {
            let arm = if index % 2 == 0 { "a" } else { "b" };
            stand.feed(&prediction(arm, window * SLIDE + index * 1_000, r#","value":1"#));
        }
    }
    let result = stand.end();
    assert_eq!(ends(&stand), [60, 120, 180, 240]);
    assert_eq!((events(&result), of(&result, "value").n), (vec![40, 40], 40), "each event once");
}

#[test]
fn what_was_read_ahead_is_not_said_before_its_window() {
    let mut stand = Stand::of(vec![experiment(vec![value()])], windows(), 2);
    stand.feed_to(0, &prediction("a", 0, r#","unit":"u""#));
    // Far ahead: another arm, and a unit that crosses.
    stand.feed_to(0, &prediction("other", 3 * SLIDE, ""));
    stand.feed_to(0, &prediction("b", 3 * SLIDE, r#","unit":"u""#));
    stand.feed_to(0, &prediction("b", 3 * SLIDE, ""));
    stand.feed_to(1, &prediction("a", SLIDE, ""));
    assert_eq!(ends(&stand), [60]);
    let first = &stand.results[0].health;
    assert_eq!(
        (first.events_of_other_arms, first.units_in_several_arms, first.events_of_several_arms),
        (0, 0, 0)
    );
    let last = stand.end().health;
    assert_eq!(
        (last.events_of_other_arms, last.units_in_several_arms, last.events_of_several_arms),
        (1, 1, 1)
    );
}

#[test]
fn an_experiment_without_events_says_so() {
    let mut stand = Stand::new(ExperimentSettings { ..experiment(vec![value()]) });
    let result = stand.end();
    assert_eq!((stand.results.len(), result.reason.as_str()), (0, "no window has been looked at yet"));
    assert!(result.health.ok && !result.ready);
}
