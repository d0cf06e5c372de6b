//! Whether arms have the shares that they should have.

use driftline::{
    event::EventTime,
    experiment::{ExperimentSettings, MetricSettings, Split},
    result::{Decision, MetricRole},
};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::stand::{SLIDE, START, Stand, experiment, of, prediction, value};

fn split(from: Option<i64>, weights: [f64; 2]) -> Split {
    Split { from: from.map(|after| EventTime(START + after)), weights: weights.to_vec() }
}

/// So many events a second from `from` to `to`, with this share for the challenger,
/// whose value is better by `gain`.
fn feed(stand: &mut Stand, random: &mut ChaCha8Rng, (from, to): (i64, i64), share: f64, gain: f64) {
    for after in (from..to).step_by(20) {
        let is_challenger = random.random_bool(share);
        let value = random.random::<f64>() + if is_challenger { gain } else { 0.0 };
        stand.feed(&prediction(
            if is_challenger { "b" } else { "a" },
            after,
            &format!(r#","value":{value}"#),
        ));
    }
}

fn run(splits: Vec<Split>, share: f64, gain: f64) -> driftline::result::ExperimentResult {
    let mut stand = Stand::new(ExperimentSettings { splits, ..experiment(vec![value()]) });
    feed(&mut stand, &mut ChaCha8Rng::seed_from_u64(3), (0, 3 * SLIDE), share, gain);
    stand.end()
}

#[test]
fn an_even_split_is_trusted_and_an_uneven_one_is_not() {
    let even = run(vec![split(None, [1.0, 1.0])], 0.5, 0.5);
    assert!(even.health.srm_ok && even.health.ok);
    assert_eq!(even.verdict, Decision::Promote);
    assert_eq!(even.arms.iter().map(|arm| arm.intended_share.unwrap()).collect::<Vec<_>>(), [0.5, 0.5]);
    let shares: Vec<f64> = even.arms.iter().map(|arm| arm.share.unwrap()).collect();
    assert!((shares[0] + shares[1] - 1.0).abs() < 1e-12 && (shares[0] - 0.5).abs() < 0.02, "{shares:?}");

    let uneven = run(vec![split(None, [1.0, 1.0])], 0.4, 0.5);
    assert!(!uneven.health.srm_ok && !uneven.health.ok);
    assert!(uneven.health.srm_p_value.unwrap() < 1e-6);
    assert_eq!(of(&uneven, "value").verdict.as_str(), "better", "which is not believed");
    assert_eq!((uneven.verdict, uneven.arm), (Decision::Hold, None));
    assert!(uneven.reason.contains("shares of the traffic"), "{}", uneven.reason);

    let unknown = run(Vec::new(), 0.4, 0.5);
    assert_eq!((unknown.health.srm_p_value, unknown.verdict), (None, Decision::Promote));
    assert_eq!((unknown.arms[0].intended_share, unknown.arms[0].share), (None, None));
}

#[test]
fn what_is_worse_is_taken_back_though_the_split_is_not_right() {
    let result = run(vec![split(None, [1.0, 1.0])], 0.3, -0.5);
    assert!(!result.health.srm_ok);
    assert_eq!((result.verdict, result.arm.as_deref()), (Decision::Rollback, Some("b")));
}

#[test]
fn a_ramp_that_is_announced_is_no_mismatch() {
    // The split changes in the middle of windows, where the traffic changes.
    let steps = [(0, 0.1), (150_000, 0.3), (330_000, 0.5)];
    let splits = vec![
        split(None, [90.0, 10.0]),
        split(Some(150_000), [70.0, 30.0]),
        split(Some(330_000), [50.0, 50.0]),
    ];
    let mut random = ChaCha8Rng::seed_from_u64(5);
    for announced in [true, false] {
        let known = if announced { splits.clone() } else { splits[..1].to_vec() };
        let mut stand = Stand::new(ExperimentSettings { splits: known, ..experiment(vec![value()]) });
        for (index, (from, share)) in steps.into_iter().enumerate() {
            let to = steps.get(index + 1).map_or(500_000, |next| next.0);
            feed(&mut stand, &mut random, (from, to), share, 0.0);
        }
        let result = stand.end();
        assert_eq!(result.health.srm_ok, announced, "{:?}", result.health);
        let challenger = &result.arms[1];
        assert_eq!(challenger.intended_share, Some(if announced { 0.5 } else { 0.1 }));
        if announced {
            assert!((challenger.share.unwrap() - 0.5).abs() < 0.02, "of the present split alone");
        }
    }
}

#[test]
fn units_are_what_is_split_where_they_are_named() {
    // The challenger's units have three times as many events, which is its business.
    let splits = vec![split(None, [1.0, 1.0])];
    let plain = MetricSettings { role: MetricRole::Plain, ..value() };
    let mut stand = Stand::new(ExperimentSettings { splits, ..experiment(vec![plain]) });
    for index in 0..4_000 {
        let (arm, events) = if index % 2 == 0 { ("a", 1) } else { ("b", 3) };
        for _ in 0..events {
            stand.feed(&prediction(arm, index * 50, &format!(r#","unit":"u{index}","value":1"#)));
        }
    }
    let result = stand.end();
    assert!(result.health.srm_ok, "{:?}", result.health);
    assert_eq!(result.arms[1].share, Some(0.5));
    assert_eq!((result.arms[1].events, result.arms[1].units), (6_000, Some(2_000)));
}
