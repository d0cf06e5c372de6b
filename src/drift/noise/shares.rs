//! A multinomial distribution as a chain of binomial ones.
//!
//! Every count is a function of standard normal variables, one for each bin but
//! the last, so that draws of several sizes can be steered alike.

use super::binomial::binomial;

/// Shares of bins, all positive.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Shares {
    /// Sum of the masses.
    total: f64,
    of_bins: Vec<f64>,
    /// Of the bin and all after it.
    left: Vec<f64>,
}

impl Shares {
    /// The shares of `masses`, which must be positive.
    pub(super) fn new(masses: &[f64]) -> Self {
        let mut shares = Self { total: 0.0, of_bins: masses.to_vec(), left: masses.to_vec() };
        shares.set(masses);
        shares
    }

    /// Replaces the shares by those of as many other `masses`.
    pub(super) fn set(&mut self, masses: &[f64]) {
        self.total = masses.iter().sum();
        let mut left = 0.0;
        let slots = self.of_bins.iter_mut().zip(&mut self.left);
        for ((share, sum), mass) in slots.zip(masses).rev() {
            *share = mass / self.total;
            left += *share;
            *sum = left;
        }
    }

    pub(super) fn bins(&self) -> usize {
        self.of_bins.len()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = f64> + '_ {
        self.of_bins.iter().copied()
    }

    /// Share of what is left, and the standard deviation of the bin given the
    /// ones before it, by the square root of the size.
    fn steps(&self) -> impl Iterator<Item = (f64, f64)> + '_ {
        self.of_bins.iter().zip(&self.left).map(|(share, left)| {
            let conditional = (share / left).min(1.0);
            (conditional, (share * (1.0 - conditional)).max(0.0).sqrt())
        })
    }

    /// `trials` shared out over the bins; `normals` has a standard normal
    /// variable for every bin but the last.
    pub(super) fn counts(&self, trials: f64, normals: &[f64], counts: &mut [f64]) {
        let mut rest = trials;
        let normals = normals.iter().copied().chain(std::iter::once(0.0));
        for ((count, (share, _)), z) in counts.iter_mut().zip(self.steps()).zip(normals) {
            *count = if share >= 1.0 { rest } else { binomial(rest, share, z) };
            rest -= *count;
        }
        if let Some(last) = counts.last_mut() {
            *last += rest;
        }
    }

    /// What [`Self::counts`] tends to in a large sample: the deviations of the
    /// bins' shares, times the square root of the size.
    pub(super) fn deviations(&self, normals: &[f64], deviations: &mut [f64]) {
        let mut rest = 0.0;
        let normals = normals.iter().copied().chain(std::iter::once(0.0));
        for ((deviation, (share, spread)), z) in deviations.iter_mut().zip(self.steps()).zip(normals) {
            *deviation = if share >= 1.0 { rest } else { share * rest + spread * z };
            rest -= *deviation;
        }
    }

    /// Masses that are drawn from the Dirichlet distribution with the masses of
    /// these shares as parameters; `normals` as in [`Self::counts`], and one for
    /// their sum.
    ///
    /// Gamma variables by the cube of Wilson and Hilferty ("The Distribution of
    /// Chi-square", 1931), which for half a count still has the upper 0.001
    /// quantile within 3 %.
    pub(super) fn posterior(&self, normals: &[f64], sum: f64, masses: &mut [f64]) {
        self.deviations(normals, masses);
        for (mass, share) in masses.iter_mut().zip(&self.of_bins) {
            let root = share.sqrt();
            let normal = *mass / root + root * sum;
            let parameter = share * self.total;
            let cubed = 1.0 - 1.0 / (9.0 * parameter) + normal / (3.0 * parameter.sqrt());
            *mass = (parameter * cubed.powi(3)).max(f64::MIN_POSITIVE);
        }
    }

    /// The unit vector along which normal variables move `sum(load(bin) * deviation)`.
    /// `None` when nothing moves it.
    pub(super) fn direction(&self, load: impl Fn(usize) -> f64) -> Option<Vec<f64>> {
        let mut vector = Vec::with_capacity(self.bins());
        // Walks from the last bin to the first with the mean load of the later
        // ones, which lose what this bin gains.
        let mut later = 0.0;
        let mut left_after = 0.0;
        let bins = self.of_bins.iter().zip(&self.left).enumerate().rev();
        for (bin, (share, left)) in bins {
            let load = load(bin);
            let mean = if left_after > 0.0 { later / left_after } else { load };
            vector.push((share * left_after / left).max(0.0).sqrt() * (load - mean));
            later += load * share;
            left_after = *left;
        }
        vector.reverse();
        vector.pop();
        let length = vector.iter().map(|part| part * part).sum::<f64>().sqrt();
        (length > 0.0).then(|| vector.iter().map(|part| part / length).collect())
    }
}
