//! Scores on a cut, under equal distributions.

use std::f64::consts::LN_2;

use super::{
    Noise, chi_square_quantile,
    draws::Spread,
    shares::Shares,
    simulation::{Prior, Simulation, Sizes},
    tail::{self, Drawn},
};
use crate::{
    drift::{
        CountPair, chi_square, hellinger_distance, jensen_shannon_distance, l_infinity, pair::count_to_f64,
        population_stability_index, total_variation,
    },
    result::NoisePoints,
};

/// Draws a size; halving them widens the spread of the probability with which
/// a point is exceeded by the square root of two.
const DRAWS: usize = 3_000;

/// Radii are stretched to where the sum of squares exceeds this quantile about
/// every second time.
const RADIUS_LEVEL: f64 = 0.001;

/// The bins of a cut, in ascending order of the reference's counts, so that
/// each rare bin has a variable of its own that steers it.
#[derive(Debug, Clone)]
pub(super) struct CutBins {
    counts: Vec<u64>,
    total: f64,
    prior: Prior,
}

impl CutBins {
    pub(super) fn new(mut counts: Vec<u64>, prior: Prior) -> Self {
        counts.sort_unstable();
        let total = counts.iter().map(|&count| count_to_f64(count)).sum();
        Self { counts, total, prior }
    }

    /// Whether there is anything that could differ.
    pub(super) fn vary(&self) -> bool {
        self.counts.len() > 1 && self.total > 0.0
    }

    /// Number of values in the reference.
    pub(super) fn total(&self) -> f64 {
        self.total
    }

    /// The smallest share of a bin, as far as `size` values tell it.
    pub(super) fn smallest_share(&self, size: f64) -> f64 {
        match self.counts.first() {
            Some(&least) if least > 0 => count_to_f64(least) / self.total,
            _ => self.prior.empty / size,
        }
    }

    fn shares(&self, size: f64) -> Shares {
        self.prior.shares(&self.counts, size)
    }

    /// Bins, the first ones, that the noise of the chi-square statistic leaves
    /// out: those in which the reference has nothing, when it gives no reason to
    /// expect anything there and has other bins.
    ///
    /// The statistic multiplies a value there by `m / n`. Half a value in a large
    /// reference makes one in a window likely enough to raise the point to that,
    /// and so to hide whatever else happens.
    fn left_out(&self) -> usize {
        let empty = self.counts.iter().take_while(|&&count| count == 0).count();
        let expected = self.prior.empty > self.prior.held;
        if expected || self.counts.len() - empty < 2 { 0 } else { empty }
    }

    /// Points and means at these sizes, in units of [`super::ladder`].
    pub(super) fn simulate(&self, sizes: Sizes, level: f64, seed: u64) -> Noise {
        let mut drawn: [Drawn; 6] = Default::default();
        let left_out = self.left_out();
        let expected = self.counts.get(left_out..).unwrap_or_default();
        simulation(self.shares(sizes.reference)).windows(sizes, DRAWS, seed, |window, sizes, weight| {
            let Some(pair) = CountPair::new(&self.counts, window) else { return };
            let known = CountPair::new(expected, window.get(left_out..).unwrap_or_default());
            let unit = sizes.unit();
            // The statistic as if the reference had the size that it is worth.
            let worth = (1.0 / self.total + 1.0 / sizes.window) / unit;
            let scores = [
                population_stability_index(&pair) / unit,
                jensen_shannon_distance(&pair) / unit.sqrt(),
                hellinger_distance(&pair) / unit.sqrt(),
                total_variation(&pair) / unit.sqrt(),
                l_infinity(&pair) / unit.sqrt(),
                known.as_ref().and_then(chi_square).map_or(0.0, |test| test.statistic) * worth,
            ];
            drawn.iter_mut().zip(scores).for_each(|(drawn, score)| drawn.push(score, weight));
        });
        let [psi, jensen_shannon, hellinger, total_variation, l_infinity, chi_square] = &mut drawn;
        let typical = NoisePoints {
            psi: psi.mean(),
            jensen_shannon: jensen_shannon.root_mean_square(),
            hellinger: hellinger.root_mean_square(),
            total_variation: total_variation.root_mean_square(),
            l_infinity: l_infinity.root_mean_square(),
            chi_square: chi_square.mean(),
            ..NoisePoints::default()
        };
        let points = NoisePoints {
            psi: psi.point(level),
            jensen_shannon: jensen_shannon.point(level),
            hellinger: hellinger.point(level),
            total_variation: total_variation.point(level),
            l_infinity: l_infinity.point(level),
            chi_square: chi_square.point(level),
            ..NoisePoints::default()
        };
        Noise { points, typical }
    }

    /// What points and means tend to in large samples, in units of
    /// [`super::ladder`]: those of a chi-square variable for the scores that
    /// are quadratic near equality, those of a normal vector for the others.
    pub(super) fn limit(&self, level: f64, seed: u64) -> Noise {
        let shares = self.shares(self.total);
        let freedom = tail::count(shares.bins().saturating_sub(1));
        let (mut total_variation, mut l_infinity) = (Drawn::default(), Drawn::default());
        simulation(shares).limits(DRAWS, seed, |differences, weight| {
            let sizes = differences.iter().map(|difference| difference.abs());
            total_variation.push(sizes.clone().sum::<f64>() / 2.0, weight);
            l_infinity.push(sizes.fold(0.0, f64::max), weight);
        });
        let mut points = quadratic(chi_square_quantile(level, freedom));
        let mut typical = quadratic(Some(freedom));
        typical.total_variation = total_variation.root_mean_square();
        typical.l_infinity = l_infinity.root_mean_square();
        points.total_variation = total_variation.point(level);
        points.l_infinity = l_infinity.point(level);
        Noise { points, typical }
    }
}

/// The scores that go with a value of the quadratic form `sum (p - q)^2 / p`.
fn quadratic(form: Option<f64>) -> NoisePoints {
    NoisePoints {
        psi: form,
        jensen_shannon: form.map(|form| (form / (8.0 * LN_2)).sqrt()),
        hellinger: form.map(|form| (form / 8.0).sqrt()),
        chi_square: form,
        ..NoisePoints::default()
    }
}

/// Half of the stretched draws along the radius, for scores that sum over bins,
/// half along single bins, for those that one bin decides: as often along rare
/// ones as in proportion to their variance.
fn simulation(shares: Shares) -> Simulation {
    let bins = tail::count(shares.bins());
    let freedom = bins - 1.0;
    let radius = chi_square_quantile(RADIUS_LEVEL, freedom).map_or(1.0, |square| (square / freedom).sqrt());
    let variance: f64 = shares.iter().map(|share| share * (1.0 - share)).sum();
    let directions = shares
        .iter()
        .enumerate()
        .filter_map(|(bin, share)| {
            let weight = 1.0 / bins + share * (1.0 - share) / variance;
            shares.direction(|other| f64::from(u8::from(other == bin))).map(|vector| (weight, vector))
        })
        .collect();
    Simulation::new(shares, Spread::new(0.5, radius, directions))
}
