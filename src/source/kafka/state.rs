//! What the consumer's thread knows beside the client itself, apart from it so
//! that a message borrowed from the client can be taken in.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use rdkafka::{
    Message as _, TopicPartitionList,
    consumer::{BaseConsumer, CommitMode, Consumer},
    error::{KafkaError, KafkaResult, RDKafkaErrorCode},
    message::BorrowedMessage,
};

use super::{
    SourceError, SourceEvent, SourceStatus,
    context::{Context, News},
    fill,
    metrics::{Metrics, Outcome, Trouble},
    names::NameTable,
    outbound::Outbound,
    plan::{CheckpointId, Commit},
    progress::Progress,
    slots::{Slots, Start},
    statistics::Statistics,
};
use crate::event::{EventTime, MessageBatch, PartitionId};

/// How long messages may wait for others to fill their batch.
pub(super) const LINGER: Duration = Duration::from_millis(20);
/// Time between giving an unusable assignment back and joining again.
const REJOIN_AFTER: Duration = Duration::from_secs(2);

/// Longer than the rebalance takes that new partitions bring.
const UNREAD_FOR: Duration = Duration::from_secs(60);

/// What the handle asks of the thread.
#[derive(Debug)]
pub(super) enum Command {
    Commit { epoch: u64, commit: Commit },
    Recycle(MessageBatch),
    Stop,
}

/// The thread's own state.
pub(super) struct State {
    pub(super) names: Arc<NameTable>,
    pub(super) metrics: Arc<Metrics>,
    pub(super) status: Arc<Mutex<SourceStatus>>,
    pub(super) out: Outbound,
    /// Since when the channel is full.
    pub(super) blocked_since: Option<Instant>,
    topics: Vec<String>,
    slots: Slots,
    epoch: u64,
    paused: bool,
    filling_since: Option<Instant>,
    /// When the last assignment, pause or resumption was; statistics may have
    /// been taken before it when they are younger than one interval.
    changed_at: Instant,
    statistics_interval: Duration,
    rejoin_at: Option<Instant>,
    /// Whether another member reads.
    standby: bool,
    /// Whether no member can read.
    leaderless: bool,
    unread_since: Option<Instant>,
    /// What was committed in this epoch.
    progress: Progress,
    /// What the error callback said about the error that the poll gives next.
    sentence: Option<String>,
    trouble: Option<Trouble>,
}

/// What a [`State`] shares with the handle.
pub(super) struct Shared {
    pub(super) names: Arc<NameTable>,
    pub(super) metrics: Arc<Metrics>,
    pub(super) status: Arc<Mutex<SourceStatus>>,
}

impl State {
    pub(super) fn new(
        shared: Shared,
        out: Outbound,
        topics: Vec<String>,
        statistics_interval: Duration,
    ) -> Self {
        let Shared { names, metrics, status } = shared;
        Self {
            names,
            metrics,
            status,
            out,
            blocked_since: None,
            topics,
            slots: Slots::default(),
            epoch: 0,
            paused: false,
            filling_since: None,
            changed_at: Instant::now(),
            statistics_interval,
            rejoin_at: None,
            standby: false,
            leaderless: false,
            unread_since: None,
            progress: Progress::default(),
            sentence: None,
            trouble: None,
        }
    }

    pub(super) fn is_paused(&self) -> bool {
        self.paused
    }

    /// How long the batch being filled may still wait.
    pub(super) fn linger_left(&self) -> Duration {
        self.filling_since.map_or(LINGER, |since| LINGER.saturating_sub(since.elapsed()))
    }

    /// Takes what a poll gave, after the word that callbacks left during it.
    #[inline]
    pub(super) fn serve(
        &mut self,
        consumer: &BaseConsumer<Context>,
        polled: Option<KafkaResult<BorrowedMessage<'_>>>,
    ) -> Result<(), SourceError> {
        while let Some(news) = consumer.context().next_news() {
            self.hear(consumer, news);
        }
        match polled {
            Some(Ok(message)) => self.accept(&message),
            Some(Err(error)) => self.endure(error)?,
            None => {}
        }
        Ok(())
    }

    #[inline]
    fn accept(&mut self, message: &BorrowedMessage<'_>) {
        let topic = (message.topic_ptr().addr(), || message.topic());
        let passed = self.slots.pass(topic, message.partition(), message.offset(), &self.metrics);
        let Some(id) = passed else {
            self.metrics.discarded.inc();
            return;
        };
        if self.out.filling.is_empty() {
            self.filling_since = Some(Instant::now());
        }
        let unreadable = fill::copy(message, id, &mut self.out.filling);
        if unreadable > 0 {
            self.metrics.unreadable_headers.inc_by(unreadable);
        }
    }

    /// Closes the batch when it is due and tells who has caught up.
    pub(super) fn end_round(&mut self, queue_empty: bool) {
        let caught_up = self.slots.newly_caught_up(queue_empty);
        if !caught_up.is_empty() || self.out.is_full() || self.linger_left().is_zero() {
            self.flush();
        }
        self.tell_caught_up(&caught_up, true);
    }

