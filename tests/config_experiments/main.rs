//! What the configuration says of experiments: every form, every default, and
//! every mistake with its line and what to do about it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod caps;
mod keys;
mod mistakes;
mod warnings;

use std::path::Path;

use driftline::{
    config::{ConfigErrors, Loaded, Overrides, Place, Problem, Settings, load_text},
    decode::{FieldSource, JsonPointer},
    experiment::MetricSettings,
};

/// Seven lines; what a test adds stands from line 8 on.
pub(crate) const MODEL: &str = "\
[windows]
size = \"5m\"
[[models]]
name = \"credit\"
reference = \"credit.json\"
features.country = { kind = \"categorical\" }
features.row = { ignore = true }
";
/// Five more lines; keys of the experiment follow from line 13 on.
pub(crate) const EXPERIMENT: &str = "\
[[experiments]]
id = \"e\"
model = \"credit\"
control = \"a\"
challengers = [\"b\"]
";

pub(crate) fn parse(text: &str) -> Result<Loaded, ConfigErrors> {
    load_text(text, Path::new("c.toml"), &Overrides::none())
}

pub(crate) fn fine(text: &str) -> Loaded {
    parse(text).unwrap_or_else(|errors| panic!("{errors}\nin\n{text}"))
}

/// An experiment with these keys, and one metric with those: its header stands in
/// the line after the experiment's keys.
pub(crate) fn experiment(keys: &str, metric: &str) -> String {
    format!("{MODEL}{EXPERIMENT}{keys}[[experiments.metrics]]\nname = \"m\"\n{metric}")
}

pub(crate) fn settings(keys: &str, metric: &str) -> Settings {
    fine(&experiment(keys, metric)).settings
}

pub(crate) fn metric(text: &str) -> MetricSettings {
    settings("", text).experiments.remove(0).metrics.remove(0)
}

pub(crate) fn pointer(token: &str) -> FieldSource {
    FieldSource::Pointer(JsonPointer(vec![token.to_owned()]))
}

/// The line of a problem, and the problem without its place.
fn told(problem: &Problem) -> (usize, String) {
    let Place::File { line, .. } = &problem.place else { panic!("{problem}") };
    let hint = problem.hint.as_deref().unwrap_or_default();
    (*line, format!("{}: {} -> {hint}", problem.key, problem.message))
}

/// Holds the only problem against its line and the parts of what is said.
pub(crate) fn assert_told(problems: &[Problem], line: usize, parts: &[&str], text: &str) {
    let [problem] = problems else { panic!("{problems:#?}\nin\n{text}") };
    let (found, said) = told(problem);
    assert_eq!(found, line, "{problem}\nin\n{text}");
    for part in parts {
        assert!(said.contains(part), "{said}\nlacks {part:?}");
    }
}

#[track_caller]
pub(crate) fn refused(text: &str, line: usize, parts: &[&str]) {
    let errors = parse(text).err().unwrap_or_else(|| panic!("no error in\n{text}"));
    assert_told(&errors.errors, line, parts, text);
}

pub(crate) const GOAL: &str = "of = \"brier\"\nrole = \"goal\"\n";
