//! JSON numbers.
//!
//! Why our own: an event is mostly short decimal numbers, and what costs is
//! not the arithmetic but the branch at the unpredictable end of each run of
//! digits. Eight bytes at a time, the end is computed instead of searched for:
//! at once for numbers of up to seven characters, in two steps for up to seven
//! digits on each side of the point. What doesn't fit that (an exponent, more
//! digits, the last bytes of the text) is read digit by digit, and what a
//! double can't hold exactly is left to `fast_float2`. All round correctly.

/// Exact powers of ten: a mantissa below 2^53 divided by one of these is
/// rounded once, hence correctly (W. D. Clinger, "How to read floating point
/// numbers accurately", 1990).
const EXACT_POWERS: [f64; 23] = [
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18,
    1e19, 1e20, 1e21, 1e22,
];

/// Powers of ten for up to seven digits behind the point.
const SCALES: [u64; 8] = [1, 10, 100, 1_000, 10_000, 100_000, 1_000_000, 10_000_000];

/// Reads the number at the start of `text`, or one of Python's three words:
/// its value and its length. `None` when there is none.
#[inline]
pub(super) fn read(text: &[u8]) -> Option<(f64, usize)> {
    let negative = text.first() == Some(&b'-');
    let sign = usize::from(negative);
    let unsigned = text.get(sign..)?;
    let Some(Decimal { mantissa, decimals, length }) =
        in_one_word(unsigned).or_else(|| in_two_words(unsigned))
    else {
        return general(text);
    };
    #[expect(clippy::cast_precision_loss, reason = "at most fourteen digits")]
    let value = mantissa as f64 / EXACT_POWERS.get(decimals)?;
    Some((if negative { -value } else { value }, sign + length))
}

/// A number without a sign: `mantissa / 10^decimals`.
struct Decimal {
    mantissa: u64,
    decimals: usize,
    /// Characters that it takes.
    length: usize,
}

const HIGH_BITS: u64 = 0x8080_8080_8080_8080;

/// Eight characters, every digit turned into its value, and a word with the
/// high bit set for each that is no digit.
#[inline]
fn load(text: &[u8]) -> Option<(u64, u64)> {
    const ZEROS: u64 = 0x3030_3030_3030_3030;
    const TO_HIGH_BIT: u64 = 0x7676_7676_7676_7676;
    let word = u64::from_le_bytes(*text.first_chunk::<8>()?) ^ ZEROS;
    // Without its high bit no byte can carry into the next one.
    let others = ((word & !HIGH_BITS) + TO_HIGH_BIT) | word;
    Some((word, others & HIGH_BITS))
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
fn in_one_word(text: &[u8]) -> Option<Decimal> {
    const POINT: u64 = (b'.' ^ b'0') as u64;
    let (word, others) = load(text)?;
    let whole = (others.trailing_zeros() / 8) as usize;
    if whole == 8 || is_malformed(word, whole) {
        return None;
    }
    let end_byte = |at: usize| (word >> (8 * at)) & 0xff;
    if end_byte(whole) != POINT {
        return (!is_exponent(end_byte(whole))).then(|| Decimal {
            mantissa: value_of(word, whole),
            decimals: 0,
            length: whole,
        });
    }
    let length = ((others & (others - 1)).trailing_zeros() / 8) as usize;
    if length == 8 || length == whole + 1 || is_exponent(end_byte(length)) {
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
#[inline]
fn in_two_words(text: &[u8]) -> Option<Decimal> {
    let (word, others) = load(text)?;
    let whole = (others.trailing_zeros() / 8) as usize;
    if whole == 8 || is_malformed(word, whole) || text.get(whole) != Some(&b'.') {
        return None;
    }
    let (fraction, others) = load(text.get(whole + 1..)?)?;
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
            read(text.as_bytes()).filter(|(_, length)| *length == text.len()).map(|(value, _)| value);
        let padded = format!("{text},                ");
        let before_more =
            read(padded.as_bytes()).filter(|(_, length)| *length == text.len()).map(|(value, _)| value);
        assert_eq!(at_the_end.map(f64::to_bits), before_more.map(f64::to_bits), "{text}");
        at_the_end
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
