//! Exact interventional Shapley values of tree ensembles, from tables per leaf.
//!
//! Why: a leaf's amount counts for a mixture of the row and a background row
//! when each input on the leaf's path, taken from where the mixture has it, meets
//! the leaf's conditions on it. So what the leaf adds to a Shapley value depends
//! on two patterns alone: which of its inputs the row has right, and which the
//! background row. Background rows are counted by their patterns once, and a
//! table says for each pattern of the row what the whole background makes of it.
//! A row then costs a look into a table for each group of leaves, however many
//! background rows there are (the idea of Nadel and Wettenstein, "From Decision
//! Trees to Boolean Logic: A Fast and Unified SHAP Algorithm", 2025).
//!
//! For the `a` inputs that only the row has right and the `n` that only the
//! background row has right, with every other input right in both, the leaf gives
//! (a−1)! n! / (a+n)! of its amount to each of the `a` and takes a! (n−1)! /
//! (a+n)! from each of the `n`: Shapley's weights of a game that is won by all of
//! the one and none of the other.
//!
//! Promises: exact for the ensemble's raw outputs, missing values and categories
//! included, whatever the size of the background. Values and the mean output of
//! the background add up to the row's output to about 1e-12 of the leaves' sum.
//! The order of summation is fixed. Nothing is allocated for a row.
//!
//! Refuses: to take more memory than it is given. Trees whose tables are too
//! large are walked for each background row instead ([`super::paths`]), which
//! is as exact and slower: random forests of depth 12 and more come to that.

use std::ops::Range;

use super::{
    Attribution, Background,
    compact::{CompactTrees, Place, Question},
    paths::PathWalk,
    table_fill::{Counted, fill},
    table_plan::{MOST_MERGED, PlannedGroup, Step, TreePlan},
};
use crate::model::{PredictError, TreeEnsemble};

/// What the tables may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LeafTableSettings {
    /// Bytes of all tables at most.
    pub most_bytes: usize,
}

impl Default for LeafTableSettings {
    fn default() -> Self {
        Self { most_bytes: 512 << 20 }
    }
}

/// Why there are no tables.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LeafTableError {
    /// Background rows of another width than the model's inputs.
    #[error("the model takes {wanted} inputs and the background has {given}; make it of the model's inputs")]
    Width {
        /// The model's inputs.
        wanted: usize,
        /// Numbers in a background row.
        given: usize,
    },
    /// There are no background rows.
    #[error("the background has no rows; attributions are differences to some")]
    NoBackground,
    /// More splits, inputs or outputs than are numbered.
    #[error("the ensemble has more than 2^31 splits, or more than 2^32 pairs of input and output")]
    TooLarge,
}

/// The tables of an ensemble beside a background.
#[derive(Debug, Clone)]
pub struct LeafTables {
    compact: CompactTrees,
    trees: Vec<TableTree>,
    steps: Vec<Step>,
    groups: Vec<Group>,
    /// Where a number of a table's row is added, for each group.
    targets: Vec<u32>,
    tables: Vec<f64>,
    /// Trees that are walked, and the rows that they are walked with.
    deep: Vec<Place>,
    deep_background: Option<Background>,
}

/// One tree's parts.
#[derive(Debug, Clone)]
struct TableTree {
    steps: Range<usize>,
    groups: Range<usize>,
}

/// Leaves that share a table.
#[derive(Debug, Clone)]
struct Group {
    questions: [Question; MOST_MERGED],
    mask: u32,
    chain: u32,
    width: u32,
    targets: u32,
    table: usize,
}

/// What explaining a row needs and the next row can use again.
#[derive(Debug, Clone)]
pub struct TableScratch {
    expanded: Vec<f64>,
    background: Vec<f64>,
    masks: Vec<u32>,
    walk: PathWalk,
}

