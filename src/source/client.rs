//! The librdkafka settings and log lines that consumer, producers and the
//! connection check share.
//!
//! Order of precedence: what the daemon's promises rest on can't be set at all
//! ([`refused_setting`]); what the user passes through wins over our defaults;
//! our defaults win over librdkafka's. No value of a setting is ever printed:
//! librdkafka quotes bad values in its errors, so they are cut out of them.

use std::sync::{Mutex, PoisonError};

use rdkafka::{
    ClientConfig,
    config::RDKafkaLogLevel,
    error::{KafkaError, RDKafkaErrorCode},
};
use secrecy::ExposeSecret;

use super::{KafkaSettings, SourceError};

/// What a client is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    /// Reads the topics as a member of the group.
    Consumer,
    /// Writes messages with confirmation, in order and without duplicates.
    Producer,
}

const COMMON: [(&str, &str); 3] = [
    ("client.id", "driftline"),
    // Brokers close idle connections all the time; that is no news.
    ("log.connection.close", "false"),
    ("allow.auto.create.topics", "false"),
];

const CONSUMER: [(&str, &str); 10] = [
    ("enable.auto.commit", "false"),
    ("enable.auto.offset.store", "false"),
    // Only reached when a committed offset is no longer in the log: then the
    // oldest message there is skips the least. A group without committed
    // offsets gets its start explicitly.
    ("auto.offset.reset", "earliest"),
    // A payload damaged on its way is an error of the partition, not an event.
    ("check.crcs", "true"),
    // What is fetched ahead. Small queues stay in the processor's cache and
    // bound the memory; librdkafka's own defaults are 100,000 and 64 MiB.
    ("queued.min.messages", "5000"),
    ("queued.max.messages.kbytes", "16384"),
    // How long a partition rests once that queue was full; the default of a
    // second makes reading stutter.
    ("fetch.queue.backoff.ms", "10"),
    // Statistics tell lag and who has caught up.
    ("statistics.interval.ms", "1000"),
    // A limit against nonsense, not a size that is allocated. It must exceed
    // any message of the topics, since a larger one would block its partition;
    // it must stay below 0x15030300, the first bytes of a TLS alert read as a
    // length, by which librdkafka tells that the port speaks TLS.
    ("receive.message.max.bytes", "268435456"),
    ("isolation.level", "read_committed"),
];

const PRODUCER: [(&str, &str); 6] = [
    ("enable.idempotence", "true"),
    ("compression.type", "lz4"),
    ("linger.ms", "20"),
    // The Java client's partitioner, so that a key goes where it goes for
    // everybody else.
    ("partitioner", "murmur2_random"),
    // The broker's limit is the one that counts, and its refusal is handled.
    ("message.max.bytes", "268435456"),
    ("queue.buffering.max.kbytes", "65536"),
];

/// Why a setting of librdkafka can't be passed through, if it can't: what the
/// daemon promises rests on it, or it has a name of ours.
#[must_use]
pub fn refused_setting(key: &str) -> Option<&'static str> {
    Some(match key {
        "bootstrap.servers" | "metadata.broker.list" => "set kafka.brokers instead",
        "group.id" => "set kafka.group instead",
        "group.instance.id" => "set kafka.instance_id instead",
        "auto.offset.reset" => "set kafka.start instead",
        "enable.auto.commit" | "auto.commit.enable" | "enable.auto.offset.store" => {
            "offsets are committed when their windows are delivered, never by themselves"
        }
        "enable.idempotence" => "retried messages must not arrive twice",
        _ => return None,
    })
}

/// The settings of a client for `role`.
pub(crate) fn client_config(settings: &KafkaSettings, role: Role) -> Result<ClientConfig, SourceError> {
    let mut config = ClientConfig::new();
    let defaults: &[(&str, &str)] = match role {
        Role::Consumer => &CONSUMER,
        Role::Producer => &PRODUCER,
    };
    for (key, value) in COMMON.iter().chain(defaults) {
        config.set(*key, *value);
    }
    config.set("bootstrap.servers", &settings.brokers);
    if role == Role::Consumer {
        config.set("group.id", &settings.group);
        if let Some(id) = &settings.instance_id {
            config.set("group.instance.id", id);
        }
    }
    for (key, value) in &settings.librdkafka {
        if let Some(reason) = refused_setting(key) {
            return Err(SourceError::Settings(format!("{key} can't be set: {reason}")));
        }
        config.set(key, value.expose_secret());
    }
    // librdkafka's log lines go to `tracing`, which has levels of its own.
    config.set_log_level(RDKafkaLogLevel::Debug);
    Ok(config)
}

/// Turns a refusal of the settings into our error, without their values.
pub(crate) fn settings_error(settings: &KafkaSettings, error: &KafkaError) -> SourceError {
    let mut text = match error {
        KafkaError::ClientConfig(_, reason, key, _) if key.is_empty() => reason.clone(),
        KafkaError::ClientConfig(_, reason, key, _) => format!("{key}: {reason}"),
        KafkaError::ClientCreation(reason) => reason.clone(),
        other => other.to_string(),
    };
    for value in settings.librdkafka.values() {
        let value = value.expose_secret();
        if !value.is_empty() {
            text = text.replace(&format!("\"{value}\""), "\"[redacted]\"");
        }
        // Shorter ones are words such as "true", and no secrets.
        if value.len() >= 6 {
            text = text.replace(value, "[redacted]");
        }
    }
    SourceError::Settings(text)
}

