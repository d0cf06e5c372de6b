//! The written word about the configuration, held against the table of keys:
//! `config/*.toml`, `docs/config.md` and every TOML block of the documents.
//!
//! `UPDATE_GOLDEN=1` writes the tables of `docs/config.md` anew.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::{
    collections::BTreeSet,
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
};

use driftline::config::{
    Overrides,
    keys::{Default, KEYS, KeySpec, Kind},
    load, load_text,
};

fn files(folder: &str, extension: &str) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|found| found == extension));
    paths.sort();
    paths
}

#[test]
fn every_file_in_config_is_fine() {
    let paths = files("config", "toml");
    assert!(paths.len() >= 2, "{paths:?}");
    for path in paths {
        let loaded = load(&path, &Overrides::none()).unwrap_or_else(|errors| panic!("{errors}"));
        assert!(loaded.warnings.is_empty(), "{}: {:?}", path.display(), loaded.warnings);
    }
}

#[test]
fn every_toml_block_of_the_documents_is_fine() {
    let model = "\n[[models]]\nname = \"m\"\nreference = { first_events = 10000 }\n";
    let mut documents = files("docs", "md");
    documents.push(PathBuf::from("README.md"));
    for document in documents {
        let Ok(text) = fs::read_to_string(&document) else { continue };
        for block in text.split("```toml\n").skip(1) {
            let block = block.split("```").next().unwrap();
            // Tests of rules are no configuration; tests/cli_alerts.rs holds them.
            if block.contains("[[tests]]") {
                continue;
            }
            // Blocks may show one section; a model is all that every file needs.
            let whole =
                if block.contains("[[models]]") { block.to_owned() } else { format!("{block}{model}") };
            let overrides = Overrides::none()
                .variable("INFLUXDB_TOKEN", "t")
                .variable("KAFKA_PASSWORD", "p")
                .variable("WEBHOOK_SECRET", "whsec_Nzc3Nzc3Nzc3Nzc3Nzc3Nzc3Nzc3Nzc3Nzc3Nzc3Nzc=");
            let overrides = ["SLACK_URL", "WEBHOOK_URL"]
                .into_iter()
                .fold(overrides, |overrides, name| overrides.variable(name, "https://example.com/hook"));
            let overrides = ["PAGERDUTY_KEY", "SMTP_PASSWORD", "ALERTMANAGER_AUTHORIZATION"]
                .into_iter()
                .fold(overrides, |overrides, name| overrides.variable(name, "s"));
            if let Err(errors) = load_text(&whole, &document, &overrides) {
                panic!("{}: {errors}\nin\n{whole}", document.display());
            }
        }
    }
}

/// The default file with every key in use: `#key` is a key, `# text` is not.
fn uncommented() -> String {
    let text = fs::read_to_string("config/driftline.toml").unwrap();
    let is_key =
        |line: &str| line.strip_prefix('#').is_some_and(|rest| !rest.is_empty() && !rest.starts_with(' '));
    let lines: Vec<&str> = text.lines().map(|line| if is_key(line) { &line[1..] } else { line }).collect();
    lines.join("\n")
}

fn lookup<'a>(root: &'a toml::Value, path: &str) -> Option<&'a toml::Value> {
    path.split('.').try_fold(root, |value, segment| match segment.strip_suffix("[]") {
        Some(list) => value.get(list)?.get(0),
        None if segment == "*" => value.as_table()?.values().next(),
        None => value.get(segment),
    })
}

#[test]
fn the_default_file_has_every_key_with_its_default() {
    let text = uncommented();
    let root: toml::Value = toml::from_str(&text).unwrap();
    let features = root["models"][0]["features"].as_table().unwrap();
    for spec in KEYS {
        if let Some(name) = spec.path.strip_prefix("models[].features.*.") {
            assert!(
                features.values().any(|feature| feature.get(name).is_some()),
                "{} is not shown",
                spec.path
            );
            continue;
        }
        let shown = lookup(&root, spec.path).unwrap_or_else(|| panic!("{} is not shown", spec.path));
        let default = match spec.default {
            Default::Required | Default::Absent(_) => continue,
            Default::Text(text) => toml::Value::from(text),
            Default::Integer(number) => toml::Value::from(number),
            Default::Number(number) => toml::Value::from(number.parse::<f64>().unwrap()),
            Default::Bool(flag) => toml::Value::from(flag),
        };
        assert_eq!(*shown, default, "{}", spec.path);
    }
    let errors = load_text(&text, Path::new("config/driftline.toml"), &Overrides::none()).unwrap_err();
    let unknown: Vec<_> = errors.errors.iter().filter(|problem| problem.message == "unknown key").collect();
    assert!(unknown.is_empty(), "{unknown:?}");
}

