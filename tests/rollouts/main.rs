//! Argo Rollouts and Flagger in front of the daemon's pages.
//!
//! Their clients are written anew after their source (argo-rollouts 1.10.0, flagger
//! 1.36.1, whose files the comments name) and talk to the real router over a
//! socket. Where `DRIFTLINE_ROLLOUT_TOOLS` names a folder with the programs `argo`
//! and `flagger`, made of the tools' own packages, every request is also made by
//! them, and both must come to the same.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

#[path = "../support/mod.rs"]
mod support;

mod analysis;
mod argo;
mod canary;
mod conditions;
mod expr;
mod flagger;
mod gates;
mod limits;
mod manifests;
mod pages;
mod queries;
mod rig;
mod runs;
mod tools;
