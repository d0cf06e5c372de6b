//! `driftline test-rules` and `driftline replay --rules` through the real
//! binary: what rules would have told, of windows that a test writes down and
//! of events in a file.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::{
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use driftline::alert::{AlertRecord, RecordState};

/// The folder of the example, which `docs/alerts.md` shows.
const EXAMPLE: &str = "config/tested-rules";

const RULES: &str = r#"
[[rules]]
name = "income_psi"
metric = "drift.psi"
when = ">= 0.25"
resolve_when = "< 0.1"
features = "income"
for = 2
mute = ["nights"]
inhibited_by = ["a_rule_of_another_file"]
summary = "PSI of {{ feature }} is {{ psi | round(2) }}"

[[rules]]
name = "income_verdict"
metric = "drift.verdict"
when = "drifted"
features = "inc_v"

[[rules]]
name = "country_shift"
on = "segment"
expression = "verdict == 'drifted' && n > 5000"
segments = "country=*"

[[rules]]
name = "nothing_comes"
metric = "window.events"
when = "< 0"
no_data = "fire"
for = 2

[[rules]]
name = "silent"
metric = "model.silent_windows"
when = ">= 3"

[[rules]]
name = "not_ready"
metric = "component.unready_seconds"
when = ">= 30"
for_time = "30s"

[[rules]]
name = "refused"
metric = "metric.driftline_messages_rejected_total"
labels_match.reason = "not_json"
when = ">= 10"
increase_over = "30s"
"#;

/// Code, standard output and standard error.
fn driftline(directory: &Path, arguments: &[&str]) -> (i32, String, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_driftline"))
        .args(arguments)
        .current_dir(directory)
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .output()
        .unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code().expect("an exit code"), text(output.stdout), text(output.stderr))
}

/// A folder with the rules in `rules/r.toml`, and this test in `tests/t.toml`.
fn scene(test: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for name in ["rules", "tests"] {
        fs::create_dir(folder.path().join(name)).unwrap();
    }
    fs::write(folder.path().join("rules/r.toml"), RULES).unwrap();
    fs::write(folder.path().join("tests/t.toml"), format!("rules = [\"../rules/r.toml\"]\n{test}")).unwrap();
    folder
}

/// A test of these series, each a metric, tags and values; `firing` names what
/// fires after every window, from the first one on.
fn test(name: &str, series: &[(&str, &str, &str)], firing: &[&str]) -> String {
    let mut text = format!("\n[[tests]]\nname = \"{name}\"\nseries = [\n");
    for (metric, tags, values) in series {
        writeln!(text, "{{ metric = \"{metric}\", tags = {{ {tags} }}, values = \"{values}\" }},").unwrap();
    }
    text += "]\nexpect = [\n";
    for (number, rules) in (1..).zip(firing) {
        let alerts: Vec<String> =
            rules.split_whitespace().map(|rule| format!("{{ rule = \"{rule}\" }}")).collect();
        writeln!(text, "{{ window = {number}, firing = [{}] }},", alerts.join(", ")).unwrap();
    }
    text + "]\n"
}

fn passes(tests: &[String]) {
    let folder = scene(&tests.concat());
    let (code, out, err) = driftline(folder.path(), &["test-rules", "tests/t.toml"]);
    assert_eq!((code, err.as_str()), (0, ""), "{out}");
    let count = tests.len();
    let end = if count == 1 { "1 test, 0 failed\n".to_owned() } else { format!("{count} tests, 0 failed\n") };
    assert!(out.starts_with("tests/t.toml\n  ok ") && out.ends_with(&end), "{out}");
}

#[test]
fn rules_are_read_relative_to_the_test_and_judged_window_by_window() {
    let income = "feature = \"income\"";
    passes(&[
        test(
            "for and the range between",
            &[("drift.psi", income, "0.01 0.3x2 0.2 0.05")],
            &["", "", "income_psi", "income_psi", ""],
        ),
        test("another feature", &[("drift.psi", "feature = \"age\"", "0.9x3")], &["", "", ""]),
    ]);
}

