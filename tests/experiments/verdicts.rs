//! What is to be done.

use driftline::{
    experiment::{ExperimentSettings, Inference, Margin, MetricSettings, PromoteWhen},
    result::{Better, Decision, ExperimentResult, MetricRole, MetricVerdict},
};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::stand::{SLIDE, Stand, clicked, experiment, of, prediction, value};

/// Arms: the gain of their value, and how often they are clicked.
type Arms<'a> = &'a [(&'a str, f64, f64)];

fn feed(stand: &mut Stand, arms: Arms<'_>, (from, to): (i64, i64)) {
    let mut random = ChaCha8Rng::seed_from_u64(from as u64 + 11);
    for after in (from..to).step_by(30) {
        let (arm, gain, rate) = arms[random.random_range(0..arms.len())];
        let value = random.random::<f64>() + gain;
        let clicked = random.random_bool(rate);
        stand.feed(&prediction(arm, after, &format!(r#","value":{value},"clicked":{clicked}"#)));
    }
}

fn verdict(settings: ExperimentSettings, arms: Arms<'_>) -> ExperimentResult {
    let mut stand = Stand::new(settings);
    feed(&mut stand, arms, (0, 4 * SLIDE));
    stand.end()
}

fn guardrail(margin: Option<Margin>) -> MetricSettings {
    MetricSettings { role: MetricRole::Guardrail, better: Better::Lower, margin, ..clicked() }
}

const EQUAL: Arms<'static> = &[("a", 0.0, 0.1), ("b", 0.0, 0.1)];
const BETTER: Arms<'static> = &[("a", 0.0, 0.1), ("b", 0.3, 0.1)];

#[test]
fn a_clear_winner_is_promoted_and_the_reason_says_by_what() {
    let result = verdict(experiment(vec![value(), guardrail(None)]), BETTER);
    assert_eq!((result.verdict, result.arm.as_deref()), (Decision::Promote, Some("b")));
    assert!(result.reason.starts_with("value: better than the control: +0."), "{}", result.reason);
    assert!(result.ready);
    assert_eq!(
        (result.score.to_bits(), result.challengers[0].score.to_bits()),
        (100_f64.to_bits(), 100_f64.to_bits())
    );
    let metric = of(&result, "value");
    assert!(metric.lower.unwrap() > 0.0 && metric.lower < metric.estimate && metric.estimate < metric.upper);
    assert!(metric.e_better.unwrap() > 1e6 && metric.p_value.unwrap() < 1e-6);
    assert_eq!(metric.events_needed, Some(0));
}

#[test]
fn what_breaks_a_guardrail_is_taken_back_though_the_goal_is_better() {
    let arms: Arms<'_> = &[("a", 0.0, 0.1), ("b", 0.3, 0.3)];
    for margin in [None, Some(Margin::Absolute(0.05)), Some(Margin::Relative(0.2))] {
        let result = verdict(experiment(vec![value(), guardrail(margin)]), arms);
        assert_eq!(of(&result, "value").verdict, MetricVerdict::Better);
        assert_eq!(of(&result, "clicked").verdict, MetricVerdict::Worse, "{margin:?}");
        assert_eq!((result.verdict, result.arm.as_deref()), (Decision::Rollback, Some("b")));
        assert!(result.reason.starts_with("clicked: worse"), "{}", result.reason);
        assert_eq!(result.score.to_bits(), 0_f64.to_bits());
    }
}

#[test]
fn a_guardrail_within_its_margin_is_enough_without_goals() {
    let result = verdict(experiment(vec![guardrail(Some(Margin::Absolute(0.05)))]), EQUAL);
    assert_eq!(of(&result, "clicked").verdict, MetricVerdict::NotWorse);
    assert_eq!(result.verdict, Decision::Promote);
    assert!(result.reason.contains("not worse by more than the margin of 0.05"), "{}", result.reason);
}

#[test]
fn a_goal_that_gets_worse_is_taken_back() {
    let result = verdict(experiment(vec![value()]), &[("a", 0.0, 0.1), ("b", -0.3, 0.1)]);
    assert_eq!((result.verdict, of(&result, "value").verdict), (Decision::Rollback, MetricVerdict::Worse));
    assert!(result.reason.starts_with("value: worse than the control: -0."), "{}", result.reason);
}

#[test]
fn nothing_is_decided_of_equal_arms_or_of_plain_metrics() {
    let result = verdict(experiment(vec![value()]), EQUAL);
    assert_eq!((result.verdict, result.arm), (Decision::Hold, None));
    assert!(result.reason.starts_with("value: nothing is proven yet"), "{}", result.reason);

    let plain = MetricSettings { role: MetricRole::Plain, ..value() };
    for metrics in [vec![plain.clone()], vec![plain, guardrail(None)]] {
        let result = verdict(experiment(metrics), BETTER);
        assert_eq!(result.verdict, Decision::Hold);
        assert_eq!(
            result.reason,
            "no goal and no guardrail with a margin: nothing could prove that it may be promoted"
        );
    }
}

#[test]
fn a_margin_that_is_relative_could_prove_something_from_the_first_look_on() {
    let settings = experiment(vec![guardrail(Some(Margin::Relative(0.2)))]);
    let result = verdict(settings, &[("a", 0.0, 0.1)]);
    assert!(result.reason.starts_with("clicked: 0 values"), "{}", result.reason);
}

#[test]
fn an_arm_whose_events_come_late_is_not_compared_by_the_others() {
    let mut stand = Stand::new(experiment(vec![value()]));
    for round in 0..4 {
        let from = round * SLIDE;
        feed(&mut stand, BETTER, (from, from + SLIDE));
        // What takes long is told when the window has been looked at.
        let late = from - 3 * SLIDE;
        (0..100).filter(|_| round >= 3).for_each(|_| {
            stand.feed(&prediction("b", late, r#","value":0.1,"clicked":false"#));
        });
    }
    let result = stand.end();
    assert_eq!((result.health.late, result.verdict), (100, Decision::Hold), "{}", result.reason);
    assert!(result.reason.contains("of the events of b came after their window"), "{}", result.reason);
}

#[test]
fn too_few_events_say_nothing() {
    let mut settings = experiment(vec![value(), guardrail(None)]);
    settings.inference.min_events = 100_000;
    let result = verdict(settings, &[("a", 0.0, 0.1), ("b", 0.3, 0.9)]);
    assert!(!result.ready);
    assert_eq!(result.verdict, Decision::Hold);
    for name in ["value", "clicked"] {
        assert_eq!(of(&result, name).verdict, MetricVerdict::Insufficient);
        assert!(result.reason.contains("values in the smaller arm, of at least 100000"), "{}", result.reason);
    }
    // Nor does an arm that has nothing.
    let result = verdict(experiment(vec![value()]), &[("a", 0.0, 0.1)]);
    assert_eq!((result.verdict, result.ready), (Decision::Hold, false));
    assert_eq!(of(&result, "value").estimate, None);
}

#[test]
fn one_goal_of_several_may_be_enough() {
    let arms: Arms<'_> = &[("a", 0.0, 0.1), ("b", 0.3, 0.1)];
    for (promote_when, expected) in
        [(PromoteWhen::AllGoals, Decision::Hold), (PromoteWhen::AnyGoal, Decision::Promote)]
    {
        let mut settings = experiment(vec![value(), clicked()]);
        settings.inference = Inference { promote_when, ..settings.inference };
        let result = verdict(settings.clone(), arms);
        assert_eq!(result.verdict, expected);
        let about = if expected == Decision::Hold { "clicked: " } else { "value: " };
        assert!(result.reason.starts_with(about), "{}", result.reason);
        // Not while another is worse.
        assert_eq!(verdict(settings, &[("a", 0.0, 0.3), ("b", 0.3, 0.1)]).verdict, Decision::Rollback);
    }
}

#[test]
fn of_several_challengers_the_best_is_named() {
    let several = |arms: Arms<'_>| {
        let names = arms.iter().map(|(arm, _, _)| (*arm).to_owned()).collect();
        verdict(ExperimentSettings { arms: names, ..experiment(vec![value()]) }, arms)
    };
    let of = |result: &ExperimentResult| -> Vec<Decision> {
        result.challengers.iter().map(|challenger| challenger.verdict).collect()
    };
    let result = several(&[("a", 0.0, 0.1), ("b", 0.3, 0.1), ("c", 0.6, 0.1), ("d", -0.3, 0.1)]);
    assert_eq!(of(&result), [Decision::Promote, Decision::Promote, Decision::Rollback]);
    assert_eq!((result.verdict, result.arm.as_deref()), (Decision::Promote, Some("c")));
    assert!(result.reason.ends_with("; take back d"), "{}", result.reason);

    let result = several(&[("a", 0.0, 0.1), ("b", -0.3, 0.1), ("c", 0.0, 0.1)]);
    assert_eq!(of(&result), [Decision::Rollback, Decision::Hold]);
    assert_eq!((result.verdict, result.arm.as_deref()), (Decision::Hold, None));
    assert!(result.reason.starts_with("take back b: value: worse"), "{}", result.reason);

    let result = several(&[("a", 0.0, 0.1), ("b", -0.3, 0.1), ("c", -0.6, 0.1)]);
    assert_eq!((result.verdict, result.arm.is_some()), (Decision::Rollback, true));
}

#[test]
fn what_was_proven_stays_proven() {
    let mut stand = Stand::new(experiment(vec![value()]));
    feed(&mut stand, BETTER, (0, 3 * SLIDE));
    stand.feed(&prediction("a", 3 * SLIDE, ""));
    let before = stand.latest();
    let proven_at = of(&before, "value").proven_at.expect("it is proven");
    assert_eq!(before.verdict, Decision::Promote);
    // From now on it is as much worse as it was better.
    feed(&mut stand, &[("a", 0.0, 0.1), ("b", -0.3, 0.1)], (3 * SLIDE, 6 * SLIDE));
    let after = stand.end();
    assert!(of(&after, "value").estimate.unwrap() < 0.05);
    assert_eq!(
        (of(&after, "value").verdict, of(&after, "value").proven_at),
        (MetricVerdict::Better, Some(proven_at))
    );
    assert_eq!(after.verdict, Decision::Promote);
    let firsts = stand.results.iter().map(|result| of(result, "value").proven_at);
    assert!(firsts.flatten().all(|at| at == proven_at));
}
