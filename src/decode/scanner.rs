//! A strict JSON scanner over bytes that are known to be UTF-8.
//!
//! Why our own: the features object of an event is read straight into cells,
//! in one pass, without a tree and without an allocation; a general parser
//! that hands over each value costs at least twice as much per event
//! (`benches/hot_path.rs`). It accepts RFC 8259 and nothing else, with one
//! exception: the bare words `NaN`, `Infinity` and `-Infinity`, which Python's
//! `json` writes, so that a broken feature is counted instead of the whole
//! event being lost. `tests/decode_json.rs` holds it against `serde_json`.
//!
//! Every function returns `None` on malformed input and never panics.

use super::{
    number::{self, Terminator},
    short_name::ShortName,
};

/// Nesting beyond this is refused, so that hostile input can't exhaust the stack.
const MAX_DEPTH: u32 = 64;

/// A position in a JSON text.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Scanner<'a> {
    bytes: &'a [u8],
    at: usize,
}

/// The bytes between the quotes of a string.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RawString<'a> {
    /// Without the quotes, escapes as written.
    pub(crate) bytes: &'a [u8],
    /// Whether there is a backslash in it.
    pub(crate) escaped: bool,
}

/// What is known of a value that was read.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Known {
    /// It is a string without escapes.
    PlainString,
    /// It is this number, or one of Python's words for one.
    Number(f64),
    /// It may be anything but a number.
    Other,
}

/// What kind of value begins at a position.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ValueStart {
    String,
    Number,
    True,
    False,
    Null,
    Object,
    Array,
}

