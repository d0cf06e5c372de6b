//! The dashboard over what the daemon wrote.

use serde_json::Value;

use crate::{
    points,
    setup::Setup,
    simulated::{START_MS, Traffic},
    support::{
        dashboards::{self, Chosen},
        servers::{Influx2, Kafka, or_skip},
    },
};

#[test]
#[ignore = "needs real servers: run scripts/test"]
fn every_query_of_the_dashboard_gives_rows() {
    let Some(kafka) = or_skip(Kafka::shared()) else { return };
    let Some(influx) = or_skip(Influx2::shared()) else { return };
    let setup = Setup::with_reference("dashboard", kafka, influx);
    let events = setup.folder.join("events.csv");
    Traffic::FOUR_HOURS.write(&events);
    setup.publish(&events);
    let mut daemon = setup.daemon();
    daemon.wait_for("writes 8 windows", |_| {
        (points::read(influx, &setup.bucket, "window").len() >= 8).then_some(())
    });
    daemon.stop();
    for feature in [None, Some("amount".to_owned()), Some("channel".to_owned())] {
        let chosen = Chosen {
            model: "credit".to_owned(),
            version: "v1".to_owned(),
            variant: "none".to_owned(),
            window: "1h".to_owned(),
            feature,
            from_ms: START_MS,
            to_ms: START_MS + 5 * 3_600_000,
            interval: "1h".to_owned(),
        };
        assert_all_give_rows(influx, &setup.bucket, &chosen);
    }
}

fn assert_all_give_rows(influx: &Influx2, bucket: &str, chosen: &Chosen) {
    let queries = dashboards::queries(&dashboards::drift(), chosen);
    assert!(!queries.is_empty());
    let empty: Vec<String> = queries
        .iter()
        // What may be empty for a column of one kind says so itself.
        .filter(|query| chosen.feature.is_none() || query.no_value.is_empty())
        .filter(|query| !has_rows(&influx.influxql(bucket, &query.query)))
        .map(|query| format!("{}: {}", query.place, query.query))
        .collect();
    assert!(empty.is_empty(), "no rows with {chosen:?}:\n{}", empty.join("\n"));
}

/// Whether any series has a row with a value beside its time.
fn has_rows(series: &Value) -> bool {
    let rows = |series: &Value| series["values"].as_array().cloned().unwrap_or_default();
    let series = series.as_array().into_iter().flatten();
    series.flat_map(rows).any(|row| row.as_array().unwrap().iter().skip(1).any(|value| !value.is_null()))
}
