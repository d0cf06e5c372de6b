//! `driftline replay`: a file of events through the daemon's core, in event
//! time and as fast as it goes.
//!
//! The files are the only partition and there is no clock, so nothing is too
//! far ahead and nothing is late: rows out of order by more than the allowed
//! lateness are sorted first.

use std::{collections::BTreeMap, path::PathBuf, sync::Arc, time::Instant};

use anyhow::bail;
use indicatif::ProgressBar;

use super::{
    Exit,
    event_files::{TableArgs, event_options, load_config, model_of, note_sorting, plural, row_bar, scan},
    reasons::Reasons,
    verdicts::{Explainer, Question},
    window_output::{Output, OutputFormat, SinkAway},
};
use crate::{
    config::{ModelSettings, ReferenceSource, Settings, load_rules},
    event::{EventTime, MessageBatch, RejectReason, parse_rfc3339},
    experiment::ExperimentSettings,
    ops::grouped,
    pipeline::{
        Core, CoreSettings, Counters, DropReason, Input, LearnedReference, Learning, ModelSpec, Outputs,
        ReferenceSpec, load_reference,
    },
    source::files::EventFiles,
};

/// Events in one step of the core.
const BATCH_EVENTS: usize = 1_024;
/// Limit of an event where there is no `[kafka]` to say one.
const MAX_EVENT_BYTES: usize = 16 << 20;

/// Arguments of `driftline replay`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Configuration file; its kafka and influxdb sections may be left out
    #[arg(long, short, value_name = "FILE")]
    config: PathBuf,
    /// CSV, NDJSON or Parquet files, one stream in this order
    #[arg(value_name = "EVENTS", required = true)]
    events: Vec<PathBuf>,
    /// The model to replay, and that rows of tables belong to
    #[arg(long, value_name = "NAME")]
    model: Option<String>,
    /// Reference to use in place of the configured one
    #[arg(long, value_name = "FILE")]
    reference: Option<PathBuf>,
    /// Length of the windows, in place of windows.size
    #[arg(long, value_name = "DURATION")]
    window: Option<String>,
    /// What to do with the windows
    #[arg(long, value_enum, default_value_t = OutputFormat::Table)]
    output: OutputFormat,
    /// With the table: every feature of every window
    #[arg(long)]
    features: bool,
    /// Below the table: why this feature's verdict is what it is; may be repeated
    #[arg(long, value_name = "FEATURE")]
    explain: Vec<String>,
    /// The time of the window to explain, in place of the one with the largest effect
    #[arg(long, value_name = "TIME", value_parser = time, requires = "explain")]
    at: Option<EventTime>,
    /// What would have fired by the rules in this file, in place of those of the
    /// configuration: a timeline in place of the windows; with --output ndjson, a
    /// JSON object per change
    #[arg(long, value_name = "FILE", conflicts_with_all = ["explain", "features"])]
    rules: Option<PathBuf>,
    /// Leave [models.explain] of the configuration aside
    #[arg(long)]
    unexplained: bool,
    #[command(flatten)]
    table: TableArgs,
}

/// A time as RFC 3339, or as the table writes it, in UTC.
fn time(text: &str) -> Result<EventTime, String> {
    ["", "Z", ":00Z", " 00:00:00Z"]
        .into_iter()
        .find_map(|rest| parse_rfc3339(format!("{text}{rest}").as_bytes()))
        .ok_or_else(|| "write 2026-01-31, \"2026-01-31 12:00\" or 2026-01-31T12:00:00Z".to_owned())
}

pub(super) fn run(args: &Args) -> Exit {
    // A shorter slide from the configuration might not fit another length.
    let window = args.window.as_deref();
    let Some(loaded) = load_config(&args.config, &[("windows.size", window), ("windows.slide", window)])
    else {
        return Exit::Config;
    };
    let mut settings = loaded.settings;
    if let Some(path) = &args.rules {
        match load_rules(path, Some(&settings.alerts.mute_times)) {
            Ok(rules) => settings.alerts.rules = rules,
            Err(errors) => {
                errors.errors.iter().for_each(|error| eprintln!("error: {error}"));
                return Exit::Config;
            }
        }
    }
    match replay(args, settings) {
        Ok(exit) => exit,
        // Whoever read the windows has seen enough.
        Err(error) if is_broken_pipe(&error) => Exit::Success,
        Err(error) => {
            eprintln!("error: {error:#}");
            if error.is::<SinkAway>() { Exit::Unavailable } else { Exit::Failure }
        }
    }
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error.downcast_ref::<std::io::Error>().is_some_and(|error| error.kind() == std::io::ErrorKind::BrokenPipe)
}

