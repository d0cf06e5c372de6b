//! What commits say, and where a plan has reading start.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use driftline::{
    event::EventTime,
    source::{CheckpointId, Commit, Committed, Position, ReplayPlan, Resume, StartOffset, StartPlan},
};
use rdkafka::types::{RDKafkaApiKey, RDKafkaRespErr};

use crate::{
    support::mock_kafka::{Mock, Reading},
    with,
};

const CHECKPOINT: CheckpointId = CheckpointId { instance: 0xab, sequence: 12 };

/// Answers always the same, and keeps what it was shown.
#[derive(Debug)]
struct Fixed {
    answer: Resume,
    shown: Mutex<Vec<Vec<Committed>>>,
}

impl Fixed {
    fn new(starts: &[Option<i64>]) -> Arc<Self> {
        let answer = Resume {
            starts: starts.to_vec(),
            delivered_until: Some(EventTime(60_000)),
            checkpoint: Some(CHECKPOINT),
        };
        Arc::new(Self { answer, shown: Mutex::default() })
    }

    fn shown(&self) -> Vec<Vec<Committed>> {
        self.shown.lock().unwrap().clone()
    }
}

impl StartPlan for Fixed {
    fn resume(&self, committed: &[Committed]) -> Resume {
        self.shown.lock().unwrap().push(committed.to_vec());
        self.answer.clone()
    }
}

#[test]
fn a_commit_comes_back_with_all_that_it_said() {
    let mock = Mock::start(&[("t", 2)]);
    mock.write_numbers("t", 0, 0..10);
    mock.write_numbers("t", 1, 0..10);
    let settings = mock.settings(&["t"]);
    let mut first = Reading::start(&settings);
    first.until("all messages", |reading| reading.seen.len() == 20);
    let positions: Vec<_> = (0..)
        .zip(&first.assigned)
        .map(|(shift, &partition)| Position { partition, next: 8 + shift, replay: 3 + shift })
        .collect();
    let delivered_until = Some(EventTime(60_000));
    first.source.commit(first.epoch, Commit { positions, delivered_until, checkpoint: Some(CHECKPOINT) });
    first.close();
    let texts = mock.committed("t", 2);
    let text = |replay| format!("driftline/2 replay={replay} until=60000 by=00000000000000ab seq=12");
    assert_eq!(texts, [(8, text(3)), (9, text(4))], "lag tools see the next offset");

    let plan = Fixed::new(&[Some(8), Some(9)]);
    let mut second = Reading::with_plan(&settings, plan.clone());
    second.until("the rest", |reading| reading.seen.len() == 3);
    assert_eq!((second.offsets("t", 0), second.offsets("t", 1)), (vec![8, 9], vec![9]));
    second.close();
    let committed = |partition, offset, replay| Committed {
        topic: "t".to_owned(),
        partition,
        offset: Some(offset),
        replay: Some(replay),
        delivered_until: Some(EventTime(60_000)),
        checkpoint: Some(CHECKPOINT),
    };
    assert_eq!(plan.shown(), [[committed(0, 8, 3), committed(1, 9, 4)]]);

    let mut third = Reading::start(&settings);
    third.until("from the replay offsets", |reading| reading.seen.len() == 13);
    assert_eq!((third.offsets("t", 0), third.offsets("t", 1)), ((3..10).collect(), (4..10).collect()));
    assert_eq!(third.starts, [Some(3), Some(4)]);
    third.close();
}

#[test]
fn a_plan_wins_over_what_is_committed() {
    let mock = Mock::start(&[("t", 4)]);
    for partition in 0..4 {
        mock.write_numbers("t", partition, 0..10);
    }
    mock.commit("t", 0, 4, "");
    mock.commit("t", 1, 4, "driftline/1 delivered_until=120000");
    mock.commit("t", 2, 4, "of another program");
    // Before the commit, after it, and no position: neither said nor valid.
    let plan = Fixed::new(&[Some(2), Some(6), None, Some(-1)]);
    let mut reading = Reading::with_plan(&mock.settings(&["t"]), plan.clone());
    reading.until("all", |reading| reading.seen.len() == 8 + 4 + 10 + 10 && reading.all_caught_up());
    for (partition, start) in [(0, 2), (1, 6), (2, 0), (3, 0)] {
        assert_eq!(reading.offsets("t", partition), (start..10).collect::<Vec<_>>());
    }
    assert_eq!(reading.starts, [Some(2), Some(6), None, None]);
    assert_eq!(reading.delivered_until, Some(EventTime(60_000)));
    assert_eq!(reading.checkpoint, Some(CHECKPOINT));
    let shown = plan.shown();
    let said: Vec<_> = shown[0].iter().map(|one| (one.offset, one.delivered_until)).collect();
    assert_eq!(said, [(Some(4), None), (Some(4), Some(EventTime(120_000))), (Some(4), None), (None, None)]);

    // A partition that gave nothing new keeps the offset of the plan, and the
    // older one for readers who lack the checkpoint.
    let position = Position { partition: reading.assigned[0], next: 10, replay: 9 };
    let commit = Commit { positions: vec![position], delivered_until: None, checkpoint: Some(CHECKPOINT) };
    reading.source.commit(reading.epoch, commit);
    reading.close();
    let text = |replay| format!("driftline/2 replay={replay} until=60000 by=00000000000000ab seq=12");
    assert_eq!(mock.committed("t", 2), [(10, text(9)), (6, text(4))]);
}

