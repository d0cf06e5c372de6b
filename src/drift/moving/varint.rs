//! Whole numbers in as few bytes as they need: seven bits a byte, the lowest
//! first, with the high bit set on all but the last.

/// Appends a number.
pub(super) fn put(bytes: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        bytes.push(low_byte(number) | 0x80);
        number >>= 7;
    }
    bytes.push(low_byte(number));
}

fn low_byte(number: u64) -> u8 {
    (number & 0x7f) as u8
}

/// Takes a number off the front; `None` when there is no whole one that fits 64
/// bits and is written in the shortest way.
pub(super) fn take(bytes: &mut &[u8]) -> Option<u64> {
    let mut number = 0_u64;
    for shift in (0..u64::BITS).step_by(7) {
        let (&byte, rest) = bytes.split_first()?;
        *bytes = rest;
        let part = u64::from(byte & 0x7f);
        if shift + 7 > u64::BITS && part >> (u64::BITS - shift) > 0 {
            return None;
        }
        number |= part << shift;
        if byte & 0x80 == 0 {
            return (byte != 0 || shift == 0).then_some(number);
        }
    }
    None
}

/// Takes so many bytes off the front.
pub(super) fn take_bytes<'a>(bytes: &mut &'a [u8], length: u64) -> Option<&'a [u8]> {
    let (taken, rest) = bytes.split_at_checked(usize::try_from(length).ok()?)?;
    *bytes = rest;
    Some(taken)
}

/// Takes `count` numbers, no more and no fewer, off a whole slice.
pub(super) fn all(mut bytes: &[u8], count: usize) -> Option<Vec<u64>> {
    // A number takes a byte at least, which bounds what is asked for.
    if count > bytes.len() {
        return None;
    }
    let numbers = (0..count).map(|_| take(&mut bytes)).collect::<Option<Vec<u64>>>()?;
    bytes.is_empty().then_some(numbers)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_come_back_in_as_few_bytes_as_they_need() {
        let numbers = [0, 1, 127, 128, 16_383, 16_384, u64::from(u32::MAX), u64::MAX - 1, u64::MAX];
        for (number, length) in numbers.into_iter().zip([1, 1, 1, 2, 2, 3, 5, 10, 10]) {
            let mut bytes = Vec::new();
            put(&mut bytes, number);
            assert_eq!(bytes.len(), length, "{number}");
            assert_eq!(take(&mut bytes.as_slice()), Some(number));
            assert_eq!(take(&mut bytes.split_last().map_or(&[][..], |(_, rest)| rest)), None);
        }
    }

    #[test]
    fn what_is_too_long_or_too_large_is_no_number() {
        assert_eq!(take(&mut [0x80, 0x00].as_slice()), None);
        assert_eq!(take(&mut [0xff; 11].as_slice()), None);
        assert_eq!(take(&mut [[0xff_u8; 9].as_slice(), &[0x02]].concat().as_slice()), None);
        assert_eq!(all(&[1, 2, 3], 2), None);
        assert_eq!(all(&[1, 2], usize::MAX), None);
    }
}
