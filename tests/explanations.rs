//! Explanations as a part of the core: which rows wait to be explained, what
//! becomes of them, and what alert rules see of the answers.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
#![allow(clippy::float_cmp)]

use std::{collections::BTreeMap, sync::Arc};

use driftline::{
    alert::{AlertSettings, Labels, NoData, RecordState, Rule, Severity, Test},
    decode::EventMapping,
    event::{EventTime, MessageBatch, PartitionId},
    pipeline::{
        Core, CoreSettings, ExplainLoss, ExplainPurpose, ExplainSpec, ExplainTask, Explained, Input,
        ModelSpec, Outputs, ReferenceSpec, Snapshot,
    },
    profile::row_hash,
    reference::{ColumnRole, ReferenceBuilder, Value},
    result::{ExplainMethod, LoggedGap, OutputExplanation, Provenance, WindowExplanation},
    window::WindowSettings,
};

const START: i64 = 1_767_225_600_000;
const P0: PartitionId = PartitionId(0);

fn spec() -> ExplainSpec {
    ExplainSpec { rows: 4, most_waiting: 2, alert_events: 2, recent_events: 3, versions: Vec::new() }
}

fn model(explain: ExplainSpec) -> ModelSpec {
    let mut builder = ReferenceBuilder::new("credit", &BTreeMap::new(), 10);
    for row in 0..200_u32 {
        builder.push_row([
            ("amount", ColumnRole::Feature, Value::Number(f64::from(row))),
            ("prediction", ColumnRole::Prediction, Value::Number(f64::from(row) / 200.0)),
        ]);
    }
    let reference = Arc::new(builder.finish("test".to_owned()).unwrap().0);
    let reference = ReferenceSpec::Ready { reference, covers_until: None };
    ModelSpec { explain: Some(explain), ..ModelSpec::new("credit", reference) }
}

/// Alerts on windows whose predictions are of another model, and on large
/// amounts.
fn rules() -> Vec<Rule> {
    let rule = |name: &str, measurement: &str, field: &str, raise: &str| Rule {
        name: name.to_owned(),
        measurement: measurement.to_owned(),
        test: Test::Field { name: field.to_owned(), raise: raise.parse().unwrap(), clear: None },
        selectors: Vec::new(),
        raise_after: 1,
        resolve_after: 1,
        increase_over_ms: None,
        severity: Severity::Warning,
        labels: Labels::new(),
        summary: None,
        description: None,
        annotations: BTreeMap::new(),
        no_data: NoData::Keep,
        inhibited_by: Vec::new(),
        mute: Vec::new(),
    };
    vec![
        rule("other_model", "explanation", "logged_gap_share", "> 0.5"),
        rule("large", "drift", "mean", "> 500"),
    ]
}

struct Bench {
    core: Core,
    next: i64,
    out: Outputs,
}

fn core(explain: ExplainSpec, grace_ms: i64) -> Core {
    Core::new(CoreSettings {
        mapping: EventMapping::default(),
        windows: WindowSettings {
            size_ms: 10_000,
            slide_ms: 10_000,
            lateness_ms: 0,
            grace_ms,
            min_events: 1,
            max_empty_windows: 0,
            ..WindowSettings::default()
        },
        models: vec![model(explain)],
        max_message_bytes: 1_000,
        delivered_until: None,
    })
    .with_alerts(AlertSettings { rules: rules(), ..AlertSettings::default() })
}

impl Bench {
    fn new(explain: ExplainSpec, grace_ms: i64) -> Self {
        let mut core = core(explain, grace_ms);
        core.step(Input::Assigned(P0, EventTime(START)), &mut Outputs::default());
        Self { core, next: 0, out: Outputs::default() }
    }

    fn predict(&mut self, id: &str, seconds: i64, amount: f64) {
        self.predict_of("v1", id, seconds, amount);
    }

    fn predict_of(&mut self, version: &str, id: &str, seconds: i64, amount: f64) {
        let time = START + 1_000 * seconds;
        let payload = format!(
            r#"{{"kind":"prediction","id":"{id}","time":{time},"model":"credit","version":"{version}","features":{{"amount":{amount}}},"prediction":0.5}}"#
        );
        let mut batch = MessageBatch::default();
        batch.push(P0, self.next, None, Some(payload.as_bytes()));
        self.next += 1;
        self.core.step(Input::Batch { batch: &batch, topics: &[], now: None }, &mut self.out);
    }

