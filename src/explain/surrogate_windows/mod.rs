//! Windows explained by surrogates: what can be said without the model.
//!
//! Why: some models can't be read and can't be asked; their logged predictions
//! are all there is. A surrogate is fitted to the reference's rows and one to
//! each window's, and when the two rank features otherwise, what the predictions
//! go with has changed.
//!
//! Promises: everything is labelled `surrogate` and comes with the fidelity on
//! held-out rows of this window's surrogate. The difference from the reference's
//! surrogate is judged against what refits to parts of the reference differ by
//! at the window's size, so that both fits' own chance is in the noise points:
//! together they are exceeded about once in a thousand windows like the
//! reference. (Simulated beside references that are judged by: at most twice as
//! often at R² 0.5 and 600 rows, less than that beyond.) The same rows give the
//! same bits in any order, whatever windows came before.
//!
//! Refuses: to judge beside a reference of fewer than 500 usable rows, or one of
//! whose predictions the surrogate explains less than half: what refits say of
//! chance is itself chance then. Verdicts are `insufficient`; the ranking is
//! given all the same.
//!
//! Nor are attributions compared feature by feature: the φ of two fits differ
//! in distribution though nothing has changed, so features carry no verdicts of
//! their own. Single events are not explained at all. And a surrogate sees what
//! predictions go with, not what the model does: features that start to go
//! together look like a change of reasons.

mod noise;
mod rows;

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, OnceLock, PoisonError},
};

use self::rows::UsableRows;
use super::{
    Attribution, Background, ExplainError, ExplainSettings, Explainer, InputMap, InputSchema, LEAST_ROWS,
    LeafTableSettings, LeafTables, Refit, RefitPlan, RowExplanation, Summarizer, Surrogate,
    SurrogateSettings, WindowFrame, attribution_drift::MeanPoints, row_seed,
};
use crate::{
    model::{Rows, TreeEnsemble},
    profile::{Cell, Grid},
    reference::{ColumnRole, Reference},
    result::{AttributionDrift, WindowExplanation},
};

/// Forests smaller than usual, since those of a hundred and more fits have to be
/// made before the first verdict: on 500 rows of the hotel they explain 0.620 of
/// the variance where thirty trees of depth 8 explain 0.621.
const FOREST: SurrogateSettings = SurrogateSettings { trees: 20, depth: 6, rows: MOST_ROWS };
/// Rows of the reference or of a window that are used at most.
const MOST_ROWS: usize = 2_000;
/// Rows of a reference, and R² of its surrogate, from which on windows are
/// judged.
const FEWEST_JUDGED: usize = 500;
const LEAST_R2: f64 = 0.5;
/// Refits for the noise of one size.
const REFITS: u64 = 80;
/// A design effect beyond this leaves nothing of any sample.
const LARGEST_EFFECT: f64 = 1e9;
/// Design effects per size whose points are kept.
const KEPT_EFFECTS: usize = 16;

/// Explains windows of a model that nobody can ask.
///
/// The first window of about a size takes as long as eighty pairs of fits, which
/// is some seconds; later ones as long as one fit.
#[derive(Debug)]
pub struct SurrogateExplainer {
    /// Explains the reference's surrogate.
    explainer: Explainer,
    prediction_column: usize,
    /// The reference's rows, which refits are fitted to.
    inputs: Vec<f64>,
    predictions: Vec<f64>,
    /// Shares of the reference's mean |φ|, by feature; none when its surrogate
    /// found nothing that predictions go with.
    shares: Vec<f64>,
    /// Whether the reference is enough for verdicts.
    is_judged: bool,
    settings: ExplainSettings,
    noise: Mutex<BTreeMap<usize, Arc<SizeNoise>>>,
}

/// What is known of the noise of windows of one size.
#[derive(Debug, Default)]
struct SizeNoise {
    refits: OnceLock<Vec<Refit>>,
    /// By the bits of the design effect.
    points: Mutex<BTreeMap<u64, Option<MeanPoints>>>,
}

