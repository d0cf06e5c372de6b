//! What the operating system asks for.

use std::io;

use tokio::{
    runtime::Handle,
    signal::unix::{SignalKind, signal},
};

/// What a signal means to the daemon.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signal {
    /// SIGTERM or SIGINT, for the first time: drain and stop.
    Stop,
    /// SIGTERM or SIGINT again: end at once.
    StopNow,
    /// SIGHUP: read the configuration again.
    Reload,
}

/// Calls `notify` for every signal, from a task on `runtime`.
///
/// # Errors
/// When the system refuses to hand signals over.
pub fn listen_for_signals(runtime: &Handle, notify: impl Fn(Signal) + Send + 'static) -> io::Result<()> {
    let _inside = runtime.enter();
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut hang_up = signal(SignalKind::hangup())?;
    runtime.spawn(async move {
        let mut stopping = false;
        loop {
            let received = tokio::select! {
                Some(()) = terminate.recv() => Signal::Stop,
                Some(()) = interrupt.recv() => Signal::Stop,
                Some(()) = hang_up.recv() => Signal::Reload,
                else => return,
            };
            match (received, stopping) {
                (Signal::Stop, true) => notify(Signal::StopNow),
                _ => notify(received),
            }
            stopping |= received == Signal::Stop;
        }
    });
    Ok(())
}
