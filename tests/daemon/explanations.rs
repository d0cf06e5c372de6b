//! Explanations from events to points and pages, through crashes and stops.

use std::{collections::BTreeMap, fs};

use serde_json::{Value, json};

use crate::{
    bench::{
        Bench, NO_ALERTS, PATIENCE, database, get, points, start, wait_for_events, wait_for_log,
        without_state,
    },
    support::{
        credit,
        servers::{
            Daemon, eventually,
            http::{self, block_on},
        },
        stand_in::{Reply, Seen, StandIn},
    },
};

const MODEL: &str = "[coefficients]\namount = 0.01\ncolor_red = 0.2\ncolor_green = 0.1\ncolor_blue = -0.3\n";
const INPUTS: &str = "[[inputs]]\nfeature = \"amount\"\n\n[[inputs]]\nfeature = \"color\"\n\
                      one_hot = [\"red\", \"green\", \"blue\"]\nname = \"color_{}\"\n";
/// Five windows of two versions each.
const EVENTS: u32 = 1_000;
const WINDOWS: usize = 10;

/// A bench whose reference has rows, with a model and its inputs in files.
pub(crate) fn explained() -> Bench {
    let bench = Bench::start(1);
    credit::store_sampled(&bench.folder.join("credit.json"));
    fs::write(bench.folder.join("model.toml"), MODEL).unwrap();
    fs::write(bench.folder.join("inputs.toml"), INPUTS).unwrap();
    bench
}

/// `config` with explanations, of the model that `source` names.
fn with_explanations(bench: &Bench, config: &str, source: &str) -> String {
    let inputs = bench.folder.join("inputs.toml");
    let explain = format!(
        "[models.explain]\nrows = 50\nevaluations_per_second = 10_000_000\ninputs = \"{}\"\n{source}\n[influxdb]\n",
        inputs.display()
    );
    config.replace("[influxdb]\n", &explain)
}

fn from_file(bench: &Bench, config: &str) -> String {
    let model = bench.folder.join("model.toml");
    with_explanations(bench, config, &format!("model = \"{}\"\n", model.display()))
}

pub(crate) fn from_server(bench: &Bench, config: &str, server: &StandIn) -> String {
    let server = format!(
        "[models.explain.server]\nurl = \"{}\"\nprotocol = \"kserve_v1\"\nname = \"credit\"\n",
        server.url()
    );
    with_explanations(bench, config, &server)
}

/// What the server's model says: no sum of its inputs.
fn right(seen: &Seen) -> Reply {
    let body: Value = serde_json::from_str(&seen.body).unwrap();
    let rows: Vec<Vec<f64>> = serde_json::from_value(body["instances"].clone()).unwrap();
    let predictions: Vec<f64> =
        rows.iter().map(|row| row[0] * (0.01 + row[1] - 0.5 * row[3]) + row[2]).collect();
    Reply::status(200).body(&json!({ "predictions": predictions }).to_string())
}

pub(crate) fn model_server() -> StandIn {
    block_on(StandIn::start(right))
}

fn absent(_: &Seen) -> Reply {
    Reply::status(503).body("warming up")
}

/// The points of one measurement.
fn of(database: &StandIn, measurement: &str) -> BTreeMap<String, String> {
    let beginning = format!("{measurement},");
    points(database).into_iter().filter(|(key, _)| key.starts_with(&beginning)).collect()
}

/// All points of explained windows, once there are as many as windows.
fn explanations(database: &StandIn) -> BTreeMap<String, String> {
    eventually("all windows are explained", PATIENCE, || {
        let is_whole =
            of(database, "explanation").len() == WINDOWS && of(database, "attribution").len() == 2 * WINDOWS;
        is_whole.then_some(())
    });
    let mut all = of(database, "explanation");
    all.extend(of(database, "attribution"));
    all
}

