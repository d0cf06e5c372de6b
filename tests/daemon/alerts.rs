//! Alerts from events to a receiver: fired, resolved, through crashes and while
//! the receiver is away, each told once.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use crate::{
    bench::{Bench, NO_ALERTS, PATIENCE, TOPIC, database, get, points, start, wait_for_events},
    support::{
        servers::{
            Daemon, eventually,
            http::{self, block_on},
        },
        stand_in::{Reply, StandIn},
    },
};

/// Events of one window, of two versions together, when none is left out.
const PER_WINDOW: u32 = 200;

/// A receiver that takes everything.
fn receiver() -> StandIn {
    block_on(StandIn::start(|_| Reply::status(200)))
}

/// A configuration with one rule: windows are full.
fn config(bench: &Bench, group: &str, database: &StandIn, receiver: &StandIn) -> String {
    let alerts = format!(
        r#"
[alerts]
default_rules = false
group_wait = "500ms"
group_interval = "1s"
repeat_interval = "1h"
api_token = "let me in"
[[rules]]
name = "full"
metric = "window.events"
when = ">= 60"
resolve_when = "< 30"
for = 2
resolve_for = 2
severity = "critical"
summary = "{{{{ model }}}} has {{{{ value }}}} events"
[[receivers]]
name = "pager"
type = "webhook"
url = "{}"
secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
timeout = "5s"
"#,
        receiver.url()
    );
    bench.config(group, database, "").replace(NO_ALERTS, "") + &alerts
}

/// Writes windows, from the first to before the last, of which each has one in
/// `every` events; gives their number.
fn publish(bench: &Bench, windows: std::ops::Range<u32>, every: u32) -> u64 {
    let numbers = (windows.start * PER_WINDOW..windows.end * PER_WINDOW).filter(|number| number % every == 0);
    let mut count = 0;
    for number in numbers {
        bench.mock.write(TOPIC, 0, &bench.event(number));
        count += 1;
    }
    bench.mock.flush();
    count
}

/// What the receiver took, by id: status and number of alerts.
fn told(receiver: &StandIn) -> BTreeMap<String, (String, usize)> {
    let read = |body: &str| serde_json::from_str::<Value>(body).expect("JSON");
    let seen = receiver.seen().into_iter().map(|seen| {
        let body = read(&seen.body);
        let status = body["status"].as_str().expect("a status").to_owned();
        let alerts = body["alerts"].as_array().expect("alerts").len();
        (seen.header("webhook-id").to_owned(), (status, alerts))
    });
    seen.collect()
}

fn wait_for_told(receiver: &StandIn, status: &str) {
    eventually(&format!("{status} is told"), PATIENCE, || {
        told(receiver).values().any(|(told, _)| told == status).then_some(())
    });
}

fn alerts(daemon: &Daemon) -> Vec<Value> {
    get(daemon, "/api/v1/alerts").json()["alerts"].as_array().expect("alerts").clone()
}

/// Changes of alerts in the database: state by time.
fn changes(database: &StandIn) -> Vec<String> {
    let state = |fields: String| {
        let field = fields.split(',').find_map(|field| field.strip_prefix("state=\""));
        field.expect("a state").trim_end_matches('"').to_owned()
    };
    let points = points(database).into_iter().filter(|(key, _)| key.starts_with("alert,"));
    let mut by_time: Vec<(String, String)> = points
        .map(|(key, fields)| (key.rsplit_once(' ').expect("a time").1.to_owned(), state(fields)))
        .collect();
    by_time.sort();
    by_time.into_iter().map(|(_, state)| state).collect()
}

