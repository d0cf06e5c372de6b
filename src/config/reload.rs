//! What a reload can apply.

use std::{
    collections::BTreeMap,
    fmt::Debug,
    hash::{DefaultHasher, Hash, Hasher},
};

use secrecy::{ExposeSecret, SecretString};

use super::{
    keys::KEYS,
    places::join,
    settings::{ModelSettings, Settings},
};
use crate::{
    alert::{Rule, Template},
    decode::EventMapping,
    explainer::{ModelSource, remote::Authorization},
    notify::{ReceiverKind, ReceiverSettings},
    sink::{InfluxApi, InfluxSettings},
    source::KafkaSettings,
};

/// What differs between the running and a newly read configuration, by key
/// path. Models are named by their names, since their order means nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ReloadChanges {
    /// A reload applies these.
    pub applied: Vec<String>,
    /// These stay as they are until a restart.
    pub need_restart: Vec<String>,
}

impl Settings {
    /// What a reload with `new` would change.
    #[must_use]
    pub fn reload_changes(&self, new: &Self) -> ReloadChanges {
        let (old, new) = (entries(self), entries(new));
        let mut changes = ReloadChanges::default();
        let keys = old.keys().chain(new.keys().filter(|key| !old.contains_key(*key)));
        for key in keys.filter(|key| old.get(*key) != new.get(*key)) {
            let is_reloadable = KEYS.iter().any(|spec| spec.path == key && spec.reloadable);
            let list = if is_reloadable { &mut changes.applied } else { &mut changes.need_restart };
            list.push(key.clone());
        }
        changes
    }
}

/// Values by key path, as text that is equal when they are.
#[derive(Default)]
struct Entries(BTreeMap<String, String>);

impl Entries {
    fn put(&mut self, key: &str, value: &impl Debug) {
        self.0.insert(key.to_owned(), format!("{value:?}"));
    }

    /// A hash stands in for a secret.
    fn put_secret(&mut self, key: &str, secret: Option<&SecretString>) {
        let mut hasher = DefaultHasher::new();
        secret.map(ExposeSecret::expose_secret).hash(&mut hasher);
        self.put(key, &hasher.finish());
    }

    fn events(&mut self, events: &EventMapping) {
        self.put("events.kind", &events.kind);
        self.put("events.id", &events.id);
        self.put("events.time", &events.time);
        self.put("events.model", &events.model);
        self.put("events.version", &events.version);
        self.put("events.variant", &events.variant);
        self.put("events.unit", &events.unit);
        self.put("events.features", &events.features);
        self.put("events.prediction", &events.prediction);
        self.put("events.prediction_class", &events.prediction_class);
        self.put("events.label", &events.label);
    }

    fn kafka(&mut self, kafka: &KafkaSettings) {
        self.put("kafka.brokers", &kafka.brokers);
        self.put("kafka.group", &kafka.group);
        self.put("kafka.instance_id", &kafka.instance_id);
        self.put("kafka.topics", &kafka.topics);
        self.put("kafka.start", &kafka.start);
        self.put("kafka.dead_letter_topic", &kafka.dead_letter_topic);
        self.put("kafka.max_message_bytes", &kafka.max_message_bytes);
        self.put("kafka.close_timeout", &kafka.close_timeout);
        for (name, value) in &kafka.librdkafka {
            self.put_secret(&join("kafka.librdkafka", name), Some(value));
        }
    }

    fn influxdb(&mut self, influxdb: &InfluxSettings) {
        self.put("influxdb.url", &influxdb.url);
        let secret_key = match &influxdb.api {
            InfluxApi::V2 { org, bucket } => {
                self.put("influxdb.org", org);
                self.put("influxdb.bucket", bucket);
                "influxdb.token"
            }
            InfluxApi::V1 { database, retention_policy, username } => {
                self.put("influxdb.database", database);
                self.put("influxdb.retention_policy", retention_policy);
                self.put("influxdb.username", username);
                "influxdb.password"
            }
        };
        self.put_secret(secret_key, influxdb.secret.as_ref());
        self.put("influxdb.ca_file", &influxdb.ca_file);
        self.put("influxdb.batch_points", &influxdb.batch_points);
        self.put("influxdb.flush_interval", &influxdb.flush_interval);
        self.put("influxdb.buffer_points", &influxdb.buffer_points);
        self.put("influxdb.timeout", &influxdb.timeout);
        self.put("influxdb.gzip", &influxdb.gzip);
    }

    fn model(&mut self, model: &ModelSettings) {
        let path = join("models", &model.name);
        self.put(&join(&path, "reference"), &model.reference);
        self.put(&join(&path, "bins"), &model.bins);
        self.put(&join(&path, "false_alarms"), &model.drift.false_alarms);
        self.put(&join(&path, "score"), &model.drift.score);
        self.put(&join(&path, "minimum_effect"), &model.drift.minimum_effects);
        self.put(&join(&path, "compare_with"), &model.drift.compare_with);
        self.put(&join(&path, "sample_rows"), &model.drift.sample_rows);
        self.put(&join(&path, "segments"), &model.segments);
        self.put(&join(&path, "max_segments"), &model.max_segments);
        self.put(&join(&path, "join"), &model.join);
        self.put(&join(&path, "table"), &model.table);
        let explain = join(&path, "explain");
        self.put(&explain, &model.explain);
        if let Some(ModelSource::Server(server)) = model.explain.as_ref().map(|explain| &explain.source) {
            self.put_secret(&join(&explain, "server.url"), Some(&server.url));
            // What stands in a file is read again when it is refused.
            if let Some(Authorization::Secret(secret)) = &server.authorization {
                self.put_secret(&join(&explain, "server.authorization"), Some(secret));
            }
        }
        for (name, feature) in &model.features {
            self.put(&join(&join(&path, "features"), name), feature);
        }
    }
}

