//! The task that delivers: which points go into a request, and what follows
//! from its answer.

use std::{sync::Arc, time::Duration};

use tokio::time::{Instant, sleep_until};

use super::{
    InfluxSettings, Pacing, SinkStatus,
    answer::{Again, Answer, Reason, Refusal},
    endpoint::Endpoint,
    metrics::{Metrics, Outcome},
    queue::Queue,
};
use crate::client::cut;

/// Characters of a refused point that are logged.
const LOGGED_POINT: usize = 200;

/// Delivers one queue to one server, one request at a time.
#[derive(Debug)]
pub(super) struct Worker {
    queue: Arc<Queue>,
    endpoint: Endpoint,
    metrics: Metrics,
    pacing: Pacing,
    batch_points: usize,
    flush_interval: Duration,
    /// Sizes of the pieces that the batch under way is cut into; the last one
    /// is at the head of the queue and goes next.
    pieces: Vec<usize>,
    /// Withdrawals before the batch was begun; after another one its pieces are
    /// not in the queue any more.
    withdrawals: u64,
    /// Whether the server took a point since the batch was begun.
    accepted: bool,
    /// Points of the batch that were given up.
    given_up: usize,
    /// Failed attempts in a row.
    failures: u32,
    /// Whether the pause that closing cuts short has been.
    hurried: bool,
}

impl Worker {
    pub(super) fn new(
        settings: &InfluxSettings,
        pacing: Pacing,
        endpoint: Endpoint,
        queue: Arc<Queue>,
        metrics: Metrics,
    ) -> Self {
        Self {
            queue,
            endpoint,
            metrics,
            pacing,
            batch_points: settings.batch_points.max(1),
            flush_interval: settings.flush_interval,
            pieces: Vec::new(),
            withdrawals: 0,
            accepted: false,
            given_up: 0,
            failures: 0,
            hurried: false,
        }
    }

    /// Delivers until the queue is closed and empty.
    pub(super) async fn run(mut self) {
        while let Some(size) = self.next_piece().await {
            let lines = self.queue.peek(0, size);
            if lines.is_empty() {
                // Withdrawn since.
                self.pieces.clear();
                continue;
            }
            match self.send(&lines).await {
                Answer::Written => self.written(lines.len()),
                Answer::TooLarge if lines.len() > 1 => self.halve(lines.len()),
                Answer::TooLarge => {
                    self.give_up(&lines, Outcome::TooLarge, "one point is too large for the server");
                }
                Answer::Refused(refusal) => self.refused(&lines, &refusal).await,
                Answer::Again(again) => self.pause(&again).await,
            }
        }
    }

    /// The size of what is to be sent next; `None` at the end.
    async fn next_piece(&mut self) -> Option<usize> {
        loop {
            let withdrawals = self.queue.withdrawals();
            if std::mem::replace(&mut self.withdrawals, withdrawals) != withdrawals {
                self.pieces.clear();
            }
            if let Some(&size) = self.pieces.last() {
                return Some(size);
            }
            self.finish_batch();
            let outlook = self.queue.outlook();
            let Some(since) = outlook.since else {
                if outlook.closing {
                    return None;
                }
                self.queue.changed().await;
                continue;
            };
            // A flush interval beyond the clock's range never ends by itself.
            let due = since.checked_add(self.flush_interval);
            let is_due = due.is_some_and(|due| due <= Instant::now());
            if outlook.closing || is_due || outlook.points >= self.batch_points {
                self.pieces.push(outlook.points.min(self.batch_points));
                self.accepted = false;
            } else {
                self.changed_or(due).await;
            }
        }
    }

    async fn changed_or(&self, due: Option<Instant>) {
        match due {
            Some(due) => {
                tokio::select! {
                    () = self.queue.changed() => {}
                    () = sleep_until(due) => {}
                }
            }
            None => self.queue.changed().await,
        }
    }

