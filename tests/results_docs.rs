//! docs/results.md says exactly what is written: every measurement, tag, field
//! and metric of the sink, and no others.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use driftline::{
    result::schema::measurements,
    sink::{InfluxApi, InfluxSettings, InfluxSink},
};
use prometheus::Registry;
use tokio::runtime::Handle;

const DOCUMENT: &str = include_str!("../docs/results.md");

/// The sections of the document by their headings.
fn sections() -> BTreeMap<&'static str, &'static str> {
    DOCUMENT.split("\n## ").skip(1).map(|section| section.split_once('\n').unwrap_or((section, ""))).collect()
}

/// The rows of the first table of a section, without its head.
fn rows(section: &str) -> Vec<&str> {
    section
        .lines()
        .skip_while(|line| !line.starts_with('|'))
        .take_while(|line| line.starts_with('|'))
        .skip(2)
        .collect()
}

/// The words in backquotes that `text` lists.
fn quoted(text: &str) -> Vec<&str> {
    text.split('`').skip(1).step_by(2).collect()
}

/// Puts the `expected` rows in place of a section's own.
fn rewrite(found: &[&str], section: &str, expected: &[String]) {
    let path = "docs/results.md";
    let text = std::fs::read_to_string(path).unwrap();
    let mended = section.replacen(&found.join("\n"), &expected.join("\n"), 1);
    std::fs::write(path, text.replacen(section, &mended, 1)).unwrap();
}

#[test]
fn every_measurement_is_there_with_its_tags_and_fields() {
    let sections = sections();
    let mut documented: Vec<&str> =
        sections.keys().filter_map(|heading| heading.strip_prefix("Measurement ")).collect();
    let mut written = Vec::new();
    for measurement in measurements() {
        let heading = format!("`{}`", measurement.name);
        let section = sections[format!("Measurement {heading}").as_str()];
        let (_, tags) = section.split_once("Tags: ").unwrap();
        assert_eq!(quoted(tags.lines().next().unwrap()), measurement.tags, "tags of {heading}");
        let expected: Vec<String> = measurement
            .fields
            .iter()
            .map(|f| format!("| `{}` | {} | {} | {} |", f.name, f.type_name, f.unit, f.meaning))
            .collect();
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            rewrite(&rows(section), section, &expected);
            continue;
        }
        assert!(
            rows(section) == expected,
            "the table of {heading} is another; UPDATE_GOLDEN=1 writes it anew"
        );
        written.push(heading);
    }
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        return;
    }
    documented.sort_unstable();
    written.sort();
    assert_eq!(documented, written);
}

#[test]
fn every_tag_is_explained() {
    let documented: BTreeSet<&str> = rows(sections()["Tags"]).iter().map(|row| quoted(row)[0]).collect();
    let written: BTreeSet<&str> = measurements().iter().flat_map(|table| table.tags).copied().collect();
    assert_eq!(documented, written);
}

#[tokio::test]
async fn every_metric_is_explained() {
    let registry = Registry::new();
    let settings = InfluxSettings {
        url: "http://127.0.0.1:1".to_owned(),
        api: InfluxApi::V2 { org: "o".to_owned(), bucket: "b".to_owned() },
        secret: None,
        ca_file: None,
        batch_points: 1,
        flush_interval: Duration::from_secs(1),
        buffer_points: 1,
        timeout: Duration::from_secs(1),
        gzip: false,
    };
    let _sink = InfluxSink::start(&settings, &registry, &Handle::current()).unwrap();
    let section = sections()["What happens to a point on its way"];
    let (_, metrics) = section.split_once("| metric |").unwrap();
    let documented: BTreeSet<String> = rows(&format!("| metric |{metrics}"))
        .iter()
        .map(|row| quoted(row)[0].split('{').next().unwrap().to_owned())
        .collect();
    let written: BTreeSet<String> = registry.gather().iter().map(|family| family.name().to_owned()).collect();
    assert_eq!(documented, written);
    for outcome in ["written", "refused", "too_large", "empty"] {
        assert!(metrics.contains(&format!("`{outcome}`")), "{outcome}");
    }
}
