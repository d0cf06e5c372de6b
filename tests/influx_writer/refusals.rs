//! Answers that say that a point, or the request, can't be taken.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use driftline::sink::{InfluxSettings, InfluxSink};
use proptest::prelude::*;

use crate::{
    DEADLINE, Rig, always_written, line, lines, set, settings,
    support::stand_in::{Reply, Seen, StandIn},
    until,
};

/// Refuses a whole request that has one of `bad`, as InfluxDB 2 and 3 do with
/// lines that they can't parse.
fn refuses_batches_with(bad: Vec<String>) -> impl Fn(&Seen) -> Reply + Send + Sync + 'static {
    move |seen| match bad.iter().find(|bad| seen.lines().contains(&bad.as_str())) {
        Some(bad) => {
            let message =
                serde_json::json!({"code": "invalid", "message": format!("unable to parse '{bad}'")});
            Reply::status(400).body(&message.to_string())
        }
        None => Reply::written(),
    }
}

/// Stores everything but `bad` and says how many it dropped, as InfluxDB 2
/// does with points outside the retention period (`status` 422) and InfluxDB 1
/// (400).
fn drops(status: u16, bad: Vec<String>) -> impl Fn(&Seen) -> Reply + Send + Sync + 'static {
    move |seen| {
        let (dropped, stored): (Vec<String>, Vec<String>) =
            seen.lines().into_iter().map(str::to_owned).partition(|line| bad.contains(line));
        if dropped.is_empty() {
            return Reply::written();
        }
        let message = format!("partial write: points beyond retention policy dropped={}", dropped.len());
        Reply::status(status).body(&serde_json::json!({ "message": message }).to_string()).storing(stored)
    }
}

#[tokio::test]
async fn bad_points_are_found_and_hold_no_others_back() {
    let bad = [0, 1, 17, 36];
    let server = StandIn::start(refuses_batches_with(lines(bad))).await;
    let rig = Rig::new(&settings(&server.url()));
    rig.delivered(rig.submit(0..37)).await;
    let good = (0..37).filter(|hour| !bad.contains(hour));
    assert_eq!(set(server.stored()), set(lines(good)));
    assert_eq!((rig.points("written"), rig.points("refused")), (33, 4));
    assert!(rig.sink.status().is_ready());
}

#[tokio::test]
async fn a_partial_write_is_not_repeated_for_ever() {
    for status in [422, 400] {
        let bad = [3, 8];
        let server = StandIn::start(drops(status, lines(bad))).await;
        let rig = Rig::new(&settings(&server.url()));
        rig.delivered(rig.submit(0..10)).await;
        let good = (0..10).filter(|hour| !bad.contains(hour));
        assert_eq!(set(server.stored()), set(lines(good)));
        assert_eq!((rig.points("written"), rig.points("refused")), (8, 2), "{status}");
    }
}

#[tokio::test]
async fn when_the_server_says_that_it_dropped_all_it_is_believed() {
    let server = StandIn::start(drops(422, lines(0..50))).await;
    let rig = Rig::new(&settings(&server.url()));
    rig.delivered(rig.submit(0..50)).await;
    assert_eq!(server.seen().len(), 1);
    assert_eq!(rig.points("refused"), 50);
}

#[tokio::test]
async fn a_request_that_is_too_large_is_halved() {
    let server =
        StandIn::start(|seen| if seen.lines().len() > 3 { Reply::status(413) } else { Reply::written() })
            .await;
    let rig = Rig::new(&settings(&server.url()));
    rig.delivered(rig.submit(0..10)).await;
    assert_eq!(server.stored(), lines(0..10), "in order, each once");
    assert_eq!(rig.points("written"), 10);
}

#[tokio::test]
async fn a_point_that_is_too_large_alone_is_given_up() {
    let large = line(4);
    let server =
        StandIn::start(
            move |seen| {
                if seen.body.contains(&large) { Reply::status(413) } else { Reply::written() }
            },
        )
        .await;
    let rig = Rig::new(&settings(&server.url()));
    rig.delivered(rig.submit(0..10)).await;
    assert_eq!(set(server.stored()), set(lines((0..10).filter(|hour| *hour != 4))));
    assert_eq!((rig.points("written"), rig.points("too_large")), (9, 1));
}

