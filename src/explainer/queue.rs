//! What the threads of one model have to do, and in which order.
//!
//! Questions of people come first, then the events of alerts, then what windows
//! are held against, then windows. Work is given out row by row, so that a
//! question waits for a row and not for a window, and every row's answer has its
//! place, so that the order in which they come changes nothing.

use std::{
    collections::VecDeque,
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::sync::oneshot;

use super::answerer::Answerer;
use crate::{
    explain::{RowError, RowExplanation},
    model::PredictError,
    pipeline::{ExplainPurpose, ExplainRow, ExplainTask, Explained, RecentRow},
    reference::Reference,
    result::EventExplanation,
};

/// After a server failed, it is asked again after so long.
const PAUSE: Duration = Duration::from_secs(5);

/// Why an event was not explained.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AskError {
    /// Nobody explains this model.
    #[error("explanations are not configured for this model")]
    NotExplained,
    /// There is a surrogate only.
    #[error(
        "a surrogate ranks the features of whole windows; it can't say why one event was predicted as it was"
    )]
    SurrogateOnly,
    /// The event is of a version that the model is not.
    #[error("the event is of version {0:?}, and the model is not")]
    OtherVersion(String),
    /// There is no such event.
    #[error("no event with the id {0:?} is among the latest")]
    NotSeen(String),
    /// The model is not ready yet.
    #[error("the model can't be asked yet: {0}")]
    NotReady(String),
    /// Too many wait already.
    #[error("too many requests wait already")]
    Busy,
    /// The event can't be made into the model's inputs.
    #[error("the event can't be explained: {0}")]
    Unusable(String),
    /// The model's server does not answer.
    #[error(transparent)]
    Predict(#[from] PredictError),
    /// The daemon ends.
    #[error("the daemon is stopping")]
    Stopping,
}

/// An event that somebody asks about.
#[derive(Debug)]
pub(super) struct Question {
    pub(super) row: RecentRow,
    pub(super) answer: oneshot::Sender<Result<EventExplanation, AskError>>,
}

/// Whether the model can be asked.
#[derive(Debug)]
pub(super) enum Stage {
    /// Its reference is still being learned.
    NoReference,
    /// It is to be read, or asked what it is.
    Unprepared(Arc<Reference>),
    /// One of the threads does that, for this reference.
    Preparing(Arc<Reference>),
    /// It can be asked.
    Ready(Answerer),
    /// It never will.
    Broken(String),
}

/// What rows are for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    Alert,
    Reference,
    Window,
}

/// Rows that are being explained.
#[derive(Debug)]
pub(super) struct Job {
    /// Absent of the reference's own rows.
    pub(super) task: Option<Arc<ExplainTask>>,
    pub(super) rows: Arc<[ExplainRow]>,
    pub(super) given_up: u64,
    pub(super) answers: Vec<Option<Result<RowExplanation, RowError>>>,
    /// Rows without an answer.
    open: usize,
    /// Rows that are to be given out, the next one last.
    left: Vec<usize>,
    pub(super) since: Instant,
}

impl Job {
    pub(super) fn new(task: Option<Arc<ExplainTask>>, rows: Arc<[ExplainRow]>, given_up: u64) -> Self {
        let count = rows.len();
        Self {
            task,
            rows,
            given_up,
            answers: (0..count).map(|_| None).collect(),
            open: count,
            left: (0..count).rev().collect(),
            since: Instant::now(),
        }
    }

    fn is_complete(&self) -> bool {
        self.open == 0
    }

    /// Whether these are its rows, and not those of another job in its place.
    fn is_of(&self, rows: &Arc<[ExplainRow]>) -> bool {
        Arc::ptr_eq(&self.rows, rows)
    }
}

/// A thing to do.
#[derive(Debug)]
pub(super) enum Work {
    Prepare(Arc<Reference>),
    Answer(Answerer, Question),
    Row {
        answerer: Answerer,
        place: Place,
        index: usize,
        rows: Arc<[ExplainRow]>,
    },
    /// All rows are there.
    Finish {
        answerer: Answerer,
        place: Place,
        job: Box<Job>,
    },
}

/// The state that the threads of one model share.
#[derive(Debug)]
pub(super) struct Queue {
    pub(super) stage: Stage,
    pub(super) questions: VecDeque<Question>,
    pub(super) alert: Option<Job>,
    pub(super) own: Option<Job>,
    pub(super) window: Option<Job>,
    /// Whether a thread is putting the answers of a window, or an alert, together.
    finishing: Vec<(Place, Option<u64>)>,
    pub(super) done: Vec<(u64, Explained)>,
    /// What hinders, for an operator.
    pub(super) problem: Option<String>,
    /// Whether the last thing was a question.
    has_answered: bool,
    /// The server is left alone until then.
    resting_until: Option<Instant>,
}

impl Queue {
    pub(super) fn new() -> Self {
        Self {
            stage: Stage::NoReference,
            questions: VecDeque::new(),
            alert: None,
            own: None,
            window: None,
            finishing: Vec::new(),
            done: Vec::new(),
            problem: None,
            has_answered: false,
            resting_until: None,
        }
    }

