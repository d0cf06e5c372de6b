//! Experiments as a part of the core: events in, looks out.

use super::{Core, Outputs};
use crate::{
    event::PartitionId,
    experiment::{ExperimentAnew, ExperimentSettings, Experiments, ModelView},
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

    /// What was said of every experiment when this snapshot was taken, as far as it
    /// goes on with it; for whoever asks before the snapshot is restored.
    #[must_use]
    pub fn experiments_of(&self, snapshot: &Snapshot<'_>) -> Vec<ExperimentResult> {
        let mut experiments = self.experiments.clone();
        self.restore_into(&mut experiments, snapshot);
        experiments.latest()
    }

    /// Looks at the windows that can't change any more at this watermark.
    pub(super) fn look_at_experiments(&mut self, watermark: i64, out: &mut Outputs) {
        if !self.experiments.is_due(watermark) {
            return;
        }
        let models = &self.models;
        self.experiments.advance(watermark, |name| view_of(models, name), &mut out.experiments);
    }

    /// The experiments that count anew when this snapshot is restored, although it has
    /// something of them.
    #[must_use]
    pub fn compare_experiments(&self, snapshot: &Snapshot<'_>) -> Vec<ExperimentAnew> {
        match snapshot.mapping_change(&self.meaning) {
            Some(change) => self.experiments.all_anew(&snapshot.experiments, &change),
            None => self.experiments.compare(&snapshot.experiments),
        }
    }

    pub(super) fn restore_experiments(&mut self, snapshot: &Snapshot<'_>) {
        let mut experiments = std::mem::take(&mut self.experiments);
        self.restore_into(&mut experiments, snapshot);
        self.experiments = experiments;
    }

    /// Goes on with the experiments of a snapshot. When fields are found elsewhere now,
    /// nobody knows whether its arms and values mean the same: then only what was
    /// started is kept.
    fn restore_into(&self, experiments: &mut Experiments, snapshot: &Snapshot<'_>) {
        if snapshot.mapping_change(&self.meaning).is_some() {
            experiments.restore_runs(&snapshot.experiments);
        } else {
            experiments.restore(&snapshot.experiments, |name| view_of(&self.models, name));
        }
    }

    /// What is read again from these partitions up to before `next` was counted.
    pub(super) fn leave_out_counted(
        &mut self,
        snapshot: &Snapshot<'_>,
        read: impl Iterator<Item = (PartitionId, i64)>,
    ) {
        if self.experiments.is_empty() || snapshot.mapping_change(&self.meaning).is_some() {
            return;
        }
        for (partition, next) in read {
            self.counted.note(partition, next);
        }
    }
}
