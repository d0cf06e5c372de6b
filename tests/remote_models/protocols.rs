//! What is sent and how it is answered, to the byte.

use driftline::{
    explainer::remote::{
        Authorization, Datatype, Missing, MlflowFormat, Protocol, RemoteInput, RemoteSettings, Tensors,
    },
    model::{Link, Model as _, PredictError},
};

use crate::{Rig, kserve, open_inference, predict, support::stand_in::Seen};

const ROWS: [f64; 4] = [1.5, f64::NAN, -0.25, 3.0];

/// Sends two rows, which are answered with 0.25 and 0.75 in `answer`, after one
/// that is answered with `first`.
fn exchange(first: &str, answer: &str, settings: impl FnOnce(&Rig) -> RemoteSettings) -> Seen {
    let rig = Rig::answering(first);
    let model = rig.connect(&settings(&rig)).unwrap();
    assert_eq!(predict(&model, &ROWS[2..]).unwrap(), [0.75]);
    let answer = answer.to_owned();
    rig.server.behave(move |_| crate::json(&answer));
    assert_eq!(predict(&model, &ROWS).unwrap(), [0.25, 0.75]);
    assert_eq!((rig.requests("ok"), rig.metric("driftline_model_rows_total{model=\"credit\"} ")), (2, 3));
    let [_, seen] = rig.server.seen().try_into().unwrap();
    assert_eq!((seen.method.as_str(), seen.header("content-type")), ("POST", "application/json"));
    seen
}

#[test]
fn kserve_v1() {
    let seen = exchange(r#"{"predictions":[0.75]}"#, r#"{"predictions":[0.25,[0.75]]}"#, |rig| {
        rig.settings(kserve())
    });
    assert_eq!(seen.path, "/v1/models/credit:predict");
    assert_eq!(seen.body, r#"{"instances":[[1.5,null],[-0.25,3.0]]}"#);
}

