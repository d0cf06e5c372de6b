//! What the alerts of a rule say, and what rules say of one another.

use std::collections::BTreeMap;

use super::{
    instead,
    rule::Reader,
    selectors::SELECTORS,
    subject::{Driver, Subject},
};
use crate::{
    alert::{DESCRIPTION, LABEL_RULE, LABEL_SEVERITY, SUMMARY, Template, VALUE},
    config::{places::join, raw},
    result::schema::{TAG_BIN, TAG_WINDOW},
};

/// What templates know of every alert, beside the row.
const OF_ALERTS: [&str; 4] = [VALUE, "rule", LABEL_SEVERITY, "condition"];
/// What they know of those of windows.
const OF_WINDOWS: [&str; 2] = ["start", "end"];

/// The texts of a rule's alerts.
#[derive(Default)]
pub(super) struct Texts {
    pub(super) summary: Option<Template>,
    pub(super) description: Option<Template>,
    pub(super) annotations: BTreeMap<String, Template>,
}

/// Whether Prometheus and what understands it take this for the name of a label.
fn is_label_name(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

impl Reader<'_> {
    /// Labels are checked, and templates read.
    pub(super) fn texts(&mut self, raw: &mut raw::Rule, subject: Option<&Subject>) -> Texts {
        for label in raw.labels.keys() {
            let is_tag = SELECTORS.iter().any(|(_, tag)| tag == label)
                || [TAG_BIN, TAG_WINDOW].contains(&label.as_str());
            if [LABEL_RULE, LABEL_SEVERITY].contains(&label.as_str()) || is_tag {
                let hint = "choose another name; severity has a key of its own";
                let path = join(&self.key("labels"), label);
                self.error_at(&path, format!("Driftline sets the label {label} itself"), hint);
            }
            self.check_name("labels", label);
        }
        for name in raw.annotations.keys() {
            if [SUMMARY, DESCRIPTION, VALUE].contains(&name.as_str()) {
                let hint = match name.as_str() {
                    VALUE => "choose another name",
                    _ => "it has a key of its own, beside annotations",
                };
                let path = join(&self.key("annotations"), name);
                self.error_at(&path, format!("Driftline sets the annotation {name} itself"), hint);
            }
            self.check_name("annotations", name);
        }
        let summary = raw.summary.take().and_then(|text| self.template(&self.key("summary"), &text, subject));
        let description =
            raw.description.take().and_then(|text| self.template(&self.key("description"), &text, subject));
        let annotations = std::mem::take(&mut raw.annotations).into_iter().filter_map(|(name, text)| {
            let path = join(&self.key("annotations"), &name);
            Some((name, self.template(&path, &text, subject)?))
        });
        let annotations = annotations.collect();
        Texts { summary, description, annotations }
    }

    fn check_name(&mut self, table: &str, name: &str) {
        if !is_label_name(name) {
            let path = join(&self.key(table), name);
            let hint = "write letters, digits and _, beginning with a letter or _";
            self.error_at(&path, format!("{name:?} is no name that receivers take"), hint);
        }
    }

    fn template(&mut self, path: &str, text: &str, subject: Option<&Subject>) -> Option<Template> {
        let template = match Template::new(text) {
            Ok(template) => template,
            Err(message) => {
                let hint = "write {{ feature }}, {{ effect | round(2) }} or {{ missing_share | percent }}";
                self.error_at(path, format!("not a template: {message}"), hint);
                return None;
            }
        };
        let Some(subject) = subject else { return Some(template) };
        let of_windows = if subject.driver == Driver::Windows { &OF_WINDOWS[..] } else { &[] };
        let names: Vec<&str> = subject
            .tags
            .iter()
            .copied()
            .chain(subject.field_names())
            .chain(OF_ALERTS)
            .chain(of_windows.iter().copied())
            .collect();
        // What has no value is empty, and so would be what has no such name.
        for name in template.variables().iter().filter(|name| !names.contains(&name.as_str())) {
            let message = format!("nothing is filled in for {name:?}");
            self.error_at(path, message, instead(name, names.iter().copied(), "none"));
        }
        Some(template)
    }

    /// Rules that inhibit must be there.
    pub(super) fn inhibitors(&mut self, own: Option<&str>, inhibited_by: &[String]) {
        for (index, name) in inhibited_by.iter().enumerate() {
            let path = format!("{}[{index}]", self.key("inhibited_by"));
            if own == Some(name) {
                self.error_at(&path, "a rule can't inhibit itself", "remove it");
            } else if self.names.known.mute_times.is_some() && !self.names.rules.contains(name) {
                let hint = instead(name, self.names.rules.iter().map(String::as_str), "there are no rules");
                self.error_at(&path, format!("there is no rule {name:?}"), hint);
            }
        }
    }

    /// So must mute times.
    pub(super) fn mute_times(&mut self, mute: &[String]) {
        let Some(known) = &self.names.known.mute_times else { return };
        for (index, name) in mute.iter().enumerate() {
            if !known.contains(name.as_str()) {
                let path = format!("{}[{index}]", self.key("mute"));
                let names = known.iter().copied();
                let hint = instead(name, names, "add [[alerts.mute_times]] to the configuration file");
                self.error_at(&path, format!("there is no mute time {name:?}"), hint);
            }
        }
    }
}
