//! Predictions and feature events of one id finding each other.
//!
//! Whichever comes first waits, bounded in event time, in number and in memory. A
//! prediction that waits in vain is counted in its window without features; a
//! feature event that waits in vain belongs to no prediction and is dropped.
//! Both are counted by the caller, so nothing vanishes.

use std::collections::BTreeSet;

use ahash::AHashMap;
use serde::{Deserialize, Serialize};

use crate::{decode::Row, event::EventTime};

/// Bytes of ids and names that a waiting row may take on average; a usual one
/// takes less than a tenth.
const NAMES_PER_ROW: usize = 1_024;

/// How predictions and feature events of one id find each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct JoinSettings {
    /// How far apart in event time the two may be, in milliseconds.
    pub timeout_ms: i64,
    /// Rows waiting at once, at most.
    pub max_waiting: usize,
}

/// Which half of a row an event brought.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Half {
    /// The prediction, with the number of the stream that it belongs to.
    Prediction { stream: usize },
    /// The features.
    Features,
}

/// A row without its other half.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Waiting {
    pub(super) half: Half,
    pub(super) time: EventTime,
    pub(super) row: Row,
}

/// The rows of one model that wait for their other half.
#[derive(Debug, Clone)]
pub(super) struct Joiner {
    settings: JoinSettings,
    waiting: AHashMap<Box<str>, Waiting>,
    by_time: BTreeSet<(i64, Box<str>)>,
    /// Bytes of the names of all that wait.
    names: usize,
}

/// What became of an event that was offered.
#[derive(Debug)]
pub(super) enum Offer {
    /// It waits; the rows that had to make room for it or that it replaced.
    Waits(Vec<Waiting>),
    /// It found its other half: a whole row, at the prediction's time.
    Joined { stream: usize, time: EventTime, row: Row },
}

impl Joiner {
    pub(super) fn new(settings: JoinSettings) -> Self {
        Self { settings, waiting: AHashMap::new(), by_time: BTreeSet::new(), names: 0 }
    }

    /// The waiting rows with their ids, in the order in which they came to
    /// wait: by event time.
    pub(super) fn waiting(&self) -> impl Iterator<Item = (&str, &Waiting)> {
        self.by_time.iter().filter_map(|(_, id)| self.waiting.get_key_value(id).map(|(id, row)| (&**id, row)))
    }

    /// Takes rows that waited before a restart.
    pub(super) fn restore(&mut self, waiting: impl IntoIterator<Item = (Box<str>, Waiting)>) {
        for (id, row) in waiting {
            self.insert(id, row);
        }
    }

    pub(super) fn timeout_ms(&self) -> i64 {
        self.settings.timeout_ms
    }

    /// Event time of the row that has waited longest.
    pub(super) fn first_time(&self) -> Option<EventTime> {
        self.by_time.first().map(|(time, _)| EventTime(*time))
    }

    /// Marks the streams that waiting predictions belong to as needed, and
    /// numbers them as they are when the others are gone.
    pub(super) fn keep_streams(&mut self, is_needed: &mut [bool]) {
        let mut streams: Vec<&mut usize> = self
            .waiting
            .values_mut()
            .filter_map(|waiting| match &mut waiting.half {
                Half::Prediction { stream } => Some(stream),
                Half::Features => None,
            })
            .collect();
        for stream in &streams {
            if let Some(is_needed) = is_needed.get_mut(**stream) {
                *is_needed = true;
            }
        }
        for stream in &mut streams {
            let before = is_needed.get(..**stream).unwrap_or_default();
            **stream = before.iter().filter(|is_needed| **is_needed).count();
        }
    }

    pub(super) fn len(&self) -> usize {
        self.waiting.len()
    }

    /// Offers one half of the row with this `id`.
    pub(super) fn offer(&mut self, id: &str, half: Half, time: EventTime, row: &Row) -> Offer {
        let fits = |other: &Waiting| {
            matches!(
                (half, other.half),
                (Half::Prediction { .. }, Half::Features) | (Half::Features, Half::Prediction { .. })
            ) && (other.time.0 - time.0).abs() <= self.settings.timeout_ms
        };
        if self.waiting.get(id).is_some_and(fits)
            && let Some(other) = self.remove(id)
        {
            let mut joined = row.clone();
            combine(&mut joined, &other.row);
            let (stream, time) = match (half, other.half) {
                (Half::Prediction { stream }, _) => (stream, time),
                (_, Half::Prediction { stream }) => (stream, other.time),
                // `fits` asks for one half of each kind.
                (Half::Features, Half::Features) => return Offer::Waits(vec![other]),
            };
            return Offer::Joined { stream, time, row: joined };
        }
        let mut replaced: Vec<Waiting> = self.remove(id).into_iter().collect();
        let names = names_of(id, row);
        while self.is_full(names) {
            let Some(oldest) = self.pop_first() else { break };
            replaced.push(oldest);
        }
        self.insert(id.into(), Waiting { half, time, row: row.clone() });
        Offer::Waits(replaced)
    }

    /// Whether a row with so many bytes of `names` has no place.
    fn is_full(&self, names: usize) -> bool {
        let max = self.settings.max_waiting;
        self.waiting.len() >= max || self.names + names > max.saturating_mul(NAMES_PER_ROW)
    }

