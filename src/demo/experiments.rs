//! The demo's experiments: one for each release of the simulated service.

use super::traffic::{MODEL, Release, STABLE, START};
use crate::{
    decode::{FieldSource, JsonPointer},
    event::EventTime,
    experiment::{
        ArmSource, Condition, Design, ExperimentSettings, Inference, Margin, Method, MetricSettings,
        MetricValue, PromoteWhen, Split, Statistic, UnitSource,
    },
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

fn experiment(release: Release) -> ExperimentSettings {
    let (from, until) = release.times(START);
    let split = |from: Option<EventTime>, share: u8| Split {
        from,
        weights: vec![f64::from(100 - share), f64::from(share)],
    };
    let raised = release.raised_at(START).map(|at| split(Some(at), Release::LAST_SHARE));
    ExperimentSettings {
        id: format!("credit-{}", release.build()),
        model: MODEL.to_owned(),
        arm: ArmSource::Field(field("build")),
        arms: vec![STABLE.to_owned(), release.build().to_owned()],
        unit: UnitSource::Envelope,
        design: Design::Split,
        splits: std::iter::once(split(None, Release::FIRST_SHARE)).chain(raised).collect(),
        inference: Inference {
            method: Method::AlwaysValid,
            alpha: 0.05,
            srm_alpha: 0.001,
            power: 0.8,
            planned_events: 5_000,
            min_events: 100,
            promote_when: PromoteWhen::AllGoals,
        },
        label_delay_ms: 0,
        most_waiting: 1,
        most_units: 1,
        starts_at: Some(from),
        ends_at: Some(until),
        waits_for_start: false,
        metrics: metrics(),
    }
}

fn metrics() -> Vec<MetricSettings> {
    let accepted = MetricSettings {
        name: "accepted".to_owned(),
        role: MetricRole::Goal,
        better: Better::Higher,
        statistic: Statistic::Rate(Condition::IsTrue),
        value: MetricValue::Field(field("accepted")),
        margin: None,
        minimum_effect: None,
        covariates: Vec::new(),
        caps: (None, None),
    };
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
