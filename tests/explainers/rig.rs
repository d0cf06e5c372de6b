//! Models to be explained, tasks about them, and a server that answers for one.

use std::fmt::Write as _;
use std::{
    collections::BTreeMap,
    fs,
    io::Read as _,
    path::PathBuf,
    sync::{Arc, RwLock, RwLockReadGuard},
    time::Duration,
};

use driftline::{
    event::EventTime,
    explain::{ExplainSettings, PermutationSettings},
    explainer::{
        AskError, ExplainerSettings, Explainers, ModelSource, RemoteSettings,
        remote::{Pacing, Protocol, RemoteInput},
    },
    pipeline::{ExplainPurpose, ExplainRow, ExplainSpec, ExplainTask, Explained, Explanations, RecentRow},
    profile::Cell,
    reference::{BuilderSettings, ColumnRole, Reference, ReferenceBuilder, Value},
    result::{EventExplanation, StreamKey, WindowExplanation},
};
use prometheus::{Registry, TextEncoder};
use serde_json::{Value as Json, json};
use tokio::{runtime::Runtime, sync::oneshot};

use crate::support::{
    servers::{SOON, eventually, folder},
    stand_in::{Reply, Seen, StandIn},
};

pub(crate) const FEATURES: [&str; 7] = ["a", "b", "c", "d", "e", "f", "g"];
/// Between two windows.
pub(crate) const SLIDE_MS: i64 = 10_000;
const START: i64 = 1_767_225_600_000;

/// A test that counts threads has the process for itself.
pub(crate) static PROCESS: RwLock<()> = RwLock::new(());

/// Events are none of the reference's rows.
const EVENTS: u64 = 1_000_000;

/// Features of the event with this number.
pub(crate) fn features(event: u64) -> [f64; 7] {
    row(EVENTS + event)
}

/// A row: four features are continuous, three codes.
fn row(number: u64) -> [f64; 7] {
    let part = |salt: u64, steps: u32| {
        let mixed =
            (number + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15).rotate_left(17 * u32::try_from(salt).unwrap());
        f64::from(u32::try_from(mixed.wrapping_mul(0xBF58_476D_1CE4_E5B9) >> 40).unwrap() % steps)
    };
    let continuous = |salt| part(salt, 4_001) / 1_000.0 - 2.0;
    [continuous(1), continuous(2), continuous(3), continuous(4), part(5, 3), part(6, 3), part(7, 3)]
}

/// What the server's model says of a row: nothing that few coalitions would tell.
pub(crate) fn score(row: &[f64]) -> f64 {
    row[0] * row[1] + (row[2] * row[4]).sin() - row[3] * row[5] * row[6] + 0.5 * row[0]
}

pub(crate) fn reference(model: &str, first: u64) -> Arc<Reference> {
    let settings = BuilderSettings { sample_rows: 200, ..BuilderSettings::default() };
    let mut builder = ReferenceBuilder::new(model, &BTreeMap::new(), settings);
    for number in first..first + 400 {
        let row = row(number);
        let prediction = [("prediction", ColumnRole::Prediction, Value::Number(score(&row)))];
        let cells = FEATURES
            .into_iter()
            .zip(row)
            .map(|(name, value)| (name, ColumnRole::Feature, Value::Number(value)));
        builder.push_row(cells.chain(prediction));
    }
    Arc::new(builder.finish("test".to_owned()).unwrap().0)
}

/// The cells of a row in the columns of a reference.
fn cells(reference: &Reference, row: [f64; 7]) -> Vec<Cell> {
    let value =
        |name: &str| FEATURES.iter().position(|own| *own == name).map_or(score(&row), |place| row[place]);
    reference.columns.iter().map(|column| Cell::number(value(&column.name))).collect()
}

fn stream(model: &str, version: &str) -> StreamKey {
    StreamKey { model: model.to_owned(), version: version.to_owned(), variant: "none".to_owned() }
}

/// The rows with these numbers as window `window` of a model.
pub(crate) fn task(number: u64, model: &str, window: i64, rows: std::ops::Range<u64>) -> ExplainTask {
    let reference = reference(model, 0);
    let row = |number: u64| ExplainRow { hash: number << 20, cells: cells(&reference, features(number)) };
    ExplainTask {
        number,
        purpose: ExplainPurpose::Window,
        stream: stream(model, "v1"),
        window: "10s".to_owned(),
        start: EventTime(START + window * SLIDE_MS),
        end: EventTime(START + (window + 1) * SLIDE_MS),
        events: rows.end - rows.start,
        design_effect: 1.0,
        streams: 1,
        rows: rows.map(row).collect(),
    }
}

