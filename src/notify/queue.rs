//! What one receiver is still to be told, in order.
//!
//! Promises: a notification leaves only when it is done with, and is then in
//! the list of those that the caller may forget. The caller may take everything
//! back and submit it again; what was done before is then done at once and
//! not told twice. There are at most [`MAX_WAITING`]: a receiver that is down
//! for days must not take the daemon's memory.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::Notify;

use super::metrics::{Outcome, ReceiverMetrics};
use crate::alert::{Notification, Reason};

/// Notifications that wait for one receiver.
pub(super) const MAX_WAITING: usize = 1_000;
/// Notifications that are done with and known not to be told again.
const MAX_KNOWN: usize = 2 * MAX_WAITING;

/// Pairs of a notification's number and a receiver that are done with.
#[derive(Debug, Clone, Default)]
pub(super) struct Done(Arc<Mutex<Vec<(u64, String)>>>);

impl Done {
    pub(super) fn add(&self, number: u64, receiver: &str) {
        lock(&self.0).push((number, receiver.to_owned()));
    }

    pub(super) fn take(&self) -> Vec<(u64, String)> {
        std::mem::take(&mut *lock(&self.0))
    }
}

/// No code that holds one of the locks here can panic, so a poisoned state is a
/// good one.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A notification at its place in the queue.
#[derive(Debug, Clone)]
pub(super) struct Job {
    pub(super) notification: Arc<Notification>,
    number: u64,
    /// Times that everything had been taken back when it came.
    generation: u64,
}

#[derive(Debug, Default)]
struct State {
    jobs: VecDeque<Job>,
    /// Whether an attempt with the first one is under way.
    is_under_way: bool,
    generation: u64,
    /// Ids of notifications that are done with, the oldest first.
    known: VecDeque<String>,
    is_closing: bool,
    problem: Option<String>,
}

impl State {
    fn is_first(&self, job: &Job) -> bool {
        let first = self.jobs.front();
        first.is_some_and(|first| first.number == job.number && first.generation == job.generation)
    }

    fn remember(&mut self, id: &str) {
        self.known.push_back(id.to_owned());
        if self.known.len() > MAX_KNOWN {
            self.known.pop_front();
        }
    }
}

/// Shared by the notifier and the task of one receiver.
#[derive(Debug)]
pub(super) struct Queue {
    receiver: String,
    state: Mutex<State>,
    changed: Notify,
    done: Done,
    metrics: ReceiverMetrics,
}

impl Queue {
    pub(super) fn new(receiver: &str, done: Done, metrics: ReceiverMetrics) -> Self {
        Self { receiver: receiver.to_owned(), state: Mutex::default(), changed: Notify::new(), done, metrics }
    }

    /// Appends a notification. What waits and only repeats what is known about
    /// the same group makes room for it.
    pub(super) fn push(&self, number: u64, notification: Arc<Notification>) {
        let mut state = lock(&self.state);
        let under_way = usize::from(state.is_under_way);
        let mut place = under_way;
        while let Some(job) = state.jobs.get(place) {
            if job.notification.reason == Reason::Repeated && job.notification.group == notification.group {
                self.supersede(&mut state, place);
            } else {
                place += 1;
            }
        }
        if state.jobs.len() >= MAX_WAITING {
            self.supersede(&mut state, under_way);
        }
        let generation = state.generation;
        state.jobs.push_back(Job { notification, number, generation });
        self.metrics.waiting(state.jobs.len());
        drop(state);
        self.changed.notify_one();
    }

    fn supersede(&self, state: &mut State, place: usize) {
        if let Some(job) = state.jobs.remove(place) {
            self.metrics.finished(Outcome::Superseded);
            self.done.add(job.number, &self.receiver);
        }
    }

    /// Takes everything back: whoever submitted it will submit again what is
    /// still wanted. An attempt that is under way goes on.
    pub(super) fn withdraw(&self) {
        let mut state = lock(&self.state);
        state.jobs.clear();
        state.is_under_way = false;
        state.generation += 1;
        self.metrics.waiting(0);
        drop(state);
        self.changed.notify_one();
    }

    pub(super) fn close(&self) {
        lock(&self.state).is_closing = true;
        self.changed.notify_one();
    }

    pub(super) fn is_closing(&self) -> bool {
        lock(&self.state).is_closing
    }

    pub(super) fn len(&self) -> usize {
        lock(&self.state).jobs.len()
    }

    pub(super) fn problem(&self) -> Option<String> {
        lock(&self.state).problem.clone()
    }

    /// Returns when something has changed since the last call.
    pub(super) async fn changed(&self) {
        self.changed.notified().await;
    }

    /// The first in the queue; `None` when there will be no more. It stays in
    /// the queue.
    pub(super) async fn next(&self) -> Option<Job> {
        loop {
            {
                let mut state = lock(&self.state);
                while let Some(job) = state.jobs.front().cloned() {
                    if !state.known.contains(&job.notification.id) {
                        return Some(job);
                    }
                    state.jobs.pop_front();
                    self.done.add(job.number, &self.receiver);
                }
                self.metrics.waiting(0);
                if state.is_closing {
                    return None;
                }
            }
            self.changed().await;
        }
    }

