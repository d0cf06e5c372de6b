//! Evidence about the ratio of two rates, valid at all times together.
//!
//! Why: where events are rare, or one arm is small, sums are far from normal for a
//! long time, and tests that take them for normal find differences in nothing: at a
//! rate of 0.2 % and a split of 99 to 1 in up to 88 of 100 experiments. Here nothing
//! is approximated, whatever the rates, however they change from window to window,
//! and whatever the split. Evidence is an average over a fixed grid of ratios `θ`; at
//! most one in `x` experiments without a difference ever shows evidence of `x`.
//!
//! **Against equal rates** it is a product of likelihood ratios (Turner, Ly and
//! Grünwald, Generic E-variables for exact sequential k-sample tests, Computational
//! Statistics & Data Analysis 2024): with `q` the challenger's share of a window's
//! events and `p` the rate so far, of both arms and of earlier windows only, the
//! alternative has the rates `p / (1 − q + qθ)` and `θp / (1 − q + qθ)`, whose average
//! is `p`, and the ratio is to both arms having `p`. Its mean is at most 1 under any
//! equal rates, not only `p`: of geometric means weighted as the average is, the
//! largest is 1.
//!
//! **Against any other ratio** `θ₀` it looks at the positive events alone. Of those,
//! the challenger's are a share `qθ / (1 − q + qθ)`, so that a window with `k`
//! positives, `k_B` of them the challenger's, says
//!
//! ```text
//! L(θ) = k_B ln θ − k ln(1 − q + qθ)
//! ```
//!
//! and `exp(L(θ) − L(θ₀))` is the evidence. That its mean is at most 1: with
//! `c = (1 − q + qθ) / (1 − q + qθ₀)` and a control's rate of `p`, the mean of one
//! window's factor is `(1 + p(1/c − 1))^n_A (1 + θ₀p(θ/(θ₀c) − 1))^n_B`, whose
//! logarithm is at most `n_A p(1/c − 1) + n_B θ₀p(θ/(θ₀c) − 1) = 0`. The inequality is
//! `ln(1 + x) ≤ x`, which gives away about a share `p` of the information: little at
//! small rates; at large ones a [confidence sequence](super::confidence) sees more.
//!
//! Both fall with the challenger's rate where `θ` is larger than the null, so that
//! evidence against a ratio is evidence against every smaller one.
//!
//! When events of a unit go together, the logarithms are divided by the design
//! effect, which is right in the limit only.

use std::sync::LazyLock;

use serde::{Deserialize, Serialize};

use crate::drift::log_sum_exp;

/// Alternatives in either direction.
const SIDE: usize = 12;
/// The nearest and the furthest of them, as ratios.
const NEAREST: f64 = 1.05;
const FURTHEST: f64 = 8.0;
/// Points between 1 and [`OUTERMOST`] at which bounds are looked for, and on the
/// other side as many.
const STEPS: usize = 128;
/// Those around a place, by distance from the first: what a polynomial goes through.
const NODES: [f64; 6] = [0.0, 1.0, 2.0, 3.0, 4.0, 5.0];
/// Halvings of the way between two alternatives that find a bound.
const HALVINGS: u32 = 30;
/// No bound lies further from 1 than this ratio.
const OUTERMOST: f64 = 32.0;
/// The rate that is supposed before a positive event was seen.
const LEAST_RATE: f64 = 1e-9;

/// Positives and totals of two arms in one window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Positives {
    /// Positive events of the control.
    pub control: u64,
    /// Positive events of the challenger.
    pub challenger: u64,
    /// All events of the control.
    pub n_control: u64,
    /// All events of the challenger.
    pub n_challenger: u64,
}

/// What windows say about a ratio of rates.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RateRatio {
    /// Against equal rates: the logarithm for each alternative.
    equal: Vec<f64>,
    /// Positives and events so far.
    seen: (u64, u64),
    /// `L` at the alternatives.
    alternatives: Vec<f64>,
    /// `L` at the points where bounds are looked for.
    points: Vec<f64>,
    /// `L` at one ratio that is asked for again and again, such as the one that a
    /// margin allows.
    margin: (f64, f64),
}

