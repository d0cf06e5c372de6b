//! The real programs that the tests run against: Kafka, InfluxDB 2 and 1,
//! Prometheus, Alertmanager, kcat, and the `driftline` binary itself.
//!
//! `scripts/prepare` puts the servers into a cache outside the checkout;
//! here they are started on free ports, each with a folder of its own under
//! `target/tmp/real-servers`, and ended with the test or, when shared, with the
//! test process. A server that this machine doesn't have makes the test print
//! `SKIPPED <test>: <reason>`, past the capture of the test runner and into the
//! file that `DRIFTLINE_SKIPPED` names, and return; one that is there but does
//! not start fails the test.

mod alertmanager;
mod certificates;
mod daemon;
mod folders;
pub mod http;
mod influx1;
mod influx2;
mod kafka;
mod kcat;
mod process;
mod prometheus;

use std::{
    collections::BTreeSet,
    fs::OpenOptions,
    io::Write as _,
    net::TcpListener,
    path::{Path, PathBuf},
    process::Command,
    sync::Mutex,
    thread,
    time::{Duration, Instant},
};

pub use alertmanager::Alertmanager;
pub use certificates::Certificates;
pub use daemon::{Api, Daemon, Finished, driftline};
pub use folders::folder;
pub use influx1::Influx1;
pub use influx2::{Influx2, Row};
pub use kafka::Kafka;
pub use kcat::Kcat;
pub use process::Process;
pub use prometheus::{Prometheus, promtool};

/// Why a test can't run on this machine.
#[derive(Debug, Clone)]
pub struct Missing(pub String);

/// Takes what a test needs, or says that the test is skipped.
pub fn or_skip<T>(needed: Result<T, Missing>) -> Option<T> {
    match needed {
        Ok(found) => Some(found),
        Err(Missing(reason)) => {
            skipped(&reason);
            None
        }
    }
}

/// Reports that the current test did not run, or not with its real input.
pub fn skipped(reason: &str) {
    let thread = thread::current();
    let line = format!("SKIPPED {}: {reason}\n", thread.name().unwrap_or("a test"));
    // Written to the stream itself: the runner captures only the print macros.
    std::io::stderr().write_all(line.as_bytes()).unwrap();
    if let Some(path) = std::env::var_os("DRIFTLINE_SKIPPED") {
        let mut file = OpenOptions::new().create(true).append(true).open(path).unwrap();
        file.write_all(line.as_bytes()).unwrap();
    }
}

/// The folder of a prepared server.
pub fn prepared(name: &str) -> Result<PathBuf, Missing> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/prepare");
    let output = Command::new(script).arg("--print").arg(name).output().unwrap();
    if output.status.success() {
        Ok(PathBuf::from(String::from_utf8(output.stdout).unwrap().trim_end()))
    } else {
        Err(Missing(String::from_utf8_lossy(&output.stderr).trim_end().to_owned()))
    }
}

/// Whether a program is on the path.
pub fn program(name: &str, package: &str) -> Result<(), Missing> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    if std::env::split_paths(&path).any(|folder| folder.join(name).is_file()) {
        Ok(())
    } else {
        Err(Missing(format!("{name} is not installed (Debian package {package})")))
    }
}

/// A port of the loopback address that was free a moment ago, another each
/// time: the system may give one again before its first user has bound it.
pub fn free_port() -> u16 {
    static GIVEN: Mutex<BTreeSet<u16>> = Mutex::new(BTreeSet::new());
    loop {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        if GIVEN.lock().unwrap().insert(port) {
            return port;
        }
    }
}

/// Asks again and again until there is an answer; only a hang meets the
/// deadline.
pub fn eventually<T>(what: &str, within: Duration, mut ask: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(start.elapsed() < within, "{what}: not within {within:?}");
        thread::sleep(Duration::from_millis(50));
    }
}

/// The deadline of everything that takes moments unless it hangs.
pub const SOON: Duration = Duration::from_secs(90);
