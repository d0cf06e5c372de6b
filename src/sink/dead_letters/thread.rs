//! The thread that owns the client for dead letters.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::Ordering,
        mpsc::{Receiver, RecvTimeoutError},
    },
    time::{Duration, Instant},
};

use rdkafka::{
    ClientConfig, ClientContext,
    config::RDKafkaLogLevel,
    error::{KafkaError, RDKafkaErrorCode},
    message::DeliveryResult,
    producer::{BaseProducer, BaseRecord, Producer as _, ProducerContext},
};

use super::{Letter, QUEUE_LETTERS, Shared};
use crate::source::{
    KafkaSettings, SourceError,
    client::{Role, client_config, forward_log, keep_reason, settings_error},
};

/// How long the thread waits for a letter before it looks for confirmations.
const TURN: Duration = Duration::from_millis(20);
/// Wait before refused letters are tried again, doubled up to [`LAST_WAIT`].
const FIRST_WAIT: Duration = Duration::from_secs(1);
const LAST_WAIT: Duration = Duration::from_secs(60);

type Report = (u64, Result<(), RDKafkaErrorCode>);

/// Collects what the brokers say.
#[derive(Default)]
struct Reports {
    reports: Mutex<Vec<Report>>,
    trouble: Mutex<Option<String>>,
}

struct Context(Arc<Reports>);

impl ClientContext for Context {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, line: &str) {
        forward_log(level, facility, line);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        keep_reason(&self.0.trouble, &error, reason);
    }
}

impl ProducerContext for Context {
    type DeliveryOpaque = Box<u64>;

    fn delivery(&self, result: &DeliveryResult<'_>, sequence: Box<u64>) {
        let outcome = match result {
            Ok(_) => Ok(()),
            Err((error, _)) => Err(error.rdkafka_error_code().unwrap_or(RDKafkaErrorCode::Unknown)),
        };
        self.0.reports.lock().unwrap_or_else(PoisonError::into_inner).push((*sequence, outcome));
    }
}

/// Owner of the client and of every letter without a confirmation.
pub(super) struct Worker {
    client: BaseProducer<Context>,
    config: ClientConfig,
    topic: String,
    letters: Receiver<Letter>,
    reports: Arc<Reports>,
    shared: Arc<Shared>,
    kept: BTreeMap<u64, Letter>,
    /// Letters to send again, and when.
    again: Vec<u64>,
    again_at: Option<Instant>,
    wait: Duration,
    /// The greatest sequence number taken from the queue.
    taken: u64,
}

impl Worker {
    pub(super) fn new(
        settings: &KafkaSettings,
        topic: &str,
        letters: Receiver<Letter>,
        shared: Arc<Shared>,
    ) -> Result<Self, SourceError> {
        let mut config = client_config(settings, Role::Producer)?;
        // For ever: what was refused must not vanish because a broker is away.
        config.set("message.timeout.ms", "0");
        // Brokers refuse a whole batch; a large letter is to travel alone.
        config.set("batch.size", "65536");
        let reports = Arc::new(Reports::default());
        let client = config
            .create_with_context(Context(Arc::clone(&reports)))
            .map_err(|error| settings_error(settings, &error))?;
        Ok(Self {
            client,
            config,
            topic: topic.to_owned(),
            letters,
            reports,
            shared,
            kept: BTreeMap::new(),
            again: Vec::new(),
            again_at: None,
            wait: FIRST_WAIT,
            taken: 0,
        })
    }

    /// Runs until the handle is gone and every letter is done with.
    pub(super) fn run(mut self) {
        let mut open = true;
        while (open || !self.kept.is_empty()) && !self.shared.abandoned.load(Ordering::Acquire) {
            if open && self.kept.len() < QUEUE_LETTERS {
                open = self.take();
            } else {
                std::thread::sleep(TURN);
            }
            self.client.poll(Duration::ZERO);
            self.hear();
            self.renew_after_fatal();
            self.send_again();
            let first_kept = self.kept.keys().next();
            let done = first_kept.map_or(self.taken, |first| first - 1);
            self.shared.acknowledged.store(done, Ordering::Release);
        }
    }