    /// Whether it is still the first, neither taken back nor superseded.
    pub(super) fn is_first(&self, job: &Job) -> bool {
        lock(&self.state).is_first(job)
    }

    /// Marks the first as under way; `false` when it is not the first any more.
    pub(super) fn begin(&self, job: &Job) -> bool {
        let mut state = lock(&self.state);
        state.is_under_way = state.is_first(job);
        state.is_under_way
    }

    /// The attempt failed and will be made again.
    pub(super) fn failed(&self, job: &Job, problem: &str) {
        let mut state = lock(&self.state);
        if state.is_first(job) {
            state.is_under_way = false;
        }
        state.problem = Some(problem.to_owned());
    }

    /// It is done with; `problem` is what its end says about the receiver.
    pub(super) fn finish(&self, job: &Job, outcome: Outcome, problem: Option<String>) {
        let mut state = lock(&self.state);
        if state.is_first(job) {
            state.is_under_way = false;
            state.jobs.pop_front();
            // Under the lock, so that nothing from before a withdrawal is
            // added after it.
            self.done.add(job.number, &self.receiver);
        }
        state.remember(&job.notification.id);
        state.problem = problem;
        self.metrics.finished(outcome);
        self.metrics.waiting(state.jobs.len());
    }
}

#[cfg(test)]
mod tests {
    use prometheus::Registry;

    use super::*;
    use crate::{
        alert::Severity,
        notify::{
            examples::{alert, notification},
            metrics::Metrics,
        },
    };

    fn queue() -> Queue {
        let metrics = Metrics::new(&Registry::new()).unwrap();
        Queue::new("hook", Done::default(), metrics.of("hook"))
    }

    fn told(id: u64, reason: Reason, severity: Severity) -> Arc<Notification> {
        let mut told = notification(vec![alert("age")]);
        told.id = format!("msg_{id}");
        told.reason = reason;
        told.group.severity = severity;
        Arc::new(told)
    }

    fn done(queue: &Queue) -> Vec<u64> {
        queue.done.take().into_iter().map(|(number, _)| number).collect()
    }

    fn numbers(queue: &Queue) -> Vec<u64> {
        lock(&queue.state).jobs.iter().map(|job| job.number).collect()
    }

    #[tokio::test]
    async fn what_only_repeats_makes_room_unless_it_is_under_way() {
        let queue = queue();
        queue.push(1, told(1, Reason::Repeated, Severity::Warning));
        let first = queue.next().await.unwrap();
        assert!(queue.begin(&first));
        queue.push(2, told(2, Reason::Repeated, Severity::Warning));
        queue.push(3, told(3, Reason::Repeated, Severity::Info));
        queue.push(4, told(4, Reason::New, Severity::Warning));
        queue.push(5, told(5, Reason::Resolved, Severity::Warning));
        assert_eq!((numbers(&queue), done(&queue)), (vec![1, 3, 4, 5], vec![2]));
        queue.failed(&first, "down");
        queue.push(6, told(6, Reason::New, Severity::Warning));
        assert_eq!((numbers(&queue), done(&queue)), (vec![3, 4, 5, 6], vec![1]));
        assert!(!queue.begin(&first));
        assert_eq!(queue.problem().as_deref(), Some("down"));
    }

    #[tokio::test]
    async fn the_oldest_goes_when_there_are_too_many() {
        let queue = queue();
        for number in 0..1_000 {
            queue.push(number, told(number, Reason::New, Severity::Warning));
        }
        let first = queue.next().await.unwrap();
        assert!(queue.begin(&first));
        queue.push(1_000, told(1_000, Reason::New, Severity::Warning));
        assert_eq!((queue.len(), done(&queue)), (MAX_WAITING, vec![1]));
        queue.finish(&first, Outcome::Delivered, None);
        assert_eq!(done(&queue), [0]);
    }

    #[tokio::test]
    async fn what_is_taken_back_is_not_done_but_known_when_it_comes_again() {
        let queue = queue();
        queue.push(1, told(1, Reason::New, Severity::Warning));
        queue.push(2, told(2, Reason::New, Severity::Warning));
        let under_way = queue.next().await.unwrap();
        assert!(queue.begin(&under_way));
        queue.withdraw();
        queue.push(1, told(2, Reason::New, Severity::Warning));
        queue.push(2, told(1, Reason::New, Severity::Warning));
        queue.finish(&under_way, Outcome::Delivered, None);
        assert_eq!(done(&queue), [0_u64; 0], "another one has its number now");
        let next = queue.next().await.unwrap();
        assert_eq!(next.notification.id, "msg_2");
        assert!(queue.begin(&next));
        queue.finish(&next, Outcome::Refused, None);
        queue.close();
        assert!(queue.next().await.is_none());
        assert_eq!(done(&queue), [1, 2]);
    }
}