#[tokio::test]
async fn a_server_that_refuses_everything_makes_nothing_disappear() {
    let server = StandIn::start(|_| Reply::status(400).body(r#"{"message":"invalid bucket name"}"#)).await;
    let rig = Rig::new(&settings(&server.url()));
    let ticket = rig.submit(0..20);
    until("it was tried again and again", || rig.count("driftline_sink_retries_total", None) > 20).await;
    assert_eq!(rig.sink.queued_points(), 20);
    assert_eq!(rig.sink.delivered(), 0);
    let why = rig.not_ready().await;
    assert!(why.contains("every point") && why.contains("invalid bucket name"), "{why}");
    server.behave(always_written);
    rig.delivered(ticket).await;
    assert_eq!(set(server.stored()), set(lines(0..20)));
    assert_eq!((rig.points("written"), rig.points("refused")), (20, 0));
}

#[tokio::test]
async fn a_single_bad_point_is_kept_until_the_server_takes_another() {
    let server = StandIn::start(refuses_batches_with(lines([0]))).await;
    let rig = Rig::new(&settings(&server.url()));
    let bad = rig.submit(0..1);
    rig.not_ready().await;
    assert_eq!(rig.sink.delivered(), bad - 1);
    let good = rig.submit(1..2);
    rig.delivered(good).await;
    assert_eq!(set(server.stored()), lines([1]));
    assert_eq!((rig.points("written"), rig.points("refused")), (1, 1));
}

#[tokio::test]
async fn an_outage_in_the_middle_of_the_search_changes_nothing() {
    let calls = Arc::new(AtomicUsize::new(0));
    let refuse = refuses_batches_with(lines([5, 6]));
    let server = StandIn::start(move |seen| {
        // Every second request fails for another reason.
        match calls.fetch_add(1, Ordering::Relaxed) % 4 {
            1 => Reply::status(503),
            3 => Reply::status(429).header("retry-after", "0"),
            _ => refuse(seen),
        }
    })
    .await;
    let rig = Rig::new(&settings(&server.url()));
    rig.delivered(rig.submit(0..16)).await;
    assert_eq!(set(server.stored()), set(lines((0..16).filter(|hour| !matches!(hour, 5 | 6)))));
    assert_eq!((rig.points("written"), rig.points("refused")), (14, 2));
}

/// Whatever points are bad, of whatever kind, and however they are cut into
/// batches: the good ones are all written and the bad ones all counted.
#[test]
fn any_mixture_is_sorted_out() {
    #[derive(Debug, Clone, Copy, PartialEq)]
    enum Kind {
        Good,
        Unparsable,
        OutOfRetention,
        Huge,
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let kinds = prop_oneof![
        6 => Just(Kind::Good),
        1 => Just(Kind::Unparsable),
        1 => Just(Kind::OutOfRetention),
        1 => Just(Kind::Huge),
    ];
    let cases = (prop::collection::vec(kinds, 1..40), 1_usize..20);
    let config = ProptestConfig::with_cases(48);
    let mut runner = proptest::test_runner::TestRunner::new(config);
    let outcome = runner.run(&cases, |(mut kinds, batch_points)| {
        // One that the server takes, so that its refusals are believed.
        kinds.push(Kind::Good);
        let hours_of = |wanted: Kind| -> Vec<i64> {
            (0_i64..).zip(&kinds).filter(|(_, kind)| **kind == wanted).map(|(hour, _)| hour).collect()
        };
        let good = lines(hours_of(Kind::Good));
        let huge = lines(hours_of(Kind::Huge));
        let refused = hours_of(Kind::Unparsable).len() + hours_of(Kind::OutOfRetention).len();
        let refuse = refuses_batches_with(lines(hours_of(Kind::Unparsable)));
        let drop = drops(422, lines(hours_of(Kind::OutOfRetention)));
        let count = i64::try_from(kinds.len()).unwrap();
        runtime.block_on(async {
            let too_large = huge.clone();
            let server = StandIn::start(move |seen| {
                if seen.lines().iter().any(|line| too_large.iter().any(|large| large == line)) {
                    return Reply::status(413);
                }
                let whole = refuse(seen);
                if whole.is_success() { drop(seen) } else { whole }
            })
            .await;
            let rig = Rig::new(&InfluxSettings { batch_points, ..settings(&server.url()) });
            rig.delivered(rig.submit(0..count)).await;
            assert_eq!(set(server.stored()), set(good.clone()));
            assert_eq!(rig.points("written"), good.len() as u64);
            assert_eq!(rig.points("refused"), refused as u64);
            assert_eq!(rig.points("too_large"), huge.len() as u64);
            assert_eq!(InfluxSink::close(rig.sink, DEADLINE).await, 0);
        });
        Ok(())
    });
    outcome.unwrap();
}
