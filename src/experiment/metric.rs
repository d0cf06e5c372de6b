//! One metric of one challenger: what all windows add up to, and what is proven.

use serde::{Deserialize, Serialize};

use super::{
    equal_rates::{EqualRates, Positives, average},
    evidence::{AllowedLoss, Evidence, Gain, Levels, Logs, keep_most, logs, planned},
    pairs,
    pane::{MetricPane, PairMetric},
    quantiles::QuantileStrata,
    rate_ratio::RateRatio,
    settings::{Design, ExperimentSettings, Inference, Margin, Method, MetricSettings, Statistic},
    strata::{Difference, Shape, Strata},
    sums::{Step, Sums},
    values::{first_step, steps},
};
use crate::result::{Better, EffectScale, InferenceMethod};

/// Positive events that are to be expected in the smaller arm before a rate's
/// difference is nearly normal.
const EXPECTED: f64 = 5.0;

/// Totals and evidence.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct MetricState {
    totals: MetricTotals,
    pub(super) evidence: Evidence,
    pub(super) invalid: u64,
    pub(super) clamped: u64,
    /// How often there is no value that can be used, how far that is a matter of units, and
    /// the largest logarithm of the evidence that the challenger lacks values more often than
    /// the control: what is left of it then flatters it. The other way round is safe.
    unusable_rates: EqualRates,
    unusable_units: Strata,
    pub(super) unusable: Option<f64>,
    /// Of windows in which both have values: those that are clamped, and all.
    pub(super) scaled: (u64, u64),
    /// Pairs of which the control's value can be used and the challenger's can't.
    pub(super) one_sided: u64,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum MetricTotals {
    /// Means, ratios and rates; of rates with the evidence about their ratio.
    Values { strata: Strata, rates: Option<RateRatio> },
    /// The strata are of the bins' numbers: how far values of a unit go together wherever
    /// they lie.
    Quantile { strata: Strata, bins: QuantileStrata },
    /// Of rates with the evidence of which arm alone was positive.
    Pairs { control: Sums, challenger: Sums, difference: Sums, rates: Option<EqualRates> },
}

/// A look at a metric.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Seen {
    pub(super) n_control: u64,
    pub(super) n: u64,
    pub(super) method: InferenceMethod,
    pub(super) scale: EffectScale,
    /// `None` when too little is known for it.
    pub(super) difference: Option<Difference>,
    /// The effect and its bounds on `scale`.
    pub(super) estimate: Option<f64>,
    pub(super) lower: Option<f64>,
    pub(super) upper: Option<f64>,
    /// Whether there is enough for anything to be proven.
    pub(super) is_enough: bool,
}

fn shape(metric: &MetricSettings) -> Shape {
    if matches!(metric.statistic, Statistic::Ratio(_)) { Shape::Ratio } else { Shape::Mean }
}

/// The ratio of rates that a margin allows.
fn margin_ratio(metric: &MetricSettings) -> f64 {
    match metric.margin {
        Some(Margin::Relative(margin)) => (1.0 - metric.better.sign() * margin).max(1e-3),
        _ => 1.0,
    }
}

impl MetricTotals {
    /// Whether rates are judged by their ratio.
    fn by_ratio(&self, metric: &MetricSettings, inference: &Inference) -> Option<&RateRatio> {
        let Self::Values { rates: Some(rates), .. } = self else { return None };
        let is_absolute = matches!(metric.margin, Some(Margin::Absolute(_)));
        (inference.method == Method::AlwaysValid && !is_absolute).then_some(rates)
    }

    /// Pairs of a rate are judged by which arm alone was positive: that says more than
    /// a mean when it is seldom.
    fn by_pairs(&self, metric: &MetricSettings, inference: &Inference) -> Option<&EqualRates> {
        let Self::Pairs { rates: Some(rates), .. } = self else { return None };
        (inference.method == Method::AlwaysValid && metric.margin.is_none()).then_some(rates)
    }
}

impl MetricState {
    pub(super) fn new(settings: &ExperimentSettings, metric: &MetricSettings, levels: Levels) -> Self {
        let is_rate = metric.is_rate();
        let strata = Strata::new(shape(metric), metric.covariates.len());
        let totals = match (settings.design, &metric.statistic) {
            (Design::Shadow { .. }, _) => {
                let sums = || Sums::new(1);
                let rates = is_rate.then(EqualRates::default);
                MetricTotals::Pairs { control: sums(), challenger: sums(), difference: sums(), rates }
            }
            (Design::Split, Statistic::Quantile(_)) => {
                MetricTotals::Quantile { strata, bins: QuantileStrata::default() }
            }
            (Design::Split, _) => {
                MetricTotals::Values { strata, rates: is_rate.then(|| RateRatio::new(margin_ratio(metric))) }
            }
        };
        Self {
            totals,
            evidence: Evidence::new(settings.inference.method, levels),
            invalid: 0,
            clamped: 0,
            unusable_rates: EqualRates::default(),
            unusable_units: Strata::new(Shape::Ratio, 0),
            unusable: None,
            scaled: (0, 0),
            one_sided: 0,
        }
    }

