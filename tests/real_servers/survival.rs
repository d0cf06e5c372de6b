//! Under load, with crashes, outages, restarts and other members of the group:
//! afterwards the database holds what it would hold if nothing had happened.

use std::{
    collections::BTreeMap,
    path::Path,
    thread,
    time::{Duration, Instant},
};

use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

use crate::{
    load::Load,
    scene::{Scene, stop},
    support::servers::{Daemon, Influx2, Kafka, SOON, eventually, or_skip},
};

/// A seed that differs from run to run, printed so that it can be given again.
fn seed() -> u64 {
    let now = || u64::try_from(jiff::Timestamp::now().as_millisecond()).unwrap();
    let seed = std::env::var("DRIFTLINE_SEED").map_or_else(|_| now(), |seed| seed.parse().unwrap());
    println!("DRIFTLINE_SEED={seed}");
    seed
}

fn seconds(count: u64) {
    thread::sleep(Duration::from_secs(count));
}

fn reads(daemon: &Daemon) -> bool {
    daemon.api.metric("driftline_source_assigned_partitions", "") > 2.5
}

fn stands_by(daemon: &Daemon) -> bool {
    daemon.api.metric("driftline_source_standby", "") > 0.5
}

/// How far a daemon had come, by what it has logged.
fn phase(log: &str, was_writing: bool) -> &'static str {
    if was_writing {
        "while a checkpoint was being written"
    } else if log.contains("window written") {
        "after windows were closed"
    } else if log.contains("kafka: assigned") {
        "after an assignment"
    } else if log.contains("a checkpoint was found") {
        "before an assignment"
    } else {
        "at the very start"
    }
}

/// Kills one daemon after another: at the start, as soon as it has something
/// to read, while a checkpoint is being written, at random moments. Gives how
/// far they had come.
fn kill_again_and_again(config: &Path, kills: u32, random: &mut ChaCha8Rng) -> BTreeMap<&'static str, u32> {
    let temporary = config.with_file_name("state").join("checkpoint.tmp");
    let mut met = BTreeMap::new();
    let mut logged = 0;
    for number in 0..kills {
        let mut daemon = Daemon::launch(config);
        let mut was_writing = false;
        let longest = [20, 50, 2_000, 2_000][number as usize % 4];
        if number % 4 == 1 {
            wait_at_most_2_s(|| daemon.process.log()[logged..].contains("kafka: assigned"));
        }
        thread::sleep(Duration::from_millis(random.random_range(0..longest)));
        if number % 4 == 2 {
            was_writing = wait_at_most_2_s(|| temporary.exists());
        }
        daemon.process.kill();
        let log = daemon.process.log();
        *met.entry(phase(&log[logged..], was_writing)).or_default() += 1;
        logged = log.len();
    }
    met
}

/// Whether something came to be true in time.
fn wait_at_most_2_s(mut is_true: impl FnMut() -> bool) -> bool {
    let start = Instant::now();
    while start.elapsed() < Duration::from_secs(2) {
        if is_true() {
            return true;
        }
    }
    false
}

