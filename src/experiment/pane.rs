//! What one experiment counts in one window.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{
    quantiles::Histogram,
    settings::{Design, ExperimentSettings, MetricSettings, Statistic},
    sums::Sums,
    values::{Reading, steps},
};
use crate::{
    profile::{Cell, Counts},
    reference::{ColumnRole, Reference},
};

/// One window of one experiment.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Pane {
    pub(super) arms: Vec<ArmPane>,
    /// By challenger; shadows only.
    pub(super) pairs: Vec<PairPane>,
    /// What needs no label has been looked at.
    pub(super) is_looked_at: bool,
}

/// One arm in one window.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ArmPane {
    /// Predictions.
    pub(super) events: u64,
    /// Units seen for the first time, events where they name none: by the time from
    /// which on the split held that they were assigned by. Empty without splits.
    pub(super) exposed: BTreeMap<i64, u64>,
    /// Units seen for the first time.
    pub(super) units: u64,
    /// Predictions that can have a label.
    pub(super) labelable: u64,
    pub(super) labelled: u64,
    /// Labels and predictions that can have one, by the buckets of their units.
    pub(super) coverage: Sums,
    pub(super) metrics: Vec<MetricPane>,
    /// Predictions on the grids of the reference, by the places of its prediction
    /// columns, so that no event looks through all of them; empty while there is no
    /// reference.
    pub(super) columns: Vec<(usize, Counts)>,
}

/// One metric of one arm, or of pairs, in one window.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct MetricPane {
    pub(super) sums: Sums,
    /// Of quantiles only.
    pub(super) bins: Histogram,
    pub(super) invalid: u64,
    /// Events that do not carry what it is of.
    pub(super) absent: u64,
    /// Events without a value that can be used, and all, by the buckets of their units; of
    /// those that name one.
    pub(super) lacking: Sums,
    /// Values that are too large to be summed, or too small to be told from 0.
    pub(super) clamped: u64,
}

/// Answers of a challenger and the control to the same requests.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PairPane {
    /// By metric: control, challenger, and their difference.
    pub(super) metrics: Vec<PairMetric>,
    pub(super) agreement: Agreement,
}

/// One metric of pairs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PairMetric {
    pub(super) control: Sums,
    pub(super) challenger: Sums,
    pub(super) difference: Sums,
    /// Of rates, pairs in which the control, and the challenger, alone was positive.
    pub(super) alone: (u64, u64),
    /// Pairs with a label that can't be used.
    pub(super) invalid: u64,
    /// Values of pairs with a label that are too large or too small.
    pub(super) clamped: u64,
    /// Pairs of which the control's value can be used and the challenger's can't.
    pub(super) one_sided: u64,
}

/// How far two arms agree.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Agreement {
    pub(super) pairs: u64,
    /// Requests of the control without an answer in time; of windows that were looked
    /// at, since others may still be answered.
    pub(super) unanswered: u64,
    /// Pairs, and requests without an answer, of windows after that with the first answer:
    /// in that one the challenger may have begun half-way.
    pub(super) since_first: (u64, u64),
    /// Predictions: control and challenger.
    pub(super) scores: Sums,
    /// Pairs with classes, and those with different ones.
    pub(super) classes: (u64, u64),
}

impl Agreement {
    pub(super) fn new() -> Self {
        Self { pairs: 0, unanswered: 0, since_first: (0, 0), scores: Sums::new(2), classes: (0, 0) }
    }

    /// Takes a window in which the control has answered so many requests.
    pub(super) fn take(&mut self, other: &Self, requests: u64) {
        let unanswered = requests.saturating_sub(other.pairs);
        if self.pairs > 0 {
            self.since_first = (self.since_first.0 + other.pairs, self.since_first.1 + unanswered);
        }
        self.unanswered += unanswered;
        self.pairs += other.pairs;
        self.scores.merge(&other.scores);
        self.classes = (self.classes.0 + other.classes.0, self.classes.1 + other.classes.1);
    }
}

impl MetricPane {
    pub(super) fn new(metric: &MetricSettings) -> Self {
        Self {
            sums: Sums::new(steps(metric).len()),
            bins: Histogram::default(),
            invalid: 0,
            absent: 0,
            lacking: Sums::new(2),
            clamped: 0,
        }
    }

    pub(super) fn take(&mut self, metric: &MetricSettings, reading: Reading, bucket: Option<u8>) {
        if bucket.is_some() {
            self.lacking.add(&[i64::from(!matches!(reading, Reading::Values(_))), 1], bucket);
        }
        match reading {
            Reading::Absent => self.absent += 1,
            Reading::Invalid => self.invalid += 1,
            Reading::Values(channels) => {
                self.clamped += u64::from(reading.is_clamped());
                self.sums.add(channels.as_slice(), bucket);
                if matches!(metric.statistic, Statistic::Quantile(_))
                    && let Ok(bin) = i32::try_from(channels.first())
                {
                    self.bins.add(bin, bucket);
                }
            }
        }
    }
}

impl PairMetric {
    pub(super) fn new() -> Self {
        let sums = || Sums::new(1);
        Self {
            control: sums(),
            challenger: sums(),
            difference: sums(),
            alone: (0, 0),
            invalid: 0,
            clamped: 0,
            one_sided: 0,
        }
    }

