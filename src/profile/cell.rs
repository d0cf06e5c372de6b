//! One value of one event on its way into the counts.

use serde::{Deserialize, Serialize};

/// A number, a category's code, or the reason why there is neither.
///
/// Eight bytes: a number is its own bits; everything else is a NaN whose
/// payload says what it is, since data can't hold such a NaN ([`Cell::number`]
/// folds every NaN of the data into one).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Cell(u64);

/// Sign bit, exponent and quiet bit set: a NaN that arithmetic doesn't produce.
const TAG: u64 = 0xfff8_0000_0000_0000;
const CATEGORY: u64 = TAG | 0x0001_0000_0000_0000;

impl Cell {
    /// The event does not carry the column at all: it belongs to the other
    /// half of a row. Not counted.
    pub const ABSENT: Self = Self(TAG | 1);
    /// Null, or a feature that is not there.
    pub const MISSING: Self = Self(TAG | 2);
    /// A value of a type that the column can't hold.
    pub const WRONG_TYPE: Self = Self(TAG | 3);

    /// A number, NaN and infinities included.
    #[inline]
    #[must_use]
    pub fn number(value: f64) -> Self {
        Self(if value.is_nan() { f64::NAN.to_bits() } else { value.to_bits() })
    }

    /// A category by its code on the column's grid.
    #[inline]
    #[must_use]
    pub fn category(code: u32) -> Self {
        Self(CATEGORY | u64::from(code))
    }

    /// Whether the event does not carry the column.
    #[inline]
    #[must_use]
    pub fn is_absent(self) -> bool {
        self == Self::ABSENT
    }

    /// The code of a category; `None` for everything else.
    #[inline]
    #[must_use]
    pub fn code(self) -> Option<u32> {
        #[expect(clippy::cast_possible_truncation, reason = "the low half is the code")]
        (self.0 & !0xffff_ffff == CATEGORY).then_some(self.0 as u32)
    }

    /// The number; NaN for everything else.
    #[inline]
    #[must_use]
    pub fn to_f64(self) -> f64 {
        f64::from_bits(self.0)
    }
}

/// The number that JSON has no other way to write than as a string: `NaN` and
/// the infinities. `None` for all other text.
#[inline]
#[must_use]
pub fn spelled_number(text: &[u8]) -> Option<f64> {
    match text {
        b"NaN" | b"nan" => Some(f64::NAN),
        b"Infinity" | b"inf" => Some(f64::INFINITY),
        b"-Infinity" | b"-inf" => Some(f64::NEG_INFINITY),
        _ => None,
    }
}
