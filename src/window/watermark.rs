//! How far event time has come, over all source partitions.
//!
//! The watermark of a partition is the greatest event time seen in it, less
//! the allowed lateness. The global one is the minimum over the assigned
//! partitions that are not idle, and never goes back. A partition is idle when
//! the consumer has caught up with it and nothing came for the idle timeout;
//! having no partition at all is idle too, never "the end of time".
//!
//! When every partition is idle, event time is taken to pass as the clock
//! does, counted from when the silence reached the timeout, so that the last
//! window of a stream that fell silent is still reported, at about the time at
//! which it would have been.

use super::WindowSettings;
use crate::event::{EventTime, PartitionId};

#[derive(Debug, Clone, Copy)]
struct Progress {
    /// Greatest event time seen, if any.
    greatest: Option<i64>,
    /// Clock time of the last event, or of the assignment.
    last_active: i64,
    caught_up: bool,
    idle: bool,
}

/// The watermarks of all assigned partitions.
#[derive(Debug, Clone)]
pub struct Watermarks {
    lateness_ms: i64,
    idle_timeout_ms: i64,
    /// By partition number, which is small and dense; `None` for those that are
    /// not assigned.
    partitions: Vec<Option<Progress>>,
    global: Option<i64>,
    /// Whether the global watermark stays where it is.
    is_held: bool,
}

impl Watermarks {
    /// No partitions and no watermark yet.
    #[must_use]
    pub fn new(settings: &WindowSettings) -> Self {
        Self {
            lateness_ms: settings.lateness_ms,
            idle_timeout_ms: settings.idle_timeout_ms,
            partitions: Vec::new(),
            global: None,
            is_held: false,
        }
    }

    /// The global watermark: no event before it is expected any more.
    #[must_use]
    pub fn current(&self) -> Option<EventTime> {
        self.global.map(EventTime)
    }

    /// Begins to wait for `partition`, which holds the watermark until its
    /// first event or until it is idle.
    pub fn assign(&mut self, partition: PartitionId, now: EventTime) {
        let progress = self.slot(partition).get_or_insert(Progress {
            greatest: None,
            last_active: now.0,
            caught_up: false,
            idle: false,
        });
        progress.last_active = progress.last_active.max(now.0);
    }

    /// The place of `partition`, made when it is met first.
    fn slot(&mut self, partition: PartitionId) -> &mut Option<Progress> {
        let index = partition.0 as usize;
        if index >= self.partitions.len() {
            self.partitions.resize(index + 1, None);
        }
        #[expect(clippy::indexing_slicing, reason = "the list was made long enough")]
        &mut self.partitions[index]
    }

    fn progress(&mut self, partition: PartitionId) -> Option<&mut Progress> {
        self.partitions.get_mut(partition.0 as usize)?.as_mut()
    }

    fn assigned(&self) -> impl Iterator<Item = &Progress> {
        self.partitions.iter().flatten()
    }

    /// Greatest event time seen in `partition`.
    #[must_use]
    pub fn greatest(&self, partition: PartitionId) -> Option<EventTime> {
        self.partitions.get(partition.0 as usize)?.as_ref()?.greatest.map(EventTime)
    }

    /// Goes on from where a snapshot was taken; [`Self::assign`] then begins
    /// to wait for the partitions that are read.
    pub fn restore(
        &mut self,
        global: Option<EventTime>,
        greatest: impl IntoIterator<Item = (PartitionId, Option<EventTime>)>,
    ) {
        self.global = global.map(|time| time.0);
        self.partitions.clear();
        for (partition, greatest) in greatest {
            let greatest = greatest.map(|time| time.0);
            *self.slot(partition) =
                Some(Progress { greatest, last_active: i64::MIN, caught_up: false, idle: false });
        }
    }

    /// Holds the global watermark where it is, while messages are read again
    /// that are older than what was seen.
    pub fn hold(&mut self) {
        self.is_held = true;
    }

    /// Lets the global watermark go on.
    pub fn release(&mut self) {
        self.is_held = false;
        self.advance();
    }

    /// Stops waiting for `partition`.
    pub fn revoke(&mut self, partition: PartitionId) {
        if let Some(slot) = self.partitions.get_mut(partition.0 as usize) {
            *slot = None;
        }
    }

    /// Whether the consumer has read all that `partition` has.
    pub fn set_caught_up(&mut self, partition: PartitionId, caught_up: bool) {
        if let Some(progress) = self.progress(partition) {
            progress.caught_up = caught_up;
        }
    }

    /// Forgets silence up to `now`: it was the reader that paused.
    pub fn resume(&mut self, now: EventTime) {
        for progress in self.partitions.iter_mut().flatten() {
            progress.last_active = progress.last_active.max(now.0);
        }
    }

    /// Notes an event; `true` when the global watermark moved.
    #[inline]
    pub fn observe(&mut self, partition: PartitionId, time: EventTime, now: EventTime) -> bool {
        if self.progress(partition).is_none() {
            self.assign(partition, now);
        }
        let (lateness_ms, global) = (self.lateness_ms, self.global);
        let Some(progress) = self.progress(partition) else { return false };
        progress.last_active = now.0;
        let was_idle = std::mem::replace(&mut progress.idle, false);
        if progress.greatest.is_some_and(|greatest| time.0 <= greatest) {
            return false;
        }
        let before = progress.greatest.replace(time.0);
        // A partition that was ahead of the watermark did not hold it back.
        let held_back = before
            .is_none_or(|before| global.is_none_or(|global| before.saturating_sub(lateness_ms) <= global));
        (held_back || was_idle) && self.advance()
    }

