//! Secrets, and addresses that are secrets, are shown nowhere.

use std::path::PathBuf;

use driftline::notify::{Notifier, NotifySettings, ReceiverKind, ReceiverSettings, SmtpTls};
use prometheus::Registry;
use tokio::runtime::Handle;

use crate::{
    Rig, SIGNING_SECRET, receiver,
    support::{
        log,
        servers::free_port,
        stand_in::{Reply, StandIn},
    },
    until,
};

/// What must not be seen, as parts of what is configured.
const SECRETS: [&str; 5] = ["T0SECRETPATH", "t0ken-of-the-hook", "r0uting-key", "passw0rd", "MfKQ9r8GKYqr"];

fn receivers(base: &str) -> Vec<ReceiverSettings> {
    let url = format!("{base}/services/T0SECRETPATH");
    vec![
        receiver(
            "hook",
            ReceiverKind::Webhook {
                url: url.clone().into(),
                signing_secrets: vec![SIGNING_SECRET.into()],
                authorization: Some("Bearer t0ken-of-the-hook".into()),
            },
        ),
        receiver("slack", ReceiverKind::Slack { url: url.into() }),
        receiver(
            "pager",
            ReceiverKind::PagerDuty { routing_key: "r0uting-key".into(), url: format!("{base}/v2/enqueue") },
        ),
        receiver(
            "mail",
            ReceiverKind::Email {
                host: "127.0.0.1".to_owned(),
                port: free_port(),
                tls: SmtpTls::None,
                credentials: Some(("me".to_owned(), "passw0rd".into())),
                from: "driftline@example.com".to_owned(),
                to: vec!["you@example.com".to_owned()],
            },
        ),
    ]
}

fn assert_hidden(text: &str) {
    for secret in SECRETS {
        assert!(!text.contains(secret), "{secret} is in\n{text}");
    }
}

/// Everything that can be seen of a rig from outside.
fn shown(rig: &Rig) -> String {
    format!("{:?}\n{:#?}\n{}\n{}", rig.notifier.status(), rig.notifier, rig.page(), log::of_this_thread())
}

#[tokio::test]
async fn a_server_that_repeats_what_it_was_sent_gives_nothing_away() {
    let server = StandIn::start(|seen| {
        let said = format!("Cannot POST {}: {} {}", seen.path, seen.header("authorization"), seen.body);
        Reply::status(404).body(&said)
    })
    .await;
    let rig = Rig::new(receivers(&server.url()));
    rig.tell(1);
    rig.done_with(3).await;
    let problem = rig.problem("hook").await;
    assert!(problem.contains("Cannot POST [secret]: [secret]"), "{problem}");
    assert!(log::of_this_thread().contains("Cannot POST [secret]"), "{}", log::of_this_thread());
    assert_hidden(&shown(&rig));
}

#[tokio::test]
async fn a_server_that_is_away_gives_nothing_away() {
    let rig = Rig::new(receivers(&format!("http://127.0.0.1:{}", free_port())));
    rig.tell(1);
    until("all have failed", || rig.notifier.status().iter().all(|status| status.problem.is_some())).await;
    assert_hidden(&shown(&rig));
}

#[tokio::test]
async fn settings_that_cannot_work_are_refused_without_showing_them() {
    let hook = |url: &str, secret: &str, authorization: &str| ReceiverKind::Webhook {
        url: url.into(),
        signing_secrets: vec![secret.into()],
        authorization: Some(authorization.into()),
    };
    let mail = |from: &str| ReceiverKind::Email {
        host: "localhost".to_owned(),
        port: 25,
        tls: SmtpTls::StartTls,
        credentials: None,
        from: from.to_owned(),
        to: vec!["you@example.com".to_owned()],
    };
    let (good, token) = ("https://example.com/T0SECRETPATH", "Bearer t0ken-of-the-hook");
    let untrusted =
        |kind| ReceiverSettings { ca_file: Some(PathBuf::from("/nowhere.pem")), ..receiver("r", kind) };
    for (settings, what) in [
        (receiver("r", hook("ftp://example.com/T0SECRETPATH", SIGNING_SECRET, token)), "url"),
        (receiver("r", hook("https://me:passw0rd@example.com/", SIGNING_SECRET, token)), "url"),
        (receiver("r", hook(good, "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", token)), "whsec_"),
        (receiver("r", hook(good, SIGNING_SECRET, "Bearer t0ken-of-the-hook\n")), "authorization"),
        (untrusted(hook(good, SIGNING_SECRET, token)), "/nowhere.pem"),
        (untrusted(mail("driftline@example.com")), "/nowhere.pem"),
        (receiver("r", mail("nobody")), "nobody"),
        (receiver("r", ReceiverKind::Command { command: Vec::new() }), "command"),
    ] {
        let settings = NotifySettings { receivers: vec![settings], ..NotifySettings::default() };
        let error = Notifier::start(&settings, &Registry::new(), &Handle::current()).unwrap_err();
        let text = format!("{error} {error:?}");
        assert!(text.contains("`r`") && text.contains(what), "{what}: {text}");
        assert_hidden(&text);
    }
}
