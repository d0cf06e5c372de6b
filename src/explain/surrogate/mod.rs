//! A forest that stands in for a model that nobody can ask.
//!
//! Why: without the model there are only rows and the predictions that were
//! logged with them. A forest fitted to those is a model that can be explained
//! exactly, and says which features the predictions go with.
//!
//! Promises: its trees predict what smartcore's forest does. How well it stands
//! in is measured on rows that it was not fitted to. The same rows, seed and
//! settings give the same bits.
//!
//! Refuses: to pass for the model. Of features that go together it may use
//! another than the model does: held-out R² was 0.949 on correlated features
//! while attributions were off by 54 % (on independent ones by 18 %), so no R²
//! says that they are right. It is good for a ranking over many rows; for
//! anything more [`Fidelity::is_faithful`] is needed, and not enough. Two
//! surrogates differ by chance alone: [`Surrogate::refits`] says by how much.

mod forest;
mod refits;

pub use refits::{Refit, RefitPlan};

use crate::{
    model::{Link, Model, ModelInfo, Rows, Test, Tree, TreeEnsemble, TreeError},
    profile::row_hash,
};

/// Rows with a prediction that a fit needs at least: every fifth is held out,
/// and an R² of fewer than twenty rows says nothing.
pub const LEAST_ROWS: usize = 100;

/// The R² on rows held out from which on a surrogate may be used for more than
/// a ranking.
pub const FAITHFUL: f64 = 0.9;

/// One of so many rows is held out.
const HELD_OUT: usize = 5;

/// Predictions beyond this are no predictions, and their squares would leave
/// the range of `f64`.
const LARGEST_TARGET: f64 = 1e100;

/// Whether a number can be fitted to.
pub(super) fn is_usable(prediction: f64) -> bool {
    prediction.abs() <= LARGEST_TARGET
}

/// How large a forest is fitted, and to how much.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SurrogateSettings {
    /// Trees of the forest.
    pub trees: u16,
    /// Splits from the root to a leaf at most; so many distinct inputs a leaf
    /// depends on at most, and exact attributions take 3^depth steps a leaf.
    pub depth: u16,
    /// Rows at most; of more, evenly spaced ones are taken.
    pub rows: usize,
}

impl Default for SurrogateSettings {
    fn default() -> Self {
        Self { trees: 30, depth: 8, rows: 4000 }
    }
}

/// How well a surrogate predicts what it was not fitted to.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Fidelity {
    /// Share of the variance of the predictions that it explains; below 0 when
    /// it is worse than their mean, `None` when they don't vary.
    pub r2: Option<f64>,
    /// Mean absolute error.
    pub mean_absolute_error: f64,
    /// Rows held out.
    pub rows: usize,
}

impl Fidelity {
    /// Whether R² reaches `minimum`; [`FAITHFUL`] is the usual one.
    #[must_use]
    pub fn is_faithful(&self, minimum: f64) -> bool {
        self.r2.is_some_and(|r2| r2 >= minimum)
    }
}

/// Why there is no surrogate.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SurrogateError {
    /// Not one prediction per row.
    #[error("there are {targets} predictions for {rows} rows")]
    Unpaired {
        /// Rows.
        rows: usize,
        /// Predictions.
        targets: usize,
    },
    /// Too few rows with a prediction that is a finite number.
    #[error("{usable} rows have a usable prediction, and a surrogate needs {LEAST_ROWS}; give it more rows")]
    FewRows {
        /// Rows with one.
        usable: usize,
    },
    /// All predictions are equal.
    #[error("all predictions are equal, so there is nothing that they could go with")]
    Constant,
    /// Forests without trees, or trees too deep to be explained.
    #[error(
        "a surrogate of {trees} trees of depth {depth} can't be explained; ask for 1 to 1000 of depth 1 to 10"
    )]
    Settings {
        /// Trees that were asked for.
        trees: u16,
        /// Depth that was asked for.
        depth: u16,
    },
    /// The forest was not fitted.
    #[error("the surrogate's forest can't be fitted: {0}")]
    Fit(String),
    /// The forest is not stored in the way that is read here.
    #[error("the surrogate's forest has another layout than smartcore 0.7.0 writes: {0}")]
    Layout(String),
    /// Its trees are none.
    #[error("the surrogate's forest has a broken tree: {0}")]
    Tree(#[from] TreeError),
}

/// A forest in place of a model.
#[derive(Debug, Clone, PartialEq)]
pub struct Surrogate {
    trees: TreeEnsemble,
    fidelity: Fidelity,
}

impl Surrogate {
    /// The forest fitted to `targets`, the prediction of each row.
    ///
    /// Missing inputs are allowed; to the forest they are lower than any value.
    /// Rows whose prediction is not a finite number are left out. Every fifth of
    /// the others is held out, so rows should come in no order that means
    /// anything, as those of a sample do: by their hashes.
    ///
    /// Small probabilities are fitted better as log odds (R² on the hotel's: 0.94
    /// in place of 0.73); whoever wants that gives log odds as `targets`.
    ///
    /// # Errors
    /// When there are too few rows, all predictions are equal, the settings
    /// allow no forest, or smartcore doesn't do what it did at version 0.7.0.
    pub fn fit(
        rows: Rows<'_>,
        targets: &[f64],
        seed: u64,
        settings: &SurrogateSettings,
    ) -> Result<Self, SurrogateError> {
        let pairs = Pairs::new(rows, targets, settings)?;
        Self::fit_pairs(&pairs, seed, settings)
    }

