//! Which messages were counted before a restart and are read again, for whatever
//! begins anew.

use crate::event::{Message, PartitionId};

/// Per partition, messages before an offset. Empty when there are none.
#[derive(Debug, Default)]
pub(super) struct ReadAgain(Vec<i64>);

impl ReadAgain {
    /// Messages of `partition` before `next` will be read again.
    pub(super) fn note(&mut self, partition: PartitionId, next: i64) {
        let index = partition.0 as usize;
        if index >= self.0.len() {
            self.0.resize(index + 1, i64::MIN);
        }
        if let Some(until) = self.0.get_mut(index) {
            *until = next;
        }
    }

    /// Whether a message was counted before the restart.
    #[inline]
    pub(super) fn has(&self, message: &Message<'_>) -> bool {
        self.0.get(message.partition.0 as usize).is_some_and(|until| message.offset < *until)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// `partition` was read up to before `next`; `true` when that was the last of all.
    #[inline]
    pub(super) fn pass(&mut self, partition: PartitionId, next: i64) -> bool {
        let Some(until) = self.0.get_mut(partition.0 as usize).filter(|until| next >= **until) else {
            return false;
        };
        *until = i64::MIN;
        let is_over = self.0.iter().all(|until| *until == i64::MIN);
        if is_over {
            self.0.clear();
        }
        is_over
    }

    pub(super) fn clear(&mut self) {
        self.0.clear();
    }
}
