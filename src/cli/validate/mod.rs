//! `driftline validate`: everything that is wrong with a configuration at
//! once, and, with `--connect`, whether the servers in it would have us.
//!
//! Errors and warnings go to standard error, what would run to standard output.

mod explanations;

use std::{collections::BTreeMap, path::PathBuf, time::Duration};

use explanations::Checked;

use super::Exit;
use crate::{
    config::{self, ConfigErrors, Overrides, Problem, ReferenceFile, ReferenceSource, Settings},
    experiment::{Design, ExperimentSettings},
    pipeline::load_reference,
    reference::Reference,
    result::MetricRole,
    sink::{self, InfluxApi, InfluxSettings},
    source::{self, KafkaSettings, StartOffset},
    window::duration_text,
};

/// Limit of each question to Kafka.
const KAFKA_TIMEOUT: Duration = Duration::from_secs(10);

/// Arguments of `driftline validate`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Configuration file
    #[arg(long, short, value_name = "FILE")]
    config: PathBuf,
    /// Also try Kafka, `InfluxDB` and models' servers; reads and writes nothing there
    #[arg(long)]
    connect: bool,
    /// Take warnings for errors
    #[arg(long)]
    deny_warnings: bool,
}

pub(super) fn run(args: &Args) -> Exit {
    let loaded = config::load(&args.config, &Overrides::from_process());
    let (settings, mut errors, mut warnings, reference_files, rule_checks, column_checks) = match loaded {
        Ok(loaded) => (
            Some((loaded.settings, loaded.explained)),
            Vec::new(),
            loaded.warnings,
            loaded.reference_files,
            loaded.rule_checks,
            loaded.column_checks,
        ),
        Err(ConfigErrors { errors, warnings, reference_files, rule_checks, column_checks }) => {
            (None, errors, warnings, reference_files, rule_checks, column_checks)
        }
    };
    let references = check_references(&reference_files, &mut errors, &mut warnings);
    let references: Vec<(&str, Option<&Reference>)> =
        references.iter().map(|(model, reference)| (model.as_str(), reference.as_ref())).collect();
    errors.extend(rule_checks.iter().flat_map(|check| check.problems(&references)));
    errors.extend(column_checks.iter().filter_map(|check| check.problem(&references)));
    let checked = settings.as_ref().map(|(settings, keys)| Checked {
        settings,
        keys,
        reference_files: &reference_files,
        references: &references,
    });
    let found = checked.map(explanations::check).unwrap_or_default();
    errors.extend(found.errors);
    warnings.extend(found.warnings);
    let is_denied = args.deny_warnings && !warnings.is_empty();
    let name = args.config.display();
    let problems = tell(&errors, &warnings);
    match checked {
        Some(checked) if errors.is_empty() && !is_denied => {
            let but = if warnings.is_empty() { String::new() } else { format!(", with {problems}") };
            println!("{name} can be used{but}\n");
            print_summary(checked.settings, &found.lines);
            if args.connect { connect(checked) } else { Exit::Success }
        }
        _ => {
            eprintln!("\n{name} can't be used: {problems}");
            Exit::Config
        }
    }
}

/// Prints what is wrong, and says how much it is.
fn tell(errors: &[Problem], warnings: &[Problem]) -> String {
    for error in errors {
        eprintln!("error: {error}");
    }
    for warning in warnings {
        eprintln!("warning: {warning}");
    }
    let found = [counted(errors.len(), "error"), counted(warnings.len(), "warning")];
    found.into_iter().flatten().collect::<Vec<_>>().join(" and ")
}

/// The references by model, where they can be read.
fn check_references(
    files: &[ReferenceFile],
    errors: &mut Vec<Problem>,
    warnings: &mut Vec<Problem>,
) -> Vec<(String, Option<Reference>)> {
    let mut references = Vec::new();
    for file in files {
        let reference = check_reference(file, errors, warnings);
        references.extend(file.model.clone().map(|model| (model, reference)));
    }
    references
}

fn counted(count: usize, what: &str) -> Option<String> {
    match count {
        0 => None,
        1 => Some(format!("1 {what}")),
        _ => Some(format!("{count} {what}s")),
    }
}

/// The reference, where it can be read.
fn check_reference(
    file: &ReferenceFile,
    errors: &mut Vec<Problem>,
    warnings: &mut Vec<Problem>,
) -> Option<Reference> {
    let model = file.model.as_deref().unwrap_or("NAME");
    let rebuild =
        format!("make it: driftline reference --model {model} --from FILE -o {}", file.path.display());
    match load_reference(&file.path) {
        Err(error) => {
            errors.push(file.problem(error.to_string(), rebuild));
            None
        }
        Ok(reference) if file.model.as_ref().is_some_and(|model| *model != reference.model) => {
            let message = format!("{} was made for the model {:?}", file.path.display(), reference.model);
            warnings.push(file.problem(message, rebuild));
            Some(reference)
        }
        Ok(reference) => {
            let problems = file.segments.iter().filter_map(|feature| reference.segment_problem(feature));
            errors.extend(problems.map(|problem| file.problem(problem, rebuild.clone())));
            Some(reference)
        }
    }
}

