//! Experiments: which arm of a model is better, decided on a stream.

mod change;
mod freeze;
mod settings;

pub use change::{ExperimentAction, ExperimentChange};
pub(crate) use freeze::NEEDS_FILE;
pub use freeze::{FreezeError, Winsorise, freeze_caps};
pub use settings::{
    ArmSource, Condition, Covariate, Design, ExperimentSettings, Inference, Loss, Margin, Method,
    MetricSettings, MetricValue, PromoteWhen, Split, Statistic, UnitSource,
};