/// Hands a log line of librdkafka on to `tracing`.
pub(crate) fn forward_log(level: RDKafkaLogLevel, facility: &str, line: &str) {
    // FAIL repeats what the error callback tells; CONFWARN tells a producer
    // that the consumer's settings, which all clients share, are not for it.
    let level = match facility {
        "FAIL" | "CONFWARN" => RDKafkaLogLevel::Debug,
        _ => level,
    };
    match level {
        RDKafkaLogLevel::Emerg
        | RDKafkaLogLevel::Alert
        | RDKafkaLogLevel::Critical
        | RDKafkaLogLevel::Error => tracing::error!(target: "librdkafka", facility, "{line}"),
        RDKafkaLogLevel::Warning => tracing::warn!(target: "librdkafka", facility, "{line}"),
        RDKafkaLogLevel::Notice | RDKafkaLogLevel::Info => {
            tracing::info!(target: "librdkafka", facility, "{line}");
        }
        RDKafkaLogLevel::Debug => tracing::debug!(target: "librdkafka", facility, "{line}"),
    }
}

/// Keeps what a client's error callback says, as a sentence. That all brokers
/// are down says less than what was said about any of them before.
pub(crate) fn keep_reason(kept: &Mutex<Option<String>>, error: &KafkaError, reason: &str) {
    let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
    let says_less = error.rdkafka_error_code() == Some(RDKafkaErrorCode::AllBrokersDown);
    if kept.is_none() || !says_less {
        *kept = Some(if reason.is_empty() { error.to_string() } else { reason.to_owned() });
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use rdkafka::consumer::BaseConsumer;

    use super::*;
    use crate::source::StartOffset;

    fn settings(extra: &[(&str, &str)]) -> KafkaSettings {
        let librdkafka: BTreeMap<_, _> =
            extra.iter().map(|&(key, value)| (key.to_owned(), value.to_owned().into())).collect();
        KafkaSettings {
            brokers: "127.0.0.1:1".to_owned(),
            group: "g".to_owned(),
            instance_id: None,
            topics: vec!["t".to_owned()],
            start: StartOffset::Earliest,
            dead_letter_topic: None,
            max_message_bytes: 1 << 20,
            close_timeout: std::time::Duration::from_secs(1),
            librdkafka,
        }
    }

    #[test]
    fn what_is_passed_through_wins_over_our_defaults() {
        let settings = settings(&[("client.id", "mine"), ("isolation.level", "read_uncommitted")]);
        let config = client_config(&settings, Role::Consumer).expect("allowed settings");
        assert_eq!(config.get("client.id"), Some("mine"));
        assert_eq!(config.get("isolation.level"), Some("read_uncommitted"));
        assert_eq!(config.get("group.id"), Some("g"));
        assert_eq!(client_config(&settings, Role::Producer).expect("allowed settings").get("group.id"), None);
    }

    #[test]
    fn only_a_named_consumer_is_a_static_member() {
        let named = KafkaSettings { instance_id: Some("one".to_owned()), ..settings(&[]) };
        let id = |settings: &KafkaSettings, role| {
            let config = client_config(settings, role).expect("allowed settings");
            config.get("group.instance.id").map(str::to_owned)
        };
        assert_eq!(id(&named, Role::Consumer).as_deref(), Some("one"));
        assert_eq!(id(&named, Role::Producer), None);
        assert_eq!(id(&settings(&[]), Role::Consumer), None);
    }

    #[test]
    fn every_default_is_known_to_librdkafka() {
        for role in [Role::Consumer, Role::Producer] {
            let config = client_config(&settings(&[]), role).expect("no settings passed through");
            config.create_native_config().expect("librdkafka takes the defaults");
        }
    }

    #[test]
    fn settings_that_promises_rest_on_are_refused_with_a_hint() {
        for key in
            ["enable.auto.commit", "group.id", "group.instance.id", "bootstrap.servers", "auto.offset.reset"]
        {
            let error = client_config(&settings(&[(key, "hunter22")]), Role::Consumer).expect_err("refused");
            let text = error.to_string();
            assert!(text.contains(key) && !text.contains("hunter22"), "{text}");
        }
    }

    #[test]
    fn values_never_reach_an_error() {
        for (key, value) in [
            ("sasl.pasword", "correct-horse"),
            ("security.protocol", "correct-horse"),
            ("session.timeout.ms", "correct-horse"),
            ("enable.ssl.certificate.verification", "correct-horse"),
            ("ssl.key.pem", "correct-horse"),
        ] {
            let settings = settings(&[(key, value), ("security.protocol", "correct-horse")]);
            let config = client_config(&settings, Role::Consumer).expect("not a refused setting");
            let error = config.create::<BaseConsumer>().err().expect("librdkafka refuses it");
            let ours = settings_error(&settings, &error);
            for text in [ours.to_string(), format!("{ours:?}")] {
                assert!(!text.contains("correct-horse"), "{text}");
            }
        }
    }
}
