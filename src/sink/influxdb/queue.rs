//! Points that wait, in order, and which tickets are done.
//!
//! Promises: a point leaves the queue only when it is written or given up, so
//! that the queue's length is what is owed at any moment. Points leave in the
//! order in which they came.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::{sync::Notify, time::Instant};

use super::SinkStatus;

#[derive(Debug)]
struct Waiting {
    line: Arc<str>,
    ticket: u64,
    since: Instant,
}

#[derive(Debug)]
struct State {
    points: VecDeque<Waiting>,
    issued: u64,
    /// Times that all points were withdrawn.
    withdrawals: u64,
    closing: bool,
    status: SinkStatus,
}

/// Shared by the sink and its worker.
#[derive(Debug)]
pub(super) struct Queue {
    state: Mutex<State>,
    changed: Notify,
}

impl Default for Queue {
    fn default() -> Self {
        Self {
            state: Mutex::new(State {
                points: VecDeque::new(),
                issued: 0,
                withdrawals: 0,
                closing: false,
                status: SinkStatus::Ready,
            }),
            changed: Notify::new(),
        }
    }
}

/// What the worker sees of the queue.
#[derive(Debug, Clone, Copy)]
pub(super) struct Outlook {
    /// Points that wait.
    pub(super) points: usize,
    /// Since when the first of them waits.
    pub(super) since: Option<Instant>,
    /// No more points will come.
    pub(super) closing: bool,
}

impl Queue {
    /// No code that holds the lock can panic, so a poisoned state is a good one.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Appends points under a new ticket.
    pub(super) fn push(&self, lines: Vec<Arc<str>>) -> u64 {
        let since = Instant::now();
        let mut state = self.lock();
        state.issued += 1;
        let ticket = state.issued;
        state.points.extend(lines.into_iter().map(|line| Waiting { line, ticket, since }));
        drop(state);
        self.changed.notify_one();
        ticket
    }

    /// Takes all points back, done or not: whoever submitted them will submit
    /// them again if they are still wanted.
    pub(super) fn withdraw(&self) {
        let mut state = self.lock();
        state.points.clear();
        state.withdrawals += 1;
    }

    /// How often all points were withdrawn.
    pub(super) fn withdrawals(&self) -> u64 {
        self.lock().withdrawals
    }

    pub(super) fn close(&self) {
        self.lock().closing = true;
        self.changed.notify_one();
    }

    pub(super) fn len(&self) -> usize {
        self.lock().points.len()
    }

    /// The last ticket of which, and of all before, no point is left.
    pub(super) fn delivered(&self) -> u64 {
        let state = self.lock();
        state.points.front().map_or(state.issued, |first| first.ticket - 1)
    }

    pub(super) fn status(&self) -> SinkStatus {
        self.lock().status.clone()
    }

    pub(super) fn set_status(&self, status: SinkStatus) {
        self.lock().status = status;
    }

    /// Returns when points came or the queue is closing since the last call.
    pub(super) async fn changed(&self) {
        self.changed.notified().await;
    }

    /// What there is to do.
    pub(super) fn outlook(&self) -> Outlook {
        let state = self.lock();
        Outlook {
            points: state.points.len(),
            since: state.points.front().map(|first| first.since),
            closing: state.closing,
        }
    }

    /// Up to `count` points behind the first `skip`; they stay in the queue.
    pub(super) fn peek(&self, skip: usize, count: usize) -> Vec<Arc<str>> {
        self.lock().points.iter().skip(skip).take(count).map(|waiting| Arc::clone(&waiting.line)).collect()
    }

    /// Removes the first `count` points: they are written or given up. Does
    /// nothing when points were withdrawn since `withdrawals` were.
    pub(super) fn pop(&self, count: usize, withdrawals: u64) {
        let mut state = self.lock();
        if state.withdrawals != withdrawals {
            return;
        }
        let count = count.min(state.points.len());
        state.points.drain(..count);
    }
}