    fn finish_batch(&mut self) {
        if self.given_up > 1 {
            tracing::error!(
                points = self.given_up,
                "influxdb refused several points of one batch, they are lost"
            );
        }
        self.given_up = 0;
    }

    async fn send(&self, lines: &[Arc<str>]) -> Answer {
        let body = self.endpoint.body(lines);
        self.metrics.sent(body.bytes.len());
        let start = Instant::now();
        let answer = self.endpoint.write(body).await;
        self.metrics.answered(start.elapsed().as_secs_f64());
        answer
    }

    fn written(&mut self, points: usize) {
        if self.failures > 0 {
            tracing::info!(failures = self.failures, "influxdb takes points again");
        }
        self.failures = 0;
        self.accepted = true;
        self.queue.set_status(SinkStatus::Ready);
        self.finish_piece(Outcome::Written, points);
    }

    fn finish_piece(&mut self, outcome: Outcome, points: usize) {
        self.pieces.pop();
        self.queue.pop(points, self.withdrawals);
        self.metrics.finished(outcome, points);
        self.metrics.queued(self.queue.len());
    }

    fn halve(&mut self, points: usize) {
        self.pieces.pop();
        self.pieces.push(points - points / 2);
        self.pieces.push(points / 2);
    }

    async fn refused(&mut self, lines: &[Arc<str>], refusal: &Refusal) {
        let all_dropped = refusal.is_about_points && refusal.dropped == Some(lines.len());
        if lines.len() > 1 && !all_dropped {
            self.halve(lines.len());
        } else if refusal.is_about_points || self.accepted {
            self.give_up(lines, Outcome::Refused, &refusal.message);
        } else {
            // Then it is tried once more: the server may have been mended in between.
            self.try_another(refusal).await;
        }
    }

    /// Finds out whether the server takes any other point, which shows that the refused
    /// one is at fault. Writing a point early does no harm: it is written
    /// again in its turn. Otherwise waits, so that the refused point can be
    /// tried once more.
    async fn try_another(&mut self, refusal: &Refusal) {
        // A different one each time, the newest first: not all can be bad.
        let others = self.queue.len().saturating_sub(1);
        let back = usize::try_from(self.failures).unwrap_or_default().checked_rem(others).unwrap_or_default();
        let witness = self.queue.peek(others.saturating_sub(back), usize::from(others > 0));
        if !witness.is_empty() && self.send(&witness).await == Answer::Written {
            self.accepted = true;
            return;
        }
        self.failures = self.failures.saturating_add(1);
        self.failed(&Again::new(Reason::AllRefused, &refusal.message));
        let pause = self.pacing.pause(self.failures, None);
        self.changed_or(Instant::now().checked_add(pause)).await;
    }

    fn give_up(&mut self, lines: &[Arc<str>], outcome: Outcome, message: &str) {
        if self.given_up == 0 {
            let point = cut(lines.first().map_or("", |line| line), LOGGED_POINT);
            tracing::error!(points = lines.len(), point, message, "influxdb refused a point, it is lost");
        }
        self.given_up += lines.len();
        self.failures = 0;
        self.queue.set_status(SinkStatus::Ready);
        self.finish_piece(outcome, lines.len());
    }

    fn failed(&self, again: &Again) {
        self.metrics.retried(again.reason);
        tracing::warn!(reason = again.reason.as_str(), attempt = self.failures, "{}", again.sentence);
        self.queue.set_status(SinkStatus::NotReady(again.sentence.clone()));
    }

    /// Waits before the same piece is sent again. Closing ends one pause
    /// early, for a last attempt in time.
    async fn pause(&mut self, again: &Again) {
        self.failures = self.failures.saturating_add(1);
        self.failed(again);
        let until = Instant::now() + self.pacing.pause(self.failures, again.retry_after);
        while Instant::now() < until {
            if self.queue.outlook().closing && !self.hurried {
                self.hurried = true;
                return;
            }
            self.changed_or(Some(until)).await;
        }
    }
}
