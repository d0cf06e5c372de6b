//! Lines on their way to the database.
//!
//! Promises: a line leaves only after a snapshot that holds it is stored, in
//! the order in which lines were made; it is forgotten only once the database
//! has it. So a crash at any moment finds each line in a snapshot or can make
//! it again from the log, and no window that was seen in the database can come
//! to say something else for want of a snapshot.

use std::{collections::VecDeque, sync::Arc};

/// The lines of one step.
#[derive(Debug, Clone)]
struct Entry {
    /// Counted from 1.
    number: u64,
    lines: Vec<Arc<str>>,
}

/// Lines by how far they have come: made, stored, handed on, delivered.
#[derive(Debug, Clone, Default)]
pub struct Outbox {
    entries: VecDeque<Entry>,
    /// Number of the last entry made.
    last: u64,
    /// Entries up to this one are in a stored snapshot.
    stored: u64,
    /// Entries up to this one were handed on.
    handed_on: u64,
    /// Lines in all entries.
    lines: usize,
    /// Whether nothing may leave at present.
    on_hold: bool,
}

impl Outbox {
    /// Takes lines; gives the number to name them by.
    pub fn push(&mut self, lines: Vec<Arc<str>>) -> u64 {
        self.last += 1;
        self.lines += lines.len();
        self.entries.push_back(Entry { number: self.last, lines });
        self.last
    }

    /// Number of the last lines taken; 0 before any.
    #[must_use]
    pub fn last(&self) -> u64 {
        self.last
    }

    /// Lines that are not delivered.
    #[must_use]
    pub fn len(&self) -> usize {
        self.lines
    }

    /// Whether everything is delivered.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.lines == 0
    }

    /// Lines that were not handed on, though it is for this daemon to do so.
    #[must_use]
    pub fn held_back(&self) -> usize {
        if self.on_hold {
            return 0;
        }
        let entries = self.entries.iter().filter(|entry| entry.number > self.handed_on);
        entries.map(|entry| entry.lines.len()).sum()
    }

    /// All lines that are not delivered, in order: what a snapshot has to hold.
    pub fn lines(&self) -> impl Iterator<Item = &Arc<str>> {
        self.entries.iter().flat_map(|entry| &entry.lines)
    }

    /// A snapshot that holds everything up to `number` is stored.
    pub fn stored(&mut self, number: u64) {
        self.stored = self.stored.max(number.min(self.last));
    }

    /// The next lines that may leave, with their number; each once.
    pub fn hand_on(&mut self) -> Option<(u64, Vec<Arc<str>>)> {
        let next = self.entries.iter().find(|entry| entry.number > self.handed_on)?;
        if self.on_hold || next.number > self.stored {
            return None;
        }
        self.handed_on = next.number;
        Some((next.number, next.lines.clone()))
    }

    /// Number up to which everything is delivered.
    #[must_use]
    pub fn delivered_up_to(&self) -> u64 {
        self.entries.front().map_or(self.last, |entry| entry.number - 1)
    }

    /// The database has everything up to `number`.
    pub fn delivered(&mut self, number: u64) {
        while let Some(entry) = self.entries.front().filter(|entry| entry.number <= number) {
            self.lines -= entry.lines.len();
            self.entries.pop_front();
        }
    }

    /// Everything that is not delivered is handed on once more: what was handed
    /// on has been withdrawn.
    pub fn begin_again(&mut self) {
        self.handed_on = self.delivered_up_to();
        self.on_hold = false;
    }

    /// Nothing leaves until [`Self::begin_again`]: another daemon may be making
    /// the same lines.
    pub fn hold(&mut self) {
        self.on_hold = true;
    }

    /// Forgets lines of which no stored snapshot knows: they are made again
    /// from the log.
    pub fn forget_unstored(&mut self) {
        while let Some(entry) = self.entries.back().filter(|entry| entry.number > self.stored) {
            self.lines -= entry.lines.len();
            self.entries.pop_back();
        }
        // Their numbers are not used again: a snapshot under way may name them.
    }

    /// Forgets all lines: another daemon makes them again.
    pub fn clear(&mut self) {
        self.entries.clear();
        self.lines = 0;
        self.on_hold = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(names: &[&str]) -> Vec<Arc<str>> {
        names.iter().map(|name| Arc::from(*name)).collect()
    }

    fn all(outbox: &Outbox) -> Vec<&str> {
        outbox.lines().map(|line| &**line).collect()
    }

    #[test]
    fn lines_leave_in_order_after_they_are_stored_and_stay_until_delivered() {
        let mut outbox = Outbox::default();
        let first = outbox.push(lines(&["a", "b"]));
        let second = outbox.push(lines(&["c"]));
        assert_eq!(outbox.hand_on(), None, "nothing is stored yet");
        outbox.stored(first);
        assert_eq!(outbox.hand_on(), Some((first, lines(&["a", "b"]))));
        assert_eq!(outbox.hand_on(), None, "once, and the second is not stored");
        assert_eq!(all(&outbox), ["a", "b", "c"]);
        outbox.delivered(first);
        assert_eq!((all(&outbox), outbox.len()), (vec!["c"], 1));
        outbox.stored(second);
        assert_eq!(outbox.hand_on(), Some((second, lines(&["c"]))));
        outbox.delivered(second);
        assert!(outbox.is_empty());
    }

    #[test]
    fn what_no_snapshot_holds_is_forgotten_with_the_memory() {
        let mut outbox = Outbox::default();
        let kept = outbox.push(lines(&["a"]));
        outbox.stored(kept);
        outbox.push(lines(&["b"]));
        outbox.forget_unstored();
        assert_eq!(all(&outbox), ["a"]);
        let later = outbox.push(lines(&["c"]));
        outbox.stored(later - 1);
        assert_eq!(outbox.hand_on(), Some((kept, lines(&["a"]))));
        assert_eq!(outbox.hand_on(), None, "a snapshot from before does not hold it");
    }
}
