//! What is fixed before any row is explained: outputs and background rows.

use std::sync::Arc;

use super::settings::{ExplainError, ExplainSettings, MOST_OUTPUTS};
use crate::{
    explain::{Background, InputMap},
    model::{Link, Model, ModelInfo, PredictError, Rows},
    profile::{Cell, RowSample},
};

/// Two outputs whose sum varies by less than this are one.
const SAME_SUM: f64 = 1e-6;

/// Calls that may be spent on finding the rows that a model refuses: enough for
/// some ten of them among thousands.
const MOST_SEARCHES: usize = 128;

/// The reference's sampled rows that can be explained, in order of their hashes.
pub(super) struct Candidates<'a> {
    pub(super) rows: Vec<Candidate<'a>>,
    /// Rows that were not encoded.
    pub(super) unusable: usize,
    /// Rows that the model refused.
    pub(super) refused: usize,
}

pub(super) struct Candidate<'a> {
    pub(super) hash: u64,
    pub(super) cells: &'a [Cell],
    pub(super) inputs: Vec<f64>,
    /// The model's raw outputs.
    pub(super) outputs: Vec<f64>,
}

impl<'a> Candidates<'a> {
    pub(super) fn new(
        model: &dyn Model,
        inputs: &InputMap,
        sample: &'a RowSample,
    ) -> Result<Self, PredictError> {
        let (mut rows, mut unusable) = (Vec::new(), 0);
        for (hash, cells) in sample.rows() {
            let mut row = Vec::with_capacity(inputs.len());
            match inputs.encode(cells, &mut row) {
                Ok(()) => rows.push(Candidate { hash, cells, inputs: row, outputs: Vec::new() }),
                Err(_) => unusable += 1,
            }
        }
        let mut asking =
            Search { model, width: inputs.len(), searches: MOST_SEARCHES, refused: 0, why: None };
        for batch in rows.chunks_mut(model.batch_rows().max(1)) {
            asking.ask(batch)?;
        }
        let refused = asking.refused;
        if let Some(why) = asking.why.filter(|_| rows.iter().all(|row| row.outputs.is_empty())) {
            return Err(why);
        }
        rows.retain(|row| !row.outputs.is_empty() && row.outputs.iter().all(|output| output.is_finite()));
        Ok(Self { rows, unusable, refused })
    }

    /// What the model predicts for the rows, of one output.
    pub(super) fn predictions(&self, link: Link, output: usize) -> Vec<f64> {
        let predict = |row: &Candidate<'_>| {
            let mut outputs = row.outputs.clone();
            link.apply(&mut outputs);
            outputs.get(output).copied()
        };
        self.rows.iter().filter_map(predict).collect()
    }

    /// Picks background rows: sorted by `output`, as many in equal steps. So
    /// every part of the predictions' range has its share of them, and the mean
    /// of the background is nearer to that of all rows than a random choice's
    /// (systematic sampling of a sorted list; Cochran, "Sampling techniques",
    /// 1977, chapter 8). The rows that are left keep their order.
    pub(super) fn take_background(&mut self, output: usize, most: usize) -> Vec<Candidate<'a>> {
        let value = |row: &Candidate<'_>| row.outputs.get(output).copied().unwrap_or(f64::NAN);
        let mut sorted = std::mem::take(&mut self.rows);
        sorted.sort_by(|a, b| value(a).total_cmp(&value(b)));
        let (held, wanted) = (sorted.len(), most.max(1).min(sorted.len()));
        // A row is taken when the middle of a step lies in it: exactly `wanted` are.
        let middles_before = |place: usize| (2 * place * wanted + held) / (2 * held.max(1));
        let is_taken = |place: usize| middles_before(place + 1) > middles_before(place);
        let mut taken = Vec::with_capacity(wanted);
        for (place, row) in sorted.into_iter().enumerate() {
            if is_taken(place) { taken.push(row) } else { self.rows.push(row) }
        }
        self.rows.sort_by_key(|row| row.hash);
        taken
    }
}

/// Asks a model about rows, some of which it may refuse.
struct Search<'m> {
    model: &'m dyn Model,
    width: usize,
    /// Calls that are left for finding rows.
    searches: usize,
    refused: usize,
    /// Why the first refused row was.
    why: Option<PredictError>,
}

