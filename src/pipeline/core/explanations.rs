//! Explanations as a part of the core: rows out, attributions in.

use super::{Core, Outputs};
use crate::{
    decode::Row,
    event::{MessageBatch, Reject, RejectReason},
    pipeline::{
        RecentRow,
        counters::ExplainLoss,
        explanations::{ExplainSpec, ExplainTask, Explained, Explanations},
        model::Model,
        snapshot::Snapshot,
    },
    profile::row_hash,
    result::{StreamKey, UNNAMED},
};

impl Core {
    /// What waits to be explained.
    #[must_use]
    pub fn explanations(&self) -> &Explanations {
        &self.explanations
    }

    /// The last event of `model` with this id, as far as it is remembered.
    #[must_use]
    pub fn recent_event(&self, model: &str, id: &str) -> Option<RecentRow> {
        let model = self.models.iter().find(|known| known.name() == model)?;
        model.recent(row_hash(id.as_bytes()))
    }

    /// An event as a row of its model's columns; it is not counted. `batch` holds
    /// it alone.
    ///
    /// # Errors
    /// When it would be refused, or is of another model.
    pub fn read_event(&mut self, model: &str, batch: &MessageBatch) -> Result<RecentRow, Reject> {
        let refused = |reason, detail: &str| Reject::new(reason, detail.to_owned());
        let Some(message) = batch.get(0) else {
            return Err(refused(RejectReason::Empty, "there is no event"));
        };
        let mut row = Row::default();
        let envelope = self.decoder.decode(&message, "", &mut row)?;
        let place = envelope.model;
        let named = |text: &str| if text.is_empty() { UNNAMED.to_owned() } else { text.to_owned() };
        let stream = StreamKey {
            model: model.to_owned(),
            version: named(&envelope.version),
            variant: named(&envelope.variant),
        };
        let payload = message.value.unwrap_or_default();
        let hash = row_hash(envelope.id.as_deref().map_or(payload, str::as_bytes));
        let known = self.models.get(place).filter(|known| known.name() == model);
        let Some(basis) = known.and_then(Model::basis) else {
            let detail = "the event is not of this model, or the model still learns its reference";
            return Err(refused(RejectReason::UnknownModel, detail));
        };
        let mut cells = row.cells;
        cells.resize(basis.reference.columns.len(), crate::profile::Cell::ABSENT);
        Ok(RecentRow { stream, hash, cells })
    }

    pub(super) fn take_explained(&mut self, number: u64, explained: &Explained, out: &mut Outputs) {
        let Some(task) = self.explanations.done(number) else {
            // It had to make room, which was counted then.
            return;
        };
        self.explained = Some(task);
        match explained {
            Explained::Window(window) => out.explanations.push((**window).clone()),
            Explained::Events(events) => out.event_explanations.extend(events.iter().cloned()),
            Explained::GivenUp => self.counters.unexplained(ExplainLoss::GivenUp),
        }
    }

    /// Has the events explained of the alerts that fire from the record at
    /// `first` on.
    pub(super) fn explain_alerts(&mut self, first: usize, out: &Outputs) {
        let records = out.alerts.records.get(first..).unwrap_or_default();
        let models = &self.models;
        let spec_of = |name: &str| {
            let model = models.iter().find(|model| model.name() == name)?;
            Some((model.explain()?, model.basis()?))
        };
        let explained = self.explained.take();
        self.explanations.of_alerts(records, explained.as_ref(), spec_of, &mut self.counters);
    }

    /// Goes on with what waits in a snapshot. Rows of a model that begins anew are
    /// of another reference.
    pub(super) fn restore_explanations(&mut self, snapshot: &Snapshot<'_>) {
        let (models, meaning) = (&self.models, &self.meaning);
        let fits = |task: &ExplainTask| {
            let model = models.iter().find(|model| model.name() == task.stream.model);
            model.is_some_and(|model| {
                snapshot.model(model, meaning).is_ok()
                    && model.explain().is_some_and(|spec| spec.is_of(&task.stream.version))
                    && model.basis().is_some_and(|basis| task.fits(basis))
            })
        };
        self.explanations.restore(&snapshot.explanations, fits, &mut self.counters);
    }

    /// How a model is explained.
    #[must_use]
    pub fn explain_spec(&self, model: &str) -> Option<&ExplainSpec> {
        self.models.iter().find(|known| known.name() == model)?.explain()
    }

    /// What waits to be explained, for whoever takes it up.
    pub fn explanations_mut(&mut self) -> &mut Explanations {
        &mut self.explanations
    }
}
