//! Evidence against equal rates in two arms, valid at all times together.
//!
//! Why: where events are rare, or one arm is small, sums are far from normal for a
//! long time, and tests that take them for normal find differences in nothing: at a
//! rate of 0.2 % and a split of 99 to 1 in up to 88 of 100 experiments. Here nothing
//! is approximated, whatever the rates, however they change from window to window,
//! and whatever the split.
//!
//! Evidence is a product of likelihood ratios (Turner, Ly and Grünwald, Generic
//! E-variables for exact sequential k-sample tests, Computational Statistics & Data
//! Analysis 2024), averaged over a fixed grid of odds ratios `ω`: with `q` the
//! challenger's share of a window's events and `p` the rate so far, of both arms and of
//! earlier windows only, an alternative has the rates `p_A` and `p_B` whose odds are as 1
//! to `ω` and whose average `(1 − q) p_A + q p_B` is `p`; the ratio is to both arms having
//! `p`. Its mean is at most 1 under any equal rates, not only `p`: of geometric means
//! weighted as the average is, the largest is 1. So at most one in `x` experiments
//! without a difference ever shows evidence of `x`.
//!
//! Odds and not rates, since a rate may be near 1: there are always two rates with
//! these odds, and errors that double from 2 to 4 % are the same evidence as successes
//! that fall from 98 to 96 %.
//!
//! Before anything was seen `p` is not known: the first window is held against a rate
//! near 0 and one near 1, and the evidence is an average of the two, in which the first
//! counts more: it is mostly the rare that is counted. Too near to 0 or 1 is safe, since the
//! less likely of the two outcomes is what tells.
//!
//! Of the grid those nearest to 1 count little: differences so small are seldom, and take
//! many events anyway.
//!
//! When not to use it: for odds that differ by less than half a percent, which no
//! alternative is near enough to. When events of a unit go together, the logarithms are
//! divided by the design effect, which is right in the limit only.

use std::sync::LazyLock;

use serde::{Deserialize, Serialize};

use crate::drift::log_sum_exp;

/// Ratios near 1, and how much all of them count.
const NEAR: [f64; 3] = [1.01, 1.0175, 1.03];
const NEAR_WEIGHT: f64 = 0.1;
/// The others: how many in either direction, and the ends of them.
const OTHERS: usize = 12;
const NEAREST: f64 = 1.05;
const FURTHEST: f64 = 8.0;
/// Alternatives in either direction.
const SIDE: usize = NEAR.len() + OTHERS;
/// All alternatives.
pub(super) const COUNT: usize = 2 * SIDE;
/// How near to 0, or to 1, the rate is supposed to be before anything was seen, and how much
/// the second counts.
const UNSEEN: f64 = 1e-9;
const HIGH_WEIGHT: f64 = 0.1;

/// One of the grid.
#[derive(Debug, Clone, Copy)]
pub(super) struct Alternative {
    pub(super) ratio: f64,
    /// How much it counts, as a logarithm; in either direction they sum up to 1.
    pub(super) log_weight: f64,
}

/// The grid: first what is below 1, the nearest first.
pub(super) static ALTERNATIVES: LazyLock<[Alternative; COUNT]> = LazyLock::new(|| {
    std::array::from_fn(|index| {
        let (side, sign) = if index < SIDE { (index, -1.0) } else { (index - SIDE, 1.0) };
        #[expect(clippy::cast_precision_loss, reason = "a dozen")]
        let (log, weight) = if let Some(ratio) = NEAR.get(side) {
            (ratio.ln(), NEAR_WEIGHT / NEAR.len() as f64)
        } else {
            let (near, far) = (NEAREST.ln(), FURTHEST.ln());
            let share = (side - NEAR.len()) as f64 / (OTHERS - 1) as f64;
            (near * (far / near).powf(share), (1.0 - NEAR_WEIGHT) / OTHERS as f64)
        };
        Alternative { ratio: (sign * log).exp(), log_weight: weight.ln() }
    })
});

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

impl Positives {
    /// The same of the events that are not positive.
    fn others(self) -> Self {
        let Self { control, challenger, n_control, n_challenger } = self;
        Self {
            control: n_control.saturating_sub(control),
            challenger: n_challenger.saturating_sub(challenger),
            ..self
        }
    }
}

