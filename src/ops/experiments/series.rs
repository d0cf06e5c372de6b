//! What is said of experiments as the samples of gauges.
//!
//! Promises: an experiment that is configured always has the samples of
//! [`STANDING`]; a number that can't be computed has none, so that a tool finds
//! nothing instead of something.

use super::{
    ExperimentPages,
    standing::{About, Present, Question, Standing},
    verdict::finite,
};
use crate::{
    ops::Status,
    result::{ChallengerResult, MetricResult},
};

/// A gauge by its name and what it says.
pub(super) struct Gauge {
    pub(super) name: &'static str,
    pub(super) help: &'static str,
    of: fn(&Standing<'_>) -> f64,
}

fn truth(is: bool) -> f64 {
    if is { 1.0 } else { 0.0 }
}

/// How every experiment stands, by the label `experiment`.
pub(super) const STANDING: [Gauge; 5] = [
    Gauge {
        name: "driftline_experiment_verdict",
        help: "What is to be done with the challenger: 1 promote, 0 hold, -1 rollback; never 1 when stale.",
        of: |standing| standing.decision.code(),
    },
    Gauge {
        name: "driftline_experiment_score",
        help: "How much of what promotion asks for is proven, 0 to 100.",
        of: |standing| finite(standing.shown().map(|result| result.score)).unwrap_or(0.0),
    },
    Gauge {
        name: "driftline_experiment_ready",
        help: "1 when every arm has enough events for anything to be said, else 0.",
        of: |standing| truth(standing.shown().is_some_and(|result| result.ready)),
    },
    Gauge {
        name: "driftline_experiment_healthy",
        help: "1 when nothing speaks against an experiment's data, else 0.",
        of: |standing| truth(standing.shown().is_some_and(|result| result.health.ok)),
    },
    Gauge {
        name: "driftline_experiment_stale",
        help: "1 when the last window of an experiment is too old, or new events are not judged, else 0.",
        of: |standing| truth(standing.about == About::Stale),
    },
];

/// A number of a metric, by its name.
type Number = (&'static str, fn(&MetricResult) -> Option<f64>);

/// Numbers of every metric, by the labels `experiment`, `arm`, `metric` and `scale`,
/// which says what an estimate is: a difference, or relative to the control.
const NUMBERS: [Number; 5] = [
    ("driftline_experiment_estimate", |metric| metric.estimate),
    ("driftline_experiment_lower", |metric| metric.lower),
    ("driftline_experiment_upper", |metric| metric.upper),
    ("driftline_experiment_e_better", |metric| metric.e_better),
    ("driftline_experiment_e_worse", |metric| metric.e_worse),
];

/// One number with its labels.
pub(super) struct Sample<'a> {
    pub(super) labels: Vec<(&'static str, &'a str)>,
    pub(super) value: f64,
}

impl Sample<'_> {
    fn has(&self, labels: &[(String, String)]) -> bool {
        labels.iter().all(|(label, value)| {
            let is = self.labels.iter().find(|(name, _)| name == label).map_or("", |(_, is)| is);
            // As Prometheus has it, a label that is not there is empty.
            is == value
        })
    }
}

/// Gives every experiment's standing to `each`.
pub(super) fn each_standing(
    pages: &ExperimentPages,
    status: &Status,
    mut each: impl FnMut(&str, &Standing<'_>),
) {
    let results = status.experiments();
    let present = Present::of(status);
    for served in &pages.served {
        let question = Question { experiment: &served.id, arm: None, release: None };
        each(&served.id, &Standing::new(pages, &results, question, &present));
    }
}

impl Gauge {
    pub(super) fn value(&self, standing: &Standing<'_>) -> f64 {
        (self.of)(standing)
    }
}

/// The samples of a metric that have all these labels, handed to `each`.
///
/// # Errors
/// When there is no such metric: a name with a slip would otherwise be a metric
/// without samples.
pub(super) fn select(
    (pages, status): (&ExperimentPages, &Status),
    name: &str,
    labels: &[(String, String)],
    mut each: impl FnMut(&Sample<'_>),
) -> Result<(), String> {
    let mut give = |sample: Sample<'_>| {
        if sample.has(labels) {
            each(&sample);
        }
    };
    if let Some(gauge) = STANDING.iter().find(|gauge| gauge.name == name) {
        each_standing(pages, status, |id, standing| {
            give(Sample { labels: vec![("experiment", id)], value: gauge.value(standing) });
        });
        return Ok(());
    }
    let Some((_, number)) = NUMBERS.iter().find(|(known, _)| *known == name) else {
        let standing = STANDING.iter().map(|gauge| gauge.name);
        let known: Vec<&str> = standing.chain(NUMBERS.iter().map(|(name, _)| *name)).collect();
        return Err(format!("there is no metric {name:?}; there are: {}", known.join(", ")));
    };
    each_standing(pages, status, |id, standing| {
        // Bounds of a time that is over must not pass for those of the present.
        let fresh = standing.result.filter(|_| standing.about == About::Present);
        let challengers = fresh.map_or(&[][..], |result| result.challengers.as_slice());
        for (arm, metric, value) in numbers(challengers, *number) {
            let labels = vec![
                ("experiment", id),
                ("arm", arm),
                ("metric", metric.metric.as_str()),
                ("scale", metric.scale.as_str()),
            ];
            give(Sample { labels, value });
        }
    });
    Ok(())
}

fn numbers(
    challengers: &[ChallengerResult],
    number: fn(&MetricResult) -> Option<f64>,
) -> impl Iterator<Item = (&str, &MetricResult, f64)> {
    challengers.iter().flat_map(move |of| {
        of.metrics.iter().filter_map(move |metric| Some((of.arm.as_str(), metric, finite(number(metric))?)))
    })
}
