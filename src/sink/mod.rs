//! Where results go.

mod dead_letters;
mod settings;

pub use dead_letters::{DeadLetters, Full};
pub use settings::{InfluxApi, InfluxSettings};
