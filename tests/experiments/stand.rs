//! A core with experiments, and what is fed to it.

use std::{
    collections::BTreeMap,
    sync::{Arc, LazyLock},
};

use driftline::{
    decode::{EventMapping, FieldSource, JsonPointer},
    drift::DriftSettings,
    event::{EventTime, MessageBatch, PartitionId},
    experiment::{
        Condition, ExperimentAction, ExperimentChange, ExperimentSettings, Inference, Loss, MetricSettings,
        MetricValue, Statistic,
    },
    pipeline::{Core, CoreSettings, Input, ModelSpec, Outputs, ReferenceSpec, Snapshot},
    reference::{BuilderSettings, ColumnRole, Reference, ReferenceBuilder, Value},
    result::{Better, ChallengerResult, ExperimentResult, MetricResult},
    window::WindowSettings,
};

/// The first event time of every test, a multiple of every slide.
pub(crate) const START: i64 = 1_767_225_600_000;
/// Length of the windows, unless a test says otherwise.
pub(crate) const SLIDE: i64 = 60_000;
pub(crate) const MODEL: &str = "credit";

static REFERENCE: LazyLock<Arc<Reference>> = LazyLock::new(|| {
    let settings = BuilderSettings { window_ms: Some(SLIDE), ..BuilderSettings::default() };
    let mut builder = ReferenceBuilder::new(MODEL, &BTreeMap::new(), settings);
    for row in 0..200_u32 {
        builder.push_row([
            ("amount", ColumnRole::Feature, Value::Number(f64::from(row % 97))),
            ("prediction", ColumnRole::Prediction, Value::Number(f64::from(row) / 200.0)),
        ]);
    }
    Arc::new(builder.finish("test".to_owned()).expect("there are rows").0)
});

/// Windows without any lateness.
pub(crate) fn windows() -> WindowSettings {
    WindowSettings {
        size_ms: SLIDE,
        slide_ms: SLIDE,
        lateness_ms: 0,
        grace_ms: 0,
        idle_timeout_ms: 5_000,
        // What noise is takes milliseconds to work out.
        min_events: 1_000_000,
        ..WindowSettings::default()
    }
}

/// Arms `a` and `b` by variant, of which little is asked.
pub(crate) fn experiment(metrics: Vec<MetricSettings>) -> ExperimentSettings {
    let settings = ExperimentSettings::new("test", MODEL, &["a", "b"], metrics);
    ExperimentSettings {
        inference: Inference { min_events: 10, ..settings.inference },
        label_delay_ms: 0,
        most_waiting: 100_000,
        most_units: 100_000,
        ..settings
    }
}

/// A goal that is better when it is higher.
pub(crate) fn metric(name: &str, statistic: Statistic, value: MetricValue) -> MetricSettings {
    MetricSettings::new(name, Better::Higher, statistic, value)
}

/// The mean of a number that events carry as `value`.
pub(crate) fn value() -> MetricSettings {
    metric("value", Statistic::Mean, MetricValue::Field(at("/value")))
}

/// How often events carry a true `clicked`.
pub(crate) fn clicked() -> MetricSettings {
    metric("clicked", Statistic::Rate(Condition::IsTrue), MetricValue::Field(at("/clicked")))
}

pub(crate) fn brier() -> MetricSettings {
    let metric = metric("brier", Statistic::Mean, MetricValue::Loss(Loss::Brier));
    MetricSettings { better: Better::Lower, ..metric }
}

pub(crate) fn at(pointer: &str) -> FieldSource {
    FieldSource::Pointer(JsonPointer::parse(pointer).expect("a pointer"))
}

