//! A thread that explains.

use std::sync::{
    Arc, Condvar, Mutex, MutexGuard, PoisonError,
    atomic::{AtomicBool, Ordering},
};
use std::time::Duration;

use super::{
    answerer::Answerer,
    budget::Budget,
    metrics::Metrics,
    prepare::{ModelAccess, PrepareError},
    queue::{AskError, Job, Place, Question, Queue, Stage, Work},
    settings::ExplainerSettings,
};
use crate::{
    explain::{FEWEST_ATTRIBUTIONS, RowError},
    model::PredictError,
    pipeline::{ExplainRow, Explained},
    reference::Reference,
};

/// Between two looks at whether to stop.
const LONGEST_WAIT: Duration = Duration::from_millis(500);

/// What is said where a panic was caught; the log has the place.
const PANICKED: &str = "explaining it panicked, which is a bug; the log says where";

/// Does a thing; `None` when it panics. What it leaves behind is of one row or one
/// job, and is not used again.
fn guarded<T>(act: impl FnOnce() -> T) -> Option<T> {
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(act)).ok()
}

/// What the threads of one model share.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) model: String,
    pub(super) settings: ExplainerSettings,
    /// Between two windows of a stream.
    pub(super) slide_ms: i64,
    pub(super) budget: Arc<Budget>,
    pub(super) metrics: Metrics,
    pub(super) runtime: tokio::runtime::Handle,
    pub(super) is_stopping: Arc<AtomicBool>,
    queue: Mutex<Queue>,
    changed: Condvar,
}

impl Shared {
    pub(super) fn new(
        model: String,
        (settings, slide_ms): (ExplainerSettings, i64),
        metrics: Metrics,
        runtime: tokio::runtime::Handle,
    ) -> Self {
        let is_stopping = Arc::new(AtomicBool::new(false));
        let spent = metrics.evaluations.with_label_values(&[&model]);
        let budget = Budget::new(settings.evaluations_per_second, Arc::clone(&is_stopping), spent);
        Self {
            model,
            settings,
            slide_ms,
            budget: Arc::new(budget),
            metrics,
            runtime,
            is_stopping,
            queue: Mutex::new(Queue::new()),
            changed: Condvar::new(),
        }
    }

    /// What the model is asked through.
    pub(super) fn access(&self) -> ModelAccess {
        ModelAccess {
            remote: self.metrics.remote.clone(),
            runtime: self.runtime.clone(),
            budget: Arc::clone(&self.budget),
        }
    }

    /// The queue. Whoever changes it says so by [`Self::tell`].
    pub(super) fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn tell(&self) {
        self.changed.notify_all();
    }

