//! What an event from a broker costs the daemon: CPU time of our own threads
//! (the consumer's, librdkafka's, the core's) per event, for a consumer that
//! throws messages away and for one that decodes and counts them.
//!
//! `cargo bench --bench from_broker [-- ROUNDS]`. The broker is rdkafka's mock
//! cluster in this process, a stand-in that is faster than any network; its
//! thread is left out by its name (`rdk:mock`). CPU time is read from
//! `/proc/self/task/*/schedstat`, so that other work on the machine changes
//! the wall time and only little of the figures.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    fs,
    sync::Arc,
    time::{Duration, Instant},
};

use driftline::{
    decode::EventMapping,
    pipeline::{Core, CoreSettings, Input, ModelSpec, Outputs, ReferenceSpec},
    reference::{ColumnRole, Reference, ReferenceBuilder, Value},
    source::{KafkaSettings, KafkaSource, ReplayPlan, SourceEvent, StartOffset},
    window::WindowSettings,
};
use rand::{Rng, RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rdkafka::{
    ClientConfig,
    mocking::MockCluster,
    producer::{BaseProducer, BaseRecord, Producer as _},
};

/// The daemon's allocator, which librdkafka uses as well.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const PARTITIONS: i32 = 64;
/// The mock keeps 5 MiB of a partition.
const EVENTS_PER_PARTITION: usize = 7_000;
const NUMBERS: usize = 20;
const CATEGORIES: [&str; 4] = ["red", "green", "blue", "violet"];
const START_MS: i64 = 1_767_225_600_000;

/// One prediction with 24 features in about 620 bytes.
fn event(rng: &mut impl Rng, number: usize) -> String {
    let time = START_MS + i64::try_from(number).unwrap() / 100;
    let mut text = format!(
        r#"{{"kind":"prediction","id":"{:016x}","time":{time},"model":"credit","version":"2026-01","features":{{"#,
        rng.random::<u64>()
    );
    for feature in 0..NUMBERS {
        let value: f64 = rng.random_range(0.0..1_000.0);
        write!(text, r#""feature_{feature:02}":{value:.3},"#).unwrap();
    }
    for feature in 0..4 {
        let value = CATEGORIES[rng.random_range(0..CATEGORIES.len())];
        write!(text, r#""kind_{feature}":"{value}","#).unwrap();
    }
    text.pop();
    write!(text, r#"}},"prediction":{:.4}}}"#, rng.random_range(0.0..1.0_f64)).unwrap();
    text
}

fn reference(rng: &mut impl Rng) -> Arc<Reference> {
    let mut builder = ReferenceBuilder::new("credit", &BTreeMap::new(), 10);
    let numbers: Vec<String> = (0..NUMBERS).map(|feature| format!("feature_{feature:02}")).collect();
    let kinds: Vec<String> = (0..4).map(|feature| format!("kind_{feature}")).collect();
    for _ in 0..20_000 {
        let mut cells = Vec::new();
        for name in &numbers {
            cells.push((name.as_str(), ColumnRole::Feature, Value::Number(rng.random_range(0.0..1_000.0))));
        }
        for name in &kinds {
            let value = CATEGORIES[rng.random_range(0..CATEGORIES.len())];
            cells.push((name.as_str(), ColumnRole::Feature, Value::Text(value)));
        }
        cells.push(("prediction", ColumnRole::Prediction, Value::Number(rng.random_range(0.0..1.0))));
        builder.push_row(cells);
    }
    Arc::new(builder.finish("bench".to_owned()).expect("there are rows").0)
}

/// Puts the events on a topic; gives their mean length.
fn fill(brokers: &str, topic: &str, compression: &str) -> usize {
    let producer: BaseProducer = ClientConfig::new()
        .set("bootstrap.servers", brokers)
        .set("compression.type", compression)
        .set("linger.ms", "50")
        .set("queue.buffering.max.messages", "1000000")
        .create()
        .unwrap();
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let mut bytes = 0;
    for number in 0..EVENTS_PER_PARTITION {
        for partition in 0..PARTITIONS {
            let text = event(&mut rng, number * 64);
            bytes += text.len();
            let record = BaseRecord::<(), str>::to(topic).partition(partition).payload(&text);
            producer.send(record).map_err(|(error, _)| error).unwrap();
        }
        if number % 100 == 0 {
            producer.flush(Duration::from_secs(60)).unwrap();
        }
    }
    producer.flush(Duration::from_secs(60)).unwrap();
    bytes / total()
}

fn total() -> usize {
    EVENTS_PER_PARTITION * usize::try_from(PARTITIONS).unwrap()
}

/// CPU time of every thread but the mock's, by name.
fn cpu() -> BTreeMap<String, Duration> {
    let mut by_name = BTreeMap::new();
    for task in fs::read_dir("/proc/self/task").unwrap() {
        let path = task.unwrap().path();
        // A thread may end between listing and reading.
        let Ok(name) = fs::read_to_string(path.join("comm")) else { continue };
        let Ok(stat) = fs::read_to_string(path.join("schedstat")) else { continue };
        let nanos: u64 = stat.split_whitespace().next().unwrap().parse().unwrap();
        if name.trim() != "rdk:mock" {
            *by_name.entry(name.trim().to_owned()).or_default() += Duration::from_nanos(nanos);
        }
    }
    by_name
}

/// What takes the messages.
trait Work {
    fn take(&mut self, batch: &driftline::event::MessageBatch);
}

struct ThrowAway;

impl Work for ThrowAway {
    fn take(&mut self, batch: &driftline::event::MessageBatch) {
        std::hint::black_box(batch.len());
    }
}

struct Count {
    core: Core,
    out: Outputs,
    topics: Vec<String>,
    rejected: usize,
}

impl Count {
    fn new(reference: &Arc<Reference>, topic: &str) -> Self {
        let ready = ReferenceSpec::Ready { reference: Arc::clone(reference), covers_until: None };
        let model = ModelSpec::new("credit", ready);
        let core = Core::new(CoreSettings {
            mapping: EventMapping::default(),
            windows: WindowSettings::default(),
            models: vec![model],
            max_message_bytes: 1 << 20,
            delivered_until: None,
        });
        let topics = vec![topic.to_owned(); usize::try_from(PARTITIONS).unwrap()];
        Self { core, out: Outputs::default(), topics, rejected: 0 }
    }
}

impl Work for Count {
    fn take(&mut self, batch: &driftline::event::MessageBatch) {
        self.out.clear();
        self.core.step(Input::Batch { batch, topics: &self.topics, now: None }, &mut self.out);
        self.rejected += self.out.rejects.len();
    }
}

/// Reads the whole topic once with a group of its own.
fn read(
    brokers: &str,
    topic: &str,
    group: &str,
    work: &mut impl Work,
) -> (Duration, BTreeMap<String, Duration>) {
    let settings = KafkaSettings {
        brokers: brokers.to_owned(),
        group: group.to_owned(),
        instance_id: None,
        topics: vec![topic.to_owned()],
        start: StartOffset::Earliest,
        dead_letter_topic: None,
        max_message_bytes: 1 << 20,
        close_timeout: Duration::from_secs(10),
        librdkafka: [("fetch.wait.max.ms".to_owned(), "10".to_owned().into())].into(),
    };
    let (source, events) =
        KafkaSource::start(&settings, &prometheus::Registry::new(), Arc::new(ReplayPlan)).unwrap();
    let mut begun: Option<(Instant, BTreeMap<String, Duration>)> = None;
    let mut seen = 0;
    while seen < total() {
        match events.recv().unwrap() {
            SourceEvent::Batch { batch, .. } => {
                begun.get_or_insert_with(|| (Instant::now(), cpu()));
                seen += batch.len();
                work.take(&batch);
                source.recycle(batch);
            }
            SourceEvent::Stopped(reason) => panic!("stopped: {reason:?}"),
            SourceEvent::Assigned { .. } | SourceEvent::CaughtUp { .. } => {}
        }
    }
    let (since, before) = begun.unwrap();
    let (wall, mut used) = (since.elapsed(), cpu());
    for (name, spent) in before {
        if let Some(sum) = used.get_mut(&name) {
            *sum = sum.saturating_sub(spent);
        }
    }
    used.retain(|_, spent| *spent > Duration::from_millis(1));
    source.stop(Duration::from_secs(20)).unwrap();
    (wall, used)
}

fn report(what: &str, (wall, used): &(Duration, BTreeMap<String, Duration>)) {
    let events = u32::try_from(total()).unwrap();
    let sum: Duration = used.values().sum();
    let nanos = (sum / events).as_nanos();
    let per_core = f64::from(events) / sum.as_secs_f64() / 1e6;
    let rate = f64::from(events) / wall.as_secs_f64() / 1e6;
    let threads: Vec<String> =
        used.iter().map(|(name, spent)| format!("{name} {}", (*spent / events).as_nanos())).collect();
    println!(
        "{what:<22} {nanos:>5} ns CPU/event = {per_core:.2} M events/s per core, {rate:.2} M/s wall  ({} ns)",
        threads.join(", ")
    );
}

fn main() {
    let rounds = std::env::args().skip(1).find_map(|argument| argument.parse().ok()).unwrap_or(3);
    let cluster = MockCluster::new(1).unwrap();
    let brokers = cluster.bootstrap_servers();
    let reference = reference(&mut ChaCha8Rng::seed_from_u64(2));
    for compression in ["none", "lz4"] {
        let topic = format!("events-{compression}");
        cluster.create_topic(&topic, PARTITIONS, 1).unwrap();
        let bytes = fill(&brokers, &topic, compression);
        println!("{} events of {bytes} bytes in {PARTITIONS} partitions, compression {compression}", total());
        for round in 0..rounds {
            let group = format!("throw-{compression}-{round}");
            report("throw away", &read(&brokers, &topic, &group, &mut ThrowAway));
            let mut count = Count::new(&reference, &topic);
            let group = format!("count-{compression}-{round}");
            let result = read(&brokers, &topic, &group, &mut count);
            report("decode and count", &result);
            assert_eq!(count.rejected, 0, "every event is counted");
        }
    }
}
