//! Prometheus and promtool, out of Debian's package.

use std::{
    fs,
    io::Write as _,
    process::{Command, Stdio},
};

use serde_json::Value;

use super::{Missing, Process, SOON, folder, free_port, http, prepared};

/// A server that scrapes one target every second.
#[derive(Debug)]
pub struct Prometheus {
    port: u16,
    _process: Process,
}

impl Prometheus {
    /// Starts a server that scrapes `http://<target>/metrics`.
    pub fn start(target: &str) -> Result<Self, Missing> {
        let program = prepared("debian")?.join("usr/bin/prometheus");
        let folder = folder("prometheus");
        let port = free_port();
        let config = format!(
            "global: {{scrape_interval: 1s}}
scrape_configs:
  - job_name: driftline
    static_configs: [{{targets: ['{target}']}}]
"
        );
        let file = folder.join("prometheus.yml");
        fs::write(&file, config).unwrap();
        let mut prometheus = Command::new(program);
        prometheus
            .arg(format!("--config.file={}", file.display()))
            .arg(format!("--storage.tsdb.path={}", folder.join("data").display()))
            .arg(format!("--web.listen-address=127.0.0.1:{port}"));
        let mut process = Process::start("prometheus", &prometheus, &folder);
        let ready = format!("http://127.0.0.1:{port}/-/ready");
        process.wait_for("is ready", SOON, || http::get(&ready, None).filter(|answer| answer.status == 200));
        Ok(Self { port, _process: process })
    }

    /// The result of an instant query, `data.result`.
    pub fn query(&self, query: &str) -> Value {
        let url = format!("http://127.0.0.1:{}/api/v1/query", self.port);
        let answer = http::get_with(&url, None, &[("query", query)]).success().json();
        answer["data"]["result"].clone()
    }
}

/// What `promtool check metrics` finds wrong with a page of metrics.
pub fn promtool(page: &str) -> Result<Result<(), String>, Missing> {
    let program = prepared("debian")?.join("usr/bin/promtool");
    let mut promtool = Command::new(program)
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    promtool.stdin.take().unwrap().write_all(page.as_bytes()).unwrap();
    let output = promtool.wait_with_output().unwrap();
    let findings = [output.stdout, output.stderr].concat();
    let findings = String::from_utf8_lossy(&findings).into_owned();
    Ok(if output.status.success() { Ok(()) } else { Err(findings) })
}
