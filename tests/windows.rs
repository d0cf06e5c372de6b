//! What becomes of single events in the core: counted in a window, or counted
//! as left out with the reason.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::{collections::BTreeMap, sync::Arc};

use driftline::{
    decode::EventMapping,
    event::{EventTime, MessageBatch, PartitionId, RejectReason},
    pipeline::{
        Core, CoreSettings, Counters, DropReason, Input, JoinSettings, Learning, ModelSpec, Outputs,
        Position, ReferenceSpec,
    },
    reference::{ColumnRole, Reference, ReferenceBuilder, Value},
    result::Verdict,
    window::WindowSettings,
};

const START: i64 = 1_767_225_600_000;
const P0: PartitionId = PartitionId(0);

fn reference() -> ReferenceSpec {
    let mut builder = ReferenceBuilder::new("credit", &BTreeMap::new(), 10);
    for row in 0..200_u32 {
        builder.push_row([
            ("amount", ColumnRole::Feature, Value::Number(f64::from(row))),
            ("prediction", ColumnRole::Prediction, Value::Number(f64::from(row) / 200.0)),
        ]);
    }
    let reference: Reference = builder.finish("test".to_owned()).unwrap().0;
    ReferenceSpec::Ready { reference: Arc::new(reference), covers_until: None }
}

/// Windows of 10 s with 2 s of lateness.
fn windows() -> WindowSettings {
    WindowSettings {
        size_ms: 10_000,
        slide_ms: 10_000,
        lateness_ms: 2_000,
        min_events: 1,
        ..WindowSettings::default()
    }
}

/// A core, its offsets and everything that it gave.
struct Bench {
    core: Core,
    next: i64,
    out: Outputs,
    counters: Counters,
}

fn core(windows: WindowSettings, models: Vec<ModelSpec>) -> Core {
    Core::new(CoreSettings {
        mapping: EventMapping::default(),
        windows,
        models,
        max_message_bytes: 1_000,
        delivered_until: None,
    })
}

fn model(name: &str, reference: ReferenceSpec, join: Option<JoinSettings>) -> ModelSpec {
    ModelSpec { join, ..ModelSpec::new(name, reference) }
}

impl Bench {
    fn new(windows: WindowSettings, reference: ReferenceSpec, join: Option<JoinSettings>) -> Self {
        let mut core = core(windows, vec![model("credit", reference, join)]);
        core.step(Input::Assigned(P0, EventTime(START)), &mut Outputs::default());
        Self { core, next: 0, out: Outputs::default(), counters: Counters::default() }
    }

    fn plain() -> Self {
        Self::new(windows(), reference(), None)
    }

    fn take_at(&mut self, now: Option<i64>, payload: &str) {
        let mut batch = MessageBatch::default();
        batch.push(P0, self.next, None, Some(payload.as_bytes()));
        self.next += 1;
        self.core.step(Input::Batch { batch: &batch, topics: &[], now: now.map(EventTime) }, &mut self.out);
        self.counters = add(&self.counters, &self.core.take_counters());
    }

