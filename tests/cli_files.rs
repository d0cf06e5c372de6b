//! `driftline reference`, `replay` and `publish` through the real binary, on
//! small data made here and, where it is there, on the hotel data beside the
//! repository. The broker is rdkafka's mock cluster, which stands in for a
//! real one since only the bytes that arrive on the topic are looked at.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod support;

use std::{
    fmt::Write as _,
    path::{Path, PathBuf},
    process::{Command, Output},
    time::{Duration, Instant},
};

use driftline::result::{FeatureResult, Verdict, WindowResult};
use rdkafka::{
    ClientConfig, Message,
    consumer::{BaseConsumer, Consumer},
    mocking::MockCluster,
};
use support::tables::{Column, write_all};

/// Rows of every window of the made data.
const ROWS_PER_HOUR: usize = 200;

fn driftline(directory: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_driftline"))
        .args(arguments)
        .current_dir(directory)
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .output()
        .unwrap()
}

fn succeeds(directory: &Path, arguments: &[&str]) -> (String, String) {
    let output = driftline(directory, arguments);
    let (stdout, stderr) = texts(&output);
    assert!(
        output.status.success(),
        "driftline {arguments:?} ended with {}\n{stdout}\n{stderr}",
        output.status
    );
    (stdout, stderr)
}

fn texts(output: &Output) -> (String, String) {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    (text(&output.stdout), text(&output.stderr))
}

fn windows(ndjson: &str) -> Vec<WindowResult> {
    ndjson.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn feature<'w>(window: &'w WindowResult, name: &str) -> &'w FeatureResult {
    window.features.iter().find(|feature| feature.feature == name).unwrap()
}

fn psi(window: &WindowResult, name: &str) -> f64 {
    feature(window, name).scores.as_ref().unwrap().psi
}

/// Numbers that look random and are the same in every run (the multiplier of
/// Knuth's MMIX generator), in 0..1.
fn random(seed: u64) -> impl FnMut() -> f64 {
    let mut state = seed;
    move || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        f64::from(u32::try_from(state >> 32).unwrap()) / f64::from(u32::MAX)
    }
}

/// Rows of a model over so many hours; `shift` is added to every amount.
fn rows(seed: u64, hours: usize, shift: f64) -> Vec<Column> {
    let mut next = random(seed);
    let count = hours * ROWS_PER_HOUR;
    let step_ms = 3_600_000 / i64::try_from(ROWS_PER_HOUR).unwrap();
    let mut column =
        |make: &mut dyn FnMut(f64) -> Option<f64>| (0..count).map(|_| make(next())).collect::<Vec<_>>();
    let amounts = column(&mut |u| (u > 0.05).then_some((u * 1e4).round() / 100.0 + shift));
    let agents = column(&mut |u| Some((u * 4.0).floor()));
    let countries = column(&mut |u| Some(u));
    let scores = column(&mut |u| Some(u));
    let country = |u: &Option<f64>| match u {
        Some(u) if *u < 0.4 => Some("DE"),
        Some(u) if *u < 0.7 => Some("FR"),
        _ => Some("a \"b\", c"),
    };
    vec![
        Column::Int("id", (0..count).map(|index| Some(i64::try_from(index).unwrap())).collect()),
        Column::Int(
            "timestamp",
            (0..count)
                .map(|index| Some(1_767_225_600_000 + i64::try_from(index).unwrap() * step_ms))
                .collect(),
        ),
        Column::Float("amount", amounts),
        Column::Float("agent", agents),
        Column::Text("country", countries.iter().map(country).collect()),
        Column::Int("y_pred", scores.iter().map(|u| Some(i64::from(u.unwrap() > 0.5))).collect()),
        Column::Bool("vip", scores.iter().map(|u| Some(u.unwrap() < 0.3)).collect()),
        Column::Float("prediction", scores),
    ]
}

const CONFIG: &str = r#"
[[models]]
name = "credit"
reference = { file = "reference.json" }
[models.features]
agent = { kind = "categorical" }
"#;

/// A directory with a configuration, reference data and three hours of
/// production data with a shifted amount, each in every format.
struct Scene {
    directory: tempfile::TempDir,
}

