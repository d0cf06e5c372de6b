//! Between which numbers a window's count stays when its rate is the
//! reference's.
//!
//! Given that `a` of the reference's `m` rows have a property, and that of both
//! samples together `a + b` have it, the window's `b` of `n` follows the
//! hypergeometric distribution when the rates are equal, whatever the rate is
//! (Fisher, *The Logic of Inductive Inference*, 1935). The test is the plain
//! one, not the mid-p: its false alarms are at most as many as promised for
//! every rate and size, and what it loses are cases of one or two rows, which
//! no minimum effect would let pass anyway.
//!
//! Where the hypergeometric variance is above [`SCORE_VARIANCE`], the score
//! test takes over (Pearson's chi-square with a pooled rate, signed): the skew
//! is below 1/60 there and the tail at one in two thousand off by less than a
//! tenth.

use super::super::pair::count_to_f64;
use super::normal::upper_normal_quantile;

/// Above this hypergeometric variance the score test is as good as exact.
const SCORE_VARIANCE: f64 = 4_000.0;
/// Tails are summed until what is left is below this part of them.
const TAIL_PRECISION: f64 = 1e-9;
/// In windows so many times larger than the reference, counts of equal rates lie
/// so far apart that a walk from one to the next would not end in time.
const FAR_LARGER: f64 = 64.0;

/// A reference's count of a property and both sample sizes, in rows that are
/// independent of each other: the numbers counted, over the design effect.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct TwoSample {
    count: u64,
    reference: u64,
    window: u64,
    deff: f64,
}

/// The smallest and the largest number of the window's rows that chance gives;
/// `None` where no number is too small or too large.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(super) struct NoiseRange {
    pub(super) low: Option<f64>,
    pub(super) high: Option<f64>,
}

impl TwoSample {
    /// `count` of `reference` rows have the property, and the window has
    /// `window` rows; `deff` is the design effect, at least 1.
    pub(super) fn new(count: u64, reference: u64, window: u64, deff: f64) -> Self {
        Self { count: count.min(reference), reference, window, deff: at_least_one(deff) }
    }

    /// The range that counts of equal rates leave with probability at most
    /// `tail` on either side.
    ///
    /// Divided counts are rounded to whole numbers against the alarm.
    pub(super) fn noise(&self, tail: f64) -> NoiseRange {
        NoiseRange { low: self.least(tail), high: self.most(tail) }
    }

    /// The upper end of the range.
    pub(super) fn most(&self, tail: f64) -> Option<f64> {
        let too_many = self.rates(f64::ceil)?.too_many(tail)?;
        // Rejected are reduced counts from here on.
        Some((too_many * self.deff).ceil() - 1.0).filter(|&most| most < count_to_f64(self.window))
    }

    /// The lower end of the range.
    pub(super) fn least(&self, tail: f64) -> Option<f64> {
        let too_few = self.rates(f64::floor)?.too_few(tail)?;
        Some((too_few * self.deff).floor() + 1.0).filter(|&least| least <= count_to_f64(self.window))
    }

    fn rates(&self, round: fn(f64) -> f64) -> Option<Rates> {
        let (m, n) = (self.reduced(self.reference, f64::floor), self.reduced(self.window, f64::floor));
        let a = self.reduced(self.count, round).min(m);
        (m >= 1.0 && n >= 1.0).then_some(Rates { a, m, n })
    }

    fn reduced(&self, count: u64, round: fn(f64) -> f64) -> f64 {
        round(count_to_f64(count) / self.deff)
    }
}

/// The design effect that is used: nothing that is no number above 1.
pub(super) fn at_least_one(deff: f64) -> f64 {
    if deff.is_finite() { deff.max(1.0) } else { 1.0 }
}

/// `a` of `m` rows, to be compared with some `b` of `n`; whole numbers.
#[derive(Debug, Clone, Copy)]
struct Rates {
    a: f64,
    m: f64,
    n: f64,
}

impl Rates {
    /// The smallest `b` of which equal rates give as much or more with at most
    /// the probability `tail`; `None` when not even `n` is so large.
    ///
    /// With `G(b) = P(B >= b | a + b)`, `G(b) - G(b + 1)` is
    /// `P(B = b | a + b) (m - a) / (m + n - a - b)`: one more row with the
    /// property went to the reference. So from one tail the others follow.
    fn too_many(&self, tail: f64) -> Option<f64> {
        let Self { a, m, n } = *self;
        if a >= m {
            return None;
        }
        let estimate = if a == 0.0 { 0.0 } else { self.score_bound(upper_normal_quantile(tail)) };
        if self.variance(estimate) > SCORE_VARIANCE {
            return Some(estimate.ceil()).filter(|&b| b <= n);
        }
        if n > FAR_LARGER * m {
            let is_rejected = |b: f64| self.upper_tail(b, self.probability(b, a + b)) <= tail;
            return is_rejected(n).then(|| first(n, is_rejected));
        }
        let mut b = estimate.round().clamp(0.0, n);
        let mut point = if a == 0.0 { 1.0 } else { self.probability(b, a + b) };
        let mut upper = if a == 0.0 { 1.0 } else { self.upper_tail(b, point) };
        while upper > tail {
            if b >= n {
                return None;
            }
            let rest = m + n - a - b;
            // Without any in the reference the tail is its first term.
            let next = point * (n - b) / (b + 1.0) * (a + b + 1.0) / rest;
            upper = if a == 0.0 { next } else { upper - point * (m - a) / rest };
            (point, b) = (next, b + 1.0);
        }
        while a > 0.0 && b > 0.0 {
            let rest = m + n - a - b + 1.0;
            let before = point * b / (n - b + 1.0) * rest / (a + b);
            let with = upper + before * (m - a) / rest;
            if with > tail {
                break;
            }
            (point, upper, b) = (before, with, b - 1.0);
        }
        Some(b)
    }

