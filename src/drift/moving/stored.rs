//! A past in a checkpoint, which is written every few seconds: bytes.

use std::{collections::BTreeMap, fmt};

use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{self, SeqAccess, Visitor},
};

use super::{
    MovingReference, Past,
    past::{Kept, MOST_WINDOWS},
    varint,
};

/// A stored past that contradicts itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the past windows of a stream can't be used: {0}")]
pub struct PastError(&'static str);

#[derive(Serialize)]
struct Stored<'a> {
    size_ms: i64,
    late_ms: i64,
    references: &'a [MovingReference],
    layout: &'a [u32],
    windows: Bytes,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Read {
    size_ms: i64,
    late_ms: i64,
    references: Vec<MovingReference>,
    layout: Vec<u32>,
    windows: Bytes,
}

impl Serialize for Past {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut bytes = Vec::new();
        let mut before = 0_i64;
        for (&end, kept) in &self.windows {
            // Ends ascend, so that all but the first difference are short.
            varint::put(&mut bytes, end.wrapping_sub(before).cast_unsigned());
            varint::put(&mut bytes, kept.events);
            for part in [&kept.counts, &kept.roots] {
                varint::put(&mut bytes, part.len() as u64);
                bytes.extend_from_slice(part);
            }
            before = end;
        }
        let (references, layout) = (&*self.references, &*self.layout);
        let (size_ms, late_ms) = (self.size_ms, self.late_ms);
        Stored { size_ms, late_ms, references, layout, windows: Bytes(bytes) }.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Past {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Read { size_ms, late_ms, references, layout, windows: Bytes(bytes) } =
            Read::deserialize(deserializer)?;
        let mut past = Self { size_ms, late_ms, references, layout, windows: BTreeMap::new() };
        past.read(&bytes).map_err(de::Error::custom)?;
        Ok(past)
    }
}

impl Past {
    fn read(&mut self, mut bytes: &[u8]) -> Result<(), PastError> {
        let mut before = None;
        while !bytes.is_empty() {
            let (end, kept) = window(&mut bytes, before).ok_or(PastError("a window is not whole"))?;
            if before.is_some_and(|before| before >= end) {
                return Err(PastError("its windows are out of order"));
            }
            let roots = self.references.len().saturating_mul(self.layout.len()).saturating_mul(2);
            let is_of = |part: &[u8], count| part.is_empty() || varint::all(part, count).is_some();
            if !is_of(&kept.counts, self.bins()) || !is_of(&kept.roots, roots) {
                return Err(PastError("a window is not of its columns"));
            }
            self.windows.insert(end, kept);
            before = Some(end);
        }
        if self.size_ms <= 0 || self.late_ms < 0 || self.windows.len() > MOST_WINDOWS {
            return Err(PastError("it has more windows than are kept, or windows of no length"));
        }
        Ok(())
    }
}

/// Takes one window off the front.
fn window(bytes: &mut &[u8], before: Option<i64>) -> Option<(i64, Kept)> {
    let end = before.unwrap_or(0).wrapping_add(varint::take(bytes)?.cast_signed());
    let events = varint::take(bytes)?;
    let mut part = || {
        let length = varint::take(bytes)?;
        varint::take_bytes(bytes, length).map(Box::from)
    };
    Some((end, Kept { events, counts: part()?, roots: part()? }))
}

/// Bytes that are stored as such where the format has them.
struct Bytes(Vec<u8>);

impl Serialize for Bytes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(&self.0)
    }
}

impl<'de> Deserialize<'de> for Bytes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct BytesVisitor;
        impl<'de> Visitor<'de> for BytesVisitor {
            type Value = Bytes;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("bytes")
            }

            fn visit_bytes<E>(self, bytes: &[u8]) -> Result<Bytes, E> {
                Ok(Bytes(bytes.to_vec()))
            }

            // JSON has no bytes.
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Bytes, A::Error> {
                let mut bytes = Vec::new();
                while let Some(byte) = seq.next_element()? {
                    bytes.push(byte);
                }
                Ok(Bytes(bytes))
            }
        }
        deserializer.deserialize_bytes(BytesVisitor)
    }
}
