//! `driftline demo`.

use std::io::{self, IsTerminal as _};

use super::Exit;
use crate::demo::{self, DemoSettings};

/// Arguments of `driftline demo`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Seed of the simulated traffic; the same seed gives the same scores
    #[arg(long, value_name = "NUMBER", default_value_t = 1)]
    seed: u64,
    /// Simulated hours in one second, 0.01 to 1000
    #[arg(long, value_name = "HOURS", default_value_t = 1.0, value_parser = speed)]
    speed: f64,
    /// Stop after so many events
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u64).range(1..))]
    events: Option<u64>,
    /// Print a line for each window instead of a picture; always so when the output is no terminal
    #[arg(long)]
    plain: bool,
    /// Port on loopback for /metrics and the API; any free one if it is taken
    #[arg(long, value_name = "PORT", default_value_t = 9640)]
    port: u16,
}

fn speed(text: &str) -> Result<f64, String> {
    let speed: f64 = text.parse().map_err(|_| format!("{text:?} is no number"))?;
    if (0.01..=1000.0).contains(&speed) { Ok(speed) } else { Err("must be between 0.01 and 1000".to_owned()) }
}

pub(super) fn run(args: &Args) -> Exit {
    let settings = DemoSettings {
        seed: args.seed,
        hours_per_second: args.speed,
        events: args.events,
        plain: args.plain || !io::stdout().is_terminal(),
        port: args.port,
    };
    match demo::run(&settings) {
        Ok(()) => Exit::Success,
        Err(error) => {
            eprintln!("error: {error}");
            Exit::Failure
        }
    }
}