impl LeafTables {
    /// The tables of `ensemble`, whose trees they stand for from then on.
    ///
    /// # Errors
    /// When the background does not fit the ensemble, or there is none.
    pub fn new(
        ensemble: &TreeEnsemble,
        background: &Background,
        settings: LeafTableSettings,
    ) -> Result<Self, LeafTableError> {
        let compact = CompactTrees::new(ensemble).ok_or(LeafTableError::TooLarge)?;
        let rows = background.rows();
        if rows.is_empty() {
            return Err(LeafTableError::NoBackground);
        }
        if rows.width() != compact.inputs() {
            return Err(LeafTableError::Width { wanted: compact.inputs(), given: rows.width() });
        }
        let pairs = compact.inputs().checked_mul(compact.outputs());
        if pairs.is_none_or(|pairs| u32::try_from(pairs).is_err()) {
            return Err(LeafTableError::TooLarge);
        }
        let (plans, deep) = plan(&compact, settings.most_bytes);
        let deep_background = (!deep.is_empty()).then(|| background.clone());
        let mut tables = Self {
            compact,
            trees: Vec::new(),
            steps: Vec::new(),
            groups: Vec::new(),
            targets: Vec::new(),
            tables: Vec::new(),
            deep,
            deep_background,
        };
        let planned = tables.lay_out(plans).ok_or(LeafTableError::TooLarge)?;
        let counted = tables.count(background, &planned);
        tables.fill(&planned, &counted);
        Ok(tables)
    }

    /// What rows are explained with.
    #[must_use]
    pub fn scratch(&self) -> TableScratch {
        let steps = self.trees.iter().map(|tree| tree.steps.len()).max().unwrap_or(0);
        TableScratch {
            expanded: Vec::new(),
            background: Vec::new(),
            masks: vec![0; 2 * steps + 1],
            walk: PathWalk::new(self.compact.inputs()),
        }
    }

    /// Trees that are walked for each background row, since their tables would
    /// be too large.
    #[must_use]
    pub fn walked_trees(&self) -> usize {
        self.deep.len()
    }

    /// Bytes of the tables.
    #[must_use]
    pub fn bytes(&self) -> usize {
        size_of_val(self.tables.as_slice())
    }

    /// Explains a row: [`Self::explain_with`] with a scratch of its own.
    ///
    /// # Errors
    /// When the row has another width than the model's inputs.
    pub fn explain(&self, row: &[f64], out: &mut Attribution) -> Result<(), PredictError> {
        self.explain_with(row, &mut self.scratch(), out)
    }

    /// Explains a row.
    ///
    /// # Errors
    /// When the row has another width than the model's inputs.
    pub fn explain_with(
        &self,
        row: &[f64],
        scratch: &mut TableScratch,
        out: &mut Attribution,
    ) -> Result<(), PredictError> {
        let inputs = self.compact.inputs();
        if row.len() != inputs {
            return Err(PredictError::Width { wanted: inputs, given: row.len() });
        }
        self.compact.expand(row, &mut scratch.expanded);
        self.compact.predict(&scratch.expanded, &mut out.outputs);
        out.values.clear();
        out.values.resize(inputs * self.compact.outputs(), 0.0);
        out.standard_errors.clear();
        out.evaluations = 0;
        for tree in &self.trees {
            self.mark(tree, &scratch.expanded, &mut scratch.masks);
            for group in self.groups.get(tree.groups.clone()).unwrap_or_default() {
                self.add(group, group.pattern(&scratch.masks, &scratch.expanded), &mut out.values);
            }
        }
        self.walk(scratch, &mut out.values);
        Ok(())
    }

    /// Makes the masks of failed inputs of one tree.
    #[inline]
    fn mark(&self, tree: &TableTree, expanded: &[f64], masks: &mut [u32]) {
        let steps = self.steps.get(tree.steps.clone()).unwrap_or_default();
        for (number, step) in steps.iter().enumerate() {
            let yes = u32::from(step.question.holds(expanded));
            let mask = masks.get(step.from as usize).copied().unwrap_or(0);
            if let Some([if_yes, if_no]) = masks.get_mut(2 * number + 1..2 * number + 3) {
                *if_yes = mask | (1 - yes) << step.bit;
                *if_no = mask | yes << step.bit;
            }
        }
    }

    #[inline]
    fn add(&self, group: &Group, pattern: u32, values: &mut [f64]) {
        let width = group.width as usize;
        let start = group.table + pattern as usize * width;
        let row = self.tables.get(start..start + width).unwrap_or_default();
        let targets = group.targets as usize;
        let targets = self.targets.get(targets..targets + width).unwrap_or_default();
        for (amount, target) in row.iter().zip(targets) {
            if let Some(value) = values.get_mut(*target as usize) {
                *value += amount;
            }
        }
    }

    fn walk(&self, scratch: &mut TableScratch, values: &mut [f64]) {
        let Some(background) = &self.deep_background else { return };
        #[expect(clippy::cast_precision_loss, reason = "rows in memory are fewer than 2^53")]
        let scale = 1.0 / background.rows().len() as f64;
        for other in background.rows() {
            self.compact.expand(other, &mut scratch.background);
            let pair = (scratch.expanded.as_slice(), scratch.background.as_slice());
            for root in &self.deep {
                scratch.walk.credit(&self.compact, *root, pair, scale, values);
            }
        }
    }

