//! Rules as their users write them: in the configuration, in files of their
//! own, and those that come with the program.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::{fs, path::Path};

use driftline::{
    alert::{Labels, NoData, Outcome, Rule, Severity, Test, VitalRow},
    config::{ConfigErrors, Loaded, Overrides, default_rules, load_rules, load_text, rule_problems},
    event::parse_rfc3339,
    result::schema::Row,
};

const MODEL: &str = "[[models]]\nname = \"credit\"\nreference = { first_events = 10000 }\n";
const RULE: &str = "[[rules]]\nname = \"r\"\nmetric = \"drift.psi\"\nwhen = \">= 0.25\"\n";

fn parse(text: &str) -> Result<Loaded, ConfigErrors> {
    load_text(text, Path::new("test.toml"), &Overrides::none())
}

fn fine(text: &str) -> Loaded {
    parse(text).unwrap_or_else(|errors| panic!("{errors}\nin\n{text}"))
}

/// The rules of a text without those that come with the program.
fn own(text: &str) -> Vec<Rule> {
    fine(&format!("alerts.default_rules = false\n{text}{MODEL}")).settings.alerts.rules
}

fn names(rules: &[Rule]) -> Vec<&str> {
    rules.iter().map(|rule| rule.name.as_str()).collect()
}

#[test]
fn the_rules_that_come_with_driftline_have_no_errors_and_no_warnings() {
    let loaded = fine(MODEL);
    assert!(loaded.warnings.is_empty(), "{:?}", loaded.warnings);
    assert_eq!(loaded.settings.alerts.rules, default_rules());
    let expected = [
        "prediction_drift",
        "feature_drift",
        "data_quality",
        "volume",
        "multivariate_drift",
        "attribution_drift",
        "other_model",
        "experiment_rollback",
        "experiment_promotion",
        "experiment_unhealthy",
        "model_silent",
        "component_not_ready",
        "messages_refused",
        "events_late",
        "windows_unexplained",
        "results_refused",
    ];
    assert_eq!(names(&default_rules()), expected);
    for rule in default_rules() {
        assert!(rule.summary.is_some() && rule.description.is_some(), "{}", rule.name);
        let document = fs::read_to_string("docs/alerts.md").unwrap();
        let row = format!("| `{}` | {} |", rule.name, rule.severity.as_str());
        assert!(document.contains(&row), "docs/alerts.md lacks {row}");
    }
    let find = |name: &str| default_rules().into_iter().find(|rule| rule.name == name).unwrap();
    let selects = |rule: &Rule, value: &str| rule.selectors.iter().all(|(_, one)| one.selects(value));
    assert!(!selects(&find("feature_drift"), "prediction") && selects(&find("feature_drift"), "age"));
    assert!(selects(&find("prediction_drift"), "prediction_class"));
    assert!(!selects(&find("data_quality"), "volume") && selects(&find("data_quality"), "missing"));
    assert_eq!(find("results_refused").increase_over_ms, Some(600_000));
}

