//! Alerts that the clock drives: models that fall silent, the daemon itself.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use serde::{Deserialize, Serialize};

use super::{
    facts::Facts,
    instance::{Course, Instance, Key},
    notification::LABEL_MODEL,
    record::AlertRecord,
    rule::{Labels, Outcome, Rule, Test},
    stream::record,
    vitals::{EVERY_MS, MODEL, VitalRow, Vitals},
};

/// A look that comes later than this was not kept from coming by the daemon's
/// work: the process was stopped, and nobody listened.
const LONGEST_LOOK_MS: i64 = 4 * EVERY_MS;
/// Looks follow each other however they do.
const COURSE: Course = Course { slide_ms: i64::MAX, lapse_ms: i64::MAX, final_until: None };
/// Values of a counter that are kept.
const MOST_SAMPLES: usize = 2_000;

/// Values of one counter, by the clock.
type Samples = VecDeque<(i64, f64)>;

/// The alerts, and what their rules need to remember.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ClockAlerts {
    instances: Vec<(Key, Instance)>,
    /// How long each model has been silent while the daemon listened.
    silent_ms: BTreeMap<String, i64>,
    looked_at: Option<i64>,
    /// By field and series; a restart begins them anew.
    #[serde(skip)]
    counters: BTreeMap<(String, Labels), Samples>,
}

impl ClockAlerts {
    /// Those that are not inactive.
    pub(super) fn instances(&self) -> impl Iterator<Item = (&Key, &Instance)> {
        self.instances.iter().map(|(key, instance)| (key, instance))
    }

    /// Adds what was seen since these were kept.
    pub(super) fn go_on_with(&mut self, later: Self) {
        self.instances.retain(|(key, _)| !later.instances.iter().any(|(other, _)| other == key));
        self.instances.extend(later.instances);
        for (model, silent) in later.silent_ms {
            let before = self.silent_ms.entry(model).or_default();
            *before = before.saturating_add(silent);
        }
        self.looked_at = later.looked_at.or(self.looked_at);
        self.counters = later.counters;
    }

    /// Takes out what `is_over` says of its rule.
    pub(super) fn take_out(&mut self, is_over: impl Fn(&str) -> bool) -> Vec<(Key, Instance)> {
        let (out, kept) =
            std::mem::take(&mut self.instances).into_iter().partition(|(key, _)| is_over(&key.rule));
        self.instances = kept;
        out
    }

    /// Looks at the vitals.
    pub(super) fn take(
        &mut self,
        rules: &[Rule],
        vitals: &Vitals,
        size_ms: i64,
        records: &mut Vec<AlertRecord>,
    ) {
        let now = vitals.now.0;
        let silent = self.silent_rows(vitals, size_ms);
        self.looked_at = Some(now);
        let mut instances: BTreeMap<Key, Instance> =
            std::mem::take(&mut self.instances).into_iter().collect();
        let mut seen = BTreeSet::new();
        for row in vitals.rows.iter().chain(&silent) {
            for rule in rules {
                if !row.read(|row| rule.selects(row)) {
                    continue;
                }
                let Some(row) = self.as_asked(rule, row, now) else { continue };
                row.read(|row| {
                    let Some(outcome) = rule.outcome(row) else { return };
                    let key = Key::new(rule, row);
                    seen.insert(key.clone());
                    if outcome == Outcome::Breach {
                        let facts = Facts::new(rule, row, None);
                        instances.entry(key).or_default().take(now, outcome, Some(facts));
                    } else if let Some(instance) = instances.get_mut(&key) {
                        instance.take(now, outcome, None);
                    }
                });
            }
        }
        for (key, instance) in &mut instances {
            let Some(rule) = rules.iter().find(|rule| rule.name == key.rule) else { continue };
            // Nobody can say that a model is silent while nobody listens; of
            // anything else that is not there any more, nothing is wrong.
            if !seen.contains(key) && rule.measurement == MODEL && !vitals.is_reading {
                instance.take(now, Outcome::NoData, None);
            }
            for announcement in instance.refresh(rule, &BTreeSet::from([now]), COURSE) {
                records.push(record(announcement, key, instance, rule));
            }
            instance.settle(rule, now, COURSE);
        }
        self.instances = instances.into_iter().filter(|(_, instance)| !instance.is_idle()).collect();
        self.counters.retain(|_, samples| samples.back().is_some_and(|(at, _)| *at == now));
    }

    /// One row per model. Silence counts only while someone listens: an outage
    /// of the broker, or of the daemon, is not the model's.
    fn silent_rows(&mut self, vitals: &Vitals, size_ms: i64) -> Vec<VitalRow> {
        let passed = self.looked_at.map_or(0, |looked_at| vitals.now.0.saturating_sub(looked_at));
        let passed = passed.clamp(0, LONGEST_LOOK_MS);
        self.silent_ms.retain(|model, _| vitals.models.iter().any(|(name, _)| name == model));
        if !vitals.is_reading {
            return Vec::new();
        }
        let rows = vitals.models.iter().map(|(model, is_heard)| {
            let silent = self.silent_ms.entry(model.clone()).or_default();
            *silent = if *is_heard { 0 } else { silent.saturating_add(passed) };
            #[expect(clippy::cast_precision_loss, reason = "milliseconds of a silence")]
            let (silent, size) = (*silent as f64, size_ms.max(1) as f64);
            VitalRow {
                measurement: MODEL,
                tags: Labels::from([(LABEL_MODEL.to_owned(), model.clone())]),
                fields: vec![
                    ("silent_seconds".to_owned(), silent / 1_000.0),
                    ("silent_windows".to_owned(), silent / size),
                ],
            }
        });
        rows.collect()
    }

    /// The row as the rule asks for it: a counter's growth instead of its value.
    fn as_asked(&mut self, rule: &Rule, row: &VitalRow, now: i64) -> Option<VitalRow> {
        let (Some(over), Test::Field { name, .. }) = (rule.increase_over_ms, &rule.test) else {
            return Some(row.clone());
        };
        let value = row.fields.iter().find(|(field, _)| field == name).map(|(_, value)| *value)?;
        let samples = self.counters.entry((format!("{}/{name}", rule.name), row.tags.clone())).or_default();
        let growth = grow(samples, now, value, over);
        Some(VitalRow { fields: vec![(name.clone(), growth)], ..row.clone() })
    }
}

/// Adds a value of a counter; gives by how much it grew in the last `over_ms`. A
/// value below the one before means that it began again from 0.
fn grow(samples: &mut Samples, now: i64, value: f64, over_ms: i64) -> f64 {
    if samples.back().is_some_and(|(at, _)| *at >= now) {
        samples.pop_back();
    }
    samples.push_back((now, value));
    let from = now.saturating_sub(over_ms);
    while samples.len() > MOST_SAMPLES || samples.get(1).is_some_and(|(at, _)| *at <= from) {
        samples.pop_front();
    }
    let pairs = samples.iter().zip(samples.iter().skip(1));
    pairs.map(|((_, before), (_, after))| if after < before { *after } else { after - before }).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_counter_grows_within_its_time_and_over_restarts() {
        let mut samples = Samples::new();
        let grown = [(0, 5.0), (10, 7.0), (20, 7.0), (30, 2.0), (40, 3.0)]
            .map(|(at, value)| grow(&mut samples, at, value, 20));
        for (grown, expected) in grown.into_iter().zip([0.0, 2.0, 2.0, 2.0, 3.0]) {
            assert!((grown - expected).abs() < 1e-12, "{grown} {expected}");
        }
    }
}
