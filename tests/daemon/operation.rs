//! What an operator sees and does: dead letters, reloads, errors.

use std::{fs, net::TcpListener};

use rdkafka::{
    ClientConfig, Message as _,
    consumer::{BaseConsumer, Consumer as _},
    message::Headers as _,
};

use crate::{
    bench::{Bench, DEAD, PATIENCE, TOPIC, database, get, start, wait_for_events, wait_for_log},
    support::servers::{Daemon, driftline, eventually, folder},
};

/// Reason and payload of every dead letter.
fn dead_letters(bench: &Bench, count: usize) -> Vec<(String, String)> {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", &bench.mock.brokers).set("group.id", "reader");
    let reader: BaseConsumer = config.set("auto.offset.reset", "earliest").create().unwrap();
    let mut partitions = rdkafka::TopicPartitionList::new();
    partitions.add_partition_offset(DEAD, 0, rdkafka::Offset::Beginning).unwrap();
    reader.assign(&partitions).unwrap();
    let mut found = Vec::new();
    eventually("dead letters", PATIENCE, || {
        while let Some(message) = reader.poll(std::time::Duration::from_millis(100)) {
            let message = message.unwrap();
            let headers = message.headers().unwrap();
            let reason = headers.iter().find(|header| header.key == "driftline-reason").unwrap();
            let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
            found.push((text(reason.value.unwrap()), text(message.payload().unwrap_or_default())));
        }
        (found.len() >= count).then_some(())
    });
    found
}