#[test]
fn a_rule_means_what_it_says() {
    let text = "[[alerts.mute_times]]\nname = \"nights\"\nfrom = \"22:00\"\nuntil = \"06:00\"\n\
        [[rules]]\nname = \"r\"\nmetric = \"drift.psi\"\nwhen = \">= 0.25\"\nresolve_when = \"< 0.1\"\n\
        models = \"cred*\"\nfeatures = [\"age\", \"income_*\"]\nfor = 3\nresolve_for = 2\nseverity = \"critical\"\n\
        labels.team = \"risk\"\nsummary = \"{{ feature }}: {{ psi | round(2) }} {{ value }} {{ end }}\"\n\
        description = \"d\"\nannotations.runbook = \"https://x\"\nno_data = \"fire\"\ninhibited_by = [\"s\"]\n\
        mute = [\"nights\"]\n\
        [[rules]]\nname = \"s\"\non = \"drift\"\nexpression = \"psi > 0.1 && feature == 'age'\"\n\
        resolve_expression = \"psi < 0.05\"\n";
    let rules = own(text);
    let rule = &rules[0];
    assert_eq!((rule.raise_after, rule.resolve_after), (3, 2));
    assert_eq!((rule.severity, rule.no_data), (Severity::Critical, NoData::Fire));
    assert_eq!(rule.labels["team"], "risk");
    assert_eq!(rule.annotations["runbook"].source(), "https://x");
    assert_eq!(
        (rule.inhibited_by.as_slice(), rule.mute.as_slice()),
        (&["s".to_owned()][..], &["nights".to_owned()][..])
    );
    let tags: Vec<(&str, String)> =
        rule.selectors.iter().map(|(tag, selector)| (tag.as_str(), selector.to_string())).collect();
    assert_eq!(tags, [("model", "cred*".to_owned()), ("feature", "age, income_*".to_owned())]);
    let Test::Field { name, raise, clear } = &rule.test else { panic!("{:?}", rule.test) };
    assert_eq!(
        (name.as_str(), raise.to_string(), clear.as_ref().unwrap().to_string()),
        ("psi", ">= 0.25".to_owned(), "< 0.1".to_owned())
    );
    let Test::Expression { clear, .. } = &rules[1].test else { panic!("{:?}", rules[1].test) };
    assert_eq!(clear.as_ref().unwrap().source(), "psi < 0.05");
    let plain = &own(RULE)[0];
    assert_eq!((plain.raise_after, plain.resolve_after, plain.severity), (1, 1, Severity::Warning));
    assert_eq!((plain.no_data, plain.increase_over_ms), (NoData::Keep, None));
}

#[test]
fn times_of_the_clock_are_looks_rounded_up() {
    for (time, looks) in [("1s", 1), ("15s", 1), ("16s", 2), ("5m", 20)] {
        let text = format!(
            "[[rules]]\nname = \"r\"\nmetric = \"component.unready_seconds\"\nwhen = \"> 1\"\n\
             for_time = \"{time}\"\nresolve_time = \"{time}\"\ncomponents = \"influxdb\"\n"
        );
        let rule = &own(&text)[0];
        assert_eq!((rule.raise_after, rule.resolve_after), (looks, looks), "{time}");
    }
}

#[test]
fn metrics_of_the_daemon_are_selected_by_their_labels() {
    let text = "[[rules]]\nname = \"r\"\nmetric = \"metric.driftline_messages_rejected_total\"\nwhen = \">= 10\"\n\
                increase_over = \"1h\"\nlabels_match.reason = [\"not_*\", \"wrong_type\"]\nfor_time = \"1m\"\n";
    let rule = &own(text)[0];
    assert_eq!((rule.measurement.as_str(), rule.increase_over_ms), ("metric", Some(3_600_000)));
    let (tag, selector) = &rule.selectors[0];
    assert!(tag == "reason" && selector.selects("not_json") && !selector.selects("late"));
    let Test::Field { name, .. } = &rule.test else { panic!("{:?}", rule.test) };
    assert_eq!(name, "driftline_messages_rejected_total");
}

#[test]
fn rules_over_experiments_select_experiments_arms_and_metrics() {
    let text = "[[rules]]\nname = \"r\"\nmetric = \"experiment.estimate\"\nwhen = \"< -0.1\"\n\
        models = \"cred*\"\nexperiments = \"v2\"\narms = [\"b\", \"c\"]\nmetrics = \"latency\"\n\
        summary = \"{{ experiment }} {{ arm }} {{ metric }} {{ lower }} {{ reason }}\"\n\
        [[rules]]\nname = \"s\"\nmetric = \"experiment.verdict\"\nwhen = \"== worse\"\n\
        resolve_when = \"!= worse\"\n\
        [[rules]]\nname = \"t\"\non = \"experiment_verdict\"\n\
        expression = \"verdict == 'hold' && phase == 'ended' && code < 1\"\n";
    let rules = own(text);
    let tags: Vec<(&str, String)> =
        rules[0].selectors.iter().map(|(tag, selector)| (tag.as_str(), selector.to_string())).collect();
    let expected = [("model", "cred*"), ("experiment", "v2"), ("arm", "b, c"), ("metric", "latency")];
    assert_eq!(tags, expected.map(|(tag, patterns)| (tag, patterns.to_owned())));
    assert_eq!(names(&rules), ["r", "s", "t"]);
}

