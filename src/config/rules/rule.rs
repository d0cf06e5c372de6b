//! One rule: from what is typed to what is meant.

use super::{
    Names, RuleCheck, instead,
    subject::{self, Driver, MetricType, NotThere, Subject},
};
use crate::{
    alert::{Condition, Expression, Rule, Test, ValueKind, vitals},
    config::{
        places::{Part, Places, join},
        problem::Report,
        raw,
    },
};

/// What a rule looks at, for people.
const FORMS: &str =
    "write metric = \"drift.psi\" and when = \">= 0.25\", or on = \"drift\" and expression = \"…\"";

/// Values of counters are kept for a little longer than that.
const LONGEST_INCREASE_MS: i64 = 8 * 3_600_000;

/// Reads one rule.
pub(super) struct Reader<'a> {
    pub(super) places: &'a Places,
    /// Its path in the file.
    pub(super) path: String,
    pub(super) names: &'a Names<'a>,
    pub(super) report: &'a mut Report,
}

impl Reader<'_> {
    /// The rule; `None` when an error was reported.
    pub(super) fn rule(&mut self, mut raw: raw::Rule) -> Option<RuleCheck> {
        let errors_before = self.report.errors.len();
        let name = raw.name.take();
        if name.is_none() {
            self.missing("name", "name = \"…\", by which its alerts are called");
        }
        let looked_at = self.looked_at(&mut raw);
        let mut selectors = Vec::new();
        let (mut raise_after, mut resolve_after) = (raw.r#for, raw.resolve_for);
        if let Some((subject, _)) = &looked_at {
            selectors = self.selectors(&mut raw, subject);
            raise_after = self.looks("for", raw.r#for, ("for_time", raw.for_time), subject);
            resolve_after =
                self.looks("resolve_for", raw.resolve_for, ("resolve_time", raw.resolve_time), subject);
            self.increase(&raw, subject);
        }
        let texts = self.texts(&mut raw, looked_at.as_ref().map(|(subject, _)| subject));
        self.inhibitors(name.as_deref(), &raw.inhibited_by);
        self.mute_times(&raw.mute);
        let (subject, test) = looked_at?;
        let rule = Rule {
            name: name?,
            measurement: subject.measurement.to_owned(),
            test,
            selectors,
            raise_after,
            resolve_after,
            increase_over_ms: raw.increase_over,
            severity: raw.severity,
            labels: raw.labels,
            summary: texts.summary,
            description: texts.description,
            annotations: texts.annotations,
            no_data: raw.no_data,
            inhibited_by: raw.inhibited_by,
            mute: raw.mute,
        };
        let patterns = self.places_of_patterns(&rule);
        (self.report.errors.len() == errors_before).then_some(RuleCheck { rule, patterns })
    }

    pub(super) fn key(&self, name: &str) -> String {
        join(&self.path, name)
    }

    /// Reports an error at a key of the rule.
    pub(super) fn error(&mut self, key: &str, message: impl Into<String>, hint: impl Into<String>) {
        self.error_at(&self.key(key), message, hint);
    }

    /// Reports an error at a whole path.
    pub(super) fn error_at(&mut self, path: &str, message: impl Into<String>, hint: impl Into<String>) {
        let problem = self.places.problem(path, Part::Value, message.into(), Some(hint.into()));
        self.report.errors.push(problem);
    }

    /// Reports that a key is missing, unless something worse was reported.
    fn missing(&mut self, key: &str, hint: &str) {
        if !self.places.is_poisoned(&self.key(key)) {
            self.error(key, "missing", hint);
        }
    }

    pub(super) fn is_set(&self, key: &str) -> bool {
        self.places.is_set(&self.key(key))
    }

    /// What the rule looks at, and what it is held against.
    fn looked_at(&mut self, raw: &mut raw::Rule) -> Option<(Subject, Test)> {
        match (self.is_set("metric"), self.is_set("expression") || self.is_set("on")) {
            (true, true) => {
                let key = if self.is_set("expression") { "expression" } else { "on" };
                self.error(key, "a rule is about a metric or an expression, found both", FORMS);
                None
            }
            (false, false) => {
                if !self.places.is_poisoned(&self.key("metric")) {
                    let path = self.path.clone();
                    self.error_at(&path, "the rule looks at nothing", FORMS);
                }
                None
            }
            (true, false) => {
                self.stray("resolve_expression", "expression");
                self.field(raw)
            }
            (false, true) => {
                self.stray("when", "metric");
                self.stray("resolve_when", "metric");
                self.expressions(raw)
            }
        }
    }

    fn stray(&mut self, key: &str, with: &str) {
        if self.is_set(key) {
            self.error(key, format!("{key} belongs to a rule with {with}"), FORMS);
        }
    }

    /// One field against a condition.
    fn field(&mut self, raw: &raw::Rule) -> Option<(Subject, Test)> {
        let raise = raw.when.as_deref();
        if raise.is_none() {
            self.missing("when", "when = \">= 0.25\", \"drifted\", \"outside 0.2..0.8\"");
        }
        let found = self.there("metric", subject::looked_at(raw.metric.as_deref()?));
        let kind = found.as_ref().map(|(subject, field)| (subject.kind_of(field), *field));
        let raise = raise.map(|text| self.condition("when", text, kind));
        let clear = raw.resolve_when.as_deref().map(|text| self.condition("resolve_when", text, kind));
        let (subject, field) = found?;
        let clear = match clear {
            None => None,
            Some(condition) => Some(condition?),
        };
        Some((subject, Test::Field { name: field.to_owned(), raise: raise??, clear }))
    }

    /// What `key` names, unless there is no such thing.
    fn there<T>(&mut self, key: &str, found: Result<T, NotThere>) -> Option<T> {
        found.map_err(|NotThere { message, hint }| self.error(key, message, hint)).ok()
    }

    fn condition(
        &mut self,
        key: &str,
        text: &str,
        field: Option<(Option<ValueKind>, &str)>,
    ) -> Option<Condition> {
        let condition: Condition = match text.parse() {
            Ok(condition) => condition,
            Err(error) => {
                let error: crate::alert::ConditionError = error;
                self.error(key, error.to_string(), error.hint);
                return None;
            }
        };
        // Nothing is known about a field that was reported.
        let Some((Some(kind), name)) = field else { return Some(condition) };
        if condition.kind() == kind {
            return Some(condition);
        }
        let (holds, hint) = match kind {
            ValueKind::Number => ("numbers", "write \">= 0.25\", \"< 3\" or \"outside 0.2..0.8\""),
            ValueKind::Verdict => ("verdicts", "write \"drifted\", \"shifted\" or \"< shifted\""),
            ValueKind::Text => ("words", "write \"== word\" or \"!= word\""),
        };
        let about = match condition.kind() {
            ValueKind::Number => "numbers",
            ValueKind::Verdict => "verdicts",
            ValueKind::Text => "words",
        };
        self.error(key, format!("{name} holds {holds}, but {text:?} is about {about}"), hint);
        None
    }

    /// An expression over a whole row.
    fn expressions(&mut self, raw: &raw::Rule) -> Option<(Subject, Test)> {
        if raw.on.is_none() {
            self.missing("on", "on = \"drift\", the measurement that the expression is about");
        }
        if raw.expression.is_none() {
            self.missing("expression", "expression = \"psi > 0.25 && n > 1000\"");
        }
        let subject = match raw.on.as_deref() {
            Some(vitals::METRIC) => {
                let hint = "write metric = \"metric.NAME\" and when = \"…\"";
                self.error("on", "metrics of the daemon are looked at one by one", hint);
                None
            }
            Some(name) => self.there("on", subject::known_measurement(name)),
            None => None,
        };
        let raise =
            raw.expression.as_deref().map(|text| self.expression("expression", text, subject.as_ref()));
        let clear = raw
            .resolve_expression
            .as_deref()
            .map(|text| self.expression("resolve_expression", text, subject.as_ref()));
        let clear = match clear {
            None => None,
            Some(expression) => Some(expression?),
        };
        Some((subject?, Test::Expression { raise: raise??, clear }))
    }

    fn expression(&mut self, key: &str, text: &str, subject: Option<&Subject>) -> Option<Expression> {
        let expression = match Expression::new(text) {
            Ok(expression) => expression,
            Err(message) => {
                let message = message.lines().map(str::trim).collect::<Vec<_>>().join(", ");
                let hint = "write it in the Common Expression Language, such as \"psi > 0.25 && n > 1000\"";
                self.error(key, format!("not an expression: {message}"), hint);
                return None;
            }
        };
        let Some(subject) = subject else { return Some(expression) };
        let names: Vec<&str> = subject.tags.iter().copied().chain(subject.field_names()).collect();
        let mut is_fine = true;
        for name in expression.variables().iter().filter(|name| !names.contains(&name.as_str())) {
            is_fine = false;
            let message = format!("{name:?} is neither a tag nor a field of {}", subject.measurement);
            self.error(key, message, instead(name, names.iter().copied(), "none"));
        }
        if is_fine && let Some(message) = subject.problem(&expression) {
            is_fine = false;
            let hint = "compare numbers with numbers and words with words, such as \"psi > 0.25 && feature == 'age'\"";
            self.error(key, format!("the expression can't hold: {message}"), hint);
        }
        is_fine.then_some(expression)
    }

    /// How many windows or looks in a row a change takes.
    fn looks(&mut self, key: &str, windows: u32, time: (&str, Option<i64>), subject: &Subject) -> u32 {
        let (time_key, time) = time;
        if subject.driver == Driver::Windows {
            if self.is_set(time_key) {
                let message = format!("{} is counted in windows", subject.measurement);
                self.error(time_key, message, format!("set {key} to how many of them"));
            }
            return windows;
        }
        if self.is_set(key) {
            let message = format!("{} is looked at by the clock, which has no windows", subject.measurement);
            self.error(key, message, format!("set {time_key} to how long, such as \"5m\""));
        }
        let looks = time.unwrap_or(0).max(0).saturating_add(vitals::EVERY_MS - 1) / vitals::EVERY_MS;
        u32::try_from(looks).unwrap_or(u32::MAX).max(1)
    }

    /// Whether `increase_over` fits what is looked at.
    fn increase(&mut self, raw: &raw::Rule, subject: &Subject) {
        let Some(name) = subject.field_names().next() else { return };
        match (subject.driver, raw.increase_over) {
            (Driver::Metric(MetricType::Gauge), Some(_)) => {
                let message = format!("{name} is a gauge, which has no increase");
                self.error("increase_over", message, "leave it out, or choose a counter");
            }
            (Driver::Metric(MetricType::Counter), None)
                if !self.places.is_poisoned(&self.key("increase_over")) =>
            {
                let message =
                    format!("{name} is a counter and never falls: what was raised is never resolved");
                let hint = Some("add increase_over = \"10m\"".to_owned());
                let problem = self.places.problem(&self.key("metric"), Part::Value, message, hint);
                self.report.warnings.push(problem);
            }
            (Driver::Metric(_), Some(over)) if over > LONGEST_INCREASE_MS => {
                let message = "the values of a counter are not kept for so long";
                self.error("increase_over", message, "write \"8h\" or less");
            }
            (Driver::Windows | Driver::Clock, Some(_)) => {
                let message = format!("{} has no counters", subject.measurement);
                self.error("increase_over", message, "it is for metric.* only; leave it out");
            }
            _ => {}
        }
    }
}
