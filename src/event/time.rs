//! Event times in milliseconds, and how they are read from events.
//!
//! Promises: a number is told apart as seconds, milliseconds, microseconds or
//! nanoseconds by its size alone, with ranges that can't overlap; whatever is
//! outside 1990 to 2200 is refused instead of guessed at.

use std::fmt;

/// Milliseconds since 1970-01-01T00:00:00Z.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default, serde::Serialize, serde::Deserialize,
)]
#[serde(transparent)]
pub struct EventTime(pub i64);

/// 1990-01-01T00:00:00Z: nothing that this daemon watches is older.
const EARLIEST_MS: i64 = 631_152_000_000;
/// 2200-01-01T00:00:00Z: later times are broken clocks or broken units.
const LATEST_MS: i64 = 7_258_118_400_000;

impl EventTime {
    /// This time moved by `ms`, without wrapping.
    #[must_use]
    pub fn plus_ms(self, ms: i64) -> Self {
        Self(self.0.saturating_add(ms))
    }
}

impl fmt::Display for EventTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match jiff::Timestamp::from_millisecond(self.0) {
            Ok(timestamp) => write!(f, "{timestamp}"),
            Err(_) => write!(f, "{} ms", self.0),
        }
    }
}

/// Reads an epoch number in s, ms, us or ns.
///
/// The four ranges for 1990 to 2200 are disjoint: 6.3e8..7.3e9 s,
/// 6.3e11..7.3e12 ms, 6.3e14..7.3e15 us, 6.3e17..7.3e18 ns. Fractions of a
/// millisecond are cut off, after a microsecond of tolerance for what the
/// number lost as a double. `None` for anything else, NaN included.
#[must_use]
pub fn parse_epoch(number: f64) -> Option<EventTime> {
    #[expect(clippy::cast_precision_loss, reason = "both bounds are far below 2^53")]
    let (earliest, latest) = (EARLIEST_MS as f64, LATEST_MS as f64);
    [1.0, 1e3, 1e6, 1e9].into_iter().find_map(|units_per_second: f64| {
        // One division by an exact power of ten keeps a single rounding.
        let ms = if units_per_second > 1e3 {
            number / (units_per_second / 1e3)
        } else {
            number * (1e3 / units_per_second)
        };
        #[expect(clippy::cast_possible_truncation, reason = "checked to be within the era")]
        (ms >= earliest && ms < latest).then(|| EventTime((ms + 0.001).floor() as i64))
    })
}

/// Reads an RFC 3339 time with an offset (`2026-01-31T12:00:00Z`, `… +02:00`),
/// with `T` or a space between date and time.
///
/// `None` for times without an offset, since guessing one shifts windows by
/// hours, and for times outside 1990 to 2200.
#[must_use]
pub fn parse_rfc3339(text: &[u8]) -> Option<EventTime> {
    let ms = fast_utc(text).or_else(|| {
        let text = std::str::from_utf8(text).ok()?;
        Some(text.parse::<jiff::Timestamp>().ok()?.as_millisecond())
    })?;
    (EARLIEST_MS..LATEST_MS).contains(&ms).then_some(EventTime(ms))
}

/// The common shape `YYYY-MM-DDTHH:MM:SS[.fraction]Z` without a library call;
/// anything else is left to the library.
fn fast_utc(text: &[u8]) -> Option<i64> {
    let (date, rest) = text.split_first_chunk::<8>()?;
    let (clock, rest) = rest.split_first_chunk::<8>()?;
    let &[b':', tens, ones, ref rest @ ..] = rest else { return None };
    let digit = |byte: u8| byte.is_ascii_digit().then(|| i64::from(byte - b'0'));
    let [century, _, year_of_century, _, _, month, ..] = pairs(*date, *b"0000-00-")?;
    let [day, _, _, hour, _, _, minute, _] = match clock {
        [_, _, b' ', ..] => pairs(*clock, *b"00 00:00"),
        _ => pairs(*clock, *b"00T00:00"),
    }?;
    let (year, second) = (century * 100 + year_of_century, digit(tens)? * 10 + digit(ones)?);
    let last_day = match month {
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => return None,
    };
    // Leap days, leap seconds and impossible dates are left to the library.
    if !(1..=last_day).contains(&day) || hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let millis = match rest {
        [b'Z'] => 0,
        [b'.', fraction @ .., b'Z'] if (1..=9).contains(&fraction.len()) => {
            let mut millis = 0;
            for (&byte, weight) in fraction.iter().zip([100, 10, 1, 0, 0, 0, 0, 0, 0]) {
                millis += digit(byte)? * weight;
            }
            millis
        }
        _ => return None,
    };
    let seconds = days_from_civil(year, month, day) * 86_400 + hour * 3_600 + minute * 60 + second;
    Some(seconds * 1_000 + millis)
}