impl SurrogateExplainer {
    /// Fits a surrogate to the reference. Without a schema all its features are
    /// inputs, as [`InputMap::of_reference`] makes them.
    ///
    /// # Errors
    /// When the reference has no sample, no numeric prediction or too few rows
    /// with one, when its predictions are all equal, or when the schema is not
    /// for it.
    pub fn new(
        reference: &Arc<Reference>,
        schema: Option<&InputSchema>,
        settings: &ExplainSettings,
    ) -> Result<Self, ExplainError> {
        let inputs = match schema {
            Some(schema) => InputMap::of_schema(schema, reference)?,
            None => InputMap::of_reference(reference)?,
        };
        let sample = reference.sample.as_ref().filter(|sample| sample.fits(reference.columns.len()));
        let sample = sample.ok_or(ExplainError::NoSample)?;
        let prediction_column = prediction_column(reference, &settings.prediction_column)?;
        let usable = UsableRows::new(sample.rows(), &inputs, prediction_column, MOST_ROWS);
        if usable.len() < LEAST_ROWS {
            return Err(ExplainError::FewPredictions {
                rows: sample.len() as u64,
                usable: usable.len() as u64,
                unencoded: usable.unencoded,
                unpredicted: usable.unpredicted,
            });
        }
        let surrogate = Surrogate::fit(usable.rows(), &usable.predictions, settings.seed, &FOREST)?;
        // The outputs and the tolerance that are set are those of a model.
        let of_explainer = ExplainSettings { outputs: Vec::new(), reference_rows: 0, ..settings.clone() };
        let model = Arc::new(surrogate.trees().clone());
        let explainer = Explainer::new(model, inputs, reference, of_explainer)?;
        let explainer = explainer.of_surrogate(surrogate.fidelity());
        let explain = Explain::of(&explainer, settings);
        Ok(Self {
            shares: explain.shares(surrogate.trees(), usable.rows()).unwrap_or_default(),
            is_judged: usable.len() >= FEWEST_JUDGED && surrogate.fidelity().is_faithful(LEAST_R2),
            prediction_column,
            inputs: usable.rows().values().to_vec(),
            predictions: usable.predictions,
            settings: settings.clone(),
            noise: Mutex::default(),
            explainer,
        })
    }

    /// What the rows of a window say; `None` when no surrogate can be fitted to
    /// them: there are fewer than [`LEAST_ROWS`] that can be used, or their
    /// predictions go with nothing.
    #[must_use]
    pub fn window(&self, frame: WindowFrame, rows: &[(u64, &[Cell])]) -> Option<WindowExplanation> {
        let inputs = self.explainer.inputs();
        let usable = UsableRows::new(rows.iter().copied(), inputs, self.prediction_column, MOST_ROWS);
        let hashes = usable.events.iter().fold(0, |sum: u64, (hash, _)| sum.wrapping_add(*hash));
        let seed = row_seed(self.settings.seed, hashes);
        let surrogate = Surrogate::fit(usable.rows(), &usable.predictions, seed, &FOREST).ok()?;
        let explainer = Arc::new(self.explainer.with_surrogate(&surrogate).ok()?);
        let events = usable.events.iter();
        let explained: Vec<RowExplanation> =
            events.filter_map(|(hash, cells)| explainer.explain_row(*hash, cells).ok()).collect();
        let magnitudes = magnitudes(&explained, inputs.features().len());
        let shares = shares(magnitudes)?;
        let drift = self.judge(&shares, usable.len(), frame.design_effect);
        let frame = WindowFrame {
            rows_given_up: frame.rows_given_up + usable.given_up,
            rows_unusable: frame.rows_unusable + usable.unencoded + usable.unpredicted,
            ..frame
        };
        let mut window = Summarizer::new(explainer).summarize(frame, explained);
        if let Some(output) = window.outputs.first_mut() {
            output.drift = drift;
        }
        Some(window)
    }

    /// `None` when the reference has too few rows to say what chance does.
    fn judge(&self, shares: &[f64], rows: usize, design_effect: f64) -> Option<AttributionDrift> {
        let points = self.points(rows, design_effect)?;
        let reference = (self.shares.as_slice(), self.predictions.len());
        Some(points.judge(reference, shares, &self.settings.effects, self.is_judged))
    }

