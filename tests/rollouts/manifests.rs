//! The examples in config/rollouts, read as far as it takes to run them against the
//! pages: what they ask must exist, and what they compare must be in the answer.

use std::{fs, path::Path};

use crate::{
    analysis::Limits,
    argo,
    canary::{Hook, Kind},
    rig::{Daemon, TOKEN, result, served},
};
use driftline::{ops::OnStale, result::Decision};

/// A file's lines without comments, as (depth, whether an item begins, key, value).
fn lines(file: &str) -> Vec<(usize, bool, String, String)> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/rollouts").join(file);
    let text = fs::read_to_string(path).unwrap();
    let content = text.lines().filter(|line| !line.trim_start().starts_with('#') && !line.trim().is_empty());
    content
        .map(|line| {
            assert!(!line.contains('\t'), "{line}");
            let bare = line.trim_start();
            let item = bare.strip_prefix("- ");
            let (key, value) = item.unwrap_or(bare).split_once(':').unwrap_or((bare, ""));
            let depth = line.len() - item.unwrap_or(bare).len();
            (depth, item.is_some(), key.trim().to_owned(), filled(value.trim()))
        })
        .collect()
}

/// With what Argo Rollouts would put for its arguments.
fn filled(value: &str) -> String {
    let value = value.strip_prefix('"').and_then(|value| value.strip_suffix('"')).unwrap_or(value);
    let pairs =
        [("{{args.experiment}}", "checkout"), ("{{args.release}}", "7f9c"), ("{{args.token}}", TOKEN)];
    pairs.iter().fold(value.to_owned(), |value, (name, with)| value.replace(name, with))
}

/// The items of the list under a key, each as its keys and values.
fn items(file: &str, list: &str) -> Vec<Vec<(String, String)>> {
    let lines = lines(file);
    let start = lines.iter().position(|(_, _, key, value)| key == list && value.is_empty()).unwrap();
    let depth = lines[start + 1].0;
    let mut items: Vec<Vec<(String, String)>> = Vec::new();
    for (at, is_item, key, value) in lines.into_iter().skip(start + 1).take_while(|line| line.0 >= depth) {
        if is_item && at == depth {
            items.push(Vec::new());
        }
        items.last_mut().unwrap().push((key, value));
    }
    items
}

fn get<'a>(item: &'a [(String, String)], key: &str) -> Option<&'a str> {
    item.iter().find(|(name, _)| name == key).map(|(_, value)| value.as_str())
}

/// The path of a URL of the host that the examples name.
fn path(url: &str) -> &str {
    url.strip_prefix("http://driftline.monitoring:8080").unwrap()
}

/// A metric of an `AnalysisTemplate` with its limits, and what it asks.
pub(crate) struct Asked {
    pub(crate) metric: argo::Metric,
    pub(crate) limits: Limits,
    /// A path, or a query.
    pub(crate) what: String,
}

/// The metric of this name.
pub(crate) fn argo(file: &str, name: &str) -> Asked {
    let metrics = items(file, "metrics");
    let item = metrics.iter().find(|item| get(item, "name") == Some(name)).unwrap();
    let number = |key: &str| get(item, key).map(|value| value.parse().unwrap());
    let limits = Limits {
        count: number("count"),
        has_interval: get(item, "interval").is_some(),
        failure: number("failureLimit"),
        inconclusive: number("inconclusiveLimit"),
        consecutive_error: number("consecutiveErrorLimit"),
        consecutive_success: number("consecutiveSuccessLimit"),
    };
    let condition = |key: &str| get(item, key).unwrap_or("");
    let metric = argo::Metric::new(condition("successCondition"), condition("failureCondition"));
    let what = get(item, "url").map(path).or(get(item, "query")).unwrap();
    Asked { metric, limits, what: what.to_owned() }
}

/// The webhooks of the canary.
pub(crate) fn hooks() -> Vec<Hook> {
    let known = ["name", "type", "url", "timeout", "metadata"];
    let hooks = items("flagger-canary.yaml", "webhooks");
    let hook = |item: &Vec<(String, String)>| Hook {
        kind: Kind::named(get(item, "type").unwrap()),
        path: path(get(item, "url").unwrap()).to_owned(),
        metadata: item.iter().filter(|(key, _)| !known.contains(&key.as_str())).cloned().collect(),
    };
    hooks.iter().map(hook).collect()
}

/// The queries of the metric templates.
pub(crate) fn queries() -> Vec<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/rollouts/flagger-metric-template.yaml");
    let text = fs::read_to_string(path).unwrap();
    let texts = text.split("  query:").skip(1);
    let trimmed = texts.map(|text| text.split("---").next().unwrap().trim_start_matches([' ', '|']));
    trimmed.map(|text| text.trim().to_owned()).collect()
}

#[test]
fn every_file_is_one_that_these_tests_read() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/rollouts");
    let mut names: Vec<String> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    let expected = [
        "argo-analysis-prometheus.yaml",
        "argo-analysis-web.yaml",
        "flagger-canary.yaml",
        "flagger-metric-template.yaml",
    ];
    assert_eq!(names, expected);
}

#[test]
fn what_they_ask_is_there() {
    let daemon = Daemon::with(vec![served("checkout", OnStale::Hold)], Some(TOKEN));
    daemon.says(result(Decision::Hold));
    for hook in hooks() {
        let answer = daemon.post(&hook.path, "{}");
        assert!(![404, 405].contains(&answer.status), "{}: {}", hook.path, answer.body);
    }
    for name in ["start", "verdict"] {
        let asked = argo("argo-analysis-web.yaml", name);
        let answer = daemon.post(&asked.what, "");
        assert!(![404, 405].contains(&answer.status), "{}: {}", asked.what, answer.body);
    }
    let verdict = daemon.verdict(&argo("argo-analysis-web.yaml", "verdict").what);
    let conditions = argo("argo-analysis-web.yaml", "verdict").metric;
    for condition in [conditions.success, conditions.failure] {
        for field in condition.split("result.").skip(1) {
            let field = field.split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap();
            assert!(verdict.get(field).is_some(), "{field} of {condition} is not in {verdict}");
        }
    }
    let kinds: Vec<Kind> = hooks().iter().map(|hook| hook.kind).collect();
    let wanted = [
        Kind::Event,
        Kind::PreRollout,
        Kind::PostRollout,
        Kind::Rollback,
        Kind::ConfirmTrafficIncrease,
        Kind::Rollout,
        Kind::ConfirmPromotion,
    ];
    assert_eq!(kinds, wanted);
    assert_eq!(queries().len(), 2);
}
