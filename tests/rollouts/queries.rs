//! The prometheus providers of both tools in front of the daemon itself.

use driftline::result::{Decision, ExperimentResult, MetricRole};
use serde_json::json;

use crate::{
    analysis::{Phase, Run},
    argo::{self, Metric},
    flagger, manifests,
    rig::{Daemon, challenger, metric, of_release, old, result},
    support::servers::http,
};

#[test]
fn argo_promotes_holds_and_rolls_back_by_number() {
    let daemon = Daemon::start();
    let asked = manifests::argo("argo-analysis-prometheus.yaml", "verdict");
    for (said, phase) in [
        (result(Decision::Hold), Phase::Running),
        (result(Decision::Promote), Phase::Successful),
        (result(Decision::Rollback), Phase::Failed),
        (old(result(Decision::Promote)), Phase::Running),
        (old(result(Decision::Rollback)), Phase::Failed),
    ] {
        daemon.says(said);
        let measured = argo::prometheus(&daemon, &asked.what, &asked.metric);
        assert_eq!(Run::new(asked.limits).add(measured), phase);
    }
    // A list without a first place.
    let unknown = "driftline_experiment_verdict{experiment=\"checkout2\"}";
    assert_eq!(argo::prometheus(&daemon, unknown, &asked.metric), Phase::Error);
    let unknown = "driftline_experiment_verdicts{experiment=\"checkout\"}";
    assert_eq!(argo::prometheus(&daemon, unknown, &asked.metric), Phase::Error);
}

#[test]
fn flagger_finds_the_server_and_its_numbers() {
    let daemon = Daemon::start();
    assert!(flagger::is_online(&daemon));
    let mut error_rate = metric("error_rate", MetricRole::Guardrail);
    error_rate.upper = None;
    let mut b = challenger("b", Decision::Promote);
    b.metrics.push(error_rate);
    daemon.says(ExperimentResult { challengers: vec![b], ..result(Decision::Promote) });
    let found: Vec<_> = manifests::queries().iter().map(|query| flagger::query(&daemon, query)).collect();
    assert_eq!(found, [Ok(1.0), Ok(-0.006)]);
    let one = |name: &str| {
        flagger::query(&daemon, &format!("driftline_experiment_{name}{{experiment='checkout'}}"))
    };
    assert_eq!(
        [one("score"), one("ready"), one("healthy"), one("stale")],
        [Ok(40.0), Ok(1.0), Ok(1.0), Ok(0.0)]
    );
    let of_metric = |name: &str, metric: &str| {
        flagger::query(&daemon, &format!("driftline_experiment_{name}{{metric=\"{metric}\", arm=\"b\"}}"))
    };
    assert_eq!(of_metric("estimate", "brier"), Ok(-0.004));
    assert_eq!(of_metric("upper", "p99-latency"), Ok(-0.002));
    assert_eq!(of_metric("e_better", "brier"), Ok(12.5));
    assert_eq!(of_metric("e_worse", "brier"), Ok(0.25));
    let of_scale = |scale: &str| {
        flagger::query(
            &daemon,
            &format!("driftline_experiment_estimate{{metric=\"brier\",scale=\"{scale}\"}}"),
        )
    };
    assert_eq!(of_scale("difference"), Ok(-0.004));
    // Nothing is there, and nothing is what is found.
    let nothing = Err("no values found".to_owned());
    assert_eq!(of_metric("upper", "error_rate"), nothing);
    assert_eq!(of_scale("relative"), nothing);
    assert_eq!(of_metric("estimate", "briar"), nothing);
    // Bounds that are old are none.
    daemon.says(old(result(Decision::Promote)));
    assert_eq!(of_metric("estimate", "brier"), nothing);
    assert_eq!([one("verdict"), one("stale")], [Ok(0.0), Ok(1.0)]);
}

#[test]
fn answers_have_the_shape_that_clients_parse() {
    let daemon = Daemon::start();
    daemon.says(of_release("7f9c", result(Decision::Rollback)));
    let query = [("query", "driftline_experiment_verdict{experiment=\"checkout\"}"), ("timeout", "5s")];
    let url = daemon.url("/api/v1/query");
    let got = http::get_with(&url, None, &query);
    let form = argo::http_form(&query);
    let posted = http::post(&url, None, "application/x-www-form-urlencoded", form);
    for answer in [got, posted] {
        let body = answer.success().json();
        let sample = &body["data"]["result"][0];
        assert_eq!((&body["status"], &body["data"]["resultType"]), (&json!("success"), &json!("vector")));
        let labels = json!({ "__name__": "driftline_experiment_verdict", "experiment": "checkout" });
        assert_eq!((&sample["metric"], &sample["value"][1]), (&labels, &json!("-1")));
        assert!(sample["value"][0].as_f64().unwrap() > 1.7e9);
    }
}

#[test]
fn queries_that_are_not_understood_say_so() {
    let daemon = Daemon::start();
    daemon.says(result(Decision::Promote));
    let url = daemon.url("/api/v1/query");
    for (query, hint) in [
        ("driftline_experiment_verdict > 0", "is not understood"),
        ("driftline_experiment_verdict{experiment=~\"c.*\"}", "only be compared with ="),
        ("up", "there are: driftline_experiment_verdict"),
        ("", "no metric is named"),
    ] {
        let answer = http::get_with(&url, None, &[("query", query)]);
        let body = answer.json();
        assert_eq!(
            (answer.status, &body["status"], &body["errorType"]),
            (400, &json!("error"), &json!("bad_data"))
        );
        assert!(body["error"].as_str().unwrap().contains(hint), "{body}");
        assert_eq!(argo::prometheus(&daemon, query, &Metric::new("result[0] == 1", "")), Phase::Error);
        flagger::query(&daemon, query).unwrap_err();
    }
    assert_eq!(daemon.get("/api/v1/query").status, 400);
    let json = daemon.post("/api/v1/query", "{\"query\": \"vector(1)\"}");
    assert_eq!((json.status, &json.json()["errorType"]), (415, &json!("bad_data")));
    let large = format!("query={}", "x".repeat(100_000));
    let large = http::post(&url, None, "application/x-www-form-urlencoded", large);
    assert_eq!((large.status, &large.json()["status"]), (413, &json!("error")));
}
