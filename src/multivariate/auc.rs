//! The area under the ROC curve of two groups of scores.

use super::matrix::count;

/// How well scores separate two groups: the share of pairs in which the second
/// group's score is the larger one, ties counted half.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Auc {
    /// In 0..=1; 0.5 when the scores separate nothing.
    pub value: f64,
    /// Its variance when both groups are samples (`DeLong`, `DeLong` and
    /// Clarke-Pearson, "Comparing the areas under two or more correlated
    /// receiver operating characteristic curves", 1988).
    pub variance: f64,
    /// Its variance when the groups are drawn from the same rows by chance,
    /// given the ties among the scores (Mann and Whitney, "On a test of whether
    /// one of two random variables is stochastically larger than the other",
    /// 1947; Lehmann, "Nonparametrics", 1975, for the ties).
    pub null_variance: f64,
}

impl Auc {
    /// Of finite scores of two groups. `None` when one has fewer than two.
    #[must_use]
    pub fn of(first: &[f64], second: &[f64]) -> Option<Self> {
        if first.len() < 2 || second.len() < 2 {
            return None;
        }
        let (m, n) = (count(first.len()), count(second.len()));
        let pooled: Vec<f64> = first.iter().chain(second).copied().collect();
        let (pooled_ranks, ties) = ranks(&pooled);
        let (own_first, own_second) = (ranks(first).0, ranks(second).0);
        let (first_ranks, second_ranks) = pooled_ranks.split_at(first.len());
        // For every score, the share of the other group on its wrong side: its
        // rank among all, less its rank in its own group.
        let above = |ranks: &[f64], own: &[f64], other: f64| -> Vec<f64> {
            ranks.iter().zip(own).map(|(all, own)| (all - own) / other).collect()
        };
        let of_first = above(first_ranks, &own_first, n);
        let of_second = above(second_ranks, &own_second, m);
        let value = of_second.iter().sum::<f64>() / n;
        let variance = variance_of(&of_first) / m + variance_of(&of_second) / n;
        let all = m + n;
        let null_variance = (all + 1.0 - ties / (all * (all - 1.0))) / (12.0 * m * n);
        Some(Self { value, variance, null_variance: null_variance.max(0.0) })
    }
}

/// Sample variance (divisor n - 1).
fn variance_of(values: &[f64]) -> f64 {
    let n = count(values.len());
    let mean = values.iter().sum::<f64>() / n;
    values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / (n - 1.0)
}

/// The ranks from 1 on, equal values sharing the middle of theirs; and the sum
/// of `t^3 - t` over groups of `t` equal values.
pub(super) fn ranks(values: &[f64]) -> (Vec<f64>, f64) {
    let mut order: Vec<(f64, usize)> = values.iter().copied().zip(0..).collect();
    order.sort_by(|a, b| a.0.total_cmp(&b.0));
    let mut ranks = vec![0.0; values.len()];
    let (mut before, mut ties) = (0.0, 0.0);
    for group in order.chunk_by(|a, b| a.0.total_cmp(&b.0).is_eq()) {
        let size = count(group.len());
        for (_, place) in group {
            if let Some(rank) = ranks.get_mut(*place) {
                *rank = before + f64::midpoint(size, 1.0);
            }
        }
        before += size;
        ties += size * (size * size - 1.0);
    }
    (ranks, ties)
}
