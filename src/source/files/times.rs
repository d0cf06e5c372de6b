//! Event times of rows, and how rows that only have a date are spread over it.
//!
//! When no row of a file has a time of day (all are dates, or midnights in
//! UTC), the rows of each day are evenly spread over it in the order of the
//! file: row `i` of `n` gets midnight plus `i/n` of a day. That needs the
//! number of rows of each day, hence a first pass over the file.

use std::collections::HashMap;

use super::{FaultReason, FileValue};
use crate::event::{EventTime, parse_epoch, parse_rfc3339};

pub(super) const DAY_MS: i64 = 86_400_000;

/// Why a row has no time.
pub(super) type TimeFault = (FaultReason, String);

/// What the first pass found out about the times of a file.
#[derive(Debug, Clone, Default)]
pub(super) struct Times {
    /// Rows of each day, by its midnight.
    days: HashMap<i64, u64>,
    has_time_of_day: bool,
    /// Whether a time came without an offset and was taken as UTC.
    pub(super) has_local: bool,
}

impl Times {
    /// Notes the time of the next row.
    pub(super) fn observe(&mut self, time: EventTime) {
        if time.0.rem_euclid(DAY_MS) == 0 {
            *self.days.entry(time.0).or_default() += 1;
        } else {
            self.has_time_of_day = true;
            self.days.clear();
        }
    }

    /// Whether rows are spread over their days.
    pub(super) fn are_spread(&self) -> bool {
        !self.has_time_of_day && self.days.values().any(|&rows| rows > 1)
    }

    /// A second pass over the same rows.
    pub(super) fn spread(&self) -> Spread {
        Spread {
            days: if self.are_spread() { self.days.clone() } else { HashMap::new() },
            seen: HashMap::new(),
        }
    }
}

/// Gives the rows of a second pass their times.
#[derive(Debug, Default)]
pub(super) struct Spread {
    days: HashMap<i64, u64>,
    seen: HashMap<i64, u64>,
}

impl Spread {
    /// The event time of the next row, whose own time is `time`.
    pub(super) fn next(&mut self, time: EventTime) -> EventTime {
        let Some(&rows) = self.days.get(&time.0) else { return time };
        let seen = self.seen.entry(time.0).or_default();
        let share =
            i64::try_from(u128::from(*seen) * u128::from(DAY_MS.unsigned_abs()) / u128::from(rows.max(1)));
        *seen += 1;
        time.plus_ms(share.unwrap_or(0).min(DAY_MS - 1))
    }
}

/// The time that a row's value names, and whether it lacked an offset.
pub(super) fn time_of(value: Option<FileValue<'_>>) -> Result<(EventTime, bool), TimeFault> {
    let bad = |shown: &str| {
        let what = format!(
            "{shown:?} is no event time; write a date like 2026-01-31, a time like 2026-01-31T12:00:00Z, or an epoch number"
        );
        (FaultReason::BadTime, what)
    };
    match value {
        None | Some(FileValue::Missing) => Err((FaultReason::NoTime, "the row has no event time".to_owned())),
        Some(FileValue::Number(number, text)) => {
            parse_epoch(number).map(|time| (time, false)).ok_or_else(|| bad(text))
        }
        Some(FileValue::Text(text)) => parse_text(text.trim()).ok_or_else(|| bad(text)),
        Some(FileValue::Bool(flag)) => Err(bad(if flag { "true" } else { "false" })),
        Some(FileValue::Nested(json)) => Err(bad(json)),
    }
}

fn parse_text(text: &str) -> Option<(EventTime, bool)> {
    if let Some(time) = parse_rfc3339(text.as_bytes()) {
        return Some((time, false));
    }
    let (rest, is_date) = if text.len() == 10 { ("T00:00:00Z", true) } else { ("Z", false) };
    if let Some(time) = parse_rfc3339(format!("{text}{rest}").as_bytes()) {
        return Some((time, !is_date));
    }
    parse_epoch(text.parse().ok()?).map(|time| (time, false))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> Option<(i64, bool)> {
        time_of(Some(FileValue::Text(text))).ok().map(|(time, local)| (time.0, local))
    }

    #[test]
    fn dates_times_and_epochs_are_read() {
        assert_eq!(text("2016-10-01"), Some((1_475_280_000_000, false)));
        assert_eq!(text("2016-10-01T00:00:01Z"), Some((1_475_280_001_000, false)));
        assert_eq!(text("2016-10-01 00:00:01.5"), Some((1_475_280_001_500, true)));
        assert_eq!(text("2016-10-01T02:00:00+02:00"), Some((1_475_280_000_000, false)));
        assert_eq!(text("1475280000"), Some((1_475_280_000_000, false)));
        for bad in ["", "10/01/2016", "2016-13-01", "yesterday", "2016-10-1", "20161001"] {
            assert_eq!(text(bad), None, "{bad}");
        }
    }

    #[test]
    fn rows_of_a_day_are_evenly_spread_in_their_order() {
        let mut times = Times::default();
        let (first, second) = (EventTime(0), EventTime(DAY_MS));
        for day in [first, first, second, first, first] {
            times.observe(day);
        }
        assert!(times.are_spread());
        let mut spread = times.spread();
        let given: Vec<i64> = [first, first, second, first].map(|day| spread.next(day).0).to_vec();
        assert_eq!(given, [0, DAY_MS / 4, DAY_MS, DAY_MS / 2]);
    }

    #[test]
    fn one_time_of_day_makes_midnights_times() {
        let mut times = Times::default();
        for time in [0, 0, 5] {
            times.observe(EventTime(time));
        }
        assert!(!times.are_spread());
        let mut spread = times.spread();
        assert_eq!([spread.next(EventTime(0)).0, spread.next(EventTime(0)).0], [0, 0]);
    }
}
