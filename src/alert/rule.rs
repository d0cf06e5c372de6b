//! What a rule is, and what it makes of one row.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{condition::Condition, expression::Expression, selector::Selector, template::Template};
use crate::result::{
    Verdict,
    schema::{Row, Value},
};

/// Labels or annotations of an alert, by name.
pub type Labels = BTreeMap<String, String>;

/// How much an alert matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Worth knowing.
    Info,
    /// Worth a look within the day.
    Warning,
    /// Worth waking someone.
    Critical,
}

impl Severity {
    /// Every severity, in ascending order.
    pub const ALL: [Self; 3] = [Self::Info, Self::Warning, Self::Critical];

    /// The word in the configuration and in labels.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Critical => "critical",
        }
    }
}

/// What a window without data does to an alert.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum NoData {
    /// It stays as it is.
    Keep,
    /// It counts as a window in which the condition does not hold.
    Resolve,
    /// It counts as a window in which the condition holds.
    Fire,
}

/// What is held against a row.
#[derive(Debug, Clone, PartialEq)]
pub enum Test {
    /// One field against a condition; without `clear`, an alert resolves where
    /// `raise` does not hold.
    Field {
        /// The field's name.
        name: String,
        /// Raises an alert.
        raise: Condition,
        /// Resolves it.
        clear: Option<Condition>,
    },
    /// An expression over all tags and fields of the row.
    Expression {
        /// Raises an alert.
        raise: Expression,
        /// Resolves it.
        clear: Option<Expression>,
    },
}

/// A rule: from rows to alerts.
#[derive(Debug, Clone, PartialEq)]
pub struct Rule {
    /// Its name, unique; the label `alertname`.
    pub name: String,
    /// The measurement whose rows it looks at, as docs/results.md names them,
    /// or one of [`super::vitals`].
    pub measurement: String,
    /// What is held against a row.
    pub test: Test,
    /// Which rows, by tag; a row without the tag is not selected.
    pub selectors: Vec<(String, Selector)>,
    /// Windows in a row in which the condition must hold before it fires.
    pub raise_after: u32,
    /// Windows in a row in which it must not hold before it resolves.
    pub resolve_after: u32,
    /// Of a counter of the daemon: the field is how much it grew in so many
    /// milliseconds.
    pub increase_over_ms: Option<i64>,
    /// How much it matters.
    pub severity: Severity,
    /// Further labels.
    pub labels: Labels,
    /// The title of its alerts.
    pub summary: Option<Template>,
    /// What else is to be said.
    pub description: Option<Template>,
    /// Further annotations.
    pub annotations: BTreeMap<String, Template>,
    /// What a window without data does.
    pub no_data: NoData,
    /// Its alerts are not told while one of these rules fires for the model.
    pub inhibited_by: Vec<String>,
    /// Names of the times in which its alerts are not told.
    pub mute: Vec<String>,
}

/// What a window says to a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// The condition holds.
    Breach,
    /// Neither it nor the one that resolves holds.
    Between,
    /// The condition that resolves holds.
    Clear,
    /// There is nothing in the window.
    NoData,
    /// There is too little in it to tell.
    Insufficient,
}

impl Rule {
    /// Whether the rule is about this row.
    #[must_use]
    pub fn selects(&self, row: &Row<'_>) -> bool {
        row.measurement == self.measurement
            && self
                .selectors
                .iter()
                .all(|(tag, selector)| row.tag(tag).is_some_and(|value| selector.selects(value)))
    }

    /// What a row says; `None` when the rule does not apply to it, such as KS to
    /// a categorical feature.
    #[must_use]
    pub fn outcome(&self, row: &Row<'_>) -> Option<Outcome> {
        let is_insufficient =
            || row.value("verdict") == Some(Value::Text(Verdict::Insufficient.as_str().into()));
        let (raise, clear) = match &self.test {
            Test::Field { name, raise, clear } => {
                let Some(value) = row.value(name) else {
                    return is_insufficient().then_some(Outcome::Insufficient);
                };
                if matches!(&value, Value::Text(word) if word == Verdict::Insufficient.as_str()) {
                    return Some(Outcome::Insufficient);
                }
                (raise.holds(&value), clear.as_ref().map(|clear| clear.holds(&value)))
            }
            Test::Expression { raise, clear } => {
                (raise.holds(row), clear.as_ref().map(|clear| clear.holds(row)))
            }
        };
        match (raise, clear) {
            (Some(true), _) => Some(Outcome::Breach),
            (Some(false), None | Some(Some(true))) => Some(Outcome::Clear),
            (Some(false), Some(_)) => Some(Outcome::Between),
            (None, _) => is_insufficient().then_some(Outcome::Insufficient),
        }
    }

    /// The condition as it was written.
    #[must_use]
    pub fn condition(&self) -> String {
        match &self.test {
            Test::Field { name, raise, .. } => format!("{}.{name} {raise}", self.measurement),
            Test::Expression { raise, .. } => format!("{}: {}", self.measurement, raise.source()),
        }
    }
}
