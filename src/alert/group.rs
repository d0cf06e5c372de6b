//! When a group of alerts is told, and as what.
//!
//! Why: a model that goes wrong goes wrong in many features. Its alerts of one
//! severity are told together, once, and again only when something is new.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{
    hex::hex,
    notification::{Alert, AlertStatus, GroupKey, Notification, Reason},
    settings::AlertSettings,
};
use crate::event::EventTime;

/// Alerts of a notification that keep their distributions.
const DRAWN: usize = 3;
/// Bytes of a notification's id.
const ID_BYTES: usize = 16;

/// What was told of a group, and when it is looked at next.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Group {
    next_at: EventTime,
    told_at: Option<EventTime>,
    /// Alerts that were told as firing and not yet as over, by fingerprint.
    firing: BTreeMap<String, Alert>,
}

/// The alerts of a group at one time.
#[derive(Debug, Default)]
pub(super) struct Members {
    /// Those that fire and may be told.
    pub(super) firing: Vec<Alert>,
    /// Fingerprints of those that are not to be told, whether they fire or not.
    pub(super) kept_quiet: Vec<String>,
}

impl Group {
    /// A group whose first alert fires now.
    pub(super) fn new(now: EventTime, settings: &AlertSettings) -> Self {
        let next_at = now.plus_ms(settings.group_wait_ms);
        Self { next_at, told_at: None, firing: BTreeMap::new() }
    }

    /// Whether it was told that this alert fires, and not that it is over.
    pub(super) fn was_told(&self, fingerprint: &str) -> bool {
        self.firing.contains_key(fingerprint)
    }

    /// Fingerprints and labels of the alerts that were told as firing.
    pub(super) fn told_firing(&self) -> impl Iterator<Item = &Alert> {
        self.firing.values()
    }

    /// When it has something to tell next, unless something changes before.
    pub(super) fn due_at(&self, settings: &AlertSettings) -> EventTime {
        let repeated = self.told_at.map(|told| told.plus_ms(settings.repeat_interval_ms));
        repeated.map_or(self.next_at, |repeated| repeated.max(self.next_at))
    }

    /// Whether there is nothing to tell any more.
    pub(super) fn is_over(&self, members: &Members) -> bool {
        self.firing.is_empty() && members.firing.is_empty()
    }

    /// What is to be told now, if anything, as the notification of this number.
    /// `ended` says when an alert was over.
    pub(super) fn look(
        &mut self,
        key: &GroupKey,
        members: &Members,
        ended: impl Fn(&Alert) -> EventTime,
        (now, number, settings): (EventTime, u64, &AlertSettings),
    ) -> Option<Notification> {
        // A clock that was set back must not silence a group for hours.
        let latest = now.plus_ms(settings.group_wait_ms.max(settings.group_interval_ms));
        if now < self.next_at && self.next_at <= latest {
            return None;
        }
        self.next_at = now.plus_ms(settings.group_interval_ms);
        let is_firing =
            |fingerprint: &str| members.firing.iter().any(|alert| alert.fingerprint == fingerprint);
        let is_quiet = |fingerprint: &str| members.kept_quiet.iter().any(|quiet| quiet == fingerprint);
        let over = |alert: &&Alert| !is_firing(&alert.fingerprint) && !is_quiet(&alert.fingerprint);
        let mut resolved: Vec<Alert> = self.firing.values().filter(over).cloned().collect();
        let is_new = members.firing.iter().any(|alert| !self.firing.contains_key(&alert.fingerprint));
        let is_due = self.told_at.is_some_and(|told| now >= told.plus_ms(settings.repeat_interval_ms));
        let reason = if is_new {
            Reason::New
        } else if !resolved.is_empty() {
            Reason::Resolved
        } else if is_due && !members.firing.is_empty() {
            Reason::Repeated
        } else {
            return None;
        };
        for alert in &mut resolved {
            alert.status = AlertStatus::Resolved;
            alert.ends_at = Some(ended(alert));
            self.firing.remove(&alert.fingerprint);
        }
        for alert in &members.firing {
            self.firing.insert(alert.fingerprint.clone(), alert.clone());
        }
        self.told_at = Some(now);
        let heaviest =
            |a: &Alert, b: &Alert| b.weight.total_cmp(&a.weight).then_with(|| a.labels.cmp(&b.labels));
        let mut alerts = members.firing.clone();
        alerts.sort_by(heaviest);
        resolved.sort_by(heaviest);
        alerts.append(&mut resolved);
        // Nobody draws more than a few.
        alerts.iter_mut().skip(DRAWN).for_each(|alert| alert.bins.clear());
        Some(Notification {
            id: id(key, reason, number, &alerts),
            group: key.clone(),
            reason,
            made_at: now,
            alerts,
        })
    }
}

/// The same for the same alerts, told for the same reason after as many others.
fn id(key: &GroupKey, reason: Reason, number: u64, alerts: &[Alert]) -> String {
    let mut hash = Sha256::new();
    let mut add = |part: &str| {
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part);
    };
    add(key.model.as_deref().unwrap_or(""));
    add(key.severity.as_str());
    add(reason.as_str());
    add(&number.to_string());
    for alert in alerts {
        add(&alert.fingerprint);
        add(alert.status.as_str());
        add(&alert.starts_at.0.to_string());
    }
    let digest = hash.finalize();
    format!("msg_{}", hex(digest.iter().take(ID_BYTES)))
}
