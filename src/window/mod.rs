//! Event time: panes, watermarks and which windows an event belongs to.
//!
//! A pane is one slide of event time, a window is a run of panes; both begin
//! at multiples of the slide since 1970. Nothing here looks at a clock: times
//! are arguments.

mod panes;
mod settings;
mod watermark;

pub use panes::{pane_start, window_ends};
pub use settings::{WindowSettings, duration_text};
pub use watermark::Watermarks;
