//! One server: its addresses, its secret, and requests to it.

use std::{fmt, io::Write as _, sync::Arc};

use flate2::{Compression, write::GzEncoder};
use reqwest::{
    Client, RequestBuilder, Url,
    header::{AUTHORIZATION, CONTENT_ENCODING, CONTENT_TYPE, HeaderValue},
};
use secrecy::{ExposeSecret as _, SecretString};

use super::{
    SinkError,
    answer::{self, Again, Answer},
};
use crate::{
    client::{self, ClientError},
    sink::{InfluxApi, InfluxSettings},
};

/// How requests prove who they are.
enum Credentials {
    None,
    /// `Authorization: Token …`, marked as sensitive.
    Token(HeaderValue),
    Basic(String, SecretString),
}

/// A server that points can be written to.
pub(super) struct Endpoint {
    client: Client,
    write: Url,
    health: Url,
    credentials: Credentials,
    gzip: bool,
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Endpoint").field("write", &self.write.as_str()).finish_non_exhaustive()
    }
}

/// The body of a request.
pub(super) struct Body {
    pub(super) bytes: Vec<u8>,
    compressed: bool,
}

impl Endpoint {
    pub(super) fn new(settings: &InfluxSettings) -> Result<Self, SinkError> {
        let base = client::base_url(&settings.url).map_err(SinkError::Url)?;
        let (path, health) = match settings.api {
            InfluxApi::V2 { .. } => ("api/v2/write", "health"),
            InfluxApi::V1 { .. } => ("write", "ping"),
        };
        let mut write = client::below(&base, path);
        add_target(&mut write, &settings.api);
        Ok(Self {
            client: client(settings, &base)?,
            write,
            health: client::below(&base, health),
            credentials: credentials(settings)?,
            gzip: settings.gzip,
        })
    }

    /// The body that carries `lines`, one a line.
    pub(super) fn body(&self, lines: &[Arc<str>]) -> Body {
        let mut text = lines.join("\n");
        text.push('\n');
        match self.gzip.then(|| compress(text.as_bytes())) {
            Some(Ok(bytes)) => Body { bytes, compressed: true },
            // Compressing into memory can't fail; if it did, plain is as good.
            Some(Err(_)) | None => Body { bytes: text.into_bytes(), compressed: false },
        }
    }

    /// Writes a body and says what became of it.
    pub(super) async fn write(&self, body: Body) -> Answer {
        let mut request = self.authorized(self.client.post(self.write.clone()));
        request = request.header(CONTENT_TYPE, "text/plain; charset=utf-8");
        if body.compressed {
            request = request.header(CONTENT_ENCODING, "gzip");
        }
        match request.body(body.bytes).send().await {
            Ok(response) => answer::read(response).await,
            Err(error) => Answer::Again(Again::from_error(error)),
        }
    }

    /// A write without any point: tells whether points would be taken, and
    /// leaves nothing behind.
    pub(super) async fn write_nothing(&self) -> Answer {
        self.write(Body { bytes: Vec::new(), compressed: false }).await
    }

    /// Whether there is a server: asks for its health.
    pub(super) async fn health(&self) -> Answer {
        match self.authorized(self.client.get(self.health.clone())).send().await {
            Ok(response) => answer::read(response).await,
            Err(error) => Answer::Again(Again::from_error(error)),
        }
    }

    fn authorized(&self, request: RequestBuilder) -> RequestBuilder {
        match &self.credentials {
            Credentials::None => request,
            Credentials::Token(header) => request.header(AUTHORIZATION, header.clone()),
            Credentials::Basic(user, password) => request.basic_auth(user, Some(password.expose_secret())),
        }
    }
}

fn add_target(url: &mut Url, api: &InfluxApi) {
    let mut query = url.query_pairs_mut();
    match api {
        InfluxApi::V2 { org, bucket } => {
            query.append_pair("org", org).append_pair("bucket", bucket);
        }
        InfluxApi::V1 { database, retention_policy, .. } => {
            query.append_pair("db", database);
            if let Some(policy) = retention_policy {
                query.append_pair("rp", policy);
            }
        }
    }
    query.append_pair("precision", "ms");
}

fn credentials(settings: &InfluxSettings) -> Result<Credentials, SinkError> {
    let Some(secret) = &settings.secret else { return Ok(Credentials::None) };
    if let InfluxApi::V1 { username: Some(user), .. } = &settings.api {
        return Ok(Credentials::Basic(user.clone(), secret.clone()));
    }
    let header = format!("Token {}", secret.expose_secret());
    let mut header = HeaderValue::from_str(&header).map_err(|_| SinkError::Secret)?;
    header.set_sensitive(true);
    Ok(Credentials::Token(header))
}

fn client(settings: &InfluxSettings, base: &Url) -> Result<Client, SinkError> {
    client::new(base, settings.timeout, settings.ca_file.as_deref()).map_err(|error| match error {
        ClientError::CaFile { path, reason } => SinkError::CaFile { path, reason },
        ClientError::Build(reason) => SinkError::Client(reason),
    })
}

fn compress(text: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(text)?;
    encoder.finish()
}
