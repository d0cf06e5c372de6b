//! Hellinger distance.

use super::pair::CountPair;

/// Hellinger distance, `sqrt(sum((sqrt(p) - sqrt(q))^2) / 2)`; in 0..=1, 0 when
/// the shares are equal and 1 when no bin has values of both.
///
/// A metric (Hellinger, 1909; Le Cam, "Asymptotic Methods in Statistical
/// Decision Theory", 1986), with `H^2 <= TV <= H * sqrt(2 - H^2)`. Without drift
/// its square is about `(1/m + 1/n) * chi2(B - 1) / 8`: not for windows with
/// fewer than about ten events per bin.
#[must_use]
pub fn hellinger_distance(pair: &CountPair<'_>) -> f64 {
    let scale = pair.scale();
    let sum: f64 = pair
        .bins()
        .filter(|bin| !bin.is_empty())
        .map(|bin| {
            // sqrt(p) - sqrt(q) by the exact difference p - q.
            let roots = bin.reference_share().sqrt() + bin.window_share().sqrt();
            let difference = bin.scaled_difference() / scale / roots;
            difference * difference
        })
        .sum();
    (sum / 2.0).min(1.0).sqrt()
}
