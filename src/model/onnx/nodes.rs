//! `TreeEnsembleRegressor` and `TreeEnsembleClassifier`: trees as lists of nodes
//! that name their tree, their number in it and those of their children.
//!
//! Behaviour that the specification leaves open, as ONNX Runtime 1.32 has it:
//! the first node of a tree in the list is its root; leaves without a vote add
//! nothing; votes of nodes that are no leaves count for nothing.

use std::collections::BTreeSet;

use super::{
    RUNTIME,
    branch::{self, Outputs},
    graph::Inputs,
    malformed,
    proto::{Graph, Node as Operator},
    unsupported,
};
use crate::model::{Leaf, Link, ModelError, Node, Test, Tree, TreeEnsemble};

/// Attributes that both operators have.
const SHARED: [&str; 14] = [
    "base_values",
    "base_values_as_tensor",
    "nodes_falsenodeids",
    "nodes_featureids",
    "nodes_hitrates",
    "nodes_hitrates_as_tensor",
    "nodes_missing_value_tracks_true",
    "nodes_modes",
    "nodes_nodeids",
    "nodes_treeids",
    "nodes_truenodeids",
    "nodes_values",
    "nodes_values_as_tensor",
    "post_transform",
];

/// What one leaf adds to one output, where the file says it.
#[derive(Debug, Clone, Copy)]
struct Vote {
    tree: i64,
    node: i64,
    output: u32,
    amount: f64,
}

/// The nodes of all trees, attribute by attribute.
struct Table<'a> {
    trees: Vec<i64>,
    numbers: Vec<i64>,
    columns: Vec<i64>,
    modes: Vec<&'a str>,
    values: Vec<f64>,
    tracks: Vec<i64>,
    lefts: Vec<i64>,
    rights: Vec<i64>,
}

/// Reads the trees of `operator`.
pub(super) fn read(
    graph: &Graph<'_>,
    operator: &Operator<'_>,
    inputs: &Inputs,
    fingerprint: u64,
) -> Result<TreeEnsemble, ModelError> {
    let is_classifier = operator.operator == "TreeEnsembleClassifier";
    let (prefix, own): (&str, &[&str]) = if is_classifier {
        let own = ["class_ids", "class_nodeids", "class_treeids", "class_weights", "class_weights_as_tensor"];
        ("class", &[&own[..], &["classlabels_strings", "classlabels_int64s"]].concat())
    } else {
        let own = [
            "aggregate_function",
            "n_targets",
            "target_ids",
            "target_nodeids",
            "target_treeids",
            "target_weights",
        ];
        ("target", &[&own[..], &["target_weights_as_tensor"]].concat())
    };
    operator.only(&[&SHARED[..], own].concat())?;
    let table = Table::read(operator)?;
    let mut votes = votes(operator, prefix)?;
    let outputs = if is_classifier {
        classes(operator, &table, &mut votes)?
    } else {
        targets(operator, &table, &votes)?
    };
    let trees = table.trees(inputs, &votes, &outputs)?;
    branch::ensemble((graph, operator), usize::from(is_classifier), inputs, (outputs, trees), fingerprint)
}

/// The votes by tree and node.
fn votes(operator: &Operator<'_>, prefix: &str) -> Result<Vec<Vote>, ModelError> {
    let amounts = operator.numbers(&format!("{prefix}_weights"))?;
    let trees = operator.ints(&format!("{prefix}_treeids"))?;
    let nodes = operator.ints(&format!("{prefix}_nodeids"))?;
    let outputs = operator.ints(&format!("{prefix}_ids"))?;
    let count = amounts.len();
    if trees.len() != count || nodes.len() != count || outputs.len() != count {
        return Err(operator.malformed(&format!("has lists of different lengths as {prefix}_…")));
    }
    let mut votes = Vec::with_capacity(count);
    for ((&tree, &node), (&output, &amount)) in trees.iter().zip(&nodes).zip(outputs.iter().zip(&amounts)) {
        let output =
            u32::try_from(output).map_err(|_| operator.malformed(&format!("votes for {prefix} {output}")))?;
        votes.push(Vote { tree, node, output, amount });
    }
    // Stable: a leaf's votes stay in the order of the file.
    votes.sort_by_key(|vote| (vote.tree, vote.node));
    Ok(votes)
}

