//! Windows that are drawn from what a reference says.

use rand_chacha::{ChaCha8Rng, rand_core::SeedableRng};

use super::{
    draws::{self, Spread},
    ladder::RATIO,
    shares::Shares,
    tail,
};
use crate::drift::pair::count_to_f64;

/// Draws windows whose distribution is that of the reference, as far as the
/// reference's counts tell: the true shares of the bins are drawn from their
/// Dirichlet distribution given the counts, then the window from the shares.
///
/// Where the bins' edges are quantiles of the reference this is no opinion: the
/// true shares between order statistics have a Dirichlet distribution (Wilks,
/// "Mathematical Statistics", 1962, section 8.7). For bins that were there
/// before the reference it is the posterior under Jeffreys' prior, half a count
/// a bin, which also gives a share to bins in which the reference has nothing.
#[derive(Debug, Clone)]
pub(super) struct Simulation {
    shares: Shares,
    spread: Spread,
    normals: [Vec<f64>; 4],
    values: Vec<f64>,
    counts: Vec<u64>,
}

/// Two sample sizes; they need not be whole.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Sizes {
    pub(super) reference: f64,
    pub(super) window: f64,
}

impl Sizes {
    /// `1/m + 1/n`, the variance of a difference of shares in units of that of
    /// one value.
    pub(super) fn unit(self) -> f64 {
        1.0 / self.reference + 1.0 / self.window
    }

    /// Parts the difference of the window from the reference, in units of its
    /// deviation, into that of the truth from the reference and that of the
    /// window from the truth, in units of theirs. `common` is what doesn't show.
    fn part(self, difference: &[f64], common: &[f64], reference: &mut [f64], window: &mut [f64]) {
        let of_reference = (1.0 / self.reference / self.unit()).sqrt();
        let of_window = (1.0 / self.window / self.unit()).sqrt();
        let sources = difference.iter().zip(common);
        for ((reference, window), (difference, common)) in reference.iter_mut().zip(window).zip(sources) {
            *reference = of_reference * difference + of_window * common;
            *window = of_window * difference - of_reference * common;
        }
    }
}

/// What the reference's counts are raised by before they say something about
/// true shares.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Prior {
    /// A bin with values.
    pub(super) held: f64,
    /// A bin without; above 0.
    pub(super) empty: f64,
}

impl Prior {
    /// The shares that `counts`, worth `size` independent values, give to bins.
    pub(super) fn shares(self, counts: &[u64], size: f64) -> Shares {
        let total: f64 = counts.iter().map(|&count| count_to_f64(count)).sum();
        let worth = size / total.max(1.0);
        let mass = |count| if count == 0 { self.empty } else { count_to_f64(count) * worth + self.held };
        let masses: Vec<f64> = counts.iter().map(|&count| mass(count)).collect();
        Shares::new(&masses)
    }
}

impl Simulation {
    /// `spread` is for as many dimensions as `shares` has bins, less one.
    pub(super) fn new(shares: Shares, spread: Spread) -> Self {
        let bins = shares.bins();
        let normals = std::array::from_fn(|_| vec![0.0; bins.saturating_sub(1)]);
        Self { spread, normals, values: vec![0.0; bins], counts: vec![0; bins], shares }
    }

    /// Calls `with` for `draws` windows: their counts, their size, and the weight
    /// of the draw.
    ///
    /// Sizes go from `sizes.window` to either side, to the middle of what is
    /// between two rungs of the ladder: shares of one size are multiples of one
    /// over it, and a point on these would be none of another size.
    pub(super) fn windows(
        &mut self,
        sizes: Sizes,
        draws: usize,
        seed: u64,
        mut with: impl FnMut(&[u64], Sizes, f64),
    ) {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let mut drawn = self.shares.clone();
        let mut total = [0.0];
        for index in 0..draws {
            let window = (sizes.window * RATIO.powf(golden(index) - 0.5)).round().max(1.0);
            let sizes = Sizes { reference: sizes.reference, window };
            let [difference, common, of_reference, of_window] = &mut self.normals;
            let weight = self.spread.draw(choice(index, draws), &mut random, difference);
            draws::fill(&mut random, common);
            draws::fill(&mut random, &mut total);
            sizes.part(difference, common, of_reference, of_window);
            self.shares.posterior(of_reference, total[0], &mut self.values);
            drawn.set(&self.values);
            drawn.counts(window, of_window, &mut self.values);
            self.counts.iter_mut().zip(&self.values).for_each(|(count, value)| *count = whole(*value));
            with(&self.counts, sizes, weight);
        }
    }

    /// Calls `with` for `draws` windows of what large samples tend to: the
    /// differences of the bins' shares over `sqrt(1/m + 1/n)`.
    pub(super) fn limits(&mut self, draws: usize, seed: u64, mut with: impl FnMut(&[f64], f64)) {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let [difference, ..] = &mut self.normals;
        for index in 0..draws {
            let weight = self.spread.draw(choice(index, draws), &mut random, difference);
            self.shares.deviations(difference, &mut self.values);
            with(&self.values, weight);
        }
    }
}

/// Numbers in 0..1 that are spread evenly from every index on.
fn golden(index: usize) -> f64 {
    (tail::count(index) * (5.0_f64.sqrt() - 1.0) / 2.0).fract()
}

/// The middle of one of `draws` equal parts of 0..1.
fn choice(index: usize, draws: usize) -> f64 {
    (tail::count(index) + 0.5) / tail::count(draws)
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a whole number that is neither negative nor above the window's size"
)]
fn whole(count: f64) -> u64 {
    count as u64
}
