//! The release daemon at full speed for a long time: does its memory grow?
//!
//! `scripts/soak [MINUTES]`. The real program runs with a `state_dir` on a topic
//! that a producer keeps [`BACKLOG`] events ahead of it, with the time of day as
//! event time, so that windows close and checkpoints are written all the while.
//! Its resident memory is read from `/proc` every [`SAMPLE`].
//!
//! Printed: smallest, median and largest memory for each third of the run,
//! events, their rate, the processor time that one took, checkpoints and what
//! they cost. Fails when the last third's largest exceeds the first third's by
//! more than a tenth and 20 MB, when events were lost or counted twice, or when
//! the daemon ends. The topic's retention is small, and all files are deleted at
//! the end.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
#![allow(clippy::cast_possible_truncation, clippy::cast_precision_loss, clippy::cast_sign_loss)]

#[path = "../tests/support/mod.rs"]
mod support;

use std::{
    fs,
    path::Path,
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use rdkafka::{
    ClientConfig,
    producer::{BaseProducer, BaseRecord, Producer as _},
};
use support::{
    credit,
    mock_kafka::Mock,
    servers::{Api, Daemon, Kafka, Process, eventually, folder, free_port, http::block_on},
    stand_in::{Reply, StandIn},
};

/// Names the daemon's program; without it, the one that cargo has built.
const PROGRAM: &str = "DRIFTLINE_SOAK_PROGRAM";
const TOPIC: &str = "soak";
/// Many, since the stand-in for Kafka keeps 5 MiB of each.
const PARTITIONS: i32 = 16;
/// Events that the producer is ahead of the daemon.
const BACKLOG: u64 = 100_000;
/// Between two readings of the memory.
const SAMPLE: Duration = Duration::from_secs(5);
/// Parts of a checkpoint's cost, as labels of its metric.
const PHASES: [&str; 2] = ["take", "store"];
const MB: f64 = 1e6;
/// Only against a run that hangs.
const PATIENCE: Duration = Duration::from_secs(120);

/// A broker of this run's own.
enum Broker {
    Real(Kafka, String),
    StandIn(Mock),
}

impl Broker {
    fn start() -> Self {
        match Kafka::start() {
            Ok(kafka) => {
                // 32 MB of every partition: three times the backlog and more.
                let retention =
                    [("retention.bytes", "33554432"), ("segment.bytes", "8388608"), ("segment.ms", "60000")];
                let topic = kafka.topic_with(TOPIC, PARTITIONS, &retention);
                println!("broker: the real Kafka");
                Self::Real(kafka, topic)
            }
            Err(missing) => {
                println!("broker: a stand-in, since {}", missing.0);
                Self::StandIn(Mock::start(&[(TOPIC, PARTITIONS)]))
            }
        }
    }

    fn address(&self) -> String {
        match self {
            Self::Real(kafka, _) => kafka.brokers(),
            Self::StandIn(mock) => mock.brokers.clone(),
        }
    }

    fn topic(&self) -> String {
        match self {
            Self::Real(_, topic) => topic.clone(),
            Self::StandIn(_) => TOPIC.to_owned(),
        }
    }
}

/// What producer and observer tell each other.
#[derive(Default)]
struct Progress {
    sent: AtomicU64,
    processed: AtomicU64,
    stop: AtomicBool,
}

/// Keeps the topic ahead of the daemon until told to stop.
fn produce(address: &str, topic: &str, progress: &Progress) {
    let producer: BaseProducer = ClientConfig::new()
        .set("bootstrap.servers", address)
        .set("linger.ms", "20")
        .set("batch.size", "1000000")
        .set("queue.buffering.max.messages", "200000")
        .create()
        .unwrap();
    let mut number = 0_u64;
    while !progress.stop.load(Ordering::Relaxed) {
        if number >= progress.processed.load(Ordering::Relaxed) + BACKLOG {
            producer.poll(Duration::from_millis(1));
            continue;
        }
        let now = jiff::Timestamp::now().as_millisecond();
        for _ in 0..500 {
            let event = credit::event(number as u32, now);
            let partition = (number % PARTITIONS as u64) as i32;
            let record = BaseRecord::<(), str>::to(topic).partition(partition).payload(&event);
            if producer.send(record).is_err() {
                // Its queue is full.
                producer.poll(Duration::from_millis(5));
            } else {
                number += 1;
            }
        }
        producer.poll(Duration::ZERO);
        progress.sent.store(number, Ordering::Relaxed);
    }
    producer.flush(PATIENCE).unwrap();
    progress.sent.store(number, Ordering::Relaxed);
}

fn config(broker: &Broker, database: &StandIn, folder: &Path) -> String {
    let (brokers, topic, url) = (broker.address(), broker.topic(), database.url());
    let folder = folder.display();
    format!(
        r#"
state_dir = "{folder}/state"
[kafka]
brokers = "{brokers}"
group = "soak"
topics = ["{topic}"]
[windows]
size = "5s"
lateness = "5s"
idle_timeout = "10s"
[[models]]
name = "credit"
reference = "{folder}/credit.json"
[influxdb]
url = "{url}"
org = "team"
bucket = "drift"
"#
    )
}

/// Starts the daemon of the build that is asked for.
fn start(config: &Path) -> Daemon {
    let program = std::env::var_os(PROGRAM).unwrap_or_else(|| env!("CARGO_BIN_EXE_driftline").into());
    let api = Api { address: format!("127.0.0.1:{}", free_port()) };
    let mut command = Command::new(program);
    command.args(["run", "--http-listen", &api.address, "--config"]).arg(config);
    let mut process = Process::start("driftline", &command, config.parent().unwrap());
    process.wait_for("is alive", PATIENCE, || api.get("/live").filter(|answer| answer.status == 200));
    Daemon { process, api }
}

/// Resident bytes of a process, and its processor time so far.
fn resources(pid: u32) -> Option<(f64, Duration)> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let kib: f64 = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))?
        .split_whitespace()
        .next()?
        .parse()
        .ok()?;
    let mut cpu = Duration::ZERO;
    for task in fs::read_dir(format!("/proc/{pid}/task")).ok()? {
        let text = fs::read_to_string(task.ok()?.path().join("schedstat")).unwrap_or_default();
        cpu += Duration::from_nanos(text.split(' ').next().and_then(|ns| ns.parse().ok()).unwrap_or(0));
    }
    Some((kib * 1_024.0, cpu))
}

