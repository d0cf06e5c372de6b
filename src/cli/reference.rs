//! `driftline reference`: a reference profile from a file of training data.
//!
//! The rows go the way of events: they are encoded as a producer would send
//! them and decoded again, so that a number or a category means in the
//! reference what it will mean on the stream.

use std::{collections::BTreeMap, path::PathBuf};

use anyhow::{Context, bail};

use super::{
    Exit,
    event_files::{TableArgs, event_options, load_config, model_of, plural, row_bar, scan, timeless_mapping},
};
use crate::{
    config::{Loaded, ModelSettings, ReferenceSource, TableMapping},
    decode::{Decoder, Row},
    drift::DriftSettings,
    event::{EventKind, MessageBatch, RejectReason},
    pipeline::{push_event, store_reference},
    reference::{BuilderSettings, ColumnOverride, ColumnReport, Reference, ReferenceBuilder},
    result::ColumnKind,
    source::files::{EventFiles, EventOptions, Required},
    window::WindowSettings,
};

/// Bins of the cut without a configuration.
const DEFAULT_BINS: usize = 10;
/// Events between two looks at the progress.
const BATCH_EVENTS: usize = 1_024;

/// Arguments of `driftline reference`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The model's name in events
    #[arg(long, value_name = "NAME")]
    model: String,
    /// CSV, NDJSON or Parquet with data from when the model was known to be good
    #[arg(long, value_name = "FILE", required = true, num_args = 1..)]
    from: Vec<PathBuf>,
    /// Where the reference goes; by default where the configuration expects it
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Configuration file that names the model, its columns and their kinds
    #[arg(long, short, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Kind of a column, where it should not be inferred; may be repeated
    #[arg(long, value_name = "COLUMN=numeric|categorical", value_parser = kind_of)]
    kind: Vec<(String, ColumnKind)>,
    /// Bins of histogram scores for numeric columns [default: 10]
    #[arg(long, value_name = "N")]
    bins: Option<usize>,
    #[command(flatten)]
    table: TableArgs,
}

fn kind_of(text: &str) -> Result<(String, ColumnKind), String> {
    match text.rsplit_once('=') {
        Some((column, "numeric")) => Ok((column.to_owned(), ColumnKind::Numeric)),
        Some((column, "categorical")) => Ok((column.to_owned(), ColumnKind::Categorical)),
        _ => Err("write COLUMN=numeric or COLUMN=categorical".to_owned()),
    }
}

pub(super) fn run(args: &Args) -> Exit {
    let loaded = match &args.config {
        Some(path) => match load_config(path, &[]) {
            Some(loaded) => Some(loaded),
            None => return Exit::Config,
        },
        None => None,
    };
    match build(args, loaded.as_ref()) {
        Ok(()) => Exit::Success,
        Err(error) => {
            eprintln!("error: {error:#}");
            Exit::Failure
        }
    }
}

fn build(args: &Args, loaded: Option<&Loaded>) -> anyhow::Result<()> {
    let model = model_settings(args, loaded)?;
    let output = match (&args.output, &model.reference) {
        (Some(path), _) => path,
        (None, ReferenceSource::File(path)) if loaded.is_some() => path,
        _ => bail!("where should the reference go? Name a file with -o"),
    };
    let events = loaded.map(|loaded| loaded.settings.events.clone()).unwrap_or_default();
    let options =
        EventOptions { required: Required::Nothing, ..event_options(&args.table, Some(&model), &events) };
    let files = scan(&args.from, options)?;
    let windows = loaded.map_or_else(WindowSettings::default, |loaded| loaded.settings.windows.clone());
    let builder = take_rows(&files, &model, windows.size_ms)?;
    let (reference, reports) = builder.finish(source_text(&args.from))?;
    store_reference(output, &reference)?;
    print_reports(&reference, &reports);
    println!("\nreference of {} written to {}", plural(reference.rows, "row"), output.display());
    Ok(())
}

