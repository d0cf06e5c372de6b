//! All experiments of one daemon.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use super::{
    change::ExperimentChange,
    experiment::{Experiment, Memory, ModelView},
    settings::ExperimentSettings,
    values::EventView,
};
use crate::{decode::Row, result::ExperimentResult, window::WindowSettings};

/// The experiments, in the order of the configuration.
#[derive(Debug, Clone, Default)]
pub struct Experiments {
    list: Vec<Experiment>,
    /// Lower bound of the watermark at which there is something to look at.
    next_look: Option<i64>,
}

/// What a restart goes on from.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ExperimentMemory<'a>(Vec<Cow<'a, Memory>>);

impl ExperimentMemory<'_> {
    fn of(&self, id: &str) -> Option<&Memory> {
        self.0.iter().find(|memory| memory.id() == id).map(Cow::as_ref)
    }
}

/// Why an experiment counts anew after a restart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExperimentAnew {
    /// Its name.
    pub experiment: String,
    /// The reason, with the setting that changed.
    pub reason: String,
}

impl Experiments {
    /// Nothing counted yet.
    #[must_use]
    pub fn new(settings: Vec<ExperimentSettings>, windows: &WindowSettings) -> Self {
        let list = settings.into_iter().map(|settings| Experiment::new(settings, windows.clone()));
        Self { list: list.collect(), next_look: None }
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// Forgets all that came from events.
    pub fn restart(&mut self) {
        self.list.iter_mut().for_each(Experiment::restart);
        self.next_look = None;
    }

    /// What a restart needs.
    #[must_use]
    pub fn memory(&self) -> ExperimentMemory<'_> {
        ExperimentMemory(self.list.iter().map(|experiment| Cow::Borrowed(experiment.memory())).collect())
    }

    /// Those that count anew when this memory is restored, although it has something
    /// of them.
    #[must_use]
    pub fn compare(&self, memory: &ExperimentMemory<'_>) -> Vec<ExperimentAnew> {
        let anew = |one: &Experiment| {
            let id = &one.settings().id;
            let reason = one.anew(memory.of(id)?)?;
            Some(ExperimentAnew { experiment: id.clone(), reason })
        };
        self.list.iter().filter_map(anew).collect()
    }

    /// Those of which a memory has something, when none of it can be used.
    #[must_use]
    pub fn all_anew(&self, memory: &ExperimentMemory<'_>, reason: &str) -> Vec<ExperimentAnew> {
        let ids = self.list.iter().map(|one| &one.settings().id);
        let counted = ids.filter(|id| memory.of(id).is_some_and(|memory| !memory.is_empty()));
        counted.map(|id| ExperimentAnew { experiment: id.clone(), reason: reason.to_owned() }).collect()
    }

    /// Takes of a memory only what was started and stopped.
    pub fn restore_runs(&mut self, memory: &ExperimentMemory<'_>) {
        for experiment in &mut self.list {
            if let Some(memory) = memory.of(&experiment.settings().id) {
                experiment.restore_run(memory);
            }
        }
        self.note_next_look();
    }

    /// Goes on from a memory; experiments whose settings are others count anew.
    pub fn restore<'m>(
        &mut self,
        memory: &ExperimentMemory<'_>,
        model_of: impl Fn(&str) -> Option<ModelView<'m>>,
    ) {
        for experiment in &mut self.list {
            if let Some(memory) = memory.of(&experiment.settings().id) {
                let reference = model_of(&experiment.settings().model).map(|model| model.reference);
                experiment.restore(memory, reference);
            }
        }
        self.note_next_look();
    }

    /// Begins, begins anew or ends one; what is said of it then.
    pub fn change(&mut self, change: &ExperimentChange) -> Option<ExperimentResult> {
        let known = self.list.iter_mut().find(|one| one.settings().id == change.experiment);
        let result = known.and_then(|experiment| experiment.change(change));
        self.note_next_look();
        result
    }

    /// Takes an event of the model of this name.
    pub fn take(&mut self, model: &str, event: EventView<'_, '_>, row: &Row, view: Option<ModelView<'_>>) {
        for experiment in self.list.iter_mut().filter(|one| one.settings().model == model) {
            // An event ends no window.
            if experiment.take(event, row, view) {
                self.next_look = [self.next_look, experiment.next_look()].into_iter().flatten().min();
            }
        }
    }

    /// Whether there is something to look at.
    #[must_use]
    pub fn is_due(&self, watermark: i64) -> bool {
        self.next_look.is_some_and(|next| next <= watermark)
    }

    /// Looks at what can't change any more.
    pub fn advance<'m>(
        &mut self,
        watermark: i64,
        model_of: impl Fn(&str) -> Option<ModelView<'m>>,
        results: &mut Vec<ExperimentResult>,
    ) {
        for experiment in &mut self.list {
            let model = model_of(&experiment.settings().model);
            experiment.advance(watermark, model, results);
        }
        self.note_next_look();
    }

    /// What is said of each now.
    #[must_use]
    pub fn latest(&self) -> Vec<ExperimentResult> {
        self.list.iter().map(Experiment::latest).collect()
    }

    fn note_next_look(&mut self) {
        self.next_look = self.list.iter().filter_map(Experiment::next_look).min();
    }
}
