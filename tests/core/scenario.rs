//! What is on the log, and what a plain batch computation makes of it.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, LazyLock},
};

use driftline::{
    alert::{AlertSettings, Condition, Labels, NoData, Rule, Severity, Test},
    decode::EventMapping,
    drift::{ColumnJudge, DriftSettings, Scorer, moving::MovingReference, noise::MinimumEffects},
    event::{EventTime, PartitionId},
    pipeline::{Core, CoreSettings, ExplainSpec, JoinSettings, ModelSpec, ReferenceSpec},
    profile::{Cell, Counts, Grid},
    reference::{BuilderSettings, ColumnOverride, ColumnRole, Reference, ReferenceBuilder, Value},
    result::{StreamKey, WindowResult},
    window::WindowSettings,
};
use rand::RngExt;
use rand_chacha::ChaCha8Rng;

/// The first event time of every simulation, a multiple of every slide.
pub(crate) const START: i64 = 1_767_225_600_000;
pub(crate) const PARTITIONS: usize = 3;
const COLORS: [&str; 4] = ["red", "green", "blue", "violet"];
pub(crate) const MODELS: [&str; 2] = ["credit", "fraud"];

/// Model, version and end of a window.
pub(crate) type Key = (String, String, i64);

/// One event as the simulator knows it.
#[derive(Debug, Clone)]
struct Event {
    id: String,
    model: &'static str,
    time: i64,
    version: &'static str,
    amount: Option<f64>,
    color: usize,
    score: f64,
    is_label: bool,
    /// How much earlier its features are, when they come as an event of their own.
    features_lead_ms: i64,
}

/// One scenario: what is configured and what is on the log.
pub(crate) struct Scenario {
    pub(crate) windows: WindowSettings,
    join: bool,
    /// Windows that wait to be explained, at most: few where there are snapshots
    /// all the time.
    most_waiting: usize,
    /// Payloads per partition, in the order of their offsets.
    pub(crate) log: Vec<Vec<String>>,
    events: Vec<Event>,
}

/// A payload that can't be used.
pub(crate) const BAD: &str = r#"{"kind":"prediction","time":"#;

static REFERENCE: LazyLock<Arc<Reference>> = LazyLock::new(|| {
    let settings = BuilderSettings {
        segments: vec!["color".to_owned()],
        sample_rows: 200,
        window_ms: Some(1_000),
        ..BuilderSettings::default()
    };
    let mut builder = ReferenceBuilder::new("credit", &BTreeMap::new(), settings);
    for row in 0..500_u32 {
        builder.push_row([
            ("amount", ColumnRole::Feature, Value::Number(f64::from(row % 97) * 1.5)),
            // The reference never saw violet.
            ("color", ColumnRole::Feature, Value::Text(COLORS[row as usize % 3])),
            ("prediction", ColumnRole::Prediction, Value::Number(f64::from(row) / 500.0)),
        ]);
    }
    Arc::new(builder.finish("test".to_owned()).expect("there are rows").0)
});

/// Rules over every part of a result, which fire and resolve often.
fn rules() -> Vec<Rule> {
    let rule = |(measurement, name, raise, clear): (&str, &str, &str, Option<&str>), windows, no_data| Rule {
        name: format!("{measurement}_{name}"),
        measurement: measurement.to_owned(),
        test: Test::Field {
            name: name.to_owned(),
            raise: raise.parse::<Condition>().unwrap(),
            clear: clear.map(|clear| clear.parse::<Condition>().unwrap()),
        },
        selectors: Vec::new(),
        raise_after: windows,
        resolve_after: windows,
        increase_over_ms: None,
        severity: Severity::Warning,
        labels: Labels::new(),
        summary: None,
        description: None,
        annotations: BTreeMap::new(),
        no_data,
        inhibited_by: Vec::new(),
        mute: Vec::new(),
    };
    vec![
        rule(("window", "events", ">= 4", Some("< 2")), 2, NoData::Keep),
        rule(("drift", "missing_share", "> 0.05", None), 1, NoData::Resolve),
        rule(("segment", "n", ">= 1", None), 1, NoData::Fire),
        rule(("evidence", "windows", ">= 2", None), 2, NoData::Keep),
        rule(("comparison", "reference_n", ">= 5", Some("< 3")), 1, NoData::Keep),
        rule(("quality", "value", "> 0", None), 3, NoData::Resolve),
    ]
}

