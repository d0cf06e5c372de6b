//! Where reading goes on after an assignment.
//!
//! The last stored checkpoint decides when the group's last commit was made by
//! this daemon; when another member made it, that member has read on and
//! delivered since, and its commit says from where to read without its memory.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use crate::{
    pipeline::PartitionState,
    source::{CheckpointId, Committed, ReplayPlan, Resume, StartPlan},
};

/// A checkpoint that is on the disk.
#[derive(Debug, Clone)]
pub struct Stored {
    /// Its name.
    pub id: CheckpointId,
    /// What was written.
    pub bytes: Arc<Vec<u8>>,
    /// Where each partition stands.
    pub partitions: Vec<PartitionState>,
    /// Whether some model's windows begin anew from it, so that reading has to
    /// begin at the partitions' `replay` instead of `next`.
    pub replay: bool,
}

#[derive(Debug, Default)]
struct State {
    last: Option<Stored>,
    /// Those that assignments begin with which were not taken up yet, the
    /// newest last, and the one that was taken up last.
    chosen: VecDeque<Stored>,
}

/// The plan of a daemon with checkpoints.
#[derive(Debug)]
pub struct CheckpointPlan {
    instance: u64,
    state: Mutex<State>,
}

impl CheckpointPlan {
    /// No checkpoint yet.
    #[must_use]
    pub fn new(instance: u64) -> Self {
        Self { instance, state: Mutex::default() }
    }

    /// A newer checkpoint is stored.
    pub fn set_last(&self, stored: Stored) {
        self.state().last = Some(stored);
    }

    /// The checkpoint of this name, which an assignment begins with. Those of
    /// assignments before it are forgotten.
    #[must_use]
    pub fn take_up(&self, id: CheckpointId) -> Option<Stored> {
        let chosen = &mut self.state().chosen;
        let place = chosen.iter().position(|chosen| chosen.id == id)?;
        chosen.drain(..place);
        chosen.front().cloned()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl StartPlan for CheckpointPlan {
    fn resume(&self, committed: &[Committed]) -> Resume {
        let mut state = self.state();
        let known: Vec<_> = committed.iter().filter(|one| one.offset.is_some()).collect();
        let is_ours = |one: &&Committed| one.checkpoint.is_some_and(|id| id.instance == self.instance);
        let usable = !known.is_empty() && known.iter().all(is_ours);
        let Some(chosen) = state.last.clone().filter(|_| usable) else {
            if let Some(Stored { id, .. }) = &state.last {
                let reason = if known.is_empty() {
                    "the group has committed nothing"
                } else {
                    "another member of the group has read on"
                };
                tracing::info!(sequence = id.sequence, reason, "the last checkpoint is not used");
            }
            return ReplayPlan.resume(committed);
        };
        let start = |one: &Committed| {
            let is_it =
                |state: &&PartitionState| state.partition == one.partition && state.topic == one.topic;
            let known = chosen.partitions.iter().find(is_it);
            let offset = known.map(|state| if chosen.replay { state.replay } else { state.next });
            offset.or(one.replay).or(one.offset)
        };
        let starts = committed.iter().map(start).collect();
        let resume = Resume { starts, delivered_until: None, checkpoint: Some(chosen.id) };
        if state.chosen.back().is_none_or(|newest| newest.id != chosen.id) {
            state.chosen.push_back(chosen);
        }
        resume
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(replay: bool) -> CheckpointPlan {
        let plan = CheckpointPlan::new(7);
        let state = |partition, next, replay| PartitionState::new("events", partition, next, replay);
        plan.set_last(Stored {
            id: CheckpointId { instance: 7, sequence: 3 },
            bytes: Arc::default(),
            partitions: vec![state(0, 50, 20), state(1, 60, 60)],
            replay,
        });
        plan
    }

    fn committed(partition: i32, offset: Option<i64>, instance: Option<u64>) -> Committed {
        Committed {
            topic: "events".to_owned(),
            partition,
            offset,
            replay: offset.map(|offset| offset - 1),
            delivered_until: None,
            checkpoint: instance.map(|instance| CheckpointId { instance, sequence: 3 }),
        }
    }

    #[test]
    fn our_own_checkpoint_decides_over_our_own_commits() {
        let own =
            [committed(0, Some(40), Some(7)), committed(1, Some(55), Some(7)), committed(2, None, None)];
        let resumed = plan(false).resume(&own);
        assert_eq!(resumed.starts, [Some(50), Some(60), None], "an unknown partition starts as configured");
        assert_eq!(resumed.checkpoint.map(|id| id.sequence), Some(3));
        let plan = plan(true);
        assert_eq!(plan.resume(&own).starts, [Some(20), Some(60), None]);
        let id = CheckpointId { instance: 7, sequence: 3 };
        assert!(plan.take_up(id).is_some());
        assert!(plan.take_up(CheckpointId { sequence: 4, ..id }).is_none());
    }

    #[test]
    fn what_another_member_committed_last_makes_ours_worthless() {
        for other in [Some(8), None] {
            let mixed = [committed(0, Some(40), Some(7)), committed(1, Some(55), other)];
            let resumed = plan(false).resume(&mixed);
            assert_eq!((resumed.starts, resumed.checkpoint), (vec![Some(39), Some(54)], None));
        }
    }

    #[test]
    fn without_a_commit_nothing_was_delivered_and_reading_begins_as_configured() {
        let none = [committed(0, None, None)];
        let resumed = plan(false).resume(&none);
        assert_eq!((resumed.starts, resumed.checkpoint), (vec![None], None));
    }
}
