//! Several features at a time: the sample of rows, and what is said of it.
//!
//! tests/oracles/multivariate.json holds what scikit-learn and scipy say of
//! fixed samples; `tests/oracles/make_multivariate.py` made it. Nothing is a
//! stand-in here. Random data are seeded.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
#![allow(clippy::float_cmp, reason = "exact results are promised and compared as such")]
#![allow(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss)]

mod encoder;
mod judge;
mod oracles;
mod sample;
mod simulation;
mod world;