    fn window_task(&self) -> Option<&ExplainTask> {
        self.core.explanations().next("credit", ExplainPurpose::Window).map(Arc::as_ref)
    }

    fn lost(&mut self, reason: ExplainLoss) -> u64 {
        self.core.take_counters().unexplained[reason as usize]
    }

    /// What the window that waits says, with so much of a gap.
    fn explain(&mut self, gap_share: f64) {
        let task = self.window_task().unwrap().clone();
        let explained = Explained::Window(Box::new(explanation(&task, gap_share)));
        self.core.step(Input::Explained(task.number, &explained), &mut self.out);
    }
}

fn explanation(task: &ExplainTask, gap_share: f64) -> WindowExplanation {
    WindowExplanation {
        stream: task.stream.clone(),
        window: task.window.clone(),
        start: task.start,
        end: task.end,
        events: task.events,
        provenance: Provenance {
            method: ExplainMethod::ExactTree,
            model_kind: "XGBoost".to_owned(),
            model_id: "0".repeat(16),
            background_id: "0".repeat(16),
            background_rows: 100,
            evaluations: 4,
            surrogate_r2: None,
            surrogate_mae: None,
        },
        rows: 4,
        rows_given_up: 0,
        rows_unusable: 0,
        outputs: vec![OutputExplanation {
            output: "0".to_owned(),
            logged: Some(LoggedGap { rows: 4, median: 0.1, p95: 0.2, tolerance: 0.01, share: gap_share }),
            ..OutputExplanation::default()
        }],
    }
}

#[test]
fn a_window_leaves_the_rows_with_the_smallest_hashes() {
    let mut bench = Bench::new(spec(), 0);
    for id in 0..9 {
        bench.predict(&format!("i{id}"), id, f64::from(i32::try_from(id).unwrap()));
    }
    assert_eq!(bench.window_task(), None);
    bench.predict("next", 10, 0.0);
    let task = bench.window_task().unwrap();
    assert_eq!((task.events, task.end), (9, EventTime(START + 10_000)));
    let mut hashes: Vec<u64> = (0..9).map(|id| row_hash(format!("i{id}").as_bytes())).collect();
    hashes.sort_unstable();
    assert_eq!(task.rows.iter().map(|row| row.hash).collect::<Vec<_>>(), hashes[..4]);
    for row in &task.rows {
        let id = (0..9_u32).find(|id| row_hash(format!("i{id}").as_bytes()) == row.hash).unwrap();
        assert_eq!(row.cells[0].to_f64(), f64::from(id));
    }
}

#[test]
fn the_answer_is_given_out_and_asked_for_no_more() {
    let mut bench = Bench::new(spec(), 0);
    bench.predict("a", 0, 1.0);
    bench.predict("b", 10, 1.0);
    bench.explain(0.0);
    assert_eq!(bench.out.explanations.len(), 1);
    assert!(bench.core.explanations().is_empty());
    // A second answer changes nothing.
    let stale = Explained::Window(Box::new(bench.out.explanations[0].clone()));
    bench.core.step(Input::Explained(1, &stale), &mut bench.out);
    assert_eq!(bench.out.explanations.len(), 1);
}

#[test]
fn a_late_event_asks_anew_and_the_old_answer_is_let_go() {
    let mut bench = Bench::new(spec(), 60_000);
    bench.predict("a", 0, 1.0);
    bench.predict("b", 10, 1.0);
    let old = bench.window_task().unwrap().clone();
    bench.predict("late", 5, 7.0);
    let new = bench.window_task().unwrap().clone();
    assert_eq!((old.rows.len(), new.rows.len(), old.end), (1, 2, new.end));
    assert_ne!(old.number, new.number);
    let answer = Explained::Window(Box::new(explanation(&old, 0.0)));
    bench.core.step(Input::Explained(old.number, &answer), &mut bench.out);
    assert_eq!((bench.out.explanations.len(), bench.core.explanations().len()), (0, 1));
    assert_eq!(bench.lost(ExplainLoss::Superseded), 1);
}

