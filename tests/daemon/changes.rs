//! Settings that change over a restart: what they give another meaning begins
//! anew, and nothing else does.

use crate::{
    bench::{
        Bench, PATIENCE, TOPIC, alone, database, points, start, wait_for_events, wait_for_log,
        without_idleness,
    },
    support::{credit, servers::eventually, stand_in::StandIn},
};

/// A second model with the same events and a reference of its own.
fn with_second_model(config: &str, reference: &str) -> String {
    let models = format!("[[models]]\nname = \"other\"\nreference = \"{reference}\"\n[influxdb]");
    config.replace("[influxdb]", &models)
}

/// Writes every event for both models.
fn publish(bench: &Bench, numbers: std::ops::Range<u32>) {
    for number in numbers {
        let partition = i32::try_from(number % 2).unwrap();
        let event = bench.event(number);
        bench.mock.write(TOPIC, partition, &event.replace(credit::MODEL, "other"));
        bench.mock.write(TOPIC, partition, &event);
    }
    bench.mock.flush();
}

/// Points of one model that end after the event with this number.
fn of(bench: &Bench, database: &StandIn, model: &str, after: u32) -> Vec<(String, String)> {
    let label = format!("model={model},");
    let is_wanted = |key: &str| key.contains(&label) && end(key) > bench.time(after);
    points(database).into_iter().filter(|(key, _)| is_wanted(key)).collect()
}

/// End of a point's window in milliseconds.
fn end(key: &str) -> i64 {
    key.rsplit_once(' ').unwrap().1.parse().unwrap()
}

#[test]
fn another_reference_of_one_model_leaves_the_other_model_alone() {
    let bench = Bench::start(2);
    let (calm, changed, rough) = (database(), database(), database());
    let [first, second] = ["other-1.json", "other-2.json"].map(|name| bench.folder.join(name));
    credit::store_for("other", 0..1_000, &first);
    credit::store_for("other", 500..3_000, &second);
    let with = |reference: &std::path::Path, group: &str, database: &StandIn| {
        let config = without_idleness(&bench.config(group, database, ""));
        let config = config.replace("/state\"", &format!("/state-{group}\""));
        with_second_model(&config, reference.to_str().unwrap())
    };
    let _as_before = start(&with(&first, "calm", &calm));
    let _as_after = start(&with(&second, "changed", &changed));
    let mut daemon = start(&with(&first, "rough", &rough));
    // Five windows and a quarter of one, of two models.
    publish(&bench, 0..1_050);
    wait_for_events(&rough, 2_000);
    assert!(daemon.process.stop(PATIENCE).success());

    let mut daemon = start(&with(&second, "rough", &rough));
    wait_for_log(&mut daemon, "the windows of this model begin anew");
    let log = daemon.process.log();
    let anew: Vec<_> = log.lines().filter(|line| line.contains("begin anew")).collect();
    println!("{anew:#?}");
    assert_eq!(anew.len(), 1, "{anew:#?}");
    assert!(anew[0].contains("other") && anew[0].contains("reference"), "{}", anew[0]);
    publish(&bench, 1_050..2_050);
    for database in [&rough, &calm, &changed] {
        wait_for_events(database, 4_000);
    }
    // The windows of the one go on; those of the other that were open are whole
    // and compared with the new reference.
    assert_eq!(of(&bench, &rough, "credit", 0), of(&bench, &calm, "credit", 0));
    let open = alone(of(&bench, &rough, "other", 1_000));
    println!("2,050 events of two models: {} points of the changed one after the change", open.len());
    assert!(!open.is_empty());
    assert_eq!(open, alone(of(&bench, &changed, "other", 1_000)));
    assert_ne!(open, alone(of(&bench, &calm, "other", 1_000)), "the reference matters");
    assert!(daemon.process.stop(PATIENCE).success());
}

#[test]
fn another_window_size_begins_all_windows_anew_and_says_so() {
    let bench = Bench::start(2);
    let (calm, rough) = (database(), database());
    let config = without_idleness(&bench.config("rough", &rough, ""));
    let longer = |config: &str| config.replace("size = \"1s\"", "size = \"2s\"");
    let mut daemon = start(&config);
    bench.publish(0..1_050, 2);
    eventually("five windows of two versions", PATIENCE, || (windows_of(&rough, "1s") == 10).then_some(()));
    eventually("a commit", PATIENCE, || (bench.committed("rough", 2) >= 500).then_some(()));
    daemon.process.kill();

    let mut daemon = start(&longer(&config));
    wait_for_log(&mut daemon, "the windows of this model begin anew");
    let log = daemon.process.log();
    let anew = log.lines().find(|line| line.contains("begin anew")).unwrap();
    println!("{anew}");
    assert!(anew.contains("windows.size was 1s, and is 2s"), "{anew}");
    bench.publish(1_050..4_450, 2);
    let calm_config = longer(&without_idleness(&bench.config("calm", &calm, "")));
    let _calm = start(&calm_config.replace("/state\"", "/state-calm\""));
    // Every second of event time that was in an open window, and all that came after.
    eventually("longer windows", PATIENCE, || (windows_of(&calm, "2s") >= 22).then_some(()));
    let expected: Vec<_> = alone(points(&calm))
        .into_iter()
        .filter(|(key, _)| key.contains("window=2s") && later(&bench, key))
        .collect();
    assert!(!expected.is_empty());
    eventually("the same points", PATIENCE, || {
        let found = alone(points(&rough));
        expected.iter().all(|(key, fields)| found.get(key) == Some(fields)).then_some(())
    });
    assert_eq!(windows_of(&rough, "1s"), 10, "the old windows stay");
    assert!(daemon.process.stop(PATIENCE).success());
}

#[test]
fn another_group_begins_as_configured_and_says_why() {
    let bench = Bench::start(2);
    let database = database();
    let config = without_idleness(&bench.config("one", &database, ""));
    let mut daemon = start(&config);
    bench.publish(0..450, 2);
    wait_for_events(&database, 400);
    assert!(daemon.process.stop(PATIENCE).success());
    let before = points(&database);

    let mut daemon = start(&config.replace("group = \"one\"", "group = \"two\""));
    wait_for_log(&mut daemon, "the last checkpoint is not used");
    let log = daemon.process.log();
    let line = log.lines().find(|line| line.contains("is not used")).unwrap();
    assert!(line.contains("the group has committed nothing"), "{line}");
    bench.publish(450..650, 2);
    wait_for_events(&database, 600);
    let processed = daemon.api.metric("driftline_messages_processed_total", "");
    println!("{line}: {processed} of 650 messages read");
    assert!((processed - 650.0).abs() < 0.5, "all are read again");
    assert!(daemon.process.stop(PATIENCE).success());
    let after = points(&database);
    assert!(before.iter().all(|(key, fields)| after[key] == *fields), "the old windows say the same");
}

/// Whether a window begins after the first open window of the old size did.
fn later(bench: &Bench, key: &str) -> bool {
    end(key) >= bench.time(1_000) + 2_000
}

fn windows_of(database: &StandIn, size: &str) -> usize {
    let label = format!("window={size}");
    points(database).keys().filter(|key| key.starts_with("window,") && key.contains(&label)).count()
}
