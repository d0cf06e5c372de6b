//! The consumer against a real broker: what the mock cluster can't do or does
//! differently.

use std::time::{Duration, Instant};

use driftline::source::{CheckpointId, Commit, KafkaSettings, Position, StartOffset, connect_check};
use rdkafka::{
    ClientConfig, Offset, TopicPartitionList,
    consumer::{BaseConsumer, Consumer as _},
    producer::{BaseProducer, BaseRecord, Producer as _},
    topic_partition_list::TopicPartitionListElem,
};

use crate::support::{
    mock_kafka::{PATIENCE, Reading, metric},
    servers::{Kafka, eventually, or_skip},
};

fn settings(kafka: &Kafka, topic: &str, extra: &[(&str, &str)]) -> KafkaSettings {
    let librdkafka = [("statistics.interval.ms", "200")].iter().chain(extra);
    KafkaSettings {
        brokers: kafka.brokers(),
        group: format!("group-of-{topic}"),
        instance_id: None,
        topics: vec![topic.to_owned()],
        start: StartOffset::Earliest,
        dead_letter_topic: None,
        max_message_bytes: 1 << 20,
        close_timeout: Duration::from_secs(20),
        librdkafka: librdkafka.map(|&(key, value)| (key.to_owned(), value.to_owned().into())).collect(),
    }
}

fn producer(kafka: &Kafka, extra: &[(&str, &str)]) -> BaseProducer {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", kafka.brokers());
    for (key, value) in extra {
        config.set(*key, *value);
    }
    config.create().unwrap()
}

fn write(producer: &BaseProducer, topic: &str, partition: i32, count: usize) {
    for number in 0..count {
        let text = number.to_string();
        let record = BaseRecord::to(topic).partition(partition).key("key").payload(&text);
        producer.send(record).map_err(|(error, _)| error).unwrap();
    }
    producer.flush(PATIENCE).unwrap();
}

#[test]
#[ignore = "needs real servers: run scripts/test"]
fn markers_and_aborted_transactions_at_the_end_do_not_hide_that_all_was_read() {
    let Some(kafka) = or_skip(Kafka::shared()) else { return };
    let topic = kafka.topic("transactions", 2);
    let producer = producer(kafka, &[("transactional.id", &topic)]);
    producer.init_transactions(PATIENCE).unwrap();
    producer.begin_transaction().unwrap();
    write(&producer, &topic, 0, 10);
    producer.commit_transaction(PATIENCE).unwrap();
    producer.begin_transaction().unwrap();
    write(&producer, &topic, 0, 5);
    producer.abort_transaction(PATIENCE).unwrap();

    let mut reading = Reading::start(&settings(kafka, &topic, &[]));
    reading.until("caught up", Reading::all_caught_up);
    assert_eq!(reading.offsets(&topic, 0), (0..10).collect::<Vec<_>>(), "aborted ones are not events");
    reading.until("no lag", |reading| reading.source.status().lag == Some(0));

    // The next message stands behind two markers and five aborted messages.
    producer.begin_transaction().unwrap();
    write(&producer, &topic, 0, 1);
    producer.commit_transaction(PATIENCE).unwrap();
    reading.until("the next", |reading| reading.seen.len() == 11);
    assert_eq!(reading.offsets(&topic, 0).last(), Some(&17));
    assert!((reading.metric("driftline_source_skipped_offsets_total", "") - 7.0).abs() < 0.5);
    reading.close();
}

const PROTOCOLS: [&[(&str, &str)]; 3] =
    [&[], &[("partition.assignment.strategy", "cooperative-sticky")], &[("group.protocol", "consumer")]];

/// Takes the events of both until one reads all partitions and the other
/// stands by; gives the reader first.
fn settled(mut one: Reading, mut other: Reading, partitions: usize) -> (Reading, Reading) {
    let reads = |one: &Reading, other: &Reading| {
        let (reader, waiting) = (one.source.status(), other.source.status());
        one.assigned.len() == partitions && reader.assigned == partitions && waiting.standby
    };
    let deadline = Instant::now() + PATIENCE;
    while !reads(&one, &other) && !reads(&other, &one) {
        let states = (one.source.status(), other.source.status());
        assert!(Instant::now() < deadline, "{states:#?}");
        one.take_one(Duration::from_millis(20));
        other.take_one(Duration::from_millis(20));
    }
    if one.assigned.is_empty() { (other, one) } else { (one, other) }
}

