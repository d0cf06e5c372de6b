//! Alerts that are not to be told for a time.

use serde::{Deserialize, Serialize};

use super::{rule::Labels, selector::Selector};
use crate::event::EventTime;

/// How many silences there can be.
pub const MOST_SILENCES: usize = 1_000;

/// A silence.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Silence {
    /// Its name.
    pub id: String,
    /// Patterns of labels, all of which an alert must have.
    pub matchers: Labels,
    /// The clock when it was made.
    pub from: EventTime,
    /// Until then it holds.
    pub until: EventTime,
    /// Who made it.
    pub author: String,
    /// Why.
    pub comment: String,
}

/// What is done with silences.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SilenceChange {
    /// One more, in place of one with the same id.
    Add(Silence),
    /// This one ends.
    Remove(String),
}

impl Silence {
    /// Whether it is about an alert with these labels. Without a matcher it is
    /// about none.
    #[must_use]
    pub fn matches(&self, labels: &Labels) -> bool {
        let fits = |(name, pattern): (&String, &String)| {
            labels.get(name).is_some_and(|value| Selector::new(std::slice::from_ref(pattern)).selects(value))
        };
        !self.matchers.is_empty() && self.matchers.iter().all(fits)
    }

    /// Whether it holds then.
    #[must_use]
    pub fn holds_at(&self, now: EventTime) -> bool {
        (self.from..self.until).contains(&now)
    }
}
