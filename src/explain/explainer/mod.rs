//! Explaining the rows of one model, and summing them up.
//!
//! Why: what a row's explanation needs (how inputs come from features, the
//! background, the outputs, the best method that the model allows) is worked out
//! once; then rows can be explained on any number of threads.
//!
//! Promises: [`Explainer::explain_row`] depends on the row, the model and what
//! was prepared, never on what was explained before. Rows are given up before
//! background rows are ([`Explainer::rows_within`]): fewer rows are a smaller
//! sample of the same explanations, a smaller background would be others.
//!
//! Refuses: rows that can't be encoded or that the model has no number for; they
//! are to be counted by the caller as [`WindowFrame::rows_unusable`].

mod event;
mod logged;
mod prepare;
mod settings;
mod summary;

use std::sync::Arc;

pub use settings::{ExplainError, ExplainSettings, RowError};
pub use summary::{Summarizer, WindowFrame};

use self::logged::{LoggedColumn, logged_column};
use self::prepare::{
    Candidates, background, base_value, choose_outputs, mean_and_error, output_name, reference_rows,
};
use super::{
    Attribution, Background, Fidelity, InputMap, LeafTables, MOST_ENUMERATED, Surrogate, enumerate,
    enumeration_evaluations, evaluations_before_rounds, linear, permute, row_seed, varying_inputs,
};
use crate::{
    model::{Model, ModelInfo, PredictError},
    profile::Cell,
    reference::Reference,
    result::{ExplainMethod, LoggedGap, Provenance},
};

/// Explains rows of one model beside one reference.
#[derive(Debug)]
pub struct Explainer {
    model: Arc<dyn Model>,
    inputs: InputMap,
    background: Background,
    way: Way,
    outputs: Vec<ExplainedOutput>,
    logged: Option<LoggedColumn>,
    reference_rows: Vec<(u64, Arc<[Cell]>)>,
    refused_rows: usize,
    settings: ExplainSettings,
    fidelity: Option<Fidelity>,
    logged_gap: Option<LoggedGap>,
}

/// What a model allows.
#[derive(Debug)]
enum Way {
    /// By its coefficients, beside the mean of each input over the background.
    Linear(Vec<f64>),
    Trees(Box<LeafTables>),
    /// By its answers, of which no row takes more than so many.
    Answers {
        most: u64,
    },
}

/// An output that is explained.
#[derive(Debug)]
struct ExplainedOutput {
    place: usize,
    name: String,
    base_value: f64,
    base_value_se: f64,
}

/// Why the model's outputs for one row are what they are.
#[derive(Debug, Clone, PartialEq)]
pub struct RowExplanation {
    /// The hash of the event's id.
    pub hash: u64,
    /// How it was computed.
    pub method: ExplainMethod,
    /// Rows that the model was asked about.
    pub evaluations: u64,
    /// One per explained output.
    pub outputs: Vec<RowOutput>,
}

/// One output for one row.
#[derive(Debug, Clone, PartialEq)]
pub struct RowOutput {
    /// The model's raw output.
    pub value: f64,
    /// The same through the model's link.
    pub prediction: f64,
    /// What was logged, where that is this output.
    pub logged: Option<f64>,
    /// |base value + attributions − value|.
    pub residual: f64,
    /// Attributions of the features that the model uses, in their order.
    pub attributions: Vec<f64>,
    /// Their standard errors; empty when they are exact.
    pub standard_errors: Vec<f64>,
}

impl Explainer {
    /// Prepares everything. Asks the model about every row of the reference's
    /// sample once; rows that it refuses are left out.
    ///
    /// # Errors
    /// When model, inputs and reference don't go together, or the model does not
    /// answer.
    pub fn new(
        model: Arc<dyn Model>,
        inputs: InputMap,
        reference: &Reference,
        mut settings: ExplainSettings,
    ) -> Result<Self, ExplainError> {
        settings.enumerated_inputs = settings.enumerated_inputs.min(MOST_ENUMERATED);
        let info = model.info();
        if inputs.len() != info.inputs {
            return Err(ExplainError::Inputs { wanted: info.inputs, given: inputs.len() });
        }
        let sample = reference.sample.as_ref().filter(|sample| sample.fits(reference.columns.len()));
        let sample = sample.ok_or(ExplainError::NoSample)?;
        let mut candidates = Candidates::new(model.as_ref(), &inputs, sample)?;
        if candidates.rows.is_empty() {
            return Err(ExplainError::NoBackground { rows: sample.len(), unusable: candidates.unusable });
        }
        // A server may show how many outputs there are by its first answer.
        let info = model.info();
        let places = choose_outputs(info, &settings, &candidates.rows)?;
        let first = places.first().copied().unwrap_or(0);
        let predicted = || candidates.predictions(info.link, first);
        let logged = logged_column(reference, &settings, places.len(), predicted)?;
        let logged_gap = logged.as_ref().and_then(|logged| {
            let column = candidates.rows.iter().map(|row| logged.of(row.cells).unwrap_or(f64::NAN));
            logged::gap(predicted().into_iter().zip(column), logged.tolerance)
        });
        let rows = candidates.take_background(first, settings.background_rows);
        let background = background(&rows, inputs.len());
        let output = |place| {
            let (base_value, base_value_se) = base_value(&rows, place);
            ExplainedOutput { place, name: output_name(info, place), base_value, base_value_se }
        };
        Ok(Self {
            outputs: places.into_iter().map(output).collect(),
            way: Way::of(model.as_ref(), &background, &inputs, &settings)?,
            refused_rows: candidates.refused,
            reference_rows: reference_rows(candidates, settings.reference_rows),
            logged,
            background,
            inputs,
            settings,
            fidelity: None,
            logged_gap,
            model,
        })
    }

