//! Canaries of Flagger over what the daemon says, with the webhooks of the example.

use driftline::{
    experiment::ExperimentAction,
    ops::{Component, OnStale},
    result::{Decision, ExperimentPhase, ExperimentResult},
};
use serde_json::json;

use crate::{
    canary::{Canary, Hook, Kind, Metric, Phase},
    flagger::webhook,
    manifests,
    rig::{Daemon, TOKEN, challenger, now, of_release, old, result, served},
};

fn locked() -> Daemon {
    Daemon::with(vec![served("checkout", OnStale::Hold)], Some(TOKEN))
}

/// Does what the pipeline would do with what it was told.
fn obey(daemon: &Daemon, then: Decision) {
    for change in daemon.changes() {
        let before = daemon.status.experiments();
        let next = match change.action {
            ExperimentAction::Start { release } => of_release(&release, result(then)),
            ExperimentAction::Stop => {
                ExperimentResult { phase: ExperimentPhase::Ended, ..before.first().unwrap().clone() }
            }
        };
        daemon.says(next);
    }
}

/// A canary that has just seen a new release, over an experiment of the last one.
fn released(daemon: &Daemon, last: Decision) -> Canary<'_> {
    let ended = ExperimentResult { phase: ExperimentPhase::Ended, ..result(last) };
    daemon.says(of_release("old", ended));
    let mut canary = Canary::new(daemon, manifests::hooks());
    canary.deploy("new");
    canary.tick();
    assert_eq!(canary.phase, Phase::Progressing);
    canary
}

#[test]
fn a_release_is_started_watched_and_promoted() {
    let daemon = locked();
    let mut canary = released(&daemon, Decision::Promote);
    // The event has the checksum of the last release, and looks like a second try of it.
    assert_eq!(told(&daemon), [ExperimentAction::Start { release: "old".to_owned() }]);
    canary.tick();
    obey(&daemon, Decision::Hold);
    assert_eq!(daemon.status.experiments()[0].release.as_deref(), Some("new"));
    canary.ticks(5);
    assert_eq!((canary.weight, canary.phase, canary.failed_checks), (50, Phase::WaitingPromotion, 0));
    daemon.says(of_release("new", result(Decision::Promote)));
    canary.tick();
    assert_eq!(canary.phase, Phase::Promoting);
    canary.tick();
    obey(&daemon, Decision::Hold);
    assert_eq!(daemon.status.experiments()[0].phase, ExperimentPhase::Ended);
    canary.tick();
    assert_eq!(canary.phase, Phase::Succeeded);
    // Both the event and the hook after it find that it has ended.
    assert!(daemon.changes().is_empty());
}

#[test]
fn a_proven_harm_is_rolled_back_at_the_next_tick() {
    let daemon = locked();
    let mut canary = released(&daemon, Decision::Promote);
    canary.tick();
    obey(&daemon, Decision::Hold);
    daemon.says(old(of_release("new", result(Decision::Rollback))));
    canary.tick();
    assert_eq!((canary.phase, canary.weight), (Phase::Failed, 0));
    obey(&daemon, Decision::Hold);
    assert_eq!(daemon.status.experiments()[0].phase, ExperimentPhase::Ended);
    canary.ticks(3);
    assert!(daemon.changes().is_empty());
}

#[test]
fn the_verdict_on_the_last_release_touches_the_next_one_not() {
    for last in [Decision::Rollback, Decision::Promote] {
        let daemon = locked();
        let mut canary = released(&daemon, last);
        // Nobody obeys: the pipeline is slow, or the token is wrong.
        canary.ticks(8);
        assert!(canary.weight < 50, "{:?}", canary.said);
        assert_ne!(canary.phase, Phase::Promoting);
        assert!(canary.said.iter().any(|said| said.contains("not yet of")), "{:?}", canary.said);
        let begun = |release: &str| ExperimentAction::Start { release: release.to_owned() };
        let tried_again = last == Decision::Promote;
        assert!(daemon.changes().iter().all(|change| change.action == begun("new")
            || change.action == ExperimentAction::Stop
            || (tried_again && change.action == begun("old"))));
    }
}

