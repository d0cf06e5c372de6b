//! What a model behind the Open Inference Protocol says of itself.

use driftline::{
    explainer::remote::{RemoteError, RemoteInput, RemoteModel, RemoteSettings, Tensors},
    model::Model as _,
};

use crate::{Rig, json, open_inference, predict, support::stand_in::Reply};

const ANSWER: &str = r#"{"outputs":[{"name":"p","shape":[1,1],"datatype":"FP64","data":[0.5]}]}"#;

/// A server with these metadata that answers one row with 0.5.
fn rig(metadata: &str) -> Rig {
    let metadata = metadata.to_owned();
    Rig::new(move |seen| if seen.method == "GET" { json(&metadata) } else { json(ANSWER) })
}

fn connect(rig: &Rig, inputs: Vec<RemoteInput>) -> Result<RemoteModel, RemoteError> {
    rig.connect(&RemoteSettings { inputs, ..rig.settings(open_inference(Tensors::FromServer)) })
}

fn last_body(rig: &Rig) -> String {
    rig.server.seen().pop().unwrap().body
}

#[test]
fn one_tensor_says_how_many_inputs_there_are() {
    let rig = rig(r#"{"name":"credit","versions":["1"],"platform":"onnx",
        "inputs":[{"name":"x","datatype":"FP32","shape":[-1,3]}],
        "outputs":[{"name":"p","datatype":"BF16","shape":[-1,1]}]}"#);
    let model = connect(&rig, Vec::new()).unwrap();
    assert_eq!(rig.server.seen()[0].path, "/v2/models/credit");
    let info = model.info();
    assert_eq!((info.inputs, info.input_names.len(), info.outputs), (3, 0, 1));
    assert_eq!(predict(&model, &[0.1, 2.0, f64::NAN]).unwrap(), [0.5]);
    let expected = r#"{"inputs":[{"name":"x","datatype":"FP32","shape":[1,3],"data":[0.1,2.0,null]}]}"#;
    assert_eq!(last_body(&rig), expected);
    assert_eq!(rig.requests("ok"), 2);

    let named = ["a", "b", "c"].map(RemoteInput::number).to_vec();
    assert_eq!(connect(&rig, named.clone()).unwrap().info().input_names, ["a", "b", "c"]);
    let error = connect(&rig, named[..2].to_vec()).unwrap_err().to_string();
    assert_eq!(error, "model credit: the server takes 3 inputs, and the settings name 2");
}

#[test]
fn several_tensors_are_inputs_by_their_names() {
    let rig = rig(r#"{"inputs":[
            {"name":"n","datatype":"INT8","shape":[-1]},
            {"name":"t","datatype":"BYTES","shape":[-1,1]},
            {"name":"f","datatype":"BOOL","shape":[-1,1]}],
        "outputs":[{"name":"p","datatype":"FP32","shape":[-1,1]},{"name":"label","datatype":"BYTES","shape":[-1]}]}"#);
    let texts = RemoteInput { texts: Some(vec!["x".to_owned()]), ..RemoteInput::number("t") };
    // In the order of the settings.
    let model =
        connect(&rig, vec![texts.clone(), RemoteInput::number("f"), RemoteInput::number("n")]).unwrap();
    assert_eq!(predict(&model, &[0.0, 1.0, -128.0]).unwrap(), [0.5]);
    let expected = [
        r#"{"inputs":[{"name":"t","datatype":"BYTES","shape":[1,1],"data":["x"]},"#,
        r#"{"name":"f","datatype":"BOOL","shape":[1,1],"data":[true]},"#,
        r#"{"name":"n","datatype":"INT8","shape":[1],"data":[-128]}]}"#,
    ];
    assert_eq!(last_body(&rig), expected.concat());
    assert!(predict(&model, &[0.0, 1.0, 128.0]).unwrap_err().to_string().contains("from -128 to 127"));

    for (inputs, why) in [
        (
            vec![texts.clone(), RemoteInput::number("f")],
            "takes an input \"n\", which the settings don't name",
        ),
        (
            vec![texts, RemoteInput::number("f"), RemoteInput::number("n"), RemoteInput::number("z")],
            "takes no input \"z\"",
        ),
        (Vec::new(), "the input \"t\" doesn't fit: the server takes texts here; say text = true"),
    ] {
        let error = connect(&rig, inputs).unwrap_err().to_string();
        assert!(error.contains(why), "{error}");
    }
}

