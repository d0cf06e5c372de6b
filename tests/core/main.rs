//! The core against a plain batch computation over the same log.
//!
//! Seeded simulators drive it through random schedules. Whatever the schedule,
//! the last text written for every window must be the one that the oracle
//! computes from the log in one go. A failure names its seed; run it alone by
//! `DRIFTLINE_SEED=<seed> cargo test --test core`.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_sign_loss,
    reason = "offsets and partitions of a simulation are small"
)]

mod batching;
mod planted;
mod recovery;
mod scenario;

/// The seeds of a test, or the one that is asked for.
fn seeds(count: u64) -> Vec<u64> {
    match std::env::var("DRIFTLINE_SEED") {
        Ok(seed) => vec![seed.parse().expect("DRIFTLINE_SEED is a number")],
        Err(_) => (0..count).collect(),
    }
}
