//! Sums of decision trees, whoever wrote them.
//!
//! Why: libraries differ in how a split is tested, where missing values go and
//! what is added at the end. Here all of that is data, so that prediction and
//! exact explanation are written once.
//!
//! Promises: a row goes through every tree as it does in the library that wrote
//! it. Leaves are added in `f64`, in the order of the trees, so a prediction has
//! the same bits wherever it is computed; libraries that add in `f32` differ
//! from it by the rounding of theirs.
//!
//! Refuses: trees that are not trees. A node that is reached twice, a child that
//! is not there and an input beyond the model's are errors.

mod flat;
mod lightgbm;
mod xgboost;

use super::{Model, ModelInfo, PredictError, Rows};
use flat::{FlatTree, LANES};
pub use lightgbm::read_lightgbm;
pub use xgboost::{read_xgboost, read_xgboost_whole};

/// Nodes of one tree at most: children are numbered by `u32`, and no library
/// writes trees near this size.
pub const MOST_NODES: usize = 1 << 24;

/// How many bits of a value a split looks at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Precision {
    /// Values are rounded to `f32` before they are compared.
    Single,
    /// Values are compared as they are.
    Double,
}

/// What a split asks of a value that is not missing.
#[derive(Debug, Clone, PartialEq)]
pub enum Test {
    /// Left when the value is below the threshold.
    Less(f64),
    /// Left when the value is at most the threshold.
    AtMost(f64),
    /// Left when the value is above the threshold.
    Greater(f64),
    /// Left when the value is at least the threshold.
    AtLeast(f64),
    /// Left when the value is the threshold.
    Equal(f64),
    /// Left when the value is not the threshold.
    NotEqual(f64),
    /// Left when the value, cut to a whole number, is a member: bit `n % 64` of
    /// word `n / 64`. What cuts to a negative number is no member, and -0.5 cuts
    /// to 0.
    In(Box<[u64]>),
    /// Left when the value, cut to a whole number, is no member of such a set;
    /// every negative value is none, -0.5 too.
    NotIn(Box<[u64]>),
    /// Left when the value is one of these numbers, which ascend: not cut, and
    /// however large they are.
    OneOf(Box<[f64]>),
}

/// A node that sends rows on.
#[derive(Debug, Clone, PartialEq)]
pub struct Split {
    /// The input that it looks at.
    pub input: u32,
    /// What it asks.
    pub test: Test,
    /// How many bits it looks at.
    pub precision: Precision,
    /// Whether zero (and what is as near to it as 1e-35) counts as missing.
    pub zero_is_missing: bool,
    /// Where NaN goes: left, right, or through the test as this value.
    pub missing: Missing,
    /// Number of the node for rows that go left.
    pub left: u32,
    /// Number of the node for the others.
    pub right: u32,
}

/// Where a missing value goes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Missing {
    /// To the left.
    Left,
    /// To the right.
    Right,
    /// Where this value goes.
    As(f64),
}

/// What is added for a row that ends here: `(output, amount)`.
#[derive(Debug, Clone, PartialEq)]
pub struct Leaf {
    /// Outputs and amounts; outputs that are not named get nothing.
    pub values: Box<[(u32, f64)]>,
}

/// A node of a tree.
#[derive(Debug, Clone, PartialEq)]
pub enum Node {
    /// Sends rows on.
    Split(Split),
    /// Ends them.
    Leaf(Leaf),
}

/// A tree: node 0 is its root.
#[derive(Debug, Clone, PartialEq)]
pub struct Tree {
    nodes: Box<[Node]>,
}

/// Nodes that make no tree.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TreeError {
    /// There is nothing.
    #[error("the tree has no nodes")]
    Empty,
    /// More than [`MOST_NODES`].
    #[error("the tree has {0} nodes, more than {MOST_NODES}")]
    TooLarge(usize),
    /// A child that is not there.
    #[error("node {node} points to node {child}, which is not there")]
    Child {
        /// The parent.
        node: u32,
        /// The child.
        child: u32,
    },
    /// A node with two ways to it, or one that leads back.
    #[error("node {0} is reached more than once")]
    ReachedTwice(u32),
    /// An input beyond the model's.
    #[error("node {node} looks at input {input}, and the model has {inputs}")]
    Input {
        /// The node.
        node: u32,
        /// What it looks at.
        input: u32,
        /// Inputs of the model.
        inputs: usize,
    },
    /// An output beyond the model's.
    #[error("node {node} adds to output {output}, and the model has {outputs}")]
    Output {
        /// The node.
        node: u32,
        /// What it adds to.
        output: u32,
        /// Outputs of the model.
        outputs: usize,
    },
    /// A threshold or an amount that is no number.
    #[error("node {0} has a threshold or an amount that is not finite")]
    NotFinite(u32),
}

