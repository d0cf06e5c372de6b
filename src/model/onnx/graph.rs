//! What stands before and behind the model in a graph.
//!
//! Promises: an operator is accepted only where what it does is expressed in the
//! model without a difference: in thresholds, in where missing values go, in the
//! link. Labels, which are no numbers, are not looked at.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    RUNTIME, malformed,
    proto::{Graph, Node, ValueInfo, element},
    unsupported,
};
use crate::model::{Link, ModelError, Precision};

/// Operators between an input and the model, or the model and an output, at
/// most. A graph may lead back to itself.
const MOST_STEPS: usize = 32;

/// Numbers in a row at most: rows are held by the thousand.
const MOST_COLUMNS: usize = 1 << 16;

/// How rows reach the model.
#[derive(Debug)]
pub(super) struct Inputs {
    /// Numbers in a row.
    pub(super) width: usize,
    /// Names, where every number has an input of its own.
    pub(super) names: Vec<String>,
    /// What values are rounded to on the way.
    pub(super) precision: Precision,
    /// Per number `(offset, scale)`: the model sees `(value - offset) * scale`,
    /// computed in `f32`.
    pub(super) scaling: Option<Vec<(f32, f32)>>,
    /// Per number what stands for a missing value.
    pub(super) fill: Option<Vec<f64>>,
}

impl Inputs {
    /// How rows reach the value named `value`.
    pub(super) fn of(graph: &Graph<'_>, value: &str, width: Option<usize>) -> Result<Self, ModelError> {
        let (mut value, mut scaler, mut imputer) = (value, None, None);
        let mut casts = Vec::new();
        for _ in 0..MOST_STEPS {
            let Some(node) = graph.maker(value) else {
                return Self::assemble(graph, &[value], casts, (scaler, imputer), width);
            };
            match node.operator {
                "Identity" if node.is_standard() => {}
                "Cast" if node.is_standard() => casts.push(cast_to(node)?),
                "Concat" if node.is_standard() => {
                    let axis = node.int("axis")?;
                    if !matches!(axis, Some(1 | -1)) {
                        return Err(unsupported("a Concat that does not join columns", RUNTIME));
                    }
                    return Self::assemble(graph, &node.inputs, casts, (scaler, imputer), width);
                }
                // First imputed, then scaled, each once at most.
                "Scaler" if node.is_ml() && scaler.is_none() && imputer.is_none() => {
                    casts_of_floats(&mut casts)?;
                    scaler = Some(node);
                }
                "Imputer" if node.is_ml() && imputer.is_none() => {
                    casts_of_floats(&mut casts)?;
                    imputer = Some(node);
                }
                other => return Err(unsupported(format!("{other} before the model"), RUNTIME)),
            }
            value = node.input()?;
        }
        Err(malformed(format!("more than {MOST_STEPS} operators stand before the model, or they go round")))
    }

    fn assemble(
        graph: &Graph<'_>,
        values: &[&str],
        mut casts: Vec<i64>,
        (scaler, imputer): (Option<&Node<'_>>, Option<&Node<'_>>),
        width: Option<usize>,
    ) -> Result<Self, ModelError> {
        let (mut total, mut names, mut elements) = (Some(0), Vec::new(), Vec::new());
        let mut joined = BTreeSet::new();
        let by_name: BTreeMap<&str, &ValueInfo<'_>> =
            graph.inputs.iter().map(|input| (input.name, input)).collect();
        for &value in values {
            let (input, own_casts) = plain_input(graph, &by_name, value)?;
            if !joined.insert(input.name) {
                return Err(unsupported("an input that is joined twice", RUNTIME));
            }
            elements.push(rounded_to(input.element.unwrap_or_default(), &own_casts)?);
            let columns = match input.shape.as_slice() {
                [_, columns] => columns.and_then(|columns| usize::try_from(columns).ok()),
                // A vector of rows.
                [_] if values.len() > 1 => Some(1),
                _ => None,
            };
            total =
                total.zip(columns).and_then(|(total, columns): (usize, usize)| total.checked_add(columns));
            if columns == Some(1) {
                names.push(input.name.to_owned());
            }
        }
        elements.dedup();
        let [joined] = elements.as_slice() else {
            return Err(unsupported("a Concat of inputs of different types", RUNTIME));
        };
        casts.reverse();
        let width = agreed(total, width)?;
        if names.len() != width {
            names.clear();
        }
        let precision = match rounded_to(*joined, &casts)? {
            element::DOUBLE => Precision::Double,
            // Whole numbers are compared as f32.
            _ => Precision::Single,
        };
        let is_single = precision == Precision::Single;
        if (scaler.is_some() || imputer.is_some()) && !is_single {
            return Err(unsupported("a Scaler or Imputer of double numbers", RUNTIME));
        }
        let scaling = scaler.map(|node| scaling(node, width)).transpose()?;
        let fill = imputer.map(|node| fill(node, width)).transpose()?;
        Ok(Self { width, names, precision, scaling, fill })
    }
}

