//! The distributions that a finite sample does not rule out.

use crate::drift::pair::count_to_f64;

/// Normal quantile at `1 - 1e-4`: what a set's radius is made of.
const DOUBT_QUANTILE: f64 = 3.719_016_485_455_709;

/// Newton steps towards the best multiplier, at most. The bound holds after any
/// number of them.
const STEPS: u32 = 4;
/// Most that one step may change the multiplier's logarithm.
const MOST: f64 = 3.0;
/// After a step as small as this the bound is as good as attained.
const ENOUGH: f64 = 0.01;

/// All distributions `p` with `m KL(h, p) <= radius`, where `h` are the shares of
/// a sample of size `m`.
///
/// `2 m KL(h, p)` is the likelihood-ratio statistic of `p`, distributed about as
/// chi-square with `B - 1` degrees of freedom (Wilks, "The Large-Sample
/// Distribution of the Likelihood Ratio for Testing Composite Hypotheses",
/// 1938). To first order the same holds when the bins are the sample's own
/// quantiles, so that its shares are fixed and the true ones are random. The set
/// misses the truth with a probability of about 1e-4.
#[derive(Debug)]
pub(super) struct Plausible {
    bins: Vec<Bin>,
    size: f64,
    radius: f64,
}

#[derive(Debug)]
struct Bin {
    count: f64,
    share: f64,
    ln_share: f64,
    inverse_share: f64,
}

impl Plausible {
    /// What a sample with these counts, not all zero, leaves open.
    pub(super) fn new(counts: &[f64]) -> Self {
        let size: f64 = counts.iter().sum();
        let bin = |&count: &f64| {
            let share = count / size;
            Bin { count, share, ln_share: share.ln(), inverse_share: share.recip() }
        };
        Self { bins: counts.iter().map(bin).collect(), size, radius: radius(counts.len()) }
    }

    /// Whether rows with these `counts`, which sum to `total`, can't speak against
    /// the set, told without a logarithm: because they differ from the sample's
    /// by less than twice what chance makes of it, or because their shares are in
    /// the set.
    pub(super) fn is_unchallenged(&self, counts: &[f64], total: f64) -> bool {
        self.chi_square(counts, total) <= 2.0 * degrees(self.bins.len()) || self.holds(counts, total)
    }

    /// Pearson's statistic of the rows, with the sample's shares as the truth.
    fn chi_square(&self, counts: &[f64], total: f64) -> f64 {
        let terms = self.bins.iter().zip(counts).map(|(bin, &count)| {
            let difference = count - bin.share * total;
            // A bin that the sample does not have weighs infinitely, unless empty.
            if difference == 0.0 { 0.0 } else { difference * difference * bin.inverse_share }
        });
        terms.sum::<f64>() / total
    }

    /// Whether the rows' shares `x` are in the set, which
    /// `KL(h, x) <= sum(h^2 / x) - 1` proves for most of those that are.
    fn holds(&self, counts: &[f64], total: f64) -> bool {
        let seen = self.bins.iter().zip(counts).filter(|(bin, _)| bin.count > 0.0);
        let sum: f64 = seen.map(|(bin, &count)| bin.count * bin.share / count).sum();
        sum * total - self.size <= self.radius
    }

    /// Log-likelihood of rows with these `counts` under the sample's own shares.
    pub(super) fn log_likelihood(&self, counts: &[f64]) -> f64 {
        let held = self.bins.iter().zip(counts).filter(|(_, count)| **count > 0.0);
        held.map(|(bin, &count)| count * bin.ln_share).sum()
    }

