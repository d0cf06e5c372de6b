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
    group::{self, Share, ask_again},
    metrics::{Metrics, Outcome, Rebalance, Trouble},
    offsets::{self, Pair, StartOffsets},
    plan::{CheckpointId, StartPlan},
    slots::Start,
    statistics::{self, Statistics},
};
use crate::{
    event::EventTime,
    source::{StartOffset, client::forward_log},
};

/// Sets or adds to what is read.
fn assign(consumer: &BaseConsumer<Context>, list: &TopicPartitionList, cooperative: bool) -> KafkaResult<()> {
    if cooperative { consumer.incremental_assign(list) } else { consumer.assign(list) }
}

/// Whether both hold the same partitions.
fn same(some: &[Pair], others: &[Pair]) -> bool {
    some.len() == others.len() && some.iter().all(|pair| others.contains(pair))
}

/// Why no member at all can be the one that reads, if that is so.
fn leaderless(consumer: &BaseConsumer<Context>, share: &Share) -> Option<String> {
    let topic = share.leading_topic()?;
    let is_there = group::partitions(consumer, topic).map_or(true, |partitions| partitions.contains(&0));
    (!is_there).then(|| {
        format!("topic {topic:?} does not exist or may not be read; nobody reads anything until it can be")
    })
}

/// What the callbacks tell the loop.
#[derive(Debug)]
pub(super) enum News {
    /// All of these are read from here on, from these offsets.
    Assigned { starts: Vec<Start>, delivered_until: Option<EventTime>, checkpoint: Option<CheckpointId> },
    /// Nothing is read any more.
    Revoked,
    /// Nothing is to be read: another member reads, unless there can be none,
    /// as this sentence says.
    StandBy { leaderless: Option<String> },
    /// The assignment can't be used: the group has to be joined again.
    Unusable(String),
    /// The offset to read next is no longer in the log; reading goes on where
    /// `auto.offset.reset` says.
    OffsetReset { topic: String, partition: i32 },
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
    share: Mutex<Share>,
    inbox: Mutex<VecDeque<News>>,
    any_news: AtomicBool,
}

impl Context {
    pub(super) fn new(
        topics: &[String],
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
            share: Mutex::new(Share::new(topics)),
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

    fn on_assign(&self, consumer: &BaseConsumer<Self>, given: &TopicPartitionList) -> KafkaResult<()> {
        let cooperative = matches!(consumer.rebalance_protocol(), RebalanceProtocol::Cooperative);
        let mut share = self.share.lock().unwrap_or_else(PoisonError::into_inner);
        if !cooperative {
            share.clear();
        }
        // What a cooperative assignment does not name stays as it was.
        share.add(offsets::pairs(given));
        self.metrics.rebalance(Rebalance::Assigned);
        if share.leads() {
            self.read_all(consumer, &share, cooperative)
        } else {
            assign(consumer, &TopicPartitionList::new(), cooperative)?;
            self.tell(News::StandBy { leaderless: leaderless(consumer, &share) });
            Ok(())
        }
    }

    /// Assigns all partitions, whatever the group gave.
    fn read_all(&self, consumer: &BaseConsumer<Self>, share: &Share, cooperative: bool) -> KafkaResult<()> {
        let reading = if cooperative { offsets::pairs(&consumer.assignment()?) } else { Vec::new() };
        let all = ask_again(self, || group::all_partitions(consumer, share));
        if all.as_ref().is_ok_and(|all| !all.is_empty() && same(all, &reading)) {
            // Others came or went.
            return assign(consumer, &TopicPartitionList::new(), cooperative);
        }
        let found = all.and_then(|all| Ok((offsets::find_starts(consumer, self, &all)?, all)));
        let (found, all) = match found {
            Ok(found) => found,
            Err(error) => {
                // Assigned in any case, or the group would wait for us; what is
                // read before the group is joined again is thrown away.
                assign(consumer, &TopicPartitionList::new(), cooperative)?;
                return Err(error);
            }
        };
        let gone: Vec<_> = reading.iter().filter(|pair| !all.contains(pair)).cloned().collect();
        if !gone.is_empty() {
            consumer.incremental_unassign(&offsets::list(&gone))?;
        }
        assign(consumer, &found.list_without(&reading)?, cooperative)?;
        offsets::seek(consumer, &reading, &found)?;
        self.begin(consumer, found)
    }

    fn on_revoke(&self, consumer: &BaseConsumer<Self>, taken: &TopicPartitionList) -> KafkaResult<()> {
        let lost = consumer.assignment_lost();
        self.metrics.rebalance(if lost { Rebalance::Lost } else { Rebalance::Revoked });
        let cooperative = matches!(consumer.rebalance_protocol(), RebalanceProtocol::Cooperative);
        let mut share = self.share.lock().unwrap_or_else(PoisonError::into_inner);
        if !cooperative {
            share.clear();
            self.tell(News::Revoked);
            return consumer.unassign();
        }
        if lost {
            share.clear();
        } else {
            share.remove(&offsets::pairs(taken));
        }
        if share.leads() && !self.closing.load(Ordering::Acquire) {
            // What was taken is read all the same.
            return consumer.incremental_unassign(&TopicPartitionList::new());
        }
        self.tell(News::Revoked);
        // What is read is not what the group gave and takes.
        consumer.incremental_unassign(&consumer.assignment()?)
    }

    fn begin(&self, consumer: &BaseConsumer<Self>, found: StartOffsets) -> KafkaResult<()> {
        if found.overtakes {
            consumer.commit(&found.pins, CommitMode::Sync)?;
            self.metrics.commit(Outcome::Sent);
        } else if found.pins.count() > 0 {
            // "The next message" is a promise made once: without a committed
            // offset, the next rebalance would make it again, further on.
            self.commit(consumer, &found.pins, CommitMode::Async);
        }
        let StartOffsets { starts, delivered_until, checkpoint, .. } = found;
        self.tell(News::Assigned { starts, delivered_until, checkpoint });
        Ok(())
    }
}

impl ClientContext for Context {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, line: &str) {
        match facility {
            "OFFSET" if matches!(level, RDKafkaLogLevel::Warning) => {
                self.metrics.offset_resets.inc();
                if let Some((topic, partition)) = reset_partition(line) {
                    self.tell(News::OffsetReset { topic, partition });
                }
            }
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

/// Of which partition librdkafka says that its offset was reset.
fn reset_partition(line: &str) -> Option<Pair> {
    let (head, _) = line.split_once("]: offset reset")?;
    let (head, number) = head.rsplit_once(" [")?;
    let topic = head.rsplit(' ').next()?;
    Some((topic.to_owned(), number.parse().ok()?))
}

/// The position of `Offset` when it is one of the log.
pub(super) fn absolute(offset: Offset) -> Option<i64> {
    match offset {
        Offset::Offset(offset) => Some(offset),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_partition_of_a_reset_is_found_in_the_line() {
        let line = "[thrd:main]: my.topic [12]: offset reset (at offset 5 (leader epoch -1), broker 1) to \
                    BEGINNING: fetch failed: Broker: Offset out of range";
        assert_eq!(reset_partition(line), Some(("my.topic".to_owned(), 12)));
        assert_eq!(reset_partition("t [0]: offset reset (at"), Some(("t".to_owned(), 0)));
        assert_eq!(reset_partition("t [0]: offset commit failed"), None);
    }
}
