//! Group-sequential bounds: every look spends a part of the error that is allowed.
//!
//! Why: whoever knows the largest number of events beforehand pays less for looking
//! early than with bounds for all times: of a difference that a test at the end
//! finds in 92 of 100 experiments, bounds by spending find 90 and a confidence
//! sequence 72.
//!
//! Spending functions are those of Lan and DeMets (Discrete sequential boundaries
//! for clinical trials, Biometrika 70, 1983), `alpha/2 · t²` on each side, where `t`
//! is the share of the planned information. The probability of crossing is found as
//! by Armitage, McPherson and Rowe (Repeated significance tests on accumulating
//! data, JRSS A 132, 1969): the density of the sum that has crossed nothing yet is
//! integrated from look to look.
//!
//! When not to use it: without a planned number of events, or when it is changed by
//! what is seen. After the planned number there is no further look.

use serde::{Deserialize, Serialize};
use statrs::distribution::{ContinuousCDF, Normal};

/// Looks nearer to each other, or to the end, than this share of the plan are one
/// look: so many spend hardly less, and the integrals stay cheap.
const LEAST_STEP: f64 = 0.005;
/// Distance of the density's points by the spread of a step: with Simpson's rule, bounds
/// are right to the sixth digit.
const FINENESS: f64 = 0.12;
/// The distance at most: a fifth of the spread of the shortest step, which may come
/// next.
const FURTHEST_APART: f64 = 0.014;
/// Bounds further out than this are as good as none.
const FURTHEST: f64 = 8.0;
/// Halvings of [`FURTHEST`] that find a bound.
const HALVINGS: u32 = 48;

/// The bounds so far.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SpendingBounds {
    alpha: f64,
    /// Share of the plan at the last look.
    time: f64,
    /// The bound of the last look, as a multiple of the standard error.
    bound: Option<f64>,
    /// Density of the sum, in units in which its variance is the time, at evenly
    /// spaced points between the last bounds; empty before the first look.
    density: Vec<f64>,
    /// The outermost point.
    edge: f64,
}

impl SpendingBounds {
    /// Bounds that are crossed without any effect with a probability of `alpha`, on
    /// both sides together.
    #[must_use]
    pub fn new(alpha: f64) -> Self {
        Self { alpha, time: 0.0, bound: None, density: Vec::new(), edge: 0.0 }
    }

    /// Whether its numbers can be those of bounds with this `alpha`.
    #[must_use]
    pub fn is_plausible(&self, alpha: f64) -> bool {
        (self.alpha - alpha).abs() < 1e-12
            && (0.0..=1.0).contains(&self.time)
            && self.density.len() < 100_000
            && self.density.iter().all(|density| density.is_finite())
            && (0.0..=FURTHEST).contains(&self.edge)
    }

    /// Share of the plan at the last look.
    #[must_use]
    pub fn time(&self) -> f64 {
        self.time
    }

    /// The bound of the last look, by which the estimate's multiple of its standard
    /// error is judged; `None` before there was one.
    #[must_use]
    pub fn bound(&self) -> Option<f64> {
        self.bound
    }

    /// Looks at the share `time` of the plan; the bound that holds there, unless no
    /// look is due: the last one is too near, or the plan is over. What lies behind
    /// the plan counts as its end.
    pub fn look(&mut self, time: f64) -> Option<f64> {
        if time.is_nan() {
            return None;
        }
        let time = time.min(1.0);
        let is_near_the_end = time < 1.0 && 1.0 - time < LEAST_STEP;
        if time - self.time < LEAST_STEP || is_near_the_end {
            return None;
        }
        let spent = |time: f64| 0.5 * self.alpha * time * time;
        let to_spend = spent(time) - spent(self.time);
        let normal = Normal::standard();
        let root = time.sqrt();
        let step = (time - self.time).sqrt();
        // The probability of lying above a sum at this look and having crossed
        // nothing before.
        let above = |sum: f64| {
            if self.density.is_empty() {
                return normal.sf(sum / root);
            }
            self.integral(|before| normal.sf((sum - before) / step))
        };
        let (mut low, mut high) = (0.0, FURTHEST);
        for _ in 0..HALVINGS {
            let middle = 0.5 * (low + high);
            if above(middle * root) > to_spend {
                low = middle;
            } else {
                high = middle;
            }
        }
        let bound = 0.5 * (low + high);
        let edge = bound * root;
        self.density = self.next_density(edge, step, root);
        (self.edge, self.time, self.bound) = (edge, time, Some(bound));
        Some(bound)
    }

    /// The density at the points between the bounds of this look.
    fn next_density(&self, edge: f64, step: f64, root: f64) -> Vec<f64> {
        let spread = if self.density.is_empty() { root } else { step };
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "some thousand at most")]
        let halves = (edge / (spread * FINENESS).min(FURTHEST_APART)).ceil().clamp(8.0, 20_000.0) as usize;
        let phi = |z: f64| (-0.5 * z * z).exp() / (2.0 * std::f64::consts::PI).sqrt();
        (0..=2 * halves)
            .map(|index| {
                let sum = place(index, halves, edge);
                if self.density.is_empty() {
                    phi(sum / root) / root
                } else {
                    self.integral(|before| phi((sum - before) / step) / step)
                }
            })
            .collect()
    }

    /// Integral of the density times `weight`, by Simpson's rule.
    fn integral(&self, weight: impl Fn(f64) -> f64) -> f64 {
        let halves = self.density.len() / 2;
        let mut sum = 0.0;
        for (index, density) in self.density.iter().enumerate() {
            let share = match index {
                0 => 1.0,
                _ if index + 1 == self.density.len() => 1.0,
                _ if index % 2 == 1 => 4.0,
                _ => 2.0,
            };
            sum += share * density * weight(place(index, halves, self.edge));
        }
        #[expect(clippy::cast_precision_loss, reason = "some thousand at most")]
        let width = self.edge / halves.max(1) as f64;
        sum * width / 3.0
    }
}

/// The `index`-th of `2 * halves + 1` points from `-edge` to `edge`.
fn place(index: usize, halves: usize, edge: f64) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "some thousand at most")]
    let share = index as f64 / halves.max(1) as f64 - 1.0;
    share * edge
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_are_those_of_the_literature() {
        // ldbounds of R, alpha 0.05, two sides, spending alpha t^2, four looks.
        let mut bounds = SpendingBounds::new(0.05);
        for (time, expected) in [(0.25, 2.9552), (0.5, 2.5593), (0.75, 2.3008), (1.0, 2.0919)] {
            let bound = bounds.look(time).expect("a look");
            assert!((bound - expected).abs() < 1e-4, "{time}: {bound}");
        }
        assert_eq!(bounds.look(1.5), None, "the plan is over");
    }

    #[test]
    fn looks_too_near_to_each_other_are_one() {
        let mut bounds = SpendingBounds::new(0.05);
        assert!(bounds.look(0.3).is_some());
        let before = bounds.clone();
        assert_eq!((bounds.look(0.3), bounds.look(0.301), bounds.look(f64::NAN)), (None, None, None));
        assert_eq!(bounds, before);
    }
}
