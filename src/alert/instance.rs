//! One rule on one series, such as one feature of one stream.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::{
    facts::Facts,
    notification::{Alert, AlertStatus, LABEL_RULE, LABEL_SEVERITY},
    rule::{Labels, Outcome, Rule},
    standing::{Change, Standing},
};
use crate::{
    event::EventTime,
    result::schema::{Row, TAG_BIN, TAG_WINDOW},
};

/// Missing windows are counted up to here: no rule waits for more.
const MOST_MISSING: i64 = 10_000;

/// How windows follow each other.
#[derive(Debug, Clone, Copy)]
pub(super) struct Course {
    /// From one window to the next.
    pub(super) slide_ms: i64,
    /// When no window follows one for longer than this, its alerts are over
    /// with it.
    pub(super) lapse_ms: i64,
    /// Windows that end at or before this can't change any more.
    pub(super) final_until: Option<i64>,
}

/// Which rule on which series.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) struct Key {
    /// The rule's name.
    pub(super) rule: String,
    /// What tells the series from others.
    pub(super) tags: Labels,
}

/// The length of windows is a setting, not a subject.
fn is_subject(tag: &str) -> bool {
    tag != TAG_WINDOW && tag != TAG_BIN
}

impl Key {
    pub(super) fn new(rule: &Rule, row: &Row<'_>) -> Self {
        let tags = row.tags.iter().filter(|(name, value)| is_subject(name) && !value.is_empty());
        let tags = tags.map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Self { rule: rule.name.clone(), tags }
    }

    /// Hash of the key of `rule` on the series of `row`.
    pub(super) fn hash_of(rule: &Rule, row: &Row<'_>) -> u64 {
        let subject = row.tags.iter().filter(|(name, _)| is_subject(name));
        let texts = subject.flat_map(|(name, value)| [*name, *value]);
        fnv([rule.name.as_str()].into_iter().chain(texts))
    }

    /// The labels of its alerts.
    pub(super) fn labels(&self, rule: &Rule) -> Labels {
        let mut labels = rule.labels.clone();
        labels.extend(self.tags.clone());
        labels.insert(LABEL_RULE.to_owned(), rule.name.clone());
        labels.insert(LABEL_SEVERITY.to_owned(), rule.severity.as_str().to_owned());
        labels
    }
}

/// What became of an alert in one window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Announcement {
    /// It changed with the window that ends then.
    Changed(i64, Change),
    /// What was said of that window does not hold any more.
    Withdrawn(i64),
}

/// Where it stands, with what may still change.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Instance {
    /// After the windows that can't change any more.
    settled: Standing,
    /// After all windows.
    pub(super) current: Standing,
    /// What later windows said, by their ends; those that are not here are
    /// clear.
    open: BTreeMap<i64, Outcome>,
    /// What was said of them, with a hash of the texts.
    announced: BTreeMap<i64, (Change, u64)>,
    /// What was so in the breaches among them, and in the last one before.
    facts: BTreeMap<i64, Facts>,
}

impl Instance {
    /// One that begins, with what other windows said that may still change.
    pub(super) fn beginning(others: impl Iterator<Item = (i64, Outcome)>) -> Self {
        let open = others.filter(|(_, outcome)| *outcome != Outcome::Clear).collect();
        Self { open, ..Self::default() }
    }

    /// Forgets what the window that ends at `end` said.
    pub(super) fn forget(&mut self, end: i64) {
        self.open.remove(&end);
        self.facts.remove(&end);
    }

    /// Takes what the window that ends at `end` says.
    pub(super) fn take(&mut self, end: i64, outcome: Outcome, facts: Option<Facts>) {
        if outcome != Outcome::Clear {
            self.open.insert(end, outcome);
        }
        if let Some(facts) = facts {
            // Only the last distribution is drawn.
            self.facts.range_mut(..end).for_each(|(_, earlier)| earlier.bins = Vec::new());
            self.facts.insert(end, facts);
        }
    }

    /// Works out where it stands after the windows with these `ends`; gives what
    /// is new since it was last asked.
    pub(super) fn refresh(&mut self, rule: &Rule, ends: &BTreeSet<i64>, course: Course) -> Vec<Announcement> {
        let mut changes: BTreeMap<i64, Change> = BTreeMap::new();
        let mut standing = self.settled;
        for &end in ends {
            let outcome = self.open.get(&end).copied().unwrap_or(Outcome::Clear);
            let step = step(standing, outcome, end, rule, course);
            changes.extend(step.lapsed.map(|last| (last, Change::Resolved)));
            changes.extend(step.change.map(|change| (end, change)));
            standing = step.standing;
        }
        self.current = standing;
        let mut news = Vec::new();
        for &end in self.announced.keys().filter(|end| !changes.contains_key(end)) {
            // What had lapsed with the window that it fired with goes on after all.
            let fires = self.settled.phase.is_active() && self.settled.since == Some(end);
            news.push(if fires {
                Announcement::Changed(end, Change::Fired)
            } else {
                Announcement::Withdrawn(end)
            });
        }
        let changes: BTreeMap<i64, (Change, u64)> =
            changes.into_iter().map(|(end, change)| (end, (change, self.texts_at(end)))).collect();
        let new = changes.iter().filter(|(end, change)| self.announced.get(end) != Some(change));
        news.extend(new.map(|(&end, &(change, _))| Announcement::Changed(end, change)));
        self.announced = changes;
        news
    }