    /// What is to be done next, or how long there may be nothing.
    pub(super) fn next(&mut self) -> Result<Work, Option<Duration>> {
        if let Some(until) = self.resting_until {
            let left = until.saturating_duration_since(Instant::now());
            if left > Duration::ZERO {
                return Err(Some(left));
            }
            self.resting_until = None;
        }
        match &self.stage {
            Stage::Unprepared(reference) => {
                let reference = Arc::clone(reference);
                self.stage = Stage::Preparing(Arc::clone(&reference));
                return Ok(Work::Prepare(reference));
            }
            Stage::Ready(_) => {}
            Stage::NoReference | Stage::Preparing(_) | Stage::Broken(_) => return Err(None),
        }
        let Stage::Ready(answerer) = &self.stage else { return Err(None) };
        let answerer = answerer.clone();
        // After a question comes a row of something else, so that nobody who asks
        // without end keeps all others from an answer.
        if !std::mem::replace(&mut self.has_answered, false)
            && let Some(question) = self.next_question()
        {
            self.has_answered = true;
            return Ok(Work::Answer(answerer, question));
        }
        if let Some(work) = self.next_of_jobs(&answerer) {
            return Ok(work);
        }
        match self.next_question() {
            Some(question) => Ok(Work::Answer(answerer, question)),
            None => Err(None),
        }
    }

    /// The next question of somebody who is still there.
    fn next_question(&mut self) -> Option<Question> {
        while let Some(question) = self.questions.pop_front() {
            // A model is not asked for somebody who has gone.
            if !question.answer.is_closed() {
                return Some(question);
            }
        }
        None
    }

    fn next_of_jobs(&mut self, answerer: &Answerer) -> Option<Work> {
        let answerer = answerer.clone();
        for place in [Place::Alert, Place::Reference, Place::Window] {
            if place == Place::Window && self.is_busy_with_reference() {
                break;
            }
            let Some(job) = self.job(place) else { continue };
            if job.is_complete() {
                if let Some(job) = self.job_slot(place).take() {
                    self.finishing.push((place, job.task.as_ref().map(|task| task.number)));
                    return Some(Work::Finish { answerer, place, job: Box::new(job) });
                }
            } else if let Some(index) = job.left.pop() {
                return Some(Work::Row { answerer, place, index, rows: Arc::clone(&job.rows) });
            }
        }
        None
    }

    /// Windows wait for what they are held against.
    fn is_busy_with_reference(&self) -> bool {
        self.own.is_some() || self.finishing.iter().any(|(place, _)| *place == Place::Reference)
    }

    fn job(&mut self, place: Place) -> Option<&mut Job> {
        self.job_slot(place).as_mut()
    }

    fn job_slot(&mut self, place: Place) -> &mut Option<Job> {
        match place {
            Place::Alert => &mut self.alert,
            Place::Reference => &mut self.own,
            Place::Window => &mut self.window,
        }
    }

    /// Takes the answer of a row. What is not asked any more is let go; a server
    /// that is away is asked again later.
    pub(super) fn take(
        &mut self,
        (place, index, rows): (Place, usize, &Arc<[ExplainRow]>),
        answer: Result<RowExplanation, RowError>,
    ) {
        if let Err(RowError::Model(PredictError::Unavailable(why))) = &answer {
            self.rest(why.clone());
            if let Some(job) = self.job(place).filter(|job| job.is_of(rows)) {
                job.left.push(index);
            }
            return;
        }
        match &answer {
            Err(RowError::Model(PredictError::Refused(why))) => self.problem = Some(why.clone()),
            _ => self.problem = None,
        }
        if let Some(job) = self.job(place).filter(|job| job.is_of(rows))
            && let Some(slot) = job.answers.get_mut(index)
            && slot.replace(answer).is_none()
        {
            job.open -= 1;
        }
    }

    /// Begins anew with another reference: what was made of the last one is of
    /// other rows.
    pub(super) fn begin(&mut self, reference: Arc<Reference>) {
        self.stage = Stage::Unprepared(reference);
        (self.alert, self.own, self.window) = (None, None, None);
        self.problem = None;
        self.resting_until = None;
    }

    /// Whether this is the reference that is being prepared: another may have
    /// come meanwhile.
    pub(super) fn is_preparing(&self, reference: &Arc<Reference>) -> bool {
        matches!(&self.stage, Stage::Preparing(own) if Arc::ptr_eq(own, reference))
    }

    /// Tells those who asked that there is no answer.
    pub(super) fn refuse_questions(&mut self, error: &AskError) {
        for question in self.questions.drain(..) {
            // Whoever asked may have gone.
            let _ = question.answer.send(Err(error.clone()));
        }
    }

    /// The server is away.
    pub(super) fn rest(&mut self, why: String) {
        self.problem = Some(why);
        self.resting_until = Some(Instant::now() + PAUSE);
    }

    /// Takes what came of a job.
    pub(super) fn finish(&mut self, place: Place, number: Option<u64>, explained: Option<Explained>) {
        self.finishing.retain(|other| *other != (place, number));
        if let (Some(number), Some(explained)) = (number, explained) {
            self.done.push((number, explained));
        }
    }

    /// The number of the task that is worked on.
    pub(super) fn current(&self, purpose: ExplainPurpose) -> Option<u64> {
        let (place, job) = match purpose {
            ExplainPurpose::Window => (Place::Window, &self.window),
            ExplainPurpose::Alert => (Place::Alert, &self.alert),
        };
        let begun = job.as_ref().and_then(|job| job.task.as_ref()).map(|task| task.number);
        let finishing = self.finishing.iter().find(|(other, _)| *other == place);
        begun.or_else(|| finishing.and_then(|(_, number)| *number))
    }

    /// Whether there is nothing to do.
    pub(super) fn is_idle(&self) -> bool {
        let jobs = [&self.alert, &self.own, &self.window];
        matches!(self.stage, Stage::Ready(_) | Stage::NoReference | Stage::Broken(_))
            && jobs.into_iter().all(Option::is_none)
            && self.finishing.is_empty()
    }

    /// Whether a task is done, and only has to be fetched.
    pub(super) fn is_done(&self, number: u64) -> bool {
        self.done.iter().any(|(other, _)| *other == number)
    }
}
