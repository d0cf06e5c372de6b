//! Mail, to a real server: aiosmtpd in the virtual environment that
//! `scripts/prepare oracle` makes, which also reads the mails.

use std::{
    fs,
    net::TcpStream,
    path::{Path, PathBuf},
    process::Command,
};

use driftline::notify::{ReceiverKind, ReceiverSettings, SmtpTls};
use serde_json::Value;

use crate::{
    Rig, alert, notification, over, receiver,
    support::servers::{Certificates, Missing, Process, SOON, folder, free_port, or_skip, prepared},
};

struct Server {
    port: u16,
    out: PathBuf,
    _process: Process,
}

impl Server {
    fn start(options: &[&str]) -> Result<Self, Missing> {
        let python = prepared("oracle")?.join("venv/bin/python");
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/servers/smtp/server.py");
        let folder = folder("smtp");
        let (port, out) = (free_port(), folder.join("mails"));
        let mut command = Command::new(python);
        command.arg(script).arg(port.to_string()).arg(&out).args(options);
        let mut process = Process::start("smtp", &command, &folder);
        process.wait_for("listens", SOON, || TcpStream::connect(("127.0.0.1", port)).ok());
        Ok(Self { port, out, _process: process })
    }

    /// What came, whether it was taken or put off.
    fn mails(&self) -> Vec<Value> {
        let text = fs::read_to_string(&self.out).unwrap_or_default();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    fn receiver(&self, tls: SmtpTls, to: &[&str]) -> ReceiverSettings {
        let kind = ReceiverKind::Email {
            host: "127.0.0.1".to_owned(),
            port: self.port,
            tls,
            credentials: None,
            from: "Driftline <driftline@example.com>".to_owned(),
            to: to.iter().map(|&to| to.to_owned()).collect(),
        };
        receiver("mail", kind)
    }
}

#[tokio::test]
async fn a_mail_has_text_html_and_pictures() {
    let Some(server) = or_skip(Server::start(&[])) else { return };
    let rig = Rig::new(vec![server.receiver(SmtpTls::None, &["Ann <ann@example.com>", "bob@example.com"])]);
    let mut bad = alert("größe <b>");
    bad.annotations.insert("description".to_owned(), "see\r\nBcc: eve@example.com".to_owned());
    let alerts = vec![bad, alert("b"), alert("c"), alert("d"), over("e")];
    rig.submit(1, &notification(1, alerts));
    rig.done_with(1).await;
    let mails = server.mails();
    assert_eq!(mails.len(), 1);
    let (headers, body) = (&mails[0]["headers"], &mails[0]["body"]);
    assert_eq!(mails[0]["recipients"], serde_json::json!(["ann@example.com", "bob@example.com"]));
    assert_eq!(headers["Subject"], "[FIRING 4] credit: größe <b>, b, c, d (warning)");
    assert_eq!(headers["From"], "Driftline <driftline@example.com>");
    assert_eq!(headers["Auto-Submitted"], "auto-generated");
    assert!(headers.get("Bcc").is_none());

    assert_eq!(
        (&body["type"], &body["parts"][0]["type"]),
        (&"multipart/alternative".into(), &"text/plain".into())
    );
    let plain = body["parts"][0]["content"].as_str().unwrap().replace("\r\n", "\n");
    assert!(plain.contains("- größe <b> has drifted: 0.31\n  see Bcc: eve@example.com\n"), "{plain}");
    assert!(plain.contains("- resolved: e has drifted"), "{plain}");
    let related = &body["parts"][1];
    assert_eq!(related["type"], "multipart/related");
    let html = related["parts"][0]["content"].as_str().unwrap();
    assert!(html.contains("größe &lt;b&gt; has drifted"), "{html}");
    let parts = related["parts"].as_array().unwrap();
    assert_eq!(parts.len(), 4, "no more than three pictures");
    for (index, part) in parts[1..].iter().enumerate() {
        assert_eq!((&part["type"], &part["id"]), (&"image/png".into(), &format!("<picture{index}>").into()));
        assert!(html.contains(&format!("cid:picture{index}")), "{html}");
        assert!(part["content"].as_str().unwrap().starts_with("89504e470d0a1a0a"), "a PNG");
    }
}

#[tokio::test]
async fn what_is_put_off_is_sent_again_with_the_same_message_id() {
    let Some(server) = or_skip(Server::start(&[])) else { return };
    let rig = Rig::new(vec![server.receiver(SmtpTls::None, &["later@example.com"])]);
    rig.tell(1);
    rig.tell(2);
    assert_eq!(rig.done_with(2).await, [1, 2]);
    let mails = server.mails();
    let all = |name: &str| -> Vec<String> {
        mails.iter().map(|mail| mail["headers"][name].as_str().unwrap().to_owned()).collect()
    };
    let (ids, dates, threads) = (all("Message-ID"), all("Date"), all("References"));
    assert_eq!(mails.iter().filter(|mail| mail["taken"] == true).count(), 2);
    assert_eq!(ids.len(), 6);
    assert!(ids[..3].iter().all(|id| *id == ids[0]) && ids[3..].iter().all(|id| *id == ids[3]));
    assert_ne!(ids[0], ids[3]);
    assert!(ids[0].ends_with("@example.com>"), "{}", ids[0]);
    assert!(dates[..3].iter().all(|date| *date == dates[0]));
    assert!(threads.iter().all(|thread| *thread == threads[0]), "one group is one thread");
    assert_eq!(rig.attempts("mail", "retried"), 4);
}

#[tokio::test]
async fn what_is_refused_is_refused_for_good_and_only_for_whom_it_is() {
    let Some(server) = or_skip(Server::start(&[])) else { return };
    let rig = Rig::new(vec![server.receiver(SmtpTls::None, &["never@example.com"])]);
    rig.tell(1);
    rig.done_with(1).await;
    assert!(rig.problem("mail").await.contains("no such mailbox"), "{:?}", rig.status("mail"));
    assert_eq!((rig.outcomes("mail", "refused"), server.mails().len()), (1, 0));

    let both = ["never@example.com", "ann@example.com"];
    let rig = Rig::new(vec![server.receiver(SmtpTls::None, &both)]);
    rig.tell(2);
    rig.done_with(1).await;
    assert_eq!(rig.outcomes("mail", "delivered"), 1);
    assert_eq!(server.mails()[0]["recipients"], serde_json::json!(["ann@example.com"]));
}

#[tokio::test]
async fn starttls_trusts_the_given_authority_and_nobody_else() {
    let Some(certificates) = or_skip(Certificates::make(&folder("smtp-certificates"))) else { return };
    let login = ["--tls", certificates.server.to_str().unwrap(), "--login", "me", "passw0rd"];
    let Some(server) = or_skip(Server::start(&login)) else { return };
    let trusting = |ca_file: Option<PathBuf>, password: &str| {
        let mut settings = server.receiver(SmtpTls::StartTls, &["ann@example.com"]);
        if let ReceiverKind::Email { credentials, .. } = &mut settings.kind {
            *credentials = Some(("me".to_owned(), password.into()));
        }
        ReceiverSettings { ca_file, ..settings }
    };
    let known = Rig::new(vec![trusting(Some(certificates.authority.clone()), "passw0rd")]);
    known.tell(1);
    known.done_with(1).await;
    assert_eq!((&server.mails()[0]["tls"], &server.mails()[0]["login"]), (&true.into(), &true.into()));

    let unknown = Rig::new(vec![trusting(None, "passw0rd")]);
    unknown.tell(2);
    assert!(unknown.problem("mail").await.contains("certificate"), "{:?}", unknown.status("mail"));
    let wrong = Rig::new(vec![trusting(Some(certificates.authority), "wr0ng")]);
    wrong.tell(3);
    wrong.done_with(1).await;
    assert_eq!(wrong.outcomes("mail", "refused"), 1);
    assert_eq!(server.mails().len(), 1);
}

#[tokio::test]
async fn tls_from_the_first_byte_is_trusted_the_same_way() {
    let Some(certificates) = or_skip(Certificates::make(&folder("smtps-certificates"))) else { return };
    let tls = ["--tls", certificates.server.to_str().unwrap(), "--implicit"];
    let Some(server) = or_skip(Server::start(&tls)) else { return };
    let settings = server.receiver(SmtpTls::Implicit, &["ann@example.com"]);
    let known =
        Rig::new(vec![ReceiverSettings { ca_file: Some(certificates.authority), ..settings.clone() }]);
    known.tell(1);
    known.done_with(1).await;
    let unknown = Rig::new(vec![settings]);
    unknown.tell(2);
    assert!(unknown.problem("mail").await.contains("certificate"), "{:?}", unknown.status("mail"));
    assert_eq!(server.mails().len(), 1);
}

#[tokio::test]
async fn a_server_without_starttls_gets_nothing() {
    let Some(server) = or_skip(Server::start(&[])) else { return };
    let rig = Rig::new(vec![server.receiver(SmtpTls::StartTls, &["ann@example.com"])]);
    rig.tell(1);
    assert!(rig.problem("mail").await.contains("STARTTLS"), "{:?}", rig.status("mail"));
    assert_eq!((server.mails().len(), rig.status("mail").waiting), (0, 1));
}
