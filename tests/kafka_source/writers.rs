//! Dead letters, the producer and the connection check.

use std::{
    process::Command,
    time::{Duration, Instant},
};

use driftline::{
    event::{MessageBatch, PartitionId, Reject, RejectReason},
    sink::DeadLetters,
    source::{KafkaSettings, Producer, PublishError, connect_check},
};
use prometheus::Registry;
use rdkafka::types::{RDKafkaApiKey, RDKafkaRespErr};

use crate::support::{
    mock_kafka::{Mock, PATIENCE, Reading, metric},
    servers::{or_skip, program},
};

fn eventually(what: &str, done: impl Fn() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !done() {
        assert!(Instant::now() < deadline, "{what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// A message that could not be used.
fn refused(payload: &[u8]) -> (MessageBatch, Reject) {
    let mut batch = MessageBatch::default();
    batch.push(PartitionId(0), 41, Some(b"key\xff"), Some(payload));
    batch.push_header(b"trace", Some(b"\x00\x01"));
    batch.push_header(b"none", None);
    (batch, Reject::new(RejectReason::NotJson, "expected a value at byte 1"))
}

fn send(letters: &DeadLetters, payload: &[u8]) -> u64 {
    let (batch, reject) = refused(payload);
    letters.send(&batch.get(0).unwrap(), "events", 3, &reject).expect("room")
}

/// Everything on a topic, as pairs of payload and headers.
fn all_of(mock: &Mock, topic: &str, count: usize) -> Vec<crate::support::mock_kafka::Seen> {
    let mut settings = mock.settings(&[topic]);
    "reader".clone_into(&mut settings.group);
    let mut reading = Reading::start(&settings);
    reading.until("the letters", |reading| reading.seen.len() >= count);
    let seen = std::mem::take(&mut reading.seen);
    reading.close();
    seen
}

#[test]
fn a_dead_letter_keeps_the_message_and_says_why() {
    let mock = Mock::start(&[("dead", 1)]);
    let mut settings = mock.settings(&["events"]);
    settings.dead_letter_topic = Some("dead".to_owned());
    let registry = Registry::new();
    let letters = DeadLetters::start(&settings, &registry).unwrap();
    assert_eq!((send(&letters, b"{oops"), send(&letters, b"")), (1, 2));
    eventually("both acknowledged", || letters.acknowledged() == 2);
    assert_eq!(letters.stop(PATIENCE), 0);
    let seen = all_of(&mock, "dead", 2);
    assert_eq!((seen[0].value.as_str(), seen[1].value.as_str()), ("{oops", ""));
    assert_eq!(seen[0].key.as_deref(), Some(&b"key\xff"[..]));
    let headers = [
        ("trace", &b"\x00\x01"[..]),
        ("none", b""),
        ("driftline-reason", b"not_json"),
        ("driftline-detail", b"expected a value at byte 1"),
        ("driftline-topic", b"events"),
        ("driftline-partition", b"3"),
        ("driftline-offset", b"41"),
    ];
    assert_eq!(seen[0].headers, headers.map(|(name, value)| (name.to_owned(), value.to_vec())));
    assert!((metric(&registry, "driftline_dead_letters_total", "delivered") - 2.0).abs() < 0.5);
    assert!(metric(&registry, "driftline_dead_letters_waiting", "").abs() < 0.5);
}

#[test]
fn letters_wait_for_the_broker_and_a_full_queue_says_so() {
    let mock = Mock::start(&[("dead", 1)]);
    mock.cluster.broker_down(-1).unwrap();
    let mut settings = mock.settings(&["events"]);
    settings.dead_letter_topic = Some("dead".to_owned());
    let letters = DeadLetters::start(&settings, &Registry::new()).unwrap();
    let large = vec![b'x'; 1 << 20];
    let (batch, reject) = refused(&large);
    let mut taken = 0;
    while letters.send(&batch.get(0).unwrap(), "events", 3, &reject).is_ok() {
        taken += 1;
        assert!(taken < 10_000, "the queue has a bound");
    }
    eventually("the trouble is told", || letters.trouble().is_some());
    assert_eq!(letters.acknowledged(), 0, "no broker has them");
    mock.cluster.broker_up(-1).unwrap();
    eventually("all acknowledged", || letters.acknowledged() == taken);
    assert_eq!(send(&letters, b"small"), taken + 1, "there is room again");
    assert_eq!(letters.stop(PATIENCE), 0);
}

#[test]
fn stopping_without_a_broker_tells_what_is_left() {
    let mock = Mock::start(&[("dead", 1)]);
    mock.cluster.broker_down(-1).unwrap();
    let mut settings = mock.settings(&["events"]);
    settings.dead_letter_topic = Some("dead".to_owned());
    let letters = DeadLetters::start(&settings, &Registry::new()).unwrap();
    for _ in 0..3 {
        send(&letters, b"x");
    }
    let begun = Instant::now();
    assert_eq!(letters.stop(Duration::from_millis(500)), 3);
    assert!(begun.elapsed() < Duration::from_secs(20));
}

#[test]
fn too_large_a_letter_is_cut_off_then_given_up_and_holds_nothing_back() {
    let mock = Mock::start(&[("dead", 1)]);
    let mut settings = mock.settings(&["events"]);
    settings.dead_letter_topic = Some("dead".to_owned());
    let registry = Registry::new();
    let letters = DeadLetters::start(&settings, &registry).unwrap();
    let too_large = RDKafkaRespErr::RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE;
    mock.cluster.request_errors(RDKafkaApiKey::Produce, &[too_large]);
    send(&letters, &vec![b'x'; 200_000]);
    eventually("cut off", || letters.acknowledged() == 1);
    mock.cluster.request_errors(RDKafkaApiKey::Produce, &[too_large, too_large]);
    send(&letters, b"y");
    eventually("given up", || letters.acknowledged() == 2);
    send(&letters, b"z");
    eventually("the next", || letters.acknowledged() == 3);
    letters.stop(PATIENCE);
    for (outcome, count) in [("truncated", 1.0), ("lost", 1.0), ("delivered", 1.0)] {
        let found = metric(&registry, "driftline_dead_letters_total", outcome);
        assert!((found - count).abs() < 0.5, "{outcome}: {found}");
    }
    let seen = all_of(&mock, "dead", 2);
    assert_eq!(seen[0].value.len(), 48 << 10);
    assert!(seen[0].headers.contains(&("driftline-truncated".to_owned(), b"200000".to_vec())));
    assert_eq!(seen[1].value, "z");
}

#[test]
fn a_refusal_that_may_pass_is_tried_again() {
    let mock = Mock::start(&[("dead", 1)]);
    let mut settings = mock.settings(&["events"]);
    settings.dead_letter_topic = Some("dead".to_owned());
    let registry = Registry::new();
    let letters = DeadLetters::start(&settings, &registry).unwrap();
    let denied = RDKafkaRespErr::RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED;
    mock.cluster.request_errors(RDKafkaApiKey::Produce, &[denied]);
    send(&letters, b"x");
    eventually("tried again", || letters.acknowledged() == 1);
    assert!(metric(&registry, "driftline_dead_letters_total", "retried") >= 1.0);
    assert_eq!(letters.trouble(), None);
    letters.stop(PATIENCE);
}

#[test]
fn without_a_topic_refused_messages_are_counted_and_done_with() {
    let mock = Mock::start(&[]);
    let registry = Registry::new();
    let letters = DeadLetters::start(&mock.settings(&["events"]), &registry).unwrap();
    for number in 1..=5 {
        assert_eq!(send(&letters, b"x"), number);
        assert_eq!(letters.acknowledged(), number);
    }
    assert!((metric(&registry, "driftline_dead_letters_total", "logged") - 5.0).abs() < 0.5);
    assert_eq!(letters.stop(Duration::ZERO), 0);
}

#[test]
fn published_messages_are_confirmed_and_keep_their_key_together() {
    let mock = Mock::start(&[("t", 4)]);
    let producer = Producer::start(&mock.settings(&["t"]), "t").unwrap();
    for number in 0..1000 {
        let key = format!("key-{}", number % 7);
        producer.send(key.as_bytes(), number.to_string().as_bytes()).unwrap();
    }
    assert_eq!(producer.finish(PATIENCE).unwrap(), 1000);
    let seen = all_of(&mock, "t", 1000);
    for key in 0..7 {
        let key = format!("key-{key}").into_bytes();
        let of_key: Vec<_> = seen.iter().filter(|seen| seen.key.as_ref() == Some(&key)).collect();
        assert!(of_key.iter().all(|seen| seen.partition == of_key[0].partition));
        let values: Vec<u32> = of_key.iter().map(|seen| seen.value.parse().unwrap()).collect();
        assert!(values.is_sorted(), "in order within a key");
    }
}

#[test]
fn publishing_to_nobody_says_so_within_its_time() {
    let mock = Mock::start(&[]);
    let mut settings = mock.settings(&["t"]);
    "127.0.0.1:1".clone_into(&mut settings.brokers);
    let producer = Producer::start(&settings, "t").unwrap();
    producer.send(b"k", b"v").unwrap();
    let error = producer.finish(Duration::from_secs(1)).unwrap_err();
    assert!(matches!(error, PublishError::Undelivered { failed: 1, sent: 1, .. }), "{error}");
    assert!(error.to_string().contains("127.0.0.1:1"), "{error}");
}

#[test]
fn a_good_configuration_passes_the_check() {
    let mock = Mock::start(&[("t", 2), ("empty", 1), ("dead", 1)]);
    mock.write_numbers("t", 1, 0..3);
    let mut settings = mock.settings(&["t", "empty"]);
    settings.dead_letter_topic = Some("dead".to_owned());
    let lines = connect_check(&settings, Duration::from_secs(10));
    assert!(lines.iter().all(|line| line.ok), "{lines:#?}");
    let text = lines.iter().map(|line| line.text.as_str()).collect::<Vec<_>>().join("\n");
    for part in [
        "connected to 1 brokers",
        "topic \"t\": 2 partitions",
        "topic \"t\" can be read",
        "topic \"empty\" is empty",
        "committed offsets for 0 of 3 partitions",
        "topic \"dead\": 1 partitions",
    ] {
        assert!(text.contains(part), "{part} is not in\n{text}");
    }
}

#[test]
fn what_is_wrong_is_said_with_a_hint() {
    let mock = Mock::start(&[("secret", 1), ("t", 1)]);
    mock.cluster.topic_error("secret", RDKafkaRespErr::RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED).unwrap();
    mock.cluster.topic_error("missing", RDKafkaRespErr::RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART).unwrap();
    let mut settings = mock.settings(&["secret", "missing", "t"]);
    let bad = |settings: &KafkaSettings| {
        let lines = connect_check(settings, Duration::from_secs(5));
        let bad = lines.into_iter().filter(|line| !line.ok).map(|line| line.text);
        bad.collect::<Vec<_>>()
    };
    let lines = bad(&settings);
    assert_eq!(lines.len(), 2, "{lines:#?}");
    assert!(lines[0].contains("\"secret\"") && lines[0].contains("permission"), "{lines:#?}");
    assert!(lines[1].contains("\"missing\" does not exist"), "{lines:#?}");
    "127.0.0.1:1".clone_into(&mut settings.brokers);
    let lines = bad(&settings);
    assert_eq!(lines.len(), 1, "{lines:#?}");
    assert!(lines[0].contains("127.0.0.1:1") && lines[0].contains("refused"), "{lines:#?}");
    settings.librdkafka.insert("no.such.setting".to_owned(), "hunter22".to_owned().into());
    let lines = bad(&settings);
    assert!(lines[0].contains("no.such.setting") && !lines[0].contains("hunter22"), "{lines:#?}");
}

#[test]
fn a_header_whose_name_is_not_utf_8_is_left_out_and_counted() {
    use std::{ffi::OsString, os::unix::ffi::OsStringExt as _};

    if or_skip(program("kcat", "kcat")).is_none() {
        return;
    }
    let mock = Mock::start(&[("t", 1)]);
    let written = Command::new("sh")
        .args(["-c", r#"printf one | kcat -P -b "$0" -t t -p 0 -H good=1 -H "$1" -H also=2"#, &mock.brokers])
        .arg(OsString::from_vec(b"bad\xff=3".to_vec()))
        .status()
        .unwrap();
    assert!(written.success());
    mock.write_numbers("t", 0, 0..2);
    let mut reading = Reading::start(&mock.settings(&["t"]));
    reading.until("all messages", |reading| reading.seen.len() == 3);
    let headers = ["good", "also"].into_iter().zip([b"1".to_vec(), b"2".to_vec()]);
    assert_eq!(
        reading.seen[0].headers,
        headers.map(|(name, value)| (name.to_owned(), value)).collect::<Vec<_>>()
    );
    assert!((reading.metric("driftline_source_unreadable_headers_total", "") - 1.0).abs() < 0.5);
    reading.close();
}
