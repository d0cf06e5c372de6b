//! Alertmanager and amtool, out of Debian's package.

use std::{
    fs,
    path::PathBuf,
    process::{Command, Stdio},
};

use serde_json::Value;

use super::{Missing, Process, SOON, folder, free_port, http, prepared};

/// A server without peers, that keeps alerts and perhaps tells a webhook.
#[derive(Debug)]
pub struct Alertmanager {
    port: u16,
    amtool: PathBuf,
    _process: Process,
}

impl Alertmanager {
    /// Starts a server that tells nobody.
    pub fn start() -> Result<Self, Missing> {
        Self::start_with("route: {receiver: nobody}\nreceivers: [{name: nobody}]\n")
    }

    /// Starts a server that tells a webhook, at once.
    pub fn forwarding_to(webhook: &str) -> Result<Self, Missing> {
        Self::start_with(&format!(
            "route: {{receiver: hook, group_wait: 0s, group_interval: 1s, repeat_interval: 1h}}\n\
             receivers: [{{name: hook, webhook_configs: [{{url: \"{webhook}\", send_resolved: true}}]}}]\n"
        ))
    }

    fn start_with(text: &str) -> Result<Self, Missing> {
        let unpacked = prepared("debian")?;
        let programs = unpacked.join("usr/bin");
        let folder = folder("alertmanager");
        let port = free_port();
        let config = folder.join("alertmanager.yml");
        fs::write(&config, text).unwrap();
        let mut alertmanager = Command::new(programs.join("prometheus-alertmanager"));
        alertmanager
            .arg(format!("--config.file={}", config.display()))
            .arg(format!("--storage.path={}", folder.join("data").display()))
            .arg(format!("--web.listen-address=127.0.0.1:{port}"))
            .arg("--cluster.listen-address=")
            // Where `scripts/prepare` has it look for its templates.
            .current_dir(&unpacked);
        let mut process = Process::start("alertmanager", &alertmanager, &folder);
        let ready = format!("http://127.0.0.1:{port}/-/ready");
        process.wait_for("is ready", SOON, || http::get(&ready, None).filter(|answer| answer.status == 200));
        Ok(Self { port, amtool: programs.join("amtool"), _process: process })
    }

    /// Base address.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// The alerts that are on now, as its own command line reads them.
    pub fn active(&self) -> Vec<Value> {
        let output = Command::new(&self.amtool)
            .arg(format!("--alertmanager.url={}", self.url()))
            .args(["--output=json", "alert", "query"])
            .stderr(Stdio::inherit())
            .output()
            .unwrap();
        assert!(output.status.success(), "amtool: {}", output.status);
        serde_json::from_slice(&output.stdout).unwrap()
    }

    /// Value of one of its own metrics, summed over samples whose labels hold
    /// `labels`.
    pub fn metric(&self, name: &str, labels: &str) -> f64 {
        let page = http::get(&format!("{}/metrics", self.url()), None).unwrap().success().body;
        let lines = page.lines().filter(|line| line.starts_with(name) && line.contains(labels));
        lines.map(|line| line.rsplit(' ').next().unwrap().parse::<f64>().unwrap()).sum()
    }
}
