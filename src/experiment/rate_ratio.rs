//! Evidence about the ratio of two rates, valid at all times together.
//!
//! Why: a guardrail asks whether errors are more than 1.2 times as frequent, and people
//! ask for bounds. As with [equal rates](super::equal_rates) nothing is approximated,
//! evidence is an average over a fixed grid of ratios `θ`, and at most one in `x`
//! experiments ever shows evidence of `x` against what is so.
//!
//! **Against the ratio** `θ₀` it looks at the positive events alone. Of those,
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
//! It falls with the challenger's rate where `θ` is larger than the null, so that
//! evidence against a ratio is evidence against every smaller one. Against the ratio that
//! a margin allows, the grid begins there and not at 1: it is as fine beside it.
//!
//! When events of a unit go together, the logarithms are divided by the design
//! effect, which is right in the limit only.

use std::sync::LazyLock;

use serde::{Deserialize, Serialize};

use super::equal_rates::{
    ALTERNATIVES, Alternative, COUNT, EqualRates, Positives, average, float, mean_evidence,
};

/// Points between 1 and [`OUTERMOST`] at which bounds are looked for, and on the
/// other side as many.
const STEPS: usize = 128;
/// Those around a place, by distance from the first: what a polynomial goes through.
const NODES: [f64; 6] = [0.0, 1.0, 2.0, 3.0, 4.0, 5.0];
/// Halvings of the way between two alternatives that find a bound.
const HALVINGS: u32 = 30;
/// No bound lies further from 1 than this ratio.
const OUTERMOST: f64 = 32.0;
/// What windows say about a ratio of rates.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RateRatio {
    equal: EqualRates,
    /// `L` at the alternatives.
    alternatives: Vec<f64>,
    /// `L` at the points where bounds are looked for.
    points: Vec<f64>,
    margin: Margin,
}

/// One ratio that is asked for again and again: the one that a margin allows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Margin {
    ratio: f64,
    /// `L` at it.
    log: f64,
    /// `L` at so many times it as the alternatives are.
    alternatives: Vec<f64>,
}

/// Where bounds are looked for, in ascending order.
static POINTS: LazyLock<[f64; 2 * STEPS + 1]> = LazyLock::new(|| {
    std::array::from_fn(|index| {
        #[expect(clippy::cast_precision_loss, reason = "some hundred")]
        let share = index as f64 / STEPS as f64 - 1.0;
        (share * OUTERMOST.ln()).exp()
    })
});

impl RateRatio {
    /// Nothing seen; `margin` is a ratio that [`Self::log_e_above_margin`] and its
    /// counterpart are about.
    #[must_use]
    pub fn new(margin: f64) -> Self {
        Self {
            equal: EqualRates::default(),
            alternatives: vec![0.0; COUNT],
            points: vec![0.0; 2 * STEPS + 1],
            margin: Margin { ratio: margin, log: 0.0, alternatives: vec![0.0; COUNT] },
        }
    }

    /// Whether it has as many numbers as it should, all of them finite.
    #[must_use]
    pub fn is_plausible(&self) -> bool {
        let Margin { ratio, log, alternatives } = &self.margin;
        let lists = [(&self.alternatives, COUNT), (alternatives, COUNT), (&self.points, 2 * STEPS + 1)];
        self.equal.is_plausible()
            && lists.iter().all(|(list, length)| list.len() == *length && list.iter().all(|l| l.is_finite()))
            && *ratio > 0.0
            && log.is_finite()
    }

    /// Takes a window in which both arms have events; one without says nothing.
    pub fn add(&mut self, window: Positives) {
        let Positives { control, challenger, n_control, n_challenger } = window;
        if n_control == 0 || n_challenger == 0 {
            return;
        }
        self.equal.add(window);
        let [k_control, k, n_control, n] = [control, challenger, n_control, n_challenger].map(float);
        let q = n / (n_control + n);
        let log = |ratio: f64| k * ratio.ln() - (k + k_control) * (q * (ratio - 1.0)).ln_1p();
        let ratios = ALTERNATIVES.iter().map(|alternative| alternative.ratio);
        let sums = self.alternatives.iter_mut().zip(ratios);
        for (sum, ratio) in sums.chain(self.points.iter_mut().zip(POINTS.iter().copied())) {
            *sum += log(ratio);
        }
        let Margin { ratio: margin, log: at_margin, alternatives } = &mut self.margin;
        *at_margin += log(*margin);
        for (sum, Alternative { ratio, .. }) in alternatives.iter_mut().zip(ALTERNATIVES.iter()) {
            *sum += log(*margin * ratio);
        }
    }

    /// What there is against equal rates.
    #[must_use]
    pub fn equal(&self) -> &EqualRates {
        &self.equal
    }

