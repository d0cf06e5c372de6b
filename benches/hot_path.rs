//! Decode and count: the work that every event costs.
//!
//! Side by side in one run, on 620-byte events of 24 features: the daemon's
//! core, a naive pipeline (`serde_json` into hash maps, one sketch per value)
//! and `sonic-rs` decoding alone. `cargo bench --bench hot_path`.

#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::cast_precision_loss)]

mod support;

use std::{collections::HashMap, hint::black_box, sync::Arc};

use datasketches::kll::{KllFloat, KllSketch};
use driftline::{
    checkpoint::{Checkpoint, decode, encode},
    event::{EventTime, MessageBatch, PartitionId},
    experiment::{ArmSource, Condition, ExperimentSettings, MetricSettings, MetricValue, Statistic},
    pipeline::{Core, Input, Outputs},
    reference::Reference,
    result::Better,
};
use serde::Deserialize;
use support::{Style, batches, core, events, load, median, reference, thread_ns};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const EVENTS: usize = 60_000;
const ROUNDS: usize = 9;
/// Long enough for all events of a round to be in one window.
const ONE_WINDOW_MS: i64 = 3_600_000;

#[derive(Deserialize)]
#[serde(untagged)]
enum NaiveValue {
    Number(f64),
    Text(String),
    Null,
}

#[derive(Deserialize)]
struct NaiveEvent {
    #[expect(dead_code, reason = "decoded, as a pipeline would")]
    time: String,
    model: String,
    version: String,
    features: HashMap<String, NaiveValue>,
    prediction: f64,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum BorrowedValue<'a> {
    Number(f64),
    #[serde(borrow)]
    Text(&'a str),
    Null,
}

#[derive(Deserialize)]
struct BorrowedEvent<'a> {
    time: &'a str,
    model: &'a str,
    version: &'a str,
    #[serde(borrow)]
    features: HashMap<&'a str, BorrowedValue<'a>, ahash::RandomState>,
    prediction: f64,
}

/// What one would write first: a map per event, a sketch per numeric feature,
/// a map of counts per categorical one.
#[derive(Default)]
struct Naive {
    streams: HashMap<(String, String), NaiveStream>,
}

#[derive(Default)]
struct NaiveStream {
    sketches: HashMap<String, KllSketch<KllFloat<f64>>>,
    counts: HashMap<String, HashMap<String, u64>>,
}

impl Naive {
    fn take(&mut self, payload: &[u8]) {
        let event: NaiveEvent = serde_json::from_slice(payload).expect("our own event");
        let stream = self.streams.entry((event.model, event.version)).or_default();
        stream.number("prediction".to_owned(), event.prediction);
        for (feature, value) in event.features {
            match value {
                NaiveValue::Number(number) => stream.number(feature, number),
                NaiveValue::Text(text) => {
                    *stream.counts.entry(feature).or_default().entry(text).or_default() += 1;
                }
                NaiveValue::Null => {}
            }
        }
    }
}

impl NaiveStream {
    fn number(&mut self, feature: String, value: f64) {
        let sketch =
            self.sketches.entry(feature).or_insert_with(|| KllSketch::new(200).expect("a valid size"));
        sketch.update(KllFloat::<f64>::new(value).expect("no NaN in our own events"));
    }
}

fn run_core(core: &mut Core, batches: &[MessageBatch], out: &mut Outputs) {
    for batch in batches {
        core.step(Input::Batch { batch, topics: &[], now: None }, out);
    }
    assert!(out.rejects.is_empty(), "{:?}", out.rejects.first());
}

fn run_naive(batches: &[MessageBatch]) {
    let mut naive = Naive::default();
    for message in batches.iter().flat_map(MessageBatch::iter) {
        naive.take(message.value.expect("it has a payload"));
    }
    black_box(naive.streams.len());
}

fn run_sonic(batches: &[MessageBatch]) {
    let mut sum = 0.0;
    for message in batches.iter().flat_map(MessageBatch::iter) {
        let event: BorrowedEvent<'_> =
            sonic_rs::from_slice(message.value.expect("it has a payload")).expect("our own event");
        sum += event.prediction + (event.time.len() + event.model.len() + event.version.len()) as f64;
        for value in event.features.values() {
            sum += match value {
                BorrowedValue::Number(number) => *number,
                BorrowedValue::Text(text) => text.len() as f64,
                BorrowedValue::Null => 0.0,
            };
        }
    }
    black_box(sum);
}

/// Nanoseconds per event of `work`.
fn per_event(events: usize, work: impl FnOnce()) -> f64 {
    let start = thread_ns();
    work();
    (thread_ns() - start) as f64 / events as f64
}

