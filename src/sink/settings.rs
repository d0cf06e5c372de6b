//! What the configuration says about InfluxDB.

use std::{fmt, path::PathBuf, time::Duration};

use secrecy::SecretString;

/// Which write endpoint the server speaks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum InfluxApi {
    /// `/api/v2/write`: InfluxDB 2 and 3, and others that copy it.
    V2 {
        /// Organisation name or id.
        org: String,
        /// Bucket name or id.
        bucket: String,
    },
    /// `/write`: InfluxDB 1.
    V1 {
        /// Database.
        database: String,
        /// Retention policy; the default one without.
        retention_policy: Option<String>,
        /// User for basic authentication.
        username: Option<String>,
    },
}

/// How to reach InfluxDB and how to write. `Debug` shows no secret, not even
/// one that was put into the address.
#[derive(Clone)]
pub struct InfluxSettings {
    /// Base address; a path in it is kept as a prefix.
    pub url: String,
    /// Endpoint and where the points belong.
    pub api: InfluxApi,
    /// Token (v2) or password (v1).
    pub secret: Option<SecretString>,
    /// Certificates (PEM) to trust beside the system's.
    pub ca_file: Option<PathBuf>,
    /// Points in one request, at most.
    pub batch_points: usize,
    /// How long a point may wait for others.
    pub flush_interval: Duration,
    /// Points waiting in memory, at most; beyond it the source is paused.
    pub buffer_points: usize,
    /// Limit of one request.
    pub timeout: Duration,
    /// Whether bodies are compressed.
    pub gzip: bool,
}

impl fmt::Debug for InfluxSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let address = self.url.rsplit_once('@').map_or(self.url.as_str(), |(_, address)| address);
        f.debug_struct("InfluxSettings")
            .field("address", &address)
            .field("api", &self.api)
            .field("secret", &self.secret)
            .field("ca_file", &self.ca_file)
            .field("batch_points", &self.batch_points)
            .field("flush_interval", &self.flush_interval)
            .field("buffer_points", &self.buffer_points)
            .field("timeout", &self.timeout)
            .field("gzip", &self.gzip)
            .finish()
    }
}
