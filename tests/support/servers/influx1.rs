//! InfluxDB 1.6, out of Debian's package.

use std::{fs, process::Command};

use serde_json::Value;

use super::{Missing, Process, SOON, folder, free_port, http, prepared};

/// A server with authentication switched on.
#[derive(Debug)]
pub struct Influx1 {
    port: u16,
    _process: Process,
}

impl Influx1 {
    /// Its administrator.
    pub const USER: &'static str = "admin";
    /// Their password.
    pub const PASSWORD: &'static str = "password-of-the-tests";

    /// Starts a server and makes its administrator.
    pub fn start() -> Result<Self, Missing> {
        let program = prepared("debian")?.join("usr/bin/influxd");
        let folder = folder("influxdb1");
        let (port, rpc) = (free_port(), free_port());
        let data = folder.display();
        let config = format!(
            r#"reporting-disabled = true
bind-address = "127.0.0.1:{rpc}"
[meta]
dir = "{data}/meta"
[data]
dir = "{data}/data"
wal-dir = "{data}/wal"
[http]
bind-address = "127.0.0.1:{port}"
auth-enabled = true
"#
        );
        let file = folder.join("influxdb.conf");
        fs::write(&file, config).unwrap();
        let mut influxd = Command::new(program);
        influxd.arg("-config").arg(&file).env("HOME", &folder);
        let mut process = Process::start("influxd", &influxd, &folder);
        let ping = format!("http://127.0.0.1:{port}/ping");
        process.wait_for("answers", SOON, || http::get(&ping, None).filter(|answer| answer.status == 204));
        let influx = Self { port, _process: process };
        let (user, password) = (Self::USER, Self::PASSWORD);
        influx.change(&format!(r#"CREATE USER "{user}" WITH PASSWORD '{password}' WITH ALL PRIVILEGES"#));
        Ok(influx)
    }

    /// Base address.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Runs a statement that changes something, such as `CREATE DATABASE`.
    pub fn change(&self, statement: &str) {
        let answer = self.ask("", statement);
        assert!(answer["results"][0]["error"].is_null(), "{answer}");
    }

    /// Runs a query; the value of `results[0].series`.
    pub fn influxql(&self, database: &str, query: &str) -> Value {
        self.ask(database, query)["results"][0]["series"].clone()
    }

    fn ask(&self, database: &str, query: &str) -> Value {
        let url = format!("{}/query", self.url());
        let login = [("u", Self::USER), ("p", Self::PASSWORD)];
        let pairs = [("db", database), ("epoch", "ms"), ("q", query)];
        // 1.x takes changes by POST; the parameters may stay in the address.
        http::post_with(&url, &[login.as_slice(), &pairs].concat()).success().json()
    }
}
