//! The configuration: as typed (`raw`), as meant ([`Settings`]), and the way
//! between them that finds every error at once.
//!
//! [`load`] reads a file in four steps. The file is held strictly against the
//! table of all keys ([`keys::KEYS`]), so that a typing error is an error with
//! its line; environment variables and flags are laid over it; the result is
//! resolved into types that can't hold an invalid setting; and when anything
//! was wrong on the way, all of it comes back, with file, line, key and a hint.
//!
//! Secrets come from files or the environment and reach no message.

mod check;
mod columns;
pub mod keys;
mod layers;
mod places;
mod problem;
mod quantity;
mod raw;
mod reload;
mod resolve;
mod rules;
mod settings;
mod typed;

use std::{
    fs,
    path::{Path, PathBuf},
};

pub use columns::ColumnCheck;
pub use layers::Overrides;
pub use problem::{ConfigErrors, ExplainKeys, Place, Problem, ReferenceFile};
pub use reload::ReloadChanges;
pub(crate) use rules::{Metric, metric};
pub use rules::{RuleCheck, RuleProblem, default_rules, load_rules, rule_problems};
pub use settings::{ModelSettings, ReferenceSource, Settings, TableMapping};

use places::{Part, Places};
use problem::Report;

/// A configuration without errors.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// What it says.
    pub settings: Settings,
    /// What is worth knowing, in order of the file.
    pub warnings: Vec<Problem>,
    /// Reference files that it names; they have not been looked at.
    pub reference_files: Vec<ReferenceFile>,
    /// The rules, to be held against those files.
    pub rule_checks: Vec<RuleCheck>,
    /// Columns that experiments name, to be held against those files.
    pub column_checks: Vec<ColumnCheck>,
    /// Where it says how models are explained; neither models nor schemas of
    /// inputs have been looked at.
    pub explained: Vec<ExplainKeys>,
}

/// Reads a configuration file. Paths in it are relative to the file.
///
/// # Errors
/// Every error of the file and of what overrides it.
pub fn load(path: &Path, overrides: &Overrides) -> Result<Loaded, ConfigErrors> {
    let bytes =
        fs::read(path).map_err(|error| ConfigErrors::unreadable(path, format!("can't be read: {error}")))?;
    let text = String::from_utf8(bytes)
        .map_err(|_| ConfigErrors::unreadable(path, "is not UTF-8 text".to_owned()))?;
    load_text(&text, path, overrides)
}

/// Reads a configuration that is already in memory as if it came from `path`.
///
/// # Errors
/// Every error of the text and of what overrides it.
pub fn load_text(text: &str, path: &Path, overrides: &Overrides) -> Result<Loaded, ConfigErrors> {
    let mut places = Places::new(path, text);
    let mut report = Report::default();
    let base = path.parent().map_or_else(PathBuf::new, Path::to_owned);
    let settings = match check::read(text, &mut places, &mut report) {
        Err(syntax_error) => {
            report.errors.push(*syntax_error);
            None
        }
        Ok(tree) => match layers::merge(tree, overrides, &mut places, &mut report) {
            Ok(raw) => resolve::resolve(raw, &base, overrides, &places, &mut report),
            Err(error) => {
                // The tree was checked against the same keys, so this is a gap in that check.
                let message = format!("does not fit together: {error}");
                report.errors.push(places.problem("", Part::Key, message, None));
                None
            }
        },
    };
    report.sort(path);
    match settings {
        Some(settings) if report.errors.is_empty() => {
            let Report { warnings, reference_files, rule_checks, column_checks, explained, .. } = report;
            Ok(Loaded { settings, warnings, reference_files, rule_checks, column_checks, explained })
        }
        _ => Err(report.into_errors()),
    }
}