    /// The same of a surrogate: everything is labelled so, and nothing is said
    /// of its gap to logged predictions, which its fidelity says.
    #[must_use]
    pub fn of_surrogate(self, fidelity: Fidelity) -> Self {
        Self { fidelity: Some(fidelity), logged: None, logged_gap: None, ..self }
    }

    /// Explains another surrogate of the same inputs beside the same background
    /// rows, so that the two can be compared.
    ///
    /// # Errors
    /// When the surrogate is of other inputs, or can't be explained.
    pub(super) fn with_surrogate(&self, surrogate: &Surrogate) -> Result<Self, ExplainError> {
        let trees = surrogate.trees();
        let mut answers = Vec::new();
        trees.predict(self.background.rows(), &mut answers)?;
        let (base_value, base_value_se) = mean_and_error(&answers);
        let name = output_name(trees.info(), 0);
        Ok(Self {
            way: Way::of(trees, &self.background, &self.inputs, &self.settings)?,
            model: Arc::new(trees.clone()),
            inputs: self.inputs.clone(),
            background: self.background.clone(),
            outputs: vec![ExplainedOutput { place: 0, name, base_value, base_value_se }],
            logged: None,
            reference_rows: Vec::new(),
            refused_rows: 0,
            settings: self.settings.clone(),
            fidelity: Some(surrogate.fidelity()),
            logged_gap: None,
        })
    }

    /// How inputs come from features.
    #[must_use]
    pub fn inputs(&self) -> &InputMap {
        &self.inputs
    }

    /// The rows that rows are compared with.
    #[must_use]
    pub fn background(&self) -> &Background {
        &self.background
    }

    /// Rows of the reference that the model refused when it was asked about them:
    /// neither background nor explained.
    #[must_use]
    pub fn refused_rows(&self) -> usize {
        self.refused_rows
    }

    /// Rows of the reference to be explained once, for [`Summarizer::set_reference`].
    pub fn reference_rows(&self) -> impl ExactSizeIterator<Item = (u64, &Arc<[Cell]>)> {
        self.reference_rows.iter().map(|(hash, cells)| (*hash, cells))
    }

    /// The model beside the predictions that were logged with the reference's
    /// sampled rows; `None` where there are none, or several outputs.
    #[must_use]
    pub fn logged_gap(&self) -> Option<&LoggedGap> {
        self.logged_gap.as_ref()
    }

    /// Rows that the model is asked about for one row, at most; those that are
    /// explained without asking count as one.
    #[must_use]
    pub fn evaluations_per_row(&self) -> u64 {
        match self.way {
            Way::Linear(_) | Way::Trees(_) => 1,
            Way::Answers { most } => most,
        }
    }

    /// Of `wanted` rows, how many can be explained within so many evaluations.
    #[must_use]
    pub fn rows_within(&self, evaluations: u64, wanted: u64) -> u64 {
        wanted.min(evaluations / self.evaluations_per_row().max(1))
    }

