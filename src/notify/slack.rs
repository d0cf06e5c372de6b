//! A message to an incoming webhook of Slack, or of what takes the same, such
//! as Mattermost.
//!
//! The picture goes as the attachment's `image_url`, not as a block: Slack
//! fetches it by its address, and a block whose picture it can't fetch makes it
//! refuse the whole message.

use reqwest::header::HeaderMap;
use secrecy::SecretString;
use serde::Serialize;

use super::{
    ReceiverSettings,
    attempt::Attempt,
    links::Links,
    post::{Poster, secret_url},
    text::{self, Line},
};
use crate::alert::{AlertStatus, Notification, Severity};

/// Alerts in a message before the rest is only counted.
const MAX_ALERTS: usize = 10;

/// An incoming webhook.
#[derive(Debug)]
pub(super) struct Slack {
    poster: Poster,
}

impl Slack {
    pub(super) fn new(settings: &ReceiverSettings, url: &SecretString) -> Result<Self, String> {
        Ok(Self { poster: Poster::new(settings, secret_url(url)?, None)?.with_secret_url() })
    }

    pub(super) async fn deliver(&self, notification: &Notification, links: &Links) -> Attempt {
        match serde_json::to_string(&message(notification, links)) {
            Ok(body) => self.poster.post(body, HeaderMap::new()).await,
            Err(error) => Attempt::refused(format!("it can't be written as JSON: {error}")),
        }
    }
}

#[derive(Debug, Serialize)]
struct Message {
    text: String,
    attachments: [Attachment; 1],
}

#[derive(Debug, Serialize)]
struct Attachment {
    color: &'static str,
    fallback: String,
    title: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    title_link: Option<String>,
    text: String,
    mrkdwn_in: [&'static str; 1],
    fields: [Field; 2],
    #[serde(skip_serializing_if = "Option::is_none")]
    image_url: Option<String>,
    footer: &'static str,
    ts: i64,
}

#[derive(Debug, Serialize)]
struct Field {
    title: &'static str,
    value: String,
    short: bool,
}

fn message(notification: &Notification, links: &Links) -> Message {
    let title = escaped(&text::title(notification));
    let (lines, more) = text::lines(notification, links, MAX_ALERTS);
    let mut text: Vec<String> = lines.iter().map(line).collect();
    if more > 0 {
        text.push(format!("and {more} more"));
    }
    let field = |title, value: String| Field { title, value, short: true };
    let attachment = Attachment {
        color: color(notification),
        fallback: title.clone(),
        title: escaped(&text::subject(notification)),
        title_link: notification.alerts.first().and_then(|alert| links.page(alert)),
        text: text.join("\n"),
        mrkdwn_in: ["text"],
        fields: [
            field("Severity", notification.group.severity.as_str().to_owned()),
            field("Firing", notification.firing().count().to_string()),
        ],
        image_url: notification.alerts.iter().find_map(|alert| links.picture(alert)),
        footer: "driftline",
        ts: notification.made_at.0.div_euclid(1_000),
    };
    Message { text: title, attachments: [attachment] }
}

fn line(line: &Line) -> String {
    let summary = escaped(&line.summary);
    let summary = match &line.link {
        Some(link) => format!("<{}|{}>", link_address(link), summary.replace('|', "¦")),
        None => summary,
    };
    let value = if line.value.is_empty() { String::new() } else { format!(": {}", escaped(&line.value)) };
    format!("• {}{summary}{value}", line.prefix())
}

/// An address between `<` and `|`, which it must not hold itself.
fn link_address(link: &str) -> String {
    link.replace('<', "%3C").replace('>', "%3E").replace('|', "%7C").replace('&', "&amp;")
}

/// The three characters that mean something to Slack.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

fn color(notification: &Notification) -> &'static str {
    match (notification.status(), notification.group.severity) {
        (AlertStatus::Resolved, _) => "#2e9e5b",
        (AlertStatus::Firing, Severity::Critical) => "#d03238",
        (AlertStatus::Firing, Severity::Warning) => "#e8a317",
        (AlertStatus::Firing, Severity::Info) => "#3a7bd5",
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::notify::{
        NotifySettings,
        examples::{alert, notification, over},
    };

    #[test]
    fn a_message_is_escaped_and_linked() {
        let settings = NotifySettings {
            external_url: Some("https://d.example".to_owned()),
            dashboard_url: Some("https://g/{feature}?a=1&b=2|3".to_owned()),
            ..NotifySettings::default()
        };
        let told = notification(vec![alert("<!channel>"), over("a&b|c")]);
        let message = serde_json::to_value(message(&told, &Links::new(&settings))).unwrap();
        assert_eq!(
            message,
            json!({
                "text": "[FIRING 1] credit: &lt;!channel&gt; (warning)",
                "attachments": [{
                    "color": "#e8a317",
                    "fallback": "[FIRING 1] credit: &lt;!channel&gt; (warning)",
                    "title": "credit",
                    "title_link": "https://g/%3C%21channel%3E?a=1&b=2|3",
                    "text": "• <https://g/%3C%21channel%3E?a=1&amp;b=2%7C3|&lt;!channel&gt; has drifted>: 0.31\n\
                             • resolved: <https://g/a%26b%7Cc?a=1&amp;b=2%7C3|a&amp;b¦c has drifted>: 0.31",
                    "mrkdwn_in": ["text"],
                    "fields": [
                        {"title": "Severity", "value": "warning", "short": true},
                        {"title": "Firing", "value": "1", "short": true},
                    ],
                    "footer": "driftline",
                    "ts": 1_764_003_600,
                    "image_url": "https://d.example/api/v1/alerts/7ce32e3bdfc0ec6b/picture.png",
                }],
            })
        );
    }

    #[test]
    fn many_alerts_are_counted_and_no_address_is_made_up() {
        let told = notification((0..12).map(|n| over(&format!("f{n}"))).collect());
        let message = serde_json::to_value(message(&told, &Links::default())).unwrap();
        let attachment = &message["attachments"][0];
        let text = attachment["text"].as_str().unwrap();
        assert_eq!(text.lines().count(), MAX_ALERTS + 1);
        assert!(text.ends_with("\nand 2 more"), "{text}");
        assert_eq!(attachment["color"], "#2e9e5b");
        assert!(attachment.get("image_url").is_none() && attachment.get("title_link").is_none());
    }
}