    /// Takes the window that ends at `end` for good; windows before must have
    /// been.
    pub(super) fn settle(&mut self, rule: &Rule, end: i64, course: Course) {
        let outcome = self.open.remove(&end).unwrap_or(Outcome::Clear);
        self.settled = step(self.settled, outcome, end, rule, course).standing;
        self.announced.retain(|&at, _| at > end);
        let last = self.facts.range(..=end).next_back().map(|(&last, _)| last);
        self.facts.retain(|&at, _| at > end || Some(at) == last);
    }

    /// Whether there is nothing to remember.
    pub(super) fn is_idle(&self) -> bool {
        self.settled.is_idle() && self.current.is_idle() && self.open.is_empty() && self.announced.is_empty()
    }

    /// Hash of what is said of an alert that changes with the window that ends at
    /// `end`: a late event may change the value and not the alert.
    fn texts_at(&self, end: i64) -> u64 {
        let annotations = self.facts_at(end).map(|facts| &facts.annotations);
        let texts = annotations.into_iter().flatten().flat_map(|(name, text)| [name.as_str(), text.as_str()]);
        fnv(texts)
    }

    /// What was so in the last breach up to `end`.
    pub(super) fn facts_at(&self, end: i64) -> Option<&Facts> {
        self.facts.range(..=end).next_back().map(|(_, facts)| facts)
    }

    /// End of the window with which the alert fired that was on at `end`, or
    /// just over.
    pub(super) fn since_at(&self, end: i64) -> Option<i64> {
        let mut fired =
            self.announced.range(..=end).rev().filter(|(_, (change, _))| *change == Change::Fired);
        fired.next().map(|(&fired, _)| fired).or(self.settled.since)
    }

    /// The alert as receivers are told of it.
    pub(super) fn alert(&self, key: &Key, rule: &Rule) -> Alert {
        let labels = key.labels(rule);
        let facts = self.facts.values().next_back();
        Alert {
            fingerprint: fingerprint(&labels),
            rule: rule.name.clone(),
            severity: rule.severity,
            annotations: facts.map(|facts| facts.annotations.clone()).unwrap_or_default(),
            status: if self.current.phase.is_active() { AlertStatus::Firing } else { AlertStatus::Resolved },
            starts_at: EventTime(self.current.since.or(self.current.last_end).unwrap_or(0)),
            ends_at: None,
            window: facts.and_then(|facts| facts.window),
            weight: facts.map_or(0.0, |facts| facts.weight),
            bins: facts.map(|facts| facts.bins.clone()).unwrap_or_default(),
            labels,
        }
    }
}

/// What one window changed.
#[derive(Debug, Default)]
struct Step {
    standing: Standing,
    /// End of the window with which the alert was over because nothing followed
    /// it for so long.
    lapsed: Option<i64>,
    change: Option<Change>,
}

/// The standing after one window, and after those missing before it, which
/// change nothing by themselves.
fn step(mut before: Standing, outcome: Outcome, end: i64, rule: &Rule, course: Course) -> Step {
    let gap = before.last_end.map_or(0, |last| end.saturating_sub(last));
    let mut lapsed = None;
    if gap > course.lapse_ms {
        lapsed = before.last_end.filter(|_| before.phase.is_active());
        before = Standing { since: before.since, ..Standing::default() };
    }
    let missing =
        if before.last_end.is_some() { (gap / course.slide_ms.max(1)).saturating_sub(1) } else { 0 };
    let mut standing = before;
    for _ in 0..missing.min(MOST_MISSING) {
        let next = standing.after(Outcome::NoData, end, rule);
        if next == std::mem::replace(&mut standing, next) {
            break;
        }
    }
    standing = standing.after(outcome, end, rule);
    let (since, change) = match (before.phase.is_active(), standing.phase.is_active()) {
        (false, true) => (Some(end), Some(Change::Fired)),
        (true, false) => (before.since, Some(Change::Resolved)),
        _ => (before.since, None),
    };
    Step { standing: Standing { since, ..standing }, lapsed, change }
}

/// Of the labels in their order, as Prometheus makes it.
pub(super) fn fingerprint(labels: &Labels) -> String {
    let texts = labels.iter().flat_map(|(name, value)| [name.as_str(), value.as_str()]);
    format!("{:016x}", fnv(texts))
}

/// FNV-1a of texts, each with an end of its own.
fn fnv<'a>(texts: impl Iterator<Item = &'a str>) -> u64 {
    let bytes = texts.flat_map(|text| text.bytes().chain([0xff]));
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}
