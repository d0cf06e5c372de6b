//! From the bytes of a message to an envelope and a row of cells.

mod mapping;

pub use mapping::{EventMapping, FieldSource, JsonPointer};
