//! The strict reading of a file: syntax, known keys, right types, in one walk
//! that does not stop at an error.
//!
//! What is wrong is reported and left out of the tree, so that everything else
//! is still checked as if the rest were fine.

use ::config::{Map, Value};
use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

use super::{
    keys::{self, KeySpec, Kind, Node, OneOf},
    places::{Part, Places, join},
    problem::{Place, Problem, Report},
    typed::{Mismatch, Typed, value},
};

/// The tree of a file's good values.
pub(super) type Tree = Map<String, Value>;

/// Walks the whole file. `Err` is a syntax error, of which only the first is
/// reported: what follows it is guesswork.
pub(super) fn read(text: &str, places: &mut Places, report: &mut Report) -> Result<Tree, Box<Problem>> {
    let document = DeTable::parse(text).map_err(|error| Box::new(syntax_error(&error, places)))?;
    let mut walk = Walk { places, report };
    Ok(walk.table(document.get_ref(), "", ""))
}

/// Walks a file that holds nothing but rules.
pub(super) fn read_rules(
    text: &str,
    places: &mut Places,
    report: &mut Report,
) -> Result<Option<Value>, Box<Problem>> {
    let document = DeTable::parse(text).map_err(|error| Box::new(syntax_error(&error, places)))?;
    let mut walk = Walk { places, report };
    let mut rules = None;
    for (key, item) in document.get_ref() {
        let name: &str = key.get_ref();
        let path = join("", name);
        walk.places.record(&path, key.span(), item.span());
        if name == "rules" {
            rules = walk.tables(item, "rules[]", "rules");
            continue;
        }
        let message = "a rule file holds nothing but [[rules]]".to_owned();
        let hint = Some("everything else belongs in the configuration file".to_owned());
        walk.error(&path, Part::Key, Mismatch { message, hint });
    }
    Ok(rules)
}

fn syntax_error(error: &toml::de::Error, places: &Places) -> Problem {
    let offset = error.span().map_or(0, |span| span.start);
    let place = places.at(offset);
    let message = error.message().lines().collect::<Vec<_>>().join(", ");
    let line = places.line_of(offset);
    let shows_secret = ["token", "password", "secret", "key", "url", "authorization"]
        .iter()
        .any(|word| line.to_lowercase().contains(word));
    let snippet = match &place {
        Place::File { line: number, column, .. } if !shows_secret => {
            let margin = " ".repeat(number.to_string().len());
            let indent = " ".repeat(column.saturating_sub(1));
            Some(format!("  {number} | {line}\n  {margin} | {indent}^"))
        }
        _ => None,
    };
    let hint = Some("mend the syntax first; the rest of the file is checked after that".to_owned());
    Problem { place, key: String::new(), message: format!("not valid TOML: {message}"), hint, snippet }
}

struct Walk<'a> {
    places: &'a mut Places,
    report: &'a mut Report,
}

