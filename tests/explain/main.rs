//! Attributions of rows: the explainers against definitions, other
//! implementations and each other.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
#![allow(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::float_cmp)]
#![allow(unreachable_pub, reason = "modules of one test share what is in support")]

mod coverage;
mod enumerated;
mod importances;
mod leaves;
mod linear_models;
mod neutral;
mod oracle;
mod permuted;
mod support;
