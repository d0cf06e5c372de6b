//! All coalitions: the definition, and what is not asked.

use std::sync::atomic::Ordering;

use driftline::explain::{Background, enumerate, enumeration_evaluations, varying_inputs};
use proptest::prelude::*;

use crate::support::{Function, assert_near, by_definition, normal_rows, random, residual};

/// A function of all orders of interaction, two outputs.
fn tangled(row: &[f64]) -> Vec<f64> {
    let product: f64 = row.iter().map(|value| 1.0 + 0.3 * value).product();
    let sum: f64 = row.iter().zip(1..).map(|(value, weight)| value * f64::from(weight)).sum();
    vec![product, sum.sin() + if row[0] > 0.0 { 1.0 } else { 0.0 }]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn any_function_is_explained_as_defined(seed: u64, inputs in 1_usize..=8, rows in 1_usize..6, calls in 1_usize..40) {
        let mut random = random(seed);
        let model = Function::many(inputs, 2, tangled).in_calls_of(calls);
        let mut values = normal_rows(&mut random, rows, inputs);
        let row = normal_rows(&mut random, 1, inputs);
        // Some values in common with the row.
        for (place, value) in values.iter_mut().enumerate().filter(|(place, _)| place % 3 == 1) {
            *value = row[place % inputs];
        }
        let background = Background::new(values, inputs);
        let found = enumerate(&model, &background, &row).unwrap();
        assert_eq!(found.evaluations, model.asked.load(Ordering::Relaxed));
        assert_eq!(found.evaluations, enumeration_evaluations(&background, &row));
        assert!(model.largest_call.load(Ordering::Relaxed) <= calls);
        assert_near(&found.values, &by_definition(&model, &background, &row), 1e-11, "definition");
        assert!(residual(&model, &background, &found) < 1e-12);
    }
}

#[test]
fn ten_inputs_are_the_most() {
    let model = Function::many(12, 2, tangled);
    let mut random = random(1);
    let row = normal_rows(&mut random, 1, 12);
    let mut other = normal_rows(&mut random, 1, 12);
    other[3] = row[3];
    let background = Background::new(other.clone(), 12);
    assert_eq!(varying_inputs(&background, &row), 11);
    let refusal = enumerate(&model, &background, &row).unwrap_err().to_string();
    assert!(refusal.contains("11 inputs") && refusal.contains("at most 10"), "{refusal}");
    other[7] = row[7];
    let background = Background::new(other, 12);
    let found = enumerate(&model, &background, &row).unwrap();
    assert_eq!(found.evaluations, 1024);
    assert_eq!([found.values[3], found.values[7]], [0.0, 0.0]);
    assert!(residual(&model, &background, &found) < 1e-12);
}

#[test]
fn missing_on_both_sides_is_no_difference() {
    let model = Function::new(2, |row| if row[0].is_nan() { 1.0 } else { row[1] });
    let background = Background::new(vec![f64::NAN, 2.0], 2);
    let found = enumerate(&model, &background, &[f64::NAN, 3.0]).unwrap();
    assert_eq!((found.values, found.evaluations), (vec![0.0, 0.0], 2));
}

#[test]
fn inputs_that_do_the_same_get_the_same() {
    let model = Function::new(4, |row| (row[0] + row[1]) * row[2] + (row[0] * row[1]).abs());
    let background = Background::new(vec![0.5, 0.5, 1.0, 3.0, -1.0, -1.0, 2.0, 4.0], 4);
    let found = enumerate(&model, &background, &[2.0, 2.0, -1.5, 7.0]).unwrap();
    assert_near(&found.values[..1], &found.values[1..2], 1e-14, "symmetry");
    assert_near(&found.values[3..], &[0.0], 1e-15, "no part");
}

#[test]
fn an_answer_that_is_no_number_is_said() {
    let model = Function::new(2, |row| if row[0] > 0.0 { f64::NAN } else { 1.0 });
    let background = Background::new(vec![-1.0, -1.0], 2);
    let refusal = enumerate(&model, &background, &[1.0, 2.0]).unwrap_err().to_string();
    assert!(refusal.contains("NaN"), "{refusal}");
    let model = Function::many(2, 2, |_| vec![1.0]);
    let refusal = enumerate(&model, &background, &[1.0, 2.0]).unwrap_err().to_string();
    assert!(refusal.contains("2 numbers were expected for 1 rows and 1 came"), "{refusal}");
}
