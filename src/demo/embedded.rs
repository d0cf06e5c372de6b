//! The broker inside the process, and the daemon that reads from it.

use std::{
    collections::BTreeMap,
    fs,
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    time::Duration,
};

use rdkafka::{mocking::MockCluster, producer::DefaultProducerContext};

use super::{
    DemoError, experiments,
    traffic::MODEL,
    training::{self, BINS},
};
use crate::{
    alert::AlertSettings,
    config::{ModelSettings, ReferenceSource, Settings, TableMapping, default_rules},
    decode::EventMapping,
    drift::DriftSettings,
    notify::NotifySettings,
    ops::{HttpSettings, LogFormat, LogSettings},
    pipeline::{
        daemon::{self, DaemonHandle, Hooks, StartError},
        store_reference,
    },
    source::{KafkaSettings, StartOffset},
    window::WindowSettings,
};

/// Where the simulated events go.
pub(super) const TOPIC: &str = "loan-applications";
/// The broker keeps 5 MiB a partition, some 7,500 events before compression.
const PARTITIONS: i32 = 4;
/// Values below which a column is `insufficient`: noise alone makes a PSI of
/// 0.1 out of fewer.
const MIN_EVENTS: u64 = 300;

/// librdkafka's mock cluster: brokers on loopback ports, without a disk.
pub(super) struct Broker {
    cluster: MockCluster<'static, DefaultProducerContext>,
}

impl Broker {
    pub(super) fn start() -> Result<Self, DemoError> {
        let cluster = MockCluster::new(1).map_err(DemoError::Broker)?;
        cluster.create_topic(TOPIC, PARTITIONS, 1).map_err(DemoError::Broker)?;
        Ok(Self { cluster })
    }

    /// How to reach it.
    pub(super) fn settings(&self) -> KafkaSettings {
        KafkaSettings {
            brokers: self.cluster.bootstrap_servers(),
            group: "driftline-demo".to_owned(),
            instance_id: None,
            topics: vec![TOPIC.to_owned()],
            start: StartOffset::Earliest,
            dead_letter_topic: None,
            max_message_bytes: 1 << 20,
            close_timeout: Duration::from_secs(5),
            // An empty answer of this broker takes as long as it may.
            librdkafka: BTreeMap::from([("fetch.wait.max.ms".to_owned(), "10".to_owned().into())]),
        }
    }
}

/// A folder for the reference, removed when this is dropped.
#[derive(Debug)]
pub(super) struct Folder(PathBuf);

impl Folder {
    pub(super) fn new() -> Result<Self, DemoError> {
        let path = std::env::temp_dir().join(format!("driftline-demo-{}", std::process::id()));
        fs::create_dir_all(&path).map_err(|source| DemoError::Folder { path: path.clone(), source })?;
        Ok(Self(path))
    }

    /// Builds the reference and stores it here.
    pub(super) fn store_reference(&self, seed: u64) -> Result<PathBuf, DemoError> {
        let path = self.0.join("credit-risk.reference.json");
        store_reference(&path, &training::reference(seed)?)?;
        Ok(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // A folder of a few files in the temporary directory: nobody misses it.
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Starts the daemon; on another port, with a sentence that says so, when the
/// wanted one is taken.
pub(super) fn start_daemon(
    kafka: KafkaSettings,
    reference: &Path,
    port: u16,
    hooks: impl Fn() -> Hooks,
) -> Result<(DaemonHandle, Option<String>), DemoError> {
    let mut settings = settings(kafka, reference, port);
    match daemon::start(&settings, hooks()) {
        Ok(daemon) => Ok((daemon, None)),
        Err(StartError::Listen { address, .. }) => {
            settings.http.listen.set_port(0);
            let daemon = daemon::start(&settings, hooks())?;
            let notice = format!("{address} is taken: HTTP is on http://{}", daemon.http_address());
            Ok((daemon, Some(notice)))
        }
        Err(error) => Err(error.into()),
    }
}

fn settings(kafka: KafkaSettings, reference: &Path, port: u16) -> Settings {
    let folder = reference.parent().unwrap_or(reference).to_owned();
    Settings {
        kafka: Some(kafka),
        events: EventMapping::default(),
        windows: WindowSettings {
            min_events: MIN_EVENTS,
            // Simulated time runs faster than the clock and would overtake it.
            max_future_ms: i64::MAX,
            ..WindowSettings::default()
        },
        models: vec![ModelSettings {
            name: MODEL.to_owned(),
            reference: ReferenceSource::File(reference.to_owned()),
            bins: BINS,
            drift: DriftSettings::default(),
            segments: Vec::new(),
            max_segments: 1,
            features: BTreeMap::new(),
            join: None,
            explain: None,
            table: TableMapping::default(),
        }],
        served_experiments: experiments::served(),
        experiments: experiments::experiments(),
        winsorised: Vec::new(),
        influxdb: None,
        http: HttpSettings { listen: SocketAddr::from((Ipv4Addr::LOCALHOST, port)), latest_windows: 48 },
        log: LogSettings { level: "off".to_owned(), format: LogFormat::Text },
        alerts: AlertSettings { rules: default_rules(), ..AlertSettings::default() },
        notify: NotifySettings::default(),
        api_token: None,
        state_dir: Some(folder.clone()),
        references_dir: folder,
        shutdown_timeout: Duration::from_secs(5),
    }
}
