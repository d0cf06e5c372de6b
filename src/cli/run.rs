//! `driftline run`: the daemon as a process, with its signals.

use std::{
    path::PathBuf,
    sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel},
    time::{Duration, Instant},
};

use super::Exit;
use crate::{
    config::{self, Overrides, Settings},
    ops::{LogControl, ReloadMetrics, Signal, end_process_on_panic, init_logs, listen_for_signals},
    pipeline::daemon::{self, DaemonHandle, Hooks, StartError},
    sink::{InfluxApi, InfluxSettings},
};

/// Arguments of `driftline run`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Configuration file
    #[arg(long, short, value_name = "FILE")]
    config: PathBuf,
    /// Level of the log, or a filter such as `info,driftline::sink=debug`
    #[arg(long, value_name = "LEVEL")]
    log_level: Option<String>,
    /// Address on which HTTP is served, in place of http.listen
    #[arg(long, value_name = "ADDRESS:PORT")]
    http_listen: Option<String>,
}

impl Args {
    fn overrides(&self) -> Overrides {
        let flags = [("log.level", &self.log_level), ("http.listen", &self.http_listen)];
        flags.into_iter().fold(Overrides::from_process(), |overrides, (key, value)| match value {
            Some(value) => overrides.flag(key, value),
            None => overrides,
        })
    }
}

/// What the waiting process is woken by.
#[derive(Debug, Clone, Copy)]
enum Event {
    Signal(Signal),
    /// The pipeline's thread has ended.
    Ended,
}

/// Beyond `shutdown_timeout`, a thread that hangs gets this long.
const HANGING: Duration = Duration::from_secs(5);
/// Between two looks at what the log has left out.
const LOG_REPORT: Duration = Duration::from_secs(1);

pub(super) fn run(args: &Args) -> Exit {
    let loaded = match config::load(&args.config, &args.overrides()) {
        Ok(loaded) => loaded,
        Err(errors) => {
            eprintln!("{errors}");
            return Exit::Config;
        }
    };
    let logs = match init_logs(&loaded.settings.log) {
        Ok(logs) => logs,
        Err(error) => {
            eprintln!("error: {error}");
            return Exit::Config;
        }
    };
    end_process_on_panic();
    for warning in &loaded.warnings {
        tracing::warn!("{warning}");
    }
    let (wake, events) = channel();
    let (daemon, reloads) = match start(&loaded.settings, &wake) {
        Ok(started) => started,
        Err(error) => {
            tracing::error!("can't start: {error}");
            return if is_config_error(&error) { Exit::Config } else { Exit::Failure };
        }
    };
    say_what_runs(args, &loaded.settings, &daemon);
    Process { args, running: loaded.settings, logs, reloads, stop_by: None }.wait(daemon, &events)
}

fn start(settings: &Settings, wake: &Sender<Event>) -> anyhow::Result<(DaemonHandle, ReloadMetrics)> {
    // Whoever listens is gone only when the process ends anyway.
    let (ended, signalled) = (wake.clone(), wake.clone());
    let on_end = move || {
        let _ = ended.send(Event::Ended);
    };
    let daemon = daemon::start(settings, Hooks { on_end: Some(Box::new(on_end)), ..Hooks::default() })?;
    let reloads = ReloadMetrics::register(daemon.registry())?;
    listen_for_signals(daemon.runtime(), move |signal| {
        let _ = signalled.send(Event::Signal(signal));
    })?;
    Ok((daemon, reloads))
}

/// Whether starting again with the same configuration is of no use.
fn is_config_error(error: &anyhow::Error) -> bool {
    let start = error.downcast_ref::<StartError>();
    matches!(
        start,
        Some(
            StartError::NoKafka | StartError::Reference { .. } | StartError::Source(_) | StartError::Sink(_)
        )
    )
}

