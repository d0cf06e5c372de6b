//! Signatures as the Standard Webhooks project's own library checks them.

use std::time::{SystemTime, UNIX_EPOCH};

use driftline::notify::ReceiverKind;
use standardwebhooks::Webhook;

use crate::{
    Rig, SIGNING_SECRET, receiver,
    support::stand_in::{Reply, StandIn},
};

const SECOND_SECRET: &str = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";

#[tokio::test]
async fn every_attempt_is_signed_with_every_secret() {
    let server = StandIn::start(|_| Reply::status(200)).await;
    let kind = ReceiverKind::Webhook {
        url: format!("{}/in?key=1", server.url()).into(),
        signing_secrets: vec![SIGNING_SECRET.into(), SECOND_SECRET.into()],
        authorization: Some("Bearer t0ken-of-the-hook".into()),
    };
    let rig = Rig::new(vec![receiver("hook", kind)]);
    rig.tell(1);
    rig.done_with(1).await;
    let seen = server.seen().remove(0);
    for secret in [SIGNING_SECRET, SECOND_SECRET] {
        Webhook::new(secret).unwrap().verify(&seen.raw, &seen.headers).unwrap();
    }
    let other = Webhook::new("whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA").unwrap();
    assert!(other.verify(&seen.raw, &seen.headers).is_err());
    assert_eq!(seen.header("webhook-id"), "msg_1");
    let timestamp: u64 = seen.header("webhook-timestamp").parse().unwrap();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    assert!(timestamp.abs_diff(now) <= 300, "{timestamp} is not now, {now}");
    assert_eq!(seen.header("authorization"), "Bearer t0ken-of-the-hook");
    assert_eq!(seen.header("content-type"), "application/json");
    assert_eq!((seen.method.as_str(), seen.path.as_str(), seen.query.as_str()), ("POST", "/in", "key=1"));
}
