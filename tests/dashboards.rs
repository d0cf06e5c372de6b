//! The dashboards as files: whether Grafana can load them, whether every panel
//! explains itself, whether every name in a query is one that the sink writes,
//! and whether verdicts look the same everywhere. That every query runs and
//! finds something is tested against the real servers (`tests/real_servers`); a
//! Grafana that could render them is not to be had here.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod support;

use std::collections::{BTreeMap, BTreeSet};

use driftline::result::{
    Check, Decision, ExplainMethod, MetricVerdict, ScoreName, Verdict,
    schema::{
        ALL_ROWS, ATTRIBUTION, EXPERIMENT, EXPERIMENT_ARM, EXPERIMENT_VERDICT, EXPLANATION, MeasurementDoc,
        measurements,
    },
};
use serde_json::{Value, json};
use support::dashboards::{
    Chosen, DashboardQuery, all, fields, fields_shown, identifiers, list, named, panels, queries,
    raw_queries, shown, text, variables_in,
};

const DATASOURCE: &str = "${ds}";
/// Variables of every dashboard but one, in this order: each narrows the next, and
/// the way from one dashboard to another keeps them.
const VARIABLES: [&str; 6] = ["ds", "model", "version", "variant", "window", "feature"];
/// Those of the one: an experiment is over versions and variants.
const OF_EXPERIMENTS: [&str; 6] = ["ds", "model", "window", "experiment", "arm", "metric"];
/// What Grafana defines by itself.
const BUILT_IN: [&str; 4] = ["timeFilter", "__interval", "__url_time_range", "__data"];
/// What an alias can use beside variables: the column, and tags as `tag_NAME`.
const IN_ALIASES: &str = "col";

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

/// Whether a query reads verdicts that have words of their own.
fn is_decision(query: &str) -> bool {
    [EXPERIMENT, EXPERIMENT_ARM, EXPERIMENT_VERDICT]
        .into_iter()
        .any(|name| query.contains(&format!("FROM \"{name}\"")))
}

/// All queries of all dashboards.
fn every_query() -> Vec<DashboardQuery> {
    all().iter().flat_map(|(_, dashboard)| raw_queries(dashboard)).collect()
}

#[test]
fn the_files_are_ones_that_grafana_loads_from_disk() {
    let dashboards = all();
    let names: Vec<&str> = dashboards.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["drift", "experiments", "explanations", "verdicts"]);
    for (name, dashboard) in &dashboards {
        assert_eq!(dashboard["id"], Value::Null, "an id belongs to one Grafana");
        assert_eq!(dashboard["uid"], format!("driftline-{name}"));
        assert_eq!(dashboard["title"], format!("Driftline: {name}"));
        assert_eq!(dashboard["schemaVersion"], 41);
        assert_eq!(dashboard["version"], 1);
        assert_eq!(dashboard["editable"], false);
        assert!(dashboard.get("__inputs").is_none(), "inputs are for imports by hand");
        assert_eq!(dashboard["tags"], json!(["driftline"]));
    }
}

#[test]
fn panels_have_their_own_id_and_place() {
    for (name, dashboard) in all() {
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
        assert_eq!(taken.len() as u64, bottom * 24, "the grid of {name} has holes");
    }
}

#[test]
fn every_panel_explains_itself() {
    for (name, dashboard) in all() {
        assert!(text(&dashboard["description"]).ends_with('.'), "{name}");
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
        for variable in list(&dashboard["templating"]["list"]) {
            assert!(!text(&variable["label"]).is_empty() && !text(&variable["description"]).is_empty());
        }
    }
}

#[test]
fn everything_reads_from_the_chosen_data_source() {
    let expected = json!({"type": "influxdb", "uid": DATASOURCE});
    for (_, dashboard) in all() {
        for panel in shown(&dashboard) {
            let title = &panel["title"];
            assert_eq!(panel["datasource"], expected, "{title}");
            let targets = panel["targets"].as_array().unwrap();
            let mut references = BTreeSet::new();
            for target in targets {
                assert!(references.insert(text(&target["refId"])), "{title}: one name, two queries");
                assert_eq!(target["datasource"], expected, "{title}");
                assert_eq!(target["rawQuery"], true);
                let of_time = target["resultFormat"] == "time_series";
                assert!(of_time || target["resultFormat"] == "table");
                assert_eq!(of_time, !text(&target["alias"]).is_empty(), "{title}: series have names");
            }
            let is_merged = list(&panel["transformations"]).any(|step| step["id"] == "merge");
            assert_eq!(
                is_merged,
                panel["type"] == "table" && targets.len() > 1,
                "{title}: a table shows its first query, unless they are merged"
            );
        }
        let variables = dashboard["templating"]["list"].as_array().unwrap();
        assert_eq!((&variables[0]["name"], &variables[0]["type"]), (&json!("ds"), &json!("datasource")));
        assert_eq!(variables[0]["query"], "influxdb");
        for variable in &variables[1..] {
            assert_eq!(variable["datasource"], expected, "{}", variable["name"]);
            assert_eq!(variable["refresh"], 2, "{} follows the time range", variable["name"]);
        }
    }
}

