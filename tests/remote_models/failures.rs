//! Servers that are away, busy, ill or slow, and how they are left alone.

use std::{
    io::{Read as _, Write as _},
    net::{TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use driftline::{
    explainer::remote::{RemoteModel, RemoteSettings, RemoteStatus},
    model::PredictError,
};

use crate::{
    Rig, json, kserve, predict, runtime, settings,
    support::{
        servers::{SOON, eventually},
        stand_in::{Reply, Seen},
    },
};

const ONE: &str = r#"{"predictions":[1]}"#;
const ROW: [f64; 2] = [1.0, 2.0];

/// Answers the first requests with these, and the others rightly.
fn first(replies: Vec<Reply>) -> impl Fn(&Seen) -> Reply + Send + Sync + 'static {
    let seen = AtomicUsize::new(0);
    move |_| replies.get(seen.fetch_add(1, Ordering::Relaxed)).cloned().unwrap_or_else(|| json(ONE))
}

fn model(rig: &Rig, change: impl FnOnce(&mut RemoteSettings)) -> RemoteModel {
    let mut settings = rig.settings(kserve());
    change(&mut settings);
    rig.connect(&settings).unwrap()
}

fn unavailable(answer: Result<Vec<f64>, PredictError>) -> String {
    match answer {
        Err(PredictError::Unavailable(why)) => why,
        other => panic!("{other:?}"),
    }
}

fn refused(answer: Result<Vec<f64>, PredictError>) -> String {
    match answer {
        Err(PredictError::Refused(why)) => why,
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_may_pass_is_asked_again() {
    for status in [408, 425, 429, 502, 503, 504] {
        let rig = Rig::new(first(vec![Reply::status(status); 2]));
        assert_eq!(predict(&model(&rig, |_| {}), &ROW).unwrap(), [1.0]);
        assert_eq!((rig.requests("retried"), rig.requests("ok"), rig.server.seen().len()), (2, 1, 3));
    }
    let rig = Rig::new(|_| Reply::status(503).body(r#"{"message":"warming\n up"}"#));
    let model = model(&rig, |_| {});
    let why = unavailable(predict(&model, &ROW));
    assert_eq!(why, "it is away or starting (503: warming up)");
    assert_eq!((rig.requests("retried"), rig.requests("failed"), rig.server.seen().len()), (2, 1, 3));
    assert_eq!(model.status(), RemoteStatus::Failing { failures: 3, why });
}

#[test]
fn what_would_fail_again_is_not() {
    for (status, body, why) in [
        (400, r#"{"error_code":"BAD_REQUEST","message":"schema"}"#, "it refuses the rows (400: schema)"),
        (415, "", "it refuses the rows (415)"),
        (422, r#"{"detail":[{"loc":["body"]}]}"#, r#"it refuses the rows (422: [{"loc":["body"]}])"#),
        (413, "", "it takes no requests of this size; set rows_per_request to fewer (413)"),
    ] {
        let rig = Rig::new(move |_| Reply::status(status).body(body));
        let model = model(&rig, |_| {});
        assert_eq!(refused(predict(&model, &ROW)), why);
        assert_eq!((rig.requests("refused"), rig.server.seen().len()), (1, 1));
        assert_eq!(model.status(), RemoteStatus::Answering);
    }
    let seldon = r#"{"status":{"code":-1,"info":"X has 3 features","reason":"E","status":1}}"#;
    let rig = Rig::new(move |_| Reply::status(500).body(seldon));
    let why = unavailable(predict(&model(&rig, |_| {}), &ROW));
    assert_eq!(why, "it has an error of its own (500: X has 3 features)");
    assert_eq!((rig.requests("failed"), rig.server.seen().len()), (1, 1));
}

#[test]
fn what_is_wrong_with_the_server_is_no_fault_of_the_rows() {
    let nowhere = "there is no such model at its address; check url, protocol and name";
    for (status, body, why) in [
        (401, "", "it refuses the secret; check authorization, and what it is allowed to (401)".to_owned()),
        (403, "", "it refuses the secret; check authorization, and what it is allowed to (403)".to_owned()),
        (404, r#"{"error":"no"}"#, format!("{nowhere} (404: no)")),
        (405, "", format!("{nowhere} (405)")),
        (410, "", format!("{nowhere} (410)")),
        (407, "", "it does not take requests; check url and protocol (407)".to_owned()),
        (
            302,
            "",
            "its address leads to a redirect; set url to the address that it leads to (302)".to_owned(),
        ),
    ] {
        let rig = Rig::new(move |_| Reply::status(status).body(body));
        let model = model(&rig, |settings| settings.failures_to_rest = 2);
        assert_eq!(unavailable(predict(&model, &ROW)), why);
        assert_eq!((rig.requests("failed"), rig.server.seen().len()), (1, 1));
        // It is asked again, but not for ever without a pause.
        assert_eq!(unavailable(predict(&model, &ROW)), why);
        assert_eq!(model.status(), RemoteStatus::Resting { why });
    }
}

#[test]
fn a_rollout_ends() {
    let rig = Rig::new(first([404, 503, 401, 307].map(Reply::status).to_vec()));
    let model = model(&rig, |settings| settings.attempts = 1);
    (0..4).for_each(|_| drop(unavailable(predict(&model, &ROW))));
    assert_eq!(predict(&model, &ROW).unwrap(), [1.0]);
    assert_eq!(model.status(), RemoteStatus::Answering);
}

#[test]
fn a_redirect_is_not_followed() {
    let elsewhere = Rig::answering(ONE);
    let to = elsewhere.server.url();
    let rig = Rig::new(move |_| Reply::status(307).header("location", &to));
    let why = unavailable(predict(&model(&rig, |_| {}), &ROW));
    assert!(why.contains("leads to a redirect; set url to the address that it leads to (307)"), "{why}");
    assert!(elsewhere.server.seen().is_empty());
}

#[test]
fn retry_after_is_kept() {
    let rig = Rig::new(first(vec![Reply::status(429).header("retry-after", "1")]));
    assert_eq!(predict(&model(&rig, |_| {}), &ROW).unwrap(), [1.0]);
    let seen = rig.server.seen();
    assert!(seen[1].at - seen[0].at >= Duration::from_secs(1));
}

#[test]
fn a_server_that_wants_a_long_rest_gets_it() {
    let rig = Rig::new(first(vec![Reply::status(503).header("retry-after", "3600")]));
    let model = model(&rig, |_| {});
    let why = unavailable(predict(&model, &ROW));
    assert_eq!(model.status(), RemoteStatus::Resting { why: why.clone() });
    let later = unavailable(predict(&model, &ROW));
    assert_eq!(later, format!("it is left alone for a while, since {why}"));
    assert_eq!((rig.server.seen().len(), rig.requests("not_sent")), (1, 1));
}

#[test]
fn failures_in_a_row_are_followed_by_a_rest_and_a_probe() {
    let state = |rig: &Rig| rig.metric("driftline_model_breaker_state{model=\"credit\"} ");
    let rig = Rig::new(|_| Reply::status(500));
    let model = model(&rig, |settings| {
        settings.failures_to_rest = 3;
        settings.rest = Duration::from_secs(1);
        settings.rows_per_request = 1;
    });
    for _ in 0..3 {
        unavailable(predict(&model, &ROW));
    }
    let opened = Instant::now();
    assert_eq!(state(&rig), 2);
    assert!(matches!(model.status(), RemoteStatus::Resting { .. }));
    assert!(unavailable(predict(&model, &ROW)).starts_with("it is left alone for a while, since"));
    assert_eq!(rig.server.seen().len(), 3);

    // The probe fails, and it rests again.
    eventually("a probe", SOON, || {
        unavailable(predict(&model, &ROW));
        (rig.server.seen().len() == 4).then_some(())
    });
    assert!(opened.elapsed() >= Duration::from_millis(900));
    assert!(unavailable(predict(&model, &ROW)).starts_with("it is left alone"));

    // It is back: one request shows it, and all rows of the same call are answered.
    rig.server.behave(|_| json(ONE));
    let many = ROW.repeat(8);
    let predictions = eventually("its recovery", SOON, || predict(&model, &many).ok());
    assert_eq!(predictions, [1.0; 8]);
    assert_eq!((state(&rig), model.status()), (0, RemoteStatus::Answering));
    // The first is asked about alone, since the server has never answered before.
    assert_eq!(rig.server.seen().len(), 4 + 1 + 8);
}

#[test]
fn a_server_that_hangs_is_given_up() {
    let rig = Rig::new(|_| json(ONE).after(Duration::from_secs(3_600)));
    let model = model(&rig, |settings| settings.timeout = Duration::from_millis(100));
    let why = unavailable(predict(&model, &ROW));
    assert!(why.starts_with("it takes too long ("), "{why}");
    assert_eq!((rig.requests("failed"), rig.server.seen().len()), (1, 1));
    assert!(matches!(model.status(), RemoteStatus::Failing { failures: 1, .. }));
}

/// Serves each connection as `serve` wants, which is given its number from 0.
fn raw(serve: impl Fn(usize, &mut TcpStream) + Send + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    thread::spawn(move || {
        for (number, stream) in listener.incoming().enumerate() {
            let mut stream = stream.unwrap();
            // A request of one row arrives as a whole.
            let _ = stream.read(&mut [0; 16 * 1024]);
            serve(number, &mut stream);
        }
    });
    url
}

#[test]
fn a_connection_that_is_cut_is_tried_again() {
    let url = raw(|number, stream| {
        let whole =
            format!("HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{ONE}", ONE.len());
        // Nothing, a part of the head, a part of the body, everything.
        let end = [0, 20, whole.len() - 3].get(number).copied().unwrap_or(whole.len());
        let _ = stream.write_all(&whole.as_bytes()[..end]);
    });
    let rig = Rig::answering("");
    let of = |attempts| rig.connect(&RemoteSettings { attempts, ..settings(&url, kserve()) }).unwrap();
    let why = unavailable(predict(&of(3), &ROW));
    assert!(why.starts_with("its connection broke ("), "{why}");
    assert_eq!(predict(&of(1), &ROW).unwrap(), [1.0]);
}

#[test]
fn an_answer_without_end_is_left() {
    let url = raw(|_, stream| {
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n");
        let chunk = format!("1000\r\n{}\r\n", " ".repeat(0x1000));
        while stream.write_all(chunk.as_bytes()).is_ok() {}
    });
    let rig = Rig::answering("");
    let model = rig.connect(&settings(&url, kserve())).unwrap();
    let why = refused(predict(&model, &ROW));
    assert!(why.starts_with("its answer is longer than 4194304 bytes"), "{why}");
}

#[test]
fn a_server_that_is_not_there_is_said_to_be() {
    let url = {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        format!("http://{}", listener.local_addr().unwrap())
    };
    let rig = Rig::answering("");
    let model = rig.connect(&settings(&url, kserve())).unwrap();
    let why = unavailable(predict(&model, &ROW));
    assert!(why.starts_with("it can't be reached (") && why.contains("refused"), "{why}");
    assert_eq!((rig.requests("retried"), rig.requests("failed")), (2, 1));
}

#[test]
fn a_daemon_that_stops_gives_up_its_requests() {
    let rig = Rig::new(|_| json(ONE).after(Duration::from_secs(3_600)));
    let own = runtime();
    let model = RemoteModel::connect(&rig.settings(kserve()), &rig.metrics, own.handle()).unwrap();
    let asking = thread::spawn(move || predict(&model, &ROW));
    eventually("the request", SOON, || (!rig.server.seen().is_empty()).then_some(()));
    own.shutdown_background();
    assert_eq!(unavailable(asking.join().unwrap()), "the daemon is stopping");
}

#[test]
fn no_more_requests_are_under_way_than_allowed_and_as_many_as_that() {
    const DELAY: Duration = Duration::from_millis(50);
    let rig = Rig::new(|_| json(ONE).after(DELAY));
    let model = Arc::new(model(&rig, |settings| {
        settings.concurrency = 2;
        settings.rows_per_request = 1;
    }));
    predict(&model, &ROW).unwrap();
    // The limit is the model's, however many ask it.
    let asking: Vec<_> = (0..3)
        .map(|_| {
            let model = Arc::clone(&model);
            thread::spawn(move || predict(&model, &ROW.repeat(5)))
        })
        .collect();
    for thread in asking {
        assert_eq!(thread.join().unwrap().unwrap(), [1.0; 5]);
    }
    let seen = rig.server.seen().split_off(1);
    assert_eq!(seen.len(), 15);
    for (earlier, later) in seen.iter().zip(&seen[2..]) {
        assert!(later.at - earlier.at >= DELAY.mul_f64(0.9));
    }

    let own = runtime();
    let settings = RemoteSettings { rows_per_request: 1, ..rig.settings(kserve()) };
    let model = RemoteModel::connect(&settings, &rig.metrics, own.handle()).unwrap();
    predict(&model, &ROW).unwrap();
    rig.server.behave(|_| json(ONE).after(Duration::from_secs(3_600)));
    let before = rig.server.seen().len();
    let asking = thread::spawn(move || predict(&model, &ROW.repeat(5)));
    eventually("two at a time", SOON, || (rig.server.seen().len() == before + 2).then_some(()));
    own.shutdown_background();
    unavailable(asking.join().unwrap());
}

#[test]
fn one_bad_batch_fails_the_whole_call() {
    let rig = Rig::new(|seen| if seen.body.contains("9.0") { json("{}") } else { json(ONE) });
    let model = model(&rig, |settings| settings.rows_per_request = 1);
    let rows = [1.0, 1.0, 2.0, 2.0, 9.0, 9.0, 3.0, 3.0];
    assert!(refused(predict(&model, &rows)).contains("nothing at /predictions"));
    assert_eq!(predict(&model, &rows[..4]).unwrap(), [1.0, 1.0]);
}
