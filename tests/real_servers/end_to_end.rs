//! A file, on its way through Kafka and the daemon to InfluxDB, against the same
//! file replayed without any of them.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use serde_json::Value;

use crate::{
    points::{self, Field, Points},
    setup::Setup,
    simulated::Traffic,
    support::servers::{Daemon, Influx2, Kafka, Kcat, SOON, eventually, or_skip},
};

/// Fields of `drift` and where a result has them; what is null is no field.
const DRIFT: [(&str, &str); 31] = [
    ("kind", "/kind"),
    ("verdict", "/verdict"),
    ("n", "/n"),
    ("valid", "/valid"),
    ("missing_share", "/missing_share"),
    ("invalid_share", "/invalid_share"),
    ("unseen_share", "/unseen_share"),
    ("psi", "/scores/psi"),
    ("ks", "/scores/ks/statistic"),
    ("ks_error_bound", "/scores/ks/error_bound"),
    ("ks_p_value", "/scores/ks/p_value"),
    ("wasserstein", "/scores/wasserstein"),
    ("jensen_shannon", "/scores/jensen_shannon"),
    ("hellinger", "/scores/hellinger"),
    ("total_variation", "/scores/total_variation"),
    ("l_infinity", "/scores/l_infinity"),
    ("chi_square", "/scores/chi_square/statistic"),
    ("chi_square_degrees_of_freedom", "/scores/chi_square/degrees_of_freedom"),
    ("chi_square_p_value", "/scores/chi_square/p_value"),
    ("mean", "/summary/mean"),
    ("std_dev", "/summary/std_dev"),
    ("min", "/summary/min"),
    ("max", "/summary/max"),
    ("p05", "/summary/p05"),
    ("p25", "/summary/p25"),
    ("p50", "/summary/p50"),
    ("p75", "/summary/p75"),
    ("p95", "/summary/p95"),
    // Of the window, not of the column: compared by `windows`.
    ("events", "/events"),
    ("labels", "/labels"),
    ("reference_rows", "/reference_rows"),
];

/// The fields that a JSON object has, as they should stand in a point.
fn fields_of(result: &Value) -> BTreeMap<String, Field> {
    let mut fields = BTreeMap::new();
    for (name, pointer) in DRIFT {
        let field = match result.pointer(pointer) {
            Some(Value::Number(number)) if number.is_u64() => Field::Integer(number.as_i64().unwrap()),
            Some(Value::Number(number)) => Field::Float(number.as_f64().unwrap()),
            Some(Value::String(text)) => Field::Text(text.clone()),
            _ => continue,
        };
        fields.insert(name.to_owned(), field);
    }
    fields
}

/// What replay's results should look like in InfluxDB: `drift` and `window`.
fn expected(results: &[Value]) -> (Points, Points) {
    let (mut drift, mut windows) = (Points::new(), Points::new());
    for result in results {
        let text = |name: &str| result[name].as_str().unwrap().to_owned();
        let end = result["end"].as_i64().unwrap();
        let key = |feature: String| (end, [text("version"), text("variant"), feature, String::new()]);
        windows.insert(key(String::new()), fields_of(result));
        for column in result["features"].as_array().unwrap() {
            let feature = column["feature"].as_str().unwrap().to_owned();
            drift.insert(key(feature), fields_of(column));
        }
    }
    (drift, windows)
}

/// Checks that the points say what the results say, to the last bit.
fn assert_same(points: &Points, expected: &Points) {
    let keys = |points: &Points| points.keys().cloned().collect::<Vec<_>>();
    assert_eq!(keys(points), keys(expected));
    for (key, fields) in expected {
        for (name, field) in fields {
            let found = points[key].get(name);
            let same = match (found, field) {
                // JSON does not tell 1.0 from 1.
                (Some(Field::Float(found)), Field::Integer(_)) => found.to_bits() == field.number().to_bits(),
                (found, field) => found == Some(field),
            };
            assert!(same, "{key:?}: {name} is {found:?}, not {field:?}");
        }
    }
}

/// The windows that a stream can close by itself: all but the last, which nothing
/// comes after.
fn closed(mut results: Vec<Value>) -> Vec<Value> {
    let last = results.iter().map(|result| result["end"].as_i64().unwrap()).max();
    results.retain(|result| result["end"].as_i64() < last);
    results
}

/// Waits until so many windows have been written.
fn wait_for_windows(daemon: &mut Daemon, setup: &Setup, influx: &Influx2, windows: usize) {
    daemon.wait_for(&format!("writes {windows} windows"), |_| {
        (points::read(influx, &setup.bucket, "window").len() >= windows).then_some(())
    });
}

#[test]
#[ignore = "needs real servers: run scripts/test"]
fn published_events_become_the_points_of_a_replay() {
    let Some(kafka) = or_skip(Kafka::shared()) else { return };
    let Some(influx) = or_skip(Influx2::shared()) else { return };
    let setup = Setup::with_reference("published", kafka, influx);
    let events = setup.folder.join("events.csv");
    Traffic::FOUR_HOURS.write(&events);
    let results = closed(setup.replay(&events));
    assert_eq!(results.len(), 8, "four hours of two versions");
    let mut daemon = setup.daemon();
    setup.publish(&events);
    wait_for_windows(&mut daemon, &setup, influx, results.len());
    let (drift, windows) = expected(&results);
    assert_same(&points::read(influx, &setup.bucket, "drift"), &drift);
    assert_same(&points::read(influx, &setup.bucket, "window"), &windows);
    let amount =
        drift.iter().find(|((_, [version, _, feature, _]), _)| version == "v1" && feature == "amount");
    assert!(amount.unwrap().1["ks"].number() > 0.1, "the incident of the simulation shows");
    daemon.stop();
}

