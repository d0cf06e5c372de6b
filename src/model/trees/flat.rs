//! Trees laid out for prediction.
//!
//! Why: explanations ask a model about thousands of rows per row that they
//! explain. A row's way through a tree is a chain of loads that each wait for the
//! one before; several rows that go through the same tree side by side wait
//! together, and small nodes keep the trees in the cache.
//!
//! Promises: the leaf that [`Split::goes_left`] leads to. Every test of a number
//! becomes `value < threshold` on `f64`: a threshold is moved to where the test
//! turns over, which is between two neighbouring `f64`.
//!
//! Refuses nothing: a split that can't be put so (over categories, or with zero
//! as a missing value) is asked itself.

use super::{Leaf, Node, Precision, Split, Test, Tree};

/// Rows that go through a tree side by side. On trees of depth 6, 16 are not
/// faster and 4 are slower.
pub(super) const LANES: usize = 8;

/// Steps after which it is looked whether every row is at its leaf, so that one
/// long way does not make all ways long. Looking after every step costs a quarter
/// of the speed.
const SETTLED: u32 = 32;

/// In `input`: NaN goes right.
const MISSING_RIGHT: u32 = 1 << 31;
/// In `input`: the rest is the number of a split that is asked itself.
const ASKED: u32 = 1 << 30;

/// A node: the children stand one behind the other.
///
/// A leaf has NaN as its threshold, itself as its left child and its number as
/// its input: whatever the row, it leads to itself.
#[derive(Debug, Clone, Copy)]
struct FlatNode {
    /// Left when the value is below.
    threshold: f64,
    input: u32,
    /// The left child.
    left: u32,
}

/// A tree.
#[derive(Debug, Clone)]
pub(super) struct FlatTree {
    nodes: Box<[FlatNode]>,
    /// Splits on the longest way to a leaf.
    depth: u32,
    asked: Box<[Split]>,
    /// Outputs and amounts of all leaves, and where each leaf's begin.
    values: Box<[(u32, f64)]>,
    starts: Box<[usize]>,
}

impl FlatTree {
    pub(super) fn new(tree: &Tree) -> Self {
        let mut flat = Layout { nodes: vec![LOOSE], asked: Vec::new(), values: Vec::new(), starts: vec![0] };
        let mut depth = 0;
        let mut open = vec![(0_u32, 0_u32, 0_u32)];
        while let Some((number, place, above)) = open.pop() {
            depth = depth.max(above);
            match tree.nodes().get(number as usize) {
                Some(Node::Split(split)) => {
                    let (left, children) = flat.split(split, place);
                    let [first, second] = children;
                    open.extend([(first, left, above + 1), (second, left + 1, above + 1)]);
                }
                Some(Node::Leaf(leaf)) => flat.leaf(leaf, place),
                None => {}
            }
        }
        Self {
            nodes: flat.nodes.into(),
            depth,
            asked: flat.asked.into(),
            values: flat.values.into(),
            starts: flat.starts.into(),
        }
    }

    /// Adds what the tree says of `N` rows to their sums, of as many outputs each.
    #[inline]
    pub(super) fn add<const N: usize>(&self, rows: &[&[f64]; N], sums: &mut [f64], outputs: usize) {
        let mut places = [0_u32; N];
        let mut left = self.depth;
        while left > 0 {
            let before = places;
            for _ in 0..left.min(SETTLED) {
                for (place, row) in places.iter_mut().zip(rows) {
                    *place = self.step(*place, row);
                }
            }
            left = if before == places { 0 } else { left.saturating_sub(SETTLED) };
        }
        for (place, sums) in places.into_iter().zip(sums.chunks_exact_mut(outputs)) {
            for &(output, amount) in self.leaf_values(place) {
                if let Some(sum) = sums.get_mut(output as usize) {
                    *sum += amount;
                }
            }
        }
    }

    #[inline]
    fn step(&self, place: u32, row: &[f64]) -> u32 {
        let Some(node) = self.nodes.get(place as usize) else { return place };
        if node.input & ASKED != 0 {
            return self.ask(node, row);
        }
        let value = row.get((node.input & !MISSING_RIGHT) as usize).copied().unwrap_or(f64::NAN);
        #[expect(clippy::needless_bitwise_bool, reason = "no branch could be foreseen here")]
        let goes_right = (value >= node.threshold) | (value.is_nan() & (node.input >= MISSING_RIGHT));
        node.left + u32::from(goes_right)
    }

