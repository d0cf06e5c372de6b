//! All keys of the configuration: kinds, defaults, meaning.
//!
//! The table [`KEYS`] is the one place of every default. The strict check, the
//! suggestions for unknown keys, the environment variables and
//! `docs/config.md` all come from it.

mod alerting;
mod experimenting;
mod explaining;
mod table;

/// Every key.
pub const KEYS: &[KeySpec] = &all();

const TABLES: [&[KeySpec]; 4] = [table::KEYS, explaining::KEYS, experimenting::KEYS, alerting::KEYS];

const COUNT: usize =
    table::KEYS.len() + explaining::KEYS.len() + experimenting::KEYS.len() + alerting::KEYS.len();

/// The tables as one.
#[expect(clippy::indexing_slicing, reason = "evaluated when compiled, where it would be an error")]
#[expect(clippy::large_stack_arrays, reason = "evaluated when compiled, not on a stack")]
const fn all() -> [KeySpec; COUNT] {
    let mut all = [table::KEYS[0]; COUNT];
    let (mut next, mut place) = (0, 0);
    while place < TABLES.len() {
        let mut index = 0;
        while index < TABLES[place].len() {
            all[next] = TABLES[place][index];
            (next, index) = (next + 1, index + 1);
        }
        place += 1;
    }
    all
}

/// What a key's value must be.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Kind {
    /// Any text but the empty one.
    Text,
    /// Text that is never shown.
    Secret,
    /// A path, relative to the configuration file.
    Path,
    /// A JSON pointer; may be empty.
    Pointer,
    /// One of these words.
    Choice(&'static [&'static str]),
    /// `true` or `false`.
    Bool,
    /// Only `true`: the key is a choice by being there.
    True,
    /// A whole number within bounds, both inclusive.
    Integer {
        /// Least value.
        min: i64,
        /// Greatest value.
        max: i64,
    },
    /// A number within bounds, both inclusive.
    Number {
        /// Least value.
        min: f64,
        /// Greatest value.
        max: f64,
    },
    /// How many in how long: `"1 per 30d"`.
    Rate,
    /// `"90s"`, `"1h30m"`, at least so many milliseconds.
    Duration {
        /// Least length in milliseconds.
        min_ms: i64,
    },
    /// Bytes, as a number or as `"1MiB"`, within bounds.
    Size {
        /// Least number of bytes.
        min: i64,
        /// Greatest number of bytes.
        max: i64,
    },
    /// A time with offset, RFC 3339.
    Time,
    /// A list of non-empty texts.
    TextList,
    /// A non-empty text or a list of such, in which `*` and `?` stand for
    /// characters.
    Patterns,
    /// Text that stands for one of the keys of a small table, or that table.
    OneOf(&'static OneOf),
    /// librdkafka's own settings: any name, a scalar or `{ file | env = … }`.
    Librdkafka,
}

/// A value that is either text or a small table.
#[derive(Debug, PartialEq)]
pub struct OneOf {
    /// The key that plain text stands for.
    pub text: &'static str,
    /// Keys of the table.
    pub keys: &'static [(&'static str, Kind)],
    /// The forms, for people.
    pub forms: &'static str,
}

impl Kind {
    /// The kind for people, as in "expected a duration such as …".
    #[must_use]
    pub fn describe(self) -> String {
        match self {
            Self::Text | Self::Secret => "text".to_owned(),
            Self::Path => "a path as text".to_owned(),
            Self::Pointer => "a JSON pointer such as \"/a/b\"".to_owned(),
            Self::Choice(words) => quoted_list(words),
            Self::Bool => "true or false".to_owned(),
            Self::True => "true".to_owned(),
            Self::Integer { .. } => "an integer".to_owned(),
            Self::Number { .. } => "a number".to_owned(),
            Self::Rate => "a rate such as \"1 per 30d\"".to_owned(),
            Self::Duration { .. } => "a duration such as \"90s\" or \"1h30m\"".to_owned(),
            Self::Size { .. } => "a size such as \"1MiB\" or a number of bytes".to_owned(),
            Self::Time => "a time with offset such as \"2026-01-31T00:00:00Z\"".to_owned(),
            Self::TextList => "a list of texts".to_owned(),
            Self::Patterns => "text or a list of texts".to_owned(),
            Self::OneOf(one_of) => one_of.forms.to_owned(),
            Self::Librdkafka => "a table of librdkafka settings".to_owned(),
        }
    }

    /// Whether one environment variable or flag can hold the value.
    #[must_use]
    pub fn is_scalar(self) -> bool {
        !matches!(self, Self::TextList | Self::Patterns | Self::OneOf(_) | Self::Librdkafka)
    }
}

fn quoted_list(words: &[&str]) -> String {
    let quoted: Vec<String> = words.iter().map(|word| format!("{word:?}")).collect();
    quoted.join(" or ")
}

