//! The notifier against real parts: an HTTP server that can fail in every way,
//! a mail server, programs. The real Alertmanager is in `tests/real_servers`.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

#[path = "../support/mod.rs"]
mod support;

mod alertmanager;
mod command;
mod delivery;
mod email;
mod queues;
mod receivers;
mod secrets;
mod signatures;

use std::{
    cell::RefCell,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use driftline::{
    alert::{
        Alert, AlertStatus, GroupKey, LABEL_FEATURE, LABEL_MODEL, LABEL_RULE, LABEL_SEVERITY, Notification,
        Reason, SUMMARY, Selector, Severity, VALUE,
    },
    event::EventTime,
    notify::{Notifier, NotifySettings, Pacing, ReceiverKind, ReceiverSettings, ReceiverStatus},
    result::BinShare,
};
use prometheus::{Encoder as _, Registry, TextEncoder};
use support::{
    log,
    stand_in::{Reply, Seen},
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

/// What Standard Webhooks call a secret.
const SIGNING_SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

fn receiver(name: &str, kind: ReceiverKind) -> ReceiverSettings {
    ReceiverSettings {
        name: name.to_owned(),
        kind,
        models: Selector::default(),
        severities: Severity::ALL.to_vec(),
        send_resolved: true,
        timeout: DEADLINE,
        give_up_after: Duration::from_secs(3_600),
        ca_file: None,
    }
}

fn webhook(name: &str, url: &str) -> ReceiverSettings {
    let kind = ReceiverKind::Webhook {
        url: url.into(),
        signing_secrets: vec![SIGNING_SECRET.into()],
        authorization: None,
    };
    receiver(name, kind)
}

fn now() -> EventTime {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    EventTime(i64::try_from(since.as_millis()).unwrap())
}

/// A feature of the model `credit` drifts, long ago in event time.
fn alert(feature: &str) -> Alert {
    let end = EventTime(1_764_003_600_000);
    let labels = [
        (LABEL_RULE, "FeatureDrift"),
        (LABEL_SEVERITY, "warning"),
        (LABEL_MODEL, "credit"),
        (LABEL_FEATURE, feature),
    ];
    let summary = format!("{feature} has drifted");
    let owned = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
    Alert {
        fingerprint: format!("{feature:0>16}"),
        rule: "FeatureDrift".to_owned(),
        severity: Severity::Warning,
        labels: labels.map(owned).into(),
        annotations: [(SUMMARY, summary.as_str()), (VALUE, "0.31")].map(owned).into(),
        status: AlertStatus::Firing,
        starts_at: end,
        ends_at: None,
        window: Some((end.plus_ms(-3_600_000), end)),
        weight: 0.31,
        bins: vec![
            BinShare { label: "low".to_owned(), reference: 0.6, window: 0.2 },
            BinShare { label: "high".to_owned(), reference: 0.4, window: 0.8 },
        ],
    }
}

fn over(feature: &str) -> Alert {
    let alert = alert(feature);
    Alert { status: AlertStatus::Resolved, ends_at: Some(alert.starts_at.plus_ms(3_600_000)), ..alert }
}

fn notification(number: u64, alerts: Vec<Alert>) -> Arc<Notification> {
    Arc::new(Notification {
        id: format!("msg_{number}"),
        group: GroupKey { model: Some("credit".to_owned()), severity: Severity::Warning },
        reason: Reason::New,
        made_at: now(),
        alerts,
    })
}

/// A notifier, what it counts, and what it is done with.
struct Rig {
    notifier: Notifier,
    registry: Registry,
    done: RefCell<Vec<(u64, String)>>,
}

impl Rig {
    fn new(receivers: Vec<ReceiverSettings>) -> Self {
        Self::paced(receivers, HASTY)
    }

    fn paced(receivers: Vec<ReceiverSettings>, pacing: Pacing) -> Self {
        Self::with(&NotifySettings { receivers, ..NotifySettings::default() }, pacing)
    }

    fn with(settings: &NotifySettings, pacing: Pacing) -> Self {
        log::keep();
        let registry = Registry::new();
        let notifier = Notifier::start_paced(settings, pacing, &registry, &Handle::current()).unwrap();
        Self { notifier, registry, done: RefCell::default() }
    }

    /// Submits one notification about one feature to whoever wants it.
    fn tell(&self, number: u64) -> Arc<Notification> {
        let told = notification(number, vec![alert("age")]);
        self.submit(number, &told);
        told
    }

    fn submit(&self, number: u64, told: &Arc<Notification>) {
        self.notifier.submit(number, told, &self.notifier.receivers_for(told));
    }

    /// Everything that was done with so far.
    fn done(&self) -> Vec<(u64, String)> {
        self.done.borrow_mut().extend(self.notifier.take_done());
        self.done.borrow().clone()
    }

    async fn done_with(&self, count: usize) -> Vec<u64> {
        until("notifications are done with", || self.done().len() >= count).await;
        let done = self.done();
        assert_eq!(done.len(), count);
        done.into_iter().map(|(number, _)| number).collect()
    }

    fn status(&self, receiver: &str) -> ReceiverStatus {
        self.notifier.status().into_iter().find(|status| status.name == receiver).unwrap()
    }

    async fn problem(&self, receiver: &str) -> String {
        until("there is a problem", || self.status(receiver).problem.is_some()).await;
        self.status(receiver).problem.unwrap()
    }

    fn page(&self) -> String {
        let mut page = Vec::new();
        TextEncoder::new().encode(&self.registry.gather(), &mut page).unwrap();
        String::from_utf8(page).unwrap()
    }

    /// Value of a metric's sample.
    fn count(&self, metric: &str, receiver: &str, outcome: &str) -> u64 {
        let name = format!("driftline_{metric}{{outcome=\"{outcome}\",receiver=\"{receiver}\"}} ");
        let page = self.page();
        let line = page.lines().find(|line| line.starts_with(&name));
        line.unwrap_or_else(|| panic!("no {name} in\n{page}"))[name.len()..].parse().unwrap()
    }

    fn outcomes(&self, receiver: &str, outcome: &str) -> u64 {
        self.count("notifications_total", receiver, outcome)
    }

    fn attempts(&self, receiver: &str, outcome: &str) -> u64 {
        self.count("notification_attempts_total", receiver, outcome)
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

fn ok(_: &Seen) -> Reply {
    Reply::status(200)
}

/// Ids of the notifications in requests, in order.
fn ids(seen: &[Seen]) -> Vec<String> {
    seen.iter().map(|seen| seen.header("webhook-id").to_owned()).collect()
}