impl Split {
    /// Whether a row with this value of the input goes left.
    #[inline]
    #[must_use]
    pub fn goes_left(&self, value: f64) -> bool {
        // LightGBM's `kZeroThreshold`, which is an `f32`.
        const NEARLY_ZERO: f64 = 1e-35_f32 as f64;
        #[expect(clippy::cast_possible_truncation, reason = "this is what the library does")]
        let rounded = match self.precision {
            Precision::Single => f64::from(value as f32),
            Precision::Double => value,
        };
        let is_missing = rounded.is_nan() || (self.zero_is_missing && rounded.abs() <= NEARLY_ZERO);
        match (is_missing, self.missing) {
            (false, _) => self.test.holds(rounded),
            (true, Missing::Left) => true,
            (true, Missing::Right) => false,
            (true, Missing::As(value)) => self.test.holds(value),
        }
    }
}

impl Test {
    #[expect(clippy::float_cmp, reason = "equality is what these tests ask")]
    fn holds(&self, value: f64) -> bool {
        match self {
            Self::Less(threshold) => value < *threshold,
            Self::AtMost(threshold) => value <= *threshold,
            Self::Greater(threshold) => value > *threshold,
            Self::AtLeast(threshold) => value >= *threshold,
            Self::Equal(threshold) => value == *threshold,
            Self::NotEqual(threshold) => value != *threshold,
            Self::In(words) => value > -1.0 && is_member(words, value),
            Self::NotIn(words) => !(value >= 0.0 && is_member(words, value)),
            Self::OneOf(members) => members
                .binary_search_by(|member| member.partial_cmp(&value).unwrap_or(std::cmp::Ordering::Less))
                .is_ok(),
        }
    }

    fn is_finite(&self) -> bool {
        match self {
            Self::Less(threshold)
            | Self::AtMost(threshold)
            | Self::Greater(threshold)
            | Self::AtLeast(threshold)
            | Self::Equal(threshold)
            | Self::NotEqual(threshold) => !threshold.is_nan(),
            Self::In(_) | Self::NotIn(_) => true,
            Self::OneOf(members) => members.iter().all(|member| !member.is_nan()),
        }
    }
}

/// Whether a number above -1 is in a set: see [`Test::In`].
fn is_member(words: &[u64], value: f64) -> bool {
    // A cast saturates, so what is too large for a member stays it.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the callers check")]
    let member = value as u64;
    let word = usize::try_from(member / 64).ok().and_then(|word| words.get(word));
    word.is_some_and(|word| word >> (member % 64) & 1 == 1)
}

impl Tree {
    /// A tree of `nodes`, the first of which is the root.
    ///
    /// # Errors
    /// When they make no tree. Nodes that can't be reached are let be.
    pub fn new(nodes: Vec<Node>, inputs: usize, outputs: usize) -> Result<Self, TreeError> {
        if nodes.is_empty() {
            return Err(TreeError::Empty);
        }
        if nodes.len() > MOST_NODES {
            return Err(TreeError::TooLarge(nodes.len()));
        }
        let mut reached = vec![false; nodes.len()];
        let mut open = vec![0_u32];
        while let Some(number) = open.pop() {
            let (Some(node), Some(reached)) = (nodes.get(number as usize), reached.get_mut(number as usize))
            else {
                return Err(TreeError::Child { node: number, child: number });
            };
            if std::mem::replace(reached, true) {
                return Err(TreeError::ReachedTwice(number));
            }
            match node {
                Node::Leaf(leaf) => check_leaf(number, leaf, outputs)?,
                Node::Split(split) => {
                    check_split(number, split, inputs, nodes.len())?;
                    open.extend([split.left, split.right]);
                }
            }
        }
        Ok(Self { nodes: nodes.into() })
    }

    /// The nodes by their numbers.
    #[must_use]
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// The leaf in which a row ends.
    #[inline]
    #[must_use]
    pub fn leaf(&self, row: &[f64]) -> Option<&Leaf> {
        let mut node = self.nodes.first()?;
        loop {
            match node {
                Node::Leaf(leaf) => return Some(leaf),
                Node::Split(split) => {
                    let value = row.get(split.input as usize).copied().unwrap_or(f64::NAN);
                    let next = if split.goes_left(value) { split.left } else { split.right };
                    node = self.nodes.get(next as usize)?;
                }
            }
        }
    }
}

fn check_leaf(number: u32, leaf: &Leaf, outputs: usize) -> Result<(), TreeError> {
    for &(output, amount) in &leaf.values {
        if output as usize >= outputs {
            return Err(TreeError::Output { node: number, output, outputs });
        }
        if !amount.is_finite() {
            return Err(TreeError::NotFinite(number));
        }
    }
    Ok(())
}