impl Scene {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("driftline.toml"), CONFIG).unwrap();
        write_all(directory.path(), "reference", &rows(1, 10, 0.0));
        write_all(directory.path(), "production", &rows(2, 3, 30.0));
        Self { directory }
    }

    fn path(&self) -> &Path {
        self.directory.path()
    }

    fn reference(&self, extension: &str) -> String {
        let from = format!("reference.{extension}");
        succeeds(
            self.path(),
            &["reference", "--config", "driftline.toml", "--model", "credit", "--from", &from],
        )
        .0
    }

    fn replay(&self, more: &[&str]) -> String {
        let arguments = [&["replay", "--config", "driftline.toml", "--output", "ndjson"], more].concat();
        succeeds(self.path(), &arguments).0
    }
}

#[test]
fn the_three_formats_give_the_same_reference_and_the_same_windows() {
    let scene = Scene::new();
    let outcomes: Vec<(serde_json::Value, String)> = ["csv", "ndjson", "parquet"]
        .map(|extension| {
            scene.reference(extension);
            let text = std::fs::read_to_string(scene.path().join("reference.json")).unwrap();
            let mut reference: serde_json::Value = serde_json::from_str(&text).unwrap();
            // Where it came from and the fingerprint over that differ.
            strip(&mut reference, &["source", "fingerprint"]);
            (reference, scene.replay(&[&format!("production.{extension}")]))
        })
        .into();
    assert_eq!(outcomes[0], outcomes[1]);
    assert_eq!(outcomes[0], outcomes[2]);
    let windows = windows(&outcomes[0].1);
    assert_eq!(windows.iter().map(|window| window.events).collect::<Vec<_>>(), [200, 200, 200]);
    for window in &windows {
        assert!(psi(window, "amount") > 0.25, "{}", psi(window, "amount"));
        assert!(feature(window, "amount").missing_share.unwrap() > 0.0);
        for steady in ["agent", "country", "vip", "prediction", "prediction_class"] {
            assert!(psi(window, steady) < 0.2, "{steady} {}", psi(window, steady));
        }
    }
}

fn strip(value: &mut serde_json::Value, keys: &[&str]) {
    match value {
        serde_json::Value::Object(map) => {
            map.retain(|key, _| !keys.contains(&key.as_str()));
            map.values_mut().for_each(|value| strip(value, keys));
        }
        serde_json::Value::Array(values) => values.iter_mut().for_each(|value| strip(value, keys)),
        _ => {}
    }
}

#[test]
fn numeric_codes_are_one_category_however_they_are_written() {
    let scene = Scene::new();
    scene.reference("csv");
    let text = std::fs::read_to_string(scene.path().join("production.csv")).unwrap();
    assert!(text.contains(",2.0,"), "the codes are written with a fraction");
    let expected = scene.replay(&["production.csv"]);
    for (name, fraction) in [("plain.csv", ""), ("long.csv", ".00")] {
        let written = (0..4).fold(text.clone(), |text, code| {
            text.replace(&format!(",{code}.0,"), &format!(",{code}{fraction},"))
        });
        assert_ne!(written, text);
        std::fs::write(scene.path().join(name), written).unwrap();
        assert_eq!(scene.replay(&[name]), expected, "{name}");
    }
    for window in windows(&expected) {
        assert_eq!(feature(&window, "agent").unseen_share, Some(0.0));
    }
}

#[test]
fn the_order_of_the_rows_makes_no_difference_to_a_replay() {
    let scene = Scene::new();
    scene.reference("csv");
    let text = std::fs::read_to_string(scene.path().join("production.csv")).unwrap();
    let (header, body) = text.split_once('\n').unwrap();
    let backwards: Vec<&str> = std::iter::once(header).chain(body.lines().rev()).collect();
    std::fs::write(scene.path().join("backwards.csv"), backwards.join("\n")).unwrap();
    assert_eq!(scene.replay(&["backwards.csv"]), scene.replay(&["production.csv"]));
    let (_, stderr) = succeeds(scene.path(), &["replay", "--config", "driftline.toml", "backwards.csv"]);
    assert!(stderr.contains("held in memory and sorted"), "{stderr}");
    let halves = body.lines().collect::<Vec<_>>();
    for (name, half) in ["1.csv", "2.csv"].into_iter().zip(halves.chunks(halves.len() / 2)) {
        std::fs::write(scene.path().join(name), format!("{header}\n{}\n", half.join("\n"))).unwrap();
    }
    assert_eq!(scene.replay(&["1.csv", "2.csv"]), scene.replay(&["production.csv"]), "files are one stream");
}

