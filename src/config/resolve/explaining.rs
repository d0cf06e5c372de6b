//! How a model is explained.

use std::time::Duration;

use secrecy::SecretString;

use super::{Resolver, secret::SecretSources};
use crate::{
    config::{
        places::{Part, join},
        problem::ExplainKeys,
        raw::{self, explaining},
    },
    explain::{AttributionEffects, ExplainSettings, PermutationSettings},
    explainer::{
        ExplainerSettings, ModelSource, RemoteSettings, Runtime,
        remote::{Authorization, Missing, MlflowFormat, Protocol, Tensors},
    },
    model::Link,
    pipeline::ExplainSpec,
};

/// Evaluations a second unless said otherwise, of a model in this process and of
/// one behind a server.
const IN_PROCESS: u32 = 1_000_000;
const AT_SERVER: u32 = 2_000;

/// Keys whose places are told when what they name can't be used.
const TOLD_KEYS: [&str; 6] = ["model", "runtime", "server", "inputs", "outputs", "surrogate"];

impl Resolver<'_> {
    /// Notes where it is said how the model called `name` is explained.
    fn note_places(&mut self, path: &str, name: Option<&str>) {
        let set = TOLD_KEYS.into_iter().map(|key| (key, join(path, key)));
        let set = set.filter(|(_, path)| self.places.is_set(path));
        let places = set.map(|(key, path)| (key, self.places.of(&path, Part::Value)));
        let table = ("", self.places.of(path, Part::Key));
        let keys = ExplainKeys {
            model: name.unwrap_or_default().to_owned(),
            path: path.to_owned(),
            places: places.chain([table]).collect(),
        };
        self.report.explained.push(keys);
    }

    pub(super) fn explain(
        &mut self,
        path: &str,
        name: Option<&str>,
        mut raw: raw::Explain,
    ) -> Option<ExplainerSettings> {
        let inputs = raw.inputs.take().map(|file| self.path(&file));
        if let Some(file) = inputs.as_ref().filter(|file| !file.is_file()) {
            let message = format!("there is no file {}", file.display());
            self.error(&join(path, "inputs"), message, "paths are relative to the configuration file");
        }
        self.note_places(path, name);
        let source = self.model_source(path, name, &mut raw)?;
        let is_server = matches!(source, ModelSource::Server(_));
        let is_surrogate = matches!(source, ModelSource::Surrogate);
        let defaults = ExplainSettings::defaults(is_server);
        let default_rate = if is_server { AT_SERVER } else { IN_PROCESS };
        Some(ExplainerSettings {
            source,
            inputs,
            explain: ExplainSettings {
                background_rows: raw.background_rows.unwrap_or(defaults.background_rows),
                reference_rows: raw.reference_rows.unwrap_or(defaults.reference_rows),
                outputs: raw.outputs.unwrap_or_default(),
                logged_tolerance: raw.tolerance,
                permutation: PermutationSettings {
                    wanted_error: Some(raw.wanted_error),
                    most_rounds: raw.most_rounds,
                },
                effects: raw.minimum_effect.map_or_else(AttributionEffects::default, |least| {
                    AttributionEffects {
                        total_variation: least.total_variation,
                        gain_lost: least.ndcg,
                        share_change: least.share,
                    }
                }),
                ..defaults
            },
            rows: ExplainSpec {
                rows: raw.rows,
                most_waiting: raw.waiting,
                // A surrogate ranks features; it does not say why one event is so.
                alert_events: if is_surrogate { 0 } else { raw.alert_events },
                recent_events: if is_surrogate { 0 } else { raw.recent_events },
                versions: raw.versions.unwrap_or_default(),
            },
            evaluations_per_second: raw.evaluations_per_second.unwrap_or(default_rate),
            threads: raw.threads,
            waiting_requests: raw.waiting_requests,
        })
    }

    /// Exactly one of a file, a server and a surrogate.
    fn model_source(
        &mut self,
        path: &str,
        name: Option<&str>,
        raw: &mut raw::Explain,
    ) -> Option<ModelSource> {
        const HINT: &str = "give model = \"file\", a [models.explain.server] or surrogate = true";
        let runtime = raw.runtime.take().map(|file| self.path(&file));
        let output = raw.runtime_output.take();
        if output.is_some() && runtime.is_none() {
            let hint = "give runtime, the library of ONNX Runtime, or leave it out";
            self.error(&join(path, "runtime_output"), "there is no library that it would be asked of", hint);
        }
        if runtime.is_some() && raw.model.is_none() {
            self.error(&join(path, "runtime"), "there is no model that it would evaluate", HINT);
        }
        match (raw.model.take(), raw.server.take(), raw.surrogate.take()) {
            (Some(file), None, None) => {
                let file = self.path(&file);
                if !file.is_file() {
                    let message = format!("there is no file {}", file.display());
                    let hint = "paths are relative to the configuration file";
                    self.error(&join(path, "model"), message, hint);
                    return None;
                }
                let runtime = runtime.map(|library| Runtime { library, output });
                Some(ModelSource::File { path: file, runtime })
            }
            (None, Some(server), None) => {
                let server = self.model_server(&join(path, "server"), name, server)?;
                Some(ModelSource::Server(Box::new(server)))
            }
            (None, None, Some(_)) => Some(ModelSource::Surrogate),
            (None, None, None) => {
                self.error(path, "it is not said who is asked", HINT);
                None
            }
            _ => {
                self.error(path, "a model is in one place, found several", HINT);
                None
            }
        }
    }

    fn model_server(
        &mut self,
        path: &str,
        name: Option<&str>,
        mut raw: raw::Server,
    ) -> Option<RemoteSettings> {
        let sources = SecretSources {
            inline: raw.authorization.take(),
            file: raw.authorization_file.take(),
            env: raw.authorization_env.take(),
        };
        // A file is read here to see that it holds something, and again by whoever asks.
        let file = sources.file.as_ref().map(|file| self.path(file));
        let secret = self.secret(&join(path, "authorization"), sources);
        let authorization = secret.map(|secret| match file {
            Some(file) => Authorization::File(file),
            None => Authorization::Secret(secret),
        });
        let url_key = join(path, "url");
        let url = self.required(raw.url.take(), &url_key, "url = \"http://localhost:8080\"");
        let url: Option<SecretString> = url.map(Into::into);
        let url = url.filter(|url| self.is_secret_address(&url_key, url, authorization.is_some()));
        let ca_file = raw.ca_file.take().map(|file| self.path(&file));
        self.ca_file(&join(path, "ca_file"), ca_file.as_ref());
        let link = match raw.link {
            explaining::ServerLink::Identity => Link::Identity,
            explaining::ServerLink::Logistic => Link::Logistic,
            explaining::ServerLink::Softmax => Link::Softmax,
            explaining::ServerLink::Log => Link::Log,
        };
        let protocol = self.server_protocol(path, &mut raw);
        Some(RemoteSettings {
            output_names: raw.output_names.unwrap_or_default(),
            prediction_pointer: raw.prediction,
            link,
            missing: raw.missing.map(Missing::Fill),
            authorization,
            ca_file,
            timeout: Duration::from_millis(raw.timeout),
            rows_per_request: raw.rows_per_request,
            concurrency: raw.concurrency,
            ..RemoteSettings::new(name?, url?, protocol?)
        })
    }

    fn server_protocol(&mut self, path: &str, raw: &mut raw::Server) -> Option<Protocol> {
        let hint = "protocol = \"v2\", \"kserve_v1\", \"mlflow\", \"seldon_v1\" or \"template\"";
        let protocol = self.required(raw.protocol, &join(path, "protocol"), hint)?;
        let model_hint = "name = \"…\", as the server knows the model";
        Some(match protocol {
            explaining::Protocol::V2 => Protocol::OpenInference {
                model: self.required(raw.name.take(), &join(path, "name"), model_hint)?,
                version: raw.version.take(),
                tensors: match raw.tensors {
                    explaining::Tensors::Server => Tensors::FromServer,
                    explaining::Tensors::PerInput => Tensors::PerInput,
                },
                output: raw.output.take(),
                content_type: raw.content_type.take(),
            },
            explaining::Protocol::KserveV1 => {
                Protocol::KServeV1 { model: self.required(raw.name.take(), &join(path, "name"), model_hint)? }
            }
            explaining::Protocol::Mlflow => Protocol::Mlflow {
                format: match raw.format {
                    explaining::Format::DataframeSplit => MlflowFormat::DataframeSplit,
                    explaining::Format::Inputs => MlflowFormat::Inputs,
                },
            },
            explaining::Protocol::SeldonV1 => Protocol::SeldonV1,
            explaining::Protocol::Template => {
                let hint = "template = '{\"rows\": \"$rows\"}'";
                let pointer = "predictions = \"/predictions\", or \"\" when the answer is the list";
                Protocol::Template {
                    request: self.required(raw.template.take(), &join(path, "template"), hint)?,
                    predictions: self.required(
                        raw.predictions.take(),
                        &join(path, "predictions"),
                        pointer,
                    )?,
                }
            }
        })
    }
}
