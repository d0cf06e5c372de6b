//! The notifier: what the pipeline sees of all receivers.

use std::{sync::Arc, time::Duration};

use prometheus::Registry;
use tokio::{runtime::Handle, sync::watch, task::JoinHandle, time::Instant};

use super::{
    NotifyError, NotifySettings, ReceiverKind, ReceiverSettings,
    alertmanager::{Alerts, Instance, InstanceState},
    links::Links,
    metrics::Metrics,
    post::Poster,
    queue::{Done, Queue},
    worker::{Channel, Worker},
};
use crate::{
    alert::{Alert, AlertStatus, LABEL_MODEL, Notification, Selector, Severity},
    client::{self, Pacing},
};

/// How one receiver is doing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReceiverStatus {
    /// Its name.
    pub name: String,
    /// The word for its kind in the configuration.
    pub kind: &'static str,
    /// What is wrong and what to do; `None` when the last attempt went well, or
    /// there was none.
    pub problem: Option<String>,
    /// Notifications that wait or are under way.
    pub waiting: usize,
}

/// What a receiver wants to be told.
#[derive(Debug, Clone)]
pub(super) struct Interest {
    models: Selector,
    severities: Vec<Severity>,
    send_resolved: bool,
}

impl Interest {
    pub(super) fn new(settings: &ReceiverSettings) -> Self {
        Self {
            models: settings.models.clone(),
            severities: settings.severities.clone(),
            send_resolved: settings.send_resolved,
        }
    }

    fn covers(&self, model: &str, severity: Severity, status: AlertStatus) -> bool {
        self.severities.contains(&severity)
            && self.models.selects(model)
            && (self.send_resolved || status == AlertStatus::Firing)
    }

    pub(super) fn wants(&self, alert: &Alert) -> bool {
        self.covers(alert.label(LABEL_MODEL), alert.severity, alert.status)
    }

    /// The notification as this receiver wants it.
    fn part_of(&self, notification: &Arc<Notification>) -> Arc<Notification> {
        if self.send_resolved || notification.resolved().next().is_none() {
            return Arc::clone(notification);
        }
        let mut part = Notification::clone(notification);
        part.alerts.retain(|alert| alert.status == AlertStatus::Firing);
        Arc::new(part)
    }
}

/// What serves a receiver.
#[derive(Debug)]
enum Service {
    /// Notifications, one after the other.
    Queue { queue: Arc<Queue>, task: JoinHandle<()> },
    /// All alerts, again and again, to every instance.
    States(Vec<(Arc<InstanceState>, JoinHandle<()>)>),
}

#[derive(Debug)]
struct Receiver {
    name: String,
    kind: &'static str,
    interest: Interest,
    service: Service,
}

/// All receivers and the tasks that tell them. Dropping it ends the tasks.
#[derive(Debug)]
pub struct Notifier {
    receivers: Vec<Receiver>,
    alerts: watch::Sender<Alerts>,
    done: Done,
}

/// What every receiver's task is made with.
struct Surroundings<'a> {
    links: Arc<Links>,
    metrics: Metrics,
    pacing: Pacing,
    done: Done,
    alerts: watch::Receiver<Alerts>,
    runtime: &'a Handle,
}

impl Notifier {
    /// Starts a task per receiver on `runtime`, with metrics on `registry`. No
    /// receiver need be there to start.
    ///
    /// # Errors
    /// For settings that can't work whatever the receiver does.
    pub fn start(
        settings: &NotifySettings,
        registry: &Registry,
        runtime: &Handle,
    ) -> Result<Self, NotifyError> {
        Self::start_paced(settings, Pacing::default(), registry, runtime)
    }

    /// As [`start`](Self::start), with other pauses than the usual ones.
    ///
    /// # Errors
    /// As [`start`](Self::start).
    pub fn start_paced(
        settings: &NotifySettings,
        pacing: Pacing,
        registry: &Registry,
        runtime: &Handle,
    ) -> Result<Self, NotifyError> {
        let (alerts, watched) = watch::channel(Alerts::default());
        let surroundings = Surroundings {
            links: Arc::new(Links::new(settings)),
            metrics: Metrics::new(registry)?,
            pacing,
            done: Done::default(),
            alerts: watched,
            runtime,
        };
        let mut notifier = Self { receivers: Vec::new(), alerts, done: surroundings.done.clone() };
        for settings in &settings.receivers {
            let service = surroundings
                .serve(settings)
                .map_err(|reason| NotifyError::Receiver { receiver: settings.name.clone(), reason })?;
            notifier.receivers.push(Receiver {
                name: settings.name.clone(),
                kind: settings.kind.as_str(),
                interest: Interest::new(settings),
                service,
            });
        }
        Ok(notifier)
    }

    /// Names of the receivers that are to be told this; Alertmanager is never
    /// one, since it is told of states.
    pub fn receivers_for(&self, notification: &Notification) -> Vec<String> {
        let group = &notification.group;
        let model = group.model.as_deref().unwrap_or_default();
        self.receivers
            .iter()
            .filter(|receiver| matches!(receiver.service, Service::Queue { .. }))
            .filter(|receiver| receiver.interest.covers(model, group.severity, notification.status()))
            .map(|receiver| receiver.name.clone())
            .collect()
    }

