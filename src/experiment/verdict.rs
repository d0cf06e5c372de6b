//! From what is said about metrics to what is to be done.
//!
//! Nothing is promoted by default: not without data, not with data that can't be
//! trusted, not by metrics that prove nothing. Taking back goes the other way: what
//! is proven worse is taken back though something else speaks against the data, since
//! that is the safe side.

use super::{
    judge::percent,
    settings::{ExperimentSettings, MetricSettings, PromoteWhen},
};
use crate::result::{ChallengerResult, Decision, EffectScale, MetricResult, MetricRole, MetricVerdict};

/// A metric as it is set, and what is said of it.
type Judged<'a> = (&'a MetricSettings, &'a MetricResult);

/// What is to be done with one challenger, why, and how much of promotion is proven, by
/// what is said of the experiment's metrics, one after another.
pub(super) fn of_challenger(
    settings: &ExperimentSettings,
    metrics: &[MetricResult],
    problems: &[&str],
) -> (Decision, String, f64) {
    let of = |role: MetricRole| settings.metrics.iter().zip(metrics).filter(move |(set, _)| set.role == role);
    let score = score(settings, metrics);
    let worse: Vec<&MetricResult> = of(MetricRole::Goal)
        .chain(of(MetricRole::Guardrail))
        .map(|(_, metric)| metric)
        .filter(|metric| metric.verdict == MetricVerdict::Worse)
        .collect();
    if !worse.is_empty() {
        return (Decision::Rollback, sentences(&worse), 0.0);
    }
    if !problems.is_empty() {
        return (Decision::Hold, format!("the data can't be trusted: {}", problems.join("; ")), score);
    }
    let is_better = |metric: &&MetricResult| metric.verdict == MetricVerdict::Better;
    let goals: Vec<&MetricResult> = of(MetricRole::Goal).map(|(_, metric)| metric).collect();
    let better = goals.iter().filter(|goal| is_better(goal)).count();
    let goals_reached = match settings.inference.promote_when {
        PromoteWhen::AllGoals => better == goals.len(),
        PromoteWhen::AnyGoal => better > 0 || goals.is_empty(),
    };
    let open: Vec<&MetricResult> =
        of(MetricRole::Guardrail).filter(|one| !passes(*one)).map(|(_, metric)| metric).collect();
    let proves = !goals.is_empty() || of(MetricRole::Guardrail).any(|(set, _)| set.margin.is_some());
    if !proves {
        let reason = "no goal and no guardrail with a margin: nothing could prove that it may be promoted";
        return (Decision::Hold, reason.to_owned(), score);
    }
    if goals_reached && open.is_empty() {
        let shown: Vec<&MetricResult> = if goals.is_empty() {
            of(MetricRole::Guardrail).map(|(_, metric)| metric).collect()
        } else {
            goals.into_iter().filter(is_better).collect()
        };
        return (Decision::Promote, sentences(&shown), 100.0);
    }
    let waits_for: Vec<&MetricResult> =
        goals.iter().copied().filter(|goal| !goals_reached && !is_better(goal)).chain(open).collect();
    (Decision::Hold, sentences(&waits_for), score)
}

/// A guardrail with a margin has to be proven not worse; one without must not be
/// proven worse, with enough values for that.
fn passes((set, metric): Judged<'_>) -> bool {
    match metric.verdict {
        MetricVerdict::NotWorse | MetricVerdict::Better => true,
        MetricVerdict::Undecided => set.margin.is_none(),
        MetricVerdict::Insufficient | MetricVerdict::Worse => false,
    }
}

fn sentences(metrics: &[&MetricResult]) -> String {
    let texts = metrics.iter().map(|metric| format!("{}: {}", metric.metric, metric.reason));
    texts.collect::<Vec<_>>().join("; ")
}