/// The event with this number, asked about by somebody.
pub(crate) fn event(model: &str, number: u64) -> RecentRow {
    let reference = reference(model, 0);
    RecentRow { stream: stream(model, "v1"), hash: number << 20, cells: cells(&reference, features(number)) }
}

/// What a core would offer that has these tasks.
pub(crate) fn offered(tasks: &[ExplainTask]) -> Explanations {
    let last = tasks.iter().map(|task| task.number).max();
    serde_json::from_value(json!({ "waiting": tasks, "last": last.unwrap_or(0) })).unwrap()
}

/// How a model is explained, by permutations where it is a server.
pub(crate) fn settings(source: ModelSource) -> ExplainerSettings {
    let is_remote = matches!(source, ModelSource::Server(_));
    let explain = ExplainSettings {
        background_rows: 10,
        reference_rows: 60,
        enumerated_inputs: 2,
        permutation: PermutationSettings { most_rounds: 1, ..PermutationSettings::default() },
        ..ExplainSettings::defaults(is_remote)
    };
    ExplainerSettings {
        source,
        inputs: None,
        explain,
        rows: ExplainSpec {
            rows: 100,
            most_waiting: 5,
            alert_events: 2,
            recent_events: 10,
            versions: Vec::new(),
        },
        evaluations_per_second: 100_000_000,
        threads: 1,
        waiting_requests: 2,
    }
}

pub(crate) fn file(path: PathBuf) -> ExplainerSettings {
    settings(ModelSource::File { path, runtime: None })
}

/// A tree ensemble of seven inputs.
pub(crate) fn trees() -> ExplainerSettings {
    let stored = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/oracles/models/xgb_binary.json.gz");
    let mut json = Vec::new();
    flate2::read::GzDecoder::new(fs::File::open(stored).unwrap()).read_to_end(&mut json).unwrap();
    let path = folder("trees").join("model.json");
    fs::write(&path, json).unwrap();
    // It does not name its inputs.
    let schema = path.with_file_name("inputs.toml");
    let mut inputs = String::new();
    for name in FEATURES {
        writeln!(inputs, "[[inputs]]\nfeature = \"{name}\"").unwrap();
    }
    fs::write(&schema, inputs).unwrap();
    ExplainerSettings { inputs: Some(schema), ..file(path) }
}

/// A linear model of the same inputs.
pub(crate) fn linear() -> ExplainerSettings {
    let path = folder("linear").join("model.toml");
    let coefficients: String =
        FEATURES.iter().zip(1..).map(|(name, weight)| format!("{name} = {weight}\n")).collect();
    fs::write(&path, format!("[coefficients]\n{coefficients}")).unwrap();
    file(path)
}

/// The rows of a request.
pub(crate) fn rows_of(seen: &Seen) -> Vec<Vec<f64>> {
    let body: Json = serde_json::from_str(&seen.body).unwrap();
    serde_json::from_value(body["instances"].clone()).unwrap()
}

/// Whether a request is about an event: what is asked about it has features of
/// its own and others of the background.
pub(crate) fn is_about(seen: &Seen, event: u64) -> bool {
    let features = features(event);
    let own = |row: &[f64]| {
        row[..4].iter().zip(features).filter(|(value, own)| value.to_bits() == own.to_bits()).count()
    };
    rows_of(seen).iter().any(|row| own(row) >= 3)
}

/// The right answer.
pub(crate) fn right(seen: &Seen) -> Reply {
    let predictions: Vec<f64> = rows_of(seen).iter().map(|row| score(row)).collect();
    Reply::status(200).body(&json!({ "predictions": predictions }).to_string())
}

/// Explainers of some models, and everything around them.
pub(crate) struct Rig {
    pub(crate) explainers: Explainers,
    pub(crate) registry: Registry,
    pub(crate) runtime: Runtime,
    _process: Option<RwLockReadGuard<'static, ()>>,
}

pub(crate) fn runtime() -> Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}

/// A server beside the runtime of the explainers, so that it outlives that.
pub(crate) fn server(behaviour: impl Fn(&Seen) -> Reply + Send + Sync + 'static) -> StandIn {
    crate::support::servers::http::block_on(StandIn::start(behaviour))
}