    /// An upper bound, nearly attained, of the log-likelihood that rows with
    /// these `counts`, which sum to `total`, have under any member of the set.
    ///
    /// By Lagrange's dual the bound holds for every multiplier `l >= 0`: the
    /// greatest value of `sum(x ln p) + l (radius - m KL(h, p))`, at
    /// `p = (x + l r) / (n + l m)`. So an inexact root costs a little evidence
    /// and never adds any.
    pub(super) fn log_likelihood_bound(&self, counts: &[f64], total: f64) -> f64 {
        let mut multiplier = self.first_multiplier(counts, total);
        for _ in 0..STEPS {
            let step = self.step(counts, total, multiplier);
            multiplier *= step.exp();
            if step.abs() < ENOUGH {
                break;
            }
        }
        let ln_weight = (total + multiplier * self.size).ln();
        let mut sum = multiplier * self.radius;
        for (bin, &count) in self.bins.iter().zip(counts) {
            let weight = count + multiplier * bin.count;
            if weight > 0.0 {
                sum += weight * (weight.ln() - ln_weight);
            }
            if bin.count > 0.0 {
                sum -= multiplier * bin.count * bin.ln_share;
            }
        }
        sum
    }

    /// The best multiplier where all differences are small: then the best member
    /// is the mean of both shares that is so near to the sample's as allowed.
    fn first_multiplier(&self, counts: &[f64], total: f64) -> f64 {
        let terms = self.bins.iter().zip(counts).map(|(bin, &count)| {
            let share = count / total;
            let (difference, mean) = (share - bin.share, 0.5 * (share + bin.share));
            if mean > 0.0 { difference * difference / mean } else { 0.0 }
        });
        let distance: f64 = terms.sum();
        let weight = (2.0 * self.radius / self.size / distance).sqrt().min(0.9);
        (1.0 - weight) / weight * total / self.size
    }

    /// What Newton's method adds to the multiplier's logarithm. It is solved for
    /// `ln(m KL(h, p)) = ln(radius)`, which is nearly a line in that logarithm.
    fn step(&self, counts: &[f64], total: f64, multiplier: f64) -> f64 {
        let all = total + multiplier * self.size;
        let (mut divergence, mut slope) = (0.0, self.size * self.size / all);
        for (bin, &count) in self.bins.iter().zip(counts).filter(|(bin, _)| bin.count > 0.0) {
            let weight = count + multiplier * bin.count;
            divergence -= bin.count * (weight / (all * bin.share)).ln();
            slope -= bin.count * bin.count / weight;
        }
        let step = (self.radius / divergence).ln() * divergence / (slope * multiplier);
        if step.is_finite() { step.clamp(-MOST, MOST) } else { 0.0 }
    }
}

/// Half the chi-square quantile at `1 - 1e-4` with `bins - 1` degrees of freedom
/// by Wilson and Hilferty ("The Distribution of Chi-Square", 1931): too large by
/// 7 % with one degree, by 1 % with ten.
fn radius(bins: usize) -> f64 {
    let degrees = degrees(bins);
    let spread = 2.0 / (9.0 * degrees);
    let root = 1.0 - spread + DOUBT_QUANTILE * spread.sqrt();
    0.5 * degrees * root.powi(3)
}

/// Degrees of freedom of so many shares.
fn degrees(bins: usize) -> f64 {
    count_to_f64(bins.saturating_sub(1).max(1) as u64)
}

#[cfg(test)]
mod tests {
    use rand::{RngExt, SeedableRng};
    use rand_chacha::ChaCha8Rng;
    use rand_distr::{Distribution, Gamma};
    use statrs::distribution::{ChiSquared, ContinuousCDF};

    use super::*;

    fn dirichlet(random: &mut ChaCha8Rng, counts: &[f64]) -> Vec<f64> {
        let draw = |&count: &f64| Gamma::new(count, 1.0).unwrap().sample(random);
        let draws: Vec<f64> = counts.iter().map(draw).collect();
        let total: f64 = draws.iter().sum();
        draws.iter().map(|draw| draw / total).collect()
    }

    fn misses(set: &Plausible, truth: &[f64]) -> bool {
        let divergence = set.bins.iter().zip(truth).map(|(bin, p)| bin.count * (bin.ln_share - p.ln()));
        divergence.sum::<f64>() > set.radius
    }

    #[test]
    fn the_radius_is_a_little_above_the_chi_square_quantile() {
        for bins in 2..=60_u32 {
            let exact = ChiSquared::new(f64::from(bins - 1)).unwrap().inverse_cdf(1.0 - 1e-4) / 2.0;
            let excess = radius(bins as usize) / exact;
            assert!((1.0..1.08).contains(&excess), "{bins} bins: {excess}");
        }
    }

