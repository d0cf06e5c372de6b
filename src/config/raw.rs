//! The configuration as typed, after types and units were checked and defaults
//! filled in: durations in milliseconds, sizes in bytes, no meaning yet.
//!
//! What is optional here is either optional for the user, or required and
//! reported by `resolve` when it is not there. Nothing here has `Debug`, since
//! secrets may stand among it.

mod alerting;
pub(super) mod experimenting;
pub(super) mod explaining;

use std::collections::BTreeMap;

use serde::Deserialize;

pub(super) use alerting::{Alerts, MuteTime, Receiver, ReceiverType, Rule, Tls};
pub(super) use experimenting::{Experiment, Metric};
pub(super) use explaining::{Explain, Server};

use crate::drift::noise::MinimumEffects;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct File {
    pub(super) state_dir: Option<String>,
    pub(super) shutdown_timeout: u64,
    pub(super) kafka: Option<Kafka>,
    pub(super) events: Events,
    pub(super) windows: Windows,
    #[serde(default)]
    pub(super) models: Vec<Model>,
    #[serde(default)]
    pub(super) experiments: Vec<Experiment>,
    pub(super) influxdb: Option<Influxdb>,
    pub(super) http: Http,
    pub(super) log: Log,
    pub(super) alerts: Alerts,
    #[serde(default)]
    pub(super) rules: Vec<Rule>,
    #[serde(default)]
    pub(super) receivers: Vec<Receiver>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Kafka {
    pub(super) brokers: Option<String>,
    pub(super) group: String,
    pub(super) instance_id: Option<String>,
    pub(super) topics: Option<Vec<String>>,
    pub(super) start: Start,
    pub(super) dead_letter_topic: Option<String>,
    pub(super) max_message_bytes: usize,
    pub(super) close_timeout: u64,
    #[serde(default)]
    pub(super) librdkafka: BTreeMap<String, Setting>,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Start {
    Earliest,
    Latest,
}

/// A librdkafka setting: exactly one is there.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Setting {
    pub(super) value: Option<String>,
    pub(super) file: Option<String>,
    pub(super) env: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Events {
    pub(super) kind: Field,
    pub(super) id: Field,
    pub(super) time: Field,
    pub(super) model: Field,
    pub(super) version: Field,
    pub(super) variant: Field,
    pub(super) unit: Field,
    pub(super) features: String,
    pub(super) prediction: Field,
    pub(super) prediction_class: Field,
    pub(super) label: Field,
}

/// Where a field comes from: exactly one should be there.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Field {
    pub(super) pointer: Option<String>,
    pub(super) header: Option<String>,
    pub(super) key: Option<bool>,
    pub(super) topic: Option<bool>,
    pub(super) constant: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(clippy::struct_field_names, reason = "fields are named as their keys")]
pub(super) struct Windows {
    pub(super) size: i64,
    pub(super) slide: Option<i64>,
    pub(super) lateness: i64,
    pub(super) grace: i64,
    pub(super) idle_timeout: i64,
    pub(super) max_future: i64,
    pub(super) min_events: u64,
    pub(super) max_streams: usize,
    pub(super) max_empty_windows: u32,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Model {
    pub(super) name: Option<String>,
    pub(super) reference: Option<Reference>,
    pub(super) bins: usize,
    pub(super) false_alarms: String,
    pub(super) score: crate::result::ScoreName,
    pub(super) minimum_effect: Option<MinimumEffects>,
    #[serde(default)]
    pub(super) compare_with: Vec<String>,
    #[serde(default)]
    pub(super) segments: Vec<String>,
    pub(super) max_segments: usize,
    pub(super) sample_rows: usize,
    #[serde(default)]
    pub(super) features: BTreeMap<String, Feature>,
    pub(super) join: Option<Join>,
    pub(super) explain: Option<Explain>,
    #[serde(default)]
    pub(super) table: Table,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Reference {
    pub(super) file: Option<String>,
    pub(super) first_events: Option<u64>,
    pub(super) from: Option<i64>,
    pub(super) until: Option<i64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Feature {
    pub(super) kind: Option<crate::result::ColumnKind>,
    pub(super) ignore: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Join {
    pub(super) timeout: i64,
    pub(super) max_waiting: usize,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Table {
    pub(super) id: Option<String>,
    pub(super) time: Option<String>,
    pub(super) prediction: Option<String>,
    pub(super) prediction_class: Option<String>,
    pub(super) label: Option<String>,
    pub(super) version: Option<String>,
    pub(super) variant: Option<String>,
    #[serde(default)]
    pub(super) ignore: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Influxdb {
    pub(super) url: Option<String>,
    pub(super) org: Option<String>,
    pub(super) bucket: Option<String>,
    pub(super) token: Option<String>,
    pub(super) token_file: Option<String>,
    pub(super) token_env: Option<String>,
    pub(super) database: Option<String>,
    pub(super) retention_policy: Option<String>,
    pub(super) username: Option<String>,
    pub(super) password: Option<String>,
    pub(super) password_file: Option<String>,
    pub(super) password_env: Option<String>,
    pub(super) ca_file: Option<String>,
    pub(super) batch_points: usize,
    pub(super) flush_interval: u64,
    pub(super) buffer_points: usize,
    pub(super) timeout: u64,
    pub(super) gzip: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Http {
    pub(super) listen: String,
    pub(super) latest_windows: usize,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Log {
    pub(super) level: String,
    pub(super) format: Format,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Format {
    Text,
    Json,
}
