//! `driftline publish`: a file's rows on a topic, as the events that a
//! producer would have sent.

use std::{
    path::PathBuf,
    time::{Duration, Instant},
};

use indicatif::ProgressBar;

use super::{
    Exit,
    event_files::{TableArgs, event_options, load_config, model_of, note_sorting, plural, row_bar, scan},
};
use crate::{
    config::Settings,
    decode::EventMapping,
    event::MessageBatch,
    ops::grouped,
    source::{KafkaSettings, Producer, PublishError, files::EventFiles},
};

/// Events handed to the client at once.
const BATCH_EVENTS: usize = 256;
/// Longer than the 30 s for which librdkafka waits for a topic to appear, so
/// that a topic that is not there is told as such.
const CONFIRM_SECONDS: u64 = 40;
/// Arguments of `driftline publish`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Configuration file with a kafka section
    #[arg(long, short, value_name = "FILE")]
    config: PathBuf,
    /// CSV, NDJSON or Parquet files, one stream in this order
    #[arg(value_name = "EVENTS", required = true)]
    events: Vec<PathBuf>,
    /// Topic to publish on
    #[arg(long, value_name = "TOPIC")]
    topic: String,
    /// The model that rows of tables belong to
    #[arg(long, value_name = "NAME")]
    model: Option<String>,
    /// Events a second, at most
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    rate: Option<u64>,
    /// Events in all, at most
    #[arg(long, value_name = "N")]
    limit: Option<u64>,
    /// How long the broker may give no confirmation before publishing ends
    #[arg(long, value_name = "SECONDS", default_value_t = CONFIRM_SECONDS, value_parser = clap::value_parser!(u64).range(1..))]
    confirm_timeout: u64,
    #[command(flatten)]
    table: TableArgs,
}

pub(super) fn run(args: &Args) -> Exit {
    let Some(loaded) = load_config(&args.config, &[]) else { return Exit::Config };
    let settings = loaded.settings;
    let Some(kafka) = settings.kafka.clone() else {
        eprintln!("error: {}: publishing needs [kafka] with the brokers", args.config.display());
        return Exit::Config;
    };
    match publish(args, &settings, &kafka) {
        Ok(()) => Exit::Success,
        Err(error) => {
            eprintln!("error: {error:#}");
            match error.downcast_ref() {
                Some(PublishError::Start(_)) => Exit::Config,
                Some(PublishError::Undelivered { .. }) => Exit::Unavailable,
                _ => Exit::Failure,
            }
        }
    }
}

fn publish(args: &Args, settings: &Settings, kafka: &KafkaSettings) -> anyhow::Result<()> {
    let model = model_of(&settings.models, args.model.as_deref())?;
    let files = scan(&args.events, event_options(&args.table, model, &settings.events))?;
    if files.mapping() != settings.events && settings.events != EventMapping::default() {
        eprintln!(
            "warning: the rows become events in Driftline's own envelope, which the mapping in [events] does not read"
        );
    }
    // A consumer forgives as much disorder as its own lateness.
    let lateness = settings.windows.lateness_ms;
    note_sorting(&files, lateness);
    let producer = Producer::start(kafka, &args.topic)?;
    let bar = row_bar(&files, "publishing");
    let timeout = Duration::from_secs(args.confirm_timeout);
    let started = Instant::now();
    let mut sender =
        Sender { producer, pace: Pace { rate: args.rate, started, sent: 0 }, left: args.limit, timeout };
    let sent = sender.send_all(&files, lateness, &bar);
    bar.set_message("waiting for the broker");
    let confirmed = sender.producer.finish(timeout);
    bar.finish_and_clear();
    sent?;
    let confirmed = confirmed?;
    let seconds = started.elapsed().as_secs_f64();
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a rate for people"
    )]
    let rate = (confirmed as f64 / seconds.max(1e-9)) as u64;
    println!(
        "{} on {}, all confirmed, in {seconds:.1} s ({} a second)",
        plural(confirmed, "event"),
        args.topic,
        grouped(rate)
    );
    Ok(())
}

/// Sends events until there are no more, or none may be sent.
struct Sender {
    producer: Producer,
    pace: Pace,
    left: Option<u64>,
    timeout: Duration,
}

impl Sender {
    fn send_all(&mut self, files: &EventFiles, lateness_ms: i64, bar: &ProgressBar) -> anyhow::Result<()> {
        let mut reader = files.events(lateness_ms);
        let mut batch = MessageBatch::default();
        let (mut delivered, mut since) = (0, Instant::now());
        let mut more = true;
        while more {
            batch.clear();
            more = reader.fill(&mut batch, BATCH_EVENTS)?;
            for message in batch.iter() {
                if self.left == Some(0) {
                    return Ok(());
                }
                self.left = self.left.map(|left| left - 1);
                self.pace.wait(&self.producer);
                self.producer.send(message.key.unwrap_or_default(), message.value.unwrap_or_default())?;
            }
            bar.set_position(reader.rows_done());
            if self.producer.delivered() > delivered {
                (delivered, since) = (self.producer.delivered(), Instant::now());
            } else if since.elapsed() > self.timeout && self.producer.trouble().is_some() {
                // What was sent so far is reported as undelivered.
                return Ok(());
            }
        }
        Ok(())
    }
}

/// How fast events are sent.
struct Pace {
    rate: Option<u64>,
    started: Instant,
    sent: u64,
}

impl Pace {
    /// Sleeps until the next event is due.
    fn wait(&mut self, producer: &Producer) {
        let Some(rate) = self.rate else { return };
        #[expect(clippy::cast_precision_loss, reason = "a time to sleep for")]
        let due = Duration::from_secs_f64(self.sent as f64 / rate as f64);
        self.sent += 1;
        let early = due.saturating_sub(self.started.elapsed());
        // Shorter sleeps cost more than they are late.
        if early > Duration::from_millis(1) {
            producer.serve();
            std::thread::sleep(early);
        }
    }
}
