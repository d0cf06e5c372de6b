//! Shares of single categories.

use super::{
    FALSE_ALARMS, Sides,
    normal::upper_normal_quantile,
    shares::{Minimum, ShareCounts},
    text::quoted,
};
use crate::{
    drift::pair::count_to_f64,
    profile::{CategoricalGrid, KNOWN_CATEGORIES},
    result::{Check, Finding, Verdict},
};

/// Part of the family's normal quantile below which a category is not worth a
/// closer look: where the score underrates most, at a category that vanishes,
/// it is 0.8 of what the exact test says.
const CLOSER_LOOK: f64 = 0.6;

/// The category with the most evidence for another share; if there is one whose
/// change matters, of those.
///
/// Every category with a bin of its own is tested, the frequent ones, too. The
/// noise range is the named category's at the false alarms over the number of
/// categories (Bonferroni). Where the reference has more categories than bins,
/// those with bins are a choice of the luckiest, so all that it may know count:
/// each single one's test is valid before the choice. The share of `other`
/// falls with each new category in any window, so it isn't tested.
pub(super) fn finding(sides: &Sides<'_>, grid: &CategoricalGrid) -> Finding {
    let check = Check::RareCategory;
    let (rows, reference_rows) = (sides.window.valid(), sides.reference().valid());
    if !sides.are_enough(rows) || reference_rows == 0 {
        return super::insufficient(check);
    }
    let other = sides.reference_bins.get(grid.other_code() as usize).copied().unwrap_or(0);
    let family = if other > 0 { KNOWN_CATEGORIES } else { grid.named().len().max(1) };
    let false_alarms = FALSE_ALARMS / count_to_f64(family as u64);
    let minimum =
        Minimum { ratio: sides.settings.min_ratio, difference: sides.settings.min_category_difference };

    let worth = CLOSER_LOOK * upper_normal_quantile(false_alarms / 2.0);
    let scale = Scale::new(reference_rows, rows, sides.deff);
    let (mut most, mut most_of_large) = (Candidate::default(), None::<Candidate>);
    for (index, (reference, window)) in sides.bins().take(grid.named().len()).enumerate() {
        let score = scale.squared_score(reference, window);
        let worthy = score >= worth * worth;
        if !worthy
            && (score <= most.evidence * most.evidence || most.evidence >= worth)
            && most.counts.is_some()
        {
            continue;
        }
        let counts = ShareCounts { reference, reference_rows, window, window_rows: rows, hidden: 0 };
        let evidence = if worthy { scale.likelihood(reference, window).max(worth) } else { score.sqrt() };
        let candidate = Candidate { index, evidence, counts: Some(counts) };
        if evidence > most.evidence || most.counts.is_none() {
            most = candidate;
        }
        let beaten = most_of_large.is_some_and(|large| large.evidence >= evidence);
        if worthy && !beaten && counts.is_large(&minimum) {
            most_of_large = Some(candidate);
        }
    }

    let judge = |candidate: &Candidate| {
        let counts = candidate.counts?;
        let mut finding = counts.judged(check, false_alarms, &minimum, sides.deff);
        if finding.verdict > Verdict::Stable {
            let name = grid.named().get(candidate.index).map(String::as_str).unwrap_or_default();
            finding.detail = format!("category {}: {}", quoted(name), counts.change());
        }
        Some(finding)
    };
    let large = most_of_large.and_then(|candidate| judge(&candidate));
    large
        .filter(|finding| finding.verdict == Verdict::Drifted)
        .or_else(|| judge(&most))
        .unwrap_or_else(|| super::insufficient(check))
}

/// One category and how much speaks for a change.
#[derive(Debug, Clone, Copy, Default)]
struct Candidate {
    index: usize,
    evidence: f64,
    counts: Option<ShareCounts>,
}

/// Both sample sizes, for quick statistics of one category.
#[derive(Debug, Clone, Copy)]
struct Scale {
    /// Part of all rows that are the window's.
    part: f64,
    rows: f64,
    deff: f64,
}

impl Scale {
    fn new(reference: u64, window: u64, deff: f64) -> Self {
        let (reference, window) = (count_to_f64(reference), count_to_f64(window));
        Self { part: window / (reference + window), rows: reference + window, deff }
    }

    /// The score statistic's square: that of the difference of the rates over
    /// its variance.
    fn squared_score(&self, reference: u64, window: u64) -> f64 {
        let (reference, window) = (count_to_f64(reference), count_to_f64(window));
        let total = reference + window;
        if total == 0.0 || total >= self.rows {
            return 0.0;
        }
        let expected = total * self.part;
        let variance = expected * (1.0 - self.part) * (1.0 - total / self.rows);
        (window - expected) * (window - expected) / (variance * self.deff)
    }

    /// The root of the likelihood ratio statistic, which stays near a normal
    /// variable's size for small counts, too.
    fn likelihood(&self, reference: u64, window: u64) -> f64 {
        let (reference, window) = (count_to_f64(reference), count_to_f64(window));
        let total = reference + window;
        let term =
            |count: f64, part: f64| if count > 0.0 { count * (count / (total * part)).ln() } else { 0.0 };
        let sum = term(window, self.part) + term(reference, 1.0 - self.part);
        (2.0 * sum.max(0.0) / self.deff).sqrt()
    }
}
