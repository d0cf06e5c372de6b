//! Values in another unit.
//!
//! A column whose producer turned seconds into milliseconds has drifted by every
//! distance, and none says how. Here each change of unit that has a name is
//! tried on the reference: it is found when the reference, changed so, is what
//! the window looks like, while the reference as it is is not. Mean and standard
//! deviation are known exactly from the moments, so factors as near as 1,000 and
//! 1,024 can be told apart beyond the grid's fine bins, too; the shape is
//! compared at the edges of the grid, and the extremes must be possible.

use super::{
    Sides,
    empirical::Empirical,
    shares::larger_way,
    text::{number, percent},
    unit_names::{CURVES, FACTORS, OFFSETS},
};
use crate::{
    drift::pair::count_to_f64,
    profile::NumericGrid,
    result::{Check, Finding, Verdict},
};

/// Difference of the distribution functions from which on the unchanged
/// reference does not fit.
const UNLIKE: f64 = 0.1;
/// The same when a part of the rows may have changed.
const PARTLY_UNLIKE: f64 = 0.02;
/// Standard errors by which a mean or a deviation may be off.
const STANDARD_ERRORS: f64 = 4.0;
/// Standard errors within which a second change is likely, too.
const LIKELY: f64 = 2.5;
/// Standard deviations that the mean is away from 0 to tell a part by it.
const SURE_MEAN: f64 = 0.2;
/// Kolmogorov's point at one in a thousand.
const KOLMOGOROV: f64 = 1.95;
/// What the grid's bins leave open of a distribution function.
const GRID_ERROR: f64 = 0.003;
/// How many times further than chance the reference must be from fitting, for a
/// change of all rows and of a part of them.
const CLEARLY: f64 = 2.0;
const PARTLY_CLEARLY: f64 = 2.5;
/// A factor of a part of the rows: below it, the two humps that it makes are too
/// close to tell it from a wider distribution.
const APART: f64 = 7.0;
/// The smallest and the largest part of the rows that counts as a part.
const PARTS: std::ops::RangeInclusive<f64> = 0.02..=0.98;

/// Mean, standard deviation, fourth moment over squared variance.
#[derive(Debug, Clone, Copy)]
struct Shape {
    mean: f64,
    std_dev: f64,
    kurtosis: f64,
}

/// What is known of both sides.
struct Evidence<'a> {
    sides: &'a Sides<'a>,
    grid: &'a NumericGrid,
    reference: Shape,
    distribution: Empirical<'a>,
    mean: f64,
    std_dev: f64,
    range: (f64, f64),
    /// As [`noise_of`].
    noise: f64,
}

/// A change of unit that fits: how far off it is, in standard errors, its
/// factor and what it is called.
struct Found {
    off: f64,
    factor: f64,
    /// As after "values are".
    name: String,
    example: &'static str,
}

/// `value` is the ratio of the standard deviations, `effect` the factor that was
/// recognised. There is no noise range: what decides is whether a change fits.
pub(super) fn finding(sides: &Sides<'_>, grid: &NumericGrid) -> Finding {
    let finding = super::insufficient(Check::Unit);
    let (reference, window) = (sides.reference(), sides.window);
    let moments = |counts: &crate::profile::Counts| Some((counts.mean()?, counts.std_dev()?));
    let Some(((mean, std_dev), (window_mean, window_std_dev))) = moments(reference).zip(moments(window))
    else {
        return finding;
    };
    if !sides.are_enough(window.valid()) || std_dev <= 0.0 || window_std_dev <= 0.0 {
        return finding;
    }
    let ratio = Some(window_std_dev / std_dev).filter(|ratio| ratio.is_finite());
    let stable = Finding { verdict: Verdict::Stable, value: ratio, reference: Some(1.0), ..finding };
    if !may_differ(sides, (mean, std_dev), (window_mean, window_std_dev)) {
        return stable;
    }
    let (unlike, tolerance) = (unlike(sides), tolerance(noise_of(sides)));
    if unlike <= PARTLY_UNLIKE.max(CLEARLY * tolerance) {
        return stable;
    }
    let Some(evidence) = Evidence::new(sides, grid, (mean, std_dev), (window_mean, window_std_dev)) else {
        return stable;
    };
    let whole = (unlike > UNLIKE.max(CLEARLY * tolerance)).then(|| evidence.whole()).flatten();
    let partly = |evidence: &Evidence<'_>| {
        (unlike > PARTLY_UNLIKE.max(PARTLY_CLEARLY * tolerance)).then(|| evidence.part()).flatten()
    };
    match whole.or_else(|| partly(&evidence)) {
        Some((factor, detail)) => {
            Finding { verdict: Verdict::Drifted, effect: Some(factor), detail, ..stable }
        }
        None => stable,
    }
}

