//! The configuration as its users meet it: files in, settings or errors out.
//!
//! Nothing stands in for anything; the environment is an argument, so that
//! tests do not disturb one another.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::{fmt::Write as _, fs, path::Path, time::Duration};

use driftline::{
    config::{
        ConfigErrors, Loaded, Overrides, Place, ReferenceSource, ReloadChanges, default_rules,
        keys::{KEYS, Kind},
        load, load_text,
    },
    decode::{EventMapping, FieldSource, JsonPointer},
    event::EventTime,
    sink::InfluxApi,
    source::StartOffset,
    window::WindowSettings,
};
use proptest::prelude::*;
use secrecy::ExposeSecret;

const MODEL: &str = "[[models]]\nname = \"credit\"\nreference = { first_events = 10000 }\n";
const KAFKA: &str = "[kafka]\nbrokers = \"localhost:9092\"\ntopics = [\"predictions\"]\n";
const INFLUXDB: &str = "[influxdb]\nurl = \"http://localhost:8086\"\norg = \"o\"\nbucket = \"b\"\n";

fn parse(text: &str) -> Result<Loaded, ConfigErrors> {
    parse_with(text, &Overrides::none())
}

fn parse_with(text: &str, overrides: &Overrides) -> Result<Loaded, ConfigErrors> {
    load_text(text, Path::new("test.toml"), overrides)
}

fn fine(text: &str) -> Loaded {
    parse(text).unwrap_or_else(|errors| panic!("{errors}\nin\n{text}"))
}

#[test]
fn all_mistakes_are_told_at_once() {
    let overrides = Overrides::none()
        .variable("DRIFTLINE_KAFKA__GROP", "x")
        .variable("DRIFTLINE_LOG__FORMAT", "xml")
        .flag("log.levle", "info");
    let errors = load(Path::new("tests/golden/config_mistakes.toml"), &overrides).unwrap_err();
    let mut said = format!("{errors}\n");
    for warning in &errors.warnings {
        writeln!(said, "warning: {warning}").unwrap();
    }
    let golden = "tests/golden/config_mistakes.txt";
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        fs::write(golden, &said).unwrap();
    }
    assert_eq!(said, fs::read_to_string(golden).unwrap(), "UPDATE_GOLDEN=1 writes {golden} anew");
    assert!(errors.errors.len() >= 20);
    assert!(!said.contains("correct horse"), "the inline token is shown");
}

#[test]
fn a_syntax_error_shows_its_line_with_a_caret() {
    let errors = parse("[windows]\nsize = \"1h\"\nslide = = 5\n").unwrap_err();
    assert_eq!(errors.errors.len(), 1);
    let said = errors.to_string();
    assert!(said.starts_with("error: test.toml:3:9: not valid TOML: "), "{said}");
    assert!(said.contains("\n  3 | slide = = 5\n    |         ^\n"), "{said}");
}

#[test]
fn a_syntax_error_beside_a_secret_does_not_show_it() {
    let said = parse("[influxdb]\ntoken = \"correct horse\" oops\n").unwrap_err().to_string();
    assert!(said.contains("test.toml:2:") && !said.contains("correct"), "{said}");
}

#[test]
fn a_file_that_is_not_there_is_named() {
    let said = load(Path::new("no/such.toml"), &Overrides::none()).unwrap_err().to_string();
    assert!(said.starts_with("error: no/such.toml: can't be read"), "{said}");
    assert!(said.contains("hint: "), "{said}");
}

#[test]
fn defaults_are_those_of_the_parts() {
    let settings = fine(MODEL).settings;
    assert_eq!(settings.windows, WindowSettings::default());
    assert_eq!(settings.events, EventMapping::default());
    assert!(settings.kafka.is_none() && settings.influxdb.is_none());
    assert!(settings.http.listen.ip().is_loopback());
    assert_eq!(settings.state_dir, None);
    assert_eq!(settings.references_dir, Path::new("driftline-state"));
    let settings = fine(&format!("{KAFKA}{INFLUXDB}{MODEL}")).settings;
    let kafka = settings.kafka.unwrap();
    assert_eq!((kafka.start, kafka.max_message_bytes), (StartOffset::Earliest, 1_048_576));
    assert!(settings.shutdown_timeout > kafka.close_timeout);
    let influxdb = settings.influxdb.unwrap();
    assert_eq!(
        (influxdb.batch_points, influxdb.gzip, influxdb.timeout),
        (5_000, true, Duration::from_secs(10))
    );
}

