//! The dashboards as files: whether Grafana can load them, whether every panel
//! explains itself, and whether every name in a query is one that the sink
//! writes. That every query runs and finds something is tested against the real
//! servers (`tests/real_servers`); a Grafana that could render them is not to be
//! had here.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod support;

use std::collections::{BTreeMap, BTreeSet};

use driftline::sink::schema::{MeasurementDoc, measurements};
use serde_json::{Value, json};
use support::dashboards::{Chosen, DashboardQuery, drift, panels, queries, raw_queries, variables_in};

const DATASOURCE: &str = "${ds}";
/// What Grafana defines by itself.
const BUILT_IN: [&str; 4] = ["timeFilter", "__interval", "__url_time_range", "__data"];
/// What an alias can use beside variables: the column, and tags as `tag_NAME`.
const IN_ALIASES: &str = "col";

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// Panels that show something, without rows.
fn shown(dashboard: &Value) -> Vec<&Value> {
    panels(dashboard).into_iter().filter(|panel| panel["type"] != "row").collect()
}

/// Whatever is in double quotes in a query, and what of it is an alias.
fn identifiers(query: &str) -> (Vec<&str>, BTreeSet<&str>) {
    let parts: Vec<&str> = query.split('"').collect();
    let mut names = Vec::new();
    let mut aliases = BTreeSet::new();
    for index in (1..parts.len()).step_by(2) {
        if parts[index - 1].ends_with(" AS ") {
            aliases.insert(parts[index]);
        } else {
            names.push(parts[index]);
        }
    }
    (names, aliases)
}

/// The measurement that a query reads.
fn source<'a>(query: &str, tables: &'a [MeasurementDoc]) -> &'a MeasurementDoc {
    let sources: BTreeSet<&str> =
        query.split("FROM \"").skip(1).map(|rest| rest.split('"').next().unwrap()).collect();
    assert_eq!(sources.len(), 1, "one measurement, not {sources:?}: {query}");
    let name = sources.into_iter().next().unwrap();
    tables
        .iter()
        .find(|table| table.name == name)
        .unwrap_or_else(|| panic!("{name} is never written: {query}"))
}

#[test]
fn the_file_is_one_that_grafana_loads_from_disk() {
    let dashboard = drift();
    assert_eq!(dashboard["id"], Value::Null, "an id belongs to one Grafana");
    assert_eq!(dashboard["uid"], "driftline-drift");
    assert_eq!(dashboard["schemaVersion"], 41);
    assert_eq!(dashboard["version"], 1);
    assert_eq!(dashboard["editable"], false);
    assert!(dashboard.get("__inputs").is_none(), "inputs are for imports by hand");
    assert_eq!(dashboard["tags"], json!(["driftline"]));
}

#[test]
fn panels_have_their_own_id_and_place() {
    let dashboard = drift();
    let mut ids = BTreeSet::new();
    let mut taken: BTreeMap<(u64, u64), String> = BTreeMap::new();
    for panel in panels(&dashboard) {
        let title = text(&panel["title"]).to_owned();
        assert!(ids.insert(panel["id"].as_u64().unwrap()), "{title} has the id of another");
        let place = |key: &str| panel["gridPos"][key].as_u64().unwrap();
        let (x, y, w, h) = (place("x"), place("y"), place("w"), place("h"));
        assert!(w > 0 && h > 0 && x + w <= 24, "{title} does not fit");
        for cell in (x..x + w).flat_map(|column| (y..y + h).map(move |line| (column, line))) {
            if let Some(other) = taken.insert(cell, title.clone()) {
                panic!("{title} lies on {other}");
            }
        }
    }
    // Rows are full and follow each other without a gap.
    let bottom = taken.keys().map(|(_, line)| line + 1).max().unwrap();
    assert_eq!(taken.len() as u64, bottom * 24, "the grid has holes");
}

#[test]
fn every_panel_explains_itself() {
    let dashboard = drift();
    let mut titles = BTreeSet::new();
    for panel in shown(&dashboard) {
        let title = text(&panel["title"]);
        assert!(!title.is_empty() && titles.insert(title), "`{title}` is empty or there twice");
        let description = text(&panel["description"]);
        assert!(description.len() > 80 && description.ends_with('.'), "{title}: {description}");
        let defaults = &panel["fieldConfig"]["defaults"];
        assert!(!text(&defaults["unit"]).is_empty(), "{title} has no unit");
        assert!(!text(&defaults["noValue"]).is_empty(), "{title} does not say what no value means");
    }
    for variable in dashboard["templating"]["list"].as_array().unwrap() {
        assert!(!text(&variable["label"]).is_empty() && !text(&variable["description"]).is_empty());
    }
}

