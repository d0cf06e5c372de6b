//! Whether attributions have changed: the why beside the reference's.
//!
//! Why: inputs may drift and not matter to the model, and what matters may
//! change while every input keeps its distribution. Four scores see different
//! things: the gain of the ranking (nDCG) whether other features lead, the total
//! variation of shares how much importance has moved, and for each feature the
//! Kolmogorov-Smirnov and Jensen-Shannon distances of its attributions whether
//! it works differently though it weighs the same.
//!
//! Promises: each score has a noise point with both sizes and the reference's
//! own error in it. All points of an output together are exceeded about once in
//! [one thousand](crate::drift::noise::EXCEEDED_BY) windows like the reference, however many features
//! there are: a quarter of that is the ranking's, a quarter the shares', and a
//! quarter each is shared by the features' distances (Bonferroni's inequality,
//! which loses little at such levels). What is significant and reaches the
//! minimum effect is drifted, otherwise it is shifted.
//!
//! Refuses: to judge by fewer than [`FEWEST_ATTRIBUTIONS`] rows on either side,
//! and attributions that were made in another way than the reference's: noise of
//! an estimate widens them, and the points know only the reference's.

mod bins;
mod means;
mod noise;
mod scores;

use std::collections::BTreeMap;

pub(super) use means::{DrawnScores, MeanPoints};
pub use scores::{ndcg, share_variation, sorted_ks};

use self::{
    bins::Bins,
    noise::{Drawn, NoisePoints, Sizes, ks_point},
    scores::{count, one_over_sum},
};
use crate::{
    drift::{CountPair, jensen_shannon_distance},
    profile::row_hash,
    result::{AttributionDrift, FeatureAttributionDrift, Verdict},
};

/// Rows with attributions that either side must have.
pub const FEWEST_ATTRIBUTIONS: usize = 50;
/// Sizes whose points are kept.
const KEPT_SIZES: usize = 64;
/// Attributions that differ by less than this part of the largest mean are
/// equal: exact ones add up to the output with a billionth's error.
const ROUNDING: f64 = 1e-9;

/// The effects from which on a change of attributions matters.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AttributionEffects {
    /// The gain of the ranking has to fall this far below 1, what noise takes
    /// away not counted: 0.1, which is where `SageMaker` Clarify warns.
    pub gain_lost: f64,
    /// Share of all importance that has to move from features to others: 0.1,
    /// as for the total variation of a column.
    pub total_variation: f64,
    /// The share of a feature has to change by this: 0.05, since half of what
    /// moves in total leaves one feature when it goes to one other.
    pub share_change: f64,
}

impl Default for AttributionEffects {
    fn default() -> Self {
        Self { gain_lost: 0.1, total_variation: 0.1, share_change: 0.05 }
    }
}

/// What a window's attributions of one output say beside the reference's.
#[derive(Debug, Clone, PartialEq)]
pub struct JudgedAttributions {
    /// Of all features together.
    pub drift: AttributionDrift,
    /// Of each feature, in their order.
    pub features: Vec<FeatureAttributionDrift>,
}

/// Judges windows of attributions of one output.
///
/// The first window of a size costs a simulation of some ten milliseconds; later
/// ones of about that size what sorting their attributions takes.
#[derive(Debug)]
pub struct AttributionJudge {
    rows: usize,
    /// |φ|, row by row.
    magnitudes: Vec<f64>,
    /// φ of each feature in ascending order, and its bins.
    columns: Vec<(Vec<f64>, Bins)>,
    bin_counts: Vec<Vec<u64>>,
    means: Vec<f64>,
    unit: f64,
    effects: AttributionEffects,
    seed: u64,
    kept: BTreeMap<Sizes, NoisePoints>,
}

impl AttributionJudge {
    /// Of the reference's rows: attributions of one output by feature. `None`
    /// when there are fewer than [`FEWEST_ATTRIBUTIONS`], of different width, not
    /// finite, or all 0: then no feature has a share that could change.
    #[must_use]
    pub fn new(reference: &[&[f64]], effects: AttributionEffects) -> Option<Self> {
        let features = reference.first()?.len();
        let is_whole = |row: &&[f64]| row.len() == features && row.iter().all(|value| value.is_finite());
        if reference.len() < FEWEST_ATTRIBUTIONS || features == 0 || !reference.iter().all(is_whole) {
            return None;
        }
        let magnitudes: Vec<f64> =
            reference.iter().flat_map(|row| row.iter().map(|value| value.abs())).collect();
        let means = means(reference, features);
        let largest = means.iter().copied().fold(0.0, f64::max);
        if largest <= 0.0 {
            return None;
        }
        let unit = largest * ROUNDING;
        let columns: Vec<_> = (0..features)
            .map(|feature| sorted_column(reference, feature, unit))
            .map(|values| {
                let bins = Bins::of_sorted(&values);
                (values, bins)
            })
            .collect();
        let bin_counts = columns.iter().map(|(values, bins)| bins.counts(values)).collect();
        let bytes: Vec<u8> = magnitudes.iter().flat_map(|value| value.to_bits().to_le_bytes()).collect();
        Some(Self {
            rows: reference.len(),
            seed: row_hash(&bytes),
            magnitudes,
            columns,
            bin_counts,
            means,
            unit,
            effects,
            kept: BTreeMap::new(),
        })
    }

