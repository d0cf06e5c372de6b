//! Why a message can't be used. The set is closed: each reason is a label of
//! a counter and a header of a dead letter, so it must never hold user data.

use std::fmt;

/// The reason for which a message was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum RejectReason {
    /// The payload is longer than `kafka.max_message_bytes`.
    TooLarge,
    /// The message has no payload (a tombstone).
    Empty,
    /// The payload is not valid JSON in UTF-8.
    NotJson,
    /// The payload is JSON, but not an object.
    NotAnObject,
    /// No kind was found, or one that is not known.
    BadKind,
    /// No event time was found.
    NoTime,
    /// The event time could not be read, or is not a time of this era.
    BadTime,
    /// The event time is further ahead of the clock than `windows.max_future`.
    TooFarAhead,
    /// No model was found.
    NoModel,
    /// The model is not in the configuration.
    UnknownModel,
    /// A field of the envelope has a type that it can't have.
    WrongType,
    /// The model has more versions and variants than `windows.max_streams`.
    TooManyStreams,
    /// The id, version, variant or unit is longer than 256 bytes.
    NameTooLong,
}

impl RejectReason {
    /// Every reason, in the order of the documentation.
    pub const ALL: [Self; 13] = [
        Self::TooLarge,
        Self::Empty,
        Self::NotJson,
        Self::NotAnObject,
        Self::BadKind,
        Self::NoTime,
        Self::BadTime,
        Self::TooFarAhead,
        Self::NoModel,
        Self::UnknownModel,
        Self::WrongType,
        Self::TooManyStreams,
        Self::NameTooLong,
    ];

    /// The word used in metrics, dead letters and logs.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::TooLarge => "too_large",
            Self::Empty => "empty",
            Self::NotJson => "not_json",
            Self::NotAnObject => "not_an_object",
            Self::BadKind => "bad_kind",
            Self::NoTime => "no_time",
            Self::BadTime => "bad_time",
            Self::TooFarAhead => "too_far_ahead",
            Self::NoModel => "no_model",
            Self::UnknownModel => "unknown_model",
            Self::WrongType => "wrong_type",
            Self::TooManyStreams => "too_many_streams",
            Self::NameTooLong => "name_too_long",
        }
    }
}

impl fmt::Display for RejectReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A refused message: the bounded reason, and a sentence for a person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reject {
    /// Label of the counter.
    pub reason: RejectReason,
    /// What exactly was wrong; goes to the dead letter, never into a metric.
    pub detail: String,
}

impl Reject {
    /// A reject with its sentence.
    pub fn new(reason: RejectReason, detail: impl Into<String>) -> Self {
        Self { reason, detail: detail.into() }
    }
}
