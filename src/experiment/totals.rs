//! What all windows of an experiment add up to, once nothing can change them.

use serde::{Deserialize, Serialize};

use super::{
    arm::ArmIndex,
    equal_rates::{EqualRates, Positives},
    evidence::keep_most,
    judge,
    metric::MetricState,
    pane::{Agreement, Pane},
    settings::{Design, ExperimentSettings},
    split_test,
    strata::{Shape, Strata},
    sums::Step,
};
use crate::result::ArmCounts;

/// Sums over windows.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Totals {
    /// Start of the first window.
    pub(super) began: Option<i64>,
    pub(super) arms: Vec<ArmTotals>,
    /// What was assigned to each arm, by the split that held.
    epochs: Vec<Epoch>,
    /// Largest logarithm of the evidence against the splits.
    pub(super) split: Option<f64>,
    /// By challenger, whether its predictions get labels as often as the control's.
    coverage: Vec<EqualRates>,
    /// How far labels of a unit go together.
    coverage_strata: Vec<Strata>,
    pub(super) labels: Option<f64>,
    /// By challenger and metric.
    pub(super) metrics: Vec<Vec<MetricState>>,
    /// By challenger; shadows only.
    pub(super) agreement: Vec<Agreement>,
    pub(super) left_out: LeftOut,
}

/// What was assigned while one split held. A split that is edited is another one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Epoch {
    from: i64,
    weights: Vec<f64>,
    counts: Vec<u64>,
}

impl Epoch {
    fn is_of(&self, (from, weights): (i64, &[f64])) -> bool {
        self.from == from && self.weights == weights
    }
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ArmTotals {
    pub(super) events: u64,
    pub(super) units: u64,
    matured: u64,
    pub(super) labelled: u64,
}

/// What was left out, by reason, and what was counted without its unit.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct LeftOut {
    /// Units seen in several arms, and their events since.
    pub(super) several_units: u64,
    pub(super) several_events: u64,
    /// Events of units that are not remembered; they are counted.
    pub(super) unknown_units: u64,
    /// Events of arms that are none of the experiment's.
    pub(super) other_arms: u64,
    /// Labels, and answers of shadows, that found no counterpart; predictions and labels
    /// without an id, and those that came twice.
    pub(super) unmatched: u64,
    /// What waited for its counterpart and had to make room.
    pub(super) crowded: u64,
    /// Events of windows that had been looked at, by arm; empty of none.
    late: Vec<u64>,
}

impl LeftOut {
    pub(super) fn note_late(&mut self, arm: ArmIndex) {
        self.add_late(arm.index(), 1);
    }

    pub(super) fn late_of(&self, arm: usize) -> u64 {
        self.late.get(arm).copied().unwrap_or(0)
    }

    pub(super) fn late(&self) -> u64 {
        self.late.iter().sum()
    }

    fn add_late(&mut self, arm: usize, count: u64) {
        if self.late.len() <= arm {
            self.late.resize(arm + 1, 0);
        }
        if let Some(late) = self.late.get_mut(arm) {
            *late += count;
        }
    }

    pub(super) fn add(&mut self, other: &Self) {
        self.several_units += other.several_units;
        self.several_events += other.several_events;
        self.unknown_units += other.unknown_units;
        self.other_arms += other.other_arms;
        self.unmatched += other.unmatched;
        self.crowded += other.crowded;
        other.late.iter().enumerate().for_each(|(arm, count)| self.add_late(arm, *count));
    }
}

impl Totals {
    pub(super) fn new(settings: &ExperimentSettings) -> Self {
        let challengers = settings.challengers().count();
        let metrics = || {
            let state = |metric| MetricState::new(settings, metric, judge::levels(settings, metric));
            settings.metrics.iter().map(state).collect()
        };
        let pairs = if settings.design == Design::Split { 0 } else { challengers };
        Self {
            began: None,
            arms: vec![ArmTotals::default(); settings.arms.len()],
            epochs: Vec::new(),
            split: None,
            coverage: vec![EqualRates::default(); challengers],
            coverage_strata: vec![Strata::new(Shape::Ratio, 0); challengers],
            labels: None,
            metrics: (0..challengers).map(|_| metrics()).collect(),
            agreement: vec![Agreement::new(); pairs],
            left_out: LeftOut::default(),
        }
    }

    /// Whether what was read back is of these settings.
    pub(super) fn fits(&self, settings: &ExperimentSettings) -> bool {
        let empty = Self::new(settings);
        let of_challenger = |metrics: &Vec<MetricState>| {
            metrics.len() == settings.metrics.len()
                && metrics
                    .iter()
                    .zip(&settings.metrics)
                    .all(|(state, metric)| state.fits(settings, metric, judge::levels(settings, metric)))
        };
        self.arms.len() == empty.arms.len()
            && self.epochs.iter().all(|epoch| {
                epoch.counts.len() == settings.arms.len()
                    && epoch.weights.len() == settings.arms.len()
                    && epoch.weights.iter().all(|weight| weight.is_finite() && *weight > 0.0)
            })
            && self.coverage_strata.len() == empty.coverage_strata.len()
            && self.coverage_strata.iter().all(|strata| strata.fits(Shape::Ratio, 0))
            && [self.split, self.labels].iter().all(|log| log.is_none_or(f64::is_finite))
            && self.coverage.len() == empty.coverage.len()
            && self.coverage.iter().all(EqualRates::is_plausible)
            && self.metrics.len() == empty.metrics.len()
            && self.metrics.iter().all(of_challenger)
            && self.agreement.len() == empty.agreement.len()
            && self.agreement.iter().all(|agreement| agreement.scores.fits(2))
    }

