//! Whether the features of a window go together as they did in the reference.
//!
//! Why: every feature can keep its distribution while their relation changes,
//! and many small changes can matter where none does alone. Counts per column
//! see neither; rows do ([`RowSample`]).
//!
//! Promises: the same rows give the same bits. A window like the reference is
//! not called stable about once in a thousand times by each of the two
//! comparisons, with the sizes of both samples taken into account. Each says
//! which features carry the change.
//!
//! Refuses: to judge by fewer than [`FEWEST_ROWS`] rows, and more features than
//! [`MOST_FEATURES`]. What a few rows among thousands do, it does not see: it
//! compares samples of hundreds.

mod auc;
mod discriminant;
mod domain;
mod encoder;
mod matrix;
mod principal;
mod reconstruction;

pub use auc::Auc;
pub use encoder::{Encoder, MOST_FEATURES};
pub use matrix::Matrix;
pub use principal::Components;

use crate::{
    profile::RowSample,
    reference::Reference,
    result::{FeatureShare, MultivariateResult, Verdict},
};
use reconstruction::Reconstruction;

/// Whole rows that either sample must have.
pub const FEWEST_ROWS: usize = 100;

/// What is configurable about the comparisons.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Settings {
    /// Rows of a window that are compared at most; time grows with it.
    pub window_rows: usize,
    /// Rows of the reference that are compared at most.
    pub reference_rows: usize,
    /// Share of the reference's variance that its principal components hold.
    pub explained_variance: f64,
    /// The reconstruction error must grow, or shrink, by this share to matter.
    pub minimum_error_change: f64,
    /// The classifier's AUC must exceed 0.5 by this much to matter.
    pub minimum_auc_gain: f64,
    /// Features that a result names at most.
    pub named_features: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            window_rows: 512,
            reference_rows: 1024,
            explained_variance: 0.65,
            minimum_error_change: 0.1,
            minimum_auc_gain: 0.05,
            named_features: 5,
        }
    }
}

/// Judges windows by their samples against one reference's.
#[derive(Debug, Clone)]
pub struct Judge {
    encoder: Encoder,
    reference: Matrix,
    /// Absent when the reference has too few rows, or nothing to reconstruct.
    reconstruction: Option<Reconstruction>,
    settings: Settings,
}

impl Judge {
    /// Learns from `sample`, rows of `reference`'s columns. `None` when the
    /// sample is one of other columns, and when there are no features or more
    /// than [`MOST_FEATURES`].
    ///
    /// Takes a few milliseconds for 25 features, and a third of a second for 100.
    #[must_use]
    pub fn new(reference: &Reference, sample: &RowSample, settings: Settings) -> Option<Self> {
        let encoder = Encoder::new(reference)?;
        if !sample.fits(reference.columns.len()) {
            return None;
        }
        let rows = encoder.rows(sample, settings.reference_rows);
        let enough = rows.len() >= FEWEST_ROWS;
        let reconstruction = if enough { Reconstruction::new(&rows, &encoder, &settings) } else { None };
        Some(Self { encoder, reference: rows, reconstruction, settings })
    }

    /// Compares a window of independent rows with the reference.
    #[must_use]
    pub fn judge(&self, window: &RowSample) -> MultivariateResult {
        self.judge_dependent(window, 1.0)
    }

    /// Compares a window of which so many sampled rows carry the information of
    /// one: noise is wider by the root of that `design_effect` (Kish, "Survey
    /// Sampling", 1965), as it is for any mean. Below 1 it counts as 1.
    #[must_use]
    pub fn judge_dependent(&self, window: &RowSample, design_effect: f64) -> MultivariateResult {
        let wider = design_effect.max(1.0).sqrt();
        let rows = self.encoder.rows(window, self.settings.window_rows);
        let enough = rows.len().min(self.reference.len()) >= FEWEST_ROWS;
        let (reconstruction, domain) = if enough {
            (
                self.reconstruction
                    .as_ref()
                    .map(|ours| ours.judge(&rows, &self.encoder, &self.settings, wider)),
                domain::judge((&self.reference, &rows), &self.encoder, &self.settings, wider),
            )
        } else {
            (None, None)
        };
        let verdicts =
            [reconstruction.as_ref().map(|one| one.verdict), domain.as_ref().map(|one| one.verdict)];
        MultivariateResult {
            verdict: verdicts.into_iter().flatten().max().unwrap_or(Verdict::Insufficient),
            reference_rows: self.reference.len() as u64,
            window_rows: rows.len() as u64,
            reconstruction,
            domain,
        }
    }
}

/// The features with the largest of `amounts`, as shares of their sum. None
/// when the sum is zero.
fn top_shares(
    encoder: &Encoder,
    amounts: impl Iterator<Item = f64> + Clone,
    settings: &Settings,
) -> Vec<FeatureShare> {
    let total: f64 = amounts.clone().sum();
    let mut shares: Vec<_> = encoder
        .names()
        .zip(amounts)
        .filter(|(_, amount)| *amount > 0.0)
        .map(|(name, amount)| FeatureShare { feature: name.to_owned(), share: amount / total })
        .collect();
    shares.sort_by(|a, b| b.share.total_cmp(&a.share));
    shares.truncate(settings.named_features);
    shares
}