impl<'a> Scanner<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    /// A scanner that starts at `position` of `bytes`.
    pub(crate) fn at(bytes: &'a [u8], position: usize) -> Self {
        Self { bytes, at: position }
    }

    pub(crate) fn position(&self) -> usize {
        self.at
    }

    pub(crate) fn slice(&self, start: usize, end: usize) -> &'a [u8] {
        self.bytes.get(start..end).unwrap_or_default()
    }

    #[inline]
    pub(crate) fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    #[inline]
    pub(crate) fn skip_space(&mut self) {
        while let Some(b' ' | b'\t' | b'\n' | b'\r') = self.peek() {
            self.at += 1;
        }
    }

    /// Takes `byte` if it comes next.
    #[inline]
    pub(crate) fn take(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        self.at += usize::from(found);
        found
    }

    /// Takes `length` bytes if the rest of the text is as wanted.
    #[inline]
    pub(crate) fn take_if(&mut self, wanted: impl FnOnce(&[u8]) -> bool, length: usize) -> bool {
        let found = self.bytes.get(self.at..).is_some_and(wanted);
        if found {
            self.at += length;
        }
        found
    }

    /// Takes all of `text` if it comes next.
    #[inline]
    pub(crate) fn take_bytes(&mut self, text: &[u8]) -> bool {
        self.take_if(|rest| rest.starts_with(text), text.len())
    }

    /// Whether only white space is left.
    pub(crate) fn at_end(&mut self) -> bool {
        self.skip_space();
        self.at == self.bytes.len()
    }

    /// What comes next, by its first byte; the value itself may still be malformed.
    #[inline]
    pub(crate) fn value_start(&self) -> Option<ValueStart> {
        Some(match self.peek()? {
            b'"' => ValueStart::String,
            b'-' | b'0'..=b'9' | b'N' | b'I' => ValueStart::Number,
            b't' => ValueStart::True,
            b'f' => ValueStart::False,
            b'n' => ValueStart::Null,
            b'{' => ValueStart::Object,
            b'[' => ValueStart::Array,
            _ => return None,
        })
    }

    /// A string with its quotes.
    #[inline]
    pub(crate) fn string(&mut self) -> Option<RawString<'a>> {
        let (b'"', rest) = self.bytes.get(self.at..)?.split_first()? else { return None };
        let (bytes, behind) = rest.split_at_checked(plain_string_bytes(rest))?;
        if behind.first() != Some(&b'"') {
            return self.escaped_string();
        }
        self.at += bytes.len() + 2;
        Some(RawString { bytes, escaped: false })
    }

    /// A string with an escape in it, which few have.
    #[cold]
    fn escaped_string(&mut self) -> Option<RawString<'a>> {
        let start = self.at + 1;
        self.at = start;
        loop {
            self.at += plain_string_bytes(self.bytes.get(self.at..)?);
            match self.peek()? {
                b'"' => {
                    let bytes = self.slice(start, self.at);
                    self.at += 1;
                    return Some(RawString { bytes, escaped: true });
                }
                b'\\' => self.escape()?,
                _ => return None,
            }
        }
    }

    /// A string of at most [`ShortName::MAX_BYTES`] bytes without escapes, with
    /// its quotes, as one number; nothing is taken otherwise.
    ///
    /// Its end is computed instead of searched for, so that there is no branch
    /// on how long it is, which names that come in no order would make wrong.
    #[inline]
    pub(crate) fn short_name(&mut self) -> Option<ShortName> {
        let (quote, rest) = self.bytes.get(self.at..)?.split_first()?;
        let word = u64::from_le_bytes(*rest.first_chunk()?);
        let length = plain_bytes(word);
        let closed = rest.get(length) == Some(&b'"');
        let name = ShortName::from_word(word, length)?;
        if *quote != b'"' || !closed {
            return None;
        }
        self.at += length + 2;
        Some(name)
    }

    fn escape(&mut self) -> Option<()> {
        self.at += 1;
        let kind = self.peek()?;
        self.at += 1;
        match kind {
            b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => Some(()),
            b'u' => {
                let digits = self.bytes.get(self.at..self.at + 4)?;
                self.at += 4;
                digits.iter().all(u8::is_ascii_hexdigit).then_some(())
            }
            _ => None,
        }
    }

    /// A number of at most seven characters with `end` behind it; nothing is
    /// taken otherwise.
    #[expect(clippy::inline_always, reason = "so that where the next value begins stays in a register")]
    #[inline(always)]
    pub(super) fn number_until(&mut self, end: Terminator) -> Option<f64> {
        let (value, length) = number::read_until(self.bytes, self.at, end)?;
        self.at += length;
        Some(value)
    }

    /// A number, or one of Python's three words.
    #[inline]
    pub(crate) fn number(&mut self) -> Option<f64> {
        let (value, length) = number::read(self.bytes, self.at)?;
        self.at += length;
        Some(value)
    }

    /// Skips one value of any kind, checking its grammar.
    #[inline]
    pub(crate) fn skip_value(&mut self) -> Option<()> {
        // Most values are strings.
        if self.peek() == Some(b'"') { self.string().map(drop) } else { self.skip_nested(MAX_DEPTH) }
    }

    /// Like [`Self::skip_value`], keeping what is learned on the way.
    #[inline]
    pub(crate) fn value(&mut self) -> Option<Known> {
        Some(match self.peek()? {
            b'"' if self.string()?.escaped => Known::Other,
            b'"' => Known::PlainString,
            b'0'..=b'9' | b'-' | b'N' | b'I' => Known::Number(self.number()?),
            _ => {
                self.skip_nested(MAX_DEPTH)?;
                Known::Other
            }
        })
    }

    fn skip_nested(&mut self, depth: u32) -> Option<()> {
        match self.value_start()? {
            ValueStart::String => self.string().map(drop),
            ValueStart::Number => self.number().map(drop),
            ValueStart::True => self.take_bytes(b"true").then_some(()),
            ValueStart::False => self.take_bytes(b"false").then_some(()),
            ValueStart::Null => self.take_bytes(b"null").then_some(()),
            ValueStart::Object => {
                let depth = depth.checked_sub(1)?;
                self.object(|scanner, _| scanner.skip_nested(depth))
            }
            ValueStart::Array => {
                let depth = depth.checked_sub(1)?;
                self.array(|scanner, _| scanner.skip_nested(depth))
            }
        }
    }

    /// Walks an object: `member` gets each key and must take its value.
    #[inline]
    pub(crate) fn object(
        &mut self,
        mut member: impl FnMut(&mut Self, RawString<'a>) -> Option<()>,
    ) -> Option<()> {
        if !self.take(b'{') {
            return None;
        }
        self.skip_space();
        if self.take(b'}') {
            return Some(());
        }
        loop {
            let key = self.string()?;
            self.colon()?;
            member(self, key)?;
            if self.object_ends()? {
                return Some(());
            }
        }
    }

    /// Takes the colon after a key and the space around it.
    #[inline]
    pub(crate) fn colon(&mut self) -> Option<()> {
        self.skip_space();
        if !self.take(b':') {
            return None;
        }
        self.skip_space();
        Some(())
    }

    /// After a member: `true` at the closing brace, `false` at a comma.
    #[inline]
    pub(crate) fn object_ends(&mut self) -> Option<bool> {
        self.skip_space();
        if self.take(b',') {
            self.skip_space();
            return Some(false);
        }
        self.take(b'}').then_some(true)
    }

    /// Walks an array: `element` gets each index and must take the value.
    pub(crate) fn array(&mut self, mut element: impl FnMut(&mut Self, usize) -> Option<()>) -> Option<()> {
        if !self.take(b'[') {
            return None;
        }
        self.skip_space();
        if self.take(b']') {
            return Some(());
        }
        let mut index = 0;
        loop {
            element(self, index)?;
            index += 1;
            self.skip_space();
            if self.take(b',') {
                self.skip_space();
            } else {
                return self.take(b']').then_some(());
            }
        }
    }
}

