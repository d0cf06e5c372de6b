//! Messages that could not be used, put aside with the reason.
//!
//! A dead letter holds the original key, payload and headers, and the headers
//! `driftline-reason` (a word of [`RejectReason`](crate::event::RejectReason)),
//! `driftline-detail`, `driftline-topic`, `driftline-partition` and
//! `driftline-offset`.
//!
//! Promises: whatever [`DeadLetters::send`] took is tried until a broker has
//! it, for ever while brokers are away, permissions are missing or the topic
//! does not exist; [`DeadLetters::acknowledged`] does not pass it before. Only
//! a letter that a broker refuses for what it is can't hold the others back:
//! a too large one is sent again with a truncated payload and the header
//! `driftline-truncated` (the original length); if that is refused as well, or
//! it is refused for another reason of its own, it is given up, logged and
//! counted as lost.
//!
//! A letter may arrive twice when the client had to be made anew.

mod letter;
mod thread;

use std::{
    fmt,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
        mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel},
    },
    time::{Duration, Instant},
};

use prometheus::{IntCounterVec, IntGauge, Opts, Registry};

use self::{letter::Letter, thread::Worker};
use crate::{
    event::{Message, Reject},
    source::{KafkaSettings, SourceError},
};

/// Letters that wait for the thread, at most; as many again may be in flight.
const QUEUE_LETTERS: usize = 1024;
/// Bytes of letters without a confirmation, at most.
const QUEUE_BYTES: usize = 32 << 20;
/// Time between two log lines about refused messages without a topic for them.
const LOG_EVERY: Duration = Duration::from_secs(10);

/// The queue of dead letters is full: nothing was taken, and the message is to
/// be offered again later.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the queue of dead letters is full")]
pub struct Full;

/// What the thread and the handle share.
#[derive(Debug)]
struct Shared {
    acknowledged: AtomicU64,
    /// Bytes of the letters without a confirmation.
    bytes: AtomicUsize,
    /// Set when the time for delivery is over.
    abandoned: AtomicBool,
    trouble: Mutex<Option<String>>,
    letters: IntCounterVec,
    waiting: IntGauge,
}

impl Shared {
    fn count(&self, outcome: &str) {
        self.letters.with_label_values(&[outcome]).inc();
    }
}

enum Exit {
    Topic {
        queue: SyncSender<Letter>,
        /// Disconnected once the thread has ended.
        ended: Receiver<()>,
    },
    Log(Mutex<LogLimit>),
}

#[derive(Default)]
struct LogLimit {
    last: Option<Instant>,
    silent: u64,
}

/// The producer for refused messages.
pub struct DeadLetters {
    /// The last sequence number; locked while a letter is queued, so that the
    /// queue is in their order.
    last: Mutex<u64>,
    exit: Exit,
    shared: Arc<Shared>,
}

impl fmt::Debug for DeadLetters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DeadLetters")
            .field("last", &self.last)
            .field("shared", &self.shared)
            .finish_non_exhaustive()
    }
}

impl DeadLetters {
    /// Makes the client; connects in the background. Without a dead-letter
    /// topic there is no client: refused messages are counted and logged.
    ///
    /// # Errors
    /// When the settings make no client.
    pub fn start(settings: &KafkaSettings, registry: &Registry) -> Result<Self, SourceError> {
        let letters = IntCounterVec::new(
            Opts::new("driftline_dead_letters_total", "Refused messages by what became of them."),
            &["outcome"],
        )?;
        let waiting =
            IntGauge::new("driftline_dead_letters_waiting", "Refused messages without a confirmation yet.")?;
        registry.register(Box::new(letters.clone()))?;
        registry.register(Box::new(waiting.clone()))?;
        let shared = Arc::new(Shared {
            acknowledged: AtomicU64::new(0),
            bytes: AtomicUsize::new(0),
            abandoned: AtomicBool::new(false),
            trouble: Mutex::default(),
            letters,
            waiting,
        });
        let exit = if let Some(topic) = &settings.dead_letter_topic {
            let (queue, letters) = sync_channel(QUEUE_LETTERS);
            let (ending, ended) = sync_channel(0);
            let worker = Worker::new(settings, topic, letters, Arc::clone(&shared))?;
            std::thread::Builder::new().name("dead-letters".to_owned()).spawn(move || {
                worker.run();
                drop(ending);
            })?;
            Exit::Topic { queue, ended }
        } else {
            Exit::Log(Mutex::default())
        };
        Ok(Self { last: Mutex::new(0), exit, shared })
    }

    /// Takes a refused message that came from `topic` and `partition`; gives
    /// its sequence number. They start at 1.
    ///
    /// # Errors
    /// [`Full`] when the broker is behind; the message was not taken.
    pub fn send(
        &self,
        message: &Message<'_>,
        topic: &str,
        partition: i32,
        reject: &Reject,
    ) -> Result<u64, Full> {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let sequence = *last + 1;
        match &self.exit {
            Exit::Topic { queue, .. } => {
                let letter = Letter::new(sequence, message, (topic, partition), reject);
                let bytes = letter.charge;
                // A single one may be larger than the whole limit.
                let before = self.shared.bytes.load(Ordering::Acquire);
                if before > 0 && before.saturating_add(bytes) > QUEUE_BYTES {
                    return Err(Full);
                }
                self.shared.bytes.fetch_add(bytes, Ordering::AcqRel);
                if let Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) = queue.try_send(letter) {
                    self.shared.bytes.fetch_sub(bytes, Ordering::AcqRel);
                    return Err(Full);
                }
                self.shared.waiting.inc();
            }
            Exit::Log(limit) => {
                log(limit, message, (topic, partition), reject);
                self.shared.count("logged");
                self.shared.acknowledged.store(sequence, Ordering::Release);
            }
        }
        *last = sequence;
        Ok(sequence)
    }

    /// Every dead letter up to this sequence number is done with: on the
    /// broker, or given up for good and counted as lost.
    #[must_use]
    pub fn acknowledged(&self) -> u64 {
        self.shared.acknowledged.load(Ordering::Acquire)
    }

    /// What keeps letters from being delivered at present, as a sentence.
    #[must_use]
    pub fn trouble(&self) -> Option<String> {
        self.shared.trouble.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Waits until every letter is acknowledged, for at most `timeout`; gives
    /// the number of those that are not. Their messages must not be committed.
    pub fn stop(self, timeout: Duration) -> u64 {
        let Self { last, exit, shared } = self;
        if let Exit::Topic { queue, ended } = exit {
            drop(queue);
            if matches!(ended.recv_timeout(timeout), Err(RecvTimeoutError::Timeout)) {
                tracing::warn!(
                    "dead letters were still waiting at the deadline; their messages are read again"
                );
            }
        }
        let last = last.into_inner().unwrap_or_else(PoisonError::into_inner);
        last.saturating_sub(shared.acknowledged.load(Ordering::Acquire))
    }
}

fn log(limit: &Mutex<LogLimit>, message: &Message<'_>, (topic, partition): (&str, i32), reject: &Reject) {
    let mut limit = limit.lock().unwrap_or_else(PoisonError::into_inner);
    if limit.last.is_some_and(|last| last.elapsed() < LOG_EVERY) {
        limit.silent += 1;
        return;
    }
    tracing::warn!(
        reason = reject.reason.as_str(),
        detail = letter::truncated(&reject.detail),
        topic,
        partition,
        offset = message.offset,
        not_logged = limit.silent,
        "a message was refused; set kafka.dead_letter_topic to keep such messages"
    );
    *limit = LogLimit { last: Some(Instant::now()), silent: 0 };
}