/// How a model at a server is explained.
pub(crate) fn remote(server: &StandIn, rows_per_request: usize) -> ExplainerSettings {
    let protocol = Protocol::KServeV1 { model: "m".to_owned() };
    let remote = RemoteSettings {
        inputs: FEATURES.into_iter().map(RemoteInput::number).collect(),
        attempts: 1,
        rows_per_request,
        // Only against a test that hangs.
        timeout: Duration::from_secs(120),
        pacing: Pacing {
            base: Duration::from_millis(1),
            max: Duration::from_millis(4),
            max_retry_after: Duration::from_secs(2),
        },
        rest: Duration::from_millis(100),
        ..RemoteSettings::new("m", server.url(), protocol)
    };
    settings(ModelSource::Server(Box::new(remote)))
}

impl Rig {
    /// Explains these models, with their references.
    pub(crate) fn new<const N: usize>(models: [(&str, ExplainerSettings); N]) -> Self {
        let process = PROCESS.read().unwrap_or_else(std::sync::PoisonError::into_inner);
        Self { _process: Some(process), ..Self::alone(models) }
    }

    /// The same for who holds [`PROCESS`] already.
    pub(crate) fn alone<const N: usize>(models: [(&str, ExplainerSettings); N]) -> Self {
        let (registry, runtime) = (Registry::new(), runtime());
        let names = models.each_ref().map(|(name, _)| (*name).to_owned());
        let models = models.into_iter().map(|(name, settings)| (name.to_owned(), settings));
        let explainers = Explainers::start(models, SLIDE_MS, &registry, runtime.handle()).unwrap();
        for name in &names {
            explainers.set_reference(name, reference(name, 0));
        }
        Self { explainers, registry, runtime, _process: None }
    }

    /// What comes of the tasks, in the order in which it does.
    pub(crate) fn explain(&self, tasks: &[ExplainTask]) -> Vec<(u64, Explained)> {
        let mut waiting = tasks.to_vec();
        let mut explained = Vec::new();
        eventually("all tasks", SOON, || {
            for (number, outcome) in self.explainers.take_done() {
                waiting.retain(|task| task.number != number);
                explained.push((number, outcome));
            }
            self.explainers.offer(&mut offered(&waiting));
            self.explainers.wait(Duration::from_millis(20));
            waiting.is_empty().then_some(())
        });
        explained
    }

    /// The only window among what comes of a task.
    pub(crate) fn window(&self, task: &ExplainTask) -> WindowExplanation {
        let explained = self.explain(std::slice::from_ref(task));
        assert_eq!(explained.len(), 1, "{explained:?}");
        window(explained.into_iter().next().unwrap().1)
    }

    /// Asks about an event.
    pub(crate) fn ask(&self, row: RecentRow) -> oneshot::Receiver<Result<EventExplanation, AskError>> {
        let (sender, receiver) = oneshot::channel();
        self.explainers.ask(row, sender);
        receiver
    }

    /// Asks about an event and waits for the answer.
    pub(crate) fn answer(&self, row: RecentRow) -> Result<EventExplanation, AskError> {
        self.ask(row).blocking_recv().unwrap()
    }

    /// Why explanations of a model hang, waited for.
    pub(crate) fn problem(&self, model: &str, part: &str) -> String {
        let name = format!("explanations of {model}");
        eventually(&format!("{part:?} in the state of {model}"), SOON, || {
            let components = self.explainers.components();
            let component = components.iter().find(|component| component.name == name).unwrap();
            component.note.clone().filter(|note| component.is_hampered && note.contains(part))
        })
    }

    /// Waits until nothing hampers the explanations of a model.
    pub(crate) fn is_well(&self, model: &str) {
        let name = format!("explanations of {model}");
        eventually(&format!("{model} is well"), SOON, || {
            let components = self.explainers.components();
            let component = components.iter().find(|component| component.name == name).unwrap();
            (!component.is_hampered).then_some(())
        });
    }

    pub(crate) fn metric(&self, series: &str) -> u64 {
        let text = TextEncoder::new().encode_to_string(&self.registry.gather()).unwrap();
        let value = text.lines().find_map(|line| line.strip_prefix(series));
        value.unwrap_or_else(|| panic!("{series} in {text}")).trim().parse().unwrap()
    }
}

pub(crate) fn window(explained: Explained) -> WindowExplanation {
    match explained {
        Explained::Window(window) => *window,
        other => panic!("{other:?}"),
    }
}

/// Waits until the server was asked about this event.
pub(crate) fn wait_until_asked(server: &StandIn, number: u64) {
    eventually("the server is asked", SOON, || {
        server.seen().iter().any(|seen| is_about(seen, number)).then_some(())
    });
}

/// Waits until the server has more requests than these.
pub(crate) fn wait_for_another(server: &StandIn, before: usize) {
    eventually("another request", SOON, || (server.seen().len() > before).then_some(()));
}
