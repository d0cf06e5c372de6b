//! References at start, and the keeping of learned ones.
//!
//! A learned reference is stored before any offset is committed that lies
//! behind the rows it was learned from: those rows are never read again. Its
//! file name holds a fingerprint of the settings it was learned with, so that
//! one learned with others is never taken for it.

use std::{
    fmt::Write as _,
    path::{Path, PathBuf},
    sync::Arc,
};

use super::StartError;
use crate::{
    alert::Rule,
    config::{ModelSettings, ReferenceSource, Settings, rule_problems},
    ops::{Component, grouped},
    pipeline::{Learning, ModelSpec, ReferenceSpec, load_reference, store_reference},
    reference::Reference,
    result::ColumnKind,
    window::duration_text,
};

const EXTENSION: &str = ".reference.json";

/// Every model with its reference, or with what it is to learn.
pub(super) fn model_specs(
    settings: &Settings,
    store: &LearnedReferences,
) -> Result<Vec<ModelSpec>, StartError> {
    let specs: Vec<ModelSpec> = settings
        .models
        .iter()
        .map(|model| {
            Ok(ModelSpec {
                name: model.name.clone(),
                reference: reference_spec(model, settings.windows.size_ms, store)?,
                learned: model.builder(settings.windows.size_ms),
                drift: model.drift.clone(),
                overrides: model.features.clone(),
                join: model.join,
                explain: model.explain_spec(),
            })
        })
        .collect::<Result<_, StartError>>()?;
    note_rules(&settings.alerts.rules, &specs);
    Ok(specs)
}

/// Says which rules ask for what no reference has.
fn note_rules(rules: &[Rule], specs: &[ModelSpec]) {
    let references: Vec<(&str, Option<&Reference>)> =
        specs.iter().map(|spec| (spec.name.as_str(), spec.reference())).collect();
    for rule in rules {
        for problem in rule_problems(rule, &references) {
            tracing::warn!(
                rule = rule.name,
                problem = problem.message,
                hint = problem.hint,
                "a rule asks for what no reference has"
            );
        }
    }
}

fn reference_spec(
    model: &ModelSettings,
    window_ms: i64,
    store: &LearnedReferences,
) -> Result<ReferenceSpec, StartError> {
    let learning = match &model.reference {
        ReferenceSource::File(path) => {
            let reference = Arc::new(load(&model.name, path)?);
            note_calibration(&reference, window_ms);
            for problem in model.segments.iter().filter_map(|feature| reference.segment_problem(feature)) {
                tracing::warn!(model = model.name, problem, "segments are not judged");
            }
            return Ok(ReferenceSpec::Ready { reference, covers_until: None });
        }
        ReferenceSource::FirstEvents(count) => Learning::FirstEvents(*count),
        ReferenceSource::TimeRange { from, until } => Learning::TimeRange { from: *from, until: *until },
    };
    let Some(reference) = store.find(model)? else {
        tracing::info!(model = model.name, wanted = %wanted(&learning), "the reference will be learned from the stream");
        return Ok(ReferenceSpec::Learn(learning));
    };
    tracing::info!(
        model = model.name,
        rows = reference.rows,
        source = reference.source,
        "a reference learned earlier is used again"
    );
    note_calibration(&reference, window_ms);
    let covers_until = Some(learning.covers_until(reference.times)).max(reference.covers_until);
    Ok(ReferenceSpec::Ready { reference: Arc::new(reference), covers_until })
}

/// Says when rows will be taken for independent, which real streams' are not.
fn note_calibration(reference: &Reference, window_ms: i64) {
    match &reference.calibration {
        Some(calibration) if calibration.window_ms == window_ms => {}
        Some(calibration) => tracing::warn!(
            model = reference.model,
            calibrated = duration_text(calibration.window_ms),
            windows = duration_text(window_ms),
            "the reference is calibrated for windows of another length: rows are taken for independent until \
             it is built again"
        ),
        None => tracing::info!(
            model = reference.model,
            "the reference has no calibration (no event times, or too few windows): rows are taken for independent"
        ),
    }
}

