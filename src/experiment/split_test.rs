//! Whether arms have the shares of the traffic that they should have.
//!
//! Why: arms that are not of the intended size are mostly arms whose events are
//! lost or whose units are sorted by something else than chance, and nothing that is
//! said about them holds. A chi-square test at every look raises an alarm in one of
//! 40 sound experiments at 1,000 looks at a level of 0.1 %.
//!
//! This is the sequential multinomial test of Lindon and Malek (Anytime-valid
//! inference for multinomial count data, NeurIPS 2022): a Dirichlet mixture around
//! the intended shares by the likelihood of these. Its inverse is a p-value at all
//! times together. It is a function of the counts, so it doesn't matter how they
//! came.
//!
//! When not to use it: where the intended shares are not known. When they change,
//! begin a new test with the counts from then on and add the logarithms.

use statrs::function::gamma::ln_gamma;

/// Weight of the mixture's centre: as many observations. 10,000 looks for
/// differences of one in a hundred and more, as its authors' own package does.
pub const CONCENTRATION: f64 = 10_000.0;

/// Logarithm of the evidence that the arms do not have shares in proportion to
/// `weights`; 0 for nothing seen.
///
/// Arms without a weight above 0 are left out.
#[must_use]
pub fn log_evidence(counts: &[u64], weights: &[f64]) -> f64 {
    let sum: f64 = weights.iter().filter(|weight| **weight > 0.0).sum();
    let mut total = 0.0;
    let mut log = 0.0;
    for (count, weight) in counts.iter().zip(weights).filter(|(_, weight)| **weight > 0.0) {
        let share = weight / sum;
        let centre = share * CONCENTRATION;
        #[expect(clippy::cast_precision_loss, reason = "counts below 2^53")]
        let count = *count as f64;
        total += count;
        log += ln_gamma(centre + count) - ln_gamma(centre) - count * share.ln();
    }
    log + ln_gamma(CONCENTRATION) - ln_gamma(CONCENTRATION + total)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_intended_shares_are_no_evidence_and_others_are() {
        assert!(log_evidence(&[0, 0], &[0.5, 0.5]).abs() < 1e-6);
        assert!(log_evidence(&[5_000, 5_000], &[1.0, 1.0]) < 0.0);
        assert!(log_evidence(&[5_300, 4_700], &[1.0, 1.0]) > 1_000_f64.ln());
        assert!(log_evidence(&[9_000, 1_000], &[90.0, 10.0]) < 0.0);
    }
}
