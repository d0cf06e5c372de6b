//! All alerts of one daemon.
//!
//! Promises: states follow from windows and, for rules over the daemon, from
//! what it knew of itself; a restart from a memory goes on as if there had been
//! none. No clock in here: the time is told.

use std::{collections::BTreeMap, sync::Arc};

use super::{
    instance::{Course, Instance, Key},
    memory::{AlertMemory, Streams},
    notification::{Alert, AlertStatus, Notification},
    observed::Observed,
    record::{AlertRecord, RecordState},
    rule::Rule,
    settings::AlertSettings,
    silence::{MOST_SILENCES, Silence, SilenceChange},
    stream::StreamAlerts,
    vitals::Vitals,
};
use crate::{event::EventTime, window::WindowSettings};

/// How long by the clock an alert that is over is kept for those who ask.
const KEPT_RESOLVED_MS: i64 = 15 * 60_000;
/// How many of them, at most.
const MOST_RESOLVED: usize = 500;
/// Between two looks at what is to be told.
const GROUPS_EVERY_MS: i64 = 1_000;

/// Rules, the states of their alerts, and what was told of them.
#[derive(Debug, Default)]
pub struct Alerts {
    pub(super) settings: Arc<AlertSettings>,
    size_ms: i64,
    slide_ms: i64,
    /// Beyond this event time without a window, a stream is over.
    lapse_ms: i64,
    pub(super) now: EventTime,
    groups_looked_at: EventTime,
    /// By model, end of the first window that waits to be explained.
    explained_from: BTreeMap<String, i64>,
    /// Whether it has gone on from a memory before.
    has_restored: bool,
    pub(super) memory: AlertMemory,
}

/// What a step gave.
#[derive(Debug, Default)]
pub struct AlertOutputs {
    /// Changes of alerts, in order.
    pub records: Vec<AlertRecord>,
    /// What is to be told.
    pub notifications: Vec<Notification>,
}

impl Alerts {
    /// Nothing has happened yet.
    #[must_use]
    pub fn new(settings: AlertSettings, windows: &WindowSettings) -> Self {
        let empty = i64::from(windows.max_empty_windows).saturating_add(2);
        Self {
            settings: Arc::new(settings),
            size_ms: windows.size_ms,
            slide_ms: windows.slide_ms,
            lapse_ms: empty.saturating_mul(windows.slide_ms).saturating_add(windows.size_ms),
            now: EventTime::default(),
            groups_looked_at: EventTime::default(),
            explained_from: BTreeMap::new(),
            has_restored: false,
            memory: AlertMemory::of_windows((windows.size_ms, windows.slide_ms)),
        }
    }

    /// The rules.
    #[must_use]
    pub fn rules(&self) -> &[Rule] {
        &self.settings.rules
    }

    /// What a restart needs.
    #[must_use]
    pub fn memory(&self) -> &AlertMemory {
        &self.memory
    }

    /// Forgets what follows from events. What the daemon knows of itself, and
    /// whom it has told of that, does not.
    pub fn restart(&mut self) {
        self.memory.forget_streams();
        self.memory.groups.retain(|(key, _)| key.model.is_none());
        self.memory.resolved.clear();
    }

    /// Goes on from a memory, which knows of the daemon itself and of silences
    /// what a process that has just begun does not know; later, this one knows
    /// better. Alerts of rules that are no more are over; so are those of windows
    /// of another length, if they do not fire again.
    pub fn restore(&mut self, memory: &AlertMemory, out: &mut AlertOutputs) {
        let own = std::mem::replace(&mut self.memory, memory.clone());
        if std::mem::replace(&mut self.has_restored, true) {
            self.memory.clock = own.clock;
            self.memory.silences = own.silences;
            self.memory.groups.retain(|(key, _)| key.model.is_some());
        } else {
            self.memory.clock.go_on_with(own.clock);
            self.memory.silences.retain(|silence| !own.silences.iter().any(|other| other.id == silence.id));
            self.memory.silences.extend(own.silences);
            self.memory.groups.retain(|(key, _)| !own.groups.iter().any(|(other, _)| other == key));
        }
        self.memory.groups.extend(own.groups.into_iter().filter(|(key, _)| key.model.is_none()));
        self.now = self.now.max(self.memory.now);
        self.memory.keep_windows_of((self.size_ms, self.slide_ms));
        self.memory.silences.truncate(MOST_SILENCES);
        let settings = Arc::clone(&self.settings);
        let is_gone = |name: &str| !settings.rules.iter().any(|rule| rule.name == name);
        let over = self.memory.take_out(is_gone);
        // What the rule said of them is known from what was told.
        let told: Vec<Alert> =
            self.memory.groups.iter().flat_map(|(_, group)| group.told_firing().cloned()).collect();
        for (key, instance) in over {
            let is_it = |alert: &&Alert| {
                alert.rule == key.rule && key.tags.iter().all(|(name, value)| alert.label(name) == value)
            };
            if let (Some(alert), Some(end)) = (told.iter().find(is_it), instance.current.last_end) {
                self.resolve(alert.clone(), EventTime(end), out);
            }
        }
    }

