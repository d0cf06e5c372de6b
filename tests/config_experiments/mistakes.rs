//! Every mistake, told once with its line and what to do about it.

use crate::{EXPERIMENT, GOAL, MODEL, assert_told, experiment, parse, refused, settings};

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