/// What windows say against equal rates.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EqualRates {
    /// The logarithm for each alternative.
    logs: Vec<f64>,
    /// Positives and events so far.
    seen: (u64, u64),
}

impl Default for EqualRates {
    fn default() -> Self {
        Self { logs: vec![0.0; COUNT], seen: (0, 0) }
    }
}

impl EqualRates {
    /// Whether it has as many numbers as it should, all of them finite.
    #[must_use]
    pub fn is_plausible(&self) -> bool {
        self.seen.0 <= self.seen.1 && self.logs.len() == COUNT && self.logs.iter().all(|log| log.is_finite())
    }

    /// Takes a window in which both arms have events; one without says nothing.
    pub fn add(&mut self, window: Positives) {
        let Positives { control, challenger, n_control, n_challenger } = window;
        if n_control == 0 || n_challenger == 0 {
            return;
        }
        let (positives, events) = self.seen;
        for (sum, Alternative { ratio: odds, .. }) in self.logs.iter_mut().zip(ALTERNATIVES.iter()) {
            *sum += if events == 0 {
                // A rate near 1 is one near 0 of what is not positive, with all its digits.
                let logs = [log_ratio(window, UNSEEN, *odds), log_ratio(window.others(), UNSEEN, 1.0 / odds)];
                average(logs.into_iter().zip([1.0 - HIGH_WEIGHT, HIGH_WEIGHT].map(f64::ln)))
            } else {
                // Half an event of each kind keeps the rate away from 0 and 1.
                log_ratio(window, (float(positives) + 0.5) / (float(events) + 1.0), *odds)
            };
        }
        self.seen = (positives + control + challenger, events + n_control + n_challenger);
    }

    /// Takes pairs in which one arm alone was positive: without a difference, each is
    /// as likely to be the challenger's as the control's.
    pub fn add_pairs(&mut self, control: u64, challenger: u64) {
        let (k_control, k) = (float(control), float(challenger));
        for (sum, Alternative { ratio: odds, .. }) in self.logs.iter_mut().zip(ALTERNATIVES.iter()) {
            *sum += k * odds.ln() - (k + k_control) * (0.5 * (odds - 1.0)).ln_1p();
        }
    }

    /// Logarithm of the evidence that the challenger's rate is above the control's, with
    /// this design effect.
    #[must_use]
    pub fn log_e_above(&self, design_effect: f64) -> f64 {
        mean_evidence(&self.logs, 0.0, design_effect, |odds| odds > 1.0)
    }

    /// Logarithm of the evidence that it is below.
    #[must_use]
    pub fn log_e_below(&self, design_effect: f64) -> f64 {
        mean_evidence(&self.logs, 0.0, design_effect, |odds| odds < 1.0)
    }

    /// Logarithm of the evidence that it is another one.
    #[must_use]
    pub fn log_e_value(&self, design_effect: f64) -> f64 {
        mean_evidence(&self.logs, 0.0, design_effect, |_| true)
    }
}

/// Logarithm of the likelihood of a window with this odds ratio, by that with this rate in
/// both arms.
fn log_ratio(window: Positives, rate: f64, odds: f64) -> f64 {
    let Positives { control, challenger, n_control, n_challenger } = window;
    let (of_control, of_challenger) =
        rates_with(float(n_challenger) / float(n_control + n_challenger), rate, odds);
    let arm = |positives: u64, n: u64, alternative: f64| {
        float(positives) * (alternative / rate).ln()
            + float(n.saturating_sub(positives)) * ((rate - alternative) / (1.0 - rate)).ln_1p()
    };
    arm(control, n_control, of_control) + arm(challenger, n_challenger, of_challenger)
}

/// The two rates with this odds ratio whose average is `rate`, that of the challenger with
/// the weight `share`: the root between 0 and 1 of a quadratic equation.
fn rates_with(share: f64, rate: f64, odds: f64) -> (f64, f64) {
    let square = (1.0 - share) * (odds - 1.0);
    let linear = (1.0 - share) + share * odds - rate * (odds - 1.0);
    let root = (linear * linear + 4.0 * square * rate).max(0.0).sqrt();
    // Of the two ways to write it, the one that takes no difference of equal numbers.
    let control = if linear >= 0.0 { 2.0 * rate / (linear + root) } else { (root - linear) / (2.0 * square) };
    (control, odds * control / (1.0 + (odds - 1.0) * control))
}

