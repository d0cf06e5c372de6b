//! Numbers and names for people.

use crate::profile::shortened;

/// Digits of a number that are shown.
const DIGITS: usize = 5;

/// A share in percent with two or three digits that matter.
pub(super) fn percent(share: f64) -> String {
    let percent = share * 100.0;
    let text = match percent.abs() {
        size if size == 0.0 || size >= 99.95 => format!("{percent:.0}"),
        size if size >= 9.995 => format!("{percent:.1}"),
        size if size >= 0.0995 => format!("{percent:.2}"),
        size if size >= 0.000_995 => format!("{percent:.4}"),
        _ => format!("{percent:.1e}"),
    };
    format!("{text} %")
}

/// A number with five digits; whole ones of up to seven are never cut.
pub(super) fn number(value: f64) -> String {
    let whole = value.fract() == 0.0 && value.abs() < 1e7;
    let rounded = if whole { value } else { format!("{value:.*e}", DIGITS - 1).parse().unwrap_or(value) };
    if rounded == 0.0 {
        "0".to_owned()
    } else if (1e-4..1e7).contains(&rounded.abs()) {
        format!("{rounded}")
    } else {
        format!("{rounded:e}")
    }
}

/// A name, bounded in length.
pub(super) fn quoted(name: &str) -> String {
    format!("`{}`", shortened(name))
}

/// Names, one after the other.
pub(super) fn quoted_list<'a>(names: impl Iterator<Item = &'a str>) -> String {
    names.map(quoted).collect::<Vec<_>>().join(", ")
}