impl Walk<'_> {
    fn error(&mut self, path: &str, part: Part, mismatch: Mismatch) {
        let problem = self.places.problem(path, part, mismatch.message, mismatch.hint);
        self.report.errors.push(problem);
        self.places.poison(path);
    }

    fn table(&mut self, table: &DeTable<'_>, prefix: &str, path: &str) -> Tree {
        let mut tree = Tree::new();
        for (key, item) in table {
            let name: &str = key.get_ref();
            let child_path = join(path, name);
            self.places.record(&child_path, key.span(), item.span());
            let found = match keys::child(prefix, name) {
                None => {
                    self.unknown(prefix, path, name, table);
                    None
                }
                Some(Node::Leaf(spec)) => self.leaf(spec.kind, item.get_ref(), &child_path),
                Some(Node::Table(below)) => self.subtable(item, below, &child_path),
                Some(Node::Tables(below)) => self.tables(item, below, &child_path),
            };
            if let Some(found) = found {
                tree.insert(name.to_owned(), found);
            }
        }
        // Lists replace one another in layers, so defaults inside of them can
        // only be filled in here.
        if prefix.contains("[]") {
            fill_defaults(&mut tree, prefix);
        }
        tree
    }

    fn unknown(&mut self, prefix: &str, path: &str, name: &str, table: &DeTable<'_>) {
        let known = keys::names(prefix);
        let hint = match keys::nearest(name, known.iter().copied()) {
            Some(meant) => {
                // The key that was meant is not also reported as missing.
                if !table.keys().any(|key| key.get_ref() == meant) {
                    self.places.poison(&join(path, meant));
                }
                format!("did you mean {meant:?}?")
            }
            None => match other_section(name) {
                Some(section) => format!("{name:?} belongs in {section}"),
                None => format!("known here: {}", known.join(", ")),
            },
        };
        let message = "unknown key".to_owned();
        self.error(&join(path, name), Part::Key, Mismatch { message, hint: Some(hint) });
    }

    fn subtable(&mut self, item: &Spanned<DeValue<'_>>, below: &str, path: &str) -> Option<Value> {
        if let DeValue::Table(table) = item.get_ref() {
            return Some(value(self.table(table, below, path)));
        }
        let found = Typed::of(item.get_ref()).describe(false);
        let message = format!("expected a table, found {found}");
        let hint = Some(format!("known in it: {}", keys::names(below).join(", ")));
        self.error(path, Part::Value, Mismatch { message, hint });
        None
    }

    fn tables(&mut self, item: &Spanned<DeValue<'_>>, below: &str, path: &str) -> Option<Value> {
        let header = format!("[[{}]]", without_indexes(path));
        let DeValue::Array(items) = item.get_ref() else {
            let found = Typed::of(item.get_ref()).describe(false);
            let message = format!("expected a list of tables, found {found}");
            self.error(
                path,
                Part::Value,
                Mismatch { message, hint: Some(format!("begin each with {header}")) },
            );
            return None;
        };
        let mut trees = Vec::new();
        for (index, item) in items.iter().enumerate() {
            let item_path = format!("{path}[{index}]");
            self.places.record(&item_path, item.span(), item.span());
            // A bad table keeps its place, so that the numbers of the others stay right.
            trees.push(self.subtable(item, below, &item_path).unwrap_or_else(|| {
                let mut tree = Tree::new();
                fill_defaults(&mut tree, below);
                value(tree)
            }));
        }
        Some(value(trees))
    }

    fn leaf(&mut self, kind: Kind, item: &DeValue<'_>, path: &str) -> Option<Value> {
        match (kind, item) {
            (Kind::TextList | Kind::Patterns, DeValue::Array(items)) => self.text_list(items, path),
            (Kind::Patterns, DeValue::String(_)) => Some(value(vec![self.leaf(Kind::Text, item, path)?])),
            (Kind::OneOf(one_of), DeValue::Table(table)) => self.one_of(one_of, table, path),
            (Kind::OneOf(one_of), DeValue::String(_)) => {
                let text_kind =
                    one_of.keys.iter().find(|(key, _)| *key == one_of.text).map(|(_, kind)| *kind)?;
                let text = self.leaf(text_kind, item, path)?;
                Some(value(Tree::from_iter([(one_of.text.to_owned(), text)])))
            }
            (Kind::Librdkafka, DeValue::Table(table)) => {
                let mut tree = Tree::new();
                self.librdkafka(table, "", path, &mut tree);
                Some(value(tree))
            }
            (Kind::TextList | Kind::Patterns | Kind::OneOf(_) | Kind::Librdkafka, _) => {
                self.error(path, Part::Value, Typed::of(item).expected(kind));
                None
            }
            _ => match Typed::of(item).check(kind) {
                Ok(value) => Some(value),
                Err(mismatch) => {
                    self.error(path, Part::Value, mismatch);
                    None
                }
            },
        }
    }

    fn text_list(&mut self, items: &[Spanned<DeValue<'_>>], path: &str) -> Option<Value> {
        let mut texts = Vec::new();
        for (index, item) in items.iter().enumerate() {
            let item_path = format!("{path}[{index}]");
            self.places.record(&item_path, item.span(), item.span());
            if let Some(text) = self.leaf(Kind::Text, item.get_ref(), &item_path) {
                texts.push(text);
            } else {
                self.places.poison(path);
            }
        }
        (!self.places.is_poisoned(path)).then(|| value(texts))
    }

    fn one_of(&mut self, one_of: &'static OneOf, table: &DeTable<'_>, path: &str) -> Option<Value> {
        let mut tree = Tree::new();
        for (key, item) in table {
            let name: &str = key.get_ref();
            let child_path = join(path, name);
            self.places.record(&child_path, key.span(), item.span());
            let Some((_, kind)) = one_of.keys.iter().find(|(known, _)| *known == name) else {
                let message = "unknown key".to_owned();
                let hint = match keys::nearest(name, one_of.keys.iter().map(|(known, _)| *known)) {
                    Some(meant) => format!("did you mean {meant:?}?"),
                    None => format!("write {}", one_of.forms),
                };
                self.error(&child_path, Part::Key, Mismatch { message, hint: Some(hint) });
                self.places.poison(path);
                continue;
            };
            match self.leaf(*kind, item.get_ref(), &child_path) {
                Some(found) => {
                    tree.insert(name.to_owned(), found);
                }
                None => self.places.poison(path),
            }
        }
        (!self.places.is_poisoned(path)).then(|| value(tree))
    }

    /// Collects librdkafka's settings, whose dotted names TOML reads as tables
    /// when they are not quoted.
    fn librdkafka(&mut self, table: &DeTable<'_>, before: &str, path: &str, tree: &mut Tree) {
        for (key, item) in table {
            let name = if before.is_empty() {
                key.get_ref().to_string()
            } else {
                format!("{before}.{}", key.get_ref())
            };
            let setting_path = join(path, &name);
            self.places.record(&setting_path, key.span(), item.span());
            match item.get_ref() {
                DeValue::Table(secret) if is_secret_source(secret) => {
                    if let Some(found) = self.secret_source(secret, &setting_path) {
                        tree.insert(name, found);
                    }
                }
                DeValue::Table(deeper) => self.librdkafka(deeper, &name, path, tree),
                scalar => {
                    let text = match Typed::of(scalar) {
                        Typed::Text(text) => text.to_owned(),
                        Typed::Integer(number) => number.to_string(),
                        Typed::Number(number) => number.to_owned(),
                        Typed::Bool(flag) => flag.to_string(),
                        other => {
                            let message =
                                format!("expected text, a number or a flag, found {}", other.describe(true));
                            self.error(&setting_path, Part::Value, Mismatch { message, hint: None });
                            continue;
                        }
                    };
                    tree.insert(name, value(Tree::from_iter([("value".to_owned(), value(text))])));
                }
            }
        }
    }

    fn secret_source(&mut self, table: &DeTable<'_>, path: &str) -> Option<Value> {
        static SECRET: OneOf = OneOf {
            text: "file",
            keys: &[("file", Kind::Path), ("env", Kind::Text)],
            forms: "{ file = \"…\" } or { env = \"…\" }",
        };
        self.one_of(&SECRET, table, path)
    }
}

