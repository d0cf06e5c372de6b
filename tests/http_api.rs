//! The daemon's pages, served by the real server over a status that the test
//! fills: everything that a client can see without Kafka and InfluxDB, which
//! `tests/daemon.rs` adds.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod support;

use std::{collections::BTreeMap, sync::Arc};

use driftline::{
    alert::{Alert, AlertStatus, AlertView, Labels, Outcome, Severity},
    event::{EventTime, RejectReason},
    ops::{
        Component, CoreMetrics, ExperimentPages, ReloadMetrics, Status, register_build_info,
        register_process_metrics, router, serve,
    },
    pipeline::{Counters, ModelStatus},
    reference::{ColumnRole, ReferenceBuilder, Value},
    result::{BinShare, NamedCount, StreamKey, WindowResult},
};
use prometheus::Registry;
use serde_json::json;
use support::servers::{
    http::{self, Answer, block_on},
    or_skip, promtool,
};
use tokio::net::TcpListener;

/// A server over a status of its own.
struct Served {
    status: Arc<Status>,
    registry: Registry,
    address: String,
}

impl Served {
    fn start() -> Self {
        let status = Arc::new(Status::new(3, 10));
        let registry = Registry::new();
        let address = block_on(async {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let address = listener.local_addr().unwrap().to_string();
            let pages = ExperimentPages::default();
            tokio::spawn(serve(listener, router(Arc::clone(&status), registry.clone(), None, None, pages)));
            address
        });
        Self { status, registry, address }
    }

    fn get(&self, path: &str) -> Answer {
        http::get(&format!("http://{}{path}", self.address), None).expect("an answer")
    }

    fn error(&self, path: &str, status: u16) -> String {
        let answer = self.get(path);
        assert_eq!(
            (answer.status, answer.content_type.as_str()),
            (status, "application/json"),
            "{}",
            answer.body
        );
        let body = answer.json();
        format!("{}; {}", body["error"].as_str().unwrap(), body["hint"].as_str().unwrap())
    }
}

fn stream(version: &str) -> StreamKey {
    StreamKey { model: "credit/eu".into(), version: version.into(), variant: "none".into() }
}

fn window(version: &str, end: i64, events: u64) -> WindowResult {
    let empty = WindowResult::empty(stream(version), "1s", EventTime(end - 1_000), EventTime(end));
    WindowResult { events, reference_rows: 10, ..empty }
}

fn model(name: &str) -> ModelStatus {
    ModelStatus {
        name: name.to_owned(),
        reference: None,
        learning: None,
        streams: Vec::new(),
        unknown_features: Vec::new(),
        open_panes: 0,
        state_bytes: 0,
        waiting: 0,
    }
}

#[test]
fn readiness_gives_each_component_and_its_reason() {
    let served = Served::start();
    assert_eq!(served.get("/live").status, 200);
    let starting = served.get("/ready");
    assert_eq!(starting.status, 503);
    assert_eq!(starting.json()["components"][0]["reason"], "starting");

    let refused = Component::not_ready("influxdb", "401: the token is not accepted");
    served.status.set_components(vec![Component::ready("kafka"), refused], None);
    let answer = served.get("/ready");
    assert_eq!(answer.status, 503);
    let expected = json!({ "ready": false, "components": [
        { "name": "kafka", "ready": true },
        { "name": "influxdb", "ready": false, "reason": "401: the token is not accepted" },
    ] });
    assert_eq!(answer.json(), expected);

    served.status.set_components(vec![Component::ready("kafka")], None);
    assert_eq!(served.get("/ready").status, 200);
    served.status.set_stopping();
    assert_eq!(served.get("/ready").json()["components"][1]["reason"], "stopping");
    assert_eq!(served.get("/live").status, 200);
}

#[test]
fn models_show_their_reference_or_how_far_learning_is() {
    let served = Served::start();
    let mut builder = ReferenceBuilder::new("credit/eu", &BTreeMap::new(), 10);
    for row in 0..20_i64 {
        let amount = Value::Number(f64::from(i32::try_from(row).unwrap()));
        builder.push_row_at(EventTime(1_000 + row), [("amount", ColumnRole::Feature, amount)]);
    }
    let (reference, _) = builder.finish("training.csv".into()).unwrap();
    let columns = reference.columns.len();
    let watching = ModelStatus {
        reference: Some(Arc::new(reference)),
        streams: vec![stream("v1")],
        unknown_features: vec![NamedCount { name: "colour".into(), count: 7 }],
        open_panes: 2,
        state_bytes: 4_096,
        waiting: 3,
        ..model("credit/eu")
    };
    let learning = ModelStatus { learning: Some((1_200, Some(10_000))), ..model("churn") };
    served.status.set_models(vec![watching, learning]);
    let answer = served.get("/api/v1/models").json();
    assert_eq!(
        answer["models"][0],
        json!({
            "name": "credit/eu",
            "state": "watching",
            "reference": { "source": "training.csv", "rows": 20, "columns": columns, "from": 1_000, "until": 1_019 },
            "learning": null,
            "streams": [{ "version": "v1", "variant": "none" }],
            "unknown_features": [{ "name": "colour", "count": 7 }],
            "open_panes": 2,
            "state_bytes": 4_096,
            "waiting_joins": 3,
        })
    );
    assert_eq!(answer["models"][1]["state"], "learning, 1,200 of 10,000 rows");
    assert_eq!(answer["models"][1]["learning"], json!({ "rows": 1_200, "target_rows": 10_000 }));
    assert_eq!(answer["models"][1]["reference"], json!(null));
}

