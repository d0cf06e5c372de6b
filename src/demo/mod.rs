//! Driftline at work without any server: `driftline demo`.
//!
//! Why: whoever wants to know what this program does should see it do it, with
//! one command. So everything is the real thing but for the two ends: an
//! embedded broker (librdkafka's mock cluster, on loopback ports) stands in for
//! Kafka, and a simulator ([`traffic`]) for the lender whose model is watched.
//! The daemon between them consumes, counts, scores and serves HTTP as always;
//! it writes to no InfluxDB. Two releases of the service are tried on a part of the
//! applications; one deserves to be promoted and one does not.
//!
//! Promises: what is shown for a window depends on the seed alone, not on the
//! machine's speed; the terminal is given back as it was; nothing stays behind
//! on the disk.
//!
//! Refuses to be a benchmark: the mock broker is slower than a real one.

mod board;
mod embedded;
mod experiments;
mod picture;
mod plain;
mod screen;
mod show;
mod simulator;
pub mod traffic;
mod training;

use std::{io, path::PathBuf};

use rdkafka::error::KafkaError;

pub use experiments::experiments;
pub use show::run;
pub use training::reference;

use crate::{
    pipeline::{
        ReferenceFileError,
        daemon::{DaemonError, StartError},
    },
    reference::ReferenceError,
    source::PublishError,
};

/// What the demo is asked for.
#[derive(Debug, Clone)]
pub struct DemoSettings {
    /// Of the simulated traffic.
    pub seed: u64,
    /// Simulated hours in a second of the clock.
    pub hours_per_second: f64,
    /// Ends after so many events; goes on until it is stopped otherwise.
    pub events: Option<u64>,
    /// Lines instead of a picture.
    pub plain: bool,
    /// Port on loopback where HTTP is served; any that is free if it is taken.
    pub port: u16,
}

/// Why the demo can't go on.
#[derive(Debug, thiserror::Error)]
pub enum DemoError {
    /// No mock cluster.
    #[error("the embedded broker can't be started: {0}")]
    Broker(#[source] KafkaError),
    /// No place for the reference.
    #[error("can't create the folder {path} for the reference: {source}")]
    Folder {
        /// The folder.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// No reference.
    #[error(transparent)]
    Reference(#[from] ReferenceError),
    /// The reference can't be stored.
    #[error(transparent)]
    ReferenceFile(#[from] ReferenceFileError),
    /// The daemon does not start.
    #[error(transparent)]
    Start(#[from] StartError),
    /// The daemon did not end well.
    #[error(transparent)]
    Daemon(#[from] DaemonError),
    /// Events could not be published.
    #[error(transparent)]
    Publish(#[from] PublishError),
    /// The system gives no thread.
    #[error("can't start a thread: {0}")]
    Thread(#[source] io::Error),
    /// A bug.
    #[error("the simulator's thread ended by a panic")]
    Panicked,
    /// Events were published that never came out.
    #[error("the daemon has taken {taken} of {sent} events and then none for {seconds} s")]
    Stuck {
        /// Events that it took.
        taken: u64,
        /// Events that were published.
        sent: u64,
        /// How long nothing happened.
        seconds: u64,
    },
    /// The terminal can't show it.
    #[error("the terminal can't be used: {0}; try --plain")]
    Terminal(#[source] io::Error),
}
