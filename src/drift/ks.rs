//! Two-sample Kolmogorov-Smirnov test.

use std::f64::consts::PI;

use super::pair::{CountPair, count_to_f64, product};
use crate::result::Ks;

/// Up to this product of the sample sizes the p-value is exact, which takes 5 us
/// for two samples of 100 values and 20 us at worst, for 1 against 10,000.
pub const EXACT_P_VALUE_CELLS: u64 = 10_000;

/// Differences of the two distribution functions at the grid's edges, times
/// `m * n`.
///
/// On a bin whose values are not all equal the functions may differ by more
/// inside than at its edges. With `F`, `G` at the left edge and `F'`, `G'` at
/// the right one, both are monotone, so inside the difference is at most
/// `F' - G` and at least `F - G'`: the edge's difference plus the smaller of
/// what is left of the two bin masses. The largest of these over all bins is
/// the certificate `possible`; it is reached when all values of one side come
/// before all values of the other.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct KsDifferences {
    largest: f64,
    possible: f64,
}

/// Two rows of lattice points and the numbers of their columns, kept between
/// calls.
#[derive(Debug, Default)]
pub struct PathScratch {
    previous: Vec<f64>,
    current: Vec<f64>,
    steps: Vec<f64>,
}

impl KsDifferences {
    /// Goes over one bin; `before` and `after` are the two distribution
    /// functions, times `m * n`, at its edges.
    #[inline]
    pub(super) fn step(&mut self, before: (f64, f64), after: (f64, f64), is_point: bool) {
        raise(&mut self.largest, (after.0 - after.1).abs());
        if !is_point {
            raise(&mut self.possible, after.0 - before.1);
            raise(&mut self.possible, after.1 - before.0);
        }
    }
}

#[inline]
fn raise(largest: &mut f64, value: f64) {
    if value > *largest {
        *largest = value;
    }
}

/// The test of two samples with these differences.
///
/// Smirnov (1939). The p-value is two-sided: for sizes `m * n <=`
/// [`EXACT_P_VALUE_CELLS`] the exact probability, under no ties, that a random
/// lattice path strays at least as far from the diagonal (Hodges, "The
/// Significance Probability of the Smirnov Two-Sample Test", 1958); above it
/// Kolmogorov's limit `2 sum_k (-1)^(k-1) exp(-2 k^2 z^2)` at
/// `z = D * sqrt(m n / (m + n))`, without small-sample correction, which errs
/// towards large p-values when one of the samples has fewer than about 50
/// values. Ties make both conservative: of six-valued data 1 % to 3 % are
/// rejected at a nominal 5 %; use the chi-square test there.
///
/// The p-value belongs to `statistic`; where the grid is not exact the true
/// statistic may be larger by up to `error_bound`.
pub(super) fn test(differences: KsDifferences, pair: &CountPair<'_>, scratch: &mut PathScratch) -> Ks {
    let (m, n) = (pair.reference_total(), pair.window_total());
    let scale = pair.scale();
    let statistic = differences.largest / scale;
    let error_bound = (differences.possible - differences.largest).max(0.0) / scale;
    let p_value = if let Some((smaller, larger)) = small_sizes(m, n) {
        scratch.exact_p_value(smaller, larger, whole(differences.largest))
    } else {
        let (m, n) = (count_to_f64(m), count_to_f64(n));
        kolmogorov_upper_tail(statistic * (m / (m + n) * n).sqrt())
    };
    Ks { statistic, error_bound, p_value }
}

/// The sizes in ascending order, when an exact p-value is cheap.
fn small_sizes(m: u64, n: u64) -> Option<(usize, usize)> {
    let is_small = product(m, n) <= u128::from(EXACT_P_VALUE_CELLS);
    let sizes = usize::try_from(m.min(n)).ok().zip(usize::try_from(m.max(n)).ok());
    sizes.filter(|_| is_small)
}

