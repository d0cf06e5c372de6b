//! From a forest of smartcore to trees that can be read.
//!
//! Why: smartcore keeps the nodes of its trees to itself. It stores them by
//! `serde`, and that is the way in.
//!
//! Promises: the trees send every row where smartcore sends it, once missing and
//! infinite values are written as they were for the fit.
//!
//! Refuses: a layout that it doesn't know. Cargo.toml names one version of
//! smartcore, and `tests/surrogate.rs` compares predictions, so that another
//! version can't be taken in by mistake.

use serde::Deserialize;
use smartcore::{
    ensemble::random_forest_regressor::{RandomForestRegressor, RandomForestRegressorParameters},
    linalg::basic::matrix::DenseMatrix,
};

use super::{SurrogateError, SurrogateSettings};
use crate::model::{Leaf, Missing, Node, Precision, Split, Test, Tree};

/// Rows that a leaf has at least: the usual size in regression forests
/// (Breiman, "Random forests", 2001).
const LEAF_ROWS: usize = 5;

/// What a missing value is to the forest, which knows none: lower than any
/// value, so that one split can tell missing rows from all others.
const MISSING: f64 = f64::MIN;

/// Infinite and larger values are this: still the largest, and apart from
/// [`MISSING`].
const LARGEST: f64 = 1e300;

pub(super) type Forest = RandomForestRegressor<f64, f64, DenseMatrix<f64>, Vec<f64>>;

/// Fits a forest of as many regression trees as the settings say, each on a
/// bootstrap sample of the rows.
pub(super) fn fit(
    rows: &[f64],
    width: usize,
    targets: &[f64],
    seed: u64,
    settings: &SurrogateSettings,
) -> Result<Forest, SurrogateError> {
    let known = |&value: &f64| if value.is_nan() { MISSING } else { value.clamp(-LARGEST, LARGEST) };
    let values = rows.iter().map(known).collect();
    let failed = |error: smartcore::error::Failed| SurrogateError::Fit(error.to_string());
    let rows = DenseMatrix::new(targets.len(), width, values, false).map_err(failed)?;
    let parameters = RandomForestRegressorParameters::default()
        .with_n_trees(usize::from(settings.trees))
        // It counts the levels of nodes, of which the last has leaves only.
        .with_max_depth(settings.depth + 1)
        .with_min_samples_leaf(LEAF_ROWS)
        // Trying fewer inputs at a split made every fit to the hotel's predictions
        // worse (R² at 4,000 rows: 0.868 with a third of them, 0.882 with all), and
        // gave inputs that don't matter 2 % of the attributions each.
        .with_m(width)
        .with_seed(seed);
    RandomForestRegressor::fit(&rows, &targets.to_vec(), parameters).map_err(failed)
}

/// The part of the layout that predictions follow from.
#[derive(Deserialize)]
struct StoredForest {
    forest_regressor: StoredTrees,
}

#[derive(Deserialize)]
struct StoredTrees {
    trees: Vec<StoredTree>,
}

#[derive(Deserialize)]
struct StoredTree {
    nodes: Vec<StoredNode>,
}

/// A node: rows whose value is at most `split_value` go to `true_child`. One
/// without children is a leaf, whatever else it has.
#[derive(Deserialize)]
struct StoredNode {
    output: f64,
    split_feature: u32,
    split_value: Option<f64>,
    true_child: Option<u32>,
    false_child: Option<u32>,
}

/// The trees of a forest. Its average is folded into their leaves, which are
/// multiplied by `unit`.
pub(super) fn trees(forest: &Forest, width: usize, unit: f64) -> Result<Vec<Tree>, SurrogateError> {
    let layout = |error: serde_json::Error| SurrogateError::Layout(error.to_string());
    let stored = serde_json::to_value(forest).map_err(layout)?;
    let stored: StoredForest = serde_json::from_value(stored).map_err(layout)?;
    let stored = stored.forest_regressor.trees;
    #[expect(clippy::cast_precision_loss, reason = "there are at most 1,000 trees")]
    let share = unit / stored.len() as f64;
    let tree = |tree: StoredTree| {
        let nodes = tree.nodes.into_iter().map(|node| node.read(share)).collect::<Result<_, _>>()?;
        Ok(Tree::new(nodes, width, 1)?)
    };
    stored.into_iter().map(tree).collect()
}

impl StoredNode {
    fn read(self, share: f64) -> Result<Node, SurrogateError> {
        let (threshold, left, right) = match (self.split_value, self.true_child, self.false_child) {
            (Some(threshold), Some(left), Some(right)) => (threshold, left, right),
            (_, None, None) => {
                return Ok(Node::Leaf(Leaf { values: Box::new([(0, self.output * share)]) }));
            }
            _ => return Err(SurrogateError::Layout("a split without a value or a child".to_owned())),
        };
        // A threshold below all values tells missing ones from all others; no
        // value may go with them, not even negative infinity.
        let test = if threshold < -LARGEST { Test::Less(f64::NEG_INFINITY) } else { Test::AtMost(threshold) };
        Ok(Node::Split(Split {
            input: self.split_feature,
            test,
            precision: Precision::Double,
            zero_is_missing: false,
            missing: Missing::Left,
            left,
            right,
        }))
    }
}
