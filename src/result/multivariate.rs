//! What a window says about its features taken together.

use serde::{Deserialize, Serialize};

use super::Verdict;

/// Two comparisons of a window's rows with the reference's, each with its own
/// verdict. Either is absent when there are too few rows, and where it has
/// nothing to go by.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MultivariateResult {
    /// The worse of the two verdicts; insufficient when neither is there.
    pub verdict: Verdict,
    /// Whole rows of the reference's sample that were compared.
    pub reference_rows: u64,
    /// Whole rows of the window's sample that were compared.
    pub window_rows: u64,
    /// How well the reference's principal components describe the rows.
    pub reconstruction: Option<ReconstructionResult>,
    /// How well a classifier tells the window's rows from the reference's.
    pub domain: Option<DomainResult>,
}

/// Reconstruction error of a principal component analysis.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ReconstructionResult {
    /// What is said.
    pub verdict: Verdict,
    /// Mean squared distance of the reference's rows from their reconstruction
    /// by components that were fitted without them.
    pub reference_error: f64,
    /// The same of the window's rows, averaged over the same fits.
    pub window_error: f64,
    /// With a window like the reference, `window_error` is below this once in
    /// two thousand windows.
    pub noise_low: f64,
    /// With a window like the reference, `window_error` is above this once in
    /// two thousand windows.
    pub noise_high: f64,
    /// `window_error / reference_error`: 1 is no change.
    pub effect: f64,
    /// The features whose own error changed most, with their shares of all
    /// changes; empty when the verdict is stable.
    pub features: Vec<FeatureShare>,
}

/// A classifier that tells the window's rows from the reference's.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DomainResult {
    /// What is said.
    pub verdict: Verdict,
    /// Area under the ROC curve on rows that the classifier was not fitted on:
    /// 0.5 when nothing tells them apart, 1 when everything does.
    pub auc: f64,
    /// Lower end of the 95 % confidence interval of `auc`.
    pub low: f64,
    /// Upper end of the 95 % confidence interval of `auc`.
    pub high: f64,
    /// With a window like the reference, `auc` is above this once in a thousand
    /// windows.
    pub noise_point: f64,
    /// `auc - 0.5`.
    pub effect: f64,
    /// The features without which the rows are told apart less well, with
    /// their shares of the loss; empty when the verdict is stable.
    pub features: Vec<FeatureShare>,
}

/// How much of a change a feature carries.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FeatureShare {
    /// The feature's name.
    pub feature: String,
    /// In 0..=1; the shares of all features add up to 1.
    pub share: f64,
}