impl Search<'_> {
    /// Asks about some rows. A call that is refused is made again in halves, so
    /// that no more rows go without an answer than are refused, as long as there
    /// are calls left for it.
    fn ask(&mut self, rows: &mut [Candidate<'_>]) -> Result<(), PredictError> {
        let mut left = vec![rows];
        while let Some(rows) = left.pop() {
            let values: Vec<f64> = rows.iter().flat_map(|row| row.inputs.iter().copied()).collect();
            let mut answers = Vec::new();
            match self.model.predict(Rows::new(&values, self.width), &mut answers) {
                Ok(()) => {
                    let answers = answers.chunks_exact(self.model.info().outputs.max(1));
                    rows.iter_mut().zip(answers).for_each(|(row, outputs)| row.outputs = outputs.to_vec());
                }
                Err(PredictError::Refused(_)) if rows.len() > 1 && self.searches >= 2 => {
                    self.searches -= 2;
                    let (first, second) = rows.split_at_mut(rows.len() / 2);
                    left.extend([second, first]);
                }
                Err(error @ PredictError::Refused(_)) => {
                    self.refused += rows.len();
                    self.why.get_or_insert(error);
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

/// The background of these rows.
pub(super) fn background(rows: &[Candidate<'_>], width: usize) -> Background {
    Background::new(rows.iter().flat_map(|row| row.inputs.iter().copied()).collect(), width)
}

/// Mean of one output over rows, and its standard error.
pub(super) fn base_value(rows: &[Candidate<'_>], output: usize) -> (f64, f64) {
    let values: Vec<f64> = rows.iter().filter_map(|row| row.outputs.get(output).copied()).collect();
    mean_and_error(&values)
}

/// The mean of values, and its standard error.
///
/// The error is that of rows drawn at random; of rows in equal steps it is an
/// upper bound.
#[expect(clippy::cast_precision_loss, reason = "rows in memory are few")]
pub(super) fn mean_and_error(values: &[f64]) -> (f64, f64) {
    let count = values.len().max(1) as f64;
    let mean = values.iter().sum::<f64>() / count;
    let squares: f64 = values.iter().map(|value| (value - mean) * (value - mean)).sum();
    (mean, (squares / (count - 1.0).max(1.0) / count).sqrt())
}

/// The places of the outputs to explain.
pub(super) fn choose_outputs(
    info: &ModelInfo,
    settings: &ExplainSettings,
    rows: &[Candidate<'_>],
) -> Result<Vec<usize>, ExplainError> {
    if settings.outputs.is_empty() {
        let is_one = info.outputs == 2 && are_complementary(rows);
        return Ok(if is_one { vec![1] } else { (0..info.outputs.min(MOST_OUTPUTS)).collect() });
    }
    let mut chosen = Vec::new();
    for name in &settings.outputs {
        let by_name = info.output_names.iter().position(|known| known == name);
        let place = by_name.or_else(|| name.parse().ok()).filter(|place| *place < info.outputs);
        let Some(place) = place else {
            let names: Vec<String> = (0..info.outputs).map(|place| output_name(info, place)).collect();
            return Err(ExplainError::Output { name: name.clone(), known: names.join(", ") });
        };
        if !chosen.contains(&place) {
            chosen.push(place);
        }
    }
    Ok(chosen)
}

/// Whether two outputs say the same: they always have one sum, as probabilities
/// of two classes have.
fn are_complementary(rows: &[Candidate<'_>]) -> bool {
    let sums = || rows.iter().map(|row| row.outputs.iter().sum::<f64>());
    let (lowest, highest) =
        sums().fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), sum| (low.min(sum), high.max(sum)));
    let size = rows.iter().flat_map(|row| &row.outputs).fold(0.0_f64, |size, output| size.max(output.abs()));
    highest - lowest <= SAME_SUM * size
}

/// The name of an output, or its number.
pub(super) fn output_name(info: &ModelInfo, place: usize) -> String {
    info.output_names.get(place).filter(|name| !name.is_empty()).cloned().unwrap_or_else(|| place.to_string())
}

/// Rows of the reference to compare windows with.
pub(super) fn reference_rows(candidates: Candidates<'_>, most: usize) -> Vec<(u64, Arc<[Cell]>)> {
    let rows = candidates.rows.into_iter().take(most);
    rows.map(|row| (row.hash, Arc::from(row.cells))).collect()
}
