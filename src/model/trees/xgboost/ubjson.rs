//! Universal Binary JSON, as XGBoost writes it, for serde.
//!
//! Why: UBJ is the format in which XGBoost saves models since 2.1, and what is in
//! it is the same as in its JSON. As a serde deserializer both are read into the
//! same types by the same code, without a tree of values between.
//!
//! Promises: memory in proportion to the bytes, whatever lengths they claim; no
//! deeper recursion than [`DEEPEST`]. Typed and counted containers of draft 12
//! (<https://ubjson.org/type-reference/container-types/>) are read.
//!
//! Refuses: high-precision numbers, typed containers of what has no bytes (null,
//! true, false), typed objects, no-ops, text that is not UTF-8, and bytes after the end.

use std::fmt;

use serde::de::{self, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};

/// Containers within containers at most; XGBoost's own files have seven.
const DEEPEST: u32 = 64;

/// What is wrong; where is added once, at the top.
#[derive(Debug)]
pub(super) struct UbjError(String);

impl UbjError {
    fn new(problem: impl fmt::Display) -> Self {
        Self(problem.to_string())
    }
}

impl fmt::Display for UbjError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl std::error::Error for UbjError {}

impl de::Error for UbjError {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self::new(message)
    }
}

/// Reads one value that takes up all bytes.
pub(super) fn from_ubjson<'de, T: de::Deserialize<'de>>(bytes: &'de [u8]) -> Result<T, UbjError> {
    let mut reader = Reader { bytes, at: 0, depth: 0 };
    let read = T::deserialize(Element { reader: &mut reader, kind: None });
    // A field that is missing or of the wrong kind is noticed where reading is.
    let read = match read {
        Ok(_) if reader.at < bytes.len() => Err(UbjError::new("there are bytes after the end")),
        read => read,
    };
    read.map_err(|error| UbjError(format!("{error}, near byte {}", reader.at)))
}

struct Reader<'de> {
    bytes: &'de [u8],
    at: usize,
    depth: u32,
}

impl<'de> Reader<'de> {
    fn take(&mut self, length: usize) -> Result<&'de [u8], UbjError> {
        let end = self.at.checked_add(length);
        let taken = end.and_then(|end| self.bytes.get(self.at..end));
        let taken = taken.ok_or_else(|| UbjError::new("the file ends too early"))?;
        self.at += length;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], UbjError> {
        let bytes = self.take(N)?;
        bytes.try_into().map_err(|_| UbjError::new("the file ends too early"))
    }

    fn byte(&mut self) -> Result<u8, UbjError> {
        Ok(u8::from_be_bytes(self.array()?))
    }

    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    /// Takes the byte if it is next.
    fn takes(&mut self, byte: u8) -> bool {
        let is_next = self.peek() == Some(byte);
        self.at += usize::from(is_next);
        is_next
    }

    /// A whole number of the kind; `None` when the kind is another.
    fn integer(&mut self, kind: u8) -> Result<Option<i64>, UbjError> {
        Ok(Some(match kind {
            b'i' => i8::from_be_bytes(self.array()?).into(),
            b'U' => self.byte()?.into(),
            b'I' => i16::from_be_bytes(self.array()?).into(),
            b'l' => i32::from_be_bytes(self.array()?).into(),
            b'L' => i64::from_be_bytes(self.array()?),
            _ => return Ok(None),
        }))
    }

    /// A length: no more than there are bytes left, since everything counted
    /// has at least one.
    fn length(&mut self) -> Result<usize, UbjError> {
        let kind = self.byte()?;
        let length = self.integer(kind)?.and_then(|length| usize::try_from(length).ok());
        length
            .filter(|&length| length <= self.bytes.len().saturating_sub(self.at))
            .ok_or_else(|| UbjError::new("a length is no number, negative, or beyond the end of the file"))
    }

    fn text(&mut self) -> Result<&'de str, UbjError> {
        let length = self.length()?;
        std::str::from_utf8(self.take(length)?).map_err(|_| UbjError::new("a text is not UTF-8"))
    }

    /// What stands before the elements of a container: their kind and number,
    /// where they are given.
    fn container(&mut self) -> Result<(Option<u8>, Option<usize>), UbjError> {
        let kind = if self.takes(b'$') { Some(self.byte()?) } else { None };
        if let Some(kind) = kind.filter(|kind| !b"iUIlLdDSC[{".contains(kind)) {
            return Err(UbjError::new(format_args!("a container of kind {:?}", char::from(kind))));
        }
        let count = if self.takes(b'#') { Some(self.length()?) } else { None };
        if kind.is_some() && count.is_none() {
            return Err(UbjError::new("a container with a kind and no count"));
        }
        Ok((kind, count))
    }

    fn enter(&mut self) -> Result<(), UbjError> {
        self.depth += 1;
        if self.depth > DEEPEST { Err(UbjError::new("containers are nested too deeply")) } else { Ok(()) }
    }
}

