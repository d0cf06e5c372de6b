//! How notifications leave a queue without being delivered.

use std::{sync::Arc, time::Duration};

use driftline::{
    alert::{Notification, Reason},
    notify::{Pacing, ReceiverSettings},
};

use crate::{
    HASTY, Rig, alert, ids, notification, ok, over,
    support::stand_in::{Reply, StandIn},
    until, webhook,
};

/// The first pause never ends by itself.
const PATIENT: Pacing = Pacing {
    base: Duration::from_secs(1_000_000),
    max: Duration::from_secs(1_000_000),
    max_retry_after: Duration::from_secs(1_000_000),
};

/// Asks to be left alone for longer than any test.
fn unwell() -> Reply {
    Reply::status(503).header("Retry-After", "900000")
}

#[tokio::test]
async fn what_is_too_old_is_given_up_without_an_attempt() {
    let server = StandIn::start(ok).await;
    let short = ReceiverSettings { give_up_after: Duration::from_secs(60), ..webhook("hook", &server.url()) };
    let rig = Rig::new(vec![short]);
    let mut old = Notification::clone(&notification(1, vec![alert("age")]));
    old.made_at = old.made_at.plus_ms(-61_000);
    rig.submit(1, &Arc::new(old));
    rig.tell(2);
    assert_eq!(rig.done_with(2).await, [1, 2]);
    assert_eq!(ids(&server.seen()), ["msg_2"]);
    assert_eq!((rig.outcomes("hook", "given_up"), rig.outcomes("hook", "delivered")), (1, 1));
}

#[tokio::test]
async fn what_grows_too_old_is_given_up_even_during_a_pause() {
    let server = StandIn::start(|_| unwell()).await;
    let short = ReceiverSettings { give_up_after: Duration::from_secs(2), ..webhook("hook", &server.url()) };
    let rig = Rig::paced(vec![short], PATIENT);
    rig.tell(1);
    rig.done_with(1).await;
    assert_eq!((rig.outcomes("hook", "given_up"), rig.attempts("hook", "retried")), (1, 1));
    assert!(rig.problem("hook").await.contains("503"), "it is still down");
}

#[tokio::test]
async fn a_newer_notification_takes_the_place_of_one_that_only_repeats() {
    let server = StandIn::start(|_| unwell()).await;
    let rig = Rig::paced(vec![webhook("hook", &server.url())], PATIENT);
    let repeated = |number| {
        let told = Notification::clone(&notification(number, vec![alert("age")]));
        Arc::new(Notification { reason: Reason::Repeated, ..told })
    };
    rig.tell(1);
    rig.problem("hook").await;
    rig.submit(2, &repeated(2));
    rig.submit(3, &repeated(3));
    assert_eq!(rig.done_with(1).await, [2]);
    rig.tell(4);
    assert_eq!(rig.done_with(2).await, [2, 3]);
    assert_eq!((rig.outcomes("hook", "superseded"), rig.status("hook").waiting), (2, 2));
}

#[tokio::test]
async fn what_was_delivered_before_a_withdrawal_is_not_told_twice() {
    let server = StandIn::start(|seen| match seen.header("webhook-id") {
        "msg_2" => unwell(),
        _ => Reply::status(200),
    })
    .await;
    let mut rig = Rig::paced(vec![webhook("hook", &server.url())], PATIENT);
    let told: Vec<_> = (1..=3).map(|number| rig.tell(number)).collect();
    rig.problem("hook").await;
    rig.notifier.withdraw();
    assert_eq!(rig.status("hook").waiting, 0);
    assert_eq!(rig.done(), [], "what was done with before is forgotten, too");
    server.behave(ok);
    // A new assignment: the same notifications under other numbers. The pause
    // for which the server asked goes on, and closing ends it.
    for (number, told) in (11..).zip(&told) {
        rig.submit(number, told);
    }
    assert_eq!(rig.done_with(1).await, [11], "it was delivered before");
    assert_eq!(ids(&server.seen()), ["msg_1", "msg_2"]);
    let done = rig.notifier.close(crate::DEADLINE).await;
    assert_eq!(done, [(12, "hook".to_owned()), (13, "hook".to_owned())]);
    assert_eq!(ids(&server.seen()), ["msg_1", "msg_2", "msg_2", "msg_3"]);
}

#[tokio::test]
async fn closing_makes_one_last_attempt_and_waits_for_no_receiver_that_is_down() {
    let server = StandIn::start(|_| unwell()).await;
    let mut rig = Rig::paced(vec![webhook("hook", &server.url())], PATIENT);
    rig.tell(1);
    rig.tell(2);
    rig.problem("hook").await;
    // Far beyond the deadline of a test that hangs: it is not waited for.
    let closing = rig.notifier.close(Duration::from_secs(3_600));
    let done = tokio::time::timeout(crate::DEADLINE, closing).await.expect("it does not wait");
    assert_eq!(done, []);
    assert_eq!(ids(&server.seen()), ["msg_1", "msg_1"]);
}

#[tokio::test]
async fn a_receiver_that_is_gone_from_the_configuration_is_done_with() {
    let rig = Rig::new(Vec::new());
    rig.notifier.submit(7, &notification(7, vec![alert("age")]), &["gone".to_owned()]);
    assert_eq!(rig.done(), [(7, "gone".to_owned())]);
}

#[tokio::test]
async fn who_wants_no_end_is_told_of_none() {
    let server = StandIn::start(ok).await;
    let quiet = ReceiverSettings { send_resolved: false, ..webhook("hook", &server.url()) };
    let rig = Rig::paced(vec![quiet], HASTY);
    let mixed = notification(1, vec![alert("age"), over("income")]);
    let ended = notification(2, vec![over("age")]);
    assert_eq!(rig.notifier.receivers_for(&ended), [""; 0]);
    rig.submit(1, &mixed);
    until("it is delivered", || !server.seen().is_empty()).await;
    let body: serde_json::Value = serde_json::from_str(&server.seen()[0].body).unwrap();
    assert_eq!(body["alerts"].as_array().unwrap().len(), 1);
    assert_eq!(body["alerts"][0]["labels"]["feature"], "age");
}
