//! All explainers of one daemon.

use std::{
    collections::BTreeMap,
    io,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use prometheus::Registry;
use tokio::{runtime::Handle, sync::oneshot};

use super::{
    metrics::Metrics,
    queue::{AskError, Job, Place, Question, Stage},
    settings::{ExplainerSettings, ModelSource},
    worker::Shared,
};
use crate::{
    ops::Component,
    pipeline::{ExplainPurpose, ExplainTask, Explained, Explanations, RecentRow},
    reference::Reference,
    result::EventExplanation,
};

/// Why explainers can't be started.
#[derive(Debug, thiserror::Error)]
pub enum ExplainersError {
    /// The system gives no threads.
    #[error("can't start threads that explain: {0}")]
    Threads(#[source] io::Error),
    /// A metric of the same name is there twice, which is a bug.
    #[error("a metric can't be registered: {0}")]
    Metrics(#[from] prometheus::Error),
}

/// What the threads of one model share.
#[derive(Debug)]
struct Worker {
    shared: Arc<Shared>,
}

/// The explainers of all models that are explained.
#[derive(Debug)]
pub struct Explainers {
    workers: BTreeMap<String, Worker>,
}

impl Explainers {
    /// Starts threads for the models that are explained, whose windows begin
    /// `slide_ms` apart. They wait for their references.
    ///
    /// # Errors
    /// When the system gives no threads.
    pub fn start(
        models: impl IntoIterator<Item = (String, ExplainerSettings)>,
        slide_ms: i64,
        registry: &Registry,
        runtime: &Handle,
    ) -> Result<Self, ExplainersError> {
        let mut workers = BTreeMap::new();
        let metrics = Metrics::register(registry)?;
        for (model, settings) in models {
            let count = settings.threads.max(1);
            metrics.begin(&model);
            let (metrics, runtime) = (metrics.clone(), runtime.clone());
            let shared = Arc::new(Shared::new(model.clone(), (settings, slide_ms), metrics, runtime));
            for _ in 0..count {
                let shared = Arc::clone(&shared);
                let thread = std::thread::Builder::new().name(super::THREAD.to_owned());
                thread.spawn(move || shared.run()).map_err(ExplainersError::Threads)?;
            }
            workers.insert(model, Worker { shared });
        }
        Ok(Self { workers })
    }

    /// The reference of a model, which its rows are compared with.
    pub fn set_reference(&self, model: &str, reference: Arc<Reference>) {
        let Some(worker) = self.workers.get(model) else { return };
        worker.shared.queue().begin(reference);
        worker.shared.tell();
    }

    /// Gives what waits to whoever has nothing to do, and takes back what is not
    /// asked any more.
    pub fn offer(&self, waiting: &mut Explanations) {
        for (model, worker) in &self.workers {
            let count = i64::try_from(waiting.waiting(model)).unwrap_or(i64::MAX);
            worker.shared.metrics.waiting.with_label_values(&[model.as_str()]).set(count);
            worker.offer(model, waiting);
        }
    }

    /// What was done since the last call, by the numbers of the tasks.
    #[must_use]
    pub fn take_done(&self) -> Vec<(u64, Explained)> {
        let taken = |worker: &Worker| std::mem::take(&mut worker.shared.queue().done);
        self.workers.values().flat_map(taken).collect()
    }

    /// Whether a model is explained by surrogates.
    #[must_use]
    pub fn has_surrogate(&self, model: &str) -> bool {
        let source = self.workers.get(model).map(|worker| &worker.shared.settings.source);
        matches!(source, Some(ModelSource::Surrogate))
    }

    /// Whether a model is explained.
    #[must_use]
    pub fn explains(&self, model: &str) -> bool {
        self.workers.contains_key(model)
    }

    /// Has an event explained; the answer, or why there is none, comes by
    /// `answer`.
    pub fn ask(&self, row: RecentRow, answer: oneshot::Sender<Result<EventExplanation, AskError>>) {
        let refused = match self.workers.get(&row.stream.model) {
            None => Some(AskError::NotExplained),
            Some(worker) => worker.refusal(),
        };
        match (refused, self.workers.get(&row.stream.model)) {
            (None, Some(worker)) => {
                worker.shared.queue().questions.push_back(Question { row, answer });
                worker.shared.tell();
            }
            (refused, _) => {
                // Whoever asked may have gone.
                let _ = answer.send(Err(refused.unwrap_or(AskError::NotExplained)));
            }
        }
    }

    /// How the models can be asked. Nothing else waits for an explanation.
    #[must_use]
    pub fn components(&self) -> Vec<Component> {
        let component = |(model, worker): (&String, &Worker)| {
            let name = format!("explanations of {model}");
            let queue = worker.shared.queue();
            match (&queue.stage, &queue.problem) {
                (_, Some(problem)) => Component::hampered(name, problem.clone()),
                (Stage::NoReference, None) => Component::ready_but(name, "the reference is being learned"),
                (Stage::Unprepared(_) | Stage::Preparing(_), None) => {
                    Component::ready_but(name, "the model is being read")
                }
                _ => Component::ready(name),
            }
        };
        self.workers.iter().map(component).collect()
    }

    /// A model that will never be explained, and why.
    #[must_use]
    pub fn broken(&self) -> Option<(String, String)> {
        let broken = |(model, worker): (&String, &Worker)| match &worker.shared.queue().stage {
            Stage::Broken(why) => Some((model.clone(), why.clone())),
            _ => None,
        };
        self.workers.iter().find_map(broken)
    }

    /// Rows that models were asked about so far: grows while anything goes on.
    #[must_use]
    pub fn evaluations(&self) -> u64 {
        self.workers.values().map(|worker| worker.shared.budget.spent()).sum()
    }

    /// Waits until something was done, or so long; says what hinders, if anything
    /// does. For those who have nothing else to do.
    pub fn wait(&self, longest: Duration) -> Option<String> {
        let mut problem = None;
        for worker in self.workers.values() {
            let queue = worker.shared.queue();
            problem = problem.or_else(|| queue.problem.clone());
            if !queue.done.is_empty() {
                break;
            }
            if !queue.is_idle() {
                drop(worker.shared.wait(queue, longest));
            }
        }
        problem
    }
}

impl Drop for Explainers {
    /// Ends the threads as soon as they look; a request that is under way is not
    /// waited for.
    fn drop(&mut self) {
        for worker in self.workers.values() {
            worker.shared.is_stopping.store(true, Ordering::Relaxed);
            worker.shared.tell();
        }
    }
}

impl Worker {
    /// Why no question is taken, if none is.
    fn refusal(&self) -> Option<AskError> {
        let queue = self.shared.queue();
        let (outcome, error) = match (&queue.stage, &queue.problem) {
            (Stage::NoReference, _) => {
                ("unavailable", AskError::NotReady("its reference is being learned".to_owned()))
            }
            (Stage::Broken(why), _) => ("refused", AskError::NotReady(why.clone())),
            (Stage::Unprepared(_) | Stage::Preparing(_), Some(why)) => {
                ("unavailable", AskError::NotReady(why.clone()))
            }
            _ if queue.questions.len() >= self.shared.settings.waiting_requests => {
                ("overflow", AskError::Busy)
            }
            _ => return None,
        };
        self.shared.metrics.requests.with_label_values(&[self.shared.model.as_str(), outcome]).inc();
        Some(error)
    }

    fn offer(&self, model: &str, waiting: &mut Explanations) {
        let mut queue = self.shared.queue();
        let Stage::Ready(answerer) = &queue.stage else {
            if matches!(queue.stage, Stage::Broken(_)) {
                // Nobody will ever answer: what waits is told so.
                for purpose in [ExplainPurpose::Alert, ExplainPurpose::Window] {
                    if let Some(task) = waiting.next(model, purpose)
                        && !queue.is_done(task.number)
                    {
                        queue.done.push((task.number, Explained::GivenUp));
                    }
                }
            }
            return;
        };
        let answerer = answerer.clone();
        for (purpose, place) in
            [(ExplainPurpose::Alert, Place::Alert), (ExplainPurpose::Window, Place::Window)]
        {
            let next = waiting.next(model, purpose).cloned();
            let current = queue.current(purpose);
            if current.is_some_and(|number| waiting.has(number)) {
                continue;
            }
            let job = next.filter(|task| !queue.is_done(task.number)).map(|task| self.job(&answerer, &task));
            if let Some(task) = job.as_ref().and_then(|job| job.task.as_ref()) {
                waiting.begin(task.number);
                self.shared.tell();
            }
            match place {
                Place::Alert => queue.alert = job,
                _ => queue.window = job,
            }
        }
    }

    fn job(&self, answerer: &super::answerer::Answerer, task: &Arc<ExplainTask>) -> Job {
        let rows = answerer.affordable_rows(&self.shared, task);
        let given_up = if answerer.is_model() { task.rows.len() - rows.len() } else { 0 };
        Job::new(Some(Arc::clone(task)), rows.into(), given_up as u64)
    }
}
