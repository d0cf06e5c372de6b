//! Explanations as typed.

use serde::Deserialize;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct Explain {
    pub(in crate::config) model: Option<String>,
    pub(in crate::config) runtime: Option<String>,
    pub(in crate::config) runtime_output: Option<String>,
    pub(in crate::config) surrogate: Option<bool>,
    pub(in crate::config) inputs: Option<String>,
    pub(in crate::config) outputs: Option<Vec<String>>,
    pub(in crate::config) versions: Option<Vec<String>>,
    pub(in crate::config) tolerance: Option<f64>,
    pub(in crate::config) rows: usize,
    pub(in crate::config) background_rows: Option<usize>,
    pub(in crate::config) reference_rows: Option<usize>,
    pub(in crate::config) wanted_error: f64,
    pub(in crate::config) most_rounds: u32,
    pub(in crate::config) evaluations_per_second: Option<u32>,
    pub(in crate::config) threads: usize,
    pub(in crate::config) waiting: usize,
    pub(in crate::config) alert_events: usize,
    pub(in crate::config) recent_events: usize,
    pub(in crate::config) waiting_requests: usize,
    /// Absent when the file has no such table.
    pub(in crate::config) minimum_effect: Option<MinimumEffect>,
    pub(in crate::config) server: Option<Server>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct MinimumEffect {
    pub(in crate::config) total_variation: f64,
    pub(in crate::config) ndcg: f64,
    pub(in crate::config) share: f64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct Server {
    pub(in crate::config) url: Option<String>,
    pub(in crate::config) protocol: Option<Protocol>,
    pub(in crate::config) name: Option<String>,
    pub(in crate::config) version: Option<String>,
    pub(in crate::config) tensors: Tensors,
    pub(in crate::config) output: Option<String>,
    pub(in crate::config) content_type: Option<String>,
    pub(in crate::config) format: Format,
    pub(in crate::config) template: Option<String>,
    pub(in crate::config) predictions: Option<String>,
    pub(in crate::config) prediction: Option<String>,
    pub(in crate::config) output_names: Option<Vec<String>>,
    pub(in crate::config) link: ServerLink,
    pub(in crate::config) missing: Option<f64>,
    pub(in crate::config) timeout: u64,
    pub(in crate::config) concurrency: usize,
    pub(in crate::config) rows_per_request: usize,
    pub(in crate::config) authorization: Option<String>,
    pub(in crate::config) authorization_file: Option<String>,
    pub(in crate::config) authorization_env: Option<String>,
    pub(in crate::config) ca_file: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(in crate::config) enum Tensors {
    Server,
    PerInput,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(in crate::config) enum Format {
    DataframeSplit,
    Inputs,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub(in crate::config) enum Protocol {
    #[serde(rename = "v2")]
    V2,
    #[serde(rename = "kserve_v1")]
    KserveV1,
    #[serde(rename = "mlflow")]
    Mlflow,
    #[serde(rename = "seldon_v1")]
    SeldonV1,
    #[serde(rename = "template")]
    Template,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(in crate::config) enum ServerLink {
    Identity,
    Logistic,
    Softmax,
    Log,
}
