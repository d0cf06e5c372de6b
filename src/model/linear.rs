//! Linear and logistic models by their coefficients.

use super::{Model, ModelInfo, PredictError, Rows};

/// A model whose raw outputs are sums of weighted inputs.
///
/// A missing input makes the output missing (NaN), as it does in every library
/// that fits such models: where the producer fills missing values in before, the
/// schema of inputs has to do the same.
#[derive(Debug, Clone, PartialEq)]
pub struct LinearModel {
    info: ModelInfo,
    /// Output by output, as many as there are inputs.
    coefficients: Box<[f64]>,
    /// One per output.
    intercepts: Box<[f64]>,
}

impl LinearModel {
    /// A model with `coefficients`, output by output, and an intercept per
    /// output; `None` when their numbers are not those of `info`, or not finite.
    #[must_use]
    pub fn new(info: ModelInfo, coefficients: Vec<f64>, intercepts: Vec<f64>) -> Option<Self> {
        let is_whole = coefficients.len() == info.inputs.checked_mul(info.outputs)?
            && intercepts.len() == info.outputs
            && coefficients.iter().chain(&intercepts).all(|number| number.is_finite());
        is_whole.then(|| Self { info, coefficients: coefficients.into(), intercepts: intercepts.into() })
    }

    /// The coefficients of one output, one per input.
    #[must_use]
    pub fn coefficients(&self, output: usize) -> &[f64] {
        let inputs = self.info.inputs;
        self.coefficients.get(output * inputs..(output + 1) * inputs).unwrap_or_default()
    }

    /// One number per output.
    #[must_use]
    pub fn intercepts(&self) -> &[f64] {
        &self.intercepts
    }
}

impl Model for LinearModel {
    fn info(&self) -> &ModelInfo {
        &self.info
    }

    fn predict(&self, rows: Rows<'_>, out: &mut Vec<f64>) -> Result<(), PredictError> {
        if rows.width() != self.info.inputs {
            return Err(PredictError::Width { wanted: self.info.inputs, given: rows.width() });
        }
        for row in rows {
            for (output, intercept) in self.intercepts.iter().enumerate() {
                let products =
                    self.coefficients(output).iter().zip(row).map(|(weight, value)| weight * value);
                out.push(intercept + products.sum::<f64>());
            }
        }
        Ok(())
    }

    fn linear(&self) -> Option<&LinearModel> {
        Some(self)
    }
}
