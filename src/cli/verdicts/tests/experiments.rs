//! What is said of experiments at the end of a replay.

use super::*;
use crate::cli::verdicts::experiments;
use crate::result::{
    ArmCounts, Better, ChallengerResult, Decision, Disagreement, EffectScale, ExperimentHealth,
    ExperimentPhase, ExperimentResult, InferenceMethod, MetricResult, MetricRole, MetricVerdict,
};

fn metric(name: &str, role: MetricRole, verdict: MetricVerdict) -> MetricResult {
    MetricResult {
        metric: name.to_owned(),
        role,
        better: Better::Lower,
        verdict,
        reason: "nothing is proven yet".to_owned(),
        method: InferenceMethod::RateRatio,
        proven_at: None,
        n_control: 9_000,
        n: 1_000,
        invalid: 0,
        clamped: 0,
        control: Some(0.0123),
        challenger: Some(0.0456),
        scale: EffectScale::Relative,
        estimate: Some(2.707),
        lower: Some(1.03),
        upper: Some(7.9),
        std_error: None,
        lift: None,
        design_effect: None,
        variance_explained: None,
        e_better: Some(0.001),
        e_worse: Some(123_456.0),
        e_not_worse: Some(0.5),
        e_wanted: 40.0,
        p_value: None,
        margin: None,
        detectable: None,
        events_needed: Some(1_234_567),
    }
}

fn arm(name: &str, events: u64, share: f64) -> ArmCounts {
    ArmCounts {
        arm: name.to_owned(),
        events,
        units: None,
        matured: 0,
        labelled: 0,
        intended_share: Some(share),
        share: Some(share - 0.01),
    }
}

/// One experiment in which `errors` is worse, and another metric has `name`.
fn experiment(name: &str, challengers: &[&str]) -> ExperimentResult {
    let end = NEW_YEAR.plus_ms(5 * HOUR_MS);
    let metrics = || {
        let absolute = MetricResult {
            scale: EffectScale::Difference,
            estimate: Some(-0.001_234_5),
            lower: Some(-0.002_345_6),
            upper: Some(12_345.678),
            ..metric(name, MetricRole::Goal, MetricVerdict::Insufficient)
        };
        vec![metric("errors", MetricRole::Guardrail, MetricVerdict::Worse), absolute]
    };
    let challenger = |arm: &&str| ChallengerResult {
        arm: (*arm).to_owned(),
        verdict: Decision::Rollback,
        reason: "errors: worse than the control".to_owned(),
        score: 0.0,
        metrics: metrics(),
        distributions: Vec::new(),
        disagreement: Some(Disagreement {
            pairs: 1_000,
            unanswered: 7,
            class_share: Some(0.05),
            mean_difference: Some(0.001),
            rms_difference: None,
            correlation: Some(0.98),
        }),
    };
    ExperimentResult {
        experiment: name.to_owned(),
        model: "credit".to_owned(),
        window: "1h".to_owned(),
        start: end.plus_ms(-HOUR_MS),
        end,
        began: Some(NEW_YEAR),
        phase: ExperimentPhase::Running,
        release: None,
        verdict: Decision::Rollback,
        arm: challengers.first().map(|arm| (*arm).to_owned()),
        reason: format!(
            "errors: worse than the control; {name}: nothing is proven yet, not even by many words"
        ),
        ready: true,
        score: 0.0,
        health: ExperimentHealth {
            problems: vec!["1.2 % of the units were seen in several arms".to_owned()],
            late: 3,
            ..ExperimentHealth::default()
        },
        arms: std::iter::once(arm("stable", 9_000, 0.9))
            .chain(challengers.iter().map(|name| arm(name, 1_000, 0.1)))
            .collect(),
        challengers: challengers.iter().map(challenger).collect(),
    }
}

/// Everything that is said of experiments with a name that is too long.
pub(super) fn long(name: &str, terminal: Terminal) -> String {
    experiments(&[experiment(name, &[name, "v2"]), experiment(name, &["v2"])], terminal)
}

#[test]
fn an_experiment_is_told_with_what_its_verdict_rests_on() {
    let text = experiments(&[experiment("brier", &["v2"])], PIPE);
    let expected = "
experiment brier of credit: windows of 1h from 2026-01-01 to 2026-01-01 05:00
  rollback v2
    errors: worse than the control; brier: nothing is proven yet, not even by many words
    ! 1.2 % of the units were seen in several arms
    3 events of windows that had been looked at

  arm     events  share  intended
  stable   9,000  89.0%     90.0%
  v2       1,000   9.0%     10.0%

  metric    control  challenger                  effect (bounds)      e     needed       verdict
  errors     0.0123      0.0456          +270.7% (+103.0 … +790.0)  1e5  1,234,567         worse
";
    for (line, expected) in text.lines().zip(expected.lines()) {
        let squeezed = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
        assert_eq!(squeezed(line), squeezed(expected), "in\n{text}");
    }
    assert!(text.contains("-0.001234 (-0.002346 … +12346)"), "{text}");
    assert!(
        text.contains("1,000 requests answered by both, 7 by the control alone; another class in 5.0%"),
        "{text}"
    );
}

#[test]
fn a_narrow_terminal_keeps_effects_and_verdicts() {
    let text = experiments(&[experiment("brier", &["v2"])], Terminal { width: 80, ..PIPE });
    let row = text.lines().find(|line| line.starts_with("  errors ")).unwrap_or_default();
    assert!(row.contains("+270.7% (+103.0 … +790.0)") && row.ends_with("worse"), "{text}");
}

#[test]
fn what_counted_nothing_says_so() {
    let mut nothing = ExperimentResult {
        began: None,
        verdict: Decision::Hold,
        arm: None,
        reason: "no window has been looked at yet".to_owned(),
        ..experiment("brier", &["v2"])
    };
    nothing.challengers.iter_mut().for_each(|challenger| challenger.metrics.clear());
    let text = experiments(&[nothing], PIPE);
    assert!(text.contains("experiment brier of credit: nothing counted\n  hold, 0 % of"), "{text}");
    let last = text.trim_end().lines().last().unwrap_or_default();
    assert!(last.starts_with("  v2 "), "nothing follows the arms: {text}");
}
