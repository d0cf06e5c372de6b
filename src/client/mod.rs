//! Requests to other people's servers: what the InfluxDB writer, the receivers
//! of notifications and models behind HTTP have in common.
//!
//! Promises: certificates are always verified, redirects are never followed,
//! and no error shows an address, since addresses may hold secrets. Refuses
//! addresses with a user or password in them, for the same reason.

mod answer;
mod pacing;
mod redaction;

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use reqwest::{Certificate, Client, Url, redirect};

pub(crate) use answer::{body, cut, message_of, one_line, reason_of, retry_after};
pub use pacing::Pacing;
pub(crate) use redaction::{Redaction, authorization};

/// A connection takes no longer than this, however long an answer may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Why there is no client.
#[derive(Debug)]
pub(crate) enum ClientError {
    /// The file of trusted certificates can't be used.
    CaFile {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The client can't be built.
    Build(String),
}

/// A client for one server. It trusts the system's certificates and those of
/// `ca_file`.
pub(crate) fn new(server: &Url, timeout: Duration, ca_file: Option<&Path>) -> Result<Client, ClientError> {
    install_tls();
    let mut builder = Client::builder()
        .user_agent(concat!("driftline/", env!("CARGO_PKG_VERSION")))
        .redirect(redirect::Policy::none())
        .connect_timeout(CONNECT_TIMEOUT.min(timeout))
        .timeout(timeout);
    if server.scheme() == "http" {
        // A machine without certificates of its own can do without TLS.
        builder = builder.tls_certs_only([]);
    } else if let Some(path) = ca_file {
        let wrong = |reason: String| ClientError::CaFile { path: path.to_path_buf(), reason };
        let pem = std::fs::read(path).map_err(|error| wrong(error.to_string()))?;
        let certificates = Certificate::from_pem_bundle(&pem).map_err(|error| wrong(error.to_string()))?;
        if certificates.is_empty() {
            return Err(wrong("it holds no certificate in PEM form".to_owned()));
        }
        builder = builder.tls_certs_merge(certificates);
    }
    builder.build().map_err(|error| ClientError::Build(error.to_string()))
}

/// Gives the process its implementation of TLS.
pub(crate) fn install_tls() {
    // Fails when the process has a provider already, which is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
}

/// Reads an address that requests go to. Errors don't show it.
pub(crate) fn address(text: &str) -> Result<Url, String> {
    let url = Url::parse(text).map_err(|error| error.to_string())?;
    if !matches!(url.scheme(), "http" | "https") {
        Err("it must begin with http:// or https://".to_owned())
    } else if !url.username().is_empty() || url.password().is_some() {
        Err("it holds a user or password; put them into settings of their own".to_owned())
    } else {
        Ok(url)
    }
}

/// Reads an address below which requests go.
pub(crate) fn base_url(text: &str) -> Result<Url, String> {
    let url = address(text)?;
    if url.query().is_some() || url.fragment().is_some() {
        return Err("it must end after the path, without ? or #".to_owned());
    }
    Ok(url)
}

/// `path` below the path of `base`, which may be a prefix of a proxy.
pub(crate) fn below(base: &Url, path: &str) -> Url {
    let mut url = base.clone();
    let prefix = base.path().trim_end_matches('/');
    url.set_path(&format!("{prefix}/{path}"));
    url
}
