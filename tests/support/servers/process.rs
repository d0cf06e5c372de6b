//! A child process that can't outlive the tests.

use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    sync::{LazyLock, Mutex, mpsc},
    thread,
    time::{Duration, Instant},
};

use super::{eventually, program};

/// A running program with its output in a file; killed when dropped.
#[derive(Debug)]
pub struct Process {
    name: String,
    child: Child,
    log: PathBuf,
}

impl Process {
    /// Starts a program; `folder` gets its output as `<name>.log`.
    pub fn start(name: &str, command: &Command, folder: &Path) -> Self {
        let log = folder.join(format!("{name}.log"));
        let out = File::options().create(true).append(true).open(&log).unwrap();
        let mut guarded = guarded(command);
        guarded.stdin(Stdio::null()).stderr(out.try_clone().unwrap()).stdout(out);
        let child = spawn(guarded).unwrap_or_else(|error| panic!("{name} does not start: {error}"));
        Self { name: name.to_owned(), child, log }
    }

    /// Everything it has printed so far.
    pub fn log(&self) -> String {
        String::from_utf8_lossy(&fs::read(&self.log).unwrap()).into_owned()
    }

    /// Waits until `ready` gives an answer; fails with the log when the program
    /// ends before or the deadline passes.
    pub fn wait_for<T>(&mut self, what: &str, within: Duration, mut ready: impl FnMut() -> Option<T>) -> T {
        let start = Instant::now();
        loop {
            if let Some(answer) = ready() {
                return answer;
            }
            let ended = self.child.try_wait().unwrap();
            assert!(
                ended.is_none() && start.elapsed() < within,
                "{}: {what}: {}\n{}",
                self.name,
                ended.map_or("not in time".to_owned(), |status| format!("ended, {status}")),
                self.log()
            );
            thread::sleep(Duration::from_millis(50));
        }
    }

    /// Sends a signal by name, such as `TERM`.
    pub fn signal(&self, signal: &str) {
        let pid = self.child.id().to_string();
        let status = Command::new("kill").args(["-s", signal, &pid]).status().unwrap();
        assert!(status.success(), "no {signal} for {}", self.name);
    }

    /// Asks it to stop and waits for its end.
    pub fn stop(&mut self, within: Duration) -> ExitStatus {
        self.signal("TERM");
        self.wait(within)
    }

    /// Waits for its end.
    pub fn wait(&mut self, within: Duration) -> ExitStatus {
        let child = &mut self.child;
        eventually(&format!("the end of {}", self.name), within, || child.try_wait().unwrap())
    }

    /// Ends it at once, as a crash does.
    pub fn kill(&mut self) {
        // Refused only when it has ended already.
        self.child.kill().ok();
        self.child.wait().unwrap();
    }

    /// Whether it still runs.
    pub fn runs(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

/// The command under `setpriv`, which has the kernel kill it when its parent
/// dies: a destructor does not run when the test process is killed, nor for
/// what lives in a static.
fn guarded(command: &Command) -> Command {
    let mut guarded = if program("setpriv", "util-linux").is_ok() {
        let mut guarded = Command::new("setpriv");
        guarded.args(["--pdeathsig", "KILL", "--"]).arg(command.get_program());
        guarded
    } else {
        Command::new(command.get_program())
    };
    guarded.args(command.get_args());
    for (key, value) in command.get_envs() {
        match value {
            Some(value) => guarded.env(key, value),
            None => guarded.env_remove(key),
        };
    }
    if let Some(folder) = command.get_current_dir() {
        guarded.current_dir(folder);
    }
    guarded
}

type Job = (Command, mpsc::Sender<io::Result<Child>>);

/// Spawns from one thread that lives as long as the process: the kernel takes
/// the *thread* that spawned a child for its parent, and a test's thread ends
/// before the servers that it shares with others.
fn spawn(command: Command) -> io::Result<Child> {
    static SPAWNER: LazyLock<Mutex<mpsc::Sender<Job>>> = LazyLock::new(|| {
        let (sender, jobs) = mpsc::channel::<Job>();
        thread::spawn(move || {
            for (mut command, reply) in jobs {
                reply.send(command.spawn()).ok();
            }
        });
        Mutex::new(sender)
    });
    let (reply, child) = mpsc::channel();
    SPAWNER.lock().unwrap().send((command, reply)).unwrap();
    child.recv().unwrap()
}
