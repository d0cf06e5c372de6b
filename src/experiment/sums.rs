//! What the events of one arm in one window add up to.
//!
//! Why: events come in any order and from any partition, and a replay must give the
//! same bits. So values become whole multiples of a step first, by one rounding that
//! depends on the value alone, and whole numbers are summed. The step follows from
//! what the metric is of: a power of two far below what matters.
//!
//! An observation has one or more *channels*: the value, the denominator of a ratio,
//! covariates. Sums and sums of products are kept of all of them, and, where events
//! name units, sums of 256 buckets into which units are sorted by hash: what is
//! random is the unit, not the event, and the scatter of the buckets' sums shows how
//! far the events of a unit go together.
//!
//! Promises: [`Sums::merge`] gives the same in any order; differences of squares are
//! taken in whole numbers, so that a large common part of the values costs no digits.
//! Values beyond 2^52 steps are taken for that many, which the caller counts: what is
//! far off must not vanish.

use serde::{Deserialize, Serialize};

/// Buckets of units.
pub const BUCKETS: usize = 256;
/// Greatest value in steps: squares of so many fit in 128 bits eight million times.
const MOST_STEPS: f64 = 4_503_599_627_370_496.0;
/// That many steps.
pub const MOST_COUNT: i64 = 1 << 52;
/// More observations no window holds.
const MOST: u64 = 1 << 36;

/// The step of a channel: two to this power.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Step(i32);

impl Step {
    /// For probabilities, losses of them and shares: about 1e-12, up to 4,096.
    pub const FINE: Self = Self(-40);
    /// For anything else: about 2.4e-7, up to 1.07e9.
    pub const COARSE: Self = Self(-22);
    /// For whole numbers.
    pub const WHOLE: Self = Self(0);

    /// `value` in steps, or the most that there can be; `None` when it is no number.
    #[must_use]
    pub fn count(self, value: f64) -> Option<i64> {
        let steps = (value * f64::from(-self.0).exp2()).round_ties_even();
        #[expect(clippy::cast_possible_truncation, reason = "within 2^52")]
        (!steps.is_nan()).then(|| steps.clamp(-MOST_STEPS, MOST_STEPS) as i64)
    }

    /// The value of one step.
    #[must_use]
    pub fn size(self) -> f64 {
        f64::from(self.0).exp2()
    }

    /// The greatest value.
    #[must_use]
    pub fn most(self) -> f64 {
        MOST_STEPS * self.size()
    }
}

/// 128 bits, stored as two numbers since not every format has so long ones.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "(i64, u64)", into = "(i64, u64)")]
struct Wide(i128);

impl From<(i64, u64)> for Wide {
    fn from((high, low): (i64, u64)) -> Self {
        Self((i128::from(high) << 64) | i128::from(low))
    }
}

impl From<Wide> for (i64, u64) {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the two halves of it")]
    fn from(Wide(wide): Wide) -> Self {
        ((wide >> 64) as i64, wide as u64)
    }
}

/// The sums of one arm in one window.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(clippy::struct_field_names, reason = "sums of events, and sums of buckets")]
pub struct Sums {
    channels: usize,
    n: u64,
    sums: Vec<Wide>,
    /// Of channels `i <= j`, row by row.
    products: Vec<Wide>,
    /// The buckets that hold something, in order.
    buckets: Vec<u8>,
    bucket_n: Vec<u32>,
    /// As many per bucket as there are channels.
    bucket_sums: Vec<Wide>,
}

/// Means, and sums of products of deviations from them, in the values' own scale.
#[derive(Debug, Clone, PartialEq)]
pub struct Deviations {
    channels: usize,
    /// Observations.
    pub n: f64,
    /// Sum of each channel.
    pub sums: Vec<f64>,
    /// Of channels `i <= j`, row by row.
    products: Vec<f64>,
}

/// Place of the product of channels `i` and `j`.
fn place(channels: usize, i: usize, j: usize) -> usize {
    let (i, j) = (i.min(j), i.max(j));
    // Rows before the i-th have channels, channels - 1, … entries.
    i * channels - i * i.saturating_sub(1) / 2 + (j - i)
}

impl Sums {
    /// Nothing, of so many channels.
    #[must_use]
    pub fn new(channels: usize) -> Self {
        Self {
            channels,
            n: 0,
            sums: vec![Wide::default(); channels],
            products: vec![Wide::default(); channels * (channels + 1) / 2],
            buckets: Vec::new(),
            bucket_n: Vec::new(),
            bucket_sums: Vec::new(),
        }
    }

    /// Observations.
    #[must_use]
    pub fn n(&self) -> u64 {
        self.n
    }