#[test]
fn late_events_do_not_take_away_what_somebody_works_on() {
    let mut bench = Bench::new(spec(), 60_000);
    bench.predict("a", 0, 1.0);
    bench.predict("b", 10, 1.0);
    let begun = bench.window_task().unwrap().number;
    bench.core.explanations_mut().begin(begun);
    for second in 1..9 {
        bench.predict(&format!("late{second}"), second, 7.0);
        assert_eq!(bench.window_task().unwrap().number, begun, "it keeps its place");
    }
    // The window as it is now waits once, however often it was written.
    assert_eq!(bench.core.explanations().len(), 2);
    bench.explain(0.0);
    assert_eq!((bench.out.explanations.len(), bench.window_task().unwrap().rows.len()), (1, 4));
    bench.explain(0.0);
    assert_eq!((bench.out.explanations.len(), bench.core.explanations().len()), (2, 0));
}

#[test]
fn what_somebody_works_on_does_not_make_room() {
    let mut bench = Bench::new(spec(), 0);
    bench.predict("a", 0, 1.0);
    bench.predict("b", 10, 1.0);
    let begun = bench.window_task().unwrap().number;
    bench.core.explanations_mut().begin(begun);
    for window in 2..6 {
        bench.predict(&format!("i{window}"), 10 * window, 1.0);
    }
    assert!(bench.core.explanations().has(begun));
    assert_eq!((bench.core.explanations().len(), bench.lost(ExplainLoss::Overflow)), (2, 3));
}

#[test]
fn streams_have_room_of_their_own() {
    let mut bench = Bench::new(spec(), 0);
    for version in 0..5 {
        bench.predict_of(&format!("v{version}"), "a", 0, 1.0);
    }
    bench.predict("b", 10, 1.0);
    assert_eq!((bench.core.explanations().len(), bench.lost(ExplainLoss::Overflow)), (5, 0));
}

#[test]
fn beyond_its_bound_the_oldest_window_makes_room() {
    let mut bench = Bench::new(spec(), 0);
    for window in 0..4 {
        bench.predict(&format!("i{window}"), 10 * window, 1.0);
    }
    // Three windows are closed, of which two can wait.
    assert_eq!(bench.core.explanations().len(), 2);
    assert_eq!(bench.window_task().unwrap().end, EventTime(START + 20_000));
    assert_eq!(bench.lost(ExplainLoss::Overflow), 1);
}

#[test]
fn windows_of_other_versions_are_not_asked_about() {
    let mut bench = Bench::new(ExplainSpec { versions: vec!["v1".to_owned()], ..spec() }, 0);
    bench.predict_of("v2", "a", 0, 1.0);
    bench.predict_of("v1", "b", 1, 1.0);
    bench.predict("c", 10, 1.0);
    assert_eq!(bench.core.explanations().len(), 1);
    assert_eq!(bench.window_task().unwrap().stream.version, "v1");
    assert_eq!(bench.lost(ExplainLoss::OtherVersion), 1);
}

#[test]
fn what_no_model_will_answer_is_counted() {
    let mut bench = Bench::new(spec(), 0);
    bench.predict("a", 0, 1.0);
    bench.predict("b", 10, 1.0);
    let number = bench.window_task().unwrap().number;
    bench.core.step(Input::Explained(number, &Explained::GivenUp), &mut bench.out);
    assert!(bench.core.explanations().is_empty() && bench.out.explanations.is_empty());
    assert_eq!(bench.lost(ExplainLoss::GivenUp), 1);
}

#[test]
fn a_restart_goes_on_with_what_waits() {
    let mut bench = Bench::new(spec(), 0);
    bench.predict("a", 0, 1.0);
    bench.predict("b", 10, 1.0);
    let waiting = bench.core.explanations().clone();
    let snapshot = bench.core.snapshot(&|_| Some(("t".to_owned(), 0))).unwrap();
    let stored = rmp_bytes(&snapshot);
    let snapshot: Snapshot<'static> = serde_json::from_slice(&stored).unwrap();
    let restored = |explain: ExplainSpec| {
        let mut core = core(explain, 0);
        let mut out = Outputs::default();
        core.step(Input::Restore { snapshot: &snapshot, partitions: &[(P0, 0)] }, &mut out);
        core
    };
    assert_eq!(*restored(spec()).explanations(), waiting);
    // What is no row of the model's is let go.
    let mut other = restored(spec());
    let mut changed: serde_json::Value = serde_json::from_slice(&stored).unwrap();
    let cells = &mut changed["explanations"]["waiting"][0]["rows"][0]["cells"];
    cells.as_array_mut().unwrap().pop();
    let changed: Snapshot<'static> = serde_json::from_value(changed).unwrap();
    other.step(Input::Restore { snapshot: &changed, partitions: &[(P0, 0)] }, &mut Outputs::default());
    assert!(other.explanations().is_empty());
}