#[test]
#[ignore = "needs real servers: run scripts/test"]
fn crashes_of_daemon_broker_and_database_change_no_point() {
    let Some(mut kafka) = or_skip(Kafka::start()) else { return };
    let Some(mut influx) = or_skip(Influx2::start()) else { return };
    let setup = Setup::with_reference("crashes", &kafka, &influx);
    let events = setup.folder.join("events.csv");
    Traffic::FOUR_HOURS.write(&events);
    let results = closed(setup.replay(&events));
    let [first, second] = halves(&events);

    let mut daemon = setup.daemon();
    setup.publish(&first);
    wait_for_windows(&mut daemon, &setup, &influx, 2);
    daemon.process.kill();

    influx.kill();
    setup.publish(&second);
    let mut daemon = setup.daemon();
    daemon.wait_for("misses the database", |api| {
        api.ready().err().filter(|why| why.contains(r#"ready":false,"name":"influxdb"#))
    });
    kafka.kill();
    kafka.resume();
    influx.resume();
    wait_for_windows(&mut daemon, &setup, &influx, results.len());
    let (drift, windows) = expected(&results);
    assert_same(&points::read(&influx, &setup.bucket, "drift"), &drift);
    assert_same(&points::read(&influx, &setup.bucket, "window"), &windows);
    daemon.stop();
}

/// The rows of a CSV file up to the middle of an hour, and the rest.
fn halves(events: &Path) -> [PathBuf; 2] {
    let text = fs::read_to_string(events).unwrap();
    let (header, rows) = text.split_once('\n').unwrap();
    let rows: Vec<&str> = rows.lines().collect();
    let (first, second) = rows.split_at(1_000);
    [("first", first), ("second", second)].map(|(name, rows)| {
        let file = events.with_file_name(format!("{name}.csv"));
        fs::write(&file, format!("{header}\n{}\n", rows.join("\n"))).unwrap();
        file
    })
}

#[test]
#[ignore = "needs real servers: run scripts/test"]
fn what_cant_be_used_goes_to_the_dead_letters_as_it_came() {
    let Some(kafka) = or_skip(Kafka::shared()) else { return };
    let Some(influx) = or_skip(Influx2::shared()) else { return };
    let Some(kcat) = or_skip(Kcat::new(&kafka.brokers())) else { return };
    let setup = Setup::with_reference("refused", kafka, influx);
    let bad = [
        ("not_json", "this is no JSON"),
        ("not_an_object", "[1, 2]"),
        ("no_time", r#"{"model": "credit", "prediction": 0.5, "features": {"age": 30}}"#),
        ("bad_time", r#"{"time": "yesterday", "model": "credit", "prediction": 0.5}"#),
        ("too_far_ahead", r#"{"time": "2099-01-01T00:00:00Z", "model": "credit", "prediction": 0.5}"#),
        ("no_model", r#"{"time": "2025-01-01T10:00:00Z", "prediction": 0.5}"#),
        ("unknown_model", r#"{"time": "2025-01-01T10:00:00Z", "model": "nobody", "prediction": 0.5}"#),
    ];
    for (reason, payload) in bad {
        kcat.produce(&setup.topic, &[payload], &["-p", "1", "-k", reason, "-H", "trace=a b"]);
    }
    let daemon = setup.daemon();
    let letters = eventually("dead letters", SOON, || {
        let letters = kcat.consume(&setup.dead_letters, "%k\t%h\t%s");
        (letters.len() >= bad.len()).then_some(letters)
    });
    assert_eq!(letters.len(), bad.len(), "{letters:?}");
    for (offset, ((reason, payload), letter)) in bad.into_iter().zip(letters).enumerate() {
        let [key, headers, body] = letter.splitn(3, '\t').collect::<Vec<_>>().try_into().unwrap();
        assert_eq!((key, body), (reason, payload), "key and payload as they came");
        let headers: Vec<&str> = headers.split(',').collect();
        for header in [
            "trace=a b".to_owned(),
            format!("driftline-reason={reason}"),
            format!("driftline-topic={}", setup.topic),
            "driftline-partition=1".to_owned(),
            format!("driftline-offset={offset}"),
        ] {
            assert!(headers.contains(&header.as_str()), "{header} in {headers:?}");
        }
        let counted = daemon.api.metric("driftline_messages_rejected_total", &format!("reason=\"{reason}\""));
        assert!((counted - 1.0).abs() < f64::EPSILON, "{reason}: {counted}");
    }
    daemon.stop();
    let mut again = setup.daemon();
    again.wait_for("is ready", |api| api.ready().ok());
    assert_eq!(
        kcat.consume(&setup.dead_letters, "%k").len(),
        bad.len(),
        "none comes twice after a clean stop"
    );
}
