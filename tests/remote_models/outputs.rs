//! How many numbers a row has, where nobody says so before.

use driftline::{
    explainer::remote::{MlflowFormat, Protocol, RemoteSettings, Tensors},
    model::{Link, Model as _, PredictError},
};
use serde_json::{Value, json};

use crate::{Rig, kserve, open_inference, predict, support::stand_in::Seen};

/// Answers every protocol with three shares for each row.
fn three(seen: &Seen) -> crate::Reply {
    let body: Value = serde_json::from_str(&seen.body).unwrap();
    let rows = ["/instances", "/inputs", "/dataframe_split/data", "/data/ndarray", "/x"]
        .iter()
        .find_map(|pointer| body.pointer(pointer).and_then(Value::as_array))
        .unwrap();
    let rows = if rows[0].is_object() { rows[0]["shape"][0].as_u64().unwrap() } else { rows.len() as u64 };
    let shares = vec![json!([0.5, 0.25, 0.25]); usize::try_from(rows).unwrap()];
    let tensor = json!({"name": "p", "shape": [rows, 3], "data": shares});
    let answer = json!({"predictions": shares, "data": {"ndarray": shares}, "outputs": [tensor]});
    crate::json(&answer.to_string())
}

#[test]
fn the_first_answer_shows_it() {
    for protocol in [
        kserve(),
        open_inference(Tensors::PerInput),
        Protocol::Mlflow { format: MlflowFormat::DataframeSplit },
        Protocol::SeldonV1,
        Protocol::Template {
            request: r#"{"x": "$rows"}"#.to_owned(),
            predictions: "/predictions".to_owned(),
        },
    ] {
        let rig = Rig::new(three);
        let settings = RemoteSettings { link: Link::Softmax, ..rig.settings(protocol.clone()) };
        let model = rig.connect(&settings).unwrap();
        assert_eq!(model.info().outputs, 0);
        assert!(rig.server.seen().is_empty());
        let predictions = predict(&model, &[1.0; 8]).unwrap();
        assert_eq!(predictions, [0.5, 0.25, 0.25].repeat(4), "{protocol:?}");
        assert_eq!((model.info().outputs, model.info().link), (3, Link::Softmax));
        assert_eq!(rig.server.seen().len(), 2);
        // Others are no answers of this model any more.
        rig.server.behave(|_| crate::json(r#"{"predictions":[1],"data":{"ndarray":[1]},"outputs":[{"name":"p","shape":[1],"data":[1]}]}"#));
        let error = predict(&model, &[1.0; 2]).unwrap_err();
        let why = "1 numbers for a row, where output_names, its metadata or its first answer said 3";
        assert!(matches!(&error, PredictError::Refused(text) if text.contains(why)), "{error}");
    }
}

#[test]
fn names_are_as_many_as_there_are_numbers() {
    let rig = Rig::new(three);
    let named = |names: &[&str]| RemoteSettings {
        output_names: names.iter().map(|name| (*name).to_owned()).collect(),
        ..rig.settings(kserve())
    };
    let model = rig.connect(&named(&["a", "b", "c"])).unwrap();
    assert_eq!((model.info().outputs, predict(&model, &[1.0; 4]).unwrap().len()), (3, 6));
    let error = predict(&rig.connect(&named(&["a", "b"])).unwrap(), &[1.0; 4]).unwrap_err().to_string();
    assert!(error.contains("it gives 3 numbers for a row, where output_names"), "{error}");
}

#[test]
fn a_row_that_is_refused_does_not_hide_it() {
    let rig =
        Rig::new(|seen| if seen.body.contains("9.0") { crate::Reply::status(400) } else { three(seen) });
    let model = rig.connect(&rig.settings(kserve())).unwrap();
    let rows = [9.0, 9.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0];
    assert!(matches!(predict(&model, &rows), Err(PredictError::Refused(_))));
    assert_eq!(model.info().outputs, 3);
}