#[test]
fn a_reference_can_be_learned_from_the_replayed_rows() {
    let scene = Scene::new();
    let config = CONFIG.replace("file = \"reference.json\"", "first_events = 500");
    std::fs::write(scene.path().join("learn.toml"), config).unwrap();
    let (stdout, stderr) =
        succeeds(scene.path(), &["replay", "--config", "learn.toml", "--output", "ndjson", "reference.csv"]);
    assert!(stderr.contains("the reference of credit was learned from 500 rows"), "{stderr}");
    let windows = windows(&stdout);
    assert_eq!(windows.len(), 7, "three hours of ten are in the reference or cut by its end");
    assert!(windows.iter().all(|window| psi(window, "amount") < 0.2));
    let few = driftline(scene.path(), &["replay", "--config", "learn.toml", "--model", "credit", "few.csv"]);
    assert_eq!(few.status.code(), Some(1));
}

#[test]
fn the_table_the_picture_and_the_summary_say_what_happened() {
    let scene = Scene::new();
    let table = scene.reference("parquet");
    for part in ["amount", "numeric", "agent", "categorical", "reference of 2,000 rows written to"] {
        assert!(table.contains(part), "{part}: {table}");
    }
    let mut csv = std::fs::read_to_string(scene.path().join("production.csv")).unwrap();
    csv += "1,2,3\n9000,yesterday,1,1,DE,1,true,0.5\n";
    std::fs::write(scene.path().join("broken.csv"), csv).unwrap();
    let (stdout, stderr) = succeeds(scene.path(), &["replay", "--config", "driftline.toml", "broken.csv"]);
    let lines: Vec<&str> = stdout.lines().take_while(|line| !line.is_empty()).collect();
    assert_eq!(lines.len(), 4, "{stdout}");
    assert!(lines[1].starts_with("2026-01-01        credit") && lines[1].contains("amount "), "{stdout}");
    assert!(lines[2].starts_with("2026-01-01 01:00  credit"), "{stdout}");
    fits_a_pipe(&stdout);
    let windows = windows(&scene.replay(&["broken.csv"]));
    for (line, window) in lines[1..].iter().zip(&windows) {
        assert!(line.contains(&format!("  {}  ", worst(window).as_str())), "{line}");
    }
    for part in [
        "600 events in",
        "3 windows",
        "2 rows left out of 602: 1 ragged, 1 bad_time",
        "broken.csv:602: 3 fields",
    ] {
        assert!(stderr.contains(part), "{part}: {stderr}");
    }
    let (all, _) =
        succeeds(scene.path(), &["replay", "--config", "driftline.toml", "--features", "broken.csv"]);
    assert_eq!(all.lines().filter(|line| line.starts_with("    country ")).count(), 3, "{all}");
    fits_a_pipe(&all);
    let picture = ["replay", "--config", "driftline.toml", "--output", "matrix", "broken.csv"];
    let (picture, _) = succeeds(scene.path(), &picture);
    assert!(picture.contains("credit: 3 windows from 2026-01-01 to 2026-01-01 02:00"), "{picture}");
    let amount = picture.lines().find(|line| line.starts_with("amount")).unwrap();
    let blocks: String = windows.iter().map(|window| block(window, "amount")).collect();
    assert!(amount.contains(&blocks), "{blocks} in {picture}");
    let strict = driftline(scene.path(), &["replay", "--config", "driftline.toml", "--strict", "broken.csv"]);
    assert_eq!(strict.status.code(), Some(1));
    assert!(
        texts(&strict).1.contains("broken.csv:602: 3 fields where the header has 8"),
        "{}",
        texts(&strict).1
    );
}

/// No colours, and no line of more than 100 characters.
fn fits_a_pipe(text: &str) {
    assert!(!text.contains('\u{1b}'), "no colours in a pipe: {text}");
    for line in text.lines() {
        assert!(line.chars().count() <= 100, "{line}");
    }
}