    /// Takes what needs no label of the window that starts at `start`.
    pub(super) fn take(&mut self, settings: &ExperimentSettings, start: i64, pane: &Pane) {
        self.began = Some(self.began.map_or(start, |began| began.min(start)));
        for (total, arm) in self.arms.iter_mut().zip(&pane.arms) {
            total.events += arm.events;
            total.units += arm.units;
        }
        for (index, arm) in pane.arms.iter().enumerate() {
            for (from, exposed) in &arm.exposed {
                if let Some(count) = self.epoch(settings, *from).and_then(|epoch| epoch.counts.get_mut(index))
                {
                    *count += exposed;
                }
            }
        }
        if !settings.splits.is_empty() {
            let log = self.split_evidence();
            keep_most(&mut self.split, log);
        }
        self.take_metrics(settings, pane, false);
        let requests = pane.arms.first().map_or(0, |control| control.labelable);
        for (total, pair) in self.agreement.iter_mut().zip(&pane.pairs) {
            total.take(&pair.agreement, requests);
        }
    }

    /// Takes what needs labels.
    pub(super) fn take_labelled(&mut self, settings: &ExperimentSettings, pane: &Pane) {
        for (total, arm) in self.arms.iter_mut().zip(&pane.arms) {
            total.matured += arm.labelable;
            total.labelled += arm.labelled;
        }
        if settings.design == Design::Split
            && let Some((control, challengers)) = pane.arms.split_first()
        {
            for (coverage, challenger) in self.coverage.iter_mut().zip(challengers) {
                coverage.add(Positives {
                    control: control.labelled,
                    challenger: challenger.labelled,
                    n_control: control.labelable,
                    n_challenger: challenger.labelable,
                });
            }
            for (strata, challenger) in self.coverage_strata.iter_mut().zip(challengers) {
                strata.take(&control.coverage, &challenger.coverage, &[Step::WHOLE; 2]);
            }
            // The largest of several is evidence of so many times less.
            #[expect(clippy::cast_precision_loss, reason = "a handful of challengers")]
            let several = (self.coverage.len().max(1) as f64).ln();
            let evidence = self.coverage.iter().zip(&self.coverage_strata);
            let evidence = evidence
                .filter_map(|(rates, strata)| Some(rates.log_e_value(strata.design_effect_of_shares()?)));
            if let Some(largest) = evidence.max_by(f64::total_cmp) {
                keep_most(&mut self.labels, largest - several);
            }
        }
        self.take_metrics(settings, pane, true);
    }

    fn take_metrics(&mut self, settings: &ExperimentSettings, pane: &Pane, labelled: bool) {
        let Some((control, challengers)) = pane.arms.split_first() else { return };
        let wanted = |index: &usize| {
            settings.metrics.get(*index).is_some_and(|metric| metric.needs_label() == labelled)
        };
        for (place, (states, challenger)) in self.metrics.iter_mut().zip(challengers).enumerate() {
            let pairs = pane.pairs.get(place);
            for (index, state) in states.iter_mut().enumerate().filter(|(index, _)| wanted(index)) {
                let (Some(metric), Some(mine), Some(theirs)) =
                    (settings.metrics.get(index), control.metrics.get(index), challenger.metrics.get(index))
                else {
                    continue;
                };
                match pairs.and_then(|pairs| pairs.metrics.get(index)) {
                    Some(pair) => state.take_pairs(pair, [mine, theirs]),
                    None => state.take(metric, mine, theirs),
                }
            }
        }
    }

    /// What was assigned by the split that holds from a time on.
    fn epoch(&mut self, settings: &ExperimentSettings, from: i64) -> Option<&mut Epoch> {
        let split = split_at(settings, from)?;
        let place = self.epochs.iter().position(|epoch| epoch.is_of(split));
        let place = place.unwrap_or_else(|| {
            let (from, weights) = split;
            let counts = vec![0; settings.arms.len()];
            self.epochs.push(Epoch { from, weights: weights.to_vec(), counts });
            self.epochs.len() - 1
        });
        self.epochs.get_mut(place)
    }

    fn split_evidence(&self) -> f64 {
        self.epochs.iter().map(|epoch| split_test::log_evidence(&epoch.counts, &epoch.weights)).sum()
    }

    /// What was counted of each arm.
    pub(super) fn arm_counts(&self, settings: &ExperimentSettings, time: i64) -> Vec<ArmCounts> {
        let split = split_at(settings, time);
        let epoch = split.and_then(|split| self.epochs.iter().find(|epoch| epoch.is_of(split)));
        let counts = epoch.map(|epoch| &epoch.counts);
        #[expect(clippy::cast_precision_loss, reason = "counts below 2^53")]
        let share_of = |index: usize| {
            let counts = counts?;
            let all: u64 = counts.iter().sum();
            (all > 0).then(|| counts.get(index).copied().unwrap_or(0) as f64 / all as f64)
        };
        let intended = |index: usize| {
            let (_, weights) = split?;
            Some(weights.get(index)? / weights.iter().sum::<f64>())
        };
        let has_units = self.arms.iter().any(|arm| arm.units > 0);
        let counted = settings.arms.iter().zip(&self.arms).enumerate();
        counted
            .map(|(index, (name, arm))| ArmCounts {
                arm: name.clone(),
                events: arm.events,
                units: has_units.then_some(arm.units),
                matured: arm.matured,
                labelled: arm.labelled,
                intended_share: intended(index),
                share: share_of(index),
            })
            .collect()
    }
}

/// The split that holds at a time, with when it began to.
pub(super) fn split_at(settings: &ExperimentSettings, time: i64) -> Option<(i64, &[f64])> {
    let from = |split: &super::settings::Split| split.from.map_or(i64::MIN, |from| from.0);
    let split = settings.splits.iter().rev().find(|split| from(split) <= time)?;
    Some((from(split), split.weights.as_slice()))
}
