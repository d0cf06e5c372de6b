//! InfluxDB.

use std::time::Duration;

use super::{Resolver, secret::SecretSources};
use crate::{
    config::raw,
    sink::{InfluxApi, InfluxSettings},
};

impl Resolver<'_> {
    pub(super) fn influxdb(&mut self, mut raw: raw::Influxdb) -> Option<InfluxSettings> {
        let url = self
            .required(raw.url.take(), "influxdb.url", "url = \"http://localhost:8086\"")
            .filter(|url| self.influxdb_url(url));
        let api = self.influxdb_api(&mut raw);
        let token = SecretSources { inline: raw.token, file: raw.token_file, env: raw.token_env };
        let password = SecretSources { inline: raw.password, file: raw.password_file, env: raw.password_env };
        let token = self.secret("influxdb.token", token);
        let password = self.secret("influxdb.password", password);
        let are_known = self.are_known(&["influxdb.buffer_points", "influxdb.batch_points"]);
        if raw.buffer_points < raw.batch_points && are_known {
            let message = format!(
                "the buffer of {} points can't hold a batch of {}",
                raw.buffer_points, raw.batch_points
            );
            self.error(
                "influxdb.buffer_points",
                message,
                "make it at least batch_points, better ten times that",
            );
        }
        let ca_file = raw.ca_file.map(|file| self.path(&file));
        if let Some(file) = ca_file.as_ref().filter(|file| !file.is_file()) {
            let message = format!("there is no file {}", file.display());
            self.error("influxdb.ca_file", message, "paths are relative to the configuration file");
        }
        let api = api?;
        let secret = match api {
            InfluxApi::V2 { .. } => token,
            InfluxApi::V1 { .. } => password,
        };
        Some(InfluxSettings {
            url: url?,
            api,
            secret,
            ca_file,
            batch_points: raw.batch_points,
            flush_interval: Duration::from_millis(raw.flush_interval),
            buffer_points: raw.buffer_points,
            timeout: Duration::from_millis(raw.timeout),
            gzip: raw.gzip,
        })
    }

    fn influxdb_url(&mut self, url: &str) -> bool {
        let key = "influxdb.url";
        let example = "write \"http://localhost:8086\" or \"https://influx.example.com/prefix\"";
        // The text is not shown: people put passwords into addresses.
        let Ok(parsed) = reqwest::Url::parse(url) else {
            self.error(key, "not an address", example);
            return false;
        };
        if !["http", "https"].contains(&parsed.scheme()) || !parsed.has_host() {
            self.error(key, "the address does not begin with http:// or https:// and a host", example);
            return false;
        }
        if !parsed.username().is_empty() || parsed.password().is_some() {
            let hint = "use token_file, or username and password_file for InfluxDB 1";
            self.error(key, "an address is shown in logs and must not hold a user or password", hint);
            return false;
        }
        if parsed.query().is_some() || parsed.fragment().is_some() {
            self.error(key, "the address has a query", "org, bucket and database have keys of their own");
            return false;
        }
        true
    }

    /// Tells the versions apart by their keys.
    fn influxdb_api(&mut self, raw: &mut raw::Influxdb) -> Option<InfluxApi> {
        const V1_ONLY: [&str; 5] =
            ["retention_policy", "username", "password", "password_file", "password_env"];
        const V2_ONLY: [&str; 5] = ["org", "bucket", "token", "token_file", "token_env"];
        let set = |names: &[&'static str], places: &super::Places| {
            names.iter().copied().find(|name| places.is_set(&format!("influxdb.{name}")))
        };
        let is_v1 = raw.database.is_some() || self.places.is_set("influxdb.database");
        let stray = if is_v1 { set(&V2_ONLY, self.places) } else { set(&V1_ONLY, self.places) };
        if let Some(name) = stray {
            let (of, other) =
                if is_v1 { ("2", "database is of InfluxDB 1") } else { ("1", "there is no database") };
            let hint = "InfluxDB 2 wants org, bucket and token_file; InfluxDB 1 wants database, username and password_file";
            self.error(&format!("influxdb.{name}"), format!("{name} is of InfluxDB {of}, but {other}"), hint);
        }
        if is_v1 {
            return Some(InfluxApi::V1 {
                database: raw.database.take()?,
                retention_policy: raw.retention_policy.take(),
                username: raw.username.take(),
            });
        }
        let hint = "name it as the server knows it; for InfluxDB 1 set database instead";
        let org = self.required(raw.org.take(), "influxdb.org", hint);
        let bucket = self.required(raw.bucket.take(), "influxdb.bucket", hint);
        Some(InfluxApi::V2 { org: org?, bucket: bucket? })
    }
}
