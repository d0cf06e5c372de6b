//! Keeps a place in the code that logs the same thing over and over from
//! filling the disk.
//!
//! Promises: the first lines of every place are always seen, and what was left
//! out is counted and said. Places are told apart by their callsite, of which
//! a program has a fixed number, so memory is bounded.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use tracing::{Event, Metadata, callsite::Identifier};
use tracing_subscriber::layer::{Context, Filter};

/// Lines that one place may write in [`PERIOD`].
const BURST: u64 = 20;
/// How long a place that wrote too much stays silent, at most.
const PERIOD: Duration = Duration::from_secs(10);

#[derive(Debug)]
struct Place {
    since: Instant,
    lines: u64,
    target: &'static str,
    line: Option<u32>,
}

/// What one place left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct LeftOut {
    /// Module of the place.
    pub(super) target: &'static str,
    /// Line of the source file.
    pub(super) line: Option<u32>,
    /// Lines that were not written.
    pub(super) lines: u64,
}

/// Counts lines per place; shared by the filter and by whoever reports.
#[derive(Debug, Clone, Default)]
pub(super) struct LogLimit {
    places: Arc<Mutex<HashMap<Identifier, Place>>>,
}

impl LogLimit {
    /// Whether a line of this place may be written now.
    fn allows(&self, metadata: &'static Metadata<'static>, now: Instant) -> bool {
        let mut places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        let place = places.entry(metadata.callsite()).or_insert_with(|| Place {
            since: now,
            lines: 0,
            target: metadata.target(),
            line: metadata.line(),
        });
        if place.lines <= BURST && now.duration_since(place.since) >= PERIOD {
            (place.since, place.lines) = (now, 0);
        }
        place.lines += 1;
        place.lines <= BURST
    }

    /// What was left out by places whose silence is over; they may write again.
    pub(super) fn take_left_out(&self, now: Instant) -> Vec<LeftOut> {
        let mut places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        let over = |place: &&mut Place| place.lines > BURST && now.duration_since(place.since) >= PERIOD;
        let left_out = places.values_mut().filter(over).map(|place| {
            let lines = std::mem::take(&mut place.lines) - BURST;
            place.since = now;
            LeftOut { target: place.target, line: place.line, lines }
        });
        left_out.collect()
    }
}

impl<S> Filter<S> for LogLimit {
    fn enabled(&self, _metadata: &Metadata<'_>, _context: &Context<'_, S>) -> bool {
        true
    }

    fn event_enabled(&self, event: &Event<'_>, _context: &Context<'_, S>) -> bool {
        self.allows(event.metadata(), Instant::now())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn metadata() -> &'static Metadata<'static> {
        struct Place;
        impl tracing::callsite::Callsite for Place {
            fn set_interest(&self, _: tracing::subscriber::Interest) {}
            fn metadata(&self) -> &Metadata<'_> {
                &META
            }
        }
        static PLACE: Place = Place;
        static META: Metadata<'static> = tracing::metadata! {
            name: "test", target: "here", level: tracing::Level::WARN, fields: &[],
            callsite: &PLACE, kind: tracing::metadata::Kind::EVENT,
        };
        &META
    }

    #[test]
    fn a_burst_passes_and_the_rest_is_counted_until_the_period_is_over() {
        let limit = LogLimit::default();
        let start = Instant::now();
        let passed = (0..50).filter(|_| limit.allows(metadata(), start)).count();
        assert_eq!(passed, 20);
        assert_eq!(limit.take_left_out(start + Duration::from_secs(9)), []);
        let later = start + Duration::from_secs(10);
        assert!(!limit.allows(metadata(), later), "silent until it has been said what was left out");
        let left_out = limit.take_left_out(later);
        assert_eq!(
            left_out.iter().map(|place| (place.target, place.lines)).collect::<Vec<_>>(),
            [("here", 31)]
        );
        assert!(limit.allows(metadata(), later));
        assert_eq!(limit.take_left_out(later + PERIOD), []);
    }

    #[test]
    fn a_place_that_stays_below_the_burst_is_never_silenced() {
        let limit = LogLimit::default();
        let start = Instant::now();
        for round in 0..10 {
            let now = start + PERIOD * round;
            assert!((0..BURST).all(|_| limit.allows(metadata(), now)));
        }
    }
}
