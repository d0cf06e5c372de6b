//! Notifications on their way to receivers.
//!
//! Promises, as [`super::Outbox`] for points: one leaves only after a snapshot
//! that holds it is stored, so that after a crash it is told again under the
//! same id or not at all; it is forgotten for each receiver once that one is
//! done with it, so that a restart tells nobody twice who was told before the
//! last snapshot. What is about the daemon itself does not wait: a disk that
//! takes no snapshot has to be told of.

use std::{borrow::Cow, collections::VecDeque, sync::Arc};

use serde::{Deserialize, Serialize};

use crate::alert::Notification;

/// A notification, and who does not have it yet.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Undelivered<'a> {
    /// What is told.
    pub notification: Cow<'a, Notification>,
    /// Names of the receivers.
    pub receivers: Cow<'a, [String]>,
}

/// One that may leave.
#[derive(Debug, Clone, PartialEq)]
pub struct Leaving {
    /// By which [`Notices::done`] is told of it.
    pub number: u64,
    /// What is told.
    pub notification: Arc<Notification>,
    /// To whom.
    pub receivers: Vec<String>,
}

#[derive(Debug, Clone)]
struct Entry {
    leaving: Leaving,
    is_handed_on: bool,
}

/// Notifications by how far they have come.
#[derive(Debug, Clone, Default)]
pub struct Notices {
    entries: VecDeque<Entry>,
    last: u64,
    /// Those up to this number are in a stored snapshot.
    stored: u64,
    on_hold: bool,
}

impl Notices {
    /// Takes a notification for these receivers.
    pub fn push(&mut self, notification: Notification, receivers: Vec<String>) {
        if receivers.is_empty() {
            return;
        }
        self.last += 1;
        let leaving = Leaving { number: self.last, notification: Arc::new(notification), receivers };
        self.entries.push_back(Entry { leaving, is_handed_on: false });
    }

    /// Number of the last one taken; 0 before any.
    #[must_use]
    pub fn last(&self) -> u64 {
        self.last
    }

