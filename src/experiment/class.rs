//! What labels and predicted classes are compared by.
//!
//! Why: one system says `1`, another `"1"` or `true`, and all of them mean the same
//! class. Numbers are compared as numbers, and words by a hash, so that millions of them
//! can wait for each other.

use serde::{Deserialize, Serialize};

use super::values::number;
use crate::{decode::LooseValue, profile::row_hash};

/// A label, a predicted class, or what a rate counts.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub enum Class {
    /// A finite number, or text that is one; a truth value, or its word, is 0 or 1.
    Number(f64),
    /// The hash of another word.
    Word(u64),
}

impl From<&str> for Class {
    fn from(text: &str) -> Self {
        if text.eq_ignore_ascii_case("true") || text.eq_ignore_ascii_case("false") {
            return Self::Number(f64::from(u8::from(text.eq_ignore_ascii_case("true"))));
        }
        match text.trim().parse() {
            Ok(number) => Self::of_number(number).unwrap_or_else(|| Self::of_word(text)),
            Err(_) => Self::of_word(text),
        }
    }
}

impl Class {
    /// What is no class is none: null, objects, lists, and numbers without end.
    pub(super) fn of(value: &LooseValue<'_>) -> Option<Self> {
        match value {
            LooseValue::Text(text) => Some(Self::from(text.as_ref())),
            value => Self::of_number(number(value)?),
        }
    }

    /// As a number, where it is one.
    pub(super) fn number(self) -> Option<f64> {
        match self {
            Self::Number(number) => Some(number),
            Self::Word(_) => None,
        }
    }

    /// What it says where only 0 and 1 are truth values.
    pub(super) fn truth(self) -> Option<bool> {
        [(Self::Number(0.0), false), (Self::Number(1.0), true)]
            .into_iter()
            .find_map(|(class, truth)| (class == self).then_some(truth))
    }

    fn of_number(number: f64) -> Option<Self> {
        // 0 and -0 are the same class.
        number.is_finite().then_some(Self::Number(number + 0.0))
    }

    fn of_word(text: &str) -> Self {
        Self::Word(row_hash(text.as_bytes()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_means_the_same_class_is_equal_and_nothing_else() {
        let text = |text: &'static str| LooseValue::Text(text.into());
        let same = [
            vec![LooseValue::Number(1.0), LooseValue::Bool(true), text("1"), text(" 1.0 "), text("True")],
            vec![
                LooseValue::Number(0.0),
                LooseValue::Number(-0.0),
                LooseValue::Bool(false),
                text("-0"),
                text("false"),
            ],
            vec![text("fraud")],
            vec![text("Fraud")],
            vec![text("NaN")],
            vec![text("inf")],
            vec![text("")],
        ];
        for (place, group) in same.iter().enumerate() {
            for (other_place, other) in same.iter().enumerate() {
                for one in group {
                    let is_same = |two: &LooseValue<'_>| Class::of(one) == Class::of(two);
                    assert!(other.iter().all(|two| is_same(two) == (place == other_place)), "{one:?}");
                }
            }
        }
        for none in [LooseValue::Missing, LooseValue::Nested, LooseValue::Number(f64::NAN)] {
            assert_eq!(Class::of(&none), None);
        }
    }
}