fn targets(operator: &Operator<'_>, table: &Table<'_>, votes: &[Vote]) -> Result<Outputs, ModelError> {
    let count = branch::targets(operator)?;
    let factor = match operator.text("aggregate_function")?.unwrap_or("SUM") {
        "SUM" => 1.0,
        #[expect(clippy::cast_precision_loss, reason = "fewer trees than a file has bytes")]
        "AVERAGE" => 1.0 / table.roots() as f64,
        other => {
            let other: String = other.chars().take(64).collect();
            let feature = format!("aggregate_function {other} of {}", operator.operator);
            return Err(unsupported(feature, RUNTIME));
        }
    };
    // ONNX Runtime takes the first of them and lets the others be.
    let is_same =
        |pair: &[Vote]| matches!(pair, [one, other] if (one.tree, one.node) == (other.tree, other.node));
    if count == 1 && votes.windows(2).any(is_same) {
        return Err(unsupported("a leaf with two weights for one target", RUNTIME));
    }
    let base = operator.numbers("base_values")?;
    if !base.is_empty() && base.len() != count {
        return Err(operator.malformed(&format!("has {} base values for {count} targets", base.len())));
    }
    let base = if base.is_empty() { vec![0.0; count] } else { base };
    let link = branch::link(operator, operator.text("post_transform")?.unwrap_or("NONE"), count)?;
    let are_shares = link == Link::Softmax;
    Ok(Outputs { count, names: Vec::new(), link, are_shares, base, factor })
}

/// The labels of the classes, as texts.
pub(super) fn labels(operator: &Operator<'_>, integers: &str) -> Result<Vec<String>, ModelError> {
    let texts = operator.texts("classlabels_strings")?;
    if !texts.is_empty() {
        return Ok(texts.into_iter().map(str::to_owned).collect());
    }
    Ok(operator.ints(integers)?.iter().map(i64::to_string).collect())
}

fn classes(operator: &Operator<'_>, table: &Table<'_>, votes: &mut [Vote]) -> Result<Outputs, ModelError> {
    let names = labels(operator, "classlabels_int64s")?;
    let base = operator.numbers("base_values")?;
    let transform = operator.text("post_transform")?.unwrap_or("NONE");
    branch::check_count(operator, names.len())?;
    if names.len() < 2 {
        return Err(unsupported("a classifier of fewer than two classes", RUNTIME));
    }
    if votes.iter().any(|vote| vote.output as usize >= names.len()) {
        return Err(operator.malformed(&format!("votes for a class beyond its {}", names.len())));
    }
    if names.len() == 2 && votes.iter().all(|vote| vote.output == 0) {
        return one_of_two(operator, names, base, votes);
    }
    // What ONNX Runtime does with the base values of two classes with votes for
    // both is not what the specification says, nor with leaves that only some
    // rows reach.
    if names.len() == 2 && !(base.is_empty() && table.one_tree_always_votes(votes, 1)) {
        return Err(unsupported("two classes with base values, or with leaves without a vote", RUNTIME));
    }
    if !base.is_empty() && base.len() != names.len() {
        return Err(operator.malformed(&format!(
            "has {} base values for {} classes",
            base.len(),
            names.len()
        )));
    }
    let base = if base.is_empty() { vec![0.0; names.len()] } else { base };
    let link = branch::link(operator, transform, names.len())?;
    let are_shares = link == Link::Softmax;
    Ok(Outputs { count: names.len(), names, link, are_shares, base, factor: 1.0 })
}

/// Two classes with votes under the first number: they are for the second label.
///
/// ONNX Runtime gives `[1 - s, s]` where no vote is negative and `[-s, s]` where
/// one is, and of a logistic `[1 - p, p]`: the second says everything.
fn one_of_two(
    operator: &Operator<'_>,
    names: Vec<String>,
    base: Vec<f64>,
    votes: &[Vote],
) -> Result<Outputs, ModelError> {
    if base.len() > 1 {
        return Err(unsupported("two base values of a class that is the complement of the other", RUNTIME));
    }
    let (link, are_shares) = match operator.text("post_transform")?.unwrap_or("NONE") {
        "NONE" => (Link::Identity, votes.iter().all(|vote| vote.amount >= 0.0)),
        "LOGISTIC" => (Link::Logistic, true),
        other => {
            let other: String = other.chars().take(64).collect();
            return Err(unsupported(format!("post_transform {other} of one class of two"), RUNTIME));
        }
    };
    let base = if base.is_empty() { vec![0.0] } else { base };
    let names = names.into_iter().skip(1).collect();
    Ok(Outputs { count: 1, names, link, are_shares, base, factor: 1.0 })
}

impl<'a> Table<'a> {
    fn read(operator: &Operator<'a>) -> Result<Self, ModelError> {
        let table = Self {
            trees: operator.ints("nodes_treeids")?,
            numbers: operator.ints("nodes_nodeids")?,
            columns: operator.ints("nodes_featureids")?,
            modes: operator.texts("nodes_modes")?,
            values: operator.numbers("nodes_values")?,
            tracks: operator.ints("nodes_missing_value_tracks_true")?,
            lefts: operator.ints("nodes_truenodeids")?,
            rights: operator.ints("nodes_falsenodeids")?,
        };
        let count = table.trees.len();
        let lengths = [
            table.numbers.len(),
            table.columns.len(),
            table.modes.len(),
            table.values.len(),
            table.lefts.len(),
            table.rights.len(),
        ];
        let is_whole = lengths.iter().all(|length| *length == count)
            && (table.tracks.is_empty() || table.tracks.len() == count);
        if count > 0 && is_whole {
            Ok(table)
        } else {
            Err(operator.malformed("has no nodes, or lists of different lengths as nodes_…"))
        }
    }

