//! The bins on which the Jensen-Shannon distance of attributions is computed.

use super::scores::count;

/// Bins at most.
pub(super) const BINS: usize = 10;

/// Intervals that each hold about a tenth of the reference's attributions of a
/// feature, and a twentieth at least.
///
/// A value with a tenth of its own (zero, mostly) stands alone. Edges lie midway
/// between values of the reference, so that a value of the window that differs
/// by rounding stays in its bin. The outermost bins have no ends.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Bins {
    /// Upper edges of all bins but the last.
    edges: Vec<f64>,
}

impl Bins {
    /// Of attributions in ascending order. One bin, when they are nearly all
    /// equal: the distance on it is always 0, and Kolmogorov-Smirnov has to do.
    pub(super) fn of_sorted(values: &[f64]) -> Self {
        let target = count(values.len()) / count(BINS);
        let mut edges = Vec::new();
        let (mut held, mut passed, mut last) = (0.0, 0.0, f64::NEG_INFINITY);
        for equal in values.chunk_by(|a, b| a.total_cmp(b).is_eq()) {
            let (Some(&value), mass) = (equal.first(), count(equal.len())) else { continue };
            let is_full = held >= target || (mass >= target && held >= target / 2.0);
            let rest = count(values.len()) - passed;
            if is_full && rest >= target / 2.0 && edges.len() + 1 < BINS {
                edges.push(f64::midpoint(last, value));
                held = 0.0;
            }
            held += mass;
            passed += mass;
            last = value;
        }
        Self { edges }
    }

    pub(super) fn len(&self) -> usize {
        self.edges.len() + 1
    }

    /// At most [`BINS`] − 1.
    pub(super) fn bin_of(&self, value: f64) -> usize {
        self.edges.partition_point(|edge| *edge < value)
    }

    /// Counts of values on the bins.
    pub(super) fn counts(&self, values: &[f64]) -> Vec<u64> {
        let mut counts = vec![0; self.len()];
        for value in values {
            if let Some(count) = counts.get_mut(self.bin_of(*value)) {
                *count += 1;
            }
        }
        counts
    }
}
