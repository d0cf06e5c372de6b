//! The core with its checkpoints, outbox and commits: nothing lost, nothing
//! counted twice.
//!
//! Two daemons of one group, each with a disk, a queue to the database and a
//! queue of dead letters, are driven through random schedules: batches, ticks,
//! checkpoints that are stored, torn or refused by the disk, commits that get
//! lost, a database and a dead-letter topic that are away, crashes after any
//! step, restarts with the older checkpoint, with none and with other settings,
//! rebalances, and assignments that are lost without notice. In the end every
//! window must have the text of the plain batch computation, and every message
//! that can't be used must be among the dead letters.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::Arc,
};

use driftline::{
    checkpoint::{Checkpoint, CheckpointPlan, Stored, decode, encode},
    event::{EventTime, MessageBatch, PartitionId},
    pipeline::{Commit, Core, Draft, Input, Ledger, Outputs},
    source::{CheckpointId, Committed, StartPlan},
};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::{
    scenario::{BAD, Key, PARTITIONS, START, Scenario, id_of, text_of},
    seeds,
};

const TOPIC: &str = "events";
/// Lines that may wait before the source pauses.
const BUFFER: usize = 30;

/// What outlives every daemon.
#[derive(Default)]
struct World {
    database: BTreeMap<Key, String>,
    /// Partition and offset of every dead letter.
    letters: BTreeSet<(usize, usize)>,
    group: BTreeMap<usize, Committed>,
    /// Number of the current assignment; commits of older ones are refused.
    generation: u64,
}

/// What outlives a daemon's crashes.
#[derive(Default)]
struct Disk {
    generations: [Option<Vec<u8>>; 2],
}

impl Disk {
    fn newest(&self) -> Option<Checkpoint<'static>> {
        let whole = self.generations.iter().flatten().filter_map(|bytes| decode(bytes).ok());
        whole.max_by_key(|checkpoint| checkpoint.sequence)
    }
}

/// A running daemon.
struct Daemon {
    core: Core,
    ledger: Ledger,
    plan: CheckpointPlan,
    instance: u64,
    sequence: u64,
    under_way: Option<Stored>,
    epoch: u64,
    /// Offsets to read next; `None` while it stands by.
    next: Option<[usize; PARTITIONS]>,
    /// What the group knew when the assignment began, with the offsets that
    /// reading began at.
    begun: Vec<Committed>,
    /// Points with the database, in order.
    sending: VecDeque<(u64, Vec<Arc<str>>)>,
    /// Dead letters with the broker.
    letters: VecDeque<(usize, usize)>,
    last_letter: u64,
    acknowledged: u64,
    out: Outputs,
}

impl Daemon {
    fn start(scenario: &Scenario, disk: &Disk, number: u64, changed: [bool; 2]) -> Self {
        let core = scenario.core(None, changed);
        let found = disk.newest();
        let instance = found.as_ref().map_or(number, |found| found.instance);
        let plan = CheckpointPlan::new(instance);
        if let Some(found) = &found {
            plan.set_last(Stored {
                id: found.id(),
                bytes: Arc::new(encode(found).unwrap()),
                partitions: found.core.partitions.clone(),
                replay: !core.compare(&found.core).is_empty(),
            });
        }
        Self {
            core,
            ledger: Ledger::new(true),
            plan,
            instance,
            sequence: found.map_or(0, |found| found.sequence),
            under_way: None,
            epoch: 0,
            next: None,
            begun: Vec::new(),
            sending: VecDeque::new(),
            letters: VecDeque::new(),
            last_letter: 0,
            acknowledged: 0,
            out: Outputs::default(),
        }
    }

    fn step(&mut self, input: Input<'_>) {
        self.core.step(input, &mut self.out);
        let lines = self.out.results.drain(..).filter(|result| result.events + result.labels > 0);
        let lines = lines.map(|result| {
            let ((model, version, end), text) = text_of(&result);
            Arc::from(format!("{model}|{version}|{end}|{text}"))
        });
        self.ledger.push(lines.collect());
    }

