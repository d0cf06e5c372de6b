//! Which unit was seen in which arm first.
//!
//! Why: a unit that sees both arms belongs to neither. It keeps the arm in which it
//! was seen first; from the moment it is seen in another, its events are left out and
//! counted.
//!
//! What is remembered is a hash and an arm per unit. When there is no more room, new
//! units are counted in the arm of each event, and how many events that were.

use ahash::AHashMap;
use serde::{Deserialize, Serialize};

/// In place of an arm: the unit was seen in several.
const SEVERAL: u8 = u8::MAX;

/// The units so far.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(from = "Vec<(u64, u8)>", into = "Vec<(u64, u8)>")]
pub(super) struct Exposures {
    arms: AHashMap<u64, u8>,
}

impl From<Vec<(u64, u8)>> for Exposures {
    fn from(list: Vec<(u64, u8)>) -> Self {
        Self { arms: list.into_iter().collect() }
    }
}

impl From<Exposures> for Vec<(u64, u8)> {
    fn from(exposures: Exposures) -> Self {
        let mut list: Self = exposures.arms.into_iter().collect();
        list.sort_unstable();
        list
    }
}

/// What is known of the unit of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Exposure {
    /// Its first event.
    First,
    /// It was seen in this arm only.
    Again,
    /// Now it has been seen in another arm.
    Crossed,
    /// It had been before.
    Several,
    /// There is no room to remember it.
    Unknown,
}

impl Exposures {
    /// Notes that `unit` is seen in `arm`.
    pub(super) fn see(&mut self, unit: u64, arm: u8, most: usize) -> Exposure {
        if let Some(first) = self.arms.get_mut(&unit) {
            return match *first {
                SEVERAL => Exposure::Several,
                first if first == arm => Exposure::Again,
                _ => {
                    *first = SEVERAL;
                    Exposure::Crossed
                }
            };
        }
        if self.arms.len() >= most {
            return Exposure::Unknown;
        }
        self.arms.insert(unit, arm);
        Exposure::First
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_unit_keeps_its_first_arm_until_it_is_seen_in_another() {
        let mut exposures = Exposures::default();
        let seen =
            [(7, 0), (7, 0), (7, 1), (7, 0), (8, 1), (9, 1)].map(|(unit, arm)| exposures.see(unit, arm, 2));
        let expected = [
            Exposure::First,
            Exposure::Again,
            Exposure::Crossed,
            Exposure::Several,
            Exposure::First,
            Exposure::Unknown,
        ];
        assert_eq!(seen, expected);
    }
}
