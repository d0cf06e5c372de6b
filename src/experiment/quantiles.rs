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
//! Where units are known, how far their events go together is seen at the quantile
//! itself: by the scatter between buckets of units of the share that lies below a value
//! near it. A tail is often of few units, such as those far away, while what lies below is
//! of all: the scatter of the values would not show that.
//!
//! When not to use it: with fewer than [`TAIL`] values of an arm beyond the quantile;
//! then there is nothing ([`QuantileStrata::difference`] is `None`).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{
    strata::{Difference, LEAST, LEAST_BUCKETS},
    sums::BUCKETS,
};

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
/// Bins that are one for the counts of buckets of units: the ends are 37 % apart.
const COARSE: i32 = 16;

/// How often values were in each bin.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Histogram {
    bins: BTreeMap<i32, u64>,
    /// Those of each bucket of units in coarser bins, by [`key`].
    buckets: BTreeMap<i32, u64>,
}

/// A coarse bin and a bucket of units as one number, in the order of bins.
fn key(bin: i32, bucket: u8) -> i32 {
    (bin.div_euclid(COARSE) << 8) | i32::from(bucket)
}

/// The coarse bin and the bucket of a key.
fn bin_and_bucket(key: i32) -> (i32, usize) {
    (key >> 8, usize::from(key.to_le_bytes()[0]))
}

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
    /// Counts a value by its bin, and the bucket of its unit where it names one.
    pub fn add(&mut self, bin: i32, bucket: Option<u8>) {
        *self.bins.entry(bin).or_insert(0) += 1;
        if let Some(bucket) = bucket {
            *self.buckets.entry(key(bin, bucket)).or_insert(0) += 1;
        }
    }

    /// Adds the counts of another part.
    pub fn merge(&mut self, other: &Self) {
        let lists = [(&mut self.bins, &other.bins), (&mut self.buckets, &other.buckets)];
        for (mine, theirs) in lists {
            for (bin, count) in theirs {
                *mine.entry(*bin).or_insert(0) += count;
            }
        }
    }

    /// Values counted.
    #[must_use]
    pub fn n(&self) -> u64 {
        self.bins.values().sum()
    }

    /// Whether it is enough for a stratum.
    fn is_enough(&self) -> bool {
        let mut is_used = [false; BUCKETS];
        for key in self.buckets.keys() {
            if let Some(used) = is_used.get_mut(bin_and_bucket(*key).1) {
                *used = true;
            }
        }
        let used = is_used.into_iter().filter(|used| *used).count();
        self.n() >= LEAST && (used == 0 || used >= LEAST_BUCKETS)
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
    /// The same of buckets of units and coarser bins; empty without units.
    buckets: BTreeMap<i32, (f64, f64)>,
}

impl QuantileStrata {
    /// Whether what was read back can be calculated with.
    #[must_use]
    pub fn is_plausible(&self) -> bool {
        let mut shares = self.shares.values().chain(self.buckets.values());
        self.weight.is_finite() && shares.all(|(a, b)| a.is_finite() && b.is_finite())
    }

    /// Values of the control and of the challenger, those of strata only.
    #[must_use]
    pub fn n(&self) -> (u64, u64) {
        self.n
    }

    /// Takes a window; small ones are put together as [`super::strata`] does.
    pub fn take(&mut self, control: &Histogram, challenger: &Histogram) {
        if control.n() == 0 || challenger.n() == 0 || self.add_enough(control, challenger) {
            return;
        }
        let (mut mine, mut theirs) = self.pending.take().unwrap_or_default();
        mine.merge(control);
        theirs.merge(challenger);
        if !self.add_enough(&mine, &theirs) {
            self.pending = Some((mine, theirs));
        }
    }

    fn add_enough(&mut self, control: &Histogram, challenger: &Histogram) -> bool {
        if !control.is_enough() || !challenger.is_enough() {
            return false;
        }
        let (n_control, n_challenger) = (control.n(), challenger.n());
        let (a, b) = (float(n_control), float(n_challenger));
        let weight = a * b / (a + b);
        self.weight += weight;
        self.n = (self.n.0 + n_control, self.n.1 + n_challenger);
        for (sums, mine, theirs) in [
            (&mut self.shares, &control.bins, &challenger.bins),
            (&mut self.buckets, &control.buckets, &challenger.buckets),
        ] {
            for (bin, count) in mine {
                sums.entry(*bin).or_default().0 += weight * float(*count) / a;
            }
            for (bin, count) in theirs {
                sums.entry(*bin).or_default().1 += weight * float(*count) / b;
            }
        }
        true
    }

