//! Which rows a rule is about.

use super::{
    instead,
    references::PatternPlace,
    rule::Reader,
    subject::{Driver, Subject},
};
use crate::{
    alert::{Rule, Selector, vitals::TAG_COMPONENT},
    config::{
        places::{Part, Places, join},
        raw,
    },
    result::schema::{
        TAG_ARM, TAG_CHECK, TAG_EXPERIMENT, TAG_FEATURE, TAG_METRIC, TAG_MODEL, TAG_REFERENCE, TAG_SEGMENT,
        TAG_VARIANT, TAG_VERSION,
    },
};

/// Keys that select, with their tags.
pub(super) const SELECTORS: [(&str, &str); 11] = [
    ("models", TAG_MODEL),
    ("versions", TAG_VERSION),
    ("variants", TAG_VARIANT),
    ("features", TAG_FEATURE),
    ("segments", TAG_SEGMENT),
    ("checks", TAG_CHECK),
    ("references", TAG_REFERENCE),
    ("experiments", TAG_EXPERIMENT),
    ("arms", TAG_ARM),
    ("metrics", TAG_METRIC),
    ("components", TAG_COMPONENT),
];

/// Whether a pattern selects anything among `names`; one that leaves names out
/// is taken for what it leaves out.
pub(in crate::config) fn matches_any<'a>(pattern: &str, mut names: impl Iterator<Item = &'a str>) -> bool {
    let positive = pattern.strip_prefix('!').unwrap_or(pattern);
    let selector = Selector::new(&[positive.to_owned()]);
    names.any(|name| selector.selects(name))
}

/// The path of a pattern: lists have one for each, a plain text its key.
pub(in crate::config) fn pattern_path(places: &Places, key: &str, index: usize) -> String {
    let of_item = format!("{key}[{index}]");
    if places.is_set(&of_item) { of_item } else { key.to_owned() }
}

impl Reader<'_> {
    /// The selectors of the rule, by tag.
    pub(super) fn selectors(&mut self, raw: &mut raw::Rule, subject: &Subject) -> Vec<(String, Selector)> {
        let given = [
            raw.models.take(),
            raw.versions.take(),
            raw.variants.take(),
            raw.features.take(),
            raw.segments.take(),
            raw.checks.take(),
            raw.references.take(),
            raw.experiments.take(),
            raw.arms.take(),
            raw.metrics.take(),
            raw.components.take(),
        ];
        let mut selectors = Vec::new();
        for ((key, tag), patterns) in SELECTORS.into_iter().zip(given) {
            let Some(patterns) = patterns else { continue };
            if !subject.tags.contains(&tag) {
                let own = SELECTORS.into_iter().filter(|(_, tag)| subject.tags.contains(tag));
                let own: Vec<&str> = own.map(|(key, _)| key).collect();
                let hint = match (own.is_empty(), subject.driver) {
                    (_, Driver::Metric(_)) => "select series by their labels with labels_match".to_owned(),
                    (true, _) => "leave it out".to_owned(),
                    (false, _) => format!("it can be narrowed by {}", own.join(", ")),
                };
                self.error(key, format!("{} has no {tag}", subject.measurement), hint);
                continue;
            }
            selectors.extend(self.selector(key, tag, &patterns));
        }
        for (label, patterns) in std::mem::take(&mut raw.labels_match) {
            selectors.extend(self.label_selector(&label, &patterns, subject));
        }
        selectors
    }

    fn selector(&mut self, key: &str, tag: &str, patterns: &[String]) -> Option<(String, Selector)> {
        if patterns.is_empty() {
            self.error(key, "the list is empty", "leave it out for all");
            return None;
        }
        if tag == TAG_MODEL
            && let Some(models) = self.names.known.models
        {
            for (index, pattern) in patterns.iter().enumerate() {
                if !matches_any(pattern, models.iter().map(String::as_str)) {
                    let path = pattern_path(self.places, &self.key(key), index);
                    let hint = instead(pattern, models.iter().map(String::as_str), "configure one");
                    self.error_at(&path, format!("no model is called {pattern:?}"), hint);
                }
            }
        }
        Some((tag.to_owned(), Selector::new(patterns)))
    }

    fn label_selector(
        &mut self,
        label: &str,
        patterns: &[String],
        subject: &Subject,
    ) -> Option<(String, Selector)> {
        let key = join(&self.key("labels_match"), label);
        if !matches!(subject.driver, Driver::Metric(_)) {
            let hint = "use models, features and so on; labels_match is for metric.*";
            self.error_at(&key, format!("{} is no metric of the daemon", subject.measurement), hint);
            return None;
        }
        if !subject.tags.contains(&label) {
            let name = subject.field_names().next().unwrap_or_default();
            let hint =
                instead(label, subject.tags.iter().copied(), "it has no labels; leave labels_match out");
            self.error_at(&key, format!("{name} has no label {label:?}"), hint);
            return None;
        }
        if patterns.is_empty() {
            self.error_at(&key, "the list is empty", "leave it out for all");
            return None;
        }
        Some((label.to_owned(), Selector::new(patterns)))
    }

    /// Where the patterns stand that only references can tell about.
    pub(super) fn places_of_patterns(&self, rule: &Rule) -> Vec<PatternPlace> {
        let mut found = Vec::new();
        for (tag, selector) in &rule.selectors {
            let Some((key, tag)) = SELECTORS
                .into_iter()
                .find(|(_, known)| known == tag && [TAG_FEATURE, TAG_SEGMENT].contains(known))
            else {
                continue;
            };
            for (index, pattern) in selector.patterns().iter().enumerate() {
                let key = pattern_path(self.places, &self.key(key), index);
                let place = self.places.of(&key, Part::Value);
                found.push(PatternPlace { tag, pattern: pattern.clone(), place, key });
            }
        }
        found
    }
}