fn rmp_bytes(snapshot: &Snapshot<'_>) -> Vec<u8> {
    serde_json::to_vec(snapshot).unwrap()
}

#[test]
fn rules_look_at_explanations_when_they_come() {
    let mut bench = Bench::new(spec(), 0);
    for (window, gap) in [0.0, 0.9, 0.9, 0.0].into_iter().enumerate() {
        let window = i64::try_from(window).unwrap();
        bench.predict(&format!("i{window}"), 10 * window, 1.0);
        if window > 0 {
            bench.explain(gap);
        }
    }
    let records = &bench.out.alerts.records;
    let told: Vec<_> = records.iter().map(|record| ((record.at.0 - START) / 1_000, record.state)).collect();
    // The windows that end at 10 and 20 s are of another model, the next is not.
    assert_eq!(told, [(10, RecordState::Firing), (30, RecordState::Resolved)]);
    assert_eq!(records[0].alert.rule, "other_model");
}

#[test]
fn an_alert_asks_about_the_strangest_events_of_its_window() {
    let mut bench = Bench::new(ExplainSpec { rows: 100, ..spec() }, 0);
    for (place, amount) in [20.0, 50.0, 1e6, 80.0, 2e6, 150.0].into_iter().enumerate() {
        bench.predict(&format!("i{place}"), i64::try_from(place).unwrap(), amount);
    }
    bench.predict("next", 10, 1.0);
    let task = bench.core.explanations().next("credit", ExplainPurpose::Alert).unwrap();
    let mut amounts: Vec<f64> = task.rows.iter().map(|row| row.cells[0].to_f64()).collect();
    amounts.sort_by(f64::total_cmp);
    assert_eq!(amounts, [1e6, 2e6], "the two amounts beyond the reference's range");
}

#[test]
fn an_alert_on_an_explanation_asks_about_events_of_its_window() {
    let mut bench = Bench::new(spec(), 0);
    for id in 0..6 {
        bench.predict(&format!("i{id}"), id, f64::from(i32::try_from(id).unwrap()));
    }
    bench.predict("next", 10, 1.0);
    bench.explain(0.9);
    let task = bench.core.explanations().next("credit", ExplainPurpose::Alert).unwrap();
    assert_eq!((task.rows.len(), task.end), (2, EventTime(START + 10_000)));
}

#[test]
fn what_no_checkpoint_has_is_counted_as_lost() {
    for (delivered_until, lost) in [(None, 0), (Some(EventTime(START + 10_000)), 1)] {
        let mut bench = Bench::new(spec(), 0);
        bench.predict("a", 0, 1.0);
        bench.predict("b", 10, 1.0);
        assert_eq!(bench.core.explanations().len(), 1);
        bench.core.step(Input::Restart(delivered_until), &mut bench.out);
        // A window that was not delivered is written, and explained, again.
        assert_eq!((bench.core.explanations().len(), bench.lost(ExplainLoss::Restart)), (0, lost));
    }
}

#[test]
fn the_latest_events_are_known_by_their_ids() {
    let mut bench = Bench::new(spec(), 0);
    for id in ["a", "b", "c", "d"] {
        bench.predict(id, 0, f64::from(u32::from(id.as_bytes()[0])));
    }
    assert_eq!(bench.core.recent_event("credit", "a"), None, "only three are remembered");
    let row = bench.core.recent_event("credit", "c").unwrap();
    assert_eq!((row.cells[0].to_f64(), row.stream.version.as_str()), (99.0, "v1"));
    assert_eq!(bench.core.recent_event("other", "c"), None);
}

#[test]
fn an_event_can_be_read_without_being_counted() {
    let mut bench = Bench::new(spec(), 0);
    let read = |core: &mut Core, json: &str| {
        let mut batch = MessageBatch::default();
        batch.push(P0, 0, None, Some(json.as_bytes()));
        core.read_event("credit", &batch)
    };
    let event = format!(r#"{{"model":"credit","time":{START},"features":{{"amount":3}},"prediction":0.5}}"#);
    let row = read(&mut bench.core, &event).unwrap();
    assert_eq!((row.cells[0].to_f64(), row.cells[1].to_f64()), (3.0, 0.5));
    assert!(read(&mut bench.core, "{").is_err());
    assert!(read(&mut bench.core, &event.replace("credit", "debit")).is_err());
    assert_eq!(bench.core.take_counters().messages, 0);
}