    /// Notes that the clock shows `now`; `true` when the global watermark moved.
    pub fn tick(&mut self, now: EventTime) -> bool {
        for progress in self.partitions.iter_mut().flatten() {
            let silent_ms = now.0.saturating_sub(progress.last_active);
            progress.idle = progress.caught_up && silent_ms >= self.idle_timeout_ms;
        }
        let moved = self.advance();
        self.pass_silence(now) || moved
    }

    /// Raises the global watermark to the minimum of the partitions that are
    /// not idle.
    fn advance(&mut self) -> bool {
        let mut minimum: Option<i64> = None;
        for progress in self.assigned().filter(|progress| !progress.idle) {
            let Some(greatest) = progress.greatest else { return false };
            minimum = Some(minimum.map_or(greatest, |other| other.min(greatest)));
        }
        minimum.is_some_and(|time| self.raise(time.saturating_sub(self.lateness_ms)))
    }

    /// Lets event time pass while every partition is idle.
    fn pass_silence(&mut self, now: EventTime) -> bool {
        if self.assigned().any(|progress| !progress.idle) {
            return false;
        }
        let greatest = self.assigned().filter_map(|progress| progress.greatest).max();
        let last_active = self.assigned().map(|progress| progress.last_active).max();
        let (Some(greatest), Some(last_active)) = (greatest, last_active) else { return false };
        let silent_ms = now.0.saturating_sub(last_active).saturating_sub(self.idle_timeout_ms);
        self.raise(greatest.saturating_sub(self.lateness_ms).saturating_add(silent_ms))
    }

    fn raise(&mut self, to: i64) -> bool {
        let moved = !self.is_held && self.global.is_none_or(|global| to > global);
        if moved {
            self.global = Some(to);
        }
        moved
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: PartitionId = PartitionId(0);
    const B: PartitionId = PartitionId(1);

    fn watermarks() -> Watermarks {
        let settings = WindowSettings { lateness_ms: 10, idle_timeout_ms: 100, ..WindowSettings::default() };
        Watermarks::new(&settings)
    }

    fn at(ms: i64) -> EventTime {
        EventTime(ms)
    }

    #[test]
    fn the_slowest_partition_holds_the_watermark() {
        let mut marks = watermarks();
        marks.assign(A, at(0));
        marks.assign(B, at(0));
        assert!(!marks.observe(A, at(1_000), at(0)), "B has not delivered yet");
        assert_eq!(marks.current(), None);
        assert!(marks.observe(B, at(500), at(0)));
        assert_eq!(marks.current(), Some(at(490)));
        assert!(!marks.observe(B, at(400), at(0)), "never back");
        assert_eq!(marks.current(), Some(at(490)));
    }

    #[test]
    fn an_idle_partition_lets_go_and_a_lagging_one_does_not() {
        let mut marks = watermarks();
        marks.assign(A, at(0));
        marks.assign(B, at(0));
        marks.observe(A, at(1_000), at(150));
        marks.tick(at(200));
        assert_eq!(marks.current(), None, "B is silent, but not caught up");
        marks.set_caught_up(B, true);
        assert!(marks.tick(at(200)));
        assert_eq!(marks.current(), Some(at(990)));
        marks.observe(B, at(300), at(210));
        assert_eq!(marks.current(), Some(at(990)), "a waking partition can't take it back");
    }

    #[test]
    fn no_partition_is_idle_and_not_the_end_of_time() {
        let mut marks = watermarks();
        assert!(!marks.tick(at(1_000_000)));
        assert_eq!(marks.current(), None);
        marks.assign(A, at(0));
        marks.observe(A, at(50), at(0));
        marks.revoke(A);
        assert!(!marks.tick(at(1_000_000)));
        assert_eq!(marks.current(), Some(at(40)));
    }

    #[test]
    fn a_pause_of_the_reader_makes_no_partition_idle() {
        let mut marks = watermarks();
        marks.assign(A, at(0));
        marks.assign(B, at(0));
        marks.observe(A, at(1_000), at(0));
        marks.observe(B, at(500), at(0));
        marks.set_caught_up(B, true);
        marks.resume(at(10_000));
        assert!(!marks.tick(at(10_099)));
        assert_eq!(marks.current(), Some(at(490)));
        assert!(marks.tick(at(10_100)), "silent for the timeout since");
        assert_eq!(marks.current(), Some(at(990)));
    }

    #[test]
    fn silence_everywhere_lets_event_time_pass_with_the_clock() {
        let mut marks = watermarks();
        marks.assign(A, at(0));
        marks.observe(A, at(5_000), at(0));
        marks.set_caught_up(A, true);
        marks.tick(at(99));
        assert_eq!(marks.current(), Some(at(4_990)));
        marks.tick(at(150));
        assert_eq!(marks.current(), Some(at(5_040)), "50 ms beyond the timeout");
    }
}
