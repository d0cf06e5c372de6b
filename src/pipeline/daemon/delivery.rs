//! Everything that leaves the pipeline: results to InfluxDB, refused messages
//! to the dead-letter topic, notifications to receivers.
//!
//! Promises: nothing is dropped. What a server does not take waits here, and
//! while it does the pipeline takes no more messages, so that memory stays
//! bounded. With checkpoints, results wait in the outbox until one that holds
//! them is stored.

use std::{
    borrow::Cow,
    collections::VecDeque,
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::runtime::Handle;

use crate::{
    alert::{Alert, LABEL_MODEL, Notification},
    event::{MessageBatch, Reject},
    notify::Notifier,
    ops::Component,
    pipeline::{Ledger, Mark, Outputs, Undelivered},
    sink::{DeadLetters, InfluxSink, SinkStatus, Written},
    source::PartitionNames,
};

/// Receivers get this long to take what is on its way when the daemon ends; the
/// rest is in the checkpoint.
const LAST_WORDS: Duration = Duration::from_secs(5);

impl<'a> From<&'a Outputs> for Written<'a> {
    fn from(out: &'a Outputs) -> Self {
        Self {
            windows: &out.results,
            explanations: &out.explanations,
            events: &out.event_explanations,
            experiments: &out.experiments,
            alerts: &out.alerts.records,
        }
    }
}

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

fn is_of_model(alert: &Alert) -> bool {
    alert.labels.contains_key(LABEL_MODEL)
}

/// Where results, dead letters and notifications go.
#[derive(Debug)]
pub(super) struct Delivery {
    sink: Option<InfluxSink>,
    pub(super) ledger: Ledger,
    /// Tickets of the sink and the ledger's numbers, in order.
    under_way: VecDeque<(u64, u64)>,
    dead_letters: DeadLetters,
    waiting: Option<Letters>,
    last_letter: u64,
    notifier: Notifier,
    /// Alerts of the models, and of the daemon itself.
    levels: (Vec<Alert>, Vec<Alert>),
    /// How often a receiver was done with a notification.
    told: u64,
}

impl Delivery {
    /// Without a sink, results are delivered as soon as they are made.
    pub(super) fn new(
        sink: Option<InfluxSink>,
        dead_letters: DeadLetters,
        notifier: Notifier,
        ledger: Ledger,
    ) -> Self {
        Self {
            sink,
            ledger,
            under_way: VecDeque::new(),
            dead_letters,
            waiting: None,
            last_letter: 0,
            notifier,
            levels: (Vec::new(), Vec::new()),
            told: 0,
        }
    }

    /// Takes what is to be written, for the sink.
    pub(super) fn submit(&mut self, written: &Written<'_>) {
        if let Some(sink) = &self.sink {
            self.ledger.push(sink.encode(written));
        }
        self.move_on();
    }

    /// Takes what is to be told.
    pub(super) fn tell(&mut self, notifications: impl Iterator<Item = Notification>) {
        for notification in notifications {
            let receivers = self.notifier.receivers_for(&notification);
            tracing::info!(
                id = notification.id,
                reason = notification.reason.as_str(),
                alerts = notification.alerts.len(),
                receivers = receivers.join(", "),
                "a notification"
            );
            self.ledger.push_notice(notification, receivers);
        }
        self.move_on();
    }

    /// Takes the models' alerts as they stand in a stored checkpoint, for
    /// receivers that are told of levels.
    pub(super) fn set_levels(&mut self, alerts: &[Alert]) {
        self.levels.0 = alerts.iter().filter(|alert| is_of_model(alert)).cloned().collect();
        self.tell_levels();
    }

    /// Takes those of the daemon itself, which wait for no checkpoint.
    pub(super) fn set_own_levels(&mut self, alerts: &[Alert]) {
        self.levels.1 = alerts.iter().filter(|alert| !is_of_model(alert)).cloned().collect();
        self.tell_levels();
    }

    fn tell_levels(&self) {
        let (models, own) = &self.levels;
        self.notifier.set_alerts(Arc::new(models.iter().chain(own).cloned().collect()));
    }

    /// Changes whenever a receiver is done with a notification.
    pub(super) fn told(&self) -> u64 {
        self.told
    }

    /// Hands on what may leave, and takes note of what was delivered.
    pub(super) fn move_on(&mut self) {
        while let Some((number, lines)) = self.ledger.hand_on() {
            match &self.sink {
                Some(sink) => self.under_way.push_back((sink.submit_lines(lines), number)),
                None => self.ledger.delivered(number),
            }
        }
        let delivered = self.sink.as_ref().map_or(u64::MAX, InfluxSink::delivered);
        while let Some((_, number)) = self.under_way.front().filter(|(ticket, _)| *ticket <= delivered) {
            self.ledger.delivered(*number);
            self.under_way.pop_front();
        }
        self.ledger.settle(self.dead_letters.acknowledged());
        while let Some(leaving) = self.ledger.notices().hand_on() {
            self.notifier.submit(leaving.number, &leaving.notification, &leaving.receivers);
        }
        let done = self.notifier.take_done();
        self.note_told(done);
    }