    /// Random members of the set never exceed the bound, and one found by
    /// bisection attains it.
    #[test]
    fn the_bound_is_the_greatest_likelihood_in_the_set() {
        let mut random = ChaCha8Rng::seed_from_u64(1);
        for case in 0..300 {
            let bins = 2 + case % 9;
            let counts = |random: &mut ChaCha8Rng, most: f64| -> Vec<f64> {
                (0..bins).map(|_| (random.random::<f64>() * most).round()).collect()
            };
            let mut sample = counts(&mut random, [10.0, 100.0, 1e3, 1e4, 1e5][case % 5]);
            let mut rows = counts(&mut random, [10.0, 100.0, 1e3, 1e4][case % 4]);
            sample[0] += 1.0;
            rows[bins - 1] += 1.0;
            let set = Plausible::new(&sample);
            let total: f64 = rows.iter().sum();
            let bound = set.log_likelihood_bound(&rows, total);
            let member = |weight: f64| -> Vec<f64> {
                let mix = |(bin, row): (&Bin, &f64)| weight * row / total + (1.0 - weight) * bin.share;
                set.bins.iter().zip(&rows).map(mix).collect()
            };
            let divergence = |p: &[f64]| -> f64 {
                let held = set.bins.iter().zip(p).filter(|(bin, _)| bin.count > 0.0);
                held.map(|(bin, p)| bin.count * (bin.ln_share - p.ln())).sum()
            };
            let (mut inside, mut outside) = (0.0, 1.0);
            for _ in 0..200 {
                let middle = 0.5 * (inside + outside);
                if divergence(&member(middle)) <= set.radius { inside = middle } else { outside = middle }
            }
            let likelihood = |p: &[f64]| -> f64 {
                let held = rows.iter().zip(p).filter(|(row, _)| **row > 0.0);
                held.map(|(row, p)| row * p.ln()).sum()
            };
            let attained = likelihood(&member(inside));
            assert!(attained <= bound + 1e-9 * bound.abs(), "{attained} exceeds the bound {bound}");
            assert!(attained > bound - 0.02 - 1e-9 * bound.abs(), "{attained} is far below {bound}");
        }
    }

    /// Deciles of a sample: its shares are fixed, and what is random is how much
    /// of the truth lies between them.
    #[test]
    fn the_truth_is_missed_about_once_in_ten_thousand() {
        let mut random = ChaCha8Rng::seed_from_u64(2);
        let set = Plausible::new(&[100.0; 10]);
        let mut spacings = [100.0; 10];
        spacings[9] += 1.0;
        let draws = 100_000;
        let missed = (0..draws).filter(|_| misses(&set, &dirichlet(&mut random, &spacings))).count();
        // Ten expected; 22 has a probability below 0.001.
        assert!((1..22).contains(&missed), "{missed} of {draws}");
    }

    #[test]
    fn what_is_unchallenged_has_no_evidence() {
        let mut random = ChaCha8Rng::seed_from_u64(3);
        let sample = [900.0, 60.0, 30.0, 10.0, 0.0];
        let set = Plausible::new(&sample);
        let alternatives = crate::drift::sequential::alternative::Alternatives::new(&sample);
        let (mut unchallenged, mut challenged) = (0, 0);
        for case in 0..2_000 {
            let shares = dirichlet(&mut random, &[90.0, 6.0, 3.0, 1.0]);
            let total = 10_f64.powi(1 + case % 5);
            let rows: Vec<f64> = shares.iter().map(|p| (p * total).round()).chain([0.0]).collect();
            let total = rows.iter().sum();
            if set.is_unchallenged(&rows, total) {
                unchallenged += 1;
                let evidence =
                    alternatives.log_likelihood(&rows, total) - set.log_likelihood_bound(&rows, total);
                assert!(evidence < 0.5, "{rows:?} have {evidence}");
            } else {
                challenged += 1;
            }
        }
        assert!(unchallenged > 200 && challenged > 200, "{unchallenged} and {challenged}");
    }
}
