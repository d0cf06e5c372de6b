//! What is said about a model's windows.
//!
//! Holds what is worked out once per reference and column, such as noise points
//! by window size; all of it follows from the reference and the settings, so a
//! snapshot needs none of it.

use std::f64::consts::LN_10;

use super::{
    basis::{Basis, Series},
    memory::CutCounts,
    pane::{Pane, empty_counts},
};
use crate::{
    drift::{
        ColumnJudge, CountPair, Scorer, checks,
        moving::{MovingReference, Past, PastCounts, Season},
        population_stability_index,
        sequential::{Detector, alarms, log_bar},
    },
    event::EventTime,
    multivariate,
    profile::Counts,
    reference::{Column, DesignEffect},
    result::{
        ComparedFeature, Comparison, Evidence, FeatureResult, Finding, MultivariateResult, SegmentName,
        SegmentResult, Verdict,
    },
};

/// The judge of one model.
#[derive(Debug)]
pub(super) struct Judge {
    scorer: Scorer,
    columns: Vec<ColumnJudge>,
    /// By segment and column.
    segments: Vec<Vec<ColumnJudge>>,
    several: Option<multivariate::Judge>,
}

impl Judge {
    pub(super) fn new(basis: &Basis) -> Self {
        let reference = &basis.reference;
        let judge = |(index, (column, counts)): (usize, (&Column, &Counts))| {
            ColumnJudge::new(column, counts, basis.design_effect(index))
        };
        let own = reference.columns.iter().map(|column| (column, &column.counts));
        let of_segment =
            |counts: &[Counts]| reference.columns.iter().zip(counts).enumerate().map(judge).collect();
        let settings = multivariate::Settings { window_rows: basis.drift.sample_rows, ..Default::default() };
        Self {
            scorer: Scorer::default(),
            columns: own.enumerate().map(judge).collect(),
            segments: reference.segments.iter().map(|segment| of_segment(&segment.counts)).collect(),
            several: reference
                .sample
                .as_ref()
                .filter(|_| basis.drift.sample_rows > 0)
                .and_then(|sample| multivariate::Judge::new(reference, sample, settings)),
        }
    }

    /// What a window says about every column.
    pub(super) fn features(&mut self, basis: &Basis, window: &Pane, min_events: u64) -> Vec<FeatureResult> {
        let columns = basis.reference.columns.iter().zip(&mut self.columns).zip(&window.counts);
        columns
            .map(|((column, judge), counts)| {
                judge.judge(&mut self.scorer, (column, &column.counts), counts, (&basis.drift, min_events))
            })
            .collect()
    }

    /// What a window says about every segment.
    pub(super) fn segments(&mut self, basis: &Basis, window: &Pane, min_events: u64) -> Vec<SegmentResult> {
        let mut results = Vec::new();
        let known = basis.reference.segments.iter().zip(&mut self.segments).zip(&window.segments);
        for ((segment, judges), part) in known {
            let empty = if part.is_none() { empty_counts(&basis.reference) } else { Vec::new() };
            let counts = part.as_ref().map_or(&empty, |part| &part.counts);
            let columns = basis.reference.columns.iter().zip(&segment.counts).zip(judges).zip(counts);
            let features = columns.map(|(((column, reference), judge), counts)| {
                judge.judge(&mut self.scorer, (column, reference), counts, (&basis.drift, min_events))
            });
            results.push(SegmentResult {
                feature: segment.feature.clone(),
                value: segment.value.clone(),
                events: part.as_ref().map_or(0, |part| part.events),
                features: features.collect(),
            });
        }
        results
    }

    /// The window beside the further references of the configuration.
    pub(super) fn comparisons(
        &mut self,
        basis: &Basis,
        past: &Past,
        end: i64,
        (window, min_events): (&CutCounts, u64),
    ) -> Vec<Comparison> {
        let references = basis.drift.compare_with.iter();
        references
            .map(|reference| {
                let earlier = past.counts(reference, EventTime(end));
                let features =
                    self.compared(basis, (past, reference, earlier.as_ref()), end, (window, min_events));
                Comparison { reference: reference.name(), detail: detail(earlier.as_ref()), features }
            })
            .collect()
    }

