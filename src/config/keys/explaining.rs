//! The keys of explanations.

use super::{
    Default::{Absent, Integer, Number, Required, Text},
    KeySpec, Kind,
    table::{POSITIVE, key},
};

const COUNT: Kind = Kind::Integer { min: 1, max: 1_000_000_000 };
const SHARE: Kind = Kind::Number { min: 0.0, max: 1.0 };

const fn text(path: &'static str, absent: &'static str, meaning: &'static str) -> KeySpec {
    key(path, Kind::Text, Absent(absent), meaning)
}

const fn path(path: &'static str, absent: &'static str, meaning: &'static str) -> KeySpec {
    key(path, Kind::Path, Absent(absent), meaning)
}

/// `[models.explain]` and `[models.explain.server]`.
pub(super) const KEYS: &[KeySpec] = &[
    path(
        "models[].explain.model",
        "`server` or `surrogate`",
        "file of the model: XGBoost (`.json`, `.ubj`), LightGBM (`.txt`), ONNX (`.onnx`) or coefficients \
         (`.toml`)",
    ),
    path(
        "models[].explain.runtime",
        "ONNX files of trees and linear models only",
        "library of ONNX Runtime (`libonnxruntime.so`), which evaluates all other ONNX models",
    ),
    text(
        "models[].explain.runtime_output",
        "the only one that is of numbers",
        "of a model that ONNX Runtime evaluates: the output that is the prediction, where it has several",
    ),
    key(
        "models[].explain.surrogate",
        Kind::True,
        Absent("the model itself is asked"),
        "without access to the model: a forest that is fitted to the logged predictions of each window, for \
         a ranking of the features alone",
    ),
    path(
        "models[].explain.inputs",
        "inputs are the features of the same names",
        "file that says how the model's inputs are made of features",
    ),
    key(
        "models[].explain.outputs",
        Kind::TextList,
        Absent("all, up to 8; of two that are a class and its opposite, the second"),
        "outputs that are explained, by their names or their numbers from 0",
    ),
    key(
        "models[].explain.versions",
        Kind::TextList,
        Absent("all"),
        "versions that events name and that this model is; windows of others are not explained",
    ),
    key(
        "models[].explain.tolerance",
        Kind::Number { min: 0.0, max: 1e300 },
        Absent("worked out from the reference's predictions"),
        "difference between the model's output and the logged prediction that is taken for rounding",
    ),
    key(
        "models[].explain.rows",
        Kind::Integer { min: 50, max: 10_000 },
        Integer(500),
        "rows of a window that are explained, at most",
    ),
    key(
        "models[].explain.background_rows",
        Kind::Integer { min: 1, max: 2_000 },
        Absent("100; 32 of a model that is a server"),
        "rows of the reference that every row is compared with",
    ),
    key(
        "models[].explain.reference_rows",
        Kind::Integer { min: 50, max: 2_000 },
        Absent("1000; 200 of a model that is a server"),
        "further rows of the reference whose attributions windows are held against, at most",
    ),
    key(
        "models[].explain.wanted_error",
        SHARE,
        Number("0.02"),
        "of estimates: a row is done when the standard error of every attribution is at most this share of \
         their range",
    ),
    key(
        "models[].explain.most_rounds",
        Kind::Integer { min: 1, max: 1_000 },
        Integer(3),
        "of estimates: how often every background row is used at most",
    ),
    key(
        "models[].explain.evaluations_per_second",
        Kind::Integer { min: 1, max: 1_000_000_000 },
        Absent("1000000; 2000 of a model that is a server"),
        "rows that the model is asked about in a second, at most",
    ),
    key(
        "models[].explain.threads",
        Kind::Integer { min: 1, max: 64 },
        Integer(1),
        "threads that explain this model; results do not depend on it",
    ),
    key(
        "models[].explain.waiting",
        Kind::Integer { min: 1, max: 10_000 },
        Integer(24),
        "windows of a stream that wait to be explained, at most; beyond it the oldest makes room, which is counted",
    ),
    key(
        "models[].explain.alert_events",
        Kind::Integer { min: 0, max: 50 },
        Integer(5),
        "events of a window that are explained one by one when an alert fires in it, the strangest first",
    ),
    key(
        "models[].explain.recent_events",
        Kind::Integer { min: 0, max: 1_000_000 },
        Integer(10_000),
        "latest events that can be asked about by their id",
    ),
    key(
        "models[].explain.waiting_requests",
        Kind::Integer { min: 1, max: 10_000 },
        Integer(32),
        "requests to explain an event that wait, at most; beyond it they are refused",
    ),
    key(
        "models[].explain.minimum_effect.total_variation",
        SHARE,
        Number("0.1"),
        "least total variation of the features' shares that is called drifted",
    ),
    key(
        "models[].explain.minimum_effect.ndcg",
        SHARE,
        Number("0.1"),
        "least loss of `ndcg` that is called drifted",
    ),
    key(
        "models[].explain.minimum_effect.share",
        SHARE,
        Number("0.05"),
        "least change of a feature's share that is called drifted",
    ),
    text("models[].explain.server.url", "needed", "address of the model's server"),
    key(
        "models[].explain.server.protocol",
        Kind::Choice(&["v2", "kserve_v1", "mlflow", "seldon_v1", "template"]),
        Required,
        "what it speaks: Open Inference Protocol v2, KServe v1, MLflow `/invocations`, Seldon v1, or JSON of \
         another form, see `template`",
    ),
    text("models[].explain.server.name", "needed by `v2` and `kserve_v1`", "the model's name at the server"),
    text("models[].explain.server.version", "the server's choice", "its version at the server (`v2`)"),
    key(
        "models[].explain.server.tensors",
        Kind::Choice(&["server", "per_input"]),
        Text("server"),
        "of `v2`: the tensors that the server's metadata name, or one for each input by its name",
    ),
    text(
        "models[].explain.server.output",
        "the only one",
        "of `v2`: the tensor to read, where the server answers with several",
    ),
    text(
        "models[].explain.server.content_type",
        "none",
        "of `v2`: the parameter `content_type`; `pd` makes one table of a tensor per input",
    ),
    key(
        "models[].explain.server.format",
        Kind::Choice(&["dataframe_split", "inputs"]),
        Text("dataframe_split"),
        "of `mlflow`: a table with the names of its columns, or rows without",
    ),
    key(
        "models[].explain.server.template",
        Kind::Text,
        Absent("needed by `template`"),
        "body of a request as JSON, in which `\"$rows\"` stands for the rows as lists, `\"$records\"` for the rows as objects and `\"$columns\"` for the names of the inputs",
    ),
    key(
        "models[].explain.server.predictions",
        Kind::Pointer,
        Absent("needed by `template`"),
        "where the list of predictions stands in the answer",
    ),
    key(
        "models[].explain.server.prediction",
        Kind::Pointer,
        Absent("the whole of it"),
        "where the number, or the numbers, stand in each of them",
    ),
    key(
        "models[].explain.server.output_names",
        Kind::TextList,
        Absent("their numbers from 0, as many as the server gives"),
        "names of the numbers that stand there, in their order",
    ),
    key(
        "models[].explain.server.link",
        Kind::Choice(&["identity", "logistic", "softmax", "log"]),
        Text("identity"),
        "how the server's raw output becomes the prediction that is logged",
    ),
    key(
        "models[].explain.server.missing",
        Kind::Number { min: -1e300, max: 1e300 },
        Absent("as the protocol has it: `null` where servers take that"),
        "number that is sent for a missing value",
    ),
    key("models[].explain.server.timeout", POSITIVE, Text("10s"), "limit of one request"),
    key(
        "models[].explain.server.concurrency",
        Kind::Integer { min: 1, max: 64 },
        Integer(2),
        "requests at a time",
    ),
    key("models[].explain.server.rows_per_request", COUNT, Integer(1_024), "rows in one request, at most"),
    key(
        "models[].explain.server.authorization",
        Kind::Secret,
        Absent("none"),
        "value of the header `Authorization`; better kept in a file or the environment",
    ),
    path(
        "models[].explain.server.authorization_file",
        "none",
        "file that holds it; read again when the server refuses what it held",
    ),
    text("models[].explain.server.authorization_env", "none", "environment variable that holds it"),
    path(
        "models[].explain.server.ca_file",
        "the system's certificates only",
        "further certificates to trust, PEM",
    ),
];
