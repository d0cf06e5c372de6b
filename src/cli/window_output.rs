//! Where a replay's windows go: a table, NDJSON, or `InfluxDB`.

use std::{
    io::{self, Write},
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::Context;
use indicatif::ProgressBar;
use serde_json::json;
use tokio::runtime::Runtime;

use super::{
    Exit,
    event_files::plural,
    verdicts::{Explainer, Matrix, Tally, Terminal, Timeline, Why, WindowLines, experiments, summary},
};
use crate::{
    alert::Rule,
    config::Settings,
    ops::{LogFormat, LogSettings, init_logs},
    pipeline::Outputs,
    reference::Reference,
    result::{ExperimentResult, WindowResult},
    sink::{InfluxSink, SinkStatus, Written},
};

/// How long a server may give no sign before the replay is given up.
const SILENCE: Duration = Duration::from_secs(30);
/// Pause between two looks at a full queue.
const FULL_PAUSE: Duration = Duration::from_millis(5);

/// What to do with windows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum OutputFormat {
    /// A line per window, then the verdicts of all windows
    Table,
    /// At the end, a picture of all windows: a line per feature, a block per window
    Matrix,
    /// A JSON object per window, per explanation of it and per look at an experiment
    Ndjson,
    /// Points in the `InfluxDB` of the configuration
    Influx,
}

/// An open output.
pub(super) struct Output {
    kind: Kind,
    bar: ProgressBar,
    /// What would have fired, by these rules.
    timeline: Timeline,
    rules: Vec<Rule>,
}

enum Kind {
    Alerts { is_json: bool },
    Table(Box<TableOutput>),
    Matrix(Matrix),
    Ndjson,
    Influx { sink: InfluxSink, runtime: Runtime, windows: u64, registry: prometheus::Registry },
}

/// The table, and what is told below it.
struct TableOutput {
    all_features: bool,
    has_head: bool,
    tally: Tally,
    explainer: Explainer,
    why: Why,
}

impl TableOutput {
    /// The lines of windows.
    fn text(&mut self, windows: &[WindowResult]) -> String {
        let lines = WindowLines { terminal: Terminal::of_stdout() };
        let mut text = String::new();
        if !std::mem::replace(&mut self.has_head, true) {
            text = lines.head() + "\n";
        }
        for window in windows {
            self.tally.add(window);
            self.explainer.add(window, &self.tally);
            text += &(lines.line(window) + "\n");
            if self.all_features && window.events > 0 {
                text += &(lines.columns(window) + "\n");
            }
        }
        text
    }
}

impl Output {
    /// `all_features` and `explainer` are for the table.
    pub(super) fn open(
        format: OutputFormat,
        all_features: bool,
        explainer: Explainer,
        settings: &Settings,
        bar: ProgressBar,
    ) -> anyhow::Result<Self> {
        let kind = match format {
            OutputFormat::Table => Kind::Table(Box::new(TableOutput {
                all_features,
                has_head: false,
                tally: Tally::default(),
                explainer,
                why: Why::default(),
            })),
            OutputFormat::Matrix => Kind::Matrix(Matrix::default()),
            OutputFormat::Ndjson => Kind::Ndjson,
            OutputFormat::Influx => {
                let influxdb = settings
                    .influxdb
                    .as_ref()
                    .context("--output influx needs [influxdb] in the configuration")?;
                // Why points are refused is told by the log alone.
                init_logs(&LogSettings { level: "warn".to_owned(), format: LogFormat::Text })?;
                let runtime =
                    tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
                let registry = prometheus::Registry::new();
                let sink = InfluxSink::start(influxdb, &registry, runtime.handle())?;
                Kind::Influx { sink, runtime, windows: 0, registry }
            }
        };
        Ok(Self { kind, bar, timeline: Timeline::default(), rules: settings.alerts.rules.clone() })
    }

    /// An output of alerts alone.
    pub(super) fn of_alerts(is_json: bool, rules: Vec<Rule>, bar: ProgressBar) -> Self {
        Self { kind: Kind::Alerts { is_json }, bar, timeline: Timeline::default(), rules }
    }

