//! Rules: those that come with the program, those of the configuration, and
//! those of files that hold nothing else.
//!
//! Why here: all of them are the same keys, read by the same strict check, and
//! what is wrong is told with the file in which it stands. A rule that can never
//! raise an alert is worse than none, so whatever can be known beforehand is an
//! error: a name that nothing has, a condition that a field can't meet, a model
//! or a feature that is not there.

mod references;
mod rule;
mod selectors;
mod subject;
mod texts;

use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

pub use references::{RuleCheck, RuleProblem, rule_problems};
pub(super) use selectors::{matches_any, pattern_path};

use self::rule::Reader;
use super::{
    check,
    keys::nearest,
    places::{Part, Places, join},
    problem::{ConfigErrors, Problem, Report},
    raw,
};
use crate::alert::{MuteTime, Rule, ValueKind};

/// Where errors in the rules that come with the program would be, of which a
/// test knows that there are none.
const DEFAULT_RULES: &str = "default_rules.toml";

/// The rules of one file.
pub(super) struct Source<'a> {
    pub(super) places: Cow<'a, Places>,
    /// Each with its number in the file, which is not that in this list when
    /// others were left out.
    pub(super) rules: Vec<(usize, raw::Rule)>,
    /// They come with the program, and give way to others.
    pub(super) is_default: bool,
}

impl<'a> Source<'a> {
    pub(super) fn new(places: Cow<'a, Places>, rules: Vec<raw::Rule>) -> Self {
        Self { places, rules: rules.into_iter().enumerate().collect(), is_default: false }
    }

    /// Leaves out rules of these names.
    pub(super) fn leave_out(&mut self, is_out: impl Fn(&String) -> bool) {
        self.rules.retain(|(_, rule)| !rule.name.as_ref().is_some_and(&is_out));
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &String> {
        self.rules.iter().filter_map(|(_, rule)| rule.name.as_ref())
    }
}

/// What rules may name.
pub(super) struct Known<'a> {
    /// The models; unknown where a file is read without a configuration.
    pub(super) models: Option<&'a [String]>,
    /// The names of mute times; `None` where nobody is told, so that neither they
    /// nor rules that inhibit matter.
    pub(super) mute_times: Option<BTreeSet<&'a str>>,
}

/// What one rule may name.
struct Names<'a> {
    rules: BTreeSet<String>,
    known: &'a Known<'a>,
}

/// Reads a file that holds nothing but rules. They may name `mute_times`, one
/// another, and the rules that come with the program. Without mute times nobody
/// is to be told, and names of what keeps alerts from being told may be anything.
///
/// # Errors
/// Every error of the file.
pub fn load_rules(path: &Path, mute_times: Option<&[MuteTime]>) -> Result<Vec<Rule>, ConfigErrors> {
    let text = fs::read_to_string(path).map_err(|error| {
        let mut errors = ConfigErrors::unreadable(path, format!("can't be read: {error}"));
        errors.errors.iter_mut().for_each(|error| error.hint = Some("name a file of [[rules]]".to_owned()));
        errors
    })?;
    let mut report = Report::default();
    let mute_times = mute_times.map(|times| times.iter().map(|mute| mute.name.as_str()).collect());
    let known = Known { models: None, mute_times };
    let rules = match read(&text, path, &mut report) {
        Ok(source) => resolve(vec![default_source(&mut report), source], &known, &mut report),
        Err(error) => {
            report.errors.push(*error);
            Vec::new()
        }
    };
    report.sort(path);
    if !report.errors.is_empty() {
        return Err(report.into_errors());
    }
    Ok(rules.into_iter().filter(|found| !found.is_default).map(|found| found.check.rule).collect())
}

/// What `measurement.field` stands for, to whoever writes such rows by hand.
pub(crate) struct Metric {
    /// The measurement's name.
    pub(crate) measurement: &'static str,
    /// The tags that its rows can have.
    pub(crate) tags: Vec<&'static str>,
    /// The field's name.
    pub(crate) field: &'static str,
    /// What kind of values the field has.
    pub(crate) kind: ValueKind,
}

/// What this name stands for, as [`Rule`]s use it; else what to write instead.
pub(crate) fn metric(name: &str) -> Result<Metric, String> {
    let (subject, field) =
        subject::looked_at(name).map_err(|error| format!("{}; {}", error.message, error.hint))?;
    let kind = subject.kind_of(field).unwrap_or(ValueKind::Number);
    Ok(Metric { measurement: subject.measurement, tags: subject.tags, field, kind })
}

