//! One request, until it is answered or given up.
//!
//! | answer | meaning |
//! |---|---|
//! | any 2xx | it may hold predictions |
//! | none, cut off, 408, 425, 429, 502, 503, 504 | the server is away or busy: again, not before `Retry-After` |
//! | none in time, any other 5xx | the rows are to blame or the server is: see below |
//! | 400, 413, 415, 422, or an answer that is too long | the rows are refused |
//! | 401, 403 | the secret is refused: again, if its file holds another by now |
//! | 3xx, any other | the address, the secret or the model behind it is not right, or not yet |
//!
//! Servers answer 500 to rows that they can't use, and to anything else that goes
//! wrong. Which it is, a row shows that the server has answered before: when it is
//! answered now, too, the server is well; the request is sent again, since it may
//! have been chance, and after the last attempt the rows are refused. Otherwise
//! the server is at fault, and rows may be asked for later.
//!
//! The breaker counts what is the server's fault; refused rows are answers. A
//! redirect is not followed, since it may lead a secret anywhere.

use std::{
    sync::OnceLock,
    time::{Duration, Instant},
};

use reqwest::{
    Client, Method, Request, Response, StatusCode, Url,
    header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue},
};
use serde_json::Value;
use tokio::sync::Semaphore;

use super::{
    access::{Access, AccessError},
    breaker::{Breaker, Trial},
    metrics::{ModelMetrics, Outcome},
    settings::RemoteSettings,
};
use crate::{
    client::{self, ClientError, Pacing, cut, message_of, one_line, reason_of},
    model::PredictError,
};

/// Longest message of a server that is shown, in characters.
const MAX_MESSAGE: usize = 300;
/// Bytes of a refusal that are read.
const MAX_REFUSAL: usize = 256 * 1024;

/// Asks one server.
#[derive(Debug)]
pub(super) struct Requester {
    client: Client,
    access: Access,
    permits: Semaphore,
    attempts: u32,
    pacing: Pacing,
    max_response_bytes: usize,
    /// A row that was answered: where it was sent, and its body.
    known: OnceLock<(Url, String)>,
    pub(super) breaker: Breaker,
    pub(super) metrics: ModelMetrics,
}

/// Why there is no answer, without secrets.
#[derive(Debug)]
pub(super) enum Unanswered {
    /// Of the rows.
    Rows(String),
    /// Of the server.
    Server(String),
    /// Of the rows or the server: it has answered no row yet.
    Either(String),
}

impl From<Unanswered> for PredictError {
    fn from(unanswered: Unanswered) -> Self {
        match unanswered {
            Unanswered::Rows(why) => Self::Refused(why),
            Unanswered::Server(why) | Unanswered::Either(why) => Self::Unavailable(why),
        }
    }
}

/// A request without a body.
pub(super) fn get(url: Url) -> Request {
    Request::new(Method::GET, url)
}

/// A request with a JSON body.
pub(super) fn post(url: Url, body: String) -> Request {
    let mut request = Request::new(Method::POST, url);
    request.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    *request.body_mut() = Some(body.into());
    request
}

/// What one attempt came to.
enum Attempt {
    Answered(Vec<u8>),
    Refused(String),
    /// Another may do better.
    Again {
        why: String,
        retry_after: Option<Duration>,
    },
    /// The rows are to blame, or the server is.
    Ill(String),
    /// The secret is not right.
    Denied(String),
    /// Another would not do better, soon.
    Failed(String),
}

impl Requester {
    /// # Errors
    /// What is wrong with the settings and what to do, without secrets.
    pub(super) fn new(
        settings: &RemoteSettings,
        url: &Url,
        metrics: ModelMetrics,
    ) -> Result<Self, AccessError> {
        let reason = |error| match error {
            ClientError::CaFile { path, reason } => format!("its ca_file {}: {reason}", path.display()),
            ClientError::Build(reason) => format!("its HTTP client can't be built: {reason}"),
        };
        let client = client::new(url, settings.timeout, settings.ca_file.as_deref());
        let breaker = Breaker::new(settings.failures_to_rest.max(1), settings.rest, metrics.breaker.clone());
        Ok(Self {
            client: client.map_err(|error| AccessError::Wrong(reason(error)))?,
            access: Access::new(settings.authorization.clone(), url)?,
            permits: Semaphore::new(settings.concurrency.clamp(1, Semaphore::MAX_PERMITS)),
            attempts: settings.attempts.max(1),
            pacing: settings.pacing,
            max_response_bytes: settings.max_response_bytes,
            known: OnceLock::new(),
            breaker,
            metrics,
        })
    }

