//! From a window's counts of one column to what is said about it.

use super::{
    CountPair, DriftSettings, Scorer,
    checks::{CheckSettings, column_checks},
    noise::{EXCEEDED_BY, EffectiveSizes, Noise, NoiseModel, effect, verdict},
    pair::count_to_f64,
    population_stability_index,
};
use crate::{
    profile::Counts,
    reference::{Column, DesignEffect},
    result::{FeatureResult, NoisePoints, ScoreName, Verdict},
};

/// What one column's windows are held against: the counts of the reference, or
/// of one of its segments, and how far equal windows stray from them.
#[derive(Debug)]
pub struct ColumnJudge {
    noise: NoiseModel,
    /// Against references of other sizes, on the cut alone.
    moving: NoiseModel,
    design_effect: Option<DesignEffect>,
    checks: CheckSettings,
}

impl ColumnJudge {
    /// For windows of `column` against `reference`, which is on its grid.
    /// Without a `design_effect`, rows are taken for independent.
    #[must_use]
    pub fn new(column: &Column, reference: &Counts, design_effect: Option<DesignEffect>) -> Self {
        let noise = NoiseModel::of(&column.grid, &column.cut, reference, EXCEEDED_BY);
        let moving = noise.clone().on_cut();
        Self { noise, moving, design_effect, checks: CheckSettings::default() }
    }

    /// What a window's `counts` say about `column`.
    ///
    /// With fewer than `min_events` valid values, with none, or against a
    /// reference without any, the verdict is insufficient and there are no
    /// scores. The same holds for counts that were made on another grid.
    pub fn judge(
        &mut self,
        scorer: &mut Scorer,
        (column, reference): (&Column, &Counts),
        counts: &Counts,
        (settings, min_events): (&DriftSettings, u64),
    ) -> FeatureResult {
        let mut result = scorer.feature_result((column, reference), counts, min_events);
        let n = counts.valid();
        let effects = self.design_effect.map(|effect| effect.for_rows(n));
        let (shares, cumulative) = effects.map_or((1.0, 1.0), |effect| (effect.shares, effect.cumulative));
        if let Some(scores) = &result.scores {
            let sizes_of = |effect| sizes(reference.valid(), n, effect);
            let mut noise = self.noise.noise(self.fixed(sizes_of(shares)), n);
            if cumulative > shares {
                // Neighbouring bins that move together weigh more in them.
                let sizes = self.fixed(sizes_of(cumulative));
                noise = with_cumulative(noise, self.noise.noise(sizes, n));
            }
            result.score = if scores.of(settings.score).is_some() { settings.score } else { ScoreName::Psi };
            result.effect = effect(result.score, scores, &noise.typical, reference.valid(), n);
            result.verdict = verdict(
                scores.of(result.score),
                noise.points.of(result.score),
                result.effect,
                settings.minimum_effects.of(result.score),
            );
            result.noise = Some(noise.points);
            result.effective_n = self.design_effect.map(|_| count_to_f64(n) / shares);
        }
        self.checks.min_events = min_events;
        result.quality = column_checks((column, reference), counts, &self.checks, shares);
        result
    }

    /// The sizes of a window and the fixed reference.
    fn fixed(&self, sizes: EffectiveSizes) -> EffectiveSizes {
        if self.design_effect.is_some() { on_ladder(sizes) } else { sizes }
    }

    /// The population stability index of a window's counts on the cut against
    /// those of earlier windows: verdict, index, noise point and effect.
    pub fn compare(
        &mut self,
        pair: Option<&CountPair<'_>>,
        design_effect: Option<DesignEffect>,
        settings: &DriftSettings,
    ) -> (Verdict, Option<Against>) {
        let Some(pair) = pair else { return (Verdict::Insufficient, None) };
        let (m, n) = (pair.reference_total(), pair.window_total());
        let shares = design_effect.map_or(1.0, |effect| effect.for_rows(n).shares);
        let noise = self.moving.noise(on_ladder(sizes(m, n, shares)), n);
        let psi = population_stability_index(pair);
        let (Some(point), Some(typical)) = (noise.points.psi, noise.typical.psi) else {
            return (Verdict::Insufficient, None);
        };
        let against = Against { psi, noise: point, effect: (psi - typical).max(0.0) };
        let minimum = settings.minimum_effects.psi;
        (verdict(Some(psi), Some(point), Some(against.effect), minimum), Some(against))
    }
}

/// A population stability index and what it is held against.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Against {
    /// The index.
    pub psi: f64,
    /// What equal distributions exceed once in a thousand windows.
    pub noise: f64,
    /// The index less what noise adds to it.
    pub effect: f64,
}

/// The size of a reference that is another for every window, since windows or
/// their design effects are, taken for the next smaller one of a ladder: noise
/// points are worked out once for each of these, and come out a little larger.
fn on_ladder(sizes: EffectiveSizes) -> EffectiveSizes {
    const STEP: f64 = 1.15;
    let rung = (sizes.reference.max(1.0).ln() / STEP.ln()).floor();
    EffectiveSizes { reference: STEP.powf(rung), ..sizes }
}

/// Sizes of independent samples that carry as much.
fn sizes(m: u64, n: u64, design_effect: f64) -> EffectiveSizes {
    EffectiveSizes { reference: count_to_f64(m) / design_effect, window: count_to_f64(n) / design_effect }
}

/// `noise`, with that of the scores of distribution functions from `wider`.
fn with_cumulative(noise: Noise, wider: Noise) -> Noise {
    let take = |own: NoisePoints, wider: NoisePoints| NoisePoints {
        ks: wider.ks,
        wasserstein: wider.wasserstein,
        ..own
    };
    Noise { points: take(noise.points, wider.points), typical: take(noise.typical, wider.typical) }
}
