//! Experiments as typed.

use serde::Deserialize;

use super::Field;
use crate::result::{Better, MetricRole};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct Experiment {
    pub(in crate::config) id: Option<String>,
    pub(in crate::config) model: Option<String>,
    pub(in crate::config) arm: Arm,
    pub(in crate::config) arm_field: Option<Field>,
    pub(in crate::config) control: Option<String>,
    pub(in crate::config) challengers: Option<Vec<String>>,
    pub(in crate::config) unit_field: Option<Field>,
    pub(in crate::config) by_unit: bool,
    pub(in crate::config) mode: Mode,
    pub(in crate::config) pair_timeout: i64,
    pub(in crate::config) max_unanswered: f64,
    pub(in crate::config) split: Option<String>,
    #[serde(default)]
    pub(in crate::config) splits: Vec<Split>,
    pub(in crate::config) method: Method,
    pub(in crate::config) alpha: f64,
    pub(in crate::config) srm_alpha: f64,
    pub(in crate::config) power: f64,
    pub(in crate::config) planned_events: u64,
    pub(in crate::config) min_events: u64,
    pub(in crate::config) promote_when: Promote,
    pub(in crate::config) label_delay: i64,
    pub(in crate::config) max_waiting: usize,
    pub(in crate::config) max_units: usize,
    pub(in crate::config) starts: Option<i64>,
    pub(in crate::config) ends: Option<i64>,
    pub(in crate::config) hooks: bool,
    pub(in crate::config) waits_for_start: bool,
    pub(in crate::config) stale_after: Option<u64>,
    pub(in crate::config) on_stale: Stale,
    #[serde(default)]
    pub(in crate::config) metrics: Vec<Metric>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(in crate::config) enum Arm {
    Variant,
    Version,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(in crate::config) enum Mode {
    Split,
    Shadow,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct Split {
    pub(in crate::config) from: Option<i64>,
    pub(in crate::config) split: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(in crate::config) enum Method {
    AlwaysValid,
    GroupSequential,
    Fixed,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(in crate::config) enum Promote {
    AllGoals,
    AnyGoal,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(in crate::config) enum Stale {
    Hold,
    Error,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct Metric {
    pub(in crate::config) name: Option<String>,
    pub(in crate::config) role: MetricRole,
    pub(in crate::config) kind: MetricKind,
    pub(in crate::config) of: Option<Of>,
    pub(in crate::config) field: Option<Field>,
    pub(in crate::config) per: Option<Field>,
    pub(in crate::config) quantile: Option<f64>,
    pub(in crate::config) above: Option<f64>,
    pub(in crate::config) below: Option<f64>,
    pub(in crate::config) equals: Option<String>,
    pub(in crate::config) better: Option<Better>,
    pub(in crate::config) margin: Option<f64>,
    pub(in crate::config) margin_relative: Option<f64>,
    pub(in crate::config) minimum_effect: Option<f64>,
    #[serde(default)]
    pub(in crate::config) covariates: Vec<String>,
    pub(in crate::config) cap: Option<f64>,
    pub(in crate::config) floor: Option<f64>,
    pub(in crate::config) winsorise: Option<f64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(in crate::config) enum MetricKind {
    Mean,
    Rate,
    Ratio,
    Quantile,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(in crate::config) enum Of {
    Prediction,
    PredictedClass,
    Label,
    Brier,
    LogLoss,
    AbsoluteError,
    SquaredError,
    Correct,
}
