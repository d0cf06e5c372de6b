//! Which rows a rule is about, by their tags.

use std::fmt;

use wildmatch::WildMatch;

/// Names by patterns: `*` stands for any characters, `?` for one, and a pattern
/// that begins with `!` leaves names out. Without a pattern that lets names in,
/// all names are in that are not left out.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Selector {
    within: Vec<WildMatch>,
    without: Vec<WildMatch>,
    patterns: Vec<String>,
}

impl Selector {
    /// What these patterns select.
    #[must_use]
    pub fn new(patterns: &[String]) -> Self {
        let (without, within): (Vec<&str>, Vec<&str>) =
            patterns.iter().map(String::as_str).partition(|pattern| pattern.starts_with('!'));
        Self {
            within: within.into_iter().map(WildMatch::new).collect(),
            without: without.into_iter().filter_map(|pattern| pattern.get(1..)).map(WildMatch::new).collect(),
            patterns: patterns.to_vec(),
        }
    }

    /// Whether it selects `name`.
    #[must_use]
    pub fn selects(&self, name: &str) -> bool {
        let is_in = |patterns: &[WildMatch]| patterns.iter().any(|pattern| pattern.matches(name));
        (self.within.is_empty() || is_in(&self.within)) && !is_in(&self.without)
    }

    /// The patterns as they were given.
    #[must_use]
    pub fn patterns(&self) -> &[String] {
        &self.patterns
    }
}

impl fmt::Display for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.patterns.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn selector(patterns: &[&str]) -> Selector {
        Selector::new(&patterns.iter().map(|&pattern| pattern.to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn patterns_let_in_and_leave_out() {
        assert!(selector(&[]).selects("age"));
        assert!(selector(&["a*", "b?"]).selects("b1"));
        assert!(!selector(&["a*", "b?"]).selects("b"));
        assert!(!selector(&["*", "!prediction*"]).selects("prediction_class"));
        assert!(selector(&["!prediction*"]).selects("age"));
        assert!(selector(&["country=*"]).selects("country=DE"));
    }
}
