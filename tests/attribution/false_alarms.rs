//! How often windows like the reference are called otherwise: about once in a
//! thousand. Many references, since the error of each is part of it.

use driftline::{
    explain::{AttributionEffects, AttributionJudge, ExplainSettings, PermutationSettings},
    result::Verdict,
};
use rand_chacha::ChaCha8Rng;

use crate::{
    drift::{rows, slices},
    world::{cells, explainer, guests, model, normal, random, reference, uniform},
};

const REFERENCES: usize = 60;
const WINDOWS: usize = 100;

/// Windows that are not stable, of 6,000. At one in a thousand six are expected,
/// and more than sixteen once in ten thousand tests.
fn raised(
    (reference, window): (usize, usize),
    (seed, design_effect): (u64, f64),
    law: impl Fn(&mut ChaCha8Rng) -> Vec<f64>,
) -> usize {
    let random = &mut random(seed);
    let mut raised = 0;
    let rows = |count: usize, random: &mut ChaCha8Rng| repeated(count, design_effect as usize, random, &law);
    for _ in 0..REFERENCES {
        let reference = rows(reference, random);
        let mut judge = AttributionJudge::new(&slices(&reference), AttributionEffects::default()).unwrap();
        for _ in 0..WINDOWS {
            let window = rows(window, random);
            let judged = judge.judge(&slices(&window), design_effect).unwrap();
            raised += usize::from(judged.drift.verdict > Verdict::Stable);
        }
    }
    raised
}

/// So many rows, each of which comes as often as the design effect says.
fn repeated(
    count: usize,
    times: usize,
    random: &mut ChaCha8Rng,
    law: impl Fn(&mut ChaCha8Rng) -> Vec<f64>,
) -> Vec<Vec<f64>> {
    rows(count / times, random, law).into_iter().flat_map(|row| vec![row; times]).collect()
}

/// Features that go together.
fn correlated(random: &mut ChaCha8Rng) -> Vec<f64> {
    let common = normal(random);
    (1..=8).map(|place| (0.7 * common + 0.7 * normal(random)) / f64::from(place)).collect()
}

/// Attributions of few values, as of flags.
fn atoms(random: &mut ChaCha8Rng) -> Vec<f64> {
    let value = |random: &mut ChaCha8Rng| match uniform(random) {
        share if share < 0.7 => 0.0,
        share if share < 0.9 => 1.0,
        _ => -2.0,
    };
    (1..=6).map(|place| value(random) / f64::from(place)).collect()
}

/// Half of the features without effect, and the noise of an estimate on all.
fn estimated(random: &mut ChaCha8Rng) -> Vec<f64> {
    let effect = |place: i32| if place <= 3 { 1.0 / f64::from(place) } else { 0.0 };
    (1..=6).map(|place| effect(place) * normal(random) + 0.1 * normal(random)).collect()
}

#[test]
fn windows_like_the_reference_are_seldom_called_otherwise() {
    let all = [
        raised((400, 150), (11, 1.0), correlated),
        raised((150, 100), (12, 1.0), correlated),
        raised((300, 100), (13, 1.0), atoms),
        raised((300, 100), (14, 1.0), estimated),
        raised((900, 300), (15, 3.0), correlated),
    ];
    assert!(all.iter().all(|raised| *raised <= 16), "{all:?}");
    // Nor never: points that nothing reaches would miss everything.
    let total: usize = all.iter().sum();
    assert!((5..=50).contains(&total), "{all:?}");
}

/// Attributions of guests, each by one round of permutations of eight background
/// rows; of guests of nearly one age, if wanted.
fn permuted(count: usize, seed: u64, are_peers: bool) -> Vec<Vec<f64>> {
    let reference = reference(300, |_| 0.5);
    let settings = ExplainSettings {
        background_rows: 8,
        enumerated_inputs: 0,
        permutation: PermutationSettings { most_rounds: 1, wanted_error: None },
        ..ExplainSettings::defaults(false)
    };
    let explainer = explainer(model(), &reference, settings);
    let guests = (0..).zip(guests(count, seed));
    guests
        .map(|(hash, (age, income, meal, is_member))| {
            let age = if are_peers { 40.0 + (age - 40.0) / 4.0 } else { age };
            let guest = (age, income, meal, is_member);
            let mut row = explainer.explain_row(hash, &cells(&reference, guest, 0.0)).unwrap();
            assert!(row.outputs[0].standard_errors.iter().any(|error| *error > 0.0));
            row.outputs.swap_remove(0).attributions
        })
        .collect()
}

#[test]
fn the_noise_of_permutations_is_no_change_and_hides_none() {
    let usual = permuted(6_000, 21, false);
    let from = |pool: &[Vec<f64>], random: &mut ChaCha8Rng| {
        pool[(uniform(random) * pool.len() as f64) as usize].clone()
    };
    let false_alarms = raised((300, 100), (22, 1.0), |random| from(&usual, random));
    assert!(false_alarms <= 16, "{false_alarms}");

    let peers = permuted(1_000, 23, true);
    let random = &mut random(24);
    let reference = rows(300, random, |random| from(&usual, random));
    let mut judge = AttributionJudge::new(&slices(&reference), AttributionEffects::default()).unwrap();
    for _ in 0..50 {
        let window = rows(100, random, |random| from(&peers, random));
        assert_eq!(judge.judge(&slices(&window), 1.0).unwrap().drift.verdict, Verdict::Drifted);
    }
}
