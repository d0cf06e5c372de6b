//! A file of rule tests, as it is written.

use std::{collections::BTreeSet, fs, path::Path};

use serde::Deserialize;

use super::values::{self, Item};
use crate::{
    alert::{Labels, Rule, ValueKind, vitals::METRIC},
    config::{Metric, metric},
    result::{
        UNNAMED, Verdict,
        schema::{ALL_ROWS, SEGMENT, TAG_MODEL, TAG_SEGMENT, TAG_VARIANT, TAG_VERSION},
    },
};

/// Name of the model of rows that name none.
pub(super) const SOME_MODEL: &str = "model";
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
    pub(super) tags: Labels,
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

    /// The tags of its row: what every row of a window has is there untold.
    pub(super) fn row_tags(&self) -> Labels {
        let mut tags = self.tags.clone();
        let known = metric(&self.metric).map(|metric| metric.tags).unwrap_or_default();
        let measurement = self.names().0;
        let is_of_a_segment = measurement == SEGMENT;
        for (tag, untold) in
            [(TAG_MODEL, SOME_MODEL), (TAG_VERSION, UNNAMED), (TAG_VARIANT, UNNAMED), (TAG_SEGMENT, ALL_ROWS)]
        {
            if measurement != METRIC && known.contains(&tag) && !(is_of_a_segment && tag == TAG_SEGMENT) {
                tags.entry(tag.to_owned()).or_insert_with(|| untold.to_owned());
            }
        }
        tags
    }

    fn problem(&self) -> Option<String> {
        let Metric { measurement, tags, field, kind } = match metric(&self.metric) {
            Ok(metric) => metric,
            Err(message) => return Some(message),
        };
        if let Some(tag) = self.tags.keys().find(|tag| !tags.contains(&tag.as_str())) {
            let tags = if tags.is_empty() { "none".to_owned() } else { tags.join(", ") };
            return Some(format!("{measurement} has no tag {tag:?}; it has {tags}"));
        }
        let items = match values::parse(&self.values) {
            Ok(items) => items,
            Err(message) => return Some(format!("values: {message}")),
        };
        items.iter().find_map(|item| misfit(item, kind)).map(|message| format!("values: {field} {message}"))
    }
}

/// Why a field of this kind can't have the value.
fn misfit(item: &Item, kind: ValueKind) -> Option<String> {
    match (item, kind) {
        (Item::Word(word), ValueKind::Number) => Some(format!("holds numbers, not {word:?}")),
        (Item::Word(word), ValueKind::Verdict) => {
            let verdicts = Verdict::ALL.map(Verdict::as_str);
            let is_one = verdicts.contains(&word.as_str());
            (!is_one).then(|| format!("holds {}, not {word:?}", verdicts.join(", ")))
        }
        (Item::Number(number), ValueKind::Verdict | ValueKind::Text) => {
            Some(format!("holds words, not {number}"))
        }
        _ => None,
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
    pub(super) firing: Vec<Labels>,
}

impl TestFile {
    pub(super) fn read(path: &Path) -> Result<Self, String> {
        let text = fs::read_to_string(path)
            .map_err(|error| format!("{}: can't be read: {error}", path.display()))?;
        toml::from_str(&text).map_err(|error| format!("{}: {error}", path.display()))
    }

    /// What is wrong with the tests in view of these rules.
    pub(super) fn problems(&self, path: &Path, rules: &[Rule]) -> Vec<String> {
        let path = path.display();
        if self.tests.is_empty() {
            return vec![format!("{path}: tests: there are none; add [[tests]]")];
        }
        let of_test = |test: &Test| {
            let name = test.name.clone();
            test.problems(rules).into_iter().map(move |problem| format!("test {name:?}: {problem}"))
        };
        self.tests.iter().flat_map(of_test).map(|problem| format!("{path}: {problem}")).collect()
    }
}

impl Test {
    fn problems(&self, rules: &[Rule]) -> Vec<String> {
        let mut problems = Vec::new();
        let mut seen = BTreeSet::new();
        for (number, series) in (1..).zip(&self.series) {
            let is_new = seen.insert((&series.metric, series.row_tags()));
            let twice = || "is there twice; a row has one value of a field in a window".to_owned();
            let problem = series.problem().or_else(|| (!is_new).then(twice));
            problems.extend(problem.map(|problem| format!("series {number} ({}): {problem}", series.metric)));
        }
        let last = self.series.iter().map(|series| series.items().len()).max().unwrap_or(0);
        if last > MOST_WINDOWS {
            problems.push(format!("series: there are more than {MOST_WINDOWS} windows"));
        }
        let is_readable = problems.is_empty();
        if self.expect.is_empty() {
            problems.push("expect: nothing is expected, so it can't fail".to_owned());
        }
        for expectation in &self.expect {
            let window = expectation.window;
            if is_readable && !(1..=last).contains(&window) {
                problems.push(format!("expect, window {window}: the series have windows 1 to {last}"));
            }
            let unknown = expectation.firing.iter().filter_map(|labels| unknown_rule(labels, rules));
            problems.extend(unknown.map(|problem| format!("expect, window {window}: {problem}")));
        }
        problems
    }
}

fn unknown_rule(labels: &Labels, rules: &[Rule]) -> Option<String> {
    let name = labels.get("rule");
    if name.is_some_and(|name| rules.iter().any(|rule| rule.name == *name)) {
        return None;
    }
    let names: Vec<&str> = rules.iter().map(|rule| rule.name.as_str()).collect();
    let found =
        name.map_or_else(|| "an alert has no rule".to_owned(), |name| format!("there is no rule {name:?}"));
    Some(format!("{found}; there are {}", names.join(", ")))
}
