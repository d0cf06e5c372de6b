//! The task of one receiver: tells it one notification after the other.
//!
//! A notification that can't be delivered is tried again, with growing and
//! random pauses, until it is delivered, refused or too old; those behind it
//! wait, since "over" must not come before "on". The pause belongs to the
//! receiver: a queue of many doesn't make a server that is ill worse.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use tokio::time::{Instant, sleep_until, timeout};

use super::{
    ReceiverKind, ReceiverSettings,
    attempt::Attempt,
    command::Program,
    email::{Email, Server},
    links::Links,
    metrics::{AttemptOutcome, Outcome, ReceiverMetrics},
    pagerduty::PagerDuty,
    queue::{Job, Queue},
    slack::Slack,
    webhook::Webhook,
};
use crate::{alert::Notification, client::Pacing, event::EventTime};

/// The way to one receiver of notifications.
#[derive(Debug)]
pub(super) enum Channel {
    Webhook(Webhook),
    Slack(Slack),
    PagerDuty(PagerDuty),
    Email(Box<Email>),
    Program(Program),
}

impl Channel {
    /// `None` for Alertmanager, which is told of states.
    pub(super) fn new(settings: &ReceiverSettings) -> Result<Option<Self>, String> {
        Ok(Some(match &settings.kind {
            ReceiverKind::Webhook { url, signing_secrets, authorization } => {
                Self::Webhook(Webhook::new(settings, url, signing_secrets, authorization.as_ref())?)
            }
            ReceiverKind::Slack { url } => Self::Slack(Slack::new(settings, url)?),
            ReceiverKind::PagerDuty { routing_key, url } => {
                Self::PagerDuty(PagerDuty::new(settings, routing_key, url)?)
            }
            ReceiverKind::Email { host, port, tls, credentials, from, to } => {
                let server = Server { host, port: *port, tls: *tls, credentials: credentials.as_ref() };
                Self::Email(Box::new(Email::new(settings, server, from, to)?))
            }
            ReceiverKind::Command { command } => Self::Program(Program::new(settings, command)?),
            ReceiverKind::Alertmanager { .. } => return Ok(None),
        }))
    }

    async fn deliver(&self, notification: &Notification, links: &Links) -> Attempt {
        match self {
            Self::Webhook(webhook) => webhook.deliver(notification, links).await,
            Self::Slack(slack) => slack.deliver(notification, links).await,
            Self::PagerDuty(pagerduty) => pagerduty.deliver(notification, links).await,
            Self::Email(email) => email.deliver(notification, links).await,
            Self::Program(program) => program.deliver(notification, links).await,
        }
    }
}

/// How a pause ended.
#[derive(Debug, PartialEq, Eq)]
enum Pause {
    /// The time has come.
    Over,
    /// The queue begins with something else now, or with something too old.
    Moot,
    /// The last attempt has been made.
    Closed,
}

/// Tells one receiver.
#[derive(Debug)]
pub(super) struct Worker {
    receiver: String,
    channel: Channel,
    links: Arc<Links>,
    queue: Arc<Queue>,
    metrics: ReceiverMetrics,
    pacing: Pacing,
    timeout: Duration,
    give_up_after: Duration,
    schedule: Schedule,
}

/// When the next attempt may be made.
#[derive(Debug, Default)]
struct Schedule {
    /// Failed attempts in a row.
    failures: u32,
    /// Not before this.
    pause_until: Option<Instant>,
    /// Whether the pause that closing cuts short has been.
    is_hurried: bool,
}

impl Worker {
    pub(super) fn new(
        settings: &ReceiverSettings,
        channel: Channel,
        links: Arc<Links>,
        pacing: Pacing,
        (queue, metrics): (Arc<Queue>, ReceiverMetrics),
    ) -> Self {
        Self {
            receiver: settings.name.clone(),
            channel,
            links,
            queue,
            metrics,
            pacing,
            timeout: settings.timeout,
            give_up_after: settings.give_up_after,
            schedule: Schedule::default(),
        }
    }

