//! Rows on their way to a model, and its answers on their way back.
//!
//! Why: explainers ask about thousands of rows that differ in one input. Here
//! they are gathered into calls of the size that the model wants.
//!
//! Promises: answers come in the order of the rows, so what is summed of them
//! does not depend on the size of a call. There is never more than one call's
//! rows in memory.
//!
//! Refuses: answers that are not one finite number per row and output. A sum
//! with NaN in it would be no explanation, and none is better.

use super::Background;
use crate::model::{Model, PredictError, Rows};

/// Rows that wait for a call, each with a note of what it is for.
#[derive(Debug)]
pub(super) struct Asking<'a, N> {
    model: &'a dyn Model,
    outputs: usize,
    rows: Vec<f64>,
    notes: Vec<N>,
    answers: Vec<f64>,
    most: usize,
    evaluations: u64,
}

impl<'a, N> Asking<'a, N> {
    pub(super) fn new(model: &'a dyn Model) -> Self {
        Self {
            model,
            outputs: model.info().outputs,
            rows: Vec::new(),
            notes: Vec::new(),
            answers: Vec::new(),
            most: model.batch_rows().max(1),
            evaluations: 0,
        }
    }

    /// Adds a row. When that fills a call, the model is asked and `take` gets
    /// the answer of every row that waited.
    pub(super) fn ask(
        &mut self,
        row: impl IntoIterator<Item = f64>,
        note: N,
        take: &mut impl FnMut(N, &[f64]),
    ) -> Result<(), PredictError> {
        self.rows.extend(row);
        self.notes.push(note);
        if self.notes.len() < self.most { Ok(()) } else { self.finish(take) }
    }

    /// Asks about the rows that still wait.
    pub(super) fn finish(&mut self, take: &mut impl FnMut(N, &[f64])) -> Result<(), PredictError> {
        if self.notes.is_empty() {
            return Ok(());
        }
        self.answers.clear();
        let rows = Rows::new(&self.rows, self.model.info().inputs);
        self.model.predict(rows, &mut self.answers)?;
        self.evaluations += self.notes.len() as u64;
        let wanted = self.notes.len() * self.outputs;
        if self.answers.len() != wanted {
            let given = self.answers.len();
            return Err(PredictError::Refused(format!(
                "{wanted} numbers were expected for {} rows and {given} came",
                self.notes.len()
            )));
        }
        if let Some(number) = self.answers.iter().find(|number| !number.is_finite()) {
            return Err(PredictError::Refused(format!(
                "it answers {number} to a row, which can't be explained"
            )));
        }
        for (note, answer) in self.notes.drain(..).zip(self.answers.chunks_exact(self.outputs.max(1))) {
            take(note, answer);
        }
        self.rows.clear();
        Ok(())
    }

    /// Rows that the model was asked about.
    pub(super) fn evaluations(&self) -> u64 {
        self.evaluations
    }
}

/// Whether the row and the background have the model's width, and the latter any
/// rows.
pub(super) fn check_width(
    model: &dyn Model,
    background: &Background,
    row: &[f64],
) -> Result<(), PredictError> {
    let wanted = model.info().inputs;
    for given in [row.len(), background.rows().width()] {
        if given != wanted {
            return Err(PredictError::Width { wanted, given });
        }
    }
    if background.rows().is_empty() {
        return Err(PredictError::Refused("the background has no rows to compare with".to_owned()));
    }
    Ok(())
}

/// Whether two values are the same to any model.
#[expect(clippy::float_cmp, reason = "whatever differs at all may matter to the model")]
pub(super) fn is_same(one: f64, other: f64) -> bool {
    one == other || (one.is_nan() && other.is_nan())
}

/// The inputs in which two rows differ.
pub(super) fn differing(row: &[f64], other: &[f64]) -> impl Iterator<Item = usize> {
    let pairs = row.iter().zip(other).enumerate();
    pairs.filter(|(_, (one, other))| !is_same(**one, **other)).map(|(input, _)| input)
}
