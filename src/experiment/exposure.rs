//! Which unit was seen in which arm first.
//!
//! Why: a unit that sees both arms belongs to neither. It keeps the arm in which it
//! was seen first; from the moment it is seen in another, its events are left out and
//! counted.
//!
//! What is remembered is a hash, an arm and the time of the first event per unit. A
//! unit counts in the window of its earliest event, not of the one that was read
//! first. When there is no more room, new units are counted in the arm of each event,
//! and how many events that were.
//!
//! Where the events of one unit come from several partitions, which of its arms was
//! first depends on which partition was read first: of such a unit nothing else is
//! promised than that it is found.

use ahash::AHashMap;
use serde::{Deserialize, Serialize, Serializer};

use super::arm::ArmIndex;

/// The units so far.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(from = "Vec<(u64, Option<ArmIndex>, i64)>")]
pub(super) struct Exposures {
    /// Arm, unless it was seen in several, and event time of the first event.
    arms: AHashMap<u64, (Option<ArmIndex>, i64)>,
}

impl From<Vec<(u64, Option<ArmIndex>, i64)>> for Exposures {
    fn from(list: Vec<(u64, Option<ArmIndex>, i64)>) -> Self {
        Self { arms: list.into_iter().map(|(unit, arm, time)| (unit, (arm, time))).collect() }
    }
}

/// Without a copy: there may be millions.
impl Serialize for Exposures {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.arms.iter().map(|(unit, (arm, time))| (unit, arm, time)))
    }
}

/// What is known of the unit of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Exposure {
    /// Its first event.
    First,
    /// It was seen in this arm only.
    Again,
    /// Likewise, and this event is earlier than the first one so far, which was at
    /// this time.
    Earlier(i64),
    /// Now it has been seen in another arm.
    Crossed,
    /// It had been before.
    Several,
    /// There is no room to remember it.
    Unknown,
}

impl Exposures {
    /// Notes that `unit` is seen in `arm`.
    pub(super) fn see(&mut self, unit: u64, (arm, time): (ArmIndex, i64), most: usize) -> Exposure {
        if let Some((first, since)) = self.arms.get_mut(&unit) {
            return match *first {
                None => Exposure::Several,
                Some(first) if first == arm && time < *since => {
                    Exposure::Earlier(std::mem::replace(since, time))
                }
                Some(first) if first == arm => Exposure::Again,
                Some(_) => {
                    *first = None;
                    Exposure::Crossed
                }
            };
        }
        if self.arms.len() >= most {
            return Exposure::Unknown;
        }
        self.arms.insert(unit, (Some(arm), time));
        Exposure::First
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_unit_keeps_its_first_arm_until_it_is_seen_in_another() {
        let mut exposures = Exposures::default();
        let events = [(7, 0, 5), (7, 0, 6), (7, 0, 3), (7, 1, 9), (7, 0, 9), (8, 1, 9), (9, 1, 9)];
        let seen = events
            .map(|(unit, arm, time)| exposures.see(unit, (ArmIndex::new(arm).expect("an arm"), time), 2));
        let expected = [
            Exposure::First,
            Exposure::Again,
            Exposure::Earlier(5),
            Exposure::Crossed,
            Exposure::Several,
            Exposure::First,
            Exposure::Unknown,
        ];
        assert_eq!(seen, expected);
    }
}
