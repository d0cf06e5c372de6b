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
        self.quantiles(grid, [p]).map(|[quantile]| quantile)
    }

    /// Several quantiles in one pass over the bins; `shares` in ascending order.
    #[must_use]
    pub fn quantiles<const N: usize>(&self, grid: &Grid, shares: [f64; N]) -> Option<[f64; N]> {
        let Grid::Numeric(grid) = grid else { return None };
        let last = self.valid().checked_sub(1)?;
        let range = (self.min()?, self.max()?);
        if shares.iter().any(|p| !(0.0..=1.0).contains(p)) || !shares.is_sorted() {
            return None;
        }
        let mut ranks = Ranks { grid, range, bins: self.bins().enumerate(), bin: 0, count: 0, before: 0 };
        let mut quantiles = [0.0; N];
        // The rank below the last quantile, which the next may share.
        let (mut low_rank, mut low) = (0, ranks.value(0)?);
        for (quantile, p) in quantiles.iter_mut().zip(shares) {
            let (rank, part) = position(last, p);
            if rank != low_rank {
                (low_rank, low) = (rank, ranks.value(rank)?);
            }
            *quantile =
                if part == 0.0 { low } else { between(low, ranks.value((rank + 1).min(last))?, part) };
        }
        Some(quantiles)
    }
}

/// Where the `p`-quantile of values with ranks up to `last` lies: the rank
/// below it, and the part of the way to the next one.
#[expect(clippy::cast_precision_loss, reason = "beyond 2^53 values a rank may be off by a 2^-53rd of them")]
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 0 and the last rank")]
fn position(last: u64, p: f64) -> (u64, f64) {
    let position = last as f64 * p;
    let rank = (position.floor() as u64).min(last);
    (rank, (position - rank as f64).clamp(0.0, 1.0))
}

/// Order statistics by ascending rank.
struct Ranks<'a, I> {
    grid: &'a NumericGrid,
    /// Smallest and largest value.
    range: (f64, f64),
    bins: I,
    bin: usize,
    count: u64,
    /// Values in lower bins.
    before: u64,
}

impl<I: Iterator<Item = (usize, u64)>> Ranks<'_, I> {
    /// The value of `rank`, counted from 0, which must not be in a lower bin
    /// than the last one asked for.
    fn value(&mut self, rank: u64) -> Option<f64> {
        while rank >= self.before + self.count {
            self.before += self.count;
            (self.bin, self.count) = self.bins.next()?;
        }
        // The data lie within the bin and between its extremes.
        let lower = self.grid.lower(self.bin).max(self.range.0);
        let upper = self.grid.upper(self.bin).min(self.range.1);
        if self.grid.is_single_value(self.bin) || lower >= upper {
            return Some(upper);
        }
        #[expect(clippy::cast_precision_loss, reason = "a share of a bin")]
        let part = (rank.saturating_sub(self.before) as f64 + 0.5) / self.count as f64;
        Some(between(lower, upper, part))
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