#[test]
fn gaps_and_too_few_values_neither_raise_nor_resolve_nor_interrupt() {
    let income = "feature = \"income\"";
    let psi = |values| test(values, &[("drift.psi", income, values)], &["", "", "", "income_psi"]);
    passes(&[
        psi("0.3 _ _ 0.3"),
        psi("0.3 ? ? 0.3"),
        // Between the two conditions nothing is pending any more.
        test("0.2", &[("drift.psi", income, "0.3 0.2 0.3")], &["", "", ""]),
        test("over", &[("drift.psi", income, "0.3x2 ? _ 0.05")], &["", "income_psi"]),
    ]);
}

#[test]
fn a_stream_begins_with_its_first_row_and_is_over_after_so_many_empty_windows() {
    let events =
        |name: &str, values: &str, firing: &[&str]| test(name, &[("window.events", "", values)], firing);
    let begins = events("begins", "_ _ _ _ 5", &["", "", "", "", ""]);
    let silent = events("silent", "5 _ _ 5", &["", "", "nothing_comes", ""]);
    passes(&[begins, silent]);
    // Windows 2 and 3 are written though they are empty. When five more have
    // passed, the stream has no more windows, and its alert is over.
    let firing =
        ["", "", "nothing_comes", "nothing_comes", "nothing_comes", "nothing_comes", "nothing_comes"];
    let over = events("over", "5 _x20", &[&firing[..], &["nothing_comes", "", ""]].concat());
    let folder = scene(&format!("max_empty_windows = 2\n{over}"));
    let (code, out, err) = driftline(folder.path(), &["test-rules", "tests/t.toml"]);
    assert_eq!((code, err.as_str()), (0, ""), "{out}");
}

#[test]
fn verdicts_are_words_and_an_expression_sees_all_fields_of_its_row() {
    let france = "feature = \"income\", segment = \"country=FR\"";
    let germany = "feature = \"income\", segment = \"country=DE\"";
    passes(&[
        test(
            "words",
            &[("drift.verdict", "feature = \"inc_v\"", "stable shifted drifted insufficient stable")],
            &["", "", "income_verdict", "income_verdict", ""],
        ),
        test(
            "two fields of one row",
            &[
                ("segment.verdict", france, "drifted drifted stable"),
                ("segment.n", france, "4000 6000 6000"),
                ("segment.n", germany, "6000 6000 6000"),
            ],
            &["", "country_shift", ""],
        ),
    ]);
}

#[test]
fn rules_of_the_clock_are_looked_at_once_per_item() {
    let refused = "metric.driftline_messages_rejected_total";
    passes(&[
        test("model", &[("model.silent_windows", "model = \"m\"", "1 2 3 0")], &["", "", "silent", ""]),
        test(
            "component",
            &[("component.unready_seconds", "component = \"influxdb\"", "15 30 45 0")],
            &["", "", "not_ready", ""],
        ),
        // 30 s are two looks back.
        test("increase", &[(refused, "reason = \"not_json\"", "0 5 10 10 10")], &["", "", "refused", "", ""]),
        test("other labels", &[(refused, "reason = \"too_large\"", "0 500 900")], &["", "", ""]),
    ]);
}

#[test]
fn rules_that_come_with_driftline_are_there_when_asked_for() {
    let evidence = "metric = \"evidence.verdict\", values = \"stable drifted\"";
    let text = format!(
        "default_rules = true\n[[tests]]\nname = \"t\"\n\
         series = [{{ tags = {{ feature = \"age\" }}, {evidence} }},\n\
         {{ tags = {{ feature = \"prediction\", segment = \"country=DE\", model = \"m\" }}, {evidence} }}]\n\
         expect = [{{ window = 2, firing = [\n\
         {{ rule = \"feature_drift\", segment = \"all\", summary = \"model: age has drifted\" }},\n\
         {{ rule = \"prediction_drift\", model = \"m\", severity = \"critical\" }}] }}]\n"
    );
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("t.toml"), &text).unwrap();
    let (code, out, err) = driftline(folder.path(), &["test-rules", "t.toml"]);
    assert_eq!((code, err.as_str()), (0, ""), "{out}");
    let without = text.replace("default_rules = true\n", "");
    fs::write(folder.path().join("t.toml"), without).unwrap();
    let (code, _, err) = driftline(folder.path(), &["test-rules", "t.toml"]);
    assert!(code == 78 && err.contains("t.toml: rules: there are none to test"), "{code} {err}");
}