/// How far what promotion asks for is proven, on average: evidence counts by its
/// logarithm.
fn score(settings: &ExperimentSettings, metrics: &[MetricResult]) -> f64 {
    let shares: Vec<f64> = (settings.metrics.iter().zip(metrics))
        .filter_map(|(set, metric)| {
            let level = super::judge::levels(settings, set).better;
            let e = match (set.role, set.margin) {
                (MetricRole::Goal, _) => metric.e_better,
                (MetricRole::Guardrail, Some(_)) => metric.e_not_worse,
                _ => return None,
            };
            let is_proven = matches!(metric.verdict, MetricVerdict::Better | MetricVerdict::NotWorse);
            let share = e.map_or(0.0, |e| e.max(1.0).ln() / -level.ln()).clamp(0.0, 1.0);
            Some(if is_proven { 1.0 } else { share.min(0.99) })
        })
        .collect();
    #[expect(clippy::cast_precision_loss, reason = "a handful")]
    let count = shares.len().max(1) as f64;
    (100.0 * shares.iter().sum::<f64>() / count * 10.0).round() / 10.0
}

/// What is to be done altogether: the arm, if it is about one, and why.
pub(super) fn of_all(challengers: &[ChallengerResult]) -> (Decision, Option<String>, String, f64) {
    let with = |decision: Decision| challengers.iter().filter(move |one| one.verdict == decision);
    let best = |a: &&ChallengerResult, b: &&ChallengerResult| evidence(a).total_cmp(&evidence(b));
    // Of equal ones the first that is listed.
    if let Some(best) = with(Decision::Promote).rev().max_by(best) {
        let others =
            challengers.iter().filter(|one| one.arm != best.arm && one.verdict == Decision::Rollback);
        let taken_back: Vec<&str> = others.map(|one| one.arm.as_str()).collect();
        let rest = if taken_back.is_empty() {
            String::new()
        } else {
            format!("; take back {}", taken_back.join(", "))
        };
        return (Decision::Promote, Some(best.arm.clone()), format!("{}{rest}", best.reason), best.score);
    }
    let is_over = !challengers.is_empty() && with(Decision::Rollback).count() == challengers.len();
    if let Some(worst) = with(Decision::Rollback).next().filter(|_| is_over) {
        return (Decision::Rollback, Some(worst.arm.clone()), worst.reason.clone(), 0.0);
    }
    let holding: Vec<&ChallengerResult> = with(Decision::Hold).collect();
    let score = holding.iter().map(|one| one.score).fold(0.0, f64::max);
    let reason = match holding.as_slice() {
        [one] if challengers.len() == 1 => one.reason.clone(),
        several => {
            let taken_back =
                with(Decision::Rollback).map(|one| format!("take back {}: {}", one.arm, one.reason));
            let waiting = several.iter().map(|one| format!("{}: {}", one.arm, one.reason));
            taken_back.chain(waiting).collect::<Vec<_>>().join("; ")
        }
    };
    (Decision::Hold, None, reason, score)
}

/// Of several to promote, the one whose goals are the most standard errors better, by
/// the least of them; of guardrails where there are no goals.
fn evidence(challenger: &ChallengerResult) -> f64 {
    let has_goals = challenger.metrics.iter().any(|metric| metric.role == MetricRole::Goal);
    let wanted = if has_goals { MetricRole::Goal } else { MetricRole::Guardrail };
    let gain = |metric: &MetricResult| {
        let plain = metric.challenger? - metric.control?;
        // With covariates it is the adjusted difference that has this error.
        let difference = metric.estimate.filter(|_| metric.scale == EffectScale::Difference).unwrap_or(plain);
        Some(metric.better.sign() * difference / metric.std_error.filter(|error| *error > 0.0)?)
    };
    let of_role = challenger.metrics.iter().filter(|metric| metric.role == wanted);
    of_role.filter_map(gain).fold(f64::INFINITY, f64::min)
}

/// A share for a sentence about health.
pub(super) fn share(part: u64, whole: u64) -> String {
    #[expect(clippy::cast_precision_loss, reason = "counts below 2^53")]
    let share = part as f64 / whole.max(1) as f64;
    percent(share)
}
