//! The messages of an ONNX file that say what a model computes.
//!
//! Source: `onnx.proto` of the ONNX project (IR version 3 and later), whose
//! field numbers stand here. What is not needed is passed over.

use std::collections::BTreeMap;

use super::{
    RUNTIME, malformed, unsupported,
    wire::{Fields, Value, add_doubles, add_singles},
};
use crate::model::ModelError;

/// Nodes of a graph at most. What is read here has a handful; the bound keeps a
/// file of empty nodes from taking much more memory than its own size.
const MOST_NODES: usize = 4096;
/// Inputs, outputs and initializers of a graph at most, each.
const MOST_VALUES: usize = 1 << 16;

/// Codes of element types.
pub(super) mod element {
    pub(crate) const FLOAT: i64 = 1;
    pub(crate) const UINT8: i64 = 2;
    pub(crate) const INT32: i64 = 6;
    pub(crate) const INT64: i64 = 7;
    pub(crate) const DOUBLE: i64 = 11;
}

/// The graph of a model.
#[derive(Debug, Default)]
pub(super) struct Graph<'a> {
    pub(super) nodes: Vec<Node<'a>>,
    pub(super) inputs: Vec<ValueInfo<'a>>,
    pub(super) outputs: Vec<ValueInfo<'a>>,
    pub(super) initializers: Vec<Tensor<'a>>,
    /// Version of the operators of `ai.onnx.ml`.
    pub(super) ml_version: i64,
    /// Which node makes a value.
    makers: BTreeMap<&'a str, usize>,
}

/// One application of an operator.
#[derive(Debug, Default)]
pub(super) struct Node<'a> {
    pub(super) operator: &'a str,
    pub(super) domain: &'a str,
    pub(super) inputs: Vec<&'a str>,
    pub(super) outputs: Vec<&'a str>,
    attributes: Vec<(&'a str, &'a [u8])>,
}

/// An input or output of the graph.
#[derive(Debug, Default)]
pub(super) struct ValueInfo<'a> {
    pub(super) name: &'a str,
    /// Element type of a tensor; `None` of sequences and where it is not said.
    pub(super) element: Option<i64>,
    /// Lengths of a tensor's dimensions; `None` of those that the file leaves
    /// open.
    pub(super) shape: Vec<Option<i64>>,
}

/// A constant of the graph or of an attribute.
#[derive(Debug, Default, Clone)]
pub(super) struct Tensor<'a> {
    pub(super) name: &'a str,
    element: i64,
    numbers: Vec<f64>,
    integers: Vec<i64>,
    raw: Option<&'a [u8]>,
    is_external: bool,
}

fn push<T>(to: &mut Vec<T>, value: T, most: usize, what: &str) -> Result<(), ModelError> {
    if to.len() >= most {
        return Err(unsupported(format!("a graph of more than {most} {what}"), RUNTIME));
    }
    to.push(value);
    Ok(())
}

impl<'a> Graph<'a> {
    /// Reads a model file.
    pub(super) fn read(file: &'a [u8]) -> Result<Self, ModelError> {
        let mut graph = None;
        let mut ml_version = 1;
        for field in Fields::of(file) {
            match field? {
                (7, value) => graph = Some(value.bytes()?),
                (8, value) => {
                    if let ("ai.onnx.ml", version) = operator_set(value.bytes()?)? {
                        ml_version = version;
                    }
                }
                _ => {}
            }
        }
        let message = graph.ok_or_else(|| malformed("there is no graph: this is no ONNX model"))?;
        let mut graph = Self { ml_version, ..Self::default() };
        for field in Fields::of(message) {
            match field? {
                (1, value) => push(&mut graph.nodes, Node::read(value.bytes()?)?, MOST_NODES, "nodes")?,
                (5, value) => {
                    let tensor = Tensor::read(value.bytes()?)?;
                    push(&mut graph.initializers, tensor, MOST_VALUES, "initializers")?;
                }
                (11, value) => {
                    push(&mut graph.inputs, ValueInfo::read(value.bytes()?)?, MOST_VALUES, "inputs")?;
                }
                (12, value) => {
                    push(&mut graph.outputs, ValueInfo::read(value.bytes()?)?, MOST_VALUES, "outputs")?;
                }
                _ => {}
            }
        }
        // Old files list constants among the inputs.
        let Self { inputs, initializers, .. } = &mut graph;
        let mut constants: Vec<&str> = initializers.iter().map(|tensor| tensor.name).collect();
        constants.sort_unstable();
        inputs.retain(|input| constants.binary_search(&input.name).is_err());
        for (number, node) in graph.nodes.iter().enumerate() {
            graph.makers.extend(node.outputs.iter().map(|output| (*output, number)));
        }
        Ok(graph)
    }

