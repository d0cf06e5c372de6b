//! What all windows of a replay said, counted while they pass.
//!
//! The rows of a replay are in order, so a window comes once and after those
//! before it; nothing is kept per window.

use std::collections::BTreeMap;

use super::{
    lines::{found, value, worst},
    several::{Said, said},
};
use crate::{
    event::EventTime,
    result::{
        Check, ComparedFeature, Evidence, FeatureResult, Finding, ScoreName, SegmentName, StreamKey, Verdict,
        WindowResult,
    },
};

/// Verdicts by how often they were given.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct VerdictCounts([u64; 4]);

/// All streams.
#[derive(Debug, Default)]
pub(in crate::cli) struct Tally {
    pub(super) streams: BTreeMap<StreamKey, StreamTally>,
}

/// The windows of one stream.
#[derive(Debug)]
pub(super) struct StreamTally {
    /// Length and slide.
    pub(super) window: String,
    pub(super) first: EventTime,
    pub(super) last: EventTime,
    /// Characters of a time that tell the begin of every window: of a date, of
    /// a date and minutes, or of a date and seconds.
    pub(super) time_width: usize,
    pub(super) events: u64,
    /// The worst verdict of each window.
    pub(super) verdicts: VerdictCounts,
    /// What checks of whole windows found.
    pub(super) checks: BTreeMap<Check, CheckTally>,
    /// What was said about several features at a time, by comparison.
    pub(super) several: Vec<SeveralTally>,
    pub(super) columns: BTreeMap<ColumnKey, ColumnTally>,
    /// The further references, in the order of the configuration.
    pub(super) references: Vec<String>,
}

/// A column of all rows, or of one segment.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct ColumnKey {
    pub(super) segment: Option<SegmentName>,
    pub(super) column: String,
}

/// What the windows said about one column.
#[derive(Debug, Default)]
pub(super) struct ColumnTally {
    /// Place in the model's reference.
    pub(super) place: usize,
    pub(super) verdicts: VerdictCounts,
    /// Alarms that began.
    pub(super) alarms: u64,
    pub(super) first_alarm: Option<EventTime>,
    /// Since when there is an alarm; none when there is none at the end.
    pub(super) alarm_since: Option<EventTime>,
    pub(super) largest: Option<Effect>,
    pub(super) checks: BTreeMap<Check, CheckTally>,
    /// Verdicts beside each further reference.
    pub(super) compared: BTreeMap<String, VerdictCounts>,
}

/// What one comparison of several features at a time said.
#[derive(Debug)]
pub(super) struct SeveralTally {
    /// Windows that it found shifted or drifted, and the first of them.
    pub(super) windows: u64,
    pub(super) first: EventTime,
    /// The one with the worst verdict and the largest effect.
    pub(super) worst: Said,
    pub(super) worst_at: EventTime,
}

/// An effect and the start of its window.
#[derive(Debug, Clone, Copy)]
pub(super) struct Effect {
    pub(super) size: f64,
    pub(super) score: ScoreName,
    pub(super) at: EventTime,
}

/// What one check found.
#[derive(Debug)]
pub(super) struct CheckTally {
    /// Windows in which it found something.
    pub(super) windows: u64,
    pub(super) first: EventTime,
    pub(super) worst: Finding,
    pub(super) worst_at: EventTime,
}

impl VerdictCounts {
    fn add(&mut self, verdict: Verdict) {
        let counts = Verdict::ALL.into_iter().zip(&mut self.0);
        counts.filter(|(of, _)| *of == verdict).for_each(|(_, count)| *count += 1);
    }

    pub(super) fn of(self, verdict: Verdict) -> u64 {
        Verdict::ALL.into_iter().zip(self.0).filter(|(of, _)| *of == verdict).map(|(_, count)| count).sum()
    }

    pub(super) fn total(self) -> u64 {
        self.0.iter().sum()
    }

    /// Windows that are not like the reference.
    pub(super) fn moved(self) -> u64 {
        self.of(Verdict::Shifted) + self.of(Verdict::Drifted)
    }
}

impl Tally {
    /// Takes a window.
    pub(in crate::cli) fn add(&mut self, window: &WindowResult) {
        let stream = self.streams.entry(window.stream.clone()).or_insert_with(|| StreamTally::new(window));
        stream.add(window);
    }

    /// Since when a column of a stream is in alarm.
    pub(super) fn alarm_since(&self, stream: &StreamKey, column: &str) -> Option<EventTime> {
        let key = ColumnKey { segment: None, column: column.to_owned() };
        self.streams.get(stream)?.columns.get(&key)?.alarm_since
    }
}

impl StreamTally {
    fn new(window: &WindowResult) -> Self {
        Self {
            window: window.window.clone(),
            first: window.start,
            last: window.start,
            time_width: 0,
            events: 0,
            verdicts: VerdictCounts::default(),
            checks: BTreeMap::new(),
            several: Vec::new(),
            columns: BTreeMap::new(),
            references: Vec::new(),
        }
    }

