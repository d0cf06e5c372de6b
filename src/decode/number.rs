//! JSON numbers.
//!
//! Why our own: an event is mostly short decimal numbers, and what costs is
//! not the arithmetic but the branch at the unpredictable end of each run of
//! digits. Eight bytes at a time, the end is computed instead of searched for:
//! at once for numbers of up to seven characters, in two steps for up to seven
//! digits on each side of the point. What doesn't fit that (an exponent, more
//! digits) is read digit by digit, and what a double can't hold exactly is left
//! to `fast_float2`. All round correctly.

/// Exact powers of ten: a mantissa below 2^53 divided by one of these is
/// rounded once, hence correctly (W. D. Clinger, "How to read floating point
/// numbers accurately", 1990).
const EXACT_POWERS: [f64; 23] = [
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18,
    1e19, 1e20, 1e21, 1e22,
];

/// Powers of ten for up to seven digits behind the point.
const SCALES: [u64; 8] = [1, 10, 100, 1_000, 10_000, 100_000, 1_000_000, 10_000_000];

/// Reads the number at `at` in `text`, or one of Python's three words: its
/// value and its length. `None` when there is none.
#[inline]
pub(super) fn read(text: &[u8], at: usize) -> Option<(f64, usize)> {
    let negative = text.get(at) == Some(&b'-');
    let start = at + usize::from(negative);
    match in_one_word(text, start).or_else(|| in_two_words(text, start)) {
        Some(decimal) => decimal.signed(negative),
        None => general(text.get(at..)?),
    }
}

/// A byte that is expected behind a number, eight times.
#[derive(Debug, Clone, Copy)]
pub(super) struct Terminator(u64);

impl Terminator {
    pub(super) const COMMA: Self = Self(ONES * b',' as u64);

    pub(super) fn new(byte: u8) -> Self {
        Self(ONES * u64::from(byte))
    }

    /// How many of eight characters stand before it.
    #[inline]
    fn position(self, characters: u64) -> usize {
        let differ = characters ^ self.0;
        // A borrow can only set a flag above a true hit.
        let hits = differ.wrapping_sub(ONES) & !differ & HIGH_BITS;
        (hits.trailing_zeros() / 8) as usize
    }
}

/// Reads the number at `at` in `text` if it has at most seven characters and
/// `end` is behind it. Everything else is `None`, and left to [`read`].
///
/// What comes next in the text has to wait for nothing but the search for the
/// end; meanwhile the number itself is made.
#[expect(clippy::inline_always, reason = "so that where the next value begins stays in a register")]
#[inline(always)]
pub(super) fn read_until(text: &[u8], at: usize, end: Terminator) -> Option<(f64, usize)> {
    let characters = characters(text, at);
    let length = end.position(characters);
    let negative = characters & 0xff == u64::from(b'-');
    let sign = usize::from(negative);
    let digits = length.checked_sub(sign).filter(|_| length < 8)?;
    let (value, _) = decimal(characters >> (8 * sign), digits)?.signed(negative)?;
    Some((value, length))
}

/// Eight characters, zeros standing for what is behind the end.
#[inline]
fn characters(text: &[u8], at: usize) -> u64 {
    match text.get(at..).and_then(<[u8]>::first_chunk) {
        Some(chunk) => u64::from_le_bytes(*chunk),
        None => last_characters(text, at),
    }
}

#[cold]
fn last_characters(text: &[u8], at: usize) -> u64 {
    let beyond = (at + 8).saturating_sub(text.len());
    match text.last_chunk() {
        Some(chunk) if beyond < 8 => u64::from_le_bytes(*chunk) >> (8 * beyond),
        _ => {
            let mut bytes = [0; 8];
            let rest = text.get(at..).unwrap_or_default();
            bytes.iter_mut().zip(rest).for_each(|(slot, byte)| *slot = *byte);
            u64::from_le_bytes(bytes)
        }
    }
}

/// A number without a sign: `mantissa / 10^decimals`.
struct Decimal {
    mantissa: u64,
    decimals: usize,
    /// Characters that it takes.
    length: usize,
}

impl Decimal {
    /// Value and length with the sign, which is set without a branch: signs
    /// come in no order that could be predicted.
    #[inline]
    fn signed(&self, negative: bool) -> Option<(f64, usize)> {
        #[expect(clippy::cast_precision_loss, reason = "at most fourteen digits")]
        let value = self.mantissa.cast_signed() as f64 / EXACT_POWERS.get(self.decimals)?;
        let sign = u64::from(negative) << 63;
        Some((f64::from_bits(value.to_bits() | sign), usize::from(negative) + self.length))
    }
}

