//! rdkafka's mock cluster with what the tests of the consumer need around it:
//! a plain producer, and a reader that collects what a [`KafkaSource`] says.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        mpsc::{Receiver, RecvTimeoutError},
    },
    time::{Duration, Instant},
};

use driftline::{
    event::{EventTime, PartitionId},
    source::{
        CheckpointId, Commit, KafkaSettings, KafkaSource, Position, ReplayPlan, SourceEvent, StartOffset,
        StartPlan,
    },
};
use prometheus::Registry;
use rdkafka::{
    ClientConfig, Offset, TopicPartitionList,
    consumer::{BaseConsumer, CommitMode, Consumer as _},
    message::{Header, OwnedHeaders},
    mocking::MockCluster,
    producer::{BaseProducer, BaseRecord, DefaultProducerContext, Producer},
};

/// Only against hanging: everything is over long before.
pub const PATIENCE: Duration = Duration::from_secs(90);

/// A cluster and a producer for it.
pub struct Mock {
    pub cluster: MockCluster<'static, DefaultProducerContext>,
    pub brokers: String,
    producer: BaseProducer,
}

impl Mock {
    /// One broker and `topics` with their numbers of partitions.
    pub fn start(topics: &[(&str, i32)]) -> Self {
        let cluster = MockCluster::new(1).expect("a mock cluster");
        for (topic, partitions) in topics {
            cluster.create_topic(topic, *partitions, 1).expect("a topic");
        }
        let brokers = cluster.bootstrap_servers();
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", &brokers).set("linger.ms", "0");
        let producer = config.create().expect("a producer");
        Self { cluster, brokers, producer }
    }

    pub fn settings(&self, topics: &[&str]) -> KafkaSettings {
        let quick = [
            // The mock broker does not wake a waiting fetch.
            ("fetch.wait.max.ms", "10"),
            ("statistics.interval.ms", "200"),
            ("session.timeout.ms", "6000"),
            ("heartbeat.interval.ms", "500"),
            ("reconnect.backoff.max.ms", "500"),
        ];
        KafkaSettings {
            brokers: self.brokers.clone(),
            group: "driftline".to_owned(),
            instance_id: None,
            topics: topics.iter().map(|&topic| topic.to_owned()).collect(),
            start: StartOffset::Earliest,
            dead_letter_topic: None,
            max_message_bytes: 1 << 20,
            close_timeout: Duration::from_secs(10),
            librdkafka: quick.map(|(key, value)| (key.to_owned(), value.to_owned().into())).into(),
        }
    }

    /// Writes one message with a key and a header.
    pub fn write(&self, topic: &str, partition: i32, value: &str) {
        let header = Header { key: "origin", value: Some("test") };
        let record = BaseRecord::to(topic)
            .partition(partition)
            .key("key")
            .payload(value)
            .headers(OwnedHeaders::new().insert(header));
        self.producer.send(record).map_err(|(error, _)| error).expect("queued");
    }

    /// Writes `values` as text to one partition and waits for the broker.
    pub fn write_numbers(&self, topic: &str, partition: i32, values: std::ops::Range<u32>) {
        for value in values {
            self.write(topic, partition, &value.to_string());
        }
        self.flush();
    }

    /// Commits for the group from outside, with a text of one's own.
    pub fn commit(&self, topic: &str, partition: i32, offset: i64, metadata: &str) {
        let mut list = TopicPartitionList::new();
        list.add_partition(topic, partition).set_metadata(metadata);
        list.set_partition_offset(topic, partition, Offset::Offset(offset)).expect("a position");
        self.outsider().commit(&list, CommitMode::Sync).expect("taken");
    }

    /// A client of the group that does not join it.
    fn outsider(&self) -> BaseConsumer {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", &self.brokers).set("group.id", "driftline");
        config.create().expect("a consumer")
    }

