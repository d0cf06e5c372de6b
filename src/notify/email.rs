//! E-mail by SMTP: plain text and HTML, with pictures inside the mail.
//!
//! Promises: the same notification has the same Message-ID and date whenever it
//! is sent, by which servers and clients drop doubles; notifications about one
//! group form one thread. A recipient whom the server refuses holds the others
//! back no longer than it takes to write to each alone. A server without
//! STARTTLS gets nothing where STARTTLS is asked for.

use std::{
    fmt::Write as _,
    time::{Duration, SystemTime},
};

use lettre::{
    AsyncSmtpTransport, AsyncTransport as _, Message, Tokio1Executor,
    address::Envelope,
    message::{
        Attachment, Mailbox, MultiPart, SinglePart,
        header::{ContentType, HeaderName, HeaderValue},
    },
    transport::smtp::{
        authentication::Credentials,
        client::{Certificate, Tls, TlsParameters},
    },
};
use secrecy::{ExposeSecret as _, SecretString};

use super::{
    ReceiverSettings, SmtpTls,
    attempt::Attempt,
    links::Links,
    picture::{self, escaped},
    text::{self, Line},
    webhook::group_key_of,
};
use crate::{
    alert::{LABEL_FEATURE, Notification},
    client::{Redaction, cut, install_tls, one_line},
};

/// 9999-12-31T00:00:00Z.
const LATEST_MS: u64 = 253_402_214_400_000;
/// Alerts in a mail before the rest is only counted.
const MAX_ALERTS: usize = 50;
/// Alerts with a picture.
const MAX_PICTURES: usize = 3;
/// Longest message of a server that is shown, in characters.
const MAX_MESSAGE: usize = 300;

/// The server of the settings and how to reach it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Server<'a> {
    pub(super) host: &'a str,
    pub(super) port: u16,
    pub(super) tls: SmtpTls,
    pub(super) credentials: Option<&'a (String, SecretString)>,
}

/// A sender, recipients, and the server that takes mail for them.
#[derive(Debug)]
pub(super) struct Email {
    transport: AsyncSmtpTransport<Tokio1Executor>,
    from: Mailbox,
    to: Vec<Mailbox>,
    redaction: Redaction,
}

impl Email {
    pub(super) fn new(
        settings: &ReceiverSettings,
        server: Server<'_>,
        from: &str,
        to: &[String],
    ) -> Result<Self, String> {
        let mut redaction = Redaction::default();
        let mut builder = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(server.host)
            .port(server.port)
            .timeout(Some(settings.timeout))
            .tls(tls(settings, server)?);
        if let Some((name, password)) = server.credentials {
            redaction.add(password.expose_secret());
            builder =
                builder.credentials(Credentials::new(name.clone(), password.expose_secret().to_owned()));
        }
        let to = to.iter().map(|address| mailbox(address)).collect::<Result<Vec<_>, _>>()?;
        if to.is_empty() {
            return Err("it has no recipients".to_owned());
        }
        Ok(Self { transport: builder.build(), from: mailbox(from)?, to, redaction })
    }

    pub(super) async fn deliver(&self, notification: &Notification, links: &Links) -> Attempt {
        let message = match self.message(notification, links) {
            Ok(message) => message,
            Err(error) => return Attempt::refused(format!("the mail can't be made: {error}")),
        };
        let bytes = message.formatted();
        match self.send(message.envelope(), &bytes).await {
            Attempt::Refused { .. } if self.to.len() > 1 => self.send_to_each(&bytes).await,
            attempt => attempt,
        }
    }

    /// A server refuses a mail as a whole for one of its recipients.
    async fn send_to_each(&self, bytes: &[u8]) -> Attempt {
        let mut outcome = None;
        for recipient in &self.to {
            let envelope = Envelope::new(Some(self.from.email.clone()), vec![recipient.email.clone()]);
            let attempt = match envelope {
                Ok(envelope) => self.send(&envelope, bytes).await,
                Err(error) => Attempt::refused(error.to_string()),
            };
            if let Attempt::Refused { why } = &attempt {
                tracing::warn!(recipient = %recipient.email, "{why}");
            }
            outcome = Some(match (outcome, attempt) {
                // Whoever has it already drops the double.
                (_, again @ Attempt::Again { .. }) | (Some(again @ Attempt::Again { .. }), _) => again,
                (Some(Attempt::Delivered), _) | (_, Attempt::Delivered) => Attempt::Delivered,
                (_, refused) => refused,
            });
        }
        outcome.unwrap_or_else(|| Attempt::refused("it has no recipients"))
    }

    async fn send(&self, envelope: &Envelope, bytes: &[u8]) -> Attempt {
        let Err(error) = self.transport.send_raw(envelope, bytes).await else { return Attempt::Delivered };
        let said = cut(&self.redaction.clean(&one_line(&error.to_string())), MAX_MESSAGE);
        if error.is_permanent() {
            Attempt::refused(format!("the mail server refuses the mail ({said})"))
        } else if error.is_transient() {
            Attempt::again(format!("the mail server can't take the mail now ({said})"))
        } else if error.is_client() {
            Attempt::again(format!(
                "the mail server does not offer what is needed; check tls and login ({said})"
            ))
        } else {
            Attempt::again(format!("the mail server can't be reached ({said})"))
        }
    }

