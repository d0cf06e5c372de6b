//! Powers of two and exponents over the whole range of doubles.

/// Exponent of the smallest subnormal.
pub(super) const MIN_EXPONENT: i32 = -1074;

/// The largest `e` with `2^e <= |value|`; [`MIN_EXPONENT`] for zero, 1024 for
/// infinities.
pub(super) fn exponent(value: f64) -> i32 {
    let bits = value.abs().to_bits();
    let biased = (bits >> 52) as i32;
    if biased > 0 {
        return biased - 1023;
    }
    #[expect(clippy::cast_possible_wrap, reason = "at most 52")]
    let digits = (u64::BITS - bits.leading_zeros()) as i32;
    MIN_EXPONENT + (digits - 1).max(0)
}

/// Two to the `exponent`, which is clamped to what doubles hold.
pub(super) fn power_of_two(exponent: i32) -> f64 {
    let exponent = exponent.clamp(MIN_EXPONENT, 1023);
    #[expect(clippy::cast_sign_loss, reason = "clamped to be positive")]
    let bits =
        if exponent >= -1022 { ((exponent + 1023) as u64) << 52 } else { 1 << (exponent - MIN_EXPONENT) };
    f64::from_bits(bits)
}

/// `value` times two to the `exponent`, without overflow on the way.
pub(super) fn scale_by(value: f64, exponent: i32) -> f64 {
    let (mut value, mut exponent) = (value, exponent);
    while exponent.abs() > 1000 {
        let part = exponent.clamp(-1000, 1000);
        value *= power_of_two(part);
        exponent -= part;
    }
    value * power_of_two(exponent)
}
