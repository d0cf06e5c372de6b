//! From counts to a column's result.

use crate::{
    profile::Counts,
    reference::Column,
    result::{FeatureResult, Verdict},
};

/// Scores columns; keeps its buffers between calls.
#[derive(Debug, Default)]
pub struct Scorer {
    _window: Vec<u64>,
}

impl Scorer {
    /// What a window's `counts` say about `column`; with fewer than
    /// `min_events` valid values nothing is said about drift.
    pub fn feature_result(&mut self, column: &Column, counts: &Counts, min_events: u64) -> FeatureResult {
        let _ = min_events;
        FeatureResult {
            feature: column.name.clone(),
            kind: column.grid.kind(),
            n: counts.bins().sum(),
            valid: counts.bins().sum(),
            missing_share: None,
            invalid_share: None,
            unseen_share: None,
            verdict: Verdict::Insufficient,
            summary: None,
            scores: None,
            bins: Vec::new(),
            unseen: Vec::new(),
        }
    }
}