/// The width that the file and the caller say.
fn agreed(file: Option<usize>, told: Option<usize>) -> Result<usize, ModelError> {
    match (file, told) {
        (Some(file), Some(told)) if file != told => {
            Err(malformed(format!("the model takes {file} inputs, and {told} are named")))
        }
        (Some(width), _) | (None, Some(width)) if (1..=MOST_COLUMNS).contains(&width) => Ok(width),
        (Some(width), _) | (None, Some(width)) => {
            Err(malformed(format!("a row has {width} numbers, which is none or more than {MOST_COLUMNS}")))
        }
        (None, None) => Err(unsupported(
            "an input whose number of columns is left open",
            "name the model's inputs, or convert it with their number",
        )),
    }
}

/// The input of the graph that a value is, but for identities and casts.
fn plain_input<'a, 'f>(
    graph: &'a Graph<'f>,
    inputs: &BTreeMap<&str, &'a ValueInfo<'f>>,
    value: &'a str,
) -> Result<(&'a ValueInfo<'f>, Vec<i64>), ModelError> {
    let (mut value, mut casts) = (value, Vec::new());
    for _ in 0..MOST_STEPS {
        if let Some(input) = inputs.get(value) {
            casts.reverse();
            return Ok((input, casts));
        }
        let node =
            graph.maker(value).ok_or_else(|| malformed(format!("nothing makes the value '{value}'")))?;
        match node.operator {
            "Identity" if node.is_standard() => {}
            "Cast" if node.is_standard() => casts.push(cast_to(node)?),
            other => return Err(unsupported(format!("{other} before a Concat"), RUNTIME)),
        }
        value = node.input()?;
    }
    Err(malformed(format!("more than {MOST_STEPS} operators stand before the model, or they go round")))
}

/// Forgets the casts behind an operator that gives `f32`: they lose nothing.
fn casts_of_floats(casts: &mut Vec<i64>) -> Result<(), ModelError> {
    match casts.drain(..).find(|to| !matches!(*to, element::FLOAT | element::DOUBLE)) {
        None => Ok(()),
        Some(code) => Err(unsupported(format!("a Cast of inputs to element type {code}"), RUNTIME)),
    }
}

fn cast_to(node: &Node<'_>) -> Result<i64, ModelError> {
    node.only(&["to", "saturate", "round_mode"])?;
    node.int("to")?.ok_or_else(|| node.malformed("does not say to what"))
}

/// The type that values have the precision of: the narrowest on the way.
fn rounded_to(from: i64, casts: &[i64]) -> Result<i64, ModelError> {
    let mut narrowest = from;
    for &to in [from].iter().chain(casts) {
        narrowest = match (narrowest, to) {
            (element::FLOAT, element::FLOAT | element::DOUBLE) | (_, element::FLOAT) => element::FLOAT,
            // A whole number is the same as a double.
            (_, element::DOUBLE) => element::DOUBLE,
            (element::INT32 | element::INT64, element::INT32 | element::INT64) => element::INT64,
            (_, code) => {
                let feature = format!("an input of element type {code}, or a Cast to it,");
                return Err(unsupported(feature, RUNTIME));
            }
        };
    }
    Ok(narrowest)
}

/// One number per column, of one for all or of one each.
fn per_column(node: &Node<'_>, name: &str, width: usize) -> Result<Vec<f64>, ModelError> {
    let numbers = node.numbers(name)?;
    match numbers.as_slice() {
        [one] => Ok(vec![*one; width]),
        _ if numbers.len() == width => Ok(numbers),
        _ => Err(node.malformed(&format!("has {} numbers as {name} for {width} columns", numbers.len()))),
    }
}

fn scaling(node: &Node<'_>, width: usize) -> Result<Vec<(f32, f32)>, ModelError> {
    node.only(&["offset", "scale"])?;
    let (offsets, scales) = (per_column(node, "offset", width)?, per_column(node, "scale", width)?);
    #[expect(clippy::cast_possible_truncation, reason = "they were f32 in the file")]
    let pairs: Vec<(f32, f32)> =
        offsets.iter().zip(&scales).map(|(offset, scale)| (*offset as f32, *scale as f32)).collect();
    if pairs.iter().all(|(offset, scale)| offset.is_finite() && scale.is_finite() && *scale != 0.0) {
        Ok(pairs)
    } else {
        Err(node.malformed("has offsets or scales that are not finite, or a scale of 0"))
    }
}

