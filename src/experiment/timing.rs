//! When windows are looked at, and which times belong together.

use super::settings::{Design, ExperimentSettings};
use crate::{
    event::EventTime,
    window::{WindowSettings, pane_start},
};

/// What follows from the settings of windows and of one experiment; in milliseconds of
/// event time.
#[derive(Debug, Clone)]
pub(super) struct Timing {
    windows: WindowSettings,
    /// How far apart two answers to one request may be; of splits nothing.
    pair_timeout: Option<i64>,
    /// The label delay in whole windows' time; nothing where no metric needs labels.
    label_wait: Option<i64>,
}

impl Timing {
    pub(super) fn new(settings: &ExperimentSettings, windows: WindowSettings) -> Self {
        let slide = windows.slide_ms;
        let label_wait = settings.needs_labels().then(|| {
            settings.label_delay_ms.saturating_add(slide - 1).div_euclid(slide).saturating_mul(slide)
        });
        let pair_timeout = match settings.design {
            Design::Split => None,
            Design::Shadow { pair_timeout_ms, .. } => Some(pair_timeout_ms),
        };
        Self { windows, pair_timeout, label_wait }
    }

    /// Length of a window.
    pub(super) fn slide(&self) -> i64 {
        self.windows.slide_ms
    }

    /// Start of the window of a time.
    pub(super) fn start_of(&self, time: i64) -> i64 {
        pane_start(&self.windows, EventTime(time)).0
    }

    /// How long after its end a window may still change.
    pub(super) fn wait(&self) -> i64 {
        self.windows.grace_ms.saturating_add(self.pair_timeout.unwrap_or(0))
    }

    pub(super) fn needs_labels(&self) -> bool {
        self.label_wait.is_some()
    }

    /// By how many windows' time labels are waited for.
    pub(super) fn label_wait(&self) -> i64 {
        self.label_wait.unwrap_or(0)
    }

    /// Whether a label counts with an answer: when it was before the window's labels are
    /// looked at, and no longer before the window than that.
    pub(super) fn is_in_time(&self, answer: i64, label: i64) -> bool {
        let start = self.start_of(answer);
        let reach = self.slide().saturating_add(self.label_wait());
        (start.saturating_sub(reach)..start.saturating_add(reach)).contains(&label)
    }

    /// Whether two answers under one id are to the same request.
    pub(super) fn is_pair(&self, one: i64, other: i64) -> bool {
        self.pair_timeout.is_some_and(|most| one.abs_diff(other) <= most.unsigned_abs())
    }
}
