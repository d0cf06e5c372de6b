//! Two-sample chi-square test.

use statrs::function::gamma::checked_gamma_ur;

use super::pair::{CountPair, count_to_f64};
use crate::result::ChiSquare;

/// Pearson's chi-square test that reference and window have the same shares:
/// the 2 x B table of counts, without continuity correction, over the bins in
/// which either side has a value. `None` with fewer than two such bins.
///
/// The reference counts as a sample with an error of its own, not as the truth:
/// against a reference of the window's size a one-sample test would raise a
/// false alarm every second time. The statistic is computed as `sum((a*n -
/// b*m)^2 / (a + b)) / (m * n)`, which equals the usual sum over observed and
/// expected counts. (Pearson, 1900; Agresti, "Categorical Data Analysis", 2013,
/// section 3.2.)
///
/// The p-value is the upper tail of the chi-square distribution: an
/// approximation, good when hardly any expected count is below 5 (Cochran,
/// 1954). At large n everything is significant: it says that there is a
/// difference, not that the difference matters.
#[must_use]
pub fn chi_square(pair: &CountPair<'_>) -> Option<ChiSquare> {
    let mut used_bins = 0_u32;
    let mut sum = 0.0;
    for bin in pair.bins().filter(|bin| !bin.is_empty()) {
        used_bins += 1;
        let difference = bin.scaled_difference();
        sum += difference / (count_to_f64(bin.reference) + count_to_f64(bin.window)) * difference;
    }
    let degrees_of_freedom = used_bins.checked_sub(1).filter(|&degrees| degrees > 0)?;
    let statistic = sum / pair.scale();
    let p_value = chi_square_upper_tail(statistic, degrees_of_freedom)?;
    Some(ChiSquare { statistic, degrees_of_freedom, p_value })
}

/// `P(X >= statistic)` of the chi-square distribution.
fn chi_square_upper_tail(statistic: f64, degrees_of_freedom: u32) -> Option<f64> {
    if statistic <= 0.0 {
        return Some(1.0);
    }
    let tail = checked_gamma_ur(f64::from(degrees_of_freedom) / 2.0, statistic / 2.0).ok()?;
    tail.is_finite().then(|| tail.clamp(0.0, 1.0))
}
