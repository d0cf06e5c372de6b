//! Servers that are away, slow or refuse: the daemon waits, says so, and loses
//! nothing.

use std::time::Duration;

use crate::{
    bench::{Bench, PATIENCE, database, get, start, wait_for_events, wait_for_log, windows},
    support::{
        servers::{eventually, http::block_on},
        stand_in::{Reply, StandIn},
    },
};

fn failing() -> StandIn {
    block_on(StandIn::start(|_| Reply::status(503)))
}

#[test]
fn a_database_that_is_away_pauses_reading_and_loses_nothing() {
    let bench = Bench::start(2);
    let database = failing();
    bench.publish(0..2_000, 2);
    let config = bench
        .config("away", &database, "")
        .replace("flush_interval", "batch_points = 20\nbuffer_points = 20\nflush_interval");
    let mut daemon = start(&config);
    let ready = || get(&daemon, "/ready");
    let reason = eventually("not ready", PATIENCE, || {
        let answer = ready();
        let components = answer.json()["components"].as_array().cloned()?;
        let influxdb = components.into_iter().find(|component| component["name"] == "influxdb")?;
        let reason = influxdb["reason"].as_str()?.to_owned();
        (answer.status == 503 && reason.contains("paused") && reason.contains("503")).then_some(reason)
    });
    println!("{reason}");
    assert_eq!(windows(&database).0, 0);
    let processed = daemon.api.metric("driftline_messages_processed_total", "");
    assert!(processed < 2_000.0, "{processed} messages are in memory");

    database.behave(|_| Reply::written());
    wait_for_events(&database, 2_000);
    eventually("ready again", PATIENCE, || (get(&daemon, "/ready").status == 200).then_some(()));
    assert!(daemon.process.stop(PATIENCE).success());
}

#[test]
fn a_stop_past_its_deadline_says_what_is_left_and_the_next_start_makes_up_for_it() {
    let bench = Bench::start(1);
    let database = failing();
    bench.publish(0..1_000, 1);
    let config = bench.config("late", &database, "shutdown_timeout = \"3s\"");
    let mut daemon = start(&config);
    let waiting = || daemon.api.metric("driftline_windows_closed_total", "");
    eventually("windows are closed", PATIENCE, || (waiting() > 0.0).then_some(()));
    let ended = daemon.process.stop(PATIENCE);
    assert_eq!(ended.code(), Some(1));
    wait_for_log(&mut daemon, "points and 0 dead letters are left");

    database.behave(|_| Reply::written());
    let mut daemon = start(&config);
    wait_for_events(&database, 1_000);
    assert!(daemon.process.stop(PATIENCE).success());
}

#[test]
fn a_second_signal_ends_at_once() {
    let bench = Bench::start(1);
    let database = failing();
    bench.publish(0..1_000, 1);
    let mut daemon = start(&bench.config("twice", &database, "shutdown_timeout = \"10m\""));
    eventually("windows are closed", PATIENCE, || {
        (daemon.api.metric("driftline_windows_closed_total", "") > 0.0).then_some(())
    });
    daemon.process.signal("TERM");
    wait_for_log(&mut daemon, "stopping");
    // It drains, and goes on answering.
    assert_eq!(get(&daemon, "/ready").status, 503);
    assert!(daemon.process.runs());
    daemon.process.signal("INT");
    assert_eq!(daemon.process.wait(PATIENCE).code(), Some(1));
}

#[test]
fn a_broker_that_is_away_at_the_start_is_waited_for() {
    let bench = Bench::start(1);
    bench.publish(0..1_000, 1);
    bench.mock.cluster.broker_down(1).expect("down");
    let database = database();
    let mut daemon = start(&bench.config("patient", &database, ""));
    let answer = get(&daemon, "/ready");
    assert_eq!(answer.status, 503);
    eventually("kafka is named", PATIENCE, || {
        let components = get(&daemon, "/ready").json()["components"].as_array().cloned()?;
        components.iter().any(|one| one["name"] == "kafka" && one["reason"].is_string()).then_some(())
    });
    std::thread::sleep(Duration::from_millis(300));
    bench.mock.cluster.broker_up(1).expect("up");
    wait_for_events(&database, 1_000);
    eventually("ready", PATIENCE, || (get(&daemon, "/ready").status == 200).then_some(()));
    assert!(daemon.process.stop(PATIENCE).success());
}
