//! What is configurable about explanations, and why there are none.

use crate::{
    explain::{
        AttributionEffects, InputErrors, LEAST_ROWS, LeafTableError, LeafTableSettings, MOST_ENUMERATED,
        PermutationSettings, SurrogateError, Unusable,
    },
    model::PredictError,
    result::PREDICTION,
};

/// Background rows of models that are asked in this process, and of others.
const BACKGROUND_ROWS: (usize, usize) = (100, 32);
/// Rows of the reference that windows are compared with, likewise.
const REFERENCE_ROWS: (usize, usize) = (1_000, 200);
/// Inputs that are enumerated, likewise: six take as many evaluations as six
/// rounds of permutations, ten as fifty-seven.
const ENUMERATED_INPUTS: (usize, usize) = (MOST_ENUMERATED, 6);
/// Outputs that are explained when none are named.
pub(super) const MOST_OUTPUTS: usize = 8;

/// How a model is explained.
#[derive(Debug, Clone, PartialEq)]
pub struct ExplainSettings {
    /// Background rows; all usable ones of the reference's sample, when it has
    /// no more.
    pub background_rows: usize,
    /// Rows of the reference, those of the background left out, with whose
    /// attributions windows are compared.
    pub reference_rows: usize,
    /// Names or numbers of the outputs to explain; by default the first eight,
    /// and of two outputs that always have the same sum the second.
    pub outputs: Vec<String>,
    /// Up to so many varying inputs every coalition is asked about.
    pub enumerated_inputs: usize,
    /// How permutations are spent where inputs are more.
    pub permutation: PermutationSettings,
    /// What the tables of trees may take.
    pub tables: LeafTableSettings,
    /// Seed of what is random.
    pub seed: u64,
    /// The reference's column with the logged prediction.
    pub prediction_column: String,
    /// A difference from the logged prediction up to this is rounding; worked
    /// out from the reference's predictions when it is not given.
    pub logged_tolerance: Option<f64>,
    /// From where on a change of attributions matters.
    pub effects: AttributionEffects,
}

impl ExplainSettings {
    /// The defaults for a model behind a server, or in this process.
    #[must_use]
    pub fn defaults(is_remote: bool) -> Self {
        let of = |(local, remote)| if is_remote { remote } else { local };
        Self {
            background_rows: of(BACKGROUND_ROWS),
            reference_rows: of(REFERENCE_ROWS),
            outputs: Vec::new(),
            enumerated_inputs: of(ENUMERATED_INPUTS),
            permutation: PermutationSettings::default(),
            tables: LeafTableSettings::default(),
            seed: 0,
            prediction_column: PREDICTION.to_owned(),
            logged_tolerance: None,
            effects: AttributionEffects::default(),
        }
    }
}

/// Why a model can't be explained at all.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum ExplainError {
    /// The inputs are those of another model.
    #[error("the model takes {wanted} inputs and the schema makes {given}")]
    Inputs {
        /// The model's.
        wanted: usize,
        /// The map's.
        given: usize,
    },
    /// There is nothing to compare rows with.
    #[error("the reference keeps no rows; build it with sample_rows above 0")]
    NoSample,
    /// The background would be empty.
    #[error(
        "none of the reference's {rows} sampled rows can be a background row: {unusable} have values that the schema \
         of inputs does not encode, and for the others the model's output is no number"
    )]
    NoBackground {
        /// Rows of the sample.
        rows: usize,
        /// Of these, rows that were not encoded.
        unusable: usize,
    },
    /// A named output is not the model's.
    #[error("the model has no output {name:?}; its outputs are {known}")]
    Output {
        /// As named.
        name: String,
        /// The model's, for people.
        known: String,
    },
    /// The column of logged predictions is not there.
    #[error("the reference has no numeric prediction column {0:?}; name one that it has, or leave it out")]
    PredictionColumn(String),
    /// The model does not answer the reference's rows.
    #[error(transparent)]
    Model(#[from] PredictError),
    /// No tables can be made of the trees.
    #[error(transparent)]
    Tables(#[from] LeafTableError),
    /// The schema and the reference don't go together.
    #[error(transparent)]
    Schema(#[from] InputErrors),
    /// There are no predictions for a surrogate.
    #[error(
        "a surrogate is fitted to logged predictions, and the reference has no numeric prediction column {0:?}; name \
         one that it has, build it of events with numeric predictions, or give the model itself"
    )]
    NoPredictions(String),
    /// Too few rows for a surrogate.
    #[error(
        "a surrogate needs {LEAST_ROWS} of the reference's sampled rows, and {usable} of {rows} can be used: the schema \
         of inputs does not encode {unencoded}, and {unpredicted} have no logged prediction that is a number; build \
         the reference of more whole rows, with a larger sample_rows"
    )]
    FewPredictions {
        /// Rows of the sample.
        rows: u64,
        /// Of these, rows that a surrogate can be fitted to.
        usable: u64,
        /// Rows that were not encoded.
        unencoded: u64,
        /// Rows without a prediction.
        unpredicted: u64,
    },
    /// No surrogate can be fitted to the reference.
    #[error("the reference's predictions: {0}")]
    Surrogate(#[from] SurrogateError),
}

/// Why one row is not explained.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum RowError {
    /// The schema of inputs has no numbers for it.
    #[error(transparent)]
    Unusable(#[from] Unusable),
    /// The model's output is no number.
    #[error("the model's output for the row is no number")]
    NoNumber,
    /// The model did not answer.
    #[error(transparent)]
    Model(#[from] PredictError),
}

impl RowError {
    /// Whether it is the model's server that failed: the row may be explained
    /// later. Otherwise it is the row that can't be.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Model(PredictError::Unavailable(_)))
    }
}
