//! What `reference`, `replay`, `publish` and `importance` have in common: the flags that say
//! what a file's columns are, the first pass with its progress, and what is
//! told about rows that are left out.

use std::{
    io::IsTerminal,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context, bail};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::{
    config::{self, Loaded, ModelSettings, Overrides, TableMapping},
    decode::{EventMapping, FieldSource},
    ops::grouped,
    source::files::{EventFiles, EventOptions, FileFormat, Required},
};

/// Stands for the time of rows that have none; nothing is made of it.
const NO_TIME: &str = "2000-01-01T00:00:00Z";

/// Which columns of the files are what.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Columns of the files")]
pub(super) struct TableArgs {
    /// Format of the files: csv, ndjson or parquet; by default told by their names
    #[arg(long, value_name = "FORMAT", value_parser = format_of)]
    pub(super) format: Option<FileFormat>,
    /// Column with the event time, or just a date
    #[arg(long, value_name = "COLUMN", alias = "time-column")]
    time: Option<String>,
    /// Column with the event id
    #[arg(long, value_name = "COLUMN")]
    id: Option<String>,
    /// Column with the numeric prediction
    #[arg(long, value_name = "COLUMN")]
    prediction: Option<String>,
    /// Column with the predicted class
    #[arg(long, value_name = "COLUMN")]
    prediction_class: Option<String>,
    /// Column with the truth
    #[arg(long, value_name = "COLUMN")]
    label: Option<String>,
    /// Column that is none of these and no feature; may be repeated
    #[arg(long, value_name = "COLUMN")]
    ignore: Vec<String>,
    /// End with an error at the first row that can't be read
    #[arg(long)]
    pub(super) strict: bool,
}

fn format_of(word: &str) -> Result<FileFormat, String> {
    FileFormat::from_word(word).ok_or_else(|| "write csv, ndjson or parquet".to_owned())
}

impl TableArgs {
    /// The mapping of the configuration with what the flags say over it.
    pub(super) fn over(&self, table: &TableMapping) -> TableMapping {
        let either =
            |flag: &Option<String>, setting: &Option<String>| flag.clone().or_else(|| setting.clone());
        TableMapping {
            id: either(&self.id, &table.id),
            time: either(&self.time, &table.time),
            prediction: either(&self.prediction, &table.prediction),
            prediction_class: either(&self.prediction_class, &table.prediction_class),
            label: either(&self.label, &table.label),
            version: table.version.clone(),
            variant: table.variant.clone(),
            ignore: table.ignore.iter().chain(&self.ignore).cloned().collect(),
        }
    }
}

/// Reads a configuration, prints its warnings, or prints all its errors.
pub(super) fn load_config(path: &Path, flags: &[(&str, Option<&str>)]) -> Option<Loaded> {
    let overrides = flags.iter().fold(Overrides::from_process(), |overrides, (key, value)| match value {
        Some(value) => overrides.flag(key, value),
        None => overrides,
    });
    match config::load(path, &overrides) {
        Ok(loaded) => {
            for warning in &loaded.warnings {
                eprintln!("warning: {warning}");
            }
            Some(loaded)
        }
        Err(errors) => {
            eprintln!("{errors}");
            None
        }
    }
}

/// The model that rows of tables belong to: the one named, or the only one.
/// `None` when there are several and none is named.
pub(super) fn model_of<'s>(
    models: &'s [ModelSettings],
    named: Option<&str>,
) -> anyhow::Result<Option<&'s ModelSettings>> {
    match (named, models) {
        (None, [only]) => Ok(Some(only)),
        (None, _) => Ok(None),
        (Some(name), _) => {
            let names = || models.iter().map(|model| model.name.as_str()).collect::<Vec<_>>().join(", ");
            let model = models.iter().find(|model| model.name == name);
            model
                .map(Some)
                .with_context(|| format!("model {name:?} is not in the configuration, which has {}", names()))
        }
    }
}

/// How the files become events of `model`.
pub(super) fn event_options(
    args: &TableArgs,
    model: Option<&ModelSettings>,
    events: &EventMapping,
) -> EventOptions {
    EventOptions {
        model: model.map(|model| model.name.clone()).unwrap_or_default(),
        table: args.over(&model.map(|model| model.table.clone()).unwrap_or_default()),
        events: events.clone(),
        required: Required::Events,
        format: args.format,
        strict: args.strict,
    }
}

/// The first pass, with its progress and what it found on standard error.
pub(super) fn scan(paths: &[PathBuf], options: EventOptions) -> anyhow::Result<EventFiles> {
    let size =
        paths.iter().filter_map(|path| std::fs::metadata(path).ok()).map(|metadata| metadata.len()).sum();
    let bar = bar(size, "looking over the rows", "{bytes} of {total_bytes}");
    let files = EventFiles::scan(paths, options, &mut |bytes| bar.set_position(bytes));
    bar.finish_and_clear();
    let files = files?;
    for note in files.notes() {
        eprintln!("note: {note}");
    }
    report_faults(&files);
    if files.rows() == 0 {
        bail!("no row of the {} can be used", if paths.len() == 1 { "file" } else { "files" });
    }
    Ok(files)
}

fn report_faults(files: &EventFiles) {
    let faults = files.faults();
    if faults.total() == 0 {
        return;
    }
    for fault in faults.first() {
        eprintln!("warning: {fault}");
    }
    let counts: Vec<String> =
        faults.counts().map(|(reason, count)| format!("{} {}", grouped(count), reason.as_str())).collect();
    eprintln!(
        "warning: {} left out of {}: {}",
        plural(faults.total(), "row"),
        grouped(faults.total() + files.rows()),
        counts.join(", ")
    );
}

/// Where the fields of the events are found, of files whose rows need no times.
pub(super) fn timeless_mapping(files: &EventFiles) -> EventMapping {
    let mut mapping = files.mapping();
    if !files.have_times() {
        mapping.time = FieldSource::Constant(NO_TIME.to_owned());
    }
    mapping
}

/// Says that the rows have to be sorted, when they have to.
pub(super) fn note_sorting(files: &EventFiles, tolerance_ms: i64) {
    if files.must_sort(tolerance_ms) {
        let rows = plural(files.rows(), "row");
        eprintln!("note: the rows are not in order of time; {rows} are held in memory and sorted");
    }
}

/// A progress bar over the rows of the files.
pub(super) fn row_bar(files: &EventFiles, doing: &'static str) -> ProgressBar {
    bar(files.rows(), doing, "{human_pos} of {human_len} rows")
}

/// A bar on standard error; nothing when that is not a terminal.
pub(super) fn bar(length: u64, doing: &'static str, counted: &str) -> ProgressBar {
    let target = if std::io::stderr().is_terminal() {
        ProgressDrawTarget::stderr_with_hz(10)
    } else {
        ProgressDrawTarget::hidden()
    };
    let bar = ProgressBar::with_draw_target(Some(length), target).with_message(doing);
    let style = ProgressStyle::with_template(&format!("{{msg}} {{bar:30}} {counted}, {{eta}} left"));
    bar.enable_steady_tick(Duration::from_millis(200));
    match style {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}

/// A count with its noun.
pub(super) fn plural(count: u64, noun: &str) -> String {
    let s = if count == 1 { "" } else { "s" };
    format!("{} {noun}{s}", grouped(count))
}

/// Whether standard output is a terminal that wants colours.
pub(super) fn stdout_has_colour() -> bool {
    std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}
