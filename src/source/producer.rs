//! A producer for `driftline publish` and the demo's simulator: keyed messages
//! to one topic, each of which the broker confirms.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use rdkafka::{
    ClientContext,
    config::RDKafkaLogLevel,
    error::{KafkaError, RDKafkaErrorCode},
    message::DeliveryResult,
    producer::{BaseProducer, BaseRecord, Producer as _, ProducerContext},
};

use super::{
    KafkaSettings, SourceError,
    client::{Role, client_config, forward_log, keep_reason, settings_error},
};

/// How long a message may wait for its confirmation before it counts as
/// undelivered, unless `message.timeout.ms` is passed through.
const MESSAGE_TIMEOUT_MS: &str = "60000";
/// Confirmations are looked for once in so many messages.
const SERVE_EVERY: u64 = 256;

/// Why messages could not be published.
#[derive(Debug, thiserror::Error)]
pub enum PublishError {
    /// The client could not be made.
    #[error(transparent)]
    Start(#[from] SourceError),
    /// The client refuses a message for good.
    #[error("kafka: a message for {topic} can't be sent: {source}")]
    Refused {
        /// Where it should have gone.
        topic: String,
        /// What the client says.
        source: KafkaError,
    },
    /// A broker refused messages, or none took them in time.
    #[error("kafka: {failed} of {sent} messages were not delivered to {topic}: {first}")]
    Undelivered {
        /// Messages without a confirmation.
        failed: u64,
        /// All messages handed in.
        sent: u64,
        /// Where they should have gone.
        topic: String,
        /// What was said about the first of them.
        first: String,
    },
}

#[derive(Debug, Default)]
struct Tally {
    delivered: AtomicU64,
    failed: AtomicU64,
    /// The first refusal, else the last error of a connection.
    first_failure: Mutex<Option<String>>,
    connection: Mutex<Option<String>>,
}

struct Context(Arc<Tally>);

impl ClientContext for Context {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, line: &str) {
        forward_log(level, facility, line);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        keep_reason(&self.0.connection, &error, reason);
    }
}

impl ProducerContext for Context {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        match result {
            Ok(_) => {
                self.0.delivered.fetch_add(1, Ordering::Relaxed);
            }
            Err((error, _)) => {
                self.0.failed.fetch_add(1, Ordering::Relaxed);
                let mut first = self.0.first_failure.lock().unwrap_or_else(PoisonError::into_inner);
                first.get_or_insert_with(|| error.to_string());
            }
        }
    }
}

/// Puts keyed messages on one topic and counts the confirmations. A dead
/// broker shows as [`Self::delivered`] standing still and [`Self::trouble`].
pub struct Producer {
    client: BaseProducer<Context>,
    tally: Arc<Tally>,
    topic: String,
    sent: AtomicU64,
}

impl std::fmt::Debug for Producer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Producer")
            .field("topic", &self.topic)
            .field("tally", &self.tally)
            .finish_non_exhaustive()
    }
}

impl Producer {
    /// Makes the client; connects in the background.
    ///
    /// # Errors
    /// When the settings make no client.
    pub fn start(settings: &KafkaSettings, topic: &str) -> Result<Self, PublishError> {
        let mut config = client_config(settings, Role::Producer)?;
        if config.get("message.timeout.ms").is_none() {
            config.set("message.timeout.ms", MESSAGE_TIMEOUT_MS);
        }
        let tally = Arc::new(Tally::default());
        let client = config
            .create_with_context(Context(Arc::clone(&tally)))
            .map_err(|error| settings_error(settings, &error))?;
        Ok(Self { client, tally, topic: topic.to_owned(), sent: AtomicU64::new(0) })
    }

    /// Hands a message in, waiting while the client's queue is full. The same
    /// key always goes to the same partition, the one that Java clients choose.
    ///
    /// # Errors
    /// When the client refuses the message for good, such as a huge one.
    pub fn send(&self, key: &[u8], value: &[u8]) -> Result<(), PublishError> {
        loop {
            let record = BaseRecord::to(&self.topic).key(key).payload(value);
            match self.client.send(record) {
                Ok(()) => break,
                // Ends at the latest when the waiting messages time out.
                Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), _)) => {
                    self.client.poll(Duration::from_millis(10));
                }
                Err((source, _)) => return Err(PublishError::Refused { topic: self.topic.clone(), source }),
            }
        }
        if self.sent.fetch_add(1, Ordering::Relaxed).is_multiple_of(SERVE_EVERY) {
            self.serve();
        }
        Ok(())
    }

    /// Looks for confirmations; for callers that send slowly.
    pub fn serve(&self) {
        self.client.poll(Duration::ZERO);
    }

    /// Messages confirmed by the broker so far.
    #[must_use]
    pub fn delivered(&self) -> u64 {
        self.tally.delivered.load(Ordering::Relaxed)
    }

    /// The last trouble with a connection, as a sentence.
    #[must_use]
    pub fn trouble(&self) -> Option<String> {
        self.tally.connection.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Waits until every message is confirmed or refused, for at most
    /// `timeout`; gives their number.
    ///
    /// # Errors
    /// [`PublishError::Undelivered`] when any was not confirmed.
    pub fn finish(self, timeout: Duration) -> Result<u64, PublishError> {
        let deadline = Instant::now() + timeout;
        while self.client.in_flight_count() > 0 && Instant::now() < deadline {
            // What is still in flight at the deadline is reported below.
            let _late = self.client.flush(Duration::from_millis(50));
        }
        let (sent, delivered) = (self.sent.load(Ordering::Relaxed), self.delivered());
        if delivered == sent {
            return Ok(delivered);
        }
        let refusal = self.tally.first_failure.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let first =
            refusal.or_else(|| self.trouble()).unwrap_or_else(|| "no broker answered in time".to_owned());
        let failed = sent.saturating_sub(delivered);
        Err(PublishError::Undelivered { failed, sent, topic: self.topic.clone(), first })
    }
}
