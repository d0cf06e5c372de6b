//! A producer that goes on writing while servers and daemons come and go.
//!
//! The events are a function of their numbers and of the time at which writing
//! began. Most come as two messages, a prediction and the features of its id,
//! apart from each other; times are out of order, some late within the grace;
//! some predictions never get their features; some messages are no events.

use std::{
    collections::VecDeque,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use rdkafka::{
    ClientConfig,
    error::{KafkaError, RDKafkaErrorCode},
    producer::{BaseProducer, BaseRecord, Producer as _},
};

use crate::{
    simulated::Random,
    support::servers::{Kafka, SOON},
};

/// Event time between two events, and the pause between writing them.
const STEP_MS: i64 = 4;
/// Partitions of the topic.
const PARTITIONS: i64 = 3;
/// Events of earlier days: no event may be too far ahead.
const PAST_MS: i64 = 60_000;

/// What was written.
#[derive(Debug, Default)]
pub struct Sent {
    /// The events' messages, in order, without those that only close windows.
    pub lines: Vec<String>,
    /// Rows that they make.
    pub rows: u64,
    /// Messages that are no events.
    pub unusable: u64,
    /// All messages.
    pub messages: u64,
}

/// A producer at work.
#[derive(Debug)]
pub struct Load {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Sent>,
}

impl Load {
    /// Begins to write.
    pub fn start(kafka: &Kafka, topic: &str, seed: u64) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let mut writer = Writer::new(kafka, topic, seed);
        let stopped = Arc::clone(&stop);
        let thread = thread::spawn(move || {
            let start = Instant::now();
            let mut number = 0;
            while !stopped.load(Ordering::Relaxed) {
                let due = i64::try_from(start.elapsed().as_millis()).unwrap() / STEP_MS;
                while number < due {
                    writer.event(number);
                    number += 1;
                }
                thread::sleep(Duration::from_millis(20));
            }
            writer.finish(number)
        });
        Self { stop, thread }
    }

    /// Ends with events that close all windows, and says what was written.
    pub fn finish(self) -> Sent {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().unwrap()
    }
}

struct Writer {
    producer: BaseProducer,
    topic: String,
    random: Random,
    start_ms: i64,
    /// Second halves of rows: the event after which they are sent, then where.
    halves: VecDeque<(i64, i64, String)>,
    sent: Sent,
}

impl Writer {
    fn new(kafka: &Kafka, topic: &str, seed: u64) -> Self {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", kafka.brokers()).set("enable.idempotence", "true");
        config.set("linger.ms", "5").set("reconnect.backoff.max.ms", "500").set("log_level", "0");
        let start_ms = jiff::Timestamp::now().as_second() * 1_000 - PAST_MS;
        Self {
            producer: config.create().unwrap(),
            topic: topic.to_owned(),
            random: Random(seed),
            start_ms,
            halves: VecDeque::new(),
            sent: Sent::default(),
        }
    }

    fn event(&mut self, number: i64) {
        while self.halves.front().is_some_and(|(due, ..)| *due <= number) {
            let (_, partition, message) = self.halves.pop_front().unwrap();
            self.send_event(partition, message);
        }
        if number % 400 == 399 {
            self.sent.unusable += 1;
            self.send(number % PARTITIONS, &format!("no event {number}"));
        }
        let late = match self.random.below(60) {
            0 => 1_000 + i64::from(self.random.below(3_000)),
            _ => i64::from(self.random.below(250)),
        };
        let time = self.start_ms + number * STEP_MS - late;
        let version = if number % 5 == 0 { "v2" } else { "v1" };
        let base = format!(r#""id":"e{number}","time":{time},"model":"credit","version":"{version}""#);
        let score = self.random.unit();
        let class = if score < 0.5 { "accept" } else { "refuse" };
        let prediction = format!(r#""prediction":{score},"prediction_class":"{class}""#);
        let features = self.features();
        let partition = number % PARTITIONS;
        self.sent.rows += 1;
        let apart = (
            format!(r#"{{"kind":"prediction",{base},{prediction}}}"#),
            format!(r#"{{"kind":"feature",{base},"features":{features}}}"#),
        );
        // What is late comes whole: a half would find that time has run out.
        match self.random.below(40) {
            _ if late >= 1_000 => self.whole(partition, &base, &prediction, &features),
            0 => self.send_event(partition, apart.0),
            1..10 => self.whole(partition, &base, &prediction, &features),
            10..25 => self.halves(number, apart.0, apart.1),
            _ => self.halves(number, apart.1, apart.0),
        }
    }

    fn features(&mut self) -> String {
        let age = 18 + self.random.below(60);
        let amount = match self.random.below(20) {
            0 => "null".to_owned(),
            1..4 => "0".to_owned(),
            _ => ((self.random.unit() + self.random.unit()) * 700.0).to_string(),
        };
        let channel = ["branch", "online", "fax"][self.random.below(3) as usize];
        format!(r#"{{"age":{age},"amount":{amount},"channel":"{channel}"}}"#)
    }

    fn whole(&mut self, partition: i64, base: &str, prediction: &str, features: &str) {
        let message = format!(r#"{{"kind":"prediction",{base},"features":{features},{prediction}}}"#);
        self.send_event(partition, message);
    }

    fn halves(&mut self, number: i64, now: String, later: String) {
        let partition = number % PARTITIONS;
        self.send_event(partition, now);
        self.halves.push_back((number + 60, partition, later));
    }

    fn send_event(&mut self, partition: i64, message: String) {
        self.send(partition, &message);
        self.sent.lines.push(message);
    }

    fn send(&mut self, partition: i64, message: &str) {
        let partition = i32::try_from(partition).unwrap();
        loop {
            let record = BaseRecord::<str, str>::to(&self.topic).partition(partition).payload(message);
            match self.producer.send(record) {
                Ok(()) => break,
                Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), _)) => {
                    self.producer.poll(Duration::from_millis(50));
                }
                Err((error, _)) => panic!("{error}"),
            }
        }
        self.sent.messages += 1;
        self.producer.poll(Duration::ZERO);
    }

    fn finish(mut self, number: i64) -> Sent {
        while let Some((_, partition, message)) = self.halves.pop_front() {
            self.send_event(partition, message);
        }
        let time = self.start_ms + number * STEP_MS + 60_000;
        let features = self.features();
        for partition in 0..PARTITIONS {
            let base = format!(r#""id":"last{partition}","time":{time},"model":"credit","version":"v1""#);
            let message = format!(r#"{{"kind":"prediction",{base},"features":{features},"prediction":0.5}}"#);
            self.send(partition, &message);
        }
        self.producer.flush(SOON).unwrap();
        self.sent
    }
}
