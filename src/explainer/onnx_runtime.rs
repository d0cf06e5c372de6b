//! ONNX models of any kind, run by ONNX Runtime inside this process.
//!
//! Why: not every ONNX file is trees or a linear model (`model::read_onnx`).
//! Whatever it is, the library that serves it can be asked here, too.
//!
//! The library is the user's: a path in the configuration, loaded when a model
//! needs it. So answers have the numerics of their own serving, every operator is
//! there, and neither the build nor the program grows by it (the crate `ort`
//! without its defaults downloads and links nothing; it adds three small crates).
//! `tract`, which is Rust throughout, was the other choice: of the tree operators
//! it has the classifier only, it has the numerics of its own, and it brings some
//! forty crates that nothing else needs. `ort` calls its version 2 a release
//! candidate and changes from one to the next, so it is pinned, to the last one
//! that Rust 1.89 builds; before that one, loading a library that is not there
//! hung (<https://github.com/pykeio/ort/issues/560>).
//!
//! Promises: the same rows give the same bits. One thread computes, and rows are
//! handed over in blocks of one size, filled up where there are fewer, since
//! kernels for matrices of other sizes round differently. A library or a model
//! that can't be used is an error that names the library and what to do.
//!
//! Refuses: a second library in one process, which ONNX Runtime can't have;
//! inputs that are not numbers with a fraction; outputs that are no tensor.
//! The library is trusted as the program is: what it does when it is broken or
//! fed a hostile model, this module can't prevent.

use std::{
    borrow::Cow,
    fmt::Display,
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard, PoisonError},
};

use ort::{
    logging::LogLevel,
    session::{Session, SessionInputValue, SessionInputs, SessionOutputs},
    value::{Outlet, Tensor, TensorElementType, ValueType},
};

use crate::model::{Link, Model, ModelInfo, PredictError, Rows};

/// Rows of a block where the model does not fix their number.
const BLOCK_ROWS: usize = 64;
/// Rows of a block that a model may fix at most.
const MOST_BLOCK_ROWS: usize = 65_536;

/// The library that this process has loaded. It stays loaded: ONNX Runtime
/// doesn't survive being unloaded.
static LOADED: Mutex<Loaded> = Mutex::new(Loaded::Nothing);

#[derive(Debug)]
enum Loaded {
    Nothing,
    Library(PathBuf),
    /// This library was no ONNX Runtime. Nothing of `ort` may be called any more:
    /// after a failure, 2.0.0-rc.13 takes memory that it never wrote for a library.
    Failed(PathBuf),
}

/// Why a model can't be run.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RuntimeError {
    /// The library can't be loaded.
    #[error(
        "ONNX Runtime at '{library}' can't be loaded: {problem}; give the path of libonnxruntime.so, 1.17 or newer"
    )]
    Library {
        /// Its path.
        library: String,
        /// What is wrong.
        problem: String,
    },
    /// Another one is loaded already.
    #[error("ONNX Runtime is loaded from '{loaded}' already, not from '{library}'; name one for all models")]
    OtherLibrary {
        /// The library that is loaded.
        loaded: String,
        /// The one that is wanted.
        library: String,
    },
    /// One that could not be loaded was tried before.
    #[error(
        "ONNX Runtime at '{library}' is not loaded, since '{failed}' could not be; restart with one path for all models"
    )]
    TriedBefore {
        /// The library that was tried.
        failed: String,
        /// The one that is wanted.
        library: String,
    },
    /// The library does not take the model.
    #[error("ONNX Runtime at '{library}' does not run the model: {problem}")]
    Model {
        /// The library's path.
        library: String,
        /// What it says.
        problem: String,
    },
    /// The model takes or gives what rows of numbers are not.
    #[error("{feature} is not supported; {hint}")]
    Unsupported {
        /// What it takes or gives.
        feature: String,
        /// What to do instead.
        hint: &'static str,
    },
}

/// What has to be known of a model beside its file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RuntimeOptions {
    /// Numbers in a row, where the file may leave it open.
    pub inputs: Option<usize>,
    /// The output that is the prediction; may be left out where only one is of
    /// numbers.
    pub output: Option<String>,
}