    fn flush(&mut self) {
        self.out.flush(self.epoch);
        self.filling_since = None;
    }

    fn tell_caught_up(&mut self, partitions: &[PartitionId], caught_up: bool) {
        let epoch = self.epoch;
        for &partition in partitions {
            self.out.push(SourceEvent::CaughtUp { epoch, partition, caught_up });
        }
        if !partitions.is_empty() {
            self.show();
        }
    }

    fn hear(&mut self, consumer: &BaseConsumer<Context>, news: News) {
        match news {
            News::Assigned { starts, delivered_until, checkpoint } => {
                self.begin_epoch(consumer, &starts, delivered_until, checkpoint);
            }
            News::Revoked => self.end_epoch(consumer),
            News::StandBy { leaderless } => {
                self.end_epoch(consumer);
                self.stand_by(leaderless);
            }
            News::Unusable(sentence) => {
                self.note_trouble(Trouble::Offsets, sentence);
                self.end_epoch(consumer);
                self.standby = false;
                consumer.unsubscribe();
                self.rejoin_at = Some(Instant::now() + REJOIN_AFTER);
            }
            News::OffsetReset { topic, partition } => self.slots.note_reset(&topic, partition),
            News::Statistics(statistics) => self.take_statistics(consumer, &statistics),
            News::Error(sentence) => self.sentence = Some(sentence),
        }
    }

    fn begin_epoch(
        &mut self,
        consumer: &BaseConsumer<Context>,
        starts: &[Start],
        delivered_until: Option<EventTime>,
        checkpoint: Option<CheckpointId>,
    ) {
        if self.paused {
            // librdkafka keeps the mark on partitions that are taken away:
            // coming back, they would be silent for ever.
            self.apply_pause(consumer, false);
        }
        self.slots.hide_lag(&self.metrics);
        self.out.discard(&self.metrics);
        self.filling_since = None;
        self.epoch += 1;
        self.slots = Slots::new(starts, &self.names);
        self.standby &= starts.is_empty();
        self.progress = Progress::new(delivered_until);
        if self.paused {
            // An assignment begins unpaused.
            self.apply_pause(consumer, true);
        }
        self.changed_at = Instant::now();
        let (epoch, partitions) = (self.epoch, self.slots.starts());
        let until = delivered_until.map(|until| until.to_string());
        tracing::info!(epoch, partitions = partitions.len(), delivered_until = until, "kafka: assigned");
        self.out.push(SourceEvent::Assigned { epoch, partitions, delivered_until, checkpoint });
        self.show();
    }

    fn end_epoch(&mut self, consumer: &BaseConsumer<Context>) {
        if self.slots.len() > 0 {
            self.begin_epoch(consumer, &[], None, None);
        }
    }

    fn stand_by(&mut self, leaderless: Option<String>) {
        if !self.standby {
            tracing::info!("kafka: standing by");
        }
        self.standby = true;
        self.leaderless = leaderless.is_some();
        if let Some(sentence) = leaderless {
            self.note_trouble(Trouble::Partition, sentence);
        }
        self.show();
    }

    /// Joins the group again when partitions are not read for a while. New ones
    /// bring a rebalance by themselves, unless the broker that was asked for
    /// all partitions then had not heard of them yet.
    fn miss_partitions(&mut self, consumer: &BaseConsumer<Context>, has_unread: bool) {
        if !has_unread || self.slots.len() == 0 {
            self.unread_since = None;
        } else if self.unread_since.get_or_insert_with(Instant::now).elapsed() > UNREAD_FOR {
            self.unread_since = None;
            let sentence = "the topics have partitions that are not read; joining the group again";
            self.hear(consumer, News::Unusable(sentence.to_owned()));
        }
    }

    fn take_statistics(&mut self, consumer: &BaseConsumer<Context>, statistics: &Statistics) {
        let settled = !self.paused && self.changed_at.elapsed() > self.statistics_interval;
        let mut behind = Vec::new();
        for row in &statistics.partitions {
            behind.extend(self.slots.update(row, settled));
        }
        if !behind.is_empty() {
            self.flush();
            self.tell_caught_up(&behind, false);
        }
        self.slots.show_lag(&self.metrics);
        let reading = self.slots.len() > 0 && statistics.partitions.iter().all(|row| row.fetching);
        let over = match self.trouble {
            Some(Trouble::Broker) => statistics.connected,
            _ if self.standby => statistics.connected && !self.leaderless,
            _ => reading,
        };
        if over {
            self.trouble = None;
        }
        self.lock_status().connected = statistics.connected;
        self.show();
        self.miss_partitions(consumer, statistics.has_unread);
    }