/// The alternatives: first those below 1.
static ALTERNATIVES: LazyLock<[f64; 2 * SIDE]> = LazyLock::new(|| {
    std::array::from_fn(|index| {
        let (near, far) = (NEAREST.ln(), FURTHEST.ln());
        let (side, sign) = if index < SIDE { (index, -1.0) } else { (index - SIDE, 1.0) };
        #[expect(clippy::cast_precision_loss, reason = "a dozen")]
        let share = side as f64 / (SIDE - 1) as f64;
        (sign * near * (far / near).powf(share)).exp()
    })
});
/// Where bounds are looked for, in ascending order.
static POINTS: LazyLock<[f64; 2 * STEPS + 1]> = LazyLock::new(|| {
    std::array::from_fn(|index| {
        #[expect(clippy::cast_precision_loss, reason = "some hundred")]
        let share = index as f64 / STEPS as f64 - 1.0;
        (share * OUTERMOST.ln()).exp()
    })
});

impl Default for RateRatio {
    fn default() -> Self {
        Self::new(1.0)
    }
}

impl RateRatio {
    /// Nothing seen; `margin` is a ratio that [`Self::log_e_above_margin`] and its
    /// counterpart are about.
    #[must_use]
    pub fn new(margin: f64) -> Self {
        Self {
            equal: vec![0.0; 2 * SIDE],
            seen: (0, 0),
            alternatives: vec![0.0; 2 * SIDE],
            points: vec![0.0; 2 * STEPS + 1],
            margin: (margin, 0.0),
        }
    }

    /// Whether it has as many numbers as it should, all of them finite.
    #[must_use]
    pub fn is_plausible(&self) -> bool {
        let lists = [(&self.equal, 2 * SIDE), (&self.alternatives, 2 * SIDE), (&self.points, 2 * STEPS + 1)];
        lists.iter().all(|(list, length)| list.len() == *length && list.iter().all(|l| l.is_finite()))
            && self.margin.0 > 0.0
            && self.margin.1.is_finite()
    }

    /// Takes a window in which both arms have events; one without says nothing.
    pub fn add(&mut self, window: Positives) {
        let Positives { control, challenger, n_control, n_challenger } = window;
        if n_control == 0 || n_challenger == 0 {
            return;
        }
        self.add_against_equal(window);
        self.seen = (self.seen.0 + control + challenger, self.seen.1 + n_control + n_challenger);
        let [k_control, k, n_control, n] = [control, challenger, n_control, n_challenger].map(float);
        let q = n / (n_control + n);
        let log = |ratio: f64| k * ratio.ln() - (k + k_control) * (q * (ratio - 1.0)).ln_1p();
        let sums = self.alternatives.iter_mut().zip(ALTERNATIVES.iter());
        for (sum, ratio) in sums.chain(self.points.iter_mut().zip(POINTS.iter())) {
            *sum += log(*ratio);
        }
        self.margin.1 += log(self.margin.0);
    }

    /// Takes pairs in which one arm alone was positive: without a difference, each is
    /// as likely to be the challenger's as the control's. Only the evidence against
    /// equal rates means anything then.
    pub fn add_pairs(&mut self, control: u64, challenger: u64) {
        let (k_control, k) = (float(control), float(challenger));
        for (sum, ratio) in self.equal.iter_mut().zip(ALTERNATIVES.iter()) {
            *sum += k * ratio.ln() - (k + k_control) * (0.5 * (ratio - 1.0)).ln_1p();
        }
    }