    #[inline(never)]
    fn ask(&self, node: &FlatNode, row: &[f64]) -> u32 {
        let split = self.asked.get((node.input & !ASKED) as usize);
        let goes_left = split.is_some_and(|split| {
            let value = row.get(split.input as usize).copied().unwrap_or(f64::NAN);
            split.goes_left(value)
        });
        node.left + u32::from(!goes_left)
    }

    #[inline]
    fn leaf_values(&self, place: u32) -> &[(u32, f64)] {
        let leaf = self.nodes.get(place as usize).map_or(0, |node| node.input as usize);
        let (start, end) = (self.starts.get(leaf), self.starts.get(leaf + 1));
        let range = start.zip(end).and_then(|(&start, &end)| self.values.get(start..end));
        range.unwrap_or_default()
    }
}

/// What stands at a place until its node is laid there.
const LOOSE: FlatNode = FlatNode { threshold: f64::NAN, input: 0, left: 0 };

/// A tree that is being laid out.
struct Layout {
    nodes: Vec<FlatNode>,
    asked: Vec<Split>,
    values: Vec<(u32, f64)>,
    starts: Vec<usize>,
}

impl Layout {
    fn lay(&mut self, place: u32, node: FlatNode) {
        if let Some(laid) = self.nodes.get_mut(place as usize) {
            *laid = node;
        }
    }

    #[expect(clippy::cast_possible_truncation, reason = "a tree has up to MOST_NODES nodes, which is 2^24")]
    fn leaf(&mut self, leaf: &Leaf, place: u32) {
        let number = (self.starts.len() - 1) as u32;
        self.values.extend(&leaf.values);
        self.starts.push(self.values.len());
        self.lay(place, FlatNode { threshold: f64::NAN, input: number, left: place });
    }

    /// Lays a split; gives the first place of its two children, and them in the
    /// order of their places.
    #[expect(clippy::cast_possible_truncation, reason = "a tree has up to MOST_NODES nodes, which is 2^24")]
    fn split(&mut self, split: &Split, place: u32) -> (u32, [u32; 2]) {
        let left = self.nodes.len() as u32;
        self.nodes.extend([LOOSE; 2]);
        let Some((threshold, is_turned)) = below(split).filter(|_| split.input < ASKED) else {
            let number = self.asked.len() as u32;
            self.asked.push(split.clone());
            self.lay(place, FlatNode { threshold: f64::NAN, input: number | ASKED, left });
            return (left, [split.left, split.right]);
        };
        let missing = if split.goes_left(f64::NAN) == is_turned { MISSING_RIGHT } else { 0 };
        self.lay(place, FlatNode { threshold, input: split.input | missing, left });
        let children = if is_turned { [split.right, split.left] } else { [split.left, split.right] };
        (left, children)
    }
}

/// The split as `value < threshold`, and whether that holds of the values that go
/// right; `None` when it can't be put so.
fn below(split: &Split) -> Option<(f64, bool)> {
    if split.zero_is_missing {
        return None;
    }
    let (threshold, is_turned) = match split.test {
        Test::Less(threshold) => (threshold, false),
        Test::AtLeast(threshold) => (threshold, true),
        // The least value above the threshold is the next one.
        Test::AtMost(threshold) => (threshold.next_up(), false),
        Test::Greater(threshold) => (threshold.next_up(), true),
        Test::Equal(_) | Test::NotEqual(_) | Test::In(_) | Test::NotIn(_) | Test::OneOf(_) => return None,
    };
    let threshold = match split.precision {
        Precision::Double => threshold,
        Precision::Single => before_rounding(threshold)?,
    };
    threshold.is_finite().then_some((threshold, is_turned))
}

