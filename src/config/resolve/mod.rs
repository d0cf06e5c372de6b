//! From the configuration as typed to the configuration as meant.
//!
//! Every check that needs more than one key or knows what a key is for is
//! here. Nothing stops at the first error: a part that can't be resolved is
//! reported and left out, and the settings exist only when nothing was.

mod addresses;
mod alerts;
mod drift;
mod events;
mod experiments;
mod explaining;
mod influxdb;
mod kafka;
mod models;
mod receivers;
mod secret;

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    time::Duration,
};

use experiments::{Around, ModelFacts};

use super::{
    layers::Overrides,
    places::{Part, Places},
    problem::Report,
    raw,
    settings::Settings,
};
use crate::{
    ops::{HttpSettings, LogFormat, LogSettings},
    window::{WindowSettings, duration_text},
};

/// Windows that an event may belong to, at most: each costs the same work again.
const MAX_OVERLAP: i64 = 1_000;

/// Resolves everything; `None` when an error was reported.
pub(super) fn resolve(
    raw: raw::File,
    base: &Path,
    overrides: &Overrides,
    places: &Places,
    report: &mut Report,
) -> Option<Settings> {
    let mut resolver = Resolver { places, base, overrides, report };
    let shutdown_timeout = Duration::from_millis(raw.shutdown_timeout);
    let kafka = raw.kafka.map(|kafka| resolver.kafka(kafka, shutdown_timeout));
    let events = resolver.events(raw.events);
    let windows = resolver.windows(&raw.windows);
    let names: Option<Vec<String>> = raw.models.iter().map(|model| model.name.clone()).collect();
    let names = names.filter(|names| !names.is_empty());
    let model_facts: Vec<ModelFacts> = raw.models.iter().map(ModelFacts::of).collect();
    let models = resolver.models(raw.models, &windows);
    let around = Around {
        models: names.as_ref().map(|_| model_facts.as_slice()),
        events: events.as_ref(),
        windows: &windows,
        is_kept: raw.state_dir.is_some() || kafka.is_none(),
        open_to_all: open_to_all(&raw.http, &raw.alerts),
    };
    let experiments = resolver.experiments(raw.experiments, &around);
    let mut alerts = raw.alerts;
    let links = (alerts.external_url.take(), alerts.dashboard_url.take());
    let notify = resolver.notify(raw.receivers, links, names.as_deref());
    let alerts = resolver.alerts(alerts, raw.rules, names.as_deref());
    let influxdb = raw.influxdb.map(|influxdb| resolver.influxdb(influxdb));
    let http = resolver.http(&raw.http);
    let log = resolver.log(raw.log);
    let state_dir = raw.state_dir.map(|path| resolver.path(&path));
    let references_dir = state_dir.clone().unwrap_or_else(|| resolver.path(REFERENCES_DIR));
    let is_fine = resolver.report.errors.is_empty();
    let settings = Settings {
        kafka: kafka.flatten(),
        events: events?,
        windows,
        models: models?,
        experiments: experiments.settings,
        served_experiments: experiments.served,
        winsorised: experiments.winsorised,
        influxdb: influxdb.flatten(),
        http: http?,
        log,
        alerts: alerts.settings,
        notify,
        api_token: alerts.api_token,
        state_dir,
        references_dir,
        shutdown_timeout,
    };
    is_fine.then_some(settings)
}

/// The address of the pages, where other machines reach it and no token is asked for.
fn open_to_all<'a>(http: &'a raw::Http, alerts: &raw::Alerts) -> Option<&'a str> {
    let sources = [&alerts.api_token, &alerts.api_token_file, &alerts.api_token_env];
    let is_far = http.listen.parse::<SocketAddr>().is_ok_and(|address| !address.ip().is_loopback());
    (is_far && sources.iter().all(|source| source.is_none())).then_some(http.listen.as_str())
}

/// Where learned references go when no `state_dir` is given.
const REFERENCES_DIR: &str = "driftline-state";

struct Resolver<'a> {
    places: &'a Places,
    base: &'a Path,
    overrides: &'a Overrides,
    report: &'a mut Report,
}

