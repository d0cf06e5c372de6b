//! From cells to inputs, and back to features.

use driftline::{
    explain::{InputMap, InputSchema, MOST_INPUTS, Unusable},
    model::Link,
    profile::Cell,
};
use proptest::prelude::*;

use crate::world::{NAMES, SCHEMA, cells, guests, info, inputs_of, reference};

fn map(schema: &str, names: &[&str]) -> Result<InputMap, String> {
    let schema = InputSchema::parse(schema).map_err(|errors| errors.to_string())?;
    let reference = reference(300, |_| 0.5);
    InputMap::from_schema(&schema, &info(names, 1, Link::Identity), &reference)
        .map_err(|errors| errors.to_string())
}

fn encoded(schema: &str, names: &[&str], row: &[Cell]) -> Result<Vec<f64>, Unusable> {
    let mut out = Vec::new();
    map(schema, names).unwrap().encode(row, &mut out)?;
    Ok(out)
}

#[test]
fn inputs_are_what_the_schema_says_of_each_value() {
    let reference = reference(300, |_| 0.5);
    let schema = InputSchema::parse(SCHEMA).unwrap();
    let map = InputMap::from_schema(&schema, &info(&NAMES, 1, Link::Identity), &reference).unwrap();
    for guest in guests(50, 9) {
        let mut out = vec![-1.0];
        map.encode(&cells(&reference, guest, 0.0), &mut out).unwrap();
        assert_eq!(out[1..], inputs_of(guest));
    }
    assert_eq!(map.features().collect::<Vec<_>>(), ["age", "income", "meal", "member"]);
    assert_eq!(map.groups(), [vec![0], vec![1], vec![2, 3], vec![4]]);
    assert_eq!(map.varying(), 5);
}

#[test]
fn the_models_own_order_of_inputs_counts() {
    let names = ["meal_HB", "member", "age", "meal_BB", "income"];
    let reference = reference(300, |_| 0.5);
    let row = cells(&reference, (31.0, 65_000.0, Some("HB"), true), 0.0);
    assert_eq!(encoded(SCHEMA, &names, &row), Ok(vec![1.0, 1.0, 31.0, 0.0, 1.0]));
    // Without names the schema's order does.
    let map = map(SCHEMA, &[]).unwrap_err();
    assert!(map.contains("there are 5, and the model takes 0"), "{map}");
}

#[test]
fn missing_and_unknown_values_are_filled_before_scaling() {
    let schema = r#"
[[inputs]]
feature = "age"
missing = 40
subtract = 30.0
divide = 5
[[inputs]]
feature = "meal"
values = { BB = 0.25, HB = 0.5 }
unknown = 0.125
missing = -1
[[inputs]]
name = "one"
constant = 1
[[inputs]]
feature = "income"
"#;
    let names = ["age", "meal", "one", "income"];
    let reference = reference(300, |_| 0.5);
    let row = |meal| {
        let mut row = cells(&reference, (0.0, 0.0, meal, false), 0.0);
        row[0] = Cell::number(f64::NAN);
        row[1] = Cell::number(f64::INFINITY);
        row
    };
    let encoded = |meal| encoded(schema, &names, &row(meal)).unwrap();
    assert_eq!(encoded(None), [2.0, -1.0, 1.0, f64::INFINITY]);
    assert_eq!(encoded(Some("HB")), [2.0, 0.5, 1.0, f64::INFINITY]);
    // In the reference and not in the schema, and in neither.
    assert_eq!(encoded(Some("SC"))[1], 0.125);
    assert_eq!(encoded(Some("never seen"))[1], 0.125);
}

#[test]
fn a_missing_number_is_missing_unless_it_is_filled() {
    let reference = reference(300, |_| 0.5);
    let mut row = cells(&reference, (30.0, 0.0, None, false), 0.0);
    row[0] = Cell::MISSING;
    let out = encoded(SCHEMA, &NAMES, &row).unwrap();
    assert!(out[0].is_nan());
    assert_eq!(out[2..4], [0.0, 0.0]);
}

#[test]
fn rows_that_can_not_be_encoded_say_why_and_add_nothing() {
    let reference = reference(300, |_| 0.5);
    let map = map(SCHEMA, &NAMES).unwrap();
    let whole = cells(&reference, (30.0, 0.0, None, false), 0.0);
    let with = |place: usize, cell| {
        let mut row = whole.clone();
        row[place] = cell;
        let mut out = vec![1.0];
        let said = map.encode(&row, &mut out);
        assert_eq!(out == [1.0], said.is_err());
        said
    };
    assert_eq!(with(1, Cell::ABSENT), Err(Unusable::Partial));
    assert_eq!(with(1, Cell::WRONG_TYPE), Err(Unusable::WrongType));
    assert_eq!(with(1, Cell::category(0)), Err(Unusable::WrongType));
    assert_eq!(with(2, Cell::number(3.0)), Err(Unusable::WrongType));
    assert_eq!(with(3, Cell::category(77)), Err(Unusable::UnknownCategory));
    // What no input uses does not matter.
    assert_eq!(with(4, Cell::ABSENT), Ok(()));
    assert_eq!(map.encode(&whole[..3], &mut Vec::new()), Err(Unusable::Partial));
}

