//! What a person is told about a breach.

use std::collections::BTreeMap;

use minijinja::Value as Filled;
use serde::{Deserialize, Serialize};

use super::{
    notification::{DESCRIPTION, SUMMARY, VALUE},
    observed::Observed,
    rule::{Labels, Rule, Test},
};
use crate::{
    event::EventTime,
    result::{
        BinShare, Decision, Verdict,
        schema::{
            ALL_ROWS, Row, TAG_ARM, TAG_EXPERIMENT, TAG_FEATURE, TAG_METRIC, TAG_MODEL, TAG_SEGMENT, Value,
        },
    },
};

/// One verdict outweighs any effect below it.
const PER_VERDICT: f64 = 1e6;

/// What was so in the window in which a condition held.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Facts {
    /// Start and end of the window; `None` of the daemon itself.
    pub(super) window: Option<(EventTime, EventTime)>,
    /// The texts.
    pub(super) annotations: Labels,
    /// How much it weighs beside other alerts.
    pub(super) weight: f64,
    /// The feature's distribution.
    pub(super) bins: Vec<BinShare>,
}

impl Facts {
    /// What `row` says, which breaches `rule`.
    pub(super) fn new(rule: &Rule, row: &Row<'_>, window: Option<&dyn Observed>) -> Self {
        let value = match &rule.test {
            Test::Field { name, .. } => row.value(name),
            Test::Expression { .. } => None,
        };
        let value_text = value.as_ref().map(text).unwrap_or_default();
        let mut context: BTreeMap<&str, Filled> =
            row.tags.iter().map(|(name, value)| (*name, Filled::from(*value))).collect();
        context.extend(row.fields().filter_map(|(name, value)| Some((name, filled(value?)))));
        // Rows of checks have a field of this name.
        if let Some(value) = value {
            context.entry(VALUE).or_insert_with(|| filled(value));
        }
        let condition = rule.condition();
        context.extend([
            ("rule", Filled::from(rule.name.as_str())),
            ("severity", Filled::from(rule.severity.as_str())),
            ("condition", Filled::from(condition.as_str())),
        ]);
        if let Some((start, end)) = window.map(Observed::times) {
            context.insert("start", Filled::from(start.to_string()));
            context.insert("end", Filled::from(end.to_string()));
        }
        let summary = rule
            .summary
            .as_ref()
            .map_or_else(|| plain_summary(rule, row, &value_text), |template| template.render(&context));
        let mut annotations = Labels::from([(SUMMARY.to_owned(), summary)]);
        if !value_text.is_empty() {
            annotations.insert(VALUE.to_owned(), value_text);
        }
        if let Some(template) = &rule.description {
            annotations.insert(DESCRIPTION.to_owned(), template.render(&context));
        }
        let more = rule.annotations.iter();
        annotations.extend(more.map(|(name, template)| (name.clone(), template.render(&context))));
        Self {
            window: window.map(Observed::times),
            annotations,
            weight: weight(row),
            bins: window.map(|window| window.bins(row).to_vec()).unwrap_or_default(),
        }
    }
}

/// What is said without a template.
fn plain_summary(rule: &Rule, row: &Row<'_>, value: &str) -> String {
    let about: Vec<&str> = [TAG_MODEL, TAG_EXPERIMENT, TAG_ARM, TAG_METRIC, TAG_FEATURE, TAG_SEGMENT]
        .into_iter()
        .filter_map(|tag| row.tag(tag))
        .filter(|value| *value != ALL_ROWS)
        .collect();
    let about = if about.is_empty() { row.measurement.to_owned() } else { about.join(", ") };
    let is = if value.is_empty() { String::new() } else { format!(" is {value}") };
    format!("{about}: {}{is} ({})", rule.name, rule.condition())
}

fn filled(value: Value<'_>) -> Filled {
    match value {
        Value::Float(number) => Filled::from(number),
        Value::Integer(count) => Filled::from(count),
        Value::Text(text) => Filled::from(text.into_owned()),
    }
}

/// A value for people.
fn text(value: &Value<'_>) -> String {
    match value {
        Value::Float(number) if *number != 0.0 && number.abs() < 1e-3 => format!("{number:.2e}"),
        Value::Float(number) => {
            let text = format!("{number:.4}");
            text.trim_end_matches('0').trim_end_matches('.').to_owned()
        }
        Value::Integer(count) => count.to_string(),
        Value::Text(text) => text.to_string(),
    }
}

/// By its verdict, then its effect. A rollback is more than a drift: something is
/// to be done at once.
fn weight(row: &Row<'_>) -> f64 {
    let verdict = match row.value("verdict") {
        Some(Value::Text(word)) if word == Decision::Rollback.as_str() => Some(Verdict::ALL.len()),
        Some(Value::Text(word)) => Verdict::ALL.into_iter().position(|verdict| verdict.as_str() == word),
        _ => None,
    };
    let effect = match row.value("effect") {
        Some(Value::Float(effect)) if effect.is_finite() => effect.abs().min(PER_VERDICT / 2.0),
        _ => 0.0,
    };
    [0.0, 1.0, 2.0, 3.0, 4.0].get(verdict.unwrap_or(0)).map_or(0.0, |level| level * PER_VERDICT) + effect
}
