//! The consumer against Kafka 4.1, with kcat as the producer.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc,
        mpsc::{Receiver, RecvTimeoutError},
    },
    time::{Duration, Instant},
};

use driftline::{
    event::{EventTime, PartitionId},
    source::{Commit, KafkaSettings, KafkaSource, Position, ReplayPlan, SourceEvent, StartOffset},
};
use prometheus::Registry;

use crate::support::servers::{Kafka, Kcat, SOON, or_skip};

fn settings(brokers: String, topic: &str) -> KafkaSettings {
    KafkaSettings {
        brokers,
        group: format!("{topic}-group"),
        instance_id: None,
        topics: vec![topic.to_owned()],
        start: StartOffset::Earliest,
        dead_letter_topic: None,
        max_message_bytes: 1 << 20,
        close_timeout: Duration::from_secs(10),
        librdkafka: BTreeMap::from([("session.timeout.ms".to_owned(), "6000".into())]),
    }
}

type Headers = Vec<(String, String)>;

/// A consumer that keeps what the daemon would keep: messages count when they
/// are committed, and a new assignment throws away those that are not.
struct Member {
    source: KafkaSource,
    events: Receiver<SourceEvent>,
    epoch: u64,
    positions: BTreeMap<PartitionId, i64>,
    pending: Vec<String>,
    done: BTreeSet<String>,
    /// The message read last, with key and headers.
    last: Option<(Option<String>, Headers)>,
}

impl Member {
    fn start(settings: &KafkaSettings) -> Self {
        let (source, events) = KafkaSource::start(settings, &Registry::new(), Arc::new(ReplayPlan)).unwrap();
        Self {
            source,
            events,
            epoch: 0,
            positions: BTreeMap::new(),
            pending: Vec::new(),
            done: BTreeSet::new(),
            last: None,
        }
    }

    /// Takes what comes within a moment.
    fn turn(&mut self) {
        match self.events.recv_timeout(Duration::from_millis(50)) {
            Ok(SourceEvent::Assigned { epoch, .. }) => {
                self.epoch = epoch;
                self.positions.clear();
                self.pending.clear();
            }
            Ok(SourceEvent::Batch { epoch, batch }) => {
                assert_eq!(epoch, self.epoch, "a batch of another epoch after its end");
                for message in batch.iter() {
                    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
                    self.positions.insert(message.partition, message.offset + 1);
                    self.pending.push(text(message.value.unwrap()));
                    let headers = message.headers();
                    let headers = headers.map(|header| (text(header.name), text(header.value.unwrap())));
                    self.last = Some((message.key.map(text), headers.collect()));
                }
                self.source.recycle(batch);
            }
            Ok(SourceEvent::CaughtUp { .. }) | Err(RecvTimeoutError::Timeout) => {}
            Ok(SourceEvent::Stopped(reason)) => panic!("stopped: {reason:?}"),
            Err(RecvTimeoutError::Disconnected) => panic!("the thread is gone"),
        }
    }

    /// Takes messages until there are so many that are not committed.
    fn read(&mut self, messages: usize) {
        let start = Instant::now();
        while self.pending.len() < messages {
            self.turn();
            let status = self.source.status();
            assert!(start.elapsed() < SOON, "{} of {messages}: {status:?}", self.pending.len());
        }
    }

    /// As the daemon does when windows were delivered.
    fn commit(&mut self) {
        let position = |(&partition, &next)| Position { partition, next, replay: next };
        let positions = self.positions.iter().map(position).collect();
        let delivered_until = Some(EventTime(0));
        self.source.commit(self.epoch, Commit { positions, delivered_until, checkpoint: None });
        self.done.extend(self.pending.drain(..));
    }

    fn stop(self) -> BTreeSet<String> {
        self.source.stop(SOON).unwrap();
        self.done
    }
}

fn messages(name: &str, count: usize) -> Vec<String> {
    (0..count).map(|number| format!("{name} {number:05}")).collect()
}

