//! From what was seen of a metric to what is said about it.

use super::{
    evidence::{Levels, detectable, events_until},
    metric::{MetricState, Seen},
    settings::{ExperimentSettings, Margin, Method, MetricSettings, PromoteWhen},
};
use crate::{
    event::EventTime,
    result::{EffectScale, MetricResult, MetricRole, MetricVerdict},
};

/// How much error each side of a metric may have, so that all of them together keep
/// to that of the experiment.
///
/// A promotion takes every goal, so that it is false with the probability of the
/// least likely of several errors, and only challengers share the error; where one
/// goal will do, goals share it, too. Taking back takes one metric, so that all share
/// it. Goals are looked at from two sides.
pub(super) fn levels(settings: &ExperimentSettings, metric: &MetricSettings) -> Levels {
    let count = |role: MetricRole| settings.metrics.iter().filter(|metric| metric.role == role).count();
    let (goals, guardrails) = (count(MetricRole::Goal), count(MetricRole::Guardrail));
    let challengers = settings.challengers().count().max(1);
    let inference = &settings.inference;
    let shared = match inference.promote_when {
        PromoteWhen::AllGoals => challengers,
        PromoteWhen::AnyGoal => challengers * goals.max(1),
    };
    #[expect(clippy::cast_precision_loss, reason = "a handful")]
    let by = |parts: usize| inference.alpha / parts.max(1) as f64;
    match metric.role {
        MetricRole::Goal => {
            Levels { better: 0.5 * by(shared), worse: 0.5 * by(challengers * (goals + guardrails)) }
        }
        MetricRole::Guardrail => {
            Levels { better: by(challengers), worse: by(challengers * (goals + guardrails)) }
        }
        MetricRole::Plain => Levels { better: 0.5 * inference.alpha, worse: 0.5 * inference.alpha },
    }
}

/// Looks at a metric and says what there is to say.
pub(super) fn look(
    settings: &ExperimentSettings,
    metric: &MetricSettings,
    state: &mut MetricState,
    end: i64,
) -> MetricResult {
    let levels = levels(settings, metric);
    let inference = &settings.inference;
    let seen = state.look(metric, inference, levels, end);
    let evidence = &state.evidence;
    let (verdict, proven_at) = verdict(state, metric, seen.is_enough);
    let finite = |number: f64| number.is_finite().then_some(number);
    let e = |log: Option<f64>| log.map(|log| log.min(700.0).exp());
    let difference = seen.difference;
    let lift = difference.filter(|difference| difference.control != 0.0);
    let lift = lift.and_then(|d| finite((d.challenger - d.control) / d.control.abs()));
    let margin = margin_on(metric, &seen);
    let (detectable, events_needed) = plans(settings, metric, levels, &seen, verdict);
    MetricResult {
        metric: metric.name.clone(),
        role: metric.role,
        better: metric.better,
        verdict,
        reason: reason(settings, metric, &seen, verdict),
        method: seen.method,
        proven_at: proven_at.map(EventTime),
        n_control: seen.n_control,
        n: seen.n,
        invalid: state.invalid,
        clamped: state.clamped,
        control: difference.and_then(|difference| finite(difference.control)),
        challenger: difference.and_then(|difference| finite(difference.challenger)),
        scale: seen.scale,
        estimate: seen.estimate.and_then(finite),
        lower: seen.lower.and_then(finite),
        upper: seen.upper.and_then(finite),
        std_error: difference.and_then(|difference| finite(difference.variance.sqrt())),
        lift,
        design_effect: difference.map(|difference| difference.design_effect),
        variance_explained: difference
            .filter(|_| !metric.covariates.is_empty())
            .map(|difference| difference.explained),
        e_better: e(evidence.better.log_e),
        e_worse: e(evidence.worse.log_e),
        e_not_worse: e(evidence.not_worse.log_e),
        e_wanted: 1.0 / levels.better,
        p_value: evidence.any.log_e.map(|log| (-log).exp().min(1.0)),
        margin,
        detectable,
        events_needed,
    }
}

fn verdict(state: &MetricState, metric: &MetricSettings, is_enough: bool) -> (MetricVerdict, Option<i64>) {
    let evidence = &state.evidence;
    let proven = [
        (MetricVerdict::Worse, evidence.worse.at),
        (MetricVerdict::Better, evidence.better.at),
        (MetricVerdict::NotWorse, evidence.not_worse.at.filter(|_| metric.margin.is_some())),
    ];
    match proven.into_iter().find(|(_, at)| at.is_some()) {
        Some((verdict, at)) => (verdict, at),
        None if is_enough => (MetricVerdict::Undecided, None),
        None => (MetricVerdict::Insufficient, None),
    }
}

/// The margin on the scale of the estimate.
fn margin_on(metric: &MetricSettings, seen: &Seen) -> Option<f64> {
    Some(match (metric.margin?, seen.scale) {
        (Margin::Absolute(margin), _) | (Margin::Relative(margin), EffectScale::Relative) => margin,
        (Margin::Relative(margin), EffectScale::Difference) => margin * seen.difference?.control.abs(),
    })
}

