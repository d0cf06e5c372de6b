//! Two daemons of one group: one reads, the other stands by and takes over.
//! Whatever happens to them, every window ends up with all of its events.

use std::{thread, time::Duration};

use crate::{
    bench::{Bench, PATIENCE, alone, database, get, points, start, wait_for_events, wait_for_log},
    support::servers::{Daemon, eventually},
};

const EVENTS: u32 = 3_000;

/// Publishes slowly while `disturb` starts and ends daemons of one group, each
/// with a state of its own; then the points must be those of a daemon that was
/// left alone. Gives the daemons that are left to the end.
fn as_if_nothing_had_happened(disturb: impl FnOnce([String; 2]) -> Vec<Daemon> + Send + 'static) {
    let bench = Bench::start(2);
    let (calm, rough) = (database(), database());
    let _undisturbed = start(&bench.config("calm", &calm, ""));
    let config = bench.config("rough", &rough, "");
    let configs = ["one", "two"].map(|name| config.replace("/state\"", &format!("/state-{name}\"")));
    let disturbing = thread::spawn(move || disturb(configs));
    for first in (0..EVENTS).step_by(20) {
        bench.publish(first..(first + 20), 2);
        thread::sleep(Duration::from_millis(150));
    }
    let _left = disturbing.join().unwrap();
    wait_for_events(&calm, u64::from(EVENTS));
    wait_for_events(&rough, u64::from(EVENTS));
    assert_eq!(alone(points(&calm)), alone(points(&rough)));
}

fn stands_by(daemon: &Daemon) -> bool {
    daemon.api.metric("driftline_source_standby", "") > 0.5
}

fn reads(daemon: &Daemon) -> bool {
    daemon.api.metric("driftline_source_assigned_partitions", "") > 1.5
}

/// Two daemons, the one that reads first.
fn reader_and_standby([one, two]: &[String; 2]) -> (Daemon, Daemon) {
    let mut first = start(one);
    wait_for_log(&mut first, "kafka: assigned");
    thread::sleep(Duration::from_secs(2));
    let second = start(two);
    let first_reads = eventually("one reads, one stands by", PATIENCE, || {
        match (reads(&first), stands_by(&first), reads(&second), stands_by(&second)) {
            (true, false, false, true) => Some(true),
            (false, true, true, false) => Some(false),
            _ => None,
        }
    });
    if first_reads { (first, second) } else { (second, first) }
}

#[test]
fn a_standby_is_ready_and_says_so_and_its_end_changes_nothing() {
    as_if_nothing_had_happened(|configs| {
        let (reader, mut standby) = reader_and_standby(&configs);
        eventually("both are ready", PATIENCE, || {
            [&reader, &standby].iter().all(|daemon| get(daemon, "/ready").status == 200).then_some(())
        });
        let answer = get(&standby, "/ready").json();
        let kafka = answer["components"].as_array().unwrap().iter().find(|one| one["name"] == "kafka");
        assert_eq!(kafka.unwrap()["note"], "stands by: another member of group rough reads", "{answer}");
        thread::sleep(Duration::from_secs(2));
        assert!(standby.process.stop(PATIENCE).success());
        vec![reader]
    });
}

#[test]
fn a_standby_takes_over_from_a_reader_that_stops() {
    as_if_nothing_had_happened(|configs| {
        let (mut reader, standby) = reader_and_standby(&configs);
        thread::sleep(Duration::from_secs(2));
        assert!(reader.process.stop(PATIENCE).success());
        eventually("taken over", PATIENCE, || reads(&standby).then_some(()));
        vec![standby]
    });
}

#[test]
fn a_standby_takes_over_from_a_reader_that_is_killed() {
    as_if_nothing_had_happened(|configs| {
        let (mut reader, standby) = reader_and_standby(&configs);
        thread::sleep(Duration::from_secs(2));
        reader.process.kill();
        eventually("taken over", PATIENCE, || reads(&standby).then_some(()));
        vec![standby]
    });
}

#[test]
fn a_reader_that_was_frozen_finds_itself_succeeded_and_spoils_nothing() {
    let bench = Bench::start(2);
    let database = database();
    let config = bench.config("frozen", &database, "").replace("\"2s\"", "\"5s\"");
    let configs = ["one", "two"].map(|name| config.replace("/state\"", &format!("/state-{name}\"")));
    let (reader, standby) = reader_and_standby(&configs);
    // Five windows and a quarter of the sixth.
    bench.publish(0..1_050, 2);
    wait_for_events(&database, 1_000);
    thread::sleep(Duration::from_secs(1));
    // For longer than the session, and than a partition takes to be idle.
    reader.process.signal("STOP");
    bench.publish(1_050..2_050, 2);
    wait_for_events(&database, 2_000);
    assert!(reads(&standby));
    let committed = || (bench.committed("frozen", 2) >= 1_000).then_some(());
    eventually("committed", PATIENCE, committed);
    reader.process.signal("CONT");
    // Whichever of them reads from now on.
    bench.publish(2_050..3_010, 2);
    wait_for_events(&database, 3_000);
    drop((reader, standby));
}
