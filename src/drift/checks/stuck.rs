//! One value, or one narrow bin, that holds far more than it should.

use super::{
    FALSE_ALARMS, Sides,
    shares::ShareCounts,
    text::{number, percent},
    two_sample::TwoSample,
};
use crate::{
    drift::pair::{count_to_f64, share},
    profile::NumericGrid,
    result::{Check, Finding, Verdict},
};

/// Occupied bins of the reference below which a stuck value can't be told from
/// a shift: both put more rows into one of few values.
const FEWEST_BINS: usize = 10;
/// Standard deviations of the reference that a bin may be wide to be narrow.
const NARROW: f64 = 0.25;
/// Standard deviations that rows beyond the range may be apart on average to be
/// one value.
const ONE_VALUE: f64 = 0.1;

/// A bin that may hold a stuck value.
#[derive(Debug, Clone, Copy)]
struct Suspect {
    bin: usize,
    reference: u64,
    window: u64,
    /// Share of the window less share of the reference.
    excess: f64,
    /// The value, where it is known to be one.
    value: Option<f64>,
}

/// The bin with the largest excess, if it is narrow, and whether the rest of
/// the window is like the rest of the reference.
///
/// A shift raises many bins, and what it leaves of the others no longer looks
/// like the reference; stuck rows raise one, and the others stay as they were.
/// So the excess must exceed the largest difference of the distribution
/// functions of all *other* rows (or the noise of that). The noise point is the
/// bin's, at the false alarms over the number of bins. `effect` is the excess:
/// the part of the rows that is stuck.
pub(super) fn finding(sides: &Sides<'_>, grid: &NumericGrid) -> Finding {
    let check = Check::Stuck;
    let (rows, reference_rows) = (sides.window.valid(), sides.reference().valid());
    let occupied = sides.reference_bins.iter().filter(|&&count| count > 0).take(FEWEST_BINS).count();
    if !sides.are_enough(rows) || occupied < FEWEST_BINS {
        return super::insufficient(check);
    }
    let suspects = [in_range(sides, grid), beyond_range(sides, grid)];
    let Some(suspect) = suspects.into_iter().flatten().reduce(|a, b| if b.excess > a.excess { b } else { a })
    else {
        return Finding { verdict: Verdict::Stable, ..super::insufficient(check) };
    };
    let bins = count_to_f64(sides.window_bins.len() as u64);
    let most = TwoSample::new(suspect.reference, reference_rows, rows, sides.deff).most(FALSE_ALARMS / bins);
    let count = count_to_f64(suspect.window);
    let verdict = match most {
        None => Verdict::Insufficient,
        Some(high) if count <= high || !rest_is_like(sides, &suspect) => Verdict::Stable,
        Some(_) if suspect.excess >= sides.settings.min_stuck_share => Verdict::Drifted,
        Some(_) => Verdict::Shifted,
    };
    let detail = if verdict > Verdict::Stable { describe(sides, grid, &suspect) } else { String::new() };
    Finding {
        verdict,
        value: Some(share(suspect.window, rows)),
        reference: Some(share(suspect.reference, reference_rows)),
        noise_high: most.map(|high| high / count_to_f64(rows)),
        effect: Some(suspect.excess),
        detail,
        ..super::insufficient(check)
    }
}

/// The narrow bin inside the reference's range with the largest excess.
fn in_range(sides: &Sides<'_>, grid: &NumericGrid) -> Option<Suspect> {
    let all = |_: usize| true;
    let narrow = |bin: usize| is_narrow(sides, grid, bin);
    // Mostly the largest is narrow, and the widths of the others don't matter.
    largest_excess(sides, grid, all).filter(|suspect| narrow(suspect.bin)).or_else(|| {
        let worth = |bin: usize| sides.window_bins.get(bin).is_some_and(|&count| count > 0) && narrow(bin);
        largest_excess(sides, grid, worth)
    })
}

fn is_narrow(sides: &Sides<'_>, grid: &NumericGrid, bin: usize) -> bool {
    let width = grid.upper(bin) - grid.lower(bin);
    grid.is_single_value(bin) || sides.reference().std_dev().is_some_and(|std_dev| width <= NARROW * std_dev)
}