    /// Takes a window that was closed, or written again.
    pub fn window(&mut self, window: &dyn Observed, final_until: Option<i64>, out: &mut AlertOutputs) {
        let mut streams = std::mem::take(&mut self.memory.streams);
        self.take(&mut streams, window, final_until, out);
        self.memory.streams = streams;
    }

    /// Takes an explanation. Rules look at it as at a window of its own, since
    /// it comes when the window has been looked at.
    pub fn explanation(
        &mut self,
        explanation: &dyn Observed,
        final_until: Option<i64>,
        out: &mut AlertOutputs,
    ) {
        let mut explained = std::mem::take(&mut self.memory.explained);
        let until = self.explained_until(&explanation.stream().model, final_until);
        self.take(&mut explained, explanation, until, out);
        self.memory.explained = explained;
    }

    /// Takes what is said of an experiment. It is of all windows up to its end, but
    /// rules count it like a window, and its alerts are over when it has had none
    /// for long.
    pub fn experiment(
        &mut self,
        experiment: &dyn Observed,
        final_until: Option<i64>,
        out: &mut AlertOutputs,
    ) {
        let mut experiments = std::mem::take(&mut self.memory.experiments);
        self.take(&mut experiments, experiment, final_until, out);
        self.memory.experiments = experiments;
    }

    /// By model, explanations of windows that end at or after this are still to
    /// come.
    pub fn wait_for_explanations(&mut self, from: BTreeMap<String, i64>) {
        self.explained_from = from;
    }

    /// End of the last window of a model whose explanation will not be written
    /// again.
    fn explained_until(&self, model: &str, final_until: Option<i64>) -> Option<i64> {
        let before = self.explained_from.get(model).map_or(i64::MAX, |from| from.saturating_sub(1));
        final_until.map(|until| until.min(before))
    }

    fn take(
        &mut self,
        streams: &mut Streams,
        window: &dyn Observed,
        final_until: Option<i64>,
        out: &mut AlertOutputs,
    ) {
        if self.settings.rules.is_empty() {
            return;
        }
        let settings = Arc::clone(&self.settings);
        let course = Course { slide_ms: self.slide_ms, lapse_ms: self.lapse_ms, final_until };
        let of = window.stream();
        let place = streams.iter().position(|(key, _)| *key == *of).unwrap_or_else(|| {
            streams.push((of.into_owned(), StreamAlerts::default()));
            streams.len() - 1
        });
        let before = out.records.len();
        if let Some((_, stream)) = streams.get_mut(place) {
            stream.take(&settings.rules, window, course, &mut out.records);
        }
        for record in out.records.iter().skip(before) {
            self.memory.changed();
            self.remember(record);
        }
    }

    /// Takes what the daemon knows of itself.
    pub fn vitals(&mut self, vitals: &Vitals, out: &mut AlertOutputs) {
        let settings = Arc::clone(&self.settings);
        let before = out.records.len();
        self.memory.clock.take(&settings.rules, vitals, self.size_ms, &mut out.records);
        for record in out.records.iter().skip(before) {
            self.memory.changed();
            self.remember(record);
        }
    }

