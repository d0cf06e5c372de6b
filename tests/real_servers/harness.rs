//! The harness itself: each server starts, takes something and gives it back.

use crate::support::servers::{Influx1, Influx2, Kafka, Kcat, Prometheus, http, or_skip, promtool};

#[test]
#[ignore = "needs real servers: run scripts/test"]
fn kafka_gives_back_what_kcat_put_in() {
    let Some(kafka) = or_skip(Kafka::shared()) else { return };
    let Some(kcat) = or_skip(Kcat::new(&kafka.brokers())) else { return };
    let topic = kafka.topic("harness", 2);
    let sent: Vec<String> = (0..1_000).map(|number| format!("message {number}")).collect();
    kcat.produce(&topic, &sent, &[]);
    let mut received = kcat.consume(&topic, "%s");
    received.sort();
    let mut expected = sent;
    expected.sort();
    assert_eq!(received, expected);
}

#[test]
#[ignore = "needs real servers: run scripts/test"]
fn influxdb_2_gives_back_a_written_point() {
    let Some(influx) = or_skip(Influx2::shared()) else { return };
    let bucket = influx.bucket("harness");
    let url = format!("{}/api/v2/write?org={}&bucket={bucket}&precision=ms", influx.url(), Influx2::ORG);
    let line = "drift,feature=a\\ b psi=0.25,n=3i 1700000000000";
    http::post(&url, Some(Influx2::TOKEN), "text/plain", line.to_owned()).success();
    let points = influx.points(&bucket, "drift");
    assert_eq!(points.len(), 1, "{points:?}");
    assert_eq!(points[0]["feature"], "a b");
    assert_eq!(points[0]["psi"], "0.25");
    assert_eq!(points[0]["n"], "3");
    let series = influx.influxql(&bucket, "SELECT psi FROM drift");
    assert_eq!(series[0]["values"][0][1], 0.25);
}

#[test]
#[ignore = "needs real servers: run scripts/test"]
fn influxdb_1_has_its_users_and_databases() {
    let Some(influx) = or_skip(Influx1::start()) else { return };
    influx.change("CREATE DATABASE drift");
    let databases = influx.influxql("", "SHOW DATABASES").to_string();
    assert!(databases.contains("drift"), "{databases}");
    let anonymous = http::get_with(&format!("{}/query", influx.url()), None, &[("q", "SHOW DATABASES")]);
    assert_eq!(anonymous.status, 401);
}

#[test]
#[ignore = "needs real servers: run scripts/test"]
fn prometheus_starts_and_promtool_finds_a_bad_name() {
    let Some(prometheus) = or_skip(Prometheus::start("127.0.0.1:1")) else { return };
    assert!(prometheus.query("vector(1)").is_array());
    let page = "# HELP good_total a counter\n# TYPE good_total counter\ngood_total 1\n";
    assert_eq!(promtool(page).unwrap(), Ok(()));
    assert!(promtool("# TYPE bad counter\nbad 1\n").unwrap().is_err());
}