fn worst(window: &WindowResult) -> Verdict {
    let several = window.several.as_ref().map_or(Verdict::Insufficient, |several| several.verdict);
    window.verdict().max(window.prediction_verdict()).max(window.quality_verdict()).max(several)
}

fn in_alarm(window: &WindowResult, name: &str) -> bool {
    let mut of_all = window.evidence.iter().filter(|evidence| evidence.segment.is_none());
    of_all.any(|evidence| evidence.alarm && evidence.feature == name)
}

/// What the picture shows of a column.
fn block(window: &WindowResult, name: &str) -> char {
    let column = feature(window, name);
    match column.verdict.max(column.quality_verdict()) {
        _ if in_alarm(window, name) => '█',
        Verdict::Insufficient => '·',
        Verdict::Stable => '░',
        Verdict::Shifted => '▒',
        Verdict::Drifted => '▓',
    }
}

#[test]
fn the_table_ends_with_what_all_windows_said_of_each_column() {
    let scene = Scene::new();
    scene.reference("csv");
    let (text, _) = succeeds(scene.path(), &["replay", "--config", "driftline.toml", "production.csv"]);
    fits_a_pipe(&text);
    let (_, summary) = text.split_once("\n\n").unwrap();
    let head = "credit: 3 windows of 1h from 2026-01-01 to 2026-01-01 02:00, 600 events\n";
    assert!(summary.starts_with(head), "{summary}");
    let windows = windows(&scene.replay(&["production.csv"]));
    for column in &windows[0].features {
        let name = &column.feature;
        let row = summary.lines().find(|line| line.starts_with(&format!("  {name} "))).unwrap();
        let cells: Vec<&str> = row.split_whitespace().skip(1).collect();
        for (verdict, cell) in Verdict::ALL.into_iter().zip(&cells) {
            let count = windows.iter().filter(|window| feature(window, name).verdict == verdict).count();
            let expected = if count == 0 { "-".to_owned() } else { count.to_string() };
            assert_eq!(**cell, expected, "{} in {row}", verdict.as_str());
        }
        let mut was = false;
        let onsets = windows.iter().filter(|window| {
            let (before, now) = (was, in_alarm(window, name));
            was = now;
            now && !before
        });
        let onsets = onsets.count();
        assert_eq!(cells[4], if onsets == 0 { "-".to_owned() } else { onsets.to_string() }, "{row}");
        let effects = windows.iter().filter_map(|window| feature(window, name).effect);
        if let Some(largest) = effects.max_by(f64::total_cmp) {
            assert!(row.contains(&format!(" {largest:.3}  01-01 ")), "{largest} in {row}");
        }
    }
}

#[test]
fn a_verdict_is_explained_by_its_bins() {
    let scene = Scene::new();
    scene.reference("csv");
    let replay = ["replay", "--config", "driftline.toml", "--explain", "amount"];
    let (text, _) =
        succeeds(scene.path(), &[&replay[..], &["--at", "2026-01-01 01:30", "production.csv"]].concat());
    fits_a_pipe(&text);
    let windows = windows(&scene.replay(&["production.csv"]));
    let head = "amount of credit, 2026-01-01 01:00 to 2026-01-01 02:00, 200 events\n";
    let (_, told) = text.split_once(head).unwrap();
    let column = feature(&windows[1], "amount");
    assert!(told.contains(&format!("{:.3}", psi(&windows[1], "amount"))), "{told}");
    assert!(told.contains(&format!("{}.\n", column.verdict.as_str())), "{told}");
    let mut parts = 0.0;
    for bin in &column.bins {
        let row =
            told.lines().find(|line| line.get(2..).is_some_and(|line| line.starts_with(&bin.label))).unwrap();
        let change = format!("{:+.1} pts", 100.0 * (bin.window - bin.reference));
        let shares = [bin.reference, bin.window].map(|share| format!("{:.1}%", 100.0 * share));
        assert!(row.contains(&change) && shares.iter().all(|share| row.contains(share)), "{row}");
        let bars = row.chars().filter(|c| ('█'..='▏').contains(c)).count();
        assert!(bars >= 1, "{row}");
        parts += row.split_whitespace().last().unwrap().trim_end_matches('%').parse::<f64>().unwrap();
    }
    assert!((parts - 100.0).abs() < 1.0, "{parts}");
    let reference = driftline::pipeline::load_reference(&scene.path().join("reference.json")).unwrap();
    let mean =
        reference.columns.iter().find(|column| column.name == "amount").unwrap().counts.mean().unwrap();
    let row = told.lines().find(|line| line.starts_with("reference ")).unwrap();
    assert!(row.contains(&format!(" {mean:.2} ")), "{mean} in {row}");

    let (text, _) =
        succeeds(scene.path(), &[&replay[..], &["--explain", "country", "production.csv"]].concat());
    assert!(text.contains("\namount of credit, ") && text.contains("\ncountry of credit, "), "{text}");
    let (text, _) =
        succeeds(scene.path(), &[&replay[..], &["--at", "2026-02-01", "production.csv"]].concat());
    assert!(text.contains("no window at 2026-02-01 has amount"), "{text}");
}

