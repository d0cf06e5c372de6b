//! Permutations: what is exact, what is free, and what changes nothing.

use std::{sync::atomic::Ordering, thread};

use driftline::explain::{
    Background, PermutationSettings, evaluations_before_rounds, evaluations_of_round, permute, row_seed,
};
use proptest::prelude::*;

use crate::support::{Function, assert_near, by_definition, normal_rows, random, residual};

const ONE: PermutationSettings = PermutationSettings { most_rounds: 1, wanted_error: None };
const THREE: PermutationSettings = PermutationSettings { most_rounds: 3, wanted_error: None };

fn tangled(row: &[f64]) -> Vec<f64> {
    let product: f64 = row.iter().take(5).map(|value| 1.0 + 0.3 * value).product();
    vec![product, row[0].sin() * row[1].max(row[2])]
}

#[test]
fn one_round_is_exact_without_interactions_of_three() {
    let mut random = random(8);
    let pairs = |row: &[f64]| {
        let squares: f64 = row.iter().map(|value| value * value + value.sin()).sum();
        let products: f64 = row.windows(2).map(|pair| (pair[0] - 0.3) * pair[1].abs()).sum();
        squares + products
    };
    let model = Function::new(8, pairs);
    let background = Background::new(normal_rows(&mut random, 9, 8), 8);
    for (seed, row) in (0..).zip(normal_rows(&mut random, 4, 8).chunks(8)) {
        let found = permute(&model, &background, row, seed, &ONE).unwrap();
        assert_near(&found.values, &by_definition(&model, &background, row), 1e-11, "pairs");
    }
    // Interactions of three are estimated.
    let model = Function::many(8, 2, tangled);
    let row = normal_rows(&mut random, 1, 8);
    let found = permute(&model, &background, &row, 0, &ONE).unwrap();
    let gap = (found.values[0] - by_definition(&model, &background, &row)[0]).abs();
    assert!(gap > 1e-6, "{gap}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn values_add_up_and_cost_what_was_said(seed: u64, inputs in 5_usize..12, rows in 1_usize..8, common in 0_usize..12) {
        let mut random = random(seed);
        let model = Function::many(inputs, 2, tangled);
        let row = normal_rows(&mut random, 1, inputs);
        let mut values = normal_rows(&mut random, rows, inputs);
        // The first background row has `common` values of the row.
        values.iter_mut().zip(&row).take(common).for_each(|(value, same)| *value = *same);
        let background = Background::new(values, inputs);
        let found = permute(&model, &background, &row, seed, &THREE).unwrap();
        let asked = model.asked.load(Ordering::Relaxed);
        assert!(residual(&model, &background, &found) < 1e-12);
        let cost = evaluations_before_rounds(&background) + 3 * evaluations_of_round(&background, &row);
        assert_eq!(found.evaluations, cost);
        assert_eq!(asked, cost);
        // Nothing is asked of these inputs, and nothing is made up.
        assert!(found.values[5..inputs].iter().all(|value| *value == 0.0));
        assert!(found.standard_errors[5..inputs].iter().all(|error| *error == 0.0));
        assert_eq!(found.standard_errors.len(), 2 * inputs);
    }
}

#[test]
fn what_is_common_costs_nothing() {
    let background = Background::new(vec![1.0, 2.0, 3.0, 1.0, 5.0, 6.0, 4.0, 5.0, 6.0], 3);
    let row = [1.0, 5.0, 6.0];
    // Two inputs differ from the first background row, none from the second, one
    // from the third.
    assert_eq!(evaluations_of_round(&background, &row), 2);
    let model = Function::new(3, |row| row[0] * row[1] * row[2]);
    let found = permute(&model, &background, &row, 0, &ONE).unwrap();
    assert_eq!(found.evaluations, 4 + 2);
    assert_near(&found.values, &by_definition(&model, &background, &row), 1e-12, "two at a time");
}

