//! Beginnings and ends.

use driftline::{
    event::EventTime,
    experiment::{ExperimentAction, ExperimentSettings, MetricSettings},
    result::{Better, Decision, ExperimentPhase},
};

use crate::stand::{SLIDE, START, Stand, challenger, clicked, events, experiment, prediction, value};

fn waiting() -> Stand {
    Stand::new(ExperimentSettings { waits_for_start: true, ..experiment(vec![value()]) })
}

/// An event of each arm at every ten seconds.
fn feed(stand: &mut Stand, from: i64, to: i64) {
    for after in (from..to).step_by(10_000) {
        stand.feed(&prediction("a", after, r#","value":1"#));
        stand.feed(&prediction("b", after, r#","value":2"#));
    }
}

#[test]
fn nothing_is_counted_before_the_start() {
    let mut stand = waiting();
    let latest = stand.latest();
    assert_eq!(
        (latest.phase, latest.verdict, latest.reason.as_str()),
        (ExperimentPhase::Waiting, Decision::Hold, "it has not been started")
    );
    let b = challenger(&latest);
    assert_eq!((b.arm.as_str(), b.verdict, &b.reason), ("b", Decision::Hold, &latest.reason));
    feed(&mut stand, 0, 2 * SLIDE);
    assert_eq!((stand.results.len(), stand.latest().phase), (0, ExperimentPhase::Waiting));
    stand.start("v2", 2 * SLIDE);
    let latest = stand.latest();
    assert_eq!(
        (latest.phase, latest.reason.as_str()),
        (ExperimentPhase::Running, "no window has been looked at yet")
    );
    feed(&mut stand, 2 * SLIDE, 3 * SLIDE);
    // An event from before, read after: it is none of it.
    stand.feed(&prediction("a", 2 * SLIDE - 1, ""));
    let result = stand.end();
    assert_eq!((events(&result), result.phase), (vec![6, 6], ExperimentPhase::Running));
    assert_eq!(result.began, Some(EventTime(START + 2 * SLIDE)));
}

#[test]
fn starting_the_same_release_again_changes_nothing() {
    let mut stand = waiting();
    stand.start("v2", 0);
    feed(&mut stand, 0, 2 * SLIDE);
    stand.start("v2", SLIDE);
    let before = stand.latest();
    assert_eq!(events(&before), [6, 6]);
    stand.start("v3", 2 * SLIDE);
    assert_eq!(stand.latest().reason, "no window has been looked at yet", "a new release begins anew");
    feed(&mut stand, 2 * SLIDE, 4 * SLIDE);
    let result = stand.end();
    assert_eq!((events(&result), result.began), (vec![12, 12], Some(EventTime(START + 2 * SLIDE))));
    // One without a name is another one each time.
    for _ in 0..2 {
        stand.start("", 4 * SLIDE);
        assert_eq!(events(&stand.latest()), [0, 0]);
        feed(&mut stand, 4 * SLIDE, 5 * SLIDE);
    }
}

#[test]
fn a_stop_ends_it_and_what_is_said_stays() {
    let mut stand = Stand::new(experiment(vec![value()]));
    feed(&mut stand, 0, 4 * SLIDE);
    stand.change(ExperimentAction::Stop, 3 * SLIDE);
    assert_eq!(stand.latest().phase, ExperimentPhase::Ended);
    // Events that were read ahead of the stop stay; none is added.
    feed(&mut stand, 4 * SLIDE, 8 * SLIDE);
    let result = stand.end();
    assert_eq!((events(&result), result.phase), (vec![24, 24], ExperimentPhase::Ended));
    assert_eq!(result.end, EventTime(START + 4 * SLIDE));
    stand.start("v2", 8 * SLIDE);
    assert_eq!((stand.latest().phase, events(&stand.latest())), (ExperimentPhase::Running, vec![0, 0]));
}

#[test]
fn a_release_that_was_stopped_can_be_started_again() {
    let mut stand = waiting();
    stand.start("v2", 0);
    feed(&mut stand, 0, SLIDE);
    stand.change(ExperimentAction::Stop, SLIDE);
    stand.change(ExperimentAction::Stop, 2 * SLIDE);
    stand.start("v2", 2 * SLIDE);
    feed(&mut stand, 2 * SLIDE, 3 * SLIDE);
    assert_eq!(events(&stand.end()), [6, 6]);
}

#[test]
fn a_second_try_of_what_was_taken_back_changes_nothing() {
    let failing = MetricSettings { better: Better::Lower, ..clicked() };
    let mut stand = Stand::new(ExperimentSettings { waits_for_start: true, ..experiment(vec![failing]) });
    stand.start("v2", 0);
    for number in 0..20 * SLIDE / 1_000 {
        for (arm, every) in [("a", 20), ("b", 3)] {
            let clicked = format!(r#","clicked":{}"#, number % every == 0);
            stand.feed(&prediction(arm, number * 1_000, &clicked));
        }
    }
    assert_eq!(stand.latest().verdict, Decision::Rollback, "{:?}", stand.latest());
    stand.change(ExperimentAction::Stop, 20 * SLIDE);
    stand.start("v2", 21 * SLIDE);
    let latest = stand.latest();
    assert_eq!((latest.verdict, latest.phase), (Decision::Rollback, ExperimentPhase::Ended));
    stand.start("v3", 22 * SLIDE);
    let latest = stand.latest();
    assert_eq!((latest.verdict, latest.phase), (Decision::Hold, ExperimentPhase::Running));
}

#[test]
fn a_second_try_after_its_last_time_throws_nothing_away() {
    let settings = ExperimentSettings {
        waits_for_start: true,
        ends_at: Some(EventTime(START + 2 * SLIDE)),
        ..experiment(vec![value()])
    };
    let mut stand = Stand::new(settings);
    stand.start("v2", 0);
    feed(&mut stand, 0, 4 * SLIDE);
    assert_eq!(stand.latest().phase, ExperimentPhase::Ended);
    stand.start("v2", 4 * SLIDE);
    assert_eq!(events(&stand.latest()), [12, 12]);
}

#[test]
fn only_events_between_its_times_are_of_it() {
    let settings = ExperimentSettings {
        starts_at: Some(EventTime(START + 25_000)),
        ends_at: Some(EventTime(START + 2 * SLIDE)),
        ..experiment(vec![value()])
    };
    let mut stand = Stand::new(settings);
    feed(&mut stand, 0, 5 * SLIDE);
    let result = stand.end();
    assert_eq!((events(&result), result.phase), (vec![9, 9], ExperimentPhase::Ended));
    assert_eq!(stand.results.len(), 2);
    assert_eq!(stand.results[0].phase, ExperimentPhase::Running);
}

#[test]
fn a_change_of_another_experiment_is_let_go() {
    let mut stand = Stand::new(ExperimentSettings { id: "mine".to_owned(), ..experiment(vec![value()]) });
    feed(&mut stand, 0, SLIDE);
    stand.start("v2", SLIDE);
    stand.change(ExperimentAction::Stop, 0);
    assert_eq!(events(&stand.end()), [6, 6]);
}
