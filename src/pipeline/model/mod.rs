//! One model inside the core: its reference, or the learning of it, and its
//! streams.

mod close;
mod restore;
mod spec;

use std::sync::Arc;

pub use self::spec::{ModelSpec, ModelStatus, ReferenceSpec, row_schema};
use super::{
    basis::Basis,
    counters::{Counters, DropReason},
    explanations::Explanations,
    join::{Half, Joiner, Offer, Waiting},
    judge::Judge,
    learn::{LearnedReference, Learner},
    recent::{Recent, RecentRow},
    stream::Stream,
};
use crate::{
    decode::{Envelope, Row, Schema},
    event::{EventKind, EventTime, Reject, RejectReason},
    meaning::Meaning,
    profile::FrequentNames,
    reference::ReferenceBuilder,
    result::{StreamKey, UNNAMED},
    window::{WindowSettings, pane_start},
};

#[derive(Debug)]
enum State {
    Learning(Box<Learner>),
    Ready { basis: Arc<Basis>, floor_end: Option<i64> },
}

#[derive(Debug)]
pub(super) struct Model {
    spec: ModelSpec,
    state: State,
    meaning: Meaning,
    /// Its windows began anew at the last restart: the messages that are read
    /// again are for it.
    begins_anew: bool,
    streams: Vec<Stream>,
    last_stream: usize,
    joiner: Option<Joiner>,
    unknown: FrequentNames,
    has_dirty: bool,
    /// Made when the first window is judged.
    judge: Option<Judge>,
    /// Made with the first event, of a model that is explained.
    recent: Option<Recent>,
}

/// The parts of the core that a model needs while it takes an event.
pub(super) struct TakeContext<'a> {
    pub(super) settings: &'a WindowSettings,
    pub(super) watermark: Option<EventTime>,
    /// End of the last window that was delivered before a restart.
    pub(super) floor: Option<i64>,
    pub(super) counters: &'a mut Counters,
    pub(super) explanations: &'a mut Explanations,
}

/// What the core has to remember about an event that was taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Taken {
    /// It is in the pane that starts here, or waits for it.
    InPane(i64),
    /// It is in the reference that is being learned.
    Learned,
    /// It was left out, and counted as such.
    Dropped,
}

impl Model {
    pub(super) fn new(spec: ModelSpec, settings: &WindowSettings) -> Self {
        let state = initial_state(&spec, settings);
        let reference = match &state {
            State::Ready { basis, .. } => Some(&basis.reference),
            State::Learning(_) => None,
        };
        let meaning = restore::meaning(&spec, reference);
        let joiner = spec.join.map(Joiner::new);
        Self {
            spec,
            state,
            meaning,
            begins_anew: false,
            streams: Vec::new(),
            last_stream: 0,
            joiner,
            unknown: FrequentNames::default(),
            has_dirty: false,
            judge: None,
            recent: None,
        }
    }

    /// Throws away all that came from events and begins again.
    pub(super) fn restart(&mut self, settings: &WindowSettings) {
        self.streams.clear();
        if let Some(recent) = &mut self.recent {
            recent.clear();
        }
        self.has_dirty = false;
        self.joiner = self.spec.join.map(Joiner::new);
        if matches!(self.state, State::Learning(_)) {
            (self.judge, self.recent) = (None, None);
            self.state = initial_state(&self.spec, settings);
        }
    }

    /// The decoder's view of the columns, once there is a reference.
    pub(super) fn schema(&self) -> Option<Schema> {
        let State::Ready { basis, .. } = &self.state else { return None };
        Some(row_schema(&basis.reference, &self.spec.overrides))
    }

    /// Whether its windows keep samples of their rows.
    pub(super) fn samples(&self) -> bool {
        matches!(&self.state, State::Ready { basis, .. } if basis.sample_rows > 0)
    }

    /// How long after the watermark a window has to wait for joins.
    pub(super) fn join_timeout_ms(&self) -> i64 {
        self.joiner.as_ref().map_or(0, Joiner::timeout_ms)
    }