const POINT: u64 = (b'.' ^ b'0') as u64;
const ONES: u64 = 0x0101_0101_0101_0101;
const HIGH_BITS: u64 = 0x8080_8080_8080_8080;

/// Every digit of eight characters turned into its value, and a word with the
/// high bit set for each that is no digit.
#[inline]
fn split(characters: u64) -> (u64, u64) {
    const ZEROS: u64 = 0x3030_3030_3030_3030;
    const TO_HIGH_BIT: u64 = 0x7676_7676_7676_7676;
    let word = characters ^ ZEROS;
    // Without its high bit no byte can carry into the next one.
    let others = ((word & !HIGH_BITS) + TO_HIGH_BIT) | word;
    (word, others & HIGH_BITS)
}

/// The value of the first `digits` (one to eight) of a loaded word.
#[inline]
fn value_of(word: u64, digits: usize) -> u64 {
    // The digits move to the high end, so that zeros stand before them; then
    // neighbours are added up: ones to pairs, pairs to fours, fours to eights.
    let aligned = word << (64 - 8 * digits);
    let pairs = aligned.wrapping_mul(10).wrapping_add(aligned >> 8) & 0x00ff_00ff_00ff_00ff;
    let fours = pairs.wrapping_mul(100).wrapping_add(pairs >> 16) & 0x0000_ffff_0000_ffff;
    fours.wrapping_mul(10_000).wrapping_add(fours >> 32) & 0xffff_ffff
}

/// Whether a number that starts like `word` and has `whole` digits before the
/// point has a zero too many, or none at all.
#[inline]
fn is_malformed(word: u64, whole: usize) -> bool {
    whole == 0 || (whole > 1 && word.trailing_zeros() >= 8)
}

/// A number of at most seven characters.
#[inline]
fn in_one_word(text: &[u8], at: usize) -> Option<Decimal> {
    let (word, others) = split(characters(text, at));
    let end_byte = |at: usize| (word >> (8 * at)) & 0xff;
    let whole = (others.trailing_zeros() / 8) as usize;
    if whole == 8 || is_exponent(end_byte(whole)) {
        return None;
    }
    if end_byte(whole) != POINT {
        return whole_number(word, whole);
    }
    let length = ((others & (others - 1)).trailing_zeros() / 8) as usize;
    if length == 8 || is_exponent(end_byte(length)) {
        return None;
    }
    with_fraction(word, whole, length)
}

/// The first `length` characters, at most seven, as digits and perhaps a point
/// between them.
#[expect(clippy::inline_always, reason = "it is most of `read_until`, and a call costs as much again")]
#[inline(always)]
fn decimal(characters: u64, length: usize) -> Option<Decimal> {
    let (word, others) = split(characters);
    let others = others & ((1 << (8 * length)) - 1);
    if others == 0 {
        return whole_number(word, length);
    }
    let whole = (others.trailing_zeros() / 8) as usize;
    let is_point = others.is_power_of_two() && (word >> (8 * whole)) & 0xff == POINT;
    if is_point { with_fraction(word, whole, length) } else { None }
}

/// The first `digits` of a word.
#[inline]
fn whole_number(word: u64, digits: usize) -> Option<Decimal> {
    let mantissa = (!is_malformed(word, digits)).then(|| value_of(word, digits))?;
    Some(Decimal { mantissa, decimals: 0, length: digits })
}

/// The first `length` characters of a word, a point behind `whole` digits.
#[inline]
fn with_fraction(word: u64, whole: usize, length: usize) -> Option<Decimal> {
    if length == whole + 1 || is_malformed(word, whole) {
        return None;
    }
    // Close the gap that the point leaves.
    let below = (1 << (8 * whole)) - 1;
    let digits = (word & below) | ((word >> 8) & !below);
    Some(Decimal { mantissa: value_of(digits, length - 1), decimals: length - 1 - whole, length })
}

#[inline]
fn is_exponent(loaded: u64) -> bool {
    const LOWER: u64 = (b'e' ^ b'0') as u64;
    const UPPER: u64 = (b'E' ^ b'0') as u64;
    loaded == LOWER || loaded == UPPER
}

/// A number with a point and at most seven digits on each side of it.
fn in_two_words(text: &[u8], at: usize) -> Option<Decimal> {
    let (word, others) = split(characters(text, at));
    let whole = (others.trailing_zeros() / 8) as usize;
    if whole == 8 || is_malformed(word, whole) || (word >> (8 * whole)) & 0xff != POINT {
        return None;
    }
    let (fraction, others) = split(characters(text, at + whole + 1));
    let decimals = (others.trailing_zeros() / 8) as usize;
    if decimals == 0 || decimals == 8 || is_exponent((fraction >> (8 * decimals)) & 0xff) {
        return None;
    }
    let mantissa = value_of(word, whole) * SCALES.get(decimals)? + value_of(fraction, decimals);
    Some(Decimal { mantissa, decimals, length: whole + 1 + decimals })
}

