//! What the consumer counts.

use prometheus::{IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry, core::Collector};

/// What happened to an assignment; a label.
#[derive(Debug, Clone, Copy)]
pub(super) enum Rebalance {
    Assigned,
    Revoked,
    /// Taken away without being asked: another member may own it already.
    Lost,
    /// The start offsets could not be found out; the group is joined again.
    Failed,
}

/// What became of a commit; a label.
#[derive(Debug, Clone, Copy)]
pub(super) enum Outcome {
    Sent,
    /// By a broker, or for want of one; after it was sent, as a rule.
    Refused,
    /// Asked for under an assignment that is over.
    Stale,
}

/// What went wrong and was lived with; a label.
#[derive(Debug, Clone, Copy)]
pub(super) enum Trouble {
    /// A broker, or all of them, can't be reached or refuse us.
    Broker,
    /// A topic or partition can't be read at present.
    Partition,
    /// Polling stopped for longer than `max.poll.interval.ms`.
    PollInterval,
    /// The group's committed offsets could not be read, or not be sought to.
    Offsets,
    /// The commit metadata was not written by us.
    Metadata,
    /// librdkafka's statistics could not be read.
    Statistics,
}

/// The consumer's metrics.
#[derive(Debug)]
pub(super) struct Metrics {
    pub(super) messages: IntCounter,
    pub(super) bytes: IntCounter,
    pub(super) batches: IntCounter,
    pub(super) discarded: IntCounter,
    pub(super) unreadable_headers: IntCounter,
    pub(super) skipped_offsets: IntCounter,
    pub(super) jumps_back: IntCounter,
    pub(super) offset_resets: IntCounter,
    pub(super) pauses: IntCounter,
    pub(super) epoch: IntGauge,
    pub(super) assigned: IntGauge,
    pub(super) standby: IntGauge,
    pub(super) lag: IntGaugeVec,
    rebalances: IntCounterVec,
    commits: IntCounterVec,
    errors: IntCounterVec,
}

fn registered<C: Collector + Clone + 'static>(
    registry: &Registry,
    collector: prometheus::Result<C>,
) -> prometheus::Result<C> {
    let collector = collector?;
    registry.register(Box::new(collector.clone()))?;
    Ok(collector)
}

impl Metrics {
    pub(super) fn register(registry: &Registry) -> prometheus::Result<Self> {
        let counter = |name, help| registered(registry, IntCounter::new(name, help));
        let gauge = |name, help| registered(registry, IntGauge::new(name, help));
        let family = |name, help, labels: &[&str]| {
            registered(registry, IntCounterVec::new(Opts::new(name, help), labels))
        };
        Ok(Self {
            messages: counter("driftline_source_messages_total", "Messages handed over.")?,
            bytes: counter(
                "driftline_source_bytes_total",
                "Bytes of keys, payloads and headers handed over.",
            )?,
            batches: counter("driftline_source_batches_total", "Batches handed over.")?,
            discarded: counter(
                "driftline_source_discarded_messages_total",
                "Messages read and thrown away because their assignment ended; they are read again.",
            )?,
            unreadable_headers: counter(
                "driftline_source_unreadable_headers_total",
                "Message headers left out because their name is not UTF-8.",
            )?,
            skipped_offsets: counter(
                "driftline_source_skipped_offsets_total",
                "Offsets that held no message: transaction markers, compaction, or deleted by retention.",
            )?,
            jumps_back: counter(
                "driftline_source_offset_jumps_back_total",
                "Times a partition's offsets went back: its log was cut off or created anew.",
            )?,
            offset_resets: counter(
                "driftline_source_offset_resets_total",
                "Times an offset was no longer in the log and reading went on elsewhere.",
            )?,
            pauses: counter(
                "driftline_source_pauses_total",
                "Times reading was paused because what follows was too slow.",
            )?,
            epoch: gauge("driftline_source_epoch", "Number of the current assignment.")?,
            assigned: gauge("driftline_source_assigned_partitions", "Partitions read at present.")?,
            standby: gauge(
                "driftline_source_standby",
                "1 while another member of the group reads and this one stands by, else 0.",
            )?,
            lag: registered(
                registry,
                IntGaugeVec::new(
                    Opts::new(
                        "driftline_source_lag_messages",
                        "Offsets between what was handed over and the end of the partition, if owned.",
                    ),
                    &["topic", "partition"],
                ),
            )?,
            rebalances: family(
                "driftline_source_rebalances_total",
                "Changes of the assignment by kind.",
                &["kind"],
            )?,
            commits: family(
                "driftline_source_commits_total",
                "Commits by what became of them; a refused one was also sent.",
                &["outcome"],
            )?,
            errors: family(
                "driftline_source_errors_total",
                "Errors that reading went on after, by kind.",
                &["kind"],
            )?,
        })
    }

    pub(super) fn rebalance(&self, kind: Rebalance) {
        let label = match kind {
            Rebalance::Assigned => "assigned",
            Rebalance::Revoked => "revoked",
            Rebalance::Lost => "lost",
            Rebalance::Failed => "failed",
        };
        self.rebalances.with_label_values(&[label]).inc();
    }

    pub(super) fn commit(&self, outcome: Outcome) {
        let label = match outcome {
            Outcome::Sent => "sent",
            Outcome::Refused => "refused",
            Outcome::Stale => "stale",
        };
        self.commits.with_label_values(&[label]).inc();
    }

    pub(super) fn error(&self, kind: Trouble) {
        let label = match kind {
            Trouble::Broker => "broker",
            Trouble::Partition => "partition",
            Trouble::PollInterval => "poll_interval",
            Trouble::Offsets => "offsets",
            Trouble::Metadata => "metadata",
            Trouble::Statistics => "statistics",
        };
        self.errors.with_label_values(&[label]).inc();
    }
}
