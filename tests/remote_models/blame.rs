//! Whether the server or the rows are to blame for an error of the server's own.

use std::{
    fs,
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use driftline::{
    explainer::remote::{Authorization, RemoteModel, RemoteSettings, RemoteStatus},
    model::PredictError,
};
use serde_json::{Value, json};

use crate::{
    Rig, kserve, predict,
    support::stand_in::{Reply, Seen},
};

const GOOD: [f64; 2] = [1.0, 2.0];
const BAD: [f64; 2] = [9.0, 2.0];

fn answer(seen: &Seen) -> Reply {
    let body: Value = serde_json::from_str(&seen.body).unwrap();
    let rows = body["instances"].as_array().unwrap().len();
    crate::json(&json!({"predictions": vec![1; rows]}).to_string())
}

/// A server that answers `reply` to bad rows.
fn poisoned(reply: Reply) -> impl Fn(&Seen) -> Reply + Send + Sync + 'static {
    move |seen| if seen.body.contains("9.0") { reply.clone() } else { answer(seen) }
}

fn connect(rig: &Rig, change: impl FnOnce(&mut RemoteSettings)) -> RemoteModel {
    let mut settings = rig.settings(kserve());
    change(&mut settings);
    rig.connect(&settings).unwrap()
}

fn refused(answer: Result<Vec<f64>, PredictError>) -> String {
    match answer {
        Err(PredictError::Refused(why)) => why,
        other => panic!("{other:?}"),
    }
}

fn is_unavailable(answer: &Result<Vec<f64>, PredictError>) -> bool {
    matches!(answer, Err(PredictError::Unavailable(_)))
}

