//! Experiments: arms, splits and how they are decided. Their metrics are in
//! [`metrics`].

mod arms;
mod metrics;
mod splits;
mod statistics;

use std::{collections::HashMap, time::Duration};

use super::Resolver;
use crate::{
    config::{
        keys::nearest,
        places::join,
        raw::{self, experimenting},
    },
    decode::EventMapping,
    event::EventTime,
    experiment::{Design, ExperimentSettings, Inference, Method, MetricSettings, PromoteWhen, Winsorise},
    ops::{OnStale, ServedExperiment},
    result::ColumnKind,
    window::{WindowSettings, duration_text},
};

/// Windows that wait for labels at most.
const MOST_WAITING_WINDOWS: i64 = 2_000;
/// A result is fresh for so many slides, and for so long at least: windows may
/// close late, and a restart takes its time.
const FRESH_SLIDES: i64 = 10;
const FRESH_MS: i64 = 600_000;

/// What `[[experiments]]` says.
#[derive(Default)]
pub(super) struct Experiments {
    pub(super) settings: Vec<ExperimentSettings>,
    pub(super) served: Vec<ServedExperiment>,
    pub(super) winsorised: Vec<Winsorise>,
}

/// What experiments are held against.
pub(super) struct Around<'a> {
    /// Absent when a model has no name: then any may be meant.
    pub(super) models: Option<&'a [ModelFacts]>,
    pub(super) events: Option<&'a EventMapping>,
    pub(super) windows: &'a WindowSettings,
    /// Whether what is counted outlives a restart, or there are none.
    pub(super) is_kept: bool,
    /// The address of the pages, where others than this machine reach it and no
    /// token is asked for.
    pub(super) open_to_all: Option<&'a str>,
}

/// What an experiment has to know of a model as typed.
pub(super) struct ModelFacts {
    name: Option<String>,
    /// Whether its reference is a file; absent when that is not known.
    has_file: Option<bool>,
    ignored: Vec<String>,
    categorical: Vec<String>,
}

impl ModelFacts {
    pub(super) fn of(raw: &raw::Model) -> Self {
        let features = |wanted: &dyn Fn(&raw::Feature) -> bool| {
            raw.features.iter().filter(|(_, feature)| wanted(feature)).map(|(name, _)| name.clone()).collect()
        };
        Self {
            name: raw.name.clone(),
            has_file: raw.reference.as_ref().map(|reference| reference.file.is_some()),
            ignored: features(&|feature| feature.ignore),
            categorical: features(&|feature| feature.kind == Some(ColumnKind::Categorical)),
        }
    }
}

/// The names that all metrics of an experiment share.
struct Names<'a> {
    experiment: Option<&'a str>,
    model: Option<&'a str>,
    /// What is known of that model.
    facts: Option<&'a ModelFacts>,
    events: Option<&'a EventMapping>,
    /// Absent when that is not known.
    is_shadow: Option<bool>,
}