const EXPERIMENT: &str = r#"
[[experiments]]
id = "credit-v2"
model = "credit"
arm = "version"
control = "v1"
challengers = ["v2"]
hooks = true
waits_for_start = true
[[experiments.metrics]]
name = "errors"
kind = "rate"
field = "/error"
role = "guardrail"
better = "lower"
[[experiments.metrics]]
name = "score"
of = "prediction"
role = "goal"
better = "higher"
"#;

#[test]
fn a_replay_ends_with_what_is_to_be_done_in_experiments() {
    let scene = Scene::new();
    scene.reference("csv");
    std::fs::write(scene.path().join("trial.toml"), format!("{CONFIG}{EXPERIMENT}")).unwrap();
    let mut next = random(3);
    let mut events = String::new();
    for index in 0..6_000 {
        let (version, errors) = if next() < 0.5 { ("v1", 0.02) } else { ("v2", 0.08) };
        let (error, score) = (next() < errors, next());
        let event = serde_json::json!({
            "kind": "prediction", "id": index, "time": 1_767_225_600_000_i64 + index * 2_000, "model": "credit",
            "version": version, "features": { "amount": score }, "prediction": score, "error": error,
        });
        writeln!(events, "{event}").unwrap();
    }
    std::fs::write(scene.path().join("events.ndjson"), events).unwrap();
    let replay = ["replay", "--config", "trial.toml", "events.ndjson"];
    let (text, stderr) = succeeds(scene.path(), &replay);
    fits_a_pipe(&text);
    let started = "note: experiment credit-v2 waits for its start; here it counts from the first event on";
    assert!(stderr.contains(started), "{stderr}");
    let told =
        text.split("experiment credit-v2 of credit: windows of 1h from 2026-01-01 to ").nth(1).unwrap();
    assert!(told.contains("  rollback v2\n    errors: worse than the control: +"), "{told}");
    let (ndjson, _) = succeeds(scene.path(), &[&replay[..], &["--output", "ndjson"]].concat());
    let looks: Vec<serde_json::Value> = ndjson
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .filter_map(|line: serde_json::Value| line.get("experiment").cloned())
        .collect();
    assert_eq!(looks.len(), 4, "one of each hour");
    assert_eq!((&looks[3]["experiment"], &looks[3]["verdict"]), (&"credit-v2".into(), &"rollback".into()));
}