    /// Counts an error that reading goes on after.
    fn endure(&mut self, error: KafkaError) -> Result<(), SourceError> {
        let sentence = self.sentence.take();
        let code = match error {
            KafkaError::PartitionEOF(_) => return Ok(()),
            KafkaError::MessageConsumptionFatal(_) => return Err(SourceError::Fatal(error)),
            KafkaError::MessageConsumption(code) => code,
            _ => RDKafkaErrorCode::Unknown,
        };
        let trouble = match code {
            RDKafkaErrorCode::PollExceeded => Trouble::PollInterval,
            RDKafkaErrorCode::BrokerTransportFailure
            | RDKafkaErrorCode::AllBrokersDown
            | RDKafkaErrorCode::Resolve
            | RDKafkaErrorCode::Authentication
            | RDKafkaErrorCode::SSL
            | RDKafkaErrorCode::OperationTimedOut => Trouble::Broker,
            _ => Trouble::Partition,
        };
        self.metrics.error(trouble);
        if code == RDKafkaErrorCode::AllBrokersDown && matches!(self.trouble, Some(Trouble::Broker)) {
            // Says less than what was said before.
            return Ok(());
        }
        self.note_trouble(trouble, sentence.unwrap_or_else(|| error.to_string()));
        Ok(())
    }

    fn note_trouble(&mut self, trouble: Trouble, sentence: String) {
        self.trouble = Some(trouble);
        let mut status = self.lock_status();
        if status.error.as_ref() != Some(&sentence) {
            // librdkafka repeats itself; once is enough.
            tracing::warn!("kafka: {sentence}");
            status.error = Some(sentence);
        }
    }

    /// Pauses or resumes all partitions.
    pub(super) fn set_paused(&mut self, consumer: &BaseConsumer<Context>, paused: bool) {
        if paused == self.paused {
            return;
        }
        self.paused = paused;
        if paused {
            self.metrics.pauses.inc();
            // Nothing is known about what comes in from now on.
            self.flush();
            let forgotten = self.slots.forget_caught_up();
            self.tell_caught_up(&forgotten, false);
        }
        self.apply_pause(consumer, paused);
        self.changed_at = Instant::now();
        self.show();
    }

    fn apply_pause(&self, consumer: &BaseConsumer<Context>, paused: bool) {
        if self.slots.len() == 0 {
            return;
        }
        let mut list = TopicPartitionList::with_capacity(self.slots.len());
        for slot in self.slots.iter() {
            list.add_partition(&slot.topic, slot.partition);
        }
        let result = if paused { consumer.pause(&list) } else { consumer.resume(&list) };
        if let Err(error) = result {
            self.metrics.error(Trouble::Partition);
            tracing::warn!(%error, paused, "kafka: can't pause or resume");
        }
    }

    /// Sends a commit on its way.
    pub(super) fn commit(&mut self, consumer: &BaseConsumer<Context>, epoch: u64, commit: &Commit) {
        if epoch != self.epoch {
            self.metrics.commit(Outcome::Stale);
            return;
        }
        self.progress.take(commit);
        self.send_commit(consumer, CommitMode::Async);
    }

    /// Sends this epoch's commits once more and waits for the answer, since
    /// one still on its way would be overtaken by the close.
    pub(super) fn commit_finally(&mut self, consumer: &BaseConsumer<Context>) {
        if !self.progress.is_empty() {
            self.send_commit(consumer, CommitMode::Sync);
        }
    }

    fn send_commit(&self, consumer: &BaseConsumer<Context>, mode: CommitMode) {
        let list = self.progress.list(&self.slots);
        if list.count() > 0 {
            consumer.context().commit(consumer, &list, mode);
        }
    }

    /// Joins the group again after an assignment that could not be used.
    pub(super) fn rejoin_when_due(&mut self, consumer: &BaseConsumer<Context>) -> Result<(), SourceError> {
        if self.rejoin_at.is_some_and(|at| Instant::now() >= at) {
            self.rejoin_at = None;
            subscribe(consumer, &self.topics)?;
        }
        Ok(())
    }

    /// Takes the partitions out of what is shown.
    pub(super) fn hide(&mut self) {
        self.slots.hide_lag(&self.metrics);
        self.slots = Slots::default();
        self.standby = false;
        self.lock_status().connected = false;
        self.show();
    }

    fn show(&self) {
        self.metrics.epoch.set(i64::try_from(self.epoch).unwrap_or(i64::MAX));
        self.metrics.standby.set(self.standby.into());
        self.metrics.assigned.set(i64::try_from(self.slots.len()).unwrap_or(i64::MAX));
        let mut status = self.lock_status();
        status.epoch = self.epoch;
        status.assigned = self.slots.len();
        status.caught_up = self.slots.caught_up();
        status.lag = self.slots.lag();
        status.paused = self.paused;
        status.standby = self.standby;
        status.connected |= self.slots.len() > 0;
        if self.trouble.is_none() {
            status.error = None;
        }
    }

    fn lock_status(&self) -> std::sync::MutexGuard<'_, SourceStatus> {
        self.status.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Joins the group for `topics`.
pub(super) fn subscribe(consumer: &BaseConsumer<Context>, topics: &[String]) -> Result<(), SourceError> {
    let names: Vec<&str> = topics.iter().map(String::as_str).collect();
    consumer.subscribe(&names).map_err(|source| SourceError::Subscribe { topics: topics.join(", "), source })
}