#[test]
fn numbers_are_never_rounded_nor_read_from_text() {
    for bins in ["20.9", "20.0", "\"20\"", "true", "99999999999999999999", "[20]", "0x1_0000_0000_0000_0000"]
    {
        let errors = parse(&format!("{MODEL}bins = {bins}\n")).unwrap_err();
        assert_eq!(errors.errors.len(), 1, "{errors}");
        assert!(errors.to_string().starts_with("error: test.toml:4:8: models[0].bins: "), "{errors}");
    }
    assert_eq!(fine(&format!("{MODEL}bins = 0x14\n")).settings.models[0].bins, 20);
}

#[test]
fn flags_win_over_variables_and_these_over_the_file() {
    let text = format!("[log]\nlevel = \"error\"\nformat = \"json\"\n{MODEL}");
    let overrides = Overrides::none().variable("DRIFTLINE_LOG__LEVEL", "warn");
    assert_eq!(parse_with(&text, &overrides).unwrap().settings.log.level, "warn");
    let settings = parse_with(&text, &overrides.flag("log.level", "debug")).unwrap().settings;
    assert_eq!(settings.log.level, "debug");
    assert_eq!(settings.log.format, driftline::ops::LogFormat::Json);
}

#[test]
fn a_variable_mends_a_bad_value_of_the_file() {
    let text = format!("[windows]\nsize = 5\n{MODEL}");
    let overrides = Overrides::none().variable("DRIFTLINE_WINDOWS__SIZE", "2h");
    let errors = parse_with(&text, &overrides).unwrap_err();
    assert_eq!(errors.errors.len(), 1, "the file is wrong all the same: {errors}");
}

#[test]
fn variables_reach_only_the_fixed_keys_and_names_keep_their_case() {
    let text = format!("{MODEL}features.Age.kind = \"numeric\"\n");
    let overrides = Overrides::none()
        .variable("DRIFTLINE_MODELS__0__BINS", "7")
        .variable("DRIFTLINE_MODELS__FEATURES__AGE__KIND", "categorical")
        .variable("DRIFTLINE_KAFKA__TOPICS", "a,b");
    let loaded = parse_with(&text, &overrides).unwrap();
    assert_eq!(loaded.settings.models[0].bins, 10);
    assert_eq!(loaded.settings.models[0].features.keys().collect::<Vec<_>>(), ["Age"]);
    assert!(loaded.settings.kafka.is_none());
    assert_eq!(loaded.warnings.len(), 3, "each says that it sets nothing: {:?}", loaded.warnings);
}

/// A value other than the default and other than those of the base text.
fn other_value(path: &str, kind: Kind) -> String {
    match (path, kind) {
        ("influxdb.url", _) => "https://influx.example.com".to_owned(),
        ("kafka.brokers", _) => "other:9092".to_owned(),
        ("http.listen", _) => "127.0.0.1:1".to_owned(),
        ("log.level", _) => "trace".to_owned(),
        ("windows.slide", _) => "30m".to_owned(),
        ("kafka.close_timeout", _) => "6s".to_owned(),
        ("influxdb.buffer_points", _) => "7777".to_owned(),
        ("alerts.external_url" | "alerts.dashboard_url", _) => "https://driftline.example.com".to_owned(),
        (_, Kind::Bool) => "false".to_owned(),
        (_, Kind::Integer { min, .. } | Kind::Size { min, .. }) => (min + 41).to_string(),
        (_, Kind::Duration { .. }) => "2h".to_owned(),
        (_, Kind::Choice(words)) => words[1].to_owned(),
        (_, Kind::Pointer) => "/x/y".to_owned(),
        _ => "other".to_owned(),
    }
}

