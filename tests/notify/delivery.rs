//! What is sent again, what is not, and in which order.

use std::{
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use driftline::notify::{Pacing, ReceiverSettings};
use tokio::net::TcpListener;

use crate::{
    HASTY, Rig, ids, ok,
    support::stand_in::{Reply, Seen, StandIn},
    until, webhook,
};

/// Answers with one reply after the other, then with the last.
fn script(replies: Vec<Reply>) -> impl Fn(&Seen) -> Reply + Send + Sync {
    let next = AtomicUsize::new(0);
    move |_| replies[next.fetch_add(1, Ordering::Relaxed).min(replies.len() - 1)].clone()
}

#[tokio::test]
async fn what_may_pass_is_sent_again_under_the_same_id_and_in_order() {
    let statuses = [500, 503, 429, 408, 425, 204];
    let server = StandIn::start(script(statuses.map(Reply::status).to_vec())).await;
    let rig = Rig::new(vec![webhook("hook", &server.url())]);
    for number in 1..=3 {
        rig.tell(number);
    }
    assert_eq!(rig.done_with(3).await, [1, 2, 3]);
    let seen = server.seen();
    let first = vec!["msg_1"; statuses.len()];
    assert_eq!(ids(&seen), [first, vec!["msg_2", "msg_3"]].concat());
    assert!(seen[..statuses.len()].iter().all(|again| again.body == seen[0].body));
    assert_eq!((rig.attempts("hook", "retried"), rig.attempts("hook", "ok")), (5, 3));
    assert_eq!((rig.outcomes("hook", "delivered"), rig.outcomes("hook", "refused")), (3, 0));
    assert_eq!((rig.status("hook").problem, rig.status("hook").waiting), (None, 0));
}

#[tokio::test]
async fn a_refusal_is_final_and_the_next_notification_goes_on() {
    let elsewhere = StandIn::start(ok).await;
    for (status, word) in
        [(302, "redirect"), (307, "redirect"), (400, "refuses"), (401, "secret"), (410, "nobody")]
    {
        let redirect = Reply::status(status).header("Location", &elsewhere.url());
        let server = StandIn::start(script(vec![redirect, Reply::status(200).body("ok")])).await;
        let rig = Rig::new(vec![webhook("hook", &server.url())]);
        rig.tell(1);
        assert_eq!(rig.done_with(1).await, [1]);
        let problem = rig.problem("hook").await;
        assert!(problem.contains(word) && problem.contains(&status.to_string()), "{problem}");
        rig.tell(2);
        assert_eq!(rig.done_with(2).await, [1, 2]);
        assert_eq!(ids(&server.seen()), ["msg_1", "msg_2"], "{status}");
        assert_eq!((rig.outcomes("hook", "refused"), rig.attempts("hook", "failed")), (1, 1));
        assert_eq!(rig.status("hook").problem, None);
    }
    assert!(elsewhere.seen().is_empty(), "a redirect is not followed");
}

#[tokio::test]
async fn a_server_is_left_alone_for_as_long_as_it_asks() {
    let patient = Pacing { max_retry_after: Duration::from_secs(600), ..HASTY };
    let in_three_seconds = httpdate::fmt_http_date(std::time::SystemTime::now() + Duration::from_secs(3));
    // A date has whole seconds, so that up to one of the three may be cut off.
    for (wish, least) in [("1", 1.0), (in_three_seconds.as_str(), 0.5)] {
        let busy = Reply::status(429).header("Retry-After", wish);
        let server = StandIn::start(script(vec![busy, Reply::status(200)])).await;
        let rig = Rig::paced(vec![webhook("hook", &server.url())], patient);
        rig.tell(1);
        rig.done_with(1).await;
        let seen = server.seen();
        let pause = seen[1].at.duration_since(seen[0].at).as_secs_f64();
        assert!(pause >= least, "{wish}: {pause}");
    }
    // Nobody can ask for longer than the bound.
    let server =
        StandIn::start(script(vec![Reply::status(503).header("Retry-After", "86400"), Reply::status(200)]))
            .await;
    let rig = Rig::new(vec![webhook("hook", &server.url())]);
    rig.tell(1);
    rig.done_with(1).await;
}

#[tokio::test]
async fn a_server_that_hangs_is_asked_again() {
    let hang = Reply::status(200).after(Duration::from_secs(3_600));
    let server = StandIn::start(script(vec![hang, Reply::status(200)])).await;
    let hasty = ReceiverSettings { timeout: Duration::from_millis(300), ..webhook("hook", &server.url()) };
    let rig = Rig::new(vec![hasty]);
    rig.tell(1);
    rig.done_with(1).await;
    assert_eq!(ids(&server.seen()), ["msg_1", "msg_1"]);
}

#[tokio::test]
async fn a_slow_answer_counts() {
    let server = StandIn::start(|_| Reply::status(200).after(Duration::from_millis(300))).await;
    let rig = Rig::new(vec![webhook("hook", &server.url())]);
    rig.tell(1);
    rig.tell(2);
    rig.done_with(2).await;
    assert_eq!(ids(&server.seen()), ["msg_1", "msg_2"]);
}

#[tokio::test]
async fn a_server_that_closes_or_is_away_gets_everything_when_it_is_back() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let rig = Rig::new(vec![webhook("hook", &format!("http://{address}/hook"))]);
    rig.tell(1);
    rig.tell(2);
    for _ in 0..2 {
        drop(listener.accept().await.unwrap());
    }
    assert!(rig.problem("hook").await.contains("broke"), "{:?}", rig.status("hook"));
    drop(listener);
    until("nobody listens", || rig.status("hook").problem.is_some_and(|it| it.contains("can't be reached")))
        .await;
    assert_eq!((rig.status("hook").waiting, rig.done()), (2, Vec::new()));
    let server = StandIn::start_at(address, ok).await;
    assert_eq!(rig.done_with(2).await, [1, 2]);
    assert_eq!(ids(&server.seen()), ["msg_1", "msg_2"]);
    assert_eq!(server.seen()[0].path, "/hook");
    assert_eq!(rig.status("hook").problem, None);
}

#[tokio::test]
async fn a_receiver_that_is_down_holds_back_nobody() {
    let hanging = StandIn::start(|_| Reply::status(200).after(Duration::from_secs(3_600))).await;
    let down = StandIn::start(|_| Reply::status(500)).await;
    let good = StandIn::start(ok).await;
    let rig = Rig::new(vec![
        webhook("hanging", &hanging.url()),
        webhook("down", &down.url()),
        webhook("good", &good.url()),
    ]);
    for number in 1..=50 {
        rig.tell(number);
    }
    assert_eq!(rig.done_with(50).await, (1..=50).collect::<Vec<_>>());
    assert!(rig.done().iter().all(|(_, receiver)| receiver == "good"));
    let waiting = ["hanging", "down", "good"].map(|name| rig.status(name).waiting);
    assert_eq!(waiting, [50, 50, 0]);
    assert!(rig.page().contains("driftline_notifications_waiting{receiver=\"down\"} 50"), "{}", rig.page());
    assert!(ids(&down.seen()).iter().all(|id| id == "msg_1"), "later ones don't overtake");
}