/// A prediction of an arm so many milliseconds after the start; `rest` are further
/// members.
pub(crate) fn prediction(arm: &str, after: i64, rest: &str) -> String {
    let time = START + after;
    let prediction = if rest.contains(r#""prediction":"#) { "" } else { r#","prediction":0.5"# };
    format!(r#"{{"kind":"prediction","model":"{MODEL}","time":{time},"variant":"{arm}"{prediction}{rest}}}"#)
}

pub(crate) fn label(id: &str, after: i64, label: &str) -> String {
    let time = START + after;
    format!(r#"{{"kind":"label","model":"{MODEL}","time":{time},"id":"{id}","label":{label}}}"#)
}

/// A message that is more than a payload.
#[derive(Default)]
pub(crate) struct Letter<'a> {
    pub(crate) key: Option<&'a str>,
    pub(crate) headers: &'a [(&'a str, &'a str)],
}

/// A core and what it has said.
pub(crate) struct Stand {
    pub(crate) core: Core,
    make: Box<dyn Fn() -> Core>,
    topics: Vec<String>,
    offsets: Vec<i64>,
    out: Outputs,
    pub(crate) results: Vec<ExperimentResult>,
}

pub(crate) fn core(experiments: Vec<ExperimentSettings>, windows: WindowSettings) -> Core {
    core_of(experiments, windows, EventMapping::default())
}

pub(crate) fn core_of(
    experiments: Vec<ExperimentSettings>,
    windows: WindowSettings,
    mapping: EventMapping,
) -> Core {
    let model = ModelSpec {
        name: MODEL.to_owned(),
        reference: ReferenceSpec::Ready { reference: Arc::clone(&REFERENCE), covers_until: None },
        learned: BuilderSettings::from(10),
        drift: DriftSettings { sample_rows: 0, ..DriftSettings::default() },
        overrides: BTreeMap::new(),
        join: None,
        explain: None,
    };
    Core::new(CoreSettings {
        mapping,
        windows,
        models: vec![model],
        max_message_bytes: 100_000,
        delivered_until: None,
    })
    .with_experiments(experiments)
}

impl Stand {
    /// One partition, and windows without lateness.
    pub(crate) fn new(experiment: ExperimentSettings) -> Self {
        Self::of(vec![experiment], windows(), 1)
    }

    pub(crate) fn of(
        experiments: Vec<ExperimentSettings>,
        windows: WindowSettings,
        partitions: usize,
    ) -> Self {
        let make = move || core(experiments.clone(), windows.clone());
        let mut stand = Self {
            core: make(),
            make: Box::new(make),
            topics: Vec::new(),
            offsets: vec![0; partitions],
            out: Outputs::default(),
            results: Vec::new(),
        };
        stand.assign();
        stand
    }

    pub(crate) fn with_topics(mut self, topics: &[&str]) -> Self {
        self.topics = topics.iter().map(|topic| (*topic).to_owned()).collect();
        self
    }

    fn assign(&mut self) {
        for partition in 0..self.offsets.len() {
            self.step(Input::Assigned(PartitionId(partition as u32), EventTime(START)));
        }
    }

    /// What comes out has to be what JSON can say.
    pub(crate) fn step(&mut self, input: Input<'_>) {
        self.core.step(input, &mut self.out);
        assert!(self.out.rejects.is_empty(), "{:?}", self.out.rejects);
        self.out.experiments.iter().for_each(assert_finite);
        self.results.append(&mut self.out.experiments);
        self.out.clear();
    }

    pub(crate) fn feed_all(&mut self, messages: &[(usize, &str, Letter<'_>)]) {
        let mut batch = MessageBatch::default();
        for (partition, payload, letter) in messages {
            let id = PartitionId(*partition as u32);
            let key = letter.key.map(str::as_bytes);
            batch.push(id, self.offsets[*partition], key, Some(payload.as_bytes()));
            for (name, value) in letter.headers {
                batch.push_header(name.as_bytes(), Some(value.as_bytes()));
            }
            self.offsets[*partition] += 1;
        }
        let topics = self.topics.clone();
        self.step(Input::Batch { batch: &batch, topics: &topics, now: None });
    }

    pub(crate) fn feed(&mut self, payload: &str) {
        self.feed_to(0, payload);
    }

    pub(crate) fn feed_to(&mut self, partition: usize, payload: &str) {
        self.feed_all(&[(partition, payload, Letter::default())]);
    }

    pub(crate) fn change(&mut self, action: ExperimentAction, after: i64) {
        let change = ExperimentChange { experiment: "test".to_owned(), action, at: EventTime(START + after) };
        self.step(Input::Experiment(&change));
    }

    pub(crate) fn start(&mut self, release: &str, after: i64) {
        self.change(ExperimentAction::Start { release: release.to_owned() }, after);
    }

    /// What is said when there is nothing more.
    pub(crate) fn end(&mut self) -> ExperimentResult {
        self.step(Input::End);
        self.latest()
    }

    pub(crate) fn latest(&self) -> ExperimentResult {
        self.core.experiments().remove(0)
    }

    /// The state as it is kept.
    pub(crate) fn stored(&mut self) -> Vec<u8> {
        let named = |id: PartitionId| Some(("events".to_owned(), id.0 as i32));
        let snapshot = self.core.snapshot(&named).expect("a state");
        rmp_serde::to_vec_named(&snapshot).unwrap()
    }

    /// Goes on from what was stored, in a new core.
    pub(crate) fn wake(&mut self, stored: &[u8]) {
        let core = (self.make)();
        self.wake_as(core, stored);
    }

    /// Goes on from what was stored in this core, with the same partitions at the
    /// offsets that it says.
    pub(crate) fn wake_as(&mut self, core: Core, stored: &[u8]) {
        self.core = core;
        self.restore(stored);
    }

    /// Stores and goes on in this core.
    pub(crate) fn wake_in(&mut self, core: Core) {
        let stored = self.stored();
        self.wake_as(core, &stored);
    }

    /// Goes back to what was stored, as when partitions are assigned anew.
    pub(crate) fn restore(&mut self, stored: &[u8]) {
        self.restore_from(&rmp_serde::from_slice(stored).unwrap());
    }

    /// The state as JSON, to be changed.
    pub(crate) fn stored_as_json(&mut self) -> serde_json::Value {
        let named = |id: PartitionId| Some(("events".to_owned(), id.0 as i32));
        serde_json::to_value(self.core.snapshot(&named).expect("a state")).unwrap()
    }

    /// Goes on from a state that was changed, in a new core.
    pub(crate) fn wake_from_json(&mut self, stored: &serde_json::Value) {
        self.core = (self.make)();
        self.restore_from(&serde_json::from_str(&stored.to_string()).unwrap());
    }

    fn restore_from(&mut self, snapshot: &Snapshot<'_>) {
        assert!(snapshot.is_plausible());
        let partitions: Vec<(PartitionId, usize)> = (0..self.offsets.len())
            .filter_map(|partition| {
                let place = snapshot.partitions.iter().position(|at| at.partition == partition as i32)?;
                Some((PartitionId(partition as u32), place))
            })
            .collect();
        let is_anew = !self.core.compare(snapshot).is_empty();
        for (id, place) in &partitions {
            let state = &snapshot.partitions[*place];
            self.offsets[id.0 as usize] = if is_anew { state.replay } else { state.next };
        }
        self.step(Input::Restore { snapshot, partitions: &partitions });
        self.assign();
    }

    pub(crate) fn sleep_and_wake(&mut self) {
        let stored = self.stored();
        self.wake(&stored);
    }

    /// Where reading stands.
    pub(crate) fn offset(&self, partition: usize) -> i64 {
        self.offsets[partition]
    }
}

/// Every number of a result is one: JSON would make `null` of others.
pub(crate) fn assert_finite(result: &ExperimentResult) {
    let text = format!("{result:?}");
    for none in ["NaN", "(inf", "(-inf", ": inf", ": -inf"] {
        assert!(!text.contains(none), "{none} in {text}");
    }
}

/// What is said of the only challenger.
pub(crate) fn challenger(result: &ExperimentResult) -> &ChallengerResult {
    assert_eq!(result.challengers.len(), 1);
    &result.challengers[0]
}

/// What is said of a metric of the only challenger.
pub(crate) fn of<'r>(result: &'r ExperimentResult, name: &str) -> &'r MetricResult {
    challenger(result).metrics.iter().find(|metric| metric.metric == name).expect("a metric of that name")
}

/// How many events each arm has.
pub(crate) fn events(result: &ExperimentResult) -> Vec<u64> {
    result.arms.iter().map(|arm| arm.events).collect()
}

#[track_caller]
pub(crate) fn assert_near(found: Option<f64>, expected: f64, tolerance: f64) {
    let found = found.expect("a number");
    assert!((found - expected).abs() <= tolerance, "found {found}, expected {expected}");
}
