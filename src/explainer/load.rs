//! Model files and schemas of inputs.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
};

use super::{
    onnx_runtime::{OnnxRuntimeModel, RuntimeError, RuntimeOptions},
    settings::Runtime,
};
use crate::{
    explain::{InputErrors, InputSchema},
    model::{Model, ModelError, read_lightgbm, read_linear, read_onnx, read_xgboost},
};

/// A larger file is no model that explanations could be made of.
const LARGEST_FILE: u64 = 4 << 30;

/// Why a file can't be used.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// It can't be read.
    #[error("{path}: {source}")]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// It is absurdly large.
    #[error("{0}: larger than 4 GB")]
    TooLarge(PathBuf),
    /// Its ending is that of no format.
    #[error(
        "{0}: models are read from .json and .ubj (XGBoost), .txt (LightGBM), .onnx and .toml (coefficients)"
    )]
    Format(PathBuf),
    /// It holds no model that is understood.
    #[error("{path}: {source}")]
    Model {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: ModelError,
    },
    /// ONNX Runtime does not take it.
    #[error("{path}: {source}")]
    Runtime {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        source: RuntimeError,
    },
    /// It is no schema of inputs.
    #[error("{path}: {source}")]
    Inputs {
        /// The file.
        path: PathBuf,
        /// Everything that is wrong.
        source: InputErrors,
    },
}

impl LoadError {
    /// The file that it is about.
    #[must_use]
    pub fn path(&self) -> &Path {
        match self {
            Self::TooLarge(path)
            | Self::Format(path)
            | Self::Read { path, .. }
            | Self::Model { path, .. }
            | Self::Runtime { path, .. }
            | Self::Inputs { path, .. } => path,
        }
    }
}

/// The model in a file; `runtime` evaluates ONNX models that can't be read, and
/// `width` is how many numbers a row has, where that is known.
///
/// # Errors
/// When there is none, or none that is wholly understood.
pub fn load_model(
    path: &Path,
    runtime: Option<&Runtime>,
    width: Option<usize>,
) -> Result<Arc<dyn Model>, LoadError> {
    let bytes = read(path)?;
    let ending = path.extension().and_then(|ending| ending.to_str()).unwrap_or_default();
    let failed = |source| LoadError::Model { path: path.to_owned(), source };
    let text = || {
        std::str::from_utf8(&bytes).map_err(|error| {
            failed(ModelError::Malformed { format: "text", problem: format!("it is not UTF-8: {error}") })
        })
    };
    match ending.to_ascii_lowercase().as_str() {
        "json" if is_linear(&bytes) => Ok(Arc::new(read_linear(text()?).map_err(failed)?)),
        "json" | "ubj" | "bin" | "model" => Ok(Arc::new(read_xgboost(&bytes).map_err(failed)?)),
        "txt" => Ok(Arc::new(read_lightgbm(&bytes).map_err(failed)?)),
        "toml" => Ok(Arc::new(read_linear(text()?).map_err(failed)?)),
        "onnx" => match (read_onnx(&bytes, width), runtime) {
            (Ok(model), _) => Ok(Arc::from(model.into_model())),
            (Err(ModelError::Unsupported { .. }), Some(runtime)) => {
                let options = RuntimeOptions { inputs: width, output: runtime.output.clone() };
                let model = OnnxRuntimeModel::load(&runtime.library, &bytes, &options);
                model
                    .map(|model| Arc::new(model) as Arc<dyn Model>)
                    .map_err(|source| LoadError::Runtime { path: path.to_owned(), source })
            }
            (Err(error), _) => Err(failed(error)),
        },
        _ => Err(LoadError::Format(path.to_owned())),
    }
}

/// Whether JSON is of coefficients rather than of `XGBoost`.
fn is_linear(bytes: &[u8]) -> bool {
    let value: Option<serde_json::Value> = serde_json::from_slice(bytes).ok();
    value.is_some_and(|value| value.get("coefficients").is_some() || value.get("outputs").is_some())
}

/// The schema of inputs in a file.
///
/// # Errors
/// When it is none, with everything that is wrong.
pub fn load_inputs(path: &Path) -> Result<InputSchema, LoadError> {
    let bytes = read(path)?;
    let text = String::from_utf8_lossy(&bytes);
    InputSchema::parse(&text).map_err(|source| LoadError::Inputs { path: path.to_owned(), source })
}

fn read(path: &Path) -> Result<Vec<u8>, LoadError> {
    let failed = |source| LoadError::Read { path: path.to_owned(), source };
    let size = fs::metadata(path).map_err(failed)?.len();
    if size > LARGEST_FILE {
        return Err(LoadError::TooLarge(path.to_owned()));
    }
    fs::read(path).map_err(failed)
}
