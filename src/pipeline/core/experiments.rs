//! Experiments as a part of the core: events in, looks out.

use super::{Core, Outputs};
use crate::{
    event::{Message, PartitionId},
    experiment::{ExperimentSettings, Experiments, ModelView},
    pipeline::{model::Model, snapshot::Snapshot},
    result::ExperimentResult,
};

/// What an experiment needs of its model; `None` while that has no reference.
pub(super) fn view(model: &Model) -> Option<ModelView<'_>> {
    let basis = model.basis()?;
    Some(ModelView { reference: &basis.reference, drift: &basis.drift })
}

/// Messages that experiments have counted before a restart and that are read again
/// for models whose windows begin anew: per partition, those before an offset. Empty
/// when there are none.
#[derive(Debug, Default)]
pub(super) struct Counted(Vec<i64>);

impl Counted {
    fn expect(&mut self, partition: PartitionId, next: i64) {
        let index = partition.0 as usize;
        if index >= self.0.len() {
            self.0.resize(index + 1, i64::MIN);
        }
        if let Some(until) = self.0.get_mut(index) {
            *until = next;
        }
    }

    #[inline]
    pub(super) fn has(&self, message: &Message<'_>) -> bool {
        self.0.get(message.partition.0 as usize).is_some_and(|until| message.offset < *until)
    }

    /// Whether a snapshot would be of one state.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// `partition` was read up to before `next`.
    #[inline]
    pub(super) fn pass(&mut self, partition: PartitionId, next: i64) {
        let Some(until) = self.0.get_mut(partition.0 as usize).filter(|until| next >= **until) else {
            return;
        };
        *until = i64::MIN;
        if self.0.iter().all(|until| *until == i64::MIN) {
            self.0.clear();
        }
    }

    pub(super) fn clear(&mut self) {
        self.0.clear();
    }
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

    /// Goes on with the experiments of a snapshot, unless fields are found elsewhere
    /// now: then nobody knows whether its arms and values mean the same.
    pub(super) fn restore_experiments(&mut self, snapshot: &Snapshot<'_>) {
        if !snapshot.is_of_mapping(&self.meaning) {
            return;
        }
        let models = &self.models;
        let of = |name: &str| models.iter().find(|model| model.name() == name).and_then(view);
        self.experiments.restore(&snapshot.experiments, of);
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
            self.counted.expect(partition, next);
        }
    }
}
