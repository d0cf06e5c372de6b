//! What every test of the daemon starts with.

use std::{collections::BTreeMap, fs, path::PathBuf, time::Duration};

use rdkafka::{
    ClientConfig, TopicPartitionList,
    consumer::{BaseConsumer, Consumer as _},
};

use crate::support::{
    credit,
    mock_kafka::Mock,
    servers::{
        Daemon, eventually, folder,
        http::{Answer, block_on},
    },
    stand_in::{Reply, StandIn},
};

pub(crate) const TOPIC: &str = "events";
pub(crate) const DEAD: &str = "dead";
/// Where a stream falls silent, the clock ends its alerts; what is compared must
/// not depend on when a test ends. `alerts.rs` has rules of its own.
pub(crate) const NO_ALERTS: &str = "[alerts]\ndefault_rules = false\n";
/// Only against a test that hangs.
pub(crate) const PATIENCE: Duration = Duration::from_secs(90);
/// Event time between two events.
const STEP_MS: i64 = 5;

/// A broker with a topic of two partitions, and a folder with a reference.
pub(crate) struct Bench {
    pub(crate) mock: Mock,
    pub(crate) folder: PathBuf,
    /// Time of event 0: a whole second, long enough ago for all events.
    start: i64,
}

impl Bench {
    pub(crate) fn start(partitions: i32) -> Self {
        let mock = Mock::start(&[(TOPIC, partitions), (DEAD, 1)]);
        let folder = folder("bench");
        credit::store(&folder.join("credit.json"));
        let start = jiff::Timestamp::now().as_second() * 1_000 - 120_000;
        Self { mock, folder, start }
    }

    /// Time of the event with this number.
    pub(crate) fn time(&self, number: u32) -> i64 {
        self.start + i64::from(number) * STEP_MS
    }

    /// The event with this number.
    pub(crate) fn event(&self, number: u32) -> String {
        credit::event(number, self.time(number))
    }

    /// Writes events alternately to two partitions, or all to one.
    pub(crate) fn publish(&self, numbers: std::ops::Range<u32>, partitions: u32) {
        for (number, event) in numbers.clone().zip(self.events(numbers)) {
            let partition = i32::try_from(number % partitions).unwrap();
            self.mock.write(TOPIC, partition, &event);
        }
        self.mock.flush();
    }

    /// The events as JSON.
    pub(crate) fn events(&self, numbers: std::ops::Range<u32>) -> impl Iterator<Item = String> {
        numbers.map(|number| self.event(number))
    }

    /// Offsets that a group has committed, the smallest over the partitions.
    pub(crate) fn committed(&self, group: &str, partitions: i32) -> i64 {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", &self.mock.brokers).set("group.id", group);
        let reader: BaseConsumer = config.create().unwrap();
        let mut list = TopicPartitionList::new();
        list.add_partition_range(TOPIC, 0, partitions - 1);
        let found = reader.committed_offsets(list, PATIENCE).unwrap();
        let offsets =
            found.elements().iter().map(|one| one.offset().to_raw().unwrap_or(-1)).collect::<Vec<_>>();
        offsets.into_iter().min().unwrap()
    }

    /// A configuration for this broker and `database`, with windows of a
    /// second; `more` goes before the first section.
    pub(crate) fn config(&self, group: &str, database: &StandIn, more: &str) -> String {
        format!(
            r#"
state_dir = "{folder}/state"
{more}
[kafka]
brokers = "{brokers}"
group = "{group}"
topics = ["{TOPIC}"]
dead_letter_topic = "{DEAD}"
close_timeout = "1s"
[kafka.librdkafka]
"session.timeout.ms" = "6000"
"heartbeat.interval.ms" = "300"
"statistics.interval.ms" = "200"
"fetch.wait.max.ms" = "10"
"reconnect.backoff.max.ms" = "500"
[windows]
size = "1s"
lateness = "0s"
idle_timeout = "2s"
min_events = 20
max_empty_windows = 0
[[models]]
name = "credit"
reference = "{folder}/credit.json"
[influxdb]
url = "{url}"
org = "team"
bucket = "drift"
flush_interval = "50ms"
{NO_ALERTS}"#,
            folder = self.folder.display(),
            brokers = self.mock.brokers,
            url = database.url(),
        )
    }
}

