//! The partitions of the current assignment: where each stands, how far behind
//! it is, and whether it has caught up.
//!
//! A partition has caught up when all that may be read of it was handed over.
//! Its last offset can't tell, since transaction markers and compaction leave
//! gaps at the end. What can is librdkafka's fetch position, which passes gaps:
//! once it is at the end, all messages are in the consumer's queue, and have
//! left it when as many were polled as the queue then held, or when the queue
//! ran empty.

use std::sync::Arc;

use super::{metrics::Metrics, names::NameTable, statistics::PartitionStatistics};
use crate::event::PartitionId;

/// One assigned partition.
#[derive(Debug)]
pub(super) struct Slot {
    pub(super) id: PartitionId,
    pub(super) topic: Arc<str>,
    pub(super) partition: i32,
    /// Address of librdkafka's handle of the topic, once a message showed it.
    /// The assignment keeps the handle alive, so that it stands for the topic
    /// as long as the epoch lasts, and comparing names is spared.
    handle: Option<usize>,
    /// Where the epoch starts; unknown when the start is a logical one.
    pub(super) start: Option<i64>,
    /// From where a reader without the checkpoint must read while nothing new
    /// is committed.
    pub(super) replay: Option<i64>,
    /// The offset expected next; unknown before the first message when the
    /// start is a logical one.
    next: Option<i64>,
    /// Whether the next offset is known to be no longer in the log.
    reset: bool,
    caught_up: bool,
    /// Caught up once this many messages were polled in the epoch.
    drained_at: Option<u64>,
    lag: Option<u64>,
}

/// Where a partition starts in an epoch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Start {
    pub(super) topic: String,
    pub(super) partition: i32,
    /// An offset of the log, or unknown for a logical start.
    pub(super) offset: Option<i64>,
    /// From where a reader without the checkpoint must read.
    pub(super) replay: Option<i64>,
}

/// The partitions of one epoch.
#[derive(Debug, Default)]
pub(super) struct Slots {
    list: Vec<Slot>,
    /// Messages polled in this epoch.
    polled: u64,
    /// Where the last message was found: messages come in runs.
    last: usize,
}

impl Slots {
    pub(super) fn new(starts: &[Start], names: &NameTable) -> Self {
        let slots = starts.iter().map(|start| Slot {
            id: names.id(&start.topic, start.partition),
            topic: start.topic.as_str().into(),
            partition: start.partition,
            handle: None,
            start: start.offset,
            replay: start.replay,
            next: start.offset,
            reset: false,
            caught_up: false,
            drained_at: None,
            lag: None,
        });
        Self { list: slots.collect(), polled: 0, last: 0 }
    }