impl Event {
    fn random(rng: &mut ChaCha8Rng, number: usize, time: i64) -> Self {
        Self {
            id: format!("e{number}"),
            model: MODELS[usize::from(rng.random_bool(0.3))],
            time,
            version: if rng.random_bool(0.5) { "v1" } else { "v2" },
            amount: (!rng.random_bool(0.1)).then(|| f64::from(rng.random_range(0..2_000_u32)) / 8.0),
            color: rng.random_range(0..COLORS.len()),
            score: f64::from(rng.random_range(0..1_000_u32)) / 1_000.0,
            is_label: rng.random_bool(0.1),
            features_lead_ms: rng.random_range(0..3_000),
        }
    }

    fn features(&self) -> String {
        let amount = self.amount.map_or("null".to_owned(), |amount| amount.to_string());
        format!(r#""features":{{"amount":{amount},"color":"{}"}}"#, COLORS[self.color])
    }

    fn envelope(&self, kind: &str, rest: &str) -> String {
        let Self { id, model, version, .. } = self;
        let time = self.time - if kind == "feature" { self.features_lead_ms } else { 0 };
        format!(
            r#"{{"kind":"{kind}","id":"{id}","time":{time},"model":"{model}","version":"{version}",{rest}}}"#
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

    fn cells(&self) -> Vec<Cell> {
        let cell = |name: &str, grid: &Grid| match (name, grid) {
            ("amount", _) => self.amount.map_or(Cell::MISSING, Cell::number),
            ("color", Grid::Categorical(grid)) => Cell::category(grid.code_of(COLORS[self.color].as_bytes())),
            _ => Cell::number(self.score),
        };
        REFERENCE.columns.iter().map(|column| cell(&column.name, &column.grid)).collect()
    }
}

impl Scenario {
    /// With `rough`, some messages can't be used and some events come twice.
    pub(crate) fn random(rng: &mut ChaCha8Rng, rough: bool) -> Self {
        let slide_ms = 1_000 * rng.random_range(1..=3_i64);
        let lateness_ms = rng.random_range(0..2_500);
        let windows = WindowSettings {
            slide_ms,
            size_ms: slide_ms * rng.random_range(1..=3_i64),
            lateness_ms,
            grace_ms: if rng.random_bool(0.5) { 0 } else { rng.random_range(1..4_000) },
            idle_timeout_ms: 5_000,
            // What noise is takes milliseconds to work out, anew in every core.
            min_events: if rng.random_bool(0.03) { 20 } else { 1_000 },
            ..WindowSettings::default()
        };
        let join = rng.random_bool(0.3);
        let count = rng.random_range(1..250);
        let span = rng.random_range(1_000..40_000);
        let mut times: Vec<i64> = (0..count).map(|_| START + rng.random_range(0..span)).collect();
        times.sort_unstable();
        let mut events: Vec<Event> =
            times.iter().enumerate().map(|(number, &time)| Event::random(rng, number, time)).collect();
        if rough && !join {
            // A producer that sends again is a producer that sends: both count.
            let again: Vec<Event> = events.iter().filter(|_| rng.random_bool(0.05)).cloned().collect();
            events.extend(again);
        }
        // An event may stand behind others of its partition that are later by
        // as much as windows wait for it.
        let delay = windows.lateness_ms + windows.grace_ms;
        let mut arrivals: Vec<(i64, String)> = Vec::new();
        for event in &events {
            for payload in event.payloads(join) {
                arrivals.push((event.time + if delay > 0 { rng.random_range(0..delay) } else { 0 }, payload));
            }
            if rough && rng.random_bool(0.05) {
                arrivals.push((event.time, BAD.to_owned()));
            }
        }
        arrivals.sort_by_key(|(arrival, _)| *arrival);
        let mut log = vec![Vec::new(); PARTITIONS];
        for (_, payload) in arrivals {
            log[rng.random_range(0..PARTITIONS)].push(payload);
        }
        Self { windows, join, most_waiting: if rough { 3 } else { 10_000 }, log, events }
    }

    /// A core; `changed` says of each model whether a setting of it that
    /// changes its meaning, but no result, is another than usual.
    pub(crate) fn core(&self, delivered_until: Option<EventTime>, changed: [bool; 2]) -> Core {
        let spec = |(name, changed): (&str, bool)| {
            let never = ColumnOverride { ignore: true, ..ColumnOverride::default() };
            ModelSpec {
                name: name.to_owned(),
                reference: ReferenceSpec::Ready { reference: Arc::clone(&REFERENCE), covers_until: None },
                learned: BuilderSettings::from(10),
                drift: DriftSettings {
                    sample_rows: 16,
                    compare_with: vec![
                        MovingReference::Previous { windows: 1 },
                        MovingReference::Rolling { ms: 20_000 },
                    ],
                    ..DriftSettings::default()
                },
                overrides: changed.then(|| ("never".to_owned(), never)).into_iter().collect(),
                join: self.join.then_some(JoinSettings { timeout_ms: 10_000, max_waiting: 10_000 }),
                explain: Some(ExplainSpec {
                    rows: 8,
                    most_waiting: self.most_waiting,
                    alert_events: 2,
                    recent_events: 5,
                    versions: Vec::new(),
                }),
            }
        };
        Core::new(CoreSettings {
            mapping: EventMapping::default(),
            windows: self.windows.clone(),
            models: MODELS.into_iter().zip(changed).map(spec).collect(),
            max_message_bytes: 10_000,
            delivered_until,
        })
        .with_alerts(AlertSettings { rules: rules(), ..AlertSettings::default() })
    }

    /// All messages that can be used, in order of their event times.
    pub(crate) fn in_order(&self) -> Vec<String> {
        let mut payloads: Vec<(i64, String)> = Vec::new();
        for event in &self.events {
            for payload in event.payloads(self.join) {
                let is_half = payload.contains(r#""kind":"feature""#);
                payloads.push((event.time - if is_half { event.features_lead_ms } else { 0 }, payload));
            }
        }
        payloads.sort();
        payloads.into_iter().map(|(_, payload)| payload).collect()
    }

    /// What every window with data must say in the end, computed in one go.
    pub(crate) fn oracle(&self) -> BTreeMap<Key, String> {
        let (size, slide) = (self.windows.size_ms, self.windows.slide_ms);
        let keys: BTreeSet<(&str, &str, i64)> = self
            .events
            .iter()
            .flat_map(|event| {
                let first = event.time.div_euclid(slide) * slide + slide;
                (0..size / slide).map(move |index| (event.model, event.version, first + index * slide))
            })
            .collect();
        let mut scorer = Scorer::default();
        let settings =
            (&DriftSettings { sample_rows: 0, ..DriftSettings::default() }, self.windows.min_events);
        let judge = |column| ColumnJudge::new(column, &column.counts, None);
        let mut judges: Vec<ColumnJudge> = REFERENCE.columns.iter().map(judge).collect();
        let mut expected = BTreeMap::new();
        for (model, version, end) in keys {
            let inside = |event: &&Event| {
                (event.model, event.version) == (model, version) && (end - size..end).contains(&event.time)
            };
            let (labels, rows): (Vec<&Event>, Vec<&Event>) =
                self.events.iter().filter(inside).partition(|event| event.is_label);
            let mut columns = Vec::new();
            for ((index, column), judge) in REFERENCE.columns.iter().enumerate().zip(&mut judges) {
                let mut counts = Counts::new(&column.grid);
                for event in &rows {
                    counts.add_cells(&column.grid, &[event.cells()[index]]);
                    if column.name == "color" && COLORS[event.color] == "violet" {
                        counts.note_unseen("violet", 1);
                    }
                }
                columns.push(judge.judge(&mut scorer, (column, &column.counts), &counts, settings));
            }
            let key =
                StreamKey { model: model.to_owned(), version: version.to_owned(), variant: String::new() };
            let empty = WindowResult::empty(key, "", EventTime(end - size), EventTime(end));
            let mut window = WindowResult { features: columns, ..empty };
            window.rank(|score| MinimumEffects::default().of(score));
            let columns = serde_json::to_string(&window.features).unwrap();
            let text = format!("{} {} {columns}", rows.len(), labels.len());
            expected.insert((model.to_owned(), version.to_owned(), end), text);
        }
        expected
    }
}

/// Which window a result is of, and what it says.
pub(crate) fn text_of(result: &WindowResult) -> (Key, String) {
    let features = serde_json::to_string(&result.features).unwrap();
    let key = (result.stream.model.clone(), result.stream.version.clone(), result.end.0);
    (key, format!("{} {} {features}", result.events, result.labels))
}

/// What a result says of its window and the windows before it.
pub(crate) fn memory_of(result: &WindowResult) -> String {
    let alone = (&result.segments, &result.several);
    serde_json::to_string(&(&result.evidence, &result.comparisons, &result.quality, alone)).unwrap()
}

pub(crate) fn id_of(partition: usize) -> PartitionId {
    PartitionId(partition as u32)
}
