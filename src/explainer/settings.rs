//! What is configurable about explaining a model.

use std::path::PathBuf;

use crate::{explain::ExplainSettings, pipeline::ExplainSpec};

use super::RemoteSettings;

/// Of what a budget allows between two windows, this share goes to windows; the
/// rest is for questions and alerts.
const FOR_WINDOWS: f64 = 0.8;

/// How one model is explained.
#[derive(Debug, Clone)]
pub struct ExplainerSettings {
    /// Who answers.
    pub source: ModelSource,
    /// How its inputs are made of features; `None` when they are the features of
    /// the same names.
    pub inputs: Option<PathBuf>,
    /// What is asked, and how it is judged.
    pub explain: ExplainSettings,
    /// Which rows are explained.
    pub rows: ExplainSpec,
    /// Rows that the model is asked about in a second, at most.
    pub evaluations_per_second: u32,
    /// Threads that explain.
    pub threads: usize,
    /// Requests to explain an event that wait, at most.
    pub waiting_requests: usize,
}

impl ExplainerSettings {
    /// Evaluations that one window may take, where windows of so many streams
    /// begin `slide_ms` apart.
    #[must_use]
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "streams are few, a window is no era, and a cast saturates"
    )]
    pub fn evaluations_per_window(&self, slide_ms: i64, streams: u64) -> u64 {
        let seconds = slide_ms as f64 / 1_000.0 / streams.max(1) as f64;
        (f64::from(self.evaluations_per_second) * seconds * FOR_WINDOWS) as u64
    }
}

/// The library of ONNX Runtime, and what it is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Runtime {
    /// The library.
    pub library: PathBuf,
    /// The output that is the prediction, where the model has several.
    pub output: Option<String>,
}

/// Where a model is.
#[derive(Debug, Clone)]
pub enum ModelSource {
    /// In a file.
    File {
        /// The file.
        path: PathBuf,
        /// What evaluates it when it can't be read.
        runtime: Option<Runtime>,
    },
    /// Behind HTTP.
    Server(Box<RemoteSettings>),
    /// Nowhere: a surrogate is fitted.
    Surrogate,
}
