//! The Kafka consumer against rdkafka's mock cluster: order, back-pressure,
//! commits, rebalances, lost assignments and brokers that go away.
//!
//! The mock cluster is a stand-in: it has no transactions, keeps about 5 MiB
//! per partition, and takes 3 s for a group's first assignment. It allows what
//! a real broker does not: errors and outages on demand. The real broker is
//! read in `tests/real_servers`.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod members;
mod plans;
#[path = "../support/mod.rs"]
mod support;
mod writers;

use std::time::{Duration, Instant};

use driftline::{
    event::{EventTime, PartitionId},
    source::{KafkaSettings, StartOffset},
};
use rdkafka::types::{RDKafkaApiKey, RDKafkaRespErr};

use self::support::mock_kafka::{Mock, Reading};

fn with(mut settings: KafkaSettings, key: &str, value: &str) -> KafkaSettings {
    settings.librdkafka.insert(key.to_owned(), value.to_owned().into());
    settings
}

#[test]
fn everything_arrives_once_in_order_with_key_and_headers() {
    let mock = Mock::start(&[("a", 2), ("b", 1)]);
    mock.write_numbers("a", 0, 0..1500);
    mock.write_numbers("a", 1, 0..700);
    mock.write_numbers("b", 0, 0..3);
    let mut reading = Reading::start(&mock.settings(&["a", "b"]));
    reading.until("all messages", |reading| reading.seen.len() >= 2203);
    for (topic, partition, count) in [("a", 0, 1500), ("a", 1, 700), ("b", 0, 3)] {
        assert_eq!(reading.offsets(topic, partition), (0..count).collect::<Vec<_>>());
    }
    for seen in &reading.seen {
        assert_eq!(seen.value, seen.offset.to_string());
        assert_eq!(seen.key.as_deref(), Some(&b"key"[..]));
        assert_eq!(seen.headers, [("origin".to_owned(), b"test".to_vec())]);
    }
    reading
        .until("they are counted", |reading| reading.metric("driftline_source_messages_total", "") > 2202.5);
    assert!(reading.metric("driftline_source_messages_total", "") < 2203.5);
    assert!(reading.metric("driftline_source_batches_total", "") >= 5.0);
    assert!(reading.metric("driftline_source_skipped_offsets_total", "").abs() < 0.5);
    reading.close();
}

#[test]
fn who_has_caught_up_is_told_after_the_messages_also_of_an_empty_partition() {
    let mock = Mock::start(&[("t", 2)]);
    mock.write_numbers("t", 0, 0..100);
    let mut reading = Reading::start(&mock.settings(&["t"]));
    reading.until("both caught up", Reading::all_caught_up);
    assert_eq!(reading.seen.len(), 100, "told after the last message");
    reading.until("the lag is known", |reading| reading.source.status().lag == Some(0));
    let status = reading.source.status();
    assert_eq!((status.assigned, status.caught_up, status.connected), (2, 2, true));
    assert_eq!(status.error, None);
    mock.write_numbers("t", 1, 0..5);
    reading.until("later messages", |reading| reading.offsets("t", 1).len() == 5);
    reading.until("caught up again", Reading::all_caught_up);
    reading.close();
}

#[test]
fn a_full_channel_pauses_reading_and_nothing_is_lost() {
    let mock = Mock::start(&[("t", 2)]);
    mock.write_numbers("t", 0, 0..6000);
    mock.write_numbers("t", 1, 0..6000);
    let mut reading = Reading::start(&mock.settings(&["t"]));
    let deadline = Instant::now() + support::mock_kafka::PATIENCE;
    while !reading.source.status().paused {
        assert!(Instant::now() < deadline, "never paused: {:?}", reading.source.status());
        std::thread::sleep(Duration::from_millis(20));
    }
    let lag = reading.source.status().lag;
    assert!(lag.is_none_or(|lag| lag > 0), "{lag:?}");
    reading.until("the rest", |reading| reading.seen.len() >= 12_000);
    for partition in 0..2 {
        assert_eq!(reading.offsets("t", partition), (0..6000).collect::<Vec<_>>());
    }
    assert_eq!(reading.epoch, 1, "pausing keeps the assignment");
    reading.until("caught up", Reading::all_caught_up);
    assert!(reading.metric("driftline_source_pauses_total", "") >= 1.0);
    assert!(!reading.source.status().paused);
    reading.close();
}