/// The largest difference of the two distribution functions as they are.
fn unlike(sides: &Sides<'_>) -> f64 {
    let of_reference = 1.0 / count_to_f64(sides.reference().valid());
    let of_window = 1.0 / count_to_f64(sides.window.valid());
    let (mut reference, mut window) = (0, 0);
    let differences = sides.bins().map(|counts| {
        reference += counts.0;
        window += counts.1;
        (count_to_f64(reference) * of_reference - count_to_f64(window) * of_window).abs()
    });
    differences.fold(0.0, f64::max)
}

/// `1/m + 1/n`, times the design effect.
fn noise_of(sides: &Sides<'_>) -> f64 {
    let (m, n) = (count_to_f64(sides.reference().valid()), count_to_f64(sides.window.valid()));
    sides.deff * (1.0 / m + 1.0 / n)
}

/// How much two distribution functions may differ by chance and binning.
fn tolerance(noise: f64) -> f64 {
    KOLMOGOROV * noise.sqrt() + GRID_ERROR
}

/// Whether the moments or the extremes are different enough for a closer look.
fn may_differ(sides: &Sides<'_>, reference: (f64, f64), window: (f64, f64)) -> bool {
    let lopsided = |counts: &crate::profile::Counts, mean: f64| {
        let (min, max) = counts.min().zip(counts.max()).unwrap_or_default();
        if max > min { ((max - mean) - (mean - min)) / (max - min) } else { 0.0 }
    };
    let turned = lopsided(sides.reference(), reference.0) - lopsided(sides.window, window.0);
    (window.0 - reference.0).abs() > 0.1 * reference.1
        || larger_way(window.1 / reference.1) > 1.1
        || turned.abs() > 0.3
}

impl<'a> Evidence<'a> {
    fn new(
        sides: &'a Sides<'a>,
        grid: &'a NumericGrid,
        reference: (f64, f64),
        window: (f64, f64),
    ) -> Option<Self> {
        let kurtosis = shape_of(sides, grid, |x| x)?.kurtosis;
        Some(Self {
            sides,
            grid,
            reference: Shape { mean: reference.0, std_dev: reference.1, kurtosis },
            distribution: Empirical::of_reference(sides, grid),
            mean: window.0,
            std_dev: window.1,
            range: sides.window.min().zip(sides.window.max())?,
            noise: noise_of(sides),
        })
    }

    /// The change of all rows that fits best: its factor, and what it is called.
    fn whole(&self) -> Option<(f64, String)> {
        let factors =
            factors().filter_map(|known| Some(Found { off: self.fits_line(known.factor, 0.0)?, ..known }));
        let offsets = OFFSETS.iter().filter_map(|known| {
            let off = self.fits_line(known.scale, known.offset)?;
            Some(Found { off, factor: known.scale, name: known.name.to_owned(), example: "" })
        });
        let found = best(factors.chain(offsets));
        let found = found.or_else(|| best(self.curves())).or_else(|| best(self.unknown_factor().into_iter()));
        found.map(|(factor, text)| (factor, format!("values are {text}")))
    }

    /// A factor without a name: the whole distribution is as much wider as its
    /// mean is larger.
    fn unknown_factor(&self) -> Option<Found> {
        let factor = self.mean / self.reference.mean;
        let sure = self.reference.mean.abs() > 10.0 * self.reference.std_dev * self.noise.sqrt();
        if !sure || !factor.is_finite() || larger_way(factor.abs()) < self.sides.settings.min_ratio {
            return None;
        }
        let off = self.fits_line(factor, 0.0)?;
        let name = format!("about {} times the reference's, no known unit", rounded(factor));
        Some(Found { off, factor, name, example: "" })
    }

    /// Whether `scale x + offset` of the reference is what the window looks
    /// like; by how many standard errors the mean is off.
    fn fits_line(&self, scale: f64, offset: f64) -> Option<f64> {
        let expected = Shape {
            mean: self.reference.mean * scale + offset,
            std_dev: self.reference.std_dev * scale.abs(),
            ..self.reference
        };
        let off = self.moments_off(&expected)?;
        self.shape_fits(|y| (y - offset) / scale, scale < 0.0).then_some(off)
    }

