//! Mean, standard deviation, smallest and largest value, as exact sums.
//!
//! Partitions, panes and arms are merged in any order and grouping, and the
//! result must have the same bits. Floating-point sums can't give that, nor can
//! the pairwise update of (n, mean, M2) of Chan et al. (Algorithms for
//! computing the sample variance, The American Statistician 37, 1983): each
//! merge rounds. So values are turned into integers first, by one rounding that
//! depends on the value and the grid alone, and integers are summed.
//!
//! A value `v` becomes `q = round((v - center) / unit)`. Centre and unit come
//! from the grid: most values of a column like the reference have `|q| <= 2^51`.
//! A value further out is summed on a higher *level*, whose unit is 2^2 times
//! that of the level below, up to 1e308: what is rounded off is at most 2^-50
//! of the distance from the centre, or half a unit. No sum can overflow before
//! the number of values does.
//!
//! At the end the levels' exact means and squared deviations are combined in
//! order of the levels, with Chan's formula.

use std::collections::BTreeMap;

use super::{
    binary::{MIN_EXPONENT, exponent, power_of_two, scale_by},
    edges::typical_width,
};

/// Bits of `q`: what the rounding trick below can hold.
const BITS: i32 = 51;
/// Ratio of the units of neighbouring levels, as a power of two.
const LEVEL_BITS: i32 = 2;
/// Doubles span 2,100 bits.
pub(super) const MAX_LEVEL: u16 = 1_050;
/// How much further than the reference's outer percentiles values may lie on
/// the lowest level, as a power of two: a column that shifts stays fast.
const HEADROOM_BITS: i32 = 5;
/// `x + ROUNDER` is `x` rounded to a whole number, ties to even, whose low bits
/// are the number; for `|x| <= 2^51`.
const ROUNDER: f64 = 6_755_399_441_055_744.0;
/// The low 64 bits.
const DIGIT: i128 = (1 << 64) - 1;
const LIMIT: f64 = 2_251_799_813_685_248.0;

/// Centre and unit of a grid's sums.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Scale {
    center: f64,
    /// The unit is two to this.
    unit: i32,
    /// One over the unit, as two factors: it can be as large as 2^1074.
    factors: (f64, f64),
}

impl Scale {
    /// The scale for a grid with these edges, of which the part `inside` lies
    /// in the reference's range `min` to `max`.
    pub(super) fn new(edges: &[f64], inside: std::ops::Range<usize>, min: f64, max: f64) -> Self {
        let body = edges.get(inside.start.saturating_sub(1)..inside.end).unwrap_or(edges);
        let at = |part: usize| body.get((body.len().saturating_sub(1)) * part / 64).copied().unwrap_or(max);
        let middle = at(32);
        // The distance that nearly all values stay within, from the quantiles
        // that the edges are.
        let reach = (at(63) - middle).max(middle - at(1)).min(f64::MAX);
        let reach = if min < max && reach > 0.0 { reach } else { typical_width(min, max) };
        let quartiles = at(48) - at(16);
        let fine =
            if min < max && quartiles > 0.0 { exponent(quartiles.min(f64::MAX)) + 1 - 42 } else { i32::MAX };
        let unit = (exponent(reach) + 1 + HEADROOM_BITS - BITS).min(fine).max(MIN_EXPONENT);
        // A centre with few digits: differences of data with few digits from it
        // are exact.
        let grain = power_of_two((exponent(reach) - 2).max(MIN_EXPONENT));
        let rounded = (middle / grain).round_ties_even() * grain;
        let center = if rounded.is_finite() { rounded } else { middle };
        Self::with_unit(center, unit)
    }

    fn with_unit(center: f64, unit: i32) -> Self {
        let first = (-unit).min(1000);
        Self { center, unit, factors: (power_of_two(first), power_of_two(-unit - first)) }
    }

    /// Centre and unit, as stored.
    pub(super) fn parts(self) -> (f64, i32) {
        (self.center, self.unit)
    }

    /// `None` when a scale can't have these parts.
    pub(super) fn from_parts(center: f64, unit: i32) -> Option<Self> {
        (center.is_finite() && (MIN_EXPONENT..=1023).contains(&unit)).then(|| Self::with_unit(center, unit))
    }

