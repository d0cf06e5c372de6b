//! From notifications to people: webhooks, Alertmanager, Slack, `PagerDuty`,
//! e-mail, a program.
//!
//! Why: an alert that nobody hears of might as well not have been raised, and
//! every team hears of things in another place.
//!
//! Promises: whatever is submitted is delivered, refused by the receiver, given
//! up for its age or superseded by a newer one, and counted as such; nothing
//! else makes it disappear. Each receiver is told in order, by a task of its
//! own, so that one that is down holds back nobody else. A notification may be
//! delivered twice after a crash, under the same id, by which receivers can drop
//! the double. Secrets, and the addresses of webhooks are secrets, appear in no
//! log, no error, no status and no `Debug`.
//!
//! Refuses redirects, since they may lead a secret anywhere.

mod alertmanager;
mod attempt;
mod command;
mod email;
#[cfg(test)]
mod examples;
mod links;
mod metrics;
mod notifier;
mod pagerduty;
pub mod picture;
mod post;
mod queue;
mod settings;
mod slack;
mod text;
mod webhook;
mod worker;

pub use notifier::{Notifier, ReceiverStatus};
pub use settings::{NotifySettings, ReceiverKind, ReceiverSettings, SmtpTls};

pub use crate::client::Pacing;

/// Why a notifier can't be started. No receiver need be there to start.
#[derive(Debug, thiserror::Error)]
pub enum NotifyError {
    /// Settings of a receiver can't work.
    #[error("receiver `{receiver}`: {reason}")]
    Receiver {
        /// Its name.
        receiver: String,
        /// What is wrong with them and what to do.
        reason: String,
    },
    /// The registry has metrics of these names already.
    #[error("the metrics of the notifier can't be registered")]
    Metrics(#[from] prometheus::Error),
}