    /// Whether sums that were read back are of so many channels and can be added to.
    #[must_use]
    pub fn fits(&self, channels: usize) -> bool {
        self.channels == channels
            && self.n <= MOST
            && self.sums.len() == channels
            && self.products.len() == channels * (channels + 1) / 2
            && self.buckets.is_sorted_by(|a, b| a < b)
            && self.bucket_n.len() == self.buckets.len()
            && self.bucket_sums.len() == self.buckets.len() * channels
    }

    /// Takes an observation: one number of steps per channel, and the bucket of its
    /// unit where it names one.
    pub fn add(&mut self, values: &[i64], bucket: Option<u8>) {
        self.n += 1;
        let mut products = self.products.iter_mut();
        for (index, value) in values.iter().enumerate() {
            if let Some(Wide(sum)) = self.sums.get_mut(index) {
                *sum += i128::from(*value);
            }
            for other in values.iter().skip(index) {
                if let Some(Wide(product)) = products.next() {
                    *product = product.wrapping_add(i128::from(*value) * i128::from(*other));
                }
            }
        }
        if let Some(bucket) = bucket {
            self.add_to_bucket(bucket, 1, values.iter().map(|value| i128::from(*value)));
        }
    }

    fn add_to_bucket(&mut self, bucket: u8, n: u32, values: impl Iterator<Item = i128>) {
        let index = match self.buckets.binary_search(&bucket) {
            Ok(index) => index,
            Err(index) => {
                self.buckets.insert(index, bucket);
                self.bucket_n.insert(index, 0);
                let at = index * self.channels;
                self.bucket_sums.splice(at..at, std::iter::repeat_n(Wide::default(), self.channels));
                index
            }
        };
        if let Some(count) = self.bucket_n.get_mut(index) {
            *count = count.saturating_add(n);
        }
        let at = index * self.channels;
        for (Wide(sum), value) in self.bucket_sums.iter_mut().skip(at).take(self.channels).zip(values) {
            *sum += value;
        }
    }

    /// Adds the sums of another part; of as many channels, or nothing happens.
    pub fn merge(&mut self, other: &Self) {
        if self.channels != other.channels {
            return;
        }
        self.n += other.n;
        let wide = self.sums.iter_mut().chain(&mut self.products);
        for (Wide(mine), Wide(theirs)) in wide.zip(other.sums.iter().chain(&other.products)) {
            *mine = mine.wrapping_add(*theirs);
        }
        let sums = other.bucket_sums.chunks(self.channels.max(1));
        for ((bucket, n), sums) in other.buckets.iter().zip(&other.bucket_n).zip(sums) {
            self.add_to_bucket(*bucket, *n, sums.iter().map(|wide| wide.0));
        }
    }

    /// The buckets: number, observations, and the sums in the values' own scale.
    pub fn buckets<'s>(&'s self, steps: &'s [Step]) -> impl Iterator<Item = (usize, f64, Vec<f64>)> + 's {
        let in_values = move |sums: &[Wide]| {
            sums.iter().zip(steps).map(|(wide, step)| float(wide.0) * step.size()).collect()
        };
        let sums = self.bucket_sums.chunks(self.channels.max(1));
        let counted = self.buckets.iter().zip(&self.bucket_n);
        counted
            .zip(sums)
            .map(move |((bucket, n), sums)| (usize::from(*bucket), f64::from(*n), in_values(sums)))
    }

    /// Of a channel that is 0 or 1 and in whole steps: how often it is 1.
    #[must_use]
    pub fn count_of_ones(&self) -> u64 {
        self.sums.first().map_or(0, |wide| u64::try_from(wide.0).unwrap_or(0))
    }

    /// Buckets that hold something.
    #[must_use]
    pub fn used_buckets(&self) -> usize {
        self.buckets.len()
    }

    /// Whether units are known.
    #[must_use]
    pub fn has_buckets(&self) -> bool {
        !self.buckets.is_empty()
    }