/// Starts the program with a configuration in a folder of its own.
pub(crate) fn start(config: &str) -> Daemon {
    let file = folder("daemon").join("driftline.toml");
    fs::write(&file, config).unwrap();
    Daemon::start(&file)
}

/// A page of its API.
pub(crate) fn get(daemon: &Daemon, path: &str) -> Answer {
    daemon.api.get(path).unwrap_or_else(|| panic!("no answer: {}", daemon.process.log()))
}

/// A database that takes everything.
pub(crate) fn database() -> StandIn {
    block_on(StandIn::start(|_| Reply::written()))
}

/// What the database holds: the last fields written for each measurement, tags
/// and time.
pub(crate) fn points(database: &StandIn) -> BTreeMap<String, String> {
    let parts = |line: String| {
        let (rest, time) = line.rsplit_once(' ').expect("a time");
        // Tags have no spaces here.
        let (key, fields) = rest.split_once(' ').expect("fields");
        (format!("{key} {time}"), fields.to_owned())
    };
    database.stored().into_iter().map(parts).collect()
}

/// Without what windows say together with earlier ones: that begins anew where
/// a daemon does not go on from a checkpoint.
pub(crate) fn alone(points: impl IntoIterator<Item = (String, String)>) -> BTreeMap<String, String> {
    let rests_on_memory = |key: &str| {
        ["alert,", "evidence,", "comparison,"].iter().any(|measurement| key.starts_with(measurement))
            || key.contains("check=volume,")
    };
    let points = points.into_iter().filter(|(key, _)| !rests_on_memory(key));
    // The window's own point counts alarms, and judges its volume.
    let own = |fields: String| match fields.split_once(",quality_verdict=") {
        Some((fields, _)) => fields.to_owned(),
        None => fields,
    };
    points.map(|(key, fields)| (key, own(fields))).collect()
}

/// Windows written, and the events in them.
pub(crate) fn windows(database: &StandIn) -> (usize, u64) {
    let points = points(database);
    let windows = points.iter().filter(|(key, _)| key.starts_with("window,"));
    let events = windows.clone().map(|(_, fields)| {
        let field = fields.split(',').find_map(|field| field.strip_prefix("events=")).expect("events");
        field.trim_end_matches('i').parse::<u64>().expect("a count")
    });
    (windows.count(), events.sum())
}

/// The same without checkpoints: after a restart, open windows are read again.
pub(crate) fn without_state(config: &str) -> String {
    let is_state = |line: &&str| line.starts_with("state_dir = ");
    assert!(config.lines().any(|line| is_state(&line)), "{config}");
    config.lines().filter(|line| !is_state(line)).collect::<Vec<_>>().join("\n")
}

/// The same without the silence that closes windows: only later events do.
pub(crate) fn without_idleness(config: &str) -> String {
    config.replace("idle_timeout = \"2s\"", "idle_timeout = \"1h\"")
}

/// Waits until the database holds windows with so many events.
pub(crate) fn wait_for_events(database: &StandIn, events: u64) {
    eventually("all events are in windows", PATIENCE, || (windows(database).1 >= events).then_some(()));
    assert_eq!(windows(database).1, events, "nothing is counted twice");
}

/// Waits for a line in the log.
pub(crate) fn wait_for_log(daemon: &mut Daemon, text: &str) {
    let mut found = false;
    eventually(&format!("{text:?} in the log"), PATIENCE, || {
        found = daemon.process.log().contains(text);
        (found || !daemon.process.runs()).then_some(())
    });
    assert!(found || daemon.process.log().contains(text), "{}", daemon.process.log());
}
