//! Nobody gets to see a secret, whatever the server repeats.

use std::{path::PathBuf, sync::mpsc, thread};

use driftline::explainer::remote::{Authorization, Protocol, RemoteMetrics, RemoteModel, RemoteSettings};
use prometheus::{Registry, TextEncoder};

use crate::{
    Rig, kserve, predict, settings,
    support::{
        log,
        stand_in::{Reply, StandIn},
    },
};

const TOKEN: &str = "t0ps3cret";
const KEY: &str = "k3y-of-the-address";

#[test]
fn no_secret_is_logged_or_shown() {
    // One thread with the whole runtime, so that its lines can be read.
    let (sender, receiver) = mpsc::channel();
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let thread = thread::spawn(move || {
        log::keep();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let server = StandIn::start(|_| Reply::status(200)).await;
            sender.send((server, tokio::runtime::Handle::current())).unwrap();
            let _ = stopped.await;
        });
        log::of_this_thread()
    });
    let (server, handle) = receiver.recv().unwrap();
    let registry = Registry::new();
    let metrics = RemoteMetrics::new(&registry).unwrap();
    let settings = RemoteSettings {
        url: format!("{}/score?key={KEY}", server.url()).into(),
        authorization: Some(Authorization::Secret(format!("Bearer {TOKEN}").into())),
        ..settings("", Protocol::Template { request: "\"$rows\"".to_owned(), predictions: String::new() })
    };
    let model = RemoteModel::connect(&settings, &metrics, &handle).unwrap();
    let mut shown = format!("{settings:?} {model:?}");
    for status in [200, 302, 400, 401, 404, 429, 500, 503] {
        server.behave(move |seen| {
            let authorization = seen.header("authorization").to_owned();
            Reply::status(status)
                .body(&format!("{authorization} may not ask {}?{}", seen.path, seen.query))
                .header("location", &format!("/?{}", seen.query))
        });
        let error = predict(&model, &[1.0, 2.0]).unwrap_err();
        shown = format!("{shown} {error} {error:?} {:?}", model.status());
    }
    let seen = server.seen();
    assert!(seen.iter().all(|seen| seen.header("authorization") == format!("Bearer {TOKEN}")));
    assert!(seen.iter().all(|seen| seen.query == format!("key={KEY}")));
    shown.push_str(&TextEncoder::new().encode_to_string(&registry.gather()).unwrap());
    stop.send(()).unwrap();
    let lines = thread.join().unwrap();
    assert!(lines.contains("a model's server is asked again"), "{lines}");
    assert!(shown.contains("[secret] may not ask /score?[secret]"), "{shown}");
    // The stand-in logs nothing itself; what hyper logs of it is not the daemon's.
    for secret in [TOKEN, KEY] {
        assert!(!shown.contains(secret), "{shown}");
        assert!(!lines.contains(secret), "{lines}");
    }
}

#[test]
fn settings_are_refused_without_their_secrets() {
    let rig = Rig::answering("");
    let base = rig.settings(kserve());
    for (settings, why) in [
        (
            RemoteSettings {
                authorization: Some(Authorization::Secret(format!("{TOKEN}\n").into())),
                ..base.clone()
            },
            "an HTTP header can't carry",
        ),
        (
            RemoteSettings { url: format!("http://me:{TOKEN}@host").into(), ..base.clone() },
            "a user or password",
        ),
        (
            RemoteSettings { url: format!("http://host/?key={TOKEN}").into(), ..base.clone() },
            "without ? or #",
        ),
        (RemoteSettings { url: format!("http://host:{TOKEN}/").into(), ..base.clone() }, "invalid port"),
        (
            RemoteSettings {
                url: "https://host".into(),
                ca_file: Some(PathBuf::from("/nowhere/ca.pem")),
                ..base
            },
            "its ca_file /nowhere/ca.pem: No such file",
        ),
    ] {
        let error = rig.connect(&settings).unwrap_err().to_string();
        assert!(error.contains(why) && !error.contains(TOKEN), "{error}");
    }
}
