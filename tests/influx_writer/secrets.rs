//! What people get to see: errors, statuses and logs without secrets, and
//! `check`'s sentences.

use driftline::sink::{InfluxApi, InfluxSettings, InfluxSink, SinkError, check};
use prometheus::Registry;
use tokio::runtime::Handle;

use crate::{
    Rig, always_written, line, settings,
    support::{
        log,
        stand_in::{Reply, StandIn},
    },
    until,
};

const TOKEN: &str = "t0ps3cret";

// One thread, so that the task of the sink logs where the test listens.
#[tokio::test(flavor = "current_thread")]
async fn no_secret_is_logged_or_shown() {
    let bad = line(1);
    let server = StandIn::start(|_| Reply::status(401)).await;
    for api in [
        settings("").api,
        InfluxApi::V1 { database: "d".to_owned(), retention_policy: None, username: Some("ann".to_owned()) },
    ] {
        server.behave(|_| Reply::status(401));
        let settings = InfluxSettings { api, ..settings(&server.url()) };
        let rig = Rig::new(&settings);
        rig.submit(0..5);
        let why = rig.not_ready().await;
        let bad = bad.clone();
        server.behave(move |seen| {
            if seen.body.contains(&bad) { Reply::status(400).body("no") } else { Reply::written() }
        });
        until("it is written", || rig.sink.queued_points() == 0).await;
        let shown = format!("{why} {:?} {settings:?}", rig.sink);
        for secret in [TOKEN, "YW5uOnQwcHMzY3JldA"] {
            assert!(!shown.contains(secret), "{shown}");
            assert!(!log::of_this_thread().contains(secret), "{}", log::of_this_thread());
        }
    }
    let text = log::of_this_thread();
    assert!(text.contains("WARN") && text.contains("refuses the token or password"), "{text}");
    // Of a long line the beginning is shown.
    let beginning = bad.get(..100).unwrap();
    assert!(
        text.contains("ERROR") && text.contains("influxdb refused a point") && text.contains(beginning),
        "{text}"
    );
    assert!(text.contains("INFO") && text.contains("takes points again"), "{text}");
}

fn refused(change: impl FnOnce(&mut InfluxSettings)) -> SinkError {
    let mut settings = settings("http://127.0.0.1:1");
    change(&mut settings);
    InfluxSink::start(&settings, &Registry::new(), &Handle::current()).unwrap_err()
}

#[tokio::test]
async fn addresses_that_cannot_be_used_are_refused_without_showing_them() {
    for (url, why) in [
        ("http://ann:t0ps3cret@127.0.0.1:8086", "user or password"),
        ("t0ps3cret", "relative URL"),
        ("ftp://t0ps3cret", "http://"),
        ("http://127.0.0.1/?token=t0ps3cret", "after the path"),
        ("http://t0ps3cret:port", "port"),
    ] {
        let error = refused(|settings| url.clone_into(&mut settings.url));
        assert!(error.to_string().contains(why), "{error}");
        assert!(!format!("{error} {error:?}").contains(TOKEN), "{error:?}");
    }
    let with_password = settings("http://ann:t0ps3cret@127.0.0.1:8086");
    assert!(!format!("{with_password:?}").contains(TOKEN));
}

#[tokio::test]
async fn settings_that_cannot_work_are_refused_at_the_start() {
    let error = refused(|settings| settings.secret = Some("t0ps3cret\n".into()));
    assert!(matches!(error, SinkError::Secret) && !error.to_string().contains(TOKEN), "{error}");

    let folder = tempfile::tempdir().unwrap();
    let empty = folder.path().join("empty.pem");
    std::fs::write(&empty, "no certificate").unwrap();
    for (path, why) in [(folder.path().join("absent.pem"), "No such file"), (empty, "holds no certificate")] {
        let error = refused(|settings| {
            settings.url = "https://127.0.0.1:1".to_owned();
            settings.ca_file = Some(path.clone());
        });
        let text = error.to_string();
        assert!(text.contains(&path.display().to_string()) && text.contains(why), "{text}");
    }

    let registry = Registry::new();
    let settings = settings("http://127.0.0.1:1");
    let first = InfluxSink::start(&settings, &registry, &Handle::current());
    let second = InfluxSink::start(&settings, &registry, &Handle::current());
    assert!(first.is_ok() && matches!(second, Err(SinkError::Metrics(_))));
}

#[tokio::test]
async fn check_says_what_is_right_and_what_is_wrong() {
    let server = StandIn::start(always_written).await;
    let look = |status: u16| {
        server.behave(move |seen| match seen.path.as_str() {
            "/health" => Reply::status(200).body(r#"{"status":"pass"}"#),
            _ => Reply::status(status).body(r#"{"message":"the reason"}"#),
        });
        let settings = settings(&server.url());
        async move { check(&settings).await.unwrap() }
    };
    let steps = look(204).await;
    assert_eq!(steps.len(), 2);
    assert_eq!(steps[0].outcome.as_deref(), Ok("influxdb answers"));
    assert_eq!(
        steps[1].outcome.as_deref(),
        Ok("influxdb takes points for bucket `drift` of organisation `acme`")
    );
    for (status, why) in [
        (401, "refuses the token"),
        (403, "write permission"),
        (404, "does not know"),
        (400, "refuses the request"),
        (503, "error of its own"),
    ] {
        let steps = look(status).await;
        let sentence = steps[1].outcome.as_ref().unwrap_err();
        for part in [why, "the reason", "`drift`", "`acme`"] {
            assert!(sentence.contains(part), "{status}: {sentence} lacks {part}");
        }
    }
    assert!(server.stored().is_empty(), "it writes nothing");
}

#[tokio::test]
async fn check_stops_where_there_is_no_server() {
    let steps = check(&settings("http://127.0.0.1:1")).await.unwrap();
    assert_eq!(steps.len(), 1);
    let sentence = steps[0].outcome.as_ref().unwrap_err();
    assert!(sentence.contains("can't be reached"), "{sentence}");
}
