//! The core against a plain batch computation over the same log.
//!
//! A seeded simulator feeds the core with random batches of several
//! partitions, out-of-order and late events, ticks, silences, crashes and
//! restarts from the offsets that were committed last. Whatever the schedule,
//! the last text written for every window must be the one that the oracle
//! computes from the log in one go. A failure names its seed; run it alone by
//! `DRIFTLINE_SEED=<seed> cargo test --test core`.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_sign_loss,
    reason = "offsets and partitions of a simulation are small"
)]

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use driftline::{
    decode::EventMapping,
    drift::Scorer,
    event::{EventTime, MessageBatch, PartitionId},
    pipeline::{Core, CoreSettings, Input, JoinSettings, ModelSpec, Outputs, ReferenceSpec},
    profile::{Cell, Counts, Grid},
    reference::{ColumnRole, Reference, ReferenceBuilder, Value},
    result::WindowResult,
    window::WindowSettings,
};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// The first event time of every simulation, a multiple of every slide.
const START: i64 = 1_767_225_600_000;
const PARTITIONS: usize = 3;
const COLORS: [&str; 4] = ["red", "green", "blue", "violet"];

/// One event as the simulator knows it.
#[derive(Debug, Clone)]
struct Event {
    id: String,
    time: i64,
    version: &'static str,
    amount: Option<f64>,
    color: usize,
    score: f64,
    is_label: bool,
}

/// One scenario: what is configured and what is on the log.
struct Scenario {
    windows: WindowSettings,
    join: bool,
    /// Payloads per partition, in the order of their offsets.
    log: Vec<Vec<String>>,
    events: Vec<Event>,
}

fn reference() -> Arc<Reference> {
    let mut builder = ReferenceBuilder::new("credit", &BTreeMap::new(), 10);
    for row in 0..500_u32 {
        builder.push_row([
            ("amount", ColumnRole::Feature, Value::Number(f64::from(row % 97) * 1.5)),
            // The reference never saw violet.
            ("color", ColumnRole::Feature, Value::Text(COLORS[row as usize % 3])),
            ("prediction", ColumnRole::Prediction, Value::Number(f64::from(row) / 500.0)),
        ]);
    }
    Arc::new(builder.finish("test".to_owned()).expect("there are rows").0)
}

impl Event {
    fn random(rng: &mut ChaCha8Rng, number: usize, time: i64) -> Self {
        Self {
            id: format!("e{number}"),
            time,
            version: if rng.random_bool(0.5) { "v1" } else { "v2" },
            amount: (!rng.random_bool(0.1)).then(|| f64::from(rng.random_range(0..2_000_u32)) / 8.0),
            color: rng.random_range(0..COLORS.len()),
            score: f64::from(rng.random_range(0..1_000_u32)) / 1_000.0,
            is_label: rng.random_bool(0.1),
        }
    }