    /// The largest `b` of which equal rates give as much or less with at most
    /// the probability `tail`; `None` when not even 0 is so small.
    ///
    /// `P(B <= b | a + b)` is the probability that the reference has `a` or
    /// more, so this is the same walk with the sides exchanged: it grows with `b`
    /// by `P(B = b + 1 | a + b) (m - a + 1) / (m + n - a - b)`.
    fn too_few(&self, tail: f64) -> Option<f64> {
        let Self { a, m, n } = *self;
        if a == 0.0 {
            return None;
        }
        let estimate = self.score_bound(-upper_normal_quantile(tail));
        if self.variance(estimate) > SCORE_VARIANCE {
            return Some(estimate.floor()).filter(|&b| b >= 0.0);
        }
        if n > FAR_LARGER * m {
            let is_kept = |b: f64| self.lower_tail(b) > tail;
            return Some(first(n, is_kept) - 1.0).filter(|&b| b >= 0.0);
        }
        let step = |b: f64| {
            let rest = m + n - a - b;
            if rest <= 0.0 { 0.0 } else { self.probability(b + 1.0, a + b) * (m - a + 1.0) / rest }
        };
        let mut b = estimate.round().clamp(0.0, n);
        let mut lower = self.lower_tail(b);
        while lower > tail {
            if b <= 0.0 {
                return None;
            }
            b -= 1.0;
            lower -= step(b);
        }
        while b < n {
            let after = lower + step(b);
            if after > tail {
                break;
            }
            (lower, b) = (after, b + 1.0);
        }
        Some(b)
    }

    /// `b` where the score test is at `z`: with `d` the difference of the rates
    /// and `x` the reference's, `d^2 = c r (1 - r)`, `r = x + d n / (m + n)`,
    /// `c = z^2 (1/m + 1/n)`, a quadratic equation in `d`.
    fn score_bound(&self, z: f64) -> f64 {
        let x = self.a / self.m;
        let part = self.n / (self.m + self.n);
        let c = z * z * (1.0 / self.m + 1.0 / self.n);
        let square = 1.0 + c * part * part;
        let linear = c * part * (1.0 - 2.0 * x);
        let root = (linear * linear + 4.0 * square * c * x * (1.0 - x)).sqrt();
        self.n * (x + (linear + root.copysign(z)) / (2.0 * square))
    }

    /// Variance of `B` given `a + b`.
    fn variance(&self, b: f64) -> f64 {
        let (all, total) = (self.m + self.n, self.a + b.max(0.0));
        total * (self.m / all) * (self.n / all) * (1.0 - total / all).max(0.0)
    }

    /// `P(B >= b | a + b)`, of which `P(B = b | a + b)` is the first term.
    fn upper_tail(&self, b: f64, first: f64) -> f64 {
        let total = self.a + b;
        let (mut term, mut sum, mut at) = (first, 0.0, b);
        loop {
            sum += term;
            let ratio = (self.n - at) * (total - at)
                / ((at + 1.0) * (self.m - total + at + 1.0)).max(f64::MIN_POSITIVE);
            if is_last(term, ratio, sum) {
                return sum.min(1.0);
            }
            (term, at) = (term * ratio, at + 1.0);
        }
    }

    /// `P(B <= b | a + b)`.
    fn lower_tail(&self, b: f64) -> f64 {
        let total = self.a + b;
        let (mut term, mut sum, mut at) = (self.probability(b, total), 0.0, b);
        loop {
            sum += term;
            let ratio = at * (self.m - total + at)
                / ((self.n - at + 1.0) * (total - at + 1.0)).max(f64::MIN_POSITIVE);
            if is_last(term, ratio, sum) {
                return sum.min(1.0);
            }
            (term, at) = (term * ratio, at - 1.0);
        }
    }

