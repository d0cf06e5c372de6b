//! Receivers as their users write them.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::{fs, path::Path, time::Duration};

use driftline::{
    alert::Severity,
    config::{ConfigErrors, Loaded, Overrides, load_text},
    notify::{ReceiverKind, ReceiverSettings, SmtpTls},
};
use secrecy::{ExposeSecret, SecretString};

const MODEL: &str = "[[models]]\nname = \"credit\"\nreference = { first_events = 10000 }\n";
/// Of 32 and of 24 bytes.
const SIGNING_1: &str = "whsec_Nzc3Nzc3Nzc3Nzc3Nzc3Nzc3Nzc3Nzc3Nzc3Nzc3Nzc=";
const SIGNING_2: &str = "whsec_ODg4ODg4ODg4ODg4ODg4ODg4ODg4ODg4";
const SLACK: &str = "https://hooks.example.com/hunter2";

fn parse(text: &str) -> Result<Loaded, ConfigErrors> {
    let overrides = Overrides::none()
        .variable("SLACK", SLACK)
        .variable("SECRETS", &format!("{SIGNING_1} {SIGNING_2}\n"))
        .variable("KEY", "hunter2")
        .variable("BAD_URL", "hunter2")
        .variable("TWO_LINES", "Bearer hunter2\nX: y");
    load_text(&format!("{text}\n{MODEL}"), Path::new("test.toml"), &overrides)
}

fn fine(text: &str) -> Loaded {
    parse(text).unwrap_or_else(|errors| panic!("{errors}\nin\n{text}"))
}

/// The receiver that this is the table of; without warnings.
fn receiver(text: &str) -> ReceiverSettings {
    let loaded = fine(&format!("[[receivers]]\nname = \"r\"\n{text}\n"));
    assert!(loaded.warnings.is_empty(), "{:?}", loaded.warnings);
    let shown = format!("{loaded:?}");
    assert!(!shown.contains("hunter") && !shown.contains("whsec"), "a secret is shown");
    loaded.settings.notify.receivers.into_iter().next().unwrap()
}

fn shown(secret: &SecretString) -> &str {
    secret.expose_secret()
}

#[test]
fn what_all_receivers_have_and_its_defaults() {
    let plain = receiver("type = \"command\"\ncommand = [\"page\"]");
    assert_eq!(plain.name, "r");
    assert!(plain.models.selects("credit") && plain.models.selects(""));
    assert_eq!(plain.severities, Severity::ALL);
    assert!(plain.send_resolved && plain.ca_file.is_none());
    assert_eq!((plain.timeout, plain.give_up_after), (Duration::from_secs(15), Duration::from_secs(86_400)));
    let narrow = receiver(
        "type = \"command\"\ncommand = [\"page\"]\nmodels = \"cred*\"\nseverities = [\"critical\"]\n\
         send_resolved = false\ntimeout = \"1m\"\ngive_up_after = \"1h\"",
    );
    assert!(narrow.models.selects("credit") && !narrow.models.selects(""));
    assert_eq!((narrow.severities, narrow.send_resolved), (vec![Severity::Critical], false));
    assert_eq!((narrow.timeout, narrow.give_up_after), (Duration::from_secs(60), Duration::from_secs(3_600)));
}

#[test]
fn webhooks_have_addresses_signing_secrets_and_authorization() {
    let kind = receiver(
        "type = \"webhook\"\nurl = \"https://example.com/hook\"\nsecret_env = \"SECRETS\"\nauthorization_env = \"KEY\"",
    )
    .kind;
    let ReceiverKind::Webhook { url, signing_secrets, authorization } = kind else { panic!("{kind:?}") };
    assert_eq!(shown(&url), "https://example.com/hook");
    assert_eq!(signing_secrets.iter().map(shown).collect::<Vec<_>>(), [SIGNING_1, SIGNING_2]);
    assert_eq!(shown(&authorization.unwrap()), "hunter2");
    let kind = receiver("type = \"webhook\"\nurl_env = \"SLACK\"").kind;
    let ReceiverKind::Webhook { url, signing_secrets, authorization } = kind else { panic!("{kind:?}") };
    assert_eq!((shown(&url), signing_secrets.len(), authorization.is_some()), (SLACK, 0, false));
}