#[test]
fn everything_reads_from_the_chosen_data_source() {
    let dashboard = drift();
    let expected = json!({"type": "influxdb", "uid": DATASOURCE});
    for panel in shown(&dashboard) {
        assert_eq!(panel["datasource"], expected, "{}", panel["title"]);
        let targets = panel["targets"].as_array().unwrap();
        assert_eq!(targets.len(), 1, "{}: one query a panel", panel["title"]);
        for target in targets {
            assert_eq!(target["datasource"], expected, "{}", panel["title"]);
            assert_eq!(target["rawQuery"], true);
            assert!(["table", "time_series"].contains(&text(&target["resultFormat"])));
        }
    }
    let variables = dashboard["templating"]["list"].as_array().unwrap();
    assert_eq!((&variables[0]["name"], &variables[0]["type"]), (&json!("ds"), &json!("datasource")));
    assert_eq!(variables[0]["query"], "influxdb");
    for variable in &variables[1..] {
        assert_eq!(variable["datasource"], expected, "{}", variable["name"]);
        assert_eq!(variable["refresh"], 2, "{} follows the time range", variable["name"]);
    }
}

#[test]
fn every_name_in_a_query_is_written_by_the_sink() {
    let tables = measurements();
    for DashboardQuery { place, query, .. } in raw_queries(&drift()) {
        let table = source(&query, &tables);
        let (names, aliases) = identifiers(&query);
        for name in names {
            let known = name == table.name
                || table.tags.contains(&name)
                || aliases.contains(name)
                || table.fields.iter().any(|field| field.name == name);
            assert!(known, "{place}: {} has no tag or field {name}", table.name);
        }
        // A key of `SHOW TAG VALUES` is a tag.
        if let Some((_, key)) = query.split_once("WITH KEY = ") {
            let key = key.split('"').nth(1).unwrap();
            assert!(table.tags.contains(&key), "{place}: {key} is no tag");
        }
        assert!(!query.contains('\n'), "{place}: one line");
    }
}

#[test]
fn the_measurements_are_all_shown() {
    let used: BTreeSet<String> = raw_queries(&drift())
        .iter()
        .map(|query| source(&query.query, &measurements()).name.to_owned())
        .collect();
    let written: BTreeSet<String> = measurements().iter().map(|table| table.name.to_owned()).collect();
    assert_eq!(used, written);
}

#[test]
fn few_panels_may_stay_empty() {
    let queries = raw_queries(&drift());
    let optional: BTreeSet<&str> =
        queries.iter().filter(|query| query.may_be_empty()).map(|query| query.place.as_str()).collect();
    let expected = [
        "Columns above 0.2",
        "Columns from 0.1 to 0.2",
        "Mean and quantiles",
        "Unseen categories",
        "Wasserstein distance",
    ];
    assert_eq!(optional, expected.into());
}

#[test]
fn variables_are_defined_before_they_are_used() {
    let dashboard = drift();
    let mut defined: BTreeSet<String> = BTreeSet::new();
    for variable in dashboard["templating"]["list"].as_array().unwrap() {
        let name = text(&variable["name"]);
        for used in variables_in(text(&variable["query"])) {
            assert!(defined.contains(&used), "variable {name} uses {used} before it is defined");
        }
        assert!(defined.insert(name.to_owned()), "{name} is defined twice");
    }
    assert_eq!(
        defined,
        ["ds", "model", "version", "variant", "window", "feature"].map(str::to_owned).into(),
        "each of them narrows the next"
    );
    let is_defined = |name: &str| defined.contains(name) || BUILT_IN.contains(&name);
    for panel in panels(&dashboard) {
        let mut without_aliases = panel.clone();
        for target in without_aliases["targets"].as_array_mut().into_iter().flatten() {
            let alias = text(&target["alias"]).to_owned();
            target["alias"] = Value::Null;
            let table = source(text(&target["query"]), &measurements()).tags;
            for name in variables_in(&alias) {
                let is_tag = name.strip_prefix("tag_").is_some_and(|tag| table.contains(&tag));
                assert!(is_tag || name == IN_ALIASES, "{}: alias ${name}", panel["title"]);
            }
        }
        for name in variables_in(&without_aliases.to_string()) {
            assert!(is_defined(&name), "{} uses ${name}, which nobody defines", panel["title"]);
        }
    }
}