#[test]
#[ignore = "needs real servers: run scripts/test"]
fn messages_arrive_with_keys_and_headers_whatever_their_compression() {
    let Some(kafka) = or_skip(Kafka::shared()) else { return };
    let Some(kcat) = or_skip(Kcat::new(&kafka.brokers())) else { return };
    for codec in ["none", "gzip", "snappy", "lz4", "zstd"] {
        let topic = kafka.topic(&format!("source-{codec}"), 1);
        let sent = messages(codec, 500);
        kcat.produce(&topic, &sent, &["-k", "a key", "-H", "kind=label", "-z", codec]);
        let mut member = Member::start(&settings(kafka.brokers(), &topic));
        member.read(sent.len());
        assert_eq!(member.pending, sent, "one partition keeps the order");
        let (key, headers) = member.last.clone().unwrap();
        assert_eq!(key.as_deref(), Some("a key"));
        assert_eq!(headers, [("kind".to_owned(), "label".to_owned())]);
        member.stop();
    }
}

#[test]
#[ignore = "needs real servers: run scripts/test"]
fn sasl_over_tls_works_with_plain_and_scram() {
    let Some(kafka) = or_skip(Kafka::shared()) else { return };
    let Some(kcat) = or_skip(Kcat::new(&kafka.brokers())) else { return };
    for mechanism in ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] {
        let topic = kafka.topic("source-sasl", 1);
        let sent = messages(mechanism, 10);
        kcat.produce(&topic, &sent, &[]);
        let mut member = Member::start(&sasl(kafka, &topic, mechanism, Kafka::PASSWORD));
        member.read(sent.len());
        assert_eq!(member.pending, sent);
        member.stop();
    }
}

#[test]
#[ignore = "needs real servers: run scripts/test"]
fn a_wrong_password_is_told_without_the_password() {
    let Some(kafka) = or_skip(Kafka::shared()) else { return };
    let topic = kafka.topic("source-refused", 1);
    let mut member = Member::start(&sasl(kafka, &topic, "SCRAM-SHA-512", "wrong-battery"));
    let start = Instant::now();
    let error = loop {
        member.turn();
        let error = member.source.status().error.unwrap_or_default();
        if error.to_lowercase().contains("authenticat") {
            break error;
        }
        assert!(start.elapsed() < SOON, "the reason is not told: {error}");
    };
    assert!(!error.contains("wrong-battery"), "{error}");
    assert!(!member.source.status().connected);
}

#[test]
#[ignore = "needs real servers: run scripts/test"]
fn a_certificate_of_an_unknown_authority_is_refused() {
    let Some(kafka) = or_skip(Kafka::shared()) else { return };
    let topic = kafka.topic("source-untrusted", 1);
    let mut settings = sasl(kafka, &topic, "PLAIN", Kafka::PASSWORD);
    // The system's own authorities do not know the server.
    settings.librdkafka.remove("ssl.ca.location");
    let mut member = Member::start(&settings);
    let start = Instant::now();
    while member.source.status().error.is_none() {
        member.turn();
        assert!(start.elapsed() < SOON, "no error told");
    }
    assert!(!member.source.status().connected);
}

fn sasl(kafka: &Kafka, topic: &str, mechanism: &str, password: &str) -> KafkaSettings {
    let mut settings = settings(kafka.sasl_brokers(), topic);
    let authority = kafka.authority().display().to_string();
    for (key, value) in [
        ("security.protocol", "SASL_SSL"),
        ("sasl.mechanism", mechanism),
        ("sasl.username", Kafka::USER),
        ("sasl.password", password),
        ("ssl.ca.location", &authority),
    ] {
        settings.librdkafka.insert(key.to_owned(), value.into());
    }
    settings
}