    /// Waits until the group's committed offset is `offset` in each of a
    /// topic's partitions.
    pub fn await_committed(&self, topic: &str, partitions: i32, offset: i64) {
        let consumer = self.outsider();
        let deadline = Instant::now() + PATIENCE;
        loop {
            let mut list = TopicPartitionList::new();
            list.add_partition_range(topic, 0, partitions - 1);
            let committed = consumer.committed_offsets(list, PATIENCE).expect("an answer");
            if committed.elements().iter().all(|one| one.offset() == Offset::Offset(offset)) {
                return;
            }
            assert!(Instant::now() < deadline, "committed: {committed:?}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// The group's committed offsets of a topic, and the text with each.
    pub fn committed(&self, topic: &str, partitions: i32) -> Vec<(i64, String)> {
        let mut list = TopicPartitionList::new();
        list.add_partition_range(topic, 0, partitions - 1);
        let committed = self.outsider().committed_offsets(list, PATIENCE).expect("an answer");
        let of = |offset: Offset| offset.to_raw().expect("an offset");
        committed.elements().iter().map(|one| (of(one.offset()), one.metadata().to_owned())).collect()
    }

    pub fn flush(&self) {
        self.producer.flush(PATIENCE).expect("the broker takes everything");
    }
}

/// One message as the reader saw it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    pub topic: String,
    pub partition: i32,
    pub offset: i64,
    pub key: Option<Vec<u8>>,
    pub value: String,
    pub headers: Vec<(String, Vec<u8>)>,
}

/// A source, and everything that it said in its current epoch.
pub struct Reading {
    pub source: KafkaSource,
    pub events: Receiver<SourceEvent>,
    pub registry: Registry,
    pub epoch: u64,
    pub assigned: Vec<PartitionId>,
    /// Where each assigned partition starts.
    pub starts: Vec<Option<i64>>,
    pub delivered_until: Option<EventTime>,
    pub checkpoint: Option<CheckpointId>,
    pub seen: Vec<Seen>,
    pub caught_up: BTreeMap<PartitionId, bool>,
    /// Whether the thread ended, and why if by itself.
    pub stopped: (bool, Option<String>),
}

impl Reading {
    pub fn start(settings: &KafkaSettings) -> Self {
        Self::with_plan(settings, Arc::new(ReplayPlan))
    }

    pub fn with_plan(settings: &KafkaSettings, plan: Arc<dyn StartPlan>) -> Self {
        let registry = Registry::new();
        let (source, events) = KafkaSource::start(settings, &registry, plan).expect("good settings");
        Self {
            source,
            events,
            registry,
            epoch: 0,
            assigned: Vec::new(),
            starts: Vec::new(),
            delivered_until: None,
            checkpoint: None,
            seen: Vec::new(),
            caught_up: BTreeMap::new(),
            stopped: (false, None),
        }
    }

    /// Takes events until `done`; panics with what was seen when it takes too long.
    pub fn until(&mut self, what: &str, done: impl Fn(&Self) -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !done(self) {
            assert!(
                Instant::now() < deadline,
                "{what}: epoch {}, assigned {:?}, {} messages seen, caught up {:?}, status {:?}",
                self.epoch,
                self.assigned,
                self.seen.len(),
                self.caught_up,
                self.source.status()
            );
            self.take_one(Duration::from_millis(50));
        }
    }

    /// Takes one event if it comes in time.
    pub fn take_one(&mut self, wait: Duration) {
        match self.events.recv_timeout(wait) {
            Ok(event) => self.take(event),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => panic!("the source's thread is gone without a word"),
        }
    }

    fn take(&mut self, event: SourceEvent) {
        match event {
            SourceEvent::Assigned { epoch, partitions, delivered_until, checkpoint } => {
                assert!(epoch > self.epoch, "epochs only grow");
                self.epoch = epoch;
                (self.assigned, self.starts) = partitions.into_iter().unzip();
                self.checkpoint = checkpoint;
                self.delivered_until = delivered_until;
                self.seen.clear();
                self.caught_up.clear();
            }
            SourceEvent::Batch { epoch, batch } => {
                if epoch == self.epoch {
                    let names = self.source.topic_names();
                    for message in batch.iter() {
                        let name = names.get(message.partition).expect("named before it is used");
                        self.seen.push(Seen {
                            topic: name.topic.to_string(),
                            partition: name.partition,
                            offset: message.offset,
                            key: message.key.map(<[u8]>::to_vec),
                            value: String::from_utf8(message.value.unwrap_or_default().to_vec())
                                .expect("text"),
                            headers: message
                                .headers()
                                .map(|header| {
                                    let name = String::from_utf8(header.name.to_vec()).expect("text");
                                    (name, header.value.unwrap_or_default().to_vec())
                                })
                                .collect(),
                        });
                    }
                }
                self.source.recycle(batch);
            }
            SourceEvent::CaughtUp { epoch, partition, caught_up } => {
                if epoch == self.epoch {
                    self.caught_up.insert(partition, caught_up);
                }
            }
            SourceEvent::Stopped(reason) => self.stopped = (true, reason.map(|error| error.to_string())),
        }
    }

    /// The offsets seen of a partition, in the order in which they came.
    pub fn offsets(&self, topic: &str, partition: i32) -> Vec<i64> {
        let of_it = |seen: &&Seen| seen.topic == topic && seen.partition == partition;
        self.seen.iter().filter(of_it).map(|seen| seen.offset).collect()
    }

    pub fn all_caught_up(&self) -> bool {
        !self.assigned.is_empty() && self.assigned.iter().all(|id| self.caught_up.get(id) == Some(&true))
    }

    /// Commits as a reader without checkpoints does: from there it goes on.
    pub fn commit(&self, epoch: u64, offsets: Vec<(PartitionId, i64)>, delivered_until: Option<EventTime>) {
        let position = |(partition, next)| Position { partition, next, replay: next };
        let positions = offsets.into_iter().map(position).collect();
        self.source.commit(epoch, Commit { positions, delivered_until, checkpoint: None });
    }

    /// Positions after everything seen, for a commit.
    pub fn positions(&self) -> Vec<(PartitionId, i64)> {
        let names = self.source.topic_names();
        let mut positions = BTreeMap::new();
        for id in &self.assigned {
            let name = names.get(*id).expect("named");
            if let Some(last) = self.offsets(&name.topic, name.partition).last() {
                positions.insert(*id, last + 1);
            }
        }
        positions.into_iter().collect()
    }

    /// The value of a metric, summed over labels that contain `label`.
    pub fn metric(&self, name: &str, label: &str) -> f64 {
        metric(&self.registry, name, label)
    }

    pub fn close(self) {
        self.source.stop(Duration::from_secs(20)).expect("closed in time");
    }
}

/// The value of a metric, summed over the rows that have `label` as a value;
/// over all rows when `label` is empty.
pub fn metric(registry: &Registry, name: &str, label: &str) -> f64 {
    let families = registry.gather();
    let family = families.iter().find(|family| family.name() == name);
    let rows = family.into_iter().flat_map(prometheus::proto::MetricFamily::get_metric);
    rows.filter(|row| label.is_empty() || row.get_label().iter().any(|pair| pair.value() == label))
        .map(|row| row.get_counter().get_value() + row.get_gauge().get_value())
        .sum()
}
