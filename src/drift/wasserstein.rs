//! Wasserstein-1 distance: the area between two distribution functions.

use super::cumulative::Span;

/// The Wasserstein-1 distance ("earth mover's distance") in the column's own
/// unit, and how far it can be off.
///
/// In one dimension it is the integral of `|F - G|` (Vallender, "Calculation of
/// the Wasserstein Distance Between Probability Distributions on the Line",
/// 1974). Bins of a single value contribute exactly. Inside any other bin the
/// values are taken as evenly spread between its bounds, cut to the smallest and
/// largest value of the two sides. Moving a bin's mass to where it is taken to
/// be costs at most half the bin's width, so by the triangle inequality the
/// result is off by at most `error`, half the mean width of the bins that the
/// values of both sides lie in (0 where all of these hold single values).
///
/// Not for columns whose mean need not exist: one far outlier among `n` values
/// moves it by its distance over `n`, which is what it is meant to measure.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Transport {
    /// The distance.
    pub distance: f64,
    /// The true distance is within `distance +- error`.
    pub error: f64,
}

impl Transport {
    /// The distance in units of `std_dev`, the reference's sample standard
    /// deviation, so that columns of different units compare. `mean_difference`
    /// is the difference of the two means where both are known: the distance
    /// between two distributions is never below it, which on grids with wide
    /// bins is the better value for shifts into the tails.
    ///
    /// `None` when the unit is zero, or a number too large to compute with.
    #[must_use]
    pub fn standardised(self, std_dev: f64, mean_difference: Option<f64>) -> Option<f64> {
        if !(std_dev > 0.0 && std_dev.is_finite()) {
            return None;
        }
        // Where the grid is exact the area is, too, and the means only round.
        let floor = mean_difference.filter(|_| self.error > 0.0).map_or(0.0, f64::abs);
        let standardised = self.distance.max(floor) / std_dev;
        standardised.is_finite().then_some(standardised)
    }
}

/// The integral on its way from the lowest bin to the highest.
#[derive(Debug)]
pub(super) struct TransportSum {
    range: (f64, f64),
    /// Where the last bin's values end, NaN before the first, and `F - G` there.
    position: f64,
    difference: f64,
    sum: Transport,
}

impl TransportSum {
    pub(super) fn new(range: (f64, f64)) -> Self {
        Self { range, position: f64::NAN, difference: 0.0, sum: Transport { distance: 0.0, error: 0.0 } }
    }

    /// Goes over one bin that holds values: `difference` is `F - G` after it,
    /// `mass` the sum of the two shares in it.
    #[inline]
    pub(super) fn step(&mut self, span: Span, difference: f64, mass: f64) {
        let (from, until) = match span {
            Span::Point(value) => (value, value),
            Span::Interval { lower, upper } => self.clip(lower, upper),
        };
        let gap = positive(from - self.position);
        let width = positive(until - from);
        self.sum.distance += self.difference.abs() * gap + width * mean_size(self.difference, difference);
        self.sum.error += width * mass / 2.0;
        self.position = until;
        self.difference = difference;
    }

    /// By comparisons, for the reason given at [`positive`].
    #[inline]
    fn clip(&self, lower: f64, upper: f64) -> (f64, f64) {
        let (min, max) = self.range;
        (if lower > min { lower } else { min }, if upper < max { upper } else { max })
    }

    pub(super) fn finish(self) -> Transport {
        self.sum
    }
}

/// A width, or zero for what is none, NaN included: by a comparison, since
/// `f64::max` spends three more instructions on NaN.
#[inline]
fn positive(width: f64) -> f64 {
    if width > 0.0 { width } else { 0.0 }
}

/// Mean of `|x|` while `x` goes evenly from `start` to `end`.
#[inline]
fn mean_size(start: f64, end: f64) -> f64 {
    let total = start.abs() + end.abs();
    if start * end >= 0.0 { total / 2.0 } else { (start * start + end * end) / total / 2.0 }
}
