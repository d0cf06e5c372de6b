//! From counts to what a window says about one column.

use super::{
    CountPair, PathScratch, Span, Transport, chi_square, cumulative_scores, hellinger_distance,
    jensen_shannon_distance, l_infinity, pair::share, population_stability_index, total_variation,
};
use crate::{
    profile::{Counts, Grid, NumericGrid},
    reference::Column,
    result::{BinShare, FeatureResult, NumericSummary, ScoreName, Scores, Verdict},
};

/// Scores columns; keeps its buffers between calls.
///
/// Distribution functions (Kolmogorov-Smirnov, Wasserstein) are compared on the
/// column's grid, everything else on its cut.
#[derive(Debug, Default)]
pub struct Scorer {
    grid: SideBySide,
    cut: SideBySide,
    paths: PathScratch,
}

/// Counts of reference and window on the same bins.
#[derive(Debug, Default)]
struct SideBySide {
    reference: Vec<u64>,
    window: Vec<u64>,
}

impl Scorer {
    /// What a window's `counts` are beside the column's `reference`, not yet
    /// judged: without scores the verdict is [`Verdict::Insufficient`], and that
    /// is with fewer than `min_events` valid values, with none on either side,
    /// and for counts that were made on another grid.
    pub fn feature_result(
        &mut self,
        (column, reference): (&Column, &Counts),
        counts: &Counts,
        min_events: u64,
    ) -> FeatureResult {
        let (n, valid) = (counts.rows(), counts.valid());
        self.grid.fill(reference, counts);
        column.cut.sum_into(self.grid.reference.iter().copied(), &mut self.cut.reference);
        column.cut.sum_into(self.grid.window.iter().copied(), &mut self.cut.window);
        let scores = if valid >= min_events { self.scores(column, reference, counts) } else { None };
        FeatureResult {
            feature: column.name.clone(),
            kind: column.grid.kind(),
            n,
            valid,
            missing_share: share_of(counts.missing(), n),
            invalid_share: share_of(counts.invalid(), n),
            unseen_share: share_of(counts.unseen(), valid),
            verdict: if scores.is_some() { Verdict::Stable } else { Verdict::Insufficient },
            summary: summary(&column.grid, counts),
            scores,
            score: ScoreName::Psi,
            noise: None,
            effect: None,
            effective_n: None,
            rank: None,
            quality: Vec::new(),
            bins: self.bins(column, reference.valid(), valid),
            unseen: counts.unseen_names(),
        }
    }

    /// The scores; `None` when one side is empty.
    fn scores(&mut self, column: &Column, reference: &Counts, counts: &Counts) -> Option<Scores> {
        let on_grid = self.grid.pair()?;
        let (ks, wasserstein) = match &column.grid {
            Grid::Numeric(grid) => {
                let range = common_range(reference, counts)?;
                let cumulative = cumulative_scores(&on_grid, range, |bin| span(grid, bin));
                let ks = cumulative.ks(&on_grid, &mut self.paths);
                let transport = cumulative.transport;
                (Some(ks), standardised(transport, reference, counts))
            }
            Grid::Categorical(_) => (None, None),
        };
        let pair = self.cut.pair()?;
        Some(Scores {
            psi: population_stability_index(&pair),
            ks,
            wasserstein,
            jensen_shannon: jensen_shannon_distance(&pair),
            hellinger: hellinger_distance(&pair),
            total_variation: total_variation(&pair),
            l_infinity: l_infinity(&pair),
            chi_square: chi_square(&pair),
        })
    }

    /// Both distributions on the cut, for pictures.
    fn bins(&self, column: &Column, reference_valid: u64, valid: u64) -> Vec<BinShare> {
        let counts = self.cut.reference.iter().zip(&self.cut.window);
        let labels = column.cut.labels().iter();
        labels
            .zip(counts)
            .map(|(label, (&reference, &window))| BinShare {
                label: label.clone(),
                reference: share(reference, reference_valid),
                window: share(window, valid),
            })
            .collect()
    }
}

impl SideBySide {
    fn fill(&mut self, reference: &Counts, window: &Counts) {
        reference.copy_bins(&mut self.reference);
        window.copy_bins(&mut self.window);
    }

    fn pair(&self) -> Option<CountPair<'_>> {
        CountPair::new(&self.reference, &self.window)
    }
}

#[inline]
fn span(grid: &NumericGrid, bin: usize) -> Span {
    let upper = grid.upper(bin);
    if grid.is_single_value(bin) {
        Span::Point(upper)
    } else {
        Span::Interval { lower: grid.lower(bin), upper }
    }
}

/// Smallest and largest value of both sides together.
fn common_range(reference: &Counts, window: &Counts) -> Option<(f64, f64)> {
    Some((reference.min()?.min(window.min()?), reference.max()?.max(window.max()?)))
}

fn share_of(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| share(part, whole))
}

fn standardised(transport: Transport, reference: &Counts, window: &Counts) -> Option<f64> {
    let mean_difference = reference.mean().zip(window.mean()).map(|(reference, window)| window - reference);
    transport.standardised(reference.std_dev()?, mean_difference)
}

/// Moments and quantiles of a numeric column with values.
fn summary(grid: &Grid, counts: &Counts) -> Option<NumericSummary> {
    let [p05, p25, p50, p75, p95] = counts.quantiles(grid, [0.05, 0.25, 0.5, 0.75, 0.95])?;
    Some(NumericSummary {
        mean: counts.mean()?,
        std_dev: counts.std_dev(),
        min: counts.min()?,
        max: counts.max()?,
        p05,
        p25,
        p50,
        p75,
        p95,
    })
}
