//! The examples in config/rollouts, read as far as it takes to run them against the
//! pages: what they ask must exist, and what they compare must be in the answer.

use std::{fs, path::Path};

use crate::{
    analysis::{Limits, Phase, Run},
    argo,
    canary::{Hook, Kind},
    rig::{Daemon, TOKEN, result, served},
};
use driftline::{
    config::{Overrides, load},
    ops::OnStale,
    result::Decision,
};

/// A file's lines without comments, as (depth, whether an item begins, key, value).
fn lines(file: &str) -> Vec<(usize, bool, String, String)> {
    let text = text(file);
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

/// The experiment of the examples, with the arm and the metric that they ask about.
const NAMES: [&str; 3] = ["credit-canary", "canary", "errors"];
/// What these are called in the daemon under test.
const THERE: [&str; 3] = ["checkout", "b", "error_rate"];

/// With what Argo Rollouts would put for its arguments, and the name of the experiment
/// under test.
fn filled(value: &str) -> String {
    let value = value.strip_prefix('"').and_then(|value| value.strip_suffix('"')).unwrap_or(value);
    let pairs = [
        ("{{args.experiment}}", THERE[0]),
        ("{{args.release}}", "7f9c"),
        ("{{args.token}}", TOKEN),
        (NAMES[0], THERE[0]),
    ];
    pairs.iter().fold(value.to_owned(), |value, (name, with)| value.replace(name, with))
}

fn text(file: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/rollouts").join(file);
    fs::read_to_string(path).unwrap()
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

const HOST: &str = "http://driftline.monitoring:9640";

/// The path of a URL of the host that the examples name.
fn path(url: &str) -> &str {
    url.strip_prefix(HOST).unwrap()
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

/// The queries of the metric templates as they stand there.
fn written_queries() -> Vec<String> {
    let text = text("flagger-metric-template.yaml");
    let texts = text.split("  query:").skip(1);
    let trimmed = texts.map(|text| text.split("---").next().unwrap().trim_start_matches([' ', '|']));
    trimmed.map(|text| text.trim().to_owned()).collect()
}

/// The same about the experiment under test.
pub(crate) fn queries() -> Vec<String> {
    let there = |query: &String| {
        let pairs = NAMES.iter().zip(THERE);
        pairs.fold(query.clone(), |query, (name, with)| {
            query.replace(&format!("{name:?}"), &format!("{with:?}"))
        })
    };
    written_queries().iter().map(there).collect()
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
        "argo-analysis-stop.yaml",
        "argo-analysis-web.yaml",
        "argo-rollout.yaml",
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
    for (file, name) in [
        ("argo-analysis-web.yaml", "start"),
        ("argo-analysis-web.yaml", "verdict"),
        ("argo-analysis-stop.yaml", "stop"),
    ] {
        let asked = argo(file, name);
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

/// The notification posts to the same place as the step.
#[test]
fn an_abort_ends_the_experiment_as_the_last_step_does() {
    let file = "argo-analysis-stop.yaml";
    let lines = lines(file);
    let value =
        |key: &str| lines.iter().rev().find(|line| line.2 == key).map(|line| line.3.as_str()).unwrap();
    assert_eq!((value("url"), value("method")), (HOST, "POST"));
    let stop = argo(file, "stop");
    assert_eq!(value("path"), stop.what);
    let daemon = Daemon::with(vec![served(THERE[0], OnStale::Hold)], None);
    daemon.says(result(Decision::Hold));
    let answer = daemon.post(&stop.what, "");
    assert_eq!(answer.status, 202, "{}", answer.body);
    assert_eq!(stop.metric.evaluate(&answer.json().into()), Phase::Successful);
    let rollout = text("argo-rollout.yaml");
    for template in ["driftline-experiment", "driftline-experiment-stop"] {
        assert!(rollout.contains(&format!("- templateName: {template}\n")), "{template}");
    }
    assert!(rollout.contains("subscribe.on-rollout-aborted.driftline"));
}

#[test]
fn five_minutes_without_an_answer_abort_no_release() {
    for (file, name) in [
        ("argo-analysis-web.yaml", "start"),
        ("argo-analysis-web.yaml", "verdict"),
        ("argo-analysis-stop.yaml", "stop"),
        ("argo-analysis-prometheus.yaml", "verdict"),
    ] {
        let mut run = Run::new(argo(file, name).limits);
        let phases: Vec<Phase> = (0..30).map(|_| run.add(Phase::Error)).collect();
        assert_eq!(phases, [Phase::Running; 30], "{file}, {name}");
    }
}

#[test]
fn names_and_the_port_are_those_of_the_configuration() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let loaded = load(&root.join("config/experiments.toml"), &Overrides::none()).unwrap();
    let [id, arm, metric] = NAMES;
    let experiment = loaded.settings.experiments.iter().find(|experiment| experiment.id == id).unwrap();
    assert_eq!(experiment.arms, ["stable", arm]);
    assert!(experiment.metrics.iter().any(|known| known.name == metric));
    let served = loaded.settings.served_experiments.iter().find(|served| served.id == id).unwrap();
    assert!(served.hooks);
    assert_eq!(path(&format!("{HOST}/")), "/");
    assert!(HOST.ends_with(&format!(":{}", loaded.settings.http.listen.port())));
    let queries = written_queries();
    assert!(queries.iter().all(|query| query.contains(&format!("experiment={id:?}"))), "{queries:?}");
    assert!(queries[1].contains(&format!("arm={arm:?}, metric={metric:?}")), "{queries:?}");
    let canary = text("flagger-canary.yaml");
    let named = canary.lines().filter_map(|line| line.trim().strip_prefix("experiment: "));
    assert_eq!(named.collect::<Vec<_>>(), [id; 7]);
    let rollout = text("argo-rollout.yaml");
    assert_eq!(rollout.matches(&format!("value: {id}\n")).count(), 3);
    assert!(experiment.arms.iter().all(|role| rollout.contains(&format!("role: {role}\n"))));
}
