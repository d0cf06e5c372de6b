//! Scores of distribution functions, under equal distributions.

use rand_chacha::{ChaCha8Rng, rand_core::SeedableRng};
use rand_distr::{Distribution, OpenClosed01};

use super::{
    Noise,
    draws::Spread,
    shares::Shares,
    simulation::{Prior, Simulation, Sizes},
    tail::Drawn,
};
use crate::{
    drift::pair::count_to_f64,
    profile::{Counts, NumericGrid},
    result::NoisePoints,
};

/// Bins of the grid are drawn in about so many groups.
const GROUPS: f64 = 32.0;
const DRAWS: usize = 1_200;
/// The grid's edges are values of the reference: nothing is added.
const EDGES_AT_VALUES: Prior = Prior { held: 0.0, empty: f64::MIN_POSITIVE };
/// Where the square root of a walk's step size is taken off a level to get
/// from the walk to a path without steps (Siegmund, "Corrected Diffusion
/// Approximations in Certain Random Walk Problems", 1979).
const OVERSHOOT: f64 = 0.5826;

/// A numeric column's grid, by groups of neighbouring bins.
#[derive(Debug, Clone)]
pub(super) struct Line {
    groups: Vec<Group>,
    counts: Vec<u64>,
    /// The reference's standard deviation, where Wasserstein has a unit.
    deviation: Option<f64>,
}

/// Neighbouring bins of a grid that are drawn as one.
///
/// Between its ends the difference of the distribution functions is taken to
/// go evenly, by the reference's mass, so that the area below it is `left`
/// times the difference at the left end plus `right` times that at the other.
#[derive(Debug, Clone, Copy, Default)]
struct Group {
    count: u64,
    bins: u32,
    left: f64,
    right: f64,
    /// From its end to the next group.
    gap: f64,
}

/// A bin that holds some of the reference.
#[derive(Debug, Clone, Copy)]
struct Bin {
    count: u64,
    lower: f64,
    upper: f64,
}

impl Line {
    pub(super) fn new(grid: &NumericGrid, reference: &Counts) -> Self {
        let groups = groups(&bins(grid, reference), reference.valid());
        let counts = groups.iter().map(|group| group.count).collect();
        let deviation = reference.std_dev().filter(|deviation| *deviation > 0.0 && deviation.is_finite());
        Self { groups, counts, deviation }
    }

    /// Whether the distribution function can differ anywhere on the grid.
    fn varies(&self) -> bool {
        self.groups.len() > 1
    }

    /// Points and means at these sizes, over `sqrt(1/m + 1/n)`.
    pub(super) fn simulate(&self, sizes: Sizes, level: f64, seed: u64) -> Noise {
        if !self.varies() {
            return Noise::default();
        }
        let mut sums = Sums::new(self, seed);
        let total = count_to_f64(self.counts.iter().sum());
        let reference: Vec<f64> = self.counts.iter().map(|&count| count_to_f64(count) / total).collect();
        let mut differences = vec![0.0; reference.len()];
        self.simulation(sizes.reference).windows(sizes, DRAWS, seed, |window, sizes, weight| {
            let unit = sizes.unit().sqrt();
            for ((difference, share), &count) in differences.iter_mut().zip(&reference).zip(window) {
                *difference = (count_to_f64(count) / sizes.window - share) / unit;
            }
            sums.add(&differences, weight);
        });
        sums.noise(level)
    }

    /// What points and means tend to in large samples, over `sqrt(1/m + 1/n)`.
    pub(super) fn limit(&self, level: f64, seed: u64) -> Noise {
        if !self.varies() {
            return Noise::default();
        }
        let mut sums = Sums::new(self, seed);
        self.simulation(count_to_f64(self.counts.iter().sum()))
            .limits(DRAWS, seed, |differences, weight| sums.add(differences, weight));
        sums.noise(level)
    }

    /// Half of the stretched draws along the difference of the means, which
    /// large areas come from, half along the distribution function where it
    /// varies most.
    fn simulation(&self, size: f64) -> Simulation {
        let shares = EDGES_AT_VALUES.shares(&self.counts, size);
        let widths: Vec<f64> = self.groups.iter().map(|group| group.left + group.right + group.gap).collect();
        let all: f64 = widths.iter().sum();
        let mut below = 0.0;
        let loads: Vec<f64> = widths
            .iter()
            .zip(&self.groups)
            .map(|(width, group)| {
                below += width;
                all - below + group.right + group.gap
            })
            .collect();
        let mean = shares.direction(|bin| loads.get(bin).copied().unwrap_or_default());
        let edges = edge_weights(&shares);
        let total: f64 = edges.iter().sum();
        let edges = edges.iter().enumerate().filter(|(_, weight)| **weight > total / 100.0);
        let directions = edges
            .filter_map(|(edge, weight)| {
                shares
                    .direction(|bin| f64::from(u8::from(bin <= edge)))
                    .map(|vector| (weight / total, vector))
            })
            .chain(mean.map(|vector| (1.0, vector)))
            .collect();
        Simulation::new(shares, Spread::new(0.0, 1.0, directions))
    }
}

/// For every group how likely the distribution function is to be off by its
/// noise point at the group's end, up to a factor.
fn edge_weights(shares: &Shares) -> Vec<f64> {
    let mut below = 0.0;
    shares
        .iter()
        .map(|share| {
            below += share;
            let variance = below * (1.0 - below);
            // The square of Kolmogorov's 0.999 quantile, 1.9495, over 2.
            if variance > 1e-9 { (-1.9 / variance).exp() } else { 0.0 }
        })
        .collect()
}

/// The scores of many draws.
#[derive(Debug)]
struct Sums<'a> {
    line: &'a Line,
    random: ChaCha8Rng,
    total: f64,
    largest: Drawn,
    area: Drawn,
}

