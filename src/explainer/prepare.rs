//! A model made ready to be asked.
//!
//! Why: the daemon, `driftline importance` and `driftline validate` ask the same
//! model about the same inputs, so there is one way to it.
//!
//! Promises: whatever is asked through a [`PreparedModel`] keeps within the
//! budget of its [`ModelAccess`]; an error says whether trying again may help.
//!
//! Refuses: models whose inputs can't all be made of the reference's features.

use std::sync::{Arc, atomic::AtomicBool};

use prometheus::{IntCounter, Registry};
use tokio::runtime::Handle;

use super::{
    budget::{Budget, Metered},
    load::{LoadError, load_inputs, load_model},
    remote::{RemoteError, RemoteInput, RemoteMetrics, RemoteModel},
    settings::{ExplainerSettings, ModelSource},
};
use crate::{
    explain::{ExplainError, Explainer, InputErrors, InputMap, InputSchema},
    model::{Model, PredictError},
    reference::Reference,
};

/// What a model is asked through.
#[derive(Debug, Clone)]
pub struct ModelAccess {
    pub(super) remote: RemoteMetrics,
    pub(super) runtime: Handle,
    pub(super) budget: Arc<Budget>,
}

impl ModelAccess {
    /// For someone who is the only one to ask, and counts for nobody; requests to
    /// servers are made on `runtime`.
    ///
    /// # Errors
    /// When a metric can't be made, which is a bug.
    pub fn alone(settings: &ExplainerSettings, runtime: &Handle) -> Result<Self, PrepareError> {
        let spent = IntCounter::new("driftline_evaluations_total", "Rows that the model was asked about.")?;
        let never = Arc::new(AtomicBool::new(false));
        let budget = Budget::new(settings.evaluations_per_second, never, spent);
        let remote = RemoteMetrics::new(&Registry::new())?;
        Ok(Self { remote, runtime: runtime.clone(), budget: Arc::new(budget) })
    }
}

/// Why a model can't be asked.
#[derive(Debug, thiserror::Error)]
pub enum PrepareError {
    /// The model's file or its schema can't be used.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// The inputs are not those of the model or the reference.
    #[error(transparent)]
    Inputs(#[from] InputErrors),
    /// The server is not there, or not as configured.
    #[error(transparent)]
    Remote(#[from] RemoteError),
    /// Nothing can be explained by it.
    #[error(transparent)]
    Explain(#[from] ExplainError),
    /// The server refuses: it may answer before it has loaded the model, or be
    /// told later whom to answer.
    #[error(transparent)]
    Refused(PredictError),
    /// A metric is there twice, which is a bug.
    #[error("a metric can't be made: {0}")]
    Metrics(#[from] prometheus::Error),
    /// Whoever read or asked it panicked, which is a bug.
    #[error("{0}")]
    Panicked(&'static str),
    /// The system gives no threads to ask with.
    #[error("no runtime to ask with: {0}")]
    Runtime(#[source] std::io::Error),
}

impl PrepareError {
    /// Whether it may be able to later; otherwise it never will, as it is
    /// configured.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        matches!(
            self,
            Self::Refused(_)
                | Self::Remote(RemoteError::Unavailable { .. })
                | Self::Explain(ExplainError::Model(PredictError::Unavailable(_)))
        )
    }
}

/// A model that can be asked within its budget.
#[derive(Debug)]
pub struct PreparedModel {
    /// The model.
    pub model: Arc<dyn Model>,
    /// How its inputs come from the features of the reference.
    pub inputs: InputMap,
}

impl PreparedModel {
    /// Reads or reaches the model and holds its inputs against `reference`;
    /// `None` when there is none and surrogates are fitted.
    ///
    /// # Errors
    /// When it can't be read or reached, or its inputs don't go together.
    pub fn new(
        settings: &ExplainerSettings,
        reference: &Reference,
        access: &ModelAccess,
    ) -> Result<Option<Self>, PrepareError> {
        let schema = settings.inputs.as_deref().map(load_inputs).transpose()?;
        let model: Arc<dyn Model> = match &settings.source {
            ModelSource::Surrogate => return Ok(None),
            ModelSource::File { path, runtime } => {
                let width = schema.as_ref().map(InputSchema::len);
                load_model(path, runtime.as_ref(), width)?
            }
            ModelSource::Server(server) => {
                let mut server = (**server).clone();
                if let Some(schema) = &schema {
                    let map = InputMap::of_schema(schema, reference)?;
                    let input = |(place, name): (usize, &str)| RemoteInput {
                        texts: map.texts(place).map(<[String]>::to_vec),
                        ..RemoteInput::number(name)
                    };
                    server.inputs = map.names().enumerate().map(input).collect();
                }
                Arc::new(RemoteModel::connect(&server, &access.remote, &access.runtime)?)
            }
        };
        let inputs = match &schema {
            Some(schema) => InputMap::from_schema(schema, model.info(), reference)?,
            None => InputMap::by_name(model.info(), reference)?,
        };
        let model = Arc::new(Metered { model, budget: Arc::clone(&access.budget) });
        Ok(Some(Self { model, inputs }))
    }

    /// What explains by it. Asks it about the reference's sample.
    ///
    /// # Errors
    /// When nothing can be explained by it, or it does not answer.
    pub fn explainer(
        self,
        settings: &ExplainerSettings,
        reference: &Reference,
    ) -> Result<Explainer, PrepareError> {
        let is_remote = self.model.is_remote();
        let explainer = Explainer::new(self.model, self.inputs, reference, settings.explain.clone());
        explainer.map_err(|error| match error {
            ExplainError::Model(error @ PredictError::Refused(_)) if is_remote => {
                PrepareError::Refused(error)
            }
            error => error.into(),
        })
    }
}
