//! From notifications to people: webhooks, Alertmanager, Slack, `PagerDuty`,
//! e-mail, a program.

mod settings;

pub use settings::{NotifySettings, ReceiverKind, ReceiverSettings, SmtpTls};
