//! People who ask about an event.

use std::time::Duration;

use driftline::explainer::{AskError, ExplainerSettings};
use driftline::model::PredictError;
use driftline::pipeline::ExplainTask;

use crate::{
    rig::{
        Rig, event, file, is_about, linear, remote, right, server, task, wait_for_another, wait_until_asked,
    },
    support::{
        servers::{SOON, eventually, folder},
        stand_in::Reply,
    },
};

#[test]
fn a_question_is_answered_before_the_rest_of_a_long_window() {
    let server = server(|seen| right(seen).after(Duration::from_millis(5)));
    let rig = Rig::new([("m", remote(&server, 1_000))]);
    let task = task(1, "m", 0, 10_000..10_100);
    let mut offered = crate::rig::offered(std::slice::from_ref(&task));
    eventually("the window is begun", SOON, || {
        rig.explainers.offer(&mut offered);
        server.seen().iter().any(|seen| is_about(seen, 10_000)).then_some(())
    });
    let explained = rig.answer(event("m", 7)).unwrap();
    assert_eq!((explained.event.as_str(), explained.window), ("0000000000700000", None));
    assert!(explained.outputs[0].additivity_residual < 1e-9);
    let window = rig.window(&task);
    assert_eq!((window.rows, window.rows_unusable), (100, 0));
    // Most rows of the window came after the question.
    let seen = server.seen();
    let asked = seen.iter().rposition(|seen| is_about(seen, 7)).unwrap();
    let later = (10_000..10_100).filter(|number| seen[asked..].iter().any(|seen| is_about(seen, *number)));
    assert!(later.count() > 0, "the window was finished first");
    assert_eq!(rig.metric("driftline_explain_requests_total{model=\"m\",outcome=\"answered\"}"), 1);
    assert_eq!(rig.metric("driftline_explain_rows_total{model=\"m\",purpose=\"window\"}"), 100);
    assert_eq!(rig.metric("driftline_explained_total{model=\"m\",purpose=\"window\"}"), 1);
}

#[test]
fn more_questions_than_may_wait_are_refused_and_a_stop_answers_the_others() {
    let server = server(right);
    let rig = Rig::new([("m", remote(&server, 1_000))]);
    // Nothing else is left to do.
    rig.window(&task(1, "m", 0, 0..5));
    let before = server.seen().len();
    server.behave(|seen| right(seen).after(Duration::from_secs(3_600)));
    let first = rig.ask(event("m", 2));
    wait_for_another(&server, before);
    let second = rig.ask(event("m", 3));
    let third = rig.ask(event("m", 4));
    assert_eq!(rig.answer(event("m", 5)), Err(AskError::Busy));
    assert_eq!(rig.metric("driftline_explain_requests_total{model=\"m\",outcome=\"overflow\"}"), 1);

    let Rig { explainers, runtime, .. } = rig;
    drop(explainers);
    runtime.shutdown_background();
    let away = PredictError::Unavailable("the daemon is stopping".to_owned());
    assert_eq!(first.blocking_recv().unwrap(), Err(AskError::Predict(away)));
    for waiting in [second, third] {
        assert_eq!(waiting.blocking_recv().unwrap(), Err(AskError::Stopping));
    }
}

#[test]
fn a_model_is_not_asked_for_somebody_who_has_gone() {
    let server = server(right);
    let rig = Rig::new([("m", remote(&server, 1_000))]);
    rig.answer(event("m", 1)).unwrap();
    server.behave(|seen| right(seen).after(Duration::from_millis(200)));
    let first = rig.ask(event("m", 2));
    wait_until_asked(&server, 2);
    drop(rig.ask(event("m", 3)));
    let last = rig.ask(event("m", 4));
    first.blocking_recv().unwrap().unwrap();
    last.blocking_recv().unwrap().unwrap();
    assert!(!server.seen().iter().any(|seen| is_about(seen, 3)));
}

#[test]
fn what_cannot_be_asked_says_why() {
    let absent = folder("absent").join("model.json");
    let broken = folder("broken").join("model.toml");
    std::fs::write(&broken, "coefficients = 3\n").unwrap();
    let rig =
        Rig::new([("absent", file(absent.clone())), ("broken", file(broken.clone())), ("well", linear())]);
    assert_eq!(rig.answer(event("nobody", 1)), Err(AskError::NotExplained));
    assert!(rig.answer(event("well", 1)).is_ok());
    for (model, path) in [("absent", absent), ("broken", broken)] {
        let path = path.display().to_string();
        let why = rig.problem(model, &path);
        assert_eq!(rig.answer(event(model, 1)), Err(AskError::NotReady(why.clone())));
        // What waits is told that nobody will ever answer.
        let explained = rig.explain(&[task(1, model, 0, 0..5), task(2, model, 1, 0..5)]);
        assert!(explained.iter().all(|(_, explained)| *explained == driftline::pipeline::Explained::GivenUp));
        assert_eq!(explained.len(), 2);
    }
    assert_eq!(rig.explainers.broken().unwrap().0, "absent");
    assert_eq!(rig.window(&task(3, "well", 0, 0..5)).rows, 5);
}

#[test]
fn a_question_to_a_server_that_is_away_is_answered_with_that() {
    let server = server(|_| Reply::status(503));
    let rig = Rig::new([("m", ExplainerSettings { waiting_requests: 100, ..remote(&server, 1_000) })]);
    let why = rig.problem("m", "503");
    assert_eq!(rig.answer(event("m", 1)), Err(AskError::NotReady(why)));
    server.behave(right);
    rig.is_well("m");
    rig.answer(event("m", 1)).unwrap();
    server.behave(|_| Reply::status(503));
    let refused = rig.answer(event("m", 2));
    assert!(matches!(refused, Err(AskError::Predict(PredictError::Unavailable(_)))), "{refused:?}");
    rig.problem("m", "503");
    server.behave(right);
    rig.answer(event("m", 3)).unwrap();
    rig.is_well("m");
}

#[test]
fn an_event_with_a_value_that_is_none_is_refused() {
    let rig = Rig::new([("m", linear())]);
    let mut row = event("m", 1);
    row.cells[2] = driftline::profile::Cell::MISSING;
    let refused = rig.answer(row);
    assert!(matches!(&refused, Err(AskError::Unusable(why)) if why.contains("missing")), "{refused:?}");
    // In a window it is counted, and the others are explained.
    let mut task: ExplainTask = task(1, "m", 0, 0..9);
    task.rows[4].cells[2] = driftline::profile::Cell::MISSING;
    let window = rig.window(&task);
    assert_eq!((window.rows, window.rows_unusable), (8, 1));
    rig.is_well("m");
    assert_eq!(rig.metric("driftline_explain_rows_total{model=\"m\",purpose=\"unusable\"}"), 2);
}
