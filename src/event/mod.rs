//! What travels through the pipeline before anything is counted: raw messages
//! in batches, event times, and the bounded set of reasons for which a message
//! can be refused.

mod batch;
mod reject;
mod time;

pub use batch::{Header, Message, MessageBatch, PartitionId};
pub use reject::{Reject, RejectReason};
pub use time::{EventTime, parse_epoch, parse_rfc3339};

/// What an event tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum EventKind {
    /// A model's output for one id, with or without its features.
    Prediction,
    /// The inputs of one id, sent apart from the prediction.
    Feature,
    /// The truth about one id, often much later.
    Label,
}

impl EventKind {
    /// The word used in events and labels.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Prediction => "prediction",
            Self::Feature => "feature",
            Self::Label => "label",
        }
    }

    /// The kind that `word` names, in any of its usual spellings.
    #[must_use]
    pub fn from_word(word: &[u8]) -> Option<Self> {
        match word {
            b"prediction" | b"predictions" => Some(Self::Prediction),
            b"feature" | b"features" => Some(Self::Feature),
            b"label" | b"labels" => Some(Self::Label),
            _ => None,
        }
    }
}