    fn message(&self, notification: &Notification, links: &Links) -> Result<Message, lettre::error::Error> {
        // A date beyond the year 9999 can't be written.
        let made_at = u64::try_from(notification.made_at.0).unwrap_or_default().min(LATEST_MS);
        let domain = self.from.email.domain();
        let mut builder = Message::builder()
            .from(self.from.clone())
            .subject(text::title(notification))
            .date(SystemTime::UNIX_EPOCH + Duration::from_millis(made_at))
            .message_id(Some(format!("<{}@{domain}>", text::hashed(&notification.id))))
            .references(format!("<{}@{domain}>", text::hashed(&group_key_of(notification))))
            .raw_header(HeaderValue::new(
                HeaderName::new_from_ascii_str("Auto-Submitted"),
                "auto-generated".to_owned(),
            ));
        for recipient in &self.to {
            builder = builder.to(recipient.clone());
        }
        builder.multipart(parts(notification, links))
    }
}

fn tls(settings: &ReceiverSettings, server: Server<'_>) -> Result<Tls, String> {
    if server.tls == SmtpTls::None {
        return Ok(Tls::None);
    }
    install_tls();
    let mut builder = TlsParameters::builder(server.host.to_owned());
    if let Some(path) = &settings.ca_file {
        let wrong = |reason: String| format!("its ca_file {}: {reason}", path.display());
        let pem = std::fs::read(path).map_err(|error| wrong(error.to_string()))?;
        if !pem.windows(11).any(|part| part == b"-----BEGIN ") {
            return Err(wrong("it holds no certificate in PEM form".to_owned()));
        }
        builder = builder
            .add_root_certificate(Certificate::from_pem(&pem).map_err(|error| wrong(error.to_string()))?);
    }
    let parameters = builder.build().map_err(|error| format!("its TLS can't be set up: {error}"))?;
    Ok(match server.tls {
        SmtpTls::Implicit => Tls::Wrapper(parameters),
        SmtpTls::StartTls | SmtpTls::None => Tls::Required(parameters),
    })
}

fn mailbox(address: &str) -> Result<Mailbox, String> {
    address.parse().map_err(|error| format!("`{address}` is no e-mail address: {error}"))
}

/// Text beside HTML, and the pictures with the latter.
fn parts(notification: &Notification, links: &Links) -> MultiPart {
    let title = text::title(notification);
    let (lines, more) = text::lines(notification, links, MAX_ALERTS);
    let pictures: Vec<Option<Vec<u8>>> =
        notification.alerts.iter().take(MAX_PICTURES).map(|alert| picture::png(&alert.bins)).collect();
    let has_picture = |index: usize| pictures.get(index).is_some_and(Option::is_some);
    let features: Vec<&str> = notification.alerts.iter().map(|alert| alert.label(LABEL_FEATURE)).collect();
    // Writing into a string can't fail.
    let mut plain = format!("{title}\n\n");
    let mut html = format!("<html><body><p><b>{}</b></p><ul>", escaped(&title));
    for (index, line) in lines.iter().enumerate() {
        plain.push_str(&plain_line(line));
        html.push_str(&html_line(line));
        if has_picture(index) {
            let feature = escaped(features.get(index).copied().unwrap_or_default());
            let _ = write!(
                html,
                r#"<br><img src="cid:picture{index}" width="480" height="220" alt="{feature}: grey is the reference, orange the window">"#
            );
        }
        html.push_str("</li>");
    }
    html.push_str("</ul>");
    if more > 0 {
        let _ = writeln!(plain, "and {more} more");
        let _ = write!(html, "<p>and {more} more</p>");
    }
    if pictures.iter().any(Option::is_some) {
        html.push_str("<p>Bars: grey is the reference, orange the window.</p>");
    }
    html.push_str("</body></html>");
    let mut related = MultiPart::related().singlepart(SinglePart::html(html));
    for (index, picture) in pictures.into_iter().enumerate() {
        let (Some(picture), Ok(kind)) = (picture, ContentType::parse("image/png")) else { continue };
        related = related.singlepart(Attachment::new_inline(format!("picture{index}")).body(picture, kind));
    }
    MultiPart::alternative().singlepart(SinglePart::plain(plain)).multipart(related)
}

fn plain_line(line: &Line) -> String {
    let mut text = format!("- {}{}", line.prefix(), line.summary);
    if !line.value.is_empty() {
        text = format!("{text}: {}", line.value);
    }
    let description = Some(&line.description).filter(|text| !text.is_empty());
    for more in [description, line.link.as_ref()].into_iter().flatten() {
        text = format!("{text}\n  {more}");
    }
    text.push('\n');
    text
}

fn html_line(line: &Line) -> String {
    let summary = escaped(&line.summary);
    let summary = match &line.link {
        Some(link) => format!(r#"<a href="{}">{summary}</a>"#, escaped(link)),
        None => summary,
    };
    let mut text = format!("<li>{}{summary}", line.prefix());
    if !line.value.is_empty() {
        text = format!("{text}: {}", escaped(&line.value));
    }
    if !line.description.is_empty() {
        text = format!("{text}<br>{}", escaped(&line.description));
    }
    text
}
