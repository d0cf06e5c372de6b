//! What Slack and `PagerDuty` are sent, and who is told what.

use std::sync::Arc;

use driftline::{
    alert::{Notification, Selector, Severity},
    notify::{NotifySettings, ReceiverKind, ReceiverSettings},
};
use serde_json::Value;

use crate::{HASTY, Rig, alert, notification, ok, over, receiver, support::stand_in::StandIn, webhook};

#[tokio::test]
async fn chat_and_pager_get_what_they_take() {
    let server = StandIn::start(ok).await;
    let slack = ReceiverKind::Slack { url: format!("{}/slack", server.url()).into() };
    let pager = ReceiverKind::PagerDuty { routing_key: "key".into(), url: format!("{}/pager", server.url()) };
    let settings = NotifySettings {
        receivers: vec![receiver("slack", slack), receiver("pager", pager)],
        external_url: Some("https://drift.example.com/".to_owned()),
        dashboard_url: Some(
            "https://grafana.example.com/d/m?var-model={model}&from={from}&to={to}".to_owned(),
        ),
    };
    let rig = Rig::with(&settings, HASTY);
    rig.submit(1, &notification(1, vec![alert("age"), alert("income"), over("tenure")]));
    rig.done_with(2).await;
    rig.submit(2, &notification(2, vec![over("age")]));
    rig.done_with(4).await;
    let bodies = |path: &str| -> Vec<Value> {
        let seen = server.seen();
        let to_path = seen.iter().filter(|seen| seen.path == path);
        to_path.map(|seen| serde_json::from_str(&seen.body).unwrap()).collect()
    };
    let page = "https://grafana.example.com/d/m?var-model=credit&from=1764000000000&to=1764003600000";
    let picture = "https://drift.example.com/api/v1/alerts/0000000000000age/picture.png";

    let slack = bodies("/slack");
    assert_eq!(slack[0]["text"], "[FIRING 2] credit: age, income (warning)");
    assert_eq!(slack[0]["attachments"][0]["title_link"], page);
    assert_eq!(slack[0]["attachments"][0]["image_url"], picture);
    assert_eq!(slack[1]["text"], "[RESOLVED] credit: age (warning)");

    let pager = bodies("/pager");
    assert_eq!(
        (&pager[0]["event_action"], &pager[1]["event_action"]),
        (&"trigger".into(), &"resolve".into())
    );
    assert_eq!(pager[0]["dedup_key"], pager[1]["dedup_key"]);
    assert_eq!(pager[0]["routing_key"], "key");
    assert_eq!(pager[0]["links"][0]["href"], page);
    assert_eq!(pager[0]["images"][0]["src"], picture);
    assert_eq!(pager[0]["payload"]["custom_details"]["alerts"].as_array().unwrap().len(), 3);
}

#[tokio::test]
async fn everybody_is_told_of_the_models_and_severities_they_want() {
    let models = |patterns: &[&str]| {
        Selector::new(&patterns.iter().map(|&pattern| pattern.to_owned()).collect::<Vec<_>>())
    };
    let url = "http://127.0.0.1:9/";
    let rig = Rig::new(vec![
        webhook("all", url),
        ReceiverSettings { models: models(&["cr*"]), ..webhook("credit", url) },
        ReceiverSettings { models: models(&["!credit"]), ..webhook("others", url) },
        ReceiverSettings { severities: vec![Severity::Critical], ..webhook("critical", url) },
        receiver(
            "am",
            ReceiverKind::Alertmanager {
                urls: vec![url.to_owned()],
                authorization: None,
                resend_interval: std::time::Duration::from_secs(60),
            },
        ),
    ]);
    let mut told = Notification::clone(&notification(1, vec![alert("age")]));
    assert_eq!(rig.notifier.receivers_for(&told), ["all", "credit"]);
    told.group.severity = Severity::Critical;
    assert_eq!(rig.notifier.receivers_for(&told), ["all", "credit", "critical"]);
    told.group.model = None;
    assert_eq!(rig.notifier.receivers_for(&told), ["all", "others", "critical"]);
    rig.notifier.submit(1, &Arc::new(told), &["am".to_owned()]);
    assert_eq!(rig.done(), [(1, "am".to_owned())], "it is told of states only");
}
