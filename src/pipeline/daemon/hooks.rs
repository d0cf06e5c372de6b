//! Who is told what happens in the daemon.

use std::fmt;

use crate::result::{ExperimentResult, WindowResult};

/// Is given a window.
pub type OnWindow = Box<dyn FnMut(&WindowResult) + Send>;
/// Is given what is said of an experiment.
pub type OnExperiment = Box<dyn FnMut(&ExperimentResult) + Send>;

/// Who is told what happens. All are called on the pipeline's thread, which
/// waits for them: they must be quick.
#[derive(Default)]
pub struct Hooks {
    /// Called with every window as it is written, and written again.
    pub on_window: Option<OnWindow>,
    /// Called with every look at an experiment.
    pub on_experiment: Option<OnExperiment>,
    /// Called once when the pipeline's thread ends, however it ends.
    pub on_end: Option<Box<dyn FnOnce() + Send>>,
}

impl fmt::Debug for Hooks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hooks").finish_non_exhaustive()
    }
}

impl Hooks {
    pub(super) fn window(&mut self, result: &WindowResult) {
        if let Some(on_window) = &mut self.on_window {
            on_window(result);
        }
    }

    pub(super) fn experiment(&mut self, result: &ExperimentResult) {
        if let Some(on_experiment) = &mut self.on_experiment {
            on_experiment(result);
        }
    }
}
