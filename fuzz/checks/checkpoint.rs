//! What holds for the checkpoint reader, whatever the bytes.
//!
//! Reading never panics; and what it accepts can be gone on from: a core that
//! is restored from it takes events, ticks and its end, and its next
//! checkpoint can be read again.
//!
//! The first byte of the input chooses what the rest is: a whole file, a body
//! that gets the right header and checksum, or changes to a valid body.

#[path = "messagepack.rs"]
mod messagepack;

use std::{
    collections::BTreeMap,
    sync::{Arc, LazyLock},
};

use driftline::{
    checkpoint::{Checkpoint, decode, encode},
    decode::EventMapping,
    event::{EventTime, MessageBatch, PartitionId},
    pipeline::{Core, CoreSettings, Input, JoinSettings, Ledger, ModelSpec, Outputs, ReferenceSpec},
    reference::{ColumnRole, Reference, ReferenceBuilder, Value},
    sink::Points,
    window::WindowSettings,
};

use self::messagepack::{Edit, Node};

/// A whole second of 2026.
const START: i64 = 1_767_225_600_000;
/// Bytes before the body.
const HEADER: usize = 24;
/// Bytes before the length: magic and version.
const BEGINNING: usize = 12;
/// No log comes here; a little further the reader refuses offsets.
const FAR_OFFSET: i64 = 1 << 55;
const LENGTH_OF_AN_EDIT: usize = 11;

static REFERENCE: LazyLock<Arc<Reference>> = LazyLock::new(|| {
    let mut builder = ReferenceBuilder::new("credit", &BTreeMap::new(), 4);
    for row in 0..40_u32 {
        builder.push_row([
            ("amount", ColumnRole::Feature, Value::Number(f64::from(row % 5))),
            ("color", ColumnRole::Feature, Value::Text(if row % 2 == 0 { "red" } else { "blue" })),
        ]);
    }
    Arc::new(builder.finish("fuzz".to_owned()).expect("there are rows").0)
});

/// A valid file.
static VALID: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let mut core = core();
    let mut out = Outputs::default();
    for partition in [0, 1] {
        core.step(Input::Assigned(PartitionId(partition), EventTime(START)), &mut out);
        let times: Vec<i64> = (0..12).map(|step| START + 400 * step).collect();
        core.step(batch(partition, 0, &times).input(), &mut out);
    }
    file(&mut core).expect("no message is read again")
});

static BODY: LazyLock<Node> =
    LazyLock::new(|| Node::read(&mut &VALID[HEADER..]).expect("a valid body is MessagePack"));

/// A model whose rows come whole, and one whose halves are joined.
fn core() -> Core {
    let ready = || ReferenceSpec::Ready { reference: Arc::clone(&REFERENCE), covers_until: None };
    let spec =
        |(name, join): (&str, Option<JoinSettings>)| ModelSpec { join, ..ModelSpec::new(name, ready()) };
    let join = JoinSettings { timeout_ms: 3_000, max_waiting: 8 };
    Core::new(CoreSettings {
        mapping: EventMapping::default(),
        windows: WindowSettings {
            size_ms: 3_000,
            slide_ms: 1_000,
            lateness_ms: 1_000,
            grace_ms: 2_000,
            min_events: 1,
            ..WindowSettings::default()
        },
        models: [("credit", None), ("fraud", Some(join))].into_iter().map(spec).collect(),
        max_message_bytes: 10_000,
        delivered_until: None,
    })
}

/// Messages and the names of their topics.
struct Batch(MessageBatch, Vec<String>);

impl Batch {
    fn input(&self) -> Input<'_> {
        Input::Batch { batch: &self.0, topics: &self.1, now: None }
    }
}

