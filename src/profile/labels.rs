//! What the bins of a cut are called in pictures, tables and points.

use std::collections::BTreeSet;

use super::{NumericGrid, cut::Group, names::shortened};

/// Significant digits that bounds have at least.
const DIGITS: usize = 4;
/// Significant digits that tell any two doubles apart.
const ALL_DIGITS: usize = 17;

/// The place between two neighbouring groups.
#[derive(Debug, Clone, Copy)]
struct Bound {
    value: f64,
    /// Whether `value` itself belongs to the upper group.
    below: bool,
}

/// Labels of neighbouring groups of a grid's bins, such as `<= 12.5`,
/// `12.5 .. 40`, `= 50`, `> 50`. An interval contains its upper bound unless
/// that is written with `<`.
pub(super) fn intervals(grid: &NumericGrid, groups: &[Group]) -> Vec<String> {
    let inner = groups.iter().take(groups.len().saturating_sub(1));
    let bounds: Vec<Bound> = inner
        .map(|group| {
            let below = grid.is_single_value(group.last + 1);
            Bound { value: grid.upper(if below { group.last + 1 } else { group.last }), below }
        })
        .collect();
    let digits = enough_digits(&bounds);
    let text = |bound: &Bound| short(bound.value, digits);
    let label = |(index, group): (usize, &Group)| {
        let lower = index.checked_sub(1).and_then(|index| bounds.get(index));
        match (lower, bounds.get(index)) {
            (None, None) => "all".to_owned(),
            (None, Some(upper)) => format!("{} {}", if upper.below { "<" } else { "<=" }, text(upper)),
            (Some(lower), None) => format!("{} {}", if lower.below { ">=" } else { ">" }, text(lower)),
            (Some(_), Some(_)) if group.first == group.last && grid.is_single_value(group.last) => {
                format!("= {}", short(grid.upper(group.last), digits))
            }
            (Some(lower), Some(upper)) => {
                format!("{} .. {}{}", text(lower), if upper.below { "<" } else { "" }, text(upper))
            }
        }
    };
    groups.iter().enumerate().map(label).collect()
}

/// Labels of a constant and of everything else.
pub(super) fn constant(value: f64) -> Vec<String> {
    let text = short(value, ALL_DIGITS);
    vec![format!("= {text}"), format!("!= {text}")]
}

/// Labels of categories: their names within bounds, numbered where two would
/// read the same.
pub(super) fn categories(names: &[&str]) -> Vec<String> {
    let mut taken = BTreeSet::new();
    let label = |name: &&str| {
        let name = if name.is_empty() { "(empty)".into() } else { shortened(name) };
        let numbered = (2..).map(|number| format!("{name} ({number})"));
        let free = std::iter::once(name.to_string()).chain(numbered).find(|label| !taken.contains(label));
        let label = free.unwrap_or_default();
        taken.insert(label.clone());
        label
    };
    names.iter().map(label).collect()
}

/// The fewest digits that move no bound by more than a twentieth of the way to
/// the next.
fn enough_digits(bounds: &[Bound]) -> usize {
    let error = |value: f64, digits: usize| {
        short(value, digits).parse().map_or(0.0, |text: f64| (text - value).abs())
    };
    let fit = |digits: usize| {
        bounds.windows(2).filter_map(|pair| <&[Bound; 2]>::try_from(pair).ok()).all(|[a, b]| {
            let room = (b.value - a.value) / 20.0;
            error(a.value, digits) <= room && error(b.value, digits) <= room
        })
    };
    (DIGITS..ALL_DIGITS).find(|&digits| fit(digits)).unwrap_or(ALL_DIGITS)
}

/// A number with so many significant digits; whole ones of up to seven digits
/// are never cut.
fn short(value: f64, digits: usize) -> String {
    let whole = value.fract() == 0.0 && value.abs() < 1e7;
    let rounded = if whole { value } else { format!("{value:.*e}", digits - 1).parse().unwrap_or(value) };
    let magnitude = rounded.abs();
    if magnitude == 0.0 {
        "0".to_owned()
    } else if (1e-4..1e7).contains(&magnitude) {
        format!("{rounded}")
    } else {
        format!("{rounded:e}")
    }
}
