//! Experiments through the core: events go in as JSON, results come out, and what they
//! say is held against plain arithmetic over the same events.
//!
//! Whether decisions keep to their error rates is simulated elsewhere
//! (`tests/simulations`); here it is about what is counted, when, and in whose favour.
//! A failure of the seeded tests names its seed; run it alone by
//! `DRIFTLINE_SEED=<seed> cargo test --test experiments`.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    reason = "counts, offsets and partitions of a test are small"
)]

mod arithmetic;
mod arms;
mod determinism;
mod hostile;
mod labels;
mod losses;
mod metrics;
mod restarts;
mod runs;
mod shadows;
mod splits;
mod stand;
mod time;
mod traffic;
mod units;
mod verdicts;
