//! The dashboards as files, and their queries, ready to run.

use std::{collections::BTreeSet, fs, path::Path};

use serde_json::Value;

/// What the variables of a dashboard are set to.
#[derive(Debug, Clone)]
pub struct Chosen {
    pub model: String,
    pub version: String,
    pub variant: String,
    pub window: String,
    /// The explained output.
    pub output: String,
    pub experiment: String,
    /// `None` is the choice `All`.
    pub feature: Option<String>,
    /// The time range, in milliseconds since 1970.
    pub from_ms: i64,
    pub to_ms: i64,
    /// Width of a bucket in time, such as `1h`.
    pub interval: String,
}

/// A query that can be run: all variables are replaced.
#[derive(Debug, Clone)]
pub struct DashboardQuery {
    /// Title of the panel, or `variable NAME`.
    pub place: String,
    /// The query itself.
    pub query: String,
    /// Whether it fills a variable and not a panel.
    pub is_variable: bool,
    /// What the panel shows when there are no rows.
    pub no_value: String,
}

/// What panels say of which no rows are an answer of their own: nothing is
/// wrong, or the chosen column is of the other kind.
const ANSWERS_WITHOUT_ROWS: [&str; 10] = [
    "no alert began or ended",
    "no alert had events to explain",
    "not explained by a surrogate",
    "no column is in alarm",
    "every column is stable, or has too few values",
    "the checks found nothing",
    "every column of every segment is stable, or has too few values",
    "columns together are stable, or have too few rows",
    "no category was new",
    "not a numeric column",
];

impl DashboardQuery {
    /// Whether no rows are an answer of their own.
    pub fn may_be_empty(&self) -> bool {
        ANSWERS_WITHOUT_ROWS.iter().any(|answer| self.no_value.starts_with(answer))
    }
}

/// Every file of `dashboards/`: its name without `.json`, and what it holds.
pub fn all() -> Vec<(String, Value)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("dashboards");
    let files = fs::read_dir(&folder).expect("the dashboards are there").map(|entry| entry.unwrap().path());
    let mut all: Vec<(String, Value)> = files
        .filter(|file| file.extension().is_some_and(|extension| extension == "json"))
        .map(|file| {
            let text = fs::read_to_string(&file).unwrap();
            let dashboard =
                serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
            (file.file_stem().unwrap().to_str().unwrap().to_owned(), dashboard)
        })
        .collect();
    all.sort_by(|a, b| a.0.cmp(&b.0));
    all
}

/// One of them.
pub fn named(name: &str) -> Value {
    all().into_iter().find(|(other, _)| other == name).unwrap_or_else(|| panic!("no dashboard {name}")).1
}

/// The panels and rows of a dashboard, those inside collapsed rows as well.
pub fn panels(dashboard: &Value) -> Vec<&Value> {
    let mut all = Vec::new();
    for panel in dashboard["panels"].as_array().expect("a list of panels") {
        all.push(panel);
        all.extend(panel["panels"].as_array().into_iter().flatten());
    }
    all
}

/// Panels that show something, without rows.
pub fn shown(dashboard: &Value) -> Vec<&Value> {
    panels(dashboard).into_iter().filter(|panel| panel["type"] != "row").collect()
}

/// A text, or none.
pub fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// The elements of a list that may be absent.
pub fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

/// Every query of a dashboard as it is written, with its place.
pub fn raw_queries(dashboard: &Value) -> Vec<DashboardQuery> {
    let mut queries: Vec<DashboardQuery> = list(&dashboard["templating"]["list"])
        .filter(|variable| variable["type"] == "query")
        .map(|variable| DashboardQuery {
            place: format!("variable {}", text(&variable["name"])),
            query: text(&variable["query"]).to_owned(),
            is_variable: true,
            no_value: String::new(),
        })
        .collect();
    for panel in panels(dashboard) {
        for target in list(&panel["targets"]) {
            queries.push(DashboardQuery {
                place: text(&panel["title"]).to_owned(),
                query: text(&target["query"]).to_owned(),
                is_variable: false,
                no_value: text(&panel["fieldConfig"]["defaults"]["noValue"]).to_owned(),
            });
        }
    }
    queries
}

/// Every query of a dashboard as Grafana would send it.
pub fn queries(dashboard: &Value, chosen: &Chosen) -> Vec<DashboardQuery> {
    let mut queries = raw_queries(dashboard);
    for query in &mut queries {
        query.query = substitute(&query.query, chosen);
        let left = variables_in(&query.query);
        assert!(left.is_empty(), "{}: {left:?} have no value: {}", query.place, query.query);
    }
    queries
}

