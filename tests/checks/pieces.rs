//! Any counts, in any pieces; and what it costs.

use std::time::Instant;

use driftline::{
    drift::{
        Scorer,
        checks::{CheckSettings, column_checks},
    },
    result::{Check, Verdict},
};
use proptest::prelude::*;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use crate::columns::*;

/// The checks of a numeric column, in order.
const NUMERIC_CHECKS: [Check; 8] = [
    Check::Missing,
    Check::Invalid,
    Check::Type,
    Check::Unseen,
    Check::Constant,
    Check::Stuck,
    Check::Unit,
    Check::Cardinality,
];

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, ..ProptestConfig::default() })]

    #[test]
    fn any_counts_give_finite_findings_in_order_and_the_same_in_any_pieces(
        reference in proptest::collection::vec(proptest::option::weighted(0.9, -1e3..1e3_f64), 1..400),
        window in proptest::collection::vec(proptest::option::weighted(0.9, -1e5..1e5_f64), 0..600),
        scale in prop_oneof![Just(1.0), Just(1e-300), Just(1e300), Just(0.0)],
        digits in 0..4_i32,
        cut in 0.0..1.0_f64,
    ) {
        let shape = |value: &Option<f64>| value.map_or(f64::NAN, |x| {
            let step = 10_f64.powi(digits - 2);
            ((x / step).round() * step * scale).clamp(-1e308, 1e308)
        });
        let mut values: Vec<f64> = reference.iter().map(shape).collect();
        values.push(1.0);
        let column = numeric(&values);
        let rows: Vec<f64> = window.iter().map(shape).collect();
        let whole = checks(&column, &count_numbers(&column, &rows));
        let (first, second) = rows.split_at((cut * rows.len() as f64) as usize);
        let mut merged = count_numbers(&column, second);
        merged.merge(&count_numbers(&column, first)).unwrap();
        prop_assert_eq!(&whole, &checks(&column, &merged));
        let order: Vec<_> = whole.iter().map(|finding| finding.check).collect();
        prop_assert_eq!(order, NUMERIC_CHECKS);
        // The reference is like itself.
        for finding in checks(&column, &column.counts) {
            prop_assert!(finding.verdict <= Verdict::Stable, "{:?}", finding);
        }
    }
}

/// `cargo test --release --test checks -- --ignored --nocapture measure_cost`
/// prints what 25 columns cost, beside their scores.
#[test]
#[ignore = "measures time"]
fn measure_cost() {
    let mut rng = ChaCha8Rng::seed_from_u64(13);
    for (m, n) in [(100_000, 1_000), (100_000, 100_000), (10_000, 10_000)] {
        for (what, shapes) in [
            ("normal", vec![Shape::Normal; 25]),
            ("skewed", vec![Shape::Skewed; 25]),
            ("400 categories", vec![Shape::Categories400; 25]),
            ("mixed", SHAPES.into_iter().filter(|shape| *shape != Shape::Ids).cycle().take(25).collect()),
        ] {
            let columns: Vec<_> =
                shapes.iter().map(|shape| shape.column(&shape.sample(&mut rng, m))).collect();
            let windows: Vec<_> = shapes
                .iter()
                .zip(&columns)
                .map(|(shape, column)| shape.counts(column, &shape.sample(&mut rng, n)))
                .collect();
            let settings = CheckSettings::default();
            let mut best = f64::INFINITY;
            for _ in 0..2_000 {
                let start = Instant::now();
                for (column, window) in columns.iter().zip(&windows) {
                    std::hint::black_box(column_checks((column, &column.counts), window, &settings, 1.0));
                }
                best = best.min(start.elapsed().as_secs_f64());
            }
            let mut scorer = Scorer::default();
            let mut scores = f64::INFINITY;
            for _ in 0..500 {
                let start = Instant::now();
                for (column, window) in columns.iter().zip(&windows) {
                    std::hint::black_box(scorer.feature_result((column, &column.counts), window, 1));
                }
                scores = scores.min(start.elapsed().as_secs_f64());
            }
            println!(
                "25 {what} columns, m={m} n={n}: {:.0} us, and their scores {:.0} us",
                best * 1e6,
                scores * 1e6
            );
        }
    }
}