#[test]
fn a_restart_goes_on_exactly_at_the_commit_and_knows_what_was_delivered() {
    let mock = Mock::start(&[("t", 2)]);
    mock.write_numbers("t", 0, 0..10);
    mock.write_numbers("t", 1, 0..10);
    let settings = mock.settings(&["t"]);
    let mut first = Reading::start(&settings);
    first.until("all messages", |reading| reading.seen.len() == 20);
    assert_eq!(first.delivered_until, None);
    let names = first.source.topic_names();
    let id =
        |partition| first.assigned.iter().copied().find(|id| names.get(*id).unwrap().partition == partition);
    let (zero, one) = (id(0).unwrap(), id(1).unwrap());
    first.commit(first.epoch, vec![(zero, 4), (one, 9)], Some(EventTime(60_000)));
    first.commit(first.epoch, vec![(zero, 7)], Some(EventTime(120_000)));
    first.commit(first.epoch + 1, vec![(zero, 10), (one, 10)], Some(EventTime(180_000)));
    let registry = first.registry.clone();
    first.close();
    let commits = |outcome| support::mock_kafka::metric(&registry, "driftline_source_commits_total", outcome);
    assert!((commits("stale") - 1.0).abs() < 0.5);
    assert!(commits("refused").abs() < 0.5);

    let mut second = Reading::start(&settings);
    second.until("the rest", |reading| reading.seen.len() >= 4 && reading.all_caught_up());
    assert_eq!((second.offsets("t", 0), second.offsets("t", 1)), (vec![7, 8, 9], vec![9]));
    assert_eq!(second.delivered_until, Some(EventTime(120_000)), "the last word, for both partitions");
    second.close();
}

#[test]
fn of_different_words_about_what_was_delivered_the_oldest_counts() {
    let mock = Mock::start(&[("t", 4)]);
    mock.write_numbers("t", 0, 0..5);
    mock.commit("t", 0, 2, "driftline/1 delivered_until=120000");
    mock.commit("t", 1, 0, "driftline/1 delivered_until=60000");
    mock.commit("t", 2, 0, "of another program");
    let mut reading = Reading::start(&mock.settings(&["t"]));
    reading.until("all messages", |reading| reading.seen.len() == 3 && reading.all_caught_up());
    assert_eq!(reading.offsets("t", 0), [2, 3, 4]);
    assert_eq!(reading.delivered_until, Some(EventTime(60_000)));
    assert!((reading.metric("driftline_source_errors_total", "metadata") - 1.0).abs() < 0.5);
    // Nothing new was delivered: the word stays, and becomes everybody's.
    reading.commit(reading.epoch, reading.positions(), None);
    reading.close();
    let mut again = Reading::start(&mock.settings(&["t"]));
    again.until("assigned", |reading| reading.epoch == 1);
    assert_eq!(again.delivered_until, Some(EventTime(60_000)));
    again.close();
}

#[test]
fn a_lost_assignment_is_thrown_away_and_read_again() {
    for strategy in ["range,roundrobin", "cooperative-sticky"] {
        let mock = Mock::start(&[("t", 2)]);
        mock.write_numbers("t", 0, 0..30);
        mock.write_numbers("t", 1, 0..30);
        let settings = with(mock.settings(&["t"]), "partition.assignment.strategy", strategy);
        let mut reading = Reading::start(&settings);
        reading.until("all messages", |reading| reading.seen.len() == 60);
        let before = reading.epoch;
        let positions: Vec<_> = reading.assigned.iter().map(|id| (*id, 10)).collect();
        reading.commit(before, positions, None);
        mock.await_committed("t", 2, 10);
        // The coordinator forgot the member, as after a session that timed out.
        mock.cluster
            .request_errors(RDKafkaApiKey::Heartbeat, &[RDKafkaRespErr::RD_KAFKA_RESP_ERR_UNKNOWN_MEMBER_ID]);
        reading.until("lost", |reading| reading.epoch > before);
        reading.until("read again", |reading| reading.seen.len() >= 40 && reading.all_caught_up());
        for partition in 0..2 {
            assert_eq!(reading.offsets("t", partition), (10..30).collect::<Vec<_>>(), "{strategy}");
        }
        assert!(reading.metric("driftline_source_rebalances_total", "lost") >= 1.0, "{strategy}");
        reading.close();
    }
}

#[test]
fn reading_goes_on_after_an_outage_and_the_status_tells_of_it() {
    let mock = Mock::start(&[("t", 1)]);
    mock.write_numbers("t", 0, 0..10);
    let mut reading = Reading::start(&mock.settings(&["t"]));
    reading.until("caught up", |reading| reading.seen.len() == 10 && reading.all_caught_up());
    mock.cluster.broker_down(-1).unwrap();
    reading.until("the outage shows", |reading| {
        let status = reading.source.status();
        !status.connected && status.error.is_some() && status.caught_up == 0
    });
    assert!(!reading.all_caught_up(), "nothing is known about an unreachable partition");
    mock.cluster.broker_up(-1).unwrap();
    mock.write_numbers("t", 0, 10..20);
    reading
        .until("the rest", |reading| reading.offsets("t", 0).ends_with(&[18, 19]) && reading.all_caught_up());
    reading.until("no error any more", |reading| {
        let status = reading.source.status();
        status.connected && status.error.is_none()
    });
    assert!(reading.metric("driftline_source_errors_total", "broker") >= 1.0);
    reading.close();
}