    fn note_told(&mut self, done: Vec<(u64, String)>) {
        for (number, receiver) in done {
            self.told += u64::from(self.ledger.notices().done(number, &receiver));
        }
    }

    /// Has receivers told what is on its way, for so long as this may take. The
    /// rest has to be in a checkpoint, or is told again after the next start.
    pub(super) fn tell_finally(&mut self, runtime: &Handle, deadline: Instant) {
        let remaining = deadline.saturating_duration_since(Instant::now());
        let done = runtime.block_on(self.notifier.close(remaining.min(LAST_WORDS)));
        self.note_told(done);
    }

    /// A new assignment begins with a checkpoint, which holds these points and
    /// notifications.
    pub(super) fn restore(&mut self, outbox: &[Cow<'_, str>], notifications: &[Undelivered<'_>]) {
        self.withdraw();
        self.ledger.restore(outbox, notifications);
    }

    /// A new assignment begins without a checkpoint, or is empty.
    pub(super) fn restart(&mut self, is_empty: bool) {
        self.withdraw();
        self.ledger.restart(is_empty);
    }

    /// Takes back what the sink has not delivered.
    fn withdraw(&mut self) {
        if let Some(sink) = &self.sink {
            sink.withdraw();
        }
        self.under_way.clear();
        let done = self.notifier.take_done();
        self.note_told(done);
        self.notifier.withdraw();
        self.set_levels(&[]);
    }

    /// Number of the last dead letter.
    pub(super) fn last_letter(&self) -> u64 {
        self.last_letter
    }

    /// Number of the last dead letter that is in safety, with all before.
    pub(super) fn acknowledged_letter(&self) -> u64 {
        self.dead_letters.acknowledged()
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
                    Ok(number) => self.last_letter = self.last_letter.max(number),
                    Err(_full) => return None,
                }
            }
            letters.sent += 1;
        }
        self.waiting.take().map(|letters| letters.batch)
    }

    /// Whether no more messages may be taken at present.
    pub(super) fn is_blocked(&self) -> bool {
        self.waiting.is_some() || !self.has_room()
    }

    fn has_room(&self) -> bool {
        self.sink.as_ref().is_none_or(|sink| self.ledger.outbox().len() < sink.buffer_points())
    }

    /// Whether refused messages wait that the producer has not taken: no mark
    /// can wait for them yet.
    pub(super) fn has_unsent_letters(&self) -> bool {
        self.waiting.is_some()
    }

    /// What has been given out so far.
    pub(super) fn given(&self) -> Mark {
        self.ledger.given(self.last_letter)
    }

    /// What is done with.
    pub(super) fn done(&self) -> Mark {
        self.ledger.done(self.dead_letters.acknowledged())
    }

    /// Delivers what may leave and ends both, by `deadline`; gives what is left.
    pub(super) fn close(self, runtime: &Handle, deadline: Instant) -> Left {
        let remaining = || deadline.saturating_duration_since(Instant::now());
        let unsent = self.waiting.map_or(0, |letters| letters.rejects.len() - letters.sent);
        let held_back = self.ledger.outbox().held_back();
        let points = self.sink.map_or(0, |sink| runtime.block_on(sink.close(remaining())));
        let letters = self.dead_letters.stop(remaining()) + unsent as u64;
        Left { points: points + held_back, letters }
    }

    /// How both stand.
    pub(super) fn components(&self) -> Vec<Component> {
        let mut components = Vec::new();
        if let Some(sink) = &self.sink {
            let waiting = self.ledger.outbox().len();
            let component = match (sink.status(), self.has_room()) {
                (SinkStatus::NotReady(reason), true) => Component::not_ready("influxdb", reason),
                (SinkStatus::NotReady(reason), false) => Component::not_ready(
                    "influxdb",
                    format!("{reason}; reading is paused, {waiting} points wait"),
                ),
                (SinkStatus::Ready, true) => Component::ready("influxdb"),
                (SinkStatus::Ready, false) => {
                    Component::not_ready("influxdb", format!("reading is paused, {waiting} points wait"))
                }
            };
            components.push(component);
        }
        let trouble = self.dead_letters.trouble();
        let full = "the broker does not take dead letters fast enough; reading is paused until it does";
        let reason = trouble.or_else(|| self.waiting.is_some().then(|| full.to_owned()));
        components.push(Component { reason, ..Component::ready("dead_letters") });
        components.extend(self.notifier.status().into_iter().map(|status| {
            // Nobody else waits for a receiver: the daemon is ready without it.
            let name = format!("receiver {}", status.name);
            match status.problem {
                Some(problem) => Component::hampered(name, format!("{problem}; {} wait", status.waiting)),
                None => Component::ready(name),
            }
        }));
        components
    }
}