    /// What a new assignment does.
    fn assign(&mut self, scenario: &Scenario, world: &mut World, epoch: u64, clock: i64) {
        self.epoch = epoch;
        self.sending.clear();
        let committed: Vec<Committed> = (0..PARTITIONS)
            .map(|partition| {
                let none = Committed {
                    topic: TOPIC.to_owned(),
                    partition: partition as i32,
                    ..Committed::default()
                };
                world.group.get(&partition).cloned().unwrap_or(none)
            })
            .collect();
        let resume = self.plan.resume(&committed);
        let starts = resume.starts.iter().map(|start| start.unwrap_or(0) as usize).collect::<Vec<_>>();
        self.next = Some(starts.try_into().unwrap());
        // As the consumer does: whoever reads without the checkpoint that the
        // group names takes its name away first.
        let is_named = committed.iter().any(|one| one.checkpoint.is_some());
        self.begun = committed;
        for (partition, (begun, start)) in self.begun.iter_mut().zip(resume.starts).enumerate() {
            begun.offset = start;
            if resume.checkpoint.is_none() && is_named && start.is_some() {
                let delivered_until = resume.delivered_until;
                *begun = Committed { replay: start, delivered_until, checkpoint: None, ..begun.clone() };
                world.group.insert(partition, begun.clone());
            }
        }
        if let Some(id) = resume.checkpoint {
            let checkpoint = decode(&self.plan.take_up(id).unwrap().bytes).unwrap();
            self.ledger.restore(&checkpoint.outbox, &checkpoint.notifications);
            let place = |partition: usize| {
                let known = &checkpoint.core.partitions;
                Some((id_of(partition), known.iter().position(|at| at.partition == partition as i32)?))
            };
            let partitions: Vec<(PartitionId, usize)> = (0..PARTITIONS).filter_map(place).collect();
            self.step(Input::Restore { snapshot: &checkpoint.core, partitions: &partitions });
        } else {
            self.ledger.restart(false);
            self.step(Input::Restart(resume.delivered_until));
        }
        for partition in 0..PARTITIONS {
            self.step(Input::Assigned(id_of(partition), EventTime(clock)));
        }
        self.say_what_is_read(scenario);
    }

    fn say_what_is_read(&mut self, scenario: &Scenario) {
        let Some(next) = self.next else { return };
        for (partition, (next, log)) in next.iter().zip(&scenario.log).enumerate() {
            self.step(Input::CaughtUp(id_of(partition), *next == log.len()));
        }
    }

    /// What the loss of the assignment does, once it is known.
    fn revoke(&mut self, epoch: u64) {
        self.epoch = epoch;
        self.next = None;
        self.sending.clear();
        self.ledger.restart(true);
        self.step(Input::Restart(None));
    }

    fn feed(&mut self, scenario: &Scenario, rng: &mut ChaCha8Rng, clock: i64) {
        let Some(mut next) = self.next.filter(|_| self.ledger.outbox().len() < BUFFER) else { return };
        let mut batch = MessageBatch::default();
        for _ in 0..rng.random_range(1..30) {
            let partition = rng.random_range(0..PARTITIONS);
            if let Some(payload) = scenario.log[partition].get(next[partition]) {
                batch.push(id_of(partition), next[partition] as i64, None, Some(payload.as_bytes()));
                next[partition] += 1;
            }
        }
        self.next = Some(next);
        self.step(Input::Batch { batch: &batch, topics: &[], now: Some(EventTime(clock)) });
        for (index, _) in self.out.rejects.drain(..) {
            let message = batch.get(index).unwrap();
            assert_eq!(message.value, Some(BAD.as_bytes()));
            self.letters.push_back((message.partition.0 as usize, message.offset as usize));
            self.last_letter += 1;
        }
        self.say_what_is_read(scenario);
    }

    fn take_checkpoint(&mut self) {
        if self.under_way.is_some() || self.next.is_none() {
            return;
        }
        let named = |id: PartitionId| Some((TOPIC.to_owned(), id.0 as i32));
        let draft = self.ledger.take(&mut self.core, self.epoch, self.last_letter, &named);
        let Some(Draft { core, outbox, notifications }) = draft else { return };
        let partitions = core.partitions.clone();
        self.sequence += 1;
        let (instance, sequence) = (self.instance, self.sequence);
        let checkpoint = Checkpoint { instance, sequence, core, outbox, notifications };
        let bytes = Arc::new(encode(&checkpoint).unwrap());
        self.under_way = Some(Stored { id: checkpoint.id(), bytes, partitions, replay: false });
    }

    /// Stores what was taken, if that may be.
    fn store(&mut self, disk: &mut Disk, world: &mut World, rng: &mut ChaCha8Rng) {
        if !self.ledger.may_store(self.acknowledged) {
            return;
        }
        let Some(stored) = self.under_way.take() else { return };
        if rng.random_bool(0.1) {
            // The disk is full.
            return self.ledger.discard();
        }
        let place = usize::from(!stored.id.sequence.is_multiple_of(2));
        disk.generations[place] = Some(stored.bytes.to_vec());
        if !self.ledger.is_of(self.epoch) {
            return self.ledger.discard();
        }
        let id = stored.id;
        self.plan.set_last(stored);
        if let Some(commit) = self.ledger.stored()
            && !rng.random_bool(0.1)
        {
            self.commit(&commit, id, world);
        }
    }