    /// `P(B = b)` when `total` of all `m + n` rows have the property.
    ///
    /// As three binomial probabilities with the pooled rate (Loader, *Fast and
    /// Accurate Computation of Binomial Probabilities*, 2000): no factorials
    /// cancel.
    fn probability(&self, b: f64, total: f64) -> f64 {
        let all = self.m + self.n;
        if b < 0.0 || b > self.n || total - b < 0.0 || total - b > self.m || total > all {
            return 0.0;
        }
        let rate = total / all;
        let log = ln_binomial(b, self.n, rate) + ln_binomial(total - b, self.m, rate)
            - ln_binomial(total, all, rate);
        log.exp()
    }
}

/// The first whole number from 0 to `last` for which `holds`, which holds for all
/// behind it; `last` when for none before.
fn first(last: f64, holds: impl Fn(f64) -> bool) -> f64 {
    let (mut below, mut above) = (-1.0, last);
    loop {
        let middle = f64::midpoint(below, above).floor();
        // Beyond 2^53 numbers are further apart than 1.
        if middle <= below || middle >= above {
            return above;
        }
        if holds(middle) { above = middle } else { below = middle }
    }
}

/// Whether all terms after this one together no longer count; `ratio` is the
/// next term's to this one, and falls from here on.
fn is_last(term: f64, ratio: f64, sum: f64) -> bool {
    ratio <= 0.0 || term <= 0.0 || (ratio < 1.0 && term * ratio / (1.0 - ratio) < TAIL_PRECISION * sum)
}

/// Logarithm of the binomial probability of `k` in `n`.
fn ln_binomial(k: f64, n: f64, rate: f64) -> f64 {
    if k == 0.0 {
        return n * (-rate).ln_1p();
    }
    if k >= n {
        return n * rate.ln();
    }
    let rest = n - k;
    stirling_error(n)
        - stirling_error(k)
        - stirling_error(rest)
        - deviance(k, n * rate)
        - deviance(rest, n * (1.0 - rate))
        + 0.5 * (n / (std::f64::consts::TAU * k * rest)).ln()
}

/// `ln(n!)` less Stirling's formula; the series from 16 on has all digits.
fn stirling_error(n: f64) -> f64 {
    if n < 16.0 {
        // Stirling at n + k, and the factors between in closed form.
        let mut product = 1.0;
        let mut at = n;
        while at < 16.0 {
            at += 1.0;
            product *= at;
        }
        let ln_factorial = |x: f64| x * x.ln() - x + 0.5 * (std::f64::consts::TAU * x).ln();
        return ln_factorial(at) + stirling_series(at) - f64::ln(product) - ln_factorial(n);
    }
    stirling_series(n)
}

fn stirling_series(n: f64) -> f64 {
    let square = n * n;
    (1.0 / 12.0
        - (1.0 / 360.0 - (1.0 / 1260.0 - (1.0 / 1680.0 - 1.0 / 1188.0 / square) / square) / square) / square)
        / n
}

/// `x ln(x / mean) + mean - x`, without cancelling near the mean.
fn deviance(x: f64, mean: f64) -> f64 {
    let difference = x - mean;
    if difference.abs() < 0.1 * (x + mean) {
        // ln(x/mean) = 2 artanh(v), by its series.
        let v = difference / (x + mean);
        let square = v * v;
        let mut sum = difference * v;
        let mut power = 2.0 * x * v;
        let mut odd = 1.0;
        loop {
            power *= square;
            odd += 2.0;
            let next = sum + power / odd;
            if next.to_bits() == sum.to_bits() {
                return sum;
            }
            sum = next;
        }
    }
    x * (x / mean).ln() + mean - x
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Far larger windows are searched, not walked: both find the same counts.
    #[test]
    fn searching_finds_what_trying_every_count_does() {
        for (m, n) in [(3.0, 400.0), (10.0, 1_000.0), (40.0, 2_600.0), (90.0, 6_000.0)] {
            for a in [0.0, 1.0, 2.0, m / 2.0, m - 1.0, m].map(f64::floor) {
                for tail in [0.25, 0.0005, 1e-9] {
                    let rates = Rates { a, m, n };
                    let upper = |b: f64| rates.upper_tail(b, rates.probability(b, a + b));
                    let counts = || (0..=6_000_u32).map(f64::from).take_while(|&b| b <= n);
                    let many = counts().find(|&b| a < m && upper(b) <= tail);
                    assert_eq!(rates.too_many(tail), many, "{rates:?} {tail}");
                    let few = counts().take_while(|&b| a > 0.0 && rates.lower_tail(b) <= tail).last();
                    assert_eq!(rates.too_few(tail), few, "{rates:?} {tail}");
                }
            }
        }
    }

    /// A window of any size is judged at once.
    #[test]
    fn absurdly_large_windows_end() {
        for window in [1 << 40, u64::MAX] {
            let noise = TwoSample::new(3, 40, window, 1.0).noise(0.0005);
            assert!(noise.high.is_none_or(|high| high < count_to_f64(window)), "{noise:?}");
        }
    }
}