fn say_what_runs(args: &Args, settings: &Settings, daemon: &DaemonHandle) {
    let models: Vec<&str> = settings.models.iter().map(|model| model.name.as_str()).collect();
    let topics = settings.kafka.as_ref().map(|kafka| kafka.topics.join(", ")).unwrap_or_default();
    tracing::info!(
        version = env!("CARGO_PKG_VERSION"),
        config = %args.config.display(),
        models = models.join(", "),
        topics,
        results = settings.influxdb.as_ref().map_or_else(|| "only over HTTP".to_owned(), destination),
        http = %format_args!("http://{}", daemon.http_address()),
        "driftline runs"
    );
}

/// Where results go, without what may be secret in the address.
fn destination(influxdb: &InfluxSettings) -> String {
    let place = match &influxdb.api {
        InfluxApi::V2 { org, bucket } => format!("bucket {bucket} of {org}"),
        InfluxApi::V1 { database, .. } => format!("database {database}"),
    };
    let host = reqwest::Url::parse(&influxdb.url).ok().and_then(|url| {
        let host = url.host_str()?.to_owned();
        Some(url.port_or_known_default().map_or_else(|| host.clone(), |port| format!("{host}:{port}")))
    });
    format!("{place} at {}", host.unwrap_or_default())
}

/// The process while the daemon runs.
struct Process<'a> {
    args: &'a Args,
    running: Settings,
    logs: LogControl,
    reloads: ReloadMetrics,
    /// When a stop that was asked for should be over at the latest.
    stop_by: Option<Instant>,
}

impl Process<'_> {
    fn wait(mut self, daemon: DaemonHandle, events: &Receiver<Event>) -> Exit {
        loop {
            self.logs.report_left_out();
            match events.recv_timeout(LOG_REPORT) {
                Ok(Event::Signal(Signal::Stop)) => {
                    let timeout = self.running.shutdown_timeout;
                    tracing::info!(
                        within_seconds = timeout.as_secs_f64(),
                        "stopping; a second signal ends at once"
                    );
                    self.stop_by = Some(Instant::now() + timeout + HANGING);
                    daemon.request_stop();
                }
                Ok(Event::Signal(Signal::StopNow)) => {
                    tracing::warn!("ending at once; what was not committed is read again at the next start");
                    std::process::exit(1);
                }
                Ok(Event::Signal(Signal::Reload)) => self.reload(&daemon),
                Ok(Event::Ended) | Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => {
                    if self.stop_by.is_some_and(|by| Instant::now() > by) {
                        tracing::error!("a thread hangs past the time for stopping; ending without it");
                        std::process::exit(1);
                    }
                }
            }
        }
        match daemon.join() {
            Ok(()) => {
                tracing::info!("stopped; everything that was read to its end is delivered and committed");
                Exit::Success
            }
            Err(error) => {
                tracing::error!("{error}");
                Exit::Failure
            }
        }
    }

    /// Reads the configuration again and applies what can be applied.
    fn reload(&mut self, daemon: &DaemonHandle) {
        let outcome = self.apply_changes(daemon);
        self.reloads.note(outcome.is_ok());
        if let Err(problems) = outcome {
            for problem in &problems {
                tracing::error!("{problem}");
            }
            let errors = problems.len();
            tracing::error!(errors, "the configuration has errors; the daemon goes on with the one it has");
        }
    }

    fn apply_changes(&mut self, daemon: &DaemonHandle) -> Result<(), Vec<String>> {
        let loaded = config::load(&self.args.config, &self.args.overrides())
            .map_err(|errors| errors.errors.iter().map(ToString::to_string).collect::<Vec<_>>())?;
        for warning in &loaded.warnings {
            tracing::warn!("{warning}");
        }
        let new = loaded.settings;
        let changes = self.running.reload_changes(&new);
        self.logs.set_level(&new.log.level).map_err(|error| vec![error.to_string()])?;
        daemon.set_min_events(new.windows.min_events);
        self.running.log.level = new.log.level;
        self.running.windows.min_events = new.windows.min_events;
        tracing::info!(applied = changes.applied.join(", "), "the configuration was read again");
        if !changes.need_restart.is_empty() {
            let keys = changes.need_restart.join(", ");
            tracing::warn!(keys, "these settings differ from what runs and need a restart");
        }
        Ok(())
    }
}
