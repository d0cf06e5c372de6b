//! The `driftline` program as a user runs it.

use std::{fs, path::PathBuf, process::Command};

use super::{Process, SOON, folder, free_port, http};

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
    /// Where it was started.
    pub folder: PathBuf,
    listen: String,
}

impl Daemon {
    /// Starts `driftline run` with a configuration, to which the address of the
    /// API is added, and waits until it is alive.
    pub fn start(config: &str) -> Self {
        let folder = folder("daemon");
        let listen = format!("127.0.0.1:{}", free_port());
        let file = folder.join("driftline.toml");
        fs::write(&file, format!("{config}\n[http]\nlisten = \"{listen}\"\n")).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_driftline"));
        command.arg("run").arg("--config").arg(&file);
        let mut process = Process::start("driftline", &command, &folder);
        let live = format!("http://{listen}/live");
        process.wait_for("is alive", SOON, || http::get(&live, None).filter(|answer| answer.status == 200));
        Self { process, folder, listen }
    }

    /// `host:port` of its API.
    pub fn address(&self) -> &str {
        &self.listen
    }

    /// A page of its API.
    pub fn get(&self, path: &str) -> http::Answer {
        let url = format!("http://{}{path}", self.listen);
        http::get(&url, None).unwrap_or_else(|| panic!("no answer:\n{}", self.process.log()))
    }

    /// Waits until an answer satisfies the caller.
    pub fn wait_for<T>(&mut self, what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
        self.process.wait_for(what, SOON * 2, &mut ask)
    }

    /// Value of a metric, summed over the samples whose labels contain `labels`.
    pub fn metric(&self, name: &str, labels: &str) -> f64 {
        let page = self.get("/metrics").body;
        page.lines()
            .filter(|line| {
                let rest = line.strip_prefix(name);
                rest.is_some_and(|rest| rest.starts_with(['{', ' ']) && rest.contains(labels))
            })
            .map(|line| line.rsplit(' ').next().unwrap().parse::<f64>().unwrap())
            .sum()
    }
}