#[test]
fn closing_without_a_broker_keeps_the_deadline() {
    let mock = Mock::start(&[("t", 1)]);
    mock.write_numbers("t", 0, 0..10);
    let settings = with(mock.settings(&["t"]), "session.timeout.ms", "30000");
    let mut reading = Reading::start(&settings);
    reading.until("all messages", |reading| reading.seen.len() == 10);
    mock.cluster.broker_down(-1).unwrap();
    reading.commit(reading.epoch, reading.positions(), None);
    let begun = Instant::now();
    let timeout = Duration::from_secs(2);
    // Closed or left behind, both are fine; hanging is not.
    let _either = reading.source.stop(timeout);
    assert!(begun.elapsed() < timeout + Duration::from_secs(5), "{:?}", begun.elapsed());
}

#[test]
fn a_source_without_any_broker_starts_tells_and_stops() {
    let mock = Mock::start(&[]);
    let mut settings = mock.settings(&["t"]);
    settings.brokers = "127.0.0.1:1".to_owned();
    let mut reading = Reading::start(&settings);
    reading.until("the trouble shows", |reading| reading.source.status().error.is_some());
    let error = reading.source.status().error.unwrap();
    assert!(error.contains("127.0.0.1:1"), "{error}");
    assert!(!reading.source.status().connected);
    reading.close();
}

#[test]
fn a_stop_is_told_by_the_last_event() {
    let mock = Mock::start(&[("t", 1)]);
    let mut reading = Reading::start(&mock.settings(&["t"]));
    reading.until("assigned", |reading| reading.epoch == 1);
    let Reading { source, events, .. } = reading;
    source.stop(Duration::from_secs(20)).expect("closed in time");
    let last = std::iter::from_fn(|| events.recv().ok()).last();
    assert!(matches!(last, Some(driftline::source::SourceEvent::Stopped(None))), "{last:?}");
}

#[test]
fn the_next_message_stays_the_next_over_a_restart() {
    let mock = Mock::start(&[("t", 1)]);
    mock.write_numbers("t", 0, 0..10);
    let mut settings = mock.settings(&["t"]);
    settings.start = StartOffset::Latest;
    let mut first = Reading::start(&settings);
    first.until("caught up", Reading::all_caught_up);
    assert_eq!(first.seen.len(), 0);
    mock.write_numbers("t", 0, 10..13);
    first.until("the next messages", |reading| reading.seen.len() == 3);
    // Nothing is committed: they must be read again.
    first.close();
    let mut second = Reading::start(&settings);
    second.until("read again", |reading| reading.seen.len() >= 3);
    assert_eq!(second.offsets("t", 0), [10, 11, 12]);
    second.close();
}

#[test]
fn unreadable_committed_offsets_make_it_join_again() {
    let mock = Mock::start(&[("t", 1)]);
    mock.write_numbers("t", 0, 0..10);
    let refused = [RDKafkaRespErr::RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED; 3];
    mock.cluster.request_errors(RDKafkaApiKey::OffsetFetch, &refused);
    let mut reading = Reading::start(&mock.settings(&["t"]));
    reading.until("the failure is told", |reading| reading.source.status().error.is_some());
    reading.until("all messages", |reading| reading.seen.len() >= 10 && reading.all_caught_up());
    assert_eq!(reading.offsets("t", 0), (0..10).collect::<Vec<_>>());
    assert!(reading.metric("driftline_source_rebalances_total", "failed") >= 1.0);
    reading.close();
}

#[test]
fn messages_larger_than_the_limit_are_handed_over_all_the_same() {
    let mock = Mock::start(&[("t", 1)]);
    let large = "x".repeat(900_000);
    mock.write("t", 0, &large);
    mock.write("t", 0, "small");
    mock.flush();
    let mut settings = with(mock.settings(&["t"]), "fetch.message.max.bytes", "1000");
    settings.max_message_bytes = 1000;
    let mut reading = Reading::start(&settings);
    reading.until("both", |reading| reading.seen.len() == 2);
    assert_eq!(reading.seen[0].value.len(), large.len());
    assert_eq!(reading.seen[1].value, "small");
    reading.close();
}

#[test]
fn numbers_of_partitions_stay_over_epochs() {
    let mock = Mock::start(&[("t", 3)]);
    let mut reading = Reading::start(&mock.settings(&["t"]));
    reading.until("assigned", |reading| reading.assigned.len() == 3);
    let mut ids: Vec<PartitionId> = reading.assigned.clone();
    ids.sort();
    assert_eq!(ids, [PartitionId(0), PartitionId(1), PartitionId(2)]);
    mock.cluster
        .request_errors(RDKafkaApiKey::Heartbeat, &[RDKafkaRespErr::RD_KAFKA_RESP_ERR_REBALANCE_IN_PROGRESS]);
    reading.until("assigned again", |reading| reading.epoch > 1 && reading.assigned.len() == 3);
    let mut again = reading.assigned.clone();
    again.sort();
    assert_eq!(again, ids);
    assert_eq!(reading.source.topic_names().len(), 3);
    reading.close();
}
