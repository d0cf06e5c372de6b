//! What is proven of one metric, by whichever way it may be looked at.
//!
//! Three things can be proven: that the challenger is *better*, that it is *worse*
//! (of a guardrail: by more than its margin) and that it is *not worse* than the
//! margin. Each is a test of its own with its own share of the allowed error. What
//! was proven once stays proven: with bounds for all times that is what they promise,
//! and a look later does not take back what an earlier one was entitled to say.

use serde::{Deserialize, Serialize};

use super::{
    confidence::{ConfidenceSequence, Estimate},
    settings::{Inference, Method},
    spending::SpendingBounds,
};
use crate::drift::upper_normal_quantile;

/// Allowed errors, each on one side.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Levels {
    /// Of what speaks for promotion.
    pub(super) better: f64,
    /// Of what speaks for taking it back.
    pub(super) worse: f64,
}

/// One thing that may be proven.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Proof {
    /// Largest logarithm of the evidence so far; absent where the method has none.
    pub(super) log_e: Option<f64>,
    /// End of the window with which it was proven.
    pub(super) at: Option<i64>,
}

/// Everything that may be proven of one metric.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Evidence {
    pub(super) better: Proof,
    pub(super) worse: Proof,
    pub(super) not_worse: Proof,
    /// Of there being any difference, on both sides.
    pub(super) any: Proof,
    /// Group-sequential bounds of the two sides.
    spending: Option<(SpendingBounds, SpendingBounds)>,
    /// The one look of a fixed horizon has been.
    is_over: bool,
    /// Least and greatest gain at the last look that was due, of methods whose bounds
    /// hold at such looks only.
    bounds: Option<(f64, f64)>,
}

/// Logarithms of evidence at one look.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(super) struct Logs {
    pub(super) better: f64,
    pub(super) worse: f64,
    pub(super) not_worse: Option<f64>,
    pub(super) any: f64,
}

/// A difference in the direction that is better, and how much worse is allowed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Gain {
    pub(super) size: f64,
    pub(super) std_error: f64,
    pub(super) n: f64,
    pub(super) allowed: Option<AllowedLoss>,
}

/// How much worse is allowed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct AllowedLoss {
    pub(super) loss: f64,
    /// Standard error of the gain with it added, were the gain just this loss.
    pub(super) std_error: f64,
}

impl Gain {
    /// With nothing but a gain allowed, or with this loss.
    fn with_loss(self) -> AllowedLoss {
        self.allowed.unwrap_or(AllowedLoss { loss: 0.0, std_error: self.std_error })
    }

    fn estimate(self, difference: f64, std_error: f64) -> Estimate {
        Estimate { difference, std_error, n: self.n }
    }
}

/// The largest evidence of all looks is what a test at all times goes by.
pub(super) fn keep_most(most: &mut Option<f64>, log_e: f64) {
    *most = Some(most.map_or(log_e, |most| most.max(log_e)));
}

impl Proof {
    const NONE: Self = Self { log_e: None, at: None };

    fn see(&mut self, log_e: f64, level: f64, end: i64) {
        let log_e = log_e.clamp(-1e6, 1e6);
        keep_most(&mut self.log_e, log_e);
        if log_e >= -level.ln() && self.at.is_none() {
            self.at = Some(end);
        }
    }

    fn prove(&mut self, is_proven: bool, end: i64) {
        if is_proven && self.at.is_none() {
            self.at = Some(end);
        }
    }

    fn is_plausible(&self) -> bool {
        self.log_e.is_none_or(f64::is_finite)
    }
}

impl Evidence {
    pub(super) fn new(method: Method, levels: Levels) -> Self {
        let spending = (method == Method::GroupSequential)
            .then(|| (SpendingBounds::new(2.0 * levels.better), SpendingBounds::new(2.0 * levels.worse)));
        Self {
            better: Proof::NONE,
            worse: Proof::NONE,
            not_worse: Proof::NONE,
            any: Proof::NONE,
            spending,
            is_over: false,
            bounds: None,
        }
    }

    pub(super) fn is_plausible(&self, method: Method, levels: Levels) -> bool {
        let proofs = [&self.better, &self.worse, &self.not_worse, &self.any];
        let spending = self.spending.as_ref();
        proofs.iter().all(|proof| proof.is_plausible())
            && self.bounds.is_none_or(|(least, most)| least.is_finite() && most.is_finite())
            && spending.is_some() == (method == Method::GroupSequential)
            && spending.is_none_or(|(better, worse)| {
                better.is_plausible(2.0 * levels.better) && worse.is_plausible(2.0 * levels.worse)
            })
    }

    /// Takes evidence that was found elsewhere.
    pub(super) fn see(&mut self, logs: Logs, levels: Levels, end: i64) {
        self.better.see(logs.better, levels.better, end);
        self.worse.see(logs.worse, levels.worse, end);
        self.any.see(logs.any, 0.0, end);
        if let Some(log) = logs.not_worse {
            self.not_worse.see(log, levels.better, end);
        }
    }

    /// Looks at a difference by `inference`.
    pub(super) fn look(&mut self, gain: Gain, inference: &Inference, levels: Levels, end: i64) {
        if gain.with_loss().std_error <= 0.0 || gain.n <= 0.0 {
            return;
        }
        match inference.method {
            Method::AlwaysValid => self.see(logs(gain, inference, levels), levels, end),
            Method::GroupSequential => {
                let time = gain.n / planned(inference);
                let Some((better, worse)) = &mut self.spending else { return };
                let bounds = (better.look(time), worse.look(time));
                self.cross(gain, bounds, end);
            }
            Method::FixedHorizon => {
                if !self.is_over && gain.n >= planned(inference) {
                    self.is_over = true;
                    let bounds = (
                        Some(upper_normal_quantile(levels.better)),
                        Some(upper_normal_quantile(levels.worse)),
                    );
                    self.cross(gain, bounds, end);
                }
            }
        }
    }

