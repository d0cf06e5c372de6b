//! Binomial counts as functions of a standard normal variable.

use statrs::function::erf::erfc;

/// From this expected count on, and as much on the other side, the quantile
/// function is expanded; below it, it is summed up.
const EXPANDED_FROM: f64 = 12.0;

/// The count of `trials` with probability `share` whose quantile is that of the
/// standard normal `z`: an increasing function of `z`, and binomially
/// distributed when `z` is normal.
///
/// The expansion is that of Cornish and Fisher ("Moments and Cumulants in the
/// Specification of Distributions", 1937) to the fourth cumulant, rounded to
/// the next whole number.
pub(super) fn binomial(trials: f64, share: f64, z: f64) -> f64 {
    if share > 0.5 {
        return trials - binomial(trials, 1.0 - share, -z);
    }
    if trials <= 0.0 || share <= 0.0 {
        return 0.0;
    }
    if trials * share < EXPANDED_FROM { summed(trials, share, z) } else { expanded(trials, share, z) }
}

fn expanded(trials: f64, share: f64, z: f64) -> f64 {
    let variance = trials * share * (1.0 - share);
    let deviation = variance.sqrt();
    let skewness = (1.0 - 2.0 * share) / deviation;
    let kurtosis = (1.0 - 6.0 * share * (1.0 - share)) / variance;
    let square = z * z;
    let standardised = z + skewness * (square - 1.0) / 6.0 + kurtosis * z * (square - 3.0) / 24.0
        - skewness * skewness * z * (2.0 * square - 5.0) / 36.0;
    (trials * share + deviation * standardised).round().clamp(0.0, trials)
}

fn summed(trials: f64, share: f64, z: f64) -> f64 {
    let below = erfc(-z * std::f64::consts::FRAC_1_SQRT_2) / 2.0;
    let odds = share / (1.0 - share);
    let mut probability = (trials * (-share).ln_1p()).exp();
    let mut sum = probability;
    let mut count = 0.0;
    // Where the sum has stopped growing below 1 by its rounding, it is 1.
    while sum < below && count < trials && (probability > 1e-18 || count < trials * share) {
        probability *= (trials - count) / (count + 1.0) * odds;
        count += 1.0;
        sum += probability;
    }
    count
}
