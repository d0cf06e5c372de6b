//! The configuration as meant: types that can't hold an invalid setting.

use std::{collections::BTreeMap, path::PathBuf, time::Duration};

use secrecy::SecretString;

use crate::{
    alert::AlertSettings,
    decode::EventMapping,
    drift::DriftSettings,
    event::EventTime,
    experiment::{ExperimentSettings, FreezeError, Winsorise, freeze_caps},
    explainer::ExplainerSettings,
    notify::NotifySettings,
    ops::{HttpSettings, LogSettings, ServedExperiment},
    pipeline::{ExplainSpec, JoinSettings, ModelSpec},
    reference::{BuilderSettings, ColumnOverride},
    sink::InfluxSettings,
    source::KafkaSettings,
    window::WindowSettings,
};

/// Rows of the reference that a window's sample is held against: with so many,
/// nearly all that can't be told lies in the window's own few rows.
const REFERENCE_SAMPLE: usize = 2_000;

/// Everything that a configuration file says.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Absent where only files are read (`replay`, `reference`).
    pub kafka: Option<KafkaSettings>,
    /// Where fields are found in a message.
    pub events: EventMapping,
    /// Windows of every model.
    pub windows: WindowSettings,
    /// The models, at least one, with distinct names.
    pub models: Vec<ModelSettings>,
    /// The experiments, with distinct names; caps that are quantiles of references
    /// are set by [`Settings::frozen_experiments`].
    pub experiments: Vec<ExperimentSettings>,
    /// How each of them is served.
    pub served_experiments: Vec<ServedExperiment>,
    /// Metrics whose caps are quantiles of references.
    pub winsorised: Vec<Winsorise>,
    /// Absent: results are only served over HTTP.
    pub influxdb: Option<InfluxSettings>,
    /// The API and the metrics.
    pub http: HttpSettings,
    /// Logs.
    pub log: LogSettings,
    /// Where checkpoints are kept. Absent: there are none, and open windows are
    /// read again from Kafka after a restart.
    pub state_dir: Option<PathBuf>,
    /// Where learned references are kept: in `state_dir`, when there is one.
    pub references_dir: PathBuf,
    /// Rules, and how their alerts are told.
    pub alerts: AlertSettings,
    /// Who is told.
    pub notify: NotifySettings,
    /// Who may change silences; absent: nobody.
    pub api_token: Option<SecretString>,
    /// How long a stop may take before the process gives up draining.
    pub shutdown_timeout: Duration,
}

impl Settings {
    /// The experiments with all their caps, those from the references of `models`
    /// among them.
    ///
    /// # Errors
    /// When a reference that gives a cap is not there, or gives none.
    pub fn frozen_experiments(&self, models: &[ModelSpec]) -> Result<Vec<ExperimentSettings>, FreezeError> {
        let references: Vec<_> = models.iter().map(|spec| (spec.name.as_str(), spec.reference())).collect();
        let mut experiments = self.experiments.clone();
        freeze_caps(&mut experiments, &self.winsorised, &references)?;
        Ok(experiments)
    }
}

/// One model to watch.
#[derive(Debug, Clone)]
pub struct ModelSettings {
    /// Its name in events.
    pub name: String,
    /// Where its reference comes from.
    pub reference: ReferenceSource,
    /// Bins of the cut for histogram scores of numeric columns.
    pub bins: usize,
    /// How its windows are judged.
    pub drift: DriftSettings,
    /// Categorical features whose values are judged each on its own.
    pub segments: Vec<String>,
    /// Values of each of them at most.
    pub max_segments: usize,
    /// What is said about single features.
    pub features: BTreeMap<String, ColumnOverride>,
    /// Predictions wait for the features of the same id when present.
    pub join: Option<JoinSettings>,
    /// Whether and how its predictions are explained.
    pub explain: Option<ExplainerSettings>,
    /// Which columns of a file are what.
    pub table: TableMapping,
}

impl ModelSettings {
    /// What a reference of this model holds, when its windows are of this length.
    #[must_use]
    pub fn builder(&self, window_ms: i64) -> BuilderSettings {
        BuilderSettings {
            bins: self.bins,
            window_ms: Some(window_ms),
            segments: self.segments.clone(),
            max_segments: self.max_segments,
            sample_rows: if self.samples() { REFERENCE_SAMPLE } else { 0 },
        }
    }

    /// Whether windows, and so the reference, keep rows as they are.
    #[must_use]
    pub fn samples(&self) -> bool {
        self.drift.sample_rows > 0 || self.explain.is_some()
    }

    /// Which rows are explained.
    #[must_use]
    pub fn explain_spec(&self) -> Option<ExplainSpec> {
        self.explain.as_ref().map(|explain| explain.rows.clone())
    }
}

/// Where a reference comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReferenceSource {
    /// A profile made by `driftline reference`, relative to the configuration.
    File(PathBuf),
    /// The first so many rows of the stream.
    FirstEvents(u64),
    /// The rows of the stream in this range of event time.
    TimeRange {
        /// Inclusive.
        from: EventTime,
        /// Exclusive.
        until: EventTime,
    },
}

/// Which columns of a CSV, NDJSON or Parquet file are what; every other column
/// is a feature.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TableMapping {
    /// Event id.
    pub id: Option<String>,
    /// Event time, or just a date.
    pub time: Option<String>,
    /// Numeric prediction.
    pub prediction: Option<String>,
    /// Predicted class.
    pub prediction_class: Option<String>,
    /// Truth.
    pub label: Option<String>,
    /// Model version.
    pub version: Option<String>,
    /// Variant.
    pub variant: Option<String>,
    /// Columns that are none of these.
    pub ignore: Vec<String>,
}
