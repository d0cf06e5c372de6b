//! A file replayed into the database, beside the daemon that reads the same
//! events from Kafka.

use std::fs;

use crate::{
    bench::{Bench, database, points, start, wait_for_events},
    support::servers::driftline,
};

#[test]
fn a_replay_into_the_database_writes_what_the_daemon_writes() {
    const EVENTS: u32 = 1_500;
    let bench = Bench::start(1);
    let (live, replayed) = (database(), database());
    let config = bench.config("live", &live, "");
    bench.publish(0..EVENTS, 1);
    let _daemon = start(&config);
    wait_for_events(&live, u64::from(EVENTS));

    let config_file = bench.folder.join("replay.toml");
    fs::write(&config_file, bench.config("replay", &replayed, "")).unwrap();
    let events_file = bench.folder.join("events.ndjson");
    fs::write(&events_file, bench.events(0..EVENTS).map(|event| event + "\n").collect::<String>()).unwrap();
    let arguments = ["replay", "--output", "influx", "--config"].map(Into::into);
    let files = [config_file, events_file].map(std::path::PathBuf::into_os_string);
    let finished = driftline::<_, std::ffi::OsString>(arguments.into_iter().chain(files));
    assert_eq!(finished.code, 0, "{}", finished.err);
    assert_eq!(points(&replayed), points(&live));
}
