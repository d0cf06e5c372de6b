//! One server: its addresses, its secret, and requests to it.

use std::{fmt, io::Write as _, sync::Arc, time::Duration};

use flate2::{Compression, write::GzEncoder};
use reqwest::{
    Certificate, Client, RequestBuilder, Url,
    header::{AUTHORIZATION, CONTENT_ENCODING, CONTENT_TYPE, HeaderValue},
    redirect,
};
use secrecy::{ExposeSecret as _, SecretString};

use super::{
    SinkError,
    answer::{self, Again, Answer},
};
use crate::sink::{InfluxApi, InfluxSettings};

/// A connection takes no longer than this, however long an answer may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

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
        let base = base_url(&settings.url)?;
        let (path, health) = match settings.api {
            InfluxApi::V2 { .. } => ("api/v2/write", "health"),
            InfluxApi::V1 { .. } => ("write", "ping"),
        };
        let mut write = below(&base, path);
        add_target(&mut write, &settings.api);
        Ok(Self {
            client: client(settings, &base)?,
            write,
            health: below(&base, health),
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

/// Reads the base address. Errors don't show it: it may hold a password.
fn base_url(text: &str) -> Result<Url, SinkError> {
    let url = Url::parse(text).map_err(|error| SinkError::Url(error.to_string()))?;
    let wrong = if !matches!(url.scheme(), "http" | "https") {
        "it must begin with http:// or https://"
    } else if !url.username().is_empty() || url.password().is_some() {
        "it holds a user or password; put them into settings of their own"
    } else if url.query().is_some() || url.fragment().is_some() {
        "it must end after the path, without ? or #"
    } else {
        return Ok(url);
    };
    Err(SinkError::Url(wrong.to_owned()))
}

/// `path` below the path of `base`, which may be a prefix of a proxy.
fn below(base: &Url, path: &str) -> Url {
    let mut url = base.clone();
    let prefix = base.path().trim_end_matches('/');
    url.set_path(&format!("{prefix}/{path}"));
    url
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
    // Fails when the process has a provider already, which is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let mut builder = Client::builder()
        .user_agent(concat!("driftline/", env!("CARGO_PKG_VERSION")))
        .redirect(redirect::Policy::none())
        .connect_timeout(CONNECT_TIMEOUT.min(settings.timeout))
        .timeout(settings.timeout);
    if base.scheme() == "http" {
        // A machine without certificates of its own can do without TLS.
        builder = builder.tls_certs_only([]);
    } else if let Some(path) = &settings.ca_file {
        let wrong = |reason: String| SinkError::CaFile { path: path.clone(), reason };
        let pem = std::fs::read(path).map_err(|error| wrong(error.to_string()))?;
        let certificates = Certificate::from_pem_bundle(&pem).map_err(|error| wrong(error.to_string()))?;
        if certificates.is_empty() {
            return Err(wrong("it holds no certificate in PEM form".to_owned()));
        }
        builder = builder.tls_certs_merge(certificates);
    }
    builder.build().map_err(|error| SinkError::Client(error.to_string()))
}

fn compress(text: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(text)?;
    encoder.finish()
}
