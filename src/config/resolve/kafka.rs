//! Kafka, and librdkafka's own settings.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use rdkafka::{ClientConfig, error::KafkaError, types::RDKafkaConfRes};
use secrecy::{ExposeSecret, SecretString};

use super::Resolver;
use crate::{
    config::{places::join, raw},
    source::{KafkaSettings, StartOffset, refused_setting},
    window::duration_text,
};

/// Parts of the names of settings that hold secrets.
const SECRET_WORDS: [&str; 4] = ["password", "secret", "sasl.oauthbearer.config", "key.pem"];

impl Resolver<'_> {
    pub(super) fn kafka(&mut self, raw: raw::Kafka, shutdown_timeout: Duration) -> Option<KafkaSettings> {
        let hint = "brokers = \"host:9092\"";
        let brokers =
            self.required(raw.brokers, "kafka.brokers", hint).filter(|brokers| self.brokers(brokers));
        let topics = self.required(raw.topics, "kafka.topics", "topics = [\"predictions\"]");
        self.topics(topics.as_deref().unwrap_or_default(), raw.dead_letter_topic.as_deref());
        if topics.as_ref().is_some_and(Vec::is_empty) {
            self.error("kafka.topics", "there is no topic to read", "topics = [\"predictions\"]");
        }
        let close_timeout = Duration::from_millis(raw.close_timeout);
        if close_timeout >= shutdown_timeout && self.are_known(&["kafka.close_timeout", "shutdown_timeout"]) {
            let limit = duration_text(i64::try_from(shutdown_timeout.as_millis()).unwrap_or(i64::MAX));
            let message = format!("leaving the group may take the whole shutdown_timeout of {limit}");
            self.error(
                "kafka.close_timeout",
                message,
                "make it shorter, so that results can still be delivered",
            );
        }
        let librdkafka = self.librdkafka(raw.librdkafka);
        Some(KafkaSettings {
            brokers: brokers?,
            group: raw.group,
            instance_id: raw.instance_id,
            topics: topics?,
            start: match raw.start {
                raw::Start::Earliest => StartOffset::Earliest,
                raw::Start::Latest => StartOffset::Latest,
            },
            dead_letter_topic: raw.dead_letter_topic,
            max_message_bytes: raw.max_message_bytes,
            close_timeout,
            librdkafka,
        })
    }

    /// Whether every broker has a host and a port.
    fn brokers(&mut self, brokers: &str) -> bool {
        let is_broker = |broker: &str| {
            broker
                .rsplit_once(':')
                .is_some_and(|(host, port)| !host.is_empty() && port.parse::<u16>().is_ok())
        };
        let bad = brokers.split(',').map(str::trim).find(|broker| !is_broker(broker));
        if let Some(broker) = bad {
            self.error(
                "kafka.brokers",
                format!("{broker:?} is not a host and a port"),
                "write \"host:9092\", several with commas",
            );
        }
        bad.is_none()
    }

    fn topics(&mut self, topics: &[String], dead_letter_topic: Option<&str>) {
        let mut seen = BTreeSet::new();
        for (index, topic) in topics.iter().enumerate() {
            let key = format!("kafka.topics[{index}]");
            self.topic(&key, topic);
            if !seen.insert(topic) {
                self.error(&key, format!("the topic {topic:?} stands here twice"), "remove one");
            }
            if dead_letter_topic == Some(topic) {
                let message = "messages that can't be used would be read again and again".to_owned();
                self.error("kafka.dead_letter_topic", message, "choose a topic that is not read");
            }
        }
        if let Some(topic) = dead_letter_topic {
            self.topic("kafka.dead_letter_topic", topic);
        }
    }

    /// Kafka's rule for names of topics; librdkafka would take a leading `^` as
    /// a pattern.
    fn topic(&mut self, key: &str, topic: &str) {
        let is_legal = |c: char| c.is_ascii_alphanumeric() || ".-_".contains(c);
        if topic.len() > 249 || [".", ".."].contains(&topic) || !topic.chars().all(is_legal) {
            let message = format!("{topic:?} can't be a topic");
            self.error(key, message, "up to 249 letters, digits, dots, hyphens and underscores");
        }
    }

    fn librdkafka(&mut self, raw: BTreeMap<String, raw::Setting>) -> BTreeMap<String, SecretString> {
        let mut settings = BTreeMap::new();
        for (name, setting) in raw {
            let key = join("kafka.librdkafka", &name);
            if let Some(hint) = refused_setting(&name) {
                self.error(&key, "Driftline sets this itself", hint);
                continue;
            }
            let value = match (setting.value, setting.file, setting.env) {
                (Some(value), None, None) => {
                    if is_secret(&name) {
                        let message = "the secret stands in the file, where backups and colleagues find it";
                        self.warn(&key, message, "write { file = \"…\" } or { env = \"…\" }");
                    }
                    Some(value.into())
                }
                (None, Some(file), None) => self.secret_file(&key, &file),
                (None, None, Some(variable)) => self.secret_variable(&key, &variable),
                _ => {
                    self.error(&key, "a setting comes from one place", "keep one of file and env");
                    None
                }
            };
            let Some(value) = value else { continue };
            if let Err(message) = try_setting(&name, &value) {
                self.error(&key, message, "librdkafka's CONFIGURATION.md lists names and values");
                continue;
            }
            settings.insert(name, value);
        }
        settings
    }
}

/// Whether librdkafka takes a setting. Its own words quote the value, so they
/// are not used where that may be a secret.
fn try_setting(name: &str, value: &SecretString) -> Result<(), String> {
    let mut config = ClientConfig::new();
    config.set(name, value.expose_secret());
    match config.create_native_config() {
        Err(KafkaError::ClientConfig(RDKafkaConfRes::RD_KAFKA_CONF_UNKNOWN, ..)) => {
            Err("librdkafka has no setting of this name".to_owned())
        }
        Err(KafkaError::ClientConfig(_, reason, ..)) if !is_secret(name) => {
            Err(format!("librdkafka refuses the value: {reason}"))
        }
        Err(_) => Err("librdkafka refuses the value".to_owned()),
        Ok(_) => Ok(()),
    }
}

fn is_secret(name: &str) -> bool {
    SECRET_WORDS.iter().any(|word| name.contains(word))
}
