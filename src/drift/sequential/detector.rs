//! The evidence of one series.

use serde::{Deserialize, Serialize};

use super::{
    alternative::{Alternatives, log_sum_exp},
    history::History,
    plausible::Plausible,
    start::Start,
};
use crate::drift::pair::{CountPair, count_to_f64};

/// A start holds at most so much log evidence above the bar. The more, the
/// longer an alarm outlives its drift; the less, the more often a weak drift's
/// alarm is interrupted.
const MARGIN: f64 = 3.0;
/// A window whose log evidence comes so near to the bar is not taken for one
/// without drift.
const SUSPICION: f64 = 3.0;
/// Starts that live at once: more come from no detector.
const MOST_STARTS: usize = 32;
/// So many windows of a second are nine million years.
pub(super) const MOST_WINDOWS: u64 = 1 << 48;
/// Windows that are pooled, at least, where nothing speaks of a change.
const POOLED: u64 = 4;

/// Evidence that a series no longer looks like its reference.
///
/// State of a few kilobytes: counts of the bins for each of at most 16 starts,
/// and two sums. It is a function of the calls of [`Detector::update`] alone and
/// is restored to the bit by serde.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Detector {
    windows: u64,
    reference: Vec<u64>,
    starts: Vec<Start>,
    history: History,
    log_evidence: f64,
}

/// The rows of several windows together.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Pooled<'a> {
    /// Windows that were pooled: the last so many.
    pub windows: u64,
    /// Rows per bin, each window's divided by its design effect.
    pub counts: &'a [f64],
}

impl Detector {
    /// No window seen.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes the next closed window, once each and in order.
    ///
    /// `reference` and `window` are counts on the same few bins (a cut, at best
    /// 5 to 25). `deff` is the design effect: how many rows carry the information
    /// of one (Kish, "Survey Sampling", 1965), at least 1 and known before the
    /// window; the reference's rows are discounted likewise. `log_bar` is the
    /// evidence that the series would need on its own ([`log_bar`]); evidence far
    /// above it is given up, so that an alarm ends soon after its drift.
    ///
    /// Without a value on one side, or with different numbers of bins, nothing
    /// happens. Another number of bins than before begins everything anew,
    /// another reference only the history.
    ///
    /// [`log_bar`]: super::log_bar
    pub fn update(&mut self, reference: &[u64], window: &[u64], deff: f64, log_bar: f64) {
        let Some(pair) = CountPair::new(reference, window) else { return };
        // `max` also takes 1 for what is not a number.
        let deff = deff.max(1.0).min(count_to_f64(pair.window_total()));
        let log_bar = log_bar.max(0.0);
        self.take_reference(reference);
        self.windows += 1;
        self.starts.retain(|start| start.lives(self.windows));
        self.starts.push(Start::new(self.windows, window.len()));

        let rows = discounted(window, deff);
        let mut judge = Judge::new(discounted(reference, deff), self.history.baseline());
        for start in &mut self.starts {
            start.counts.iter_mut().zip(&rows).for_each(|(sum, count)| *sum += count);
            let gross = judge.log_evidence(&start.counts);
            start.given_up = start.given_up.max(gross + start.log_stake() - log_bar - MARGIN);
            start.log_evidence = (gross - start.given_up).max(0.0);
        }
        self.forget_before_the_change();
        let holding = self.starts.iter().filter(|start| start.log_evidence > 0.0);
        self.log_evidence = log_sum_exp(holding.map(|start| start.log_evidence + start.log_stake())).max(0.0);
        if self.log_evidence >= log_bar - SUSPICION {
            self.history.suspect();
        } else {
            self.history.add(&rows);
        }
    }

