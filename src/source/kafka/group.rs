//! Which member of the group reads.
//!
//! A window spans all partitions, so one member must read all of them. The
//! group's own assignment decides which one, since the brokers see to it that
//! everybody agrees: the member that is given the *leading partition*, which
//! is partition 0 of the first topic by name, reads every partition of every
//! topic; the others stand by, members all the same, and one of them is given
//! the leading partition as soon as the reader leaves or is lost. Brokers take
//! the reader's commits for partitions that were given to others: they check
//! who commits, not what.

use std::{collections::BTreeSet, sync::atomic::Ordering, time::Duration};

use rdkafka::{
    consumer::{BaseConsumer, Consumer},
    error::{KafkaError, KafkaResult, RDKafkaErrorCode},
    metadata::MetadataTopic,
};

use super::{context::Context, metrics::Trouble, offsets::Pair};

/// Limit of one question to the brokers; asked while the group waits for us.
pub(super) const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);
/// Questions before the assignment is given up.
const ATTEMPTS: u32 = 3;

/// What the group gave to this member.
#[derive(Debug)]
pub(super) struct Share {
    /// All that are subscribed to, sorted.
    topics: Vec<String>,
    owned: BTreeSet<Pair>,
}

impl Share {
    pub(super) fn new(topics: &[String]) -> Self {
        let mut topics = topics.to_vec();
        topics.sort_unstable();
        Self { topics, owned: BTreeSet::new() }
    }

    pub(super) fn add(&mut self, pairs: Vec<Pair>) {
        self.owned.extend(pairs);
    }

    pub(super) fn remove(&mut self, pairs: &[Pair]) {
        for pair in pairs {
            self.owned.remove(pair);
        }
    }

    pub(super) fn clear(&mut self) {
        self.owned.clear();
    }

    /// Whether this member is the one that reads.
    pub(super) fn leads(&self) -> bool {
        self.leading_topic().is_some_and(|topic| self.owned.contains(&(topic.to_owned(), 0)))
    }

    pub(super) fn leading_topic(&self) -> Option<&str> {
        self.topics.first().map(String::as_str)
    }
}

/// Asks a broker up to three times.
pub(super) fn ask_again<T>(context: &Context, ask: impl Fn() -> KafkaResult<T>) -> KafkaResult<T> {
    let mut attempt = 0;
    loop {
        attempt += 1;
        match ask() {
            Ok(answer) => return Ok(answer),
            Err(error) if attempt >= ATTEMPTS || context.closing.load(Ordering::Acquire) => {
                return Err(error);
            }
            Err(error) => {
                context.metrics.error(Trouble::Offsets);
                tracing::warn!(%error, attempt, "can't find out where to start reading; asking again");
            }
        }
    }
}

/// Every partition of every topic, in order. A topic that does not exist has
/// none; when it is made, the group assigns anew.
pub(super) fn all_partitions(consumer: &BaseConsumer<Context>, share: &Share) -> KafkaResult<Vec<Pair>> {
    let mut all = Vec::new();
    for topic in &share.topics {
        all.extend(partitions(consumer, topic)?.into_iter().map(|partition| (topic.clone(), partition)));
    }
    if !share.owned.iter().all(|pair| all.contains(pair)) {
        // The broker that answered has not heard yet of what the group knows.
        return Err(KafkaError::MetadataFetch(RDKafkaErrorCode::UnknownPartition));
    }
    Ok(all)
}

/// The partitions of a topic; none when it can't be read.
pub(super) fn partitions(consumer: &BaseConsumer<Context>, topic: &str) -> KafkaResult<Vec<i32>> {
    let metadata = consumer.fetch_metadata(Some(topic), ANSWER_TIMEOUT)?;
    let found = metadata.topics().iter().find(|found| found.name() == topic);
    let mut numbers: Vec<i32> = found
        .map_or(&[][..], MetadataTopic::partitions)
        .iter()
        .map(rdkafka::metadata::MetadataPartition::id)
        .collect();
    numbers.sort_unstable();
    match found.and_then(MetadataTopic::error).map(RDKafkaErrorCode::from) {
        // Told by librdkafka; the group assigns no part of it.
        Some(
            RDKafkaErrorCode::UnknownTopicOrPartition
            | RDKafkaErrorCode::UnknownTopic
            | RDKafkaErrorCode::TopicAuthorizationFailed,
        ) => Ok(Vec::new()),
        Some(error) if numbers.is_empty() => Err(KafkaError::MetadataFetch(error)),
        _ => Ok(numbers),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair(topic: &str, partition: i32) -> Pair {
        (topic.to_owned(), partition)
    }

    #[test]
    fn whoever_has_partition_0_of_the_first_topic_by_name_leads() {
        let mut share = Share::new(&["b".to_owned(), "a".to_owned()]);
        assert!(!share.leads());
        share.add(vec![pair("b", 0), pair("a", 1)]);
        assert!(!share.leads());
        share.add(vec![pair("a", 0)]);
        assert!(share.leads());
        share.remove(&[pair("a", 1)]);
        assert!(share.leads());
        share.remove(&[pair("a", 0)]);
        assert!(!share.leads());
        share.add(vec![pair("a", 0)]);
        share.clear();
        assert!(!share.leads());
        assert!(!Share::new(&[]).leads());
    }
}
