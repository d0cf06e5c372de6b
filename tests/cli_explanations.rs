//! `driftline importance`, and what `driftline validate` says of explanations,
//! through the real binary: on a linear model whose importance is known by
//! formula, and on an `XGBoost` model that is asked here, too.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
#![allow(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::format_collect
)]

mod support;

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    fs,
    io::Read,
    path::Path,
    process::{Command, Output},
};

use driftline::{
    model::{Model, Rows, read_xgboost},
    reference::{BuilderSettings, ColumnRole, ReferenceBuilder},
};
use serde_json::Value;
use support::stand_in::{Reply, Seen, StandIn};

const ROWS: usize = 2_000;
/// Inputs of the model in `tests/oracles/models/xgb_regression.json.gz`.
const WIDTH: usize = 7;

fn driftline(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_driftline"))
        .args(arguments)
        .current_dir(folder)
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .output()
        .unwrap()
}

fn told(folder: &Path, arguments: &[&str]) -> (i32, String, String) {
    let output = driftline(folder, arguments);
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    (output.status.code().unwrap(), text(&output.stdout), text(&output.stderr))
}

fn succeeds(folder: &Path, arguments: &[&str]) -> (String, String) {
    let (code, out, err) = told(folder, arguments);
    assert_eq!(code, 0, "driftline {arguments:?}\n{out}\n{err}");
    (out, err)
}

#[track_caller]
fn contains(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "{text}\nlacks {part:?}");
    }
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

/// `income` in 0..10 with a coefficient of 1, `age` in 0..4 with one of -2,
/// `channel` web (3), branch (0) or phone (1), and `noise` of which nothing is
/// made.
struct Loan {
    income: f64,
    age: f64,
    channel: &'static str,
    noise: f64,
}

impl Loan {
    fn all() -> Vec<Self> {
        let mut next = random(1);
        let mut loan = || Self {
            income: (next() * 1e4).round() / 1e3,
            age: (next() * 4e3).round() / 1e3,
            channel: ["web", "branch", "phone"][((next() * 3.0) as usize).min(2)],
            noise: (next() * 1e3).round(),
        };
        (0..ROWS).map(|_| loan()).collect()
    }

    fn value(&self) -> f64 {
        let channel = match self.channel {
            "web" => 3.0,
            "phone" => 1.0,
            _ => 0.0,
        };
        self.income - 2.0 * self.age + channel
    }
}

const COEFFICIENTS: &str = "coefficients = { income = 1.0, age = -2.0, channel_web = 3.0, channel_branch = 0.0, channel_phone = 1.0 }\n";
const INPUTS: &str = r#"
[[inputs]]
feature = "income"
[[inputs]]
feature = "age"
[[inputs]]
feature = "channel"
one_hot = ["web", "branch", "phone"]
name = "channel_{}"
"#;
const CONFIG: &str = r#"
[[models]]
name = "loan"
reference = { file = "loan.ref.json" }
[models.table]
id = "id"
label = "repaid"
[models.explain]
model = "loan.toml"
inputs = "inputs.toml"
"#;

/// A table of the loans with a prediction and a label each.
fn table(prediction: impl Fn(&Loan) -> f64, label: impl Fn(&Loan) -> String) -> String {
    let mut csv = "id,income,age,channel,noise,prediction,repaid\n".to_owned();
    for (id, loan) in Loan::all().iter().enumerate() {
        let Loan { income, age, channel, noise } = loan;
        writeln!(csv, "a{id},{income},{age},{channel},{noise},{},{}", prediction(loan), label(loan)).unwrap();
    }
    csv
}

/// A folder with a model, its schema, a configuration, a reference built by the
/// program, and labelled rows.
struct Scene {
    folder: tempfile::TempDir,
}

impl Scene {
    fn new() -> Self {
        let scene = Self { folder: tempfile::tempdir().unwrap() };
        scene.write("loan.toml", COEFFICIENTS);
        scene.write("inputs.toml", INPUTS);
        scene.write("c.toml", CONFIG);
        scene.write("loans.csv", &table(Loan::value, |loan| loan.value().to_string()));
        scene.build_reference();
        scene
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.path().join(name), text).unwrap();
    }

    fn build_reference(&self) {
        succeeds(self.path(), &["reference", "--config", "c.toml", "--model", "loan", "--from", "loans.csv"]);
    }

    fn importance(&self, more: &[&str]) -> (i32, String, String) {
        told(self.path(), &[&["importance", "--config", "c.toml"], more].concat())
    }

    fn json(&self, more: &[&str]) -> Value {
        let (code, out, err) = self.importance(&[&["--json"], more].concat());
        assert_eq!(code, 0, "{out}\n{err}");
        serde_json::from_str(&out).unwrap()
    }

    fn validate(&self, more: &[&str]) -> (i32, String, String) {
        told(self.path(), &[&["validate", "--config", "c.toml"], more].concat())
    }
}