#[test]
fn a_failure_says_what_is_expected_and_what_fires() {
    let income = "feature = \"income\", model = \"credit\"";
    let wrong = |firing: &[&str]| test("wrong", &[("drift.psi", income, "0.3 0.3")], firing);
    let folder =
        scene(&[wrong(&["silent", ""]), test("right", &[("drift.psi", income, "0.3")], &[""])].concat());
    let (code, out, err) = driftline(folder.path(), &["test-rules", "tests/t.toml"]);
    let expected = "tests/t.toml
  FAILED  wrong
          window 1
            expected: silent {}
            fires:    nothing
          window 2
            expected: nothing
            fires:    income_psi {feature=\"income\", model=\"credit\", summary=\"PSI of income is 0.30\"}
  ok      right
2 tests, 1 failed
";
    assert_eq!((code, out.as_str(), err.as_str()), (1, expected, ""));
    // A label or a summary that is another one, and an alert too few.
    for alerts in [
        "{ rule = \"income_psi\", feature = \"age\" }",
        "{ rule = \"income_psi\", summary = \"another\" }",
        "{ rule = \"income_psi\" }, { rule = \"income_psi\" }",
    ] {
        let text = wrong(&["", "income_psi"]).replace("{ rule = \"income_psi\" }", alerts);
        let folder = scene(&text);
        let (code, out, _) = driftline(folder.path(), &["test-rules", "tests/t.toml"]);
        assert!(code == 1 && out.contains("window 2") && !out.contains("window 1"), "{alerts}: {out}");
    }
}

#[test]
fn several_files_and_tests_by_name() {
    let series = [("drift.psi", "feature = \"income\"", "0.3x2")];
    let both =
        test("fires at once", &series, &["income_psi"]) + &test("fires late", &series, &["", "income_psi"]);
    let folder = scene(&both);
    fs::copy(folder.path().join("tests/t.toml"), folder.path().join("tests/u.toml")).unwrap();
    let run = |more: &[&str]| driftline(folder.path(), &[&["test-rules"], more].concat());
    let (code, out, _) = run(&["tests/t.toml", "tests/u.toml"]);
    assert_eq!(code, 1);
    assert!(out.contains("\ntests/u.toml\n") && out.ends_with("4 tests, 2 failed\n"), "{out}");
    let (code, out, _) = run(&["tests/t.toml", "tests/u.toml", "--name", "late"]);
    assert!(code == 0 && out.ends_with("2 tests, 0 failed\n"), "{out}");
    let (code, _, err) = run(&["tests/t.toml", "--name", "never"]);
    assert_eq!((code, err.as_str()), (1, "error: no test has \"never\" in its name\n"));
    // One file that can't be read does not hide what the others say.
    let (code, out, err) = run(&["tests/none.toml", "tests/t.toml"]);
    assert!(code == 78 && out.contains("FAILED  fires at once"), "{code} {out}");
    assert!(err.contains("error: tests/none.toml: can't be read: "), "{err}");
}

#[test]
fn what_can_not_be_tested_is_told_with_its_place() {
    let series = |metric: &str, tags: &str, values: &str| test("t", &[(metric, tags, values)], &[""]);
    let psi = ("drift.psi", "feature = \"income\"", "0.3");
    let metric = "metric.driftline_messages_rejected_totals";
    for (text, part) in [
        (
            series("drfit.psi", "", "1"),
            "test \"t\": series 1 (drfit.psi): there is no measurement \"drfit\"; did you mean \"drift\"?",
        ),
        (series("psi", "", "1"), "\"psi\" is no measurement and field"),
        (series("alert.value", "", "1"), "there is no measurement \"alert\""),
        (series("drift.psl", "", "1"), "drift has no field \"psl\"; did you mean \"psi\"?"),
        (series("model.silence", "", "1"), "model has no field \"silence\""),
        (series(metric, "", "1"), "did you mean \"driftline_messages_rejected_total\"?"),
        (series("metric.driftline_step_seconds", "", "1"), "is a histogram"),
        (series("drift.psi", "featur = \"a\"", "1"), "drift has no tag \"featur\"; it has model, version"),
        (series("component.ready", "model = \"a\"", "1"), "component has no tag \"model\"; it has component"),
        (series("drift.psi", "", " "), "values: has no values"),
        (series("drift.psi", "", "1x0"), "\"1x0\" repeats a value 0 or more than 10000 times"),
        (series("drift.psi", "", "inf"), "\"inf\" is no number"),
        (series("drift.psi", "", "0.1 drifted"), "values: psi holds numbers, not \"drifted\""),
        (
            series("drift.verdict", "", "drfited"),
            "verdict holds insufficient, stable, shifted, drifted, not \"drfited\"",
        ),
        (series("drift.verdict", "", "3"), "values: verdict holds words, not 3"),
        (test("t", &[psi, psi], &[""]), "series 2 (drift.psi): is there twice"),
        (test("t", &[psi], &["", ""]), "expect, window 2: the series have windows 1 to 1"),
        (test("t", &[psi], &[""]).replace("window = 1", "window = 0"), "expect, window 0: the series have"),
        (
            test("t", &[psi], &["incom_psi"]),
            "expect, window 1: there is no rule \"incom_psi\"; there are income_psi, ",
        ),
        (
            test("t", &[psi], &["r"]).replace("rule =", "feature ="),
            "an alert has no rule; there are income_psi, ",
        ),
        (test("t", &[psi], &[]), "test \"t\": expect: nothing is expected, so it can't fail"),
        ("tests = []".to_owned(), "tests: there are none; add [[tests]]"),
    ] {
        let folder = scene(&text);
        let (code, out, err) = driftline(folder.path(), &["test-rules", "tests/t.toml"]);
        assert_eq!(code, 78, "{text}\n{out}{err}");
        assert!(err.starts_with("error: tests/t.toml: ") && err.contains(part), "{err}\nlacks {part:?}");
        assert_eq!(err.lines().count(), 1, "{err}");
    }
}

#[test]
fn a_test_file_or_a_rule_file_that_is_broken_names_the_line() {
    let psi = test("t", &[("drift.psi", "feature = \"income\"", "0.3")], &[""]);
    for (text, parts) in [
        ("[[tests]]\nname = \"x\n", ["tests/t.toml: ", "line 3, column"]),
        ("[[tests]]\nname = \"x\"\nseris = []\n", ["line 4, column 1", "unknown field `seris`"]),
        ("[[tests]]\nname = \"x\"\nseries = []\n", ["line 2", "missing field `expect`"]),
    ] {
        let folder = scene(text);
        let (code, _, err) = driftline(folder.path(), &["test-rules", "tests/t.toml"]);
        assert!(code == 78 && parts.iter().all(|part| err.contains(part)), "{code} {err}");
    }
    let folder = scene(&psi);
    fs::write(folder.path().join("rules/r.toml"), RULES.replace("drift.psi", "drift.psl")).unwrap();
    let (code, _, err) = driftline(folder.path(), &["test-rules", "tests/t.toml"]);
    let told =
        "rules/r.toml:4:10: rules[0].metric: drift has no field \"psl\"\n  hint: did you mean \"psi\"?";
    assert!(code == 78 && err.contains(told), "{code} {err}");
    fs::remove_file(folder.path().join("rules/r.toml")).unwrap();
    let (code, _, err) = driftline(folder.path(), &["test-rules", "tests/t.toml"]);
    assert!(code == 78 && err.contains("rules/r.toml: can't be read: "), "{code} {err}");
}

/// The blocks of the documentation's section about back-testing.
fn documented(language: &str) -> Vec<String> {
    let text = fs::read_to_string("docs/alerts.md").unwrap();
    let section = text.split("\n## Back-testing\n").nth(1).expect("a section about back-testing");
    let fence = format!("```{language}\n");
    section.split(&fence).skip(1).map(|block| block.split("```").next().unwrap().to_owned()).collect()
}

#[test]
fn the_example_passes_and_is_what_the_documentation_shows() {
    let file = |name: &str| fs::read_to_string(Path::new(EXAMPLE).join(name)).unwrap();
    let (rules, tests) = (file("rules/hotel.toml"), file("rule-tests/hotel.toml"));
    let blocks = documented("toml");
    assert!(blocks.iter().any(|block| rules.ends_with(block.as_str())), "rules/hotel.toml is not shown");
    assert!(blocks.iter().any(|block| tests.ends_with(block.as_str())), "rule-tests/hotel.toml is not shown");
    let told = documented("text");
    let (code, out, err) = driftline(Path::new(EXAMPLE), &["test-rules", "rule-tests/hotel.toml"]);
    assert_eq!((code, err.as_str()), (0, ""), "{out}");
    assert!(told.contains(&out), "docs/alerts.md lacks\n{out}");
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in [("rules", rules.replace("for = 3", "for = 2")), ("rule-tests", tests)] {
        fs::create_dir(folder.path().join(name)).unwrap();
        fs::write(folder.path().join(name).join("hotel.toml"), text).unwrap();
    }
    let (code, out, _) = driftline(folder.path(), &["test-rules", "rule-tests/hotel.toml"]);
    assert_eq!(code, 1, "{out}");
    assert!(told.contains(&out), "docs/alerts.md lacks\n{out}");
}

/// Events of ten days, and of one day with incomes tripled from 08:00 to 14:00.
fn replayed() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let row = |hour: usize, minute: usize, scale: f64| {
        // Every hour has all sixtieths, each hour a little higher up in them.
        let place = u32::try_from(((minute * 37 + hour * 7) % 60) * 10 + hour % 10).unwrap();
        let (at, share) = (hour * 60 + minute, f64::from(place) / 600.0);
        let day = 1 + hour / 24;
        let time = format!("2026-03-{day:02}T{:02}:{minute:02}:00Z", hour % 24);
        format!("{at},{time},{:.2},{:.3}\n", scale * (1_000.0 + 4_000.0 * share), share)
    };
    let file = |hours: std::ops::Range<usize>, scale: &dyn Fn(usize) -> f64| {
        let rows = hours.flat_map(|hour| (0..60).map(move |minute| (hour, minute)));
        let rows: String = rows.map(|(hour, minute)| row(hour, minute, scale(hour % 24))).collect();
        format!("id,timestamp,income,prediction\n{rows}")
    };
    let write = |name: &str, text: String| fs::write(folder.path().join(name), text).unwrap();
    write("reference.csv", file(0..240, &|_| 1.0));
    write("events.csv", file(240..264, &|hour| if (8..14).contains(&hour) { 3.0 } else { 1.0 }));
    let own = "mute = [\"nights\"]\ninhibited_by = [\"a_rule_of_another_file\"]\n";
    write("r.toml", RULES.replace(own, ""));
    let config = "[windows]\nmin_events = 30\n[[models]]\nname = \"credit\"\nreference = { file = \"r.json\" }\n\
                  [[rules]]\nname = \"mean_income\"\nmetric = \"drift.mean\"\nwhen = \"> 6000\"\n\
                  features = \"income\"\nseverity = \"info\"\n";
    write("c.toml", config.to_owned());
    let arguments = ["reference", "--config", "c.toml", "--model", "credit", "--from", "reference.csv"];
    let (code, _, err) = driftline(folder.path(), &arguments);
    assert_eq!(code, 0, "{err}");
    folder
}

