//! Total variation distance.

use super::pair::{BinPair, CountPair};

/// Total variation distance, `sum(|p - q|) / 2`; in 0..=1: the share of the
/// values that would have to change their bin to make the two equal.
///
/// A metric (Levin and Peres, "Markov Chains and Mixing Times", 2017, chapter
/// 4). Without drift its mean grows with the number of bins and falls with the
/// square root of the window: not for comparing windows of different sizes.
#[must_use]
pub fn total_variation(pair: &CountPair<'_>) -> f64 {
    (pair.bins().map(BinPair::scaled_difference).sum::<f64>() / pair.scale() / 2.0).min(1.0)
}
