//! What goes wrong in simulated traffic, and when.

use super::HOUR_MS;
use crate::event::EventTime;

/// After so many hours the script begins again.
pub const SCRIPT_HOURS: i64 = 66;

/// The kinds of incident, in the order of the script.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum IncidentKind {
    /// `annual_income` comes as the monthly income.
    UnitChange,
    /// 15 % of the applications come by a `channel` that was never seen.
    NewCategory,
    /// Over twelve hours applicants become younger, with lower incomes.
    PopulationShift,
    /// `bureau_score` is missing in 70 % of the applications.
    MissingField,
}

impl IncidentKind {
    /// Every kind, in the order of the script.
    pub const ALL: [Self; 4] =
        [Self::UnitChange, Self::NewCategory, Self::PopulationShift, Self::MissingField];

    /// First and last hour since the script's begin, the last exclusive.
    const fn hours(self) -> (i64, i64) {
        match self {
            Self::UnitChange => (5, 12),
            Self::NewCategory => (14, 22),
            Self::PopulationShift => (28, 46),
            Self::MissingField => (52, 60),
        }
    }

    /// One word or two.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::UnitChange => "unit change",
            Self::NewCategory => "new category",
            Self::PopulationShift => "population shift",
            Self::MissingField => "missing field",
        }
    }

    /// What has happened, in a sentence.
    #[must_use]
    pub fn story(self) -> &'static str {
        match self {
            Self::UnitChange => "annual_income comes as monthly income",
            Self::NewCategory => "15 % of the applications come by the new channel partner_api",
            Self::PopulationShift => "a campaign brings younger applicants with lower incomes",
            Self::MissingField => "the bureau times out: bureau_score is missing in 70 %",
        }
    }

    /// The feature that shows it most.
    #[must_use]
    pub fn feature(self) -> &'static str {
        match self {
            Self::UnitChange => "annual_income",
            Self::NewCategory => "channel",
            Self::PopulationShift => "age",
            Self::MissingField => "bureau_score",
        }
    }
}

/// One incident with its time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Incident {
    /// What happens.
    pub kind: IncidentKind,
    /// Inclusive.
    pub start: EventTime,
    /// Exclusive.
    pub end: EventTime,
}

impl Incident {
    /// How far a slow incident has come at `time`, 0 to 1: it grows over its
    /// first twelve hours.
    #[must_use]
    pub fn strength(&self, time: EventTime) -> f64 {
        let grown = (time.0 - self.start.0).clamp(0, 12 * HOUR_MS);
        #[expect(clippy::cast_precision_loss, reason = "milliseconds of half a day")]
        let share = grown as f64 / (12 * HOUR_MS) as f64;
        share
    }

    /// Whether it is on at any time from `start` to `end`, exclusive.
    #[must_use]
    pub fn overlaps(&self, start: EventTime, end: EventTime) -> bool {
        self.start < end && start < self.end
    }
}

/// The incidents one after the other, again and again, never two at once.
#[derive(Debug, Clone)]
pub struct Script {
    start: EventTime,
}

impl Script {
    /// The script from `start` on; its first five hours are quiet.
    #[must_use]
    pub fn new(start: EventTime) -> Self {
        Self { start }
    }

    /// The incidents of one round of the script, the first being round 0.
    #[must_use]
    pub fn round(&self, round: i64) -> [Incident; 4] {
        let begin = self.start.plus_ms(round.saturating_mul(SCRIPT_HOURS * HOUR_MS));
        IncidentKind::ALL.map(|kind| {
            let (from, until) = kind.hours();
            Incident { kind, start: begin.plus_ms(from * HOUR_MS), end: begin.plus_ms(until * HOUR_MS) }
        })
    }

    /// The incident that is on at `time`.
    #[must_use]
    pub fn active(&self, time: EventTime) -> Option<Incident> {
        self.during(time, time.plus_ms(1))
    }

    /// The first incident that is on between `start` and `end`, exclusive, of
    /// the round in which `start` lies.
    #[must_use]
    pub fn during(&self, start: EventTime, end: EventTime) -> Option<Incident> {
        let round = start.0.saturating_sub(self.start.0).div_euclid(SCRIPT_HOURS * HOUR_MS);
        // Before its begin the script is quiet.
        self.round(round.max(0)).into_iter().find(|incident| incident.overlaps(start, end))
    }
}
