//! Where an assignment starts: the group's committed offsets, and the end of
//! the delivered windows in their metadata.

use std::{sync::atomic::Ordering, time::Duration};

use rdkafka::{
    Offset, TopicPartitionList,
    consumer::{BaseConsumer, Consumer},
    error::{KafkaError, KafkaResult},
    topic_partition_list::TopicPartitionListElem,
};

use super::{
    context::{Context, absolute},
    fill::quietly,
    metadata,
    metrics::{Metrics, Trouble},
    slots::Start,
};
use crate::{event::EventTime, source::StartOffset};

/// Limit of one question to the brokers; asked while the group waits for us.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);
/// Questions before the assignment is given up.
const ATTEMPTS: u32 = 3;

/// A topic and a partition number.
pub(super) type Pair = (String, i32);

/// What the group knows about the partitions of an assignment.
#[derive(Debug)]
pub(super) struct StartOffsets {
    pub(super) starts: Vec<Start>,
    /// In the order of `starts`; may be logical.
    offsets: Vec<Offset>,
    /// Starts that are to be committed at once.
    pub(super) pins: TopicPartitionList,
    /// The least over the partitions that have one. Their values differ when
    /// they were committed by members with different progress. A window after
    /// the least one may have been delivered without the messages of the
    /// partition that holds the least, and those are still to be read: taking
    /// a greater one would drop them as late. The price is that some windows
    /// may be written again. A member's own commits carry one value for all of
    /// its partitions, quiet ones included. A partition without a value has
    /// delivered nothing yet, and says nothing about what others did.
    pub(super) delivered_until: Option<EventTime>,
}

/// The elements of a list; librdkafka's null pointer for an empty one is not
/// looked at.
fn elements(list: &TopicPartitionList) -> Vec<TopicPartitionListElem<'_>> {
    if list.count() == 0 { Vec::new() } else { list.elements() }
}

pub(super) fn pairs(list: &TopicPartitionList) -> Vec<Pair> {
    elements(list).iter().map(|element| (element.topic().to_owned(), element.partition())).collect()
}

/// The first error that a broker gave for a partition.
pub(super) fn first_error(list: &TopicPartitionList) -> Option<KafkaError> {
    elements(list).iter().find_map(|element| element.error().err())
}

/// Asks the group's coordinator where `pairs` go on.
pub(super) fn find_starts(
    consumer: &BaseConsumer<Context>,
    context: &Context,
    pairs: &[Pair],
) -> KafkaResult<StartOffsets> {
    let mut attempt = 0;
    loop {
        attempt += 1;
        match ask(consumer, context, pairs) {
            Ok(found) => return Ok(found),
            Err(error) if attempt >= ATTEMPTS || context.closing.load(Ordering::Acquire) => {
                return Err(error);
            }
            Err(error) => {
                context.metrics.error(Trouble::Offsets);
                tracing::warn!(%error, attempt, "can't read the group's committed offsets; asking again");
            }
        }
    }
}

fn ask(consumer: &BaseConsumer<Context>, context: &Context, pairs: &[Pair]) -> KafkaResult<StartOffsets> {
    let mut found = StartOffsets {
        starts: Vec::new(),
        offsets: Vec::new(),
        pins: TopicPartitionList::new(),
        delivered_until: None,
    };
    if pairs.is_empty() {
        return Ok(found);
    }
    let mut list = TopicPartitionList::with_capacity(pairs.len());
    for (topic, partition) in pairs {
        list.add_partition(topic, *partition);
    }
    let committed = consumer.committed_offsets(list, ANSWER_TIMEOUT)?;
    for element in elements(&committed) {
        element.error()?;
        let (topic, partition) = (element.topic(), element.partition());
        let offset = match element.offset() {
            Offset::Offset(offset) => Offset::Offset(offset),
            _ => match context.start {
                StartOffset::Earliest => Offset::Beginning,
                StartOffset::Latest => {
                    let (_, end) = consumer.fetch_watermarks(topic, partition, ANSWER_TIMEOUT)?;
                    found.pins.add_partition_offset(topic, partition, Offset::Offset(end))?;
                    Offset::Offset(end)
                }
            },
        };
        let time = read_metadata(&element, &context.metrics);
        found.delivered_until = [found.delivered_until, time].into_iter().flatten().min();
        let start = Start { topic: topic.to_owned(), partition, offset: absolute(offset) };
        found.starts.push(start);
        found.offsets.push(offset);
    }
    Ok(found)
}

fn read_metadata(element: &TopicPartitionListElem<'_>, metrics: &Metrics) -> Option<EventTime> {
    // The binding panics when another program left bytes that are not UTF-8.
    let read = quietly(|| metadata::decode(element.metadata()));
    let Some(Ok(time)) = read else {
        metrics.error(Trouble::Metadata);
        tracing::warn!(
            topic = element.topic(),
            partition = element.partition(),
            "the committed offset was not written by this version of driftline; windows may be written again"
        );
        return None;
    };
    time
}

/// Puts the start offsets into an assignment.
pub(super) fn set(list: &mut TopicPartitionList, found: &StartOffsets) -> KafkaResult<()> {
    for (start, offset) in found.starts.iter().zip(&found.offsets) {
        if let Some(mut element) = list.find_partition(&start.topic, start.partition) {
            element.set_offset(*offset)?;
        }
    }
    Ok(())
}

/// Moves partitions that are being read to their start offsets.
pub(super) fn seek(
    consumer: &BaseConsumer<Context>,
    pairs: &[Pair],
    found: &StartOffsets,
) -> KafkaResult<()> {
    let mut list = TopicPartitionList::with_capacity(pairs.len());
    for (start, offset) in found.starts.iter().zip(&found.offsets) {
        if pairs.iter().any(|(topic, partition)| *topic == start.topic && *partition == start.partition) {
            list.add_partition_offset(&start.topic, start.partition, *offset)?;
        }
    }
    if list.count() == 0 {
        return Ok(());
    }
    let answered = consumer.seek_partitions(list, ANSWER_TIMEOUT)?;
    first_error(&answered).map_or(Ok(()), Err)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_list_has_no_elements_and_no_errors() {
        for list in [TopicPartitionList::new(), TopicPartitionList::with_capacity(0)] {
            assert!(pairs(&list).is_empty() && first_error(&list).is_none());
        }
    }
}
