//! `TreeEnsemble`, which came with version 5 of `ai.onnx.ml`: splits and leaves
//! in lists of their own, and tests of sets.

use super::{
    RUNTIME,
    branch::{self, Outputs},
    graph::Inputs,
    malformed,
    proto::{Graph, Node as Operator},
    unsupported,
};
use crate::model::{Leaf, Link, MOST_NODES, ModelError, Node, Test, TreeEnsemble};

const KNOWN: [&str; 16] = [
    "aggregate_function",
    "leaf_targetids",
    "leaf_weights",
    "membership_values",
    "n_targets",
    "nodes_falseleafs",
    "nodes_falsenodeids",
    "nodes_featureids",
    "nodes_hitrates",
    "nodes_missing_value_tracks_true",
    "nodes_modes",
    "nodes_splits",
    "nodes_trueleafs",
    "nodes_truenodeids",
    "post_transform",
    "tree_roots",
];

/// A split or a leaf, each numbered in a list of its own.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Child {
    number: i64,
    is_leaf: bool,
}

/// The splits and leaves of all trees, attribute by attribute.
struct Table {
    columns: Vec<i64>,
    tests: Vec<Test>,
    tracks: Vec<i64>,
    /// Where rows go of which the test holds.
    lefts: Vec<Child>,
    rights: Vec<Child>,
    leaves: Vec<(u32, f64)>,
}

/// Reads the trees of `operator`.
pub(super) fn read(
    graph: &Graph<'_>,
    operator: &Operator<'_>,
    inputs: &Inputs,
    fingerprint: u64,
) -> Result<TreeEnsemble, ModelError> {
    operator.only(&KNOWN)?;
    let roots = operator.ints("tree_roots")?;
    let outputs = outputs(operator, roots.len())?;
    let table = Table::read(operator, &outputs)?;
    let mut taken = vec![false; table.tests.len()];
    let mut trees = Vec::new();
    for (name, root) in roots.iter().enumerate() {
        let nodes = table.tree(*root, inputs, &outputs, &mut taken)?;
        trees.push(branch::tree(nodes, name, inputs, outputs.count)?);
    }
    branch::ensemble((graph, operator), 0, inputs, (outputs, trees), fingerprint)
}

fn outputs(operator: &Operator<'_>, trees: usize) -> Result<Outputs, ModelError> {
    let count = branch::targets(operator)?;
    let factor = match operator.int("aggregate_function")?.unwrap_or(1) {
        #[expect(clippy::cast_precision_loss, reason = "fewer trees than a file has bytes")]
        0 => 1.0 / trees.max(1) as f64,
        1 => 1.0,
        other => return Err(unsupported(format!("aggregate_function {other} of TreeEnsemble"), RUNTIME)),
    };
    // 1 is SOFTMAX and 2 LOGISTIC by the specification; ONNX Runtime 1.32 has
    // them the other way round.
    let transform = operator.int("post_transform")?.unwrap_or(0);
    if transform != 0 {
        return Err(unsupported(format!("post_transform {transform} of TreeEnsemble"), RUNTIME));
    }
    let base = vec![0.0; count];
    Ok(Outputs { count, names: Vec::new(), link: Link::Identity, are_shares: false, base, factor })
}

impl Table {
    fn read(operator: &Operator<'_>, outputs: &Outputs) -> Result<Self, ModelError> {
        let children = |numbers: &str, are_leaves: &str| -> Result<Vec<Child>, ModelError> {
            let (numbers, are_leaves) = (operator.ints(numbers)?, operator.ints(are_leaves)?);
            if numbers.len() != are_leaves.len() {
                return Err(operator.malformed("has lists of different lengths as nodes_…"));
            }
            let child = |(number, is_leaf)| Child { number, is_leaf: is_leaf != 0 };
            Ok(numbers.into_iter().zip(are_leaves).map(child).collect())
        };
        let table = Self {
            columns: operator.ints("nodes_featureids")?,
            tests: tests(operator)?,
            tracks: operator.ints("nodes_missing_value_tracks_true")?,
            lefts: children("nodes_truenodeids", "nodes_trueleafs")?,
            rights: children("nodes_falsenodeids", "nodes_falseleafs")?,
            leaves: leaves(operator, outputs)?,
        };
        let count = table.columns.len();
        let is_whole = [table.tests.len(), table.lefts.len(), table.rights.len()] == [count; 3]
            && (table.tracks.is_empty() || table.tracks.len() == count);
        if count > 0 && is_whole {
            Ok(table)
        } else {
            Err(operator.malformed("has no nodes, or lists of different lengths as nodes_…"))
        }
    }

