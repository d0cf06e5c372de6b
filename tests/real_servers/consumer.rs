//! The consumer against a real broker: what the mock cluster can't do or does
//! differently.

use std::time::Duration;

use driftline::source::{KafkaSettings, StartOffset, connect_check};
use rdkafka::{
    ClientConfig,
    producer::{BaseProducer, BaseRecord, Producer as _},
};

use crate::support::{
    mock_kafka::{PATIENCE, Reading},
    servers::{Kafka, or_skip},
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

#[test]
#[ignore = "needs real servers: run scripts/test"]
fn every_group_protocol_reads_shares_and_goes_on_at_the_commit() {
    let Some(kafka) = or_skip(Kafka::shared()) else { return };
    let protocols: [&[(&str, &str)]; 3] =
        [&[], &[("partition.assignment.strategy", "cooperative-sticky")], &[("group.protocol", "consumer")]];
    for extra in protocols {
        let topic = kafka.topic("shared", 4);
        let producer = producer(kafka, &[]);
        (0..4).for_each(|partition| write(&producer, &topic, partition, 50));
        let settings = settings(kafka, &topic, extra);
        let mut first = Reading::start(&settings);
        first.until("all alone", |reading| reading.seen.len() == 200);
        let positions = first.positions().into_iter().map(|(id, _)| (id, 20)).collect();
        first.commit(first.epoch, positions, None);
        // A commit that was asked for is done before the close.
        first.close();
        let mut first = Reading::start(&settings);
        first.until("from the commit", |reading| reading.seen.len() == 120);
        let mut second = Reading::start(&settings);
        while first.assigned.len() != 2 || second.assigned.len() != 2 {
            first.take_one(Duration::from_millis(20));
            second.take_one(Duration::from_millis(20));
        }
        for reading in [&mut first, &mut second] {
            reading.until("its share", |reading| reading.seen.len() >= 60 && reading.all_caught_up());
            for partition in 0..4 {
                let offsets = reading.offsets(&topic, partition);
                assert!(
                    offsets.is_empty() || offsets == (20..50).collect::<Vec<_>>(),
                    "{extra:?}: {offsets:?}"
                );
            }
        }
        second.close();
        first.until("all partitions again", |reading| {
            reading.assigned.len() == 4 && reading.seen.len() >= 120 && reading.all_caught_up()
        });
        first.close();
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