impl Resolver<'_> {
    pub(super) fn experiments(&mut self, raw: Vec<raw::Experiment>, around: &Around<'_>) -> Experiments {
        if !raw.is_empty() && !around.is_kept {
            let message = "experiments begin anew at every restart, as nothing keeps what they have counted";
            self.warn("experiments", message, "give state_dir at the top of the file");
        }
        let mut experiments = Experiments::default();
        let mut seen: HashMap<String, usize> = HashMap::new();
        for (index, experiment) in raw.into_iter().enumerate() {
            let path = format!("experiments[{index}]");
            if let Some(id) = &experiment.id {
                let first = *seen.entry(id.clone()).or_insert(index);
                if first != index {
                    let message =
                        format!("the experiment {id:?} stands here twice, first as experiments[{first}]");
                    self.error(&join(&path, "id"), message, "remove one, or give it its own id");
                }
            }
            if let Some((settings, served)) =
                self.experiment(&path, experiment, around, &mut experiments.winsorised)
            {
                experiments.settings.push(settings);
                experiments.served.push(served);
            }
        }
        experiments
    }

    fn experiment(
        &mut self,
        path: &str,
        mut raw: raw::Experiment,
        around: &Around<'_>,
        winsorised: &mut Vec<Winsorise>,
    ) -> Option<(ExperimentSettings, ServedExperiment)> {
        let served = served(&raw, around.windows);
        let id = self.experiment_id(&join(path, "id"), raw.id.take());
        let model = self.experiment_model(&join(path, "model"), raw.model.take(), around);
        let arm = self.arm_source(path, raw.arm, raw.arm_field.take());
        let arms = self.arms(path, raw.control.take(), raw.challengers.take());
        let unit = self.unit_source(path, raw.unit_field.take(), raw.by_unit);
        let design = self.design(path, &raw);
        let splits = self.splits(path, &mut raw, arms.as_deref());
        let inference = self.inference(path, &raw);
        self.times(path, &raw);
        self.hooks(path, raw.hooks, around.open_to_all);
        let is_model = |facts: &&ModelFacts| model.is_some() && facts.name == model;
        let is_known = self.are_known(&[&join(path, "mode")]);
        let names = Names {
            experiment: id.as_deref(),
            model: model.as_deref(),
            facts: around.models.and_then(|models| models.iter().find(is_model)),
            events: around.events,
            is_shadow: is_known.then_some(raw.mode == experimenting::Mode::Shadow),
        };
        let metrics = self.metrics(path, std::mem::take(&mut raw.metrics), &names, winsorised);
        let has_labels = metrics.iter().flatten().any(MetricSettings::needs_label);
        self.label_delay(path, raw.label_delay, has_labels, around.windows);
        if metrics.is_some() && is_known {
            self.bounds_without_effect(path, &raw, has_labels);
        }
        let settings = ExperimentSettings {
            id: id?,
            model: model?,
            arm: arm?,
            arms: arms?,
            unit: unit?,
            design,
            splits: splits?,
            inference,
            label_delay_ms: raw.label_delay,
            most_waiting: raw.max_waiting,
            most_units: raw.max_units,
            starts_at: raw.starts.map(EventTime),
            ends_at: raw.ends.map(EventTime),
            waits_for_start: raw.waits_for_start,
            metrics: metrics?,
        };
        Some((settings, served?))
    }

    /// It stands in addresses that others ask for.
    fn experiment_id(&mut self, key: &str, id: Option<String>) -> Option<String> {
        let id = self.required(id, key, "id = \"scorer-v2\"")?;
        let is_plain = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_' | '.' | '~' | ':');
        if !id.chars().all(is_plain) || id.chars().all(|c| c == '.') {
            let message =
                format!("{id:?} can't stand in an address such as /api/v1/experiments/{{id}}/verdict");
            self.error(key, message, "use letters, digits, \"-\", \"_\" and \".\"");
        }
        Some(id)
    }

    fn experiment_model(&mut self, key: &str, model: Option<String>, around: &Around<'_>) -> Option<String> {
        let model = self.required(model, key, "model = \"…\", one of [[models]]")?;
        let names: Vec<&str> = around.models?.iter().filter_map(|facts| facts.name.as_deref()).collect();
        if !names.contains(&model.as_str()) {
            let hint = match nearest(&model, names.iter().copied()) {
                Some(meant) => format!("did you mean {meant:?}?"),
                None => format!("there are {}", names.join(", ")),
            };
            self.error(key, format!("there is no model {model:?}"), hint);
        }
        Some(model)
    }

    fn design(&mut self, path: &str, raw: &raw::Experiment) -> Design {
        match raw.mode {
            experimenting::Mode::Shadow => {
                Design::Shadow { pair_timeout_ms: raw.pair_timeout, max_unanswered: raw.max_unanswered }
            }
            experimenting::Mode::Split => {
                let mode = join(path, "mode");
                for key in ["pair_timeout", "max_unanswered"].map(|key| join(path, key)) {
                    if self.places.is_set(&key) && self.are_known(&[&mode]) {
                        let hint = "remove it, or write mode = \"shadow\"";
                        self.warn(&key, "has no effect where arms share the traffic", hint);
                    }
                }
                Design::Split
            }
        }
    }

    fn inference(&mut self, path: &str, raw: &raw::Experiment) -> Inference {
        let (method_key, planned_key) = (join(path, "method"), join(path, "planned_events"));
        let least = raw.min_events.saturating_mul(2);
        if raw.method == experimenting::Method::AlwaysValid {
            // Bounds are only the tightest there.
        } else if !self.places.is_set(&planned_key) {
            let message = "this method ends at a planned number of events, which is not given";
            self.error(&method_key, message, "add planned_events, or take method = \"always_valid\"");
        } else if raw.planned_events < least && self.are_known(&[&planned_key, &join(path, "min_events")]) {
            let message = format!(
                "it would end at {} events, before two arms have the {} of min_events each",
                raw.planned_events, raw.min_events
            );
            self.error(&planned_key, message, "plan for more events, or lower min_events");
        }
        Inference {
            method: match raw.method {
                experimenting::Method::AlwaysValid => Method::AlwaysValid,
                experimenting::Method::GroupSequential => Method::GroupSequential,
                experimenting::Method::Fixed => Method::FixedHorizon,
            },
            alpha: raw.alpha,
            srm_alpha: raw.srm_alpha,
            power: raw.power,
            planned_events: raw.planned_events,
            min_events: raw.min_events,
            promote_when: match raw.promote_when {
                experimenting::Promote::AllGoals => PromoteWhen::AllGoals,
                experimenting::Promote::AnyGoal => PromoteWhen::AnyGoal,
            },
        }
    }

    fn times(&mut self, path: &str, raw: &raw::Experiment) {
        if let (Some(starts), Some(ends)) = (raw.starts, raw.ends)
            && starts >= ends
        {
            let hint = "starts is inclusive, ends is exclusive";
            self.error(&join(path, "ends"), "the experiment ends before it starts", hint);
        }
        let (waits, hooks) = (join(path, "waits_for_start"), join(path, "hooks"));
        if raw.waits_for_start && !raw.hooks && self.are_known(&[&waits, &hooks]) {
            let message = "it would never start, as it can't be started from outside";
            self.error(&waits, message, "add hooks = true, or remove waits_for_start");
        }
    }

    /// Whoever starts an experiment throws away what was counted, so it is said when
    /// that may be anybody.
    fn hooks(&mut self, path: &str, hooks: bool, open_to_all: Option<&str>) {
        let key = join(path, "hooks");
        if let Some(listen) = open_to_all
            && hooks
            && self.are_known(&[&key, "http.listen"])
        {
            let message = format!("whoever reaches {listen} can start and stop it, as no token is asked for");
            self.warn(&key, message, "give alerts.api_token_file, or let http.listen be 127.0.0.1:9640");
        }
    }

    /// Keys about what waits or is remembered, where nothing is.
    fn bounds_without_effect(&mut self, path: &str, raw: &raw::Experiment, has_labels: bool) {
        let is_shadow = raw.mode == experimenting::Mode::Shadow;
        let no_labels = "has no effect, as no metric needs labels";
        let of_labels = "remove it, or give a metric that needs them, such as of = \"brier\"";
        let mut idle = Vec::new();
        if !has_labels {
            idle.push(("label_delay", no_labels, of_labels));
            if !is_shadow {
                idle.push(("max_waiting", no_labels, of_labels));
            }
        }
        if is_shadow {
            let hint = "remove it, or write mode = \"split\"";
            idle.push(("max_units", "has no effect in shadow mode: no unit is given to an arm", hint));
        } else if !raw.by_unit {
            let hint = "remove it, or write by_unit = true";
            idle.push(("max_units", "has no effect where every request is given to an arm on its own", hint));
        }
        for (key, message, hint) in idle {
            let key = join(path, key);
            if self.places.is_set(&key) {
                self.warn(&key, message, hint);
            }
        }
    }

    fn label_delay(&mut self, path: &str, delay_ms: i64, has_labels: bool, windows: &WindowSettings) {
        let key = join(path, "label_delay");
        if !has_labels || !self.are_known(&[&key, "windows.size", "windows.slide"]) {
            return;
        }
        if delay_ms / windows.slide_ms > MOST_WAITING_WINDOWS {
            let message = format!(
                "{} windows would wait for labels, as one begins every {} and labels take {}",
                delay_ms / windows.slide_ms,
                duration_text(windows.slide_ms),
                duration_text(delay_ms)
            );
            self.error(
                &key,
                message,
                format!("choose longer windows: at most {MOST_WAITING_WINDOWS} may wait"),
            );
        }
    }
}

/// How it is served, once it has a name.
fn served(raw: &raw::Experiment, windows: &WindowSettings) -> Option<ServedExperiment> {
    let slides = FRESH_SLIDES.saturating_mul(windows.slide_ms).max(FRESH_MS);
    Some(ServedExperiment {
        id: raw.id.clone()?,
        hooks: raw.hooks,
        stale_after: Duration::from_millis(raw.stale_after.unwrap_or(slides.unsigned_abs())),
        on_stale: match raw.on_stale {
            experimenting::Stale::Hold => OnStale::Hold,
            experimenting::Stale::Error => OnStale::Error,
        },
    })
}