    fn fit_pairs(pairs: &Pairs<'_>, seed: u64, settings: &SurrogateSettings) -> Result<Self, SurrogateError> {
        let (held_out, fitted) = pairs.split();
        let scale = Scale::of(&fitted.targets).ok_or(SurrogateError::Constant)?;
        let scaled: Vec<f64> = fitted.targets.iter().map(|&target| scale.down(target)).collect();
        let forest = forest::fit(&fitted.rows, pairs.width, &scaled, seed, settings)?;
        let trees = forest::trees(&forest, pairs.width, scale.unit)?;
        let info = ModelInfo {
            kind: "surrogate forest".to_owned(),
            inputs: pairs.width,
            input_names: Vec::new(),
            outputs: 1,
            output_names: Vec::new(),
            link: Link::Identity,
            fingerprint: fingerprint(scale.centre, &trees),
        };
        let trees = TreeEnsemble::new(info, vec![scale.centre], trees)?;
        let fidelity = fidelity(&trees, &held_out, pairs.width);
        Ok(Self { trees, fidelity })
    }

    /// The forest as a model: its output is in the unit of the predictions.
    #[must_use]
    pub fn trees(&self) -> &TreeEnsemble {
        &self.trees
    }

    /// How well it stands in.
    #[must_use]
    pub fn fidelity(&self) -> Fidelity {
        self.fidelity
    }
}

/// Rows with a usable prediction each.
#[derive(Debug)]
struct Pairs<'a> {
    pairs: Vec<(&'a [f64], f64)>,
    width: usize,
}

/// Rows and their predictions, one after the other.
#[derive(Debug, Default)]
struct Part {
    rows: Vec<f64>,
    targets: Vec<f64>,
}

impl<'a> Pairs<'a> {
    fn new(rows: Rows<'a>, targets: &[f64], settings: &SurrogateSettings) -> Result<Self, SurrogateError> {
        let SurrogateSettings { trees, depth, .. } = *settings;
        if !(1..=1000).contains(&trees) || !(1..=10).contains(&depth) {
            return Err(SurrogateError::Settings { trees, depth });
        }
        if rows.len() != targets.len() {
            return Err(SurrogateError::Unpaired { rows: rows.len(), targets: targets.len() });
        }
        let usable: Vec<_> =
            rows.iter().zip(targets.iter().copied()).filter(|&(_, target)| is_usable(target)).collect();
        let most = settings.rows.min(usable.len());
        let spaced = (0..most).map(|place| place * usable.len() / most);
        let pairs: Vec<_> = spaced.filter_map(|place| usable.get(place).copied()).collect();
        if pairs.len() < LEAST_ROWS {
            return Err(SurrogateError::FewRows { usable: pairs.len() });
        }
        Ok(Self { pairs, width: rows.width() })
    }

    /// What is held out, and what is left to fit.
    fn split(&self) -> (Part, Part) {
        let (mut held_out, mut fitted) = (Part::default(), Part::default());
        for (place, &(row, target)) in self.pairs.iter().enumerate() {
            let part = if place % HELD_OUT == HELD_OUT - 1 { &mut held_out } else { &mut fitted };
            part.rows.extend_from_slice(row);
            part.targets.push(target);
        }
        (held_out, fitted)
    }
}

/// Predictions are fitted around 0 and within ±1: smartcore compares products of
/// sums, which lose the digits of small differences between large numbers, and
/// leave the range of `f64` early.
#[derive(Debug, Clone, Copy)]
struct Scale {
    centre: f64,
    unit: f64,
}

impl Scale {
    /// `None` when all are equal.
    fn of(targets: &[f64]) -> Option<Self> {
        let low = targets.iter().copied().fold(f64::INFINITY, f64::min);
        let high = targets.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let centre = mean(targets.iter().copied())?;
        let unit = (high - centre).max(centre - low);
        (low < high && unit > 0.0).then_some(Self { centre, unit })
    }

    fn down(self, target: f64) -> f64 {
        (target - self.centre) / self.unit
    }
}

/// `None` of nothing.
fn mean(values: impl ExactSizeIterator<Item = f64>) -> Option<f64> {
    let count = values.len();
    #[expect(clippy::cast_precision_loss, reason = "there are at most millions of rows")]
    (count > 0).then(|| values.sum::<f64>() / count as f64)
}

fn fidelity(trees: &TreeEnsemble, held_out: &Part, width: usize) -> Fidelity {
    let mut said = Vec::with_capacity(held_out.targets.len());
    // Rows have the width that the trees were made for, so they are answered.
    let is_answered = trees.predict(Rows::new(&held_out.rows, width), &mut said).is_ok();
    let errors = || held_out.targets.iter().zip(&said).map(|(target, said)| target - said);
    let centre = mean(held_out.targets.iter().copied()).unwrap_or(f64::NAN);
    let squares: f64 = held_out.targets.iter().map(|target| (target - centre).powi(2)).sum();
    let error_squares: f64 = errors().map(|error| error * error).sum();
    Fidelity {
        r2: (is_answered && squares > 0.0).then(|| 1.0 - error_squares / squares),
        mean_absolute_error: mean(errors().map(f64::abs)).unwrap_or(f64::NAN),
        rows: held_out.targets.len(),
    }
}

/// A hash of whatever decides the forest's answers.
fn fingerprint(centre: f64, trees: &[Tree]) -> u64 {
    let mut bytes = centre.to_bits().to_le_bytes().to_vec();
    for node in trees.iter().flat_map(Tree::nodes) {
        match node {
            crate::model::Node::Leaf(leaf) => {
                bytes.extend(leaf.values.iter().flat_map(|(_, amount)| amount.to_bits().to_le_bytes()));
            }
            crate::model::Node::Split(split) => {
                bytes.extend(split.input.to_le_bytes());
                bytes.extend(split.left.to_le_bytes());
                if let Test::AtMost(threshold) = split.test {
                    bytes.extend(threshold.to_bits().to_le_bytes());
                }
            }
        }
    }
    row_hash(&bytes)
}
