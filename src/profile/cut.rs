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

    /// Sums the counts of a grid's bins into `out`, which is cleared first.
    pub fn sum_into(&self, bins: impl Iterator<Item = u64>, out: &mut Vec<u64>) {
        out.clear();
        out.resize(self.labels.len(), 0);
        for (count, &bin) in bins.zip(&self.of_bin) {
            if let Some(sum) = out.get_mut(bin as usize) {
                *sum += count;
            }
        }
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
    let masses: Vec<u64> = reference.bins().collect();
    let held = masses.iter().filter(|&&mass| mass > 0).count();
    let total = reference.valid();
    // With few values each has a bin; otherwise those that exceed a bin's share.
    let share = total / bins as u64;
    let stands_alone = |bin: usize, mass: u64| held <= bins || (mass > share && grid.is_single_value(bin));
    let alone = masses.iter().enumerate().filter(|&(bin, &mass)| mass > 0 && stands_alone(bin, mass));
    let (alone_bins, alone_mass) = alone.fold((0, 0), |(bins, sum), (_, &mass)| (bins + 1, sum + mass));
    let mut target = Target::new(total - alone_mass, bins.saturating_sub(alone_bins).max(1));

    let mut groups: Vec<Group> = Vec::new();
    // The bin after the last group's.
    let mut start = 0;
    let mut open: Option<Group> = None;
    for (bin, &mass) in masses.iter().enumerate().filter(|(_, mass)| **mass > 0) {
        if stands_alone(bin, mass) {
            if let Some(mut group) = open.take() {
                // Reaches up to the value that stands alone.
                group.last = bin - 1;
                target.close();
                groups.push(group);
                start = bin;
            }
            groups.push(Group { first: start, last: bin });
            start = bin + 1;
            continue;
        }
        if let Some(group) = open
            && target.is_reached_before(mass)
        {
            groups.push(group);
            target.close();
            start = group.last + 1;
            open = None;
        }
        target.taken += mass;
        let first = open.map_or(start, |group| group.first);
        open = Some(Group { first, last: bin });
    }
    groups.extend(open);
    if let Some(group) = groups.last_mut() {
        group.last = grid.bins() - 1;
    }
    groups
}

/// Where the next group of equal mass should end.
#[derive(Debug)]
struct Target {
    share: f64,
    taken: u64,
    boundary: f64,
}

#[expect(clippy::cast_precision_loss, reason = "a cut needs no exact shares")]
impl Target {
    fn new(total: u64, groups: usize) -> Self {
        let share = total as f64 / groups as f64;
        Self { share, taken: 0, boundary: share }
    }

    /// Whether stopping before the next `mass` comes nearer to the boundary.
    fn is_reached_before(&self, mass: u64) -> bool {
        let (without, with) = (self.taken as f64, (self.taken + mass) as f64);
        with - self.boundary > self.boundary - without
    }

    /// A group ends here: the next one ends a share after the nearest multiple.
    fn close(&mut self) {
        self.boundary = ((self.taken as f64 / self.share).round() + 1.0) * self.share;
    }
}
