//! Rules, states, and what is told of them, without a daemon: windows in,
//! changes and notifications out. `tests/core` drives the same through
//! batches, late events and restarts; `tests/daemon` through real receivers.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod bench;
mod experiment;
#[allow(unreachable_pub, reason = "other test crates use it as well")]
#[path = "../support/experiments.rs"]
mod experiments;
mod groups;
mod outcomes;
mod states;
mod vitals;
