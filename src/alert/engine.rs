//! All alerts of one daemon.
//!
//! Promises: states follow from windows and, for rules over the daemon, from
//! what it knew of itself; a restart from a memory goes on as if there had been
//! none. No clock in here: the time is told.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::Arc,
};

use serde::{Deserialize, Serialize};

use super::{
    clock::ClockAlerts,
    group::{Group, Members},
    instance::{Course, Instance, Key},
    notification::{Alert, AlertStatus, GroupKey, LABEL_MODEL, Notification},
    observed::Observed,
    record::{AlertRecord, RecordState},
    rule::{Labels, Outcome, Rule},
    settings::AlertSettings,
    silence::{Silence, SilenceChange},
    stream::StreamAlerts,
    vitals::Vitals,
};
use crate::{event::EventTime, result::StreamKey, window::WindowSettings};

/// How long by the clock an alert that is over is kept for those who ask.
const KEPT_RESOLVED_MS: i64 = 15 * 60_000;
/// How many of them, at most.
const MOST_RESOLVED: usize = 500;
/// Between two looks at what is to be told.
const GROUPS_EVERY_MS: i64 = 1_000;
/// How many silences there can be.
const MOST_SILENCES: usize = 1_000;

/// What an alert is like now, for whoever asks.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct AlertView {
    /// `pending`, `firing`, `recovering` or `resolved`.
    pub state: &'static str,
    /// What the last window said.
    pub outcome: Option<Outcome>,
    /// The silence that keeps it from being told.
    pub silenced_by: Option<String>,
    /// The rule whose alert keeps it from being told.
    pub inhibited_by: Option<String>,
    /// The time in which it is not told.
    pub muted_by: Option<String>,
    /// The alert.
    #[serde(flatten)]
    pub alert: Alert,
}

/// What a restart goes on from.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AlertMemory {
    streams: Vec<(StreamKey, StreamAlerts)>,
    clock: ClockAlerts,
    groups: Vec<(GroupKey, Group)>,
    silences: Vec<Silence>,
    /// Those that are over, with the clock at which they were.
    resolved: VecDeque<(EventTime, Alert)>,
    /// Grows with every change that is to be kept.
    revision: u64,
    /// Notifications so far.
    told: u64,
    /// The clock.
    now: EventTime,
    /// Length and slide of the windows.
    windows: (i64, i64),
}

impl AlertMemory {
    /// Another number whenever something has changed that is to be kept.
    #[must_use]
    pub fn revision(&self) -> u64 {
        self.revision
    }

    /// Something is to be kept.
    fn changed(&mut self) {
        self.revision = self.revision.wrapping_add(1);
    }
}

