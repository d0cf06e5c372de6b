//! What the scoring service logs beside the score, and two releases of it.
//!
//! Two builds are tried on a part of the applications, one after the other. The
//! first one loses every twentieth answer and is slow; with the second one more
//! customers take the offer. Neither touches a feature or a prediction.

use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};

use super::{Application, HOUR_MS, SCRIPT_HOURS};
use crate::event::EventTime;

/// The build that takes the applications that no release takes.
pub const STABLE: &str = "stable";

/// A new build of the scoring service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Release {
    /// It answers late, or not at all.
    Bad,
    /// More customers take its offers.
    Good,
}

/// What came of an application.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Outcome {
    /// The build that took it: [`STABLE`], or a release's.
    pub build: &'static str,
    /// Whether the answer was lost on its way.
    pub error: bool,
    /// How long the customer waited.
    pub latency_ms: f64,
    /// Whether the customer took what was offered.
    pub accepted: bool,
}

/// How a build behaves.
#[derive(Debug, Clone, Copy)]
struct Behaviour {
    errors: f64,
    median_latency_ms: f64,
    /// Of the applications that were not declined.
    accepted: f64,
}

impl Release {
    /// Both, in order of time.
    pub const ALL: [Self; 2] = [Self::Bad, Self::Good];

    /// What events call it.
    #[must_use]
    pub const fn build(self) -> &'static str {
        match self {
            Self::Bad => "canary-a",
            Self::Good => "canary-b",
        }
    }

    /// First and last hour since the script's begin, the last exclusive.
    const fn hours(self) -> (i64, i64) {
        match self {
            Self::Bad => (2, 8),
            Self::Good => (9, SCRIPT_HOURS),
        }
    }

    /// From when to when it gets a part of the traffic that begins at `start`.
    #[must_use]
    pub fn times(self, start: EventTime) -> (EventTime, EventTime) {
        let (from, until) = self.hours();
        (start.plus_ms(from * HOUR_MS), start.plus_ms(until * HOUR_MS))
    }

    /// The share of the traffic that it gets at first.
    pub const FIRST_SHARE: u8 = 10;
    /// The share that it gets in the end.
    pub const LAST_SHARE: u8 = 50;

    /// When its share is raised from [`Self::FIRST_SHARE`] to [`Self::LAST_SHARE`]
    /// percent; a release that is bad does not get so far.
    #[must_use]
    pub fn raised_at(self, start: EventTime) -> Option<EventTime> {
        let (from, _) = self.times(start);
        (self == Self::Good).then(|| from.plus_ms(2 * HOUR_MS))
    }

    /// The percentage of the traffic that it gets at `time`.
    fn share(self, time: EventTime, start: EventTime) -> u8 {
        let (from, until) = self.times(start);
        if time < from || time >= until {
            0
        } else if self.raised_at(start).is_some_and(|raised| time >= raised) {
            Self::LAST_SHARE
        } else {
            Self::FIRST_SHARE
        }
    }

    fn behaviour(release: Option<Self>) -> Behaviour {
        let stable = Behaviour { errors: 0.01, median_latency_ms: 80.0, accepted: 0.42 };
        match release {
            None => stable,
            Some(Self::Bad) => Behaviour { errors: 0.05, median_latency_ms: 104.0, ..stable },
            Some(Self::Good) => Behaviour { accepted: 0.5, ..stable },
        }
    }
}

impl Outcome {
    /// `start` is that of the releases, where there are any.
    pub(super) fn draw(application: &Application, start: Option<EventTime>, random: &mut ChaCha8Rng) -> Self {
        let draw = random.random_range(0..100_u8);
        let release = start.and_then(|start| {
            Release::ALL.into_iter().find(|release| draw < release.share(application.time, start))
        });
        let behaviour = Release::behaviour(release);
        let noise: f64 = StandardNormal.sample(random);
        let error = random.random_bool(behaviour.errors);
        let would_accept = random.random_bool(behaviour.accepted);
        Self {
            build: release.map_or(STABLE, Release::build),
            error,
            latency_ms: (behaviour.median_latency_ms * (0.35 * noise).exp()).round(),
            accepted: would_accept && !error && application.decision != "decline",
        }
    }
}