#[test]
fn secrets_come_from_files_beside_the_configuration() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("url"), format!("{SLACK}\n")).unwrap();
    fs::write(folder.path().join("secrets"), format!("{SIGNING_2}\n{SIGNING_1}\n")).unwrap();
    fs::write(folder.path().join("ca.pem"), "").unwrap();
    let text = format!(
        "[[receivers]]\nname = \"r\"\ntype = \"webhook\"\nurl_file = \"url\"\nsecret_file = \"secrets\"\n\
         ca_file = \"ca.pem\"\n{MODEL}"
    );
    let loaded = load_text(&text, &folder.path().join("c.toml"), &Overrides::none()).unwrap();
    let receiver = &loaded.settings.notify.receivers[0];
    assert_eq!(receiver.ca_file.as_deref(), Some(folder.path().join("ca.pem").as_path()));
    let ReceiverKind::Webhook { url, signing_secrets, .. } = &receiver.kind else { panic!("{receiver:?}") };
    assert_eq!(shown(url), SLACK);
    assert_eq!(signing_secrets.iter().map(shown).collect::<Vec<_>>(), [SIGNING_2, SIGNING_1]);
}

#[test]
fn the_other_types_have_what_is_theirs() {
    let kind = receiver("type = \"alertmanager\"\nurls = [\"http://a:9093/\", \"https://b/prefix\"]").kind;
    let ReceiverKind::Alertmanager { urls, authorization, resend_interval } = kind else {
        panic!("{kind:?}")
    };
    assert_eq!(urls, ["http://a:9093", "https://b/prefix"]);
    assert_eq!((authorization.is_none(), resend_interval), (true, Duration::from_secs(60)));

    let kind = receiver("type = \"slack\"\nurl_env = \"SLACK\"").kind;
    let ReceiverKind::Slack { url } = kind else { panic!("{kind:?}") };
    assert_eq!(shown(&url), SLACK);

    let kind = receiver("type = \"pagerduty\"\nrouting_key_env = \"KEY\"").kind;
    let ReceiverKind::PagerDuty { routing_key, url } = kind else { panic!("{kind:?}") };
    assert_eq!((shown(&routing_key), url.as_str()), ("hunter2", "https://events.pagerduty.com/v2/enqueue"));
    let text = "type = \"pagerduty\"\nrouting_key_env = \"KEY\"\nurl = \"https://events.eu.pagerduty.com/v2/enqueue\"";
    let kind = receiver(text).kind;
    let ReceiverKind::PagerDuty { url, .. } = kind else { panic!("{kind:?}") };
    assert_eq!(url, "https://events.eu.pagerduty.com/v2/enqueue");

    let kind = receiver("type = \"command\"\ncommand = [\"page\", \"--now\"]").kind;
    let ReceiverKind::Command { command } = kind else { panic!("{kind:?}") };
    assert_eq!(command, ["page", "--now"]);
}

#[test]
fn mail_has_a_port_by_how_it_is_protected() {
    let mail = |more: &str| {
        let text = format!(
            "type = \"email\"\nhost = \"smtp\"\nfrom = \"Me <me@example.com>\"\nto = [\"you@example.com\"]\n{more}"
        );
        receiver(&text).kind
    };
    for (more, expected) in [
        ("", (SmtpTls::StartTls, 587)),
        ("tls = \"implicit\"", (SmtpTls::Implicit, 465)),
        ("tls = \"none\"", (SmtpTls::None, 25)),
        ("port = 2525", (SmtpTls::StartTls, 2_525)),
    ] {
        let ReceiverKind::Email { port, tls, credentials, .. } = mail(more) else { panic!("{more}") };
        assert_eq!(((tls, port), credentials.is_none()), (expected, true), "{more}");
    }
    let ReceiverKind::Email { credentials, from, to, .. } = mail("username = \"u\"\npassword_env = \"KEY\"")
    else {
        panic!("no mail")
    };
    let (username, password) = credentials.unwrap();
    assert_eq!((username.as_str(), shown(&password)), ("u", "hunter2"));
    assert_eq!((from.as_str(), to.as_slice()), ("Me <me@example.com>", &["you@example.com".to_owned()][..]));
}