    /// The node that makes a value.
    pub(super) fn maker(&self, value: &str) -> Option<&Node<'a>> {
        self.nodes.get(*self.makers.get(value)?)
    }

    /// The numbers of a constant.
    pub(super) fn constant(&self, name: &str) -> Option<Result<Vec<f64>, ModelError>> {
        if let Some(tensor) = self.initializers.iter().find(|tensor| tensor.name == name) {
            return Some(tensor.numbers());
        }
        let node = self.maker(name).filter(|node| node.operator == "Constant" && node.is_standard())?;
        Some(node.tensor("value").and_then(|tensor| {
            tensor.ok_or_else(|| malformed(format!("the constant '{name}' has no value")))?.numbers()
        }))
    }
}

fn operator_set(message: &[u8]) -> Result<(&str, i64), ModelError> {
    let (mut domain, mut version) = ("", 0);
    for field in Fields::of(message) {
        match field? {
            (1, value) => domain = value.text()?,
            (2, value) => version = value.int()?,
            _ => {}
        }
    }
    Ok((domain, version))
}

impl<'a> Node<'a> {
    fn read(message: &'a [u8]) -> Result<Self, ModelError> {
        let mut node = Self::default();
        for field in Fields::of(message) {
            match field? {
                (1, value) => node.inputs.push(value.text()?),
                (2, value) => node.outputs.push(value.text()?),
                (4, value) => node.operator = value.text()?,
                (5, value) => {
                    let attribute = value.bytes()?;
                    node.attributes.push((attribute_name(attribute)?, attribute));
                }
                (7, value) => node.domain = value.text()?,
                _ => {}
            }
        }
        Ok(node)
    }

    /// Whether the operator is one of ONNX' own.
    pub(super) fn is_standard(&self) -> bool {
        matches!(self.domain, "" | "ai.onnx")
    }

    /// Whether the operator is one of `ai.onnx.ml`.
    pub(super) fn is_ml(&self) -> bool {
        self.domain == "ai.onnx.ml"
    }

    /// Its first input.
    pub(super) fn input(&self) -> Result<&'a str, ModelError> {
        self.inputs.first().copied().ok_or_else(|| self.malformed("has no input"))
    }

    /// What is wrong with this node.
    pub(super) fn malformed(&self, problem: &str) -> ModelError {
        let output = self.outputs.first().copied().unwrap_or_default();
        malformed(format!("the node {} that makes '{output}' {problem}", self.operator))
    }

    /// Refuses attributes that are none of `known`: they may change anything.
    pub(super) fn only(&self, known: &[&str]) -> Result<(), ModelError> {
        match self.attributes.iter().find(|(name, _)| !known.contains(name)) {
            None => Ok(()),
            Some((name, _)) => {
                let name: String = name.chars().take(64).collect();
                Err(unsupported(format!("the attribute '{name}' of {}", self.operator), RUNTIME))
            }
        }
    }

    fn fields(&self, name: &str) -> impl Iterator<Item = Result<(u64, Value<'a>), ModelError>> {
        let found = self.attributes.iter().find(|(known, _)| *known == name);
        Fields::of(found.map_or(&[][..], |(_, message)| *message))
    }

    /// A whole number.
    pub(super) fn int(&self, name: &str) -> Result<Option<i64>, ModelError> {
        let mut found = None;
        for field in self.fields(name) {
            if let (3, value) = field? {
                found = Some(value.int()?);
            }
        }
        Ok(found)
    }

    /// A text.
    pub(super) fn text(&self, name: &str) -> Result<Option<&'a str>, ModelError> {
        let mut found = None;
        for field in self.fields(name) {
            if let (4, value) = field? {
                found = Some(value.text()?);
            }
        }
        Ok(found)
    }

    /// Whole numbers; none where the attribute is not given.
    pub(super) fn ints(&self, name: &str) -> Result<Vec<i64>, ModelError> {
        let mut ints = Vec::new();
        for field in self.fields(name) {
            if let (8, value) = field? {
                value.add_ints(&mut ints)?;
            }
        }
        Ok(ints)
    }

    /// Texts; none where the attribute is not given.
    pub(super) fn texts(&self, name: &str) -> Result<Vec<&'a str>, ModelError> {
        let mut texts = Vec::new();
        for field in self.fields(name) {
            if let (9, value) = field? {
                texts.push(value.text()?);
            }
        }
        Ok(texts)
    }

    /// A single 32-bit number.
    pub(super) fn float(&self, name: &str) -> Result<Option<f64>, ModelError> {
        let mut found = Vec::new();
        for field in self.fields(name) {
            if let (2, value) = field? {
                value.add_floats(&mut found)?;
            }
        }
        Ok(found.pop())
    }

    /// A tensor.
    pub(super) fn tensor(&self, name: &str) -> Result<Option<Tensor<'a>>, ModelError> {
        let mut found = None;
        for field in self.fields(name) {
            if let (5, value) = field? {
                found = Some(Tensor::read(value.bytes()?)?);
            }
        }
        Ok(found)
    }

    /// 32-bit numbers, or 64-bit ones in the tensor of the same name with the
    /// ending `_as_tensor`; none where neither is given.
    pub(super) fn numbers(&self, name: &str) -> Result<Vec<f64>, ModelError> {
        let mut numbers = Vec::new();
        for field in self.fields(name) {
            if let (7, value) = field? {
                value.add_floats(&mut numbers)?;
            }
        }
        match self.tensor(&format!("{name}_as_tensor"))? {
            None => Ok(numbers),
            Some(tensor) if numbers.is_empty() => tensor.numbers(),
            Some(_) => Err(self.malformed(&format!("has both {name} and {name}_as_tensor"))),
        }
    }
}

