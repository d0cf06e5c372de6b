//! How experiments stand, among the daemon's metrics.
//!
//! Only what every experiment has at all times: the numbers of its metrics come and
//! go, and are points in InfluxDB and answers to queries instead.

use std::sync::Arc;

use prometheus::{
    GaugeVec, Opts, Registry,
    core::{Collector, Desc},
    proto::MetricFamily,
};

use super::{
    ExperimentPages,
    series::{STANDING, each_standing},
};
use crate::ops::{ServedExperiment, Status};

/// Looks at the experiments whenever metrics are gathered, so that a verdict that
/// has become stale is so here, too.
#[derive(Debug)]
pub struct ExperimentMetrics {
    pages: ExperimentPages,
    status: Arc<Status>,
    gauges: Vec<GaugeVec>,
}

impl ExperimentMetrics {
    /// Registers them for these experiments.
    ///
    /// # Errors
    /// When they are registered already.
    pub fn register(
        registry: &Registry,
        status: Arc<Status>,
        served: Vec<ServedExperiment>,
    ) -> prometheus::Result<()> {
        let gauges =
            STANDING.iter().map(|gauge| GaugeVec::new(Opts::new(gauge.name, gauge.help), &["experiment"]));
        let gauges = gauges.collect::<prometheus::Result<_>>()?;
        let pages = ExperimentPages { served, changer: None };
        registry.register(Box::new(Self { pages, status, gauges }))
    }
}

impl Collector for ExperimentMetrics {
    fn desc(&self) -> Vec<&Desc> {
        self.gauges.iter().flat_map(Collector::desc).collect()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        each_standing(&self.pages, &self.status, |id, standing| {
            for (gauge, of) in self.gauges.iter().zip(&STANDING) {
                gauge.with_label_values(&[id]).set(of.value(standing));
            }
        });
        self.gauges.iter().flat_map(Collector::collect).collect()
    }
}
