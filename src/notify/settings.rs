//! What a receiver is.

use std::{path::PathBuf, time::Duration};

use secrecy::SecretString;

use crate::alert::{Selector, Severity};

/// All receivers, and what their texts link to.
#[derive(Debug, Clone, Default)]
pub struct NotifySettings {
    /// The receivers.
    pub receivers: Vec<ReceiverSettings>,
    /// Where the daemon's own pages can be reached by people, without a slash
    /// at the end.
    pub external_url: Option<String>,
    /// A page about a model, such as a Grafana dashboard: `{model}`, `{version}`,
    /// `{variant}`, `{feature}`, `{from}` and `{to}` (milliseconds) are filled in,
    /// percent-encoded.
    pub dashboard_url: Option<String>,
}

/// One receiver.
#[derive(Debug, Clone)]
pub struct ReceiverSettings {
    /// Its name, unique; in metrics, in `/ready` and in payloads.
    pub name: String,
    /// Where and how.
    pub kind: ReceiverKind,
    /// Of which models it is told; those of the daemon itself have an empty name.
    pub models: Selector,
    /// Of which severities it is told.
    pub severities: Vec<Severity>,
    /// Whether it is told what is over.
    pub send_resolved: bool,
    /// One attempt may take so long.
    pub timeout: Duration,
    /// A notification is given up when it is this old.
    pub give_up_after: Duration,
    /// Certificates (PEM) to trust beside the system's.
    pub ca_file: Option<PathBuf>,
}

/// The ways of telling.
#[derive(Debug, Clone)]
pub enum ReceiverKind {
    /// HTTP POST in the shape of Alertmanager's webhooks.
    Webhook {
        /// Where to; may hold a secret.
        url: SecretString,
        /// Secrets of Standard Webhooks; each gives a signature.
        signing_secrets: Vec<SecretString>,
        /// The header `Authorization`.
        authorization: Option<SecretString>,
    },
    /// Prometheus Alertmanager, version 2 of its API.
    Alertmanager {
        /// Base addresses of all its instances.
        urls: Vec<String>,
        /// The header `Authorization`.
        authorization: Option<SecretString>,
        /// Firing alerts are sent again so often.
        resend_interval: Duration,
    },
    /// An incoming webhook of Slack, or of what takes the same.
    Slack {
        /// Its address, which is a secret.
        url: SecretString,
    },
    /// `PagerDuty`, Events API version 2.
    PagerDuty {
        /// The integration's key.
        routing_key: SecretString,
        /// Where to.
        url: String,
    },
    /// E-mail by SMTP.
    Email {
        /// The server's name.
        host: String,
        /// Its port.
        port: u16,
        /// How the connection is protected.
        tls: SmtpTls,
        /// Name and password, when the server wants them.
        credentials: Option<(String, SecretString)>,
        /// The sender, such as `Driftline <driftline@example.com>`.
        from: String,
        /// The recipients.
        to: Vec<String>,
    },
    /// A program that is given each notification as one line of JSON.
    Command {
        /// The program and its arguments.
        command: Vec<String>,
    },
}

impl ReceiverKind {
    /// The word in the configuration and in metrics.
    #[must_use]
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Webhook { .. } => "webhook",
            Self::Alertmanager { .. } => "alertmanager",
            Self::Slack { .. } => "slack",
            Self::PagerDuty { .. } => "pagerduty",
            Self::Email { .. } => "email",
            Self::Command { .. } => "command",
        }
    }
}

/// How an SMTP connection is protected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SmtpTls {
    /// TLS from the first byte, mostly port 465.
    Implicit,
    /// STARTTLS, mostly port 587; without it, nothing is sent.
    StartTls,
    /// None: for servers on the same machine.
    None,
}