#[test]
fn every_single_value_has_a_working_variable_and_reload_names_it() {
    let v2 = format!("{KAFKA}{INFLUXDB}{MODEL}");
    let v1 = format!("{KAFKA}[influxdb]\nurl = \"http://h\"\ndatabase = \"d\"\n{MODEL}");
    for spec in KEYS {
        let Some(variable) = spec.variable() else { continue };
        if spec.path.ends_with("_file") || spec.path.ends_with("_env") {
            continue; // These want a file or variable: see the tests of secrets.
        }
        let is_v1 = ["database", "retention_policy", "username", "password"]
            .iter()
            .any(|name| spec.path == format!("influxdb.{name}"));
        let text = if is_v1 { &v1 } else { &v2 };
        let before = fine(text);
        let overrides = Overrides::none().variable(&variable, &other_value(spec.path, spec.kind));
        let after = parse_with(text, &overrides).unwrap_or_else(|errors| panic!("{variable}: {errors}"));
        assert!(after.warnings.is_empty(), "{variable}: {:?}", after.warnings);
        let changes = before.settings.reload_changes(&after.settings);
        let (applied, need_restart): (&[&str], &[&str]) = match spec.path {
            // It adds or removes rules, which are named themselves.
            "alerts.default_rules" => {
                let names = default_rules().into_iter().map(|rule| format!("rules.{}", rule.name));
                let mut names: Vec<String> = names.collect();
                names.sort();
                assert_eq!((changes.applied, changes.need_restart), (Vec::new(), names));
                continue;
            }
            // Windows without a slide of their own have that of their size.
            "windows.size" => (&[], &["windows.size", "windows.slide"]),
            path if spec.reloadable => (&[path], &[]),
            path => (&[], &[path]),
        };
        assert_eq!(
            (changes.applied, changes.need_restart),
            (owned(applied), owned(need_restart)),
            "{variable}"
        );
    }
}