/// One reading.
struct Sample {
    resident: f64,
    processed: f64,
    backlog: f64,
    cpu: Duration,
}

/// Reads memory and progress until the time is over.
fn observe(daemon: &mut Daemon, progress: &Progress, length: Duration) -> Vec<Sample> {
    let start = Instant::now();
    let mut next = SAMPLE;
    let mut samples = Vec::new();
    while start.elapsed() < length {
        thread::sleep(Duration::from_millis(100));
        assert!(daemon.process.runs(), "the daemon ended:\n{}", daemon.process.log());
        let processed = daemon.api.metric("driftline_messages_processed_total", "");
        progress.processed.store(processed as u64, Ordering::Relaxed);
        if start.elapsed() < next {
            continue;
        }
        next += SAMPLE;
        let (resident, cpu) = resources(daemon.process.id()).expect("Linux, and the daemon runs");
        let backlog = progress.sent.load(Ordering::Relaxed) as f64 - processed;
        samples.push(Sample { resident, processed, backlog, cpu });
        if samples.len() % 12 == 0 {
            let minutes = start.elapsed().as_secs() / 60;
            println!("{minutes:>4} min  {:>6.1} MB  {processed:>12} events", resident / MB);
        }
    }
    samples
}

/// Smallest, median and largest of each third; the largest of the first and of
/// the last.
fn thirds(samples: &[Sample]) -> (f64, f64) {
    let mut largest = Vec::new();
    for (index, third) in samples.chunks(samples.len().div_ceil(3)).enumerate() {
        let mut resident: Vec<f64> = third.iter().map(|sample| sample.resident / MB).collect();
        resident.sort_by(f64::total_cmp);
        let (least, median, most) = (resident[0], resident[resident.len() / 2], resident[resident.len() - 1]);
        println!("third {}: {least:.1} min, {median:.1} median, {most:.1} max, in MB resident", index + 1);
        largest.push(most);
    }
    (largest[0], largest[largest.len() - 1])
}

