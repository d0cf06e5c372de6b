//! Which leaves share a table, and what their tables take.
//!
//! Why: a table has a row for every pattern of the questions that lead to its
//! leaves, so its size doubles with each of them. What all tables take has to be
//! known before the first is made.
//!
//! A *group* is the leaves below one split, when there are at most
//! [`MOST_MERGED`] splits among them, or a single leaf. Its table is by two
//! kinds of bits: of every input on the way down to the group, whether the row
//! fails any of its conditions (so the conditions of one input are one bit), and
//! of every split in the group, whether the row says yes. Leaves that are
//! looked up together cost one access to memory instead of four.

use super::compact::{CompactSplit, CompactTrees, Place, Question};

/// Splits within a group at most. With 3, four leaves share a table that is
/// smaller than their own four would be; with 7, eight share one that is larger.
pub(super) const MOST_MERGED: usize = 3;
/// Bits of a table at most: 4,096 rows, which balanced trees of depth 11 reach.
pub(super) const MOST_BITS: usize = 12;

const NO_BIT: u8 = u8::MAX;

/// A split above the groups: `from` is the number of the mask of failed inputs
/// that it adds to; step `j` makes masks `2j + 1` (yes) and `2j + 2` (no).
#[derive(Debug, Clone, Copy)]
pub(super) struct Step {
    pub(super) question: Question,
    pub(super) from: u32,
    pub(super) bit: u32,
}

/// A leaf of a group, with what is asked on its way within the group.
#[derive(Debug, Clone)]
pub(super) struct PlannedLeaf {
    pub(super) leaf: u32,
    asked: Vec<Asked>,
}

/// A question within a group: its number, its input's bit and the wanted answer.
#[derive(Debug, Clone, Copy)]
struct Asked {
    question: u32,
    input: u32,
    yes: bool,
}

/// Leaves that share a table.
#[derive(Debug, Clone)]
pub(super) struct PlannedGroup {
    /// Number of the mask that leads here.
    pub(super) mask: u32,
    /// Inputs on the way here: bits of the mask.
    pub(super) chain: u32,
    pub(super) questions: Vec<Question>,
    /// Inputs of the chain, then those that only the group asks about.
    pub(super) inputs: Vec<u32>,
    /// Outputs that any leaf adds to, in their order.
    pub(super) outputs: Vec<u32>,
    pub(super) leaves: Vec<PlannedLeaf>,
}

impl PlannedGroup {
    /// Rows of the table.
    pub(super) fn patterns(&self) -> usize {
        1 << (self.chain as usize + self.questions.len())
    }

    /// Numbers in a row of the table.
    pub(super) fn width(&self) -> usize {
        self.inputs.len() * self.outputs.len()
    }

    /// Bytes of the table, and of the counts of background rows that it is made of.
    fn bytes(&self) -> usize {
        let row = self.width().saturating_mul(size_of::<f64>()).saturating_add(size_of::<u32>());
        self.patterns().saturating_mul(row)
    }

    /// The inputs that fail a condition of the leaf, as bits, for a pattern.
    pub(super) fn failed(&self, leaf: &PlannedLeaf, pattern: u32) -> u32 {
        let chain = pattern & ((1 << self.chain) - 1);
        leaf.asked.iter().fold(chain, |failed, asked| {
            let says_yes = pattern >> (self.chain + asked.question) & 1 == 1;
            if says_yes == asked.yes { failed } else { failed | 1 << asked.input }
        })
    }

    /// The inputs that the leaf has conditions on, as bits.
    pub(super) fn conditions(&self, leaf: &PlannedLeaf) -> u32 {
        leaf.asked.iter().fold((1 << self.chain) - 1, |bits, asked| bits | 1 << asked.input)
    }
}

/// How one tree is explained by tables.
#[derive(Debug, Clone, Default)]
pub(super) struct TreePlan {
    pub(super) steps: Vec<Step>,
    pub(super) groups: Vec<PlannedGroup>,
    pub(super) bytes: usize,
}

impl TreePlan {
    /// The plan of a tree by its number; `None` when a table would have more than
    /// [`MOST_BITS`] or all together take more than `most_bytes`.
    pub(super) fn new(trees: &CompactTrees, tree: usize, most_bytes: usize) -> Option<Self> {
        let root = trees.roots().get(tree)?;
        Planner::new(trees, tree).plan(*root, most_bytes)
    }
}

#[derive(Debug)]
enum Visit {
    Enter(Place, u32),
    /// The input of the chain's end is none of the next place's.
    Leave,
}

struct Planner<'a> {
    trees: &'a CompactTrees,
    first: usize,
    /// Splits at and below each split of the tree.
    sizes: Vec<u32>,
    chain: Vec<u32>,
    bits: Vec<u8>,
    plan: TreePlan,
}