#[test]
fn mlflow() {
    let answer = r#"{"predictions": [0.25, 0.75]}"#;
    let of = |format| move |rig: &Rig| rig.settings(Protocol::Mlflow { format });
    let seen = exchange(r#"{"predictions":[0.75]}"#, answer, of(MlflowFormat::DataframeSplit));
    assert_eq!(seen.path, "/invocations");
    assert_eq!(seen.body, r#"{"dataframe_split":{"columns":["a","b"],"data":[[1.5,null],[-0.25,3.0]]}}"#);
    let seen = exchange(r#"{"predictions":[0.75]}"#, answer, of(MlflowFormat::Inputs));
    assert_eq!(seen.body, r#"{"inputs":[[1.5,null],[-0.25,3.0]]}"#);
}

#[test]
fn seldon_v1() {
    for answer in [
        r#"{"data":{"names":[],"ndarray":[0.25,0.75]},"meta":{}}"#,
        r#"{"data":{"names":["p"],"ndarray":[[0.25],[0.75]]},"meta":{}}"#,
        r#"{"data":{"names":["p"],"tensor":{"shape":[2,1],"values":[0.25,0.75]}}}"#,
    ] {
        let seen = exchange(r#"{"data":{"ndarray":[0.75]}}"#, answer, |rig| rig.settings(Protocol::SeldonV1));
        assert_eq!(seen.path, "/api/v1.0/predictions");
        assert_eq!(seen.body, r#"{"data":{"names":["a","b"],"ndarray":[[1.5,null],[-0.25,3.0]]}}"#);
    }
}

#[test]
fn a_template() {
    let answer = r#"{"result":{"rows":[{"p":{"yes":0.25}},{"p":{"yes":0.75}}]}}"#;
    let request = r#"{"model": "m", "data": {"names": "$columns", "rows": "$rows"}, "explain": false}"#;
    let seen = exchange(r#"{"result":{"rows":[{"p":{"yes":0.75}}]}}"#, answer, |rig| RemoteSettings {
        url: format!("{}/score?api-version=7", rig.server.url()).into(),
        missing: Some(Missing::Fill(-999.0)),
        prediction_pointer: Some("/p/yes".to_owned()),
        ..rig.settings(Protocol::Template {
            request: request.to_owned(),
            predictions: "/result/rows".to_owned(),
        })
    });
    assert_eq!((seen.path.as_str(), seen.query.as_str()), ("/score", "api-version=7"));
    let expected =
        r#"{"data":{"names":["a","b"],"rows":[[1.5,-999.0],[-0.25,3.0]]},"explain":false,"model":"m"}"#;
    assert_eq!(seen.body, expected);

    let seen = exchange("[0.75]", "[0.25,0.75]", |rig| RemoteSettings {
        missing: Some(Missing::Null),
        ..rig.settings(Protocol::Template { request: "\"$records\"".to_owned(), predictions: String::new() })
    });
    assert_eq!(seen.body, r#"[{"a":1.5,"b":null},{"a":-0.25,"b":3.0}]"#);
}

#[test]
fn open_inference_with_one_tensor() {
    let answer = r#"{"model_name":"credit","outputs":[{"name":"p","shape":[2],"datatype":"FP32","data":[0.25,0.75]}]}"#;
    let first = r#"{"outputs":[{"name":"p","shape":[1],"data":[0.75]}]}"#;
    let seen = exchange(first, answer, |rig| {
        rig.settings(open_inference(Tensors::One { name: "x".to_owned(), datatype: Datatype::FP32 }))
    });
    assert_eq!(seen.path, "/v2/models/credit/infer");
    let expected = r#"{"inputs":[{"name":"x","datatype":"FP32","shape":[2,2],"data":[1.5,null,-0.25,3.0]}]}"#;
    assert_eq!(seen.body, expected);
}

#[test]
fn whole_numbers_stay_whole_in_a_tensor_of_others() {
    let rig = Rig::answering(r#"{"outputs":[{"name":"p","shape":[1],"datatype":"FP64","data":[0.5]}]}"#);
    let settings = RemoteSettings {
        inputs: vec![RemoteInput::number("a"), RemoteInput { is_whole: true, ..RemoteInput::number("n") }],
        ..rig.settings(open_inference(Tensors::One { name: "x".to_owned(), datatype: Datatype::FP64 }))
    };
    let model = rig.connect(&settings).unwrap();
    assert_eq!(predict(&model, &[1.0, 7.0]).unwrap(), [0.5]);
    assert!(rig.server.seen()[0].body.contains(r#""data":[1.0,7]"#));
    assert!(predict(&model, &[1.0, 7.5]).unwrap_err().to_string().contains("its \"n\" is 7.5"));
}

#[test]
fn open_inference_with_a_tensor_for_each_input() {
    let answer = r#"{"outputs":[
        {"name":"label","shape":[2],"datatype":"BYTES","data":["no","yes"]},
        {"name":"p","shape":[2,1],"datatype":"FP64","data":[[0.25],[0.75]]}]}"#;
    let rig = Rig::answering(answer);
    let settings = RemoteSettings {
        inputs: vec![
            RemoteInput::number("a"),
            RemoteInput { is_whole: true, ..RemoteInput::number("n") },
            RemoteInput {
                texts: Some(vec!["red".to_owned(), "blue".to_owned()]),
                ..RemoteInput::number("colour")
            },
        ],
        ..rig.settings(Protocol::OpenInference {
            model: "credit".to_owned(),
            version: Some("3".to_owned()),
            tensors: Tensors::PerInput,
            output: Some("p".to_owned()),
            content_type: Some("pd".to_owned()),
        })
    };
    let model = rig.connect(&settings).unwrap();
    // The first row is asked about alone.
    let one = r#"{"outputs":[{"name":"p","shape":[1],"data":[0.25]}]}"#;
    rig.server.behave(move |seen| crate::json(if seen.body.contains("[1,1]") { one } else { answer }));
    assert_eq!(predict(&model, &[0.1, 7.0, 1.0, f64::NAN, -2.0, f64::NAN]).unwrap(), [0.25, 0.75]);
    let [_, seen] = rig.server.seen().try_into().unwrap();
    assert_eq!(seen.path, "/v2/models/credit/versions/3/infer");
    let expected = [
        r#"{"parameters":{"content_type":"pd"},"inputs":["#,
        r#"{"name":"a","datatype":"FP64","shape":[2,1],"data":[0.1,null]},"#,
        r#"{"name":"n","datatype":"INT64","shape":[2,1],"data":[7,-2]},"#,
        r#"{"name":"colour","datatype":"BYTES","shape":[2,1],"data":["blue",null]}],"#,
        r#""outputs":[{"name":"p"}]}"#,
    ];
    assert_eq!(seen.body, expected.concat());
}

#[test]
fn rows_that_can_not_be_sent_are_refused_before_anything_is() {
    let rig = Rig::answering(r#"{"predictions":[1]}"#);
    let texts = RemoteInput { texts: Some(vec!["x".to_owned()]), ..RemoteInput::number("t") };
    let whole = RemoteInput { is_whole: true, ..RemoteInput::number("n") };
    let refuse = |inputs, missing| RemoteSettings { inputs, missing, ..rig.settings(kserve()) };
    let number = || vec![RemoteInput::number("a")];
    for (settings, rows, why) in [
        (
            refuse(number(), Some(Missing::Refuse)),
            [1.0, f64::NAN],
            "row 2 can't be sent: its \"a\" is missing",
        ),
        (refuse(number(), None), [f64::NEG_INFINITY, 0.0], "row 1 can't be sent: its \"a\" is infinite"),
        (refuse(vec![texts], None), [0.0, 1.0], "row 2 can't be sent: its \"t\" is 1, which is no place"),
        (refuse(vec![whole.clone()], None), [0.0, 0.5], "row 2 can't be sent: its \"n\" is 0.5"),
        (refuse(vec![whole], None), [0.0, f64::NAN], "row 2 can't be sent: its \"n\" is missing"),
    ] {
        let model = rig.connect(&settings).unwrap();
        predict(&model, &[0.0]).unwrap();
        let before = rig.server.seen().len();
        let error = predict(&model, &rows).unwrap_err();
        assert!(matches!(&error, PredictError::Refused(text) if text.contains(why)), "{error}");
        assert_eq!(rig.server.seen().len(), before);
    }
    let before = rig.server.seen().len();
    let template = Protocol::Template { request: "\"$rows\"".to_owned(), predictions: String::new() };
    let model = rig.connect(&rig.settings(template)).unwrap();
    let error = predict(&model, &ROWS[..2]).unwrap_err().to_string();
    assert!(error.contains("set missing to what stands for it"), "{error}");
    assert_eq!(rig.server.seen().len(), before);
}

#[test]
fn rows_are_counted_over_the_requests_of_a_call() {
    let rig = Rig::answering(r#"{"predictions":[1]}"#);
    let settings = RemoteSettings { rows_per_request: 1, ..rig.settings(kserve()) };
    let rows = [1.0, 1.0, 2.0, 2.0, 3.0, f64::INFINITY];
    let error = predict(&rig.connect(&settings).unwrap(), &rows).unwrap_err().to_string();
    assert!(error.contains("row 3 can't be sent: its \"b\" is infinite"), "{error}");
}

#[test]
fn a_model_knows_what_it_is() {
    let rig = Rig::answering("{}");
    let settings = RemoteSettings {
        output_names: vec!["no".to_owned(), "yes".to_owned()],
        link: Link::Softmax,
        ..rig.settings(kserve())
    };
    let model = rig.connect(&settings).unwrap();
    let info = model.info();
    assert_eq!((info.kind.as_str(), info.inputs, info.outputs), ("KServe v1", 2, 2));
    assert_eq!((&info.input_names[..], info.link), (&["a".to_owned(), "b".to_owned()][..], Link::Softmax));
    assert!(model.is_remote() && model.trees().is_none());
    assert_eq!(model.batch_rows(), 2 * 1_024);
    assert_eq!(
        model.predict(driftline::model::Rows::new(&[1.0; 3], 3), &mut Vec::new()),
        Err(PredictError::Width { wanted: 2, given: 3 })
    );
    assert_eq!(predict(&model, &[]), Ok(Vec::new()));
    assert!(rig.server.seen().is_empty());

    // What decides the answers decides the fingerprint; a secret does not.
    let of = |settings: RemoteSettings| rig.connect(&settings).unwrap().info().fingerprint;
    let base = of(settings.clone());
    assert_eq!(
        base,
        of(RemoteSettings {
            authorization: Some(Authorization::Secret("Bearer x".into())),
            ..settings.clone()
        })
    );
    assert_eq!(base, of(RemoteSettings { rows_per_request: 7, ..settings.clone() }));
    let keyed = |key: &str| RemoteSettings {
        url: format!("{}/score?key={key}", rig.server.url()).into(),
        protocol: Protocol::Template { request: "\"$rows\"".to_owned(), predictions: String::new() },
        ..settings.clone()
    };
    assert_eq!(of(keyed("one")), of(keyed("two")));
    for other in [
        RemoteSettings { url: format!("{}/v2", rig.server.url()).into(), ..settings.clone() },
        RemoteSettings { protocol: Protocol::KServeV1 { model: "other".to_owned() }, ..settings.clone() },
        RemoteSettings { protocol: Protocol::SeldonV1, ..settings.clone() },
        RemoteSettings { missing: Some(Missing::Fill(0.0)), ..settings.clone() },
        RemoteSettings { prediction_pointer: Some("/p".to_owned()), ..settings.clone() },
    ] {
        assert_ne!(base, of(other));
    }
}

#[test]
fn settings_that_make_no_sense_are_refused_with_what_to_do() {
    let rig = Rig::answering("{}");
    let base = rig.settings(kserve());
    let template = |request: &str, predictions: &str| Protocol::Template {
        request: request.to_owned(),
        predictions: predictions.to_owned(),
    };
    for (settings, why) in [
        (
            RemoteSettings { inputs: Vec::new(), ..base.clone() },
            "no inputs; name them in their order in the file of inputs",
        ),
        (RemoteSettings { inputs: vec![RemoteInput::number("a"); 2], ..base.clone() }, "two inputs \"a\""),
        (
            RemoteSettings { output_names: vec!["p".to_owned(); 5_000], ..base.clone() },
            "it has 5000 outputs, and 1 to 4096 can be read",
        ),
        (
            RemoteSettings { prediction_pointer: Some("p".to_owned()), ..base.clone() },
            "must be empty or begin with /",
        ),
        (RemoteSettings { protocol: template("{", ""), ..base.clone() }, "its request is not JSON"),
        (
            RemoteSettings { protocol: template("\"$rows\"", "p"), ..base.clone() },
            "must be empty or begin with /",
        ),
        (RemoteSettings { url: "ftp://host".into(), ..base.clone() }, "must begin with http:// or https://"),
        (RemoteSettings { url: "http://host/?a=b".into(), ..base.clone() }, "without ? or #"),
        (
            RemoteSettings {
                prediction_pointer: Some("/p".to_owned()),
                protocol: open_inference(Tensors::PerInput),
                ..base
            },
            "tensors have nothing that prediction could lead to",
        ),
    ] {
        let error = rig.connect(&settings).unwrap_err().to_string();
        assert!(error.starts_with("model credit: ") && error.contains(why), "{error}");
    }
}
