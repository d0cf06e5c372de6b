//! Which topic and partition a [`PartitionId`] stands for.

use std::sync::{Arc, Mutex, PoisonError};

use crate::event::PartitionId;

/// A topic's partition.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TopicPartition {
    /// Topic name.
    pub topic: Arc<str>,
    /// Partition number within the topic.
    pub partition: i32,
}

/// The partitions met so far; the index is [`PartitionId`]. Numbers are never
/// used for another partition, so that an older list is only shorter.
#[derive(Debug, Clone, Default)]
pub struct PartitionNames {
    list: Arc<Vec<TopicPartition>>,
}

impl PartitionNames {
    /// What `id` stands for; `None` for a number that was not handed out
    /// before this list was taken.
    #[must_use]
    pub fn get(&self, id: PartitionId) -> Option<&TopicPartition> {
        self.list.get(usize::try_from(id.0).ok()?)
    }

    /// How many partitions were met.
    #[must_use]
    pub fn len(&self) -> usize {
        self.list.len()
    }

    /// Whether no partition was met yet.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }
}

/// Hands out the numbers.
#[derive(Debug, Default)]
pub(super) struct NameTable {
    names: Mutex<PartitionNames>,
}

impl NameTable {
    /// The list as it is now; costs one lock and one reference count.
    pub(super) fn snapshot(&self) -> PartitionNames {
        self.names.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The number of a partition, a new one at the first meeting.
    pub(super) fn id(&self, topic: &str, partition: i32) -> PartitionId {
        let mut names = self.names.lock().unwrap_or_else(PoisonError::into_inner);
        let known = names.list.iter().position(|name| name.partition == partition && &*name.topic == topic);
        let index = known.unwrap_or_else(|| {
            let list = Arc::make_mut(&mut names.list);
            list.push(TopicPartition { topic: topic.into(), partition });
            list.len() - 1
        });
        // A cluster has fewer than 2^32 partitions by orders of magnitude.
        PartitionId(u32::try_from(index).unwrap_or(u32::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_dense_and_stay() {
        let table = NameTable::default();
        let first = table.id("a", 0);
        let before = table.snapshot();
        assert_eq!(
            (first, table.id("a", 1), table.id("b", 0)),
            (PartitionId(0), PartitionId(1), PartitionId(2))
        );
        assert_eq!(table.id("a", 0), first);
        assert_eq!(before.len(), 1);
        let name = table.snapshot().get(PartitionId(2)).cloned().expect("handed out above");
        assert_eq!((&*name.topic, name.partition), ("b", 0));
        assert!(before.get(PartitionId(2)).is_none());
    }
}
