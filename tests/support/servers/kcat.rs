//! kcat, the Kafka client that is not ours.

use std::{
    io::Write as _,
    process::{Command, Stdio},
};

use super::{Missing, program};

/// kcat against one broker.
#[derive(Debug, Clone)]
pub struct Kcat {
    arguments: Vec<String>,
}

impl Kcat {
    /// Against an address without security.
    pub fn new(brokers: &str) -> Result<Self, Missing> {
        program("kcat", "kcat")?;
        Ok(Self { arguments: vec!["-b".to_owned(), brokers.to_owned()] })
    }

    /// With a setting of librdkafka.
    #[must_use]
    pub fn with(mut self, key: &str, value: &str) -> Self {
        self.arguments.extend(["-X".to_owned(), format!("{key}={value}")]);
        self
    }

    /// Puts messages on a topic; more arguments choose key, partition, headers.
    pub fn produce(&self, topic: &str, messages: &[impl AsRef<str>], more: &[&str]) {
        let mut kcat = self.command();
        kcat.args(["-P", "-t", topic]).args(more);
        let mut kcat = kcat.stdin(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut input = kcat.stdin.take().unwrap();
        for message in messages {
            writeln!(input, "{}", message.as_ref()).unwrap();
        }
        drop(input);
        let output = kcat.wait_with_output().unwrap();
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "kcat -P -t {topic}: {errors}");
    }

    /// Everything on a topic now, one string a message in kcat's `-f` format.
    pub fn consume(&self, topic: &str, format: &str) -> Vec<String> {
        let end = "\u{1e}";
        let output = self
            .command()
            .args(["-C", "-q", "-e", "-o", "beginning", "-t", topic])
            .args(["-f", &format!("{format}{end}")])
            .output()
            .unwrap();
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "kcat -C -t {topic}: {errors}");
        let text = String::from_utf8(output.stdout).unwrap();
        text.split_terminator(end).map(str::to_owned).collect()
    }

    fn command(&self) -> Command {
        let mut command = Command::new("kcat");
        command.args(&self.arguments).stdin(Stdio::null());
        command
    }
}
