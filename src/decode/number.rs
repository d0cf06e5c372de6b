//! JSON numbers.
//!
//! Why our own: an event is mostly short decimal numbers, and what costs is
//! not the arithmetic but the branch at the unpredictable end of each run of
//! digits. Eight bytes at a time, the end is computed instead of searched for.
//! What doesn't fit that (more than seven digits on a side, an exponent, the
//! last bytes of the text) is read digit by digit, and what a double can't
//! hold exactly is left to `fast_float2`. All three round correctly.

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
    short(text).or_else(|| general(text))
}

/// A number with at most seven digits before and behind the point and at
/// least as many bytes after it as one load takes.
#[inline]
fn short(text: &[u8]) -> Option<(f64, usize)> {
    let negative = text.first() == Some(&b'-');
    let sign = usize::from(negative);
    let (whole, digits) = up_to_seven_digits(text.get(sign..)?)?;
    if digits > 1 && text.get(sign) == Some(&b'0') {
        return None;
    }
    let end = sign + digits;
    if text.get(end) != Some(&b'.') {
        let exponent = matches!(text.get(end), Some(b'e' | b'E'));
        #[expect(clippy::cast_precision_loss, reason = "seven digits")]
        let value = whole as f64;
        return (!exponent).then_some((if negative { -value } else { value }, end));
    }
    let (fraction, decimals) = up_to_seven_digits(text.get(end + 1..)?)?;
    let mantissa = whole * SCALES.get(decimals)? + fraction;
    #[expect(clippy::cast_precision_loss, reason = "fourteen digits")]
    let value = mantissa as f64 / EXACT_POWERS.get(decimals)?;
    let end = end + 1 + decimals;
    let exponent = matches!(text.get(end), Some(b'e' | b'E'));
    (!exponent).then_some((if negative { -value } else { value }, end))
}

/// The value and the length of a run of one to seven digits that ends within
/// the first eight bytes of `text`.
#[inline]
fn up_to_seven_digits(text: &[u8]) -> Option<(u64, usize)> {
    const ZEROS: u64 = 0x3030_3030_3030_3030;
    const TO_HIGH_BIT: u64 = 0x7676_7676_7676_7676;
    const HIGH_BITS: u64 = 0x8080_8080_8080_8080;
    let word = u64::from_le_bytes(*text.first_chunk::<8>()?) ^ ZEROS;
    // A digit is now 0..=9; the high bit marks everything else. A carry can
    // set marks above the first true one, never below it.
    let others = (word.wrapping_add(TO_HIGH_BIT) | word) & HIGH_BITS;
    let digits = (others.trailing_zeros() / 8) as usize;
    if digits == 0 || digits == 8 {
        return None;
    }
    // The digits move to the high end, so that zeros stand before them; then
    // neighbours are added up: ones to pairs, pairs to fours, fours to eights.
    let aligned = word << (64 - 8 * digits);
    let pairs = aligned.wrapping_mul(10).wrapping_add(aligned >> 8) & 0x00ff_00ff_00ff_00ff;
    let fours = pairs.wrapping_mul(100).wrapping_add(pairs >> 16) & 0x0000_ffff_0000_ffff;
    let eights = fours.wrapping_mul(10_000).wrapping_add(fours >> 32) & 0xffff_ffff;
    Some((eights, digits))
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
    if !matches!(text.get(end), Some(b'e' | b'E')) {
        if whole_digits + decimals <= 19 && mantissa < (1 << 53) {
            #[expect(clippy::cast_precision_loss, reason = "checked to be below 2^53")]
            let value = mantissa as f64 / EXACT_POWERS.get(decimals)?;
            return Some((if negative { -value } else { value }, end));
        }
    } else {
        end += 1;
        end += usize::from(matches!(text.get(end), Some(b'+' | b'-')));
        let digits = take_digits(text, end, &mut 0);
        if digits == 0 {
            return None;
        }
        end += digits;
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
