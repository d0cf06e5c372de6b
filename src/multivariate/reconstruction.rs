//! How well the reference's principal components describe other rows.

use super::{
    Settings,
    encoder::Encoder,
    matrix::{Matrix, count, dot},
    principal::Components,
    top_shares,
};
use crate::result::{ReconstructionResult, Verdict};

/// Standard normal quantile at 1 - 1/2000.
const TWO_THOUSANDTH: f64 = 3.290_526_731_491_925_5;
/// Errors below this share of the variance are rounding.
const NOTHING: f64 = 1e-9;

/// The reference's components and errors.
///
/// Components describe the rows that they were fitted on better than any
/// others, so that an error in sample would make every window look drifted. One
/// half of the reference's rows is therefore described by components of the
/// other half, as the window's are: with equal distributions, the errors of both
/// are independent draws from one distribution. (Describing every row by
/// components of other parts uses all rows, but components of few rows depend on
/// chance, which the errors of a part share; of windows like the reference, it
/// called up to four in a thousand drifted.)
#[derive(Debug, Clone)]
pub(super) struct Reconstruction {
    components: Components,
    /// The errors of the other half's rows.
    errors: Vec<f64>,
    /// Their mean.
    error: f64,
    /// Their mean, by feature.
    by_feature: Vec<f64>,
}

impl Reconstruction {
    /// Learns what the reference is like. `None` when its components leave
    /// nothing over, so that no error could be larger by a factor.
    pub(super) fn new(rows: &Matrix, encoder: &Encoder, settings: &Settings) -> Option<Self> {
        let (fitted, held_out) = (rows.part(|place| place % 2 == 0), rows.part(|place| place % 2 == 1));
        let components = Components::fit(&fitted, settings.explained_variance);
        let (errors, by_feature) = errors(&components, &held_out, encoder);
        let error = mean(&errors);
        (error > NOTHING).then_some(Self { components, errors, error, by_feature })
    }

    /// Compares a window's rows.
    pub(super) fn judge(
        &self,
        window: &Matrix,
        encoder: &Encoder,
        settings: &Settings,
        wider: f64,
    ) -> ReconstructionResult {
        let (errors, by_feature) = errors(&self.components, window, encoder);
        let error = mean(&errors);
        let (low, high) = noise(&self.errors, &errors);
        let (noise_low, noise_high) = ((self.error + low * wider).max(0.0), self.error + high * wider);
        let effect = error / self.error;
        let verdict = if (noise_low..=noise_high).contains(&error) {
            Verdict::Stable
        } else if effect.max(1.0 / effect) >= 1.0 + settings.minimum_error_change {
            Verdict::Drifted
        } else {
            Verdict::Shifted
        };
        let changes =
            by_feature.iter().zip(&self.by_feature).map(|(window, reference)| (window - reference).abs());
        let features = match verdict {
            Verdict::Shifted | Verdict::Drifted => top_shares(encoder, changes, settings),
            Verdict::Insufficient | Verdict::Stable => Vec::new(),
        };
        ReconstructionResult {
            verdict,
            reference_error: self.error,
            window_error: error,
            noise_low,
            noise_high,
            effect,
            features,
        }
    }
}

/// What the mean of `window` less that of `reference` falls below, and exceeds,
/// once in two thousand times when all values are dealt to the two by chance.
///
/// From the first three moments of a mean of values drawn without replacement
/// (Cochran, "Sampling techniques", 1977) by the expansion of Cornish and Fisher,
/// "Moments and cumulants in the specification of distributions", 1938. Squared
/// errors are skew, which makes the larger sample's side matter less than the
/// smaller one's.
fn noise(reference: &[f64], window: &[f64]) -> (f64, f64) {
    let (m, n) = (count(reference.len()), count(window.len()));
    let all = m + n;
    let values = || reference.iter().chain(window);
    let middle = values().sum::<f64>() / all;
    let moment = |power: i32| values().map(|value| (value - middle).powi(power)).sum::<f64>() / all;
    let (second, third) = (moment(2), moment(3));
    let variance = second * all / (all - 1.0) * (1.0 / m + 1.0 / n);
    let deviation = variance.sqrt();
    // Of the window's mean, and, being `all / m` times its deviation, of the
    // difference.
    let skewness = if second > 0.0 {
        third / second.powf(1.5) * (m - n) / (all - 2.0) * ((all - 1.0) / (m * n)).sqrt()
    } else {
        0.0
    };
    let bend = (TWO_THOUSANDTH * TWO_THOUSANDTH - 1.0) / 6.0 * skewness;
    (deviation * (bend - TWO_THOUSANDTH), deviation * (bend + TWO_THOUSANDTH))
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / count(values.len()).max(1.0)
}

/// The squared distance of every row from its reconstruction, and its mean by
/// feature.
fn errors(components: &Components, rows: &Matrix, encoder: &Encoder) -> (Vec<f64>, Vec<f64>) {
    let owners = encoder.owners();
    let mut by_feature = vec![0.0; encoder.names().len()];
    let mut residual = Vec::new();
    let mut errors = Vec::with_capacity(rows.len());
    for row in rows.rows() {
        components.residual(row, &mut residual);
        errors.push(dot(&residual, &residual));
        for (value, &owner) in residual.iter().zip(&owners) {
            if let Some(sum) = by_feature.get_mut(owner) {
                *sum += value * value / count(rows.len());
            }
        }
    }
    (errors, by_feature)
}
