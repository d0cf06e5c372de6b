//! How large a difference is, less what noise adds to it, and what is said.

use serde::Deserialize;

use crate::{
    drift::pair::count_to_f64,
    result::{NoisePoints, ScoreName, Scores, Verdict},
};

/// The effects from which on a difference matters, in the units of [`effect`].
///
/// The defaults are in tune with each other: each is what a normal column
/// gives on ten deciles when its mean moves by a fifth to a third of a
/// standard deviation (docs/scores.md has the table).
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MinimumEffects {
    /// Of the population stability index.
    pub psi: f64,
    /// Of the Kolmogorov-Smirnov statistic.
    pub ks: f64,
    /// Of the Wasserstein-1 distance, in standard deviations of the reference.
    pub wasserstein: f64,
    /// Of the Jensen-Shannon distance.
    pub jensen_shannon: f64,
    /// Of the Hellinger distance.
    pub hellinger: f64,
    /// Of the total variation distance.
    pub total_variation: f64,
    /// Of the largest difference of a bin's share.
    pub l_infinity: f64,
    /// Of chi-square, as Cramér's V.
    pub chi_square: f64,
}

impl Default for MinimumEffects {
    fn default() -> Self {
        Self {
            psi: 0.1,
            ks: 0.1,
            wasserstein: 0.25,
            jensen_shannon: 0.1,
            hellinger: 0.1,
            total_variation: 0.1,
            l_infinity: 0.05,
            chi_square: 0.1,
        }
    }
}

impl MinimumEffects {
    /// The minimum of one score.
    #[must_use]
    pub fn of(&self, score: ScoreName) -> f64 {
        match score {
            ScoreName::Psi => self.psi,
            ScoreName::Ks => self.ks,
            ScoreName::Wasserstein => self.wasserstein,
            ScoreName::JensenShannon => self.jensen_shannon,
            ScoreName::Hellinger => self.hellinger,
            ScoreName::TotalVariation => self.total_variation,
            ScoreName::LInfinity => self.l_infinity,
            ScoreName::ChiSquare => self.chi_square,
        }
    }
}

/// How large the difference behind a score is: the score less what noise adds
/// to it, 0 when it is no larger than noise on average.
///
/// - The population stability index less its mean under equal distributions:
///   it is quadratic near equality, so noise adds to it.
/// - The distances by the root of the difference of squares: noise adds to the
///   square of a difference, not to the difference. Exact for the mean of the
///   Jensen-Shannon and Hellinger distances squared; for the others, of which
///   noise moves a large value less than a small one, it takes a little too
///   much away: less than a tenth from twice the noise on.
/// - Chi-square as Cramér's V ("Mathematical Methods of Statistics", 1946) of
///   two samples of one size, without bias (Bergsma, "A bias-correction for
///   Cramér's V", 2013): in 0..=1, and the same whatever the sizes. The plain V
///   tends to 0 against a large reference.
///
/// `reference` and `window` are the numbers of values that were compared.
/// `None` where score or noise is absent.
#[must_use]
pub fn effect(
    score: ScoreName,
    scores: &Scores,
    typical: &NoisePoints,
    reference: u64,
    window: u64,
) -> Option<f64> {
    let (value, noise) = scores.of(score).zip(typical.of(score))?;
    let effect = match score {
        ScoreName::Psi => (value - noise).max(0.0),
        ScoreName::ChiSquare => {
            let unit = 1.0 / count_to_f64(reference) + 1.0 / count_to_f64(window);
            ((value - noise).max(0.0) * unit).sqrt().min(2.0) / 2.0
        }
        _ => ((value - noise) * (value + noise)).max(0.0).sqrt(),
    };
    effect.is_finite().then_some(effect)
}

/// What a score says: [`Verdict::Stable`] up to its noise point, above it
/// [`Verdict::Shifted`] below the minimum effect and [`Verdict::Drifted`] from
/// it on; [`Verdict::Insufficient`] without score, noise point or effect.
#[must_use]
pub fn verdict(score: Option<f64>, noise_point: Option<f64>, effect: Option<f64>, minimum: f64) -> Verdict {
    match (score, noise_point, effect) {
        (Some(score), Some(point), Some(_)) if score <= point => Verdict::Stable,
        (Some(_), Some(_), Some(effect)) if effect >= minimum => Verdict::Drifted,
        (Some(_), Some(_), Some(_)) => Verdict::Shifted,
        _ => Verdict::Insufficient,
    }
}
