//! One tree of LightGBM.

use super::{ModelError, text::Fields, unsupported};
use crate::model::{Leaf, Missing, Node, Precision, Split, Test, Tree};

/// Bits of `decision_type`; the third and the fourth say what is missing.
const IS_CATEGORICAL: u8 = 1;
const DEFAULT_LEFT: u8 = 2;

/// The lists of a tree, by split.
struct Splits {
    features: Vec<u32>,
    thresholds: Vec<f64>,
    decisions: Vec<u8>,
    left: Vec<i64>,
    right: Vec<i64>,
    boundaries: Vec<usize>,
    words: Vec<u32>,
}

/// The tree that `fields` are of. It adds to the first of two numbers, `output`
/// of as many `outputs`, what `amount` makes of a leaf's value.
pub(super) fn tree(
    fields: &Fields<'_>,
    inputs: usize,
    (output, outputs): (usize, usize),
    amount: impl Fn(f64) -> f64,
) -> Result<Tree, ModelError> {
    if fields.value("is_linear").is_some_and(|value| value != "0") {
        return Err(unsupported(
            "a linear tree (linear_tree=true)",
            "its leaves are linear models: serve the model and name its server",
        ));
    }
    let leaves = fields.number("num_leaves")?;
    let values: Vec<f64> = fields.list("leaf_value")?;
    let splits = Splits::of(fields)?;
    let count = splits.features.len();
    let lengths = [splits.thresholds.len(), splits.decisions.len(), splits.left.len(), splits.right.len()];
    if leaves == 0 || values.len() != leaves || count != leaves - 1 || lengths.iter().any(|&len| len != count)
    {
        return Err(fields.wrong("its lists have not one entry per leaf or split"));
    }
    let output = u32::try_from(output).map_err(|_| fields.wrong("there are too many outputs"))?;
    let mut nodes = Vec::with_capacity(count + leaves);
    let mut used_sets = 0;
    for number in 0..count {
        let split = splits.split(number, count, &mut used_sets);
        nodes.push(Node::Split(
            split.ok_or_else(|| fields.wrong(format_args!("split {number} makes no sense")))?,
        ));
    }
    if used_sets != fields.number("num_cat")? {
        return Err(fields.wrong("num_cat is not the number of its splits over categories"));
    }
    let leaf = |value: f64| Node::Leaf(Leaf { values: Box::new([(output, amount(value))]) });
    nodes.extend(values.into_iter().map(leaf));
    Tree::new(nodes, inputs, outputs).map_err(|error| fields.wrong(error))
}

impl Splits {
    fn of(fields: &Fields<'_>) -> Result<Self, ModelError> {
        Ok(Self {
            features: fields.list("split_feature")?,
            thresholds: fields.list("threshold")?,
            decisions: fields.list("decision_type")?,
            left: fields.list("left_child")?,
            right: fields.list("right_child")?,
            boundaries: fields.list("cat_boundaries")?,
            words: fields.list("cat_threshold")?,
        })
    }

    /// The split of one of `count` numbers.
    fn split(&self, number: usize, count: usize, used_sets: &mut usize) -> Option<Split> {
        let decision = *self.decisions.get(number)?;
        let threshold = *self.thresholds.get(number)?;
        let default = if decision & DEFAULT_LEFT == 0 { Missing::Right } else { Missing::Left };
        let is_categorical = decision & IS_CATEGORICAL != 0;
        let (zero_is_missing, missing) = match decision >> 2 {
            _ if is_categorical => (false, Missing::Right),
            0 => (false, Missing::As(0.0)),
            1 => (true, default),
            2 => (false, default),
            _ => return None,
        };
        let test = if is_categorical {
            // The threshold is the set's number; each has one split.
            let is_next = usize_of(threshold)? == *used_sets;
            *used_sets += 1;
            Test::In(is_next.then(|| self.set(*used_sets - 1))??)
        } else {
            Test::AtMost(threshold)
        };
        Some(Split {
            input: *self.features.get(number)?,
            test,
            precision: Precision::Double,
            zero_is_missing,
            missing,
            left: child(*self.left.get(number)?, count)?,
            right: child(*self.right.get(number)?, count)?,
        })
    }

    /// The words of a set, two of them in one.
    fn set(&self, number: usize) -> Option<Box<[u64]>> {
        let words = self.words.get(*self.boundaries.get(number)?..*self.boundaries.get(number + 1)?)?;
        let pair = |pair: &[u32]| match *pair {
            [low, high] => u64::from(high) << 32 | u64::from(low),
            [low] => u64::from(low),
            _ => 0,
        };
        Some(words.chunks(2).map(pair).collect())
    }
}

/// The number of a child's node: leaves are written as -1 less their number, and
/// stand behind the splits.
fn child(child: i64, splits: usize) -> Option<u32> {
    let node = match usize::try_from(child) {
        Ok(split) => split,
        Err(_) => usize::try_from(-(child + 1)).ok()?.checked_add(splits)?,
    };
    u32::try_from(node).ok()
}

fn usize_of(number: f64) -> Option<usize> {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked")]
    let whole = (number.fract() == 0.0 && (0.0..1e9).contains(&number)).then_some(number as usize);
    whole
}
