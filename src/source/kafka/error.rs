//! What can go wrong with Kafka as a whole. Everything else (brokers away,
//! partitions in trouble, refused commits) is normal operation: counted, told
//! by the status, and retried.

use rdkafka::error::KafkaError;

/// Why the consumer could not start, or ended without being asked to.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// The settings make no client. The text holds no value of a setting.
    #[error("kafka: the client can't be made from the settings: {0}; check [kafka] and [kafka.librdkafka]")]
    Settings(String),
    /// The subscription was refused before any broker was asked.
    #[error("kafka: can't subscribe to {topics}: {source}")]
    Subscribe {
        /// The topics, comma-separated.
        topics: String,
        /// What librdkafka says.
        source: KafkaError,
    },
    /// An error after which librdkafka does nothing more, such as another
    /// member with the same `group.instance.id`.
    #[error("kafka: the consumer can't go on: {0}; restart once the cause is gone")]
    Fatal(#[source] KafkaError),
    /// A metric of this name is registered already.
    #[error("kafka: a metric can't be registered: {0}")]
    Metrics(#[from] prometheus::Error),
    /// The operating system has no thread for the consumer.
    #[error("kafka: can't start the consumer's thread: {0}")]
    Thread(#[from] std::io::Error),
    /// Closing took longer than allowed; the thread was left behind.
    #[error(
        "kafka: the consumer did not close within {0:?}; its partitions stay assigned until the session times out"
    )]
    CloseTimeout(std::time::Duration),
    /// The consumer's thread ended by a panic, which is a bug.
    #[error("kafka: the consumer's thread ended by a panic")]
    Panicked,
}
