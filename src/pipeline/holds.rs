//! Which offsets are still needed.
//!
//! What is in memory is lost with the process, so Kafka's committed offset
//! must not pass the first event of any window that is still open: after a
//! restart everything that is open is read again. A hold is that first offset
//! per pane and partition.

use std::collections::BTreeMap;

use crate::event::PartitionId;

/// Where the reading of a partition stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Position {
    /// The partition.
    pub partition: PartitionId,
    /// Offset of the first message that was not taken yet.
    pub next: i64,
    /// Offset from which on everything must be read again when memory is lost:
    /// the first message that an open window or a reference being learned
    /// holds, or `next`.
    pub replay: i64,
}

/// Offsets that open panes, and references being learned, still need.
#[derive(Debug, Clone, Default)]
pub(super) struct Holds {
    /// By partition number, which is small and dense.
    next: Vec<Option<i64>>,
    panes: BTreeMap<i64, BTreeMap<PartitionId, i64>>,
    learning: BTreeMap<usize, BTreeMap<PartitionId, i64>>,
    last: Option<(i64, PartitionId)>,
}

impl Holds {
    /// The message at `offset` was dealt with.
    #[inline]
    pub(super) fn pass(&mut self, partition: PartitionId, offset: i64) {
        let index = partition.0 as usize;
        if index >= self.next.len() {
            self.next.resize(index + 1, None);
        }
        if let Some(next) = self.next.get_mut(index) {
            *next = Some(offset + 1);
        }
    }

    /// The message at `offset` went into the pane starting at `pane`.
    #[inline]
    pub(super) fn hold_pane(&mut self, pane: i64, partition: PartitionId, offset: i64) {
        if self.last == Some((pane, partition)) {
            return;
        }
        self.last = Some((pane, partition));
        self.panes.entry(pane).or_default().entry(partition).or_insert(offset);
    }

    /// The message at `offset` went into the reference of `model`.
    pub(super) fn hold_learning(&mut self, model: usize, partition: PartitionId, offset: i64) {
        self.learning.entry(model).or_default().entry(partition).or_insert(offset);
    }

    /// Panes whose windows all end at or before `end` are done with.
    pub(super) fn release_panes(&mut self, size_ms: i64, end: i64) {
        while let Some(entry) = self.panes.first_entry() {
            if entry.key() + size_ms > end {
                break;
            }
            entry.remove();
            self.last = None;
        }
    }

    /// The reference of `model` is complete.
    pub(super) fn release_learning(&mut self, model: usize) {
        self.learning.remove(&model);
    }

    /// Where every partition seen stands.
    pub(super) fn positions(&self) -> Vec<Position> {
        let held = |partition: PartitionId| {
            let holds = self.panes.values().chain(self.learning.values());
            holds.filter_map(|offsets| offsets.get(&partition)).min().copied()
        };
        let seen = (0..)
            .map(PartitionId)
            .zip(&self.next)
            .filter_map(|(partition, next)| Some((partition, (*next)?)));
        seen.map(|(partition, next)| Position { partition, next, replay: held(partition).unwrap_or(next) })
            .collect()
    }

    /// The holds of open panes.
    pub(super) fn panes(&self) -> impl Iterator<Item = (i64, &BTreeMap<PartitionId, i64>)> {
        self.panes.iter().map(|(pane, offsets)| (*pane, offsets))
    }

    /// Takes the holds of a snapshot.
    pub(super) fn restore(&mut self, pane: i64, partition: PartitionId, offset: i64) {
        self.panes.entry(pane).or_default().insert(partition, offset);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_open_pane_decides() {
        let (a, b) = (PartitionId(0), PartitionId(1));
        let mut holds = Holds::default();
        for (offset, pane) in [(5, 0), (6, 60), (7, 0), (8, 120)] {
            holds.hold_pane(pane, a, offset);
            holds.pass(a, offset);
        }
        holds.pass(b, 3);
        let replays = |holds: &Holds| holds.positions().iter().map(|at| at.replay).collect::<Vec<_>>();
        assert_eq!(replays(&holds), [5, 4]);
        holds.release_panes(60, 60);
        assert_eq!(replays(&holds), [6, 4]);
        holds.hold_learning(0, b, 2);
        holds.release_panes(60, 1_000);
        assert_eq!(replays(&holds), [9, 2]);
        holds.release_learning(0);
        let at = |partition, next| Position { partition, next, replay: next };
        assert_eq!(holds.positions(), [at(a, 9), at(b, 4)]);
    }
}