fn substitute(query: &str, chosen: &Chosen) -> String {
    let regex = |text: &str| -> String {
        // What Grafana's `:regex` format escapes.
        let escape = |c: char| if "\\^$*+?.()|[]{}/".contains(c) { format!("\\{c}") } else { c.to_string() };
        text.chars().map(escape).collect()
    };
    let range = format!("time >= {}ms AND time <= {}ms", chosen.from_ms, chosen.to_ms);
    // The pattern for `All` is inserted as it is.
    let all = || ".*".to_owned();
    let values = [
        ("$timeFilter", range),
        ("$__interval", chosen.interval.clone()),
        ("${model:regex}", regex(&chosen.model)),
        ("${version:regex}", regex(&chosen.version)),
        ("${variant:regex}", regex(&chosen.variant)),
        ("${window:regex}", regex(&chosen.window)),
        ("${output:regex}", regex(&chosen.output)),
        ("${feature:regex}", chosen.feature.as_deref().map_or_else(all, regex)),
        ("${segment:regex}", all()),
        ("${experiment:regex}", regex(&chosen.experiment)),
        ("${arm:regex}", all()),
        ("${metric:regex}", all()),
    ];
    values.into_iter().fold(query.to_owned(), |query, (variable, value)| query.replace(variable, &value))
}

/// The variables that `text` uses, as `$name`, `${name}` or `${name:format}`;
/// a `$` in front of anything else is none.
pub fn variables_in(text: &str) -> Vec<String> {
    let is_name = |c: char| c.is_alphanumeric() || c == '_';
    let name_of = |rest: &str| -> String {
        rest.strip_prefix('{').unwrap_or(rest).chars().take_while(|c| is_name(*c)).collect()
    };
    text.split('$').skip(1).map(name_of).filter(|name| !name.is_empty()).collect()
}

/// Whatever is in double quotes in a query, and what of it is an alias.
pub fn identifiers(query: &str) -> (Vec<&str>, BTreeSet<&str>) {
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

/// The columns that a query gives, without its tags.
fn selected(query: &str) -> BTreeSet<String> {
    let (select, _) = query.split_once(" FROM ").unwrap();
    let columns = select.split(", ").map(|column| column.rsplit('"').nth(1).unwrap().to_owned());
    columns.collect()
}

/// What the fields of a panel are called: the columns of a table, with those
/// that transformations add, or the series, of which one that is named after a
/// tag has `*` in its place.
pub fn fields(panel: &Value) -> BTreeSet<String> {
    let mut fields = BTreeSet::new();
    for target in list(&panel["targets"]) {
        let (query, alias) = (text(&target["query"]), text(&target["alias"]));
        let columns = selected(query);
        if alias.is_empty() {
            let grouped = query.rsplit_once("GROUP BY ").map_or("", |(_, tags)| tags);
            fields.extend(columns.into_iter().chain(identifiers(grouped).0.into_iter().map(str::to_owned)));
            fields.insert("Time".to_owned());
        } else {
            let words = alias.split(' ').map(|word| if word.starts_with("$tag_") { "*" } else { word });
            let pattern = words.collect::<Vec<_>>().join(" ");
            fields.extend(columns.iter().map(|column| pattern.replace("$col", column)));
        }
    }
    for step in list(&panel["transformations"]) {
        let options = &step["options"];
        let needs: Vec<&str> = match text(&step["id"]) {
            "merge" => Vec::new(),
            "calculateField" => ["left", "right"].map(|side| text(&options["binary"][side])).into(),
            "groupingToMatrix" => {
                ["rowField", "columnField", "valueField"].map(|field| text(&options[field])).into()
            }
            other => panic!("{other} is not known here"),
        };
        for need in &needs {
            assert!(fields.contains(*need), "{}: {need} is none of {fields:?}", panel["title"]);
        }
        if let [row, column, _] = needs[..] {
            // The names of the other columns are values of `column`.
            fields = BTreeSet::from([format!("{row}\\{column}")]);
        } else if !needs.is_empty() {
            fields.insert(text(&options["alias"]).to_owned());
        }
    }
    fields
}

/// Pairs of a field and a panel that shows it.
pub fn fields_shown(dashboard: &Value) -> Vec<(String, &Value)> {
    let of_panel = |panel: &'_ Value| -> Vec<String> {
        list(&panel["targets"])
            .flat_map(|target| identifiers(text(&target["query"]).split(" WHERE ").next().unwrap()).0)
            .map(str::to_owned)
            .collect()
    };
    shown(dashboard)
        .into_iter()
        .flat_map(|panel| of_panel(panel).into_iter().map(move |f| (f, panel)))
        .collect()
}
