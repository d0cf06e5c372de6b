//! A canary of Flagger with progressive traffic, one tick after another
//! (pkg/controller/scheduler.go: `advanceCanary`, `checkCanaryStatus`, `runCanary`,
//! `runAnalysis`, `rollback`; `scheduler_hooks.go`; events.go).

use serde_json::json;

use crate::{flagger, rig::Daemon};

/// Type of a webhook.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Event,
    PreRollout,
    ConfirmTrafficIncrease,
    Rollout,
    ConfirmPromotion,
    Rollback,
    PostRollout,
}

impl Kind {
    pub(crate) fn named(name: &str) -> Self {
        match name {
            "event" => Self::Event,
            "pre-rollout" => Self::PreRollout,
            "confirm-traffic-increase" => Self::ConfirmTrafficIncrease,
            "rollout" => Self::Rollout,
            "confirm-promotion" => Self::ConfirmPromotion,
            "rollback" => Self::Rollback,
            "post-rollout" => Self::PostRollout,
            other => panic!("{other}"),
        }
    }
}

#[derive(Debug, Clone)]
pub(crate) struct Hook {
    pub(crate) kind: Kind,
    pub(crate) path: String,
    pub(crate) metadata: Vec<(String, String)>,
}

/// A metric template with its thresholds.
#[derive(Debug, Clone)]
pub(crate) struct Metric {
    pub(crate) query: String,
    pub(crate) min: Option<f64>,
    pub(crate) max: Option<f64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    Initialized,
    Progressing,
    WaitingPromotion,
    Promoting,
    Finalising,
    Succeeded,
    Failed,
}

pub(crate) struct Canary<'a> {
    pub(crate) daemon: &'a Daemon,
    pub(crate) hooks: Vec<Hook>,
    pub(crate) metrics: Vec<Metric>,
    pub(crate) threshold: u32,
    pub(crate) step: u32,
    pub(crate) most: u32,
    pub(crate) phase: Phase,
    /// Of what is deployed now, and of what was last seen.
    pub(crate) deployed: String,
    pub(crate) checksum: String,
    pub(crate) weight: u32,
    pub(crate) failed_checks: u32,
    /// What `kubectl describe` would show.
    pub(crate) said: Vec<String>,
}

impl<'a> Canary<'a> {
    pub(crate) fn new(daemon: &'a Daemon, hooks: Vec<Hook>) -> Self {
        Self {
            daemon,
            hooks,
            metrics: Vec::new(),
            threshold: 3,
            step: 25,
            most: 50,
            phase: Phase::Initialized,
            deployed: "old".to_owned(),
            checksum: "old".to_owned(),
            weight: 0,
            failed_checks: 0,
            said: Vec::new(),
        }
    }

    /// Another version of what is released.
    pub(crate) fn deploy(&mut self, checksum: &str) {
        checksum.clone_into(&mut self.deployed);
    }

    /// `sendEventToWebhook`: errors are only logged.
    fn event(&mut self, phase: Phase, message: &str) {
        let mut said = vec![message.to_owned()];
        for hook in self.hooks_of(Kind::Event) {
            if let Err(error) = self.call(&hook, phase) {
                said.push(format!("event: {}", error.trim_end()));
            }
        }
        self.said.extend(said);
    }

    fn hooks_of(&self, kind: Kind) -> Vec<Hook> {
        self.hooks.iter().filter(|hook| hook.kind == kind).cloned().collect()
    }

    fn call(&self, hook: &Hook, phase: Phase) -> Result<(), String> {
        let metadata: serde_json::Map<String, serde_json::Value> =
            hook.metadata.iter().map(|(key, value)| (key.clone(), json!(value))).collect();
        let payload = json!({
            "name": "credit", "namespace": "models", "phase": format!("{phase:?}"),
            "checksum": self.checksum, "metadata": metadata,
        });
        flagger::webhook(self.daemon, &hook.path, &payload)
    }

    /// The first no of the hooks of a type.
    fn refused(&self, kind: Kind, phase: Phase) -> Option<String> {
        self.hooks_of(kind).iter().find_map(|hook| self.call(hook, phase).err())
    }

    fn roll_back(&mut self) {
        self.weight = 0;
        self.event(Phase::Failed, "Canary failed! Scaling down");
        self.phase = Phase::Failed;
        let _ = self.refused(Kind::PostRollout, Phase::Failed);
    }

    pub(crate) fn tick(&mut self) {
        match self.phase {
            Phase::Initialized | Phase::Succeeded | Phase::Failed => self.look_for_release(),
            Phase::Progressing | Phase::WaitingPromotion => self.analyse(),
            Phase::Promoting => {
                self.event(Phase::Promoting, "Routing all traffic to primary");
                self.phase = Phase::Finalising;
            }
            Phase::Finalising => {
                self.phase = Phase::Succeeded;
                let _ = self.refused(Kind::PostRollout, Phase::Succeeded);
                // The event is of the canary as it was at the beginning of the tick.
                self.event(Phase::Finalising, "Promotion completed!");
            }
        }
    }

    /// The event has the phase to come and the checksum that was.
    fn look_for_release(&mut self) {
        if self.deployed != self.checksum {
            self.event(Phase::Progressing, "New revision detected!");
            self.checksum = self.deployed.clone();
            (self.phase, self.weight, self.failed_checks) = (Phase::Progressing, 0, 0);
        }
    }

    fn analyse(&mut self) {
        let rollback = self.hooks_of(Kind::Rollback);
        if rollback.iter().any(|hook| self.call(hook, self.phase).is_ok()) {
            self.event(self.phase, "Rollback check passed");
            return self.roll_back();
        }
        if self.failed_checks >= self.threshold {
            return self.roll_back();
        }
        let refused = if self.weight == 0 {
            self.event(self.phase, "Starting canary analysis");
            self.refused(Kind::PreRollout, Phase::Progressing)
        } else {
            self.refused(Kind::Rollout, Phase::Progressing).or_else(|| self.metrics_refuse())
        };
        if let Some(reason) = refused {
            self.event(self.phase, &format!("Halt advancement: {}", reason.trim_end()));
            // Never counted back before the next release.
            self.failed_checks += 1;
            return;
        }
        if self.phase == Phase::Progressing
            && let Some(reason) = self.refused(Kind::ConfirmTrafficIncrease, Phase::Progressing)
        {
            return self.event(self.phase, &format!("Halt traffic increase: {}", reason.trim_end()));
        }
        if self.weight < self.most {
            self.weight += self.step;
            return self.event(self.phase, "Advance canary weight");
        }
        if let Some(reason) = self.refused(Kind::ConfirmPromotion, Phase::Progressing) {
            self.event(self.phase, &format!("Halt promotion: {}", reason.trim_end()));
            self.phase = Phase::WaitingPromotion;
        } else {
            self.event(self.phase, "Copying template spec to primary");
            self.phase = Phase::Promoting;
        }
    }

    /// `pkg/controller/scheduler_metrics.go`, `runMetricChecks`.
    fn metrics_refuse(&self) -> Option<String> {
        self.metrics.iter().find_map(|metric| match flagger::query(self.daemon, &metric.query) {
            Err(error) => Some(error),
            Ok(value) if metric.min.is_some_and(|min| value < min) => Some(format!("{value} is too small")),
            Ok(value) if metric.max.is_some_and(|max| value > max) => Some(format!("{value} is too large")),
            Ok(_) => None,
        })
    }

    pub(crate) fn ticks(&mut self, number: usize) {
        for _ in 0..number {
            self.tick();
        }
    }
}