#[test]
fn while_nothing_is_judged_traffic_stays_and_nothing_is_rolled_back() {
    let daemon = locked();
    let mut canary = released(&daemon, Decision::Hold);
    canary.tick();
    obey(&daemon, Decision::Hold);
    let weight = canary.weight;
    daemon.says(old(of_release("new", result(Decision::Promote))));
    canary.ticks(20);
    assert_eq!((canary.phase, canary.weight, canary.failed_checks), (Phase::Progressing, weight, 0));
    daemon.says(of_release("new", result(Decision::Hold)));
    canary.ticks(4);
    daemon.says(old(of_release("new", result(Decision::Promote))));
    canary.ticks(20);
    assert_eq!((canary.phase, canary.failed_checks), (Phase::WaitingPromotion, 0));
}

#[test]
fn where_that_is_wanted_a_stale_verdict_counts_against_the_release() {
    let daemon = Daemon::with(vec![served("checkout", OnStale::Error)], Some(TOKEN));
    let mut canary = released(&daemon, Decision::Hold);
    canary.tick();
    obey(&daemon, Decision::Hold);
    // Only with traffic is the hook asked.
    canary.tick();
    daemon.says(old(of_release("new", result(Decision::Hold))));
    canary.ticks(4);
    assert_eq!(canary.phase, Phase::Failed);
}

#[test]
fn metrics_of_one_s_own_hold_and_roll_back_by_thresholds() {
    let daemon = Daemon::start();
    daemon.says(result(Decision::Hold));
    let mut canary = Canary::new(&daemon, Vec::new());
    canary.metrics.push(Metric { query: manifests::queries()[0].clone(), min: Some(0.0), max: None });
    canary.deploy("new");
    canary.ticks(3);
    assert_eq!((canary.weight, canary.failed_checks), (50, 0));
    daemon.says(result(Decision::Rollback));
    canary.ticks(4);
    assert_eq!(canary.phase, Phase::Failed);
}

/// What each hook answers for an experiment in each state: gate, gate with allow =
/// hold, rollout, rollback.
fn answers(daemon: &Daemon, experiment: &str, checksum: &str) -> [u16; 4] {
    let asked = |path: &str, allow: &str| {
        let metadata = json!({ "experiment": experiment, "allow": allow });
        let payload = json!({ "name": "credit", "namespace": "models", "phase": "Progressing",
            "checksum": checksum, "metadata": metadata });
        let answer = daemon.post(&format!("/api/v1/flagger/{path}"), &payload.to_string());
        let said = webhook(daemon, &format!("/api/v1/flagger/{path}"), &payload);
        assert_eq!(said.is_ok(), answer.status == 200);
        let is_line = answer.body.ends_with('\n') && answer.body.lines().count() == 1;
        assert!(is_line && [200, 403].contains(&answer.status), "{answer:?}");
        answer.status
    };
    [asked("gate", ""), asked("gate", "hold"), asked("rollout", ""), asked("rollback", "")]
}

#[test]
fn the_table_of_docs_experiments_rollouts_md() {
    let lenient = Daemon::with(vec![served("checkout", OnStale::Hold)], None);
    let strict = Daemon::with(vec![served("checkout", OnStale::Error)], None);
    let (yes, no) = (200, 403);
    let both = |said: ExperimentResult, expected: [u16; 4]| {
        for daemon in [&lenient, &strict] {
            daemon.says(said.clone());
            assert_eq!(answers(daemon, "checkout", ""), expected, "{said:?}");
        }
    };
    both(result(Decision::Promote), [yes, yes, yes, no]);
    both(result(Decision::Hold), [no, yes, yes, no]);
    both(result(Decision::Rollback), [no, no, no, yes]);
    both(old(result(Decision::Rollback)), [no, no, no, yes]);
    let waiting = ExperimentResult { phase: ExperimentPhase::Waiting, began: None, ..result(Decision::Hold) };
    both(waiting, [no, yes, yes, no]);
    // Nothing goes on any more.
    let ended = |said: ExperimentResult| ExperimentResult { phase: ExperimentPhase::Ended, ..said };
    both(ended(result(Decision::Promote)), [yes, yes, yes, no]);
    both(ended(result(Decision::Hold)), [no, no, yes, no]);
    both(ended(old(result(Decision::Promote))), [no, no, yes, no]);
    both(ended(old(result(Decision::Rollback))), [no, no, no, yes]);
    let unseen = ExperimentResult { began: None, ..result(Decision::Hold) };
    both(unseen.clone(), [no, yes, yes, no]);
    for stale in [old(result(Decision::Promote)), old(result(Decision::Hold)), old(unseen)] {
        for (daemon, rollout) in [(&lenient, yes), (&strict, no)] {
            daemon.says(stale.clone());
            assert_eq!(answers(daemon, "checkout", ""), [no, no, rollout, no]);
        }
    }
    for daemon in [&lenient, &strict] {
        daemon.says(of_release("7f9c", result(Decision::Promote)));
        assert_eq!(answers(daemon, "checkout", "7f9c"), [yes, yes, yes, no]);
        assert_eq!(answers(daemon, "checkout", "other"), [no, no, no, no]);
        daemon.says(of_release("7f9c", result(Decision::Rollback)));
        assert_eq!(answers(daemon, "checkout", "7f9c"), [no, no, no, yes]);
        assert_eq!(answers(daemon, "checkout", "other"), [no, no, no, no]);
        assert_eq!(answers(daemon, "checkout2", ""), [no, no, no, no]);
        assert_eq!(answers(daemon, "", ""), [no, no, no, no]);
        daemon.status.set_experiments(Vec::new());
    }
    assert_eq!(answers(&lenient, "checkout", ""), [no, no, yes, no]);
    assert_eq!(answers(&strict, "checkout", ""), [no, no, no, no]);
}

