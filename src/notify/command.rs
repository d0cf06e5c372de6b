//! A program of the user's: gets each notification as one line of JSON, in the
//! shape of the webhook, on its standard input.
//!
//! Its exit code is its answer: 0 has it, 75 (`EX_TEMPFAIL` of sysexits.h) wants
//! it again later, any other refuses it. A program that takes longer than
//! `timeout` is killed, and asked again. What it writes to standard error goes
//! to the log, its standard output nowhere.

use std::{io, process::Stdio, time::Duration};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    process::{Child, ChildStderr, Command},
    time::timeout,
};

use super::{ReceiverSettings, attempt::Attempt, links::Links, webhook};
use crate::{
    alert::Notification,
    client::{cut, one_line},
};

/// "Try again later" in sysexits.h.
const TEMPORARY_FAILURE: i32 = 75;
/// Bytes of standard error that are kept; the rest is read and forgotten, so
/// that the program isn't held up.
const MAX_ERRORS: u64 = 8 * 1024;
/// Characters of it that are shown.
const MAX_MESSAGE: usize = 500;
/// How long standard error is read when the program has ended: something that
/// it left running in the background may keep it open forever.
const AFTER_END: Duration = Duration::from_millis(500);

/// A program and its arguments.
#[derive(Debug)]
pub(super) struct Program {
    receiver: String,
    path: String,
    arguments: Vec<String>,
}

impl Program {
    pub(super) fn new(settings: &ReceiverSettings, command: &[String]) -> Result<Self, String> {
        let [program, arguments @ ..] = command else {
            return Err("its command is empty; name a program".to_owned());
        };
        Ok(Self { receiver: settings.name.clone(), path: program.clone(), arguments: arguments.to_vec() })
    }

    pub(super) async fn deliver(&self, notification: &Notification, links: &Links) -> Attempt {
        let mut body = match webhook::body(&self.receiver, notification, links) {
            Ok(body) => body,
            Err(error) => return Attempt::refused(format!("it can't be written as JSON: {error}")),
        };
        body.push('\n');
        let child = Command::new(&self.path)
            .args(&self.arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn();
        let run = match child {
            Ok(child) => run(child, body).await,
            Err(error) => return Attempt::again(format!("the program can't be started ({error})")),
        };
        match run {
            Ok((code, errors)) => self.judge(code, &errors),
            Err(error) => Attempt::again(format!("the program can't be waited for ({error})")),
        }
    }

    fn judge(&self, code: Option<i32>, errors: &[u8]) -> Attempt {
        let said = cut(&one_line(&String::from_utf8_lossy(errors)), MAX_MESSAGE);
        if code == Some(0) {
            if !said.is_empty() {
                tracing::info!(receiver = self.receiver, "the program says: {said}");
            }
            return Attempt::Delivered;
        }
        let said = if said.is_empty() { said } else { format!(": {said}") };
        match code {
            Some(TEMPORARY_FAILURE) => Attempt::again(format!("the program wants it later{said}")),
            Some(code) => Attempt::refused(format!("the program ended with exit code {code}{said}")),
            None => Attempt::again(format!("the program was killed by a signal{said}")),
        }
    }
}

/// Feeds a program and waits for its end: its exit code and standard error.
async fn run(mut child: Child, input: String) -> io::Result<(Option<i32>, Vec<u8>)> {
    let (stdin, stderr) = (child.stdin.take(), child.stderr.take());
    let feed = async move {
        if let Some(mut stdin) = stdin {
            // A program need not read what it is told; its exit code counts.
            let _ = stdin.write_all(input.as_bytes()).await;
        }
    };
    let mut errors = Vec::new();
    let status = {
        let mut read = std::pin::pin!(read(stderr, &mut errors));
        let mut feed = std::pin::pin!(feed);
        let (mut is_read, mut is_fed) = (false, false);
        let status = loop {
            tokio::select! {
                status = child.wait() => break status?,
                () = &mut read, if !is_read => is_read = true,
                () = &mut feed, if !is_fed => is_fed = true,
            }
        };
        if !is_read {
            let _ = timeout(AFTER_END, read).await;
        }
        status
    };
    Ok((status.code(), errors))
}

async fn read(stderr: Option<ChildStderr>, into: &mut Vec<u8>) {
    let Some(mut stderr) = stderr else { return };
    // A pipe that breaks says no more.
    let _ = (&mut stderr).take(MAX_ERRORS).read_to_end(into).await;
    let _ = tokio::io::copy(&mut stderr, &mut tokio::io::sink()).await;
}