    /// Whether a detector that was read back can go on with windows of so many
    /// bins.
    #[must_use]
    pub fn fits(&self, bins: usize) -> bool {
        let is_new = self.windows == 0 && self.starts.is_empty();
        let fits = self.reference.len() == bins
            && self.starts.len() <= MOST_STARTS
            && self.starts.iter().all(|start| start.fits(bins, self.windows));
        self.windows <= MOST_WINDOWS
            && (is_new || fits)
            && self.history.fits(bins)
            && self.log_evidence.is_finite()
    }

    /// Natural logarithm of the evidence, never below 0, which is none, nor above
    /// the bar by more than about 6; what [`alarms`](super::alarms) takes.
    #[must_use]
    pub fn log_evidence(&self) -> f64 {
        self.log_evidence
    }

    /// Windows taken since the bins are what they are.
    #[must_use]
    pub fn windows(&self) -> u64 {
        self.windows
    }

    /// The last windows together, so that an effect can be told from more rows
    /// than a small window has: those since the start with the most evidence,
    /// which is where a change most likely began, or, without evidence, four to
    /// eight. `None` before the first window.
    #[must_use]
    pub fn pooled(&self) -> Option<Pooled<'_>> {
        let held = self.starts.iter().filter(|start| start.log_evidence > 0.0);
        let start = held.max_by(|a, b| a.gross().total_cmp(&b.gross())).or_else(|| {
            let long = self.starts.iter().rev().find(|start| start.windows(self.windows) >= POOLED);
            long.or(self.starts.first())
        })?;
        Some(Pooled { windows: start.windows(self.windows), counts: &start.counts })
    }

    fn take_reference(&mut self, reference: &[u64]) {
        if self.reference == reference {
            return;
        }
        if self.reference.len() != reference.len() {
            *self = Self::default();
        }
        self.history = History::default();
        self.reference = reference.to_vec();
    }

    /// Once the evidence is beyond doubt, starts from before the one that has
    /// the most are of no use: the rows that they have from before the change
    /// would keep them from noticing its end.
    fn forget_before_the_change(&mut self) {
        let ranked = self.starts.iter().enumerate();
        let best = ranked.max_by(|(_, a), (_, b)| a.gross().total_cmp(&b.gross()));
        if let Some((index, start)) = best
            && start.given_up > 0.0
        {
            self.starts.drain(..index);
        }
    }
}

/// What one window's starts are judged by.
struct Judge {
    reference: Vec<f64>,
    plausible: Vec<Plausible>,
    /// Made when first needed: mostly the rows challenge nothing.
    alternatives: Option<Alternatives>,
}

impl Judge {
    fn new(reference: Vec<f64>, baseline: Option<&[f64]>) -> Self {
        let mut plausible = vec![Plausible::new(&reference)];
        plausible.extend(baseline.map(|rows| {
            let both: Vec<f64> =
                reference.iter().zip(rows).map(|(reference, rows)| reference + rows).collect();
            Plausible::new(&both)
        }));
        Self { reference, plausible, alternatives: None }
    }

    /// Log of `Q(X)` over the least of the sets' greatest likelihoods; 0 for
    /// whatever is below.
    fn log_evidence(&mut self, counts: &[f64]) -> f64 {
        let total: f64 = counts.iter().sum();
        let challenged = self.plausible.iter().filter(|set| !set.is_unchallenged(counts, total));
        let mut challenged = challenged.peekable();
        if challenged.peek().is_none() {
            return 0.0;
        }
        let alternatives = self.alternatives.get_or_insert_with(|| Alternatives::new(&self.reference));
        let alternative = alternatives.log_likelihood(counts, total);
        // Where the set's own centre explains the rows better, the set does.
        let bounds = challenged
            .filter(|set| alternative > set.log_likelihood(counts))
            .map(|set| set.log_likelihood_bound(counts, total));
        (alternative - bounds.fold(f64::INFINITY, f64::min)).max(0.0)
    }
}

fn discounted(counts: &[u64], deff: f64) -> Vec<f64> {
    counts.iter().map(|&count| count_to_f64(count) / deff).collect()
}
