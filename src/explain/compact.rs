//! Trees in the form in which exact explanations walk them.
//!
//! Why: explaining asks every split of an ensemble about a row, thousands of
//! times, where predicting asks a path of each tree. [`Split::goes_left`] decides
//! by kind, precision and missing value; here all of that is done once per input
//! of a row ([`CompactTrees::expand`]), and a split is one comparison.
//!
//! Promises: a row ends in the leaves in which [`TreeEnsemble`] has it, and the
//! outputs are its outputs, bit by bit.
//!
//! How: with the negated value at hand, "at most" is "less" of the next number,
//! "greater" is "less" of the negation, and NaN, for which no comparison holds,
//! goes to the side that is asked for when the comparison is turned the right way
//! round. Whatever does not fit (categories, zeros that are missing) is asked of
//! the split itself and put beside the values as 0 for left and 1 for right.

use crate::model::{Leaf, Node, Precision, Split, Test, TreeEnsemble};

/// Ways in which the value of an input stands in an expanded row.
const WAYS: usize = 4;
/// Marks a child that is a leaf.
const LEAF: u32 = 1 << 31;

/// A place in a tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// A split by its number.
    Split(u32),
    /// A leaf by its number.
    Leaf(u32),
}

impl Place {
    fn packed(self) -> u32 {
        match self {
            Self::Split(number) => number,
            Self::Leaf(number) => number | LEAF,
        }
    }

    fn unpacked(packed: u32) -> Self {
        if packed & LEAF == 0 { Self::Split(packed) } else { Self::Leaf(packed & !LEAF) }
    }
}

/// A question to an expanded row: whether what is in `slot` is less.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Question {
    pub(super) threshold: f64,
    pub(super) slot: u32,
}

impl Question {
    /// What no row says yes to.
    pub(super) const NEVER: Self = Self { threshold: f64::NEG_INFINITY, slot: 0 };

    #[inline]
    pub(super) fn holds(self, expanded: &[f64]) -> bool {
        expanded.get(self.slot as usize).is_some_and(|value| *value < self.threshold)
    }
}

/// A split: rows that say yes go one way, the others the other.
#[derive(Debug, Clone, Copy)]
pub(super) struct CompactSplit {
    pub(super) question: Question,
    yes: u32,
    no: u32,
}

impl CompactSplit {
    #[inline]
    pub(super) fn child(&self, is_yes: bool) -> Place {
        Place::unpacked(if is_yes { self.yes } else { self.no })
    }
}

/// All trees of an ensemble.
#[derive(Debug, Clone)]
pub(super) struct CompactTrees {
    inputs: usize,
    base: Box<[f64]>,
    splits: Vec<CompactSplit>,
    /// `(output, amount)` of the leaves, one leaf after the other.
    amounts: Vec<(u32, f64)>,
    /// Where the amounts of each leaf end.
    leaf_ends: Vec<usize>,
    roots: Vec<Place>,
    /// Where the splits of each tree end.
    tree_ends: Vec<usize>,
    /// Splits that are more than a comparison.
    others: Vec<Split>,
}

impl CompactTrees {
    /// The trees of `ensemble`; `None` when there are more splits than numbers
    /// for them.
    pub(super) fn new(ensemble: &TreeEnsemble) -> Option<Self> {
        use crate::model::Model;
        let mut compact = Self {
            inputs: ensemble.info().inputs,
            base: ensemble.base().into(),
            splits: Vec::new(),
            amounts: Vec::new(),
            leaf_ends: Vec::new(),
            roots: Vec::new(),
            tree_ends: Vec::new(),
            others: Vec::new(),
        };
        for tree in ensemble.trees() {
            let root = compact.add(tree.nodes())?;
            compact.roots.push(root);
            compact.tree_ends.push(compact.splits.len());
        }
        Some(compact)
    }

    /// Adds the nodes of one tree, parents before children.
    fn add(&mut self, nodes: &[Node]) -> Option<Place> {
        let mut root = None;
        // A node, and the split and side that lead to it.
        let mut open: Vec<(u32, Option<(u32, bool)>)> = vec![(0, None)];
        while let Some((number, from)) = open.pop() {
            let place = match nodes.get(number as usize)? {
                Node::Leaf(leaf) => self.add_leaf(leaf)?,
                Node::Split(split) => {
                    let place = u32::try_from(self.splits.len()).ok().filter(|place| place & LEAF == 0)?;
                    let (question, yes_is_left) = self.question(split)?;
                    self.splits.push(CompactSplit { question, yes: 0, no: 0 });
                    open.push((split.right, Some((place, !yes_is_left))));
                    open.push((split.left, Some((place, yes_is_left))));
                    Place::Split(place)
                }
            };
            match from {
                None => root = Some(place),
                Some((parent, is_yes)) => {
                    let parent = self.splits.get_mut(parent as usize)?;
                    *(if is_yes { &mut parent.yes } else { &mut parent.no }) = place.packed();
                }
            }
        }
        root
    }

