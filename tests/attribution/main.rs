//! From events to a model's inputs, and from attributions to verdicts.
//!
//! tests/oracles/attribution.json holds what scikit-learn and scipy say of fixed
//! numbers; `tests/oracles/make_attribution.py` made it. Models are closures and
//! small trees. Random data are seeded.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
#![allow(clippy::float_cmp, reason = "exact results are promised and compared as such")]
#![allow(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss)]

mod drift;
mod explainer;
mod false_alarms;
mod inputs;
mod oracles;
mod summary;
mod surprise;
mod world;
