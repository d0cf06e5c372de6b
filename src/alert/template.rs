//! Texts of alerts, as Jinja templates over what a row says.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use minijinja::{Environment, UndefinedBehavior};

/// Steps after which a template is given up.
const FUEL: u64 = 20_000;
/// Longer texts are cut.
const LONGEST: usize = 2_000;
const NAME: &str = "text";

/// A template, checked when it was read.
#[derive(Debug, Clone)]
pub struct Template {
    source: String,
    environment: Arc<Environment<'static>>,
}

impl PartialEq for Template {
    fn eq(&self, other: &Self) -> bool {
        self.source == other.source
    }
}

impl Template {
    /// Reads a template.
    ///
    /// # Errors
    /// Says in which line what is wrong.
    pub fn new(source: &str) -> Result<Self, String> {
        let mut environment = Environment::new();
        environment.set_undefined_behavior(UndefinedBehavior::Chainable);
        environment.set_fuel(Some(FUEL));
        environment.add_filter("round", round);
        environment.add_filter("percent", percent);
        environment.add_template_owned(NAME, source.to_owned()).map_err(|error| one_line(&error))?;
        Ok(Self { source: source.to_owned(), environment: Arc::new(environment) })
    }

    /// The template as it was written.
    #[must_use]
    pub fn source(&self) -> &str {
        &self.source
    }

    /// The names that it asks for, but for those of Jinja itself.
    #[must_use]
    pub fn variables(&self) -> BTreeSet<String> {
        let template = self.environment.get_template(NAME);
        let mut names: BTreeSet<String> =
            template.into_iter().flat_map(|template| template.undeclared_variables(false)).collect();
        names.retain(|name| !self.environment.globals().any(|(global, _)| global == name));
        names
    }

    /// The text; a template that fails is told in its place.
    #[must_use]
    pub fn render(&self, context: &BTreeMap<&str, minijinja::Value>) -> String {
        let text = self.environment.get_template(NAME).and_then(|template| template.render(context));
        let mut text = text.unwrap_or_else(|error| format!("(the template failed: {})", one_line(&error)));
        if text.len() > LONGEST {
            let fits = text.char_indices().map(|(at, _)| at).take_while(|at| *at <= LONGEST);
            let end = fits.last().unwrap_or(0);
            text.truncate(end);
            text.push('…');
        }
        text
    }
}

/// Up to so many decimals, three unless told.
#[expect(clippy::needless_pass_by_value, reason = "the signature of a filter")]
fn round(value: minijinja::Value, decimals: Option<u8>) -> String {
    let decimals = usize::from(decimals.unwrap_or(3));
    f64::try_from(value.clone()).map_or_else(|_| value.to_string(), |number| format!("{number:.decimals$}"))
}

/// A share in percent.
#[expect(clippy::needless_pass_by_value, reason = "the signature of a filter")]
fn percent(value: minijinja::Value) -> String {
    f64::try_from(value.clone())
        .map_or_else(|_| value.to_string(), |number| format!("{:.1} %", number * 100.0))
}

fn one_line(error: &minijinja::Error) -> String {
    let line = error.line().map_or_else(String::new, |line| format!(" in line {line}"));
    error.detail().map_or_else(|| format!("{}{line}", error.kind()), |detail| format!("{detail}{line}"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn context() -> BTreeMap<&'static str, minijinja::Value> {
        BTreeMap::from([("feature", "age".into()), ("psi", 0.123_456.into())])
    }

    #[test]
    fn values_are_filled_in_and_what_is_missing_is_empty() {
        let template =
            Template::new("{{ feature }}: {{ psi | round }}, {{ psi|percent }}{{ nothing.at.all }}").unwrap();
        assert_eq!(template.render(&context()), "age: 0.123, 12.3 %");
    }

    #[test]
    fn the_names_that_it_asks_for_are_known() {
        let template =
            Template::new("{% for i in range(3) %}{{ i }}{{ psi }}{% endfor %}{% if feature.x %}{% endif %}");
        let names: Vec<String> = template.unwrap().variables().into_iter().collect();
        assert_eq!(names, ["feature", "psi"]);
    }

    #[test]
    fn what_is_no_template_is_refused_and_what_fails_says_so() {
        assert!(Template::new("{{ feature").is_err());
        assert!(Template::new("{% for x %}").is_err());
        let endless =
            Template::new("{% for i in range(10000) %}{% for j in range(10000) %}x{% endfor %}{% endfor %}");
        assert!(endless.unwrap().render(&context()).contains("failed"));
    }

    #[test]
    fn long_texts_are_cut_between_characters() {
        let text = Template::new("{{ 'ä' * 5000 }}").unwrap().render(&context());
        assert!(text.len() < 2_010 && text.ends_with('…'), "{}", text.len());
    }
}
