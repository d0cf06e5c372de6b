//! What a restart goes on from.

use driftline::{
    decode::{EventMapping, FieldSource, JsonPointer},
    event::EventTime,
    experiment::{ExperimentAction, ExperimentSettings, Split},
    pipeline::Snapshot,
    result::ExperimentPhase,
    window::WindowSettings,
};
use serde_json::{Value, json};

use crate::stand::{SLIDE, START, Stand, core, core_of, events, experiment, prediction, value, windows};

/// Predictions of both arms, so many in each of the windows.
fn feed(stand: &mut Stand, windows: std::ops::Range<i64>) {
    for window in windows {
        for index in 0..20 {
            let arm = if index % 2 == 0 { "a" } else { "b" };
            let rest = format!(r#","value":{index},"id":"{window}-{index}""#);
            stand.feed(&prediction(arm, window * SLIDE + index * 1_000, &rest));
        }
    }
}

/// What is counted in the end when another experiment goes on after two windows and a
/// half.
fn go_on_as(other: ExperimentSettings) -> Vec<u64> {
    let mut stand = Stand::new(experiment(vec![value()]));
    feed(&mut stand, 0..3);
    let stored = stand.stored();
    stand.wake_as(core(vec![other], windows()), &stored);
    feed(&mut stand, 3..5);
    events(&stand.end())
}

#[test]
fn other_settings_count_anew() {
    let same = experiment(vec![value()]);
    assert_eq!(go_on_as(same.clone()), [50, 50]);
    let mut other = same.clone();
    other.inference.alpha = 0.01;
    assert_eq!(go_on_as(other), [20, 20]);
    let mut other = same.clone();
    other.metrics[0].caps.1 = Some(7.0);
    assert_eq!(go_on_as(other), [20, 20]);
    let other = ExperimentSettings { arms: vec!["b".to_owned(), "a".to_owned()], ..same.clone() };
    assert_eq!(go_on_as(other), [20, 20]);
    assert_eq!(go_on_as(ExperimentSettings { id: "other".to_owned(), ..same }), [20, 20]);
}

#[test]
fn later_splits_and_another_end_go_on() {
    let same = experiment(vec![value()]);
    let later = Some(EventTime(START + 100 * SLIDE));
    assert_eq!(go_on_as(ExperimentSettings { ends_at: later, ..same.clone() }), [50, 50]);
    let over = Some(EventTime(START + 4 * SLIDE));
    assert_eq!(go_on_as(ExperimentSettings { ends_at: over, ..same.clone() }), [40, 40]);
    let splits = vec![Split { from: None, weights: vec![1.0, 1.0] }];
    assert_eq!(go_on_as(ExperimentSettings { splits, ..same }), [50, 50]);
}

#[test]
fn nothing_is_counted_twice_when_windows_of_the_model_begin_anew() {
    // Windows of another size are of another meaning: their events are read again. An
    // experiment goes by the slide, and has counted them.
    let mut stand = Stand::new(experiment(vec![value()]));
    feed(&mut stand, 0..3);
    let stored = stand.stored();
    let longer = WindowSettings { size_ms: 2 * SLIDE, ..windows() };
    stand.wake_as(core(vec![experiment(vec![value()])], longer.clone()), &stored);
    assert!(stand.offset(0) < 60, "some are read again");
    let named = |_| Some(("events".to_owned(), 0));
    while stand.offset(0) < 60 {
        let (window, index) = (stand.offset(0) / 20, stand.offset(0) % 20);
        let arm = if index % 2 == 0 { "a" } else { "b" };
        stand.feed(&prediction(arm, window * SLIDE + index * 1_000, &format!(r#","value":{index}"#)));
        assert_eq!(
            stand.core.snapshot(&named).is_some(),
            stand.offset(0) >= 60,
            "one would be of two states"
        );
    }
    feed(&mut stand, 3..5);
    stand.wake_in(core(vec![experiment(vec![value()])], longer));
    let result = stand.end();
    assert_eq!((events(&result), result.health.late), (vec![50, 50], 0));
}

#[test]
fn fields_that_are_found_elsewhere_count_anew() {
    let mut stand = Stand::new(experiment(vec![value()]));
    feed(&mut stand, 0..2);
    let stored = stand.stored();
    let variant = FieldSource::Pointer(JsonPointer(vec!["arm".to_owned()]));
    let mapping = EventMapping { variant, ..EventMapping::default() };
    stand.wake_as(core_of(vec![experiment(vec![value()])], windows(), mapping), &stored);
    for index in 0..5 {
        stand.feed(&prediction("a", 3 * SLIDE + index, r#","arm":"b""#));
    }
    assert_eq!(events(&stand.end()), [0, 5]);
}

#[test]
fn a_start_is_remembered_when_fields_are_found_elsewhere() {
    let settings = ExperimentSettings { waits_for_start: true, ..experiment(vec![value()]) };
    let mut stand = Stand::new(settings.clone());
    stand.start("v2", 0);
    feed(&mut stand, 0..2);
    let stored = stand.stored();
    let variant = FieldSource::Pointer(JsonPointer(vec!["arm".to_owned()]));
    let mapping = EventMapping { variant, ..EventMapping::default() };
    stand.wake_as(core_of(vec![settings], windows(), mapping), &stored);
    let latest = stand.latest();
    assert_eq!((latest.phase, latest.release.as_deref()), (ExperimentPhase::Running, Some("v2")));
    assert_eq!(events(&latest), [0, 0]);
}

/// Why another experiment would begin anew after three windows of the first one.
fn reasons(other: ExperimentSettings, mapping: EventMapping) -> Vec<String> {
    let mut stand = Stand::new(experiment(vec![value()]));
    feed(&mut stand, 0..3);
    let stored = stand.stored();
    let snapshot: Snapshot<'_> = rmp_serde::from_slice(&stored).unwrap();
    let anew = core_of(vec![other], windows(), mapping).compare_experiments(&snapshot);
    anew.into_iter().map(|anew| anew.reason).collect()
}

#[test]
fn the_setting_is_named_that_makes_an_experiment_begin_anew() {
    let same = experiment(vec![value()]);
    let of = |other: ExperimentSettings| reasons(other, EventMapping::default());
    assert_eq!(of(same.clone()), [""; 0]);
    let mut other = same.clone();
    other.inference.alpha = 0.01;
    assert_eq!(of(other), ["alpha was 0.05, and is 0.01"]);
    let mut other = same.clone();
    other.metrics[0].caps.1 = Some(7.0);
    assert_eq!(of(other), ["metrics.value.cap was None, and is Some(7.0)"]);
    let other = ExperimentSettings { arms: vec!["a".to_owned(), "c".to_owned()], ..same.clone() };
    assert_eq!(of(other), ["challengers was b, and is c"]);
    // One that is new has nothing to lose.
    assert_eq!(of(ExperimentSettings { id: "other".to_owned(), ..same.clone() }), [""; 0]);
    let variant = FieldSource::Pointer(JsonPointer(vec!["arm".to_owned()]));
    let [mapping] = &reasons(same, EventMapping { variant, ..EventMapping::default() })[..] else { panic!() };
    assert!(mapping.starts_with("events was "), "{mapping}");
}

#[test]
fn settings_that_change_no_meaning_go_on() {
    let mut same = experiment(vec![value()]);
    same.inference.power = 0.9;
    same.metrics[0].minimum_effect = Some(3.0);
    (same.most_waiting, same.most_units) = (50_000, 500_000);
    assert_eq!(go_on_as(same), [50, 50]);
}

#[test]
fn what_was_said_is_known_before_reading_goes_on() {
    let mut stand = Stand::new(experiment(vec![value()]));
    feed(&mut stand, 0..3);
    let (said, stored) = (stand.latest(), stand.stored());
    let snapshot: Snapshot<'_> = rmp_serde::from_slice(&stored).unwrap();
    let mut fresh = core(vec![experiment(vec![value()])], windows());
    assert_eq!(fresh.experiments_of(&snapshot), [said]);
    assert_eq!(fresh.experiments()[0].began, None, "the core itself has not begun");
    let mut other = experiment(vec![value()]);
    other.inference.alpha = 0.01;
    fresh = core(vec![other], windows());
    assert_eq!(fresh.experiments_of(&snapshot), fresh.experiments());
}

#[test]
fn a_start_is_remembered_and_one_since_the_snapshot_is_not_lost() {
    let settings = ExperimentSettings { waits_for_start: true, ..experiment(vec![value()]) };
    let mut stand = Stand::new(settings.clone());
    stand.start("v2", 0);
    feed(&mut stand, 0..2);
    stand.sleep_and_wake();
    assert_eq!((stand.latest().phase, events(&stand.latest())), (ExperimentPhase::Running, vec![10, 10]));
    // Other settings count anew, and are still started.
    let mut other = settings.clone();
    other.inference.alpha = 0.01;
    let stored = stand.stored();
    stand.wake_as(core(vec![other], windows()), &stored);
    feed(&mut stand, 2..3);
    assert_eq!(events(&stand.end()), [10, 10]);

    // Partitions are given anew: the core goes back to the snapshot, in place.
    let again = settings.clone();
    let mut stand = Stand::new(settings);
    stand.start("v2", 0);
    feed(&mut stand, 0..2);
    let stored = stand.stored();
    stand.start("v3", 2 * SLIDE);
    stand.restore(&stored);
    assert_eq!(stand.latest().phase, ExperimentPhase::Running);
    feed(&mut stand, 2..3);
    assert_eq!(events(&stand.end()), [10, 10], "of the new release alone");

    // So does a second try of the same release.
    let mut stand = Stand::new(again);
    stand.start("v2", 0);
    feed(&mut stand, 0..2);
    let stored = stand.stored();
    stand.change(ExperimentAction::Stop, 2 * SLIDE);
    stand.start("v2", 2 * SLIDE);
    stand.restore(&stored);
    assert_eq!(stand.latest().phase, ExperimentPhase::Running);
    feed(&mut stand, 2..3);
    assert_eq!(events(&stand.end()), [10, 10], "of the second try alone");
}

#[test]
fn snapshots_from_before_there_were_experiments_are_read() {
    let mut stand = Stand::new(experiment(vec![value()]));
    feed(&mut stand, 0..2);
    let mut stored = stand.stored_as_json();
    assert!(stored.as_object_mut().unwrap().remove("experiments").is_some());
    stand.wake_from_json(&stored);
    feed(&mut stand, 2..3);
    assert_eq!(events(&stand.end()), [10, 10]);
}

#[test]
fn a_snapshot_that_contradicts_the_settings_is_left_alone() {
    let mut stand = Stand::new(experiment(vec![value()]));
    feed(&mut stand, 0..2);
    let whole = stand.stored_as_json();
    let spoil: [&dyn Fn(&mut Value); 4] = [
        &|memory| {
            let pane = memory["panes"].as_object().unwrap().values().next().unwrap().clone();
            memory["panes"] = json!({ "9223372036854775807": pane });
        },
        &|memory| memory["totals"]["arms"] = json!([]),
        &|memory| memory["totals"]["metrics"] = json!([]),
        &|memory| memory["meaning"] = json!([["alpha", "0.5"]]),
    ];
    for spoil in spoil {
        let mut snapshot = whole.clone();
        spoil(&mut snapshot["experiments"][0]);
        stand.wake_from_json(&snapshot);
        assert_eq!(events(&stand.end()), [0, 0]);
    }
}
