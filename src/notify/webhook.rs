//! JSON in the shape of Alertmanager's webhooks, version 4, signed as Standard
//! Webhooks want it.
//!
//! Why this shape: whatever takes Alertmanager's notifications takes ours.
//! A body stays below [`MAX_BODY`] bytes: alerts at its end are left out and
//! counted in `truncatedAlerts`. `webhook-id` is the notification's id, the same
//! whenever it is sent, by which a receiver can drop doubles.

use std::time::{SystemTime, UNIX_EPOCH};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use hmac::{Hmac, KeyInit as _, Mac as _};
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use secrecy::{ExposeSecret as _, SecretBox, SecretString};
use serde::Serialize;
use sha2::Sha256;

use super::{
    ReceiverSettings,
    attempt::Attempt,
    links::Links,
    post::{Poster, secret_url},
};
use crate::{
    alert::{Alert, AlertStatus, LABEL_MODEL, LABEL_SEVERITY, Labels, Notification},
    client::cut,
    event::EventTime,
};

/// Standard Webhooks ask for less than 20 kB.
const MAX_BODY: usize = 20_000;
/// Characters of one value; no name comes near, a text may.
const MAX_VALUE: usize = 2_000;
/// What Alertmanager's webhooks say of an alert that is not over.
const NOT_OVER: &str = "0001-01-01T00:00:00Z";
/// What a signing secret begins with.
const SECRET_PREFIX: &str = "whsec_";

/// A webhook.
#[derive(Debug)]
pub(super) struct Webhook {
    receiver: String,
    poster: Poster,
    keys: Vec<SecretBox<Vec<u8>>>,
}

impl Webhook {
    pub(super) fn new(
        settings: &ReceiverSettings,
        url: &SecretString,
        signing_secrets: &[SecretString],
        authorization: Option<&SecretString>,
    ) -> Result<Self, String> {
        Ok(Self {
            receiver: settings.name.clone(),
            poster: Poster::new(settings, secret_url(url)?, authorization)?.with_secret_url(),
            keys: signing_secrets.iter().map(key).collect::<Result<_, _>>()?,
        })
    }

    pub(super) async fn deliver(&self, notification: &Notification, links: &Links) -> Attempt {
        let body = match body(&self.receiver, notification, links) {
            Ok(body) => body,
            Err(error) => return Attempt::refused(format!("it can't be written as JSON: {error}")),
        };
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let Some(headers) = headers(&notification.id, now, &body, &self.keys) else {
            return Attempt::refused("its id has characters that an HTTP header can't carry");
        };
        self.poster.post(body, headers).await
    }
}

/// Reads `whsec_…`. The error doesn't show it.
fn key(secret: &SecretString) -> Result<SecretBox<Vec<u8>>, String> {
    let key = secret.expose_secret().strip_prefix(SECRET_PREFIX).and_then(|text| STANDARD.decode(text).ok());
    match key {
        Some(key) if (24..=64).contains(&key.len()) => Ok(SecretBox::new(Box::new(key))),
        _ => Err(format!("a signing secret must be {SECRET_PREFIX} and 24 to 64 bytes in base64")),
    }
}

/// The headers of Standard Webhooks 1.0.0.
fn headers(id: &str, seconds: u64, body: &str, keys: &[SecretBox<Vec<u8>>]) -> Option<HeaderMap> {
    let mut headers = HeaderMap::new();
    headers.insert(HeaderName::from_static("webhook-id"), HeaderValue::from_str(id).ok()?);
    headers.insert(HeaderName::from_static("webhook-timestamp"), HeaderValue::from(seconds));
    if keys.is_empty() {
        return Some(headers);
    }
    let mut signatures = Vec::with_capacity(keys.len());
    for key in keys {
        let mut mac = Hmac::<Sha256>::new_from_slice(key.expose_secret()).ok()?;
        mac.update(format!("{id}.{seconds}.").as_bytes());
        mac.update(body.as_bytes());
        signatures.push(format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes())));
    }
    let signatures = HeaderValue::from_str(&signatures.join(" ")).ok()?;
    headers.insert(HeaderName::from_static("webhook-signature"), signatures);
    Some(headers)
}

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
struct AlertView {
    status: AlertStatus,
    labels: Labels,
    annotations: Labels,
    starts_at: String,
    ends_at: String,
    #[serde(rename = "generatorURL")]
    generator_url: String,
    fingerprint: String,
}

