//! What the configuration says of experiments: every form, every default, and
//! every mistake with its line and what to do about it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::{collections::BTreeMap, path::Path, sync::Arc, time::Duration};

use driftline::{
    config::{ConfigErrors, Loaded, Overrides, Place, Problem, Settings, load_text},
    decode::{FieldSource, JsonPointer},
    event::EventTime,
    experiment::{
        ArmSource, Condition, Covariate, Design, ExperimentSettings, Inference, Loss, Margin, Method,
        MetricSettings, MetricValue, PromoteWhen, Split, Statistic, UnitSource, Winsorise,
    },
    ops::{OnStale, ServedExperiment},
    pipeline::{Learning, ModelSpec, ReferenceSpec},
    reference::{ColumnRole, Reference, ReferenceBuilder, Value},
    result::{Better, MetricRole},
};

/// Seven lines; what a test adds stands from line 8 on.
const MODEL: &str = "\
[windows]
size = \"5m\"
[[models]]
name = \"credit\"
reference = \"credit.json\"
features.country = { kind = \"categorical\" }
features.row = { ignore = true }
";
/// Five more lines; keys of the experiment follow from line 13 on.
const EXPERIMENT: &str = "\
[[experiments]]
id = \"e\"
model = \"credit\"
control = \"a\"
challengers = [\"b\"]
";

fn parse(text: &str) -> Result<Loaded, ConfigErrors> {
    load_text(text, Path::new("c.toml"), &Overrides::none())
}

fn fine(text: &str) -> Loaded {
    parse(text).unwrap_or_else(|errors| panic!("{errors}\nin\n{text}"))
}

/// An experiment with these keys, and one metric with those: its header stands in
/// the line after the experiment's keys.
fn experiment(keys: &str, metric: &str) -> String {
    format!("{MODEL}{EXPERIMENT}{keys}[[experiments.metrics]]\nname = \"m\"\n{metric}")
}

fn settings(keys: &str, metric: &str) -> Settings {
    fine(&experiment(keys, metric)).settings
}

fn metric(text: &str) -> MetricSettings {
    settings("", text).experiments.remove(0).metrics.remove(0)
}

fn pointer(token: &str) -> FieldSource {
    FieldSource::Pointer(JsonPointer(vec![token.to_owned()]))
}

/// The line of a problem, and the problem without its place.
fn told(problem: &Problem) -> (usize, String) {
    let Place::File { line, .. } = &problem.place else { panic!("{problem}") };
    let hint = problem.hint.as_deref().unwrap_or_default();
    (*line, format!("{}: {} -> {hint}", problem.key, problem.message))
}

/// Holds the only problem against its line and the parts of what is said.
fn assert_told(problems: &[Problem], line: usize, parts: &[&str], text: &str) {
    let [problem] = problems else { panic!("{problems:#?}\nin\n{text}") };
    let (found, said) = told(problem);
    assert_eq!(found, line, "{problem}\nin\n{text}");
    for part in parts {
        assert!(said.contains(part), "{said}\nlacks {part:?}");
    }
}

#[track_caller]
fn refused(text: &str, line: usize, parts: &[&str]) {
    let errors = parse(text).err().unwrap_or_else(|| panic!("no error in\n{text}"));
    assert_told(&errors.errors, line, parts, text);
}

const GOAL: &str = "of = \"brier\"\nrole = \"goal\"\n";

#[test]
fn defaults_are_those_that_are_told() {
    let settings = settings("", GOAL);
    let experiment = &settings.experiments[0];
    assert_eq!((experiment.id.as_str(), experiment.model.as_str()), ("e", "credit"));
    assert_eq!(experiment.arms, ["a", "b"]);
    assert_eq!(experiment.arm, ArmSource::Variant);
    assert_eq!(experiment.unit, UnitSource::Envelope);
    assert_eq!(experiment.design, Design::Split);
    assert_eq!(experiment.splits, []);
    let inference = Inference {
        method: Method::AlwaysValid,
        alpha: 0.05,
        srm_alpha: 0.001,
        power: 0.8,
        planned_events: 5_000,
        min_events: 100,
        promote_when: PromoteWhen::AllGoals,
    };
    assert_eq!(experiment.inference, inference);
    assert_eq!(experiment.label_delay_ms, 3_600_000);
    assert_eq!((experiment.most_waiting, experiment.most_units), (200_000, 1_000_000));
    assert_eq!((experiment.starts_at, experiment.ends_at, experiment.waits_for_start), (None, None, false));
    let metric = MetricSettings {
        name: "m".to_owned(),
        role: MetricRole::Goal,
        better: Better::Lower,
        statistic: Statistic::Mean,
        value: MetricValue::Loss(Loss::Brier),
        margin: None,
        minimum_effect: None,
        covariates: Vec::new(),
        caps: (None, None),
    };
    assert_eq!(experiment.metrics, std::slice::from_ref(&metric));
    // What the code takes for its defaults is what the configuration does.
    assert_eq!(*experiment, ExperimentSettings::new("e", "credit", &["a", "b"], vec![metric]));
    // Ten slides of five minutes are more than ten minutes.
    let stale_after = Duration::from_secs(3_000);
    let served = ServedExperiment { id: "e".to_owned(), hooks: false, stale_after, on_stale: OnStale::Hold };
    assert_eq!(settings.served_experiments, [served]);
    assert_eq!(settings.winsorised, []);
}

#[test]
fn every_key_of_an_experiment_is_taken() {
    let keys = "\
arm_field = { header = \"arm\" }
unit_field = \"/customer\"
split = \"90/10\"
method = \"group_sequential\"
alpha = 0.01
srm_alpha = 0.0001
power = 0.9
planned_events = 1000
min_events = 50
promote_when = \"any_goal\"
label_delay = \"0s\"
max_waiting = 10
max_units = 20
starts = 2026-03-01T00:00:00Z
ends = 2026-04-01T00:00:00Z
hooks = true
waits_for_start = true
stale_after = \"1m\"
on_stale = \"error\"
splits = [{ from = 2026-03-08T00:00:00Z, split = \" 1 / 1 \" }, { from = 2026-03-09T00:00:00Z, split = \"0.2/0.8\" }]
";
    let settings = settings(keys, GOAL);
    let experiment = &settings.experiments[0];
    assert_eq!(experiment.arm, ArmSource::Field(FieldSource::Header("arm".to_owned())));
    assert_eq!(experiment.unit, UnitSource::Field(pointer("customer")));
    let march = |day: i64| EventTime(1_772_323_200_000 + (day - 1) * 86_400_000);
    let split = |from: Option<EventTime>, weights: [f64; 2]| Split { from, weights: weights.to_vec() };
    let splits =
        [split(None, [90.0, 10.0]), split(Some(march(8)), [1.0, 1.0]), split(Some(march(9)), [0.2, 0.8])];
    assert_eq!(experiment.splits, splits);
    let inference = Inference {
        method: Method::GroupSequential,
        alpha: 0.01,
        srm_alpha: 0.0001,
        power: 0.9,
        planned_events: 1_000,
        min_events: 50,
        promote_when: PromoteWhen::AnyGoal,
    };
    assert_eq!(experiment.inference, inference);
    assert_eq!((experiment.label_delay_ms, experiment.most_waiting, experiment.most_units), (0, 10, 20));
    assert_eq!((experiment.starts_at, experiment.ends_at), (Some(march(1)), Some(march(32))));
    assert!(experiment.waits_for_start);
    let served = &settings.served_experiments[0];
    assert_eq!(
        (served.hooks, served.stale_after, served.on_stale),
        (true, Duration::from_secs(60), OnStale::Error)
    );
}

#[test]
fn arms_are_versions_and_designs_are_shadows() {
    let settings =
        settings("arm = \"version\"\nmode = \"shadow\"\nmethod = \"fixed\"\nplanned_events = 200\n", GOAL);
    let experiment = &settings.experiments[0];
    assert_eq!(experiment.arm, ArmSource::Version);
    assert_eq!(experiment.design, Design::Shadow { pair_timeout_ms: 600_000, max_unanswered: 0.01 });
    assert_eq!(experiment.inference.method, Method::FixedHorizon);
}

#[test]
fn a_result_is_fresh_for_ten_minutes_at_least() {
    let text = experiment("", GOAL).replace("size = \"5m\"", "size = \"10s\"");
    assert_eq!(fine(&text).settings.served_experiments[0].stale_after, Duration::from_secs(600));
    let text = experiment("", GOAL).replace("size = \"5m\"", "size = \"2h\"\nslide = \"30m\"");
    assert_eq!(fine(&text).settings.served_experiments[0].stale_after, Duration::from_secs(18_000));
}

#[test]
fn every_value_has_a_word_or_a_place() {
    for (text, value, statistic, better) in [
        ("of = \"prediction\"", MetricValue::Prediction, Statistic::Mean, Better::Higher),
        ("of = \"label\"", MetricValue::Label, Statistic::Mean, Better::Higher),
        ("of = \"log_loss\"", MetricValue::Loss(Loss::LogLoss), Statistic::Mean, Better::Lower),
        ("of = \"absolute_error\"", MetricValue::Loss(Loss::AbsoluteError), Statistic::Mean, Better::Lower),
        ("of = \"squared_error\"", MetricValue::Loss(Loss::SquaredError), Statistic::Mean, Better::Lower),
        (
            "of = \"correct\"",
            MetricValue::Loss(Loss::Correct),
            Statistic::Rate(Condition::IsTrue),
            Better::Higher,
        ),
        (
            "of = \"correct\"\nkind = \"rate\"",
            MetricValue::Loss(Loss::Correct),
            Statistic::Rate(Condition::IsTrue),
            Better::Higher,
        ),
        (
            "of = \"predicted_class\"\nkind = \"rate\"\nequals = \"yes\"\nbetter = \"lower\"",
            MetricValue::PredictedClass,
            Statistic::Rate(Condition::Equals("yes".into())),
            Better::Lower,
        ),
        (
            "field = \"/failed\"\nkind = \"rate\"",
            MetricValue::Field(pointer("failed")),
            Statistic::Rate(Condition::IsTrue),
            Better::Higher,
        ),
        (
            "of = \"absolute_error\"\nkind = \"rate\"\nbelow = 10",
            MetricValue::Loss(Loss::AbsoluteError),
            Statistic::Rate(Condition::Below(10.0)),
            Better::Higher,
        ),
        (
            "of = \"absolute_error\"\nkind = \"rate\"\nabove = 10.5",
            MetricValue::Loss(Loss::AbsoluteError),
            Statistic::Rate(Condition::Above(10.5)),
            Better::Lower,
        ),
        (
            "field = { header = \"amount\" }\nkind = \"ratio\"\nper = \"/items\"",
            MetricValue::Field(FieldSource::Header("amount".to_owned())),
            Statistic::Ratio(pointer("items")),
            Better::Higher,
        ),
        (
            "field = \"/ms\"\nkind = \"quantile\"\nquantile = 0.95",
            MetricValue::Field(pointer("ms")),
            Statistic::Quantile(0.95),
            Better::Higher,
        ),
    ] {
        let metric = metric(text);
        assert_eq!((metric.value, metric.statistic, metric.better), (value, statistic, better), "{text}");
        assert_eq!(metric.role, MetricRole::Plain);
    }
}

#[test]
fn margins_effects_covariates_and_caps() {
    let guardrail = "field = \"/ms\"\nrole = \"guardrail\"\nbetter = \"lower\"\n";
    assert_eq!(metric(&format!("{guardrail}margin = 5")).margin, Some(Margin::Absolute(5.0)));
    assert_eq!(metric(&format!("{guardrail}margin = 0")).margin, Some(Margin::Absolute(0.0)));
    assert_eq!(metric(&format!("{guardrail}margin_relative = 0.1")).margin, Some(Margin::Relative(0.1)));
    let metric = metric("field = \"/ms\"\ncovariates = [\"age\"]\nminimum_effect = 2\ncap = 9\nfloor = -1\n");
    assert_eq!(metric.covariates, [Covariate::Feature("age".to_owned())]);
    assert_eq!((metric.minimum_effect, metric.caps), (Some(2.0), (Some(-1.0), Some(9.0))));
}

#[test]
fn required_keys_are_asked_for() {
    for key in ["id", "model", "control", "challengers"] {
        let lines = EXPERIMENT.lines().filter(|line| !line.starts_with(key));
        let shorter: String = lines.flat_map(|line| [line, "\n"]).collect();
        let text = experiment("", GOAL).replace(EXPERIMENT, &shorter);
        refused(&text, 8, &[&format!("experiments[0].{key}: missing -> {key} = ")]);
    }
    let text = experiment("", GOAL).replace("name = \"m\"\n", "");
    refused(&text, 13, &["experiments[0].metrics[0].name: missing -> name = "]);
    refused(
        &format!("{MODEL}{EXPERIMENT}"),
        8,
        &["experiments[0].metrics: missing -> add [[experiments.metrics]]"],
    );
    refused(&experiment("", ""), 13, &["metrics[0].of: missing -> of = \"brier\", or field"]);
    let split = "split = \"1/1\"\n[[experiments.splits]]\n";
    refused(
        &experiment(&format!("{split}split = \"1/1\"\n"), GOAL),
        14,
        &["experiments[0].splits[0].from: missing -> from = 2026"],
    );
    refused(
        &experiment(&format!("{split}from = 2026-01-01T00:00:00Z\n"), GOAL),
        14,
        &["experiments[0].splits[0].split: missing -> split = "],
    );
}

#[test]
fn names_are_of_one_thing_each() {
    let wrong = |from: &str, to: &str, line: usize, parts: &[&str]| {
        refused(&experiment("", GOAL).replace(from, to), line, parts);
    };
    let model = "model = \"credit\"";
    wrong(model, "model = \"credits\"", 10, &["there is no model \"credits\"", "did you mean \"credit\"?"]);
    wrong(model, "model = \"hotel\"", 10, &["there is no model \"hotel\"", "there are credit"]);
    let challengers = "challengers = [\"b\"]";
    wrong(challengers, "challengers = []", 12, &["challengers: the list is empty", "as events name"]);
    wrong(
        challengers,
        "challengers = [\"b\", \"a\"]",
        12,
        &["challengers[1]: \"a\" is the control", "remove it"],
    );
    wrong(challengers, "challengers = [\"b\", \"b\"]", 12, &["challengers[1]: \"b\" stands here twice"]);
    let many: Vec<String> = (0..16).map(|index| format!("b{index}")).collect();
    wrong(challengers, &format!("challengers = {many:?}"), 12, &["16 challengers are more than 15"]);
    for id in ["a/b", "a b", "..", "a?b", "50%"] {
        let parts = ["can't stand in an address", "use letters"];
        wrong("id = \"e\"", &format!("id = {id:?}"), 9, &parts);
    }
    let twice = format!(
        "{}{EXPERIMENT}[[experiments.metrics]]\nname = \"m\"\nof = \"brier\"\n",
        experiment("", GOAL)
    );
    let errors = parse(&twice).unwrap_err();
    let parts = ["experiments[1].id: the experiment \"e\" stands here twice, first as experiments[0]"];
    assert_told(&errors.errors, 18, &parts, &twice);
    let twice = format!("{}[[experiments.metrics]]\nname = \"m\"\nof = \"brier\"\n", experiment("", GOAL));
    refused(&twice, 18, &["metrics[1].name: the metric \"m\" stands here twice", "its own name"]);
}

/// Keys of an experiment, the line of the mistake, and what is said of it.
const MISTAKES: &[(&str, usize, [&str; 2])] = &[
    (
        "arm = \"version\"\narm_field = \"/arm\"\n",
        14,
        ["arm_field: an event names its arm in one place, found two", "keep arm or arm_field"],
    ),
    ("arm_field = { constant = \"x\" }\n", 13, ["all events would be of one arm", "name where"]),
    ("arm_field = {}\n", 13, ["does not say where the field comes from", "keep one of pointer"]),
    ("arm_field = { header = \"x\", key = true }\n", 13, ["one place, found several", "keep one of pointer"]),
    ("unit_field = { constant = \"x\" }\n", 13, ["all events would be of one unit", "name where"]),
    ("split = \"half\"\n", 13, ["split: \"half\" is no split", "\"90/5/5\""]),
    ("split = \"50/inf\"\n", 13, ["is no split", "the control first"]),
    ("split = \"100/0\"\n", 13, ["leaves an arm without events", "leave out arms"]),
    ("split = \"1/-1\"\n", 13, ["leaves an arm without events", "above 0"]),
    ("split = \"1/1/1\"\n", 13, ["\"1/1/1\" is not one weight for each of 2 arms", "for a, b in this order"]),
    ("split = 50\n", 13, ["split: expected text, found the integer 50", "in quotes"]),
    (
        "splits = [{ from = 2026-01-01T00:00:00Z, split = \"1/1\" }]\n",
        13,
        ["splits: there is no split that these change", "add split"],
    ),
    (
        "split = \"1/1\"\n[[experiments.splits]]\nfrom = 2026-01-02T00:00:00Z\nsplit = \"1/2\"\n\
         [[experiments.splits]]\nfrom = 2026-01-02T00:00:00Z\nsplit = \"1/3\"\n",
        18,
        ["splits[1].from: it does not come after the one before it, 2026-01-02T00:00:00", "in the order"],
    ),
    (
        "split = \"1/1\"\nsplits = [{ from = 2026-01-02T00:00:00Z, split = \"1\" }]\n",
        14,
        ["splits[0].split: \"1\" is not one weight for each of 2 arms", "for a, b"],
    ),
    (
        "mode = \"shadow\"\nsplit = \"1/1\"\n",
        14,
        ["split: in shadow mode all arms see all requests", "remove split"],
    ),
    (
        "method = \"group_sequential\"\n",
        13,
        ["method: this method ends at a planned number of events", "add planned_events"],
    ),
    ("method = \"fixed\"\n", 13, ["which is not given", "method = \"always_valid\""]),
    (
        "method = \"fixed\"\nplanned_events = 150\n",
        14,
        ["it would end at 150 events, before two arms have the 100 of min_events", "plan for more"],
    ),
    ("method = \"sequential\"\n", 13, ["method: expected", ""]),
    ("alpha = 0\n", 13, ["alpha: 0 is not within 0.0001 to 0.5", ""]),
    (
        "starts = 2026-01-02T00:00:00Z\nends = 2026-01-02T00:00:00Z\n",
        14,
        ["ends: the experiment ends before it starts", "ends is exclusive"],
    ),
    (
        "waits_for_start = true\n",
        13,
        ["waits_for_start: it would never start", "add hooks = true, or remove waits_for_start"],
    ),
    (
        "label_delay = \"30d\"\n",
        13,
        [
            "label_delay: 8640 windows would wait for labels, as one begins every 5m and labels take 30d",
            "longer windows",
        ],
    ),
    (
        "chalengers = [\"x\"]\n",
        13,
        ["experiments[0].chalengers: unknown key", "did you mean \"challengers\"?"],
    ),
];

#[test]
fn each_mistake_in_an_experiment_gives_one_error_with_line_and_hint() {
    for (keys, line, parts) in MISTAKES {
        refused(&experiment(keys, GOAL), *line, parts);
    }
}

/// Keys of a metric from line 15 on, the line of the mistake, and what is said.
const METRIC_MISTAKES: &[(&str, usize, [&str; 2])] = &[
    ("of = \"brier\"\nfield = \"/x\"", 16, ["field: a metric has one value, found two", "keep of or field"]),
    ("field = { constant = \"1\" }", 15, ["field: all events would have the same value", "name where"]),
    ("of = \"predicted_class\"", 13, ["kind: a class is no number", "equals"]),
    (
        "of = \"predicted_class\"\nkind = \"rate\"",
        16,
        ["kind: it is not said which class is counted", "add equals"],
    ),
    (
        "of = \"predicted_class\"\nkind = \"rate\"\nabove = 1",
        17,
        ["above: a class is no number", "write equals"],
    ),
    (
        "of = \"correct\"\nkind = \"quantile\"\nquantile = 0.5",
        16,
        ["kind: a prediction is right or wrong", "rate"],
    ),
    (
        "of = \"correct\"\nkind = \"rate\"\nabove = 0.5",
        17,
        ["above: a prediction is right or wrong", "remove it"],
    ),
    ("field = \"/x\"\nkind = \"ratio\"", 13, ["per: missing", "per = \"/items\""]),
    ("field = \"/x\"\nkind = \"quantile\"", 13, ["quantile: missing", "quantile = 0.95"]),
    (
        "field = \"/x\"\nkind = \"quantile\"\nquantile = 1",
        17,
        ["quantile: 1 is no quantile", "between 0 and 1"],
    ),
    ("field = \"/x\"\nper = \"/y\"", 16, ["per: belongs to kind = \"ratio\"", "or write kind = \"ratio\""]),
    ("field = \"/x\"\nquantile = 0.5", 16, ["quantile: belongs to kind = \"quantile\"", "remove it"]),
    ("field = \"/x\"\nequals = \"1\"", 16, ["equals: belongs to kind = \"rate\"", "remove it"]),
    (
        "field = \"/x\"\nkind = \"rate\"\nabove = 1\nbelow = 2",
        18,
        ["below: a rate has one condition, found several", "keep one"],
    ),
    ("field = \"/x\"\nrole = \"goal\"", 13, ["better: missing", "better = \"lower\" or better = \"higher\""]),
    (
        "of = \"absolute_error\"\nkind = \"rate\"\nequals = \"0\"\nrole = \"goal\"",
        13,
        ["better: missing", "better = \"lower\""],
    ),
    (
        "of = \"brier\"\nrole = \"goal\"\nmargin = 0.1",
        17,
        ["margin: a goal is to get better", "role = \"guardrail\""],
    ),
    (
        "of = \"brier\"\nrole = \"goal\"\nmargin_relative = 0.1",
        17,
        ["margin_relative: a goal is to get better", "minimum_effect"],
    ),
    ("of = \"brier\"\nmargin = 0.1", 16, ["margin: a plain metric decides nothing", "role = \"guardrail\""]),
    (
        "of = \"brier\"\nrole = \"guardrail\"\nmargin = 1\nmargin_relative = 0.1",
        18,
        ["margin_relative: a metric has one margin, found two", "share of the control's value"],
    ),
    (
        "of = \"brier\"\nminimum_effect = 0",
        16,
        ["minimum_effect: no difference is not worth finding", "leave it out"],
    ),
    (
        "field = \"/x\"\nkind = \"quantile\"\nquantile = 0.5\ncovariates = [\"age\"]",
        18,
        ["covariates: only means are adjusted by covariates", "kind = \"mean\""],
    ),
    ("of = \"correct\"\ncovariates = [\"age\"]", 16, ["covariates: only means are adjusted", "remove them"]),
    (
        "of = \"brier\"\ncovariates = [\"1\", \"2\", \"3\", \"4\", \"5\", \"6\", \"7\", \"8\", \"9\"]",
        16,
        ["covariates: 9 covariates are more than 8", "keep those"],
    ),
    (
        "of = \"brier\"\ncovariates = [\"age\", \"age\"]",
        16,
        ["covariates[1]: \"age\" stands here twice", "remove one"],
    ),
    (
        "of = \"prediction\"\ncovariates = [\"prediction\"]",
        16,
        ["covariates[0]: the metric would be explained by itself", "remove it"],
    ),
    (
        "field = \"/features/age\"\ncovariates = [\"age\"]",
        16,
        ["covariates[0]: the metric would be explained by itself", "remove it"],
    ),
    ("of = \"brier\"\ncovariates = [\"row\"]", 16, ["the feature \"row\" is ignored", "or its ignore"]),
    (
        "of = \"brier\"\ncovariates = [\"country\"]",
        16,
        ["the feature \"country\" is categorical", "covariates are numeric"],
    ),
    ("field = \"/x\"\ncap = 1\nfloor = 1", 16, ["cap: the cap 1 is not above the floor 1", "below floor"]),
    (
        "field = \"/x\"\nkind = \"rate\"\ncap = 1",
        17,
        ["cap: only the values of means and ratios are capped", "remove it"],
    ),
    (
        "of = \"prediction\"\ncap = 1\nwinsorise = 0.999",
        17,
        ["winsorise: a metric has one cap, found two", "keep cap or winsorise"],
    ),
    (
        "of = \"prediction\"\nwinsorise = 1",
        16,
        ["winsorise: 1 would cap half of the values or none", "below 1"],
    ),
    (
        "of = \"brier\"\nwinsorise = 0.99",
        16,
        ["winsorise: the reference has no column of these values", "give cap"],
    ),
    (
        "field = \"/ms\"\nwinsorise = 0.99",
        16,
        ["the reference has no column of these values", "only the prediction"],
    ),
];

#[test]
fn each_mistake_in_a_metric_gives_one_error_with_line_and_hint() {
    for (keys, line, parts) in METRIC_MISTAKES {
        refused(&experiment("", keys), *line, parts);
    }
}

#[test]
fn shadows_compare_answers_one_by_one() {
    let shadow = |metric: &str, line: usize, parts: &[&str]| {
        refused(&experiment("mode = \"shadow\"\n", metric), line, parts);
    };
    let hint = "take kind = \"mean\" or kind = \"rate\"";
    shadow(
        "field = \"/x\"\nkind = \"ratio\"\nper = \"/y\"",
        17,
        &["kind: a ratio is not compared in shadow mode", hint],
    );
    shadow(
        "field = \"/x\"\nkind = \"quantile\"\nquantile = 0.5",
        17,
        &["kind: a quantile is not compared in shadow mode", hint],
    );
    shadow("of = \"brier\"\ncovariates = [\"age\"]", 17, &["covariates: in shadow mode nothing is adjusted"]);
    shadow("of = \"label\"", 16, &["of: in shadow mode all arms have the same labels", "of = \"brier\""]);
}

/// The warnings of a file without errors, but for those of guardrails and goals.
fn warnings(keys: &str, metric: &str) -> Vec<Problem> {
    fine(&experiment(keys, metric)).warnings
}

#[test]
fn what_can_be_used_but_hardly_is_meant_is_warned_of() {
    assert_eq!(warnings("", GOAL), []);
    let plain = "of = \"brier\"\n";
    let parts = [
        "metrics: there is neither a goal nor a guardrail: the verdict will always be hold",
        "role = \"goal\"",
    ];
    assert_told(&warnings("", plain), 13, &parts, plain);
    let open = "of = \"brier\"\nrole = \"guardrail\"\n";
    let parts = ["margin: without a margin it can never be proven", "add margin or margin_relative"];
    assert_told(&warnings("", open), 13, &parts, open);
    let own = format!("{GOAL}covariates = [\"prediction\"]");
    let parts = ["covariates[0]: the prediction is made by the arm", "the same model"];
    assert_told(&warnings("", &own), 17, &parts, &own);
    for (key, value) in [("pair_timeout", "\"1m\""), ("max_unanswered", "0.5")] {
        let no_effect = format!("{key}: has no effect where arms share the traffic");
        let parts = [no_effect.as_str(), "mode = \"shadow\""];
        assert_told(&warnings(&format!("{key} = {value}\n"), GOAL), 13, &parts, "");
    }
}

#[test]
fn a_daemon_without_a_folder_is_warned_that_experiments_begin_anew() {
    let kafka = "[kafka]\nbrokers = \"b:1\"\ntopics = [\"t\"]\n";
    let text = experiment("", GOAL) + kafka;
    let parts = ["experiments: experiments begin anew at every restart", "give state_dir"];
    assert_told(&fine(&text).warnings, 8, &parts, &text);
    assert_eq!(fine(&format!("state_dir = \"s\"\n{text}")).warnings, []);
    assert_eq!(fine(&format!("{MODEL}{kafka}")).warnings, [], "there are no experiments");
}

#[test]
fn labels_that_are_not_looked_at_may_take_any_time() {
    settings("label_delay = \"30d\"\n", "field = \"/x\"\nrole = \"goal\"\nbetter = \"lower\"");
    // The last length that is taken: 2,000 windows of five minutes.
    settings("label_delay = \"10000m\"\n", GOAL);
    refused(&experiment("label_delay = \"10005m\"\n", GOAL), 13, &["2001 windows would wait"]);
}

#[test]
fn all_mistakes_are_told_at_once_and_each_once() {
    let text = experiment(
        "alpha = 2\nsplit = \"x\"\nmode = \"mirror\"\nmethod = \"fixed\"\nchalengers = [\"c\"]\nwaits_for_start = true\n",
        "of = \"briar\"\nrole = \"gaol\"\nkind = \"means\"\nmargin = -1\nbetter = \"up\"\ncovariates = [\"row\", 5]\n",
    );
    let text = text.replace("challengers = [\"b\"]\n", "");
    let errors = parse(&text).unwrap_err().errors;
    let keys: Vec<&str> = errors.iter().map(|error| error.key.rsplit('.').next().unwrap()).collect();
    let expected = [
        "alpha",
        "split",
        "mode",
        "method",
        "chalengers",
        "waits_for_start",
        "of",
        "role",
        "kind",
        "margin",
        "better",
        "covariates[1]",
    ];
    assert_eq!(keys, expected, "{errors:#?}");
}

#[test]
fn a_list_that_is_none_is_told_how_it_begins() {
    let text = format!("{MODEL}{EXPERIMENT}metrics = \"brier\"\n");
    refused(
        &text,
        13,
        &["experiments[0].metrics: expected a list of tables", "begin each with [[experiments.metrics]]"],
    );
}

#[test]
fn experiments_need_a_restart() {
    let old = settings("", GOAL);
    for (keys, metric) in [
        ("alpha = 0.01\n", GOAL.to_owned()),
        ("on_stale = \"error\"\n", GOAL.to_owned()),
        ("", format!("{GOAL}minimum_effect = 1")),
    ] {
        let changes = old.reload_changes(&settings(keys, &metric));
        assert_eq!(
            (changes.applied.as_slice(), changes.need_restart.as_slice()),
            (&[][..], &["experiments.e".to_owned()][..])
        );
    }
    let (capped, higher) = (
        settings("", "of = \"prediction\"\nwinsorise = 0.99"),
        settings("", "of = \"prediction\"\nwinsorise = 0.999"),
    );
    assert_eq!(capped.reload_changes(&higher).need_restart, ["experiments.e"]);
    assert!(old.reload_changes(&settings("", GOAL)).need_restart.is_empty());
}

/// A reference of `credit` with amounts from 0 to 999, balances from -499 to 500, a
/// column that is nearly always 0, and a category.
fn reference() -> Reference {
    let mut builder = ReferenceBuilder::new("credit", &BTreeMap::new(), 10);
    for index in 0..1_000_u32 {
        let (number, feature) = (f64::from(index), ColumnRole::Feature);
        let rare = if index == 7 { 1.0 } else { 0.0 };
        builder.push_row([
            ("amount", feature, Value::Number(number)),
            ("balance", feature, Value::Number(number - 499.0)),
            ("rare", feature, Value::Number(rare)),
            ("city", feature, Value::Text(["rome", "oslo"][index as usize % 2])),
            ("prediction", ColumnRole::Prediction, Value::Number(number / 1_000.0)),
        ]);
    }
    builder.finish("a test".to_owned()).unwrap().0
}

fn ready() -> Vec<ModelSpec> {
    let reference = ReferenceSpec::Ready { reference: Arc::new(reference()), covers_until: None };
    vec![ModelSpec::new("credit", reference)]
}

/// Whether a quantile is right but for the width of a bin, within which counts
/// know no values.
fn close(found: Option<f64>, expected: f64, bin: f64) -> bool {
    found.is_some_and(|found| (found - expected).abs() <= bin)
}

/// The caps that a metric gets from the reference.
fn frozen(text: &str) -> Result<(Option<f64>, Option<f64>), String> {
    let frozen = settings("", text).frozen_experiments(&ready());
    frozen.map(|experiments| experiments[0].metrics[0].caps).map_err(|error| error.to_string())
}

#[test]
fn caps_are_quantiles_of_the_reference() {
    let loaded = settings("", "of = \"prediction\"\nwinsorise = 0.99");
    let expected = Winsorise {
        experiment: "e".to_owned(),
        metric: "m".to_owned(),
        column: "prediction".to_owned(),
        quantile: 0.99,
    };
    assert_eq!(loaded.winsorised, [expected]);
    assert_eq!(loaded.experiments[0].metrics[0].caps, (None, None), "not before there is a reference");
    let (floor, cap) = frozen("of = \"prediction\"\nwinsorise = 0.99").unwrap();
    assert!(floor.is_none() && close(cap, 0.98901, 0.001), "{cap:?}");
    let (floor, cap) = frozen("field = \"/features/amount\"\nwinsorise = 0.9").unwrap();
    assert!(floor.is_none() && close(cap, 899.1, 1.0), "{cap:?}");
    let (floor, cap) = frozen("field = \"/features/amount\"\nwinsorise = 0.9\nfloor = 5").unwrap();
    assert!(floor == Some(5.0) && close(cap, 899.1, 1.0), "{floor:?}");
    // Negative values are capped on the other side too, but for a floor of its own.
    let (floor, cap) = frozen("field = \"/features/balance\"\nwinsorise = 0.9").unwrap();
    assert!(close(floor, 99.9 - 499.0, 1.0) && close(cap, 899.1 - 499.0, 1.0), "{floor:?} {cap:?}");
    let (floor, _) = frozen("field = \"/features/balance\"\nwinsorise = 0.9\nfloor = -5").unwrap();
    assert_eq!(floor, Some(-5.0));
}

#[test]
fn features_stand_where_events_have_them() {
    let text = experiment("", "field = \"/amount\"\nwinsorise = 0.9\n") + "[events]\nfeatures = \"\"\n";
    assert_eq!(fine(&text).settings.winsorised[0].column, "amount");
    let text = experiment("", "field = \"/in/put/amount\"\nwinsorise = 0.9\n")
        + "[events]\nfeatures = \"/in/put\"\n";
    assert_eq!(fine(&text).settings.winsorised[0].column, "amount");
}

#[test]
fn references_that_give_no_cap_are_told_with_what_to_do() {
    for (text, parts) in [
        (
            "field = \"/features/amont\"",
            ["has no column \"amont\"", "its numeric columns are amount, balance, rare"],
        ),
        ("field = \"/features/city\"", ["\"city\" is not numeric", "give cap"]),
        (
            "field = \"/features/rare\"",
            ["all values would be taken for 0, as 0 is the cap", "higher quantile"],
        ),
        ("field = \"/features/amount\"\nfloor = 950", ["taken for 950, as 89", "give cap"]),
    ] {
        let text = format!("{text}\nwinsorise = 0.9\n");
        let error = frozen(&text).unwrap_err();
        assert!(error.starts_with("experiment \"e\", metric \"m\", winsorise: "), "{error}");
        assert!(parts.iter().all(|part| error.contains(part)), "{error}\nlacks one of {parts:?}");
        // `validate` says the same with the line.
        let loaded = fine(&experiment("", &text));
        let reference = reference();
        let known = [("credit", Some(&reference))];
        let problems: Vec<Problem> =
            loaded.column_checks.iter().filter_map(|check| check.problem(&known)).collect();
        let line = 14 + text.lines().count();
        assert_told(&problems, line, &["metrics[0].winsorise: ", parts[0], parts[1]], &text);
    }
}

#[test]
fn a_reference_that_is_learned_comes_too_late_for_a_cap() {
    let text = experiment("", "of = \"prediction\"\nwinsorise = 0.99");
    let learned = text.replace("\"credit.json\"", "{ first_events = 10000 }");
    refused(&learned, 16, &["winsorise: the model's reference is learned", "`driftline reference` makes"]);
    let specs = [ModelSpec::new("credit", ReferenceSpec::Learn(Learning::FirstEvents(10_000)))];
    let error = fine(&text).settings.frozen_experiments(&specs).unwrap_err().to_string();
    assert!(error.contains("still to be learned; give cap in place of winsorise"), "{error}");
}

#[test]
fn covariates_are_columns_of_the_reference() {
    let reference = reference();
    let problems = |covariates: &str, reference: Option<&Reference>| -> Vec<Problem> {
        let loaded = fine(&experiment("", &format!("{GOAL}covariates = {covariates}")));
        let known = [("credit", reference)];
        loaded.column_checks.iter().filter_map(|check| check.problem(&known)).collect()
    };
    assert_eq!(problems("[\"amount\", \"balance\"]", Some(&reference)), []);
    let parts = [
        "covariates[1]: the reference of model \"credit\" has no column \"amont\"",
        "did you mean \"amount\"?",
    ];
    assert_told(&problems("[\"balance\", \"amont\"]", Some(&reference)), 17, &parts, "");
    let parts = ["\"city\" is not numeric", "covariates are numeric features"];
    assert_told(&problems("[\"city\"]", Some(&reference)), 17, &parts, "");
    assert_eq!(problems("[\"amont\"]", None), [], "a reference that can't be read is told as that");
}
