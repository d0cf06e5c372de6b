//! `driftline importance`: how much worse the model of `[models.explain]` predicts
//! labelled rows without each feature.
//!
//! The rows go the way of events: what an input is to the model here, it is on
//! the stream. The model is asked within its budget, as the daemon asks it.
//!
//! Refuses: surrogates, which have seen no label; rows whose label is unknown.

mod labels;
mod rows;
mod told;

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::{Context, bail};
use clap::ValueEnum;
use indicatif::ProgressBar;

use super::{
    Exit,
    event_files::{TableArgs, bar, event_options, load_config, model_of, scan},
};
use crate::{
    config::{ModelSettings, ReferenceSource, Settings},
    explain::{ImportanceSettings, LabelledRows, Loss, permutation_importance},
    explainer::{ModelAccess, PrepareError, PreparedModel},
    model::{Link, Model, ModelInfo, PredictError, Rows},
    pipeline::{load_reference, row_schema},
    reference::Reference,
    source::files::{EventOptions, Required},
};
use labels::{Numbered, numbered};
use rows::{LabelledSample, sample};
use told::{Measure, Told};

/// Arguments of `driftline importance`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Configuration file with a [models.explain]
    #[arg(long, short, value_name = "FILE")]
    config: PathBuf,
    /// CSV, NDJSON or Parquet files of features with labels
    #[arg(value_name = "LABELLED", required = true)]
    labelled: Vec<PathBuf>,
    /// The model to ask, and that rows of tables belong to
    #[arg(long, value_name = "NAME")]
    model: Option<String>,
    /// Reference to use in place of the configured one
    #[arg(long, value_name = "FILE")]
    reference: Option<PathBuf>,
    /// How wrong a prediction is [default: by log loss of classes, squared of numbers]
    #[arg(long, value_enum)]
    loss: Option<LossWord>,
    /// Shuffles of each feature
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    repeats: u32,
    /// Seed of the shuffles
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
    /// Rows to use at most: those with the smallest hashes of their ids
    #[arg(long, value_name = "N", default_value_t = 5_000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    rows: u32,
    /// The label that is class 1, of two that are no 0 and 1
    #[arg(long, value_name = "LABEL")]
    positive: Option<String>,
    /// Print a JSON object in place of the table
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    table: TableArgs,
}

/// A loss by its word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "snake_case")]
enum LossWord {
    Squared,
    Absolute,
    LogLoss,
    ZeroOne,
}

impl LossWord {
    /// What suits the outputs of a model.
    fn of(info: &ModelInfo) -> Self {
        let are_classes = info.outputs > 1 || matches!(info.link, Link::Logistic | Link::Softmax);
        if are_classes { Self::LogLoss } else { Self::Squared }
    }

    fn loss(self) -> Loss {
        match self {
            Self::Squared => Loss::Squared,
            Self::Absolute => Loss::Absolute,
            Self::LogLoss => Loss::LogLoss,
            Self::ZeroOne => Loss::ZeroOne,
        }
    }

    fn as_str(self) -> &'static str {
        match self {
            Self::Squared => "squared",
            Self::Absolute => "absolute",
            Self::LogLoss => "log_loss",
            Self::ZeroOne => "zero_one",
        }
    }
}

pub(super) fn run(args: &Args) -> Exit {
    let Some(loaded) = load_config(&args.config, &[]) else { return Exit::Config };
    let error = match importance(args, &loaded.settings) {
        Ok(told) => match told.print(args.json) {
            Ok(()) => return Exit::Success,
            // Whoever read the table has seen enough.
            Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => return Exit::Success,
            Err(error) => error.into(),
        },
        Err(error) => error,
    };
    eprintln!("error: {error:#}");
    exit_of(&error)
}

fn exit_of(error: &anyhow::Error) -> Exit {
    match (error.downcast_ref::<PrepareError>(), error.downcast_ref::<PredictError>()) {
        (Some(error), _) if error.is_transient() => Exit::Unavailable,
        (Some(_), _) => Exit::Config,
        (None, Some(PredictError::Unavailable(_))) => Exit::Unavailable,
        (None, _) => Exit::Failure,
    }
}

