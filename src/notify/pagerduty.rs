//! Events for `PagerDuty`, Events API version 2.
//!
//! One incident per group: the group's hash is the `dedup_key`, so that later
//! notifications go into the incident, and the last one resolves it.

use reqwest::header::HeaderMap;
use secrecy::{ExposeSecret as _, SecretString};
use serde::Serialize;
use serde_json::{Value, json};

use super::{ReceiverSettings, attempt::Attempt, links::Links, post::Poster, text, webhook::group_key_of};
use crate::{
    alert::{AlertStatus, LABEL_FEATURE, Notification, Severity},
    client::{self, cut},
};

/// Larger events are refused.
const MAX_EVENT: usize = 512_000;
/// Longest summary, in characters, with the ellipsis of a cut one.
const MAX_SUMMARY: usize = 1_024;
/// Pictures and links in an event.
const MAX_PICTURES: usize = 3;

/// An integration.
#[derive(Debug)]
pub(super) struct PagerDuty {
    poster: Poster,
    routing_key: SecretString,
}

impl PagerDuty {
    pub(super) fn new(
        settings: &ReceiverSettings,
        routing_key: &SecretString,
        url: &str,
    ) -> Result<Self, String> {
        let url = client::address(url).map_err(|reason| format!("its url can't be used: {reason}"))?;
        let poster = Poster::new(settings, url, None)?.with_secret(routing_key);
        Ok(Self { poster, routing_key: routing_key.clone() })
    }

    pub(super) async fn deliver(&self, notification: &Notification, links: &Links) -> Attempt {
        match event(self.routing_key.expose_secret(), notification, links) {
            Ok(body) => self.poster.post(body, HeaderMap::new()).await,
            Err(error) => Attempt::refused(format!("it can't be written as JSON: {error}")),
        }
    }
}

#[derive(Debug, Serialize)]
struct Event<'a> {
    routing_key: &'a str,
    #[serde(rename = "event_action")]
    action: &'static str,
    dedup_key: String,
    client: &'static str,
    #[serde(skip_serializing_if = "str::is_empty")]
    client_url: &'a str,
    payload: Payload,
    links: Vec<Value>,
    images: Vec<Value>,
}

#[derive(Debug, Serialize)]
struct Payload {
    summary: String,
    source: String,
    timestamp: String,
    severity: Severity,
    component: String,
    group: &'static str,
    class: String,
    custom_details: Value,
}

fn event(routing_key: &str, notification: &Notification, links: &Links) -> Result<String, serde_json::Error> {
    let (lines, _) = text::lines(notification, links, MAX_PICTURES);
    let pages = lines.iter().filter_map(|line| {
        let href = line.link.as_ref()?;
        Some(json!({"href": href, "text": line.summary}))
    });
    let pictures = notification.alerts.iter().filter_map(|alert| {
        let src = links.picture(alert)?;
        Some(json!({"src": src, "href": links.page(alert), "alt": alert.label(LABEL_FEATURE)}))
    });
    let mut event = Event {
        routing_key,
        action: match notification.status() {
            AlertStatus::Firing => "trigger",
            AlertStatus::Resolved => "resolve",
        },
        dedup_key: text::hashed(&group_key_of(notification)),
        client: "driftline",
        client_url: links.external_url(),
        payload: payload(notification, links),
        links: pages.collect(),
        images: pictures.take(MAX_PICTURES).collect(),
    };
    let text = serde_json::to_string(&event)?;
    if text.len() <= MAX_EVENT {
        return Ok(text);
    }
    let count = notification.alerts.len();
    event.payload.custom_details = json!({"left_out": format!("{count} alerts, too large for one event")});
    serde_json::to_string(&event)
}

fn payload(notification: &Notification, links: &Links) -> Payload {
    let mut rules: Vec<&str> = notification.alerts.iter().map(|alert| alert.rule.as_str()).collect();
    rules.sort_unstable();
    rules.dedup();
    let source = links.external_url();
    Payload {
        summary: cut(&text::title(notification), MAX_SUMMARY - 1),
        source: if source.is_empty() { "driftline" } else { source }.to_owned(),
        timestamp: notification.made_at.to_string(),
        severity: notification.group.severity,
        component: text::subject(notification),
        group: "driftline",
        class: cut(&rules.join(", "), MAX_SUMMARY - 1),
        custom_details: details(notification),
    }
}

fn details(notification: &Notification) -> Value {
    let alerts = notification.alerts.iter().map(|alert| {
        json!({
            "status": alert.status,
            "labels": alert.labels,
            "annotations": alert.annotations,
            "starts_at": alert.starts_at.to_string(),
            "ends_at": alert.ends_at.map(|at| at.to_string()),
        })
    });
    json!({"alerts": alerts.collect::<Vec<_>>()})
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::notify::{
        NotifySettings,
        examples::{alert, notification, over},
    };

    fn event_of(notification: &Notification, links: &Links) -> Value {
        serde_json::from_str(&event("key", notification, links).unwrap()).unwrap()
    }

    #[test]
    fn a_group_triggers_and_resolves_one_incident() {
        let links = Links::default();
        let on = event_of(&notification(vec![alert("age"), over("income")]), &links);
        let off = event_of(&notification(vec![over("age")]), &links);
        assert_eq!((&on["event_action"], &off["event_action"]), (&json!("trigger"), &json!("resolve")));
        assert_eq!(on["dedup_key"], off["dedup_key"]);
        assert_eq!(on["dedup_key"].as_str().unwrap().len(), 64);
        assert_eq!(on["payload"]["summary"], "[FIRING 1] credit: age (warning)");
        assert_eq!(on["payload"]["component"], "credit");
        assert_eq!(on["payload"]["source"], "driftline");
        assert_eq!(on["payload"]["severity"], "warning");
        assert_eq!(on["payload"]["class"], "FeatureDrift");
        assert_eq!(on["payload"]["custom_details"]["alerts"][1]["ends_at"], "2025-11-24T18:00:00Z");
        assert_eq!((&on["images"], &on["links"]), (&json!([]), &json!([])));
        let mut other = notification(vec![alert("age")]);
        other.group.model = None;
        assert_ne!(event_of(&other, &links)["dedup_key"], on["dedup_key"]);
    }

    #[test]
    fn pictures_and_links_need_an_address() {
        let settings = NotifySettings {
            external_url: Some("https://d.example".to_owned()),
            ..NotifySettings::default()
        };
        let event = event_of(&notification(vec![alert("age")]), &Links::new(&settings));
        let page = "https://d.example/api/v1/models/credit/windows";
        let picture = "https://d.example/api/v1/alerts/7ce32e3bdfc0ec6b/picture.png";
        assert_eq!(event["links"], json!([{"href": page, "text": "age has drifted"}]));
        assert_eq!(event["images"], json!([{"src": picture, "href": page, "alt": "age"}]));
    }

    #[test]
    fn an_event_that_is_too_large_loses_its_details_only() {
        let mut long = alert("age");
        long.annotations.insert("text".to_owned(), "x".repeat(MAX_EVENT));
        let text = event("key", &notification(vec![long]), &Links::default()).unwrap();
        assert!(text.len() < 2_000, "{}", text.len());
        assert!(text.contains("1 alerts, too large"), "{text}");
    }
}