fn replay(args: &Args, mut settings: Settings) -> anyhow::Result<Exit> {
    if args.rules.is_some() && args.output == OutputFormat::Matrix {
        bail!("the matrix shows no alerts; leave --output or --rules out");
    }
    let model = model_of(&settings.models, args.model.as_deref())?.cloned();
    if let (Some(_), Some(model)) = (&args.model, &model) {
        settings.models = vec![model.clone()];
        settings.experiments.retain(|experiment| experiment.model == model.name);
    }
    if args.unexplained {
        settings.models.iter_mut().for_each(|model| model.explain = None);
    }
    let models = model_specs(&settings, args.reference.as_deref())?;
    let mut experiments = settings.frozen_experiments(&models)?;
    start_all(&mut experiments);
    let reasons = Reasons::start(&settings, &models)?;
    let explainer = explainer(args, &models)?;
    let files = scan(&args.events, event_options(&args.table, model.as_ref(), &settings.events))?;
    let lateness = settings.windows.lateness_ms;
    note_sorting(&files, lateness);
    let core = Core::new(CoreSettings {
        mapping: files.mapping(),
        windows: settings.windows.clone(),
        models,
        max_message_bytes: settings.kafka.as_ref().map_or(MAX_EVENT_BYTES, |kafka| kafka.max_message_bytes),
        delivered_until: None,
    })
    .with_alerts(settings.alerts.clone())
    .with_experiments(experiments);
    let bar = row_bar(&files, "replaying");
    let output = match (&args.rules, args.output) {
        (Some(_), OutputFormat::Table | OutputFormat::Ndjson) => {
            let is_json = args.output == OutputFormat::Ndjson;
            Output::of_alerts(is_json, settings.alerts.rules.clone(), bar.clone())
        }
        _ => Output::open(args.output, args.features, explainer, &settings, bar.clone())?,
    };
    let mut run = Run { core, reasons, output, bar, first_rejects: BTreeMap::new(), failures: Vec::new() };
    let started = Instant::now();
    run.feed(&files, lateness)?;
    run.bar.finish_and_clear();
    let counters = run.core.take_counters();
    report(&counters, &run, started);
    let still_learning = still_learning(&run.core);
    let exit = run.output.close(&run.core.experiments())?;
    let windows = counters.windows_closed;
    if windows == 0 {
        bail!("no window was written{}", still_learning.map(|what| format!("; {what}")).unwrap_or_default());
    }
    Ok(exit)
}

/// Nobody starts an experiment here that waits for it outside.
fn start_all(experiments: &mut [ExperimentSettings]) {
    for experiment in experiments.iter_mut().filter(|experiment| experiment.waits_for_start) {
        experiment.waits_for_start = false;
        let from = experiment.starts_at.map_or_else(|| "the first event".to_owned(), |time| time.to_string());
        eprintln!("note: experiment {} waits for its start; here it counts from {from} on", experiment.id);
    }
}

/// What is to be explained, of references that are there or will be learned.
fn explainer(args: &Args, models: &[ModelSpec]) -> anyhow::Result<Explainer> {
    if !args.explain.is_empty() && args.output != OutputFormat::Table {
        bail!("--explain is told below the table; leave --output out");
    }
    let mut explainer = Explainer::new(Question { columns: args.explain.clone(), at: args.at });
    let mut learns = false;
    for model in models {
        explainer.minimum_effects(&model.name, model.drift.minimum_effects);
        match &model.reference {
            ReferenceSpec::Ready { reference, .. } => explainer.reference(reference),
            ReferenceSpec::Learn(_) => learns = true,
        }
    }
    // A name that is wrong is told before any file is read, where that can be.
    if !learns {
        explainer.check()?;
    }
    Ok(explainer)
}

/// Every model with its reference, or with what it is to learn from the files.
fn model_specs(settings: &Settings, instead: Option<&std::path::Path>) -> anyhow::Result<Vec<ModelSpec>> {
    if instead.is_some() && settings.models.len() > 1 {
        bail!("--reference is for one model; name it with --model");
    }
    let window_ms = settings.windows.size_ms;
    settings.models.iter().map(|model| model_spec(model, window_ms, instead)).collect()
}

fn model_spec(
    model: &ModelSettings,
    window_ms: i64,
    instead: Option<&std::path::Path>,
) -> anyhow::Result<ModelSpec> {
    let file = match &model.reference {
        ReferenceSource::File(path) => Some(path.as_path()),
        _ => None,
    };
    let reference = match (instead.or(file), &model.reference) {
        (Some(path), _) => {
            let reference = load_reference(path)?;
            if reference.model != model.name {
                bail!(
                    "the reference {} is of model {:?}, not of {:?}",
                    path.display(),
                    reference.model,
                    model.name
                );
            }
            ReferenceSpec::Ready { reference: Arc::new(reference), covers_until: None }
        }
        (None, ReferenceSource::TimeRange { from, until }) => {
            ReferenceSpec::Learn(Learning::TimeRange { from: *from, until: *until })
        }
        (None, ReferenceSource::FirstEvents(count)) => ReferenceSpec::Learn(Learning::FirstEvents(*count)),
        (None, ReferenceSource::File(path)) => bail!("no reference at {}", path.display()),
    };
    Ok(ModelSpec {
        name: model.name.clone(),
        reference,
        learned: model.builder(window_ms),
        drift: model.drift.clone(),
        overrides: model.features.clone(),
        join: model.join,
        explain: model.explain_spec(),
    })
}

