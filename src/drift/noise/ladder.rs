//! Window sizes at which noise is simulated, and what lies between them.

use super::Noise;
use crate::result::{NoisePoints, ScoreName};

/// The smallest size of the ladder; below it the scaled values of this one
/// serve.
const FIRST: f64 = 8.0;
/// Each size over the one before it.
pub(super) const RATIO: f64 = 1.5;
/// A window of so many references has no error to speak of.
const LAST: f64 = 50.0;

/// Where a window size is between two rungs.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Place {
    pub(super) rung: u32,
    /// How far it is to the next rung, in 0..1.
    pub(super) part: f64,
}

impl Place {
    /// Both sizes must be positive.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "not negative, and below 2,000 for any number"
    )]
    pub(super) fn of(reference: f64, window: f64) -> Self {
        let position = (window.min(LAST * reference) / FIRST).max(1.0).ln() / RATIO.ln();
        Self { rung: position as u32, part: position.fract() }
    }
}

/// The size of the window at a rung, a whole number.
pub(super) fn size_at(rung: u32) -> f64 {
    (FIRST * RATIO.powi(i32::try_from(rung).unwrap_or(i32::MAX))).round()
}

/// On the straight line between two rungs.
pub(super) fn between(lower: &Noise, upper: &Noise, part: f64) -> Noise {
    let mix = |lower: NoisePoints, upper: NoisePoints| {
        by_score(|score| lower.of(score).zip(upper.of(score)).map(|(low, high)| low + (high - low) * part))
    };
    Noise { points: mix(lower.points, upper.points), typical: mix(lower.typical, upper.typical) }
}

/// Scaled values, whose dependence on the sizes is weak, in the scores' own
/// units. `unit` is `1/m + 1/n` in independent values and `counted` the same in
/// values: the chi-square statistic takes all values for independent.
pub(super) fn in_own_units(scaled: &Noise, unit: f64, counted: f64) -> Noise {
    let own = |scaled: NoisePoints| {
        by_score(|score| {
            let value = match score {
                ScoreName::Psi => scaled.psi? * unit,
                ScoreName::ChiSquare => scaled.chi_square? * unit / counted,
                _ => scaled.of(score)? * unit.sqrt(),
            };
            value.is_finite().then_some(value)
        })
    };
    Noise { points: own(scaled.points), typical: own(scaled.typical) }
}

fn by_score(value: impl Fn(ScoreName) -> Option<f64>) -> NoisePoints {
    NoisePoints {
        psi: value(ScoreName::Psi),
        ks: value(ScoreName::Ks),
        wasserstein: value(ScoreName::Wasserstein),
        jensen_shannon: value(ScoreName::JensenShannon),
        hellinger: value(ScoreName::Hellinger),
        total_variation: value(ScoreName::TotalVariation),
        l_infinity: value(ScoreName::LInfinity),
        chi_square: value(ScoreName::ChiSquare),
    }
}
