//! Models behind HTTP.
//!
//! Why: the model that answers users is most often a server, and its answers are
//! the ones to explain.
//!
//! Promises: answers are put together in the order of the rows, so predictions
//! don't depend on how rows were grouped into requests or on how many of these
//! were under way, as long as the server is a function of a row. Many are not
//! quite: libraries add numbers in another order when a batch is larger, so the
//! last bits may differ, and a server with random parts (dropout, sampling)
//! differs in all of them. How many numbers a row has is what the settings or the
//! server's metadata say, or else its first answer. An answer that lacks a row, holds a label, `null` or NaN
//! or is too long is an error, never a number. No error, log line or `Debug` output
//! shows a secret. A server that fails is asked again with growing pauses and then
//! left alone ([`RemoteStatus`]), while rows that make it fail are refused: see
//! `requests`.
//!
//! Refuses redirects, addresses with a password in them, and to be called on a
//! thread of the runtime: calls block. Requests are written and answers are read
//! on the caller's thread; the runtime's threads only carry bytes.

mod access;
mod answer;
mod breaker;
mod codec;
mod datatype;
mod metrics;
mod requests;
mod settings;
mod template;
mod tensors;
mod values;

use std::{
    collections::{BTreeSet, VecDeque},
    fmt::{self, Write as _},
    sync::{Arc, OnceLock, mpsc},
};

use reqwest::{Request, Url};
use secrecy::ExposeSecret as _;
use tokio::{runtime::Handle, task::AbortHandle};

pub use crate::client::Pacing;
pub use breaker::RemoteStatus;
pub use datatype::Datatype;
pub use metrics::RemoteMetrics;
pub use settings::{Authorization, Missing, MlflowFormat, Protocol, RemoteInput, RemoteSettings, Tensors};

use access::AccessError;
use answer::Wanted;
use codec::Codec;
use metrics::Outcome;
use requests::{Requester, Unanswered};
use tensors::Metadata;

use crate::{
    client,
    model::{Model, ModelInfo, PredictError, Rows},
    profile::row_hash,
};

/// Bytes of a request's body, about: what servers take without being told to.
const MAX_BODY: usize = 1_000_000;

/// Rows that are tried one by one until the server answers one: fewer than
/// failures in a row that make it be left alone.
const FIRST_TRIES: usize = 4;

/// Why there is no model behind HTTP.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RemoteError {
    /// The settings, or what the server says about the model, make no sense; the
    /// same will fail again.
    #[error("model {name}: {problem}")]
    Settings {
        /// The model's name.
        name: String,
        /// What is wrong and what to do, without secrets.
        problem: String,
    },
    /// The server does not say what the model takes; it may, later.
    #[error("model {name}: {reason}")]
    Unavailable {
        /// The model's name.
        name: String,
        /// Why it doesn't.
        reason: PredictError,
    },
}

/// A model behind HTTP.
pub struct RemoteModel {
    info: ModelInfo,
    /// The same with the outputs that the server's first answer has shown.
    met: OnceLock<ModelInfo>,
    codec: Codec,
    url: Url,
    rows_per_request: usize,
    max_response_bytes: usize,
    concurrency: usize,
    requester: Arc<Requester>,
    runtime: Handle,
}

impl fmt::Debug for RemoteModel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The address may hold a secret.
        f.debug_struct("RemoteModel").field("info", self.info()).finish_non_exhaustive()
    }
}

impl RemoteModel {
    /// Asks the server what the model takes, where the settings leave that to it
    /// (`Tensors::FromServer`); otherwise asks nothing. Blocks meanwhile.
    ///
    /// # Errors
    /// When the settings are wrong, or the server does not say.
    pub fn connect(
        settings: &RemoteSettings,
        metrics: &RemoteMetrics,
        runtime: &Handle,
    ) -> Result<Self, RemoteError> {
        let wrong = |problem: String| RemoteError::Settings { name: settings.name.clone(), problem };
        let unavailable = |reason| RemoteError::Unavailable { name: settings.name.clone(), reason };
        check(settings).map_err(wrong)?;
        let url = address(settings).map_err(wrong)?;
        let requester = Requester::new(settings, &url, metrics.of(&settings.name));
        let requester = Arc::new(requester.map_err(|error| match error {
            AccessError::Wrong(problem) => wrong(problem),
            AccessError::Unread(why) => unavailable(PredictError::Unavailable(why)),
        })?);
        let metadata = match codec::metadata_url(&url, &settings.protocol) {
            Some(url) => {
                // Refused, too: a server may answer before it has loaded the model.
                let wanted = Wanted { rows: 0, outputs: None };
                let sent = InFlight::send(&requester, runtime, requests::get(url), wanted);
                let answer = sent.wait().map_err(|unanswered| unavailable(unanswered.into()))?;
                let metadata = Metadata::parse(&answer);
                let outcome = if metadata.is_ok() { Outcome::Ok } else { Outcome::Unusable };
                requester.metrics.finished(outcome);
                metadata.map_err(wrong)?
            }
            None => Metadata::default(),
        };
        let codec = Codec::new(settings, &metadata).map_err(wrong)?;
        let info = info(settings, &codec, &metadata, &url);
        Ok(Self {
            info,
            met: OnceLock::new(),
            url: codec::predict_url(&url, &settings.protocol),
            codec,
            rows_per_request: settings.rows_per_request,
            max_response_bytes: settings.max_response_bytes,
            concurrency: settings.concurrency.max(1),
            requester,
            runtime: runtime.clone(),
        })
    }