fn wanted(learning: &Learning) -> String {
    match learning {
        Learning::FirstEvents(count) => format!("the first {} rows", grouped(*count)),
        Learning::TimeRange { from, until } => format!("rows from {from} until {until}"),
    }
}

fn load(model: &str, path: &Path) -> Result<Reference, StartError> {
    load_reference(path)
        .map_err(|error| StartError::Reference { model: model.to_owned(), reason: error.to_string() })
}

/// The directory of learned references, and those that wait to be written.
#[derive(Debug)]
pub(super) struct LearnedReferences {
    directory: PathBuf,
    /// File name by model.
    names: Vec<(String, String)>,
    unsaved: Vec<Arc<Reference>>,
    problem: Option<String>,
}

impl LearnedReferences {
    /// Makes the directory when a model needs it.
    pub(super) fn open(settings: &Settings) -> Result<Self, StartError> {
        let learned =
            settings.models.iter().filter(|model| !matches!(model.reference, ReferenceSource::File(_)));
        let names: Vec<_> = learned.map(|model| (model.name.clone(), file_name(model))).collect();
        let directory = settings.references_dir.clone();
        if !names.is_empty()
            && let Err(source) = std::fs::create_dir_all(&directory)
        {
            return Err(StartError::StateDir { path: directory, source });
        }
        Ok(Self { directory, names, unsaved: Vec::new(), problem: None })
    }

    /// The reference that was learned for `model` with the same settings.
    fn find(&self, model: &ModelSettings) -> Result<Option<Reference>, StartError> {
        let name = file_name(model);
        let path = self.directory.join(&name);
        let exists =
            path.try_exists().map_err(|source| StartError::StateDir { path: path.clone(), source })?;
        if exists {
            return load(&model.name, &path).map(Some);
        }
        if let Some(other) = other_of(&self.directory, &model.name, &name) {
            tracing::warn!(
                model = model.name,
                stored = other,
                "the stored reference was learned with other settings and is not used; a new one is learned"
            );
        }
        Ok(None)
    }

    /// Stores a reference, or keeps it to try again.
    pub(super) fn save(&mut self, reference: Arc<Reference>) {
        self.unsaved.retain(|other| other.model != reference.model);
        self.unsaved.push(reference);
        self.retry();
    }

    /// Tries again to store what could not be stored.
    pub(super) fn retry(&mut self) {
        let Self { directory, names, .. } = self;
        let mut problem = None;
        self.unsaved.retain(|reference| {
            let Some((_, name)) = names.iter().find(|(model, _)| *model == reference.model) else { return false };
            let path = directory.join(name);
            let stored = store_reference(&path, reference);
            match &stored {
                Ok(()) => tracing::info!(model = reference.model, path = %path.display(), "the learned reference is stored"),
                Err(error) => problem = Some(error.to_string()),
            }
            stored.is_err()
        });
        if let (Some(reason), None) = (&problem, &self.problem) {
            tracing::error!(
                reason,
                "a learned reference can't be stored; offsets are not committed until it is"
            );
        }
        self.problem = problem;
    }

    /// Whether offsets may be committed as far as references are concerned.
    pub(super) fn all_saved(&self) -> bool {
        self.unsaved.is_empty()
    }

    /// Whether the directory takes what it has to.
    pub(super) fn component(&self) -> Option<Component> {
        let reason = self.problem.as_ref()?;
        Some(Component::not_ready("references", format!("a learned reference can't be stored: {reason}")))
    }
}

/// `MODEL-FINGERPRINT.reference.json`, with the model's name made safe.
fn file_name(model: &ModelSettings) -> String {
    format!("{}-{:016x}{EXTENSION}", safe_name(&model.name), fingerprint(model))
}