/// The rules that come with the program.
#[must_use]
pub fn default_rules() -> Vec<Rule> {
    let mut report = Report::default();
    let source = default_source(&mut report);
    let known = Known { models: None, mute_times: Some(BTreeSet::new()) };
    let rules = resolve(vec![source], &known, &mut report);
    debug_assert!(report.errors.is_empty() && report.warnings.is_empty(), "{report:?}");
    rules.into_iter().map(|found| found.check.rule).collect()
}

/// The rules that come with the program, as typed.
pub(super) fn default_source(report: &mut Report) -> Source<'static> {
    let path = Path::new(DEFAULT_RULES);
    let mut source = read(include_str!("../default_rules.toml"), path, report).unwrap_or_else(|error| {
        report.errors.push(*error);
        Source::new(Cow::Owned(Places::new(path, "")), Vec::new())
    });
    source.is_default = true;
    source
}

/// Reads the text of a file that holds nothing but rules. `Err` is a syntax error.
pub(super) fn read(text: &str, path: &Path, report: &mut Report) -> Result<Source<'static>, Box<Problem>> {
    let mut places = Places::new(path, text);
    let rules = match check::read_rules(text, &mut places, report)? {
        None => Vec::new(),
        Some(value) => value.try_deserialize().map_err(|error| {
            // The tree was checked against the same keys, so this is a gap in that check.
            let message = format!("does not fit together: {error}");
            Box::new(places.problem("", Part::Key, message, None))
        })?,
    };
    Ok(Source::new(Cow::Owned(places), rules))
}

/// A rule without errors.
pub(super) struct Found {
    pub(super) check: RuleCheck,
    pub(super) is_default: bool,
}

/// All rules, in order; those with errors are reported and left out.
pub(super) fn resolve(mut sources: Vec<Source<'_>>, known: &Known<'_>, report: &mut Report) -> Vec<Found> {
    let own = own_names(&sources, report);
    for source in sources.iter_mut().filter(|source| source.is_default) {
        source.leave_out(|name| own.contains(name));
    }
    let defaults = sources.iter().filter(|source| source.is_default).flat_map(Source::names);
    let rules: BTreeSet<String> = defaults.cloned().chain(own.iter().cloned()).collect();
    let names = Names { rules, known };
    let mut found = Vec::new();
    for source in sources {
        let Source { places, rules, is_default } = source;
        for (index, mut rule) in rules {
            if is_default {
                // What was left out can't inhibit anything, and nobody asked for it.
                rule.inhibited_by.retain(|name| names.rules.contains(name));
            }
            let mut reader =
                Reader { places: &places, path: format!("rules[{index}]"), names: &names, report };
            if let Some(check) = reader.rule(rule) {
                found.push(Found { check, is_default });
            }
        }
    }
    found
}

/// The names of all rules that do not come with the program; of two with the
/// same one, the second is an error.
fn own_names(sources: &[Source<'_>], report: &mut Report) -> BTreeSet<String> {
    let mut first: BTreeMap<&str, String> = BTreeMap::new();
    for source in sources.iter().filter(|source| !source.is_default) {
        for (index, rule) in &source.rules {
            let Some(name) = &rule.name else { continue };
            let key = join(&format!("rules[{index}]"), "name");
            let place = source.places.of(&key, Part::Value);
            if let Some(earlier) = first.get(name.as_str()) {
                let message = format!("the rule {name:?} stands here twice, first at {earlier}");
                let hint = Some("remove one, or give it its own name".to_owned());
                report.errors.push(source.places.problem(&key, Part::Value, message, hint));
            } else {
                first.insert(name, place.to_string());
            }
        }
    }
    first.into_keys().map(ToOwned::to_owned).collect()
}

/// What to write in place of a name that is not there.
fn instead<'a>(name: &str, names: impl Iterator<Item = &'a str> + Clone, nothing: &str) -> String {
    if let Some(meant) = nearest(name, names.clone()) {
        return format!("did you mean {meant:?}?");
    }
    let all: Vec<&str> = names.collect();
    if all.is_empty() { nothing.to_owned() } else { format!("there are {}", all.join(", ")) }
}