#[test]
fn addresses_of_pages_lose_their_slash_and_keep_what_is_filled_in() {
    let dashboard = "https://g/d/x?var-model={model}&from={from}&to={to}";
    let text =
        format!("[alerts]\nexternal_url = \"https://d.example.com/\"\ndashboard_url = \"{dashboard}\"\n");
    let notify = fine(&text).settings.notify;
    assert_eq!(notify.external_url.as_deref(), Some("https://d.example.com"));
    assert_eq!(notify.dashboard_url.as_deref(), Some(dashboard));
    assert_eq!(fine("").settings.notify.external_url, None);
}

#[test]
fn the_token_of_the_api_is_a_secret_like_others() {
    let loaded = fine("alerts.api_token_env = \"KEY\"");
    assert_eq!(shown(loaded.settings.api_token.as_ref().unwrap()), "hunter2");
    assert!(loaded.warnings.is_empty() && !format!("{loaded:?}").contains("hunter2"));
    let loaded = fine("alerts.api_token = \"hunter2\"");
    assert_eq!(loaded.warnings.len(), 1);
    assert!(!loaded.warnings[0].to_string().contains("hunter2"));
    assert!(fine("").settings.api_token.is_none());
}

/// After `[[receivers]]` and a name, which are lines 1 and 2, with a part of the
/// one error.
const MISTAKES: &[(&str, &str)] = &[
    ("", "1:1: receivers[0].type: missing\n  hint: type = \"webhook\""),
    ("type = \"webhok\"", "3:8: receivers[0].type: expected "),
    ("type = \"webhook\"", "1:1: receivers[0].url: missing\n  hint: url = \"https://…\""),
    (
        "type = \"webhook\"\nurl = \"https://h/hunter2\"\nhost = \"smtp\"",
        "5:8: receivers[0].host: a receiver of type webhook has no host\n  hint: it has url, secret, authorization",
    ),
    (
        "type = \"command\"\ncommand = [\"x\"]\nca_file = \"Cargo.toml\"",
        "a receiver of type command has no ca_file",
    ),
    ("type = \"command\"\ncommand = [\"x\"]\ntls = \"none\"", "a receiver of type command has no tls"),
    (
        "type = \"slack\"\nurl_env = \"SLACK\"\nsecret_env = \"KEY\"",
        "a receiver of type slack has no secret_env",
    ),
    (
        "type = \"pagerduty\"\nrouting_key_env = \"KEY\"\nurl_env = \"SLACK\"",
        "a receiver of type pagerduty has no url_env",
    ),
    (
        "type = \"webhook\"\nurl = \"h/hunter2\"",
        "4:7: receivers[0].url: the address does not begin with http:// or https:// and a host",
    ),
    ("type = \"slack\"\nurl_env = \"BAD_URL\"", "the address does not begin with http:// or https://"),
    (
        "type = \"webhook\"\nurl = \"https://h\"\nurl_env = \"SLACK\"",
        "receivers[0].url_env: the url is given more than once",
    ),
    (
        "type = \"webhook\"\nurl = \"https://h\"\nsecret_file = \"no-such-secret\"",
        "receivers[0].secret_file: the file no-such-secret can't be read",
    ),
    (
        "type = \"webhook\"\nurl = \"https://h\"\nsecret_env = \"KEY\"",
        "5:14: receivers[0].secret_env: a signing secret is not whsec_ and 24 to 64 bytes as base64",
    ),
    (
        "type = \"webhook\"\nurl = \"https://h\"\nauthorization_env = \"TWO_LINES\"",
        "the authorization can't be sent as a header",
    ),
    ("type = \"slack\"", "receivers[0].url: missing\n  hint: url_file = "),
    (
        "type = \"slack\"\nurl_env = \"NOT_SET\"",
        "receivers[0].url_env: the environment variable NOT_SET is not set",
    ),
    ("type = \"pagerduty\"", "receivers[0].routing_key: missing"),
    ("type = \"alertmanager\"", "receivers[0].urls: missing"),
    ("type = \"alertmanager\"\nurls = []", "receivers[0].urls: the list is empty"),
    (
        "type = \"alertmanager\"\nurls = [\"http://a\", \"b:9093\"]",
        "4:21: receivers[0].urls[1]: the address does not begin",
    ),
    ("type = \"command\"", "receivers[0].command: missing"),
    ("type = \"command\"\ncommand = \"page\"", "receivers[0].command: expected a list of texts"),
    ("type = \"email\"\nfrom = \"me@h\"\nto = [\"you@h\"]", "receivers[0].host: missing"),
    ("type = \"email\"\nhost = \"h\"\nto = [\"you@h\"]", "receivers[0].from: missing"),
    ("type = \"email\"\nhost = \"h\"\nfrom = \"me@h\"", "receivers[0].to: missing"),
    (
        "type = \"email\"\nhost = \"h\"\nfrom = \"me\"\nto = [\"you@h\"]",
        "5:8: receivers[0].from: \"me\" is no e-mail address",
    ),
    (
        "type = \"email\"\nhost = \"h\"\nfrom = \"me@h\"\nto = [\"a@h\", \"b\"]",
        "receivers[0].to[1]: \"b\" is no e-mail address",
    ),
    (
        "type = \"email\"\nhost = \"h\"\nfrom = \"me@h\"\nto = [\"a@h\"]\nusername = \"u\"",
        "7:12: receivers[0].username: the user has no password",
    ),
    (
        "type = \"email\"\nhost = \"h\"\nfrom = \"me@h\"\nto = [\"a@h\"]\npassword_env = \"KEY\"",
        "receivers[0]: the password has no user",
    ),
    (
        "type = \"email\"\nhost = \"h\"\nport = 99999\nfrom = \"me@h\"\nto = [\"a@h\"]",
        "receivers[0].port: 99999 is not within",
    ),
    (
        "type = \"command\"\ncommand = [\"x\"]\nseverities = [\"warn\"]",
        "5:15: receivers[0].severities[0]: \"warn\" is no severity",
    ),
    ("type = \"command\"\ncommand = [\"x\"]\nseverities = []", "the list is empty: nothing would be told"),
    (
        "type = \"command\"\ncommand = [\"x\"]\nmodels = [\"credti\"]",
        "5:11: receivers[0].models[0]: no model is called \"credti\"\n  hint: did you mean \"credit\"?",
    ),
    (
        "type = \"command\"\ncommand = [\"x\"]\n[[receivers]]\nname = \"r\"\ntype = \"command\"\ncommand = [\"x\"]",
        "6:8: receivers[1].name: the receiver \"r\" stands here twice",
    ),
    (
        "type = \"slack\"\nurl_env = \"SLACK\"\nca_file = \"no-such-ca\"",
        "receivers[0].ca_file: there is no file no-such-ca",
    ),
];

