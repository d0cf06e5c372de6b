//! Scores of means of |φ|, and their noise points: what is the same whether the
//! means are of a model's attributions or of a surrogate's.

use super::{
    AttributionEffects,
    scores::{Ranker, count, share_variation},
    verdict,
};
use crate::result::AttributionDrift;

/// The points of one output at given sizes, and what scores are on average.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(in crate::explain) struct MeanPoints {
    /// Of 1 − nDCG.
    pub(super) gain_lost: f64,
    pub(super) typical_gain_lost: f64,
    pub(super) total_variation: f64,
    pub(super) typical_total_variation: f64,
}

/// Scores of draws of two samples that differ by chance alone.
#[derive(Debug)]
pub(in crate::explain) struct DrawnScores {
    lost: Vec<f64>,
    varied: Vec<f64>,
    ranker: Ranker,
}

impl DrawnScores {
    /// For so many draws of so many features.
    pub(in crate::explain) fn new(draws: usize, features: usize) -> Self {
        let ranker = Ranker::new(features);
        Self { lost: Vec::with_capacity(draws), varied: Vec::with_capacity(draws), ranker }
    }

    pub(in crate::explain) fn push(&mut self, reference: &[f64], window: &[f64]) {
        self.lost.push(1.0 - self.ranker.ndcg(reference, window).unwrap_or(1.0));
        self.varied.push(share_variation(reference, window));
    }

    /// The points are the draws' order statistics: that with `place` − 1 larger
    /// ones.
    pub(in crate::explain) fn points(mut self, place: usize) -> MeanPoints {
        let draws = count(self.lost.len().max(1));
        let square = self.varied.iter().map(|value| value * value).sum::<f64>() / draws;
        MeanPoints {
            typical_gain_lost: self.lost.iter().sum::<f64>() / draws,
            gain_lost: largest(&mut self.lost, place),
            total_variation: largest(&mut self.varied, place),
            typical_total_variation: square.sqrt(),
        }
    }
}

impl MeanPoints {
    /// What the ranking and the shares say of a window's means beside those of
    /// so many rows of the reference.
    pub(in crate::explain) fn judge(
        &self,
        (reference, reference_rows): (&[f64], usize),
        window: &[f64],
        effects: &AttributionEffects,
        enough: bool,
    ) -> AttributionDrift {
        let ndcg = Ranker::new(reference.len()).ndcg(reference, window).unwrap_or(1.0);
        let lost = 1.0 - ndcg;
        let ndcg_verdict =
            verdict(enough, lost > self.gain_lost, lost - self.typical_gain_lost >= effects.gain_lost);
        let total_variation = share_variation(reference, window);
        // Noise adds to the square of a distance.
        let typical = self.typical_total_variation;
        let effect = ((total_variation - typical) * (total_variation + typical)).max(0.0).sqrt();
        let total_variation_verdict =
            verdict(enough, total_variation > self.total_variation, effect >= effects.total_variation);
        AttributionDrift {
            verdict: ndcg_verdict.max(total_variation_verdict),
            reference_rows: reference_rows as u64,
            ndcg,
            ndcg_noise: 1.0 - self.gain_lost,
            ndcg_verdict,
            total_variation,
            total_variation_noise: self.total_variation,
            total_variation_verdict,
        }
    }
}

/// The largest number but so many less one.
fn largest(numbers: &mut [f64], place: usize) -> f64 {
    let at = numbers.len().saturating_sub(place);
    if at >= numbers.len() { 0.0 } else { *numbers.select_nth_unstable_by(at, f64::total_cmp).1 }
}