    /// Whether one that was read back is of these settings.
    pub(super) fn fits(
        &self,
        settings: &ExperimentSettings,
        metric: &MetricSettings,
        levels: Levels,
    ) -> bool {
        let is_quantile = matches!(metric.statistic, Statistic::Quantile(_));
        let strata_fit = |strata: &Strata| strata.fits(shape(metric), metric.covariates.len());
        let is_shadow = settings.design != Design::Split;
        self.evidence.is_plausible(settings.inference.method, levels)
            && self.unusable_rates.is_plausible()
            && self.unusable_units.fits(Shape::Ratio, 0)
            && self.unusable.is_none_or(f64::is_finite)
            && match &self.totals {
                MetricTotals::Values { strata, rates } => {
                    !is_shadow
                        && !is_quantile
                        && strata_fit(strata)
                        && rates.is_some() == metric.is_rate()
                        && rates.as_ref().is_none_or(RateRatio::is_plausible)
                }
                MetricTotals::Quantile { strata, bins } => {
                    !is_shadow && is_quantile && strata_fit(strata) && bins.is_plausible()
                }
                MetricTotals::Pairs { control, challenger, difference, rates } => {
                    is_shadow
                        && rates.is_some() == metric.is_rate()
                        && rates.as_ref().is_none_or(EqualRates::is_plausible)
                        && [control, challenger, difference].iter().all(|sums| sums.fits(1))
                }
            }
    }

    /// Takes a window of both arms.
    pub(super) fn take(&mut self, metric: &MetricSettings, control: &MetricPane, challenger: &MetricPane) {
        self.invalid += control.invalid + challenger.invalid;
        self.clamped += control.clamped + challenger.clamped;
        let (n_control, n) = (control.sums.n(), challenger.sums.n());
        if n_control > 0 && n > 0 {
            self.scaled.0 += control.clamped + challenger.clamped;
            self.scaled.1 += n_control + n;
        }
        self.take_unusable(control, challenger);
        match &mut self.totals {
            MetricTotals::Values { strata, rates } => {
                strata.take(&control.sums, &challenger.sums, &steps(metric));
                if let Some(rates) = rates {
                    rates.add(Positives {
                        control: control.sums.count_of_ones(),
                        challenger: challenger.sums.count_of_ones(),
                        n_control: control.sums.n(),
                        n_challenger: challenger.sums.n(),
                    });
                }
            }
            MetricTotals::Quantile { strata, bins } => {
                strata.take(&control.sums, &challenger.sums, &steps(metric));
                bins.take(&control.bins, &challenger.bins);
            }
            MetricTotals::Pairs { .. } => {}
        }
    }

    fn take_unusable(&mut self, control: &MetricPane, challenger: &MetricPane) {
        let unusable = |pane: &MetricPane| pane.invalid + pane.absent;
        self.unusable_rates.add(Positives {
            control: unusable(control),
            challenger: unusable(challenger),
            n_control: unusable(control) + control.sums.n(),
            n_challenger: unusable(challenger) + challenger.sums.n(),
        });
        self.unusable_units.take(&control.lacking, &challenger.lacking, &[Step::WHOLE; 2]);
        if let Some(effect) = self.unusable_units.design_effect_of_shares() {
            keep_most(&mut self.unusable, self.unusable_rates.log_e_above(effect));
        }
    }

    /// Takes the pairs of a window, with what could not be used of either arm.
    pub(super) fn take_pairs(&mut self, window: &PairMetric, arms: [&MetricPane; 2]) {
        self.invalid += window.invalid + arms.iter().map(|arm| arm.invalid).sum::<u64>();
        let clamped = window.clamped + arms.iter().map(|arm| arm.clamped).sum::<u64>();
        self.clamped += clamped;
        if window.difference.n() > 0 {
            self.scaled = (self.scaled.0 + clamped, self.scaled.1 + 2 * window.difference.n());
        }
        self.one_sided += window.one_sided;
        if let MetricTotals::Pairs { control, challenger, difference, rates } = &mut self.totals {
            control.merge(&window.control);
            challenger.merge(&window.challenger);
            difference.merge(&window.difference);
            if let Some(rates) = rates {
                rates.add_pairs(window.alone.0, window.alone.1);
            }
        }
    }

