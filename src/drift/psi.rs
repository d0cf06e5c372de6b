//! Population stability index.

use super::pair::{BinPair, CountPair, to_f64};

/// Population stability index, `sum((p - q) * ln(p / q))` over the bins, with
/// `p` the reference's share and `q` the window's; in `0..`, exactly 0 when the
/// shares are equal.
///
/// Empty bins: a zero share on one side stands for *one event's* share of that
/// side (`1/m` or `1/n`), but never for more than the other side has. So a bin
/// that is empty only because the window is small adds little (nothing at all
/// when one event would have been enough), no term is negative, and the index
/// is always finite. Bins that are empty on both sides add nothing. A fixed
/// floor such as 1e-4 would add 0.69 for one empty decile whatever the sizes;
/// this rule knows how much an empty bin means.
///
/// Under no drift the index is distributed about as `(1/m + 1/n) * chi2(B - 1)`
/// with `B` bins (Yurdakul, "Statistical Properties of Population Stability
/// Index", Western Michigan University, 2018), so it can't be judged without
/// the sizes: with ten bins 0.1 is the 95 % point of noise at m = n = 338, and
/// far above noise at 100,000. Not for windows with fewer than about ten events
/// per bin.
///
/// It is Jeffreys' divergence (Kullback and Leibler, "On Information and
/// Sufficiency", 1951): symmetric, but no metric, for the triangle inequality
/// does not hold.
#[must_use]
pub fn population_stability_index(pair: &CountPair<'_>) -> f64 {
    pair.bins().map(term).sum::<f64>() / pair.scale()
}

/// One bin's term times `m * n`. The logarithm is taken of `1 + (p - q) / q`
/// with an exact difference, so that it keeps its digits near 0.
fn term(bin: BinPair) -> f64 {
    let (reference, window) = bin.scaled_shares_without_zero();
    let smaller = reference.min(window);
    if smaller == 0 {
        return 0.0;
    }
    let difference = to_f64(reference.abs_diff(window));
    difference * (difference / to_f64(smaller)).ln_1p()
}
