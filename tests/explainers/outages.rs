//! Servers that are away or refuse, and windows that change while they are
//! worked on.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicUsize, Ordering},
};
use std::time::Duration;

use driftline::pipeline::Explained;

use crate::{
    rig::{Rig, event, is_about, linear, offered, remote, right, server, task, wait_until_asked, window},
    support::{
        servers::{SOON, eventually},
        stand_in::Reply,
    },
};

#[test]
fn a_window_waits_for_a_server_that_is_away_and_nothing_is_lost() {
    let server = server(right);
    let wanted = Rig::new([("away", remote(&server, 1_000))]).window(&task(1, "away", 0, 0..60));

    server.behave(|_| Reply::status(503).body("warming up"));
    let rig = Rig::new([("away", remote(&server, 1_000)), ("here", linear())]);
    let tasks = [task(1, "away", 0, 0..60), task(2, "here", 0, 0..60)];
    rig.explainers.offer(&mut offered(&tasks));
    rig.problem("away", "warming up");
    // Others are explained meanwhile.
    let others = rig.explain(&tasks[1..]);
    assert_eq!(others.len(), 1);
    assert_eq!(window(others.into_iter().next().unwrap().1).stream.model, "here");

    // It is back, and goes away in the middle of the window.
    let answered = Arc::new(AtomicUsize::new(0));
    let is_back = Arc::new(AtomicBool::new(false));
    let (count, back) = (Arc::clone(&answered), Arc::clone(&is_back));
    server.behave(move |seen| {
        let is_of_window = (20..40).any(|number| is_about(seen, number));
        if is_of_window && !back.load(Ordering::Relaxed) {
            return Reply::status(503).body("restarting");
        }
        count.fetch_add(1, Ordering::Relaxed);
        right(seen)
    });
    eventually("the server goes away again", SOON, || {
        rig.explainers.offer(&mut offered(&tasks[..1]));
        assert!(rig.explainers.take_done().is_empty(), "it waits");
        let problem = rig.explainers.wait(Duration::from_millis(20));
        problem.filter(|problem| problem.contains("restarting"))
    });
    assert!(answered.load(Ordering::Relaxed) > 0);
    is_back.store(true, Ordering::Relaxed);
    // Its row 20 was explained neither twice nor never.
    assert_eq!(rig.window(&tasks[0]), wanted);
    assert_eq!(rig.metric("driftline_explain_rows_total{model=\"away\",purpose=\"window\"}"), 60);
    rig.is_well("away");
}

#[test]
fn a_server_that_refuses_the_rows_of_a_window_is_not_waited_for() {
    let server = server(right);
    let rig = Rig::new([("m", remote(&server, 1_000))]);
    rig.answer(event("m", 1)).unwrap();
    rig.window(&task(1, "m", 0, 0..10));
    server.behave(|_| Reply::status(422).body(r#"{"detail":"no such column"}"#));
    let explained = rig.explain(&[task(2, "m", 1, 0..10)]);
    assert_eq!(explained, [(2, Explained::GivenUp)]);
    rig.problem("m", "no such column");
    assert_eq!(rig.metric("driftline_explain_rows_total{model=\"m\",purpose=\"unusable\"}"), 10);
    assert_eq!(rig.metric("driftline_explained_total{model=\"m\",purpose=\"window\"}"), 1);
    // Some rows that are refused are counted in what is said of the others.
    server.behave(|seen| if is_about(seen, 3) { Reply::status(422) } else { right(seen) });
    let window = rig.window(&task(3, "m", 2, 0..10));
    assert_eq!((window.rows, window.rows_unusable), (9, 1));
}

#[test]
fn a_server_that_refuses_at_first_is_asked_again() {
    let server = server(|_| Reply::status(404).body("model m is not loaded"));
    let rig = Rig::new([("m", remote(&server, 1_000))]);
    rig.problem("m", "not loaded");
    assert_eq!(rig.explainers.broken(), None);
    server.behave(right);
    assert_eq!(rig.window(&task(1, "m", 0, 0..10)).rows, 10);
    rig.is_well("m");
}

#[test]
fn a_window_that_is_written_again_is_explained_anew() {
    let server = server(|seen| right(seen).after(Duration::from_millis(10)));
    let rig = Rig::new([("m", remote(&server, 1_000))]);
    let old = task(1, "m", 0, 0..100);
    eventually("the window is begun", SOON, || {
        rig.explainers.offer(&mut offered(std::slice::from_ref(&old)));
        server.seen().iter().any(|seen| is_about(seen, 0)).then_some(())
    });
    // A late event came; the window has the same end and other rows.
    let new = task(2, "m", 0, 200..260);
    let explained = rig.explain(std::slice::from_ref(&new));
    assert_eq!(explained.iter().map(|(number, _)| *number).collect::<Vec<_>>(), [2]);
    let found = window(explained.into_iter().next().unwrap().1);
    let alone = Rig::new([("m", remote(&server, 1_000))]);
    assert_eq!(found, alone.window(&new));
    // Of the old one no row was asked about once the new one was begun.
    wait_until_asked(&server, 259);
    let seen = server.seen();
    let begun = seen.iter().position(|seen| is_about(seen, 200)).unwrap();
    let late = (0..100).filter(|number| seen[begun..].iter().any(|seen| is_about(seen, *number)));
    assert_eq!(late.count(), 0);
    assert!(
        (0..100).any(|number| !seen.iter().any(|seen| is_about(seen, number))),
        "the old one was not finished"
    );
}