    /// Takes windows, and what became of alerts with them.
    pub(super) fn write(&mut self, out: &Outputs) -> anyhow::Result<()> {
        self.timeline.add(&out.alerts);
        let written = Written::from(out);
        let windows = written.windows;
        if written.is_empty() && out.experiments.is_empty() {
            return Ok(());
        }
        match &mut self.kind {
            Kind::Alerts { .. } => {}
            Kind::Table(table) => {
                written.explanations.iter().for_each(|window| table.why.add(window));
                if windows.is_empty() {
                    return Ok(());
                }
                let text = table.text(windows);
                self.bar.suspend(|| io::stdout().lock().write_all(text.as_bytes()))?;
            }
            Kind::Matrix(matrix) => windows.iter().for_each(|window| matrix.add(window)),
            Kind::Ndjson => {
                let mut lines = Vec::new();
                for window in windows {
                    serde_json::to_writer(&mut lines, window)?;
                    lines.push(b'\n');
                }
                for explanation in written.explanations {
                    serde_json::to_writer(&mut lines, &json!({ "explanation": explanation }))?;
                    lines.push(b'\n');
                }
                for event in written.events {
                    serde_json::to_writer(&mut lines, &json!({ "event_explanation": event }))?;
                    lines.push(b'\n');
                }
                for experiment in &out.experiments {
                    serde_json::to_writer(&mut lines, &json!({ "experiment": experiment }))?;
                    lines.push(b'\n');
                }
                self.bar.suspend(|| io::stdout().lock().write_all(&lines))?;
            }
            Kind::Influx { sink, windows: count, .. } => {
                wait_for_room(sink)?;
                sink.submit_lines(sink.encode(&written));
                *count += windows.len() as u64;
            }
        }
        Ok(())
    }

    /// Takes a reference that was learned, before its first window.
    pub(super) fn learned(&mut self, reference: &Arc<Reference>) {
        if let Kind::Table(table) = &mut self.kind {
            table.explainer.reference(reference);
        }
    }

    /// Writes what is held back, and how the experiments stand. Fails with
    /// [`SinkAway`] when the server is gone.
    pub(super) fn close(self, stand: &[ExperimentResult]) -> anyhow::Result<Exit> {
        let Self { kind, timeline, rules, .. } = self;
        match kind {
            Kind::Ndjson => Ok(Exit::Success),
            Kind::Alerts { is_json: true } => {
                let mut stdout = io::stdout().lock();
                for record in timeline.records() {
                    serde_json::to_writer(&mut stdout, record)?;
                    stdout.write_all(b"\n")?;
                }
                Ok(Exit::Success)
            }
            Kind::Alerts { is_json: false } => {
                io::stdout().lock().write_all(timeline.render(&rules, Terminal::of_stdout()).as_bytes())?;
                Ok(Exit::Success)
            }
            Kind::Table(table) => {
                let terminal = Terminal::of_stdout();
                table.explainer.check()?;
                let mut text = summary(&table.tally, terminal);
                if !rules.is_empty() {
                    text += &timeline.render(&rules, terminal);
                }
                text += &table.why.render(terminal);
                text += &table.explainer.render(terminal);
                text += &experiments(stand, terminal);
                io::stdout().lock().write_all(text.as_bytes())?;
                Ok(Exit::Success)
            }
            Kind::Matrix(matrix) => {
                io::stdout().lock().write_all(matrix.render(Terminal::of_stdout()).as_bytes())?;
                Ok(Exit::Success)
            }
            Kind::Influx { sink, runtime, windows, registry } => {
                wait_while(&sink, |sink| sink.queued_points() > 0)?;
                runtime.block_on(sink.close(FULL_PAUSE));
                let refused = refused_points(&registry);
                if refused > 0 {
                    eprintln!("error: InfluxDB refused {}; the log says why", plural(refused, "point"));
                    return Ok(Exit::Failure);
                }
                eprintln!("the points of {} are in InfluxDB", plural(windows, "window"));
                Ok(Exit::Success)
            }
        }
    }
}

/// The server takes no points.
#[derive(Debug, thiserror::Error)]
#[error("InfluxDB has taken nothing for {silence} s: {0}", silence = SILENCE.as_secs())]
pub(super) struct SinkAway(SinkStatus);

/// Waits until points can be queued.
fn wait_for_room(sink: &InfluxSink) -> Result<(), SinkAway> {
    wait_while(sink, |sink| !sink.has_room())
}

/// Waits while the queue is too full and shrinks.
fn wait_while(sink: &InfluxSink, is_full: impl Fn(&InfluxSink) -> bool) -> Result<(), SinkAway> {
    let (mut queued, mut since) = (sink.queued_points(), Instant::now());
    while is_full(sink) {
        std::thread::sleep(FULL_PAUSE);
        let now_queued = sink.queued_points();
        if now_queued < queued {
            (queued, since) = (now_queued, Instant::now());
        } else if since.elapsed() > SILENCE {
            return Err(SinkAway(sink.status()));
        }
    }
    Ok(())
}

/// Points that the server will never take.
fn refused_points(registry: &prometheus::Registry) -> u64 {
    let families = registry.gather();
    let points = families.iter().filter(|family| family.name() == "driftline_sink_points_total");
    let refused = points.flat_map(prometheus::proto::MetricFamily::get_metric).filter(|metric| {
        metric.get_label().iter().any(|label| matches!(label.value(), "refused" | "too_large"))
    });
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a count of points")]
    refused.map(|metric| metric.get_counter().get_value() as u64).sum()
}