fn owned(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

#[test]
fn reload_names_what_changed_in_models_by_their_names() {
    let old = fine(MODEL).settings;
    assert_eq!(old.reload_changes(&old), ReloadChanges::default());
    let new = fine(&format!(
        "[[models]]\nname = \"fraud.v2\"\nreference = \"f.json\"\n{MODEL}bins = 20\nfeatures.age.ignore = true\n"
    ))
    .settings;
    let changes = old.reload_changes(&new);
    assert!(changes.applied.is_empty());
    let expected = [
        "models.credit.bins",
        "models.\"fraud.v2\".bins",
        "models.\"fraud.v2\".compare_with",
        "models.\"fraud.v2\".explain",
        "models.\"fraud.v2\".false_alarms",
        "models.\"fraud.v2\".join",
        "models.\"fraud.v2\".max_segments",
        "models.\"fraud.v2\".minimum_effect",
        "models.\"fraud.v2\".reference",
        "models.\"fraud.v2\".sample_rows",
        "models.\"fraud.v2\".score",
        "models.\"fraud.v2\".segments",
        "models.\"fraud.v2\".table",
        "models.credit.features.age",
    ];
    assert_eq!(changes.need_restart, expected);
}

#[test]
fn minimum_effects_are_the_same_whether_their_table_is_there_or_not() {
    let effects = |text: &str| fine(text).settings.models[0].drift.minimum_effects;
    let absent = effects(MODEL);
    assert_eq!(effects(&format!("{MODEL}[models.minimum_effect]\n")), absent);
    assert_ne!(effects(&format!("{MODEL}[models.minimum_effect]\npsi = 0.3\n")), absent);
}

#[test]
fn odd_names_of_features_stay_as_they_are() {
    let text = format!(
        "{MODEL}[models.features]\n\"credit.amount\" = {{ ignore = true }}\n\"a[0]\" = {{ kind = \"numeric\" }}\n\
         'quote\"d' = {{ ignore = true }}\n\"Größe\" = {{ ignore = true }}\n"
    );
    let settings = fine(&text).settings;
    let names: Vec<&str> = settings.models[0].features.keys().map(String::as_str).collect();
    assert_eq!(names, ["Größe", "a[0]", "credit.amount", "quote\"d"]);
}

#[test]
fn fields_come_from_pointers_headers_keys_topics_and_constants() {
    let text = format!(
        "[events]\nid = {{ key = true }}\nmodel = {{ topic = true }}\nversion = {{ header = \"v\" }}\n\
         kind = {{ constant = \"prediction\" }}\ntime = \"/meta/at~1utc\"\nfeatures = \"\"\n{MODEL}"
    );
    let events = fine(&text).settings.events;
    assert_eq!(events.id, FieldSource::Key);
    assert_eq!(events.model, FieldSource::Topic);
    assert_eq!(events.version, FieldSource::Header("v".to_owned()));
    assert_eq!(events.kind, FieldSource::Constant("prediction".to_owned()));
    assert_eq!(events.time, FieldSource::Pointer(JsonPointer(owned(&["meta", "at/utc"]))));
    assert_eq!(events.features, JsonPointer::default());
    assert_eq!(events.label, EventMapping::default().label);
}

#[test]
fn references_come_from_files_events_and_time_ranges() {
    let reference = |text: &str| {
        fine(&format!("[[models]]\nname = \"m\"\nreference = {text}\n")).settings.models[0].reference.clone()
    };
    let file = ReferenceSource::File("r.json".into());
    assert_eq!(reference("\"r.json\""), file);
    assert_eq!(reference("{ file = \"r.json\" }"), file);
    assert_eq!(reference("{ first_events = 5000 }"), ReferenceSource::FirstEvents(5_000));
    let range = ReferenceSource::TimeRange {
        from: EventTime(1_767_225_600_000),
        until: EventTime(1_769_904_000_000),
    };
    assert_eq!(reference("{ from = 2026-01-01T00:00:00Z, until = \"2026-02-01T01:00:00+01:00\" }"), range);
}

#[test]
fn paths_are_relative_to_the_file() {
    let text =
        format!("state_dir = \"state\"\n{MODEL}[[models]]\nname = \"b\"\nreference = \"/abs/r.json\"\n");
    let loaded = load_text(&text, Path::new("/etc/driftline/c.toml"), &Overrides::none()).unwrap();
    assert_eq!(loaded.settings.state_dir.as_deref(), Some(Path::new("/etc/driftline/state")));
    assert_eq!(loaded.settings.references_dir, Path::new("/etc/driftline/state"));
    assert_eq!(loaded.reference_files[0].path, Path::new("/abs/r.json"));
    assert_eq!(loaded.reference_files[0].key, "models[1].reference");
    let Place::File { line, .. } = loaded.reference_files[0].place else { panic!("not in the file") };
    assert_eq!(line, 7);
}

#[test]
fn secrets_come_from_files_variables_or_with_a_warning_inline() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("token"), "correct horse\n").unwrap();
    let secret_of = |line: &str, overrides: &Overrides| {
        let text = format!("{INFLUXDB}{line}\n{MODEL}");
        let loaded = load_text(&text, &folder.path().join("c.toml"), overrides).unwrap();
        assert!(!format!("{loaded:?}").contains("correct horse"), "{line}");
        let secret = loaded.settings.influxdb.unwrap().secret.map(|secret| secret.expose_secret().to_owned());
        (secret, loaded.warnings.len())
    };
    let expected = Some("correct horse".to_owned());
    let none = Overrides::none();
    assert_eq!(secret_of("token_file = \"token\"", &none), (expected.clone(), 0));
    let named = none.clone().variable("MY_TOKEN", "correct horse");
    assert_eq!(secret_of("token_env = \"MY_TOKEN\"", &named), (expected.clone(), 0));
    assert_eq!(secret_of("token = \"correct horse\"", &none), (expected.clone(), 1));
    let ours = none.clone().variable("DRIFTLINE_INFLUXDB__TOKEN", "correct horse");
    assert_eq!(secret_of("", &ours), (expected, 0));
    assert_eq!(secret_of("", &none), (None, 0));
}

#[test]
fn librdkafka_takes_quoted_and_dotted_names_and_scalars() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("pw"), "correct horse\n").unwrap();
    let text = format!(
        "{KAFKA}[kafka.librdkafka]\n\"security.protocol\" = \"SASL_SSL\"\nsasl.mechanism = \"PLAIN\"\n\
         sasl.password = {{ file = \"pw\" }}\n\"sasl.username\" = {{ env = \"ME\" }}\n\
         socket.keepalive.enable = true\nfetch.min.bytes = 10\n{MODEL}"
    );
    let overrides = Overrides::none().variable("ME", "me");
    let loaded = load_text(&text, &folder.path().join("c.toml"), &overrides).unwrap();
    let kafka = loaded.settings.kafka.unwrap();
    let settings: Vec<(&str, &str)> =
        kafka.librdkafka.iter().map(|(name, value)| (name.as_str(), value.expose_secret())).collect();
    let expected = [
        ("fetch.min.bytes", "10"),
        ("sasl.mechanism", "PLAIN"),
        ("sasl.password", "correct horse"),
        ("sasl.username", "me"),
        ("security.protocol", "SASL_SSL"),
        ("socket.keepalive.enable", "true"),
    ];
    assert_eq!(settings, expected);
    assert!(loaded.warnings.is_empty(), "{:?}", loaded.warnings);
    assert!(!format!("{kafka:?}").contains("correct horse"));
}

