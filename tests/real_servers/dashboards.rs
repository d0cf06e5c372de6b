//! The dashboards over what the daemon wrote.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use driftline::{
    alert::{Alert, AlertRecord, AlertStatus, RecordState, Severity},
    event::EventTime,
    sink::Written,
};
use serde_json::Value;

use crate::{
    influx, points,
    setup::{Setup, path},
    simulated::{START_MS, Traffic},
    support::{
        dashboards::{self, Chosen},
        experiments::{experiment, held},
        explanations::{by_a_surrogate, explained_event, explanation},
        servers::{Daemon, Influx2, Kafka, SOON, driftline, eventually, http::block_on, or_skip},
    },
};

/// The model's reference, and what makes the daemon write the measurements that
/// no model has by itself.
const MODEL: [&str; 2] = [
    "reference = \"reference.json\"\n",
    "reference = \"reference.json\"\nsegments = [\"channel\"]\ncompare_with = [\"previous\"]\n",
];

#[test]
#[ignore = "needs real servers: run scripts/test"]
fn every_query_of_the_dashboards_gives_rows() {
    let Some(kafka) = or_skip(Kafka::shared()) else { return };
    let Some(influx) = or_skip(Influx2::shared()) else { return };
    let setup = Setup::new("dashboard", kafka, influx);
    let config = config(&setup);
    make_reference(&setup, &config);
    let events = setup.folder.join("events.csv");
    Traffic::FOUR_HOURS.write(&events);
    setup.publish(&events);
    let mut daemon = Daemon::start(&config);
    daemon.wait_for("writes 8 windows", |_| {
        (points::read(influx, &setup.bucket, "window").len() >= 8).then_some(())
    });
    daemon.stop();
    explain(influx, &setup.bucket);
    for feature in [None, Some("amount".to_owned()), Some("channel".to_owned())] {
        let chosen = Chosen {
            model: "credit".to_owned(),
            version: "v1".to_owned(),
            variant: "none".to_owned(),
            window: "1h".to_owned(),
            output: "default".to_owned(),
            experiment: "checkout".to_owned(),
            feature,
            from_ms: START_MS,
            to_ms: START_MS + 5 * 3_600_000,
            interval: "1h".to_owned(),
        };
        for (name, dashboard) in dashboards::all() {
            assert_all_give_rows(influx, &setup.bucket, (&name, &dashboard), &chosen);
        }
    }
}

/// The configuration of `setup`, with a segment and a further reference.
fn config(setup: &Setup) -> PathBuf {
    let file = setup.folder.join("dashboards.toml");
    let text = setup.config_text();
    assert!(text.contains(MODEL[0]));
    fs::write(&file, text.replace(MODEL[0], MODEL[1])).unwrap();
    file
}

/// An alert on the experiment `checkout`.
fn alert(end_ms: i64) -> AlertRecord {
    let texts = |pairs: [(&str, &str); 2]| {
        pairs.into_iter().map(|(name, text)| (name.to_owned(), text.to_owned())).collect()
    };
    AlertRecord {
        at: EventTime(end_ms),
        state: RecordState::Firing,
        alert: Alert {
            fingerprint: "0123456789abcdef".to_owned(),
            rule: "experiment_promotion".to_owned(),
            severity: Severity::Info,
            labels: texts([("model", "credit"), ("experiment", "checkout")]),
            annotations: texts([("summary", "checkout: promote b"), ("value", "promote")]),
            status: AlertStatus::Firing,
            starts_at: EventTime(end_ms),
            ends_at: None,
            window: None,
            weight: 1.0,
            bins: Vec::new(),
        },
    }
}

/// Writes made-up explanations of the daemon's windows: this model is none that
/// can be asked. The last one is by a surrogate, which has no verdict. So are the
/// results of an experiment, since its events name no arms, and an alert on them.
fn explain(influx: &Influx2, bucket: &str) {
    let names = ["amount", "channel"];
    let end = |hour: i64| START_MS + hour * 3_600_000;
    let settings = influx::settings(influx, bucket, Influx2::TOKEN);
    let sink = influx::start(&settings);
    let lines = sink.encode(&Written {
        explanations: &[
            explanation("credit", end(1), names),
            explanation("credit", end(2), names),
            by_a_surrogate("credit", end(3), names),
        ],
        events: &[explained_event("credit", end(2), names)],
        experiments: &[held("credit", end(1)), experiment("credit", end(2))],
        alerts: &[alert(end(2))],
        ..Written::default()
    });
    // Per window one of its output and two of its features; one of the event; of
    // an experiment its verdict, two arms, two metrics and a column; the alert.
    assert_eq!(lines.len(), 10 + 2 * 6 + 1);
    let ticket = sink.submit_lines(lines);
    eventually("delivery", SOON, || (sink.delivered() >= ticket).then_some(()));
    assert_eq!(block_on(sink.close(SOON)), 0);
}

fn make_reference(setup: &Setup, config: &Path) {
    let training = setup.folder.join("training.csv");
    Traffic::REFERENCE.write(&training);
    let arguments = ["reference", "--model", "credit", "--config", path(config), "--from", path(&training)];
    driftline(arguments).success();
}

/// Whether every variable and every panel has something to show. A panel that
/// asks for the same of each score has it when one of its queries does; a
/// column of one kind leaves the panels of the other empty.
fn assert_all_give_rows(influx: &Influx2, bucket: &str, (name, dashboard): (&str, &Value), chosen: &Chosen) {
    let mut rows: BTreeMap<String, (bool, Vec<String>)> = BTreeMap::new();
    for query in dashboards::queries(dashboard, chosen) {
        if chosen.feature.is_some() && query.may_be_empty() {
            continue;
        }
        let entry = rows.entry(query.place).or_default();
        entry.0 |= has_rows(&influx.influxql(bucket, &query.query));
        entry.1.push(query.query);
    }
    assert!(!rows.is_empty());
    rows.retain(|_, (has_rows, _)| !*has_rows);
    assert!(rows.is_empty(), "{name}: no rows with {chosen:?}:\n{rows:#?}");
}

/// Whether any series has a row with a value beside its time.
fn has_rows(series: &Value) -> bool {
    let rows = |series: &Value| series["values"].as_array().cloned().unwrap_or_default();
    let series = series.as_array().into_iter().flatten();
    series.flat_map(rows).any(|row| row.as_array().unwrap().iter().skip(1).any(|value| !value.is_null()))
}
