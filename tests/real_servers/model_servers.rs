//! Models behind a real server: `KServe`'s Python server, which speaks two of the
//! protocols, with scikit-learn models. `tests/servers/models/serve.py` fits them
//! and says what the library itself predicts.
//!
//! By hand, the same was compared with `MLServer` 1.7.1, `MLflow` 3.17.2 and Seldon
//! Core 1.18.2 (numbers, missing values, texts): they can't be installed beside
//! each other, and all of them would take minutes.

use std::{fs, process::Command, time::Duration};

use driftline::{
    explainer::remote::{
        Protocol, RemoteError, RemoteInput, RemoteMetrics, RemoteModel, RemoteSettings, Tensors,
    },
    model::{Model as _, PredictError, Rows},
};
use prometheus::Registry;
use serde_json::Value;

use crate::support::servers::{Missing, Process, folder, free_port, http, or_skip, prepared};

/// It imports a good part of Python's world first.
const START: Duration = Duration::from_secs(240);

struct ModelServer {
    _process: Process,
    url: String,
    /// Rows and what the library says of them.
    expected: Value,
}

impl ModelServer {
    fn start(name: &str) -> Result<Self, Missing> {
        let python = prepared("models")?.join("venv/bin/python");
        let folder = folder(name);
        let port = free_port();
        let out = folder.join("expected.json");
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/servers/models/serve.py");
        let mut serve = Command::new(python);
        serve.args([script, &port.to_string()]).arg(&out);
        let mut process = Process::start("models", &serve, &folder);
        let url = format!("http://127.0.0.1:{port}");
        let ready = format!("{url}/v2/models/mixed/ready");
        process.wait_for("is ready", START, || http::get(&ready, None).filter(|answer| answer.status == 200));
        let expected = serde_json::from_slice(&fs::read(out).unwrap()).unwrap();
        Ok(Self { _process: process, url, expected })
    }

    /// Rows of the expectations; a missing value is NaN.
    fn rows(&self, key: &str) -> (usize, Vec<f64>) {
        let rows = self.expected[key].as_array().unwrap();
        let mut values = Vec::new();
        for row in rows {
            flatten(row, &mut values);
        }
        (values.len() / rows.len(), values)
    }

    fn expected(&self, key: &str) -> Vec<f64> {
        let mut values = Vec::new();
        flatten(&self.expected[key], &mut values);
        values
    }
}

fn flatten(value: &Value, out: &mut Vec<f64>) {
    match value {
        Value::Array(values) => values.iter().for_each(|value| flatten(value, out)),
        other => out.push(other.as_f64().unwrap_or(f64::NAN)),
    }
}

fn connect(settings: &RemoteSettings) -> Result<RemoteModel, RemoteError> {
    let metrics = RemoteMetrics::new(&Registry::new()).unwrap();
    RemoteModel::connect(settings, &metrics, http::runtime().handle())
}

fn predict(settings: &RemoteSettings, rows: &(usize, Vec<f64>)) -> Result<Vec<f64>, PredictError> {
    let mut out = Vec::new();
    let model = connect(settings).unwrap();
    model.predict(Rows::new(&rows.1, rows.0), &mut out).map(|()| out)
}

fn open_inference(model: &str, tensors: Tensors, content_type: Option<&str>) -> Protocol {
    Protocol::OpenInference {
        model: model.to_owned(),
        version: None,
        tensors,
        output: None,
        content_type: content_type.map(str::to_owned),
    }
}

fn kserve(model: &str) -> Protocol {
    Protocol::KServeV1 { model: model.to_owned() }
}

#[test]
#[ignore = "needs real servers: run scripts/test"]
fn predictions_of_a_model_server_are_those_of_its_library() {
    let Some(server) = or_skip(ModelServer::start("model-server")) else { return };
    let numbers = ["a", "b", "c", "d", "e"].map(RemoteInput::number).to_vec();
    let rows = server.rows("rows");
    assert!(rows.1.iter().any(|value| value.is_nan()), "missing values are among them");
    let settings = |inputs: &[RemoteInput], protocol| RemoteSettings {
        inputs: inputs.to_vec(),
        ..RemoteSettings::new("served", server.url.clone(), protocol)
    };

    let from_server = || Tensors::FromServer;
    for protocol in [
        kserve("score"),
        // Its metadata say nothing.
        open_inference("score", from_server(), None),
        open_inference("score", Tensors::PerInput, Some("pd")),
    ] {
        for rows_per_request in [1_024, 7] {
            let settings = RemoteSettings { rows_per_request, ..settings(&numbers, protocol.clone()) };
            assert_eq!(predict(&settings, &rows).unwrap(), server.expected("score"), "{protocol:?}");
        }
    }

    let shares = settings(&numbers, kserve("shares"));
    assert_eq!(predict(&shares, &rows).unwrap(), server.expected("shares"));
    // Everything from its metadata.
    let told = settings(&[], open_inference("shares", from_server(), None));
    let model = connect(&told).unwrap();
    assert_eq!((model.info().inputs, model.info().outputs), (5, 3));
    assert_eq!(predict(&told, &rows).unwrap(), server.expected("shares"));

    let colours = server.expected["colours"].as_array().unwrap();
    let texts = colours.iter().map(|colour| colour.as_str().unwrap().to_owned()).collect();
    let mixed = [
        RemoteInput::number("amount"),
        RemoteInput::number("children"),
        RemoteInput { texts: Some(texts), ..RemoteInput::number("colour") },
    ];
    let settings = settings(&mixed, open_inference("mixed", from_server(), Some("pd")));
    assert_eq!(predict(&settings, &server.rows("table")).unwrap(), server.expected("mixed"));
}

#[test]
#[ignore = "needs real servers: run scripts/test"]
fn what_a_model_server_refuses_is_said_in_its_words() {
    let Some(server) = or_skip(ModelServer::start("model-server-refusals")) else { return };
    let inputs =
        |count: usize| (0..count).map(|place| RemoteInput::number(place.to_string())).collect::<Vec<_>>();
    let settings = |count, protocol| RemoteSettings {
        inputs: inputs(count),
        ..RemoteSettings::new("served", server.url.clone(), protocol)
    };
    let row = (5, vec![1.0; 5]);

    let unknown = predict(&settings(5, kserve("nobody")), &row).unwrap_err();
    assert!(matches!(unknown, PredictError::Unavailable(_)), "{unknown}");
    assert!(unknown.to_string().contains("(404: Model with name nobody does not exist.)"), "{unknown}");
    let unknown = connect(&settings(5, open_inference("nobody", Tensors::FromServer, None))).unwrap_err();
    assert!(matches!(unknown, RemoteError::Unavailable { .. }), "{unknown}");

    let narrow = predict(&settings(3, kserve("score")), &(3, vec![1.0; 3])).unwrap_err();
    assert!(
        narrow.to_string().contains("has 3 features, but HistGradientBoostingRegressor is expecting 5"),
        "{narrow}"
    );

    let named = RemoteSettings { output_names: vec!["p".to_owned()], ..settings(5, kserve("shares")) };
    let outputs = predict(&named, &row).unwrap_err();
    assert!(outputs.to_string().contains("it gives 3 numbers for a row, where output_names"), "{outputs}");

    // Metadata are taken at their word.
    let width = connect(&settings(4, open_inference("shares", Tensors::FromServer, None))).unwrap_err();
    assert_eq!(width.to_string(), "model served: the server takes 5 inputs, and the settings name 4");
}
