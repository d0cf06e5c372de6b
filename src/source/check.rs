//! What `driftline validate --connect` asks Kafka.

use std::{
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use rdkafka::{
    ClientContext, Message as _, Offset, TopicPartitionList,
    config::RDKafkaLogLevel,
    consumer::{BaseConsumer, Consumer, ConsumerContext},
    error::{KafkaError, RDKafkaErrorCode},
    metadata::{Metadata, MetadataTopic},
};

use super::{
    KafkaSettings,
    client::{Role, client_config, forward_log, settings_error},
};

/// One thing that was tried, and how it went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckLine {
    /// Whether it went well.
    pub ok: bool,
    /// What was tried and found, as a sentence with a hint when it failed.
    pub text: String,
}

/// Tries the brokers, topics, partitions and permissions that `settings` need.
/// Commits nothing, writes nothing and joins no group; reads at most one
/// message of each topic. Waits about `timeout` for each answer.
#[must_use]
pub fn connect_check(settings: &KafkaSettings, timeout: Duration) -> Vec<CheckLine> {
    let mut report = Report::default();
    let client = client_config(settings, Role::Consumer).and_then(|config| {
        config.create_with_context(Listener::default()).map_err(|error| settings_error(settings, &error))
    });
    match client {
        Ok(client) => Check { client, timeout }.run(settings, &mut report),
        Err(error) => report.bad(error.to_string()),
    }
    report.0
}

#[derive(Default)]
struct Report(Vec<CheckLine>);

impl Report {
    fn good(&mut self, text: String) {
        self.0.push(CheckLine { ok: true, text });
    }

    fn bad(&mut self, text: String) {
        self.0.push(CheckLine { ok: false, text });
    }
}

/// Keeps what the client says about its connections.
#[derive(Default)]
struct Listener(Mutex<Vec<String>>);

impl ClientContext for Listener {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, line: &str) {
        forward_log(level, facility, line);
    }

    fn error(&self, _error: KafkaError, reason: &str) {
        let mut heard = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !heard.iter().any(|known| known == reason) {
            heard.push(reason.to_owned());
        }
    }

    fn stats_raw(&self, _statistics: &[u8]) {}
}

impl ConsumerContext for Listener {}

struct Check {
    client: BaseConsumer<Listener>,
    timeout: Duration,
}

impl Check {
    fn run(&self, settings: &KafkaSettings, report: &mut Report) {
        let metadata = match self.client.fetch_metadata(None, self.timeout) {
            Ok(metadata) => metadata,
            Err(error) => {
                report.bad(format!(
                    "kafka: can't reach {}: {}; check kafka.brokers, the network and the security settings",
                    settings.brokers,
                    self.reason(&error)
                ));
                return;
            }
        };
        report.good(format!("kafka: connected to {}", brokers(&metadata)));
        let mut all = TopicPartitionList::new();
        for topic in &settings.topics {
            let Some(partitions) = self.topic(topic, "kafka.topics", report) else { continue };
            for partition in 0..partitions {
                all.add_partition(topic, partition);
            }
            self.read_one(topic, partitions, report);
        }
        self.group(&settings.group, all, report);
        match &settings.dead_letter_topic {
            Some(topic) => {
                if self.topic(topic, "kafka.dead_letter_topic", report).is_some() {
                    report.good(format!(
                        "kafka: writing to {topic:?} is not tried, since it would leave a message"
                    ));
                }
            }
            None => {
                report
                    .good("kafka: no dead_letter_topic: refused messages are counted and logged".to_owned());
            }
        }
    }

    /// The number of partitions of a topic that can be used.
    fn topic(&self, topic: &str, key: &str, report: &mut Report) -> Option<i32> {
        let metadata = match self.client.fetch_metadata(Some(topic), self.timeout) {
            Ok(metadata) => metadata,
            Err(error) => {
                report.bad(format!("kafka: topic {topic:?}: {}", self.reason(&error)));
                return None;
            }
        };
        let found = metadata.topics().iter().find(|found| found.name() == topic);
        let code = found.and_then(MetadataTopic::error).map(RDKafkaErrorCode::from);
        let partitions = found.map_or(0, |found| found.partitions().len());
        match code {
            None if partitions > 0 => {
                let leaderless =
                    found.map_or(0, |found| found.partitions().iter().filter(|one| one.leader() < 0).count());
                if leaderless > 0 {
                    report.bad(format!(
                        "kafka: topic {topic:?}: {leaderless} of {partitions} partitions have no leader at present"
                    ));
                } else {
                    report.good(format!("kafka: topic {topic:?}: {partitions} partitions"));
                }
                i32::try_from(partitions).ok()
            }
            Some(RDKafkaErrorCode::TopicAuthorizationFailed) => {
                report
                    .bad(format!("kafka: topic {topic:?}: no permission to see it; grant Describe and Read"));
                None
            }
            Some(RDKafkaErrorCode::UnknownTopicOrPartition | RDKafkaErrorCode::UnknownTopic) | None => {
                report.bad(format!("kafka: topic {topic:?} does not exist; create it or correct {key}"));
                None
            }
            Some(code) => {
                report.bad(format!("kafka: topic {topic:?}: {code}"));
                None
            }
        }
    }