    fn cross(&mut self, seen: Gain, (better, worse): (Option<f64>, Option<f64>), end: i64) {
        let Gain { size: gain, std_error, allowed, .. } = seen;
        if let Some((better, worse)) = better.zip(worse) {
            self.bounds = Some((gain - better * std_error, gain + worse * std_error));
        }
        let with_loss = seen.with_loss();
        let above_loss = (gain + with_loss.loss) / with_loss.std_error;
        if let Some(bound) = better {
            self.better.prove(std_error > 0.0 && gain / std_error >= bound, end);
            self.not_worse.prove(allowed.is_some() && above_loss >= bound, end);
        }
        if let Some(bound) = worse {
            self.worse.prove(-above_loss >= bound, end);
        }
    }

    /// Least and greatest gain: now, or of the other methods at the last look that was
    /// due.
    pub(super) fn bounds(&self, seen: Gain, inference: &Inference, levels: Levels) -> Option<(f64, f64)> {
        let Gain { size: gain, std_error, n, .. } = seen;
        if inference.method != Method::AlwaysValid {
            return self.bounds;
        }
        if std_error <= 0.0 {
            return None;
        }
        let reach = |alpha| sequence(inference, alpha).one_sided_half_width(std_error, n);
        Some((gain - reach(levels.better), gain + reach(levels.worse)))
    }
}

/// Evidence at all times together, by a difference that is nearly normal.
pub(super) fn logs(seen: Gain, inference: &Inference, levels: Levels) -> Logs {
    let Gain { size: gain, std_error, allowed, .. } = seen;
    let with_loss = seen.with_loss();
    let better = sequence(inference, levels.better);
    let worse = sequence(inference, levels.worse);
    // Without any scatter nothing is known.
    let above = |sequence: &ConfidenceSequence, difference, std_error: f64| {
        if std_error > 0.0 { sequence.log_e_above(seen.estimate(difference, std_error)) } else { 0.0 }
    };
    let any = sequence(inference, inference.alpha);
    Logs {
        better: above(&better, gain, std_error),
        worse: above(&worse, -gain - with_loss.loss, with_loss.std_error),
        not_worse: allowed.map(|_| above(&better, gain + with_loss.loss, with_loss.std_error)),
        any: if std_error > 0.0 { any.log_e_value(seen.estimate(gain, std_error)) } else { 0.0 },
    }
}

fn sequence(inference: &Inference, alpha: f64) -> ConfidenceSequence {
    ConfidenceSequence::new(alpha, planned(inference))
}

#[expect(clippy::cast_precision_loss, reason = "a plan")]
pub(super) fn planned(inference: &Inference) -> f64 {
    inference.planned_events.max(1) as f64
}

/// Distance from nothing of an effect that is found with the wanted power when `n`
/// independent events have been seen, with this variance per event.
pub(super) fn detectable(inference: &Inference, levels: Levels, variance: f64, n: f64) -> f64 {
    let std_error = (variance / n).sqrt();
    let reach = match inference.method {
        Method::AlwaysValid => sequence(inference, levels.better).one_sided_half_width(std_error, n),
        Method::GroupSequential | Method::FixedHorizon => upper_normal_quantile(levels.better) * std_error,
    };
    reach + upper_normal_quantile(1.0 - inference.power) * std_error
}

/// Independent events until an effect of this size is found with the wanted power;
/// `None` beyond a million times as many as there are.
pub(super) fn events_until(
    inference: &Inference,
    levels: Levels,
    (variance, n): (f64, f64),
    effect: f64,
) -> Option<f64> {
    const MOST: f64 = 1e6;
    let finds = |n: f64| detectable(inference, levels, variance, n) <= effect;
    if finds(n) {
        return Some(n);
    }
    let (mut low, mut high) = (n, n * MOST);
    if !finds(high) {
        return None;
    }
    while high / low > 1.001 {
        let middle = (low * high).sqrt();
        if finds(middle) {
            high = middle;
        } else {
            low = middle;
        }
    }
    Some(high)
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;
    use crate::experiment::PromoteWhen;

    #[derive(Deserialize)]
    struct Case {
        std_error: f64,
        n: f64,
        planned: f64,
        alpha: f64,
        power: f64,
        effect: f64,
        one_sided: Answer,
    }

    #[derive(Deserialize)]
    struct Answer {
        detectable: f64,
        n_needed: f64,
    }

    #[test]
    fn effects_are_found_with_as_many_events_as_the_oracle_says() {
        let text = include_str!("../../tests/oracles/experiments.json");
        let oracles: serde_json::Value = serde_json::from_str(text).expect("JSON");
        let cases: Vec<Case> = serde_json::from_value(oracles["power"].clone()).expect("cases");
        assert!(!cases.is_empty());
        for Case { std_error, n, planned, alpha, power, effect, one_sided } in cases {
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a whole number")]
            let planned_events = planned as u64;
            let inference = Inference {
                method: Method::AlwaysValid,
                alpha,
                srm_alpha: 0.001,
                power,
                planned_events,
                min_events: 100,
                promote_when: PromoteWhen::AllGoals,
            };
            let levels = Levels { better: alpha, worse: alpha };
            let variance = std_error * std_error * n;
            let found = detectable(&inference, levels, variance, n);
            assert!((found / one_sided.detectable - 1.0).abs() < 1e-9, "{found} {}", one_sided.detectable);
            let until = events_until(&inference, levels, (variance, n), effect).expect("some number");
            let expected = one_sided.n_needed.max(n);
            assert!((until / expected - 1.0).abs() < 2e-3, "{until} {expected}");
        }
    }
}
