//! What chance alone gives: for every score the value that equal distributions
//! exceed once in a thousand windows, and the one that they have on average.
//!
//! Why: a score by itself is noise in a small window and significant in any
//! large one. Held against its noise point, and less what noise adds to it, it
//! says whether anything changed and whether that matters ([`verdict`]).
//!
//! Promises: the points belong to the reference that is there, with the error
//! that its size leaves, and to this crate's scores with their rules for empty
//! bins, ties and grids; the same reference, sizes and level give the same bits
//! whatever was asked before. docs/scores.md has measured false-alarm rates.
//!
//! How: the truth behind the reference is unknown, so its shares are drawn from
//! what the reference's counts leave open, and windows from these shares; the
//! score of each window with the reference is a draw of the score under equal
//! distributions. Draws are steered to where scores are large, which makes three
//! thousand of them as good as a hundred thousand plain ones. In large samples
//! the limits take over, which depend on the sizes by a factor only.
//!
//! Refuses: to judge autocorrelated streams by their number of values; say what
//! they are worth ([`EffectiveSizes`]). A window is noise by itself only: one in
//! a thousand is an alarm a day for a column with a window every ninety seconds.

mod binomial;
mod cut;
mod draws;
mod effect;
mod ladder;
mod line;
mod shares;
mod simulation;
mod tail;

use std::collections::BTreeMap;

use statrs::distribution::{ChiSquared, ContinuousCDF};

use self::{
    cut::CutBins,
    ladder::{Place, between, in_own_units, size_at},
    line::Line,
    simulation::{Prior, Sizes},
};
use super::pair::count_to_f64;
use crate::{
    profile::{Counts, Cut, Grid},
    reference::Column,
    result::NoisePoints,
};

pub use effect::{MinimumEffects, effect, verdict};

/// How often equal distributions exceed a noise point.
pub const EXCEEDED_BY: f64 = 0.001;
/// What Jeffreys' prior adds to the counts of a bin.
const JEFFREYS: f64 = 0.5;
/// Simulated sizes that a model keeps; with one reference size it has fewer.
const KEPT_RUNGS: usize = 128;
/// Below this skewness of the share of the smallest bin the limits are used:
/// what it changes a point's probability by is then a few hundredths of it.
const LARGE_FROM_SKEWNESS: f64 = 0.045;

/// What two samples are worth in independent values: their numbers of values,
/// or these over the design effect of an autocorrelated stream. They need not
/// be whole.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct EffectiveSizes {
    /// Of the reference.
    pub reference: f64,
    /// Of the window.
    pub window: f64,
}

/// What equal distributions give. Scores that don't apply to the column are
/// absent.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Noise {
    /// What they exceed once in a thousand windows.
    pub points: NoisePoints,
    /// What they give on average: of the population stability index and of
    /// chi-square the mean, of distances the root of the mean square.
    pub typical: NoisePoints,
}

/// The noise of one column's scores against one reference.
///
/// Cheap to make. The first window of a size costs a simulation of some
/// milliseconds, later ones of about that size less than a microsecond.
#[derive(Debug, Clone)]
pub struct NoiseModel {
    level: f64,
    cut: CutBins,
    /// Of a numeric column.
    line: Option<Line>,
    seed: u64,
    /// By the bits of the reference's size and the rung; in scaled units.
    rungs: BTreeMap<(u64, u32), Noise>,
    limit: Option<Noise>,
}

impl NoiseModel {
    /// The noise of windows that are compared with `column`'s own counts.
    #[must_use]
    pub fn new(column: &Column) -> Self {
        Self::of(&column.grid, &column.cut, &column.counts, EXCEEDED_BY)
    }

    /// The noise of windows that are compared with other counts on a column's
    /// grid and cut, such as a window before; `level` is how often a point is
    /// exceeded, in 0..1.
    #[must_use]
    pub fn of(grid: &Grid, cut: &Cut, reference: &Counts, level: f64) -> Self {
        let on_cut = cut.sums(reference);
        // By the grid's counts: columns with like cuts have errors of their own.
        let seed = seed(on_cut.iter().copied().chain(reference.bins()));
        let (line, empty) = match grid {
            Grid::Numeric(grid) => (Some(Line::new(grid, reference)), JEFFREYS),
            Grid::Categorical(_) => (None, unseen(reference)),
        };
        Self {
            level,
            cut: CutBins::new(on_cut, Prior { held: JEFFREYS, empty }),
            line,
            seed,
            rungs: BTreeMap::new(),
            limit: None,
        }
    }