    /// The partitions and where they start.
    pub(super) fn starts(&self) -> Vec<(PartitionId, Option<i64>)> {
        self.list.iter().map(|slot| (slot.id, slot.start)).collect()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Slot> {
        self.list.iter()
    }

    pub(super) fn len(&self) -> usize {
        self.list.len()
    }

    pub(super) fn caught_up(&self) -> usize {
        self.list.iter().filter(|slot| slot.caught_up).count()
    }

    /// Messages not handed over yet; `None` until it is known for each.
    pub(super) fn lag(&self) -> Option<u64> {
        self.list.iter().map(|slot| slot.lag).sum()
    }

    /// Notes a message; `None` when its partition is not in the assignment.
    #[inline]
    pub(super) fn pass<'m>(
        &mut self,
        (handle, topic): (usize, impl FnOnce() -> &'m str),
        partition: i32,
        offset: i64,
        metrics: &Metrics,
    ) -> Option<PartitionId> {
        let is_it = |slot: &Slot| slot.partition == partition && slot.handle == Some(handle);
        if !self.list.get(self.last).is_some_and(is_it) {
            self.last = self.list.iter().position(is_it).or_else(|| self.meet(handle, topic(), partition))?;
        }
        let slot = self.list.get_mut(self.last)?;
        self.polled += 1;
        if slot.next != Some(offset) {
            note_jump(slot, offset, metrics);
            slot.reset = false;
        }
        slot.next = offset.checked_add(1);
        Some(slot.id)
    }

    /// Notes that a partition's next offset is no longer in the log. How many
    /// messages are missing shows with the next one.
    pub(super) fn note_reset(&mut self, topic: &str, partition: i32) {
        let is_it = |slot: &&mut Slot| slot.partition == partition && &*slot.topic == topic;
        let Some(slot) = self.list.iter_mut().find(is_it) else { return };
        slot.reset = true;
        tracing::error!(
            topic,
            partition,
            offset = slot.next,
            "the offset to go on from is no longer in the partition's log"
        );
    }

    /// Finds the partition of a handle not met before.
    #[cold]
    fn meet(&mut self, handle: usize, topic: &str, partition: i32) -> Option<usize> {
        let index = self.list.iter().position(|slot| slot.partition == partition && &*slot.topic == topic)?;
        self.list.get_mut(index)?.handle = Some(handle);
        Some(index)
    }

    /// Takes the statistics of a partition; gives its id when it does not
    /// count as caught up any longer. `settled` is `false` while they may have
    /// been taken before the last pause, resumption or assignment.
    pub(super) fn update(&mut self, row: &PartitionStatistics, settled: bool) -> Option<PartitionId> {
        let polled = self.polled;
        let slot =
            self.list.iter_mut().find(|slot| slot.partition == row.partition && *slot.topic == *row.topic)?;
        let (Some(fetched), Some(end)) = (row.fetched, row.end) else {
            slot.drained_at = None;
            return std::mem::take(&mut slot.caught_up).then_some(slot.id);
        };
        let all_fetched = settled && row.fetching && fetched >= end;
        slot.drained_at = all_fetched.then(|| polled.saturating_add(row.queued));
        let position = slot.next.unwrap_or(fetched);
        let behind = u64::try_from(end.saturating_sub(position)).unwrap_or(0);
        slot.lag = Some(if slot.caught_up && all_fetched { 0 } else { behind });
        (!all_fetched && settled && std::mem::take(&mut slot.caught_up)).then_some(slot.id)
    }

    /// The partitions that have caught up since the last call; `queue_empty`
    /// when the last poll found nothing.
    pub(super) fn newly_caught_up(&mut self, queue_empty: bool) -> Vec<PartitionId> {
        let mut ids = Vec::new();
        for slot in &mut self.list {
            if slot.drained_at.is_some_and(|at| queue_empty || self.polled >= at) {
                slot.drained_at = None;
                slot.lag = Some(0);
                if !std::mem::replace(&mut slot.caught_up, true) {
                    ids.push(slot.id);
                }
            }
        }
        ids
    }

    /// Takes back that any partition has caught up, since nothing is read for
    /// a while; gives those of which it was said.
    pub(super) fn forget_caught_up(&mut self) -> Vec<PartitionId> {
        let mut ids = Vec::new();
        for slot in &mut self.list {
            slot.drained_at = None;
            if std::mem::take(&mut slot.caught_up) {
                ids.push(slot.id);
            }
        }
        ids
    }

    /// Shows the lag of every partition.
    pub(super) fn show_lag(&self, metrics: &Metrics) {
        for slot in &self.list {
            if let Some(lag) = slot.lag {
                let partition = slot.partition.to_string();
                let gauge = metrics.lag.with_label_values(&[&*slot.topic, partition.as_str()]);
                gauge.set(i64::try_from(lag).unwrap_or(i64::MAX));
            }
        }
    }

    /// Takes the partitions out of the metrics, since others own them now.
    pub(super) fn hide_lag(&self, metrics: &Metrics) {
        for slot in &self.list {
            let partition = slot.partition.to_string();
            // It is not there when its lag was never known.
            let _absent = metrics.lag.remove_label_values(&[&*slot.topic, partition.as_str()]);
        }
    }
}

#[cold]
fn note_jump(slot: &Slot, offset: i64, metrics: &Metrics) {
    let Some(next) = slot.next else { return };
    if offset > next {
        let skipped = offset.saturating_sub(next);
        metrics.skipped_offsets.inc_by(u64::try_from(skipped).unwrap_or(0));
        if slot.reset {
            tracing::error!(
                topic = &*slot.topic,
                partition = slot.partition,
                expected = next,
                found = offset,
                "the broker deleted {skipped} offsets before they were read: keep messages for longer"
            );
        }
    } else {
        metrics.jumps_back.inc();
        tracing::warn!(
            topic = &*slot.topic,
            partition = slot.partition,
            expected = next,
            found = offset,
            "offsets went back: the partition's log was cut off or created anew; reading on from what is there"
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn slots(offset: Option<i64>) -> (Slots, Metrics) {
        let metrics = Metrics::register(&prometheus::Registry::new()).expect("fresh registry");
        let starts =
            ["a", "b"].map(|topic| Start { topic: topic.to_owned(), partition: 0, offset, replay: offset });
        (Slots::new(&starts, &NameTable::default()), metrics)
    }

    fn row(fetched: i64, end: i64, queued: u64) -> PartitionStatistics {
        let (fetched, end) = (Some(fetched), Some(end));
        PartitionStatistics { topic: "a".to_owned(), partition: 0, fetching: true, fetched, end, queued }
    }

    const A: PartitionId = PartitionId(0);

    /// Passes a message of partition 0; each topic has a handle of its own.
    fn pass(slots: &mut Slots, topic: &str, offset: i64, metrics: &Metrics) -> Option<PartitionId> {
        slots.pass((topic.as_ptr().addr(), || topic), 0, offset, metrics)
    }

    #[test]
    fn an_empty_partition_has_caught_up_once_that_is_known() {
        let (mut slots, _) = slots(None);
        assert_eq!((slots.newly_caught_up(true), slots.lag()), (vec![], None));
        slots.update(&row(0, 0, 0), true);
        assert_eq!(slots.newly_caught_up(false), [A]);
        assert_eq!(slots.newly_caught_up(true), [], "said once");
        assert_eq!(slots.caught_up(), 1);
    }

    #[test]
    fn what_is_still_in_the_queue_is_waited_for() {
        let (mut slots, metrics) = slots(Some(0));
        slots.update(&row(2, 2, 3), true);
        assert_eq!(slots.newly_caught_up(false), []);
        for offset in 0..2 {
            assert_eq!(pass(&mut slots, "a", offset, &metrics), Some(A));
        }
        assert_eq!(slots.newly_caught_up(false), [], "one of three entries is left");
        pass(&mut slots, "b", 0, &metrics);
        assert_eq!(slots.newly_caught_up(false), [A]);
    }

    #[test]
    fn a_gap_at_the_end_does_not_hold_it_back_and_new_messages_do() {
        let (mut slots, metrics) = slots(Some(0));
        pass(&mut slots, "a", 0, &metrics);
        slots.update(&row(3, 3, 0), true);
        assert_eq!(slots.newly_caught_up(true), [A]);
        assert_eq!(slots.update(&row(3, 8, 0), true), Some(A));
        assert_eq!(slots.caught_up(), 0);
        pass(&mut slots, "a", 5, &metrics);
        assert_eq!(metrics.skipped_offsets.get(), 4);
        pass(&mut slots, "a", 2, &metrics);
        assert_eq!(metrics.jumps_back.get(), 1);
    }

    #[test]
    fn doubtful_statistics_and_lost_brokers_say_nothing() {
        let (mut slots, metrics) = slots(Some(0));
        slots.update(&row(5, 5, 0), false);
        assert_eq!(slots.newly_caught_up(true), []);
        slots.update(&row(5, 5, 0), true);
        assert_eq!(slots.newly_caught_up(true), [A]);
        let away = PartitionStatistics { fetching: false, ..row(5, 5, 0) };
        assert_eq!(slots.update(&away, true), Some(A));
        slots.update(&row(5, 5, 0), true);
        assert_eq!(slots.newly_caught_up(true), [A]);
        assert_eq!(slots.forget_caught_up(), [A]);
        assert_eq!(pass(&mut slots, "c", 0, &metrics), None);
    }
}