/// How rows are handed over.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Layout {
    /// One tensor of as many columns as a row has numbers.
    Matrix { name: String, is_double: bool },
    /// A tensor of one column for every number: names, and whether it is `f64`.
    Columns(Vec<(String, bool)>),
}

/// A model that ONNX Runtime runs.
#[derive(Debug)]
pub struct OnnxRuntimeModel {
    info: ModelInfo,
    session: Mutex<Session>,
    layout: Layout,
    output: String,
    block: usize,
    library: String,
}

impl OnnxRuntimeModel {
    /// Loads the library, if no model has done so before, and the model `file`.
    ///
    /// # Errors
    /// When the library or the model can't be used.
    pub fn load(library: &Path, file: &[u8], options: &RuntimeOptions) -> Result<Self, RuntimeError> {
        load_library(library)?;
        let library = library.display().to_string();
        let session = session(file).map_err(|problem| RuntimeError::Model {
            library: library.clone(),
            problem: problem.to_string(),
        })?;
        let (layout, inputs, block) = layout(session.inputs(), options.inputs)?;
        let output = prediction(session.outputs(), options.output.as_deref())?;
        let input_names = match &layout {
            Layout::Matrix { .. } => Vec::new(),
            Layout::Columns(columns) => columns.iter().map(|(name, _)| name.clone()).collect(),
        };
        let info = ModelInfo {
            kind: "ONNX Runtime".to_owned(),
            inputs,
            input_names,
            outputs: 1,
            output_names: Vec::new(),
            link: Link::Identity,
            fingerprint: crate::profile::row_hash(file),
        };
        let mut model = Self { info, session: Mutex::new(session), layout, output, block, library };
        // Files need not say how many numbers a row's prediction has.
        let mut out = Vec::new();
        model
            .run(&vec![0.0; inputs], &mut out)
            .map_err(|problem| RuntimeError::Model { library: model.library.clone(), problem })?;
        model.info.outputs = out.len();
        Ok(model)
    }

    fn session(&self) -> MutexGuard<'_, Session> {
        self.session.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Appends the predictions of a block's worth of rows or fewer.
    fn run(&self, values: &[f64], out: &mut Vec<f64>) -> Result<(), String> {
        let width = self.info.inputs;
        let count = values.len() / width;
        let filler = values.chunks_exact(width).next_back().unwrap_or_default();
        let rows: Vec<&[f64]> =
            values.chunks_exact(width).chain(std::iter::repeat(filler)).take(self.block).collect();
        let inputs = self.layout.inputs(&rows, width).map_err(|error| error.to_string())?;
        let mut session = self.session();
        let outputs = session.run(inputs).map_err(|error| error.to_string())?;
        let found = self.numbers(&outputs)?;
        let each = found.len() / self.block;
        out.extend(found.into_iter().take(each * count));
        Ok(())
    }

    fn numbers(&self, outputs: &SessionOutputs<'_>) -> Result<Vec<f64>, String> {
        let value =
            outputs.get(&self.output).ok_or_else(|| format!("it gives no output '{}'", self.output))?;
        let (shape, numbers) = if let Ok((shape, numbers)) = value.try_extract_tensor::<f64>() {
            (shape, numbers.to_vec())
        } else {
            let (shape, numbers) = value.try_extract_tensor::<f32>().map_err(|error| error.to_string())?;
            (shape, numbers.iter().map(|number| f64::from(*number)).collect())
        };
        let has_rows = matches!(&**shape, [rows] | [rows, _] if usize::try_from(*rows) == Ok(self.block));
        if has_rows && !numbers.is_empty() {
            Ok(numbers)
        } else {
            Err(format!("its output '{}' has the shape {shape:?} for {} rows", self.output, self.block))
        }
    }
}

impl Model for OnnxRuntimeModel {
    fn info(&self) -> &ModelInfo {
        &self.info
    }