    /// Explains the row of an event.
    ///
    /// # Errors
    /// When the row can't be used or the model does not answer.
    pub fn explain_row(&self, hash: u64, cells: &[Cell]) -> Result<RowExplanation, RowError> {
        let mut row = Vec::with_capacity(self.inputs.len());
        self.inputs.encode(cells, &mut row)?;
        let (method, attribution) = self.attribute(hash, &row)?;
        let numbers = attribution.outputs.iter().chain(&attribution.values);
        if !numbers.chain(&attribution.standard_errors).all(|number| number.is_finite()) {
            return Err(RowError::NoNumber);
        }
        let mut predictions = attribution.outputs.clone();
        self.info().link.apply(&mut predictions);
        let logged = self.logged.as_ref().and_then(|logged| logged.of(cells));
        let outputs = self
            .outputs
            .iter()
            .filter_map(|output| {
                let value = *attribution.outputs.get(output.place)?;
                let attributions = self.by_feature(&attribution.values, output.place);
                let sum = output.base_value + attributions.iter().sum::<f64>();
                Some(RowOutput {
                    value,
                    prediction: *predictions.get(output.place)?,
                    logged,
                    residual: (sum - value).abs(),
                    attributions,
                    standard_errors: if attribution.standard_errors.is_empty() {
                        Vec::new()
                    } else {
                        self.by_feature(&attribution.standard_errors, output.place)
                    },
                })
            })
            .collect();
        Ok(RowExplanation { hash, method, evaluations: attribution.evaluations, outputs })
    }

    fn attribute(&self, hash: u64, row: &[f64]) -> Result<(ExplainMethod, Attribution), PredictError> {
        let model = self.model.as_ref();
        let (method, attribution) = match (&self.way, model.linear()) {
            (Way::Linear(means), Some(linear)) => {
                (ExplainMethod::ExactLinear, linear::explain_beside(linear, means, row)?)
            }
            (Way::Trees(tables), _) => {
                let mut attribution = Attribution::default();
                tables.explain(row, &mut attribution)?;
                (ExplainMethod::ExactTree, attribution)
            }
            (Way::Linear(_) | Way::Answers { .. }, _) => {
                let is_few = varying_inputs(&self.background, row) <= self.settings.enumerated_inputs
                    && enumeration_evaluations(&self.background, row) <= self.evaluations_per_row();
                if is_few {
                    (ExplainMethod::Enumeration, enumerate(model, &self.background, row)?)
                } else {
                    let seed = row_seed(self.settings.seed, hash);
                    let estimate = permute(model, &self.background, row, seed, &self.settings.permutation)?;
                    (ExplainMethod::Permutation, estimate)
                }
            }
        };
        Ok((if self.fidelity.is_some() { ExplainMethod::Surrogate } else { method }, attribution))
    }

    /// What is said by inputs about one output, by features.
    fn by_feature(&self, values: &[f64], output: usize) -> Vec<f64> {
        let inputs = self.inputs.len();
        let mut folded = Vec::new();
        self.inputs.fold(values.get(output * inputs..(output + 1) * inputs).unwrap_or_default(), &mut folded);
        folded
    }

    /// What is known of the model.
    #[must_use]
    pub fn info(&self) -> &ModelInfo {
        self.model.info()
    }

    /// The method that rows are explained by when none was, or not by one.
    #[must_use]
    pub fn usual_method(&self) -> ExplainMethod {
        match self.way {
            _ if self.fidelity.is_some() => ExplainMethod::Surrogate,
            Way::Linear(_) => ExplainMethod::ExactLinear,
            Way::Trees(_) => ExplainMethod::ExactTree,
            Way::Answers { .. } if self.inputs.varying() <= self.settings.enumerated_inputs => {
                ExplainMethod::Enumeration
            }
            Way::Answers { .. } => ExplainMethod::Permutation,
        }
    }

    fn provenance(&self, method: ExplainMethod, evaluations: u64) -> Provenance {
        let info = self.info();
        Provenance {
            method,
            model_kind: info.kind.clone(),
            model_id: format!("{:016x}", info.fingerprint),
            background_id: format!("{:016x}", self.background.id()),
            background_rows: self.background.rows().len() as u64,
            evaluations,
            surrogate_r2: self.fidelity.and_then(|fidelity| fidelity.r2),
            surrogate_mae: self.fidelity.map(|fidelity| fidelity.mean_absolute_error),
        }
    }
}

impl Way {
    fn of(
        model: &dyn Model,
        background: &Background,
        inputs: &InputMap,
        settings: &ExplainSettings,
    ) -> Result<Self, ExplainError> {
        if let Some(linear) = model.linear() {
            return Ok(Self::Linear(linear::means(linear, background)?));
        }
        if let Some(trees) = model.trees() {
            return Ok(Self::Trees(Box::new(LeafTables::new(trees, background, settings.tables)?)));
        }
        let (rows, varying) = (background.rows().len() as u64, inputs.varying());
        let most = if varying <= settings.enumerated_inputs {
            rows.saturating_mul((1_u64 << varying.min(62)) - 1).saturating_add(1)
        } else {
            let round = rows.saturating_mul(2 * (varying as u64).saturating_sub(1));
            let rounds = u64::from(settings.permutation.most_rounds.max(1));
            evaluations_before_rounds(background).saturating_add(round.saturating_mul(rounds))
        };
        Ok(Self::Answers { most })
    }
}
