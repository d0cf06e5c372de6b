//! Names without end, and values of any size: memory stays bounded, and what is
//! refused is counted.
//!
//! A counting allocator holds each test against a bound that is far above what
//! is needed and far below what keeping everything would take.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use driftline::{
    decode::EventMapping,
    event::{MessageBatch, PartitionId, RejectReason},
    pipeline::{
        Core, CoreSettings, Counters, DropReason, Input, JoinSettings, Learning, ModelSpec, Outputs,
        ReferenceSpec,
    },
    profile::{KEPT_NAMES, KNOWN_CATEGORIES, NAME_BYTES, NAMED_CATEGORIES},
    reference::{ColumnRole, MOST_COLUMNS, Reference, ReferenceBuilder, Value},
    result::WindowResult,
    window::WindowSettings,
};
use peak_alloc::PeakAlloc;

#[global_allocator]
static ALLOCATOR: PeakAlloc = PeakAlloc;

const TIME: i64 = 1_767_225_600_000;
const MEGABYTE: usize = 1 << 20;
const MAX_STREAMS: usize = 100;
/// Messages in a batch, as from the consumer.
const BATCH: usize = 512;

/// A core that is fed, and the memory that it took.
struct Fed {
    core: Core,
    out: Outputs,
    counters: Counters,
    before: usize,
    _alone: MutexGuard<'static, ()>,
}

fn reference() -> Arc<Reference> {
    let mut builder = ReferenceBuilder::new("credit", &BTreeMap::new(), 10);
    for row in 0..200_u32 {
        builder.push_row([
            ("amount", ColumnRole::Feature, Value::Number(f64::from(row))),
            ("color", ColumnRole::Feature, Value::Text(if row % 2 == 0 { "red" } else { "blue" })),
        ]);
    }
    Arc::new(builder.finish("test".to_owned()).unwrap().0)
}

impl Fed {
    fn new(reference: ReferenceSpec, join: Option<JoinSettings>) -> Self {
        // The allocator counts for all threads: one test at a time.
        static ALONE: Mutex<()> = Mutex::new(());
        let alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
        let core = Core::new(CoreSettings {
            mapping: EventMapping::default(),
            windows: WindowSettings { max_streams: MAX_STREAMS, ..WindowSettings::default() },
            models: vec![ModelSpec { join, ..ModelSpec::new("credit", reference) }],
            max_message_bytes: MEGABYTE,
            delivered_until: None,
        });
        ALLOCATOR.reset_peak_usage();
        let before = ALLOCATOR.current_usage();
        Self { core, out: Outputs::default(), counters: Counters::default(), before, _alone: alone }
    }

    fn ready() -> Self {
        Self::new(ReferenceSpec::Ready { reference: reference(), covers_until: None }, None)
    }

    fn learning(rows: u64) -> Self {
        Self::new(ReferenceSpec::Learn(Learning::FirstEvents(rows)), None)
    }

