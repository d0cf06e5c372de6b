//! `driftline reference`.

use super::Exit;

/// Arguments of `driftline reference`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {}

pub(super) fn run(_args: &Args) -> Exit {
    Exit::Failure
}