#[test]
fn a_partition_without_a_commit_is_new_when_others_of_its_topic_have_one() {
    let mock = Mock::start(&[("old", 2), ("new", 1)]);
    for (topic, partition) in [("old", 0), ("old", 1), ("new", 0)] {
        mock.write_numbers(topic, partition, 0..10);
    }
    mock.commit("old", 0, 7, "");
    let mut settings = mock.settings(&["old", "new"]);
    settings.start = StartOffset::Latest;
    let mut reading = Reading::start(&settings);
    reading.until("all", |reading| reading.seen.len() == 13 && reading.all_caught_up());
    assert_eq!(reading.offsets("old", 0), [7, 8, 9]);
    assert_eq!(reading.offsets("old", 1), (0..10).collect::<Vec<_>>());
    reading.close();
}

#[test]
fn an_offset_that_is_gone_is_counted_and_reading_goes_on_at_the_oldest_message() {
    let mock = Mock::start(&[("t", 1)]);
    let large = "x".repeat(700_000);
    // The mock keeps 5 MiB.
    for _ in 0..12 {
        mock.write("t", 0, &large);
        mock.flush();
    }
    mock.commit("t", 0, 1, "driftline/2 replay=1");
    let mut reading = Reading::start(&mock.settings(&["t"]));
    reading.until("caught up", |reading| !reading.seen.is_empty() && reading.all_caught_up());
    let first = reading.offsets("t", 0)[0];
    assert!(first > 1, "{first}");
    assert!(reading.metric("driftline_source_offset_resets_total", "") >= 1.0);
    let gap = reading.metric("driftline_source_skipped_offsets_total", "");
    assert!((gap - f64::from(i32::try_from(first - 1).unwrap())).abs() < 0.5, "{gap} before {first}");
    reading.close();
}

/// Makes its second answer take longer than the group allows.
#[derive(Debug, Default)]
struct Slow(AtomicUsize);

impl StartPlan for Slow {
    fn resume(&self, committed: &[Committed]) -> Resume {
        if self.0.fetch_add(1, Ordering::Relaxed) == 1 {
            std::thread::sleep(Duration::from_secs(8));
        }
        ReplayPlan.resume(committed)
    }
}

#[test]
fn what_was_read_past_the_poll_interval_is_not_handed_over_as_if_it_were_new() {
    for strategy in ["range,roundrobin", "cooperative-sticky"] {
        let mock = Mock::start(&[("t", 2)]);
        mock.write_numbers("t", 0, 0..30);
        mock.write_numbers("t", 1, 0..30);
        let settings = with(mock.settings(&["t"]), "partition.assignment.strategy", strategy);
        let settings = with(settings, "max.poll.interval.ms", "6000");
        let mut reading = Reading::with_plan(&settings, Arc::new(Slow::default()));
        reading.until("all messages", |reading| reading.seen.len() == 60);
        let positions = reading.assigned.iter().map(|id| (*id, 10)).collect();
        reading.commit(reading.epoch, positions, None);
        mock.await_committed("t", 2, 10);
        // The member has to join again, and finds no time to say that it is there.
        let error = RDKafkaRespErr::RD_KAFKA_RESP_ERR_UNKNOWN_MEMBER_ID;
        mock.cluster.request_errors(RDKafkaApiKey::Heartbeat, &[error]);
        let exceeded = |reading: &Reading| reading.metric("driftline_source_errors_total", "poll_interval");
        reading.until("too late", |reading| exceeded(reading) >= 1.0);
        reading.until("begun anew", |reading| reading.epoch >= 5 && !reading.assigned.is_empty());
        reading.until("read again", |reading| reading.seen.len() >= 40 && reading.all_caught_up());
        for partition in 0..2 {
            assert_eq!(reading.offsets("t", partition), (10..30).collect::<Vec<_>>(), "{strategy}");
        }
        let lost = reading.metric("driftline_source_rebalances_total", "lost");
        assert!(lost >= 2.0, "{strategy}: forgotten, then too late: {lost}");
        reading.close();
    }
}