    fn predict(&self, rows: Rows<'_>, out: &mut Vec<f64>) -> Result<(), PredictError> {
        if rows.width() != self.info.inputs {
            return Err(PredictError::Width { wanted: self.info.inputs, given: rows.width() });
        }
        let start = out.len();
        for block in rows.values().chunks(self.block * rows.width()) {
            let before = out.len();
            let done = self.run(block, out).and_then(|()| {
                let wanted = block.len() / rows.width() * self.info.outputs;
                let found = out.len() - before;
                if found == wanted { Ok(()) } else { Err(format!("it gives {found} numbers, not {wanted}")) }
            });
            if let Err(problem) = done {
                out.truncate(start);
                return Err(PredictError::Refused(format!("ONNX Runtime at '{}': {problem}", self.library)));
            }
        }
        Ok(())
    }

    fn batch_rows(&self) -> usize {
        BLOCK_ROWS.max(self.block) * 16
    }
}

impl Layout {
    fn inputs(&self, rows: &[&[f64]], width: usize) -> ort::Result<SessionInputs<'_, 'static>> {
        let mut inputs: Vec<(Cow<'_, str>, SessionInputValue<'static>)> = Vec::new();
        match self {
            Self::Matrix { name, is_double } => {
                inputs.push((name.as_str().into(), tensor(rows.concat(), width, *is_double)?));
            }
            Self::Columns(columns) => {
                for (index, (name, is_double)) in columns.iter().enumerate() {
                    let column = rows.iter().filter_map(|row| row.get(index).copied()).collect();
                    inputs.push((name.as_str().into(), tensor(column, 1, *is_double)?));
                }
            }
        }
        Ok(SessionInputs::ValueMap(inputs))
    }
}

fn tensor(values: Vec<f64>, width: usize, is_double: bool) -> ort::Result<SessionInputValue<'static>> {
    let shape = [values.len() / width, width];
    if is_double {
        return Ok(Tensor::from_array((shape, values))?.into());
    }
    #[expect(clippy::cast_possible_truncation, reason = "the model takes f32")]
    let values: Vec<f32> = values.into_iter().map(|value| value as f32).collect();
    Ok(Tensor::from_array((shape, values))?.into())
}

fn load_library(library: &Path) -> Result<(), RuntimeError> {
    let error = |problem: &dyn Display| RuntimeError::Library {
        library: library.display().to_string(),
        problem: problem.to_string(),
    };
    // Else the system's loader would look for it in other places.
    let real = library.canonicalize().map_err(|problem| error(&problem))?;
    let mut loaded = LOADED.lock().unwrap_or_else(PoisonError::into_inner);
    match &*loaded {
        Loaded::Library(path) if *path == real => Ok(()),
        Loaded::Library(path) => Err(RuntimeError::OtherLibrary {
            loaded: path.display().to_string(),
            library: library.display().to_string(),
        }),
        Loaded::Failed(path) => Err(RuntimeError::TriedBefore {
            failed: path.display().to_string(),
            library: library.display().to_string(),
        }),
        Loaded::Nothing => match ort::init_from(&real) {
            Ok(environment) => {
                environment.with_name("driftline").with_telemetry(false).commit();
                *loaded = Loaded::Library(real);
                Ok(())
            }
            Err(problem) => {
                *loaded = Loaded::Failed(real);
                Err(error(&problem))
            }
        },
    }
}

fn session(file: &[u8]) -> ort::Result<Session> {
    let builder =
        Session::builder()?.with_intra_threads(1)?.with_inter_threads(1)?.with_deterministic_compute(true)?;
    // Warnings are about the graph's style, on a stream that is ours.
    builder.with_log_level(LogLevel::Error)?.commit_from_memory(file)
}

/// A tensor of numbers with a fraction: whether they are `f64`, and its shape.
fn number_tensor(outlet: &Outlet) -> Option<(bool, &[i64])> {
    match outlet.dtype() {
        ValueType::Tensor { ty: TensorElementType::Float32, shape, .. } => Some((false, &**shape)),
        ValueType::Tensor { ty: TensorElementType::Float64, shape, .. } => Some((true, &**shape)),
        _ => None,
    }
}

