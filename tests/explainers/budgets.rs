//! What a budget allows, and what never waits for it.

use driftline::{
    decode::EventMapping,
    event::{EventTime, MessageBatch, PartitionId},
    explainer::ExplainerSettings,
    pipeline::{
        Core, CoreSettings, ExplainLoss, ExplainTask, Explained, Input, ModelSpec, Outputs, ReferenceSpec,
    },
    window::WindowSettings,
};
use std::time::Duration;

use crate::{
    rig::{
        FEATURES, Rig, SLIDE_MS, features, is_about, reference, remote, right, score, server, task, trees,
    },
    support::{
        servers::{SOON, eventually},
        stand_in::Reply,
    },
};

/// Rows that a budget leaves of a window with 100, of which each takes one
/// evaluation.
fn rows(evaluations_per_second: u32, streams: usize) -> (u64, u64) {
    let settings = ExplainerSettings { evaluations_per_second, ..trees() };
    let rig = Rig::new([("m", settings)]);
    let window = rig.window(&ExplainTask { streams, ..task(1, "m", 0, 0..100) });
    assert_eq!(window.provenance.background_rows, 10, "rows are given up before any of the background");
    assert_eq!(window.rows + window.rows_given_up, 100);
    (window.rows, window.rows_given_up)
}

#[test]
fn rows_are_given_up_by_the_budget_alone() {
    // Of 10 s, eight tenths go to windows.
    assert_eq!(rows(1_000_000, 1), (100, 0));
    assert_eq!(rows(1_000, 200), (40, 60));
    assert_eq!(rows(1_000, 101), (79, 21));
}

#[test]
fn rows_that_are_left_are_the_same_as_without_a_budget() {
    let settings = ExplainerSettings { evaluations_per_second: 1_000, ..trees() };
    let few = Rig::new([("m", settings)]).window(&ExplainTask { streams: 200, ..task(1, "m", 0, 0..100) });
    let all = Rig::new([("m", trees())]).window(&task(1, "m", 0, 0..40));
    assert_eq!(few.outputs, all.outputs);
}

#[test]
fn a_server_is_asked_about_no_more_rows_than_a_window_may_take() {
    let server = server(right);
    let evaluations_per_second = 100_000;
    let settings = ExplainerSettings { evaluations_per_second, ..remote(&server, 1_000) };
    let rig = Rig::new([("m", settings)]);
    let streams = 100;
    let window = rig.window(&ExplainTask { streams, ..task(1, "m", 0, 0..100) });
    let most = u64::from(evaluations_per_second) * u64::try_from(SLIDE_MS).unwrap() / 1_000 / 100 * 8 / 10;
    assert!(window.rows < 100 && window.rows > 0, "{}", window.rows);
    assert!(window.provenance.evaluations <= most, "{} of {most}", window.provenance.evaluations);
    // A row more would have been too much: none takes less than a round.
    let round = 10 * 2 * (FEATURES.len() as u64 - 1);
    assert!((window.rows + 1) * (round + 200) > most, "{} rows of {most}", window.rows);
    assert_eq!(window.provenance.background_rows, 10);
}

#[test]
fn a_budget_for_no_row_is_said_and_counted() {
    let rig = Rig::new([("m", ExplainerSettings { evaluations_per_second: 1_000, ..trees() })]);
    let explained = rig.explain(&[ExplainTask { streams: 100_000, ..task(1, "m", 0, 0..100) }]);
    assert_eq!(explained, [(1, Explained::GivenUp)]);
    rig.problem("m", "evaluations_per_second");
}

fn core(settings: &ExplainerSettings) -> Core {
    let reference = ReferenceSpec::Ready { reference: reference("m", 0), covers_until: None };
    Core::new(CoreSettings {
        mapping: EventMapping::default(),
        windows: WindowSettings {
            size_ms: SLIDE_MS,
            slide_ms: SLIDE_MS,
            lateness_ms: 0,
            grace_ms: 0,
            max_empty_windows: 0,
            ..WindowSettings::default()
        },
        models: vec![ModelSpec { explain: Some(settings.rows.clone()), ..ModelSpec::new("m", reference) }],
        max_message_bytes: 10_000,
        delivered_until: None,
    })
}

/// The events of a window.
fn batch(window: u64) -> MessageBatch {
    let mut batch = MessageBatch::default();
    for place in 0..20 {
        let number = 20 * window + place;
        let time = 1_767_225_600_000 + i64::try_from(window).unwrap() * SLIDE_MS;
        let row = features(number);
        let features: Vec<String> =
            FEATURES.iter().zip(row).map(|(name, value)| format!(r#""{name}":{value}"#)).collect();
        let event = format!(
            r#"{{"kind":"prediction","id":"e{number}","time":{time},"model":"m","version":"v1","features":{{{}}},"prediction":{}}}"#,
            features.join(","),
            score(&row)
        );
        batch.push(PartitionId(0), i64::try_from(number).unwrap(), None, Some(event.as_bytes()));
    }
    batch
}

#[test]
fn windows_close_whether_or_not_anything_is_explained() {
    let server = server(right);
    let settings = remote(&server, 1_000);
    let (mut core, mut out) = (core(&settings), Outputs::default());
    let rig = Rig::new([("m", settings)]);
    rig.is_well("m");
    core.step(Input::Assigned(PartitionId(0), EventTime(0)), &mut out);
    rig.window(&task(99, "m", 0, 5_000..5_010));
    server.behave(|_| Reply::status(200).after(Duration::from_secs(3_600)));
    for window in 0..40 {
        core.step(Input::Batch { batch: &batch(window), topics: &[], now: None }, &mut out);
        rig.explainers.offer(core.explanations_mut());
        if window == 1 {
            // The first window is being asked about, and will be for ever.
            eventually("a request", SOON, || {
                (0..20).any(|number| server.seen().iter().any(|seen| is_about(seen, number))).then_some(())
            });
        }
    }
    assert!(rig.explainers.take_done().is_empty());
    assert_eq!(out.results.len(), 39, "all windows but the last");
    // As many wait as may; the others were counted.
    assert_eq!(core.explanations().len(), 5);
    assert_eq!(core.take_counters().unexplained[ExplainLoss::Overflow as usize], 34);
}