    /// Takes one decoded event.
    pub(super) fn take(
        &mut self,
        envelope: &Envelope<'_>,
        payload: &[u8],
        row: &Row,
        context: &mut TakeContext<'_>,
    ) -> Result<Taken, Reject> {
        let floor_end = match &mut self.state {
            State::Learning(learner) => {
                let surplus = learner.surplus();
                if learner.take(envelope) {
                    context.counters.learned_rows += 1;
                    context.counters.unknown_features += learner.surplus() - surplus;
                    return Ok(Taken::Learned);
                }
                context.counters.drop(DropReason::Learning);
                return Ok(Taken::Dropped);
            }
            State::Ready { floor_end, .. } => *floor_end,
        };
        self.note_unknown(payload, row, context.counters);
        let pane = pane_start(context.settings, envelope.time).0;
        // Features may be for a prediction that is later by as much.
        let joins_later = envelope.kind == EventKind::Feature && self.joiner.is_some();
        let latest = envelope.time.plus_ms(if joins_later { self.join_timeout_ms() } else { 0 });
        let latest = pane_start(context.settings, latest).0;
        if let Some(reason) = self.drop_reason(latest, floor_end, context) {
            context.counters.drop(reason);
            return Ok(Taken::Dropped);
        }
        let floor = self.floor(context.floor);
        let stream = self.stream(envelope, context.settings, floor)?;
        match envelope.kind {
            EventKind::Label => {
                self.mark_dirty(stream, pane, context);
                if let (Some(stream), State::Ready { basis, .. }) =
                    (self.streams.get_mut(stream), &self.state)
                {
                    stream.add_label(basis, pane);
                }
                Ok(Taken::InPane(pane))
            }
            EventKind::Prediction if self.joiner.is_some() && envelope.features.is_none() => {
                Ok(self.join(envelope, Half::Prediction { stream }, row, context))
            }
            EventKind::Feature if self.joiner.is_some() => {
                Ok(self.join(envelope, Half::Features, row, context))
            }
            EventKind::Prediction | EventKind::Feature => {
                self.count(stream, pane, row, context);
                Ok(Taken::InPane(pane))
            }
        }
    }

    fn note_unknown(&mut self, payload: &[u8], row: &Row, counters: &mut Counters) {
        for span in &row.unknown {
            counters.unknown_features += 1;
            let name = payload.get(span.clone()).unwrap_or_default();
            if let Ok(name) = std::str::from_utf8(name) {
                self.unknown.note(name, 1);
            }
        }
    }

    /// The stream's number; makes it if there is room.
    fn stream(
        &mut self,
        envelope: &Envelope<'_>,
        settings: &WindowSettings,
        floor: Option<i64>,
    ) -> Result<usize, Reject> {
        let named = |text: &'_ str| if text.is_empty() { UNNAMED.to_owned() } else { text.to_owned() };
        let is = |key: &str, text: &str| key == text || (text.is_empty() && key == UNNAMED);
        let matches = |stream: &Stream| {
            is(&stream.key.version, &envelope.version) && is(&stream.key.variant, &envelope.variant)
        };
        if self.streams.get(self.last_stream).is_some_and(matches) {
            return Ok(self.last_stream);
        }
        let found = self.streams.iter().position(matches);
        if found.is_none() && self.streams.len() >= settings.max_streams {
            self.make_room(settings);
        }
        self.last_stream = match found {
            Some(index) => index,
            None if self.streams.len() >= settings.max_streams => {
                let detail = format!(
                    "model {:?} has {} versions and variants already; raise windows.max_streams if that is right",
                    self.spec.name,
                    self.streams.len()
                );
                return Err(Reject::new(RejectReason::TooManyStreams, detail));
            }
            None => {
                let State::Ready { basis, .. } = &self.state else { return Ok(0) };
                let key = StreamKey {
                    model: self.spec.name.clone(),
                    version: named(&envelope.version),
                    variant: named(&envelope.variant),
                };
                self.streams.push(Stream::new(key, basis, settings, floor));
                self.streams.len() - 1
            }
        };
        Ok(self.last_stream)
    }

    /// Why an event of this pane can't be counted any more, if it can't.
    fn drop_reason(
        &self,
        pane: i64,
        floor_end: Option<i64>,
        context: &TakeContext<'_>,
    ) -> Option<DropReason> {
        let last_end = pane + context.settings.size_ms;
        if context.floor.is_some_and(|floor| last_end <= floor) {
            return Some(DropReason::AlreadyDelivered);
        }
        if floor_end.is_some_and(|floor| last_end <= floor) {
            return Some(DropReason::Learning);
        }
        let closed = self.close_watermark(context.watermark)?;
        (last_end + context.settings.grace_ms <= closed).then_some(DropReason::Late)
    }

    fn close_watermark(&self, watermark: Option<EventTime>) -> Option<i64> {
        watermark.map(|time| time.0.saturating_sub(self.join_timeout_ms()))
    }

    fn join(
        &mut self,
        envelope: &Envelope<'_>,
        half: Half,
        row: &Row,
        context: &mut TakeContext<'_>,
    ) -> Taken {
        let (Some(joiner), Some(id)) = (self.joiner.as_mut(), envelope.id.as_deref()) else {
            context.counters.drop(DropReason::JoinNoId);
            return Taken::Dropped;
        };
        match joiner.offer(id, half, envelope.time, row) {
            Offer::Joined { stream, time, row } => {
                let pane = pane_start(context.settings, time).0;
                self.count(stream, pane, &row, context);
            }
            Offer::Waits(replaced) => {
                for row in &replaced {
                    self.give_up(row, DropReason::JoinFull, context);
                }
            }
        }
        Taken::InPane(pane_start(context.settings, envelope.time).0)
    }

    /// Counts a half that found no partner, or drops it.
    fn give_up(&mut self, waiting: &Waiting, reason: DropReason, context: &mut TakeContext<'_>) {
        match waiting.half {
            Half::Prediction { stream } => {
                context.counters.predictions_without_features += 1;
                let pane = pane_start(context.settings, waiting.time).0;
                self.count(stream, pane, &waiting.row, context);
            }
            Half::Features => context.counters.drop(reason),
        }
    }