/// Letters, digits, `_` and `.` stay, except for a leading dot; every other
/// byte becomes `%` and two digits, so that no two names meet.
fn safe_name(name: &str) -> String {
    let mut safe = String::with_capacity(name.len());
    for (index, byte) in name.bytes().enumerate() {
        if byte.is_ascii_alphanumeric() || byte == b'_' || (byte == b'.' && index > 0) {
            safe.push(char::from(byte));
        } else {
            let _ = write!(safe, "%{byte:02x}");
        }
    }
    safe
}

/// FNV-1a (64 bits) over everything that decides what would be learned.
fn fingerprint(model: &ModelSettings) -> u64 {
    let mut text = match model.reference {
        ReferenceSource::FirstEvents(count) => format!("first {count}"),
        ReferenceSource::TimeRange { from, until } => format!("range {} {}", from.0, until.0),
        ReferenceSource::File(_) => String::new(),
    };
    let sampled = model.samples();
    let _ = write!(text, " bins {} sampled {sampled}", model.bins);
    let _ = write!(text, " segments {:?} {}", model.segments, model.max_segments);
    for (name, column) in &model.features {
        let kind = match column.kind {
            None => "inferred",
            Some(ColumnKind::Numeric) => "numeric",
            Some(ColumnKind::Categorical) => "categorical",
        };
        let _ = write!(text, "\n{name:?} {kind} {}", column.ignore);
    }
    let step = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
    text.bytes().fold(0xcbf2_9ce4_8422_2325, step)
}

/// A file in `directory` that holds a reference of `model` learned otherwise.
fn other_of(directory: &Path, model: &str, name: &str) -> Option<String> {
    let safe = safe_name(model);
    let is_of_model = |other: &str| {
        let stem = other.strip_suffix(EXTENSION).and_then(|stem| stem.rsplit_once('-'));
        stem.is_some_and(|(model, _)| model == safe)
    };
    let entries = std::fs::read_dir(directory).ok()?;
    entries
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .find(|other| other != name && is_of_model(other))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::{config::TableMapping, drift::DriftSettings, reference::ColumnOverride};

    fn model(name: &str, count: u64) -> ModelSettings {
        ModelSettings {
            name: name.to_owned(),
            reference: ReferenceSource::FirstEvents(count),
            bins: 10,
            drift: DriftSettings::default(),
            segments: Vec::new(),
            max_segments: 20,
            features: BTreeMap::new(),
            join: None,
            explain: None,
            table: TableMapping::default(),
        }
    }

    #[test]
    fn file_names_tell_models_and_settings_apart_and_stay_in_their_directory() {
        let plain = model("credit", 1_000);
        let mut typed = plain.clone();
        let override_ = ColumnOverride { kind: Some(ColumnKind::Categorical), ignore: false };
        typed.features.insert("grade".into(), override_);
        let mut names = vec![
            file_name(&plain),
            file_name(&model("credit", 2_000)),
            file_name(&model("../credit", 1_000)),
            file_name(&model("cred%2fit", 1_000)),
            file_name(&model("cred/it", 1_000)),
            file_name(&ModelSettings { bins: 20, ..plain }),
            file_name(&typed),
        ];
        assert!(names.iter().all(|name| !name.contains('/') && !name.starts_with('.')), "{names:?}");
        names.sort();
        names.dedup();
        assert_eq!(names.len(), 7, "{names:?}");
    }

    #[test]
    fn a_reference_learned_otherwise_is_noticed() {
        let directory = tempfile::tempdir().expect("a directory");
        let (old, new) = (file_name(&model("credit", 1_000)), file_name(&model("credit", 2_000)));
        std::fs::write(directory.path().join(&old), "{}").expect("written");
        assert_eq!(other_of(directory.path(), "credit", &new), Some(old.clone()));
        assert_eq!(other_of(directory.path(), "credit", &old), None);
        assert_eq!(other_of(directory.path(), "cred", &new), None);
    }
}