    /// How its server stands.
    #[must_use]
    pub fn status(&self) -> RemoteStatus {
        self.requester.breaker.status()
    }

    fn rows_per_request(&self) -> usize {
        let outputs = self.info().outputs;
        let most = self.codec.rows_within(MAX_BODY, self.max_response_bytes, outputs);
        self.rows_per_request.clamp(1, most)
    }

    /// Finds a row that the server answers, which shows how many outputs there are
    /// and, later, whether it is the server or the rows that make a request fail.
    /// Gives the predictions of that row.
    fn meet(&self, rows: Rows<'_>) -> Result<Vec<f64>, PredictError> {
        let tries = rows.len().clamp(1, FIRST_TRIES);
        let (mut refused, mut failed) = (None, None);
        for attempt in 0..tries {
            // Spread over the rows: bad ones may be neighbours.
            let place = attempt * rows.len() / tries;
            let Some(row) = rows.iter().nth(place) else { break };
            let body = match self.codec.body(Rows::new(row, rows.width()), place + 1) {
                Ok(body) => body,
                Err(error) => {
                    refused.get_or_insert(error);
                    continue;
                }
            };
            let mut predictions = Vec::new();
            let sent = self.send(body.clone(), 1);
            match self.receive(sent, &mut predictions) {
                Ok(()) => {
                    // Another thread may have met it, too.
                    let _ = self.met.set(ModelInfo { outputs: predictions.len(), ..self.info.clone() });
                    self.requester.keep(self.url.clone(), body);
                    return Ok(predictions);
                }
                Err(Unanswered::Server(why)) => return Err(PredictError::Unavailable(why)),
                Err(error @ Unanswered::Either(_)) => _ = failed.get_or_insert(PredictError::from(error)),
                Err(error @ Unanswered::Rows(_)) => _ = refused.get_or_insert(error.into()),
            }
        }
        let nothing = || PredictError::Refused("there are no rows to ask about".to_owned());
        Err(failed.or(refused).unwrap_or_else(nothing))
    }

    fn send(&self, body: String, rows: usize) -> InFlight {
        let request = requests::post(self.url.clone(), body);
        let outputs = Some(self.info().outputs).filter(|outputs| *outputs > 0);
        InFlight::send(&self.requester, &self.runtime, request, Wanted { rows, outputs })
    }

    /// Waits for the predictions of a request.
    fn receive(&self, sent: InFlight, out: &mut Vec<f64>) -> Result<(), Unanswered> {
        let wanted = sent.wanted;
        let answer = sent.wait()?;
        let metrics = &self.requester.metrics;
        let predictions = self.codec.read(&answer, wanted).map_err(|why| {
            metrics.finished(Outcome::Unusable);
            Unanswered::Rows(why)
        })?;
        metrics.finished(Outcome::Ok);
        metrics.predicted(wanted.rows);
        out.extend(predictions);
        Ok(())
    }
}

impl Model for RemoteModel {
    fn info(&self) -> &ModelInfo {
        self.met.get().unwrap_or(&self.info)
    }