/// The model as configured, or with defaults, and what the flags say over it.
fn model_settings(args: &Args, loaded: Option<&Loaded>) -> anyhow::Result<ModelSettings> {
    let mut model = match loaded {
        Some(loaded) => model_of(&loaded.settings.models, Some(&args.model))?
            .cloned()
            .context("the configuration has no models")?,
        None => ModelSettings {
            name: args.model.clone(),
            reference: ReferenceSource::FirstEvents(0),
            bins: DEFAULT_BINS,
            drift: DriftSettings::default(),
            segments: Vec::new(),
            max_segments: BuilderSettings::default().max_segments,
            features: BTreeMap::new(),
            join: None,
            explain: None,
            table: TableMapping::default(),
        },
    };
    if let Some(bins) = args.bins {
        if bins < 2 {
            bail!("--bins must be at least 2, found {bins}");
        }
        model.bins = bins;
    }
    for (column, kind) in &args.kind {
        model.features.entry(column.clone()).or_insert_with(ColumnOverride::default).kind = Some(*kind);
    }
    Ok(model)
}

/// Puts the rows of all events of the model into a builder.
fn take_rows(files: &EventFiles, model: &ModelSettings, window_ms: i64) -> anyhow::Result<ReferenceBuilder> {
    let mut rows = Rows {
        decoder: Decoder::new(&timeless_mapping(files), usize::MAX, [model.name.clone()]),
        builder: ReferenceBuilder::new(&model.name, &model.features, model.builder(window_ms)),
        rejected: BTreeMap::new(),
        has_times: files.have_times(),
    };
    let bar = row_bar(files, "taking the rows");
    // The order of rows makes no difference to a reference.
    let mut reader = files.events(i64::MAX);
    let mut batch = MessageBatch::default();
    let mut more = true;
    while more {
        batch.clear();
        more = reader.fill(&mut batch, BATCH_EVENTS)?;
        rows.take(&batch);
        bar.set_position(reader.rows_done());
    }
    bar.finish_and_clear();
    for (reason, (count, first)) in &rows.rejected {
        eprintln!("warning: {} left out as {reason}; the first: {first}", plural(*count, "event"));
    }
    Ok(rows.builder)
}

struct Rows {
    decoder: Decoder,
    builder: ReferenceBuilder,
    /// Events left out, by reason, with what was wrong with the first.
    rejected: BTreeMap<RejectReason, (u64, String)>,
    has_times: bool,
}

impl Rows {
    fn take(&mut self, batch: &MessageBatch) {
        let mut row = Row::default();
        for message in batch.iter() {
            match self.decoder.decode(&message, "", &mut row) {
                Ok(envelope) if envelope.kind == EventKind::Label => {}
                Ok(envelope) => {
                    let time = self.has_times.then_some(envelope.time);
                    push_event(&mut self.builder, &envelope, time);
                }
                Err(reject) => {
                    self.rejected.entry(reject.reason).or_insert((0, reject.detail)).0 += 1;
                }
            }
        }
    }
}

/// The names of the files, for people.
fn source_text(paths: &[PathBuf]) -> String {
    let name = |path: &PathBuf| {
        path.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned())
    };
    paths.iter().map(name).collect::<Vec<_>>().join(", ")
}

fn print_reports(reference: &Reference, reports: &[ColumnReport]) {
    let width =
        reports.iter().map(|report| report.name.chars().count()).max().unwrap_or(0).max("column".len());
    println!("{:<width$}  {:<11}  {:>9}  {:>8}  note", "column", "kind", "distinct", "missing");
    for report in reports {
        let kind = match report.kind {
            Some(ColumnKind::Numeric) => "numeric",
            Some(ColumnKind::Categorical) => "categorical",
            None => "left out",
        };
        let missing =
            missing_share(reference, report).map_or_else(|| "-".to_owned(), |share| format!("{share:.1}%"));
        let line = format!(
            "{:<width$}  {kind:<11}  {:>9}  {missing:>8}  {}",
            report.name, report.distinct, report.note
        );
        println!("{}", line.trim_end());
    }
}

/// Percentage of rows without a value.
fn missing_share(reference: &Reference, report: &ColumnReport) -> Option<f64> {
    let column = reference.columns.iter().find(|column| column.name == report.name)?;
    #[expect(clippy::cast_precision_loss, reason = "a share for people")]
    let share = |count: u64| 100.0 * count as f64 / reference.rows as f64;
    report.kind.map(|_| share(column.counts.missing()))
}
