//! The secret that a server wants, and keeping it out of what is shown.
//!
//! Why: tokens in files are replaced while the daemon runs, as Kubernetes does
//! with those of service accounts.
//!
//! Promises: a request whose secret was refused makes the file be read again, and
//! is sent once more when there is another secret in it. No text that went through
//! [`Access::clean`] shows the secret of now or the one before.

use std::{
    fmt,
    fs::File,
    io::Read as _,
    path::Path,
    sync::{Mutex, MutexGuard, PoisonError},
};

use reqwest::{Url, header::HeaderValue};
use secrecy::SecretString;

use super::settings::Authorization;
use crate::client::{self, Redaction};

/// Servers refuse headers long before that.
const LONGEST_SECRET: u64 = 64 * 1024;

/// Why there is no secret.
#[derive(Debug)]
pub(super) enum AccessError {
    /// The setting can't be one.
    Wrong(String),
    /// The file holds none; it may, later.
    Unread(String),
}

#[derive(Default)]
struct Current {
    secret: Option<SecretString>,
    header: Option<HeaderValue>,
    redaction: Redaction,
}

/// The secret of one server.
pub(super) struct Access {
    authorization: Option<Authorization>,
    /// What is never shown: the secrets of the address.
    address: Redaction,
    current: Mutex<Current>,
}

impl fmt::Debug for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Access").field("authorization", &self.authorization).finish_non_exhaustive()
    }
}

impl Access {
    /// Reads the file, if the secret is in one.
    ///
    /// # Errors
    /// What is wrong and what to do, without the secret.
    pub(super) fn new(authorization: Option<Authorization>, url: &Url) -> Result<Self, AccessError> {
        let mut address = Redaction::default();
        address.add_query(url);
        let current = Current { redaction: address.clone(), ..Current::default() };
        let access = Self { authorization, address, current: Mutex::new(current) };
        match &access.authorization {
            None => {}
            Some(Authorization::Secret(secret)) => access.take(secret.clone()).map_err(AccessError::Wrong)?,
            Some(Authorization::File(path)) => {
                let taken = read(path).and_then(|secret| access.take(secret));
                taken.map_err(AccessError::Unread)?;
            }
        }
        Ok(access)
    }

    fn current(&self) -> MutexGuard<'_, Current> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The header `Authorization` of now.
    pub(super) fn header(&self) -> Option<HeaderValue> {
        self.current().header.clone()
    }

    /// `text` without secrets.
    pub(super) fn clean(&self, text: &str) -> String {
        self.current().redaction.clean(text)
    }

    /// Reads the file again, after a request with the header `sent` was refused:
    /// whether there is another secret now.
    ///
    /// # Errors
    /// Why the file holds no secret.
    pub(super) async fn renew(&self, sent: Option<&HeaderValue>) -> Result<bool, String> {
        let Some(Authorization::File(path)) = &self.authorization else { return Ok(false) };
        let path = path.clone();
        let secret = tokio::task::spawn_blocking(move || read(&path)).await;
        self.take(secret.map_err(|error| error.to_string())??)?;
        Ok(self.current().header.as_ref() != sent)
    }

    fn take(&self, secret: SecretString) -> Result<(), String> {
        let mut current = self.current();
        let mut redaction = self.address.clone();
        // A server may still repeat the one before.
        if let Some(before) = &current.secret {
            client::authorization(before, &mut redaction)?;
        }
        current.header = Some(client::authorization(&secret, &mut redaction)?);
        current.redaction = redaction;
        current.secret = Some(secret);
        Ok(())
    }
}

/// The secret in a file: its text without the line break at its end.
fn read(path: &Path) -> Result<SecretString, String> {
    let mut text = String::new();
    let file = File::open(path).and_then(|file| file.take(LONGEST_SECRET).read_to_string(&mut text));
    file.map_err(|error| format!("its authorization_file {} can't be read: {error}", path.display()))?;
    let secret = text.trim_end_matches(['\r', '\n']);
    if secret.trim().is_empty() {
        return Err(format!("its authorization_file {} is empty; put the secret into it", path.display()));
    }
    Ok(secret.into())
}