    /// Delivers until the queue is closed and empty, or closed and the receiver
    /// down.
    pub(super) async fn run(mut self) {
        while let Some(job) = self.queue.next().await {
            if age(&job.notification) >= self.give_up_after {
                self.give_up(&job);
                continue;
            }
            match self.pause(&job).await {
                Pause::Over => {}
                Pause::Moot => continue,
                Pause::Closed => return,
            }
            if !self.queue.begin(&job) {
                continue;
            }
            let attempt = timeout(self.timeout, self.channel.deliver(&job.notification, &self.links)).await;
            match attempt.unwrap_or_else(|_| Attempt::again(format!("no answer within {:?}", self.timeout))) {
                Attempt::Delivered => self.delivered(&job),
                Attempt::Again { why, retry_after } => self.failed(&job, &why, retry_after),
                Attempt::Refused { why } => self.refused(&job, why),
            }
        }
    }

    /// Waits until the next attempt may be made. Closing ends one pause early,
    /// for a last attempt in time.
    async fn pause(&mut self, job: &Job) -> Pause {
        while let Some(until) = self.schedule.pause_until.filter(|until| Instant::now() < *until) {
            if self.queue.is_closing() {
                let is_last = std::mem::replace(&mut self.schedule.is_hurried, true);
                return if is_last { Pause::Closed } else { Pause::Over };
            }
            let left = self.give_up_after.saturating_sub(age(&job.notification));
            if left.is_zero() || !self.queue.is_first(job) {
                return Pause::Moot;
            }
            // An age limit beyond the clock's range never ends a pause.
            let until = Instant::now().checked_add(left).map_or(until, |end| end.min(until));
            tokio::select! {
                () = self.queue.changed() => {}
                () = sleep_until(until) => {}
            }
        }
        Pause::Over
    }

    fn delivered(&mut self, job: &Job) {
        if self.schedule.failures > 0 {
            let failures = self.schedule.failures;
            tracing::info!(receiver = self.receiver, failures, "the receiver takes notifications again");
        }
        self.schedule = Schedule::default();
        self.metrics.attempts.attempted(AttemptOutcome::Ok);
        self.metrics.delivered_after(age(&job.notification).as_secs_f64());
        self.queue.finish(job, Outcome::Delivered, None);
    }

    fn failed(&mut self, job: &Job, why: &str, retry_after: Option<Duration>) {
        let schedule = &mut self.schedule;
        schedule.failures = schedule.failures.saturating_add(1);
        schedule.pause_until = Instant::now().checked_add(self.pacing.pause(schedule.failures, retry_after));
        self.metrics.attempts.attempted(AttemptOutcome::Retried);
        tracing::warn!(receiver = self.receiver, attempt = schedule.failures, "{why}");
        self.queue.failed(job, why);
    }

    fn refused(&mut self, job: &Job, why: String) {
        let id = &job.notification.id;
        tracing::error!(receiver = self.receiver, id, "a notification is refused for good: {why}");
        self.schedule = Schedule::default();
        self.metrics.attempts.attempted(AttemptOutcome::Failed);
        self.queue.finish(job, Outcome::Refused, Some(why));
    }

    fn give_up(&self, job: &Job) {
        let id = &job.notification.id;
        let why = self.queue.problem();
        tracing::error!(
            receiver = self.receiver,
            id,
            "a notification is given up, it is older than {:?}: {}",
            self.give_up_after,
            why.as_deref().unwrap_or("it came too late")
        );
        self.queue.finish(job, Outcome::GivenUp, why);
    }
}

/// The clock.
pub(super) fn now() -> EventTime {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    EventTime(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

/// How long ago it was made; zero when that is in the future.
fn age(notification: &Notification) -> Duration {
    let ms = now().0.saturating_sub(notification.made_at.0);
    Duration::from_millis(u64::try_from(ms).unwrap_or_default())
}
