//! Events of a made-up credit model, each a function of its number alone, and
//! a reference for them.

use std::{collections::BTreeMap, path::Path};

use driftline::{
    pipeline::store_reference,
    reference::{BuilderSettings, ColumnRole, ReferenceBuilder, Value},
};

pub const MODEL: &str = "credit";
const COLORS: [&str; 3] = ["red", "green", "blue"];

/// The event with this number, at `time` in milliseconds. From number 2,000 on
/// the amounts are twice as large.
pub fn event(number: u32, time: i64) -> String {
    let (amount, color, score) = values(number);
    let version = if number.is_multiple_of(3) { "v2" } else { "v1" };
    format!(
        r#"{{"kind":"prediction","id":"e{number}","time":{time},"model":"{MODEL}","version":"{version}","features":{{"amount":{amount},"color":"{color}"}},"prediction":{score}}}"#
    )
}

fn values(number: u32) -> (f64, &'static str, f64) {
    let spread = number.wrapping_mul(2_654_435_761) >> 16;
    let amount = f64::from(spread % 997) / 8.0 * if number < 2_000 { 1.0 } else { 2.0 };
    let color = COLORS.into_iter().cycle().nth(spread as usize % 7).unwrap_or("red");
    (amount, color, f64::from(spread % 101) / 100.0)
}

/// Stores a reference of the first 1,000 events in `path`.
pub fn store(path: &Path) {
    store_for(MODEL, 0..1_000, path);
}

/// The same with a sample of its rows, so that events can be explained.
pub fn store_sampled(path: &Path) {
    let settings = BuilderSettings { sample_rows: 300, ..BuilderSettings::from(10) };
    store_with(settings, MODEL, 0..1_000, path);
}

/// Stores a reference of these events for a model in `path`.
pub fn store_for(model: &str, numbers: std::ops::Range<u32>, path: &Path) {
    store_with(BuilderSettings::from(10), model, numbers, path);
}

fn store_with(settings: BuilderSettings, model: &str, numbers: std::ops::Range<u32>, path: &Path) {
    let mut builder = ReferenceBuilder::new(model, &BTreeMap::new(), settings);
    for number in numbers {
        let (amount, color, score) = values(number);
        builder.push_row([
            ("amount", ColumnRole::Feature, Value::Number(amount)),
            ("color", ColumnRole::Feature, Value::Text(color)),
            ("prediction", ColumnRole::Prediction, Value::Number(score)),
        ]);
    }
    let (reference, _) = builder.finish("made up".to_owned()).expect("there are rows");
    store_reference(path, &reference).expect("stored");
}
