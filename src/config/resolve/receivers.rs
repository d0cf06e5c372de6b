//! Receivers: one table of keys for all types, so each type says which of them
//! are its own.

use std::{collections::BTreeSet, path::PathBuf, time::Duration};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use secrecy::{ExposeSecret, SecretString};

use super::{Resolver, addresses::is_loopback, secret::SecretSources};
use crate::{
    alert::{Selector, Severity},
    config::{
        keys::{self, nearest},
        places::join,
        raw::{self, ReceiverType},
        rules::{matches_any, pattern_path},
    },
    notify::{NotifySettings, ReceiverKind, ReceiverSettings, SmtpTls},
};

/// Keys that receivers of every type have.
const COMMON: [&str; 7] =
    ["name", "type", "models", "severities", "send_resolved", "timeout", "give_up_after"];
/// Where `PagerDuty` takes events.
const PAGERDUTY_URL: &str = "https://events.pagerduty.com/v2/enqueue";

impl ReceiverType {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Webhook => "webhook",
            Self::Alertmanager => "alertmanager",
            Self::Slack => "slack",
            Self::PagerDuty => "pagerduty",
            Self::Email => "email",
            Self::Command => "command",
        }
    }

    /// Its keys beside the common ones; of secrets without `_file` and `_env`.
    const fn keys(self) -> &'static [&'static str] {
        match self {
            Self::Webhook => &["url", "secret", "authorization", "ca_file"],
            Self::Alertmanager => &["urls", "authorization", "resend_interval", "ca_file"],
            Self::Slack => &["url", "ca_file"],
            Self::PagerDuty => &["routing_key", "url", "ca_file"],
            Self::Email => &["host", "port", "tls", "username", "password", "from", "to", "ca_file"],
            Self::Command => &["command"],
        }
    }

    fn has(self, key: &str) -> bool {
        let stem = key.strip_suffix("_file").or_else(|| key.strip_suffix("_env")).unwrap_or(key);
        let is_own = self.keys().contains(&key) || self.keys().contains(&stem);
        // The address of PagerDuty is no secret.
        is_own && !(self == Self::PagerDuty && stem == "url" && stem != key)
    }
}

