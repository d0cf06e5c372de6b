//! Simulated traffic of a credit-scoring model: loan applications as a lender's
//! scoring service would log them.
//!
//! Why: the demo, tests and benches need events that look like real ones, with
//! known incidents, and the same ones every time.
//!
//! Promises: the i-th event is a function of the seed and i alone, so any range
//! can be made on any thread, in any order. A day has [`EVENTS_PER_DAY`] events
//! with the same share in every hour of each day. 14 features are numeric, six
//! categorical; they depend on each other, and the prediction on them. Without
//! incidents nothing drifts but the mild daily season. Beside them stands what came
//! of the application, which is what releases of the service differ in.
//!
//! Refuses to be realistic about credit: the numbers are plausible, no more.

mod applicant;
mod event;
mod incident;
mod release;

pub use applicant::Application;
pub use incident::{Incident, IncidentKind, SCRIPT_HOURS, Script};
pub use release::{Outcome, Release, STABLE};

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::event::EventTime;

/// The model's name in events.
pub const MODEL: &str = "credit-risk";
/// The version that scores four of five applications.
pub const CHAMPION: &str = "4.1";
/// The version that scores the rest, calibrated a little differently.
pub const CHALLENGER: &str = "4.2";
/// Names of the features, in the order of an event.
pub const FEATURES: [&str; 20] = [
    "age",
    "annual_income",
    "employment_years",
    "loan_amount",
    "loan_term_months",
    "interest_rate",
    "debt_to_income",
    "bureau_score",
    "open_accounts",
    "late_payments_12m",
    "credit_utilisation",
    "savings_balance",
    "months_at_address",
    "inquiries_6m",
    "housing",
    "purpose",
    "channel",
    "region",
    "employment",
    "existing_customer",
];

/// Events in 24 hours of event time.
pub const EVENTS_PER_DAY: u64 = 48_000;
/// 2024-01-08T06:00:00Z, a Monday: the time of the first event.
pub const START: EventTime = EventTime(1_704_693_600_000);

pub(super) const HOUR_MS: i64 = 3_600_000;
const DAY_MS: i64 = 24 * HOUR_MS;
/// Events by hour of the day, from midnight; 48,000 together.
const EVENTS_BY_HOUR: [u64; 24] = [
    700, 500, 400, 400, 500, 800, 1300, 2000, 2600, 2800, 2900, 2900, 2800, 2800, 2800, 2700, 2700, 2800,
    3000, 2900, 2900, 2300, 1500, 1000,
];
/// Events are out of order by up to this much.
const DISORDER_MS: i64 = 20_000;
/// The hour of the day of [`START`].
const START_HOUR: u64 = 6;

/// A stream of applications.
#[derive(Debug, Clone)]
pub struct Traffic {
    seed: u64,
    start: EventTime,
    script: Option<Script>,
}

impl Traffic {
    /// Traffic in which nothing happens, from [`START`] on.
    #[must_use]
    pub fn quiet(seed: u64) -> Self {
        Self { seed, start: START, script: None }
    }

    /// Traffic with the scripted incidents and releases, from [`START`] on.
    #[must_use]
    pub fn with_incidents(seed: u64) -> Self {
        Self { script: Some(Script::new(START)), ..Self::quiet(seed) }
    }

    /// What the model was trained on: quiet traffic of the week before
    /// [`START`], of other applicants than any other traffic of this seed.
    pub fn training(seed: u64) -> impl Iterator<Item = Application> {
        // An odd constant with bits all over, so that seeds don't meet.
        let seed = seed ^ 0x9e37_79b9_7f4a_7c15;
        let week = Self { start: START.plus_ms(-7 * DAY_MS), ..Self::quiet(seed) };
        // Every seventh event of seven days: 48,000 rows, each hour and day in
        // its share.
        (0..7 * EVENTS_PER_DAY).step_by(7).map(move |index| week.scored_by(index, CHAMPION))
    }

    /// The incidents, if there are any.
    #[must_use]
    pub fn script(&self) -> Option<&Script> {
        self.script.as_ref()
    }

    /// The place of the `index`-th event in time, never going back; the event's
    /// own time is up to 20 s later.
    #[must_use]
    pub fn arrival(&self, index: u64) -> EventTime {
        // Counted from the midnight before the start.
        let before_start: u64 = (0..START_HOUR).zip(EVENTS_BY_HOUR).map(|(_, events)| events).sum();
        let index = index.saturating_add(before_start);
        let (day, mut rank) = (index / EVENTS_PER_DAY, index % EVENTS_PER_DAY);
        let mut within_day = 0;
        for events in EVENTS_BY_HOUR {
            if rank < events {
                within_day += ms(rank * (HOUR_MS.unsigned_abs()) / events);
                break;
            }
            rank -= events;
            within_day += HOUR_MS;
        }
        let midnight = self.start.plus_ms(-ms(START_HOUR) * HOUR_MS);
        midnight.plus_ms(ms(day).saturating_mul(DAY_MS)).plus_ms(within_day)
    }

    /// The number of events whose place is before `time`.
    #[must_use]
    pub fn arrived_before(&self, time: EventTime) -> u64 {
        let (mut low, mut high) = (0, 1);
        while self.arrival(high) < time {
            (low, high) = (high, high.saturating_mul(2));
        }
        while low < high {
            let middle = low + (high - low) / 2;
            if self.arrival(middle) < time {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        low
    }

    /// The `index`-th application.
    #[must_use]
    pub fn application(&self, index: u64) -> Application {
        self.draw(index).0
    }

    /// What came of the `index`-th application.
    #[must_use]
    pub fn outcome(&self, index: u64) -> Outcome {
        self.draw(index).1
    }

    /// Appends the `index`-th event to `out`: JSON in Driftline's own envelope,
    /// about 690 bytes.
    pub fn write_event(&self, index: u64, out: &mut Vec<u8>) {
        let (application, outcome) = self.draw(index);
        event::write(&application, outcome, out);
    }

    fn draw(&self, index: u64) -> (Application, Outcome) {
        // One block of the generator has all of these.
        let mut random = self.random(index, 1);
        let is_challenged = random.random_range(0..5) == 0;
        let application = self.scored_by(index, if is_challenged { CHALLENGER } else { CHAMPION });
        let releases = self.script.as_ref().map(|_| self.start);
        let outcome = Outcome::draw(&application, releases, &mut random);
        (application, outcome)
    }

    fn scored_by(&self, index: u64, version: &'static str) -> Application {
        let mut random = self.random(index, 0);
        let time = self.arrival(index).plus_ms(random.random_range(0..DISORDER_MS));
        let incident =
            self.script.as_ref().and_then(|script| script.active(time).map(|incident| (incident, time)));
        Application::draw(index, time, version, incident, &mut random)
    }

    /// The random numbers of one event; `use_of` keeps different uses apart.
    fn random(&self, index: u64, use_of: u64) -> ChaCha8Rng {
        let mut random = ChaCha8Rng::seed_from_u64(self.seed);
        random.set_stream(index.wrapping_mul(2).wrapping_add(use_of));
        random
    }
}

/// Small counts as milliseconds or hours; saturates far beyond any date.
fn ms(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
