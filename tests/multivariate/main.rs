//! Several features at a time: the sample of rows.
//!
//! Nothing is a stand-in here. Random data are seeded.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
#![allow(clippy::float_cmp, reason = "exact results are promised and compared as such")]
#![allow(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss)]

mod sample;