    /// The nodes of the tree below the split `root`. No split is in two places;
    /// a leaf may be, and is written twice then.
    fn tree(
        &self,
        root: i64,
        inputs: &Inputs,
        outputs: &Outputs,
        taken: &mut [bool],
    ) -> Result<Vec<Node>, ModelError> {
        // A tree of one leaf is a split both of whose sides are that leaf.
        let mut open = vec![match self.children(root)? {
            (left, right) if left == right && left.is_leaf => {
                take(taken, root)?;
                left
            }
            _ => Child { number: root, is_leaf: false },
        }];
        let mut nodes = Vec::new();
        let mut next = 0;
        while let Some(&Child { number, is_leaf }) = open.get(next) {
            next += 1;
            if is_leaf {
                nodes.push(self.leaf(number, outputs)?);
                continue;
            }
            let index = take(taken, number)?;
            let (left, right) = self.children(number)?;
            let place = u32::try_from(open.len()).ok().filter(|place| (*place as usize) < MOST_NODES);
            let place = place.ok_or_else(|| malformed(format!("a tree has more than {MOST_NODES} nodes")))?;
            open.extend([left, right]);
            let column = self.columns.get(index).copied().unwrap_or(-1);
            let test = self.tests.get(index).cloned().unwrap_or(Test::Less(f64::NEG_INFINITY));
            let tracks_true = self.tracks.get(index) == Some(&1);
            nodes.push(branch::split(inputs, column, test, tracks_true, (place, place + 1))?);
        }
        Ok(nodes)
    }

    fn children(&self, split: i64) -> Result<(Child, Child), ModelError> {
        let index = usize::try_from(split).unwrap_or(usize::MAX);
        let children = self.lefts.get(index).copied().zip(self.rights.get(index).copied());
        children.ok_or_else(|| malformed(format!("split {split} is not there")))
    }

    fn leaf(&self, number: i64, outputs: &Outputs) -> Result<Node, ModelError> {
        let leaf = usize::try_from(number).ok().and_then(|index| self.leaves.get(index));
        let (output, amount) = leaf.ok_or_else(|| malformed(format!("leaf {number} is not there")))?;
        Ok(Node::Leaf(Leaf { values: Box::new([(*output, amount * outputs.factor)]) }))
    }
}

/// The place of a split that no tree has had before.
fn take(taken: &mut [bool], split: i64) -> Result<usize, ModelError> {
    let index = usize::try_from(split).unwrap_or(usize::MAX);
    match taken.get_mut(index) {
        Some(taken) if !*taken => {
            *taken = true;
            Ok(index)
        }
        Some(_) => Err(malformed(format!("split {split} is reached more than once"))),
        None => Err(malformed(format!("split {split} is not there"))),
    }
}

fn numbers(operator: &Operator<'_>, name: &str) -> Result<Vec<f64>, ModelError> {
    operator.tensor(name)?.map_or(Ok(Vec::new()), |tensor| tensor.numbers())
}

fn leaves(operator: &Operator<'_>, outputs: &Outputs) -> Result<Vec<(u32, f64)>, ModelError> {
    let (targets, weights) = (operator.ints("leaf_targetids")?, numbers(operator, "leaf_weights")?);
    if targets.len() != weights.len() {
        return Err(operator.malformed("has lists of different lengths as leaf_…"));
    }
    let mut leaves = Vec::with_capacity(weights.len());
    for (target, weight) in targets.into_iter().zip(weights) {
        match u32::try_from(target) {
            Ok(output) if (output as usize) < outputs.count => leaves.push((output, weight)),
            _ => return Err(operator.malformed(&format!("has a leaf for target {target}"))),
        }
    }
    Ok(leaves)
}

/// What the splits ask. The sets stand in one list, in the order of the splits
/// that ask for one, with a NaN between them.
fn tests(operator: &Operator<'_>) -> Result<Vec<Test>, ModelError> {
    let (modes, splits) = (numbers(operator, "nodes_modes")?, numbers(operator, "nodes_splits")?);
    if modes.len() != splits.len() {
        return Err(operator.malformed("has lists of different lengths as nodes_…"));
    }
    let values = numbers(operator, "membership_values")?;
    let mut sets = values.split(|value| value.is_nan());
    let mut tests = Vec::with_capacity(modes.len());
    for (mode, split) in modes.into_iter().zip(splits) {
        #[expect(clippy::cast_possible_truncation, reason = "they are bytes in the file")]
        let test = match mode as i64 {
            0 => Test::AtMost(split),
            1 => Test::Less(split),
            2 => Test::AtLeast(split),
            3 => Test::Greater(split),
            4 => Test::Equal(split),
            5 => Test::NotEqual(split),
            6 => {
                let mut members = sets.next().unwrap_or_default().to_vec();
                members.sort_by(f64::total_cmp);
                if members.is_empty() {
                    return Err(operator.malformed("asks for membership in more sets than it has"));
                }
                Test::OneOf(members.into())
            }
            other => return Err(unsupported(format!("the node mode {other} of TreeEnsemble"), RUNTIME)),
        };
        tests.push(test);
    }
    if sets.all(<[f64]>::is_empty) {
        Ok(tests)
    } else {
        Err(operator.malformed("has sets that no split asks for"))
    }
}
