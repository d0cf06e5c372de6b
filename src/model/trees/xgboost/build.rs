//! One tree of XGBoost.

use std::collections::HashMap;

use super::file::{Number, TreeFile};
use crate::model::{Leaf, Missing, Node, Precision, Split, Test, Tree};

/// Words of category sets in a model at most, so that a short file can't claim
/// gigabytes by naming large categories: 64 MiB.
pub(super) const MOST_WORDS: usize = 1 << 23;

/// Categories are below this in the library, too.
const MOST_CATEGORIES: u32 = 1 << 24;

/// The left child of a leaf.
const LEAF: f64 = -1.0;

/// What all trees of a model have in common.
#[derive(Debug, Clone, Copy)]
pub(super) struct Shape {
    pub(super) inputs: usize,
    pub(super) outputs: usize,
    /// Values in a leaf.
    pub(super) vector: usize,
}

/// The tree that adds to the output `group`, or to all of them when its leaves
/// have several values, `weight` times what its leaves say. `words` is what is
/// left of [`MOST_WORDS`].
pub(super) fn tree(
    file: &TreeFile,
    shape: Shape,
    group: Number,
    weight: f64,
    words: &mut usize,
) -> Result<Tree, String> {
    let count = file.left_children.len();
    let lengths = [&file.right_children, &file.split_indices, &file.split_conditions, &file.default_left];
    if file.tree_param.num_nodes.whole().map(|nodes| nodes as usize) != Some(count)
        || lengths.iter().any(|list| list.len() != count)
    {
        return Err("its lists have not one entry per node".into());
    }
    if file.tree_param.size_leaf_vector.and_then(Number::whole).unwrap_or(1).max(1) as usize != shape.vector {
        return Err("its leaves have another size than those of the first tree".into());
    }
    // Two leaves with one vector would make more of the file than is in it.
    let leaves = file.left_children.iter().filter(|left| left.0 == LEAF).count();
    let vectors = file.leaf_weights.as_ref().filter(|_| shape.vector > 1);
    if vectors.is_some_and(|vectors| leaves.checked_mul(shape.vector) != Some(vectors.len())) {
        return Err("leaf_weights has not one vector per leaf".into());
    }
    let output = group.whole().ok_or("its entry in tree_info is no whole number")?;
    let mut sets = category_sets(file, words)?;
    let mut nodes = Vec::with_capacity(count);
    for number in 0..count {
        let node = match file.left_children.get(number).map(|left| left.0) {
            Some(LEAF) => leaf(file, shape, number, output, weight).map(Node::Leaf),
            _ => split(file, number, &mut sets).map(Node::Split),
        };
        nodes.push(node.ok_or_else(|| format!("node {number} makes no sense"))?);
    }
    // A set whose node is no split over categories would be left over.
    if !sets.is_empty() {
        return Err("categories_nodes and split_type do not agree".into());
    }
    Tree::new(nodes, shape.inputs, shape.outputs).map_err(|error| error.to_string())
}

fn leaf(file: &TreeFile, shape: Shape, number: usize, output: u32, weight: f64) -> Option<Leaf> {
    if shape.vector == 1 {
        let amount = file.split_conditions.get(number)?.single() * weight;
        return Some(Leaf { values: Box::new([(output, amount)]) });
    }
    let (place, vectors) = match &file.leaf_weights {
        Some(vectors) => (file.right_children.get(number)?.whole()? as usize, vectors),
        None => (number, &file.base_weights),
    };
    let start = place.checked_mul(shape.vector)?;
    let vector = vectors.get(start..start.checked_add(shape.vector)?)?;
    Some(Leaf { values: (0..).zip(vector.iter().map(|value| value.single() * weight)).collect() })
}

fn split(file: &TreeFile, number: usize, sets: &mut HashMap<u32, Box<[u64]>>) -> Option<Split> {
    let is_categorical = match &file.split_type {
        Some(types) => flag(*types.get(number)?)?,
        None => false,
    };
    let test = if is_categorical {
        // The set is of the categories that go right.
        Test::NotIn(sets.remove(&u32::try_from(number).ok()?)?)
    } else {
        Test::Less(file.split_conditions.get(number)?.single())
    };
    let goes_left = flag(*file.default_left.get(number)?)?;
    Some(Split {
        input: file.split_indices.get(number)?.whole()?,
        test,
        precision: Precision::Single,
        zero_is_missing: false,
        missing: if goes_left { Missing::Left } else { Missing::Right },
        left: file.left_children.get(number)?.whole()?,
        right: file.right_children.get(number)?.whole()?,
    })
}

fn flag(number: Number) -> Option<bool> {
    match number.whole()? {
        0 => Some(false),
        1 => Some(true),
        _ => None,
    }
}

/// The set of categories of every node that has one.
fn category_sets(file: &TreeFile, words: &mut usize) -> Result<HashMap<u32, Box<[u64]>>, String> {
    let lists = [&file.categories, &file.categories_nodes, &file.categories_segments, &file.categories_sizes];
    let [Some(categories), Some(nodes), Some(segments), Some(sizes)] = lists.map(Option::as_ref) else {
        // Files of before 1.3 have none of the lists.
        let has_none = file.split_type.is_none() && lists.iter().all(|list| list.is_none());
        return if has_none { Ok(HashMap::new()) } else { Err("a list of its categories is missing".into()) };
    };
    if file.split_type.as_ref().is_none_or(|types| types.len() != file.left_children.len()) {
        return Err("split_type has not one entry per node".into());
    }
    if nodes.len() != segments.len() || nodes.len() != sizes.len() {
        return Err("its lists of categories have different lengths".into());
    }
    let named: Option<u64> = sizes.iter().map(|size| size.whole().map(u64::from)).sum();
    if named != Some(categories.len() as u64) {
        return Err("categories_sizes do not add up to its categories".into());
    }
    let mut sets = HashMap::new();
    for ((node, segment), size) in nodes.iter().zip(segments).zip(sizes) {
        let mut set = || {
            let (start, size) = (segment.whole()? as usize, size.whole()? as usize);
            set(categories.get(start..start.checked_add(size)?)?, words)
        };
        let known = node.whole().zip(set()).map(|(node, set)| sets.insert(node, set));
        if known != Some(None) {
            return Err("a set of its categories is beyond the list, too large, or there twice".into());
        }
    }
    Ok(sets)
}

fn set(categories: &[Number], words_left: &mut usize) -> Option<Box<[u64]>> {
    let members: Vec<u32> = categories.iter().map(|category| category.whole()).collect::<Option<_>>()?;
    let largest = members.iter().copied().max().unwrap_or(0);
    let length = (largest < MOST_CATEGORIES).then_some(largest as usize / 64 + 1)?;
    *words_left = words_left.checked_sub(length)?;
    let mut words = vec![0_u64; length];
    for member in members {
        *words.get_mut(member as usize / 64)? |= 1 << (member % 64);
    }
    Some(words.into())
}
