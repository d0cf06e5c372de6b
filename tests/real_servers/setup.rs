//! A topic, a bucket, a reference and the configuration that joins them.

use std::{
    fs,
    path::{Path, PathBuf},
};

use serde_json::Value;

use crate::{
    simulated::Traffic,
    support::servers::{Daemon, Influx2, Kafka, driftline, folder},
};

/// Columns of the simulated files.
const TABLE: &str = r#"id = "id"
time = "time"
version = "version"
prediction = "score"
prediction_class = "decision"
"#;

/// Everything that one run of the daemon needs.
#[derive(Debug)]
pub struct Setup {
    /// Files of this test.
    pub folder: PathBuf,
    /// Topic of the events.
    pub topic: String,
    /// Topic of what can't be used.
    pub dead_letters: String,
    /// Bucket of the points.
    pub bucket: String,
    /// Lines of `[windows]`.
    pub windows: &'static str,
    /// Lines of `[[models]]` beside its name and reference.
    pub model: &'static str,
    /// Lines of `[models.table]`.
    pub table: &'static str,
    /// Further sections.
    pub more: String,
    brokers: String,
    influx: String,
}

impl Setup {
    /// For the model `credit` with hourly windows.
    pub fn new(name: &str, kafka: &Kafka, influx: &Influx2) -> Self {
        let topic = kafka.topic(name, 3);
        let dead_letters = kafka.topic(&format!("{name}-dead"), 1);
        Self {
            folder: folder(name),
            topic,
            dead_letters,
            bucket: influx.bucket(name),
            windows: "size = \"1h\"\nlateness = \"1m\"\nmin_events = 20\n",
            model: "",
            table: TABLE,
            more: String::new(),
            brokers: kafka.brokers(),
            influx: influx.url(),
        }
    }

    /// As [`Self::new`], with the reference made.
    pub fn with_reference(name: &str, kafka: &Kafka, influx: &Influx2) -> Self {
        let setup = Self::new(name, kafka, influx);
        let training = setup.folder.join("training.csv");
        Traffic::REFERENCE.write(&training);
        setup.make_reference(&training);
        setup
    }

    /// Makes the reference from a file.
    pub fn make_reference(&self, training: &Path) {
        let config = self.config();
        let arguments =
            ["reference", "--model", "credit", "--config", path(&config), "--from", path(training)];
        driftline(arguments).success();
    }

    /// Writes the configuration and gives its path.
    pub fn config(&self) -> PathBuf {
        let file = self.folder.join("driftline.toml");
        fs::write(&file, self.config_text()).unwrap();
        file
    }

    /// The configuration.
    pub fn config_text(&self) -> String {
        let Self { topic, dead_letters, bucket, windows, model, table, more, brokers, influx, .. } = self;
        let (org, token) = (Influx2::ORG, Influx2::TOKEN);
        format!(
            r#"state_dir = "state"
[kafka]
brokers = "{brokers}"
group = "{topic}"
topics = ["{topic}"]
dead_letter_topic = "{dead_letters}"
[kafka.librdkafka]
# So that the partitions of a killed daemon are free again soon.
"session.timeout.ms" = "6000"
[windows]
{windows}
[[models]]
name = "credit"
reference = "reference.json"
{model}
[models.table]
{table}
[influxdb]
url = "{influx}"
org = "{org}"
bucket = "{bucket}"
token = "{token}"
flush_interval = "100ms"
{more}"#
        )
    }

    /// Publishes a file.
    pub fn publish(&self, events: &Path) {
        let config = self.config();
        let arguments = ["publish", "--config", path(&config), "--topic", &self.topic, path(events)];
        driftline(arguments).success();
    }

    /// The results of replaying a file, one a window.
    pub fn replay(&self, events: &Path) -> Vec<Value> {
        let config = self.config();
        let arguments = ["replay", "--config", path(&config), "--output", "ndjson", path(events)];
        let out = driftline(arguments).success().out;
        out.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// Starts the daemon.
    pub fn daemon(&self) -> Daemon {
        Daemon::start(&self.config())
    }
}

/// A path as an argument.
pub fn path(path: &Path) -> &str {
    path.to_str().unwrap()
}
