//! Moments and quantiles of a numeric column's counts.

use super::{Counts, Grid, NumericGrid, moments::Moments};

impl Counts {
    /// Smallest valid value, exactly; `None` without one, and for categories.
    #[must_use]
    pub fn min(&self) -> Option<f64> {
        self.moments.as_ref().and_then(Moments::min)
    }

    /// Largest valid value, exactly; `None` without one, and for categories.
    #[must_use]
    pub fn max(&self) -> Option<f64> {
        self.moments.as_ref().and_then(Moments::max)
    }

    /// Arithmetic mean of the valid values; `None` without one, and for
    /// categories.
    ///
    /// Off by at most 2^-46 of the distance between the reference's median and
    /// its outer percentiles; for values more than 32 times as far away, by
    /// 2^-50 of their own distance; and by the last bit of a double.
    #[must_use]
    pub fn mean(&self) -> Option<f64> {
        self.moments.as_ref().and_then(Moments::mean)
    }

    /// Sample standard deviation (divisor n - 1), as exact as [`Self::mean`];
    /// `None` below two values, and for categories.
    #[must_use]
    pub fn std_dev(&self) -> Option<f64> {
        self.moments.as_ref().and_then(Moments::std_dev)
    }

    /// The `p`-quantile, `p` in 0..=1, of the valid values on `grid`.
    ///
    /// Interpolated between the two neighbouring order statistics at
    /// `(n - 1) p`, as numpy and R (type 7) do. An order statistic in a bin of
    /// a single value is exact; in another it is taken as if the bin's values
    /// were spread evenly over the bin, so that the result is off by at most
    /// the width of a bin. `None` without values, for categories, and when `p`
    /// is no share.
    #[must_use]
    pub fn quantile(&self, grid: &Grid, p: f64) -> Option<f64> {
        let Grid::Numeric(grid) = grid else { return None };
        let last = self.valid().checked_sub(1)?;
        if !(0.0..=1.0).contains(&p) {
            return None;
        }
        #[expect(
            clippy::cast_precision_loss,
            reason = "beyond 2^53 values a rank may be off by a 2^-53rd of them"
        )]
        let position = last as f64 * p;
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "between 0 and the last rank"
        )]
        let rank = (position.floor() as u64).min(last);
        #[expect(clippy::cast_precision_loss, reason = "as above")]
        let part = (position - rank as f64).clamp(0.0, 1.0);
        let low = self.order_statistic(grid, rank)?;
        if part == 0.0 {
            return Some(low);
        }
        let high = self.order_statistic(grid, (rank + 1).min(last))?;
        Some(between(low, high, part))
    }

    /// The value of `rank`, counted from 0, in ascending order.
    fn order_statistic(&self, grid: &NumericGrid, rank: u64) -> Option<f64> {
        let (min, max) = (self.min()?, self.max()?);
        let mut before = 0;
        for (bin, count) in self.bins().enumerate() {
            if rank - before < count {
                // The data lie within the bin and between its extremes.
                let (lower, upper) = (grid.lower(bin).max(min), grid.upper(bin).min(max));
                if grid.is_single_value(bin) || lower >= upper {
                    return Some(upper);
                }
                #[expect(clippy::cast_precision_loss, reason = "a share of a bin")]
                let part = ((rank - before) as f64 + 0.5) / count as f64;
                return Some(between(lower, upper, part));
            }
            before += count;
        }
        None
    }
}

/// The point at `part` of the way, never outside.
fn between(low: f64, high: f64, part: f64) -> f64 {
    let width = high - low;
    let point = if width.is_finite() {
        low + width * part
    } else {
        2.0 * (low / 2.0 + (high / 2.0 - low / 2.0) * part)
    };
    point.clamp(low, high)
}