    fn commit(&self, commit: &Commit, checkpoint: CheckpointId, world: &mut World) {
        if self.epoch != world.generation {
            return;
        }
        // As the consumer does: of quiet partitions the last word is repeated.
        for (partition, begun) in self.begun.iter().enumerate() {
            let position = commit.positions.iter().find(|at| at.partition == id_of(partition));
            let offset = position.map(|at| at.next).or(begun.offset);
            let replay = position.map(|at| at.replay).or(begun.replay);
            if offset.is_some() {
                let delivered_until = commit.delivered_until;
                let checkpoint = Some(checkpoint);
                let committed = Committed { offset, replay, delivered_until, checkpoint, ..begun.clone() };
                world.group.insert(partition, committed);
            }
        }
    }

    /// Hands points to the database and takes note of what it has; the answer
    /// to some is lost.
    fn deliver(&mut self, world: &mut World, rng: &mut ChaCha8Rng) {
        while let Some(handed_on) = self.ledger.hand_on() {
            self.sending.push_back(handed_on);
        }
        for _ in 0..rng.random_range(0..4) {
            let Some((number, lines)) = self.sending.front() else { break };
            for line in lines {
                let (key, text) = parse(line);
                world.database.insert(key, text);
            }
            if rng.random_bool(0.1) {
                break;
            }
            self.ledger.delivered(*number);
            self.sending.pop_front();
        }
        for _ in 0..rng.random_range(0..4) {
            let Some(letter) = self.letters.pop_front() else { break };
            world.letters.insert(letter);
            self.acknowledged += 1;
        }
        self.ledger.settle(self.acknowledged);
    }

    fn is_done(&self, scenario: &Scenario) -> bool {
        self.next.is_some_and(|next| next.iter().zip(&scenario.log).all(|(next, log)| *next == log.len()))
    }
}

fn parse(line: &str) -> (Key, String) {
    let mut parts = line.splitn(4, '|');
    let mut next = || parts.next().unwrap().to_owned();
    ((next(), next(), next().parse().unwrap()), next())
}

/// Two daemons, of which one reads.
struct Run<'a> {
    scenario: &'a Scenario,
    world: World,
    disks: [Disk; 2],
    daemons: [Daemon; 2],
    /// The one that the group lets read.
    reader: usize,
    changed: [bool; 2],
    clock: i64,
    troubles: u32,
}

impl<'a> Run<'a> {
    fn new(scenario: &'a Scenario) -> Self {
        let disks = <[Disk; 2]>::default();
        let daemons =
            [0, 1].map(|number| Daemon::start(scenario, &disks[number], number as u64 + 1, [false; 2]));
        let mut run = Self {
            scenario,
            world: World::default(),
            disks,
            daemons,
            reader: 0,
            changed: [false; 2],
            clock: START + 1_000_000,
            troubles: 0,
        };
        run.assign(0);
        run
    }

    /// The group lets `reader` read, from a new assignment on.
    fn assign(&mut self, reader: usize) {
        self.reader = reader;
        self.world.generation += 1;
        let generation = self.world.generation;
        self.daemons[reader].assign(self.scenario, &mut self.world, generation, self.clock);
    }

    /// A crash, with what was on its way; then a restart from what the disk has.
    fn crash(&mut self, rng: &mut ChaCha8Rng) {
        let who = rng.random_range(0..2);
        let (disk, daemon) = (&mut self.disks[who], &mut self.daemons[who]);
        match rng.random_range(0..6) {
            // In the middle of writing: a torn file in place of the older one.
            0 => {
                if let Some(stored) = &daemon.under_way {
                    let half = stored.bytes[..stored.bytes.len() / 2].to_vec();
                    disk.generations[usize::from(!stored.id.sequence.is_multiple_of(2))] = Some(half);
                }
            }
            // The newer one is lost, or both are.
            1 => {
                if let Some(newest) = disk.newest() {
                    disk.generations[usize::from(!newest.sequence.is_multiple_of(2))] = None;
                }
            }
            2 if rng.random_bool(0.3) => *disk = Disk::default(),
            _ => {}
        }
        if rng.random_bool(0.3) {
            let model = rng.random_range(0..2);
            self.changed[model] = !self.changed[model];
        }
        let number = u64::from(self.troubles) + 10;
        self.daemons[who] = Daemon::start(self.scenario, disk, number, self.changed);
        if who == self.reader {
            // The other one takes over, or this one comes back in time.
            self.assign(if rng.random_bool(0.5) { who } else { 1 - who });
        }
    }