#[test]
fn what_cannot_be_used_goes_to_the_dead_letter_topic_and_holds_up_nothing() {
    let bench = Bench::start(1);
    let database = database();
    bench.publish(0..500, 1);
    let unusable =
        ["{", "[1]", r#"{"model":"credit","prediction":1}"#, r#"{"time":1767225600,"model":"churn"}"#];
    for payload in unusable {
        bench.mock.write(TOPIC, 0, payload);
    }
    bench.publish(500..1_000, 1);
    let mut daemon = start(&bench.config("dead", &database, ""));
    wait_for_events(&database, 1_000);
    let reasons = ["not_json", "not_an_object", "no_time", "unknown_model"];
    let expected: Vec<_> =
        reasons.iter().zip(unusable).map(|(reason, text)| ((*reason).to_owned(), text.to_owned())).collect();
    assert_eq!(dead_letters(&bench, 4), expected);
    for reason in reasons {
        let label = format!("reason=\"{reason}\"");
        let count = daemon.api.metric("driftline_messages_rejected_total", &label);
        assert!((count - 1.0).abs() < 0.1, "{reason}: {count}");
    }
    assert!(daemon.process.stop(PATIENCE).success());
    // They were committed with the rest: they don't come again.
    let mut daemon = start(&bench.config("dead", &database, ""));
    wait_for_log(&mut daemon, "kafka: assigned");
    // A minute later: while all was silent, event time went on with the clock.
    bench.publish(12_000..12_200, 1);
    wait_for_events(&database, 1_200);
    assert_eq!(dead_letters(&bench, 4).len(), 4);
}

#[test]
fn a_reload_applies_what_it_can_and_names_the_rest() {
    let bench = Bench::start(1);
    let database = database();
    let original = bench.config("reload", &database, "");
    let file = folder("reload").join("driftline.toml");
    fs::write(&file, &original).unwrap();
    let mut daemon = Daemon::start(&file);
    let changed =
        original.replace("min_events = 20", "min_events = 1000000").replace("size = \"1s\"", "size = \"2s\"");
    fs::write(&file, format!("{changed}\n[log]\nlevel = \"debug\"\n")).unwrap();
    daemon.process.signal("HUP");
    wait_for_log(&mut daemon, "need a restart");
    let log = daemon.process.log();
    let applied = log.lines().find(|line| line.contains("was read again")).unwrap();
    assert!(applied.contains("log.level") && applied.contains("windows.min_events"), "{applied}");
    let rest = log.lines().find(|line| line.contains("need a restart")).unwrap();
    assert!(rest.contains("windows.size") && !rest.contains("min_events"), "{rest}");
    let successful = |daemon: &Daemon| daemon.api.metric("driftline_config_last_reload_successful", "") > 0.5;
    assert!(successful(&daemon));

    // Both are in force: the windows are still of one second.
    bench.publish(0..400, 1);
    wait_for_events(&database, 400);
    wait_for_log(&mut daemon, "window written");
    let windows = get(&daemon, "/api/v1/models/credit/windows").json();
    for window in windows["windows"].as_array().unwrap() {
        assert_eq!(window["window"], "1s");
        assert_eq!(window["features"][0]["verdict"], "insufficient");
    }

    fs::write(&file, original.replace("min_events = 20", "min_events = -1").replace("lateness", "latness"))
        .unwrap();
    daemon.process.signal("HUP");
    wait_for_log(&mut daemon, "goes on with the one it has");
    let log = daemon.process.log();
    assert!(log.contains("latness") && log.contains("windows.min_events"), "{log}");
    assert!(!successful(&daemon));
    assert!(daemon.process.stop(PATIENCE).success());
}

#[test]
fn settings_that_cannot_work_end_the_start_with_their_own_exit_codes() {
    let bench = Bench::start(1);
    let database = database();
    let good = bench.config("errors", &database, "");
    let file = folder("errors").join("driftline.toml");
    let run = |config: &str, flags: &[&str]| {
        fs::write(&file, config).unwrap();
        let listen = ["--http-listen", "127.0.0.1:0"];
        let listen = if flags.contains(&"--http-listen") { &[][..] } else { &listen[..] };
        driftline([&["run", "--config", file.to_str().unwrap()], flags, listen].concat())
    };
    let typo = run(&good.replace("lateness", "latness").replace("min_events = 20", "min_events = 0"), &[]);
    assert_eq!(typo.code, 78, "{}", typo.err);
    assert!(typo.err.contains("latness") && typo.err.contains("min_events"), "all at once: {}", typo.err);
    let no_reference = run(&good.replace("credit.json", "missing.json"), &[]);
    assert_eq!(no_reference.code, 78, "{}", no_reference.err);
    assert!(no_reference.err.contains("missing.json"), "{}", no_reference.err);
    let level = run(&good, &["--log-level", "driftline=loud"]);
    assert_eq!(level.code, 78, "{}", level.err);
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let listen = run(&good, &["--http-listen", &address]);
    assert_eq!(listen.code, 1, "{}", listen.err);
    assert!(listen.err.contains(&address) && listen.err.contains("http.listen"), "{}", listen.err);
    let absent = driftline(["run", "--config", "/nowhere/driftline.toml"]);
    assert_eq!(absent.code, 78, "{}", absent.err);
}

#[test]
fn secrets_reach_neither_log_nor_page() {
    let bench = Bench::start(1);
    let database = database();
    let config = bench
        .config("secret", &database, "")
        .replace("bucket =", "token = \"hush-token\"\nbucket =")
        .replace("\"session", "\"sasl.password\" = \"hush-password\"\n\"session");
    let mut daemon = start(&format!("{config}\n[log]\nlevel = \"debug\"\nformat = \"json\"\n"));
    bench.publish(0..400, 1);
    wait_for_events(&database, 400);
    let pages = ["/", "/ready", "/metrics", "/api/v1/models"].map(|path| get(&daemon, path).body);
    assert!(daemon.process.stop(PATIENCE).success());
    let log = daemon.process.log();
    assert!(log.lines().all(|line| line.starts_with('{')), "one JSON object a line: {log}");
    for text in pages.iter().chain([&log]) {
        assert!(!text.contains("hush"), "{text}");
    }
    assert!(database.seen().iter().all(|seen| seen.header("authorization") == "Token hush-token"));
}
