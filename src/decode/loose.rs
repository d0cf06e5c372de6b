//! Values without a schema: how a model's rows are read while its reference
//! is being learned and the columns are not known yet.

use std::borrow::Cow;

use super::{
    escape::unescape,
    scanner::{Scanner, ValueStart},
};

/// A value as the event gives it.
#[derive(Debug, Clone, PartialEq)]
pub enum LooseValue<'m> {
    /// Null.
    Missing,
    /// A number, NaN and infinities included.
    Number(f64),
    /// A string.
    Text(Cow<'m, str>),
    /// A boolean.
    Bool(bool),
    /// An object or array, which no column can hold.
    Nested,
}

/// The members of a features object, in its order.
///
/// `None` when it is not a well-formed object; the decoder has checked that
/// for every envelope that it gives out.
#[must_use]
pub fn loose_features(features: &[u8]) -> Option<Vec<(Cow<'_, str>, LooseValue<'_>)>> {
    raw_members(features)?.into_iter().map(|(name, raw)| Some((name, loose_value(raw)?))).collect()
}

/// The members of an object that is all of `object`, each with its value as it
/// stands there; `None` when it is not a well-formed object.
#[must_use]
pub fn raw_members(object: &[u8]) -> Option<Vec<(Cow<'_, str>, &[u8])>> {
    let mut members = Vec::new();
    let mut scanner = Scanner::new(object);
    let whole = scanner;
    scanner.object(|inner, key| {
        let start = inner.position();
        inner.skip_value()?;
        let name = if key.escaped {
            Cow::Owned(unescape(key.bytes))
        } else {
            Cow::Borrowed(std::str::from_utf8(key.bytes).ok()?)
        };
        members.push((name, whole.slice(start, inner.position())));
        Some(())
    })?;
    scanner.at_end().then_some(members)
}

/// A single JSON value; `None` when it is malformed.
#[must_use]
pub fn loose_value(raw: &[u8]) -> Option<LooseValue<'_>> {
    let mut scanner = Scanner::new(raw);
    Some(match scanner.value_start()? {
        ValueStart::Null => LooseValue::Missing,
        ValueStart::Number => LooseValue::Number(scanner.number()?),
        ValueStart::True => LooseValue::Bool(true),
        ValueStart::False => LooseValue::Bool(false),
        ValueStart::String => {
            let string = scanner.string()?;
            LooseValue::Text(if string.escaped {
                Cow::Owned(unescape(string.bytes))
            } else {
                Cow::Borrowed(std::str::from_utf8(string.bytes).ok()?)
            })
        }
        ValueStart::Object | ValueStart::Array => LooseValue::Nested,
    })
}