    /// Logarithm of the evidence that the ratio is above the margin.
    #[must_use]
    pub fn log_e_above_margin(&self, design_effect: f64) -> f64 {
        mean_evidence(&self.margin.alternatives, self.margin.log, design_effect, |ratio| ratio > 1.0)
    }

    /// Logarithm of the evidence that the ratio is below the margin.
    #[must_use]
    pub fn log_e_below_margin(&self, design_effect: f64) -> f64 {
        mean_evidence(&self.margin.alternatives, self.margin.log, design_effect, |ratio| ratio < 1.0)
    }

    /// Least and greatest ratio against which there is not evidence of `1 / alpha` in
    /// its own direction; `None` where no bound is nearer to 1 than a factor of 32.
    #[must_use]
    pub fn bounds(&self, alpha: f64, design_effect: f64) -> (Option<f64>, Option<f64>) {
        let wanted = -alpha.ln();
        let lower = self.bound(1.0, wanted, design_effect);
        let upper = self.bound(-1.0, wanted, design_effect);
        // Evidence against equal rates is evidence against all ratios on its side.
        let (is_above, is_below) =
            (self.equal.log_e_above(design_effect), self.equal.log_e_below(design_effect));
        // What is not proven against those is not said of the others.
        let lower = match lower {
            lower if is_above >= wanted => Some(lower.unwrap_or(1.0).max(1.0)),
            lower => lower.map(|lower| lower.min(1.0)),
        };
        let upper = match upper {
            upper if is_below >= wanted => Some(upper.unwrap_or(1.0).min(1.0)),
            upper => upper.map(|upper| upper.max(1.0)),
        };
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
        let places = ALTERNATIVES.iter().zip(&self.alternatives);
        let mut way: Vec<(f64, f64, f64)> = places
            .map(|(alternative, log)| (sign * alternative.ratio.ln(), *log, alternative.log_weight))
            .collect();
        way.sort_by(|a, b| a.0.total_cmp(&b.0));
        let mut start = -OUTERMOST.ln();
        for (passed, (end, at_end, _)) in way.iter().enumerate() {
            let ahead = way.get(passed..).unwrap_or_default();
            let is_enough = |null: f64| {
                let logs = ahead.iter();
                average(logs.map(|(_, log, weight)| ((log - null) / design_effect.max(1.0), *weight)))
                    >= wanted
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

#[cfg(test)]
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
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
        assert_eq!(empty.bounds(0.05, 1.0), (None, None));
    }

    #[test]
    fn swapping_the_arms_turns_the_ratio_round() {
        let (one, other) = (grid(&[(30, 60, 1_000, 900)]), grid(&[(60, 30, 900, 1_000)]));
        let ((lower, _), (_, upper)) = (one.bounds(0.05, 1.0), other.bounds(0.05, 1.0));
        let (lower, upper) = (lower.expect("a bound"), upper.expect("a bound"));
        assert!((lower * upper - 1.0).abs() < 1e-9, "{lower} {upper}");
        assert!(lower > 1.0);
    }

    #[test]
    fn margins_are_kept_and_broken_however_near_or_far_they_are() {
        for (margin, rates) in [(1.02, (0.1, 0.1)), (1.2, (0.01, 0.01)), (0.99, (0.1, 0.1))] {
            let kept = with_margin(margin, rates);
            let found =
                if margin > 1.0 { kept.log_e_below_margin(1.0) } else { kept.log_e_above_margin(1.0) };
            assert!(found > 4.0, "{margin}: {found}");
        }
        assert!(with_margin(10.0, (0.001, 0.05)).log_e_above_margin(1.0) > 10.0);
        assert!(with_margin(0.125, (0.1, 0.001)).log_e_below_margin(1.0) > 10.0);
    }

    fn with_margin(margin: f64, rates: (f64, f64)) -> RateRatio {
        let mut grid = RateRatio::new(margin);
        let of = |rate: f64| (rate * 100_000.0) as u64;
        for _ in 0..60 {
            let (control, challenger) = (of(rates.0), of(rates.1));
            grid.add(Positives { control, challenger, n_control: 100_000, n_challenger: 100_000 });
        }
        grid
    }

    #[test]
    fn bounds_agree_with_the_evidence_against_one() {
        for positives in 20..60 {
            let grid = grid(&[(20, positives, 5_000, 5_000)]);
            let (lower, _) = grid.bounds(0.05, 1.0);
            let is_above = grid.equal().log_e_above(1.0) >= 20_f64.ln();
            let lower = lower.expect("a bound");
            assert!(if is_above { lower >= 1.0 } else { lower <= 1.0 }, "{positives}: {lower}");
        }
    }
}