fn attribute_name(message: &[u8]) -> Result<&str, ModelError> {
    let mut name = "";
    for field in Fields::of(message) {
        match field? {
            (1, value) => name = value.text()?,
            (21, value) if !value.text()?.is_empty() => {
                return Err(unsupported("an attribute that refers to a function's", RUNTIME));
            }
            _ => {}
        }
    }
    Ok(name)
}

impl<'a> ValueInfo<'a> {
    fn read(message: &'a [u8]) -> Result<Self, ModelError> {
        let mut info = Self::default();
        for field in Fields::of(message) {
            match field? {
                (1, value) => info.name = value.text()?,
                (2, value) => info.read_type(value.bytes()?)?,
                _ => {}
            }
        }
        Ok(info)
    }

    fn read_type(&mut self, message: &'a [u8]) -> Result<(), ModelError> {
        for field in Fields::of(message) {
            let (1, tensor) = field? else { continue };
            for field in Fields::of(tensor.bytes()?) {
                match field? {
                    (1, value) => self.element = Some(value.int()?),
                    (2, value) => self.shape = shape(value.bytes()?)?,
                    _ => {}
                }
            }
        }
        Ok(())
    }
}

fn shape(message: &[u8]) -> Result<Vec<Option<i64>>, ModelError> {
    let mut shape = Vec::new();
    for field in Fields::of(message) {
        let (1, dimension) = field? else { continue };
        let mut length = None;
        for field in Fields::of(dimension.bytes()?) {
            if let (1, value) = field? {
                // Some converters write 0 for a length that is open.
                length = Some(value.int()?).filter(|length| *length > 0);
            }
        }
        shape.push(length);
    }
    Ok(shape)
}

impl<'a> Tensor<'a> {
    fn read(message: &'a [u8]) -> Result<Self, ModelError> {
        let mut tensor = Self::default();
        for field in Fields::of(message) {
            match field? {
                (2, value) => tensor.element = value.int()?,
                (4, value) => value.add_floats(&mut tensor.numbers)?,
                (5 | 7, value) => value.add_ints(&mut tensor.integers)?,
                (8, value) => tensor.name = value.text()?,
                (9, value) => tensor.raw = Some(value.bytes()?),
                (10, value) => value.add_doubles(&mut tensor.numbers)?,
                (14, value) => tensor.is_external = value.int()? != 0,
                _ => {}
            }
        }
        Ok(tensor)
    }

    /// Its numbers in their order, whatever the shape.
    pub(super) fn numbers(&self) -> Result<Vec<f64>, ModelError> {
        if self.is_external {
            return Err(unsupported("a tensor in another file", RUNTIME));
        }
        let mut numbers = Vec::new();
        match (self.element, self.raw) {
            (element::FLOAT, Some(raw)) => add_singles(raw, &mut numbers)?,
            (element::DOUBLE, Some(raw)) => add_doubles(raw, &mut numbers)?,
            (element::UINT8, Some(raw)) => numbers.extend(raw.iter().map(|byte| f64::from(*byte))),
            (element::FLOAT | element::DOUBLE, None) => numbers.clone_from(&self.numbers),
            #[expect(clippy::cast_precision_loss, reason = "codes below 256 are all that is read")]
            (element::UINT8, None) => numbers.extend(self.integers.iter().map(|number| *number as f64)),
            (code, _) => {
                return Err(unsupported(format!("a tensor of element type {code}"), RUNTIME));
            }
        }
        Ok(numbers)
    }
}
