//! Shares of rows that have no place on a histogram.

use super::{
    FALSE_ALARMS, Sides,
    text::{percent, quoted_list},
    two_sample::TwoSample,
};
use crate::{
    drift::pair::{count_to_f64, share},
    profile::Grid,
    result::{Check, Finding, Verdict},
};

/// Names of unseen categories in a finding.
const NAMED: usize = 3;

/// How often something came in both samples.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ShareCounts {
    pub(super) reference: u64,
    pub(super) reference_rows: u64,
    pub(super) window: u64,
    pub(super) window_rows: u64,
    /// What the reference would have had, had it not made the grid: rows that
    /// count as the property for the noise range only.
    pub(super) hidden: u64,
}

/// How large a change must be to matter.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Minimum {
    pub(super) ratio: f64,
    pub(super) difference: f64,
}

/// Missing, invalid, wrong-typed and unseen values.
pub(super) fn findings(sides: &Sides<'_>) -> [Finding; 4] {
    let (reference, window) = (sides.reference(), sides.window);
    let rows = |reference_count, window_count| ShareCounts {
        reference: reference_count,
        reference_rows: reference.rows(),
        window: window_count,
        window_rows: window.rows(),
        hidden: 0,
    };
    let not_finite = |counts: &crate::profile::Counts| counts.invalid() - counts.wrong_type();
    [
        finding(sides, Check::Missing, &rows(reference.missing(), window.missing()), sides.deff),
        finding(sides, Check::Invalid, &rows(not_finite(reference), not_finite(window)), sides.deff),
        finding(sides, Check::Type, &rows(reference.wrong_type(), window.wrong_type()), sides.deff),
        unseen(sides),
    ]
}

/// Values that the reference never saw.
///
/// The reference made the grid, so none of its own values are unseen. Of
/// numbers, equally many values of a like sample lie beyond its two extremes as
/// beyond the two outermost of any others, as if one of its own were outside and
/// the test's usual one more. Of categories, see [`New`].
fn unseen(sides: &Sides<'_>) -> Finding {
    let (reference, window) = (sides.reference(), sides.window);
    let new = match &sides.column.grid {
        Grid::Numeric(_) => New { once: 1, twice: 0 },
        Grid::Categorical(grid) => New::of_categories(sides, grid.other_code() as usize),
    };
    let counts = ShareCounts {
        reference: reference.unseen(),
        reference_rows: reference.valid(),
        window: window.unseen(),
        window_rows: window.valid(),
        hidden: new.once,
    };
    let mut finding = finding(sides, Check::Unseen, &counts, new.deff(sides));
    // What is expected is a bound: fewer is as good as none.
    finding.noise_low = None;
    if finding.verdict > Verdict::Insufficient {
        let more = finding.value.zip(finding.noise_high).map(|(value, high)| value > high);
        match more {
            None => finding.verdict = Verdict::Insufficient,
            Some(false) => finding.verdict = Verdict::Stable,
            Some(true) => {}
        }
    }
    if finding.verdict <= Verdict::Stable {
        finding.detail.clear();
    }
    let names = window.unseen_names();
    if !finding.detail.is_empty() && !names.is_empty() {
        let names = quoted_list(names.iter().take(NAMED).map(|named| named.name.as_str()));
        finding.detail = format!("{}, most often {names}", finding.detail);
    }
    finding
}

/// Rows of the reference by which new values are foretold: those that are the
/// only one of their value, and the values that came twice.
///
/// Of `n` more rows about `n` times the share of the first kind has new values
/// (Good, *The Population Frequencies of Species*, 1953). The squared error of
/// that share has the numbers of both kinds, `f1 + 2 f2` instead of `f1` (for
/// Poisson counts, from the covariance of a value's coming once and not at all).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct New {
    pub(super) once: u64,
    pub(super) twice: u64,
}

impl New {
    /// Of categories. Which of those without a bin of their own, in bin `other`,
    /// came once is not known, so all their rows count.
    pub(super) fn of_categories(sides: &Sides<'_>, other: usize) -> Self {
        let mut new = Self::default();
        for &count in sides.reference_bins.iter().take(other) {
            new.once += u64::from(count == 1);
            new.twice += u64::from(count == 2);
        }
        new.once += sides.reference_bins.get(other).copied().unwrap_or(0);
        new
    }

