//! A coarser grid: the few bins that histogram scores and pictures use.

use serde::{Deserialize, Serialize};

use super::{CategoricalGrid, Counts, Grid, NumericGrid, labels};

/// Categories of a cut that have a bin of their own.
pub const CUT_CATEGORIES: usize = 20;

/// For every bin of a grid the bin of the cut that it belongs to.
///
/// Every bin of a cut holds some of the reference, with one exception: the bin
/// of values that the reference never saw, which is the last one of a cut of
/// categories, and of a constant numeric column.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cut {
    of_bin: Vec<u32>,
    labels: Vec<String>,
}

impl Cut {
    /// The cut of a column whose reference has these counts on `grid`.
    ///
    /// Of a numeric column: about `bins` groups of neighbouring bins with as
    /// equal shares of the reference as whole bins allow; a single value with
    /// more than such a share stands alone; the outermost groups reach to
    /// infinity. A constant column is cut in its value and everything else. Of
    /// a categorical column: the [`CUT_CATEGORIES`] most frequent categories,
    /// `other` if there are more, and `unseen`; `bins` doesn't matter.
    #[must_use]
    pub fn new(grid: &Grid, reference: &Counts, bins: usize) -> Self {
        match grid {
            Grid::Numeric(grid) => numeric(grid, reference, bins),
            Grid::Categorical(grid) => categorical(grid, reference),
        }
    }

    /// Number of bins of the cut.
    #[must_use]
    pub fn bins(&self) -> usize {
        self.labels.len()
    }

    /// The intervals or categories, for people; all different.
    #[must_use]
    pub fn labels(&self) -> &[String] {
        &self.labels
    }

    /// The bin of the cut that a bin of the grid belongs to.
    #[must_use]
    pub fn bin_of(&self, bin: usize) -> Option<usize> {
        self.of_bin.get(bin).map(|&bin| bin as usize)
    }

    /// The counts of the cut's bins.
    #[must_use]
    pub fn sums(&self, counts: &Counts) -> Vec<u64> {
        let mut sums = Vec::new();
        self.sum_into(counts.bins(), &mut sums);
        sums
    }

    /// Sums the counts of a grid's bins into `out`, which is cleared first.
    pub fn sum_into(&self, bins: impl Iterator<Item = u64>, out: &mut Vec<u64>) {
        out.clear();
        out.resize(self.labels.len(), 0);
        // Neighbouring bins mostly belong together: they are summed in a register.
        let mut run = (0_u32, 0_u64);
        let mut add = |(bin, sum): (u32, u64)| {
            if let Some(total) = out.get_mut(bin as usize) {
                *total += sum;
            }
        };
        for (count, &bin) in bins.zip(&self.of_bin) {
            if bin != run.0 {
                add(run);
                run = (bin, 0);
            }
            run.1 += count;
        }
        add(run);
    }

    /// Whether this is a cut of a grid with so many bins: each of them belongs
    /// to a bin of the cut, and each of the cut's bins has some.
    #[must_use]
    pub fn fits(&self, bins: usize) -> bool {
        let mut used = vec![false; self.labels.len()];
        let known =
            self.of_bin.iter().all(|&bin| used.get_mut(bin as usize).map(|used| *used = true).is_some());
        self.of_bin.len() == bins && known && used.into_iter().all(|used| used)
    }
}

fn categorical(grid: &CategoricalGrid, reference: &Counts) -> Cut {
    let named = grid.named().len().min(CUT_CATEGORIES);
    let other: u64 = reference.bins().take(grid.unseen_code() as usize).skip(named).sum();
    let mut names: Vec<&str> = grid.named().iter().take(named).map(String::as_str).collect();
    if other > 0 {
        names.push("other");
    }
    names.push("unseen");
    let code = |bin: usize| u32::try_from(bin).unwrap_or(u32::MAX);
    // The grid's bin of rare categories can't be hit when the reference has
    // none; it goes with the unseen ones.
    let rest = code(named);
    let unseen = code(names.len() - 1);
    let of_bin = (0..grid.bins()).map(|bin| match bin {
        _ if bin < named => code(bin),
        _ if bin == grid.unseen_code() as usize => unseen,
        _ => rest,
    });
    Cut { of_bin: of_bin.collect(), labels: labels::categories(&names) }
}