    fn insert(&mut self, id: Box<str>, row: Waiting) {
        self.names += names_of(&id, &row.row);
        self.by_time.insert((row.time.0, id.clone()));
        self.waiting.insert(id, row);
    }

    fn remove(&mut self, id: &str) -> Option<Waiting> {
        let (id, waiting) = self.waiting.remove_entry(id)?;
        self.names -= names_of(&id, &waiting.row);
        self.by_time.remove(&(waiting.time.0, id));
        Some(waiting)
    }

    fn pop_first(&mut self) -> Option<Waiting> {
        let (_, id) = self.by_time.pop_first()?;
        let waiting = self.waiting.remove(&id)?;
        self.names -= names_of(&id, &waiting.row);
        Some(waiting)
    }

    /// Gives out the rows whose other half can't come in time any more.
    pub(super) fn expire(&mut self, watermark: i64) -> Option<Waiting> {
        let (time, _) = self.by_time.first()?;
        if time.saturating_add(self.settings.timeout_ms) >= watermark {
            return None;
        }
        self.pop_first()
    }
}

/// Bytes of what a waiting row has beside its cells, whose number is the
/// model's; the id is kept twice.
fn names_of(id: &str, row: &Row) -> usize {
    let unseen: usize = row.unseen.iter().map(|(_, name)| size_of::<(usize, String)>() + name.len()).sum();
    2 * id.len() + unseen + row.unknown.len() * size_of::<std::ops::Range<usize>>()
}

/// Fills the cells that `row` does not carry from `other`.
fn combine(row: &mut Row, other: &Row) {
    for (cell, theirs) in row.cells.iter_mut().zip(&other.cells) {
        if cell.is_absent() {
            *cell = *theirs;
        }
    }
    row.unseen.extend(other.unseen.iter().cloned());
    row.unknown.extend(other.unknown.iter().cloned());
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile::Cell;

    fn row(cells: [Cell; 2]) -> Row {
        Row { cells: cells.to_vec(), ..Row::default() }
    }

    fn joiner(max_waiting: usize) -> Joiner {
        Joiner::new(JoinSettings { timeout_ms: 100, max_waiting })
    }

    #[test]
    fn halves_meet_in_either_order_at_the_time_of_the_prediction() {
        let (features, prediction) =
            (row([Cell::number(1.0), Cell::ABSENT]), row([Cell::ABSENT, Cell::number(2.0)]));
        for features_first in [true, false] {
            let mut joiner = joiner(10);
            let mut offers = [
                (Half::Features, EventTime(10), &features),
                (Half::Prediction { stream: 3 }, EventTime(50), &prediction),
            ];
            if !features_first {
                offers.reverse();
            }
            let [first, second] = offers.map(|(half, time, row)| joiner.offer("a", half, time, row));
            assert!(matches!(first, Offer::Waits(replaced) if replaced.is_empty()));
            let Offer::Joined { stream: 3, time: EventTime(50), row } = second else { panic!("{second:?}") };
            assert_eq!(row.cells.iter().map(|cell| cell.to_f64()).collect::<Vec<_>>(), [1.0, 2.0]);
            assert_eq!(joiner.len(), 0);
        }
    }

    #[test]
    fn waiting_is_bounded_in_time_and_number() {
        let mut joiner = joiner(2);
        let features = row([Cell::number(1.0), Cell::ABSENT]);
        for (id, time) in [("a", 10), ("b", 20)] {
            joiner.offer(id, Half::Features, EventTime(time), &features);
        }
        let Offer::Waits(evicted) = joiner.offer("c", Half::Features, EventTime(30), &features) else {
            panic!("there is no other half")
        };
        assert_eq!(evicted.iter().map(|row| row.time).collect::<Vec<_>>(), [EventTime(10)]);
        assert!(joiner.expire(120).is_none(), "20 + 100 is not before 120");
        assert_eq!(joiner.expire(121).map(|waiting| waiting.time), Some(EventTime(20)));
        assert_eq!(joiner.len(), 1);
    }

    #[test]
    fn halves_too_far_apart_do_not_meet() {
        let mut joiner = joiner(10);
        joiner.offer("a", Half::Features, EventTime(0), &row([Cell::number(1.0), Cell::ABSENT]));
        let offer =
            joiner.offer("a", Half::Prediction { stream: 0 }, EventTime(101), &row([Cell::ABSENT; 2]));
        let Offer::Waits(replaced) = offer else { panic!("too far apart") };
        assert_eq!(replaced.iter().map(|row| row.half).collect::<Vec<_>>(), [Half::Features]);
    }

    #[test]
    fn names_that_take_much_memory_make_room_earlier() {
        let mut joiner = joiner(10);
        let long = "x".repeat(200);
        let wide = Row { unseen: (0..20).map(|column| (column, long.clone())).collect(), ..Row::default() };
        let mut given_up = 0;
        for (number, time) in (0..10).zip(10..) {
            let offer = joiner.offer(&format!("{number}"), Half::Features, EventTime(time), &wide);
            let Offer::Waits(replaced) = offer else { panic!("there is no other half") };
            given_up += replaced.len();
        }
        // Each takes 20 x (200 + 32) bytes and two of its id, of 10 KiB in all.
        assert_eq!((joiner.len(), given_up), (2, 8));
        while joiner.expire(i64::MAX).is_some() {}
        assert_eq!(joiner.names, 0);
    }
}
