//! The queries of the dashboards, ready to run.

use std::path::Path;

use serde_json::Value;

/// What the variables of a dashboard are set to.
#[derive(Debug, Clone)]
pub struct Chosen {
    pub model: String,
    pub version: String,
    pub variant: String,
    pub window: String,
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

impl DashboardQuery {
    /// Whether no rows are an answer of their own: no column is above a bound,
    /// no category is new, the chosen column is not numeric.
    pub fn may_be_empty(&self) -> bool {
        ["none", "no category was new"].contains(&self.no_value.as_str())
            || self.no_value.starts_with("not a numeric column")
    }
}

/// `dashboards/drift.json`.
pub fn drift() -> Value {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("dashboards/drift.json");
    let text = std::fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
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

/// Every query of a dashboard as it is written, with its place.
pub fn raw_queries(dashboard: &Value) -> Vec<DashboardQuery> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let variables = dashboard["templating"]["list"].as_array().expect("a list of variables");
    let mut queries: Vec<DashboardQuery> = variables
        .iter()
        .filter(|variable| variable["type"] == "query")
        .map(|variable| DashboardQuery {
            place: format!("variable {}", text(&variable["name"])),
            query: text(&variable["query"]),
            is_variable: true,
            no_value: String::new(),
        })
        .collect();
    for panel in panels(dashboard) {
        for target in panel["targets"].as_array().into_iter().flatten() {
            queries.push(DashboardQuery {
                place: text(&panel["title"]),
                query: text(&target["query"]),
                is_variable: false,
                no_value: text(&panel["fieldConfig"]["defaults"]["noValue"]),
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
    let values = [
        ("$timeFilter", range),
        ("$__interval", chosen.interval.clone()),
        ("${model:regex}", regex(&chosen.model)),
        ("${version:regex}", regex(&chosen.version)),
        ("${variant:regex}", regex(&chosen.variant)),
        ("${window:regex}", regex(&chosen.window)),
        // The pattern for `All` is inserted as it is.
        ("${feature:regex}", chosen.feature.as_deref().map_or_else(|| ".*".to_owned(), regex)),
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
