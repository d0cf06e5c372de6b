//! Short names as numbers.
//!
//! Why: categories and keys are mostly a few bytes long. As one number they
//! are compared and hashed without a loop over their bytes and without a
//! branch on their length, which comes in no order that could be predicted.

use ahash::AHashMap;

/// At most [`Self::MAX_BYTES`] bytes: the first in the lowest byte of the
/// number, their length in the highest, so that different names are different.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct ShortName(u64);

impl ShortName {
    pub(super) const MAX_BYTES: usize = 7;

    /// The first `length` bytes of `word`; `None` when these are too many.
    #[inline]
    pub(super) fn from_word(word: u64, length: usize) -> Option<Self> {
        let below = (1_u64 << (8 * length).min(63)) - 1;
        (length <= Self::MAX_BYTES).then_some(Self((word & below) | ((length as u64) << 56)))
    }

    pub(super) fn new(name: &[u8]) -> Option<Self> {
        let mut padded = [0; 8];
        padded.get_mut(..name.len())?.copy_from_slice(name);
        Self::from_word(u64::from_le_bytes(padded), name.len())
    }
}

/// What the short ones among some names stand for.
#[derive(Debug, Clone)]
pub(super) struct ShortNames<T>(AHashMap<ShortName, T>);

impl<T: Copy> ShortNames<T> {
    pub(super) fn new<'a>(names: impl IntoIterator<Item = (&'a [u8], T)>) -> Self {
        Self(names.into_iter().filter_map(|(name, value)| Some((ShortName::new(name)?, value))).collect())
    }

    #[inline]
    pub(super) fn get(&self, name: ShortName) -> Option<T> {
        self.0.get(&name).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_differ_are_different_numbers() {
        let names: [&[u8]; 6] = [b"", b"\0", b"a", b"a\0", b"7 bytes", b"6 byte"];
        for (index, a) in names.iter().enumerate() {
            for (other, b) in names.iter().enumerate() {
                assert_eq!(ShortName::new(a) == ShortName::new(b), index == other, "{a:?} {b:?}");
            }
        }
        assert_eq!(ShortName::new(b"8 bytes!"), None);
    }

    #[test]
    fn what_follows_a_name_does_not_matter() {
        let word = u64::from_le_bytes(*b"retail\",");
        assert_eq!(ShortName::from_word(word, 6), ShortName::new(b"retail"));
        assert_eq!(ShortName::from_word(word, 8), None);
    }
}