/// What a key is when the file does not say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Default {
    /// It must be said.
    Required,
    /// Nothing; the text says what happens then.
    Absent(&'static str),
    /// This text (durations and sizes included).
    Text(&'static str),
    /// This number.
    Integer(i64),
    /// This number, as written.
    Number(&'static str),
    /// This flag.
    Bool(bool),
}

impl Default {
    /// The default as it would stand in the file.
    #[must_use]
    pub fn toml(self) -> Option<String> {
        match self {
            Self::Required | Self::Absent(_) => None,
            Self::Text(text) => Some(format!("{text:?}")),
            Self::Integer(number) => Some(number.to_string()),
            Self::Number(number) => Some(number.to_owned()),
            Self::Bool(flag) => Some(flag.to_string()),
        }
    }
}

/// One key of the configuration.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct KeySpec {
    /// Its path: `[]` marks a list of tables, `*` any name.
    pub path: &'static str,
    /// What its value must be.
    pub kind: Kind,
    /// What it is when the file does not say.
    pub default: Default,
    /// What it does, for `docs/config.md`.
    pub meaning: &'static str,
    /// Whether a reload applies it.
    pub reloadable: bool,
}

impl KeySpec {
    /// The environment variable that sets it, for single values outside of
    /// lists and of tables with free names.
    #[must_use]
    pub fn variable(&self) -> Option<String> {
        let is_fixed = !self.path.contains("[]") && !self.path.contains('*');
        (is_fixed && self.kind.is_scalar())
            .then(|| format!("DRIFTLINE_{}", self.path.replace('.', "__").to_uppercase()))
    }

    /// The table that the key stands in, or for values with free names the one
    /// around them; empty for the top level.
    #[must_use]
    pub fn section(&self) -> &'static str {
        let path = self.path.strip_suffix(".*").unwrap_or(self.path);
        path.rsplit_once('.').map_or("", |(section, _)| section)
    }
}

/// What stands at a place of the tree of keys.
#[derive(Debug, Clone, Copy)]
pub(super) enum Node {
    /// A value.
    Leaf(&'static KeySpec),
    /// A table whose keys have this prefix.
    Table(&'static str),
    /// A list of tables whose keys have this prefix.
    Tables(&'static str),
}

/// What the table at `prefix` may hold under `name`.
pub(super) fn child(prefix: &str, name: &str) -> Option<Node> {
    let mut wildcard = None;
    for (segment, spec, upto) in children(prefix) {
        let is_leaf = upto == spec.path;
        if segment == name {
            return Some(if is_leaf { Node::Leaf(spec) } else { Node::Table(upto) });
        }
        if segment.strip_suffix("[]") == Some(name) {
            return Some(Node::Tables(upto));
        }
        if segment == "*" {
            wildcard = Some(if is_leaf { Node::Leaf(spec) } else { Node::Table(upto) });
        }
    }
    wildcard
}

/// The names that the table at `prefix` may hold.
pub(super) fn names(prefix: &str) -> Vec<&'static str> {
    let mut names: Vec<&str> = children(prefix)
        .map(|(segment, _, _)| segment.strip_suffix("[]").unwrap_or(segment))
        .filter(|name| *name != "*")
        .collect();
    names.dedup();
    names
}

/// The single values directly in the table at `prefix`.
pub(super) fn leaves(prefix: &str) -> impl Iterator<Item = (&'static str, &'static KeySpec)> {
    children(prefix)
        .filter(|(segment, spec, upto)| *upto == spec.path && *segment != "*")
        .map(|(segment, spec, _)| (segment, spec))
}

/// For every key below `prefix` its next segment and its path up to there.
fn children(prefix: &str) -> impl Iterator<Item = (&'static str, &'static KeySpec, &'static str)> {
    KEYS.iter().filter_map(move |spec| {
        let rest = match prefix {
            "" => spec.path,
            _ => spec.path.strip_prefix(prefix)?.strip_prefix('.')?,
        };
        let segment = rest.split('.').next()?;
        let upto = spec.path.get(..spec.path.len() - rest.len() + segment.len())?;
        Some((segment, spec, upto))
    })
}

/// The key of this exact path, for single values outside of lists.
pub(super) fn scalar(path: &str) -> Option<&'static KeySpec> {
    KEYS.iter().find(|spec| spec.path == path && spec.variable().is_some())
}

/// The name most like `name`, if any is alike enough to be meant.
pub(super) fn nearest<'a>(name: &str, names: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    names
        .into_iter()
        .map(|candidate| (strsim::damerau_levenshtein(&name.to_lowercase(), candidate), candidate))
        .filter(|(distance, candidate)| *distance <= candidate.len().max(3) / 3)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}
