//! Alerts for the tests of this folder.

use crate::{
    alert::{Alert, AlertStatus, GroupKey, Labels, Notification, Reason, SUMMARY, Severity, VALUE},
    event::EventTime,
    result::BinShare,
};

/// End of the window of every example.
const END: EventTime = EventTime(1_764_003_600_000);

fn labels(pairs: &[(&str, &str)]) -> Labels {
    pairs.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect()
}

/// A feature of the model `credit` drifts.
pub(super) fn alert(feature: &str) -> Alert {
    Alert {
        fingerprint: "7ce32e3bdfc0ec6b".to_owned(),
        rule: "FeatureDrift".to_owned(),
        severity: Severity::Warning,
        labels: labels(&[
            ("alertname", "FeatureDrift"),
            ("feature", feature),
            ("model", "credit"),
            ("severity", "warning"),
        ]),
        annotations: labels(&[(SUMMARY, &format!("{feature} has drifted")), (VALUE, "0.31")]),
        status: AlertStatus::Firing,
        starts_at: END,
        ends_at: None,
        window: Some((END.plus_ms(-3_600_000), END)),
        weight: 0.31,
        bins: vec![BinShare { label: "18 – 30".to_owned(), reference: 0.6, window: 0.2 }],
    }
}

/// The same, but over.
pub(super) fn over(feature: &str) -> Alert {
    Alert { status: AlertStatus::Resolved, ends_at: Some(END.plus_ms(3_600_000)), ..alert(feature) }
}

/// What is told of these.
pub(super) fn notification(alerts: Vec<Alert>) -> Notification {
    Notification {
        id: "msg_1".to_owned(),
        group: GroupKey { model: Some("credit".to_owned()), severity: Severity::Warning },
        reason: Reason::New,
        made_at: END,
        alerts,
    }
}
