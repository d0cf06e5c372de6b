//! The Open Inference Protocol: metadata, requests and answers.
//!
//! Source: the specification at github.com/kserve/open-inference-protocol
//! (`specification/protocol/inference_rest.md`). Tensors travel as JSON; the
//! binary extension, which Triton and `KServe` have, is not spoken.

use std::fmt::Write as _;

use serde_json::Value;

use super::{
    answer::{self, Wanted},
    datatype::Datatype,
    settings::{RemoteInput, Tensors},
    values::{Columns, Kind, quoted},
};
use crate::model::{PredictError, Rows};

/// What a tensor is called where the server doesn't care.
const ANY_NAME: &str = "input-0";
/// Inputs that metadata may name.
const MOST_INPUTS: u64 = 1 << 16;

/// A tensor as metadata tell it.
#[derive(Debug)]
struct Told {
    name: String,
    datatype: Datatype,
    /// Numbers in a row; `None` when any.
    width: Option<u64>,
    dimensions: usize,
}

/// What metadata tell of a model.
#[derive(Debug, Default)]
pub(super) struct Metadata {
    inputs: Vec<Told>,
    /// Names, and numbers in a row where they are told.
    outputs: Vec<(String, Option<u64>)>,
    /// Versions and platform, by which a model is told from another.
    pub(super) identity: String,
}

impl Metadata {
    /// # Errors
    /// When the answer is not what the protocol says.
    pub(super) fn parse(bytes: &[u8]) -> Result<Self, String> {
        let value = answer::json(bytes, 0)?;
        if !value.is_object() {
            return Err(format!("its metadata are {}", answer::what(&value)));
        }
        let tensors = |key: &str| value.get(key).and_then(Value::as_array).into_iter().flatten();
        let inputs = tensors("inputs").map(told).collect::<Result<_, _>>()?;
        // Of outputs only that much matters before there are any.
        let outputs = tensors("outputs")
            .map(|tensor| (name(tensor).to_owned(), shape(tensor).and_then(|shape| width(&shape))))
            .collect();
        let part = |key: &str| value.get(key).map(Value::to_string).unwrap_or_default();
        let identity = format!("{}\n{}", part("versions"), part("platform"));
        Ok(Self { inputs, outputs, identity })
    }

    /// Numbers for a row in the tensor `output`, or in the only one.
    pub(super) fn outputs(&self, output: Option<&str>) -> Option<usize> {
        let told = match output {
            Some(wanted) => self.outputs.iter().find(|(name, _)| name == wanted)?,
            None => self.outputs.first().filter(|_| self.outputs.len() == 1)?,
        };
        told.1.and_then(|width| usize::try_from(width).ok())
    }
}

fn name(tensor: &Value) -> &str {
    tensor.get("name").and_then(Value::as_str).unwrap_or_default()
}

/// The dimensions; `None` stands for any size.
fn shape(tensor: &Value) -> Option<Vec<Option<u64>>> {
    let shape = tensor.get("shape")?.as_array()?;
    Some(shape.iter().map(Value::as_u64).collect())
}

/// Numbers in a row: the first dimension is the rows.
fn width(shape: &[Option<u64>]) -> Option<u64> {
    let others = shape.get(1..).unwrap_or_default();
    others.iter().try_fold(1_u64, |width, size| width.checked_mul((*size)?))
}

fn told(tensor: &Value) -> Result<Told, String> {
    let name = name(tensor).to_owned();
    let datatype = tensor.get("datatype").and_then(Value::as_str).unwrap_or_default();
    let datatype = Datatype::parse(datatype).ok_or_else(|| {
        format!("its metadata give {name:?} the datatype {datatype:?}, which can't be sent")
    })?;
    let shape = shape(tensor).ok_or_else(|| format!("its metadata give {name:?} no shape"))?;
    Ok(Told { name, datatype, width: width(&shape), dimensions: shape.len() })
}

#[derive(Debug)]
struct Tensor {
    /// Name and datatype as members of an object.
    head: String,
    /// Whether it has the dimension of its inputs beside that of rows.
    is_wide: bool,
}