    fn predict(&self, rows: Rows<'_>, out: &mut Vec<f64>) -> Result<(), PredictError> {
        let width = self.info.inputs;
        if rows.width() != width {
            return Err(PredictError::Width { wanted: width, given: rows.width() });
        }
        if rows.is_empty() {
            return Ok(());
        }
        if !self.requester.is_known() {
            let first = self.meet(rows)?;
            if rows.len() == 1 {
                out.extend(first);
                return Ok(());
            }
        }
        let rows_per_request = self.rows_per_request();
        let mut predictions = Vec::with_capacity(rows.len() * self.info().outputs);
        let mut sent = VecDeque::new();
        for (index, batch) in rows.values().chunks(rows_per_request * width).enumerate() {
            loop {
                // While the server may be away, one request shows whether it is.
                let is_answering = self.status() == RemoteStatus::Answering;
                let most = if is_answering { self.concurrency } else { 1 };
                if sent.len() < most {
                    break;
                }
                if let Some(first) = sent.pop_front() {
                    self.receive(first, &mut predictions)?;
                }
            }
            let batch = Rows::new(batch, width);
            sent.push_back(self.send(self.codec.body(batch, index * rows_per_request + 1)?, batch.len()));
        }
        for request in sent {
            self.receive(request, &mut predictions)?;
        }
        out.extend(predictions);
        Ok(())
    }

    fn batch_rows(&self) -> usize {
        self.rows_per_request().saturating_mul(self.concurrency)
    }

    fn is_remote(&self) -> bool {
        true
    }
}

/// A request under way; dropping it gives it up.
#[derive(Debug)]
struct InFlight {
    wanted: Wanted,
    answer: mpsc::Receiver<Result<Vec<u8>, Unanswered>>,
    task: AbortHandle,
}

impl InFlight {
    fn send(requester: &Arc<Requester>, runtime: &Handle, request: Request, wanted: Wanted) -> Self {
        let (sender, answer) = mpsc::channel();
        let requester = Arc::clone(requester);
        let task = runtime.spawn(async move {
            // Nobody may want it any more.
            let _ = sender.send(requester.ask(request).await);
        });
        Self { wanted, answer, task: task.abort_handle() }
    }

    fn wait(self) -> Result<Vec<u8>, Unanswered> {
        // The runtime drops its tasks when it ends.
        self.answer.recv().unwrap_or_else(|_| Err(Unanswered::Server("the daemon is stopping".to_owned())))
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn check(settings: &RemoteSettings) -> Result<(), String> {
    let mut names = BTreeSet::new();
    if let Some(input) = settings.inputs.iter().find(|input| !names.insert(&input.name)) {
        return Err(format!("it has two inputs {:?}; input names are unique", input.name));
    }
    Ok(())
}

/// The address of the settings. Only a template's has a query.
fn address(settings: &RemoteSettings) -> Result<Url, String> {
    let text = settings.url.expose_secret().trim();
    let url = match settings.protocol {
        Protocol::Template { .. } => client::address(text),
        _ => client::base_url(text),
    };
    url.map_err(|reason| format!("its url can't be used: {reason}"))
}

fn info(settings: &RemoteSettings, codec: &Codec, metadata: &Metadata, url: &Url) -> ModelInfo {
    let has_names = !settings.inputs.is_empty() || codec.has_names();
    ModelInfo {
        kind: settings.protocol.title().to_owned(),
        inputs: codec.inputs().count(),
        input_names: if has_names { codec.inputs().map(str::to_owned).collect() } else { Vec::new() },
        outputs: codec.outputs().unwrap_or(0),
        output_names: settings.output_names.clone(),
        link: settings.link,
        fingerprint: fingerprint(settings, codec, metadata, url),
    }
}

/// Address, version and what rows are turned into. Of an address without its
/// query, which may hold a secret: results show hashes.
fn fingerprint(settings: &RemoteSettings, codec: &Codec, metadata: &Metadata, url: &Url) -> u64 {
    let mut public = codec::predict_url(url, &settings.protocol);
    public.set_query(None);
    let mut text = format!("{}\n{public}\n{}\n", settings.protocol.title(), metadata.identity);
    // The bodies of a row without values and of one with the first text or 0 show
    // how rows are sent; one that can't be sent does so, too.
    for value in [f64::NAN, 0.0] {
        let row = vec![value; codec.inputs().count()];
        let body = codec.body(Rows::new(&row, row.len()), 1);
        text.push_str(&body.unwrap_or_else(|error| error.to_string()));
    }
    for input in &settings.inputs {
        // Writing to a text can't fail.
        let _ = write!(text, "\n{}\n{:?}", input.name, input.texts.as_deref().unwrap_or_default());
    }
    text.push_str(settings.prediction_pointer.as_deref().unwrap_or_default());
    row_hash(text.as_bytes())
}
