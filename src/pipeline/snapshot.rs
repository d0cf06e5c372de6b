//! The core's state as it is kept: what a restart goes on from.
//!
//! Promises: a core that is restored from a snapshot and then given the
//! messages behind it gives the same results, to the bit, as one that never
//! stopped. A model whose settings have changed since is not restored: its
//! windows begin anew, from the first message of the oldest open window, while
//! the other models pass over the messages that they have counted already.
//!
//! A model that learns its reference is never in a snapshot: its rows are read
//! again, since storing them all every few seconds would cost more than that.

use std::{borrow::Cow, collections::BTreeSet};

use serde::{Deserialize, Serialize};

use super::{
    explanations::Explanations,
    holds::Holds,
    join::{Half, Waiting},
    model::Model,
    stream::Stream,
};
use crate::{
    alert::AlertMemory,
    event::{EventTime, PartitionId},
    experiment::ExperimentMemory,
    meaning::{Meaning, difference},
    profile::FrequentNames,
    window::{Watermarks, WindowSettings},
};

/// Beyond this no time of a snapshot can be right: the year 2527, far behind the
/// last time that an event can have.
pub(super) const LATEST_MS: i64 = 1 << 44;
/// Beyond this no offset can be right: at a billion messages a second, two
/// years.
const LAST_OFFSET: i64 = 1 << 56;

/// Name of the setting that says where fields are found.
const EVENTS: &str = "events";

/// First offsets that panes need: per pane, by its start, places of partitions
/// and offsets.
pub(super) type PaneHolds = Vec<(i64, Vec<(usize, i64)>)>;

/// The state of a core between two steps.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Snapshot<'a> {
    /// Where each partition stands.
    pub partitions: Vec<PartitionState>,
    /// The global watermark.
    pub(super) watermark: Option<EventTime>,
    /// End of the last window that will not be written again.
    pub(super) delivered_until: Option<EventTime>,
    /// Event time from which on all messages are read again when a model's
    /// windows begin anew.
    pub(super) complete_from: Option<EventTime>,
    /// First offsets that open panes need, by the pane's start; partitions by
    /// their place in `partitions`.
    pub(super) holds: PaneHolds,
    /// Settings of all models.
    pub(super) meaning: Meaning,
    /// The models that have a reference.
    pub(super) models: Vec<ModelState<'a>>,
    /// Names of those that learn theirs.
    pub(super) learning: Vec<String>,
    /// The alerts; absent in snapshots of versions that had none.
    #[serde(default)]
    pub(super) alerts: Cow<'a, AlertMemory>,
    /// What waits to be explained; absent in snapshots of versions that explained
    /// nothing.
    #[serde(default)]
    pub(super) explanations: Cow<'a, Explanations>,
    /// What experiments have counted; absent in snapshots of versions that had none.
    #[serde(default)]
    pub(super) experiments: ExperimentMemory<'a>,
}

/// Where a partition stands in a snapshot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PartitionState {
    /// Its topic.
    pub topic: String,
    /// Its number in the topic.
    pub partition: i32,
    /// Offset of the first message that is not in the snapshot.
    pub next: i64,
    /// Offset of the first message that windows begun anew need.
    pub replay: i64,
    /// Greatest event time seen.
    pub(super) greatest: Option<EventTime>,
}

/// One model in a snapshot.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ModelState<'a> {
    pub(super) name: Cow<'a, str>,
    pub(super) meaning: Cow<'a, [(String, String)]>,
    pub(super) streams: Cow<'a, [Stream]>,
    pub(super) waiting: Vec<(Box<str>, Waiting)>,
    pub(super) unknown: Cow<'a, FrequentNames>,
    /// Windows that end at or before this are not written.
    pub(super) floor_end: Option<i64>,
}

/// Why a model's windows begin anew after a restart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Anew {
    /// The model.
    pub model: String,
    /// The reason, with the setting that changed.
    pub reason: String,
}

impl PartitionState {
    /// A partition of which no event was seen yet.
    #[must_use]
    pub fn new(topic: &str, partition: i32, next: i64, replay: i64) -> Self {
        Self { topic: topic.to_owned(), partition, next, replay, greatest: None }
    }

    fn is_plausible(&self) -> bool {
        (0..=LAST_OFFSET).contains(&self.next)
            && (0..=self.next).contains(&self.replay)
            && self.greatest.is_none_or(|time| (0..=LATEST_MS).contains(&time.0))
    }
}

