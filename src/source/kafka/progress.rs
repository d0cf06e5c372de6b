//! What the commits of an epoch say.

use std::collections::BTreeMap;

use rdkafka::{Offset, TopicPartitionList};

use super::{
    metadata::{self, Notes},
    plan::{CheckpointId, Commit, Position},
    slots::Slots,
};
use crate::event::{EventTime, PartitionId};

/// The latest word about every partition.
#[derive(Debug, Default)]
pub(super) struct Progress {
    positions: BTreeMap<PartitionId, Position>,
    delivered_until: Option<EventTime>,
    checkpoint: Option<CheckpointId>,
}

impl Progress {
    /// Nothing is committed yet in an epoch before which windows were
    /// delivered `until`.
    pub(super) fn new(until: Option<EventTime>) -> Self {
        Self { delivered_until: until, ..Self::default() }
    }

    /// Whether nothing was committed.
    pub(super) fn is_empty(&self) -> bool {
        self.positions.is_empty()
    }

    pub(super) fn take(&mut self, commit: &Commit) {
        self.positions.extend(commit.positions.iter().map(|position| (position.partition, *position)));
        // Never back: right after a start nothing is known yet, which must not
        // wipe out what was committed before.
        self.delivered_until = self.delivered_until.max(commit.delivered_until);
        self.checkpoint = commit.checkpoint;
    }

    /// The offsets and notes of every partition whose position is known, also
    /// of those that gave no message in this epoch: what was delivered holds
    /// for all of them, and the oldest word about it counts at the next start.
    pub(super) fn list(&self, slots: &Slots) -> TopicPartitionList {
        let (delivered_until, checkpoint) = (self.delivered_until, self.checkpoint);
        let mut list = TopicPartitionList::with_capacity(slots.len());
        for slot in slots.iter() {
            let committed = self.positions.get(&slot.id);
            let offset = committed.map(|position| position.next).or(slot.start);
            let replay = committed.map(|position| position.replay).or(slot.replay);
            // Negative offsets are not positions.
            let Some(offset) = offset.filter(|offset| *offset >= 0) else { continue };
            let replay = replay.map(|replay| replay.clamp(0, offset));
            let mut element = list.add_partition(&slot.topic, slot.partition);
            if element.set_offset(Offset::Offset(offset)).is_ok() {
                element.set_metadata(metadata::encode(Notes { replay, delivered_until, checkpoint }));
            }
        }
        list
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::{names::NameTable, slots::Start},
        *,
    };

    #[test]
    fn quiet_partitions_keep_their_position_and_their_replay_offset() {
        let start = |partition, offset, replay| Start { topic: "t".to_owned(), partition, offset, replay };
        let starts = [start(0, Some(5), Some(2)), start(1, Some(9), Some(4)), start(2, None, None)];
        let slots = Slots::new(&starts, &NameTable::default());
        let mut progress = Progress::new(Some(EventTime(60)));
        let position = Position { partition: PartitionId(0), next: 8, replay: 6 };
        let checkpoint = Some(CheckpointId { instance: 1, sequence: 3 });
        progress.take(&Commit { positions: vec![position], delivered_until: None, checkpoint });
        let list = progress.list(&slots);
        let said: Vec<_> = list
            .elements()
            .iter()
            .map(|one| (one.partition(), one.offset(), one.metadata().to_owned()))
            .collect();
        let text = |replay| format!("driftline/2 replay={replay} until=60 by=0000000000000001 seq=3");
        assert_eq!(said, [(0, Offset::Offset(8), text(6)), (1, Offset::Offset(9), text(4))]);
    }

    #[test]
    fn the_end_of_the_delivered_windows_never_goes_back_and_a_replay_never_ahead() {
        let starts = [Start { topic: "t".to_owned(), partition: 0, offset: None, replay: None }];
        let slots = Slots::new(&starts, &NameTable::default());
        let mut progress = Progress::new(None);
        for until in [90, 60] {
            let position = Position { partition: PartitionId(0), next: 8, replay: 10 };
            let delivered_until = Some(EventTime(until));
            progress.take(&Commit { positions: vec![position], delivered_until, checkpoint: None });
        }
        let list = progress.list(&slots);
        assert_eq!(list.elements()[0].metadata(), "driftline/2 replay=8 until=90");
    }
}