    /// By what the variance of the share below the quantile `q` exceeds that of independent
    /// events; 1 or more, and `None` with too few units to tell.
    fn design_effect(&self, q: f64) -> Option<f64> {
        if self.buckets.is_empty() {
            return Some(1.0);
        }
        let below = self.nearest_end(q);
        // By bucket and arm: what lies below, and all.
        let mut buckets = vec![[(0.0, 0.0); 2]; BUCKETS];
        let mut arms = [(0.0, 0.0); 2];
        for (key, (control, challenger)) in &self.buckets {
            let (bin, bucket) = bin_and_bucket(*key);
            for (arm, share) in [control, challenger].into_iter().enumerate() {
                let sums = buckets.get_mut(bucket).and_then(|sums| sums.get_mut(arm));
                for (low, all) in sums.into_iter().chain(arms.get_mut(arm)) {
                    *low += if bin < below { *share } else { 0.0 };
                    *all += share;
                }
            }
        }
        let shares = arms.map(|(low, all)| if all > 0.0 { low / all } else { 0.0 });
        // An arm's residuals sum to nothing, which takes a part from their scatter.
        let mut scales = [0.0; 2];
        for (arm, scale) in scales.iter_mut().enumerate() {
            let used = buckets.iter().filter(|sums| sums.get(arm).is_some_and(|sums| sums.1 > 0.0)).count();
            if used < LEAST_BUCKETS {
                return None;
            }
            #[expect(clippy::cast_precision_loss, reason = "at most 256")]
            let used = used as f64;
            *scale = (used / (used - 1.0)).sqrt();
        }
        let [of_control, of_challenger] = shares;
        let influence = |[a, b]: &[(f64, f64); 2]| {
            scales[1] * (b.0 - of_challenger * b.1) - scales[0] * (a.0 - of_control * a.1)
        };
        let scatter: f64 = buckets.iter().map(|sums| influence(sums).powi(2)).sum();
        let share = 0.5 * (of_control + of_challenger);
        let independent = self.weight * share * (1.0 - share);
        Some(if independent > 0.0 { (scatter / independent).max(1.0) } else { 1.0 })
    }

    /// The coarse bin below which the share of both arms is the nearest to `q`.
    fn nearest_end(&self, q: f64) -> i32 {
        let wanted = 2.0 * q * self.weight;
        let mut below = 0.0;
        let mut nearest = (f64::INFINITY, 0);
        let mut last = None;
        for (key, (control, challenger)) in &self.buckets {
            let (bin, _) = bin_and_bucket(*key);
            if last.is_some_and(|last| last != bin) {
                let distance = f64::abs(below - wanted);
                if distance < nearest.0 {
                    nearest = (distance, bin);
                }
            }
            below += control + challenger;
            last = Some(bin);
        }
        nearest.1
    }

    /// The difference of the quantile `q`; `None` with too few values beyond the quantile,
    /// or too few units. `design_effect` is that of the values wherever they lie, which is
    /// all there is where they lie too near together for the quantile's own.
    #[must_use]
    pub fn difference(&self, q: f64, design_effect: f64) -> Option<Difference> {
        let tail = float(self.n.0.min(self.n.1)) * q.min(1.0 - q);
        if tail < TAIL {
            return None;
        }
        let design_effect = self.design_effect(q)?.max(design_effect);
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
            arms.0.add(bin(f64::from(i)).expect("a number"), None);
            arms.1.add(bin(f64::from(i) * 1.5).expect("a number"), None);
        }
        strata.take(&arms.0, &arms.1);
        let difference = strata.difference(0.9, 1.0).expect("enough values");
        assert!((difference.control / 1_800.0 - 1.0).abs() < 0.01, "{}", difference.control);
        assert!((difference.challenger / 2_700.0 - 1.0).abs() < 0.01);
        assert!(difference.difference / difference.variance.sqrt() > 8.0);
        assert_eq!(strata.difference(0.999, 1.0), None, "two values lie beyond");
    }

    #[test]
    fn a_tail_of_few_units_is_as_much_as_they_are() {
        let mut strata = QuantileStrata::default();
        let mut arms = [Histogram::default(), Histogram::default()];
        for i in 0..20_000_u32 {
            // A hundred values of each bucket, each of one arm; one bucket in twenty is slow.
            let bucket = (i % 200) as u8;
            let arm = usize::from(bucket / 20) % 2;
            let value = if bucket.is_multiple_of(20) { 900.0 } else { f64::from(i % 97) + 3.0 };
            arms[arm].add(bin(value).expect("a number"), Some(bucket));
        }
        strata.take(&arms[0], &arms[1]);
        let tail = strata.difference(0.95, 1.0).expect("enough values").design_effect;
        let middle = strata.difference(0.5, 1.0).expect("enough values").design_effect;
        assert!(tail > 40.0 && middle < 10.0, "{tail} {middle}");
    }
}
