//! `driftline run`, the real program, from Kafka to InfluxDB.
//!
//! Both servers are stand-ins in the test process: rdkafka's mock cluster, and
//! an InfluxDB that records what is written and fails when told to. They make
//! crashes and outages quick and repeatable; the real servers are in
//! `tests/real_servers`. The mock takes 3 s for a group's first assignment.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

#[path = "../support/mod.rs"]
mod support;

mod alerts;
mod bench;
mod changes;
mod crashes;
mod disk;
mod experiments;
mod explanations;
mod faults;
mod members;
mod metrics;
mod operation;
mod outages;
mod references;
mod replay;
