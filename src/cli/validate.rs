//! `driftline validate`.

use super::Exit;

/// Arguments of `driftline validate`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {}

pub(super) fn run(_args: &Args) -> Exit {
    Exit::Failure
}