fn increase(json: &Value, feature: &str) -> f64 {
    let features = json["features"].as_array().unwrap();
    features.iter().find(|entry| entry["feature"] == feature).unwrap()["increase"].as_f64().unwrap()
}

fn ranking(json: &Value) -> Vec<&str> {
    json["features"].as_array().unwrap().iter().map(|entry| entry["feature"].as_str().unwrap()).collect()
}

fn variance(values: impl Iterator<Item = f64>) -> f64 {
    let values: Vec<f64> = values.collect();
    let mean = values.iter().sum::<f64>() / values.len() as f64;
    values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / values.len() as f64
}

#[test]
fn the_importance_of_a_linear_model_is_that_of_the_formula() {
    let scene = Scene::new();
    let json = scene.json(&["loans.csv"]);
    assert_eq!(ranking(&json), ["income", "age", "channel"], "{json}");
    assert!(json["baseline_loss"].as_f64().unwrap() < 1e-20, "{json}");
    // A shuffled input differs from its own by twice its variance, squared.
    let loans = Loan::all();
    for (feature, of) in [
        ("income", (|loan: &Loan| loan.income) as fn(&Loan) -> f64),
        ("age", |loan| 2.0 * loan.age),
        ("channel", |loan| match loan.channel {
            "web" => 3.0,
            "phone" => 1.0,
            _ => 0.0,
        }),
    ] {
        let (found, expected) = (increase(&json, feature), 2.0 * variance(loans.iter().map(of)));
        assert!((found / expected - 1.0).abs() < 0.06, "{feature}: {found} where {expected} is expected");
    }
    assert_eq!((&json["loss"], &json["repeats"], &json["seed"]), (&"squared".into(), &5.into(), &0.into()));
    assert_eq!((&json["rows_used"], &json["rows_usable"]), (&ROWS.into(), &ROWS.into()));
    assert_eq!(json["evaluations"], ROWS * (2 + 3 * 5));
    let shares: f64 = json["features"].as_array().unwrap().iter().map(|f| f["share"].as_f64().unwrap()).sum();
    assert!((shares - 1.0).abs() < 1e-9);
    assert_eq!(scene.json(&["loans.csv"]), json, "the same seed gives the same");
    assert_ne!(scene.json(&["loans.csv", "--seed", "1"])["features"], json["features"]);
}

#[test]
fn the_table_says_the_same_for_people() {
    let scene = Scene::new();
    let (code, out, err) = scene.importance(&["loans.csv", "--rows", "500", "--loss", "absolute"]);
    assert_eq!((code, err.contains("warning")), (0, false), "{err}");
    let lines: Vec<&str> = out.lines().collect();
    contains(lines[0], &["loan (", "absolute", "500 of 2,000 rows"]);
    assert_eq!(
        lines[2].split_whitespace().collect::<Vec<_>>(),
        ["feature", "loss", "increase", "±", "SE", "share"]
    );
    let first: Vec<&str> = lines[3..6].iter().map(|line| line.split_whitespace().next().unwrap()).collect();
    assert_eq!(first, ["income", "age", "channel"], "{out}");
    assert!(lines.iter().all(|line| line.chars().count() <= 100), "{out}");
}

