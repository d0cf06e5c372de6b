//! What distances between distributions do not see.
//!
//! Why: a missing value has no place on a histogram, a rate that doubles from
//! 0.2 % to 0.4 % moves a population stability index by 0.001, and a column in
//! another unit is one that drifted, for all that a distance can say. Each check
//! looks for one such thing and says what it found in words.
//!
//! Promises: all of it follows from two [`Counts`] on one grid, so it is the
//! same for any order of counting and merging. A window like the reference
//! leaves the noise range of a check at most about once in a thousand windows,
//! whatever the two sample sizes; docs/checks.md has the measured rates. No
//! number in a finding is NaN or infinite.
//!
//! Refuses: to judge from too little, which is [`Verdict::Insufficient`] and
//! never stable; and to call drift what is certain but too small to matter.

mod cardinality;
mod category;
mod constant;
mod empirical;
mod normal;
mod shares;
mod stuck;
mod text;
mod two_sample;
mod unit;
mod unit_names;
mod volume;

pub(crate) use normal::upper_normal_quantile;
pub use volume::volume_finding;

use super::pair::count_to_f64;
use crate::{
    profile::{Counts, Grid, NumericGrid},
    reference::Column,
    result::{Check, Finding, Verdict},
};
use two_sample::at_least_one;

/// How often a window like the reference leaves a check's noise range.
pub const FALSE_ALARMS: f64 = 0.001;

/// From when on something is said, and how large a change must be to matter.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CheckSettings {
    /// Rows, divided by the design effect, below which a window says nothing.
    pub min_events: u64,
    /// The ratio of two shares, or of two numbers of values, from which on a
    /// change is drift; at least 1.
    pub min_ratio: f64,
    /// The difference of two shares of missing, invalid, wrong-typed or unseen
    /// values from which on it is drift.
    pub min_difference: f64,
    /// The same for the share of one category.
    pub min_category_difference: f64,
    /// The part of the rows that a stuck value takes beyond its share.
    pub min_stuck_share: f64,
    /// The ratio of two numbers of events; at least 1.
    pub min_volume_ratio: f64,
}

impl Default for CheckSettings {
    fn default() -> Self {
        Self {
            min_events: 50,
            min_ratio: 1.5,
            min_difference: 0.001,
            min_category_difference: 0.0,
            min_stuck_share: 0.05,
            min_volume_ratio: 2.0,
        }
    }
}

/// Both sides of one column, as the checks see them.
struct Sides<'a> {
    column: &'a Column,
    reference: &'a Counts,
    window: &'a Counts,
    /// The bins of reference and window, in the grid's order.
    reference_bins: Vec<u64>,
    window_bins: Vec<u64>,
    settings: &'a CheckSettings,
    /// At least 1.
    deff: f64,
}

/// What a window says about one column, against its `reference` or that of a
/// segment, on the column's grid.
///
/// `deff` is the design effect: how many rows of the stream say as much as one
/// independent row; both sample sizes are divided by it.
///
/// The findings of a kind of column are always the same in the same order, so
/// that a window that is written again overwrites its points: missing, invalid,
/// type and unseen; then of numbers constant, stuck, unit and cardinality, of
/// categories rare category, constant and cardinality. Counts of another grid
/// are insufficient throughout. So are stuck and cardinality where the column is
/// constant or in another unit, which says why few bins hold all of it.
#[must_use]
pub fn column_checks(
    (column, reference): (&Column, &Counts),
    window: &Counts,
    settings: &CheckSettings,
    deff: f64,
) -> Vec<Finding> {
    let mut sides = Sides {
        column,
        reference,
        window,
        reference_bins: Vec::new(),
        window_bins: Vec::new(),
        settings,
        deff: at_least_one(deff),
    };
    reference.copy_bins(&mut sides.reference_bins);
    window.copy_bins(&mut sides.window_bins);
    let comparable = sides.reference_bins.len() == sides.window_bins.len();
    match &column.grid {
        _ if !comparable => checks_of(&column.grid).iter().map(|&check| insufficient(check)).collect(),
        Grid::Numeric(grid) => {
            let [missing, invalid, wrong_type, unseen] = shares::findings(&sides);
            let constant = constant::of_numbers(&sides, grid);
            let unit = unit::finding(&sides, grid);
            let [stuck, cardinality] = if constant.verdict.max(unit.verdict) < Verdict::Drifted {
                [stuck::finding(&sides, grid), cardinality::of_numbers(&sides, grid)]
            } else {
                [Check::Stuck, Check::Cardinality].map(insufficient)
            };
            vec![missing, invalid, wrong_type, unseen, constant, stuck, unit, cardinality]
        }
        Grid::Categorical(grid) => {
            let [missing, invalid, wrong_type, unseen] = shares::findings(&sides);
            let rare = category::finding(&sides, grid);
            let constant = constant::of_categories(&sides, grid);
            let cardinality = if constant.verdict < Verdict::Drifted {
                cardinality::of_categories(&sides, grid)
            } else {
                insufficient(Check::Cardinality)
            };
            vec![missing, invalid, wrong_type, unseen, rare, constant, cardinality]
        }
    }
}

/// The checks of a kind of column, in order.
fn checks_of(grid: &Grid) -> &'static [Check] {
    use Check::{Cardinality, Constant, Invalid, Missing, RareCategory, Stuck, Type, Unit, Unseen};
    match grid {
        Grid::Numeric(_) => &[Missing, Invalid, Type, Unseen, Constant, Stuck, Unit, Cardinality],
        Grid::Categorical(_) => &[Missing, Invalid, Type, Unseen, RareCategory, Constant, Cardinality],
    }
}

/// A finding that says that there is too little to tell.
fn insufficient(check: Check) -> Finding {
    Finding {
        check,
        verdict: Verdict::Insufficient,
        value: None,
        reference: None,
        noise_low: None,
        noise_high: None,
        effect: None,
        detail: String::new(),
    }
}

impl Sides<'_> {
    fn reference(&self) -> &Counts {
        self.reference
    }

    /// Whether so many rows of the window are enough to say something.
    fn are_enough(&self, rows: u64) -> bool {
        count_to_f64(rows) >= count_to_f64(self.settings.min_events.max(1)) * self.deff
    }

    /// The two bins' counts, in the grid's order.
    fn bins(&self) -> impl Iterator<Item = (u64, u64)> + '_ {
        self.reference_bins.iter().copied().zip(self.window_bins.iter().copied())
    }

    /// The bins inside the reference's range.
    fn inside(&self, grid: &NumericGrid) -> (&[u64], &[u64]) {
        let range = grid.inside();
        (
            self.reference_bins.get(range.clone()).unwrap_or_default(),
            self.window_bins.get(range).unwrap_or_default(),
        )
    }
}
