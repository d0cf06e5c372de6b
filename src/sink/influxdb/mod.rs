//! The writer: lines to InfluxDB, in order, until they are written.
//!
//! Promises: what was submitted is written, or refused by the server for its
//! own sake and counted; nothing else makes it disappear. A server that is
//! away, slow, full or misconfigured is asked again for as long as the sink
//! lives, with growing and random pauses. A point that the server refuses is
//! found by halving its batch, so that it holds nobody else back, and is only
//! given up when the server takes other points: as long as it refuses all,
//! the request is at fault and not the points. Nothing is dropped for want of
//! memory: the caller asks [`InfluxSink::has_room`] before it takes more work.
//!
//! Writing again is harmless: a point has the same key whenever it is made.
//! Secrets appear in no log, no error and no `Debug`.

mod answer;
mod check;
mod endpoint;
mod metrics;
mod queue;
mod worker;

use std::{fmt, sync::Arc, time::Duration};

use prometheus::Registry;
use tokio::{runtime::Handle, task::JoinHandle};

pub use check::{CheckStep, check};

use self::{endpoint::Endpoint, metrics::Metrics, queue::Queue, worker::Worker};
use super::{InfluxSettings, Points, Written};
pub use crate::client::Pacing;
use crate::result::WindowResult;

/// Why a sink can't be started. The server need not be there to start.
#[derive(Debug, thiserror::Error)]
pub enum SinkError {
    /// The address can't be used; it is not shown, since it may hold a password.
    #[error("influxdb.url can't be used: {0}")]
    Url(String),
    /// The token or password can't be sent.
    #[error("the secret for influxdb has characters that an HTTP header can't carry, such as a line break")]
    Secret,
    /// The file of trusted certificates can't be used.
    #[error("influxdb.ca_file {path}: {reason}")]
    CaFile {
        /// The file.
        path: std::path::PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The HTTP client can't be built.
    #[error("the HTTP client for influxdb can't be built: {0}")]
    Client(String),
    /// The registry has metrics of these names already.
    #[error("the metrics of the sink can't be registered")]
    Metrics(#[from] prometheus::Error),
}

/// Whether points get through.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SinkStatus {
    /// The last request was answered well, or there was none yet.
    Ready,
    /// Points wait; the sentence says why and what to do.
    NotReady(String),
}

impl SinkStatus {
    /// Whether points get through.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        matches!(self, Self::Ready)
    }
}

impl fmt::Display for SinkStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ready => f.write_str("ready"),
            Self::NotReady(why) => f.write_str(why),
        }
    }
}

/// A queue of points and the task that delivers them.
#[derive(Debug)]
pub struct InfluxSink {
    queue: Arc<Queue>,
    metrics: Metrics,
    buffer_points: usize,
    worker: JoinHandle<()>,
}

impl InfluxSink {
    /// Starts a sink on `runtime`, with metrics on `registry`.
    ///
    /// # Errors
    /// For settings that can't work whatever the server does.
    pub fn start(
        settings: &InfluxSettings,
        registry: &Registry,
        runtime: &Handle,
    ) -> Result<Self, SinkError> {
        Self::start_paced(settings, Pacing::default(), registry, runtime)
    }

    /// As [`start`](Self::start), with other pauses than the usual ones.
    ///
    /// # Errors
    /// As [`start`](Self::start).
    pub fn start_paced(
        settings: &InfluxSettings,
        pacing: Pacing,
        registry: &Registry,
        runtime: &Handle,
    ) -> Result<Self, SinkError> {
        let endpoint = Endpoint::new(settings)?;
        let metrics = Metrics::new(registry)?;
        let queue = Arc::new(Queue::default());
        let worker = Worker::new(settings, pacing, endpoint, Arc::clone(&queue), metrics.clone());
        let worker = runtime.spawn(worker.run());
        Ok(Self { queue, metrics, buffer_points: settings.buffer_points, worker })
    }

    /// Queues the points of `results` and gives a ticket for them, larger than
    /// all before it. Never blocks and never refuses.
    pub fn submit(&self, results: &[WindowResult]) -> u64 {
        self.submit_lines(self.encode(&Written { windows: results, ..Written::default() }))
    }

    /// The points of what is to be written, as lines for
    /// [`Self::submit_lines`].
    pub fn encode(&self, written: &Written<'_>) -> Vec<Arc<str>> {
        let mut points = Points::default();
        points.add_all(written);
        self.metrics.encoded(&points);
        points.lines.into_iter().map(Arc::from).collect()
    }

    /// As [`Self::submit`], for points that are lines already.
    pub fn submit_lines(&self, lines: Vec<Arc<str>>) -> u64 {
        let ticket = self.queue.push(lines);
        self.metrics.queued(self.queue.len());
        ticket
    }

    /// Points that may wait before no more should be made.
    pub fn buffer_points(&self) -> usize {
        self.buffer_points
    }

    /// Takes back all points that are not delivered; their tickets count as
    /// done. A request under way may still write its points.
    pub fn withdraw(&self) {
        self.queue.withdraw();
        self.metrics.queued(0);
    }

    /// Points that wait or are under way.
    pub fn queued_points(&self) -> usize {
        self.queue.len()
    }

    /// Whether fewer points wait than `buffer_points`.
    pub fn has_room(&self) -> bool {
        self.queue.len() < self.buffer_points
    }

    /// Every ticket up to this one is done: its points are written, or refused
    /// and counted. 0 before the first.
    pub fn delivered(&self) -> u64 {
        self.queue.delivered()
    }

    /// Whether points get through, and if not, why.
    pub fn status(&self) -> SinkStatus {
        self.queue.status()
    }

    /// Delivers what waits without waiting for fuller batches, gives up after
    /// `deadline`, stops, and says how many points were not delivered.
    pub async fn close(mut self, deadline: Duration) -> usize {
        self.queue.close();
        // Both outcomes are told by what is left: done, or out of time.
        let _ = tokio::time::timeout(deadline, &mut self.worker).await;
        self.queue.len()
    }
}

impl Drop for InfluxSink {
    fn drop(&mut self) {
        self.worker.abort();
    }
}
