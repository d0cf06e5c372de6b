//! The demo's experiments: one for each release of the simulated service.

use std::time::Duration;

use super::traffic::{MODEL, Release, STABLE, START};
use crate::{
    decode::{FieldSource, JsonPointer},
    event::EventTime,
    experiment::{
        ArmSource, Condition, ExperimentSettings, Margin, MetricSettings, MetricValue, Split, Statistic,
    },
    ops::{OnStale, ServedExperiment},
    result::{Better, MetricRole},
};

/// An experiment for each of [`Release::ALL`], with the defaults of the
/// configuration: a release is promoted when more customers take its offers, and
/// taken back when it loses more than twice as many answers as the stable build or
/// makes customers wait 15 % longer.
#[must_use]
pub fn experiments() -> Vec<ExperimentSettings> {
    Release::ALL.into_iter().map(experiment).collect()
}

/// How they are served. Simulated time is not that of the clock, by which results are
/// never too old.
pub(super) fn served() -> Vec<ServedExperiment> {
    let served = |experiment: ExperimentSettings| ServedExperiment {
        id: experiment.id,
        hooks: false,
        stale_after: Duration::MAX,
        on_stale: OnStale::Hold,
    };
    experiments().into_iter().map(served).collect()
}

fn experiment(release: Release) -> ExperimentSettings {
    let (from, until) = release.times(START);
    let split = |from: Option<EventTime>, share: u8| Split {
        from,
        weights: vec![f64::from(100 - share), f64::from(share)],
    };
    let raised = release.raised_at(START).map(|at| split(Some(at), Release::LAST_SHARE));
    let id = format!("credit-{}", release.build());
    ExperimentSettings {
        arm: ArmSource::Field(field("build")),
        splits: std::iter::once(split(None, Release::FIRST_SHARE)).chain(raised).collect(),
        starts_at: Some(from),
        ends_at: Some(until),
        ..ExperimentSettings::new(&id, MODEL, &[STABLE, release.build()], metrics())
    }
}

fn metrics() -> Vec<MetricSettings> {
    let accepted = MetricSettings::new(
        "accepted",
        Better::Higher,
        Statistic::Rate(Condition::IsTrue),
        MetricValue::Field(field("accepted")),
    );
    let errors = MetricSettings {
        name: "errors".to_owned(),
        role: MetricRole::Guardrail,
        better: Better::Lower,
        value: MetricValue::Field(field("error")),
        margin: Some(Margin::Relative(1.0)),
        ..accepted.clone()
    };
    let latency = MetricSettings {
        name: "latency_p95".to_owned(),
        statistic: Statistic::Quantile(0.95),
        value: MetricValue::Field(field("latency_ms")),
        margin: Some(Margin::Relative(0.15)),
        ..errors.clone()
    };
    vec![accepted, errors, latency]
}

fn field(name: &str) -> FieldSource {
    FieldSource::Pointer(JsonPointer(vec![name.to_owned()]))
}
