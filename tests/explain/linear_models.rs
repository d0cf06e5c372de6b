//! Linear models: the definition, and values that are not there.

use driftline::{
    explain::{Background, linear},
    model::LinearModel,
};

use crate::neutral::info;
use crate::support::{assert_near, by_definition, normal_rows, random, residual};

fn model() -> LinearModel {
    let mut random = random(5);
    LinearModel::new(info(6, 2), normal_rows(&mut random, 2, 6), vec![1.0, -2.0]).unwrap()
}

#[test]
fn coefficients_explain_as_defined() {
    let (model, mut random) = (model(), random(9));
    let background = Background::new(normal_rows(&mut random, 15, 6), 6);
    for row in normal_rows(&mut random, 5, 6).chunks(6) {
        let found = linear::explain(&model, &background, row).unwrap();
        assert_near(&found.values, &by_definition(&model, &background, row), 1e-12, "definition");
        assert!(residual(&model, &background, &found) < 1e-13);
    }
}

#[test]
fn what_is_missing_is_said_and_not_made_up() {
    let mut named = info(6, 2);
    named.input_names = ["a", "b", "c", "d", "e", "f"].map(str::to_owned).to_vec();
    let model = LinearModel::new(named, vec![0.0; 12], vec![0.0; 2]).unwrap();
    let background = Background::new(vec![1.0; 12], 6);
    let refusal = linear::explain(&model, &background, &[1.0, 1.0, f64::NAN, 1.0, 1.0, 1.0]).unwrap_err();
    assert!(refusal.to_string().contains("input 2 (c) of the row is missing"), "{refusal}");
    let holed = Background::new([[1.0; 6], [f64::NAN; 6]].concat(), 6);
    let refusal = linear::explain(&model, &holed, &[1.0; 6]).unwrap_err();
    assert!(refusal.to_string().contains("input 0 (a) of a background row is missing"), "{refusal}");
    assert!(linear::explain(&model, &background, &[1.0; 5]).is_err());
    assert!(linear::explain(&model, &Background::new(Vec::new(), 6), &[1.0; 6]).is_err());
}