impl AlertView {
    fn new(alert: &Alert, links: &Links) -> Self {
        Self {
            status: alert.status,
            labels: bounded(&alert.labels),
            annotations: bounded(&alert.annotations),
            starts_at: alert.starts_at.to_string(),
            ends_at: alert.ends_at.as_ref().map_or_else(|| NOT_OVER.to_owned(), EventTime::to_string),
            generator_url: links.page(alert).unwrap_or_default(),
            fingerprint: alert.fingerprint.clone(),
        }
    }
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Body<'a> {
    receiver: &'a str,
    status: AlertStatus,
    alerts: &'a [AlertView],
    group_labels: Labels,
    common_labels: Labels,
    common_annotations: Labels,
    #[serde(rename = "externalURL")]
    external_url: &'a str,
    version: &'static str,
    group_key: String,
    truncated_alerts: usize,
}

/// The body of a notification; also what programs get.
pub(super) fn body(
    receiver: &str,
    notification: &Notification,
    links: &Links,
) -> Result<String, serde_json::Error> {
    let view = |alert| AlertView::new(alert, links);
    let mut alerts: Vec<AlertView> = notification.alerts.iter().map(view).collect();
    let group_labels = group_labels(notification);
    let mut body = Body {
        receiver,
        status: notification.status(),
        alerts: &[],
        group_key: group_key(&group_labels),
        group_labels,
        common_labels: common(alerts.iter().map(|alert| &alert.labels)),
        common_annotations: common(alerts.iter().map(|alert| &alert.annotations)),
        external_url: links.external_url(),
        version: "4",
        truncated_alerts: alerts.len(),
    };
    let length = |alert: &AlertView| Ok(serde_json::to_string(alert)?.len());
    let mut lengths = alerts.iter().map(length).collect::<Result<Vec<_>, serde_json::Error>>()?;
    let mut fitting = self::fitting(&body, &lengths)?;
    // What fires is told again; what is over is told once, and goes first.
    if fitting < alerts.len() {
        alerts = notification.resolved().chain(notification.firing()).map(view).collect();
        lengths = alerts.iter().map(length).collect::<Result<Vec<_>, serde_json::Error>>()?;
        fitting = self::fitting(&body, &lengths)?;
    }
    // One alert shares all its texts with itself, and they may be long.
    if fitting == 0 {
        body.common_annotations.clear();
        fitting = self::fitting(&body, &lengths)?;
    }
    if fitting == 0 {
        body.common_labels.clear();
        fitting = self::fitting(&body, &lengths)?;
    }
    body.alerts = alerts.get(..fitting).unwrap_or_default();
    body.truncated_alerts = alerts.len() - fitting;
    serde_json::to_string(&body)
}

/// How many alerts of these lengths there is room for in a body without any.
fn fitting(body: &Body<'_>, lengths: &[usize]) -> Result<usize, serde_json::Error> {
    let mut length = serde_json::to_string(body)?.len();
    let fits = |alert: &&usize| {
        // With the comma before it.
        length += **alert + 1;
        length < MAX_BODY
    };
    Ok(lengths.iter().take_while(fits).count())
}

fn group_labels(notification: &Notification) -> Labels {
    let group = &notification.group;
    let severity = (LABEL_SEVERITY.to_owned(), group.severity.as_str().to_owned());
    let model = group.model.iter().map(|model| (LABEL_MODEL.to_owned(), model.clone()));
    model.chain([severity]).collect()
}

/// As Alertmanager writes it: `{}:{model="credit", severity="warning"}`.
fn group_key(labels: &Labels) -> String {
    let pairs: Vec<String> = labels.iter().map(|(name, value)| format!("{name}={value:?}")).collect();
    format!("{{}}:{{{}}}", pairs.join(", "))
}

/// The group as one text: equal for every notification about it.
pub(super) fn group_key_of(notification: &Notification) -> String {
    group_key(&group_labels(notification))
}

fn bounded(labels: &Labels) -> Labels {
    labels.iter().map(|(name, value)| (name.clone(), cut(value, MAX_VALUE))).collect()
}

/// What all have with the same value.
fn common<'a>(mut all: impl Iterator<Item = &'a Labels>) -> Labels {
    let mut common = all.next().cloned().unwrap_or_default();
    for labels in all {
        common.retain(|name, value| labels.get(name) == Some(value));
    }
    common
}

#[cfg(test)]
mod tests {
    use proptest::{collection, prelude::*};

    use super::*;
    use crate::{
        alert::SUMMARY,
        notify::examples::{alert, notification, over},
    };