    /// Reads the last message of any partition, which needs the permission.
    fn read_one(&self, topic: &str, partitions: i32, report: &mut Report) {
        let mut list = TopicPartitionList::new();
        for partition in 0..partitions {
            match self.client.fetch_watermarks(topic, partition, self.timeout) {
                Ok((low, high)) if low < high => {
                    let mut element = list.add_partition(topic, partition);
                    // One back from the end is always an offset.
                    let _refused = element.set_offset(Offset::OffsetTail(1));
                }
                Ok(_) => {}
                Err(error) => {
                    let reason = self.reason(&error);
                    return report.bad(format!("kafka: topic {topic:?}, partition {partition}: {reason}"));
                }
            }
        }
        if list.count() == 0 {
            return report.good(format!("kafka: topic {topic:?} is empty, so reading could not be tried"));
        }
        if let Err(error) = self.client.assign(&list) {
            return report.bad(format!("kafka: topic {topic:?}: {error}"));
        }
        match self.first_message(topic) {
            Ok(true) => report.good(format!("kafka: topic {topic:?} can be read")),
            Ok(false) => report.good(format!(
                "kafka: topic {topic:?}: reading was not refused, but no message came within {:?}",
                self.timeout
            )),
            Err(KafkaError::MessageConsumption(RDKafkaErrorCode::TopicAuthorizationFailed)) => {
                report.bad(format!("kafka: topic {topic:?}: no permission to read it; grant Read"));
            }
            Err(error) => report.bad(format!("kafka: topic {topic:?} can't be read: {error}")),
        }
        // The next topic brings its own assignment; the end drops the client.
        let _over = self.client.unassign();
    }

    fn first_message(&self, topic: &str) -> Result<bool, KafkaError> {
        let deadline = Instant::now() + self.timeout;
        while Instant::now() < deadline {
            match self.client.poll(Duration::from_millis(50)) {
                Some(Ok(message)) if message.topic() == topic => return Ok(true),
                Some(Err(error)) if !passes(&error) => return Err(error),
                _ => {}
            }
        }
        Ok(false)
    }

    /// What the group has committed, which needs the permission to read it.
    fn group(&self, group: &str, all: TopicPartitionList, report: &mut Report) {
        let total = all.count();
        if total == 0 {
            return;
        }
        match self.client.committed_offsets(all, self.timeout) {
            Ok(committed) => {
                let elements = committed.elements();
                if let Some(error) = elements.iter().find_map(|element| element.error().err()) {
                    return report.bad(format!("kafka: group {group:?}: {error}; grant Read on the group"));
                }
                let known = elements.iter().filter(|one| matches!(one.offset(), Offset::Offset(_))).count();
                report.good(format!(
                    "kafka: group {group:?} has committed offsets for {known} of {total} partitions"
                ));
            }
            Err(error) => {
                let reason = self.reason(&error);
                report.bad(format!("kafka: group {group:?}: {reason}; grant Read on the group"));
            }
        }
    }

    /// What the client said about its connections, or else the error itself.
    fn reason(&self, error: &KafkaError) -> String {
        let deadline = Instant::now() + Duration::from_millis(300);
        while Instant::now() < deadline {
            // Only to let the client speak.
            let _heard = self.client.poll(Duration::from_millis(50));
        }
        let heard =
            std::mem::take(&mut *self.client.context().0.lock().unwrap_or_else(PoisonError::into_inner));
        if heard.is_empty() { error.to_string() } else { heard.join("; ") }
    }
}

/// Whether reading may still succeed after this error.
fn passes(error: &KafkaError) -> bool {
    let connection = [RDKafkaErrorCode::BrokerTransportFailure, RDKafkaErrorCode::AllBrokersDown];
    matches!(error, KafkaError::PartitionEOF(_))
        || error.rdkafka_error_code().is_some_and(|code| connection.contains(&code))
}

fn brokers(metadata: &Metadata) -> String {
    let names: Vec<_> =
        metadata.brokers().iter().map(|one| format!("{}:{}", one.host(), one.port())).collect();
    format!("{} brokers ({})", names.len(), names.join(", "))
}