#[test]
fn an_arm_can_be_named() {
    let daemon = Daemon::start();
    let challengers = vec![challenger("b", Decision::Promote), challenger("c", Decision::Rollback)];
    daemon.says(ExperimentResult { challengers, ..result(Decision::Hold) });
    let rolls_back = |arm: &str| {
        let payload = json!({ "metadata": { "experiment": "checkout", "arm": arm } });
        webhook(&daemon, "/api/v1/flagger/rollback", &payload)
    };
    assert_eq!(rolls_back("c"), Ok(()));
    assert!(rolls_back("b").unwrap_err().starts_with("promote:"));
    assert!(rolls_back("d").unwrap_err().contains("there are: b, c"));
}

#[test]
fn nothing_that_is_wrong_rolls_back() {
    let daemon = Daemon::start();
    daemon.says(result(Decision::Rollback));
    let path = "/api/v1/flagger/rollback";
    let large =
        format!("{{\"metadata\": {{\"experiment\": \"checkout\", \"x\": \"{}\"}}}}", "x".repeat(100_000));
    for body in ["", "{", "[]", "null", "{\"metadata\": 1}", "{\"metadata\": {\"experiment\": 7}}", &large] {
        assert_eq!(daemon.post(path, body).status, 403, "{body:.40}");
    }
    assert_eq!(daemon.get(path).status, 405);
    assert_eq!(daemon.post("/api/v1/flagger/rollbacks", "{}").status, 404);
    // Elsewhere the answer says what was wrong.
    for path in ["gate", "rollout", "event"] {
        let path = format!("/api/v1/flagger/{path}");
        let answer = daemon.post(&path, "{");
        assert_eq!((answer.status, answer.json()["hint"].is_string()), (400, true));
        let answer = daemon.post(&path, &large);
        assert_eq!((answer.status, answer.json()["hint"].is_string()), (413, true));
    }
    // Without metadata Flagger leaves the field out.
    assert_eq!(daemon.post(path, "{\"name\": \"x\"}").status, 403);
}

fn event(daemon: &Daemon, phase: &str, checksum: &str, token: &str) -> Result<(), String> {
    let metadata = json!({ "experiment": "checkout", "token": token, "eventType": "Normal" });
    let payload = json!({ "name": "credit", "namespace": "models", "phase": phase, "checksum": checksum,
        "metadata": metadata });
    webhook(daemon, "/api/v1/flagger/event", &payload)
}

/// What was told since, once; the tools beside may have sent it again.
fn told(daemon: &Daemon) -> Vec<ExperimentAction> {
    let mut actions: Vec<_> = daemon.changes().into_iter().map(|change| change.action).collect();
    actions.dedup();
    actions
}