const REPLAY: [&str; 3] = ["replay", "--config", "c.toml"];

/// Lines of a table's row, without the spaces between the cells.
fn cells(out: &str, name: &str) -> Vec<Vec<String>> {
    let rows = out.lines().filter(|line| line.split_whitespace().next() == Some(name));
    rows.map(|line| line.split_whitespace().map(ToOwned::to_owned).collect()).collect()
}

#[test]
fn a_replay_with_rules_is_a_timeline() {
    let folder = replayed();
    let (code, out, err) =
        driftline(folder.path(), &[&REPLAY[..], &["--rules", "r.toml", "events.csv"]].concat());
    assert_eq!(code, 0, "{err}");
    let lines: Vec<&str> = out.lines().filter(|line| line.starts_with("  2026-")).collect();
    assert_eq!(lines.len(), 2, "{out}");
    // The second window of six fires at its end; the first one after them ends it.
    assert!(
        lines[0].starts_with("  2026-03-11 10:00  fires     income_psi            PSI of income is "),
        "{out}"
    );
    assert!(lines[1].starts_with("  2026-03-11 15:00  is over   income_psi "), "{out}");
    assert!(lines[1].ends_with(", after 5h"), "{out}");
    // Told 30 s after it began, again four hours later, and when it was over.
    let head = "\nAlerts: 1 alert, told in 3 notifications (1 new, 1 over, 1 repeated) by event time\n";
    assert!(out.starts_with(head), "{out}");
    assert_eq!(cells(&out, "income_psi"), [["income_psi", "warning", "1", "-", "5h"]], "{out}");
    assert_eq!(cells(&out, "silent"), [["silent", "warning", "-", "-", "-"]], "{out}");
    assert!(cells(&out, "mean_income").is_empty() && cells(&out, "feature_drift").is_empty(), "{out}");
    assert!(out.lines().all(|line| line.chars().count() <= 100), "{out}");
}

