//! What can be used, but hardly is meant.

use std::path::Path;

use driftline::config::{Overrides, Problem, load_text};

use crate::{GOAL, MODEL, assert_told, experiment, fine};

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
fn bounds_of_what_is_not_kept_are_warned_of() {
    let field = "field = \"/x\"\nrole = \"goal\"\nbetter = \"lower\"\n";
    for (keys, metric, line, parts) in [
        (
            "label_delay = \"1d\"\n",
            field,
            13,
            ["label_delay: has no effect, as no metric needs labels", "brier"],
        ),
        ("max_waiting = 10\n", field, 13, ["max_waiting: has no effect, as no metric needs labels", "brier"]),
        (
            "mode = \"shadow\"\nmax_units = 10\n",
            GOAL,
            14,
            ["max_units: has no effect in shadow mode", "mode = \"split\""],
        ),
        (
            "by_unit = false\nmax_units = 10\n",
            GOAL,
            14,
            ["max_units: has no effect where every request", "by_unit = true"],
        ),
    ] {
        assert_told(&warnings(keys, metric), line, &parts, keys);
    }
    // Where they bound something.
    assert_eq!(warnings("label_delay = \"1d\"\nmax_waiting = 10\nmax_units = 10\n", GOAL), []);
    assert_eq!(warnings("mode = \"shadow\"\nmax_waiting = 10\n", field), []);
}

#[test]
fn an_effect_beside_a_margin_is_warned_of() {
    let guardrail = "of = \"brier\"\nrole = \"guardrail\"\nmargin = 0.1\nminimum_effect = 0.01\n";
    let parts = ["minimum_effect: has no effect on a guardrail with a margin", "remove it"];
    assert_told(&warnings("", guardrail), 18, &parts, guardrail);
    assert_eq!(warnings("", &format!("{GOAL}minimum_effect = 0.01\n")), []);
}

#[test]
fn an_experiment_that_anybody_may_start_is_warned_of() {
    let http = |listen: &str| format!("[http]\nlisten = {listen:?}\n");
    let token = "[alerts]\napi_token_env = \"API_TOKEN\"\n";
    let open = experiment("hooks = true\n", GOAL);
    for listen in ["0.0.0.0:9640", "[::]:9640", "10.0.0.7:9640"] {
        let parts = [
            &format!("hooks: whoever reaches {listen} can start and stop it, as no token is asked for"),
            "give alerts.api_token_file",
        ];
        let text = format!("{open}{}", http(listen));
        assert_told(&fine(&text).warnings, 13, &parts, &text);
    }
    let with_token = format!("{open}{}{token}", http("0.0.0.0:9640"));
    let overrides = Overrides::none().variable("API_TOKEN", "t");
    assert_eq!(load_text(&with_token, Path::new("c.toml"), &overrides).unwrap().warnings, []);
    for listen in ["127.0.0.1:9640", "[::1]:9640"] {
        assert_eq!(fine(&format!("{open}{}", http(listen))).warnings, []);
    }
    let closed = format!("{}{}", experiment("", GOAL), http("0.0.0.0:9640"));
    assert_eq!(fine(&closed).warnings, [], "it can't be started at all");
}
