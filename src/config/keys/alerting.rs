//! The keys of alerts, rules and receivers.

use super::{
    Default::{Absent, Bool, Integer, Required, Text},
    KeySpec, Kind,
    table::{AT_LEAST_A_SECOND, POSITIVE, key},
};

/// Windows in a row: more are never remembered.
const WINDOWS: Kind = Kind::Integer { min: 1, max: 10_000 };
/// Times between two looks at what the clock drives are no shorter.
const AT_LEAST_A_LOOK: Kind = Kind::Duration { min_ms: 15_000 };

const fn selector(path: &'static str, meaning: &'static str) -> KeySpec {
    key(path, Kind::Patterns, Absent("all"), meaning)
}

const fn text(path: &'static str, absent: &'static str, meaning: &'static str) -> KeySpec {
    key(path, Kind::Text, Absent(absent), meaning)
}

const fn secret(path: &'static str, meaning: &'static str) -> KeySpec {
    key(path, Kind::Secret, Absent("none"), meaning)
}

const fn secret_file(path: &'static str, meaning: &'static str) -> KeySpec {
    key(path, Kind::Path, Absent("none"), meaning)
}

/// `[alerts]`, `[[rules]]` and `[[receivers]]`.
pub(super) const KEYS: &[KeySpec] = &[
    key(
        "alerts.default_rules",
        Kind::Bool,
        Bool(true),
        "whether the rules that come with Driftline are used",
    ),
    key("alerts.disable", Kind::TextList, Absent("none"), "names of such rules that are left out"),
    key(
        "alerts.rules",
        Kind::TextList,
        Absent("`rules/*.toml` beside the configuration file, where there are any"),
        "files that hold nothing but `[[rules]]`; the name of a file may have `*` and `?`",
    ),
    key(
        "alerts.group_wait",
        Kind::Duration { min_ms: 0 },
        Text("30s"),
        "how long the first notification of a model and severity waits for further alerts",
    ),
    key(
        "alerts.group_interval",
        AT_LEAST_A_SECOND,
        Text("5m"),
        "least time between two notifications of a model and severity with something new",
    ),
    key(
        "alerts.repeat_interval",
        AT_LEAST_A_SECOND,
        Text("4h"),
        "how often alerts that go on firing are told again",
    ),
    text(
        "alerts.external_url",
        "notifications have no link to Driftline",
        "address at which people reach Driftline's own pages",
    ),
    text(
        "alerts.dashboard_url",
        "notifications have no link to a dashboard",
        "page about a model; `{model}`, `{version}`, `{variant}`, `{feature}`, `{experiment}`, `{from}` and `{to}` \
         (milliseconds) are filled in",
    ),
    key(
        "alerts.api_token",
        Kind::Secret,
        Absent("silences can only be read over HTTP; the rest needs no token"),
        "token that a request needs to change silences, to have an event explained, and to start or stop an \
         experiment; better kept in a file or the environment",
    ),
    secret_file("alerts.api_token_file", "file that holds that token"),
    text("alerts.api_token_env", "none", "environment variable that holds that token"),
    key("alerts.mute_times[].name", Kind::Text, Required, "name by which rules ask for it in `mute`"),
    key(
        "alerts.mute_times[].days",
        Kind::TextList,
        Absent("every day"),
        "days on which it begins, as `\"mon\"` to `\"sun\"`",
    ),
    text("alerts.mute_times[].from", "whole days", "time of the day at which it begins, as `\"22:00\"`"),
    text(
        "alerts.mute_times[].until",
        "whole days",
        "time at which it ends; before `from`, it is that of the next day",
    ),
    key(
        "alerts.mute_times[].time_zone",
        Kind::Text,
        Text("UTC"),
        "time zone of the above, such as `\"Europe/Berlin\"`",
    ),
    key(
        "rules[].name",
        Kind::Text,
        Required,
        "name of its alerts; a rule with the name of one that comes with Driftline replaces it",
    ),
    text("rules[].metric", "`on` and `expression`", "what is looked at, as `measurement.field`"),
    text(
        "rules[].when",
        "needed with `metric`",
        "condition that raises an alert, such as `\">= 0.25\"` or `\"drifted\"`",
    ),
    text("rules[].resolve_when", "where `when` does not hold", "condition that resolves it"),
    text("rules[].on", "needed with `expression`", "measurement that `expression` is about"),
    text(
        "rules[].expression",
        "`metric` and `when`",
        "condition over the tags and fields of a row, in the Common Expression Language",
    ),
    text("rules[].resolve_expression", "where `expression` does not hold", "condition that resolves it"),
    selector("rules[].models", "models"),
    selector("rules[].versions", "versions of models"),
    selector("rules[].variants", "variants"),
    selector("rules[].features", "columns: features, `prediction` and `prediction_class`"),
    selector("rules[].segments", "segments as `feature=value`; `all` is all rows together"),
    selector("rules[].checks", "checks of `quality`"),
    selector("rules[].references", "further references of `comparison`, as `compare_with` names them"),
    selector("rules[].experiments", "experiments"),
    selector("rules[].arms", "arms of experiments"),
    selector("rules[].metrics", "metrics of experiments"),
    selector("rules[].components", "parts of the daemon"),
    selector("rules[].labels_match.*", "of `metric.*`: series, by the value of this label"),
    key("rules[].for", WINDOWS, Integer(1), "windows in a row in which the condition must hold"),
    key("rules[].resolve_for", WINDOWS, Integer(1), "windows in a row in which it must not hold any more"),
    key(
        "rules[].for_time",
        POSITIVE,
        Absent("at the first look"),
        "in place of `for`, of `model.*`, `component.*` and `metric.*`, which are looked at every 15 s",
    ),
    key("rules[].resolve_time", POSITIVE, Absent("at the first look"), "in place of `resolve_for`, likewise"),
    key(
        "rules[].increase_over",
        AT_LEAST_A_LOOK,
        Absent("the value itself"),
        "of `metric.*`: the condition is about how much the counter grew in so long",
    ),
    key(
        "rules[].severity",
        Kind::Choice(&["info", "warning", "critical"]),
        Text("warning"),
        "how much it matters; receivers choose by it",
    ),
    text("rules[].labels.*", "none", "further label of its alerts"),
    text("rules[].summary", "the condition and the value", "title of its alerts; a template"),
    text("rules[].description", "none", "what else is to be said, such as what to do; a template"),
    text("rules[].annotations.*", "none", "further text of its alerts; a template"),
    key(
        "rules[].no_data",
        Kind::Choice(&["keep", "resolve", "fire"]),
        Text("keep"),
        "what a window without data does: nothing, or it counts as one in which the condition does not hold, or does",
    ),
    key(
        "rules[].inhibited_by",
        Kind::TextList,
        Absent("none"),
        "rules; while one of them fires for the model, alerts of this one are not told",
    ),
    key(
        "rules[].mute",
        Kind::TextList,
        Absent("none"),
        "names of `alerts.mute_times` in which it is not told",
    ),
    key("receivers[].name", Kind::Text, Required, "name in metrics, logs and payloads"),
    key(
        "receivers[].type",
        Kind::Choice(&["webhook", "alertmanager", "slack", "pagerduty", "email", "command"]),
        Required,
        "what it is",
    ),
    selector("receivers[].models", "models that it is told of; what is about the daemon has an empty name"),
    key("receivers[].severities", Kind::TextList, Absent("all"), "severities that it is told of"),
    key("receivers[].send_resolved", Kind::Bool, Bool(true), "whether it is told what is over"),
    key("receivers[].timeout", AT_LEAST_A_SECOND, Text("15s"), "limit of one attempt"),
    key(
        "receivers[].give_up_after",
        AT_LEAST_A_SECOND,
        Text("24h"),
        "age at which a notification that can't be delivered is given up",
    ),
    key(
        "receivers[].ca_file",
        Kind::Path,
        Absent("the system's certificates"),
        "certificate authorities to trust, PEM; all but `command`",
    ),
    secret("receivers[].url", "webhook, slack, pagerduty: address; that of Slack is a secret"),
    secret_file("receivers[].url_file", "webhook, slack: file that holds it"),
    text("receivers[].url_env", "none", "webhook, slack: environment variable that holds it"),
    key("receivers[].urls", Kind::TextList, Absent("none"), "alertmanager: addresses of all its instances"),
    key(
        "receivers[].resend_interval",
        AT_LEAST_A_SECOND,
        Text("1m"),
        "alertmanager: how often firing alerts are sent again",
    ),
    secret(
        "receivers[].secret",
        "webhook: secret that requests are signed with, or several with white space between",
    ),
    secret_file("receivers[].secret_file", "webhook: file that holds one or several"),
    text("receivers[].secret_env", "none", "webhook: environment variable that holds one or several"),
    secret("receivers[].authorization", "webhook, alertmanager: header `Authorization`, such as `Bearer …`"),
    secret_file("receivers[].authorization_file", "webhook, alertmanager: file that holds it"),
    text(
        "receivers[].authorization_env",
        "none",
        "webhook, alertmanager: environment variable that holds it",
    ),
    secret("receivers[].routing_key", "pagerduty: key of the integration"),
    secret_file("receivers[].routing_key_file", "pagerduty: file that holds it"),
    text("receivers[].routing_key_env", "none", "pagerduty: environment variable that holds it"),
    text("receivers[].host", "needed for email", "email: name of the SMTP server"),
    key(
        "receivers[].port",
        Kind::Integer { min: 1, max: 65_535 },
        Absent("587, implicit 465, none 25"),
        "email: its port",
    ),
    key(
        "receivers[].tls",
        Kind::Choice(&["starttls", "implicit", "none"]),
        Text("starttls"),
        "email: how the connection is protected",
    ),
    text("receivers[].username", "no login", "email: user"),
    secret("receivers[].password", "email: password; better kept in a file or the environment"),
    secret_file("receivers[].password_file", "email: file that holds the password"),
    text("receivers[].password_env", "none", "email: environment variable that holds the password"),
    text("receivers[].from", "needed for email", "email: sender"),
    key("receivers[].to", Kind::TextList, Absent("needed for email"), "email: recipients"),
    key(
        "receivers[].command",
        Kind::TextList,
        Absent("needed for command"),
        "command: program and arguments; it is given each notification as a line of JSON",
    ),
];