    /// Those that some receiver does not have, in order: what a snapshot has to
    /// hold.
    pub fn undelivered(&self) -> impl Iterator<Item = Undelivered<'_>> {
        self.entries.iter().map(|entry| Undelivered {
            notification: Cow::Borrowed(&*entry.leaving.notification),
            receivers: Cow::Borrowed(&entry.leaving.receivers),
        })
    }

    /// A snapshot that holds everything up to `number` is stored.
    pub fn stored(&mut self, number: u64) {
        self.stored = self.stored.max(number.min(self.last));
    }

    /// The next one that may leave; each once.
    pub fn hand_on(&mut self) -> Option<Leaving> {
        let may_leave = |entry: &&mut Entry| {
            let is_of_model = entry.leaving.notification.group.model.is_some();
            let waits = is_of_model && (self.on_hold || entry.leaving.number > self.stored);
            !entry.is_handed_on && !waits
        };
        let entry = self.entries.iter_mut().find(may_leave)?;
        entry.is_handed_on = true;
        Some(entry.leaving.clone())
    }

    /// A receiver is done with one. `false` when that was known.
    pub fn done(&mut self, number: u64, receiver: &str) -> bool {
        let entry = self.entries.iter_mut().find(|entry| entry.leaving.number == number);
        let Some(receivers) = entry.map(|entry| &mut entry.leaving.receivers) else { return false };
        let before = receivers.len();
        receivers.retain(|name| name != receiver);
        let is_news = receivers.len() < before;
        self.entries.retain(|entry| !entry.leaving.receivers.is_empty());
        is_news
    }

    /// Takes what a snapshot held.
    pub fn restore(&mut self, undelivered: &[Undelivered<'_>]) {
        for one in undelivered {
            self.push(one.notification.clone().into_owned(), one.receivers.to_vec());
        }
        self.stored = self.last;
    }

    /// Whatever some receiver does not have leaves once more.
    pub fn begin_again(&mut self) {
        self.entries.iter_mut().for_each(|entry| entry.is_handed_on = false);
        self.on_hold = false;
    }

    /// Nothing of a model leaves until [`Self::begin_again`]: another daemon may
    /// be telling it.
    pub fn hold(&mut self) {
        self.on_hold = true;
        self.tell_own_again();
    }

    /// What is about the daemon itself leaves once more: what was handed on has
    /// been withdrawn.
    fn tell_own_again(&mut self) {
        for entry in &mut self.entries {
            entry.is_handed_on &= entry.leaving.notification.group.model.is_some();
        }
    }

    /// Whether some of models wait for a snapshot.
    #[must_use]
    pub fn are_held_back(&self) -> bool {
        let waits = |entry: &Entry| !entry.is_handed_on && entry.leaving.notification.group.model.is_some();
        !self.on_hold && self.entries.iter().any(waits)
    }

    /// Forgets those of which no stored snapshot knows: they are made again.
    pub fn forget_unstored(&mut self) {
        let stored = self.stored;
        self.entries.retain(|entry| entry.leaving.number <= stored || entry.is_handed_on);
    }

    /// Forgets all of models: another daemon makes them again.
    pub fn clear(&mut self) {
        self.entries.retain(|entry| entry.leaving.notification.group.model.is_none());
        self.on_hold = false;
        self.tell_own_again();
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::{
        alert::{GroupKey, Reason, Severity},
        event::EventTime,
    };

    fn notification(id: &str, model: Option<&str>) -> Notification {
        Notification {
            id: id.to_owned(),
            group: GroupKey { model: model.map(str::to_owned), severity: Severity::Warning },
            reason: Reason::New,
            made_at: EventTime(0),
            alerts: Vec::new(),
        }
    }

    fn push(notices: &mut Notices, id: &str, model: Option<&str>) {
        notices.push(notification(id, model), vec!["pager".to_owned(), "chat".to_owned()]);
    }

    fn leaving(notices: &mut Notices) -> Vec<String> {
        std::iter::from_fn(|| notices.hand_on()).map(|leaving| leaving.notification.id.clone()).collect()
    }

    #[test]
    fn one_leaves_once_after_it_is_stored_and_stays_until_every_receiver_is_done() {
        let mut notices = Notices::default();
        push(&mut notices, "a", Some("credit"));
        assert!(leaving(&mut notices).is_empty(), "it is not stored");
        notices.stored(1);
        assert_eq!(leaving(&mut notices), ["a"]);
        assert!(leaving(&mut notices).is_empty(), "once");
        assert!(notices.done(1, "chat") && !notices.done(1, "chat"));
        let left: Vec<_> = notices.undelivered().map(|one| one.receivers.to_vec()).collect();
        assert_eq!(left, [["pager"]]);
        assert!(notices.done(1, "pager"));
        assert_eq!(notices.undelivered().count(), 0);
    }

    #[test]
    fn what_is_about_the_daemon_does_not_wait_for_a_snapshot() {
        let mut notices = Notices::default();
        push(&mut notices, "model", Some("credit"));
        push(&mut notices, "daemon", None);
        notices.hold();
        assert_eq!(leaving(&mut notices), ["daemon"]);
    }

    #[test]
    fn a_restart_tells_again_what_was_stored_and_only_those_who_were_not_told() {
        let mut notices = Notices::default();
        push(&mut notices, "a", Some("credit"));
        push(&mut notices, "b", Some("credit"));
        notices.stored(2);
        leaving(&mut notices);
        notices.done(1, "chat");
        let kept: Vec<_> = notices.undelivered().collect();
        let mut next = Notices::default();
        next.restore(&kept);
        let first = next.hand_on().unwrap();
        assert_eq!((first.notification.id.as_str(), &*first.receivers), ("a", &["pager".to_owned()][..]));
        push(&mut next, "c", Some("credit"));
        next.forget_unstored();
        next.begin_again();
        assert_eq!(leaving(&mut next), ["a", "b"]);
    }
}
