//! The parts of a model's text.
//!
//! Why: the text is lines of `key=value` under headings; which keys there may be
//! under which, and where the text must not end, is decided here.

use std::collections::BTreeMap;

use super::{ModelError, malformed, unsupported};

/// Keys before the first tree.
const HEADER_KEYS: [&str; 10] = [
    "feature_infos",
    "feature_names",
    "label_index",
    "max_feature_idx",
    "monotone_constraints",
    "num_class",
    "num_tree_per_iteration",
    "objective",
    "tree_sizes",
    "version",
];

/// Keys of a tree.
const TREE_KEYS: [&str; 22] = [
    "cat_boundaries",
    "cat_threshold",
    "decision_type",
    "internal_count",
    "internal_value",
    "internal_weight",
    "is_linear",
    "leaf_coeff",
    "leaf_const",
    "leaf_count",
    "leaf_features",
    "leaf_value",
    "leaf_weight",
    "left_child",
    "num_cat",
    "num_features",
    "num_leaves",
    "right_child",
    "shrinkage",
    "split_feature",
    "split_gain",
    "threshold",
];

/// The lines `key=value` of one part, and what part it is.
pub(super) struct Fields<'a> {
    part: String,
    values: BTreeMap<&'a str, &'a str>,
}

/// What stands before the first tree.
pub(super) struct Header<'a> {
    fields: Fields<'a>,
    /// Whether trees are averaged: a random forest.
    pub(super) is_averaged: bool,
}

/// The parts of a text.
pub(super) struct Sections<'a> {
    pub(super) header: Header<'a>,
    pub(super) trees: Vec<Fields<'a>>,
    /// The categories of the data frame's columns that have pandas' type.
    pub(super) pandas: Vec<Vec<String>>,
}

impl<'a> Fields<'a> {
    fn new(part: String) -> Self {
        Self { part, values: BTreeMap::new() }
    }

    fn add(&mut self, line: &'a str, known: &[&str]) -> Result<(), ModelError> {
        let (key, value) = line.split_once('=').unwrap_or((line, ""));
        if !line.contains('=') || !known.contains(&key) {
            let shown: String = key.chars().take(40).collect();
            return Err(unsupported(
                format!("the line {shown:?} in the {}", self.part),
                "models of LightGBM 3 and 4 are read: save it again with one of them",
            ));
        }
        match self.values.insert(key, value) {
            None => Ok(()),
            Some(_) => Err(malformed(format!("{key} is in the {} twice", self.part))),
        }
    }

    /// The value of a key.
    pub(super) fn value(&self, key: &str) -> Option<&'a str> {
        self.values.get(key).copied()
    }

    /// The values of a key that is a list.
    pub(super) fn words(&self, key: &str) -> impl Iterator<Item = &'a str> + use<'a> {
        self.value(key).unwrap_or_default().split_whitespace()
    }

    /// A list of numbers, all of which must be of the type.
    pub(super) fn list<T: std::str::FromStr>(&self, key: &str) -> Result<Vec<T>, ModelError> {
        let list: Option<Vec<T>> = self.words(key).map(|word| word.parse().ok()).collect();
        list.ok_or_else(|| self.wrong(format_args!("{key} has a word that is no such number")))
    }

    /// A whole number.
    pub(super) fn number(&self, key: &str) -> Result<usize, ModelError> {
        let number = self.value(key).and_then(|value| value.parse().ok());
        number.ok_or_else(|| self.wrong(format_args!("{key} is missing or no whole number")))
    }

    /// An error about this part.
    pub(super) fn wrong(&self, problem: impl std::fmt::Display) -> ModelError {
        malformed(format!("{}: {problem}", self.part))
    }
}

impl<'a> std::ops::Deref for Header<'a> {
    type Target = Fields<'a>;

    fn deref(&self) -> &Fields<'a> {
        &self.fields
    }
}

impl<'a> Sections<'a> {
    /// Takes a text apart.
    pub(super) fn of(text: &'a str) -> Result<Self, ModelError> {
        let mut lines = text.lines().map(str::trim_end);
        if lines.next() != Some("tree") {
            return Err(malformed("the first line is not \"tree\""));
        }
        let mut header = Header { fields: Fields::new("header".into()), is_averaged: false };
        let mut trees: Vec<Fields<'a>> = Vec::new();
        loop {
            let line = lines.next().ok_or_else(|| malformed("it ends before \"end of trees\""))?;
            let next = format!("Tree={}", trees.len());
            match (line, trees.last_mut()) {
                ("", _) => {}
                ("end of trees", _) => break,
                (line, _) if line == next => trees.push(Fields::new(next)),
                ("average_output", None) => header.is_averaged = true,
                (line, None) => header.fields.add(line, &HEADER_KEYS)?,
                (line, Some(tree)) => tree.add(line, &TREE_KEYS)?,
            }
        }
        let version = header.value("version").unwrap_or("none");
        if !matches!(version, "v3" | "v4") {
            return Err(unsupported(
                format!("version {version:?}"),
                "save the model again with LightGBM 3 or 4",
            ));
        }
        Ok(Self { header, trees, pandas: after_trees(lines)? })
    }
}

/// What stands after the trees: only the categories are of use, and the rest
/// must be whole.
fn after_trees<'a>(lines: impl Iterator<Item = &'a str>) -> Result<Vec<Vec<String>>, ModelError> {
    let mut in_parameters = false;
    let mut pandas = Vec::new();
    for line in lines {
        match line {
            "parameters:" => in_parameters = true,
            "end of parameters" => in_parameters = false,
            _ => {}
        }
        if let Some(lists) = line.strip_prefix("pandas_categorical:") {
            let lists: Option<Vec<Vec<serde_json::Value>>> = serde_json::from_str(lists)
                .map_err(|error| malformed(format!("pandas_categorical: {error}")))?;
            let text = |value: serde_json::Value| match value {
                serde_json::Value::String(text) => text,
                other => other.to_string(),
            };
            let lists = lists.unwrap_or_default();
            pandas = lists.into_iter().map(|names| names.into_iter().map(text).collect()).collect();
        }
    }
    if in_parameters { Err(malformed("it ends before \"end of parameters\"")) } else { Ok(pandas) }
}
