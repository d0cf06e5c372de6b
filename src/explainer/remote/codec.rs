//! Rows to a request's body and an answer to predictions, by protocol.
//!
//! Sources, and what was seen of the servers: `KServe` 0.21 and `TensorFlow` Serving
//! (`instances`, `predictions`), `MLflow` 3.17 (`mlflow/pyfunc/scoring_server`),
//! Seldon Core 1.18 (`data.ndarray` or `data.tensor`, whichever the model's server
//! chooses).

use reqwest::Url;
use serde_json::Value;

use super::{
    answer::{self, MOST_OUTPUTS, Wanted},
    settings::{Missing, MlflowFormat, Protocol, RemoteSettings, Tensors},
    template::Template,
    tensors::{Layout, Metadata},
    values::{Columns, Kind},
};
use crate::{
    client,
    model::{PredictError, Rows},
};

/// Bytes of a number in an answer, with what is around it.
const BYTES_PER_OUTPUT: usize = 48;

#[derive(Debug)]
enum Form {
    Tensors(Layout),
    Template {
        request: Template,
        /// Where the list of predictions is.
        predictions: String,
        /// Where the numbers are within each.
        inside: Option<String>,
    },
    Seldon {
        request: Template,
        inside: Option<String>,
    },
}

/// What a server's requests and answers look like.
#[derive(Debug)]
pub(super) struct Codec {
    columns: Columns,
    form: Form,
    outputs: Option<usize>,
    has_names: bool,
}

impl Codec {
    /// # Errors
    /// What is wrong with the settings, or doesn't fit the server, and what to do.
    pub(super) fn new(settings: &RemoteSettings, metadata: &Metadata) -> Result<Self, String> {
        let is_template = matches!(settings.protocol, Protocol::Template { .. });
        let missing = settings.missing.unwrap_or(if is_template { Missing::Refuse } else { Missing::Null });
        if let Some(pointer) = settings.prediction_pointer.as_deref().filter(|text| !is_pointer(text)) {
            return Err(format!("its prediction {pointer:?} must be empty or begin with /"));
        }
        let (form, columns, outputs, has_names) = match &settings.protocol {
            Protocol::OpenInference { tensors, output, content_type, .. } => {
                if settings.prediction_pointer.is_some() {
                    return Err("tensors have nothing that prediction could lead to; leave it out".to_owned());
                }
                let (layout, inputs) = Layout::plan(&settings.inputs, tensors, metadata)?;
                let layout = layout.with(content_type.as_deref(), output.as_deref());
                let has_names = layout.has_names();
                let outputs = metadata.outputs(output.as_deref());
                (Form::Tensors(layout), Columns::new(inputs, missing), outputs, has_names)
            }
            other => {
                let inputs = settings.inputs.iter().map(|input| (input.name.clone(), Kind::of(input)));
                let columns = Columns::new(inputs.collect(), missing);
                let form = template(other, &columns, settings.prediction_pointer.clone())?;
                (form, columns, None, true)
            }
        };
        if columns.len() == 0 {
            return Err("it has no inputs; name them in their order in the file of inputs".to_owned());
        }
        let named = Some(settings.output_names.len()).filter(|names| *names > 0);
        let outputs = named.or(outputs);
        if let Some(outputs) = outputs.filter(|outputs| !(1..=MOST_OUTPUTS).contains(outputs)) {
            return Err(format!("it has {outputs} outputs, and 1 to {MOST_OUTPUTS} can be read"));
        }
        Ok(Self { columns, form, outputs, has_names })
    }

    /// The names of the inputs, or their places.
    pub(super) fn inputs(&self) -> impl Iterator<Item = &str> {
        self.columns.names()
    }

    /// Whether the inputs have names of their own.
    pub(super) fn has_names(&self) -> bool {
        self.has_names
    }

    /// Numbers for a row; `None` when the server's first answer is to show it.
    pub(super) fn outputs(&self) -> Option<usize> {
        self.outputs
    }

    /// Rows that fit into a body and an answer of so many bytes, with so many
    /// outputs each; one always may.
    pub(super) fn rows_within(&self, body: usize, answer: usize, outputs: usize) -> usize {
        let most = (body / self.columns.widest_row()).min(answer / (outputs.max(1) * BYTES_PER_OUTPUT));
        most.max(1)
    }

    /// The body for some rows, `first` being the number of the first.
    pub(super) fn body(&self, rows: Rows<'_>, first: usize) -> Result<String, PredictError> {
        match &self.form {
            Form::Tensors(layout) => layout.body(&self.columns, rows, first),
            Form::Template { request, .. } | Form::Seldon { request, .. } => {
                request.body(&self.columns, rows, first)
            }
        }
    }