/// Experiments go by their names.
impl Entries {
    fn experiments(&mut self, settings: &Settings) {
        for experiment in &settings.experiments {
            let served = settings.served_experiments.iter().find(|served| served.id == experiment.id);
            let winsorised: Vec<_> =
                settings.winsorised.iter().filter(|found| found.experiment == experiment.id).collect();
            self.put(&join("experiments", &experiment.id), &(experiment, served, winsorised));
        }
    }
}

/// What is about alerts; rules, mute times and receivers go by their names.
impl Entries {
    fn alerts(&mut self, settings: &Settings) {
        let alerts = &settings.alerts;
        for rule in &alerts.rules {
            self.rule(rule);
        }
        for mute in &alerts.mute_times {
            self.put(&join("alerts.mute_times", &mute.name), mute);
        }
        self.put("alerts.group_wait", &alerts.group_wait_ms);
        self.put("alerts.group_interval", &alerts.group_interval_ms);
        self.put("alerts.repeat_interval", &alerts.repeat_interval_ms);
        self.put("alerts.external_url", &settings.notify.external_url);
        self.put("alerts.dashboard_url", &settings.notify.dashboard_url);
        self.put_secret("alerts.api_token", settings.api_token.as_ref());
        for receiver in &settings.notify.receivers {
            self.receiver(receiver);
        }
    }

    /// Templates are told by their sources: the rest of them is no setting.
    fn rule(&mut self, rule: &Rule) {
        let source = |template: &Option<Template>| template.as_ref().map(|one| one.source().to_owned());
        let texts = (source(&rule.summary), source(&rule.description));
        let annotations: Vec<(&String, &str)> =
            rule.annotations.iter().map(|(name, template)| (name, template.source())).collect();
        let plain = Rule { summary: None, description: None, annotations: BTreeMap::new(), ..rule.clone() };
        self.put(&join("rules", &rule.name), &(plain, texts, annotations));
    }

    /// Its secrets are none of what `Debug` shows.
    fn receiver(&mut self, receiver: &ReceiverSettings) {
        let path = join("receivers", &receiver.name);
        self.put(&path, receiver);
        let secrets: Vec<(&str, &SecretString)> = match &receiver.kind {
            ReceiverKind::Webhook { url, signing_secrets, authorization } => {
                let mut secrets = vec![("url", url)];
                secrets.extend(signing_secrets.iter().map(|secret| ("secret", secret)));
                secrets.extend(authorization.as_ref().map(|secret| ("authorization", secret)));
                secrets
            }
            ReceiverKind::Alertmanager { authorization, .. } => {
                authorization.iter().map(|secret| ("authorization", secret)).collect()
            }
            ReceiverKind::Slack { url } => vec![("url", url)],
            ReceiverKind::PagerDuty { routing_key, .. } => vec![("routing_key", routing_key)],
            ReceiverKind::Email { credentials, .. } => {
                credentials.iter().map(|(_, password)| ("password", password)).collect()
            }
            ReceiverKind::Command { .. } => Vec::new(),
        };
        let mut by_key: BTreeMap<&str, DefaultHasher> = BTreeMap::new();
        for (key, secret) in secrets {
            secret.expose_secret().hash(by_key.entry(key).or_default());
        }
        for (key, hasher) in by_key {
            self.put(&join(&path, key), &hasher.finish());
        }
    }
}

fn entries(settings: &Settings) -> BTreeMap<String, String> {
    let mut entries = Entries::default();
    entries.put("state_dir", &settings.state_dir);
    entries.put("shutdown_timeout", &settings.shutdown_timeout);
    if let Some(kafka) = &settings.kafka {
        entries.kafka(kafka);
    }
    entries.events(&settings.events);
    let windows = &settings.windows;
    entries.put("windows.size", &windows.size_ms);
    entries.put("windows.slide", &windows.slide_ms);
    entries.put("windows.lateness", &windows.lateness_ms);
    entries.put("windows.grace", &windows.grace_ms);
    entries.put("windows.idle_timeout", &windows.idle_timeout_ms);
    entries.put("windows.max_future", &windows.max_future_ms);
    entries.put("windows.min_events", &windows.min_events);
    entries.put("windows.max_streams", &windows.max_streams);
    entries.put("windows.max_empty_windows", &windows.max_empty_windows);
    for model in &settings.models {
        entries.model(model);
    }
    entries.experiments(settings);
    if let Some(influxdb) = &settings.influxdb {
        entries.influxdb(influxdb);
    }
    entries.put("http.listen", &settings.http.listen);
    entries.put("http.latest_windows", &settings.http.latest_windows);
    entries.put("log.level", &settings.log.level);
    entries.put("log.format", &settings.log.format);
    entries.alerts(settings);
    entries.0
}
