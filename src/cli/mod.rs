//! The command line: one file per command, each from arguments to exit code.

mod demo;
mod event_files;
mod exit;
mod importance;
mod publish;
mod reasons;
mod reference;
mod replay;
mod run;
mod test_rules;
mod validate;
mod verdicts;
mod window_output;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use exit::Exit;

/// Watches machine-learning models in production: drift on a stream, from
/// Kafka to InfluxDB.
#[derive(Debug, Parser)]
#[command(name = "driftline", version, about, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Show Driftline at work on simulated traffic; needs no server
    Demo(demo::Args),
    /// Run the daemon: from Kafka to InfluxDB
    Run(run::Args),
    /// Check a configuration file and, with --connect, the servers in it
    Validate(validate::Args),
    /// Build a model's reference from a file
    Reference(reference::Args),
    /// Score a file of events as the daemon would
    Replay(replay::Args),
    /// Say which features the model's predictions of labelled rows rest on
    Importance(importance::Args),
    /// Put a file's rows on a Kafka topic as events
    Publish(publish::Args),
    /// Test alert rules: windows in, expected alerts out
    TestRules(test_rules::Args),
}

/// Runs the program: arguments in, exit code out.
#[must_use]
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    let exit = match cli.command {
        Command::Demo(args) => demo::run(&args),
        Command::Run(args) => run::run(&args),
        Command::Validate(args) => validate::run(&args),
        Command::Reference(args) => reference::run(&args),
        Command::Replay(args) => replay::run(&args),
        Command::Importance(args) => importance::run(&args),
        Command::Publish(args) => publish::run(&args),
        Command::TestRules(args) => test_rules::run(&args),
    };
    exit.into()
}