#[test]
fn an_alert_of_a_single_long_window_is_told_while_it_fires() {
    let folder = replayed();
    let rule = "[[rules]]\nname = \"mean_income\"\nmetric = \"drift.mean\"\nwhen = \"> 6000\"\nfeatures = \"income\"\n";
    fs::write(folder.path().join("one.toml"), rule).unwrap();
    let arguments = [&REPLAY[..], &["--rules", "one.toml", "--window", "6h", "events.csv"]].concat();
    let (code, out, err) = driftline(folder.path(), &arguments);
    assert_eq!(code, 0, "{err}");
    assert!(out.contains("(1 new, 1 over, 1 repeated)"), "{out}");
    assert_eq!(cells(&out, "mean_income"), [["mean_income", "warning", "1", "-", "6h"]], "{out}");
}

#[test]
fn an_alert_that_goes_on_is_counted_as_still_firing() {
    // The second time ends the events with the window with which it fires.
    for end in ["12:00", "10:00"] {
        let folder = replayed();
        let events = fs::read_to_string(folder.path().join("events.csv")).unwrap();
        let until = events.find(&format!(",2026-03-11T{end}")).unwrap();
        let cut = events[..until].rfind('\n').unwrap();
        fs::write(folder.path().join("events.csv"), &events[..=cut]).unwrap();
        let (code, out, err) =
            driftline(folder.path(), &[&REPLAY[..], &["--rules", "r.toml", "events.csv"]].concat());
        assert_eq!(code, 0, "{err}");
        assert!(out.contains("1 alert, told in 1 notification (1 new, 0 over, 0 repeated)"), "{end}: {out}");
        assert_eq!(cells(&out, "income_psi"), [["income_psi", "warning", "1", "1", "-"]], "{end}: {out}");
        assert!(!out.contains("is over"), "{out}");
    }
}

