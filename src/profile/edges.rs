//! Where the edges of a numeric grid lie.

use std::iter;

/// Bins that grow by four beyond either end of the reference's range, from a
/// sixty-fourth of its width to 65,536 widths.
const TAIL_EXPONENTS: std::ops::RangeInclusive<i32> = -3..=8;

/// At most `budget` edges (but for two) at the quantiles of sorted `values`.
///
/// A group of neighbouring values with at most `limit` of the mass shares a
/// bin; a single value above the limit gets its own, by two edges. The limit is
/// the smallest that needs no more than `budget` edges: zero, and so a bin for
/// every value and for every gap between two, when the values are few enough.
pub(super) fn body_edges(values: &[f64], budget: usize) -> Vec<f64> {
    let (mut too_small, mut enough) = (None, values.len());
    loop {
        let from = too_small.map_or(0, |limit: usize| limit + 1);
        if from >= enough {
            break;
        }
        let middle = if too_small.is_none() { 0 } else { from + (enough - from) / 2 };
        if edges_at(values, middle).take(budget + 1).count() <= budget {
            enough = middle;
        } else {
            too_small = Some(middle);
        }
    }
    edges_at(values, enough).collect()
}

/// The edges when no group of several values may hold more than `limit` rows.
fn edges_at(values: &[f64], limit: usize) -> impl Iterator<Item = f64> + '_ {
    let first = values.first().map(|min| min.next_down());
    let mut previous = None;
    let mut group = 0;
    let rest = runs(values).flat_map(move |(value, rows)| {
        let alone = rows > limit;
        // The edge that closes the group before this value, and the one that
        // closes this value's own bin.
        let closing = match previous {
            Some(_) if alone => Some(value.next_down()),
            Some(before) if group > 0 && group + rows > limit => Some(before),
            _ => None,
        };
        group = if alone {
            0
        } else if closing.is_some() {
            rows
        } else {
            group + rows
        };
        previous = Some(value);
        closing.into_iter().chain(alone.then_some(value))
    });
    let edges = first.into_iter().chain(rest).chain(values.last().copied());
    let mut last = f64::NEG_INFINITY;
    edges.filter(move |&edge| {
        let larger = edge > last;
        last = last.max(edge);
        larger
    })
}

/// The distinct values of a sorted slice and how often each stands in it.
#[expect(clippy::float_cmp, reason = "values count as the same when they are")]
fn runs(values: &[f64]) -> impl Iterator<Item = (f64, usize)> + '_ {
    let mut rest = values;
    iter::from_fn(move || {
        let &value = rest.first()?;
        let rows = rest.iter().take_while(|&&other| other == value).count();
        rest = rest.get(rows..)?;
        Some((value, rows))
    })
}

/// `body` with the edges of the tails before and after it.
pub(super) fn with_tails(body: Vec<f64>, min: f64, max: f64) -> Vec<f64> {
    let width = typical_width(min, max);
    let steps = || TAIL_EXPONENTS.map(|exponent| width * 4.0_f64.powi(exponent));
    let mut edges: Vec<f64> = steps().map(|step| min.next_down() - step).collect();
    edges.reverse();
    edges.extend(body);
    edges.extend(steps().map(|step| max + step));
    edges.retain(|edge| edge.is_finite());
    // Steps too small to matter at this magnitude fall onto their neighbour.
    edges.dedup();
    edges
}

/// The width of the range; of a constant, its own magnitude.
pub(super) fn typical_width(min: f64, max: f64) -> f64 {
    let width = max - min;
    if width > 0.0 {
        width.min(f64::MAX)
    } else if max == 0.0 {
        1.0
    } else {
        max.abs()
    }
}