type MakeScene = fn(&'static str, &Kafka, &Influx2) -> Scene;

/// Kills a daemon under load so many times and compares.
fn kills_change_no_point(make: MakeScene, name: &'static str, kills: u32, edits: &[(&str, &str)]) {
    let Some(kafka) = or_skip(Kafka::shared()) else { return };
    let Some(influx) = or_skip(Influx2::shared()) else { return };
    let seed = seed();
    let scene = make(name, kafka, influx);
    // With a name it is back in the group at once; without one the group would
    // wait for the session of the dead, and most kills would meet nothing else.
    let named = ("group = ", "instance_id = \"rough\"\ngroup = ");
    let config = scene.config("rough", &[&[named], edits].concat());
    let load = Load::start(kafka, &scene.setup.topic, seed);
    let met = kill_again_and_again(&config, kills, &mut ChaCha8Rng::seed_from_u64(seed));
    let mut last = Daemon::start(&config);
    let sent = load.finish();
    scene.check(kafka, influx, &sent, &format!("{kills} kills: {met:?}"));
    assert!(met.len() >= 2, "the kills meet different moments: {met:?}");
    stop(&mut last);
}

#[test]
#[ignore = "needs real servers: run scripts/test"]
fn fifty_kills_change_no_point() {
    kills_change_no_point(Scene::new, "kills", 50, &[]);
}

#[test]
#[ignore = "needs real servers: run scripts/test"]
fn twenty_kills_without_checkpoints_change_no_point() {
    kills_change_no_point(Scene::forgetful, "kills-stateless", 20, &[("state_dir = \"state\"\n", "")]);
}

#[test]
#[ignore = "needs real servers: run scripts/test"]
fn a_broker_that_restarts_and_one_that_is_away_for_longer_than_the_session_change_no_point() {
    let Some(mut kafka) = or_skip(Kafka::start()) else { return };
    let Some(influx) = or_skip(Influx2::shared()) else { return };
    let scene = Scene::new("broker", &kafka, influx);
    let mut daemon = Daemon::start(&scene.config("rough", &[]));
    let load = Load::start(&kafka, &scene.setup.topic, seed());
    seconds(6);
    kafka.kill();
    kafka.resume();
    seconds(6);
    kafka.kill();
    // The session takes 6 s.
    seconds(10);
    assert!(daemon.api.ready().is_err(), "it says that no broker is there");
    kafka.resume();
    seconds(6);
    let sent = load.finish();
    scene.check(&kafka, influx, &sent, "the broker killed twice, the second time for 10 s");
    daemon.wait_for("is ready again", |api| api.ready().ok());
    stop(&mut daemon);
}

#[test]
#[ignore = "needs real servers: run scripts/test"]
fn a_database_that_is_gone_gets_everything_from_a_daemon_that_was_killed_meanwhile() {
    let Some(kafka) = or_skip(Kafka::shared()) else { return };
    let Some(mut influx) = or_skip(Influx2::start()) else { return };
    let scene = Scene::new("database", kafka, &influx);
    let small = "batch_points = 100\nbuffer_points = 1000\nflush_interval = \"100ms\"";
    let edits = [("group = ", "instance_id = \"rough\"\ngroup = "), ("flush_interval = \"100ms\"", small)];
    let config = scene.config("rough", &edits);
    let mut daemon = Daemon::start(&config);
    let load = Load::start(kafka, &scene.setup.topic, seed());
    seconds(6);
    influx.kill();
    let pauses = |daemon: &mut Daemon| {
        daemon.wait_for("pauses", |api| api.ready().err().filter(|why| why.contains("reading is paused")));
        assert!(daemon.api.metric("driftline_outbox_points", "") >= 1_000.0);
    };
    pauses(&mut daemon);
    seconds(3);
    let logged = daemon.process.log().len();
    daemon.process.kill();
    let mut daemon = Daemon::start(&config);
    pauses(&mut daemon);
    let log = daemon.process.log();
    let found = log[logged..].lines().find(|line| line.contains("a checkpoint was found")).unwrap();
    assert!(!found.contains("undelivered_points=0"), "{found}");
    println!("killed during the outage; the next start says: {found}");
    influx.resume();
    seconds(2);
    let sent = load.finish();
    scene.check(kafka, &influx, &sent, "the database killed, the daemon too before it was back");
    daemon.wait_for("is ready again", |api| api.ready().ok());
    stop(&mut daemon);
}

#[test]
#[ignore = "needs real servers: run scripts/test"]
fn members_that_come_and_go_change_no_point() {
    let Some(kafka) = or_skip(Kafka::shared()) else { return };
    let Some(influx) = or_skip(Influx2::shared()) else { return };
    for strategy in ["range,roundrobin", "cooperative-sticky"] {
        let scene = Scene::forgetful("members", kafka, influx);
        let session = "\"session.timeout.ms\" = \"6000\"";
        let edit = format!("{session}\n\"partition.assignment.strategy\" = \"{strategy}\"");
        let configs = ["one", "two"].map(|name| scene.config(name, &[(session, &edit)]));
        let one = Daemon::start(&configs[0]);
        let load = Load::start(kafka, &scene.setup.topic, seed());
        eventually("one reads", SOON, || reads(&one).then_some(()));
        seconds(4);
        // It joins and leaves.
        let mut two = Daemon::start(&configs[1]);
        settled(&one, &two);
        seconds(4);
        stop(&mut two);
        eventually("one reads", SOON, || reads(&one).then_some(()));
        seconds(4);
        // It joins again; whichever reads is killed while the other stands by.
        let two = Daemon::start(&configs[1]);
        let (mut reader, standby, its_config) =
            if settled(&one, &two) { (one, two, &configs[0]) } else { (two, one, &configs[1]) };
        seconds(4);
        reader.process.kill();
        eventually("the other takes over", SOON, || reads(&standby).then_some(()));
        seconds(4);
        // The dead one comes back with a checkpoint that is no longer the latest.
        let again = Daemon::start(its_config);
        let first_reads = settled(&standby, &again);
        let (mut reader, mut standby) = if first_reads { (standby, again) } else { (again, standby) };
        seconds(4);
        // The one that reads stops.
        stop(&mut reader);
        eventually("the other takes over", SOON, || reads(&standby).then_some(()));
        seconds(2);
        let sent = load.finish();
        let what = format!("{strategy}: a member joined, left, joined, was killed, came back, left");
        scene.check(kafka, influx, &sent, &what);
        stop(&mut standby);
    }
}

/// Waits until one reads and the other stands by; whether the first reads.
fn settled(first: &Daemon, second: &Daemon) -> bool {
    eventually("one reads, one stands by", SOON, || {
        match (reads(first), stands_by(first), reads(second), stands_by(second)) {
            (true, false, false, true) => Some(true),
            (false, true, true, false) => Some(false),
            _ => None,
        }
    })
}

#[test]
#[ignore = "needs real servers: run scripts/test"]
fn stops_under_load_end_well_and_nothing_is_read_twice() {
    let Some(kafka) = or_skip(Kafka::shared()) else { return };
    let Some(influx) = or_skip(Influx2::shared()) else { return };
    let scene = Scene::new("stops", kafka, influx);
    let config = scene.config("rough", &[]);
    let load = Load::start(kafka, &scene.setup.topic, seed());
    let mut stopped_at = Vec::new();
    for number in 0..5 {
        let mut daemon = Daemon::start(&config);
        daemon.wait_for("writes", |api| {
            (api.metric("driftline_messages_processed_total", "") > 1_000.0).then_some(())
        });
        thread::sleep(Duration::from_millis(300 * number));
        stop(&mut daemon);
        stopped_at.push(scene.committed(kafka));
    }
    let mut last = Daemon::start(&config);
    let sent = load.finish();
    let what = format!("stopped under load five times, at messages {stopped_at:?}");
    scene.check(kafka, influx, &sent, &what);
    let processed = last.api.metric("driftline_messages_processed_total", "");
    let behind = i32::try_from(sent.messages).unwrap() - i32::try_from(stopped_at[4]).unwrap();
    println!("  the last daemon read {processed} messages, {behind} were left");
    assert!((processed - f64::from(behind)).abs() < 0.5);
    stop(&mut last);
}
