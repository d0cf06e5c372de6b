//! The writer of points against InfluxDB 2.9 and 1.6.

use std::time::Duration;

use driftline::{
    result::WindowResult,
    sink::{InfluxApi, InfluxSettings, InfluxSink},
};
use prometheus::Registry;
use serde_json::json;

use crate::{
    points::{self, Field},
    support::{
        results::{categorical, insufficient, numeric, window},
        servers::{
            Influx1, Influx2, SOON, eventually,
            http::{self, block_on},
            or_skip,
        },
    },
};

/// Of a sink that writes to `bucket`.
pub fn settings(influx: &Influx2, bucket: &str, token: &str) -> InfluxSettings {
    let api = InfluxApi::V2 { org: Influx2::ORG.to_owned(), bucket: bucket.to_owned() };
    settings_of(&influx.url(), api, token)
}

fn settings_of(url: &str, api: InfluxApi, secret: &str) -> InfluxSettings {
    InfluxSettings {
        url: url.to_owned(),
        api,
        secret: Some(secret.into()),
        ca_file: None,
        batch_points: 50,
        flush_interval: Duration::from_millis(50),
        buffer_points: 10_000,
        timeout: Duration::from_secs(10),
        gzip: true,
    }
}

/// A sink that runs.
pub fn start(settings: &InfluxSettings) -> InfluxSink {
    InfluxSink::start(settings, &Registry::new(), http::runtime().handle()).unwrap()
}

/// Submits results and waits until the server has them.
fn deliver(settings: &InfluxSettings, results: &[WindowResult]) {
    let sink = start(settings);
    let ticket = sink.submit(results);
    eventually("delivery", SOON, || (sink.delivered() >= ticket).then_some(()));
    assert_eq!(block_on(sink.close(SOON)), 0);
}

fn results() -> Vec<WindowResult> {
    (1..=3)
        .map(|hour| {
            let odd_name = categorical("a b,c=d \\ \"ü\" \u{1f4a7}", 0.5);
            window("credit", hour, vec![numeric("age", 0.125), odd_name, insufficient("empty")])
        })
        .collect()
}