/// The path of a list as its header names it: the tables around it by their
/// names alone.
fn without_indexes(path: &str) -> String {
    path.split('.').map(|key| key.split('[').next().unwrap_or(key)).collect::<Vec<_>>().join(".")
}

fn is_secret_source(table: &DeTable<'_>) -> bool {
    table
        .iter()
        .any(|(key, item)| matches!(key.get_ref().as_ref(), "file" | "env") && item.get_ref().is_str())
}

/// The one other table that knows `name`.
fn other_section(name: &str) -> Option<String> {
    let suffix = format!(".{name}");
    let mut found = keys::KEYS.iter().filter(|spec| spec.path.ends_with(&suffix) || spec.path == name);
    let spec = found.next()?;
    if found.next().is_some() {
        return None;
    }
    Some(match spec.section() {
        "" => "the top of the file, before the first table".to_owned(),
        section => match section.strip_suffix("[]") {
            Some(list) => format!("[[{}]]", list.replace("[]", "")),
            None => format!("[{section}]"),
        },
    })
}

/// Puts the defaults of the keys directly in the table at `prefix` where the
/// file is silent.
fn fill_defaults(tree: &mut Tree, prefix: &str) {
    for (name, spec) in keys::leaves(prefix) {
        if !tree.contains_key(name)
            && let Some(default) = default_value(spec)
        {
            tree.insert(name.to_owned(), default);
        }
    }
}

/// A key's default in the form of the raw configuration.
pub(super) fn default_value(spec: &KeySpec) -> Option<Value> {
    let typed = match spec.default {
        keys::Default::Required | keys::Default::Absent(_) => return None,
        keys::Default::Text(text) => Typed::Text(text),
        keys::Default::Integer(number) => Typed::Integer(number),
        keys::Default::Number(number) => Typed::Number(number),
        keys::Default::Bool(flag) => Typed::Bool(flag),
    };
    match spec.kind {
        Kind::OneOf(one_of) => {
            let (_, kind) = one_of.keys.iter().find(|(key, _)| *key == one_of.text)?;
            let text = typed.check(*kind).ok()?;
            Some(value(Tree::from_iter([(one_of.text.to_owned(), text)])))
        }
        kind => typed.check(kind).ok(),
    }
}
