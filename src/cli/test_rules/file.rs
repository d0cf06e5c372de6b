//! A file of rule tests, as it is written.

use std::{collections::BTreeMap, fs, path::Path};

use serde::Deserialize;

use super::values::{self, Item};
use crate::{
    alert::{
        Rule,
        vitals::{COMPONENT, COMPONENT_FIELDS, METRIC, MODEL, MODEL_FIELDS},
    },
    result::schema::{ALERT, MeasurementDoc, measurements},
};

/// The longest test, in windows.
const MOST_WINDOWS: usize = 100_000;

/// A file of tests.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TestFile {
    /// Files of rules, relative to this one.
    #[serde(default)]
    pub(super) rules: Vec<String>,
    /// Whether the rules that come with Driftline are there as well.
    #[serde(default)]
    pub(super) default_rules: bool,
    /// Empty windows after which a stream is over.
    #[serde(default = "max_empty_windows")]
    pub(super) max_empty_windows: u32,
    /// The tests.
    pub(super) tests: Vec<Test>,
}

fn max_empty_windows() -> u32 {
    crate::window::WindowSettings::default().max_empty_windows
}

/// One test.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Test {
    /// What it shows.
    pub(super) name: String,
    /// What windows have.
    pub(super) series: Vec<Series>,
    /// What fires then.
    pub(super) expect: Vec<Expectation>,
}

/// The values of one field of one row, one per window.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Series {
    /// `measurement.field`.
    pub(super) metric: String,
    /// What the row is about; a model is called `model` unless told.
    #[serde(default)]
    pub(super) tags: BTreeMap<String, String>,
    /// As [`values::parse`] reads them.
    values: String,
}

impl Series {
    /// Its measurement and its field.
    pub(super) fn names(&self) -> (&str, &str) {
        self.metric.split_once('.').unwrap_or((&self.metric, ""))
    }

    /// Its values; none when they can't be read, which was told.
    pub(super) fn items(&self) -> Vec<Item> {
        values::parse(&self.values).unwrap_or_default()
    }

    fn problem(&self, documents: &[MeasurementDoc]) -> Option<String> {
        let (measurement, field) = self.names();
        let fields: Vec<&str> = match measurement {
            MODEL => MODEL_FIELDS.iter().map(|(name, _)| *name).collect(),
            COMPONENT => COMPONENT_FIELDS.iter().map(|(name, _)| *name).collect(),
            METRIC => vec![field],
            _ => {
                let known = documents.iter().filter(|document| document.name != ALERT);
                let Some(document) = known.clone().find(|document| document.name == measurement) else {
                    let names: Vec<&str> =
                        known.map(|document| document.name).chain([MODEL, COMPONENT, METRIC]).collect();
                    return Some(format!(
                        "there is no measurement {measurement:?}; there are {}",
                        names.join(", ")
                    ));
                };
                if let Some(tag) = self.tags.keys().find(|tag| !document.tags.contains(&tag.as_str())) {
                    let tags = document.tags.join(", ");
                    return Some(format!("{measurement} has no tag {tag:?}; it has {tags}"));
                }
                document.fields.iter().map(|field| field.name).collect()
            }
        };
        if field.is_empty() || !fields.contains(&field) {
            return Some(format!("{measurement} has no field {field:?}; it has {}", fields.join(", ")));
        }
        values::parse(&self.values).err().map(|error| format!("values: {error}"))
    }
}

/// What fires after one window, and nothing else.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Expectation {
    /// The window's number, from 1 on.
    pub(super) window: usize,
    /// Labels of each alert that fires, the rule's name as `rule`; those that
    /// are not named may be anything. Also its `summary`, if wanted.
    pub(super) firing: Vec<BTreeMap<String, String>>,
}

impl TestFile {
    pub(super) fn read(path: &Path) -> Result<Self, String> {
        let text = fs::read_to_string(path)
            .map_err(|error| format!("{}: can't be read: {error}", path.display()))?;
        toml::from_str(&text).map_err(|error| format!("{}: {error}", path.display()))
    }

    /// What is wrong with the tests in view of these rules.
    pub(super) fn problems(&self, path: &Path, rules: &[Rule]) -> Vec<String> {
        let documents = measurements();
        let mut problems = Vec::new();
        let mut problem = |test: &Test, place: String, message: String| {
            problems.push(format!("{}: test {:?}: {place}: {message}", path.display(), test.name));
        };
        for test in &self.tests {
            for (number, series) in (1..).zip(&test.series) {
                if let Some(message) = series.problem(&documents) {
                    problem(test, format!("series {number} ({})", series.metric), message);
                }
            }
            let last = test.series.iter().map(|series| series.items().len()).max().unwrap_or(0);
            if last > MOST_WINDOWS {
                problem(test, "series".to_owned(), format!("there are more than {MOST_WINDOWS} windows"));
            }
            if test.expect.is_empty() {
                problem(test, "expect".to_owned(), "nothing is expected, so it can't fail".to_owned());
            }
            for expectation in &test.expect {
                let place = format!("expect, window {}", expectation.window);
                if !(1..=last).contains(&expectation.window) {
                    problem(test, place.clone(), format!("the series have windows 1 to {last}"));
                }
                for labels in &expectation.firing {
                    let name = labels.get("rule");
                    if !name.is_some_and(|name| rules.iter().any(|rule| rule.name == *name)) {
                        let names: Vec<&str> = rules.iter().map(|rule| rule.name.as_str()).collect();
                        let found = name.map_or_else(
                            || "an alert has no rule".to_owned(),
                            |name| format!("there is no rule {name:?}"),
                        );
                        problem(test, place.clone(), format!("{found}; there are {}", names.join(", ")));
                    }
                }
            }
        }
        problems
    }
}
