//! Experiments as a part of the core: events in, looks out.

use super::{Core, Outputs};
use crate::{
    experiment::{ExperimentSettings, Experiments, ModelView},
    pipeline::{model::Model, snapshot::Snapshot},
    result::ExperimentResult,
};

/// What an experiment needs of its model; `None` while that has no reference.
pub(super) fn view(model: &Model) -> Option<ModelView<'_>> {
    let basis = model.basis()?;
    Some(ModelView { reference: &basis.reference, drift: &basis.drift })
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
        let of = |name: &str| models.iter().find(|model| model.name() == name).and_then(view);
        self.experiments.advance(watermark, of, &mut out.experiments);
    }

    pub(super) fn restore_experiments(&mut self, snapshot: &Snapshot<'_>) {
        let models = &self.models;
        let of = |name: &str| models.iter().find(|model| model.name() == name).and_then(view);
        self.experiments.restore(&snapshot.experiments, of);
    }
}