    /// The design effect of new values: the variance of their number over that
    /// of the number of rows with a property.
    pub(super) fn deff(&self, sides: &Sides<'_>) -> f64 {
        let part = count_to_f64(sides.window.valid()) / count_to_f64(sides.reference().valid().max(1));
        let pairs = 2.0 * count_to_f64(self.twice) / count_to_f64(self.once.max(1));
        sides.deff * (1.0 + part * (1.0 + pairs)) / (1.0 + part)
    }
}

fn finding(sides: &Sides<'_>, check: Check, counts: &ShareCounts, deff: f64) -> Finding {
    let settings = sides.settings;
    let minimum = Minimum { ratio: settings.min_ratio, difference: settings.min_difference };
    if !sides.are_enough(counts.window_rows) {
        return Finding { verdict: Verdict::Insufficient, ..counts.plain(check) };
    }
    let mut finding = counts.judged(check, FALSE_ALARMS, &minimum, deff);
    if finding.verdict > Verdict::Stable {
        let of = if check == Check::Unseen { "values" } else { "rows" };
        finding.detail = format!("{} of the {of}", counts.change());
    }
    finding
}

impl ShareCounts {
    /// The finding without a judgement.
    pub(super) fn plain(&self, check: Check) -> Finding {
        Finding {
            value: (self.window_rows > 0).then(|| share(self.window, self.window_rows)),
            reference: (self.reference_rows > 0).then(|| share(self.reference, self.reference_rows)),
            effect: (self.window_rows > 0 && self.reference_rows > 0).then(|| self.ratio()),
            ..super::insufficient(check)
        }
    }

    /// The finding with noise range and verdict; insufficient when no count of
    /// the window would be outside.
    pub(super) fn judged(&self, check: Check, false_alarms: f64, minimum: &Minimum, deff: f64) -> Finding {
        let expected = (self.reference + self.hidden).min(self.reference_rows);
        let test = TwoSample::new(expected, self.reference_rows, self.window_rows, deff);
        let noise = test.noise(false_alarms / 2.0);
        let rows = count_to_f64(self.window_rows);
        let count = count_to_f64(self.window);
        let verdict = if noise.low.is_none() && noise.high.is_none() {
            Verdict::Insufficient
        } else if noise.high.is_none_or(|high| count <= high) && noise.low.is_none_or(|low| count >= low) {
            Verdict::Stable
        } else if self.is_large(minimum) {
            Verdict::Drifted
        } else {
            Verdict::Shifted
        };
        let as_share = |count: f64| count / rows;
        Finding {
            verdict,
            noise_low: noise.low.map(as_share),
            noise_high: noise.high.map(as_share),
            ..self.plain(check)
        }
    }

    /// Whether the change matters: the difference of the shares is large, and so
    /// is the ratio of the shares, or of what is left to 1 (70 % that become
    /// 90 % are three times fewer without).
    pub(super) fn is_large(&self, minimum: &Minimum) -> bool {
        let difference = share(self.window, self.window_rows) - share(self.reference, self.reference_rows);
        let rest = Self {
            reference: self.reference_rows - (self.reference + self.hidden).min(self.reference_rows),
            window: self.window_rows - self.window.min(self.window_rows),
            hidden: 0,
            ..*self
        };
        let ratio = larger_way(self.ratio()).max(larger_way(rest.ratio()));
        difference.abs() >= minimum.difference && ratio >= minimum.ratio
    }

    /// The window's share over the reference's, with half a row added to each
    /// count and one to each size (Walter, *The Distribution of Levin's Measure
    /// of Attributable Risk*, 1975), so that it is finite.
    pub(super) fn ratio(&self) -> f64 {
        let smoothed = |count: u64, rows: u64| (count_to_f64(count) + 0.5) / (count_to_f64(rows) + 1.0);
        let expected = (self.reference + self.hidden).min(self.reference_rows);
        smoothed(self.window, self.window_rows) / smoothed(expected, self.reference_rows)
    }

    /// The two shares for people.
    pub(super) fn change(&self) -> String {
        let reference = percent(share(self.reference, self.reference_rows));
        format!("{reference} → {}", percent(share(self.window, self.window_rows)))
    }
}

/// A ratio or its inverse, whichever is above 1.
pub(super) fn larger_way(ratio: f64) -> f64 {
    ratio.max(1.0 / ratio)
}
