//! The core alone: batches, silences and restarts from committed offsets.

use std::collections::{BTreeMap, BTreeSet};

use driftline::{
    alert::{AlertRecord, RecordState},
    event::{EventTime, MessageBatch, PartitionId},
    pipeline::{Core, ExplainPurpose, ExplainTask, Explained, Input, Outputs, Snapshot},
    result::WindowResult,
};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::{
    scenario::{Key, MODELS, PARTITIONS, START, Scenario, id_of, memory_of, text_of},
    seeds,
};

/// By these clocks every stream has ended.
const FAR: [i64; 2] = [START + 50_000_000, START + 60_000_000];

/// What stands in the database: the last text of every window.
#[derive(Default)]
struct Database {
    windows: BTreeMap<Key, String>,
    memory: BTreeMap<Key, String>,
    /// What every alert came to, by its labels and the window.
    alerts: BTreeMap<(String, i64), String>,
    writes: BTreeMap<Key, u32>,
    /// Windows with rows.
    with_rows: BTreeSet<Key>,
}

impl Database {
    fn write(&mut self, results: &[WindowResult]) {
        for result in results.iter().filter(|result| result.events + result.labels > 0) {
            let (key, text) = text_of(result);
            *self.writes.entry(key.clone()).or_default() += 1;
            self.memory.insert(key.clone(), memory_of(result));
            if result.events > 0 {
                self.with_rows.insert(key.clone());
            }
            self.windows.insert(key, text);
        }
    }

