//! Where results go.

mod settings;

pub use settings::{InfluxApi, InfluxSettings};
