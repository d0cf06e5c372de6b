//! When Alertmanager is told, against stand-ins that can fail. What the real
//! one makes of it is in `tests/real_servers`.

use std::{sync::Arc, time::Duration};

use driftline::notify::{ReceiverKind, ReceiverSettings};
use serde_json::Value;

use crate::{
    Rig, alert, ok, over, receiver,
    support::stand_in::{Reply, StandIn},
    until,
};

const NEVER: Duration = Duration::from_secs(1_000_000);

fn alertmanager(servers: &[&StandIn], resend_interval: Duration) -> ReceiverSettings {
    let urls = servers.iter().map(|server| format!("{}/prefix/", server.url())).collect();
    receiver("am", ReceiverKind::Alertmanager { urls, authorization: None, resend_interval })
}

/// Feature and end of every alert of every post.
fn posts(server: &StandIn) -> Vec<Vec<(String, jiff::Timestamp)>> {
    let seen = server.seen();
    let bodies = seen.iter().map(|seen| serde_json::from_str::<Vec<Value>>(&seen.body).unwrap());
    let alert = |alert: &Value| {
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let (start, end): (jiff::Timestamp, jiff::Timestamp) =
            (text(&alert["startsAt"]).parse().unwrap(), text(&alert["endsAt"]).parse().unwrap());
        assert!(start <= end && start <= jiff::Timestamp::now(), "{alert}");
        (text(&alert["labels"]["feature"]), end)
    };
    bodies.map(|body| body.iter().map(alert).collect()).collect()
}

#[tokio::test]
async fn a_change_is_posted_at_once_and_nothing_else_is() {
    let server = StandIn::start(ok).await;
    let rig = Rig::new(vec![alertmanager(&[&server], NEVER)]);
    let firing = Arc::new(vec![alert("age"), alert("income")]);
    rig.notifier.set_alerts(Arc::clone(&firing));
    until("the alerts are posted", || server.seen().len() == 1).await;
    assert_eq!(server.seen()[0].path, "/prefix/api/v2/alerts");
    assert_eq!(server.seen()[0].header("content-type"), "application/json");
    // The same again is no change.
    rig.notifier.set_alerts(Arc::new(firing.to_vec()));
    rig.notifier.set_alerts(Arc::new(vec![alert("age"), over("income")]));
    until("the change is posted", || server.seen().len() == 2).await;
    let posts = posts(&server);
    let now = jiff::Timestamp::now();
    let features: Vec<&str> = posts[1].iter().map(|(feature, _)| feature.as_str()).collect();
    assert_eq!(features, ["age", "income"]);
    assert!(posts[1][0].1 > now, "it still fires");
    assert!(posts[1][1].1 <= now, "it is over");
    until("the answer is counted", || rig.attempts("am", "ok") == 2).await;
    assert_eq!(rig.status("am").problem, None);
}

#[tokio::test]
async fn what_is_on_is_posted_again_and_again_and_what_is_over_with_the_same_end() {
    let server = StandIn::start(ok).await;
    let rig = Rig::new(vec![alertmanager(&[&server], Duration::from_millis(20))]);
    rig.notifier.set_alerts(Arc::new(vec![alert("age"), over("income")]));
    until("it is posted again", || server.seen().len() >= 4).await;
    let posts = posts(&server);
    assert!(posts.windows(2).all(|pair| pair[0][0].1 < pair[1][0].1), "each is good for longer");
    assert!(posts.windows(2).all(|pair| pair[0][1].1 == pair[1][1].1), "the end stays");
}

#[tokio::test]
async fn every_instance_succeeds_or_fails_for_itself() {
    let good = StandIn::start(ok).await;
    let hanging = StandIn::start(|_| Reply::status(200).after(NEVER)).await;
    let ill = StandIn::start(|_| Reply::status(500)).await;
    let refusing = StandIn::start(|_| Reply::status(400).body("\"invalid label set\"")).await;
    let rig = Rig::new(vec![alertmanager(&[&hanging, &ill, &refusing, &good], NEVER)]);
    for round in 1..=3 {
        rig.notifier.set_alerts(Arc::new(vec![alert(&format!("feature_{round}"))]));
        until("the good one is told", || good.seen().len() == round).await;
    }
    until("the others are noticed", || {
        rig.status("am").problem.is_some_and(|problem| problem.contains("500") && problem.contains("400"))
    })
    .await;
    let problem = rig.status("am").problem.unwrap();
    assert!(problem.contains(&ill.address.to_string()), "{problem}");
    assert!(problem.contains("invalid label set"), "{problem}");
    assert!(!problem.contains(&good.address.to_string()), "{problem}");
    until("it is asked again", || ill.seen().len() > 3).await;
    assert!(refusing.seen().len() <= 3, "a refusal is not repeated");

    ill.behave(ok);
    refusing.behave(ok);
    rig.notifier.set_alerts(Arc::new(vec![alert("feature_4")]));
    until("they are well", || rig.status("am").problem.is_none()).await;
}

#[tokio::test]
async fn only_what_is_wanted_is_posted() {
    let server = StandIn::start(ok).await;
    let picky = ReceiverSettings { send_resolved: false, ..alertmanager(&[&server], NEVER) };
    let rig = Rig::new(vec![picky]);
    rig.notifier.set_alerts(Arc::new(vec![over("income")]));
    rig.notifier.set_alerts(Arc::new(vec![over("income"), alert("age")]));
    until("it is posted", || !server.seen().is_empty()).await;
    let posts = posts(&server);
    assert_eq!((posts.len(), posts[0].len(), posts[0][0].0.as_str()), (1, 1, "age"));
}
