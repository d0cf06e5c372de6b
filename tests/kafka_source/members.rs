//! Several members of one group: one reads everything, the others stand by.

use std::time::{Duration, Instant};

use driftline::{
    event::EventTime,
    source::{CheckpointId, Commit, Position},
};
use rdkafka::types::{RDKafkaApiKey, RDKafkaRespErr};

use crate::{
    support::mock_kafka::{Mock, PATIENCE, Reading},
    with,
};

const CHECKPOINT: CheckpointId = CheckpointId { instance: 7, sequence: 3 };

/// Takes the events of all members until `done`, and sees to it that never two
/// of them read at a time.
fn together(members: &mut [&mut Reading], what: &str, done: impl Fn(&[&mut Reading]) -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !done(members) {
        let states: Vec<_> = members.iter().map(|member| member.source.status()).collect();
        assert!(Instant::now() < deadline, "{what}: {states:#?}");
        for (index, one) in members.iter().enumerate() {
            for other in &members[index + 1..] {
                let before = one.source.status();
                let meanwhile = other.source.status();
                let after = one.source.status();
                let same_epoch = before.epoch == after.epoch && before.assigned > 0 && after.assigned > 0;
                assert!(!(same_epoch && meanwhile.assigned > 0), "{what}: two read: {after:?} {meanwhile:?}");
            }
        }
        for member in &mut *members {
            member.take_one(Duration::from_millis(20));
        }
    }
}

/// One of them has everything and the other stands by; gives the reader first.
fn settled(mut one: Reading, mut other: Reading, partitions: usize) -> (Reading, Reading) {
    let reads = |one: &Reading, other: &Reading| {
        let (reader, waiting) = (one.source.status(), other.source.status());
        let is_reader = one.assigned.len() == partitions && reader.assigned == partitions && !reader.standby;
        is_reader && other.assigned.is_empty() && waiting.standby && waiting.assigned == 0
    };
    together(&mut [&mut one, &mut other], "one reads, one stands by", |members| {
        reads(members[0], members[1]) || reads(members[1], members[0])
    });
    if one.assigned.is_empty() { (other, one) } else { (one, other) }
}

/// Commits the same in all partitions.
fn commit(reading: &Reading, next: i64, replay: i64) {
    let position = |&partition: &_| Position { partition, next, replay };
    let positions = reading.assigned.iter().map(position).collect();
    let delivered_until = Some(EventTime(1_000));
    reading.source.commit(reading.epoch, Commit { positions, delivered_until, checkpoint: Some(CHECKPOINT) });
}

fn write_everywhere(mock: &Mock, values: std::ops::Range<u32>) {
    for (topic, partitions) in [("t", 3), ("u", 2)] {
        for partition in 0..partitions {
            mock.write_numbers(topic, partition, values.clone());
        }
    }
}

/// The offsets of every partition.
fn all_offsets(reading: &Reading) -> Vec<Vec<i64>> {
    let partitions = [("t", 0), ("t", 1), ("t", 2), ("u", 0), ("u", 1)];
    partitions.map(|(topic, partition)| reading.offsets(topic, partition)).to_vec()
}

fn everywhere(offsets: std::ops::Range<i64>) -> Vec<Vec<i64>> {
    vec![offsets.collect(); 5]
}

/// What two members must do together, whatever the strategy.
fn one_reads_and_the_other_takes_over(strategy: &str) {
    let mock = Mock::start(&[("t", 3), ("u", 2)]);
    write_everywhere(&mock, 0..50);
    let settings = with(mock.settings(&["u", "t"]), "partition.assignment.strategy", strategy);
    let mut first = Reading::start(&settings);
    first.until("all alone", |reading| reading.seen.len() == 250);
    assert!(!first.source.status().standby);
    commit(&first, 20, 10);
    // A rebalance that begins before the answer would have it refused.
    mock.await_committed("t", 3, 20);
    mock.await_committed("u", 2, 20);

    let second = Reading::start(&settings);
    let (mut reader, mut waiting) = settled(first, second, 5);
    let thrown_away = |reading: &Reading| reading.metric("driftline_source_discarded_messages_total", "");
    let before = thrown_away(&waiting);
    write_everywhere(&mock, 50..60);
    together(&mut [&mut reader, &mut waiting], "everything", |members| {
        all_offsets(members[0]).iter().all(|offsets| offsets.last() == Some(&59))
            && members[0].all_caught_up()
    });
    assert_eq!(waiting.seen.len(), 0, "{strategy}");
    assert!((thrown_away(&waiting) - before).abs() < 0.5, "{strategy}: fetched and thrown away");
    assert!((waiting.metric("driftline_source_standby", "") - 1.0).abs() < 0.5);
    assert!(reader.metric("driftline_source_standby", "").abs() < 0.5);
    // A cooperative member goes on where it is while it leads.
    let went_on = strategy == "cooperative-sticky" && reader.starts[0].is_none();
    let expected = if went_on { everywhere(0..60) } else { everywhere(10..60) };
    assert_eq!(all_offsets(&reader), expected, "{strategy}: each partition once");

    // Its commits are taken, whoever the partitions were given to.
    commit(&reader, 40, 30);
    mock.await_committed("t", 3, 40);
    mock.await_committed("u", 2, 40);
    reader.close();
    waiting.until("all partitions", |reading| reading.assigned.len() == 5);
    waiting.until("the rest", |reading| reading.seen.len() >= 150 && reading.all_caught_up());
    assert_eq!(all_offsets(&waiting), everywhere(30..60), "{strategy}");
    assert_eq!(waiting.delivered_until, Some(EventTime(1_000)));
    assert_eq!(waiting.checkpoint, None, "the plan knows of none");
    assert!(!waiting.source.status().standby);
    assert!(waiting.metric("driftline_source_standby", "").abs() < 0.5);
    waiting.close();
}