    /// Where the nodes of one tree stand, tree by tree.
    fn runs(&self) -> impl Iterator<Item = std::ops::Range<usize>> {
        let mut start = 0;
        self.trees.chunk_by(|one, next| one == next).map(move |run| {
            let range = start..start + run.len();
            start = range.end;
            range
        })
    }

    fn roots(&self) -> usize {
        self.runs().count()
    }

    fn is_leaf(&self, row: usize) -> bool {
        self.modes.get(row) == Some(&"LEAF")
    }

    /// Whether there is a tree all of whose leaves vote for a class.
    fn one_tree_always_votes(&self, votes: &[Vote], class: u32) -> bool {
        // Sorted, as the votes are.
        let for_it = votes.iter().filter(|vote| vote.output == class);
        let voters: Vec<(i64, i64)> = for_it.map(|vote| (vote.tree, vote.node)).collect();
        let votes_for_it = |row: usize| {
            let place = self.trees.get(row).copied().zip(self.numbers.get(row).copied());
            place.is_some_and(|place| voters.binary_search(&place).is_ok())
        };
        self.runs().any(|mut run| run.all(|row| !self.is_leaf(row) || votes_for_it(row)))
    }

    fn trees(&self, inputs: &Inputs, votes: &[Vote], outputs: &Outputs) -> Result<Vec<Tree>, ModelError> {
        let mut seen = BTreeSet::new();
        let mut trees = Vec::new();
        let mut heard = 0;
        for run in self.runs() {
            let name = self.trees.get(run.start).copied().unwrap_or_default();
            if !seen.insert(name) {
                return Err(malformed(format!("the nodes of tree {name} do not stand together")));
            }
            let places = self.places(&run, name)?;
            let mut nodes = Vec::with_capacity(run.len());
            for row in run {
                let number = self.numbers.get(row).copied().unwrap_or_default();
                let votes = of_leaf(votes, name, number);
                heard += votes.len();
                nodes.push(if self.is_leaf(row) {
                    let values = votes.iter().map(|vote| (vote.output, vote.amount * outputs.factor));
                    Node::Leaf(Leaf { values: values.collect() })
                } else {
                    self.split(row, inputs, &places)?
                });
            }
            trees.push(branch::tree(nodes, name, inputs, outputs.count)?);
        }
        if heard == votes.len() {
            Ok(trees)
        } else {
            Err(malformed("there are weights of nodes that are not there"))
        }
    }

    /// The numbers of a tree's nodes, in ascending order, with their places in it.
    fn places(&self, run: &std::ops::Range<usize>, name: i64) -> Result<Vec<(i64, u32)>, ModelError> {
        let numbers = self.numbers.get(run.clone()).unwrap_or_default();
        let mut places: Vec<(i64, u32)> = numbers.iter().copied().zip(0..).collect();
        places.sort_unstable();
        let is_twice = |pair: &[(i64, u32)]| matches!(pair, [one, next] if one.0 == next.0);
        if places.windows(2).any(is_twice) {
            return Err(malformed(format!("tree {name} has two nodes of one number")));
        }
        Ok(places)
    }

    fn split(&self, row: usize, inputs: &Inputs, places: &[(i64, u32)]) -> Result<Node, ModelError> {
        let child = |children: &[i64]| {
            let number = children.get(row).copied().unwrap_or_default();
            let place = places.binary_search_by_key(&number, |(number, _)| *number);
            place.ok().and_then(|at| places.get(at)).map(|(_, place)| *place).ok_or_else(|| {
                let tree = self.trees.get(row).copied().unwrap_or_default();
                malformed(format!("tree {tree}: a split leads to node {number}, which is not there"))
            })
        };
        let threshold = self.values.get(row).copied().unwrap_or_default();
        let test = match self.modes.get(row).copied().unwrap_or_default() {
            "BRANCH_LEQ" => Test::AtMost(threshold),
            "BRANCH_LT" => Test::Less(threshold),
            "BRANCH_GTE" => Test::AtLeast(threshold),
            "BRANCH_GT" => Test::Greater(threshold),
            "BRANCH_EQ" => Test::Equal(threshold),
            "BRANCH_NEQ" => Test::NotEqual(threshold),
            other => {
                let other: String = other.chars().take(64).collect();
                return Err(unsupported(format!("the node mode '{other}'"), RUNTIME));
            }
        };
        let tracks_true = self.tracks.get(row) == Some(&1);
        let column = self.columns.get(row).copied().unwrap_or_default();
        branch::split(inputs, column, test, tracks_true, (child(&self.lefts)?, child(&self.rights)?))
    }
}

/// The votes of one node among all, which are sorted.
fn of_leaf(votes: &[Vote], tree: i64, node: i64) -> &[Vote] {
    let start = votes.partition_point(|vote| (vote.tree, vote.node) < (tree, node));
    let rest = votes.get(start..).unwrap_or_default();
    let count = rest.partition_point(|vote| (vote.tree, vote.node) == (tree, node));
    rest.get(..count).unwrap_or_default()
}