/// Rules, the states of their alerts, and what was told of them.
#[derive(Debug, Default)]
pub struct Alerts {
    settings: Arc<AlertSettings>,
    size_ms: i64,
    slide_ms: i64,
    /// Beyond this event time without a window, a stream is over.
    lapse_ms: i64,
    now: EventTime,
    groups_looked_at: EventTime,
    memory: AlertMemory,
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
            memory: AlertMemory { windows: (windows.size_ms, windows.slide_ms), ..AlertMemory::default() },
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
        let memory = std::mem::take(&mut self.memory);
        let is_own = |key: &GroupKey| key.model.is_none();
        self.memory = AlertMemory {
            streams: Vec::new(),
            groups: memory.groups.into_iter().filter(|(key, _)| is_own(key)).collect(),
            resolved: VecDeque::new(),
            ..memory
        };
    }

    /// Goes on from a memory, which knows of the daemon itself and of silences
    /// only what a process that has just begun does not know better. Alerts of
    /// rules that are no more are over; so are those of windows of another
    /// length, if they do not fire again.
    pub fn restore(&mut self, memory: &AlertMemory, out: &mut AlertOutputs) {
        let own = std::mem::replace(&mut self.memory, memory.clone());
        if own.clock.has_looked() {
            self.memory.clock = own.clock;
            self.memory.groups.retain(|(key, _)| key.model.is_some());
            self.memory.groups.extend(own.groups.into_iter().filter(|(key, _)| key.model.is_none()));
            self.memory.silences = own.silences;
        } else {
            self.memory.silences.extend(own.silences);
        }
        self.now = self.now.max(self.memory.now);
        if self.memory.windows != (self.size_ms, self.slide_ms) {
            self.memory.windows = (self.size_ms, self.slide_ms);
            self.memory.streams.clear();
        }
        self.memory.silences.truncate(MOST_SILENCES);
        let settings = Arc::clone(&self.settings);
        let is_gone = |name: &str| !settings.rules.iter().any(|rule| rule.name == name);
        let mut over = self.memory.clock.take_out(is_gone);
        for (_, stream) in &mut self.memory.streams {
            over.extend(stream.take_out(is_gone));
        }
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
        if self.settings.rules.is_empty() {
            return;
        }
        let settings = Arc::clone(&self.settings);
        let course = Course { slide_ms: self.slide_ms, lapse_ms: self.lapse_ms, final_until };
        let streams = &mut self.memory.streams;
        let place = streams.iter().position(|(key, _)| key == window.stream());
        let place = place.unwrap_or_else(|| {
            streams.push((window.stream().clone(), StreamAlerts::default()));
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

    /// All alerts that are not inactive, and those that were over lately.
    #[must_use]
    pub fn views(&self) -> Vec<AlertView> {
        let firing = self.firing_rules();
        let mut views: Vec<AlertView> = Vec::new();
        for (key, instance) in self.instances() {
            let Some(rule) = self.rule(&key.rule) else { continue };
            if instance.current.is_idle() {
                continue;
            }
            let alert = instance.alert(key, rule);
            views.push(AlertView {
                state: instance.current.phase.as_str(),
                outcome: instance.current.outcome,
                silenced_by: self.silence_of(&alert.labels).map(|silence| silence.id.clone()),
                inhibited_by: inhibited_by(rule, &alert, &firing, &self.settings.rules),
                muted_by: self.mute_of(rule),
                alert,
            });
        }
        let over = self
            .memory
            .resolved
            .iter()
            .filter(|(_, over)| !views.iter().any(|view| view.alert.fingerprint == over.fingerprint));
        let over = over.map(|(_, alert)| AlertView {
            state: AlertStatus::Resolved.as_str(),
            outcome: None,
            silenced_by: None,
            inhibited_by: None,
            muted_by: None,
            alert: alert.clone(),
        });
        let over: Vec<AlertView> = over.collect();
        views.extend(over);
        views
    }

    /// What a receiver that is told of levels needs: alerts that fire, and those
    /// that were over lately. What is kept quiet is left out, unless it was told
    /// before: it would seem to be over.
    #[must_use]
    pub fn levels(&self) -> Vec<Alert> {
        let is_told =
            |alert: &Alert| self.memory.groups.iter().any(|(_, group)| group.was_told(&alert.fingerprint));
        let is_quiet = |view: &AlertView| {
            view.silenced_by.is_some() || view.inhibited_by.is_some() || view.muted_by.is_some()
        };
        let views = self.views().into_iter().filter(|view| view.state != "pending");
        views.filter(|view| !is_quiet(view) || is_told(&view.alert)).map(|view| view.alert).collect()
    }

    fn instances(&self) -> impl Iterator<Item = (&Key, &Instance)> {
        let of_streams = self.memory.streams.iter().flat_map(|(_, stream)| stream.instances());
        of_streams.chain(self.memory.clock.instances())
    }

    fn rule(&self, name: &str) -> Option<&Rule> {
        self.settings.rules.iter().find(|rule| rule.name == name)
    }

    fn firing_rules(&self) -> Firing {
        let mut firing = Firing::new();
        for (key, _) in self.instances().filter(|(_, instance)| instance.current.phase.is_active()) {
            firing.entry(key.rule.clone()).or_default().insert(key.tags.get(LABEL_MODEL).cloned());
        }
        firing
    }

    fn silence_of(&self, labels: &Labels) -> Option<&Silence> {
        self.memory.silences.iter().find(|silence| silence.holds_at(self.now) && silence.matches(labels))
    }

    fn mute_of(&self, rule: &Rule) -> Option<String> {
        let muted = self.settings.mute_times.iter().filter(|time| rule.mute.contains(&time.name));
        muted.filter(|time| time.is_muted(self.now)).map(|time| time.name.clone()).next()
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
        let Some(final_until) = final_until else { return };
        let earliest = final_until.saturating_sub(self.lapse_ms);
        let is_over = |stream: &StreamAlerts| stream.last_end().is_some_and(|end| end < earliest);
        if !self.memory.streams.iter().any(|(_, stream)| is_over(stream)) {
            return;
        }
        let (over, kept) =
            std::mem::take(&mut self.memory.streams).into_iter().partition(|(_, stream)| is_over(stream));
        self.memory.streams = kept;
        let settings = Arc::clone(&self.settings);
        for (_, mut stream) in over {
            let at = EventTime(stream.last_end().unwrap_or(final_until));
            for (key, instance) in stream.take_out(|_| true) {
                let rule = settings.rules.iter().find(|rule| rule.name == key.rule);
                if let Some(rule) = rule.filter(|_| instance.current.phase.is_active()) {
                    self.resolve(instance.alert(&key, rule), at, out);
                }
            }
        }
    }

    /// The alerts of every group.
    fn members(&self) -> BTreeMap<GroupKey, Members> {
        let firing = self.firing_rules();
        let mut groups: BTreeMap<GroupKey, Members> = BTreeMap::new();
        for (key, instance) in self.instances().filter(|(_, instance)| instance.current.phase.is_active()) {
            let Some(rule) = self.rule(&key.rule) else { continue };
            let alert = instance.alert(key, rule);
            let group = GroupKey { model: key.tags.get(LABEL_MODEL).cloned(), severity: rule.severity };
            let members = groups.entry(group).or_default();
            let is_quiet = self.silence_of(&alert.labels).is_some()
                || self.mute_of(rule).is_some()
                || inhibited_by(rule, &alert, &firing, &self.settings.rules).is_some();
            if is_quiet {
                members.kept_quiet.push(alert.fingerprint);
            } else {
                members.firing.push(alert);
            }
        }
        groups
    }

    fn look_at_groups(&mut self, out: &mut AlertOutputs) {
        if self.memory.groups.is_empty() && !self.instances().any(|(_, one)| one.current.phase.is_active()) {
            return;
        }
        let (now, settings) = (self.now, Arc::clone(&self.settings));
        let mut members = self.members();
        let mut groups: BTreeMap<GroupKey, Group> =
            std::mem::take(&mut self.memory.groups).into_iter().collect();
        for key in members.iter().filter(|(_, members)| !members.firing.is_empty()).map(|(key, _)| key) {
            if !groups.contains_key(key) {
                self.memory.changed();
                groups.insert(key.clone(), Group::new(now, &settings));
            }
        }
        for (key, group) in &mut groups {
            let members = members.entry(key.clone()).or_default();
            let is_quiet = |alert: &&Alert| {
                let rule = self.rule(&alert.rule);
                self.silence_of(&alert.labels).is_some() || rule.and_then(|rule| self.mute_of(rule)).is_some()
            };
            members
                .kept_quiet
                .extend(group.told_firing().filter(is_quiet).map(|alert| alert.fingerprint.clone()));
            let ended = |alert: &Alert| {
                let over =
                    self.memory.resolved.iter().find(|(_, over)| over.fingerprint == alert.fingerprint);
                over.and_then(|(_, over)| over.ends_at).unwrap_or(now)
            };
            if let Some(notification) = group.look(key, members, ended, (now, self.memory.told, &settings)) {
                self.memory.told = self.memory.told.wrapping_add(1);
                self.memory.changed();
                out.notifications.push(notification);
            }
        }
        groups.retain(|key, group| !members.get(key).is_none_or(|members| group.is_over(members)));
        self.memory.groups = groups.into_iter().collect();
    }
}

/// Rules that fire, by name, each with the models; `None` is the daemon itself.
type Firing = BTreeMap<String, BTreeSet<Option<String>>>;

/// The rule that fires for the alert's model, or for the daemon itself, and
/// keeps it from being told. Of two that inhibit each other, neither does.
fn inhibited_by(rule: &Rule, alert: &Alert, firing: &Firing, rules: &[Rule]) -> Option<String> {
    let model = alert.labels.get(LABEL_MODEL);
    let inhibits = |name: &&String| {
        let is_mutual =
            rules.iter().any(|other| other.name == **name && other.inhibited_by.contains(&rule.name));
        let fires = firing.get(*name).is_some_and(|of| of.contains(&None) || of.contains(&model.cloned()));
        fires && !is_mutual && **name != rule.name
    };
    rule.inhibited_by.iter().find(inhibits).cloned()
}
