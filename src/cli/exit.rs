//! How a command ends.

use std::process::ExitCode;

/// The exit codes of the program (`sysexits.h` where it has one).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Exit {
    /// 0: it did what it was asked to.
    Success,
    /// 1: it could not; standard error says why.
    Failure,
    /// 69: a server that it needs does not answer or refuses.
    Unavailable,
    /// 78: the configuration has errors.
    Config,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(match exit {
            Exit::Success => 0,
            Exit::Failure => 1,
            Exit::Unavailable => 69,
            Exit::Config => 78,
        })
    }
}
