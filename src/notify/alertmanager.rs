//! Prometheus Alertmanager, which is told of states and not of changes.
//!
//! Why it is apart: Alertmanager groups, repeats and silences by itself. It is
//! sent every active alert again and again, each time good for a few minutes
//! more, so that alerts of a daemon that is gone end by themselves.
//!
//! Promises: every time that is sent is one of the clock. Event time may lie
//! far in the past, and Alertmanager takes an end in the past for the end; a
//! replay must not end what is on. An array with one bad label is refused as a
//! whole, so names are made good and empty values left out beforehand. Each
//! instance is told by a task of its own.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use reqwest::{Url, header::HeaderMap};
use serde::Serialize;
use tokio::sync::watch;

use super::{
    attempt::Attempt,
    links::Links,
    metrics::{AttemptMetrics, AttemptOutcome},
    notifier::Interest,
    post::Poster,
    queue::lock,
    worker::now,
};
use crate::{
    alert::{Alert, AlertStatus, Labels},
    client::Pacing,
    event::EventTime,
};

/// Resolved alerts are sent for so long: an Alertmanager may just restart.
const RESOLVED_MS: i64 = 15 * 60 * 1_000;
/// A firing alert is good for no less than this.
const MIN_VALIDITY: Duration = Duration::from_secs(4 * 60);
/// A firing alert is good for so many intervals: some posts may get lost.
const VALIDITY_INTERVALS: u32 = 4;

/// The alerts that are on or were until a moment ago.
pub(super) type Alerts = Arc<Vec<Alert>>;

/// One Alertmanager.
#[derive(Debug)]
pub(super) struct Instance {
    pub(super) receiver: String,
    pub(super) poster: Poster,
    pub(super) interest: Interest,
    pub(super) resend_interval: Duration,
    pub(super) links: Arc<Links>,
    pub(super) metrics: AttemptMetrics,
    pub(super) pacing: Pacing,
    /// Which one it is and what is wrong with it, for `/ready`.
    pub(super) state: Arc<InstanceState>,
}

/// What others see of an instance.
#[derive(Debug)]
pub(super) struct InstanceState {
    /// Host and port.
    name: String,
    problem: Mutex<Option<String>>,
}

impl InstanceState {
    pub(super) fn new(url: &Url) -> Self {
        let host = url.host_str().unwrap_or_default();
        let name =
            url.port_or_known_default().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"));
        Self { name, problem: Mutex::default() }
    }

    /// What is wrong, with the instance's name.
    pub(super) fn problem(&self) -> Option<String> {
        lock(&self.problem).as_ref().map(|problem| format!("{}: {problem}", self.name))
    }

    /// Whether the problem is another than before.
    fn set(&self, problem: Option<String>) -> bool {
        let mut current = lock(&self.problem);
        let is_new = *current != problem;
        *current = problem;
        is_new
    }
}

#[derive(Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
struct PostableAlert {
    labels: Labels,
    annotations: Labels,
    starts_at: String,
    ends_at: String,
    #[serde(rename = "generatorURL", skip_serializing_if = "Option::is_none")]
    generator_url: Option<String>,
}

/// When each resolved alert was first seen to be over, by the clock.
#[derive(Debug, Default)]
struct Ends(BTreeMap<(String, Option<EventTime>), EventTime>);

impl Ends {
    fn update(&mut self, alerts: &[Alert], now: EventTime) {
        let resolved = alerts.iter().filter(|alert| alert.status == AlertStatus::Resolved);
        let mut ends = BTreeMap::new();
        for alert in resolved {
            let key = (alert.fingerprint.clone(), alert.ends_at);
            let end = self.0.get(&key).copied().unwrap_or(now);
            ends.insert(key, end);
        }
        self.0 = ends;
    }

    fn of(&self, alert: &Alert) -> Option<EventTime> {
        self.0.get(&(alert.fingerprint.clone(), alert.ends_at)).copied()
    }
}

impl Instance {
    /// Sends the alerts whenever they change, and again every
    /// `resend_interval`, for as long as somebody may set them.
    pub(super) async fn run(self, mut alerts: watch::Receiver<Alerts>) {
        let mut ends = Ends::default();
        let mut failures = 0_u32;
        loop {
            let current = Arc::clone(&alerts.borrow_and_update());
            let now = now();
            ends.update(&current, now);
            let posted = self.postable(&current, &ends, now);
            let pause = if posted.is_empty() { None } else { self.post(&posted, &mut failures).await };
            if let Some(pause) = pause {
                // Changes wait, too: the server is not asked before it wants to be.
                tokio::time::sleep(pause).await;
                continue;
            }
            tokio::select! {
                changed = alerts.changed() => if changed.is_err() { return },
                () = tokio::time::sleep(self.resend_interval) => {}
            }
        }
    }

    /// Posts once; how long to wait before anything is sent again, when that
    /// failed.
    async fn post(&self, alerts: &[PostableAlert], failures: &mut u32) -> Option<Duration> {
        let attempt = match serde_json::to_string(alerts) {
            Ok(body) => self.poster.post(body, HeaderMap::new()).await,
            Err(error) => Attempt::refused(format!("the alerts can't be written as JSON: {error}")),
        };
        let instance = &self.state.name;
        match attempt {
            Attempt::Delivered => {
                self.metrics.attempted(AttemptOutcome::Ok);
                if self.state.set(None) {
                    tracing::info!(receiver = self.receiver, instance, "alertmanager takes alerts again");
                }
                *failures = 0;
                None
            }
            Attempt::Again { why, retry_after } => {
                self.metrics.attempted(AttemptOutcome::Retried);
                *failures = failures.saturating_add(1);
                tracing::warn!(receiver = self.receiver, instance, attempt = *failures, "{why}");
                self.state.set(Some(why));
                Some(self.pacing.pause(*failures, retry_after))
            }
            Attempt::Refused { why } => {
                self.metrics.attempted(AttemptOutcome::Failed);
                *failures = 0;
                if self.state.set(Some(why.clone())) {
                    tracing::error!(receiver = self.receiver, instance, "alertmanager refuses alerts: {why}");
                }
                None
            }
        }
    }

