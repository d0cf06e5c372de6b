//! Quantiles of two arms.
//!
//! Why: what users feel of latency is its tail, and a mean hides it. Values are
//! counted in bins of equal width of their logarithm, so that a quantile is right
//! within 2 %, whatever the scale, and counts of parts add up to the same in any
//! order. Bins are what all arms have in common, so no arm decides where they are.
//!
//! Windows are put together with the weights of [`super::strata`]: the distribution
//! of an arm is the average of its windows' distributions, the same average for both
//! arms, so that a ramp does not compare one hour with another.
//!
//! The variance is that of the share of values below the common quantile, divided by
//! the square of the density there, which is read off the common distribution within
//! the quantile's own uncertainty, as GrowthBook does it with two further quantiles
//! (`gbstats`, `QuantileStatistic`).
//!
//! When not to use it: with fewer than [`TAIL`] values of an arm beyond the quantile;
//! then there is nothing ([`QuantileStrata::difference`] is `None`).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::strata::{Difference, LEAST};

/// Ratio of the ends of a bin.
const RATIO: f64 = 1.02;
/// Values nearer to 0 are 0.
const NEAREST: f64 = 1e-9;
/// Number of the bin that begins at [`NEAREST`].
const FIRST: i32 = 1;
/// Values further from 0 are taken for this.
const FURTHEST: f64 = 1e15;
/// Values of each arm that must lie beyond a quantile.
pub const TAIL: f64 = 20.0;
/// So many standard errors of the quantile's share the density is read off.
const AROUND: f64 = 1.96;

/// How often values were in each bin.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Histogram(BTreeMap<i32, u64>);

/// The bin of a value: 0 for 0, negative for values below it.
#[must_use]
pub fn bin(value: f64) -> Option<i32> {
    if value.is_nan() {
        return None;
    }
    let size = value.abs().min(FURTHEST);
    if size < NEAREST {
        return Some(0);
    }
    #[expect(clippy::cast_possible_truncation, reason = "a few thousand at most")]
    let place = ((size / NEAREST).ln() / RATIO.ln()).floor() as i32 + FIRST;
    Some(if value < 0.0 { -place } else { place })
}

/// The ends of a bin, the lower one first.
fn ends(bin: i32) -> (f64, f64) {
    if bin == 0 {
        return (0.0, 0.0);
    }
    let at = |place: i32| NEAREST * RATIO.powi(place - FIRST);
    let (near, far) = (at(bin.abs()), at(bin.abs() + 1));
    if bin < 0 { (-far, -near) } else { (near, far) }
}

impl Histogram {
    /// Counts a value by its bin.
    pub fn add(&mut self, bin: i32) {
        *self.0.entry(bin).or_insert(0) += 1;
    }

    /// Adds the counts of another part.
    pub fn merge(&mut self, other: &Self) {
        for (bin, count) in &other.0 {
            *self.0.entry(*bin).or_insert(0) += count;
        }
    }

    /// Values counted.
    #[must_use]
    pub fn n(&self) -> u64 {
        self.0.values().sum()
    }
}

/// The distributions of two arms over windows.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct QuantileStrata {
    pending: Option<(Histogram, Histogram)>,
    weight: f64,
    n: (u64, u64),
    /// Sum of the weighted shares of each bin: control and challenger.
    shares: BTreeMap<i32, (f64, f64)>,
}

impl QuantileStrata {
    /// Whether what was read back can be calculated with.
    #[must_use]
    pub fn is_plausible(&self) -> bool {
        self.weight.is_finite() && self.shares.values().all(|(a, b)| a.is_finite() && b.is_finite())
    }

    /// Values of the control and of the challenger, those of strata only.
    #[must_use]
    pub fn n(&self) -> (u64, u64) {
        self.n
    }

