//! Quantiles of the normal distribution.

use statrs::function::erf::erfc_inv;

/// The point that a standard normal variable exceeds with probability `tail`.
pub(crate) fn upper_normal_quantile(tail: f64) -> f64 {
    std::f64::consts::SQRT_2 * erfc_inv(2.0 * tail)
}