#[test]
fn every_name_in_a_query_is_written_by_the_sink() {
    let tables = measurements();
    for DashboardQuery { place, query, .. } in every_query() {
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
fn every_word_that_a_query_asks_for_is_one_that_is_written() {
    let mut asked = 0;
    for DashboardQuery { place, query, .. } in every_query() {
        let parts: Vec<&str> = query.split('\'').collect();
        for index in (1..parts.len()).step_by(2) {
            let (name, word) = (parts[index - 1].rsplit('"').nth(1).unwrap(), parts[index]);
            let known: Vec<&str> = match name {
                name if name.ends_with("verdict") && is_decision(&query) => {
                    MetricVerdict::ALL.map(MetricVerdict::as_str).into()
                }
                name if name.ends_with("verdict") => Verdict::ALL.map(Verdict::as_str).into(),
                "score" => ScoreName::ALL.map(ScoreName::as_str).into(),
                "check" => Check::ALL.map(Check::as_str).into(),
                "feature" | "segment" => vec![ALL_ROWS],
                // Whether there is a text at all.
                "unseen_names" | "quality_detail" => vec![""],
                _ => Vec::new(),
            };
            assert!(known.contains(&word), "{place}: {name} is never `{word}`");
            asked += 1;
        }
    }
    assert!(asked > 0);
}

#[test]
fn the_measurements_are_all_shown() {
    let tables = measurements();
    let panels = every_query().into_iter().filter(|query| !query.is_variable);
    let used: BTreeSet<&str> = panels.map(|query| source(&query.query, &tables).name).collect();
    assert_eq!(used, tables.iter().map(|table| table.name).collect());
}

#[test]
fn few_panels_may_stay_empty() {
    let queries = every_query();
    let optional: BTreeSet<&str> =
        queries.iter().filter(|query| query.may_be_empty()).map(|query| query.place.as_str()).collect();
    let expected = [
        "Alerts",
        "Columns by effect",
        "Columns in alarm",
        "Columns of segments that are not stable",
        "Findings of the checks",
        "Fit of the surrogate",
        "Kolmogorov-Smirnov",
        "Mean and quantiles",
        "Unseen categories",
        "Wasserstein distance",
        "Why single events were predicted as they were",
        "Windows in which columns together are not stable",
    ];
    assert_eq!(optional, expected.into());
}

#[test]
fn variables_are_defined_before_they_are_used() {
    let tables = measurements();
    for (name, dashboard) in all() {
        let mut defined: Vec<&str> = Vec::new();
        for variable in list(&dashboard["templating"]["list"]) {
            for used in variables_in(text(&variable["query"])) {
                assert!(defined.contains(&used.as_str()), "{variable} uses {used} before it is defined");
            }
            defined.push(text(&variable["name"]));
        }
        let own: &[&str] = match name.as_str() {
            "explanations" => &["output"],
            "verdicts" => &["segment"],
            _ => &[],
        };
        if name == "experiments" {
            assert_eq!(defined, OF_EXPERIMENTS);
        } else {
            assert_eq!(defined, [&VARIABLES, own].concat(), "{name}");
        }
        for panel in panels(&dashboard) {
            let mut without_aliases = panel.clone();
            for target in without_aliases["targets"].as_array_mut().into_iter().flatten() {
                let alias = target["alias"].take();
                let tags = source(text(&target["query"]), &tables).tags;
                for name in variables_in(text(&alias)) {
                    let is_tag = name.strip_prefix("tag_").is_some_and(|tag| tags.contains(&tag));
                    assert!(is_tag || name == IN_ALIASES, "{}: alias ${name}", panel["title"]);
                }
            }
            for used in variables_in(&without_aliases.to_string()) {
                let is_defined = defined.contains(&used.as_str()) || BUILT_IN.contains(&used.as_str());
                assert!(is_defined, "{} uses ${used}, which nobody defines", panel["title"]);
            }
        }
    }
}

#[test]
fn overrides_and_sorting_name_fields_that_are_there() {
    for panel in all().iter().flat_map(|(_, dashboard)| shown(dashboard)) {
        let fields = fields(panel);
        let title = text(&panel["title"]);
        let is_there = |name: &str| assert!(fields.contains(name), "{title}: {name} is none of {fields:?}");
        let mut renamed = Vec::new();
        for rule in list(&panel["fieldConfig"]["overrides"]) {
            let name = text(&rule["matcher"]["options"]);
            match text(&rule["matcher"]["id"]) {
                "byName" => is_there(name),
                "byRegexp" if name == "/.+/" => {}
                // Series of any column: `/ noise$/`.
                "byRegexp" => {
                    let end = name.strip_prefix('/').and_then(|name| name.strip_suffix("$/")).unwrap();
                    is_there(&format!("*{end}"));
                }
                other => panic!("{title}: {other} is not known here"),
            }
            for property in list(&rule["properties"]) {
                match text(&property["id"]) {
                    "custom.fillBelowTo" => is_there(text(&property["value"])),
                    "displayName" => renamed.push(text(&property["value"])),
                    _ => {}
                }
            }
        }
        for sort in list(&panel["options"]["sortBy"]) {
            let name = text(&sort["displayName"]);
            assert!(renamed.contains(&name) || fields.contains(name), "{title}: sorted by {name}");
        }
    }
}

#[test]
fn verdicts_have_one_set_of_words_and_colours() {
    let colour = ["#808080", "green", "yellow", "red"];
    let options = |key: fn(Verdict) -> String| -> Value {
        let entry = |verdict: Verdict| {
            let level = usize::try_from(verdict.level()).unwrap();
            let option = json!({"text": verdict.as_str(), "color": colour[level], "index": level});
            (key(verdict), option)
        };
        json!([{"type": "value", "options": Verdict::ALL.map(entry).into_iter().collect::<serde_json::Map<_, _>>()}])
    };
    let levels = options(|verdict| verdict.level().to_string());
    let words = options(|verdict| verdict.as_str().to_owned());
    let step = |level: usize| json!({"color": colour[level], "value": (level > 0).then_some(level)});
    let steps = [0, 1, 2, 3].map(step);
    let thresholds = json!({"mode": "absolute", "steps": steps});
    let mut seen = (0, 0);
    for (_, dashboard) in all() {
        for (field, panel) in fields_shown(&dashboard) {
            let is_shown = fields(panel).contains(&field) || panel["type"] != "table";
            if field.ends_with("verdict_level") && is_shown {
                let defaults = &panel["fieldConfig"]["defaults"];
                assert_eq!(defaults["mappings"], levels, "{}", panel["title"]);
                assert_eq!(defaults["thresholds"], thresholds, "{}", panel["title"]);
                seen.0 += 1;
            } else if field.ends_with("verdict")
                && is_shown
                && !is_decision(text(&panel["targets"][0]["query"]))
            {
                let rules = list(&panel["fieldConfig"]["overrides"]);
                let mut rules = rules.filter(|rule| rule["matcher"]["options"] == field);
                let mut properties = list(&rules.next().unwrap()["properties"]);
                assert!(
                    properties.any(|p| p["id"] == "mappings" && p["value"] == words),
                    "{}",
                    panel["title"]
                );
                seen.1 += 1;
            }
        }
    }
    assert!(seen.0 > 5 && seen.1 > 3, "{seen:?}");
}

#[test]
fn every_score_is_shown_beside_its_noise_point() {
    let (drift, verdicts) = (named("drift"), named("verdicts"));
    for score in ScoreName::ALL.map(ScoreName::as_str) {
        let noise = format!("max(\"{score}_noise\") AS \"noise\"");
        let panel =
            shown(&drift).into_iter().find(|panel| text(&panel["targets"][0]["query"]).contains(&noise));
        let panel = panel.unwrap_or_else(|| panic!("{score} is not shown"));
        assert!(text(&panel["targets"][0]["query"]).contains(&format!("max(\"{score}\") AS \"{score}\"")));
        let rule = &panel["fieldConfig"]["overrides"][0];
        assert_eq!(rule["matcher"]["options"], "/ noise$/");
        assert!(rule["properties"].to_string().contains(r#""fill":"dash""#), "{score}: {rule}");
        // The table of drifted columns has a query for each score that a
        // verdict can be about.
        let ranked = format!("\"{score}\" AS \"value\", \"{score}_noise\" AS \"noise\"");
        let asks = format!("\"rank\" > 0 AND \"score\" = '{score}'");
        let queries = raw_queries(&verdicts);
        let count = queries.iter().filter(|q| q.query.contains(&ranked) && q.query.contains(&asks)).count();
        assert_eq!(count, 1, "{score} is ranked once");
    }
}

#[test]
fn every_score_of_attributions_is_shown_beside_its_noise_point() {
    let explanations = named("explanations");
    let mut scores = 0;
    for table in measurements().iter().filter(|table| [EXPLANATION, ATTRIBUTION].contains(&table.name)) {
        for score in table.fields.iter().filter_map(|field| field.name.strip_suffix("_noise")) {
            let is_of = |panel: &&Value| {
                let query = text(&panel["targets"][0]["query"]);
                panel["type"] == "timeseries" && query.contains(&format!("(\"{score}\") AS \"{score}\""))
            };
            let panel = shown(&explanations)
                .into_iter()
                .find(is_of)
                .unwrap_or_else(|| panic!("{score} is not shown"));
            let query = text(&panel["targets"][0]["query"]);
            assert!(query.contains(&format!("(\"{score}_noise\") AS \"noise\"")), "{query}");
            assert!(query.contains("verdict\" != 'insufficient'"), "{score}: fields outlive their reason");
            let rule = &panel["fieldConfig"]["overrides"][0];
            assert!(["noise", "/ noise$/"].contains(&text(&rule["matcher"]["options"])), "{score}: {rule}");
            assert!(rule["properties"].to_string().contains(r#""fill":"dash""#), "{score}: {rule}");
            scores += 1;
        }
    }
    assert_eq!(scores, 4);
}

#[test]
fn whatever_an_explanation_says_of_itself_is_shown() {
    let explanations = named("explanations");
    let shown_fields: BTreeSet<String> =
        fields_shown(&explanations).into_iter().map(|(field, _)| field).collect();
    let tables = measurements();
    let table = tables.iter().find(|table| table.name == EXPLANATION).unwrap();
    for field in &table.fields {
        assert!(shown_fields.contains(field.name), "{} is not shown", field.name);
    }
    let tile = shown(&explanations).into_iter().find(|panel| panel["title"] == "Method").unwrap();
    let options = tile["fieldConfig"]["defaults"]["mappings"][0]["options"].as_object().unwrap();
    // Grows with the enum, or does not compile.
    let colour = |method| match method {
        ExplainMethod::ExactTree | ExplainMethod::ExactLinear | ExplainMethod::Enumeration => "green",
        ExplainMethod::Permutation => "blue",
        ExplainMethod::Surrogate => "yellow",
    };
    let methods = [
        ExplainMethod::ExactTree,
        ExplainMethod::ExactLinear,
        ExplainMethod::Enumeration,
        ExplainMethod::Permutation,
        ExplainMethod::Surrogate,
    ];
    assert_eq!(options.len(), methods.len());
    for method in methods {
        assert_eq!(options[method.as_str()]["color"], colour(method), "{}", method.as_str());
    }
}

#[test]
fn decisions_have_one_set_of_words_and_colours() {
    let experiments = named("experiments");
    let mappings = |entries: Vec<(String, &str, &str)>| -> Value {
        let options = entries.into_iter().enumerate().map(|(index, (key, word, colour))| {
            (key, json!({"text": word, "color": colour, "index": index}))
        });
        json!([{"type": "value", "options": options.collect::<serde_json::Map<_, _>>()}])
    };
    let decisions = [Decision::Rollback, Decision::Hold, Decision::Promote];
    // Grows with the enum, or does not compile.
    let of_decision = |decision| match decision {
        Decision::Rollback => "red",
        Decision::Hold => "blue",
        Decision::Promote => "green",
    };
    let of_metric = |verdict| match verdict {
        MetricVerdict::Insufficient => "#808080",
        MetricVerdict::Undecided => "blue",
        MetricVerdict::NotWorse => "semi-dark-green",
        MetricVerdict::Better => "green",
        MetricVerdict::Worse => "red",
    };
    let by_word = decisions.map(|one| (one.as_str().to_owned(), one.as_str(), of_decision(one)));
    let by_code = decisions.map(|one| (one.code().to_string(), one.as_str(), of_decision(one)));
    let metrics = MetricVerdict::ALL;
    let metric_by_word = metrics.map(|one| (one.as_str().to_owned(), one.as_str(), of_metric(one)));
    let place = |one: MetricVerdict| metrics.iter().position(|other| *other == one).unwrap().to_string();
    let metric_by_level = metrics.map(|one| (place(one), one.as_str(), of_metric(one)));
    let mut seen = BTreeSet::new();
    for (field, panel) in fields_shown(&experiments) {
        let query = text(&panel["targets"][0]["query"]);
        let is_metric = query.contains(&format!("FROM \"{EXPERIMENT}\""));
        let expected = match field.as_str() {
            "code" => by_code.to_vec(),
            "level" => metric_by_level.to_vec(),
            "verdict" if is_metric => metric_by_word.to_vec(),
            "verdict" if is_decision(query) => by_word.to_vec(),
            _ => continue,
        };
        let expected = mappings(expected);
        let found = if panel["type"] == "table" {
            let rule = list(&panel["fieldConfig"]["overrides"])
                .find(|rule| rule["matcher"]["options"] == field.as_str())
                .unwrap();
            list(&rule["properties"]).find(|property| property["id"] == "mappings").unwrap()["value"].clone()
        } else {
            panel["fieldConfig"]["defaults"]["mappings"].clone()
        };
        assert_eq!(found, expected, "{}", panel["title"]);
        seen.insert((field, is_metric));
    }
    assert_eq!(seen.len(), 4);
}

#[test]
fn whatever_is_said_of_an_experiment_is_shown() {
    let shown_fields: BTreeSet<(String, String)> = fields_shown(&named("experiments"))
        .into_iter()
        .map(|(field, panel)| {
            let query = text(&panel["targets"][0]["query"]);
            (query.split("FROM \"").nth(1).unwrap().split('"').next().unwrap().to_owned(), field)
        })
        .collect();
    for table in measurements() {
        if ![EXPERIMENT, EXPERIMENT_ARM, EXPERIMENT_VERDICT].contains(&table.name) {
            continue;
        }
        for field in &table.fields {
            // The window that is the last, what a table has as a word already, and
            // what the p-value beside it says.
            if ["start", "code"].contains(&field.name) && table.name != EXPERIMENT || field.name == "srm_ok" {
                continue;
            }
            let found = shown_fields.contains(&(table.name.to_owned(), field.name.to_owned()));
            assert!(found, "{}.{} is not shown", table.name, field.name);
        }
    }
}

#[test]
fn links_lead_to_dashboards_that_exist_and_keep_what_is_chosen() {
    let dashboards = all();
    let uids: Vec<&str> = dashboards.iter().map(|(_, dashboard)| text(&dashboard["uid"])).collect();
    for (name, dashboard) in &dashboards {
        let text_of_panels = dashboard["panels"].to_string();
        let targets: Vec<&str> = text_of_panels.split("\"/d/").skip(1).collect();
        assert!(!targets.is_empty(), "{name}: a table leads to the detail");
        for target in targets {
            let (uid, rest) = target.split_once('?').unwrap();
            assert!(uids.contains(&uid), "{uid}");
            let address = rest.split('"').next().unwrap();
            assert!(address.contains("${__url_time_range}"), "{address}");
            let is_set = |variable: &str| {
                address.contains(&format!("&var-{variable}=${{__data.fields.{variable}:percentencode}}"))
            };
            let variables = if uid == "driftline-experiments" { OF_EXPERIMENTS } else { VARIABLES };
            let set = variables.iter().rposition(|variable| is_set(variable)).expect("something is chosen");
            for variable in variables.iter().take(set).filter(|variable| !is_set(variable)) {
                assert!(
                    address.contains(&format!("${{{variable}:queryparam}}")),
                    "{variable} is lost: {address}"
                );
            }
        }
        // From each dashboard to the others, at the top.
        let link = &dashboard["links"][0];
        assert_eq!(link["type"], "dashboards");
        assert_eq!(link["tags"], dashboard["tags"]);
        assert_eq!((&link["includeVars"], &link["keepTime"]), (&json!(true), &json!(true)));
    }
}

#[test]
fn values_with_special_characters_are_matched_as_they_are() {
    let chosen = Chosen {
        model: "a.b".to_owned(),
        version: "v1+2".to_owned(),
        variant: "none".to_owned(),
        window: "1h/5m".to_owned(),
        output: "0".to_owned(),
        experiment: "e".to_owned(),
        feature: None,
        from_ms: 1,
        to_ms: 2,
        interval: "5m".to_owned(),
    };
    let queries = queries(&named("drift"), &chosen);
    let all = queries.iter().find(|query| query.place == "Valid values").unwrap();
    assert_eq!(
        all.query,
        r#"SELECT max("valid") AS "valid" FROM "drift" WHERE "model" =~ /^a\.b$/ AND "version" =~ /^v1\+2$/ AND "variant" =~ /^none$/ AND "window" =~ /^1h\/5m$/ AND "feature" =~ /^.*$/ AND time >= 1ms AND time <= 2ms GROUP BY time(5m), "feature" fill(none)"#
    );
}

#[test]
fn provisioning_and_the_readme_speak_of_the_files() {
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
    for (name, _) in all() {
        assert!(readme.contains(&format!("[{name}.json]({name}.json)")), "{name}");
    }
}