/// The least `f64` whose rounding to `f32` is not below the threshold. It is half
/// way between two neighbouring `f32`, or next to it where half ways round down.
fn before_rounding(threshold: f64) -> Option<f64> {
    #[expect(clippy::cast_possible_truncation, reason = "rounding is what this is about")]
    let rounded = |value: f64| value as f32;
    let near = rounded(threshold);
    let above = if f64::from(near) < threshold { near.next_up() } else { near };
    let below = above.next_down();
    let half_way = f64::midpoint(below.into(), above.into());
    let is_below = f64::from(rounded(half_way)) < threshold;
    // Infinities have no half way before them.
    (above.is_finite() && below.is_finite()).then_some(if is_below { half_way.next_up() } else { half_way })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Missing;

    const SPECIAL: [f64; 20] = [
        0.0,
        -0.0,
        1e-35,
        -1e-36,
        f64::MIN_POSITIVE,
        5e-324,
        1.401_298_464_324_817e-45,
        -1.401_298_464_324_817e-45,
        1.0,
        1.0 + f64::EPSILON,
        16_777_217.0,
        0.1,
        -0.1,
        3.402_823_466_385_288_6e38,
        3.402_823_6e38,
        -3.402_823_6e38,
        f64::MAX,
        f64::INFINITY,
        f64::NEG_INFINITY,
        f64::NAN,
    ];

    /// The special values, what they are in `f32`, and all their neighbours.
    fn values() -> Vec<f64> {
        let around = |value: f64| [value.next_down(), value, value.next_up()];
        SPECIAL
            .into_iter()
            .flat_map(|value| {
                #[expect(clippy::cast_possible_truncation, reason = "the neighbours in `f32` are wanted")]
                let near = value as f32;
                let singles = [near.next_down(), near, near.next_up()].map(f64::from);
                let halves = [f64::midpoint(singles[0], singles[1]), f64::midpoint(singles[1], singles[2])];
                [value, singles[0], singles[1], singles[2], halves[0], halves[1]].into_iter().flat_map(around)
            })
            .collect()
    }

    fn tests_of(threshold: f64) -> [Test; 6] {
        [
            Test::Less(threshold),
            Test::AtMost(threshold),
            Test::Greater(threshold),
            Test::AtLeast(threshold),
            Test::Equal(threshold),
            Test::NotEqual(threshold),
        ]
    }

    #[test]
    fn every_split_sends_every_value_where_it_says() {
        let leaf = |output| Node::Leaf(Leaf { values: Box::new([(output, 1.0)]) });
        let mut put_below = 0;
        for threshold in values().into_iter().filter(|threshold| !threshold.is_nan()) {
            for (test, precision) in tests_of(threshold).into_iter().flat_map(|test| {
                [Precision::Single, Precision::Double].map(|precision| (test.clone(), precision))
            }) {
                for missing in [Missing::Left, Missing::Right, Missing::As(0.0)] {
                    for zero_is_missing in [false, true] {
                        let test = test.clone();
                        let split =
                            Split { input: 0, test, precision, zero_is_missing, missing, left: 2, right: 1 };
                        put_below += usize::from(below(&split).is_some());
                        let tree =
                            Tree::new(vec![Node::Split(split.clone()), leaf(0), leaf(1)], 1, 2).unwrap();
                        let flat = FlatTree::new(&tree);
                        for value in values() {
                            let mut sums = [0.0; 2];
                            flat.add(&[&[value]], &mut sums, 2);
                            assert_eq!(sums[1] > 0.0, split.goes_left(value), "{split:?} {value:e}");
                        }
                    }
                }
            }
        }
        assert!(put_below > 4_000, "{put_below}");
    }

    /// A chain of `length` splits: a value below `n` leaves at the n-th.
    fn chain(length: u32) -> Tree {
        let split = |number: u32| Split {
            input: 0,
            test: Test::Less(f64::from(number)),
            precision: Precision::Double,
            zero_is_missing: false,
            missing: Missing::Right,
            left: 2 * number + 1,
            right: 2 * number + 2,
        };
        let leaf = |amount: u32| Node::Leaf(Leaf { values: Box::new([(0, f64::from(amount))]) });
        let nodes = (0..length).flat_map(|number| [Node::Split(split(number)), leaf(number)]);
        Tree::new(nodes.chain([leaf(length)]).collect(), 1, 1).unwrap()
    }

    #[test]
    fn rows_reach_leaves_at_any_depth() {
        for length in [0, 1, 31, 32, 33, 64, 200] {
            let flat = FlatTree::new(&chain(length));
            let rows: Vec<[f64; 1]> = (0..8).map(|lane| [f64::from(lane * length / 7) - 0.5]).collect();
            let lanes: [&[f64]; LANES] = std::array::from_fn(|lane| &rows[lane][..]);
            let mut sums = [0.0; LANES];
            flat.add(&lanes, &mut sums, 1);
            for (sum, row) in sums.iter().zip(&rows) {
                assert!(
                    (sum - (row[0] + 0.5).min(f64::from(length))).abs() < 1e-9,
                    "{length}: {sum} {row:?}"
                );
            }
        }
    }
}
