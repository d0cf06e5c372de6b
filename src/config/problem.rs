//! What is wrong with a configuration, where, and what to do about it.

use std::{
    fmt,
    path::{Path, PathBuf},
};

use super::{columns::ColumnCheck, rules::RuleCheck};

/// Where a setting was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// In the file; lines and columns count from 1, columns in characters.
    File {
        /// The file as it was named.
        path: PathBuf,
        /// Line of the key or value.
        line: usize,
        /// Column of the key or value.
        column: usize,
    },
    /// In the environment variable of this name.
    Environment(String),
    /// On the command line.
    Flag,
    /// The file itself could not be read.
    Unreadable(PathBuf),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File { path, line, column } => write!(f, "{}:{line}:{column}", path.display()),
            Self::Environment(name) => write!(f, "environment variable {name}"),
            Self::Flag => f.write_str("command line"),
            Self::Unreadable(path) => write!(f, "{}", path.display()),
        }
    }
}

/// One thing that is wrong, or that is worth a warning. It never holds a secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Where.
    pub place: Place,
    /// Path of the key, such as `models[0].features.age.kind`; empty for the
    /// file as a whole.
    pub key: String,
    /// What is wrong, as a sentence without full stop.
    pub message: String,
    /// What to do.
    pub hint: Option<String>,
    /// The line of the file with a caret under the spot, for syntax errors.
    pub snippet: Option<String>,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.place)?;
        if !self.key.is_empty() {
            write!(f, "{}: ", self.key)?;
        }
        f.write_str(&self.message)?;
        if let Some(snippet) = &self.snippet {
            write!(f, "\n{snippet}")?;
        }
        if let Some(hint) = &self.hint {
            write!(f, "\n  hint: {hint}")?;
        }
        Ok(())
    }
}

/// Everything that keeps a configuration from being used.
#[derive(Debug, Clone, PartialEq)]
pub struct ConfigErrors {
    /// At least one, in order of the file.
    pub errors: Vec<Problem>,
    /// What else is worth knowing.
    pub warnings: Vec<Problem>,
    /// Reference files that the configuration names, so that they can be
    /// checked in the same go; they have not been looked at.
    pub reference_files: Vec<ReferenceFile>,
    /// Rules without errors, to be held against those files.
    pub rule_checks: Vec<RuleCheck>,
    /// Columns that experiments name, to be held against those files.
    pub column_checks: Vec<ColumnCheck>,
}

/// A reference file that a configuration names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReferenceFile {
    /// The model that it is for, where the configuration names it.
    pub model: Option<String>,
    /// The file.
    pub path: PathBuf,
    /// Features whose values it is to have segments of.
    pub segments: Vec<String>,
    /// Where the configuration names it.
    pub place: Place,
    /// Path of the key that names it.
    pub key: String,
}

impl ReferenceFile {
    /// Something that is wrong with the file.
    #[must_use]
    pub fn problem(&self, message: String, hint: String) -> Problem {
        Problem { place: self.place.clone(), key: self.key.clone(), message, hint: Some(hint), snippet: None }
    }
}

/// Where a configuration says how a model is explained.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExplainKeys {
    /// The model.
    pub model: String,
    /// Path of the table.
    pub(super) path: String,
    /// Places of keys in it, the table's own by the empty name.
    pub(super) places: Vec<(&'static str, Place)>,
}

impl ExplainKeys {
    /// Something that is wrong with what the first of `keys` that is set names;
    /// with the table as a whole, where none is.
    #[must_use]
    pub fn problem(&self, keys: &[&str], message: String, hint: Option<String>) -> Problem {
        let of = |wanted: &str| self.places.iter().find(|(key, _)| *key == wanted);
        let found = keys.iter().find_map(|key| of(key)).or_else(|| of(""));
        let (key, place) =
            found.cloned().unwrap_or_else(|| ("", Place::Unreadable(PathBuf::from(&self.path))));
        let key = if key.is_empty() { self.path.clone() } else { format!("{}.{key}", self.path) };
        Problem { place, key, message, hint, snippet: None }
    }
}

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, error) in self.errors.iter().enumerate() {
            let line_break = if index == 0 { "" } else { "\n" };
            write!(f, "{line_break}error: {error}")?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigErrors {}

impl ConfigErrors {
    pub(super) fn unreadable(path: &Path, message: String) -> Self {
        let error = Problem {
            place: Place::Unreadable(path.to_owned()),
            key: String::new(),
            message,
            hint: Some(
                "name a readable file with --config FILE; config/driftline.toml shows all keys".into(),
            ),
            snippet: None,
        };
        Report { errors: vec![error], ..Report::default() }.into_errors()
    }
}

/// Errors and warnings as they are found.
#[derive(Debug, Default)]
pub(super) struct Report {
    pub(super) errors: Vec<Problem>,
    pub(super) warnings: Vec<Problem>,
    pub(super) reference_files: Vec<ReferenceFile>,
    pub(super) rule_checks: Vec<RuleCheck>,
    pub(super) column_checks: Vec<ColumnCheck>,
    pub(super) explained: Vec<ExplainKeys>,
}

impl Report {
    /// Brings both lists into the order of the file `main`, with other files
    /// behind it; what is in no file comes last.
    pub(super) fn sort(&mut self, main: &Path) {
        let order = |problem: &Problem| match &problem.place {
            Place::File { path, line, column } if path == main => (0, PathBuf::new(), *line, *column),
            Place::File { path, line, column } => (1, path.clone(), *line, *column),
            _ => (2, PathBuf::new(), 0, 0),
        };
        self.errors.sort_by_key(order);
        self.warnings.sort_by_key(order);
    }

    pub(super) fn into_errors(self) -> ConfigErrors {
        ConfigErrors {
            errors: self.errors,
            warnings: self.warnings,
            reference_files: self.reference_files,
            rule_checks: self.rule_checks,
            column_checks: self.column_checks,
        }
    }
}