#[test]
fn rows_that_make_a_server_fail_are_refused() {
    let rig = Rig::new(poisoned(Reply::status(500).body(r#"{"detail":"KeyError: 9"}"#)));
    let model = connect(&rig, |settings| settings.rows_per_request = 1);
    assert_eq!(predict(&model, &GOOD).unwrap(), [1.0]);
    // However many there are in a row, the server is not left alone for it.
    for _ in 0..4 {
        let why = refused(predict(&model, &[BAD, GOOD, BAD].concat()));
        assert_eq!(why, "it has an error of its own (500: KeyError: 9), while it answers other rows");
        assert_eq!(model.status(), RemoteStatus::Answering);
    }
    assert_eq!(predict(&model, &GOOD.repeat(3)).unwrap(), [1.0; 3]);
    assert_eq!((rig.requests("refused"), rig.requests("failed")), (4, 0));
}

#[test]
fn rows_that_take_for_ever_are_refused() {
    let rig = Rig::new(poisoned(Reply::status(200).after(Duration::from_secs(3_600))));
    let model = connect(&rig, |settings| {
        settings.timeout = Duration::from_millis(700);
        settings.attempts = 2;
    });
    assert_eq!(predict(&model, &GOOD).unwrap(), [1.0]);
    let why = refused(predict(&model, &BAD));
    assert!(why.starts_with("it takes too long (") && why.ends_with("while it answers other rows"), "{why}");
    assert_eq!(predict(&model, &GOOD).unwrap(), [1.0]);
}

#[test]
fn the_first_rows_of_all_may_be_the_bad_ones() {
    let rig = Rig::new(poisoned(Reply::status(500)));
    let model = connect(&rig, |_| {});
    // Nothing is known of the server: it may be ill.
    assert!(is_unavailable(&predict(&model, &BAD)));
    refused(predict(&model, &[BAD, GOOD, GOOD, GOOD].concat()));
    assert_eq!(predict(&model, &GOOD.repeat(3)).unwrap(), [1.0; 3]);
}

#[test]
fn a_server_that_fails_at_everything_is_asked_later() {
    let rig = Rig::new(answer);
    let model = connect(&rig, |_| {});
    assert_eq!(predict(&model, &GOOD).unwrap(), [1.0]);
    rig.server.behave(|_| Reply::status(500));
    for failures in 1..5 {
        let before = rig.server.seen().len();
        assert!(is_unavailable(&predict(&model, &BAD)));
        let why = "it has an error of its own (500)".to_owned();
        assert_eq!(model.status(), RemoteStatus::Failing { failures, why });
        // The rows once, and what it has answered before.
        assert_eq!(rig.server.seen().len(), before + 2);
    }
    assert!(is_unavailable(&predict(&model, &BAD)));
    assert!(matches!(model.status(), RemoteStatus::Resting { .. }));

    // Before it ever answered, a few rows are tried and no more.
    let rig = Rig::new(|_| Reply::status(500));
    let model = connect(&rig, |_| {});
    assert!(is_unavailable(&predict(&model, &GOOD.repeat(100))));
    assert_eq!(rig.server.seen().len(), 4);
}

#[test]
fn an_error_that_passes_is_no_fault_of_the_rows() {
    let seen = AtomicUsize::new(0);
    let rig = Rig::new(move |request| {
        // Of bad rows the first two requests.
        let is_hit = request.body.contains("9.0") && seen.fetch_add(1, Ordering::Relaxed) < 2;
        if is_hit { Reply::status(500) } else { answer(request) }
    });
    let model = connect(&rig, |_| {});
    assert_eq!(predict(&model, &GOOD).unwrap(), [1.0]);
    assert_eq!(predict(&model, &BAD).unwrap(), [1.0]);
    // Two that failed, after each the good row, and the third.
    assert_eq!((rig.requests("retried"), rig.requests("ok"), rig.server.seen().len()), (2, 4, 6));
}

/// A server that wants this secret.
fn wanting(secret: &'static str) -> impl Fn(&Seen) -> Reply + Send + Sync + 'static {
    move |seen| match seen.header("authorization") {
        given if given == secret => answer(seen),
        given => Reply::status(401).body(&format!("{given} has expired")),
    }
}

#[test]
fn a_secret_that_was_replaced_is_read_again() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("token");
    let rig = Rig::new(wanting("Bearer first-secret"));
    let settings =
        RemoteSettings { authorization: Some(Authorization::File(file.clone())), ..rig.settings(kserve()) };
    // It may be there later.
    let error = rig.connect(&settings).unwrap_err();
    assert!(matches!(error, driftline::explainer::remote::RemoteError::Unavailable { .. }), "{error}");
    assert!(error.to_string().contains("token can't be read: No such file"), "{error}");
    fs::write(&file, "\n").unwrap();
    assert!(rig.connect(&settings).unwrap_err().to_string().contains("token is empty"));

    fs::write(&file, "Bearer first-secret\n").unwrap();
    let model = rig.connect(&settings).unwrap();
    assert_eq!(predict(&model, &GOOD).unwrap(), [1.0]);
    rig.server.behave(wanting("Bearer second-secret"));
    let before = rig.server.seen().len();
    let error = predict(&model, &GOOD).unwrap_err();
    assert!(is_unavailable(&Err(error.clone())), "{error}");
    assert!(error.to_string().contains("(401: [secret] has expired)"), "{error}");
    assert_eq!(rig.server.seen().len(), before + 1, "the same secret is not sent again");

    fs::write(&file, "Bearer second-secret\n").unwrap();
    assert_eq!(predict(&model, &GOOD).unwrap(), [1.0]);
    assert_eq!(rig.server.seen().len(), before + 3);
    assert_eq!(model.status(), RemoteStatus::Answering);

    // Neither the secret of now is shown nor the one before.
    rig.server.behave(|_| Reply::status(400).body("no Bearer first-secret, no Bearer second-secret"));
    assert_eq!(refused(predict(&model, &GOOD)), "it refuses the rows (400: no [secret], no [secret])");

    // A file that is gone is said to be.
    rig.server.behave(wanting("Bearer third-secret"));
    fs::remove_file(&file).unwrap();
    let error = predict(&model, &GOOD).unwrap_err().to_string();
    assert!(error.contains("(401: [secret] has expired); its authorization_file"), "{error}");
    // One that is wrong, too, is tried once.
    fs::write(&file, "Bearer fourth-secret").unwrap();
    let before = rig.server.seen().len();
    let error = predict(&model, &GOOD).unwrap_err();
    assert!(
        is_unavailable(&Err(error.clone())) && !format!("{error} {model:?}").contains("-secret"),
        "{error}"
    );
    assert_eq!(rig.server.seen().len(), before + 2);
}