    /// Values of the control and of the challenger.
    pub(super) fn n(&self) -> (u64, u64) {
        match &self.totals {
            MetricTotals::Values { strata, .. } => strata.n(),
            MetricTotals::Quantile { bins, .. } => bins.n(),
            MetricTotals::Pairs { difference, .. } => (difference.n(), difference.n()),
        }
    }

    fn difference(&self, metric: &MetricSettings) -> Option<Difference> {
        match &self.totals {
            MetricTotals::Values { strata, .. } => strata.difference(),
            MetricTotals::Quantile { strata, bins } => {
                let Statistic::Quantile(q) = metric.statistic else { return None };
                bins.difference(q, strata.difference()?.design_effect)
            }
            MetricTotals::Pairs { control, challenger, difference, .. } => {
                let step = first_step(metric);
                pairs::difference((control, challenger), difference, step)
            }
        }
    }

    /// Looks at what there is at `end`.
    pub(super) fn look(
        &mut self,
        metric: &MetricSettings,
        inference: &Inference,
        levels: Levels,
        end: i64,
    ) -> Seen {
        let (n_control, n) = self.n();
        let difference = self.difference(metric);
        let has_events = n_control.min(n) >= inference.min_events;
        let mut seen = Seen {
            n_control,
            n,
            method: method(inference),
            scale: EffectScale::Difference,
            difference,
            estimate: difference.map(|difference| difference.difference),
            lower: None,
            upper: None,
            is_enough: has_events && difference.is_some(),
        };
        let Some(difference) = difference else { return seen };
        let gain = self.gain(metric, &difference);
        let is_nearly_normal = is_nearly_normal(&difference, gain, n_control.min(n));
        if let Some(rates) = self.totals.by_ratio(metric, inference) {
            let nearly = is_nearly_normal.then(|| logs(gain, inference, levels));
            look_at_ratio((rates, &mut self.evidence), metric, nearly, (levels, end), &mut seen);
            return seen;
        }
        seen.is_enough &= !metric.is_rate() || is_nearly_normal;
        let by_pairs = self
            .totals
            .by_pairs(metric, inference)
            .map(|rates| logs_of(rates, metric.better.sign(), &difference));
        if seen.is_enough {
            match by_pairs {
                Some(logs) => self.evidence.see(logs, levels, end),
                None => self.evidence.look(gain, inference, levels, end),
            }
        }
        if let Some((least, most)) = self.evidence.bounds(gain, inference, levels).filter(|_| seen.is_enough)
        {
            let (mut least, mut most) = (least, most);
            if by_pairs.is_some() {
                // What pairs prove is what the bounds are to say.
                least = if self.evidence.better.at.is_some() { least.max(0.0) } else { least.min(0.0) };
                most = if self.evidence.worse.at.is_some() { most.min(0.0) } else { most.max(0.0) };
            }
            (seen.lower, seen.upper) = match metric.better {
                Better::Higher => (Some(least), Some(most)),
                Better::Lower => (Some(-most), Some(-least)),
            };
        }
        seen
    }

    /// The difference in the direction that is better, with what the margin allows. A
    /// relative margin is known as well as the control is.
    fn gain(&self, metric: &MetricSettings, difference: &Difference) -> Gain {
        let std_error = difference.variance.sqrt();
        let allowed = metric.margin.map(|margin| {
            let (loss, of_loss) = match margin {
                Margin::Absolute(loss) => (loss, 0.0),
                Margin::Relative(share) => {
                    (share * difference.control.abs(), share * self.control_error(metric, difference))
                }
            };
            let at_loss = self.variance_at(metric, difference, loss).sqrt();
            AllowedLoss { loss, std_error: std_error.max(at_loss) + of_loss }
        });
        Gain { size: metric.better.sign() * difference.difference, std_error, n: difference.n, allowed }
    }

    /// Standard error of the control's own value. Of two arms it is a part of the
    /// difference's, as that would be without covariates; of pairs it is not.
    fn control_error(&self, metric: &MetricSettings, difference: &Difference) -> f64 {
        let MetricTotals::Pairs { control, .. } = &self.totals else {
            return (difference.variance / (1.0 - difference.explained).max(1e-6)).sqrt();
        };
        let step = first_step(metric);
        let deviations = control.deviations(None, &[step]);
        let independent = deviations.product(0, 0) / (deviations.n - 1.0) / deviations.n;
        // With too few units to tell it is not known, as the difference is not.
        let Some(effect) = pairs::design_effect(control, step) else { return f64::INFINITY };
        (independent * effect).sqrt()
    }