/// The columns that a panel's query gives, with those that transformations add.
fn columns(panel: &Value) -> BTreeSet<String> {
    let query = text(&panel["targets"][0]["query"]);
    let (select, rest) = query.split_once(" FROM ").unwrap();
    let (names, aliases) = identifiers(select);
    let grouped = rest.rsplit_once("GROUP BY ").map_or("", |(_, tags)| tags);
    let mut columns: BTreeSet<String> =
        if aliases.is_empty() { names.into_iter().collect() } else { aliases }
            .into_iter()
            .chain(identifiers(grouped).0)
            .map(str::to_owned)
            .collect();
    columns.insert("Time".to_owned());
    for transformation in panel["transformations"].as_array().into_iter().flatten() {
        let binary = &transformation["options"]["binary"];
        for side in ["left", "right"] {
            assert!(columns.contains(text(&binary[side])), "{}: {binary}", panel["title"]);
        }
        columns.insert(text(&transformation["options"]["alias"]).to_owned());
    }
    columns
}

#[test]
fn overrides_and_sorting_name_columns_that_are_there() {
    for panel in shown(&drift()) {
        let columns = columns(panel);
        let title = text(&panel["title"]);
        for rule in panel["fieldConfig"]["overrides"].as_array().unwrap() {
            assert_eq!(rule["matcher"]["id"], "byName");
            let name = text(&rule["matcher"]["options"]);
            assert!(columns.contains(name), "{title}: {name} is none of {columns:?}");
        }
        for sort in panel["options"]["sortBy"].as_array().into_iter().flatten() {
            let name = text(&sort["displayName"]);
            assert!(columns.contains(name), "{title}: {name} is none of {columns:?}");
        }
    }
}

#[test]
fn links_lead_to_dashboards_that_exist_and_keep_what_is_chosen() {
    let dashboard = drift();
    let text_of_panels = dashboard["panels"].to_string();
    let targets: Vec<&str> = text_of_panels.split("\"/d/").skip(1).collect();
    assert!(!targets.is_empty(), "the table leads to the detail");
    for target in targets {
        let (uid, rest) = target.split_once('?').unwrap();
        assert_eq!(uid, text(&dashboard["uid"]));
        for part in ["${__url_time_range}", "${ds:queryparam}", "${model:queryparam}", "var-feature="] {
            assert!(rest.contains(part), "{part} is lost");
        }
    }
}

#[test]
fn values_with_special_characters_are_matched_as_they_are() {
    let chosen = Chosen {
        model: "a.b".to_owned(),
        version: "v1+2".to_owned(),
        variant: "none".to_owned(),
        window: "1h/5m".to_owned(),
        feature: None,
        from_ms: 1,
        to_ms: 2,
        interval: "5m".to_owned(),
    };
    let queries = queries(&drift(), &chosen);
    let all = queries.iter().find(|query| query.place == "Valid values").unwrap();
    assert_eq!(
        all.query,
        r#"SELECT max("valid") AS "valid" FROM "drift" WHERE "model" =~ /^a\.b$/ AND "version" =~ /^v1\+2$/ AND "variant" =~ /^none$/ AND "window" =~ /^1h\/5m$/ AND "feature" =~ /^.*$/ AND time >= 1ms AND time <= 2ms GROUP BY time(5m), "feature" fill(none)"#
    );
}

#[test]
fn provisioning_points_to_the_dashboard() {
    let read = |name: &str| {
        let file = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("dashboards").join(name);
        std::fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
    };
    let datasource = read("provisioning/datasources/driftline.yaml");
    let readme = read("README.md");
    for line in ["apiVersion: 1", "type: influxdb", "uid: driftline-influxdb", "version: InfluxQL"] {
        assert!(datasource.contains(line), "{line}");
    }
    for variable in ["INFLUX_URL", "INFLUX_BUCKET", "INFLUX_TOKEN"] {
        assert!(datasource.contains(&format!("${variable}")) && readme.contains(variable), "{variable}");
    }
    let provider = read("provisioning/dashboards/driftline.yaml");
    let path = provider.lines().find_map(|line| line.trim().strip_prefix("path: ")).unwrap();
    assert!(readme.contains(path), "the README mounts the dashboards at {path}");
}
