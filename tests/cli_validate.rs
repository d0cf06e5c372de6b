//! `driftline validate` as a user runs it: the real program, its exit codes
//! and what it prints.
//!
//! Where a server is tried, it is a port of this machine on which nothing
//! listens; that real servers pass is shown by the tests that start them.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::{
    collections::BTreeMap,
    fs,
    net::TcpListener,
    path::Path,
    process::{Command, Output},
};

use driftline::reference::{BuilderSettings, ColumnRole, ReferenceBuilder, Value};

const MODEL: &str = "[[models]]\nname = \"credit\"\nreference = { first_events = 10000 }\n";

fn validate(folder: &Path, text: &str, flags: &[&str]) -> (i32, String, String) {
    fs::write(folder.join("c.toml"), text).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_driftline"));
    command.current_dir(folder).args(["validate", "--config", "c.toml"]).args(flags);
    // Variables of the machine that runs the tests must not reach the program.
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("DRIFTLINE_") {
            command.env_remove(name);
        }
    }
    told(&command.output().unwrap())
}

fn told(output: &Output) -> (i32, String, String) {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    (output.status.code().expect("an exit code"), text(&output.stdout), text(&output.stderr))
}

#[test]
fn a_good_file_gives_a_summary() {
    let folder = tempfile::tempdir().unwrap();
    let text = format!(
        "[kafka]\nbrokers = \"broker:9092\"\ntopics = [\"a\", \"b\"]\n\
         [influxdb]\nurl = \"http://influx:8086\"\norg = \"o\"\nbucket = \"drift\"\n{MODEL}"
    );
    let (code, out, err) = validate(folder.path(), &text, &[]);
    assert_eq!((code, err.as_str()), (0, ""), "{out}");
    let expected = "\
c.toml can be used

events    from Kafka at broker:9092, topics a, b, as group driftline, at first from earliest
model     credit: compared with its first 10000 events, still to be learned
          learned references are kept in driftline-state
windows   1h, closed 1m after their end by event time, judged from 100 events on
alerts    by 16 rules, told to nobody
results   to InfluxDB at http://influx:8086, bucket drift of organisation o
results   at http://127.0.0.1:9640/api/v1/models
";
    assert_eq!(out, expected);
}

#[test]
fn errors_go_to_standard_error_and_end_with_78() {
    let folder = tempfile::tempdir().unwrap();
    let text = format!("[kafka]\nbroker = \"b:1\"\ntopics = 5\n{MODEL}bins = 20.9\n");
    let (code, out, err) = validate(folder.path(), &text, &["--connect"]);
    assert_eq!((code, out.as_str()), (78, ""), "{err}");
    for part in [
        "error: c.toml:2:1: kafka.broker: unknown key\n  hint: did you mean \"brokers\"?\n",
        "error: c.toml:3:10: kafka.topics: expected a list of texts, found the integer 5\n",
        "error: c.toml:7:8: models[0].bins: expected an integer, found the number 20.9\n",
        "\nc.toml can't be used: 3 errors\n",
    ] {
        assert!(err.contains(part), "{err}\nlacks {part:?}");
    }
}

#[test]
fn reference_files_are_read_even_when_the_rest_has_errors() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("broken.json"), "{}").unwrap();
    let text = "[windows]\nsize = 5\n[[models]]\nname = \"a\"\nreference = \"gone.json\"\n\
                [[models]]\nname = \"b\"\nreference = \"broken.json\"\n";
    let (code, _, err) = validate(folder.path(), text, &[]);
    assert_eq!(code, 78);
    for part in [
        "error: c.toml:2:8: windows.size: ",
        "error: c.toml:5:13: models[0].reference: ",
        "gone.json",
        "error: c.toml:8:13: models[1].reference: ",
        "broken.json",
        "driftline reference --model b --from FILE -o broken.json",
        "can't be used: 3 errors",
    ] {
        assert!(err.contains(part), "{err}\nlacks {part:?}");
    }
}

