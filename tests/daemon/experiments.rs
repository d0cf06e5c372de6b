//! Experiments from events to points, pages and verdicts, through crashes and hooks.

use std::{collections::BTreeMap, thread, time::Duration};

use serde_json::{Value, json};

use crate::{
    bench::{
        Bench, PATIENCE, TOPIC, database, get, points, start, wait_for_events, wait_for_log, without_state,
    },
    support::{
        credit,
        servers::{
            Daemon, eventually,
            http::{Answer, post},
        },
        stand_in::StandIn,
    },
};

/// The first section after the models.
const AFTER_MODELS: &str = "[influxdb]\n";

/// An A/B test of the event's own arm, with errors as a guardrail and the label as
/// the goal; `more` are further keys of it.
pub(crate) fn with_experiment(config: &str, more: &str) -> String {
    let experiment = format!(
        r#"[[experiments]]
id = "canary"
model = "credit"
arm_field = "/arm"
control = "a"
challengers = ["b"]
label_delay = "1s"
{more}
[[experiments.metrics]]
name = "errors"
role = "guardrail"
kind = "rate"
field = "/error"
better = "lower"
margin_relative = 0.5
[[experiments.metrics]]
name = "paid"
role = "goal"
kind = "rate"
of = "label"
better = "higher"
{AFTER_MODELS}"#
    );
    config.replace(AFTER_MODELS, &experiment)
}

