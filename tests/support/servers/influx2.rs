//! InfluxDB 2, set up with an organisation and a token.

use std::{
    collections::BTreeMap,
    path::PathBuf,
    process::Command,
    sync::{
        LazyLock,
        atomic::{AtomicU32, Ordering},
    },
};

use serde_json::{Value, json};

use super::{
    Missing, Process, SOON, folder, free_port,
    http::{self, Answer},
    prepared,
};

/// One row of a Flux query: column to text.
pub type Row = BTreeMap<String, String>;

/// A server that can be stopped and started again on the same data and port.
#[derive(Debug)]
pub struct Influx2 {
    program: PathBuf,
    folder: PathBuf,
    port: u16,
    process: Option<Process>,
}

impl Influx2 {
    /// Its only organisation.
    pub const ORG: &'static str = "driftline";
    /// Token that may do everything.
    pub const TOKEN: &'static str = "all-access-token-of-the-tests";

    /// The server that all tests of this process share.
    pub fn shared() -> Result<&'static Self, Missing> {
        static SHARED: LazyLock<Result<Influx2, Missing>> = LazyLock::new(Influx2::start);
        SHARED.as_ref().map_err(Clone::clone)
    }

    /// A server of one's own.
    pub fn start() -> Result<Self, Missing> {
        let mut influx = Self::stopped()?;
        influx.resume();
        Ok(influx)
    }

    /// A server that is yet to be started, its address known.
    pub fn stopped() -> Result<Self, Missing> {
        let program = prepared("influxdb")?.join("influxd");
        Ok(Self { program, folder: folder("influxdb2"), port: free_port(), process: None })
    }

    /// Starts the server, the first time with its organisation and a bucket.
    pub fn resume(&mut self) {
        let path = |name: &str| self.folder.join(name).display().to_string();
        let mut influxd = Command::new(&self.program);
        influxd
            .args(["--http-bind-address", &format!("127.0.0.1:{}", self.port)])
            .args(["--bolt-path", &path("influxd.bolt"), "--sqlite-path", &path("influxd.sqlite")])
            .args(["--engine-path", &path("engine"), "--reporting-disabled", "--ui-disabled"])
            // Its own default is below the home folder of whoever runs the tests.
            .env("HOME", &self.folder);
        let mut process = Process::start("influxd", &influxd, &self.folder);
        let health = format!("{}/health", self.url());
        process
            .wait_for("is healthy", SOON, || http::get(&health, None).filter(|answer| answer.status == 200));
        self.process = Some(process);
        let setup = format!("{}/api/v2/setup", self.url());
        if http::get(&setup, None).unwrap().json()["allowed"] == true {
            let body = json!({
                "username": "tests", "password": "password-of-the-tests",
                "org": Self::ORG, "bucket": "first", "token": Self::TOKEN,
            });
            self.post("/api/v2/setup", &body).success();
        }
    }

    /// Ends the server as a crash does.
    pub fn kill(&mut self) {
        self.process = None;
    }

    /// Base address.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Makes a bucket with a name of its own: the prefix and a number.
    pub fn bucket(&self, prefix: &str) -> String {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("{prefix}-{}", NEXT.fetch_add(1, Ordering::Relaxed));
        self.make_bucket(&name);
        name
    }

    /// Makes a bucket and gives its id.
    pub fn make_bucket(&self, name: &str) -> String {
        let body = json!({"orgID": self.org_id(), "name": name, "retentionRules": []});
        let made = self.post("/api/v2/buckets", &body).success().json();
        made["id"].as_str().unwrap().to_owned()
    }

    /// A token that may read one bucket and write nothing.
    pub fn read_only_token(&self, bucket_id: &str) -> String {
        let org = self.org_id();
        let resource = json!({"type": "buckets", "orgID": org, "id": bucket_id});
        let body = json!({
            "orgID": org, "permissions": [{"action": "read", "resource": resource}],
        });
        let made = self.post("/api/v2/authorizations", &body).success().json();
        made["token"].as_str().unwrap().to_owned()
    }

    fn org_id(&self) -> Value {
        let url = format!("{}/api/v2/orgs", self.url());
        let orgs = http::get_with(&url, Some(Self::TOKEN), &[("org", Self::ORG)]).success();
        orgs.json()["orgs"][0]["id"].clone()
    }

    fn post(&self, path: &str, body: &Value) -> Answer {
        let url = format!("{}{path}", self.url());
        http::post(&url, Some(Self::TOKEN), "application/json", body.to_string())
    }

    /// Runs a Flux query.
    pub fn flux(&self, query: &str) -> Vec<Row> {
        let url = format!("{}/api/v2/query?org={}", self.url(), Self::ORG);
        let answer = http::post(&url, Some(Self::TOKEN), "application/vnd.flux", query.to_owned());
        assert_eq!(answer.status, 200, "{}\n{query}", answer.body);
        rows(&answer.body)
    }

    /// Every point of a measurement, one row a point with its fields as columns.
    pub fn points(&self, bucket: &str, measurement: &str) -> Vec<Row> {
        self.flux(&format!(
            r#"from(bucket: "{bucket}") |> range(start: 0)
  |> filter(fn: (r) => r._measurement == "{measurement}")
  |> pivot(rowKey: ["_time"], columnKey: ["_field"], valueColumn: "_value")
  |> group() |> sort(columns: ["_time"])"#
        ))
    }

    /// Runs an `InfluxQL` query over a bucket; the value of `results[0].series`.
    pub fn influxql(&self, bucket: &str, query: &str) -> Value {
        let url = format!("{}/query", self.url());
        let pairs = [("db", bucket), ("epoch", "ms"), ("q", query)];
        let answer = http::get_with(&url, Some(Self::TOKEN), &pairs).success().json();
        answer["results"][0]["series"].clone()
    }
}

/// Flux's CSV: tables of one shape under one header, shapes apart by an empty
/// line.
fn rows(text: &str) -> Vec<Row> {
    let text = text.replace("\r\n", "\n");
    let mut rows = Vec::new();
    for block in text.split("\n\n").filter(|block| !block.trim().is_empty()) {
        let mut reader = csv::Reader::from_reader(block.trim_start().as_bytes());
        for row in reader.deserialize::<Row>() {
            rows.push(row.unwrap());
        }
    }
    rows
}
