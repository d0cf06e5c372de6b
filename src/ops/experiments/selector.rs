//! The part of Prometheus' query language that rollout tools need: a metric's name
//! with equality matchers, and `vector(1)`, by which Flagger finds out whether the
//! server is there.
//!
//! Refuses: everything else, and says so. A query that is only half understood
//! would promote something.

/// A query.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Selector {
    /// One sample without labels.
    Number(f64),
    /// The series of a metric that have all these labels.
    Series {
        /// The metric's name.
        name: String,
        /// Labels with their values.
        labels: Vec<(String, String)>,
    },
}

/// Matchers of one query, at most.
const MOST_MATCHERS: usize = 16;

const POSSIBLE: &str = "possible are vector(1) and name{label=\"value\", …}";

impl Selector {
    /// Reads a query.
    ///
    /// # Errors
    /// For whatever is not of the two shapes.
    pub(super) fn parse(query: &str) -> Result<Self, String> {
        let mut rest = Rest(query);
        let name = rest.name().ok_or_else(|| format!("no metric is named; {POSSIBLE}"))?;
        let selector = if name == "vector" && rest.takes('(') {
            let number = rest.number().ok_or_else(|| format!("vector() takes a number; {POSSIBLE}"))?;
            if !rest.takes(')') {
                return Err(format!("vector( is not closed; {POSSIBLE}"));
            }
            Self::Number(number)
        } else {
            let labels = if rest.takes('{') { rest.matchers()? } else { Vec::new() };
            Self::Series { name: name.to_owned(), labels }
        };
        match rest.0.trim_start() {
            "" => Ok(selector),
            other => Err(format!("{other:?} is not understood; {POSSIBLE}")),
        }
    }
}

/// What is left to read.
struct Rest<'a>(&'a str);

impl<'a> Rest<'a> {
    /// Takes this character, after white space.
    fn takes(&mut self, wanted: char) -> bool {
        match self.0.trim_start().strip_prefix(wanted) {
            Some(rest) => {
                self.0 = rest;
                true
            }
            None => false,
        }
    }

    /// Takes what `is_part` says, after white space.
    fn take_while(&mut self, is_part: impl Fn(char) -> bool) -> &'a str {
        let text = self.0.trim_start();
        let end = text.find(|c| !is_part(c)).unwrap_or(text.len());
        let (taken, rest) = text.split_at(end);
        self.0 = rest;
        taken
    }

    /// A name of a metric or a label.
    fn name(&mut self) -> Option<&'a str> {
        let name = self.take_while(|c| c.is_ascii_alphanumeric() || c == '_' || c == ':');
        name.starts_with(|c: char| !c.is_ascii_digit()).then_some(name)
    }

    fn number(&mut self) -> Option<f64> {
        let text = self.take_while(|c| c.is_ascii_alphanumeric() || "+-.".contains(c));
        text.parse().ok().filter(|number: &f64| number.is_finite())
    }

    /// The matchers after `{` with the `}`; a comma may follow the last one.
    fn matchers(&mut self) -> Result<Vec<(String, String)>, String> {
        let mut labels = Vec::new();
        while !self.takes('}') {
            if labels.len() == MOST_MATCHERS {
                return Err(format!("there are more than {MOST_MATCHERS} matchers"));
            }
            let label = self.name().ok_or_else(|| format!("a label is expected; {POSSIBLE}"))?;
            if !self.takes('=') || self.0.starts_with(['~', '=']) {
                return Err(format!("label {label} can only be compared with =; {POSSIBLE}"));
            }
            labels.push((label.to_owned(), self.text()?));
            if !self.takes(',') && !self.0.trim_start().starts_with('}') {
                return Err(format!("the matchers are not closed with a brace; {POSSIBLE}"));
            }
        }
        Ok(labels)
    }

    /// A text in quotes, with the escapes that matter for names.
    fn text(&mut self) -> Result<String, String> {
        let text = self.0.trim_start();
        let quote = text.chars().next().filter(|c| "\"'`".contains(*c));
        let quote = quote.ok_or_else(|| format!("a text in quotes is expected; {POSSIBLE}"))?;
        let mut value = String::new();
        let mut chars = text.char_indices().skip(1);
        while let Some((at, c)) = chars.next() {
            match c {
                c if c == quote => {
                    self.0 = text.get(at + c.len_utf8()..).unwrap_or_default();
                    return Ok(value);
                }
                '\\' if quote != '`' => match chars.next().map(|(_, escaped)| escaped) {
                    Some(escaped @ ('\\' | '"' | '\'')) => value.push(escaped),
                    Some('n') => value.push('\n'),
                    Some('t') => value.push('\t'),
                    _ => return Err("an escape is not one of \\\\, \\\", \\', \\n and \\t".to_owned()),
                },
                c => value.push(c),
            }
        }
        Err("a text has no closing quote".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn series(name: &str, labels: &[(&str, &str)]) -> Selector {
        let labels = labels.iter().map(|(label, value)| ((*label).to_owned(), (*value).to_owned()));
        Selector::Series { name: name.to_owned(), labels: labels.collect() }
    }

    #[test]
    fn names_labels_and_white_space_are_read() {
        let read = |query: &str| Selector::parse(query).expect(query);
        assert_eq!(read("up"), series("up", &[]));
        assert_eq!(read(" up { } "), series("up", &[]));
        assert_eq!(
            read("up{a=\"x\",b='y z', c = `\\n`,}"),
            series("up", &[("a", "x"), ("b", "y z"), ("c", "\\n")])
        );
        assert_eq!(read("up{\n a=\"q\\\"{}=,\\\\ü\" }"), series("up", &[("a", "q\"{}=,\\ü")]));
        assert_eq!(read(" vector( 1 ) "), Selector::Number(1.0));
        assert_eq!(read("vector(-2.5e3)"), Selector::Number(-2_500.0));
        // Only with a bracket is it the function.
        assert_eq!(read("vector"), series("vector", &[]));
    }

    #[test]
    fn what_is_not_understood_is_refused() {
        for query in [
            "",
            "  ",
            "1",
            "{a=\"b\"}",
            "up > 1",
            "up[5m]",
            "sum(up)",
            "up{a=~\"b\"}",
            "up{a!=\"b\"}",
            "up{a==\"b\"}",
            "up{a=b}",
            "up{a=\"b}",
            "up{a=\"b\"",
            "up{a=\"b\" c=\"d\"}",
            "up{,}",
            "up{1a=\"b\"}",
            "up{a=\"\\q\"}",
            "up{a=\"\\",
            "up{a=\"b\"} or up",
            "vector()",
            "vector(1",
            "vector(NaN)",
            "vector(inf)",
            "vector(x)",
            "ünter",
        ] {
            assert!(Selector::parse(query).is_err(), "{query}");
        }
        let many: Vec<String> = (0..=MOST_MATCHERS).map(|index| format!("l{index}=\"\"")).collect();
        assert!(Selector::parse(&format!("up{{{}}}", many.join(","))).is_err());
    }
}