/// A difference of small samples as the whole number that it is.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a whole number between 0 and m * n, which is at most EXACT_P_VALUE_CELLS"
)]
fn whole(difference: f64) -> usize {
    difference as usize
}

impl PathScratch {
    /// Share of the lattice paths from `(0, 0)` to `(m, n)` that somewhere have
    /// `|i*n - j*m| >= largest`.
    ///
    /// Works along the anti-diagonals `i + j = s`: the share of the paths to
    /// `(i, j)` that have strayed is 1 where the point itself is astray, else
    /// `i/s` of that of `(i-1, j)` plus `j/s` of that of `(i, j-1)`. All terms
    /// are positive, so tiny p-values keep their digits. Slot `i + 1` of a row
    /// holds point `i`; slot 0 stands before the first.
    fn exact_p_value(&mut self, m: usize, n: usize, largest: usize) -> f64 {
        if largest == 0 {
            return 1.0;
        }
        self.start(m);
        let total = m + n;
        // Points that are not astray: |i (m + n) - s m| < largest. Both ends move
        // by at most one point a diagonal.
        let (mut first, mut last) = (0, 0);
        let mut diagonal = 0.0;
        for s in 1..=total {
            diagonal += 1.0;
            first += usize::from(first * total + largest <= s * m);
            last += usize::from((last + 1) * total < s * m + largest);
            let (from, until) = (first.max(s.saturating_sub(n)), last.min(m).min(s));
            if from > until {
                return 1.0;
            }
            self.fill_diagonal(from, until, diagonal);
            std::mem::swap(&mut self.previous, &mut self.current);
        }
        self.previous.get(m + 1).copied().unwrap_or(1.0).min(1.0)
    }

    fn start(&mut self, m: usize) {
        for row in [&mut self.previous, &mut self.current] {
            row.clear();
            row.resize(m + 2, 1.0);
        }
        if let Some(origin) = self.previous.get_mut(1) {
            *origin = 0.0;
        }
        self.steps.clear();
        self.steps.extend(std::iter::successors(Some(0.0), |step| Some(step + 1.0)).take(m + 1));
    }

    /// Points `first..=last` of a diagonal. The point to the left is astray; the
    /// one to the right still holds the 1 that it began with.
    fn fill_diagonal(&mut self, first: usize, last: usize, diagonal: f64) {
        let slots = self.current.get_mut(first..=last + 1).unwrap_or_default();
        let left = self.previous.get(first..=last).unwrap_or_default();
        let here = self.previous.get(first + 1..=last + 1).unwrap_or_default();
        let steps = self.steps.get(first..=last).unwrap_or_default();
        let Some((astray, slots)) = slots.split_first_mut() else { return };
        *astray = 1.0;
        let share = 1.0 / diagonal;
        for (slot, ((left, here), step)) in slots.iter_mut().zip(left.iter().zip(here).zip(steps)) {
            *slot = (left * step + here * (diagonal - step)) * share;
        }
    }
}

/// Upper tail of Kolmogorov's distribution, `P(K >= z)`.
///
/// Below 1 by the theta-transformed series for the lower tail, which converges
/// where the usual one does not; five terms of either give all digits.
fn kolmogorov_upper_tail(z: f64) -> f64 {
    if z <= 0.0 {
        return 1.0;
    }
    if z < 1.0 {
        let odd_squares = [1.0, 9.0, 25.0, 49.0, 81.0_f64];
        let sum: f64 = odd_squares.iter().map(|square| (-square * PI * PI / (8.0 * z * z)).exp()).sum();
        return (1.0 - (2.0 * PI).sqrt() / z * sum).clamp(0.0, 1.0);
    }
    let terms = [1.0, -4.0, 9.0, -16.0, 25.0_f64];
    let sum: f64 = terms.iter().map(|term| term.signum() * (-2.0 * term.abs() * z * z).exp()).sum();
    (2.0 * sum).clamp(0.0, 1.0)
}
