//! What is said of windows that are like their reference.

use driftline::{
    drift::checks::{CheckSettings, volume_finding},
    result::Verdict,
};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, LogNormal, Poisson};

use crate::columns::*;

/// Windows without drift, against references drawn anew.
fn without_drift(shape: Shape, sizes: (usize, usize), references: usize, windows: usize, seed: u64) -> Tally {
    let (m, n) = sizes;
    let mut rng = ChaCha8Rng::seed_from_u64(seed * 100 + shape as u64);
    let mut tally = Tally::default();
    for _ in 0..references {
        let column = shape.column(&shape.sample(&mut rng, m));
        for _ in 0..windows {
            let window = shape.counts(&column, &shape.sample(&mut rng, n));
            tally.add(&checks(&column, &window));
        }
    }
    tally
}

/// `cargo test --release --test checks -- --ignored --nocapture measure_false`
/// prints the table of false alarms in docs/checks.md.
#[test]
#[ignore = "takes minutes; prints a table"]
fn measure_false_alarms() {
    let sizes = [
        (1_000, 100, 400, 10),
        (1_000, 1_000, 300, 10),
        (1_000, 10_000, 100, 10),
        (10_000, 100, 60, 100),
        (10_000, 1_000, 60, 50),
        (10_000, 10_000, 60, 20),
        (100_000, 1_000, 20, 100),
        (100_000, 10_000, 20, 30),
        (100_000, 100_000, 10, 15),
        (10_000, 100_000, 15, 12),
    ];
    for shape in SHAPES {
        for (seed, (m, n, references, windows)) in (1..).zip(sizes) {
            let tally = without_drift(shape, (m, n), references, windows, seed);
            print!("{shape:?} m={m} n={n} of {}:", references * windows);
            for (check, [insufficient, _, shifted, drifted]) in &tally.0 {
                let share = *insufficient as usize * 100 / (references * windows);
                print!(" {} {shifted}/{drifted}", check.as_str());
                if share > 0 {
                    print!("({share}% ?)");
                }
            }
            println!();
        }
    }
}

#[test]
fn no_drift_is_called_drift_about_once_in_a_thousand_windows_at_most() {
    let mut all = Tally::default();
    let mut windows = 0;
    for (seed, (m, n, references, each)) in
        (500..).zip([(1_000, 100, 40, 8), (1_000, 1_000, 25, 6), (4_000, 300, 15, 20)])
    {
        for shape in SHAPES {
            all.merge(&without_drift(shape, (m, n), references, each, seed));
            windows += references * each;
        }
    }
    for (check, [_, _, shifted, drifted]) in all.0 {
        let found = f64::from(shifted + drifted);
        // Every column takes part in most checks; twice the deviation of so
        // many windows, doubled since those of one reference are alike.
        let expected = windows as f64 * 0.001;
        let limit = expected + 4.0 * expected.sqrt();
        assert!(found <= limit, "{check:?}: {found} of {windows} windows");
    }
}

/// Event counts around `mean`; `spread` is the standard deviation of the rates'
/// logarithms.
fn volumes(rng: &mut ChaCha8Rng, mean: f64, spread: f64, windows: usize) -> Vec<u64> {
    let rate = |rng: &mut ChaCha8Rng| mean * LogNormal::new(0.0, spread).unwrap().sample(rng);
    (0..windows)
        .map(|_| {
            let rate = rate(rng);
            Poisson::new(rate.max(1e-9)).unwrap().sample(rng) as u64
        })
        .collect()
}

#[test]
fn volume_of_like_windows_is_drift_about_once_in_a_thousand_windows_at_most() {
    let mut rng = ChaCha8Rng::seed_from_u64(12);
    for (mean, spread) in
        [(3.0, 0.0), (3.0, 0.3), (30.0, 0.0), (30.0, 0.3), (5_000.0, 0.0), (5_000.0, 0.1), (5_000.0, 0.5)]
    {
        for past in [5, 8, 24] {
            let windows = 3_000;
            let (mut outside, mut drifted) = (0, 0);
            for _ in 0..windows {
                let counts = volumes(&mut rng, mean, spread, past + 1);
                let found = volume_finding(&counts[1..], counts[0], &CheckSettings::default());
                outside += u32::from(found.verdict > Verdict::Stable);
                drifted += u32::from(found.verdict > Verdict::Shifted);
            }
            println!("{mean} {spread} {past}: {outside} {drifted} of {windows}");
            // 3 expected, and four standard deviations more.
            assert!(
                outside <= 10 && drifted <= 10,
                "mean {mean}, spread {spread}, {past} windows: {outside}, {drifted}"
            );
        }
    }
}
