//! What people and scripts see of experiments, and the daemon's metrics of them.

use driftline::{
    experiment::ExperimentAction,
    ops::OnStale,
    result::{Decision, ExperimentResult},
};
use serde_json::json;

use crate::{
    rig::{Daemon, TOKEN, of_release, old, result, served},
    support::servers::{
        http::{self, send},
        or_skip, promtool,
    },
};

#[test]
fn experiments_are_listed_and_shown_in_full() {
    let daemon = Daemon::with(vec![served("checkout", OnStale::Hold), served("search", OnStale::Hold)], None);
    let promoted = of_release("7f9c", result(Decision::Promote));
    daemon.says(promoted.clone());
    let list = daemon.get("/api/v1/experiments").success().json();
    let expected = json!({
        "id": "checkout", "model": "credit", "phase": "running", "verdict": "promote",
        "reason": "because of promote", "ready": true, "score": 40.0, "end": promoted.end,
    });
    assert_eq!(list["experiments"][0], expected);
    let expected = json!({
        "id": "search", "phase": "unknown", "verdict": "hold", "reason": "nothing is known yet",
        "ready": false, "score": 0.0,
    });
    assert_eq!(list["experiments"][1], expected);
    let shown: ExperimentResult =
        serde_json::from_str(&daemon.get("/api/v1/experiments/checkout").success().body).unwrap();
    assert_eq!(shown, promoted);
    for (path, hint) in [("search", "/ready"), ("search2", "there are: checkout, search")] {
        let answer = daemon.get(&format!("/api/v1/experiments/{path}"));
        assert_eq!(answer.status, 404);
        assert!(answer.json()["hint"].as_str().unwrap().contains(hint), "{}", answer.body);
    }
    let none = Daemon::with(Vec::new(), None);
    assert_eq!(none.get("/api/v1/experiments").json(), json!({ "experiments": [] }));
    assert_eq!(none.get("/api/v1/experiments/x").json()["hint"], "none is configured");
    let refused = daemon.get("/api/v1/experiments/checkout/verdict?colour=red");
    assert_eq!(
        (refused.status, refused.json()["hint"].as_str()),
        (400, Some("possible are arm and release"))
    );
}

#[test]
fn scripts_start_and_stop_with_the_token() {
    let daemon = Daemon::with(vec![served("checkout", OnStale::Hold)], Some(TOKEN));
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let send = |path: &str, token: &str, body: &str| {
        let request = client.post(daemon.url(path)).bearer_auth(token).body(body.to_owned());
        send(request).unwrap()
    };
    let start = "/api/v1/experiments/checkout/start";
    let told = || daemon.changes().into_iter().map(|change| change.action).collect::<Vec<_>>();
    let begun = send(start, TOKEN, "{\"release\": \"v7\"}");
    assert_eq!((begun.status, &begun.json()["action"]["start"]["release"]), (202, &json!("v7")));
    assert_eq!(send(start, TOKEN, " ").status, 202);
    assert_eq!(send("/api/v1/experiments/checkout/stop", TOKEN, "").status, 202);
    let of = |release: &str| ExperimentAction::Start { release: release.to_owned() };
    assert_eq!(told(), [of("v7"), of(""), ExperimentAction::Stop]);
    assert_eq!(send(start, "wrong", "").status, 401);
    assert_eq!(daemon.post(start, "").status, 401);
    assert_eq!(send("/api/v1/experiments/checkout2/stop", TOKEN, "").status, 404);
    let long = format!("{{\"release\": \"{}\"}}", "x".repeat(201));
    for body in ["{", "{\"version\": 1}", "{\"release\": 1}", &long] {
        assert_eq!(send(start, TOKEN, body).status, 400, "{body:.40}");
    }
    assert_eq!(send(start, TOKEN, &"x".repeat(100_000)).status, 413);
    assert_eq!(daemon.get(start).status, 405);
    assert!((0..2_000).any(|_| send(start, TOKEN, "").status == 429), "a loop keeps the pipeline busy");
    assert!(!told().is_empty());
    std::thread::sleep(std::time::Duration::from_millis(1_100));
    daemon.listens.store(false, std::sync::atomic::Ordering::Relaxed);
    assert_eq!(send(start, TOKEN, "").status, 503);
    assert_eq!(told(), []);
    let mut closed = served("checkout", OnStale::Hold);
    closed.hooks = false;
    let closed = Daemon::with(vec![closed], None);
    let refused = closed.post(start, "");
    assert_eq!(refused.status, 403);
    assert!(refused.json()["hint"].as_str().unwrap().contains("hooks = true"));
}

#[test]
fn metrics_of_every_experiment_are_there_at_all_times() {
    let daemon = Daemon::with(vec![served("checkout", OnStale::Hold), served("search", OnStale::Hold)], None);
    daemon.says(result(Decision::Promote));
    let has = |line: &str| {
        let page = daemon.get("/metrics").success().body;
        assert!(page.lines().any(|found| found == line), "{line} is not in\n{page}");
    };
    for (name, checkout, search) in
        [("verdict", 1, 0), ("score", 40, 0), ("ready", 1, 0), ("healthy", 1, 0), ("stale", 0, 1)]
    {
        has(&format!("driftline_experiment_{name}{{experiment=\"checkout\"}} {checkout}"));
        has(&format!("driftline_experiment_{name}{{experiment=\"search\"}} {search}"));
    }
    daemon.says(old(result(Decision::Promote)));
    has("driftline_experiment_verdict{experiment=\"checkout\"} 0");
    has("driftline_experiment_stale{experiment=\"checkout\"} 1");
    let Some(verdict) = or_skip(promtool(&daemon.get("/metrics").body)) else { return };
    assert_eq!(verdict, Ok(()));
    assert!(http::get(&daemon.url("/"), None).unwrap().body.contains("/api/v1/flagger/"));
}
