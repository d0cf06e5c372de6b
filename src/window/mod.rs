//! Event time: panes, watermarks and the closing of windows.

mod settings;

pub use settings::{WindowSettings, duration_text};
