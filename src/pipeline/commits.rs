//! Which offsets may be committed, and when.
//!
//! Promise: offsets are committed only after everything that was given out up
//! to the moment at which they were read from the core is on its servers. A
//! crash at any point therefore reads again what was not delivered, and
//! nothing else is lost.

use std::collections::VecDeque;

use super::Position;
use crate::event::EventTime;

/// Commits that wait for their deliveries, at most. Beyond that a newer one
/// takes the place of the last: it waits longer and says more.
const MAX_PENDING: usize = 8;

/// How far the outside world has to be before a commit is right.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Mark {
    /// The outbox's number of the last results.
    pub outbox: u64,
    /// Number of the last dead letter.
    pub letter: u64,
}

impl Mark {
    /// Whether everything up to this mark is done when `done` is.
    #[must_use]
    pub fn is_reached(self, done: Self) -> bool {
        self.outbox <= done.outbox && self.letter <= done.letter
    }
}

/// What a commit says.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Commit {
    /// Offsets to go on from.
    pub positions: Vec<Position>,
    /// End of the last window that will not be written again.
    pub delivered_until: Option<EventTime>,
}

/// Commits in the order in which they were read from the core.
#[derive(Debug, Default)]
pub struct CommitQueue {
    pending: VecDeque<(Mark, Commit)>,
    latest: Commit,
}

impl CommitQueue {
    /// Lets the next commit through even if it says nothing new: the last one
    /// may have failed.
    pub fn repeat(&mut self) {
        self.latest = Commit::default();
    }

    /// Adds a commit that waits for `mark`, unless it says nothing new.
    pub fn push(&mut self, mark: Mark, commit: Commit) {
        if commit == self.latest {
            return;
        }
        self.latest.clone_from(&commit);
        if self.pending.len() >= MAX_PENDING {
            self.pending.pop_back();
        }
        self.pending.push_back((mark, commit));
    }

    /// The newest commit for which everything is done; older ones are dropped
    /// with it, since it says what they say.
    pub fn take_ready(&mut self, done: Mark) -> Option<Commit> {
        let is_ready = |(mark, _): &(Mark, Commit)| mark.is_reached(done);
        let mut ready = None;
        while self.pending.front().is_some_and(is_ready) {
            ready = self.pending.pop_front();
        }
        ready.map(|(_, commit)| commit)
    }

    /// Forgets everything: the partitions belong to a new assignment.
    pub fn clear(&mut self) {
        self.pending.clear();
        self.repeat();
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::event::PartitionId;

    fn commit(offset: i64) -> Commit {
        let position = Position { partition: PartitionId(0), next: offset, replay: offset };
        Commit { positions: vec![position], delivered_until: None }
    }

    fn mark(outbox: u64, letter: u64) -> Mark {
        Mark { outbox, letter }
    }

    #[test]
    fn a_commit_waits_for_results_and_dead_letters() {
        let mut queue = CommitQueue::default();
        queue.push(mark(1, 0), commit(10));
        queue.push(mark(2, 5), commit(20));
        assert_eq!(queue.take_ready(mark(0, 9)), None);
        assert_eq!(queue.take_ready(mark(2, 4)), Some(commit(10)));
        assert_eq!(queue.take_ready(mark(2, 4)), None);
        assert_eq!(queue.take_ready(mark(2, 5)), Some(commit(20)));
    }

    #[test]
    fn nothing_new_is_not_committed_again_unless_asked_for() {
        let mut queue = CommitQueue::default();
        queue.push(mark(0, 0), commit(10));
        assert_eq!(queue.take_ready(mark(0, 0)), Some(commit(10)));
        queue.push(mark(0, 0), commit(10));
        assert_eq!(queue.take_ready(mark(0, 0)), None);
        queue.repeat();
        queue.push(mark(0, 0), commit(10));
        assert_eq!(queue.take_ready(mark(0, 0)), Some(commit(10)));
    }

    proptest! {
        /// Whatever is pushed and delivered in whatever order: no commit comes
        /// before its deliveries, offsets never go back, and once all is
        /// delivered the last commit has come.
        #[test]
        fn no_commit_runs_ahead(steps in prop::collection::vec((0u64..3, 0u64..3, 0u64..4, 0u64..4), 1..60)) {
            let mut queue = CommitQueue::default();
            let (mut given, mut done) = (Mark::default(), Mark::default());
            let mut marks = Vec::new();
            let mut committed = -1;
            for (offset, (results, letters, more_done, more_letters)) in (0..).zip(steps) {
                given = mark(given.outbox + results, given.letter + letters);
                queue.push(given, commit(offset));
                marks.push(given);
                done.outbox = (done.outbox + more_done).min(given.outbox);
                done.letter = (done.letter + more_letters).min(given.letter);
                if let Some(ready) = queue.take_ready(done) {
                    let offset = ready.positions[0].next;
                    prop_assert!(marks[usize::try_from(offset).unwrap()].is_reached(done));
                    prop_assert!(offset > committed);
                    committed = offset;
                }
                prop_assert!(queue.pending.len() <= MAX_PENDING);
            }
            if let Some(ready) = queue.take_ready(given) {
                committed = ready.positions[0].next;
            }
            prop_assert_eq!(usize::try_from(committed).unwrap() + 1, marks.len());
        }
    }
}