    /// The predictions of an answer.
    pub(super) fn read(&self, bytes: &[u8], wanted: Wanted) -> Result<Vec<f64>, String> {
        let answer = answer::json(bytes, wanted.rows)?;
        match &self.form {
            Form::Tensors(layout) => layout.read(&answer, wanted),
            Form::Template { predictions, inside, .. } => match answer.pointer(predictions) {
                Some(list) => answer::predictions(list, inside.as_deref(), wanted),
                None => Err(format!(
                    "there is nothing at {predictions} in its answer, which is {}",
                    answer::what(&answer)
                )),
            },
            Form::Seldon { inside, .. } => seldon(&answer, inside.as_deref(), wanted),
        }
    }
}

fn template(protocol: &Protocol, columns: &Columns, inside: Option<String>) -> Result<Form, String> {
    let (request, predictions) = match protocol {
        Protocol::SeldonV1 => {
            let request = r#"{"data":{"names":"$columns","ndarray":"$rows"}}"#;
            return Ok(Form::Seldon { request: Template::parse(request, columns)?, inside });
        }
        Protocol::Template { request, predictions } => (request.as_str(), predictions.as_str()),
        Protocol::Mlflow { format: MlflowFormat::DataframeSplit } => {
            (r#"{"dataframe_split":{"columns":"$columns","data":"$rows"}}"#, "/predictions")
        }
        Protocol::Mlflow { format: MlflowFormat::Inputs } => (r#"{"inputs":"$rows"}"#, "/predictions"),
        Protocol::KServeV1 { .. } | Protocol::OpenInference { .. } => {
            (r#"{"instances":"$rows"}"#, "/predictions")
        }
    };
    if !is_pointer(predictions) {
        return Err(format!("its predictions {predictions:?} must be empty or begin with /"));
    }
    Ok(Form::Template {
        request: Template::parse(request, columns)?,
        predictions: predictions.to_owned(),
        inside,
    })
}

fn is_pointer(text: &str) -> bool {
    text.is_empty() || text.starts_with('/')
}

fn seldon(answer: &Value, inside: Option<&str>, wanted: Wanted) -> Result<Vec<f64>, String> {
    let data = answer.get("data").unwrap_or(&Value::Null);
    if let Some(list) = data.get("ndarray") {
        answer::predictions(list, inside, wanted)
    } else if let Some(tensor) = data.get("tensor") {
        answer::tensor(tensor.get("shape"), tensor.get("values").unwrap_or(&Value::Null), wanted)
    } else {
        Err(format!("its answer has neither data.ndarray nor data.tensor; it is {}", answer::what(answer)))
    }
}

/// Where metadata are, when they are to be asked for.
pub(super) fn metadata_url(base: &Url, protocol: &Protocol) -> Option<Url> {
    match protocol {
        Protocol::OpenInference { model, version, tensors: Tensors::FromServer, .. } => {
            Some(model_url(base, model, version.as_deref()))
        }
        _ => None,
    }
}

/// Where rows are sent.
pub(super) fn predict_url(base: &Url, protocol: &Protocol) -> Url {
    match protocol {
        Protocol::OpenInference { model, version, .. } => {
            with_segments(model_url(base, model, version.as_deref()), &["infer"])
        }
        Protocol::KServeV1 { model } => {
            with_segments(client::below(base, "v1/models"), &[&format!("{model}:predict")])
        }
        Protocol::Mlflow { .. } => client::below(base, "invocations"),
        Protocol::SeldonV1 => client::below(base, "api/v1.0/predictions"),
        Protocol::Template { .. } => base.clone(),
    }
}

fn model_url(base: &Url, model: &str, version: Option<&str>) -> Url {
    let url = with_segments(client::below(base, "v2/models"), &[model]);
    match version {
        Some(version) => with_segments(url, &["versions", version]),
        None => url,
    }
}

/// Names as parts of a path, whatever characters they have.
fn with_segments(mut url: Url, segments: &[&str]) -> Url {
    // Addresses with http or https always have a path.
    if let Ok(mut path) = url.path_segments_mut() {
        path.extend(segments);
    }
    url
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stay_one_part_of_the_path() {
        let base = client::base_url("http://host:1/prefix/").unwrap();
        let oip = |model: &str, version: Option<&str>| Protocol::OpenInference {
            model: model.to_owned(),
            version: version.map(str::to_owned),
            tensors: Tensors::FromServer,
            output: None,
            content_type: None,
        };
        let of = |protocol: &Protocol| predict_url(&base, protocol).to_string();
        assert_eq!(
            of(&oip("a/b ?ä", Some("2"))),
            "http://host:1/prefix/v2/models/a%2Fb%20%3F%C3%A4/versions/2/infer"
        );
        assert_eq!(of(&oip("credit", None)), "http://host:1/prefix/v2/models/credit/infer");
        let kserve = Protocol::KServeV1 { model: "credit".to_owned() };
        assert_eq!(of(&kserve), "http://host:1/prefix/v1/models/credit:predict");
        assert_eq!(of(&Protocol::SeldonV1), "http://host:1/prefix/api/v1.0/predictions");
        assert_eq!(
            metadata_url(&base, &oip("credit", Some("2"))).unwrap().to_string(),
            "http://host:1/prefix/v2/models/credit/versions/2"
        );
    }
}
