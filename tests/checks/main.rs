//! The checks against scipy, against what they promise about chance, and on
//! what each is for.
//!
//! tests/oracles/checks.json holds what scipy, statsmodels and numpy say;
//! `tests/oracles/make_checks.py` made it. Simulations are seeded; reference and
//! windows are drawn anew, so that the reference's own error is in the rates.
//! Nothing is a stand-in.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
#![allow(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss)]

mod chance;
mod columns;
mod examples;
mod faults;
mod oracles;
mod pieces;
mod shifts;
