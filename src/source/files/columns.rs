//! Which column of a file is what: as mapped, else by a usual name.

use std::path::Path;

use super::FileError;
use crate::config::TableMapping;

/// What a file must have to be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Required {
    /// A time for every row, and the columns that the mapping names for the
    /// id and the predictions: the rows become events.
    Events,
    /// Nothing: training data often has neither times nor predictions.
    Nothing,
}

/// What a column is to an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    Id,
    Time,
    Prediction,
    PredictionClass,
    Label,
    Version,
    Variant,
    Ignored,
    Feature,
}

/// The columns of one file by their roles, guesses filled in.
#[derive(Debug, Clone, Default)]
pub(super) struct ColumnPlaces {
    /// Column names in the order of [`ROLES`].
    named: [Option<String>; ROLES.len()],
    ignored: Vec<String>,
    /// What was guessed or is not there, for people.
    pub(super) notes: Vec<String>,
}

/// A role of a column.
struct Role {
    place: Place,
    /// For people.
    name: &'static str,
    /// What the mapping says.
    mapped: fn(&TableMapping) -> &Option<String>,
    /// Usual column names in order of preference.
    usual: &'static [&'static str],
    /// Whether events can't do without it once it is mapped.
    essential: bool,
}

/// `y_pred` is the class where `y_pred_proba` stands beside it, and the
/// prediction itself where it stands alone.
const ROLES: [Role; 7] = [
    Role {
        place: Place::Time,
        name: "time",
        mapped: |mapping| &mapping.time,
        usual: &["timestamp", "event_time", "time", "datetime", "date", "ts"],
        essential: true,
    },
    Role {
        place: Place::Id,
        name: "id",
        mapped: |mapping| &mapping.id,
        usual: &["id", "event_id", "request_id", "prediction_id", "index"],
        essential: true,
    },
    Role {
        place: Place::Prediction,
        name: "prediction",
        mapped: |mapping| &mapping.prediction,
        usual: &["prediction", "y_pred_proba", "y_score", "y_pred"],
        essential: true,
    },
    Role {
        place: Place::PredictionClass,
        name: "prediction class",
        mapped: |mapping| &mapping.prediction_class,
        usual: &["prediction_class", "predicted_class", "y_pred"],
        essential: true,
    },
    // Labels come later than predictions, so that one mapping has to serve
    // files with and without them.
    Role {
        place: Place::Label,
        name: "label",
        mapped: |mapping| &mapping.label,
        usual: &["label", "y_true", "ground_truth"],
        essential: false,
    },
    Role {
        place: Place::Version,
        name: "model version",
        mapped: |mapping| &mapping.version,
        usual: &["model_version"],
        essential: false,
    },
    Role {
        place: Place::Variant,
        name: "variant",
        mapped: |mapping| &mapping.variant,
        usual: &[],
        essential: false,
    },
];

impl ColumnPlaces {
    /// Finds a place for the columns.
    ///
    /// # Errors
    /// When a column is missing that `required` asks for.
    pub(super) fn resolve(
        path: &Path,
        columns: &[String],
        mapping: &TableMapping,
        required: Required,
    ) -> Result<Self, FileError> {
        let named = ROLES.each_ref().map(|role| (role.mapped)(mapping).clone());
        let mut places = Self { named, ignored: mapping.ignore.clone(), notes: Vec::new() };
        for (index, role) in ROLES.iter().enumerate() {
            let name = match (role.mapped)(mapping) {
                Some(name) if columns.contains(name) => Some(name.clone()),
                Some(name) if role.essential && required == Required::Events => {
                    return Err(FileError::NoColumn {
                        path: path.to_owned(),
                        role: role.name,
                        column: name.clone(),
                        columns: listed(columns),
                    });
                }
                Some(name) => {
                    places.notes.push(format!(
                        "{}: there is no column {name:?} for the {}",
                        path.display(),
                        role.name
                    ));
                    None
                }
                None => places.guess(path, columns, role),
            };
            if let Some(slot) = places.named.get_mut(index) {
                *slot = name;
            }
        }
        if !places.has_time() && required == Required::Events {
            return Err(FileError::NoTimeColumn { path: path.to_owned(), columns: listed(columns) });
        }
        for name in mapping.ignore.iter().filter(|name| !columns.contains(name)) {
            places.notes.push(format!("{}: there is no column {name:?} to ignore", path.display()));
        }
        Ok(places)
    }

