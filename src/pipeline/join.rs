//! Predictions and feature events of one id finding each other.
//!
//! Whichever comes first waits, bounded in event time and in number. A
//! prediction that waits in vain is counted in its window without features; a
//! feature event that waits in vain belongs to no prediction and is dropped.
//! Both are counted by the caller, so nothing vanishes.

use std::collections::BTreeSet;

use ahash::AHashMap;
use serde::{Deserialize, Serialize};

use crate::{decode::Row, event::EventTime};

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
}

/// What became of an event that was offered.
#[derive(Debug)]
pub(super) enum Offer {
    /// It waits; a row that had to make room for it or that it replaced, if any.
    Waits(Option<Waiting>),
    /// It found its other half: a whole row, at the prediction's time.
    Joined { stream: usize, time: EventTime, row: Row },
}

impl Joiner {
    pub(super) fn new(settings: JoinSettings) -> Self {
        Self { settings, waiting: AHashMap::new(), by_time: BTreeSet::new() }
    }

    /// The waiting rows with their ids, in the order in which they came to
    /// wait: by event time.
    pub(super) fn waiting(&self) -> impl Iterator<Item = (&str, &Waiting)> {
        self.by_time.iter().filter_map(|(_, id)| self.waiting.get_key_value(id).map(|(id, row)| (&**id, row)))
    }

    /// Takes rows that waited before a restart.
    pub(super) fn restore(&mut self, waiting: impl IntoIterator<Item = (Box<str>, Waiting)>) {
        for (id, row) in waiting {
            self.by_time.insert((row.time.0, id.clone()));
            self.waiting.insert(id, row);
        }
    }

    pub(super) fn timeout_ms(&self) -> i64 {
        self.settings.timeout_ms
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
                (Half::Features, Half::Features) => return Offer::Waits(Some(other)),
            };
            return Offer::Joined { stream, time, row: joined };
        }
        let replaced = self.remove(id).or_else(|| self.make_room());
        self.by_time.insert((time.0, id.into()));
        self.waiting.insert(id.into(), Waiting { half, time, row: row.clone() });
        Offer::Waits(replaced)
    }

    fn make_room(&mut self) -> Option<Waiting> {
        if self.waiting.len() < self.settings.max_waiting {
            return None;
        }
        let (_, id) = self.by_time.pop_first()?;
        self.waiting.remove(&id)
    }

    fn remove(&mut self, id: &str) -> Option<Waiting> {
        let (id, waiting) = self.waiting.remove_entry(id)?;
        self.by_time.remove(&(waiting.time.0, id));
        Some(waiting)
    }

    /// Gives out the rows whose other half can't come in time any more.
    pub(super) fn expire(&mut self, watermark: i64) -> Option<Waiting> {
        let (time, _) = self.by_time.first()?;
        if time.saturating_add(self.settings.timeout_ms) >= watermark {
            return None;
        }
        let (_, id) = self.by_time.pop_first()?;
        self.waiting.remove(&id)
    }
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
            assert!(matches!(first, Offer::Waits(None)));
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
        let Offer::Waits(Some(evicted)) = joiner.offer("c", Half::Features, EventTime(30), &features) else {
            panic!("the oldest had to make room")
        };
        assert_eq!(evicted.time, EventTime(10));
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
        assert!(matches!(offer, Offer::Waits(Some(Waiting { half: Half::Features, .. }))));
    }
}
