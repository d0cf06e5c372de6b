//! A daemon under load with something to survive, and the points as they
//! should be: those of a replay of the same events, which no Kafka, no daemon
//! and no disturbance had a part in.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::PathBuf,
    thread,
    time::{Duration, Instant},
};

use rdkafka::{
    ClientConfig, Message as _, Offset, TopicPartitionList,
    consumer::{BaseConsumer, Consumer as _},
};

use crate::{
    load::Sent,
    setup::{Setup, path},
    support::servers::{Daemon, Influx2, Kafka, SOON, driftline},
};

/// Windows of a second that wait for stragglers; only events close them.
const WINDOWS: &str = r#"size = "1s"
lateness = "300ms"
grace = "20s"
idle_timeout = "1h"
min_events = 20
max_empty_windows = 0
"#;
/// Windows of a second have too few rows for a sample, and are too many.
const MODEL: &str = "sample_rows = 0\ncompare_with = [\"previous\"]";
const TABLE: &str = r#"id = "id"
time = "time"
version = "version"
prediction = "score"
prediction_class = "decision"
[models.join]
timeout = "2s"
"#;

/// A value by measurement, tags, time and field, as one text.
type Values = BTreeMap<String, String>;

/// What a test of survival starts with.
#[derive(Debug)]
pub struct Scene {
    pub setup: Setup,
    name: &'static str,
    expected_bucket: String,
    /// Daemons go on without their checkpoints: what rests on earlier windows
    /// begins anew, and is not compared.
    forgets: bool,
}

impl Scene {
    pub fn new(name: &'static str, kafka: &Kafka, influx: &Influx2) -> Self {
        let mut setup = Setup::with_reference(name, kafka, influx);
        (setup.windows, setup.model, setup.table) = (WINDOWS, MODEL, TABLE);
        let expected_bucket = influx.bucket(&format!("{name}-expected"));
        Self { setup, name, expected_bucket, forgets: false }
    }

    /// A scene in which daemons go on without their checkpoints.
    pub fn forgetful(name: &'static str, kafka: &Kafka, influx: &Influx2) -> Self {
        Self { forgets: true, ..Self::new(name, kafka, influx) }
    }

    /// Writes the configuration of one daemon into a folder of its own, with
    /// its own state; `edits` are texts and what stands in their place.
    pub fn config(&self, daemon: &str, edits: &[(&str, &str)]) -> PathBuf {
        let folder = self.setup.folder.join(daemon);
        fs::create_dir_all(&folder).unwrap();
        let mut text = self.setup.config_text().replace("\"reference.json\"", "\"../reference.json\"");
        for (old, new) in edits {
            assert!(text.contains(old), "{old} is not in {text}");
            text = text.replace(old, new);
        }
        let file = folder.join("driftline.toml");
        fs::write(&file, format!("{text}\n[log]\nlevel = \"info,driftline::pipeline=debug\"\n")).unwrap();
        file
    }

    /// Waits until the points are those of a replay; fails with the differences.
    /// Prints the counts.
    pub fn check(&self, kafka: &Kafka, influx: &Influx2, sent: &Sent, what: &str) {
        let expected = self.comparable(self.expected(influx, sent));
        let start = Instant::now();
        let found = loop {
            let found = self.comparable(values(influx, &self.setup.bucket));
            if found == expected || start.elapsed() > SOON {
                break found;
            }
            thread::sleep(Duration::from_millis(500));
        };
        let points = |values: &Values| values.keys().map(|key| point(key)).collect::<BTreeSet<_>>().len();
        let Self { name, .. } = self;
        println!("{name}: {what}");
        println!("  in: {} messages, {} rows, {} unusable", sent.messages, sent.rows, sent.unusable);
        println!("  expected: {} points with {} values", points(&expected), expected.len());
        println!("  found: {} points with {} values", points(&found), found.len());
        let differences = differences(&expected, &found);
        let some = differences.iter().take(40).cloned().collect::<Vec<_>>().join("\n");
        assert!(differences.is_empty(), "{} values differ, such as\n{some}", differences.len());
        let letters = distinct_payloads(kafka, &self.setup.dead_letters);
        println!("  dead letters: {} of {}", letters.len(), sent.unusable);
        assert_eq!(letters.len() as u64, sent.unusable);
    }

    /// Without what a replay can't know: where a stream falls silent, the clock
    /// ends its alerts with its last window, and what was taken back of an alert
    /// was never said where everything comes in order.
    fn comparable(&self, mut values: Values) -> Values {
        let stream = |key: &str| ["model", "version", "variant"].map(|tag| part(key, tag).to_owned());
        let mut last: BTreeMap<[String; 3], String> = BTreeMap::new();
        for key in values.keys().filter(|key| key.contains("_measurement=window;")) {
            let time = part(key, "_time").to_owned();
            let known = last.entry(stream(key)).or_insert_with(|| time.clone());
            *known = known.clone().max(time);
        }
        let taken_back = values.iter().filter(|(key, value)| {
            key.contains("_field=state;")
                && key.contains("_measurement=alert;")
                && value.as_str() == "withdrawn"
        });
        let taken_back: BTreeSet<String> = taken_back.map(|(key, _)| point(key)).collect();
        let is_end = |key: &str| {
            key.contains("_measurement=alert;")
                && last.get(&stream(key)).is_none_or(|last| part(key, "_time") >= last.as_str())
        };
        values.retain(|key, _| {
            let is_out =
                is_end(key) || taken_back.contains(&point(key)) || self.forgets && rests_on_memory(key);
            !is_out
        });
        values
    }

