//! librdkafka's callbacks. They run inside `poll` on the consumer's thread, do
//! what must be done there and then, and leave word for the loop.

use std::{
    collections::VecDeque,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use rdkafka::{
    ClientContext, Offset, TopicPartitionList,
    config::RDKafkaLogLevel,
    consumer::{BaseConsumer, CommitMode, Consumer, ConsumerContext, RebalanceProtocol},
    error::{KafkaError, KafkaResult},
    types::RDKafkaRespErr,
};

use super::{
    metrics::{Metrics, Outcome, Rebalance, Trouble},
    offsets::{self, StartOffsets},
    plan::{CheckpointId, StartPlan},
    slots::Start,
    statistics::{self, Statistics},
};
use crate::{
    event::EventTime,
    source::{StartOffset, client::forward_log},
};

/// What the callbacks tell the loop.
#[derive(Debug)]
pub(super) enum News {
    /// All of these are read from here on, from these offsets.
    Assigned { starts: Vec<Start>, delivered_until: Option<EventTime>, checkpoint: Option<CheckpointId> },
    /// Nothing is read any more.
    Revoked,
    /// The assignment can't be used: the group has to be joined again.
    Unusable(String),
    /// How the partitions stand.
    Statistics(Statistics),
    /// An error of a broker or of all of them, as a sentence.
    Error(String),
}

/// The consumer's callbacks.
#[derive(Debug)]
pub(super) struct Context {
    pub(super) start: StartOffset,
    pub(super) read_committed: bool,
    pub(super) metrics: Arc<Metrics>,
    pub(super) plan: Arc<dyn StartPlan>,
    /// Set when the consumer is about to be closed.
    pub(super) closing: AtomicBool,
    inbox: Mutex<VecDeque<News>>,
    any_news: AtomicBool,
}

impl Context {
    pub(super) fn new(
        start: StartOffset,
        read_committed: bool,
        metrics: Arc<Metrics>,
        plan: Arc<dyn StartPlan>,
    ) -> Self {
        Self {
            start,
            read_committed,
            metrics,
            plan,
            closing: AtomicBool::new(false),
            inbox: Mutex::default(),
            any_news: AtomicBool::new(false),
        }
    }

    /// The oldest word left by a callback. Costs one relaxed load when there
    /// is none, as is so after nearly every message.
    #[inline]
    pub(super) fn next_news(&self) -> Option<News> {
        if !self.any_news.load(Ordering::Relaxed) {
            return None;
        }
        let mut inbox = self.inbox.lock().unwrap_or_else(PoisonError::into_inner);
        let news = inbox.pop_front();
        self.any_news.store(!inbox.is_empty(), Ordering::Relaxed);
        news
    }

    pub(super) fn tell(&self, news: News) {
        self.inbox.lock().unwrap_or_else(PoisonError::into_inner).push_back(news);
        self.any_news.store(true, Ordering::Relaxed);
    }

    /// Sends a commit on its way. The binding tells of no answer to it;
    /// librdkafka logs a refusal.
    pub(super) fn commit(&self, consumer: &BaseConsumer<Self>, list: &TopicPartitionList, mode: CommitMode) {
        match consumer.commit(list, mode) {
            Ok(()) => self.metrics.commit(Outcome::Sent),
            Err(error) => {
                self.metrics.commit(Outcome::Refused);
                tracing::warn!(%error, "kafka: a commit failed; what it covers is read again after a restart");
            }
        }
    }

    fn on_assign(&self, consumer: &BaseConsumer<Self>, list: &mut TopicPartitionList) -> KafkaResult<()> {
        let cooperative = matches!(consumer.rebalance_protocol(), RebalanceProtocol::Cooperative);
        // What a cooperative assignment does not name stays as it was.
        let retained = if cooperative { offsets::pairs(&consumer.assignment()?) } else { Vec::new() };
        let added = offsets::pairs(list);
        if cooperative && added.is_empty() && !retained.is_empty() {
            return consumer.incremental_assign(list);
        }
        self.metrics.rebalance(Rebalance::Assigned);
        let all: Vec<_> = retained.iter().chain(&added).cloned().collect();
        let found = offsets::find_starts(consumer, self, &all);
        if let Ok(found) = &found {
            offsets::set(list, found)?;
        }
        // Assigned in any case, or the group would wait for us; what is read
        // before the group is joined again is thrown away.
        if cooperative {
            consumer.incremental_assign(list)?;
        } else {
            consumer.assign(list)?;
        }
        let found = found?;
        offsets::seek(consumer, &retained, &found)?;
        self.begin(consumer, found);
        Ok(())
    }

    fn on_revoke(&self, consumer: &BaseConsumer<Self>, list: &TopicPartitionList) -> KafkaResult<()> {
        let lost = consumer.assignment_lost();
        self.metrics.rebalance(if lost { Rebalance::Lost } else { Rebalance::Revoked });
        let cooperative = matches!(consumer.rebalance_protocol(), RebalanceProtocol::Cooperative);
        if !cooperative {
            self.tell(News::Revoked);
            return consumer.unassign();
        }
        consumer.incremental_unassign(list)?;
        let retained = offsets::pairs(&consumer.assignment()?);
        if lost || retained.is_empty() || self.closing.load(Ordering::Acquire) {
            self.tell(News::Revoked);
            return Ok(());
        }
        let found = offsets::find_starts(consumer, self, &retained)?;
        offsets::seek(consumer, &retained, &found)?;
        self.begin(consumer, found);
        Ok(())
    }

    fn begin(&self, consumer: &BaseConsumer<Self>, found: StartOffsets) {
        if found.pins.count() > 0 {
            // "The next message" is a promise made once: without a committed
            // offset, the next rebalance would make it again, further on.
            self.commit(consumer, &found.pins, CommitMode::Async);
        }
        let StartOffsets { starts, delivered_until, checkpoint, .. } = found;
        self.tell(News::Assigned { starts, delivered_until, checkpoint });
    }
}

impl ClientContext for Context {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, line: &str) {
        match facility {
            "OFFSET" if matches!(level, RDKafkaLogLevel::Warning) => self.metrics.offset_resets.inc(),
            "COMMITFAIL" => self.metrics.commit(Outcome::Refused),
            _ => {}
        }
        forward_log(level, facility, line);
    }

    fn stats_raw(&self, json: &[u8]) {
        match statistics::parse(json, self.read_committed) {
            Ok(statistics) => self.tell(News::Statistics(statistics)),
            Err(error) => {
                self.metrics.error(Trouble::Statistics);
                tracing::debug!(%error, "can't read librdkafka's statistics");
            }
        }
    }

    fn error(&self, error: KafkaError, reason: &str) {
        let sentence = if reason.is_empty() { error.to_string() } else { reason.to_owned() };
        self.tell(News::Error(sentence));
    }
}

impl ConsumerContext for Context {
    fn rebalance(&self, consumer: &BaseConsumer<Self>, kind: RDKafkaRespErr, list: &mut TopicPartitionList) {
        let result = match kind {
            RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS => self.on_assign(consumer, list),
            _ => self.on_revoke(consumer, list),
        };
        if let Err(error) = result {
            self.metrics.rebalance(Rebalance::Failed);
            self.tell(News::Unusable(format!("the new assignment can't be used yet: {error}")));
        }
    }
}

/// The position of `Offset` when it is one of the log.
pub(super) fn absolute(offset: Offset) -> Option<i64> {
    match offset {
        Offset::Offset(offset) => Some(offset),
        _ => None,
    }
}
