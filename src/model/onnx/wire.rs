//! The encoding of protocol buffers, as far as model files need it.
//!
//! Why not the crate `prost`: it builds every message of a file before anything
//! looks at it, and an empty node, two bytes in the file, takes a hundred times
//! that in memory; it also brings two crates and a procedural macro for what
//! are five message types here. This reader borrows from the file and keeps
//! nothing but what it was asked for.
//!
//! Source: the specification "Encoding" of protocol buffers (protobuf.dev).
//! Groups, which no ONNX message has, are refused.

use super::malformed;
use crate::model::ModelError;

/// A field's value before it is known what it means.
#[derive(Debug, Clone, Copy)]
pub(super) enum Value<'a> {
    /// A whole number.
    Varint(u64),
    /// Four bytes.
    Fixed32(u32),
    /// Eight bytes.
    Fixed64(u64),
    /// A text, a message or packed numbers.
    Bytes(&'a [u8]),
}

/// The fields of one message in the order of the file.
#[derive(Debug, Clone)]
pub(super) struct Fields<'a> {
    rest: &'a [u8],
}

impl<'a> Fields<'a> {
    /// The fields of `message`.
    pub(super) fn of(message: &'a [u8]) -> Self {
        Self { rest: message }
    }

    fn varint(&mut self) -> Option<u64> {
        let mut number = 0_u64;
        for shift in (0..64).step_by(7) {
            let (&byte, rest) = self.rest.split_first()?;
            self.rest = rest;
            number |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Some(number);
            }
        }
        None
    }

    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (taken, rest) = self.rest.split_first_chunk::<N>()?;
        self.rest = rest;
        Some(*taken)
    }

    fn field(&mut self) -> Option<(u64, Value<'a>)> {
        let key = self.varint()?;
        let value = match key & 7 {
            0 => Value::Varint(self.varint()?),
            1 => Value::Fixed64(u64::from_le_bytes(self.take()?)),
            2 => {
                let length = usize::try_from(self.varint()?).ok()?;
                let (bytes, rest) = self.rest.split_at_checked(length)?;
                self.rest = rest;
                Value::Bytes(bytes)
            }
            5 => Value::Fixed32(u32::from_le_bytes(self.take()?)),
            _ => return None,
        };
        Some((key >> 3, value))
    }
}

impl<'a> Iterator for Fields<'a> {
    /// The field's number and value.
    type Item = Result<(u64, Value<'a>), ModelError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let left = self.rest.len();
        let field = self.field();
        if field.is_none() {
            self.rest = &[];
        }
        Some(field.ok_or_else(|| {
            malformed(format!(
                "a message breaks off {left} bytes before its end: the file is cut or is no ONNX"
            ))
        }))
    }
}

impl<'a> Value<'a> {
    /// A message, or packed numbers.
    pub(super) fn bytes(self) -> Result<&'a [u8], ModelError> {
        match self {
            Self::Bytes(bytes) => Ok(bytes),
            _ => Err(malformed("a number stands where a text or a message is expected")),
        }
    }

    /// A text.
    pub(super) fn text(self) -> Result<&'a str, ModelError> {
        std::str::from_utf8(self.bytes()?).map_err(|_| malformed("a text is not UTF-8"))
    }

    /// A whole number. Negative ones are written as their two's complement.
    pub(super) fn int(self) -> Result<i64, ModelError> {
        match self {
            Self::Varint(number) => Ok(number.cast_signed()),
            _ => Err(malformed("something else stands where a whole number is expected")),
        }
    }

    /// Adds a repeated field's whole numbers, packed or not.
    pub(super) fn add_ints(self, to: &mut Vec<i64>) -> Result<(), ModelError> {
        match self {
            Self::Bytes(bytes) => {
                let mut packed = Fields::of(bytes);
                while !packed.rest.is_empty() {
                    let number =
                        packed.varint().ok_or_else(|| malformed("packed whole numbers break off"))?;
                    to.push(number.cast_signed());
                }
                Ok(())
            }
            _ => self.int().map(|number| to.push(number)),
        }
    }

    /// Adds a repeated field's 32-bit numbers, packed or not.
    pub(super) fn add_floats(self, to: &mut Vec<f64>) -> Result<(), ModelError> {
        match self {
            Self::Bytes(bytes) => add_singles(bytes, to),
            Self::Fixed32(bits) => {
                to.push(f64::from(f32::from_bits(bits)));
                Ok(())
            }
            _ => Err(malformed("something else stands where a 32-bit number is expected")),
        }
    }

    /// Adds a repeated field's 64-bit numbers, packed or not.
    pub(super) fn add_doubles(self, to: &mut Vec<f64>) -> Result<(), ModelError> {
        match self {
            Self::Bytes(bytes) => add_doubles(bytes, to),
            Self::Fixed64(bits) => {
                to.push(f64::from_bits(bits));
                Ok(())
            }
            _ => Err(malformed("something else stands where a 64-bit number is expected")),
        }
    }
}

/// Adds the little-endian 32-bit numbers that `bytes` are.
pub(super) fn add_singles(bytes: &[u8], to: &mut Vec<f64>) -> Result<(), ModelError> {
    let (chunks, rest) = bytes.as_chunks::<4>();
    to.extend(chunks.iter().map(|chunk| f64::from(f32::from_le_bytes(*chunk))));
    if rest.is_empty() { Ok(()) } else { Err(malformed("32-bit numbers break off")) }
}

/// Adds the little-endian 64-bit numbers that `bytes` are.
pub(super) fn add_doubles(bytes: &[u8], to: &mut Vec<f64>) -> Result<(), ModelError> {
    let (chunks, rest) = bytes.as_chunks::<8>();
    to.extend(chunks.iter().map(|chunk| f64::from_le_bytes(*chunk)));
    if rest.is_empty() { Ok(()) } else { Err(malformed("64-bit numbers break off")) }
}
