//! How much surrogates differ that were fitted to the same thing.
//!
//! Why: a surrogate of a window's rows ranks features differently from one of
//! the reference's even when nothing has changed, since each is a fit to some
//! rows, by chance. Only a difference beyond that is one.
//!
//! Promises: each draw parts the reference's rows at random into as many as the
//! window has and the rest, fits a surrogate to each and has both explained. The
//! two have no row in common, as the window and the reference have none; a
//! distance between the two is therefore distributed as that between the window
//! and the reference is when both are of the same distribution. Simulated with
//! windows of a fifth to a quarter of the reference's rows, the window is farther
//! than all of 19 draws with a probability of 0.05 to 0.06; 0.05 is right.
//!
//! Refuses: to know how rows are explained, and what a large distance is. It
//! knows nothing of rows that depend on each other either: those of a stream
//! differ more from window to window than parts drawn at random do.
//!
//! As the window takes its rows from the reference here, the other surrogate has
//! fewer than the reference's own: differences are a little large. A window of
//! more than half the reference's rows is taken for one of half of them, so that
//! with equal sizes alarms are rare (0.003 in place of 0.05). Resampling with
//! replacement errs to the other side (0.065 to 0.083 there), which a monitor
//! pays for in false alarms.

use std::ops::Range;

use rand_chacha::{
    ChaCha8Rng,
    rand_core::{Rng, SeedableRng},
};

use super::{Pairs, Surrogate, SurrogateError, SurrogateSettings};
use crate::model::{Rows, TreeEnsemble};

/// Which refits are made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefitPlan {
    /// Rows of the window whose surrogate is to be judged.
    pub window_rows: usize,
    /// Numbers of the draws. Each is for itself, so that they can be made in
    /// parts.
    pub draws: Range<u64>,
    /// What all chance follows from, together with the draw's number.
    pub seed: u64,
}

/// What was made of one draw.
#[derive(Debug, Clone, PartialEq)]
pub struct Refit {
    /// The explanation of the surrogate of as many rows as the window has.
    pub window: Vec<f64>,
    /// That of the surrogate of the rest.
    pub reference: Vec<f64>,
}

impl Surrogate {
    /// Pairs of surrogates of `rows` and `targets`, which are the reference's,
    /// each explained by `explain`: given a surrogate and the rows that it is
    /// of, it answers with the features' shares, or what else is compared.
    ///
    /// Surrogates are fitted by `settings`, which should be those of the window's
    /// and the reference's own. A draw takes as long as these two together.
    ///
    /// # Errors
    /// As [`Surrogate::fit`]. A part whose predictions are all equal makes no
    /// draw, and is left out.
    pub fn refits(
        rows: Rows<'_>,
        targets: &[f64],
        plan: &RefitPlan,
        settings: &SurrogateSettings,
        mut explain: impl FnMut(&TreeEnsemble, Rows<'_>) -> Vec<f64>,
    ) -> Result<Vec<Refit>, SurrogateError> {
        let mut pairs = Pairs::new(rows, targets, settings)?;
        let all = std::mem::take(&mut pairs.pairs);
        let window_rows = plan.window_rows.min(all.len() / 2);
        if window_rows < super::LEAST_ROWS {
            return Err(SurrogateError::FewRows { usable: window_rows });
        }
        let mut explained = |pairs: &[(&[f64], f64)], seed: u64| -> Result<Vec<f64>, SurrogateError> {
            let pairs = Pairs { pairs: pairs.to_vec(), width: rows.width() };
            let surrogate = Surrogate::fit_pairs(&pairs, seed, settings)?;
            let values: Vec<f64> = pairs.pairs.iter().flat_map(|(row, _)| row.iter().copied()).collect();
            Ok(explain(surrogate.trees(), Rows::new(&values, pairs.width)))
        };
        let mut refits = Vec::new();
        for draw in plan.draws.clone() {
            let mut random = ChaCha8Rng::seed_from_u64(plan.seed);
            random.set_stream(draw);
            let mut shuffled = all.clone();
            shuffle(&mut shuffled, window_rows, &mut random);
            let (window, reference) = shuffled.split_at(window_rows);
            let made = explained(window, random.next_u64())
                .and_then(|window| Ok((window, explained(reference, random.next_u64())?)));
            match made {
                Ok((window, reference)) => refits.push(Refit { window, reference }),
                Err(SurrogateError::Constant) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(refits)
    }
}

/// Brings `first` items, drawn at random, to the front (the Fisher-Yates
/// shuffle, stopped there).
fn shuffle<T>(items: &mut [T], first: usize, random: &mut ChaCha8Rng) {
    for place in 0..first.min(items.len()) {
        let left = u64::try_from(items.len() - place).unwrap_or(u64::MAX);
        // The remainder prefers some numbers by one in 2^64 over the length.
        let drawn = usize::try_from(random.next_u64() % left).unwrap_or_default();
        items.swap(place, place + drawn);
    }
}
