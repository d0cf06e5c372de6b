//! Standard normal vectors, drawn where scores are large.

use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};

/// By how much a direction is stretched: three standard deviations, about
/// where a noise point lies, become a bit more than one.
const STRETCH: f64 = 2.6;
/// Share of the draws that are not stretched at all.
const PLAIN: f64 = 0.3;

/// How draws are spread: some plain, some stretched by a radius in every
/// direction, some stretched along one.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Spread {
    radial: f64,
    radius: f64,
    directions: Vec<Direction>,
}

/// A unit vector, and the share of the draws that are stretched along it.
#[derive(Debug, Clone, PartialEq)]
struct Direction {
    share: f64,
    vector: Vec<f64>,
}

impl Spread {
    /// A third or so of the draws plain; of the rest, the share `radial`
    /// stretched by `radius` and the others along `directions`, which are unit
    /// vectors with their weights among themselves.
    pub(super) fn new(radial: f64, radius: f64, directions: Vec<(f64, Vec<f64>)>) -> Self {
        let total: f64 = directions.iter().map(|(weight, _)| weight).sum();
        let radial = if total > 0.0 { radial } else { 1.0 };
        let scale = (1.0 - PLAIN) * (1.0 - radial) / if total > 0.0 { total } else { 1.0 };
        let directions = directions
            .into_iter()
            .map(|(weight, vector)| Direction { share: weight * scale, vector })
            .collect();
        Self { radial: (1.0 - PLAIN) * radial, radius, directions }
    }

    /// Fills `normals` with a draw and returns its weight: the standard normal
    /// density over that of the draws. `choice`, in 0..1, chooses how the draw
    /// is stretched.
    ///
    /// Importance sampling from a defensive mixture (Owen and Zhou, "Safe and
    /// Effective Importance Sampling", 2000): no weight exceeds one over the
    /// share of plain draws.
    pub(super) fn draw(&self, choice: f64, random: &mut ChaCha8Rng, normals: &mut [f64]) -> f64 {
        fill(random, normals);
        let mut rest = choice - PLAIN;
        if rest >= self.radial {
            rest -= self.radial;
            let chosen = self.directions.iter().find(|direction| {
                rest -= direction.share;
                rest < 0.0
            });
            if let Some(Direction { vector, .. }) = chosen.or(self.directions.last()) {
                let more = (STRETCH - 1.0) * product(vector, normals);
                normals.iter_mut().zip(vector).for_each(|(z, part)| *z += more * part);
            }
        } else if rest >= 0.0 {
            for z in normals.iter_mut() {
                *z *= self.radius;
            }
        }
        1.0 / self.density_ratio(normals)
    }

    /// Density of the mixture over the standard normal one.
    fn density_ratio(&self, at: &[f64]) -> f64 {
        let radial = if self.radial > 0.0 {
            let dimensions = i32::try_from(at.len()).unwrap_or(i32::MAX);
            self.radial * self.radius.powi(-dimensions) * (gain(self.radius) * product(at, at)).exp()
        } else {
            0.0
        };
        let along: f64 = self
            .directions
            .iter()
            .map(|direction| direction.share * (gain(STRETCH) * product(&direction.vector, at).powi(2)).exp())
            .sum();
        PLAIN + radial + along / STRETCH
    }
}

/// Fills `normals` with independent standard normal variables.
pub(super) fn fill(random: &mut ChaCha8Rng, normals: &mut [f64]) {
    for z in normals {
        *z = StandardNormal.sample(random);
    }
}

/// The factor of a squared coordinate in the logarithm of a normal density with
/// the deviation `stretch` over the standard one.
fn gain(stretch: f64) -> f64 {
    (1.0 - 1.0 / (stretch * stretch)) / 2.0
}

fn product(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}