/// One value; its marker is given where a typed container stands around it.
struct Element<'a, 'de> {
    reader: &'a mut Reader<'de>,
    kind: Option<u8>,
}

impl<'de> Deserializer<'de> for Element<'_, 'de> {
    type Error = UbjError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, UbjError> {
        let reader = self.reader;
        let kind = match self.kind {
            Some(kind) => kind,
            None => reader.byte()?,
        };
        if let Some(number) = reader.integer(kind)? {
            return visitor.visit_i64(number);
        }
        match kind {
            b'Z' => visitor.visit_unit(),
            b'T' => visitor.visit_bool(true),
            b'F' => visitor.visit_bool(false),
            b'd' => visitor.visit_f64(f32::from_be_bytes(reader.array()?).into()),
            b'D' => visitor.visit_f64(f64::from_be_bytes(reader.array()?)),
            b'C' => visitor.visit_char(char::from(reader.byte()?)),
            b'S' => visitor.visit_borrowed_str(reader.text()?),
            b'[' => {
                reader.enter()?;
                let (kind, count) = reader.container()?;
                let mut elements = Elements { reader, kind, left: count };
                let value = visitor.visit_seq(&mut elements)?;
                elements.finish(b']')?;
                Ok(value)
            }
            b'{' => {
                reader.enter()?;
                let (kind, count) = reader.container()?;
                if kind.is_some() {
                    return Err(UbjError::new("an object with a kind"));
                }
                let mut elements = Elements { reader, kind, left: count };
                let value = visitor.visit_map(&mut elements)?;
                elements.finish(b'}')?;
                Ok(value)
            }
            _ => Err(UbjError::new(format_args!("{:?} is no kind of value", char::from(kind)))),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, UbjError> {
        if self.kind.is_none() && self.reader.takes(b'Z') {
            return visitor.visit_none();
        }
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, UbjError> {
        visitor.visit_newtype_struct(self)
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf
        unit unit_struct seq tuple tuple_struct map struct enum identifier ignored_any
    }
}

/// The elements of a container.
struct Elements<'a, 'de> {
    reader: &'a mut Reader<'de>,
    kind: Option<u8>,
    /// How many are left, where they are counted.
    left: Option<usize>,
}

impl Elements<'_, '_> {
    /// Whether another element follows.
    fn goes_on(&mut self, closing: u8) -> bool {
        match &mut self.left {
            Some(0) => false,
            Some(left) => {
                *left -= 1;
                true
            }
            None => self.reader.peek() != Some(closing),
        }
    }

    /// Leaves the container, all of whose elements must have been read.
    fn finish(mut self, closing: u8) -> Result<(), UbjError> {
        if self.goes_on(closing) {
            return Err(UbjError::new("a container has more elements than are wanted"));
        }
        self.reader.at += usize::from(self.left.is_none());
        self.reader.depth -= 1;
        Ok(())
    }
}

impl<'de> SeqAccess<'de> for &mut Elements<'_, 'de> {
    type Error = UbjError;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, UbjError> {
        if !self.goes_on(b']') {
            return Ok(None);
        }
        seed.deserialize(Element { reader: self.reader, kind: self.kind }).map(Some)
    }

    fn size_hint(&self) -> Option<usize> {
        self.left
    }
}

impl<'de> MapAccess<'de> for &mut Elements<'_, 'de> {
    type Error = UbjError;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, UbjError> {
        if !self.goes_on(b'}') {
            return Ok(None);
        }
        let key = self.reader.text()?;
        seed.deserialize(de::value::BorrowedStrDeserializer::new(key)).map(Some)
    }

    fn next_value_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<T::Value, UbjError> {
        seed.deserialize(Element { reader: self.reader, kind: None })
    }
}