    /// What a window says against equal rates, by the rate of those before it.
    fn add_against_equal(&mut self, window: Positives) {
        let Positives { control, challenger, n_control, n_challenger } = window;
        let q = float(n_challenger) / float(n_control + n_challenger);
        // Too low a rate gives away little, too high a one much.
        let rate = (float(self.seen.0) / (float(self.seen.1) + 1.0)).max(LEAST_RATE);
        let arm = |positives: u64, n: u64, alternative: f64| {
            float(positives) * (alternative / rate).ln()
                + float(n.saturating_sub(positives)) * ((rate - alternative) / (1.0 - rate)).ln_1p()
        };
        for (sum, ratio) in self.equal.iter_mut().zip(ALTERNATIVES.iter()) {
            let of_control = rate / (1.0 + q * (ratio - 1.0));
            let of_challenger = ratio * of_control;
            // No rate is above 1: such an alternative says nothing of this window.
            if of_control.max(of_challenger) < 1.0 {
                *sum += arm(control, n_control, of_control) + arm(challenger, n_challenger, of_challenger);
            }
        }
    }

    /// Logarithm of the evidence that the ratio is above 1, with this design effect.
    #[must_use]
    pub fn log_e_above(&self, design_effect: f64) -> f64 {
        mean_evidence(&self.equal, 0.0, design_effect, |ratio| ratio > 1.0)
    }

    /// Logarithm of the evidence that the ratio is below 1.
    #[must_use]
    pub fn log_e_below(&self, design_effect: f64) -> f64 {
        mean_evidence(&self.equal, 0.0, design_effect, |ratio| ratio < 1.0)
    }

    /// Logarithm of the evidence that the ratio is not 1.
    #[must_use]
    pub fn log_e_value(&self, design_effect: f64) -> f64 {
        mean_evidence(&self.equal, 0.0, design_effect, |_| true)
    }

    /// Logarithm of the evidence that the ratio is above the margin.
    #[must_use]
    pub fn log_e_above_margin(&self, design_effect: f64) -> f64 {
        self.log_e(self.margin, design_effect, |ratio| ratio > self.margin.0)
    }

    /// Logarithm of the evidence that the ratio is below the margin.
    #[must_use]
    pub fn log_e_below_margin(&self, design_effect: f64) -> f64 {
        self.log_e(self.margin, design_effect, |ratio| ratio < self.margin.0)
    }

    /// Evidence against the ratio `null` with this `L`, by the alternatives that
    /// `counts` says.
    fn log_e(&self, null: (f64, f64), design_effect: f64, counts: impl Fn(f64) -> bool) -> f64 {
        mean_evidence(&self.alternatives, null.1, design_effect, counts)
    }

    /// Least and greatest ratio against which there is not evidence of `1 / alpha` in
    /// its own direction; `None` where no bound is nearer to 1 than a factor of 32.
    #[must_use]
    pub fn bounds(&self, alpha: f64, design_effect: f64) -> (Option<f64>, Option<f64>) {
        let wanted = -alpha.ln();
        let lower = self.bound(1.0, wanted, design_effect);
        let upper = self.bound(-1.0, wanted, design_effect);
        // Evidence against equal rates is evidence against all ratios on its side.
        let (is_above, is_below) = (self.log_e_above(design_effect), self.log_e_below(design_effect));
        let lower = if is_above >= wanted { Some(lower.unwrap_or(1.0).max(1.0)) } else { lower };
        let upper = if is_below >= wanted { Some(upper.unwrap_or(1.0).min(1.0)) } else { upper };
        (lower, upper)
    }

    /// The first ratio without the wanted evidence, on the way up (`sign` 1) from the
    /// outermost ratio, or down (-1).
    ///
    /// Between two alternatives the evidence falls along the way once it is worth
    /// anything. At an alternative, which counts no more from there on, it may jump up,
    /// so that there can be evidence against ratios further on: they are not excluded.
    fn bound(&self, sign: f64, wanted: f64, design_effect: f64) -> Option<f64> {
        // Places on the way: logarithms of ratios times `sign`.
        let places = ALTERNATIVES.iter().map(|ratio| sign * ratio.ln());
        let mut way: Vec<(f64, f64)> = places.zip(self.alternatives.iter().copied()).collect();
        way.sort_by(|a, b| a.0.total_cmp(&b.0));
        let mut start = -OUTERMOST.ln();
        for (passed, (end, at_end)) in way.iter().enumerate() {
            let ahead = way.get(passed..).unwrap_or_default();
            let is_enough = |null: f64| {
                log_mean_exp(ahead.iter().map(|(_, log)| (log - null) / design_effect.max(1.0))) >= wanted
            };
            if passed == 0 && !is_enough(self.log_at(sign * start)) {
                return None;
            }
            if !is_enough(*at_end) {
                let (mut low, mut high) = (start, *end);
                for _ in 0..HALVINGS {
                    let middle = 0.5 * (low + high);
                    if is_enough(self.log_at(sign * middle)) {
                        low = middle;
                    } else {
                        high = middle;
                    }
                }
                return Some((sign * low).exp());
            }
            start = *end;
        }
        // Against the furthest alternative itself nothing can be said.
        Some((sign * start).exp())
    }

