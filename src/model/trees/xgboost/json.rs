//! JSON, as XGBoost writes it.
//!
//! Why: XGBoost writes the thresholds of splits over categories, which have none,
//! as `NaN` up to 2.1, and other numbers that are none as `NaN` or `Infinity` in
//! any version. JSON has no such words, and serde's reader refuses them.
//!
//! Promises: outside of texts these words become `null`, and nothing else
//! changes; a reader that needs the number refuses it then.

use std::borrow::Cow;

/// The words, the longer one first where it has another at its end.
const WORDS: [&[u8]; 3] = [b"-Infinity", b"Infinity", b"NaN"];

/// The text with `null` in the place of numbers that JSON has not.
pub(super) fn with_nulls(text: &[u8]) -> Cow<'_, [u8]> {
    let mut out = Vec::new();
    let (mut copied, mut at) = (0, 0);
    let mut in_text = false;
    while let Some(&byte) = text.get(at) {
        let rest = text.get(at..).unwrap_or_default();
        let word = WORDS.iter().find(|word| !in_text && rest.starts_with(word));
        if let Some(word) = word {
            out.extend(text.get(copied..at).unwrap_or_default());
            out.extend(b"null");
            copied = at + word.len();
        }
        in_text ^= byte == b'"';
        // What follows a backslash ends no text.
        let is_escape = in_text && byte == b'\\';
        at += word.map_or(1 + usize::from(is_escape), |word| word.len());
    }
    if copied == 0 {
        return Cow::Borrowed(text);
    }
    out.extend(text.get(copied..).unwrap_or_default());
    Cow::Owned(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_words_outside_of_texts_become_null() {
        for (text, expected) in [
            ("[NaN,-1,Infinity,-Infinity]", "[null,-1,null,null]"),
            (r#"{"NaN":NaN,"a\"NaN":"\\","b":NaN}"#, r#"{"NaN":null,"a\"NaN":"\\","b":null}"#),
            ("{\"a\":1}", "{\"a\":1}"),
            ("NaN", "null"),
            ("\"NaN\\", "\"NaN\\"),
            ("", ""),
        ] {
            assert_eq!(with_nulls(text.as_bytes()), expected.as_bytes(), "{text}");
        }
    }
}