    fn count(&mut self, stream: usize, pane: i64, row: &Row, context: &mut TakeContext<'_>) {
        self.mark_dirty(stream, pane, context);
        if let (Some(stream), State::Ready { basis, .. }) = (self.streams.get_mut(stream), &self.state) {
            if let Some(explain) = &self.spec.explain {
                let columns = basis.reference.columns.len();
                let recent = self.recent.get_or_insert_with(|| Recent::new(explain.recent_events, columns));
                recent.push(&stream.key, row.hash, &row.cells);
            }
            stream.add_row(basis, pane, row);
        }
    }

    fn mark_dirty(&mut self, stream: usize, pane: i64, context: &mut TakeContext<'_>) {
        let Some(closed) = self.close_watermark(context.watermark) else { return };
        if pane + context.settings.size_ms <= closed {
            self.mark_shares_stale(stream, pane, context.settings);
        }
        let floor = self.floor(context.floor);
        if let Some(stream) = self.streams.get_mut(stream)
            && stream.mark_dirty(context.settings, pane, floor, closed)
        {
            context.counters.late_counted += 1;
            self.has_dirty = true;
        }
    }

    /// A stream that began earlier than it seemed has its share of the false
    /// alarms from then on: what other streams said meanwhile was with more.
    fn mark_shares_stale(&mut self, stream: usize, pane: i64, settings: &WindowSettings) {
        let first_end = self.streams.get(stream).and_then(|stream| stream.first_end(settings));
        if first_end.is_some_and(|first| first <= pane + settings.slide_ms) {
            return;
        }
        self.streams.iter_mut().for_each(|stream| stream.mark_stale(pane + settings.size_ms, settings));
    }

    /// The reference, when the learning of it is complete.
    pub(super) fn finish_learning(
        &mut self,
        watermark: Option<EventTime>,
        settings: &WindowSettings,
    ) -> Option<Result<LearnedReference, String>> {
        let State::Learning(learner) = &self.state else { return None };
        if !learner.is_complete(watermark) {
            return None;
        }
        let state = std::mem::replace(&mut self.state, initial_state(&self.spec, settings));
        let State::Learning(learner) = state else { return None };
        Some(match learner.finish() {
            Ok((learned, covers_until)) => {
                let floor_end = Some(floor_end(settings, covers_until));
                self.meaning = restore::meaning(&self.spec, Some(&learned.reference));
                self.state = State::Ready {
                    basis: Basis::shared(
                        Arc::clone(&learned.reference),
                        &self.spec.drift,
                        self.spec.explain_rows(),
                        settings.size_ms,
                    ),
                    floor_end,
                };
                Ok(learned)
            }
            Err(error) => {
                Err(format!("model {}: the reference could not be learned: {error}", self.spec.name))
            }
        })
    }

    fn floor(&self, restart_floor: Option<i64>) -> Option<i64> {
        let State::Ready { floor_end, .. } = &self.state else { return restart_floor };
        restart_floor.max(*floor_end)
    }

    /// The last event whose id has this hash.
    pub(super) fn recent(&self, hash: u64) -> Option<RecentRow> {
        self.recent.as_ref()?.find(hash)
    }

    pub(super) fn is_learning(&self) -> bool {
        matches!(self.state, State::Learning(_))
    }

    pub(super) fn status(&self) -> ModelStatus {
        let (reference, learning) = match &self.state {
            State::Learning(learner) => (None, Some((learner.rows(), learner.target_rows()))),
            State::Ready { basis, .. } => (Some(Arc::clone(&basis.reference)), None),
        };
        let sizes = self.streams.iter().map(Stream::size);
        let (open_panes, state_bytes) = sizes.fold((0, 0), |sum, size| (sum.0 + size.0, sum.1 + size.1));
        ModelStatus {
            name: self.spec.name.clone(),
            reference,
            learning,
            streams: self.streams.iter().map(|stream| stream.key.clone()).collect(),
            unknown_features: self.unknown.most_frequent(),
            open_panes,
            state_bytes,
            waiting: self.joiner.as_ref().map_or(0, Joiner::len),
        }
    }
}

fn initial_state(spec: &ModelSpec, settings: &WindowSettings) -> State {
    match &spec.reference {
        ReferenceSpec::Ready { reference, covers_until } => State::Ready {
            basis: Basis::shared(Arc::clone(reference), &spec.drift, spec.explain_rows(), settings.size_ms),
            floor_end: covers_until.map(|until| floor_end(settings, until)),
        },
        ReferenceSpec::Learn(learning) => {
            let builder = ReferenceBuilder::new(&spec.name, &spec.overrides, spec.learned.clone());
            State::Learning(Box::new(Learner::new(*learning, builder)))
        }
    }
}

/// End of the last window that starts before `covers_until`.
pub(super) fn floor_end(settings: &WindowSettings, covers_until: EventTime) -> i64 {
    let before = EventTime(covers_until.0 - 1);
    pane_start(settings, before).0 + settings.size_ms
}