    /// Unit of a level, as a power of two.
    fn unit_of(&self, level: u16) -> i32 {
        self.unit + LEVEL_BITS * i32::from(level)
    }

    /// `value` in units, not yet rounded.
    #[inline]
    fn units(&self, value: f64) -> f64 {
        (value - self.center) * self.factors.0 * self.factors.1
    }
}

/// Exact sums over finite values.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Moments {
    scale: Scale,
    min: f64,
    max: f64,
    near: Sums,
    /// The levels above the first that hold something.
    far: BTreeMap<u16, Sums>,
}

/// The sums of one level.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Sums {
    pub(super) n: u64,
    pub(super) sum: i128,
    /// Sum of the squares modulo 2^128, and how often that wrapped.
    pub(super) squares: u128,
    pub(super) wraps: u64,
}

/// Mean and sum of squared deviations of `n` values, in units of `2^unit`.
#[derive(Debug, Clone, Copy)]
struct Deviations {
    n: f64,
    unit: i32,
    mean: f64,
    squares: f64,
}

impl Moments {
    /// Nothing summed yet.
    pub(super) fn new(scale: Scale) -> Self {
        Self { scale, min: f64::INFINITY, max: f64::NEG_INFINITY, near: Sums::EMPTY, far: BTreeMap::new() }
    }

    pub(super) fn scale(&self) -> Scale {
        self.scale
    }

    /// Adds at most 256 finite values without negative zeros.
    pub(super) fn add(&mut self, values: &[f64]) {
        let scale = self.scale;
        let (mut min, mut max) = (self.min, self.max);
        let (mut n, mut sum, mut squares) = (0, 0_i64, 0_u128);
        for &value in values {
            // New extremes are rare; to select them without a branch would make
            // every value wait for the one before.
            if value < min || value > max {
                (min, max) = (min.min(value), max.max(value));
            }
            let units = scale.units(value);
            if units.abs() <= LIMIT {
                let whole = round(units);
                n += 1;
                // 256 values of at most 2^51 stay below 2^60.
                sum += whole;
                squares += square(whole);
            } else {
                self.add_far(value);
            }
        }
        (self.min, self.max) = (min, max);
        self.near.merge(&Sums { n, sum: i128::from(sum), squares, wraps: 0 });
    }

    /// Adds a value on the lowest level that holds it.
    #[cold]
    fn add_far(&mut self, value: f64) {
        let scale = self.scale;
        let (mut distance, mut halved) = (value - scale.center, 0);
        if !distance.is_finite() {
            (distance, halved) = (value / 2.0 - scale.center / 2.0, 1);
        }
        let excess = exponent(distance) + 1 + halved - BITS - scale.unit;
        // At most `MAX_LEVEL`.
        let level = u16::try_from((excess + LEVEL_BITS - 1) / LEVEL_BITS).unwrap_or(0);
        let whole = round(scale_by(distance, halved - scale.unit_of(level)));
        let sums = Sums { n: 1, sum: i128::from(whole), squares: square(whole), wraps: 0 };
        // A distance beyond the largest double can still belong to the lowest.
        if level == 0 {
            self.near.merge(&sums);
        } else {
            self.far.entry(level).or_insert(Sums::EMPTY).merge(&sums);
        }
    }

    pub(super) fn merge(&mut self, other: &Self) {
        self.min = self.min.min(other.min);
        self.max = self.max.max(other.max);
        self.near.merge(&other.near);
        for (level, sums) in &other.far {
            self.far.entry(*level).or_insert(Sums::EMPTY).merge(sums);
        }
    }

    pub(super) fn clear(&mut self) {
        *self = Self::new(self.scale);
    }

    pub(super) fn min(&self) -> Option<f64> {
        (self.min <= self.max).then_some(self.min)
    }

    pub(super) fn max(&self) -> Option<f64> {
        (self.min <= self.max).then_some(self.max)
    }

    pub(super) fn mean(&self) -> Option<f64> {
        let all = self.deviations()?;
        let mut mean = self.scale.center + scale_by(all.mean, all.unit);
        if !mean.is_finite() {
            mean = 2.0 * (self.scale.center / 2.0 + scale_by(all.mean, all.unit - 1));
        }
        Some(mean.clamp(self.min()?, self.max()?))
    }