impl<'a> Planner<'a> {
    fn new(trees: &'a CompactTrees, tree: usize) -> Self {
        let (first, splits) = trees.tree(tree);
        let bits = vec![NO_BIT; trees.inputs()];
        let sizes = sizes(first, splits);
        Self { trees, first, sizes, chain: Vec::new(), bits, plan: TreePlan::default() }
    }

    fn size(&self, place: Place) -> usize {
        let Place::Split(number) = place else { return 0 };
        let size = (number as usize).checked_sub(self.first).and_then(|number| self.sizes.get(number));
        size.map_or(usize::MAX, |size| *size as usize)
    }

    fn plan(mut self, root: Place, most_bytes: usize) -> Option<TreePlan> {
        let mut open = vec![Visit::Enter(root, 0)];
        while let Some(visit) = open.pop() {
            let Visit::Enter(place, mask) = visit else {
                let input = self.chain.pop()?;
                *self.bits.get_mut(input as usize)? = NO_BIT;
                continue;
            };
            match place {
                Place::Split(number) if self.size(place) > MOST_MERGED => {
                    self.step(number, mask, &mut open)?;
                }
                _ => {
                    let group = self.group(place, mask)?;
                    self.plan.bytes = self.plan.bytes.saturating_add(group.bytes());
                    if self.plan.bytes > most_bytes {
                        return None;
                    }
                    if group.width() > 0 {
                        self.plan.groups.push(group);
                    }
                }
            }
        }
        Some(self.plan)
    }

    fn step(&mut self, number: u32, mask: u32, open: &mut Vec<Visit>) -> Option<()> {
        let split = self.trees.split(number)?;
        let input = self.trees.input(split.question);
        let bit = self.bits.get_mut(input)?;
        if *bit == NO_BIT {
            *bit = u8::try_from(self.chain.len()).ok().filter(|bit| usize::from(*bit) < MOST_BITS)?;
            self.chain.push(u32::try_from(input).ok()?);
            open.push(Visit::Leave);
        }
        let masks = u32::try_from(2 * self.plan.steps.len() + 1).ok()?;
        self.plan.steps.push(Step { question: split.question, from: mask, bit: u32::from(*bit) });
        open.push(Visit::Enter(split.child(false), masks + 1));
        open.push(Visit::Enter(split.child(true), masks));
        Some(())
    }

    fn group(&self, root: Place, mask: u32) -> Option<PlannedGroup> {
        if self.chain.len() + self.size(root) > MOST_BITS {
            return None;
        }
        let chain = u32::try_from(self.chain.len()).ok()?;
        let mut group = PlannedGroup {
            mask,
            chain,
            questions: Vec::new(),
            inputs: self.chain.clone(),
            outputs: Vec::new(),
            leaves: Vec::new(),
        };
        let mut open = vec![(root, Vec::new())];
        while let Some((place, asked)) = open.pop() {
            match place {
                Place::Leaf(leaf) => {
                    group.outputs.extend(self.trees.amounts(leaf).iter().map(|(output, _)| *output));
                    group.leaves.push(PlannedLeaf { leaf, asked });
                }
                Place::Split(number) => {
                    let split = self.trees.split(number)?;
                    let input = u32::try_from(self.trees.input(split.question)).ok()?;
                    let known = group.inputs.iter().position(|known| *known == input);
                    let bit = known.unwrap_or(group.inputs.len());
                    if known.is_none() {
                        group.inputs.push(input);
                    }
                    let question = u32::try_from(group.questions.len()).ok()?;
                    group.questions.push(split.question);
                    for yes in [false, true] {
                        let mut asked: Vec<Asked> = asked.clone();
                        asked.push(Asked { question, input: u32::try_from(bit).ok()?, yes });
                        open.push((split.child(yes), asked));
                    }
                }
            }
        }
        group.outputs.sort_unstable();
        group.outputs.dedup();
        Some(group)
    }
}

/// Splits at and below each split of a tree whose first split has number `first`.
fn sizes(first: usize, splits: &[CompactSplit]) -> Vec<u32> {
    let mut sizes = vec![1_u32; splits.len()];
    // Children come after their parents.
    for (number, split) in splits.iter().enumerate().rev() {
        for child in [true, false].map(|is_yes| split.child(is_yes)) {
            let Place::Split(child) = child else { continue };
            let below = (child as usize).checked_sub(first).and_then(|child| sizes.get(child)).copied();
            if let (Some(below), Some(size)) = (below, sizes.get_mut(number)) {
                *size = size.saturating_add(below);
            }
        }
    }
    sizes
}
