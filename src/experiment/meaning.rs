//! What gives the numbers of an experiment their meaning.
//!
//! Why: totals of other settings must not be gone on with, since what is proven of
//! them rests on these. Settings that say only how much is remembered, what is shown
//! (`power`, `minimum_effect`), until when it goes on and how the traffic is split from
//! a time on are none of them: weeks of totals are not thrown away for those.

use super::settings::{ExperimentSettings, MetricSettings};
use crate::{meaning::Meaning, window::duration_text};

/// Settings by their names in the configuration, for windows of this slide.
pub(super) fn meaning(settings: &ExperimentSettings, slide: i64) -> Meaning {
    let inference = &settings.inference;
    let (control, challengers) =
        settings.arms.split_first().map_or(("", &[][..]), |(first, others)| (first, others));
    let mut meaning = vec![
        named("windows.slide", duration_text(slide)),
        named("model", settings.model.clone()),
        named("arm_field", format!("{:?}", settings.arm)),
        named("control", control.to_owned()),
        named("challengers", challengers.join(", ")),
        named("unit_field", format!("{:?}", settings.unit)),
        named("mode", format!("{:?}", settings.design)),
        named("method", format!("{:?}", inference.method)),
        named("alpha", inference.alpha.to_string()),
        named("srm_alpha", inference.srm_alpha.to_string()),
        named("planned_events", inference.planned_events.to_string()),
        named("min_events", inference.min_events.to_string()),
        named("promote_when", format!("{:?}", inference.promote_when)),
        named("label_delay", duration_text(settings.label_delay_ms)),
        // An earlier beginning would lack events, and a later one has too many.
        named("starts", settings.starts_at.map_or_else(|| "not set".to_owned(), |time| time.to_string())),
        named("waits_for_start", settings.waits_for_start.to_string()),
        named("metrics", names(&settings.metrics)),
    ];
    settings.metrics.iter().for_each(|metric| of_metric(metric, &mut meaning));
    meaning
}

fn of_metric(metric: &MetricSettings, meaning: &mut Meaning) {
    let mut add = |setting: &str, value: String| {
        meaning.push((format!("metrics.{}.{setting}", metric.name), value));
    };
    add("role", metric.role.as_str().to_owned());
    add("better", format!("{:?}", metric.better));
    add("kind", format!("{:?}", metric.statistic));
    add("of", format!("{:?}", metric.value));
    add("margin", format!("{:?}", metric.margin));
    add("covariates", format!("{:?}", metric.covariates));
    let (floor, cap) = metric.caps;
    add("floor", format!("{floor:?}"));
    add("cap", format!("{cap:?}"));
}

fn named(name: &str, value: String) -> (String, String) {
    (name.to_owned(), value)
}

fn names(metrics: &[MetricSettings]) -> String {
    metrics.iter().map(|metric| metric.name.as_str()).collect::<Vec<_>>().join(", ")
}