    /// Waits until something changes, or for so long.
    pub(super) fn wait<'q>(&self, queue: MutexGuard<'q, Queue>, longest: Duration) -> MutexGuard<'q, Queue> {
        self.changed.wait_timeout(queue, longest).unwrap_or_else(PoisonError::into_inner).0
    }

    /// Works until told to stop.
    pub(super) fn run(&self) {
        while let Some(work) = self.next() {
            match work {
                Work::Prepare(reference) => self.prepare(&reference),
                Work::Answer(answerer, question) => self.answer(&answerer, question),
                Work::Row { answerer, place, index, rows } => self.row(&answerer, (place, index), &rows),
                Work::Finish { answerer, place, job } => self.finish(&answerer, place, &job),
            }
            self.tell();
        }
        self.queue().refuse_questions(&AskError::Stopping);
    }

    fn next(&self) -> Option<Work> {
        let mut queue = self.queue();
        loop {
            if self.is_stopping.load(Ordering::Relaxed) {
                return None;
            }
            match queue.next() {
                Ok(work) => return Some(work),
                Err(pause) => {
                    let longest = pause.map_or(LONGEST_WAIT, |pause| pause.min(LONGEST_WAIT));
                    queue = self.wait(queue, longest);
                }
            }
        }
    }

    fn prepare(&self, reference: &Arc<Reference>) {
        let prepared = guarded(|| Answerer::prepare(self, reference));
        let prepared = prepared.unwrap_or_else(|| Err(PrepareError::Panicked(PANICKED)));
        let mut queue = self.queue();
        if !queue.is_preparing(reference) {
            return;
        }
        match prepared {
            Ok((answerer, rows)) => {
                tracing::info!(model = self.model, how = %answerer.describe(), "explanations are ready");
                queue.problem = None;
                if rows.len() < FEWEST_ATTRIBUTIONS && answerer.is_model() {
                    tracing::warn!(
                        model = self.model,
                        rows = rows.len(),
                        "the reference keeps too few rows beside the background: whether attributions drift is not \
                         judged"
                    );
                }
                queue.own = (!rows.is_empty()).then(|| Job::new(None, rows, 0));
                queue.stage = Stage::Ready(answerer);
            }
            Err(error) if error.is_transient() => {
                queue.stage = Stage::Unprepared(Arc::clone(reference));
                let why = error.to_string();
                queue.refuse_questions(&AskError::NotReady(why.clone()));
                queue.rest(why);
            }
            Err(error) => {
                let why = error.to_string();
                tracing::error!(model = self.model, reason = why, "nothing can be explained");
                queue.problem = Some(why.clone());
                queue.refuse_questions(&AskError::NotReady(why.clone()));
                queue.stage = Stage::Broken(why);
            }
        }
    }

    fn answer(&self, answerer: &Answerer, question: Question) {
        let answer = guarded(|| answerer.event(self, &question.row));
        let answer = answer.unwrap_or_else(|| Err(AskError::Unusable(PANICKED.to_owned())));
        self.count("asked", answer.is_ok());
        match &answer {
            Ok(_) => self.queue().problem = None,
            Err(AskError::Predict(PredictError::Unavailable(why))) => {
                self.queue().problem = Some(why.clone());
            }
            Err(_) => {}
        }
        let outcome = match &answer {
            Ok(_) => "answered",
            Err(AskError::Predict(PredictError::Unavailable(_))) => "unavailable",
            Err(_) => "refused",
        };
        self.metrics.requests.with_label_values(&[self.model.as_str(), outcome]).inc();
        // Whoever asked may have gone.
        let _ = question.answer.send(answer);
    }

    fn row(&self, answerer: &Answerer, (place, index): (Place, usize), rows: &Arc<[ExplainRow]>) {
        let Some(row) = rows.get(index) else { return };
        let answer = guarded(|| answerer.row(self, row)).unwrap_or(Err(RowError::NoNumber));
        if !matches!(answer, Err(RowError::Model(PredictError::Unavailable(_)))) {
            let purpose = match place {
                Place::Alert => "alert",
                Place::Reference => "reference",
                Place::Window => "window",
            };
            self.count(purpose, answer.is_ok());
        }
        self.queue().take((place, index, rows), answer);
    }

    fn count(&self, purpose: &str, is_explained: bool) {
        let purpose = if is_explained { purpose } else { "unusable" };
        self.metrics.rows.with_label_values(&[self.model.as_str(), purpose]).inc();
    }

    /// Says why rows of a window could not be explained, by the first of them.
    fn log_refusal(&self, job: &Job) {
        let refused = job.answers.iter().flatten().filter_map(|answer| answer.as_ref().err());
        let (mut refused, rows) = (refused.clone(), refused.count());
        if let (Some(task), Some(first)) = (&job.task, refused.next()) {
            tracing::warn!(
                model = self.model, end = %task.end, rows, reason = %first, "rows of a window can't be explained"
            );
        }
    }

    fn finish(&self, answerer: &Answerer, place: Place, job: &Job) {
        let is_budget_too_small = job.rows.is_empty() && job.given_up > 0;
        let number = job.task.as_ref().map(|task| task.number);
        let since = job.since;
        let panicked = || job.task.is_some().then_some(Explained::GivenUp);
        let explained = guarded(|| answerer.finish(place, job)).unwrap_or_else(panicked);
        self.log_refusal(job);
        if let Some(explained) = &explained {
            let purpose = match explained {
                Explained::Window(_) => Some("window"),
                Explained::Events(_) => Some("alert"),
                Explained::GivenUp => None,
            };
            if let Some(purpose) = purpose {
                self.metrics.explained.with_label_values(&[self.model.as_str(), purpose]).inc();
            }
            self.metrics.seconds.observe(since.elapsed().as_secs_f64());
        }
        let mut queue = self.queue();
        if is_budget_too_small {
            let why = "evaluations_per_second allows no row of a window to be explained; raise it";
            queue.problem = Some(why.to_owned());
        }
        queue.finish(place, number, explained);
    }
}