    fn compared(
        &mut self,
        basis: &Basis,
        (past, reference, earlier): (&Past, &MovingReference, Option<&PastCounts>),
        end: i64,
        (window, min_events): (&CutCounts, u64),
    ) -> Vec<ComparedFeature> {
        let effects = earlier
            .map(|earlier| past.design_effects(reference, earlier, EventTime(end)))
            .unwrap_or_default();
        let columns = basis.reference.columns.iter().zip(&mut self.columns).zip(&window.columns).enumerate();
        columns
            .map(|(index, ((column, judge), counts))| {
                let before = earlier.and_then(|earlier| earlier.counts.get(index));
                let before = before.map_or(&[][..], Vec::as_slice);
                let season = earlier.map_or(Season::None, |earlier| earlier.season);
                let own = effects.get(index).copied().flatten();
                let effect = DesignEffect::of_past(own, basis.effect_at(index, season));
                let enough = |counts: &[u64]| counts.iter().sum::<u64>() >= min_events;
                let pair = CountPair::new(before, counts).filter(|_| enough(before) && enough(counts));
                let (verdict, against) = judge.compare(pair.as_ref(), effect, &basis.drift);
                ComparedFeature {
                    feature: column.name.clone(),
                    verdict,
                    reference_n: before.iter().sum(),
                    psi: against.map(|against| against.psi),
                    noise: against.map(|against| against.noise),
                    effect: against.map(|against| against.effect),
                }
            })
            .collect()
    }

    /// What the window's rows say about several columns at a time.
    pub(super) fn several(&self, basis: &Basis, window: &Pane) -> Option<MultivariateResult> {
        let judge = self.several.as_ref()?;
        // Of a larger sample, kept for explanations, it looks at so many rows.
        let rows = window.sample.len().min(basis.drift.sample_rows);
        let effect = basis.sample_effect(window.events, rows as u64);
        Some(judge.judge_dependent(&window.sample, effect))
    }
}

/// Whether a window has as many events as earlier ones.
pub(super) fn volume(past: &Past, end: i64, events: u64) -> Finding {
    let comparable = past.comparable_volumes(EventTime(end));
    checks::volume_finding(&comparable, events, &checks::CheckSettings::default())
}

/// What a further reference is made of.
fn detail(earlier: Option<&PastCounts>) -> String {
    match earlier {
        None => "there are no such windows yet".to_owned(),
        Some(PastCounts { windows, season: Season::HourOfDay, .. }) => {
            format!("{windows} windows at the same hour of other days, since there is no full week yet")
        }
        Some(PastCounts { windows: 1, .. }) => "1 window".to_owned(),
        Some(PastCounts { windows, .. }) => format!("{windows} windows"),
    }
}

/// What the windows so far say about every column, and about every column of
/// every segment, when they may give `rate` false alarms in one window.
pub(super) fn evidence(basis: &Basis, detectors: &[Detector], rate: f64) -> Vec<Evidence> {
    let logs: Vec<f64> = detectors.iter().map(Detector::log_evidence).collect();
    let threshold = log_bar(logs.len(), rate) / LN_10;
    let alarms = alarms(&logs, rate);
    let columns = &basis.reference.columns;
    let whole = columns.iter().map(|column| (column, None));
    let parts = basis.reference.segments.iter().flat_map(|segment| {
        let name = SegmentName { feature: segment.feature.clone(), value: segment.value.clone() };
        columns.iter().map(move |column| (column, Some(name.clone())))
    });
    let series = basis.series.iter().zip(detectors).zip(logs.iter().zip(alarms));
    whole
        .chain(parts)
        .zip(series)
        .map(|((column, segment), ((series, detector), (log, alarm)))| {
            let effect = pooled_effect(detector, series);
            let verdict = match (detector.windows(), alarm) {
                (0, _) => Verdict::Insufficient,
                (_, false) => Verdict::Stable,
                _ if effect.is_some_and(|effect| effect >= basis.drift.minimum_effects.psi) => {
                    Verdict::Drifted
                }
                _ => Verdict::Shifted,
            };
            Evidence {
                feature: column.name.clone(),
                segment,
                log10: log / LN_10,
                threshold,
                alarm,
                effect,
                verdict,
                windows: detector.windows(),
            }
        })
        .collect()
}

/// The population stability index of the recent windows together, less what
/// noise adds to it on average.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "rows of a few windows, divided by a design effect"
)]
fn pooled_effect(detector: &Detector, series: &Series) -> Option<f64> {
    // The detector divided rows by it; as many as there were have no fractions.
    let effect = series.design_effect(1);
    let pooled = detector.pooled()?.counts.iter().map(|count| (count * effect).round() as u64);
    let pooled: Vec<u64> = pooled.collect();
    let pair = CountPair::new(&series.counts, &pooled)?;
    let bins = pair.bins().filter(|bin| !bin.is_empty()).count();
    #[expect(clippy::cast_precision_loss, reason = "counts of rows")]
    let unit = effect / pair.reference_total() as f64 + effect / pair.window_total() as f64;
    #[expect(clippy::cast_precision_loss, reason = "bins are few")]
    let noise = unit * bins.saturating_sub(1) as f64;
    Some((population_stability_index(&pair) - noise).max(0.0))
}