fn importance(args: &Args, settings: &Settings) -> anyhow::Result<Told> {
    let model = model_of(&settings.models, args.model.as_deref())?
        .context("the configuration has several models; name one with --model")?;
    let explain = model.explain.as_ref().with_context(|| {
        format!(
            "there is no [models.explain] of {}; say there with model = \"file\" who is asked",
            model.name
        )
    })?;
    let reference = reference(model, args.reference.as_deref())?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let access = ModelAccess::alone(explain, runtime.handle())?;
    let prepared = PreparedModel::new(explain, &reference, &access)?.with_context(|| {
        format!(
            "{} is explained by surrogates, which are fitted to predictions and know no labels; name the model \
             itself in [models.explain], as model = \"file\" or by a server",
            model.name
        )
    })?;
    for note in prepared.inputs.notes() {
        eprintln!("note: {note}");
    }
    let options = event_options(&args.table, Some(model), &settings.events);
    let files = scan(&args.labelled, EventOptions { required: Required::Nothing, ..options })?;
    let schema = row_schema(&reference, &model.features);
    let most = usize::try_from(args.rows).unwrap_or(usize::MAX);
    let sample = sample(&files, (&model.name, schema), &prepared.inputs, most)?;
    measure(args, &model.name, &prepared, sample)
}

/// The reference that categories and features are known by.
fn reference(model: &ModelSettings, instead: Option<&Path>) -> anyhow::Result<Reference> {
    let path = match (instead, &model.reference) {
        (Some(path), _) => path,
        (None, ReferenceSource::File(path)) => path,
        (None, _) => bail!(
            "the reference of {} is learned from the stream; name one with --reference, by which categories are \
             known (`driftline reference` makes it)",
            model.name
        ),
    };
    Ok(load_reference(path)?)
}

/// What the model makes of the sample.
fn measure(
    args: &Args,
    name: &str,
    prepared: &PreparedModel,
    mut sample: LabelledSample,
) -> anyhow::Result<Told> {
    let info = prepared.model.info();
    let word = args.loss.unwrap_or_else(|| LossWord::of(info));
    let mut labels = number_labels(&mut sample, info, word.loss(), args.positive.as_deref())?;
    let groups = prepared.inputs.groups();
    let shuffles = groups.len() as u64 * u64::from(args.repeats);
    let model = Counted {
        model: Arc::clone(&prepared.model),
        bar: bar(sample.len() as u64 * (2 + shuffles), "asking the model", "{human_pos} of {human_len} rows"),
    };
    let tried = sample.len() as u64;
    keep_answered(&model, &mut sample, &mut labels)?;
    let rows = Rows::new(&sample.inputs, info.inputs);
    let settings = ImportanceSettings { loss: word.loss(), repeats: args.repeats, seed: args.seed };
    let measured = permutation_importance(&model, LabelledRows { rows, labels: &labels }, &groups, &settings);
    model.bar.finish_and_clear();
    let mut measured = measured?;
    measured.evaluations += tried;
    let measure = Measure { loss: word.as_str(), repeats: args.repeats, seed: args.seed };
    Ok(Told::new(name, info, measure, prepared.inputs.features(), (&measured, &sample)))
}

/// The sample's labels as numbers; rows without one are left out.
fn number_labels(
    sample: &mut LabelledSample,
    info: &ModelInfo,
    loss: Loss,
    positive: Option<&str>,
) -> anyhow::Result<Vec<f64>> {
    let Numbered { values, note, otherwise } = numbered(&sample.labels, info, loss, positive)?;
    if let Some(note) = note {
        eprintln!("note: {note}");
    }
    sample.keep(&values.iter().map(Option::is_some).collect::<Vec<_>>(), otherwise);
    Ok(values.into_iter().flatten().collect())
}

/// Leaves out rows for which the model has no number.
fn keep_answered(
    model: &Counted,
    sample: &mut LabelledSample,
    labels: &mut Vec<f64>,
) -> Result<(), PredictError> {
    let (inputs, outputs) = (model.info().inputs.max(1), model.info().outputs.max(1));
    let mut is_answered = Vec::with_capacity(labels.len());
    for batch in sample.inputs.chunks(inputs * model.batch_rows().max(1)) {
        let mut answers = Vec::new();
        model.predict(Rows::new(batch, inputs), &mut answers)?;
        is_answered.extend(answers.chunks(outputs).map(|row| row.iter().all(|output| output.is_finite())));
    }
    let mut kept = is_answered.iter();
    labels.retain(|_| kept.next().copied().unwrap_or(false));
    sample.keep(&is_answered, "the model's output is no number");
    Ok(())
}

/// A model whose answers are shown as progress.
#[derive(Debug)]
struct Counted {
    model: Arc<dyn Model>,
    bar: ProgressBar,
}

impl Model for Counted {
    fn info(&self) -> &ModelInfo {
        self.model.info()
    }

    fn predict(&self, rows: Rows<'_>, out: &mut Vec<f64>) -> Result<(), PredictError> {
        self.model.predict(rows, out)?;
        self.bar.inc(rows.len() as u64);
        Ok(())
    }

    fn batch_rows(&self) -> usize {
        self.model.batch_rows()
    }

    fn is_remote(&self) -> bool {
        self.model.is_remote()
    }
}