fn commit(reading: &Reading, next: i64, replay: i64) {
    let position = |&partition: &_| Position { partition, next, replay };
    let positions = reading.assigned.iter().map(position).collect();
    let checkpoint = Some(CheckpointId { instance: 0xab, sequence: 5 });
    reading.source.commit(reading.epoch, Commit { positions, delivered_until: None, checkpoint });
}

/// Waits until the group has committed the same in all partitions of a topic.
fn await_committed(settings: &KafkaSettings, partitions: i32, offset: i64, text: &str) {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", &settings.brokers).set("group.id", &settings.group);
    let outsider: BaseConsumer = config.create().unwrap();
    eventually("committed", PATIENCE, || {
        let mut list = TopicPartitionList::new();
        list.add_partition_range(&settings.topics[0], 0, partitions - 1);
        let committed = outsider.committed_offsets(list, PATIENCE).unwrap();
        let is_it = |one: &TopicPartitionListElem<'_>| {
            one.offset() == Offset::Offset(offset) && one.metadata() == text
        };
        committed.elements().iter().all(is_it).then_some(())
    });
}

#[test]
#[ignore = "needs real servers: run scripts/test"]
fn in_every_group_protocol_one_reads_and_commits_all_and_the_other_takes_over() {
    let Some(kafka) = or_skip(Kafka::shared()) else { return };
    for extra in PROTOCOLS {
        let topic = kafka.topic("shared", 4);
        let producer = producer(kafka, &[]);
        (0..4).for_each(|partition| write(&producer, &topic, partition, 50));
        let settings = settings(kafka, &topic, extra);
        let mut first = Reading::start(&settings);
        first.until("all alone", |reading| reading.seen.len() == 200);
        commit(&first, 20, 10);
        // A commit that was asked for is done before the close.
        first.close();
        let mut first = Reading::start(&settings);
        first.until("from the replay offsets", |reading| reading.seen.len() == 160);

        let (mut reader, mut waiting) = settled(first, Reading::start(&settings), 4);
        reader.until("everything", |reading| reading.seen.len() >= 160 && reading.all_caught_up());
        for partition in 0..4 {
            assert_eq!(reader.offsets(&topic, partition), (10..50).collect::<Vec<_>>(), "{extra:?}");
        }
        // The other was given half of the partitions.
        commit(&reader, 40, 30);
        let text = "driftline/2 replay=30 by=00000000000000ab seq=5";
        await_committed(&settings, 4, 40, text);
        assert!(reader.metric("driftline_source_commits_total", "refused").abs() < 0.5, "{extra:?}");
        reader.close();
        waiting.until("taken over", |reading| reading.seen.len() >= 80 && reading.all_caught_up());
        for partition in 0..4 {
            assert_eq!(waiting.offsets(&topic, partition), (30..50).collect::<Vec<_>>(), "{extra:?}");
        }

        // A newcomer leaves again.
        let (mut reader, waiting) = settled(waiting, Reading::start(&settings), 4);
        waiting.close();
        (0..4).for_each(|partition| write(&producer, &topic, partition, 5));
        reader.until("what came after", |reading| {
            (0..4).all(|partition| reading.offsets(&topic, partition).last() == Some(&54))
        });
        reader.close();
    }
}