    /// The same for the scores on the cut alone, which takes less time.
    #[must_use]
    pub fn on_cut(self) -> Self {
        Self { line: None, rungs: BTreeMap::new(), limit: None, ..self }
    }

    /// The noise of a window with `values` valid values that are worth
    /// `sizes.window` independent ones. All absent when a size is no positive
    /// number or the reference is empty.
    pub fn noise(&mut self, sizes: EffectiveSizes, values: u64) -> Noise {
        let sizes = Sizes { reference: sizes.reference, window: sizes.window };
        let usable = |size: f64| size.is_finite() && size > 0.0;
        if !usable(sizes.reference) || !usable(sizes.window) || !self.cut.vary() || values == 0 {
            return Noise::default();
        }
        let place = Place::of(sizes.reference, sizes.window);
        let lower = self.rung(sizes.reference, place.rung);
        let upper = self.rung(sizes.reference, place.rung + 1);
        let counted = 1.0 / self.cut.total() + 1.0 / count_to_f64(values);
        in_own_units(&between(&lower, &upper, place.part), sizes.unit(), counted)
    }

    fn rung(&mut self, reference: f64, rung: u32) -> Noise {
        let sizes = Sizes { reference, window: size_at(rung) };
        if self.is_large(sizes) {
            return *self.limit.get_or_insert_with(|| {
                let cut = self.cut.limit(self.level, self.seed);
                self.line.as_ref().map_or(cut, |line| line.limit(self.level, self.seed).joined(cut))
            });
        }
        let key = (reference.to_bits(), rung);
        if let Some(noise) = self.rungs.get(&key) {
            return *noise;
        }
        let seed = seed([self.seed, key.0, u64::from(rung)]);
        let cut = self.cut.simulate(sizes, self.level, seed);
        let line = self.line.as_ref();
        let noise = line.map_or(cut, |line| line.simulate(sizes, self.level, seed).joined(cut));
        // A reference that grows makes ever new keys.
        if self.rungs.len() >= KEPT_RUNGS {
            self.rungs.clear();
        }
        self.rungs.insert(key, noise);
        noise
    }

    /// By the third cumulant of the difference of the smallest bin's shares:
    /// that of the reference's gamma distribution, of the window's Poisson one,
    /// and of both together.
    fn is_large(&self, sizes: Sizes) -> bool {
        let (reference, window) = (1.0 / sizes.reference, 1.0 / sizes.window);
        let third = window * window + 3.0 * window * reference + 2.0 * reference * reference;
        let share = self.cut.smallest_share(sizes.reference);
        third / sizes.unit().powf(1.5) / share.sqrt() < LARGE_FROM_SKEWNESS
    }
}

impl Noise {
    /// The scores on a numeric column's grid with those on its cut. Where the
    /// reference has a single value the distribution functions differ by the
    /// share of all others, which is the total variation.
    fn joined(self, cut: Self) -> Self {
        let join = |line: NoisePoints, cut: NoisePoints| NoisePoints {
            ks: line.ks.or(cut.total_variation),
            wasserstein: line.wasserstein,
            ..cut
        };
        Self { points: join(self.points, cut.points), typical: join(self.typical, cut.typical) }
    }
}

/// The value that a chi-square variable exceeds with the probability `level`.
fn chi_square_quantile(level: f64, freedom: f64) -> Option<f64> {
    let distribution = ChiSquared::new(freedom).ok()?;
    (0.0..1.0).contains(&level).then(|| distribution.inverse_cdf(1.0 - level))
}

/// How many values of categories that the reference never saw it stands for: as
/// many as it has categories with a single value (Good, "The Population
/// Frequencies of Species and the Estimation of Population Parameters", 1953),
/// and without any as Jeffreys' prior says.
fn unseen(reference: &Counts) -> f64 {
    let single = reference.bins().filter(|&count| count == 1).count();
    tail::count(single).max(JEFFREYS)
}

/// Numbers as a seed (Fowler, Noll and Vo's hash, word by word).
fn seed(numbers: impl IntoIterator<Item = u64>) -> u64 {
    let mix = |hash: u64, number: u64| (hash ^ number).wrapping_mul(0x0100_0000_01b3);
    numbers.into_iter().fold(0xcbf2_9ce4_8422_2325, mix)
}