#[test]
#[ignore = "needs real servers: run scripts/test"]
fn points_come_back_through_a_client_that_is_not_ours() {
    let Some(influx) = or_skip(Influx2::shared()) else { return };
    let bucket = influx.bucket("sink");
    deliver(&settings(influx, &bucket, Influx2::TOKEN), &results());
    let drift = points::read(influx, &bucket, "drift");
    assert_eq!(drift.len(), 9, "three columns in three windows");
    for ((end, [version, variant, feature, _]), fields) in &drift {
        assert_eq!((version.as_str(), variant.as_str()), ("v1", "none"));
        assert!(results().iter().any(|window| window.end.0 == *end), "{end}");
        match feature.as_str() {
            "age" => {
                assert_eq!(fields["psi"], Field::Float(0.125));
                assert_eq!(fields["ks"], Field::Float(0.0625));
                assert_eq!(fields["chi_square_degrees_of_freedom"], Field::Integer(9));
                assert_eq!(fields["verdict"], Field::Text("stable".to_owned()));
            }
            "empty" => {
                assert_eq!(fields["verdict"], Field::Text("insufficient".to_owned()));
                assert!(!fields.contains_key("psi"), "{fields:?}");
            }
            other => {
                assert!(other.starts_with("a b,c=d ") && other.ends_with("\u{1f4a7}"), "{other}");
                assert_eq!(fields["unseen_names"], Field::Text("Fax, \"old\" (12)".to_owned()));
            }
        }
    }
    let windows = points::read(influx, &bucket, "window");
    assert_eq!(windows.len(), 3);
    assert!(windows.values().all(|fields| fields["events"] == Field::Integer(1_000)));
    let series = influx.influxql(&bucket, r#"SELECT count("psi") FROM "drift""#);
    assert_eq!(series[0]["values"][0][1], json!(6), "the same through InfluxQL");
}

#[test]
#[ignore = "needs real servers: run scripts/test"]
fn a_window_written_again_overwrites_its_points() {
    let Some(influx) = or_skip(Influx2::shared()) else { return };
    let bucket = influx.bucket("sink");
    let settings = settings(influx, &bucket, Influx2::TOKEN);
    deliver(&settings, &results());
    let first = points::read(influx, &bucket, "drift");
    deliver(&settings, &results());
    assert_eq!(points::read(influx, &bucket, "drift"), first);
    deliver(&settings, &[window("credit", 1, vec![numeric("age", 0.75)])]);
    let third = points::read(influx, &bucket, "drift");
    assert_eq!(third.len(), first.len(), "no point more");
    let changed: Vec<_> = third.iter().filter(|(key, fields)| first[*key] != **fields).collect();
    assert_eq!(changed.len(), 1, "{changed:?}");
    assert_eq!(changed[0].1["psi"], Field::Float(0.75));
}

#[test]
#[ignore = "needs real servers: run scripts/test"]
fn a_wrong_token_keeps_the_points_and_says_so() {
    let Some(influx) = or_skip(Influx2::shared()) else { return };
    let bucket = influx.bucket("sink");
    stays_unready(&settings(influx, &bucket, "no such token"), "401", "no such token");
    assert!(points::read(influx, &bucket, "drift").is_empty());
}

#[test]
#[ignore = "needs real servers: run scripts/test"]
fn a_token_that_may_only_read_keeps_the_points_and_says_so() {
    let Some(influx) = or_skip(Influx2::shared()) else { return };
    let id = influx.make_bucket("sink-read-only");
    let token = influx.read_only_token(&id);
    stays_unready(&settings(influx, "sink-read-only", &token), "403", &token);
}

/// Submits results that the server refuses as a whole: they stay, and the status
/// names the code and no secret.
fn stays_unready(settings: &InfluxSettings, code: &str, secret: &str) {
    let sink = start(settings);
    sink.submit(&results());
    let queued = sink.queued_points();
    let why = eventually("a refusal", SOON, || {
        let status = sink.status();
        (!status.is_ready()).then(|| status.to_string())
    });
    assert!(why.contains(code) && !why.contains(secret), "{why}");
    assert_eq!((sink.delivered(), sink.queued_points()), (0, queued));
    assert_eq!(block_on(sink.close(Duration::from_millis(100))), queued, "not delivered, and counted");
}

#[test]
#[ignore = "needs real servers: run scripts/test"]
fn points_wait_for_a_bucket_that_is_made_later() {
    let Some(influx) = or_skip(Influx2::shared()) else { return };
    let sink = start(&settings(influx, "sink-made-later", Influx2::TOKEN));
    let ticket = sink.submit(&results());
    eventually("404", SOON, || sink.status().to_string().contains("404").then_some(()));
    influx.make_bucket("sink-made-later");
    eventually("delivery", SOON, || (sink.delivered() >= ticket).then_some(()));
    assert!(sink.status().is_ready());
    assert_eq!(points::read(influx, "sink-made-later", "drift").len(), 9);
}

#[test]
#[ignore = "needs real servers: run scripts/test"]
fn points_wait_for_a_server_that_starts_later_and_outlive_its_crash() {
    let Some(mut influx) = or_skip(Influx2::stopped()) else { return };
    let sink = start(&settings(&influx, "first", Influx2::TOKEN));
    let before = sink.submit(&results()[..1]);
    eventually("trouble", SOON, || (!sink.status().is_ready()).then_some(()));
    influx.resume();
    eventually("delivery", SOON, || (sink.delivered() >= before).then_some(()));
    influx.kill();
    let after = sink.submit(&results()[1..]);
    eventually("trouble", SOON, || (!sink.status().is_ready()).then_some(()));
    influx.resume();
    eventually("delivery", SOON, || (sink.delivered() >= after).then_some(()));
    assert_eq!(points::read(&influx, "first", "drift").len(), 9);
}

#[test]
#[ignore = "needs real servers: run scripts/test"]
fn influxdb_1_takes_the_same_points() {
    let Some(influx) = or_skip(Influx1::start()) else { return };
    let api = InfluxApi::V1 {
        database: "drift".to_owned(),
        retention_policy: None,
        username: Some(Influx1::USER.to_owned()),
    };
    let settings = settings_of(&influx.url(), api, Influx1::PASSWORD);
    let sink = start(&settings);
    let ticket = sink.submit(&results());
    eventually("404", SOON, || sink.status().to_string().contains("404").then_some(()));
    influx.change("CREATE DATABASE drift");
    eventually("delivery", SOON, || (sink.delivered() >= ticket).then_some(()));
    let count = |query: &str| influx.influxql("drift", query)[0]["values"][0][1].clone();
    assert_eq!(count(r#"SELECT count("n") FROM "drift""#), json!(9));
    assert_eq!(count(r#"SELECT max("psi") FROM "drift" WHERE "feature" = 'age'"#), json!(0.125));
    assert_eq!(count(r#"SELECT sum("events") FROM "window""#), json!(3_000));
    deliver(&settings, &results());
    assert_eq!(count(r#"SELECT count("n") FROM "drift""#), json!(9), "written again, no point more");
}