/// One event of each kind at each of `times`.
fn batch(partition: u32, first: i64, times: &[i64]) -> Batch {
    let mut batch = MessageBatch::default();
    let mut offset = first;
    for (number, time) in (0..).zip(times) {
        let features = format!(r#""features":{{"amount":{number},"color":"violet","odd":1}}"#);
        let id = format!(r#""id":"{partition}-{number}""#);
        for event in [
            format!(r#""model":"credit","version":"v{}",{features},"prediction":1"#, number % 3),
            r#""model":"credit","kind":"label","label":1"#.to_owned(),
            format!(r#""model":"fraud",{id},"kind":"prediction","prediction":1"#),
            // Every other prediction waits in vain.
            format!(
                r#""model":"fraud",{},"kind":"feature",{features}"#,
                if number % 2 == 0 { &id } else { r#""id":0"# }
            ),
        ] {
            batch.push(
                PartitionId(partition),
                offset,
                None,
                Some(format!(r#"{{"time":{time},{event}}}"#).as_bytes()),
            );
            offset += 1;
        }
    }
    Batch(batch, vec!["events".to_owned(); 2])
}

/// The core's state as a file.
fn file(core: &mut Core) -> Option<Vec<u8>> {
    let names = |id: PartitionId| Some(("events".to_owned(), i32::try_from(id.0).ok()?));
    let snapshot = core.snapshot(&names)?;
    let checkpoint = Checkpoint {
        instance: 1,
        sequence: 2,
        core: snapshot,
        outbox: vec!["window,model=credit events=1i 1".into()],
        notifications: Vec::new(),
    };
    Some(encode(&checkpoint).expect("there is memory"))
}

/// A valid file of a core that has seen one partition and no event.
#[cfg(test)]
pub(crate) fn small_file() -> Vec<u8> {
    let mut core = core();
    let mut bad = MessageBatch::default();
    bad.push(PartitionId(0), 5, None, None);
    let mut out = Outputs::default();
    core.step(Input::Batch { batch: &bad, topics: &[], now: None }, &mut out);
    file(&mut core).expect("no message is read again")
}

/// A file without its header.
#[cfg(test)]
pub(crate) fn body_of(file: &[u8]) -> &[u8] {
    &file[HEADER..]
}

/// Panics when one of the promises does not hold for this input.
pub(crate) fn check(input: &[u8]) {
    let Some((&choice, rest)) = input.split_first() else { return };
    let bytes = match choice % 3 {
        0 => rest.to_vec(),
        1 => with_header(rest),
        _ => with_header(&changed(rest)),
    };
    if let Ok(checkpoint) = decode(&bytes) {
        go_on_from(&checkpoint, bytes.len());
    }
}

fn with_header(body: &[u8]) -> Vec<u8> {
    let length = (body.len() as u64).to_le_bytes();
    let checksum = crc32fast::hash(body).to_le_bytes();
    [&VALID[..BEGINNING], &length, &checksum, body].concat()
}

/// A valid body with the changes that `input` says.
fn changed(input: &[u8]) -> Vec<u8> {
    let mut body = BODY.clone();
    for edit in input.chunks_exact(LENGTH_OF_AN_EDIT).take(8) {
        let number = |range: std::ops::Range<usize>| {
            edit[range].iter().rev().fold(0, |number, &byte| (number << 8) | u64::from(byte))
        };
        let place = usize::try_from(number(0..2)).unwrap_or(0) % body.places();
        body.edit(&mut Edit { place, kind: edit[2], value: number(3..LENGTH_OF_AN_EDIT) });
    }
    let mut bytes = Vec::new();
    body.write(&mut bytes);
    bytes
}

/// What a restart does with a checkpoint.
fn go_on_from(checkpoint: &Checkpoint<'_>, length: usize) {
    let mut ledger = Ledger::new(true);
    ledger.restore(&checkpoint.outbox, &checkpoint.notifications);
    let mut core = core();
    let mut out = Outputs::default();
    let is_read_again = !core.compare(&checkpoint.core).is_empty();
    let states = || (0_u32..).zip(&checkpoint.core.partitions).take(4);
    let partitions: Vec<_> = states().map(|(id, _)| (PartitionId(id), id as usize)).collect();
    core.step(Input::Restore { snapshot: &checkpoint.core, partitions: &partitions }, &mut out);
    let now = EventTime(START + 60_000);
    for (id, state) in states() {
        core.step(Input::Assigned(PartitionId(id), now), &mut out);
        let from = core.watermark().map_or(START, |watermark| watermark.0);
        let times = [-9_000, -2_500, 0, 700, 2_000, 6_500].map(|after| from.saturating_add(after));
        let first = if is_read_again { state.replay } else { state.next };
        core.step(batch(id, first, &times).input(), &mut out);
        core.step(Input::CaughtUp(PartitionId(id), true), &mut out);
    }
    let is_at_the_end = states().any(|(_, state)| state.next > FAR_OFFSET);
    if let Some(next) = file(&mut core)
        && !is_at_the_end
    {
        decode(&next).expect("what was made of a readable checkpoint is readable");
    }
    core.step(Input::Tick(now), &mut out);
    core.step(Input::Resumed(now), &mut out);
    core.step(Input::Tick(now.plus_ms(600_000)), &mut out);
    core.step(Input::End, &mut out);
    let windows = out.results.len();
    assert!(windows <= 1_000 + length, "{windows} windows of a checkpoint of {length} bytes");
    let mut points = Points::default();
    out.results.iter().for_each(|result| points.add(result));
    let _model_states = core.models().count();
    let _positions = core.positions();
}
