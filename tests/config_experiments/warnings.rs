//! What can be used, but hardly is meant.

use driftline::config::Problem;

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