    /// Takes what is in the queue, waiting for a turn; `false` once the handle
    /// is gone and the queue empty.
    fn take(&mut self) -> bool {
        let mut wait = TURN;
        while self.kept.len() < QUEUE_LETTERS {
            match self.letters.recv_timeout(wait) {
                Ok(letter) => {
                    let sequence = letter.sequence;
                    self.taken = sequence;
                    self.kept.insert(sequence, letter);
                    self.send(sequence);
                }
                Err(RecvTimeoutError::Timeout) => break,
                Err(RecvTimeoutError::Disconnected) => return false,
            }
            wait = Duration::ZERO;
        }
        true
    }

    fn send(&mut self, sequence: u64) {
        let Some(letter) = self.kept.get(&sequence) else { return };
        let mut record = BaseRecord::<[u8], [u8], _>::with_opaque_to(&self.topic, Box::new(sequence))
            .headers(letter.native_headers());
        record.key = letter.key.as_deref();
        record.payload = letter.payload.as_deref();
        let refused = self.client.send(record).err().map(|(error, _)| error);
        if let Some(error) = refused {
            self.refused(sequence, error.rdkafka_error_code().unwrap_or(RDKafkaErrorCode::Unknown));
        }
    }

    fn hear(&mut self) {
        let reports =
            std::mem::take(&mut *self.reports.reports.lock().unwrap_or_else(PoisonError::into_inner));
        for (sequence, outcome) in reports {
            match outcome {
                Ok(()) => {
                    self.wait = FIRST_WAIT;
                    self.set_trouble(None);
                    let truncated = self.kept.get(&sequence).is_some_and(|letter| letter.truncated);
                    self.done(sequence, if truncated { "truncated" } else { "delivered" });
                }
                Err(code) => self.refused(sequence, code),
            }
        }
        let trouble = self.reports.trouble.lock().unwrap_or_else(PoisonError::into_inner).take();
        if trouble.is_some() && !self.kept.is_empty() {
            self.set_trouble(trouble);
        }
    }

    fn refused(&mut self, sequence: u64, code: RDKafkaErrorCode) {
        let Some(letter) = self.kept.get_mut(&sequence) else { return };
        match code {
            RDKafkaErrorCode::MessageSizeTooLarge if !letter.truncated => {
                letter.truncate();
                self.send(sequence);
            }
            RDKafkaErrorCode::MessageSizeTooLarge
            | RDKafkaErrorCode::InvalidMessage
            | RDKafkaErrorCode::InvalidMessageSize
            | RDKafkaErrorCode::InvalidRecord
            | RDKafkaErrorCode::InvalidTimestamp => {
                tracing::error!(origin = letter.origin, %code, "a dead letter was refused for good and is lost");
                self.done(sequence, "lost");
            }
            _ => {
                self.shared.count("retried");
                self.set_trouble(Some(format!("dead letters to {}: {code}", self.topic)));
                self.again.push(sequence);
                if self.again_at.is_none() {
                    self.again_at = Some(Instant::now() + self.wait);
                    self.wait = (self.wait * 2).min(LAST_WAIT);
                }
            }
        }
    }

    fn send_again(&mut self) {
        if self.again_at.is_some_and(|at| Instant::now() >= at) {
            self.again_at = None;
            for sequence in std::mem::take(&mut self.again) {
                self.send(sequence);
            }
        }
    }

    /// An idempotent client is of no use after a fatal error; a new one sends
    /// everything again that has no confirmation.
    fn renew_after_fatal(&mut self) {
        let Some((code, reason)) = self.client.client().fatal_error() else { return };
        tracing::warn!(%code, reason, "the client for dead letters is made anew");
        let reports = Arc::new(Reports::default());
        match self.config.create_with_context(Context(Arc::clone(&reports))) {
            Ok(client) => {
                self.client = client;
                self.reports = reports;
                self.again = self.kept.keys().copied().collect();
                self.again_at = Some(Instant::now() + self.wait);
            }
            // Tried again at the next turn; the settings were taken once.
            Err(_refused) => std::thread::sleep(FIRST_WAIT),
        }
    }

    fn done(&mut self, sequence: u64, outcome: &str) {
        if let Some(letter) = self.kept.remove(&sequence) {
            self.shared.bytes.fetch_sub(letter.charge, Ordering::AcqRel);
            self.shared.waiting.dec();
            self.shared.count(outcome);
        }
    }

    fn set_trouble(&self, trouble: Option<String>) {
        let mut shown = self.shared.trouble.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(sentence) = trouble.as_ref().filter(|_| *shown != trouble) {
            tracing::warn!("{sentence}");
        }
        *shown = trouble;
    }
}
