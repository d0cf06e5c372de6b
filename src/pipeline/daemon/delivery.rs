//! Everything that leaves the pipeline: results to InfluxDB, refused messages
//! to the dead-letter topic.
//!
//! Promises: nothing is dropped. What a server does not take waits here, and
//! while it does the pipeline takes no more messages, so that memory stays
//! bounded.

use std::time::Instant;

use tokio::runtime::Handle;

use super::commits::Mark;
use crate::{
    event::{MessageBatch, Reject},
    ops::Component,
    result::WindowResult,
    sink::{DeadLetters, InfluxSink, SinkStatus},
    source::PartitionNames,
};

/// Refused messages of one batch that the producer has not taken yet.
#[derive(Debug)]
struct Letters {
    batch: MessageBatch,
    rejects: Vec<(usize, Reject)>,
    sent: usize,
}

/// What could not be delivered in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Left {
    /// Points that InfluxDB does not have.
    pub(super) points: usize,
    /// Dead letters that the broker does not have.
    pub(super) letters: u64,
}

impl Left {
    /// Whether everything was delivered.
    pub(super) fn is_nothing(self) -> bool {
        self == Self { points: 0, letters: 0 }
    }
}

/// Where results and dead letters go.
#[derive(Debug)]
pub(super) struct Delivery {
    sink: Option<InfluxSink>,
    dead_letters: DeadLetters,
    waiting: Option<Letters>,
    given: Mark,
}

impl Delivery {
    /// Without a sink, results are delivered as soon as they are made.
    pub(super) fn new(sink: Option<InfluxSink>, dead_letters: DeadLetters) -> Self {
        Self { sink, dead_letters, waiting: None, given: Mark::default() }
    }

    /// Hands results to the sink.
    pub(super) fn submit(&mut self, results: &[WindowResult]) {
        if let Some(sink) = &self.sink
            && !results.is_empty()
        {
            self.given.ticket = sink.submit(results);
        }
    }

    /// Takes a batch with refused messages; [`Self::send_letters`] sends them.
    pub(super) fn put_aside(&mut self, batch: MessageBatch, rejects: Vec<(usize, Reject)>) {
        debug_assert!(self.waiting.is_none(), "no batch is taken while one waits");
        self.waiting = Some(Letters { batch, rejects, sent: 0 });
    }

    /// Sends refused messages until the producer is full; gives the batch back
    /// when all are sent.
    pub(super) fn send_letters(&mut self, names: &PartitionNames) -> Option<MessageBatch> {
        let letters = self.waiting.as_mut()?;
        while let Some((index, reject)) = letters.rejects.get(letters.sent) {
            // Both are always there: the index and the partition come from this batch.
            if let Some(message) = letters.batch.get(*index) {
                let (topic, partition) =
                    names.get(message.partition).map_or(("", -1), |name| (&*name.topic, name.partition));
                match self.dead_letters.send(&message, topic, partition, reject) {
                    Ok(number) => self.given.letter = self.given.letter.max(number),
                    Err(_full) => return None,
                }
            }
            letters.sent += 1;
        }
        self.waiting.take().map(|letters| letters.batch)
    }

    /// Whether no more messages may be taken at present.
    pub(super) fn is_blocked(&self) -> bool {
        self.waiting.is_some() || self.sink.as_ref().is_some_and(|sink| !sink.has_room())
    }

    /// Whether refused messages wait that the producer has not taken: no mark
    /// can wait for them yet.
    pub(super) fn has_unsent_letters(&self) -> bool {
        self.waiting.is_some()
    }

    /// What has been given out so far.
    pub(super) fn given(&self) -> Mark {
        self.given
    }

    /// What is done with.
    pub(super) fn done(&self) -> Mark {
        let ticket = self.sink.as_ref().map_or(self.given.ticket, InfluxSink::delivered);
        let letter = self.dead_letters.acknowledged();
        Mark { ticket, letter }
    }

    /// Delivers what waits and ends both, by `deadline`; gives what is left.
    pub(super) fn close(self, runtime: &Handle, deadline: Instant) -> Left {
        let remaining = || deadline.saturating_duration_since(Instant::now());
        let unsent = self.waiting.map_or(0, |letters| letters.rejects.len() - letters.sent);
        let points = self.sink.map_or(0, |sink| runtime.block_on(sink.close(remaining())));
        let letters = self.dead_letters.stop(remaining()) + unsent as u64;
        Left { points, letters }
    }

    /// How both stand.
    pub(super) fn components(&self) -> Vec<Component> {
        let mut components = Vec::new();
        if let Some(sink) = &self.sink {
            let component = match (sink.status(), sink.has_room()) {
                (SinkStatus::NotReady(reason), true) => Component::not_ready("influxdb", reason),
                (SinkStatus::NotReady(reason), false) => {
                    let waiting = sink.queued_points();
                    Component::not_ready(
                        "influxdb",
                        format!("{reason}; reading is paused, {waiting} points wait"),
                    )
                }
                (SinkStatus::Ready, _) => Component::ready("influxdb"),
            };
            components.push(component);
        }
        let trouble = self.dead_letters.trouble();
        let full = "the broker does not take dead letters fast enough; reading is paused until it does";
        let reason = trouble.or_else(|| self.waiting.is_some().then(|| full.to_owned()));
        components.push(Component { reason, ..Component::ready("dead_letters") });
        components
    }
}