    fn add(&mut self, window: &WindowResult) {
        let at = window.start;
        self.first = self.first.min(at);
        self.last = self.last.max(at);
        self.time_width = self.time_width.max(time_width(at));
        self.events += window.events;
        self.verdicts.add(worst(window));
        add_findings(&mut self.checks, &window.quality, at);
        let several = window.several.iter().flat_map(said).filter(|said| said.verdict >= Verdict::Shifted);
        several.for_each(|said| self.add_several(said, at));
        for (place, column) in window.features.iter().enumerate() {
            self.column(None, &column.feature, place).add(column, at);
        }
        for segment in &window.segments {
            let name = SegmentName { feature: segment.feature.clone(), value: segment.value.clone() };
            for (place, column) in segment.features.iter().enumerate() {
                self.column(Some(&name), &column.feature, place).add(column, at);
            }
        }
        for evidence in &window.evidence {
            self.column(evidence.segment.as_ref(), &evidence.feature, usize::MAX).add_evidence(evidence, at);
        }
        for comparison in &window.comparisons {
            if !self.references.contains(&comparison.reference) {
                self.references.push(comparison.reference.clone());
            }
            for ComparedFeature { feature, verdict, .. } in &comparison.features {
                let column = self.column(None, feature, usize::MAX);
                column.compared.entry(comparison.reference.clone()).or_default().add(*verdict);
            }
        }
    }

    fn add_several(&mut self, said: Said, at: EventTime) {
        let index = self.several.iter().position(|tally| tally.worst.name == said.name);
        if let Some(tally) = index.and_then(|index| self.several.get_mut(index)) {
            tally.windows += 1;
            let order = said.verdict.cmp(&tally.worst.verdict);
            if order.then_with(|| said.effect.total_cmp(&tally.worst.effect)).is_gt() {
                (tally.worst, tally.worst_at) = (said, at);
            }
        } else {
            self.several.push(SeveralTally { windows: 1, first: at, worst: said, worst_at: at });
        }
    }

    /// The tally of a column; `place` is for one that is met the first time.
    fn column(&mut self, segment: Option<&SegmentName>, name: &str, place: usize) -> &mut ColumnTally {
        let key = ColumnKey { segment: segment.cloned(), column: name.to_owned() };
        self.columns.entry(key).or_insert_with(|| ColumnTally { place, ..ColumnTally::default() })
    }
}

impl ColumnTally {
    fn add(&mut self, column: &FeatureResult, at: EventTime) {
        self.verdicts.add(column.verdict);
        add_findings(&mut self.checks, &column.quality, at);
        if let Some(effect) = column.effect.filter(|_| value(column).is_some())
            && self.largest.is_none_or(|largest| largest.size < effect)
        {
            self.largest = Some(Effect { size: effect, score: column.score, at });
        }
    }

    fn add_evidence(&mut self, evidence: &Evidence, at: EventTime) {
        if !evidence.alarm {
            self.alarm_since = None;
        } else if self.alarm_since.is_none() {
            self.alarm_since = Some(at);
            self.alarms += 1;
            self.first_alarm = self.first_alarm.or(Some(at));
        }
    }

    /// Windows in which checks found what matters.
    pub(super) fn found(&self) -> u64 {
        self.checks.values().map(|check| check.windows).max().unwrap_or(0)
    }

    /// Whether anything was ever said that asks for attention.
    pub(super) fn is_quiet(&self) -> bool {
        self.alarms == 0 && self.verdicts.moved() == 0 && self.checks.is_empty()
    }
}

/// Characters that `2026-01-31 12:00:00` needs of its time.
fn time_width(time: EventTime) -> usize {
    match time.0 {
        ms if ms.rem_euclid(86_400_000) == 0 => "2026-01-31".len(),
        ms if ms.rem_euclid(60_000) == 0 => "2026-01-31 12:00".len(),
        _ => "2026-01-31 12:00:00".len(),
    }
}

fn add_findings(checks: &mut BTreeMap<Check, CheckTally>, findings: &[Finding], at: EventTime) {
    for finding in found(findings) {
        let tally = checks.entry(finding.check).or_insert_with(|| CheckTally {
            windows: 0,
            first: at,
            worst: finding.clone(),
            worst_at: at,
        });
        tally.windows += 1;
        let order = finding.verdict.cmp(&tally.worst.verdict);
        if order.then_with(|| size(finding).total_cmp(&size(&tally.worst))).is_gt() {
            tally.worst = finding.clone();
            tally.worst_at = at;
        }
    }
}

/// How large a finding's effect is: most are ratios, of which a tenth is as
/// large as ten.
fn size(finding: &Finding) -> f64 {
    match finding.effect {
        Some(ratio) if ratio > 0.0 => ratio.ln().abs(),
        Some(other) => other.abs(),
        None => 0.0,
    }
}
