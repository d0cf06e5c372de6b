//! What the configuration says about InfluxDB.

use std::time::Duration;

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

/// How to reach InfluxDB and how to write.
#[derive(Debug, Clone)]
pub struct InfluxSettings {
    /// Base address; a path in it is kept as a prefix.
    pub url: String,
    /// Endpoint and where the points belong.
    pub api: InfluxApi,
    /// Token (v2) or password (v1).
    pub secret: Option<SecretString>,
    /// Certificates (PEM) to trust beside the system's.
    pub ca_file: Option<std::path::PathBuf>,
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
