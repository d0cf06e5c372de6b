//! What only references can tell about a rule: whether there are such features
//! and segments.
//!
//! Promises: nothing is said of a rule that selects a model whose reference is
//! still to be learned, since it may have any feature.

use super::selectors::matches_any;
use crate::{
    alert::{Rule, Test},
    config::problem::{Place, Problem},
    profile::Grid,
    reference::Reference,
    result::schema::{ALL_ROWS, DRIFT, EVIDENCE, QUALITY, SEGMENT, TAG_FEATURE, TAG_MODEL, TAG_SEGMENT},
};

/// A rule of the configuration that is to be held against references.
#[derive(Debug, Clone, PartialEq)]
pub struct RuleCheck {
    /// The rule.
    pub rule: Rule,
    pub(super) patterns: Vec<PatternPlace>,
}

/// Where a pattern stands.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct PatternPlace {
    pub(super) tag: &'static str,
    pub(super) pattern: String,
    pub(super) place: Place,
    pub(super) key: String,
}

/// Something that a rule asks for in vain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuleProblem {
    /// The tag that a pattern of the rule is about.
    pub tag: &'static str,
    /// The pattern.
    pub pattern: String,
    /// What is wrong.
    pub message: String,
    /// What to do.
    pub hint: String,
}

impl RuleCheck {
    /// Whether the rule selects this model.
    pub(in crate::config) fn rule_is_about(&self, model: &str) -> bool {
        selector(&self.rule, TAG_MODEL).is_none_or(|models| models.selects(model))
    }

    /// What is wrong with it, in view of these models with their references.
    #[must_use]
    pub fn problems(&self, references: &[(&str, Option<&Reference>)]) -> Vec<Problem> {
        let found = rule_problems(&self.rule, references);
        let places = found.into_iter().filter_map(|problem| {
            let at = self
                .patterns
                .iter()
                .find(|place| place.tag == problem.tag && place.pattern == problem.pattern)?;
            Some(Problem {
                place: at.place.clone(),
                key: at.key.clone(),
                message: problem.message,
                hint: Some(problem.hint),
                snippet: None,
            })
        });
        places.collect()
    }
}

/// What is wrong with a rule, in view of these models with their references;
/// one without a reference is still to be learned.
#[must_use]
pub fn rule_problems(rule: &Rule, references: &[(&str, Option<&Reference>)]) -> Vec<RuleProblem> {
    let models = selector(rule, TAG_MODEL);
    let selected = references.iter().filter(|(model, _)| models.is_none_or(|models| models.selects(model)));
    let Some(references) = selected.map(|(_, reference)| *reference).collect::<Option<Vec<&Reference>>>()
    else {
        return Vec::new();
    };
    if references.is_empty() {
        return Vec::new();
    }
    let mut problems = Vec::new();
    if let Some(features) = selector(rule, TAG_FEATURE) {
        let mut names: Vec<&str> =
            references.iter().flat_map(|one| &one.columns).map(|column| column.name.as_str()).collect();
        if rule.measurement == QUALITY {
            names.push(ALL_ROWS);
        }
        names.sort_unstable();
        names.dedup();
        for pattern in features.patterns() {
            problems.extend(unknown(pattern, TAG_FEATURE, &names));
            problems.extend(numeric_only(rule, pattern, &references));
        }
    }
    if let Some(segments) = selector(rule, TAG_SEGMENT) {
        let found = references.iter().flat_map(|one| &one.segments);
        let mut names: Vec<String> =
            found.map(|segment| format!("{}={}", segment.feature, segment.value)).collect();
        if rule.measurement == EVIDENCE {
            names.push(ALL_ROWS.to_owned());
        }
        names.dedup();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        problems
            .extend(segments.patterns().iter().filter_map(|pattern| unknown(pattern, TAG_SEGMENT, &names)));
    }
    problems
}

fn selector<'a>(rule: &'a Rule, tag: &str) -> Option<&'a crate::alert::Selector> {
    rule.selectors.iter().find(|(of, _)| of == tag).map(|(_, selector)| selector)
}

fn unknown(pattern: &str, tag: &'static str, names: &[&str]) -> Option<RuleProblem> {
    /// More would be no help.
    const SHOWN: usize = 20;
    if matches_any(pattern, names.iter().copied()) {
        return None;
    }
    let shown = names.get(..SHOWN).unwrap_or(names);
    let more = if names.len() > SHOWN { ", …" } else { "" };
    let hint = match super::nearest(pattern, names.iter().copied()) {
        Some(meant) => format!("did you mean {meant:?}?"),
        None if names.is_empty() => format!("the models have no {tag}s; name them in models.segments"),
        None => format!("there are {}{more}", shown.join(", ")),
    };
    let message = format!("no {tag} of the references is called {pattern:?}");
    Some(RuleProblem { tag, pattern: pattern.to_owned(), message, hint })
}

/// Whether a rule asks for KS or Wasserstein of a feature that can't have it.
fn numeric_only(rule: &Rule, pattern: &str, references: &[&Reference]) -> Option<RuleProblem> {
    let Test::Field { name, .. } = &rule.test else { return None };
    let is_of_numbers = ["ks", "wasserstein"].iter().any(|score| name.split('_').next() == Some(score));
    let is_scores = [DRIFT, SEGMENT].contains(&rule.measurement.as_str());
    if !(is_of_numbers && is_scores) || pattern.starts_with('!') || pattern.contains(['*', '?']) {
        return None;
    }
    let mut columns =
        references.iter().flat_map(|one| &one.columns).filter(|column| column.name == pattern).peekable();
    columns.peek()?;
    let is_categorical = columns.all(|column| matches!(column.grid, Grid::Categorical(_)));
    is_categorical.then(|| RuleProblem {
        tag: TAG_FEATURE,
        pattern: pattern.to_owned(),
        message: format!("{pattern:?} is categorical and has no {name}"),
        hint: "look at psi or jensen_shannon, or name a numeric feature".to_owned(),
    })
}