/// One mistake each, and a part of the one error that it must give.
const MISTAKES: &[(&str, &str)] = &[
    (
        "[windows]\nsize = \"1h\"\nslide = \"7m\"",
        "test.toml:3:9: windows.slide: the size 1h is not a multiple of the slide 7m",
    ),
    ("[windows]\nslide = \"2h\"", "windows.slide: the slide 2h is longer than the size 1h"),
    ("[windows]\nsize = \"1d\"\nslide = \"1s\"", "windows.slide: every event would belong to 86400 windows"),
    ("[windows]\nsize = \"0s\"", "windows.size: \"0s\" is too short"),
    ("[windows]\nlateness = \"-1m\"", "windows.lateness: \"-1m\" is negative"),
    ("[windows]\nmin_events = 0", "windows.min_events: 0 is not within"),
    ("windows = 5", "windows: expected a table, found the integer 5"),
    ("http = { listen = \"9640\" }", "http.listen: \"9640\" is not an address and a port"),
    ("log = { level = \"info,x=\" }", "log.level: \"x=\" is no log level"),
    ("log = { format = \"jsn\" }", "did you mean \"json\"?"),
    ("state_dir = \" \"", "state_dir: expected a path as text"),
    ("shutdown_timeout = \"1.5s\"", "shutdown_timeout: \"1.5s\" is not a duration"),
    ("kafka = { topics = [\"a\"] }", "test.toml:1:1: kafka.brokers: missing"),
    ("kafka = { brokers = \"h:1\" }", "kafka.topics: missing"),
    ("kafka = { brokers = \"h:1\", topics = [] }", "kafka.topics: there is no topic to read"),
    (
        "kafka = { brokers = \"h:1\", topics = [\"a\", \"a\"] }",
        "kafka.topics[1]: the topic \"a\" stands here twice",
    ),
    (
        "kafka = { brokers = \"h:1\", topics = [\"a\", 5] }",
        "kafka.topics[1]: expected text, found the integer 5",
    ),
    ("kafka = { brokers = \"h:1\", topics = [\"^a\"] }", "kafka.topics[0]: \"^a\" can't be a topic"),
    ("kafka = { brokers = \"h\", topics = [\"a\"] }", "kafka.brokers: \"h\" is not a host and a port"),
    (
        "kafka = { brokers = \"h:1,h:99999\", topics = [\"a\"] }",
        "kafka.brokers: \"h:99999\" is not a host and a port",
    ),
    ("kafka = { brokers = \"h:1\", topics = [\"a\"], dead_letter_topic = \"a\" }", "read again and again"),
    (
        "kafka = { brokers = \"h:1\", topics = [\"a\"], close_timeout = \"30s\" }",
        "kafka.close_timeout: leaving",
    ),
    (
        "[kafka]\nbrokers = \"h:1\"\ntopics = [\"a\"]\nlibrdkafka.enable.auto.commit = true",
        "test.toml:4:33: kafka.librdkafka.\"enable.auto.commit\": Driftline sets this itself",
    ),
    (
        "[kafka]\nbrokers = \"h:1\"\ntopics = [\"a\"]\nlibrdkafka.\"sasl.mecanism\" = \"PLAIN\"",
        "librdkafka has no setting of this name",
    ),
    (
        "[kafka]\nbrokers = \"h:1\"\ntopics = [\"a\"]\nlibrdkafka.\"security.protocol\" = \"TLS\"",
        "librdkafka refuses the value",
    ),
    ("influxdb = { url = \"http://h\", org = \"o\" }", "influxdb.bucket: missing"),
    (
        "influxdb = { url = \"h:8086\", org = \"o\", bucket = \"b\" }",
        "influxdb.url: the address does not begin with http",
    ),
    (
        "influxdb = { url = \"http://u:hunter2@h\", org = \"o\", bucket = \"b\" }",
        "must not hold a user or password",
    ),
    (
        "influxdb = { url = \"http://h?db=x\", org = \"o\", bucket = \"b\" }",
        "influxdb.url: the address has a query",
    ),
    (
        "influxdb = { url = \"http://h\", org = \"o\", database = \"d\" }",
        "influxdb.org: org is of InfluxDB 2",
    ),
    (
        "influxdb = { url = \"http://h\", org = \"o\", bucket = \"b\", username = \"u\" }",
        "username is of InfluxDB 1",
    ),
    (
        "influxdb = { url = \"http://h\", org = \"o\", bucket = \"b\", token_file = \"no-such-token\" }",
        "influxdb.token_file: the file no-such-token can't be read",
    ),
    (
        "influxdb = { url = \"http://h\", org = \"o\", bucket = \"b\", ca_file = \"no-such-ca\" }",
        "influxdb.ca_file: there is no",
    ),
    (
        "influxdb = { url = \"http://h\", org = \"o\", bucket = \"b\", buffer_points = 9 }",
        "buffer of 9 points can't hold",
    ),
    (
        "influxdb = { url = \"http://h\", org = \"o\", bucket = \"b\", token_env = \"hunter2==\" }",
        "influxdb.token_env: not the name of an environment variable",
    ),
    ("events = { id = {} }", "events.id: the table does not say"),
    ("events = { id = { key = false } }", "events.id.key: expected true, found false"),
    ("events = { id = \"id\" }", "events.id: a JSON pointer starts with '/'"),
    ("events = { kind = { constant = \"x\" } }", "events.kind: \"x\" is no kind of event"),
    ("events = { time = { constant = \"x\" } }", "events.time: all events would have the same time"),
    ("events = { features = { header = \"x\" } }", "events.features: expected a JSON pointer"),
    ("models = [5]", "models[0]: expected a table, found the integer 5"),
    ("models = []", "models: missing"),
    ("models = { name = \"x\" }", "models: expected a list of tables, found a table"),
    ("models = [{ name = \"x\", reference = {} }]", "models[0].reference: the table is empty"),
    (
        "models = [{ name = \"x\", reference = { first_events = 0 } }]",
        "models[0].reference.first_events: 0 is not within",
    ),
    (
        "models = [{ name = \"x\", reference = { first_events = 5000, file = \"x\" } }]",
        "models[0].reference: a reference comes from one place",
    ),
    (
        "models = [{ name = \"x\", reference = { from = 2026-01-01T00:00:00Z } }]",
        "models[0].reference: the time range has no end",
    ),
    ("models = [{ name = \"x\" }]", "models[0].reference: missing"),
    (
        "models = [{ name = \"x\", reference = \"r\", table = { id = \"a\", ignore = [\"a\"] } }]",
        "models[0].table.ignore[0]: the column \"a\" is the id",
    ),
    (
        "models = [{ name = \"x\", reference = \"r\", join = { timeout = \"0s\" } }]",
        "models[0].join.timeout: \"0s\" is too short",
    ),
];