#[test]
fn a_counter_without_an_increase_is_worth_a_warning() {
    let text =
        "[[rules]]\nname = \"r\"\nmetric = \"metric.driftline_events_decoded_total\"\nwhen = \">= 10\"\n";
    let loaded = fine(&format!("{text}{MODEL}"));
    assert_eq!(loaded.warnings.len(), 1);
    let said = loaded.warnings[0].to_string();
    assert!(said.starts_with("test.toml:3:10: rules[0].metric: ") && said.contains("is a counter"), "{said}");
}

#[test]
fn rules_that_come_with_driftline_can_be_left_out_and_replaced() {
    let rules =
        fine(&format!("alerts.disable = [\"volume\", \"model_silent\"]\n{MODEL}")).settings.alerts.rules;
    assert_eq!(rules.len(), default_rules().len() - 2);
    let feature_drift = rules.iter().find(|rule| rule.name == "feature_drift").unwrap();
    assert!(feature_drift.inhibited_by.is_empty(), "model_silent is left out");
    let text = "[[rules]]\nname = \"volume\"\nmetric = \"window.events\"\nwhen = \"< 10\"\ninhibited_by = [\"model_silent\"]\n";
    let rules = fine(&format!("{text}{MODEL}")).settings.alerts.rules;
    let volumes: Vec<&Rule> = rules.iter().filter(|rule| rule.name == "volume").collect();
    assert_eq!((volumes.len(), volumes[0].measurement.as_str()), (1, "window"));
    assert_eq!(rules.last().unwrap().name, "volume", "own rules stand behind");
    let rules = fine(&format!("alerts.default_rules = false\n{MODEL}")).settings.alerts.rules;
    assert!(rules.is_empty());
}

