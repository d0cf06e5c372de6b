//! Durations and sizes as people write them.
//!
//! Own parsers of a few lines, because the spans of date libraries take years
//! and months, which have no fixed length, and because the messages matter.

const MS_OF_UNIT: [(&str, i64); 5] =
    [("ms", 1), ("s", 1_000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000)];

/// Ten years: more is a typing error, and sums of a few such never overflow.
pub(super) const MAX_DURATION_MS: i64 = 3_660 * 86_400_000;

const BYTES_OF_UNIT: [(&str, u64); 7] = [
    ("", 1),
    ("B", 1),
    ("kB", 1_000),
    ("KiB", 1_024),
    ("MB", 1_000_000),
    ("MiB", 1_048_576),
    ("GiB", 1_073_741_824),
];

/// Reads `90s`, `1h30m`, `2d` or `250ms` as milliseconds.
pub(super) fn parse_duration(text: &str) -> Result<i64, String> {
    let (sign, mut rest) = match text.strip_prefix('-') {
        Some(rest) => (-1, rest),
        None => (1, text),
    };
    let mut total: i64 = 0;
    let mut last_unit = i64::MAX;
    if rest.is_empty() {
        return Err("the duration is empty".to_owned());
    }
    while !rest.is_empty() {
        let (number, after) = split_number(rest);
        let (unit, after) =
            after.split_at(after.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(after.len()));
        let number: i64 = number.parse().map_err(|_| format!("{text:?} is not a duration"))?;
        if unit.is_empty() && after.is_empty() {
            return Err(format!("the duration {text:?} has no unit"));
        }
        if unit.is_empty() {
            return Err(format!("{text:?} is not a duration"));
        }
        let Some((_, ms)) = MS_OF_UNIT.iter().find(|(name, _)| *name == unit) else {
            return Err(format!("the duration {text:?} has the unknown unit {unit:?}"));
        };
        if *ms >= last_unit {
            return Err(format!("in the duration {text:?} the units do not go from large to small"));
        }
        last_unit = *ms;
        total = total.saturating_add(number.saturating_mul(*ms));
        rest = after;
    }
    if total > MAX_DURATION_MS {
        return Err(format!("the duration {text:?} is longer than ten years"));
    }
    Ok(sign * total)
}

/// Reads `1 per 30d` or `0.5 per 7d`: how many, in how many milliseconds.
pub(super) fn parse_rate(text: &str) -> Result<(f64, i64), String> {
    let Some((count, duration)) = text.split_once(" per ") else {
        return Err(format!("{text:?} is not a rate"));
    };
    let count: f64 =
        count.trim().parse().map_err(|_| format!("in the rate {text:?}, {count:?} is no number"))?;
    if !(count.is_finite() && count > 0.0) {
        return Err(format!("the rate {text:?} is not above zero"));
    }
    let duration = parse_duration(duration.trim())?;
    if duration < 1_000 {
        return Err(format!("the rate {text:?} is about less than a second"));
    }
    Ok((count, duration))
}

/// Reads `1MiB`, `512 kB` or a plain number as bytes.
pub(super) fn parse_size(text: &str) -> Result<u64, String> {
    let (number, unit) = split_number(text.trim());
    let number: u64 = number.parse().map_err(|_| format!("{text:?} is not a size"))?;
    let unit = unit.trim();
    let Some((_, bytes)) = BYTES_OF_UNIT.iter().find(|(name, _)| *name == unit) else {
        return Err(format!("the size {text:?} has the unknown unit {unit:?}"));
    };
    number.checked_mul(*bytes).ok_or_else(|| format!("the size {text:?} is too large"))
}

fn split_number(text: &str) -> (&str, &str) {
    text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_with_units() {
        for (text, ms) in [
            ("0s", 0),
            ("250ms", 250),
            ("90s", 90_000),
            ("1h30m", 5_400_000),
            ("1d2h3m4s5ms", 93_784_005),
            ("2d", 172_800_000),
            ("-5s", -5_000),
        ] {
            assert_eq!(parse_duration(text), Ok(ms), "{text}");
        }
    }

    #[test]
    fn what_is_no_duration_says_why() {
        for (text, part) in [
            ("", "empty"),
            ("-", "empty"),
            ("90", "no unit"),
            ("s", "not a duration"),
            ("1.5h", "not a duration"),
            ("1 h", "not a duration"),
            ("5M", "unknown unit \"M\""),
            ("1m1h", "large to small"),
            ("1h1h", "large to small"),
            ("99999999999999999999s", "not a duration"),
            ("9999999999999d", "ten years"),
            ("3µs", "not a duration"),
        ] {
            let error = parse_duration(text).expect_err(text);
            assert!(error.contains(part), "{text}: {error}");
        }
    }

    #[test]
    fn rates() {
        assert_eq!(parse_rate("1 per 30d"), Ok((1.0, 2_592_000_000)));
        assert_eq!(parse_rate("0.5 per 1h"), Ok((0.5, 3_600_000)));
        for (text, part) in [
            ("1/30d", "not a rate"),
            ("one per 30d", "no number"),
            ("0 per 30d", "above zero"),
            ("inf per 30d", "above zero"),
            ("1 per 30", "no unit"),
            ("1 per 0s", "less than a second"),
        ] {
            let error = parse_rate(text).expect_err(text);
            assert!(error.contains(part), "{text}: {error}");
        }
    }

    #[test]
    fn sizes_with_units() {
        for (text, bytes) in
            [("17", 17), ("1MiB", 1_048_576), ("512 kB", 512_000), ("2GiB", 2_147_483_648), ("3B", 3)]
        {
            assert_eq!(parse_size(text), Ok(bytes), "{text}");
        }
        for text in ["", "MiB", "1mib", "1.5MiB", "-1", "99999999999GiB"] {
            assert!(parse_size(text).is_err(), "{text}");
        }
    }
}
