//! How far a surrogate of a window is from the reference's by chance alone.
//!
//! Why: refits ([`Surrogate::refits`](super::Surrogate::refits)) are draws of
//! just that, but cost a fraction of a second each. Some eighty are affordable,
//! and the noise point lies beyond the largest of two thousand.
//!
//! How: on the scale of logarithms, shares of a window and of the reference are
//! taken for jointly normal (the logistic-normal distribution of compositions:
//! Aitchison, "The statistical analysis of compositional data", 1982); a
//! hundredth is added to each, so that features without effect have no
//! logarithms that jump. The refits give mean and covariance, and thousands of
//! pairs are drawn from a multivariate Student distribution of these: what is
//! predicted of one more observation, which is wider than the normal by what the
//! covariance leaves open (Geisser, "Predictive inference", 1993). The points are
//! order statistics of the drawn pairs' scores. So the ranking's point, too, has
//! a tail: how near features are to changing places is in the mean and the
//! covariance, even when they changed places in no refit.
//!
//! A drawn pair is the mean plus a random combination of the refits' deviations,
//! which has their covariance without its ever being computed; with more
//! features than refits, too.
//!
//! Dependent rows widen the deviations by the root of their design effect, as
//! they do of any mean.
//!
//! What is known of its limits: a reference of a few hundred rows whose
//! predictions are mostly noise can by chance look cleaner than its stream is,
//! and its refits do so with it. Simulated with a surrogate of R² 0.34, windows
//! of 200 rows beside a reference of 1,000 were taken for others four times in a
//! thousand; with R² 0.67 and a reference of 400 rows about as often. So such
//! references are not judged by ([`super`] says from where on they are).

use rand_chacha::{ChaCha8Rng, rand_core::SeedableRng};
use rand_distr::{ChiSquared, Distribution, StandardNormal};

use crate::explain::{
    Refit,
    attribution_drift::{DrawnScores, MeanPoints},
};

/// Fewer refits say too little of a covariance.
const FEWEST_REFITS: usize = 20;
/// Degrees of freedom of the Student distribution. Eighty refits would have 79
/// were they independent; they are drawn from one reference, whose own chance
/// they share. With 79 points were exceeded five to nine times too often in
/// simulations with R² 0.5 to 0.7 and references of 400 and 600 rows; with 15 two
/// to five times, and seldom enough where R² or the reference was larger.
const DEGREES: f64 = 15.0;
/// Added to shares before the logarithm.
const LEAST_SHARE: f64 = 0.01;
/// Amounts beyond this are all there is; their sums stay finite.
const LARGEST_LOG: f64 = 100.0;
/// Draws, and which of the largest is the point: one more exceeds it with a
/// probability of 6 in 12,000, which for two scores is
/// [one thousandth](crate::drift::noise::EXCEEDED_BY).
const DRAWS: (usize, usize) = (11_999, 6);

/// The noise points by these refits' shares. `None` when there are too few.
pub(super) fn points(refits: &[Refit], design_effect: f64, seed: u64) -> Option<MeanPoints> {
    let features = refits.first()?.reference.len();
    if refits.len() < FEWEST_REFITS {
        return None;
    }
    let mut deviations: Vec<Vec<f64>> = refits
        .iter()
        .map(|refit| {
            refit.reference.iter().chain(&refit.window).map(|share| (share + LEAST_SHARE).ln()).collect()
        })
        .collect();
    let refits = count(refits.len());
    let mut mean = vec![0.0; 2 * features];
    for row in &deviations {
        mean.iter_mut().zip(row).for_each(|(mean, log)| *mean += log / refits);
    }
    let wider = (design_effect * (1.0 + 1.0 / refits) / (refits - 1.0)).sqrt();
    for row in &mut deviations {
        row.iter_mut().zip(&mean).for_each(|(log, mean)| *log = (*log - mean) * wider);
    }
    let chi_squared = ChiSquared::new(DEGREES).ok()?;
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let (draws, place) = DRAWS;
    let mut scores = DrawnScores::new(draws, features);
    let mut drawn = vec![0.0; 2 * features];
    for _ in 0..draws {
        drawn.copy_from_slice(&mean);
        let student = (DEGREES / chi_squared.sample(&mut random)).sqrt();
        for row in &deviations {
            let factor: f64 = StandardNormal.sample(&mut random);
            drawn.iter_mut().zip(row).for_each(|(sum, deviation)| *sum += factor * student * deviation);
        }
        for log in &mut drawn {
            *log = (log.min(LARGEST_LOG).exp() - LEAST_SHARE).max(0.0);
        }
        let (reference, window) = drawn.split_at(features);
        scores.push(reference, window);
    }
    Some(scores.points(place))
}

#[expect(clippy::cast_precision_loss, reason = "refits are few")]
fn count(number: usize) -> f64 {
    number as f64
}