/// Each with a part of the one error that it gives, after `test.toml:`. `RULE`
/// begins in line 1 of what is put before the model.
const MISTAKES: &[(&str, &str)] = &[
    ("[[rules]]\nmetric = \"drift.psi\"\nwhen = \"> 1\"", "1:1: rules[0].name: missing"),
    ("[[rules]]\nname = \"r\"", "1:1: rules[0]: the rule looks at nothing\n  hint: write metric = "),
    ("[[rules]]\nname = \"r\"\nmetric = \"drift.psi\"", "1:1: rules[0].when: missing"),
    (
        "[[rules]]\nname = \"r\"\nmetric = \"drift.psi\"\nwhen = \"> 1\"\nexpression = \"psi > 1\"",
        "5:14: rules[0].expression: a rule is about a metric or an expression, found both",
    ),
    (
        "[[rules]]\nname = \"r\"\non = \"drift\"\nexpression = \"psi > 1\"\nwhen = \"> 1\"",
        "5:8: rules[0].when: when belongs to a rule with metric",
    ),
    (
        "[[rules]]\nname = \"r\"\nmetric = \"drift.psi\"\nwhen = \"> 1\"\nresolve_expression = \"psi < 1\"",
        "resolve_expression belongs to a rule with expression",
    ),
    (
        "[[rules]]\nname = \"r\"\nmetric = \"psi\"\nwhen = \"> 1\"",
        "3:10: rules[0].metric: \"psi\" is no measurement and field",
    ),
    (
        "[[rules]]\nname = \"r\"\nmetric = \"drfit.psi\"\nwhen = \"> 1\"",
        "3:10: rules[0].metric: there is no measurement \"drfit\"\n  hint: did you mean \"drift\"?",
    ),
    (
        "[[rules]]\nname = \"r\"\nmetric = \"drift.pis\"\nwhen = \"> 1\"",
        "3:10: rules[0].metric: drift has no field \"pis\"\n  hint: did you mean \"psi\"?",
    ),
    (
        "[[rules]]\nname = \"r\"\nmetric = \"alert.firing\"\nwhen = \"> 1\"",
        "there is no measurement \"alert\"",
    ),
    (
        "[[rules]]\nname = \"r\"\nmetric = \"metric.driftline_mesages_rejected_total\"\nwhen = \"> 1\"\nincrease_over = \"1h\"",
        "Driftline has no metric \"driftline_mesages_rejected_total\"\n  hint: did you mean \"driftline_messages_rejected_total\"?",
    ),
    (
        "[[rules]]\nname = \"r\"\nmetric = \"metric.driftline_step_seconds\"\nwhen = \"> 1\"",
        "driftline_step_seconds is a histogram",
    ),
    (
        "[[rules]]\nname = \"r\"\nmetric = \"drift.psi\"\nwhen = \"0.25\"",
        "4:8: rules[0].when: \"0.25\" has no comparison\n  hint: a condition is ",
    ),
    (
        "[[rules]]\nname = \"r\"\nmetric = \"drift.psi\"\nwhen = \"drifted\"",
        "4:8: rules[0].when: psi holds numbers, but \"drifted\" is about verdicts\n  hint: write \">= 0.25\"",
    ),
    (
        "[[rules]]\nname = \"r\"\nmetric = \"multivariate.pca_verdict\"\nwhen = \"drifted\"\nresolve_when = \"< 1\"",
        "5:16: rules[0].resolve_when: pca_verdict holds verdicts, but \"< 1\" is about numbers",
    ),
    (
        "[[rules]]\nname = \"r\"\nmetric = \"drift.kind\"\nwhen = \"> 1\"",
        "kind holds words, but \"> 1\" is about numbers",
    ),
    (
        "[[rules]]\nname = \"r\"\non = \"drift\"\nexpression = \"psi > \"",
        "4:14: rules[0].expression: not an expression: ",
    ),
    (
        "[[rules]]\nname = \"r\"\non = \"drift\"\nexpression = \"psy > 0.1\"",
        "4:14: rules[0].expression: \"psy\" is neither a tag nor a field of drift\n  hint: did you mean \"psi\"?",
    ),
    (
        "[[rules]]\nname = \"r\"\non = \"drift\"\nexpression = \"psi > 0.1\"\nresolve_expression = \"check == 'x'\"",
        "5:22: rules[0].resolve_expression: \"check\" is neither a tag nor a field of drift",
    ),
    (
        "[[rules]]\nname = \"r\"\non = \"drift\"\nexpression = \"psi > 0.1 && verdict > 2\"",
        "4:14: rules[0].expression: the expression can't hold: ",
    ),
    (
        "[[rules]]\nname = \"r\"\non = \"drift\"\nexpression = \"psi < 0.1 && longest(feature) > 2\"",
        "there is no \"longest\"",
    ),
    ("[[rules]]\nname = \"r\"\non = \"drift\"\nexpression = \"psi + 1.0\"", "it gives no truth value"),
    ("[[rules]]\nname = \"r\"\nexpression = \"psi > 0.1\"", "1:1: rules[0].on: missing"),
    (
        "[[rules]]\nname = \"r\"\non = \"metric\"\nexpression = \"x > 1\"",
        "metrics of the daemon are looked at one by one",
    ),
    (
        "[[rules]]\nname = \"r\"\nmetric = \"window.events\"\nwhen = \"< 1\"\nfeatures = \"age\"",
        "5:12: rules[0].features: window has no feature\n  hint: it can be narrowed by models, versions, variants",
    ),
    (
        "[[rules]]\nname = \"r\"\nmetric = \"component.ready\"\nwhen = \"< 1\"\nmodels = \"credit\"",
        "component has no model\n  hint: it can be narrowed by components",
    ),
    ("{RULE}features = []", "5:12: rules[0].features: the list is empty"),
    (
        "{RULE}models = [\"credit\", \"fruad\"]",
        "5:21: rules[0].models[1]: no model is called \"fruad\"\n  hint: there are credit",
    ),
    (
        "{RULE}models = \"credti\"",
        "5:10: rules[0].models: no model is called \"credti\"\n  hint: did you mean \"credit\"?",
    ),
    ("{RULE}models = 5", "5:10: rules[0].models: expected text or a list of texts, found the integer 5"),
    ("[[rules]]\nname = \"r\"\nmetric = \"experiment.verdict\"\nwhen = \"shifted\"", "4:8: rules[0].when: "),
    (
        "[[rules]]\nname = \"r\"\nmetric = \"experiment_verdict.code\"\nwhen = \"< 0\"\narms = \"b\"",
        "5:8: rules[0].arms: experiment_verdict has no arm\n  hint: it can be narrowed by models, experiments",
    ),
    ("{RULE}labels.arm = \"b\"", "rules[0].labels.arm: Driftline sets the label arm itself"),
    (
        "{RULE}labels_match.reason = \"late\"",
        "5:23: rules[0].labels_match.reason: drift is no metric of the daemon",
    ),
    (
        "[[rules]]\nname = \"r\"\nmetric = \"metric.driftline_events_dropped_total\"\nwhen = \"> 1\"\nincrease_over = \"1h\"\nlabels_match.raeson = \"late\"",
        "6:23: rules[0].labels_match.raeson: driftline_events_dropped_total has no label \"raeson\"\n  hint: did you mean \"reason\"?",
    ),
    ("{RULE}for = 0", "5:7: rules[0].for: 0 is not within 1 to 10000"),
    (
        "{RULE}for_time = \"5m\"",
        "5:12: rules[0].for_time: drift is counted in windows\n  hint: set for to how many",
    ),
    (
        "[[rules]]\nname = \"r\"\nmetric = \"model.silent_windows\"\nwhen = \"> 1\"\nresolve_for = 2",
        "5:15: rules[0].resolve_for: model is looked at by the clock, which has no windows\n  hint: set resolve_time",
    ),
    ("{RULE}increase_over = \"10m\"", "rules[0].increase_over: drift has no counters"),
    (
        "[[rules]]\nname = \"r\"\nmetric = \"metric.driftline_outbox_points\"\nwhen = \"> 1\"\nincrease_over = \"10m\"",
        "driftline_outbox_points is a gauge, which has no increase",
    ),
    (
        "[[rules]]\nname = \"r\"\nmetric = \"metric.driftline_events_decoded_total\"\nwhen = \"> 1\"\nincrease_over = \"9h\"",
        "5:17: rules[0].increase_over: the values of a counter are not kept for so long",
    ),
    (
        "[[rules]]\nname = \"r\"\nmetric = \"metric.driftline_events_decoded_total\"\nwhen = \"> 1\"\nincrease_over = \"10s\"",
        "\"10s\" is too short",
    ),
    ("{RULE}severity = \"warn\"", "rules[0].severity: expected \"info\" or \"warning\" or \"critical\""),
    (
        "{RULE}labels.severity = \"x\"",
        "5:19: rules[0].labels.severity: Driftline sets the label severity itself",
    ),
    ("{RULE}labels.alertname = \"x\"", "Driftline sets the label alertname itself"),
    ("{RULE}labels.feature = \"x\"", "Driftline sets the label feature itself"),
    (
        "{RULE}labels.\"my-team\" = \"x\"",
        "5:20: rules[0].labels.my-team: \"my-team\" is no name that receivers take\n  hint: write letters",
    ),
    (
        "{RULE}annotations.value = \"x\"",
        "Driftline sets the annotation value itself\n  hint: choose another name",
    ),
    (
        "{RULE}annotations.summary = \"x\"",
        "Driftline sets the annotation summary itself\n  hint: it has a key of its own",
    ),
    ("{RULE}annotations.\"1st\" = \"x\"", "\"1st\" is no name that receivers take"),
    ("{RULE}summary = \"{{ feature\"", "5:11: rules[0].summary: not a template: "),
    (
        "{RULE}summary = \"{{ featur }}\"",
        "5:11: rules[0].summary: nothing is filled in for \"featur\"\n  hint: did you mean \"feature\"?",
    ),
    ("{RULE}annotations.a = \"{{ check }}\"", "rules[0].annotations.a: nothing is filled in for \"check\""),
    (
        "[[rules]]\nname = \"r\"\nmetric = \"model.silent_windows\"\nwhen = \"> 1\"\ndescription = \"{{ start }}\"",
        "rules[0].description: nothing is filled in for \"start\"",
    ),
    ("{RULE}no_data = \"ok\"", "rules[0].no_data: expected \"keep\" or \"resolve\" or \"fire\""),
    ("{RULE}inhibited_by = [\"r\"]", "5:17: rules[0].inhibited_by[0]: a rule can't inhibit itself"),
    (
        "{RULE}inhibited_by = [\"model_silnt\"]",
        "5:17: rules[0].inhibited_by[0]: there is no rule \"model_silnt\"\n  hint: did you mean \"model_silent\"?",
    ),
    (
        "{RULE}mute = [\"nights\"]",
        "5:9: rules[0].mute[0]: there is no mute time \"nights\"\n  hint: add [[alerts.mute_times]]",
    ),
    (
        "{RULE}[[rules]]\nname = \"r\"\nmetric = \"drift.ks\"\nwhen = \"> 0.1\"",
        "6:8: rules[1].name: the rule \"r\" stands here twice, first at test.toml:2:8",
    ),
    ("{RULE}metrik = \"x\"", "5:1: rules[0].metrik: unknown key\n  hint: did you mean \"metric\"?"),
    (
        "alerts.disable = [\"volum\"]",
        "1:19: alerts.disable[0]: no rule \"volum\" comes with Driftline\n  hint: did you mean \"volume\"?",
    ),
    (
        "alerts.disable = [\"model_silent\"]\n[[rules]]\nname = \"r\"\nmetric = \"drift.psi\"\nwhen = \"> 1\"\ninhibited_by = [\"model_silent\"]",
        "there is no rule \"model_silent\"",
    ),
    ("alerts.rules = [\"no-such.toml\"]", "1:17: alerts.rules[0]: the file no-such.toml can't be read"),
    ("alerts.rules = [\"no-such-*.toml\"]", "1:17: alerts.rules[0]: no file is called \"no-such-*.toml\""),
    ("alerts.rules = [\"*/r.toml\"]", "only the name of a file may have * and ?, no folder"),
    ("[[alerts.mute_times]]\nfrom = \"22:00\"\nuntil = \"06:00\"", "1:1: alerts.mute_times[0].name: missing"),
    (
        "[[alerts.mute_times]]\nname = \"n\"\ndays = [\"mon\", \"Tuesday\"]",
        "3:16: alerts.mute_times[0].days[1]: \"Tuesday\" is no day\n  hint: write mon, tue",
    ),
    ("[[alerts.mute_times]]\nname = \"n\"\ndays = []", "alerts.mute_times[0].days: the list is empty"),
    (
        "[[alerts.mute_times]]\nname = \"n\"\nfrom = \"22:00\"",
        "3:8: alerts.mute_times[0].from: the mute time has no end",
    ),
    (
        "[[alerts.mute_times]]\nname = \"n\"\nuntil = \"22:00\"",
        "3:9: alerts.mute_times[0].until: the mute time has no beginning",
    ),
    (
        "[[alerts.mute_times]]\nname = \"n\"\nfrom = \"24:00\"\nuntil = \"06:00\"",
        "3:8: alerts.mute_times[0].from: \"24:00\" is no time of the day",
    ),
    (
        "[[alerts.mute_times]]\nname = \"n\"\nfrom = \"6:00\"\nuntil = \"07:00\"",
        "\"6:00\" is no time of the day",
    ),
    (
        "[[alerts.mute_times]]\nname = \"n\"\nfrom = \"06:00\"\nuntil = \"06:00\"",
        "the mute time ends when it begins",
    ),
    (
        "[[alerts.mute_times]]\nname = \"n\"\ntime_zone = \"Europe/Atlantis\"",
        "3:13: alerts.mute_times[0].time_zone: there is no time zone \"Europe/Atlantis\"",
    ),
    (
        "[[alerts.mute_times]]\nname = \"n\"\n[[alerts.mute_times]]\nname = \"n\"",
        "4:8: alerts.mute_times[1].name: the mute time \"n\" stands here twice",
    ),
    ("alerts.group_interval = \"0s\"", "alerts.group_interval: \"0s\" is too short"),
];

