//! How the thread ends.

use std::time::{Duration, Instant};

use super::{BLOCKED_PAUSE, Parts, Runner};
use crate::{
    pipeline::{
        Commit,
        daemon::{DaemonError, checkpoints::Checkpoints},
    },
    source::{self, SourceError},
};

/// Even past the deadline the consumer gets this long, to leave its group.
const MIN_CLOSE: Duration = Duration::from_millis(500);

impl Runner {
    /// Stores a last checkpoint, so that its points may leave.
    fn store_finally(&mut self, by: Instant) {
        loop {
            let Some(checkpoints) = &mut self.parts.checkpoints else { return };
            // One that was under way may lack the last points.
            checkpoints.force();
            self.settle();
            let under_way = self.parts.checkpoints.as_ref().is_some_and(Checkpoints::is_under_way);
            let ledger = &mut self.parts.delivery.ledger;
            let held_back = ledger.outbox().held_back() > 0 || ledger.notices().are_held_back();
            if !(under_way || held_back && self.may_commit()) || Instant::now() >= by {
                return;
            }
            std::thread::sleep(BLOCKED_PAUSE);
        }
    }

    /// The consumer ended without being asked to.
    pub(super) fn source_ended(self, reason: Option<SourceError>) -> Result<(), DaemonError> {
        self.parts.status.set_stopping();
        let error = reason.map_or(DaemonError::SourceGone, DaemonError::Source);
        tracing::error!(%error, "the consumer ended; the daemon ends too");
        self.warn_of_unexplained();
        let Parts { mut delivery, runtime, close_timeout, .. } = self.parts;
        let deadline = Instant::now() + close_timeout;
        delivery.tell_finally(&runtime, deadline);
        delivery.close(&runtime, deadline);
        Err(error)
    }

    /// Delivers what was given out, commits it and closes the consumer.
    pub(super) fn drain(mut self, deadline: Instant) -> Result<(), DaemonError> {
        self.parts.status.set_stopping();
        self.report_components();
        // The consumer gets a part of the time: closing it is what makes the
        // group go on without waiting for a session timeout.
        let remaining = deadline.saturating_duration_since(Instant::now());
        let for_delivery = remaining.saturating_sub(self.parts.close_timeout.min(remaining / 3));
        let deliver_by = Instant::now() + for_delivery;
        self.parts.references.retry();
        while self.parts.delivery.has_unsent_letters() && Instant::now() < deliver_by {
            self.send_letters();
            std::thread::sleep(BLOCKED_PAUSE);
        }
        self.finish_explanations(Instant::now() + for_delivery / 2);
        self.commits.repeat();
        self.queue_commit();
        self.store_finally(deliver_by);
        let runtime = self.parts.runtime.clone();
        let told = self.parts.delivery.told();
        self.parts.delivery.tell_finally(&runtime, deliver_by);
        if self.parts.delivery.told() != told {
            // So that nobody is told again.
            self.store_finally(deliver_by);
        }
        self.settle();
        let given = self.parts.delivery.given();
        let Parts { source, delivery, runtime, close_timeout, .. } = self.parts;
        let left = delivery.close(&runtime, deliver_by);
        if left.is_nothing()
            && let Some(commit) = self.commits.take_ready(given)
        {
            let Commit { positions, delivered_until } = commit;
            source.commit(self.epoch, source::Commit { positions, delivered_until, checkpoint: None });
        }
        let remaining = deadline.saturating_duration_since(Instant::now());
        let closed = source.stop(remaining.min(close_timeout).max(MIN_CLOSE));
        if !left.is_nothing() {
            return Err(DaemonError::Undelivered { points: left.points, letters: left.letters });
        }
        closed.map_err(DaemonError::Source)
    }
}
