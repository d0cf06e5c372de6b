//! Settings of a model behind HTTP.

use std::{path::PathBuf, time::Duration};

use secrecy::SecretString;

use super::datatype::Datatype;
use crate::{client::Pacing, model::Link};

/// One model behind HTTP.
#[derive(Debug, Clone)]
pub struct RemoteSettings {
    /// The model's name: in metrics and errors.
    pub name: String,
    /// The server's base address, below which the protocol has its paths; of a
    /// template the whole address, whose query may hold a secret.
    pub url: SecretString,
    /// What the server speaks.
    pub protocol: Protocol,
    /// What a row is made of, in its order. May be empty where the server says it
    /// (`Tensors::FromServer`).
    pub inputs: Vec<RemoteInput>,
    /// Names of the numbers that the server gives for a row, in their order. Without
    /// them there are as many as the server's metadata say, or its first answer
    /// shows.
    pub output_names: Vec<String>,
    /// Where the numbers are inside each prediction, as a JSON pointer
    /// (`/probabilities`); without it a prediction is a number or a list of them.
    pub prediction_pointer: Option<String>,
    /// How the numbers become what the model is known to predict.
    pub link: Link,
    /// What is sent for a missing value. Without it what the protocol's servers
    /// take: see [`Missing`].
    pub missing: Option<Missing>,
    /// The header `Authorization`.
    pub authorization: Option<Authorization>,
    /// Certificates (PEM) to trust beside the system's.
    pub ca_file: Option<PathBuf>,
    /// One request may take so long.
    pub timeout: Duration,
    /// Rows in a request; fewer when they would make more than a megabyte, or their
    /// answers more than is read.
    pub rows_per_request: usize,
    /// Requests under way at the same time.
    pub concurrency: usize,
    /// A longer answer is refused.
    pub max_response_bytes: usize,
    /// Attempts at a request, the first included.
    pub attempts: u32,
    /// Pauses between attempts. A server that asks for more than
    /// `max_retry_after` gets it: the request fails, and it is left alone.
    pub pacing: Pacing,
    /// After so many failed attempts in a row the server is left alone.
    pub failures_to_rest: u32,
    /// So long, before one request tries whether it is back.
    pub rest: Duration,
}

impl RemoteSettings {
    /// With the defaults: no secret, 10 s for a request of up to 1,024 rows, two
    /// at a time, three attempts, answers up to 4 MiB; after five failures in a
    /// row 30 s of rest.
    #[must_use]
    pub fn new(name: impl Into<String>, url: impl Into<SecretString>, protocol: Protocol) -> Self {
        Self {
            name: name.into(),
            url: url.into(),
            protocol,
            inputs: Vec::new(),
            output_names: Vec::new(),
            prediction_pointer: None,
            link: Link::Identity,
            missing: None,
            authorization: None,
            ca_file: None,
            timeout: Duration::from_secs(10),
            rows_per_request: 1_024,
            concurrency: 2,
            max_response_bytes: 4 << 20,
            attempts: 3,
            pacing: Pacing {
                base: Duration::from_millis(250),
                max: Duration::from_secs(5),
                max_retry_after: Duration::from_secs(30),
            },
            failures_to_rest: 5,
            rest: Duration::from_secs(30),
        }
    }
}

/// Where the value of the header `Authorization` is.
#[derive(Debug, Clone)]
pub enum Authorization {
    /// Here.
    Secret(SecretString),
    /// In a file, which is read again when the server refuses what it held.
    File(PathBuf),
}

/// One input of a model.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RemoteInput {
    /// Its name, as the server knows it.
    pub name: String,
    /// Of an input that takes texts, all of them: its values are places in here.
    pub texts: Option<Vec<String>>,
    /// Whether it takes whole numbers only, which are sent without a fraction
    /// then. Servers are known to cut off fractions silently (`MLflow` does, of
    /// columns whose signature says `long`), so others are refused.
    pub is_whole: bool,
}

impl RemoteInput {
    /// An input that takes numbers.
    #[must_use]
    pub fn number(name: impl Into<String>) -> Self {
        Self { name: name.into(), ..Self::default() }
    }
}

/// What is sent for a missing value: JSON has no NaN.
///
/// By default: `Null` to all but a template's server, `Refuse` to that. With
/// `null`, `MLServer` 1.7, `KServe` 0.21 (both protocols), `MLflow` 3.17
/// (`dataframe_split`) and Seldon 1.18 were seen to give the predictions that the
/// model itself gives of NaN. Where a server does not take it (whole-number
/// tensors don't), it answers with an error, not with another number.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Missing {
    /// `null`.
    Null,
    /// This number; a missing text is refused.
    Fill(f64),
    /// Nothing: a row that lacks a value is an error.
    Refuse,
}

/// What the server speaks.
#[derive(Debug, Clone)]
pub enum Protocol {
    /// Open Inference Protocol, version 2 of `KServe`'s: Triton, `MLServer`,
    /// `KServe`, Seldon Core 2, `OpenVINO` Model Server and others.
    OpenInference {
        /// The model's name on the server.
        model: String,
        /// Its version; without it the server chooses.
        version: Option<String>,
        /// The tensors that it takes.
        tensors: Tensors,
        /// The tensor that it answers with, where it has several, such as
        /// `predict_proba` of scikit-learn on `MLServer`.
        output: Option<String>,
        /// The parameter `content_type` of requests: `pd` makes `MLServer` and
        /// `KServe` put one tensor per input into one table.
        content_type: Option<String>,
    },
    /// `KServe` version 1, which is `TensorFlow` Serving's and Vertex AI's, too.
    KServeV1 {
        /// The model's name on the server.
        model: String,
    },
    /// `MLflow`'s scoring server.
    Mlflow {
        /// The key under which rows are sent.
        format: MlflowFormat,
    },
    /// Seldon Core 1.
    SeldonV1,
    /// Any server that takes rows as JSON.
    Template {
        /// The body: JSON in which the text `"$rows"` stands for the rows as
        /// lists, `"$records"` for the rows as objects by input, and `"$columns"`
        /// for the names of the inputs.
        request: String,
        /// Where in the answer the list of predictions is, as a JSON pointer;
        /// empty when the answer is that list.
        predictions: String,
    },
}

impl Protocol {
    /// Its name, for people.
    #[must_use]
    pub fn title(&self) -> &'static str {
        match self {
            Self::OpenInference { .. } => "Open Inference Protocol v2",
            Self::KServeV1 { .. } => "KServe v1",
            Self::Mlflow { .. } => "MLflow",
            Self::SeldonV1 => "Seldon v1",
            Self::Template { .. } => "HTTP",
        }
    }
}

/// How `MLflow` is sent rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum MlflowFormat {
    /// `dataframe_split`: a table with the names of its columns.
    #[default]
    DataframeSplit,
    /// `inputs`: rows without names, for models with a tensor signature or none.
    Inputs,
}

/// The tensors that a server takes rows in.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Tensors {
    /// What its metadata say. Where they say nothing: as `One` with 64-bit numbers,
    /// or as `PerInput` when there are texts.
    #[default]
    FromServer,
    /// One for all inputs, `[rows, inputs]`.
    One {
        /// Its name.
        name: String,
        /// Of what it is.
        datatype: Datatype,
    },
    /// One for each input, `[rows, 1]`, by its name: of texts, of whole numbers or
    /// of 64-bit ones.
    PerInput,
}
