//! JSON by HTTP POST, and what the answer means for a notification.
//!
//! | answer | meaning |
//! |---|---|
//! | any 2xx | delivered |
//! | none, 408, 425, 429, 5xx | the server is away, busy or ill: again, not before `Retry-After` |
//! | 3xx | the address is wrong: refused, since a redirect may lead a secret anywhere |
//! | any other | refused |

use std::{fmt, time::Duration};

use reqwest::{
    Client, StatusCode, Url,
    header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue},
};
use secrecy::{ExposeSecret as _, SecretString};

use super::{ReceiverSettings, attempt::Attempt};
use crate::client::{self, ClientError, Redaction, cut, message_of, reason_of};

/// Longest message of a server that is shown, in characters.
const MAX_MESSAGE: usize = 300;

/// A server that is sent JSON.
pub(super) struct Poster {
    client: Client,
    url: Url,
    authorization: Option<HeaderValue>,
    redaction: Redaction,
}

impl fmt::Debug for Poster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The address may be a secret.
        f.debug_struct("Poster").finish_non_exhaustive()
    }
}

impl Poster {
    /// # Errors
    /// What is wrong with the settings and what to do, without secrets.
    pub(super) fn new(
        settings: &ReceiverSettings,
        url: Url,
        authorization: Option<&SecretString>,
    ) -> Result<Self, String> {
        let client = client::new(&url, settings.timeout, settings.ca_file.as_deref()).map_err(reason)?;
        let mut redaction = Redaction::default();
        let authorization =
            authorization.map(|secret| client::authorization(secret, &mut redaction)).transpose()?;
        Ok(Self { client, url, authorization, redaction })
    }

    /// Shows no part of the address, whatever the server says.
    pub(super) fn with_secret_url(mut self) -> Self {
        self.redaction.add_url(&self.url);
        self
    }

    /// Shows this secret nowhere, whatever the server says.
    pub(super) fn with_secret(mut self, secret: &SecretString) -> Self {
        self.redaction.add(secret.expose_secret());
        self
    }

    /// Sends `body` and says what became of it.
    pub(super) async fn post(&self, body: String, headers: HeaderMap) -> Attempt {
        let mut request = self.client.post(self.url.clone()).headers(headers);
        request = request.header(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if let Some(authorization) = &self.authorization {
            request = request.header(AUTHORIZATION, authorization.clone());
        }
        match request.body(body).send().await {
            Ok(response) => {
                let (status, retry_after) = (response.status(), client::retry_after(&response));
                if status.is_success() {
                    return Attempt::Delivered;
                }
                let message = self.redaction.clean(&message_of(&client::body(response).await));
                classify(status, &message, retry_after)
            }
            Err(error) => {
                let what = if error.is_timeout() {
                    "the server does not answer in time"
                } else if error.is_connect() {
                    "the server can't be reached"
                } else {
                    "the connection to the server broke"
                };
                Attempt::again(format!("{what} ({})", self.redaction.clean(&reason_of(error))))
            }
        }
    }
}

/// Reads an address of the settings, which is not shown.
pub(super) fn secret_url(url: &SecretString) -> Result<Url, String> {
    client::address(url.expose_secret()).map_err(|reason| format!("its url can't be used: {reason}"))
}

fn reason(error: ClientError) -> String {
    match error {
        ClientError::CaFile { path, reason } => format!("its ca_file {}: {reason}", path.display()),
        ClientError::Build(reason) => format!("its HTTP client can't be built: {reason}"),
    }
}

fn classify(status: StatusCode, message: &str, retry_after: Option<Duration>) -> Attempt {
    let code = status.as_u16();
    let what = match code {
        408 => "the server waited too long for the request",
        425 | 429 => "the server asks for fewer requests",
        500.. => "the server has an error of its own",
        300..=399 => "the address leads to a redirect; set it to the address that it leads to",
        401 | 403 => "the server refuses the secret; check it, and what it is allowed to",
        404 | 410 => "there is nobody at this address (any more); check it",
        _ => "the server refuses the notification",
    };
    let shown = cut(message, MAX_MESSAGE);
    let why = if shown.is_empty() { format!("{what} ({code})") } else { format!("{what} ({code}: {shown})") };
    match code {
        408 | 425 | 429 | 500.. => Attempt::Again { why, retry_after },
        _ => Attempt::Refused { why },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_may_pass_is_sent_again() {
        let of = |code| classify(StatusCode::from_u16(code).unwrap(), "why", None);
        for code in [408, 425, 429, 500, 502, 503, 504, 599] {
            let Attempt::Again { why, .. } = of(code) else { panic!("{code}") };
            assert!(why.ends_with(&format!(" ({code}: why)")), "{why}");
        }
        for code in [301, 302, 307, 308, 400, 401, 403, 404, 410, 413, 415, 422] {
            let Attempt::Refused { why } = of(code) else { panic!("{code}") };
            assert!(why.ends_with(&format!(" ({code}: why)")), "{why}");
        }
    }
}