#[test]
fn each_mistake_gives_one_error_with_place_key_and_hint() {
    for (text, part) in MISTAKES {
        let whole = if text.starts_with("models") { (*text).to_owned() } else { format!("{text}\n{MODEL}") };
        let errors = parse(&whole).err().unwrap_or_else(|| panic!("no error in\n{whole}"));
        assert_eq!(errors.errors.len(), 1, "{errors}\nin\n{whole}");
        let said = errors.to_string();
        assert!(said.contains(part), "{said}\nlacks {part:?}");
        assert!(!said.contains("hunter2"), "{said}");
    }
}

#[test]
fn influxdb_1_has_a_database_and_a_password() {
    let text = format!(
        "[influxdb]\nurl = \"http://h/prefix\"\ndatabase = \"d\"\nusername = \"u\"\npassword_env = \"PW\"\n{MODEL}"
    );
    let influxdb =
        parse_with(&text, &Overrides::none().variable("PW", "pw")).unwrap().settings.influxdb.unwrap();
    let api =
        InfluxApi::V1 { database: "d".to_owned(), retention_policy: None, username: Some("u".to_owned()) };
    assert_eq!(influxdb.api, api);
    assert_eq!(influxdb.secret.unwrap().expose_secret(), "pw");
}

/// The default file with every key in use.
fn uncommented() -> String {
    let text = fs::read_to_string("config/driftline.toml").unwrap();
    let is_key =
        |line: &str| line.strip_prefix('#').is_some_and(|rest| !rest.is_empty() && !rest.starts_with(' '));
    let lines: Vec<&str> = text.lines().map(|line| if is_key(line) { &line[1..] } else { line }).collect();
    lines.join("\n")
}

