//! Results of experiments, made up.

use driftline::{
    event::EventTime,
    result::{
        ArmCounts, ArmDistribution, Better, ChallengerResult, ChiSquare, Decision, Disagreement, EffectScale,
        ExperimentHealth, ExperimentPhase, ExperimentResult, InferenceMethod, Ks, MetricResult, MetricRole,
        MetricVerdict, NoisePoints, Scores, Verdict,
    },
};

const HOUR_MS: i64 = 3_600_000;

fn arm(name: &str, events: u64) -> ArmCounts {
    ArmCounts {
        arm: name.to_owned(),
        events,
        units: Some(events / 4),
        matured: events / 2,
        labelled: events / 5,
        intended_share: Some(0.5),
        share: Some(0.5625),
    }
}

fn metric(name: &str, role: MetricRole, verdict: MetricVerdict) -> MetricResult {
    MetricResult {
        metric: name.to_owned(),
        role,
        better: Better::Lower,
        verdict,
        reason: format!("{name} is {}", verdict.as_str()),
        method: InferenceMethod::ConfidenceSequence,
        proven_at: Some(EventTime(1_767_229_200_000)),
        n_control: 4_100,
        n: 3_900,
        invalid: 3,
        clamped: 0,
        control: Some(0.0625),
        challenger: Some(0.046_875),
        scale: EffectScale::Difference,
        estimate: Some(-0.015_625),
        lower: Some(-0.027),
        upper: Some(-0.004),
        std_error: Some(0.004),
        lift: Some(-0.25),
        design_effect: Some(1.125),
        variance_explained: Some(0.35),
        e_better: Some(48.0),
        e_worse: Some(0.0078),
        e_not_worse: Some(310.0),
        e_wanted: 40.0,
        p_value: Some(0.02),
        margin: Some(0.01),
        detectable: Some(0.0125),
        events_needed: Some(0),
    }
}

/// A column with every score.
fn column(name: &str) -> ArmDistribution {
    ArmDistribution {
        column: name.to_owned(),
        verdict: Verdict::Shifted,
        n_control: 410,
        n: 390,
        scores: Some(Scores {
            psi: 0.0625,
            ks: Some(Ks { statistic: 0.0625, error_bound: 0.0, p_value: 0.125 }),
            wasserstein: Some(0.03),
            jensen_shannon: 0.02,
            hellinger: 0.0201,
            total_variation: 0.05,
            l_infinity: 0.04,
            chi_square: Some(ChiSquare { statistic: 11.5, degrees_of_freedom: 9, p_value: 0.24 }),
        }),
        noise: Some(NoisePoints {
            psi: Some(0.05),
            ks: Some(0.07),
            wasserstein: Some(0.02),
            jensen_shannon: Some(0.03),
            hellinger: Some(0.04),
            total_variation: Some(0.05),
            l_infinity: Some(0.06),
            chi_square: Some(27.5),
        }),
    }
}

/// What is said of the experiment `checkout` of `model` with the window that
/// ends at `end_ms`: the challenger `b` is better, and its data are sound.
pub fn experiment(model: &str, end_ms: i64) -> ExperimentResult {
    ExperimentResult {
        release: Some("4.2.0".to_owned()),
        experiment: "checkout".to_owned(),
        model: model.to_owned(),
        window: "1h".to_owned(),
        start: EventTime(end_ms - HOUR_MS),
        end: EventTime(end_ms),
        began: Some(EventTime(end_ms - 3 * HOUR_MS)),
        phase: ExperimentPhase::Running,
        verdict: Decision::Promote,
        arm: Some("b".to_owned()),
        reason: "every goal of b is better, and no guardrail is worse".to_owned(),
        ready: true,
        score: 100.0,
        health: ExperimentHealth {
            ok: true,
            problems: Vec::new(),
            srm_p_value: Some(0.4),
            srm_ok: true,
            label_p_value: Some(0.75),
            units_in_several_arms: 2,
            events_of_several_arms: 5,
            events_of_unknown_units: 1,
            events_of_other_arms: 7,
            late: 2,
            unmatched: 11,
        },
        arms: vec![arm("a", 4_103), arm("b", 3_901)],
        challengers: vec![ChallengerResult {
            arm: "b".to_owned(),
            verdict: Decision::Promote,
            reason: "every goal is better, and no guardrail is worse".to_owned(),
            score: 100.0,
            metrics: vec![
                metric("log_loss", MetricRole::Goal, MetricVerdict::Better),
                metric("latency", MetricRole::Guardrail, MetricVerdict::NotWorse),
            ],
            distributions: vec![column("prediction")],
            disagreement: Some(Disagreement {
                pairs: 3_800,
                unanswered: 12,
                class_share: Some(0.125),
                mean_difference: Some(-0.01),
                rms_difference: Some(0.08),
                correlation: Some(0.875),
            }),
        }],
    }
}

/// The same when `b` is to be taken back.
pub fn rolled_back(model: &str, end_ms: i64) -> ExperimentResult {
    let mut result = experiment(model, end_ms);
    result.verdict = Decision::Rollback;
    "latency of b is worse by more than the margin.".clone_into(&mut result.reason);
    result.score = 0.0;
    of_challenger(&mut result);
    result
}

/// The same when nothing is proven yet.
pub fn held(model: &str, end_ms: i64) -> ExperimentResult {
    let mut result = experiment(model, end_ms);
    (result.verdict, result.arm) = (Decision::Hold, None);
    "nothing is proven yet".clone_into(&mut result.reason);
    result.score = 40.0;
    of_challenger(&mut result);
    result
}

/// Says of the only challenger what is said of the experiment.
fn of_challenger(result: &mut ExperimentResult) {
    let (verdict, score) = (result.verdict, result.score);
    for challenger in &mut result.challengers {
        (challenger.verdict, challenger.score) = (verdict, score);
        challenger.reason.clone_from(&result.reason);
    }
}

/// The same when the data can't be trusted.
pub fn unhealthy(model: &str, end_ms: i64) -> ExperimentResult {
    let mut result = held(model, end_ms);
    result.health.ok = false;
    result.health.srm_ok = false;
    result.health.srm_p_value = Some(1e-7);
    result.health.problems = vec![
        "b has 56 % of the units instead of 50 %.".to_owned(),
        "labels of b are missing more often than those of a.".to_owned(),
    ];
    result
}
