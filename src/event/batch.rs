//! Batches of raw messages in one arena.
//!
//! A batch is filled by the consumer's thread, crosses one channel and is
//! given back to be filled again, so that the steady state allocates nothing
//! per message and sends nothing per message.

use std::ops::Range;

/// A source partition as the core knows it: a small dense number that the
/// shell hands out for every topic and partition it meets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PartitionId(pub u32);

/// Messages of any partitions, in the order in which they were polled.
#[derive(Debug, Default, Clone)]
pub struct MessageBatch {
    arena: Vec<u8>,
    messages: Vec<Entry>,
    headers: Vec<(Range<usize>, Option<Range<usize>>)>,
}

#[derive(Debug, Clone)]
struct Entry {
    partition: PartitionId,
    offset: i64,
    key: Option<Range<usize>>,
    value: Option<Range<usize>>,
    headers: Range<usize>,
}

/// One message, borrowed from its batch.
#[derive(Debug, Clone, Copy)]
pub struct Message<'a> {
    /// Where it came from.
    pub partition: PartitionId,
    /// Its offset there.
    pub offset: i64,
    /// The message key, if any.
    pub key: Option<&'a [u8]>,
    /// The payload; `None` is a tombstone.
    pub value: Option<&'a [u8]>,
    batch: &'a MessageBatch,
    index: usize,
}

/// One header of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header<'a> {
    /// Its name.
    pub name: &'a [u8],
    /// Its value, if any.
    pub value: Option<&'a [u8]>,
}

impl MessageBatch {
    /// Forgets the messages and keeps the memory.
    pub fn clear(&mut self) {
        self.arena.clear();
        self.messages.clear();
        self.headers.clear();
    }

    /// Appends a message; its headers follow by [`Self::push_header`].
    pub fn push(&mut self, partition: PartitionId, offset: i64, key: Option<&[u8]>, value: Option<&[u8]>) {
        let key = key.map(|bytes| self.store(bytes));
        let value = value.map(|bytes| self.store(bytes));
        let headers = self.headers.len()..self.headers.len();
        self.messages.push(Entry { partition, offset, key, value, headers });
    }

    /// Appends a header to the message pushed last; without one it does nothing.
    pub fn push_header(&mut self, name: &[u8], value: Option<&[u8]>) {
        let name = self.store(name);
        let value = value.map(|bytes| self.store(bytes));
        if let Some(last) = self.messages.last_mut() {
            self.headers.push((name, value));
            last.headers.end = self.headers.len();
        }
    }

    fn store(&mut self, bytes: &[u8]) -> Range<usize> {
        let start = self.arena.len();
        self.arena.extend_from_slice(bytes);
        start..self.arena.len()
    }

    fn bytes(&self, range: &Range<usize>) -> &[u8] {
        self.arena.get(range.clone()).unwrap_or_default()
    }

    /// Number of messages.
    #[must_use]
    pub fn len(&self) -> usize {
        self.messages.len()
    }

    /// Whether there is no message.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.messages.is_empty()
    }

    /// Bytes of keys, payloads and headers.
    #[must_use]
    pub fn byte_len(&self) -> usize {
        self.arena.len()
    }

    /// The message at `index`.
    #[must_use]
    pub fn get(&self, index: usize) -> Option<Message<'_>> {
        self.messages.get(index).map(|entry| Message {
            partition: entry.partition,
            offset: entry.offset,
            key: entry.key.as_ref().map(|range| self.bytes(range)),
            value: entry.value.as_ref().map(|range| self.bytes(range)),
            batch: self,
            index,
        })
    }

    /// All messages in order.
    pub fn iter(&self) -> impl Iterator<Item = Message<'_>> {
        (0..self.messages.len()).filter_map(|index| self.get(index))
    }
}

impl<'a> Message<'a> {
    /// The headers in order.
    pub fn headers(&self) -> impl Iterator<Item = Header<'a>> + use<'a> {
        let batch = self.batch;
        let range = batch.messages.get(self.index).map_or(0..0, |entry| entry.headers.clone());
        batch.headers.get(range).unwrap_or_default().iter().map(|(name, value)| Header {
            name: batch.bytes(name),
            value: value.as_ref().map(|range| batch.bytes(range)),
        })
    }

    /// The value of the first header called `name`.
    #[must_use]
    pub fn header(&self, name: &[u8]) -> Option<&'a [u8]> {
        self.headers().find(|header| header.name == name).and_then(|header| header.value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_and_headers_come_back_as_they_went_in() {
        let mut batch = MessageBatch::default();
        batch.push(PartitionId(1), 7, Some(b"k"), Some(b"{}"));
        batch.push_header(b"h", Some(b"v"));
        batch.push_header(b"n", None);
        batch.push(PartitionId(2), 8, None, None);
        let first = batch.get(0).expect("pushed above");
        assert_eq!(
            (first.partition, first.offset, first.key, first.value),
            (PartitionId(1), 7, Some(&b"k"[..]), Some(&b"{}"[..]))
        );
        assert_eq!(first.header(b"h"), Some(&b"v"[..]));
        assert_eq!(first.headers().count(), 2);
        let second = batch.get(1).expect("pushed above");
        assert_eq!((second.value, second.headers().count()), (None, 0));
        batch.clear();
        assert!(batch.is_empty() && batch.get(0).is_none());
    }
}