impl Resolver<'_> {
    pub(super) fn notify(
        &mut self,
        raw: Vec<raw::Receiver>,
        links: (Option<String>, Option<String>),
        models: Option<&[String]>,
    ) -> NotifySettings {
        let mut names = BTreeSet::new();
        let mut receivers = Vec::new();
        for (index, receiver) in raw.into_iter().enumerate() {
            let path = format!("receivers[{index}]");
            if let Some(name) = &receiver.name
                && !names.insert(name.clone())
            {
                let message = format!("the receiver {name:?} stands here twice");
                self.error(&join(&path, "name"), message, "give each its own name");
            }
            receivers.extend(self.receiver(&path, receiver, models));
        }
        let (external_url, dashboard_url) = links;
        NotifySettings {
            receivers,
            external_url: external_url.and_then(|url| self.external_url(&url)),
            dashboard_url: dashboard_url.and_then(|url| self.dashboard_url(url)),
        }
    }

    fn receiver(
        &mut self,
        path: &str,
        mut raw: raw::Receiver,
        models: Option<&[String]>,
    ) -> Option<ReceiverSettings> {
        let name = self.required(raw.name.take(), &join(path, "name"), "name = \"on-call\"");
        let models = self.receiver_models(&join(path, "models"), raw.models.take(), models);
        let severities = self.severities(&join(path, "severities"), raw.severities.take());
        let hint = "type = \"webhook\", \"alertmanager\", \"slack\", \"pagerduty\", \"email\" or \"command\"";
        let kind = self.required(raw.r#type, &join(path, "type"), hint);
        let kind = kind.and_then(|kind| {
            self.stray_keys(path, kind);
            self.receiver_kind(path, kind, &mut raw)
        });
        let ca_file = raw.ca_file.take().map(|file| self.path(&file));
        self.ca_file(&join(path, "ca_file"), ca_file.as_ref());
        Some(ReceiverSettings {
            name: name?,
            kind: kind?,
            models: models?,
            severities: severities?,
            send_resolved: raw.send_resolved,
            timeout: Duration::from_millis(raw.timeout),
            give_up_after: Duration::from_millis(raw.give_up_after),
            ca_file,
        })
    }

    pub(super) fn ca_file(&mut self, key: &str, file: Option<&PathBuf>) {
        if let Some(file) = file.filter(|file| !file.is_file()) {
            let message = format!("there is no file {}", file.display());
            self.error(key, message, "paths are relative to the configuration file");
        }
    }

    /// Keys of other types.
    fn stray_keys(&mut self, path: &str, kind: ReceiverType) {
        for (key, _) in keys::leaves("receivers[]") {
            let key_path = join(path, key);
            if COMMON.contains(&key) || kind.has(key) || !self.places.is_set(&key_path) {
                continue;
            }
            let message = format!("a receiver of type {} has no {key}", kind.as_str());
            self.error(&key_path, message, format!("it has {}", kind.keys().join(", ")));
        }
    }

    fn receiver_models(
        &mut self,
        key: &str,
        patterns: Option<Vec<String>>,
        models: Option<&[String]>,
    ) -> Option<Selector> {
        let Some(patterns) = patterns else {
            return (!self.places.is_poisoned(key)).then(Selector::default);
        };
        if patterns.is_empty() {
            self.error(key, "the list is empty", "leave it out for all");
            return None;
        }
        for (index, pattern) in patterns.iter().enumerate() {
            let Some(models) = models else { break };
            if !matches_any(pattern, models.iter().map(String::as_str)) {
                let hint = match nearest(pattern, models.iter().map(String::as_str)) {
                    Some(meant) => format!("did you mean {meant:?}?"),
                    None => format!("there are {}", models.join(", ")),
                };
                let path = pattern_path(self.places, key, index);
                self.error(&path, format!("no model is called {pattern:?}"), hint);
            }
        }
        Some(Selector::new(&patterns))
    }

    fn severities(&mut self, key: &str, words: Option<Vec<String>>) -> Option<Vec<Severity>> {
        let Some(words) = words else {
            return (!self.places.is_poisoned(key)).then(|| Severity::ALL.to_vec());
        };
        if words.is_empty() {
            self.error(key, "the list is empty: nothing would be told", "leave it out for all");
            return None;
        }
        let mut severities = Vec::new();
        for (index, word) in words.iter().enumerate() {
            match Severity::ALL.into_iter().find(|severity| severity.as_str() == word) {
                Some(severity) => severities.push(severity),
                None => self.error(
                    &format!("{key}[{index}]"),
                    format!("{word:?} is no severity"),
                    "write \"info\", \"warning\" or \"critical\"",
                ),
            }
        }
        (severities.len() == words.len()).then_some(severities)
    }

    fn receiver_kind(
        &mut self,
        path: &str,
        kind: ReceiverType,
        raw: &mut raw::Receiver,
    ) -> Option<ReceiverKind> {
        match kind {
            ReceiverType::Webhook => self.webhook(path, raw),
            ReceiverType::Alertmanager => self.alertmanager(path, raw),
            ReceiverType::Slack => {
                let key = join(path, "url");
                let sources = url_sources(raw);
                let url = self.secret(&key, sources);
                let url = self.needed_secret(url, &key, "url_file = \"…\", of an incoming webhook")?;
                self.is_secret_address(&key, &url, true).then_some(ReceiverKind::Slack { url })
            }
            ReceiverType::PagerDuty => self.pagerduty(path, raw),
            ReceiverType::Email => self.email(path, raw),
            ReceiverType::Command => {
                let hint = "command = [\"/usr/local/bin/page\", \"--team\", \"ml\"]";
                let command = self.list(raw.command.take(), &join(path, "command"), hint)?;
                Some(ReceiverKind::Command { command })
            }
        }
    }

    fn webhook(&mut self, path: &str, raw: &mut raw::Receiver) -> Option<ReceiverKind> {
        let key = join(path, "url");
        let sources = url_sources(raw);
        // Only a part of the addresses is secret, so one in the file is no warning.
        let url = match sources {
            SecretSources { inline: Some(url), file: None, env: None } => Some(url.into()),
            sources => self.secret(&key, sources),
        };
        let sources = SecretSources {
            inline: raw.secret.take(),
            file: raw.secret_file.take(),
            env: raw.secret_env.take(),
        };
        let secret_key = join(path, "secret");
        let secrets = self.secret(&secret_key, sources);
        let signing_secrets = secrets.map_or_else(Vec::new, |secrets| several(&secrets));
        if !signing_secrets.iter().all(is_signing_secret) {
            let set = [format!("{secret_key}_file"), format!("{secret_key}_env")];
            let key = set.into_iter().find(|key| self.places.is_set(key)).unwrap_or(secret_key);
            let message = "a signing secret is not whsec_ and 24 to 64 bytes as base64";
            self.error(&key, message, "make one: echo whsec_$(openssl rand -base64 32)");
        }
        let authorization = self.authorization(path, raw);
        let url = self.needed_secret(url, &key, "url = \"https://…\", url_file or url_env")?;
        let is_secret = authorization.is_some() || !signing_secrets.is_empty();
        self.is_secret_address(&key, &url, is_secret).then_some(ReceiverKind::Webhook {
            url,
            signing_secrets,
            authorization,
        })
    }

    fn alertmanager(&mut self, path: &str, raw: &mut raw::Receiver) -> Option<ReceiverKind> {
        let authorization = self.authorization(path, raw);
        let key = join(path, "urls");
        let urls = self.list(raw.urls.take(), &key, "urls = [\"http://alertmanager:9093\"]")?;
        let mut is_fine = true;
        for (index, url) in urls.iter().enumerate() {
            is_fine &= self.is_address(&format!("{key}[{index}]"), url, authorization.is_some());
        }
        let urls = urls.iter().map(|url| url.trim_end_matches('/').to_owned()).collect();
        let resend_interval = Duration::from_millis(raw.resend_interval);
        is_fine.then_some(ReceiverKind::Alertmanager { urls, authorization, resend_interval })
    }

    fn pagerduty(&mut self, path: &str, raw: &mut raw::Receiver) -> Option<ReceiverKind> {
        let sources = SecretSources {
            inline: raw.routing_key.take(),
            file: raw.routing_key_file.take(),
            env: raw.routing_key_env.take(),
        };
        let key = join(path, "routing_key");
        let routing_key = self.secret(&key, sources);
        let hint = "routing_key_file = \"…\", of an integration with the Events API v2";
        let routing_key = self.needed_secret(routing_key, &key, hint);
        let url = raw.url.take().unwrap_or_else(|| PAGERDUTY_URL.to_owned());
        let is_fine = self.is_address(&join(path, "url"), &url, true);
        is_fine.then_some(ReceiverKind::PagerDuty { routing_key: routing_key?, url })
    }

    fn authorization(&mut self, path: &str, raw: &mut raw::Receiver) -> Option<SecretString> {
        let sources = SecretSources {
            inline: raw.authorization.take(),
            file: raw.authorization_file.take(),
            env: raw.authorization_env.take(),
        };
        let key = join(path, "authorization");
        let secret = self.secret(&key, sources)?;
        let is_header = secret.expose_secret().chars().all(|c| c == ' ' || c.is_ascii_graphic());
        if !is_header {
            self.error(&key, "the authorization can't be sent as a header", "write \"Bearer …\" in one line");
        }
        is_header.then_some(secret)
    }

    fn email(&mut self, path: &str, raw: &mut raw::Receiver) -> Option<ReceiverKind> {
        let host = self.required(raw.host.take(), &join(path, "host"), "host = \"smtp.example.com\"");
        let (tls, port) = match raw.tls {
            raw::Tls::Upgraded => (SmtpTls::StartTls, 587),
            raw::Tls::Implicit => (SmtpTls::Implicit, 465),
            raw::Tls::None => (SmtpTls::None, 25),
        };
        let credentials = self.credentials(path, raw);
        let is_plain = tls == SmtpTls::None && host.as_deref().is_some_and(|host| !is_loopback(host));
        if is_plain && credentials.is_some() {
            let message = "the password is sent as plain text, for all on the way to read";
            self.warn(&join(path, "tls"), message, "set tls to \"starttls\" or \"implicit\"");
        }
        let from_key = join(path, "from");
        let from = self.required(raw.from.take(), &from_key, "from = \"Driftline <driftline@example.com>\"");
        let from = from.filter(|from| self.mailbox(&from_key, from));
        let to_key = join(path, "to");
        let to = self.list(raw.to.take(), &to_key, "to = [\"ml-on-call@example.com\"]")?;
        let bad = to
            .iter()
            .enumerate()
            .filter(|(index, to)| !self.mailbox(&format!("{to_key}[{index}]"), to))
            .count();
        let port = raw.port.unwrap_or(port);
        let (host, from) = (host?, from?);
        (bad == 0).then_some(ReceiverKind::Email { host, port, tls, credentials, from, to })
    }

    fn credentials(&mut self, path: &str, raw: &mut raw::Receiver) -> Option<(String, SecretString)> {
        let sources = SecretSources {
            inline: raw.password.take(),
            file: raw.password_file.take(),
            env: raw.password_env.take(),
        };
        let is_given = sources.inline.is_some() || sources.file.is_some() || sources.env.is_some();
        let password = self.secret(&join(path, "password"), sources);
        match (raw.username.take(), password) {
            (Some(username), Some(password)) => Some((username, password)),
            (Some(_), None) if !is_given => {
                self.error(&join(path, "username"), "the user has no password", "add password_file");
                None
            }
            (None, Some(_)) => {
                self.error(path, "the password has no user", "add username");
                None
            }
            _ => None,
        }
    }

    fn mailbox(&mut self, key: &str, text: &str) -> bool {
        let is_fine = text.parse::<lettre::message::Mailbox>().is_ok();
        if !is_fine {
            let hint = "write \"me@example.com\" or \"Me <me@example.com>\"";
            self.error(key, format!("{text:?} is no e-mail address"), hint);
        }
        is_fine
    }

    /// A list that must be there and have something in it.
    fn list(&mut self, list: Option<Vec<String>>, key: &str, hint: &str) -> Option<Vec<String>> {
        let list = self.required(list, key, hint)?;
        if list.is_empty() {
            self.error(key, "the list is empty", hint);
            return None;
        }
        Some(list)
    }

    /// A secret that must be there, unless an error was reported about it.
    fn needed_secret(&mut self, secret: Option<SecretString>, key: &str, hint: &str) -> Option<SecretString> {
        let keys = [key.to_owned(), format!("{key}_file"), format!("{key}_env")];
        if secret.is_none() && !keys.iter().any(|key| self.places.is_set(key)) {
            return self.required(None, key, hint);
        }
        secret
    }
}

fn url_sources(raw: &mut raw::Receiver) -> SecretSources {
    SecretSources { inline: raw.url.take(), file: raw.url_file.take(), env: raw.url_env.take() }
}

/// Secrets with white space between them, so that both are good while one is
/// exchanged for the other.
fn several(secrets: &SecretString) -> Vec<SecretString> {
    secrets.expose_secret().split_whitespace().map(|secret| secret.to_owned().into()).collect()
}

/// Whether Standard Webhooks has it so.
fn is_signing_secret(secret: &SecretString) -> bool {
    let key = secret.expose_secret().strip_prefix("whsec_").and_then(|text| STANDARD.decode(text).ok());
    key.is_some_and(|key| (24..=64).contains(&key.len()))
}