impl Resolver<'_> {
    fn error(&mut self, key: &str, message: impl Into<String>, hint: impl Into<String>) {
        let problem = self.places.problem(key, Part::Value, message.into(), Some(hint.into()));
        self.report.errors.push(problem);
    }

    fn warn(&mut self, key: &str, message: impl Into<String>, hint: impl Into<String>) {
        let problem = self.places.problem(key, Part::Value, message.into(), Some(hint.into()));
        self.report.warnings.push(problem);
    }

    /// The value, or an error that it is missing, unless a worse one was reported.
    fn required<T>(&mut self, value: Option<T>, key: &str, hint: &str) -> Option<T> {
        if value.is_none() && !self.places.is_poisoned(key) {
            self.error(key, "missing", hint);
        }
        value
    }

    /// Whether none of these keys has an error of its own, so that they can be
    /// held against one another.
    fn are_known(&self, keys: &[&str]) -> bool {
        !keys.iter().any(|key| self.places.is_poisoned(key))
    }

    fn path(&self, path: &str) -> PathBuf {
        self.base.join(path)
    }

    fn windows(&mut self, raw: &raw::Windows) -> WindowSettings {
        let slide_ms = raw.slide.unwrap_or(raw.size);
        let (size, slide) = (duration_text(raw.size), duration_text(slide_ms));
        let is_known = self.are_known(&["windows.size", "windows.slide"]);
        if !is_known {
            // The defaults that stand in for bad values prove nothing.
        } else if slide_ms > raw.size {
            let message = format!(
                "the slide {slide} is longer than the size {size}: events between windows would be lost"
            );
            self.error("windows.slide", message, "leave the slide out for windows that do not overlap");
        } else if raw.size % slide_ms != 0 {
            let message = format!("the size {size} is not a multiple of the slide {slide}");
            self.error(
                "windows.slide",
                message,
                "choose a slide that divides the size, such as a quarter of it",
            );
        } else if raw.size / slide_ms > MAX_OVERLAP {
            let message = format!("every event would belong to {} windows", raw.size / slide_ms);
            self.error("windows.slide", message, format!("at most {MAX_OVERLAP} slides fit in a size"));
        }
        WindowSettings {
            size_ms: raw.size,
            slide_ms,
            lateness_ms: raw.lateness,
            grace_ms: raw.grace,
            idle_timeout_ms: raw.idle_timeout,
            max_future_ms: raw.max_future,
            min_events: raw.min_events,
            max_streams: raw.max_streams,
            max_empty_windows: raw.max_empty_windows,
        }
    }

    fn http(&mut self, raw: &raw::Http) -> Option<HttpSettings> {
        let Ok(listen) = raw.listen.parse::<SocketAddr>() else {
            let message = format!("{:?} is not an address and a port", raw.listen);
            self.error(
                "http.listen",
                message,
                "write \"127.0.0.1:9640\", \"0.0.0.0:9640\" or \"[::1]:9640\"",
            );
            return None;
        };
        Some(HttpSettings { listen, latest_windows: raw.latest_windows })
    }

    fn log(&mut self, raw: raw::Log) -> LogSettings {
        if let Some(directive) = raw.level.split(',').find(|directive| !is_log_directive(directive)) {
            let message = format!("{directive:?} is no log level");
            let hint =
                "error, warn, info, debug, trace or off, also per module: \"info,driftline::sink=debug\"";
            self.error("log.level", message, hint);
        }
        let format = match raw.format {
            raw::Format::Text => LogFormat::Text,
            raw::Format::Json => LogFormat::Json,
        };
        LogSettings { level: raw.level, format }
    }
}

fn is_log_directive(directive: &str) -> bool {
    const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];
    let (target, level) = match directive.rsplit_once('=') {
        Some((target, level)) => (Some(target), level),
        None => (None, directive),
    };
    let is_level = LEVELS.contains(&level.trim().to_lowercase().as_str());
    is_level && target.is_none_or(|target| !target.trim().is_empty())
}