    /// With divisor n - 1; `None` below two values, and in the one case that no
    /// double holds it: values at both ends of the range of doubles.
    pub(super) fn std_dev(&self) -> Option<f64> {
        let all = self.deviations().filter(|all| all.n > 1.0)?;
        let std_dev = scale_by((all.squares / (all.n - 1.0)).sqrt(), all.unit);
        std_dev.is_finite().then_some(std_dev)
    }

    fn deviations(&self) -> Option<Deviations> {
        let levels = self.levels().filter_map(|(level, sums)| sums.deviations(self.scale.unit_of(level)));
        levels.reduce(Deviations::combine)
    }

    /// The levels that hold something, in ascending order.
    pub(super) fn levels(&self) -> impl Iterator<Item = (u16, &Sums)> {
        let near = (self.near.n > 0).then_some((0, &self.near));
        near.into_iter().chain(self.far.iter().map(|(level, sums)| (*level, sums)))
    }

    pub(super) fn set_range(&mut self, min: f64, max: f64) {
        (self.min, self.max) = (min, max);
    }

    pub(super) fn set_level(&mut self, level: u16, sums: Sums) {
        if level == 0 {
            self.near = sums;
        } else {
            self.far.insert(level, sums);
        }
    }

    /// Bytes on the heap.
    pub(super) fn heap_bytes(&self) -> usize {
        self.far.len() * size_of::<(u16, Sums)>()
    }
}

impl Sums {
    const EMPTY: Self = Self { n: 0, sum: 0, squares: 0, wraps: 0 };

    fn merge(&mut self, other: &Self) {
        let (squares, wrapped) = self.squares.overflowing_add(other.squares);
        self.squares = squares;
        self.n += other.n;
        self.sum += other.sum;
        self.wraps += other.wraps + u64::from(wrapped);
    }

    /// Whether `n` numbers of at most 2^51 can have these sums.
    pub(super) fn are_possible(&self) -> bool {
        let n = u128::from(self.n);
        let high = (u128::from(self.wraps) << 64) | (self.squares >> 64);
        self.n > 0 && self.sum.unsigned_abs() <= n << BITS && high <= n << (2 * BITS - 64)
    }

    /// With the whole part `a` and the rest `r` of the mean, so that
    /// `sum = n a + r`, the squared deviations are
    /// `squares - a (sum + r) - r^2 / n`; all but the last term is exact.
    #[expect(clippy::cast_precision_loss, reason = "rounded once, when the exact part is done")]
    fn deviations(&self, unit: i32) -> Option<Deviations> {
        let n = i128::from(self.n);
        let (whole, rest) = (self.sum.checked_div_euclid(n)?, self.sum.checked_rem_euclid(n)?);
        // In two digits of base 2^64, since the product can exceed an i128.
        let factor = self.sum + rest;
        let squares_high = (u128::from(self.wraps) << 64) | (self.squares >> 64);
        let squares_low = self.squares & DIGIT.cast_unsigned();
        let low = squares_low.cast_signed() - whole * (factor & DIGIT);
        let high = squares_high.cast_signed() - whole * (factor >> 64) + (low >> 64);
        let exact = high as f64 * 18_446_744_073_709_551_616.0 + (low & DIGIT) as f64;
        let (n, rest) = (n as f64, rest as f64);
        let squares = (exact - rest * (rest / n)).max(0.0);
        Some(Deviations { n, unit, mean: whole as f64 + rest / n, squares })
    }
}

impl Deviations {
    /// The formula of Chan et al.; `higher` has the larger unit.
    fn combine(lower: Self, higher: Self) -> Self {
        let n = lower.n + higher.n;
        let shift = lower.unit - higher.unit;
        let mean = scale_by(lower.mean, shift);
        let apart = higher.mean - mean;
        let squares =
            scale_by(lower.squares, 2 * shift) + higher.squares + apart * apart * (lower.n / n * higher.n);
        Self { n, unit: higher.unit, mean: mean + apart * (higher.n / n), squares }
    }
}

/// A number of at most 2^51 as the nearest whole one.
#[inline]
fn round(units: f64) -> i64 {
    (units + ROUNDER).to_bits().cast_signed() - ROUNDER.to_bits().cast_signed()
}

#[inline]
fn square(whole: i64) -> u128 {
    let magnitude = u128::from(whole.unsigned_abs());
    magnitude * magnitude
}
