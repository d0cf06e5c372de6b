//! Features whose distribution is known exactly, with references that are made
//! of drawn values by the real builder: so the truth differs from the reference
//! as it does in production.

use std::collections::BTreeMap;

use driftline::{
    profile::Grid,
    reference::{Column, ColumnRole, ReferenceBuilder, Value},
};
use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Binomial, Distribution, StandardNormal};
use statrs::function::erf::erfc;

/// Names and probabilities of the categories; the last is the rare one.
const CATEGORIES: [(&str, f64); 6] =
    [("a", 0.5), ("b", 0.3), ("c", 0.15), ("d", 0.04), ("e", 0.008), ("rare", 0.002)];

/// How a numeric feature is made of a normal value `z`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// `z` itself.
    Normal,
    /// `exp(z)`.
    LogNormal,
    /// `exp(0.8 z + 1.2)`, rounded down: many ties.
    Integer,
    /// One of [`CATEGORIES`].
    Categorical,
}

/// What happens to the distribution.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Change {
    /// Nothing.
    None,
    /// The mean moves by so many standard deviations of `z`.
    Shift(f64),
    /// The standard deviation is multiplied.
    Spread(f64),
    /// Two humps of deviation 0.6 with the mean and the variance of before.
    Split,
    /// The rare category becomes twice as frequent.
    RareDoubled,
}

/// A feature, its reference and the truth.
#[derive(Debug)]
pub(crate) struct Feature {
    /// What it is made of.
    pub(crate) kind: Kind,
    /// The reference, with grid and cut.
    pub(crate) column: Column,
    /// The reference's counts on the cut.
    pub(crate) reference: Vec<u64>,
    /// Number of the grid's bins in each of the cut's (numeric).
    runs: Vec<usize>,
}

impl Feature {
    /// Draws a reference of `m` values.
    pub(crate) fn new(random: &mut ChaCha8Rng, kind: Kind, m: usize) -> Self {
        let mut builder = ReferenceBuilder::new("model", &BTreeMap::new(), 10);
        for _ in 0..m {
            let value = match kind {
                Kind::Normal => Value::Number(normal(random)),
                Kind::LogNormal => Value::Number(normal(random).exp()),
                Kind::Integer => Value::Number((0.8 * normal(random) + 1.2).exp().floor()),
                Kind::Categorical => Value::Text(category(random.random())),
            };
            builder.push_row([("x", ColumnRole::Feature, value)]);
        }
        let column = builder.finish("a simulation".to_owned()).unwrap().0.columns.remove(0);
        let (mut reference, mut runs) = (Vec::new(), Vec::new());
        column.cut.sum_into(column.counts.bins(), &mut reference);
        column.cut.sum_into(column.counts.bins().map(|_| 1), &mut runs);
        let runs = runs.into_iter().map(|bins| bins as usize).collect();
        Self { kind, column, reference, runs }
    }

    /// The twenty features of a model: eight normal, four lognormal, four of
    /// integers and four of categories.
    pub(crate) fn model(random: &mut ChaCha8Rng, m: usize) -> Vec<Self> {
        let kinds = [Kind::Normal, Kind::LogNormal, Kind::Normal, Kind::Integer, Kind::Categorical];
        (0..20).map(|index| Self::new(random, kinds[index % 5], m)).collect()
    }

    /// Probabilities of the grid's bins.
    pub(crate) fn grid_shares(&self, change: Change) -> Vec<f64> {
        match &self.column.grid {
            Grid::Numeric(grid) => {
                let mut below = 0.0;
                let share = |bin: usize| {
                    let last = bin + 1 == grid.bins();
                    let until = if last { 1.0 } else { self.distribution(grid.upper(bin), change) };
                    let share = until - below;
                    below = until;
                    share.max(0.0)
                };
                (0..grid.bins()).map(share).collect()
            }
            Grid::Categorical(grid) => {
                let of = |name: &str| CATEGORIES.iter().find(|(known, _)| *known == name).unwrap().1;
                let extra = if change == Change::RareDoubled { of("rare") } else { 0.0 };
                let changed = |name: &str| match name {
                    "rare" => of(name) + extra,
                    "a" => of(name) - extra,
                    _ => of(name),
                };
                let mut shares: Vec<f64> = grid.named().iter().map(|name| changed(name)).collect();
                let named: f64 = shares.iter().sum();
                shares.resize(grid.bins(), 0.0);
                shares[grid.unseen_code() as usize] = (1.0 - named).max(0.0);
                shares
            }
        }
    }

    /// Probabilities of the cut's bins.
    pub(crate) fn shares(&self, change: Change) -> Vec<f64> {
        let shares = self.grid_shares(change);
        match &self.column.grid {
            Grid::Numeric(_) => {
                let mut rest = shares.as_slice();
                let sum = |&bins: &usize| {
                    let (run, after) = rest.split_at(bins);
                    rest = after;
                    run.iter().sum()
                };
                self.runs.iter().map(sum).collect()
            }
            Grid::Categorical(grid) => {
                let named = shares.iter().take(grid.named().len()).copied();
                named.chain([shares[grid.unseen_code() as usize]]).collect()
            }
        }
    }

    /// The bin of the cut that holds the value made of `z`.
    pub(crate) fn cut_bin(&self, z: f64) -> usize {
        let Grid::Numeric(grid) = &self.column.grid else { panic!("a numeric feature") };
        let value = match self.kind {
            Kind::LogNormal => z.exp(),
            Kind::Integer => (0.8 * z + 1.2).exp().floor(),
            _ => z,
        };
        let mut bin = grid.bin_of(value);
        self.runs
            .iter()
            .position(|&run| {
                if bin < run {
                    true
                } else {
                    bin -= run;
                    false
                }
            })
            .unwrap()
    }

    /// Probability of a value up to `x`, with ties by whole numbers.
    fn distribution(&self, x: f64, change: Change) -> f64 {
        let z = match self.kind {
            Kind::LogNormal => x.max(0.0).ln(),
            Kind::Integer => ((x.floor() + 1.0).max(0.0).ln() - 1.2) / 0.8,
            _ => x,
        };
        match change {
            Change::Shift(by) => below(z - by),
            Change::Spread(factor) => below(z / factor),
            Change::Split => 0.5 * (below((z - 0.8) / 0.6) + below((z + 0.8) / 0.6)),
            Change::None | Change::RareDoubled => below(z),
        }
    }
}

/// Counts of `n` rows in bins with these probabilities.
pub(crate) fn counts(random: &mut ChaCha8Rng, n: u64, shares: &[f64]) -> Vec<u64> {
    let (mut left, mut mass) = (n, shares.iter().sum::<f64>());
    let draw = |&share: &f64| {
        let count = if left == 0 || share <= 0.0 {
            0
        } else if share >= mass {
            left
        } else {
            Binomial::new(left, share / mass).unwrap().sample(random)
        };
        left -= count;
        mass -= share;
        count
    };
    let mut counts: Vec<u64> = shares.iter().map(draw).collect();
    // What rounding of the masses left over.
    let last = shares.iter().rposition(|&share| share > 0.0).unwrap();
    counts[last] += left;
    counts
}

/// A standard normal value.
pub(crate) fn normal(random: &mut ChaCha8Rng) -> f64 {
    StandardNormal.sample(random)
}

fn category(uniform: f64) -> &'static str {
    let mut below = 0.0;
    let found = CATEGORIES.iter().find(|(_, share)| {
        below += share;
        uniform < below
    });
    found.unwrap_or(&CATEGORIES[0]).0
}

fn below(z: f64) -> f64 {
    0.5 * erfc(-z / std::f64::consts::SQRT_2)
}
