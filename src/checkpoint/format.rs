//! A checkpoint as bytes.
//!
//! `DRIFTCKP`, the version (u32), the length of the body (u64), its CRC-32
//! (u32), all little-endian, then the body: `MessagePack` with named fields.

use super::Checkpoint;

const MAGIC: &[u8; 8] = b"DRIFTCKP";
/// Raised when the meaning of a stored field changes.
const VERSION: u32 = 1;
const HEADER: usize = 8 + 4 + 8 + 4;

/// Why bytes are no usable checkpoint.
#[derive(Debug, thiserror::Error)]
pub enum FormatError {
    /// They don't begin as a checkpoint does.
    #[error("it is no checkpoint of driftline")]
    Foreign,
    /// Another version wrote them.
    #[error("it has format {0}, and this version of driftline reads format {VERSION}")]
    Version(u32),
    /// There are fewer or more than the header says.
    #[error("it is cut off: {found} of {expected} bytes are there")]
    Length {
        /// Bytes after the header.
        found: u64,
        /// Bytes that the header tells of.
        expected: u64,
    },
    /// They were changed.
    #[error("its checksum is wrong: it was not written whole, or was changed")]
    Checksum,
    /// The body can't be read.
    #[error("its content can't be read: {0}")]
    Body(#[from] rmp_serde::decode::Error),
    /// The body contradicts itself.
    #[error("its content contradicts itself")]
    Implausible,
    /// The checkpoint can't be written as bytes.
    #[error("it can't be encoded: {0}")]
    Encode(#[from] rmp_serde::encode::Error),
}

/// The bytes of a checkpoint.
///
/// # Errors
/// Only for want of memory.
pub fn encode(checkpoint: &Checkpoint<'_>) -> Result<Vec<u8>, FormatError> {
    let mut bytes = vec![0; HEADER];
    checkpoint.serialize_into(&mut bytes)?;
    let (header, body) = bytes.split_at_mut(HEADER);
    let fields = [
        &MAGIC[..],
        &VERSION.to_le_bytes(),
        &(body.len() as u64).to_le_bytes(),
        &crc32fast::hash(body).to_le_bytes(),
    ];
    header.copy_from_slice(&fields.concat());
    Ok(bytes)
}

/// Reads what [`encode`] wrote.
///
/// # Errors
/// When the bytes are not what a whole checkpoint of this version is.
pub fn decode(bytes: &[u8]) -> Result<Checkpoint<'static>, FormatError> {
    let rest = bytes.strip_prefix(MAGIC).ok_or(FormatError::Foreign)?;
    let (version, rest) = rest.split_first_chunk().ok_or(FormatError::Foreign)?;
    let version = u32::from_le_bytes(*version);
    if version != VERSION {
        return Err(FormatError::Version(version));
    }
    let (length, rest) = rest.split_first_chunk().ok_or(FormatError::Foreign)?;
    let (checksum, body) = rest.split_first_chunk().ok_or(FormatError::Foreign)?;
    let (expected, found) = (u64::from_le_bytes(*length), body.len() as u64);
    if expected != found {
        return Err(FormatError::Length { found, expected });
    }
    if crc32fast::hash(body) != u32::from_le_bytes(*checksum) {
        return Err(FormatError::Checksum);
    }
    decode_body(body)
}

/// Reads a body whose checksum is right.
fn decode_body(body: &[u8]) -> Result<Checkpoint<'static>, FormatError> {
    let checkpoint: Checkpoint<'static> = rmp_serde::from_slice(body)?;
    if checkpoint.core.is_plausible() { Ok(checkpoint) } else { Err(FormatError::Implausible) }
}

impl Checkpoint<'_> {
    fn serialize_into(&self, bytes: &mut Vec<u8>) -> Result<(), rmp_serde::encode::Error> {
        rmp_serde::encode::write_named(bytes, self)
    }
}