/// What would run: where events come from, what is watched, where results go.
fn print_summary(settings: &Settings, explained: &BTreeMap<String, Vec<String>>) {
    match &settings.kafka {
        Some(kafka) => println!("events    {}", kafka_text(kafka)),
        None => println!("events    from files only, by `driftline replay`: there is no [kafka]"),
    }
    for model in &settings.models {
        println!("model     {}: {}", model.name, reference_text(&model.reference));
        for line in explained.get(&model.name).into_iter().flatten() {
            println!("          {line}");
        }
    }
    if settings.models.iter().any(|model| !matches!(model.reference, ReferenceSource::File(_))) {
        println!("          learned references are kept in {}", settings.references_dir.display());
    }
    for experiment in &settings.experiments {
        println!("arms      {}", experiment_text(experiment));
    }
    let windows = &settings.windows;
    println!(
        "windows   {}, closed {} after their end by event time, judged from {} events on",
        windows.tag(),
        duration_text(windows.lateness_ms),
        windows.min_events
    );
    print_alerts(settings);
    if let Some(influxdb) = &settings.influxdb {
        println!("results   to InfluxDB at {}, {}", influxdb.url, target_text(&influxdb.api));
    }
    println!("results   at http://{}/api/v1/models", settings.http.listen);
}

/// What is looked at, and who is told.
fn print_alerts(settings: &Settings) {
    let rules = counted(settings.alerts.rules.len(), "rule").unwrap_or_else(|| "no rule".to_owned());
    let receivers: Vec<String> = settings
        .notify
        .receivers
        .iter()
        .map(|receiver| format!("{} ({})", receiver.name, receiver.kind.as_str()))
        .collect();
    let told = if receivers.is_empty() { "nobody".to_owned() } else { receivers.join(", ") };
    println!("alerts    by {rules}, told to {told}");
}

fn kafka_text(kafka: &KafkaSettings) -> String {
    let topics = kafka.topics.join(", ");
    let start = match kafka.start {
        StartOffset::Earliest => "earliest",
        StartOffset::Latest => "latest",
    };
    format!(
        "from Kafka at {}, topics {topics}, as group {}, at first from {start}",
        kafka.brokers, kafka.group
    )
}

fn reference_text(reference: &ReferenceSource) -> String {
    match reference {
        ReferenceSource::File(path) => format!("compared with {}", path.display()),
        ReferenceSource::FirstEvents(events) => {
            format!("compared with its first {events} events, still to be learned")
        }
        ReferenceSource::TimeRange { from, until } => {
            format!("compared with its events from {from} until {until}, still to be learned")
        }
    }
}

/// Which arms are compared, and by what.
fn experiment_text(experiment: &ExperimentSettings) -> String {
    let challengers: Vec<&str> = experiment.challengers().map(|(_, arm)| arm).collect();
    let control = experiment.arms.first().map_or("", String::as_str);
    let how = match experiment.design {
        Design::Split => "by their own traffic",
        Design::Shadow { .. } => "by their answers to the same requests",
    };
    let count = |role: MetricRole, word: &str| {
        let found = experiment.metrics.iter().filter(|metric| metric.role == role).count();
        counted(found, word)
    };
    let metrics = [
        count(MetricRole::Goal, "goal"),
        count(MetricRole::Guardrail, "guardrail"),
        count(MetricRole::Plain, "plain metric"),
    ];
    let metrics: Vec<String> = metrics.into_iter().flatten().collect();
    format!(
        "of {}, experiment {}: {} beside {control}, {how}; {}",
        experiment.model,
        experiment.id,
        challengers.join(", "),
        metrics.join(", ")
    )
}

fn target_text(api: &InfluxApi) -> String {
    match api {
        InfluxApi::V2 { org, bucket } => format!("bucket {bucket} of organisation {org}"),
        InfluxApi::V1 { database, .. } => format!("database {database}"),
    }
}

/// Tries the servers, one line for each step.
fn connect(checked: Checked<'_>) -> Exit {
    let settings = checked.settings;
    println!();
    let mut is_fine = true;
    let mut step = |is_ok: bool, text: &str| {
        is_fine &= is_ok;
        println!("{:<9} {text}", if is_ok { "ok" } else { "failed" });
    };
    match &settings.kafka {
        Some(kafka) => {
            for line in source::connect_check(kafka, KAFKA_TIMEOUT) {
                step(line.ok, &line.text);
            }
        }
        None => println!("skipped   kafka: there is no [kafka]"),
    }
    match &settings.influxdb {
        Some(influxdb) => match check_influxdb(influxdb) {
            Ok(steps) => {
                for found in steps {
                    let (is_ok, text) = match &found.outcome {
                        Ok(text) => (true, text),
                        Err(text) => (false, text),
                    };
                    step(is_ok, text);
                }
            }
            Err(error) => step(false, &format!("influxdb: {error}")),
        },
        None => println!("skipped   influxdb: there is no [influxdb]"),
    }
    for (is_ok, text) in explanations::connect(checked) {
        step(is_ok, &text);
    }
    if is_fine { Exit::Success } else { Exit::Unavailable }
}

fn check_influxdb(settings: &InfluxSettings) -> Result<Vec<sink::CheckStep>, String> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| format!("no runtime to ask it with: {error}"))?;
    runtime.block_on(sink::check(settings)).map_err(|error| error.to_string())
}