    /// What a replay of the events writes.
    fn expected(&self, influx: &Influx2, sent: &Sent) -> Values {
        let events = self.setup.folder.join("events.ndjson");
        fs::write(&events, sent.lines.join("\n")).unwrap();
        let bucket = format!("\"{}\"", self.setup.bucket);
        let config = self.config("replay", &[(&bucket, &format!("\"{}\"", self.expected_bucket))]);
        driftline(["replay", "--config", path(&config), "--output", "influx", path(&events)]).success();
        let expected = values(influx, &self.expected_bucket);
        let rows = expected
            .iter()
            .filter(|(key, _)| key.contains("_measurement=window;") && key.contains("_field=events;"));
        let rows: u64 = rows.map(|(_, count)| count.parse::<u64>().unwrap()).sum();
        assert_eq!(rows, sent.rows, "every row is in a window of the replay");
        expected
    }

    /// The sum of the offsets that the group has committed.
    pub fn committed(&self, kafka: &Kafka) -> i64 {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", kafka.brokers()).set("group.id", &self.setup.topic);
        let reader: BaseConsumer = config.create().unwrap();
        let mut list = TopicPartitionList::new();
        list.add_partition_range(&self.setup.topic, 0, 2);
        let found = reader.committed_offsets(list, SOON).unwrap();
        found.elements().iter().map(|one| one.offset().to_raw().unwrap()).sum()
    }
}

/// Ends a daemon as an operator does; the log of all who ran with its
/// configuration must not tell of an error.
pub fn stop(daemon: &mut Daemon) {
    let status = daemon.process.stop(SOON);
    let log = daemon.process.log();
    assert!(status.success(), "{status}:\n{log}");
    let is_error = |line: &&str| line.contains(" ERROR ") || line.contains("panicked");
    let errors: Vec<_> = log.lines().filter(is_error).collect();
    assert!(errors.is_empty(), "{errors:#?}");
}

/// Everything that a bucket holds.
fn values(influx: &Influx2, bucket: &str) -> Values {
    let rows = influx.flux(&format!(
        r#"from(bucket: "{bucket}") |> range(start: 0, stop: 2100-01-01T00:00:00Z)
  |> drop(columns: ["_start", "_stop"])"#
    ));
    let mut values = Values::new();
    for mut row in rows {
        row.retain(|column, _| !["", "result", "table"].contains(&column.as_str()));
        let value = row.remove("_value").unwrap();
        let key = row.iter().flat_map(|(name, text)| [name, "=", text, ";"]).collect();
        assert_eq!(values.insert(key, value), None, "a value twice");
    }
    values
}

/// The value of a column in a key.
fn part<'a>(key: &'a str, name: &str) -> &'a str {
    let mut parts = key.split(';').filter_map(|part| part.split_once('='));
    parts.find(|(found, _)| *found == name).map_or("", |(_, value)| value)
}

/// Whether a value is about earlier windows, too.
fn rests_on_memory(key: &str) -> bool {
    let is = |part: &str| key.split(';').any(|own| own == part);
    let counted = ["alarms", "quality_verdict", "quality_verdict_level"];
    is("_measurement=alert")
        || is("_measurement=evidence")
        || is("_measurement=comparison")
        || is("check=volume")
        || (is("_measurement=window") && counted.iter().any(|field| is(&format!("_field={field}"))))
}

/// The key without its field.
fn point(key: &str) -> String {
    key.split(';').filter(|part| !part.starts_with("_field=")).collect()
}

fn differences(expected: &Values, found: &Values) -> Vec<String> {
    let missing = expected.iter().filter(|(key, value)| found.get(*key) != Some(*value));
    let wrong = missing.map(|(key, value)| match found.get(key) {
        Some(other) => format!("{key} is {other}, not {value}"),
        None => format!("{key} is missing; it should be {value}"),
    });
    // InfluxDB can't take a field back: a number of a check that an earlier
    // version of the window had, and the last one has not, stays (docs/results.md).
    let may_stay = |key: &str| {
        let is = |part: &str| key.split(';').any(|own| own == part);
        let numbers = ["value", "reference", "noise_low", "noise_high", "effect"];
        is("_measurement=quality") && numbers.iter().any(|field| is(&format!("_field={field}")))
    };
    let more = found
        .keys()
        .filter(|key| !expected.contains_key(*key) && !may_stay(key))
        .map(|key| format!("{key} is too many"));
    wrong.chain(more).collect()
}

/// What is on a topic of one partition, each payload once.
fn distinct_payloads(kafka: &Kafka, topic: &str) -> BTreeSet<Vec<u8>> {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", kafka.brokers()).set("group.id", "dead-letters");
    let reader: BaseConsumer = config.create().unwrap();
    let (_, end) = reader.fetch_watermarks(topic, 0, SOON).unwrap();
    let mut list = TopicPartitionList::new();
    list.add_partition_offset(topic, 0, Offset::Beginning).unwrap();
    reader.assign(&list).unwrap();
    let mut found = BTreeSet::new();
    let mut next = 0;
    while next < end {
        let message = reader.poll(SOON).unwrap().unwrap();
        next = message.offset() + 1;
        found.insert(message.payload().unwrap().to_vec());
    }
    found
}
