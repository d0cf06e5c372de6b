//! The models.

use std::collections::{BTreeMap, HashMap};

use super::Resolver;
use crate::{
    config::{
        places::{Part, join},
        problem::ReferenceFile,
        raw,
        settings::{ModelSettings, ReferenceSource, TableMapping},
    },
    event::EventTime,
    pipeline::JoinSettings,
    reference::ColumnOverride,
    window::WindowSettings,
};

/// Fewer rows make a reference that is mostly noise itself.
const FEW_REFERENCE_ROWS: u64 = 1_000;

impl Resolver<'_> {
    pub(super) fn models(
        &mut self,
        raw: Vec<raw::Model>,
        windows: &WindowSettings,
    ) -> Option<Vec<ModelSettings>> {
        if raw.is_empty() {
            let hint = "add [[models]] with name = \"…\" and reference = { first_events = 10000 }";
            return self.required(None, "models", hint);
        }
        let mut seen: HashMap<String, usize> = HashMap::new();
        let mut models = Vec::new();
        for (index, model) in raw.into_iter().enumerate() {
            let path = format!("models[{index}]");
            if let Some(name) = &model.name {
                let first = *seen.entry(name.clone()).or_insert(index);
                if first != index {
                    let message = format!("the model {name:?} stands here twice, first as models[{first}]");
                    self.error(&join(&path, "name"), message, "remove one, or give it its own name");
                }
            }
            models.push(self.model(&path, model, windows));
        }
        models.into_iter().collect()
    }

    fn model(&mut self, path: &str, raw: raw::Model, windows: &WindowSettings) -> Option<ModelSettings> {
        let drift = self.drift(path, &raw, windows);
        let segments = self.segments(path, &raw);
        let name = self.required(raw.name, &join(path, "name"), "name = \"…\", as events name the model");
        let reference_key = join(path, "reference");
        let hint = "reference = \"file.json\", or { first_events = 10000 } to learn it from the stream";
        let reference = self.required(raw.reference, &reference_key, hint);
        let reference = reference.and_then(|reference| self.reference(&reference_key, &reference, windows));
        if let Some(ReferenceSource::File(path)) = &reference {
            let place = self.places.of(&reference_key, Part::Value);
            let file = ReferenceFile {
                model: name.clone(),
                path: path.clone(),
                segments: segments.clone(),
                place,
                key: reference_key,
            };
            self.report.reference_files.push(file);
        }
        let features_path = join(path, "features");
        let features = raw.features.into_iter().map(|(feature, raw)| {
            if raw.ignore && raw.kind.is_some() {
                let key = join(&join(&features_path, &feature), "kind");
                self.warn(&key, "has no effect on an ignored feature", "remove kind or ignore");
            }
            (feature, ColumnOverride { kind: raw.kind, ignore: raw.ignore })
        });
        let features: BTreeMap<String, ColumnOverride> = features.collect();
        let join_settings =
            raw.join.map(|raw| JoinSettings { timeout_ms: raw.timeout, max_waiting: raw.max_waiting });
        let table = self.table(&join(path, "table"), raw.table);
        let explain = match raw.explain {
            Some(explain) => Some(self.explain(&join(path, "explain"), name.as_deref(), explain)?),
            None => None,
        };
        Some(ModelSettings {
            name: name?,
            reference: reference?,
            bins: raw.bins,
            drift: drift?,
            segments,
            max_segments: raw.max_segments,
            features,
            join: join_settings,
            explain,
            table,
        })
    }

    fn reference(
        &mut self,
        key: &str,
        raw: &raw::Reference,
        windows: &WindowSettings,
    ) -> Option<ReferenceSource> {
        match (&raw.file, raw.first_events, raw.from, raw.until) {
            (Some(file), None, None, None) => Some(ReferenceSource::File(self.path(file))),
            (None, Some(events), None, None) => {
                if events < FEW_REFERENCE_ROWS {
                    let message =
                        format!("a reference of {events} events is noisy: small drift can't be told from it");
                    self.warn(key, message, format!("take {FEW_REFERENCE_ROWS} or more"));
                }
                Some(ReferenceSource::FirstEvents(events))
            }
            (None, None, Some(from), Some(until)) => {
                if from >= until {
                    self.error(
                        key,
                        "the range ends before it starts",
                        "from is inclusive, until is exclusive",
                    );
                    return None;
                }
                if until - from < windows.slide_ms {
                    let message =
                        "the range is shorter than a window: it shows less of the daily and weekly course";
                    self.warn(key, message, "take whole days or weeks");
                }
                Some(ReferenceSource::TimeRange { from: EventTime(from), until: EventTime(until) })
            }
            (None, None, Some(_), None) => {
                self.error(key, "the time range has no end", "add until, which is exclusive");
                None
            }
            (None, None, None, Some(_)) => {
                self.error(key, "the time range has no start", "add from, which is inclusive");
                None
            }
            (None, None, None, None) => {
                self.error(
                    key,
                    "the table is empty",
                    "write \"file.json\", { first_events = … } or { from = …, until = … }",
                );
                None
            }
            _ => {
                self.error(
                    key,
                    "a reference comes from one place, found several",
                    "keep file, first_events or from and until",
                );
                None
            }
        }
    }

    /// No column of a file can be two things.
    fn table(&mut self, path: &str, raw: raw::Table) -> TableMapping {
        let roles = [
            ("id", &raw.id),
            ("time", &raw.time),
            ("prediction", &raw.prediction),
            ("prediction_class", &raw.prediction_class),
            ("label", &raw.label),
            ("version", &raw.version),
            ("variant", &raw.variant),
        ];
        let mut role_of: HashMap<&str, &str> = HashMap::new();
        for (role, column) in roles {
            let Some(column) = column else { continue };
            if let Some(other) = role_of.insert(column, role) {
                let message = format!("the column {column:?} is already the {other}");
                self.error(&join(path, role), message, "a column can be only one of them");
            }
        }
        for (index, column) in raw.ignore.iter().enumerate() {
            if let Some(role) = role_of.get(column.as_str()) {
                let message = format!("the column {column:?} is the {role}");
                self.error(
                    &format!("{path}.ignore[{index}]"),
                    message,
                    "columns with a role are no features anyway",
                );
            }
        }
        TableMapping {
            id: raw.id,
            time: raw.time,
            prediction: raw.prediction,
            prediction_class: raw.prediction_class,
            label: raw.label,
            version: raw.version,
            variant: raw.variant,
            ignore: raw.ignore,
        }
    }
}
