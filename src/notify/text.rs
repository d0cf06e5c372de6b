//! What people read, whatever the receiver: a title and one line per alert.
//!
//! Promises that every text is one line: names and summaries may come from
//! events, and nobody who writes to the topic is to write headers of an e-mail.
//! Escaping for HTML or Slack is left to the receivers.

use sha2::{Digest as _, Sha256};

use super::links::Links;
use crate::{
    alert::{Alert, AlertStatus, DESCRIPTION, LABEL_FEATURE, Notification, SUMMARY, VALUE, hex},
    client::{cut, one_line},
    result::schema::TAG_EXPERIMENT,
};

/// Names in a title before the rest is only counted.
const MAX_NAMES: usize = 5;
/// Characters of one name in a title.
const MAX_NAME: usize = 40;
/// Characters of any other text.
const MAX_TEXT: usize = 400;

/// One alert for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Line {
    pub(super) status: AlertStatus,
    pub(super) summary: String,
    /// Empty when there is none.
    pub(super) value: String,
    /// Empty when there is none.
    pub(super) description: String,
    pub(super) link: Option<String>,
}

impl Line {
    fn new(alert: &Alert, links: &Links) -> Self {
        let summary = match tidy(alert.annotation(SUMMARY), MAX_TEXT) {
            summary if summary.is_empty() => name_of(alert),
            summary => summary,
        };
        Self {
            status: alert.status,
            summary,
            value: tidy(alert.annotation(VALUE), MAX_TEXT),
            description: tidy(alert.annotation(DESCRIPTION), MAX_TEXT),
            link: links.page(alert),
        }
    }

    /// What stands before an alert that is over among some that fire.
    pub(super) fn prefix(&self) -> &'static str {
        match self.status {
            AlertStatus::Firing => "",
            AlertStatus::Resolved => "resolved: ",
        }
    }
}

/// Whose alerts: the model, or the daemon itself.
pub(super) fn subject(notification: &Notification) -> String {
    notification.group.model.as_deref().map_or_else(|| "driftline".to_owned(), |model| tidy(model, MAX_NAME))
}

/// Such as `[FIRING 3] credit: age, income, channel (warning)`.
pub(super) fn title(notification: &Notification) -> String {
    let firing = notification.firing().count();
    let (word, about): (String, Vec<&Alert>) = if firing > 0 {
        (format!("FIRING {firing}"), notification.firing().collect())
    } else {
        ("RESOLVED".to_owned(), notification.resolved().collect())
    };
    let mut names: Vec<String> = Vec::new();
    for name in about.into_iter().map(name_of) {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    let more = names.len().saturating_sub(MAX_NAMES);
    names.truncate(MAX_NAMES);
    let mut names = names.join(", ");
    if more > 0 {
        names = format!("{names} and {more} more");
    }
    format!("[{word}] {}: {names} ({})", subject(notification), notification.group.severity.as_str())
}

/// The first `limit` alerts, and how many more there are.
pub(super) fn lines(notification: &Notification, links: &Links, limit: usize) -> (Vec<Line>, usize) {
    let lines = notification.alerts.iter().take(limit).map(|alert| Line::new(alert, links)).collect();
    (lines, notification.alerts.len().saturating_sub(limit))
}

/// SHA-256 in hexadecimal digits: whatever a text holds, a name of its own.
pub(super) fn hashed(text: &str) -> String {
    hex(&Sha256::digest(text))
}

/// The feature, or the rule of an alert about none; with the experiment of one
/// about that.
fn name_of(alert: &Alert) -> String {
    let (feature, experiment) = (alert.label(LABEL_FEATURE), alert.label(TAG_EXPERIMENT));
    let name = if feature.is_empty() { &alert.rule } else { feature };
    match tidy(name, MAX_NAME) {
        name if experiment.is_empty() => name,
        name => format!("{name} of {}", tidy(experiment, MAX_NAME)),
    }
}

/// One line without control characters, cut.
fn tidy(text: &str, limit: usize) -> String {
    let visible: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    cut(&one_line(&visible), limit)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::notify::examples::{alert, notification, over};

    #[test]
    fn a_title_names_what_fires_and_counts_the_rest() {
        let three = notification(vec![alert("age"), alert("income"), alert("age"), over("channel")]);
        assert_eq!(title(&three), "[FIRING 3] credit: age, income (warning)");
        let many = notification((0..9).map(|n| alert(&format!("f{n}"))).collect());
        assert_eq!(title(&many), "[FIRING 9] credit: f0, f1, f2, f3, f4 and 4 more (warning)");
        assert_eq!(title(&notification(vec![over("age")])), "[RESOLVED] credit: age (warning)");
    }

    #[test]
    fn the_daemon_itself_and_its_rules_have_names_too() {
        let mut alert = alert("");
        alert.labels.remove("feature");
        let mut own = notification(vec![alert]);
        own.group.model = None;
        assert_eq!(title(&own), "[FIRING 1] driftline: FeatureDrift (warning)");
    }

    #[test]
    fn an_experiment_is_named_beside_the_rule() {
        let mut alert = alert("");
        alert.rule = "experiment_rollback".to_owned();
        alert.labels.remove("feature");
        alert.labels.insert(TAG_EXPERIMENT.to_owned(), "v2".to_owned());
        let own = notification(vec![alert]);
        assert_eq!(title(&own), "[FIRING 1] credit: experiment_rollback of v2 (warning)");
    }

    #[test]
    fn every_text_is_one_line() {
        let mut bad = alert("a\r\nBcc: x@example.com");
        bad.annotations.insert(SUMMARY.to_owned(), "one\ntwo\u{7}\tthree".to_owned());
        let bad = notification(vec![bad]);
        assert_eq!(title(&bad), "[FIRING 1] credit: a Bcc: x@example.com (warning)");
        let (lines, more) = lines(&bad, &Links::default(), 10);
        assert_eq!(lines[0].summary, "one two three");
        assert_eq!(more, 0);
    }

    #[test]
    fn an_alert_without_a_summary_is_called_by_its_name() {
        let mut bare = alert("age");
        bare.annotations.clear();
        let (lines, more) = lines(&notification(vec![bare, over("b")]), &Links::default(), 1);
        assert_eq!((lines[0].summary.as_str(), lines[0].value.as_str(), more), ("age", "", 1));
    }
}
