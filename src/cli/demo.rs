//! `driftline demo`.

use super::Exit;

/// Arguments of `driftline demo`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {}

pub(super) fn run(_args: &Args) -> Exit {
    Exit::Failure
}
