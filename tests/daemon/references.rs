//! References that are learned from the stream.

use crate::{
    bench::{Bench, PATIENCE, database, get, points, start, wait_for_log},
    support::{
        servers::{Daemon, eventually},
        stand_in::StandIn,
    },
};

fn learning(bench: &Bench, database: &StandIn, events: u32) -> String {
    let file = format!("reference = \"{}/credit.json\"", bench.folder.display());
    let learn = format!("reference = {{ first_events = {events} }}");
    bench.config("learning", database, "").replace(&file, &learn)
}

#[test]
fn a_learned_reference_is_stored_and_used_again() {
    let bench = Bench::start(1);
    let database = database();
    bench.publish(0..600, 1);
    let config = learning(&bench, &database, 1_000);
    let mut daemon = start(&config);
    let state = |daemon: &Daemon| {
        let models = get(daemon, "/api/v1/models").json();
        models["models"][0]["state"].as_str().map(str::to_owned)
    };
    eventually("600 rows", PATIENCE, || (state(&daemon)? == "learning, 600 of 1,000 rows").then_some(()));
    // A crash while learning: what was learned so far is read again.
    daemon.process.kill();
    bench.publish(600..2_000, 1);
    let mut daemon = start(&config);
    wait_for_log(&mut daemon, "the learned reference is stored");
    eventually("watching", PATIENCE, || (state(&daemon)? == "watching").then_some(()));
    let models = get(&daemon, "/api/v1/models").json();
    assert_eq!(models["models"][0]["reference"]["rows"], 1_000);
    assert_eq!(models["models"][0]["reference"]["source"], "the first 1000 rows of the stream");
    // Events 0 to 999 are the reference, windows begin behind them: five seconds.
    eventually("all windows", PATIENCE, || {
        let points = points(&database);
        (points.keys().filter(|key| key.starts_with("window,")).count() == 10).then_some(())
    });
    let before = points(&database);
    daemon.process.kill();

    let mut daemon = start(&config);
    wait_for_log(&mut daemon, "a reference learned earlier is used again");
    bench.publish(2_000..2_400, 1);
    eventually("later windows", PATIENCE, || (points(&database).len() > before.len()).then_some(()));
    let after = points(&database);
    assert!(before.iter().all(|(key, fields)| after[key] == *fields), "the old windows say the same");
    assert!(daemon.process.stop(PATIENCE).success());

    let mut daemon = start(&learning(&bench, &database, 500));
    wait_for_log(&mut daemon, "learned with other settings and is not used");
    assert!(daemon.process.stop(PATIENCE).success());
}