/// A run of a numeric grid's bins on its way into the cut.
#[derive(Debug, Clone, Copy)]
pub(super) struct Group {
    pub(super) first: usize,
    pub(super) last: usize,
}

#[expect(clippy::float_cmp, reason = "a constant has the same value in every row")]
fn numeric(grid: &NumericGrid, reference: &Counts, bins: usize) -> Cut {
    let (min, max) = grid.range();
    if min == max {
        let value = grid.bin_of(min);
        let of_bin = (0..grid.bins()).map(|bin| u32::from(bin != value)).collect();
        return Cut { of_bin, labels: labels::constant(min) };
    }
    let groups = groups(grid, reference, bins.max(1));
    let mut of_bin = vec![0; grid.bins()];
    for (group, index) in groups.iter().zip(0..) {
        of_bin.iter_mut().take(group.last + 1).skip(group.first).for_each(|bin| *bin = index);
    }
    Cut { of_bin, labels: labels::intervals(grid, &groups) }
}

/// Cuts the bins into runs that each hold some of the reference.
fn groups(grid: &NumericGrid, reference: &Counts, bins: usize) -> Vec<Group> {
    let held: Vec<(usize, u64)> = reference.bins().enumerate().filter(|(_, mass)| *mass > 0).collect();
    // With few values each has a bin; otherwise those that exceed a bin's share.
    let share = reference.valid() / bins as u64;
    let alone =
        |&(bin, mass): &(usize, u64)| held.len() <= bins || (mass > share && grid.is_single_value(bin));
    let (count, mass) =
        held.iter().filter(|held| alone(held)).fold((0, 0), |(n, sum), held| (n + 1, sum + held.1));
    let others = bins.saturating_sub(count).max(1);

    let mut groups: Vec<Group> = Vec::new();
    let mut after_alone = true;
    for run in held.chunk_by(|a, b| !alone(a) && !alone(b)) {
        let (Some(first), Some(last)) = (run.first(), run.last()) else { continue };
        // Empty bins go with the bin above them, but what lies below a value
        // that stands alone goes with its neighbour, unless that is alone too.
        match groups.last_mut() {
            Some(below) if alone(first) && !after_alone => below.last = first.0 - 1,
            _ => {}
        }
        let start = groups.last().map_or(0, |below| below.last + 1);
        if alone(first) {
            groups.push(Group { first: start, last: last.0 });
        } else {
            split(run, start, share_of(run, reference.valid() - mass, others), &mut groups);
        }
        after_alone = alone(first);
    }
    if let Some(group) = groups.last_mut() {
        group.last = grid.bins() - 1;
    }
    groups
}

/// The mass of a group when `run`, one of several runs with `total` together,
/// is cut evenly into the number of groups that is its due of `groups`.
#[expect(clippy::cast_precision_loss, reason = "a cut needs no exact shares")]
fn share_of(run: &[(usize, u64)], total: u64, groups: usize) -> f64 {
    let mass = run.iter().map(|(_, mass)| mass).sum::<u64>() as f64;
    mass / (mass / total as f64 * groups as f64).round().max(1.0)
}

/// Cuts a run of bins into groups that end as near as possible to multiples of
/// `share`; the first begins at the bin `start`.
#[expect(clippy::cast_precision_loss, reason = "a cut needs no exact shares")]
fn split(run: &[(usize, u64)], start: usize, share: f64, groups: &mut Vec<Group>) {
    let (mut taken, mut boundary) = (0.0, share);
    let mut open = Group { first: start, last: start };
    for &(bin, mass) in run {
        let with = taken + mass as f64;
        if taken > 0.0 && with - boundary > boundary - taken {
            groups.push(open);
            open.first = open.last + 1;
            boundary = ((taken / share).round() + 1.0) * share;
        }
        open.last = bin;
        taken = with;
    }
    groups.push(open);
}