const UNBOUNDED: f64 = 1e300;

fn kind_text(kind: Kind) -> String {
    match kind {
        Kind::Text | Kind::Secret => "text".to_owned(),
        Kind::Path => "path".to_owned(),
        Kind::Pointer => "JSON pointer".to_owned(),
        Kind::Choice(words) => {
            words.iter().map(|word| format!("`{word:?}`")).collect::<Vec<_>>().join(" or ")
        }
        Kind::Bool | Kind::True => "`true` or `false`".to_owned(),
        Kind::Integer { min, max } => format!("integer, {min} to {max}"),
        // Bounds that no number reaches only keep infinity out.
        Kind::Number { min, max } if min <= -UNBOUNDED && max >= UNBOUNDED => "number".to_owned(),
        Kind::Number { min, max } if max >= UNBOUNDED => format!("number from {min} on"),
        Kind::Number { min, max } => format!("number, {min} to {max}"),
        Kind::Rate => "rate".to_owned(),
        Kind::Duration { .. } => "duration".to_owned(),
        Kind::Size { .. } => "size".to_owned(),
        Kind::Time => "time".to_owned(),
        Kind::TextList => "list of texts".to_owned(),
        Kind::Patterns => "selector".to_owned(),
        Kind::OneOf(one_of) if one_of.text == "pointer" => "field".to_owned(),
        Kind::OneOf(_) => "reference".to_owned(),
        Kind::Librdkafka => "table".to_owned(),
    }
}

fn row(spec: &KeySpec) -> String {
    let name = spec.path.strip_prefix(spec.section()).unwrap().trim_start_matches('.');
    let default = match spec.default {
        Default::Required => "**required**".to_owned(),
        Default::Absent(text) => text.to_owned(),
        given => format!("`{}`", given.toml().unwrap()),
    };
    let reload = if spec.reloadable { "yes" } else { "" };
    let variable = spec.variable().map(|name| format!("`{name}`")).unwrap_or_default();
    format!(
        "| `{name}` | {} | {default} | {} | {reload} | {variable} |\n",
        kind_text(spec.kind),
        spec.meaning
    )
}

fn table(section: &str) -> String {
    let head = "| key | type | default | meaning | reload | variable |\n|---|---|---|---|---|---|\n";
    let rows = KEYS.iter().filter(|spec| spec.section() == section).map(row);
    std::iter::once(head.to_owned()).chain(rows).collect()
}

/// Holds the tables of a document against the code; gives their sections.
fn check_tables(path: &str) -> BTreeSet<String> {
    let text = fs::read_to_string(path).unwrap();
    let mut parts = text.split("<!-- keys of ");
    let mut expected = parts.next().unwrap().to_owned();
    let mut sections = BTreeSet::new();
    for part in parts {
        let (section, rest) = part.split_once(" -->\n").expect("<!-- keys of SECTION -->");
        let after = rest.split_once("<!-- end -->").expect("<!-- end -->").1;
        let keys = table(if section == "the file" { "" } else { section });
        write!(expected, "<!-- keys of {section} -->\n{keys}<!-- end -->{after}").unwrap();
        let section = if section == "the file" { "" } else { section };
        assert!(sections.insert(section.to_owned()), "{section} is there twice");
    }
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        fs::write(path, &expected).unwrap();
    }
    assert!(
        fs::read_to_string(path).unwrap() == expected,
        "UPDATE_GOLDEN=1 writes the tables of {path} anew"
    );
    sections
}

#[test]
fn the_tables_of_docs_config_are_those_of_the_code() {
    let all: BTreeSet<String> = KEYS.iter().map(|spec| spec.section().to_owned()).collect();
    assert_eq!(check_tables("docs/config.md"), all);
    assert!(check_tables("docs/alerts.md").contains("rules[]"));
}