    fn guess(&mut self, path: &Path, columns: &[String], role: &Role) -> Option<String> {
        let is_free = |name: &&String, usual: &str| {
            name.eq_ignore_ascii_case(usual) && self.place(name) == Place::Feature
        };
        let found = role.usual.iter().find_map(|usual| columns.iter().find(|name| is_free(name, usual)))?;
        self.notes.push(format!("{}: column {found:?} is taken for the {}", path.display(), role.name));
        Some(found.clone())
    }

    /// What the column called `name` is.
    pub(super) fn place(&self, name: &str) -> Place {
        let role = ROLES.iter().zip(&self.named).find(|(_, named)| named.as_deref() == Some(name));
        match role {
            Some((role, _)) => role.place,
            None if self.ignored.iter().any(|ignored| ignored == name) => Place::Ignored,
            None => Place::Feature,
        }
    }

    /// The column that is the time.
    pub(super) fn time(&self) -> Option<&String> {
        self.named.first()?.as_ref()
    }

    /// Whether some column is the time.
    pub(super) fn has_time(&self) -> bool {
        self.time().is_some()
    }
}

/// Column names for an error, cut where there are too many to help.
fn listed(columns: &[String]) -> String {
    const SHOWN: usize = 30;
    let text = columns.iter().take(SHOWN).map(String::as_str).collect::<Vec<_>>().join(", ");
    if columns.len() > SHOWN {
        return format!("{text} and {} more", columns.len() - SHOWN);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolve(columns: &[&str], mapping: &TableMapping) -> Result<ColumnPlaces, FileError> {
        let columns: Vec<String> = columns.iter().map(|&name| name.to_owned()).collect();
        ColumnPlaces::resolve(Path::new("f.csv"), &columns, mapping, Required::Events)
    }

    #[test]
    fn usual_names_are_guessed_and_told() {
        let places =
            resolve(&["Index", "date", "y_pred", "y_pred_proba", "age"], &TableMapping::default()).unwrap();
        assert_eq!(places.place("Index"), Place::Id);
        assert_eq!(places.place("date"), Place::Time);
        assert_eq!(places.place("y_pred_proba"), Place::Prediction);
        assert_eq!(places.place("y_pred"), Place::PredictionClass);
        assert_eq!(places.place("age"), Place::Feature);
        assert_eq!(places.notes.len(), 4);
        let alone = resolve(&["ts", "y_pred"], &TableMapping::default()).unwrap();
        assert_eq!(alone.place("y_pred"), Place::Prediction);
    }

    #[test]
    fn a_mapped_or_ignored_column_is_not_guessed_for_another_role() {
        let mapping = TableMapping {
            time: Some("date".into()),
            prediction_class: Some("y_pred".into()),
            ignore: vec!["id".into()],
            ..TableMapping::default()
        };
        let places = resolve(&["id", "date", "timestamp", "y_pred"], &mapping).unwrap();
        assert_eq!(places.place("date"), Place::Time);
        assert_eq!(places.place("timestamp"), Place::Feature);
        assert_eq!(places.place("y_pred"), Place::PredictionClass);
        assert_eq!(places.place("id"), Place::Ignored);
    }

    #[test]
    fn missing_columns_are_named_with_what_is_there() {
        let mapping = TableMapping { prediction: Some("score".into()), ..TableMapping::default() };
        let error = resolve(&["ts", "age"], &mapping).unwrap_err().to_string();
        assert_eq!(error, "f.csv: there is no column \"score\" for the prediction; the columns are ts, age");
        let error = resolve(&["age"], &TableMapping::default()).unwrap_err().to_string();
        assert!(error.contains("which column is the event time?"), "{error}");
        let mapping = TableMapping { label: Some("y".into()), ..TableMapping::default() };
        let places = resolve(&["ts"], &mapping).unwrap();
        assert!(places.notes.iter().any(|note| note.contains("no column \"y\" for the label")));
    }
}