    /// Takes what the two have said; nothing of a pair of which not both can be used.
    pub(super) fn take(&mut self, control: Option<i64>, challenger: Option<i64>, bucket: Option<u8>) {
        let Some((control, challenger)) = control.zip(challenger) else {
            self.one_sided += u64::from(control.is_some());
            return;
        };
        self.control.add(&[control], bucket);
        self.challenger.add(&[challenger], None);
        self.difference.add(&[challenger - control], bucket);
        self.alone.0 += u64::from(control == 1 && challenger == 0);
        self.alone.1 += u64::from(control == 0 && challenger == 1);
    }
}

impl Pane {
    pub(super) fn new(settings: &ExperimentSettings) -> Self {
        let arm = || ArmPane {
            events: 0,
            exposed: BTreeMap::new(),
            units: 0,
            labelable: 0,
            labelled: 0,
            coverage: Sums::new(2),
            metrics: settings.metrics.iter().map(MetricPane::new).collect(),
            columns: Vec::new(),
        };
        let pair = || PairPane {
            metrics: settings.metrics.iter().map(|_| PairMetric::new()).collect(),
            agreement: Agreement::new(),
        };
        let pairs = match settings.design {
            Design::Split => 0,
            Design::Shadow { .. } => settings.challengers().count(),
        };
        Self {
            arms: settings.arms.iter().map(|_| arm()).collect(),
            pairs: (0..pairs).map(|_| pair()).collect(),
            is_looked_at: false,
        }
    }

    /// Whether one that was read back is of these settings.
    pub(super) fn fits(&self, settings: &ExperimentSettings) -> bool {
        let of_arm = |arm: &ArmPane| {
            arm.coverage.fits(2)
                && arm.metrics.len() == settings.metrics.len()
                && arm
                    .metrics
                    .iter()
                    .zip(&settings.metrics)
                    .all(|(pane, metric)| pane.sums.fits(steps(metric).len()) && pane.lacking.fits(2))
        };
        let of_pair = |pair: &PairPane| {
            let is_one = |metric: &PairMetric| {
                [&metric.control, &metric.challenger, &metric.difference].iter().all(|sums| sums.fits(1))
            };
            pair.metrics.len() == settings.metrics.len()
                && pair.metrics.iter().all(is_one)
                && pair.agreement.scores.fits(2)
        };
        let empty = Self::new(settings);
        self.arms.len() == empty.arms.len()
            && self.pairs.len() == empty.pairs.len()
            && self.arms.iter().all(of_arm)
            && self.pairs.iter().all(of_pair)
    }

    /// Lets go of what no later look needs: only labels are still to come.
    pub(super) fn keep_labels(&mut self, settings: &ExperimentSettings) {
        self.is_looked_at = true;
        for arm in &mut self.arms {
            arm.columns.clear();
            arm.exposed.clear();
            let metrics = settings.metrics.iter().zip(&mut arm.metrics);
            metrics
                .filter(|(metric, _)| !metric.needs_label())
                .for_each(|(metric, pane)| *pane = MetricPane::new(metric));
        }
        for pair in &mut self.pairs {
            pair.agreement = Agreement::new();
        }
    }

    /// Leaves out distributions on grids that are not those of `reference`.
    pub(super) fn keep_columns_of(&mut self, reference: Option<&Reference>) {
        for arm in &mut self.arms {
            let fits = reference.is_some_and(|reference| {
                let columns: Vec<_> = prediction_columns(reference).collect();
                let is_of = |((place, counts), (index, column)): (&(usize, Counts), _)| {
                    let column: &crate::reference::Column = column;
                    *place == index && counts.fit(&column.grid)
                };
                arm.columns.len() == columns.len() && arm.columns.iter().zip(columns).all(is_of)
            });
            if !fits {
                arm.columns.clear();
            }
        }
    }
}

impl ArmPane {
    /// Counts a unit, or an event that names none, as assigned by the split that held
    /// from `split` on.
    pub(super) fn expose(&mut self, split: Option<i64>, is_unit: bool) {
        self.units += u64::from(is_unit);
        if let Some(split) = split {
            *self.exposed.entry(split).or_insert(0) += 1;
        }
    }

    /// Takes back a unit: it was seen in an earlier window.
    pub(super) fn unexpose(&mut self, split: Option<i64>) {
        self.units = self.units.saturating_sub(1);
        if let Some(count) = split.and_then(|split| self.exposed.get_mut(&split)) {
            *count = count.saturating_sub(1);
        }
    }

    /// Counts a prediction on the grids of the reference.
    pub(super) fn count_columns(&mut self, reference: &Reference, cells: &[Cell]) {
        if self.columns.is_empty() {
            let columns = prediction_columns(reference);
            self.columns = columns.map(|(place, column)| (place, Counts::new(&column.grid))).collect();
        }
        for (place, counts) in &mut self.columns {
            let cell = cells.get(*place).copied().unwrap_or(Cell::ABSENT);
            if let Some(column) = reference.columns.get(*place) {
                counts.add_cells(&column.grid, &[cell]);
            }
        }
    }
}

/// The columns of a reference that are predictions, with their places.
pub(super) fn prediction_columns(
    reference: &Reference,
) -> impl Iterator<Item = (usize, &crate::reference::Column)> {
    let columns = reference.columns.iter().enumerate();
    columns.filter(|(_, column)| column.role == ColumnRole::Prediction)
}
