//! Answers, and missing answers, after which the same is sent again.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use driftline::sink::{InfluxSettings, Pacing};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
};

use crate::{
    DEADLINE, HASTY, Rig, always_written, lines, settings,
    support::stand_in::{Reply, Seen, StandIn},
    until,
};

/// Answers `reply` for the first `times` requests and then takes everything.
fn at_first(times: usize, reply: Reply) -> impl Fn(&Seen) -> Reply + Send + Sync + 'static {
    let calls = AtomicUsize::new(0);
    move |_| if calls.fetch_add(1, Ordering::Relaxed) < times { reply.clone() } else { Reply::written() }
}

#[tokio::test]
async fn every_failure_that_may_pass_is_waited_out() {
    for (status, reason, advice) in [
        (301, "redirected", "influxdb.url leads to a redirect"),
        (401, "unauthorized", "check the secret"),
        (403, "forbidden", "write permission"),
        (404, "not_found", "does not know"),
        (405, "other_status", "unexpected"),
        (408, "other_status", "unexpected"),
        (429, "throttled", "fewer requests"),
        (500, "server_error", "error of its own"),
        (502, "server_error", "error of its own"),
        (503, "server_error", "error of its own"),
        (504, "server_error", "error of its own"),
    ] {
        let failing = move |_: &Seen| Reply::status(status).body(r#"{"message":"the reason"}"#);
        let server = StandIn::start(failing).await;
        let rig = Rig::new(&settings(&server.url()));
        let ticket = rig.submit(0..5);
        until("it was tried several times", || rig.retries(reason) >= 3).await;
        let why = rig.not_ready().await;
        assert!(why.contains(advice) && why.contains(&format!("({status}: the reason)")), "{why}");
        assert_eq!((rig.sink.queued_points(), rig.sink.delivered()), (5, 0), "{status}");
        server.behave(always_written);
        rig.delivered(ticket).await;
        assert!(rig.sink.status().is_ready(), "{status}");
        assert_eq!(server.stored(), lines(0..5));
    }
}

#[tokio::test]
async fn the_server_is_left_alone_for_as_long_as_it_asks() {
    let server = StandIn::start(at_first(1, Reply::status(429).header("retry-after", "1"))).await;
    let patient = Pacing { max_retry_after: DEADLINE, ..HASTY };
    let rig = Rig::paced(&settings(&server.url()), patient);
    rig.delivered(rig.submit(0..3)).await;
    let seen = server.seen();
    assert_eq!(seen.len(), 2);
    assert!(seen[1].at - seen[0].at >= Duration::from_secs(1), "{:?}", seen[1].at - seen[0].at);
}

#[tokio::test]
async fn an_absurd_retry_after_is_clamped() {
    for absurd in ["86400", "Fri, 31 Dec 2199 23:59:59 GMT"] {
        let server = StandIn::start(at_first(2, Reply::status(503).header("retry-after", absurd))).await;
        let rig = Rig::new(&settings(&server.url()));
        rig.delivered(rig.submit(0..3)).await;
        assert_eq!(server.stored(), lines(0..3));
    }
}

#[tokio::test]
async fn a_server_that_is_too_slow_is_asked_again() {
    let server = StandIn::start(at_first(2, Reply::written().after(DEADLINE * 10))).await;
    let hurried = InfluxSettings { timeout: Duration::from_millis(200), ..settings(&server.url()) };
    let rig = Rig::new(&hurried);
    rig.submit(0..3);
    let why = rig.not_ready().await;
    assert!(why.contains("does not answer in time"), "{why}");
    until("it is written", || rig.sink.queued_points() == 0).await;
    assert_eq!(server.stored(), lines(0..3));
    assert!(rig.retries("timeout") >= 2);
}

#[tokio::test]
async fn a_server_that_comes_up_late_gets_everything() {
    let address = {
        let port = TcpListener::bind("127.0.0.1:0").await.unwrap();
        port.local_addr().unwrap()
    };
    let rig = Rig::new(&settings(&format!("http://{address}")));
    let ticket = rig.submit(0..3);
    let why = rig.not_ready().await;
    assert!(why.contains("can't be reached") && why.contains("refused"), "{why}");
    assert!(rig.retries("connect") >= 1);
    let server = StandIn::start_at(address, always_written).await;
    rig.delivered(ticket).await;
    assert_eq!(server.stored(), lines(0..3));
}

/// A server that ends every connection in the middle of its answer, until it
/// has done so `times` times; then it says 204.
async fn breaking_server(times: usize) -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let calls = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&calls);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut request = [0; 4 * 1024];
            if stream.read(&mut request).await.is_err() {
                continue;
            }
            let broken = counter.fetch_add(1, Ordering::Relaxed) < times;
            let answer =
                if broken { "HTTP/1.1 2" } else { "HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n" };
            // The client may be gone, which is as broken.
            let _ = stream.write_all(answer.as_bytes()).await;
        }
    });
    (url, calls)
}

#[tokio::test]
async fn a_broken_connection_is_tried_again() {
    let (url, calls) = breaking_server(3).await;
    let rig = Rig::new(&settings(&url));
    rig.delivered(rig.submit(0..3)).await;
    assert_eq!(calls.load(Ordering::Relaxed), 4);
    assert_eq!(rig.retries("network"), 3);
    assert_eq!(rig.points("written"), 3);
}

#[tokio::test]
async fn closing_delivers_what_waits() {
    let server = StandIn::start(always_written).await;
    let patient = InfluxSettings { flush_interval: DEADLINE * 10, ..settings(&server.url()) };
    let rig = Rig::new(&patient);
    rig.submit(0..3);
    assert_eq!(rig.sink.close(DEADLINE).await, 0);
    assert_eq!(server.stored(), lines(0..3));
}

#[tokio::test]
async fn closing_in_time_says_what_was_not_delivered() {
    let server = StandIn::start(|_| Reply::status(503)).await;
    let rig = Rig::new(&settings(&server.url()));
    rig.submit(0..3);
    assert_eq!(rig.sink.close(Duration::from_millis(50)).await, 3);
    let seen = server.seen().len();
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert!(server.seen().len() <= seen + 1, "it stops when it is closed");
}

#[tokio::test]
async fn closing_cuts_a_long_pause_short() {
    let server = StandIn::start(at_first(1, Reply::status(503).header("retry-after", "500"))).await;
    let patient = Pacing { max_retry_after: DEADLINE * 10, ..HASTY };
    let rig = Rig::paced(&settings(&server.url()), patient);
    rig.submit(0..3);
    rig.not_ready().await;
    assert_eq!(rig.sink.close(DEADLINE).await, 0);
    assert_eq!(server.stored(), lines(0..3));
}
