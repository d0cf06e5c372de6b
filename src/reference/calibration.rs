//! How far the reference's own windows stray from the rest of it.
//!
//! Why: what a window of a real stream differs by without any drift can be seen
//! in the reference, if it has event times. Every window is held against the
//! rest of the reference, which does not contain it: compared with a whole that
//! contains it, it would look nearer than a new window can be.
//!
//! Refuses to measure on fewer than [`FEWEST_WINDOWS`] windows: then there is no
//! design effect, and whoever asks must say that rows are taken for independent.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{
    ReferenceError,
    scatter::{DesignEffect, Ratio, Roots, degrees, ratio},
};

/// Windows below which nothing is said about how they scatter.
pub const FEWEST_WINDOWS: usize = 8;
/// Windows that a calibration looks at, at most: the latest.
pub const MOST_WINDOWS: usize = 4_096;
/// Windows of the same hour that are needed to hold one against the others.
const FEWEST_OF_AN_HOUR: usize = 3;
/// Milliseconds of a day.
pub(crate) const DAY_MS: i64 = 86_400_000;
/// Milliseconds of a week.
pub(crate) const WEEK_MS: i64 = 7 * DAY_MS;

/// Design effects of every column, measured on the reference's own windows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Calibration {
    /// Length of the windows. The effects hold for windows of this length.
    pub window_ms: i64,
    /// Windows with rows.
    pub windows: u32,
    /// One entry per column of the reference, in its order.
    pub columns: Vec<ColumnCalibration>,
}

/// Design effects of one column; `None` where there are too few windows, or
/// nothing that varies.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ColumnCalibration {
    /// Of a window against all others: for the fixed reference.
    pub fixed: Option<DesignEffect>,
    /// Of a window against the others of its hour of the week.
    pub hour_of_week: Option<DesignEffect>,
    /// Of a window against the others of its hour of the day.
    pub hour_of_day: Option<DesignEffect>,
}

/// The hour that windows have in common with those that they are compared with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Season {
    /// None in particular.
    None,
    /// The same hour of the week.
    HourOfWeek,
    /// The same hour of the day, on other days of the week.
    HourOfDay,
}

impl ColumnCalibration {
    /// What is known about windows that are compared with those of the same
    /// hour; without a season, or where too few windows share an hour, what is
    /// known about windows against all others.
    #[must_use]
    pub fn of_season(&self, season: Season) -> Option<DesignEffect> {
        match season {
            Season::None => self.fixed,
            Season::HourOfWeek => self.hour_of_week.or(self.fixed),
            Season::HourOfDay => self.hour_of_day.or(self.fixed),
        }
    }
}

/// Which of the reference's windows the rows belong to.
#[derive(Debug)]
pub(super) struct RowWindows {
    window_ms: i64,
    /// Numbers of the windows with rows, counted from 1970, ascending.
    numbers: Vec<i64>,
    /// For every row the place of its window in `numbers`; beyond the end for
    /// rows of windows that are left out.
    of_row: Vec<u32>,
}

impl RowWindows {
    /// `None` when there are too few windows.
    pub(super) fn new(times: &[i64], window_ms: i64) -> Option<Self> {
        let number = |time: &i64| time.checked_div_euclid(window_ms);
        let mut numbers: Vec<i64> = times.iter().filter_map(number).collect();
        numbers.sort_unstable();
        numbers.dedup();
        numbers.drain(..numbers.len().saturating_sub(MOST_WINDOWS));
        let place = |time| number(time).and_then(|number| numbers.binary_search(&number).ok());
        let of_row = times
            .iter()
            .map(|time| place(time).and_then(|place| u32::try_from(place).ok()).unwrap_or(u32::MAX))
            .collect();
        (numbers.len() >= FEWEST_WINDOWS).then_some(Self { window_ms, numbers, of_row })
    }

    /// Windows with rows.
    pub(super) fn len(&self) -> u32 {
        u32::try_from(self.numbers.len()).unwrap_or(u32::MAX)
    }

    /// Counts of one column by window: rows of `bins` numbers each, from the row
    /// and the bin of every value.
    fn count(&self, bins: usize, values: impl Iterator<Item = (usize, usize)>) -> Vec<u64> {
        let mut counts = vec![0; self.numbers.len() * bins];
        for (row, bin) in values {
            let window = self.of_row.get(row).map_or(usize::MAX, |&window| window as usize);
            if let Some(count) = window.checked_mul(bins).and_then(|start| counts.get_mut(start + bin)) {
                *count += 1;
            }
        }
        counts
    }

