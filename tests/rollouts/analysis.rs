//! One metric of an `AnalysisRun`: how measurements add up to what Argo Rollouts does
//! (argo-rollouts analysis/analysis.go: `runMeasurements`, `assessMetricStatus`,
//! `assessMetricFailureInconclusiveOrError`, and `EffectiveCount` in
//! `pkg/apis/rollouts/v1alpha1/analysis_types.go`).

use crate::tools;

/// A phase of a measurement or of a whole run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    Running,
    Successful,
    Failed,
    Inconclusive,
    Error,
}

/// What a rollout does when its run has ended like this (rollout/analysis.go): it is
/// aborted on Failed and Error, and pauses until somebody decides on Inconclusive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rollout {
    GoesOn,
    Waits,
    Pauses,
    Aborts,
}

impl From<Phase> for Rollout {
    fn from(phase: Phase) -> Self {
        match phase {
            Phase::Running => Self::Waits,
            Phase::Successful => Self::GoesOn,
            Phase::Inconclusive => Self::Pauses,
            Phase::Failed | Phase::Error => Self::Aborts,
        }
    }
}

/// How often a metric is measured, and how much is borne.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Limits {
    pub(crate) count: Option<u32>,
    pub(crate) has_interval: bool,
    pub(crate) failure: Option<u32>,
    pub(crate) inconclusive: Option<u32>,
    pub(crate) consecutive_error: Option<u32>,
    pub(crate) consecutive_success: Option<u32>,
}

/// `DefaultConsecutiveErrorLimit` in utils/defaults/defaults.go.
const CONSECUTIVE_ERRORS: u32 = 4;

/// A metric in the course of its run.
#[derive(Debug, Default)]
pub(crate) struct Run {
    limits: Limits,
    measured: u32,
    failed: u32,
    inconclusive: u32,
    errors_in_a_row: u32,
    successes_in_a_row: u32,
    over: Option<Phase>,
    measurements: Vec<Phase>,
}

impl Run {
    pub(crate) fn new(limits: Limits) -> Self {
        Self { limits, ..Self::default() }
    }

    /// Counts a measurement; how the run stands after it.
    pub(crate) fn add(&mut self, measurement: Phase) -> Phase {
        if let Some(over) = self.over {
            return over;
        }
        if measurement == Phase::Error {
            self.errors_in_a_row += 1;
        } else {
            self.measured += 1;
            self.errors_in_a_row = 0;
        }
        if measurement == Phase::Successful {
            self.successes_in_a_row += 1;
        } else {
            self.successes_in_a_row = 0;
        }
        self.failed += u32::from(measurement == Phase::Failed);
        self.inconclusive += u32::from(measurement == Phase::Inconclusive);
        let phase = self.assess();
        self.measurements.push(measurement);
        if phase != Phase::Running || self.measurements.len() < 5 {
            tools::assessed(&self.limits, &self.measurements, phase);
        }
        self.over = (phase != Phase::Running).then_some(phase);
        phase
    }

    fn assess(&self) -> Phase {
        let Limits { failure, inconclusive, consecutive_error, consecutive_success, .. } = self.limits;
        // In this order: the last that applies is the one.
        if self.errors_in_a_row > consecutive_error.unwrap_or(CONSECUTIVE_ERRORS) {
            return Phase::Error;
        }
        if self.inconclusive > inconclusive.unwrap_or(0) {
            return Phase::Inconclusive;
        }
        if self.failed > failure.unwrap_or(0) {
            return Phase::Failed;
        }
        let wanted = consecutive_success.filter(|wanted| *wanted > 0);
        if wanted.is_some_and(|wanted| self.successes_in_a_row >= wanted) {
            return Phase::Successful;
        }
        let count = match self.limits.count.filter(|count| *count > 0) {
            Some(count) => Some(count),
            None => (!self.limits.has_interval).then_some(1),
        };
        match count.filter(|count| self.measured >= *count) {
            None => Phase::Running,
            // Enough successes in a row are missing.
            Some(_) if wanted.is_some() => Phase::Inconclusive,
            Some(_) => Phase::Successful,
        }
    }
}