    fn features(&self) -> String {
        let amount = self.amount.map_or("null".to_owned(), |amount| amount.to_string());
        format!(r#""features":{{"amount":{amount},"color":"{}"}}"#, COLORS[self.color])
    }

    fn envelope(&self, kind: &str, rest: &str) -> String {
        let (id, time, version) = (&self.id, self.time, self.version);
        format!(
            r#"{{"kind":"{kind}","id":"{id}","time":{time},"model":"credit","version":"{version}",{rest}}}"#
        )
    }

    /// The messages that tell of it.
    fn payloads(&self, join: bool) -> Vec<String> {
        if self.is_label {
            return vec![self.envelope("label", r#""label":1"#)];
        }
        let prediction = format!(r#""prediction":{}"#, self.score);
        if join {
            vec![self.envelope("feature", &self.features()), self.envelope("prediction", &prediction)]
        } else {
            vec![self.envelope("prediction", &format!("{},{prediction}", self.features()))]
        }
    }

    fn cells(&self, reference: &Reference) -> Vec<Cell> {
        let cell = |name: &str, grid: &Grid| match (name, grid) {
            ("amount", _) => self.amount.map_or(Cell::MISSING, Cell::number),
            ("color", Grid::Categorical(grid)) => Cell::category(grid.code_of(COLORS[self.color].as_bytes())),
            _ => Cell::number(self.score),
        };
        reference.columns.iter().map(|column| cell(&column.name, &column.grid)).collect()
    }
}

impl Scenario {
    fn random(rng: &mut ChaCha8Rng) -> Self {
        let slide_ms = 1_000 * rng.random_range(1..=3_i64);
        let lateness_ms = rng.random_range(0..2_500);
        let windows = WindowSettings {
            slide_ms,
            size_ms: slide_ms * rng.random_range(1..=3_i64),
            lateness_ms,
            grace_ms: if rng.random_bool(0.5) { 0 } else { rng.random_range(1..4_000) },
            idle_timeout_ms: 5_000,
            min_events: 5,
            ..WindowSettings::default()
        };
        let join = rng.random_bool(0.3);
        let count = rng.random_range(1..250);
        let span = rng.random_range(1_000..40_000);
        let mut times: Vec<i64> = (0..count).map(|_| START + rng.random_range(0..span)).collect();
        times.sort_unstable();
        let events: Vec<Event> =
            times.iter().enumerate().map(|(number, &time)| Event::random(rng, number, time)).collect();
        // An event may stand behind others of its partition that are later by
        // as much as windows wait for it.
        let delay = windows.lateness_ms + windows.grace_ms;
        let mut arrivals: Vec<(i64, String)> = Vec::new();
        for event in &events {
            for payload in event.payloads(join) {
                arrivals.push((event.time + if delay > 0 { rng.random_range(0..delay) } else { 0 }, payload));
            }
        }
        arrivals.sort_by_key(|(arrival, _)| *arrival);
        let mut log = vec![Vec::new(); PARTITIONS];
        for (_, payload) in arrivals {
            log[rng.random_range(0..PARTITIONS)].push(payload);
        }
        Self { windows, join, log, events }
    }

    fn core(&self, reference: &Arc<Reference>, delivered_until: Option<EventTime>) -> Core {
        let spec = ModelSpec {
            name: "credit".to_owned(),
            reference: ReferenceSpec::Ready { reference: Arc::clone(reference), covers_until: None },
            bins: 10,
            overrides: BTreeMap::new(),
            join: self.join.then_some(JoinSettings { timeout_ms: 10_000, max_waiting: 10_000 }),
        };
        Core::new(CoreSettings {
            mapping: EventMapping::default(),
            windows: self.windows.clone(),
            models: vec![spec],
            max_message_bytes: 10_000,
            delivered_until,
        })
    }

    /// What every window with data must say in the end, computed in one go.
    fn oracle(&self, reference: &Reference) -> BTreeMap<(String, i64), String> {
        let (size, slide) = (self.windows.size_ms, self.windows.slide_ms);
        let keys: BTreeSet<(&str, i64)> = self
            .events
            .iter()
            .flat_map(|event| {
                let first = event.time.div_euclid(slide) * slide + slide;
                (0..size / slide).map(move |index| (event.version, first + index * slide))
            })
            .collect();
        let mut scorer = Scorer::default();
        let mut expected = BTreeMap::new();
        for (version, end) in keys {
            let inside = |event: &&Event| event.version == version && (end - size..end).contains(&event.time);
            let rows: Vec<&Event> =
                self.events.iter().filter(inside).filter(|event| !event.is_label).collect();
            let labels = self.events.iter().filter(inside).filter(|event| event.is_label).count();
            let mut columns = Vec::new();
            for (index, column) in reference.columns.iter().enumerate() {
                let mut counts = Counts::new(&column.grid);
                for event in &rows {
                    counts.add_cells(&column.grid, &[event.cells(reference)[index]]);
                    if column.name == "color" && COLORS[event.color] == "violet" {
                        counts.note_unseen("violet", 1);
                    }
                }
                columns.push(scorer.feature_result(column, &counts, self.windows.min_events));
            }
            let text = format!("{} {labels} {}", rows.len(), serde_json::to_string(&columns).unwrap());
            expected.insert((version.to_owned(), end), text);
        }
        expected
    }
}

fn text_of(result: &WindowResult) -> String {
    format!("{} {} {}", result.events, result.labels, serde_json::to_string(&result.features).unwrap())
}

/// What stands in the database: the last text of every window.
#[derive(Default)]
struct Database {
    windows: BTreeMap<(String, i64), String>,
    writes: BTreeMap<(String, i64), u32>,
}

impl Database {
    fn write(&mut self, results: &[WindowResult]) {
        for result in results.iter().filter(|result| result.events + result.labels > 0) {
            let key = (result.stream.version.clone(), result.end.0);
            *self.writes.entry(key.clone()).or_default() += 1;
            self.windows.insert(key, text_of(result));
        }
    }
}

/// What a restart finds: the offsets and the mark that were committed last.
#[derive(Clone, Default)]
struct Committed {
    offsets: BTreeMap<usize, usize>,
    delivered_until: Option<EventTime>,
}

/// One run of a scenario under a random schedule.
struct Run<'a> {
    scenario: &'a Scenario,
    reference: &'a Arc<Reference>,
    core: Core,
    next: Vec<usize>,
    clock: i64,
    database: Database,
    committed: Committed,
    out: Outputs,
    crashes: u32,
}

impl<'a> Run<'a> {
    fn new(scenario: &'a Scenario, reference: &'a Arc<Reference>) -> Self {
        let mut run = Self {
            scenario,
            reference,
            core: scenario.core(reference, None),
            next: vec![0; PARTITIONS],
            clock: START + 1_000_000,
            database: Database::default(),
            committed: Committed::default(),
            out: Outputs::default(),
            crashes: 0,
        };
        run.assign();
        run
    }

    fn step(&mut self, input: Input<'_>) {
        self.core.step(input, &mut self.out);
    }

    fn assign(&mut self) {
        for partition in 0..PARTITIONS {
            self.next[partition] = self.committed.offsets.get(&partition).copied().unwrap_or(0);
            self.step(Input::Assigned(id(partition), EventTime(self.clock)));
        }
    }

    fn is_done(&self) -> bool {
        self.next.iter().zip(&self.scenario.log).all(|(next, log)| *next == log.len())
    }

    fn feed(&mut self, rng: &mut ChaCha8Rng) {
        let mut batch = MessageBatch::default();
        for _ in 0..rng.random_range(1..30) {
            let partition = rng.random_range(0..PARTITIONS);
            if let Some(payload) = self.scenario.log[partition].get(self.next[partition]) {
                batch.push(id(partition), self.next[partition] as i64, None, Some(payload.as_bytes()));
                self.next[partition] += 1;
            }
        }
        self.step(Input::Batch { batch: &batch, topics: &[], now: Some(EventTime(self.clock)) });
        for partition in 0..PARTITIONS {
            let caught_up = self.next[partition] == self.scenario.log[partition].len();
            self.step(Input::CaughtUp(id(partition), caught_up));
        }
    }

    /// Writes what was given out, and perhaps commits.
    fn deliver(&mut self, commit: bool) {
        assert!(self.out.rejects.is_empty(), "{:?}", self.out.rejects);
        self.database.write(&self.out.results);
        self.out.clear();
        if commit {
            let positions = self.core.positions();
            self.committed
                .offsets
                .extend(positions.iter().map(|(id, offset)| (id.0 as usize, *offset as usize)));
            self.committed.delivered_until = self.core.delivered_until();
        }
    }

    /// Loses the memory; what was given out may or may not have been written.
    fn crash(&mut self, rng: &mut ChaCha8Rng) {
        self.crashes += 1;
        let written = rng.random_range(0..=self.out.results.len());
        self.out.results.truncate(written);
        self.deliver(false);
        if rng.random_bool(0.5) {
            self.core = self.scenario.core(self.reference, self.committed.delivered_until);
        } else {
            self.step(Input::Restart(self.committed.delivered_until));
        }
        self.assign();
    }

    fn finish(mut self) -> (Core, Database, u32) {
        // Silence: the partitions fall idle and event time passes by the clock.
        for _ in 0..30 {
            self.clock += 4_000;
            self.step(Input::Tick(EventTime(self.clock)));
            self.deliver(true);
        }
        (self.core, self.database, self.crashes)
    }
}

fn id(partition: usize) -> PartitionId {
    PartitionId(partition as u32)
}

fn seeds(count: u64) -> Vec<u64> {
    match std::env::var("DRIFTLINE_SEED") {
        Ok(seed) => vec![seed.parse().expect("DRIFTLINE_SEED is a number")],
        Err(_) => (0..count).collect(),
    }
}

/// Runs a seed's scenario; gives the number of crashes.
fn simulate(seed: u64, may_crash: bool) -> u32 {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let scenario = Scenario::random(&mut rng);
    let reference = reference();
    let mut run = Run::new(&scenario, &reference);
    while !run.is_done() || run.out.results.len() > 1_000 {
        match rng.random_range(0..100) {
            0..6 if may_crash && run.crashes < 8 => run.crash(&mut rng),
            0..15 => {
                run.clock += i64::from(rng.random_range(0..2_000_u32));
                let now = EventTime(run.clock);
                run.step(Input::Tick(now));
            }
            15..60 => run.feed(&mut rng),
            _ => run.deliver(rng.random_bool(0.5)),
        }
    }
    if may_crash && rng.random_bool(0.3) {
        run.crash(&mut rng);
        while !run.is_done() {
            run.feed(&mut rng);
        }
    }
    run.deliver(false);
    let (mut core, database, crashes) = run.finish();
    let counters = core.take_counters();
    assert_eq!(counters.total_rejected(), 0, "seed {seed}");
    let expected = scenario.oracle(&reference);
    let found: BTreeSet<_> = database.windows.keys().collect();
    assert_eq!(found, expected.keys().collect::<BTreeSet<_>>(), "seed {seed}: the windows that were written");
    for (key, text) in &expected {
        assert_eq!(&database.windows[key], text, "seed {seed}: window {key:?}");
    }
    if !may_crash {
        let (decoded, dropped) = (counters.decoded.iter().sum::<u64>(), counters.dropped.iter().sum::<u64>());
        assert_eq!(counters.messages, decoded, "seed {seed}: every message is in a counter");
        assert_eq!(dropped, 0, "seed {seed}: nothing came too late, {:?}", counters.dropped);
        if scenario.windows.grace_ms == 0 {
            let rewritten = database.writes.iter().find(|(_, writes)| **writes > 1);
            assert_eq!(rewritten, None, "seed {seed}: without a grace every window is written once");
        }
    }
    crashes
}

#[test]
fn any_batching_ends_in_the_points_of_a_plain_batch_computation() {
    for seed in seeds(400) {
        simulate(seed, false);
    }
}

#[test]
fn crashes_and_restarts_end_in_the_same_points() {
    let crashes: u32 = seeds(600).into_iter().map(|seed| simulate(seed, true)).sum();
    assert!(
        crashes > 300 || std::env::var("DRIFTLINE_SEED").is_ok(),
        "only {crashes} crashes were simulated"
    );
}
