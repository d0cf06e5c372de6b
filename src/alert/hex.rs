//! Bytes for names.

use std::fmt::Write as _;

/// Two hexadecimal digits a byte.
#[must_use]
pub fn hex<'a>(bytes: impl IntoIterator<Item = &'a u8>) -> String {
    let mut digits = String::new();
    for byte in bytes {
        // Writing into a string can't fail.
        let _ = write!(digits, "{byte:02x}");
    }
    digits
}
