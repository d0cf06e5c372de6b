//! Permutation importance: what must hold of any model.

use driftline::{
    explain::{ImportanceSettings, LabelledRows, Loss, permutation_importance},
    model::{Link, Rows},
};

use crate::support::{Function, normal_rows, random};

const SETTINGS: ImportanceSettings = ImportanceSettings { loss: Loss::Squared, repeats: 5, seed: 3 };

fn singles(inputs: usize) -> Vec<Vec<usize>> {
    (0..inputs).map(|input| vec![input]).collect()
}

#[test]
fn columns_of_a_feature_are_shuffled_together() {
    // The model answers rightly as long as its two columns belong together.
    let model = Function::new(3, |row| if row[0] == -row[1] { row[2] } else { 100.0 });
    let mut random = random(2);
    let mut rows = normal_rows(&mut random, 50, 3);
    rows.chunks_mut(3).for_each(|row| row[1] = -row[0]);
    let labels: Vec<f64> = rows.chunks(3).map(|row| row[2]).collect();
    let labelled = LabelledRows { rows: Rows::new(&rows, 3), labels: &labels };
    let groups = [vec![0, 1], vec![2]];
    let found = permutation_importance(&model, labelled, &groups, &SETTINGS).unwrap();
    assert_eq!((found.loss, found.features[0].increase), (0.0, 0.0));
    assert!(found.features[1].increase > 0.5);
    assert!(
        permutation_importance(&model, labelled, &singles(3), &SETTINGS).unwrap().features[0].increase > 1e3
    );
}

#[test]
fn a_shuffled_column_has_twice_its_variance_as_squared_error() {
    let model = Function::new(2, |row| row[0]);
    let mut random = random(4);
    let rows = normal_rows(&mut random, 2000, 2);
    let labels: Vec<f64> = rows.chunks(2).map(|row| row[0]).collect();
    let mean = labels.iter().sum::<f64>() / 2000.0;
    let variance = labels.iter().map(|label| (label - mean).powi(2)).sum::<f64>() / 2000.0;
    let labelled = LabelledRows { rows: Rows::new(&rows, 2), labels: &labels };
    let settings = ImportanceSettings { repeats: 50, ..SETTINGS };
    let found = permutation_importance(&model, labelled, &singles(2), &settings).unwrap();
    let gap = (found.features[0].increase - 2.0 * variance).abs();
    assert!(gap < 4.0 * found.features[0].standard_error.unwrap(), "{found:?} {variance}");
    assert_eq!(found.features[1].increase, 0.0);
}

#[test]
fn calls_of_any_size_give_the_same_bits() {
    let mut random = random(6);
    let rows = normal_rows(&mut random, 97, 3);
    let labels = normal_rows(&mut random, 97, 1);
    let labelled = LabelledRows { rows: Rows::new(&rows, 3), labels: &labels };
    let found = [1, 7, 4096].map(|calls| {
        let model = Function::new(3, |row| row[0] * row[1].exp() - row[2]).in_calls_of(calls);
        permutation_importance(&model, labelled, &singles(3), &SETTINGS).unwrap()
    });
    assert_eq!(found[0], found[1]);
    assert_eq!(found[0], found[2]);
    let model = Function::new(3, |row| row[0] * row[1].exp() - row[2]);
    let other = ImportanceSettings { seed: 4, ..SETTINGS };
    assert_ne!(found[0], permutation_importance(&model, labelled, &singles(3), &other).unwrap());
}

#[test]
fn losses_are_of_predictions_and_not_of_raw_outputs() {
    let ln = f64::ln;
    let mut odds = Function::new(1, |row| row[0]);
    odds.info.link = Link::Logistic;
    let mut shares = Function::many(1, 3, |row| vec![row[0], 0.0, 0.0]);
    shares.info.link = Link::Softmax;
    let loss = |model: &Function, loss, value: f64, label: f64| {
        let (row, labels) = ([value], [label]);
        let labelled = LabelledRows { rows: Rows::new(&row, 1), labels: &labels };
        let settings = ImportanceSettings { loss, repeats: 1, seed: 0 };
        let found = permutation_importance(model, labelled, &singles(1), &settings).unwrap();
        assert_eq!(found.features[0].standard_error, None);
        found.loss
    };
    // Odds of 3 to 1.
    assert!((loss(&odds, Loss::LogLoss, ln(3.0), 1.0) - -ln(0.75)).abs() < 1e-15);
    assert!((loss(&odds, Loss::LogLoss, ln(3.0), 0.0) - -ln(0.25)).abs() < 1e-15);
    assert!((loss(&odds, Loss::Squared, ln(3.0), 1.0) - 0.0625).abs() < 1e-15);
    assert!((loss(&odds, Loss::Absolute, ln(3.0), 0.0) - 0.75).abs() < 1e-15);
    assert_eq!(loss(&odds, Loss::ZeroOne, 0.1, 1.0), 0.0);
    assert_eq!(loss(&odds, Loss::ZeroOne, -0.1, 1.0), 1.0);
    // At even odds, the first class.
    assert_eq!(loss(&odds, Loss::ZeroOne, 0.0, 0.0), 0.0);
    assert_eq!(loss(&odds, Loss::ZeroOne, 0.0, 1.0), 1.0);
    // A share of exactly none is no infinite loss.
    assert!((loss(&odds, Loss::LogLoss, 800.0, 0.0) - -ln(f64::EPSILON)).abs() < 1e-12);
    // Shares of 0.5, 0.25 and 0.25.
    assert!((loss(&shares, Loss::LogLoss, ln(2.0), 2.0) - ln(4.0)).abs() < 1e-15);
    assert_eq!(loss(&shares, Loss::ZeroOne, ln(2.0), 0.0), 0.0);
    assert_eq!(loss(&shares, Loss::ZeroOne, ln(2.0), 2.0), 1.0);
}

#[test]
fn what_has_no_loss_is_refused() {
    let model = Function::many(1, 3, |_| vec![0.0; 3]);
    let rows = [1.0, 2.0];
    let refusal = |labels: &[f64], loss| {
        let labelled = LabelledRows { rows: Rows::new(&rows, 1), labels };
        let settings = ImportanceSettings { loss, ..SETTINGS };
        permutation_importance(&model, labelled, &singles(1), &settings).unwrap_err().to_string()
    };
    assert!(refusal(&[1.0], Loss::LogLoss).contains("2 rows with 1 labels"));
    assert!(refusal(&[1.0, 2.0], Loss::Squared).contains("3 outputs"));
    assert!(refusal(&[1.0, 3.0], Loss::LogLoss).contains("label 3"));
    assert!(refusal(&[1.0, 0.5], Loss::ZeroOne).contains("label 0.5"));
    assert!(refusal(&[1.0, f64::NAN], Loss::ZeroOne).contains("label NaN"));
}