#[test]
fn what_can_not_work_ends_with_its_code_and_a_hint() {
    let scene = Scene::new();
    let directory = scene.path();
    scene.reference("csv");
    std::fs::write(directory.join("bad.toml"), "[windows]\nsize = 5\n").unwrap();
    let two = format!("{CONFIG}\n[[models]]\nname = \"fraud\"\nreference = {{ first_events = 1000 }}\n");
    std::fs::write(directory.join("two.toml"), two).unwrap();
    std::fs::write(directory.join("useless.csv"), "id,timestamp,amount\n1,never,2\n").unwrap();
    for (line, code, hint) in [
        ("replay --config bad.toml production.csv", 78, "bad.toml:2"),
        ("replay --config two.toml production.csv", 1, "Name it with --model"),
        ("replay --config driftline.toml missing.csv", 1, "missing.csv"),
        ("replay --config driftline.toml useless.csv", 1, "no row of the file can be used"),
        ("replay --config driftline.toml --model other production.csv", 1, "\"other\""),
        ("replay --config driftline.toml --time when production.csv", 1, "no column \"when\""),
        ("replay --config driftline.toml --output influx production.csv", 1, "needs [influxdb]"),
        (
            "replay --config driftline.toml --explain Amuont missing.csv",
            1,
            "no feature \"Amuont\"; did you mean \"amount\"?",
        ),
        (
            "replay --config driftline.toml --explain postcode missing.csv",
            1,
            "there are agent, amount, country, prediction, prediction_class, vip",
        ),
        ("replay --config driftline.toml --output ndjson --explain vip production.csv", 1, "below the table"),
        ("replay --config driftline.toml --explain vip --at noon production.csv", 2, "2026-01-31 12:00"),
        ("publish --config driftline.toml --topic t production.csv", 78, "needs [kafka]"),
        ("reference --model m --from production.csv", 1, "-o"),
        ("reference --model m --from production.csv --kind a=b -o x", 2, "COLUMN=numeric"),
    ] {
        let arguments: Vec<&str> = line.split(' ').collect();
        let output = driftline(directory, &arguments);
        let (_, stderr) = texts(&output);
        assert_eq!(output.status.code(), Some(code), "{line}: {stderr}");
        assert!(stderr.contains(hint), "{line}: {stderr}");
    }
}

#[test]
fn training_data_without_a_configuration_is_enough_for_a_reference() {
    let directory = tempfile::tempdir().unwrap();
    let rows: Vec<String> = (0..100).map(|index| format!("{},{},x{index}", index % 7, index % 3)).collect();
    std::fs::write(directory.path().join("t.csv"), format!("age,code,junk\n{}\n", rows.join("\n"))).unwrap();
    let (stdout, _) = succeeds(
        directory.path(),
        &[
            "reference",
            "--model",
            "m",
            "--from",
            "t.csv",
            "-o",
            "r.json",
            "--kind",
            "code=categorical",
            "--ignore",
            "junk",
        ],
    );
    let line = |name: &str| stdout.lines().find(|line| line.starts_with(name)).unwrap_or("").to_owned();
    assert!(line("age").contains("numeric") && line("code").contains("categorical"), "{stdout}");
    assert_eq!(line("junk"), "", "ignored columns never become features");
    let reference = driftline::pipeline::load_reference(&directory.path().join("r.json")).unwrap();
    assert_eq!((reference.model.as_str(), reference.rows, reference.times), ("m", 100, None));
}

/// All messages of a topic, once so many are there.
fn consume(brokers: &str, topic: &str, count: usize) -> Vec<(String, String)> {
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", brokers)
        .set("group.id", "test")
        .set("auto.offset.reset", "earliest")
        .create()
        .unwrap();
    consumer.subscribe(&[topic]).unwrap();
    let deadline = Instant::now() + Duration::from_secs(60);
    let mut messages = Vec::new();
    while messages.len() < count && Instant::now() < deadline {
        let Some(Ok(message)) = consumer.poll(Duration::from_millis(100)) else { continue };
        let text = |bytes: Option<&[u8]>| String::from_utf8(bytes.unwrap_or_default().to_vec()).unwrap();
        messages.push((text(message.key()), text(message.payload())));
    }
    messages
}

