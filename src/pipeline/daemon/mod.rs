//! The daemon: Kafka, the core and the sinks, wired.
//!
//! ```text
//! consumer thread ── batches ──► pipeline thread (the core) ──► sink task
//!        ▲                              │   └──► dead-letter producer
//!        └────── offsets to commit ─────┘
//! ```
//!
//! Promises: an offset is committed only after every result and dead letter
//! that came before it is delivered and every learned reference is stored, so
//! that a crash at any moment loses nothing and a replay writes the same
//! points again. While a server does not take what it is given, no more
//! messages are taken. HTTP answers first, so that it can say what is missing;
//! Kafka and InfluxDB may come later.

mod checkpoints;
mod delivery;
mod hooks;
mod pages;
mod references;
mod runner;

use std::{
    io,
    net::SocketAddr,
    path::PathBuf,
    sync::{
        Arc,
        mpsc::{Sender, channel},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

use prometheus::Registry;
use tokio::runtime::Runtime;

pub use self::hooks::{Hooks, OnExperiment, OnWindow};
use self::{
    checkpoints::Checkpoints,
    delivery::Delivery,
    references::{LearnedReferences, model_specs},
    runner::{Control, Parts, Runner},
};
use crate::{
    checkpoint::{FormatError, Store, StoreError},
    config::Settings,
    experiment::FreezeError,
    explainer::{Explainers, ExplainersError},
    notify::{Notifier, NotifyError},
    ops::{self, CheckpointMetrics, CoreMetrics, Status},
    pipeline::{Core, CoreSettings, Ledger, ModelSpec, ReferenceSpec},
    sink::{DeadLetters, InfluxSink, SinkError},
    source::{KafkaSource, ReplayPlan, SourceError, StartPlan},
};

/// Threads for HTTP and the sink; the pipeline has its own.
const WORKER_THREADS: usize = 2;
/// Tasks that are left when everything is done are not waited for any longer.
const RUNTIME_CLOSE: Duration = Duration::from_secs(1);

/// Why the daemon can't start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// There is nothing to read.
    #[error("the configuration has no [kafka] section, so there is nothing to read")]
    NoKafka,
    /// The system gives no threads.
    #[error("can't start threads: {0}")]
    Threads(#[source] io::Error),
    /// The address is taken, or not ours.
    #[error("can't listen on http.listen {address}: {source}")]
    Listen {
        /// As configured.
        address: SocketAddr,
        /// What the system says.
        source: io::Error,
    },
    /// A reference can't be read.
    #[error("the reference of model {model:?} can't be used: {reason}")]
    Reference {
        /// Whose.
        model: String,
        /// What is wrong, with the file's name.
        reason: String,
    },
    /// A reference gives no cap for a metric of an experiment.
    #[error(transparent)]
    Caps(#[from] FreezeError),
    /// The directory of learned references can't be used.
    #[error("state_dir: {path}: {source}")]
    StateDir {
        /// The directory, or a file in it.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The folder of checkpoints can't be used.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The checkpoint that was read can't be written, which is a bug.
    #[error("the checkpoint can't be taken up: {0}")]
    Checkpoint(FormatError),
    /// The Kafka client can't be made.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// The InfluxDB client can't be made.
    #[error(transparent)]
    Sink(#[from] SinkError),
    /// Explanations can't be made.
    #[error(transparent)]
    Explainers(#[from] ExplainersError),
    /// A receiver can't be made.
    #[error(transparent)]
    Notify(#[from] NotifyError),
    /// A metric of the same name is there twice, which is a bug.
    #[error("a metric can't be registered: {0}")]
    Metrics(#[from] prometheus::Error),
}

/// Why the daemon did not end well.
#[derive(Debug, thiserror::Error)]
pub enum DaemonError {
    /// The time for stopping was over before everything was delivered.
    #[error(
        "stopped before everything was delivered: {points} points and {letters} dead letters are left; \
         nothing is lost: they are in the checkpoint, or are made again from Kafka at the next start"
    )]
    Undelivered {
        /// Points that were not written.
        points: usize,
        /// Dead letters that were not acknowledged.
        letters: u64,
    },
    /// The consumer can't go on, or did not close.
    #[error(transparent)]
    Source(SourceError),
    /// The checkpoint that an assignment begins with can't be read back.
    #[error(
        "the checkpoint in memory can't be read, which is a bug; the next start uses the one on disk: {0}"
    )]
    Checkpoint(FormatError),
    /// The consumer began with a checkpoint that is not kept, which is a bug.
    #[error("the consumer began with a checkpoint that is not kept")]
    CheckpointGone,
    /// The consumer's thread is gone and did not say why.
    #[error("the consumer's thread ended without a reason")]
    SourceGone,
    /// The pipeline's thread ended by a panic, which is a bug.
    #[error("the pipeline's thread ended by a panic")]
    Panicked,
}

/// A running daemon.
#[derive(Debug)]
pub struct DaemonHandle {
    control: Sender<Control>,
    thread: JoinHandle<Result<(), DaemonError>>,
    status: Arc<Status>,
    registry: Registry,
    http_address: SocketAddr,
    shutdown_timeout: Duration,
    runtime: Runtime,
}

impl DaemonHandle {
    /// Where HTTP is served, with the real port when the configured one is 0.
    #[must_use]
    pub fn http_address(&self) -> SocketAddr {
        self.http_address
    }

    /// What the daemon knows about itself and its latest results.
    #[must_use]
    pub fn status(&self) -> &Arc<Status> {
        &self.status
    }

    /// Its metrics.
    #[must_use]
    pub fn registry(&self) -> &Registry {
        &self.registry
    }

    /// The runtime that serves HTTP, for tasks of the same lifetime.
    #[must_use]
    pub fn runtime(&self) -> &tokio::runtime::Handle {
        self.runtime.handle()
    }

    /// Values below which a column is insufficient, from now on.
    pub fn set_min_events(&self, min_events: u64) {
        self.tell(Control::SetMinEvents(min_events));
    }

    /// Asks it to drain and end within `shutdown_timeout`; returns at once.
    pub fn request_stop(&self) {
        self.status.set_stopping();
        self.tell(Control::Stop(Instant::now() + self.shutdown_timeout));
    }

    fn tell(&self, control: Control) {
        // A thread that is gone needs no telling; `join` says why it is.
        let _ = self.control.send(control);
    }

    /// Waits until it has ended.
    ///
    /// # Errors
    /// When it did not end well.
    pub fn join(self) -> Result<(), DaemonError> {
        let ended = self.thread.join().unwrap_or(Err(DaemonError::Panicked));
        self.runtime.shutdown_timeout(RUNTIME_CLOSE);
        ended
    }

    /// Drains, ends and waits for it.
    ///
    /// # Errors
    /// As [`Self::join`].
    pub fn stop(self) -> Result<(), DaemonError> {
        self.request_stop();
        self.join()
    }
}

/// Starts the daemon. Servers that are away are waited for and named in
/// `/ready`.
///
/// # Errors
/// For settings that can't work, whatever the servers do.
pub fn start(settings: &Settings, hooks: Hooks) -> Result<DaemonHandle, StartError> {
    let kafka = settings.kafka.as_ref().ok_or(StartError::NoKafka)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(WORKER_THREADS)
        .thread_name("driftline-io")
        .enable_all()
        .build()
        .map_err(StartError::Threads)?;
    let registry = Registry::new();
    let metrics = register_metrics(&registry)?;
    let status = Arc::new(Status::new(settings.http.latest_windows, settings.windows.max_streams));
    let (control, told) = channel();
    let http_address = pages::serve(settings, &runtime, (&status, &registry), &control)?;
    let references = LearnedReferences::open(settings)?;
    let models = model_specs(settings, &references)?;
    let experiments = settings.frozen_experiments(&models)?;
    let explainers = start_explainers(settings, &models, &registry, &runtime)?;
    let core = Core::new(CoreSettings {
        mapping: settings.events.clone(),
        windows: settings.windows.clone(),
        models,
        max_message_bytes: kafka.max_message_bytes,
        delivered_until: None,
    })
    .with_alerts(settings.alerts.clone())
    .with_experiments(experiments);
    let sink = settings
        .influxdb
        .as_ref()
        .map(|influxdb| InfluxSink::start(influxdb, &registry, runtime.handle()))
        .transpose()?;
    let checkpoints = open_checkpoints(settings, &core, &registry, &status)?;
    let notifier = Notifier::start(&settings.notify, &registry, runtime.handle())?;
    let ledger = Ledger::new(checkpoints.is_some());
    let delivery = Delivery::new(sink, DeadLetters::start(kafka, &registry)?, notifier, ledger);
    let plan: Arc<dyn StartPlan> = match &checkpoints {
        Some(checkpoints) => checkpoints.plan(),
        None => Arc::new(ReplayPlan),
    };
    let (source, events) = KafkaSource::start(kafka, &registry, plan)?;
    let parts = Parts {
        core,
        source,
        events,
        delivery,
        references,
        explainers,
        checkpoints,
        status: Arc::clone(&status),
        metrics,
        registry: registry.clone(),
        control: told,
        hooks,
        runtime: runtime.handle().clone(),
        close_timeout: kafka.close_timeout,
    };
    let thread = start_pipeline(parts)?;
    let shutdown_timeout = settings.shutdown_timeout;
    Ok(DaemonHandle { control, thread, status, registry, http_address, shutdown_timeout, runtime })
}

/// Starts the explainers, and gives them the references that are there.
fn start_explainers(
    settings: &Settings,
    specs: &[ModelSpec],
    registry: &Registry,
    runtime: &Runtime,
) -> Result<Explainers, StartError> {
    let explained = settings.models.iter();
    let explained = explained.filter_map(|model| Some((model.name.clone(), model.explain.clone()?)));
    let explainers = Explainers::start(explained, settings.windows.slide_ms, registry, runtime.handle())?;
    for spec in specs {
        if let ReferenceSpec::Ready { reference, .. } = &spec.reference {
            explainers.set_reference(&spec.name, Arc::clone(reference));
        }
    }
    Ok(explainers)
}

/// The checkpoints in `state_dir`, when there is one; shows what the last one says of
/// experiments, so that something proven is known before Kafka is.
fn open_checkpoints(
    settings: &Settings,
    core: &Core,
    registry: &Registry,
    status: &Status,
) -> Result<Option<Checkpoints>, StartError> {
    let metrics = CheckpointMetrics::register(registry)?;
    let Some(folder) = &settings.state_dir else {
        status.set_experiments(core.experiments());
        tracing::info!("no state_dir is given: open windows are read again from Kafka after a restart");
        return Ok(None);
    };
    let (store, loaded) = Store::open(folder)?;
    status.set_experiments(match &loaded.checkpoint {
        Some(found) => core.experiments_of(&found.core),
        None => core.experiments(),
    });
    Checkpoints::start(store, loaded, core, metrics).map(Some)
}

fn register_metrics(registry: &Registry) -> Result<CoreMetrics, prometheus::Error> {
    ops::register_build_info(registry)?;
    ops::register_process_metrics(registry)?;
    CoreMetrics::register(registry)
}

fn start_pipeline(mut parts: Parts) -> Result<JoinHandle<Result<(), DaemonError>>, StartError> {
    let on_end = OnEnd(parts.hooks.on_end.take());
    let run = move || {
        let _on_end = on_end;
        Runner::new(parts).run()
    };
    std::thread::Builder::new().name("driftline-core".to_owned()).spawn(run).map_err(StartError::Threads)
}

/// Calls the hook when the thread ends, by a panic too.
struct OnEnd(Option<Box<dyn FnOnce() + Send>>);

impl Drop for OnEnd {
    fn drop(&mut self) {
        if let Some(on_end) = self.0.take() {
            on_end();
        }
    }
}