impl Tensor {
    fn new(name: &str, datatype: Datatype, is_wide: bool) -> Self {
        let head = format!(r#""name":{},"datatype":"{}""#, quoted(name), datatype.as_str());
        Self { head, is_wide }
    }
}

/// How rows are put into tensors.
#[derive(Debug)]
pub(super) struct Layout {
    tensors: Vec<Tensor>,
    /// Whether there is one tensor for each input.
    is_per_input: bool,
    /// What comes before the inputs, and after them.
    parameters: String,
    outputs: String,
    output: Option<String>,
}

/// A layout and the inputs that it is of.
pub(super) type Plan = (Layout, Vec<(String, Kind)>);

impl Layout {
    /// As `tensors` say, or the metadata.
    ///
    /// # Errors
    /// When the inputs don't fit, with what to do.
    pub(super) fn plan(
        inputs: &[RemoteInput],
        tensors: &Tensors,
        metadata: &Metadata,
    ) -> Result<Plan, String> {
        let has_texts = inputs.iter().any(|input| input.texts.is_some());
        match (tensors, metadata.inputs.as_slice()) {
            (Tensors::One { name, datatype }, _) => Self::one(inputs, name, *datatype),
            (Tensors::PerInput, _) => Self::per_input(inputs),
            (Tensors::FromServer, []) if has_texts => Self::per_input(inputs),
            (Tensors::FromServer, []) => Self::one(inputs, ANY_NAME, Datatype::FP64),
            (Tensors::FromServer, [only]) => Self::told_one(inputs, only),
            (Tensors::FromServer, several) => Self::told_several(inputs, several),
        }
    }