#[test]
fn each_mistake_gives_one_error_with_place_key_and_hint() {
    for (text, part) in MISTAKES {
        let whole = format!("{}\n{MODEL}", text.replace("{RULE}", RULE));
        let errors = parse(&whole).err().unwrap_or_else(|| panic!("no error in\n{whole}"));
        assert_eq!(errors.errors.len(), 1, "{errors}\nin\n{whole}");
        let said = errors.to_string();
        assert!(
            said.starts_with("error: test.toml:") && said.contains(part),
            "{said}\nlacks {part:?} in\n{whole}"
        );
        assert!(
            said.contains("\n  hint: ") || part.contains("within") || part.contains("expected"),
            "{said}"
        );
    }
}

#[test]
fn all_mistakes_are_told_at_once_in_the_order_of_files() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("rules")).unwrap();
    let file = |name: &str, text: &str| fs::write(folder.path().join("rules").join(name), text).unwrap();
    file(
        "a.toml",
        "[[rules]]\nname = \"a\"\nmetric = \"drift.pis\"\nwhen = \"drifting\"\ninhibited_by = [\"x\"]\n",
    );
    file("b.toml", "log.level = \"info\"\n[[rules]]\nname = \"r\"\nmetric = \"drift.psi\"\nwhen = \"> 1\"\n");
    file("c.toml", "[[rules]\n");
    file("ignored.txt", "no rules");
    let text = format!("windows.size = 5\n{RULE}for = 0\n{MODEL}");
    let path = folder.path().join("c.toml");
    let errors = load_text(&text, &path, &Overrides::none()).unwrap_err();
    let folder = format!("{}/", folder.path().display());
    let said: Vec<String> = errors
        .errors
        .iter()
        .map(|error| error.to_string().replace(&folder, "").lines().next().unwrap().to_owned())
        .collect();
    let begins = [
        "c.toml:1:16: windows.size: expected a duration",
        "c.toml:6:7: rules[0].for: 0 is not within",
        "rules/a.toml:3:10: rules[0].metric: drift has no field \"pis\"",
        "rules/a.toml:4:8: rules[0].when: \"drifting\" is neither a number nor a verdict",
        "rules/a.toml:5:17: rules[0].inhibited_by[0]: there is no rule \"x\"",
        "rules/b.toml:1:1: log: a rule file holds nothing but [[rules]]",
        "rules/b.toml:3:8: rules[0].name: the rule \"r\" stands here twice, first at c.toml:3:8",
        "rules/c.toml:1:9: not valid TOML: ",
    ];
    assert_eq!(said.len(), begins.len(), "{said:#?}");
    for (said, begin) in said.iter().zip(begins) {
        assert!(said.starts_with(begin), "{said}\ndoes not begin with\n{begin}");
    }
}