    /// The other daemon reads; the first learns of it at once or later.
    fn rebalance(&mut self, rng: &mut ChaCha8Rng) {
        let (old, new) = (self.reader, rng.random_range(0..2));
        if rng.random_bool(0.5) {
            self.daemons[old].revoke(self.world.generation + 1);
            self.assign(new);
        } else if old == new {
            self.assign(new);
        } else {
            // It reads on for a while and may store, but not commit.
            self.assign(new);
            for _ in 0..rng.random_range(0..6) {
                self.daemons[old].feed(self.scenario, rng, self.clock);
                self.daemons[old].take_checkpoint();
                self.daemons[old].store(&mut self.disks[old], &mut self.world, rng);
            }
            self.daemons[old].revoke(self.world.generation);
        }
    }

    fn act(&mut self, rng: &mut ChaCha8Rng, may_fail: bool) {
        let reader = self.reader;
        match rng.random_range(0..100) {
            0..4 if may_fail && self.troubles < 12 => {
                self.troubles += 1;
                self.crash(rng);
            }
            4..8 if may_fail && self.troubles < 12 => {
                self.troubles += 1;
                self.rebalance(rng);
            }
            8..16 => {
                self.clock += i64::from(rng.random_range(0..2_000_u32));
                self.daemons[reader].step(Input::Tick(EventTime(self.clock)));
            }
            16..50 => self.daemons[reader].feed(self.scenario, rng, self.clock),
            50..65 => self.daemons[reader].take_checkpoint(),
            65..80 => self.daemons[reader].store(&mut self.disks[reader], &mut self.world, rng),
            _ => self.daemons[reader].deliver(&mut self.world, rng),
        }
    }

    /// No more trouble: the log is read to its end, silence closes all windows,
    /// and everything is delivered.
    fn finish(&mut self, rng: &mut ChaCha8Rng) {
        for _ in 0..5_000 {
            if self.daemons[self.reader].is_done(self.scenario) {
                break;
            }
            self.act(rng, false);
        }
        for _ in 0..30 {
            self.clock += 4_000;
            let now = EventTime(self.clock);
            self.daemons[self.reader].step(Input::Tick(now));
        }
        for _ in 0..5_000 {
            let reader = &mut self.daemons[self.reader];
            if reader.ledger.outbox().is_empty() && reader.letters.is_empty() {
                break;
            }
            reader.take_checkpoint();
            reader.store(&mut self.disks[self.reader], &mut self.world, rng);
            reader.deliver(&mut self.world, rng);
        }
        let reader = &self.daemons[self.reader];
        assert!(reader.is_done(self.scenario), "the log is read to its end");
        assert!(reader.ledger.outbox().is_empty() && reader.letters.is_empty(), "everything is delivered");
    }
}

fn simulate(seed: u64) -> u32 {
    let failed = Failed(seed);
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let scenario = Scenario::random(&mut rng, true);
    let mut run = Run::new(&scenario);
    for _ in 0..rng.random_range(20..400) {
        run.act(&mut rng, true);
    }
    run.finish(&mut rng);
    let expected = scenario.oracle();
    let found: BTreeSet<_> = run.world.database.keys().collect();
    assert_eq!(found, expected.keys().collect::<BTreeSet<_>>(), "seed {seed}: the windows that were written");
    for (key, text) in &expected {
        assert_eq!(&run.world.database[key], text, "seed {seed}: window {key:?}");
    }
    for (partition, log) in scenario.log.iter().enumerate() {
        let bad = log.iter().enumerate().filter(|(_, payload)| *payload == BAD);
        for (offset, _) in bad {
            assert!(
                run.world.letters.contains(&(partition, offset)),
                "seed {seed}: a dead letter is missing"
            );
        }
    }
    std::mem::forget(failed);
    run.troubles
}

/// Names the seed when a simulation panics anywhere.
struct Failed(u64);

impl Drop for Failed {
    fn drop(&mut self) {
        println!("DRIFTLINE_SEED={} fails", self.0);
    }
}

#[test]
fn whatever_happens_the_points_are_those_of_a_plain_batch_computation() {
    let seeds = seeds(2_000);
    let (count, troubles) = (seeds.len(), seeds.into_iter().map(simulate).sum::<u32>());
    println!("{count} seeds, {troubles} crashes and rebalances");
    assert!(
        troubles > 4_000 || std::env::var("DRIFTLINE_SEED").is_ok(),
        "only {troubles} crashes and rebalances were simulated"
    );
}
