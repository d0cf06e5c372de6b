//! The clock of the processor.

#![allow(unreachable_pub, clippy::missing_panics_doc, reason = "benchmarks are their own crates")]

use std::{fs, thread};

/// Nanoseconds that this thread has spent on a processor.
pub fn thread_ns() -> u64 {
    // The kernel adds up at every tick of 4 ms, and when a thread yields.
    thread::yield_now();
    let text = fs::read_to_string("/proc/thread-self/schedstat").expect("Linux with scheduler statistics");
    text.split(' ').next().and_then(|ns| ns.parse().ok()).expect("the first figure is the time")
}

/// The middle of `values`.
pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// Load of the machine over the last minute, to print beside figures.
pub fn load() -> String {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split(' ').next().unwrap_or("unknown").to_owned()
}