#[test]
fn rule_files_are_found_by_name_by_pattern_and_beside_the_configuration() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, rule: &str| {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, RULE.replace("\"r\"", &format!("{rule:?}"))).unwrap();
    };
    write("rules/b.toml", "b");
    write("rules/a.toml", "a");
    write("rules/a.toml.bak", "bak");
    write("more/x1.toml", "x1");
    write("more/x2.toml", "x2");
    let rules = |first: &str| {
        let text = format!("alerts.default_rules = false\n{first}\n{RULE}{MODEL}");
        let loaded = load_text(&text, &folder.path().join("c.toml"), &Overrides::none()).unwrap();
        loaded.settings.alerts.rules.into_iter().map(|rule| rule.name).collect::<Vec<_>>()
    };
    assert_eq!(rules(""), ["r", "a", "b"]);
    assert_eq!(rules("alerts.rules = [\"more/x?.toml\", \"rules/b.toml\"]"), ["r", "x1", "x2", "b"]);
    assert_eq!(rules("alerts.rules = [\"rules/b.toml\", \"rules/*.toml\"]"), ["r", "b", "a"]);
    assert_eq!(rules("alerts.rules = []"), ["r"]);
}

#[test]
fn a_rule_file_is_read_alone_with_the_names_that_it_may_use() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rules.toml");
    let text = format!("{RULE}models = \"any\"\ninhibited_by = [\"model_silent\"]\nmute = [\"nights\"]\n");
    fs::write(&path, &text).unwrap();
    let mute = "[[alerts.mute_times]]\nname = \"nights\"\nfrom = \"22:00\"\nuntil = \"06:00\"\n";
    let mute_times = fine(&format!("{mute}{MODEL}")).settings.alerts.mute_times;
    assert_eq!(names(&load_rules(&path, Some(&mute_times)).unwrap()), ["r"]);
    let said = load_rules(&path, Some(&[])).unwrap_err().to_string();
    assert!(said.contains("rules.toml:7:9: rules[0].mute[0]: there is no mute time \"nights\""), "{said}");
    let said = load_rules(&folder.path().join("gone.toml"), Some(&[])).unwrap_err().to_string();
    assert!(
        said.contains("gone.toml: can't be read") && said.contains("hint: name a file of [[rules]]"),
        "{said}"
    );
}