fn largest_excess(sides: &Sides<'_>, grid: &NumericGrid, may: impl Fn(usize) -> bool) -> Option<Suspect> {
    let one_of_reference = 1.0 / count_to_f64(sides.reference().valid());
    let one_of_window = 1.0 / count_to_f64(sides.window.valid());
    let (reference, window) = sides.inside(grid);
    let mut largest = None::<Suspect>;
    let mut most = f64::NEG_INFINITY;
    let first = grid.inside().start;
    for (bin, (&reference, &window)) in (first..).zip(reference.iter().zip(window)) {
        let excess = count_to_f64(window) * one_of_window - count_to_f64(reference) * one_of_reference;
        if excess > most && may(bin) {
            most = excess;
            let value = grid.is_single_value(bin).then(|| grid.upper(bin));
            largest = Some(Suspect { bin, reference, window, excess, value });
        }
    }
    largest
}

/// A value far outside, such as -999, in a bin that is wide.
///
/// The bin is the outermost with rows on its side, so one of its rows is the
/// window's smallest or largest value `v`. The mean of all rows is known
/// exactly and that of the others nearly, from their bins, narrow inside the
/// range and as wide as need be beyond; what is left is the mean of the bin's own
/// rows. They lie on one side of `v`, so they are all about there when their mean
/// is.
fn beyond_range(sides: &Sides<'_>, grid: &NumericGrid) -> Option<Suspect> {
    let window = sides.window;
    let outside = count_to_f64(window.unseen());
    if outside < count_to_f64(window.valid()) * sides.settings.min_stuck_share {
        return None;
    }
    let inside = grid.inside();
    let bins = sides.window_bins.iter().enumerate().filter(|(bin, _)| !inside.contains(bin));
    let (bin, &count) = bins.max_by_key(|(_, count)| **count)?;
    let (min, max) = (window.min()?, window.max()?);
    let value = if bin == grid.bin_of(min) {
        min
    } else if bin == grid.bin_of(max) {
        max
    } else {
        return None;
    };
    let rows = count_to_f64(count);
    let (mut of_others, mut unknown) = (0.0, 0.0);
    for (other, &count) in sides.window_bins.iter().enumerate().filter(|(other, _)| *other != bin) {
        if count > 0 {
            let (lower, upper) = (grid.lower(other).max(min), grid.upper(other).min(max));
            of_others += count_to_f64(count) * (lower / 2.0 + upper / 2.0 - value);
            let wide = if inside.contains(&other) { 0.0 } else { (upper - lower) / 2.0 };
            unknown += count_to_f64(count) * wide;
        }
    }
    let all = count_to_f64(window.valid()) * (window.mean()? - value);
    let apart = ((all - of_others).abs() + unknown) / rows;
    let excess = rows / count_to_f64(window.valid());
    let reference = sides.reference_bins.get(bin).copied().unwrap_or_default();
    (apart <= ONE_VALUE * sides.reference().std_dev()?).then_some(Suspect {
        bin,
        reference,
        window: count,
        excess,
        value: Some(value),
    })
}

/// Whether all other rows differ by less than the excess from those of the
/// reference, in their distribution functions.
fn rest_is_like(sides: &Sides<'_>, suspect: &Suspect) -> bool {
    let m = count_to_f64(sides.reference().valid() - suspect.reference);
    let n = count_to_f64(sides.window.valid() - suspect.window);
    if m <= 0.0 || n <= 0.0 {
        return true;
    }
    let (mut reference, mut window, mut largest) = (0, 0, 0.0_f64);
    for (bin, counts) in sides.bins().enumerate() {
        if bin != suspect.bin {
            reference += counts.0;
            window += counts.1;
            largest = largest.max((count_to_f64(window) / n - count_to_f64(reference) / m).abs());
        }
    }
    // Kolmogorov's point at one in a hundred.
    let noise = 1.63 * (sides.deff * (1.0 / m + 1.0 / n)).sqrt();
    largest <= suspect.excess.max(noise)
}

fn describe(sides: &Sides<'_>, grid: &NumericGrid, suspect: &Suspect) -> String {
    let place = match suspect.value {
        Some(value) => format!("value {}", number(value)),
        None => {
            format!("values in {} .. {}", number(grid.lower(suspect.bin)), number(grid.upper(suspect.bin)))
        }
    };
    let counts = ShareCounts {
        reference: suspect.reference,
        reference_rows: sides.reference().valid(),
        window: suspect.window,
        window_rows: sides.window.valid(),
        hidden: 0,
    };
    format!("{place}: {}, {} of the rows too many", counts.change(), percent(suspect.excess))
}
