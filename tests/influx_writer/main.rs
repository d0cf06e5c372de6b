//! The writer against a stand-in server that can be made to answer anything:
//! what is sent, what follows from every answer, and that nothing gets lost.
//!
//! A stand-in, because no real server can be made to give each of these
//! answers. What real ones accept is in `tests/real_servers`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

#[path = "../support/mod.rs"]
mod support;

mod refusals;
mod requests;
mod secrets;
mod tls;
mod waiting;

use std::time::Duration;

use driftline::sink::{InfluxApi, InfluxSettings, InfluxSink, Pacing, Points, SinkStatus};
use prometheus::{Registry, proto::MetricFamily};
use support::{
    log,
    results::bare_window,
    stand_in::{Reply, Seen, StandIn},
};
use tokio::runtime::Handle;

/// Only against a test that hangs.
const DEADLINE: Duration = Duration::from_secs(60);

/// Pauses too short to wait for.
const HASTY: Pacing = Pacing {
    base: Duration::from_millis(1),
    max: Duration::from_millis(4),
    max_retry_after: Duration::from_millis(20),
};

fn settings(url: &str) -> InfluxSettings {
    InfluxSettings {
        url: url.to_owned(),
        api: InfluxApi::V2 { org: "acme".to_owned(), bucket: "drift".to_owned() },
        secret: Some("t0ps3cret".into()),
        ca_file: None,
        batch_points: 100,
        flush_interval: Duration::from_millis(1),
        buffer_points: 10_000,
        timeout: DEADLINE,
        gzip: true,
    }
}

/// A sink and what it counts.
struct Rig {
    sink: InfluxSink,
    registry: Registry,
}

impl Rig {
    fn new(settings: &InfluxSettings) -> Self {
        Self::paced(settings, HASTY)
    }

    fn paced(settings: &InfluxSettings, pacing: Pacing) -> Self {
        log::keep();
        let registry = Registry::new();
        let sink = InfluxSink::start_paced(settings, pacing, &registry, &Handle::current()).unwrap();
        Self { sink, registry }
    }

    /// Submits `count` windows of one point each, under one ticket.
    fn submit(&self, hours: std::ops::Range<i64>) -> u64 {
        let windows: Vec<_> = hours.map(bare_window).collect();
        self.sink.submit(&windows)
    }

    async fn delivered(&self, ticket: u64) {
        until("the ticket is delivered", || self.sink.delivered() >= ticket).await;
    }

    async fn not_ready(&self) -> String {
        until("the sink says that it isn't ready", || !self.sink.status().is_ready()).await;
        self.sink.status().to_string()
    }

    fn count(&self, metric: &str, label: Option<&str>) -> u64 {
        let family: Option<MetricFamily> =
            self.registry.gather().into_iter().find(|family| family.name() == metric);
        let family = family.unwrap_or_else(|| panic!("there is no metric {metric}"));
        let chosen = family.get_metric().iter().filter(|metric| {
            label.is_none_or(|label| metric.get_label().iter().any(|pair| pair.value() == label))
        });
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "small counts")]
        let sum = chosen.map(|metric| metric.get_counter().get_value() as u64).sum();
        sum
    }

    fn points(&self, outcome: &str) -> u64 {
        self.count("driftline_sink_points_total", Some(outcome))
    }

    fn retries(&self, reason: &str) -> u64 {
        self.count("driftline_sink_retries_total", Some(reason))
    }
}

/// Waits for something that must come true.
async fn until(what: &str, holds: impl Fn() -> bool) {
    let waiting = async {
        while !holds() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    tokio::time::timeout(DEADLINE, waiting).await.unwrap_or_else(|_| panic!("gave up waiting until {what}"));
}

/// The only line of the window that ends at `hour`.
fn line(hour: i64) -> String {
    let mut points = Points::default();
    points.add(&bare_window(hour));
    points.lines.remove(0)
}

fn lines(hours: impl IntoIterator<Item = i64>) -> Vec<String> {
    hours.into_iter().map(line).collect()
}

/// Lines without repetitions, sorted.
fn set(mut lines: Vec<String>) -> Vec<String> {
    lines.sort();
    lines.dedup();
    lines
}

fn always_written(_: &Seen) -> Reply {
    Reply::written()
}

#[tokio::test]
async fn tickets_are_done_in_order() {
    let server = StandIn::start(always_written).await;
    let rig = Rig::new(&settings(&server.url()));
    assert_eq!(rig.sink.delivered(), 0);
    assert_eq!(rig.sink.submit(&[]), 1);
    assert_eq!(rig.sink.delivered(), 1, "nothing is delivered at once");

    let bad = line(10);
    server.behave(move |seen| if seen.body.contains(&bad) { Reply::status(503) } else { Reply::written() });
    let first = rig.submit(0..10);
    rig.delivered(first).await;
    let second = rig.submit(10..20);
    let third = rig.submit(20..30);
    assert!(first < second && second < third);
    rig.not_ready().await;
    assert_eq!(rig.sink.delivered(), first, "a later ticket does not overtake");
    assert_eq!(rig.sink.queued_points(), 20);
    server.behave(always_written);
    rig.delivered(third).await;
    assert_eq!(server.stored(), lines(0..30), "in order, each once");
    assert_eq!(rig.sink.queued_points(), 0);
    assert_eq!(rig.sink.status(), SinkStatus::Ready);
    assert_eq!(rig.points("written"), 30);
}

#[tokio::test]
async fn batches_are_as_large_as_they_may_be() {
    let server = StandIn::start(|_| Reply::status(503)).await;
    let rig = Rig::new(&InfluxSettings { batch_points: 7, ..settings(&server.url()) });
    rig.submit(0..3);
    let ticket = rig.submit(3..20);
    rig.not_ready().await;
    server.behave(always_written);
    rig.delivered(ticket).await;
    assert_eq!(server.stored(), lines(0..20));
    assert!(server.seen().iter().all(|seen| seen.lines().len() <= 7));
}

#[tokio::test]
async fn a_full_batch_does_not_wait_and_a_small_one_waits_for_company() {
    let server = StandIn::start(always_written).await;
    let patient =
        InfluxSettings { batch_points: 5, flush_interval: DEADLINE * 10, ..settings(&server.url()) };
    let rig = Rig::new(&patient);
    rig.submit(0..3);
    let ticket = rig.submit(3..6);
    until("the full batch is written", || server.stored().len() == 5).await;
    until("one waits", || rig.sink.queued_points() == 1).await;
    assert_eq!(rig.sink.delivered(), ticket - 1);
    assert_eq!(rig.sink.close(DEADLINE).await, 0, "closing waits for no company");
    assert_eq!(server.stored(), lines(0..6));
}

#[tokio::test]
async fn there_is_room_until_the_buffer_is_full_and_nothing_is_dropped_beyond() {
    let server = StandIn::start(|_| Reply::status(503)).await;
    let rig = Rig::new(&InfluxSettings { buffer_points: 10, ..settings(&server.url()) });
    rig.submit(0..9);
    assert!(rig.sink.has_room());
    let ticket = rig.submit(9..30);
    assert!(!rig.sink.has_room());
    assert_eq!(rig.sink.queued_points(), 30);
    server.behave(always_written);
    rig.delivered(ticket).await;
    assert!(rig.sink.has_room());
    assert_eq!(server.stored(), lines(0..30));
}