impl Snapshot<'_> {
    /// The partition of this name.
    #[must_use]
    pub fn partition(&self, topic: &str, partition: i32) -> Option<&PartitionState> {
        self.partitions.iter().find(|state| state.partition == partition && state.topic == topic)
    }

    /// The state of `model`, or why it can't be used.
    pub(super) fn model(&self, model: &Model, meaning: &Meaning) -> Result<&ModelState<'_>, String> {
        if let Some(change) = difference(&self.meaning, meaning) {
            return Err(change);
        }
        let stored = self.models.iter().find(|stored| stored.name == model.name());
        let stored = stored.ok_or_else(|| "the checkpoint does not have it".to_owned())?;
        if let Some(change) = difference(&stored.meaning, model.meaning()) {
            return Err(change);
        }
        let Some(basis) = model.basis() else {
            return Err("it learns its reference".to_owned());
        };
        if !stored.streams.iter().all(|stream| stream.fits(basis, LATEST_MS)) {
            return Err("its counts in the checkpoint do not fit its reference".to_owned());
        }
        if !stored.is_consistent() {
            return Err("its state in the checkpoint contradicts itself".to_owned());
        }
        Ok(stored)
    }

    /// What has changed of where fields are found.
    pub(super) fn mapping_change(&self, meaning: &Meaning) -> Option<String> {
        let events = |meaning: &Meaning| -> Meaning {
            meaning.iter().filter(|(name, _)| name == EVENTS).cloned().collect()
        };
        difference(&events(&self.meaning), &events(meaning))
    }

    /// The first event time that lies behind all messages in it, when `model`
    /// is not among those that they were offered to: it was refused them.
    pub(super) fn missed_until(&self, model: &str) -> Option<EventTime> {
        let knows = |name: &str| name == model;
        let is_known = self.models.iter().any(|known| knows(&known.name))
            || self.learning.iter().any(|known| knows(known));
        let greatest = self.partitions.iter().filter_map(|state| state.greatest).max();
        greatest.filter(|_| !is_known).map(|greatest| greatest.plus_ms(1))
    }

    /// Whether its numbers can be calculated with.
    #[must_use]
    pub fn is_plausible(&self) -> bool {
        let is_time = |time: i64| (0..=LATEST_MS).contains(&time);
        let marks = [self.watermark, self.delivered_until, self.complete_from];
        let waiting = self.models.iter().flat_map(|model| &model.waiting);
        let is_needed = |&(index, offset): &(usize, i64)| {
            self.partitions.get(index).is_some_and(|state| (0..=state.next).contains(&offset))
        };
        // Marks may lie before the first event by as much as windows wait.
        marks.into_iter().flatten().all(|mark| (-LATEST_MS..=LATEST_MS).contains(&mark.0))
            && waiting.into_iter().all(|(_, waiting)| is_time(waiting.time.0))
            && self.partitions.iter().all(PartitionState::is_plausible)
            && self.holds.iter().all(|(pane, offsets)| is_time(*pane) && offsets.iter().all(is_needed))
    }
}

impl ModelState<'_> {
    /// Whether its streams are its own, and the rows that wait are one for each
    /// id and wait for streams that are there.
    fn is_consistent(&self) -> bool {
        let has_stream = |half: Half| match half {
            Half::Prediction { stream } => stream < self.streams.len(),
            Half::Features => true,
        };
        let ids: BTreeSet<&str> = self.waiting.iter().map(|(id, _)| &**id).collect();
        self.streams.iter().all(|stream| stream.key.model == self.name)
            && ids.len() == self.waiting.len()
            && self.waiting.iter().all(|(_, waiting)| has_stream(waiting.half))
    }
}

/// Settings of all models that decide what counts mean.
pub(super) fn meaning(windows: &WindowSettings, mapping: &crate::decode::EventMapping) -> Meaning {
    let ms = |ms| crate::window::duration_text(ms);
    vec![
        ("windows.size".to_owned(), ms(windows.size_ms)),
        ("windows.slide".to_owned(), ms(windows.slide_ms)),
        (EVENTS.to_owned(), format!("{mapping:?}")),
    ]
}

/// Names partitions as the world knows them.
pub(super) type Named<'n> = &'n dyn Fn(PartitionId) -> Option<(String, i32)>;

/// The partitions of a snapshot and their holds; `None` when one has no name.
pub(super) fn partitions(
    holds: &Holds,
    watermarks: &Watermarks,
    names: Named<'_>,
) -> Option<(Vec<PartitionState>, PaneHolds)> {
    let positions = holds.positions();
    let mut states = Vec::with_capacity(positions.len());
    for position in &positions {
        let (topic, partition) = names(position.partition)?;
        let greatest = watermarks.greatest(position.partition);
        states.push(PartitionState {
            topic,
            partition,
            next: position.next,
            replay: position.replay,
            greatest,
        });
    }
    let place = |id: PartitionId| positions.iter().position(|position| position.partition == id);
    let panes = holds.panes().map(|(pane, offsets)| {
        let offsets = offsets.iter().filter_map(|(id, offset)| Some((place(*id)?, *offset)));
        (pane, offsets.collect())
    });
    Some((states, panes.collect()))
}
