//! What was taken, what was given out, and what may be said of it.
//!
//! Promises, with checkpoints: a point leaves only after a stored checkpoint
//! that holds it; a checkpoint may be stored only after the dead letters before
//! it are acknowledged; the group's offsets follow the stored checkpoint. What
//! a commit tells a member *without* this daemon's checkpoint is as of the last
//! one whose points are all delivered: the points of later ones exist nowhere
//! but here, and that member has to make them again.
//!
//! Without checkpoints points leave at once.

use std::{borrow::Cow, sync::Arc};

use super::{
    Core, Notices, Outbox, Position, Snapshot, Undelivered,
    commits::{Commit, CommitQueue, Mark},
};
use crate::{alert::Notification, event::PartitionId};

/// A checkpoint that was taken and is not stored yet.
#[derive(Debug)]
struct Taken {
    epoch: u64,
    mark: Mark,
    /// Number of the last notification in it.
    notices: u64,
    positions: Vec<Position>,
}

/// What a checkpoint holds.
#[derive(Debug)]
pub struct Draft<'a> {
    /// The core.
    pub core: Snapshot<'a>,
    /// Points that are not delivered, in order.
    pub outbox: Vec<Cow<'a, str>>,
    /// Notifications that some receiver does not have, in order.
    pub notifications: Vec<Undelivered<'a>>,
}

/// The books of one daemon.
#[derive(Debug)]
pub struct Ledger {
    outbox: Outbox,
    notices: Notices,
    /// Whether points and notifications wait for a checkpoint.
    holds_back: bool,
    /// Whether the outbox has all that is in the last checkpoint: not before
    /// the one found at start is taken up or given up.
    is_complete: bool,
    taken: Option<Taken>,
    fallbacks: CommitQueue,
    fallback: Option<Commit>,
    /// Whether the assignment began without a checkpoint: until something more
    /// is delivered, other members have to read from where it began.
    is_seeded: bool,
}

impl Ledger {
    /// Nothing given out yet. With `holds_back`, points wait for checkpoints.
    #[must_use]
    pub fn new(holds_back: bool) -> Self {
        Self {
            outbox: Outbox::default(),
            notices: Notices::default(),
            holds_back,
            is_complete: false,
            taken: None,
            fallbacks: CommitQueue::default(),
            fallback: None,
            is_seeded: true,
        }
    }

    /// The points that are not delivered.
    #[must_use]
    pub fn outbox(&self) -> &Outbox {
        &self.outbox
    }

    /// Takes points.
    pub fn push(&mut self, lines: Vec<Arc<str>>) {
        if !lines.is_empty() {
            let number = self.outbox.push(lines);
            if !self.holds_back {
                self.outbox.stored(number);
            }
        }
    }

    /// The notifications that some receiver does not have.
    pub fn notices(&mut self) -> &mut Notices {
        &mut self.notices
    }

    /// Takes a notification for these receivers.
    pub fn push_notice(&mut self, notification: Notification, receivers: Vec<String>) {
        self.notices.push(notification, receivers);
        if !self.holds_back {
            self.notices.stored(self.notices.last());
        }
    }

    /// The next points that may leave, each once, and the number by which
    /// [`Self::delivered`] is told of them.
    pub fn hand_on(&mut self) -> Option<(u64, Vec<Arc<str>>)> {
        self.outbox.hand_on()
    }

    /// The database has everything up to `number`.
    pub fn delivered(&mut self, number: u64) {
        self.outbox.delivered(number);
    }

    /// What has been given out, with the number of the last dead letter.
    #[must_use]
    pub fn given(&self, letter: u64) -> Mark {
        Mark { outbox: self.outbox.last(), letter }
    }

    /// What is done with, with the number of the last acknowledged dead letter.
    #[must_use]
    pub fn done(&self, letter: u64) -> Mark {
        Mark { outbox: self.outbox.delivered_up_to(), letter }
    }

    /// Whether a checkpoint was taken and is not stored yet.
    #[must_use]
    pub fn is_taken(&self) -> bool {
        self.taken.is_some()
    }

