//! What chance alone gives when a window's attributions are like the
//! reference's.
//!
//! Where each point comes from:
//! - Kolmogorov-Smirnov: Smirnov's bound `2 exp(-2 d² mn/(m + n))` of the
//!   probability that two samples of one distribution differ by more than `d`
//!   (Wei and Dudley, "Two-sample Dvoretzky-Kiefer-Wolfowitz inequalities",
//!   2012). It holds for any distribution, and is too large where values tie.
//! - The others: windows and references are drawn anew from the reference's rows
//!   with replacement (Efron, "Bootstrap methods: another look at the
//!   jackknife", 1979), both at their sizes, so that the reference's own error
//!   is in the points. Whole rows are drawn, so features stay together, and so
//!   does whatever noise estimated attributions have.
//! - Of the rank gain and the shares the point is an order statistic of the
//!   draws: of 11,999 draws one more exceeds the third largest with a probability
//!   of exactly 3 in 12,000.
//! - Of the Jensen-Shannon distance, whose point lies beyond what can be drawn,
//!   it is the quantile of the gamma distribution with the draws' mean and
//!   variance of its square; in large samples that square is a multiple of a
//!   chi-square variable, which is such a distribution.
//!
//! Draws are sums of [`BLOCKS`] blocks of rows out of a library of some hundred
//! such blocks: as good as drawing row by row to a few hundredths of the
//! variance, and many times faster.
//!
//! Not for references whose few largest rows make up most of a mean: no
//! resampling knows how large the next one is.

use rand_chacha::{
    ChaCha8Rng,
    rand_core::{Rng, SeedableRng},
};
use statrs::distribution::{ContinuousCDF, Gamma};

use super::{
    bins::{BINS, Bins},
    means::{DrawnScores, MeanPoints},
    scores::count,
};
use crate::drift::{CountPair, jensen_shannon_distance, noise::EXCEEDED_BY};

/// Blocks that a draw is a sum of.
const BLOCKS: usize = 16;
/// Blocks in a library, of few features; sums of many take memory.
const LIBRARY: usize = 1024;
const LIBRARY_NUMBERS: usize = 1 << 19;
const SMALLEST_LIBRARY: usize = 256;
/// Blocks in the library of one feature's counts.
const COUNT_LIBRARY: usize = 512;
/// Draws of means, and which of the largest is the point: both with a
/// probability of a quarter of [`EXCEEDED_BY`].
const DRAWS: (usize, usize) = (11_999, 3);
/// The same where there are many features.
const FEWER_DRAWS: (usize, usize) = (3_999, 1);
const MANY_FEATURES: usize = 256;
/// Draws of counts.
const COUNT_DRAWS: usize = 1_500;
/// Of [`EXCEEDED_BY`], what each of the four kinds of scores has.
const PARTS: f64 = 4.0;

/// How large two samples are, or are worth.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Sizes {
    reference: BlockSize,
    window: BlockSize,
}

/// So many blocks of so many rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
struct BlockSize {
    blocks: usize,
    rows: usize,
}

/// The points of one output at given sizes.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct NoisePoints {
    pub(super) means: MeanPoints,
    /// Per feature.
    pub(super) jensen_shannon: Vec<f64>,
}

impl BlockSize {
    /// A size that is no larger: the points of larger samples are smaller.
    fn below(rows: f64) -> Self {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to 2..2^32")]
        let rows = rows.clamp(2.0, f64::from(u32::MAX)) as usize;
        let blocks = rows.min(BLOCKS);
        // One in sixteen is a thirtieth of the noise, and few sizes remain.
        let rows = rows / blocks;
        let step = (rows / 16).next_power_of_two().max(1);
        Self { blocks, rows: rows - rows % step }
    }
}

impl Sizes {
    /// Of samples that are worth so many independent rows.
    pub(super) fn of(reference: f64, window: f64) -> Self {
        Self { reference: BlockSize::below(reference), window: BlockSize::below(window) }
    }

    fn seed(self) -> u64 {
        let Self { reference, window } = self;
        let numbers = [reference.blocks, reference.rows, window.blocks, window.rows];
        numbers.into_iter().fold(0, |seed: u64, number| seed.wrapping_mul(0x0100_0000_01b3) ^ number as u64)
    }
}

/// The point of the Kolmogorov-Smirnov distances of so many features.
pub(super) fn ks_point(features: usize, reference: f64, window: f64) -> f64 {
    let level = EXCEEDED_BY / PARTS / count(features.max(1));
    let unit = 1.0 / reference.max(1.0) + 1.0 / window.max(1.0);
    ((2.0 / level).ln() / 2.0 * unit).sqrt().min(1.0)
}

/// What is drawn from: the reference's rows.
#[derive(Debug, Clone, Copy)]
pub(super) struct Drawn<'a> {
    /// |φ|, row by row.
    pub(super) magnitudes: &'a [f64],
    /// φ, feature by feature, with its bins.
    pub(super) columns: &'a [(Vec<f64>, Bins)],
    pub(super) seed: u64,
}