    fn points(&self, rows: usize, design_effect: f64) -> Option<MeanPoints> {
        let size = size_below(rows.min(self.predictions.len() / 2))?;
        if self.shares.is_empty() {
            return None;
        }
        let is_known = design_effect.is_finite();
        let design_effect = if is_known { design_effect.clamp(1.0, LARGEST_EFFECT) } else { 1.0 };
        let noise = {
            let mut kept = self.noise.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(kept.entry(size).or_default())
        };
        // Whoever needs the same size waits; other sizes go on.
        let refits = noise.refits.get_or_init(|| self.refits(size));
        let mut kept = noise.points.lock().unwrap_or_else(PoisonError::into_inner);
        let key = design_effect.to_bits();
        if kept.len() >= KEPT_EFFECTS && !kept.contains_key(&key) {
            kept.clear();
        }
        *kept.entry(key).or_insert_with(|| noise::points(refits, design_effect, self.seed_of(size)))
    }

    /// None when parts of the reference can't be fitted.
    fn refits(&self, size: usize) -> Vec<Refit> {
        let explain = Explain::of(&self.explainer, &self.settings);
        let rows = Rows::new(&self.inputs, self.explainer.inputs().len());
        let plan = RefitPlan { window_rows: size, draws: 0..REFITS, seed: self.seed_of(size) };
        let refits = Surrogate::refits(rows, &self.predictions, &plan, &FOREST, |trees, rows| {
            explain.shares(trees, rows).unwrap_or_default()
        });
        // One without shares is no surrogate that a window would be explained by.
        let is_whole = |refit: &Refit| !refit.window.is_empty() && !refit.reference.is_empty();
        refits.unwrap_or_default().into_iter().filter(is_whole).collect()
    }

    fn seed_of(&self, size: usize) -> u64 {
        row_seed(self.settings.seed, size as u64)
    }
}

/// What surrogates are explained with.
#[derive(Debug, Clone, Copy)]
struct Explain<'a> {
    background: &'a Background,
    inputs: &'a InputMap,
    tables: LeafTableSettings,
}

impl<'a> Explain<'a> {
    fn of(explainer: &'a Explainer, settings: &ExplainSettings) -> Self {
        Self { background: explainer.background(), inputs: explainer.inputs(), tables: settings.tables }
    }

    /// Shares of mean |φ| over rows, by feature; `None` when all are 0.
    fn shares(self, trees: &TreeEnsemble, rows: Rows<'_>) -> Option<Vec<f64>> {
        let tables = LeafTables::new(trees, self.background, self.tables).ok()?;
        let mut sums = vec![0.0; self.inputs.features().len()];
        let (mut scratch, mut attribution) = (tables.scratch(), Attribution::default());
        let mut by_feature = Vec::new();
        for row in rows {
            tables.explain_with(row, &mut scratch, &mut attribution).ok()?;
            self.inputs.fold(&attribution.values, &mut by_feature);
            add_magnitudes(&mut sums, &by_feature);
        }
        shares(sums)
    }
}

fn prediction_column(reference: &Reference, name: &str) -> Result<usize, ExplainError> {
    let columns = &reference.columns;
    let is_it = columns.iter().position(|column| {
        column.role == ColumnRole::Prediction
            && column.name == name
            && matches!(column.grid, Grid::Numeric(_))
    });
    is_it.ok_or_else(|| ExplainError::NoPredictions(name.to_owned()))
}

/// Sums of |φ| by feature.
fn magnitudes(rows: &[RowExplanation], features: usize) -> Vec<f64> {
    let mut sums = vec![0.0; features];
    for output in rows.iter().filter_map(|row| row.outputs.first()) {
        add_magnitudes(&mut sums, &output.attributions);
    }
    sums
}

fn add_magnitudes(sums: &mut [f64], attributions: &[f64]) {
    sums.iter_mut().zip(attributions).for_each(|(sum, attribution)| *sum += attribution.abs());
}

/// Amounts as shares of their sum; `None` when there is nothing.
fn shares(mut amounts: Vec<f64>) -> Option<Vec<f64>> {
    let sum: f64 = amounts.iter().sum();
    for amount in &mut amounts {
        *amount /= sum;
    }
    (sum > 0.0 && sum.is_finite()).then_some(amounts)
}

/// A size that is no larger, one of eight between a power of two and the next,
/// so that few sizes need refits: the noise of smaller windows is larger, by a
/// sixteenth at most. `None` when no window of so few rows has a surrogate.
fn size_below(rows: usize) -> Option<usize> {
    let step = (1_usize << rows.checked_ilog2()?) / 8;
    let size = rows - rows.checked_rem(step).unwrap_or(0);
    (rows >= LEAST_ROWS).then_some(size.max(LEAST_ROWS))
}
