//! What every version of the tree operators shares.

use super::{
    FORMAT, RUNTIME,
    graph::{Inputs, Scores},
    malformed,
    proto::{Graph, Node as Operator},
    unsupported,
};
use crate::model::{Link, Missing, ModelError, ModelInfo, Node, Split, Test, Tree, TreeEnsemble, TreeError};

/// Outputs of a model at most. Thousands of rows are predicted at a time, and a
/// file of a few bytes can ask for any number.
const MOST_OUTPUTS: usize = 4096;

/// Refuses more outputs than a model can have here.
pub(super) fn check_count(operator: &Operator<'_>, outputs: usize) -> Result<(), ModelError> {
    if outputs <= MOST_OUTPUTS {
        return Ok(());
    }
    let feature = format!("{} with {outputs} outputs, more than {MOST_OUTPUTS},", operator.operator);
    Err(unsupported(feature, RUNTIME))
}

/// How many targets a regressor has.
pub(super) fn targets(operator: &Operator<'_>) -> Result<usize, ModelError> {
    let count = operator.int("n_targets")?.and_then(|targets| usize::try_from(targets).ok());
    let count = count.filter(|count| *count > 0);
    let count = count.ok_or_else(|| operator.malformed("does not say how many targets it has"))?;
    check_count(operator, count)?;
    Ok(count)
}

/// A transformation of sums that models can have.
pub(super) fn link(operator: &Operator<'_>, name: &str, outputs: usize) -> Result<Link, ModelError> {
    match (name, outputs) {
        ("NONE", _) => Ok(Link::Identity),
        // ONNX Runtime leaves these out where there is one target.
        ("LOGISTIC", 2..) => Ok(Link::Logistic),
        ("SOFTMAX", 2..) => Ok(Link::Softmax),
        _ => {
            let name: String = name.chars().take(64).collect();
            let feature = format!("post_transform {name} of {} with {outputs} outputs", operator.operator);
            Err(unsupported(feature, RUNTIME))
        }
    }
}

/// What trees add up to.
#[derive(Debug)]
pub(super) struct Outputs {
    pub(super) count: usize,
    pub(super) names: Vec<String>,
    pub(super) link: Link,
    /// Whether a row's predictions add up to one, those included that are left
    /// out as the complement of others.
    pub(super) are_shares: bool,
    /// What is there before any tree.
    pub(super) base: Vec<f64>,
    /// What leaves are multiplied by.
    pub(super) factor: f64,
}

/// A node that sends rows on by `test`; its children are numbers in the tree.
pub(super) fn split(
    inputs: &Inputs,
    column: i64,
    test: Test,
    tracks_true: bool,
    (left, right): (u32, u32),
) -> Result<Node, ModelError> {
    let index = usize::try_from(column).ok().filter(|column| *column < inputs.width);
    let (Some(index), Ok(input)) = (index, u32::try_from(column)) else {
        return Err(malformed(format!("a split looks at column {column}, and there are {}", inputs.width)));
    };
    let missing = match inputs.fill.as_ref().and_then(|fill| fill.get(index)) {
        Some(value) => Missing::As(*value),
        // A missing value is not equal to anything.
        None if tracks_true || matches!(test, Test::NotEqual(_)) => Missing::Left,
        None => Missing::Right,
    };
    let test = match inputs.scaling.as_ref().and_then(|scaling| scaling.get(index)) {
        Some(scaling) => before_scaling(&test, *scaling)?,
        None => test,
    };
    let precision = inputs.precision;
    Ok(Node::Split(Split { input, test, precision, zero_is_missing: false, missing, left, right }))
}

/// The test of values before they are scaled that holds where `test` holds of
/// them afterwards.
///
/// Both steps of the scaling round, but neither ever turns the order of two
/// values around. So the test holds from some `f32` on, or up to one, and that
/// one is found by bisection over all of them.
fn before_scaling(test: &Test, (offset, scale): (f32, f32)) -> Result<Test, ModelError> {
    let holds = |value: f32| {
        let scaled = f64::from((value - offset) * scale);
        match test {
            Test::Less(threshold) => Some(scaled < *threshold),
            Test::AtMost(threshold) => Some(scaled <= *threshold),
            Test::Greater(threshold) => Some(scaled > *threshold),
            Test::AtLeast(threshold) => Some(scaled >= *threshold),
            _ => None,
        }
    };
    let (Some(lowest), Some(highest)) = (holds(f32::NEG_INFINITY), holds(f32::INFINITY)) else {
        return Err(unsupported("a Scaler before a test of equality", RUNTIME));
    };
    if lowest == highest {
        let everything = f64::NEG_INFINITY;
        return Ok(if lowest { Test::AtLeast(everything) } else { Test::Less(everything) });
    }
    let (mut low, mut high) = (place(f32::NEG_INFINITY), place(f32::INFINITY));
    while high - low > 1 {
        let middle = low + (high - low) / 2;
        if holds(at_place(middle)) == Some(lowest) { low = middle } else { high = middle }
    }
    Ok(if lowest { Test::AtMost(at_place(low).into()) } else { Test::AtLeast(at_place(high).into()) })
}

/// The place of a number in the order of all `f32`.
fn place(value: f32) -> i64 {
    let bits = value.to_bits().cast_signed();
    i64::from(if bits < 0 { i32::MIN - bits } else { bits })
}

/// The number at a place.
fn at_place(place: i64) -> f32 {
    let place = i32::try_from(place).unwrap_or_default();
    f32::from_bits((if place < 0 { i32::MIN - place } else { place }).cast_unsigned())
}