#[test]
fn each_mistake_gives_one_error_without_secrets() {
    for (text, part) in MISTAKES {
        let errors = parse(&format!("[[receivers]]\nname = \"r\"\n{text}")).err();
        let errors = errors.unwrap_or_else(|| panic!("no error in\n{text}"));
        assert_eq!(errors.errors.len(), 1, "{errors}\nin\n{text}");
        let said = errors.to_string();
        assert!(
            said.starts_with("error: test.toml:") && said.contains(part),
            "{said}\nlacks {part:?} in\n{text}"
        );
        assert!(!said.contains("hunter2"), "{said}");
    }
    for (text, part) in [
        ("alerts.external_url = \"d.example.com\"", "alerts.external_url: the address does not begin"),
        (
            "alerts.dashboard_url = \"https://g/{modell}\"",
            "nothing is filled in for {modell}\n  hint: there are {model}, ",
        ),
        ("[[receivers]]\ntype = \"command\"\ncommand = [\"x\"]", "receivers[0].name: missing"),
    ] {
        let errors = parse(text).unwrap_err();
        assert!(errors.errors.len() == 1 && errors.to_string().contains(part), "{errors}\nlacks {part:?}");
    }
}

#[test]
fn secrets_in_the_file_and_on_the_open_road_are_warnings() {
    for (text, part) in [
        ("type = \"slack\"\nurl = \"https://h/hunter2\"", "receivers[0].url: the url stands in the file"),
        (
            "type = \"slack\"\nurl_env = \"HTTP\"",
            "receivers[0].url: what goes with a secret is sent over http",
        ),
        (
            "type = \"webhook\"\nurl = \"http://h/\"\nsecret_env = \"SIGNING\"",
            "receivers[0].url: what goes with a secret is sent over http",
        ),
        (
            "type = \"alertmanager\"\nurls = [\"http://h\"]\nauthorization_env = \"KEY\"",
            "receivers[0].urls[0]: what goes with a secret is sent over http",
        ),
        ("type = \"pagerduty\"\nrouting_key = \"hunter2\"", "the routing_key stands in the file"),
        (
            "type = \"email\"\nhost = \"h\"\nfrom = \"me@h\"\nto = [\"a@h\"]\nusername = \"u\"\npassword_env = \"KEY\"\ntls = \"none\"",
            "receivers[0].tls: the password is sent as plain text",
        ),
    ] {
        let overrides = Overrides::none()
            .variable("KEY", "hunter2")
            .variable("HTTP", "http://h/hunter2")
            .variable("SIGNING", SIGNING_1);
        let text = format!("[[receivers]]\nname = \"r\"\n{text}\n{MODEL}");
        let loaded =
            load_text(&text, Path::new("test.toml"), &overrides).unwrap_or_else(|errors| panic!("{errors}"));
        assert_eq!(loaded.warnings.len(), 1, "{text}: {:?}", loaded.warnings);
        let said = loaded.warnings[0].to_string();
        assert!(said.contains(part) && !said.contains("hunter2"), "{said}\nlacks {part:?}");
    }
    for text in [
        "type = \"webhook\"\nurl = \"http://h/\"",
        "type = \"webhook\"\nurl = \"http://localhost:1/\"\nsecret_env = \"SECRETS\"",
        "type = \"webhook\"\nurl = \"http://[::1]:1/\"\nsecret_env = \"SECRETS\"",
        "type = \"alertmanager\"\nurls = [\"http://127.0.0.1:9093\"]\nauthorization_env = \"KEY\"",
    ] {
        receiver(text);
    }
}

#[test]
fn a_reload_names_receivers_and_secrets_that_changed() {
    let settings = |text: &str, key: &str| {
        let text = format!("[[receivers]]\nname = \"r\"\n{text}\n{MODEL}");
        load_text(&text, Path::new("test.toml"), &Overrides::none().variable("KEY", key)).unwrap().settings
    };
    let old = settings("type = \"pagerduty\"\nrouting_key_env = \"KEY\"", "one");
    let changed = |text: &str, key: &str| {
        let changes = old.reload_changes(&settings(text, key));
        assert!(changes.applied.is_empty());
        changes.need_restart
    };
    assert!(changed("type = \"pagerduty\"\nrouting_key_env = \"KEY\"", "one").is_empty());
    assert_eq!(
        changed("type = \"pagerduty\"\nrouting_key_env = \"KEY\"", "two"),
        ["receivers.r.routing_key"]
    );
    assert_eq!(
        changed("type = \"pagerduty\"\nrouting_key_env = \"KEY\"\ntimeout = \"5s\"", "one"),
        ["receivers.r"]
    );
}
