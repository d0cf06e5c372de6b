//! Differences of two answers to the same requests.
//!
//! What makes a request hard is the same for both, so that the scatter of differences is
//! far less than that of either arm.

use super::{
    strata::{Difference, LEAST_BUCKETS},
    sums::{Step, Sums},
};

/// The mean of paired differences; `None` below two pairs.
pub(super) fn difference(
    (control, challenger): (&Sums, &Sums),
    difference: &Sums,
    step: Step,
) -> Option<Difference> {
    let steps = [step];
    let deviations = difference.deviations(None, &steps);
    let n = deviations.n;
    if n < 2.0 {
        return None;
    }
    let independent = deviations.product(0, 0) / (n - 1.0) / n;
    let mean = deviations.mean(0);
    let design_effect = design_effect(difference, step)?;
    Some(Difference {
        control: control.deviations(None, &steps).mean(0),
        challenger: challenger.deviations(None, &steps).mean(0),
        difference: mean,
        variance: independent * design_effect,
        design_effect,
        n: n / design_effect,
        explained: 0.0,
    })
}

/// How far values of a unit go together; `None` with too few units to tell.
pub(super) fn design_effect(sums: &Sums, step: Step) -> Option<f64> {
    if !sums.has_buckets() {
        return Some(1.0);
    }
    let used = sums.used_buckets();
    if used < LEAST_BUCKETS {
        return None;
    }
    let steps = [step];
    let deviations = sums.deviations(None, &steps);
    let (n, mean) = (deviations.n, deviations.mean(0));
    let independent = deviations.product(0, 0) / (n - 1.0) / n;
    let scatter: f64 = sums
        .buckets(&steps)
        .map(|(_, count, sums)| (sums.first().copied().unwrap_or(0.0) - mean * count).powi(2))
        .sum();
    #[expect(clippy::cast_precision_loss, reason = "at most 256")]
    let factor = used as f64 / (used as f64 - 1.0);
    Some(if independent > 0.0 { (scatter * factor / (n * n) / independent).max(1.0) } else { 1.0 })
}