#[test]
fn numbers_can_be_categories() {
    let schema = "[[inputs]]\nfeature = \"noise\"\none_hot = [\"0\", \"3\"]\n\
                  [[inputs]]\nfeature = \"age\"\nvalues = { 30 = 7, \"31.5\" = 8 }";
    let reference = reference(300, |_| 0.5);
    let names = ["noise_0", "noise_3", "age"];
    let of = |age: f64| {
        let mut row = cells(&reference, (age, 0.0, None, false), 0.0);
        row[4] = Cell::number(-0.0);
        encoded(schema, &names, &row)
    };
    assert_eq!(of(30.0), Ok(vec![1.0, 0.0, 7.0]));
    assert_eq!(of(31.5), Ok(vec![1.0, 0.0, 8.0]));
    assert_eq!(of(32.0), Err(Unusable::UnknownCategory));
}

#[test]
fn texts_are_given_by_their_index() {
    let schema =
        "[[inputs]]\nfeature = \"meal\"\ntext = true\nunknown = \"?\"\n[[inputs]]\nfeature = \"age\"";
    let reference = reference(300, |_| 0.5);
    let map = map(schema, &["meal", "age"]).unwrap();
    let texts = map.texts(0).unwrap();
    let text = |meal| {
        let mut out = Vec::new();
        map.encode(&cells(&reference, (30.0, 0.0, meal, false), 0.0), &mut out).unwrap();
        (!out[0].is_nan()).then(|| texts[out[0] as usize].clone())
    };
    for meal in ["BB", "HB", "SC"] {
        assert_eq!(text(Some(meal)).as_deref(), Some(meal));
    }
    assert_eq!(text(Some("unheard of")).as_deref(), Some("?"));
    assert_eq!(text(None), None);
    assert_eq!(map.texts(1), None);
    assert_eq!(map.texts(2), None);
}

#[test]
fn attributions_of_a_features_inputs_are_added_up() {
    let map = map(SCHEMA, &NAMES).unwrap();
    let mut out = vec![9.0];
    map.fold(&[1.0, 2.0, 3.0, 4.0, 5.0], &mut out);
    assert_eq!(out, [1.0, 2.0, 7.0, 5.0]);
}

#[test]
fn without_a_schema_names_decide() {
    let reference = reference(300, |_| 0.5);
    let by_name = |names: &[&str], inputs: usize| {
        let mut info = info(names, 1, Link::Identity);
        info.inputs = inputs;
        InputMap::by_name(&info, &reference).map_err(|errors| errors.to_string())
    };
    let map = by_name(&["member", "age"], 2).unwrap();
    let mut out = Vec::new();
    map.encode(&cells(&reference, (30.0, 0.0, None, true), 0.0), &mut out).unwrap();
    assert_eq!(out, [1.0, 30.0]);
    let error = by_name(&["age", "meal"], 2).unwrap_err();
    assert!(error.contains("input \"meal\": feature \"meal\" is categorical"), "{error}");
    assert!(error.contains("one_hot") && error.contains("\"BB\" = 0"), "{error}");
    let error = by_name(&["f0"], 1).unwrap_err();
    assert!(error.contains("no feature \"f0\"") && error.contains("\"age\", \"income\""), "{error}");
    // Five features, one of them categorical.
    // The order of training is not known, though the numbers are the same.
    assert!(by_name(&[], 5).unwrap_err().contains("does not name its 5 inputs"));
}

