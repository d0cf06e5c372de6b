//! Models that can be evaluated: what explanations ask.
//!
//! Why: an explanation is made of what a model says of rows that were never
//! sent to it. Every kind of model answers through [`Model`], so that explainers
//! know none of them; where more is known than answers (the trees, the
//! coefficients), a model gives it, and exact explanations follow.
//!
//! Promises: a model file gives the predictions of the library that wrote it,
//! to the precision of its own numbers, missing values included; the same rows
//! give the same bits however they are grouped into calls.
//!
//! Refuses: files that it does not wholly understand. A tree, an objective or an
//! operator that would be guessed at is an error that names it, never a model
//! that is nearly right.
//!
//! Models behind HTTP are in `explainer`, since they need sockets.

mod linear;
mod linear_file;
mod onnx;
mod trees;

use std::fmt;

pub use linear::LinearModel;
pub use linear_file::read_linear;
pub use onnx::{OnnxModel, read_onnx};
pub use trees::{
    Leaf, MOST_NODES, Missing, Node, Precision, Split, Test, Tree, TreeEnsemble, TreeError, read_lightgbm,
    read_xgboost, read_xgboost_whole,
};

/// Rows of numbers, one after the other; a missing value is NaN.
#[derive(Debug, Clone, Copy)]
pub struct Rows<'a> {
    values: &'a [f64],
    width: usize,
}

impl<'a> Rows<'a> {
    /// As many rows as `values` make up; a part of a row at the end is left out.
    /// A width of 0 counts as 1.
    #[must_use]
    pub fn new(values: &'a [f64], width: usize) -> Self {
        let width = width.max(1);
        let whole = values.len() - values.len() % width;
        Self { values: values.get(..whole).unwrap_or_default(), width }
    }

    /// The rows.
    pub fn iter(&self) -> std::slice::ChunksExact<'a, f64> {
        self.values.chunks_exact(self.width)
    }

    /// Number of rows.
    #[must_use]
    pub fn len(&self) -> usize {
        self.values.len() / self.width
    }

    /// Whether there are no rows.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// Numbers in a row.
    #[must_use]
    pub fn width(&self) -> usize {
        self.width
    }

    /// All numbers, row by row.
    #[must_use]
    pub fn values(&self) -> &'a [f64] {
        self.values
    }
}

impl<'a> IntoIterator for Rows<'a> {
    type Item = &'a [f64];
    type IntoIter = std::slice::ChunksExact<'a, f64>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl<'a> IntoIterator for &Rows<'a> {
    type Item = &'a [f64];
    type IntoIter = std::slice::ChunksExact<'a, f64>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

/// How a model's raw outputs become what it is known to predict.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Link {
    /// They are it.
    Identity,
    /// The raw output is the logarithm of odds, each output for itself.
    Logistic,
    /// Raw outputs are logarithms of shares that sum to one.
    Softmax,
    /// The raw output is the logarithm of it (Poisson, gamma, Tweedie).
    Log,
}

impl Link {
    /// Turns one row's raw outputs into predictions, in place.
    pub fn apply(self, outputs: &mut [f64]) {
        match self {
            Self::Identity => {}
            Self::Logistic => {
                for raw in outputs {
                    *raw = 1.0 / (1.0 + (-*raw).exp());
                }
            }
            Self::Log => {
                for raw in outputs {
                    *raw = raw.exp();
                }
            }
            Self::Softmax => {
                let largest = outputs.iter().copied().fold(f64::NEG_INFINITY, f64::max);
                for raw in outputs.iter_mut() {
                    *raw = (*raw - largest).exp();
                }
                let sum: f64 = outputs.iter().sum();
                for raw in outputs {
                    *raw /= sum;
                }
            }
        }
    }

    /// The name of the space that raw outputs are in: what attributions add up
    /// in.
    #[must_use]
    pub fn raw_space(self) -> &'static str {
        match self {
            Self::Identity => "value",
            Self::Logistic => "log_odds",
            Self::Softmax => "log_shares",
            Self::Log => "log",
        }
    }
}

/// What is known of a model before it is asked.
#[derive(Debug, Clone, PartialEq)]
pub struct ModelInfo {
    /// What it is, for people: `XGBoost`, `LightGBM`, `Open Inference Protocol v2`.
    pub kind: String,
    /// Numbers in a row.
    pub inputs: usize,
    /// Names of the inputs in their order; empty where the model has none.
    pub input_names: Vec<String>,
    /// Outputs of a row; 0 of a server that has not shown them by its first answer
    /// yet.
    pub outputs: usize,
    /// Names of the outputs; empty where the model has none.
    pub output_names: Vec<String>,
    /// How raw outputs become predictions.
    pub link: Link,
    /// A hash of whatever decides its answers, as far as it is known: of a
    /// model file its bytes, of a server its address and version.
    pub fingerprint: u64,
}

/// Why a model can't be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ModelError {
    /// The bytes are not of the format.
    #[error("{format}: {problem}")]
    Malformed {
        /// The format that was expected.
        format: &'static str,
        /// What is wrong and where.
        problem: String,
    },
    /// The format is right, and this part of it is not understood.
    #[error("{format}: {feature} is not supported; {hint}")]
    Unsupported {
        /// The format.
        format: &'static str,
        /// What is not understood, with the file's own names.
        feature: String,
        /// What to do instead.
        hint: &'static str,
    },
}

/// Why a model did not answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PredictError {
    /// Rows have another width than the model's inputs.
    #[error("the model takes {wanted} inputs and was given {given}")]
    Width {
        /// The model's inputs.
        wanted: usize,
        /// Numbers in a row.
        given: usize,
    },
    /// Its server did not answer, or not in time; asking again may help.
    #[error("the model's server does not answer: {0}")]
    Unavailable(String),
    /// Its answer, or its refusal, makes no sense of the rows; asking again
    /// will not help.
    #[error("the model gives no usable answer: {0}")]
    Refused(String),
}

/// Something that answers rows with numbers.
///
/// Calls block: a model behind a socket is asked on a thread of its own.
pub trait Model: Send + Sync + fmt::Debug {
    /// What is known of it.
    fn info(&self) -> &ModelInfo;

    /// Appends the raw outputs of every row, row by row.
    ///
    /// # Errors
    /// When there is no answer; nothing is appended then.
    fn predict(&self, rows: Rows<'_>, out: &mut Vec<f64>) -> Result<(), PredictError>;

    /// Rows that one call is best given. Larger calls are right, too.
    fn batch_rows(&self) -> usize {
        4096
    }

    /// Whether rows leave this process: evaluations are dear then.
    fn is_remote(&self) -> bool {
        false
    }

    /// The trees, of a model that is a sum of them.
    fn trees(&self) -> Option<&TreeEnsemble> {
        None
    }

    /// The coefficients, of a model whose raw outputs are linear.
    fn linear(&self) -> Option<&LinearModel> {
        None
    }
}
