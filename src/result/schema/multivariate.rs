//! What is written about several columns at a time.

use super::{Field, Read, VERDICT_LEVELS, field};
use crate::result::{DomainResult, FeatureShare, MultivariateResult, ReconstructionResult, Verdict};

fn pca(result: &MultivariateResult, read: fn(&ReconstructionResult) -> f64) -> Option<f64> {
    result.reconstruction.as_ref().map(read)
}

fn domain(result: &MultivariateResult, read: fn(&DomainResult) -> f64) -> Option<f64> {
    result.domain.as_ref().map(read)
}

/// The features that carry a change, with their shares of it.
fn carriers(features: Option<&[FeatureShare]>) -> String {
    let texts = features.unwrap_or_default().iter().map(|one| format!("{} ({:.2})", one.feature, one.share));
    texts.collect::<Vec<_>>().join(", ")
}

/// Fields of [`super::MULTIVARIATE`].
pub(super) const MULTIVARIATE_FIELDS: &[Field<MultivariateResult>] = &[
    field(
        "verdict",
        "word",
        "the worse of the two verdicts",
        Read::Text(|m| Some(m.verdict.as_str().into())),
    ),
    field("verdict_level", "level", VERDICT_LEVELS, Read::Integer(|m| Some(m.verdict.level()))),
    field(
        "window_rows",
        "rows",
        "rows of the window that were compared",
        Read::Integer(|m| Some(m.window_rows)),
    ),
    field(
        "reference_rows",
        "rows",
        "rows of the reference that were compared",
        Read::Integer(|m| Some(m.reference_rows)),
    ),
    field(
        "pca_verdict",
        "word",
        "what the reconstruction error of the reference's principal components says",
        Read::Text(|m| {
            let verdict = m.reconstruction.as_ref().map_or(Verdict::Insufficient, |pca| pca.verdict);
            Some(verdict.as_str().into())
        }),
    ),
    field("pca_error", "mean square", "the window's error", Read::Float(|m| pca(m, |p| p.window_error))),
    field(
        "pca_reference_error",
        "mean square",
        "the reference's error on rows that the components were not fitted to",
        Read::Float(|m| pca(m, |p| p.reference_error)),
    ),
    field(
        "pca_noise_low",
        "mean square",
        "`pca_error` is below this once in two thousand windows that are like the reference",
        Read::Float(|m| pca(m, |p| p.noise_low)),
    ),
    field(
        "pca_noise_high",
        "mean square",
        "`pca_error` is above this once in two thousand windows that are like the reference",
        Read::Float(|m| pca(m, |p| p.noise_high)),
    ),
    field(
        "pca_effect",
        "ratio",
        "`pca_error` over `pca_reference_error`: 1 is no change",
        Read::Float(|m| pca(m, |p| p.effect)),
    ),
    field(
        "pca_features",
        "text",
        "the features whose error changed most, with their shares; empty when stable",
        Read::Text(|m| Some(carriers(m.reconstruction.as_ref().map(|p| &*p.features)).into())),
    ),
    field(
        "classifier_verdict",
        "word",
        "what the classifier says that tells the window's rows from the reference's",
        Read::Text(|m| {
            let verdict = m.domain.as_ref().map_or(Verdict::Insufficient, |domain| domain.verdict);
            Some(verdict.as_str().into())
        }),
    ),
    field(
        "classifier_auc",
        "share",
        "its area under the ROC curve on rows that it was not fitted to: 0.5 when nothing tells them apart",
        Read::Float(|m| domain(m, |d| d.auc)),
    ),
    field(
        "classifier_auc_low",
        "share",
        "lower end of its 95 % confidence interval",
        Read::Float(|m| domain(m, |d| d.low)),
    ),
    field(
        "classifier_auc_high",
        "share",
        "upper end of its 95 % confidence interval",
        Read::Float(|m| domain(m, |d| d.high)),
    ),
    field(
        "classifier_auc_noise",
        "share",
        "what `classifier_auc` exceeds once in a thousand windows that are like the reference",
        Read::Float(|m| domain(m, |d| d.noise_point)),
    ),
    field(
        "classifier_features",
        "text",
        "the features without which rows are told apart less well, with their shares; empty when stable",
        Read::Text(|m| Some(carriers(m.domain.as_ref().map(|d| &*d.features)).into())),
    ),
];
