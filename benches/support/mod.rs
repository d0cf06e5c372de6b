//! What the benchmarks share: events, the reference that fits them, and the
//! clock of the processor.
//!
//! Times are the processor time of the measuring thread, and the variants of
//! one table are measured in turn, so that their ratios hold on a busy machine.

#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::cast_precision_loss)]
#![allow(
    dead_code,
    missing_docs,
    unreachable_pub,
    clippy::missing_panics_doc,
    reason = "each benchmark uses a part"
)]

mod clock;

use std::{collections::BTreeMap, sync::Arc};

pub use clock::{load, median, thread_ns};

use driftline::{
    decode::EventMapping,
    event::{EventTime, MessageBatch, PartitionId},
    pipeline::{Core, CoreSettings, ModelSpec, ReferenceSpec},
    reference::{ColumnRole, Reference, ReferenceBuilder, Value},
    window::WindowSettings,
};
use rand::{RngExt, SeedableRng, seq::SliceRandom};
use rand_chacha::ChaCha8Rng;

pub const NUMERIC: usize = 20;
pub const CATEGORICAL: usize = 4;
const CATEGORIES: [[&str; 4]; CATEGORICAL] = [
    ["retail", "online", "branch", "partner"],
    ["DE", "FR", "NL", "ES"],
    ["gold", "silver", "bronze", "basic"],
    ["ios", "android", "web", "phone"],
];
/// First event time.
const START: i64 = 1_767_225_600_000;

/// How a producer writes its events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    Compact,
    /// `", "` and `": "`, as Python's `json.dumps` writes.
    Python,
    /// Another key order in every event.
    Shuffled,
}

/// Values of one event: numbers as text, `None` is null, and categories.
struct Values {
    numbers: Vec<Option<String>>,
    categories: [usize; CATEGORICAL],
}

impl Values {
    fn random(rng: &mut ChaCha8Rng) -> Self {
        let number = |index: usize, rng: &mut ChaCha8Rng| {
            let value: f64 = rng.random();
            let missing = index < 3 && rng.random_bool(0.02);
            let text = match index % 5 {
                0 => format!("{:.2}", value * 5_000.0),
                1 => format!("{:.0}", value * 90.0),
                2 => format!("{value:.4}"),
                3 => format!("{:.3}", value * 200.0 - 100.0),
                _ => format!("{:.1}", value * 1e5),
            };
            (!missing).then_some(text)
        };
        Self {
            numbers: (0..NUMERIC).map(|index| number(index, rng)).collect(),
            categories: std::array::from_fn(|_| rng.random_range(0..4)),
        }
    }
}

fn name(index: usize) -> String {
    if index < NUMERIC { format!("feature_{index:02}") } else { format!("cat_{}", index - NUMERIC) }
}

/// `count` events of about 620 bytes, 10 ms apart, of `models` models.
pub fn events(count: usize, style: Style, models: usize) -> Vec<Vec<u8>> {
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let (comma, colon) = if style == Style::Python { (", ", ": ") } else { (",", ":") };
    let event = |index: usize| {
        let values = Values::random(&mut rng);
        let mut features: Vec<String> = (0..NUMERIC + CATEGORICAL)
            .map(|index| {
                let value = match values.numbers.get(index) {
                    Some(number) => number.clone().unwrap_or_else(|| "null".to_owned()),
                    None => {
                        format!("\"{}\"", CATEGORIES[index - NUMERIC][values.categories[index - NUMERIC]])
                    }
                };
                format!("\"{}\"{colon}{value}", name(index))
            })
            .collect();
        if style == Style::Shuffled {
            features.shuffle(&mut rng);
        }
        let members = [
            ("kind", "\"prediction\"".to_owned()),
            ("id", format!("\"{:016x}\"", rng.random::<u64>())),
            ("time", format!("\"{}\"", EventTime(START + 10 * i64::try_from(index).expect("few events")))),
            ("model", format!("\"model-{}\"", rng.random_range(0..models))),
            ("version", format!("\"v{}\"", rng.random_range(1..=2))),
            ("variant", "\"control\"".to_owned()),
            ("features", format!("{{{}}}", features.join(comma))),
            ("prediction", format!("{:.4}", rng.random::<f64>())),
        ];
        let members: Vec<String> =
            members.iter().map(|(key, value)| format!("\"{key}\"{colon}{value}")).collect();
        format!("{{{}}}", members.join(comma)).into_bytes()
    };
    (0..count).map(event).collect()
}

/// A reference of 50,000 rows of the same traffic.
pub fn reference(model: &str) -> Arc<Reference> {
    let mut rng = ChaCha8Rng::seed_from_u64(2);
    let mut builder = ReferenceBuilder::new(model, &BTreeMap::new(), 10);
    let names: Vec<String> = (0..NUMERIC + CATEGORICAL).map(name).collect();
    for _ in 0..50_000 {
        let values = Values::random(&mut rng);
        let mut cells: Vec<(&str, ColumnRole, Value<'_>)> = Vec::new();
        for (index, name) in names.iter().enumerate() {
            let value = match values.numbers.get(index) {
                Some(Some(text)) => Value::Number(text.parse().expect("a number")),
                Some(None) => Value::Missing,
                None => Value::Text(CATEGORIES[index - NUMERIC][values.categories[index - NUMERIC]]),
            };
            cells.push((name, ColumnRole::Feature, value));
        }
        let prediction = (rng.random::<f64>() * 1e4).round() / 1e4;
        cells.push(("prediction", ColumnRole::Prediction, Value::Number(prediction)));
        builder.push_row(cells);
    }
    builder.finish("benchmark".to_owned()).expect("there are rows").0.into()
}

/// A core for `models` models of one reference, with windows of `size_ms`.
pub fn core(models: usize, reference: &Arc<Reference>, size_ms: i64) -> Core {
    let model = |index| {
        let ready = ReferenceSpec::Ready { reference: Arc::clone(reference), covers_until: None };
        ModelSpec::new(&format!("model-{index}"), ready)
    };
    Core::new(CoreSettings {
        mapping: EventMapping::default(),
        windows: WindowSettings { size_ms, slide_ms: size_ms, lateness_ms: 0, ..WindowSettings::default() },
        models: (0..models).map(model).collect(),
        max_message_bytes: 1 << 20,
        delivered_until: None,
    })
}

/// The events in batches as the consumer hands them over.
pub fn batches(events: &[Vec<u8>]) -> Vec<MessageBatch> {
    let mut offset = 0;
    let batch = |chunk: &[Vec<u8>]| {
        let mut batch = MessageBatch::default();
        for event in chunk {
            batch.push(PartitionId(0), offset, None, Some(event));
            offset += 1;
        }
        batch
    };
    events.chunks(512).map(batch).collect()
}