fn decode_and_count(reference: &Arc<Reference>) {
    println!(
        "decode + count, ns per event (medians of {ROUNDS} interleaved rounds, processor time, load {})",
        load()
    );
    println!(
        "{:<24}{:>8}{:>12}{:>8}{:>8}{:>10}{:>10}",
        "events", "bytes", "driftline", "naive", "sonic", "M ev/s", "x naive"
    );
    let cases = [
        ("compact", Style::Compact, 1),
        ("Python-style spaces", Style::Python, 1),
        ("shuffled keys", Style::Shuffled, 1),
        ("50 models interleaved", Style::Compact, 50),
    ];
    for (label, style, models) in cases {
        let events = events(EVENTS, style, models);
        let bytes = events.iter().map(Vec::len).sum::<usize>() / EVENTS;
        let batches = batches(&events);
        let (mut ours, mut naive, mut sonic) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            let mut core = core(models, reference, ONE_WINDOW_MS);
            let mut out = Outputs::default();
            run_core(&mut core, &batches[..20], &mut out);
            ours.push(per_event(EVENTS, || run_core(&mut core, &batches, &mut out)));
            naive.push(per_event(EVENTS, || run_naive(&batches)));
            sonic.push(per_event(EVENTS, || run_sonic(&batches)));
        }
        let (ours, naive, sonic) = (median(ours), median(naive), median(sonic));
        println!(
            "{label:<24}{bytes:>8}{ours:>12.0}{naive:>8.0}{sonic:>8.0}{:>10.2}{:>10.1}",
            1e3 / ours,
            naive / ours
        );
    }
}

/// One experiment over the model: arms by version, with a mean and a rate of the
/// prediction.
fn experiment() -> ExperimentSettings {
    let metric =
        |name, statistic| MetricSettings::new(name, Better::Lower, statistic, MetricValue::Prediction);
    let metrics =
        vec![metric("mean", Statistic::Mean), metric("high", Statistic::Rate(Condition::Above(0.5)))];
    ExperimentSettings {
        arm: ArmSource::Version,
        ..ExperimentSettings::new("versions", "model-0", &["v1", "v2"], metrics)
    }
}

fn with_an_experiment(reference: &Arc<Reference>) {
    let batches = batches(&events(EVENTS, Style::Compact, 1));
    let (mut without, mut with) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        for (experiments, times) in [(Vec::new(), &mut without), (vec![experiment()], &mut with)] {
            let mut core = core(1, reference, ONE_WINDOW_MS).with_experiments(experiments);
            let mut out = Outputs::default();
            run_core(&mut core, &batches[..20], &mut out);
            times.push(per_event(EVENTS, || run_core(&mut core, &batches, &mut out)));
        }
    }
    let (without, with) = (median(without), median(with));
    println!(
        "\nan experiment of two metrics: {with:.0} ns per event beside {without:.0}, {:.2} times",
        with / without
    );
}

fn window_close(reference: &Arc<Reference>) {
    const MODELS: usize = 50;
    println!("\nwindow close of {} columns", reference.columns.len());
    let batches = batches(&events(50_000, Style::Compact, MODELS));
    for repeats in [1, 20] {
        let mut times = Vec::new();
        let mut rows = 0;
        for _ in 0..ROUNDS {
            let mut core = core(MODELS, reference, ONE_WINDOW_MS);
            let mut out = Outputs::default();
            (0..repeats).for_each(|_| run_core(&mut core, &batches, &mut out));
            let start = thread_ns();
            core.step(Input::End, &mut out);
            times.push((thread_ns() - start) as f64 / out.results.len() as f64);
            rows = out.results[0].events;
        }
        println!("about {rows:>6} rows: {:.3} ms a window", median(times) / 1e6);
    }
}

fn memory(reference: &Arc<Reference>) {
    println!("\ncounts per stream and pane");
    for rows in [1_000, EVENTS] {
        let mut core = core(1, reference, ONE_WINDOW_MS);
        run_core(&mut core, &batches(&events(rows, Style::Compact, 1)), &mut Outputs::default());
        // A tick without a partition closes nothing, but the waiting rows are counted.
        core.step(Input::Tick(EventTime(0)), &mut Outputs::default());
        let status = core.models().next().expect("one model");
        println!("{rows:>8} events: {:.1} KB", status.state_bytes as f64 / 1e3 / status.open_panes as f64);
    }
}

/// What a checkpoint costs the pipeline's thread, and a restart: all streams
/// hold one open pane.
fn checkpoint(reference: &Arc<Reference>) {
    println!("\ncheckpoint of all open panes");
    for models in [1, 50] {
        let mut core = core(models, reference, ONE_WINDOW_MS);
        run_core(&mut core, &batches(&events(EVENTS, Style::Compact, models)), &mut Outputs::default());
        let streams: usize = core.models().map(|model| model.streams.len()).sum();
        let (mut taking, mut restoring, mut bytes) = (Vec::new(), Vec::new(), Vec::new());
        for sequence in 0..ROUNDS as u64 {
            let start = thread_ns();
            let named = |id: PartitionId| Some(("events".to_owned(), i32::try_from(id.0).ok()?));
            let core = core.snapshot(&named).expect("nothing is read again");
            bytes = encode(&Checkpoint {
                instance: 1,
                sequence,
                core,
                outbox: Vec::new(),
                notifications: Vec::new(),
            })
            .expect("encoded");
            taking.push((thread_ns() - start) as f64);
            let start = thread_ns();
            black_box(decode(&bytes).expect("what was encoded"));
            restoring.push((thread_ns() - start) as f64);
        }
        println!(
            "{streams:>4} streams: {:>6.2} ms to take, {:>6.2} ms to read back, {:>6.1} KB each",
            median(taking) / 1e6,
            median(restoring) / 1e6,
            bytes.len() as f64 / 1e3 / streams as f64
        );
    }
}

fn main() {
    let reference = reference("model-0");
    decode_and_count(&reference);
    with_an_experiment(&reference);
    window_close(&reference);
    memory(&reference);
    checkpoint(&reference);
}
