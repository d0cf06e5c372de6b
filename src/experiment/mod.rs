//! Experiments: which version of a model is better, decided on a stream.
//!
//! Why: every tool that promotes or takes back a version asks again and again, and a
//! test that is asked again and again says "significant" of nothing sooner or later.
//! Here every answer may be looked at at any time, and acted upon at once.
//!
//! The way of an event: `values` reads its arm, its unit and what it contributes to
//! each metric; `exposure` keeps units to their first arm; `pane` sums up windows,
//! exactly and in any order; what needs a label or another arm's answer waits in
//! `waiting`, and `joins` puts it together, with `losses` for how wrong a prediction
//! was. When a window can't change any more (`timing`), `experiment` looks at it, once:
//! `totals` adds it up, `metric` and `evidence` say what is proven of each metric,
//! `judge` how much error each may have and what is said of it, `health` whether the data can
//! be trusted, `verdict` what is to be
//! done, and `report` puts the result together.
//!
//! The statistics stand for themselves: [`confidence`] (means, ratios, quantiles,
//! pairs), [`equal_rates`] and [`rate_ratio`] (rates), [`spending`] (a planned end), [`strata`] (windows,
//! units, covariates), [`quantiles`], [`split_test`] (whether arms have the traffic
//! that they should have).
//!
//! Promises: the same events give the same results to the bit, in whatever order their
//! partitions are read, as long as nothing is late and nothing has to make room (units
//! that are seen in several arms, and ids that come twice with different times, are
//! taken in the order of reading); false promotions, and false rollbacks, stay within
//! `alpha` however often one looks; what is said of a window is never taken back.
//! Without data, or with data that can't be trusted, nothing is promoted.
//!
//! Refuses: to guess. What a setting can't mean is an error before anything runs, and
//! values that can't be used are counted.

mod arm;
mod change;
mod class;
pub mod confidence;
pub mod equal_rates;
mod evidence;
#[expect(clippy::module_inception, reason = "one experiment, beside all of them")]
mod experiment;
mod experiments;
mod exposure;
mod freeze;
mod health;
mod joins;
mod judge;
mod least_squares;
mod losses;
mod meaning;
mod metric;
mod pairs;
mod pane;
pub mod quantiles;
pub mod rate_ratio;
mod report;
mod run;
mod settings;
pub mod spending;
pub mod split_test;
pub mod strata;
pub mod sums;
mod timing;
mod totals;
mod values;
mod verdict;
mod waiting;

pub use change::{ExperimentAction, ExperimentChange};
pub use class::Class;
pub use experiment::{Experiment, ModelView};
pub use experiments::{ExperimentAnew, ExperimentMemory, Experiments};
pub(crate) use freeze::NEEDS_FILE;
pub use freeze::{FreezeError, Winsorise, freeze_caps};
pub use settings::{
    ArmSource, Condition, Covariate, Design, ExperimentSettings, Inference, Loss, MOST_COVARIATES, Margin,
    Method, MetricSettings, MetricValue, PromoteWhen, Split, Statistic, UnitSource,
};
pub use values::EventView;

#[cfg(test)]
#[path = "../../tests/simulations/experiments.rs"]
mod simulations;
