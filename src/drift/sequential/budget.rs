//! How many false alarms a model may give, and when its evidence is enough.

use crate::drift::pair::count_to_f64;

/// A number of false alarms per time that a model may give over all its series:
/// features, segments and streams.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Budget {
    alarms: f64,
    per_ms: i64,
}

impl Default for Budget {
    /// One false alarm in 30 days.
    fn default() -> Self {
        Self { alarms: 1.0, per_ms: 30 * 86_400_000 }
    }
}

impl Budget {
    /// `alarms` per `per_ms` milliseconds; `None` unless both are positive and
    /// finite.
    #[must_use]
    pub fn new(alarms: f64, per_ms: i64) -> Option<Self> {
        (alarms > 0.0 && alarms.is_finite() && per_ms > 0).then_some(Self { alarms, per_ms })
    }

    /// False alarms per window of `size_ms` milliseconds, in `0..=1`. More than
    /// one per window can't be told from one.
    #[must_use]
    pub fn rate_per_window(&self, size_ms: i64) -> f64 {
        let ms = |ms: i64| count_to_f64(ms.unsigned_abs());
        (self.alarms * ms(size_ms.max(0)) / ms(self.per_ms)).min(1.0)
    }
}

/// The log evidence with which one of `series` series gives an alarm when no other
/// has any: `ln(series / rate)`.
#[must_use]
pub fn log_bar(series: usize, rate: f64) -> f64 {
    count_to_f64(series.max(1) as u64).ln() - rate.clamp(f64::MIN_POSITIVE, 1.0).ln()
}

/// Which series of a model give an alarm, by the log evidence of each.
///
/// The e-BH rule (Wang and Ramdas, "False Discovery Rate Control with E-values",
/// 2022): the `k` series with the most evidence, for the greatest `k` such that
/// each of them has at least `series / (rate k)`. Then the mean evidence over all
/// series is at least `1 / rate`, whatever their dependence; this is what the
/// average run length of a model rests on.
#[must_use]
pub fn alarms(log_evidence: &[f64], rate: f64) -> Vec<bool> {
    let bar = log_bar(log_evidence.len(), rate);
    let mut descending = log_evidence.to_vec();
    descending.sort_by(|a, b| b.total_cmp(a));
    let ranked = descending.iter().zip(1_u32..);
    let enough = ranked.filter(|&(&log, k)| log >= bar - f64::from(k).ln());
    let least = enough.last().map(|(&log, _)| log);
    // No evidence is none, however many alarms there may be.
    log_evidence.iter().map(|&log| log > 0.0 && least.is_some_and(|least| log >= least)).collect()
}
