//! What the alerts of one daemon remember.
//!
//! Promises: a memory that an earlier version has stored can still be read.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use super::{
    clock::ClockAlerts,
    group::Group,
    instance::{Instance, Key},
    notification::{Alert, GroupKey},
    silence::Silence,
    stream::StreamAlerts,
};
use crate::{event::EventTime, result::StreamKey};

/// The alerts of streams.
pub(super) type Streams = Vec<(StreamKey, StreamAlerts)>;

/// What a restart goes on from.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AlertMemory {
    pub(super) streams: Streams,
    /// Those of explanations, which come later than the windows that they are of.
    #[serde(default)]
    pub(super) explained: Streams,
    /// Those of experiments, which go over all versions and variants of a model.
    #[serde(default)]
    pub(super) experiments: Streams,
    pub(super) clock: ClockAlerts,
    pub(super) groups: Vec<(GroupKey, Group)>,
    pub(super) silences: Vec<Silence>,
    /// Those that are over, with the clock at which they were.
    pub(super) resolved: VecDeque<(EventTime, Alert)>,
    /// Grows with every change that is to be kept.
    revision: u64,
    /// Notifications so far.
    pub(super) told: u64,
    /// The clock.
    pub(super) now: EventTime,
    /// Length and slide of the windows.
    windows: (i64, i64),
}

impl AlertMemory {
    /// Of windows of this length and slide, nothing is remembered yet.
    pub(super) fn of_windows(windows: (i64, i64)) -> Self {
        Self { windows, ..Self::default() }
    }

    /// Another number whenever something has changed that is to be kept.
    #[must_use]
    pub fn revision(&self) -> u64 {
        self.revision
    }

    /// Something is to be kept.
    pub(super) fn changed(&mut self) {
        self.revision = self.revision.wrapping_add(1);
    }

    /// Forgets the windows unless they are of this length and slide.
    pub(super) fn keep_windows_of(&mut self, windows: (i64, i64)) {
        if self.windows != windows {
            self.windows = windows;
            self.forget_streams();
        }
    }

    /// Forgets what follows from events.
    pub(super) fn forget_streams(&mut self) {
        for streams in [&mut self.streams, &mut self.explained, &mut self.experiments] {
            streams.clear();
        }
    }

    /// Every stream.
    fn streams(&self) -> impl Iterator<Item = &StreamAlerts> {
        let all = self.streams.iter().chain(&self.explained).chain(&self.experiments);
        all.map(|(_, stream)| stream)
    }

    /// Every alert that is not inactive, or was not a moment ago.
    pub(super) fn instances(&self) -> impl Iterator<Item = (&Key, &Instance)> {
        self.streams().flat_map(StreamAlerts::instances).chain(self.clock.instances())
    }

    /// Takes out what `is_over` says of its rule.
    pub(super) fn take_out(&mut self, is_over: impl Fn(&str) -> bool) -> Vec<(Key, Instance)> {
        let mut over = self.clock.take_out(&is_over);
        let Self { streams, explained, experiments, .. } = self;
        for (_, stream) in streams.iter_mut().chain(explained).chain(experiments) {
            over.extend(stream.take_out(&is_over));
        }
        over
    }

    /// Takes out the streams that have had no window for longer than `lapse_ms`.
    /// `until` and, of a model, `explained_until` are the ends of the last windows
    /// that will not be written again.
    pub(super) fn take_lapsed(
        &mut self,
        until: Option<i64>,
        explained_until: impl Fn(&str) -> Option<i64>,
        lapse_ms: i64,
    ) -> Streams {
        let mut over = lapsed(&mut self.streams, |_| until, lapse_ms);
        over.extend(lapsed(&mut self.explained, explained_until, lapse_ms));
        over.extend(lapsed(&mut self.experiments, |_| until, lapse_ms));
        over
    }
}

fn lapsed(streams: &mut Streams, until: impl Fn(&str) -> Option<i64>, lapse_ms: i64) -> Streams {
    let is_over = |key: &StreamKey, stream: &StreamAlerts| {
        let earliest = until(&key.model).map_or(i64::MIN, |until| until.saturating_sub(lapse_ms));
        stream.last_end().is_some_and(|end| end < earliest)
    };
    streams.extract_if(.., |(key, stream)| is_over(key, stream)).collect()
}