    /// The calibration of a column whose values lie in these bins of its cut.
    pub(super) fn calibrate(
        &self,
        bins: usize,
        values: impl Iterator<Item = (usize, usize)>,
    ) -> ColumnCalibration {
        let counts = self.count(bins, values);
        ColumnCalibration {
            fixed: self.effect(bins, &counts, |_| Some(0), FEWEST_WINDOWS),
            hour_of_week: self.effect(bins, &counts, |number| self.slot(number, WEEK_MS), FEWEST_OF_AN_HOUR),
            hour_of_day: self.effect(bins, &counts, |number| self.slot(number, DAY_MS), FEWEST_OF_AN_HOUR),
        }
    }

    /// Place of a window within a period; `None` where windows don't divide it.
    fn slot(&self, number: i64, period_ms: i64) -> Option<i64> {
        let per_period = period_ms / self.window_ms;
        (period_ms % self.window_ms == 0).then(|| number.rem_euclid(per_period))
    }

    /// Holds every window against the others of its slot.
    fn effect(
        &self,
        bins: usize,
        counts: &[u64],
        slot: impl Fn(i64) -> Option<i64>,
        fewest: usize,
    ) -> Option<DesignEffect> {
        let mut slots: BTreeMap<i64, Vec<&[u64]>> = BTreeMap::new();
        for (&number, window) in self.numbers.iter().zip(counts.chunks_exact(bins.max(1))) {
            if window.iter().any(|&count| count > 0) {
                slots.entry(slot(number)?).or_default().push(window);
            }
        }
        let mut scatter = Scatter::new(bins);
        for windows in slots.values().filter(|windows| windows.len() >= fewest) {
            scatter.take(windows);
        }
        scatter.finish()
    }
}

/// Ratios of windows against the others of their slots.
struct Scatter {
    bins: usize,
    ratios: Vec<Ratio>,
    /// Ratios that are free: in every slot the last follows from the others.
    free: f64,
    largest: u64,
    total: Vec<u64>,
}

impl Scatter {
    fn new(bins: usize) -> Self {
        Self { bins, ratios: Vec::new(), free: 0.0, largest: 0, total: vec![0; bins] }
    }

    fn take(&mut self, windows: &[&[u64]]) {
        let mut together = vec![0; self.bins];
        for window in windows {
            add(&mut together, window);
        }
        add(&mut self.total, &together);
        let before = self.ratios.len();
        for window in windows {
            let others: Vec<u64> = together.iter().zip(*window).map(|(all, own)| all - own).collect();
            if let Some(ratio) = ratio(window, &others) {
                self.ratios.push(ratio);
                self.largest = self.largest.max(window.iter().sum());
            }
        }
        #[expect(clippy::cast_precision_loss, reason = "at most MOST_WINDOWS")]
        let measured = (self.ratios.len() - before) as f64;
        self.free += (measured - 1.0).max(0.0);
    }

    fn finish(self) -> Option<DesignEffect> {
        if self.ratios.len() < FEWEST_WINDOWS {
            return None;
        }
        let degrees = degrees(&self.total)?;
        let roots = |of: fn(&Ratio) -> f64| -> Vec<f64> {
            self.ratios.iter().map(|ratio| of(ratio).cbrt()).collect()
        };
        #[expect(clippy::cast_precision_loss, reason = "at most MOST_WINDOWS")]
        let mean = self.ratios.iter().map(|ratio| ratio.shares).sum::<f64>() / self.ratios.len() as f64;
        Some(DesignEffect {
            windows: u32::try_from(self.ratios.len()).unwrap_or(u32::MAX),
            largest: self.largest,
            mean,
            shares: Roots::of(&roots(|ratio| ratio.shares), self.free).design_effect(degrees.shares),
            cumulative: Roots::of(&roots(|ratio| ratio.cumulative), self.free)
                .design_effect(degrees.cumulative),
        })
    }
}

fn add(sum: &mut [u64], counts: &[u64]) {
    sum.iter_mut().zip(counts).for_each(|(sum, count)| *sum += count);
}

impl Calibration {
    /// What contradicts itself, in a calibration that was read.
    pub(super) fn check(&self, columns: usize) -> Result<(), ReferenceError> {
        let effects =
            self.columns.iter().flat_map(|column| [column.fixed, column.hour_of_week, column.hour_of_day]);
        let problem = if self.window_ms <= 0 {
            "its windows have no length"
        } else if self.columns.len() != columns {
            "it is about another number of columns"
        } else if effects.flatten().any(|effect| !effect.is_possible()) {
            "a design effect is no number from 1"
        } else {
            return Ok(());
        };
        Err(ReferenceError::Calibration(problem))
    }
}