fn report(samples: &[Sample], api: &Api) {
    let (first, last) = (&samples[0], &samples[samples.len() - 1]);
    let events = last.processed - first.processed;
    let seconds = SAMPLE.as_secs_f64() * (samples.len() - 1) as f64;
    let cpu = (last.cpu.saturating_sub(first.cpu)).as_secs_f64();
    let starved = samples.iter().filter(|sample| sample.backlog <= 0.0).count();
    println!(
        "events: {} processed, {:.0}/s, {:.0} ns of processor time each, {:.2} cores",
        last.processed,
        events / seconds,
        cpu * 1e9 / events,
        cpu / seconds
    );
    println!("backlog: empty in {starved} of {} readings", samples.len());
    let metric = |name: &str, labels: &str| api.metric(name, labels);
    println!("windows: {} closed", metric("driftline_windows_closed_total", ""));
    println!(
        "checkpoints: {} stored, {} failed, the last of {} bytes",
        metric("driftline_checkpoints_total", "outcome=\"stored\""),
        metric("driftline_checkpoints_total", "outcome=\"failed\""),
        metric("driftline_checkpoint_bytes", ""),
    );
    for phase in PHASES {
        let labels = format!("phase=\"{phase}\"");
        let count = metric("driftline_checkpoint_seconds_count", &labels);
        let mean = metric("driftline_checkpoint_seconds_sum", &labels) * 1e3 / count;
        println!("checkpoints: {mean:.2} ms each to {phase} ({count} times)");
    }
}

/// Every event that was sent is in a window or on its way there: none is lost,
/// refused or counted twice.
fn settle(daemon: &Daemon, sent: u64) {
    eventually("all events", PATIENCE, || {
        (daemon.api.metric("driftline_messages_processed_total", "") as u64 >= sent).then_some(())
    });
    let processed = daemon.api.metric("driftline_messages_processed_total", "") as u64;
    let refused = daemon.api.metric("driftline_messages_rejected_total", "") as u64;
    let dropped = daemon.api.metric("driftline_events_dropped_total", "") as u64;
    println!("events: {sent} sent, {processed} processed, {refused} refused, {dropped} left out");
    assert_eq!((processed, refused), (sent, 0));
}

fn main() {
    let Some(minutes) = std::env::args().skip(1).find_map(|argument| argument.parse::<f64>().ok()) else {
        println!("soak: takes long; scripts/soak runs it");
        return;
    };
    let folder = folder("soak");
    credit::store(&folder.join("credit.json"));
    let broker = Broker::start();
    let database = block_on(StandIn::start(|_| Reply::written()));
    let file = folder.join("driftline.toml");
    fs::write(&file, config(&broker, &database, &folder)).unwrap();
    let mut daemon = start(&file);
    let progress = Arc::new(Progress::default());
    let producer = {
        let (progress, address, topic) = (Arc::clone(&progress), broker.address(), broker.topic());
        thread::spawn(move || produce(&address, &topic, &progress))
    };
    println!("{minutes} minutes, a reading every {SAMPLE:?}");
    let samples = observe(&mut daemon, &progress, Duration::from_secs_f64(minutes * 60.0));
    progress.stop.store(true, Ordering::Relaxed);
    producer.join().unwrap();
    report(&samples, &daemon.api);
    settle(&daemon, progress.sent.load(Ordering::Relaxed));
    daemon.stop();
    drop(broker);
    let (first, last) = thirds(&samples);
    remove_all(&folder);
    let bound = first * 1.1 + 20.0;
    assert!(last <= bound, "memory grew: at most {last:.1} MB in the last third, more than {bound:.1} MB");
    println!("passed: at most {last:.1} MB in the last third, no more than {bound:.1} MB");
}

/// Deletes the folders of this process.
fn remove_all(folder: &Path) {
    let own = format!("{}-", std::process::id());
    for entry in fs::read_dir(folder.parent().unwrap()).unwrap() {
        let entry = entry.unwrap();
        if entry.file_name().to_string_lossy().starts_with(&own) {
            fs::remove_dir_all(entry.path()).unwrap();
        }
    }
}
