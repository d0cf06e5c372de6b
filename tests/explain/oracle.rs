//! What shap, scikit-learn and a plain enumeration in Python say
//! (`tests/oracles/make_shapley.py`).

use driftline::{
    explain::{
        Attribution, Background, ImportanceSettings, LabelledRows, LeafTableSettings, LeafTables, Loss,
        enumerate, permutation_importance,
    },
    model::Rows,
};

use crate::{
    neutral::{numbers, oracle, trees, whole},
    support::{Function, assert_near},
};

#[test]
fn trees_have_the_values_of_shap_and_of_the_enumeration() {
    let oracle = oracle();
    let cases = oracle["trees"].as_array().unwrap();
    assert_eq!(cases.len(), 5);
    assert_eq!(cases.iter().filter(|case| case["shap"].is_array()).count(), 3);
    for case in cases {
        let name = case["name"].as_str().unwrap();
        let model = trees(&case["model"]);
        let inputs = whole(&case["model"]["inputs"]);
        let background = Background::new(numbers(&case["background"]), inputs);
        let tables = LeafTables::new(&model, &background, LeafTableSettings::default()).unwrap();
        let walks = LeafTables::new(&model, &background, LeafTableSettings { most_bytes: 0 }).unwrap();
        assert!(tables.walked_trees() == 0 && walks.walked_trees() > 0);
        for (number, row) in case["rows"].as_array().unwrap().iter().enumerate() {
            let row = numbers(row);
            for tables in [&tables, &walks] {
                let mut found = Attribution::default();
                tables.explain(&row, &mut found).unwrap();
                // XGBoost adds in single precision.
                assert_near(&found.outputs, &numbers(&case["outputs"][number]), 2e-6, name);
                assert_near(&found.values, &numbers(&case["brute"][number]), 2e-6, name);
                if case["shap"].is_array() {
                    assert_near(&found.values, &numbers(&case["shap"][number]), 1e-5, name);
                }
            }
        }
    }
}

fn third_order(x: &[f64]) -> f64 {
    x[0].sin() * x[1] + x[2] * x[3] * x[4] + (-x[5] * x[5]).exp() - x[6]
}

fn logistic(x: &[f64]) -> f64 {
    1.0 / (1.0 + (-(x[0] + 2.0 * x[1] * x[2] - x[3].abs())).exp())
}

fn function(name: &str, inputs: usize) -> Function {
    Function::new(inputs, if name == "third_order" { third_order } else { logistic })
}

#[test]
fn closed_forms_have_the_values_of_the_exact_explainer() {
    let oracle = oracle();
    for case in oracle["functions"].as_array().unwrap() {
        let name = case["name"].as_str().unwrap();
        let inputs = case["rows"][0].as_array().unwrap().len();
        let model = function(name, inputs);
        let background = Background::new(numbers(&case["background"]), inputs);
        for (number, row) in case["rows"].as_array().unwrap().iter().enumerate() {
            let found = enumerate(&model, &background, &numbers(row)).unwrap();
            assert_near(&found.values, &numbers(&case["exact"][number]), 1e-12, name);
            assert_near(&found.values, &numbers(&case["brute"][number]), 1e-12, name);
        }
    }
}

#[test]
fn importances_are_those_of_scikit_learn() {
    let oracle = oracle();
    let rows = numbers(&oracle["importance"]["rows"]);
    let groups: Vec<Vec<usize>> = (0..7).map(|input| vec![input]).collect();
    let mut farthest: f64 = 0.0;
    for case in oracle["importance"]["cases"].as_array().unwrap() {
        let loss = match case["loss"].as_str().unwrap() {
            "squared" => Loss::Squared,
            "absolute" => Loss::Absolute,
            "log_loss" => Loss::LogLoss,
            _ => Loss::ZeroOne,
        };
        let model = function(case["function"].as_str().unwrap(), 7);
        let labels = numbers(&case["labels"]);
        let labelled = LabelledRows { rows: Rows::new(&rows, 7), labels: &labels };
        let settings = ImportanceSettings { loss, repeats: 400, seed: 1 };
        let found = permutation_importance(&model, labelled, &groups, &settings).unwrap();
        assert_near(&[found.loss], &numbers(&case["mean_loss"]), 1e-9, "loss");
        assert_eq!(found.evaluations, 300 * (7 * 400 + 1));
        let (increases, deviations) = (numbers(&case["increase"]), numbers(&case["deviation"]));
        for (feature, (increase, deviation)) in found.features.iter().zip(increases.iter().zip(&deviations)) {
            let se = feature.standard_error.unwrap();
            if *deviation == 0.0 {
                assert_eq!((feature.increase, se), (0.0, 0.0));
                continue;
            }
            // The error over the repeats is the deviation's, to the accuracy of 400.
            assert!((se * 20.0 / deviation - 1.0).abs() < 0.2, "{se} {deviation}");
            let both = deviation * (1.0_f64 / 400.0 + 1.0 / 2000.0).sqrt();
            farthest = farthest.max((feature.increase - increase).abs() / both);
        }
    }
    // Of 22 normal deviates, one is beyond this in a hundred runs.
    assert!(farthest < 3.6, "{farthest} standard errors apart");
}