#[test]
fn windows_come_newest_first_filtered_and_limited() {
    let served = Served::start();
    served.status.set_models(vec![model("credit/eu")]);
    for (version, end, events) in [("v1", 1_000, 1), ("v1", 2_000, 2), ("v2", 2_000, 3), ("v1", 3_000, 4)] {
        served.status.keep(window(version, end, events));
    }
    // A rewritten window takes the place of the old one.
    served.status.keep(window("v1", 2_000, 20));
    let events = |query: &str| -> Vec<u64> {
        let answer = served.get(&format!("/api/v1/models/credit%2Feu/windows{query}")).json();
        assert_eq!(answer["model"], "credit/eu");
        answer["windows"]
            .as_array()
            .unwrap()
            .iter()
            .map(|window| window["events"].as_u64().unwrap())
            .collect()
    };
    assert_eq!(events(""), [4, 20, 3, 1]);
    assert_eq!(events("?version=v1&limit=2"), [4, 20]);
    assert_eq!(events("?version=v2&variant=none"), [3]);
    assert_eq!(events("?variant=b"), [0_u64; 0]);
    let first = &served.get("/api/v1/models/credit%2Feu/windows?limit=1").json()["windows"][0];
    let read: WindowResult = serde_json::from_value(first.clone()).unwrap();
    assert_eq!(read, window("v1", 3_000, 4));
}

#[test]
fn requests_for_what_is_not_there_are_told_what_is() {
    let served = Served::start();
    served.status.set_models(vec![model("churn"), model("credit/eu")]);
    let missing = served.error("/api/v1/model", 404);
    assert!(
        missing.contains("/api/v1/model") && missing.contains("/api/v1/models/{model}/windows"),
        "{missing}"
    );
    let model = served.error("/api/v1/models/credit/windows", 404);
    assert_eq!(model, "there is no model \"credit\"; there are: churn, credit/eu");
    for query in ["limit=0", "limit=1001", "limit=all", "colour=red"] {
        let refused = served.error(&format!("/api/v1/models/churn/windows?{query}"), 400);
        assert!(refused.contains("limit"), "{query}: {refused}");
    }
    let posted =
        http::post(&format!("http://{}/ready", served.address), None, "text/plain", "x".repeat(100_000));
    assert_eq!(posted.status, 405);
    assert_eq!(posted.json()["error"], "POST is not possible here");
}

#[test]
fn the_index_names_every_endpoint_and_they_answer() {
    let served = Served::start();
    let index = served.get("/");
    assert_eq!(index.content_type, "text/html; charset=utf-8");
    let links: Vec<&str> =
        index.body.split("href=\"").skip(1).map(|rest| rest.split('"').next().unwrap()).collect();
    let alerts = ["/api/v1/alerts", "/api/v1/silences", "/api/v1/experiments"];
    assert_eq!(links, [&["/", "/live", "/ready", "/metrics", "/api/v1/models"], &alerts[..]].concat());
    for link in links {
        assert_ne!(served.get(link).status, 404, "{link}");
    }
    assert!(index.body.contains("/api/v1/models/{model}/windows"));
}

/// An alert as the engine shows it, told apart by its feature.
fn alert(feature: &str, severity: Severity, weight: f64) -> AlertView {
    let labels = [("alertname", "feature_drift"), ("model", "credit/eu"), ("feature", feature)];
    AlertView {
        state: "firing",
        outcome: Some(Outcome::Breach),
        silenced_by: None,
        inhibited_by: None,
        muted_by: None,
        alert: Alert {
            fingerprint: format!("{feature}-0123"),
            rule: "feature_drift".to_owned(),
            severity,
            labels: labels.map(|(name, value)| (name.to_owned(), value.to_owned())).into(),
            annotations: Labels::from([("summary".to_owned(), format!("{feature} <has> drifted"))]),
            status: AlertStatus::Firing,
            starts_at: EventTime(3_600_000),
            ends_at: None,
            window: Some((EventTime(0), EventTime(3_600_000))),
            weight,
            bins: vec![BinShare { label: "a<b".to_owned(), reference: 0.25, window: 0.75 }],
        },
    }
}

