//! The four scores that compare attributions of a window with the reference's.

use std::cmp::Ordering;

/// Normalised discounted cumulative gain of the ranking by `ranking` when each
/// feature is worth its `relevance`: `sum(relevance / log2(place + 1))` over the
/// places from 1, divided by that of the best ranking (Järvelin and Kekäläinen,
/// "Cumulated gain-based evaluation of IR techniques", 2002, with linear gains).
/// In 0..=1; `None` when nothing is worth anything.
///
/// Features of equal rank share the mean discount of their places (`McSherry`
/// and Najork, "Computing information retrieval performance measures efficiently
/// in the presence of tied scores", 2008).
///
/// It looks at places only: two features of nearly equal weight that change
/// places cost little, and a change of weights that keeps the order nothing.
#[must_use]
pub fn ndcg(relevance: &[f64], ranking: &[f64]) -> Option<f64> {
    Ranker::new(relevance.len()).ndcg(relevance, ranking)
}

/// Computes [`ndcg`] of many rankings of so many features.
#[derive(Debug)]
pub(super) struct Ranker {
    discounts: Vec<f64>,
    pairs: Vec<(f64, f64)>,
    ideal: Vec<f64>,
}

impl Ranker {
    #[expect(clippy::cast_precision_loss, reason = "places are small")]
    pub(super) fn new(features: usize) -> Self {
        let discounts = (0..features).map(|place| 1.0 / (place as f64 + 2.0).log2()).collect();
        Self { discounts, pairs: Vec::with_capacity(features), ideal: Vec::with_capacity(features) }
    }

    pub(super) fn ndcg(&mut self, relevance: &[f64], ranking: &[f64]) -> Option<f64> {
        let descending = |a: &f64, b: &f64| b.total_cmp(a);
        self.ideal.clear();
        self.ideal.extend(relevance);
        self.ideal.sort_unstable_by(descending);
        let ideal: f64 = self.ideal.iter().zip(&self.discounts).map(|(worth, factor)| worth * factor).sum();
        self.pairs.clear();
        self.pairs.extend(ranking.iter().copied().zip(relevance.iter().copied()));
        // The second key makes sums of ties the same in any order.
        self.pairs.sort_unstable_by(|a, b| descending(&a.0, &b.0).then_with(|| descending(&a.1, &b.1)));
        let mut gained = 0.0;
        let mut places = self.discounts.iter();
        for tied in self.pairs.chunk_by(|a, b| a.0.total_cmp(&b.0) == Ordering::Equal) {
            let worth: f64 = tied.iter().map(|(_, worth)| worth).sum();
            let discount: f64 = places.by_ref().take(tied.len()).sum();
            gained += worth * discount / count(tied.len());
        }
        (ideal > 0.0).then(|| (gained / ideal).min(1.0))
    }
}

/// Total variation of two lists of amounts as shares of their sums: half the sum
/// of the absolute differences, in 0..=1. An amount's share of nothing is 0.
#[must_use]
pub fn share_variation(reference: &[f64], window: &[f64]) -> f64 {
    let (of_reference, of_window) = (one_over_sum(reference), one_over_sum(window));
    let differences =
        reference.iter().zip(window).map(|(one, other)| (one * of_reference - other * of_window).abs());
    (differences.sum::<f64>() / 2.0).min(1.0)
}

/// What an amount is multiplied with to become a share; 0 when there is nothing.
pub(super) fn one_over_sum(amounts: &[f64]) -> f64 {
    let sum: f64 = amounts.iter().sum();
    if sum > 0.0 { 1.0 / sum } else { 0.0 }
}

/// Largest difference of the distribution functions of two samples, each in
/// ascending order (Smirnov, 1939). 0 when one is empty.
#[must_use]
pub fn sorted_ks(reference: &[f64], window: &[f64]) -> f64 {
    let (m, n) = (count(reference.len()), count(window.len()));
    let (mut below, mut beside) = (reference.iter().peekable(), window.iter().peekable());
    let (mut passed, mut largest) = ((0.0, 0.0), 0.0_f64);
    while let (Some(&&one), Some(&&other)) = (below.peek(), beside.peek()) {
        let value = if one.total_cmp(&other).is_le() { one } else { other };
        while below.next_if(|next| next.total_cmp(&value).is_le()).is_some() {
            passed.0 += 1.0;
        }
        while beside.next_if(|next| next.total_cmp(&value).is_le()).is_some() {
            passed.1 += 1.0;
        }
        largest = largest.max((passed.0 / m - passed.1 / n).abs());
    }
    largest
}

/// A number of rows or features as a float.
#[expect(clippy::cast_precision_loss, reason = "numbers of rows are far below 2^53")]
pub(super) fn count(number: usize) -> f64 {
    number as f64
}
