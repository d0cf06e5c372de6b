//! What is taken from a model's reference: caps, and columns that explain a part.

use std::{collections::BTreeMap, sync::Arc};

use driftline::{
    config::Problem,
    experiment::Winsorise,
    pipeline::{Learning, ModelSpec, ReferenceSpec},
    reference::{ColumnRole, Reference, ReferenceBuilder, Value},
};

use crate::{GOAL, assert_told, experiment, fine, refused, settings};

/// A reference of `credit` with amounts from 0 to 999, balances from -499 to 500, a
/// column that is nearly always 0, and a category.
fn reference() -> Reference {
    let mut builder = ReferenceBuilder::new("credit", &BTreeMap::new(), 10);
    for index in 0..1_000_u32 {
        let (number, feature) = (f64::from(index), ColumnRole::Feature);
        let rare = if index == 7 { 1.0 } else { 0.0 };
        builder.push_row([
            ("amount", feature, Value::Number(number)),
            ("balance", feature, Value::Number(number - 499.0)),
            ("rare", feature, Value::Number(rare)),
            ("city", feature, Value::Text(["rome", "oslo"][index as usize % 2])),
            ("prediction", ColumnRole::Prediction, Value::Number(number / 1_000.0)),
        ]);
    }
    builder.finish("a test".to_owned()).unwrap().0
}

fn ready() -> Vec<ModelSpec> {
    let reference = ReferenceSpec::Ready { reference: Arc::new(reference()), covers_until: None };
    vec![ModelSpec::new("credit", reference)]
}

/// Whether a quantile is right but for the width of a bin, within which counts
/// know no values.
fn close(found: Option<f64>, expected: f64, bin: f64) -> bool {
    found.is_some_and(|found| (found - expected).abs() <= bin)
}

/// The caps that a metric gets from the reference.
fn frozen(text: &str) -> Result<(Option<f64>, Option<f64>), String> {
    let frozen = settings("", text).frozen_experiments(&ready());
    frozen.map(|experiments| experiments[0].metrics[0].caps).map_err(|error| error.to_string())
}

#[test]
fn caps_are_quantiles_of_the_reference() {
    let loaded = settings("", "of = \"prediction\"\nwinsorise = 0.99");
    let expected = Winsorise {
        experiment: "e".to_owned(),
        metric: "m".to_owned(),
        column: "prediction".to_owned(),
        quantile: 0.99,
    };
    assert_eq!(loaded.winsorised, [expected]);
    assert_eq!(loaded.experiments[0].metrics[0].caps, (None, None), "not before there is a reference");
    let (floor, cap) = frozen("of = \"prediction\"\nwinsorise = 0.99").unwrap();
    assert!(floor.is_none() && close(cap, 0.98901, 0.001), "{cap:?}");
    let (floor, cap) = frozen("field = \"/features/amount\"\nwinsorise = 0.9").unwrap();
    assert!(floor.is_none() && close(cap, 899.1, 1.0), "{cap:?}");
    let (floor, cap) = frozen("field = \"/features/amount\"\nwinsorise = 0.9\nfloor = 5").unwrap();
    assert!(floor == Some(5.0) && close(cap, 899.1, 1.0), "{floor:?}");
    // Negative values are capped on the other side too, but for a floor of its own.
    let (floor, cap) = frozen("field = \"/features/balance\"\nwinsorise = 0.9").unwrap();
    assert!(close(floor, 99.9 - 499.0, 1.0) && close(cap, 899.1 - 499.0, 1.0), "{floor:?} {cap:?}");
    let (floor, _) = frozen("field = \"/features/balance\"\nwinsorise = 0.9\nfloor = -5").unwrap();
    assert_eq!(floor, Some(-5.0));
}

#[test]
fn features_stand_where_events_have_them() {
    let text = experiment("", "field = \"/amount\"\nwinsorise = 0.9\n") + "[events]\nfeatures = \"\"\n";
    assert_eq!(fine(&text).settings.winsorised[0].column, "amount");
    let text = experiment("", "field = \"/in/put/amount\"\nwinsorise = 0.9\n")
        + "[events]\nfeatures = \"/in/put\"\n";
    assert_eq!(fine(&text).settings.winsorised[0].column, "amount");
}

#[test]
fn references_that_give_no_cap_are_told_with_what_to_do() {
    for (text, parts) in [
        (
            "field = \"/features/amont\"",
            ["has no column \"amont\"", "its numeric columns are amount, balance, rare"],
        ),
        ("field = \"/features/city\"", ["\"city\" is not numeric", "give cap"]),
        (
            "field = \"/features/rare\"",
            ["all values would be taken for 0, as 0 is the cap", "higher quantile"],
        ),
        ("field = \"/features/amount\"\nfloor = 950", ["taken for 950, as 89", "give cap"]),
    ] {
        let text = format!("{text}\nwinsorise = 0.9\n");
        let error = frozen(&text).unwrap_err();
        assert!(error.starts_with("experiment \"e\", metric \"m\", winsorise: "), "{error}");
        assert!(parts.iter().all(|part| error.contains(part)), "{error}\nlacks one of {parts:?}");
        // `validate` says the same with the line.
        let loaded = fine(&experiment("", &text));
        let reference = reference();
        let known = [("credit", Some(&reference))];
        let problems: Vec<Problem> =
            loaded.column_checks.iter().filter_map(|check| check.problem(&known)).collect();
        let line = 14 + text.lines().count();
        assert_told(&problems, line, &["metrics[0].winsorise: ", parts[0], parts[1]], &text);
    }
}

#[test]
fn a_reference_that_is_learned_comes_too_late_for_a_cap() {
    let text = experiment("", "of = \"prediction\"\nwinsorise = 0.99");
    let learned = text.replace("\"credit.json\"", "{ first_events = 10000 }");
    refused(&learned, 16, &["winsorise: the model's reference is learned", "`driftline reference` makes"]);
    let specs = [ModelSpec::new("credit", ReferenceSpec::Learn(Learning::FirstEvents(10_000)))];
    let error = fine(&text).settings.frozen_experiments(&specs).unwrap_err().to_string();
    assert!(error.contains("still to be learned; give cap in place of winsorise"), "{error}");
}

#[test]
fn covariates_are_columns_of_the_reference() {
    let reference = reference();
    let problems = |covariates: &str, reference: Option<&Reference>| -> Vec<Problem> {
        let loaded = fine(&experiment("", &format!("{GOAL}covariates = {covariates}")));
        let known = [("credit", reference)];
        loaded.column_checks.iter().filter_map(|check| check.problem(&known)).collect()
    };
    assert_eq!(problems("[\"amount\", \"balance\"]", Some(&reference)), []);
    let parts = [
        "covariates[1]: the reference of model \"credit\" has no column \"amont\"",
        "did you mean \"amount\"?",
    ];
    assert_told(&problems("[\"balance\", \"amont\"]", Some(&reference)), 17, &parts, "");
    let parts = ["\"city\" is not numeric", "covariates are numeric features"];
    assert_told(&problems("[\"city\"]", Some(&reference)), 17, &parts, "");
    assert_eq!(problems("[\"amont\"]", None), [], "a reference that can't be read is told as that");
}
