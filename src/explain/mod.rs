//! Why a model predicts what it does, and whether the why has changed.
//!
//! Why: inputs may drift and not matter, and a model may change its reasons
//! while its inputs stay. Shapley values (Shapley, "A value for n-person games",
//! 1953; Lundberg and Lee, "A unified approach to interpreting model
//! predictions", 2017) say what each feature adds to a prediction beside what
//! the model says of a background of usual rows; compared with those of the
//! reference, they say whether the why has changed.
//!
//! Promises: exact values where the model can be read (trees, linear models) or
//! where few inputs vary; estimates with their standard errors elsewhere. Values
//! of a row and the base value add up to the model's output. The same rows give
//! the same bits in any order, grouping and number of threads: what is random is
//! seeded by the model, the background and the event.
//!
//! Refuses: to explain by what the model was not asked. All values are
//! interventional: inputs are replaced by those of background rows, whatever
//! rows come of it (Janzing, Minorics and Blöbaum, "Feature relevance
//! quantification in explainable AI: a causal problem", 2020). They say what
//! moves the model, not what moves the world.
//!
//! Nothing in here knows threads, clocks or sockets: the `explainer` does.

mod asking;
mod attribution_drift;
mod compact;
mod enumeration;
mod explainer;
mod importance;
mod inputs;
mod leaf_tables;
pub mod linear;
mod paths;
mod permutation;
mod surprise;
mod surrogate;
mod surrogate_windows;
mod table_fill;
mod table_plan;
mod walks;

pub use attribution_drift::{
    AttributionEffects, AttributionJudge, FEWEST_ATTRIBUTIONS, JudgedAttributions, ndcg, share_variation,
    sorted_ks,
};
pub use enumeration::{MOST_ENUMERATED, enumerate, enumeration_evaluations, varying_inputs};
pub use explainer::{
    ExplainError, ExplainSettings, Explainer, RowError, RowExplanation, RowOutput, Summarizer, WindowFrame,
};
pub use importance::{
    FeatureImportance, Importance, ImportanceSettings, LabelledRows, Loss, permutation_importance,
};
pub use inputs::{InputError, InputErrors, InputMap, InputSchema, MOST_INPUTS, Unusable};
pub use leaf_tables::{LeafTableError, LeafTableSettings, LeafTables, TableScratch};
pub use permutation::{
    PermutationSettings, evaluations_before_rounds, evaluations_of_round, permute, row_seed,
};
pub use surprise::{StrangeEvent, Surprise};
pub use surrogate::{
    FAITHFUL, Fidelity, LEAST_ROWS, Refit, RefitPlan, Surrogate, SurrogateError, SurrogateSettings,
};
pub use surrogate_windows::SurrogateExplainer;

use crate::model::Rows;

/// The rows that a row is compared with.
#[derive(Debug, Clone, PartialEq)]
pub struct Background {
    values: Vec<f64>,
    width: usize,
    id: u64,
}

impl Background {
    /// As many rows of `width` inputs as `values` make up.
    #[must_use]
    pub fn new(values: Vec<f64>, width: usize) -> Self {
        // Every NaN is the same missing value.
        let bits = |value: &f64| if value.is_nan() { f64::NAN } else { *value }.to_bits().to_le_bytes();
        let bytes: Vec<u8> = values.iter().flat_map(bits).collect();
        let id = crate::profile::row_hash(&bytes);
        Self { values, width, id }
    }

    /// The rows.
    #[must_use]
    pub fn rows(&self) -> Rows<'_> {
        Rows::new(&self.values, self.width)
    }

    /// A hash of the rows, by which results name them.
    #[must_use]
    pub fn id(&self) -> u64 {
        self.id
    }
}

/// The attributions of one row, by the inputs of the model.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Attribution {
    /// The model's raw outputs for the row.
    pub outputs: Vec<f64>,
    /// Shapley values, output by output, as many of each as there are inputs.
    pub values: Vec<f64>,
    /// Their standard errors for this background, in the same order; empty when
    /// they are exact.
    pub standard_errors: Vec<f64>,
    /// Rows that the model was asked about.
    pub evaluations: u64,
}
