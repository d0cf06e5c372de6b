//! From which window on a change is looked for.

use serde::{Deserialize, Serialize};

/// Starts whose number is a multiple of `2^TOP` live longest.
const TOP: u32 = 6;
/// A start of level `l` takes part in so many times `2^l` windows.
const LIVES: u64 = 4;

/// The rows since one window, which are compared with the reference together.
///
/// Window `t` begins a start of level `l`, the number of times that 2 divides
/// `t`, at most [`TOP`]. It lives for [`LIVES`] `2^l` windows, so that at most 16
/// are alive and a change that is `k` windows old, up to 256, always has one that
/// began at most two fifths of `k` after it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Start {
    /// Number of its first window, from 1.
    pub(super) first: u64,
    /// Rows since then, each divided by its window's design effect.
    pub(super) counts: Vec<f64>,
    /// Log evidence above the cap, given up for good.
    pub(super) given_up: f64,
    /// Log evidence that is left; 0 stands for none.
    pub(super) log_evidence: f64,
}

impl Start {
    pub(super) fn new(first: u64, bins: usize) -> Self {
        Self { first, counts: vec![0.0; bins], given_up: 0.0, log_evidence: 0.0 }
    }

    /// Whether window `now` still belongs to it.
    pub(super) fn lives(&self, now: u64) -> bool {
        self.windows(now) <= LIVES << self.level()
    }

    /// Whether one that was read back can be one of `windows` windows of so many
    /// bins.
    pub(super) fn fits(&self, bins: usize, windows: u64) -> bool {
        (1..=windows).contains(&self.first)
            && self.counts.len() == bins
            && self.counts.iter().all(|count| is_count(*count))
            && self.given_up.is_finite()
            && self.log_evidence.is_finite()
    }

    /// Windows from its first to `now`, both included.
    pub(super) fn windows(&self, now: u64) -> u64 {
        now.saturating_sub(self.first) + 1
    }

    /// Log evidence, with what was given up.
    pub(super) fn gross(&self) -> f64 {
        self.log_evidence + self.given_up
    }

    /// What it stakes: those that live longer, and are rarer, stake more, so
    /// that the first `t` windows never stake more than `t` together.
    pub(super) fn log_stake(&self) -> f64 {
        let period = 1_u32 << (self.level() + 1).min(TOP);
        (f64::from(period) / f64::from(TOP + 1)).ln()
    }

    fn level(&self) -> u32 {
        self.first.trailing_zeros().min(TOP)
    }
}

/// Whether this can be a number of rows.
pub(super) fn is_count(count: f64) -> bool {
    (0.0..=1e18).contains(&count)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn living(now: u64) -> Vec<Start> {
        (1..=now).map(|first| Start::new(first, 0)).filter(|start| start.lives(now)).collect()
    }

    #[test]
    fn the_first_windows_never_stake_more_than_their_number() {
        let mut staked = 0.0;
        for window in 1..=2_000_u32 {
            staked += Start::new(u64::from(window), 0).log_stake().exp();
            assert!(staked <= f64::from(window) + 1e-9, "{staked} after {window}");
        }
        // Nor much less, which would waste the budget.
        assert!(staked > 1_950.0, "{staked}");
    }

    #[test]
    fn a_change_of_any_age_has_a_start_soon_after_it() {
        for change in 1..=130_u64 {
            for age in 1..=256 {
                let now = change + age - 1;
                let first = living(now).into_iter().find(|start| start.first >= change);
                let late = first.expect("the newest is alive").first - change;
                assert!(5 * late <= 2 * age, "a change at {change}, {age} windows old, {late} late");
            }
        }
    }

    #[test]
    fn at_most_sixteen_are_alive() {
        assert_eq!((1..=1_000).map(|now| living(now).len()).max(), Some(16));
    }
}