    /// Variance that the difference of two rates has at least where the challenger is worse
    /// by `loss`: where hardly any event differs, what was seen says nothing of how much
    /// might. 0 of what is no rate.
    fn variance_at(&self, metric: &MetricSettings, difference: &Difference, loss: f64) -> f64 {
        if !metric.is_rate() || difference.n <= 0.0 {
            return 0.0;
        }
        let variance_of = |rate: f64| rate.clamp(0.0, 1.0) * (1.0 - rate.clamp(0.0, 1.0));
        if matches!(self.totals, MetricTotals::Pairs { .. }) {
            // A pair differs by 1 or not at all, and so in as many cases as `loss` at least.
            return variance_of(loss) / difference.n;
        }
        #[expect(clippy::cast_precision_loss, reason = "counts below 2^53")]
        let (n_control, n) = (self.n().0 as f64, self.n().1 as f64);
        let challenger = difference.control - metric.better.sign() * loss;
        let weighted = n * variance_of(difference.control) + n_control * variance_of(challenger);
        4.0 * weighted / (n_control + n) / difference.n
    }
}

/// Against equal rates nothing is approximated. Against a margin the evidence is half
/// that of the ratio of rates, which is exact and blind where rates are large, and half that
/// of the difference (`nearly`), which is good once it is nearly normal: the average of two
/// is evidence.
fn look_at_ratio(
    (rates, evidence): (&RateRatio, &mut Evidence),
    metric: &MetricSettings,
    nearly: Option<Logs>,
    (levels, end): (Levels, i64),
    seen: &mut Seen,
) {
    seen.method = InferenceMethod::RateRatio;
    seen.scale = EffectScale::Relative;
    let Some(difference) = seen.difference else { return };
    let effect = difference.design_effect;
    let is_more = metric.better.sign() > 0.0;
    if seen.is_enough {
        let mut logs = logs_of(rates.equal(), metric.better.sign(), &difference);
        if metric.margin.is_some() {
            let (above, below) = (rates.log_e_above_margin(effect), rates.log_e_below_margin(effect));
            let (not_worse, worse) = if is_more { (above, below) } else { (below, above) };
            let half = |exact: f64, nearly: Option<f64>| {
                average([(exact, 0.0), (nearly.unwrap_or(f64::NEG_INFINITY), 0.0)].into_iter())
            };
            logs.not_worse = Some(half(not_worse, nearly.and_then(|logs| logs.not_worse)));
            logs.worse = half(worse, nearly.map(|logs| logs.worse));
        }
        evidence.see(logs, levels, end);
    }
    let is_known = difference.control > 0.0;
    seen.estimate = is_known.then(|| difference.challenger / difference.control - 1.0);
    let (lower_level, upper_level) =
        if is_more { (levels.better, levels.worse) } else { (levels.worse, levels.better) };
    if seen.is_enough {
        seen.lower = rates.bounds(lower_level, effect).0.map(|ratio| ratio - 1.0);
        seen.upper = rates.bounds(upper_level, effect).1.map(|ratio| ratio - 1.0);
    }
    // What is proven about the margin is what the bounds are to say.
    if let Some(Margin::Relative(margin)) = metric.margin {
        let (is_kept, is_broken) = (evidence.not_worse.at.is_some(), evidence.worse.at.is_some());
        let at = -metric.better.sign() * margin;
        if if is_more { is_kept } else { is_broken } {
            seen.lower = Some(seen.lower.map_or(at, |lower| lower.max(at)));
        }
        if if is_more { is_broken } else { is_kept } {
            seen.upper = Some(seen.upper.map_or(at, |upper| upper.min(at)));
        }
    }
}

/// Evidence about equal rates in the direction that is better.
fn logs_of(rates: &EqualRates, sign: f64, difference: &Difference) -> Logs {
    let effect = difference.design_effect;
    let (above, below) = (rates.log_e_above(effect), rates.log_e_below(effect));
    let (better, worse) = if sign > 0.0 { (above, below) } else { (below, above) };
    Logs { better, worse, not_worse: None, any: rates.log_e_value(effect) }
}

fn method(inference: &Inference) -> InferenceMethod {
    match inference.method {
        Method::AlwaysValid => InferenceMethod::ConfidenceSequence,
        Method::GroupSequential => InferenceMethod::GroupSequential,
        Method::FixedHorizon => InferenceMethod::FixedHorizon,
    }
}

/// Whether the difference of two rates is nearly normal, and so is one at the margin.
fn is_nearly_normal(difference: &Difference, gain: Gain, least: u64) -> bool {
    #[expect(clippy::cast_precision_loss, reason = "counts below 2^53")]
    let least = least as f64;
    let rate = 0.5 * (difference.control + difference.challenger);
    let at_margin = gain.allowed.map_or(0.0, |allowed| allowed.loss.min(0.5));
    rate.min(1.0 - rate).max(at_margin) * least >= EXPECTED
}

/// How far the plan has come, from 0 to 1.
pub(super) fn progress(seen: &Seen, inference: &Inference) -> f64 {
    seen.difference.map_or(0.0, |difference| (difference.n / planned(inference)).min(1.0))
}
