//! Where in the file, environment or command line each key was set.

use std::{
    collections::{BTreeSet, HashMap},
    ops::Range,
    path::{Path, PathBuf},
};

use super::problem::{Place, Problem};

/// The places of all keys, by key path.
#[derive(Debug, Clone)]
pub(super) struct Places {
    file: PathBuf,
    /// Byte offset of the start of each line.
    line_starts: Vec<usize>,
    text: String,
    spans: HashMap<String, Spans>,
    outside: HashMap<String, Place>,
    /// Keys that already have an error, so that nothing follows from them.
    poisoned: BTreeSet<String>,
}

#[derive(Debug, Clone)]
struct Spans {
    key: Range<usize>,
    value: Range<usize>,
}

/// Which part of `key = value` a problem is about.
#[derive(Debug, Clone, Copy)]
pub(super) enum Part {
    Key,
    Value,
}

impl Places {
    pub(super) fn new(file: &Path, text: &str) -> Self {
        let line_starts =
            std::iter::once(0).chain(text.match_indices('\n').map(|(index, _)| index + 1)).collect();
        Self {
            file: file.to_owned(),
            line_starts,
            text: text.to_owned(),
            spans: HashMap::new(),
            outside: HashMap::new(),
            poisoned: BTreeSet::new(),
        }
    }

    pub(super) fn record(&mut self, path: &str, key: Range<usize>, value: Range<usize>) {
        self.spans.insert(path.to_owned(), Spans { key, value });
    }

    /// Notes that `path` was set outside of the file, which wins over it.
    pub(super) fn record_outside(&mut self, path: &str, place: Place) {
        self.outside.insert(path.to_owned(), place);
        self.poisoned.remove(path);
    }

    pub(super) fn poison(&mut self, path: &str) {
        self.poisoned.insert(path.to_owned());
    }

    /// Whether the key or a table around it has an error already.
    pub(super) fn is_poisoned(&self, path: &str) -> bool {
        self.poisoned.contains(path) || parent(path).is_some_and(|parent| self.is_poisoned(parent))
    }

    pub(super) fn is_set(&self, path: &str) -> bool {
        self.spans.contains_key(path) || self.outside.contains_key(path)
    }

    pub(super) fn is_from_environment(&self, path: &str) -> bool {
        matches!(self.outside.get(path), Some(Place::Environment(_)))
    }

    /// Line and column of a byte offset, both from 1.
    pub(super) fn at(&self, offset: usize) -> Place {
        let offset = offset.min(self.text.len());
        let line = self.line_starts.partition_point(|start| *start <= offset);
        let start = self.line_starts.get(line.saturating_sub(1)).copied().unwrap_or(0);
        let column = self.text.get(start..offset).map_or(1, |before| before.chars().count() + 1);
        Place::File { path: self.file.clone(), line, column }
    }

    /// The text of the line that holds a byte offset.
    pub(super) fn line_of(&self, offset: usize) -> &str {
        let line = self.line_starts.partition_point(|start| *start <= offset.min(self.text.len()));
        let start = self.line_starts.get(line.saturating_sub(1)).copied().unwrap_or(0);
        self.text.get(start..).and_then(|rest| rest.lines().next()).unwrap_or("")
    }

    /// The place of a key or, where it is not set, of the closest table around it.
    pub(super) fn of(&self, path: &str, part: Part) -> Place {
        if let Some(place) = self.outside.get(path) {
            return place.clone();
        }
        let mut path = path;
        let mut part = part;
        loop {
            if let Some(spans) = self.spans.get(path) {
                let span = match part {
                    Part::Key => &spans.key,
                    Part::Value => &spans.value,
                };
                return self.at(span.start);
            }
            let Some(parent) = parent(path) else { return self.at(0) };
            path = parent;
            part = Part::Key;
        }
    }

    pub(super) fn problem(&self, path: &str, part: Part, message: String, hint: Option<String>) -> Problem {
        Problem { place: self.of(path, part), key: path.to_owned(), message, hint, snippet: None }
    }
}

/// The path of `key` in the table at `path`, quoted where TOML would want it.
pub(super) fn join(path: &str, key: &str) -> String {
    let is_bare = !key.is_empty() && key.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-');
    let key = if is_bare { key.to_owned() } else { format!("{key:?}") };
    if path.is_empty() { key } else { format!("{path}.{key}") }
}

/// The path without its last key or index.
fn parent(path: &str) -> Option<&str> {
    if let Some(list) = path.strip_suffix(']') {
        return list.rfind('[').and_then(|at| path.get(..at));
    }
    let before_key = match path.strip_suffix('"') {
        Some(quoted) => quoted.rfind(".\"")?,
        None => path.rfind('.')?,
    };
    path.get(..before_key)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_and_columns_count_from_one_in_characters() {
        let places = Places::new(Path::new("c.toml"), "a = 1\nä = 2\n");
        for (offset, line, column) in [(0, 1, 1), (4, 1, 5), (6, 2, 1), (8, 2, 2), (99, 3, 1)] {
            let place = Place::File { path: "c.toml".into(), line, column };
            assert_eq!(places.at(offset), place, "offset {offset}");
        }
    }

    #[test]
    fn parents_of_paths() {
        assert_eq!(parent("models[0].features.\"a.b\".kind"), Some("models[0].features.\"a.b\""));
        assert_eq!(parent("models[0].features.\"a.b\""), Some("models[0].features"));
        assert_eq!(parent("models[0]"), Some("models"));
        assert_eq!(parent("models"), None);
    }
}