impl Drawn<'_> {
    pub(super) fn points(&self, sizes: Sizes) -> NoisePoints {
        let mut random = ChaCha8Rng::seed_from_u64(self.seed ^ sizes.seed());
        let features = self.columns.len();
        let means = self.means(sizes, &mut random);
        let level = EXCEEDED_BY / PARTS / count(features.max(1));
        let jensen_shannon = self
            .columns
            .iter()
            .map(|(values, bins)| jensen_shannon_point(values, bins, sizes, level, &mut random))
            .collect();
        NoisePoints { means, jensen_shannon }
    }

    /// The points of what is computed of means of |φ|.
    fn means(&self, sizes: Sizes, random: &mut ChaCha8Rng) -> MeanPoints {
        let features = self.columns.len();
        let blocks = (LIBRARY_NUMBERS / features.max(1)).clamp(SMALLEST_LIBRARY, LIBRARY);
        let references = library(self.magnitudes, features, (blocks, sizes.reference.rows), random);
        let windows = library(self.magnitudes, features, (blocks, sizes.window.rows), random);
        let (draws, place) = if features > MANY_FEATURES { FEWER_DRAWS } else { DRAWS };
        let mut scores = DrawnScores::new(draws, features);
        let (mut reference, mut window) = (vec![0.0; features], vec![0.0; features]);
        for _ in 0..draws {
            draw(&references, features, sizes.reference.blocks, random, &mut reference);
            draw(&windows, features, sizes.window.blocks, random, &mut window);
            scores.push(&reference, &window);
        }
        scores.points(place)
    }
}

/// A number below `bound`. What is uneven about it is below 2^-32 of it.
fn below(bound: usize, random: &mut ChaCha8Rng) -> usize {
    let wide = u64::from(random.next_u32()) * bound as u64;
    usize::try_from(wide >> 32).unwrap_or(0)
}

/// Sums over blocks of so many rows, each drawn from `rows` with replacement.
fn library(rows: &[f64], width: usize, (blocks, size): (usize, usize), random: &mut ChaCha8Rng) -> Vec<f64> {
    let mut sums = vec![0.0; blocks * width];
    let held = rows.len() / width.max(1);
    for block in sums.chunks_exact_mut(width.max(1)) {
        for _ in 0..size {
            let start = below(held, random) * width;
            add(block, rows.get(start..start + width).unwrap_or_default());
        }
    }
    sums
}

fn draw(library: &[f64], width: usize, blocks: usize, random: &mut ChaCha8Rng, out: &mut [f64]) {
    out.fill(0.0);
    let held = library.len() / width.max(1);
    for _ in 0..blocks {
        let start = below(held, random) * width;
        add(out, library.get(start..start + width).unwrap_or_default());
    }
}

fn add(sums: &mut [f64], amounts: &[f64]) {
    sums.iter_mut().zip(amounts).for_each(|(sum, amount)| *sum += amount);
}

/// Counts on a feature's bins, over blocks of rows.
fn count_library(of_row: &[u8], size: usize, random: &mut ChaCha8Rng) -> Vec<[u32; BINS]> {
    let block = |_| {
        let mut counts = [0; BINS];
        for _ in 0..size {
            let bin = of_row.get(below(of_row.len(), random)).copied().unwrap_or(0);
            if let Some(count) = counts.get_mut(usize::from(bin)) {
                *count += 1;
            }
        }
        counts
    };
    (0..COUNT_LIBRARY).map(block).collect()
}

fn draw_counts(library: &[[u32; BINS]], blocks: usize, random: &mut ChaCha8Rng) -> [u64; BINS] {
    let mut sums = [0; BINS];
    for _ in 0..blocks {
        let block = library.get(below(library.len(), random)).copied().unwrap_or_default();
        sums.iter_mut().zip(block).for_each(|(sum, count)| *sum += u64::from(count));
    }
    sums
}

fn jensen_shannon_point(
    values: &[f64],
    bins: &Bins,
    sizes: Sizes,
    level: f64,
    random: &mut ChaCha8Rng,
) -> f64 {
    if bins.len() < 2 {
        return 0.0;
    }
    let of_row: Vec<u8> = values.iter().map(|value| u8::try_from(bins.bin_of(*value)).unwrap_or(0)).collect();
    let references = count_library(&of_row, sizes.reference.rows, random);
    let windows = count_library(&of_row, sizes.window.rows, random);
    let (mut sum, mut squares) = (0.0, 0.0);
    for _ in 0..COUNT_DRAWS {
        let reference = draw_counts(&references, sizes.reference.blocks, random);
        let window = draw_counts(&windows, sizes.window.blocks, random);
        let distance = CountPair::new(&reference, &window).map_or(0.0, |pair| jensen_shannon_distance(&pair));
        let square = distance * distance;
        sum += square;
        squares += square * square;
    }
    let mean = sum / count(COUNT_DRAWS);
    let variance = squares / count(COUNT_DRAWS) - mean * mean;
    // Shape and rate by the method of moments.
    let gamma = Gamma::new(mean * mean / variance, mean / variance);
    gamma.map_or(1.0, |gamma| gamma.inverse_cdf(1.0 - level).sqrt().min(1.0))
}
