//! Times in which alerts are not told: nights, weekends, a weekly release.
//!
//! Promises: what a clock on the wall of that time zone shows decides, so an
//! hour that a change of the clocks repeats is muted twice, and one that it
//! leaves out is not missed. The time zones are part of the program.

use jiff::{Timestamp, civil::Weekday, tz::TimeZone};

use crate::event::EventTime;

/// Minutes of a day.
const DAY: u16 = 24 * 60;

/// Times of the week in which alerts are not told.
#[derive(Debug, Clone, PartialEq)]
pub struct MuteTime {
    /// The name by which rules ask for it.
    pub name: String,
    days: [bool; 7],
    hours: Option<(u16, u16)>,
    zone: TimeZone,
}

impl MuteTime {
    /// Mutes on `days`, Monday first, all day or from the first minute of the
    /// day until the second; an interval whose end is not behind its beginning
    /// lasts over midnight and belongs to the day on which it begins.
    ///
    /// `None` when there is no such time zone or minute.
    #[must_use]
    pub fn new(name: &str, days: [bool; 7], hours: Option<(u16, u16)>, zone: &str) -> Option<Self> {
        let zone = TimeZone::get(zone).ok()?;
        let is_fine = hours.is_none_or(|(from, until)| from < DAY && until < DAY);
        is_fine.then(|| Self { name: name.to_owned(), days, hours, zone })
    }

    /// Whether alerts are not told at this time.
    #[must_use]
    pub fn is_muted(&self, at: EventTime) -> bool {
        // Times that no calendar has are those of no window.
        let Ok(instant) = Timestamp::from_millisecond(at.0) else { return false };
        let wall = self.zone.to_datetime(instant);
        let minute = u16::try_from(i32::from(wall.hour()) * 60 + i32::from(wall.minute())).unwrap_or(0);
        let today = wall.weekday();
        match self.hours {
            None => self.is_on(today),
            Some((from, until)) if from < until => self.is_on(today) && (from..until).contains(&minute),
            Some((from, until)) => {
                (minute >= from && self.is_on(today)) || (minute < until && self.is_on(today.previous()))
            }
        }
    }

    fn is_on(&self, day: Weekday) -> bool {
        let index = usize::try_from(day.to_monday_zero_offset()).ok();
        index.and_then(|index| self.days.get(index)).copied().unwrap_or(false)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]

    use super::*;
    use crate::event::parse_rfc3339;

    const ALL: [bool; 7] = [true; 7];

    fn only(day: usize) -> [bool; 7] {
        let mut days = [false; 7];
        days[day] = true;
        days
    }

    fn is_muted(mute: &MuteTime, at: &str) -> bool {
        mute.is_muted(parse_rfc3339(at.as_bytes()).unwrap())
    }

    #[test]
    fn whole_days_are_those_of_the_time_zone() {
        let saturdays = MuteTime::new("s", only(5), None, "Asia/Tokyo").unwrap();
        // 2026-01-10 is a Saturday, which begins in Tokyo at 15:00 UTC on Friday.
        for (at, expected) in [
            ("2026-01-09T14:59:59Z", false),
            ("2026-01-09T15:00:00Z", true),
            ("2026-01-10T14:59:59Z", true),
            ("2026-01-10T15:00:00Z", false),
        ] {
            assert_eq!(is_muted(&saturdays, at), expected, "{at}");
        }
    }

    #[test]
    fn a_night_belongs_to_the_day_on_which_it_begins() {
        let friday_night = MuteTime::new("n", only(4), Some((22 * 60, 6 * 60 + 30)), "UTC").unwrap();
        for (at, expected) in [
            ("2026-01-09T05:00:00Z", false),
            ("2026-01-09T21:59:59Z", false),
            ("2026-01-09T22:00:00Z", true),
            ("2026-01-10T06:29:59Z", true),
            ("2026-01-10T06:30:00Z", false),
            ("2026-01-10T22:30:00Z", false),
        ] {
            assert_eq!(is_muted(&friday_night, at), expected, "{at}");
        }
        let sunday_night = MuteTime::new("n", only(6), Some((22 * 60, 6 * 60)), "UTC").unwrap();
        assert!(is_muted(&sunday_night, "2026-01-12T01:00:00Z"), "Monday morning is of Sunday's night");
    }

    #[test]
    fn the_clock_on_the_wall_decides_when_clocks_change() {
        let early = MuteTime::new("e", ALL, Some((2 * 60, 3 * 60)), "Europe/Berlin").unwrap();
        // In winter 02:00 is 01:00 UTC, in summer 00:00 UTC.
        assert!(is_muted(&early, "2026-01-15T01:30:00Z") && !is_muted(&early, "2026-01-15T00:30:00Z"));
        assert!(is_muted(&early, "2026-07-15T00:30:00Z") && !is_muted(&early, "2026-07-15T01:30:00Z"));
        // On 2026-03-29 clocks go from 02:00 to 03:00: that hour is not there.
        for at in ["2026-03-29T00:59:59Z", "2026-03-29T01:00:00Z", "2026-03-29T01:30:00Z"] {
            assert!(!is_muted(&early, at), "{at}");
        }
        // On 2026-10-25 they go back from 03:00 to 02:00: it is there twice.
        for (at, expected) in [
            ("2026-10-24T23:59:59Z", false),
            ("2026-10-25T00:30:00Z", true),
            ("2026-10-25T01:30:00Z", true),
            ("2026-10-25T02:00:00Z", false),
        ] {
            assert_eq!(is_muted(&early, at), expected, "{at}");
        }
    }

    #[test]
    fn what_no_clock_shows_is_refused() {
        assert_eq!(MuteTime::new("x", ALL, None, "Europe/Atlantis"), None);
        assert_eq!(MuteTime::new("x", ALL, Some((0, DAY)), "UTC"), None);
        assert!(!MuteTime::new("x", ALL, None, "UTC").unwrap().is_muted(EventTime(i64::MAX)));
    }
}
