//! Publishes traffic on the topic, in simulated time.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use super::{DemoError, embedded::TOPIC, traffic::Traffic};
use crate::source::{KafkaSettings, Producer, PublishError};

/// Events on the topic that the daemon has not taken: half of what the broker
/// keeps before it drops the oldest.
const MOST_WAITING: u64 = 12_000;
/// How long it sleeps when it is ahead of simulated time or of the daemon.
const REST: Duration = Duration::from_millis(5);
/// For the last confirmations.
const FINISH: Duration = Duration::from_secs(10);

/// How fast and how far.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pace {
    pub(super) hours_per_second: f64,
    pub(super) events: Option<u64>,
}

/// What the thread and its watchers tell each other.
#[derive(Debug, Default)]
struct Shared {
    sent: AtomicU64,
    taken: AtomicU64,
    stop: AtomicBool,
}

/// The thread that publishes.
#[derive(Debug)]
pub(super) struct Simulator {
    shared: Arc<Shared>,
    thread: JoinHandle<Result<u64, PublishError>>,
}

impl Simulator {
    pub(super) fn start(traffic: Traffic, pace: Pace, kafka: &KafkaSettings) -> Result<Self, DemoError> {
        let producer = Producer::start(kafka, TOPIC)?;
        let shared = Arc::new(Shared::default());
        let theirs = Arc::clone(&shared);
        let run = move || publish(&traffic, pace, producer, &theirs);
        let thread = thread::Builder::new()
            .name("driftline-traffic".to_owned())
            .spawn(run)
            .map_err(DemoError::Thread)?;
        Ok(Self { shared, thread })
    }

    /// Events handed to the broker so far.
    pub(super) fn sent(&self) -> u64 {
        self.shared.sent.load(Ordering::Relaxed)
    }

    /// Tells it how many events the daemon has taken.
    pub(super) fn set_taken(&self, events: u64) {
        self.shared.taken.store(events, Ordering::Relaxed);
    }

    /// Whether it publishes no more.
    pub(super) fn is_finished(&self) -> bool {
        self.thread.is_finished()
    }

    /// Ends it and waits; gives the number of events.
    pub(super) fn stop(self) -> Result<u64, DemoError> {
        self.shared.stop.store(true, Ordering::Relaxed);
        self.thread.join().map_err(|_| DemoError::Panicked)?.map_err(DemoError::Publish)
    }
}

fn publish(traffic: &Traffic, pace: Pace, producer: Producer, shared: &Shared) -> Result<u64, PublishError> {
    let began = Instant::now();
    let start = traffic.arrival(0);
    let (mut index, mut event, mut key) = (0, Vec::new(), Vec::new());
    while pace.events.is_none_or(|events| index < events) && !shared.stop.load(Ordering::Relaxed) {
        let waiting = index - shared.taken.load(Ordering::Relaxed).min(index);
        #[expect(clippy::cast_possible_truncation, reason = "saturates after millions of simulated years")]
        let simulated_ms = (began.elapsed().as_secs_f64() * pace.hours_per_second * 3.6e6) as i64;
        if waiting >= MOST_WAITING || traffic.arrival(index) > start.plus_ms(simulated_ms) {
            producer.serve();
            thread::sleep(REST);
            continue;
        }
        event.clear();
        traffic.write_event(index, &mut event);
        key.clear();
        key.extend_from_slice(&index.to_be_bytes());
        producer.send(&key, &event)?;
        index += 1;
        shared.sent.store(index, Ordering::Relaxed);
    }
    producer.finish(FINISH)
}
