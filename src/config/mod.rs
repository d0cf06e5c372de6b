//! The configuration: as typed (`raw`), as meant ([`Settings`]), and the one
//! conversion between them that finds every error at once.

mod settings;

pub use settings::{ModelSettings, ReferenceSource, Settings, TableMapping};
