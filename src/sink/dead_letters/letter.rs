//! One dead letter, kept until it is confirmed.

use rdkafka::message::{Header, OwnedHeaders};

use crate::event::{Message, Reject};

/// Bytes of the sentence that says what was wrong.
const DETAIL_BYTES: usize = 512;
/// Bytes kept of a payload that the broker found too large: far below any
/// sensible limit of a topic.
const TRUNCATED_BYTES: usize = 48 << 10;

/// A refused message with its reason.
#[derive(Debug)]
pub(super) struct Letter {
    pub(super) sequence: u64,
    pub(super) key: Option<Vec<u8>>,
    pub(super) payload: Option<Vec<u8>>,
    headers: Vec<(String, Option<Vec<u8>>)>,
    /// For logs.
    pub(super) origin: String,
    pub(super) truncated: bool,
    /// Bytes that it counts for against the limit, from first to last.
    pub(super) charge: usize,
}

impl Letter {
    pub(super) fn new(
        sequence: u64,
        message: &Message<'_>,
        (topic, partition): (&str, i32),
        reject: &Reject,
    ) -> Self {
        let mut headers: Vec<_> = message
            .headers()
            .map(|header| {
                let name = String::from_utf8_lossy(header.name).into_owned();
                (name, header.value.map(<[u8]>::to_vec))
            })
            .collect();
        let offset = message.offset;
        for (name, value) in [
            ("driftline-reason", reject.reason.as_str()),
            ("driftline-detail", truncated(&reject.detail)),
            ("driftline-topic", topic),
            ("driftline-partition", &partition.to_string()),
            ("driftline-offset", &offset.to_string()),
        ] {
            headers.push((name.to_owned(), Some(value.as_bytes().to_vec())));
        }
        let mut letter = Self {
            sequence,
            key: message.key.map(<[u8]>::to_vec),
            payload: message.value.map(<[u8]>::to_vec),
            headers,
            origin: format!("{topic} [{partition}] at {offset}: {}", reject.reason),
            truncated: false,
            charge: 0,
        };
        letter.charge = letter.byte_len();
        letter
    }

    /// Bytes of its parts.
    fn byte_len(&self) -> usize {
        let headers =
            self.headers.iter().map(|(name, value)| name.len() + value.as_ref().map_or(0, Vec::len));
        let body = self.key.as_ref().map_or(0, Vec::len) + self.payload.as_ref().map_or(0, Vec::len);
        body + headers.sum::<usize>()
    }

    /// Cuts the payload off and says so in a header.
    pub(super) fn truncate(&mut self) {
        self.truncated = true;
        if let Some(payload) = &mut self.payload {
            let length = payload.len().to_string().into_bytes();
            self.headers.push(("driftline-truncated".to_owned(), Some(length)));
            payload.truncate(TRUNCATED_BYTES);
            payload.shrink_to_fit();
        }
    }

    pub(super) fn native_headers(&self) -> OwnedHeaders {
        let empty = OwnedHeaders::new_with_capacity(self.headers.len());
        self.headers.iter().fold(empty, |headers, (name, value)| {
            headers.insert(Header { key: name, value: value.as_deref() })
        })
    }
}

/// The beginning of `text`, cut between characters.
pub(super) fn truncated(text: &str) -> &str {
    let end = (0..=DETAIL_BYTES.min(text.len())).rev().find(|&end| text.is_char_boundary(end));
    text.get(..end.unwrap_or(0)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{MessageBatch, PartitionId, RejectReason};

    #[test]
    fn a_letter_is_cut_off_with_its_length_in_a_header() {
        let mut batch = MessageBatch::default();
        batch.push(PartitionId(0), 7, None, Some(&vec![b'x'; 100_000]));
        let message = batch.get(0).expect("pushed above");
        let reject = Reject::new(RejectReason::TooLarge, "é".repeat(1_000));
        let mut letter = Letter::new(1, &message, ("t", 3), &reject);
        let before = letter.byte_len();
        letter.truncate();
        assert!(letter.byte_len() < before && letter.truncated);
        assert_eq!(letter.payload.as_ref().map(Vec::len), Some(TRUNCATED_BYTES));
        let header =
            |name: &str| letter.headers.iter().find(|(key, _)| key == name).and_then(|(_, v)| v.clone());
        assert_eq!(header("driftline-truncated"), Some(b"100000".to_vec()));
        assert_eq!(header("driftline-reason"), Some(b"too_large".to_vec()));
        assert_eq!(header("driftline-detail"), Some("é".repeat(256).into_bytes()));
        assert_eq!(letter.origin, "t [3] at 7: too_large");
    }
}
