//! L-infinity distance.

use super::pair::{BinPair, CountPair};

/// L-infinity (Chebyshev) distance, `max(|p - q|)`: the largest difference of a
/// single bin's share; in 0..=1, a metric, at most the total variation.
///
/// Good for naming the one category that moved. Blind to small changes of many
/// bins, and not for numeric columns with many bins, where each share is small.
#[must_use]
pub fn l_infinity(pair: &CountPair<'_>) -> f64 {
    pair.bins().map(BinPair::scaled_difference).fold(0.0, f64::max) / pair.scale()
}