    /// The logarithms and powers that fit.
    fn curves(&self) -> impl Iterator<Item = Found> + '_ {
        let (min, max) = self.grid.range();
        let possible = CURVES.iter().filter(move |curve| {
            let ends = ((curve.forward)(min), (curve.forward)(max));
            ends.0.is_finite() && ends.1.is_finite()
        });
        possible.filter_map(|curve| {
            let expected = shape_of(self.sides, self.grid, curve.forward)?;
            let off = self.moments_off(&expected)?;
            let factor = self.std_dev / self.reference.std_dev;
            let found = || Found { off, factor, name: curve.name.to_owned(), example: "" };
            self.shape_fits(curve.inverse, false).then(found)
        })
    }

    /// By how many standard errors the window's mean is off, when that and its
    /// standard deviation are possible.
    ///
    /// The standard error of a sample deviation is that of Cramér (*Mathematical
    /// Methods of Statistics*, 1946): `sigma sqrt((kurtosis - 1) / (4 n))`.
    fn moments_off(&self, expected: &Shape) -> Option<f64> {
        let off = (self.mean - expected.mean).abs() / (expected.std_dev * self.noise.sqrt());
        let spread = (self.std_dev / expected.std_dev).ln().abs();
        let allowed =
            STANDARD_ERRORS * ((expected.kurtosis - 1.0).max(0.5) / 4.0 * self.noise).sqrt() + GRID_ERROR;
        (off <= STANDARD_ERRORS && spread <= allowed).then_some(off)
    }

    /// Whether distribution function and extremes of the changed reference are
    /// those of the window; `inverse` undoes the change.
    fn shape_fits(&self, inverse: impl Fn(f64) -> f64 + Copy, turns: bool) -> bool {
        let (a, b) = (inverse(self.range.0), inverse(self.range.1));
        let (low, high) = if turns { (b, a) } else { (a, b) };
        let (min, max) = self.grid.range();
        let rows = count_to_f64(self.sides.window.valid()) / self.sides.deff;
        let width = max - min;
        // NaN, from a number that the change can't give, is no possible extreme.
        let possible = low >= min - width
            && high <= max + width
            && (1.0 - self.distribution.bounds(low).0).powf(rows) >= 1e-4
            && self.distribution.bounds(high).1.powf(rows) >= 1e-4;
        possible && self.difference(inverse, turns, 0.0) <= tolerance(self.noise)
    }

    /// The largest difference between the window's distribution function and
    /// that of the reference after a change, at the grid's edges; the part
    /// `unchanged` of the rows is as before.
    fn difference(&self, inverse: impl Fn(f64) -> f64, turns: bool, unchanged: f64) -> f64 {
        let rows = count_to_f64(self.sides.window.valid());
        let (mut below, mut largest) = (0, 0.0_f64);
        let last = self.sides.window_bins.len().saturating_sub(1);
        for (bin, &count) in self.sides.window_bins.iter().take(last).enumerate() {
            below += count;
            let edge = self.grid.upper(bin);
            let (low, high) = self.distribution.around(inverse(edge));
            let (low, high) = if turns { (1.0 - high, 1.0 - low) } else { (low, high) };
            let as_before = if unchanged > 0.0 { unchanged * self.distribution.up_to(edge) } else { 0.0 };
            let found = count_to_f64(below) / rows - as_before;
            let changed = 1.0 - unchanged;
            largest = largest.max(found - changed * high).max(changed * low - found);
        }
        largest
    }

    /// The factor that a part of the rows was multiplied by, and its name. Only
    /// known factors count, since a third unknown would fit much.
    fn part(&self) -> Option<(f64, String)> {
        if self.reference.mean.abs() < SURE_MEAN * self.reference.std_dev {
            return None;
        }
        let apart = factors().filter(|known| known.factor < 0.0 || larger_way(known.factor) >= APART);
        let found = apart.filter_map(|known| Some(Found { off: self.fits_partly(known.factor)?, ..known }));
        let (factor, text) = best(found)?;
        let part = self.part_with(factor);
        Some((factor, format!("about {} of the values are {text}", percent(part))))
    }

    /// The part of the rows that must have been multiplied for the mean.
    fn part_with(&self, factor: f64) -> f64 {
        (self.mean / self.reference.mean - 1.0) / (factor - 1.0)
    }

    /// Whether a part of the rows times `factor` is what the window looks like:
    /// the part follows from the mean, the mean square must then be as predicted,
    /// and the shape must fit. By how many standard errors the square is off.
    fn fits_partly(&self, factor: f64) -> Option<f64> {
        let Shape { mean, std_dev, kurtosis } = self.reference;
        let part = self.part_with(factor);
        if !PARTS.contains(&part) {
            return None;
        }
        let square = mean * mean + std_dev * std_dev;
        // Relative deviation of a row's square, of a symmetric distribution.
        let deviation = (kurtosis - 1.0).max(0.5) * std_dev.powi(4) + 4.0 * (mean * std_dev).powi(2);
        let spread = deviation.sqrt() / square;
        let expected = square * (1.0 + part * (factor * factor - 1.0));
        let found = self.mean * self.mean + self.std_dev * self.std_dev;
        // Rows that carry most of the mean square.
        let carriers = if factor.abs() > 1.0 { part } else { 1.0 - part };
        let off = (found / expected).ln().abs() / (spread * (self.noise / carriers).sqrt());
        let widest = |range: (f64, f64)| range.0.abs().max(range.1.abs());
        let reaches = widest(self.range) <= 2.0 * widest(self.grid.range()) * factor.abs().max(1.0);
        let fits = off <= STANDARD_ERRORS
            && reaches
            && self.difference(|y| y / factor, factor < 0.0, 1.0 - part) <= tolerance(self.noise);
        fits.then_some(off)
    }
}