    /// Whether the server has answered a row.
    pub(super) fn is_known(&self) -> bool {
        self.known.get().is_some()
    }

    /// Keeps the request of a row that was answered, the first one only.
    pub(super) fn keep(&self, url: Url, body: String) {
        let _ = self.known.set((url, body));
    }

    /// Sends a request until it is answered or given up.
    ///
    /// # Errors
    /// Why it was given up, and who is to blame.
    pub(super) async fn ask(&self, request: Request) -> Result<Vec<u8>, Unanswered> {
        let stopping = |_| Unanswered::Server("it is stopping".to_owned());
        let _permit = self.permits.acquire().await.map_err(stopping)?;
        let (mut failures, mut is_renewed) = (0, false);
        loop {
            // Bodies are texts, which can be sent again.
            let Some(again) = request.try_clone() else {
                return Err(Unanswered::Rows("its request can't be repeated".to_owned()));
            };
            let trial = self.breaker.admit(Instant::now()).map_err(|why| {
                self.metrics.finished(Outcome::NotSent);
                Unanswered::Server(format!("it is left alone for a while, since {why}"))
            })?;
            let header = self.access.header();
            let (why, retry_after) = match self.attempt(again, header.clone()).await {
                Attempt::Answered(bytes) => {
                    trial.answered();
                    return Ok(bytes);
                }
                Attempt::Refused(why) => {
                    trial.answered();
                    return Err(self.refused(why));
                }
                Attempt::Ill(why) if self.answers_known().await => {
                    trial.answered();
                    failures += 1;
                    if failures >= self.attempts {
                        return Err(self.refused(format!("{why}, while it answers other rows")));
                    }
                    (why, None)
                }
                Attempt::Ill(why) => {
                    trial.failed(Instant::now(), &why, None);
                    self.metrics.finished(Outcome::Failed);
                    let is_known = self.is_known();
                    return Err(if is_known { Unanswered::Server(why) } else { Unanswered::Either(why) });
                }
                Attempt::Denied(why) => match self.access.renew(header.as_ref()).await {
                    Ok(true) if !is_renewed => {
                        is_renewed = true;
                        self.metrics.finished(Outcome::Retried);
                        continue;
                    }
                    Ok(_) => return Err(self.failed(trial, why)),
                    Err(problem) => return Err(self.failed(trial, format!("{why}; {problem}"))),
                },
                Attempt::Failed(why) => return Err(self.failed(trial, why)),
                Attempt::Again { why, retry_after } => {
                    let too_long = retry_after.filter(|wanted| *wanted > self.pacing.max_retry_after);
                    trial.failed(Instant::now(), &why, too_long);
                    failures += 1;
                    if failures >= self.attempts || too_long.is_some() {
                        self.metrics.finished(Outcome::Failed);
                        return Err(Unanswered::Server(why));
                    }
                    (why, retry_after)
                }
            };
            self.metrics.finished(Outcome::Retried);
            tracing::debug!(why, failures, "a model's server is asked again");
            tokio::time::sleep(self.pacing.pause(failures, retry_after)).await;
        }
    }

    fn refused(&self, why: String) -> Unanswered {
        self.metrics.finished(Outcome::Refused);
        Unanswered::Rows(why)
    }

    fn failed(&self, trial: Trial<'_>, why: String) -> Unanswered {
        trial.failed(Instant::now(), &why, None);
        self.metrics.finished(Outcome::Failed);
        Unanswered::Server(why)
    }

