//! ONNX files of trees and of linear models.
//!
//! Why: ONNX is what scikit-learn's models, and those of many other libraries,
//! are served as. A model that is read, and not only run, is explained exactly.
//!
//! Promises: the operators `TreeEnsembleRegressor`, `TreeEnsembleClassifier`,
//! `TreeEnsemble`, `LinearRegressor` and `LinearClassifier` give what ONNX Runtime
//! 1.32 gives, to the precision of its `f32` sums (`tests/models/onnx.rs` holds
//! that on its own answers). Around them, whatever the IR can say exactly is
//! read: inputs that are cast, joined, scaled or imputed on the way in, and links
//! on the way out.
//!
//! Refuses, with the operator's or attribute's name: everything else, and what
//! the specification and ONNX Runtime say differently. Those models can be run
//! by ONNX Runtime itself (`explainer::onnx_runtime`), and are then explained by
//! asking.
//!
//! A classifier of two classes whose leaves vote for one of them has one output
//! here, that of the second label; the other is its complement. Where ONNX
//! Runtime cuts values to whole numbers before it looks them up in a large set of
//! categories, values are compared as they are, as the specification says; whole
//! numbers give the same.
//!
//! Source: `Operators-ml.md` of ONNX 1.20 (`ai.onnx.ml` 1 to 5); where it is silent, the
//! behaviour of ONNX Runtime 1.32 on models made for the question.

mod branch;
mod graph;
mod linear;
mod nodes;
mod proto;
mod sets;
mod wire;

use super::{LinearModel, Model, ModelError, TreeEnsemble};
use graph::Inputs;
use proto::{Graph, Node};

const FORMAT: &str = "ONNX";
/// What to do with a model that is right but not read here.
const RUNTIME: &str = "let ONNX Runtime run this model: it is explained by asking then";

/// What an ONNX file was read as.
#[derive(Debug, Clone, PartialEq)]
pub enum OnnxModel {
    /// A sum of trees.
    Trees(TreeEnsemble),
    /// A linear model.
    Linear(LinearModel),
}

impl OnnxModel {
    /// As any other model.
    #[must_use]
    pub fn into_model(self) -> Box<dyn Model> {
        match self {
            Self::Trees(trees) => Box::new(trees),
            Self::Linear(linear) => Box::new(linear),
        }
    }
}

/// Reads an ONNX file. `width` is how many numbers a row has, where that is
/// known from elsewhere: converters may leave it open in the file.
///
/// # Errors
/// When the file is broken, or is more than trees or a linear model.
pub fn read_onnx(file: &[u8], width: Option<usize>) -> Result<OnnxModel, ModelError> {
    let graph = Graph::read(file)?;
    if graph.ml_version > 5 {
        let feature = format!("version {} of the operators ai.onnx.ml", graph.ml_version);
        return Err(unsupported(feature, "convert it with target_opset={'ai.onnx.ml': 3}"));
    }
    let model = only_model(&graph)?;
    let inputs = Inputs::of(&graph, model.input()?, width)?;
    let fingerprint = crate::profile::row_hash(file);
    match model.operator {
        "TreeEnsemble" => sets::read(&graph, model, &inputs, fingerprint).map(OnnxModel::Trees),
        "TreeEnsembleRegressor" | "TreeEnsembleClassifier" => {
            nodes::read(&graph, model, &inputs, fingerprint).map(OnnxModel::Trees)
        }
        _ => linear::read(&graph, model, &inputs, fingerprint).map(OnnxModel::Linear),
    }
}

/// The node that is the model.
fn only_model<'a, 'f>(graph: &'a Graph<'f>) -> Result<&'a Node<'f>, ModelError> {
    let is_model = |node: &&Node<'_>| {
        let known = ["TreeEnsemble", "TreeEnsembleRegressor", "TreeEnsembleClassifier"];
        node.is_ml()
            && (known.contains(&node.operator)
                || matches!(node.operator, "LinearRegressor" | "LinearClassifier"))
    };
    let mut models = graph.nodes.iter().filter(is_model);
    match (models.next(), models.next()) {
        (Some(model), None) => Ok(model),
        (Some(_), Some(_)) => Err(unsupported("a graph of several models", RUNTIME)),
        (None, _) => {
            let operators: Vec<&str> = graph.nodes.iter().take(5).map(|node| node.operator).collect();
            let feature = format!("a graph without trees or a linear model ({})", operators.join(", "));
            Err(unsupported(feature, RUNTIME))
        }
    }
}

fn malformed(problem: impl Into<String>) -> ModelError {
    ModelError::Malformed { format: FORMAT, problem: problem.into() }
}

fn unsupported(feature: impl Into<String>, hint: &'static str) -> ModelError {
    ModelError::Unsupported { format: FORMAT, feature: feature.into(), hint }
}
