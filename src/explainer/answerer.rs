//! Who answers: a model with its reference, or a surrogate.

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

use super::{
    load::load_inputs,
    prepare::{PrepareError, PreparedModel},
    queue::{AskError, Job, Place},
    worker::Shared,
};
use crate::{
    explain::{Explainer, RowError, RowExplanation, Summarizer, SurrogateExplainer, WindowFrame},
    model::PredictError,
    pipeline::{ExplainPurpose, ExplainRow, ExplainTask, Explained, RecentRow},
    reference::Reference,
    result::{EventExplanation, EventWindow},
};

/// What answers the questions about one model.
#[derive(Debug, Clone)]
pub(super) enum Answerer {
    Model(Arc<Asked>),
    Surrogate(Arc<SurrogateExplainer>),
}

/// A model that can be asked.
#[derive(Debug)]
pub(super) struct Asked {
    is_remote: bool,
    explainer: Arc<Explainer>,
    summarizer: Mutex<Summarizer>,
}

impl Answerer {
    /// Makes everything ready, and gives the rows of the reference that are to
    /// be explained first.
    pub(super) fn prepare(
        shared: &Shared,
        reference: &Arc<Reference>,
    ) -> Result<(Self, Arc<[ExplainRow]>), PrepareError> {
        let settings = &shared.settings;
        let Some(prepared) = PreparedModel::new(settings, reference, &shared.access())? else {
            let schema = settings.inputs.as_deref().map(load_inputs).transpose()?;
            let surrogate = SurrogateExplainer::new(reference, schema.as_ref(), &settings.explain)?;
            return Ok((Self::Surrogate(Arc::new(surrogate)), Arc::default()));
        };
        for note in prepared.inputs.notes() {
            tracing::warn!(model = shared.model, note, "the schema of inputs");
        }
        let is_remote = prepared.model.is_remote();
        let explainer = Arc::new(prepared.explainer(settings, reference)?);
        let rows = explainer.reference_rows();
        let rows = rows.map(|(hash, cells)| ExplainRow { hash, cells: cells.to_vec() }).collect();
        let summarizer = Mutex::new(Summarizer::new(Arc::clone(&explainer)));
        Ok((Self::Model(Arc::new(Asked { is_remote, explainer, summarizer })), rows))
    }

    /// Whether it is a model, and no surrogate.
    pub(super) fn is_model(&self) -> bool {
        matches!(self, Self::Model(_))
    }

    /// For the log.
    pub(super) fn describe(&self) -> impl fmt::Display {
        match self {
            Self::Model(asked) => format!(
                "{} background rows, up to {} evaluations a row, {} rows of the reference refused by the model",
                asked.explainer.background().rows().len(),
                asked.explainer.evaluations_per_row(),
                asked.explainer.refused_rows()
            ),
            Self::Surrogate(_) => "a surrogate is fitted to each window".to_owned(),
        }
    }

    /// The rows of a task that the budget allows until the next window.
    pub(super) fn affordable_rows(&self, shared: &Shared, task: &ExplainTask) -> Vec<ExplainRow> {
        let rows = &task.rows;
        // A surrogate takes the window as a whole.
        let Self::Model(asked) = self else { return Vec::new() };
        if task.purpose == ExplainPurpose::Alert {
            return rows.clone();
        }
        let evaluations = shared.settings.evaluations_per_window(shared.slide_ms, task.streams as u64);
        let affordable = asked.explainer.rows_within(evaluations, rows.len() as u64);
        rows.iter().take(usize::try_from(affordable).unwrap_or(usize::MAX)).cloned().collect()
    }

    /// Explains a row.
    pub(super) fn row(&self, shared: &Shared, row: &ExplainRow) -> Result<RowExplanation, RowError> {
        let Self::Model(asked) = self else { return Err(RowError::NoNumber) };
        asked.row(shared, row.hash, &row.cells).map_err(|error| match error {
            // Nothing is wrong with such a model that an operator should know.
            RowError::Model(PredictError::Refused(_)) if !asked.is_remote => RowError::NoNumber,
            error => error,
        })
    }

    /// Explains an event that was asked about.
    pub(super) fn event(&self, shared: &Shared, row: &RecentRow) -> Result<EventExplanation, AskError> {
        let Self::Model(asked) = self else { return Err(AskError::SurrogateOnly) };
        let explained = asked.row(shared, row.hash, &row.cells).map_err(|error| match error {
            // A model in this process refuses a row only for what is in it.
            RowError::Model(PredictError::Refused(why)) if !asked.is_remote => AskError::Unusable(why),
            RowError::Model(error) => AskError::Predict(error),
            error => AskError::Unusable(error.to_string()),
        })?;
        Ok(asked.explainer.event(row.stream.clone(), &explained, &row.cells, None))
    }

    /// Puts the answers of a job together: what came of it.
    pub(super) fn finish(&self, place: Place, job: &Job) -> Option<Explained> {
        let unusable = job.answers.iter().flatten().filter(|answer| answer.is_err()).count() as u64;
        let usable = || job.answers.iter().flatten().flatten().cloned();
        match (self, place, job.task.as_deref()) {
            (Self::Model(asked), Place::Reference, _) => {
                asked.summarizer().set_reference(usable().collect());
                None
            }
            (Self::Model(asked), Place::Window, Some(task)) => {
                let rows: Vec<RowExplanation> = usable().collect();
                if rows.is_empty() && unusable + job.given_up > 0 {
                    return Some(Explained::GivenUp);
                }
                let frame = frame(task, job.given_up, unusable);
                Some(Explained::Window(Box::new(asked.summarizer().summarize(frame, rows))))
            }
            (Self::Surrogate(surrogate), Place::Window, Some(task)) => {
                let rows: Vec<(u64, &[crate::profile::Cell])> =
                    task.rows.iter().map(|row| (row.hash, &*row.cells)).collect();
                let explained = surrogate.window(frame(task, 0, 0), &rows);
                Some(explained.map_or(Explained::GivenUp, |window| Explained::Window(Box::new(window))))
            }
            (Self::Model(asked), Place::Alert, Some(task)) => {
                let answers = job.answers.iter().zip(&task.rows).zip(1..);
                let events = answers.filter_map(|((answer, row), rank)| {
                    let explained = answer.as_ref()?.as_ref().ok()?;
                    let window =
                        EventWindow { window: task.window.clone(), start: task.start, end: task.end, rank };
                    Some(asked.explainer.event(task.stream.clone(), explained, &row.cells, Some(window)))
                });
                let events: Vec<EventExplanation> = events.collect();
                Some(if events.is_empty() { Explained::GivenUp } else { Explained::Events(events) })
            }
            _ => Some(Explained::GivenUp),
        }
    }
}

impl Asked {
    fn summarizer(&self) -> std::sync::MutexGuard<'_, Summarizer> {
        self.summarizer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Rows that are explained without asking are paid for as one evaluation.
    fn row(
        &self,
        shared: &Shared,
        hash: u64,
        cells: &[crate::profile::Cell],
    ) -> Result<RowExplanation, RowError> {
        if self.explainer.evaluations_per_row() <= 1 && !shared.budget.spend(1) {
            return Err(PredictError::Unavailable("the daemon is stopping".to_owned()).into());
        }
        self.explainer.explain_row(hash, cells)
    }
}

fn frame(task: &ExplainTask, rows_given_up: u64, rows_unusable: u64) -> WindowFrame {
    WindowFrame {
        stream: task.stream.clone(),
        window: task.window.clone(),
        start: task.start,
        end: task.end,
        events: task.events,
        rows_given_up,
        rows_unusable,
        design_effect: task.design_effect,
    }
}