#[test]
fn calls_threads_and_order_change_no_bit() {
    let mut random = random(12);
    let background = Background::new(normal_rows(&mut random, 10, 9), 9);
    let rows = normal_rows(&mut random, 6, 9);
    let explain = |calls: usize, number: usize| {
        let model = Function::many(9, 2, tangled).in_calls_of(calls);
        let row = &rows[9 * number..9 * (number + 1)];
        let found = permute(&model, &background, row, row_seed(1, number as u64), &THREE).unwrap();
        assert!(model.largest_call.load(Ordering::Relaxed) <= calls);
        found
    };
    let wanted: Vec<_> = (0..6).map(|number| explain(64, number)).collect();
    for calls in [1, 7, 4096] {
        let backwards = (0..6).rev().map(|number| explain(calls, number));
        assert!(backwards.eq(wanted.iter().rev().cloned()), "calls of {calls}");
    }
    for threads in [2, 3] {
        let explain = &explain;
        let mut found = thread::scope(|scope| {
            let work = |first: usize| (first..6).step_by(threads).map(|row| (row, explain(7, row))).collect();
            let workers = (0..threads).map(|first| scope.spawn(move || -> Vec<_> { work(first) }));
            let workers: Vec<_> = workers.collect();
            workers.into_iter().flat_map(|worker| worker.join().unwrap()).collect::<Vec<_>>()
        });
        found.sort_by_key(|(row, _)| *row);
        assert!(found.into_iter().map(|(_, found)| found).eq(wanted.iter().cloned()));
    }
}

#[test]
fn whatever_seeds_a_row_changes_its_permutations() {
    let mut random = random(13);
    let values = normal_rows(&mut random, 4, 9);
    let background = Background::new(values.clone(), 9);
    let row = normal_rows(&mut random, 1, 9);
    let model = Function::many(9, 2, tangled);
    let first = permute(&model, &background, &row, row_seed(1, 2), &ONE).unwrap().values;
    assert_eq!(first, permute(&model, &background, &row, row_seed(1, 2), &ONE).unwrap().values);
    for seed in [row_seed(2, 2), row_seed(1, 3), row_seed(2, 1)] {
        assert_ne!(first, permute(&model, &background, &row, seed, &ONE).unwrap().values);
    }
    let mut other = Function::many(9, 2, tangled);
    other.info.fingerprint += 1;
    assert_ne!(first, permute(&other, &background, &row, row_seed(1, 2), &ONE).unwrap().values);
    // The second background row has no part in either, but in an input that the
    // model does not use; the permutation of the first is another all the same.
    let mut two = [&values[..9], row.as_slice()].concat();
    let one_way = permute(&model, &Background::new(two.clone(), 9), &row, 1, &ONE).unwrap().values;
    two[17] += 1.0;
    assert_ne!(one_way, permute(&model, &Background::new(two, 9), &row, 1, &ONE).unwrap().values);
    // Rounds differ from each other, too.
    assert_ne!(first, permute(&model, &background, &row, row_seed(1, 2), &THREE).unwrap().values);
}

#[test]
fn rounds_end_when_the_error_is_small_enough() {
    let mut random = random(14);
    let background = Background::new(normal_rows(&mut random, 8, 9), 9);
    let row = normal_rows(&mut random, 1, 9);
    let model = Function::many(9, 2, tangled);
    let rounds = |wanted: f64| {
        let settings = PermutationSettings { most_rounds: 500, wanted_error: Some(wanted) };
        let found = permute(&model, &background, &row, 5, &settings).unwrap();
        let done = (found.evaluations - evaluations_before_rounds(&background))
            / evaluations_of_round(&background, &row);
        let shares = found.values.chunks(9).zip(found.standard_errors.chunks(9)).map(|(values, errors)| {
            let largest = values.iter().copied().fold(0.0, f64::max);
            let smallest = values.iter().copied().fold(0.0, f64::min);
            errors.iter().copied().fold(0.0, f64::max) / (largest - smallest)
        });
        (done, shares.fold(0.0, f64::max))
    };
    let (few, coarse) = rounds(0.04);
    let (many, fine) = rounds(0.005);
    assert!(few < many && many < 500, "{few} and {many} rounds");
    assert!(coarse <= 0.04 && fine <= 0.005, "{coarse} and {fine}");
    // Nothing to explain is explained at once.
    let settings = PermutationSettings { most_rounds: 500, wanted_error: Some(0.01) };
    let found = permute(&Function::new(9, |_| 1.0), &background, &row, 5, &settings).unwrap();
    assert_eq!(found.evaluations, 9 + evaluations_of_round(&background, &row));
    assert_eq!((found.values, found.standard_errors), (vec![0.0; 9], vec![0.0; 9]));
}

#[test]
fn an_answer_that_is_no_number_is_said() {
    let model = Function::new(2, |row| if row[0] > 0.0 { f64::INFINITY } else { 1.0 });
    let background = Background::new(vec![-1.0, -1.0], 2);
    let refusal = permute(&model, &background, &[1.0, 2.0], 0, &ONE).unwrap_err().to_string();
    assert!(refusal.contains("inf"), "{refusal}");
    assert!(permute(&model, &Background::new(Vec::new(), 2), &[1.0, 2.0], 0, &ONE).is_err());
    assert!(permute(&model, &background, &[1.0], 0, &ONE).is_err());
}
