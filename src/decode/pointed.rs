//! Single fields of a message, for those who ask for few of them.
//!
//! The envelope's fields are found in the one walk that every message takes; what an
//! experiment alone looks at is looked up here, in another walk over the whole object
//! for each, since of a key that is there twice the last value counts. Nothing is
//! allocated, except for strings and keys with escapes.

use std::borrow::Cow;

use super::{
    FieldSource, JsonPointer,
    escape::unescape,
    loose::{LooseValue, loose_value},
    scanner::{RawString, Scanner},
};
use crate::event::Message;

/// The value at `pointer` in a payload that is well-formed JSON, as it stands there;
/// `None` when there is none. A repeated key counts as its last value.
fn pointed<'m>(payload: &'m [u8], pointer: &JsonPointer) -> Option<&'m [u8]> {
    followed(payload, pointer.0.iter().map(String::as_str))
}

/// The member `name` of an object, likewise.
#[must_use]
pub fn member<'m>(object: &'m [u8], name: &str) -> Option<&'m [u8]> {
    followed(object, std::iter::once(name))
}

fn followed<'m, 't>(payload: &'m [u8], tokens: impl Iterator<Item = &'t str>) -> Option<&'m [u8]> {
    let whole = Scanner::new(payload);
    let mut scanner = whole;
    scanner.skip_space();
    for token in tokens {
        let mut found = None;
        match scanner.peek()? {
            b'{' => scanner.object(|inner, key| {
                if is_key(&key, token) {
                    found = Some(inner.position());
                }
                inner.skip_value()
            })?,
            b'[' => {
                let wanted: usize = token.parse().ok()?;
                scanner.array(|inner, index| {
                    if index == wanted {
                        found = Some(inner.position());
                    }
                    inner.skip_value()
                })?;
            }
            _ => return None,
        }
        scanner = Scanner::at(payload, found?);
    }
    let start = scanner.position();
    scanner.skip_value()?;
    Some(whole.slice(start, scanner.position()))
}

fn is_key(key: &RawString<'_>, token: &str) -> bool {
    if key.escaped { unescape(key.bytes) == token } else { key.bytes == token.as_bytes() }
}

/// The value of a field that `source` names, of a message of `topic`; `None` when it
/// has none, or is not UTF-8. What comes from outside the payload is text.
#[must_use]
pub fn field<'m>(message: &Message<'m>, topic: &'m str, source: &'m FieldSource) -> Option<LooseValue<'m>> {
    match source {
        FieldSource::Pointer(pointer) => loose_value(pointed(message.value?, pointer)?),
        outside => from_outside(message, topic, outside).map(|text| LooseValue::Text(text.into())),
    }
}

/// The same of a field that names something: text, or a number with its digits as they
/// stand there, as names of the envelope are read.
#[must_use]
pub fn name_field<'m>(
    message: &Message<'m>,
    topic: &'m str,
    source: &'m FieldSource,
) -> Option<Cow<'m, str>> {
    let FieldSource::Pointer(pointer) = source else {
        return from_outside(message, topic, source).map(Cow::Borrowed);
    };
    let raw = pointed(message.value?, pointer)?;
    match loose_value(raw)? {
        LooseValue::Text(text) => Some(text),
        LooseValue::Number(_) => std::str::from_utf8(raw).ok().map(Cow::Borrowed),
        LooseValue::Missing | LooseValue::Bool(_) | LooseValue::Nested => None,
    }
}

fn from_outside<'m>(message: &Message<'m>, topic: &'m str, source: &'m FieldSource) -> Option<&'m str> {
    let bytes = match source {
        FieldSource::Pointer(_) => return None,
        FieldSource::Header(name) => message.header(name.as_bytes())?,
        FieldSource::Key => message.key?,
        FieldSource::Topic => topic.as_bytes(),
        FieldSource::Constant(text) => text.as_bytes(),
    };
    std::str::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at<'m>(payload: &'m str, pointer: &str) -> Option<&'m str> {
        let pointer = JsonPointer::parse(pointer).expect("a pointer");
        pointed(payload.as_bytes(), &pointer).map(|raw| std::str::from_utf8(raw).expect("UTF-8"))
    }

    #[test]
    fn values_are_found_wherever_they_are() {
        let payload = r#" {"a": {"b/c": [1, {"d": "x"}], "n": null}, "a2": 7.5, "a2": 8} "#;
        assert_eq!(at(payload, "/a/b~1c/1/d"), Some("\"x\""));
        assert_eq!(at(payload, "/a/b~1c/0"), Some("1"));
        assert_eq!(at(payload, "/a2"), Some("8"), "the last one counts");
        assert_eq!(at(payload, "/a/n"), Some("null"));
        assert_eq!(at(r#"{"\u0061": 1}"#, "/a"), Some("1"));
        for missing in ["/b", "/a/b~1c/2", "/a/b~1c/x", "/a2/b", "/a/n/x"] {
            assert_eq!(at(payload, missing), None, "{missing}");
        }
    }
}