    /// With the parameter and the output of the settings.
    pub(super) fn with(mut self, content_type: Option<&str>, output: Option<&str>) -> Self {
        self.parameters = content_type
            .map(|content_type| format!(r#""parameters":{{"content_type":{}}},"#, quoted(content_type)))
            .unwrap_or_default();
        self.outputs =
            output.map(|output| format!(r#","outputs":[{{"name":{}}}]"#, quoted(output))).unwrap_or_default();
        self.output = output.map(str::to_owned);
        self
    }

    fn new(tensors: Vec<Tensor>, is_per_input: bool) -> Self {
        Self { tensors, is_per_input, parameters: String::new(), outputs: String::new(), output: None }
    }

    fn one(inputs: &[RemoteInput], name: &str, datatype: Datatype) -> Result<Plan, String> {
        let kinds = inputs.iter().map(|input| named(input, datatype)).collect::<Result<_, _>>()?;
        Ok((Self::new(vec![Tensor::new(name, datatype, true)], false), kinds))
    }

    fn per_input(inputs: &[RemoteInput]) -> Result<Plan, String> {
        let datatype = |input: &RemoteInput| match input {
            RemoteInput { texts: Some(_), .. } => Datatype::BYTES,
            RemoteInput { is_whole: true, .. } => Datatype::INT64,
            _ => Datatype::FP64,
        };
        let tensors = inputs.iter().map(|input| Tensor::new(&input.name, datatype(input), true)).collect();
        let kinds = inputs.iter().map(|input| named(input, datatype(input))).collect::<Result<_, _>>()?;
        Ok((Self::new(tensors, true), kinds))
    }

    fn told_one(inputs: &[RemoteInput], only: &Told) -> Result<Plan, String> {
        let given = u64::try_from(inputs.len()).unwrap_or(u64::MAX);
        let tensor = || vec![Tensor::new(&only.name, only.datatype, only.dimensions > 1)];
        if !inputs.is_empty() {
            return match only.width {
                Some(width) if width != given => {
                    Err(format!("the server takes {width} inputs, and the settings name {given}"))
                }
                _ => Self::one(inputs, &only.name, only.datatype)
                    .map(|(_, kinds)| (Self::new(tensor(), false), kinds)),
            };
        }
        let kind = only.datatype.kind(None)?;
        match only.width {
            Some(width) if (1..=MOST_INPUTS).contains(&width) => {
                let kinds = (0..width).map(|place| (place.to_string(), kind.clone())).collect();
                Ok((Self::new(tensor(), false), kinds))
            }
            _ => Err("the server's metadata don't say how many inputs it takes; name them".to_owned()),
        }
    }

    fn told_several(inputs: &[RemoteInput], several: &[Told]) -> Result<Plan, String> {
        if let Some(wide) = several.iter().find(|told| told.width != Some(1)) {
            return Err(format!(
                "the server takes several tensors, and {:?} of them is for more than one input",
                wide.name
            ));
        }
        let from_server: Vec<RemoteInput> =
            several.iter().map(|told| RemoteInput::number(&told.name)).collect();
        let inputs = if inputs.is_empty() { from_server.as_slice() } else { inputs };
        if let Some(unknown) = several.iter().find(|told| !inputs.iter().any(|input| input.name == told.name))
        {
            return Err(format!(
                "the server takes an input {:?}, which the settings don't name",
                unknown.name
            ));
        }
        let mut tensors = Vec::with_capacity(inputs.len());
        let mut kinds = Vec::with_capacity(inputs.len());
        for input in inputs {
            let told = several
                .iter()
                .find(|told| told.name == input.name)
                .ok_or_else(|| format!("the server takes no input {:?}", input.name))?;
            tensors.push(Tensor::new(&told.name, told.datatype, told.dimensions > 1));
            kinds.push(named(input, told.datatype)?);
        }
        Ok((Self::new(tensors, true), kinds))
    }

    /// Whether the server has a name for every input.
    pub(super) fn has_names(&self) -> bool {
        self.is_per_input
    }

    /// The body for some rows, `first` being the number of the first.
    pub(super) fn body(
        &self,
        columns: &Columns,
        rows: Rows<'_>,
        first: usize,
    ) -> Result<String, PredictError> {
        let mut out = format!("{{{}\"inputs\":[", self.parameters);
        let width = if self.is_per_input { 1 } else { columns.len() };
        for (place, tensor) in self.tensors.iter().enumerate() {
            if place > 0 {
                out.push(',');
            }
            let wide = if tensor.is_wide { format!(",{width}") } else { String::new() };
            // Writing to a text can't fail.
            let _ = write!(out, "{{{},\"shape\":[{}{wide}],\"data\":[", tensor.head, rows.len());
            if self.is_per_input {
                columns.write_column(&mut out, place, first, rows.iter())?;
            } else {
                for (index, row) in rows.iter().enumerate() {
                    if index > 0 {
                        out.push(',');
                    }
                    columns.write_row(&mut out, first + index, row, false)?;
                }
            }
            out.push_str("]}");
        }
        out.push(']');
        out.push_str(&self.outputs);
        out.push('}');
        Ok(out)
    }

    /// The predictions of an answer.
    pub(super) fn read(&self, answer: &Value, wanted: Wanted) -> Result<Vec<f64>, String> {
        let tensors = answer.get("outputs").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        let names = || tensors.iter().map(name).collect::<Vec<_>>().join(", ");
        let tensor = match (&self.output, tensors) {
            (_, []) => return Err("its answer has no outputs".to_owned()),
            (Some(output), _) => tensors
                .iter()
                .find(|tensor| name(tensor) == output)
                .ok_or_else(|| format!("its answer has no output {output:?}, but {}", names()))?,
            (None, [only]) => only,
            (None, _) => {
                return Err(format!("its answer has several outputs; set output to one of {}", names()));
            }
        };
        answer::tensor(tensor.get("shape"), tensor.get("data").unwrap_or(&Value::Null), wanted)
    }
}

fn named(input: &RemoteInput, datatype: Datatype) -> Result<(String, Kind), String> {
    let kind = datatype
        .kind(input.texts.as_deref())
        .map_err(|problem| format!("the input {:?} doesn't fit: {problem}", input.name))?;
    // The narrower of what the server and the settings say.
    let kind = if input.is_whole && !matches!(kind, Kind::Whole { .. } | Kind::Flag) {
        Kind::of(input)
    } else {
        kind
    };
    Ok((input.name.clone(), kind))
}