#[test]
fn mute_times_are_those_of_their_zone() {
    let text = "[[alerts.mute_times]]\nname = \"nights\"\ndays = [\"fri\"]\nfrom = \"22:00\"\nuntil = \"06:00\"\n\
                time_zone = \"America/New_York\"\n";
    let mute = &fine(&format!("{text}{MODEL}")).settings.alerts.mute_times[0];
    // 2026-07-10 is a Friday; New York is four hours behind.
    for (at, expected) in [
        ("2026-07-11T01:59:00Z", false),
        ("2026-07-11T02:00:00Z", true),
        ("2026-07-11T09:59:00Z", true),
        ("2026-07-11T10:00:00Z", false),
    ] {
        assert_eq!(mute.is_muted(parse_rfc3339(at.as_bytes()).unwrap()), expected, "{at}");
    }
}

#[test]
fn a_reload_names_the_rules_that_changed_and_no_others() {
    let templates = "summary = \"{{ feature }}\"\nannotations.a = \"{{ psi }}\"\n";
    let old = fine(&format!("{RULE}{templates}{MODEL}")).settings;
    let same = fine(&format!("{RULE}{templates}{MODEL}")).settings;
    assert_eq!(old.reload_changes(&same), driftline::config::ReloadChanges::default());
    let cases = [
        (RULE.replace("0.25", "0.3") + templates, vec!["rules.r"]),
        (RULE.to_owned() + &templates.replace("feature", "model"), vec!["rules.r"]),
        (format!("alerts.disable = [\"volume\"]\n{RULE}{templates}"), vec!["rules.volume"]),
        (format!("alerts.repeat_interval = \"1h\"\n{RULE}{templates}"), vec!["alerts.repeat_interval"]),
        (format!("[[alerts.mute_times]]\nname = \"n\"\n{RULE}{templates}"), vec!["alerts.mute_times.n"]),
    ];
    for (text, expected) in cases {
        let changes = old.reload_changes(&fine(&format!("{text}{MODEL}")).settings);
        assert_eq!(
            (changes.applied, changes.need_restart),
            (Vec::new(), expected.into_iter().map(ToOwned::to_owned).collect())
        );
    }
}