    /// Time has passed: streams may be over, groups may have to be told. No
    /// window that ends at or before `final_until` will come any more.
    pub fn tick(&mut self, now: EventTime, final_until: Option<i64>, out: &mut AlertOutputs) {
        (self.now, self.memory.now) = (now, now);
        let is_idle = self.memory.groups.is_empty() && self.memory.silences.is_empty();
        if self.settings.rules.is_empty() && is_idle {
            return;
        }
        self.end_streams(final_until, out);
        self.memory.silences.retain(|silence| silence.until > now);
        self.memory.resolved.retain(|(at, _)| at.plus_ms(KEPT_RESOLVED_MS) > now && *at <= now);
        let next = self.groups_looked_at.plus_ms(GROUPS_EVERY_MS);
        if !(self.groups_looked_at..next).contains(&now) {
            self.groups_looked_at = now;
            self.look_at_groups(out);
        }
    }

    /// Tells what is due before `until`, where no clock ticks in between: windows
    /// of files are further apart than notifications are.
    pub fn tell_until(&mut self, until: EventTime, final_until: Option<i64>, out: &mut AlertOutputs) {
        let due_at = |alerts: &Self| {
            alerts.memory.groups.iter().map(|(_, group)| group.due_at(&alerts.settings)).min()
        };
        while let Some(due) = due_at(self).filter(|due| self.now < *due && *due < until) {
            self.tick(due, final_until, out);
        }
    }

    /// The last event has been: tells what still waits for others of its group.
    pub fn finish(&mut self, final_until: Option<i64>, out: &mut AlertOutputs) {
        let until = self.now.plus_ms(self.settings.group_wait_ms.saturating_add(1));
        self.tell_until(until, final_until, out);
    }

    /// Adds or ends a silence. Nothing changes when there is no such one, or no
    /// room for another.
    pub fn silence(&mut self, change: &SilenceChange) {
        let silences = &mut self.memory.silences;
        let before = silences.len();
        let done = match change {
            SilenceChange::Add(silence) => {
                silences.retain(|other| other.id != silence.id);
                let has_room = silences.len() < MOST_SILENCES;
                if has_room {
                    silences.push(silence.clone());
                }
                has_room
            }
            SilenceChange::Remove(id) => {
                silences.retain(|silence| silence.id != *id);
                silences.len() < before
            }
        };
        if done {
            self.memory.changed();
        }
    }

    /// The silences.
    #[must_use]
    pub fn silences(&self) -> &[Silence] {
        &self.memory.silences
    }

    pub(super) fn instances(&self) -> impl Iterator<Item = (&Key, &Instance)> {
        self.memory.instances()
    }

    pub(super) fn rule(&self, name: &str) -> Option<&Rule> {
        self.settings.rules.iter().find(|rule| rule.name == name)
    }

    /// Keeps an alert that is over for those who ask.
    fn remember(&mut self, record: &AlertRecord) {
        if record.state != RecordState::Resolved {
            return;
        }
        let resolved = &mut self.memory.resolved;
        resolved.retain(|(_, alert)| alert.fingerprint != record.alert.fingerprint);
        resolved.push_back((self.now, record.alert.clone()));
        while resolved.len() > MOST_RESOLVED {
            resolved.pop_front();
        }
    }

    /// An alert is over though no window says so.
    fn resolve(&mut self, mut alert: Alert, at: EventTime, out: &mut AlertOutputs) {
        (alert.status, alert.ends_at) = (AlertStatus::Resolved, Some(at));
        let record = AlertRecord { at, state: RecordState::Resolved, alert };
        self.memory.changed();
        self.remember(&record);
        out.records.push(record);
    }

    /// Alerts of streams that have no more windows are over.
    fn end_streams(&mut self, final_until: Option<i64>, out: &mut AlertOutputs) {
        let mut memory = std::mem::take(&mut self.memory);
        let explained_until = |model: &str| self.explained_until(model, final_until);
        let over = memory.take_lapsed(final_until, explained_until, self.lapse_ms);
        self.memory = memory;
        if over.is_empty() {
            return;
        }
        let settings = Arc::clone(&self.settings);
        for (_, mut stream) in over {
            let at = EventTime(stream.last_end().or(final_until).unwrap_or_default());
            for (key, instance) in stream.take_out(|_| true) {
                let rule = settings.rules.iter().find(|rule| rule.name == key.rule);
                if let Some(rule) = rule.filter(|_| instance.current.phase.is_active()) {
                    self.resolve(instance.alert(&key, rule), at, out);
                }
            }
        }
    }
}