/// Any number, digit by digit.
#[cold]
fn general(text: &[u8]) -> Option<(f64, usize)> {
    let negative = text.first() == Some(&b'-');
    let start = usize::from(negative);
    if !text.get(start)?.is_ascii_digit() {
        return python_word(text);
    }
    let mut mantissa: u64 = 0;
    let whole_digits = take_digits(text, start, &mut mantissa);
    if text.get(start) == Some(&b'0') && whole_digits > 1 {
        return None;
    }
    let mut end = start + whole_digits;
    let mut decimals = 0;
    if text.get(end) == Some(&b'.') {
        decimals = take_digits(text, end + 1, &mut mantissa);
        if decimals == 0 {
            return None;
        }
        end += 1 + decimals;
    }
    if matches!(text.get(end), Some(b'e' | b'E')) {
        end += 1;
        end += usize::from(matches!(text.get(end), Some(b'+' | b'-')));
        let digits = take_digits(text, end, &mut 0);
        if digits == 0 {
            return None;
        }
        end += digits;
    } else if whole_digits + decimals <= 19 && mantissa < (1 << 53) {
        #[expect(clippy::cast_precision_loss, reason = "checked to be below 2^53")]
        let value = mantissa as f64 / EXACT_POWERS.get(decimals)?;
        return Some((if negative { -value } else { value }, end));
    }
    // Too many digits or an exponent: the text is a valid JSON number by now,
    // so the general algorithm can't refuse it.
    let value = fast_float2::parse(text.get(..end)?).ok()?;
    Some((value, end))
}

/// Appends the digits from `start` on to `mantissa` (wrapping beyond 19) and
/// returns how many there were.
fn take_digits(text: &[u8], start: usize, mantissa: &mut u64) -> usize {
    let digits = text.get(start..).unwrap_or_default().iter().take_while(|byte| byte.is_ascii_digit());
    digits.map(|byte| *mantissa = mantissa.wrapping_mul(10).wrapping_add(u64::from(byte - b'0'))).count()
}

fn python_word(text: &[u8]) -> Option<(f64, usize)> {
    let words: [(&[u8], f64); 3] =
        [(b"NaN", f64::NAN), (b"Infinity", f64::INFINITY), (b"-Infinity", f64::NEG_INFINITY)];
    words.into_iter().find(|(word, _)| text.starts_with(word)).map(|(word, value)| (value, word.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The number that all of `text` is; read at the end of the input and,
    /// where more bytes follow, eight digits at a time.
    fn number(text: &str) -> Option<f64> {
        let at_the_end =
            read(text.as_bytes(), 0).filter(|(_, length)| *length == text.len()).map(|(value, _)| value);
        let padded = format!("{text},                ");
        let before_more =
            read(padded.as_bytes(), 0).filter(|(_, length)| *length == text.len()).map(|(value, _)| value);
        assert_eq!(at_the_end.map(f64::to_bits), before_more.map(f64::to_bits), "{text}");
        let until = read_until(padded.as_bytes(), 0, Terminator::new(b','));
        assert_eq!(until.is_some(), at_the_end.is_some() && is_usual(text), "{text}");
        if let Some((value, length)) = until {
            assert_eq!((Some(value.to_bits()), length), (at_the_end.map(f64::to_bits), text.len()), "{text}");
        }
        at_the_end
    }

    /// Whether a valid number is short and has neither an exponent nor letters.
    fn is_usual(text: &str) -> bool {
        text.len() <= 7 && text.bytes().all(|byte| matches!(byte, b'-' | b'.' | b'0'..=b'9'))
    }

    #[test]
    fn numbers_are_read_like_the_standard_library_does() {
        for text in [
            "0",
            "-0",
            "1",
            "-1.5",
            "0.1",
            "0.30000000000000004",
            "123456789.123456789",
            "1e5",
            "1E-7",
            "-2.5e+10",
            "9007199254740993",
            "12345678901234567890",
            "0.000000000000000000000001",
            "1e308",
            "4.9e-324",
            "1e400",
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
    fn every_length_of_whole_and_fraction_is_read_right() {
        for whole in 0..12 {
            for decimals in 0..12 {
                let digits = "9876543210123";
                let (whole, fraction) = (&digits[..=whole], &digits[..decimals]);
                let text = if decimals == 0 { format!("-{whole}") } else { format!("-{whole}.{fraction}") };
                let expected: f64 = text.parse().expect("valid");
                assert_eq!(number(&text), Some(expected), "{text}");
            }
        }
    }
}
