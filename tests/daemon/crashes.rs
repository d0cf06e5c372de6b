//! Ends of all kinds: nothing is lost, nothing is counted twice.

use std::{thread, time::Duration};

use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

use crate::{
    bench::{
        Bench, PATIENCE, alone, database, points, start, wait_for_events, wait_for_log, windows,
        without_idleness, without_state,
    },
    support::servers::eventually,
};

/// A seed that differs from run to run.
fn now_ms() -> u64 {
    u64::try_from(jiff::Timestamp::now().as_millisecond()).unwrap()
}

/// Publishes slowly to a daemon that is left alone and to one that is killed
/// three times, as `change`d, and compares their points.
fn three_crashes_leave_the_same_points_as_none(change: impl Fn(&str) -> String, forgets: bool) {
    const EVENTS: u32 = 4_000;
    let seed = std::env::var("DRIFTLINE_SEED").map_or_else(|_| now_ms(), |seed| seed.parse().unwrap());
    println!("DRIFTLINE_SEED={seed}");
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let bench = Bench::start(2);
    let (calm, rough) = (database(), database());
    let _undisturbed = start(&bench.config("calm", &calm, ""));
    let config = change(&bench.config("rough", &rough, "").replace("/state\"", "/state-rough\""));
    let crashing = thread::spawn(move || {
        for _ in 0..3 {
            let mut daemon = start(&config);
            wait_for_log(&mut daemon, "kafka: assigned");
            thread::sleep(Duration::from_millis(random.random_range(50..2_000)));
            daemon.process.kill();
        }
        start(&config)
    });
    // Slowly, so that crashes meet windows that are open.
    for first in (0..EVENTS).step_by(20) {
        bench.publish(first..(first + 20), 2);
        thread::sleep(Duration::from_millis(150));
    }
    let _last = crashing.join().unwrap();
    wait_for_events(&calm, u64::from(EVENTS));
    wait_for_events(&rough, u64::from(EVENTS));
    println!("3 kills, {EVENTS} events: {} points of {}", points(&rough).len(), points(&calm).len());
    assert_eq!(windows(&calm).0, 40, "20 s in windows of 1 s, two versions");
    if forgets {
        assert_eq!(alone(points(&calm)), alone(points(&rough)));
    } else {
        assert_eq!(points(&calm), points(&rough));
    }
}

#[test]
fn three_crashes_with_checkpoints_leave_the_same_points_as_none() {
    three_crashes_leave_the_same_points_as_none(str::to_owned, false);
}

#[test]
fn three_crashes_without_checkpoints_leave_the_same_points_as_none() {
    three_crashes_leave_the_same_points_as_none(without_state, true);
}

#[test]
fn after_a_stop_nothing_delivered_is_written_again() {
    let bench = Bench::start(1);
    let database = database();
    let config = without_idleness(&bench.config("stopped", &database, ""));
    // 1,100 events of 5 ms: five windows and a half.
    bench.publish(0..1_100, 1);
    let mut daemon = start(&config);
    wait_for_events(&database, 1_000);
    let ended = daemon.process.stop(PATIENCE);
    assert!(ended.success(), "{ended}: {}", daemon.process.log());
    assert_eq!(windows(&database), (10, 1_000), "an open window is not written at a stop");

    bench.publish(1_100..2_400, 1);
    let mut daemon = start(&config);
    wait_for_events(&database, 2_200);
    assert!(daemon.process.stop(PATIENCE).success());
    // Each point once, over both runs.
    assert_eq!(database.stored().len(), points(&database).len());
}

#[test]
fn a_rebalance_starts_again_from_the_last_commit() {
    let bench = Bench::start(2);
    let database = database();
    let config = without_idleness(&bench.config("shared", &database, ""));
    bench.publish(0..500, 2);
    let mut first = start(&config);
    wait_for_events(&database, 400);
    eventually("a commit", PATIENCE, || (bench.committed("shared", 2) >= 200).then_some(()));
    bench.publish(500..600, 2);
    // A second member joins, as the one that reads or not, and dies before a
    // window closes.
    let mut second = start(&config.replace("/state\"", "/state-2\""));
    eventually("a part for the second", PATIENCE, || {
        let log = second.process.log();
        (log.contains("kafka: assigned") || log.contains("kafka: standing by")).then_some(())
    });
    second.process.kill();
    eventually("the first reads again", PATIENCE, || {
        let log = first.process.log();
        let assigned = log.lines().filter(|line| line.contains("kafka: assigned")).collect::<Vec<_>>();
        let reads = assigned.last().is_some_and(|line| line.contains("partitions=2"));
        (reads && assigned.len() > 1).then_some(())
    });
    bench.publish(600..1_002, 2);
    wait_for_events(&database, 1_000);
    assert!(first.process.stop(PATIENCE).success());
}