/// How rows are handed over, how many numbers they have and how many rows a
/// block has.
fn layout(inputs: &[Outlet], told: Option<usize>) -> Result<(Layout, usize, usize), RuntimeError> {
    let mut columns = Vec::new();
    let mut rows = None;
    for input in inputs {
        let (is_double, shape) = number_tensor(input).ok_or_else(|| RuntimeError::Unsupported {
            feature: format!("the input '{}' of {}", input.name(), input.dtype()),
            hint: "convert the model so that it takes float numbers",
        })?;
        let &[block, width] = shape else {
            return Err(RuntimeError::Unsupported {
                feature: format!("the input '{}' of {} dimensions", input.name(), shape.len()),
                hint: "convert the model so that it takes rows of numbers",
            });
        };
        rows = rows.max(usize::try_from(block).ok().filter(|block| *block > 0));
        let width = usize::try_from(width).ok().filter(|width| *width > 0);
        columns.push((input.name().to_owned(), is_double, width));
    }
    let block = rows.unwrap_or(BLOCK_ROWS);
    if block > MOST_BLOCK_ROWS {
        return Err(RuntimeError::Unsupported {
            feature: format!("a model of exactly {block} rows"),
            hint: "convert it so that their number is open",
        });
    }
    let (layout, width) = match columns.as_slice() {
        [(name, is_double, width)] => {
            let width = width.or(told).ok_or(RuntimeError::Unsupported {
                feature: "an input whose number of columns is left open".to_owned(),
                hint: "name the model's inputs, or convert it with their number",
            })?;
            (Layout::Matrix { name: name.clone(), is_double: *is_double }, width)
        }
        _ if columns.iter().all(|(_, _, width)| width.is_none_or(|width| width == 1)) => {
            let width = columns.len();
            (Layout::Columns(columns.into_iter().map(|(name, double, _)| (name, double)).collect()), width)
        }
        _ => {
            return Err(RuntimeError::Unsupported {
                feature: "a model of several inputs of more than one column".to_owned(),
                hint: "convert it so that it takes one tensor, or a tensor per column",
            });
        }
    };
    match told {
        _ if width == 0 => Err(RuntimeError::Unsupported {
            feature: "a model without inputs".to_owned(),
            hint: "give the file of the model itself",
        }),
        Some(told) if told != width => Err(RuntimeError::Unsupported {
            feature: format!("a model of {width} inputs of which {told} are named"),
            hint: "name all inputs, in the order of the model",
        }),
        _ => Ok((layout, width, block)),
    }
}

/// The name of the output that is the prediction.
fn prediction(outputs: &[Outlet], told: Option<&str>) -> Result<String, RuntimeError> {
    let names = || outputs.iter().map(|output| format!("'{}'", output.name())).collect::<Vec<_>>().join(", ");
    let unsupported = |feature, hint| Err(RuntimeError::Unsupported { feature, hint });
    let wanted: Vec<&Outlet> =
        outputs.iter().filter(|output| told.is_none_or(|told| output.name() == told)).collect();
    let numbers: Vec<&&Outlet> = wanted.iter().filter(|output| number_tensor(output).is_some()).collect();
    let is_sequence =
        |output: &&Outlet| matches!(output.dtype(), ValueType::Sequence(_) | ValueType::Map { .. });
    match numbers.as_slice() {
        [output] => Ok(output.name().to_owned()),
        [] if wanted.is_empty() => {
            unsupported(format!("an output other than {}", names()), "set runtime_output to one of these")
        }
        [] if wanted.iter().any(is_sequence) => unsupported(
            "an output of pairs of names and numbers (ZipMap)".to_owned(),
            "convert the model with zipmap=False",
        ),
        [] => unsupported(
            "a model that gives no numbers".to_owned(),
            "convert it so that it gives probabilities or values",
        ),
        _ => unsupported(
            format!("a choice of several outputs ({})", names()),
            "set runtime_output to the one that is the prediction",
        ),
    }
}