#[test]
fn whatever_a_schema_leaves_open_is_an_error_with_its_place() {
    let of = |inputs: &str| map(inputs, &NAMES).unwrap_err();
    for (schema, told) in [
        ("", "inputs: there are none"),
        ("inputs = 3", "inputs: there are none"),
        ("input = []", "input: there is no such key"),
        ("[[inputs]]\nfeature = \"age\"\nfeature = \"b\"", "line 3: duplicate key"),
        ("[[inputs]]\ncolour = \"age\"", "inputs[0]: unknown field `colour`"),
        ("[[inputs]]\nsubtract = 1", "inputs[0].feature: it is not there"),
        ("[[inputs]]\nfeature = \"age\"\ndivide = 0", "inputs[0].divide:"),
        ("[[inputs]]\nfeature = \"age\"\nsubtract = nan", "inputs[0].divide:"),
        ("[[inputs]]\nfeature = \"age\"\nmissing = \"none\"", "inputs[0].missing: it is no number"),
        ("[[inputs]]\nfeature = \"age\"\nunknown = 1", "inputs[0].unknown:"),
        ("[[inputs]]\nfeature = \"meal\"\ntext = true\nvalues = { A = 1 }", "several encodings"),
        ("[[inputs]]\nfeature = \"meal\"\nvalues = { A = \"x\" }", "inputs[0].values.A: it is no number"),
        ("[[inputs]]\nfeature = \"meal\"\nvalues = { 1.5 = 2 }", "quotes around a category with a dot"),
        ("[[inputs]]\nfeature = \"meal\"\nvalues = {}", "inputs[0].values: there are none"),
        ("[[inputs]]\nfeature = \"meal\"\none_hot = []", "inputs[0].one_hot:"),
        ("[[inputs]]\nfeature = \"meal\"\none_hot = [\"A\", 1]", "inputs[0].one_hot:"),
        ("[[inputs]]\nfeature = \"meal\"\nname = \"m\"\none_hot = [\"A\", \"B\"]", "inputs[0].name:"),
        ("[[inputs]]\nfeature = \"meal\"\ntext = true\ndivide = 2.0", "inputs[0].text:"),
        ("[[inputs]]\nconstant = 1", "a constant"),
        ("[[inputs]]\nname = \"x\"\nconstant = inf", "inputs[0].constant:"),
        ("[[inputs]]\nname = \"\"", "inputs[0].name:"),
        (&format!("{SCHEMA}[[inputs]]\nfeature = \"age\""), "inputs[4]: there is another input \"age\""),
        (&SCHEMA.replace("\"member\"", "\"noise\""), "the model's input \"member\" is not declared"),
        (&SCHEMA.replace("\"member\"", "\"noise\""), "inputs[3]: the model has no input \"noise\""),
        (
            &SCHEMA.replace("feature = \"age\"", "name = \"age\"\nfeature = \"height\""),
            "inputs[0]: the reference has no feature \"height\"",
        ),
        (&SCHEMA.replace("one_hot = [\"BB\", \"HB\"]", ""), "inputs: there are 4, and the model takes 5"),
    ] {
        let error = of(schema);
        assert!(error.contains(told), "{schema}\ngives\n{error}\nand not\n{told}");
    }
}

#[test]
fn a_category_that_the_reference_does_not_name_is_noted() {
    let schema = SCHEMA.replace("\"HB\"]", "\"FB\"]");
    let names = ["age", "income", "meal_BB", "meal_FB", "member"];
    let map = map(&schema, &names).unwrap();
    assert_eq!(map.notes().len(), 1);
    assert!(map.notes()[0].contains("\"FB\""), "{:?}", map.notes());
}

#[test]
fn a_schema_can_not_ask_for_more_than_has_room() {
    for depth in ["[", "{a=", "a.", "[["] {
        assert!(InputSchema::parse(&format!("inputs = {}", depth.repeat(200_000))).is_err());
        assert!(InputSchema::parse(&depth.repeat(200_000)).is_err());
    }
    let list = vec!["\"A\""; 2 * MOST_INPUTS].join(",");
    let schema = format!("[[inputs]]\nfeature = \"meal\"\none_hot = [{list}]\n");
    let errors = InputSchema::parse(&schema.repeat(3)).unwrap_err().to_string();
    assert!(errors.contains("more than 16384"), "{errors}");
}

proptest! {
    /// Any text is a schema or an error, and says so without panic.
    #[test]
    fn any_text_is_read(text in "\\PC{0,200}") {
        let _ = InputSchema::parse(&text).map_err(|errors| errors.to_string());
    }

    /// Also text that is nearly a schema.
    #[test]
    fn any_keys_are_read(
        lines in proptest::collection::vec(
            (
                prop_oneof!["name", "feature", "subtract", "divide", "missing", "unknown", "one_hot", "values", "text", "constant"],
                prop_oneof!["-?[0-9]{1,20}", "nan", "true", "\"[a-z{}]{0,3}\"", "\\[\"a\", \"b\"\\]", "\\{ a = 1 \\}"],
            ),
            0..6,
        )
    ) {
        let lines: Vec<String> = lines.iter().map(|(key, value)| format!("{key} = {value}")).collect();
        if let Ok(schema) = InputSchema::parse(&format!("[[inputs]]\n{}", lines.join("\n"))) {
            let reference = reference(60, |_| 0.5);
            let _ = InputMap::from_schema(&schema, &info(&["a"], 1, Link::Identity), &reference);
        }
    }
}