fn fill(node: &Node<'_>, width: usize) -> Result<Vec<f64>, ModelError> {
    node.only(&["imputed_value_floats", "replaced_value_float"])?;
    if node.float("replaced_value_float")?.is_some_and(|replaced| !replaced.is_nan()) {
        return Err(unsupported("an Imputer that replaces another value than NaN", RUNTIME));
    }
    let fill = per_column(node, "imputed_value_floats", width)?;
    if fill.iter().all(|value| value.is_finite()) {
        Ok(fill)
    } else {
        Err(node.malformed("fills in what is no number"))
    }
}

/// What the model's numbers become on their way to the graph's output.
#[derive(Debug)]
pub(super) struct Scores {
    /// How raw outputs become predictions.
    pub(super) link: Link,
    /// What the graph adds to raw outputs: nothing, or one number.
    pub(super) shift: f64,
}

impl Scores {
    /// What becomes of the value `scores`, which has `link`. `are_shares`: its
    /// numbers add up to one.
    pub(super) fn of(
        graph: &Graph<'_>,
        scores: &str,
        link: Link,
        are_shares: bool,
    ) -> Result<Self, ModelError> {
        let is_number =
            |output: &&ValueInfo<'_>| matches!(output.element, None | Some(element::FLOAT | element::DOUBLE));
        let mut found = None;
        for output in graph.outputs.iter().filter(is_number) {
            let steps = steps_between(graph, scores, output.name)?;
            if found.replace(steps).is_some() {
                return Err(unsupported("a model with several outputs of numbers", RUNTIME));
            }
        }
        let steps = found.ok_or_else(|| {
            unsupported("a model that gives labels only", "convert it so that it gives probabilities, too")
        })?;
        let mut outcome = Self { link, shift: 0.0 };
        for node in steps.into_iter().rev() {
            outcome.take(graph, node, are_shares)?;
        }
        Ok(outcome)
    }

    fn take(&mut self, graph: &Graph<'_>, node: &Node<'_>, are_shares: bool) -> Result<(), ModelError> {
        let is_raw = self.link == Link::Identity && !are_shares;
        match node.operator {
            "Identity" if node.is_standard() => {}
            "Cast" if node.is_standard() => {
                if !matches!(cast_to(node)?, element::FLOAT | element::DOUBLE) {
                    return Err(unsupported("a Cast of predictions to another type", RUNTIME));
                }
            }
            // Pairs of names and numbers: the same numbers.
            "ZipMap" if node.is_ml() => {}
            // Probabilities add up to one already.
            "Normalizer"
                if node.is_ml()
                    && are_shares
                    && self.link != Link::Identity
                    && node.text("norm")? == Some("L1") => {}
            "Exp" if node.is_standard() && is_raw => self.link = Link::Log,
            "Sigmoid" if node.is_standard() && is_raw => self.link = Link::Logistic,
            "Mul" if node.is_standard() => self.multiply(graph, node)?,
            other => return Err(unsupported(format!("{other} behind the model"), RUNTIME)),
        }
        Ok(())
    }

    fn multiply(&mut self, graph: &Graph<'_>, node: &Node<'_>) -> Result<(), ModelError> {
        let mut factors = Vec::new();
        for input in node.inputs.iter().take(2) {
            if let Some(numbers) = graph.constant(input) {
                factors.extend(numbers?);
            }
        }
        #[expect(clippy::float_cmp, reason = "a factor of exactly one changes nothing")]
        let is_one = !factors.is_empty() && factors.iter().all(|factor| *factor == 1.0);
        match (is_one, self.link, factors.as_slice()) {
            (true, _, _) => Ok(()),
            // c · exp(x) = exp(x + ln c)
            (false, Link::Log, [factor]) if *factor > 0.0 && factor.is_finite() => {
                self.shift += factor.ln();
                Ok(())
            }
            _ => Err(unsupported("Mul behind the model", RUNTIME)),
        }
    }
}

/// The operators that lead from `scores` to `output`, the last one first.
fn steps_between<'a, 'f>(
    graph: &'a Graph<'f>,
    scores: &str,
    output: &'a str,
) -> Result<Vec<&'a Node<'f>>, ModelError> {
    let (mut value, mut steps) = (output, Vec::new());
    while value != scores {
        let node =
            graph.maker(value).ok_or_else(|| malformed(format!("nothing makes the value '{value}'")))?;
        // Everything else on this way has one input that is not a constant.
        let next = if node.operator == "Mul" && node.inputs.len() == 2 {
            node.inputs.iter().find(|input| graph.constant(input).is_none()).copied()
        } else {
            node.inputs.first().copied()
        };
        let reaches_model = node.is_ml() && node.outputs.contains(&scores);
        value = match next {
            Some(next) if steps.len() < MOST_STEPS && !reaches_model => next,
            _ => return Err(unsupported(format!("{} behind the model", node.operator), RUNTIME)),
        };
        steps.push(node);
    }
    Ok(steps)
}