#[test]
fn a_sample_does_not_depend_on_the_order_or_the_form_of_the_rows() {
    let scene = Scene::new();
    let text = fs::read_to_string(scene.path().join("loans.csv")).unwrap();
    let (header, body) = text.split_once('\n').unwrap();
    let backwards: Vec<&str> = std::iter::once(header).chain(body.lines().rev()).collect();
    scene.write("backwards.csv", &backwards.join("\n"));
    let expected = scene.json(&["loans.csv", "--rows", "300"]);
    assert_eq!(expected["rows_used"], 300);
    assert_eq!(scene.json(&["backwards.csv", "--rows", "300"]), expected);
    // As events: labels apart, in the event, and never.
    let (mut events, mut later) = (String::new(), String::new());
    for (id, loan) in Loan::all().iter().enumerate() {
        let Loan { income, age, channel, noise } = loan;
        let label = format!(r#""label":{}"#, loan.value());
        let own = if id % 2 == 0 { format!(",{label}") } else { String::new() };
        let head = format!(r#""id":"a{id}","time":"2026-01-01T00:00:00Z","model":"loan""#);
        writeln!(
            events,
            r#"{{"kind":"prediction",{head},"features":{{"income":{income},"age":{age},"channel":"{channel}","noise":{noise}}},"prediction":1{own}}}"#
        )
        .unwrap();
        if id % 2 == 1 {
            writeln!(later, r#"{{"kind":"label",{head},{label}}}"#).unwrap();
        }
    }
    events += r#"{"kind":"prediction","id":"z","time":"2026-01-01T00:00:00Z","model":"loan","features":{"income":1,"age":1,"channel":"web"},"prediction":1}"#;
    scene.write("events.ndjson", &format!("{later}{events}\n"));
    let mut of_events = scene.json(&["events.ndjson", "--rows", "300"]);
    assert_eq!(of_events["rows_left_out"]["no label"], 1, "{of_events}");
    of_events["rows_left_out"] = Value::Object(serde_json::Map::new());
    assert_eq!(of_events, expected);
}

#[test]
fn rows_that_are_left_out_are_told_with_the_reason() {
    let scene = Scene::new();
    let mut text = fs::read_to_string(scene.path().join("loans.csv")).unwrap();
    text += "b1,1,1,web,1,2,\nb2,1,1,fax,1,2,3\nb3,1,1,web,1,2,late\nb4,1,1,web,1,2,inf\nb5,x,1,web,1,2,1\nb6,,1,web,1,2,1\n";
    scene.write("more.csv", &text);
    let inputs = INPUTS.replace("one_hot = [\"web\", \"branch\", \"phone\"]\nname = \"channel_{}\"", "");
    let inputs = format!("{inputs}values = {{ web = 3, branch = 0, phone = 1 }}\n");
    scene.write("inputs.toml", &inputs);
    scene.write("loan.toml", "coefficients = { income = 1.0, age = -2.0, channel = 1.0 }\n");
    let (code, out, err) = scene.importance(&["more.csv", "--json"]);
    assert_eq!(code, 0, "{err}");
    contains(
        &err,
        &[
            "warning: 1 row left out: no label",
            "warning: 1 row left out: a category has no encoding; the first: feature \"channel\" is \"unseen\"",
            "warning: 2 rows left out: the label is no number",
            "warning: 1 row left out: a value is of the wrong type; the first: feature \"income\"",
            "warning: 1 row left out: the model's output is no number",
        ],
    );
    let json: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(
        json["rows_left_out"].as_object().unwrap().values().map(|n| n.as_u64().unwrap()).sum::<u64>(),
        6
    );
    assert_eq!((&json["rows_used"], &json["rows_usable"]), (&ROWS.into(), &ROWS.into()));
    assert_eq!(ranking(&json), ["income", "age", "channel"]);
    let (code, _, err) = scene.importance(&["more.csv", "--label", "nothing"]);
    assert_eq!(code, 1);
    contains(&err, &["no column \"nothing\" for the label", "none of 2,006 rows can be used", "--label"]);
}

#[test]
fn classes_are_numbered_and_told() {
    let scene = Scene::new();
    scene.write("loan.toml", &format!("link = \"logistic\"\n{COEFFICIENTS}"));
    let is_repaid = |loan: &Loan| loan.value() > 2.0;
    scene.write("flags.csv", &table(Loan::value, |loan| is_repaid(loan).to_string()));
    let flags = scene.json(&["flags.csv"]);
    assert_eq!(flags["loss"], "log_loss");
    assert_eq!(ranking(&flags)[0], "income");
    for (name, [no, yes]) in
        [("bits.csv", ["0", "1"]), ("words.csv", ["lost", "repaid"]), ("more.csv", ["1", "2"])]
    {
        scene.write(name, &table(Loan::value, |loan| if is_repaid(loan) { yes } else { no }.to_owned()));
        assert_eq!(scene.json(&[name]), flags, "{name}");
    }
    let (_, _, err) = scene.importance(&["words.csv"]);
    contains(
        &err,
        &["note: the label \"lost\" is taken for class 0 and \"repaid\" for class 1", "--positive lost"],
    );
    let turned = scene.json(&["words.csv", "--positive", "lost"]);
    assert!(turned["baseline_loss"].as_f64() > flags["baseline_loss"].as_f64(), "{turned}");
    let wrong = scene.json(&["flags.csv", "--loss", "zero_one"])["baseline_loss"].as_f64().unwrap();
    let expected = Loan::all().iter().filter(|loan| is_repaid(loan) != (loan.value() > 0.0)).count();
    assert!((wrong - expected as f64 / ROWS as f64).abs() < 1e-12, "{wrong}");
    let three = |loan: &Loan| ["a", "b", "c"][(loan.noise as usize) % 3].to_owned();
    scene.write("three.csv", &table(Loan::value, three));
    let (code, _, err) = scene.importance(&["three.csv"]);
    assert_eq!(code, 1);
    contains(
        &err,
        &["error: the labels are \"a\", \"b\", \"c\", and the model has two classes", "--positive"],
    );
}

#[test]
fn who_can_t_be_asked_is_refused_with_what_to_do() {
    let scene = Scene::new();
    let explain = CONFIG.find("[models.explain]").unwrap();
    let with = |explain_table: &str| {
        scene.write("c.toml", &format!("{}{explain_table}", &CONFIG[..explain]));
        scene.importance(&["loans.csv"])
    };
    let (code, out, err) = with("[models.explain]\nsurrogate = true\n");
    assert_eq!((code, out.as_str()), (1, ""));
    contains(&err, &["error: loan is explained by surrogates", "model = \"file\" or by a server"]);
    let (code, _, err) = with("");
    assert_eq!(code, 1);
    contains(&err, &["there is no [models.explain] of loan"]);
    // Nothing listens on port 9 of this machine.
    let server = "[models.explain]\ninputs = \"inputs.toml\"\n[models.explain.server]\n\
                  url = \"http://127.0.0.1:9\"\nprotocol = \"kserve_v1\"\nname = \"loan\"\n";
    let (code, _, err) = with(server);
    assert_eq!(code, 69, "{err}");
    contains(&err, &["does not answer"]);
    scene.write("loan.json", "{\"learner\": 1}");
    let (code, _, err) = with("[models.explain]\nmodel = \"loan.json\"\ninputs = \"inputs.toml\"\n");
    assert_eq!(code, 78, "{err}");
    contains(&err, &["loan.json: XGBoost"]);
    let learned = CONFIG.replace("{ file = \"loan.ref.json\" }", "{ first_events = 10000 }");
    scene.write("c.toml", &learned);
    let (code, _, err) = scene.importance(&["loans.csv"]);
    assert_eq!(code, 1);
    contains(&err, &["learned from the stream", "--reference"]);
    assert_eq!(scene.importance(&["loans.csv", "--reference", "loan.ref.json"]).0, 0);
}

/// Rows of the `XGBoost` model; its codes are numbers here.
fn tree_rows(count: usize) -> Vec<f64> {
    let mut next = random(7);
    let codes = [12.0, 70.0, 3.0];
    (0..count * WIDTH)
        .map(|at| match at % WIDTH {
            0..4 => ((next() * 8.0 - 4.0) * 1e4).round() / 1e4,
            place => (next() * codes[place - 4]).floor().min(codes[place - 4] - 1.0),
        })
        .collect()
}

#[test]
fn an_xgboost_model_is_asked_as_it_answers() {
    let mut bytes = Vec::new();
    let model = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/oracles/models/xgb_regression.json.gz");
    flate2::read::GzDecoder::new(fs::File::open(model).unwrap()).read_to_end(&mut bytes).unwrap();
    let scene = Scene { folder: tempfile::tempdir().unwrap() };
    fs::write(scene.path().join("trees.json"), &bytes).unwrap();
    let trees = read_xgboost(&bytes).unwrap();
    let count = 1_000;
    let rows = tree_rows(count);
    let ask = |rows: &[f64]| {
        let mut out = Vec::new();
        trees.predict(Rows::new(rows, WIDTH), &mut out).unwrap();
        out
    };
    let predictions = ask(&rows);
    let mut csv = "f0,f1,f2,f3,f4,f5,f6,prediction,label\n".to_owned();
    for (row, prediction) in rows.chunks(WIDTH).zip(&predictions) {
        let numbers: Vec<String> = row.iter().map(f64::to_string).collect();
        writeln!(csv, "{},{prediction},{prediction}", numbers.join(",")).unwrap();
    }
    scene.write("rows.csv", &csv);
    // The model does not name its inputs, so their order has to be declared.
    let inputs: String = (0..WIDTH).map(|place| format!("[[inputs]]\nfeature = \"f{place}\"\n")).collect();
    scene.write("inputs.toml", &inputs);
    let kinds: String = (0..WIDTH).map(|place| format!("f{place} = {{ kind = \"numeric\" }}\n")).collect();
    scene.write(
        "c.toml",
        &format!(
            "[[models]]\nname = \"trees\"\nreference = \"ref.json\"\n[models.features]\n{kinds}\
             [models.explain]\nmodel = \"trees.json\"\ninputs = \"inputs.toml\"\n"
        ),
    );
    succeeds(scene.path(), &["reference", "--config", "c.toml", "--model", "trees", "--from", "rows.csv"]);
    let (out, err) = succeeds(scene.path(), &["validate", "--config", "c.toml", "--deny-warnings"]);
    assert!(!err.contains("warning"), "{err}");
    contains(
        &out,
        &[
            "explained by XGBoost",
            "7 inputs, 1 output: exact_tree with 100 background rows, 1 evaluation a row",
            "the budget allows all 500 rows of a window",
            "the logged predictions are this model's: 1,000 rows of the reference\n",
        ],
    );
    let json = scene.json(&["rows.csv", "--repeats", "10"]);
    assert!(json["baseline_loss"].as_f64().unwrap() < 1e-12, "{json}");
    // The mean over all shifts of a column is what shuffles have on the average.
    for feature in 0..WIDTH {
        let mut sum = 0.0;
        let shifts = [1, 17, 101, 250, 333, 421, 500, 607, 777, 901];
        for shift in shifts {
            let mut mixed = rows.clone();
            for row in 0..count {
                mixed[row * WIDTH + feature] = rows[(row + shift) % count * WIDTH + feature];
            }
            let squares = ask(&mixed).iter().zip(&predictions).map(|(a, b)| (a - b).powi(2)).sum::<f64>();
            sum += squares / count as f64;
        }
        let (expected, found) = (sum / shifts.len() as f64, increase(&json, &format!("f{feature}")));
        assert!((found / expected - 1.0).abs() < 0.1, "f{feature}: {found} where {expected} is expected");
    }
}

#[test]
fn a_right_configuration_says_what_is_explained_how() {
    let scene = Scene::new();
    let (code, out, err) = scene.validate(&["--deny-warnings"]);
    assert_eq!((code, err.as_str()), (0, ""), "{out}");
    contains(
        &out,
        &[
            "\n          explained by linear, 5 inputs, 1 output: exact_linear with 100 background rows, \
             1 evaluation a row; the budget allows all 500 rows of a window of one version\n",
            "\n          the logged predictions are this model's: 2,000 rows of the reference\n",
        ],
    );
    scene.write("c.toml", &format!("{CONFIG}evaluations_per_second = 1\n[windows]\nsize = \"1m\"\n"));
    contains(&scene.validate(&[]).1, &["the budget allows 48 of the 500 rows of a window"]);
    scene.write("c.toml", &CONFIG.replace("{ file = \"loan.ref.json\" }", "{ first_events = 10000 }"));
    contains(&scene.validate(&[]).1, &["its inputs are held against the reference once there is one"]);
    let explain = CONFIG.find("model = \"loan.toml\"").unwrap();
    scene.write("c.toml", &format!("{}surrogate = true\n", &CONFIG[..explain]));
    contains(&scene.validate(&[]).1, &["explained by a surrogate that is fitted to each window"]);
}

#[test]
fn predictions_of_another_model_are_a_warning() {
    let scene = Scene::new();
    scene.write("loans.csv", &table(|loan| loan.value() + loan.noise, |_| "1".to_owned()));
    scene.build_reference();
    let (code, out, err) = scene.validate(&[]);
    assert_eq!(code, 0, "{out}");
    contains(
        &err,
        &[
            "warning: c.toml:9:9: models[0].explain.model: the predictions in the reference are not this model's: ",
            "of 2,000 sampled rows differ by more than",
            "hint: usually another version of the model made them, or features are prepared otherwise than here",
        ],
    );
    assert!(!out.contains("are this model's"), "{out}");
    assert_eq!(scene.validate(&["--deny-warnings"]).0, 78);
}

#[test]
fn a_schema_that_does_not_fit_is_an_error_with_file_and_key() {
    let scene = Scene::new();
    let errors = |parts: &[&str]| {
        let (code, out, err) = scene.validate(&[]);
        assert_eq!((code, out.as_str()), (78, ""), "{err}");
        contains(&err, parts);
        contains(&err, &["c.toml can't be used: "]);
    };
    // An input is not declared.
    scene.write("inputs.toml", &INPUTS.replacen("[[inputs]]\nfeature = \"age\"\n", "", 1));
    errors(&[
        "error: c.toml:10:10: models[0].explain.inputs: inputs.toml: inputs: there are 4, and the model takes 5\n  hint: the model's are ",
    ]);
    // Another is declared in its place, and a feature that is not there.
    scene.write("inputs.toml", &INPUTS.replace("\"age\"", "\"aeg\""));
    errors(&[
        "inputs.toml: inputs: the model's input \"age\" is not declared",
        "the model has no input \"aeg\"",
        "2 errors",
    ]);
    scene.write("inputs.toml", &INPUTS.replace("feature = \"age\"", "name = \"age\"\nfeature = \"aeg\""));
    errors(&["inputs.toml: inputs[1]: the reference has no feature \"aeg\"\n  hint: its features are "]);
    // A category without any encoding.
    let number = INPUTS.replace("one_hot = [\"web\", \"branch\", \"phone\"]\nname = \"channel_{}\"", "");
    scene.write("inputs.toml", &number);
    scene.write("loan.toml", "coefficients = { income = 1.0, age = -2.0, channel = 1.0 }\n");
    errors(&[
        "inputs[2]: feature \"channel\" is categorical, and the model takes numbers\n  hint: declare how training encoded it",
    ]);
    scene.write("inputs.toml", "[[input]]\n");
    errors(&["models[0].explain.inputs: inputs.toml: input: there is no such key"]);
    // A model of other inputs, and none at all.
    scene.write("inputs.toml", INPUTS);
    scene.write("loan.toml", "coefficients = { a = 1.0, b = 2.0, c = 1.0, d = 1.0, e = 1.0 }\n");
    errors(&["the model's input \"a\" is not declared", "the model has no input \"income\""]);
    scene.write("loan.toml", "coefficients = 3\n");
    errors(&["error: c.toml:9:9: models[0].explain.model: loan.toml: "]);
    scene.write("loan.toml", COEFFICIENTS);
    scene.write("c.toml", &CONFIG.replace("inputs = \"inputs.toml\"\n", ""));
    errors(&["models[0].explain.model: input \"channel_web\": the reference has no feature \"channel_web\""]);
    scene.write("c.toml", &format!("{CONFIG}outputs = [\"second\"]\n"));
    errors(&["error: c.toml:11:11: models[0].explain.outputs: the model has no output \"second\""]);
}

#[test]
fn a_category_without_a_number_is_a_warning_that_names_it() {
    let scene = Scene::new();
    let inputs = INPUTS.replace("one_hot = [\"web\", \"branch\", \"phone\"]\nname = \"channel_{}\"", "");
    scene.write("inputs.toml", &format!("{inputs}values = {{ web = 3, phone = 1, fax = 2 }}\n"));
    scene.write("loan.toml", "coefficients = { income = 1.0, age = -2.0, channel = 1.0 }\n");
    let (code, _, err) = scene.validate(&[]);
    assert_eq!(code, 0, "{err}");
    let branch = Loan::all().iter().filter(|loan| loan.channel == "branch").count();
    contains(
        &err,
        &[
            &format!(
                "models[0].explain.inputs: {branch} of the reference's 2,000 sampled rows can't be explained; the \
                 first since a category has no encoding: feature \"channel\" is \"branch\""
            ),
            "category \"fax\" of feature \"channel\" is not among the named ones",
        ],
    );
}

#[test]
fn a_reference_without_rows_has_to_be_made_again() {
    let scene = Scene::new();
    let settings = BuilderSettings { sample_rows: 0, ..BuilderSettings::default() };
    let mut builder = ReferenceBuilder::new("loan", &BTreeMap::new(), settings);
    for loan in Loan::all() {
        builder.push_row([
            ("income", ColumnRole::Feature, driftline::reference::Value::Number(loan.income)),
            ("age", ColumnRole::Feature, driftline::reference::Value::Number(loan.age)),
            ("channel", ColumnRole::Feature, driftline::reference::Value::Text(loan.channel)),
        ]);
    }
    let reference = builder.finish("made up".to_owned()).unwrap().0;
    driftline::pipeline::store_reference(&scene.path().join("loan.ref.json"), &reference).unwrap();
    let (code, _, err) = scene.validate(&[]);
    assert_eq!(code, 78, "{err}");
    contains(
        &err,
        &[
            "error: c.toml:4:",
            "models[0].reference: the reference keeps no rows",
            "driftline reference --config",
        ],
    );
}

/// A server that answers as the model in loan.toml does.
fn model_server(seen: &Seen) -> Reply {
    let request: Value = serde_json::from_str(&seen.body).unwrap();
    let predict = |row: &Value| {
        let coefficients = [1.0, -2.0, 3.0, 0.0, 1.0];
        let numbers = row.as_array().unwrap().iter().map(|number| number.as_f64().unwrap());
        numbers.zip(coefficients).map(|(number, coefficient)| number * coefficient).sum::<f64>()
    };
    let predictions: Vec<f64> = request["instances"].as_array().unwrap().iter().map(predict).collect();
    Reply::status(200).body(&serde_json::json!({ "predictions": predictions }).to_string())
}

#[test]
fn a_server_says_what_its_file_says() {
    let scene = Scene::new();
    let of_file = scene.json(&["loans.csv", "--rows", "400"]);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let server = runtime.block_on(StandIn::start(model_server));
    let explain = CONFIG.find("model = \"loan.toml\"").unwrap();
    let table = format!(
        "inputs = \"inputs.toml\"\nevaluations_per_second = 1000000\n[models.explain.server]\nurl = \"{}\"\n\
         protocol = \"kserve_v1\"\nname = \"loan\"\n",
        server.url()
    );
    scene.write("c.toml", &format!("{}{table}", &CONFIG[..explain]));
    let (code, out, err) = scene.validate(&[]);
    assert_eq!((code, err.as_str(), server.seen().len()), (0, "", 0), "{out}");
    let of_server = scene.json(&["loans.csv", "--rows", "400"]);
    assert_eq!(ranking(&of_server), ranking(&of_file));
    for feature in ["income", "age", "channel"] {
        // Shuffles depend on the model, so they are others.
        let (server, file) = (increase(&of_server, feature), increase(&of_file, feature));
        assert!((server / file - 1.0).abs() < 0.15, "{feature}: {server} and {file}");
    }
    let (code, out, err) = scene.validate(&["--connect"]);
    assert_eq!((code, err.as_str()), (0, ""), "{out}");
    contains(
        &out,
        &[
            "\nok        explanations of loan: explained by KServe",
            "5 inputs, 1 output: enumeration with 32 background rows, up to 993 evaluations a row",
            "\nok        explanations of loan: the logged predictions are this model's: 2,000 rows",
        ],
    );
}

#[test]
fn servers_are_asked_with_connect_only() {
    let scene = Scene::new();
    let explain = CONFIG.find("model = \"loan.toml\"").unwrap();
    let server = "inputs = \"inputs.toml\"\n[models.explain.server]\nurl = \"http://127.0.0.1:9\"\n\
                  protocol = \"kserve_v1\"\nname = \"loan\"\n";
    scene.write("c.toml", &format!("{}{server}", &CONFIG[..explain]));
    let (code, out, err) = scene.validate(&[]);
    assert_eq!((code, err.as_str()), (0, ""));
    contains(&out, &["explained by a model server, which --connect asks"]);
    let (code, out, _) = scene.validate(&["--connect"]);
    assert_eq!(code, 69, "{out}");
    contains(&out, &["failed    explanations of loan: the model's server does not answer"]);
    scene.write("inputs.toml", &INPUTS.replace("\"age\"", "\"aeg\""));
    let (code, _, err) = scene.validate(&[]);
    assert_eq!(code, 78);
    contains(
        &err,
        &["models[0].explain.inputs: inputs.toml: inputs[1]: the reference has no feature \"aeg\""],
    );
}
