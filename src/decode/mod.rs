//! From the bytes of a message to an envelope and a row of cells.
//!
//! Why one pass: decoding is most of the daemon's own work, so the payload is
//! walked once, the envelope's fields are remembered as spans, and features go
//! straight into the cells that their columns count.
//!
//! Promises: nothing is allocated per event once the buffers have grown,
//! except for strings with escapes, categories that the reference never saw
//! and category numbers that are not plain integers. What can't be used gives
//! a [`Reject`](crate::event::Reject) with a bounded reason. A repeated key
//! counts as its last value. Refuses: payloads that are not UTF-8, not JSON,
//! or nested deeper than 64 levels.
//!
//! This stage knows one thing of the next: the vocabulary of the grids, since
//! it writes category codes and not names.

mod decoder;
mod envelope;
mod escape;
mod loose;
mod mapping;
mod number;
mod paths;
mod pointed;
mod scanner;
mod schema;
mod short_name;
mod template;

pub use decoder::Decoder;
pub use envelope::Envelope;
pub use loose::{LooseValue, loose_features, loose_value, raw_members};
pub use mapping::{EventMapping, FieldSource, JsonPointer};
pub use pointed::{field, member, name_field};
pub use schema::{ColumnPlace, Row, Schema};