/// A reference with the features `age` and `color`, and segments by the latter.
fn store_reference(model: &str, path: &Path) {
    let settings = BuilderSettings {
        bins: 10,
        window_ms: None,
        segments: vec!["color".to_owned()],
        max_segments: 2,
        sample_rows: 0,
    };
    let mut builder = ReferenceBuilder::new(model, &BTreeMap::new(), settings);
    for row in 0..1_000_u32 {
        builder.push_row([
            ("age", ColumnRole::Feature, Value::Number(f64::from(row % 80))),
            ("color", ColumnRole::Feature, Value::Text(["red", "green"][row as usize % 2])),
            ("prediction", ColumnRole::Prediction, Value::Number(f64::from(row % 7))),
        ]);
    }
    driftline::pipeline::store_reference(path, &builder.finish("made up".to_owned()).unwrap().0).unwrap();
}

#[test]
fn rules_are_held_against_the_references_of_their_models() {
    let folder = tempfile::tempdir().unwrap();
    store_reference("a", &folder.path().join("a.json"));
    let models = "[[models]]\nname = \"a\"\nreference = \"a.json\"\nsegments = [\"color\"]\n\
                  [[models]]\nname = \"learns\"\nreference = { first_events = 10000 }\n";
    let rule = |name: &str, metric: &str, more: &str| {
        format!(
            "[[rules]]\nname = \"{name}\"\nmetric = \"{metric}\"\nwhen = \"> 1\"\nmodels = \"a\"\n{more}\n"
        )
    };
    let good = [
        rule("g1", "drift.psi", "features = [\"ag?\", \"prediction\", \"!color\"]"),
        rule("g2", "drift.ks", "features = \"age\""),
        rule("g3", "segment.value", "segments = [\"color=*\", \"!color=green\"]"),
        rule("g4", "evidence.log10", "segments = \"all\""),
        rule("g5", "quality.value", "features = \"all\""),
        rule("g6", "drift.ks", "features = \"c*\""),
        rule("g7", "drift.psi", "features = \"of_the_other\"").replace("models = \"a\"", "models = \"*\""),
    ]
    .concat();
    // The rules that come with the program are about what a model may lack.
    let alone = "[[models]]\nname = \"a\"\nreference = \"a.json\"\n";
    let (code, _, err) = validate(folder.path(), alone, &[]);
    assert_eq!((code, err.as_str()), (0, ""));
    let (code, out, err) = validate(folder.path(), &format!("{good}{models}"), &[]);
    assert_eq!((code, err.as_str()), (0, ""));
    assert!(out.contains("\nalerts    by 23 rules, told to nobody\n"), "{out}");
    let bad = [
        rule("b1", "drift.psi", "features = [\"age\", \"agee\"]"),
        rule("b2", "drift.wasserstein", "features = \"color\""),
        rule("b3", "segment.value", "segments = \"colour=*\""),
        rule("b4", "drift.psi", "features = \"all\""),
        rule("b5", "drift.psi", "severity = 5"),
    ]
    .concat();
    let (code, _, err) = validate(folder.path(), &format!("{bad}{models}"), &[]);
    assert_eq!(code, 78);
    for part in [
        "error: c.toml:6:20: rules[0].features[1]: no feature of the references is called \"agee\"\n  hint: did you mean \"age\"?",
        "error: c.toml:12:12: rules[1].features: \"color\" is categorical and has no wasserstein\n  hint: look at psi",
        "error: c.toml:18:12: rules[2].segments: no segment of the references is called \"colour=*\"\n  hint: there are color=green, color=red",
        "error: c.toml:24:12: rules[3].features: no feature of the references is called \"all\"\n  hint: there are age, color, prediction",
        "error: c.toml:30:12: rules[4].severity: ",
        "can't be used: 5 errors",
    ] {
        assert!(err.contains(part), "{err}\nlacks {part:?}");
    }
}