fn check_split(number: u32, split: &Split, inputs: usize, nodes: usize) -> Result<(), TreeError> {
    if split.input as usize >= inputs {
        return Err(TreeError::Input { node: number, input: split.input, inputs });
    }
    if let Some(&child) = [split.left, split.right].iter().find(|&&child| child as usize >= nodes) {
        return Err(TreeError::Child { node: number, child });
    }
    if split.test.is_finite() { Ok(()) } else { Err(TreeError::NotFinite(number)) }
}

/// A sum of trees.
#[derive(Debug, Clone)]
pub struct TreeEnsemble {
    info: ModelInfo,
    base: Box<[f64]>,
    trees: Box<[Tree]>,
    /// The same trees, as predictions go through them.
    flat: Box<[FlatTree]>,
    /// By input; empty where no input has names.
    categories: Vec<Vec<String>>,
}

impl PartialEq for TreeEnsemble {
    fn eq(&self, other: &Self) -> bool {
        // The layout follows from the trees.
        self.info == other.info
            && self.base == other.base
            && self.trees == other.trees
            && self.categories == other.categories
    }
}

impl TreeEnsemble {
    /// The sum of `base`, one number per output, and `trees`, made for as many
    /// inputs and outputs as `info` says.
    ///
    /// # Errors
    /// When a tree looks at inputs, or adds to outputs, that are not there.
    pub fn new(info: ModelInfo, base: Vec<f64>, trees: Vec<Tree>) -> Result<Self, TreeError> {
        for (number, node) in trees.iter().flat_map(|tree| (0..).zip(tree.nodes())) {
            match node {
                Node::Leaf(leaf) => check_leaf(number, leaf, info.outputs)?,
                Node::Split(split) => check_split(number, split, info.inputs, usize::MAX)?,
            }
        }
        let mut base = base;
        base.resize(info.outputs, 0.0);
        let flat = trees.iter().map(FlatTree::new).collect();
        Ok(Self { info, base: base.into(), trees: trees.into(), flat, categories: Vec::new() })
    }

    /// The same with the names of every input's categories by their codes.
    #[must_use]
    pub(super) fn with_categories(self, categories: Vec<Vec<String>>) -> Self {
        Self { categories, ..self }
    }

    /// The names of an input's categories: the number that stands for one is its
    /// place. Empty of inputs without categories, and where the model's file does
    /// not name them.
    #[must_use]
    pub fn categories(&self, input: usize) -> &[String] {
        self.categories.get(input).map(Vec::as_slice).unwrap_or_default()
    }

    /// What is there before any tree, one number per output.
    #[must_use]
    pub fn base(&self) -> &[f64] {
        &self.base
    }

    /// The trees in the order in which they are added.
    #[must_use]
    pub fn trees(&self) -> &[Tree] {
        &self.trees
    }
}

impl TreeEnsemble {
    /// Adds the trees to the sums of the rows. Rows are taken several at a time,
    /// and of each the trees are added in their order.
    fn add_trees(&self, rows: Rows<'_>, sums: &mut [f64]) {
        let (width, outputs) = (rows.width(), self.info.outputs.max(1));
        let blocks = rows.values().chunks(width * LANES).zip(sums.chunks_mut(outputs * LANES));
        for (rows, sums) in blocks {
            let mut rows_of_block = rows.chunks_exact(width);
            let lanes: [&[f64]; LANES] = std::array::from_fn(|_| rows_of_block.next().unwrap_or_default());
            if rows.len() == width * LANES {
                self.flat.iter().for_each(|tree| tree.add(&lanes, sums, outputs));
                continue;
            }
            for (row, sums) in rows.chunks_exact(width).zip(sums.chunks_exact_mut(outputs)) {
                self.flat.iter().for_each(|tree| tree.add(&[row], sums, outputs));
            }
        }
    }
}

impl Model for TreeEnsemble {
    fn info(&self) -> &ModelInfo {
        &self.info
    }

    fn predict(&self, rows: Rows<'_>, out: &mut Vec<f64>) -> Result<(), PredictError> {
        if rows.width() != self.info.inputs {
            return Err(PredictError::Width { wanted: self.info.inputs, given: rows.width() });
        }
        let start = out.len();
        out.extend(rows.iter().flat_map(|_| &self.base));
        let sums = out.get_mut(start..).unwrap_or_default();
        self.add_trees(rows, sums);
        Ok(())
    }

    fn trees(&self) -> Option<&TreeEnsemble> {
        Some(self)
    }
}
