//! A model's part of a snapshot.

use std::{borrow::Cow, sync::Arc};

use super::{Model, ModelSpec, State};
use crate::{
    meaning::Meaning,
    pipeline::{basis::Basis, explanations::ExplainSpec, join::Joiner, snapshot::ModelState},
    reference::Reference,
    window::WindowSettings,
};

impl Model {
    pub(in crate::pipeline) fn name(&self) -> &str {
        &self.spec.name
    }

    pub(in crate::pipeline) fn to_name(&self) -> String {
        self.spec.name.clone()
    }

    /// Writes no window that ends at or before `end`.
    pub(in crate::pipeline) fn leave_out(&mut self, end: i64) {
        if let State::Ready { floor_end, .. } = &mut self.state {
            *floor_end = (*floor_end).max(Some(end));
        }
    }

    /// How its windows are explained.
    pub(in crate::pipeline) fn explain(&self) -> Option<&ExplainSpec> {
        self.spec.explain.as_ref()
    }

    /// The settings that decide what its counts mean.
    pub(in crate::pipeline) fn meaning(&self) -> &Meaning {
        &self.meaning
    }

    pub(in crate::pipeline) fn basis(&self) -> Option<&Basis> {
        match &self.state {
            State::Ready { basis, .. } => Some(basis),
            State::Learning(_) => None,
        }
    }

    /// Whether the messages that are read again are for this model.
    pub(in crate::pipeline) fn begins_anew(&self) -> bool {
        self.begins_anew
    }

    pub(in crate::pipeline) fn set_begins_anew(&mut self, begins_anew: bool) {
        self.begins_anew = begins_anew;
    }

    /// Its state; `None` while it learns.
    pub(in crate::pipeline) fn snapshot(&mut self) -> Option<ModelState<'_>> {
        let State::Ready { basis, floor_end } = &self.state else { return None };
        let floor_end = *floor_end;
        // What waits to be counted is counted first: a snapshot has no rows.
        self.streams.iter_mut().for_each(|stream| stream.flush(basis));
        let waiting = self.joiner.iter().flat_map(Joiner::waiting);
        Some(ModelState {
            name: Cow::Borrowed(&self.spec.name),
            meaning: Cow::Borrowed(&self.meaning),
            streams: Cow::Borrowed(&self.streams),
            waiting: waiting.map(|(id, row)| (id.into(), row.clone())).collect(),
            unknown: Cow::Borrowed(&self.unknown),
            floor_end,
        })
    }

    /// Takes what a snapshot holds of it, in place of what it has.
    pub(in crate::pipeline) fn restore(&mut self, state: &ModelState<'_>, settings: &WindowSettings) {
        self.restart(settings);
        if let Some(end) = state.floor_end {
            self.leave_out(end);
        }
        self.streams = state.streams.to_vec();
        if let State::Ready { basis, .. } = &self.state {
            self.streams.iter_mut().for_each(|stream| stream.check_memory(basis, settings));
        }
        self.unknown = state.unknown.clone().into_owned();
        if let Some(joiner) = &mut self.joiner {
            joiner.restore(state.waiting.iter().cloned());
        }
    }
}

/// The settings of one model that decide what its counts mean; a reference is
/// one of them.
pub(super) fn meaning(spec: &ModelSpec, reference: Option<&Arc<Reference>>) -> Meaning {
    let ignored = spec.overrides.iter().filter(|(_, column)| column.ignore).map(|(name, _)| name.as_str());
    let join = if spec.join.is_some() { "yes" } else { "no" };
    let reference = reference.map_or_else(|| "none".to_owned(), |reference| reference.fingerprint());
    vec![
        ("reference".to_owned(), reference),
        ("ignored features".to_owned(), ignored.collect::<Vec<_>>().join(", ")),
        ("join".to_owned(), join.to_owned()),
        ("sample_rows".to_owned(), spec.drift.sample_rows.max(spec.explain_rows()).to_string()),
    ]
}
