//! Model files against the libraries that write them.
//!
//! tests/oracles/models holds small models and what their libraries predict by
//! them; `tests/oracles/make_models.py` made it. Rows are made here and there by
//! the same generator.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
#![allow(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss)]

mod fixtures;
mod hostile;
mod lightgbm;
mod linear_file;
mod onnx;
mod onnx_runtime;
mod rows;
mod ubjson;
mod xgboost;
