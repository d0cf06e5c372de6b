//! What the tables of [`super::leaf_tables`] hold.

use super::{
    compact::CompactTrees,
    table_plan::{MOST_BITS, PlannedGroup, PlannedLeaf},
};

/// How many background rows have each pattern, group by group.
#[derive(Debug)]
pub(super) struct Counted {
    counts: Vec<u32>,
    /// Where the counts of each group end.
    ends: Vec<usize>,
}

impl Counted {
    /// No rows, for groups with so many patterns.
    pub(super) fn new(patterns: impl Iterator<Item = usize>) -> Self {
        let mut end = 0;
        let ends = patterns.map(|patterns| {
            end += patterns;
            end
        });
        let ends: Vec<usize> = ends.collect();
        Self { counts: vec![0; end], ends }
    }

    fn start(&self, group: usize) -> usize {
        group.checked_sub(1).and_then(|before| self.ends.get(before)).copied().unwrap_or(0)
    }

    pub(super) fn add(&mut self, group: usize, pattern: u32) {
        let place = self.start(group) + pattern as usize;
        if let Some(count) = self.counts.get_mut(place) {
            *count = count.saturating_add(1);
        }
    }

    /// The counts of one group by pattern.
    pub(super) fn of(&self, group: usize) -> &[u32] {
        let end = self.ends.get(group).copied().unwrap_or(0);
        self.counts.get(self.start(group)..end).unwrap_or_default()
    }
}

/// Fills the table of a group: a row for each pattern, and in it a number for
/// each input of each output.
pub(super) fn fill(trees: &CompactTrees, group: &PlannedGroup, counts: &[u32], table: &mut [f64]) {
    let inputs = group.inputs.len();
    let mut credits = Credits::new(inputs);
    for leaf in &group.leaves {
        credits.of_leaf(group, leaf, counts);
        for (pattern, row) in (0..).zip(table.chunks_exact_mut(group.width().max(1))) {
            let credit = credits.at(group.failed(leaf, pattern));
            for (output, amount) in trees.amounts(leaf.leaf) {
                let Ok(place) = group.outputs.binary_search(output) else { continue };
                let sums = row.get_mut(place * inputs..(place + 1) * inputs).unwrap_or_default();
                for (sum, share) in sums.iter_mut().zip(credit) {
                    *sum += share * amount;
                }
            }
        }
    }
}

/// Which share of a leaf's amount each input gets, by the inputs that the row
/// fails.
struct Credits {
    inputs: usize,
    shares: Vec<f64>,
    /// Background rows by the inputs that they fail.
    counts: Vec<u32>,
    /// a! n! / (a+n)!, at `a * (MOST_BITS + 1) + n`.
    weights: Vec<f64>,
}

impl Credits {
    fn new(inputs: usize) -> Self {
        let weights = (0..=MOST_BITS).flat_map(|a| (0..=MOST_BITS).map(move |n| one_over_choices(a, n)));
        Self {
            inputs,
            shares: vec![0.0; inputs << inputs],
            counts: vec![0; 1 << inputs],
            weights: weights.collect(),
        }
    }

    /// The shares of a row that fails these inputs.
    fn at(&self, failed: u32) -> &[f64] {
        let start = failed as usize * self.inputs;
        self.shares.get(start..start + self.inputs).unwrap_or_default()
    }

    fn of_leaf(&mut self, group: &PlannedGroup, leaf: &PlannedLeaf, counts: &[u32]) {
        self.shares.fill(0.0);
        self.counts.fill(0);
        let mut rows = 0.0;
        for (pattern, count) in (0..).zip(counts) {
            rows += f64::from(*count);
            if let Some(sum) = self.counts.get_mut(group.failed(leaf, pattern) as usize) {
                *sum += count;
            }
        }
        let conditions = group.conditions(leaf);
        let counts = std::mem::take(&mut self.counts);
        for (background, count) in (0..).zip(&counts).filter(|(_, count)| **count > 0) {
            let share = f64::from(*count) / rows;
            // No input may fail in both rows: all sets of inputs that the
            // background row has right.
            let right = conditions & !background;
            let mut row = right;
            loop {
                self.add(row, background, share);
                if row == 0 {
                    break;
                }
                row = (row - 1) & right;
            }
        }
        self.counts = counts;
    }

    /// Background rows that fail `background`, for a row that fails `row`.
    fn add(&mut self, row: u32, background: u32, share: f64) {
        let (gainers, losers) = (background.count_ones(), row.count_ones());
        let weight = self.weights.get(gainers as usize * (MOST_BITS + 1) + losers as usize);
        let weight = weight.copied().unwrap_or(0.0) * share;
        let gain = weight / f64::from(gainers.max(1));
        let loss = weight / f64::from(losers.max(1));
        let start = row as usize * self.inputs;
        let shares = self.shares.get_mut(start..start + self.inputs).unwrap_or_default();
        for (input, share) in shares.iter_mut().enumerate() {
            if background >> input & 1 == 1 {
                *share += gain;
            } else if row >> input & 1 == 1 {
                *share -= loss;
            }
        }
    }
}

/// a! n! / (a+n)!
#[expect(clippy::cast_precision_loss, reason = "small numbers")]
fn one_over_choices(a: usize, n: usize) -> f64 {
    (1..=n).fold(1.0, |product, i| product * i as f64 / (a + i) as f64)
}
