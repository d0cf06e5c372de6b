//! Metrics of the process itself, under the names that Prometheus dashboards
//! expect. On systems without `/proc` there are none.

use std::fs;

use prometheus::{
    Gauge, IntGauge, Opts,
    core::{Collector, Desc},
    proto::MetricFamily,
};

/// `USER_HZ`: the kernel shows times to user space in hundredths of a second
/// on every architecture that we build for.
const TICKS_PER_SECOND: f64 = 100.0;
/// Bytes of a kibibyte, the unit of `/proc/self/status`.
const KIB: i64 = 1_024;

/// Reads `/proc/self` whenever metrics are gathered.
pub(super) struct ProcessCollector {
    cpu_seconds: prometheus::Counter,
    resident_bytes: IntGauge,
    virtual_bytes: IntGauge,
    open_files: IntGauge,
    threads: IntGauge,
    start_seconds: Gauge,
}

impl ProcessCollector {
    pub(super) fn new() -> prometheus::Result<Self> {
        let gauge = |name: &str, help: &str| IntGauge::new(name, help);
        let collector = Self {
            cpu_seconds: prometheus::Counter::new(
                "process_cpu_seconds_total",
                "User and system CPU time spent, in seconds.",
            )?,
            resident_bytes: gauge("process_resident_memory_bytes", "Resident memory, in bytes.")?,
            virtual_bytes: gauge("process_virtual_memory_bytes", "Virtual memory, in bytes.")?,
            open_files: gauge("process_open_fds", "Open file descriptors.")?,
            threads: gauge("process_threads", "Threads of the process.")?,
            start_seconds: Gauge::with_opts(Opts::new(
                "process_start_time_seconds",
                "Start of the process, in seconds since 1970.",
            ))?,
        };
        if let Some(start) = start_time() {
            collector.start_seconds.set(start);
        }
        Ok(collector)
    }

    fn refresh(&self) {
        if let Some(seconds) = cpu_seconds() {
            self.cpu_seconds.inc_by((seconds - self.cpu_seconds.get()).max(0.0));
        }
        let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
        let value = |key: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(key))?;
            line.split_whitespace().next()?.parse::<i64>().ok()
        };
        let set = |gauge: &IntGauge, value: Option<i64>| gauge.set(value.unwrap_or_default());
        set(&self.resident_bytes, value("VmRSS:").map(|kib| kib * KIB));
        set(&self.virtual_bytes, value("VmSize:").map(|kib| kib * KIB));
        set(&self.threads, value("Threads:"));
        // One of them is the directory that is being read.
        let files = fs::read_dir("/proc/self/fd").map(|entries| entries.count().saturating_sub(1));
        set(&self.open_files, files.ok().and_then(|count| i64::try_from(count).ok()));
    }

    fn parts(&self) -> [&dyn Collector; 6] {
        [
            &self.cpu_seconds,
            &self.resident_bytes,
            &self.virtual_bytes,
            &self.open_files,
            &self.threads,
            &self.start_seconds,
        ]
    }
}

impl Collector for ProcessCollector {
    fn desc(&self) -> Vec<&Desc> {
        self.parts().into_iter().flat_map(Collector::desc).collect()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        self.refresh();
        self.parts().into_iter().flat_map(Collector::collect).collect()
    }
}

/// The fields of `/proc/self/stat` from the third on; the second is the name
/// of the program in brackets, which may hold anything.
fn stat() -> Option<Vec<f64>> {
    let text = fs::read_to_string("/proc/self/stat").ok()?;
    let (_, rest) = text.rsplit_once(')')?;
    Some(rest.split_whitespace().map(|field| field.parse().unwrap_or(f64::NAN)).collect())
}

/// Fields 14 and 15 of proc(5): user and system time.
fn cpu_seconds() -> Option<f64> {
    let stat = stat()?;
    let seconds = (stat.get(11)? + stat.get(12)?) / TICKS_PER_SECOND;
    seconds.is_finite().then_some(seconds)
}

/// Field 22 of proc(5): start after boot; the boot is in `/proc/stat`.
fn start_time() -> Option<f64> {
    let text = fs::read_to_string("/proc/stat").ok()?;
    let boot: f64 = text.lines().find_map(|line| line.strip_prefix("btime "))?.trim().parse().ok()?;
    let seconds = boot + stat()?.get(19)? / TICKS_PER_SECOND;
    seconds.is_finite().then_some(seconds)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_process_sees_itself() {
        let collector = ProcessCollector::new().expect("fixed names");
        let families = collector.collect();
        let value = |name: &str| {
            let family = families.iter().find(|family| family.name() == name).expect(name);
            let metric = family.get_metric().first().expect("one value");
            metric.get_gauge().get_value() + metric.get_counter().get_value()
        };
        assert!(value("process_resident_memory_bytes") > 1e6);
        assert!(value("process_virtual_memory_bytes") >= value("process_resident_memory_bytes"));
        assert!(value("process_open_fds") >= 3.0);
        assert!(value("process_threads") >= 1.0);
        // Started within the last day, by the clock of this machine.
        let now = jiff::Timestamp::now().as_second();
        let started = value("process_start_time_seconds");
        #[expect(clippy::cast_precision_loss, reason = "seconds since 1970 are far below 2^53")]
        let age = now as f64 - started;
        assert!((-5.0..86_400.0).contains(&age), "started {age} s ago");
    }
}