    /// Takes a window.
    pub fn take(&mut self, control: &Histogram, challenger: &Histogram) {
        let (mut mine, mut theirs) = self.pending.take().unwrap_or_default();
        mine.merge(control);
        theirs.merge(challenger);
        let (n_mine, n_theirs) = (mine.n(), theirs.n());
        if n_mine.min(n_theirs) < LEAST {
            self.pending = Some((mine, theirs));
            return;
        }
        let (a, b) = (float(n_mine), float(n_theirs));
        let weight = a * b / (a + b);
        self.weight += weight;
        self.n = (self.n.0 + n_mine, self.n.1 + n_theirs);
        for (bin, count) in &mine.0 {
            self.shares.entry(*bin).or_default().0 += weight * float(*count) / a;
        }
        for (bin, count) in &theirs.0 {
            self.shares.entry(*bin).or_default().1 += weight * float(*count) / b;
        }
    }

    /// The difference of the quantile `q`, for values whose variance is by
    /// `design_effect` what it would be for independent events; `None` with too few
    /// values beyond the quantile.
    #[must_use]
    pub fn difference(&self, q: f64, design_effect: f64) -> Option<Difference> {
        let design_effect = design_effect.max(1.0);
        let tail = float(self.n.0.min(self.n.1)) * q.min(1.0 - q);
        if tail < TAIL {
            return None;
        }
        let n = 4.0 * self.weight / design_effect;
        let share_variance = design_effect * q * (1.0 - q) / self.weight;
        let around = (AROUND * share_variance.sqrt()).min(0.5 * q.min(1.0 - q));
        let (control, challenger) =
            (self.quantile(q, |shares| shares.0), self.quantile(q, |shares| shares.1));
        let both = |(a, b): &(f64, f64)| 0.5 * (a + b);
        let width = self.quantile(q + around, both) - self.quantile(q - around, both);
        // Where all values are alike there is no density; a bin's width stands in.
        let least = (RATIO - 1.0) * control.abs().max(challenger.abs()).max(NEAREST);
        let by_density = width.max(least) / (2.0 * around);
        Some(Difference {
            control,
            challenger,
            difference: challenger - control,
            variance: share_variance * by_density * by_density,
            design_effect,
            n,
            explained: 0.0,
        })
    }

    /// The quantile of one arm's distribution, by a straight line within its bin.
    fn quantile(&self, q: f64, arm: impl Fn(&(f64, f64)) -> f64) -> f64 {
        let wanted = q * self.weight;
        let mut below = 0.0;
        let mut last = 0.0;
        for (bin, shares) in &self.shares {
            let share = arm(shares);
            if share <= 0.0 {
                continue;
            }
            let (low, high) = ends(*bin);
            if below + share >= wanted {
                return low + (high - low) * ((wanted - below) / share).clamp(0.0, 1.0);
            }
            below += share;
            last = high;
        }
        last
    }
}

#[expect(clippy::cast_precision_loss, reason = "counts below 2^53")]
fn float(count: u64) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_lie_in_their_bins() {
        for value in [1e-9, 3.7e-5, 1.0, 250.0, -4.2, 9.9e14] {
            let (low, high) = ends(bin(value).expect("a number"));
            assert!(low <= value * (1.0 + 1e-12) || value < 0.0 && low <= value, "{low} {value}");
            assert!(value.abs() <= high.abs().max(low.abs()) * (1.0 + 1e-9), "{value} {high}");
        }
        assert_eq!((bin(0.0), bin(f64::NAN)), (Some(0), None));
        assert_eq!(bin(f64::INFINITY), bin(FURTHEST));
    }

    #[test]
    fn a_shifted_tail_is_found_within_a_bin() {
        let mut strata = QuantileStrata::default();
        let mut arms = (Histogram::default(), Histogram::default());
        for i in 1..=2_000 {
            arms.0.add(bin(f64::from(i)).expect("a number"));
            arms.1.add(bin(f64::from(i) * 1.5).expect("a number"));
        }
        strata.take(&arms.0, &arms.1);
        let difference = strata.difference(0.9, 1.0).expect("enough values");
        assert!((difference.control / 1_800.0 - 1.0).abs() < 0.01, "{}", difference.control);
        assert!((difference.challenger / 2_700.0 - 1.0).abs() < 0.01);
        assert!(difference.difference / difference.variance.sqrt() > 8.0);
        assert_eq!(strata.difference(0.999, 1.0), None, "two values lie beyond");
    }
}
