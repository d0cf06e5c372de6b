//! The few numbers that we need of librdkafka's statistics.

use std::collections::HashMap;

use serde::Deserialize;

/// How one partition stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct PartitionStatistics {
    /// Topic name.
    pub(super) topic: String,
    /// Partition number.
    pub(super) partition: i32,
    /// Whether messages are being fetched from a broker that is connected.
    pub(super) fetching: bool,
    /// Everything before this offset was fetched.
    pub(super) fetched: Option<i64>,
    /// End of what may be read.
    pub(super) end: Option<i64>,
    /// Entries in the consumer's queue, of all partitions.
    pub(super) queued: u64,
}

/// One set of statistics.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Statistics {
    /// Whether any broker is connected.
    pub(super) connected: bool,
    /// The partitions that this consumer reads.
    pub(super) partitions: Vec<PartitionStatistics>,
    /// Whether the topics have other partitions, too.
    pub(super) has_unread: bool,
}

#[derive(Deserialize)]
struct Raw {
    #[serde(default)]
    brokers: HashMap<String, RawBroker>,
    #[serde(default)]
    topics: HashMap<String, RawTopic>,
}

#[derive(Deserialize)]
struct RawBroker {
    nodeid: i32,
    state: String,
}

#[derive(Deserialize)]
struct RawTopic {
    topic: String,
    #[serde(default)]
    partitions: HashMap<String, RawPartition>,
}

#[derive(Deserialize)]
struct RawPartition {
    partition: i32,
    broker: i32,
    desired: bool,
    fetch_state: String,
    fetchq_cnt: i64,
    next_offset: i64,
    hi_offset: i64,
    ls_offset: i64,
}

/// Reads librdkafka's JSON; `read_committed` says which end counts.
pub(super) fn parse(json: &[u8], read_committed: bool) -> Result<Statistics, serde_json::Error> {
    let raw: Raw = serde_json::from_slice(json)?;
    let up = |id: i32| raw.brokers.values().any(|broker| broker.nodeid == id && broker.state == "UP");
    let known = |offset: i64| (offset >= 0).then_some(offset);
    let mut partitions = Vec::new();
    let mut has_unread = false;
    for topic in raw.topics.values() {
        // Messages without a partition wait in number -1.
        for row in topic.partitions.values().filter(|row| row.partition >= 0) {
            has_unread |= !row.desired;
            if !row.desired {
                continue;
            }
            partitions.push(PartitionStatistics {
                topic: topic.topic.clone(),
                partition: row.partition,
                fetching: row.fetch_state == "active" && up(row.broker),
                fetched: known(row.next_offset),
                end: known(if read_committed { row.ls_offset } else { row.hi_offset }),
                queued: u64::try_from(row.fetchq_cnt).unwrap_or(0),
            });
        }
    }
    let connected = raw.brokers.values().any(|broker| broker.state == "UP");
    Ok(Statistics { connected, partitions, has_unread })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_owned_partitions_of_connected_brokers_count() {
        let json = br#"{"brokers": {"a": {"nodeid": 1, "state": "UP"}, "b": {"nodeid": 2, "state": "DOWN"}},
            "topics": {"t": {"topic": "t", "partitions": {
            "0": {"partition": 0, "broker": 1, "desired": true, "fetch_state": "active", "fetchq_cnt": 3,
                  "next_offset": 10, "hi_offset": 12, "ls_offset": 11, "more": 1},
            "1": {"partition": 1, "broker": 2, "desired": true, "fetch_state": "active", "fetchq_cnt": 0,
                  "next_offset": -1001, "hi_offset": -1001, "ls_offset": -1001},
            "2": {"partition": 2, "broker": 1, "desired": false, "fetch_state": "none", "fetchq_cnt": 0,
                  "next_offset": 0, "hi_offset": 0, "ls_offset": 0},
            "-1": {"partition": -1, "broker": -1, "desired": true, "fetch_state": "none", "fetchq_cnt": 0,
                  "next_offset": 0, "hi_offset": 0, "ls_offset": 0}}}}}"#;
        let mut statistics = parse(json, true).expect("well formed");
        assert!(statistics.connected && statistics.has_unread);
        statistics.partitions.sort_by_key(|row| row.partition);
        let [first, second] = &statistics.partitions[..] else { panic!("{statistics:?}") };
        assert_eq!((first.fetching, first.fetched, first.end, first.queued), (true, Some(10), Some(11), 3));
        assert_eq!((second.fetching, second.fetched, second.end), (false, None, None));
        let uncommitted = parse(json, false).expect("well formed");
        assert!(uncommitted.partitions.iter().any(|row| row.end == Some(12)));
        let all = br#"{"topics": {"t": {"topic": "t", "partitions": {
            "-1": {"partition": -1, "broker": -1, "desired": false, "fetch_state": "none", "fetchq_cnt": 0,
                  "next_offset": 0, "hi_offset": 0, "ls_offset": 0}}}}}"#;
        assert!(!parse(all, true).expect("well formed").has_unread);
        assert!(parse(b"{", true).is_err());
    }
}