#[expect(clippy::cast_precision_loss, reason = "counts below 2^53")]
pub(super) fn float(count: u64) -> f64 {
    count as f64
}

/// The average over the alternatives that `counts` says, by what there is at the null.
pub(super) fn mean_evidence(
    logs: &[f64],
    null: f64,
    design_effect: f64,
    counts: impl Fn(f64) -> bool,
) -> f64 {
    let logs = ALTERNATIVES.iter().zip(logs).filter(|(alternative, _)| counts(alternative.ratio));
    average(logs.map(|(alternative, log)| ((log - null) / design_effect.max(1.0), alternative.log_weight)))
}

/// The logarithm of an average, of logarithms with those of their weights; minus infinity
/// of nothing.
pub(super) fn average(logs: impl Iterator<Item = (f64, f64)> + Clone) -> f64 {
    let weights = log_sum_exp(logs.clone().map(|(_, weight)| weight));
    if weights.is_finite() { log_sum_exp(logs.map(|(log, weight)| log + weight)) - weights } else { weights }
}

#[cfg(test)]
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
mod tests {
    use super::*;

    fn evidence(windows: &[(u64, u64, u64, u64)]) -> EqualRates {
        let mut evidence = EqualRates::default();
        for &(control, challenger, n_control, n_challenger) in windows {
            evidence.add(Positives { control, challenger, n_control, n_challenger });
        }
        evidence
    }

    #[test]
    fn nothing_is_evidence_of_nothing() {
        let empty = evidence(&[(3, 0, 100, 0)]);
        assert_eq!(empty, EqualRates::default());
        assert!(empty.log_e_value(1.0).abs() < 1e-12);
    }

    #[test]
    fn rates_have_the_odds_and_the_average() {
        for share in [0.5, 0.1, 0.999] {
            for rate in [1e-9, 0.002, 0.3, 0.98, 1.0 - 1e-9] {
                for odds in [0.125, 0.99, 1.01, 8.0] {
                    let (a, b) = rates_with(share, rate, odds);
                    assert!(a > 0.0 && a < 1.0 && b > 0.0 && b < 1.0, "{share} {rate} {odds}: {a} {b}");
                    let average = (1.0 - share) * a + share * b;
                    assert!((average - rate).abs() < 1e-12, "{share} {rate} {odds}: {average}");
                    let found = b / (1.0 - b) * (1.0 - a) / a;
                    assert!((found / odds - 1.0).abs() < 1e-6, "{share} {rate} {odds}: {found}");
                }
            }
        }
    }

    #[test]
    fn swapping_the_arms_or_the_outcomes_turns_the_evidence_round() {
        let windows = [(30, 60, 1_000, 900), (25, 70, 1_000, 1_100)];
        let one = evidence(&windows);
        let arms = evidence(&windows.map(|(a, b, n_a, n_b)| (b, a, n_b, n_a)));
        let outcomes = evidence(&windows.map(|(a, b, n_a, n_b)| (n_a - a, n_b - b, n_a, n_b)));
        assert!(one.log_e_above(1.0) > 10.0);
        // A rate near 0 is the likelier one for the first window.
        let of_first_window = ((1.0 - HIGH_WEIGHT) / HIGH_WEIGHT).ln();
        for (other, most) in [(arms, 0.0), (outcomes, of_first_window)] {
            let above = one.log_e_above(1.0) - other.log_e_below(1.0);
            let below = one.log_e_below(1.0) - other.log_e_above(1.0);
            assert!(above.abs() < most + 1e-4 && below.abs() < most + 1e-4, "{above} {below}");
        }
    }

    #[test]
    fn errors_that_double_are_seen_however_rare_they_are() {
        for (good, bad) in [(0.02, 0.04), (0.98, 0.96), (0.999, 0.996), (0.5, 0.45), (0.3, 0.306)] {
            let of = |rate: f64| (rate * 10_000.0) as u64;
            let windows = [(of(good), of(bad), 10_000, 10_000); 100];
            let evidence = evidence(&windows);
            let found = evidence.log_e_above(1.0).max(evidence.log_e_below(1.0));
            assert!(found > 10.0, "{good} {bad}: {found}");
        }
    }
}