#[test]
#[ignore = "needs real servers: run scripts/test"]
fn a_broker_that_crashes_loses_nothing() {
    let Some(mut kafka) = or_skip(Kafka::start()) else { return };
    let Some(kcat) = or_skip(Kcat::new(&kafka.brokers())) else { return };
    let topic = kafka.topic("source-restart", 3);
    let before = messages("before", 1_000);
    kcat.produce(&topic, &before, &[]);
    let mut member = Member::start(&settings(kafka.brokers(), &topic));
    member.read(before.len());
    member.commit();
    kafka.kill();
    let start = Instant::now();
    while member.source.status().connected {
        member.turn();
        assert!(start.elapsed() < SOON, "still connected");
    }
    kafka.resume();
    let after = messages("after", 1_000);
    kcat.produce(&topic, &after, &[]);
    // The crash may have been faster than the commit; then the first half comes
    // again.
    let all: BTreeSet<String> = before.into_iter().chain(after).collect();
    let start = Instant::now();
    while !all.iter().all(|message| member.done.contains(message) || member.pending.contains(message)) {
        member.turn();
        assert!(start.elapsed() < SOON, "{:?}", member.source.status());
    }
    member.commit();
    assert_eq!(member.stop(), all);
    let mut late = Member::start(&settings(kafka.brokers(), &topic));
    let start = Instant::now();
    while late.source.status().lag != Some(0) {
        late.turn();
        assert!(start.elapsed() < SOON, "{:?}", late.source.status());
    }
    assert!(late.pending.is_empty(), "committed messages came again: {:?}", late.pending);
}

#[test]
#[ignore = "needs real servers: run scripts/test"]
fn two_members_of_a_group_lose_nothing() {
    let Some(kafka) = or_skip(Kafka::shared()) else { return };
    let Some(kcat) = or_skip(Kcat::new(&kafka.brokers())) else { return };
    for strategy in [None, Some("cooperative-sticky")] {
        let topic = kafka.topic("source-group", 4);
        let mut settings = settings(kafka.brokers(), &topic);
        if let Some(strategy) = strategy {
            settings.librdkafka.insert("partition.assignment.strategy".to_owned(), strategy.into());
        }
        let sent: BTreeSet<String> = messages("m", 3_000).into_iter().collect();
        let part = |part: usize| sent.iter().skip(part * 1_000).take(1_000).collect::<Vec<_>>();
        kcat.produce(&topic, &part(0), &[]);
        let mut first = Member::start(&settings);
        first.read(500);
        first.commit();
        // What the first member has read and not committed comes again.
        let mut second = Member::start(&settings);
        settle(&mut first, &mut second);
        kcat.produce(&topic, &part(1), &[]);
        finish(&mut first, &mut second, 2_000);
        // The second leaves: the first reads, if it did not before.
        let of_second = second.stop();
        kcat.produce(&topic, &part(2), &[]);
        let start = Instant::now();
        while first.done.union(&of_second).count() < 3_000 {
            first.turn();
            first.commit();
            assert!(start.elapsed() < SOON, "{strategy:?}: {:?}", first.source.status());
        }
        let all: BTreeSet<String> = first.stop().union(&of_second).cloned().collect();
        assert_eq!(all, sent, "{strategy:?}");
    }
}

/// Turns both until one reads and the other stands by.
fn settle(first: &mut Member, second: &mut Member) {
    let start = Instant::now();
    loop {
        let [one, other] = [first.source.status(), second.source.status()];
        if (one.assigned == 4 && other.standby) || (other.assigned == 4 && one.standby) {
            return;
        }
        first.turn();
        second.turn();
        assert!(start.elapsed() < SOON, "{one:?} {other:?}");
    }
}

/// Turns both, committing now and then, until so many messages are done.
fn finish(first: &mut Member, second: &mut Member, messages: usize) {
    let start = Instant::now();
    while first.done.union(&second.done).count() < messages {
        first.turn();
        second.turn();
        first.commit();
        second.commit();
        assert!(start.elapsed() < SOON, "{} of {messages}", first.done.union(&second.done).count());
    }
}
