//! What the configuration says about windows.

/// Windows of every model. All durations are in milliseconds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WindowSettings {
    /// Length of a window; a multiple of `slide_ms`.
    pub size_ms: i64,
    /// Distance between window starts, the length of a pane; equal to
    /// `size_ms` for tumbling windows.
    pub slide_ms: i64,
    /// How far the events of a partition may be out of order.
    pub lateness_ms: i64,
    /// How long after its close a window still takes late events.
    pub grace_ms: i64,
    /// Silence after which a caught-up partition no longer holds windows open.
    pub idle_timeout_ms: i64,
    /// How far ahead of the clock an event may be.
    pub max_future_ms: i64,
    /// Values below which a column is `insufficient`.
    pub min_events: u64,
    /// Versions and variants a model may have.
    pub max_streams: usize,
    /// Empty windows written for a stream that has gone silent.
    pub max_empty_windows: u32,
}

impl Default for WindowSettings {
    fn default() -> Self {
        Self {
            size_ms: 3_600_000,
            slide_ms: 3_600_000,
            lateness_ms: 60_000,
            grace_ms: 0,
            idle_timeout_ms: 60_000,
            max_future_ms: 300_000,
            min_events: 100,
            max_streams: 100,
            max_empty_windows: 3,
        }
    }
}

impl WindowSettings {
    /// The tag of results: `1h`, or `1h/5m` for sliding windows.
    #[must_use]
    pub fn tag(&self) -> String {
        if self.size_ms == self.slide_ms {
            duration_text(self.size_ms)
        } else {
            format!("{}/{}", duration_text(self.size_ms), duration_text(self.slide_ms))
        }
    }
}

/// A duration in its largest whole unit: `90s`, `1h`, `2d`.
#[must_use]
pub fn duration_text(ms: i64) -> String {
    const UNITS: [(i64, &str); 4] = [(86_400_000, "d"), (3_600_000, "h"), (60_000, "m"), (1_000, "s")];
    UNITS
        .iter()
        .find(|(unit, _)| ms != 0 && ms % unit == 0)
        .map_or_else(|| format!("{ms}ms"), |(unit, suffix)| format!("{}{suffix}", ms / unit))
}
