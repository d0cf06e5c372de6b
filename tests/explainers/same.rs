//! The same bits, however the work is divided.

use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use driftline::{
    explainer::ExplainerSettings,
    pipeline::{ExplainPurpose, ExplainTask, Explained},
    result::{EventExplanation, ExplainMethod, WindowExplanation},
};

use crate::{
    rig::{Rig, linear, reference, remote, right, server, task, trees, window},
    support::servers::{SOON, eventually},
};

type Windows = BTreeMap<u64, WindowExplanation>;
type Events = BTreeMap<u64, Vec<EventExplanation>>;

/// Three windows, and an alert in the second.
fn tasks(model: &str, rows: u64) -> Vec<ExplainTask> {
    let mut tasks: Vec<_> = (0..3_u64)
        .map(|window| {
            task(window + 1, model, i64::try_from(window).unwrap(), 1_000 * window..1_000 * window + rows)
        })
        .collect();
    // An event may come twice, with other features.
    let mut again = tasks[2].rows[0].clone();
    again.cells.clone_from(&tasks[2].rows[1].cells);
    tasks[2].rows.insert(1, again);
    let alert = task(4, model, 1, 1_000..1_003);
    tasks.push(ExplainTask { purpose: ExplainPurpose::Alert, ..alert });
    tasks
}

fn explain(settings: &ExplainerSettings, threads: usize, tasks: &[ExplainTask]) -> (Windows, Events) {
    let rig = Rig::new([("m", ExplainerSettings { threads, ..settings.clone() })]);
    let (mut windows, mut events) = (Windows::new(), Events::new());
    for (number, explained) in rig.explain(tasks) {
        match explained {
            Explained::Events(of_alert) => assert_eq!(events.insert(number, of_alert), None),
            explained => assert_eq!(windows.insert(number, window(explained)), None),
        }
    }
    (windows, events)
}

/// Explains by some threads and in several orders; gives what they agree on.
fn always_the_same(settings: &ExplainerSettings, rows: u64) -> (Windows, Events) {
    let mut tasks = tasks("m", rows);
    let first = explain(settings, 1, &tasks);
    assert_eq!((first.0.len(), first.1.len()), (3, 1));
    for threads in [2, 5] {
        tasks.rotate_left(1);
        tasks.swap(0, 1);
        assert_eq!(explain(settings, threads, &tasks), first, "{threads} threads");
    }
    for window in first.0.values() {
        let output = &window.outputs[0];
        assert!(output.drift.is_some(), "attributions are beside the reference's");
        assert!(output.features.iter().any(|feature| feature.mean_abs > 0.01));
    }
    first
}

#[test]
fn trees_are_explained_alike_by_any_number_of_threads() {
    let (windows, events) = always_the_same(&trees(), 80);
    for (number, window) in &windows {
        assert_eq!(window.provenance.method, ExplainMethod::ExactTree);
        assert_eq!(
            (window.rows, window.rows_unusable, window.rows_given_up),
            (80 + u64::from(*number == 3), 0, 0)
        );
    }
    let ranks = events[&4].iter().map(|event| event.window.as_ref().unwrap().rank);
    assert_eq!(ranks.collect::<Vec<_>>(), [1, 2, 3]);
}

#[test]
fn a_server_is_explained_alike_by_any_number_of_threads() {
    let server = server(right);
    let (windows, _) = always_the_same(&remote(&server, 64), 50);
    for window in windows.values() {
        assert_eq!(window.provenance.method, ExplainMethod::Permutation);
        assert!(window.outputs[0].features.iter().any(|feature| feature.row_standard_error.unwrap() > 0.0));
        // The server's scores are those that were logged.
        assert!(window.outputs[0].logged.as_ref().unwrap().share.abs() < f64::EPSILON);
    }
}

#[test]
fn a_linear_model_is_explained_exactly() {
    let (windows, _) = always_the_same(&linear(), 60);
    for window in windows.values() {
        assert_eq!(window.provenance.method, ExplainMethod::ExactLinear);
        assert!(window.outputs[0].additivity_residual < 1e-9);
        let shares: f64 = window.outputs[0].features.iter().filter_map(|feature| feature.share).sum();
        assert!((shares - 1.0).abs() < 1e-12);
    }
}

#[test]
fn a_reference_that_comes_while_another_is_prepared_takes_its_place() {
    let task = task(1, "m", 0, 0..60);
    let later = || reference("m", 5_000);
    let server = server(right);
    let alone = Rig::new([("m", remote(&server, 1_000))]);
    let of_first = alone.window(&task).provenance.background_id;
    alone.explainers.set_reference("m", later());
    let wanted = alone.window(&ExplainTask { number: 2, ..task.clone() });
    assert_ne!(wanted.provenance.background_id, of_first);

    // The rows of the first reference are answered last.
    let requests = AtomicUsize::new(0);
    let before = server.seen().len();
    server.behave(move |seen| {
        let is_first = requests.fetch_add(1, Ordering::Relaxed) == 0;
        right(seen).after(Duration::from_millis(if is_first { 1_000 } else { 0 }))
    });
    let rig = Rig::new([("m", remote(&server, 1_000))]);
    eventually("the first request", SOON, || (server.seen().len() > before).then_some(()));
    rig.explainers.set_reference("m", later());
    let found = rig.window(&task);
    assert_eq!(found, wanted);
}