/// One change to a text, as a user's slip of the hand or worse.
#[derive(Debug, Clone)]
enum Slip {
    Delete { at: prop::sample::Index, chars: usize },
    Insert { at: prop::sample::Index, text: String },
    RepeatLine { line: prop::sample::Index, before: prop::sample::Index },
    Value { line: prop::sample::Index, value: &'static str },
}

fn slips() -> impl Strategy<Value = Vec<Slip>> {
    const VALUES: [&str; 14] = [
        "5",
        "-1",
        "20.9",
        "true",
        "\"\"",
        "\"x\"",
        "\"1h\"",
        "[]",
        "[1]",
        "{}",
        "{ file = \"x\" }",
        "{ a.b = 1 }",
        "1979-05-27T07:32:00Z",
        "nan",
    ];
    let index = any::<prop::sample::Index>;
    let slip = prop_oneof![
        (index(), 1..40usize).prop_map(|(at, chars)| Slip::Delete { at, chars }),
        (index(), "[\\PC\n]{0,8}").prop_map(|(at, text)| Slip::Insert { at, text }),
        (index(), index()).prop_map(|(line, before)| Slip::RepeatLine { line, before }),
        (index(), prop::sample::select(&VALUES[..])).prop_map(|(line, value)| Slip::Value { line, value }),
    ];
    prop::collection::vec(slip, 1..6)
}

fn apply(text: &str, slip: &Slip) -> String {
    let mut chars: Vec<char> = text.chars().collect();
    let mut lines: Vec<&str> = text.lines().collect();
    match slip {
        Slip::Delete { at, chars: count } => {
            let start = at.index(chars.len() + 1);
            chars.drain(start..(start + count).min(chars.len()));
            chars.into_iter().collect()
        }
        Slip::Insert { at, text } => {
            let at = at.index(chars.len() + 1);
            chars.splice(at..at, text.chars());
            chars.into_iter().collect()
        }
        Slip::RepeatLine { line, before } if !lines.is_empty() => {
            let repeated = lines[line.index(lines.len())];
            lines.insert(before.index(lines.len()), repeated);
            lines.join("\n")
        }
        Slip::Value { line, value } if !lines.is_empty() => {
            let at = line.index(lines.len());
            let changed = lines[at].split_once('=').map(|(key, _)| format!("{key}= {value}"));
            if let Some(changed) = &changed {
                lines[at] = changed;
            }
            lines.join("\n")
        }
        Slip::RepeatLine { .. } | Slip::Value { .. } => text.to_owned(),
    }
}

proptest! {
    #[test]
    fn any_file_gives_settings_or_errors_with_places_in_it(slips in slips()) {
        let text = slips.iter().fold(uncommented(), |text, slip| apply(&text, slip));
        if let Err(errors) = parse(&text) {
            prop_assert!(!errors.errors.is_empty());
            for problem in errors.errors.iter().chain(&errors.warnings) {
                let Place::File { line, column, .. } = &problem.place else {
                    return Err(TestCaseError::fail(format!("not in the file: {problem}")));
                };
                let length = text.split('\n').nth(line - 1).map(|line| line.chars().count());
                prop_assert!(length.is_some_and(|length| (1..=length + 1).contains(column)), "{problem}");
                prop_assert!(!problem.message.contains("does not fit together"), "{problem}");
            }
        }
    }
}

#[test]
fn a_problem_says_where_it_comes_from() {
    let overrides = Overrides::none().variable("DRIFTLINE_HTTP__LISTEN", "nowhere").flag("windows.size", "5");
    let said = parse_with(MODEL, &overrides).unwrap_err().to_string();
    assert!(
        said.contains("error: environment variable DRIFTLINE_HTTP__LISTEN: http.listen: \"nowhere\" is not"),
        "{said}"
    );
    assert!(said.contains("error: command line: windows.size: the duration \"5\" has no unit"), "{said}");
}