#[test]
fn alerts_come_by_weight_narrowed_and_without_their_distributions() {
    let served = Served::start();
    let views = vec![
        alert("age", Severity::Warning, 1.0),
        alert("income", Severity::Warning, 2.0),
        alert("prediction", Severity::Critical, 0.5),
    ];
    served.status.set_alerts(views, Vec::new());
    let features = |path: &str| {
        let body = served.get(path).json();
        let alerts = body["alerts"].as_array().unwrap().clone();
        alerts.iter().map(|alert| alert["labels"]["feature"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(features("/api/v1/alerts"), ["prediction", "income", "age"]);
    assert_eq!(features("/api/v1/alerts?severity=critical&state=firing"), ["prediction"]);
    assert!(features("/api/v1/alerts?model=other").is_empty());
    let first = &served.get("/api/v1/alerts").json()["alerts"][0];
    assert_eq!((first["outcome"].as_str(), first.get("bins")), (Some("breach"), None));
    let refused = served.error("/api/v1/alerts?colour=red", 400);
    assert!(refused.contains("colour"), "{refused}");
}

#[test]
fn the_distribution_of_an_alert_is_a_picture() {
    let served = Served::start();
    let plain = AlertView {
        alert: Alert { bins: Vec::new(), ..alert("none", Severity::Info, 0.0).alert },
        ..alert("none", Severity::Info, 0.0)
    };
    served.status.set_alerts(vec![alert("age", Severity::Warning, 1.0), plain], Vec::new());
    let svg = served.get("/api/v1/alerts/age-0123/picture.svg");
    assert_eq!((svg.status, svg.content_type.as_str()), (200, "image/svg+xml"));
    assert!(svg.body.contains("age &lt;has&gt; drifted") && !svg.body.contains("<has>"), "{}", svg.body);
    let url = format!("http://{}/api/v1/alerts/age-0123/picture.png", served.address);
    let png = block_on(async { reqwest::get(url).await.unwrap().bytes().await.unwrap() });
    assert!(png.starts_with(b"\x89PNG"));
    served.error("/api/v1/alerts/none-0123/picture.svg", 404);
    served.error("/api/v1/alerts/nobody/picture.png", 404);
}

#[test]
fn without_a_token_nothing_can_be_silenced() {
    let served = Served::start();
    let url = format!("http://{}/api/v1/silences", served.address);
    let silence = r#"{"matchers": {"model": "*"}, "seconds": 60}"#;
    let answer = http::post(&url, None, "application/json", silence.to_owned());
    assert_eq!(answer.status, 403);
    assert!(answer.json()["hint"].as_str().unwrap().contains("api_token_file"), "{}", answer.body);
}

fn fill(registry: &Registry) {
    register_build_info(registry).unwrap();
    register_process_metrics(registry).unwrap();
    ReloadMetrics::register(registry).unwrap().note(false);
    let core = CoreMetrics::register(registry).unwrap();
    core.add(&Counters {
        messages: 5,
        bytes: 500,
        rejected: [1; RejectReason::ALL.len()],
        ..Counters::default()
    });
    core.observe_step(0.002, true);
    core.observe_close(EventTime(1_000), EventTime(4_000));
    core.set_watermark(Some(EventTime(1_000)), EventTime(4_500));
    core.set_models(&[model("credit/eu")]);
}

#[test]
fn metrics_count_what_the_core_counted() {
    let served = Served::start();
    fill(&served.registry);
    let page = served.get("/metrics");
    assert_eq!(page.content_type, "text/plain; version=0.0.4; charset=utf-8");
    for line in [
        "driftline_messages_processed_total 5",
        "driftline_payload_bytes_total 500",
        "driftline_messages_rejected_total{reason=\"unknown_model\"} 1",
        "driftline_events_dropped_total{reason=\"late\"} 0",
        "driftline_watermark_delay_seconds 3.5",
        "driftline_window_close_delay_seconds_sum 3",
        "driftline_step_seconds_count{windows_written=\"yes\"} 1",
        "driftline_config_last_reload_successful 0",
        "driftline_config_reloads_total{outcome=\"failure\"} 1",
        "driftline_open_panes{model=\"credit/eu\"} 0",
    ] {
        assert!(page.body.lines().any(|found| found == line), "{line} is not in\n{}", page.body);
    }
    assert!(page.body.contains(concat!(
        "driftline_build_info{version=\"",
        env!("CARGO_PKG_VERSION"),
        "\"} 1"
    )));
}

#[test]
fn prometheus_finds_nothing_to_complain_about() {
    let served = Served::start();
    fill(&served.registry);
    let Some(verdict) = or_skip(promtool(&served.get("/metrics").body)) else { return };
    assert_eq!(verdict, Ok(()));
}
