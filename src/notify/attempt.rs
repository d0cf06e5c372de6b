//! What one attempt to tell somebody something came to.

use std::time::Duration;

/// The outcome of one attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Attempt {
    /// The receiver has it.
    Delivered,
    /// The same again, later.
    Again {
        /// What is wrong and, where somebody can do something, what.
        why: String,
        /// How long the receiver wants to be left alone.
        retry_after: Option<Duration>,
    },
    /// The receiver will never take it.
    Refused {
        /// What is wrong and what to do.
        why: String,
    },
}

impl Attempt {
    pub(super) fn again(why: impl Into<String>) -> Self {
        Self::Again { why: why.into(), retry_after: None }
    }

    pub(super) fn refused(why: impl Into<String>) -> Self {
        Self::Refused { why: why.into() }
    }
}