    /// A prediction `seconds` after the start.
    fn predict(&mut self, seconds: i64) {
        self.take_at(None, &prediction(seconds, "v1", r#""features":{"amount":5},"#));
    }

    fn ends(&self) -> Vec<(i64, u64)> {
        self.out.results.iter().map(|result| ((result.end.0 - START) / 1_000, result.events)).collect()
    }

    fn dropped(&self, reason: DropReason) -> u64 {
        self.counters.dropped[reason as usize]
    }
}

fn prediction(seconds: i64, version: &str, features: &str) -> String {
    let time = START + 1_000 * seconds;
    format!(
        r#"{{"kind":"prediction","id":"i{seconds}","time":{time},"model":"credit","version":"{version}",{features}"prediction":0.5}}"#
    )
}

fn add(a: &Counters, b: &Counters) -> Counters {
    let sum = |a: &[u64], b: &[u64]| -> Vec<u64> { a.iter().zip(b).map(|(a, b)| a + b).collect() };
    Counters {
        messages: a.messages + b.messages,
        bytes: a.bytes + b.bytes,
        decoded: sum(&a.decoded, &b.decoded).try_into().unwrap(),
        rejected: sum(&a.rejected, &b.rejected).try_into().unwrap(),
        dropped: sum(&a.dropped, &b.dropped).try_into().unwrap(),
        late_counted: a.late_counted + b.late_counted,
        predictions_without_features: a.predictions_without_features + b.predictions_without_features,
        unknown_features: a.unknown_features + b.unknown_features,
        learned_rows: a.learned_rows + b.learned_rows,
        windows_closed: a.windows_closed + b.windows_closed,
        windows_rewritten: a.windows_rewritten + b.windows_rewritten,
        unexplained: sum(&a.unexplained, &b.unexplained).try_into().unwrap(),
    }
}

#[test]
fn a_window_closes_when_the_watermark_passes_its_end() {
    let mut bench = Bench::plain();
    bench.predict(1);
    bench.predict(9);
    bench.predict(11);
    assert_eq!(bench.ends(), [], "an event of second 9 may still come");
    bench.predict(12);
    assert_eq!(bench.ends(), [(10, 2)]);
}

#[test]
fn without_a_grace_a_late_event_is_counted_and_left_out() {
    let mut bench = Bench::plain();
    for second in [1, 13, 9] {
        bench.predict(second);
    }
    assert_eq!(bench.ends(), [(10, 1)]);
    assert_eq!((bench.dropped(DropReason::Late), bench.counters.windows_rewritten), (1, 0));
}

#[test]
fn within_the_grace_a_late_event_writes_its_window_again() {
    let mut bench = Bench::new(WindowSettings { grace_ms: 5_000, ..windows() }, reference(), None);
    for second in [1, 13, 9, 17, 8] {
        bench.predict(second);
    }
    assert_eq!(bench.ends(), [(10, 1), (10, 2)], "the watermark at 15 ends the grace of the window at 10");
    assert_eq!((bench.counters.late_counted, bench.dropped(DropReason::Late)), (1, 1));
}

#[test]
fn one_clock_ahead_does_not_close_windows() {
    let mut bench = Bench::plain();
    let now = START + 5_000;
    bench.take_at(Some(now), &prediction(1, "v1", ""));
    bench.take_at(Some(now), &prediction(100_000, "v1", ""));
    assert_eq!(bench.out.rejects[0].1.reason, RejectReason::TooFarAhead);
    assert_eq!(bench.ends(), []);
    bench.take_at(Some(now), &prediction(6, "v1", ""));
    assert_eq!(bench.counters.rejected[RejectReason::TooFarAhead as usize], 1);
}

#[test]
fn everything_unusable_has_its_reason() {
    let time = START;
    let long = format!(r#"{{"time":{time},"model":"credit","prediction":1,"x":"{}"}}"#, "y".repeat(1_000));
    let name = format!(r#"{{"time":{time},"model":"credit","prediction":1,"id":"{}"}}"#, "y".repeat(257));
    let cases: [(&str, RejectReason); 13] = [
        ("{", RejectReason::NotJson),
        ("\u{1}", RejectReason::NotJson),
        ("[1]", RejectReason::NotAnObject),
        (&long, RejectReason::TooLarge),
        (&name, RejectReason::NameTooLong),
        (r#"{"model":"credit","prediction":1}"#, RejectReason::NoTime),
        (r#"{"time":"yesterday","model":"credit","prediction":1}"#, RejectReason::BadTime),
        (r#"{"time":1e30,"model":"credit","prediction":1}"#, RejectReason::BadTime),
        (r#"{"time":1767225600,"prediction":1}"#, RejectReason::NoModel),
        (r#"{"time":1767225600,"model":"other","prediction":1}"#, RejectReason::UnknownModel),
        (r#"{"time":1767225600,"model":7,"prediction":1}"#, RejectReason::WrongType),
        (r#"{"time":1767225600,"model":"credit"}"#, RejectReason::BadKind),
        (r#"{"time":1767225600,"model":"credit","features":[],"prediction":1}"#, RejectReason::WrongType),
    ];
    let mut bench = Bench::plain();
    for (payload, reason) in &cases {
        bench.out.clear();
        bench.take_at(None, payload);
        let reasons: Vec<_> = bench.out.rejects.iter().map(|(_, reject)| reject.reason).collect();
        assert_eq!(reasons, [*reason], "{payload}");
    }
    assert_eq!(bench.counters.total_rejected(), cases.len() as u64);
    assert_eq!(bench.counters.messages, cases.len() as u64);
}

#[test]
fn a_tombstone_is_refused_as_empty() {
    let mut bench = Bench::plain();
    let mut batch = MessageBatch::default();
    batch.push(P0, 0, Some(b"key"), None);
    bench.core.step(Input::Batch { batch: &batch, topics: &[], now: None }, &mut bench.out);
    assert_eq!(bench.out.rejects[0].1.reason, RejectReason::Empty);
}

#[test]
fn features_that_the_reference_lacks_are_named() {
    let mut bench = Bench::plain();
    for (second, features) in
        [(1, r#""features":{"amount":1,"colour":2},"#), (2, r#""features":{"colour":2,"x":1},"#)]
    {
        bench.take_at(None, &prediction(second, "v1", features));
    }
    bench.core.step(Input::End, &mut bench.out);
    assert_eq!((bench.counters.unknown_features, bench.out.results[0].unknown_features), (3, 3));
    let names = bench.core.models().next().unwrap().unknown_features;
    let names: Vec<_> = names.iter().map(|named| (named.name.as_str(), named.count)).collect();
    assert_eq!(names, [("colour", 2), ("x", 1)]);
    let amount = bench.out.results[0].features.iter().find(|feature| feature.feature == "amount").unwrap();
    assert_eq!((amount.n, amount.valid, amount.missing_share), (2, 1, Some(0.5)));
}

#[test]
fn too_many_versions_are_refused_and_known_ones_go_on() {
    let mut bench = Bench::new(WindowSettings { max_streams: 2, ..windows() }, reference(), None);
    for version in ["v1", "v2", "v3", "v1"] {
        bench.take_at(None, &prediction(1, version, ""));
    }
    let reasons: Vec<_> = bench.out.rejects.iter().map(|(_, reject)| reject.reason).collect();
    assert_eq!(reasons, [RejectReason::TooManyStreams]);
}

#[test]
fn a_silent_stream_gets_a_bounded_number_of_empty_windows_that_judge_nothing() {
    let mut bench = Bench::new(WindowSettings { idle_timeout_ms: 1_000, ..windows() }, reference(), None);
    bench.predict(1);
    bench.core.step(Input::CaughtUp(P0, true), &mut bench.out);
    for second in 1..200 {
        bench.core.step(Input::Tick(EventTime(START + 1_000 * second)), &mut bench.out);
    }
    assert_eq!(bench.ends(), [(10, 1), (20, 0), (30, 0), (40, 0)]);
    let empty = &bench.out.results[1];
    assert!(empty.features.iter().all(|feature| feature.verdict == Verdict::Insufficient));
    assert!(empty.features.iter().all(|feature| feature.scores.is_none() && feature.missing_share.is_none()));
}

#[test]
fn labels_are_counted_apart_from_events() {
    let mut bench = Bench::plain();
    bench.predict(1);
    bench.take_at(
        None,
        &format!(r#"{{"time":{},"model":"credit","version":"v1","id":"a","label":1}}"#, START + 2_000),
    );
    bench.core.step(Input::End, &mut bench.out);
    assert_eq!((bench.out.results[0].events, bench.out.results[0].labels), (1, 1));
}

#[test]
fn halves_without_a_partner_are_counted() {
    let join = JoinSettings { timeout_ms: 3_000, max_waiting: 10 };
    let mut bench = Bench::new(windows(), reference(), Some(join));
    let feature = |seconds: i64, id: &str| {
        let time = START + 1_000 * seconds;
        format!(
            r#"{{"kind":"feature","id":"{id}","time":{time},"model":"credit","version":"v1","features":{{"amount":3}}}}"#
        )
    };
    bench.take_at(None, &feature(1, "i2"));
    bench.take_at(None, &prediction(2, "v1", ""));
    bench.take_at(None, &feature(1, "nobody"));
    bench.take_at(None, &prediction(4, "v1", ""));
    bench.core.step(Input::End, &mut bench.out);
    bench.counters = add(&bench.counters, &bench.core.take_counters());
    assert_eq!(bench.ends(), [(10, 2)], "both predictions count, one without features");
    assert_eq!(bench.counters.predictions_without_features, 1);
    assert_eq!(bench.dropped(DropReason::NoPrediction), 1);
    let amount = bench.out.results[0].features.iter().find(|feature| feature.feature == "amount").unwrap();
    assert_eq!(amount.valid, 1);
}

#[test]
fn a_reference_is_learned_from_the_first_events_and_used_after_the_windows_that_it_ate() {
    let mut bench = Bench::new(windows(), ReferenceSpec::Learn(Learning::FirstEvents(5)), None);
    for second in [1, 2, 3, 4, 5, 6, 11, 12, 23] {
        bench.predict(second);
    }
    assert_eq!(bench.out.learned.len(), 1);
    assert_eq!((bench.out.learned[0].reference.rows, bench.counters.learned_rows), (5, 5));
    assert_eq!(bench.dropped(DropReason::Learning), 1, "second 6 lies in a window that was eaten");
    assert_eq!(bench.ends(), [(20, 2)]);
}

#[test]
fn a_reference_is_learned_from_a_range_of_time() {
    let learning = Learning::TimeRange { from: EventTime(START), until: EventTime(START + 10_000) };
    let mut bench = Bench::new(windows(), ReferenceSpec::Learn(learning), None);
    for second in [-5, 1, 2, 11, 14, 15, 23] {
        bench.predict(second);
    }
    assert_eq!(bench.out.learned.len(), 1);
    assert_eq!(bench.out.learned[0].reference.rows, 2);
    let kept: u64 = bench.ends().iter().map(|(_, events)| events).sum();
    assert_eq!(kept + bench.dropped(DropReason::Learning), 4, "{:?}", bench.ends());
}

#[test]
fn until_a_reference_is_learned_its_events_hold_the_offsets() {
    let mut bench = Bench::new(windows(), ReferenceSpec::Learn(Learning::FirstEvents(3)), None);
    bench.predict(1);
    bench.predict(2);
    assert_eq!(bench.core.positions(), [Position { partition: P0, next: 2, replay: 0 }]);
    bench.predict(3);
    assert_eq!(bench.core.positions(), [Position { partition: P0, next: 3, replay: 3 }]);
}

#[test]
fn events_of_windows_that_were_delivered_before_a_restart_are_not_counted_again() {
    let mut bench = Bench::plain();
    bench.core.step(Input::Restart(Some(EventTime(START + 10_000))), &mut bench.out);
    bench.core.step(Input::Assigned(P0, EventTime(START)), &mut bench.out);
    for second in [5, 11, 23] {
        bench.predict(second);
    }
    assert_eq!(bench.ends(), [(20, 1)]);
    assert_eq!(bench.dropped(DropReason::AlreadyDelivered), 1);
    assert_eq!(bench.core.delivered_until(), Some(EventTime(START + 20_000)));
}

#[test]
fn a_model_that_is_added_writes_no_window_of_which_it_was_refused_events() {
    let mut bench = Bench::plain();
    bench.predict(1);
    let fraud = |seconds: i64| prediction(seconds, "v1", "").replace("credit", "fraud");
    bench.take_at(None, &fraud(3));
    assert_eq!(bench.out.rejects.len(), 1, "nobody knows it yet");
    bench.predict(4);
    let names = |_: PartitionId| Some(("events".to_owned(), 0));
    let both = || vec![model("credit", reference(), None), model("fraud", reference(), None)];
    let mut restarted = core(windows(), both());
    let snapshot = bench.core.snapshot(&names).expect("nothing is read again");
    assert_eq!(restarted.compare(&snapshot).len(), 1, "only the new model begins anew");
    restarted.step(Input::Restore { snapshot: &snapshot, partitions: &[(P0, 0)] }, &mut Outputs::default());
    // What reading begins with: the first message of the oldest open window.
    let mut bench =
        Bench { core: restarted, next: 0, out: Outputs::default(), counters: Counters::default() };
    bench.predict(1);
    bench.take_at(None, &fraud(3));
    bench.predict(4);
    for seconds in [5, 12, 25] {
        bench.take_at(None, &fraud(seconds));
        bench.predict(seconds);
    }
    bench.predict(40);
    let of = |name: &str| {
        let results =
            bench.out.results.iter().filter(|result| result.stream.model == name && result.events > 0);
        results.map(|result| ((result.end.0 - START) / 1_000, result.events)).collect::<Vec<_>>()
    };
    assert_eq!(of("credit"), [(10, 3), (20, 1), (30, 1)], "nothing is counted twice");
    assert_eq!(of("fraud"), [(20, 1), (30, 1)]);
    assert_eq!(bench.dropped(DropReason::AlreadyCounted), 2);
    assert_eq!(bench.dropped(DropReason::Learning), 2);
}