impl<'a> Sums<'a> {
    fn new(line: &'a Line, seed: u64) -> Self {
        // A stream of its own beside the one that draws windows.
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        random.set_stream(1);
        let total = count_to_f64(line.counts.iter().sum());
        Self { line, random, total, largest: Drawn::default(), area: Drawn::default() }
    }

    /// A draw's differences of shares, over `sqrt(1/m + 1/n)`.
    fn add(&mut self, differences: &[f64], weight: f64) {
        let (mut before, mut largest, mut area) = (0.0_f64, 0.0_f64, 0.0);
        for (group, difference) in self.line.groups.iter().zip(differences) {
            let after = before + difference;
            largest = largest.max(after.abs());
            if group.bins > 1 {
                largest = largest.max(self.inside(group, before, after));
            }
            area += group.area(before, after) + group.gap * after.abs();
            before = after;
        }
        self.largest.push(largest, weight);
        if let Some(deviation) = self.line.deviation {
            self.area.push(area / deviation, weight);
        }
    }

    /// The largest difference at the edges within a group: that of a Brownian
    /// bridge between its ends, less what the path goes on between two edges.
    fn inside(&mut self, group: &Group, before: f64, after: f64) -> f64 {
        let mass = count_to_f64(group.count) / self.total;
        let step = OVERSHOOT * (mass / f64::from(group.bins)).sqrt();
        let mut above = || {
            let uniform: f64 = OpenClosed01.sample(&mut self.random);
            ((after - before).powi(2) - 2.0 * mass * uniform.ln()).sqrt() / 2.0
        };
        let middle = f64::midpoint(before, after);
        (middle + above()).max(above() - middle) - step
    }

    fn noise(&mut self, level: f64) -> Noise {
        let typical = NoisePoints {
            ks: self.largest.root_mean_square(),
            wasserstein: self.area.root_mean_square(),
            ..NoisePoints::default()
        };
        let points = NoisePoints {
            ks: self.largest.point(level),
            wasserstein: self.area.point(level),
            ..NoisePoints::default()
        };
        Noise { points, typical }
    }
}

impl Group {
    /// The area under the size of a difference that goes from `start` to `end`.
    fn area(&self, start: f64, end: f64) -> f64 {
        if start * end >= 0.0 {
            return (self.left * start + self.right * end).abs();
        }
        (self.left * start * start + self.right * end * end) / (start.abs() + end.abs())
    }

    fn add(&mut self, bin: Bin, gap: f64, before: u64, count: u64) {
        let part = |below: u64| count_to_f64(below) / count_to_f64(count.max(1));
        let (start, end) = (part(before), part(before + bin.count));
        let width = bin.upper - bin.lower;
        let middle = f64::midpoint(start, end);
        self.left += gap * (1.0 - start) + width * (1.0 - middle);
        self.right += gap * start + width * middle;
        self.count += bin.count;
        self.bins += 1;
    }
}

/// The bins that hold some of the reference, cut to its range.
fn bins(grid: &NumericGrid, reference: &Counts) -> Vec<Bin> {
    let (min, max) = grid.range();
    let held = reference.bins().enumerate().filter(|(_, count)| *count > 0);
    held.map(|(bin, count)| {
        let upper = grid.upper(bin).min(max);
        let lower = if grid.is_single_value(bin) { upper } else { grid.lower(bin).max(min) };
        Bin { count, lower, upper }
    })
    .collect()
}

/// Groups of about equal mass and equal part in the Wasserstein distance, half
/// by half; a bin with the mass of a group is one by itself.
fn groups(bins: &[Bin], total: u64) -> Vec<Group> {
    let mut below = 0;
    let mut position = bins.first().map_or(0.0, |bin| bin.lower);
    let parts: Vec<f64> = bins
        .iter()
        .map(|bin| {
            let start = count_to_f64(below) / count_to_f64(total);
            below += bin.count;
            let end = count_to_f64(below) / count_to_f64(total);
            let (start, end) = (start * (1.0 - start), end * (1.0 - end));
            let area = (bin.lower - position) * start.sqrt()
                + (bin.upper - bin.lower) * f64::midpoint(start, end).sqrt();
            position = bin.upper;
            area
        })
        .collect();
    let all: f64 = parts.iter().sum();
    let part = |bin: &Bin, area: f64| {
        let mass = count_to_f64(bin.count) / count_to_f64(total);
        if all > 0.0 && all.is_finite() { f64::midpoint(mass, area / all) } else { mass }
    };
    let mut runs: Vec<(f64, Vec<Bin>)> = Vec::new();
    for (bin, area) in bins.iter().zip(&parts) {
        let part = part(bin, *area) * GROUPS;
        match runs.last_mut() {
            Some((sum, run)) if *sum + part <= 1.0 => {
                *sum += part;
                run.push(*bin);
            }
            _ => runs.push((part, vec![*bin])),
        }
    }
    let mut groups = Vec::with_capacity(runs.len());
    let mut runs = runs.iter().peekable();
    while let Some((_, run)) = runs.next() {
        let next = runs.peek().and_then(|(_, run)| run.first());
        groups.push(group(run, next));
    }
    groups
}

fn group(run: &[Bin], next: Option<&Bin>) -> Group {
    let count = run.iter().map(|bin| bin.count).sum();
    let mut group = Group::default();
    let mut before: Option<&Bin> = None;
    for bin in run {
        let gap = before.map_or(0.0, |before| bin.lower - before.upper);
        let below = group.count;
        group.add(*bin, gap, below, count);
        before = Some(bin);
    }
    group.gap = next.zip(before).map_or(0.0, |(next, last)| next.lower - last.upper);
    group
}
