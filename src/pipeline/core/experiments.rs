//! Experiments as a part of the core: events in, looks out.

use super::{Core, Outputs};
use crate::{
    event::PartitionId,
    experiment::{ExperimentSettings, Experiments, ModelView},
    pipeline::{model::Model, snapshot::Snapshot},
    result::ExperimentResult,
};

/// What an experiment needs of its model; `None` while that has no reference.
pub(super) fn view(model: &Model) -> Option<ModelView<'_>> {
    let basis = model.basis()?;
    Some(ModelView { reference: &basis.reference, drift: &basis.drift })
}

fn view_of<'m>(models: &'m [Model], name: &str) -> Option<ModelView<'m>> {
    models.iter().find(|model| model.name() == name).and_then(view)
}

impl Core {
    /// The same core with these experiments. Before the first step.
    #[must_use]
    pub fn with_experiments(self, settings: Vec<ExperimentSettings>) -> Self {
        Self { experiments: Experiments::new(settings, &self.windows), ..self }
    }

    /// What is said of every experiment now.
    #[must_use]
    pub fn experiments(&self) -> Vec<ExperimentResult> {
        self.experiments.latest()
    }

    /// Looks at the windows that can't change any more at this watermark.
    pub(super) fn look_at_experiments(&mut self, watermark: i64, out: &mut Outputs) {
        if !self.experiments.is_due(watermark) {
            return;
        }
        let models = &self.models;
        self.experiments.advance(watermark, |name| view_of(models, name), &mut out.experiments);
    }

    /// Goes on with the experiments of a snapshot, unless fields are found elsewhere
    /// now: then nobody knows whether its arms and values mean the same.
    pub(super) fn restore_experiments(&mut self, snapshot: &Snapshot<'_>) {
        if !snapshot.is_of_mapping(&self.meaning) {
            return;
        }
        let models = &self.models;
        self.experiments.restore(&snapshot.experiments, |name| view_of(models, name));
    }

    /// What is read again from these partitions up to before `next` was counted.
    pub(super) fn leave_out_counted(
        &mut self,
        snapshot: &Snapshot<'_>,
        read: impl Iterator<Item = (PartitionId, i64)>,
    ) {
        if self.experiments.is_empty() || !snapshot.is_of_mapping(&self.meaning) {
            return;
        }
        for (partition, next) in read {
            self.counted.note(partition, next);
        }
    }
}