#[test]
fn events_begin_and_end_an_experiment() {
    let daemon = locked();
    let start = |release: &str| ExperimentAction::Start { release: release.to_owned() };
    event(&daemon, "Progressing", "7f9c", TOKEN).unwrap();
    let before = now();
    let changes = daemon.changes();
    assert_eq!((changes[0].experiment.as_str(), &changes[0].action), ("checkout", &start("7f9c")));
    assert!((0..5_000).contains(&(before.0 - changes[0].at.0)));
    daemon.says(of_release("7f9c", result(Decision::Hold)));
    event(&daemon, "Progressing", "7f9c", TOKEN).unwrap();
    for phase in ["Initializing", "Initialized", "Waiting", "WaitingPromotion", "Terminating", "", "New"] {
        event(&daemon, phase, "8a00", TOKEN).unwrap();
    }
    assert_eq!(told(&daemon), []);
    event(&daemon, "Progressing", "8a00", TOKEN).unwrap();
    assert_eq!(told(&daemon), [start("8a00")]);
    for phase in ["Promoting", "Finalising", "Succeeded", "Failed"] {
        event(&daemon, phase, "7f9c", TOKEN).unwrap();
        assert_eq!(told(&daemon), [ExperimentAction::Stop], "{phase}");
    }
    for phase in [ExperimentPhase::Waiting, ExperimentPhase::Ended] {
        daemon.says(ExperimentResult { phase, ..result(Decision::Hold) });
        event(&daemon, "Failed", "7f9c", TOKEN).unwrap();
    }
    assert_eq!(told(&daemon), []);
    // A second try begins anew, but for one of what was taken back.
    for (last, expected) in [(Decision::Hold, vec![start("7f9c")]), (Decision::Rollback, Vec::new())] {
        let ended = ExperimentResult { phase: ExperimentPhase::Ended, ..result(last) };
        daemon.says(of_release("7f9c", ended));
        event(&daemon, "Progressing", "7f9c", TOKEN).unwrap();
        assert_eq!(told(&daemon), expected, "{last:?}");
    }
    // Where events are not read, it is not known whether it runs.
    daemon.says(ExperimentResult { phase: ExperimentPhase::Waiting, ..result(Decision::Hold) });
    let elsewhere = Component::ready_but("kafka", "stands by: another member of group g reads");
    daemon.status.set_components(vec![elsewhere, Component::ready("pipeline")], None);
    let refused = event(&daemon, "Succeeded", "7f9c", TOKEN).unwrap_err();
    assert!(refused.contains("not now"), "{refused}");
    daemon.is_well();
    event(&daemon, "Progressing", "", TOKEN).unwrap_err();
    event(&daemon, "Progressing", &"x".repeat(201), TOKEN).unwrap_err();
    assert_eq!(told(&daemon), []);
}

#[test]
fn who_may_not_changes_nothing() {
    let daemon = locked();
    for token in ["", "let-me-on"] {
        let refused = event(&daemon, "Progressing", "7f9c", token).unwrap_err();
        assert!(refused.contains("metadata.token") && !refused.contains("let-me"), "{refused}");
    }
    let mut closed = served("checkout", OnStale::Hold);
    closed.hooks = false;
    let closed = Daemon::with(vec![closed], None);
    assert!(event(&closed, "Progressing", "7f9c", TOKEN).unwrap_err().contains("hooks = true"));
    let unknown =
        json!({ "phase": "Progressing", "checksum": "7f9c", "metadata": { "experiment": "checkout2" } });
    assert!(webhook(&daemon, "/api/v1/flagger/event", &unknown).unwrap_err().contains("there are: checkout"));
    // Without hooks the checksum says nothing.
    closed.says(of_release("old", result(Decision::Rollback)));
    assert_eq!(answers(&closed, "checkout", "new"), [403, 403, 403, 200]);
    daemon.listens.store(false, std::sync::atomic::Ordering::Relaxed);
    assert!(event(&daemon, "Progressing", "7f9c", TOKEN).unwrap_err().contains("stopping"));
    assert!(daemon.changes().is_empty() && closed.changes().is_empty());
}

#[test]
fn without_the_gate_a_release_that_is_only_held_is_promoted() {
    let daemon = Daemon::start();
    daemon.says(result(Decision::Hold));
    let rollout = |hook: &Hook| hook.kind == Kind::Rollout;
    let mut canary = Canary::new(&daemon, manifests::hooks().into_iter().filter(rollout).collect());
    canary.deploy("new");
    canary.ticks(6);
    assert_eq!(canary.phase, Phase::Succeeded);
}