#[test]
fn an_alert_is_told_once_through_crashes_and_an_outage_of_its_receiver() {
    let bench = Bench::start(1);
    let (database, receiver) = (database(), receiver());
    let config = config(&bench, "alerts", &database, &receiver);
    let mut events = publish(&bench, 0..4, 1);
    let mut daemon = start(&config);
    wait_for_told(&receiver, "firing");
    let firing = alerts(&daemon);
    let states: Vec<_> = firing.iter().map(|alert| alert["state"].as_str().unwrap()).collect();
    assert_eq!(states, ["firing", "firing"], "one for each version of the model");
    let summary = firing[0]["annotations"]["summary"].as_str().unwrap();
    assert!(summary.starts_with("credit has ") && summary.ends_with(" events"), "{summary}");

    // A crash while it fires, and more windows in which it does.
    daemon.process.kill();
    events += publish(&bench, 4..8, 1);
    let mut daemon = start(&config);
    wait_for_events(&database, events);
    assert_eq!(told(&receiver).len(), 1, "it is not told again: {:?}", told(&receiver));

    // The receiver goes away, and the alert is over meanwhile.
    receiver.behave(|_| Reply::status(503));
    events += publish(&bench, 8..12, 8);
    wait_for_events(&database, events);
    eventually("it is over", PATIENCE, || {
        alerts(&daemon).iter().all(|alert| alert["state"] == "resolved").then_some(())
    });
    eventually("the receiver is asked in vain", PATIENCE, || {
        (daemon.api.metric("driftline_notifications_waiting", "receiver=\"pager\"") > 0.0
            && told(&receiver).len() == 2)
            .then_some(())
    });
    let ready = get(&daemon, "/ready");
    assert_eq!(ready.status, 200, "nobody waits for a receiver");
    let noted = ready.json()["components"].as_array().unwrap().iter().any(|component| {
        component["name"] == "receiver pager"
            && component["note"].as_str().is_some_and(|note| note.contains("503"))
    });
    assert!(noted, "{}", ready.body);

    // A crash while it is away; then it is back.
    daemon.process.kill();
    let before = receiver.seen().len();
    let mut daemon = start(&config);
    eventually("it is asked again", PATIENCE, || (receiver.seen().len() > before).then_some(()));
    receiver.behave(|_| Reply::status(200));
    eventually("nothing waits", PATIENCE, || {
        let delivered = daemon.api.metric("driftline_notifications_total", "outcome=\"delivered\"");
        (delivered > 0.0).then_some(())
    });
    let told = told(&receiver);
    let statuses: Vec<&str> = told.values().map(|(status, _)| status.as_str()).collect();
    assert_eq!(told.len(), 2, "one id for each, over all attempts: {told:?}");
    assert_eq!(BTreeSet::from_iter(statuses), BTreeSet::from(["firing", "resolved"]));
    assert_eq!(changes(&database), ["firing", "firing", "resolved", "resolved"]);
    assert!(daemon.process.stop(PATIENCE).success());

    // A clean restart tells nothing more.
    let asked = receiver.seen().len();
    let mut daemon = start(&config);
    events += publish(&bench, 12..14, 8);
    wait_for_events(&database, events);
    assert_eq!(receiver.seen().len(), asked);
    assert!(daemon.process.stop(PATIENCE).success());
}

fn request(daemon: &Daemon, method: reqwest::Method, path: &str, token: &str, body: &Value) -> http::Answer {
    let url = format!("http://{}{path}", daemon.api.address);
    let request = reqwest::Client::new().request(method, url).bearer_auth(token);
    let request = request.header("content-type", "application/json").body(body.to_string());
    http::send(request).expect("an answer")
}

#[test]
fn a_silence_needs_the_token_and_survives_a_restart() {
    let bench = Bench::start(1);
    let (database, receiver) = (database(), receiver());
    let config = config(&bench, "silence", &database, &receiver);
    let mut daemon = start(&config);
    let silence =
        json!({"matchers": {"model": "cred*"}, "seconds": 600, "author": "me", "comment": "maintenance"});
    let post = |daemon: &Daemon, token: &str, body: &Value| {
        request(daemon, reqwest::Method::POST, "/api/v1/silences", token, body)
    };
    assert_eq!(post(&daemon, "guess", &silence).status, 401);
    assert_eq!(post(&daemon, "let me in", &json!({"matchers": {}, "seconds": 1})).status, 400);
    let answer = post(&daemon, "let me in", &silence);
    assert_eq!(answer.status, 202, "{}", answer.body);
    let id = answer.json()["silence"]["id"].as_str().unwrap().to_owned();
    let silences =
        |daemon: &Daemon| get(daemon, "/api/v1/silences").json()["silences"].as_array().unwrap().len();
    eventually("it is listed", PATIENCE, || (silences(&daemon) == 1).then_some(()));

    let events = publish(&bench, 0..4, 1);
    wait_for_events(&database, events);
    let silenced = eventually("it fires", PATIENCE, || alerts(&daemon).into_iter().next());
    assert_eq!(silenced["silenced_by"], json!(id));
    assert!(daemon.process.stop(PATIENCE).success());
    let mut daemon = start(&config);
    eventually("the silence is still there", PATIENCE, || (silences(&daemon) == 1).then_some(()));
    eventually("so is the alert", PATIENCE, || {
        alerts(&daemon).first().is_some_and(|alert| alert["silenced_by"] == json!(id)).then_some(())
    });
    assert!(receiver.seen().is_empty());

    let path = format!("/api/v1/silences/{id}");
    assert_eq!(request(&daemon, reqwest::Method::DELETE, &path, "guess", &json!(null)).status, 401);
    assert_eq!(request(&daemon, reqwest::Method::DELETE, &path, "let me in", &json!(null)).status, 202);
    wait_for_told(&receiver, "firing");
    let log = daemon.process.log();
    assert!(!log.contains("let me in") && !log.contains("whsec"), "{log}");
    assert!(daemon.process.stop(PATIENCE).success());
}
