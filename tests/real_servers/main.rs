//! The program against the real servers it is made for: Kafka, InfluxDB,
//! Prometheus, Alertmanager and a model server.
//!
//! Every test here is `#[ignore]`d, so that plain `cargo test` needs no server;
//! `scripts/test` prepares the servers, runs them and says what was skipped.
//! Nothing in this crate is a stand-in, but for webhooks: they are whoever is told.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    unreachable_pub,
    reason = "a test fails by panicking"
)]

#[path = "../support/mod.rs"]
mod support;

mod alertmanager;
mod alerts;
mod consumer;
mod dashboards;
mod end_to_end;
mod harness;
mod hotel;
mod influx;
mod kafka;
mod load;
mod model_servers;
mod points;
mod prometheus;
mod scene;
mod setup;
mod simulated;
mod survival;
mod validate;