    fn write_alerts(&mut self, records: &[AlertRecord]) {
        for AlertRecord { at, state, alert } in records {
            let key = (alert.fingerprint.clone(), at.0);
            if *state == RecordState::Withdrawn {
                assert!(self.alerts.remove(&key).is_some(), "what is taken back was said: {alert:?}");
            } else {
                let (state, summary) = (state.as_str(), alert.annotation("summary"));
                let text = format!("{state} {} since {}: {summary}", alert.rule, alert.starts_at.0);
                self.alerts.insert(key, text);
            }
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
    core: Core,
    next: Vec<usize>,
    clock: i64,
    database: Database,
    committed: Committed,
    out: Outputs,
    crashes: u32,
}

impl<'a> Run<'a> {
    fn new(scenario: &'a Scenario) -> Self {
        let mut run = Self {
            scenario,
            core: scenario.core(None, [false; 2]),
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
            self.step(Input::Assigned(id_of(partition), EventTime(self.clock)));
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
                batch.push(id_of(partition), self.next[partition] as i64, None, Some(payload.as_bytes()));
                self.next[partition] += 1;
            }
        }
        self.step(Input::Batch { batch: &batch, topics: &[], now: Some(EventTime(self.clock)) });
        for partition in 0..PARTITIONS {
            let caught_up = self.next[partition] == self.scenario.log[partition].len();
            self.step(Input::CaughtUp(id_of(partition), caught_up));
        }
    }

    /// Writes what was given out, and perhaps commits.
    fn deliver(&mut self, commit: bool) {
        assert!(self.out.rejects.is_empty(), "{:?}", self.out.rejects);
        self.database.write(&self.out.results);
        self.database.write_alerts(&self.out.alerts.records);
        self.out.clear();
        if commit {
            let positions = self.core.positions();
            self.committed
                .offsets
                .extend(positions.iter().map(|at| (at.partition.0 as usize, at.replay as usize)));
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
            self.core = self.scenario.core(self.committed.delivered_until, [false; 2]);
        } else {
            self.step(Input::Restart(self.committed.delivered_until));
        }
        self.assign();
    }

    /// A clean restart: everything goes through a snapshot.
    fn sleep_and_wake(&mut self) {
        let named = |id: PartitionId| Some(("events".to_owned(), id.0 as i32));
        let Some(snapshot) = self.core.snapshot(&named) else { return };
        let bytes = rmp_serde::to_vec_named(&snapshot).unwrap();
        let snapshot: Snapshot<'_> = rmp_serde::from_slice(&bytes).unwrap();
        assert!(snapshot.is_plausible());
        let place = |partition| {
            let known = snapshot.partitions.iter();
            Some((id_of(partition), known.into_iter().position(|at| at.partition == partition as i32)?))
        };
        let partitions: Vec<_> = (0..PARTITIONS).filter_map(place).collect();
        self.core = self.scenario.core(None, [false; 2]);
        self.step(Input::Restore { snapshot: &snapshot, partitions: &partitions });
        for partition in 0..PARTITIONS {
            self.step(Input::Assigned(id_of(partition), EventTime(self.clock)));
        }
    }

    fn finish(mut self) -> (Core, Database, u32) {
        // Silence: the partitions fall idle and event time passes by the clock.
        for _ in 0..30 {
            self.clock += 4_000;
            self.step(Input::Tick(EventTime(self.clock)));
            self.deliver(true);
        }
        for time in FAR {
            self.step(Input::Tick(EventTime(time)));
            self.deliver(true);
        }
        (self.core, self.database, self.crashes)
    }
}

/// Runs a seed's scenario; gives the number of crashes.
fn simulate(seed: u64, may_crash: bool) -> u32 {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let scenario = Scenario::random(&mut rng, false);
    let mut run = Run::new(&scenario);
    while !run.is_done() || run.out.results.len() > 1_000 {
        match rng.random_range(0..100) {
            0..6 if may_crash && run.crashes < 8 => run.crash(&mut rng),
            0..2 if !may_crash => run.sleep_and_wake(),
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
    let expected = scenario.oracle();
    let found: BTreeSet<_> = database.windows.keys().collect();
    assert_eq!(found, expected.keys().collect::<BTreeSet<_>>(), "seed {seed}: the windows that were written");
    for (key, text) in &expected {
        assert_eq!(&database.windows[key], text, "seed {seed}: window {key:?}");
    }
    if !may_crash {
        let (mut in_order, memory) = in_one_go(&scenario);
        for (key, text) in &memory.memory {
            assert_eq!(&database.memory[key], text, "seed {seed}: what {key:?} says of earlier windows");
        }
        assert_eq!(database.alerts, memory.alerts, "seed {seed}: what every alert came to");
        let has_late = scenario.windows.grace_ms > 0;
        let (asked, wanted) = (asked(&mut core, has_late), asked(&mut in_order, has_late));
        assert!(asked.keys().eq(&database.with_rows), "seed {seed}: every window with rows waits");
        assert_eq!(asked, wanted, "seed {seed}: the rows that are to be explained");
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

/// What is said of windows and those before them when every event comes in order
/// and in one batch.
fn in_one_go(scenario: &Scenario) -> (Core, Database) {
    let mut core = scenario.core(None, [false; 2]);
    let (mut out, mut batch) = (Outputs::default(), MessageBatch::default());
    for (offset, payload) in (0..).zip(scenario.in_order()) {
        batch.push(id_of(0), offset, None, Some(payload.as_bytes()));
    }
    core.step(Input::Assigned(id_of(0), EventTime(START)), &mut out);
    core.step(Input::Batch { batch: &batch, topics: &[], now: None }, &mut out);
    core.step(Input::CaughtUp(id_of(0), true), &mut out);
    for second in 0..30 {
        core.step(Input::Tick(EventTime(START + 100_000 + second * 4_000)), &mut out);
    }
    for time in FAR {
        core.step(Input::Tick(EventTime(time)), &mut out);
    }
    let mut database = Database::default();
    database.write(&out.results);
    database.write_alerts(&out.alerts.records);
    (core, database)
}

/// The windows that wait to be explained, which no schedule or restart changes.
///
/// How many streams shared the budget is not asked anew when a stream turns out
/// to have begun earlier by `has_late` events.
fn asked(core: &mut Core, has_late: bool) -> BTreeMap<Key, ExplainTask> {
    let mut asked = BTreeMap::new();
    for model in MODELS {
        while let Some(task) = core.explanations().next(model, ExplainPurpose::Window).cloned() {
            core.step(Input::Explained(task.number, &Explained::GivenUp), &mut Outputs::default());
            let streams = if has_late { 1 } else { task.streams };
            let key = (task.stream.model.clone(), task.stream.version.clone(), task.end.0);
            let again = asked.insert(key, ExplainTask { number: 0, streams, ..(*task).clone() });
            assert_eq!(again, None, "a window waits once");
        }
    }
    asked
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