#[test]
fn metadata_that_say_nothing_leave_it_to_the_settings() {
    // As MLServer and KServe answer unless somebody wrote the metadata down.
    let rig = rig(r#"{"name":"credit","versions":null,"platform":"","inputs":[],"outputs":[]}"#);
    let error = connect(&rig, Vec::new()).unwrap_err().to_string();
    assert!(error.contains("it has no inputs; name them"), "{error}");
    let numbers = ["a", "b"].map(RemoteInput::number).to_vec();
    predict(&connect(&rig, numbers).unwrap(), &[1.0, 2.0]).unwrap();
    let one = r#"{"inputs":[{"name":"input-0","datatype":"FP64","shape":[1,2],"data":[1.0,2.0]}]}"#;
    assert_eq!(last_body(&rig), one);
    let texts = RemoteInput { texts: Some(vec!["x".to_owned()]), ..RemoteInput::number("t") };
    predict(&connect(&rig, vec![RemoteInput::number("a"), texts]).unwrap(), &[1.0, 0.0]).unwrap();
    assert!(last_body(&rig).contains(r#"{"name":"t","datatype":"BYTES","shape":[1,1],"data":["x"]}"#));
}

#[test]
fn metadata_that_make_no_sense_are_errors() {
    for (metadata, why) in [
        ("[]", "its metadata are a list"),
        ("nonsense", "not JSON"),
        (
            r#"{"inputs":[{"name":"x","datatype":"FP128","shape":[-1,2]}]}"#,
            "give \"x\" the datatype \"FP128\"",
        ),
        (r#"{"inputs":[{"name":"x","datatype":"FP32"}]}"#, "give \"x\" no shape"),
        (r#"{"inputs":[{"name":"x","datatype":"FP32","shape":[-1,-1]}]}"#, "don't say how many inputs"),
        (
            r#"{"inputs":[{"name":"x","datatype":"FP32","shape":[-1,999999999999]}]}"#,
            "don't say how many inputs",
        ),
        (
            r#"{"inputs":[{"name":"x","datatype":"FP32","shape":[-1,4294967296,4294967296]}]}"#,
            "don't say how many",
        ),
        (
            r#"{"inputs":[{"name":"x","datatype":"FP32","shape":[-1,2]}],"outputs":[{"name":"p","shape":[-1,1152921504606846976]}]}"#,
            "it has 1152921504606846976 outputs, and 1 to 4096 can be read",
        ),
        (
            r#"{"inputs":[{"name":"x","datatype":"FP32","shape":[-1,2]},{"name":"y","datatype":"FP32","shape":[-1]}]}"#,
            "\"x\" of them is for more than one input",
        ),
    ] {
        let error = connect(&rig(metadata), Vec::new()).unwrap_err();
        assert!(matches!(error, RemoteError::Settings { .. }), "{error}");
        assert!(error.to_string().contains(why), "{metadata}: {error}");
    }
}

#[test]
fn a_server_that_does_not_say_may_do_so_later() {
    let rig = Rig::new(|_| Reply::status(404).body(r#"{"error":"Model credit not found"}"#));
    for status in [404, 503, 500] {
        rig.server.behave(move |_| Reply::status(status).body(r#"{"error":"Model credit not found"}"#));
        let error = connect(&rig, Vec::new()).unwrap_err();
        let text = error.to_string();
        assert!(matches!(error, RemoteError::Unavailable { .. }), "{text}");
        assert!(text.contains(&format!("({status}: Model credit not found)")), "{text}");
    }
    // What the settings say needs no server.
    let before = rig.server.seen().len();
    rig.connect(&rig.settings(open_inference(Tensors::PerInput))).unwrap();
    assert_eq!(rig.server.seen().len(), before);
}
