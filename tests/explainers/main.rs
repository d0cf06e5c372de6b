//! The explainers as a running thing, without Kafka: threads, queues, budgets and
//! servers that come and go.
//!
//! Tasks are offered as the daemon's thread offers them. Nothing is asserted by
//! time: what came before what is seen by the server that is asked.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::format_collect,
    reason = "a test fails by panicking"
)]

#[path = "../support/mod.rs"]
mod support;

mod asking;
mod budgets;
mod outages;
mod rig;
mod same;
mod threads;
