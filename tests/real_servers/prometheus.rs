//! The daemon's metrics as Prometheus sees them.

use crate::{
    setup::Setup,
    simulated::Traffic,
    support::servers::{Influx2, Kafka, Prometheus, SOON, eventually, or_skip, promtool},
};

#[test]
#[ignore = "needs real servers: run scripts/test"]
fn metrics_of_a_working_daemon_pass_promtool_and_are_scraped() {
    let Some(kafka) = or_skip(Kafka::shared()) else { return };
    let Some(influx) = or_skip(Influx2::shared()) else { return };
    let setup = Setup::with_reference("metrics", kafka, influx);
    let events = setup.folder.join("events.csv");
    Traffic::FOUR_HOURS.write(&events);
    setup.publish(&events);
    let mut daemon = setup.daemon();
    let rows = f64::from(Traffic::FOUR_HOURS.rows);
    daemon.wait_for("takes every message", |api| {
        (api.metric("driftline_messages_processed_total", "") >= rows).then_some(())
    });
    let Some(prometheus) = or_skip(Prometheus::start(&daemon.api.address)) else { return };
    let scraped = eventually("a scrape", SOON, || {
        let result = prometheus.query("driftline_messages_processed_total");
        result[0]["value"][1].as_str().map(str::to_owned)
    });
    assert_eq!(scraped.parse(), Ok(rows));
    let up = prometheus.query("up{job=\"driftline\"}");
    assert_eq!(up[0]["value"][1], "1", "{up}");
    let page = daemon.api.get("/metrics").unwrap();
    assert!(page.content_type.starts_with("text/plain"), "{}", page.content_type);
    if let Err(findings) = promtool(&page.body).unwrap() {
        panic!("{findings}");
    }
    daemon.stop();
}
