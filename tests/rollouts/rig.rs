//! The daemon's pages over a status that a test fills by hand.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use driftline::{
    event::EventTime,
    experiment::ExperimentChange,
    ops::{
        Changer, Component, ExperimentMetrics, ExperimentPages, OnStale, ServedExperiment, Status, router,
        serve,
    },
    result::{
        Better, ChallengerResult, Decision, EffectScale, ExperimentHealth, ExperimentPhase, ExperimentResult,
        InferenceMethod, MetricResult, MetricRole, MetricVerdict,
    },
};
use prometheus::Registry;
use serde_json::Value;
use tokio::net::TcpListener;

use crate::support::servers::http::{self, Answer, block_on};

/// The token of the API, where there is one.
pub(crate) const TOKEN: &str = "let-me-in";
/// After this a result is stale.
const STALE_AFTER: Duration = Duration::from_secs(600);

/// The pages under test, and what they told the pipeline.
pub(crate) struct Daemon {
    pub(crate) status: Arc<Status>,
    pub(crate) address: String,
    changes: Arc<Mutex<Vec<ExperimentChange>>>,
    pub(crate) listens: Arc<AtomicBool>,
}

/// An experiment as it is configured in these tests.
pub(crate) fn served(id: &str, on_stale: OnStale) -> ServedExperiment {
    ServedExperiment { id: id.to_owned(), hooks: true, stale_after: STALE_AFTER, on_stale }
}

impl Daemon {
    /// One experiment, `checkout`, that is held when stale, in a daemon that is well.
    pub(crate) fn start() -> Self {
        Self::with(vec![served("checkout", OnStale::Hold)], None)
    }

    pub(crate) fn with(served: Vec<ServedExperiment>, token: Option<&str>) -> Self {
        let status = Arc::new(Status::new(1, 1));
        let registry = Registry::new();
        let (changes, listens) = (Arc::new(Mutex::new(Vec::new())), Arc::new(AtomicBool::new(true)));
        let (told, hears) = (Arc::clone(&changes), Arc::clone(&listens));
        let changer = Changer::new(token.map(Into::into), move |change| {
            let hears = hears.load(Ordering::Relaxed);
            if hears {
                told.lock().unwrap().push(change);
            }
            hears
        });
        ExperimentMetrics::register(&registry, Arc::clone(&status), served.clone()).unwrap();
        let pages = ExperimentPages { served, changer: Some(changer) };
        let app = router(Arc::clone(&status), registry, None, None, pages);
        let address = block_on(async {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let address = listener.local_addr().unwrap().to_string();
            tokio::spawn(serve(listener, app));
            address
        });
        let daemon = Self { status, address, changes, listens };
        daemon.is_well();
        daemon
    }

    pub(crate) fn is_well(&self) {
        self.status.set_components(vec![Component::ready("kafka"), Component::ready("pipeline")], None);
    }

    /// What the pipeline would report.
    pub(crate) fn says(&self, result: ExperimentResult) {
        self.is_well();
        self.status.set_experiments(vec![result]);
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub(crate) fn get(&self, path: &str) -> Answer {
        http::get(&self.url(path), None).expect("an answer")
    }

    pub(crate) fn post(&self, path: &str, body: &str) -> Answer {
        http::post(&self.url(path), None, "application/json", body.to_owned())
    }

    /// A verdict; its answer must be one that conditions can be evaluated on.
    pub(crate) fn verdict(&self, path: &str) -> Value {
        let answer = self.get(path).success();
        let verdict = answer.json();
        assert!(!has_null(&verdict), "{verdict}");
        verdict
    }

    /// What the pipeline was told since this was asked last.
    pub(crate) fn changes(&self) -> Vec<ExperimentChange> {
        std::mem::take(&mut *self.changes.lock().unwrap())
    }
}

pub(crate) fn has_null(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(items) => items.iter().any(has_null),
        Value::Object(fields) => fields.values().any(has_null),
        Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
    }
}

pub(crate) fn now() -> EventTime {
    EventTime(jiff::Timestamp::now().as_millisecond())
}

/// A running experiment with one challenger, `b`, whose last window ended just now.
pub(crate) fn result(verdict: Decision) -> ExperimentResult {
    ExperimentResult {
        experiment: "checkout".to_owned(),
        model: "credit".to_owned(),
        window: "1m".to_owned(),
        start: now().plus_ms(-61_000),
        end: now().plus_ms(-1_000),
        began: Some(now().plus_ms(-3_600_000)),
        phase: ExperimentPhase::Running,
        release: None,
        verdict,
        arm: (verdict != Decision::Hold).then(|| "b".to_owned()),
        reason: format!("because of {}", verdict.as_str()),
        ready: true,
        score: 40.0,
        health: ExperimentHealth {
            ok: true,
            srm_ok: true,
            srm_p_value: Some(0.4),
            ..ExperimentHealth::default()
        },
        arms: Vec::new(),
        challengers: vec![challenger("b", verdict)],
    }
}

/// Its last window ended an hour ago.
pub(crate) fn old(result: ExperimentResult) -> ExperimentResult {
    ExperimentResult { end: now().plus_ms(-3_600_000), ..result }
}

pub(crate) fn of_release(release: &str, result: ExperimentResult) -> ExperimentResult {
    ExperimentResult { release: Some(release.to_owned()), ..result }
}

pub(crate) fn challenger(arm: &str, verdict: Decision) -> ChallengerResult {
    ChallengerResult {
        arm: arm.to_owned(),
        verdict,
        reason: format!("{arm}: because of {}", verdict.as_str()),
        score: 40.0,
        metrics: vec![metric("brier", MetricRole::Goal), metric("p99-latency", MetricRole::Guardrail)],
        distributions: Vec::new(),
        disagreement: None,
    }
}

pub(crate) fn metric(name: &str, role: MetricRole) -> MetricResult {
    MetricResult {
        metric: name.to_owned(),
        role,
        better: Better::Lower,
        verdict: MetricVerdict::Undecided,
        reason: "nothing is proven".to_owned(),
        method: InferenceMethod::ConfidenceSequence,
        proven_at: None,
        n_control: 4_000,
        n: 1_000,
        invalid: 0,
        clamped: 0,
        control: Some(0.1),
        challenger: Some(0.096),
        scale: EffectScale::Difference,
        estimate: Some(-0.004),
        lower: Some(-0.006),
        upper: Some(-0.002),
        std_error: Some(0.001),
        lift: Some(-0.04),
        design_effect: None,
        variance_explained: None,
        e_better: Some(12.5),
        e_worse: Some(0.25),
        e_not_worse: Some(70.0),
        e_wanted: 40.0,
        p_value: Some(0.08),
        margin: None,
        detectable: None,
        events_needed: None,
    }
}
