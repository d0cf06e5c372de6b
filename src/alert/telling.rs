//! Which alerts may be told, and how they stand for whoever asks.
//!
//! What is silenced, muted or inhibited goes on being shown, with the reason.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use serde::Serialize;

use super::{
    engine::{AlertOutputs, Alerts},
    group::{Group, Members},
    notification::{Alert, AlertStatus, GroupKey, LABEL_MODEL},
    rule::{Labels, Outcome, Rule},
    silence::Silence,
    standing::Phase,
};

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

impl Alerts {
    /// All alerts that are not inactive, and those that were over lately.
    #[must_use]
    pub fn views(&self) -> Vec<AlertView> {
        self.views_of(|phase| phase != Phase::Inactive)
    }

    /// The alerts that are as `is_wanted` says, and of the others those that were
    /// over lately.
    fn views_of(&self, is_wanted: impl Fn(Phase) -> bool) -> Vec<AlertView> {
        let firing = self.firing_rules();
        let mut views: Vec<AlertView> = Vec::new();
        for (key, instance) in self.instances().filter(|(_, instance)| is_wanted(instance.current.phase)) {
            let Some(rule) = self.rule(&key.rule) else { continue };
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
    /// that were over lately, be they pending again. What is kept quiet is left
    /// out, unless it was told before: it would seem to be over.
    #[must_use]
    pub fn levels(&self) -> Vec<Alert> {
        let is_told =
            |alert: &Alert| self.memory.groups.iter().any(|(_, group)| group.was_told(&alert.fingerprint));
        let is_quiet = |view: &AlertView| {
            view.silenced_by.is_some() || view.inhibited_by.is_some() || view.muted_by.is_some()
        };
        let views = self.views_of(Phase::is_active).into_iter();
        views.filter(|view| !is_quiet(view) || is_told(&view.alert)).map(|view| view.alert).collect()
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

    pub(super) fn look_at_groups(&mut self, out: &mut AlertOutputs) {
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