#[test]
fn what_is_published_replays_to_the_same_windows_as_the_file() {
    let scene = Scene::new();
    scene.reference("csv");
    let cluster = MockCluster::new(1).unwrap();
    cluster.create_topic("credit", 3, 1).unwrap();
    cluster.create_topic("few", 1, 1).unwrap();
    let brokers = cluster.bootstrap_servers();
    let kafka = format!("{CONFIG}\n[kafka]\nbrokers = \"{brokers}\"\ntopics = [\"credit\"]\n");
    std::fs::write(scene.path().join("kafka.toml"), kafka).unwrap();
    let arguments = ["publish", "--config", "kafka.toml", "--topic", "credit", "production.parquet"];
    let (stdout, _) = succeeds(scene.path(), &arguments);
    assert!(stdout.starts_with("600 events on credit, all confirmed"), "{stdout}");
    let messages = consume(&brokers, "credit", 600);
    assert_eq!(messages.len(), 600);
    for (key, payload) in &messages {
        let event: serde_json::Value = serde_json::from_str(payload).unwrap();
        assert_eq!(event["id"].as_str(), Some(key.as_str()));
        assert_eq!(event["model"], "credit");
    }
    let lines: Vec<&str> = messages.iter().map(|(_, payload)| payload.as_str()).collect();
    std::fs::write(scene.path().join("consumed.ndjson"), lines.join("\n")).unwrap();
    assert_eq!(scene.replay(&["consumed.ndjson"]), scene.replay(&["production.csv"]));

    let some = [&arguments[..4], &["few", "--limit", "7", "--rate", "100", "production.csv"]].concat();
    let (stdout, _) = succeeds(scene.path(), &some);
    assert!(stdout.starts_with("7 events on few, all confirmed"), "{stdout}");
}

#[test]
fn a_broker_that_is_away_ends_publishing_with_unavailable() {
    let scene = Scene::new();
    // Nothing listens on the discard port.
    let kafka = format!("{CONFIG}\n[kafka]\nbrokers = \"127.0.0.1:9\"\ntopics = [\"credit\"]\n");
    std::fs::write(scene.path().join("kafka.toml"), kafka).unwrap();
    let output = driftline(
        scene.path(),
        &["publish", "--config", "kafka.toml", "--topic", "t", "--confirm-timeout", "2", "production.csv"],
    );
    let (_, stderr) = texts(&output);
    assert_eq!(output.status.code(), Some(69), "{stderr}");
    assert!(stderr.contains("600 of 600 messages were not delivered to t"), "{stderr}");
}

fn hotel_data() -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data/hotel_booking");
    if path.join("reference.csv").exists() {
        return Some(path.canonicalize().unwrap());
    }
    println!("skipped: {} is not there", path.display());
    None
}

#[test]
fn hotel_bookings_drift_with_the_season() {
    let Some(data) = hotel_data() else { return };
    let directory = tempfile::tempdir().unwrap();
    let config = r#"
[windows]
size = "7d"
[[models]]
name = "hotel"
reference = { file = "hotel.json" }
[models.features]
agent = { kind = "categorical" }
company = { kind = "categorical" }
[models.table]
id = "Index"
time = "timestamp"
prediction = "y_pred_proba"
prediction_class = "y_pred"
label = "is_canceled"
"#;
    std::fs::write(directory.path().join("hotel.toml"), config).unwrap();
    let file = |name: &str| data.join(name).to_str().unwrap().to_owned();
    let (table, _) = succeeds(
        directory.path(),
        &["reference", "--config", "hotel.toml", "--model", "hotel", "--from", &file("reference.csv")],
    );
    assert!(table.contains("reference of 16,913 rows"), "{table}");
    let production = file("production.csv");
    let arguments = ["replay", "--config", "hotel.toml", "--output", "ndjson", &production];
    let weeks = windows(&succeeds(directory.path(), &arguments).0);
    assert_eq!(weeks.iter().map(|week| week.events).sum::<u64>(), 14_796, "every row is in one week");
    let days = windows(&succeeds(directory.path(), &[&arguments[..], &["--window", "1d"]].concat()).0);
    assert_eq!(days.iter().map(|day| day.events).sum::<u64>(), 14_796);
    assert_eq!(days.len(), 151, "October to February");
    // Summer prices against autumn and winter ones: the price falls for good.
    let mean = |week: &WindowResult| feature(week, "adr").summary.unwrap().mean;
    let (october, january) = (&weeks[1], &weeks[weeks.len() - 6]);
    assert!(mean(january) < mean(october), "{} {}", mean(october), mean(january));
    assert!(psi(january, "adr") > 0.25, "{}", psi(january, "adr"));
    // The two hotels share the market as before.
    assert!(psi(october, "hotel") < 0.1, "{}", psi(october, "hotel"));
    // The model follows its inputs; its scores stay in their range.
    assert!(feature(october, "prediction").unseen_share.unwrap() < 0.01);
}
