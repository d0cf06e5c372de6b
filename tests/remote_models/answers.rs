//! Answers that are none.

use driftline::{
    explainer::remote::{MlflowFormat, Protocol, RemoteSettings, RemoteStatus, Tensors},
    model::PredictError,
};

use crate::{Rig, kserve, open_inference, predict};

/// What becomes of one row that is answered so, with status 200.
fn refused(protocol: Protocol, answer: &str) -> String {
    let rig = Rig::answering(answer);
    let settings = RemoteSettings { output_names: vec!["p".to_owned()], ..rig.settings(protocol) };
    let model = rig.connect(&settings).unwrap();
    let error = predict(&model, &[1.0, 2.0]).unwrap_err();
    assert!(matches!(error, PredictError::Refused(_)), "{error}");
    assert_eq!((rig.requests("unusable"), rig.requests("ok"), rig.server.seen().len()), (1, 0, 1));
    assert_eq!(model.status(), RemoteStatus::Answering);
    error.to_string()
}

#[test]
fn an_answer_without_predictions_is_refused() {
    let tensor = |tensor: &str| format!(r#"{{"outputs":[{tensor}]}}"#);
    let oip = || open_inference(Tensors::PerInput);
    for (protocol, answer, why) in [
        (kserve(), "", "not JSON"),
        (kserve(), "<html>", "not JSON"),
        (kserve(), "\u{0}\u{1}", "not JSON"),
        (kserve(), "{}", "nothing at /predictions in its answer, which is an object of"),
        (kserve(), "[1]", "nothing at /predictions in its answer, which is a list"),
        (kserve(), r#"{"predictions":0.5}"#, "the number 0.5, not a list"),
        (kserve(), r#"{"predictions":[]}"#, "0 predictions for 1 rows"),
        (kserve(), r#"{"predictions":[1,2]}"#, "2 predictions for 1 rows"),
        (
            kserve(),
            r#"{"predictions":[[1,2]]}"#,
            "2 numbers for a row, where output_names, its metadata or its first answer said 1",
        ),
        (kserve(), r#"{"predictions":[null]}"#, "null, which is what NaN becomes"),
        (kserve(), r#"{"predictions":[NaN]}"#, "NaN or Infinity"),
        (kserve(), r#"{"predictions":["spam"]}"#, "the label \"spam\"; let the server give probabilities"),
        (kserve(), r#"{"predictions":[{"0":0.5}]}"#, "an object of 0; set prediction"),
        (
            Protocol::Mlflow { format: MlflowFormat::DataframeSplit },
            r#"{"predictions":{"p":[1]}}"#,
            "an object of p, not a list",
        ),
        (
            Protocol::SeldonV1,
            r#"{"strData":"0.5"}"#,
            "neither data.ndarray nor data.tensor; it is an object of strData",
        ),
        (Protocol::SeldonV1, r#"{"data":{"tensor":{"values":[1]}}}"#, "without a shape"),
        (Protocol::SeldonV1, r#"{"data":{"ndarray":["a"]}}"#, "the label \"a\""),
        (oip(), r#"{"outputs":[]}"#, "has no outputs"),
        (oip(), "[]", "has no outputs"),
        (
            oip(),
            &tensor(r#"{"name":"p","shape":[1]},{"name":"q","shape":[1]}"#),
            "several outputs; set output to one of p, q",
        ),
        (oip(), &tensor(r#"{"name":"p","shape":[1],"data":["a"]}"#), "the label \"a\""),
        (oip(), &tensor(r#"{"name":"p","shape":[1],"data":[true]}"#), "the label true"),
        (oip(), &tensor(r#"{"name":"p","shape":[2],"data":[1,2]}"#), "2 predictions for 1 rows"),
        (oip(), &tensor(r#"{"name":"p","shape":[1,2],"data":[1,2]}"#), "2 numbers for a row"),
        (oip(), &tensor(r#"{"name":"p","shape":[1],"data":[1,2]}"#), "holds 2 numbers"),
        (oip(), &tensor(r#"{"name":"p","shape":[1]}"#), "are null, not a list"),
        (oip(), &tensor(r#"{"name":"p","data":[1]}"#), "without a shape"),
    ] {
        let error = refused(protocol, answer);
        assert!(error.contains(why), "{answer}: {error}");
    }
}

#[test]
fn an_output_that_is_not_there_is_named_with_those_that_are() {
    let rig = Rig::answering(r#"{"outputs":[{"name":"p","shape":[1],"data":[1]}]}"#);
    let protocol = Protocol::OpenInference {
        model: "credit".to_owned(),
        version: None,
        tensors: Tensors::PerInput,
        output: Some("q".to_owned()),
        content_type: None,
    };
    let error = predict(&rig.connect(&rig.settings(protocol)).unwrap(), &[1.0, 2.0]).unwrap_err().to_string();
    assert!(error.contains("no output \"q\", but p"), "{error}");
}

#[test]
fn a_huge_answer_is_not_read() {
    let padding = " ".repeat(10_000);
    let rig = Rig::answering(&format!(r#"{{"predictions":[1]{padding}}}"#));
    let settings = |most| RemoteSettings { max_response_bytes: most, ..rig.settings(kserve()) };
    let error = predict(&rig.connect(&settings(10_000)).unwrap(), &[1.0, 2.0]).unwrap_err();
    let why = "its answer is longer than 10000 bytes; set rows_per_request to fewer";
    assert!(matches!(&error, PredictError::Refused(text) if text.starts_with(why)), "{error}");
    assert_eq!(predict(&rig.connect(&settings(10_100)).unwrap(), &[1.0, 2.0]).unwrap(), [1.0]);
}
