//! What rows look like when they do not come from the reference.

use super::gamma::ln_gamma;
use crate::drift::pair::count_to_f64;

/// How closely the alternatives lie around the reference: one of concentration
/// `c` has a squared distance of about `(B - 1) / c` from it, so these, with ten
/// bins, stand for shifts of a normal feature's mean by 0.7, 0.2, 0.07 and 0.02
/// standard deviations.
const CONCENTRATIONS: [f64; 4] = [20.0, 200.0, 2_000.0, 20_000.0];

/// A concentration of more than so many times the rows has nothing to say of
/// them yet.
const SILENT: f64 = 8.0;

/// A mixture of Dirichlet distributions around the reference's shares.
#[derive(Debug)]
pub(super) struct Alternatives {
    scales: Vec<Scale>,
}

#[derive(Debug)]
struct Scale {
    concentration: f64,
    pseudo_counts: Vec<f64>,
    constant: f64,
}

impl Alternatives {
    /// Around the shares of these counts, to each of which half a row is added
    /// (Jeffreys, 1946), since an alternative may hold what the reference never
    /// saw.
    pub(super) fn new(reference: &[f64]) -> Self {
        let total: f64 = reference.iter().map(|count| count + 0.5).sum();
        let scale = |&concentration: &f64| {
            let pseudo_counts: Vec<f64> =
                reference.iter().map(|count| concentration * (count + 0.5) / total).collect();
            let constant =
                ln_gamma(concentration) - pseudo_counts.iter().map(|&count| ln_gamma(count)).sum::<f64>();
            Scale { concentration, pseudo_counts, constant }
        };
        Self { scales: CONCENTRATIONS.iter().map(scale).collect() }
    }

    /// Log of the marginal likelihood of a sequence of rows with these `counts`,
    /// which sum to `total`: the mean over the concentrations of the
    /// Dirichlet-multinomial (Pólya, 1930), that is of the product of
    /// predictions of each row from those before it.
    pub(super) fn log_likelihood(&self, counts: &[f64], total: f64) -> f64 {
        let heard = self.scales.iter().filter(|scale| scale.concentration <= SILENT * total);
        let logs = heard.map(|scale| scale.log_likelihood(counts, total));
        log_sum_exp(logs) - count_to_f64(CONCENTRATIONS.len() as u64).ln()
    }
}

impl Scale {
    fn log_likelihood(&self, counts: &[f64], total: f64) -> f64 {
        let bins = self.pseudo_counts.iter().zip(counts);
        let sum: f64 = bins.map(|(&pseudo, &count)| ln_gamma(pseudo + count)).sum();
        self.constant + sum - ln_gamma(self.concentration + total)
    }
}

/// `ln(sum(exp(x)))` in one pass; minus infinity of nothing.
pub(crate) fn log_sum_exp(logs: impl Iterator<Item = f64>) -> f64 {
    let finite = logs.filter(|log| *log > f64::NEG_INFINITY);
    let (greatest, sum) = finite.fold((f64::NEG_INFINITY, 0.0), |(greatest, sum), log| {
        if log > greatest {
            (log, sum * (greatest - log).exp() + 1.0)
        } else {
            (greatest, sum + (log - greatest).exp())
        }
    });
    greatest + f64::ln(sum)
}