    /// Queues a notification for these receivers. Never blocks. The caller
    /// keeps it until [`take_done`](Self::take_done) names every receiver.
    pub fn submit(&self, number: u64, notification: &Arc<Notification>, receivers: &[String]) {
        for name in receivers {
            let receiver = self.receivers.iter().find(|receiver| receiver.name == *name);
            match receiver.map(|receiver| (&receiver.service, &receiver.interest)) {
                Some((Service::Queue { queue, .. }, interest)) => {
                    queue.push(number, interest.part_of(notification));
                }
                Some((Service::States(_), _)) | None => {
                    let id = &notification.id;
                    tracing::warn!(
                        receiver = name,
                        id,
                        "there is no such receiver any more, it is told nothing"
                    );
                    self.done.add(number, name);
                }
            }
        }
    }

    /// Numbers and receivers that are done with since the last call: delivered,
    /// refused for good, given up or superseded.
    pub fn take_done(&self) -> Vec<(u64, String)> {
        self.done.take()
    }

    /// Forgets everything that waits: the caller will submit again what is
    /// still to be told, perhaps under other numbers. What was done with before
    /// is then not told twice.
    pub fn withdraw(&self) {
        for receiver in &self.receivers {
            if let Service::Queue { queue, .. } = &receiver.service {
                queue.withdraw();
            }
        }
        // Nothing from before is added any more.
        self.done.take();
    }

    /// The alerts that fire, and those that were over within the last 15
    /// minutes: what Alertmanager is told.
    pub fn set_alerts(&self, alerts: Arc<Vec<Alert>>) {
        self.alerts.send_if_modified(|current| {
            let is_new = *current != alerts;
            *current = alerts;
            is_new
        });
    }

    /// How every receiver is doing.
    pub fn status(&self) -> Vec<ReceiverStatus> {
        self.receivers.iter().map(Receiver::status).collect()
    }

    /// Tells what waits, makes one last attempt where a receiver is down, gives
    /// up after `deadline`, and says what was done with meanwhile, as
    /// [`take_done`](Self::take_done) does.
    pub async fn close(&mut self, deadline: Duration) -> Vec<(u64, String)> {
        for receiver in &self.receivers {
            if let Service::Queue { queue, .. } = &receiver.service {
                queue.close();
            }
        }
        let deadline = Instant::now() + deadline;
        for receiver in &mut self.receivers {
            if let Service::Queue { task, .. } = &mut receiver.service {
                // Both outcomes are told by what is done.
                let _ = tokio::time::timeout_at(deadline, task).await;
            }
        }
        self.done.take()
    }
}

impl Drop for Notifier {
    fn drop(&mut self) {
        for receiver in &self.receivers {
            match &receiver.service {
                Service::Queue { task, .. } => task.abort(),
                Service::States(instances) => instances.iter().for_each(|(_, task)| task.abort()),
            }
        }
    }
}

impl Receiver {
    fn status(&self) -> ReceiverStatus {
        let (problem, waiting) = match &self.service {
            Service::Queue { queue, task } => {
                let is_gone = task.is_finished().then(|| "its task has ended, which is a bug".to_owned());
                (is_gone.or_else(|| queue.problem()), queue.len())
            }
            Service::States(instances) => {
                let problems: Vec<String> =
                    instances.iter().filter_map(|(state, _)| state.problem()).collect();
                ((!problems.is_empty()).then(|| problems.join("; ")), 0)
            }
        };
        ReceiverStatus { name: self.name.clone(), kind: self.kind, problem, waiting }
    }
}

impl Surroundings<'_> {
    fn serve(&self, settings: &ReceiverSettings) -> Result<Service, String> {
        if let Some(channel) = Channel::new(settings)? {
            let metrics = self.metrics.of(&settings.name);
            let queue = Arc::new(Queue::new(&settings.name, self.done.clone(), metrics.clone()));
            let links = Arc::clone(&self.links);
            let worker = Worker::new(settings, channel, links, self.pacing, (Arc::clone(&queue), metrics));
            return Ok(Service::Queue { queue, task: self.runtime.spawn(worker.run()) });
        }
        let ReceiverKind::Alertmanager { urls, authorization, resend_interval } = &settings.kind else {
            return Ok(Service::States(Vec::new()));
        };
        let mut instances = Vec::with_capacity(urls.len());
        for url in urls {
            let base = client::base_url(url).map_err(|reason| format!("its url can't be used: {reason}"))?;
            let state = Arc::new(InstanceState::new(&base));
            let instance = Instance {
                receiver: settings.name.clone(),
                poster: Poster::new(settings, client::below(&base, "api/v2/alerts"), authorization.as_ref())?,
                interest: Interest::new(settings),
                resend_interval: *resend_interval,
                links: Arc::clone(&self.links),
                metrics: self.metrics.attempts_of(&settings.name),
                pacing: self.pacing,
                state: Arc::clone(&state),
            };
            instances.push((state, self.runtime.spawn(instance.run(self.alerts.clone()))));
        }
        Ok(Service::States(instances))
    }
}