/// For each place in `text` the number of two digits that begins there, if the
/// text is as in `shape`, where `0` stands for any digit.
fn pairs(text: [u8; 8], shape: [u8; 8]) -> Option<[i64; 8]> {
    const HIGH_BITS: u64 = 0x8080_8080_8080_8080;
    // What makes a byte that may not be there reach the high bit: a digit's
    // value may be up to nine, and of other characters nothing may be left.
    let room = u64::from_le_bytes(shape.map(|byte| if byte == b'0' { 0x76 } else { 0x7f }));
    let digits = u64::from_le_bytes(text) ^ u64::from_le_bytes(shape);
    if (((digits & !HIGH_BITS) + room) | digits) & HIGH_BITS != 0 {
        return None;
    }
    // At most 99 in each byte, so nothing is carried.
    Some((digits * 10 + (digits >> 8)).to_le_bytes().map(i64::from))
}

/// Days since 1970-01-01 of a date in the proleptic Gregorian calendar
/// (H. Hinnant, "chrono-Compatible Low-Level Date Algorithms", `days_from_civil`).
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let shifted_year = if month <= 2 { year - 1 } else { year };
    let era = shifted_year.div_euclid(400);
    let year_of_era = shifted_year.rem_euclid(400);
    let shifted_month = (month + 9) % 12;
    let day_of_year = (153 * shifted_month + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn epoch_units_are_told_apart() {
        let expected = Some(EventTime(1_767_225_600_123));
        assert_eq!(parse_epoch(1_767_225_600.123), expected);
        assert_eq!(parse_epoch(1_767_225_600_123.0), expected);
        assert_eq!(parse_epoch(1_767_225_600_123_000.0), expected);
        assert_eq!(parse_epoch(1_767_225_600_123_000_000.0), expected);
    }

    #[test]
    fn absurd_numbers_are_refused() {
        for number in [0.0, -1.0, 1e8, 1e10, 1e25, f64::NAN, f64::INFINITY] {
            assert_eq!(parse_epoch(number), None, "{number}");
        }
    }

    #[test]
    fn fast_and_library_paths_agree() {
        for text in [
            "2026-01-31T12:34:56Z",
            "2024-02-28 23:59:59.987654321Z",
            "1999-12-01T00:00:00.5Z",
            "2100-03-01T01:02:03Z",
        ] {
            let library = text.parse::<jiff::Timestamp>().expect("valid").as_millisecond();
            assert_eq!(fast_utc(text.as_bytes()), Some(library), "{text}");
        }
        assert_eq!(parse_rfc3339(b"2026-01-31T12:00:00+02:00"), parse_rfc3339(b"2026-01-31T10:00:00Z"));
        assert_eq!(parse_rfc3339(b"2024-02-29T00:00:00Z").map(|time| time.0), Some(1_709_164_800_000));
    }

    #[test]
    fn what_the_fast_path_takes_the_library_takes_too() {
        for place in 0..20 {
            for byte in 0..=u8::MAX {
                let mut text = *b"2026-01-31T12:34:56Z";
                text[place] = byte;
                let Some(fast) = fast_utc(&text) else { continue };
                let text = std::str::from_utf8(&text).expect("only digits and separators");
                let library = text.parse::<jiff::Timestamp>().expect("valid").as_millisecond();
                assert_eq!(fast, library, "{text}");
            }
        }
    }

    #[test]
    fn times_without_offset_or_of_another_era_are_refused() {
        for text in [
            "2026-01-31T12:00:00",
            "2026-02-30T00:00:00Z",
            "0001-01-01T00:00:00Z",
            "9999-01-01T00:00:00Z",
            "",
            "yesterday",
        ] {
            assert_eq!(parse_rfc3339(text.as_bytes()), None, "{text}");
        }
    }
}
