//! Files of coefficients beside what scikit-learn predicts
//! (`tests/oracles/make_linear.py`).

use driftline::model::{Link, Model as _, Rows, read_linear};
use proptest::prelude::*;
use serde::Deserialize;

#[derive(Deserialize)]
struct Oracle {
    inputs: Vec<String>,
    rows: Vec<Vec<f64>>,
    models: Vec<Fitted>,
}

#[derive(Deserialize)]
struct Fitted {
    name: String,
    file: serde_json::Value,
    predictions: Vec<Vec<f64>>,
}

fn oracle() -> Oracle {
    serde_json::from_str(include_str!("../oracles/linear.json")).unwrap()
}

fn refusal(text: &str) -> String {
    read_linear(text).unwrap_err().to_string()
}

#[test]
fn coefficients_predict_what_scikit_learn_predicts() {
    let Oracle { inputs, rows, models } = oracle();
    assert_eq!(models.len(), 5);
    for Fitted { name, file, predictions } in models {
        let model = read_linear(&file.to_string()).unwrap();
        let info = model.info();
        let places: Vec<usize> = info
            .input_names
            .iter()
            .map(|input| inputs.iter().position(|known| known == input).unwrap())
            .collect();
        assert!(info.input_names.is_sorted());
        let values: Vec<f64> = rows.iter().flat_map(|row| places.iter().map(|place| row[*place])).collect();
        let mut found = Vec::new();
        model.predict(Rows::new(&values, info.inputs), &mut found).unwrap();
        for row in found.chunks_exact_mut(info.outputs) {
            info.link.apply(row);
        }
        let wanted = predictions.concat();
        assert_eq!(found.len(), wanted.len(), "{name}");
        for (found, wanted) in found.iter().zip(&wanted) {
            // Sums of four products in another order.
            assert!((found - wanted).abs() <= 1e-13 * wanted.abs().max(1.0), "{name}: {found} for {wanted}");
        }
    }
}

#[test]
fn toml_and_json_are_the_same_model() {
    for Fitted { name, file, .. } in oracle().models {
        let toml = toml::to_string(&file).unwrap();
        assert!(!toml.trim_start().starts_with('{'));
        let (json, toml) = (read_linear(&file.to_string()).unwrap(), read_linear(&toml).unwrap());
        for output in 0..json.info().outputs {
            assert_eq!(json.coefficients(output), toml.coefficients(output), "{name}");
        }
        assert_eq!(json.intercepts(), toml.intercepts());
        assert_eq!(json.info().output_names, toml.info().output_names);
        assert_eq!(
            (json.info().link, &json.info().input_names),
            (toml.info().link, &toml.info().input_names)
        );
    }
}

#[test]
fn what_is_left_out_is_an_identity_without_intercept() {
    let model = read_linear("coefficients = { b = 2, a = -1.5 }").unwrap();
    assert_eq!(model.info().link, Link::Identity);
    assert_eq!(model.info().input_names, ["a", "b"]);
    assert!(model.info().output_names.is_empty());
    assert_eq!(model.coefficients(0), [-1.5, 2.0]);
    assert_eq!(model.intercepts(), [0.0]);
}

#[test]
fn refusals_name_the_key() {
    let cases = [
        ("", "coefficients is missing"),
        ("{}", "coefficients is missing"),
        ("coefficients = {}", "coefficients is empty"),
        ("outputs = []", "outputs is empty"),
        (r#"{"coefficients": {"age": "much"}}"#, "coefficients.age: invalid type: string \"much\""),
        ("[coefficients]\nage = true", "coefficients.age"),
        (r#"{"coefficients": {"age": 1, "age": 2}}"#, "coefficients.age is there twice"),
        ("coefficients = { age = nan }", "coefficients.age is not finite"),
        ("intercept = inf\ncoefficients = { age = 1 }", "intercept is not finite"),
        (
            "link = 'probit'\ncoefficients = { age = 1 }",
            "unknown variant `probit`, expected one of `identity`",
        ),
        ("link = 'softmax'\ncoefficients = { age = 1 }", "softmax is of two outputs or more"),
        ("intercepts = 1\ncoefficients = { age = 1 }", "unknown field `intercepts`"),
        ("coefficients = { a = 1 }\noutputs = []", "coefficients stands beside outputs"),
        (
            "intercept = 1\noutputs = [{ name = 'x', coefficients = { a = 1 } }]",
            "intercept stands beside outputs",
        ),
        ("outputs = [{ coefficients = { a = 1 } }]", "missing field `name`"),
        ("outputs = [{ name = 'x', coefficients = {} }]", "outputs[0].coefficients is empty"),
        (
            "outputs = [{ name = 'x', coefficients = { a = 1 } }, { name = 'y', coefficients = { b = 1 } }]",
            "outputs[1].coefficients.a is missing; outputs[0] has it",
        ),
        (
            "outputs = [{ name = 'x', coefficients = { a = 1 } }, { name = 'y', coefficients = { a = 1, b = 1 } }]",
            "outputs[1].coefficients.b is unknown to outputs[0]",
        ),
        (
            "outputs = [{ name = 'x', coefficients = { a = 1 } }, { name = 'x', coefficients = { a = 1 } }]",
            "outputs[1].name: 'x' is the name of another output",
        ),
    ];
    for (text, message) in cases {
        let refusal = refusal(text);
        assert!(refusal.starts_with("coefficients: "), "{refusal}");
        assert!(refusal.contains(message), "{text}\n{refusal}");
    }
}

proptest! {
    #[test]
    fn any_text_gives_an_answer(text in "\\PC{0,80}") {
        let _ = read_linear(&text);
    }

    #[test]
    fn a_broken_file_gives_an_answer(at in 0_usize..200, with in any::<char>()) {
        for Fitted { file, .. } in oracle().models.into_iter().take(2) {
            for text in [file.to_string(), toml::to_string(&file).unwrap()] {
                let mut characters: Vec<char> = text.chars().collect();
                let place = at % characters.len();
                characters[place] = with;
                let _ = read_linear(&characters.into_iter().collect::<String>());
            }
        }
    }
}

#[test]
fn nesting_without_end_is_an_error() {
    for open in ["[", "{\"a\":", "{\"coefficients\":{\"a\":["] {
        refusal(&open.repeat(100_000));
        refusal(&format!("{{{}", open.repeat(100_000)));
    }
    refusal(&format!("a = {}", "[".repeat(100_000)));
    refusal(&format!("{}a = 1", "a.".repeat(100_000)));
}