    fn postable(&self, alerts: &[Alert], ends: &Ends, now: EventTime) -> Vec<PostableAlert> {
        let validity = self.resend_interval.saturating_mul(VALIDITY_INTERVALS).max(MIN_VALIDITY);
        let valid_until = now.plus_ms(i64::try_from(validity.as_millis()).unwrap_or(i64::MAX));
        let wanted = alerts.iter().filter(|alert| self.interest.wants(alert));
        wanted
            .filter_map(|alert| {
                let ends_at = match alert.status {
                    AlertStatus::Firing => valid_until,
                    AlertStatus::Resolved => {
                        ends.of(alert).filter(|end| now.0.saturating_sub(end.0) <= RESOLVED_MS)?
                    }
                };
                Some(PostableAlert {
                    labels: good(&alert.labels),
                    annotations: good(&alert.annotations),
                    starts_at: alert.starts_at.min(now).min(ends_at).to_string(),
                    ends_at: ends_at.to_string(),
                    // Alertmanager refuses the whole array for an address that is none.
                    generator_url: self.links.page(alert).filter(|url| Url::parse(url).is_ok()),
                })
            })
            .filter(|alert| !alert.labels.is_empty())
            .collect()
    }
}

/// Labels as Alertmanager takes them: names of `[a-zA-Z_][a-zA-Z0-9_]*`, no
/// empty values.
fn good(labels: &Labels) -> Labels {
    let mut good = Labels::new();
    for (name, value) in labels.iter().filter(|(_, value)| !value.is_empty()) {
        // A name that was good keeps its value when another becomes equal to it.
        let good_name = good_name(name);
        if good_name == *name || !labels.contains_key(&good_name) {
            good.insert(good_name, value.clone());
        }
    }
    good
}

fn good_name(name: &str) -> String {
    let begins_badly = name.chars().next().is_none_or(|first| first.is_ascii_digit());
    let good = name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' });
    begins_badly.then_some('_').into_iter().chain(good).collect()
}

#[cfg(test)]
mod tests {
    use prometheus::Registry;

    use super::*;
    use crate::{
        alert::{Selector, Severity},
        notify::{
            ReceiverKind, ReceiverSettings,
            examples::{alert, over},
            metrics::Metrics,
        },
    };

    const MINUTE: i64 = 60_000;

    fn instance(resend_interval: Duration) -> Instance {
        let url = Url::parse("http://127.0.0.1:9").unwrap();
        let settings = ReceiverSettings {
            name: "am".to_owned(),
            kind: ReceiverKind::Command { command: Vec::new() },
            models: Selector::default(),
            severities: Severity::ALL.to_vec(),
            send_resolved: true,
            timeout: Duration::from_secs(1),
            give_up_after: Duration::from_secs(1),
            ca_file: None,
        };
        Instance {
            receiver: "am".to_owned(),
            interest: Interest::new(&settings),
            state: Arc::new(InstanceState::new(&url)),
            poster: Poster::new(&settings, url, None).unwrap(),
            resend_interval,
            links: Arc::default(),
            metrics: Metrics::new(&Registry::new()).unwrap().attempts_of("am"),
            pacing: Pacing::default(),
        }
    }

    #[test]
    fn times_are_of_the_clock_whatever_the_events_say() {
        let instance = instance(Duration::from_secs(60));
        let start = alert("age").starts_at;
        // The clock long after the events, and the events ahead of the clock.
        for now in [start.plus_ms(500 * MINUTE), start.plus_ms(-500 * MINUTE)] {
            let alerts = [alert("age"), over("income")];
            let mut ends = Ends::default();
            ends.update(&alerts, now);
            let posted = instance.postable(&alerts, &ends, now);
            assert_eq!(posted[0].starts_at, start.min(now).to_string());
            assert_eq!(posted[0].ends_at, now.plus_ms(4 * MINUTE).to_string());
            assert_eq!(posted[1].starts_at, start.min(now).to_string());
            assert_eq!(posted[1].ends_at, now.to_string());

            let later = now.plus_ms(15 * MINUTE);
            ends.update(&alerts, later);
            let posted = instance.postable(&alerts, &ends, later);
            assert_eq!(posted[0].ends_at, later.plus_ms(4 * MINUTE).to_string());
            assert_eq!(posted[1].ends_at, now.to_string(), "it was over then and stays so");

            let too_late = later.plus_ms(1);
            ends.update(&alerts, too_late);
            assert_eq!(instance.postable(&alerts, &ends, too_late).len(), 1);
        }
    }

    #[test]
    fn an_alert_is_good_for_several_intervals() {
        let instance = instance(Duration::from_secs(600));
        let now = EventTime(1_800_000_000_000);
        let posted = instance.postable(&[alert("age")], &Ends::default(), now);
        assert_eq!(posted[0].ends_at, now.plus_ms(40 * MINUTE).to_string());
    }

    #[test]
    fn names_are_made_good_and_empty_values_left_out() {
        let labels: Labels = [
            ("model-version", "1"),
            ("model_version", "2"),
            ("9lives", "x"),
            ("ä", "y"),
            ("", "z"),
            ("empty", ""),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into();
        let good: Vec<_> = good(&labels).into_iter().collect();
        let expected = [("_9lives", "x"), ("_", "y"), ("model_version", "2")];
        let mut expected = expected.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
        expected.sort();
        assert_eq!(good, expected);
    }
}
