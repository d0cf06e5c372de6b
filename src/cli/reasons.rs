//! Explanations where there is time to wait for them: of a replay.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::bail;
use prometheus::Registry;
use tokio::runtime::Runtime;

use crate::{
    config::Settings,
    explainer::Explainers,
    pipeline::{Core, Input, ModelSpec, Outputs, ReferenceSpec},
    reference::Reference,
};

/// Between two looks at what was done.
const PAUSE: Duration = Duration::from_millis(50);
/// How long a model may give no sign before the replay is given up.
const SILENCE: Duration = Duration::from_secs(300);

/// The explainers of a replay.
pub(super) struct Reasons {
    explainers: Explainers,
    /// Carries the requests to models that are servers.
    _runtime: Runtime,
}

impl Reasons {
    /// Starts explainers, when any model is explained.
    pub(super) fn start(settings: &Settings, models: &[ModelSpec]) -> anyhow::Result<Option<Self>> {
        let explained = settings.models.iter();
        let explained: Vec<_> =
            explained.filter_map(|model| Some((model.name.clone(), model.explain.clone()?))).collect();
        if explained.is_empty() {
            return Ok(None);
        }
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        let slide_ms = settings.windows.slide_ms;
        let explainers = Explainers::start(explained, slide_ms, &Registry::new(), runtime.handle())?;
        for model in models {
            if let ReferenceSpec::Ready { reference, .. } = &model.reference {
                explainers.set_reference(&model.name, Arc::clone(reference));
            }
        }
        Ok(Some(Self { explainers, _runtime: runtime }))
    }

    /// Takes a reference that was learned.
    pub(super) fn learned(&self, reference: &Arc<Reference>) {
        self.explainers.set_reference(&reference.model, Arc::clone(reference));
    }

    /// Has everything explained that waits, and waits for it: so the results of
    /// a replay don't depend on how long that takes.
    pub(super) fn explain(&self, core: &mut Core, out: &mut Outputs) -> anyhow::Result<()> {
        for reference in &out.learned {
            self.learned(&reference.reference);
        }
        let (mut since, mut evaluations) = (Instant::now(), 0);
        loop {
            for (number, explained) in self.explainers.take_done() {
                core.step(Input::Explained(number, &explained), out);
                since = Instant::now();
            }
            if core.explanations().is_empty() {
                return Ok(());
            }
            if let Some((model, why)) = self.explainers.broken() {
                bail!("model {model} can't be explained: {why}; --unexplained replays without explanations");
            }
            self.explainers.offer(core.explanations_mut());
            let problem = self.explainers.wait(PAUSE);
            let so_far = self.explainers.evaluations();
            if std::mem::replace(&mut evaluations, so_far) != so_far {
                since = Instant::now();
            }
            if since.elapsed() > SILENCE {
                let why = problem.unwrap_or_else(|| "it gives no sign".to_owned());
                bail!("nothing was explained for {} s: {why}", SILENCE.as_secs());
            }
        }
    }
}