    /// Takes a checkpoint of `core` and the outbox, `letter` being the number
    /// of the last dead letter. `None` when nothing was read yet, or while
    /// messages are read again: the last one stays the one to go on from.
    pub fn take<'a>(
        &'a mut self,
        core: &'a mut Core,
        epoch: u64,
        letter: u64,
        names: &dyn Fn(PartitionId) -> Option<(String, i32)>,
    ) -> Option<Draft<'a>> {
        let positions = core.positions();
        let delivered_until = core.delivered_until();
        if self.is_seeded && self.fallback.is_none() {
            self.fallback = Some(core.begun());
        }
        let core = core.snapshot(names)?;
        if positions.is_empty() {
            return None;
        }
        let mark = self.given(letter);
        self.fallbacks.push(mark, Commit { positions: positions.clone(), delivered_until });
        self.taken = Some(Taken { epoch, mark, notices: self.notices.last(), positions });
        Some(Draft {
            core,
            outbox: self.outbox.lines().map(|line| Cow::Borrowed(&**line)).collect(),
            notifications: self.notices.undelivered().collect(),
        })
    }

    /// Whether the checkpoint that was taken may be stored: the offsets in it
    /// pass over refused messages, which must be in safety first.
    #[must_use]
    pub fn may_store(&self, letter: u64) -> bool {
        self.taken.as_ref().is_some_and(|taken| taken.mark.letter <= letter)
    }

    /// Whether the checkpoint that was taken is of this assignment. One of an
    /// older assignment is whole and may stay on the disk, but neither the
    /// points in the outbox nor what is read now follow from it.
    #[must_use]
    pub fn is_of(&self, epoch: u64) -> bool {
        self.taken.as_ref().is_some_and(|taken| taken.epoch == epoch)
    }

    /// The checkpoint that was taken is stored. Gives what to commit, once that
    /// can be said.
    pub fn stored(&mut self) -> Option<Commit> {
        let taken = self.taken.take()?;
        self.outbox.stored(taken.mark.outbox);
        self.notices.stored(taken.notices);
        let fallback = self.fallback.as_ref()?;
        let with_fallback = |position: &Position| {
            let known = fallback.positions.iter().find(|known| known.partition == position.partition)?;
            Some(Position { replay: known.replay, ..*position })
        };
        // A partition that came later is committed with the next checkpoint.
        let positions = taken.positions.iter().filter_map(with_fallback).collect();
        Some(Commit { positions, delivered_until: fallback.delivered_until })
    }

    /// The checkpoint that was taken will not be stored.
    pub fn discard(&mut self) {
        self.taken = None;
    }

    /// Takes note of what is done with.
    pub fn settle(&mut self, letter: u64) {
        if let Some(fallback) = self.fallbacks.take_ready(self.done(letter)) {
            self.fallback = Some(fallback);
        }
    }

    /// A new assignment begins with a checkpoint, which holds these points and
    /// notifications. What was handed on must have been withdrawn.
    pub fn restore(&mut self, outbox: &[Cow<'_, str>], notifications: &[Undelivered<'_>]) {
        self.forget_marks();
        self.is_seeded = false;
        if std::mem::replace(&mut self.is_complete, true) {
            self.outbox.forget_unstored();
            self.notices.forget_unstored();
        } else {
            if !outbox.is_empty() {
                let number = self.outbox.push(outbox.iter().map(|line| Arc::from(&**line)).collect());
                self.outbox.stored(number);
            }
            self.notices.restore(notifications);
        }
        self.outbox.begin_again();
        self.notices.begin_again();
    }

    /// A new assignment begins without a checkpoint, or is empty: whoever reads
    /// now makes again what is not delivered. What was handed on must have been
    /// withdrawn.
    pub fn restart(&mut self, is_empty: bool) {
        self.forget_marks();
        self.is_seeded = true;
        if self.holds_back && is_empty {
            // The last checkpoint may still be the one to go on from.
            self.outbox.forget_unstored();
            self.outbox.hold();
            self.notices.forget_unstored();
            self.notices.hold();
        } else {
            self.outbox.clear();
            self.notices.clear();
            self.is_complete = true;
        }
    }

    fn forget_marks(&mut self) {
        self.fallbacks.clear();
        self.fallback = None;
    }
}