/// The known factors and their inverses, not yet compared with anything.
fn factors() -> impl Iterator<Item = Found> {
    let new = |factor, name, example| Found { off: f64::INFINITY, factor, name, example };
    let both = FACTORS.iter().flat_map(move |known| {
        let text = number(known.factor);
        [
            new(known.factor, format!("{text} times the reference's"), known.times),
            new(1.0 / known.factor, format!("the reference's over {text}"), known.over),
        ]
    });
    both.chain([new(-1.0, "the reference's with the sign turned".to_owned(), "")])
}

/// The factor of the change that is off the least and its name, and the names of
/// others that fit about as well.
fn best(found: impl Iterator<Item = Found>) -> Option<(f64, String)> {
    let mut found: Vec<Found> = found.collect();
    found.sort_by(|a, b| a.off.total_cmp(&b.off));
    let mut found = found.into_iter();
    let first = found.next()?;
    let example = if first.example.is_empty() { String::new() } else { format!(" ({})", first.example) };
    let mut text = format!("{}{example}", first.name);
    for other in found.filter(|other| other.off <= LIKELY) {
        text = format!("{text}, or {}", other.name);
    }
    Some((first.factor, text))
}

/// Three digits.
fn rounded(factor: f64) -> String {
    number(format!("{factor:.2e}").parse().unwrap_or(factor))
}

/// Moments of the changed reference, with the values of a bin at its middle.
fn shape_of(sides: &Sides<'_>, grid: &NumericGrid, change: impl Fn(f64) -> f64) -> Option<Shape> {
    let (min, max) = grid.range();
    let (reference, _) = sides.inside(grid);
    let value = |bin: usize| {
        let upper = grid.upper(bin).min(max);
        let middle =
            if grid.is_single_value(bin) { upper } else { grid.lower(bin).max(min) / 2.0 + upper / 2.0 };
        change(middle)
    };
    let rows = || (grid.inside().start..).zip(reference).filter(|(_, count)| **count > 0);
    let total = count_to_f64(reference.iter().sum::<u64>());
    let mean = rows().map(|(bin, &count)| count_to_f64(count) * value(bin)).sum::<f64>() / total;
    let (mut second, mut fourth) = (0.0, 0.0);
    for (bin, &count) in rows() {
        let square = (value(bin) - mean).powi(2);
        second += count_to_f64(count) * square;
        fourth += count_to_f64(count) * square * square;
    }
    let variance = second / total;
    let shape = Shape { mean, std_dev: variance.sqrt(), kurtosis: fourth / total / (variance * variance) };
    let finite = mean.is_finite() && shape.std_dev > 0.0 && shape.kurtosis.is_finite();
    finite.then_some(shape)
}
