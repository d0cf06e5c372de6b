//! The reference's distribution function, from its bins.

use super::Sides;
use crate::{drift::pair::count_to_f64, profile::NumericGrid};

/// Rows up to each bin, to look up shares below any number.
pub(super) struct Empirical<'a> {
    grid: &'a NumericGrid,
    /// Rows in lower bins; one more entry than there are bins.
    below: Vec<f64>,
    rows: f64,
}

/// Part of a number by which two ways to compute the same one may differ.
const ROUNDING: f64 = 1e-9;

impl<'a> Empirical<'a> {
    pub(super) fn of_reference(sides: &Sides<'_>, grid: &'a NumericGrid) -> Self {
        let mut rows = 0;
        let mut below = vec![0.0];
        below.extend(sides.reference_bins.iter().map(|&count| {
            rows += count;
            count_to_f64(rows)
        }));
        Self { grid, below, rows: count_to_f64(rows).max(1.0) }
    }

    /// Share of the values up to `x`, as if those of a bin were spread evenly.
    pub(super) fn up_to(&self, x: f64) -> f64 {
        let (min, max) = self.grid.range();
        if x.is_nan() || x < min {
            return 0.0;
        }
        if x >= max {
            return 1.0;
        }
        let bin = self.grid.bin_of(x);
        let before = self.below.get(bin).copied().unwrap_or_default();
        let after = self.below.get(bin + 1).copied().unwrap_or(before);
        if self.grid.is_single_value(bin) {
            return after / self.rows;
        }
        let (lower, upper) = (self.grid.lower(bin).max(min), self.grid.upper(bin).min(max));
        let part = if upper > lower { ((x - lower) / (upper - lower)).clamp(0.0, 1.0) } else { 1.0 };
        (before + (after - before) * part) / self.rows
    }

    /// Smallest and largest share up to numbers that `x` may have been before
    /// it was rounded.
    pub(super) fn around(&self, x: f64) -> (f64, f64) {
        let rounding = x.abs() * ROUNDING;
        (self.up_to((x - rounding).next_down()), self.up_to(x + rounding))
    }

    /// Shares below and up to the end of the bin that holds `x`: what is certain
    /// of the share up to `x`, in the wide outer bins, too.
    pub(super) fn bounds(&self, x: f64) -> (f64, f64) {
        if !x.is_finite() {
            return (0.0, 1.0);
        }
        let bin = self.grid.bin_of(x);
        let at = |index: usize| self.below.get(index).copied().unwrap_or_default() / self.rows;
        (at(bin), at(bin + 1))
    }
}
