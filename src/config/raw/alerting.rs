//! Alerts, rules and receivers as typed.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::alert::{NoData, Severity};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct Alerts {
    pub(in crate::config) default_rules: bool,
    #[serde(default)]
    pub(in crate::config) disable: Vec<String>,
    pub(in crate::config) rules: Option<Vec<String>>,
    pub(in crate::config) group_wait: i64,
    pub(in crate::config) group_interval: i64,
    pub(in crate::config) repeat_interval: i64,
    pub(in crate::config) external_url: Option<String>,
    pub(in crate::config) dashboard_url: Option<String>,
    pub(in crate::config) api_token: Option<String>,
    pub(in crate::config) api_token_file: Option<String>,
    pub(in crate::config) api_token_env: Option<String>,
    #[serde(default)]
    pub(in crate::config) mute_times: Vec<MuteTime>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct MuteTime {
    pub(in crate::config) name: Option<String>,
    pub(in crate::config) days: Option<Vec<String>>,
    pub(in crate::config) from: Option<String>,
    pub(in crate::config) until: Option<String>,
    pub(in crate::config) time_zone: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct Rule {
    pub(in crate::config) name: Option<String>,
    pub(in crate::config) metric: Option<String>,
    pub(in crate::config) when: Option<String>,
    pub(in crate::config) resolve_when: Option<String>,
    pub(in crate::config) on: Option<String>,
    pub(in crate::config) expression: Option<String>,
    pub(in crate::config) resolve_expression: Option<String>,
    pub(in crate::config) models: Option<Vec<String>>,
    pub(in crate::config) versions: Option<Vec<String>>,
    pub(in crate::config) variants: Option<Vec<String>>,
    pub(in crate::config) features: Option<Vec<String>>,
    pub(in crate::config) segments: Option<Vec<String>>,
    pub(in crate::config) checks: Option<Vec<String>>,
    pub(in crate::config) references: Option<Vec<String>>,
    pub(in crate::config) experiments: Option<Vec<String>>,
    pub(in crate::config) arms: Option<Vec<String>>,
    pub(in crate::config) metrics: Option<Vec<String>>,
    pub(in crate::config) components: Option<Vec<String>>,
    #[serde(default)]
    pub(in crate::config) labels_match: BTreeMap<String, Vec<String>>,
    pub(in crate::config) r#for: u32,
    pub(in crate::config) resolve_for: u32,
    pub(in crate::config) for_time: Option<i64>,
    pub(in crate::config) resolve_time: Option<i64>,
    pub(in crate::config) increase_over: Option<i64>,
    pub(in crate::config) severity: Severity,
    #[serde(default)]
    pub(in crate::config) labels: BTreeMap<String, String>,
    pub(in crate::config) summary: Option<String>,
    pub(in crate::config) description: Option<String>,
    #[serde(default)]
    pub(in crate::config) annotations: BTreeMap<String, String>,
    pub(in crate::config) no_data: NoData,
    #[serde(default)]
    pub(in crate::config) inhibited_by: Vec<String>,
    #[serde(default)]
    pub(in crate::config) mute: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct Receiver {
    pub(in crate::config) name: Option<String>,
    pub(in crate::config) r#type: Option<ReceiverType>,
    pub(in crate::config) models: Option<Vec<String>>,
    pub(in crate::config) severities: Option<Vec<String>>,
    pub(in crate::config) send_resolved: bool,
    pub(in crate::config) timeout: u64,
    pub(in crate::config) give_up_after: u64,
    pub(in crate::config) ca_file: Option<String>,
    pub(in crate::config) url: Option<String>,
    pub(in crate::config) url_file: Option<String>,
    pub(in crate::config) url_env: Option<String>,
    pub(in crate::config) urls: Option<Vec<String>>,
    pub(in crate::config) resend_interval: u64,
    pub(in crate::config) secret: Option<String>,
    pub(in crate::config) secret_file: Option<String>,
    pub(in crate::config) secret_env: Option<String>,
    pub(in crate::config) authorization: Option<String>,
    pub(in crate::config) authorization_file: Option<String>,
    pub(in crate::config) authorization_env: Option<String>,
    pub(in crate::config) routing_key: Option<String>,
    pub(in crate::config) routing_key_file: Option<String>,
    pub(in crate::config) routing_key_env: Option<String>,
    pub(in crate::config) host: Option<String>,
    pub(in crate::config) port: Option<u16>,
    pub(in crate::config) tls: Tls,
    pub(in crate::config) username: Option<String>,
    pub(in crate::config) password: Option<String>,
    pub(in crate::config) password_file: Option<String>,
    pub(in crate::config) password_env: Option<String>,
    pub(in crate::config) from: Option<String>,
    pub(in crate::config) to: Option<Vec<String>>,
    pub(in crate::config) command: Option<Vec<String>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(in crate::config) enum ReceiverType {
    Webhook,
    Alertmanager,
    Slack,
    PagerDuty,
    Email,
    Command,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(in crate::config) enum Tls {
    #[serde(rename = "starttls")]
    Upgraded,
    Implicit,
    None,
}
