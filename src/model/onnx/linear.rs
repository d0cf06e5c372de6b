//! `LinearRegressor` and `LinearClassifier`.
//!
//! Sums are made in `f64` here and in `f32` by ONNX Runtime. A Scaler before the
//! model becomes a part of its coefficients.

use super::{
    FORMAT, RUNTIME, branch,
    graph::{Inputs, Scores},
    malformed, nodes,
    proto::{Graph, Node as Operator},
    unsupported,
};
use crate::model::{LinearModel, Link, ModelError, ModelInfo};

/// Coefficients, intercepts and what they give.
struct Parts {
    coefficients: Vec<f64>,
    intercepts: Vec<f64>,
    names: Vec<String>,
    link: Link,
    are_shares: bool,
}

/// Reads the coefficients of `operator`.
pub(super) fn read(
    graph: &Graph<'_>,
    operator: &Operator<'_>,
    inputs: &Inputs,
    fingerprint: u64,
) -> Result<LinearModel, ModelError> {
    if inputs.fill.is_some() {
        return Err(unsupported("an Imputer before a linear model", RUNTIME));
    }
    let is_classifier = operator.operator == "LinearClassifier";
    let mut parts = if is_classifier { classifier(operator, inputs)? } else { regressor(operator)? };
    let outputs = parts.intercepts.len();
    if outputs.checked_mul(inputs.width) != Some(parts.coefficients.len()) {
        let (count, width) = (parts.coefficients.len(), inputs.width);
        return Err(
            operator.malformed(&format!("has {count} coefficients for {width} inputs and {outputs} outputs"))
        );
    }
    if let Some(scaling) = &inputs.scaling {
        for (row, intercept) in parts.coefficients.chunks_exact_mut(inputs.width).zip(&mut parts.intercepts) {
            for (weight, (offset, scale)) in row.iter_mut().zip(scaling) {
                *weight *= f64::from(*scale);
                *intercept -= *weight * f64::from(*offset);
            }
        }
    }
    let scores = operator.outputs.get(usize::from(is_classifier));
    let scores = scores.ok_or_else(|| operator.malformed("has no output of numbers"))?;
    let behind = Scores::of(graph, scores, parts.link, parts.are_shares)?;
    parts.intercepts.iter_mut().for_each(|intercept| *intercept += behind.shift);
    let info = ModelInfo {
        kind: format!("{FORMAT} {}", operator.operator),
        inputs: inputs.width,
        input_names: inputs.names.clone(),
        outputs,
        output_names: parts.names,
        link: behind.link,
        fingerprint,
    };
    LinearModel::new(info, parts.coefficients, parts.intercepts)
        .ok_or_else(|| malformed("a coefficient or an intercept is not finite"))
}

fn regressor(operator: &Operator<'_>) -> Result<Parts, ModelError> {
    operator.only(&["coefficients", "intercepts", "post_transform", "targets"])?;
    let targets = operator.int("targets")?.unwrap_or(1);
    let targets = usize::try_from(targets).ok().filter(|targets| *targets > 0);
    let targets = targets.ok_or_else(|| operator.malformed("has a number of targets that makes no sense"))?;
    branch::check_count(operator, targets)?;
    let intercepts = operator.numbers("intercepts")?;
    if !intercepts.is_empty() && intercepts.len() != targets {
        return Err(operator.malformed(&format!("has {} intercepts for {targets} targets", intercepts.len())));
    }
    let link = branch::link(operator, operator.text("post_transform")?.unwrap_or("NONE"), targets)?;
    Ok(Parts {
        coefficients: operator.numbers("coefficients")?,
        intercepts: if intercepts.is_empty() { vec![0.0; targets] } else { intercepts },
        names: Vec::new(),
        link,
        are_shares: link == Link::Softmax,
    })
}

/// Of two classes with one row of coefficients, or with two rows that differ in
/// their signs alone, the second is the output: the first is its complement.
fn classifier(operator: &Operator<'_>, inputs: &Inputs) -> Result<Parts, ModelError> {
    operator.only(&[
        "classlabels_ints",
        "classlabels_strings",
        "coefficients",
        "intercepts",
        "multi_class",
        "post_transform",
    ])?;
    let mut names = nodes::labels(operator, "classlabels_ints")?;
    branch::check_count(operator, names.len())?;
    let mut coefficients = operator.numbers("coefficients")?;
    let mut intercepts = operator.numbers("intercepts")?;
    let transform = operator.text("post_transform")?.unwrap_or("NONE");
    let are_opposite = names.len() == 2 && transform == "LOGISTIC" && {
        let (one, other) = coefficients.split_at(coefficients.len().min(inputs.width));
        #[expect(clippy::float_cmp, reason = "only exact opposites are complements")]
        let is_opposite = |(one, other): (&f64, &f64)| *one == -*other;
        intercepts.len() == 2
            && one.len() == other.len()
            && one.iter().zip(other).all(is_opposite)
            && intercepts.iter().zip(intercepts.iter().skip(1)).all(is_opposite)
    };
    if are_opposite {
        coefficients.drain(..inputs.width.min(coefficients.len()));
        intercepts.drain(..1);
    }
    if names.len() == 2 && intercepts.len() == 1 {
        let link = match transform {
            "NONE" => Link::Identity,
            "LOGISTIC" => Link::Logistic,
            _ => return Err(unsupported("this post_transform of one class of two", RUNTIME)),
        };
        names.drain(..1);
        return Ok(Parts { coefficients, intercepts, names, link, are_shares: true });
    }
    if names.len() < 2 || intercepts.len() != names.len() {
        return Err(operator.malformed(&format!(
            "has {} intercepts for {} classes",
            intercepts.len(),
            names.len()
        )));
    }
    let link = branch::link(operator, transform, names.len())?;
    Ok(Parts { coefficients, intercepts, names, link, are_shares: link == Link::Softmax })
}
