//! The alerts of one stream of windows.
//!
//! Promises: what fires follows from the stream's windows in order of their
//! ends, in whatever order and however often they came.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::{
    facts::Facts,
    instance::{Announcement, Course, Instance, Key},
    notification::AlertStatus,
    observed::Observed,
    record::{AlertRecord, RecordState},
    rule::{NoData, Outcome, Rule},
};
use crate::{event::EventTime, result::schema::Row};

/// The alerts of one stream, by rule and series, and its windows.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct StreamAlerts {
    /// Ends of the windows that may still change.
    ends: BTreeSet<i64>,
    /// End of the last window that can't.
    settled_until: Option<i64>,
    /// What they said of series without an instance.
    said: BTreeMap<i64, Said>,
    instances: Vec<(Key, Instance)>,
}

/// What a window said of every series, by its hash. A late event may begin an
/// alert before this window, which then has to be known. What is not here is no
/// data, and a breach has an instance.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Said {
    clear: Vec<u64>,
    between: Vec<u64>,
    insufficient: Vec<u64>,
}

impl Said {
    fn note(&mut self, rule: &Rule, row: &Row<'_>, outcome: Outcome) {
        let list = match outcome {
            Outcome::Clear => &mut self.clear,
            Outcome::Between => &mut self.between,
            Outcome::Insufficient => &mut self.insufficient,
            Outcome::Breach | Outcome::NoData => return,
        };
        list.push(Key::hash_of(rule, row));
    }

    fn sorted(mut self) -> Self {
        for list in [&mut self.clear, &mut self.between, &mut self.insufficient] {
            list.sort_unstable();
        }
        self
    }

    fn of(&self, hash: u64) -> Outcome {
        let has = |list: &[u64]| list.binary_search(&hash).is_ok();
        if has(&self.clear) {
            Outcome::Clear
        } else if has(&self.between) {
            Outcome::Between
        } else if has(&self.insufficient) {
            Outcome::Insufficient
        } else {
            Outcome::NoData
        }
    }
}

impl StreamAlerts {
    /// What the window that ends at `end` said of a series without an instance.
    fn outcome_of(&self, end: i64, rule: &Rule, row: &Row<'_>) -> Outcome {
        let said = self.said.get(&end);
        said.map_or(Outcome::NoData, |said| said.of(Key::hash_of(rule, row)))
    }

    /// End of the last window.
    pub(super) fn last_end(&self) -> Option<i64> {
        self.ends.last().copied().or(self.settled_until)
    }

    /// Those that are not inactive, or were a moment ago.
    pub(super) fn instances(&self) -> impl Iterator<Item = (&Key, &Instance)> {
        self.instances.iter().map(|(key, instance)| (key, instance))
    }

    /// Takes a window, or what has become of it.
    pub(super) fn take(
        &mut self,
        rules: &[Rule],
        window: &dyn Observed,
        course: Course,
        news: &mut Vec<AlertRecord>,
    ) {
        let end = window.times().1.0;
        if self.settled_until >= Some(end) {
            return;
        }
        self.ends.insert(end);
        let mut instances: BTreeMap<Key, Instance> =
            std::mem::take(&mut self.instances).into_iter().collect();
        for instance in instances.values_mut() {
            instance.forget(end);
        }
        let mut said = Said::default();
        let mut seen = BTreeSet::new();
        window.rows(&mut |row| {
            for rule in rules.iter().filter(|rule| rule.selects(&row)) {
                let Some(outcome) = outcome(rule, &row, window) else { continue };
                said.note(rule, &row, outcome);
                let begins = outcome == Outcome::Breach || counts_as_breach(rule, outcome);
                if !begins && instances.is_empty() {
                    continue;
                }
                let key = Key::new(rule, &row);
                if begins && !instances.contains_key(&key) {
                    let others = self.ends.iter().filter(|&&other| other != end);
                    let earlier = others.map(|&other| (other, self.outcome_of(other, rule, &row)));
                    instances.insert(key.clone(), Instance::beginning(earlier));
                }
                if let Some(instance) = instances.get_mut(&key) {
                    let facts = begins.then(|| Facts::new(rule, &row, Some(window)));
                    instance.take(end, outcome, facts);
                    seen.insert(key);
                }
            }
        });
        self.said.insert(end, said.sorted());
        // Nothing is said of it in this window.
        for (_, instance) in instances.iter_mut().filter(|(key, _)| !seen.contains(key)) {
            instance.take(end, Outcome::NoData, None);
        }
        for (key, instance) in &mut instances {
            let Some(rule) = rules.iter().find(|rule| rule.name == key.rule) else { continue };
            for announcement in instance.refresh(rule, &self.ends, course) {
                news.push(record(announcement, key, instance, rule));
            }
        }
        self.settle(rules, &mut instances, course);
        self.instances = instances.into_iter().filter(|(_, instance)| !instance.is_idle()).collect();
    }

    fn settle(&mut self, rules: &[Rule], instances: &mut BTreeMap<Key, Instance>, course: Course) {
        while let Some(&end) = self.ends.first()
            && course.final_until >= Some(end)
        {
            self.ends.remove(&end);
            self.said.remove(&end);
            self.settled_until = Some(end);
            for (key, instance) in instances.iter_mut() {
                if let Some(rule) = rules.iter().find(|rule| rule.name == key.rule) {
                    instance.settle(rule, end, course);
                }
            }
        }
    }

    /// Takes out what `is_over` says of its rule.
    pub(super) fn take_out(&mut self, is_over: impl Fn(&str) -> bool) -> Vec<(Key, Instance)> {
        let (out, kept) =
            std::mem::take(&mut self.instances).into_iter().partition(|(key, _)| is_over(&key.rule));
        self.instances = kept;
        out
    }
}

/// What is written down of a change.
pub(super) fn record(announcement: Announcement, key: &Key, instance: &Instance, rule: &Rule) -> AlertRecord {
    let (end, state) = match announcement {
        Announcement::Changed(end, change) => (end, RecordState::from(change)),
        Announcement::Withdrawn(end) => (end, RecordState::Withdrawn),
    };
    let mut alert = instance.alert(key, rule);
    alert.starts_at = EventTime(instance.since_at(end).unwrap_or(end));
    if state == RecordState::Firing {
        alert.status = AlertStatus::Firing;
    } else {
        (alert.status, alert.ends_at) = (AlertStatus::Resolved, Some(EventTime(end)));
    }
    if let Some(facts) = instance.facts_at(end) {
        alert.annotations.clone_from(&facts.annotations);
        alert.window = facts.window;
        alert.bins.clone_from(&facts.bins);
    }
    AlertRecord { at: EventTime(end), state, alert }
}

fn counts_as_breach(rule: &Rule, outcome: Outcome) -> bool {
    outcome == Outcome::NoData && rule.no_data == NoData::Fire
}

/// What a row of `window` says.
fn outcome(rule: &Rule, row: &Row<'_>, window: &dyn Observed) -> Option<Outcome> {
    if window.has_no_data(row) { Some(Outcome::NoData) } else { rule.outcome(row) }
}
