//! `driftline publish`.

use super::Exit;

/// Arguments of `driftline publish`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {}

pub(super) fn run(_args: &Args) -> Exit {
    Exit::Failure
}