/// A prediction of one of two arms: `b` fails in every third case, `a` in every
/// twentieth.
fn prediction(number: u32, time: i64) -> String {
    let (arm, every) = if number.is_multiple_of(2) { ("a", 20) } else { ("b", 3) };
    let fails = (number / 2).is_multiple_of(every);
    credit::event(number, time).replacen('{', &format!(r#"{{"arm":"{arm}","error":{fails},"#), 1)
}

fn label(number: u32, time: i64) -> String {
    let is_paid = number.is_multiple_of(3);
    json!({ "kind": "label", "id": format!("e{number}"), "time": time, "model": "credit", "label": is_paid })
        .to_string()
}

/// Predictions, each with a label 300 ms later, in two partitions.
fn publish(bench: &Bench, numbers: std::ops::Range<u32>) {
    for number in numbers {
        let partition = i32::try_from(number % 2).unwrap();
        bench.mock.write(TOPIC, partition, &prediction(number, bench.time(number)));
        if let Some(earlier) = number.checked_sub(60) {
            bench.mock.write(TOPIC, partition, &label(earlier, bench.time(number)));
        }
    }
    bench.mock.flush();
}

/// The points of experiments.
fn of_experiments(database: &StandIn) -> BTreeMap<String, String> {
    points(database).into_iter().filter(|(key, _)| key.starts_with("experiment")).collect()
}

fn verdict(daemon: &Daemon) -> Value {
    get(daemon, "/api/v1/experiments/canary/verdict").success().json()
}

fn ask(daemon: &Daemon, path: &str, body: &Value) -> Answer {
    let url = format!("http://{}{path}", daemon.api.address);
    post(&url, None, "application/json", body.to_string())
}

#[test]
fn crashes_leave_the_same_points_of_experiments_as_none() {
    const EVENTS: u32 = 4_000;
    let bench = Bench::start(2);
    let (calm, rough) = (database(), database());
    let config = |group: &str, database: &StandIn| with_experiment(&bench.config(group, database, ""), "");
    let undisturbed = start(&config("calm", &calm));
    let rough_config = config("rough", &rough).replace("/state\"", "/state-rough\"");
    let mut daemon = start(&rough_config);
    for first in (0..EVENTS).step_by(100) {
        publish(&bench, first..(first + 100));
        thread::sleep(Duration::from_millis(200));
        if first == 1_400 || first == 2_500 {
            daemon.process.kill();
            daemon = start(&rough_config);
        }
    }
    wait_for_events(&calm, u64::from(EVENTS));
    wait_for_events(&rough, u64::from(EVENTS));
    // One look a second, and those at which the last labels are old enough.
    let looks = |database: &StandIn| {
        of_experiments(database).keys().filter(|key| key.starts_with("experiment_verdict")).count()
    };
    eventually("the last look", PATIENCE, || (looks(&calm) >= 20 && looks(&rough) >= 20).then_some(()));
    eventually("the same points", PATIENCE, || {
        (of_experiments(&calm) == of_experiments(&rough)).then_some(())
    });
    assert_eq!(of_experiments(&calm), of_experiments(&rough));

    let said = verdict(&undisturbed);
    assert_eq!(said["verdict"], "rollback", "{said}");
    assert_eq!(said, verdict(&daemon), "both say the same");
    let whole = get(&daemon, "/api/v1/experiments/canary").success().json();
    let arms = whole["arms"].as_array().unwrap();
    let events: u64 = arms.iter().map(|arm| arm["events"].as_u64().unwrap()).sum();
    assert_eq!(events, u64::from(EVENTS), "every prediction is counted once: {whole}");
    let labelled: u64 = arms.iter().map(|arm| arm["labelled"].as_u64().unwrap()).sum();
    assert!(labelled >= u64::from(EVENTS) - 400, "{whole}");
}

/// Asks for the verdict again and again until `done`: it must be a rollback each time.
fn stays_taken_back(what: &str, daemon: &Daemon, done: impl Fn() -> bool) {
    eventually(what, PATIENCE, || {
        let said = verdict(daemon);
        // HTTP answers before the checkpoint is read.
        assert!(said["verdict"] == "rollback" || said["phase"] == "unknown", "{what}: {said}");
        done().then_some(())
    });
}

#[test]
fn what_is_to_be_taken_back_stays_so_without_kafka_and_through_restarts() {
    const EVENTS: u32 = 4_000;
    let bench = Bench::start(2);
    let database = database();
    let config = with_experiment(&bench.config("proven", &database, ""), "");
    let mut daemon = start(&config);
    publish(&bench, 0..EVENTS);
    eventually("a verdict", PATIENCE, || (verdict(&daemon)["verdict"] == "rollback").then_some(()));
    // What is in the database is in a checkpoint, too.
    let is_stored =
        || of_experiments(&database).values().any(|fields| fields.contains("verdict=\"rollback\""));
    eventually("the verdict is stored", PATIENCE, || is_stored().then_some(()));
    eventually("it is committed", PATIENCE, || (bench.committed("proven", 2) > 0).then_some(()));

    let logged = daemon.process.log().matches("the verdict on a challenger changed").count();
    assert_eq!(logged, 1, "{}", daemon.process.log());
    let assigned = |daemon: &Daemon| daemon.api.metric("driftline_source_assigned_partitions", "");
    bench.mock.cluster.broker_down(1).expect("down");
    stays_taken_back("Kafka is away", &daemon, || assigned(&daemon) < 0.5);
    let payload = json!({ "phase": "Progressing", "metadata": { "experiment": "canary" } });
    thread::sleep(Duration::from_secs(2));
    assert_eq!(ask(&daemon, "/api/v1/flagger/rollback", &payload).status, 200);

    daemon.process.kill();
    daemon = start(&config);
    eventually("the checkpoint is read", PATIENCE, || (verdict(&daemon)["phase"] != "unknown").then_some(()));
    thread::sleep(Duration::from_secs(2));
    assert_eq!(ask(&daemon, "/api/v1/flagger/rollback", &payload).status, 200);
    bench.mock.cluster.broker_up(1).expect("up");
    stays_taken_back("it reads", &daemon, || assigned(&daemon) > 1.5 && daemon.api.ready().is_ok());
    thread::sleep(Duration::from_secs(2));
    assert_eq!(verdict(&daemon)["verdict"], "rollback");
    wait_for_events(&database, u64::from(EVENTS));
    assert!(daemon.process.stop(PATIENCE).success());
}

#[test]
fn a_changed_setting_is_named_and_a_start_outlives_it() {
    let bench = Bench::start(2);
    let database = database();
    let config = bench.config("changed", &database, "[http]\nlisten = \"127.0.0.1:0\"");
    let more = "hooks = true\nwaits_for_start = true";
    let mut daemon = start(&with_experiment(&config, more));
    eventually("it reads", PATIENCE, || daemon.api.ready().ok());
    assert!(ask(&daemon, "/api/v1/experiments/canary/start", &json!({ "release": "r1" })).status < 300);
    eventually("it runs", PATIENCE, || (verdict(&daemon)["phase"] == "running").then_some(()));
    let begun = jiff::Timestamp::now().as_millisecond() + 1_000;
    for number in 0..1_000_u32 {
        let time = begun + i64::from(number) * 10;
        bench.mock.write(TOPIC, i32::try_from(number % 2).unwrap(), &prediction(number, time));
    }
    bench.mock.flush();
    eventually("a look", PATIENCE, || (!of_experiments(&database).is_empty()).then_some(()));
    wait_for_events(&database, 1_000);
    assert!(daemon.process.stop(PATIENCE).success());

    let mut daemon = start(&with_experiment(&config, &format!("{more}\nalpha = 0.01")));
    wait_for_log(&mut daemon, "alpha was 0.05, and is 0.01");
    assert!(daemon.process.log().contains("this experiment begins anew"), "{}", daemon.process.log());
    stays("running", &daemon);
    eventually("it reads", PATIENCE, || daemon.api.ready().ok());
    stays("running", &daemon);
    assert_eq!(verdict(&daemon)["release"], "r1");
}

#[test]
fn without_a_checkpoint_it_is_said_that_an_experiment_begins_anew() {
    let bench = Bench::start(2);
    let database = database();
    let config = without_state(&with_experiment(&bench.config("stateless", &database, ""), ""));
    let mut daemon = start(&config);
    publish(&bench, 0..2_000);
    wait_for_events(&database, 2_000);
    let anew = "this experiment begins anew";
    assert!(!daemon.process.log().contains(anew), "{}", daemon.process.log());
    assert!(daemon.process.stop(PATIENCE).success());
    let mut daemon = start(&config);
    wait_for_log(&mut daemon, anew);
    assert!(daemon.process.log().contains("no state_dir is given"), "{}", daemon.process.log());
}

/// The phase is this one, and is so for a while.
fn stays(phase: &str, daemon: &Daemon) {
    for _ in 0..20 {
        let said = verdict(daemon);
        assert!(said["phase"] == phase || said["phase"] == "unknown", "{said}");
        thread::sleep(Duration::from_millis(100));
    }
}

#[test]
fn a_release_is_started_watched_and_taken_back() {
    let bench = Bench::start(2);
    let database = database();
    let config = bench.config("release", &database, "[http]\nlisten = \"127.0.0.1:0\"");
    let daemon = start(&with_experiment(&config, "hooks = true\nwaits_for_start = true"));
    eventually("it reads", PATIENCE, || daemon.api.ready().ok());
    eventually("it waits", PATIENCE, || (verdict(&daemon)["phase"] == "waiting").then_some(()));
    assert_eq!(verdict(&daemon)["verdict"], "hold");
    let release = |phase: &str| {
        json!({ "name": "credit", "namespace": "ml", "phase": phase, "checksum": "r1",
                "metadata": { "experiment": "canary" } })
    };
    // An unknown experiment is an error of whoever asks, and none is taken back.
    let stranger = json!({ "name": "x", "namespace": "x", "phase": "Progressing", "checksum": "r1",
                           "metadata": { "experiment": "other" } });
    assert_eq!(ask(&daemon, "/api/v1/flagger/rollback", &stranger).status, 403);
    assert_eq!(ask(&daemon, "/api/v1/flagger/event", &release("Progressing")).status, 202);
    eventually("it runs", PATIENCE, || (verdict(&daemon)["phase"] == "running").then_some(()));
    assert_eq!(ask(&daemon, "/api/v1/flagger/rollback", &release("Progressing")).status, 403);

    // From the present on, a hundred events in a second of event time.
    let begun = jiff::Timestamp::now().as_millisecond() + 1_000;
    for number in 0..4_000_u32 {
        let time = begun + i64::from(number) * 10;
        bench.mock.write(TOPIC, i32::try_from(number % 2).unwrap(), &prediction(number, time));
    }
    bench.mock.flush();
    let mut said = Value::Null;
    eventually("a verdict", PATIENCE, || {
        said = verdict(&daemon);
        (said["verdict"] == "rollback").then_some(())
    });
    assert!(said["reason"].as_str().unwrap().starts_with("errors: worse by more than the margin"), "{said}");
    assert_eq!(said["release"], "r1");
    assert_eq!(ask(&daemon, "/api/v1/flagger/rollback", &release("Progressing")).status, 200);
    assert_eq!(ask(&daemon, "/api/v1/flagger/gate", &release("Progressing")).status, 403);
    let number =
        get(&daemon, "/api/v1/query?query=driftline_experiment_verdict%7Bexperiment%3D%22canary%22%7D");
    assert_eq!(number.success().json()["data"]["result"][0]["value"][1], "-1");
    let alerts = get(&daemon, "/metrics").success().body;
    assert!(alerts.contains("driftline_experiment_verdict{experiment=\"canary\"} -1"), "{alerts}");

    // The next release begins anew, and the old verdict is not its own. What is read
    // from here on would be of it, so all has to be read before.
    wait_for_events(&database, 4_000);
    let next = json!({ "release": "r2" });
    assert!(ask(&daemon, "/api/v1/experiments/canary/start", &next).status < 300);
    eventually("it begins anew", PATIENCE, || (verdict(&daemon)["release"] == "r2").then_some(()));
    assert_eq!(verdict(&daemon)["verdict"], "hold");
    assert_eq!(ask(&daemon, "/api/v1/flagger/rollback", &release("Progressing")).status, 403);
}
