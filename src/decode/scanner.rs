//! A strict JSON scanner over bytes that are known to be UTF-8.
//!
//! Why our own: the features object of an event is read straight into cells,
//! in one pass, without a tree and without an allocation; a general parser
//! that hands over each value costs two to five times as much per event
//! (benches/decode.rs). It accepts RFC 8259 and nothing else, with one
//! exception: the bare words `NaN`, `Infinity` and `-Infinity`, which Python's
//! `json` writes, so that a broken feature is counted instead of the whole
//! event being lost. `tests/decode_json.rs` holds it against `serde_json`.
//!
//! Every function returns `None` on malformed input and never panics.

/// Nesting beyond this is refused, so that hostile input can't exhaust the stack.
const MAX_DEPTH: u32 = 64;

/// Exact powers of ten: a mantissa below 2^53 divided by one of these is
/// rounded once, hence correctly (W. D. Clinger, "How to read floating point
/// numbers accurately", 1990).
const EXACT_POWERS: [f64; 23] = [
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18,
    1e19, 1e20, 1e21, 1e22,
];

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

    /// Takes all of `text` if it comes next.
    #[inline]
    pub(crate) fn take_bytes(&mut self, text: &[u8]) -> bool {
        let found = self.bytes.get(self.at..).is_some_and(|rest| rest.starts_with(text));
        if found {
            self.at += text.len();
        }
        found
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
        if !self.take(b'"') {
            return None;
        }
        let start = self.at;
        let mut escaped = false;
        loop {
            self.at += self.plain_string_bytes();
            match self.peek()? {
                b'"' => {
                    let bytes = self.slice(start, self.at);
                    self.at += 1;
                    return Some(RawString { bytes, escaped });
                }
                b'\\' => {
                    escaped = true;
                    self.escape()?;
                }
                _ => return None,
            }
        }
    }

    /// Number of bytes from here on that are neither a quote, a backslash nor
    /// a control character.
    #[inline]
    fn plain_string_bytes(&self) -> usize {
        const ONES: u64 = 0x0101_0101_0101_0101;
        const HIGHS: u64 = 0x8080_8080_8080_8080;
        let zero_bytes = |word: u64| word.wrapping_sub(ONES) & !word & HIGHS;
        let mut rest = self.bytes.get(self.at..).unwrap_or_default();
        let mut count = 0;
        while let Some((chunk, tail)) = rest.split_first_chunk::<8>() {
            let word = u64::from_le_bytes(*chunk);
            let quote = zero_bytes(word ^ (ONES * u64::from(b'"')));
            let backslash = zero_bytes(word ^ (ONES * u64::from(b'\\')));
            let control = word.wrapping_sub(ONES * 0x20) & !word & HIGHS;
            // A borrow can set a flag above a true hit, never below one, so the
            // lowest flag is right.
            let stops = quote | backslash | control;
            if stops != 0 {
                return count + (stops.trailing_zeros() / 8) as usize;
            }
            count += 8;
            rest = tail;
        }
        count + rest.iter().take_while(|&&byte| byte >= 0x20 && byte != b'"' && byte != b'\\').count()
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

    /// A number, or one of Python's three words.
    #[inline]
    pub(crate) fn number(&mut self) -> Option<f64> {
        let start = self.at;
        let negative = self.take(b'-');
        let first = self.peek()?;
        if !first.is_ascii_digit() {
            return self.python_word(negative);
        }
        let mut mantissa: u64 = 0;
        let integer_digits = self.digits(&mut mantissa);
        if first == b'0' && integer_digits > 1 {
            return None;
        }
        let mut fraction_digits = 0;
        if self.take(b'.') {
            fraction_digits = self.digits(&mut mantissa);
            if fraction_digits == 0 {
                return None;
            }
        }
        let plain = !matches!(self.peek(), Some(b'e' | b'E'));
        if plain && integer_digits + fraction_digits <= 19 && mantissa < (1 << 53) {
            let power = EXACT_POWERS.get(fraction_digits)?;
            #[expect(clippy::cast_precision_loss, reason = "checked to be below 2^53")]
            let value = mantissa as f64 / power;
            return Some(if negative { -value } else { value });
        }
        if !plain {
            self.exponent()?;
        }
        // Too many digits or an exponent: the text is a valid JSON number by
        // now, so the general algorithm can't refuse it.
        fast_float2::parse(self.slice(start, self.at)).ok()
    }

    /// Takes digits, appends them to `mantissa` (wrapping beyond 19) and
    /// returns how many there were.
    #[inline]
    fn digits(&mut self, mantissa: &mut u64) -> usize {
        let start = self.at;
        while let Some(byte @ b'0'..=b'9') = self.peek() {
            *mantissa = mantissa.wrapping_mul(10).wrapping_add(u64::from(byte - b'0'));
            self.at += 1;
        }
        self.at - start
    }

    fn exponent(&mut self) -> Option<()> {
        self.at += 1;
        if !self.take(b'+') {
            self.take(b'-');
        }
        (self.digits(&mut 0) > 0).then_some(())
    }

    fn python_word(&mut self, negative: bool) -> Option<f64> {
        if self.take_bytes(b"Infinity") {
            Some(if negative { f64::NEG_INFINITY } else { f64::INFINITY })
        } else if !negative && self.take_bytes(b"NaN") {
            Some(f64::NAN)
        } else {
            None
        }
    }

    /// Skips one value of any kind, checking its grammar.
    pub(crate) fn skip_value(&mut self) -> Option<()> {
        self.skip_nested(MAX_DEPTH)
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
    pub(crate) fn array(
        &mut self,
        mut element: impl FnMut(&mut Self, usize) -> Option<()>,
    ) -> Option<()> {
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

/// The text of a string with its escapes resolved. Lone surrogates, which
/// UTF-8 can't hold, become U+FFFD.
pub(crate) fn unescape(raw: &[u8]) -> String {
    let mut out = Vec::with_capacity(raw.len());
    let mut rest = raw;
    while let Some((&byte, tail)) = rest.split_first() {
        rest = tail;
        if byte != b'\\' {
            out.push(byte);
            continue;
        }
        let Some((&kind, tail)) = rest.split_first() else { break };
        rest = tail;
        match kind {
            b'b' => out.push(0x08),
            b'f' => out.push(0x0c),
            b'n' => out.push(b'\n'),
            b'r' => out.push(b'\r'),
            b't' => out.push(b'\t'),
            b'u' => {
                let (character, tail) = unicode_escape(rest);
                rest = tail;
                out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
            }
            other => out.push(other),
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// Reads the digits after `\u`, with the second half of a surrogate pair.
fn unicode_escape(rest: &[u8]) -> (char, &[u8]) {
    let (first, rest) = hex4(rest);
    if (0xd800..0xdc00).contains(&first)
        && let Some(after) = rest.strip_prefix(b"\\u")
    {
        let (second, tail) = hex4(after);
        if (0xdc00..0xe000).contains(&second) {
            let code = 0x1_0000 + ((first - 0xd800) << 10) + (second - 0xdc00);
            return (char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER), tail);
        }
    }
    (char::from_u32(first).unwrap_or(char::REPLACEMENT_CHARACTER), rest)
}

fn hex4(rest: &[u8]) -> (u32, &[u8]) {
    let (digits, tail) = rest.split_at(rest.len().min(4));
    let value = std::str::from_utf8(digits).ok().and_then(|text| u32::from_str_radix(text, 16).ok());
    (value.unwrap_or(u32::from(char::REPLACEMENT_CHARACTER)), tail)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(text: &str) -> Option<f64> {
        let mut scanner = Scanner::new(text.as_bytes());
        let value = scanner.number()?;
        scanner.at_end().then_some(value)
    }

    #[test]
    fn numbers_are_read_like_the_standard_library_does() {
        for text in [
            "0", "-0", "1", "-1.5", "0.1", "0.30000000000000004", "123456789.123456789", "1e5", "1E-7", "-2.5e+10",
            "9007199254740993", "12345678901234567890", "0.000000000000000000000001", "1e308", "4.9e-324", "1e400",
        ] {
            let expected: f64 = text.parse().expect("valid");
            assert_eq!(number(text).map(f64::to_bits), Some(expected.to_bits()), "{text}");
        }
    }

    #[test]
    fn malformed_numbers_are_refused() {
        for text in ["", "-", "01", "1.", ".5", "1e", "1e+", "+1", "0x10", "1_000", "--1", "-NaN", "Inf"] {
            assert_eq!(number(text), None, "{text}");
        }
    }

    #[test]
    fn python_words_are_numbers() {
        assert!(number("NaN").is_some_and(f64::is_nan));
        assert_eq!(number("Infinity"), Some(f64::INFINITY));
        assert_eq!(number("-Infinity"), Some(f64::NEG_INFINITY));
    }

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
    fn escapes_are_resolved() {
        assert_eq!(unescape(br#"a\"\\\/\b\f\n\r\t\u00e9\ud83d\ude00\ud800x"#), "a\"\\/\u{8}\u{c}\n\r\té😀\u{fffd}x");
    }

    #[test]
    fn deep_nesting_is_refused_without_overflowing_the_stack() {
        let deep = "[".repeat(100_000);
        assert_eq!(Scanner::new(deep.as_bytes()).skip_value(), None);
    }
}
