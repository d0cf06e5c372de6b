//! Exact Shapley values of any model, by all coalitions of the inputs that vary.
//!
//! Why: with few inputs in which a row differs from the background, asking about
//! every mixture is affordable, and nothing is estimated.
//!
//! Shapley values are linear in the game, so a row is played against each
//! background row alone and the results are averaged. In such a game only the
//! inputs that differ take part: the others have nothing to add.
//!
//! Refuses: games of more than [`MOST_ENUMERATED`] inputs. Their number of
//! mixtures doubles with each input; permutations are for those.

use super::{
    Attribution, Background,
    asking::{Asking, check_width, differing},
};
use crate::model::{Model, PredictError};

/// Inputs in which a row may differ from a background row: 1,024 mixtures each.
pub const MOST_ENUMERATED: usize = 10;

/// The most inputs in which the row differs from any one background row.
#[must_use]
pub fn varying_inputs(background: &Background, row: &[f64]) -> usize {
    background.rows().iter().map(|other| differing(row, other).count()).max().unwrap_or(0)
}

/// Rows that [`enumerate`] asks the model about.
#[must_use]
pub fn enumeration_evaluations(background: &Background, row: &[f64]) -> u64 {
    let inputs = background.rows().iter().map(|other| differing(row, other).count());
    let mixtures = inputs.map(|inputs| 1_u64.checked_shl(u32::try_from(inputs).unwrap_or(u32::MAX)));
    mixtures.fold(1, |sum: u64, mixtures| sum.saturating_add(mixtures.unwrap_or(u64::MAX) - 1))
}

/// A mixture: which of the inputs that differ have the row's value.
#[derive(Debug, Clone, Copy)]
struct Mixture {
    background: usize,
    members: u32,
}

/// Explains a row by every mixture of it with each background row.
///
/// # Errors
/// When the model does not answer, or the row differs from a background row in
/// more than [`MOST_ENUMERATED`] inputs.
pub fn enumerate(
    model: &dyn Model,
    background: &Background,
    row: &[f64],
) -> Result<Attribution, PredictError> {
    check_width(model, background, row)?;
    let games: Vec<Vec<usize>> =
        background.rows().iter().map(|other| differing(row, other).collect()).collect();
    let largest = games.iter().map(Vec::len).max().unwrap_or(0);
    if largest > MOST_ENUMERATED {
        return Err(PredictError::Refused(format!(
            "the row differs from a background row in {largest} inputs, and at most {MOST_ENUMERATED} can be \
             enumerated; use permutations"
        )));
    }
    let mut asking = Asking::new(model);
    let mut sums = Sums::new(model, row.len(), &games);
    // The answer about the row itself counts in every game, so it is asked for alone.
    let itself = Mixture { background: games.len(), members: 0 };
    asking.ask(row.iter().copied(), itself, &mut |_, answer| sums.outputs = answer.to_vec())?;
    asking.finish(&mut |_, answer| sums.outputs = answer.to_vec())?;
    let mut mixture = Vec::with_capacity(row.len());
    for (number, (other, game)) in background.rows().iter().zip(&games).enumerate() {
        let everything = (1_u32 << game.len()) - 1;
        for members in 0..everything {
            mixture.clear();
            mixture.extend_from_slice(other);
            for (bit, input) in game.iter().enumerate() {
                if let (1, Some(place), Some(value)) =
                    (members >> bit & 1, mixture.get_mut(*input), row.get(*input))
                {
                    *place = *value;
                }
            }
            let note = Mixture { background: number, members };
            asking.ask(mixture.iter().copied(), note, &mut |mixture, answer| sums.add(mixture, answer))?;
        }
    }
    asking.finish(&mut |mixture, answer| sums.add(mixture, answer))?;
    sums.add_row();
    Ok(Attribution {
        outputs: sums.outputs,
        values: sums.values,
        standard_errors: Vec::new(),
        evaluations: asking.evaluations(),
    })
}

struct Sums<'a> {
    games: &'a [Vec<usize>],
    inputs: usize,
    /// The model's outputs for the row.
    outputs: Vec<f64>,
    values: Vec<f64>,
}

impl<'a> Sums<'a> {
    fn new(model: &dyn Model, inputs: usize, games: &'a [Vec<usize>]) -> Self {
        let values = vec![0.0; inputs * model.info().outputs];
        Self { games, inputs, outputs: Vec::new(), values }
    }

    /// Counts the row itself in every game.
    fn add_row(&mut self) {
        let outputs = std::mem::take(&mut self.outputs);
        for (background, game) in self.games.iter().enumerate() {
            self.add(Mixture { background, members: (1 << game.len()) - 1 }, &outputs);
        }
        self.outputs = outputs;
    }

    /// A mixture of s members out of d counts (s−1)! (d−s)! / d! for each member
    /// and −s! (d−s−1)! / d! for each other input.
    #[expect(clippy::cast_precision_loss, reason = "rows in memory are fewer than 2^53")]
    fn add(&mut self, mixture: Mixture, answer: &[f64]) {
        let Some(game) = self.games.get(mixture.background) else { return };
        let members = mixture.members.count_ones() as usize;
        let others = game.len() - members;
        let scale = reciprocal_of_choices(game.len(), members) / self.games.len() as f64;
        let gain = scale / members.max(1) as f64;
        let loss = scale / others.max(1) as f64;
        for (output, answer) in answer.iter().enumerate() {
            for (bit, input) in game.iter().enumerate() {
                let Some(value) = self.values.get_mut(output * self.inputs + input) else { continue };
                if mixture.members >> bit & 1 == 1 {
                    *value += gain * answer;
                } else {
                    *value -= loss * answer;
                }
            }
        }
    }
}

/// 1 over the number of ways to choose `chosen` of `all`.
#[expect(clippy::cast_precision_loss, reason = "small numbers")]
fn reciprocal_of_choices(all: usize, chosen: usize) -> f64 {
    (1..=chosen).fold(1.0, |product, i| product * i as f64 / (all - chosen + i) as f64)
}