#[test]
fn as_ndjson_every_change_is_an_object() {
    let folder = replayed();
    let arguments = [&REPLAY[..], &["--rules", "r.toml", "--output", "ndjson", "events.csv"]].concat();
    let (code, out, err) = driftline(folder.path(), &arguments);
    assert_eq!(code, 0, "{err}");
    let records: Vec<AlertRecord> = out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let states: Vec<RecordState> = records.iter().map(|record| record.state).collect();
    assert_eq!(states, [RecordState::Firing, RecordState::Resolved]);
    let (fires, over) = (&records[0].alert, &records[1].alert);
    assert_eq!((fires.rule.as_str(), fires.label("model")), ("income_psi", "credit"));
    assert_eq!(over.fingerprint, fires.fingerprint);
    assert_eq!((over.starts_at, over.ends_at), (records[0].at, Some(records[1].at)));
    assert_eq!(records[1].at.0 - records[0].at.0, 5 * 3_600_000);
    assert!(!fires.bins.is_empty());
}

#[test]
fn without_rules_the_table_ends_with_the_alerts_of_the_configuration() {
    let folder = replayed();
    let (code, out, err) = driftline(folder.path(), &[&REPLAY[..], &["events.csv"]].concat());
    assert_eq!(code, 0, "{err}");
    assert!(out.starts_with("from (UTC)"), "{out}");
    let alerts = out.split("\nAlerts: ").nth(1).expect("alerts below the verdicts");
    assert!(alerts.contains("  2026-03-11 09:00  fires     mean_income "), "{out}");
    assert!(alerts.contains("  2026-03-11 15:00  is over   mean_income "), "{out}");
    assert_eq!(cells(alerts, "mean_income"), [["mean_income", "info", "1", "-", "6h"]], "{out}");
    assert_eq!(cells(alerts, "feature_drift").len(), 1, "rules that come with Driftline count: {out}");
}