    /// Whether the server answers the row that it has answered before.
    async fn answers_known(&self) -> bool {
        let Some((url, body)) = self.known.get() else { return false };
        let request = post(url.clone(), body.clone());
        let is_answered = matches!(self.attempt(request, self.access.header()).await, Attempt::Answered(_));
        self.metrics.finished(if is_answered { Outcome::Ok } else { Outcome::Failed });
        is_answered
    }

    async fn attempt(&self, mut request: Request, authorization: Option<HeaderValue>) -> Attempt {
        if let Some(authorization) = authorization {
            request.headers_mut().insert(AUTHORIZATION, authorization);
        }
        let _timer = self.metrics.seconds.start_timer();
        let response = match self.client.execute(request).await {
            Ok(response) => response,
            Err(error) => return self.broken(error),
        };
        let (status, retry_after) = (response.status(), client::retry_after(&response));
        if !status.is_success() {
            let said = match read(response, MAX_REFUSAL).await {
                Ok(Some(bytes)) => self.access.clean(&said(&bytes)),
                // The status says enough.
                Ok(None) | Err(_) => String::new(),
            };
            return classify(status, &said, retry_after);
        }
        match read(response, self.max_response_bytes).await {
            Ok(Some(bytes)) => Attempt::Answered(bytes),
            Ok(None) => Attempt::Refused(format!(
                "its answer is longer than {} bytes; set rows_per_request to fewer",
                self.max_response_bytes
            )),
            Err(error) => self.broken(error),
        }
    }

    fn broken(&self, error: reqwest::Error) -> Attempt {
        let is_timeout = error.is_timeout() && !error.is_connect();
        let what = if error.is_connect() {
            "it can't be reached"
        } else if is_timeout {
            "it takes too long"
        } else {
            "its connection broke"
        };
        let why = format!("{what} ({})", self.access.clean(&reason_of(error)));
        if is_timeout { Attempt::Ill(why) } else { Attempt::Again { why, retry_after: None } }
    }
}

/// The whole body; `None` when it is longer than `most`.
async fn read(mut response: Response, most: usize) -> Result<Option<Vec<u8>>, reqwest::Error> {
    let mut bytes = Vec::new();
    while let Some(chunk) = response.chunk().await? {
        if bytes.len() + chunk.len() > most {
            return Ok(None);
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(Some(bytes))
}

/// What a model's server says of an error. Beside `message` and `error`: Seldon's
/// `status.info`, and `detail` of servers that are made with `FastAPI`.
fn said(body: &[u8]) -> String {
    let object: Option<Value> = serde_json::from_slice(body).ok();
    let named = object.as_ref().and_then(|object| {
        ["/status/info", "/detail"].iter().find_map(|pointer| match object.pointer(pointer)? {
            Value::String(text) => Some(one_line(text)),
            other => Some(other.to_string()),
        })
    });
    named.unwrap_or_else(|| message_of(body))
}

fn classify(status: StatusCode, said: &str, retry_after: Option<Duration>) -> Attempt {
    let code = status.as_u16();
    let what = match code {
        408 => "it waited too long for the request",
        425 | 429 => "it asks for fewer requests",
        502..=504 => "it is away or starting",
        500.. => "it has an error of its own",
        300..=399 => "its address leads to a redirect; set url to the address that it leads to",
        401 | 403 => "it refuses the secret; check authorization, and what it is allowed to",
        404 | 405 | 410 => "there is no such model at its address; check url, protocol and name",
        413 => "it takes no requests of this size; set rows_per_request to fewer",
        400 | 415 | 422 => "it refuses the rows",
        _ => "it does not take requests; check url and protocol",
    };
    let said = cut(said, MAX_MESSAGE);
    let why = if said.is_empty() { format!("{what} ({code})") } else { format!("{what} ({code}: {said})") };
    match code {
        408 | 425 | 429 | 502..=504 => Attempt::Again { why, retry_after },
        500.. => Attempt::Ill(why),
        400 | 413 | 415 | 422 => Attempt::Refused(why),
        401 | 403 => Attempt::Denied(why),
        _ => Attempt::Failed(why),
    }
}
