//! References that move with the stream: the window before, the last days, the
//! same hour of the week.
//!
//! Why: a fixed reference says whether the stream is still what the model was
//! trained on, and says so again every night when the stream has a daily season.
//! A moving one says whether it is what it was lately. Both are counts on the
//! same cut, so every score applies to both.
//!
//! Promises: sums of counts are exact and the same in whatever order windows are
//! put in; what is kept is bounded by [`MOST_WINDOWS`] and [`KEPT_MS`]; a
//! [`Past`] that was stored and read back goes on to the bit.
//!
//! Refuses: to compare with what was never seen ([`Past::counts`] is `None`),
//! and to take windows of other columns. A moving reference can't see a drift
//! that creeps: use it beside a fixed one, not in its place.
//!
//! Hours are those of UTC, so local habits move by an hour when clocks change.

mod past;
mod stored;
mod varint;

use serde::{Deserialize, Serialize};

pub use past::{KEPT_MS, MOST_WINDOWS, Past, PastCounts};
pub use stored::PastError;

pub use crate::reference::Season;
use crate::reference::{DAY_MS, WEEK_MS};

/// Which earlier windows of a stream a window is compared with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum MovingReference {
    /// One earlier window.
    Previous {
        /// How many windows back, from 1.
        windows: u32,
    },
    /// The sum of the windows of a stretch of time before the window.
    Rolling {
        /// Its length.
        ms: i64,
    },
    /// The sum of the windows at the same hour of the week; of the same hour of
    /// the day while there is none.
    Seasonal {
        /// How many weeks back, at most 4.
        weeks: u32,
    },
}

impl MovingReference {
    /// Its name in results: `previous`, `previous-24`, `rolling-7d`,
    /// `seasonal-4w`.
    #[must_use]
    pub fn name(&self) -> String {
        match *self {
            Self::Previous { windows: 1 } => "previous".to_owned(),
            Self::Previous { windows } => format!("previous-{windows}"),
            Self::Rolling { ms } => format!("rolling-{}", crate::window::duration_text(ms)),
            Self::Seasonal { weeks } => format!("seasonal-{weeks}w"),
        }
    }

    /// How far back its windows end before the one that is compared.
    #[must_use]
    pub fn reach_ms(self, size_ms: i64) -> i64 {
        match self {
            Self::Previous { windows } => size_ms.saturating_mul(i64::from(windows)),
            Self::Rolling { ms } => ms,
            // While there is no week, a week of days.
            Self::Seasonal { weeks } => WEEK_MS.saturating_mul(i64::from(weeks.max(1))),
        }
    }

    /// The windows that a window is compared with end `step` before it, twice
    /// `step` before it and so on, until `reach`; `None` where they would overlap
    /// it, since it would be compared with its own rows.
    fn ladder(self, size_ms: i64, season: Season) -> Option<Ladder> {
        let reach = self.reach_ms(size_ms).min(KEPT_MS);
        let (step, reach) = match (self, season) {
            (Self::Previous { .. }, _) => (self.reach_ms(size_ms), reach),
            (Self::Rolling { .. }, _) => (size_ms, reach),
            (Self::Seasonal { .. }, Season::HourOfDay) => (DAY_MS, WEEK_MS),
            (Self::Seasonal { .. }, _) => (WEEK_MS, reach),
        };
        (step >= size_ms && step > 0 && reach > 0).then_some(Ladder { step, reach })
    }
}

/// Evenly spaced times before a time.
#[derive(Debug, Clone, Copy)]
struct Ladder {
    step: i64,
    reach: i64,
}