#[test]
fn a_replay_refuses_rules_that_are_broken_and_outputs_that_show_no_alerts() {
    let folder = replayed();
    let broken = RULES.replace("\">= 0.25\"", "\"drifted\"");
    fs::write(folder.path().join("broken.toml"), broken).unwrap();
    fs::write(folder.path().join("muted.toml"), RULES).unwrap();
    for (more, code, part) in [
        ("--rules broken.toml", 78, "error: broken.toml:5:8: rules[0].when: psi holds numbers"),
        (
            "--rules muted.toml",
            78,
            "error: muted.toml:9:9: rules[0].mute[0]: there is no mute time \"nights\"",
        ),
        ("--rules none.toml", 78, "error: none.toml: can't be read: "),
        ("--rules r.toml --output matrix", 1, "error: the matrix shows no alerts"),
        ("--rules r.toml --explain income", 2, "--explain"),
        ("--rules r.toml --features", 2, "--features"),
    ] {
        let more: Vec<&str> = more.split(' ').chain(["events.csv"]).collect();
        let (found, out, err) = driftline(folder.path(), &[&REPLAY[..], &more].concat());
        assert_eq!((found, out.as_str()), (code, ""), "{more:?}: {err}");
        assert!(err.contains(part), "{more:?}: {err}");
    }
}

/// The hotel data beside the repository, where it is there.
fn hotel_bookings() -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data/hotel_booking/production.csv");
    if path.exists() {
        return Some(path);
    }
    println!("skipped: {} is not there", path.display());
    None
}

#[test]
fn the_documented_timeline_is_that_of_the_hotel_bookings() {
    let Some(bookings) = hotel_bookings() else { return };
    let config = ["replay", "--config", "config/example-hotel.toml", "--rules"];
    let rules = format!("{EXAMPLE}/rules/hotel.toml");
    let arguments = [&config[..], &[rules.as_str(), bookings.to_str().unwrap()]].concat();
    let (code, out, err) = driftline(Path::new(env!("CARGO_MANIFEST_DIR")), &arguments);
    assert_eq!(code, 0, "{err}");
    let told = documented("text");
    assert!(told.iter().any(|block| block.trim() == out.trim()), "docs/alerts.md lacks\n{out}");
}