    /// Takes events, given as what follows the time.
    fn take(&mut self, events: impl IntoIterator<Item = String>) {
        let topics = ["events".to_owned()];
        let mut batch = MessageBatch::default();
        let mut events = events.into_iter().zip(0..).peekable();
        while let Some((event, offset)) = events.next() {
            let payload = format!(r#"{{"time":{TIME},{event}}}"#);
            batch.push(PartitionId(0), offset, None, Some(payload.as_bytes()));
            if batch.len() == BATCH || batch.byte_len() > 4 * MEGABYTE || events.peek().is_none() {
                self.core.step(Input::Batch { batch: &batch, topics: &topics, now: None }, &mut self.out);
                // The shell takes these away after every step.
                let longest = self.out.rejects.iter().map(|(_, reject)| reject.detail.len()).max();
                assert!(longest.unwrap_or(0) < 1_000, "a sentence for a person is short");
                self.out.rejects.clear();
                batch.clear();
            }
        }
        self.counters = self.core.take_counters();
    }

    /// Asserts that no more than so many bytes were taken at any time.
    #[track_caller]
    fn assert_bounded(&self, bytes: usize) {
        let peak = ALLOCATOR.peak_usage().saturating_sub(self.before);
        println!("{peak} bytes at most, {bytes} allowed");
        assert!(peak <= bytes, "{peak} bytes, more than {bytes}");
    }

    fn rejected(&self, reason: RejectReason) -> u64 {
        self.counters.rejected[reason as usize]
    }

    fn dropped(&self, reason: DropReason) -> u64 {
        self.counters.dropped[reason as usize]
    }

    /// The windows with what was taken.
    fn end(&mut self) -> Vec<WindowResult> {
        self.core.step(Input::End, &mut self.out);
        std::mem::take(&mut self.out.results)
    }
}

fn with_features(features: &str) -> String {
    format!(r#""model":"credit","features":{{{features}}}"#)
}

#[test]
fn a_hundred_thousand_feature_names() {
    let mut fed = Fed::ready();
    fed.take((0..100_000).map(|number| with_features(&format!(r#""feature {number}":{number}"#))));
    fed.assert_bounded(4 * MEGABYTE);
    assert_eq!(fed.counters.unknown_features, 100_000);
    let status = fed.core.models().next().unwrap();
    assert!(status.unknown_features.len() <= KEPT_NAMES);
    assert_eq!(fed.end()[0].unknown_features, 100_000);
}

#[test]
fn a_hundred_thousand_feature_names_while_learning() {
    let mut fed = Fed::learning(1_000);
    let names = |event: usize| (0..100).map(move |number| format!(r#""f{}":{number}"#, event * 100 + number));
    fed.take((0..1_000).map(|event| with_features(&names(event).collect::<Vec<_>>().join(","))));
    // A column of 100,000 would take ten times as much in all.
    fed.assert_bounded(MOST_COLUMNS * 24 * 1_024);
    assert_eq!(fed.out.learned[0].reference.columns.len(), MOST_COLUMNS);
    assert_eq!(fed.counters.unknown_features, 100_000 - MOST_COLUMNS as u64);
    let notes: Vec<_> = fed.out.learned[0].columns.iter().filter(|column| column.kind.is_none()).collect();
    assert!(matches!(&notes[..], [column] if column.note.contains("at most 4096 columns")), "{notes:?}");
}

#[test]
fn a_hundred_thousand_categories() {
    let mut fed = Fed::ready();
    fed.take((0..100_000).map(|number| with_features(&format!(r#""color":"color {number}""#))));
    fed.assert_bounded(4 * MEGABYTE);
    let windows = fed.end();
    let color = windows[0].features.iter().find(|column| column.feature == "color").unwrap();
    assert_eq!((color.valid, color.unseen_share), (100_000, Some(1.0)));
    assert!(color.unseen.len() <= KEPT_NAMES);
}

#[test]
fn a_hundred_thousand_categories_while_learning() {
    let mut fed = Fed::learning(100_000);
    fed.take((0..100_000).map(|number| with_features(&format!(r#""color":"color {number}""#))));
    fed.assert_bounded(64 * MEGABYTE);
    let reference = &fed.out.learned[0].reference;
    // Named ones, the others together, and unseen.
    assert_eq!(reference.columns[0].grid.bins(), NAMED_CATEGORIES + 2);
    let unseen = 100_000 - KNOWN_CATEGORIES as u64;
    assert_eq!(reference.columns[0].counts.unseen(), unseen, "counted as the windows count them");
}

#[test]
fn ten_thousand_models() {
    let mut fed = Fed::ready();
    fed.take((0..10_000).map(|number| format!(r#""model":"model {number}","prediction":1"#)));
    fed.assert_bounded(4 * MEGABYTE);
    assert_eq!(fed.rejected(RejectReason::UnknownModel), 10_000);
    assert!(fed.end().is_empty());
}

#[test]
fn ten_thousand_versions() {
    let mut fed = Fed::ready();
    let event = |number| format!(r#""model":"credit","version":"v{number}","features":{{"amount":1}}"#);
    fed.take((0..10_000).map(event));
    // A pane of two columns takes about 8 KB, and 256 rows wait for it.
    fed.assert_bounded(MAX_STREAMS * 32 * 1_024 + 4 * MEGABYTE);
    assert_eq!(fed.rejected(RejectReason::TooManyStreams), 10_000 - MAX_STREAMS as u64);
    assert_eq!(fed.end().len(), MAX_STREAMS);
}

#[test]
fn strings_of_nearly_a_megabyte() {
    // Of each kind. The test's own strings and batches take 25 MB.
    const EACH: usize = 150;
    let long = "x".repeat(MEGABYTE - 1_000);
    let mut fed = Fed::new(
        ReferenceSpec::Ready { reference: reference(), covers_until: None },
        Some(JoinSettings { timeout_ms: 1_000_000, max_waiting: 100_000 }),
    );
    let kinds = [
        format!(r#""model":"credit","version":"{long}","prediction":1"#),
        format!(r#""model":"credit","variant":"{long}","prediction":1"#),
        format!(r#""model":"credit","kind":"feature","id":"{long}","features":{{"amount":1}}"#),
        format!(r#""model":"{long}","prediction":1"#),
        format!(r#""model":"credit","kind":"{long}","prediction":1"#),
        format!(r#""model":"credit","note":"{long}{long}","prediction":1"#),
    ];
    fed.take((0..EACH * kinds.len()).map(|number| kinds[number % kinds.len()].clone()));
    fed.assert_bounded(48 * MEGABYTE);
    let each = EACH as u64;
    assert_eq!(fed.rejected(RejectReason::NameTooLong), 3 * each);
    assert_eq!(fed.rejected(RejectReason::UnknownModel), each);
    assert_eq!(fed.rejected(RejectReason::BadKind), each);
    assert_eq!(fed.rejected(RejectReason::TooLarge), each);

    let kept = [
        format!(r#""color":"{long}""#),
        format!(r#""{long}":1"#),
        format!(r#""amount":"{long}""#),
        format!(r#""amount":{}"#, "9".repeat(long.len())),
    ];
    let waits = |number: usize| {
        let features = &kept[number % kept.len()];
        format!(r#""model":"credit","kind":"feature","id":"{number}","features":{{{features}}}"#)
    };
    fed.take((0..EACH * kept.len()).map(waits));
    fed.assert_bounded(48 * MEGABYTE);
    assert_eq!(fed.core.models().next().unwrap().waiting, EACH * kept.len());
    assert_eq!(fed.counters.unknown_features, each);
    fed.take(
        (0..EACH * kept.len()).map(|number| format!(r#""model":"credit","id":"{number}","prediction":1"#)),
    );
    let windows = fed.end();
    let column = |name: &str| windows[0].features.iter().find(|column| column.feature == name).unwrap();
    assert_eq!(windows[0].unknown_features, each);
    assert_eq!(column("color").unseen.len(), 1);
    assert!(column("color").unseen[0].name.len() <= NAME_BYTES);
    assert_eq!(column("color").unseen[0].count, each);
    // As text it is no number, and the number is larger than any double.
    assert_eq!(column("amount").invalid_share, Some(0.5));
    fed.assert_bounded(48 * MEGABYTE);
}

#[test]
fn strings_of_nearly_a_megabyte_while_learning() {
    let long = "x".repeat(MEGABYTE - 1_000);
    let mut fed = Fed::learning(200);
    let event = |number: usize| match number % 4 {
        0 => with_features(&format!(r#""color":"{number}{long}","amount":{number}"#)),
        1 => with_features(&format!(r#""{number}{long}":1,"amount":{number}"#)),
        2 => with_features(&format!(r#""only long":"{number}{long}","amount":{number}"#)),
        _ => with_features(&format!(r#""color":"red","amount":{number}"#)),
    };
    fed.take((0..200).map(event));
    fed.assert_bounded(32 * MEGABYTE);
    let learned = &fed.out.learned[0];
    let names: Vec<&str> = learned.reference.columns.iter().map(|column| column.name.as_str()).collect();
    assert_eq!(names, ["amount", "color"], "{:?}", learned.columns);
    let color = &learned.reference.columns[1].counts;
    assert_eq!((color.valid(), color.unseen()), (100, 50));
    assert_eq!(fed.counters.unknown_features, 50);
}

#[test]
fn nesting_as_deep_as_a_message_is_long() {
    let mut fed = Fed::ready();
    let deep = MEGABYTE / 8;
    let kinds = [
        with_features(&format!(r#""amount":{}{}"#, "[".repeat(deep), "]".repeat(deep))),
        with_features(&format!(r#""odd":{}1{}"#, r#"{"a":"#.repeat(deep), "}".repeat(deep))),
        format!(r#""model":"credit","prediction":{}{}"#, "[".repeat(deep), "]".repeat(deep)),
        format!(r#""model":"credit","prediction":1,"more":{}{}"#, "[".repeat(deep), "]".repeat(deep)),
        format!(r#""model":"credit","features":{}"#, r#"{"a":"#.repeat(deep)),
    ];
    fed.take((0..20 * kinds.len()).map(|number| kinds[number % kinds.len()].clone()));
    fed.assert_bounded(32 * MEGABYTE);
    assert_eq!(fed.rejected(RejectReason::NotJson), 20 * kinds.len() as u64);
}

#[test]
fn rows_that_wait_with_thousands_of_names_each() {
    const ROWS: u64 = 2_000;
    const MAX_WAITING: usize = 1_000;
    let mut fed = Fed::new(
        ReferenceSpec::Ready { reference: reference(), covers_until: None },
        Some(JoinSettings { timeout_ms: 1_000_000, max_waiting: MAX_WAITING }),
    );
    let odd: Vec<String> = (0..2_000).map(|number| format!(r#""n{number}":1"#)).collect();
    let odd = odd.join(",");
    let event =
        |id| format!(r#""model":"credit","kind":"feature","id":"{id}","features":{{"color":"odd",{odd}}}"#);
    fed.take((0..ROWS).map(event));
    // Of 20 KB each, and 1,000 rows may take 1 KiB each.
    fed.assert_bounded(24 * MEGABYTE);
    let waiting = fed.core.models().next().unwrap().waiting as u64;
    assert!((10..=40).contains(&waiting), "{waiting} wait");
    assert_eq!(fed.dropped(DropReason::JoinFull), ROWS - waiting);
    assert_eq!(fed.counters.unknown_features, ROWS * 2_000);
}