    /// Puts the plans one after the other; the groups with their plans come back.
    fn lay_out(&mut self, plans: Vec<TreePlan>) -> Option<Vec<PlannedGroup>> {
        let mut planned = Vec::new();
        let mut numbers = 0;
        for plan in plans {
            let (steps, groups) = (self.steps.len(), self.groups.len());
            self.steps.extend(plan.steps);
            for group in plan.groups {
                let mut questions = [Question::NEVER; MOST_MERGED];
                for (place, question) in questions.iter_mut().zip(&group.questions) {
                    *place = *question;
                }
                self.groups.push(Group {
                    questions,
                    mask: group.mask,
                    chain: group.chain,
                    width: u32::try_from(group.width()).ok()?,
                    targets: u32::try_from(self.targets.len()).ok()?,
                    table: numbers,
                });
                let inputs = u32::try_from(self.compact.inputs()).ok()?;
                for output in &group.outputs {
                    self.targets.extend(group.inputs.iter().map(|input| output * inputs + input));
                }
                numbers += group.patterns() * group.width();
                planned.push(group);
            }
            let tree = TableTree { steps: steps..self.steps.len(), groups: groups..self.groups.len() };
            self.trees.push(tree);
        }
        self.tables = vec![0.0; numbers];
        Some(planned)
    }

    /// Counts the background rows by their patterns, group by group.
    fn count(&self, background: &Background, planned: &[PlannedGroup]) -> Counted {
        let mut counted = Counted::new(planned.iter().map(PlannedGroup::patterns));
        let mut scratch = self.scratch();
        for row in background.rows() {
            self.compact.expand(row, &mut scratch.expanded);
            for tree in &self.trees {
                self.mark(tree, &scratch.expanded, &mut scratch.masks);
                let groups = self.groups.get(tree.groups.clone()).unwrap_or_default();
                for (number, group) in (tree.groups.start..).zip(groups) {
                    counted.add(number, group.pattern(&scratch.masks, &scratch.expanded));
                }
            }
        }
        counted
    }

    fn fill(&mut self, planned: &[PlannedGroup], counted: &Counted) {
        let mut rest = self.tables.as_mut_slice();
        for (number, group) in planned.iter().enumerate() {
            let numbers = group.patterns() * group.width();
            let Some((table, after)) = rest.split_at_mut_checked(numbers) else { return };
            fill(&self.compact, group, counted.of(number), table);
            rest = after;
        }
    }
}

impl Group {
    #[inline]
    fn pattern(&self, masks: &[u32], expanded: &[f64]) -> u32 {
        let failed = masks.get(self.mask as usize).copied().unwrap_or(0);
        let answers = self.questions.iter().rev();
        let answers = answers.fold(0, |bits, question| bits << 1 | u32::from(question.holds(expanded)));
        failed | answers << self.chain
    }
}

/// The plans of the trees that get tables, and the others. The smallest come
/// first when not all of them fit. Where they are less than half, none get any:
/// the walks of the others decide how long a row takes, and the memory would be
/// spent for nothing.
fn plan(compact: &CompactTrees, most_bytes: usize) -> (Vec<TreePlan>, Vec<Place>) {
    let roots = compact.roots();
    // Plans are made anew for the trees that fit: those of all deep trees would
    // take memory that nothing bounds.
    let plan = |tree| TreePlan::new(compact, tree, most_bytes);
    let sizes = (0..roots.len()).filter_map(|tree| Some((plan(tree)?.bytes, tree)));
    let mut sizes: Vec<(usize, usize)> = sizes.collect();
    sizes.sort_unstable();
    let mut left = most_bytes;
    let mut fitting = vec![false; roots.len()];
    let mut count = 0;
    for (bytes, tree) in sizes {
        let Some(less) = left.checked_sub(bytes) else { break };
        left = less;
        count += 1;
        if let Some(fits) = fitting.get_mut(tree) {
            *fits = true;
        }
    }
    if 2 * count < roots.len() {
        return (Vec::new(), roots.to_vec());
    }
    let (mut plans, mut deep) = (Vec::new(), Vec::new());
    for (tree, (root, fits)) in roots.iter().zip(fitting).enumerate() {
        match fits.then(|| plan(tree)).flatten() {
            Some(plan) => plans.push(plan),
            None => deep.push(*root),
        }
    }
    (plans, deep)
}
