//! Jensen-Shannon distance.

use std::f64::consts::LN_2;

use super::pair::{BinPair, CountPair, to_f64};

/// Jensen-Shannon distance, base 2: the square root of
/// `(KL(p || c) + KL(q || c)) / 2` with `c = (p + q) / 2` and logarithms to base
/// 2; in 0..=1, 0 when the shares are equal and 1 when no bin has values of both.
///
/// Lin, "Divergence Measures Based on the Shannon Entropy", 1991; the square
/// root is a metric (Endres and Schindelin, "A New Metric for Probability
/// Distributions", 2003). Empty bins need no rule: `0 * log(0)` is 0.
///
/// Biased upwards in small windows: without drift the squared distance is about
/// `(1/m + 1/n) * chi2(B - 1) / (8 ln 2)`. Not for windows with fewer than about
/// ten events per bin.
#[must_use]
pub fn jensen_shannon_distance(pair: &CountPair<'_>) -> f64 {
    let nats = pair.bins().map(term).sum::<f64>() / pair.scale();
    (nats / LN_2).clamp(0.0, 1.0).sqrt()
}

/// One bin's part of the divergence in nats, times `m * n`.
fn term(bin: BinPair) -> f64 {
    let (reference, window) = bin.scaled_shares();
    let (smaller, larger) = (reference.min(window), reference.max(window));
    let (low, high) = (to_f64(smaller), to_f64(larger));
    if smaller == 0 {
        return high * LN_2 / 2.0;
    }
    let centre = low + high;
    let difference = to_f64(larger - smaller);
    if high > 2.0 * low {
        #[expect(clippy::manual_midpoint, reason = "half a sum of terms, not a point between two")]
        return (low * (2.0 * low / centre).ln() + high * (2.0 * high / centre).ln()) / 2.0;
    }
    // Near equality the two logarithms cancel. With d = (p - q) / (p + q) the
    // same sum is (p + q)/2 * (d * atanh(d) + ln(1 - d^2) / 2), which does not.
    let relative = difference / centre;
    centre / 2.0 * (relative * relative.atanh() + (-relative * relative).ln_1p() / 2.0)
}