    #[test]
    fn a_signature_is_what_other_implementations_compute() {
        // The example of the Standard Webhooks libraries.
        let secret = SecretString::from("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw");
        let keys = [key(&secret).unwrap()];
        let headers =
            headers("msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, r#"{"test": 2432232314}"#, &keys).unwrap();
        assert_eq!(headers["webhook-signature"], "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
        assert_eq!(headers["webhook-timestamp"], "1614265330");
    }

    #[test]
    fn secrets_that_are_none_are_refused_without_showing_them() {
        let of = |bytes: usize| format!("whsec_{}", STANDARD.encode(vec![7; bytes]));
        for good in [of(24), of(64)] {
            assert!(key(&SecretString::from(good)).is_ok());
        }
        for bad in [of(23), of(65), of(32).replace("whsec_", ""), "whsec_not/base64!".to_owned()] {
            let error = key(&SecretString::from(bad.clone())).unwrap_err();
            assert!(!error.contains(&bad), "{error}");
        }
    }

    #[test]
    fn a_body_has_the_shape_of_alertmanager() {
        let mut mixed = notification(vec![alert("age"), over("income \"gross\"")]);
        mixed.group.model = Some("cre\"dit".to_owned());
        let links = Links::default();
        let body: serde_json::Value = serde_json::from_str(&body("hook", &mixed, &links).unwrap()).unwrap();
        let expected = serde_json::json!({
            "receiver": "hook",
            "status": "firing",
            "alerts": [{
                "status": "firing",
                "labels": {"alertname": "FeatureDrift", "feature": "age", "model": "credit", "severity": "warning"},
                "annotations": {"summary": "age has drifted", "value": "0.31"},
                "startsAt": "2025-11-24T17:00:00Z",
                "endsAt": "0001-01-01T00:00:00Z",
                "generatorURL": "",
                "fingerprint": "7ce32e3bdfc0ec6b",
            }, {
                "status": "resolved",
                "labels": {"alertname": "FeatureDrift", "feature": "income \"gross\"", "model": "credit", "severity": "warning"},
                "annotations": {"summary": "income \"gross\" has drifted", "value": "0.31"},
                "startsAt": "2025-11-24T17:00:00Z",
                "endsAt": "2025-11-24T18:00:00Z",
                "generatorURL": "",
                "fingerprint": "7ce32e3bdfc0ec6b",
            }],
            "groupLabels": {"model": "cre\"dit", "severity": "warning"},
            "commonLabels": {"alertname": "FeatureDrift", "model": "credit", "severity": "warning"},
            "commonAnnotations": {"value": "0.31"},
            "externalURL": "",
            "version": "4",
            "groupKey": "{}:{model=\"cre\\\"dit\", severity=\"warning\"}",
            "truncatedAlerts": 0,
        });
        assert_eq!(body, expected);
    }

    #[test]
    fn a_body_stays_small_and_counts_what_is_left_out() {
        let many = notification((0..500).map(|n| alert(&format!("feature_{n}"))).collect());
        let text = body("hook", &many, &Links::default()).unwrap();
        assert!((19_000..MAX_BODY).contains(&text.len()), "{}", text.len());
        let body_of_many: serde_json::Value = serde_json::from_str(&text).unwrap();
        let shown = body_of_many["alerts"].as_array().unwrap().len();
        assert_eq!(body_of_many["truncatedAlerts"], 500 - shown);
        assert_eq!(body_of_many["alerts"][0]["labels"]["feature"], "feature_0");

        let mut long = alert("age");
        for n in 0..4 {
            long.annotations.insert(format!("text{n}"), "ä".repeat(100_000));
        }
        let text = body("hook", &notification(vec![long.clone()]), &Links::default()).unwrap();
        assert!((16_000..MAX_BODY).contains(&text.len()), "{}", text.len());
        assert!(
            text.contains(r#""commonAnnotations":{}"#) && text.contains(r#""truncatedAlerts":0"#),
            "{text}"
        );
        for n in 4..8 {
            long.annotations.insert(format!("text{n}"), "ä".repeat(100_000));
        }
        let text = body("hook", &notification(vec![long]), &Links::default()).unwrap();
        assert!(text.len() < MAX_BODY, "{}", text.len());
        assert!(text.contains(r#""truncatedAlerts":1"#), "{text}");
    }

    proptest! {
        #[test]
        fn whatever_the_texts_are_a_body_is_small_and_complete(
            texts in collection::vec(("\\PC{0,40}", any::<String>(), any::<String>()), 0..200),
            repeated in 1_usize..100,
        ) {
            let alerts = texts.iter().map(|(name, feature, text)| {
                let mut alert = alert(feature);
                alert.labels.insert(name.clone(), text.clone());
                alert.annotations.insert(SUMMARY.to_owned(), text.repeat(repeated));
                alert
            });
            let told = notification(alerts.collect());
            let text = body("hook", &told, &Links::default()).unwrap();
            prop_assert!(text.len() < MAX_BODY, "{}", text.len());
            let body: serde_json::Value = serde_json::from_str(&text).unwrap();
            let shown = body["alerts"].as_array().unwrap();
            prop_assert_eq!(body["truncatedAlerts"].as_u64().unwrap(), (told.alerts.len() - shown.len()) as u64);
            for (shown, alert) in shown.iter().zip(&told.alerts) {
                prop_assert_eq!(&shown["labels"], &serde_json::json!(alert.labels));
            }
        }
    }
}
