//! `driftline run`.

use super::Exit;

/// Arguments of `driftline run`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {}

pub(super) fn run(_args: &Args) -> Exit {
    Exit::Failure
}