#[test]
#[ignore = "needs real servers: run scripts/test"]
fn a_named_member_restarts_without_the_other_noticing() {
    let Some(kafka) = or_skip(Kafka::shared()) else { return };
    for extra in PROTOCOLS {
        let topic = kafka.topic("named", 4);
        let producer = producer(kafka, &[]);
        (0..4).for_each(|partition| write(&producer, &topic, partition, 50));
        let named = |name: &str| KafkaSettings {
            instance_id: Some(name.to_owned()),
            ..settings(kafka, &topic, extra)
        };
        let one = Reading::start(&named("one"));
        let registry = one.registry.clone();
        let (mut reader, waiting) = settled(one, Reading::start(&named("two")), 4);
        let first_reads = metric(&registry, "driftline_source_assigned_partitions", "") > 0.5;
        let (reader_name, waiting_name) = if first_reads { ("one", "two") } else { ("two", "one") };
        reader.until("all", |reading| reading.seen.len() == 200 && reading.all_caught_up());
        let before = reader.epoch;
        let rebalances = |reading: &Reading| reading.metric("driftline_source_rebalances_total", "");
        let count = rebalances(&reader);

        // The one that stands by restarts.
        waiting.close();
        let mut waiting = Reading::start(&named(waiting_name));
        waiting.until("standing by again", |reading| reading.source.status().standby);
        assert_eq!((reader.epoch, rebalances(&reader)), (before, count), "{extra:?}");

        // The one that reads restarts.
        let (epoch, count) = (waiting.epoch, rebalances(&waiting));
        commit(&reader, 40, 30);
        reader.close();
        let mut reader = Reading::start(&named(reader_name));
        reader.until("reading again", |reading| reading.seen.len() == 80 && reading.all_caught_up());
        waiting.take_one(Duration::from_millis(500));
        assert_eq!((waiting.epoch, rebalances(&waiting)), (epoch, count), "{extra:?}");
        assert!(waiting.source.status().standby);
        waiting.close();
        reader.close();
    }
}

#[test]
#[ignore = "needs real servers: run scripts/test"]
fn new_partitions_are_read_from_their_beginning() {
    let Some(kafka) = or_skip(Kafka::shared()) else { return };
    for extra in PROTOCOLS {
        let topic = kafka.topic("grown", 2);
        let producer = producer(kafka, &[]);
        (0..2).for_each(|partition| write(&producer, &topic, partition, 10));
        let mut settings = settings(kafka, &topic, extra);
        settings.librdkafka.insert("topic.metadata.refresh.interval.ms".to_owned(), "1000".into());
        settings.start = StartOffset::Latest;
        let (reader, waiting) = settled(Reading::start(&settings), Reading::start(&settings), 2);
        let (mut reader, mut waiting) = (reader, waiting);
        reader.until("caught up", Reading::all_caught_up);
        commit(&reader, 10, 10);
        await_committed(&settings, 2, 10, "driftline/2 replay=10 by=00000000000000ab seq=5");
        kafka.grow(&topic, 4);
        // Written before the group knows of them, by a producer that does.
        let producer = self::producer(kafka, &[]);
        (2..4).for_each(|partition| write(&producer, &topic, partition, 10));
        let all_new = |reading: &Reading| {
            (2..4).all(|partition| reading.offsets(&topic, partition) == (0..10).collect::<Vec<_>>())
        };
        let deadline = Instant::now() + PATIENCE;
        while !all_new(&reader) && !all_new(&waiting) {
            let states = (reader.source.status(), waiting.source.status());
            assert!(Instant::now() < deadline, "{extra:?}: {states:#?}");
            reader.take_one(Duration::from_millis(20));
            waiting.take_one(Duration::from_millis(20));
        }
        assert!(reader.offsets(&topic, 0).is_empty() && waiting.offsets(&topic, 0).is_empty());
        reader.close();
        waiting.close();
    }
}

#[test]
#[ignore = "needs real servers: run scripts/test"]
fn the_check_tells_a_missing_topic_from_one_that_can_be_read() {
    let Some(kafka) = or_skip(Kafka::shared()) else { return };
    let topic = kafka.topic("check", 3);
    write(&producer(kafka, &[]), &topic, 1, 3);
    let mut settings = settings(kafka, &topic, &[]);
    assert!(connect_check(&settings, PATIENCE).iter().all(|line| line.ok));
    settings.topics.push("no-such-topic".to_owned());
    let lines = connect_check(&settings, PATIENCE);
    let bad: Vec<_> = lines.iter().filter(|line| !line.ok).collect();
    assert_eq!(bad.len(), 1, "{lines:#?}");
    assert!(bad[0].text.contains("\"no-such-topic\" does not exist"), "{lines:#?}");
}
