//! What a commit says, and where an assignment starts.
//!
//! The group's committed offsets are what everybody can read: the next member,
//! lag tools, an operator. Whoever keeps a checkpoint of its own knows better
//! where to go on, so it is asked: a [`StartPlan`] is shown what the group
//! committed and answers with the offsets to start from.

use std::fmt;

use crate::event::EventTime;
pub use crate::pipeline::Position;

/// Names a checkpoint: who wrote it, and which of its checkpoints it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CheckpointId {
    /// Number that an instance gave itself.
    pub instance: u64,
    /// Grows with every checkpoint of the instance.
    pub sequence: u64,
}

impl fmt::Display for CheckpointId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}/{}", self.instance, self.sequence)
    }
}

/// What a commit says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Commit {
    /// Partitions whose position is known.
    pub positions: Vec<Position>,
    /// End of the last window that will not be written again.
    pub delivered_until: Option<EventTime>,
    /// The checkpoint that holds what lies between `replay` and `next`.
    pub checkpoint: Option<CheckpointId>,
}

/// What the group has committed for a partition.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Committed {
    /// Topic name.
    pub topic: String,
    /// Partition number within the topic.
    pub partition: i32,
    /// The committed offset, if there is one.
    pub offset: Option<i64>,
    /// Where a reader without the checkpoint must begin, if it is said.
    pub replay: Option<i64>,
    /// End of the last window that was delivered when this was committed.
    pub delivered_until: Option<EventTime>,
    /// The checkpoint that goes with the committed offset.
    pub checkpoint: Option<CheckpointId>,
}

/// Where an assignment starts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Resume {
    /// The first offset to read of each partition, in the order asked;
    /// `None`, negative or missing when no position is known.
    pub starts: Vec<Option<i64>>,
    /// End of the last window that will not be written again.
    pub delivered_until: Option<EventTime>,
    /// The checkpoint that the starts come from.
    pub checkpoint: Option<CheckpointId>,
}

/// Decides where an assignment starts.
///
/// Called on the consumer's thread while the group waits for it: an answer
/// must come soon, and no broker may be asked for it.
pub trait StartPlan: Send + Sync + fmt::Debug {
    /// Where to go on, given what the group committed for every partition
    /// that is to be read.
    fn resume(&self, committed: &[Committed]) -> Resume;
}

/// The plan of a reader without checkpoints: open windows are read again from
/// their beginning.
#[derive(Debug, Clone, Copy, Default)]
pub struct ReplayPlan;

impl StartPlan for ReplayPlan {
    /// Of different words about what was delivered, the least counts. They
    /// differ when they were committed by members with different progress. A
    /// window after the least one may have been delivered without the messages
    /// of the partition that holds the least, and those are still to be read:
    /// taking a greater one would drop them as late. The price is that some
    /// windows may be written again. A partition without a word has delivered
    /// nothing yet, and says nothing about what others did.
    fn resume(&self, committed: &[Committed]) -> Resume {
        Resume {
            starts: committed.iter().map(|one| one.replay.or(one.offset)).collect(),
            delivered_until: committed.iter().filter_map(|one| one.delivered_until).min(),
            checkpoint: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_a_checkpoint_the_replay_offset_counts_and_the_oldest_word() {
        let of = |offset, replay, until: Option<i64>| Committed {
            topic: "t".to_owned(),
            offset,
            replay,
            delivered_until: until.map(EventTime),
            checkpoint: Some(CheckpointId { instance: 1, sequence: 1 }),
            ..Committed::default()
        };
        let committed = [of(Some(9), Some(4), Some(120)), of(Some(7), None, Some(60)), of(None, None, None)];
        let resume = Resume {
            starts: vec![Some(4), Some(7), None],
            delivered_until: Some(EventTime(60)),
            checkpoint: None,
        };
        assert_eq!(ReplayPlan.resume(&committed), resume);
    }

    #[test]
    fn a_checkpoint_is_shown_by_its_instance_and_number() {
        let id = CheckpointId { instance: 0xab, sequence: 12 };
        assert_eq!(id.to_string(), "00000000000000ab/12");
    }
}
