//! Who explains: threads, budgets, and models that are somewhere else.
//!
//! Why: explaining takes as long as the model takes to answer. Each model has
//! threads of its own, which take rows from what waits (`pipeline::Explanations`)
//! and never hold up the thread that judges drift.
//!
//! Promises: questions of people come before alerts, and those before windows;
//! a model is asked no more often than its budget allows; a window whose model
//! is away waits, in the checkpoint too, until the model answers or too many
//! windows wait, which is counted. Results do not depend on the number of
//! threads or the order of rows.
//!
//! Refuses: to explain by half. When the budget is too small for all rows of a
//! window, fewer rows are explained and the result says how many; never are
//! fewer background rows used.

mod answerer;
mod budget;
mod load;
mod metrics;
pub mod onnx_runtime;
mod prepare;
mod queue;
pub mod remote;
mod service;
mod settings;
mod worker;

/// Name of the threads that explain.
pub const THREAD: &str = "driftline-why";

pub use load::{LoadError, load_inputs, load_model};
pub use prepare::{ModelAccess, PrepareError, PreparedModel};
pub use queue::AskError;
pub use remote::RemoteSettings;
pub use service::{Explainers, ExplainersError};
pub use settings::{ExplainerSettings, ModelSource, Runtime};