    /// Sums and deviations of this part and `other` together, in values; `steps` has
    /// one per channel.
    #[must_use]
    pub fn deviations(&self, other: Option<&Self>, steps: &[Step]) -> Deviations {
        let empty = Self::new(self.channels);
        let other = other.unwrap_or(&empty);
        let n = self.n + other.n;
        let sums: Vec<i128> = self.sums.iter().zip(&other.sums).map(|(a, b)| a.0 + b.0).collect();
        #[expect(clippy::cast_possible_wrap, reason = "fewer than 2^63 observations")]
        let centre = |sum: &i128| if n == 0 { 0 } else { sum / i128::from(n as i64) };
        let centres: Vec<i128> = sums.iter().map(centre).collect();
        let count = float(i128::from(n));
        let size = |index: usize| steps.get(index).map_or(1.0, |step| step.size());
        let mut products = Vec::with_capacity(self.products.len());
        for i in 0..self.channels {
            for j in i..self.channels {
                let at = place(self.channels, i, j);
                let [mine, theirs] = [self, other].map(|sums| sums.products.get(at).map_or(0, |wide| wide.0));
                let [(ci, si), (cj, sj)] = [i, j].map(|index| {
                    let of = |list: &[i128]| list.get(index).copied().unwrap_or(0);
                    (of(&centres), of(&sums))
                });
                // About whole numbers next to the means, where nothing is rounded; the
                // terms may be long, what they come to is not.
                let about = mine
                    .wrapping_add(theirs)
                    .wrapping_sub(ci.wrapping_mul(sj))
                    .wrapping_sub(cj.wrapping_mul(si))
                    .wrapping_add(i128::from(n).wrapping_mul(ci.wrapping_mul(cj)));
                let [ri, rj] = [(si, ci), (sj, cj)]
                    .map(|(sum, centre)| float(sum.wrapping_sub(i128::from(n).wrapping_mul(centre))));
                let rest = if n == 0 { 0.0 } else { ri * rj / count };
                products.push((float(about) - rest) * size(i) * size(j));
            }
        }
        let sums = sums.iter().enumerate().map(|(index, sum)| float(*sum) * size(index)).collect();
        Deviations { channels: self.channels, n: count, sums, products }
    }
}

#[expect(clippy::cast_precision_loss, reason = "the nearest double is what is wanted")]
fn float(wide: i128) -> f64 {
    wide as f64
}

impl Deviations {
    /// The mean of a channel; 0 of nothing.
    #[must_use]
    pub fn mean(&self, channel: usize) -> f64 {
        let sum = self.sums.get(channel).copied().unwrap_or(0.0);
        if self.n > 0.0 { sum / self.n } else { 0.0 }
    }

    /// Sum of the products of two channels' deviations from their means.
    #[must_use]
    pub fn product(&self, i: usize, j: usize) -> f64 {
        self.products.get(place(self.channels, i, j)).copied().unwrap_or(0.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sums(values: &[(f64, f64)]) -> Sums {
        let mut sums = Sums::new(2);
        for (index, (a, b)) in values.iter().enumerate() {
            let steps = [*a, *b].map(|value| Step::COARSE.count(value).expect("in range"));
            sums.add(&steps, u8::try_from(index % 5).ok());
        }
        sums
    }

    #[test]
    fn a_large_common_part_costs_no_digits() {
        let values: Vec<(f64, f64)> =
            (0..1_000).map(|i| (1.6e7 + f64::from(i % 2), f64::from(i % 4))).collect();
        let deviations = sums(&values).deviations(None, &[Step::COARSE; 2]);
        assert!((deviations.product(0, 0) - 250.0).abs() < 1e-9);
        assert!((deviations.product(1, 1) - 1_250.0).abs() < 1e-9);
        assert!((deviations.product(1, 0) - 250.0).abs() < 1e-9);
        assert!((deviations.mean(0) - 16_000_000.5).abs() < 1e-9);
    }

    #[test]
    fn parts_add_up_in_any_order() {
        let values: Vec<(f64, f64)> = (0..40).map(|i| (f64::from(i * i), f64::from(i) / 3.0)).collect();
        let (first, second) = values.split_at(13);
        let (mut one, mut other) = (sums(first), sums(second));
        let both = one.deviations(Some(&other), &[Step::COARSE; 2]);
        one.merge(&sums(second));
        other.merge(&sums(first));
        assert_eq!(one.n(), 40);
        assert_eq!((one.products.clone(), &one.sums), (other.products.clone(), &other.sums));
        assert_eq!(one.deviations(None, &[Step::COARSE; 2]), both);
    }

    #[test]
    fn what_is_out_of_range_is_taken_for_the_most_that_there_can_be() {
        assert_eq!(Step::COARSE.count(f64::NAN), None);
        assert_eq!(Step::COARSE.count(f64::INFINITY), Some(MOST_COUNT));
        assert_eq!(Step::FINE.count(-4_096.0), Some(-MOST_COUNT));
        assert_eq!(Step::FINE.count(-5_000.0), Some(-MOST_COUNT));
        assert!((Step::COARSE.most() - 1_073_741_824.0).abs() < 1e-6);
    }

    #[test]
    fn sums_come_back_as_they_were_stored() {
        let before = sums(&[(-3.5, 1.0), (7.25, 2.0)]);
        let text = serde_json::to_string(&before).expect("JSON");
        let after: Sums = serde_json::from_str(&text).expect("the same");
        assert_eq!(before, after);
        assert!(after.fits(2) && !after.fits(1));
    }
}
