//! Where an assignment starts: what the group committed is shown to the plan,
//! whose answer counts.

use std::iter;

use rdkafka::{
    Offset, TopicPartitionList,
    consumer::{BaseConsumer, Consumer},
    error::{KafkaError, KafkaResult},
    topic_partition_list::TopicPartitionListElem,
};

use super::{
    context::{Context, absolute},
    fill::quietly,
    group::{ANSWER_TIMEOUT, ask_again},
    metadata::{self, Notes},
    metrics::{Metrics, Trouble},
    plan::{CheckpointId, Committed, Resume},
    slots::Start,
};
use crate::{event::EventTime, source::StartOffset};

/// A topic and a partition number.
pub(super) type Pair = (String, i32);

/// Where the partitions of an assignment start.
#[derive(Debug)]
pub(super) struct StartOffsets {
    pub(super) starts: Vec<Start>,
    /// In the order of `starts`; may be logical.
    offsets: Vec<Offset>,
    /// Starts that are to be committed at once.
    pub(super) pins: TopicPartitionList,
    /// Whether nothing may be read before `pins` are committed: the group names
    /// a checkpoint that reading does not begin with. Whoever holds it must not
    /// take it for the latest state once windows were written without it.
    pub(super) overtakes: bool,
    pub(super) delivered_until: Option<EventTime>,
    pub(super) checkpoint: Option<CheckpointId>,
}

impl StartOffsets {
    /// All partitions but `others`, with their offsets.
    pub(super) fn list_without(&self, others: &[Pair]) -> KafkaResult<TopicPartitionList> {
        let mut list = TopicPartitionList::with_capacity(self.starts.len());
        for (start, offset) in self.starts.iter().zip(&self.offsets) {
            if !start.is_one_of(others) {
                list.add_partition_offset(&start.topic, start.partition, *offset)?;
            }
        }
        Ok(list)
    }
}

impl Start {
    fn is_one_of(&self, pairs: &[Pair]) -> bool {
        pairs.iter().any(|(topic, partition)| *topic == self.topic && *partition == self.partition)
    }
}

/// The elements of a list; librdkafka's null pointer for an empty one is not
/// looked at.
fn elements(list: &TopicPartitionList) -> Vec<TopicPartitionListElem<'_>> {
    if list.count() == 0 { Vec::new() } else { list.elements() }
}

pub(super) fn pairs(list: &TopicPartitionList) -> Vec<Pair> {
    elements(list).iter().map(|element| (element.topic().to_owned(), element.partition())).collect()
}

pub(super) fn list(pairs: &[Pair]) -> TopicPartitionList {
    let mut list = TopicPartitionList::with_capacity(pairs.len());
    for (topic, partition) in pairs {
        list.add_partition(topic, *partition);
    }
    list
}

/// The first error that a broker gave for a partition.
pub(super) fn first_error(list: &TopicPartitionList) -> Option<KafkaError> {
    elements(list).iter().find_map(|element| element.error().err())
}

/// Asks the group's coordinator what is committed for `pairs`, and the plan
/// where they go on.
pub(super) fn find_starts(
    consumer: &BaseConsumer<Context>,
    context: &Context,
    pairs: &[Pair],
) -> KafkaResult<StartOffsets> {
    let committed = ask_again(context, || read_committed(consumer, pairs, &context.metrics))?;
    let resume = context.plan.resume(&committed);
    ask_again(context, || choose(consumer, context, &committed, &resume))
}

fn choose(
    consumer: &BaseConsumer<Context>,
    context: &Context,
    committed: &[Committed],
    resume: &Resume,
) -> KafkaResult<StartOffsets> {
    let mut found = StartOffsets {
        starts: Vec::new(),
        offsets: Vec::new(),
        pins: TopicPartitionList::new(),
        overtakes: resume.checkpoint.is_none() && committed.iter().any(|one| one.checkpoint.is_some()),
        delivered_until: resume.delivered_until,
        checkpoint: resume.checkpoint,
    };
    // Negative offsets are not positions.
    let known = resume.starts.iter().map(|start| start.filter(|offset| *offset >= 0));
    let known: Vec<_> = known.chain(iter::repeat(None)).take(committed.len()).collect();
    for (one, start) in committed.iter().zip(&known) {
        let offset = match start {
            Some(offset) => Offset::Offset(*offset),
            None if context.start == StartOffset::Earliest || is_new(one, committed, &known) => {
                Offset::Beginning
            }
            None => {
                let (_, end) = consumer.fetch_watermarks(&one.topic, one.partition, ANSWER_TIMEOUT)?;
                if !found.overtakes {
                    found.pins.add_partition_offset(&one.topic, one.partition, Offset::Offset(end))?;
                }
                Offset::Offset(end)
            }
        };
        let offset_known = absolute(offset);
        if let (true, Some(known)) = (found.overtakes, offset_known) {
            let mut pin = found.pins.add_partition(&one.topic, one.partition);
            pin.set_offset(offset)?;
            let replay = Some(known);
            let notes = Notes { replay, delivered_until: resume.delivered_until, checkpoint: None };
            pin.set_metadata(metadata::encode(notes));
        }
        found.starts.push(Start {
            topic: one.topic.clone(),
            partition: one.partition,
            offset: offset_known,
            replay: one.replay.or(one.offset).or(offset_known),
        });
        found.offsets.push(offset);
    }
    Ok(found)
}

/// Whether a partition without a position came after others of its topic were
/// read: then all that is in it is new, whatever `kafka.start` says.
fn is_new(one: &Committed, committed: &[Committed], known: &[Option<i64>]) -> bool {
    let others = committed.iter().zip(known);
    others.filter(|(other, _)| other.topic == one.topic).any(|(_, start)| start.is_some())
}

/// What the group has committed for `pairs`, in their order.
fn read_committed(
    consumer: &BaseConsumer<Context>,
    pairs: &[Pair],
    metrics: &Metrics,
) -> KafkaResult<Vec<Committed>> {
    if pairs.is_empty() {
        return Ok(Vec::new());
    }
    let answer = consumer.committed_offsets(list(pairs), ANSWER_TIMEOUT)?;
    let mut committed = Vec::with_capacity(pairs.len());
    for element in elements(&answer) {
        element.error()?;
        let notes = read_metadata(&element, metrics);
        committed.push(Committed {
            topic: element.topic().to_owned(),
            partition: element.partition(),
            offset: absolute(element.offset()),
            replay: notes.replay,
            delivered_until: notes.delivered_until,
            checkpoint: notes.checkpoint,
        });
    }
    Ok(committed)
}

fn read_metadata(element: &TopicPartitionListElem<'_>, metrics: &Metrics) -> Notes {
    // The binding panics when another program left bytes that are not UTF-8.
    let read = quietly(|| metadata::decode(element.metadata()));
    let Some(Ok(notes)) = read else {
        metrics.error(Trouble::Metadata);
        tracing::warn!(
            topic = element.topic(),
            partition = element.partition(),
            "the committed offset was not written by this version of driftline; windows may be written again"
        );
        return Notes::default();
    };
    notes
}

/// Moves partitions that are being read to their start offsets.
pub(super) fn seek(
    consumer: &BaseConsumer<Context>,
    pairs: &[Pair],
    found: &StartOffsets,
) -> KafkaResult<()> {
    let mut list = TopicPartitionList::with_capacity(pairs.len());
    for (start, offset) in found.starts.iter().zip(&found.offsets) {
        if start.is_one_of(pairs) {
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
