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
    /// The first offset that was dealt with, likewise.
    first: Vec<Option<i64>>,
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
            self.first.resize(index + 1, None);
        }
        let Some(next) = self.next.get_mut(index) else { return };
        match next.replace(offset + 1) {
            Some(before) if before <= offset => {}
            Some(_) => self.go_back(partition, offset),
            None => {
                if let Some(first) = self.first.get_mut(index) {
                    *first = Some(offset);
                }
            }
        }
    }

    /// The partition's log was cut off or created anew: what was held beyond
    /// `offset` is not there any more.
    #[cold]
    fn go_back(&mut self, partition: PartitionId, offset: i64) {
        self.last = None;
        let holds = self.panes.values_mut().chain(self.learning.values_mut());
        for held in holds.filter_map(|offsets| offsets.get_mut(&partition)) {
            *held = (*held).min(offset);
        }
        if let Some(Some(first)) = self.first.get_mut(partition.0 as usize) {
            *first = (*first).min(offset);
        }
    }

    /// The first offset dealt with, for every partition seen.
    pub(super) fn begun(&self) -> Vec<Position> {
        let seen = (0..).map(PartitionId).zip(&self.first);
        let begun = seen.filter_map(|(partition, first)| Some((partition, (*first)?)));
        begun.map(|(partition, first)| Position { partition, next: first, replay: first }).collect()
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

    /// Panes are done with that lie at least `needed_ms` before `end`.
    pub(super) fn release_panes(&mut self, needed_ms: i64, end: i64) {
        while let Some(entry) = self.panes.first_entry() {
            if entry.key() + needed_ms > end {
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
        seen.map(|(partition, next)| Position {
            partition,
            next,
            replay: held(partition).unwrap_or(next).min(next),
        })
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