    /// `L` at the ratio with this logarithm, by a polynomial through the points around
    /// it, which is right to 1e-12 per positive event.
    fn log_at(&self, log: f64) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "some hundred")]
        let (steps, last) = (STEPS as f64, (2 * STEPS + 1 - NODES.len()) as f64);
        let place = (log / OUTERMOST.ln() + 1.0) * steps;
        let first = (place.floor() - 2.0).clamp(0.0, last);
        let from_first = place - first;
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "within the points")]
        let values = self.points.iter().skip(first as usize);
        let weight = |(index, node): (usize, &f64)| {
            let others = NODES.iter().enumerate().filter(|(other, _)| *other != index);
            others.map(|(_, other)| (from_first - other) / (node - other)).product::<f64>()
        };
        NODES.iter().enumerate().zip(values).map(|(node, value)| weight(node) * value).sum()
    }
}

#[expect(clippy::cast_precision_loss, reason = "counts below 2^53")]
fn float(count: u64) -> f64 {
    count as f64
}

/// The average over the alternatives that `counts` says.
fn mean_evidence(logs: &[f64], null: f64, design_effect: f64, counts: impl Fn(f64) -> bool) -> f64 {
    let logs = ALTERNATIVES.iter().zip(logs).filter(|(ratio, _)| counts(**ratio));
    log_mean_exp(logs.map(|(_, log)| (log - null) / design_effect.max(1.0)))
}

/// Minus infinity of nothing.
fn log_mean_exp(logs: impl Iterator<Item = f64> + Clone) -> f64 {
    match logs.clone().count() {
        0 => f64::NEG_INFINITY,
        count => log_sum_exp(logs) - float(count as u64).ln(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grid(windows: &[(u64, u64, u64, u64)]) -> RateRatio {
        let mut grid = RateRatio::new(1.2);
        for &(control, challenger, n_control, n_challenger) in windows {
            grid.add(Positives { control, challenger, n_control, n_challenger });
        }
        grid
    }

    #[test]
    fn nothing_is_evidence_of_nothing() {
        let empty = grid(&[(3, 0, 100, 0)]);
        assert_eq!(empty, grid(&[]));
        assert!(empty.log_e_value(1.0).abs() < 1e-12);
        assert_eq!(empty.bounds(0.05, 1.0), (None, None));
    }

    #[test]
    fn swapping_the_arms_turns_the_ratio_round() {
        let (one, other) = (grid(&[(30, 60, 1_000, 900)]), grid(&[(60, 30, 900, 1_000)]));
        assert!((one.log_e_above(1.0) - other.log_e_below(1.0)).abs() < 1e-9);
        let ((lower, _), (_, upper)) = (one.bounds(0.05, 1.0), other.bounds(0.05, 1.0));
        let (lower, upper) = (lower.expect("a bound"), upper.expect("a bound"));
        assert!((lower * upper - 1.0).abs() < 1e-9, "{lower} {upper}");
        assert!(lower > 1.0);
    }

    #[test]
    fn bounds_agree_with_the_evidence_against_one() {
        for positives in 20..60 {
            let grid = grid(&[(20, positives, 5_000, 5_000)]);
            let (lower, _) = grid.bounds(0.05, 1.0);
            let is_above = grid.log_e_above(1.0) >= 20_f64.ln();
            assert_eq!(is_above, lower.is_some_and(|lower| lower >= 1.0), "{positives}");
        }
    }
}