#[test]
fn experiments_are_told_and_held_against_the_references_of_their_models() {
    let folder = tempfile::tempdir().unwrap();
    store_reference("a", &folder.path().join("a.json"));
    let text = |covariate: &str, column: &str| {
        format!(
            "[[models]]\nname = \"a\"\nreference = \"a.json\"\n\
             [[experiments]]\nid = \"e\"\nmodel = \"a\"\ncontrol = \"old\"\nchallengers = [\"new\", \"newer\"]\n\
             [[experiments.metrics]]\nname = \"m\"\nof = \"brier\"\nrole = \"goal\"\ncovariates = [\"{covariate}\"]\n\
             [[experiments.metrics]]\nname = \"n\"\nfield = \"/features/{column}\"\nwinsorise = 0.99\n"
        )
    };
    let (code, out, err) = validate(folder.path(), &text("age", "age"), &[]);
    assert_eq!((code, err.as_str()), (0, ""));
    let told = "\narms      of a, experiment e: new, newer beside old, by their own traffic; 1 goal, 1 plain metric\n";
    assert!(out.contains(told), "{out}");
    // They are looked at beside other errors.
    let (code, _, err) =
        validate(folder.path(), &format!("{}\n[log]\nlevel = 5\n", text("agee", "color")), &[]);
    assert_eq!(code, 78);
    for part in [
        "error: c.toml:13:15: experiments[0].metrics[0].covariates[0]: the reference of model \"a\" has no column \"agee\"\n  hint: did you mean \"age\"?",
        "error: c.toml:17:13: experiments[0].metrics[1].winsorise: \"color\" is not numeric in the reference of model \"a\"\n  hint: give cap",
        "can't be used: 3 errors",
    ] {
        assert!(err.contains(part), "{err}\nlacks {part:?}");
    }
}

#[test]
fn warnings_are_errors_only_when_denied() {
    let folder = tempfile::tempdir().unwrap();
    let text = format!(
        "[influxdb]\nurl = \"http://h\"\norg = \"o\"\nbucket = \"b\"\ntoken = \"correct horse\"\n{MODEL}"
    );
    let (code, out, err) = validate(folder.path(), &text, &[]);
    assert_eq!(code, 0, "{err}");
    assert!(out.starts_with("c.toml can be used, with 1 warning\n"), "{out}");
    assert!(err.contains("warning: c.toml:5:9: influxdb.token: "), "{err}");
    assert!(!out.contains("correct horse") && !err.contains("correct horse"));
    let (code, out, err) = validate(folder.path(), &text, &["--deny-warnings"]);
    assert_eq!((code, out.as_str()), (78, ""));
    assert!(err.ends_with("\nc.toml can't be used: 1 warning\n"), "{err}");
}

#[test]
fn a_server_that_does_not_answer_ends_with_69() {
    let folder = tempfile::tempdir().unwrap();
    // A port that was free a moment ago.
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let text = format!("[influxdb]\nurl = \"http://127.0.0.1:{port}\"\norg = \"o\"\nbucket = \"b\"\n{MODEL}");
    let (code, out, err) = validate(folder.path(), &text, &["--connect"]);
    assert_eq!(code, 69, "{out}{err}");
    assert!(out.contains("\nskipped   kafka: there is no [kafka]\n"), "{out}");
    assert!(out.contains("\nfailed    influxdb "), "{out}");
}

#[test]
fn variables_of_the_environment_are_seen() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("c.toml"), MODEL).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_driftline"));
    command.current_dir(folder.path()).args(["validate", "--config", "c.toml"]);
    let (code, out, _) = told(&command.env("DRIFTLINE_WINDOWS__SIZE", "2h").output().unwrap());
    assert_eq!(code, 0);
    assert!(out.contains("windows   2h, "), "{out}");
    let (code, _, err) = told(&command.env("DRIFTLINE_WINDOWS__SIZE", "2").output().unwrap());
    assert_eq!(code, 78);
    assert!(err.contains("error: environment variable DRIFTLINE_WINDOWS__SIZE: windows.size: "), "{err}");
}

#[test]
fn a_file_that_is_not_there_ends_with_78() {
    let output = Command::new(env!("CARGO_BIN_EXE_driftline"))
        .args(["validate", "--config", "no/such.toml"])
        .output()
        .unwrap();
    let (code, out, err) = told(&output);
    assert_eq!((code, out.as_str()), (78, ""));
    assert!(err.starts_with("error: no/such.toml: can't be read: "), "{err}");
}
