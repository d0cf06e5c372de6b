//! `AnalysisRun`s of Argo Rollouts over what the daemon says: the example manifests,
//! and the traps that they avoid.

use driftline::{
    ops::{Component, OnStale},
    result::{ChallengerResult, Decision, ExperimentPhase, ExperimentResult},
};
use serde_json::json;

use crate::{
    analysis::{Limits, Phase, Rollout, Run},
    argo::{self, Metric},
    manifests,
    rig::{Daemon, TOKEN, challenger, has_null, metric, of_release, old, result, served},
};
use driftline::result::MetricRole;

const VERDICT: &str = "/api/v1/experiments/checkout/verdict";

/// The run of the web example, one measurement of what the daemon says each.
fn run(daemon: &Daemon, said: impl IntoIterator<Item = ExperimentResult>) -> Phase {
    let asked = manifests::argo("argo-analysis-web.yaml", "verdict");
    let mut run = Run::new(asked.limits);
    let mut phase = Phase::Running;
    for result in said {
        daemon.says(result);
        phase = run.add(argo::web(daemon, &asked.what, &asked.metric));
    }
    phase
}

fn of(decision: Decision) -> ExperimentResult {
    of_release("7f9c", result(decision))
}

#[test]
fn the_first_promote_lets_a_rollout_go_on() {
    let daemon = Daemon::start();
    assert_eq!(run(&daemon, [of(Decision::Hold), of(Decision::Hold)]), Phase::Running);
    let promoted = run(&daemon, [of(Decision::Hold), of(Decision::Promote)]);
    assert_eq!(Rollout::from(promoted), Rollout::GoesOn);
}

#[test]
fn a_rollback_aborts_at_once() {
    let daemon = Daemon::start();
    let failed = run(&daemon, [of(Decision::Hold), of(Decision::Rollback)]);
    assert_eq!((failed, Rollout::from(failed)), (Phase::Failed, Rollout::Aborts));
}

#[test]
fn holds_to_the_end_pause_and_would_promote_without_the_limit() {
    let daemon = Daemon::start();
    let asked = manifests::argo("argo-analysis-web.yaml", "verdict");
    daemon.says(of(Decision::Hold));
    let hold = argo::web(&daemon, &asked.what, &asked.metric);
    assert_eq!(hold, Phase::Inconclusive);
    let ends = |limits: Limits| {
        let mut run = Run::new(limits);
        (0..asked.limits.count.unwrap()).map(|_| run.add(hold)).last().unwrap()
    };
    assert_eq!(Rollout::from(ends(asked.limits)), Rollout::Pauses);
    // The trap: what was never promoted counts as a success.
    let careless = Limits { consecutive_success: None, ..asked.limits };
    assert_eq!(Rollout::from(ends(careless)), Rollout::GoesOn);
    // The other one: the first hold ends the run.
    let hasty = Limits { inconclusive: None, ..asked.limits };
    assert_eq!(Run::new(hasty).add(hold), Phase::Inconclusive);
}

#[test]
fn a_verdict_on_another_release_is_none() {
    let daemon = Daemon::start();
    for decision in [Decision::Promote, Decision::Rollback] {
        assert_eq!(run(&daemon, [result(decision)]), Phase::Running);
        assert_eq!(run(&daemon, [of_release("old", result(decision))]), Phase::Running);
    }
    let verdict = daemon.verdict(&format!("{VERDICT}?release=7f9c"));
    assert_eq!((&verdict["verdict"], &verdict["release"]), (&json!("hold"), &json!("old")));
    assert!(verdict["reason"].as_str().unwrap().contains("7f9c"), "{verdict}");
    // Who does not ask about a release is told of whatever is there.
    assert_eq!(daemon.verdict(VERDICT)["verdict"], "rollback");
}

