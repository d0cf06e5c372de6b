//! What a value is held against.

use std::{fmt, str::FromStr};

use crate::result::{Verdict, schema::Value};

/// What the forms of a condition are, for people.
const FORMS: &str = "a condition is a verdict (\"drifted\": at least that), a comparison (\">= 0.25\", \"< shifted\", \
                     \"== numeric\"), or a range (\"outside 0.2..0.8\", \"inside 0.2..0.8\")";

/// Something that holds of a value, or does not.
#[derive(Debug, Clone, PartialEq)]
pub struct Condition {
    test: Test,
    text: String,
}

#[derive(Debug, Clone, PartialEq)]
enum Test {
    Compare(Operator, Operand),
    Range { inside: bool, low: f64, high: f64 },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Operator {
    Less,
    AtMost,
    Equal,
    Unequal,
    AtLeast,
    Greater,
}

#[derive(Debug, Clone, PartialEq)]
enum Operand {
    Number(f64),
    Verdict(Verdict),
    Word(String),
}

/// Why a text is no condition.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ConditionError {
    message: String,
    /// What would be one.
    pub hint: &'static str,
}

/// What kind of values a field has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ValueKind {
    /// Numbers, counts and flags.
    Number,
    /// `insufficient`, `stable`, `shifted`, `drifted`.
    Verdict,
    /// Other words.
    Text,
}

impl Operator {
    const ALL: [(&'static str, Self); 6] = [
        ("<=", Self::AtMost),
        (">=", Self::AtLeast),
        ("==", Self::Equal),
        ("!=", Self::Unequal),
        ("<", Self::Less),
        (">", Self::Greater),
    ];

    fn holds<T: PartialOrd>(self, left: &T, right: &T) -> bool {
        match self {
            Self::Less => left < right,
            Self::AtMost => left <= right,
            Self::Equal => left == right,
            Self::Unequal => left != right,
            Self::AtLeast => left >= right,
            Self::Greater => left > right,
        }
    }
}

fn verdict(word: &str) -> Option<Verdict> {
    Verdict::ALL.into_iter().find(|verdict| verdict.as_str() == word)
}

fn number(text: &str) -> Option<f64> {
    text.parse().ok().filter(|number: &f64| number.is_finite())
}

impl FromStr for Condition {
    type Err = ConditionError;

    fn from_str(text: &str) -> Result<Self, ConditionError> {
        let error = |message: String| ConditionError { message, hint: FORMS };
        let trimmed = text.trim();
        let range = [("inside ", true), ("outside ", false)]
            .into_iter()
            .find_map(|(word, inside)| Some((inside, trimmed.strip_prefix(word)?)));
        let test = if let Some((inside, range)) = range {
            let bounds = range.split_once("..").and_then(|(low, high)| {
                Some((number(low.trim())?, number(high.trim())?)).filter(|(low, high)| low <= high)
            });
            let (low, high) = bounds
                .ok_or_else(|| error(format!("{range:?} is no range from a lower to a higher number")))?;
            Test::Range { inside, low, high }
        } else {
            let operator = Operator::ALL.into_iter().find_map(|(sign, operator)| {
                trimmed.strip_prefix(sign).map(|operand| (operator, operand.trim()))
            });
            let (operator, operand) = operator.unwrap_or((Operator::AtLeast, trimmed));
            let is_plain = trimmed == operand;
            let operand = match (number(operand), verdict(operand)) {
                (Some(_), _) if is_plain => return Err(error(format!("{trimmed:?} has no comparison"))),
                (Some(number), _) => Operand::Number(number),
                (None, Some(verdict)) => Operand::Verdict(verdict),
                (None, None) if operand.is_empty() => {
                    return Err(error(format!("{trimmed:?} compares with nothing")));
                }
                (None, None) if is_plain || !matches!(operator, Operator::Equal | Operator::Unequal) => {
                    return Err(error(format!("{operand:?} is neither a number nor a verdict")));
                }
                (None, None) => Operand::Word(operand.to_owned()),
            };
            Test::Compare(operator, operand)
        };
        Ok(Self { test, text: trimmed.to_owned() })
    }
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Condition {
    /// What kind of values it can be held against.
    #[must_use]
    pub fn kind(&self) -> ValueKind {
        match &self.test {
            Test::Range { .. } | Test::Compare(_, Operand::Number(_)) => ValueKind::Number,
            Test::Compare(_, Operand::Verdict(_)) => ValueKind::Verdict,
            Test::Compare(_, Operand::Word(_)) => ValueKind::Text,
        }
    }

    /// Whether it holds; `None` when the value is of another kind, or no number.
    #[must_use]
    pub fn holds(&self, value: &Value<'_>) -> Option<bool> {
        #[expect(clippy::cast_precision_loss, reason = "counts beyond 2^53 do not occur")]
        let number = match value {
            Value::Float(number) => Some(*number),
            Value::Integer(count) => Some(*count as f64),
            Value::Text(_) => None,
        };
        match (&self.test, value) {
            (Test::Range { inside, low, high }, _) => {
                let number = number.filter(|number| !number.is_nan())?;
                Some((*low..=*high).contains(&number) == *inside)
            }
            (Test::Compare(operator, Operand::Number(operand)), _) => {
                Some(operator.holds(&number.filter(|number| !number.is_nan())?, operand))
            }
            (Test::Compare(operator, Operand::Verdict(operand)), Value::Text(word)) => {
                Some(operator.holds(&verdict(word)?, operand))
            }
            (Test::Compare(operator, Operand::Word(operand)), Value::Text(word)) => {
                Some(operator.holds(&word.as_ref(), &operand.as_str()))
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn holds(condition: &str, value: &Value<'_>) -> Option<bool> {
        condition.parse::<Condition>().unwrap().holds(value)
    }

    #[test]
    fn numbers_verdicts_words_and_ranges_are_compared() {
        let float = Value::Float(0.25);
        for (condition, expected) in [
            (">= 0.25", true),
            ("> 0.25", false),
            ("<=0.25", true),
            ("< 0.25", false),
            ("== 0.25", true),
            ("!= 0.25", false),
            ("inside 0..0.25", true),
            ("outside 0.2..0.3", false),
            ("outside -1..0", true),
        ] {
            assert_eq!(holds(condition, &float), Some(expected), "{condition}");
        }
        assert_eq!(holds("> 2", &Value::Integer(3)), Some(true));
        let shifted = Value::Text("shifted".into());
        for (condition, expected) in
            [("shifted", true), ("drifted", false), ("< drifted", true), ("== stable", false)]
        {
            assert_eq!(holds(condition, &shifted), Some(expected), "{condition}");
        }
        assert_eq!(holds("== numeric", &Value::Text("numeric".into())), Some(true));
    }

    #[test]
    fn values_of_another_kind_are_not_compared() {
        assert_eq!(holds("> 1", &Value::Text("shifted".into())), None);
        assert_eq!(holds("drifted", &Value::Float(3.0)), None);
        assert_eq!(holds("< 1", &Value::Float(f64::NAN)), None);
        assert_eq!(holds("outside 0..1", &Value::Float(f64::NAN)), None);
    }

    #[test]
    fn what_is_no_condition_is_refused() {
        for text in ["", "0.25", ">", "> NaN", "drifting", "inside 2..1", "outside 1", "> word", ">= inf"] {
            assert!(text.parse::<Condition>().is_err(), "{text:?}");
        }
    }
}
