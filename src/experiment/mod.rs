//! Experiments: which arm of a model is better, decided on a stream.

mod change;
mod settings;

pub use change::{ExperimentAction, ExperimentChange};
pub use settings::{
    ArmSource, Condition, Covariate, Design, ExperimentSettings, Inference, Loss, Margin, Method,
    MetricSettings, MetricValue, PromoteWhen, Split, Statistic, UnitSource,
};