#[test]
fn starting_is_a_measurement_too() {
    let daemon = Daemon::with(vec![served("checkout", OnStale::Hold)], None);
    let asked = manifests::argo("argo-analysis-web.yaml", "start");
    let answer = daemon.post(&asked.what, r#"{"release": "7f9c"}"#);
    assert_eq!(answer.status, 202);
    assert_eq!(asked.metric.evaluate(&answer.json().into()), Phase::Successful);
    assert_eq!(Run::new(asked.limits).add(Phase::Successful), Phase::Successful);
    let locked = Daemon::with(vec![served("checkout", OnStale::Hold)], Some(TOKEN));
    assert_eq!(locked.post(&asked.what, "").status, 401);
}

#[test]
fn a_stale_promotion_is_a_hold_and_a_stale_rollback_stays() {
    let daemon = Daemon::start();
    assert_eq!(run(&daemon, [old(of(Decision::Promote))]), Phase::Running);
    let verdict = daemon.verdict(VERDICT);
    assert_eq!((&verdict["verdict"], &verdict["stale"]), (&json!("hold"), &json!(true)));
    assert_eq!(run(&daemon, [old(of(Decision::Rollback))]), Phase::Failed);
    assert_eq!(daemon.verdict(VERDICT)["stale"], true);
    // The same when the events are not read any more, whatever the age.
    daemon.says(of(Decision::Promote));
    let away = driftline::ops::Component::not_ready("kafka", "no broker is connected");
    daemon.status.set_components(vec![away], None);
    let verdict = daemon.verdict(VERDICT);
    assert_eq!((&verdict["verdict"], &verdict["stale"]), (&json!("hold"), &json!(true)));
    assert!(verdict["reason"].as_str().unwrap().contains("no broker"), "{verdict}");
    // InfluxDB is not needed for a verdict.
    let away = driftline::ops::Component::not_ready("influxdb", "refused");
    daemon.status.set_components(vec![away], None);
    assert_eq!(daemon.verdict(VERDICT)["verdict"], "promote");
    daemon.status.set_stopping();
    assert_eq!(daemon.verdict(VERDICT)["verdict"], "hold");
}

#[test]
fn where_that_is_wanted_a_stale_verdict_is_an_error_and_errors_abort() {
    let daemon = Daemon::with(vec![served("checkout", OnStale::Error)], None);
    let asked = manifests::argo("argo-analysis-web.yaml", "verdict");
    let mut run = Run::new(Limits { consecutive_error: None, ..asked.limits });
    daemon.says(old(of(Decision::Promote)));
    let answer = daemon.get(VERDICT);
    assert_eq!((answer.status, answer.json()["verdict"].as_str()), (503, Some("hold")));
    assert!(!has_null(&answer.json()));
    let phases: Vec<Phase> =
        (0..5).map(|_| run.add(argo::web(&daemon, &asked.what, &asked.metric))).collect();
    assert_eq!(phases[3..], [Phase::Running, Phase::Error]);
    // What is proven is no error.
    daemon.says(old(of(Decision::Rollback)));
    assert_eq!(argo::web(&daemon, &asked.what, &asked.metric), Phase::Failed);
    // Neither is an experiment that waits for its start.
    daemon.says(ExperimentResult {
        phase: ExperimentPhase::Waiting,
        began: None,
        ..old(result(Decision::Hold))
    });
    assert_eq!(daemon.verdict(VERDICT)["phase"], "waiting");
    // One that was started and has looked at nothing since is.
    let unseen = ExperimentResult { began: None, ..result(Decision::Hold) };
    daemon.says(unseen.clone());
    assert_eq!(daemon.get(VERDICT).status, 200);
    daemon.says(old(unseen.clone()));
    let answer = daemon.get(VERDICT);
    assert_eq!((answer.status, &answer.json()["stale"]), (503, &json!(true)));
    assert!(answer.json()["reason"].as_str().unwrap().contains("since the start at"), "{}", answer.body);
    // One that nobody started has as long from the daemon's own beginning on.
    daemon.says(ExperimentResult { end: driftline::event::EventTime(0), ..unseen });
    assert_eq!(daemon.get(VERDICT).status, 200);
}

#[test]
fn what_ended_is_not_stale_and_is_promoted_late_by_its_release_alone() {
    let daemon = Daemon::with(vec![served("checkout", OnStale::Error)], None);
    let ended = |said: ExperimentResult| ExperimentResult { phase: ExperimentPhase::Ended, ..said };
    daemon.says(ended(of(Decision::Promote)));
    assert_eq!(daemon.verdict(VERDICT)["verdict"], "promote");
    daemon.says(ended(old(of(Decision::Promote))));
    let late = daemon.verdict(VERDICT);
    assert_eq!((&late["verdict"], &late["stale"]), (&json!("hold"), &json!(false)));
    assert!(late["reason"].as_str().unwrap().contains("no release is named"), "{late}");
    assert_eq!(daemon.verdict(&format!("{VERDICT}?release=7f9c"))["verdict"], "promote");
    assert_eq!(daemon.verdict(&format!("{VERDICT}?release=8a00"))["verdict"], "hold");
    daemon.says(ended(old(of(Decision::Rollback))));
    assert_eq!(daemon.verdict(VERDICT)["verdict"], "rollback");
    // While new events are not judged, another one may have been started elsewhere.
    daemon.says(ended(of(Decision::Promote)));
    daemon.status.set_components(vec![Component::not_ready("kafka", "no broker is connected")], None);
    assert_eq!(daemon.get(VERDICT).status, 503);
}

#[test]
fn what_is_not_known_is_held_and_says_what_is() {
    let daemon =
        Daemon::with(vec![served("checkout", OnStale::Error), served("search", OnStale::Hold)], None);
    let asked = manifests::argo("argo-analysis-web.yaml", "verdict");
    let wrong = "/api/v1/experiments/checkout2/verdict";
    assert_eq!(argo::web(&daemon, wrong, &asked.metric), Phase::Inconclusive);
    let verdict = daemon.verdict(wrong);
    assert!(verdict["reason"].as_str().unwrap().contains("checkout, search"), "{verdict}");
    assert_eq!((&verdict["arm"], &verdict["evidence"]), (&json!(""), &json!({})));
    // Configured, and the daemon has not begun to judge.
    assert_eq!(daemon.get(VERDICT).status, 503);
    assert_eq!(daemon.verdict("/api/v1/experiments/search/verdict")["stale"], true);
    daemon.says(result(Decision::Promote));
    let verdict = daemon.verdict(&format!("{VERDICT}?arm=c"));
    assert_eq!(verdict["verdict"], "hold");
    assert!(verdict["reason"].as_str().unwrap().contains("there are: b"), "{verdict}");
}

#[test]
fn data_that_can_not_be_trusted_is_seen() {
    let daemon = Daemon::start();
    let mut unhealthy = result(Decision::Hold);
    unhealthy.health.ok = false;
    unhealthy.health.srm_ok = false;
    unhealthy.ready = false;
    daemon.says(unhealthy);
    let verdict = daemon.verdict(VERDICT);
    assert_eq!([&verdict["healthy"], &verdict["srm_ok"], &verdict["ready"]], [false; 3]);
    let strict = Metric::new("result.healthy && result.verdict == \"promote\"", "!result.healthy");
    assert_eq!(argo::web(&daemon, VERDICT, &strict), Phase::Failed);
}

#[test]
fn one_of_several_challengers_can_be_asked_about() {
    let daemon = Daemon::start();
    let challengers = vec![challenger("b", Decision::Promote), challenger("c", Decision::Rollback)];
    daemon.says(ExperimentResult { challengers, arm: Some("b".to_owned()), ..result(Decision::Promote) });
    let asked = |path: &str| {
        let verdict = daemon.verdict(path);
        (verdict["verdict"].as_str().unwrap().to_owned(), verdict["arm"].as_str().unwrap().to_owned())
    };
    assert_eq!(asked(VERDICT), ("promote".to_owned(), "b".to_owned()));
    assert_eq!(asked(&format!("{VERDICT}?arm=c")), ("rollback".to_owned(), "c".to_owned()));
    assert_eq!(asked(&format!("{VERDICT}?arm=b&release=")), ("promote".to_owned(), "b".to_owned()));
    let challengers = vec![challenger("b", Decision::Hold), challenger("c", Decision::Hold)];
    daemon.says(ExperimentResult { challengers, ..result(Decision::Hold) });
    assert_eq!(asked(VERDICT), ("hold".to_owned(), String::new()));
}

#[test]
fn a_json_path_gives_the_word_alone() {
    let daemon = Daemon::start();
    let path = |json_path: &str| Metric {
        json_path: json_path.to_owned(),
        ..Metric::new("result == \"promote\"", "result == \"rollback\"")
    };
    for (decision, phase) in [
        (Decision::Promote, Phase::Successful),
        (Decision::Hold, Phase::Inconclusive),
        (Decision::Rollback, Phase::Failed),
    ] {
        daemon.says(result(decision));
        assert_eq!(argo::web(&daemon, VERDICT, &path("{$.verdict}")), phase);
    }
    assert_eq!(argo::web(&daemon, VERDICT, &path("{$.missing}")), Phase::Error);
}

#[test]
fn numbers_that_can_not_be_computed_are_left_out() {
    let daemon = Daemon::start();
    let mut brier = metric("brier", MetricRole::Goal);
    (brier.estimate, brier.lower, brier.upper) = (None, Some(f64::NAN), Some(f64::INFINITY));
    let b = ChallengerResult {
        metrics: vec![brier, metric("p99-latency", MetricRole::Guardrail)],
        score: f64::NAN,
        ..challenger("b", Decision::Hold)
    };
    daemon.says(ExperimentResult {
        challengers: vec![b],
        score: f64::NAN,
        began: None,
        ..result(Decision::Hold)
    });
    let verdict = daemon.verdict(VERDICT);
    assert_eq!((&verdict["score"], verdict.get("end")), (&json!(0.0), None));
    let brier =
        json!({ "role": "goal", "verdict": "undecided", "n": 1_000, "scale": "difference", "e_value": 12.5 });
    assert_eq!(verdict["evidence"]["brier"], brier);
    assert_eq!(verdict["evidence"]["p99-latency"]["e_value"], 70.0);
    let evaluated = |condition: &str| argo::web(&daemon, VERDICT, &Metric::new(condition, ""));
    assert_eq!(evaluated("result.evidence[\"p99-latency\"].upper < 0"), Phase::Successful);
    // What is not there has no size; there has to be something in its place.
    assert_eq!(evaluated("result.evidence.brier.lower > 0"), Phase::Error);
    assert_eq!(evaluated("(result.evidence?.brier?.lower ?? -1.0) > 0"), Phase::Failed);
}

#[test]
fn every_method_of_the_provider_is_answered_alike() {
    let daemon = Daemon::start();
    daemon.says(result(Decision::Promote));
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let url = daemon.url(VERDICT);
    for request in [client.get(&url), client.post(&url).body("{\"x\": 1}"), client.put(&url)] {
        let answer = crate::support::servers::http::send(request).unwrap();
        assert_eq!((answer.status, &answer.json()["verdict"]), (200, &json!("promote")));
    }
}