/// Asks about an event.
fn ask(daemon: &Daemon, model: &str, token: Option<&str>, body: &str) -> http::Answer {
    let url = format!("http://{}/api/v1/models/{model}/explain", daemon.api.address);
    let mut request = reqwest::Client::new().post(url).body(body.to_owned());
    if let Some(token) = token {
        request = request.bearer_auth(token);
    }
    http::send(request).unwrap()
}

#[test]
fn windows_of_a_model_in_a_file_are_explained_and_events_are_on_demand() {
    let bench = explained();
    let database = database();
    let daemon = start(&from_file(&bench, &bench.config("explained", &database, "")));
    bench.publish(0..EVENTS, 1);
    wait_for_events(&database, u64::from(EVENTS));
    for (key, fields) in explanations(&database) {
        if key.starts_with("explanation,") {
            assert!(fields.contains("method=\"exact_linear\""), "{key} {fields}");
            assert!(fields.contains("rows=50i"), "{key} {fields}");
        }
    }

    let page = "/api/v1/models/credit/explanations";
    let found = get(&daemon, &format!("{page}?version=v1&limit=3")).json();
    let found = found["explanations"].as_array().unwrap().clone();
    assert_eq!(found.len(), 3);
    assert_eq!(found[0]["version"], "v1");
    assert!(found[0]["end"].as_i64().unwrap() > found[1]["end"].as_i64().unwrap(), "the newest first");
    assert_eq!(found[0]["outputs"][0]["features"].as_array().unwrap().len(), 2);
    assert_eq!(get(&daemon, "/api/v1/models/debit/explanations").status, 404);
    assert_eq!(get(&daemon, &format!("{page}?limit=0")).status, 400);

    let by_id = ask(&daemon, "credit", None, r#"{"id":"e999"}"#).success().json();
    let event: Value = serde_json::from_str(&bench.event(999)).unwrap();
    let by_event = ask(&daemon, "credit", None, &json!({ "event": event }).to_string()).success().json();
    assert_eq!(by_id, by_event);
    let output = &by_id["outputs"][0];
    let attributions = output["features"].as_array().unwrap().iter();
    let sum: f64 = attributions.map(|feature| feature["attribution"].as_f64().unwrap()).sum();
    let (base, value) = (output["base_value"].as_f64().unwrap(), output["value"].as_f64().unwrap());
    assert!((base + sum - value).abs() < 1e-9);
    assert_eq!(output["logged"], event["prediction"]);

    let status = |model, body: &str| {
        let answer = ask(&daemon, model, None, body);
        let body = answer.json();
        assert!(body["error"].is_string() && body["hint"].is_string(), "{body}");
        answer.status
    };
    for nonsense in ["", "{", "[]", "{}", r#"{"id":7}"#, r#"{"id":"e1","event":{}}"#, r#"{"event":"e1"}"#] {
        assert_eq!(status("credit", nonsense), 400, "{nonsense}");
    }
    assert_eq!(status("credit", r#"{"id":"nobody"}"#), 404);
    assert_eq!(status("debit", r#"{"id":"e1"}"#), 404);
    assert_eq!(status("credit", r#"{"event":{"model":"credit"}}"#), 422, "no time");
    assert_eq!(
        status("credit", &json!({ "event": { "model": "debit", "time": bench.time(1) } }).to_string()),
        422
    );
    let unknown = bench
        .event(1)
        .replace("\"red\"", "\"mauve\"")
        .replace("\"green\"", "\"mauve\"")
        .replace("\"blue\"", "\"mauve\"");
    let answer = ask(&daemon, "credit", None, &format!(r#"{{"event":{unknown}}}"#));
    assert!([200, 422].contains(&answer.status), "{}", answer.body);
    assert!(daemon.api.metric("driftline_explain_requests_total", "outcome=\"answered\"") >= 2.0);
}

#[test]
fn where_there_is_a_token_an_event_is_explained_for_those_who_have_it() {
    let bench = explained();
    let database = database();
    let alerts = format!("{NO_ALERTS}api_token = \"let me in\"\n");
    let config = bench.config("token", &database, "").replace(NO_ALERTS, &alerts);
    let daemon = start(&from_file(&bench, &config));
    bench.publish(0..400, 1);
    wait_for_events(&database, 400);
    for token in [None, Some("guess"), Some("")] {
        assert_eq!(ask(&daemon, "credit", token, r#"{"id":"e1"}"#).status, 401);
        assert_eq!(ask(&daemon, "credit", token, "nonsense").status, 401);
    }
    ask(&daemon, "credit", Some("let me in"), r#"{"id":"e1"}"#).success();
}

#[test]
fn a_crash_between_a_window_and_its_explanation_changes_nothing() {
    let bench = explained();
    let server = model_server();
    let (calm, rough) = (database(), database());
    let config = |group: &str, database: &StandIn| {
        let state = format!("/state-{group}\"");
        from_server(&bench, &bench.config(group, database, "").replace("/state\"", &state), &server)
    };
    bench.publish(0..EVENTS, 1);
    let undisturbed = start(&config("calm", &calm));
    wait_for_events(&calm, u64::from(EVENTS));
    let wanted = explanations(&calm);
    undisturbed.stop();

    server.behave(absent);
    let mut daemon = start(&config("rough", &rough));
    // Points leave only when they are in a checkpoint, and with them what waits.
    wait_for_events(&rough, u64::from(EVENTS));
    let component = eventually("the server is said to be away", PATIENCE, || {
        let ready = get(&daemon, "/ready");
        ready.body.contains("warming up").then_some(ready)
    });
    assert_eq!(component.status, 200, "nothing but explanations waits: {}", component.body);
    assert!(of(&rough, "explanation").is_empty());
    daemon.process.kill();

    server.behave(right);
    let mut daemon = start(&config("rough", &rough));
    wait_for_log(&mut daemon, "going on from the checkpoint");
    assert_eq!(explanations(&rough), wanted);
    // Nothing was made again but the explanations.
    assert_eq!(points(&rough), points(&calm));
    daemon.stop();
}

#[test]
fn an_alert_has_the_strangest_events_of_its_window_explained() {
    let bench = explained();
    let database = database();
    let rule = "[alerts]\ndefault_rules = false\n[[rules]]\nname = \"full\"\nmetric = \"window.events\"\n\
                when = \">= 100\"\nfor = 1\nseverity = \"warning\"\n";
    let config = bench.config("alerts", &database, "").replace(NO_ALERTS, rule);
    let daemon = start(&from_file(&bench, &config));
    bench.publish(0..EVENTS, 1);
    wait_for_events(&database, u64::from(EVENTS));
    // The windows of v1 have 133 events or 134, those of v2 half as many.
    let found = eventually("events are explained", PATIENCE, || {
        let found = of(&database, "event_explanation");
        (!found.is_empty()).then_some(found)
    });
    explanations(&database);
    assert!(found.keys().all(|key| key.contains("version=v1")), "{found:?}");
    let ranks = (1..=5).filter(|rank| found.keys().any(|key| key.contains(&format!(",rank=0{rank},"))));
    assert_eq!(ranks.count(), 5, "{found:?}");
    daemon.stop();
}

#[test]
fn a_stop_without_state_waits_for_what_is_to_be_explained() {
    let bench = explained();
    let server = block_on(StandIn::start(absent));
    let database = database();
    let config = from_server(&bench, &without_state(&bench.config("stopped", &database, "")), &server);
    bench.publish(0..EVENTS, 1);
    let mut daemon = start(&config);
    wait_for_events(&database, u64::from(EVENTS));
    eventually("the server is said to be away", PATIENCE, || {
        get(&daemon, "/ready").body.contains("warming up").then_some(())
    });
    assert!(of(&database, "explanation").is_empty());
    server.behave(right);
    let ended = daemon.process.stop(PATIENCE);
    assert!(ended.success(), "{ended}: {}", daemon.process.log());
    explanations(&database);
}
