//! What is said about several features at a time, in words.

use super::{percent, significant};
use crate::result::{FeatureShare, MultivariateResult, Verdict};

/// Features named at most.
const NAMED: usize = 3;

/// One comparison of a window's rows with the reference's.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Said {
    pub(super) name: &'static str,
    pub(super) verdict: Verdict,
    /// To find the largest; of one comparison only.
    pub(super) effect: f64,
    /// The one number that matters most.
    pub(super) short: String,
    /// The numbers, and the features that carry the change.
    pub(super) text: String,
}

/// The comparisons of a window that there are.
pub(super) fn said(several: &MultivariateResult) -> Vec<Said> {
    let classifier = several.domain.as_ref().map(|domain| Said {
        name: "domain classifier",
        verdict: domain.verdict,
        effect: domain.effect,
        short: format!("AUC {:.3}", domain.auc),
        text: format!(
            "its AUC is {:.3} ({:.3} to {:.3}); more than {:.3} comes once in a thousand windows without drift{}",
            domain.auc,
            domain.low,
            domain.high,
            domain.noise_point,
            carried(&domain.features)
        ),
    });
    let reconstruction = several.reconstruction.as_ref().map(|of| Said {
        name: "reconstruction error",
        verdict: of.verdict,
        // As far from 1 as it is, in either direction.
        effect: if of.effect > 0.0 { of.effect.ln().abs() } else { 0.0 },
        short: format!("error x {:.2}", of.effect),
        text: format!(
            "it is {}, the reference's {}; outside {} to {} it comes once in a thousand windows without drift{}",
            significant(Some(of.window_error)),
            significant(Some(of.reference_error)),
            significant(Some(of.noise_low)),
            significant(Some(of.noise_high)),
            carried(&of.features)
        ),
    });
    classifier.into_iter().chain(reconstruction).collect()
}

/// `; carried by age (41.0%), income (20.0%)`.
fn carried(features: &[FeatureShare]) -> String {
    let named: Vec<String> = features
        .iter()
        .take(NAMED)
        .map(|feature| format!("{} ({})", feature.feature, percent(Some(feature.share))))
        .collect();
    if named.is_empty() { String::new() } else { format!("; carried by {}", named.join(", ")) }
}