/// A tree all of whose nodes are reached.
pub(super) fn tree(
    nodes: Vec<Node>,
    name: impl std::fmt::Display,
    inputs: &Inputs,
    outputs: usize,
) -> Result<Tree, ModelError> {
    let nodes = joined(nodes).map_err(|problem| malformed(format!("tree {name}: {problem}")))?;
    Tree::new(nodes, inputs.width, outputs).map_err(|error| broken(&name, &error))
}

/// The nodes from the root on, level by level, with runs of splits that ask for
/// one value after the other, and share where equal values go, as one split.
///
/// Converters unfold a set of categories so. No other node has two ways to it:
/// copying what is below it could make a file of nothing but such nodes endless.
fn joined(nodes: Vec<Node>) -> Result<Vec<Node>, String> {
    let mut nodes: Vec<Option<Node>> = nodes.into_iter().map(Some).collect();
    let mut open = vec![0_u32];
    let mut joined = Vec::with_capacity(nodes.len());
    let mut next = 0;
    while let Some(&number) = open.get(next) {
        next += 1;
        let node = nodes.get_mut(number as usize).and_then(Option::take);
        match node.ok_or_else(|| format!("the node at place {number} is reached more than once"))? {
            Node::Leaf(leaf) => joined.push(Node::Leaf(leaf)),
            Node::Split(split) => {
                let mut split = with_followers(split, &mut nodes);
                let place = u32::try_from(open.len()).map_err(|_| "there are too many nodes")?;
                open.extend([split.left, split.right]);
                (split.left, split.right) = (place, place + 1);
                joined.push(Node::Split(split));
            }
        }
    }
    match nodes.iter().position(Option::is_some) {
        None => Ok(joined),
        Some(place) => Err(format!("the node at place {place} is not reached from the first one")),
    }
}

fn with_followers(mut split: Split, nodes: &mut [Option<Node>]) -> Split {
    let Test::Equal(value) = split.test else { return split };
    let mut members = vec![value];
    while let Some(place) = nodes.get_mut(split.right as usize) {
        let Some(Node::Split(next)) = place else { break };
        let is_follower = (next.input, next.left, next.missing) == (split.input, split.left, split.missing);
        let Test::Equal(value) = next.test else { break };
        if !is_follower {
            break;
        }
        members.push(value);
        split.right = next.right;
        *place = None;
    }
    if members.len() > 1 {
        members.sort_by(f64::total_cmp);
        split.test = Test::OneOf(members.into());
    }
    split
}

fn broken(tree: impl std::fmt::Display, error: &TreeError) -> ModelError {
    malformed(format!("tree {tree}: {error}"))
}

/// The sum of the trees, and what the graph makes of it.
pub(super) fn ensemble(
    (graph, operator): (&Graph<'_>, &Operator<'_>),
    scores: usize,
    inputs: &Inputs,
    (outputs, trees): (Outputs, Vec<Tree>),
    fingerprint: u64,
) -> Result<TreeEnsemble, ModelError> {
    let scores =
        operator.outputs.get(scores).ok_or_else(|| operator.malformed("has no output of numbers"))?;
    let behind = Scores::of(graph, scores, outputs.link, outputs.are_shares)?;
    let mut base = outputs.base;
    for base in &mut base {
        *base += behind.shift;
    }
    if !base.iter().all(|base| base.is_finite()) {
        return Err(operator.malformed("has base values that are not finite"));
    }
    let info = ModelInfo {
        kind: format!("{FORMAT} {}", operator.operator),
        inputs: inputs.width,
        input_names: inputs.names.clone(),
        outputs: outputs.count,
        output_names: outputs.names,
        link: behind.link,
        fingerprint,
    };
    TreeEnsemble::new(info, base, trees).map_err(|error| malformed(error.to_string()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn goes_left(test: Test, value: f32) -> bool {
        let precision = crate::model::Precision::Single;
        let missing = Missing::Right;
        let split = Split { input: 0, test, precision, zero_is_missing: false, missing, left: 1, right: 2 };
        split.goes_left(value.into())
    }

    fn any_number() -> impl Strategy<Value = f32> {
        prop_oneof![-4_f32..4.0, prop::num::f32::NORMAL | prop::num::f32::ZERO | prop::num::f32::SUBNORMAL]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4000))]

        #[test]
        fn a_test_before_scaling_holds_where_it_holds_afterwards(
            value in any_number(),
            offset in any_number(),
            scale in any_number().prop_filter("a scale", |scale| *scale != 0.0),
            shift in -2_i64..=2,
            kind in 0..4,
        ) {
            // A threshold at, or next to, where the value comes to lie.
            let threshold = at_place(place((value - offset) * scale) + shift);
            prop_assume!(!threshold.is_nan());
            let threshold = f64::from(threshold);
            let test = match kind {
                0 => Test::Less(threshold),
                1 => Test::AtMost(threshold),
                2 => Test::Greater(threshold),
                _ => Test::AtLeast(threshold),
            };
            let before = before_scaling(&test, (offset, scale)).unwrap();
            prop_assert_eq!(goes_left(before, value), goes_left(test, (value - offset) * scale));
        }
    }

    #[test]
    fn places_are_in_the_order_of_the_numbers() {
        let numbers = [f32::NEG_INFINITY, -1.5, -f32::MIN_POSITIVE, 0.0, 1e-40, 3.0, f32::MAX, f32::INFINITY];
        assert!(numbers.is_sorted_by_key(|number| place(*number)));
        assert!(numbers.iter().all(|number| at_place(place(*number)).to_bits() == number.to_bits()));
    }
}
