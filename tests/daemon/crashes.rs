//! Ends of all kinds: nothing is lost, nothing is counted twice.

use std::{thread, time::Duration};

use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

use crate::{
    bench::{Bench, PATIENCE, database, points, wait_for_events, wait_for_log, windows, without_idleness},
    support::servers::{Daemon, eventually},
};

#[test]
fn three_crashes_leave_the_same_points_as_none() {
    const EVENTS: u32 = 4_000;
    let seed = std::env::var("DRIFTLINE_SEED").map_or_else(|_| rand::random(), |seed| seed.parse().unwrap());
    println!("DRIFTLINE_SEED={seed}");
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let bench = Bench::start(2);
    let (calm, rough) = (database(), database());
    thread::scope(|scope| {
        scope.spawn(|| {
            // Slowly, so that crashes meet windows that are open.
            for first in (0..EVENTS).step_by(20) {
                bench.publish(first..(first + 20), 2);
                thread::sleep(Duration::from_millis(80));
            }
        });
        let _undisturbed = Daemon::start(&bench.config("calm", &calm, ""));
        for _ in 0..3 {
            let mut daemon = Daemon::start(&bench.config("rough", &rough, ""));
            wait_for_log(&mut daemon, "partitions are assigned");
            thread::sleep(Duration::from_millis(random.random_range(50..2_000)));
            daemon.process.kill();
        }
        let _last = Daemon::start(&bench.config("rough", &rough, ""));
        wait_for_events(&calm, u64::from(EVENTS));
        wait_for_events(&rough, u64::from(EVENTS));
    });
    assert_eq!(windows(&calm).0, 40, "20 s in windows of 1 s, two versions");
    assert_eq!(points(&calm), points(&rough));
}

#[test]
fn after_a_stop_nothing_delivered_is_written_again() {
    let bench = Bench::start(1);
    let database = database();
    let config = without_idleness(&bench.config("stopped", &database, ""));
    // 1,100 events of 5 ms: five windows and a half.
    bench.publish(0..1_100, 1);
    let mut daemon = Daemon::start(&config);
    wait_for_events(&database, 1_000);
    let ended = daemon.process.stop(PATIENCE);
    assert!(ended.success(), "{ended}: {}", daemon.process.log());
    assert_eq!(windows(&database), (10, 1_000), "an open window is not written at a stop");

    bench.publish(1_100..2_400, 1);
    let mut daemon = Daemon::start(&config);
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
    let mut first = Daemon::start(&config);
    wait_for_events(&database, 400);
    bench.publish(500..600, 2);
    // A second member takes a partition, and dies before a window closes.
    let mut second = Daemon::start(&config);
    wait_for_log(&mut second, "partitions are assigned");
    second.process.kill();
    let assignments = || first.process.log().matches("partitions are assigned").count();
    eventually("both partitions again", PATIENCE, || (assignments() >= 3).then_some(()));
    bench.publish(600..1_002, 2);
    wait_for_events(&database, 1_000);
    assert!(first.process.stop(PATIENCE).success());
}