    fn add_leaf(&mut self, leaf: &Leaf) -> Option<Place> {
        let place = u32::try_from(self.leaf_ends.len()).ok().filter(|place| place & LEAF == 0)?;
        self.amounts.extend(&leaf.values);
        self.leaf_ends.push(self.amounts.len());
        Some(Place::Leaf(place))
    }

    /// The question of a split, and whether those who say yes go left.
    fn question(&mut self, split: &Split) -> Option<(Question, bool)> {
        let missing_left = split.goes_left(f64::NAN);
        // Left below (or up to) a bound, or left above it.
        let (threshold, left_below, takes_equal) = match split.test {
            Test::Less(threshold) => (threshold, true, false),
            Test::AtMost(threshold) => (threshold, true, true),
            Test::AtLeast(threshold) => (threshold, false, false),
            Test::Greater(threshold) => (threshold, false, true),
            Test::Equal(_) | Test::NotEqual(_) | Test::In(_) | Test::NotIn(_) | Test::OneOf(_) => {
                (f64::NAN, true, false)
            }
        };
        if split.zero_is_missing || !threshold.is_finite() {
            let slot = u32::try_from(WAYS * self.inputs + self.others.len()).ok()?;
            self.others.push(split.clone());
            return Some((Question { threshold: 0.5, slot }, true));
        }
        // No comparison holds for NaN, so the side on which NaN is must be "no".
        let asks_below = missing_left != left_below;
        let way = match (split.precision, asks_below) {
            (Precision::Double, true) => 0,
            (Precision::Double, false) => 1,
            (Precision::Single, true) => 2,
            (Precision::Single, false) => 3,
        };
        // Below: v ≤ t is v < next(t). Above: v ≥ t is −v ≤ −t, v > t is −v < −t.
        let threshold = match (asks_below, takes_equal) {
            (true, false) => threshold,
            (true, true) => threshold.next_up(),
            (false, false) => (-threshold).next_up(),
            (false, true) => -threshold,
        };
        let slot = u32::try_from(way * self.inputs + split.input as usize).ok()?;
        Some((Question { threshold, slot }, asks_below == left_below))
    }

    /// Lays out a row so that questions can be asked of it.
    pub(super) fn expand(&self, row: &[f64], expanded: &mut Vec<f64>) {
        #[expect(clippy::cast_possible_truncation, reason = "splits of single precision see no more")]
        let single = |value: &f64| f64::from(*value as f32);
        expanded.clear();
        expanded.extend(row);
        expanded.extend(row.iter().map(|value| -value));
        expanded.extend(row.iter().map(single));
        expanded.extend(row.iter().map(|value| -single(value)));
        expanded.extend(self.others.iter().map(|split| {
            let value = row.get(split.input as usize).copied().unwrap_or(f64::NAN);
            if split.goes_left(value) { 0.0 } else { 1.0 }
        }));
    }

    /// The input that a question is about.
    pub(super) fn input(&self, question: Question) -> usize {
        let slot = question.slot as usize;
        let asked = slot.checked_sub(WAYS * self.inputs).and_then(|other| self.others.get(other));
        asked.map_or(slot % self.inputs.max(1), |split| split.input as usize)
    }

    /// Inputs of the model.
    pub(super) fn inputs(&self) -> usize {
        self.inputs
    }

    /// Outputs of the model.
    pub(super) fn outputs(&self) -> usize {
        self.base.len()
    }

    /// Where the trees begin.
    pub(super) fn roots(&self) -> &[Place] {
        &self.roots
    }

    /// A split by its number; children have greater numbers than their parents.
    #[inline]
    pub(super) fn split(&self, number: u32) -> Option<&CompactSplit> {
        self.splits.get(number as usize)
    }

    /// The splits of a tree, and the number of the first.
    pub(super) fn tree(&self, tree: usize) -> (usize, &[CompactSplit]) {
        let first = tree.checked_sub(1).and_then(|before| self.tree_ends.get(before)).copied().unwrap_or(0);
        let end = self.tree_ends.get(tree).copied().unwrap_or(first);
        (first, self.splits.get(first..end).unwrap_or_default())
    }

    /// What a leaf adds.
    #[inline]
    pub(super) fn amounts(&self, leaf: u32) -> &[(u32, f64)] {
        let leaf = leaf as usize;
        let start = leaf.checked_sub(1).and_then(|before| self.leaf_ends.get(before)).copied().unwrap_or(0);
        let end = self.leaf_ends.get(leaf).copied().unwrap_or(start);
        self.amounts.get(start..end).unwrap_or_default()
    }

    /// The outputs of an expanded row.
    pub(super) fn predict(&self, expanded: &[f64], outputs: &mut Vec<f64>) {
        outputs.clear();
        outputs.extend(&self.base);
        for root in &self.roots {
            let mut place = *root;
            while let Place::Split(number) = place {
                let Some(split) = self.split(number) else { return };
                place = split.child(split.question.holds(expanded));
            }
            let Place::Leaf(leaf) = place else { return };
            for &(output, amount) in self.amounts(leaf) {
                if let Some(sum) = outputs.get_mut(output as usize) {
                    *sum += amount;
                }
            }
        }
    }
}
