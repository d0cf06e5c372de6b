//! Alerts as the real Alertmanager sees them.

use std::{
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use driftline::{
    alert::{Alert, AlertStatus, Selector, Severity},
    event::EventTime,
    notify::{Notifier, NotifySettings, ReceiverKind, ReceiverSettings},
};
use prometheus::Registry;
use serde_json::Value;

use crate::support::servers::{Alertmanager, SOON, eventually, http, or_skip};

/// An alert that fires ends so long after the last post, when no more come.
const VALIDITY: Duration = Duration::from_secs(4 * 60);

fn now() -> EventTime {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    EventTime(i64::try_from(since.as_millis()).unwrap())
}

/// Names and values that Alertmanager does not take as they are.
fn alert(feature: &str, starts_at: EventTime) -> Alert {
    let labels = [
        ("alertname", "FeatureDrift"),
        ("severity", "warning"),
        ("model", "credit \"v2\" – größe"),
        ("feature", feature),
        ("model-version", "1.2"),
        ("9 lives", "x\ny"),
        ("variant", ""),
    ];
    let annotations = [("summary", "it has drifted"), ("run-book", "https://example.com"), ("empty", "")];
    let owned = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
    Alert {
        fingerprint: format!("{feature:0>16}"),
        rule: "FeatureDrift".to_owned(),
        severity: Severity::Warning,
        labels: labels.map(owned).into(),
        annotations: annotations.map(owned).into(),
        status: AlertStatus::Firing,
        starts_at,
        ends_at: None,
        window: None,
        weight: 1.0,
        bins: Vec::new(),
    }
}

fn over(feature: &str, starts_at: EventTime) -> Alert {
    let ends_at = Some(starts_at.plus_ms(60_000));
    Alert { status: AlertStatus::Resolved, ends_at, ..alert(feature, starts_at) }
}

fn notifier(alertmanager: &Alertmanager, dashboard_url: &str) -> Notifier {
    let settings = NotifySettings {
        receivers: vec![ReceiverSettings {
            name: "am".to_owned(),
            kind: ReceiverKind::Alertmanager {
                urls: vec![alertmanager.url()],
                authorization: None,
                resend_interval: Duration::from_secs(1),
            },
            models: Selector::default(),
            severities: Severity::ALL.to_vec(),
            send_resolved: true,
            timeout: SOON,
            give_up_after: SOON,
            ca_file: None,
        }],
        external_url: None,
        dashboard_url: Some(dashboard_url.to_owned()),
    };
    Notifier::start(&settings, &Registry::new(), http::runtime().handle()).unwrap()
}

/// Features of the alerts that are on, in order.
fn features(active: &[Value]) -> Vec<String> {
    let mut features: Vec<String> =
        active.iter().map(|alert| alert["labels"]["feature"].as_str().unwrap().to_owned()).collect();
    features.sort();
    features
}

fn time(alert: &Value, name: &str) -> i64 {
    alert[name].as_str().unwrap().parse::<jiff::Timestamp>().unwrap().as_millisecond()
}

fn nothing_was_refused(alertmanager: &Alertmanager, notifier: &Notifier) {
    assert_eq!(notifier.status()[0].problem, None);
    assert!(alertmanager.metric("alertmanager_alerts_invalid_total", "").abs() < 0.5);
}

#[test]
#[ignore = "needs real servers: run scripts/test"]
fn alerts_are_on_while_they_fire_and_over_at_once() {
    let Some(alertmanager) = or_skip(Alertmanager::start()) else { return };
    let notifier = notifier(&alertmanager, "https://grafana.example.com/d/{model}?var-f={feature}");
    // One in the far past of event time, one ahead of the clock.
    let (past, future) = (EventTime(1_700_000_000_000), now().plus_ms(3_600_000));
    notifier.set_alerts(Arc::new(vec![alert("age", past), alert("income", future)]));
    let active = eventually("both alerts", SOON, || {
        let active = alertmanager.active();
        (features(&active) == ["age", "income"]).then_some(active)
    });
    let age = active.iter().find(|alert| alert["labels"]["feature"] == "age").unwrap();
    assert_eq!(age["labels"]["model"], "credit \"v2\" – größe");
    assert_eq!(
        (&age["labels"]["model_version"], &age["labels"]["_9_lives"]),
        (&"1.2".into(), &"x\ny".into())
    );
    assert_eq!((&age["labels"]["variant"], &age["annotations"]["empty"]), (&Value::Null, &Value::Null));
    assert_eq!(age["annotations"]["run_book"], "https://example.com");
    assert_eq!(time(age, "startsAt"), past.0);
    assert!(age["generatorURL"].as_str().unwrap().ends_with("?var-f=age"), "{age}");

    // It is posted again, each time good for longer.
    let end = time(age, "endsAt");
    eventually("a later end", SOON, || {
        alertmanager.active().iter().any(|alert| time(alert, "endsAt") > end).then_some(())
    });

    // Over in event time long ago, which is now for Alertmanager.
    notifier.set_alerts(Arc::new(vec![over("age", past), alert("income", future)]));
    eventually("the end of one", SOON, || (features(&alertmanager.active()) == ["income"]).then_some(()));
    // Over before it began, as far as the clock is concerned.
    notifier.set_alerts(Arc::new(vec![over("age", past), over("income", future)]));
    eventually("the end of both", SOON, || alertmanager.active().is_empty().then_some(()));
    // On again, while its last end is still being told.
    notifier.set_alerts(Arc::new(vec![alert("age", past), over("income", future)]));
    eventually("the alert again", SOON, || (features(&alertmanager.active()) == ["age"]).then_some(()));
    nothing_was_refused(&alertmanager, &notifier);
}

#[test]
#[ignore = "needs real servers: run scripts/test"]
fn alerts_of_a_daemon_that_is_gone_end_by_themselves() {
    let Some(alertmanager) = or_skip(Alertmanager::start()) else { return };
    // An address that is none would have the whole array refused.
    let notifier = notifier(&alertmanager, "no address: {feature}");
    notifier.set_alerts(Arc::new(vec![alert("age", now())]));
    let active = eventually("the alert", SOON, || Some(alertmanager.active()).filter(|all| !all.is_empty()));
    nothing_was_refused(&alertmanager, &notifier);
    drop(notifier);
    let left = time(&active[0], "endsAt") - now().0;
    assert!(left > 3 * 60 * 1_000, "an alert is good for some minutes without a post: {left} ms");
    eventually("its end", VALIDITY + SOON, || alertmanager.active().is_empty().then_some(()));
}