    /// Rows of the reference.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Compares a window's rows with the reference. Of `design_effect` rows each
    /// carries the information of one (Kish, "Survey Sampling", 1965), on either
    /// side; below 1 it counts as 1. `None` without rows, and of rows that are
    /// not of the reference's features.
    pub fn judge(&mut self, window: &[&[f64]], design_effect: f64) -> Option<JudgedAttributions> {
        let features = self.columns.len();
        let is_whole = |row: &&[f64]| row.len() == features && row.iter().all(|value| value.is_finite());
        if window.is_empty() || !window.iter().all(is_whole) {
            return None;
        }
        let fewer = if design_effect.is_finite() { design_effect.max(1.0) } else { 1.0 };
        let worth = (count(self.rows) / fewer, count(window.len()) / fewer);
        let points = self.points(Sizes::of(worth.0, worth.1)).clone();
        let ks_noise = ks_point(features, worth.0, worth.1);
        let means = means(window, features);
        let enough = window.len() >= FEWEST_ATTRIBUTIONS;
        let features = self.judge_features(window, &means, (ks_noise, &points.jensen_shannon), enough);
        let drift = points.means.judge((&self.means, self.rows), &means, &self.effects, enough);
        let worst = features.iter().map(|feature| feature.verdict).max();
        let verdict = drift.verdict.max(worst.unwrap_or(Verdict::Insufficient));
        Some(JudgedAttributions { drift: AttributionDrift { verdict, ..drift }, features })
    }

    fn points(&mut self, sizes: Sizes) -> &NoisePoints {
        let Self { magnitudes, columns, seed, kept, .. } = self;
        if kept.len() >= KEPT_SIZES && !kept.contains_key(&sizes) {
            kept.clear();
        }
        kept.entry(sizes).or_insert_with(|| Drawn { magnitudes, columns, seed: *seed }.points(sizes))
    }

    fn judge_features(
        &self,
        window: &[&[f64]],
        means: &[f64],
        (ks_noise, jensen_shannon_noise): (f64, &[f64]),
        enough: bool,
    ) -> Vec<FeatureAttributionDrift> {
        let (of_reference, of_window) = (one_over_sum(&self.means), one_over_sum(means));
        let columns = self.columns.iter().zip(&self.bin_counts).zip(self.means.iter().zip(means));
        let judged = columns.zip(jensen_shannon_noise).enumerate();
        judged
            .map(|(feature, ((((values, bins), counts), (reference_mean, mean)), &jensen_shannon_noise))| {
                let column = sorted_column(window, feature, self.unit);
                let ks = sorted_ks(values, &column);
                let window_counts = bins.counts(&column);
                let pair = CountPair::new(counts, &window_counts);
                let jensen_shannon = pair.map_or(0.0, |pair| jensen_shannon_distance(&pair));
                let reference_share = reference_mean * of_reference;
                let share_change = (of_window > 0.0).then(|| mean * of_window - reference_share);
                FeatureAttributionDrift {
                    verdict: verdict(
                        enough,
                        ks > ks_noise || jensen_shannon > jensen_shannon_noise,
                        share_change.is_none_or(|change| change.abs() >= self.effects.share_change),
                    ),
                    reference_mean_abs: *reference_mean,
                    reference_share: Some(reference_share),
                    ks,
                    ks_noise,
                    jensen_shannon,
                    jensen_shannon_noise,
                    share_change,
                }
            })
            .collect()
    }
}

fn verdict(enough: bool, is_significant: bool, matters: bool) -> Verdict {
    match (enough, is_significant, matters) {
        (false, ..) => Verdict::Insufficient,
        (true, false, _) => Verdict::Stable,
        (true, true, false) => Verdict::Shifted,
        (true, true, true) => Verdict::Drifted,
    }
}

/// Mean |φ| of each feature.
fn means(rows: &[&[f64]], features: usize) -> Vec<f64> {
    let mut sums = vec![0.0; features];
    for row in rows {
        sums.iter_mut().zip(*row).for_each(|(sum, value)| *sum += value.abs());
    }
    let rows = count(rows.len().max(1));
    for sum in &mut sums {
        *sum /= rows;
    }
    sums
}

/// A feature's attributions in ascending order, in whole units.
fn sorted_column(rows: &[&[f64]], feature: usize, unit: f64) -> Vec<f64> {
    let column = rows.iter().filter_map(|row| row.get(feature));
    // Adding zero turns -0.0 into 0.0, which is another value in a total order.
    let mut column: Vec<f64> = column.map(|value| (value / unit).round() + 0.0).collect();
    column.sort_unstable_by(f64::total_cmp);
    column
}
