//! What a step did, as plain numbers, so that the shell can add them to its
//! metrics once per batch.

use crate::event::{EventKind, RejectReason};

/// Why an event that was understood did not get into a window.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum DropReason {
    /// All its windows are closed and their grace is over.
    Late,
    /// All its windows had been closed and delivered before a restart.
    AlreadyDelivered,
    /// It was counted before a restart, and is read again for another model.
    AlreadyCounted,
    /// Its windows began while the model's reference was being learned or before
    /// the model was configured, or it lies outside of what a learned reference
    /// covers.
    Learning,
    /// A feature event for which no prediction came in time.
    NoPrediction,
    /// It waited for its partner and had to make room.
    JoinFull,
    /// It should wait for its partner but has no id.
    JoinNoId,
}

impl DropReason {
    /// Every reason, in the order of the documentation.
    pub const ALL: [Self; 7] = [
        Self::Late,
        Self::AlreadyDelivered,
        Self::AlreadyCounted,
        Self::Learning,
        Self::NoPrediction,
        Self::JoinFull,
        Self::JoinNoId,
    ];

    /// The word used in metrics.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Late => "late",
            Self::AlreadyDelivered => "already_delivered",
            Self::AlreadyCounted => "already_counted",
            Self::Learning => "learning",
            Self::NoPrediction => "no_prediction",
            Self::JoinFull => "join_full",
            Self::JoinNoId => "join_no_id",
        }
    }
}

/// Why a window, or the events of an alert, are not explained.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ExplainLoss {
    /// It had to make room for later ones.
    Overflow,
    /// The window was written again before, and is explained as it is now.
    Superseded,
    /// The model will never answer it.
    GivenUp,
    /// It is of a version that the model which answers is not of.
    OtherVersion,
    /// Reading began again, and no checkpoint had it.
    Restart,
}

impl ExplainLoss {
    /// Every reason, in the order of the documentation.
    pub const ALL: [Self; 5] =
        [Self::Overflow, Self::Superseded, Self::GivenUp, Self::OtherVersion, Self::Restart];

    /// The word used in metrics.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Overflow => "overflow",
            Self::Superseded => "superseded",
            Self::GivenUp => "given_up",
            Self::OtherVersion => "other_version",
            Self::Restart => "restart",
        }
    }
}

/// Counts since the last time they were taken.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Counters {
    /// Messages taken in.
    pub messages: u64,
    /// Their payload bytes.
    pub bytes: u64,
    /// Events understood, by kind: predictions, features, labels.
    pub decoded: [u64; 3],
    /// Messages refused, in the order of [`RejectReason::ALL`].
    pub rejected: [u64; RejectReason::ALL.len()],
    /// Events left out, in the order of [`DropReason::ALL`].
    pub dropped: [u64; DropReason::ALL.len()],
    /// Late events that were still counted, by writing their windows again.
    pub late_counted: u64,
    /// Predictions that were counted without the features they waited for.
    pub predictions_without_features: u64,
    /// Features of events that the reference does not know.
    pub unknown_features: u64,
    /// Rows taken into a reference that is being learned.
    pub learned_rows: u64,
    /// Windows written for the first time.
    pub windows_closed: u64,
    /// Windows written again because of late events.
    pub windows_rewritten: u64,
    /// Windows and alerts that are not explained, in the order of
    /// [`ExplainLoss::ALL`].
    pub unexplained: [u64; ExplainLoss::ALL.len()],
}

impl Counters {
    pub(super) fn reject(&mut self, reason: RejectReason) {
        if let Some(count) = self.rejected.get_mut(reason as usize) {
            *count += 1;
        }
    }

    pub(super) fn decoded(&mut self, kind: EventKind) {
        if let Some(count) = self.decoded.get_mut(kind as usize) {
            *count += 1;
        }
    }

    pub(super) fn drop(&mut self, reason: DropReason) {
        if let Some(count) = self.dropped.get_mut(reason as usize) {
            *count += 1;
        }
    }

    pub(super) fn unexplained(&mut self, reason: ExplainLoss) {
        if let Some(count) = self.unexplained.get_mut(reason as usize) {
            *count += 1;
        }
    }

    /// All messages refused.
    #[must_use]
    pub fn total_rejected(&self) -> u64 {
        self.rejected.iter().sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_are_listed_in_the_order_of_their_numbers() {
        for (index, reason) in DropReason::ALL.into_iter().enumerate() {
            assert_eq!(reason as usize, index);
        }
        for (index, reason) in ExplainLoss::ALL.into_iter().enumerate() {
            assert_eq!(reason as usize, index);
        }
        for (index, reason) in RejectReason::ALL.into_iter().enumerate() {
            assert_eq!(reason as usize, index);
        }
    }
}
