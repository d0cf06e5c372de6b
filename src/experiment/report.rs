//! From totals to a result.

use super::{
    experiment::ModelView,
    judge,
    pane::{Agreement, Pane, prediction_columns},
    settings::{Design, ExperimentSettings},
    sums::Step,
    totals::Totals,
    verdict,
};
use crate::{
    drift::{ColumnJudge, Scorer},
    event::EventTime,
    result::{
        ArmDistribution, ChallengerResult, Decision, Disagreement, ExperimentHealth, ExperimentPhase,
        ExperimentResult, MetricResult,
    },
    window::duration_text,
};

/// Of which time a result is.
#[derive(Debug, Clone, Copy)]
pub(super) struct Times {
    pub(super) start: i64,
    pub(super) end: i64,
    pub(super) slide: i64,
    pub(super) phase: ExperimentPhase,
}

/// Every challenger's predictions in one window beside the control's.
pub(super) fn distributions(
    settings: &ExperimentSettings,
    pane: Option<&Pane>,
    model: Option<ModelView<'_>>,
) -> Vec<Vec<ArmDistribution>> {
    let challengers = settings.challengers().count();
    let (Some(pane), Some(model)) = (pane, model) else { return vec![Vec::new(); challengers] };
    let Some((control, others)) = pane.arms.split_first() else { return Vec::new() };
    let mut scorer = Scorer::default();
    let mut of = |challenger: &super::pane::ArmPane| {
        let columns =
            prediction_columns(model.reference).zip(control.columns.iter().zip(&challenger.columns));
        columns
            .map(|((_, column), ((_, mine), (_, theirs)))| {
                // The other arm is a reference like any other: counts on the same grid.
                let least = settings.inference.min_events;
                let judged = ColumnJudge::new(column, mine, None).judge(
                    &mut scorer,
                    (column, mine),
                    theirs,
                    (model.drift, least),
                );
                let n_control = mine.valid();
                let is_enough = n_control >= least;
                ArmDistribution {
                    column: column.name.clone(),
                    verdict: if is_enough { judged.verdict } else { crate::result::Verdict::Insufficient },
                    n_control,
                    n: judged.valid,
                    scores: judged.scores.filter(|_| is_enough),
                    noise: judged.noise.filter(|_| is_enough),
                }
            })
            .collect()
    };
    others.iter().map(&mut of).collect()
}

/// What is said after a look.
pub(super) fn result(
    settings: &ExperimentSettings,
    totals: &mut Totals,
    distributions: Vec<Vec<ArmDistribution>>,
    times: Times,
) -> ExperimentResult {
    let problems = totals.problems(settings);
    let health = totals.health(settings, &problems);
    let Totals { metrics, agreement, .. } = totals;
    let judged: Vec<Vec<MetricResult>> = metrics
        .iter_mut()
        .map(|states| {
            let metrics = settings.metrics.iter().zip(states);
            metrics.map(|(metric, state)| judge::look(settings, metric, state, times.end)).collect()
        })
        .collect();
    let mut distributions = distributions.into_iter();
    let challengers = settings.challengers().zip(judged).enumerate();
    let challengers: Vec<ChallengerResult> = challengers
        .map(|(place, ((_, arm), metrics))| {
            let (verdict, reason, score) = verdict::of_challenger(settings, &metrics, &problems.of(place));
            ChallengerResult {
                arm: arm.to_owned(),
                verdict,
                reason,
                score,
                metrics,
                distributions: distributions.next().unwrap_or_default(),
                disagreement: agreement.get(place).map(disagreement),
            }
        })
        .collect();
    let arms = totals.arm_counts(settings, times.end - 1);
    let least = settings.inference.min_events;
    let is_ready = match settings.design {
        Design::Split => arms.iter().all(|arm| arm.events >= least),
        Design::Shadow { .. } => totals.agreement.iter().all(|agreement| agreement.pairs >= least),
    };
    let (verdict, arm, reason, score) = verdict::of_all(&challengers);
    ExperimentResult {
        experiment: settings.id.clone(),
        model: settings.model.clone(),
        window: duration_text(times.slide),
        start: EventTime(times.start),
        end: EventTime(times.end),
        began: totals.began.map(EventTime),
        phase: times.phase,
        release: None,
        verdict,
        arm,
        reason,
        ready: is_ready,
        score,
        health,
        arms,
        challengers,
    }
}

/// What is said before there was a look, of the time from which on there can be one.
pub(super) fn nothing(settings: &ExperimentSettings, slide: i64, phase: ExperimentPhase) -> ExperimentResult {
    let totals = Totals::new(settings);
    let from = settings.starts_at.unwrap_or(EventTime(0));
    let reason = match phase {
        ExperimentPhase::Waiting => "it has not been started",
        ExperimentPhase::Running | ExperimentPhase::Ended => "no window has been looked at yet",
    };
    ExperimentResult {
        experiment: settings.id.clone(),
        model: settings.model.clone(),
        window: duration_text(slide),
        start: from,
        end: from,
        began: None,
        phase,
        release: None,
        verdict: Decision::Hold,
        arm: None,
        reason: reason.to_owned(),
        ready: false,
        score: 0.0,
        health: ExperimentHealth { ok: true, srm_ok: true, ..ExperimentHealth::default() },
        arms: totals.arm_counts(settings, 0),
        challengers: settings.challengers().map(|(_, arm)| unseen(arm, reason)).collect(),
    }
}

/// A challenger of which nothing was seen.
fn unseen(arm: &str, reason: &str) -> ChallengerResult {
    ChallengerResult {
        arm: arm.to_owned(),
        verdict: Decision::Hold,
        reason: reason.to_owned(),
        score: 0.0,
        metrics: Vec::new(),
        distributions: Vec::new(),
        disagreement: None,
    }
}

fn disagreement(agreement: &Agreement) -> Disagreement {
    let deviations = agreement.scores.deviations(None, &[Step::COARSE; 2]);
    let has_scores = deviations.n > 0.0;
    let (mine, theirs) = (deviations.mean(0), deviations.mean(1));
    let difference = theirs - mine;
    let scatter = deviations.product(0, 0) + deviations.product(1, 1) - 2.0 * deviations.product(0, 1);
    let mean_square = scatter.max(0.0) / deviations.n.max(1.0) + difference * difference;
    let spread = (deviations.product(0, 0) * deviations.product(1, 1)).sqrt();
    let (pairs, different) = agreement.classes;
    #[expect(clippy::cast_precision_loss, reason = "counts below 2^53")]
    let class_share = (pairs > 0).then(|| different as f64 / pairs as f64);
    Disagreement {
        pairs: agreement.pairs,
        unanswered: agreement.unanswered,
        class_share,
        mean_difference: has_scores.then_some(difference),
        rms_difference: has_scores.then(|| mean_square.sqrt()),
        correlation: (spread > 0.0).then(|| (deviations.product(0, 1) / spread).clamp(-1.0, 1.0)),
    }
}
