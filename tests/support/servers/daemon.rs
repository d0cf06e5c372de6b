//! The `driftline` program as a user runs it.

use std::{path::Path, process::Command};

use super::{Process, SOON, free_port, http};

/// What a command left behind.
#[derive(Debug, Clone)]
pub struct Finished {
    /// Exit code.
    pub code: i32,
    /// Standard output.
    pub out: String,
    /// Standard error.
    pub err: String,
}

impl Finished {
    /// The same, if the command succeeded.
    pub fn success(self) -> Self {
        assert_eq!(self.code, 0, "{}\n{}", self.err, self.out);
        self
    }
}

/// Runs a `driftline` command to its end.
pub fn driftline<I, S>(arguments: I) -> Finished
where
    I: IntoIterator<Item = S>,
    S: AsRef<std::ffi::OsStr>,
{
    let output = Command::new(env!("CARGO_BIN_EXE_driftline")).args(arguments).output().unwrap();
    Finished {
        code: output.status.code().expect("ended by a signal"),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

/// A running daemon.
#[derive(Debug)]
pub struct Daemon {
    /// Its process.
    pub process: Process,
    /// What it says about itself.
    pub api: Api,
}

impl Daemon {
    /// Starts `driftline run` with its API on a free port, and waits until it is
    /// alive.
    pub fn start(config: &Path) -> Self {
        Self::start_under(&[], config)
    }

    /// As [`Self::start`], by a program that is given the daemon's command line.
    pub fn start_under(by: &[String], config: &Path) -> Self {
        let mut daemon = Self::launch_under(by, config);
        let api = daemon.api.clone();
        daemon.process.wait_for("is alive", SOON, || api.get("/live").filter(|answer| answer.status == 200));
        daemon
    }

    /// As [`Self::start`], without waiting for anything.
    pub fn launch(config: &Path) -> Self {
        Self::launch_under(&[], config)
    }

    fn launch_under(by: &[String], config: &Path) -> Self {
        let api = Api { address: format!("127.0.0.1:{}", free_port()) };
        let program = env!("CARGO_BIN_EXE_driftline");
        let mut command = match by {
            [] => Command::new(program),
            [first, rest @ ..] => {
                let mut command = Command::new(first);
                command.args(rest).arg(program);
                command
            }
        };
        command.args(["run", "--http-listen", &api.address, "--config"]).arg(config);
        let process = Process::start("driftline", &command, config.parent().unwrap());
        Self { process, api }
    }

    /// Waits until the daemon's API, or anything else, gives an answer.
    pub fn wait_for<T>(&mut self, what: &str, mut ask: impl FnMut(&Api) -> Option<T>) -> T {
        let api = &self.api;
        self.process.wait_for(what, SOON * 2, || ask(api))
    }

    /// Stops it as an operator does.
    pub fn stop(mut self) {
        let status = self.process.stop(SOON);
        assert!(status.success(), "{status}:\n{}", self.process.log());
    }
}

/// The HTTP side of a daemon.
#[derive(Debug, Clone)]
pub struct Api {
    /// `host:port`.
    pub address: String,
}

impl Api {
    /// A page; without an answer when nobody listens.
    pub fn get(&self, path: &str) -> Option<http::Answer> {
        http::get(&format!("http://{}{path}", self.address), None)
    }

    /// Whether everything works; the answer of `/ready` when not.
    pub fn ready(&self) -> Result<(), String> {
        match self.get("/ready") {
            Some(answer) if answer.status == 200 => Ok(()),
            answer => Err(answer.map(|answer| answer.body).unwrap_or_default()),
        }
    }

    /// Value of a metric, summed over the samples whose labels contain `labels`.
    pub fn metric(&self, name: &str, labels: &str) -> f64 {
        let page = self.get("/metrics").expect("the daemon answers").body;
        page.lines()
            .filter(|line| {
                let rest = line.strip_prefix(name);
                rest.is_some_and(|rest| rest.starts_with(['{', ' ']) && rest.contains(labels))
            })
            .map(|line| line.rsplit(' ').next().unwrap().parse::<f64>().unwrap())
            .sum()
    }
}