/// The effect that would be found now, on the estimate's scale, and the events that
/// are still needed.
fn plans(
    settings: &ExperimentSettings,
    metric: &MetricSettings,
    levels: Levels,
    seen: &Seen,
    verdict: MetricVerdict,
) -> (Option<f64>, Option<u64>) {
    let inference = &settings.inference;
    let Some(difference) = seen.difference.filter(|d| d.variance > 0.0 && d.n > 0.0) else {
        return (None, None);
    };
    let variance = difference.variance * difference.n;
    let least = detectable(inference, levels, variance, difference.n);
    // By how much a difference is to be divided to be on the estimate's scale.
    let scale = match seen.scale {
        EffectScale::Difference => 1.0,
        EffectScale::Relative => difference.control.abs(),
    };
    let gain = metric.better.sign() * difference.difference;
    let margin = margin_on(metric, seen).map(|margin| margin * scale);
    let wanted = match (metric.role, margin, metric.minimum_effect) {
        (MetricRole::Guardrail, Some(margin), _) => gain + margin,
        (_, _, Some(effect)) => effect * scale,
        _ => gain.abs(),
    };
    let detectable = (scale > 0.0).then(|| least / scale).filter(|effect| effect.is_finite());
    let is_decided = !matches!(verdict, MetricVerdict::Undecided | MetricVerdict::Insufficient);
    if is_decided {
        return (detectable, Some(0));
    }
    if wanted <= 0.0 {
        return (detectable, None);
    }
    let until = match inference.method {
        Method::AlwaysValid => events_until(inference, levels, (variance, difference.n), wanted),
        Method::GroupSequential | Method::FixedHorizon => {
            Some(super::evidence::planned(inference).max(difference.n))
        }
    };
    #[expect(clippy::cast_precision_loss, reason = "counts below 2^53")]
    let events = (seen.n_control + seen.n) as f64;
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "not below 0, and a float is cut to the largest integer"
    )]
    let needed = until.map(|until| ((until / difference.n - 1.0).max(0.0) * events).ceil() as u64);
    (detectable, needed)
}

/// Why, in a sentence.
fn reason(
    settings: &ExperimentSettings,
    metric: &MetricSettings,
    seen: &Seen,
    verdict: MetricVerdict,
) -> String {
    let range = range(seen);
    let allowed = match metric.margin {
        Some(Margin::Absolute(margin)) => format!(" than the margin of {}", number(margin)),
        Some(Margin::Relative(margin)) => format!(" than the margin of {}", percent(margin)),
        None => String::new(),
    };
    match verdict {
        MetricVerdict::Better => format!("better than the control{range}"),
        MetricVerdict::Worse if metric.margin.is_some() => format!("worse by more{allowed}{range}"),
        MetricVerdict::Worse => format!("worse than the control{range}"),
        MetricVerdict::NotWorse => format!("not worse by more{allowed}{range}"),
        MetricVerdict::Undecided => match settings.inference.method {
            Method::AlwaysValid => format!("nothing is proven yet{range}"),
            Method::GroupSequential | Method::FixedHorizon => {
                let progress = super::metric::progress(seen, &settings.inference);
                format!("nothing is proven yet, at {} of the planned events{range}", percent(progress))
            }
        },
        MetricVerdict::Insufficient => {
            let least = settings.inference.min_events;
            let smaller = seen.n_control.min(seen.n);
            if smaller < least {
                format!("{smaller} values in the smaller arm, of at least {least}")
            } else {
                "too few of the values that it is about".to_owned()
            }
        }
    }
}

/// The estimate and its bounds for people.
fn range(seen: &Seen) -> String {
    let Some(estimate) = seen.estimate else { return String::new() };
    let text = |value: f64| match seen.scale {
        EffectScale::Difference => format!("{}{}", if value > 0.0 { "+" } else { "" }, number(value)),
        EffectScale::Relative => format!("{}{}", if value > 0.0 { "+" } else { "" }, percent(value)),
    };
    let bound = |bound: Option<f64>| bound.map_or_else(|| "unbounded".to_owned(), text);
    match (seen.lower, seen.upper) {
        (None, None) => format!(": {}", text(estimate)),
        (lower, upper) => format!(": {} ({} to {})", text(estimate), bound(lower), bound(upper)),
    }
}

/// Four significant digits.
pub(super) fn number(value: f64) -> String {
    if value == 0.0 {
        return "0".to_owned();
    }
    #[expect(clippy::cast_possible_truncation, reason = "an exponent")]
    let digits = (3 - value.abs().log10().floor() as i32).clamp(0, 12);
    let text = format!("{value:.*}", usize::try_from(digits).unwrap_or(0));
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
}

pub(super) fn percent(share: f64) -> String {
    format!("{} %", number((share * 1e4).round() / 100.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_as_many_digits_as_people_read() {
        let texts = [0.0, 1.0, 0.004_237_8, -12.345_6, 123_456.7, 2e-9].map(number);
        assert_eq!(texts, ["0", "1", "0.004238", "-12.35", "123457", "0.000000002"]);
        assert_eq!([0.2, -0.012_34, 1.0].map(percent), ["20 %", "-1.23 %", "100 %"]);
    }
}