/// A replay under way.
struct Run {
    core: Core,
    reasons: Option<Reasons>,
    output: Output,
    bar: ProgressBar,
    /// What was wrong with the first event refused for a reason.
    first_rejects: BTreeMap<RejectReason, String>,
    failures: Vec<String>,
}

impl Run {
    fn feed(&mut self, files: &EventFiles, lateness_ms: i64) -> anyhow::Result<()> {
        // The files are partition 0 of no topic.
        let topics = [String::new()];
        let mut reader = files.events(lateness_ms);
        let mut batch = MessageBatch::default();
        let mut out = Outputs::default();
        let mut more = true;
        while more {
            batch.clear();
            more = reader.fill(&mut batch, BATCH_EVENTS)?;
            self.core.step(Input::Batch { batch: &batch, topics: &topics, now: None }, &mut out);
            self.take(&mut out)?;
            self.bar.set_position(reader.rows_done());
        }
        self.core.step(Input::End, &mut out);
        self.take(&mut out)?;
        if self.reasons.is_none() {
            return Ok(());
        }
        // What alerts on the last explanations waited for others of their group.
        self.core.step(Input::End, &mut out);
        self.take(&mut out)
    }

    fn take(&mut self, out: &mut Outputs) -> anyhow::Result<()> {
        if let Some(reasons) = &self.reasons {
            reasons.explain(&mut self.core, out)?;
        }
        for (_, reject) in out.rejects.drain(..) {
            self.first_rejects.entry(reject.reason).or_insert(reject.detail);
        }
        for LearnedReference { reference, columns } in &out.learned {
            self.output.learned(reference);
            let rows = plural(reference.rows, "row");
            let text = format!("note: the reference of {} was learned from {rows}", reference.model);
            self.bar.suspend(|| {
                eprintln!("{text}");
                for column in columns.iter().filter(|column| !column.note.is_empty()) {
                    eprintln!("note: column {}: {}", column.name, column.note);
                }
            });
        }
        for failure in &out.failures {
            self.bar.suspend(|| eprintln!("warning: {failure}"));
        }
        self.failures.append(&mut out.failures);
        self.output.write(out)?;
        out.clear();
        Ok(())
    }
}

fn still_learning(core: &Core) -> Option<String> {
    let learning: Vec<String> = core
        .models()
        .filter_map(|model| {
            let (rows, wanted) = model.learning?;
            let of = wanted.map_or_else(String::new, |wanted| format!(" of {}", grouped(wanted)));
            Some(format!("{} has learned from {}{of} rows only", model.name, grouped(rows)))
        })
        .collect();
    (!learning.is_empty()).then(|| learning.join(", "))
}

/// The summary on standard error.
fn report(counters: &Counters, run: &Run, started: Instant) {
    let seconds = started.elapsed().as_secs_f64();
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a rate for people"
    )]
    let rate = (counters.messages as f64 / seconds.max(1e-9)) as u64;
    eprintln!(
        "{} in {seconds:.1} s ({} a second), {}",
        plural(counters.messages, "event"),
        grouped(rate),
        plural(counters.windows_closed, "window")
    );
    for (reason, count) in
        RejectReason::ALL.into_iter().zip(counters.rejected).filter(|(_, count)| *count > 0)
    {
        let first = run.first_rejects.get(&reason).map_or("", String::as_str);
        eprintln!("warning: {} refused as {reason}; the first: {first}", plural(count, "event"));
    }
    for (reason, count) in DropReason::ALL.into_iter().zip(counters.dropped).filter(|(_, count)| *count > 0) {
        eprintln!("note: {} left out as {}", plural(count, "event"), reason.as_str());
    }
    if counters.learned_rows > 0 {
        eprintln!("note: {} went into a reference", plural(counters.learned_rows, "row"));
    }
    if counters.unknown_features > 0 {
        let unknown: Vec<String> =
            run.core.models().flat_map(|model| model.unknown_features).map(|name| name.name).collect();
        eprintln!(
            "note: {} of features that the reference does not know: {}",
            plural(counters.unknown_features, "value"),
            unknown.join(", ")
        );
    }
}