#[test]
fn expressions_compare_counts_and_scores_with_any_number() {
    let text = "[[rules]]\nname = \"r\"\non = \"segment\"\nexpression = \"n > 5000 && effect > 0.3\"\n\
                resolve_expression = \"effect < 1\"\n";
    let rule = &own(text)[0];
    for (n, effect, expected) in
        [(6_000.0, 0.4, Outcome::Breach), (5_000.0, 0.4, Outcome::Clear), (6_000.0, 2.0, Outcome::Breach)]
    {
        let fields = vec![("n".to_owned(), n), ("effect".to_owned(), effect)];
        let values = VitalRow { measurement: "segment", tags: Labels::new(), fields };
        let row = Row { measurement: "segment", tags: &[], fields: &values };
        assert_eq!(rule.outcome(&row), Some(expected), "{n} {effect}");
    }
}

#[test]
fn what_expressions_can_say() {
    for expression in [
        "verdict == 'drifted' && (psi > 0.3 || ks > 0.2)",
        "feature in ['age', 'income'] && missing_share > 0.1",
        "feature.startsWith('income_') && psi > psi_noise * 3.0",
        "size(unseen_names) > 0 && unseen_share > 0.01",
        "!(verdict == 'stable')",
        "unseen_names.contains('x')",
        "n / valid > 2.0",
        "(psi - psi_noise) / (ks - ks_noise) > 2.0",
    ] {
        own(&format!("[[rules]]\nname = \"r\"\non = \"drift\"\nexpression = \"{expression}\"\n"));
    }
}

#[test]
fn nothing_is_said_of_rules_about_a_reference_that_is_to_be_learned() {
    let text = format!("{RULE}features = \"nothing\"\n");
    assert!(fine(&format!("{text}{MODEL}")).rule_checks.iter().all(|check| check.rule.name != "r"));
    assert!(rule_problems(&own(&text)[0], &[("credit", None)]).is_empty());
}