#[test]
fn one_reads_and_the_other_takes_over_with_eager_assignment() {
    one_reads_and_the_other_takes_over("range,roundrobin");
    one_reads_and_the_other_takes_over("roundrobin");
}

#[test]
fn one_reads_and_the_other_takes_over_with_cooperative_assignment() {
    one_reads_and_the_other_takes_over("cooperative-sticky");
}

#[test]
fn a_cooperative_standby_leaves_without_the_reader_beginning_anew() {
    let mock = Mock::start(&[("t", 3), ("u", 2)]);
    write_everywhere(&mock, 0..50);
    let settings = with(mock.settings(&["t", "u"]), "partition.assignment.strategy", "cooperative-sticky");
    let mut first = Reading::start(&settings);
    first.until("all alone", |reading| reading.seen.len() == 250);
    let (mut reader, waiting) = settled(first, Reading::start(&settings), 5);
    let epoch = reader.epoch;
    let rebalances = |reading: &Reading| reading.metric("driftline_source_rebalances_total", "assigned");
    let before = rebalances(&reader);
    waiting.close();
    reader.until("the group gave it everything", |reading| rebalances(reading) > before);
    write_everywhere(&mock, 50..60);
    reader.until("the rest", |reading| all_offsets(reading).iter().all(|one| one.last() == Some(&59)));
    assert_eq!(reader.epoch, epoch, "nothing begins anew");
    assert_eq!(all_offsets(&reader), everywhere(0..60));
    reader.close();
}

#[test]
fn a_reader_that_the_group_forgot_is_succeeded_and_stands_by() {
    for strategy in ["range,roundrobin", "cooperative-sticky"] {
        let mock = Mock::start(&[("t", 3), ("u", 2)]);
        write_everywhere(&mock, 0..30);
        let settings = with(mock.settings(&["t", "u"]), "partition.assignment.strategy", strategy);
        let mut first = Reading::start(&settings);
        first.until("all alone", |reading| reading.seen.len() == 150);
        commit(&first, 20, 10);
        mock.await_committed("t", 3, 20);
        let (reader, waiting) = settled(first, Reading::start(&settings), 5);
        // Both are told so with their next heartbeat.
        let forgotten = [RDKafkaRespErr::RD_KAFKA_RESP_ERR_UNKNOWN_MEMBER_ID; 2];
        let before = (reader.epoch, waiting.epoch);
        mock.cluster.request_errors(RDKafkaApiKey::Heartbeat, &forgotten);
        let (mut reader, mut waiting) = (reader, waiting);
        together(&mut [&mut reader, &mut waiting], "a change", |members| {
            (members[0].epoch, members[1].epoch) != before
        });
        let (mut reader, waiting) = settled(reader, waiting, 5);
        reader.until("read again", |reading| reading.seen.len() >= 100 && reading.all_caught_up());
        assert_eq!(all_offsets(&reader), everywhere(10..30), "{strategy}");
        waiting.close();
        reader.close();
    }
}

#[test]
fn without_the_first_topic_nobody_reads_and_it_is_said() {
    let mock = Mock::start(&[("t", 1)]);
    mock.cluster.topic_error("missing", RDKafkaRespErr::RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART).unwrap();
    let mut reading = Reading::start(&mock.settings(&["t", "missing"]));
    reading.until("it is said", |reading| {
        let status = reading.source.status();
        status.standby && status.error.is_some_and(|error| error.contains("topic \"missing\" does not exist"))
    });
    assert_eq!(reading.epoch, 0);
    reading.close();
}