/// Number of bytes at the start of `rest` that are neither a quote, a backslash
/// nor a control character.
#[inline]
fn plain_string_bytes(mut rest: &[u8]) -> usize {
    let mut count = 0;
    while let Some((chunk, tail)) = rest.split_first_chunk::<8>() {
        let length = plain_bytes(u64::from_le_bytes(*chunk));
        count += length;
        if length < 8 {
            return count;
        }
        rest = tail;
    }
    count + rest.iter().take_while(|&&byte| byte >= 0x20 && byte != b'"' && byte != b'\\').count()
}

/// Number of bytes at the start of `word`, eight for all of them, that stand
/// for themselves in a string.
#[inline]
fn plain_bytes(word: u64) -> usize {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGHS: u64 = 0x8080_8080_8080_8080;
    let quote = (word ^ (ONES * u64::from(b'"'))).wrapping_sub(ONES);
    let backslash = (word ^ (ONES * u64::from(b'\\'))).wrapping_sub(ONES);
    let control = word.wrapping_sub(ONES * 0x20);
    // Bytes of more than seven bits stand for themselves. A borrow can set a
    // flag above a true hit, never below one, so the lowest flag is right.
    (((quote | backslash | control) & !word & HIGHS).trailing_zeros() / 8) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_stop_at_the_right_quote() {
        for (text, expected) in [
            (r#""abc""#, Some("abc")),
            (r#""""#, Some("")),
            (r#""a longer text than one word of eight""#, Some("a longer text than one word of eight")),
            (r#""a\"b""#, Some(r#"a\"b"#)),
            (r#""unterminated"#, None),
            (r#""bad \x escape""#, None),
            (r#""bad \u12g4""#, None),
            ("\"tab\tinside\"", None),
            ("\"1234567\u{1}\"", None),
            ("\"grüße\"", Some("grüße")),
        ] {
            let found = Scanner::new(text.as_bytes()).string().map(|raw| raw.bytes);
            assert_eq!(found, expected.map(str::as_bytes), "{text}");
        }
    }

    #[test]
    fn deep_nesting_is_refused_without_overflowing_the_stack() {
        let deep = "[".repeat(100_000);
        assert_eq!(Scanner::new(deep.as_bytes()).skip_value(), None);
    }
}
