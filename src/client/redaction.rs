//! Secrets out of what servers say.
//!
//! Why: many servers answer an unknown address by repeating it, and the address
//! of a webhook is a password. What they say is still the best explanation
//! there is, so it is shown, without anything that is secret here.

use std::fmt;

use reqwest::{Url, header::HeaderValue};
use secrecy::{ExposeSecret as _, SecretString};

/// Parts of an address that are shorter, such as `v2`, can't be secrets.
const SHORTEST: usize = 6;
/// What is shown instead.
const SHOWN: &str = "[secret]";

/// The secrets of one server, the longest first.
#[derive(Clone, Default)]
pub(crate) struct Redaction(Vec<SecretString>);

impl fmt::Debug for Redaction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Redaction").field(&self.0.len()).finish()
    }
}

impl Redaction {
    /// Leaves out this text from now on.
    pub(crate) fn add(&mut self, secret: &str) {
        if !secret.is_empty() {
            self.0.push(SecretString::from(secret));
            // A secret may be the beginning of another.
            self.0.sort_by_key(|secret| std::cmp::Reverse(secret.expose_secret().len()));
        }
    }

    /// Leaves out an address, its path and everything of it that is long enough
    /// to be a secret.
    pub(crate) fn add_url(&mut self, url: &Url) {
        self.add(url.as_str());
        let segments = url.path_segments().into_iter().flatten();
        for part in segments.chain([url.path()]).filter(|part| part.len() >= SHORTEST) {
            self.add(part);
        }
        self.add_query(url);
    }

    /// Leaves out the query of an address and its values, as far as they are long
    /// enough to be secrets.
    pub(crate) fn add_query(&mut self, url: &Url) {
        let values: Vec<String> = url.query_pairs().map(|(_, value)| value.into_owned()).collect();
        let parts = values.iter().map(String::as_str).chain(url.query());
        for part in parts.filter(|part| part.len() >= SHORTEST) {
            self.add(part);
        }
    }

    /// `text` without the secrets.
    pub(crate) fn clean(&self, text: &str) -> String {
        self.0.iter().fold(text.to_owned(), |text, secret| text.replace(secret.expose_secret(), SHOWN))
    }
}

/// The header `Authorization`, which is shown nowhere from now on.
///
/// # Errors
/// What is wrong with it and what to do, without the secret.
pub(crate) fn authorization(secret: &SecretString, redaction: &mut Redaction) -> Result<HeaderValue, String> {
    let text = secret.expose_secret();
    let mut header = HeaderValue::from_str(text).map_err(|_| {
        "its authorization has characters that an HTTP header can't carry, such as a line break".to_owned()
    })?;
    header.set_sensitive(true);
    redaction.add(text);
    // `Bearer …`: the scheme is no secret, the rest is one by itself.
    if let Some((_, token)) = text.split_once(' ') {
        redaction.add(token.trim());
    }
    Ok(header)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_server_repeats_of_an_address_is_left_out() {
        let mut redaction = Redaction::default();
        let url =
            Url::parse("https://hooks.example.com/services/T0AAAAA/XyZ123456?token=s3cr3t-t0ken").unwrap();
        redaction.add_url(&url);
        redaction.add("s3cr3t-t0ken-longer");
        let text = "Cannot POST /services/T0AAAAA/XyZ123456 (XyZ123456), s3cr3t-t0ken, s3cr3t-t0ken-longer";
        assert_eq!(redaction.clean(text), "Cannot POST [secret] ([secret]), [secret], [secret]");
        assert!(!format!("{redaction:?}").contains("XyZ"));
    }
}
